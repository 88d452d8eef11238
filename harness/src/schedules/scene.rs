//! The programs whose schedules are explored: a few clients on one log, each a list of calls.

use truelog_env::Op;
use truelog_spec::step::{Durability, RecordSpec, Write, Writer};

use super::runner::Strategy;
use crate::fabric::{RolePattern, SyncOp};
use crate::subject::{Setup, SyncWay};

/// A call of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Append one record of so many bytes, and wait.
    Append(u32),
    /// Append one record that need only survive the process, and wait.
    Accept(u32),
    /// Append two records of so many bytes as one batch, and wait.
    Batch(u32),
    /// Hand a record of so many bytes in, and wait for it at the end of the client's list.
    Submit(u32),
    /// Hand a record of so many bytes in, and never wait for it.
    Leave(u32),
    /// Let go of all records below an LSN.
    Trim(u64),
    /// A step of background work.
    Step,
    /// Read everything, forwards.
    Read,
    /// Read what was acknowledged, one by one, backwards.
    Back,
    /// Verify every receipt that is out.
    Audit,
    /// So many steps of the archive's work.
    Archive(usize),
    /// Archive all that is sealed.
    Compact,
    /// Read every copy of the archive, and repair what is damaged.
    Scrub,
    /// Let time pass, in milliseconds.
    Sleep(u64),
}

impl Act {
    /// What it appends, if it does.
    #[must_use]
    pub fn write(self, writer: Writer) -> Option<Write> {
        let stream = u64::from(writer);
        let (len, count, durability) = match self {
            Self::Append(len) | Self::Submit(len) | Self::Leave(len) => (len, 1, Durability::PowerLoss),
            Self::Accept(len) => (len, 1, Durability::ProcessCrash),
            Self::Batch(len) => (len, 2, Durability::PowerLoss),
            Self::Trim(_)
            | Self::Step
            | Self::Read
            | Self::Back
            | Self::Audit
            | Self::Archive(_)
            | Self::Compact
            | Self::Scrub
            | Self::Sleep(_) => return None,
        };
        Some(Write { writer, records: vec![RecordSpec { stream, len }; count], durability })
    }
}

/// A program.
#[derive(Debug, Clone, Copy)]
pub struct Scene {
    /// Its name.
    pub name: &'static str,
    /// What it is about.
    pub says: &'static str,
    /// How the log is set up.
    pub setup: Setup,
    /// How many drives the log gets at the beginning.
    pub drives: u64,
    /// What the main thread does before there are others.
    pub before: &'static [Act],
    /// The clients, one thread each.
    pub clients: &'static [&'static [Act]],
    /// What the main thread does once all clients are done.
    pub after: &'static [Act],
    /// The sync that fails, if one does: of which file, which call, the how-manieth.
    pub fails: Option<(RolePattern, Op, u32)>,
    /// Data syncs of segments that the disk says it does, and does not: for the canary.
    pub lies: Option<(RolePattern, SyncOp)>,
    /// The log has its own thread, as an operator's has. Its clock is one on which everything is due by the next look.
    pub worked: bool,
    /// The handle is dropped while another thread opens the log again; then that thread does this.
    pub again: Option<&'static [Act]>,
    /// How many times as many schedules as usual are run: more threads have more of them.
    pub times: u64,
    /// The most choices of one crash point that are all gone through; beyond it, so many are drawn.
    pub choices: usize,
    /// All schedules, or all of a kind, can be run, and are.
    pub whole: Option<Whole>,
}

/// What is run to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whole {
    /// Every schedule.
    Every,
    /// Every schedule with at most so many delays.
    Delays(usize),
}

impl Whole {
    /// How they are gone through.
    #[must_use]
    pub const fn strategy(self) -> Strategy {
        match self {
            Self::Every => Strategy::DepthFirst,
            Self::Delays(bound) => Strategy::Delays(bound),
        }
    }
}

/// Room for every edit of a scene, so that each is written behind the last.
const ROOMY: Setup = Setup { manifest_blocks: 16, ..Setup::TINY };

const PLAIN: Scene = Scene {
    name: "",
    says: "",
    setup: ROOMY,
    drives: 0,
    before: &[],
    clients: &[],
    after: &[],
    fails: None,
    lies: None,
    worked: false,
    again: None,
    times: 1,
    choices: 1024,
    whole: None,
};

/// A log with two drives, and two slots for blocks that are read ahead: a third block takes the place of one of them.
const ARCHIVED: Scene =
    Scene { setup: Setup { prefetch: 8192, ..ROOMY }, drives: 2, choices: 16, times: 6, ..PLAIN };

/// A run of three blocks, one record each, and a sealed segment that is not archived yet.
const THREE_ARCHIVED: &[Act] = &[
    Act::Append(200),
    Act::Append(200),
    Act::Append(200),
    Act::Append(200),
    Act::Compact,
    Act::Append(200),
    // The last block is wanted, and read ahead.
    Act::Read,
    Act::Archive(1),
];

/// What waited for readers is done now, and everything is there.
const SETTLE: &[Act] = &[Act::Compact, Act::Archive(4), Act::Read, Act::Back, Act::Audit, Act::Scrub];

/// All scenes.
pub const SCENES: &[Scene] = &[
    Scene {
        name: "hand-over",
        says: "three writers, one commit in flight",
        clients: &[&[Act::Append(8), Act::Append(8)], &[Act::Append(8)], &[Act::Append(8)]],
        ..PLAIN
    },
    Scene {
        name: "rotation",
        says: "two writers fill segments, and prepare the next ones between them",
        clients: &[&[Act::Append(200), Act::Append(200)], &[Act::Append(200), Act::Batch(40)]],
        ..PLAIN
    },
    Scene {
        name: "trim",
        says: "a trimmer beside two writers: manifest and segments are synced by different threads",
        clients: &[&[Act::Append(200), Act::Append(200)], &[Act::Append(200)], &[Act::Trim(2), Act::Trim(3)]],
        ..PLAIN
    },
    Scene {
        name: "through",
        says: "write-through: the write is the sync",
        setup: Setup { sync: SyncWay::Through, ..ROOMY },
        clients: &[&[Act::Append(8), Act::Append(200)], &[Act::Append(200), Act::Append(8)]],
        ..PLAIN
    },
    Scene {
        name: "two-durabilities",
        says: "records that need only survive the process, beside records that survive everything",
        clients: &[&[Act::Accept(8), Act::Append(8)], &[Act::Append(8), Act::Accept(8)]],
        ..PLAIN
    },
    Scene {
        name: "worker",
        says: "records that nobody waits for, the worker's steps, the idle mark",
        clients: &[
            &[Act::Submit(8), Act::Append(8)],
            &[Act::Submit(8)],
            &[Act::Sleep(100), Act::Step, Act::Sleep(100), Act::Step],
        ],
        after: &[Act::Sleep(100), Act::Step],
        ..PLAIN
    },
    Scene {
        name: "reader",
        says: "a reader beside two writers",
        clients: &[&[Act::Append(8), Act::Append(8)], &[Act::Append(8)], &[Act::Read, Act::Read]],
        ..PLAIN
    },
    Scene {
        name: "reader-trim",
        says: "two readers of segments that are trimmed under them",
        before: &[Act::Append(200), Act::Append(200), Act::Append(200), Act::Append(200)],
        clients: &[&[Act::Trim(3), Act::Trim(4)], &[Act::Read, Act::Read], &[Act::Back, Act::Audit]],
        times: 6,
        ..PLAIN
    },
    Scene {
        name: "reader-reuse",
        says: "two readers of segments whose files become later ones under them",
        setup: Setup { reuse: true, segment: 1280, ..ROOMY },
        before: &[Act::Append(200), Act::Append(200), Act::Append(200), Act::Append(200)],
        clients: &[
            &[Act::Trim(3), Act::Append(200), Act::Trim(4), Act::Append(200)],
            &[Act::Read, Act::Read],
            &[Act::Back, Act::Audit],
        ],
        times: 6,
        ..PLAIN
    },
    Scene {
        name: "failed-sync",
        says: "a data sync fails under one of two writers",
        clients: &[&[Act::Append(8), Act::Append(8)], &[Act::Append(8), Act::Append(8)]],
        fails: Some((RolePattern::AnySegment, Op::SyncData, 2)),
        ..PLAIN
    },
    Scene {
        name: "failed-directory",
        says: "the directory sync of a new segment fails while the other writer commits",
        clients: &[&[Act::Append(200), Act::Append(200)], &[Act::Append(200), Act::Step]],
        fails: Some((RolePattern::Is(crate::fabric::Role::LogDir), Op::SyncDir, 2)),
        ..PLAIN
    },
    Scene {
        name: "own-thread",
        says: "two writers leave records to the log's own thread, which commits them beside others",
        clients: &[&[Act::Leave(8), Act::Accept(8)], &[Act::Leave(200), Act::Leave(8)]],
        worked: true,
        ..PLAIN
    },
    Scene {
        name: "own-thread-fails",
        says: "a data sync fails under the log's own thread or under a writer, and both go on",
        clients: &[&[Act::Leave(8), Act::Leave(8)], &[Act::Leave(8), Act::Append(8)]],
        after: &[Act::Append(8)],
        fails: Some((RolePattern::AnySegment, Op::SyncData, 1)),
        worked: true,
        // Who syncs first must often be that thread.
        times: 4,
        ..PLAIN
    },
    Scene {
        name: "second-life",
        says: "the handle is dropped while its thread commits, and another thread opens the log at once",
        clients: &[&[Act::Append(8), Act::Leave(8)], &[Act::Leave(8)]],
        worked: true,
        again: Some(&[Act::Leave(8), Act::Append(8)]),
        ..PLAIN
    },
    Scene {
        name: "compaction",
        says: "sealed segments are archived and reclaimed, and runs merged, beside a writer, a prefetcher, a verifier and two \
               readers",
        before: THREE_ARCHIVED,
        clients: &[
            &[Act::Append(200)],
            &[Act::Compact],
            &[Act::Archive(4), Act::Archive(4)],
            &[Act::Audit],
            &[Act::Read, Act::Back],
            &[Act::Read, Act::Read],
        ],
        after: SETTLE,
        // Only few schedules keep a reader waiting between its look at the catalog and its call of the disk.
        times: 16,
        ..ARCHIVED
    },
    Scene {
        name: "scrub",
        says: "every copy is read and checked while runs are merged, trimmed and read",
        before: THREE_ARCHIVED,
        clients: &[
            &[Act::Archive(6), Act::Compact],
            // By then a reader has been in the run that goes.
            &[Act::Read, Act::Read, Act::Trim(4)],
            &[Act::Scrub],
            &[Act::Read, Act::Audit],
            &[Act::Read, Act::Read],
        ],
        after: SETTLE,
        ..ARCHIVED
    },
    Scene {
        name: "archive-trim",
        says: "records are trimmed while they are archived, read ahead and read",
        before: THREE_ARCHIVED,
        clients: &[
            &[Act::Compact],
            &[Act::Back, Act::Trim(3), Act::Trim(5)],
            &[Act::Append(200), Act::Archive(6)],
            &[Act::Read, Act::Read],
            &[Act::Read, Act::Back],
        ],
        after: SETTLE,
        ..ARCHIVED
    },
    Scene {
        name: "tiny",
        says: "two writers hand in one record each, the main thread commits: every schedule",
        // Space for all of it: making space would multiply the schedules.
        setup: Setup { segment: 8192, ..ROOMY },
        before: &[Act::Append(8)],
        clients: &[&[Act::Leave(8)], &[Act::Leave(8)]],
        after: &[Act::Append(8)],
        whole: Some(Whole::Every),
        ..PLAIN
    },
    Scene {
        name: "all-roles",
        says: "two writers, a compactor, a prefetcher and a verifier: every schedule with one delay",
        before: THREE_ARCHIVED,
        clients: &[
            &[Act::Append(200)],
            &[Act::Append(8)],
            &[Act::Compact],
            &[Act::Read, Act::Archive(4)],
            &[Act::Audit],
        ],
        after: SETTLE,
        whole: Some(Whole::Delays(1)),
        ..ARCHIVED
    },
];

/// The canary of the crash images: on a disk that leaves the data syncs out, acknowledged records are lost.
pub const LYING: Scene = Scene {
    name: "canary-lying-disk",
    says: "the disk leaves out the data syncs of segments",
    clients: &[&[Act::Append(8)], &[Act::Append(8)]],
    lies: Some((RolePattern::AnySegment, SyncOp::Data)),
    ..PLAIN
};

impl Scene {
    /// The scene of that name, the canary's among them.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        SCENES.iter().chain([&LYING]).find(|scene| scene.name == name)
    }
}
