//! How large a run is, and what one measurement of it is.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::workloads::Workload;

/// The sizes of a run.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Scale {
    /// Interleaved rounds of what is written.
    pub rounds: u32,
    /// The same of what reads a log that is kept, which takes longer and varies less.
    pub kept_rounds: u32,
    /// How long one measurement by time takes.
    pub millis: u64,
    /// The bytes of payload that are appended before appends are measured: more than the first files have room for that are used
    /// again later, so that it is a log in use that is measured. The limits have their space made ready, too.
    pub before_bytes: u64,
    /// The bytes of payload that are put in bulk.
    pub bulk_bytes: u64,
    /// The bytes of payload of the log that is scanned.
    pub scan_bytes: u64,
    /// The bytes of payload that are archived.
    pub archive_bytes: u64,
    /// The sizes of the logs whose recovery is timed, ascending; the last is the one that is scanned.
    pub recovery_bytes: [u64; 3],
}

impl Scale {
    /// About a quarter of an hour.
    pub const FULL: Self = Self {
        rounds: 5,
        kept_rounds: 3,
        millis: 700,
        before_bytes: 64 << 20,
        bulk_bytes: 256 << 20,
        scan_bytes: 1 << 30,
        archive_bytes: 512 << 20,
        recovery_bytes: [64 << 20, 256 << 20, 1 << 30],
    };
    /// About two minutes.
    pub const QUICK: Self = Self {
        rounds: 1,
        kept_rounds: 1,
        millis: 300,
        before_bytes: 16 << 20,
        bulk_bytes: 64 << 20,
        scan_bytes: 64 << 20,
        archive_bytes: 64 << 20,
        recovery_bytes: [16 << 20, 32 << 20, 64 << 20],
    };
}

/// What one measurement does: everything that the process which measures needs to know.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Task {
    /// Who is measured.
    pub contender: String,
    /// Doing what.
    pub workload: Workload,
    /// The part of the workload, where it has some.
    pub part: u32,
    /// The log's own directory.
    pub dir: PathBuf,
    /// Where the result goes.
    pub out: PathBuf,
    /// The sizes.
    pub scale: Scale,
}
