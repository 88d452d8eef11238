//! Standard output, which may be gone or full.

use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

/// Prints a line, and ends with `then`; with 4 if it cannot be printed.
pub(super) fn print(text: impl Display, then: ExitCode) -> ExitCode {
    let mut out = io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Ok(()) => then,
        Err(error) => {
            // Whoever closed standard error as well is not told.
            let _ = writeln!(io::stderr(), "cargo verify: standard output cannot be written: {error}");
            ExitCode::from(4)
        }
    }
}

/// Prints `value` as JSON, and ends with `then`; with 4 if it cannot be printed.
pub(super) fn json(value: &impl serde::Serialize, then: ExitCode) -> ExitCode {
    match serde_json::to_string_pretty(value) {
        Ok(text) => print(text, then),
        Err(error) => {
            eprintln!("cargo verify: cannot write JSON: {error}");
            ExitCode::from(4)
        }
    }
}
