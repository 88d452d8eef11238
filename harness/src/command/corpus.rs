//! `cargo verify corpus`: makes the traces and pages that follow from the specification.

use std::path::Path;
use std::process::ExitCode;

use super::out;
use crate::page::corpus::write;

/// Writes them into the tree that this program was built from.
pub(super) fn run() -> ExitCode {
    match write(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..")) {
        Ok(traces) => out::print(
            format!("{traces} traces, each with its page, and corpus/README.md"),
            ExitCode::SUCCESS,
        ),
        Err(error) => {
            eprintln!("cargo verify corpus: {error}");
            ExitCode::from(4)
        }
    }
}
