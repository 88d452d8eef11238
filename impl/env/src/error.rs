//! The errors of the surroundings.

use std::fmt;
use std::io;

/// The operation that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Op {
    /// Opening a file that exists.
    Open,
    /// Creating a file.
    Create,
    /// Creating a directory.
    CreateDir,
    /// Listing a directory.
    ReadDir,
    /// Asking for a node's metadata.
    Metadata,
    /// Asking for a volume's properties.
    Statvfs,
    /// Renaming.
    Rename,
    /// Removing a name.
    Unlink,
    /// Making a directory's entries durable.
    SyncDir,
    /// Locking a directory.
    Lock,
    /// Reading from a file.
    Read,
    /// Writing to a file.
    Write,
    /// Making a file's data, and what is needed to read it, durable.
    SyncData,
    /// Making a file's data and metadata durable.
    SyncAll,
    /// Reserving space.
    Allocate,
    /// Changing a file's length.
    SetLen,
    /// Asking for entropy.
    Entropy,
    /// Asking which boot of the machine this is.
    Boot,
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "open",
            Self::Create => "create",
            Self::CreateDir => "create directory",
            Self::ReadDir => "list directory",
            Self::Metadata => "stat",
            Self::Statvfs => "statvfs",
            Self::Rename => "rename",
            Self::Unlink => "unlink",
            Self::SyncDir => "sync directory",
            Self::Lock => "lock",
            Self::Read => "read",
            Self::Write => "write",
            Self::SyncData => "sync data",
            Self::SyncAll => "sync",
            Self::Allocate => "allocate",
            Self::SetLen => "set length",
            Self::Entropy => "get entropy",
            Self::Boot => "get the boot",
        })
    }
}

/// What went wrong, as far as the engine tells cases apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum IoKind {
    /// No such file or directory (`ENOENT`).
    NotFound,
    /// The name is taken (`EEXIST`).
    AlreadyExists,
    /// No space, or no quota, left (`ENOSPC`, `EDQUOT`).
    NoSpace,
    /// The file system is read-only (`EROFS`).
    ReadOnly,
    /// Not allowed (`EACCES`, `EPERM`).
    Denied,
    /// Somebody else holds the lock (`EWOULDBLOCK`).
    Locked,
    /// Interrupted before anything was done (`EINTR`); the call may be repeated.
    Interrupted,
    /// Too many open files (`EMFILE`, `ENFILE`).
    TooManyFiles,
    /// The device failed (`EIO`).
    Device,
    /// What is there is no regular file: a directory, a pipe, a socket, a device (`EISDIR`, `ESPIPE`, `ENXIO`).
    NotAFile,
    /// The operation does not exist here (`EOPNOTSUPP`, `EINVAL` for O_DIRECT).
    Unsupported,
    /// Anything else; the number in [`IoError::errno`] says what.
    Unknown,
}

/// A failed operation. Small and `Copy`, so that a poisoned log can repeat to every caller what poisoned it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct IoError {
    /// The operation that failed.
    pub op: Op,
    /// The case.
    pub kind: IoKind,
    /// The operating system's number, where there is one.
    pub errno: Option<i32>,
}

impl IoError {
    /// A failure of `op`, of a kind, without an operating system's number.
    #[must_use]
    pub const fn new(op: Op, kind: IoKind) -> Self {
        Self { op, kind, errno: None }
    }

    /// A failure of `op` as the standard library reported it.
    #[must_use]
    pub fn from_std(op: Op, error: &io::Error) -> Self {
        let errno = error.raw_os_error();
        let kind = match errno {
            Some(2) => IoKind::NotFound,
            Some(1 | 13) => IoKind::Denied,
            Some(4) => IoKind::Interrupted,
            Some(5) => IoKind::Device,
            Some(6 | 21 | 29) => IoKind::NotAFile,
            Some(11) => IoKind::Locked,
            Some(17) => IoKind::AlreadyExists,
            Some(22 | 95) => IoKind::Unsupported,
            Some(23 | 24) => IoKind::TooManyFiles,
            Some(28 | 122) => IoKind::NoSpace,
            Some(30) => IoKind::ReadOnly,
            _ => match error.kind() {
                io::ErrorKind::WouldBlock => IoKind::Locked,
                io::ErrorKind::NotFound => IoKind::NotFound,
                _ => IoKind::Unknown,
            },
        };
        Self { op, kind, errno }
    }
}

impl fmt::Display for IoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            IoKind::NotFound => "no such file or directory",
            IoKind::AlreadyExists => "the name is taken",
            IoKind::NoSpace => "no space left",
            IoKind::ReadOnly => "the file system is read-only",
            IoKind::Denied => "permission denied",
            IoKind::Locked => "somebody else holds the lock",
            IoKind::Interrupted => "interrupted",
            IoKind::TooManyFiles => "too many open files",
            IoKind::Device => "input/output error of the device",
            IoKind::NotAFile => "it is not a regular file",
            IoKind::Unsupported => "not supported here",
            IoKind::Unknown => "unexpected error",
        };
        write!(f, "{} failed: {what}", self.op)?;
        match self.errno {
            Some(errno) => write!(f, " (errno {errno})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for IoError {}
