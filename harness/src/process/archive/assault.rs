//! A thread that overwrites runs on one drive with random bytes at random places, while it is let.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::super::{Random, Trouble};

/// The most bytes that one blow overwrites.
const WIDTH: u64 = 2000;
/// The longest pause between two blows.
const PAUSE_MICROS: u64 = 40_000;

/// What the thread shares with its owner.
#[derive(Debug)]
struct Shared {
    drive: PathBuf,
    random: Mutex<Random>,
    active: AtomicBool,
    over: AtomicBool,
    places: AtomicU64,
}

/// The thread; it ends with this.
#[derive(Debug)]
pub(super) struct Assault {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Assault {
    /// Begins, paused.
    pub(super) fn begin(drive: &Path, seed: u64) -> Self {
        let shared = Arc::new(Shared {
            drive: drive.to_owned(),
            random: Mutex::new(Random::new(seed ^ 0xa5)),
            active: AtomicBool::new(false),
            over: AtomicBool::new(false),
            places: AtomicU64::new(0),
        });
        let own = Arc::clone(&shared);
        let thread = thread::spawn(move || {
            while !own.over.load(Ordering::Relaxed) {
                let pause = own.with_random(|random| random.below(PAUSE_MICROS));
                thread::sleep(Duration::from_micros(pause));
                own.with_random(|random| {
                    if own.active.load(Ordering::Relaxed) {
                        own.strike(random, false);
                    }
                });
            }
        });
        Self { shared, thread: Some(thread) }
    }

    /// Overwrites from now on.
    pub(super) fn go_on(&self) {
        self.shared.active.store(true, Ordering::Relaxed);
    }

    /// Overwrites nothing any more, until told to go on. A blow that had begun is over when this returns.
    pub(super) fn pause(&self) {
        self.shared.with_random(|_| self.shared.active.store(false, Ordering::Relaxed));
    }

    /// Overwrites so many places now.
    pub(super) fn strike(&self, blows: u64) -> Result<(), Trouble> {
        let struck =
            self.shared.with_random(|random| (0..blows).filter(|_| self.shared.strike(random, true)).count());
        if struck == 0 {
            return Err(Trouble::Missing("there was no run on the drive that could be overwritten".into()));
        }
        Ok(())
    }

    /// How many places were overwritten.
    pub(super) fn places(&self) -> u64 {
        self.shared.places.load(Ordering::Relaxed)
    }
}

impl Drop for Assault {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic in it has been printed.
            let _ = thread.join();
        }
    }
}

impl Shared {
    /// Whoever holds the random numbers overwrites; nobody else does meanwhile.
    fn with_random<T>(&self, act: impl FnOnce(&mut Random) -> T) -> T {
        act(&mut self.random.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Overwrites one place, if there is a run; `quiet` says that none is being made. A run that goes away meanwhile was not there.
    fn strike(&self, random: &mut Random, quiet: bool) -> bool {
        let Ok(names) = fs::read_dir(&self.drive) else { return false };
        // What is not published yet is struck rarely: it is found at once, and the drive is out for the rest of a life.
        let early = quiet || (random.below(256) == 0 && has_published(&self.drive));
        let mut runs: Vec<_> =
            names.flatten().map(|entry| entry.path()).filter(|path| is_run(path)).collect();
        runs.sort();
        if !early {
            // One run is made at a time, and gets the highest number: all others are published.
            runs.pop();
        }
        let at = usize::try_from(random.below(runs.len() as u64)).unwrap_or(0);
        let Some(file) = runs.get(at).and_then(|path| OpenOptions::new().write(true).open(path).ok()) else {
            return false;
        };
        let len = file.metadata().map_or(0, |metadata| metadata.len());
        let offset = random.below(len);
        // Never longer than it was.
        let width = (1 + random.below(WIDTH)).min(len.saturating_sub(offset));
        let bytes: Vec<u8> =
            (0..width).map(|_| u8::try_from(random.below(256)).unwrap_or_default()).collect();
        let struck = width > 0 && file.write_all_at(&bytes, offset).is_ok();
        self.places.fetch_add(u64::from(struck), Ordering::Relaxed);
        struck
    }
}

/// Whether a path is that of a run, or of one that is being made.
fn is_run(path: &Path) -> bool {
    path.file_name().unwrap_or_default().to_string_lossy().starts_with("run-")
}

/// Whether there is a run on a drive that is surely published.
pub(super) fn has_published(drive: &Path) -> bool {
    fs::read_dir(drive).is_ok_and(|names| names.flatten().filter(|entry| is_run(&entry.path())).count() > 1)
}
