//! `cargo verify promote`: a finding becomes a trace of the corpus, with its page.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::out;
use crate::campaign::{Unproposed, case_of, propose, steps};

/// Which finding, and where it goes.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The case that a finding prints behind `cargo verify case`.
    #[arg(value_name = "CASE")]
    case: String,
    /// Its name in the corpus. Without it the steps of the case are its name.
    #[arg(long, value_name = "SLUG")]
    slug: Option<String>,
    /// The folder that has a folder for each invariant. Without it, the corpus of the tree.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Writes trace and page. Exit codes: 0 written, 1 it holds on this engine, 2 it is no case, 3 it cannot be told as a
/// trace, 4 the files cannot be written.
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus");
    let dir = arguments.out.clone().unwrap_or(corpus);
    let case = case_of(&arguments.case).unwrap_or(&arguments.case);
    match propose(case, arguments.slug.as_deref(), &dir) {
        Ok(proposal) => {
            let steps = steps(&proposal.trace);
            let lines = proposal.trace.lines.len();
            let says = format!(
                "{}: {steps} steps of clients and of the world, {lines} with those of the engine; it breaks {} when it is \
                 replayed\npage: {}\nnext: docs/TESTING.md, \"Promoting a failure\"",
                proposal.path.display(),
                proposal.trace.invariant,
                proposal.path.with_extension("md").display(),
            );
            out::print(says, ExitCode::SUCCESS)
        }
        Err(why) => {
            eprintln!("cargo verify promote: {why}");
            ExitCode::from(match why {
                Unproposed::Holds => 1,
                Unproposed::NotACase(_) => 2,
                Unproposed::Differs(..) | Unproposed::Untold(_) | Unproposed::Page(_) => 3,
                Unproposed::Unwritten(..) => 4,
            })
        }
    }
}
