//! The checks on the real file system: the operator's command as a child process.

use std::path::{Path, PathBuf};

use super::Plan;
use crate::process::lines::Source;
use crate::process::program::Program;
use crate::process::{CHILD, inject, kill, short, traced};
use crate::progress::Progress;
use crate::report::Report;

/// Killed with SIGKILL at random moments and resumed.
pub(super) fn kill(plan: &Plan, progress: &Progress) -> Report {
    let (lines, kills) = if plan.deep { (1_000_000, 50) } else { (60_000, 12) };
    let scope = kill::Scope { lines, source: Source::Real, writers: 8, kills, seed: plan.seed() };
    run("kill", |program, dir| kill::check(program, &scope, dir, progress))
}

/// Under strace: no receipt before the calls that make it true have returned.
pub(super) fn strace(plan: &Plan, progress: &Progress) -> Report {
    let scope = traced::Scope { lines: 1_000, writers: 3, seed: plan.seed() };
    run("strace", |program, dir| traced::check(program, &scope, dir, progress))
}

/// Under strace, with calls that fail.
pub(super) fn inject(plan: &Plan, progress: &Progress) -> Report {
    let most = if plan.deep { 40 } else { 6 };
    let scope = inject::Scope { lines: 300, most, seed: plan.seed() };
    run("inject", |program, dir| inject::check(program, &scope, dir, progress))
}

/// Behind a shim that makes reads and writes short, or interrupts them.
pub(super) fn short(plan: &Plan, progress: &Progress) -> Report {
    let rounds = if plan.deep { 40 } else { 4 };
    let scope = short::Scope { lines: 1_000, writers: 3, rounds, seed: plan.seed() };
    run("short", |program, dir| short::check(program, &scope, dir, progress))
}

/// Runs a check in an empty directory on a real disk: beside this program, since where temporary files are kept
/// may be memory.
fn run(name: &'static str, check: impl FnOnce(&Program, &Path) -> Report) -> Report {
    let mut report = match place() {
        Ok((place, program)) => {
            let dir = place.path().join("work");
            match std::fs::create_dir(&dir) {
                Ok(()) => check(&Program::new(&program), &dir),
                Err(error) => nowhere(name, &error),
            }
        }
        Err(error) => nowhere(name, &error),
    };
    // One name for `--only`, the table and the replay command.
    report.check = name;
    for finding in &mut report.findings {
        finding.replay =
            finding.replay.replace("cargo verify processes", &format!("cargo verify --only {name}"));
    }
    report
}

/// A directory of its own, and in it the operator's command: this very program by another name.
fn place() -> std::io::Result<(tempfile::TempDir, PathBuf)> {
    let own = std::env::current_exe()?;
    let place = tempfile::tempdir_in(own.parent().unwrap_or(Path::new(".")))?;
    let program = place.path().join(CHILD);
    std::os::unix::fs::symlink(own, &program)?;
    Ok((place, program))
}

fn nowhere(name: &'static str, error: &std::io::Error) -> Report {
    let mut report = Report::new(name, "");
    report.environment(format!("no directory to work in: {error}"));
    report
}
