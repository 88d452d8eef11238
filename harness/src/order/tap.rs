//! A tap on any file system: logs every call of the engine, and passes it on.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use truelog_env::{DirLock, File, Fs, IoError, Metadata, Op, OpenMode, Volume};

use super::gate;
use super::seen::{Call, HEAD, Result as Outcome, Seen};
use crate::fabric::Role;

/// Is told of each entry, with its number, before the call goes on.
type Listener = Arc<dyn Fn(usize, &Seen) + Send + Sync>;

/// What was seen so far. Shared by the tap, the observer of events and whoever drives the log.
#[derive(Clone, Default)]
pub struct Journal {
    entries: Arc<Mutex<Vec<Seen>>>,
    listener: Option<Listener>,
    closed: Arc<AtomicBool>,
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Journal").field("entries", &self.entries).finish_non_exhaustive()
    }
}

impl Journal {
    /// A journal that tells `listener` of each entry. No lock is held then: it may use the log.
    #[must_use]
    pub fn listened(listener: Listener) -> Self {
        Self { listener: Some(listener), ..Self::default() }
    }

    /// Adds an entry.
    pub fn push(&self, seen: Seen) {
        if self.closed.load(Ordering::Relaxed) {
            return;
        }
        let at = {
            let mut entries = locked(&self.entries);
            entries.push(seen.clone());
            entries.len() - 1
        };
        if let Some(listener) = &self.listener {
            listener(at, &seen);
        }
    }

    /// What happens meanwhile is not written down: the end of a life that a crash has ended before.
    pub fn pause(&self, meanwhile: impl FnOnce()) {
        self.closed.store(true, Ordering::Relaxed);
        meanwhile();
        self.closed.store(false, Ordering::Relaxed);
    }

    /// All entries so far.
    #[must_use]
    pub fn entries(&self) -> Vec<Seen> {
        locked(&self.entries).clone()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The file system with a tap on it.
#[derive(Debug)]
pub struct Tap {
    inner: Arc<dyn Fs>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    dir: PathBuf,
    journal: Journal,
    calls: AtomicU64,
    /// The names of open files: a rename changes them.
    open: Mutex<Vec<Weak<Mutex<PathBuf>>>>,
}

impl Shared {
    fn role(&self, path: &Path) -> Role {
        Role::of(path, &self.dir)
    }

    /// Logs both edges of a call around `deed`; `count` says what a success is worth.
    fn call<T>(
        &self,
        call: Call,
        deed: impl FnOnce() -> Result<T, IoError>,
        count: impl FnOnce(&T) -> Outcome,
    ) -> Result<T, IoError> {
        gate::pass();
        let number = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        self.journal.push(Seen::Begin(number, call));
        let result = deed();
        let outcome = match &result {
            Ok(value) => count(value),
            Err(error) => Outcome::Failed(error.kind),
        };
        self.journal.push(Seen::End(number, outcome));
        result
    }

    fn plain<T>(&self, op: Op, role: Role, deed: impl FnOnce() -> Result<T, IoError>) -> Result<T, IoError> {
        self.call(Call::plain(op, role), deed, |_| Outcome::Ok(0))
    }

    fn opened(&self, path: &Path) -> Arc<Mutex<PathBuf>> {
        let name = Arc::new(Mutex::new(path.to_owned()));
        let mut open = locked(&self.open);
        open.retain(|name| name.strong_count() > 0);
        open.push(Arc::downgrade(&name));
        name
    }

    fn renamed(&self, from: &Path, to: &Path) {
        for name in locked(&self.open).iter().filter_map(Weak::upgrade) {
            let mut name = locked(&name);
            if *name == from {
                to.clone_into(&mut name);
            }
        }
    }
}

impl Tap {
    /// Taps `inner` for the log in `dir`, an absolute path, into `journal`.
    #[must_use]
    pub fn new(inner: Arc<dyn Fs>, dir: &Path, journal: Journal) -> Self {
        let shared =
            Shared { dir: dir.to_owned(), journal, calls: AtomicU64::new(0), open: Mutex::default() };
        Self { inner, shared: Arc::new(shared) }
    }
}

impl Fs for Tap {
    fn open(&self, path: &Path, mode: OpenMode) -> Result<Box<dyn File>, IoError> {
        let role = self.shared.role(path);
        let op = if mode.create { Op::Create } else { Op::Open };
        let inner = self.shared.plain(op, role, || self.inner.open(path, mode))?;
        let shared = Arc::clone(&self.shared);
        let name = shared.opened(path);
        Ok(Box::new(Tapped { inner, shared, name, through: mode.write_through }))
    }

    fn create_dir(&self, path: &Path) -> Result<(), IoError> {
        self.shared.plain(Op::CreateDir, self.shared.role(path), || self.inner.create_dir(path))
    }

    fn read_dir(&self, path: &Path) -> Result<Vec<OsString>, IoError> {
        self.shared.plain(Op::ReadDir, self.shared.role(path), || self.inner.read_dir(path))
    }

    fn metadata(&self, path: &Path) -> Result<Metadata, IoError> {
        self.shared.plain(Op::Metadata, self.shared.role(path), || self.inner.metadata(path))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), IoError> {
        let call = Call { to: Some(self.shared.role(to)), ..Call::plain(Op::Rename, self.shared.role(from)) };
        self.shared.call(
            call,
            || self.inner.rename(from, to),
            |()| {
                self.shared.renamed(from, to);
                Outcome::Ok(0)
            },
        )
    }

    fn unlink(&self, path: &Path) -> Result<(), IoError> {
        self.shared.plain(Op::Unlink, self.shared.role(path), || self.inner.unlink(path))
    }

    fn sync_dir(&self, path: &Path) -> Result<(), IoError> {
        self.shared.plain(Op::SyncDir, self.shared.role(path), || self.inner.sync_dir(path))
    }

    fn lock_dir(&self, path: &Path) -> Result<Box<dyn DirLock>, IoError> {
        let role = self.shared.role(path);
        let inner = self.shared.plain(Op::Lock, role, || self.inner.lock_dir(path))?;
        // Only the log's own lock is a life; a drive is locked while it is added.
        if role != Role::LogDir {
            return Ok(inner);
        }
        Ok(Box::new(TappedLock { inner: Some(inner), journal: self.shared.journal.clone() }))
    }

    fn volume(&self, path: &Path) -> Result<Volume, IoError> {
        self.shared.plain(Op::Statvfs, self.shared.role(path), || self.inner.volume(path))
    }

    fn boot(&self) -> Result<u128, IoError> {
        // Asking the machine changes nothing and orders nothing.
        self.inner.boot()
    }
}

#[derive(Debug)]
struct TappedLock {
    inner: Option<Box<dyn DirLock>>,
    journal: Journal,
}

impl DirLock for TappedLock {}

impl Drop for TappedLock {
    fn drop(&mut self) {
        self.journal.push(Seen::Unlock);
        self.inner = None;
    }
}

#[derive(Debug)]
struct Tapped {
    inner: Box<dyn File>,
    shared: Arc<Shared>,
    /// The name it has now.
    name: Arc<Mutex<PathBuf>>,
    through: bool,
}

impl Tapped {
    fn role(&self) -> Role {
        self.shared.role(&locked(&self.name))
    }
}

impl File for Tapped {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize, IoError> {
        let call = Call { offset, len: buf.len() as u64, ..Call::plain(Op::Read, self.role()) };
        self.shared.call(call, || self.inner.read_at(buf, offset), |read| Outcome::Ok(*read as u64))
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> Result<usize, IoError> {
        let call = Call {
            through: self.through,
            offset,
            len: buf.len() as u64,
            head: buf[..buf.len().min(HEAD)].to_vec(),
            ..Call::plain(Op::Write, self.role())
        };
        self.shared.call(call, || self.inner.write_at(buf, offset), |written| Outcome::Ok(*written as u64))
    }

    fn sync_data(&self) -> Result<(), IoError> {
        self.shared.plain(Op::SyncData, self.role(), || self.inner.sync_data())
    }

    fn sync_all(&self) -> Result<(), IoError> {
        self.shared.plain(Op::SyncAll, self.role(), || self.inner.sync_all())
    }

    fn allocate(&self, len: u64) -> Result<(), IoError> {
        self.shared.plain(Op::Allocate, self.role(), || self.inner.allocate(len))
    }

    fn metadata(&self) -> Result<Metadata, IoError> {
        // Asking a descriptor changes nothing and orders nothing.
        self.inner.metadata()
    }
}
