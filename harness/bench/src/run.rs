//! A run: rounds over workloads over contenders, each measurement in a process of its own, so that its memory, its
//! processor time and its threads are its own.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::args::Args;
use crate::disk;
use crate::measure::Sample;
use crate::peers::{PEERS, Peer, Standing};
use crate::plan::{Scale, Task};
use crate::raw::{self, RAWS, has_fio};
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
    /// Whether the device's flushes tell how often it was synced.
    tells_syncs: bool,
}

/// What a process is started for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Errand {
    Prepare,
    Measure,
}

/// Runs all that was asked for, in `dir`.
pub fn run(args: &Args, dir: &Path) -> Result<Results> {
    std::fs::create_dir_all(dir)?;
    let hidden = disk::hides_syncs(dir)?;
    if let Some(why) = hidden {
        eprintln!("{why}: WHO CLAIMS TO SYNC IS NOT HELD TO IT");
    }
    let (scale, tells_syncs) = (args.scale(), hidden.is_none());
    let mut run = Run { args, dir: dir.to_owned(), scale, results: Results::default(), tells_syncs };
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
        let rounds = if workload.keeps() { self.scale.kept_rounds } else { self.scale.rounds };
        for part in 0..workload.parts() {
            if workload.keeps() {
                self.prepare(workload, part, &contenders)?;
            }
            for round in 0..rounds {
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
        let mut names: Vec<_> = raws.map(|raw| raw.name).collect();
        if !has_fio() && names.contains(&"fio") {
            let why = "fio is not installed (apt-get install fio): THE LIMITS ARE HELD AGAINST NOTHING";
            eprintln!("{why}");
            names.retain(|name| *name != "fio");
            self.miss(workload, "fio", why.to_owned(), true);
        }
        for peer in PEERS.iter().copied().filter(|peer| self.args.wants(peer.name)) {
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
                _ if raw::log_of(contender).starts_with("raw-") => 0..=0,
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
            other if other.keeps() => format!("kept-{}", raw::log_of(contender)),
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
        eprintln!("{} {place} round {}: {contender}", workload.name(), round + 1);
        let measured = self.start(&task, Errand::Measure);
        match measured.and_then(|sample| self.held_to_its_word(workload, contender, sample)) {
            Ok(sample) => {
                let contender = contender.to_owned();
                self.results.rows.push(Row { workload, part, contender, round, sample });
            }
            Err(error) => {
                eprintln!("  FAILED: {error:#}");
                // What came before it is worth no more.
                self.results.rows.retain(|row| row.workload != workload || row.contender != contender);
                self.miss(workload, contender, format!("{error:#}"), true);
            }
        }
        if !workload.keeps() {
            remove(&task.dir)?;
        }
        Ok(())
    }

    /// Whoever claims that each append was synced must have had the device flush for it. Others may flush too: a lie
    /// may go unseen on a busy machine, but the truth is never refused.
    fn held_to_its_word(&self, workload: Workload, contender: &str, sample: Sample) -> Result<Sample> {
        let standing = Peer::named(contender).map(|peer| peer.standing);
        let claims = !matches!(standing, Some(Standing::DoesNotSync(_)));
        if self.tells_syncs && workload == Workload::Append1 && claims {
            flushed(&sample)?;
        }
        Ok(sample)
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

fn flushed(sample: &Sample) -> Result<()> {
    let (flushes, ops) = (sample.flushes, sample.ops);
    // The last append may have been counted while it still waited.
    ensure!(
        flushes + 1 >= ops / 100 * 99,
        "the device flushed {flushes} times for {ops} appends: they were acknowledged before they were durable"
    );
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_acknowledges_more_than_was_flushed_is_caught() {
        let sample = |flushes, ops| Sample { flushes, ops, ..Sample::default() };
        assert!(flushed(&sample(1000, 1000)).is_ok());
        assert!(flushed(&sample(1500, 1000)).is_ok());
        assert!(flushed(&sample(0, 1000)).is_err());
        assert!(flushed(&sample(500, 1000)).is_err());
    }
}
