//! What happens in a log, as typed events: for observers, and for the trace.
//!
//! This is the only module that writes to the trace (a test holds that). The function `durable` is the only
//! one that says "durable" at INFO, and it takes the place of the artifact it speaks of.

use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use truelog_env::Caution;

use crate::archive::drive::DriveOut;
use crate::archive::entry::Evidence;
use crate::archive::orphans::Orphan;
use crate::archive::set::DriveSet;
use crate::clock::ClockCheck;
use crate::error::{Error, caution_text};
use crate::lsn::{DriveNo, Lsn, LsnRange, RunNo, SegmentNo};
use crate::options::SyncMethod;
use crate::sync::{Mutex, StdArc};
use crate::types::{Durability, LogId};
use crate::way::BatchSize;

/// Where a run of records is: in one batch of one segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Place {
    /// The records.
    pub lsns: LsnRange,
    /// The segment.
    pub segment: SegmentNo,
    /// Where the batch begins in the segment's file, in bytes.
    pub offset: u64,
    /// Where it ends, padding included, in bytes.
    pub end: u64,
}

/// Something that happened. Events are told in the order in which they happened, and before the call that
/// caused them returns.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The log was created.
    Created {
        /// Its identity.
        log: LogId,
    },
    /// A recovery went through a row of its decision table.
    RecoveryRow {
        /// The row's number.
        number: u8,
        /// The row's name.
        name: &'static str,
    },
    /// The log is open.
    Opened {
        /// Its identity.
        log: LogId,
        /// The first record that it keeps.
        first: Lsn,
        /// The LSN that the next record gets.
        next: Lsn,
        /// The last record that survives a loss of power; where nothing can be written, the last one that something
        /// vouches for.
        durable: Lsn,
        /// Whether nothing can be written.
        read_only: bool,
    },
    /// Nobody can be sure that the log's volume honours syncs.
    VolumeDoubtful {
        /// Why.
        why: Caution,
    },
    /// The clock cannot be right: it is behind what was written by it. No record depends on it.
    ClockDoubtful(ClockCheck),
    /// Records found by a recovery were written again, because nothing vouched for their bytes.
    Rewritten(Place),
    /// Damage was found. It is kept and named, never cut.
    Damage {
        /// The records that are affected; empty when no record is.
        lsns: LsnRange,
        /// What was found.
        error: Error,
    },
    /// A segment is ready: its bytes, its name and its manifest edit are on the disk.
    SegmentPrepared {
        /// The segment.
        segment: SegmentNo,
        /// Its size in bytes.
        capacity: u64,
    },
    /// Space could not be prepared. Nothing else changed.
    SpaceRefused {
        /// The segment that could not be prepared.
        segment: SegmentNo,
        /// Why.
        error: Error,
    },
    /// The manifest was written anew.
    ManifestCheckpointed {
        /// How many segments it names.
        segments: u64,
    },
    /// The first batches of a size went either way in turn, and the faster one is kept, as long as the log is open.
    SyncChosen {
        /// Which batches it is chosen for.
        size: BatchSize,
        /// [`SyncMethod::DataSync`], or [`SyncMethod::WriteThrough`], then past the page cache.
        method: SyncMethod,
        /// What a write and a sync took: the median.
        synced: Duration,
        /// What a write past the page cache took that is a sync as well: the median.
        through: Duration,
    },
    /// A sync of a segment has succeeded: one more of what the next claim stands on, and no claim by itself.
    Synced {
        /// The segment.
        segment: SegmentNo,
        /// How long it took.
        took: Duration,
    },
    /// A batch survives a loss of power.
    Durable(Place),
    /// A batch survives the end of the process; nothing is said about a loss of power.
    Accepted(Place),
    /// The idle mark was written, which vouches for everything up to `upto`.
    IdleMark {
        /// The last record it vouches for.
        upto: Lsn,
        /// Where it is.
        segment: SegmentNo,
        /// Its offset in the file, in bytes.
        offset: u64,
    },
    /// Records are about to be acknowledged to their writer.
    Acked {
        /// The records.
        lsns: LsnRange,
        /// What they survive from now on.
        durability: Durability,
    },
    /// Records were refused. They are not in the log, and have no LSN.
    Rejected {
        /// How many.
        records: u64,
        /// Why.
        error: Error,
    },
    /// The trim point moved.
    Trimmed {
        /// Records before this one are gone.
        before: Lsn,
    },
    /// A file was removed: a segment below the trim point, or something that was never finished.
    Removed {
        /// Its name.
        name: String,
    },
    /// A failure made the handle useless for writing.
    Poisoned {
        /// The failure.
        cause: Error,
    },
    /// Records were given up for good.
    LossAccepted {
        /// The records.
        lsns: LsnRange,
    },
    /// A run serves its records from now on: it is durable on each of these drives, and so is the manifest's edit that
    /// names it.
    RunPublished {
        /// The run.
        run: RunNo,
        /// Its records.
        lsns: LsnRange,
        /// The drives.
        copies: DriveSet,
    },
    /// A drive was added, or serves again.
    DriveServes {
        /// The drive.
        drive: DriveNo,
    },
    /// A drive that the manifest names does not serve.
    DriveOut {
        /// The drive.
        drive: DriveNo,
        /// Why.
        why: DriveOut,
    },
    /// A drive serves, but its volume is mounted read-only: nothing new goes there.
    DriveReadOnly {
        /// The drive.
        drive: DriveNo,
    },
    /// A drive failed, and it was no race. Reads go elsewhere; the quarantine is not durable yet.
    DriveSuspect {
        /// The drive.
        drive: DriveNo,
        /// What it did.
        evidence: Evidence,
    },
    /// A drive is quarantined, durably.
    DriveQuarantined {
        /// The drive.
        drive: DriveNo,
        /// What it did.
        evidence: Evidence,
    },
    /// A drive was removed from the log.
    DriveRemoved {
        /// The drive.
        drive: DriveNo,
    },
    /// A file on a drive that the manifest does not name there was not removed, since something may hang on it.
    OrphanKept(Orphan),
    /// A run could not be made or copied. Nothing else changed; it is tried again later.
    ArchiveDelayed {
        /// Why.
        error: Error,
    },
    /// A scrub has gone through all copies.
    Scrubbed {
        /// How many blocks it read and found whole.
        whole: u64,
        /// How many copies of runs it wrote anew.
        repaired: u64,
        /// How many damaged copies are left.
        left: u64,
    },
    /// An audit of everything has ended well, and the manifest says so.
    Audited {
        /// The last record that it looked at.
        upto: Lsn,
    },
    /// The auditor could not look at something. It is tried again later.
    AuditFailed {
        /// Why.
        error: Error,
    },
    /// An audit found acknowledged records that are not there as their receipts say. The log fails for it.
    ClaimViolated {
        /// The records.
        lsns: LsnRange,
        /// What was found.
        error: Error,
    },
    /// The log was adopted at a new place.
    Adopted {
        /// Its identity.
        log: LogId,
        /// Its new epoch.
        epoch: u64,
    },
    /// The log was closed.
    Closed,
}

/// Is told what happens. Called on the thread that did it, which may be committing or keeping house: an observer must
/// not block for long, and must not call the log, or the log may wait for itself.
pub trait Observer: Debug + Send + Sync {
    /// Something happened.
    fn event(&self, event: &Event);
}

/// The observers of one log.
#[derive(Debug)]
pub(crate) struct Events {
    observers: Mutex<StdArc<[StdArc<dyn Observer>]>>,
}

impl Default for Events {
    fn default() -> Self {
        Self { observers: Mutex::new(StdArc::new([])) }
    }
}

impl Events {
    /// Adds an observer, for everything that happens from now on.
    pub(crate) fn add(&self, observer: StdArc<dyn Observer>) {
        let mut observers = self.observers.lock();
        *observers = observers.iter().cloned().chain([observer]).collect();
    }

    /// Tells the trace, then the observers.
    pub(crate) fn emit(&self, event: &Event) {
        trace(event);
        // Cloned, so that the lock is not held while observers run.
        let observers = StdArc::clone(&self.observers.lock());
        for observer in observers.iter() {
            observer.event(event);
        }
    }
}

impl Events {
    /// As [`Events::emit`], while the thread unwinds: an observer that unwinds as well keeps nobody else from hearing.
    pub(crate) fn emit_unwinding(&self, event: &Event) {
        let _ = catch_unwind(AssertUnwindSafe(|| trace(event)));
        let observers = StdArc::clone(&self.observers.lock());
        for observer in observers.iter() {
            let _ = catch_unwind(AssertUnwindSafe(|| observer.event(event)));
        }
    }
}

/// Says that a batch survives a loss of power. The only line at INFO that does, one a commit: call it after
/// the sync that covers the batch succeeded and its file was found in its place, before anybody is woken.
pub(crate) fn durable(events: &Events, place: Place) {
    events.emit(&Event::Durable(place));
}

/// Says that a batch survives the end of the process.
pub(crate) fn accepted(events: &Events, place: Place) {
    events.emit(&Event::Accepted(place));
}

fn trace(event: &Event) {
    match event {
        Event::Durable(at) => tracing::info!(
            first = at.lsns.first.get(),
            last = at.lsns.last.get(),
            segment = at.segment.get(),
            offset = at.offset,
            end = at.end,
            "durable"
        ),
        Event::Accepted(at) => tracing::debug!(
            first = at.lsns.first.get(),
            last = at.lsns.last.get(),
            segment = at.segment.get(),
            offset = at.offset,
            end = at.end,
            "accepted"
        ),
        Event::Acked { lsns, durability } => {
            tracing::debug!(first = lsns.first.get(), last = lsns.last.get(), %durability, "acknowledged");
        }
        Event::Damage { lsns, error } => {
            tracing::error!(first = lsns.first.get(), last = lsns.last.get(), code = error.code(), %error, "damage");
        }
        Event::Poisoned { cause } => tracing::error!(code = cause.code(), %cause, "poisoned"),
        Event::SpaceRefused { segment, error } => {
            tracing::warn!(segment = segment.get(), code = error.code(), %error, "no space");
        }
        Event::LossAccepted { lsns } => {
            tracing::warn!(first = lsns.first.get(), last = lsns.last.get(), "loss accepted");
        }
        Event::Created { log } => tracing::debug!(%log, "created"),
        Event::Opened { log, first, next, durable, read_only } => {
            let (first, next, upto) = (first.get(), next.get(), durable.get());
            tracing::debug!(%log, first, next, upto, read_only, "opened");
        }
        Event::Rejected { records, error } => {
            tracing::debug!(records, code = error.code(), %error, "rejected");
        }
        Event::RecoveryRow { number, name } => tracing::debug!(number, name, "recovery row"),
        Event::Rewritten(at) => tracing::debug!(
            first = at.lsns.first.get(),
            last = at.lsns.last.get(),
            segment = at.segment.get(),
            offset = at.offset,
            "rewritten"
        ),
        Event::SegmentPrepared { segment, capacity } => {
            tracing::debug!(segment = segment.get(), capacity, "segment prepared");
        }
        Event::ManifestCheckpointed { segments } => tracing::debug!(segments, "manifest checkpoint"),
        Event::IdleMark { upto, segment, offset } => {
            tracing::debug!(upto = upto.get(), segment = segment.get(), offset, "idle mark");
        }
        Event::Trimmed { before } => tracing::debug!(before = before.get(), "trimmed"),
        Event::Removed { name } => tracing::debug!(name, "removed"),
        Event::Adopted { log, epoch } => tracing::debug!(%log, epoch, "adopted"),
        Event::Closed => tracing::debug!("closed"),
        other => trace_audit(other),
    }
}

/// What the auditor found.
fn trace_audit(event: &Event) {
    match event {
        Event::ClaimViolated { lsns, error } => {
            tracing::error!(first = lsns.first.get(), last = lsns.last.get(), code = error.code(), %error, "claim violated");
        }
        Event::AuditFailed { error } => tracing::error!(code = error.code(), %error, "audit failed"),
        Event::Audited { upto } => tracing::debug!(upto = upto.get(), "audited"),
        Event::ClockDoubtful(check) => tracing::warn!(why = %check, "clock is doubtful"),
        Event::Synced { segment, took } => {
            tracing::trace!(segment = segment.get(), ?took, "sync ended");
        }
        Event::SyncChosen { size, method, synced, through } => {
            tracing::debug!(%size, %method, ?synced, ?through, "way of writing chosen");
        }
        Event::VolumeDoubtful { why } => tracing::warn!(why = caution_text(*why), "volume is doubtful"),
        of_archive => trace_archive(of_archive),
    }
}

/// What happens in the archive.
fn trace_archive(event: &Event) {
    match event {
        Event::RunPublished { run, lsns, copies } => tracing::debug!(
            run = run.get(),
            first = lsns.first.get(),
            last = lsns.last.get(),
            %copies,
            "run published"
        ),
        Event::DriveServes { drive } => tracing::debug!(drive = drive.get(), "drive serves"),
        Event::DriveOut { drive, why } => tracing::error!(drive = drive.get(), %why, "drive does not serve"),
        Event::DriveReadOnly { drive } => tracing::warn!(drive = drive.get(), "drive is read-only"),
        Event::DriveSuspect { drive, evidence } => {
            tracing::error!(drive = drive.get(), %evidence, "drive is suspect");
        }
        Event::DriveQuarantined { drive, evidence } => {
            tracing::error!(drive = drive.get(), %evidence, "drive is quarantined");
        }
        Event::OrphanKept(Orphan { drive, name, bytes, kept }) => {
            let why = kept.map(|kept| kept.to_string());
            tracing::warn!(drive = drive.get(), %name, bytes, why, "orphan kept");
        }
        Event::DriveRemoved { drive } => tracing::warn!(drive = drive.get(), "drive removed"),
        Event::ArchiveDelayed { error } => tracing::warn!(code = error.code(), %error, "archive delayed"),
        Event::Scrubbed { whole, repaired, left } if *left > 0 => {
            tracing::error!(whole, repaired, left, "scrub left damage");
        }
        Event::Scrubbed { whole, repaired, left } if *repaired > 0 => {
            tracing::warn!(whole, repaired, left, "scrub repaired damage");
        }
        Event::Scrubbed { whole, repaired, left } => tracing::debug!(whole, repaired, left, "scrubbed"),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Keeps(Mutex<Vec<Event>>);

    impl Observer for Keeps {
        fn event(&self, event: &Event) {
            self.0.lock().push(event.clone());
        }
    }

    /// The sources under `dir`, with their names relative to it.
    #[allow(clippy::disallowed_methods, reason = "a test that reads the sources")]
    fn sources(dir: &std::path::Path, found: &mut Vec<(std::path::PathBuf, String)>) {
        for entry in std::fs::read_dir(dir).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                sources(&path, found);
            } else {
                let text = std::fs::read_to_string(&path).expect("a source");
                found.push((path, text));
            }
        }
    }

    #[test]
    fn only_this_module_writes_to_the_trace_and_only_one_line_is_info() {
        let mut found = Vec::new();
        sources(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
        assert!(found.len() > 10, "the sources were not found");
        let needle = concat!("tracing", "::");
        for (path, text) in found {
            let here = path.ends_with("src/event.rs");
            assert_eq!(text.contains(needle), here, "{}", path.display());
            assert_eq!(
                text.matches(concat!("tracing", "::info!")).count(),
                usize::from(here),
                "{}",
                path.display()
            );
        }
    }

    #[test]
    fn every_observer_is_told_in_order() {
        let events = Events::default();
        let (first, second) =
            (StdArc::new(Keeps(Mutex::new(vec![]))), StdArc::new(Keeps(Mutex::new(vec![]))));
        events.add(StdArc::clone(&first) as StdArc<dyn Observer>);
        let place = Place { lsns: LsnRange::of(Lsn(1), 2), segment: SegmentNo(1), offset: 4096, end: 8192 };
        durable(&events, place);
        events.add(StdArc::clone(&second) as StdArc<dyn Observer>);
        accepted(&events, place);
        assert_eq!(*first.0.lock(), [Event::Durable(place), Event::Accepted(place)]);
        assert_eq!(*second.0.lock(), [Event::Accepted(place)]);
    }
}
