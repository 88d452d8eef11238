//! `truelog incident`: the report of an incident, from evidence alone.

mod evidence;
mod hypotheses;
mod reconcile;
mod report;
mod standing;
mod surroundings;
mod triage;

use std::io::Write;
use std::path::Path;

use serde::Serialize;

use crate::args::{Incident, Logs};
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

/// A report must not take the place of what it is about.
fn is_no_evidence(out: &Path, logs: &Logs) -> Result<(), Failure> {
    let real = |path: &Path| std::fs::canonicalize(path).ok();
    let there = real(out);
    let beside = out.parent().map(|dir| if dir == Path::new("") { Path::new(".") } else { dir });
    let (dir, place) = (real(&logs.dir), there.clone().or_else(|| beside.and_then(real)));
    let given = logs.logs.iter().chain(&logs.patterns);
    let is_given = there.is_some() && given.map(|path| real(path)).any(|path| path == there);
    let is_below = dir.zip(place).is_some_and(|(dir, place)| place.starts_with(dir));
    if is_given || is_below {
        let out = out.display();
        return Err(Failure::Usage(format!(
            "--out {out} is part of the evidence: write the report elsewhere"
        )));
    }
    Ok(())
}

/// Runs it.
///
/// # Errors
/// As `audit logs`, behind the report; [`Failure::Violated`] too where the claims hold and the log does not.
pub(crate) fn run(args: &Incident, json: bool, out: &mut dyn Write) -> Result<(), Failure> {
    if let Some(path) = &args.out {
        is_no_evidence(path, &args.logs)?;
    }
    let evidence = Evidence::gather(&args.logs)?;
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
        Some(path) => {
            std::fs::write(path, &report).map_err(|source| Failure::Written { path: path.clone(), source })?
        }
        None if json => {}
        None => output::line(out, report.trim_end())?,
    }
    if json {
        output::json(out, &Shown { verdict, tally: &evidence.scan.tally, report: &report })?;
    }
    output::flush(out)?;
    outcome
}
