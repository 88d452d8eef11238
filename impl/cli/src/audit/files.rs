//! Holding claims on files against a directory: whether the file is there, and long enough.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

use super::judge::{Held, Lack};
use crate::failure::Failure;

/// How many files are remembered at once.
const KNOWN: usize = 65_536;

/// How many paths of the directory are remembered at once.
const PLACES: usize = 8;

/// A claim that a file is there, and how long it is at least.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileClaim {
    /// Below the directory, or absolute.
    pub(crate) path: PathBuf,
    /// In bytes.
    pub(crate) need: Option<u64>,
}

/// How a file was found.
#[derive(Debug, Clone)]
enum Looked {
    File(u64),
    Not(&'static str),
    Unknown(String),
}

/// The files of a directory, as far as claims ask for them.
#[derive(Debug)]
pub(crate) struct Files {
    dir: PathBuf,
    /// The directory's path from the root, as it was named, and without symbolic links where it exists.
    places: Vec<PathBuf>,
    known: BTreeMap<PathBuf, Looked>,
}

impl Files {
    /// The files in `dir`.
    ///
    /// # Errors
    /// [`Failure::File`].
    pub(crate) fn new(dir: &Path) -> Result<Self, Failure> {
        let absolute =
            std::path::absolute(dir).map_err(|source| Failure::File { path: dir.to_owned(), source })?;
        let mut files = Self { dir: dir.to_owned(), places: vec![absolute], known: BTreeMap::new() };
        files.forget();
        Ok(files)
    }

    /// Forgets what it has seen: what is asked from now on was claimed later.
    pub(crate) fn forget(&mut self) {
        self.known.clear();
        // The directory may be there only now.
        let real = std::fs::canonicalize(&self.dir).ok().filter(|real| !self.places.contains(real));
        self.places.extend(real.filter(|_| self.places.len() < PLACES));
    }

    /// The path below the directory; `None` if it is not inside.
    pub(crate) fn below(&self, path: &Path) -> Option<PathBuf> {
        let relative = if path.is_absolute() {
            self.places.iter().find_map(|place| path.strip_prefix(place).ok())?
        } else {
            path
        };
        let inside =
            relative.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        inside.then(|| relative.components().filter(|part| *part != Component::CurDir).collect())
    }

    /// Holds a claim against the directory.
    pub(crate) fn hold(&mut self, claim: &FileClaim) -> Held {
        let Some(below) = self.below(&claim.path) else {
            return Held::Unverifiable("the file is outside the directory".to_owned());
        };
        let need = claim.need.unwrap_or(0);
        match self.known.get(&below) {
            Some(Looked::File(len)) if *len >= need => return Held::ByName,
            // It may have grown since: the claim is newer than that look.
            Some(Looked::File(_)) | None => {}
            Some(Looked::Not(why)) => return Held::Violated(Lack::Missing, (*why).to_owned()),
            Some(Looked::Unknown(why)) => return Held::Unverifiable(why.clone()),
        }
        let looked = self.look(&below);
        if self.known.len() >= KNOWN {
            self.known.clear();
        }
        self.known.insert(below, looked.clone());
        match looked {
            Looked::File(len) if len < need => {
                Held::Violated(Lack::Short, format!("the file has {len} bytes, and the claim needs {need}"))
            }
            Looked::File(_) => Held::ByName,
            Looked::Not(why) => Held::Violated(Lack::Missing, why.to_owned()),
            Looked::Unknown(why) => Held::Unverifiable(why),
        }
    }

    fn look(&self, below: &Path) -> Looked {
        match std::fs::metadata(self.dir.join(below)) {
            Ok(found) if found.is_file() => Looked::File(found.len()),
            Ok(_) => Looked::Not("it is no file"),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                Looked::Not(if self.dir.is_dir() {
                    "there is no such file"
                } else {
                    "there is no such directory"
                })
            }
            Err(error) => Looked::Unknown(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_inside_the_directory_is_looked_at() {
        let place = tempfile::tempdir().unwrap();
        std::fs::write(place.path().join("a"), "12345").unwrap();
        let mut files = Files::new(place.path()).unwrap();
        let mut hold = |path: &str, need| files.hold(&FileClaim { path: path.into(), need });
        let inside = place.path().join("./a");
        assert_eq!(hold(inside.to_str().unwrap(), None), Held::ByName);
        assert_eq!(hold("a", Some(5)), Held::ByName);
        assert!(matches!(hold("a", Some(6)), Held::Violated(_, why) if why.contains("has 5 bytes")));
        assert!(matches!(hold("b", None), Held::Violated(_, why) if why == "there is no such file"));
        assert!(matches!(hold("a/b", None), Held::Violated(..)));
        assert!(matches!(hold("", None), Held::Violated(_, why) if why == "it is no file"));
        for outside in ["../a", "/etc/hosts", "b/../../a"] {
            assert!(matches!(hold(outside, None), Held::Unverifiable(_)), "{outside}");
        }
    }

    #[test]
    fn a_file_that_has_grown_is_looked_at_again() {
        let place = tempfile::tempdir().unwrap();
        std::fs::write(place.path().join("a"), "1").unwrap();
        let mut files = Files::new(place.path()).unwrap();
        assert_eq!(files.hold(&FileClaim { path: "a".into(), need: Some(1) }), Held::ByName);
        std::fs::write(place.path().join("a"), "12").unwrap();
        assert_eq!(files.hold(&FileClaim { path: "a".into(), need: Some(2) }), Held::ByName);
    }
}
