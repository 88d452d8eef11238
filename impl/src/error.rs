//! What can go wrong, by kind. Each kind has a stable code, a place, and a next step.

use std::path::PathBuf;

use truelog_env::{Caution, IoError, IoKind, Op, Weakness};

use crate::archive::drive::DriveOut;
use crate::archive::set::DriveSet;
use crate::lsn::{DriveNo, Lsn, LsnRange, RunNo, SegmentNo};

/// The result of most operations.
pub type Result<T> = std::result::Result<T, Error>;

/// Why bytes are not what they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// The file ends before the structure does.
    #[error("the file ends too early")]
    Short,
    /// The first bytes are not those of this structure.
    #[error("it does not begin as it should")]
    Magic,
    /// The checksum does not match the bytes.
    #[error("its checksum does not match its bytes")]
    Checksum,
    /// It belongs to another log.
    #[error("it belongs to another log")]
    OtherLog,
    /// It belongs to another file, or an earlier life of this one.
    #[error("it belongs to another file (salt)")]
    OtherSalt,
    /// It belongs to another segment.
    #[error("it belongs to segment {0}")]
    OtherSegment(SegmentNo),
    /// It belongs to another run.
    #[error("it belongs to run {0}")]
    OtherRun(RunNo),
    /// It belongs to another generation of the archive.
    #[error("it belongs to generation {0}")]
    OtherGeneration(u64),
    /// Its checksum holds, but its bytes do not unpack to what it says.
    #[error("its bytes do not unpack to what it says")]
    Compression,
    /// It was written for another offset.
    #[error("it was written for offset {0}")]
    OtherOffset(u64),
    /// Its LSN is not the one that is due.
    #[error("it begins at LSN {0}, which is not the one due")]
    OtherLsn(Lsn),
    /// It does not continue what stands before it.
    #[error("it does not continue what stands before it (chain)")]
    OtherChain,
    /// A field has a value that cannot be.
    #[error("its field `{0}` has an impossible value")]
    Field(&'static str),
    /// It was written by a newer version of the format.
    #[error("it has format version {0}, newer than this program")]
    Newer(u32),
    /// Its checksum holds, and it is not laid out as any released version of the format is.
    #[error("it has the layout of a program from before the first release")]
    Unreleased,
    /// A file that the manifest names is missing.
    #[error("the manifest names it, but it is missing")]
    Missing,
    /// A file with records that the manifest does not name.
    #[error("it holds records, but the manifest does not name it")]
    Unnamed,
    /// The device stored something else than it was given, and said that it had stored it.
    #[error("it is not what was written")]
    NotAsWritten,
    /// Something valid stands behind it, so it was whole once.
    #[error("something valid stands behind it, so it was whole once")]
    Vouched,
}

/// Why a directory is not a log.
#[derive(Debug, Clone, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum NotALog {
    /// It does not exist.
    #[error("it does not exist")]
    Missing,
    /// Not even the directory above it exists.
    #[error("the directory above it does not exist")]
    NoParent,
    /// It is not a directory.
    #[error("it is not a directory")]
    NotADirectory,
    /// It holds something that no log writes.
    #[error("it holds `{0}`, which no log writes")]
    ForeignName(String),
    /// It holds segments, but no identity.
    #[error("it holds `{0}`, but no identity")]
    NoIdentity(String),
}

/// Why nothing can be written.
#[derive(Debug, Clone, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum ReadOnlyWhy {
    /// The log is damaged.
    #[error("records {0} are damaged")]
    Damaged(LsnRange),
    /// The log's own files, other than segments, are damaged.
    #[error("`{0}` is damaged")]
    FileDamaged(PathBuf),
    /// It was opened for inspection.
    #[error("it was opened for inspection")]
    Inspection,
    /// The file system is read-only or full, so that recovery could not write.
    #[error("recovery could not write: {0}")]
    CannotWrite(IoError),
}

/// What went wrong. `Clone`, because a poisoned log repeats to every caller what poisoned it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An operation of the file system failed.
    #[error("{op} of {} failed: {source}", path.display())]
    Io {
        /// The operation.
        op: Op,
        /// On what.
        path: PathBuf,
        /// What was reported.
        source: IoError,
    },
    /// Records that something durable vouches for cannot be read.
    #[error("{}", corrupt(*segment, *offset, *lsns, *reason))]
    Corrupt {
        /// The segment; [`SegmentNo::NONE`] if no segment that is there holds them.
        segment: SegmentNo,
        /// Where in its file, in bytes.
        offset: u64,
        /// The records.
        lsns: LsnRange,
        /// Why.
        reason: Reason,
    },
    /// Records of the archive cannot be read from any of their copies.
    #[error("records {lsns} are damaged in all copies of run {run} at offset {offset}: {reason}")]
    CorruptBlock {
        /// The run.
        run: RunNo,
        /// Where in it, in bytes.
        offset: u64,
        /// The records.
        lsns: LsnRange,
        /// Why, of the copy that was asked last.
        reason: Reason,
    },
    /// No drive that can be reached has a whole copy of these records, and not all that have one can be reached. Nothing
    /// says that the records are lost.
    #[error(
        "records {lsns} are in run {run}: none of the drives {drives} that can be reached has them whole, and not all can"
    )]
    Unavailable {
        /// The run.
        run: RunNo,
        /// The records.
        lsns: LsnRange,
        /// The drives that have copies.
        drives: DriveSet,
    },
    /// There is no such drive.
    #[error("the log has no drive {drive}")]
    NoSuchDrive {
        /// The number asked for.
        drive: DriveNo,
    },
    /// Fewer drives serve than the archive keeps copies.
    #[error("{found} drives can take a run, but the archive keeps {copies} copies")]
    TooFewDrives {
        /// How many drives serve and have room.
        found: u32,
        /// How many copies are kept.
        copies: u32,
    },
    /// The drive has the last copy of something, so that it cannot be removed yet.
    #[error("drive {drive} has the last copy of run {run}")]
    LastCopy {
        /// The drive.
        drive: DriveNo,
        /// The first such run.
        run: RunNo,
    },
    /// There is a manifest that can be read, so that none is to be rebuilt.
    #[error("{} can be read: there is nothing to rebuild", path.display())]
    ManifestReadable {
        /// The manifest.
        path: PathBuf,
    },
    /// A directory is not a drive of this very log.
    #[error("{} is no drive of this log: {why}", dir.display())]
    BadDrive {
        /// The directory.
        dir: PathBuf,
        /// Why.
        why: DriveOut,
    },
    /// Records are missing from everything that was found.
    #[error("records {lsns} are in no segment and in no run that was found")]
    Gap {
        /// The records.
        lsns: LsnRange,
    },
    /// The manifest cannot be read, and records that no segment has may be in an archive that only it named.
    #[error("records {lsns} are in no segment: if they were archived, they are on the drives")]
    MayBeArchived {
        /// The records.
        lsns: LsnRange,
    },
    /// A drive that is said to be gone for good is there.
    #[error("drive {drive} is not gone: it can be reached at {}", dir.display())]
    DriveServes {
        /// The drive.
        drive: DriveNo,
        /// Where it is.
        dir: PathBuf,
    },
    /// The identity, the manifest or a segment's header is damaged.
    #[error("{} is damaged at offset {offset}: {reason}", path.display())]
    CorruptFile {
        /// The file.
        path: PathBuf,
        /// Where in it, in bytes.
        offset: u64,
        /// Why.
        reason: Reason,
    },
    /// A write or a sync failed earlier; nothing is written through this handle any more.
    #[error("the log is poisoned by an earlier failure: {cause}")]
    Poisoned {
        /// What failed.
        cause: Box<Error>,
    },
    /// A commit's leader unwound, so that it is not known what it wrote.
    #[error("a commit was abandoned by a panic of the thread that led it")]
    Abandoned,
    /// No space could be prepared for the record. Nothing was appended.
    #[error("no space could be prepared at {}: {source}", path.display())]
    Full {
        /// The file that did not fit.
        path: PathBuf,
        /// What was reported.
        source: IoError,
    },
    /// The log was closed.
    #[error("the log is closed")]
    Closed,
    /// Another handle has the log open.
    #[error("{} is locked: another handle has it open", dir.display())]
    Locked {
        /// The log's directory.
        dir: PathBuf,
    },
    /// There is a log already.
    #[error("{} is a log already", dir.display())]
    Exists {
        /// The log's directory.
        dir: PathBuf,
    },
    /// A create was not finished.
    #[error("the creation of a log in {} was not finished", dir.display())]
    Unfinished {
        /// The directory.
        dir: PathBuf,
    },
    /// Written by a newer version of the format, or by a program from before the first release.
    #[error("{} has format version {found}; this program reads 1 to {supported}", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version; 0 for a layout from before the first release, whatever number it was given.
        found: u32,
        /// The newest that is understood.
        supported: u32,
    },
    /// The record was removed by a trim.
    #[error("record {lsn} was trimmed; the first kept is {first}")]
    Trimmed {
        /// The record asked for.
        lsn: Lsn,
        /// The first that is kept.
        first: Lsn,
    },
    /// The record does not exist yet, or is not durable yet.
    #[error("record {lsn} is not there; the next is {next}")]
    Absent {
        /// The record asked for.
        lsn: Lsn,
        /// The first that is not there.
        next: Lsn,
    },
    /// The records were given up by an explicit accept-loss.
    #[error("records {lsns} were damaged, and given up by accept-loss")]
    Lost {
        /// The records.
        lsns: LsnRange,
    },
    /// A record or a batch is larger than a batch may be.
    #[error("{len} bytes do not fit into a batch of at most {limit}")]
    TooLarge {
        /// Its length, framing included, in bytes.
        len: u64,
        /// The most that fits, in bytes.
        limit: u64,
    },
    /// More streams than the options allow.
    #[error("a new stream would exceed the limit of {limit} streams")]
    TooManyStreams {
        /// The most that may be.
        limit: u32,
    },
    /// Nothing can be written through this handle.
    #[error("the log is open for reading only: {why}")]
    ReadOnly {
        /// Why.
        why: ReadOnlyWhy,
    },
    /// The directory is not a log.
    #[error("{} is not a log: {why}", dir.display())]
    NotALog {
        /// The directory.
        dir: PathBuf,
        /// Why.
        why: NotALog,
    },
    /// The volume cannot keep the promise asked for.
    #[error("{} cannot survive a loss of power: {}", dir.display(), weakness_text(*why))]
    Unsafe {
        /// The log's directory.
        dir: PathBuf,
        /// Why.
        why: Weakness,
    },
    /// An option has a value that cannot be.
    #[error("option `{option}` is {value}: {why}")]
    BadOption {
        /// The option's name.
        option: &'static str,
        /// Its value.
        value: String,
        /// Why that cannot be.
        why: &'static str,
    },
    /// An option differs from what is stored with the log.
    #[error("option `{option}` is {found}, but the log was created with {expected}")]
    Mismatch {
        /// The option's name.
        option: &'static str,
        /// The stored value.
        expected: String,
        /// The value given.
        found: String,
    },
    /// The log was copied or moved: it is not where its identity says.
    #[error("{} was copied or moved: its {what} is {found}, but its identity says {expected}", dir.display())]
    Moved {
        /// The log's directory.
        dir: PathBuf,
        /// What differs.
        what: &'static str,
        /// What the identity says.
        expected: u64,
        /// What is found.
        found: u64,
    },
    /// After the sync, the segment's path no longer led to the file that was written.
    #[error("{} no longer leads to the file that was written", path.display())]
    Displaced {
        /// The segment's path.
        path: PathBuf,
    },
    /// An audit found acknowledged records that are not there as their receipts say.
    #[error("records {lsns} were acknowledged, and are not there: {cause}")]
    ClaimViolated {
        /// The records.
        lsns: LsnRange,
        /// What was found instead.
        cause: Box<Error>,
    },
    /// A create or an adopt of this boot had syncs under way and did not end well. No later sync can prove them.
    #[error("an earlier create or adopt of {} failed, or was killed, while it made names durable", dir.display())]
    InDoubt {
        /// The log's directory.
        dir: PathBuf,
    },
    /// The ticket belongs to another handle, or is not known.
    #[error("the ticket is not one of this handle")]
    BadTicket,
}

/// Says in words why a volume is weak.
#[must_use]
pub const fn weakness_text(why: Weakness) -> &'static str {
    match why {
        Weakness::Memory => "its file system lives in memory",
        Weakness::VolatileOverlay => "its overlay is mounted volatile and ignores syncs",
        Weakness::NoBarrier => "its file system is mounted without barriers",
        _ => "its volume does not honour syncs",
    }
}

/// Says in words why nobody can be sure of a volume.
#[must_use]
pub const fn caution_text(why: Caution) -> &'static str {
    match why {
        Caution::Overlay => "it is an overlay: what a sync reaches is up to the file system beneath it",
        Caution::Network => "it is a network file system: what is durable is up to its server",
        Caution::UserSpace => "it is a file system in user space: what a sync does is up to a program",
        _ => "nobody knows whether it honours syncs",
    }
}

impl Error {
    /// A failed operation on `path`.
    #[must_use]
    pub fn io(path: impl Into<PathBuf>, source: IoError) -> Self {
        Self::Io { op: source.op, path: path.into(), source }
    }

    /// Whether it means that receipts handed out before may not hold any more: what they rest on was taken away or
    /// changed from outside.
    #[must_use]
    pub fn voids_receipts(&self) -> bool {
        match self {
            Self::Poisoned { cause } => cause.voids_receipts(),
            Self::Displaced { .. } | Self::ClaimViolated { .. } => true,
            _ => false,
        }
    }

    /// What every call gets after `self` has poisoned the log.
    #[must_use]
    pub fn poisoned(self) -> Self {
        match self {
            Self::Poisoned { .. } => self,
            cause => Self::Poisoned { cause: Box::new(cause) },
        }
    }

    /// What has poisoned the log, of the error that every call gets since.
    pub(crate) fn poison(&self) -> &Self {
        if let Self::Poisoned { cause } = self { cause } else { self }
    }
}

/// A failure of something that changes a log, and what follows from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// What failed.
    pub(crate) error: Error,
    /// Whether it is unknown now what is durable, so that the handle must not write any more. Otherwise
    /// nothing that the log consists of was touched.
    pub(crate) poisons: bool,
}

impl Failure {
    /// A failure that touched nothing that the log consists of. No space left is [`Error::Full`].
    pub(crate) fn harmless(error: Error) -> Self {
        let error = match error {
            Error::Io { path, source, .. } if source.kind == IoKind::NoSpace => Error::Full { path, source },
            error => error,
        };
        Self { error, poisons: false }
    }

    /// A failure after which it is unknown what is durable.
    pub(crate) const fn poisoning(error: Error) -> Self {
        Self { error, poisons: true }
    }
}

/// What is said of damaged records.
fn corrupt(segment: SegmentNo, offset: u64, lsns: LsnRange, reason: Reason) -> String {
    if segment == SegmentNo::NONE {
        return format!(
            "records {lsns} are in no segment that is there, and something durable vouches for them"
        );
    }
    format!("records {lsns} are damaged in segment {segment} at offset {offset}: {reason}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_that_no_segment_holds_are_not_told_as_damage_of_one() {
        let lsns = LsnRange::new(Lsn(9), Lsn(25));
        let says = |segment| Error::Corrupt { segment, offset: 0, lsns, reason: Reason::Missing }.to_string();
        assert!(says(SegmentNo(2)).contains("in segment 2 at offset 0"));
        assert!(!says(SegmentNo::NONE).contains("segment 0"));
    }
}
