//! What a crash leaves, laid on a real file system, where the engine recovers it with its own calls.
//!
//! Nobody can choose there what a loss of power keeps; but what the simulated disk says that it keeps are files, and files
//! can be written. The simulated disk still answers for what belongs to the machine and not to the files: the numbers of
//! directories, the volume, the boot. So the log is at home where it is laid.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use truelog::os::native;
use truelog_env::{DirLock, File, Fs, IoError, Metadata, NodeKind, OpenMode, Volume};

use crate::driver::recover;
use crate::fabric::{Image, LOG_DIR, SimFs, drive_number};
use crate::oracle::{Ended, Files};
use crate::subject::{Archived, Place, Setup};

/// A real directory in the place of a simulated disk's root.
#[derive(Debug)]
struct Laid {
    root: PathBuf,
    real: Arc<dyn Fs>,
    machine: SimFs,
}

/// Lays the image under `root`, which is empty, and opens the log. Returns how that ended, and the files behind it.
///
/// # Errors
/// The image cannot be laid, or what is there behind the open cannot be read.
pub(super) fn open<S: Archived>(image: &Image, setup: Setup, root: &Path) -> io::Result<(Ended, Files)> {
    let machine = SimFs::from_image(image);
    let laid = Laid { root: root.to_owned(), real: native().fs, machine: machine.clone() };
    for dir in dirs(image) {
        let there = laid.under(&dir);
        fs::create_dir_all(&there)?;
        for name in image.names(&dir).unwrap_or_default() {
            if let Some(bytes) = image.read(&dir.join(&name)) {
                fs::write(there.join(&name), bytes)?;
            }
        }
    }
    let mut env = machine.env();
    env.fs = Arc::new(laid);
    let place = Place { env, dir: PathBuf::from(LOG_DIR), setup };
    let (log, ended) = recover::<S>(&place, Arc::new(|_| {}));
    drop(log);
    let mut files = Files::new();
    for dir in dirs(image) {
        let prefix = match dir.file_name().and_then(|name| name.to_str()) {
            Some(name) if drive_number(name).is_some() => format!("{name}/"),
            _ => String::new(),
        };
        for entry in fs::read_dir(root.join(relative(&dir)))? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                files.insert(
                    format!("{prefix}{}", entry.file_name().to_string_lossy()),
                    fs::read(entry.path())?,
                );
            }
        }
    }
    Ok((ended, files))
}

/// The log's directory and those of its drives, as far as they are there.
fn dirs(image: &Image) -> Vec<PathBuf> {
    let log = Path::new(LOG_DIR);
    let parent = log.parent().unwrap_or(log);
    let names = image.names(parent).unwrap_or_default();
    let ours = names.iter().map(|name| parent.join(name)).filter(|path| {
        path == log || path.file_name().and_then(|name| name.to_str()).and_then(drive_number).is_some()
    });
    ours.collect()
}

fn relative(path: &Path) -> &Path {
    path.strip_prefix("/").unwrap_or(path)
}

impl Laid {
    fn under(&self, path: &Path) -> PathBuf {
        self.root.join(relative(path))
    }
}

impl Fs for Laid {
    fn open(&self, path: &Path, mode: OpenMode) -> Result<Box<dyn File>, IoError> {
        self.real.open(&self.under(path), mode)
    }

    fn create_dir(&self, path: &Path) -> Result<(), IoError> {
        self.real.create_dir(&self.under(path))
    }

    fn read_dir(&self, path: &Path) -> Result<Vec<OsString>, IoError> {
        self.real.read_dir(&self.under(path))
    }

    fn metadata(&self, path: &Path) -> Result<Metadata, IoError> {
        let found = self.real.metadata(&self.under(path))?;
        match self.machine.metadata(path) {
            Ok(known) if found.kind == NodeKind::Dir => Ok(Metadata { inode: known.inode, ..found }),
            Ok(_) | Err(_) => Ok(found),
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), IoError> {
        self.real.rename(&self.under(from), &self.under(to))
    }

    fn unlink(&self, path: &Path) -> Result<(), IoError> {
        self.real.unlink(&self.under(path))
    }

    fn sync_dir(&self, path: &Path) -> Result<(), IoError> {
        self.real.sync_dir(&self.under(path))
    }

    fn lock_dir(&self, path: &Path) -> Result<Box<dyn DirLock>, IoError> {
        self.real.lock_dir(&self.under(path))
    }

    fn volume(&self, path: &Path) -> Result<Volume, IoError> {
        self.machine.volume(path)
    }

    fn boot(&self) -> Result<u128, IoError> {
        self.machine.boot()
    }
}
