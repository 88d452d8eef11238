//! Drives that never come back, and files that go while somebody looks: nothing is given up that is not lost.
#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "tests that damage files")]

mod common;

use std::fs;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};

use common::archived::{archived, check, damage_copies, files, fill, options, place};
use truelog::{
    CopyOutcome, Damage, DriveNo, Durability, Error, HealthRule, Log, LossOptions, Lsn, LsnRange, Reason,
    Record, StreamId, accept_loss, verify_dir,
};

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

/// Both drives are there, and neither has the run: nothing more is acknowledged until it is back, or given up by name.
#[test]
fn a_run_that_no_drive_has_is_damage_to_an_open() {
    let place = place();
    let log = archived(&place);
    let run = log.runs()[0];
    log.close().expect("closed");
    let name = format!("run-{:010}", run.number.get());
    let [here, there] = [0, 1].map(|drive| place.drives[drive].join(&name));
    let aside = place.drives[2].with_extension("aside");
    fs::rename(&here, &aside).expect("put aside");
    assert!(!Log::open(&place.log, &options()).expect("it opens").1.read_only, "there is another copy");
    let whole = fs::read(&there).expect("a run");
    let damaged = || {
        let seen = truelog::inspect(&place.log).expect("a look").health().findings;
        seen.iter().filter(|finding| finding.rule == HealthRule::Damaged).count()
    };
    for left in [4096, 0] {
        match left {
            0 => fs::remove_file(&there).expect("gone"),
            left => fs::write(&there, &whole[..left]).expect("cut"),
        }
        let (log, recovered) = Log::open(&place.log, &options()).expect("it opens");
        let error =
            Error::CorruptBlock { run: run.number, offset: 0, lsns: run.lsns, reason: Reason::Missing };
        assert_eq!(recovered.damage, vec![Damage { lsns: run.lsns, error }]);
        let rules: Vec<_> = log.health().findings.iter().map(|finding| finding.rule).collect();
        assert!(recovered.read_only && rules.contains(&HealthRule::Damaged), "{rules:?}");
        let record = Record { stream: StreamId(0), payload: b"no" };
        assert!(matches!(log.append_with(record, Durability::PowerLoss), Err(Error::ReadOnly { .. })));
        assert!(log.get(run.lsns.last).is_err());
        check(&log, run.lsns.last.next().get());
        log.close().expect("closed");
        assert_eq!(damaged(), 1);
    }
    fs::rename(&aside, &here).expect("put back");
    let (log, recovered) = Log::open(&place.log, &options()).expect("it opens");
    assert!(!recovered.read_only);
    check(&log, 1);
    log.close().expect("closed");
    fs::remove_file(&here).expect("gone");
    let _ = fs::remove_file(&there);
    let lost: Vec<_> =
        accept_loss(&place.log, &gone(&[])).expect("a loss").into_iter().map(|it| it.lsns).collect();
    assert_eq!(lost, vec![run.lsns]);
    let (log, recovered) = Log::open(&place.log, &options()).expect("it opens");
    assert!(!recovered.read_only && recovered.damage.is_empty());
    check(&log, run.lsns.last.next().get());
    // No drive is to blame for what was given up; those that were blamed before serve again once all else is whole.
    assert_eq!(log.scrub(None, true).expect("a scrub").bad, vec![]);
    assert!(log.drives().iter().all(|drive| drive.serves()), "{:?}", log.drives());
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

/// One run is lost in both its copies, and there are spare drives: the scrub ends, new records are archived, and the run
/// is named.
#[test]
fn a_run_that_cannot_be_copied_holds_nothing_else_up() {
    let place = place();
    let log = archived(&place);
    let run = log.runs()[0];
    damage_copies(&place, run.number, &[4096]);
    let spare = place.drives[2].with_extension("spare");
    for drive in [&place.drives[2], &spare] {
        log.add_drive(drive, 0).expect("a drive");
    }
    assert!(matches!(log.get(Lsn(1)), Err(Error::CorruptBlock { .. })));
    let report = log.scrub(None, false).expect("it ends");
    assert_eq!(report.lost.len(), 1, "{report:?}");
    fill(&log, 1000);
    let published = log.compact().expect("it goes on");
    assert!(!published.is_empty() && published.iter().all(|run| run.copies.len() == 2));
    assert!(log.runs().last().expect("a run").lsns.last > run.lsns.last);
    assert!(matches!(log.get(Lsn(1)), Err(Error::CorruptBlock { .. })), "it is not forgotten");
    check(&log, report.lost[0].lsns.last.next().get());
}

/// Each of two copies has what is bad in the other: nothing is lost, and both are made whole.
#[test]
fn copies_that_are_bad_in_different_places_repair_each_other() {
    let place = place();
    let log = archived(&place);
    let run = log.runs()[0];
    for (drive, at) in place.drives.iter().zip([4096 + 200, run.len / 2]) {
        let path = drive.join(format!("run-{:010}", run.number.get()));
        let file = fs::OpenOptions::new().write(true).open(&path).expect("a run");
        file.write_all_at(&[0xff; 100], at).expect("damage");
    }
    let report = log.scrub(None, false).expect("a report");
    assert_eq!((report.bad.len(), report.lost.len()), (2, 0), "{report:?}");
    assert!(report.bad.iter().all(|bad| bad.outcome == CopyOutcome::Repaired), "{report:?}");
    let report = log.scrub(None, true).expect("a report");
    assert!(report.bad.is_empty() && report.lost.is_empty(), "{report:?}");
    check(&log, 1);
    log.close().expect("closed");
    assert_eq!(verify_dir(&place.log).expect("a report").bad_copies, vec![]);
}

/// The log is an older copy of itself: what its drives hold is newer, and is neither judged nor given up nor repaired.
#[test]
fn drives_that_are_ahead_of_the_log_are_out_of_reach_and_not_lost() {
    let place = place();
    let log = archived(&place);
    log.close().expect("closed");
    let older = place.log.with_extension("older");
    copy(&place.log, &older);
    let (log, _) = Log::open(&place.log, &options()).expect("it opens");
    fill(&log, 2000);
    log.compact().expect("runs");
    fill(&log, 2000);
    log.compact().expect("a merge that replaces what the older log names");
    log.close().expect("closed");
    // The directory stays what it is: its files are the older ones.
    for name in files(&place.log) {
        fs::remove_file(place.log.join(name)).expect("gone");
    }
    copy(&older, &place.log);
    let report = verify_dir(&place.log).expect("a report");
    assert!(!report.damage.is_empty());
    for damage in &report.damage {
        assert!(matches!(damage.error, Error::Unavailable { .. }), "{damage:?}");
    }
    assert_eq!(accept_loss(&place.log, &gone(&[])), Ok(vec![]));
    let before: Vec<_> = place.drives[..2].iter().map(|drive| files(drive)).collect();
    let (log, recovered) = Log::open(&place.log, &options()).expect("it opens");
    assert_eq!(recovered.drives.len(), 2);
    let _ = log.scrub(None, true).expect("a report");
    log.close().expect("closed");
    assert_eq!(before, place.drives[..2].iter().map(|drive| files(drive)).collect::<Vec<_>>());
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    fs::create_dir_all(to).expect("a directory");
    for name in files(from) {
        fs::copy(from.join(&name), to.join(&name)).expect("a copy");
    }
}
