//! The three builds of the engine as subjects: one macro, so that they cannot drift apart.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use truelog_spec::Failure;
use truelog_spec::contract::Record;
use truelog_spec::step::Durability;

use super::{
    AUDIT_EVERYTHING, Ack, Archived, Audit, Claimed, Drive, Opened, Place, ReadAhead, Refusal, Run, Scrubbed,
    Sent, Setup, Stepped, Subject, SyncWay, Told, Watch, Worked,
};

macro_rules! subject {
    ($(#[$meta:meta])* $name:ident, $module:ident, $engine:ident) => {
        $(#[$meta])*
        #[derive(Debug)]
        pub struct $name($engine::Log);

        mod $module {
            use super::*;

            /// Tells the watch of those events that claim durability.
            struct Watcher(Watch);

            impl fmt::Debug for Watcher {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str("Watcher")
                }
            }

            impl $engine::Observer for Watcher {
                fn event(&self, event: &$engine::Event) {
                    let (place, durability) = match event {
                        $engine::Event::Durable(place) => (place, Durability::PowerLoss),
                        $engine::Event::Accepted(place) => (place, Durability::ProcessCrash),
                        _ => return,
                    };
                    (self.0)(Claimed {
                        first: place.lsns.first.get(),
                        last: place.lsns.last.get(),
                        segment: place.segment.get(),
                        offset: place.offset,
                        durability,
                    });
                }
            }

            pub(super) fn watcher(watch: Watch) -> Arc<dyn $engine::Observer> {
                Arc::new(Watcher(watch))
            }

            pub(super) fn options(setup: &Setup) -> $engine::Options {
                $engine::Options {
                    block_size: setup.block,
                    segment_size: setup.segment,
                    max_batch_bytes: setup.batch,
                    manifest_blocks: setup.manifest_blocks,
                    sync: match setup.sync {
                        SyncWay::Data => $engine::SyncMethod::DataSync,
                        SyncWay::Through => $engine::SyncMethod::WriteThrough,
                        SyncWay::Auto => $engine::SyncMethod::Auto,
                    },
                    fill: if setup.allocate { $engine::Fill::Allocate } else { $engine::Fill::Zeros },
                    background: false,
                    reuse: setup.reuse,
                    copies: setup.copies,
                    // Two records fill a block, and a few blocks a run.
                    archive_block_bytes: 64,
                    run_bytes: 4096,
                    archive_rate: 0,
                    prefetch_bytes: setup.prefetch,
                    // Nobody audits by himself, and two idle times without are too long.
                    audit_every: std::time::Duration::ZERO,
                    audit_all_every: AUDIT_EVERYTHING,
                    ..$engine::Options::default()
                }
            }

            /// The same, with the log's own thread.
            pub(super) fn worked(setup: &Setup) -> $engine::Options {
                $engine::Options { background: true, ..options(setup) }
            }

            pub(super) fn open(
                place: &Place,
                options: &$engine::Options,
                watch: Watch,
            ) -> Result<($name, Opened), Refusal> {
                let watchers = [watcher(watch)];
                let (log, found) = $engine::Log::open_observed_in(&place.env, &place.dir, options, &watchers)
                    .map_err(refusal)?;
                let opened = opened(&found);
                Ok(($name(log), opened))
            }

            pub(super) fn durability(durability: Durability) -> $engine::Durability {
                match durability {
                    Durability::PowerLoss => $engine::Durability::PowerLoss,
                    Durability::ProcessCrash => $engine::Durability::ProcessCrash,
                }
            }

            pub(super) fn records(sent: &[Sent]) -> Vec<$engine::Record<'_>> {
                sent.iter()
                    .map(|one| $engine::Record { stream: $engine::StreamId(one.stream), payload: &one.payload })
                    .collect()
            }

            pub(super) fn record(entry: $engine::Entry) -> Record {
                Record {
                    lsn: entry.lsn.get(),
                    stream: entry.stream.get(),
                    seq: entry.seq.get(),
                    payload: (&*entry.payload).into(),
                }
            }

            pub(super) fn ack(receipt: &$engine::Receipt) -> Ack {
                Ack {
                    lsn: receipt.lsn().get(),
                    stream: receipt.stream().get(),
                    seq: receipt.seq().get(),
                    segment: receipt.segment().get(),
                    offset: receipt.offset(),
                    len: receipt.len(),
                    digest: receipt.digest().0,
                    durability: match receipt.durability() {
                        $engine::Durability::PowerLoss => Durability::PowerLoss,
                        $engine::Durability::ProcessCrash => Durability::ProcessCrash,
                    },
                }
            }

            pub(super) fn opened(found: &$engine::Recovered) -> Opened {
                Opened {
                    first: found.first.get(),
                    next: found.next.get(),
                    damage: found.damage.iter().map(|damage| run(damage.lsns)).collect(),
                    read_only: found.read_only,
                }
            }

            pub(super) fn run(lsns: $engine::LsnRange) -> (u64, u64) {
                (lsns.first.get(), lsns.last.get())
            }

            pub(super) fn told(health: &$engine::Health) -> Told {
                Told {
                    good: health.verdict == $engine::Condition::Good,
                    halted: health.verdict == $engine::Condition::Halted,
                    rules: health.findings.iter().map(|finding| finding.rule.name()).collect(),
                }
            }

            pub(super) fn refusal(error: $engine::Error) -> Refusal {
                use $engine::Error as E;
                let (kind, lsns) = match &error {
                    E::Io { .. } | E::Abandoned | E::BadTicket | E::Displaced { .. } => (Failure::Io, None),
                    E::Corrupt { lsns, .. } | E::CorruptBlock { lsns, .. } | E::Lost { lsns } => {
                        (Failure::Corrupt, Some(run(*lsns)))
                    }
                    E::Unavailable { lsns, .. } => (Failure::Io, Some(run(*lsns))),
                    E::CorruptFile { .. } => (Failure::Corrupt, None),
                    E::Poisoned { .. } => (Failure::Poisoned, None),
                    E::Full { .. } => (Failure::Full, None),
                    E::Closed => (Failure::Closed, None),
                    E::Locked { .. } => (Failure::Locked, None),
                    E::Exists { .. } => (Failure::Exists, None),
                    E::Unfinished { .. } => (Failure::Unfinished, None),
                    E::Version { .. } => (Failure::Version, None),
                    E::Trimmed { .. } => (Failure::Trimmed, None),
                    E::Absent { .. } => (Failure::NotFound, None),
                    E::TooLarge { .. } | E::TooManyStreams { .. } => (Failure::TooLarge, None),
                    E::ReadOnly { .. } => (Failure::ReadOnly, None),
                    E::NotALog { .. } => (Failure::NotALog, None),
                    E::Unsafe { .. } => (Failure::Unsafe, None),
                    E::BadOption { .. } => (Failure::BadOption, None),
                    E::InDoubt { .. } => (Failure::InDoubt, None),
                    E::Mismatch { .. } | E::Moved { .. } => (Failure::Mismatch, None),
                    // The engine's errors may grow; a new one is not an end that the contract knows.
                    _ => (Failure::Io, None),
                };
                Refusal { kind, lsns, says: error.to_string() }
            }
        }

        impl Subject for $name {
            type Ticket = $engine::Ticket;

            fn create(place: &Place) -> Result<Self, Refusal> {
                let log = $engine::Log::create_in(&place.env, &place.dir, &$module::options(&place.setup));
                log.map(Self).map_err($module::refusal)
            }

            fn open(place: &Place, watch: Watch) -> Result<(Self, Opened), Refusal> {
                $module::open(place, &$module::options(&place.setup), watch)
            }

            fn inspect(place: &Place) -> Result<Vec<Result<Record, Refusal>>, Refusal> {
                let inspection = $engine::inspect_in(&place.env, &place.dir).map_err($module::refusal)?;
                let entries = inspection.iter($engine::Lsn(1));
                Ok(entries.map(|entry| entry.map($module::record).map_err($module::refusal)).collect())
            }

            fn adopt(place: &Place) -> Result<(), Refusal> {
                $engine::adopt_in(&place.env, &place.dir).map(drop).map_err($module::refusal)
            }

            fn accept_loss(place: &Place) -> Result<Vec<(u64, u64)>, Refusal> {
                let stored = $module::options(&place.setup);
                let options = $engine::LossOptions { stored, no_archive: true, ..Default::default() };
                let lost = $engine::accept_loss_in(&place.env, &place.dir, &options).map_err($module::refusal)?;
                Ok(lost.iter().map(|damage| $module::run(damage.lsns)).collect())
            }

            fn watch(&self, watch: Watch) {
                self.0.observe($module::watcher(watch));
            }

            fn submit(&self, sent: &[Sent], durability: Durability) -> Result<(Self::Ticket, u64, u64), Refusal> {
                let ticket = self.0.submit(&$module::records(sent), $module::durability(durability));
                let ticket = ticket.map_err($module::refusal)?;
                let (first, last) = (ticket.first().get(), ticket.last().get());
                Ok((ticket, first, last))
            }

            fn wait(&self, ticket: Self::Ticket) -> Result<Vec<Ack>, Refusal> {
                let receipts = self.0.wait(ticket).map_err($module::refusal)?;
                Ok(receipts.iter().map($module::ack).collect())
            }

            fn append(&self, sent: &[Sent], durability: Durability) -> Result<Vec<Ack>, Refusal> {
                let records = $module::records(sent);
                let receipts = match *records.as_slice() {
                    [one] => self.0.append_with(one, $module::durability(durability)).map(|receipt| vec![receipt]),
                    _ => self.0.append_batch(&records, $module::durability(durability)),
                };
                Ok(receipts.map_err($module::refusal)?.iter().map($module::ack).collect())
            }

            fn trim(&self, before: u64) -> Result<u64, Refusal> {
                let trimmed = self.0.trim($engine::Lsn(before)).map_err($module::refusal)?;
                Ok(trimmed.before.get())
            }

            fn step(&self) -> Result<(), Refusal> {
                self.0.step().map(drop).map_err($module::refusal)
            }

            fn close(self) -> Result<(), Refusal> {
                self.0.close().map_err($module::refusal)
            }

            fn read(&self, from: u64) -> Vec<Result<Record, Refusal>> {
                let entries = self.0.iter($engine::Lsn(from));
                entries.map(|entry| entry.map($module::record).map_err($module::refusal)).collect()
            }

            fn get(&self, lsn: u64) -> Result<Record, Refusal> {
                self.0.get($engine::Lsn(lsn)).map($module::record).map_err($module::refusal)
            }

            fn verify(&self, ack: &Ack) -> Result<Audit, Refusal> {
                let claim = $engine::Claim {
                    log: self.0.id(),
                    lsn: $engine::Lsn(ack.lsn),
                    stream: $engine::StreamId(ack.stream),
                    seq: $engine::Seq(ack.seq),
                    segment: $engine::SegmentNo(ack.segment),
                    offset: ack.offset,
                    len: ack.len,
                    digest: $engine::Digest(ack.digest),
                    durability: $module::durability(ack.durability),
                };
                Ok(match self.0.verify(&claim).map_err($module::refusal)? {
                    $engine::Verdict::Verified => Audit::Holds,
                    $engine::Verdict::Trimmed => Audit::Trimmed,
                    other @ $engine::Verdict::Violated {
                        why:
                            $engine::Violation::Absent { .. }
                            | $engine::Violation::Damaged { .. }
                            | $engine::Violation::Lost { .. },
                    } => Audit::Absent(format!("{other:?}")),
                    other => Audit::Broken(format!("{other:?}")),
                })
            }

            fn health(&self) -> Told {
                $module::told(&self.0.health())
            }

            fn durable(&self) -> u64 {
                self.0.stat().durable.get()
            }
        }

        impl Archived for $name {
            fn rebuild_manifest(place: &Place, drives: &[PathBuf]) -> Result<(), Refusal> {
                let stored = $module::options(&place.setup);
                let options = $engine::RebuildOptions { stored, ..Default::default() };
                let rebuilt = $engine::rebuild_manifest_in(&place.env, &place.dir, drives, &options);
                rebuilt.map(drop).map_err($module::refusal)
            }

            fn add_drive(&self, dir: &Path) -> Result<u64, Refusal> {
                self.0.add_drive(dir, 0).map(|entry| entry.number.get()).map_err($module::refusal)
            }

            fn archive_step(&self) -> Result<Stepped, Refusal> {
                let progress = self.0.archive_step().map_err($module::refusal)?;
                let $engine::ArchiveProgress { worked, pending, prefetched, .. } = progress;
                let published = progress.published.map(|run| $module::run(run.lsns));
                Ok(Stepped { worked, pending, prefetched, published, reclaimed: progress.reclaimed })
            }

            fn compact(&self) -> Result<Vec<(u64, u64)>, Refusal> {
                let runs = self.0.compact().map_err($module::refusal)?;
                Ok(runs.iter().map(|run| $module::run(run.lsns)).collect())
            }

            fn scrub(&self, readmit: bool) -> Result<Scrubbed, Refusal> {
                let report = self.0.scrub(None, readmit).map_err($module::refusal)?;
                Ok(Scrubbed {
                    blocks: report.blocks,
                    bad: report.bad.iter().map(|bad| (bad.drive.get(), bad.run.get())).collect(),
                    lost: report.lost.iter().map(|damage| $module::run(damage.lsns)).collect(),
                    readmitted: report.readmitted.iter().map(|drive| drive.get()).collect(),
                })
            }

            fn drives(&self) -> Vec<Drive> {
                let drive = |state: $engine::DriveState| Drive {
                    number: state.entry.number.get(),
                    serves: state.serves(),
                    quarantined: !state.entry.is_healthy(),
                    suspect: state.suspect.is_some(),
                };
                self.0.drives().into_iter().map(drive).collect()
            }

            fn read_ahead(&self) -> ReadAhead {
                let $engine::PrefetchStat { hits, misses, filled } = self.0.prefetch_stat();
                ReadAhead { hits, misses, filled }
            }

            fn runs(&self) -> Vec<Run> {
                let run = |run: $engine::RunEntry| Run {
                    number: run.number.get(),
                    generation: run.generation,
                    lsns: $module::run(run.lsns),
                    copies: run.copies.iter().map(|drive| drive.get()).collect(),
                };
                self.0.runs().into_iter().map(run).collect()
            }
        }

        impl Worked for $name {
            fn create_worked(place: &Place) -> Result<Self, Refusal> {
                let log = $engine::Log::create_in(&place.env, &place.dir, &$module::worked(&place.setup));
                log.map(Self).map_err($module::refusal)
            }

            fn open_worked(place: &Place, watch: Watch) -> Result<(Self, Opened), Refusal> {
                $module::open(place, &$module::worked(&place.setup), watch)
            }
        }
    };
}

subject!(
    /// The engine as it is shipped.
    Plain, plain, truelog
);
subject!(
    /// The engine under loom.
    UnderLoom, under_loom, truelog_under_loom
);
subject!(
    /// The engine under shuttle.
    UnderShuttle, under_shuttle, truelog_under_shuttle
);
