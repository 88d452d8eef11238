//! `cargo verify case`: one run of the explorer again, with all that happens in it.

use std::process::ExitCode;

use clap::Args;

use super::out;
use crate::explore::Case;
use crate::subject::Plain;

/// Which run.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The case, as the finding prints it.
    #[arg(value_name = "CASE")]
    case: String,
}

/// Runs it. Exit codes: 0 holds, 1 violated, 2 the text is no case of this engine.
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let ran = arguments.case.parse::<Case>().and_then(|case| case.run::<Plain>());
    match ran {
        Ok((lines, holds)) => {
            let lines: Vec<String> = lines.into_iter().map(|line| line.to_string()).collect();
            out::print(lines.join("\n"), ExitCode::from(u8::from(!holds)))
        }
        Err(error) => {
            eprintln!("cargo verify case: {error}");
            ExitCode::from(2)
        }
    }
}
