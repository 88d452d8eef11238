//! `truelog compact`, `truelog trim` and `truelog scrub`: what an operator has the archive do now.

use std::io::Write;
use std::path::Path;

use serde::Serialize;
use truelog::{BadCopy, CopyOutcome, DriveNo, Error, Log, Lsn, LsnRange, Options, RunEntry, ScrubReport};

use crate::args::{Place, Scrub, Trim};
use crate::drives::Drive;
use crate::failure::Failure;
use crate::open;
use crate::output;

/// A run, as `--json` shows it.
#[derive(Serialize)]
pub(crate) struct Run {
    pub(crate) run: u64,
    pub(crate) first_lsn: u64,
    pub(crate) last_lsn: u64,
    pub(crate) blocks: u32,
    pub(crate) bytes: u64,
    pub(crate) generation: u64,
    /// The drives that have a copy.
    pub(crate) drives: Vec<u64>,
}

impl Run {
    /// A run as the manifest names it.
    pub(crate) fn new(entry: &RunEntry) -> Self {
        Self {
            run: entry.number.get(),
            first_lsn: entry.lsns.first.get(),
            last_lsn: entry.lsns.last.get(),
            blocks: entry.blocks,
            bytes: entry.len,
            generation: entry.generation,
            drives: entry.copies.iter().map(DriveNo::get).collect(),
        }
    }

    /// As one line of text.
    pub(crate) fn text(&self) -> String {
        let Self { run, first_lsn, last_lsn, blocks, bytes, drives, .. } = self;
        let drives: Vec<_> = drives.iter().map(u64::to_string).collect();
        format!(
            "run {run}: LSNs {first_lsn}..={last_lsn} in {}, {bytes} bytes, on drives {}",
            output::count((*blocks).into(), "block"),
            drives.join(", ")
        )
    }
}

/// What a compaction came to: the last line.
#[derive(Serialize)]
struct Compacted {
    published: u64,
    runs: u64,
    segments: u64,
    archived_to_lsn: u64,
}

/// Runs `compact`.
///
/// # Errors
/// Whatever the log or standard output reports.
pub(crate) fn compact(args: &Place, json: bool, out: &mut dyn Write) -> Result<(), Failure> {
    let failed = Failure::log(&args.dir);
    let (log, _) = open::alone(&args.dir)?;
    if log.drives().is_empty() {
        return Err(failed(Error::TooFewDrives { found: 0, copies: log.options().copies.into() }));
    }
    let published = log.compact();
    let runs = log.runs();
    let shown = Compacted {
        published: published.as_ref().map_or(0, Vec::len) as u64,
        runs: runs.len() as u64,
        segments: log.stat().segments,
        archived_to_lsn: runs.last().map_or(0, |run| run.lsns.last.get()),
    };
    log.close().map_err(&failed)?;
    for entry in &published.map_err(&failed)? {
        let run = Run::new(entry);
        if json { output::json(out, &run)? } else { output::line(out, &format!("published {}", run.text()))? }
    }
    if json {
        output::json(out, &shown)?;
    } else {
        let text = format!(
            "{} in the archive, up to LSN {}; {} with records left in the log",
            output::count(shown.runs, "run"),
            shown.archived_to_lsn,
            output::count(shown.segments, "segment")
        );
        output::line(out, &text)?;
    }
    output::flush(out)
}

/// What a trim did.
#[derive(Serialize)]
struct TrimmedTo {
    first_lsn: u64,
    segments_removed: u64,
    runs_removed: u64,
}

/// Runs `trim`.
///
/// # Errors
/// Whatever the log or standard output reports; an LSN beyond the last record is refused.
pub(crate) fn trim(args: &Trim, json: bool, out: &mut dyn Write) -> Result<(), Failure> {
    let failed = Failure::log(&args.dir);
    let (log, _) = open::alone(&args.dir)?;
    let (lsn, next) = (Lsn(args.before), log.stat().next);
    if lsn > next {
        // A slip of the hand must not remove everything.
        return Err(failed(Error::Absent { lsn, next }));
    }
    let runs = log.runs().len();
    let trimmed = log.trim(lsn).map_err(&failed)?;
    let dropped = runs.saturating_sub(log.runs().len()) as u64;
    if dropped > 0 {
        remove_runs(&log).map_err(&failed)?;
    }
    log.close().map_err(&failed)?;
    let shown = TrimmedTo {
        first_lsn: trimmed.before.get(),
        segments_removed: trimmed.segments,
        runs_removed: dropped,
    };
    if json {
        output::json(out, &shown)?;
    } else {
        let text = format!(
            "the first record kept is {}; {} and {} removed",
            shown.first_lsn,
            output::count(shown.segments_removed, "segment"),
            output::count(dropped, "run")
        );
        output::line(out, &text)?;
    }
    output::flush(out)
}

/// Does the archive's steps until what was trimmed is gone from the drives. What a drive refuses now, the next open
/// removes.
fn remove_runs(log: &Log) -> Result<(), Error> {
    loop {
        let progress = log.archive_step()?;
        if progress.reclaimed || !progress.worked {
            return Ok(());
        }
    }
}

/// A damaged copy, as `--json` shows it.
#[derive(Serialize)]
struct Bad {
    drive: u64,
    run: u64,
    offset: u64,
    why: String,
    outcome: &'static str,
}

/// A copy that was not looked at.
#[derive(Serialize)]
struct Skipped {
    drive: u64,
    run: u64,
    skipped: bool,
}

/// Records that no copy has whole.
#[derive(Serialize)]
struct Lost {
    first_lsn: u64,
    last_lsn: u64,
    code: &'static str,
    why: String,
}

/// What a scrub came to: the last line.
#[derive(Serialize)]
struct Scrubbed {
    verdict: &'static str,
    copies: u64,
    blocks: u64,
    bytes: u64,
    skipped: u64,
    damaged: u64,
    repaired: u64,
    gone: u64,
    lost: u64,
    readmitted: Vec<u64>,
    /// The drives that do not serve.
    out: Vec<Drive>,
}

/// Prints a damaged copy.
///
/// # Errors
/// Standard output fails.
pub(crate) fn tell_bad(bad: &BadCopy, json: bool, out: &mut dyn Write) -> Result<(), Failure> {
    let BadCopy { drive, run, offset, fault, outcome } = bad;
    let (name, word) = match outcome {
        CopyOutcome::Left => ("left", "BAD COPY"),
        CopyOutcome::Repaired => ("repaired", "REPAIRED"),
        CopyOutcome::Gone => ("gone", "GONE"),
    };
    if json {
        let shown = Bad {
            drive: drive.get(),
            run: run.get(),
            offset: *offset,
            why: fault.to_string(),
            outcome: name,
        };
        return output::json(out, &shown);
    }
    output::line(out, &format!("{word}  run {run} on drive {drive}, first at offset {offset}: {fault}"))
}

/// Prints a copy that could not be looked at.
///
/// # Errors
/// Standard output fails.
pub(crate) fn tell_skipped(drive: u64, run: u64, json: bool, out: &mut dyn Write) -> Result<(), Failure> {
    if json {
        return output::json(out, &Skipped { drive, run, skipped: true });
    }
    output::line(out, &format!("SKIPPED  run {run} on drive {drive}: it cannot be reached"))
}

/// Runs `scrub`.
///
/// # Errors
/// [`Failure::Violated`] when records are lost, [`Failure::Degraded`] when damage remains, [`Failure::Incomplete`] when
/// a copy was not looked at; whatever the log or standard output reports.
pub(crate) fn scrub(args: &Scrub, json: bool, out: &mut dyn Write) -> Result<(), Failure> {
    let failed = Failure::log(&args.dir);
    let (log, _) = open::with_options(&args.dir, |options| Options {
        background: false,
        archive_rate: args.rate.unwrap_or(options.archive_rate),
        ..options
    })?;
    let report = log.scrub(args.drive.map(DriveNo), args.readmit).map_err(&failed)?;
    let runs = log.runs();
    let drives = log.drives();
    log.close().map_err(&failed)?;
    for bad in &report.bad {
        tell_bad(bad, json, out)?;
    }
    for (drive, run) in &report.skipped {
        tell_skipped(drive.get(), run.get(), json, out)?;
    }
    for damage in &report.lost {
        tell_lost(damage.lsns, &damage.error, json, out)?;
    }
    let left = drives.iter().map(|state| Drive::new(state, &runs)).filter(|drive| !drive.serves());
    let shown = sum_up(&report, left.collect());
    if json {
        output::json(out, &shown)?;
    } else {
        print(&shown, out)?;
    }
    output::flush(out)?;
    conclude(&args.dir, &shown)
}

fn tell_lost(lsns: LsnRange, error: &Error, json: bool, out: &mut dyn Write) -> Result<(), Failure> {
    let (code, why) = (error.code(), error.to_string());
    if json {
        return output::json(
            out,
            &Lost { first_lsn: lsns.first.get(), last_lsn: lsns.last.get(), code, why },
        );
    }
    output::line(out, &format!("LOST  {code}: {why}"))
}

fn sum_up(report: &ScrubReport, out: Vec<Drive>) -> Scrubbed {
    let damaged = report.bad.len() as u64;
    let [repaired, gone, left] =
        [CopyOutcome::Repaired, CopyOutcome::Gone, CopyOutcome::Left].map(|outcome| report.count(outcome));
    let lost = report.lost.len() as u64;
    let skipped = report.skipped.len() as u64;
    let verdict = match (lost, left, skipped) {
        (0, 0, 0) => "whole",
        (0, 0, _) => "incomplete",
        (0, ..) => "degraded",
        _ => "violated",
    };
    Scrubbed {
        verdict,
        copies: report.copies,
        blocks: report.blocks,
        bytes: report.bytes,
        skipped,
        damaged,
        repaired,
        gone,
        lost,
        readmitted: report.readmitted.iter().map(|drive| drive.get()).collect(),
        out,
    }
}

fn print(shown: &Scrubbed, out: &mut dyn Write) -> Result<(), Failure> {
    let Scrubbed { blocks, bytes, skipped, damaged, repaired, gone, .. } = shown;
    for drive in &shown.readmitted {
        output::line(out, &format!("READMITTED  drive {drive} serves again"))?;
    }
    for drive in &shown.out {
        output::line(out, &format!("NOT SERVING  {}", drive.text()))?;
    }
    output::line(
        out,
        &format!(
            "examined {}, {} whole, {bytes} bytes; {skipped} skipped, {damaged} damaged, {repaired} repaired, {gone} gone",
            copies(shown.copies),
            output::count(*blocks, "block")
        ),
    )?;
    output::line(out, shown.verdict)
}

fn conclude(dir: &Path, shown: &Scrubbed) -> Result<(), Failure> {
    let dir = dir.to_owned();
    match shown.verdict {
        "whole" => Ok(()),
        "incomplete" => {
            let what = format!("{} could not be looked at", copies(shown.skipped));
            Err(Failure::Incomplete { path: dir, what })
        }
        "degraded" => {
            let what =
                format!("{} damaged, and not repaired", copies(shown.damaged - shown.repaired - shown.gone));
            Err(Failure::Degraded { dir, what })
        }
        _ => Err(Failure::Violated { dir, what: output::count(shown.lost, "damaged range") }),
    }
}

/// "1 copy", "2 copies".
pub(crate) fn copies(number: u64) -> String {
    if number == 1 { "1 copy".to_owned() } else { format!("{number} copies") }
}
