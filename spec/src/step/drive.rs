//! The names of the archive: drives, what lies on them, runs.

use std::fmt;
use std::str::FromStr;

use super::name::{Lsns, SegmentNo};
use crate::text::{ParseError, Words};

/// A drive's number in the manifest, from 1 to [`Drives::MAX`].
pub type DriveNo = u64;
/// A run's number, from 1; never used twice by a run that was named. All copies of a run have its number.
pub type RunNo = u64;
/// Who holds a snapshot, from 1: chosen by who reads.
pub type ReaderNo = u64;

/// A file of a drive, by what it is for. Text: `run-1`, `run-1.tmp`, `manifest`, `identity`, …
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum OnDrive {
    /// `DRIVE`: whose drive it is.
    Identity,
    /// `DRIVE.tmp`.
    IdentityTmp,
    /// `MANIFEST`: a copy of the log's checkpoint.
    Manifest,
    /// `MANIFEST.tmp`.
    ManifestTmp,
    /// `run-N`.
    Run(RunNo),
    /// `run-N.tmp`.
    RunTmp(RunNo),
}

impl OnDrive {
    /// The name that a temporary one is for.
    #[must_use]
    pub const fn published(self) -> Self {
        match self {
            Self::IdentityTmp => Self::Identity,
            Self::ManifestTmp => Self::Manifest,
            Self::RunTmp(number) => Self::Run(number),
            other => other,
        }
    }
}

impl fmt::Display for OnDrive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Identity => f.write_str("identity"),
            Self::IdentityTmp => f.write_str("identity.tmp"),
            Self::Manifest => f.write_str("manifest"),
            Self::ManifestTmp => f.write_str("manifest.tmp"),
            Self::Run(number) => write!(f, "run-{number}"),
            Self::RunTmp(number) => write!(f, "run-{number}.tmp"),
        }
    }
}

impl OnDrive {
    pub(super) fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "identity" => Self::Identity,
            "identity.tmp" => Self::IdentityTmp,
            "manifest" => Self::Manifest,
            "manifest.tmp" => Self::ManifestTmp,
            _ => {
                let rest = text.strip_prefix("run-")?;
                match rest.strip_suffix(".tmp") {
                    Some(number) => Self::RunTmp(number.parse().ok()?),
                    None => Self::Run(rest.parse().ok()?),
                }
            }
        })
    }
}

/// A set of drives. Text: their numbers, with commas between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Drives(u64);

impl Drives {
    /// The highest number that a drive may have.
    pub const MAX: DriveNo = 64;

    /// Whether it is a number of a drive.
    #[must_use]
    pub const fn may_be(drive: DriveNo) -> bool {
        drive >= 1 && drive <= Self::MAX
    }

    /// These drives; numbers that no drive may have are left out.
    #[must_use]
    pub fn these(drives: impl IntoIterator<Item = DriveNo>) -> Self {
        drives.into_iter().fold(Self::default(), Self::with)
    }

    /// One more.
    #[must_use]
    pub fn with(self, drive: DriveNo) -> Self {
        if Self::may_be(drive) { Self(self.0 | 1 << (drive - 1)) } else { self }
    }

    /// One less.
    #[must_use]
    pub fn without(self, drive: DriveNo) -> Self {
        if Self::may_be(drive) { Self(self.0 & !(1 << (drive - 1))) } else { self }
    }

    /// Whether a drive is in it.
    #[must_use]
    pub fn contains(self, drive: DriveNo) -> bool {
        Self::may_be(drive) && self.0 & (1 << (drive - 1)) != 0
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The drives, ascending.
    pub fn iter(self) -> impl Iterator<Item = DriveNo> {
        (1..=Self::MAX).filter(move |drive| self.contains(*drive))
    }
}

impl fmt::Display for Drives {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.iter().enumerate().try_for_each(|(index, drive)| {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{drive}")
        })
    }
}

impl FromStr for Drives {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let numbers = text.split(',').map(|number| number.parse().ok().filter(|one| Self::may_be(*one)));
        let numbers: Option<Vec<DriveNo>> = numbers.collect();
        numbers.map(Self::these).ok_or_else(|| ParseError::new(text, DRIVES))
    }
}

/// What the manifest says of a run that it publishes. Text: `run-1 lsns=1..4 drives=1,2 floor=3`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RunSpec {
    /// Its number.
    pub run: RunNo,
    /// The records that it holds.
    pub lsns: Lsns,
    /// The drives that have a copy; at least one.
    pub copies: Drives,
    /// Segments below are replaced by it, or were before.
    pub floor: SegmentNo,
}

impl fmt::Display for RunSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "run-{} lsns={} drives={} floor={}", self.run, self.lsns, self.copies, self.floor)
    }
}

const DRIVES: &str = "numbers of drives, from 1 to 64, with commas between them";

impl RunSpec {
    pub(super) fn parse(words: &mut Words<'_>) -> Result<Self, ParseError> {
        Ok(Self {
            run: run(words)?,
            lsns: words.key("lsns", "LSNS")?,
            copies: words.key("drives", DRIVES)?,
            floor: words.key("floor", "SEGMENT")?,
        })
    }
}

/// The next word is `run-N`.
pub(super) fn run(words: &mut Words<'_>) -> Result<RunNo, ParseError> {
    let start = words.clone();
    match OnDrive::parse(words.word("run-N")?) {
        Some(OnDrive::Run(number)) => Ok(number),
        _ => Err(start.error("run-N")),
    }
}

pub(super) fn copies(words: &mut Words<'_>) -> Result<Drives, ParseError> {
    words.key("drives", DRIVES)
}
