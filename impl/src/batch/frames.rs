//! Frames: how records stand one behind the other, in a batch and in a block of the archive.

use super::{FRAME_HEADER, KIND_RECORD, KIND_TABLE, TABLE_ROW};
use crate::codec::{Get, Put};
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
    if due != next {
        return Err(Reason::Field("count"));
    }
    Ok(())
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
            if raw.kind == KIND_RECORD {
                let RawFrame { lsn, stream, seq, payload, .. } = raw;
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
    pub(super) kind: u16,
    pub(super) zero: u16,
    pub(super) payload: &'a [u8],
}

impl<'a> RawFrame<'a> {
    pub(super) fn read(get: &mut Get<'a>) -> Option<Self> {
        let mut head = Get::new(get.bytes(FRAME_HEADER)?);
        let (lsn, stream, seq) = (Lsn(head.u64()?), StreamId(head.u64()?), Seq(head.u64()?));
        let (len, kind, zero) = (head.u32()?, head.u16()?, head.u16()?);
        let payload = get.bytes(usize::try_from(len).ok()?)?;
        Some(Self { lsn, stream, seq, kind, zero, payload })
    }

    pub(super) fn is_table(&self) -> bool {
        self.lsn == Lsn::NONE
            && self.stream == StreamId(0)
            && self.seq == Seq(0)
            && self.payload.len().is_multiple_of(TABLE_ROW)
    }
}

/// Writes a frame's header.
pub(crate) fn put_frame(put: &mut Put<'_>, lsn: Lsn, stream: StreamId, seq: Seq, len: usize, kind: u16) {
    // Callers have checked that the frame fits into a batch or a block, whose length is a u32.
    let len = u32::try_from(len).unwrap_or(u32::MAX);
    put.u64(lsn.0).u64(stream.0).u64(seq.0).u32(len).u16(kind).u16(0);
}
