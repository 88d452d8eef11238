//! The check `mechanism`: stateright exhausts the specification's named scopes, those of the prefetch included, and
//! decides the designs of FPRE004.

use truelog_spec::model::{Explored, explore, prefetch};
use truelog_spec::prefetch::{Design, scopes as slots};
use truelog_spec::{Invariant, Step, scopes};

use super::Plan;
use crate::progress::Progress;
use crate::report::Report;

const AGAIN: &str = "cargo verify --only mechanism";

/// Explores every scope to its end; `cargo test` does the same with less room in each.
pub(super) fn check(_: &Plan, progress: &Progress) -> Report {
    let (calls, actions) = (scopes::large(), slots::large());
    let says = format!(
        "{} scopes of the mechanism and {} of the prefetch, each exhausted",
        calls.len(),
        actions.len()
    );
    let mut report = Report::new("mechanism", says);
    progress.expect((calls.len() + actions.len() + 2) as u64);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    for scope in calls {
        progress.says(scope.name);
        holds(&mut report, &explore(&scope, threads));
        progress.advance(1);
    }
    for scope in actions {
        progress.says(scope.name);
        holds(&mut report, &prefetch::explore(&scope, Design::PACKED, threads));
        progress.advance(1);
    }
    for (name, design) in [("Historical", Design::HISTORICAL), ("Patched", Design::PATCHED)] {
        progress.says(name);
        breaks(&mut report, name, &prefetch::explore(&slots::two_flags(), design, threads));
        progress.advance(1);
    }
    report
}

/// A scope in which everything must hold.
fn holds(report: &mut Report, explored: &Explored) {
    count(report, explored);
    for (property, path) in &explored.violated {
        report.find(*property, format!("scope {}:\n{}", explored.scope, lines(path)), AGAIN);
    }
}

/// A design of the incident, which must break what it broke, and nothing else.
fn breaks(report: &mut Report, name: &str, explored: &Explored) {
    count(report, explored);
    match &explored.violated[..] {
        [(property, path)] if *property == Invariant::VerifySeesOneState.as_str() => {
            report.note(format!("{name}: FPRE004 in {} steps", path.len()));
        }
        other => {
            let broken: Vec<&str> = other.iter().map(|(property, _)| *property).collect();
            report.find("harness", format!("{name} does not break what it broke, but {broken:?}"), AGAIN);
        }
    }
}

fn count(report: &mut Report, explored: &Explored) {
    report.count("states", explored.unique as u64);
    report.count("transitions", explored.total as u64);
    report.count("properties held", explored.held.len() as u64);
    report.count("witnesses met", explored.met.len() as u64);
    report.note(format!(
        "{}: {} states, {} transitions, depth {}, {:.1} s",
        explored.scope,
        explored.unique,
        explored.total,
        explored.depth,
        explored.time.as_secs_f64()
    ));
    for mark in &explored.missed {
        report.find("harness", format!("scope {}: `{mark}` was never met", explored.scope), AGAIN);
    }
}

fn lines(path: &[Step]) -> String {
    path.iter().map(|step| format!("  {step}\n")).collect()
}
