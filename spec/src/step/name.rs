//! The names of things: files by role, and what a crash may keep by unit.

use std::fmt;
use std::str::FromStr;

use super::drive::{DriveNo, Drives, OnDrive};
use crate::text::{Commas, ParseError, words};

/// A log sequence number. The first record of a log is 1.
pub type Lsn = u64;
/// A stream of records.
pub type Stream = u64;
/// A record's number in its stream, from 0.
pub type Seq = u64;
/// A segment's number, from 1; never used twice.
pub type SegmentNo = u64;
/// A batch's number: batches are counted from 1 in the order of their first write, over all lives of the log,
/// idle marks and batches that recovery writes again included.
pub type BatchNo = u64;
/// A manifest entry's number: counted from 1 in the order of their first write, checkpoints included, over all
/// lives of the log.
pub type EditNo = u64;

words! {
    /// What a receipt survives.
    Durability, "a durability" {
        /// A crash of the process only: the page cache lives on.
        ProcessCrash = "process-crash",
        /// A loss of power, and so a crash of the process too.
        PowerLoss = "power-loss",
    }
}

/// A run of LSNs, both ends included. Text: `3` or `3..5`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Lsns {
    /// The first.
    pub first: Lsn,
    /// The last; not below the first.
    pub last: Lsn,
}

impl Lsns {
    /// A run, or nothing if `last` is below `first`.
    #[must_use]
    pub const fn new(first: Lsn, last: Lsn) -> Option<Self> {
        if first <= last { Some(Self { first, last }) } else { None }
    }

    /// A run of one.
    #[must_use]
    pub const fn one(lsn: Lsn) -> Self {
        Self { first: lsn, last: lsn }
    }

    /// Whether `lsn` is in it.
    #[must_use]
    pub const fn contains(self, lsn: Lsn) -> bool {
        self.first <= lsn && lsn <= self.last
    }

    /// Whether the two share an LSN.
    #[must_use]
    pub const fn meets(self, other: Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }

    /// How many there are; `u64::MAX` also where there is one more.
    #[must_use]
    pub const fn count(self) -> u64 {
        (self.last - self.first).saturating_add(1)
    }

    /// The LSNs, one by one.
    #[must_use]
    pub const fn iter(self) -> std::ops::RangeInclusive<Lsn> {
        self.first..=self.last
    }
}

impl fmt::Display for Lsns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            write!(f, "{}", self.first)
        } else {
            write!(f, "{}..{}", self.first, self.last)
        }
    }
}

impl FromStr for Lsns {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let (first, last) = text.split_once("..").unwrap_or((text, text));
        let run = first.parse().ok().zip(last.parse().ok()).and_then(|(first, last)| Self::new(first, last));
        run.ok_or_else(|| ParseError::new(text, "an LSN `3` or a run `3..5`, both ends included"))
    }
}

/// A file or directory, by what it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// `IDENTITY`.
    Identity,
    /// `IDENTITY.tmp`.
    IdentityTmp,
    /// `MANIFEST`.
    Manifest,
    /// `MANIFEST.tmp`.
    ManifestTmp,
    /// `segment-N`.
    Segment(SegmentNo),
    /// `segment-N.tmp`.
    SegmentTmp(SegmentNo),
    /// The log's directory.
    Dir,
    /// Any directory above it, up to the mount point.
    Ancestor,
    /// The directory of a drive. Text: `drive-1`.
    Drive(DriveNo),
    /// A file of a drive. Text: `drive-1/run-1`.
    OnDrive(DriveNo, OnDrive),
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Identity => f.write_str("identity"),
            Self::IdentityTmp => f.write_str("identity.tmp"),
            Self::Manifest => f.write_str("manifest"),
            Self::ManifestTmp => f.write_str("manifest.tmp"),
            Self::Segment(number) => write!(f, "seg-{number}"),
            Self::SegmentTmp(number) => write!(f, "seg-{number}.tmp"),
            Self::Dir => f.write_str("dir"),
            Self::Ancestor => f.write_str("ancestor"),
            Self::Drive(drive) => write!(f, "drive-{drive}"),
            Self::OnDrive(drive, file) => write!(f, "drive-{drive}/{file}"),
        }
    }
}

impl FromStr for Role {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let role = match text {
            "identity" => Some(Self::Identity),
            "identity.tmp" => Some(Self::IdentityTmp),
            "manifest" => Some(Self::Manifest),
            "manifest.tmp" => Some(Self::ManifestTmp),
            "dir" => Some(Self::Dir),
            "ancestor" => Some(Self::Ancestor),
            _ => on_drive(text).or_else(|| {
                let rest = text.strip_prefix("seg-")?;
                match rest.strip_suffix(".tmp") {
                    Some(number) => number.parse().ok().map(Self::SegmentTmp),
                    None => rest.parse().ok().map(Self::Segment),
                }
            }),
        };
        role.ok_or_else(|| {
            let known = "a role (identity, manifest, seg-N, each also with .tmp, dir, ancestor, drive-N, \
                         drive-N/FILE with identity, manifest, run-N, each also with .tmp)";
            ParseError::new(text, known)
        })
    }
}

fn on_drive(text: &str) -> Option<Role> {
    let rest = text.strip_prefix("drive-")?;
    let (number, file) = rest.split_once('/').map_or((rest, None), |(number, file)| (number, Some(file)));
    let drive = number.parse().ok().filter(|drive| Drives::may_be(*drive))?;
    match file {
        Some(file) => OnDrive::parse(file).map(|file| Role::OnDrive(drive, file)),
        None => Some(Role::Drive(drive)),
    }
}

/// What persists or not on its own. Sectors are counted from 0 within the batch, edit or file; without a
/// sector, all of them are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Unit {
    /// The bytes of a batch. Text: `batch:2` or `batch:2.sector:1`.
    Batch(BatchNo, Option<u64>),
    /// The bytes of a manifest entry. Text: `edit:3` or `edit:3.sector:0`.
    Edit(EditNo, Option<u64>),
    /// Bytes of a file that belong to no batch and no edit: headers, zeros, an identity. Text: `data:seg-1`.
    Data(Role, Option<u64>),
    /// A file's length, as last set. Text: `size:seg-1`.
    Size(Role),
    /// The entry that a create, or a rename to that name, made. Text: `name:seg-3`.
    Name(Role),
    /// The absence that an unlink, or a rename away from that name, made. Text: `gone:seg-1`.
    Gone(Role),
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sector = match self {
            Self::Batch(number, sector) => write!(f, "batch:{number}").map(|()| sector)?,
            Self::Edit(number, sector) => write!(f, "edit:{number}").map(|()| sector)?,
            Self::Data(role, sector) => write!(f, "data:{role}").map(|()| sector)?,
            Self::Size(role) => return write!(f, "size:{role}"),
            Self::Name(role) => return write!(f, "name:{role}"),
            Self::Gone(role) => return write!(f, "gone:{role}"),
        };
        sector.map_or(Ok(()), |sector| write!(f, ".sector:{sector}"))
    }
}

impl FromStr for Unit {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let (whole, sector) = match text.split_once(".sector:") {
            Some((whole, sector)) => (whole, sector.parse().map(Some)),
            None => (text, Ok(None)),
        };
        let unit = whole.split_once(':').zip(sector.ok()).and_then(|((kind, what), sector)| {
            Some(match (kind, sector) {
                ("batch", sector) => Self::Batch(what.parse().ok()?, sector),
                ("edit", sector) => Self::Edit(what.parse().ok()?, sector),
                ("data", sector) => Self::Data(what.parse().ok()?, sector),
                ("size", None) => Self::Size(what.parse().ok()?),
                ("name", None) => Self::Name(what.parse().ok()?),
                ("gone", None) => Self::Gone(what.parse().ok()?),
                _ => return None,
            })
        });
        unit.ok_or_else(|| {
            let known = "a unit (batch:N, edit:N, data:ROLE, each also with .sector:N, size:ROLE, name:ROLE, gone:ROLE)";
            ParseError::new(text, known)
        })
    }
}

/// Which of the pending units became durable. Text: `none`, `all`, or units with commas between them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Keep {
    /// None of them.
    #[default]
    None,
    /// All of them.
    All,
    /// These and no others. Not empty: that is [`Keep::None`].
    These(Vec<Unit>),
}

impl Keep {
    /// These units; none if there are none.
    #[must_use]
    pub fn these(units: Vec<Unit>) -> Self {
        if units.is_empty() { Self::None } else { Self::These(units) }
    }
}

impl fmt::Display for Keep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::All => f.write_str("all"),
            Self::These(units) => write!(f, "{}", Commas(units)),
        }
    }
}

impl FromStr for Keep {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        match text {
            "none" => Ok(Self::None),
            "all" => Ok(Self::All),
            _ => text.split(',').map(str::parse).collect::<Result<_, _>>().map(Self::These),
        }
    }
}
