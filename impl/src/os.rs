//! The real surroundings: Linux, by way of the standard library and nix.
//!
//! Every call goes through a symbol of libc, so that a preloaded library sees it.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "the only module that touches the operating system"
)]

mod stat;
mod volume;

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::fcntl::{FallocateFlags, OFlag, fallocate};
use nix::libc;
use truelog_env::{Clock, DirLock, Entropy, Env, File, Fs, IoError, IoKind, Metadata, Op, OpenMode, Volume};

use crate::error::{Error, NotALog, Result};

pub use volume::{Mount, mount_of};

/// The real file system, the system's clocks, the kernel's entropy.
#[must_use]
pub fn native() -> Env {
    Env {
        fs: Arc::new(NativeFs),
        clock: Arc::new(NativeClock(Instant::now())),
        entropy: Arc::new(NativeEntropy),
    }
}

/// The absolute path of a log's directory, symbolic links resolved, so that its ancestors are those that
/// lead to it. The directory itself need not exist.
///
/// # Errors
/// [`Error::NotALog`] when its parent does not exist, [`Error::Io`].
pub fn resolve(dir: &Path) -> Result<PathBuf> {
    let failed = |error: &io::Error| match IoError::from_std(Op::Metadata, error) {
        source if source.kind == IoKind::NotFound => {
            Error::NotALog { dir: dir.into(), why: NotALog::Missing }
        }
        source => Error::io(dir, source),
    };
    match fs::canonicalize(dir) {
        Ok(path) => Ok(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let absolute = std::path::absolute(dir).map_err(|error| failed(&error))?;
            let (Some(parent), Some(name)) = (absolute.parent(), absolute.file_name()) else {
                return Err(failed(&error));
            };
            let parent = fs::canonicalize(parent).map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => Error::NotALog { dir: dir.into(), why: NotALog::NoParent },
                _ => failed(&error),
            });
            Ok(parent?.join(name))
        }
        Err(error) => Err(failed(&error)),
    }
}

fn failed(op: Op) -> impl Fn(io::Error) -> IoError {
    move |error| IoError::from_std(op, &error)
}

fn failed_nix(op: Op) -> impl Fn(nix::Error) -> IoError {
    move |errno| IoError::from_std(op, &io::Error::from(errno))
}

/// `sync_file_range`.
fn sync_range(file: &fs::File, offset: u64, len: u64, flags: libc::c_uint) -> nix::Result<()> {
    let whole = |number| i64::try_from(number).map_err(|_| nix::Error::EOVERFLOW);
    let (offset, len) = (whole(offset)?, whole(len)?);
    // SAFETY: the call gets numbers only, and the descriptor is open as long as this file lives.
    #[allow(unsafe_code, reason = "neither the standard library nor nix has the call")]
    let done = unsafe { libc::sync_file_range(file.as_raw_fd(), offset, len, flags) };
    nix::Error::result(done).map(drop)
}

/// What a wait came to. Where the call does not exist, or is not allowed, nothing was waited for and nothing was told: gVisor
/// refuses this flag alone, a container's filter perhaps the call. Any other error may be the only word of a failed write.
fn waited(done: nix::Result<()>) -> std::result::Result<(), IoError> {
    use nix::Error as Errno;
    match done {
        Ok(()) | Err(Errno::ENOSYS | Errno::EINVAL | Errno::EOPNOTSUPP | Errno::EPERM | Errno::ESPIPE) => {
            Ok(())
        }
        Err(errno) => Err(failed_nix(Op::SyncData)(errno)),
    }
}

/// Where Linux says which boot this is: a random number, drawn once.
const BOOT: &str = "/proc/sys/kernel/random/boot_id";

#[derive(Debug)]
struct NativeFs;

impl Fs for NativeFs {
    fn open(&self, path: &Path, mode: OpenMode) -> std::result::Result<Box<dyn File>, IoError> {
        // Else the open of a pipe in the file's place would wait for its other end; a regular file ignores it.
        let mut flags = OFlag::O_NONBLOCK;
        flags.set(OFlag::O_DSYNC, mode.write_through);
        flags.set(OFlag::O_DIRECT, mode.direct);
        let write = mode.write || mode.create;
        let op = if mode.create { Op::Create } else { Op::Open };
        let file = fs::OpenOptions::new()
            .read(true)
            .write(write)
            .create(mode.create)
            .truncate(mode.create)
            .custom_flags(flags.bits())
            .open(path)
            .map_err(failed(op))?;
        Ok(Box::new(NativeFile(file)))
    }

    fn create_dir(&self, path: &Path) -> std::result::Result<(), IoError> {
        fs::create_dir(path).map_err(failed(Op::CreateDir))
    }

    fn read_dir(&self, path: &Path) -> std::result::Result<Vec<OsString>, IoError> {
        let entries = fs::read_dir(path).map_err(failed(Op::ReadDir))?;
        let names: io::Result<Vec<_>> = entries.map(|entry| entry.map(|entry| entry.file_name())).collect();
        let mut names = names.map_err(failed(Op::ReadDir))?;
        names.sort();
        Ok(names)
    }

    fn metadata(&self, path: &Path) -> std::result::Result<Metadata, IoError> {
        stat::of_path(path)
    }

    fn modified(&self, path: &Path) -> std::result::Result<Option<Duration>, IoError> {
        let changed = fs::metadata(path).and_then(|found| found.modified()).map_err(failed(Op::Metadata))?;
        Ok(changed.duration_since(UNIX_EPOCH).ok())
    }

    fn rename(&self, from: &Path, to: &Path) -> std::result::Result<(), IoError> {
        fs::rename(from, to).map_err(failed(Op::Rename))
    }

    fn unlink(&self, path: &Path) -> std::result::Result<(), IoError> {
        fs::remove_file(path).map_err(failed(Op::Unlink))
    }

    fn sync_dir(&self, path: &Path) -> std::result::Result<(), IoError> {
        let dir = open_dir(path).map_err(failed(Op::SyncDir))?;
        nix::unistd::fsync(&dir).map_err(failed_nix(Op::SyncDir))
    }

    fn lock_dir(&self, path: &Path) -> std::result::Result<Box<dyn DirLock>, IoError> {
        let dir = open_dir(path).map_err(failed(Op::Lock))?;
        match dir.try_lock() {
            Ok(()) => Ok(Box::new(NativeLock { _dir: dir })),
            Err(fs::TryLockError::WouldBlock) => Err(IoError::new(Op::Lock, IoKind::Locked)),
            Err(fs::TryLockError::Error(error)) => Err(IoError::from_std(Op::Lock, &error)),
        }
    }

    fn volume(&self, path: &Path) -> std::result::Result<Volume, IoError> {
        volume::of(path)
    }

    fn boot(&self) -> std::result::Result<u128, IoError> {
        let text = fs::read_to_string(BOOT).map_err(failed(Op::Boot))?;
        let digits: String = text.trim().chars().filter(|digit| *digit != '-').collect();
        u128::from_str_radix(&digits, 16).map_err(|_| IoError::new(Op::Boot, IoKind::Unsupported))
    }
}

/// Opens a directory, and nothing else: to sync or lock what has taken its name would promise nothing.
fn open_dir(path: &Path) -> std::io::Result<fs::File> {
    fs::OpenOptions::new().read(true).custom_flags(libc::O_DIRECTORY).open(path)
}

/// Holds a directory open, and with it the lock: the kernel releases it when the descriptor is closed.
#[derive(Debug)]
struct NativeLock {
    _dir: fs::File,
}

impl DirLock for NativeLock {}

#[derive(Debug)]
struct NativeFile(fs::File);

impl File for NativeFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> std::result::Result<usize, IoError> {
        self.0.read_at(buf, offset).map_err(failed(Op::Read))
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> std::result::Result<usize, IoError> {
        self.0.write_at(buf, offset).map_err(failed(Op::Write))
    }

    fn write_out(&self, offset: u64, len: u64) {
        // Not posix_fadvise, which begins to write as well, but throws away what readers will ask for.
        let _ = sync_range(&self.0, offset, len, libc::SYNC_FILE_RANGE_WRITE);
    }

    fn wait_out(&self, offset: u64, len: u64) -> std::result::Result<(), IoError> {
        waited(sync_range(&self.0, offset, len, libc::SYNC_FILE_RANGE_WAIT_BEFORE))
    }

    fn sync_data(&self) -> std::result::Result<(), IoError> {
        // Not the standard library's, which would repeat an interrupted sync: a sync that failed in any way
        // must never be tried again.
        nix::unistd::fdatasync(&self.0).map_err(failed_nix(Op::SyncData))
    }

    fn sync_all(&self) -> std::result::Result<(), IoError> {
        nix::unistd::fsync(&self.0).map_err(failed_nix(Op::SyncAll))
    }

    fn allocate(&self, len: u64) -> std::result::Result<(), IoError> {
        let len = i64::try_from(len).map_err(|_| IoError::new(Op::Allocate, IoKind::Unsupported))?;
        fallocate(&self.0, FallocateFlags::empty(), 0, len).map_err(failed_nix(Op::Allocate))
    }

    fn metadata(&self) -> std::result::Result<Metadata, IoError> {
        stat::of_file(&self.0)
    }
}

#[derive(Debug)]
struct NativeClock(Instant);

impl Clock for NativeClock {
    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }

    fn wall(&self) -> Duration {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
    }

    fn sleep(&self, time: Duration) {
        std::thread::sleep(time);
    }

    fn pause(&self) {
        std::thread::yield_now();
    }
}

#[derive(Debug)]
struct NativeEntropy;

impl Entropy for NativeEntropy {
    fn fill(&self, buf: &mut [u8]) -> std::result::Result<(), IoError> {
        getrandom::fill(buf).map_err(|error| IoError {
            op: Op::Entropy,
            kind: IoKind::Unknown,
            errno: error.raw_os_error(),
        })
    }
}

#[cfg(test)]
mod tests {
    use truelog_env::NodeKind;

    use super::*;

    #[test]
    fn a_wait_that_is_not_there_is_none_and_one_that_fails_is_told() {
        assert_eq!(waited(Ok(())), Ok(()));
        for refused in [nix::Error::ENOSYS, nix::Error::EPERM, nix::Error::EINVAL] {
            assert_eq!(waited(Err(refused)), Ok(()), "{refused}");
        }
        for (failed, kind) in [(nix::Error::EIO, IoKind::Device), (nix::Error::ENOSPC, IoKind::NoSpace)] {
            assert_eq!(waited(Err(failed)).expect_err("a failure").kind, kind);
        }
    }

    #[test]
    fn a_lock_is_exclusive_until_dropped_and_goes_by_inode() {
        let env = native();
        let dir = tempfile::tempdir().expect("a temporary directory");
        let lock = env.fs.lock_dir(dir.path()).expect("the lock");
        let again = env.fs.lock_dir(&dir.path().join(".")).expect_err("a second lock");
        assert_eq!(again.kind, IoKind::Locked);
        drop(lock);
        assert!(env.fs.lock_dir(dir.path()).is_ok());
    }

    #[test]
    fn files_do_what_the_traits_say() {
        let env = native();
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("file");
        assert_eq!(env.fs.open(&path, OpenMode::WRITE).expect_err("missing").kind, IoKind::NotFound);
        let file = env.fs.open(&path, OpenMode { write_through: true, ..OpenMode::CREATE }).expect("create");
        assert_eq!(file.write_at(b"abc", 5), Ok(3));
        file.sync_data().expect("sync");
        file.sync_all().expect("sync");
        file.allocate(100).expect("allocate");
        let mut buf = [9; 8];
        assert_eq!(file.read_at(&mut buf, 0), Ok(8));
        assert_eq!(&buf, b"\0\0\0\0\0abc");
        let metadata = env.fs.metadata(&path).expect("metadata");
        assert_eq!((metadata.kind, metadata.len, metadata.links), (NodeKind::File, 100, 1));
        assert_eq!(file.metadata(), Ok(metadata));
        env.fs.rename(&path, &dir.path().join("other")).expect("rename");
        assert_eq!(env.fs.read_dir(dir.path()), Ok(vec![OsString::from("other")]));
        env.fs.sync_dir(dir.path()).expect("sync of the directory");
        env.fs.unlink(&dir.path().join("other")).expect("unlink");
        assert_eq!(env.fs.read_dir(dir.path()), Ok(vec![]));
    }

    #[test]
    fn what_is_no_file_is_named_and_not_waited_for() {
        let env = native();
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (pipe, inner) = (dir.path().join("pipe"), dir.path().join("inner"));
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
        fs::create_dir(&inner).expect("a directory");
        for path in [&pipe, &inner] {
            let file = env.fs.open(path, OpenMode::READ).expect("it opens");
            assert_eq!(file.read_at(&mut [0], 0).expect_err("no file").kind, IoKind::NotAFile);
        }
        assert_eq!(env.fs.open(&inner, OpenMode::WRITE).expect_err("no file").kind, IoKind::NotAFile);
    }

    /// A pipe has nothing that could be synced.
    #[test]
    fn a_sync_that_the_system_refuses_is_told() {
        let env = native();
        let dir = tempfile::tempdir().expect("a temporary directory");
        let pipe = dir.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
        let file = env.fs.open(&pipe, OpenMode::READ).expect("it opens");
        let refused = |op| Err(IoError { op, kind: IoKind::Unsupported, errno: Some(libc::EINVAL) });
        assert_eq!((file.sync_data(), file.sync_all()), (refused(Op::SyncData), refused(Op::SyncAll)));
    }

    #[test]
    fn a_path_is_resolved_whether_or_not_it_exists() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let real = fs::canonicalize(dir.path()).expect("canonical");
        std::os::unix::fs::symlink(&real, real.join("link")).expect("link");
        assert_eq!(resolve(&real.join("link")), Ok(real.clone()));
        assert_eq!(resolve(&real.join("link/new")), Ok(real.join("new")));
        assert!(matches!(resolve(&real.join("no/new")), Err(Error::NotALog { why: NotALog::NoParent, .. })));
    }

    #[test]
    fn the_boot_is_a_number_and_stays() {
        let boot = native().fs.boot().expect("the boot");
        assert_ne!(boot, 0);
        assert_eq!(native().fs.boot(), Ok(boot));
    }

    #[test]
    fn entropy_and_clocks_move() {
        let env = native();
        let (mut one, mut other) = ([0; 16], [0; 16]);
        env.entropy.fill(&mut one).expect("entropy");
        env.entropy.fill(&mut other).expect("entropy");
        assert_ne!(one, other);
        assert!(env.clock.monotonic() <= env.clock.monotonic());
        assert!(env.clock.wall() > Duration::from_secs(1_000_000_000));
    }
}
