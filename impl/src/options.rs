//! What a log promises and how it goes about it.

use std::fmt;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::types::Durability;

/// How a batch is made durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum SyncMethod {
    /// Write, then sync the data (`fdatasync`).
    DataSync,
    /// Each write returns only once it is durable (`O_DSYNC`).
    WriteThrough,
    /// Write and sync, or past the page cache by one write that returns only once it is durable (`O_DIRECT|O_DSYNC`):
    /// the first small and the first large batches of an open (see [`BatchSize`](crate::BatchSize)) go either way in turn, and
    /// for each the way that took less is kept. What need not survive a loss of power is written without a sync, whatever was chosen. Where the file system has no such way, as `DataSync`.
    #[default]
    Auto,
}

impl fmt::Display for SyncMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DataSync => "data-sync",
            Self::WriteThrough => "write-through",
            Self::Auto => "auto",
        })
    }
}

/// How a new segment gets its space.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Fill {
    /// Zeros are written, so that a later batch changes no metadata at all.
    #[default]
    Zeros,
    /// The space is reserved (`fallocate`); the first write of each extent converts it.
    Allocate,
}

impl fmt::Display for Fill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Zeros => "zeros",
            Self::Allocate => "allocate",
        })
    }
}

/// A log's options. Those under "stored" are kept in the log at create; opening it with other values is an
/// [`Error::Mismatch`]. The others belong to a handle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Stored. The unit that batches are padded to, in bytes: a power of two from 256 to 65,536, and not
    /// smaller than what the device writes as a whole.
    pub block_size: u32,
    /// Stored. The size that segments grow to, in bytes: a multiple of the block size. The first segments
    /// after an open are smaller, and one that must hold a larger batch is larger.
    pub segment_size: u64,
    /// Stored. The most that the frames of one batch may take, in bytes; also the bound of memory that
    /// unwritten records may take, twice (one batch open, one in flight).
    pub max_batch_bytes: u32,
    /// Stored. The most streams that the log may have.
    pub max_streams: u32,
    /// Stored. The blocks that a manifest takes at least; when its edits have filled them it is rewritten.
    pub manifest_blocks: u32,
    /// Stored. How a batch is made durable.
    pub sync: SyncMethod,
    /// Stored. How a segment gets its space.
    pub fill: Fill,
    /// Stored. What an append promises when it does not say.
    pub durability: Durability,
    /// Stored. On how many drives each block of the archive is kept.
    pub copies: u16,
    /// Whether the file of a segment that was trimmed or archived becomes a later one, if it is as large: its space was
    /// written before, so that each byte is written once where a log is trimmed as fast as it is filled, and not twice. Two such
    /// files are kept at most, but for where the volume has little room left; and given back where it cannot be made sure of its space
    /// (`fallocate`), or another name leads to it. An
    /// [`Inspection`](crate::Inspection) that looks beside the writer may find files gone: inspect again. Whoever reads or copies
    /// the segments of an open log by other means must know of it.
    pub reuse: bool,
    /// How long a record that nobody waits for may stay uncommitted.
    pub max_delay: Duration,
    /// How long the log must be quiet before the idle mark is written, which vouches for the last batch.
    pub quiet: Duration,
    /// Whether a thread of the log's own does the background work. Without it the caller calls `step`.
    pub background: bool,
    /// The most that readers of this handle may keep in memory, in bytes, prefetched blocks not counted.
    pub read_buffer_bytes: u32,
    /// How many bytes of records a block of the archive holds, about.
    pub archive_block_bytes: u32,
    /// How long a run of the archive gets at most, in bytes, about; shorter neighbours are merged.
    pub run_bytes: u64,
    /// How many bytes of the archive are read, and as many written, in a second by compaction and scrub at most, and how
    /// many bytes of the segments by an audit of everything; 0 for as fast as they can.
    pub archive_rate: u64,
    /// The most that prefetched blocks may take in memory, in bytes; 0 for none. Besides, the memory of four blocks is kept, to
    /// read the next into.
    pub prefetch_bytes: u32,
    /// How often the auditor holds a sample of the receipts issued since against the device, and looks whether every
    /// file is in its place; zero for never.
    pub audit_every: Duration,
    /// How often the auditor reads everything. Twice as long without success degrades the log's health.
    pub audit_all_every: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            block_size: 4096,
            segment_size: 64 << 20,
            max_batch_bytes: 1 << 20,
            max_streams: 65_536,
            manifest_blocks: 16,
            sync: SyncMethod::default(),
            fill: Fill::default(),
            durability: Durability::default(),
            copies: 2,
            reuse: false,
            max_delay: Duration::from_millis(5),
            quiet: Duration::from_millis(50),
            background: true,
            read_buffer_bytes: 1 << 20,
            archive_block_bytes: 256 << 10,
            run_bytes: 256 << 20,
            archive_rate: 64 << 20,
            prefetch_bytes: 8 << 20,
            audit_every: Duration::from_secs(60),
            audit_all_every: Duration::from_secs(24 * 60 * 60),
        }
    }
}

/// The smallest block size.
pub const MIN_BLOCK: u32 = 256;
/// The largest block size.
pub const MAX_BLOCK: u32 = 65_536;
/// The largest segment size.
pub const MAX_SEGMENT: u64 = 1 << 30;
/// The largest batch.
pub const MAX_BATCH: u32 = 1 << 28;
/// The most blocks that a manifest may be asked to take.
pub const MAX_MANIFEST_BLOCKS: u32 = 4096;
/// The most copies that may be asked for.
pub const MAX_COPIES: u16 = 8;
/// The most streams that a log may be asked to have.
pub const MAX_STREAMS: u32 = 1 << 24;

fn require(holds: bool, option: &'static str, value: impl fmt::Display, why: &'static str) -> Result<()> {
    if holds { Ok(()) } else { Err(Error::BadOption { option, value: value.to_string(), why }) }
}

impl Options {
    /// Checks all options together.
    ///
    /// # Errors
    /// [`Error::BadOption`] naming the first that cannot be.
    pub fn validate(&self) -> Result<()> {
        let block = self.block_size;
        require(
            block.is_power_of_two() && (MIN_BLOCK..=MAX_BLOCK).contains(&block),
            "block_size",
            block,
            "it must be a power of two from 256 to 65536",
        )?;
        let segment = self.segment_size;
        require(
            segment.is_multiple_of(u64::from(block)),
            "segment_size",
            segment,
            "it must be a multiple of the block size",
        )?;
        require(
            (u64::from(block) * 2..=MAX_SEGMENT).contains(&segment),
            "segment_size",
            segment,
            "it must hold a header and a batch, and be at most 1 GiB",
        )?;
        require(
            (64..=MAX_BATCH).contains(&self.max_batch_bytes),
            "max_batch_bytes",
            self.max_batch_bytes,
            "it must be from 64 bytes to 256 MiB",
        )?;
        require(
            (1..=MAX_STREAMS).contains(&self.max_streams),
            "max_streams",
            self.max_streams,
            "it must be from 1 to 16777216",
        )?;
        require(
            (2..=MAX_MANIFEST_BLOCKS).contains(&self.manifest_blocks),
            "manifest_blocks",
            self.manifest_blocks,
            "it must be from 2 to 4096",
        )?;
        require((1..=MAX_COPIES).contains(&self.copies), "copies", self.copies, "it must be from 1 to 8")?;
        require(
            (64..=MAX_BATCH).contains(&self.archive_block_bytes),
            "archive_block_bytes",
            self.archive_block_bytes,
            "it must be from 64 bytes to 256 MiB",
        )?;
        require(
            self.run_bytes >= u64::from(self.archive_block_bytes),
            "run_bytes",
            self.run_bytes,
            "it must hold a block",
        )
    }

    /// Checks that the stored options of a log are the ones given.
    ///
    /// # Errors
    /// [`Error::Mismatch`] naming the first that differs, with both values.
    pub fn check_against(&self, stored: &Self) -> Result<()> {
        fn same<T: PartialEq + fmt::Display>(option: &'static str, given: T, stored: T) -> Result<()> {
            if given == stored {
                return Ok(());
            }
            Err(Error::Mismatch { option, expected: stored.to_string(), found: given.to_string() })
        }
        same("block_size", self.block_size, stored.block_size)?;
        same("segment_size", self.segment_size, stored.segment_size)?;
        same("max_batch_bytes", self.max_batch_bytes, stored.max_batch_bytes)?;
        same("max_streams", self.max_streams, stored.max_streams)?;
        same("manifest_blocks", self.manifest_blocks, stored.manifest_blocks)?;
        same("sync", self.sync, stored.sync)?;
        same("fill", self.fill, stored.fill)?;
        same("durability", self.durability, stored.durability)?;
        same("copies", self.copies, stored.copies)
    }

    /// The stored options of `stored`, and this handle's own for the rest.
    #[must_use]
    pub fn with_stored(&self, stored: &Self) -> Self {
        Self {
            reuse: self.reuse,
            max_delay: self.max_delay,
            quiet: self.quiet,
            background: self.background,
            read_buffer_bytes: self.read_buffer_bytes,
            archive_block_bytes: self.archive_block_bytes,
            run_bytes: self.run_bytes,
            archive_rate: self.archive_rate,
            prefetch_bytes: self.prefetch_bytes,
            audit_every: self.audit_every,
            audit_all_every: self.audit_all_every,
            ..stored.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid() {
        assert_eq!(Options::default().validate(), Ok(()));
    }

    #[test]
    fn each_bad_value_is_refused_by_name() {
        let good = Options::default;
        let bad: [(&str, Options); 10] = [
            ("block_size", Options { block_size: 128, ..good() }),
            ("block_size", Options { block_size: 5000, ..good() }),
            ("segment_size", Options { segment_size: 4096, ..good() }),
            ("segment_size", Options { segment_size: 10_000, ..good() }),
            ("max_batch_bytes", Options { max_batch_bytes: 0, ..good() }),
            ("max_streams", Options { max_streams: 0, ..good() }),
            ("manifest_blocks", Options { manifest_blocks: 1, ..good() }),
            ("copies", Options { copies: 0, ..good() }),
            ("archive_block_bytes", Options { archive_block_bytes: 1, ..good() }),
            ("run_bytes", Options { run_bytes: 1, ..good() }),
        ];
        for (name, options) in bad {
            match options.validate() {
                Err(Error::BadOption { option, .. }) => assert_eq!(option, name),
                other => panic!("{name}: {other:?}"),
            }
        }
    }

    #[test]
    fn each_stored_option_that_differs_is_named_with_both_values() {
        let stored = Options::default();
        let changed: [(&str, Options); 9] = [
            ("block_size", Options { block_size: 8192, ..stored.clone() }),
            ("segment_size", Options { segment_size: 8192, ..stored.clone() }),
            ("max_batch_bytes", Options { max_batch_bytes: 64, ..stored.clone() }),
            ("max_streams", Options { max_streams: 1, ..stored.clone() }),
            ("manifest_blocks", Options { manifest_blocks: 2, ..stored.clone() }),
            ("sync", Options { sync: SyncMethod::WriteThrough, ..stored.clone() }),
            ("fill", Options { fill: Fill::Allocate, ..stored.clone() }),
            ("durability", Options { durability: Durability::ProcessCrash, ..stored.clone() }),
            ("copies", Options { copies: 1, ..stored.clone() }),
        ];
        for (name, given) in changed {
            match given.check_against(&stored) {
                Err(Error::Mismatch { option, expected, found }) => {
                    assert_eq!(option, name);
                    assert_ne!(expected, found);
                }
                other => panic!("{name}: {other:?}"),
            }
            assert_eq!(given.with_stored(&stored), stored);
        }
        let own = Options {
            reuse: true,
            max_delay: Duration::ZERO,
            quiet: Duration::ZERO,
            background: false,
            read_buffer_bytes: 1,
            archive_block_bytes: 2,
            run_bytes: 3,
            archive_rate: 4,
            prefetch_bytes: 5,
            audit_every: Duration::ZERO,
            audit_all_every: Duration::ZERO,
            ..stored.clone()
        };
        assert_eq!(own.check_against(&stored), Ok(()));
        assert_eq!(own.with_stored(&stored), own);
    }
}
