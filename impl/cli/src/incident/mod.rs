//! `truelog incident`: the report of an incident, from evidence alone.

mod evidence;
mod hypotheses;
mod reconcile;
mod report;
mod standing;
mod surroundings;
mod triage;

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde::Serialize;
use truelog::Inspection;

use crate::args::Incident;
use crate::audit;
use crate::audit::scan::Tally;
use crate::failure::Failure;
use crate::output;
use evidence::Evidence;

/// The report as `--json` shows it.
#[derive(Serialize)]
struct Shown<'a> {
    verdict: &'static str,
    #[serde(flatten)]
    tally: &'a Tally,
    /// The report, as Markdown.
    report: &'a str,
}

/// A report must not take the place of what it is about: a file that was given, whatever it is called, or one in the
/// directory or on a drive of the log.
fn is_no_evidence(out: &Path, evidence: &Evidence) -> Result<(), Failure> {
    let real = |path: &Path| std::fs::canonicalize(path).ok();
    let node = |path: &Path| std::fs::metadata(path).ok().map(|found| (found.dev(), found.ino()));
    let beside = out.parent().map(|dir| if dir == Path::new("") { Path::new(".") } else { dir });
    let place = real(out).or_else(|| beside.and_then(real));
    let drives = evidence.view().map(Inspection::drives).unwrap_or_default();
    let homes = drives.iter().map(|drive| drive.entry.path.as_path()).chain([evidence.dir.as_path()]);
    let mut homes = homes.filter_map(real);
    let given = evidence.logs.iter().chain(&evidence.patterns);
    let is_given = node(out).is_some_and(|out| given.filter_map(|path| node(path)).any(|path| path == out));
    let is_below = place.is_some_and(|place| homes.any(|home| place.starts_with(home)));
    // A link that leads nowhere yet may lead there.
    let is_link = std::fs::symlink_metadata(out).is_ok_and(|found| found.is_symlink()) && real(out).is_none();
    if is_given || is_below || is_link {
        let out = out.display();
        return Err(Failure::Usage(format!(
            "--out {out} is, or may be, part of the evidence: write the report elsewhere"
        )));
    }
    Ok(())
}

/// Writes the report. Nothing is written over but an earlier report: what else is there may be evidence by another name.
fn save(path: &Path, report: &str) -> Result<(), Failure> {
    let failed = |source| Failure::Written { path: path.to_owned(), source };
    match File::create_new(path) {
        Ok(mut file) => file.write_all(report.as_bytes()).map_err(|source| {
            // What is half a report is none, and would be in the way of the next.
            let _ = std::fs::remove_file(path);
            failed(source)
        }),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let mut begin = vec![0; report::HEADING.len()];
            // Whoever opens a pipe waits until somebody writes to it.
            let is_file = std::fs::metadata(path).is_ok_and(|found| found.is_file());
            let read = File::open(path).and_then(|mut file| file.read_exact(&mut begin));
            if !is_file || read.is_err() || begin != report::HEADING.as_bytes() {
                let out = path.display();
                return Err(Failure::Usage(format!(
                    "--out {out} is there, and is no incident report: write the report elsewhere"
                )));
            }
            std::fs::write(path, report).map_err(failed)
        }
        Err(error) => Err(failed(error)),
    }
}

/// Runs it.
///
/// # Errors
/// As `audit logs`, behind the report; [`Failure::Violated`] too where the claims hold and the log does not.
pub(crate) fn run(args: &Incident, json: bool, out: &mut dyn Write) -> Result<(), Failure> {
    let evidence = Evidence::gather(&args.logs)?;
    if let Some(path) = &args.out {
        is_no_evidence(path, &evidence)?;
    }
    let outcome = match audit::conclude(&args.logs, &evidence.scan.tally) {
        // The claims may hold while the log itself does not.
        Ok(()) if evidence.is_grave() => Err(Failure::Violated {
            dir: evidence.dir.clone(),
            what: "every claim holds, but the log's own lines or files tell of a failure: see the report"
                .to_owned(),
        }),
        outcome => outcome,
    };
    let verdict = audit::verdict(&outcome);
    let report = report::write(&evidence, verdict);
    match &args.out {
        Some(path) => save(path, &report)?,
        None if json => {}
        None => output::line(out, report.trim_end())?,
    }
    if json {
        output::json(out, &Shown { verdict, tally: &evidence.scan.tally, report: &report })?;
    }
    output::flush(out)?;
    outcome
}
