//! The verifier's command, `cargo verify`.

mod campaign;
mod case;
mod checks;
mod conform;
mod corpus;
mod explore;
mod fpre004;
mod input;
mod instructions;
mod kernel;
mod mechanism;
mod mutants;
mod out;
mod promote;
mod real;
mod replay;
mod schedule;
mod speed;
mod table;
mod trace;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use checks::{CHECKS, Check, Plan};
pub(crate) use checks::{COMMIT, commit};

use crate::report::{Report, Verdict, junit, sarif};

/// Checks Truelog against its specification: model, simulated disk, schedules, real processes.
///
/// Without a subcommand every check runs in its pinned scope; that is the project's main job.
/// Exit codes: 0 holds, 1 violated, 2 wrong usage, 3 incomplete (says what was skipped), 4 environment.
#[derive(Debug, Parser)]
#[command(name = "cargo verify", version, after_help = EXAMPLES)]
struct Arguments {
    #[command(flatten)]
    plan: Plan,
    #[command(subcommand)]
    command: Option<Command>,
}

const EXAMPLES: &str = "Examples:
  cargo verify                      every check, in its pinned scope
  cargo verify --only crash --deep --seconds 600
  cargo verify --json > report.json
  cargo verify --sarif findings.sarif --junit checks.xml
  cargo verify replay corpus/acked-is-durable/ack-on-write.trace
  cargo verify show corpus/acked-is-durable/ack-on-write.trace
  cargo verify shrink long.trace > short.trace
  cargo verify explore recovery --port 3000
  cargo verify corpus --check
  cargo verify mutants --only ack-before-sync
  cargo verify campaign --minutes 20 --jobs 2 --out campaign
  cargo verify merge shard-a shard-b
  cargo verify mutants --canaries --jobs 2
  cargo verify mutants --campaign --seed 7 --count 3 --minutes 5
  cargo verify promote 'random: append append @ 17 power none' --slug what-went-wrong
  cargo verify fpre004 --json > fpre004.json";

#[derive(Debug, Subcommand)]
enum Command {
    /// Lists the checks.
    List,
    /// Builds each mutant of corpus/mutants and demands that it is killed for the invariant it declares.
    Mutants(mutants::Arguments),
    /// Makes the traces and pages of corpus/ that follow from the specification's switches.
    Corpus(corpus::Arguments),
    /// Runs cases of every kind without end: swarm runs, schedules, fuzz targets. Each is kept; a killed campaign goes on.
    Campaign(campaign::Campaign),
    /// Puts the shards of a campaign together, and writes their summary.
    Merge(campaign::Merge),
    /// Makes a trace and a page of what a case shows, for the corpus; keeps what an input of a fuzz target shows.
    Promote(promote::Arguments),
    /// Runs one input of a fuzz target again, as a finding of a campaign prints it, and says what it stands for.
    Input(input::Arguments),
    /// Runs one case again, as a finding of the checks `crash`, `faults`, `random` and `roles` prints it.
    Case(case::Arguments),
    /// The incident FPRE004 in virtual time, on three designs of the prefetch buffer: all its figures.
    Fpre004(fpre004::Arguments),
    /// Counts the instructions of the hot paths under callgrind, and holds them against harness/instructions.txt.
    Instructions(instructions::Arguments),
    /// Measures how much the checks explore in a second: states, schedules, images, recoveries, pairs.
    Speed(speed::Arguments),
    /// Replays a trace of the corpus, on the mechanism and on the production code.
    Replay(replay::Arguments),
    /// Shows a trace in the terminal: every step, and how it ends.
    Show(trace::One),
    /// Prints a trace's page, in Markdown.
    Page(trace::One),
    /// Says which steps and outcomes of two traces differ, and where first.
    Diff(trace::Two),
    /// Leaves out the steps that a trace's violation does not need; says why the others stay.
    Shrink(trace::One),
    /// Prints a trace for other tools.
    Export(trace::Export),
    /// Serves a scope of the specification to a browser: stateright's Explorer. Without a scope, lists them.
    Explore(explore::Arguments),
    /// Runs one thread schedule again, as a finding of the check `schedules` prints it.
    Schedule(schedule::Arguments),
    /// Explores one loom scenario in this process; the check `loom` runs each so, as a child.
    #[command(hide = true)]
    Kernel(kernel::Arguments),
    /// Runs one hot path in this process; `instructions` runs each so, under callgrind.
    #[command(hide = true)]
    HotPath(instructions::HotPath),
}

/// Runs the command with the process's arguments.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match arguments.command {
        None => run(&arguments.plan),
        Some(Command::List) => {
            let lines = CHECKS.iter().map(|check| format!("{:<12} {}", check.name, check.says));
            out::print(lines.collect::<Vec<_>>().join("\n"), ExitCode::SUCCESS)
        }
        Some(Command::Campaign(campaign)) => campaign::run(&campaign, arguments.plan.seed()),
        Some(Command::Merge(merge)) => campaign::run_merge(&merge),
        Some(Command::Promote(arguments)) => promote::run(&arguments),
        Some(Command::Input(input)) => input::run(&input),
        Some(Command::Case(case)) => case::run(&case),
        Some(Command::Corpus(arguments)) => corpus::run(&arguments),
        Some(Command::Fpre004(arguments)) => fpre004::run(&arguments),
        Some(Command::HotPath(path)) => instructions::hot_path(&path),
        Some(Command::Instructions(arguments)) => instructions::run(&arguments),
        Some(Command::Mutants(mutants)) => mutants::run(&mutants),
        Some(Command::Replay(arguments)) => replay::run(&arguments),
        Some(Command::Speed(speed)) => speed::run(&speed, &arguments.plan),
        Some(Command::Show(trace)) => trace::show(&trace),
        Some(Command::Page(trace)) => trace::page(&trace),
        Some(Command::Diff(traces)) => trace::diff(&traces),
        Some(Command::Shrink(trace)) => trace::shrink(&trace),
        Some(Command::Export(trace)) => trace::export(&trace),
        Some(Command::Explore(arguments)) => explore::run(&arguments),
        Some(Command::Schedule(arguments)) => schedule::run(&arguments),
        Some(Command::Kernel(arguments)) => kernel::run(&arguments),
    }
}

fn run(plan: &Plan) -> ExitCode {
    let chosen = match plan.chosen() {
        Ok(chosen) => chosen,
        Err(unknown) => {
            eprintln!("cargo verify: no check is called {unknown:?}; `cargo verify list` names them");
            return ExitCode::from(2);
        }
    };
    eprintln!("seed {} commit {}", plan.seed(), commit());
    if let Some(knob) = plan.without {
        knob.turn_off();
    }
    let reports: Vec<Report> = chosen.iter().map(|check| checks::run(check, plan)).collect();
    let worst = reports.iter().map(|report| report.verdict).max().unwrap_or(Verdict::Incomplete);
    let end = ExitCode::from(worst.exit_code());
    let end = match write(plan, &reports) {
        Ok(()) => end,
        Err(error) => {
            eprintln!("cargo verify: {error}");
            ExitCode::from(4)
        }
    };
    let end = if plan.json { out::json(&reports, end) } else { out::print(table::render(&reports), end) };
    for finding in reports.iter().flat_map(|report| &report.findings) {
        eprintln!("\nVIOLATED {}\n{}\nagain: {}", finding.invariant, finding.says, finding.replay);
    }
    end
}

/// Writes the files that were asked for.
fn write(plan: &Plan, reports: &[Report]) -> Result<(), WriteError> {
    let put = |path: &PathBuf, text: String| {
        std::fs::write(path, text).map_err(|source| WriteError { path: path.clone(), source })
    };
    if let Some(path) = &plan.sarif {
        put(path, format!("{:#}\n", sarif(reports, &commit())))?;
    }
    if let Some(path) = &plan.junit {
        put(path, junit(reports))?;
    }
    Ok(())
}

/// A report that could not be written.
#[derive(Debug, thiserror::Error)]
#[error("{} cannot be written: {source}", path.display())]
struct WriteError {
    path: PathBuf,
    source: std::io::Error,
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Whether this very command takes a line that was printed to be run again.
    pub(crate) fn takes(line: &str) -> Result<(), String> {
        let line = line.strip_prefix("cargo verify ").ok_or(format!("{line:?} is no command"))?;
        let mut words = vec!["cargo verify".to_owned()];
        for (at, part) in line.split('"').enumerate() {
            if at % 2 == 1 {
                words.push(part.to_owned());
            } else {
                words.extend(part.split_whitespace().map(str::to_owned));
            }
        }
        Arguments::try_parse_from(words).map(drop).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_no_command_is_seen() {
        assert!(takes("cargo verify campaign --seed 7 --shard 0/2").is_err(), "it lacks the time");
        assert_eq!(takes("cargo verify campaign --seed 7 --shard 0/2 --case 12 --out some/where"), Ok(()));
        assert_eq!(takes("cargo verify case \"random: append @ 3 process\""), Ok(()));
        assert!(takes("cargo fuzz run batch").is_err());
    }
}
