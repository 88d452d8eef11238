//! The check `mechanism`: stateright exhausts the specification's named scopes.

use truelog_spec::scopes;
use truelog_spec::{Step, model};

use super::Plan;
use crate::progress::Progress;
use crate::report::Report;

/// Explores every scope to its end; `cargo test` does the same with less room in each.
pub(super) fn check(_: &Plan, progress: &Progress) -> Report {
    let scopes = scopes::large();
    let mut report =
        Report::new("mechanism", format!("{} scopes of the mechanism, each exhausted", scopes.len()));
    progress.expect(scopes.len() as u64);
    for scope in scopes {
        progress.says(scope.name);
        let explored = model::explore(&scope, std::thread::available_parallelism().map_or(1, usize::from));
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
        let again = "cargo verify --only mechanism";
        for (property, path) in &explored.violated {
            report.find(*property, format!("scope {}:\n{}", explored.scope, lines(path)), again);
        }
        for mark in &explored.missed {
            report.find("harness", format!("scope {}: `{mark}` was never met", explored.scope), again);
        }
        progress.advance(1);
    }
    report
}

fn lines(path: &[Step]) -> String {
    path.iter().map(|step| format!("  {step}\n")).collect()
}
