//! The identity: the file that makes a directory a log, and says which.

use std::path::{Path, PathBuf};

use truelog_env::{DirLock, Env, IoKind, OpenMode};

use crate::block;
use crate::codec::Put;
use crate::doubt::Doubt;
use crate::error::{Error, NotALog, Reason, Result};
use crate::home::{self, Home, read_full_at, write_all_at};
use crate::names::Name;
use crate::types::LogId;

/// The first eight bytes of the identity.
pub const IDENTITY_MAGIC: [u8; 8] = *b"TLIDENT1";
/// Where the block size is.
const BLOCK_AT: usize = 56;

/// What the file `IDENTITY` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Identity {
    /// The log.
    pub log: LogId,
    /// The epoch: random, and new whenever the log is adopted at a new place.
    pub epoch: u64,
    /// The directory's inode number, as it was at create or at the last adopt.
    pub dir_inode: u64,
    /// The file system's identifier, as it was then.
    pub volume: u64,
    /// The log's block size, in bytes.
    pub block: u32,
}

impl Identity {
    /// Reads an identity from the beginning of `bytes`.
    ///
    /// # Errors
    /// The first reason why this is not a valid identity.
    pub fn decode(bytes: &[u8]) -> std::result::Result<Self, Reason> {
        let (mut get, block) = block::open(bytes, &IDENTITY_MAGIC, BLOCK_AT)?;
        let fields = (|| {
            Some(Self {
                log: LogId(get.array()?),
                epoch: get.u64()?,
                dir_inode: get.u64()?,
                volume: get.u64()?,
                block,
            })
        })();
        fields.ok_or(Reason::Short)
    }

    /// The identity's bytes: one block.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![0; usize::try_from(self.block).unwrap_or(block::MOST)];
        Put::new(&mut bytes[block::FIELDS_AT..])
            .bytes(&self.log.0)
            .u64(self.epoch)
            .u64(self.dir_inode)
            .u64(self.volume)
            .u32(self.block);
        block::close(&mut bytes, &IDENTITY_MAGIC);
        bytes
    }

    /// Checks that the log is where its identity says: on the same volume, in the same directory.
    pub(crate) fn check_place(&self, env: &Env, dir: &Path) -> Result<()> {
        let volume = env.fs.volume(dir).map_err(|source| Error::io(dir, source))?;
        let inode = home::stat_dir(env, dir)?.inode;
        self.check_found(dir, inode, volume.id)
    }

    /// Checks that a directory with this inode, on this volume, is the log's.
    pub(crate) fn check_found(&self, dir: &Path, inode: u64, volume: u64) -> Result<()> {
        let moved = |what, expected, found| Err(Error::Moved { dir: dir.into(), what, expected, found });
        if self.volume != volume {
            return moved("file system", self.volume, volume);
        }
        if self.dir_inode != inode {
            return moved("inode", self.dir_inode, inode);
        }
        Ok(())
    }

    /// Publishes this identity: temporary file, sync, rename, directory sync. Each step comes before the
    /// next, so that the name never leads to anything but a whole identity.
    pub(crate) fn publish(&self, home: &Home) -> Result<()> {
        let path = home.path(Name::IdentityTmp);
        let file = home.open(Name::IdentityTmp, OpenMode::CREATE)?;
        write_all_at(&*file, &self.encode(), 0).map_err(|source| Error::io(&path, source))?;
        file.sync_all().map_err(|source| Error::io(&path, source))?;
        home.rename(Name::IdentityTmp, Name::Identity)?;
        home.sync_dir()
    }
}

/// Reads the identity of the log in `dir`.
///
/// # Errors
/// [`Error::NotALog`], [`Error::Unfinished`] or [`Error::InDoubt`] when there is none, [`Error::Version`] when it is
/// newer than this program, [`Error::CorruptFile`] when it is damaged, [`Error::Io`].
pub(crate) fn read_identity(env: &Env, dir: &Path) -> Result<Identity> {
    home::stat_dir(env, dir)?;
    let path = dir.join(Name::Identity.to_string());
    let file = match env.fs.open(&path, OpenMode::READ) {
        Ok(file) => file,
        Err(error) if error.kind == IoKind::NotFound => return Err(no_identity(env, dir)),
        Err(error) => return Err(Error::io(path, error)),
    };
    let mut bytes = vec![0; block::MOST];
    let got = read_full_at(&*file, &mut bytes, 0).map_err(|source| Error::io(&path, source))?;
    Identity::decode(&bytes[..got]).map_err(|reason| damaged(path, 0, reason))
}

/// Takes the lock of the log in `dir`, an absolute path, and reads whose home that is. It may have been moved there.
///
/// # Errors
/// As [`read_identity`], and [`Error::Locked`].
pub(crate) fn enter(env: &Env, dir: &Path) -> Result<(Box<dyn DirLock>, Identity, Home)> {
    home::stat_dir(env, dir)?;
    let lock = home::lock(env, dir)?;
    let identity = read_identity(env, dir)?;
    let volume = env.fs.volume(dir).map_err(|source| Error::io(dir, source))?;
    let home = Home::new(env, dir, identity.log, identity.block, volume).of_epoch(identity.epoch);
    Ok((lock, identity, home))
}

/// The error for a file that is not what it should be: [`Error::Version`] or [`Error::CorruptFile`].
#[must_use]
pub fn damaged(path: PathBuf, offset: u64, reason: Reason) -> Error {
    match reason {
        Reason::Newer(found) => Error::Version { path, found, supported: block::FORMAT_VERSION },
        Reason::Unreleased => Error::Version { path, found: 0, supported: block::FORMAT_VERSION },
        reason => Error::CorruptFile { path, offset, reason },
    }
}

/// Why a directory without an identity is not a log.
fn no_identity(env: &Env, dir: &Path) -> Error {
    let names = match home::list(env, dir) {
        Ok(names) => names,
        Err(error) => return error,
    };
    let refused = not_resumable(dir, &names).or_else(|| Doubt::refuse(env, dir, &names).err());
    refused.unwrap_or_else(|| Error::Unfinished { dir: dir.into() })
}

/// Why a create could not go on in a directory that has these names and no identity.
pub(crate) fn not_resumable(dir: &Path, names: &[Name]) -> Option<Error> {
    let written_by_logs_only = |name: &&Name| {
        use Name::{Drive, DriveTmp, QuarantinedRun, Run, RunTmp, Segment, SegmentTmp};
        matches!(name, Segment(_) | SegmentTmp(_) | Drive | DriveTmp | Run(_) | RunTmp(_) | QuarantinedRun(_))
    };
    names
        .iter()
        .find(written_by_logs_only)
        .map(|name| Error::NotALog { dir: dir.into(), why: NotALog::NoIdentity(name.to_string()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity() -> Identity {
        Identity { log: LogId([3; 16]), epoch: 4, dir_inode: 5, volume: 6, block: 256 }
    }

    #[test]
    fn it_round_trips() {
        for block in [256, 4096, 65_536] {
            let identity = Identity { block, ..identity() };
            let bytes = identity.encode();
            assert_eq!(bytes.len(), block as usize);
            assert_eq!(Identity::decode(&bytes), Ok(identity));
        }
    }

    #[test]
    fn every_flipped_bit_is_refused() {
        let bytes = identity().encode();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Identity::decode(&flipped).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn every_cut_is_refused() {
        let bytes = identity().encode();
        for len in 0..bytes.len() {
            assert_eq!(Identity::decode(&bytes[..len]), Err(Reason::Short), "{len}");
        }
    }

    #[test]
    fn a_newer_version_is_refused_by_name() {
        let mut bytes = identity().encode();
        bytes[12..16].copy_from_slice(&9_u32.to_le_bytes());
        crate::codec::put_checksum(&mut bytes, 8, 12);
        assert_eq!(Identity::decode(&bytes), Err(Reason::Newer(9)));
        let error = damaged("IDENTITY".into(), 0, Reason::Newer(9));
        assert!(matches!(error, Error::Version { found: 9, supported: 1, .. }));
    }
}
