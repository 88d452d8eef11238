//! What the world does: crashes, faults, damage, time.

use std::fmt;

use super::name::{Keep, Role, Unit};
use crate::text::{ParseError, Words, words};

words! {
    /// A call of the file system.
    Call, "a call" {
        /// Opening a file that exists.
        Open = "open",
        /// Creating a file.
        Create = "create",
        /// Creating a directory.
        Mkdir = "mkdir",
        /// Listing a directory.
        List = "list",
        /// Asking for metadata, by path or descriptor.
        Stat = "stat",
        /// Asking for a volume's properties.
        Statvfs = "statvfs",
        /// Reading.
        Read = "read",
        /// Writing.
        Write = "write",
        /// Reserving space.
        Allocate = "allocate",
        /// `fdatasync`.
        SyncData = "sync-data",
        /// `fsync` of a file.
        SyncAll = "sync-all",
        /// `fsync` of a directory.
        SyncDir = "sync-dir",
        /// Renaming; the role is that of the new name.
        Rename = "rename",
        /// Unlinking.
        Unlink = "unlink",
        /// Locking.
        Lock = "lock",
    }
}

words! {
    /// What goes wrong with a call. The first seven are rules of the worst-case disk (gate W); the rest are
    /// lies (gate D), never mixed with them.
    FaultKind, "a fault" {
        /// It fails; what it was to write or sync is durable as `keep=` says.
        Eio = "eio",
        /// The space is used up, after `bytes=` bytes of a write.
        Enospc = "enospc",
        /// Too many files are open.
        Emfile = "emfile",
        /// The file system has become read-only.
        Erofs = "erofs",
        /// It is interrupted, having done nothing.
        Eintr = "eintr",
        /// It does `bytes=` bytes and says so.
        Short = "short",
        /// Another process holds the lock.
        Locked = "locked",
        /// It says it is done, and did nothing.
        Ignored = "ignored",
        /// It writes somewhere else: where the batch or edit before lies.
        Misdirected = "misdirected",
    }
}

words! {
    /// What a process sees in the page cache after a failed sync.
    Cache, "what the page cache shows" {
        /// The bytes that were written.
        New = "new",
        /// The bytes before.
        Old = "old",
    }
}

words! {
    /// What happens to bytes that were durable (gate D), or to names under the engine's feet.
    DamageKind, "a kind of damage" {
        /// Some bits flip.
        Flip = "flip",
        /// They read as zeros.
        Zero = "zero",
        /// They are again what they were before their last write.
        Stale = "stale",
        /// They are those of another valid batch or edit of the same file.
        Misdirected = "misdirected",
        /// They cannot be read: EIO.
        Unreadable = "unreadable",
        /// The name, or the length, is gone.
        Missing = "missing",
        /// The name leads to another file.
        Replaced = "replaced",
        /// The directory is a copy of the one it was.
        Copied = "copied",
    }
}

words! {
    /// The two kinds of crash.
    CrashKind, "a kind of crash" {
        /// The process dies; the page cache lives on.
        Process = "process",
        /// The power fails.
        Power = "power",
    }
}

/// A fault on the next such call on such a file. Text: `fault seg-1 sync-data eio keep=batch:2 cache=old`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fault {
    /// The file or directory.
    pub role: Role,
    /// The call.
    pub call: Call,
    /// What goes wrong.
    pub kind: FaultKind,
    /// How many bytes are done first. Text: `bytes=N`, left out for 0.
    pub bytes: u64,
    /// What becomes durable all the same. Text: `keep=UNITS`, left out for none.
    pub keep: Keep,
    /// What the page cache shows afterwards. Text: `cache=old`, left out for new.
    pub cache: Cache,
}

impl Fault {
    /// A fault that does nothing and keeps nothing.
    #[must_use]
    pub const fn new(role: Role, call: Call, kind: FaultKind) -> Self {
        Self { role, call, kind, bytes: 0, keep: Keep::None, cache: Cache::New }
    }
}

/// A deed of the world.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum WorldStep {
    /// The process dies. Text: `crash process`.
    CrashProcess,
    /// The power fails. Text: `crash power keep=UNITS garbage=UNITS`.
    CrashPower {
        /// The pending units that are durable.
        keep: Keep,
        /// The sectors in flight that are garbage. Left out for none.
        garbage: Keep,
    },
    /// The next such call fails.
    Fault(Fault),
    /// Durable bytes, or names, change. Text: `damage batch:2.sector:0 flip`.
    Damage {
        /// What.
        unit: Unit,
        /// How.
        kind: DamageKind,
    },
    /// Time passes. Text: `clock ms=50`.
    Clock {
        /// How much, in milliseconds.
        ms: u64,
    },
}

impl WorldStep {
    /// The kind of crash, if it is one.
    #[must_use]
    pub const fn crash(&self) -> Option<CrashKind> {
        match self {
            Self::CrashProcess => Some(CrashKind::Process),
            Self::CrashPower { .. } => Some(CrashKind::Power),
            Self::Fault(_) | Self::Damage { .. } | Self::Clock { .. } => None,
        }
    }
}

impl fmt::Display for WorldStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CrashProcess => f.write_str("crash process"),
            Self::CrashPower { keep, garbage } => {
                write!(f, "crash power keep={keep}")?;
                if *garbage == Keep::None { Ok(()) } else { write!(f, " garbage={garbage}") }
            }
            Self::Fault(fault) => write!(f, "{fault}"),
            Self::Damage { unit, kind } => write!(f, "damage {unit} {kind}"),
            Self::Clock { ms } => write!(f, "clock ms={ms}"),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "fault {} {} {}", self.role, self.call, self.kind)?;
        if self.bytes != 0 {
            write!(f, " bytes={}", self.bytes)?;
        }
        if self.keep != Keep::None {
            write!(f, " keep={}", self.keep)?;
        }
        if self.cache == Cache::New { Ok(()) } else { write!(f, " cache={}", self.cache) }
    }
}

impl WorldStep {
    pub(crate) fn parse(words: &mut Words<'_>) -> Result<Self, ParseError> {
        let expected = "a world step (crash, fault, damage, clock)";
        let mut ahead = words.clone();
        let step = match ahead.word(expected)? {
            "crash" => match ahead.one()? {
                CrashKind::Process => Self::CrashProcess,
                CrashKind::Power => Self::CrashPower {
                    keep: ahead.key("keep", "none, all or UNITS")?,
                    garbage: ahead.key_if("garbage", "UNITS")?.unwrap_or_default(),
                },
            },
            "fault" => Self::Fault(Fault {
                role: ahead.one()?,
                call: ahead.one()?,
                kind: ahead.one()?,
                bytes: ahead.key_if("bytes", "BYTES")?.unwrap_or(0),
                keep: ahead.key_if("keep", "none, all or UNITS")?.unwrap_or_default(),
                cache: ahead.key_if("cache", "old or new")?.unwrap_or(Cache::New),
            }),
            "damage" => Self::Damage { unit: ahead.one()?, kind: ahead.one()? },
            "clock" => Self::Clock { ms: ahead.key("ms", "MILLISECONDS")? },
            _ => return Err(words.error(expected)),
        };
        *words = ahead;
        Ok(step)
    }
}
