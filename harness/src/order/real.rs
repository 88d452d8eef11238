//! The real binary under strace, as a run.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use super::seen::Seen;
use super::strace::{Prints, seen};
use crate::process::place;
use crate::process::program::Program;
use crate::process::strace::parse;

/// How many lines are appended, by how many writers.
const LINES: usize = 400;
const WRITERS: &str = "4";
/// The calls that strace is asked for: all by which a file, a name or a lock can change, and the look at the path.
const CALLS: &str = "trace=openat,close,mkdir,mkdirat,rename,renameat,renameat2,link,linkat,symlink,symlinkat,unlink,\
                     unlinkat,write,pwrite64,writev,pwritev,pwritev2,fsync,fdatasync,sync_file_range,fallocate,ftruncate,\
                     truncate,flock,statx,newfstatat,copy_file_range,sendfile";

/// Why there is no run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoTrace {
    /// Something that the machine must have is missing.
    #[error("{0}")]
    Missing(String),
    /// The program, or strace, did not do what it should.
    #[error("{0}")]
    Failed(String),
}

fn failed(what: impl std::fmt::Display) -> impl FnOnce(std::io::Error) -> NoTrace {
    move |error| NoTrace::Failed(format!("{what}: {error}"))
}

/// Creates a log and appends to it with the real binary; returns what strace saw.
///
/// # Errors
/// Why there is no run.
pub fn traced(sync: &str) -> Result<Vec<Seen>, NoTrace> {
    if Command::new("strace").arg("-V").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err() {
        return Err(NoTrace::Missing(
            "strace is not installed; the real binary's calls were not judged".to_owned(),
        ));
    }
    let kept = place().map_err(failed("a directory to work in"))?;
    // Strace shows descriptors with their real paths.
    let place = kept.path().canonicalize().map_err(failed("a directory to work in"))?;
    let program = Program::own(&place).map_err(failed("the operator's command"))?;
    let program = program.path();
    let log = place.join("log");
    let input = place.join("input");
    let mut file = File::create(&input).map_err(failed("the input"))?;
    for line in 0..LINES {
        writeln!(file, "line {line} {}", "x".repeat(line % 97)).map_err(failed("the input"))?;
    }
    drop(file);
    let mut create = strace(program, &place.join("create"));
    create.args(["create"]).arg(&log).args([
        "--sync",
        sync,
        "--segment-size",
        "65536",
        "--max-batch-bytes",
        "8192",
    ]);
    let mut run = finish(create, Stdio::null(), &place.join("create"), &log, Prints::Anything)?;
    let mut append = strace(program, &place.join("append"));
    append.args(["append"]).arg(&log).args(["--writers", WRITERS]);
    let input = File::open(&input).map_err(failed("the input"))?;
    let mut appended = finish(append, input.into(), &place.join("append"), &log, Prints::Receipts)?;
    let receipts = appended.iter().filter(|seen| matches!(seen, Seen::Ack(..))).count();
    if receipts != LINES {
        return Err(NoTrace::Failed(format!("{LINES} lines, and {receipts} receipts were printed")));
    }
    // The numbers of the second process's calls go on behind those of the first.
    for seen in &mut appended {
        if let Seen::Begin(number, _) | Seen::End(number, _) = seen {
            *number += 1 << 32;
        }
    }
    run.append(&mut appended);
    Ok(run)
}

fn strace(program: &Path, trace: &Path) -> Command {
    let mut command = Command::new("strace");
    command.args(["-f", "-y", "-s", "65536", "-e", CALLS, "-o"]).arg(trace).arg(program);
    command
}

fn finish(
    mut command: Command,
    input: Stdio,
    trace: &Path,
    log: &Path,
    prints: Prints,
) -> Result<Vec<Seen>, NoTrace> {
    let output = File::create(trace.with_extension("out")).map_err(failed("the output"))?;
    let ran =
        command.stdin(input).stdout(output).stderr(Stdio::piped()).output().map_err(failed("strace"))?;
    if !ran.status.success() {
        let said = String::from_utf8_lossy(&ran.stderr);
        return Err(NoTrace::Failed(format!("the program under strace: {}: {}", ran.status, said.trim())));
    }
    let text = fs::read_to_string(trace).map_err(failed("the trace"))?;
    let calls = parse(&text).map_err(|error| NoTrace::Failed(error.to_string()))?;
    seen(&calls, log, prints).map_err(|error| NoTrace::Failed(error.to_string()))
}
