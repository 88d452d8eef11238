//! A manifest that is lost is rebuilt from the drives and the segments, or refused with the reason.
#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "tests that damage files")]

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use truelog::{
    Claim, CopyOutcome, DriveOut, Durability, Error, Log, Lsn, Options, RebuildOptions, Record, RunNo,
    StreamId, Verdict, rebuild_manifest,
};

fn options() -> Options {
    Options {
        segment_size: 64 << 10,
        max_batch_bytes: 32 << 10,
        archive_block_bytes: 8 << 10,
        run_bytes: 64 << 10,
        archive_rate: 0,
        background: false,
        ..Options::default()
    }
}

fn told() -> RebuildOptions {
    RebuildOptions { stored: options(), ..RebuildOptions::default() }
}

fn payload(lsn: u64) -> Vec<u8> {
    let mut seed = lsn;
    let noise = std::iter::repeat_with(|| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        seed.to_be_bytes()[0]
    });
    noise.take(200 + usize::try_from(lsn % 300).expect("small")).collect()
}

struct Place {
    _dir: tempfile::TempDir,
    log: PathBuf,
    drives: [PathBuf; 2],
    claims: Vec<Claim>,
}

impl Place {
    /// A log with 1000 records, of which most were compacted into several runs, the segments reclaimed.
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let at = |name: &str| dir.path().canonicalize().expect("a path").join(name);
        let mut place = Self { log: at("log"), drives: [at("a"), at("b")], claims: Vec::new(), _dir: dir };
        let log = Log::create(&place.log, &options()).expect("a log");
        for drive in &place.drives {
            log.add_drive(drive, 0).expect("a drive");
        }
        for _ in 0..2 {
            place.fill(&log, 500);
            log.compact().expect("runs");
        }
        assert!(log.runs().len() > 2, "{:?}", log.runs());
        assert!(!place.log.join("segment-0000000001").exists(), "segments were reclaimed");
        log.close().expect("closed");
        place
    }

    fn fill(&mut self, log: &Log, count: u64) {
        let next = log.stat().next.get();
        for lsn in next..next + count {
            let payload = payload(lsn);
            let record = Record { stream: StreamId(lsn % 3), payload: &payload };
            let receipt = log.append_with(record, Durability::PowerLoss).expect("a receipt");
            self.claims.push(Claim::from(&receipt));
        }
    }

    fn lose(&self) {
        fs::remove_file(self.log.join("MANIFEST")).expect("it was there");
    }

    /// Every record reads as it was written, and every receipt verifies.
    fn expect_whole(&self) {
        let (log, recovered) = Log::open(&self.log, &options()).expect("it opens");
        assert_eq!(recovered.damage, []);
        assert_eq!(recovered.drives, []);
        assert_eq!(recovered.next.get(), self.claims.len() as u64 + 1);
        for claim in &self.claims {
            assert_eq!(log.get(claim.lsn).expect("a record").payload, payload(claim.lsn.get()));
            assert!(matches!(log.verify(claim), Ok(Verdict::Verified)), "{claim:?}");
        }
        assert_eq!(log.iter(Lsn::FIRST).filter(Result::is_ok).count(), self.claims.len());
        let report = log.scrub(None, false).expect("a report");
        assert!(report.skipped.is_empty() && report.lost.is_empty(), "{report:?}");
        log.append(StreamId(9), b"it goes on").expect("a receipt");
        log.compact().expect("the archive goes on too");
        log.close().expect("closed");
        assert_eq!(truelog::verify_dir(&self.log).expect("a report").damage, []);
    }
}

fn run_files(drive: &Path) -> Vec<PathBuf> {
    let names = fs::read_dir(drive).expect("a directory").map(|entry| entry.expect("an entry").path());
    let mut runs: Vec<_> = names.filter(|path| path.to_string_lossy().contains("/run-")).collect();
    runs.sort();
    runs
}

#[test]
fn a_lost_manifest_is_rebuilt_from_a_copy_of_it() {
    let place = Place::new();
    place.lose();
    assert_eq!(Log::open(&place.log, &options()).map(|(log, _)| log.read_only().is_some()), Ok(true));
    let dry = RebuildOptions { dry_run: true, ..told() };
    let planned = rebuild_manifest(&place.log, &place.drives, &dry).expect("it can be done");
    assert!(!planned.written && !place.log.join("MANIFEST").exists());
    let rebuilt = rebuild_manifest(&place.log, &place.drives, &told()).expect("rebuilt");
    assert!(rebuilt.written && rebuilt.from.is_some() && rebuilt.damage.is_empty(), "{rebuilt:?}");
    assert_eq!((rebuilt.runs, rebuilt.next), (planned.runs, Lsn(1001)));
    place.expect_whole();
    let again = rebuild_manifest(&place.log, &place.drives, &told());
    assert!(matches!(again, Err(Error::ManifestReadable { .. })), "{again:?}");
}

#[test]
fn without_any_copy_of_it_the_blocks_and_the_segments_say_it_all() {
    let place = Place::new();
    fs::write(place.log.join("MANIFEST"), b"noise").expect("damaged");
    for drive in &place.drives {
        fs::remove_file(drive.join("MANIFEST")).expect("it was there");
    }
    let rebuilt = rebuild_manifest(&place.log, &place.drives, &told()).expect("rebuilt");
    assert_eq!(rebuilt.from, None);
    assert_eq!(rebuilt.added.len(), rebuilt.runs.len());
    assert!(rebuilt.runs.iter().all(|run| run.copies.len() == 2), "{rebuilt:?}");
    place.expect_whole();
}

#[test]
fn damaged_copies_are_named_and_served_around() {
    let place = Place::new();
    place.lose();
    let damage = |path: &Path, at: u64| {
        let file = fs::OpenOptions::new().write(true).open(path).expect("a run");
        file.write_all_at(&[0xff; 64], at).expect("damage");
    };
    let runs = run_files(&place.drives[0]);
    damage(&runs[0], 20);
    damage(&runs[1], 4096 + 200);
    let rebuilt = rebuild_manifest(&place.log, &place.drives, &told()).expect("rebuilt");
    let bad: Vec<_> = rebuilt.bad_copies.iter().map(|(drive, _, offset)| (drive.get(), *offset)).collect();
    assert_eq!(bad, [(0, 0), (0, 4096)]);
    let (log, _) = Log::open(&place.log, &options()).expect("it opens");
    let report = log.scrub(None, false).expect("a report");
    assert!(
        report.bad.len() == 2 && report.bad.iter().all(|bad| bad.outcome == CopyOutcome::Repaired),
        "{report:?}"
    );
    log.close().expect("closed");
    place.expect_whole();
}

#[test]
fn a_run_newer_than_the_copies_of_the_manifest_is_found() {
    let mut place = Place::new();
    let old = fs::read(place.drives[0].join("MANIFEST")).expect("a manifest");
    let (log, _) = Log::open(&place.log, &options()).expect("it opens");
    place.fill(&log, 300);
    let published = log.compact().expect("runs");
    assert!(!published.is_empty());
    log.close().expect("closed");
    for drive in &place.drives {
        fs::write(drive.join("MANIFEST"), &old).expect("rolled back");
    }
    place.lose();
    let rebuilt = rebuild_manifest(&place.log, &place.drives, &told()).expect("rebuilt");
    assert!(!rebuilt.added.is_empty(), "{rebuilt:?}");
    place.expect_whole();
}

#[test]
fn a_gap_is_refused_and_named_and_nothing_is_written() {
    let place = Place::new();
    let (log, _) = Log::open(&place.log, &options()).expect("it opens");
    let lsns = log.runs()[1].lsns;
    let last = log.runs().last().expect("a run").lsns;
    log.close().expect("closed");
    place.lose();
    let kept: Vec<_> = place.drives.iter().map(|drive| drive.with_extension("kept")).collect();
    let away = |index: usize| {
        for (drive, kept) in place.drives.iter().zip(&kept) {
            fs::rename(&run_files(drive)[index], kept).expect("taken away");
        }
    };
    let back = |number: RunNo| {
        for (drive, kept) in place.drives.iter().zip(&kept) {
            fs::rename(kept, drive.join(format!("run-{:010}", number.get()))).expect("brought back");
        }
    };
    let number = |path: &Path| {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        RunNo(name["run-".len()..].parse().expect("a number"))
    };
    for (index, gap) in [(1, lsns), (run_files(&place.drives[0]).len() - 1, last)] {
        let run = number(&run_files(&place.drives[0])[index]);
        away(index);
        let refused = rebuild_manifest(&place.log, &place.drives, &told());
        assert_eq!(refused.map(|rebuilt| rebuilt.runs), Err(Error::Gap { lsns: gap }));
        assert!(!place.log.join("MANIFEST").exists());
        back(run);
    }
    let said = RebuildOptions { trimmed_before: Some(Lsn(5)), ..told() };
    let refused = rebuild_manifest(&place.log, &place.drives, &said);
    assert!(matches!(refused, Err(Error::BadOption { .. })), "records before it are there: {refused:?}");
    // What was trimmed only an operator knows.
    away(0);
    let first = rebuild_manifest(&place.log, &place.drives, &told());
    let Err(Error::Gap { lsns }) = first else { panic!("{first:?}") };
    assert_eq!(lsns.first, Lsn::FIRST);
    let said = RebuildOptions { trimmed_before: Some(lsns.last.next()), ..told() };
    let rebuilt = rebuild_manifest(&place.log, &place.drives, &said).expect("rebuilt");
    assert_eq!(rebuilt.first, lsns.last.next());
}

#[test]
fn a_drive_of_another_log_or_of_another_copy_is_refused() {
    let (place, other) = (Place::new(), Place::new());
    place.lose();
    let why = |drive: &Path| match rebuild_manifest(&place.log, &[drive.to_owned()], &told()) {
        Err(Error::BadDrive { why, .. }) => why,
        other => panic!("{other:?}"),
    };
    assert!(matches!(why(&other.drives[0]), DriveOut::OtherLog(_)));
    assert_eq!(why(&place.log), DriveOut::Empty);
    let copy = place.log.with_file_name("copy");
    fs::create_dir(&copy).expect("a directory");
    for entry in fs::read_dir(&place.log).expect("a directory") {
        let path = entry.expect("an entry").path();
        fs::copy(&path, copy.join(path.file_name().expect("a name"))).expect("a copy");
    }
    truelog::adopt(&copy).expect("adopted");
    let refused = rebuild_manifest(&copy, &place.drives, &told());
    assert!(matches!(refused, Err(Error::BadDrive { why: DriveOut::OtherEpoch, .. })), "{refused:?}");
}

/// The runs are gone and no operator says why: the drives' copies of the manifest do.
#[test]
fn a_rebuild_after_a_trim_knows_of_it_from_the_drives() {
    let place = Place::new();
    let (log, _) = Log::open(&place.log, &options()).expect("it opens");
    let first = log.runs()[1].lsns.last.next();
    log.trim(first).expect("a trim");
    while log.archive_step().expect("a step").worked {}
    log.close().expect("closed");
    place.lose();
    let rebuilt = rebuild_manifest(&place.log, &place.drives, &told()).expect("rebuilt");
    assert_eq!(rebuilt.first, first);
    let (log, _) = Log::open(&place.log, &options()).expect("it opens");
    for claim in &place.claims {
        let kept = if claim.lsn < first { Verdict::Trimmed } else { Verdict::Verified };
        assert_eq!(log.verify(claim), Ok(kept), "{claim:?}");
    }
}
