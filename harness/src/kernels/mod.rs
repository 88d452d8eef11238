//! The engine's small concurrent kernels under loom: every interleaving, and every value that a weak memory
//! model lets a load return, within a stated bound on preemptions.
//!
//! Loom aborts the process when it finds something, so each scenario runs in a child process: the verifier's
//! own binary with the hidden subcommand `kernel NAME`. The canaries are kernels that are wrong on purpose;
//! they must be found, and for the stated reason.

mod canaries;
mod commit;

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

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
    /// For a canary, what loom must say.
    pub must_fail: Option<&'static str>,
    /// The program.
    body: fn(),
}

/// All scenarios, canaries last.
pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "hand-over",
        says: "two writers and a third, one leads, each is told exactly once, no commit overlaps another",
        preemptions: Some(3),
        must_fail: None,
        body: commit::hand_over,
    },
    Scenario {
        name: "publication",
        says: "who reads the watermark without the lock may read what it covers",
        preemptions: None,
        must_fail: None,
        body: commit::publication,
    },
    Scenario {
        name: "wake-up",
        says: "a watcher that never leads is woken by the commit that it waits for",
        preemptions: None,
        must_fail: None,
        body: commit::wake_up,
    },
    Scenario {
        name: "back-pressure",
        says: "writers that wait for room get it when the front is taken",
        preemptions: Some(3),
        must_fail: None,
        body: commit::back_pressure,
    },
    Scenario {
        name: "failure",
        says: "a failed commit fails everybody above the watermark, nobody below it, and for good",
        preemptions: Some(3),
        must_fail: None,
        body: commit::failure,
    },
    Scenario {
        name: "poisoned-from-outside",
        says: "a failure elsewhere while a commit is in flight: both writers are told, none is acknowledged after it",
        preemptions: Some(3),
        must_fail: None,
        body: commit::poisoned_from_outside,
    },
    Scenario {
        name: "worker",
        says: "a worker that leads once beside a writer",
        preemptions: None,
        must_fail: None,
        body: commit::worker,
    },
    Scenario {
        name: "canary-relaxed-watermark",
        says: "a watermark published without ordering: the reader sees it before what it covers",
        preemptions: None,
        must_fail: Some("Causality violation"),
        body: canaries::relaxed_watermark,
    },
    Scenario {
        name: "canary-lost-wake-up",
        says: "a waiter that looks before it locks sleeps through its wake-up",
        preemptions: None,
        must_fail: Some("deadlock"),
        body: canaries::lost_wake_up,
    },
    Scenario {
        name: "canary-two-leaders",
        says: "leadership taken by look and set, not by possession: two commits overlap",
        preemptions: None,
        must_fail: Some("two commits in flight"),
        body: canaries::two_leaders,
    },
];

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
    let scope = "group commit's kernel, 3 threads, every interleaving and every weak load, \
                 at most 3 preemptions where a scenario says so";
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
                let invariant = if scenario.must_fail.is_some() { "harness" } else { "append-resolves" };
                report.find(invariant, says, format!("cargo verify kernel {}", scenario.name));
            }
        }
    }
}
