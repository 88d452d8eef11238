//! What is known: the claims and what became of them, the directory, and the log in it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use truelog::{Condition, Error, Inspection};

use super::hypotheses::is_missing;
use super::surroundings::Surroundings;
use crate::args::Logs;
use crate::audit::history::Change;
use crate::audit::judge::Lack;
use crate::audit::scan::{Complaint, Label, Scan};
use crate::audit::source::At;
use crate::audit::stage::Stage;
use crate::failure::Failure;

/// How many broken artifacts, and how many files of the directory, are named.
pub(crate) const NAMED: usize = 20;

/// Claims on one artifact that do not hold.
#[derive(Debug)]
pub(crate) struct Broken {
    pub(crate) why: String,
    pub(crate) claims: u64,
    pub(crate) first: At,
    pub(crate) last: At,
}

/// A file of the directory.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) name: String,
    /// Its length, in bytes.
    pub(crate) len: u64,
    /// When it was written last, if that is known.
    pub(crate) changed: Option<SystemTime>,
}

/// Everything that the report cites.
pub(crate) struct Evidence {
    pub(crate) logs: Vec<PathBuf>,
    pub(crate) patterns: Option<PathBuf>,
    pub(crate) dir: PathBuf,
    pub(crate) scan: Scan,
    /// By artifact and what it lacks; `None` for what could not be held against anything.
    pub(crate) broken: BTreeMap<(String, Option<Lack>), Broken>,
    /// Claims on artifacts that are not among these.
    pub(crate) more_broken: u64,
    /// Violated claims, by what the artifact lacks.
    pub(crate) lacks: BTreeMap<Lack, u64>,
    /// The directory's files by name, or why they are not known.
    pub(crate) files: Result<Vec<File>, String>,
    /// What the machine says.
    pub(super) surroundings: Surroundings,
}

impl Evidence {
    /// Gathers it. Takes no lock and writes nothing.
    ///
    /// # Errors
    /// As [`Scan::run`].
    pub(crate) fn gather(args: &Logs) -> Result<Self, Failure> {
        let mut broken: BTreeMap<_, Broken> = BTreeMap::new();
        let (mut more_broken, mut lacks) = (0, BTreeMap::new());
        let scan = Scan::run(args, &mut |_, complaint| {
            let Complaint { at, claim, lack, why } = complaint;
            if let Some(lack) = lack {
                *lacks.entry(*lack).or_default() += 1;
            }
            let key = (claim.artifact().unwrap_or_else(|| "no artifact".to_owned()), *lack);
            if broken.len() >= NAMED && !broken.contains_key(&key) {
                more_broken += 1;
                return Ok(());
            }
            let new = Broken { why: (*why).to_owned(), claims: 0, first: *at, last: *at };
            let known = broken.entry(key).or_insert(new);
            known.claims += 1;
            known.last = *at;
            Ok(())
        })?;
        let files = list(args).map_err(|error| error.to_string());
        let (logs, patterns, dir) = (args.logs.clone(), args.patterns.clone(), args.dir.clone());
        let surroundings = Surroundings::of(&dir);
        Ok(Self { logs, patterns, dir, scan, broken, more_broken, lacks, files, surroundings })
    }

    /// `app.log:17`.
    pub(crate) fn at(&self, at: At) -> String {
        at.text(&self.logs)
    }

    /// The log in the directory.
    pub(crate) fn view(&self) -> Option<&Inspection> {
        self.scan.judge.view()
    }

    /// How many violated claims lack this.
    pub(crate) fn lacking(&self, lack: Lack) -> u64 {
        self.lacks.get(&lack).copied().unwrap_or(0)
    }

    /// Claims that were held against an artifact, and hold.
    pub(crate) fn holding(&self) -> u64 {
        let tally = &self.scan.tally;
        tally.verified + tally.unvouched + tally.by_name
    }

    /// Whether the log's own lines, its files, or what an auditor has left say that something is wrong with it, whatever
    /// became of the claims that were held.
    pub(crate) fn is_grave(&self) -> bool {
        let told = self.scan.history.changes().any(Change::is_grave);
        let halted = |view: &Inspection| {
            !view.damage().is_empty()
                || !view.audited().violated.is_empty()
                || view.health().verdict == Condition::Halted
        };
        told || self.view().is_some_and(halted) || self.unread().is_some()
    }

    /// Damage that keeps anybody from looking at the log.
    pub(crate) fn unread(&self) -> Option<&Error> {
        let corrupt = |error: &&Error| matches!(error, Error::CorruptFile { .. } | Error::Corrupt { .. });
        self.scan.judge.trouble().filter(corrupt)
    }

    /// Whether every claim that there is was held, there is one, and nothing else speaks of a failure.
    pub(crate) fn is_clean(&self) -> bool {
        let tally = &self.scan.tally;
        tally.violated == 0 && tally.unverifiable == 0 && tally.claims > 0 && !self.is_grave()
    }

    /// The first of the log's own lines that tells of one of these codes: what it says, and where.
    pub(crate) fn told_of(&self, codes: &[&str]) -> Option<String> {
        let coded = |change: &&Change| change.code.as_deref().is_some_and(|code| codes.contains(&code));
        let change = self.scan.history.changes().filter(|change| change.is_wrong()).find(coded)?;
        Some(format!("{} [{}]", change.text(), self.at(change.first)))
    }

    /// What the log's files have of damage: the first of it, and how much.
    pub(crate) fn damaged(&self) -> Option<String> {
        if let Some(error) = self.unread() {
            return Some(format!(
                "damage: {}: {error} [`truelog doctor {}`]",
                error.code(),
                shell(&self.dir)
            ));
        }
        let damage = self.view()?.damage();
        let first = damage.first()?;
        Some(format!(
            "{} pieces of damage, the first is: {} [`truelog stat {}`]",
            damage.len(),
            first.error,
            shell(&self.dir)
        ))
    }

    /// The same of what is there, and is not what was written.
    pub(crate) fn damaged_bytes(&self) -> Option<String> {
        if self.unread().is_some() {
            return self.damaged();
        }
        let mut damage = self.view()?.damage().iter().filter(|it| !is_missing(&it.error));
        let first = damage.next()?;
        let more = damage.count();
        Some(format!("{}, and {more} more [`truelog stat {}`]", first.error, shell(&self.dir)))
    }

    /// What is counted of a stage.
    pub(crate) fn of_stage(&self, stage: Stage) -> impl Iterator<Item = &Label> {
        self.scan.labels.iter().filter(move |label| label.stage == Some(stage) && label.lines > 0)
    }

    /// An event of the log's own, or what a pattern of that name counts.
    pub(crate) fn event(&self, name: &str) -> Option<&Label> {
        self.scan.labels.iter().find(|label| label.name == name && label.lines > 0)
    }

    /// Where a label was seen: `app.log:2 to app.log:38`.
    pub(crate) fn span(&self, label: &Label) -> String {
        match label.seen {
            Some((first, last)) if first == last => self.at(first),
            Some((first, last)) => format!("{} to {}", self.at(first), self.at(last)),
            None => String::new(),
        }
    }
}

/// A path as a shell takes it: quoted where it has to be.
pub(super) fn shell(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:,@%".contains(c);
    let safe = !text.is_empty() && text.chars().all(plain) && !text.starts_with('-');
    if safe { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

fn list(args: &Logs) -> std::io::Result<Vec<File>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(&args.dir)? {
        let entry = entry?;
        let found = entry.metadata().ok();
        let changed = found.as_ref().and_then(|found| found.modified().ok());
        let name = entry.file_name().to_string_lossy().into_owned();
        files.push(File { name, len: found.map_or(0, |found| found.len()), changed });
    }
    files.sort_by(|one, two| one.name.cmp(&two.name));
    Ok(files)
}
