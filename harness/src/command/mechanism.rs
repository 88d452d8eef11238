//! The check `mechanism`: stateright exhausts the specification's named scopes, those of the prefetch included, and
//! decides the designs of FPRE004.

use truelog_spec::model::{Explored, explore, prefetch};
use truelog_spec::prefetch::{Design, scopes as slots};
use truelog_spec::{Invariant, Step, scopes};

use super::Plan;
use crate::progress::Progress;
use crate::report::Report;
use crate::share::{THREADS, share};

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
    // One thread a scope: the threads of one scope wait for each other, two scopes do not. The largest comes before the
    // small ones, so that no thread is left alone with it.
    let mut work: Vec<Box<dyn Fn() -> Explored + Sync>> = Vec::new();
    for scope in actions.into_iter().rev() {
        work.push(Box::new(move || prefetch::explore(&scope, Design::PACKED, 1)));
    }
    for scope in calls.into_iter().rev() {
        work.push(Box::new(move || explore(&scope, 1)));
    }
    let explored = share(&work, |explore| {
        let explored = explore();
        progress.says(explored.scope);
        progress.advance(1);
        explored
    });
    explored.iter().for_each(|explored| holds(&mut report, explored));
    for (name, design) in [("Historical", Design::HISTORICAL), ("Patched", Design::PATCHED)] {
        progress.says(name);
        breaks(&mut report, name, &prefetch::explore(&slots::two_flags(), design, THREADS));
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
