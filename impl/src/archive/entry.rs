//! What the manifest says of a drive.

use std::fmt;
use std::path::PathBuf;

use crate::lsn::{DriveNo, RunNo};
use crate::types::{ParseError, parse_hex, write_hex};

/// A drive's identity: 128 random bits, drawn when it was added.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DriveId(pub [u8; 16]);

impl fmt::Display for DriveId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl fmt::Debug for DriveId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DriveId({self})")
    }
}

impl std::str::FromStr for DriveId {
    type Err = ParseError;
    fn from_str(text: &str) -> Result<Self, ParseError> {
        parse_hex(text).map(Self).ok_or(ParseError { expected: "a drive identity (32 hexadecimal digits)" })
    }
}

/// What a drive did that a healthy one does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum DriveFault {
    /// A read failed.
    #[error("a read failed")]
    Read,
    /// A read returned other bytes than were written and verified there.
    #[error("a block was not what was written")]
    Mismatch,
    /// A run that it has is not there.
    #[error("a run is missing")]
    Missing,
    /// A write, a sync, a rename or a removal failed.
    #[error("a write failed")]
    Write,
}

impl DriveFault {
    /// All of them, by the number that stands for each on the disk.
    pub const ALL: [Self; 4] = [Self::Read, Self::Mismatch, Self::Missing, Self::Write];
}

/// Why a drive was quarantined, and that it was not a race: the archive's generation, read again behind the failure,
/// still had the run there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Evidence {
    /// What it did.
    pub fault: DriveFault,
    /// The run.
    pub run: RunNo,
    /// Where in the run, in bytes.
    pub offset: u64,
    /// How often it was tried, the first time included.
    pub tries: u16,
    /// The archive's generation, before the first try and behind the last.
    pub generation: u64,
    /// When, in seconds since the Unix epoch, by a clock that may have been wrong.
    pub at: u64,
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { fault, run, offset, tries, generation, .. } = self;
        write!(
            f,
            "{fault}: run {run} at offset {offset}, {tries} tries, generation {generation} before and behind"
        )
    }
}

/// Whether a drive may serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DriveStatus {
    /// It may.
    Healthy,
    /// It serves nothing until a scrub of all of it was clean.
    Quarantined(Evidence),
}

/// A drive that the manifest names.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DriveEntry {
    /// Its number.
    pub number: DriveNo,
    /// Its identity.
    pub id: DriveId,
    /// Its directory, absolute.
    pub path: PathBuf,
    /// How many bytes of runs it may hold; 0 for as many as its volume does.
    pub capacity: u64,
    /// The generation of the archive that its copy of the manifest is known to have had, durably.
    pub seen: u64,
    /// Whether it may serve.
    pub status: DriveStatus,
}

impl DriveEntry {
    /// Whether it may serve, as far as the manifest knows.
    #[must_use]
    pub const fn is_healthy(&self) -> bool {
        matches!(self.status, DriveStatus::Healthy)
    }
}
