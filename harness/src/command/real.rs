//! The checks on the real file system: the operator's command as a child process.

use std::path::Path;

use super::Plan;
use crate::process::lines::Source;
use crate::process::program::Program;
use crate::process::{archive, inject, kill, place, short, traced};
use crate::progress::Progress;
use crate::report::Report;

/// Killed with SIGKILL at random moments and resumed.
pub(super) fn kill(plan: &Plan, progress: &Progress) -> Report {
    let (lines, kills) = if plan.deep { (1_000_000, 50) } else { (60_000, 12) };
    let scope = kill::Scope { lines, source: Source::Real, writers: 8, kills, seed: plan.seed() };
    run(plan, "kill", |program, dir| kill::check(program, &scope, dir, progress))
}

/// Killed while it archives onto two drives, one of which is overwritten meanwhile.
pub(super) fn archive_kill(plan: &Plan, progress: &Progress) -> Report {
    let seed = plan.seed();
    let scope = if plan.deep {
        archive::Scope { bytes: 2 << 30, line: 1000, segment: 16 << 20, kills: 10, seed }
    } else {
        archive::Scope { bytes: 64 << 20, line: 600, segment: 512 << 10, kills: 3, seed }
    };
    run(plan, "archive-kill", |program, dir| archive::check(program, &scope, dir, progress))
}

/// Under strace: no receipt before the calls that make it true have returned.
pub(super) fn strace(plan: &Plan, progress: &Progress) -> Report {
    let scope = traced::Scope { lines: 1_000, writers: 3, seed: plan.seed() };
    run(plan, "strace", |program, dir| traced::check(program, &scope, dir, progress))
}

/// Under strace, with calls that fail.
pub(super) fn inject(plan: &Plan, progress: &Progress) -> Report {
    let most = if plan.deep { 40 } else { 6 };
    let scope = inject::Scope { lines: 300, most, seed: plan.seed() };
    run(plan, "inject", |program, dir| inject::check(program, &scope, dir, progress))
}

/// Behind a shim that makes reads and writes short, or interrupts them.
pub(super) fn short(plan: &Plan, progress: &Progress) -> Report {
    let rounds = if plan.deep { 40 } else { 4 };
    let scope = short::Scope { lines: 1_000, writers: 3, rounds, seed: plan.seed() };
    run(plan, "short", |program, dir| short::check(program, &scope, dir, progress))
}

/// Runs a check in an empty directory on a real disk.
fn run(plan: &Plan, name: &'static str, check: impl FnOnce(&Program, &Path) -> Report) -> Report {
    let ready = place().and_then(|place| -> std::io::Result<_> {
        let dir = place.path().join("work");
        std::fs::create_dir(&dir)?;
        Ok((Program::own(place.path())?, dir, place))
    });
    let mut report = match ready {
        Ok((program, dir, _place)) => check(&program, &dir),
        Err(error) => nowhere(name, &error),
    };
    // One name for `--only`, the table and the replay command.
    report.check = name;
    if plan.deep {
        report.findings.iter_mut().for_each(|finding| finding.replay.push_str(" --deep"));
    }
    report
}

fn nowhere(name: &'static str, error: &std::io::Error) -> Report {
    let mut report = Report::new(name, "");
    report.environment(format!("no directory to work in: {error}"));
    report
}
