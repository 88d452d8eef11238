//! Records of the archive were given up: the archive goes on around them, and nothing else goes with them.
#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "tests that damage files")]

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use truelog::{
    DriveState, Durability, Error, Log, LossOptions, Lsn, LsnRange, Options, Record, RunEntry, StreamId,
    accept_loss,
};

fn options() -> Options {
    Options {
        segment_size: 64 << 10,
        max_batch_bytes: 32 << 10,
        archive_block_bytes: 8 << 10,
        run_bytes: 1 << 20,
        archive_rate: 0,
        background: false,
        ..Options::default()
    }
}

/// Noise, so that blocks are as long as their records.
fn payload(lsn: u64) -> Vec<u8> {
    let mut seed = lsn;
    let noise = std::iter::repeat_with(|| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        seed.to_be_bytes()[0]
    });
    noise.take(200 + usize::try_from(lsn % 300).expect("small")).collect()
}

fn fill(log: &Log, count: u64) {
    let next = log.stat().next.get();
    for lsn in next..next + count {
        let payload = payload(lsn);
        let record = Record { stream: StreamId(lsn % 3), payload: &payload };
        log.append_with(record, Durability::PowerLoss).expect("a receipt");
    }
}

/// A log on two drives, some of whose archived records were given up, and a third drive.
struct Lossy {
    _dir: tempfile::TempDir,
    path: PathBuf,
    drives: [PathBuf; 3],
    lost: LsnRange,
}

impl Lossy {
    /// Three runs, next to each other; a block in the middle of the second is damaged on both drives.
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let at = |name: &str| dir.path().canonicalize().expect("a path").join(name);
        let (path, drives) = (at("log"), [at("a"), at("b"), at("c")]);
        let few = Options { run_bytes: 64 << 10, ..options() };
        let log = Log::create(&path, &few).expect("a log");
        for drive in &drives[..2] {
            log.add_drive(drive, 0).expect("a drive");
        }
        fill(&log, 700);
        log.compact().expect("runs");
        let runs = log.runs();
        assert!(runs.len() > 2, "{runs:?}");
        log.close().expect("closed");
        damage(&drives, &runs[1]);
        let lost = accept_loss(&path, &LossOptions::default()).expect("accepted");
        let lost: Vec<_> = lost.iter().map(|damage| damage.lsns).filter(|lsns| !lsns.is_empty()).collect();
        let [lost] = lost[..] else { panic!("{lost:?}") };
        let run = runs[1].lsns;
        assert!(run.first < lost.first && lost.last < run.last, "{lost:?} in {run:?}");
        Self { _dir: dir, path, drives, lost }
    }

    fn open(&self) -> Log {
        // Runs of the first options are short by now.
        let (log, recovered) = Log::open(&self.path, &options()).expect("it opens");
        assert!(!recovered.read_only, "{recovered:?}");
        log
    }

    /// Every record that was not given up reads as it was written; those that were say so.
    fn check(&self, log: &Log) {
        for lsn in (1..log.stat().next.get()).map(Lsn) {
            match log.get(lsn) {
                Ok(entry) => {
                    assert!(!self.lost.contains(lsn), "{lsn}");
                    assert_eq!(entry.payload, payload(lsn.get()), "{lsn}");
                }
                Err(Error::Lost { lsns }) => assert_eq!(lsns, self.lost, "{lsn}"),
                Err(other) => panic!("{lsn}: {other:?}"),
            }
        }
    }
}

/// The block in the middle of a run is not what was written, on the first two drives.
fn damage(drives: &[PathBuf; 3], run: &RunEntry) {
    for drive in &drives[..2] {
        let path = drive.join(format!("run-{:010}", run.number.get()));
        let file = fs::OpenOptions::new().write(true).open(&path).expect("a run");
        file.write_all_at(&[0xff; 8], run.len / 2 / 4096 * 4096 + 200).expect("damage");
    }
}

#[test]
fn runs_next_to_one_with_a_loss_are_still_merged_and_the_log_is_still_archived() {
    let lossy = Lossy::new();
    let log = lossy.open();
    lossy.check(&log);
    fill(&log, 300);
    log.compact().expect("the archive goes on");
    lossy.check(&log);
    fill(&log, 300);
    log.compact().expect("again");
    lossy.check(&log);
    let lossy_run = |run: &RunEntry| run.lsns.first < lossy.lost.first && lossy.lost.last < run.lsns.last;
    assert_eq!(
        log.runs().iter().map(lossy_run).collect::<Vec<_>>(),
        [false, true, false],
        "{:?}",
        log.runs()
    );
    assert!(log.drives().iter().all(DriveState::serves), "nobody asked for what was given up");
    log.close().expect("closed");
    let log = lossy.open();
    lossy.check(&log);
    log.close().expect("closed");
}

#[test]
fn what_was_given_up_is_not_damage_any_more() {
    let lossy = Lossy::new();
    let report = truelog::verify_dir(&lossy.path).expect("a report");
    assert_eq!((report.damage, report.bad_copies), (vec![], vec![]));
    assert_eq!(report.records, 700 - lossy.lost.len());
    assert_eq!(accept_loss(&lossy.path, &LossOptions::default()), Ok(vec![]));
    let log = lossy.open();
    let report = log.scrub(None, true).expect("a report");
    assert_eq!((report.bad, report.lost), (vec![], vec![]));
    log.close().expect("closed");
}

#[test]
fn what_is_left_of_a_run_with_a_loss_is_copied_and_the_archive_does_not_wait_for_the_rest() {
    let lossy = Lossy::new();
    let log = lossy.open();
    log.add_drive(&lossy.drives[2], 0).expect("a drive");
    fill(&log, 300);
    let [first, second] = [0, 1].map(|at: usize| log.drives()[at].entry.number);
    log.remove_drive(first).expect("others have copies");
    log.compact().expect("the archive goes on");
    lossy.check(&log);
    log.remove_drive(second).expect("the third has all of it");
    lossy.check(&log);
    log.close().expect("closed");
    let log = lossy.open();
    lossy.check(&log);
    assert!(log.drives().iter().all(DriveState::serves));
    log.close().expect("closed");
}
