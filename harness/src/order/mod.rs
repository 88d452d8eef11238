//! The order check: what the production code does to the disk is a path of the specification's mechanism.
//!
//! A run is a list of what was seen: calls with their two edges, claims of durability, acknowledgements. It comes
//! from a [`Tap`] on any file system, or from strace's output of the real binary. One [table](table::TABLE) maps
//! each call to a step; then the mechanism must take the steps, one after the other.

mod bytes;
pub mod check;
mod gate;
pub mod mapper;
mod pieces;
mod real;
pub mod runs;
mod scripts;
pub mod seen;
pub mod strace;
pub mod table;
mod tap;
mod unseen;

use std::collections::BTreeSet;

use truelog_spec::switches::Switch;

pub use check::{OffPath, Walked, walk};
pub use gate::Held;
pub use mapper::{NotSteps, map};
pub use real::traced;
pub use seen::Seen;
pub use tap::{Journal, Tap};

use crate::command::Plan;
use crate::progress::Progress;
use crate::report::Report;

/// What a run breaks that leaves the mechanism at a step against which no decision of the design stands. It is a finding
/// of its own: the specification or the code is wrong, and which promise that costs is not known yet.
pub const MECHANISM: &str = "mechanism";

/// Why a run is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is no list of steps.
    #[error(transparent)]
    NotSteps(#[from] NotSteps),
    /// Its steps are no path.
    #[error(transparent)]
    OffPath(#[from] OffPath),
}

impl Refused {
    /// The entry of the run at which it is refused, from 0.
    #[must_use]
    pub const fn at(&self) -> usize {
        match self {
            Self::NotSteps(
                NotSteps::Unmapped { at, .. } | NotSteps::Bytes { at, .. } | NotSteps::NoBeginning { at },
            ) => *at,
            Self::OffPath(off) => off.at,
        }
    }

    /// The slug of the invariant that the refusing guard protects. What no decision of the design stands against is a
    /// departure from the mechanism, [`MECHANISM`], and of itself breaks no invariant that could be named.
    #[must_use]
    pub fn breaks(&self) -> &'static str {
        let Self::OffPath(off) = self else { return MECHANISM };
        let protects = Switch::ALL.iter().find(|switch| switch.guards().first() == Some(&off.guard));
        protects.map_or(MECHANISM, |switch| switch.invariant().as_str())
    }
}

/// Judges a run, from a disk without a log.
///
/// # Errors
/// The first entry that is no step, or that the mechanism does not take.
pub fn judge(run: &[Seen]) -> Result<Walked, Refused> {
    Ok(walk(&map(run)?, false)?)
}

/// Judges a run of several threads: what a failed call means is known to the thread that made it first. What others have
/// under way runs to its end; but once a client was told of the failure, nobody is acknowledged without regard to it, and
/// nobody touches the same file again.
///
/// # Errors
/// As [`judge`].
pub fn judge_concurrent(run: &[Seen]) -> Result<Walked, Refused> {
    Ok(walk(&map(run)?, true)?)
}

/// A refusal with what was seen before it.
#[must_use]
pub fn context(run: &[Seen], refused: &Refused) -> String {
    let at = refused.at();
    let mut text = format!("the order of calls: {refused}");
    for (number, seen) in run.iter().enumerate().take(at + 1).skip(at.saturating_sub(12)) {
        text.push_str(&format!("\n  {number} {seen}"));
    }
    text
}

/// The kinds of steps that a run of the production code can show; the report names those that none did.
pub const KINDS: &[&str] = &[
    "mkdir dir",
    "lock dir",
    "sync-dir ancestor",
    "create manifest.tmp",
    "create manifest.tmp failed",
    "write edit checkpoint",
    "write edit checkpoint failed",
    "sync-all manifest.tmp",
    "sync-all manifest.tmp failed",
    "rename manifest.tmp manifest",
    "sync-dir dir",
    "sync-dir dir failed",
    "create identity.tmp",
    "fill identity.tmp",
    "fill identity.tmp failed",
    "sync-all identity.tmp",
    "sync-all identity.tmp failed",
    "rename identity.tmp identity",
    "create seg.tmp",
    "create seg.tmp failed",
    "allocate seg.tmp",
    "fill seg.tmp",
    "fill seg.tmp failed",
    "sync-all seg.tmp",
    "sync-all seg.tmp failed",
    "rename seg.tmp seg",
    "unlink seg.tmp",
    "write edit add-segment seg",
    "write edit add-segment seg failed",
    "write edit trim before floor",
    "sync-data manifest",
    "sync-data manifest failed",
    "write batch seg lsns",
    "write batch seg lsns short",
    "write batch seg lsns failed",
    "write batch seg lsns through",
    "write batch seg",
    "write batch seg through",
    "sync-data seg",
    "sync-data seg failed",
    "check seg same",
    "check seg gone",
    "unlink seg",
    "publish power-loss",
    "publish process-crash",
    "ack",
    "ack process-crash",
    "ready next",
    "trimmed before",
    "unlock dir",
    "create drive/identity.tmp",
    "fill drive/identity.tmp",
    "sync-all drive/identity.tmp",
    "sync-all drive/identity.tmp failed",
    "rename drive/identity.tmp drive/identity",
    "sync-dir drive",
    "sync-dir drive failed",
    "write edit add-drive drive",
    "create drive/run.tmp",
    "fill drive/run.tmp",
    "write blocks drive/run.tmp lsns",
    "write blocks drive/run.tmp lsns short",
    "sync-all drive/run.tmp",
    "sync-all drive/run.tmp failed",
    "rename drive/run.tmp drive/run",
    "verify drive/run good",
    "write edit publish run lsns drives floor",
    "write edit copies run drives",
    "write edit quarantine drive",
    "write edit readmit drive",
    "create drive/manifest.tmp",
    "fill drive/manifest.tmp",
    "fill drive/manifest.tmp failed",
    "sync-all drive/manifest.tmp",
    "rename drive/manifest.tmp drive/manifest",
    "unlink drive/run",
    "unlink drive/run.tmp",
    "unlink drive/manifest.tmp",
];

/// The check `order`.
#[must_use]
pub fn check(_: &Plan, progress: &Progress) -> Report {
    let scope = "one thread on the simulated disk with faults and crashes; the real binary under strace with 4 writers; \
                 the schedules judge their own runs";
    let mut report = Report::new("order", scope);
    progress.expect(runs::SCRIPTS.len() as u64 + 3);
    let mut kinds = BTreeSet::new();
    for script in runs::SCRIPTS {
        progress.says(script.name);
        if let Some(shown) = verdict(script.name, &runs::run(script), &mut report) {
            if let Some(missed) = script.shows.iter().find(|kind| !shown.contains(**kind)) {
                let says = format!("{}: it never came to `{missed}`", script.name);
                report.find("harness", says, "cargo verify --only order");
            }
            kinds.extend(shown);
        }
        progress.advance(1);
    }
    for sync in ["data-sync", "write-through", "auto"] {
        progress.says(format!("strace {sync}"));
        match traced(sync) {
            Ok(run) => {
                report.count("system calls of the real binary", run.len() as u64);
                kinds.extend(
                    verdict(&format!("the real binary, {sync}"), &run, &mut report).unwrap_or_default(),
                );
            }
            Err(real::NoTrace::Missing(why)) => report.incomplete(why),
            Err(real::NoTrace::Failed(why)) => report.find("harness", why, "cargo verify --only order"),
        }
        progress.advance(1);
    }
    report.count("kinds of steps taken", kinds.len() as u64);
    let missed: Vec<&str> = KINDS.iter().copied().filter(|kind| !kinds.contains(*kind)).collect();
    if !missed.is_empty() {
        report.note(format!("steps of the mechanism that no run took: {}", missed.join(", ")));
    }
    report
}

/// Judges a run; the kinds of steps that it took, if it is a path.
fn verdict(name: &str, run: &[Seen], report: &mut Report) -> Option<BTreeSet<String>> {
    match judge(run) {
        Ok(walked) => {
            report.count("runs", 1);
            report.count("steps taken", walked.steps);
            report.count("unseen steps put in", walked.unseen);
            Some(walked.kinds)
        }
        Err(refused) => {
            let says = format!("{name}: {}", context(run, &refused));
            report.find(refused.breaks(), says, "cargo verify --only order");
            None
        }
    }
}
