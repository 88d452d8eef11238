//! Measures Truelog beside the raw limits of the disk and beside other logs, with the same durability.
//!
//! Every measurement runs in a process of its own, round after round, each contender once a round. The table shows
//! medians; ratios are of one round, so that whatever else the machine does hits both sides.

mod alloc;
mod args;
mod bars;
mod disk;
mod machine;
mod measure;
mod payload;
mod peers;
mod plan;
mod plot;
mod raw;
mod results;
mod run;
mod table;
mod workloads;

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use serde::Serialize;

use args::Args;
use bars::{Outcome, Verdict};
use machine::Machine;
use peers::Peer;
use plan::{Scale, Task};
use results::Results;

#[global_allocator]
static ALLOCATOR: alloc::Counting = alloc::Counting;

/// All that `--json` writes.
#[derive(Serialize)]
struct Report<'a> {
    command: String,
    machine: &'a Machine,
    scale: Scale,
    verdicts: &'a [Verdict],
    results: &'a Results,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let outcome = match &args.one {
        Some(task) => one(task),
        None => all(&args),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("{error:#}");
        ExitCode::from(4)
    })
}

/// One measurement.
fn one(task: &str) -> Result<ExitCode> {
    let (prepare, task): (bool, Task) = serde_json::from_str(task).context("--one takes a task")?;
    let sample = if prepare {
        workloads::prepare(&task)?;
        measure::Sample::default()
    } else {
        workloads::measure(&task)?
    };
    std::fs::write(&task.out, serde_json::to_vec(&sample)?)?;
    // Whatever a peer does when it is dropped is not measured, and what is kept is not closed.
    std::process::exit(0)
}

/// The whole run.
fn all(args: &Args) -> Result<ExitCode> {
    for name in &args.only {
        ensure!(Peer::named(name).is_some(), "nobody is called {name}: {}", table::names());
    }
    std::fs::create_dir_all(&args.dir).with_context(|| args.dir.display().to_string())?;
    let dir = args.dir.canonicalize()?.join("truelog-bench");
    ensure!(!dir.exists(), "{} is there already: another run, or what is left of one", dir.display());
    let machine = Machine::here(&args.dir.canonicalize()?);
    let results = run::run(args, &dir)?;
    let verdicts = bars::judge(&results, &args.workloads());
    print!("{}", table::report(args, &machine, &results, &verdicts));
    if let Some(path) = &args.json {
        let command = std::env::args().skip(1).collect::<Vec<_>>().join(" ");
        let scale = args.scale();
        let report = Report { command, machine: &machine, scale, verdicts: &verdicts, results: &results };
        write(path, &serde_json::to_vec_pretty(&report)?)?;
    }
    if let Some(dir) = &args.plots {
        plot::all(dir, &results)?;
    }
    Ok(code(args, &results, &verdicts))
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    std::fs::write(path, bytes).with_context(|| path.display().to_string())
}

/// 1 for a missed bar, if that matters; 3 for what could not be measured.
fn code(args: &Args, results: &Results, verdicts: &[Verdict]) -> ExitCode {
    if args.strict && verdicts.iter().any(|verdict| verdict.outcome == Outcome::Missed) {
        return ExitCode::from(1);
    }
    let failed = results.missing.iter().any(|missing| missing.failed);
    ExitCode::from(if failed || results.rows.is_empty() || !raw::has_fio() { 3 } else { 0 })
}
