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
use serde::{Deserialize, Serialize};

use args::Args;
use bars::{Outcome, Verdict};
use machine::Machine;
use peers::Peer;
use plan::{Scale, Task};
use results::Results;

#[global_allocator]
static ALLOCATOR: alloc::Counting = alloc::Counting;

/// All that `--json` writes and `--from` reads.
#[derive(Serialize, Deserialize)]
pub struct Report {
    /// What was asked for.
    pub command: String,
    /// On what.
    pub machine: Machine,
    /// How large.
    pub scale: Scale,
    /// What came of it.
    pub results: Results,
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

/// The whole run, or what is left of a former one.
fn all(args: &Args) -> Result<ExitCode> {
    let report = match &args.from {
        Some(path) => {
            let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
            serde_json::from_slice(&bytes).with_context(|| path.display().to_string())?
        }
        None => measure_all(args)?,
    };
    let verdicts = bars::judge(&report.results);
    print!("{}", table::report(&report, &verdicts, table::Style::Terminal));
    if let Some(path) = &args.json {
        let verdicts = serde_json::to_value(&verdicts)?;
        let mut whole = serde_json::to_value(&report)?;
        whole["verdicts"] = verdicts;
        write(path, &serde_json::to_vec_pretty(&whole)?)?;
    }
    if let Some(path) = &args.markdown {
        write(path, table::report(&report, &verdicts, table::Style::Markdown).as_bytes())?;
    }
    if let Some(dir) = &args.plots {
        plot::all(dir, &report.results)?;
    }
    Ok(code(args, &report.results, &verdicts))
}

fn measure_all(args: &Args) -> Result<Report> {
    for name in &args.only {
        ensure!(Peer::named(name).is_some(), "nobody is called {name}: {}", table::names());
    }
    std::fs::create_dir_all(&args.dir).with_context(|| args.dir.display().to_string())?;
    let above = args.dir.canonicalize()?;
    let dir = above.join("truelog-bench");
    ensure!(!dir.exists(), "{} is there already: another run, or what is left of one", dir.display());
    let machine = Machine::here(&above);
    let results = run::run(args, &dir)?;
    let command = std::env::args().skip(1).collect::<Vec<_>>().join(" ");
    Ok(Report { command, machine, scale: args.scale(), results })
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
    ExitCode::from(if failed || results.rows.is_empty() { 3 } else { 0 })
}
