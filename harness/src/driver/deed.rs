//! What happened in one life of a log, in order: enough to judge it again without running it again.

use std::sync::{Arc, Mutex, PoisonError};

use truelog_env::Op;
use truelog_spec::contract::{Record, RecoveredState};
use truelog_spec::step::CrashKind;
use truelog_spec::{ClientStep, Outcome, Step};

use super::Moment;
use crate::fabric::{Plan, Role};
use crate::subject::Refusal;

/// One thing that happened. What the contract makes of it is decided by whoever replays the deeds.
#[derive(Debug, Clone)]
pub enum Deed {
    /// A client's call began.
    Begin(ClientStep),
    /// It ended.
    Finish(Outcome),
    /// An open returned, and this is what it returned.
    Opened(RecoveredState),
    /// A read, or an inspection, returned these records from an LSN on, and named these as unreadable.
    Read {
        /// The first LSN asked for.
        from: u64,
        /// What came.
        records: Vec<Record>,
        /// What did not.
        unread: Vec<Refusal>,
    },
    /// The engine claimed that all up to this LSN survives a loss of power; 0 for a claim that survives less.
    Claimed(u64),
    /// A claim was made whose artifact the disk does not hold.
    Unfounded(String),
    /// These drives do not serve, although nothing has failed.
    DrivesOut(Vec<u64>),
    /// A record went from one stage to the next and was told of twice, or not at all.
    Unbalanced(String),
    /// What the log says of its health is better, or worse, than what is so.
    Untrue(String),
    /// A write or a sync failed; all up to this LSN was synced before.
    WriteBackFailed(u64),
    /// A sync of a segment failed, which may take back what was only written; all up to this LSN was synced before.
    TakenBack(u64),
    /// The log's directory is a copy from now on.
    Copied,
    /// The handle is gone.
    Crash(CrashKind),
    /// The disk has left out a sync that it was told to leave out.
    LeftOut,
    /// Something will go wrong with a call.
    Armed(Plan),
    /// A call of the file system begins, if the driver was asked to tell.
    Call(Role, Op),
    /// The engine or the world has taken a step, if the driver was asked to tell.
    Step(Step),
    /// A moment at which a crash may come.
    Moment(Arc<Moment>),
}

/// The deeds of a life, while it goes on.
#[derive(Debug, Clone, Default)]
pub struct Diary(Arc<Mutex<Vec<Deed>>>);

impl Diary {
    /// Something happened.
    pub fn note(&self, deed: Deed) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(deed);
    }

    /// How many deeds there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Whether nothing happened.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The deeds so far.
    #[must_use]
    pub fn take(&self) -> Vec<Deed> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Where in a life a moment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum At {
    /// While a call of the file system is under way.
    During(u64, Op),
    /// When a call of the file system has ended.
    After(u64, Op),
    /// When a claim of durability is made.
    Claim(u64),
    /// When a client's call has returned.
    Return,
}
