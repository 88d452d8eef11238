//! How far a campaign is that still runs: what all its shards have written so far.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::Shard;
use super::journal::{parse, whole};
use super::totals::Totals;

/// The cases of some shards, each read once.
#[derive(Debug, Default)]
pub struct Live {
    /// The files, and how much of each was read.
    files: Vec<(PathBuf, u64)>,
    totals: Totals,
}

impl Live {
    /// Of these shards, whose files are in `out`.
    #[must_use]
    pub fn of(shards: &[Shard], out: &Path) -> Self {
        let files = shards.iter().map(|shard| (shard.file(out), 0)).collect();
        Self { files, totals: Totals::default() }
    }

    /// Everything that they have written by now. A line that is not whole yet is read the next time.
    ///
    /// # Errors
    /// A file cannot be read, or what is in it is no case.
    pub fn look(&mut self) -> io::Result<&Totals> {
        for (path, read) in &mut self.files {
            let mut file = File::open(&*path)?;
            file.seek(SeekFrom::Start(*read))?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            let new = whole(&bytes);
            for line in parse(path, new)? {
                self.totals.add(&line);
            }
            *read += new.len() as u64;
        }
        Ok(&self.totals)
    }
}
