//! What was seen of a run: calls with their beginning and end, claims, and what clients asked for.
//!
//! A run is one list. Its order is the order in which things were seen; a call is two entries, since calls of
//! several threads overlap. What is seen of a call lies around it: its beginning is logged before anything is
//! done, its end after everything is. So when one call's end stands before another's beginning, the first
//! really was over; nothing is claimed for calls that overlap.

use std::fmt;

use truelog_env::{IoError, IoKind, Op};
use truelog_spec::step::{Durability, Lsns};
use truelog_spec::{ClientStep, WorldStep};

use crate::fabric::Role;

/// The most bytes of a write that are kept: enough for the header of a batch, and for an edit.
pub const HEAD: usize = 192;

/// One call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// What is asked for.
    pub op: Op,
    /// What its path, or its file's path, is to the log.
    pub role: Role,
    /// For a rename, what the new path is.
    pub to: Option<Role>,
    /// Whether each write to the file is its own sync.
    pub through: bool,
    /// Where a write or a read begins, in bytes.
    pub offset: u64,
    /// How many bytes are to be written, or read at most.
    pub len: u64,
    /// The first bytes to be written, at most [`HEAD`].
    pub head: Vec<u8>,
}

impl Call {
    /// A call that writes and reads nothing.
    #[must_use]
    pub const fn plain(op: Op, role: Role) -> Self {
        Self { op, role, to: None, through: false, offset: 0, len: 0, head: Vec::new() }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.op, self.role)?;
        if let Some(to) = self.to {
            write!(f, " {to}")?;
        }
        if matches!(self.op, Op::Write | Op::Read) {
            write!(f, " {}+{}{}", self.offset, self.len, if self.through { " through" } else { "" })?;
        }
        Ok(())
    }
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Result {
    /// It succeeded; of a write or a read, with so many bytes.
    Ok(u64),
    /// The path led to another file than the descriptor.
    Other,
    /// It failed.
    Failed(IoKind),
}

impl From<std::result::Result<u64, IoError>> for Result {
    fn from(result: std::result::Result<u64, IoError>) -> Self {
        match result {
            Ok(n) => Self::Ok(n),
            Err(error) => Self::Failed(error.kind),
        }
    }
}

/// One entry of what was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// A call begins. Its number names it, and is used once.
    Begin(u64, Call),
    /// A call ends.
    End(u64, Result),
    /// A lock is given back.
    Unlock,
    /// The engine says that records up to this one survive what is named.
    Claim(Durability, u64),
    /// The engine is about to tell a writer that its records survive what is named; or a receipt was printed.
    Ack(Lsns, Durability),
    /// Open or create is about to return, with the next LSN; perhaps for reading only.
    Ready(u64, bool),
    /// A trim is about to return.
    Trimmed(u64),
    /// The handle has become useless for writing.
    Poisoned,
    /// A client's call begins.
    Client(ClientStep),
    /// The world acts.
    World(WorldStep),
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Begin(number, call) => write!(f, "#{number} {call} …"),
            Self::End(number, Result::Ok(_)) => write!(f, "#{number} … done"),
            Self::End(number, Result::Other) => write!(f, "#{number} … leads to another file"),
            Self::End(number, Result::Failed(kind)) => write!(f, "#{number} … failed: {kind:?}"),
            Self::Unlock => f.write_str("unlock dir"),
            Self::Claim(durability, upto) => write!(f, "claim {durability}={upto}"),
            Self::Ack(lsns, durability) => write!(f, "ack {lsns} {durability}"),
            Self::Ready(next, read_only) => {
                write!(f, "ready next={next}{}", if *read_only { " read-only" } else { "" })
            }
            Self::Trimmed(before) => write!(f, "trimmed before={before}"),
            Self::Poisoned => f.write_str("poisoned"),
            Self::Client(step) => write!(f, "client {step}"),
            Self::World(step) => write!(f, "world {step}"),
        }
    }
}
