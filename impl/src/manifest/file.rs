//! The manifest's file: written anew by a checkpoint, then edited in place in space that is already zeroed.

use truelog_env::{File, IoKind, OpenMode};

use super::record::{self, Content, ManifestRecord, RecordSite};
use super::state::{Edit, ManifestState};
use crate::codec::{as_u64, is_zero, round_up};
use crate::error::{Error, Failure, Reason, Result};
use crate::event::Event;
use crate::home::{Home, read_full_at, write_all_at};
use crate::lsn::{DriveNo, Lsn};
use crate::names::Name;
use crate::read_back::check_written;

/// A manifest is never longer than this, in bytes: enough for a million segments and as many losses.
const MOST: u64 = 64 << 20;

/// The manifest that this handle writes. Only one handle writes a file: every open begins a new one.
#[derive(Debug)]
pub(crate) struct ManifestFile {
    file: Box<dyn File>,
    /// The file's device and inode.
    place: (u64, u64),
    state: ManifestState,
    salt: u64,
    capacity: u64,
    /// Where the next record goes.
    offset: u64,
    /// The next record's index.
    index: u64,
    /// The next record's chain.
    chain: u64,
}

impl ManifestFile {
    /// The bytes that the file takes, those for edits to come included.
    pub(crate) const fn capacity(&self) -> u64 {
        self.capacity
    }

    /// Writes a new manifest: temporary file, sync, rename, directory sync. What fails before the rename
    /// leaves the old manifest as it was, and does not poison.
    pub(crate) fn checkpoint(
        home: &Home,
        state: ManifestState,
        watermark: Lsn,
    ) -> std::result::Result<Self, Failure> {
        let written = Self::write_tmp(home, state, watermark);
        Self::publish(home, written.map(|(manifest, _)| manifest))
    }

    /// Writes a copy of a manifest to a drive, which may lie: it is read back before it takes the place of the last one.
    ///
    /// # Errors
    /// As the drive reports them, and [`Error::CorruptFile`] where it has stored something else.
    pub(crate) fn copy_to(drive: &Home, state: ManifestState, watermark: Lsn) -> Result<()> {
        let written = Self::write_tmp(drive, state, watermark).and_then(|(manifest, bytes)| {
            check_written(drive, Name::ManifestTmp, &bytes)?;
            Ok(manifest)
        });
        Self::publish(drive, written).map(drop).map_err(|failure| failure.error)
    }

    /// Gives the temporary file its name, if it was written; takes it back if it was not.
    fn publish(home: &Home, written: Result<Self>) -> std::result::Result<Self, Failure> {
        let manifest = written.map_err(|error| {
            // A recovery removes it if this does not.
            let _ = home.unlink(Name::ManifestTmp);
            Failure::harmless(error)
        })?;
        // A rename that failed may still reach the disk. Were it taken for undone, the caller would remove a
        // segment that the next recovery finds named.
        home.rename(Name::ManifestTmp, Name::Manifest).map_err(Failure::poisoning)?;
        home.sync_dir().map_err(Failure::poisoning)?;
        home.emit(&Event::ManifestCheckpointed { segments: as_u64(manifest.state.segments.len()) });
        Ok(manifest)
    }

    /// Writes the temporary file, durably. Also returns what it holds.
    fn write_tmp(home: &Home, mut state: ManifestState, watermark: Lsn) -> Result<(Self, Vec<u8>)> {
        state.archive.forget_history();
        let path = home.path(Name::ManifestTmp);
        let failed = |source| Error::io(&path, source);
        let salt = home.random()?;
        let site = RecordSite { log: home.log, salt, offset: 0, index: 0, watermark, chain: 0 };
        let content = Content::Checkpoint(state);
        let (mut bytes, chain) = record::encode(&site, &content, home.block);
        let Content::Checkpoint(state) = content else { return Err(unencodable(&path)) };
        let offset = as_u64(bytes.len());
        // Room for edits behind a checkpoint that is large itself.
        let wanted = u64::from(state.options.manifest_blocks) * u64::from(home.block);
        let capacity = round_up(wanted.max(offset * 2), home.block);
        if capacity > MOST {
            return Err(unencodable(&path));
        }
        bytes.resize(usize::try_from(capacity).map_err(|_| unencodable(&path))?, 0);
        let file = home.open(Name::ManifestTmp, OpenMode::CREATE)?;
        write_all_at(&*file, &bytes, 0).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        let found = file.metadata().map_err(failed)?;
        let place = (found.device, found.inode);
        Ok((Self { file, place, state, salt, capacity, offset, index: 1, chain }, bytes))
    }

    /// Adds an edit and makes it durable: write, data sync; or a new checkpoint when there is no room. The
    /// last block is kept for a trim, so that a full disk can be helped.
    pub(crate) fn append(
        &mut self,
        home: &Home,
        edit: &Edit,
        watermark: Lsn,
    ) -> std::result::Result<(), Failure> {
        self.check_before(home)?;
        let mut state = self.state.clone();
        let path = home.path(Name::Manifest);
        state.apply(edit).map_err(|reason| {
            Failure::poisoning(Error::CorruptFile { path: path.clone(), offset: self.offset, reason })
        })?;
        let Self { salt, offset, index, chain, .. } = *self;
        let site = RecordSite { log: home.log, salt, offset, index, watermark, chain };
        let (bytes, chain) = record::encode(&site, &Content::Edit(edit.clone()), home.block);
        let end = offset + as_u64(bytes.len());
        let reserve = if matches!(edit, Edit::Trim { .. }) { 0 } else { u64::from(home.block) };
        if end + reserve > self.capacity {
            *self = Self::checkpoint(home, state, watermark)?;
            return Ok(());
        }
        write_all_at(&*self.file, &bytes, offset)
            .and_then(|()| self.file.sync_data())
            .map_err(|source| Failure::poisoning(Error::io(path, source)))?;
        // What was synced into a manifest that no name leads to is lost with the descriptor.
        self.check_place(home).map_err(Failure::poisoning)?;
        (self.state, self.offset, self.index, self.chain) = (state, end, index + 1, chain);
        Ok(())
    }

    /// Checks that the manifest's name still leads to this file: it does not, either, when the log's directory is gone or
    /// another one stands in its place.
    fn check_place(&self, home: &Home) -> Result<()> {
        let path = home.path(Name::Manifest);
        match home.env.fs.metadata(&path) {
            Ok(found) if (found.device, found.inode) == self.place => Ok(()),
            Err(source) if source.kind != IoKind::NotFound => Err(Error::io(path, source)),
            _ => Err(Error::Displaced { path }),
        }
    }

    /// The same, before anything is written or made: what is not in its place poisons; that it cannot be looked at hurts
    /// nobody yet.
    ///
    /// # Errors
    /// A [`Failure`] that says whether it poisons.
    pub(crate) fn check_before(&self, home: &Home) -> std::result::Result<(), Failure> {
        self.check_place(home).map_err(|error| match error {
            Error::Displaced { .. } => Failure::poisoning(error),
            error => Failure::harmless(error),
        })
    }

    /// What a drive's own copy says, durably, the next checkpoint says too.
    pub(crate) fn seen(&mut self, drive: DriveNo, generation: u64) {
        self.state.archive.seen(drive, generation);
    }

    /// What the manifest says, durably; but for the generations that drives were seen to have.
    pub(crate) const fn state(&self) -> &ManifestState {
        &self.state
    }
}

/// The error for a state that does not fit into any manifest.
fn unencodable(path: &std::path::Path) -> Error {
    Error::CorruptFile { path: path.into(), offset: 0, reason: Reason::Field("length") }
}

/// What was read from a manifest.
#[derive(Debug)]
pub(crate) struct ManifestRead {
    /// What it says, up to the first record that is not valid; nothing when the checkpoint is not.
    pub(crate) state: Option<ManifestState>,
    /// The highest LSN that one of its records vouches for.
    pub(crate) watermark: Lsn,
    /// How it ends.
    pub(crate) verdict: ManifestVerdict,
}

/// How a manifest ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ManifestVerdict {
    /// Behind the last record there is nothing.
    Whole,
    /// Behind the last record there is an edit that was being written at a crash. Nobody was told of it.
    Torn {
        /// Where, in bytes.
        offset: u64,
    },
    /// A record that was durable is not valid any more.
    Damaged {
        /// Where, in bytes.
        offset: u64,
        /// Why.
        reason: Reason,
    },
}

/// Reads the manifest of a log.
///
/// # Errors
/// [`Error::Io`], and [`Error::Version`] when it is of a version that this program does not know. Damage is not an
/// error here, but a verdict.
pub(crate) fn read_manifest(home: &Home) -> Result<ManifestRead> {
    let path = home.path(Name::Manifest);
    let damaged = |reason| ManifestRead {
        state: None,
        watermark: Lsn::NONE,
        verdict: ManifestVerdict::Damaged { offset: 0, reason },
    };
    let file = match home.env.fs.open(&path, OpenMode::READ) {
        Ok(file) => file,
        Err(error) if error.kind == IoKind::NotFound => return Ok(damaged(Reason::Missing)),
        Err(error) => return Err(Error::io(path, error)),
    };
    let len = file.metadata().map_err(|source| Error::io(&path, source))?.len;
    let Some(len) = usize::try_from(len).ok().filter(|_| len <= MOST) else {
        return Ok(damaged(Reason::Field("length")));
    };
    let mut bytes = vec![0; len];
    let got = read_full_at(&*file, &mut bytes, 0).map_err(|source| Error::io(&path, source))?;
    let read = replay(&bytes[..got], home);
    match read.verdict {
        ManifestVerdict::Damaged { reason: reason @ (Reason::Newer(_) | Reason::Unreleased), offset } => {
            Err(crate::identity::damaged(path, offset, reason))
        }
        _ => Ok(read),
    }
}

/// Goes through the records of a manifest.
fn replay(bytes: &[u8], home: &Home) -> ManifestRead {
    let mut read = ManifestRead { state: None, watermark: Lsn::NONE, verdict: ManifestVerdict::Whole };
    let checkpoint = match ManifestRecord::decode(bytes, home.log, 0) {
        Ok(record) => record,
        Err(reason) => {
            read.verdict = ManifestVerdict::Damaged { offset: 0, reason };
            return read;
        }
    };
    let mut before = checkpoint;
    // A checkpoint stands at the beginning only: its index is 0, and those of edits are not.
    let Content::Checkpoint(mut state) = before.content.clone() else {
        read.verdict = ManifestVerdict::Damaged { offset: 0, reason: Reason::Field("kind") };
        return read;
    };
    read.watermark = before.site.watermark;
    loop {
        let offset = before.end(home.block);
        let Some(rest) = rest_of(bytes, offset) else { break };
        match next_record(rest, home, &before) {
            Ok((record, edit)) => {
                if let Err(reason) = state.apply(&edit) {
                    read.verdict = ManifestVerdict::Damaged { offset, reason };
                    break;
                }
                read.watermark = read.watermark.max(record.site.watermark);
                before = record;
            }
            Err(_) => {
                read.verdict = judge(bytes, home, &before, offset);
                break;
            }
        }
    }
    read.state = Some(state);
    read
}

fn rest_of(bytes: &[u8], offset: u64) -> Option<&[u8]> {
    usize::try_from(offset).ok().and_then(|offset| bytes.get(offset..)).filter(|rest| !rest.is_empty())
}

/// The record that follows `before`.
fn next_record(
    bytes: &[u8],
    home: &Home,
    before: &ManifestRecord,
) -> std::result::Result<(ManifestRecord, Edit), Reason> {
    let record = ManifestRecord::decode(bytes, home.log, before.end(home.block))?;
    if record.site.salt != before.site.salt {
        return Err(Reason::OtherSalt);
    }
    if record.site.index != before.site.index + 1 {
        return Err(Reason::Field("index"));
    }
    if record.site.chain != before.chain_value {
        return Err(Reason::OtherChain);
    }
    match &record.content {
        Content::Edit(edit) => {
            let edit = edit.clone();
            Ok((record, edit))
        }
        Content::Checkpoint(_) => Err(Reason::Field("kind")),
    }
}

/// Says what an invalid record at `offset` means: damage when a valid one of the same file follows, since an
/// edit is durable before the next is written; else an edit that a crash cut short, or none at all.
fn judge(bytes: &[u8], home: &Home, before: &ManifestRecord, offset: u64) -> ManifestVerdict {
    let mut at = offset + u64::from(home.block);
    while let Some(rest) = rest_of(bytes, at) {
        let later = ManifestRecord::decode(rest, home.log, at);
        if later.is_ok_and(|record| record.site.salt == before.site.salt) {
            return ManifestVerdict::Damaged { offset, reason: Reason::Vouched };
        }
        at += u64::from(home.block);
    }
    let untouched = rest_of(bytes, offset).is_none_or(is_zero);
    if untouched { ManifestVerdict::Whole } else { ManifestVerdict::Torn { offset } }
}
