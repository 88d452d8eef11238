//! A run: rounds over workloads over contenders, each measurement in a process of its own, so that its memory, its
//! processor time and its threads are its own.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::args::Args;
use crate::measure::Sample;
use crate::peers::PEERS;
use crate::plan::{Scale, Task};
use crate::raw::{RAWS, has_fio};
use crate::results::{Missing, Results, Row};
use crate::workloads::Workload;

/// The longest that one measurement may take.
const PATIENCE: Duration = Duration::from_secs(180);

/// A run under way.
pub struct Run<'a> {
    args: &'a Args,
    dir: PathBuf,
    scale: Scale,
    results: Results,
}

/// What a process is started for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Errand {
    Prepare,
    Measure,
}

/// Runs all that was asked for, in `dir`.
pub fn run(args: &Args, dir: &Path) -> Result<Results> {
    let mut run = Run { args, dir: dir.to_owned(), scale: args.scale(), results: Results::default() };
    if !has_fio() {
        eprintln!("fio is not installed: THE RAW LIMITS ARE HELD AGAINST NOTHING (apt-get install fio)");
    }
    for workload in args.workloads() {
        let wanted = |other: &Workload| args.workloads().contains(other);
        // The log that is kept is the same for all of these; the last that needs it removes it.
        let is_last = ![Workload::Recovery, Workload::Scan, Workload::Get]
            .iter()
            .skip_while(|other| **other != workload)
            .skip(1)
            .any(wanted);
        run.workload(workload)?;
        if is_last {
            run.sweep()?;
        }
    }
    run.sweep()?;
    Ok(run.results)
}

impl Run<'_> {
    fn workload(&mut self, workload: Workload) -> Result<()> {
        let contenders = self.contenders(workload);
        for part in 0..workload.parts() {
            if workload.keeps() {
                self.prepare(workload, part, &contenders)?;
            }
            for round in 0..self.scale.rounds {
                for contender in &contenders {
                    if !self.has_failed(workload, contender) {
                        self.one(workload, part, round, contender)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Who takes part, the limits first. Tells who has no such thing.
    fn contenders(&mut self, workload: Workload) -> Vec<&'static str> {
        let raws = RAWS.iter().filter(|raw| raw.workloads.contains(&workload));
        let mut names: Vec<_> = raws.map(|raw| raw.name).filter(|name| *name != "fio" || has_fio()).collect();
        for peer in PEERS.into_iter().filter(|peer| self.args.wants(peer.name)) {
            if workload.ours_alone() && peer.name != "truelog" {
                continue;
            }
            match peer.lack(workload) {
                Some(why) => self.miss(workload, peer.name, why.to_owned(), false),
                None => names.push(peer.name),
            }
        }
        names
    }

    fn has_failed(&self, workload: Workload, contender: &str) -> bool {
        // What could not be made cannot be read either.
        let same = |other: Workload| other == workload || (other.shares_log() && workload.shares_log());
        let mut failed = self.results.missing.iter().filter(|missing| missing.failed);
        failed.any(|missing| same(missing.workload) && missing.contender == contender)
    }

    /// Makes the logs of a part that are not there yet.
    fn prepare(&mut self, workload: Workload, part: u32, contenders: &[&str]) -> Result<()> {
        let whole = u32::try_from(self.scale.recovery_bytes.len() - 1)?;
        for contender in contenders {
            // Whatever reads a whole log needs all parts of it.
            let parts = match workload {
                Workload::Recovery => part..=part,
                Workload::Archive => 0..=0,
                _ if contender.starts_with("raw-") => 0..=0,
                _ => 0..=whole,
            };
            for part in parts {
                let task = self.task(workload, part, contender);
                let done = PathBuf::from(format!("{}.part-{part}", task.dir.display()));
                let is_fio = *contender == "fio";
                if done.exists() || is_fio || self.has_failed(workload, contender) {
                    continue;
                }
                std::fs::create_dir_all(&self.dir)?;
                match self.start(&task, Errand::Prepare) {
                    Ok(_) => std::fs::write(done, b"")?,
                    Err(error) => self.miss(workload, contender, format!("making its log: {error:#}"), true),
                }
            }
        }
        Ok(())
    }

    fn task(&self, workload: Workload, part: u32, contender: &str) -> Task {
        let name = match workload {
            Workload::Archive => "archive".to_owned(),
            other if other.keeps() => format!("kept-{contender}"),
            other => format!("{}-{contender}", other.name()),
        };
        Task {
            contender: contender.to_owned(),
            workload,
            part,
            dir: self.dir.join(name),
            out: self.dir.join("sample.json"),
            scale: self.scale,
        }
    }

    fn one(&mut self, workload: Workload, part: u32, round: u32, contender: &str) -> Result<()> {
        let task = self.task(workload, part, contender);
        let place = workload.part_name(part);
        eprintln!("round {} of {}: {} {place} {contender}", round + 1, self.scale.rounds, workload.name());
        match self.start(&task, Errand::Measure) {
            Ok(sample) => {
                let contender = contender.to_owned();
                self.results.rows.push(Row { workload, part, contender, round, sample });
            }
            Err(error) => {
                eprintln!("  FAILED: {error:#}");
                self.miss(workload, contender, format!("{error:#}"), true);
            }
        }
        if !workload.keeps() {
            remove(&task.dir)?;
        }
        Ok(())
    }

    /// Runs a task in a process of its own.
    fn start(&self, task: &Task, errand: Errand) -> Result<Sample> {
        std::fs::create_dir_all(&self.dir)?;
        let errors = self.dir.join("stderr");
        let mut child = Command::new(std::env::current_exe()?)
            .arg("--one")
            .arg(serde_json::to_string(&(errand == Errand::Prepare, task))?)
            .env("WALRUS_DATA_DIR", &task.dir)
            .env("WALRUS_QUIET", "1")
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&errors)?)
            .spawn()?;
        let began = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            if began.elapsed() > PATIENCE {
                child.kill()?;
                child.wait()?;
                bail!("it had not ended after {} s", PATIENCE.as_secs());
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        if !status.success() {
            bail!("{}", why(status, &std::fs::read_to_string(&errors).unwrap_or_default()));
        }
        let sample = std::fs::read(&task.out).context("it left no result")?;
        std::fs::remove_file(&task.out)?;
        Ok(serde_json::from_slice(&sample)?)
    }

    fn miss(&mut self, workload: Workload, contender: &str, why: String, failed: bool) {
        self.results.missing.push(Missing { workload, contender: contender.to_owned(), why, failed });
    }

    fn sweep(&self) -> Result<()> {
        remove(&self.dir)
    }
}

/// The last words of a process.
fn why(status: ExitStatus, errors: &str) -> String {
    let lines: Vec<&str> = errors.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let words = lines.iter().rev().take(3).rev().copied().collect::<Vec<_>>().join("; ");
    if words.is_empty() { status.to_string() } else { words }
}

fn remove(dir: &Path) -> Result<()> {
    match std::fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| dir.display().to_string())
        }
        _ => Ok(()),
    }
}
