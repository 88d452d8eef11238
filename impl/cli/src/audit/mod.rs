//! `truelog audit logs`: what the lines of an application's logs claim, held against the artifacts.

mod files;
pub(crate) mod halts;
pub(crate) mod history;
pub(crate) mod judge;
mod own;
mod patterns;
mod ranges;
pub(crate) mod scan;
pub(crate) mod source;
pub(crate) mod stage;
pub(crate) mod times;

use std::io::Write;
use std::path::PathBuf;

use serde::Serialize;

use crate::args::{Audit, AuditWhat, Logs};
use crate::failure::Failure;
use crate::output;
use judge::Lack;
use ranges::Unclaimed;
use scan::{Complaint, Scan, Tally};

/// A claim that does not simply hold, as `--json` shows it.
#[derive(Serialize)]
struct Shown<'a> {
    verdict: &'static str,
    /// `missing`, `short`, `damaged`, or `other`.
    #[serde(skip_serializing_if = "Option::is_none")]
    lack: Option<Lack>,
    log: String,
    line: u64,
    claim: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    artifact: Option<String>,
    why: &'a str,
}

/// What was read and found, as `--json` shows it: the last line.
#[derive(Serialize)]
struct Summary {
    verdict: &'static str,
    /// The log in the directory, if there is one.
    log: Option<String>,
    #[serde(flatten)]
    tally: Tally,
    /// `null` where it was not counted.
    unclaimed: Option<ShownUnclaimed>,
}

#[derive(Serialize)]
struct ShownUnclaimed {
    records: u64,
    ranges: u64,
    /// The first few.
    first: Vec<(u64, u64)>,
}

/// Runs it.
///
/// # Errors
/// [`Failure::FalseClaim`], [`Failure::Incomplete`], [`Failure::NoClaim`], and whatever the logs, the directory or standard output report.
pub(crate) fn run(args: &Audit, json: bool, out: &mut dyn Write) -> Result<(), Failure> {
    let AuditWhat::Logs(args) = &args.what;
    let scan = Scan::run(args, &mut |logs, complaint| tell(logs, complaint, json, out))?;
    let outcome = conclude(args, &scan.tally);
    let verdict = verdict(&outcome);
    let log = scan.judge.view().map(|view| view.log().to_string());
    let unclaimed = scan.unclaimed();
    if json {
        let unclaimed = unclaimed.as_ref().map(ShownUnclaimed::new);
        output::json(out, &Summary { verdict, log, tally: scan.tally, unclaimed })?;
    } else {
        let what = log.map_or_else(
            || format!("{}, which holds no log of truelog", args.dir.display()),
            |log| format!("log {log} in {}", args.dir.display()),
        );
        for line in [what, sums(&scan.tally), left(unclaimed.as_ref()), verdict.to_owned()] {
            output::line(out, &line)?;
        }
    }
    output::flush(out)?;
    outcome
}

fn tell(logs: &[PathBuf], complaint: &Complaint<'_>, json: bool, out: &mut dyn Write) -> Result<(), Failure> {
    let Complaint { at, claim, lack, why } = complaint;
    let verdict = complaint.verdict();
    if json {
        let log = logs.get(at.log).map_or_else(String::new, |log| log.display().to_string());
        let (claim, artifact) = (claim.text(), claim.artifact());
        return output::json(out, &Shown { verdict, lack: *lack, log, line: at.line, claim, artifact, why });
    }
    output::line(out, &format!("{}  {}  {}: {why}", verdict.to_uppercase(), at.text(logs), claim.text()))
}

/// In one word.
pub(crate) const fn verdict(outcome: &Result<(), Failure>) -> &'static str {
    match outcome {
        Ok(()) => "holds",
        Err(Failure::FalseClaim { .. } | Failure::Violated { .. }) => "violated",
        Err(_) => "incomplete",
    }
}

/// The failure that goes with what was found.
pub(crate) fn conclude(args: &Logs, tally: &Tally) -> Result<(), Failure> {
    if tally.violated > 0 {
        let what = format!("{} violated", output::count(tally.violated, "claim"));
        return Err(Failure::FalseClaim { dir: args.dir.clone(), what });
    }
    if tally.unverifiable > 0 {
        let what =
            format!("{} could not be held against anything", output::count(tally.unverifiable, "claim"));
        let path = args.logs.first().cloned().unwrap_or_default();
        return Err(Failure::Incomplete { path, what });
    }
    if tally.claims == 0 {
        return Err(Failure::NoClaim { logs: args.logs.clone(), lines: tally.lines });
    }
    Ok(())
}

pub(crate) fn sums(tally: &Tally) -> String {
    let Tally { verified, unvouched, by_name, trimmed, violated, unverifiable, .. } = tally;
    format!(
        "  {} in {}: {verified} verified, {unvouched} verified but unvouched, {by_name} by name and length only, \
         {trimmed} trimmed, {violated} violated, {unverifiable} unverifiable; {} torn",
        output::count(tally.claims, "claim"),
        output::count(tally.lines, "line"),
        output::count(tally.torn, "line"),
    )
}

pub(crate) fn left(unclaimed: Option<&Unclaimed>) -> String {
    let Some(Unclaimed { records, ranges, first }) = unclaimed else {
        return "  durable but unclaimed: not counted".to_owned();
    };
    let mut text = format!("  durable but unclaimed: {}", output::count(*records, "record"));
    if *ranges > 0 {
        let named: Vec<_> = first.iter().map(ToString::to_string).collect();
        let more = if *ranges > first.len() as u64 { ", ..." } else { "" };
        text += &format!(" in {}: {}{more}", output::count(*ranges, "range"), named.join(", "));
    }
    text
}

impl ShownUnclaimed {
    fn new(unclaimed: &Unclaimed) -> Self {
        let first = unclaimed.first.iter().map(|range| (range.first.get(), range.last.get())).collect();
        Self { records: unclaimed.records, ranges: unclaimed.ranges, first }
    }
}
