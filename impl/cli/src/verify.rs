//! `truelog verify`: every checksum and link of the log, and receipts.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;

use serde::Serialize;
use truelog::{Damage, Error};

use crate::archive;
use crate::args::Verify;
use crate::drives::Orphan;
use crate::failure::Failure;
use crate::open;
use crate::output;
use crate::receipts::{self, Complaint, Tally};

/// Bytes read from a receipts file at a time.
const BUFFER: usize = 1 << 20;

/// What was looked at and found, as `--json` shows it: the last line.
#[derive(Serialize)]
struct Summary {
    verdict: &'static str,
    log: String,
    first_lsn: u64,
    next_lsn: u64,
    segments: u64,
    batches: u64,
    records: u64,
    payload_bytes: u64,
    unvouched: u64,
    runs: u64,
    /// Copies of runs that were read.
    copies: u64,
    /// Copies that are damaged, though every record may be whole in another.
    bad_copies: u64,
    /// Copies whose drive cannot be reached.
    unreachable: u64,
    /// Files on drives that are no part of the log.
    orphans: u64,
    damaged: u64,
    /// Ranges of a segment that a call of the file system kept from being read.
    unread: u64,
    /// The first records that could not be read, though nothing says that they are lost.
    #[serde(skip)]
    away: Option<Failure>,
    lost: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    receipts: Option<Tally>,
}

/// Damage, as `--json` shows it.
#[derive(Serialize)]
struct Damaged {
    verdict: &'static str,
    first_lsn: u64,
    last_lsn: u64,
    code: &'static str,
    why: String,
}

/// Runs it.
///
/// # Errors
/// [`Failure::Violated`] for damage or violated receipts, [`Failure::Incomplete`] when something could not be
/// looked at, and whatever the log, the receipts file or standard output report.
pub(crate) fn run(args: &Verify, json: bool, out: &mut dyn Write) -> Result<(), Failure> {
    let mut summary = check_log(&args.dir, json, out)?;
    // Without the drives, or with a segment unread, nothing is known of the receipts.
    if let Some(path) = args.receipts.as_ref().filter(|_| summary.away.is_none()) {
        summary.receipts = Some(check_receipts(&args.dir, path, json, out)?);
    }
    let outcome = conclude(args, &mut summary);
    if json {
        output::json(out, &summary)?;
    } else {
        print(&summary, out)?;
    }
    output::flush(out)?;
    outcome
}

/// Reads everything that is kept.
fn check_log(dir: &Path, json: bool, out: &mut dyn Write) -> Result<Summary, Failure> {
    let view = open::readable(dir)?;
    let (losses, runs) = (view.losses().to_vec(), view.runs().len() as u64);
    drop(view);
    let report = truelog::verify_dir(dir).map_err(Failure::log(dir))?;
    let is_away = |damage: &Damage| matches!(damage.error, Error::Unavailable { .. });
    for damage in &report.damage {
        let verdict = if is_away(damage) { "unavailable" } else { "damaged" };
        tell(verdict, damage, damage.error.to_string(), json, out)?;
    }
    for unread in &report.unread {
        tell("unread", unread, unread_failure(dir, unread).to_string(), json, out)?;
    }
    for bad in &report.bad_copies {
        archive::tell_bad(bad, json, out)?;
    }
    for (drive, run) in &report.unreachable {
        archive::tell_skipped(drive.get(), run.get(), json, out)?;
    }
    for orphan in &report.orphans {
        Orphan::new(orphan).tell(json, out)?;
    }
    Ok(Summary {
        verdict: "holds",
        log: report.log.to_string(),
        first_lsn: report.first.get(),
        next_lsn: report.next.get(),
        segments: report.segments,
        batches: report.batches,
        records: report.records,
        payload_bytes: report.payload_bytes,
        unvouched: report.unvouched,
        runs,
        copies: report.copies,
        bad_copies: report.bad_copies.len() as u64,
        unreachable: report.unreachable.len() as u64,
        orphans: report.orphans.len() as u64,
        damaged: report.damage.iter().filter(|damage| !is_away(damage)).count() as u64,
        unread: report.unread.len() as u64,
        away: first_away(dir, &report.damage, &report.unread),
        lost: losses.iter().map(|loss| loss.len()).sum(),
        receipts: None,
    })
}

fn unread_failure(dir: &Path, unread: &Damage) -> Failure {
    Failure::Unread { path: dir.to_owned(), lsns: unread.lsns, source: unread.error.clone() }
}

/// The first records that could not be read, though nothing says that they are lost.
fn first_away(dir: &Path, damage: &[Damage], unread: &[Damage]) -> Option<Failure> {
    let away = damage.iter().find(|damage| matches!(damage.error, Error::Unavailable { .. }));
    away.map(|damage| Failure::log(dir)(damage.error.clone()))
        .or_else(|| unread.first().map(|unread| unread_failure(dir, unread)))
}

fn tell(
    verdict: &'static str,
    damage: &Damage,
    why: String,
    json: bool,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let Damage { lsns, error } = damage;
    let code = error.code();
    if !json {
        return output::line(out, &format!("{}  {code}: {why}", verdict.to_uppercase()));
    }
    output::json(out, &Damaged { verdict, first_lsn: lsns.first.get(), last_lsn: lsns.last.get(), code, why })
}

fn check_receipts(dir: &Path, path: &Path, json: bool, out: &mut dyn Write) -> Result<Tally, Failure> {
    let mut input: Box<dyn BufRead> = if path == Path::new("-") {
        Box::new(BufReader::with_capacity(BUFFER, io::stdin().lock()))
    } else {
        let file = File::open(path).map_err(|source| Failure::File { path: path.to_owned(), source })?;
        Box::new(BufReader::with_capacity(BUFFER, file))
    };
    receipts::check(dir, path, &mut input, &mut |complaint: &Complaint| {
        if json {
            return output::json(out, complaint);
        }
        let lsn = complaint.lsn.map_or(String::new(), |lsn| format!(" LSN {lsn}"));
        let verdict = complaint.verdict.to_uppercase();
        output::line(out, &format!("{verdict}  receipt line {}{lsn}: {}", complaint.line, complaint.why))
    })
}

/// The verdict, and the failure that goes with it.
fn conclude(args: &Verify, summary: &mut Summary) -> Result<(), Failure> {
    let (violated, skipped) =
        summary.receipts.as_ref().map_or((0, 0), |tally| (tally.violated, tally.foreign + tally.other_log));
    if summary.damaged > 0 || violated > 0 {
        summary.verdict = "violated";
        let mut parts = Vec::new();
        if summary.damaged > 0 {
            parts.push(output::count(summary.damaged, "damaged range"));
        }
        if violated > 0 {
            parts.push(output::count(violated, "violated receipt"));
        }
        return Err(Failure::Violated { dir: args.dir.clone(), what: parts.join(" and ") });
    }
    if let Some(away) = summary.away.take() {
        summary.verdict = "unavailable";
        return Err(away);
    }
    if summary.bad_copies > 0 {
        summary.verdict = "degraded";
        let what =
            format!("{} in the archive damaged; no record is lost", archive::copies(summary.bad_copies));
        return Err(Failure::Degraded { dir: args.dir.clone(), what });
    }
    if summary.unreachable > 0 {
        summary.verdict = "incomplete";
        let what = format!("{} in the archive could not be reached", archive::copies(summary.unreachable));
        return Err(Failure::Incomplete { path: args.dir.clone(), what });
    }
    if skipped > 0 {
        summary.verdict = "incomplete";
        let path = args.receipts.clone().unwrap_or_default();
        let what = format!("{} could not be verified", output::count(skipped, "line"));
        return Err(Failure::Incomplete { path, what });
    }
    if summary.receipts.as_ref().is_some_and(|tally| tally.receipts() == 0) {
        summary.verdict = "incomplete";
        let path = args.receipts.clone().unwrap_or_default();
        return Err(Failure::Incomplete {
            path,
            what: "no receipt was given, so none was verified".to_owned(),
        });
    }
    Ok(())
}

/// The summary in words.
fn print(summary: &Summary, out: &mut dyn Write) -> Result<(), Failure> {
    let Summary { log, records, payload_bytes, segments, batches, unvouched, first_lsn, next_lsn, .. } =
        summary;
    let checked = match (summary.damaged, summary.unread) {
        (0, 0) => "every checksum, link and manifest edit was checked",
        (0, _) => "this is what can be read",
        _ => "this is what can be read beside the damage",
    };
    output::line(out, &format!("log {log}"))?;
    output::line(
        out,
        &format!(
            "  {} in {} of {}, LSNs from {first_lsn} to before {next_lsn}, {payload_bytes} payload bytes: {checked}",
            output::count(*records, "record"),
            output::batches(*batches),
            output::count(*segments, "segment"),
        ),
    )?;
    if summary.runs > 0 {
        let text = format!(
            "  {} in the archive, every block of {} read: {} damaged, {} out of reach",
            output::count(summary.runs, "run"),
            archive::copies(summary.copies),
            summary.bad_copies,
            summary.unreachable
        );
        output::line(out, &text)?;
    }
    if *unvouched > 0 {
        let text = format!(
            "  {} valid, but nothing durable vouches for them yet",
            output::count(*unvouched, "record")
        );
        output::line(out, &text)?;
    }
    if summary.lost > 0 {
        output::line(out, &format!("  {} given up by accept-loss", output::count(summary.lost, "record")))?;
    }
    if let Some(tally) = &summary.receipts {
        output::line(
            out,
            &format!(
                "  {}: {} verified, {} verified but unvouched, {} trimmed, {} violated, {} of another log; {} torn, {} \
                 no receipts",
                output::count(tally.receipts(), "receipt"),
                tally.verified,
                tally.unvouched,
                tally.trimmed,
                tally.violated,
                tally.other_log,
                output::count(tally.torn, "line"),
                output::count(tally.foreign, "line")
            ),
        )?;
    }
    output::line(out, summary.verdict)
}
