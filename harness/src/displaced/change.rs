//! What another program does to a log under its writer.

use std::fmt;
use std::path::{Path, PathBuf};

use truelog::Name;
use truelog_env::OpenMode;

use crate::fabric::SimFs;

/// What another program does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The active segment's name is removed.
    Unlinked,
    /// It is renamed, and nothing has its name.
    Renamed,
    /// A copy takes its name, byte for byte the same.
    Replaced,
    /// It is cut behind its header.
    Cut,
    /// The log's directory is gone.
    DirGone,
    /// A copy of the directory has taken its place.
    DirReplaced,
}

impl Change {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Unlinked, Self::Renamed, Self::Replaced, Self::Cut, Self::DirGone, Self::DirReplaced];

    /// Makes it. Says whether there was anything yet to change.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(super) fn make(self, disk: &SimFs) -> Result<bool, String> {
        let (env, dir) = (disk.env(), disk.log_dir());
        let away = dir.with_file_name("away");
        let refused = |error: truelog_env::IoError| format!("{self}: {error}");
        match (self, active(disk)) {
            (Self::DirGone, _) => disk.remove_dir_all(dir).map_err(refused)?,
            (Self::DirReplaced, _) => {
                let files = contents(disk);
                disk.remove_dir_all(dir).map_err(refused)?;
                env.fs.create_dir(dir).map_err(refused)?;
                for (path, bytes) in files {
                    write(disk, &path, &bytes).map_err(refused)?;
                }
            }
            (_, None) => return Ok(false),
            (Self::Unlinked, Some(segment)) => env.fs.unlink(&segment).map_err(refused)?,
            (Self::Renamed, Some(segment)) => env.fs.rename(&segment, &away).map_err(refused)?,
            (Self::Replaced, Some(segment)) => {
                let copied = contents(disk).into_iter().find(|(path, _)| *path == segment);
                write(disk, &away, &copied.unwrap_or_default().1).map_err(refused)?;
                env.fs.rename(&away, &segment).map_err(refused)?;
            }
            (Self::Cut, Some(segment)) => disk.truncate(&segment, 256).map_err(refused)?,
        }
        Ok(true)
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unlinked => "the active segment is removed",
            Self::Renamed => "the active segment is renamed",
            Self::Replaced => "the active segment is replaced by a copy",
            Self::Cut => "the active segment is cut behind its header",
            Self::DirGone => "the directory is gone",
            Self::DirReplaced => "the directory is replaced by a copy",
        })
    }
}

/// The files of the log's directory as everybody sees them.
pub(super) fn contents(disk: &SimFs) -> Vec<(PathBuf, Vec<u8>)> {
    let (image, dir) = (disk.snapshot().process_crash(), disk.log_dir());
    let names = image.names(dir).unwrap_or_default();
    names.iter().filter_map(|name| Some((dir.join(name), image.read(&dir.join(name))?))).collect()
}

/// The segment that is written: the newest, for none is prepared ahead here.
fn active(disk: &SimFs) -> Option<PathBuf> {
    let number = |path: &Path| match path.file_name().and_then(Name::parse) {
        Some(Name::Segment(number)) => Some(number),
        _ => None,
    };
    let segments = contents(disk).into_iter().map(|(path, _)| path).filter(|path| number(path).is_some());
    segments.max_by_key(|path| number(path))
}

/// Writes a file, durably but for its name.
fn write(disk: &SimFs, path: &Path, bytes: &[u8]) -> Result<(), truelog_env::IoError> {
    let file = disk.env().fs.open(path, OpenMode::CREATE)?;
    file.write_at(bytes, 0)?;
    file.sync_all()
}
