//! `cargo verify replay`: one trace, on the mechanism and on the production code.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::out;
use crate::replay::{Wrong, as_stated, check_one, read};

/// Which trace.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The trace.
    trace: PathBuf,
}

/// Replays it; 0 if it ends as it states, 1 if not, 2 if it is no trace.
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    match read(&arguments.trace).and_then(|trace| check_one(&trace).map(|replayed| (trace, replayed))) {
        Ok((trace, replayed)) => out::print(as_stated(&trace, replayed.violates), ExitCode::SUCCESS),
        Err(wrong @ (Wrong::Unreadable(_) | Wrong::Folder(_))) => {
            eprintln!("cargo verify replay: {wrong}");
            ExitCode::from(2)
        }
        Err(wrong) => out::print(format!("VIOLATED: {wrong}"), ExitCode::from(1)),
    }
}
