//! The one vocabulary of the two machines: what clients, the world and the engine do, one line of text each.
//!
//! **How the parts are meant.** A path is a list of steps in the order in which they happened.
//!
//! - A *client* step is logged when its call begins. Its outcome, if the call returned before the next crash,
//!   is known later. A writer has at most one call in progress; a ticket takes a record out of that order.
//! - A *world* step happens between two engine steps. A fault is armed by the step and meets the next such call
//!   on such a file: that engine step then says [`Ended::Failed`] (or `Short`; an ignored or misdirected call
//!   says `Done`). What such a call made durable all the same is said by the fault. A crash falls behind the line
//!   above it; `keep=` names, of the units pending at that moment, those that are durable; units of the same
//!   place (a sector written twice) are told apart by the batch that wrote them, and the last one named wins.
//!   Names and lengths are units of their own. After a process crash nothing pending is lost.
//! - An *engine* step is one call of the file system at the moment it takes effect (for a sync: when it returns;
//!   [`EngineStep::SyncStart`] is added where something else happens in between), or an event of the engine: LSNs
//!   assigned (`encode`), a watermark moved (`publish`), a promise made (`ack`, before the call returns), a
//!   refusal, a decision of recovery. Reads of recovery are steps of the mechanism; they change no disk, so
//!   that the contract stutters. A call that is none of these steps is an error of whoever maps it.
//!
//! - A *prefetch* step, of whichever actor, is one atomic action in memory: another grain than the file system's
//!   calls, and another machine ([`crate::prefetch`]). A path is of one machine or of the other.
//!
//! The procedures of the engine, as steps (each call may end `failed`, each write also `short`):
//!
//! | procedure | steps |
//! |---|---|
//! | checkpoint | `create manifest.tmp`, `write edit:K checkpoint`, `sync-all manifest.tmp`, `rename manifest.tmp manifest`, `sync-dir dir` |
//! | create | `mkdir dir`, `lock dir`, `sync-dir ancestor` (each), checkpoint, `create identity.tmp`, `fill identity.tmp`, `sync-all identity.tmp`, `rename identity.tmp identity`, `sync-dir dir`, then open |
//! | open | `lock dir`, `read ...`, `recover ROW ...`, identity again if not vouched, checkpoint, `unlink` of orphans and `sync-dir dir`, prepare and commit of the unvouched tail, `ready next=N` |
//! | prepare | `create seg-N.tmp`, `fill` or `allocate` then `fill seg-N.tmp`, `sync-all seg-N.tmp`, `rename seg-N.tmp seg-N`, `sync-dir dir`, `write edit:K add-segment seg-N`, `sync-data manifest` |
//! | commit | `encode L`, `write batch:K seg-N lsns=L` (or `through`), `sync-data seg-N`, `check seg-N same`, `publish power-loss=L`, `ack L` |
//! | trim | `write edit:K trim before=L floor=N`, `sync-data manifest`, `unlink seg-M` (each), `sync-dir dir`, `trimmed before=L` |
//! | idle mark | `write batch:K seg-N`, `sync-data seg-N` |
//! | adopt, accept-loss | identity again, or a checkpoint |
//! | add a drive | `create drive-D/identity.tmp`, `fill`, `sync-all`, `rename` to `drive-D/identity`, `sync-dir drive-D`, `write edit:K add-drive drive-D`, `sync-data manifest` |
//! | build a run, on each drive chosen | `create drive-D/run-N.tmp`, `fill` (header, index), `write blocks drive-D/run-N.tmp lsns=L` (each), `sync-all`, `rename` to `drive-D/run-N`, `sync-dir drive-D`, `verify drive-D/run-N good` |
//! | publish a run | `write edit:K publish run-N lsns=L drives=D,... floor=M`, `sync-data manifest`, `switch generation=G` |
//! | reclaim | `create drive-D/manifest.tmp`, `fill`, `sync-all`, `rename` to `drive-D/manifest`, `sync-dir drive-D` (each healthy drive), `retire generation=G`, `unlink seg-M`, `unlink drive-D/run-M` (each replaced), `sync-dir dir`, `sync-dir drive-D` |
//! | re-replicate | build the run on another drive, `write edit:K copies run-N drives=D,...`, `sync-data manifest`, `switch generation=G` |

mod client;
mod drive;
mod engine;
mod name;
mod prefetch;
#[cfg(test)]
mod tests;
mod world;

use std::fmt;
use std::str::FromStr;

pub use client::{ClientStep, RecordSpec, TicketNo, Write, Writer};
pub use drive::{DriveNo, Drives, OnDrive, ReaderNo, RunNo, RunSpec};
pub use engine::{BatchSpec, Edit, Ended, EngineStep, PathCheck, Row, SyncKind, Verdict};
pub use name::{BatchNo, Durability, EditNo, Keep, Lsn, Lsns, Role, SegmentNo, Seq, Stream, Unit};
pub use prefetch::{Flag, Got, PrefetchStep, Range, Retired};
pub use world::{Cache, Call, CrashKind, DamageKind, Fault, FaultKind, WorldStep};

use crate::text::{ParseError, Words, words};

words! {
    /// Who takes a step.
    Actor, "an actor" {
        /// A user of the public interface.
        Client = "client",
        /// Everything that the engine does not decide.
        World = "world",
        /// The engine.
        Engine = "engine",
    }
}

/// A step of a path. Text: the actor, then the deed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Step {
    /// A call begins.
    Client(ClientStep),
    /// The world acts.
    World(WorldStep),
    /// The engine acts.
    Engine(EngineStep),
    /// Somebody touches a prefetched block. Text: the actor, then `prefetch`, then the action.
    Prefetch(PrefetchStep),
}

impl Step {
    /// Who takes it.
    #[must_use]
    pub const fn actor(&self) -> Actor {
        match self {
            Self::Client(_) => Actor::Client,
            Self::World(_) => Actor::World,
            Self::Engine(_) => Actor::Engine,
            Self::Prefetch(step) => step.actor(),
        }
    }

    pub(crate) fn parse(words: &mut Words<'_>) -> Result<Self, ParseError> {
        let actor = words.one()?;
        if words.flag("prefetch") {
            return Ok(Self::Prefetch(PrefetchStep::parse(actor, words)?));
        }
        Ok(match actor {
            Actor::Client => Self::Client(ClientStep::parse(words)?),
            Actor::World => Self::World(WorldStep::parse(words)?),
            Actor::Engine => Self::Engine(EngineStep::parse(words)?),
        })
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client(step) => write!(f, "client {step}"),
            Self::World(step) => write!(f, "world {step}"),
            Self::Engine(step) => write!(f, "engine {step}"),
            Self::Prefetch(step) => write!(f, "{} prefetch {step}", step.actor()),
        }
    }
}

/// A whole line is one of these.
macro_rules! from_line {
    ($($step:ty),+) => { $(
        impl FromStr for $step {
            type Err = ParseError;

            fn from_str(text: &str) -> Result<Self, ParseError> {
                let mut words = Words::new(text);
                let step = Self::parse(&mut words)?;
                words.end()?;
                Ok(step)
            }
        }
    )+ };
}
from_line!(Step, ClientStep, WorldStep, EngineStep);

impl From<ClientStep> for Step {
    fn from(step: ClientStep) -> Self {
        Self::Client(step)
    }
}

impl From<WorldStep> for Step {
    fn from(step: WorldStep) -> Self {
        Self::World(step)
    }
}

impl From<EngineStep> for Step {
    fn from(step: EngineStep) -> Self {
        Self::Engine(step)
    }
}

impl From<PrefetchStep> for Step {
    fn from(step: PrefetchStep) -> Self {
        Self::Prefetch(step)
    }
}
