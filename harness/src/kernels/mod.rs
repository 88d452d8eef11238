//! The engine's small concurrent kernels under loom: every interleaving, and every value that a weak memory
//! model lets a load return, within a stated bound on preemptions.
//!
//! Loom aborts the process when it finds something, so each scenario runs in a child process: the verifier's
//! own binary with the hidden subcommand `kernel NAME`. The canaries are kernels that are wrong on purpose;
//! they must be found, and for the stated reason.

mod canaries;
mod commit;
mod scenarios;
mod slot;
mod slot_canaries;

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use truelog_spec::Invariant;

pub use scenarios::SCENARIOS;

use crate::command::Plan;
use crate::progress::Progress;
use crate::report::Report;

/// A small concurrent program over one kernel.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    /// Its name.
    pub name: &'static str,
    /// What it shows, in a line.
    pub says: &'static str,
    /// How often a thread may be interrupted although it could go on. `None`: as often as there is a point.
    pub preemptions: Option<usize>,
    /// What is broken if it fails.
    pub invariant: Invariant,
    /// For a canary, what loom must say.
    pub must_fail: Option<&'static str>,
    /// The program.
    body: fn(),
}

impl Scenario {
    /// The scenario of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        SCENARIOS.iter().find(|scenario| scenario.name == name)
    }

    /// Explores it here, and says how many executions that took. Loom panics or aborts on a failure, so call
    /// it in a process of its own.
    #[must_use]
    pub fn explore(&self) -> u64 {
        assert_eq!(truelog_under_loom::sync::runtime_name(), "loom", "the mount is not loom's");
        let executions = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&executions);
        // Every bound is set here: loom would otherwise take it from the process's environment.
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = self.preemptions;
        builder.max_branches = 20_000;
        builder.max_permutations = None;
        builder.max_duration = None;
        builder.checkpoint_file = None;
        builder.log = false;
        builder.location = false;
        let body = self.body;
        builder.check(move || {
            counted.fetch_add(1, Ordering::Relaxed);
            body();
        });
        executions.load(Ordering::Relaxed)
    }

    /// Runs it in a child process of `verifier`, the verifier's binary, and judges how that ended.
    ///
    /// # Errors
    /// What is wrong: a failure of the kernel, a canary that was not found, a child that did not run.
    pub fn judge(&self, verifier: &Path) -> Result<Explored, String> {
        let output = Command::new(verifier)
            .args(["kernel", self.name])
            .output()
            .map_err(|error| format!("{}: cannot start {}: {error}", self.name, verifier.display()))?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let told = String::from_utf8_lossy(&output.stdout);
        match (self.must_fail, output.status.success()) {
            (None, true) => {
                let executions = told.trim().parse().ok().filter(|count| *count > 1);
                let executions =
                    executions.ok_or_else(|| format!("{}: explored nothing: {told:?}", self.name))?;
                Ok(Explored::Holds { executions })
            }
            (None, false) => Err(format!("{} ({}): {}", self.name, self.says, said.trim())),
            (Some(_), true) => {
                Err(format!("{}: the canary lives; loom does not see what it must", self.name))
            }
            (Some(reason), false) if said.contains(reason) => Ok(Explored::CanaryFound),
            (Some(reason), false) => {
                Err(format!("{}: found for another reason than {reason:?}: {}", self.name, said.trim()))
            }
        }
    }
}

/// How a scenario ended that ended well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Explored {
    /// Nothing is wrong in any of so many executions.
    Holds {
        /// How many.
        executions: u64,
    },
    /// The canary was found.
    CanaryFound,
}

/// The check `loom`.
#[must_use]
pub fn check(_: &Plan, progress: &Progress) -> Report {
    let scope = "group commit's kernel and the prefetch slot's word, 3 threads, every interleaving and every weak load, \
                 at most 3 or 4 preemptions where a scenario says so";
    let mut report = Report::new("loom", scope);
    match std::env::current_exe() {
        Ok(verifier) => all(&verifier, &mut report, progress),
        Err(error) => report.environment(format!("where is the verifier's binary? {error}")),
    }
    report
}

/// Runs every scenario in children of `verifier`, two at a time.
pub fn all(verifier: &Path, report: &mut Report, progress: &Progress) {
    progress.expect(SCENARIOS.len() as u64);
    let next = AtomicU64::new(0);
    let results = std::sync::Mutex::new(Vec::new());
    let lane = || {
        while let Some(scenario) = SCENARIOS.get(next.fetch_add(1, Ordering::Relaxed) as usize) {
            let result = scenario.judge(verifier);
            results.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((scenario, result));
            progress.advance(1);
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(lane);
        lane();
    });
    let mut results = results.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    results.sort_by_key(|(scenario, _)| scenario.name);
    for (scenario, result) in results {
        match result {
            Ok(Explored::Holds { executions }) => {
                report.count("scenarios", 1);
                report.count("executions", executions);
                let bound =
                    scenario.preemptions.map_or("unbounded".to_owned(), |bound| format!("at most {bound}"));
                report.note(format!("{}: {executions} executions, preemptions {bound}", scenario.name));
            }
            Ok(Explored::CanaryFound) => report.count("canaries found", 1),
            Err(says) => {
                let canary = scenario.must_fail.is_some();
                let invariant = if canary { "harness" } else { scenario.invariant.as_str() };
                report.find(invariant, says, format!("cargo verify kernel {}", scenario.name));
            }
        }
    }
}
