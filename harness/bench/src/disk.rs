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
    /// Bytes written.
    pub written_bytes: u64,
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
        // The kernel's Documentation/block/stat: writes are the fifth number, sectors of 512 bytes written the seventh,
        // flushes the sixteenth.
        let at = |index: usize| numbers.get(index).copied().context("the device counts no flushes");
        Ok(Counters { writes: at(4)?, written_bytes: 512 * at(6)?, flushes: at(15)? })
    }
}

/// Why a device's flushes do not tell how often it was synced, if so.
pub fn hides_syncs(dir: &Path) -> Result<Option<&'static str>> {
    let stat = Device::of(dir)?.0.canonicalize()?;
    // A partition's queue is the disk's, one level up.
    let queue = stat.ancestors().map(|above| above.join("queue")).find(|queue| queue.is_dir());
    let queue = queue.context("the device has no queue")?;
    let read = |name| std::fs::read_to_string(queue.join(name)).unwrap_or_default();
    Ok(match (read("write_cache").trim(), read("fua").trim()) {
        ("write through", _) => Some("the device has no cache to flush"),
        (_, "1") => Some("the device has writes that need no flush (FUA)"),
        _ => None,
    })
}

/// What was done between two readings.
pub fn since(before: Counters, after: Counters) -> Counters {
    Counters {
        flushes: after.flushes - before.flushes,
        writes: after.writes - before.writes,
        written_bytes: after.written_bytes - before.written_bytes,
    }
}
