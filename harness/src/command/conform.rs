//! The check `conformance`: the simulated disk answers as the real file system does.

use super::Plan;
use crate::conformance::{OPERATIONS, check_sim};
use crate::progress::Progress;
use crate::report::Report;

/// Sequences of calls that are compared.
const SEQUENCES: u32 = 1_000;

/// Runs random sequences on both, in a temporary directory.
pub(super) fn check(plan: &Plan, progress: &Progress) -> Report {
    let seed = plan.seed();
    let mut report =
        Report::new("conformance", format!("{} operations, no crash, seed {seed}", OPERATIONS.len()));
    let dir = match tempfile::tempdir() {
        Ok(dir) => dir,
        Err(error) => {
            report.environment(format!("no temporary directory: {error}"));
            return report;
        }
    };
    progress.says("against the real file system");
    match check_sim(&*truelog::os::native().fs, dir.path(), seed, SEQUENCES) {
        Ok(tally) => {
            report.count("sequences", tally.sequences);
            report.count("calls", tally.calls);
            let (done, failed) = tally.by_op.values().fold((0, 0), |sum, op| (sum.0 + op.0, sum.1 + op.1));
            report.count("answers alike", done + failed);
            report.note(format!("{failed} of these answers are failures, alike on both"));
            for op in OPERATIONS.iter().filter(|op| tally.by_op.get(**op).is_none_or(|(done, _)| *done == 0))
            {
                report.incomplete(format!("no `{op}` ever succeeded"));
            }
        }
        Err(disagreement) => {
            report.count("disagreements", 1);
            let again = format!("cargo verify --only conformance --seed {seed}");
            report.find("harness", format!("the simulated disk is not the real one: {disagreement}"), again);
        }
    }
    report
}
