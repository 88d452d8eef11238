//! Reading batches. Nothing here panics or allocates by what the bytes say.

use truelog_env::{File, IoError};

use super::frames::{Frames, RawFrame, check_frames};
use super::{BATCH_HEADER, BatchHeader, CHECKED_FROM, Site};
use crate::codec::{Get, checksum};
use crate::error::Reason;
use crate::lsn::{Lsn, Seq, StreamId};
use crate::read_buf::ReadBuf;

/// A whole, valid batch. Borrows the bytes it was decoded from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batch<'a> {
    /// Its header.
    pub header: BatchHeader,
    payload: &'a [u8],
}

impl<'a> Batch<'a> {
    /// Reads a batch from the beginning of `bytes` and checks all of it: that it belongs to `site`, its
    /// checksum, and that its frames are what its header says. Bytes behind the batch are ignored.
    ///
    /// # Errors
    /// The first reason why this is not a valid batch for `site`.
    pub fn decode(bytes: &'a [u8], site: &Site) -> Result<Self, Reason> {
        let header = BatchHeader::decode(bytes, site)?;
        let len = usize::try_from(header.len).map_err(|_| Reason::Field("len"))?;
        let whole = bytes.get(..BATCH_HEADER + len).ok_or(Reason::Short)?;
        if checksum(&whole[CHECKED_FROM..]) != header.crc {
            return Err(Reason::Checksum);
        }
        let batch = Self { header, payload: &whole[BATCH_HEADER..] };
        check_frames(batch.payload, header.base, header.next())?;
        Ok(batch)
    }

    /// A batch that was decoded from the beginning of `bytes` before, and need not be checked again.
    pub(crate) fn again(header: BatchHeader, bytes: &'a [u8]) -> Option<Self> {
        let len = usize::try_from(header.len).ok()?;
        Some(Self { header, payload: bytes.get(BATCH_HEADER..)?.get(..len)? })
    }

    /// Its records, in order.
    #[must_use]
    pub fn records(&self) -> Frames<'a> {
        Frames::over(self.payload, BATCH_HEADER)
    }

    /// The table of all streams before this batch, if it carries one.
    #[must_use]
    pub fn streams(&self) -> Option<StreamTable<'a>> {
        let raw = RawFrame::read(&mut Get::new(self.payload))?;
        (raw.lsn == Lsn::NONE).then_some(StreamTable { get: Get::new(raw.payload) })
    }
}

/// The streams that existed before a batch, each with the sequence number that its next record gets.
#[derive(Debug, Clone)]
pub struct StreamTable<'a> {
    get: Get<'a>,
}

impl Iterator for StreamTable<'_> {
    type Item = (StreamId, Seq);

    fn next(&mut self) -> Option<(StreamId, Seq)> {
        Some((StreamId(self.get.u64()?), Seq(self.get.u64()?)))
    }
}

/// Reads the batch at `site` from its file. `capacity` is where the segment ends; `buf` is reused.
///
/// # Errors
/// The outer error is the file's, and says nothing about the bytes: it must never be taken for an end. The
/// inner one says why there is no valid batch.
pub(crate) fn read_batch<'a>(
    file: &dyn File,
    site: &Site,
    block: u32,
    capacity: u64,
    buf: &'a mut ReadBuf,
) -> Result<Result<Batch<'a>, Reason>, IoError> {
    match read_head(file, site, block, capacity, buf)? {
        Ok(header) => read_rest(file, &header, buf),
        Err(reason) => Ok(Err(reason)),
    }
}

/// Reads the first block of the batch at `site`, with its header. Nothing but the whole batch proves that the header is
/// right: until then it is a hint.
///
/// # Errors
/// As [`read_batch`].
pub(crate) fn read_head(
    file: &dyn File,
    site: &Site,
    block: u32,
    capacity: u64,
    buf: &mut ReadBuf,
) -> Result<Result<BatchHeader, Reason>, IoError> {
    let Some(room) = capacity.checked_sub(site.offset) else { return Ok(Err(Reason::Short)) };
    let first = usize::try_from(room.min(u64::from(block))).unwrap_or(usize::MAX);
    buf.read(file, first, site.offset)?;
    let header = match BatchHeader::decode(buf, site) {
        Ok(header) => header,
        Err(reason) => return Ok(Err(reason)),
    };
    // What is read behind this is bounded by the segment's capacity, which the caller has from the manifest or the file.
    Ok(if header.padded_len(block) > room { Err(Reason::Field("len")) } else { Ok(header) })
}

/// Reads the rest of the batch whose first block [`read_head`] has just read into `buf`, and checks all of it.
///
/// # Errors
/// As [`read_batch`].
pub(crate) fn read_rest<'a>(
    file: &dyn File,
    header: &BatchHeader,
    buf: &'a mut ReadBuf,
) -> Result<Result<Batch<'a>, Reason>, IoError> {
    let Ok(whole) = usize::try_from(header.len).map(|len| len.saturating_add(BATCH_HEADER)) else {
        return Ok(Err(Reason::Field("len")));
    };
    if whole > buf.len() {
        buf.read_on(file, whole, header.site.offset)?;
    }
    Ok(Batch::decode(buf, &header.site))
}
