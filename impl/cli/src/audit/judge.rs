//! Holding a window of claims against the artifacts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;
use truelog::{Error, Inspection, Name, Place, Verdict, Violation};

use super::files::{FileClaim, Files};
use super::source::At;
use crate::failure::Failure;

/// How many removed files are remembered.
const MOST_RELEASED: usize = 65_536;

/// What a line claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Claimed {
    /// A batch of this log is durable.
    Batch(Place),
    /// A file is there.
    File(FileClaim),
    /// Something that cannot be held against anything, and why.
    Unread(&'static str),
}

impl Claimed {
    /// The claim in words.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Batch(place) => {
                format!(
                    "LSNs {} in {} at {} to {}",
                    place.lsns,
                    Name::Segment(place.segment),
                    place.offset,
                    place.end
                )
            }
            Self::File(FileClaim { path, need: None }) => path.display().to_string(),
            Self::File(FileClaim { path, need: Some(need) }) => {
                format!("{} to {need}", path.display())
            }
            Self::Unread(_) => "a claim".to_owned(),
        }
    }

    /// The artifact that it speaks of.
    pub(crate) fn artifact(&self) -> Option<String> {
        match self {
            Self::Batch(place) => Some(Name::Segment(place.segment).to_string()),
            Self::File(claim) => Some(claim.path.display().to_string()),
            Self::Unread(_) => None,
        }
    }
}

/// What an artifact lacks of what was claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Lack {
    /// It is not there.
    Missing,
    /// It is there, and too short.
    Short,
    /// It is there, and its bytes are not what was written.
    Damaged,
    /// Something else is there.
    Other,
}

/// What became of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Held {
    /// The bytes are there, and something durable vouches for them.
    Verified,
    /// The bytes are there, and nothing vouches for them yet.
    Unvouched,
    /// A file of that name is there, and long enough. What it should hold nobody knows.
    ByName,
    /// It was removed on purpose.
    Trimmed,
    /// It is not there, or differs; and why that is said.
    Violated(Lack, String),
    /// It cannot be held against anything.
    Unverifiable(String),
}

/// What claims are held against.
#[derive(Debug)]
pub(crate) struct Judge {
    dir: PathBuf,
    /// The log in the directory; or why none can be read.
    view: Result<Inspection, String>,
    /// What kept the last look from telling whether there is a log.
    trouble: Option<Error>,
    files: Files,
    /// Files that were removed on purpose, and where that was said last.
    released: BTreeMap<PathBuf, At>,
    /// More were removed than are remembered.
    forgets: bool,
}

impl Judge {
    /// What is in `dir`.
    ///
    /// # Errors
    /// The directory's path means nothing.
    pub(crate) fn new(dir: &Path) -> Result<Self, Failure> {
        let mut judge = Self::blind(dir)?;
        judge.look_again();
        Ok(judge)
    }

    /// As [`Judge::new`], but nobody has looked yet.
    ///
    /// # Errors
    /// The directory's path means nothing.
    pub(crate) fn blind(dir: &Path) -> Result<Self, Failure> {
        let files = Files::new(dir)?;
        let view = Err("nobody has looked".to_owned());
        Ok(Self {
            dir: dir.to_owned(),
            view,
            trouble: None,
            files,
            released: BTreeMap::new(),
            forgets: false,
        })
    }

    /// The log in the directory, as it was looked at last.
    pub(crate) fn view(&self) -> Option<&Inspection> {
        self.view.as_ref().ok()
    }

    /// A file was removed on purpose: a line there says so.
    pub(crate) fn release(&mut self, at: At, path: &Path) {
        let Some(below) = self.files.below(path) else { return };
        if let Some(last) = self.released.get_mut(&below) {
            *last = at.max(*last);
        } else if self.released.len() < MOST_RELEASED {
            self.released.insert(below, at);
        } else {
            self.forgets = true;
        }
    }

    /// Whether a file was removed on purpose behind a line.
    pub(crate) fn is_released(&self, path: &Path, behind: At) -> bool {
        let last = self.files.below(path).and_then(|below| self.released.get(&below));
        last.is_some_and(|last| *last > behind)
    }

    /// Holds claims against what is there, each against a look that is newer than the claim if it does not hold.
    ///
    /// # Errors
    /// The log cannot be looked at.
    pub(crate) fn hold(&mut self, claims: &[(At, &Claimed)]) -> Result<Vec<Held>, Failure> {
        let mut held: Vec<_> = claims.iter().map(|_| Held::Trimmed).collect();
        let mut places = Vec::new();
        self.files.forget();
        for (at, (line, claim)) in claims.iter().enumerate() {
            match claim {
                Claimed::Batch(place) => places.push((at, *place)),
                Claimed::File(claim) => held[at] = self.file(*line, claim),
                Claimed::Unread(why) => held[at] = Held::Unverifiable((*why).to_owned()),
            }
        }
        places.sort_unstable_by_key(|(_, place)| (place.lsns.first, place.offset));
        let newest = places.iter().map(|(_, place)| place.lsns.last).max();
        let known = self.view.as_ref().is_ok_and(|view| newest.is_none_or(|newest| newest < view.next()));
        if !known && !places.is_empty() {
            self.look_again();
        }
        let mut fresh = !known;
        while !places.is_empty() {
            let view = match &self.view {
                Ok(view) => view,
                Err(why) => {
                    places.iter().for_each(|(at, place)| held[*at] = unread(&mut self.files, place, why));
                    break;
                }
            };
            places = batches(view, &mut self.files, &places, &mut held);
            // What does not hold may be newer than that look, or may have been moved beside it.
            if places.is_empty() || (fresh && !view.is_outdated().map_err(Failure::log(&self.dir))?) {
                break;
            }
            self.look_again();
            fresh = true;
        }
        Ok(held)
    }

    /// Looks at the log in the directory anew. That it cannot be looked at keeps nobody from saying so of each claim.
    pub(crate) fn look_again(&mut self) {
        let looked = truelog::inspect(&self.dir);
        let is_no_log = |error: &Error| {
            matches!(error, Error::Unfinished { .. } | Error::InDoubt { .. } | Error::NotALog { .. })
        };
        self.trouble = looked.as_ref().err().filter(|error| !is_no_log(error)).cloned();
        let dir = self.dir.display();
        self.view = looked.map_err(|error| format!("no log can be read in {dir}: {}: {error}", error.code()));
    }

    /// What kept the last look from telling whether there is a log: another look may tell.
    pub(crate) const fn trouble(&self) -> Option<&Error> {
        self.trouble.as_ref()
    }

    fn file(&mut self, line: At, claim: &FileClaim) -> Held {
        let held = self.files.hold(claim);
        let Held::Violated(_, why) = &held else { return held };
        match self.files.below(&claim.path).and_then(|below| self.released.get(&below)) {
            Some(last) if *last > line => Held::Trimmed,
            None if self.forgets => {
                let limit = format!("more than {MOST_RELEASED} files were removed on purpose");
                Held::Unverifiable(format!("{why}; {limit}: nobody remembers whether it was one"))
            }
            Some(_) | None => held,
        }
    }
}

/// A batch of a log that cannot be read: that its file has a name and a length says nothing of its bytes.
fn unread(files: &mut Files, place: &Place, why: &str) -> Held {
    match files.hold(&segment(place)) {
        Held::ByName => Held::Unverifiable(why.to_owned()),
        held => held,
    }
}

/// Holds places against one look. Returns those that do not hold.
fn batches(
    view: &Inspection,
    files: &mut Files,
    places: &[(usize, Place)],
    held: &mut [Held],
) -> Vec<(usize, Place)> {
    let mut check = view.places();
    let mut left = Vec::new();
    for (at, place) in places {
        let found = match check.verify(place) {
            Ok(Verdict::Verified) => Held::Verified,
            Ok(Verdict::Unvouched) => Held::Unvouched,
            Ok(Verdict::Trimmed) => Held::Trimmed,
            Ok(Verdict::Violated { why }) => because(view, files, place, why),
            Ok(Verdict::Unverifiable { why }) => Held::Unverifiable(why.to_string()),
            Err(error) => Held::Unverifiable(error.to_string()),
        };
        if matches!(found, Held::Violated(..) | Held::Unverifiable(_)) {
            left.push((*at, *place));
        }
        held[*at] = found;
    }
    left
}

/// A claim that a segment is there, and reaches as far as a batch of it.
fn segment(place: &Place) -> FileClaim {
    FileClaim { path: Name::Segment(place.segment).to_string().into(), need: Some(place.end) }
}

/// Why a batch is not there: what its own file shows by itself comes first, then what the log finds damaged.
fn because(view: &Inspection, files: &mut Files, place: &Place, why: Violation) -> Held {
    let (lack, text) = match why {
        Violation::Damaged { lsns } => {
            let damage = view.damage().iter().find(|damage| damage.lsns.contains(lsns.first));
            (Lack::Damaged, damage.map_or_else(|| why.to_string(), |damage| damage.error.to_string()))
        }
        Violation::Absent { .. } => (Lack::Missing, why.to_string()),
        Violation::Lost { .. } => return Held::Violated(Lack::Damaged, why.to_string()),
        _ => return Held::Violated(Lack::Other, why.to_string()),
    };
    alone(view, files, place).unwrap_or(Held::Violated(lack, text))
}

/// What the file of a segment that should be there shows by itself.
fn alone(view: &Inspection, files: &mut Files, place: &Place) -> Option<Held> {
    let named = view.segments().iter().any(|entry| entry.number == place.segment);
    named.then(|| files.hold(&segment(place))).filter(|held| matches!(held, Held::Violated(..)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beyond_the_removals_that_are_remembered_nothing_is_excused_and_nothing_is_false() {
        let place = tempfile::tempdir().unwrap();
        let mut judge = Judge::new(place.path()).unwrap();
        let at = |line| At { log: 0, line };
        let claims = [Claimed::File(FileClaim { path: "kept".into(), need: None })];
        let claimed = |judge: &mut Judge, line| judge.hold(&[(at(line), &claims[0])]).unwrap().remove(0);
        for file in 1..MOST_RELEASED {
            judge.release(at(5), Path::new(&format!("wal-{file}")));
        }
        assert!(matches!(claimed(&mut judge, 1), Held::Violated(Lack::Missing, _)));
        judge.release(at(5), Path::new("kept"));
        judge.release(at(6), Path::new("kept"));
        assert!(!judge.forgets && judge.released.len() == MOST_RELEASED);
        assert_eq!(claimed(&mut judge, 1), Held::Trimmed);
        judge.release(at(7), Path::new("one too many"));
        assert_eq!((claimed(&mut judge, 5), judge.released.len()), (Held::Trimmed, MOST_RELEASED));
        assert!(matches!(claimed(&mut judge, 7), Held::Violated(..)), "that one is remembered");
        let claims = [Claimed::File(FileClaim { path: "another".into(), need: None })];
        let held = judge.hold(&[(at(1), &claims[0])]).unwrap().remove(0);
        assert!(matches!(&held, Held::Unverifiable(why) if why.contains("more than 65536")), "{held:?}");
    }
}
