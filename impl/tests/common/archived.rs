//! A log with an archive on several drives.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use truelog::{Durability, Log, Lsn, Options, Record, RunNo, StreamId};

pub(crate) fn options() -> Options {
    Options {
        segment_size: 64 << 10,
        max_batch_bytes: 32 << 10,
        archive_block_bytes: 8 << 10,
        run_bytes: 1 << 20,
        archive_rate: 0,
        prefetch_bytes: 256 << 10,
        background: false,
        ..Options::default()
    }
}

pub(crate) fn payload(lsn: u64) -> Vec<u8> {
    format!("record {lsn} ").repeat(1 + usize::try_from(lsn % 60).expect("small")).into_bytes()
}

pub(crate) fn fill(log: &Log, count: u64) {
    let next = log.stat().next.get();
    for first in (next..next + count).step_by(10) {
        let payloads: Vec<_> = (first..first + 10).map(payload).collect();
        let records: Vec<_> = payloads
            .iter()
            .zip(first..)
            .map(|(payload, lsn)| Record { stream: StreamId(lsn % 3), payload })
            .collect();
        log.append_batch(&records, Durability::PowerLoss).expect("receipts");
    }
}

pub(crate) fn check(log: &Log, from: u64) {
    let next = log.stat().next.get();
    let mut due = from;
    for entry in log.iter(Lsn(from)) {
        let entry = entry.expect("a record");
        assert_eq!((entry.lsn, entry.stream), (Lsn(due), StreamId(due % 3)));
        assert_eq!(entry.payload, payload(due), "record {due}");
        due += 1;
    }
    assert_eq!(due, next, "all of them");
    for lsn in (from..next).rev().step_by(7) {
        assert_eq!(log.get(Lsn(lsn)).expect("a record").payload, payload(lsn));
    }
}

pub(crate) struct Place {
    _dir: tempfile::TempDir,
    pub(crate) log: PathBuf,
    pub(crate) drives: [PathBuf; 3],
}

pub(crate) fn place() -> Place {
    let dir = tempfile::tempdir().expect("a directory");
    let at = |name: &str| dir.path().canonicalize().expect("a path").join(name);
    Place { log: at("log"), drives: [at("drive-a"), at("drive-b"), at("drive-c")], _dir: dir }
}

/// Damages both copies of a run, 200 bytes behind each of these places.
pub(crate) fn damage_copies(place: &Place, run: RunNo, places: &[u64]) {
    place.drives[..2].iter().for_each(|drive| damage_copy(drive, run, places));
}

/// Damages the copy of a run on one drive, 200 bytes behind each of these places.
pub(crate) fn damage_copy(drive: &Path, run: RunNo, places: &[u64]) {
    let path = drive.join(format!("run-{:010}", run.get()));
    let file = fs::OpenOptions::new().write(true).open(&path).expect("a run");
    places.iter().for_each(|at| file.write_all_at(&[0xff; 100], at + 200).expect("damage"));
}

pub(crate) fn files(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(dir)
        .expect("a directory")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"))
        .collect();
    names.sort();
    names
}

/// A log with 600 records, compacted onto two drives, and 100 more.
pub(crate) fn archived(place: &Place) -> Log {
    let log = Log::create(&place.log, &options()).expect("a log");
    for drive in &place.drives[..2] {
        log.add_drive(drive, 0).expect("a drive");
    }
    fill(&log, 600);
    let runs = log.compact().expect("runs");
    assert_eq!(runs.first().map(|run| run.lsns.first), Some(Lsn::FIRST));
    fill(&log, 100);
    log
}
