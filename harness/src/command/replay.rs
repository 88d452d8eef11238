//! `cargo verify replay`: one trace, on the mechanism and on the production code.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::out;
use crate::replay::{Wrong, check_one, read};

/// Which trace.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The trace.
    trace: PathBuf,
}

/// Replays it; 0 if it ends as it states, 1 if not, 2 if it is no trace.
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    match read(&arguments.trace).and_then(|trace| check_one(&trace).map(|replayed| (trace, replayed))) {
        Ok((trace, replayed)) => {
            let with = if replayed.violates { "; with its switch off it breaks " } else { "; it is about " };
            let (invariant, head) = (trace.invariant, &trace.head);
            let on = if trace.is_of_prefetch() {
                format!("slot word: {head}")
            } else {
                format!("mechanism: {head}\ncode: {}", trace.code())
            };
            out::print(format!("ends as stated{with}{invariant}\n{on}"), ExitCode::SUCCESS)
        }
        Err(wrong @ (Wrong::Unreadable(_) | Wrong::Folder(_))) => {
            eprintln!("cargo verify replay: {wrong}");
            ExitCode::from(2)
        }
        Err(wrong) => out::print(format!("VIOLATED: {wrong}"), ExitCode::from(1)),
    }
}
