//! The program with calls that fail, by `strace --inject`: it says so, acknowledges nothing after it, and the log
//! that it leaves keeps every receipt that it printed.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::progress::Progress;
use crate::report::Report;

use super::acks::Checked;
use super::lines::{Lines, Source};
use super::program::{Append, Desk, Program};
use super::strace::Syscall;
use super::traced::{self, Traced};
use super::{Trouble, acks, need_strace};

/// What fails.
#[derive(Debug, Clone, Copy)]
pub struct Scope {
    /// Lines to append.
    pub lines: usize,
    /// The first, the second, … up to this call of each thread fails, each in a run of its own; a fault that no
    /// longer finds a call ends the row earlier.
    pub most: u32,
    /// What lines are made from.
    pub seed: u64,
}

/// A row of faults.
#[derive(Debug, Clone, Copy)]
struct Row {
    sync: &'static str,
    call: &'static str,
    error: &'static str,
    /// How many times the scope's lines are needed: some calls are made only when a segment is full.
    lengthen: usize,
}

const ROWS: [Row; 5] = [
    Row { sync: "data-sync", call: "fdatasync", error: "EIO", lengthen: 1 },
    Row { sync: "write-through", call: "pwrite64", error: "EIO", lengthen: 1 },
    Row { sync: "data-sync", call: "pwrite64", error: "ENOSPC", lengthen: 1 },
    Row { sync: "write-through", call: "pwrite64", error: "ENOSPC", lengthen: 1 },
    Row { sync: "data-sync", call: "fsync", error: "EIO", lengthen: 8 },
];

/// Runs the check in `dir`, which must exist and be empty. One writer, since strace counts calls by thread.
#[must_use]
pub fn check(program: &Program, scope: &Scope, dir: &Path, progress: &Progress) -> Report {
    let rows = ROWS.map(|row| format!("{} {} ({})", row.error, row.call, row.sync)).join(", ");
    let words =
        format!("{} lines, 1 writer, call 1 to {} of: {rows}; seed {}", scope.lines, scope.most, scope.seed);
    let mut report = Report::new("strace --inject", words);
    progress.expect(ROWS.len() as u64);
    let mut victims = BTreeSet::new();
    for row in ROWS {
        if let Err(trouble) = run_row(program, scope, row, dir, &mut victims, &mut report) {
            trouble.into_report(&mut report, &format!("cargo verify --only inject --seed {}", scope.seed));
        }
        progress.advance(1);
    }
    // Each kind poisons in a way of its own.
    for kind in [DIRECTORY, MANIFEST, SEGMENT].into_iter().filter(|kind| !victims.contains(kind)) {
        report.incomplete(format!("no fault was {kind}"));
    }
    report
}

fn run_row(
    program: &Program,
    scope: &Scope,
    row: Row,
    dir: &Path,
    victims: &mut BTreeSet<&'static str>,
    report: &mut Report,
) -> Result<(), Trouble> {
    need_strace()?;
    let mut with_receipts = 0;
    for nth in 1..=scope.most {
        let place = dir.join(format!("{}-{}-{}-{nth}", row.sync, row.call, row.error));
        fs::create_dir(&place).map_err(Trouble::io(&place))?;
        let place = place.canonicalize().map_err(Trouble::io(&place))?;
        let wrong = |invariant, says| {
            Trouble::violated(
                invariant,
                format!("{} of {} number {nth} ({}): {says}", row.error, row.call, row.sync),
            )
        };
        let Some(ran) = run_one(program, scope, row, nth, &place, &wrong)? else {
            fs::remove_dir_all(&place).map_err(Trouble::io(&place))?;
            break;
        };
        with_receipts += u64::from(ran.checked.receipts > 0);
        report.count("faults fired", 1);
        report.count(ran.victim, 1);
        victims.insert(ran.victim);
        report.count("receipts kept", ran.checked.receipts);
        // Whether a thread is that late is chance: none is no fault of the run.
        if ran.checked.late > 0 {
            report.count("of them printed behind a fault", ran.checked.late);
        }
        fs::remove_dir_all(&place).map_err(Trouble::io(&place))?;
    }
    if with_receipts == 0 {
        let says = format!("{} of {} never fired after a receipt", row.error, row.call);
        return Err(Trouble::Missing(says));
    }
    Ok(())
}

/// What came of one run.
struct Ran {
    checked: Checked,
    victim: &'static str,
}

/// One run with one fault; `None` when the fault found no call.
fn run_one(
    program: &Program,
    scope: &Scope,
    row: Row,
    nth: u32,
    place: &Path,
    wrong: &dyn Fn(&'static str, String) -> Trouble,
) -> Result<Option<Ran>, Trouble> {
    let desk = Desk::new(place);
    let (log, append) = (&desk.log, desk.append(1));
    let lines = Lines::get(Source::Made, scope.lines * row.lengthen, scope.seed);
    lines.save(&desk.input)?;
    program.create(log, &["--sync", row.sync, "--max-batch-bytes", "4096", "--segment-size", "131072"])?;
    let inject = ["-e".to_owned(), format!("inject={}:error={}:when={nth}", row.call, row.error)];
    let traced = traced::run_append(program, &append, &place.join("trace"), &inject)?;
    if !traced.calls.iter().any(|call| call.injected) {
        return Ok(None);
    }
    judge_end(&traced, &append, wrong)?;
    let checked = judge_receipts(&traced, log, wrong)?;
    let victim = poisoning(&traced).map_or("of them discarded", |fault| victim(fault, log));
    // The log opens again, keeps what was promised, and takes the rest.
    let again =
        program.append(&mut program.command(), &append)?.status().map_err(Trouble::io(program.path()))?;
    if !again.success() {
        return Err(wrong("recovery-converges", format!("the log does not go on: {}", append.complaint())));
    }
    program.verify(log, &desk.receipts)?;
    program.compare(log, &lines, 1, true)?;
    Ok(Some(Ran { checked, victim }))
}

/// The program must end by itself, with an error and a code. Only where every fault went away with the file it hit may
/// it go on to its end.
fn judge_end(
    traced: &Traced,
    append: &Append<'_>,
    wrong: &dyn Fn(&'static str, String) -> Trouble,
) -> Result<(), Trouble> {
    let complaint = append.complaint();
    match (traced.exit, poisoning(traced)) {
        (Some(0), None) => Ok(()),
        (Some(0), Some(_)) => Err(wrong("append-resolves", "append exited with 0".into())),
        (Some(101) | None, _) => {
            Err(wrong("append-resolves", format!("append did not end by itself: {complaint}")))
        }
        (Some(_), _) if !complaint.contains("TL-") => {
            Err(wrong("append-resolves", format!("the complaint has no code: {complaint}")))
        }
        (Some(_), _) => Ok(()),
    }
}

/// Behind the fault only receipts are printed for which all that makes them true had ended well before the program
/// [knew](known) of it, whichever thread prints them: what was submitted before is still settled.
///
/// Any failed write or sync of a segment, of the manifest or of the directory poisons, ENOSPC included, and is held so.
/// Not so a fault under a temporary name: the file is given up, nothing rests on it, and the log goes on. If there is
/// no space for it, only records that have no place yet are refused, so receipts of all others are right.
fn judge_receipts(
    traced: &Traced,
    log: &Path,
    wrong: &dyn Fn(&'static str, String) -> Trouble,
) -> Result<Checked, Trouble> {
    let fault = poisoning(traced).and_then(|fault| Some((fault, fault.end?)));
    acks::check(&traced.calls, log, fault.map(|(fault, end)| known(&traced.calls, fault.thread, end)))
        .map_err(|why| wrong("no-ack-after-failed-sync", why))
}

/// The line by which the program knew of a failure that `thread` met at line `end`: that of its next call, letting go of
/// files not counted. Between the two it was only running, and nobody can know what it has not said yet: strace holds
/// a thread at the end of a call for as long as the others take, so that a sync of another one may end meanwhile. What
/// the order check says of several threads is the same. A thread that makes no call any more, not even to wake another,
/// has told nobody before the program's end.
fn known(calls: &[Syscall], thread: u32, end: usize) -> usize {
    let next = calls.iter().filter(|call| call.thread == thread && call.begin > end && call.name != "close");
    let last = || calls.iter().map(|call| call.end.unwrap_or(call.begin)).max();
    next.map(|call| call.begin).min().or_else(last).unwrap_or(end)
}

/// The first injected fault that must poison the handle.
fn poisoning(traced: &Traced) -> Option<&Syscall> {
    traced.calls.iter().filter(|call| call.injected && !discarded(traced, call)).min_by_key(|call| call.end)
}

const DIRECTORY: &str = "of them on the directory";
const MANIFEST: &str = "of them on the manifest";
const SEGMENT: &str = "of them on segments";

/// What kind of file the fault hit.
fn victim(fault: &Syscall, log: &Path) -> &'static str {
    match fault.file(0) {
        Some(path) if path == log => DIRECTORY,
        Some(path) if path.ends_with("MANIFEST") => MANIFEST,
        Some(path) if path.parent() == Some(log) => SEGMENT,
        _ => "of them elsewhere",
    }
}

/// Whether the file that a fault hit was a temporary one and was removed after it, without ever having been given its
/// name: a segment made ahead of need, that nothing rests on.
fn discarded(traced: &Traced, fault: &Syscall) -> bool {
    let Some(path) =
        fault.file(0).filter(|path| path.extension().is_some_and(|extension| extension == "tmp"))
    else {
        return false;
    };
    let removal = |call: &Syscall| match call.name.as_str() {
        "unlink" => call.path(0),
        "unlinkat" => call.path(1),
        _ => None,
    };
    let naming = |call: &Syscall| match call.name.as_str() {
        "rename" => call.path(0),
        "renameat" | "renameat2" => call.path(1),
        _ => None,
    };
    let mut after = traced.calls.iter().filter(|call| fault.end.is_some_and(|end| call.begin > end));
    let next =
        after.find(|call| removal(call).as_deref() == Some(path) || naming(call).as_deref() == Some(path));
    next.is_some_and(|call| removal(call).is_some() && call.succeeded())
}

#[cfg(test)]
mod tests {
    use super::super::strace::Outcome;
    use super::*;

    fn call(thread: u32, name: &str, begin: usize, end: usize) -> Syscall {
        let (args, outcome) = (Vec::new(), Outcome::Error("EIO".into()));
        Syscall { thread, begin, end: Some(end), name: name.into(), args, outcome, injected: false }
    }

    #[test]
    fn a_failure_is_known_by_the_next_call_of_the_thread_that_met_it() {
        let calls = [
            call(1, "fsync", 3, 5),
            call(2, "fdatasync", 4, 6),
            call(1, "close", 7, 8),
            call(1, "futex", 9, 10),
            call(1, "write", 11, 12),
        ];
        assert_eq!(known(&calls, 1, 5), 9);
        assert_eq!(known(&calls[..3], 1, 5), 8, "it never said anything more");
        assert_eq!(known(&calls[..2], 1, 5), 6, "nor did anybody else");
    }
}
