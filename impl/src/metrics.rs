//! Numbers about a log, counted from the same typed events as its receipts and its log lines.
//!
//! [`Metrics`] is an [`Observer`]: what it counts has happened, since an event is told only behind its fact. It takes no
//! lock and allocates nothing. Names and units are Prometheus' own; how they are written down is for whoever
//! exports them.

use crate::event::{Event, Observer, Place};
use crate::histogram::{Durations, SyncDurations};
use crate::lsn::Lsn;
use crate::sync::{AtomicU64, Ordering};

/// How a metric moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MetricKind {
    /// Only up, from 0 at the beginning of the process.
    Counter,
    /// Up and down.
    Gauge,
}

macro_rules! metrics {
    ($($variant:ident: $kind:ident $name:literal $help:literal,)+) => {
        /// What is counted.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(usize)]
        pub enum Metric {
            $(#[doc = $help] $variant,)+
        }

        impl Metric {
            /// All of them, in the order in which they are read: an effect before its cause.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Its name, unit and `_total` included.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// What it says, in one sentence.
            #[must_use]
            pub const fn help(self) -> &'static str {
                match self { $(Self::$variant => $help,)+ }
            }

            /// How it moves.
            #[must_use]
            pub const fn kind(self) -> MetricKind {
                match self { $(Self::$variant => MetricKind::$kind,)+ }
            }
        }
    };
}

metrics! {
    Open: Gauge "truelog_open" "1 while the log is open, 0 before and behind that.",
    ReadOnly: Gauge "truelog_read_only" "1 if the log was opened for reading only.",
    Poisoned: Gauge "truelog_poisoned" "1 once a failed write or sync has made the handle useless for writing.",
    FirstLsn: Gauge "truelog_first_lsn" "The first record that is kept.",
    AcknowledgedRecords: Counter "truelog_acknowledged_records_total" "Records whose writers got receipts.",
    DurableLsn: Gauge "truelog_durable_lsn" "The last record of which it was said that it survives a loss of power.",
    CommittedLsn: Gauge "truelog_committed_lsn" "The last record that was written whole.",
    AuditedLsn: Gauge "truelog_audited_lsn" "The last record that an audit of everything has looked at.",
    ArchivedLsn: Gauge "truelog_archived_lsn" "The last record that was published in the archive.",
    DurableCommits: Counter "truelog_durable_commits_total" "Batches of records that were synced before they were told of.",
    CommittedRecords: Counter "truelog_committed_records_total" "Records in the batches that were committed.",
    Commits: Counter "truelog_commits_total" "Batches of records that were committed.",
    CommittedBytes: Counter "truelog_committed_bytes_total" "Bytes of these batches, header and padding included.",
    Trims: Counter "truelog_trims_total" "Times that the trim point moved.",
    RejectedRecords: Counter "truelog_rejected_records_total" "Records that were refused: they are not in the log.",
    IdleMarks: Counter "truelog_idle_marks_total" "Idle marks written, which vouch for what was committed before.",
    RewrittenRecords: Counter "truelog_rewritten_records_total" "Records that recovery wrote again, since nothing vouched for their bytes.",
    DamagedRanges: Counter "truelog_damaged_ranges_total" "Ranges of records, or files, found damaged.",
    Poisonings: Counter "truelog_poisonings_total" "Failures that made a handle useless for writing.",
    PreparedSegments: Counter "truelog_prepared_segments_total" "Segments made ready: bytes, name and manifest edit.",
    SpaceRefusals: Counter "truelog_space_refusals_total" "Segments that could not be made ready.",
    ManifestCheckpoints: Counter "truelog_manifest_checkpoints_total" "Times that the manifest was written anew.",
    RemovedFiles: Counter "truelog_removed_files_total" "Files removed: what was trimmed, replaced or never finished.",
    PublishedRuns: Counter "truelog_published_runs_total" "Runs that serve from the archive, merged ones included.",
    ArchiveDelays: Counter "truelog_archive_delays_total" "Runs that could not be made or copied, and are tried again.",
    DriveOutages: Counter "truelog_drive_outages_total" "Drives found that do not serve, though the manifest names them.",
    SuspectDrives: Counter "truelog_suspect_drives_total" "Drives that failed, and it was no race.",
    QuarantinedDrives: Counter "truelog_quarantined_drives_total" "Drives quarantined, durably.",
    Scrubs: Counter "truelog_scrubs_total" "Scrubs that went through all copies.",
    Audits: Counter "truelog_audits_total" "Audits of everything that ended well.",
    AuditFailures: Counter "truelog_audit_failures_total" "Pieces of an audit that could not be carried out, and are tried again.",
    ViolatedClaims: Counter "truelog_violated_claims_total" "Ranges of acknowledged records that an audit did not find as their receipts say.",
    RepairedCopies: Counter "truelog_repaired_copies_total" "Damaged copies that a scrub wrote anew.",
    DamagedCopies: Gauge "truelog_damaged_copies" "Damaged copies that the last scrub left.",
}

const METRICS: usize = Metric::ALL.len();

/// The numbers of one log. Hand it to [`Log::open_observed_in`](crate::Log::open_observed_in), or to
/// [`Log::observe`](crate::Log::observe): what happened before is not counted.
#[derive(Debug)]
pub struct Metrics([AtomicU64; METRICS], Durations);

impl Default for Metrics {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)), Durations::default())
    }
}

/// The numbers at one moment. They are read one by one while the log works, an effect before its cause: what was
/// acknowledged is never more than what was committed, nor is what is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Snapshot([u64; METRICS]);

impl Snapshot {
    /// The number.
    #[must_use]
    pub const fn get(&self, metric: Metric) -> u64 {
        self.0[metric as usize]
    }

    /// All numbers, in the order of [`Metric::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = (Metric, u64)> + '_ {
        Metric::ALL.iter().map(|metric| (*metric, self.get(*metric)))
    }
}

impl Metrics {
    /// The numbers now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot(std::array::from_fn(|at| self.0[at].load(Ordering::Acquire)))
    }

    /// How long syncs took, up to now.
    #[must_use]
    pub fn syncs(&self) -> SyncDurations {
        self.1.snapshot()
    }

    fn add(&self, metric: Metric, number: u64) {
        self.0[metric as usize].fetch_add(number, Ordering::Release);
    }

    fn set(&self, metric: Metric, number: u64) {
        self.0[metric as usize].store(number, Ordering::Release);
    }

    /// A gauge that two threads may move, of which the later may be told first.
    fn raise(&self, metric: Metric, lsn: Lsn) {
        self.0[metric as usize].fetch_max(lsn.get(), Ordering::Release);
    }

    fn opened(&self, first: Lsn, next: Lsn, durable: Lsn, read_only: bool) {
        self.set(Metric::Open, 1);
        self.set(Metric::ReadOnly, u64::from(read_only));
        self.set(Metric::Poisoned, 0);
        self.set(Metric::FirstLsn, first.get());
        // What was only read was not made durable: such a handle claims nothing.
        let of_writer = |lsn: Lsn| if read_only { 0 } else { lsn.get() };
        self.set(Metric::CommittedLsn, of_writer(next.prev()));
        self.set(Metric::DurableLsn, of_writer(durable));
    }

    fn committed(&self, at: &Place) {
        self.add(Metric::Commits, 1);
        self.add(Metric::CommittedRecords, at.lsns.len());
        self.add(Metric::CommittedBytes, at.end.saturating_sub(at.offset));
        self.raise(Metric::CommittedLsn, at.lsns.last);
    }
}

impl Observer for Metrics {
    fn event(&self, event: &Event) {
        match event {
            Event::Opened { first, next, durable, read_only, .. } => {
                self.opened(*first, *next, *durable, *read_only);
            }
            Event::Closed => self.set(Metric::Open, 0),
            Event::Synced { took, .. } => self.1.add(*took),
            Event::Durable(at) => {
                self.committed(at);
                self.add(Metric::DurableCommits, 1);
                self.raise(Metric::DurableLsn, at.lsns.last);
            }
            Event::Accepted(at) => self.committed(at),
            Event::IdleMark { upto, .. } => {
                self.add(Metric::IdleMarks, 1);
                self.raise(Metric::DurableLsn, *upto);
            }
            Event::Acked { lsns, .. } => self.add(Metric::AcknowledgedRecords, lsns.len()),
            Event::Rejected { records, .. } => self.add(Metric::RejectedRecords, *records),
            Event::Rewritten(at) => self.add(Metric::RewrittenRecords, at.lsns.len()),
            Event::Damage { .. } => self.add(Metric::DamagedRanges, 1),
            Event::Poisoned { .. } => {
                self.add(Metric::Poisonings, 1);
                self.set(Metric::Poisoned, 1);
            }
            Event::SegmentPrepared { .. } => self.add(Metric::PreparedSegments, 1),
            Event::SpaceRefused { .. } => self.add(Metric::SpaceRefusals, 1),
            Event::ManifestCheckpointed { .. } => self.add(Metric::ManifestCheckpoints, 1),
            Event::Trimmed { before } => {
                self.add(Metric::Trims, 1);
                self.raise(Metric::FirstLsn, *before);
            }
            Event::Removed { .. } => self.add(Metric::RemovedFiles, 1),
            Event::RunPublished { lsns, .. } => {
                self.add(Metric::PublishedRuns, 1);
                self.raise(Metric::ArchivedLsn, lsns.last);
            }
            Event::ArchiveDelayed { .. } => self.add(Metric::ArchiveDelays, 1),
            Event::DriveOut { .. } => self.add(Metric::DriveOutages, 1),
            Event::DriveSuspect { .. } => self.add(Metric::SuspectDrives, 1),
            Event::DriveQuarantined { .. } => self.add(Metric::QuarantinedDrives, 1),
            Event::Scrubbed { repaired, left, .. } => {
                self.add(Metric::Scrubs, 1);
                self.add(Metric::RepairedCopies, *repaired);
                self.set(Metric::DamagedCopies, *left);
            }
            Event::Audited { upto } => {
                self.add(Metric::Audits, 1);
                self.raise(Metric::AuditedLsn, *upto);
            }
            Event::AuditFailed { .. } => self.add(Metric::AuditFailures, 1),
            Event::ClaimViolated { .. } => self.add(Metric::ViolatedClaims, 1),
            Event::Created { .. }
            | Event::RecoveryRow { .. }
            | Event::LossAccepted { .. }
            | Event::OrphanKept(_)
            | Event::DriveServes { .. }
            | Event::DriveReadOnly { .. }
            | Event::DriveRemoved { .. }
            | Event::VolumeDoubtful { .. }
            | Event::ClockDoubtful(_)
            | Event::SyncChosen { .. }
            | Event::Adopted { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Prometheus' conventions: <https://prometheus.io/docs/practices/naming/>.
    #[test]
    fn names_are_prometheus_own() {
        let mut names: Vec<_> = Metric::ALL.iter().map(|metric| metric.name()).collect();
        for metric in Metric::ALL {
            let name = metric.name();
            assert!(name.starts_with("truelog_"), "{name}");
            assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name}");
            assert_eq!(name.ends_with("_total"), metric.kind() == MetricKind::Counter, "{name}");
            assert!(metric.help().ends_with('.'), "{name}");
        }
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), METRICS);
    }
}
