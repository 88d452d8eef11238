//! The file system, as the engine sees it.

use std::ffi::OsString;
use std::fmt::Debug;
use std::path::Path;
use std::time::Duration;

use crate::IoError;

/// How to open a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct OpenMode {
    /// Writing is wanted, not only reading.
    pub write: bool,
    /// The file is created; if the name exists, the file is emptied. Implies `write`.
    pub create: bool,
    /// Each write returns only once its bytes, and what is needed to read them, are durable (`O_DSYNC`).
    pub write_through: bool,
    /// The page cache is bypassed (`O_DIRECT`): offsets, lengths and buffers must be aligned to the block.
    pub direct: bool,
}

impl OpenMode {
    /// Reading only.
    pub const READ: Self = Self { write: false, create: false, write_through: false, direct: false };
    /// Reading and writing a file that exists.
    pub const WRITE: Self = Self { write: true, ..Self::READ };
    /// Creating a file, or emptying the one of that name.
    pub const CREATE: Self = Self { write: true, create: true, ..Self::READ };
}

/// What kind of thing a name leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NodeKind {
    /// A regular file.
    File,
    /// A directory.
    Dir,
    /// Anything else.
    Other,
}

/// A node's metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Metadata {
    /// What it is.
    pub kind: NodeKind,
    /// The device it is on (`st_dev`; not stable across reboots).
    pub device: u64,
    /// Its inode number.
    pub inode: u64,
    /// Its length in bytes.
    pub len: u64,
    /// How many names it has.
    pub links: u64,
}

/// Why a volume cannot keep a promise that is meant to survive a loss of power.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Weakness {
    /// It lives in memory (tmpfs, ramfs).
    Memory,
    /// An overlay mounted `volatile`, which ignores syncs.
    VolatileOverlay,
    /// Mounted `nobarrier` or `barrier=0`: the device's own cache is never flushed.
    NoBarrier,
}

/// Why nobody can be sure that a volume honours syncs, although nothing says that it does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Caution {
    /// An overlay: what a sync of it reaches is up to the file system beneath.
    Overlay,
    /// A network file system: what is durable is up to the server.
    Network,
    /// A file system in user space: what a sync does is up to a program.
    UserSpace,
}

/// A volume's properties.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Volume {
    /// The file system's own identifier (`f_fsid`): stable across mounts.
    pub id: u64,
    /// The smallest unit that the device writes as a whole, in bytes.
    pub block_size: u32,
    /// Bytes free for this process.
    pub free_bytes: u64,
    /// Inodes free for this process; `u64::MAX` where the file system does not count them.
    pub free_inodes: u64,
    /// Whether it is mounted read-only.
    pub read_only: bool,
    /// Why it cannot keep a power-loss promise, if it cannot.
    pub weakness: Option<Weakness>,
    /// Why nobody can be sure that it keeps one, if so.
    pub caution: Option<Caution>,
}

/// Holds a directory's lock until dropped.
pub trait DirLock: Debug + Send + Sync {}

/// An open file. Reads and writes may be short; the caller finishes them.
pub trait File: Debug + Send + Sync {
    /// Reads at most `buf.len()` bytes at `offset`; 0 means the end of the file.
    ///
    /// # Errors
    /// Whatever the operating system reports.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize, IoError>;

    /// Writes at most `buf.len()` bytes at `offset`, and says how many. Not durable by itself, unless the
    /// file was opened with [`OpenMode::write_through`].
    ///
    /// # Errors
    /// Whatever the operating system reports. A failed write may still reach the disk, wholly or in part.
    fn write_at(&self, buf: &[u8], offset: u64) -> Result<usize, IoError>;

    /// Asks for the bytes of a range to be on their way to the device, without waiting for them: who has something else to
    /// do meanwhile waits less in the sync behind it. A hint, which promises nothing and may do nothing; what goes wrong
    /// is told by that sync.
    fn write_out(&self, offset: u64, len: u64) {
        let _ = (offset, len);
    }

    /// Waits until the device has taken what [`File::write_out`] asked for in a range, so that no more than that is ahead of
    /// what others write. Nothing is durable by it.
    ///
    /// # Errors
    /// Whatever the operating system reports, and it may report it only here: Linux tells an error of writing back once
    /// to each open file, and to whoever waits first (`file_check_and_advance_wb_err` in its mm/filemap.c). So it counts
    /// as a failed sync does.
    fn wait_out(&self, offset: u64, len: u64) -> Result<(), IoError> {
        let _ = (offset, len);
        Ok(())
    }

    /// Makes all that was written before this call began durable, with the length and extents needed to
    /// read it. Not the file's name.
    ///
    /// # Errors
    /// Whatever the operating system reports. After a failure nothing about earlier writes is known, and a
    /// later success says nothing about them.
    fn sync_data(&self) -> Result<(), IoError>;

    /// As [`File::sync_data`], with all of the file's metadata. Not the file's name.
    ///
    /// # Errors
    /// As [`File::sync_data`].
    fn sync_all(&self) -> Result<(), IoError>;

    /// Reserves space for the first `len` bytes and sets the length to at least `len`; new bytes read as zeros.
    ///
    /// # Errors
    /// Whatever the operating system reports.
    fn allocate(&self, len: u64) -> Result<(), IoError>;

    /// The metadata of the file behind this descriptor, whatever its name leads to now.
    ///
    /// # Errors
    /// Whatever the operating system reports.
    fn metadata(&self) -> Result<Metadata, IoError>;
}

/// A file system. Paths are absolute.
pub trait Fs: Debug + Send + Sync {
    /// Opens or creates a file.
    ///
    /// # Errors
    /// Whatever the operating system reports.
    fn open(&self, path: &Path, mode: OpenMode) -> Result<Box<dyn File>, IoError>;

    /// Creates a directory; its parent must exist.
    ///
    /// # Errors
    /// Whatever the operating system reports.
    fn create_dir(&self, path: &Path) -> Result<(), IoError>;

    /// The names in a directory, sorted, without `.` and `..`.
    ///
    /// # Errors
    /// Whatever the operating system reports.
    fn read_dir(&self, path: &Path) -> Result<Vec<OsString>, IoError>;

    /// What `path` leads to now, symbolic links followed.
    ///
    /// # Errors
    /// Whatever the operating system reports.
    fn metadata(&self, path: &Path) -> Result<Metadata, IoError>;

    /// When what `path` leads to was last changed, since the Unix epoch, by the clock of that time; `None` where that is
    /// not known. Not for the files of an append: on some file systems a time that was asked for makes the next sync
    /// write more.
    ///
    /// # Errors
    /// Whatever the operating system reports.
    fn modified(&self, path: &Path) -> Result<Option<Duration>, IoError> {
        let _ = path;
        Ok(None)
    }

    /// Renames a file, replacing what has the new name.
    ///
    /// # Errors
    /// Whatever the operating system reports.
    fn rename(&self, from: &Path, to: &Path) -> Result<(), IoError>;

    /// Removes a file's name. Open descriptors live on.
    ///
    /// # Errors
    /// Whatever the operating system reports.
    fn unlink(&self, path: &Path) -> Result<(), IoError>;

    /// Makes the entries of a directory durable: neither its children's bytes nor its own name.
    ///
    /// # Errors
    /// Whatever the operating system reports. As for files, a failure is never mended by a later success.
    fn sync_dir(&self, path: &Path) -> Result<(), IoError>;

    /// Takes the exclusive lock of a directory, without waiting. Locks go by inode.
    ///
    /// # Errors
    /// [`IoKind::Locked`](crate::IoKind::Locked) when somebody else holds it.
    fn lock_dir(&self, path: &Path) -> Result<Box<dyn DirLock>, IoError>;

    /// The properties of the volume that `path` is on.
    ///
    /// # Errors
    /// Whatever the operating system reports.
    fn volume(&self, path: &Path) -> Result<Volume, IoError>;

    /// Which boot of the machine this is: the same as long as the page cache lives, and another after each loss of
    /// power or restart.
    ///
    /// # Errors
    /// Whatever the operating system reports.
    fn boot(&self) -> Result<u128, IoError>;
}
