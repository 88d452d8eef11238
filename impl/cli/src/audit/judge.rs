//! Holding a window of claims against the artifacts.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use truelog::{Error, Inspection, Name, Place, Verdict, Violation};

use super::files::{FileClaim, Files};
use crate::failure::Failure;

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
    /// It is not there, or differs.
    Violated(String),
    /// It cannot be held against anything.
    Unverifiable(String),
}

/// What claims are held against.
#[derive(Debug)]
pub(crate) struct Judge {
    dir: PathBuf,
    /// The log in the directory, if there is one.
    view: Option<Inspection>,
    files: Files,
    /// Files that were removed on purpose.
    pub(crate) released: BTreeSet<PathBuf>,
}

impl Judge {
    /// What is in `dir`.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub(crate) fn new(dir: &Path) -> Result<Self, Failure> {
        let (view, files) = (look(dir)?, Files::new(dir)?);
        Ok(Self { dir: dir.to_owned(), view, files, released: BTreeSet::new() })
    }

    /// The log in the directory, as it was looked at last.
    pub(crate) const fn view(&self) -> Option<&Inspection> {
        self.view.as_ref()
    }

    /// A file was removed on purpose.
    pub(crate) fn release(&mut self, path: &Path) {
        self.released.extend(self.files.below(path));
    }

    /// Holds claims against what is there, each against a look that is newer than the claim if it does not hold.
    ///
    /// # Errors
    /// The log cannot be looked at.
    pub(crate) fn hold(&mut self, claims: &[&Claimed]) -> Result<Vec<Held>, Failure> {
        let mut held: Vec<_> = claims.iter().map(|_| Held::Trimmed).collect();
        let mut places = Vec::new();
        self.files.forget();
        for (at, claim) in claims.iter().enumerate() {
            match claim {
                Claimed::Batch(place) => places.push((at, *place)),
                Claimed::File(claim) => held[at] = self.file(claim),
                Claimed::Unread(why) => held[at] = Held::Unverifiable((*why).to_owned()),
            }
        }
        places.sort_unstable_by_key(|(_, place)| (place.lsns.first, place.offset));
        let newest = places.iter().map(|(_, place)| place.lsns.last).max();
        let known = self.view.as_ref().is_some_and(|view| newest.is_none_or(|newest| newest < view.next()));
        if !known && !places.is_empty() {
            self.look_again()?;
        }
        let mut fresh = !known;
        while !places.is_empty() {
            let Some(view) = &self.view else {
                for (at, place) in places {
                    let path = Name::Segment(place.segment).to_string().into();
                    held[at] = self.file(&FileClaim { path, need: Some(place.end) });
                }
                break;
            };
            places = batches(view, &places, &mut held);
            // What does not hold may be newer than that look, or may have been moved beside it.
            if places.is_empty() || (fresh && !view.is_outdated().map_err(Failure::log(&self.dir))?) {
                break;
            }
            self.look_again()?;
            fresh = true;
        }
        Ok(held)
    }

    fn look_again(&mut self) -> Result<(), Failure> {
        self.view = look(&self.dir)?;
        Ok(())
    }

    fn file(&mut self, claim: &FileClaim) -> Held {
        match self.files.hold(claim) {
            Held::Violated(_)
                if self.files.below(&claim.path).is_some_and(|below| self.released.contains(&below)) =>
            {
                Held::Trimmed
            }
            held => held,
        }
    }
}

/// The log in a directory; `None` if there is none.
fn look(dir: &Path) -> Result<Option<Inspection>, Failure> {
    match truelog::inspect(dir) {
        Ok(view) => Ok(Some(view)),
        Err(Error::Unfinished { .. } | Error::NotALog { .. }) => Ok(None),
        Err(error) => Err(Failure::log(dir)(error)),
    }
}

/// Holds places against one look. Returns those that do not hold.
fn batches(view: &Inspection, places: &[(usize, Place)], held: &mut [Held]) -> Vec<(usize, Place)> {
    let mut check = view.places();
    let mut left = Vec::new();
    for (at, place) in places {
        let found = match check.verify(place) {
            Ok(Verdict::Verified) => Held::Verified,
            Ok(Verdict::Unvouched) => Held::Unvouched,
            Ok(Verdict::Trimmed) => Held::Trimmed,
            Ok(Verdict::Violated { why }) => Held::Violated(because(view, why)),
            Ok(Verdict::Unverifiable { why }) => Held::Unverifiable(why.to_string()),
            Err(error) => Held::Unverifiable(error.to_string()),
        };
        if matches!(found, Held::Violated(_) | Held::Unverifiable(_)) {
            left.push((*at, *place));
        }
        held[*at] = found;
    }
    left
}

/// Why a batch is not there, with the artifact that the log itself finds damaged.
fn because(view: &Inspection, why: Violation) -> String {
    let damage = match why {
        Violation::Damaged { lsns } => view.damage().iter().find(|damage| damage.lsns.contains(lsns.first)),
        _ => None,
    };
    damage.map_or_else(|| why.to_string(), |damage| damage.error.to_string())
}
