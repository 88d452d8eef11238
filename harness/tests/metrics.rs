//! What the engine says of itself, against the simulated disk: every claim has its artifact at the moment it is made, and
//! every number is what the disk says.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;
use truelog::{
    Durability, Event, Log, Lsn, Metric, Metrics, Observer, Options, Place, Record, Snapshot, StreamId,
    SyncMethod,
};
use truelog_env::{IoKind, Op};
use truelog_harness::fabric::{
    DriveFile, Edge, Fault, LOG_DIR, Plan, Profile, Reads, Role, RolePattern, SimFs, drive_dir,
};
use truelog_harness::oracle::{Batch, Reading};

use super::judged::{Judged, durable, each_was_judged, judge_more, visible};

fn options() -> Options {
    Options {
        block_size: 256,
        segment_size: 1024,
        max_batch_bytes: 512,
        manifest_blocks: 3,
        background: false,
        archive_block_bytes: 64,
        run_bytes: 4096,
        archive_rate: 0,
        copies: 1,
        // Who counts syncs must know which call is one.
        sync: SyncMethod::DataSync,
        ..Options::default()
    }
}

fn batches(reading: &Reading) -> impl Iterator<Item = &Batch> {
    reading.segments.values().flat_map(|segment| segment.batches.iter().chain(&segment.stranded))
}

/// The last record that is kept; 0 for none.
fn last(reading: &Reading) -> u64 {
    reading.records().last().map_or(0, |record| record.lsn)
}

/// Counts, and then holds each event, and each gauge behind it, against the disk at that moment.
#[derive(Debug)]
struct Holds {
    metrics: Metrics,
    disk: SimFs,
    judged: Mutex<BTreeMap<&'static str, u64>>,
    wrong: Mutex<Vec<String>>,
    /// What the durable manifest has said at these moments: the runs that it named, and the trim points.
    named: Mutex<(BTreeSet<u64>, BTreeSet<u64>)>,
}

impl Holds {
    /// Remembers what the manifest says.
    fn look(&self, durable: &Reading) {
        let Some(manifest) = &durable.manifest else { return };
        let mut named = self.named.lock().unwrap();
        named.0.extend(manifest.runs.keys());
        named.1.insert(manifest.before);
    }
}

impl Observer for Holds {
    fn event(&self, event: &Event) {
        self.metrics.event(event);
        let snapshot = self.metrics.snapshot();
        let (durable, visible) = (durable(&self.disk), visible(&self.disk));
        self.look(&durable);
        let found = match artifact(event, &durable, &visible) {
            Some((claim, founded)) => {
                *self.judged.lock().unwrap().entry(claim).or_default() += 1;
                founded
            }
            None => true,
        };
        if !found {
            self.wrong.lock().unwrap().push(format!("{event:?} has no artifact"));
        }
        let struck = !self.disk.faults().fired().is_empty();
        self.wrong.lock().unwrap().extend(gauges(&snapshot, &durable, (!struck).then_some(&visible)));
    }
}

/// The claim that an event is, if it is one, and whether the disk bears it out.
fn artifact(event: &Event, durable: &Reading, visible: &Reading) -> Option<(&'static str, bool)> {
    let has = |reading: &Reading, at: &Place| {
        batches(reading).any(|batch| {
            (batch.segment, batch.offset, batch.end) == (at.segment.get(), at.offset, at.end)
                && (batch.base, batch.next()) == (at.lsns.first.get(), at.lsns.last.next().get())
        })
    };
    let manifest = || durable.manifest.as_ref();
    Some(match event {
        Event::Durable(at) => ("durable", has(durable, at)),
        Event::Accepted(at) => ("accepted", has(visible, at)),
        Event::Rewritten(at) => ("rewritten", has(durable, at)),
        Event::IdleMark { upto, segment, offset } => {
            let mark = batches(durable)
                .find(|batch| (batch.segment, batch.offset) == (segment.get(), *offset))
                .filter(|batch| batch.records.is_empty() && batch.watermark >= upto.get());
            ("idle mark", mark.is_some())
        }
        Event::Opened { next, read_only: false, .. } => ("opened", last(durable) == next.prev().get()),
        Event::Acked { lsns, durability } => {
            let reading = if *durability == Durability::PowerLoss { durable } else { visible };
            let has = |lsn: Lsn| reading.records().any(|record| record.lsn == lsn.get());
            ("acknowledged", has(lsns.first) && has(lsns.last))
        }
        Event::SegmentPrepared { segment, .. } => {
            let named = manifest().is_some_and(|manifest| manifest.segments.contains(&segment.get()));
            ("segment prepared", named && durable.segments.contains_key(&segment.get()))
        }
        Event::ManifestCheckpointed { segments } => {
            let named = manifest().map(|manifest| manifest.segments.len() as u64);
            ("manifest checkpointed", named == Some(*segments))
        }
        Event::Trimmed { before } => {
            ("trimmed", manifest().is_some_and(|manifest| manifest.before == before.get()))
        }
        Event::Audited { upto } => {
            let before = manifest().map_or(1, |manifest| manifest.before);
            ("audited", last(durable).max(before - 1) >= upto.get())
        }
        Event::RunPublished { run, lsns, .. } => {
            let named = manifest().is_some_and(|manifest| manifest.runs.contains_key(&run.get()));
            let has = |lsn: Lsn| durable.archived.contains_key(&lsn.get());
            ("run published", named && has(lsns.first) && has(lsns.last))
        }
        _ => return None,
    })
}

/// The gauges that claim more than the disk holds. Behind a failed sync what was written, and not durable, may be gone, even
/// from sight: there is nothing `visible` to hold it against then.
fn gauges(now: &Snapshot, durable: &Reading, visible: Option<&Reading>) -> Vec<String> {
    let before = durable.manifest.as_ref().map_or(1, |manifest| manifest.before);
    let archived = durable.archived.keys().last().copied().unwrap_or(0);
    // What was trimmed was there.
    let claims = [
        (Metric::DurableLsn, last(durable).max(before - 1)),
        (Metric::CommittedLsn, visible.map_or(u64::MAX, last).max(before - 1)),
        (Metric::ArchivedLsn, archived.max(before - 1)),
        (Metric::AuditedLsn, last(durable).max(before - 1)),
        (Metric::FirstLsn, before),
    ];
    let wrong = claims.into_iter().filter(|(metric, holds)| now.get(*metric) > *holds);
    wrong
        .map(|(metric, holds)| format!("{} is {}, the disk holds {holds}", metric.name(), now.get(metric)))
        .collect()
}

/// What is done with the log.
#[derive(Debug, Clone)]
enum Deed {
    Append {
        records: usize,
        len: usize,
        power: bool,
    },
    /// A record that no batch takes, and one for a volume that is full.
    Refused,
    Tick,
    Trim {
        back: u64,
    },
    Compact,
    /// An audit of everything.
    Audit,
    /// The next call of a segment's fails.
    Fault {
        sync: bool,
    },
    Close,
    ProcessCrash,
    /// Of the images that a loss of power can leave, one.
    PowerLoss {
        image: usize,
    },
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        8 => (1..4_usize, 1..100_usize, any::<bool>())
            .prop_map(|(records, len, power)| Deed::Append { records, len, power }),
        1 => Just(Deed::Refused),
        3 => Just(Deed::Tick),
        2 => (0..4_u64).prop_map(|back| Deed::Trim { back }),
        2 => Just(Deed::Compact),
        1 => Just(Deed::Audit),
        1 => any::<bool>().prop_map(|sync| Deed::Fault { sync }),
        1 => Just(Deed::Close),
        1 => Just(Deed::ProcessCrash),
        2 => (0..64_usize).prop_map(|image| Deed::PowerLoss { image }),
    ]
}

/// Calls of the disk that have ended well.
#[derive(Debug, Clone, Copy, Default)]
struct Calls {
    unlinks: u64,
    /// Renames to the manifest's name, and to that of a drive's copy.
    manifests: u64,
    /// Syncs of segments behind their preparation.
    syncs: u64,
}

impl Calls {
    fn of(disk: &SimFs) -> Self {
        let mut calls = Self::default();
        for record in disk.log().iter().filter(|record| matches!(record.edge, Edge::End(Ok(_)))) {
            let to = record.call.to.as_ref().map(|(_, role)| *role);
            match (record.call.op, record.call.role, to) {
                (Op::Unlink, ..) => calls.unlinks += 1,
                (Op::Rename, _, Some(Role::Manifest | Role::OnDrive(_, DriveFile::Manifest))) => {
                    calls.manifests += 1;
                }
                (Op::SyncData, Role::Segment(_), _) => calls.syncs += 1,
                _ => {}
            }
        }
        calls
    }
}

/// One life of a log, counted by itself.
struct Life {
    disk: SimFs,
    log: Log,
    holds: Arc<Holds>,
    /// The batches that the disk has shown in this life, by place: records and bytes.
    shown: BTreeMap<(u64, u64), (u64, u64)>,
    /// Those that were there before it was counted.
    old: BTreeSet<(u64, u64)>,
    segments: BTreeSet<u64>,
    old_segments: BTreeSet<u64>,
    /// The runs that the manifest named then, and the calls that had been made.
    old_runs: BTreeSet<u64>,
    old_calls: Calls,
    acked: u64,
    refused: u64,
    audits: u64,
    /// Every record so far was waited for until it survives a loss of power.
    power_only: bool,
}

impl Life {
    fn holds(disk: &SimFs) -> Arc<Holds> {
        let (judged, wrong, named) = Default::default();
        Arc::new(Holds { metrics: Metrics::default(), disk: disk.clone(), judged, wrong, named })
    }

    fn of(disk: SimFs, log: Log, holds: Arc<Holds>, before: &Reading, old_calls: Calls) -> Self {
        let old = batches(before).map(|batch| (batch.segment, batch.offset)).collect();
        let (shown, segments) = Default::default();
        let old_segments = before.names.clone();
        let manifest = before.manifest.as_ref();
        let old_runs = manifest.map(|manifest| manifest.runs.keys().copied().collect()).unwrap_or_default();
        holds.look(before);
        let mut life = Self {
            disk,
            log,
            holds,
            shown,
            old,
            segments,
            old_segments,
            old_runs,
            old_calls,
            acked: 0,
            refused: 0,
            audits: 0,
            power_only: true,
        };
        life.look();
        life
    }

    fn create() -> Self {
        let disk = SimFs::new(Profile::W.sector(128));
        let holds = Self::holds(&disk);
        let log = Log::create_in(&disk.env(), LOG_DIR.as_ref(), &options()).unwrap();
        log.add_drive(&drive_dir(LOG_DIR.as_ref(), 1), 0).unwrap();
        let before = visible(&disk);
        let calls = Calls::of(&disk);
        log.observe(Arc::clone(&holds) as Arc<dyn Observer>);
        Self::of(disk, log, holds, &before, calls)
    }

    fn open(disk: SimFs) -> Self {
        let holds = Self::holds(&disk);
        let before = visible(&disk);
        let observers = [Arc::clone(&holds) as Arc<dyn Observer>];
        let (log, recovered) =
            Log::open_observed_in(&disk.env(), LOG_DIR.as_ref(), &options(), &observers).unwrap();
        let now = holds.metrics.snapshot();
        assert_eq!(now.get(Metric::Open), 1);
        assert_eq!(now.get(Metric::FirstLsn), recovered.first.get());
        assert_eq!(now.get(Metric::DurableLsn), recovered.next.prev().get());
        assert_eq!(now.get(Metric::CommittedLsn), recovered.next.prev().get());
        assert_eq!(now.get(Metric::RewrittenRecords), recovered.rewritten);
        assert_eq!(now.get(Metric::DamagedRanges), 0, "{recovered:?}");
        Self::of(disk, log, holds, &before, Calls::default())
    }

    /// Remembers what the disk shows.
    fn look(&mut self) {
        let reading = visible(&self.disk);
        for batch in batches(&reading) {
            let told = (batch.records.len() as u64, batch.end - batch.offset);
            self.shown.insert((batch.segment, batch.offset), told);
        }
        self.segments.extend(reading.names);
    }

    /// Every number is what the disk says; after a fault the disk may hold more than was said of it, never less.
    fn check(&mut self) {
        self.look();
        let calls = Calls::of(&self.disk);
        let (runs, trims) = {
            let named = self.holds.named.lock().unwrap();
            // The trim point that was there before is none.
            (named.0.difference(&self.old_runs).count() as u64, named.1.len() as u64 - 1)
        };
        let new = || self.shown.iter().filter(|(at, _)| !self.old.contains(at)).map(|(_, told)| told);
        let full = || new().filter(|(records, _)| *records > 0);
        let said = [
            (Metric::Commits, full().count() as u64),
            (Metric::CommittedRecords, full().map(|(records, _)| records).sum()),
            (Metric::CommittedBytes, full().map(|(_, bytes)| bytes).sum()),
            (Metric::IdleMarks, new().count() as u64 - full().count() as u64),
            (Metric::PreparedSegments, self.segments.difference(&self.old_segments).count() as u64),
            (Metric::RemovedFiles, calls.unlinks - self.old_calls.unlinks),
            (Metric::ManifestCheckpoints, calls.manifests - self.old_calls.manifests),
            (Metric::PublishedRuns, runs),
            (Metric::Trims, trims),
        ];
        let now = self.holds.metrics.snapshot();
        let struck = !self.disk.faults().fired().is_empty();
        for (metric, disk) in said {
            let (number, name) = (now.get(metric), metric.name());
            assert!(number <= disk, "{name} is {number}, the disk says {disk}");
            assert!(struck || number == disk, "{name} is {number}, the disk says {disk}");
        }
        // Each of these stands behind a sync of its own, and each sync is timed.
        let synced = now.get(Metric::DurableCommits) + now.get(Metric::IdleMarks);
        let syncs = calls.syncs - self.old_calls.syncs;
        assert!(synced <= syncs, "{synced} batches were called synced, the disk says {syncs}");
        assert_eq!(self.holds.metrics.syncs().count(), syncs, "syncs that were timed, and those of the disk");
        assert_eq!(now.get(Metric::AcknowledgedRecords), self.acked);
        assert_eq!(now.get(Metric::RejectedRecords), self.refused);
        assert_eq!(now.get(Metric::Audits), self.audits);
        assert_eq!(now.get(Metric::Poisoned) > 0, self.log.stat().failure.is_some(), "{:?}", self.log.stat());
        assert_eq!(now.get(Metric::FirstLsn).max(1), self.log.stat().first.get());
        assert!(now.get(Metric::DurableLsn) <= self.log.stat().durable.get());
        let wrong = self.holds.wrong.lock().unwrap();
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    fn append(&mut self, records: usize, len: usize, power: bool) {
        let payload = vec![7; len];
        let records = vec![Record { stream: StreamId(0), payload: &payload }; records];
        let durability = if power { Durability::PowerLoss } else { Durability::ProcessCrash };
        self.power_only &= power;
        let refused = || self.holds.metrics.snapshot().get(Metric::RejectedRecords);
        let before = refused();
        match self.log.append_batch(&records, durability) {
            Ok(receipts) => self.acked += receipts.len() as u64,
            // Refused, or taken and then in doubt: only the first is counted.
            Err(_) if refused() > before => self.refused += records.len() as u64,
            Err(_) => {}
        }
    }

    fn refuse(&mut self) {
        let long = vec![0; 4096];
        let refused = self.log.append(StreamId(0), &long);
        assert!(refused.is_err());
        self.refused += 1;
    }

    /// Does it; the disk of the next life, if this one has ended.
    fn act(&mut self, deed: &Deed) -> Option<SimFs> {
        match *deed {
            Deed::Append { records, len, power } => self.append(records, len, power),
            Deed::Refused => self.refuse(),
            Deed::Tick => {
                self.disk.advance(Duration::from_millis(60));
                // A log that is poisoned has nothing to do.
                let _ = (self.log.step(), self.log.archive_step());
            }
            Deed::Trim { back } => {
                let before = Lsn(self.log.stat().durable.get().saturating_sub(back));
                let _ = self.log.trim(before);
            }
            Deed::Compact => drop(self.log.compact()),
            // Of a disk on which something failed it may find that, which is for other tests.
            Deed::Audit if self.disk.faults().fired().is_empty() => {
                self.audits += u64::from(self.log.audit().is_ok());
            }
            Deed::Audit => {}
            Deed::Fault { sync } => {
                let (op, fault) = if sync {
                    (Op::SyncData, Fault::FailSync { kind: IoKind::Device, reads: Reads::Old })
                } else {
                    (Op::Write, Fault::Fail { kind: IoKind::Device, done: 0 })
                };
                self.disk.faults().schedule(Plan { role: RolePattern::AnySegment, op, nth: 1, fault });
            }
            Deed::Close | Deed::ProcessCrash => {
                return Some(SimFs::from_image(&self.disk.snapshot().process_crash()));
            }
            Deed::PowerLoss { image } => {
                let snapshot = self.disk.snapshot();
                let images: Vec<_> = snapshot.images(64, 0).collect();
                return images.get(image % images.len().max(1)).map(|crash| SimFs::from_image(&crash.image));
            }
        }
        None
    }

    /// What was said to be durable is recovered; and where everything was, nothing else is.
    fn outlived_by(&self, next: &Self) {
        let durable = self.holds.metrics.snapshot().get(Metric::DurableLsn);
        let recovered = next.log.stat().durable.get();
        assert!(recovered >= durable, "durable up to {durable} was said, and {recovered} recovered");
        if self.power_only && self.disk.faults().fired().is_empty() {
            assert_eq!(recovered, durable);
        }
    }
}

fn live(deeds: &[Deed], judged: &Judged) {
    let mut life = Life::create();
    life.check();
    for deed in deeds {
        let Some(disk) = life.act(deed) else {
            life.check();
            continue;
        };
        life.check();
        let next = Life::open(disk);
        life.outlived_by(&next);
        judge_more(judged, &life.holds.judged);
        life = next;
        life.check();
    }
    judge_more(judged, &life.holds.judged);
}

#[test]
fn every_claim_has_its_artifact_and_every_number_is_what_the_disk_says() {
    let judged = Mutex::default();
    proptest!(
        ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() },
        |(deeds in proptest::collection::vec(deed(), 1..24))| live(&deeds, &judged)
    );
    let claims = [
        "accepted",
        "acknowledged",
        "audited",
        "durable",
        "idle mark",
        "manifest checkpointed",
        "opened",
        "rewritten",
        "run published",
        "segment prepared",
        "trimmed",
    ];
    each_was_judged(judged, &claims);
}
