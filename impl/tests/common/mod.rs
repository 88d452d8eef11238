//! What the tests on the real file system share.
#![allow(dead_code, reason = "each test binary uses a part")]
#![allow(clippy::disallowed_methods, reason = "tests look at the files from outside")]

pub(crate) mod archived;

use std::path::{Path, PathBuf};
use std::time::Duration;

use truelog::Options;

/// A directory for one log, removed in the end.
pub(crate) struct Dir {
    root: tempfile::TempDir,
}

impl Dir {
    pub(crate) fn new() -> Self {
        // Not the system's temporary directory: that may live in memory, where nothing survives a loss of power.
        let root = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
        Self { root }
    }

    /// Where the log is.
    pub(crate) fn path(&self) -> PathBuf {
        self.root.path().join("log")
    }

    /// Another place beside it.
    pub(crate) fn other(&self) -> PathBuf {
        self.root.path().join("other")
    }
}

/// Small, and without a thread: the tests call `step`.
pub(crate) fn options() -> Options {
    Options {
        segment_size: 256 << 10,
        max_batch_bytes: 64 << 10,
        max_delay: Duration::from_secs(3600),
        quiet: Duration::from_secs(3600),
        background: false,
        ..Options::default()
    }
}

/// A payload that depends on `number` in all its bytes.
pub(crate) fn payload(number: u64, len: usize) -> Vec<u8> {
    let seed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (0..len).map(|index| (seed >> (index % 8 * 8)) as u8 ^ index as u8).collect()
}

/// The names of the segments in a directory, sorted.
pub(crate) fn segments(dir: impl AsRef<Path>) -> Vec<String> {
    let entries = std::fs::read_dir(dir).expect("a directory");
    let names = entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"));
    let mut names: Vec<_> = names.filter(|name| name.starts_with("segment-")).collect();
    names.sort();
    names
}
