//! Drives that never come back, and files that go while somebody looks: nothing is given up that is not lost.
#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "tests that damage files")]

mod common;

use std::fs;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};

use common::archived::{archived, check, files, fill, options, place};
use truelog::{DriveNo, Error, Log, LossOptions, Lsn, LsnRange, accept_loss, verify_dir};

fn gone(drives: &[u64]) -> LossOptions {
    LossOptions { gone: drives.iter().copied().map(DriveNo).collect(), ..LossOptions::default() }
}

#[test]
fn the_last_copies_on_drives_that_are_gone_are_given_up_by_name_and_only_when_told() {
    let place = place();
    let log = archived(&place);
    let lsns =
        log.runs().iter().map(|run| run.lsns).reduce(|one, other| LsnRange::new(one.first, other.last));
    let lsns = lsns.expect("a run");
    log.close().expect("closed");
    assert_eq!(
        accept_loss(&place.log, &gone(&[0])),
        Err(Error::DriveServes { drive: DriveNo(0), dir: place.drives[0].clone() })
    );
    assert_eq!(accept_loss(&place.log, &gone(&[7])), Err(Error::NoSuchDrive { drive: DriveNo(7) }));
    for drive in &place.drives[..2] {
        fs::remove_dir_all(drive).expect("gone");
    }
    assert_eq!(accept_loss(&place.log, &gone(&[])), Ok(vec![]), "they may come back");
    assert_eq!(accept_loss(&place.log, &gone(&[0])), Ok(vec![]), "the other one may come back");
    let given_up = accept_loss(&place.log, &gone(&[1])).expect("a loss");
    let ranges: Vec<_> = given_up.iter().map(|damage| damage.lsns).collect();
    assert_eq!((ranges[0].first, ranges.last().map(|range| range.last)), (lsns.first, Some(lsns.last)));

    let (log, recovered) = Log::open(&place.log, &options()).expect("it opens");
    assert_eq!((recovered.read_only, recovered.damage, recovered.drives), (false, vec![], vec![]));
    assert!(matches!(log.get(Lsn(1)), Err(Error::Lost { .. })));
    check(&log, lsns.last.next().get());
    for drive in &place.drives[1..] {
        log.add_drive(drive, 0).expect("a drive");
    }
    fill(&log, 500);
    assert!(!log.compact().expect("runs").is_empty(), "the archive goes on behind what was given up");
    check(&log, lsns.last.next().get());
    log.close().expect("closed");
    assert_eq!(verify_dir(&place.log).expect("a report").damage, vec![]);
    let (log, _) = Log::open(&place.log, &options()).expect("it opens");
    check(&log, lsns.last.next().get());
}

#[test]
fn a_drive_that_is_gone_costs_nothing_while_another_has_the_copies() {
    let place = place();
    archived(&place).close().expect("closed");
    fs::remove_dir_all(&place.drives[0]).expect("gone");
    assert_eq!(accept_loss(&place.log, &gone(&[0])), Ok(vec![]));
    let (log, recovered) = Log::open(&place.log, &options()).expect("it opens");
    assert_eq!(recovered.drives, vec![], "the drive is forgotten");
    check(&log, 1);
    log.add_drive(&place.drives[2], 0).expect("a drive");
    log.compact().expect("copies");
    assert!(log.runs().iter().all(|run| run.copies.len() == 2));
}

/// One copy is damaged, and the drive with the other is away: it may have what is missing.
#[test]
fn damage_is_no_loss_while_a_drive_that_is_away_may_have_a_good_copy() {
    let place = place();
    let log = archived(&place);
    let run = log.runs()[0].number;
    log.close().expect("closed");
    let path = place.drives[0].join(format!("run-{:010}", run.get()));
    let file = fs::OpenOptions::new().write(true).open(&path).expect("a run");
    file.write_all_at(&[0xff; 100], 4096 + 200).expect("damage");
    fs::rename(&place.drives[1], &place.drives[2]).expect("taken away");
    assert_eq!(accept_loss(&place.log, &gone(&[])), Ok(vec![]), "{:?}", files(&place.log));
    let given_up = accept_loss(&place.log, &gone(&[1])).expect("a loss");
    assert_eq!(given_up.len(), 1, "{given_up:?}");
    assert_eq!(given_up[0].lsns.first, Lsn(1));
    let (log, recovered) = Log::open(&place.log, &options()).expect("it opens");
    assert!(!recovered.read_only);
    check(&log, given_up[0].lsns.last.next().get());
}

#[test]
fn a_verification_beside_a_writer_that_archives_and_trims_finds_nothing_wrong() {
    let place = place();
    let log = archived(&place);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                fill(&log, 200);
                log.compact().expect("runs");
                log.trim(Lsn(log.stat().next.get().saturating_sub(1000))).expect("a trim");
            }
        });
        let mut records = 0;
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for _ in 0..40 {
                let report = verify_dir(&place.log).expect("a report");
                assert_eq!((report.damage, report.bad_copies), (vec![], vec![]));
                records += report.records;
            }
        }));
        done.store(true, Ordering::Relaxed);
        writer.join().expect("a writer");
        assert!(ended.is_ok() && records > 0);
    });
}
