//! The operator's command, `truelog`, as a library: the harness runs the very same program as a child process.

mod adopt;
mod append;
mod archive;
pub mod args;
mod audit;
mod cat;
mod codes;
mod completions;
mod create;
mod doctor;
mod drives;
mod dump;
mod explain;
mod exposition;
mod failure;
mod incident;
mod lines;
mod logging;
mod metrics_file;
mod open;
mod output;
mod rebuild;
pub mod receipt_line;
mod receipts;
mod stat;
mod verify;
pub mod watch;

use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;

use args::{Cli, Command};
pub use failure::{Exit, Failure};

/// Bytes of standard output that are held back, except for receipts, of which none are.
const BUFFER: usize = 64 * 1024;

/// Runs the command with the process's arguments.
#[must_use]
pub fn main() -> ExitCode {
    let (json, outcome) = match Cli::try_parse() {
        Ok(cli) => {
            logging::start(cli.log_format, cli.log_level);
            (cli.json, output::check().and_then(|()| run(&cli)))
        }
        Err(error) => {
            let json = std::env::args_os().any(|argument| argument == "--json");
            (json, not_run(&error, json))
        }
    };
    match outcome {
        Ok(()) => Exit::Holds.into(),
        Err(failure) => {
            failure.show(&mut io::stderr().lock(), json);
            failure.exit().into()
        }
    }
}

/// Answers a command line that names nothing to run: it asks for help or the version, or is not one.
fn not_run(error: &clap::Error, json: bool) -> Result<(), Failure> {
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        if !json {
            // If standard error is gone there is nobody to tell.
            let _ = error.print();
        }
        return Err(Failure::Usage("no command was given".to_owned()));
    }
    if error.use_stderr() {
        let text = error.to_string();
        return Err(Failure::Usage(text.strip_prefix("error: ").unwrap_or(&text).to_owned()));
    }
    output::check()?;
    error.print().and_then(|()| io::stdout().flush()).map_err(Failure::output)
}

/// Runs one command on the process's own standard streams.
///
/// # Errors
/// Why it failed; its code and exit code come with it.
pub fn run(cli: &Cli) -> Result<(), Failure> {
    let mut out = BufWriter::with_capacity(BUFFER, io::stdout());
    let out: &mut dyn Write = &mut out;
    match &cli.command {
        Command::Create(args) => create::run(args, cli.json, out),
        Command::Append(args) => append::run(args, cli.json),
        Command::Cat(args) => cat::run(args, cli.json, out),
        Command::Stat(args) => stat::run(args, cli.json, out),
        Command::Dump(args) => dump::run(args, cli.json, out),
        Command::Verify(args) => verify::run(args, cli.json, out),
        Command::Audit(args) => audit::run(args, cli.json, out),
        Command::Incident(args) => incident::run(args, cli.json, out),
        Command::Drives(args) => drives::run(args, cli.json, out),
        Command::Compact(args) => archive::compact(args, cli.json, out),
        Command::Trim(args) => archive::trim(args, cli.json, out),
        Command::Scrub(args) => archive::scrub(args, cli.json, out),
        Command::RebuildManifest(args) => rebuild::run(args, cli.json, out),
        Command::Adopt(args) => adopt::adopt(args, cli.json, out),
        Command::AcceptLoss(args) => adopt::accept_loss(args, cli.json, out),
        Command::Watch(args) => watch::run(args, cli.json, out),
        Command::Doctor(args) => doctor::run(args, cli.json, out),
        Command::Explain(args) => explain::run(args, cli.json, out),
        Command::Completions(args) => completions::run(args, out),
    }
}
