//! The check: every fuzz target on what is checked in, and on that with bytes changed.

use super::hunt::{Broken, checked_in, hunt, tried};
use super::{TARGETS, Target};
use crate::caught::HARNESS;
use crate::command::Plan;
use crate::progress::Progress;
use crate::report::Report;

/// Changed inputs of each target. Campaigns run as many as there is time for.
const CHANGED: u64 = 300;

/// The check: all targets, until the first input that breaks a promise.
#[must_use]
pub fn check(plan: &Plan, progress: &Progress) -> Report {
    let seed = plan.seed();
    let scope = format!(
        "{} targets, each on its seeds and regressions and on {CHANGED} made from them or from nothing, seed {seed}",
        TARGETS.len()
    );
    let mut report = Report::new("fuzz", scope);
    progress.expect(TARGETS.len() as u64);
    for target in TARGETS {
        progress.says(target.name);
        match checked_in(target) {
            Ok(inputs) => run(target, &inputs, seed, &mut report),
            Err(says) => report.find(HARNESS, says, "cargo verify --only fuzz"),
        }
        progress.advance(1);
        if !report.findings.is_empty() {
            break;
        }
    }
    report
}

/// Nothing is made from inputs that break a promise already.
fn run(target: &'static Target, inputs: &[Vec<u8>], seed: u64, report: &mut Report) {
    report.count("targets", 1);
    report.count("checked-in inputs", inputs.len() as u64);
    let broken = inputs.iter().find_map(|input| tried(target, input)).or_else(|| {
        let (runs, broken) = hunt(target, inputs, seed, CHANGED);
        report.count("changed inputs", runs);
        broken
    });
    if let Some(Broken { input, panicked }) = broken {
        let says = format!("the target {}: {}", target.name, panicked.line());
        report.find(panicked.breaks(), says, input.replay());
    }
}

#[cfg(test)]
mod tests {
    use super::super::hunt::CANARY;
    use super::*;

    #[test]
    fn a_target_that_breaks_a_promise_is_a_finding_with_its_input() {
        let mut report = Report::new("fuzz", "");
        run(&CANARY, &[vec![1, 7]], 1, &mut report);
        let finding = &report.findings[0];
        assert_eq!(
            (finding.invariant.as_str(), finding.replay.as_str()),
            ("read-never-stale", "cargo verify input canary 07")
        );
        // What is checked in holds, and what is made from it does not.
        let mut report = Report::new("fuzz", "");
        run(&CANARY, &[vec![6]], 1, &mut report);
        assert_eq!(report.findings.len(), 1, "{report:?}");
        assert!(report.explored.iter().any(|count| count.what == "changed inputs" && count.n > 0));
    }
}
