//! `cargo verify input`: one input of one fuzz target again, in words.

use std::process::ExitCode;

use clap::Args;

use super::out;
use crate::caught::caught;
use crate::fuzzing::Input;

/// Which input, of which target.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The target.
    target: String,
    /// The input, two hexadecimal digits a byte; `-` if it is empty.
    #[arg(value_name = "HEX")]
    bytes: String,
}

/// Runs it. Exit codes: 0 holds, 1 a promise is broken, 2 it is no input.
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let input = match Input::new(&arguments.target, &arguments.bytes) {
        Ok(input) => input,
        Err(error) => {
            eprintln!("cargo verify input: {error}");
            return ExitCode::from(2);
        }
    };
    // What tells an input may judge it, too: then there are no words for it but those of the verdict.
    let told = caught(|| (input.target.tells)(&input.bytes)).map(|told| told + "\n").unwrap_or_default();
    match caught(|| (input.target.run)(&input.bytes)) {
        Ok(()) => out::print(format!("{told}holds"), ExitCode::SUCCESS),
        Err(panicked) => {
            let (breaks, says, at) = (panicked.breaks(), &panicked.says, &panicked.at);
            out::print(format!("{told}VIOLATED {breaks}: {says}\nat {at}"), ExitCode::from(1))
        }
    }
}
