//! The program as a child process, small; `cargo verify` runs the same checks larger.

use std::io::Write as _;
use std::path::Path;

use tempfile::TempDir;
use truelog_harness::process::lines::{Lines, Source};
use truelog_harness::process::program::{Append, Program};
use truelog_harness::process::{archive, inject, kill, need_strace, short, traced};
use truelog_harness::progress::Progress;
use truelog_harness::report::{Report, Verdict};

/// The operator's command, as cargo built it for these tests.
pub(crate) fn program() -> Program {
    Program::new(Path::new(env!("CARGO_BIN_EXE_truelog-child")))
}

/// A directory on a real disk: where temporary files are kept may be memory.
pub(crate) fn place() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

/// A seed that differs from run to run; the report says which it was.
fn seed() -> u64 {
    u64::from(std::process::id())
}

fn expect_holds(report: Report) {
    let report = report.finish(std::time::Duration::ZERO);
    assert_eq!(report.verdict, Verdict::Holds, "{report:#?}");
    println!("{}: {}: {:?}", report.check, report.scope, report.explored);
}

/// Whether there is strace. Where there is none the test says so, as loudly as a test can: it cannot show anything.
pub(crate) fn strace_is_missing() -> bool {
    match need_strace() {
        Ok(()) => false,
        Err(why) => {
            // Not `eprintln!`, which the test harness swallows.
            let _ = writeln!(std::io::stderr(), "INCOMPLETE: {why}; nothing was shown here");
            true
        }
    }
}

#[test]
fn killed_at_random_and_resumed_every_receipt_holds_and_every_line_is_there_once() {
    let place = place();
    let scope = kill::Scope { lines: 20_000, source: Source::Real, writers: 8, kills: 6, seed: seed() };
    expect_holds(kill::check(&program(), &scope, place.path(), &Progress::silent()));
}

#[test]
fn killed_while_it_archives_onto_a_drive_that_rots_it_loses_nothing() {
    let place = place();
    let scope = archive::Scope { bytes: 64 << 20, line: 600, segment: 512 << 10, kills: 3, seed: seed() };
    expect_holds(archive::check(&program(), &scope, place.path(), &Progress::silent()));
}

#[test]
fn no_receipt_is_printed_before_the_calls_that_make_it_true_have_returned() {
    if strace_is_missing() {
        return;
    }
    let place = place();
    let scope = traced::Scope { lines: 600, writers: 3, seed: seed() };
    expect_holds(traced::check(&program(), &scope, place.path(), &Progress::silent()));
}

#[test]
fn a_failed_call_is_told_and_nothing_is_acknowledged_after_it() {
    if strace_is_missing() {
        return;
    }
    let place = place();
    let scope = inject::Scope { lines: 400, most: 8, seed: seed() };
    expect_holds(inject::check(&program(), &scope, place.path(), &Progress::silent()));
}

#[test]
fn short_and_interrupted_calls_change_nothing() {
    let place = place();
    let scope = short::Scope { lines: 1_000, writers: 3, rounds: 4, seed: seed() };
    expect_holds(short::check(&program(), &scope, place.path(), &Progress::silent()));
}

#[test]
fn a_log_that_holds_anything_else_than_what_was_fed_is_told_from_one_that_does_not() {
    let place = place();
    let (log, input, receipts) =
        (place.path().join("log"), place.path().join("input"), place.path().join("receipts"));
    let lines = Lines::get(Source::Made, 300, 1);
    lines.save(&input).unwrap();
    program().create(&log, &[]).unwrap();
    let append =
        Append { dir: &log, input: &input, receipts: &receipts, writers: 3, durability: "power-loss" };
    assert!(program().append(&mut program().command(), &append).unwrap().status().unwrap().success());
    assert_eq!(program().compare(&log, &lines, 3, true).unwrap(), 300);
    assert_eq!(program().verify(&log, &receipts).unwrap().receipts.verified, 300);
    assert!(program().compare(&log, &Lines::get(Source::Made, 300, 2), 3, true).is_err(), "other lines");
    assert!(program().compare(&log, &Lines::get(Source::Made, 301, 1), 3, true).is_err(), "a line too few");
    assert!(program().compare(&log, &Lines::get(Source::Made, 299, 1), 3, true).is_err(), "a line too many");
    assert!(program().compare(&log, &lines, 2, true).is_err(), "other streams");
    let first =
        std::fs::read_to_string(&receipts).unwrap().lines().next().unwrap().replace("\"seq\":0", "\"seq\":1");
    std::fs::write(&receipts, first).unwrap();
    assert!(program().verify(&log, &receipts).is_err(), "a receipt for another record");
}

#[test]
fn without_a_whole_receipt_the_log_alone_is_verified() {
    let place = place();
    let (log, input, receipts) =
        (place.path().join("log"), place.path().join("input"), place.path().join("receipts"));
    program().create(&log, &[]).unwrap();
    Lines::get(Source::Made, 5, 1).save(&input).unwrap();
    for none in ["", "{\"lsn\":1,\"str"] {
        std::fs::write(&receipts, none).unwrap();
        let verified = program().verify(&log, &receipts).unwrap();
        assert_eq!((verified.records, verified.receipts.verified), (0, 0));
    }
    std::fs::write(&receipts, "no receipt\n").unwrap();
    assert!(program().verify(&log, &receipts).is_err(), "a whole line is held against the log");
    std::fs::remove_file(&receipts).unwrap();
    let append =
        Append { dir: &log, input: &input, receipts: &receipts, writers: 1, durability: "power-loss" };
    assert!(program().append(&mut program().command(), &append).unwrap().status().unwrap().success());
    assert_eq!(program().verify(&log, &receipts).unwrap().receipts.verified, 5);
    // Damage is told with or without receipts.
    std::fs::write(&receipts, "").unwrap();
    std::fs::write(log.join("MANIFEST"), "x").unwrap();
    assert!(program().verify(&log, &receipts).is_err());
}
