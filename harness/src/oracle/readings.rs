//! Readings that are shared: recoveries of many images end with the same files.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::decode::{Files, Reading};

/// What was read so far, by the digest of names and bytes.
#[derive(Debug, Default)]
pub struct Readings {
    known: Mutex<HashMap<blake3::Hash, Arc<Reading>>>,
}

impl Readings {
    /// Reads the files, unless these very files were read before.
    #[must_use]
    pub fn of(&self, files: &Files) -> Arc<Reading> {
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let digest = digest(files);
        if let Some(reading) = known().get(&digest) {
            return Arc::clone(reading);
        }
        let reading = Arc::new(Reading::of(files));
        known().insert(digest, Arc::clone(&reading));
        reading
    }
}

fn digest(files: &Files) -> blake3::Hash {
    let mut hash = blake3::Hasher::new();
    for part in files.iter().flat_map(|(name, bytes)| [name.as_bytes(), bytes]) {
        hash.update(&(part.len() as u64).to_le_bytes()).update(part);
    }
    hash.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_files_are_read_once_and_others_are_not_taken_for_them() {
        let readings = Readings::default();
        let files = |list: &[(&str, &[u8])]| -> Files {
            list.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.to_vec())).collect()
        };
        let one = readings.of(&files(&[("a.tmp", b"b")]));
        assert!(Arc::ptr_eq(&one, &readings.of(&files(&[("a.tmp", b"b")]))));
        for other in
            [files(&[("a.tmp", b"c")]), files(&[("a.tm", b"pb")]), files(&[("a.tmp", b"b"), ("", b"")])]
        {
            assert!(!Arc::ptr_eq(&one, &readings.of(&other)), "{other:?}");
        }
    }
}
