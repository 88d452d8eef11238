//! `truelog incident`: the report of an incident, from evidence alone.

mod evidence;
mod hypotheses;
mod reconcile;
mod report;
mod standing;
mod surroundings;
mod triage;

use std::io::Write;

use serde::Serialize;

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

/// Runs it.
///
/// # Errors
/// As `audit logs`, behind the report.
pub(crate) fn run(args: &Incident, json: bool, out: &mut dyn Write) -> Result<(), Failure> {
    let evidence = Evidence::gather(&args.logs)?;
    let outcome = audit::conclude(&args.logs, &evidence.scan.tally);
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
