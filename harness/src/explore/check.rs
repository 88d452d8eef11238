//! The checks `crash` and `archive`: the pinned scopes, each exhausted.

use std::cmp::Reverse;
use std::time::{Duration, Instant};

use super::roles::unlisted;
use super::{Explorer, Finding, Letter, Scope, pinned};
use crate::command::Plan;
use crate::progress::Progress;
use crate::report::Report;
use crate::share::{THREADS, share};
use crate::subject::{Archived, Plain};

/// Explores every pinned scope; with `--deep` the alphabet of everything, deeper and deeper until time ends.
#[must_use]
pub fn check(plan: &Plan, progress: &Progress) -> Report {
    let mut report = Report::new("crash", "");
    exhaust(Scope::PINNED, &mut report, progress);
    if plan.deep && report.findings.is_empty() {
        let deeper = deepen(plan, progress, &mut report);
        report.scope = format!("{}; {deeper}", report.scope);
    }
    report
}

/// Explores every pinned scope of the archive.
#[must_use]
pub fn check_archive(_: &Plan, progress: &Progress) -> Report {
    let mut report = Report::new("archive", "");
    exhaust(Scope::ARCHIVE, &mut report, progress);
    if report.explored.iter().all(|count| count.what != "of them with runs") {
        report.incomplete("nothing was archived");
    }
    report
}

/// Explores scopes wholly, up to the first with a finding.
fn exhaust(scopes: &'static [Scope], report: &mut Report, progress: &Progress) {
    let explorers: Vec<Explorer<'_>> = scopes.iter().map(Explorer::new).collect();
    let mut work: Vec<_> = explorers.iter().enumerate().flat_map(sequences).collect();
    // With several crashes one sequence is most of a scope. It is begun early, so that no thread is left alone with it;
    // but most of what is broken shows in the first scope.
    work.sort_by_key(|(scope, ..)| (*scope > 0, Reverse(scopes[*scope].crashes)));
    progress.expect(work.len() as u64);
    share(&work, |(scope, at, letters)| {
        progress.says(scopes[*scope].name);
        if explorers[..*scope].iter().all(|before| before.finding().is_none()) {
            explorers[*scope].visit::<Plain>(*at, letters);
        }
        progress.advance(1);
    });
    let mut says = Vec::new();
    for explorer in &explorers {
        says.push(explorer.scope.says());
        report.note(explorer.scope.lists());
        note(explorer, report);
        conclude(explorer, report, explorer.finding());
        if !report.findings.is_empty() {
            break;
        }
        pinned::hold(explorer, report);
    }
    report.scope = says.join("; ");
}

/// The sequences of a scope, each with the scope's number and its own.
fn sequences<'a>(
    (number, explorer): (usize, &Explorer<'a>),
) -> impl Iterator<Item = (usize, usize, Vec<Letter>)> + use<'a> {
    let scope = explorer.scope;
    let all = (0..=scope.depth).flat_map(|depth| scope.sequences(depth));
    all.enumerate().map(move |(at, letters)| (number, at, letters))
}

/// Explores one scope into a report. Whether it was exhausted.
pub fn explore<S: Archived>(
    scope: &Scope,
    depths: std::ops::RangeInclusive<usize>,
    report: &mut Report,
    wanted: &(dyn Fn() -> bool + Sync),
    done: &(dyn Fn() + Sync),
) -> bool {
    let explorer = Explorer::new(scope);
    let began = Instant::now();
    let whole = explorer.run::<S>(depths, THREADS, wanted, done);
    report.note(format!("{}: {:.1} s", scope.name, began.elapsed().as_secs_f64()));
    note(&explorer, report);
    conclude(&explorer, report, explorer.finding());
    whole
}

/// What an exploration counted, in a line.
pub(super) fn note(explorer: &Explorer<'_>, report: &mut Report) {
    let counts = explorer.counts();
    report.note(format!(
        "{}: {} sequences, {} of {} crash points whole, {} images, {} recoveries, {} pairs",
        explorer.scope.name,
        counts.sequences.get(),
        counts.whole.get(),
        counts.points.get(),
        counts.images.get(),
        counts.recoveries.get(),
        counts.pairs.get(),
    ));
}

/// What an exploration counted, and what was found.
pub(super) fn conclude(explorer: &Explorer<'_>, report: &mut Report, finding: Option<Finding>) {
    explorer.counts().report(report);
    for part in unlisted(&explorer.duties()) {
        report.incomplete(format!("a sync plays the part `{part}`, which `roles` does not judge"));
    }
    if let Some(finding) = finding {
        let replay = format!("cargo verify case \"{}\"", finding.case);
        report.find(finding.violation.invariant.as_str(), finding.violation.detail, replay);
    }
}

/// Deepens the first pinned scope until time ends; says which depth was exhausted.
fn deepen(plan: &Plan, progress: &Progress, report: &mut Report) -> String {
    let until = Instant::now() + Duration::from_secs(plan.seconds);
    let scope = &Scope::PINNED[0];
    let mut depth = scope.depth;
    while Instant::now() < until {
        let next = depth + 1;
        progress.says(format!("{} at depth {next}", scope.name));
        let whole =
            explore::<Plain>(scope, next..=next, report, &|| Instant::now() < until, &|| progress.advance(1));
        if !whole || !report.findings.is_empty() {
            break;
        }
        depth = next;
    }
    format!("{} deepened: depth {depth} exhausted", scope.name)
}
