//! `cargo verify show`, `page`, `diff`, `shrink` and `export`: what a person does with a trace.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use truelog_spec::Trace;

use super::out;
use crate::page::{Facts, render, show as in_terminal};
use crate::replay::{self, Wrong};
use crate::traces::diff::Diff;
use crate::traces::{export, shrink};

/// Which trace.
#[derive(Debug, Args)]
pub(super) struct One {
    /// The trace.
    trace: PathBuf,
}

/// Which traces.
#[derive(Debug, Args)]
pub(super) struct Two {
    /// The first trace.
    first: PathBuf,
    /// The second trace.
    second: PathBuf,
}

/// Which trace, and as what.
#[derive(Debug, Args)]
pub(super) struct Export {
    /// The trace.
    trace: PathBuf,
    /// As what.
    #[arg(long, value_enum)]
    format: Format,
}

/// What other tools read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// The states of the specification along the trace, in the Informal Trace Format.
    Itf,
    /// The trace itself.
    Json,
}

/// Reads a trace; without one the exit code is 2.
fn read(command: &str, path: &Path) -> Result<Trace, ExitCode> {
    replay::read(path).map_err(|wrong| {
        eprintln!("cargo verify {command}: {wrong}");
        ExitCode::from(2)
    })
}

/// Something that a trace does not allow: the exit code is 3.
fn refuse(command: &str, why: &dyn std::fmt::Display) -> ExitCode {
    eprintln!("cargo verify {command}: {why}");
    ExitCode::from(3)
}

/// Why a trace is not what it says. One that names no mutant says that this engine breaks at its end, which a replay tells.
fn untrue(trace: &Trace) -> Option<Wrong> {
    trace.mutant.as_ref().and_then(|_| replay::check_one(trace).err())
}

/// Shows it in the terminal.
pub(super) fn show(arguments: &One) -> ExitCode {
    match read("show", &arguments.trace) {
        Ok(trace) => out::print(in_terminal(&trace), ExitCode::SUCCESS),
        Err(end) => end,
    }
}

/// Prints its page.
pub(super) fn page(arguments: &One) -> ExitCode {
    let trace = match read("page", &arguments.trace) {
        Ok(trace) => trace,
        Err(end) => return end,
    };
    match (render(&trace, &Facts::of_any(&trace, &arguments.trace)), untrue(&trace)) {
        (Ok(page), None) => out::print(page.trim_end(), ExitCode::SUCCESS),
        (Ok(page), Some(wrong)) => {
            let page = format!(
                "> **This trace does not end as it states**: {wrong}. What its page says is not true.\n\n{page}"
            );
            out::print(page.trim_end(), ExitCode::from(1))
        }
        (Err(why), _) => refuse("page", &why),
    }
}

/// Compares two; 0 if nothing differs, 1 if something does.
pub(super) fn diff(arguments: &Two) -> ExitCode {
    let read = |path: &Path| read("diff", path);
    match (read(&arguments.first), read(&arguments.second)) {
        (Ok(first), Ok(second)) => {
            let diff = Diff::of(&first, &second);
            out::print(&diff, ExitCode::from(u8::from(!diff.is_empty())))
        }
        (Err(end), _) | (_, Err(end)) => end,
    }
}

/// Prints the smaller trace on standard output, and on standard error why each step stays.
pub(super) fn shrink(arguments: &One) -> ExitCode {
    let trace = match read("shrink", &arguments.trace) {
        Ok(trace) => trace,
        Err(end) => return end,
    };
    let shrunk = match shrink::shrink(&trace) {
        Ok(shrunk) => shrunk,
        Err(why) => return refuse("shrink", &why),
    };
    let (kept, left_out) = (shrunk.trace.lines.len(), shrunk.left_out);
    eprintln!(
        "{left_out} of {} steps are left out. Each of the {kept} that stay is needed:",
        kept + left_out
    );
    for ((number, line), without) in shrunk.trace.numbered().zip(&shrunk.without) {
        eprintln!("{number} {}\n    without it {without}", line.step);
    }
    out::print(shrunk.trace.to_string().trim_end(), ExitCode::SUCCESS)
}

/// Prints it for another tool.
pub(super) fn export(arguments: &Export) -> ExitCode {
    let trace = match read("export", &arguments.trace) {
        Ok(trace) => trace,
        Err(end) => return end,
    };
    match arguments.format {
        Format::Json => out::json(&export::plain(&trace), ExitCode::SUCCESS),
        Format::Itf if untrue(&trace).is_some() => {
            refuse("export", &"the trace does not end as it states: see `replay`")
        }
        Format::Itf => match export::itf(&trace) {
            Ok(states) => out::json(&states, ExitCode::SUCCESS),
            Err(why) => refuse("export", &why),
        },
    }
}
