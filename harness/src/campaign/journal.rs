//! What a campaign keeps: a line for each case, in a file for each shard.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Shard;
use super::signature::signature;

/// The file that holds the cases of a merge.
pub const MERGED: &str = "merged.jsonl";
/// What names the directory, at the end of the command that shows a case again.
pub(super) const OUT: &str = " --out ";

/// Something that was found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct Found {
    /// The invariant that is broken; `harness` for a defect of the harness itself.
    pub invariant: String,
    /// What happened.
    pub says: String,
    /// The violation itself: what happened, without where and how it was met.
    #[serde(default)]
    pub violation: String,
    /// The kinds of the steps that led there last, as far as they are known.
    #[serde(default)]
    pub kinds: String,
    /// The command that shows it again.
    pub replay: String,
    /// The case of the explorer that shows it on one thread.
    #[serde(default)]
    pub case: Option<String>,
    /// In how many of two more runs of the same case it came again.
    pub again: u64,
    /// Its page in the campaign's directory; none if one of the same signature is told already.
    #[serde(default)]
    pub page: Option<String>,
    /// Why it is told neither as a trace nor as a race, if it is not.
    #[serde(default)]
    pub untold: Option<String>,
}

impl Found {
    /// What makes two findings the same: the invariant, what was wrong without its numbers, and the kinds of the last steps.
    #[must_use]
    pub fn signature(&self) -> String {
        let violation = if self.violation.is_empty() { &self.says } else { &self.violation };
        signature(&self.invariant, violation, &self.kinds)
    }

    /// The command that shows it again, where the cases are in this directory now: it may have been another machine's.
    #[must_use]
    pub fn replay_in(&self, out: &Path) -> String {
        match self.replay.split_once(OUT) {
            Some((command, _)) => format!("{command}{OUT}{}", out.display()),
            None => self.replay.clone(),
        }
    }

    /// Whether there is a trace of it, or a race.
    #[must_use]
    pub const fn is_told(&self) -> bool {
        self.page.is_some() && self.untold.is_none()
    }
}

/// A case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// The commit that was run.
    pub commit: String,
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

/// What a case is one of: commit, seed, number of shards, shard.
pub(super) type ShardKey = (String, u64, u64, u64);

impl Line {
    pub(super) fn shard_key(&self) -> ShardKey {
        (self.commit.clone(), self.seed, self.of, self.shard)
    }
}

/// The file of one shard.
#[derive(Debug)]
pub struct Journal {
    lines: Vec<Line>,
    file: File,
    begun: PathBuf,
}

impl Journal {
    /// Opens a shard's file, and reads what is there. A last line that was cut is cut off. No other process runs the shard
    /// as long as this one has it.
    ///
    /// # Errors
    /// It cannot be read or written, another process runs it, it belongs to a campaign with another seed or of another
    /// commit, or the directory's campaign is divided into another number of shards.
    pub fn open(shard: &Shard, out: &Path) -> io::Result<Self> {
        fs::create_dir_all(out)?;
        divided(shard, out)?;
        let path = shard.file(out);
        let file = OpenOptions::new().create(true).append(true).open(&path)?;
        file.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => {
                let says = format!("another process runs the shard of {}", path.display());
                io::Error::new(io::ErrorKind::ResourceBusy, says)
            }
            TryLockError::Error(error) => error,
        })?;
        let bytes = fs::read(&path)?;
        let whole = whole(&bytes);
        let lines = of_shard(shard, &path, parse(&path, whole)?)?;
        let other = lines.iter().find(|line| line.seed != shard.seed || line.commit != shard.commit);
        if let Some(Line { seed, commit, .. }) = other {
            let says = format!(
                "{} is of the campaign with seed {seed} on commit {commit}, and this is seed {} on commit {}: give another \
                 --out, and put both together by `cargo verify merge`",
                path.display(),
                shard.seed,
                shard.commit
            );
            return Err(io::Error::new(io::ErrorKind::InvalidInput, says));
        }
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

    /// Writes down that a case begins, before anything of it runs. Returns how often it has begun by now, and never ended.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn begin(&self, index: u64, arm: &str) -> io::Result<u64> {
        let before = fs::read_to_string(&self.begun).unwrap_or_default();
        let same = before.trim_end().strip_prefix(&format!("{index} {arm} "));
        let times = same.and_then(|times| times.parse::<u64>().ok()).unwrap_or_default() + 1;
        // Under another name first: a kill amid the write must not make the case a new one.
        let new = self.begun.with_extension("begun-new");
        fs::write(&new, format!("{index} {arm} {times}\n"))?;
        fs::rename(new, &self.begun)?;
        Ok(times)
    }

    /// Writes down what came of it.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn end(&mut self, line: Line) -> io::Result<()> {
        let mut text = serde_json::to_string(&line)?;
        text.push('\n');
        self.file.write_all(text.as_bytes())?;
        self.file.sync_data()?;
        self.lines.push(line);
        fs::write(&self.begun, "")
    }
}

/// The lines that were written to their end: a kill or a loss of power may leave anything behind them.
pub(super) fn whole(bytes: &[u8]) -> &[u8] {
    bytes.iter().rposition(|byte| *byte == b'\n').map_or(&[], |end| &bytes[..=end])
}

pub(super) fn parse(path: &Path, bytes: &[u8]) -> io::Result<Vec<Line>> {
    let lines = bytes.split(|byte| *byte == b'\n').zip(1..);
    lines
        .filter(|(line, _)| !line.is_empty())
        .map(|(line, number)| {
            serde_json::from_slice(line).map_err(|error| {
                let says = format!(
                    "{} line {number} is no case: {error}; what stands before it is whole: cut the file there, or leave it out",
                    path.display()
                );
                io::Error::new(io::ErrorKind::InvalidData, says)
            })
        })
        .collect()
}

/// The cases of a shard's own file: what a case runs follows from those before it, so that none may be missing, and none twice.
fn of_shard(shard: &Shard, path: &Path, lines: Vec<Line>) -> io::Result<Vec<Line>> {
    let fits = |(line, due): (&Line, u64)| (line.shard, line.of, line.index) == (shard.shard, shard.of, due);
    match lines.iter().zip(0..).position(|at| !fits(at)) {
        None => Ok(lines),
        Some(due) => {
            let (Shard { shard, of, .. }, path) = (shard, path.display());
            let says = format!(
                "{path} line {}, where case {due} of shard {shard}/{of} is due, holds another",
                due + 1
            );
            Err(io::Error::new(io::ErrorKind::InvalidData, says))
        }
    }
}

/// Refuses a directory in which a campaign is divided into another number of shards: it would not go on, but begin again.
fn divided(shard: &Shard, out: &Path) -> io::Result<()> {
    for entry in fs::read_dir(out)? {
        let name = entry?.file_name();
        let name = name.to_string_lossy();
        let of = name.strip_prefix("shard-").and_then(|rest| rest.strip_suffix(".jsonl")?.split_once("-of-"));
        if let Some((_, of)) = of
            && of != shard.of.to_string()
        {
            let says = format!(
                "the campaign in {} is divided into {of} shards, and this one into {} (--shard's times --jobs): give the \
                 same, or another --out",
                out.display(),
                shard.of
            );
            return Err(io::Error::new(io::ErrorKind::InvalidInput, says));
        }
    }
    Ok(())
}

/// The cases of a shard that a directory holds, of its own or of a merge, without opening it for more.
///
/// # Errors
/// They cannot be read.
pub(super) fn kept(shard: &Shard, out: &Path) -> io::Result<Vec<Line>> {
    let (own, merged) = (shard.file(out), out.join(MERGED));
    let path = if own.exists() || !merged.exists() { own } else { merged };
    let mut lines = parse(&path, whole(&fs::read(&path)?))?;
    lines.retain(|line| (line.seed, line.shard, line.of) == (shard.seed, shard.shard, shard.of));
    of_shard(shard, &path, lines)
}

/// The cases that directories hold, each once, in one order: whatever the order of the directories is, and however often
/// one is given.
///
/// # Errors
/// One cannot be read, or holds something that is no case.
pub fn merge(dirs: &[PathBuf]) -> io::Result<Vec<Line>> {
    let mut cases: BTreeMap<(ShardKey, u64), (bool, String, Line)> = BTreeMap::new();
    for dir in dirs {
        for entry in fs::read_dir(dir)? {
            let path = entry?.path();
            if path.extension().is_none_or(|extension| extension != "jsonl") {
                continue;
            }
            for line in parse(&path, whole(&fs::read(&path)?))? {
                // Two runs of one case should differ in their time alone. Where one of them has found something it is
                // that one which stays, and else the lesser.
                let (clean, text) = (line.found.is_none(), serde_json::to_string(&line)?);
                let key = (line.shard_key(), line.index);
                let kept = cases.entry(key).or_insert_with(|| (clean, text.clone(), line.clone()));
                if (clean, &text) < (kept.0, &kept.1) {
                    *kept = (clean, text, line);
                }
            }
        }
    }
    Ok(cases.into_values().map(|(_, _, line)| line).collect())
}

#[cfg(test)]
mod tests;
