//! `cargo verify mutants --campaign`: engines with one mutant each, drawn by seed, and campaigns that are not told which.

use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use comfy_table::{Table, presets::UTF8_BORDERS_ONLY};
use serde::Serialize;

use super::declared::{Declared, declared};
use super::workshop::{Built, Workshop};
use super::{Arguments, drawn, out};
use crate::campaign::journal::merge;
use crate::campaign::proposals;
use crate::campaign::totals::Totals;

/// What a campaign on a mutant came to.
#[derive(Debug, Serialize)]
struct Hunt {
    mutant: String,
    /// What the mutant declares.
    invariant: String,
    /// The invariants of what was found.
    found: Vec<String>,
    /// Seconds of running.
    seconds: f64,
    cases: u64,
    /// The first command that shows it again.
    replay: String,
    /// What was proposed for the corpus: a trace, and how many steps of clients and of the world it has.
    proposed: Vec<(String, usize)>,
    /// Why there was no campaign.
    unbuilt: Option<String>,
}

impl Hunt {
    /// Nothing has happened yet.
    fn new(mutant: &Declared) -> Self {
        Self {
            mutant: mutant.slug.clone(),
            invariant: mutant.kill.invariants.join(", "),
            found: Vec::new(),
            seconds: 0.0,
            cases: 0,
            replay: String::new(),
            proposed: Vec::new(),
            unbuilt: None,
        }
    }

    fn is_found(&self) -> bool {
        !self.found.is_empty()
    }

    /// Whether an invariant is one that the mutant declares.
    fn declares(&self, invariant: &str) -> bool {
        self.invariant.split(", ").any(|one| one == invariant)
    }
}

/// Runs the campaigns. 0 if each mutant was found, 1 if one was not, 4 if the surroundings failed.
pub(super) fn run(root: &Path, arguments: &Arguments) -> ExitCode {
    let hunts = match hunt(root, arguments) {
        Ok(hunts) => hunts,
        Err(error) => {
            eprintln!("cargo verify mutants: {error}");
            return ExitCode::from(4);
        }
    };
    if hunts.is_empty() {
        eprintln!("cargo verify mutants: no such mutant in corpus/mutants");
        return ExitCode::from(2);
    }
    let end = ExitCode::from(u8::from(!hunts.iter().all(Hunt::is_found)));
    if arguments.json { out::json(&hunts, end) } else { out::print(render(&hunts), end) }
}

/// Mutants of the engine, `count` of them, as the seed says.
fn hidden(mut mutants: Vec<Declared>, arguments: &Arguments) -> Vec<Declared> {
    mutants.retain(|mutant| {
        let wanted = arguments.only.is_empty() || arguments.only.contains(&mutant.slug);
        // A mutant of the specification or of the disk changes what judges.
        wanted && !matches!(mutant.kill.check.as_str(), "mechanism" | "conformance")
    });
    drawn(mutants, arguments.seed, arguments.count)
}

fn hunt(root: &Path, arguments: &Arguments) -> io::Result<Vec<Hunt>> {
    let workshop = Workshop::new(root)?;
    let mutants = hidden(declared(&root.join("corpus/mutants"))?, arguments);
    mutants
        .iter()
        .map(|mutant| {
            eprintln!("{}: building", mutant.slug);
            let hunt = match workshop.build(mutant)? {
                Ok(built) => {
                    on(&workshop.base().join("campaign").join(&mutant.slug), mutant, &built, arguments)?
                }
                Err(end) => Hunt { unbuilt: Some(end.to_string()), ..Hunt::new(mutant) },
            };
            eprintln!("{}: {}", mutant.slug, if hunt.is_found() { "found" } else { "NOT FOUND" });
            Ok(hunt)
        })
        .collect()
}

/// A campaign on one mutant, from nothing, into `dir`.
fn on(dir: &Path, mutant: &Declared, built: &Built, arguments: &Arguments) -> io::Result<Hunt> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    fs::create_dir_all(dir)?;
    let minutes = arguments.minutes.to_string();
    let seed = arguments.seed.to_string();
    let jobs = arguments.jobs.to_string();
    let mut command = Command::new(built.program());
    command.args([
        "campaign",
        "--until-found",
        "--minutes",
        &minutes,
        "--seed",
        &seed,
        "--jobs",
        &jobs,
        "--out",
    ]);
    command.arg(dir).stdout(Stdio::null());
    let status = command.status()?;
    if !matches!(status.code(), Some(0 | 1 | 3)) {
        return Err(io::Error::other(format!("{}: the campaign ended with {status}", mutant.slug)));
    }
    let totals = Totals::of(&merge(&[dir.to_owned()])?);
    let mut hunt = Hunt { cases: totals.cases, seconds: totals.seconds, ..Hunt::new(mutant) };
    for (first, _) in totals.findings.values() {
        if hunt.replay.is_empty() || hunt.declares(&first.invariant) {
            hunt.replay.clone_from(&first.replay);
        }
        hunt.found.push(first.invariant.clone());
    }
    hunt.proposed = proposals(dir)?;
    Ok(hunt)
}

fn render(hunts: &[Hunt]) -> String {
    let mut table = Table::new();
    let header = ["mutant", "invariant", "found", "cases", "seconds", "proposed", "steps", "again"];
    table.load_style(UTF8_BORDERS_ONLY).set_header(header);
    for hunt in hunts {
        let (paths, steps): (Vec<&str>, Vec<String>) =
            hunt.proposed.iter().map(|(path, steps)| (path.as_str(), steps.to_string())).unzip();
        let found = match &hunt.unbuilt {
            Some(end) => end.clone(),
            None if hunt.found.is_empty() => "NOTHING".to_owned(),
            None => hunt.found.join("\n"),
        };
        table.add_row([
            hunt.mutant.clone(),
            hunt.invariant.clone(),
            found,
            hunt.cases.to_string(),
            format!("{:.0}", hunt.seconds),
            paths.join("\n"),
            steps.join("\n"),
            hunt.replay.clone(),
        ]);
    }
    let found = hunts.iter().filter(|hunt| hunt.is_found()).count();
    let declared = hunts.iter().filter(|hunt| hunt.found.iter().any(|one| hunt.declares(one))).count();
    format!("{table}\nfound: {found} of {}, for the invariant that it declares: {declared}", hunts.len())
}
