//! What somebody does to a log under a running writer, on the real file system: no append that began behind it is
//! acknowledged, or the auditor finds it.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "tests that damage files"
)]

mod common;

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use common::archived::{self, archived, place};
use common::{Dir, options, payload, segments};
use truelog::{Condition, Error, HealthRule, Log, Lsn, Options, StreamId, inspect};
use truelog_env::{Clock, Env};

/// A log with two sealed segments at least.
fn filled(dir: &Dir) -> Log {
    let log = Log::create(dir.path(), &options()).expect("a log");
    for number in 0..40 {
        log.append(StreamId(1), &payload(number, 20_000)).expect("a receipt");
    }
    assert!(segments(dir.path()).len() > 2);
    log
}

fn last_segment(log: &Log, dir: &Path) -> PathBuf {
    dir.join(format!("segment-{:010}", log.stat().last_segment.get()))
}

fn flip(path: &Path, offset: u64) {
    let file = fs::OpenOptions::new().read(true).write(true).open(path).expect("a file");
    let mut byte = [0; 1];
    file.read_exact_at(&mut byte, offset).expect("a byte");
    file.write_all_at(&[byte[0] ^ 0x40], offset).expect("written");
    file.sync_all().expect("synced");
}

#[track_caller]
fn halted_by(log: &Log, error: &Error, rule: HealthRule) {
    assert!(matches!(error, Error::Poisoned { .. }), "{error}");
    let health = log.health();
    assert_eq!((health.verdict, health.has(rule)), (Condition::Halted, true), "{health:?}");
    assert!(health.pages());
    assert_eq!(log.append(StreamId(1), b"more").as_ref(), Err(error), "nothing more is acknowledged");
}

type Harm = fn(&Path, &Path);

#[test]
fn no_append_is_acknowledged_once_the_active_segment_is_not_in_its_place() {
    let harms: [(&str, Harm); 4] = [
        ("removed", |segment, _| fs::remove_file(segment).expect("removed")),
        ("replaced", |segment, _| {
            let copy = segment.with_extension("copy");
            fs::copy(segment, &copy).expect("a copy");
            fs::rename(copy, segment).expect("in its place");
        }),
        ("truncated", |segment, _| {
            fs::OpenOptions::new()
                .write(true)
                .open(segment)
                .and_then(|file| file.set_len(4096))
                .expect("cut");
        }),
        ("moved away", |_, dir| fs::rename(dir, dir.with_extension("away")).expect("renamed")),
    ];
    for (what, harm) in harms {
        for audited in [false, true] {
            let dir = Dir::new();
            let log = filled(&dir);
            let log_dir = fs::canonicalize(dir.path()).expect("a path");
            if audited {
                // A file that nobody has looked at yet may be exchanged for its like.
                log.audit().expect("all is well");
            }
            harm(&last_segment(&log, &log_dir), &log_dir);
            let error = if audited {
                log.audit().expect_err(what)
            } else {
                log.append(StreamId(1), &payload(7, 100)).expect_err(what)
            };
            let rule = match (what, audited) {
                ("moved away", true) => HealthRule::IdentityMismatch,
                _ => HealthRule::FileDisplaced,
            };
            halted_by(&log, &error, rule);
        }
    }
}

#[test]
fn a_sealed_segment_that_is_gone_or_replaced_is_found_by_the_next_look() {
    for replaced in [false, true] {
        let dir = Dir::new();
        let log = filled(&dir);
        log.audit().expect("all is well");
        let first = dir.path().join(&segments(dir.path())[0]);
        if replaced {
            let copy = dir.other();
            fs::copy(&first, &copy).expect("a copy");
            fs::rename(copy, &first).expect("in its place");
        } else {
            fs::remove_file(&first).expect("removed");
        }
        let error = log.audit().expect_err("it is not the file that it was");
        halted_by(&log, &error, HealthRule::FileDisplaced);
    }
}

#[test]
fn a_byte_that_changes_is_found_told_and_remembered() {
    let dir = Dir::new();
    let log = filled(&dir);
    log.audit().expect("all is well");
    assert_eq!(log.audit_stat().upto, Lsn(40));
    let first = dir.path().join(&segments(dir.path())[0]);
    flip(&first, 4096 + 5000);
    let error = log.audit().expect_err("a byte differs");
    halted_by(&log, &error, HealthRule::ClaimViolated);
    assert!(inspect(dir.path()).expect("an inspection").health().has(HealthRule::ClaimViolated));
    drop(log);
    let (log, recovered) = Log::open(dir.path(), &options()).expect("it opens");
    assert!(recovered.read_only && log.health().has(HealthRule::Damaged));
    assert!(log.get(Lsn(40)).is_ok() && log.get(Lsn(1)).is_err());
    drop(log);
    flip(&first, 4096 + 5000);
    let (log, recovered) = Log::open(dir.path(), &options()).expect("it opens");
    assert!(!recovered.read_only, "it was put right");
    log.append(StreamId(1), b"more").expect("a receipt");
    log.audit().expect("all is well");
}

#[test]
fn an_archive_that_lost_a_block_in_all_copies_is_found() {
    let place = place();
    let log = archived(&place);
    log.audit().expect("all is well");
    let run = log.runs()[0];
    for drive in &place.drives[..2] {
        flip(&drive.join(format!("run-{:010}", run.number.get())), 4096 + 300);
    }
    let error = log.audit().expect_err("no copy is whole");
    halted_by(&log, &error, HealthRule::ClaimViolated);
}

/// The auditor's own thread finds it within its interval.
#[test]
fn the_thread_finds_what_is_wrong_within_the_interval() {
    let dir = Dir::new();
    let every = Duration::from_millis(50);
    let quick = Options { background: true, audit_every: every, audit_all_every: every, ..options() };
    let log = Log::create(dir.path(), &quick).expect("a log");
    for number in 0..40 {
        log.append(StreamId(1), &payload(number, 20_000)).expect("a receipt");
    }
    let wait = |done: &dyn Fn() -> bool| {
        let began = Instant::now();
        while !done() {
            assert!(began.elapsed() < Duration::from_secs(20), "{:?}", log.health());
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    wait(&|| log.audit_stat().upto == Lsn(40) && log.audit_stat().receipts > 0);
    flip(&dir.path().join(&segments(dir.path())[0]), 4096 + 5000);
    wait(&|| log.health().has(HealthRule::ClaimViolated));
    assert!(log.append(StreamId(1), b"more").is_err());
}

/// A writer that archives and trims gives its auditor nothing to complain about.
#[test]
fn an_audit_beside_a_writer_finds_nothing_wrong() {
    let place = place();
    let options = Options { audit_every: Duration::from_millis(1), ..archived::options() };
    archived(&place).close().expect("closed");
    let (log, _) = Log::open(&place.log, &options).expect("it opens");
    std::thread::scope(|scope| {
        let audits = scope.spawn(|| (0..10).map(|_| log.audit().expect("all is well").receipts).max());
        for _ in 0..30 {
            archived::fill(&log, 100);
            log.compact().expect("runs");
            log.trim(Lsn(log.stat().next.get().saturating_sub(500))).expect("a trim");
        }
        assert!(audits.join().expect("audits") > Some(0));
    });
    assert_eq!(log.audit_stat().trouble, None);
}

#[test]
fn an_audit_is_needed_as_long_as_there_are_records() {
    let dir = Dir::new();
    let log = Log::create(dir.path(), &options()).expect("a log");
    assert!(!log.audit_stat().needed, "there are none yet");
    log.append(StreamId(1), b"one").expect("a receipt");
    assert!(log.audit_stat().needed);
    log.trim(Lsn(2)).expect("a trim");
    assert!(!log.audit_stat().needed, "there are none any more");
}

/// A clock that goes on only when it is told to.
#[derive(Debug)]
struct Told(Mutex<Duration>);

impl Clock for Told {
    fn monotonic(&self) -> Duration {
        *self.0.lock().expect("the time")
    }

    fn wall(&self) -> Duration {
        self.monotonic()
    }

    fn sleep(&self, time: Duration) {
        *self.0.lock().expect("the time") += time;
    }
}

/// Else whoever sleeps until then looks again and again without a pause.
#[test]
fn a_step_at_the_very_moment_that_was_told_finds_something_to_do() {
    let dir = Dir::new();
    let clock = Arc::new(Told(Mutex::new(Duration::from_secs(1_000_000))));
    let env = Env { clock: Arc::<Told>::clone(&clock), ..truelog::os::native() };
    let log = Log::create_in(&env, &dir.path(), &options()).expect("a log");
    log.append(StreamId(1), b"one").expect("a receipt");
    while log.audit_step().expect("a step").worked {}
    for _ in 0..3 {
        let idle = log.audit_step().expect("a step");
        clock.sleep(idle.next.expect("it looks again"));
        assert!(log.audit_step().expect("a step").worked);
        while log.audit_step().expect("a step").worked {}
    }
    assert_eq!(log.audit_stat().receipts, 1);
}
