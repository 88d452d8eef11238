//! The program killed with SIGKILL at random moments, and resumed: every receipt it ever printed must hold, and
//! every line must be there exactly once and in order.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use crate::progress::Progress;
use crate::report::Report;

use super::lines::{Lines, Source};
use super::program::{Append, Desk, Program};
use super::{Random, Trouble};

/// What is appended, and how often it is killed.
#[derive(Debug, Clone, Copy)]
pub struct Scope {
    /// Lines to append.
    pub lines: usize,
    /// Where they come from.
    pub source: Source,
    /// Writers.
    pub writers: u64,
    /// Kills; each must hit a running program.
    pub kills: u64,
    /// What the moments, and made lines, follow from.
    pub seed: u64,
}

/// The signal that cannot be caught.
const SIGKILL: i32 = 9;
/// Bytes of a printed receipt, roughly: it only spreads the kills.
const RECEIPT_BYTES: u64 = 250;
/// So many bytes hold the last few receipts.
const TAIL: usize = 4096;
/// No run may take longer without a single new receipt.
const PATIENCE: Duration = Duration::from_secs(120);

/// When a run is killed.
enum Moment {
    /// So long after its start: while it opens, recovers, or reads what is there already.
    After(Duration),
    /// So long after so many more bytes of receipts were printed.
    Printed(u64, Duration),
}

/// How a run ended.
#[derive(PartialEq, Eq)]
enum End {
    Killed,
    Finished,
}

/// Runs the check in `dir`, which must exist and be empty.
#[must_use]
pub fn check(program: &Program, scope: &Scope, dir: &Path, progress: &Progress) -> Report {
    let words = format!(
        "{} lines, {} writers, both durabilities, {} kills, seed {}",
        scope.lines, scope.writers, scope.kills, scope.seed
    );
    let mut report = Report::new("kill -9", words);
    report.note(format!("seed {}", scope.seed));
    if let Err(trouble) = run(program, scope, dir, progress, &mut report) {
        trouble.into_report(&mut report, &format!("cargo verify --only kill --seed {}", scope.seed));
    }
    report
}

fn run(
    program: &Program,
    scope: &Scope,
    dir: &Path,
    progress: &Progress,
    report: &mut Report,
) -> Result<(), Trouble> {
    progress.expect(scope.kills + 2);
    let desk = Desk::new(dir);
    let lines = Lines::get(scope.source, scope.lines, scope.seed);
    lines.save(&desk.input)?;
    if scope.source == Source::Real {
        report.note(format!(
            "{} lines are real text, {} were made",
            lines.real(),
            lines.len() - lines.real()
        ));
    }
    program.create(&desk.log, &[])?;
    let mut append = desk.append(scope.writers);
    let mut random = Random::new(scope.seed);
    let (mut killed, mut runs) = (0, 0);
    while killed < scope.kills {
        if runs == scope.kills * 4 + 100 {
            let says = format!("{runs} runs, but only {killed} kills hit a running program");
            return Err(Trouble::Missing(says));
        }
        runs += 1;
        // Either promise must survive the end of the process.
        append.durability = if random.below(3) == 0 { "process-crash" } else { "power-loss" };
        let moment = choose(&mut random, scope, scope.kills - killed, reached(&append));
        if run_until(program, &append, &moment)? == End::Killed {
            killed += 1;
            progress.advance(1);
        }
    }
    progress.says("finishing");
    if !program
        .append(&mut program.command(), &append)?
        .status()
        .map_err(Trouble::io(program.path()))?
        .success()
    {
        return Err(Trouble::violated(
            "recovery-converges",
            format!("the last run failed: {}", append.complaint()),
        ));
    }
    progress.advance(1);
    report.count("kills", killed);
    report.count("runs", runs + 1);
    judge(program, scope, &append, &lines, report)?;
    progress.advance(1);
    Ok(())
}

/// Every receipt must hold, and every line be there once and in order.
fn judge(
    program: &Program,
    scope: &Scope,
    append: &Append<'_>,
    lines: &Lines,
    report: &mut Report,
) -> Result<(), Trouble> {
    let verified = program.verify(append.dir, append.receipts)?.receipts;
    let printed = fs::read(append.receipts).map_err(Trouble::io(append.receipts))?;
    let whole = printed.iter().filter(|&&byte| byte == b'\n').count() as u64;
    let held = verified.verified + verified.unvouched;
    // Each line is a receipt that was held against the disk, or was torn by a kill.
    if verified.violated > 0 || held > whole || held + verified.torn < whole {
        return Err(Trouble::violated(
            "acked-is-durable",
            format!("{whole} lines of receipts: {verified:?}"),
        ));
    }
    let records = program.compare(append.dir, lines, scope.writers, true)?;
    report.count("receipts verified", held);
    report.count("lines found once and in order", records);
    report.note(format!("{} receipts were torn by a kill", verified.torn));
    Ok(())
}

/// When the next run is killed, with so many kills to come and so many lines appended.
fn choose(random: &mut Random, scope: &Scope, kills: u64, reached: u64) -> Moment {
    let micros = |random: &mut Random, most| Duration::from_micros(random.below(most));
    if random.below(4) == 0 {
        return Moment::After(micros(random, 30_000));
    }
    // A share of what is left, so that the kills spread over the input, and the input outlasts the last of them.
    let left = (scope.lines as u64).saturating_sub(reached);
    let share = left * RECEIPT_BYTES / (kills + 1);
    Moment::Printed(random.below((share * 3 / 2).max(1)), micros(random, 3_000))
}

fn run_until(program: &Program, append: &Append<'_>, moment: &Moment) -> Result<End, Trouble> {
    let before = printed(append);
    let mut child =
        program.append(&mut program.command(), append)?.spawn().map_err(Trouble::io(program.path()))?;
    let outcome = wait_for(&mut child, append, before, moment);
    // The child must be gone whatever happened; killing one that has ended is no error.
    let killed = child.kill();
    let status = child.wait().map_err(Trouble::io(program.path()))?;
    outcome?;
    killed.map_err(Trouble::io(program.path()))?;
    match status.signal() {
        Some(SIGKILL) => Ok(End::Killed),
        None if status.success() => Ok(End::Finished),
        _ => {
            let says = format!("append ended with {status}: {}", append.complaint());
            Err(program.ended(append, &says))
        }
    }
}

/// Waits until it is time to kill, or the child has ended.
fn wait_for(child: &mut Child, append: &Append<'_>, before: u64, moment: &Moment) -> Result<(), Trouble> {
    let (bytes, delay) = match moment {
        Moment::After(delay) => (0, *delay),
        Moment::Printed(bytes, delay) => (*bytes, *delay),
    };
    let mut latest = (before, Instant::now());
    while printed(append) < before + bytes {
        if child.try_wait().map_err(Trouble::io(append.dir))?.is_some() {
            return Ok(());
        }
        let now = printed(append);
        if now > latest.0 {
            latest = (now, Instant::now());
        } else if latest.1.elapsed() > PATIENCE {
            return Err(Trouble::violated("append-resolves", format!("no receipt for {PATIENCE:?}")));
        }
        thread::sleep(Duration::from_micros(300));
    }
    thread::sleep(delay);
    Ok(())
}

/// The last LSN that a receipt names. There may be more records: what a kill took was the printing of their receipts.
fn reached(append: &Append<'_>) -> u64 {
    let receipts = fs::read(append.receipts).unwrap_or_default();
    let tail = String::from_utf8_lossy(&receipts[receipts.len().saturating_sub(TAIL)..]).into_owned();
    let lsns = tail.split("\"lsn\":").skip(1).filter_map(|rest| rest.split(',').next()?.parse::<u64>().ok());
    lsns.max().unwrap_or(0)
}

/// Bytes of receipts so far.
fn printed(append: &Append<'_>) -> u64 {
    fs::metadata(append.receipts).map_or(0, |metadata| metadata.len())
}
