//! What the archive adds to the state. All of it is empty in a log without drives.

use super::super::disk::Cell;
use super::super::state::{Listing, Manifest, RecordId, State};
use crate::step::{DriveNo, Drives, Edit, Lsn, Lsns, ReaderNo, RunNo, SegmentNo};

/// A run, as the manifest names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Run {
    /// Its number.
    pub number: RunNo,
    /// The records that it is said to hold.
    pub lsns: Lsns,
    /// The drives that are said to have a copy.
    pub copies: Drives,
}

/// What a manifest says of the archive.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Archive {
    /// The drives.
    pub drives: Drives,
    /// Those of them from which nothing is read.
    pub quarantined: Drives,
    /// The runs, in the order of their records.
    pub runs: Vec<Run>,
    /// How many publishes there were.
    pub generation: u64,
    /// The highest number of a run that was ever named.
    pub last_run: RunNo,
}

impl Archive {
    /// The highest LSN that a run holds; 0 for none.
    #[must_use]
    pub fn archived(&self) -> Lsn {
        self.runs.iter().map(|run| run.lsns.last).max().unwrap_or(0)
    }

    /// The run of that number.
    #[must_use]
    pub fn run(&self, number: RunNo) -> Option<&Run> {
        self.runs.iter().find(|run| run.number == number)
    }

    /// Whether a drive is said to have a copy of a run.
    #[must_use]
    pub fn names(&self, drive: DriveNo, number: RunNo) -> bool {
        self.run(number).is_some_and(|run| run.copies.contains(drive))
    }

    /// The drives that are read from and written to.
    pub fn healthy(&self) -> impl Iterator<Item = DriveNo> {
        let quarantined = self.quarantined;
        self.drives.iter().filter(move |drive| !quarantined.contains(*drive))
    }

    /// Takes an edit in.
    pub(crate) fn apply(&mut self, edit: Edit) {
        match edit {
            Edit::AddDrive(drive) => self.drives = self.drives.with(drive),
            Edit::RemoveDrive(drive) => self.drives = self.drives.without(drive),
            Edit::Quarantine(drive) => self.quarantined = self.quarantined.with(drive),
            Edit::Readmit(drive) => self.quarantined = self.quarantined.without(drive),
            Edit::Publish(spec) => {
                self.runs.retain(|run| !spec.lsns.meets(run.lsns));
                self.runs.push(Run { number: spec.run, lsns: spec.lsns, copies: spec.copies });
                self.generation += 1;
                self.last_run = self.last_run.max(spec.run);
            }
            Edit::Copies(number, copies) => {
                for run in self.runs.iter_mut().filter(|run| run.number == number) {
                    run.copies = copies;
                }
            }
            Edit::Trim { before, .. } => self.runs.retain(|run| run.lsns.last >= before),
            Edit::Checkpoint | Edit::AddSegment(_) | Edit::AcceptLoss(_) | Edit::Audited => {}
        }
    }
}

/// A drive: a directory whose entries and files persist as the log's do.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Drive {
    /// Its number.
    pub number: DriveNo,
    /// Its identity's name; the bytes are synced before.
    pub identity: Cell,
    /// The runs that have a name.
    pub runs: Vec<RunFile>,
    /// The generation of the checkpoint that the name `MANIFEST` leads to in the cache.
    pub checkpoint: Option<u64>,
    /// Of the one that it leads to on the device, while that is another one.
    pub older: Option<u64>,
    /// Whether the device knows the newest of the renames to `MANIFEST`.
    pub checkpoint_name: Cell,
}

impl Drive {
    /// The generation of the checkpoint that a loss of power would leave.
    #[must_use]
    pub fn device_checkpoint(&self) -> Option<u64> {
        if self.checkpoint_name == Cell::Durable { self.checkpoint } else { self.older }
    }

    /// A run by its number, whether its name is seen or not.
    #[must_use]
    pub fn run(&self, number: RunNo) -> Option<&RunFile> {
        self.runs.iter().find(|run| run.number == number)
    }
}

/// A copy of a run under its final name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RunFile {
    /// The run's number.
    pub number: RunNo,
    /// What its blocks really hold.
    pub records: Vec<(Lsn, RecordId)>,
    /// Its bytes.
    pub data: Cell,
    /// Its name.
    pub name: Cell,
}

impl RunFile {
    /// The record under an LSN, if a read through the cache finds it.
    #[must_use]
    pub fn at(&self, lsn: Lsn) -> Option<RecordId> {
        let readable = self.name.readable() && self.data.readable();
        self.records.iter().find(|record| readable && record.0 == lsn).map(|record| record.1)
    }
}

/// What a reader reads by.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Catalog {
    /// The manifest's generation.
    pub generation: u64,
    /// Segments below are not read.
    pub floor: SegmentNo,
    /// The runs.
    pub runs: Vec<Run>,
}

impl Catalog {
    /// By what a manifest says.
    #[must_use]
    pub fn of(listing: &Listing) -> Self {
        let archive = &listing.archive;
        Self { generation: archive.generation, floor: listing.floor, runs: archive.runs.clone() }
    }
}

/// How far a copy of a run has come. Each bit is a call that succeeded, but for [`made::FAILED`].
pub mod made {
    /// Created.
    pub const CREATED: u8 = 1;
    /// Blocks written.
    pub const FILLED: u8 = 2;
    /// Synced.
    pub const SYNCED: u8 = 4;
    /// Renamed.
    pub const RENAMED: u8 = 8;
    /// The drive synced since.
    pub const NAMED: u8 = 16;
    /// Read back, and right.
    pub const VERIFIED: u8 = 32;
    /// The manifest edit written.
    pub const LISTED: u8 = 64;
    /// A call failed, or it was read back and was wrong.
    pub const FAILED: u8 = 128;
}

/// A copy of a run that this life makes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Copying {
    /// The drive.
    pub drive: DriveNo,
    /// The run.
    pub run: RunNo,
    /// How far it has come: see [`made`].
    pub stage: u8,
    /// The records that were written, as far as the engine knows.
    pub lsns: Option<Lsns>,
    /// The records that its blocks really hold.
    pub records: Vec<(Lsn, RecordId)>,
    /// The bytes, before the rename.
    pub bytes: Cell,
}

/// An edit that concerns the archive and waits for its sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pending {
    /// What it says.
    pub edit: Edit,
    /// The floor of segments behind it.
    pub floor: SegmentNo,
}

/// What the engine knows of the archive.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Life {
    /// A compaction was asked for.
    pub wanted: bool,
    /// A drive that is being added, and how far its identity has come (see [`made`]).
    pub adding: Option<(DriveNo, u8)>,
    /// The copies that this life makes.
    pub copies: Vec<Copying>,
    /// The edit on its way.
    pub pending: Option<Pending>,
    /// What a new reader reads by.
    pub catalog: Catalog,
    /// Who reads, and by what.
    pub readers: Vec<(ReaderNo, Catalog)>,
    /// Readers of older generations are known to be gone.
    pub retired: u64,
    /// The checkpoints of drives that this life makes: how far each has come (see [`made`]), and its generation.
    pub checkpoints: Vec<(DriveNo, u8, u64)>,
}

impl Life {
    /// A life that begins with a manifest.
    pub(crate) fn begin(listing: &Listing) -> Self {
        Self { catalog: Catalog::of(listing), retired: listing.archive.generation, ..Self::default() }
    }

    /// A copy that this life makes.
    #[must_use]
    pub fn copying(&self, drive: DriveNo, run: RunNo) -> Option<&Copying> {
        self.copies.iter().find(|copy| (copy.drive, copy.run) == (drive, run))
    }

    /// The generation that a drive's checkpoint is known to have.
    #[must_use]
    pub fn checkpointed(&self, drive: DriveNo) -> Option<u64> {
        let known = self.checkpoints.iter().find(|one| one.0 == drive && one.1 & made::NAMED != 0);
        known.map(|one| one.2)
    }
}

impl State {
    /// What the manifest says, as the page cache shows it.
    pub(crate) fn listing(&self) -> Option<Listing> {
        self.disk.manifest.as_ref().and_then(Manifest::read)
    }

    /// A drive by its number.
    #[must_use]
    pub fn drive(&self, number: DriveNo) -> Option<&Drive> {
        self.disk.drives.iter().find(|drive| drive.number == number)
    }

    /// The highest number that a run has, or is to have.
    pub(crate) fn runs(&self) -> RunNo {
        let made = self.engine.iter().flat_map(|engine| &engine.archive.copies).map(|copy| copy.run);
        let named = self.disk.drives.iter().flat_map(|drive| &drive.runs).map(|run| run.number);
        made.chain(named).max().unwrap_or(0)
    }
}
