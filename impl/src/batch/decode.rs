//! Reading batches. Nothing here panics or allocates by what the bytes say.

use truelog_env::{File, IoError};

use super::{
    BATCH_HEADER, BatchHeader, CHECKED_FROM, FRAME_HEADER, KIND_RECORD, KIND_TABLE, Site, TABLE_ROW,
};
use crate::codec::{Get, as_u64, checksum};
use crate::error::Reason;
use crate::home::read_full_at;
use crate::lsn::{Lsn, Seq, StreamId};

/// A whole, valid batch. Borrows the bytes it was decoded from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batch<'a> {
    /// Its header.
    pub header: BatchHeader,
    payload: &'a [u8],
}

/// One frame of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The record's position in the log.
    pub lsn: Lsn,
    /// The stream that the record belongs to.
    pub stream: StreamId,
    /// The record's position in that stream.
    pub seq: Seq,
    /// Where the frame begins, in bytes from the beginning of the batch.
    pub offset: u32,
    /// The record's bytes.
    pub payload: &'a [u8],
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
        batch.check_frames()?;
        Ok(batch)
    }

    fn check_frames(&self) -> Result<(), Reason> {
        let mut get = Get::new(self.payload);
        let mut due = self.header.base;
        let mut first = true;
        while !get.rest().is_empty() {
            let raw = RawFrame::read(&mut get).ok_or(Reason::Field("frame length"))?;
            if raw.zero != 0 {
                return Err(Reason::Field("frame padding"));
            }
            match raw.kind {
                KIND_RECORD if raw.lsn != due => return Err(Reason::OtherLsn(raw.lsn)),
                KIND_RECORD => due = due.next(),
                KIND_TABLE if first && raw.is_table() => {}
                KIND_TABLE => return Err(Reason::Field("stream table")),
                _ => return Err(Reason::Field("frame kind")),
            }
            first = false;
        }
        if due != self.header.next() {
            return Err(Reason::Field("count"));
        }
        Ok(())
    }

    /// Its records, in order.
    #[must_use]
    pub fn records(&self) -> Frames<'a> {
        Frames { get: Get::new(self.payload), len: self.payload.len() }
    }

    /// The table of all streams before this batch, if it carries one.
    #[must_use]
    pub fn streams(&self) -> Option<StreamTable<'a>> {
        let raw = RawFrame::read(&mut Get::new(self.payload))?;
        (raw.kind == KIND_TABLE).then_some(StreamTable { get: Get::new(raw.payload) })
    }
}

/// The records of a batch.
#[derive(Debug, Clone)]
pub struct Frames<'a> {
    get: Get<'a>,
    len: usize,
}

impl<'a> Iterator for Frames<'a> {
    type Item = Frame<'a>;

    fn next(&mut self) -> Option<Frame<'a>> {
        loop {
            let offset = BATCH_HEADER + self.len - self.get.rest().len();
            let raw = RawFrame::read(&mut self.get)?;
            if raw.kind == KIND_RECORD {
                let RawFrame { lsn, stream, seq, payload, .. } = raw;
                // A batch's length is a u32, so an offset in it is one too.
                return Some(Frame { lsn, stream, seq, offset: u32::try_from(offset).ok()?, payload });
            }
        }
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

struct RawFrame<'a> {
    lsn: Lsn,
    stream: StreamId,
    seq: Seq,
    kind: u16,
    zero: u16,
    payload: &'a [u8],
}

impl<'a> RawFrame<'a> {
    fn read(get: &mut Get<'a>) -> Option<Self> {
        let mut head = Get::new(get.bytes(FRAME_HEADER)?);
        let (lsn, stream, seq) = (Lsn(head.u64()?), StreamId(head.u64()?), Seq(head.u64()?));
        let (len, kind, zero) = (head.u32()?, head.u16()?, head.u16()?);
        let payload = get.bytes(usize::try_from(len).ok()?)?;
        Some(Self { lsn, stream, seq, kind, zero, payload })
    }

    fn is_table(&self) -> bool {
        self.lsn == Lsn::NONE
            && self.stream == StreamId(0)
            && self.seq == Seq(0)
            && self.payload.len().is_multiple_of(TABLE_ROW)
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
    buf: &'a mut Vec<u8>,
) -> Result<Result<Batch<'a>, Reason>, IoError> {
    let Some(room) = capacity.checked_sub(site.offset) else { return Ok(Err(Reason::Short)) };
    let first = usize::try_from(room.min(u64::from(block))).unwrap_or(usize::MAX);
    buf.clear();
    buf.resize(first, 0);
    let got = read_full_at(file, buf, site.offset)?;
    buf.truncate(got);
    let header = match BatchHeader::decode(buf, site) {
        Ok(header) => header,
        Err(reason) => return Ok(Err(reason)),
    };
    if header.padded_len(block) > room {
        return Ok(Err(Reason::Field("len")));
    }
    let Ok(whole) = usize::try_from(header.len).map(|len| len.saturating_add(BATCH_HEADER)) else {
        return Ok(Err(Reason::Field("len")));
    };
    if whole > buf.len() {
        // Bounded by the segment's capacity, which the caller has from the manifest or from the file.
        buf.resize(whole, 0);
        let more = read_full_at(file, &mut buf[got..], site.offset.saturating_add(as_u64(got)))?;
        buf.truncate(got + more);
    }
    Ok(Batch::decode(buf, site))
}
