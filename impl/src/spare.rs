//! The file of a segment that was removed, kept to become the next one: its space is there and was written before, so that
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

    /// The file, to be written anew; `None` if it is not what it was, or not the log's alone.
    pub(crate) fn open(&self, home: &Home) -> Option<Box<dyn File>> {
        let file = home.open(Name::SegmentTmp(self.number), OpenMode::WRITE).ok()?;
        let found = file.metadata().ok()?;
        (found.len == self.capacity && found.links == 1).then_some(file)
    }

    /// Gives its space back. Whether that succeeds does not matter: the next open removes what is left.
    pub(crate) fn give_back(&self, home: &Home) {
        let _ = home.unlink(Name::SegmentTmp(self.number));
    }
}
