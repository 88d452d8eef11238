//! The handle to one life of a simulated disk.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use truelog_env::{Env, IoError, Op, Weakness};

use super::disk::Disk;
use super::fault::{FaultId, Plan, SyncOp};
use super::surroundings::{SimClock, SimEntropy};
use super::world::{Inner, World};
use super::{Hook, Image, LogRecord, Profile, RolePattern, Snapshot};

/// Where the log of a simulated disk is. Its parent is there from the start, durably; it is not.
pub const LOG_DIR: &str = "/vol/log";

/// One life of a simulated disk. A clone is another handle to the same life.
#[derive(Clone)]
pub struct SimFs {
    pub(super) inner: Arc<Inner>,
}

impl SimFs {
    /// A disk that holds nothing but the log directory's parent.
    #[must_use]
    pub fn new(profile: Profile) -> Self {
        Self::new_seeded(profile, 0)
    }

    /// As [`SimFs::new`], with other entropy.
    #[must_use]
    pub fn new_seeded(profile: Profile, seed: u64) -> Self {
        let log_dir = Path::new(LOG_DIR);
        let mut disk = Disk::new(profile, Arc::from(log_dir), seed);
        // The root is there, so that this cannot fail.
        if disk.create_dir(log_dir.parent().unwrap_or(log_dir)).is_ok() {
            let order = disk.order;
            let _ = disk.sync_dir(super::disk::ROOT, order);
        }
        Self::with(Arc::new(disk))
    }

    /// The next life: nothing is open or locked, no fault is due, the log of calls is empty.
    #[must_use]
    pub fn from_image(image: &Image) -> Self {
        Self::with(image.disk().clone())
    }

    fn with(disk: Arc<Disk>) -> Self {
        Self { inner: Arc::new(Inner::new(World::new(disk))) }
    }

    /// The surroundings for the engine: this disk, its clock, its entropy.
    #[must_use]
    pub fn env(&self) -> Env {
        Env {
            fs: Arc::new(self.clone()),
            clock: Arc::new(SimClock(self.inner.clone())),
            entropy: Arc::new(SimEntropy(self.inner.clone())),
        }
    }

    /// Where the log is: [`LOG_DIR`].
    #[must_use]
    pub fn log_dir(&self) -> &'static Path {
        Path::new(LOG_DIR)
    }

    /// The disk's profile.
    #[must_use]
    pub fn profile(&self) -> Profile {
        self.inner.world().disk.profile
    }

    /// Sets or removes what is called at both edges of every call.
    pub fn set_hook(&self, hook: Option<Hook>) {
        self.inner.world().hook = hook;
    }

    /// The calls of this life, an entry for each edge.
    #[must_use]
    pub fn log(&self) -> Vec<LogRecord> {
        self.inner.world().log.clone()
    }

    /// The calls since the last time, which are then forgotten.
    #[must_use]
    pub fn take_log(&self) -> Vec<LogRecord> {
        std::mem::take(&mut self.inner.world().log)
    }

    /// Whether calls are logged. They are, unless switched off.
    pub fn set_logging(&self, on: bool) {
        self.inner.world().logging = on;
    }

    /// How many calls there were in this life.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.inner.world().calls
    }

    /// Moves the clock. Nothing else does.
    pub fn advance(&self, by: Duration) {
        self.inner.world().disk_mut().clock += by;
    }

    /// What the clock says.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.inner.world().disk.clock
    }

    /// The faults of this life.
    #[must_use]
    pub const fn faults(&self) -> Faults<'_> {
        Faults { sim: self }
    }

    /// From now on the disk silently leaves out these syncs.
    pub fn ignore_sync(&self, role: impl Into<RolePattern>, op: SyncOp) {
        self.inner.world().schedule.ignore(role.into(), op);
    }

    /// From now on the disk does every sync again.
    pub fn honour_syncs(&self) {
        self.inner.world().schedule.honour();
    }

    /// How many syncs were left out.
    #[must_use]
    pub fn ignored(&self) -> u64 {
        self.inner.world().schedule.swallowed()
    }

    /// The disk is full once so many more bytes have found room; `None`: it never is.
    pub fn fill_after(&self, bytes: Option<u64>) {
        self.inner.world().room = bytes;
    }

    /// The file system turns read-only, or writable again.
    pub fn set_read_only(&self, on: bool) {
        self.inner.world().read_only = on;
    }

    /// At most so many descriptors are open at once.
    pub fn limit_handles(&self, most: Option<usize>) {
        self.inner.world().handle_limit = most;
    }

    /// What the volume admits that it cannot promise.
    pub fn set_weakness(&self, weakness: Option<Weakness>) {
        self.inner.world().weakness = weakness;
    }

    /// Ends this life: every further call fails and does nothing, so that its threads come to an end.
    pub fn power_off(&self) {
        self.inner.world().off = true;
    }

    /// The disk at this moment. May be called inside a hook; a write that the hook stands before is in flight.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.inner.world().snapshot()
    }

    /// Removes a directory with its files, as another program would: the engine's `Fs` cannot. Not a call, not logged.
    ///
    /// # Errors
    /// When there is no such directory, or it holds another.
    pub fn remove_dir_all(&self, path: &Path) -> Result<(), IoError> {
        let mut world = self.inner.world();
        world.disk_mut().remove_dir_all(path).map_err(|refused| refused.of(Op::Unlink))
    }

    /// Gives a file a second name elsewhere, as another program would: only its count of links shows it. Not a call, not
    /// logged.
    ///
    /// # Errors
    /// When there is no such file.
    pub fn link_elsewhere(&self, path: &Path) -> Result<(), IoError> {
        let mut world = self.inner.world();
        let disk = world.disk_mut();
        let done = disk.find(path).and_then(|inode| disk.file_mut(inode).map(|file| file.elsewhere += 1));
        done.map_err(|refused| refused.of(Op::Metadata))
    }

    /// Sets a file's length, as another program would: the engine's `Fs` cannot. Not a call, not logged.
    ///
    /// # Errors
    /// When there is no such file.
    pub fn truncate(&self, path: &Path, len: u64) -> Result<(), IoError> {
        let mut world = self.inner.world();
        let disk = world.disk_mut();
        let done = disk.find(path).and_then(|inode| disk.truncate(inode, len));
        done.map_err(|refused| refused.of(Op::SetLen))
    }
}

impl fmt::Debug for SimFs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimFs").field("profile", &self.profile()).finish_non_exhaustive()
    }
}

/// The faults of one life. A fault that was scheduled and never fired proves nothing: ask [`Faults::unfired`].
#[derive(Debug, Clone, Copy)]
pub struct Faults<'a> {
    sim: &'a SimFs,
}

impl Faults<'_> {
    /// Schedules a fault; calls are counted from now on.
    pub fn schedule(&self, plan: Plan) -> FaultId {
        self.sim.inner.world().schedule.add(plan)
    }

    /// The faults that fired, in order of scheduling.
    #[must_use]
    pub fn fired(&self) -> Vec<(FaultId, Plan)> {
        self.sim.inner.world().schedule.list(true)
    }

    /// The faults that have not fired yet, in order of scheduling.
    #[must_use]
    pub fn unfired(&self) -> Vec<(FaultId, Plan)> {
        self.sim.inner.world().schedule.list(false)
    }

    /// Forgets all faults, fired or not.
    pub fn clear(&self) {
        self.sim.inner.world().schedule.clear();
    }
}
