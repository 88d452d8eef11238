//! `truelog completions`: a completion script for a shell.

use std::io::Write;

use clap::CommandFactory;

use crate::args::{Cli, Completions};
use crate::failure::Failure;
use crate::output;

/// Runs it.
///
/// # Errors
/// Standard output fails.
pub(crate) fn run(args: &Completions, out: &mut dyn Write) -> Result<(), Failure> {
    // The generator panics when its writer fails, so it writes to memory.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "truelog", &mut script);
    out.write_all(&script).map_err(Failure::output)?;
    output::flush(out)
}
