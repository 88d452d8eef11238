//! What the engine says of its drives, its scrubs and its audits, against the simulated disk: every event has its
//! artifact at the moment it is told, and every number is what the disk says.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;
use truelog::{
    Event, Log, Lsn, LsnRange, Metric, Metrics, Name, Observer, Options, RunNo, SegmentNo, StreamId,
};
use truelog_env::{IoKind, Op};
use truelog_harness::fabric::{Fault, Plan, RolePattern, SimFs};
use truelog_harness::oracle::Reading;

use super::archive_drives::{append, drive, options, payload, sim};
use super::health::flip;
use super::judged::{Judged, durable, each_was_judged, judge_more, visible};

/// The drives, of which each run is copied to two.
const DRIVES: u64 = 3;

/// The copies that the manifest names on drives that are there: run, drive, and whether the copy is whole.
fn copies(reading: &Reading) -> BTreeMap<(u64, u64), bool> {
    let (Some(manifest), Some(log)) = (&reading.manifest, &reading.log) else { return BTreeMap::new() };
    let mut copies = BTreeMap::new();
    for run in manifest.runs.values() {
        for (number, named) in manifest.drives.iter().filter(|(number, _)| run.copies >> **number & 1 == 1) {
            let there = named.place.and_then(|place| reading.drives.get(&place));
            if let Some(there) = there.filter(|drive| drive.id == Some(named.id)) {
                let copy = there.copy(run, log, reading.block);
                copies.insert((run.number, *number), copy.is_some_and(|copy| copy.whole));
            }
        }
    }
    copies
}

fn damaged(reading: &Reading) -> BTreeSet<(u64, u64)> {
    copies(reading).into_iter().filter(|(_, whole)| !whole).map(|(copy, _)| copy).collect()
}

/// The drives that the manifest calls quarantined.
fn quarantined(reading: &Reading) -> BTreeSet<u64> {
    let drives = reading.manifest.iter().flat_map(|manifest| &manifest.drives);
    drives.filter(|(_, drive)| !drive.healthy).map(|(number, _)| *number).collect()
}

/// The drives that the manifest names and that are not there.
fn away(reading: &Reading) -> BTreeSet<u64> {
    let drives = reading.manifest.iter().flat_map(|manifest| &manifest.drives);
    let there = |place: Option<u64>| place.and_then(|place| reading.drives.get(&place));
    let away = drives.filter(|(_, named)| there(named.place).is_none_or(|drive| drive.id != Some(named.id)));
    away.map(|(number, _)| *number).collect()
}

/// The records that nobody can read.
fn unreadable(reading: &Reading, lsns: LsnRange) -> bool {
    let (first, last) = (lsns.first.get(), lsns.last.get());
    reading
        .records()
        .all(|record| !(first..=last).contains(&record.lsn) || *record.payload != payload(record.lsn))
}

/// Of the records that the archive has no run for: those that no valid batch holds for sure, and where they may be.
///
/// What stands behind damage is a record, or what a crash left of one that a later life replaced. Where the segment ended
/// is said by the first batch of the next one: if that is damaged too, nothing tells them apart.
fn lost(reading: &Reading) -> (BTreeSet<u64>, std::ops::Range<u64>) {
    let ends = |number: &u64| {
        let above = reading.segments.range(number + 1..).next();
        above.is_none_or(|(_, segment)| !segment.batches.is_empty())
    };
    let batches = reading.segments.iter().flat_map(|(number, segment)| {
        let stranded = segment.stranded.iter().filter(|_| ends(number));
        segment.batches.iter().chain(stranded)
    });
    let held: BTreeSet<u64> = batches.flat_map(|batch| &batch.records).map(|record| record.lsn).collect();
    let runs = reading.manifest.iter().flat_map(|manifest| manifest.runs.values());
    let archived = runs.map(|run| run.last).max().unwrap_or(0);
    let sealed = archived + 1..held.last().map_or(archived + 1, |last| last + 1);
    (sealed.clone().filter(|lsn| !held.contains(lsn)).collect(), sealed)
}

/// Counts, and holds each event against the disk at that moment.
#[derive(Debug)]
struct Holds {
    metrics: Metrics,
    disk: SimFs,
    full: AtomicBool,
    judged: Mutex<BTreeMap<&'static str, u64>>,
    wrong: Mutex<Vec<String>>,
    /// The drives that the durable manifest called quarantined when it was looked at last, and how often one came to be.
    quarantined: Mutex<(BTreeSet<u64>, u64)>,
    /// The records that were called damaged.
    damaged: Mutex<Vec<LsnRange>>,
}

impl Holds {
    fn new(disk: &SimFs) -> Arc<Self> {
        let (full, judged, wrong, damaged) = Default::default();
        let quarantined = Mutex::new((quarantined(&durable(disk)), 0));
        let (metrics, disk) = (Metrics::default(), disk.clone());
        Arc::new(Self { metrics, disk, full, judged, wrong, quarantined, damaged })
    }

    fn look(&self, durable: &Reading) {
        let (now, mut seen) = (quarantined(durable), self.quarantined.lock().unwrap());
        seen.1 += now.difference(&seen.0).count() as u64;
        seen.0 = now;
    }

    /// The claim that an event is, if it is one of these, and whether the disk bears it out.
    fn artifact(&self, event: &Event, durable: &Reading) -> Option<(&'static str, bool)> {
        let visible = visible(&self.disk);
        Some(match event {
            Event::DriveSuspect { drive, .. } => {
                let bad = damaged(&visible).iter().any(|(_, of)| *of == drive.get());
                ("suspect", bad || self.full.load(Ordering::Relaxed))
            }
            Event::DriveQuarantined { drive, .. } => {
                ("quarantined", quarantined(durable).contains(&drive.get()))
            }
            Event::DriveOut { drive, .. } => ("out", away(&visible).contains(&drive.get())),
            Event::Scrubbed { left, .. } => ("scrubbed", damaged(&visible).len() as u64 == *left),
            Event::Damage { lsns, .. } => ("damage", unreadable(&visible, *lsns)),
            Event::SpaceRefused { .. } => ("space refused", self.full.load(Ordering::Relaxed)),
            Event::ArchiveDelayed { .. } => {
                let usable = DRIVES - (&quarantined(durable) | &away(&visible)).len() as u64;
                let unread = !damaged(&visible).is_empty() || !lost(&visible).0.is_empty();
                ("delayed", usable < 2 || self.full.load(Ordering::Relaxed) || unread)
            }
            Event::AuditFailed { .. } => ("audit failed", !self.disk.faults().fired().is_empty()),
            Event::ClaimViolated { lsns, .. } => ("violated", unreadable(&visible, *lsns)),
            _ => return None,
        })
    }
}

impl Observer for Holds {
    fn event(&self, event: &Event) {
        self.metrics.event(event);
        let durable = durable(&self.disk);
        self.look(&durable);
        if let Event::Damage { lsns, .. } = event {
            self.damaged.lock().unwrap().push(*lsns);
        }
        let Some((claim, founded)) = self.artifact(event, &durable) else { return };
        *self.judged.lock().unwrap().entry(claim).or_default() += 1;
        if !founded {
            self.wrong.lock().unwrap().push(format!("{event:?} has no artifact"));
        }
    }
}

/// What is done with the log, and to its drives.
#[derive(Debug, Clone)]
enum Deed {
    Append(u64),
    Compact,
    /// Somebody reads everything.
    Read,
    /// Another program writes into a copy of a run.
    Flip {
        copy: usize,
        at: u64,
    },
    Scrub {
        readmit: bool,
    },
    /// A drive is not there when the log is opened next.
    Away(u64),
    /// A record of a segment is damaged when the log is opened next.
    Lose {
        record: usize,
    },
    Reopen,
    /// The volumes are full while this much is appended and archived.
    Full(u64),
    /// An audit whose reads fail.
    Unreadable,
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        4 => (1..12_u64).prop_map(Deed::Append),
        4 => Just(Deed::Compact),
        2 => Just(Deed::Read),
        4 => (0..16_usize, any::<u64>()).prop_map(|(copy, at)| Deed::Flip { copy, at }),
        3 => any::<bool>().prop_map(|readmit| Deed::Scrub { readmit }),
        1 => (1..=DRIVES).prop_map(Deed::Away),
        1 => (0..8_usize).prop_map(|record| Deed::Lose { record }),
        2 => Just(Deed::Reopen),
        1 => (1..30_u64).prop_map(Deed::Full),
        2 => Just(Deed::Unreadable),
    ]
}

fn own_options() -> Options {
    Options { audit_every: Duration::from_secs(60), ..options() }
}

/// One life of a log, counted by itself.
struct Life {
    disk: SimFs,
    log: Log,
    holds: Arc<Holds>,
    scrubs: u64,
    repaired: u64,
    /// What the last scrub left.
    left: u64,
    outs: u64,
    /// The audits of which a read failed.
    failed: u64,
}

impl Life {
    fn create() -> Self {
        let disk = sim();
        let log = Log::create_in(&disk.env(), disk.log_dir(), &own_options()).expect("a log");
        for number in 1..=DRIVES {
            log.add_drive(&drive(number), 0).expect("a drive");
        }
        let holds = Holds::new(&disk);
        log.observe(Arc::clone(&holds) as Arc<dyn Observer>);
        Self { disk, log, holds, scrubs: 0, repaired: 0, left: 0, outs: 0, failed: 0 }
    }

    fn open(disk: SimFs) -> Self {
        let holds = Holds::new(&disk);
        let outs = away(&visible(&disk)).len() as u64;
        let observers = [Arc::clone(&holds) as Arc<dyn Observer>];
        let (log, _) =
            Log::open_observed_in(&disk.env(), disk.log_dir(), &own_options(), &observers).expect("it opens");
        let damaged = holds.damaged.lock().unwrap().clone();
        assert_eq!(holds.metrics.snapshot().get(Metric::DamagedRanges), damaged.len() as u64);
        let told: BTreeSet<u64> =
            damaged.iter().flat_map(|lsns| lsns.first.get()..=lsns.last.get()).collect();
        let reading = visible(&disk);
        let lost = lost(&reading);
        let here: BTreeSet<u64> = told.iter().copied().filter(|lsn| lost.1.contains(lsn)).collect();
        assert!(here.is_subset(&lost.0), "{here:?} were called damaged, {:?} are", lost.0);
        // An open reads the last segment; what it does not read is for the auditor, and for whoever reads it.
        let last = reading.segments.values().rev().find_map(|segment| segment.batches.first());
        let read = lost.0.iter().filter(|lsn| last.is_some_and(|first| **lsn > first.base));
        assert!(read.clone().all(|lsn| told.contains(lsn)), "{told:?} were called damaged, {:?} are", lost.0);
        Self { disk, log, holds, scrubs: 0, repaired: 0, left: 0, outs, failed: 0 }
    }

    fn check(&self) {
        self.holds.look(&durable(&self.disk));
        let now = self.holds.metrics.snapshot();
        let wrong = self.holds.wrong.lock().unwrap();
        assert!(wrong.is_empty(), "{wrong:#?}");
        let quarantines = self.holds.quarantined.lock().unwrap().1;
        let pending = self.log.drives().iter().filter(|drive| drive.suspect.is_some()).count() as u64;
        let said = [
            (Metric::QuarantinedDrives, quarantines),
            (Metric::SuspectDrives, quarantines + pending),
            (Metric::DriveOutages, self.outs),
            (Metric::Scrubs, self.scrubs),
            (Metric::RepairedCopies, self.repaired),
            (Metric::DamagedCopies, self.left),
            (Metric::AuditFailures, self.failed),
            // Told once, behind which nothing more is acknowledged; that it is true is held where it is told.
            (Metric::ViolatedClaims, u64::from(self.log.stat().failure.is_some())),
        ];
        for (metric, disk) in said {
            assert_eq!(now.get(metric), disk, "{} against the disk; {:?}", metric.name(), self.log.drives());
        }
    }

    fn flip(&self, copy: usize, at: u64) {
        let reading = visible(&self.disk);
        let Some(manifest) = &reading.manifest else { return };
        let there: Vec<(u64, u64)> = copies(&reading).into_keys().collect();
        let Some((run, number)) = there.get(copy % there.len().max(1)) else { return };
        let Some(place) = manifest.drives.get(number).and_then(|drive| drive.place) else { return };
        let name = Name::Run(RunNo(*run)).to_string();
        flip(&self.disk, &drive(place).join(name), at % manifest.runs[run].len);
    }

    /// Another program writes into a record of a segment.
    fn lose(&self, record: usize) {
        let reading = visible(&self.disk);
        let there: Vec<_> = reading.kept.iter().filter(|batch| !batch.places.is_empty()).collect();
        let Some(batch) = there.get(record % there.len().max(1)) else { return };
        let segment = self.disk.log_dir().join(Name::Segment(SegmentNo(batch.segment)).to_string());
        flip(&self.disk, &segment, batch.places[0] + 40);
    }

    fn scrub(&mut self, readmit: bool) {
        let before = damaged(&visible(&self.disk));
        let Ok(_) = self.log.scrub(None, readmit) else { return };
        let after = damaged(&visible(&self.disk));
        self.scrubs += 1;
        self.repaired += before.difference(&after).count() as u64;
        self.left = after.len() as u64;
    }

    /// An audit of which every read of a segment fails, if it reads one.
    fn unreadable(&mut self) {
        let fired = || self.disk.faults().fired().len();
        for nth in 1..=64 {
            let fault = Fault::Fail { kind: IoKind::Device, done: 0 };
            self.disk.faults().schedule(Plan { role: RolePattern::AnySegment, op: Op::Read, nth, fault });
        }
        let before = self.holds.metrics.snapshot().get(Metric::AuditFailures);
        self.disk.advance(Duration::from_secs(61));
        while self.log.audit_step().is_ok_and(|step| step.worked) {}
        let failures = self.holds.metrics.snapshot().get(Metric::AuditFailures) - before;
        assert_eq!(failures > 0, fired() > 0, "{failures} audits failed, and {} reads", fired());
        assert!(failures <= fired() as u64);
        self.failed += failures;
        self.disk.faults().clear();
    }

    fn full(&self, count: u64) {
        self.holds.full.store(true, Ordering::Relaxed);
        self.disk.fill_after(Some(0));
        let refusals = || self.holds.metrics.snapshot().get(Metric::SpaceRefusals);
        let before = refusals();
        let records: Vec<_> = (0..count).map(|_| self.log.append(StreamId(0), b"full")).collect();
        assert!(refusals() > before || records.iter().all(Result::is_ok), "{records:?}");
        let _ = (self.log.compact(), self.log.archive_step());
        self.disk.fill_after(None);
        self.holds.full.store(false, Ordering::Relaxed);
    }

    /// Does it; the disk of the next life, if this one has ended.
    fn act(&mut self, deed: &Deed) -> Option<SimFs> {
        match *deed {
            Deed::Append(count) => append(&self.log, count),
            Deed::Compact => drop(self.log.compact()),
            Deed::Read => drop(self.log.iter(Lsn(1)).collect::<Vec<_>>()),
            Deed::Flip { copy, at } => self.flip(copy, at),
            Deed::Scrub { readmit } => self.scrub(readmit),
            Deed::Full(count) => self.full(count),
            Deed::Unreadable => self.unreadable(),
            Deed::Away(number) => {
                let _ = self.disk.remove_dir_all(&drive(number));
                return Some(SimFs::from_image(&self.disk.snapshot().process_crash()));
            }
            Deed::Lose { record } => {
                self.lose(record);
                return Some(SimFs::from_image(&self.disk.snapshot().process_crash()));
            }
            Deed::Reopen => return Some(SimFs::from_image(&self.disk.snapshot().process_crash())),
        }
        None
    }
}

fn live(deeds: &[Deed], judged: &Judged) {
    let mut life = Life::create();
    append(&life.log, 12);
    let _ = life.log.compact();
    life.check();
    for deed in deeds {
        // Of records that no copy has whole an audit says so; nothing can be written behind that.
        if life.log.stat().failure.is_some() || life.log.read_only().is_some() {
            break;
        }
        if let Some(disk) = life.act(deed) {
            judge_more(judged, &life.holds.judged);
            life = Life::open(disk);
        }
        life.check();
    }
    judge_more(judged, &life.holds.judged);
}

#[test]
fn every_word_of_drives_scrubs_and_audits_is_what_the_disk_says() {
    let judged = Mutex::default();
    proptest!(
        ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() },
        |(deeds in proptest::collection::vec(deed(), 1..16))| live(&deeds, &judged)
    );
    each_was_judged(
        judged,
        &["audit failed", "damage", "delayed", "out", "quarantined", "scrubbed", "space refused", "suspect"],
    );
}

#[test]
fn a_violated_claim_is_counted_once_for_each_range_that_the_disk_does_not_hold() {
    let life = Life::create();
    append(&life.log, 4);
    let reading = visible(&life.disk);
    let batch = reading.kept.iter().find(|batch| batch.base == 2).expect("the second record's batch");
    let segment = life.disk.log_dir().join(Name::Segment(SegmentNo(batch.segment)).to_string());
    flip(&life.disk, &segment, batch.places[0] + 40);
    life.log.audit().expect_err("a byte differs");
    let now = life.holds.metrics.snapshot();
    assert_eq!((now.get(Metric::ViolatedClaims), now.get(Metric::Poisonings)), (1, 1));
    assert_eq!(life.holds.judged.lock().unwrap().get("violated"), Some(&1));
    let wrong = life.holds.wrong.lock().unwrap();
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// Found by the test above: a record is damaged, and so is the first of the next segment. Nothing tells whether what stands
/// between them is a record, so that it is called damaged with them.
#[test]
fn what_cannot_be_told_from_a_left_over_is_called_damaged() {
    live(&[Deed::Append(8), Deed::Lose { record: 7 }, Deed::Lose { record: 7 }], &Mutex::default());
}
