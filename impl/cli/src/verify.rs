//! `truelog verify`: every checksum and link of the log, and receipts.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;

use serde::Serialize;

use crate::args::Verify;
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
    damaged: u64,
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
    if let Some(path) = &args.receipts {
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
    let losses = open::readable(dir)?.losses().to_vec();
    let report = truelog::verify_dir(dir).map_err(Failure::log(dir))?;
    for damage in &report.damage {
        let shown = Damaged {
            verdict: "damaged",
            first_lsn: damage.lsns.first.get(),
            last_lsn: damage.lsns.last.get(),
            code: damage.error.code(),
            why: damage.error.to_string(),
        };
        if json {
            output::json(out, &shown)?;
        } else {
            output::line(out, &format!("DAMAGED  {}: {}", shown.code, shown.why))?;
        }
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
        damaged: report.damage.len() as u64,
        lost: losses.iter().map(|loss| loss.len()).sum(),
        receipts: None,
    })
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
    let checked = if summary.damaged == 0 {
        "every checksum, link and manifest edit was checked"
    } else {
        "this is what can be read beside the damage"
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
