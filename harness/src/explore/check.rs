//! The checks `crash` and `archive`: the pinned scopes, each exhausted.

use std::time::{Duration, Instant};

use super::roles::unlisted;
use super::{Explorer, Finding, Scope};
use crate::command::Plan;
use crate::progress::Progress;
use crate::report::Report;
use crate::subject::{Archived, Plain};

/// As many as the machine that the pinned scopes are meant for has cores.
pub(crate) const THREADS: usize = 2;

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

/// Explores scopes, one after the other, up to the first with a finding.
fn exhaust(scopes: &[Scope], report: &mut Report, progress: &Progress) {
    let total: usize = scopes.iter().map(|scope| size(scope, scope.depth)).sum();
    progress.expect(total as u64);
    let mut says = Vec::new();
    for scope in scopes {
        says.push(scope.says());
        report.note(scope.lists());
        progress.says(scope.name);
        explore::<Plain>(scope, 0..=scope.depth, report, &|| true, &|| progress.advance(1));
        if !report.findings.is_empty() {
            break;
        }
    }
    report.scope = says.join("; ");
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

fn size(scope: &Scope, depth: usize) -> usize {
    (0..=depth).map(|depth| scope.sequences(depth).len()).sum()
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
