//! The checks that `cargo verify` runs, in the order of their cost.

use std::path::PathBuf;

use clap::Args;

use super::{conform, mechanism, real};
use crate::knobs::Knob;
use crate::progress::Progress;
use crate::report::Report;

/// What a run is asked to do.
#[derive(Debug, Clone, Args)]
pub struct Plan {
    /// Run only these checks (comma-separated; `cargo verify list` names them).
    #[arg(long, value_delimiter = ',', value_name = "CHECK")]
    pub only: Vec<String>,
    /// The seed of everything random. Without it one is drawn, and printed.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Go on deepening until the time ends, and print the depth that was exhausted.
    #[arg(long)]
    pub deep: bool,
    /// How long each check that can use time may take, in seconds. Pinned scopes ignore it.
    #[arg(long, value_name = "S", default_value_t = 8)]
    pub seconds: u64,
    /// Leave out one thing that the harness can do to the engine: the run is incomplete, and shows what it is needed for.
    #[arg(long, value_name = "KNOB", value_enum, hide_possible_values = true)]
    pub without: Option<Knob>,
    /// Print the reports as JSON on standard output, with all that the table says.
    #[arg(long)]
    pub json: bool,
    /// Write the findings to this file as SARIF, which code scanning reads.
    #[arg(long, value_name = "FILE")]
    pub sarif: Option<PathBuf>,
    /// Write the checks to this file as JUnit's XML, which build servers read.
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
}

impl Plan {
    /// The seed of this run.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed.unwrap_or_else(drawn_seed)
    }

    /// The checks that were asked for, or the name that is none.
    pub(super) fn chosen(&self) -> Result<Vec<&'static Check>, &str> {
        if let Some(unknown) = self.only.iter().find(|name| CHECKS.iter().all(|check| check.name != **name)) {
            return Err(unknown);
        }
        let wanted = |check: &&Check| self.only.is_empty() || self.only.iter().any(|name| name == check.name);
        Ok(CHECKS.iter().filter(wanted).collect())
    }
}

/// One seed for the whole process, so that every report names the same.
fn drawn_seed() -> u64 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    static SEED: std::sync::OnceLock<u64> = std::sync::OnceLock::new();
    *SEED.get_or_init(|| RandomState::new().build_hasher().finish())
}

/// One kind of checking.
#[derive(Debug, Clone, Copy)]
pub struct Check {
    /// Its name, as `--only` takes it.
    pub name: &'static str,
    /// What it does, in a line.
    pub says: &'static str,
    /// Runs it.
    pub run: fn(&Plan, &Progress) -> Report,
}

/// Every check, cheapest first.
pub const CHECKS: &[Check] = &[
    Check {
        name: "conformance",
        says: "The simulated disk answers as the real file system does.",
        run: conform::check,
    },
    Check {
        name: "damage",
        says: "Durable bytes damaged in every way, one at a time.",
        run: crate::damage::check,
    },
    Check {
        name: "displaced",
        says: "A log removed, replaced, renamed or cut under its writer, and a second writer: nothing more is acknowledged.",
        run: crate::displaced::check,
    },
    Check {
        name: "fuzz",
        says: "The fuzz targets on what is checked in, and on that with bytes changed.",
        run: crate::fuzzing::check,
    },
    Check {
        name: "mechanism",
        says: "stateright exhausts the scopes of the specification's mechanism.",
        run: mechanism::check,
    },
    Check {
        name: "loom",
        says: "The kernels under loom, group commit and the prefetch slot: every interleaving within the bounds told, every weak load.",
        run: crate::kernels::check,
    },
    Check {
        name: "fpre004",
        says: "The incident in virtual time: the design as it was fails, ours does not.",
        run: crate::fpre004::check,
    },
    Check {
        name: "order",
        says: "What the engine does to the disk is a path of the specification's mechanism.",
        run: crate::order::check,
    },
    Check {
        name: "corpus",
        says: "Each counterexample of the corpus, on the mechanism and on the production code.",
        run: crate::replay::check,
    },
    Check {
        name: "crash",
        says: "Every sequence of small scopes, every crash point, everything that a crash can leave.",
        run: crate::explore::check,
    },
    Check {
        name: "archive",
        says: "The same for an archive on two drives: compaction, merges, trims, and every crash in them.",
        run: crate::explore::check_archive,
    },
    Check {
        name: "roles",
        says: "Each part that a sync plays, left out by the disk, breaks a named invariant.",
        run: crate::explore::check_roles,
    },
    Check {
        name: "faults",
        says: "Every call of short sequences, everything that can go wrong with it, every crash behind it.",
        run: crate::explore::check_faults,
    },
    Check {
        name: "random",
        says: "Runs longer than any pinned scope, drawn by swarm weights.",
        run: crate::explore::check_random,
    },
    Check {
        name: "schedules",
        says: "The whole engine under shuttle: thread schedules times crash images.",
        run: crate::schedules::check,
    },
    Check { name: "kill", says: "The real program, killed at random moments and resumed.", run: real::kill },
    Check {
        name: "archive-kill",
        says: "The real program, killed while it archives onto two drives, one of which is overwritten meanwhile.",
        run: real::archive_kill,
    },
    Check {
        name: "strace",
        says: "The real program's calls: no receipt before what makes it true.",
        run: real::strace,
    },
    Check { name: "inject", says: "The real program with calls that fail.", run: real::inject },
    Check {
        name: "short",
        says: "The real program with calls that are short or interrupted.",
        run: real::short,
    },
];

pub(super) fn run(check: &Check, plan: &Plan) -> Report {
    let progress = Progress::begin(check.name);
    let mut report = (check.run)(plan, &progress);
    if let Some(knob) = plan.without {
        report.incomplete(format!("the knob `{}` is turned off", knob.name()));
    }
    let report = report.finish(progress.end());
    eprintln!("{}: {} in {:.1} s", check.name, report.verdict.word(), report.seconds);
    report
}

/// What names the commit where the program runs without its tree.
pub(crate) const COMMIT: &str = "TRUELOG_COMMIT";

/// The commit that is being checked, with `+` where the work tree differs from it. What is not under version control does
/// not count: it may be what a run has written.
pub(crate) fn commit() -> String {
    if let Ok(commit) = std::env::var(COMMIT) {
        return commit;
    }
    let git = |arguments: &[&str]| {
        std::process::Command::new("git")
            .args(arguments)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .ok()
            .filter(|output| output.status.success())
            .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    match git(&["rev-parse", "--short=12", "HEAD"]) {
        Some(head)
            if git(&["status", "--porcelain", "--untracked-files=no"])
                .is_some_and(|dirty| !dirty.is_empty()) =>
        {
            head + "+"
        }
        Some(head) => head,
        None => "unknown".to_owned(),
    }
}
