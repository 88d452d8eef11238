//! Where one log lives: its surroundings, its directory, its identity.

use std::path::{Path, PathBuf};

use truelog_env::{DirLock, Env, File, IoError, IoKind, NodeKind, Op, OpenMode, Volume};

use crate::error::{Error, NotALog, Result};
use crate::event::{Event, Events};
use crate::names::Name;
use crate::options::Options;
use crate::sync::StdArc;
use crate::types::{Durability, LogId};

/// Where one log lives. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Home {
    /// The surroundings.
    pub(crate) env: Env,
    /// The log's directory, absolute.
    pub(crate) dir: PathBuf,
    /// The log's identity.
    pub(crate) log: LogId,
    /// The epoch of its identity; 0 where it does not matter.
    pub(crate) epoch: u64,
    /// The block size, in bytes.
    pub(crate) block: u32,
    /// The volume that the directory is on, as it was when this was made.
    pub(crate) volume: Volume,
    /// Who is told what happens.
    pub(crate) events: StdArc<Events>,
}

impl Home {
    /// The home of `log` in `dir`, an absolute path. Nobody observes it yet.
    pub(crate) fn new(env: &Env, dir: &Path, log: LogId, block: u32, volume: Volume) -> Self {
        let events = StdArc::new(Events::default());
        Self { env: env.clone(), dir: dir.into(), log, epoch: 0, block, volume, events }
    }

    /// As this, in an epoch.
    pub(crate) fn of_epoch(self, epoch: u64) -> Self {
        Self { epoch, ..self }
    }

    /// As this, in another directory, which is on another volume perhaps: a drive's.
    pub(crate) fn at(&self, dir: &Path, volume: Volume) -> Self {
        Self { dir: dir.into(), volume, ..self.clone() }
    }

    /// The path of a name.
    pub(crate) fn path(&self, name: Name) -> PathBuf {
        self.dir.join(name.to_string())
    }

    /// Makes the directory's entries durable. A failure must poison.
    pub(crate) fn sync_dir(&self) -> Result<()> {
        self.env.fs.sync_dir(&self.dir).map_err(|source| Error::io(&self.dir, source))
    }

    /// Opens the file of a name.
    pub(crate) fn open(&self, name: Name, mode: OpenMode) -> Result<Box<dyn File>> {
        let path = self.path(name);
        self.env.fs.open(&path, mode).map_err(|source| Error::io(path, source))
    }

    /// Renames one name to another.
    pub(crate) fn rename(&self, from: Name, to: Name) -> Result<()> {
        let from = self.path(from);
        self.env.fs.rename(&from, &self.path(to)).map_err(|source| Error::io(from, source))
    }

    /// Removes a name.
    pub(crate) fn unlink(&self, name: Name) -> Result<()> {
        let path = self.path(name);
        self.env.fs.unlink(&path).map_err(|source| Error::io(path, source))
    }

    /// Tells the observers, and the trace.
    pub(crate) fn emit(&self, event: &Event) {
        self.events.emit(event);
    }

    /// A random number that is not zero, for salts and epochs.
    pub(crate) fn random(&self) -> Result<u64> {
        random(&self.env, &self.dir)
    }

    /// Refuses a durability that the volume cannot keep.
    pub(crate) fn check_promise(&self, durability: Durability) -> Result<()> {
        check_promise(&self.dir, &self.volume, durability)
    }
}

/// A random number that is not zero.
pub(crate) fn random(env: &Env, dir: &Path) -> Result<u64> {
    let mut bytes = [0; 8];
    env.entropy.fill(&mut bytes).map_err(|source| Error::io(dir, source))?;
    Ok(u64::from_le_bytes(bytes).max(1))
}

/// The names in a directory, by role. A name without a role is [`NotALog::ForeignName`].
pub(crate) fn list(env: &Env, dir: &Path) -> Result<Vec<Name>> {
    let mut names = Vec::new();
    for name in env.fs.read_dir(dir).map_err(|source| Error::io(dir, source))? {
        let Some(known) = Name::parse(&name) else {
            let why = NotALog::ForeignName(name.to_string_lossy().into_owned());
            return Err(Error::NotALog { dir: dir.into(), why });
        };
        names.push(known);
    }
    Ok(names)
}

/// Takes the directory's lock.
pub(crate) fn lock(env: &Env, dir: &Path) -> Result<Box<dyn DirLock>> {
    env.fs.lock_dir(dir).map_err(|source| match source.kind {
        IoKind::Locked => Error::Locked { dir: dir.into() },
        _ => Error::io(dir, source),
    })
}

/// Checks that `dir` is a directory, and says which: its device and inode.
pub(crate) fn stat_dir(env: &Env, dir: &Path) -> Result<truelog_env::Metadata> {
    let metadata = env.fs.metadata(dir).map_err(|source| match source.kind {
        IoKind::NotFound => Error::NotALog { dir: dir.into(), why: NotALog::Missing },
        _ => Error::io(dir, source),
    })?;
    if metadata.kind != NodeKind::Dir {
        return Err(Error::NotALog { dir: dir.into(), why: NotALog::NotADirectory });
    }
    Ok(metadata)
}

/// The volume that `dir` is on, checked against what the options ask of it.
pub(crate) fn check_volume(env: &Env, dir: &Path, options: &Options) -> Result<Volume> {
    let volume = env.fs.volume(dir).map_err(|source| Error::io(dir, source))?;
    fits(dir, &volume, options)?;
    Ok(volume)
}

/// Has the volume judged that `dir` will be on, if it is not there yet: a place that is refused is left as it was. A new
/// directory is on the volume of the one above it.
///
/// # Errors
/// As `fits`. Whatever else is wrong with the place, whoever makes the directory meets it.
pub(crate) fn judge_new(env: &Env, dir: &Path, fits: impl FnOnce(&Volume) -> Result<()>) -> Result<()> {
    let missing = env.fs.metadata(dir).is_err_and(|error| error.kind == IoKind::NotFound);
    match dir.parent().filter(|_| missing).map(|above| env.fs.volume(above)) {
        Some(Ok(volume)) => fits(&volume),
        _ => Ok(()),
    }
}

/// Refuses a volume that cannot keep what the options ask of it, for the directory `dir`.
pub(crate) fn fits(dir: &Path, volume: &Volume, options: &Options) -> Result<()> {
    if options.block_size < volume.block_size {
        return Err(Error::BadOption {
            option: "block_size",
            value: options.block_size.to_string(),
            why: "it is smaller than the unit that the device writes as a whole",
        });
    }
    check_promise(dir, volume, options.durability)
}

/// Refuses a durability that the volume cannot keep.
pub(crate) fn check_promise(dir: &Path, volume: &Volume, durability: Durability) -> Result<()> {
    match (durability, volume.weakness) {
        (Durability::PowerLoss, Some(why)) => Err(Error::Unsafe { dir: dir.into(), why }),
        _ => Ok(()),
    }
}

/// Writes all of `bytes` at `offset`: finishes short writes, repeats interrupted ones.
pub(crate) fn write_all_at(file: &dyn File, bytes: &[u8], offset: u64) -> std::result::Result<(), IoError> {
    let mut done = 0;
    while done < bytes.len() {
        match file.write_at(&bytes[done..], offset + done as u64) {
            // A write that takes nothing and reports nothing would be repeated for ever.
            Ok(0) => return Err(IoError::new(Op::Write, IoKind::Device)),
            Ok(count) => done += count,
            Err(error) if error.kind == IoKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Reads until `buf` is full or the file ends, and says how many bytes that was.
pub(crate) fn read_full_at(
    file: &dyn File,
    buf: &mut [u8],
    offset: u64,
) -> std::result::Result<usize, IoError> {
    let mut done = 0;
    while done < buf.len() {
        match file.read_at(&mut buf[done..], offset + done as u64) {
            Ok(0) => break,
            Ok(count) => done += count,
            Err(error) if error.kind == IoKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::Mutex;

    /// A file whose calls take one byte at a time, every second one interrupted.
    #[derive(Debug, Default)]
    struct Halting(Mutex<(Vec<u8>, bool)>);

    impl Halting {
        fn step(&self, op: Op) -> std::result::Result<(), IoError> {
            let mut state = self.0.lock();
            state.1 = !state.1;
            if state.1 { Err(IoError::new(op, IoKind::Interrupted)) } else { Ok(()) }
        }
    }

    impl File for Halting {
        fn read_at(&self, buf: &mut [u8], offset: u64) -> std::result::Result<usize, IoError> {
            self.step(Op::Read)?;
            let byte = usize::try_from(offset).ok().and_then(|at| self.0.lock().0.get(at).copied());
            Ok(byte.map_or(0, |byte| {
                buf[0] = byte;
                1
            }))
        }

        fn write_at(&self, buf: &[u8], offset: u64) -> std::result::Result<usize, IoError> {
            self.step(Op::Write)?;
            let mut state = self.0.lock();
            if state.0.len() == 6 {
                return Ok(0);
            }
            assert_eq!(state.0.len() as u64, offset, "the rest follows what was taken");
            state.0.push(buf[0]);
            Ok(1)
        }

        fn sync_data(&self) -> std::result::Result<(), IoError> {
            Ok(())
        }

        fn sync_all(&self) -> std::result::Result<(), IoError> {
            Ok(())
        }

        fn allocate(&self, _: u64) -> std::result::Result<(), IoError> {
            Ok(())
        }

        fn metadata(&self) -> std::result::Result<truelog_env::Metadata, IoError> {
            Err(IoError::new(Op::Metadata, IoKind::Unsupported))
        }
    }

    #[test]
    fn short_and_interrupted_calls_are_finished() {
        let file = Halting::default();
        assert_eq!(write_all_at(&file, b"abcde", 0), Ok(()));
        let mut buf = [0; 8];
        assert_eq!(read_full_at(&file, &mut buf, 1), Ok(4));
        assert_eq!(&buf[..4], b"bcde");
    }

    #[test]
    fn a_write_that_takes_nothing_is_not_repeated_for_ever() {
        let file = Halting::default();
        assert_eq!(write_all_at(&file, b"abcdefg", 0), Err(IoError::new(Op::Write, IoKind::Device)));
    }

    #[test]
    fn blocks_smaller_than_those_of_the_device_are_refused_and_larger_ones_are_not() {
        let volume = Volume {
            id: 1,
            block_size: 4096,
            free_bytes: 1 << 30,
            free_inodes: 1000,
            read_only: false,
            weakness: None,
            caution: None,
        };
        let told = |block_size| {
            let options = Options { block_size, ..Options::default() };
            match fits(Path::new("/log"), &volume, &options) {
                Err(Error::BadOption { option, value, .. }) => Some((option, value)),
                other => other.map(|()| None).expect("nothing else is wrong"),
            }
        };
        assert_eq!(told(512), Some(("block_size", "512".to_owned())));
        assert_eq!((told(4096), told(8192)), (None, None));
    }
}
