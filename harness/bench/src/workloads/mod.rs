//! What is done, in the same way by everybody.

pub mod append;
pub mod archive;
pub mod busy;
pub mod get;
pub mod kept;

use anyhow::{Context, Result};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::measure::Sample;
use crate::peers::Peer;
use crate::plan::Task;
use crate::raw::{self, RAWS};

/// A kind of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Workload {
    /// Durable appends of 1 KiB, one writer.
    #[value(name = "append1")]
    Append1,
    /// The same, 16 writers.
    #[value(name = "append16")]
    Append16,
    /// The same, 64 writers.
    #[value(name = "append64")]
    Append64,
    /// Durable batches of 64 records of 1 KiB, one writer.
    #[value(name = "batch64")]
    Batch64,
    /// Records of 4 KiB and one final sync.
    #[value(name = "bulk")]
    Bulk,
    /// The time that opening takes, by the size of the log that was not closed.
    #[value(name = "recovery")]
    Recovery,
    /// Open and read all, warm.
    #[value(name = "scan")]
    Scan,
    /// Records at random, warm.
    #[value(name = "get")]
    Get,
    /// Read the archive in order: warm and cold, with and without reading ahead.
    #[value(name = "archive")]
    Archive,
    /// Append latency at rest, and while it compacts and scrubs.
    #[value(name = "busy")]
    Busy,
}

impl Workload {
    /// All of them, in the order of a run.
    pub const ALL: [Self; 10] = [
        Self::Append1,
        Self::Append16,
        Self::Append64,
        Self::Batch64,
        Self::Bulk,
        Self::Busy,
        Self::Archive,
        Self::Recovery,
        Self::Scan,
        Self::Get,
    ];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Append1 => "append1",
            Self::Append16 => "append16",
            Self::Append64 => "append64",
            Self::Batch64 => "batch64",
            Self::Bulk => "bulk",
            Self::Recovery => "recovery",
            Self::Scan => "scan",
            Self::Get => "get",
            Self::Archive => "archive",
            Self::Busy => "busy",
        }
    }

    /// What it is, for a heading.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Append1 => "durable appends of 1 KiB, 1 writer",
            Self::Append16 => "durable appends of 1 KiB, 16 writers",
            Self::Append64 => "durable appends of 1 KiB, 64 writers",
            Self::Batch64 => "durable batches of 64 records of 1 KiB, 1 writer",
            Self::Bulk => "bulk: records of 4 KiB, one final sync, preparation counted",
            Self::Recovery => "open a log that was not closed",
            Self::Scan => "open and scan, warm, every checksum verified",
            Self::Get => "random get of 1 KiB, warm",
            Self::Archive => "scan of the archive",
            Self::Busy => "append latency, 1 writer",
        }
    }

    /// How many threads append.
    pub const fn writers(self) -> usize {
        match self {
            Self::Append16 => 16,
            Self::Append64 => 64,
            _ => 1,
        }
    }

    /// The parts that it has, each a table row of its own.
    pub const fn parts(self) -> u32 {
        match self {
            Self::Archive => 4,
            Self::Recovery => 3,
            Self::Busy => 2,
            _ => 1,
        }
    }

    /// What a part is called.
    pub fn part_name(self, part: u32) -> String {
        match (self, part) {
            (Self::Archive, part) => archive::Part::of(part).name().to_owned(),
            (Self::Recovery, 0) => "small".to_owned(),
            (Self::Recovery, 1) => "medium".to_owned(),
            (Self::Recovery, _) => "large".to_owned(),
            (Self::Busy, 0) => "at rest".to_owned(),
            (Self::Busy, _) => "compacting and scrubbing".to_owned(),
            _ => String::new(),
        }
    }

    /// Whether it reads, so that a peer which verifies no checksum does less.
    pub const fn reads(self) -> bool {
        matches!(self, Self::Scan | Self::Get | Self::Archive | Self::Recovery)
    }

    /// Whether it works on a log that was made before and is kept between measurements.
    pub const fn keeps(self) -> bool {
        self.reads()
    }

    /// Whether the log that it works on is the one of recovery, scan and get.
    pub const fn shares_log(self) -> bool {
        matches!(self, Self::Scan | Self::Get | Self::Recovery)
    }

    /// Whether only Truelog has such a thing.
    pub const fn ours_alone(self) -> bool {
        matches!(self, Self::Archive | Self::Busy)
    }
}

/// Makes one measurement.
pub fn measure(task: &Task) -> Result<Sample> {
    if let Some(raw) = RAWS.iter().find(|raw| raw.name == task.contender) {
        return (raw.run)(task);
    }
    let peer =
        Peer::named(&task.contender).with_context(|| format!("nobody is called {}", task.contender))?;
    match task.workload {
        Workload::Append1 | Workload::Append16 | Workload::Append64 | Workload::Batch64 => {
            append::run(peer, task)
        }
        Workload::Bulk => append::bulk(peer, task),
        Workload::Recovery => kept::recover(peer, task),
        Workload::Scan => kept::scan(peer, task),
        Workload::Get => get::run(peer, task),
        Workload::Archive => archive::scan(task),
        Workload::Busy => busy::run(task),
    }
}

/// Makes the log that is kept, or makes it longer: up to the size of the part.
pub fn prepare(task: &Task) -> Result<()> {
    match task.workload {
        Workload::Archive => archive::make(task),
        _ => match raw::log_of(&task.contender) {
            limit if limit.starts_with("raw-") => kept::make_raw(task),
            peer => kept::make(Peer::named(peer).with_context(|| format!("nobody is called {peer}"))?, task),
        },
    }
}
