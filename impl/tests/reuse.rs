//! The option `reuse`, on the real file system: the file of a segment that was trimmed becomes a later one.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "tests look at the files from outside"
)]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use common::Dir;
use truelog::{Claim, Error, Log, Lsn, Options, StreamId, inspect};

/// So many records fill more than one segment.
const MANY: u64 = 40;
/// So many fill one.
const FULL: u64 = 14;
/// So many begin the next, and do not fill it.
const FEW: u64 = 8;

fn options() -> Options {
    Options { segment_size: 64 << 10, background: false, reuse: true, ..Options::default() }
}

/// Appends `count` records of about two thirds of a block, each of which says what its LSN is.
fn append(log: &Log, count: u64) {
    for _ in 0..count {
        let payload = payload(log.stat().next);
        log.append(StreamId(0), &payload).expect("a receipt");
    }
}

fn payload(lsn: Lsn) -> Vec<u8> {
    lsn.get().to_le_bytes().repeat(300)
}

/// The segments' files: each inode, and its name.
fn segments(dir: &Path) -> BTreeMap<u64, String> {
    let files = fs::read_dir(dir).expect("a directory").map(|file| file.expect("a file"));
    let names = files.map(|file| (file.metadata().expect("there").ino(), file.file_name()));
    let names = names.map(|(inode, name)| (inode, name.into_string().expect("text")));
    names.filter(|(_, name)| name.starts_with("segment-")).collect()
}

fn trim_to_last(log: &Log) -> u64 {
    log.trim(log.stat().durable).expect("trimmed").segments
}

#[test]
fn a_trimmed_segments_file_becomes_a_later_one_and_nothing_of_what_it_held_comes_back() {
    let dir = Dir::new();
    let path = dir.path();
    let log = Log::create(&path, &options()).expect("a log");
    append(&log, MANY);
    let before = segments(&path);
    assert!(trim_to_last(&log) > 0);
    append(&log, FEW);
    let after = segments(&path);
    let again: Vec<_> = after.iter().filter(|(inode, _)| before.contains_key(inode)).collect();
    let renamed = again.iter().filter(|(inode, name)| before[inode] != **name).count();
    // One is in use, one is kept.
    assert_eq!(renamed, 2, "{before:?}, {after:?}");
    assert_eq!(again.iter().filter(|(_, name)| name.ends_with(".tmp")).count(), 1, "{after:?}");
    let first = log.stat().first;
    drop(log);
    for life in 0..2 {
        let view = inspect(&path).expect("a look");
        assert_eq!((view.damage(), view.next()), (&[][..], Lsn(MANY + FEW + 1)), "life {life}");
        // Each batch is a block, before and now: whatever is left of the former life is whole.
        assert_eq!(view.torn_bytes(), 0, "life {life}");
        let (log, recovered) = Log::open(&path, &options()).expect("opened");
        assert_eq!(recovered.next, Lsn(MANY + FEW + 1));
        let records: Vec<_> = log.iter(first).map(|found| found.expect("a record")).collect();
        assert_eq!(records.first().map(|entry| entry.lsn), Some(first));
        assert!(records.iter().all(|entry| *entry.payload == payload(entry.lsn)[..]));
        log.close().expect("closed");
    }
}

#[test]
fn whether_a_trim_comes_before_the_next_segment_or_behind_it_none_is_made_anew() {
    let dir = Dir::new();
    let path = dir.path();
    let log = Log::create(&path, &options()).expect("a log");
    let ahead = || while log.step().expect("done").prepared {};
    let round = |trim_first: bool| {
        append(&log, FULL);
        if trim_first {
            trim_to_last(&log);
            ahead();
        } else {
            ahead();
            trim_to_last(&log);
        }
    };
    [true, false, true, false].into_iter().for_each(round);
    let begun = std::time::SystemTime::now();
    [true, true, false, false, true, false, true, true, false].into_iter().for_each(round);
    let made =
        |name: &String| fs::metadata(path.join(name)).expect("there").created().expect("a time") > begun;
    let anew: Vec<_> = segments(&path).into_values().filter(made).collect();
    assert!(anew.is_empty(), "{anew:?}");
    log.close().expect("closed");
}

#[test]
fn what_another_name_leads_to_is_left_alone() {
    let dir = Dir::new();
    let (path, copy) = (dir.path(), dir.other());
    let log = Log::create(&path, &options()).expect("a log");
    append(&log, MANY);
    let linked: Vec<_> = segments(&path).into_values().collect();
    fs::create_dir(&copy).expect("a directory");
    for name in &linked {
        fs::hard_link(path.join(name), copy.join(name)).expect("a link");
    }
    let held = |name: &String| fs::read(copy.join(name)).expect("a copy");
    let was: Vec<_> = linked.iter().map(held).collect();
    assert!(trim_to_last(&log) > 0);
    append(&log, MANY);
    log.close().expect("closed");
    let removed = linked.iter().zip(was).filter(|(name, _)| !path.join(name).exists());
    let changed = removed.filter(|(name, was)| held(name) != *was).count();
    assert_eq!(changed, 0, "a copy by hard links is what it was");
}

#[test]
fn a_file_that_is_kept_is_given_back_by_the_close_or_by_the_next_open() {
    let dir = Dir::new();
    let path = dir.path();
    let log = Log::create(&path, &options()).expect("a log");
    append(&log, MANY);
    trim_to_last(&log);
    let kept = |path: &Path| segments(path).into_values().filter(|name| name.ends_with(".tmp")).count();
    assert_eq!(kept(&path), 2);
    log.close().expect("closed");
    assert_eq!(kept(&path), 0);
    let (log, _) = Log::open(&path, &options()).expect("opened");
    append(&log, MANY);
    trim_to_last(&log);
    assert_eq!(kept(&path), 2);
    drop(log);
    let (log, recovered) = Log::open(&path, &options()).expect("opened");
    assert_eq!((kept(&path), recovered.next), (0, Lsn(2 * MANY + 1)));
    log.close().expect("closed");
}

#[test]
fn readers_beside_a_trim_get_the_record_or_are_told_that_it_was_trimmed() {
    let dir = Dir::new();
    let path = dir.path();
    let log = Log::create(&path, &Options { background: true, ..options() }).expect("a log");
    append(&log, MANY);
    let (over, rounds) = (AtomicBool::new(false), 20);
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..3)
            .map(|reader| {
                let (log, over) = (&log, &over);
                scope.spawn(move || {
                    let mut read = 0;
                    while !over.load(Ordering::Relaxed) {
                        let from = log.stat().first;
                        let records = (reader == 0).then(|| log.iter(from)).into_iter().flatten();
                        let single = (from.get()..log.stat().next.get()).map(|lsn| log.get(Lsn(lsn)));
                        for found in records.chain(single) {
                            match found {
                                Ok(entry) => assert_eq!(*entry.payload, payload(entry.lsn)[..]),
                                Err(Error::Trimmed { .. } | Error::Absent { .. }) => continue,
                                Err(error) => panic!("{error}"),
                            }
                            read += 1;
                        }
                    }
                    read
                })
            })
            .collect();
        for _ in 0..rounds {
            append(&log, MANY / 2);
            trim_to_last(&log);
        }
        over.store(true, Ordering::Relaxed);
        for reader in readers {
            assert!(reader.join().expect("no panic") > 0, "each reader read");
        }
    });
    log.close().expect("closed");
}

#[test]
fn who_looks_beside_the_writer_is_told_that_a_file_is_gone_and_not_that_it_is_damaged() {
    let dir = Dir::new();
    let path = dir.path();
    let log = Log::create(&path, &options()).expect("a log");
    let receipts: Vec<_> =
        (0..MANY).map(|_| log.append(StreamId(0), &payload(log.stat().next)).expect("a receipt")).collect();
    let view = inspect(&path).expect("a look");
    // So that its files are open.
    assert!((1..=MANY).all(|lsn| view.get(Lsn(lsn)).is_ok()));
    assert!(trim_to_last(&log) > 0);
    append(&log, MANY);
    let mut gone = 0;
    for (lsn, receipt) in (1..=MANY).zip(&receipts) {
        match view.get(Lsn(lsn)) {
            Ok(entry) => assert_eq!(*entry.payload, payload(Lsn(lsn))[..]),
            Err(Error::Io { .. }) => {
                gone += 1;
                assert!(
                    matches!(view.verify(&Claim::from(receipt)), Err(Error::Io { .. })),
                    "nothing is known"
                );
            }
            Err(error) => panic!("{lsn}: {error}"),
        }
    }
    assert!(gone > 0 && view.is_outdated() == Ok(true));
    log.close().expect("closed");
}
