//! What stands on a drive, without a manifest that says so: every block of every run is read.

use std::path::{Path, PathBuf};

use truelog_env::{File, IoError, OpenMode};

use crate::archive::block::{ArchiveBlock, BlockHeader, Kind, read_bytes};
use crate::archive::drive::{DriveOut, read_identity};
use crate::archive::entry::DriveId;
use crate::archive::run::{RunEntry, RunHeader, RunIndex};
use crate::error::{Error, Result};
use crate::home::Home;
use crate::lsn::{Lsn, RunNo};
use crate::manifest::{ManifestState, read_manifest};
use crate::names::Name;

/// A drive, as it was found.
#[derive(Debug)]
pub(super) struct Shelved {
    pub(super) path: PathBuf,
    pub(super) id: DriveId,
    /// Its copy of the manifest, and the highest LSN that vouches for.
    pub(super) manifest: Option<(ManifestState, Lsn)>,
    /// The runs on it.
    pub(super) runs: Vec<(RunNo, Copy)>,
}

impl Shelved {
    /// The generation of its copy of the manifest.
    pub(super) fn generation(&self) -> u64 {
        self.manifest.as_ref().map_or(0, |(state, _)| state.archive.generation)
    }
}

/// A copy of a run.
#[derive(Debug)]
pub(super) struct Copy {
    /// What its header and its index say; `None` where one of them cannot be read. Its copies are left empty.
    pub(super) entry: Option<RunEntry>,
    /// The first place that is not valid, in bytes.
    pub(super) bad_at: Option<u64>,
}

/// Looks at a drive of the log.
pub(super) fn look(log: &Home, dir: &Path) -> Result<Shelved> {
    let bad = |why| Error::BadDrive { dir: dir.into(), why };
    let identity = read_identity(log, dir).map_err(bad)?;
    if identity.log != log.log {
        return Err(bad(DriveOut::OtherLog(identity.log)));
    }
    if identity.epoch != log.epoch {
        return Err(bad(DriveOut::OtherEpoch));
    }
    let volume = log.env.fs.volume(dir).map_err(|source| Error::io(dir, source))?;
    let home = log.at(dir, volume);
    let read = match read_manifest(&home) {
        Ok(read) => read.state.map(|state| (state, read.watermark)),
        Err(error @ Error::Version { .. }) => return Err(error),
        Err(_) => None,
    };
    let mut runs = Vec::new();
    for name in home.env.fs.read_dir(dir).map_err(|source| Error::io(dir, source))? {
        if let Some(Name::Run(number)) = Name::parse(&name) {
            let file = home.open(Name::Run(number), OpenMode::READ)?;
            // A place that cannot be read is a bad place.
            let copy = read_copy(&home, number, &*file).unwrap_or(Copy { entry: None, bad_at: Some(0) });
            runs.push((number, copy));
        }
    }
    runs.sort_by_key(|(number, _)| *number);
    Ok(Shelved { path: dir.into(), id: identity.drive, manifest: read, runs })
}

/// Reads all of a copy.
fn read_copy(home: &Home, number: RunNo, file: &dyn File) -> std::result::Result<Copy, IoError> {
    let len = file.metadata()?.len;
    let first = read_bytes(file, 0, home.block.into(), len)?;
    let header = RunHeader::decode(&first).ok();
    let own =
        |header: &RunHeader| header.log == home.log && header.run == number && header.block == home.block;
    let Some(header) = header.filter(own) else { return Ok(Copy { entry: None, bad_at: Some(0) }) };
    let mut copy = Copy { entry: None, bad_at: None };
    let (mut offset, mut due) = (u64::from(header.block), 0);
    while offset < len && copy.entry.is_none() {
        match read_block(file, &header, offset, len)? {
            Some(block) if block.header.site.index >= due => {
                due = block.header.site.index.saturating_add(1);
                if block.header.kind == Kind::Index {
                    copy.entry = RunIndex::unnamed(&block, &header).ok().map(|(entry, _)| entry);
                }
                offset = offset.saturating_add(block.header.padded_len(header.block));
            }
            _ => {
                copy.bad_at = copy.bad_at.or(Some(offset));
                offset = offset.saturating_add(header.block.into());
            }
        }
    }
    if copy.entry.is_none() {
        copy.bad_at = copy.bad_at.or(Some(len));
    }
    Ok(copy)
}

/// The block at `offset`, whichever of the run it is, if it is valid there.
fn read_block(
    file: &dyn File,
    header: &RunHeader,
    offset: u64,
    len: u64,
) -> std::result::Result<Option<ArchiveBlock>, IoError> {
    let head = read_bytes(file, offset, header.block.into(), len)?;
    let Ok(found) = BlockHeader::parse(&head) else { return Ok(None) };
    let site = header.site(found.site.index, offset);
    if BlockHeader::decode(&head, &site).is_err() {
        return Ok(None);
    }
    let bytes = read_bytes(file, offset, found.padded_len(header.block), len)?;
    Ok(ArchiveBlock::decode(&bytes, &site).ok())
}
