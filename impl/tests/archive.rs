//! The archive on the real file system: what is compacted reads the same, whatever happens to one drive.
#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "tests that damage files")]

mod common;

use std::fs;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use common::archived::{archived, check, damage_copies, damage_copy, files, fill, options, payload, place};
use truelog::{CopyOutcome, Error, Log, Lsn, LsnRange, Options, RunNo};

#[test]
fn what_is_compacted_reads_the_same_before_during_and_after() {
    let place = place();
    let log = Log::create(&place.log, &options()).expect("a log");
    fill(&log, 300);
    for drive in &place.drives[..2] {
        log.add_drive(drive, 0).expect("a drive");
    }
    let segments = log.stat().segments;
    assert!(segments > 2);
    let mut steps = 0;
    loop {
        let progress = log.archive_step().expect("a step");
        check(&log, 1);
        steps += 1;
        if !progress.worked {
            break;
        }
    }
    assert!(steps > 10, "{steps}");
    let runs = log.compact().expect("runs");
    assert!(log.stat().segments < segments);
    assert_eq!(log.runs().last().map(|run| run.copies.len()), Some(2), "{runs:?}");
    check(&log, 1);
    for drive in &place.drives[..2] {
        assert!(files(drive).contains(&"MANIFEST".to_owned()), "{:?}", files(drive));
        assert!(files(drive).iter().any(|name| name.starts_with("run-")));
        assert!(files(drive).iter().all(|name| !name.ends_with(".tmp")));
    }
    log.close().expect("closed");
    let (log, recovered) = Log::open(&place.log, &options()).expect("it opens");
    assert_eq!((recovered.drives, recovered.damage), (vec![], vec![]));
    check(&log, 1);
    fill(&log, 300);
    log.compact().expect("runs");
    check(&log, 1);
    assert_eq!(log.runs().len(), 1, "short neighbours are merged");
    for drive in &place.drives[..2] {
        assert_eq!(files(drive).iter().filter(|name| name.starts_with("run-")).count(), 1);
    }
}

#[test]
fn a_damaged_drive_is_quarantined_and_its_copies_are_made_elsewhere() {
    let place = place();
    let log = archived(&place);
    let run = log.runs()[0];
    let path = place.drives[0].join(format!("run-{:010}", run.number.get()));
    let file = fs::OpenOptions::new().write(true).open(&path).expect("a run");
    for at in (4096..run.len).step_by(8192) {
        file.write_all_at(&[0xff; 100], at + 200).expect("damage");
    }
    check(&log, 1);
    let first = log.drives()[0].clone();
    assert!(first.suspect.is_some() && !first.serves());
    log.add_drive(&place.drives[2], 0).expect("a drive");
    while log.archive_step().expect("a step").worked {}
    let drives = log.drives();
    assert!(!drives[0].entry.is_healthy(), "{:?}", drives[0]);
    assert!(log.runs()[0].copies.contains(drives[2].entry.number));
    check(&log, 1);
    log.close().expect("closed");

    let (log, recovered) = Log::open(&place.log, &options()).expect("it opens");
    assert_eq!(recovered.drives.len(), 1, "the quarantine is durable");
    let report = log.scrub(None, true).expect("a report");
    assert!(
        report.bad.len() == 1 && report.bad[0].outcome == CopyOutcome::Repaired && report.lost.is_empty(),
        "{report:?}"
    );
    assert!(report.readmitted.is_empty(), "what was repaired just now is not clean yet");
    let report = log.scrub(None, true).expect("a report");
    assert!(report.bad.is_empty() && report.blocks > 0);
    assert_eq!(report.readmitted, [drives[0].entry.number]);
    assert!(log.drives().iter().all(truelog::DriveState::serves));
    check(&log, 1);
}

#[test]
fn who_scrubs_without_end_has_the_log_compacted_meanwhile() {
    let place = place();
    let log = archived(&place);
    let archived = |log: &Log| log.runs().last().expect("a run").lsns.last;
    let before = archived(&log);
    fill(&log, 600);
    let mut blocks = 0;
    while archived(&log) == before {
        blocks += log.scrub(None, false).expect("a report").blocks;
        assert!(blocks < 100_000, "nothing is compacted while scrubs follow one another");
    }
    check(&log, 1);
}

#[test]
fn a_compaction_that_has_failed_is_tried_again_although_somebody_scrubs_without_end() {
    let place = place();
    let log = Log::create(&place.log, &options()).expect("a log");
    log.add_drive(&place.drives[0], 0).expect("a drive");
    fill(&log, 300);
    for _ in 0..3 {
        assert!(log.scrub(None, false).expect("a report").bad.is_empty());
    }
    assert!(log.runs().is_empty(), "one drive is too few for two copies");
    log.add_drive(&place.drives[1], 0).expect("a drive");
    let began = Instant::now();
    while log.runs().is_empty() {
        assert!(log.scrub(None, false).expect("a report").bad.is_empty());
        assert!(began.elapsed() < Duration::from_secs(60), "nothing is compacted");
    }
    check(&log, 1);
}

#[test]
fn damage_to_all_copies_names_the_records_and_nothing_else() {
    let place = place();
    let log = archived(&place);
    let run = log.runs()[0];
    damage_copies(&place, run.number, &[4096]);
    let Err(Error::CorruptBlock { run: number, lsns, .. }) = log.get(Lsn(1)) else {
        panic!("wrong bytes, or none")
    };
    assert_eq!((number, lsns.first), (RunNo(1), Lsn(1)));
    let found: Vec<_> = log.iter(Lsn(1)).collect();
    assert!(matches!(found[0], Err(Error::CorruptBlock { .. })));
    assert_eq!(found[1].as_ref().map(|entry| entry.lsn), Ok(lsns.last.next()));
    assert!(found[1..].iter().all(Result::is_ok));
    let report = log.scrub(None, false).expect("a report");
    assert_eq!(report.bad.len(), 2);
    assert_eq!(report.lost.iter().map(|damage| damage.lsns).collect::<Vec<_>>(), [lsns]);
}

/// Part of a run was trimmed: what no copy has of that is nobody's loss.
#[test]
fn what_was_trimmed_is_not_lost() {
    let place = place();
    let log = archived(&place);
    let run = log.runs()[0];
    damage_copies(&place, run.number, &[4096]);
    let lost = log.scrub(None, false).expect("a report").lost[0].lsns;
    assert!(lost.last < run.lsns.last, "{lost} of {run:?}");
    log.trim(lost.last).expect("a trim");
    let report = log.scrub(None, false).expect("a report");
    assert_eq!(
        report.lost.iter().map(|damage| damage.lsns).collect::<Vec<_>>(),
        [LsnRange::of(lost.last, 1)]
    );
    log.trim(lost.last.next()).expect("a trim");
    assert_eq!(log.scrub(None, false).expect("a report").lost, []);
}

/// No read needs a run's header, but a rebuild of the manifest does.
#[test]
fn a_scrub_reads_the_headers_of_runs_too() {
    let place = place();
    let log = archived(&place);
    let path = place.drives[0].join(format!("run-{:010}", log.runs()[0].number.get()));
    let file = fs::OpenOptions::new().write(true).open(&path).expect("a run");
    file.write_all_at(&[0xff; 8], 20).expect("damage");
    let report = log.scrub(None, true).expect("a report");
    assert!(report.bad.len() == 1 && report.bad[0].outcome == CopyOutcome::Repaired, "{report:?}");
    assert!(log.scrub(None, true).expect("a report").bad.is_empty());
    let drive = truelog::DriveNo(7);
    assert_eq!(
        log.scrub(Some(drive), false),
        Err(Error::NoSuchDrive { drive }),
        "nothing would be looked at"
    );
    check(&log, 1);
}

/// There was no block on it that a scrub could have read, so that it stayed out for ever.
#[test]
fn a_quarantined_drive_that_holds_nothing_is_readmitted() {
    let place = place();
    let log = Log::create(&place.log, &options()).expect("a log");
    for drive in &place.drives[..2] {
        log.add_drive(drive, 0).expect("a drive");
    }
    fill(&log, 300);
    let tmp = place.drives[1].join("run-0000000001.tmp");
    while !tmp.exists() {
        assert!(log.archive_step().expect("a step").worked);
    }
    // The job cannot find its file any more when it gives it its name.
    fs::remove_file(&tmp).expect("gone");
    while log.drives()[1].entry.is_healthy() {
        log.archive_step().expect("a step");
    }
    assert_eq!(log.runs(), []);
    assert_eq!(log.scrub(None, true).expect("a report").readmitted, [log.drives()[1].entry.number]);
    log.compact().expect("runs");
    check(&log, 1);
}

/// It served until the next open, which called it stale again.
#[test]
fn a_drive_that_a_scrub_readmits_has_a_fresh_manifest() {
    let place = place();
    archived(&place).close().expect("closed");
    // Only an open says in the log's own manifest what the drives' copies were seen to have.
    let (log, _) = Log::open(&place.log, &options()).expect("it opens");
    log.compact().expect("runs");
    log.close().expect("closed");
    let (log, _) = Log::open(&place.log, &options()).expect("it opens");
    log.close().expect("closed");
    fs::remove_file(place.drives[0].join("MANIFEST")).expect("gone");
    let (log, recovered) = Log::open(&place.log, &options()).expect("it opens");
    assert!(
        matches!(recovered.drives[0].out, Some(truelog::DriveOut::Stale { found: 0, .. })),
        "{recovered:?}"
    );
    let report = log.scrub(None, true).expect("a report");
    assert_eq!(report.readmitted, [log.drives()[0].entry.number]);
    log.close().expect("closed");
    let (log, recovered) = Log::open(&place.log, &options()).expect("it opens");
    assert_eq!(recovered.drives, []);
    check(&log, 1);
}

#[test]
fn a_drive_that_is_away_empty_or_swapped_is_named_and_left_alone() {
    let place = place();
    archived(&place).close().expect("closed");
    let [a, b, away] = &place.drives;
    fs::rename(a, away).expect("taken away");
    let (log, recovered) = Log::open(&place.log, &options()).expect("it opens");
    assert_eq!(recovered.drives.len(), 1);
    assert_eq!(
        recovered.drives[0].out.map(|why| why.to_string()).as_deref(),
        Some("its directory does not exist")
    );
    assert!(!a.exists());
    check(&log, 1);
    log.close().expect("closed");

    fs::create_dir(a).expect("an empty directory");
    let (log, recovered) = Log::open(&place.log, &options()).expect("it opens");
    assert!(recovered.drives[0].out.expect("a reason").to_string().contains("mounted"));
    assert!(files(a).is_empty());
    log.close().expect("closed");

    fs::remove_dir(a).expect("gone");
    fs::rename(b, a).expect("swapped");
    let (log, recovered) = Log::open(&place.log, &options()).expect("it opens");
    assert_eq!(recovered.drives.len(), 2);
    let lost = log.get(Lsn(1));
    assert!(matches!(lost, Err(Error::Unavailable { .. })), "{lost:?}");
    fill(&log, 10);
    let entry = log.add_drive(away, 0).expect("known by its identity");
    assert_eq!(entry.number.get(), 0);
    check(&log, 1);
}

#[test]
fn a_trim_drops_runs_and_a_merge_drops_what_was_trimmed() {
    let place = place();
    let log = archived(&place);
    let last = log.runs().last().expect("a run").lsns.last;
    log.trim(Lsn(50)).expect("a trim");
    assert!(matches!(log.get(Lsn(49)), Err(Error::Trimmed { .. })));
    check(&log, 50);
    log.compact().expect("runs");
    log.trim(last.next()).expect("a trim");
    log.compact().expect("runs");
    assert!(log.runs().iter().all(|run| run.lsns.last > last));
    check(&log, last.next().get());
    log.close().expect("closed");
    let (log, _) = Log::open(&place.log, &options()).expect("it opens");
    check(&log, last.next().get());
}

#[test]
fn a_trim_amid_a_compaction_is_no_trouble() {
    // At each step of the compaction: it has read none, some or all of what the trim takes.
    for steps in 0..14 {
        let place = place();
        let log = archived(&place);
        fill(&log, 1200);
        let planned = log.runs().last().expect("a run").lsns.last;
        for _ in 0..steps {
            log.archive_step().expect("a step");
        }
        let before = if steps % 2 == 0 { planned.get() + 400 } else { log.stat().durable.get() };
        log.trim(Lsn(before)).expect("a trim");
        log.compact().expect("a compaction that plans anew, and ends");
        assert!(log.runs().iter().all(|run| run.lsns.last.get() >= before), "{steps}: {:?}", log.runs());
        check(&log, before);
    }
}

#[test]
fn fewer_drives_than_copies_archive_nothing_and_say_so() {
    let place = place();
    let log = Log::create(&place.log, &options()).expect("a log");
    log.add_drive(&place.drives[0], 0).expect("a drive");
    fill(&log, 300);
    let segments = log.stat().segments;
    assert_eq!(log.compact(), Err(Error::TooFewDrives { found: 1, copies: 2 }));
    assert_eq!(log.stat().segments, segments);
    log.add_drive(&place.drives[1], 0).expect("a drive");
    log.compact().expect("runs");
    let number = log.drives()[0].entry.number;
    log.remove_drive(number).expect("another drive has copies");
    let last = log.drives()[0].entry.number;
    assert_eq!(log.remove_drive(last), Err(Error::LastCopy { drive: last, run: RunNo(1) }));
    assert_eq!(log.remove_drive(number), Err(Error::NoSuchDrive { drive: number }));
    check(&log, 1);
}

#[test]
fn readers_that_go_forwards_find_blocks_in_memory() {
    let place = place();
    let log = archived(&place);
    let mut iter = log.iter(Lsn(1));
    let end = log.runs()[0].lsns.last;
    for lsn in LsnRange::new(Lsn(1), end).first.get()..=end.get() {
        assert_eq!(iter.next().expect("more").expect("a record").payload, payload(lsn));
        while log.archive_step().expect("a step").prefetched {}
    }
    let stat = log.prefetch_stat();
    assert!(stat.hits > stat.misses && stat.filled >= stat.hits, "{stat:?}");
}

#[test]
fn the_archives_own_thread_does_all_of_it() {
    let place = place();
    let options = Options { background: true, ..options() };
    let log = Log::create(&place.log, &options).expect("a log");
    for drive in &place.drives[..2] {
        log.add_drive(drive, 0).expect("a drive");
    }
    fill(&log, 600);
    let done = || log.runs().last().is_some_and(|run| run.lsns.last > Lsn(300)) && log.stat().segments < 4;
    // Not so many rounds: how long they take depends on the build.
    let until = Instant::now() + Duration::from_secs(60);
    while !done() && Instant::now() < until {
        check(&log, 1);
    }
    assert!(done(), "{:?}", log.runs());
    check(&log, 1);
    log.close().expect("closed");
}

/// It stayed until the next open: a trim removes the copies that it knows of.
#[test]
fn a_copy_that_is_finished_behind_the_trim_of_its_run_goes() {
    let place = place();
    let log = archived(&place);
    let run = log.runs()[0];
    let copy = format!("run-{:010}", run.number.get());
    fs::remove_file(place.drives[0].join(&copy)).expect("a drive that loses a run");
    check(&log, 1);
    log.add_drive(&place.drives[2], 0).expect("a drive");
    while !place.drives[2].join(&copy).exists() {
        assert!(log.archive_step().expect("a step").worked);
    }
    assert!(!log.runs()[0].copies.contains(log.drives()[2].entry.number), "it is not read back yet");
    log.trim(run.lsns.last.next()).expect("a trim");
    while log.archive_step().expect("a step").worked {}
    for drive in &place.drives[1..] {
        assert!(!files(drive).contains(&copy), "{}: {:?}", drive.display(), files(drive));
    }
    check(&log, run.lsns.last.next().get());
}

#[test]
fn a_drive_belongs_to_one_copy_of_a_log() {
    let place = place();
    archived(&place).close().expect("closed");
    let copy = place.log.with_file_name("copy");
    fs::create_dir(&copy).expect("a directory");
    for name in files(&place.log) {
        fs::copy(place.log.join(&name), copy.join(&name)).expect("a copy");
    }
    truelog::adopt(&copy).expect("adopted");
    let (log, recovered) = Log::open(&copy, &options()).expect("it opens");
    assert!(recovered.drives.iter().all(|drive| drive.out == Some(truelog::DriveOut::OtherEpoch)));
    assert!(matches!(log.get(Lsn(1)), Err(Error::Unavailable { .. })));
    log.close().expect("closed");
    let (log, recovered) = Log::open(&place.log, &options()).expect("it opens");
    assert_eq!(recovered.drives, []);
    check(&log, 1);
    log.close().expect("closed");
    let (log, _) = Log::open(&copy, &options()).expect("it opens");
    log.add_drive(&place.drives[0], 0).expect("taken over");
    check(&log, 1);
}

/// The copies that were there when a copy was begun were named again with it.
#[test]
fn a_drive_that_is_removed_amid_a_copy_stays_removed() {
    let place = place();
    let log = archived(&place);
    let run = log.runs()[0];
    fs::remove_file(place.drives[0].join(format!("run-{:010}", run.number.get())))
        .expect("a drive that loses it");
    check(&log, 1);
    let [gone, kept] = [0, 1].map(|at: usize| log.drives()[at].entry.number);
    let new = log.add_drive(&place.drives[2], 0).expect("a drive").number;
    while !files(&place.drives[2]).iter().any(|name| name.starts_with("run-")) {
        assert!(log.archive_step().expect("a step").worked);
    }
    log.remove_drive(gone).expect("another has a copy");
    while log.archive_step().expect("a step").worked {}
    assert_eq!(log.runs()[0].copies.iter().collect::<Vec<_>>(), [kept, new]);
    check(&log, 1);
    log.close().expect("closed");
    let (log, recovered) = Log::open(&place.log, &options()).expect("it opens");
    assert!(!recovered.read_only, "{recovered:?}");
    check(&log, 1);
}

#[test]
fn a_verification_names_each_block_that_is_damaged_in_all_copies() {
    let place = place();
    let log = archived(&place);
    let run = log.runs()[0];
    damage_copies(&place, run.number, &[4096, run.len / 2 / 4096 * 4096]);
    let lost: Vec<_> = log
        .iter(Lsn(1))
        .filter_map(|found| match found {
            Err(Error::CorruptBlock { lsns, .. }) => Some(lsns),
            found => found.map(|_| None).expect("a record"),
        })
        .collect();
    assert_eq!(lost.len(), 2, "{lost:?}");
    let report = truelog::verify_dir(&place.log).expect("a report");
    assert_eq!(report.damage.iter().map(|damage| damage.lsns).collect::<Vec<_>>(), lost);
}

#[test]
fn a_drive_that_is_removed_amid_a_copy_keeps_nothing_half_made() {
    let place = place();
    let log = archived(&place);
    let copy = format!("run-{:010}", log.runs()[0].number.get());
    fs::remove_file(place.drives[0].join(&copy)).expect("a drive that loses a run");
    check(&log, 1);
    let new = log.add_drive(&place.drives[2], 0).expect("a drive").number;
    let half = format!("{copy}.tmp");
    while !files(&place.drives[2]).contains(&half) {
        assert!(log.archive_step().expect("a step").worked);
    }
    log.remove_drive(new).expect("it has no copy yet");
    assert!(!files(&place.drives[2]).contains(&half), "{:?}", files(&place.drives[2]));
    check(&log, 1);
}

/// What a scrub has found damaged may be merged with others while it is written anew, from the copy that is whole: then
/// nothing is left of the damage.
#[test]
fn damage_to_a_run_that_is_merged_meanwhile_is_gone_and_not_left() {
    let mut gone = 0;
    for more in 0..4 {
        let place = place();
        let log = Log::create(&place.log, &options()).expect("a log");
        place.drives[..2].iter().for_each(|drive| drop(log.add_drive(drive, 0).expect("a drive")));
        for runs in 1..=4 {
            fill(&log, 200 + 10 * more);
            while log.runs().len() < runs {
                log.archive_step().expect("a step");
            }
        }
        for run in log.runs() {
            damage_copy(&place.drives[1], run.number, &[4096]);
        }
        let report = log.scrub(None, false).expect("a report");
        assert_eq!((report.count(CopyOutcome::Left), report.lost.len()), (0, 0), "{report:?}");
        gone += report.count(CopyOutcome::Gone);
        check(&log, 1);
    }
    assert!(gone > 0, "no run was merged while a copy of it was written anew");
}
