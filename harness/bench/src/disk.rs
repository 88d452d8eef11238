//! The block device's own counters. They count for the whole machine: on a busy one they are too high, never too low.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The device below a directory.
pub struct Device(PathBuf);

/// What it has done so far.
#[derive(Debug, Clone, Copy)]
pub struct Counters {
    /// Flushes of its cache.
    pub flushes: u64,
    /// Writes.
    pub writes: u64,
}

impl Device {
    /// The device that holds `dir`.
    pub fn of(dir: &Path) -> Result<Self> {
        let dev = dir.metadata().with_context(|| dir.display().to_string())?.dev();
        let (major, minor) = (nix::sys::stat::major(dev), nix::sys::stat::minor(dev));
        let stat = PathBuf::from(format!("/sys/dev/block/{major}:{minor}/stat"));
        anyhow::ensure!(
            stat.exists(),
            "{} is on no block device of its own, so that syncs cannot be counted: choose another --dir",
            dir.display()
        );
        Ok(Self(stat))
    }

    /// What it has done so far.
    pub fn counters(&self) -> Result<Counters> {
        let text = std::fs::read_to_string(&self.0).with_context(|| self.0.display().to_string())?;
        let numbers: Vec<u64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        // The kernel's Documentation/block/stat: writes are the fifth number, flushes the sixteenth.
        let at = |index: usize| numbers.get(index).copied().context("the device counts no flushes");
        Ok(Counters { writes: at(4)?, flushes: at(15)? })
    }
}

/// What was done between two readings.
pub fn since(before: Counters, after: Counters) -> Counters {
    Counters { flushes: after.flushes - before.flushes, writes: after.writes - before.writes }
}
