//! Frames: how records stand one behind the other, in a batch and in a block of the archive.

use super::{BATCH_HEADER, FRAME_HEADER, Site, TABLE_ROW};
use crate::codec::{Get, Put, as_u64, checksum, checksum_on};
use crate::error::Reason;
use crate::lsn::{Lsn, Seq, StreamId};

/// One record's frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The record's position in the log.
    pub lsn: Lsn,
    /// The stream that the record belongs to.
    pub stream: StreamId,
    /// The record's position in that stream.
    pub seq: Seq,
    /// Where the frame begins, in bytes from the beginning of the batch or of the block.
    pub offset: u32,
    /// The record's bytes.
    pub payload: &'a [u8],
}

/// Checks that `payload` holds frames and nothing else: records from `base` up to, not including, `next`, and before
/// them at most one table of streams.
///
/// # Errors
/// The first reason why it does not.
pub(crate) fn check_frames(payload: &[u8], base: Lsn, next: Lsn) -> Result<(), Reason> {
    let mut get = Get::new(payload);
    let mut due = base;
    let mut first = true;
    while !get.rest().is_empty() {
        let raw = RawFrame::read(&mut get).ok_or(Reason::Field("frame length"))?;
        match raw.lsn {
            Lsn::NONE if first && raw.is_table() => {}
            Lsn::NONE => return Err(Reason::Field("stream table")),
            lsn if lsn == due => due = due.next(),
            lsn => return Err(Reason::OtherLsn(lsn)),
        }
        first = false;
    }
    if due != next {
        return Err(Reason::Field("count"));
    }
    Ok(())
}

/// The length of the frame that stands first in `payload`, in bytes, if that is a stream table; else 0.
pub(crate) fn table_len(payload: &[u8]) -> u32 {
    let mut get = Get::new(payload);
    let numbers = (get.u64(), get.u64(), get.u64());
    match (numbers, get.u32()) {
        ((Some(0), Some(0), Some(0)), Some(len @ 1..)) => FRAME_LEN.saturating_add(len),
        _ => 0,
    }
}

/// The records of a batch or of a block.
#[derive(Debug, Clone)]
pub struct Frames<'a> {
    get: Get<'a>,
    /// Where the frames end, in bytes from the beginning of what they are in.
    end: usize,
}

impl<'a> Frames<'a> {
    /// The records of `payload`, which stands `lead` bytes behind the beginning of what it is in.
    pub(crate) const fn over(payload: &'a [u8], lead: usize) -> Self {
        Self { get: Get::new(payload), end: lead + payload.len() }
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = Frame<'a>;

    fn next(&mut self) -> Option<Frame<'a>> {
        loop {
            let offset = self.end - self.get.rest().len();
            let raw = RawFrame::read(&mut self.get)?;
            if raw.lsn != Lsn::NONE {
                let RawFrame { lsn, stream, seq, payload } = raw;
                // A batch's length is a u32, so an offset in it is one too.
                return Some(Frame { lsn, stream, seq, offset: u32::try_from(offset).ok()?, payload });
            }
        }
    }
}

pub(super) struct RawFrame<'a> {
    pub(super) lsn: Lsn,
    pub(super) stream: StreamId,
    pub(super) seq: Seq,
    pub(super) payload: &'a [u8],
}

impl<'a> RawFrame<'a> {
    pub(super) fn read(get: &mut Get<'a>) -> Option<Self> {
        let mut head = Get::new(get.bytes(FRAME_HEADER)?);
        let (lsn, stream, seq) = (Lsn(head.u64()?), StreamId(head.u64()?), Seq(head.u64()?));
        let payload = get.bytes(usize::try_from(head.u32()?).ok()?)?;
        Some(Self { lsn, stream, seq, payload })
    }

    pub(super) fn is_table(&self) -> bool {
        self.stream == StreamId(0) && self.seq == Seq(0) && self.payload.len().is_multiple_of(TABLE_ROW)
    }
}

/// [`FRAME_HEADER`], as lengths on the disk are.
const FRAME_LEN: u32 = FRAME_HEADER as u32;

/// Where a frame's checksum is, behind the fields that it covers.
const CHECK_AT: usize = 28;

/// Writes a frame, with the checksum of what it is made of, wherever it is.
pub(crate) fn put_frame(put: &mut Put<'_>, lsn: Lsn, stream: StreamId, seq: Seq, payload: &[u8]) {
    let mut fields = [0; CHECK_AT];
    // Callers have checked that the frame fits into a batch or a block, whose length is a u32.
    let len = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    Put::new(&mut fields).u64(lsn.0).u64(stream.0).u64(seq.0).u32(len);
    put.bytes(&fields).u32(checksum_on(checksum(&fields), payload)).bytes(payload);
}

/// Binds the frames of a batch to where it is going to be written: from then on each proves by itself that it belongs there.
pub(super) fn bind(frames: &mut [u8], site: &Site) {
    let mut at = 0;
    while let Some(raw) = frames.get(at..).and_then(|rest| RawFrame::read(&mut Get::new(rest))) {
        let end = at + FRAME_HEADER + raw.payload.len();
        let place = place_of(site, as_u64(BATCH_HEADER + at));
        if let Some(check) = frames[at..end].get_mut(CHECK_AT..FRAME_HEADER) {
            check.iter_mut().zip(place.to_le_bytes()).for_each(|(byte, mask)| *byte ^= mask);
        }
        at = end;
    }
}

/// The frame of record `lsn`, if that and nothing else is in `bytes`, which stand `offset` bytes behind the beginning of the
/// batch at `site`. What this says no to may be a record all the same: only its whole batch tells.
pub(crate) fn frame_at<'a>(bytes: &'a [u8], site: &Site, offset: u64, lsn: Lsn) -> Option<Frame<'a>> {
    let mut get = Get::new(bytes);
    let RawFrame { lsn: found, stream, seq, payload } = RawFrame::read(&mut get)?;
    let check = Get::new(bytes.get(CHECK_AT..)?).u32()? ^ place_of(site, offset);
    let whole = get.rest().is_empty() && checksum_on(checksum(&bytes[..CHECK_AT]), payload) == check;
    let offset = u32::try_from(offset).ok()?;
    (whole && found == lsn && lsn != Lsn::NONE).then_some(Frame { lsn, stream, seq, offset, payload })
}

/// What the checksum of a frame is bound with that stands `offset` bytes behind the beginning of the batch at `site`.
fn place_of(site: &Site, offset: u64) -> u32 {
    let mut place = [0; 40];
    Put::new(&mut place)
        .bytes(&site.log.0)
        .u64(site.salt)
        .u64(site.segment.0)
        .u64(site.offset.saturating_add(offset));
    checksum(&place)
}
