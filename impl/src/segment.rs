//! Segment files: their header, how they are made ready, and how an open one is written.

use std::path::PathBuf;

use truelog_env::{File, IoKind, OpenMode};

use crate::batch::{Aligned, Site};
use crate::block;
use crate::codec::{Put, as_u64, round_up};
use crate::error::{Error, Failure, Reason, Result};
use crate::event::Event;
use crate::home::{Home, read_full_at, write_all_at};
use crate::lsn::{Lsn, SegmentNo};
use crate::manifest::{Edit, ManifestFile, SegmentEntry};
use crate::names::Name;
use crate::options::{Fill, Options, SyncMethod};
use crate::timed::Timed;
use crate::types::{Durability, LogId};
use crate::way::Way;

/// The first eight bytes of a segment.
pub const SEGMENT_MAGIC: [u8; 8] = *b"TLSEGMT1";
/// Where the block size is.
const BLOCK_AT: usize = 56;
/// How much is zeroed with one write.
const FILL_CHUNK: usize = 512 << 10;

/// A segment's header: the file's first block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SegmentHeader {
    /// The log.
    pub log: LogId,
    /// The segment.
    pub segment: SegmentNo,
    /// Random; repeated in each of its batches.
    pub salt: u64,
    /// The file's length, in bytes.
    pub capacity: u64,
    /// The log's block size, in bytes.
    pub block: u32,
}

impl SegmentHeader {
    /// Reads a header from the beginning of `bytes`.
    ///
    /// # Errors
    /// The first reason why this is not a valid header.
    pub fn decode(bytes: &[u8]) -> std::result::Result<Self, Reason> {
        let (mut get, block) = block::open(bytes, &SEGMENT_MAGIC, BLOCK_AT)?;
        let fields = (|| {
            Some(Self {
                log: LogId(get.array()?),
                segment: SegmentNo(get.u64()?),
                salt: get.u64()?,
                capacity: get.u64()?,
                block,
            })
        })();
        fields.ok_or(Reason::Short)
    }

    /// The header's bytes: one block.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![0; usize::try_from(self.block).unwrap_or(block::MOST)];
        Put::new(&mut bytes[block::FIELDS_AT..])
            .bytes(&self.log.0)
            .u64(self.segment.0)
            .u64(self.salt)
            .u64(self.capacity)
            .u32(self.block);
        block::close(&mut bytes, &SEGMENT_MAGIC);
        bytes
    }

    /// Checks that this header is that of segment `number` of a log.
    ///
    /// # Errors
    /// The first field that says otherwise.
    pub fn check(&self, log: LogId, number: SegmentNo, block: u32) -> std::result::Result<(), Reason> {
        if self.log != log {
            return Err(Reason::OtherLog);
        }
        if self.segment != number {
            return Err(Reason::OtherSegment(self.segment));
        }
        if self.block != block {
            return Err(Reason::Field("block size"));
        }
        if self.capacity < 2 * u64::from(block) || !self.capacity.is_multiple_of(u64::from(block)) {
            return Err(Reason::Field("capacity"));
        }
        Ok(())
    }

    /// Checks that this header is that of the segment that the manifest names.
    ///
    /// # Errors
    /// The first field that says otherwise.
    pub fn check_named(
        &self,
        log: LogId,
        entry: &SegmentEntry,
        block: u32,
    ) -> std::result::Result<(), Reason> {
        self.check(log, entry.number, block)?;
        if self.salt != entry.salt {
            return Err(Reason::OtherSalt);
        }
        if self.capacity != entry.capacity {
            return Err(Reason::Field("capacity"));
        }
        Ok(())
    }

    /// Where a batch of this segment is.
    #[must_use]
    pub const fn site(&self, offset: u64) -> Site {
        Site { log: self.log, salt: self.salt, segment: self.segment, offset }
    }
}

/// Reads the header of an open segment file. The outer error is the file's, the inner one the header's.
pub(crate) fn read_header(
    file: &dyn File,
) -> std::result::Result<std::result::Result<SegmentHeader, Reason>, truelog_env::IoError> {
    let mut bytes = vec![0; block::MOST];
    let got = read_full_at(file, &mut bytes, 0)?;
    Ok(SegmentHeader::decode(&bytes[..got]))
}

/// Makes a segment what the manifest says of it: a copy with its header and its length replaces it, and no batch is
/// touched. The rename is durable once the directory was synced: here, or by the open that finds it done.
pub(crate) fn mend_frame(home: &Home, file: &dyn File, entry: &SegmentEntry) -> Result<()> {
    let (name, tmp) = (Name::Segment(entry.number), Name::SegmentTmp(entry.number));
    let header = SegmentHeader {
        log: home.log,
        segment: entry.number,
        salt: entry.salt,
        capacity: entry.capacity,
        block: home.block,
    };
    let copy = home.open(tmp, OpenMode::CREATE)?;
    let failed = |name| move |source| Error::io(home.path(name), source);
    write_all_at(&*copy, &header.encode(), 0).map_err(failed(tmp))?;
    let mut at = u64::from(home.block);
    let mut bytes = vec![0; FILL_CHUNK];
    while at < entry.capacity {
        let want = usize::try_from(entry.capacity - at).unwrap_or(FILL_CHUNK).min(FILL_CHUNK);
        let got = read_full_at(file, &mut bytes[..want], at).map_err(failed(name))?;
        bytes[got..want].fill(0);
        write_all_at(&*copy, &bytes[..want], at).map_err(failed(tmp))?;
        at += as_u64(want);
    }
    copy.sync_all().map_err(failed(tmp))?;
    home.rename(tmp, name)
}

/// An open segment, to be written by the one commit in flight.
#[derive(Debug)]
pub(crate) struct Segment {
    /// Its number.
    pub(crate) number: SegmentNo,
    /// Its salt.
    pub(crate) salt: u64,
    /// The file's length, in bytes.
    pub(crate) capacity: u64,
    path: PathBuf,
    access: Access,
    device: u64,
    inode: u64,
}

/// How a segment's file is written.
#[derive(Debug)]
enum Access {
    /// Written, and synced behind it.
    Synced(Timed),
    /// Each write is its own sync.
    Through(Timed),
    /// Either, batch by batch: the one past the page cache, which holds no byte of it that is not on the device by then.
    Either { synced: Timed, through: Timed },
}

impl Segment {
    /// Makes a segment ready: a temporary file with its header and its space, synced; renamed; the directory
    /// synced; named by the manifest, synced. Only then may a batch go into it.
    ///
    /// `number` must be higher than that of any segment file ever seen. `capacity` is rounded up to blocks. `reused` is a file
    /// of that length that has the temporary name, and its space.
    pub(crate) fn prepare(
        home: &Home,
        options: &Options,
        manifest: &mut ManifestFile,
        number: SegmentNo,
        capacity: u64,
        watermark: Lsn,
        reused: Option<Box<dyn File>>,
    ) -> std::result::Result<Self, Failure> {
        let capacity = round_up(capacity.max(2 * u64::from(home.block)), home.block);
        let segment = Self::fill(home, options, number, capacity, reused)
            .map_err(|error| refuse(home, Name::SegmentTmp(number), number, Failure::harmless(error)))?;
        home.sync_dir().map_err(Failure::poisoning)?;
        let edit = Edit::AddSegment(SegmentEntry { number, salt: segment.salt, capacity });
        manifest
            .append(home, &edit, watermark)
            .map_err(|failure| refuse(home, Name::Segment(number), number, failure))?;
        home.emit(&Event::SegmentPrepared { segment: number, capacity });
        Ok(segment)
    }

    /// Everything up to and including the rename: what fails here has touched nothing but the new file.
    fn fill(
        home: &Home,
        options: &Options,
        number: SegmentNo,
        capacity: u64,
        reused: Option<Box<dyn File>>,
    ) -> Result<Self> {
        let (tmp, path) = (home.path(Name::SegmentTmp(number)), home.path(Name::Segment(number)));
        let failed = |source| Error::io(&tmp, source);
        let header = SegmentHeader {
            log: home.log,
            segment: number,
            salt: home.random()?,
            capacity,
            block: home.block,
        };
        let is_new = reused.is_none();
        let file = reused.map_or_else(|| home.open(Name::SegmentTmp(number), OpenMode::CREATE), Ok)?;
        let through = open_through(home, options, &header)?;
        if through.is_none() {
            write_all_at(&*file, &header.encode(), 0).map_err(failed)?;
        }
        match options.fill {
            _ if !is_new => {}
            Fill::Zeros => write_zeros(&*file, u64::from(home.block), capacity).map_err(failed)?,
            Fill::Allocate => file.allocate(capacity).map_err(failed)?,
        }
        file.sync_all().map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        let timed = |file, through| Timed::new(file, home, number, through);
        let access = match (options.sync, through.map(|through| timed(through, true))) {
            (_, None) => Access::Synced(timed(file, false)),
            (SyncMethod::Auto, Some(through)) => Access::Either { synced: timed(file, false), through },
            (_, Some(through)) => Access::Through(through),
        };
        home.rename(Name::SegmentTmp(number), Name::Segment(number))?;
        let (device, inode) = (metadata.device, metadata.inode);
        Ok(Self { number, salt: header.salt, capacity, path, access, device, inode })
    }

    /// Where a batch of this segment is.
    pub(crate) const fn site(&self, log: LogId, offset: u64) -> Site {
        Site { log, salt: self.salt, segment: self.number, offset }
    }

    /// The way that a batch goes for which `wanted` was chosen: the other, where this file has no choice.
    pub(crate) const fn way(&self, wanted: Way) -> Way {
        match self.access {
            Access::Synced(_) => Way::Synced,
            Access::Through(_) => Way::Through,
            Access::Either { .. } => wanted,
        }
    }

    /// Whether a batch may go either way.
    pub(crate) const fn has_choice(&self) -> bool {
        matches!(self.access, Access::Either { .. })
    }

    /// Writes all of `bytes` at `offset`, by a way that [`Segment::way`] has allowed. A failure must poison.
    pub(crate) fn write_all_at(&self, bytes: &[u8], offset: u64, way: Way) -> Result<()> {
        let file = match (&self.access, way) {
            (Access::Synced(file) | Access::Through(file), _) => file,
            (Access::Either { synced, .. }, Way::Synced) => synced,
            (Access::Either { through, .. }, Way::Through) => through,
        };
        write_all_at(file, bytes, offset).map_err(|source| Error::io(&self.path, source))
    }

    /// Lets the device begin with what was written and not synced, if it does not have it yet.
    pub(crate) fn write_out(&self, offset: u64, len: u64) {
        match &self.access {
            Access::Through(_) => {}
            Access::Synced(file) | Access::Either { synced: file, .. } => file.write_out(offset, len),
        }
    }

    /// Makes durable what was written, unless each write already was. A failure must poison, and must never be tried
    /// again.
    pub(crate) fn sync_data(&self) -> Result<()> {
        match &self.access {
            Access::Through(_) => Ok(()),
            Access::Synced(file) | Access::Either { synced: file, .. } => {
                file.sync_data().map_err(|source| Error::io(&self.path, source))
            }
        }
    }

    /// Checks that the segment's path still leads to this file, and that it is as long as it was made, and long enough
    /// for a batch that ends at `end`: what is synced into a file without a name is lost, and a file that was cut under
    /// the writer grows again by what is written behind the cut. A failure must poison.
    pub(crate) fn check_place(&self, home: &Home, end: u64) -> Result<()> {
        let displaced = || Error::Displaced { path: self.path.clone() };
        let found = home.env.fs.metadata(&self.path).map_err(|source| match source.kind {
            IoKind::NotFound => displaced(),
            _ => Error::io(&self.path, source),
        })?;
        if (found.device, found.inode) != (self.device, self.inode) || found.len < end.max(self.capacity) {
            return Err(displaced());
        }
        Ok(())
    }
}

/// A new segment's file once more, each write of which is its own sync, with the header written by it; `None` where that
/// is not wanted, or where a file system has no such way past its cache. It may say so to the open, or not before the first
/// write: that is the header's, so that no batch is refused. It is also the file's first, since a write that is its own
/// sync and fails may take what was written before it, and not synced.
fn open_through(home: &Home, options: &Options, header: &SegmentHeader) -> Result<Option<Box<dyn File>>> {
    let name = Name::SegmentTmp(header.segment);
    let open = |direct| {
        let mode = OpenMode { write_through: true, direct, ..OpenMode::WRITE };
        home.open(name, mode)
    };
    let file = match (options.sync, options.durability) {
        // What survives the process only is best left to the page cache: see `Chooser`.
        (SyncMethod::DataSync, _) | (SyncMethod::Auto, Durability::ProcessCrash) => return Ok(None),
        (SyncMethod::WriteThrough, _) => open(false)?,
        (SyncMethod::Auto, Durability::PowerLoss) => match open(true) {
            Ok(file) => file,
            Err(_) => return Ok(None),
        },
    };
    match write_all_at(&*file, Aligned::of(&header.encode()).bytes(), 0) {
        Ok(()) => Ok(Some(file)),
        Err(refused) if refused.kind == IoKind::Unsupported => Ok(None),
        Err(source) => Err(Error::io(home.path(name), source)),
    }
}

/// Writes zeros from `from` up to `to`. No more than two writes are ahead of others at the device at any time: a batch that
/// is committed meanwhile would wait for all of them.
fn write_zeros(file: &dyn File, from: u64, to: u64) -> std::result::Result<(), truelog_env::IoError> {
    let chunk = usize::try_from(to.saturating_sub(from)).unwrap_or(FILL_CHUNK).min(FILL_CHUNK);
    let zeros = vec![0; chunk];
    let (mut at, mut before) = (from, from);
    while at < to {
        let len = usize::try_from(to - at).unwrap_or(chunk).min(chunk);
        write_all_at(file, &zeros[..len], at)?;
        file.write_out(at, as_u64(len));
        if before < at {
            file.wait_out(before, at - before)?;
        }
        before = at;
        at += as_u64(len);
    }
    Ok(())
}

/// Gives back the space of a segment that could not be prepared, unless the failure poisons. Whether the
/// removal succeeds does not matter: a recovery removes what is left, and the number is not used again.
fn refuse(home: &Home, name: Name, segment: SegmentNo, failure: Failure) -> Failure {
    if !failure.poisons {
        let _ = home.unlink(name);
        home.emit(&Event::SpaceRefused { segment, error: failure.error.clone() });
    }
    failure
}

#[cfg(test)]
mod tests;
