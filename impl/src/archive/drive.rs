//! Drives: directories that hold copies of the archive's runs, each with an identity of its own.

use std::path::Path;

use truelog_env::{IoError, IoKind, NodeKind, OpenMode, Volume};

use super::entry::{DriveEntry, DriveId, DriveStatus};
use crate::block;
use crate::codec::Put;
use crate::create::{ancestors, sync_dirs};
use crate::doubt::Doubt;
use crate::error::{Error, NotALog, Reason, Result};
use crate::home::{self, Home, read_full_at, write_all_at};
use crate::identity::damaged;
use crate::lsn::{DriveNo, Lsn};
use crate::manifest::{Edition, ManifestRead, ManifestState, ManifestVerdict, read_manifest};
use crate::names::Name;
use crate::read_back::check_written;
use crate::types::LogId;

/// The first eight bytes of a drive's identity.
pub const DRIVE_MAGIC: [u8; 8] = *b"TLDRIVE1";
/// Where the block size is.
const BLOCK_AT: usize = 56;

/// What the file `DRIVE` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DriveIdentity {
    /// The log that it belongs to.
    pub log: LogId,
    /// The drive.
    pub drive: DriveId,
    /// The epoch of the log's identity when the drive was added: a copy of the log that was adopted has another.
    pub epoch: u64,
    /// The log's block size, in bytes.
    pub block: u32,
}

impl DriveIdentity {
    /// Reads an identity from the beginning of `bytes`.
    ///
    /// # Errors
    /// The first reason why this is not a valid identity.
    pub fn decode(bytes: &[u8]) -> std::result::Result<Self, Reason> {
        let (mut get, block) = block::open(bytes, &DRIVE_MAGIC, BLOCK_AT)?;
        let fields = (|| {
            let (log, drive) = (LogId(get.array()?), DriveId(get.array()?));
            Some(Self { log, drive, epoch: get.u64()?, block })
        })();
        fields.ok_or(Reason::Short)
    }

    /// The identity's bytes: one block.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![0; usize::try_from(self.block).unwrap_or(block::MOST)];
        Put::new(&mut bytes[block::FIELDS_AT..])
            .bytes(&self.log.0)
            .bytes(&self.drive.0)
            .u64(self.epoch)
            .u32(self.block);
        block::close(&mut bytes, &DRIVE_MAGIC);
        bytes
    }
}

/// Why a drive does not serve, although the manifest says that it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum DriveOut {
    /// Its directory does not exist.
    #[error("its directory does not exist")]
    Missing,
    /// Its path does not lead to a directory.
    #[error("its path does not lead to a directory")]
    NotADirectory,
    /// Its directory has no identity: a volume that is not mounted, or that was made anew.
    #[error("its directory has no identity: is its volume mounted?")]
    Empty,
    /// Its identity is that of another drive of this log.
    #[error("its directory is that of drive {0}")]
    OtherDrive(DriveId),
    /// Its identity is that of another log's drive.
    #[error("its directory belongs to log {0}")]
    OtherLog(LogId),
    /// It belongs to another copy of this log, from before an adopt or behind one. To share a drive would be to remove
    /// each other's runs.
    #[error("its directory belongs to another copy of this log")]
    OtherEpoch,
    /// Its identity cannot be read.
    #[error("its identity is damaged: {0}")]
    Damaged(Reason),
    /// Its copy of the manifest is older than it is known to have been: it was rolled back, or an old copy of it was
    /// put in its place.
    #[error("its manifest has generation {found}, but had {seen}: it was rolled back")]
    Stale {
        /// The generation of its copy; 0 for none.
        found: u64,
        /// The generation that it is known to have had.
        seen: u64,
    },
    /// Its copy of the manifest is newer than the log's own: the log was rolled back. Nothing is removed from it.
    #[error("its manifest has generation {found}, but the log's has {known}: the log was rolled back")]
    Ahead {
        /// The generation of its copy.
        found: u64,
        /// The generation of the log's manifest.
        known: u64,
    },
    /// Its copy of the manifest knows of a trim of which the log's own does not: the log was rolled back. Nothing is removed
    /// from it, and what is not on it any more is no fault of its.
    #[error(
        "its manifest is trimmed before LSN {found}, but the log's before {known}: the log was rolled back"
    )]
    TrimmedFurther {
        /// The first record that is kept, by its copy.
        found: Lsn,
        /// The first record that is kept, by the log's manifest.
        known: Lsn,
    },
    /// Its copy of the manifest is not older than the log's own, and not one that this log has written: the log was
    /// rolled back, and has gone on without the drive. Nothing is removed from it.
    #[error(
        "its manifest has generation {found} of another history: the log was rolled back, and went on without it"
    )]
    Diverged {
        /// The generation of its copy.
        found: u64,
    },
    /// Its copy of the manifest cannot be read, so that nothing says whether it is this log's.
    #[error("its copy of the manifest is damaged: {0}")]
    CopyDamaged(Reason),
    /// The file system refused to answer.
    #[error("{0}")]
    Io(IoError),
}

impl DriveOut {
    /// Whether a scrub puts the drive in order: it is this log's, and only its copy of the manifest is no good. Until then
    /// it is read where no other drive has a copy.
    #[must_use]
    pub const fn is_mended_by_scrub(self) -> bool {
        matches!(self, Self::Stale { .. } | Self::CopyDamaged(_))
    }
}

/// What a drive was found to be.
#[derive(Debug, Clone)]
pub(crate) struct Look {
    /// Where it is; nothing if it cannot be reached.
    pub(crate) home: Option<Home>,
    /// Why it does not serve.
    pub(crate) out: Option<DriveOut>,
    /// Whether nothing can be written to it.
    pub(crate) read_only: bool,
    /// How new its copy of the manifest is.
    pub(crate) edition: Edition,
}

impl Look {
    fn unreachable(why: DriveOut) -> Self {
        Self { home: None, out: Some(why), read_only: false, edition: Edition::default() }
    }
}

/// Looks at a drive: whether it is there, is the one that is meant, is not older than it was, and is of this log's
/// history, which the log's own manifest tells. Writes nothing.
pub(crate) fn look(log: &Home, entry: &DriveEntry, state: &ManifestState) -> Look {
    let out = Look::unreachable;
    let identity = match read_identity(log, &entry.path) {
        Ok(identity) => identity,
        Err(why) => return out(why),
    };
    if identity.log != log.log {
        return out(DriveOut::OtherLog(identity.log));
    }
    if identity.drive != entry.id {
        return out(DriveOut::OtherDrive(identity.drive));
    }
    if identity.epoch != log.epoch {
        return out(DriveOut::OtherEpoch);
    }
    look_at_copy(log, entry, state)
}

/// Looks at the manifest's copy on a drive whose identity is the one that is meant. What the log removes from a drive is
/// what its own manifest does not name; so it must be the successor of the one that the drive was told of last.
fn look_at_copy(log: &Home, entry: &DriveEntry, state: &ManifestState) -> Look {
    let volume = match log.env.fs.volume(&entry.path) {
        Ok(volume) => volume,
        Err(error) => return Look::unreachable(DriveOut::Io(error)),
    };
    let home = log.at(&entry.path, volume);
    let (edition, out) = match copy_of(&home) {
        Ok(copy) => {
            let copy = copy.as_ref();
            let edition = copy.map_or_else(Edition::default, ManifestState::edition);
            (edition, misfit(edition, copy, entry, state))
        }
        Err(why @ DriveOut::Io(_)) => return Look::unreachable(why),
        Err(why) => (Edition::default(), Some(why)),
    };
    Look { home: Some(home), out, read_only: volume.read_only, edition }
}

/// Why a copy of the manifest is not an older one of this log.
fn misfit(
    edition: Edition,
    copy: Option<&ManifestState>,
    entry: &DriveEntry,
    state: &ManifestState,
) -> Option<DriveOut> {
    let (found, known) = (edition.generation, state.archive.generation);
    if found < entry.seen {
        Some(DriveOut::Stale { found, seen: entry.seen })
    } else if found > known {
        Some(DriveOut::Ahead { found, known })
    } else if copy.is_some_and(|copy| !state.archive.descends_from(&copy.archive)) {
        Some(DriveOut::Diverged { found })
    } else if edition.trimmed > state.trimmed {
        // A trim is durable in the log before a drive hears of it.
        Some(DriveOut::TrimmedFurther { found: edition.trimmed, known: state.trimmed })
    } else {
        None
    }
}

/// The manifest's copy on a drive, if there is one.
fn copy_of(home: &Home) -> std::result::Result<Option<ManifestState>, DriveOut> {
    match read_manifest(home) {
        Ok(ManifestRead { state: Some(state), .. }) => Ok(Some(state)),
        Ok(ManifestRead { verdict: ManifestVerdict::Damaged { reason: Reason::Missing, .. }, .. }) => {
            Ok(None)
        }
        Ok(ManifestRead { verdict: ManifestVerdict::Damaged { reason, .. }, .. }) => {
            Err(DriveOut::CopyDamaged(reason))
        }
        Err(Error::Io { source, .. }) => Err(DriveOut::Io(source)),
        Err(Error::Version { found: 0, .. }) => Err(DriveOut::CopyDamaged(Reason::Unreleased)),
        Err(Error::Version { found, .. }) => Err(DriveOut::CopyDamaged(Reason::Newer(found))),
        Ok(_) | Err(_) => Err(DriveOut::CopyDamaged(Reason::Short)),
    }
}

pub(crate) fn read_identity(log: &Home, dir: &Path) -> std::result::Result<DriveIdentity, DriveOut> {
    match log.env.fs.metadata(dir) {
        Ok(metadata) if metadata.kind == NodeKind::Dir => {}
        Ok(_) => return Err(DriveOut::NotADirectory),
        Err(error) if error.kind == IoKind::NotFound => return Err(DriveOut::Missing),
        Err(error) => return Err(DriveOut::Io(error)),
    }
    let file = match log.env.fs.open(&dir.join(Name::Drive.to_string()), OpenMode::READ) {
        Ok(file) => file,
        Err(error) if error.kind == IoKind::NotFound => return Err(DriveOut::Empty),
        Err(error) => return Err(DriveOut::Io(error)),
    };
    let mut bytes = vec![0; block::MOST];
    let got = read_full_at(&*file, &mut bytes, 0).map_err(DriveOut::Io)?;
    DriveIdentity::decode(&bytes[..got]).map_err(DriveOut::Damaged)
}

/// Makes `dir`, an absolute path, a drive of the log: a missing directory, an empty one, one that an add left
/// unfinished, or one that is a drive of this log already, or of another copy of it. Returns what the manifest is to say
/// of it, and how it was found: one whose own copy of the manifest is no good is known, and does not serve.
///
/// # Errors
/// [`Error::NotALog`] naming what else is there, [`Error::Exists`] for a drive of another log or for the log's own
/// directory, [`Error::BadDrive`] for one that knows of another history of this log, [`Error::Locked`], [`Error::InDoubt`], [`Error::Unsafe`], [`Error::CorruptFile`], [`Error::Full`],
/// [`Error::Io`].
pub(crate) fn make(
    log: &Home,
    dir: &Path,
    number: DriveNo,
    capacity: u64,
    state: &ManifestState,
) -> Result<(DriveEntry, Look)> {
    if log.dir.starts_with(dir) || dir.starts_with(&log.dir) {
        return Err(Error::Exists { dir: dir.into() });
    }
    let env = &log.env;
    home::judge_new(env, dir, |volume| keeps_promise(log, dir, volume))?;
    match env.fs.create_dir(dir) {
        Ok(()) => {}
        Err(error) if error.kind == IoKind::AlreadyExists => {}
        Err(error) => return Err(Error::io(dir, error)),
    }
    let metadata = home::stat_dir(env, dir)?;
    let _lock = home::lock(env, dir)?;
    let names = home::list(env, dir)?;
    let volume = env.fs.volume(dir).map_err(|source| Error::io(dir, source))?;
    keeps_promise(log, dir, &volume)?;
    let home = log.at(dir, volume);
    let entry =
        |id| DriveEntry { number, id, path: dir.into(), capacity, seen: 0, status: DriveStatus::Healthy };
    if names.contains(&Name::Drive) {
        return match read_identity(log, dir) {
            Ok(identity) if identity.log == log.log => {
                let known = state.archive.drives.iter().find(|known| known.id == identity.drive).cloned();
                let is_known = known.is_some();
                let known = known.unwrap_or_else(|| entry(identity.drive));
                let entry = DriveEntry { path: dir.into(), capacity, ..known };
                let look = look_at_copy(log, &entry, state);
                if let Some(why) = look.out.filter(|why| !is_known || !why.is_mended_by_scrub()) {
                    return Err(Error::BadDrive { dir: dir.into(), why });
                }
                // An earlier add may have failed just before its name was durable; and from now on it is this copy's.
                publish(&home, &DriveIdentity { epoch: log.epoch, ..identity })?;
                Ok((entry, look))
            }
            Ok(_) => Err(Error::Exists { dir: dir.into() }),
            Err(DriveOut::Damaged(reason)) => Err(damaged(home.path(Name::Drive), 0, reason)),
            Err(DriveOut::Io(source)) => Err(Error::io(home.path(Name::Drive), source)),
            Err(_) => Err(Error::NotALog { dir: dir.into(), why: NotALog::Missing }),
        };
    }
    let left_over = |name: &&Name| !matches!(name, Name::DriveTmp | Name::InDoubt(_) | Name::LostFound);
    if let Some(name) = names.iter().find(left_over) {
        return Err(Error::NotALog { dir: dir.into(), why: NotALog::ForeignName(name.to_string()) });
    }
    let mut id = [0; 16];
    env.entropy.fill(&mut id).map_err(|source| Error::io(dir, source))?;
    let id = DriveId(id);
    let doubt = Doubt::begin(env, dir, &names)?;
    sync_dirs(env, &ancestors(env, dir, metadata.device)?)?;
    doubt.settle(env)?;
    publish(&home, &DriveIdentity { log: log.log, drive: id, epoch: log.epoch, block: log.block })?;
    let read_only = volume.read_only;
    Ok((entry(id), Look { home: Some(home), out: None, read_only, edition: Edition::default() }))
}

/// What the log promises, its archive must keep.
fn keeps_promise(log: &Home, dir: &Path, volume: &Volume) -> Result<()> {
    if log.volume.weakness.is_some() {
        return Ok(());
    }
    home::check_promise(dir, volume, crate::types::Durability::PowerLoss)
}

/// Publishes an identity: temporary file, sync, read back, rename, directory sync.
fn publish(home: &Home, identity: &DriveIdentity) -> Result<()> {
    let path = home.path(Name::DriveTmp);
    let file = home.open(Name::DriveTmp, OpenMode::CREATE)?;
    let bytes = identity.encode();
    write_all_at(&*file, &bytes, 0).map_err(|source| Error::io(&path, source))?;
    file.sync_all().map_err(|source| Error::io(&path, source))?;
    check_written(home, Name::DriveTmp, &bytes)?;
    home.rename(Name::DriveTmp, Name::Drive)?;
    home.sync_dir()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_round_trips_and_no_flipped_bit_passes() {
        let identity = DriveIdentity { log: LogId([1; 16]), drive: DriveId([2; 16]), epoch: 3, block: 256 };
        let bytes = identity.encode();
        assert_eq!(DriveIdentity::decode(&bytes), Ok(identity));
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(DriveIdentity::decode(&flipped).is_err(), "bit {bit}");
        }
    }
}
