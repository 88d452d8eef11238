//! The state of the mechanism: what is on disk, what the engine knows, what the clients were told.

use super::archive::{Archive, Drive, Life};
use super::disk::Cell;
use crate::step::{Durability, Edit, Fault, Lsn, Role, SegmentNo, TicketNo, Unit};

/// A record's identity: its place in the order of all records ever handed in, from 0. Never on the disk.
pub type RecordId = u32;

/// Everything: the state that the checker hashes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct State {
    /// The disk, as the page cache shows it and as a loss of power may leave it.
    pub disk: Disk,
    /// The engine's life; nothing when no process holds the log.
    pub engine: Option<Engine>,
    /// The requests, in the order in which clients made them.
    pub requests: Vec<Request>,
    /// How many records were handed in.
    pub records: RecordId,
    /// The highest LSN that a client asked to trim below.
    pub trim_asked: Lsn,
    /// The highest durable watermark ever published: what was claimed to survive a loss of power.
    pub claimed: Lsn,
    /// How the last open ended, or would have ended. Empty once something was appended since, or where a loss
    /// of power may have changed it.
    pub last_open: Option<LastOpen>,
    /// The fault that the next matching call meets.
    pub armed: Option<Fault>,
    /// The invariants that the last step broke, one bit each.
    pub broken: u16,
    /// What has happened so far: only the model's boundary and the witnesses look at it.
    pub past: Past,
}

/// How an open ended, or would have ended had it not been interrupted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LastOpen {
    /// The next LSN.
    pub next: Lsn,
    /// Whether it named damage.
    pub damaged: bool,
    /// Whether it returned.
    pub returned: bool,
}

/// Counts of what the world did, and marks of what the engine did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Past {
    /// Crashes of either kind.
    pub crashes: u8,
    /// Faults that were armed.
    pub faults: u8,
    /// Units that were damaged (gate D).
    pub damages: u8,
    /// One bit for each [`Mark`] met.
    pub marks: u32,
}

macro_rules! marks {
    ($($(#[$meta:meta])* $variant:ident = $word:literal),+ $(,)?) => {
        /// Something that happened, for the witnesses.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Mark { $($(#[$meta])* $variant),+ }

        impl Mark {
            /// The word for it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }
    };
}

marks! {
    /// The power failed.
    Power = "the power failed",
    /// The process crashed.
    Process = "the process crashed",
    /// A crash met the engine inside a recovery.
    InRecovery = "a crash inside a recovery",
    /// A life after a crash returned from open.
    Reopened = "open returned after a crash",
    /// A torn tail was cut.
    Cut = "a torn tail was cut",
    /// An unvouched tail was written again.
    Rewritten = "an unvouched tail was written again",
    /// Damage was named.
    Named = "damage was named",
    /// A segment was unlinked.
    Unlinked = "a segment was unlinked",
    /// A batch entered a second segment of the same life.
    Rotated = "the log rotated",
    /// A call failed or was short.
    Failed = "a call failed or was short",
    /// Space could not be made.
    Full = "space could not be made",
    /// An idle mark was written.
    Idle = "an idle mark was written",
    /// A batch was written through.
    Through = "a batch was written through",
    /// A record was acknowledged.
    Acked = "a record was acknowledged",
    /// A handle was closed, or let go of.
    Closed = "a handle was closed",
    /// A run was published.
    Published = "a run was published",
    /// A run that holds what another run held was published.
    Merged = "runs were merged",
    /// What a run replaces was removed.
    Reclaimed = "what a run replaces was removed",
    /// A run that no manifest names was removed.
    Orphaned = "an unpublished run was removed",
    /// A run of trimmed records was removed.
    TrimmedRun = "a trimmed run was removed",
    /// A copy was given up.
    Abandoned = "a copy was given up",
    /// Readers moved on while one held an older generation.
    HeldAcross = "a reader held a snapshot across a publish",
    /// A publish was told to have failed, and is durable.
    Persisted = "a publish failed and persisted",
}

impl Past {
    /// Whether something happened.
    #[must_use]
    pub fn saw(self, mark: Mark) -> bool {
        self.marks & (1 << mark as u32) != 0
    }

    pub(crate) fn mark(&mut self, mark: Mark) {
        self.marks |= 1 << mark as u32;
    }
}

/// The disk.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Disk {
    /// The log directory's own entry, and all those above it.
    pub ancestor: Cell,
    /// The identity's bytes.
    pub identity: Cell,
    /// The identity's name.
    pub identity_name: Cell,
    /// What the name `MANIFEST` leads to in the cache.
    pub manifest: Option<Manifest>,
    /// What it leads to on the device, while that is something else.
    pub older: Option<Manifest>,
    /// Whether the device knows the newest of the renames to `MANIFEST`.
    pub manifest_name: Cell,
    /// How many manifest entries were written so far, over all lives.
    pub edits: u64,
    /// The segments that have a name.
    pub segments: Vec<Segment>,
    /// The batches, in the order of their first write, over all lives.
    pub batches: Vec<Batch>,
    /// The drives.
    pub drives: Vec<Drive>,
}

/// A manifest file.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Manifest {
    /// The checkpoint record's bytes.
    pub cell: Cell,
    /// The checkpoint record's number.
    pub number: u64,
    /// The state that the checkpoint holds.
    pub base: Listing,
    /// The records behind it: number, edit, durable watermark when written, bytes.
    pub edits: Vec<(u64, Edit, Lsn, Cell)>,
}

/// What a manifest says.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Listing {
    /// The identity's name is known to be durable.
    pub identity_vouched: bool,
    /// The segments, ascending.
    pub segments: Vec<SegmentNo>,
    /// Records below are gone.
    pub before: Lsn,
    /// Segments below may be unlinked.
    pub floor: SegmentNo,
    /// The durable watermark when it was written.
    pub watermark: Lsn,
    /// What was accepted as lost, both ends included.
    pub losses: Vec<(Lsn, Lsn)>,
    /// The archive.
    pub archive: Archive,
}

/// A segment file under its final name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Segment {
    /// Its number.
    pub number: SegmentNo,
    /// Its header and its zeros.
    pub data: Cell,
    /// Its name.
    pub name: Cell,
}

/// A batch's bytes. Its sectors are told apart only as the first and the rest.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Batch {
    /// The segment that it was written to.
    pub segment: SegmentNo,
    /// Where in the segment: how many batches lie before it.
    pub slot: u32,
    /// The LSN of its first record; of the next record, for an idle mark.
    pub base: Lsn,
    /// Its records.
    pub records: Vec<RecordId>,
    /// The durable watermark that it carries.
    pub watermark: Lsn,
    /// The number of the last batch kept before it; 0 for the first ever.
    pub chain: u64,
    /// The first sector, which holds the header, and the rest.
    pub cells: [Cell; 2],
    /// The batch (by number) whose place it was written over.
    pub over: Option<u64>,
    /// The batch (by number) whose bytes a misdirected write has put in its place.
    pub alias: Option<u64>,
}

impl Batch {
    /// The LSN of its last record; the one before [`Batch::base`] for an idle mark.
    #[must_use]
    pub fn last(&self) -> Lsn {
        self.base + self.records.len() as Lsn - 1
    }

    /// Whether all its bytes survive every crash.
    #[must_use]
    pub fn durable(&self) -> bool {
        self.cells.iter().all(|cell| cell.durable())
    }
}

/// Where the engine's life stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Making the directory a log.
    Creating,
    /// Recovering.
    Opening,
    /// Accepting a loss, or a new place.
    Mending,
    /// Serving.
    Up,
    /// Serving reads only: damage was found.
    ReadOnly,
}

/// How far a file that is made under a temporary name has come. Each bit is a call that succeeded.
pub mod stage {
    /// Created.
    pub const CREATED: u8 = 1;
    /// Its bytes written.
    pub const FILLED: u8 = 2;
    /// Synced.
    pub const SYNCED: u8 = 4;
    /// Renamed.
    pub const RENAMED: u8 = 8;
    /// The directory synced since.
    pub const NAMED: u8 = 16;
    /// Of a segment: the manifest edit written.
    pub const LISTED: u8 = 32;
    /// Of a segment: the manifest synced since.
    pub const READY: u8 = 64;
}

/// What the engine knows. All of it is gone after a crash.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Engine {
    /// Where its life stands.
    pub phase: Phase,
    /// Whether it holds the directory's lock.
    pub locked: bool,
    /// Whether the directories above were synced by this life.
    pub anchored: bool,
    /// How far `IDENTITY` has come.
    pub identity: u8,
    /// How far the checkpoint has come.
    pub checkpoint: u8,
    /// The checkpoint that is being made.
    pub draft: Option<Manifest>,
    /// The manifest floor that is known to be durable.
    pub floor: SegmentNo,
    /// The segments that this life made or makes, and how far each has come.
    pub segments: Vec<(SegmentNo, u8)>,
    /// The segment of the last batch kept or written.
    pub active: SegmentNo,
    /// The number of the last batch kept or written.
    pub chain: u64,
    /// The next LSN to be given.
    pub next: Lsn,
    /// The highest LSN written.
    pub written: Lsn,
    /// The durable watermark that was published.
    pub durable: Lsn,
    /// The written watermark that was published.
    pub accepted: Lsn,
    /// The batches of this life that are not yet known to be durable.
    pub flights: Vec<Flight>,
    /// What recovery found, until it returns.
    pub found: Option<super::survey::Found>,
    /// Whether recovery has decided about the end.
    pub decided: bool,
    /// A write or sync that matters failed, and nothing that matters was written since.
    pub failed: bool,
    /// Of the first such failure: the highest LSN that was synced then, with all below it.
    pub failed_at: Option<Lsn>,
    /// The handle is known to be poisoned.
    pub poisoned: bool,
    /// A trim in progress.
    pub trim: Option<Trim>,
    /// A close in progress.
    pub closing: bool,
    /// The durable watermark at the last idle mark.
    pub marked: Lsn,
    /// A preparation met the end of the space.
    pub full: bool,
    /// Syncs that have begun: what each covers.
    pub syncing: Vec<(Role, Vec<Unit>)>,
    /// What it knows of the archive.
    pub archive: Life,
}

/// A batch on its way.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Flight {
    /// Its number.
    pub batch: u64,
    /// The LSN of its last record.
    pub last: Lsn,
    /// All of its bytes are written.
    pub whole: bool,
    /// A sync that began since has succeeded.
    pub synced: bool,
    /// A sync of it failed.
    pub failed: bool,
    /// Its path was looked at before that, and was right then.
    pub looked: bool,
    /// Its path was looked at after that, and was right.
    pub checked: bool,
}

/// A trim in progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Trim {
    /// The first LSN that stays.
    pub before: Lsn,
    /// The manifest edit's floor, once it is written.
    pub floor: Option<SegmentNo>,
    /// Whether the manifest was synced since.
    pub synced: bool,
}

/// What a client was told about its records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Told {
    /// Nothing yet.
    Waiting,
    /// A receipt.
    Acked(Durability),
    /// An error, or nothing before the crash: it may be there or not.
    Unresolved,
    /// It was refused, or an open returned without it: it is not there.
    Absent,
}

/// Records that stand or fall together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Request {
    /// Who asked.
    pub writer: u32,
    /// The ticket, if it was submitted.
    pub ticket: Option<TicketNo>,
    /// The first record.
    pub first: RecordId,
    /// How many.
    pub count: u32,
    /// What the receipt shall survive.
    pub durability: Durability,
    /// The first record's LSN; 0 before it has one.
    pub lsn: Lsn,
    /// What the client was told.
    pub told: Told,
}

impl Request {
    /// The last record's LSN.
    #[must_use]
    pub fn last(&self) -> Lsn {
        self.lsn + Lsn::from(self.count) - 1
    }
}
