//! What a campaign keeps: a line for each case, in a file for each shard.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Shard;

/// Something that was found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Found {
    /// The invariant that is broken; `harness` for a defect of the harness itself.
    pub invariant: String,
    /// What happened.
    pub says: String,
    /// The command that shows it again.
    pub replay: String,
    /// In how many of two more runs of the same case it came again.
    pub again: u64,
}

impl Found {
    /// What makes two findings the same: the invariant, and what happened, without its numbers.
    #[must_use]
    pub fn signature(&self) -> String {
        let mut words: String = self.says.lines().next().unwrap_or_default().chars().take(160).collect();
        words.retain(|char| !char.is_ascii_digit());
        format!("{}: {words}", self.invariant)
    }
}

/// A case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// The campaign's seed.
    pub seed: u64,
    /// The shard.
    pub shard: u64,
    /// Of how many.
    pub of: u64,
    /// The case's number in its shard, from 0.
    pub index: u64,
    /// What it ran.
    pub arm: String,
    /// How long that took.
    pub seconds: f64,
    /// What it counted.
    pub counts: BTreeMap<String, u64>,
    /// What it reached that its shard had not reached before.
    pub reached: Vec<String>,
    /// What it found.
    pub found: Option<Found>,
}

impl Line {
    fn key(&self) -> (u64, u64, u64, u64) {
        (self.seed, self.of, self.shard, self.index)
    }
}

/// The cases of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// How many.
    pub cases: u64,
    /// How much they reached that was new then.
    pub reached: u64,
}

/// What cases come to.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Totals {
    /// How many cases.
    pub cases: u64,
    /// How long they took, all together, in seconds.
    pub seconds: f64,
    /// What they counted.
    pub counts: BTreeMap<String, u64>,
    /// What they reached.
    pub reached: BTreeSet<String>,
    /// Each kind of case.
    pub arms: BTreeMap<String, Tally>,
    /// What was found, the first of each signature, and how often.
    pub findings: BTreeMap<String, (Found, u64)>,
    /// Behind so many seconds of running, so much was reached.
    pub growth: Vec<(f64, usize)>,
}

impl Totals {
    /// Of lines, in order.
    #[must_use]
    pub fn of(lines: &[Line]) -> Self {
        let mut totals = Self::default();
        lines.iter().for_each(|line| totals.add(line));
        totals
    }

    /// Adds a case.
    pub fn add(&mut self, line: &Line) {
        self.cases += 1;
        self.seconds += line.seconds;
        for (what, n) in &line.counts {
            *self.counts.entry(what.clone()).or_default() += n;
        }
        let before = self.reached.len();
        self.reached.extend(line.reached.iter().cloned());
        let new = self.reached.len() - before;
        let tally = self.arms.entry(line.arm.clone()).or_default();
        tally.cases += 1;
        tally.reached += new as u64;
        if new > 0 {
            self.growth.push((self.seconds, self.reached.len()));
        }
        if let Some(found) = &line.found {
            self.findings.entry(found.signature()).or_insert_with(|| (found.clone(), 0)).1 += 1;
        }
    }
}

/// The file of one shard.
#[derive(Debug)]
pub struct Journal {
    lines: Vec<Line>,
    file: File,
    begun: PathBuf,
}

/// Whether a case was begun before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begun {
    /// It is new.
    First,
    /// It was begun, and never ended.
    Again,
}

impl Journal {
    /// Opens a shard's file, and reads what is there. A last line that was cut is cut off.
    ///
    /// # Errors
    /// It cannot be read or written, or belongs to a campaign with another seed.
    pub fn open(shard: Shard, out: &Path) -> io::Result<Self> {
        fs::create_dir_all(out)?;
        let path = shard.file(out);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error),
        };
        let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
        let lines = parse(&path, whole)?;
        if let Some(other) = lines.iter().find(|line| line.seed != shard.seed) {
            let says = format!("{} is of the campaign with seed {}", path.display(), other.seed);
            return Err(io::Error::new(io::ErrorKind::InvalidInput, says));
        }
        let file = OpenOptions::new().create(true).append(true).open(&path)?;
        file.set_len(whole.len() as u64)?;
        Ok(Self { lines, file, begun: path.with_extension("begun") })
    }

    /// The cases so far.
    #[must_use]
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// The number of the next case.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.lines.len() as u64
    }

    /// Writes down that a case begins, before anything of it runs.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn begin(&self, index: u64, arm: &str) -> io::Result<Begun> {
        let says = format!("{index} {arm}\n");
        let before = fs::read_to_string(&self.begun).unwrap_or_default();
        if before == says {
            return Ok(Begun::Again);
        }
        fs::write(&self.begun, says)?;
        Ok(Begun::First)
    }

    /// Writes down what came of it.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn end(&mut self, line: Line) -> io::Result<()> {
        let mut text = serde_json::to_string(&line)?;
        text.push('\n');
        self.file.write_all(text.as_bytes())?;
        self.lines.push(line);
        fs::write(&self.begun, "")
    }
}

fn parse(path: &Path, text: &str) -> io::Result<Vec<Line>> {
    let numbered = text.lines().zip(1..);
    numbered
        .map(|(line, number)| {
            serde_json::from_str(line).map_err(|error| {
                let says = format!("{} line {number} is no case: {error}", path.display());
                io::Error::new(io::ErrorKind::InvalidData, says)
            })
        })
        .collect()
}

/// The cases that directories hold, each once, in one order: whatever the order of the directories is, and however often
/// one is given.
///
/// # Errors
/// One cannot be read, or holds something that is no case.
pub fn merge(dirs: &[PathBuf]) -> io::Result<Vec<Line>> {
    let mut cases: BTreeMap<(u64, u64, u64, u64), (String, Line)> = BTreeMap::new();
    for dir in dirs {
        for entry in fs::read_dir(dir)? {
            let path = entry?.path();
            if path.extension().is_none_or(|extension| extension != "jsonl") {
                continue;
            }
            let text = fs::read_to_string(&path)?;
            let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
            for line in parse(&path, whole)? {
                // Two runs of one case differ in their time alone; the lesser is taken.
                let text = serde_json::to_string(&line)?;
                let kept = cases.entry(line.key()).or_insert_with(|| (text.clone(), line.clone()));
                if text < kept.0 {
                    *kept = (text, line);
                }
            }
        }
    }
    Ok(cases.into_values().map(|(_, line)| line).collect())
}
