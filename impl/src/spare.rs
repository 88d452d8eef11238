//! The file of a segment that was removed, kept to become a later one: its space is there and was written before, so that
//! no zeros have to be.
//!
//! Nothing of its former life counts: each batch and each frame names the segment's number and salt, and both are new
//! (see docs/FORMAT.md). But it is one file still. Whoever has it open would see it change, so that it is taken up only once
//! no reader of this handle looks at what it held, and only while no other name leads to it, as of a copy by hard links.

use truelog_env::{File, OpenMode};

use crate::error::Result;
use crate::home::Home;
use crate::lsn::SegmentNo;
use crate::manifest::SegmentEntry;
use crate::names::Name;
use crate::options::Options;

/// See the module's text. It has the temporary name of the segment that it is to become: a recovery that finds it there
/// removes it.
#[derive(Debug)]
pub(crate) struct Spare {
    /// The segment that it is to become.
    pub(crate) number: SegmentNo,
    /// The file's length, in bytes.
    pub(crate) capacity: u64,
    /// Who began to read before the catalog was at this version may look at what it held.
    pub(crate) version: u64,
}

impl Spare {
    /// Whether a segment that is removed may be kept: it is as large as those to come, and no larger than it should be.
    pub(crate) fn suits(options: &Options, entry: &SegmentEntry, next_size: u64) -> bool {
        options.reuse && (next_size..=options.segment_size).contains(&entry.capacity)
    }

    /// Takes a segment's name from it, and gives its file that of segment `number`, which is not made yet.
    ///
    /// # Errors
    /// That of the rename: the file has one name or the other.
    pub(crate) fn keep(home: &Home, entry: &SegmentEntry, number: SegmentNo, version: u64) -> Result<Self> {
        home.rename(Name::Segment(entry.number), Name::SegmentTmp(number))?;
        Ok(Self { number, capacity: entry.capacity, version })
    }

    /// The file, to be written anew; `None` if it is not what it was, not the log's alone, or does not have its space: one that
    /// was copied with holes does not, and a batch must not be what finds that out.
    pub(crate) fn open(&self, home: &Home) -> Option<Reused> {
        let file = home.open(Name::SegmentTmp(self.number), OpenMode::WRITE).ok()?;
        let found = file.metadata().ok()?;
        (found.len == self.capacity && found.links == 1).then_some(())?;
        file.allocate(self.capacity).ok()?;
        Some(Reused { number: self.number, capacity: self.capacity, file })
    }

    /// Gives its space back. Whether that succeeds does not matter: the next open removes what is left.
    pub(crate) fn give_back(&self, home: &Home) {
        let _ = home.unlink(Name::SegmentTmp(self.number));
    }
}

/// A spare that is taken up: nobody else looks at it.
#[derive(Debug)]
pub(crate) struct Reused {
    /// The segment that it becomes.
    pub(crate) number: SegmentNo,
    /// The file's length, in bytes, for all of which it has space.
    pub(crate) capacity: u64,
    /// Open for writing.
    pub(crate) file: Box<dyn File>,
}

#[cfg(test)]
#[allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "the tests make the file from outside"
)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;
    use crate::home::check_volume;
    use crate::types::LogId;

    #[test]
    fn a_spare_has_all_of_its_space_or_is_none() {
        let dir = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).expect("a directory");
        let env = crate::os::native();
        let volume = check_volume(&env, dir.path(), &Options::default()).expect("a volume");
        let home = Home::new(&env, dir.path(), LogId([1; 16]), 4096, volume);
        let spare = Spare { number: SegmentNo(3), capacity: 1 << 20, version: 0 };
        assert!(spare.open(&home).is_none(), "there is none");
        let path = home.path(Name::SegmentTmp(spare.number));
        let file = std::fs::File::create(&path).expect("a file");
        file.set_len(1 << 19).expect("a hole");
        assert!(spare.open(&home).is_none(), "too short");
        file.set_len(1 << 20).expect("a hole");
        let reused = spare.open(&home).expect("long enough");
        assert!(file.metadata().expect("there").blocks() * 512 >= reused.capacity, "holes have space now");
        std::fs::hard_link(&path, dir.path().join("copy")).expect("a link");
        assert!(spare.open(&home).is_none(), "somebody else has it, too");
        spare.give_back(&home);
        assert!(!path.exists());
    }
}
