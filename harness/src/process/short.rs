//! The program behind a shim that makes its reads and writes short, or interrupts them: nothing may change.

use std::fs;
use std::path::Path;

use crate::progress::Progress;
use crate::report::Report;

use super::Trouble;
use super::lines::{Lines, Source};
use super::program::{Desk, Program, SMALL};

/// Where the build put the shim; empty when there was no compiler for it.
const SHIM: &str = env!("TRUELOG_SHORT_SHIM");

/// What is run behind the shim.
#[derive(Debug, Clone, Copy)]
pub struct Scope {
    /// Lines to append.
    pub lines: usize,
    /// Writers.
    pub writers: u64,
    /// How often, each time with another seed.
    pub rounds: u64,
    /// The first seed.
    pub seed: u64,
}

/// Runs the check in `dir`, which must exist and be empty.
#[must_use]
pub fn check(program: &Program, scope: &Scope, dir: &Path, progress: &Progress) -> Report {
    let words = format!(
        "{} lines, {} writers, create, append, resume, cat and verify, {} rounds from seed {}",
        scope.lines, scope.writers, scope.rounds, scope.seed
    );
    let mut report = Report::new("short calls", words);
    progress.expect(scope.rounds);
    for seed in scope.seed..scope.seed + scope.rounds {
        if let Err(trouble) = one(program, scope, seed, &dir.join(format!("seed-{seed}")), &mut report) {
            trouble.into_report(&mut report, &format!("cargo verify --only short --seed {seed}"));
        }
        progress.advance(1);
    }
    report
}

fn one(program: &Program, scope: &Scope, seed: u64, dir: &Path, report: &mut Report) -> Result<(), Trouble> {
    if SHIM.is_empty() || !Path::new(SHIM).exists() {
        return Err(Trouble::Missing("the preload shim was not built: no C compiler".into()));
    }
    fs::create_dir(dir).map_err(Trouble::io(dir))?;
    let (desk, counts) = (Desk::new(dir), dir.join("counts"));
    let program = program
        .clone()
        .with_env("LD_PRELOAD", SHIM)
        .with_env("TRUELOG_SHORT_SEED", &seed.to_string())
        .with_env("TRUELOG_SHORT_REPORT", &counts.display().to_string());
    let lines = Lines::get(Source::Made, scope.lines, seed);
    // First a part of the input, then all of it.
    let half = Lines::get(Source::Made, scope.lines / 2, seed);
    let sync = if seed.is_multiple_of(2) { "data-sync" } else { "write-through" };
    program.create(&desk.log, &[&["--sync", sync], &SMALL[..]].concat())?;
    let append = desk.append(scope.writers);
    for part in [&half, &lines] {
        part.save(&desk.input)?;
        let status =
            program.append(&mut program.command(), &append)?.status().map_err(Trouble::io(program.path()))?;
        if !status.success() {
            let says =
                format!("append behind the shim, seed {seed}, ended with {status}: {}", append.complaint());
            return Err(program.ended(&append, &says));
        }
    }
    let verified = program.verify(&desk.log, &desk.receipts)?.receipts;
    if verified.verified + verified.unvouched != lines.len() as u64 {
        let says = format!("seed {seed}: {} lines, but {verified:?}", lines.len());
        return Err(Trouble::violated("append-resolves", says));
    }
    program.compare(&desk.log, &lines, scope.writers, true)?;
    let text = fs::read_to_string(&counts).map_err(Trouble::io(&counts))?;
    let mut sums = [0; 3];
    for (index, word) in text.lines().flat_map(|line| line.split(' ').enumerate()) {
        sums[index % 3] += word.parse::<u64>().unwrap_or(0);
    }
    report.count("short writes", sums[0]);
    report.count("short reads", sums[1]);
    report.count("interruptions", sums[2]);
    Ok(())
}
