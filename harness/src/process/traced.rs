//! The program under strace: is any receipt printed before the calls that make it true have returned?

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::progress::Progress;
use crate::report::Report;

use super::acks;
use super::lines::{Lines, Source};
use super::program::{Append, Desk, Program, SMALL};
use super::strace::{self, Syscall};
use super::{Trouble, need_strace};

/// What is traced.
#[derive(Debug, Clone, Copy)]
pub struct Scope {
    /// Lines to append.
    pub lines: usize,
    /// Writers.
    pub writers: u64,
    /// What made lines are made from.
    pub seed: u64,
}

/// The calls that strace is asked for: all that write, sync, name or open; and all by which a thread tells others
/// something, or ends.
const CALLS: &str = "trace=openat,write,pwrite64,pwritev,pwritev2,writev,fsync,fdatasync,sync_file_range,rename,\
                     renameat,renameat2,unlink,unlinkat,mkdir,mkdirat,ftruncate,fallocate,close,futex,exit,\
                     exit_group";

/// A trace, and how the program ended.
#[derive(Debug)]
pub struct Traced {
    /// The calls.
    pub calls: Vec<Syscall>,
    /// Whether the program exited with 0.
    pub success: bool,
    /// What it exited with; `None` when a signal ended it.
    pub exit: Option<i32>,
}

/// Runs `append` under strace with `extra` options (such as an injection), and reads the trace.
///
/// # Errors
/// When strace cannot be started, or wrote something that is not understood.
pub fn run_append(
    program: &Program,
    append: &Append<'_>,
    trace: &Path,
    extra: &[String],
) -> Result<Traced, Trouble> {
    let mut command = Command::new("strace");
    command
        .args(["-f", "-y", "-s", "1048576", "-o"])
        .arg(trace)
        .args(["-e", CALLS])
        .args(extra)
        .arg(program.path());
    let status = program.append(&mut command, append)?.status().map_err(Trouble::io(Path::new("strace")))?;
    let text = fs::read_to_string(trace).map_err(Trouble::io(trace))?;
    let calls = strace::parse(&text).map_err(|error| Trouble::Missing(error.to_string()))?;
    Ok(Traced { calls, success: status.success(), exit: status.code() })
}

/// Runs the check in `dir`, which must exist and be empty.
#[must_use]
pub fn check(program: &Program, scope: &Scope, dir: &Path, progress: &Progress) -> Report {
    let words =
        format!("{} lines, {} writers, all ways of syncing, seed {}", scope.lines, scope.writers, scope.seed);
    let mut report = Report::new("strace", words);
    progress.expect(3);
    for sync in ["data-sync", "write-through", "auto"] {
        let place = dir.join(sync);
        if let Err(trouble) = one(program, scope, sync, &place, &mut report) {
            trouble.into_report(&mut report, &format!("cargo verify --only strace --seed {}", scope.seed));
        }
        progress.advance(1);
    }
    report
}

fn one(program: &Program, scope: &Scope, sync: &str, dir: &Path, report: &mut Report) -> Result<(), Trouble> {
    need_strace()?;
    fs::create_dir(dir).map_err(Trouble::io(dir))?;
    // Strace shows descriptors with their real paths.
    let dir: PathBuf = dir.canonicalize().map_err(Trouble::io(dir))?;
    let desk = Desk::new(&dir);
    let lines = Lines::get(Source::Made, scope.lines, scope.seed);
    lines.save(&desk.input)?;
    program.create(&desk.log, &[&["--sync", sync], &SMALL[..]].concat())?;
    let append = desk.append(scope.writers);
    let traced = run_append(program, &append, &dir.join("trace"), &[])?;
    if !traced.success {
        return Err(Trouble::violated("append-resolves", format!("append failed: {}", append.complaint())));
    }
    let checked = acks::check(&traced.calls, &desk.log, None)
        .map_err(|why| Trouble::violated("claim-has-artifact", format!("{sync}: {why}")))?;
    if checked.receipts != lines.len() as u64 {
        let says = format!("{} lines, but {} receipts were printed", lines.len(), checked.receipts);
        return Err(Trouble::violated("append-resolves", says));
    }
    let fits = match sync {
        "write-through" => checked.through == checked.writes,
        "auto" => (1..checked.writes).contains(&checked.through),
        _ => checked.through == 0,
    };
    if !fits {
        let says = format!("{sync}: {} of {} writes went through", checked.through, checked.writes);
        return Err(Trouble::violated("claim-has-artifact", says));
    }
    program.verify(&desk.log, &desk.receipts)?;
    program.compare(&desk.log, &lines, scope.writers, true)?;
    report.count("calls traced", traced.calls.len() as u64);
    report.count("receipts held against calls", checked.receipts);
    report.count("segments", checked.segments);
    Ok(())
}
