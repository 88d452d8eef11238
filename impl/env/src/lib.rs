//! What Truelog asks of its surroundings: a file system, a clock, entropy.
//!
//! The engine does all its input and output through these traits, and through nothing else. They live in a
//! package of their own, without locks, so that the three builds of the engine (plain, under loom, under
//! shuttle) share one simulated disk.
//!
//! The traits promise what POSIX promises and no more. In particular a name is durable only after
//! [`Fs::sync_dir`] of its directory succeeded, bytes only after [`File::sync_data`] or [`File::sync_all`]
//! did (or, for a file opened with [`OpenMode::write_through`], once the write returned), and a sync that
//! failed once must never be believed again.

#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
compile_error!(
    "Truelog runs on Linux (x86-64 and aarch64): its promises rest on what that kernel's sync calls guarantee"
);

mod error;
mod fs;

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

pub use error::{IoError, IoKind, Op};
pub use fs::{Caution, DirLock, File, Fs, Metadata, NodeKind, OpenMode, Volume, Weakness};

/// Time, as the engine sees it.
pub trait Clock: Debug + Send + Sync {
    /// Time since an arbitrary fixed point. Never goes back.
    fn monotonic(&self) -> Duration;

    /// Time since the Unix epoch. May jump; the engine only ever reports it, and decides nothing by it.
    fn wall(&self) -> Duration;

    /// Waits for about `time`.
    fn sleep(&self, time: Duration);

    /// Lets other threads go first, for as short a time as there is.
    fn pause(&self) {
        self.sleep(Duration::from_micros(10));
    }
}

/// A source of unpredictable bytes, for identities and salts.
pub trait Entropy: Debug + Send + Sync {
    /// Fills `buf` wholly, or fails.
    ///
    /// # Errors
    /// When the source cannot deliver.
    fn fill(&self, buf: &mut [u8]) -> Result<(), IoError>;
}

/// The surroundings of one log.
#[derive(Debug, Clone)]
pub struct Env {
    /// Where the files are.
    pub fs: Arc<dyn Fs>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Where identities come from.
    pub entropy: Arc<dyn Entropy>,
}
