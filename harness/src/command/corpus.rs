//! `cargo verify corpus`: makes the traces and pages that follow from the specification, or holds them against it.

use std::path::Path;
use std::process::ExitCode;

use clap::Args;

use super::out;
use crate::page::corpus::{stale, write};

/// What to do.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Write nothing; name what is stale, and end with 1 if anything is.
    #[arg(long)]
    check: bool,
}

/// Writes them into the tree that this program was built from, or looks at what is there.
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let done = if arguments.check {
        stale(&root).map(|stale| {
            if stale.is_empty() {
                return ("every trace, every page and corpus/README.md are what makes them".to_owned(), 0);
            }
            let lines: Vec<String> = stale.iter().map(|one| format!("stale: {one}")).collect();
            (format!("{}\nmake them again: cargo verify corpus", lines.join("\n")), 1)
        })
    } else {
        write(&root).map(|traces| (format!("{traces} traces, each with its page, and corpus/README.md"), 0))
    };
    match done {
        Ok((says, end)) => out::print(says, ExitCode::from(end)),
        Err(error) => {
            eprintln!("cargo verify corpus: {error}");
            ExitCode::from(4)
        }
    }
}
