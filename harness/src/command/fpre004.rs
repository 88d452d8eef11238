//! `cargo verify fpre004`: the incident's scenario on the three designs, in full.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::out;
use crate::emulator::designs::Historical;
use crate::emulator::profile::Profile;
use crate::fpre004::{Size, experiment, figures, table, timeline};
use crate::progress::Progress;

/// What to print.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// How many histories of each design; their seeds begin at 0.
    #[arg(long, default_value_t = Size::FULL.histories, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    histories: u64,
    /// How many reads of the packed design must overlap a pending write or a compaction.
    #[arg(long, default_value_t = Size::FULL.overlapping, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    overlapping: u64,
    /// Print everything as JSON.
    #[arg(long)]
    json: bool,
    /// Write a picture of the first failing attempt there, and run nothing else.
    #[arg(long, value_name = "PATH")]
    svg: Option<PathBuf>,
}

/// Runs it. Exit codes: 0 holds, 1 violated, 4 cannot write.
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    if let Some(path) = &arguments.svg {
        return draw(path);
    }
    let size = Size { histories: arguments.histories, overlapping: arguments.overlapping, ..Size::FULL };
    let progress = Progress::begin("fpre004");
    let figures = figures(size, &progress);
    let took = progress.end();
    let wrong = figures.wrong();
    let end = ExitCode::from(u8::from(!wrong.is_empty()));
    let end =
        if arguments.json { out::json(&figures, end) } else { out::print(table::render(&figures), end) };
    for (invariant, says) in &wrong {
        eprintln!("VIOLATED {invariant}: {says}");
    }
    eprintln!(
        "fpre004: {} in {:.1} s",
        if wrong.is_empty() { "holds" } else { "VIOLATED" },
        took.as_secs_f64()
    );
    end
}

fn draw(path: &std::path::Path) -> ExitCode {
    let profile = Profile::default();
    let failing = experiment::first_failing::<Historical>(&profile, Size::FULL.histories);
    let Some((at, svg)) = failing.and_then(|at| Some((at, timeline::svg(&profile, at)?))) else {
        eprintln!("cargo verify fpre004: no attempt fails");
        return ExitCode::from(1);
    };
    match std::fs::write(path, svg) {
        Ok(()) => {
            let says = format!("seed {}, attempt {}: {}", at.0, at.1 + 1, path.display());
            out::print(says, ExitCode::SUCCESS)
        }
        Err(error) => {
            eprintln!("cargo verify fpre004: cannot write {}: {error}", path.display());
            ExitCode::from(4)
        }
    }
}
