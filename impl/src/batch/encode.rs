//! Building batches, in a buffer that is aligned and reused.

use super::frames::{Frames, bind, put_frame};
use super::{BATCH_HEADER, BatchHeader, CHECKED_FROM, FRAME_HEADER, Site, TABLE_ROW, padded_len};
use crate::codec::{Put, as_u64, checksum};
use crate::error::{Error, Result};
use crate::lsn::{Lsn, LsnRange, SegmentNo, Seq, StreamId};

/// The alignment of the buffer in memory: enough for `O_DIRECT` on any device.
const ALIGNMENT: usize = 4096;

/// A buffer whose first byte is aligned. Its length is fixed until it must grow.
#[derive(Debug)]
pub(crate) struct Aligned {
    bytes: Vec<u8>,
    start: usize,
    len: usize,
}

impl Aligned {
    fn new(len: usize) -> Self {
        let bytes = vec![0; len + ALIGNMENT];
        // `align_offset` may decline to answer; an unaligned buffer is still correct.
        let start =
            Some(bytes.as_ptr().align_offset(ALIGNMENT)).filter(|start| *start < ALIGNMENT).unwrap_or(0);
        Self { bytes, start, len }
    }

    /// A copy of `bytes`.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let mut copy = Self::new(bytes.len());
        copy.get_mut(0, bytes.len()).copy_from_slice(bytes);
        copy
    }

    /// All of it.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.get(self.len)
    }

    fn get(&self, len: usize) -> &[u8] {
        &self.bytes[self.start..self.start + len]
    }

    fn get_mut(&mut self, from: usize, to: usize) -> &mut [u8] {
        &mut self.bytes[self.start + from..self.start + to]
    }

    /// Makes room for `len` bytes, keeping the first `used`.
    fn grow(&mut self, len: usize, used: usize) {
        if len > self.len {
            let mut larger = Self::new(len);
            larger.get_mut(0, used).copy_from_slice(self.get(used));
            *self = larger;
        }
    }
}

/// What is known about a batch only when it is about to be written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seal {
    /// Where it goes.
    pub(crate) site: Site,
    /// The last durable LSN.
    pub(crate) watermark: Lsn,
    /// The chain value of the batch before.
    pub(crate) chain: u64,
    /// In a segment's first batch, where the batch before lies and ends.
    pub(crate) prev: Option<(SegmentNo, u64)>,
}

/// A batch under construction. Records are copied into it once, and nothing is allocated for them.
#[derive(Debug)]
pub(crate) struct BatchBuilder {
    buf: Aligned,
    block: u32,
    limit: usize,
    base: Lsn,
    count: u32,
    /// The bytes used, header included.
    used: usize,
    /// The bytes used by the stream table, which do not count against the limit.
    table: usize,
}

impl BatchBuilder {
    /// A builder for batches whose records, framed, take at most `limit` bytes.
    pub(crate) fn new(block: u32, limit: u32) -> Self {
        // The room is that of the padded batch; on platforms where it does not fit, nothing would.
        let room = usize::try_from(padded_len(u64::from(limit), block)).unwrap_or(usize::MAX / 2);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX / 2);
        Self {
            buf: Aligned::new(room),
            block,
            limit,
            base: Lsn::FIRST,
            count: 0,
            used: BATCH_HEADER,
            table: 0,
        }
    }

    /// Forgets what was built, and begins a batch whose first record gets `base`.
    pub(crate) fn begin(&mut self, base: Lsn) {
        (self.base, self.count, self.used, self.table) = (base, 0, BATCH_HEADER, 0);
    }

    /// Adds the table of all streams, each with the sequence number that its next record gets: due as the
    /// first frame of a segment's first batch. Does nothing when there are no streams. Grows the buffer
    /// when it must.
    pub(crate) fn push_table(&mut self, streams: impl ExactSizeIterator<Item = (StreamId, Seq)>) {
        debug_assert_eq!(self.used, BATCH_HEADER, "a stream table is the first frame");
        let len = streams.len() * TABLE_ROW;
        if len == 0 {
            return;
        }
        let frame = FRAME_HEADER + len;
        let room = padded_len(as_u64(self.limit + frame), self.block);
        self.buf.grow(usize::try_from(room).unwrap_or(usize::MAX / 2), self.used);
        let mut put = Put::new(self.buf.get_mut(self.used, self.used + frame));
        let mut rows = vec![0; len];
        let mut row = Put::new(&mut rows);
        for (stream, next) in streams {
            row.u64(stream.0).u64(next.0);
        }
        put_frame(&mut put, Lsn::NONE, StreamId(0), Seq(0), &rows);
        self.used += frame;
        self.table = frame;
    }

    /// Whether a record with a payload of `len` bytes fits.
    pub(crate) fn fits(&self, len: usize) -> bool {
        framed(len)
            .is_some_and(|more| self.used - BATCH_HEADER - self.table <= self.limit.saturating_sub(more))
            && framed(len).is_some_and(|more| more <= self.limit)
    }

    /// The length of its stream table, in bytes, if it has one; else 0.
    pub(crate) fn table_len(&self) -> u32 {
        u32::try_from(self.table).unwrap_or(u32::MAX)
    }

    /// Whether half of the room for records is used.
    pub(crate) const fn is_half_full(&self) -> bool {
        self.used - BATCH_HEADER - self.table >= self.limit / 2
    }

    /// Adds a record, copying its payload. Says which LSN it has, and where its frame begins in the batch.
    ///
    /// # Errors
    /// [`Error::TooLarge`] when it does not fit; nothing is changed then.
    pub(crate) fn push(&mut self, stream: StreamId, seq: Seq, payload: &[u8]) -> Result<(Lsn, u32)> {
        let too_large = || Error::TooLarge {
            len: as_u64(payload.len()).saturating_add(as_u64(FRAME_HEADER)),
            limit: as_u64(self.limit),
        };
        if !self.fits(payload.len()) {
            return Err(too_large());
        }
        let (lsn, offset) = (self.next(), u32::try_from(self.used).map_err(|_| too_large())?);
        let end = self.used + FRAME_HEADER + payload.len();
        let mut put = Put::new(self.buf.get_mut(self.used, end));
        put_frame(&mut put, lsn, stream, seq, payload);
        self.used = end;
        self.count += 1;
        Ok((lsn, offset))
    }

    /// The bytes of its records, in order.
    pub(crate) fn payloads(&self) -> impl Iterator<Item = &[u8]> {
        let frames = &self.buf.get(self.used)[BATCH_HEADER..];
        Frames::over(frames, BATCH_HEADER).map(|frame| frame.payload)
    }

    /// Whether it has no records.
    pub(crate) const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Its records.
    pub(crate) const fn lsns(&self) -> LsnRange {
        LsnRange::of(self.base, self.count as u64)
    }

    /// The LSN that its next record gets.
    pub(crate) const fn next(&self) -> Lsn {
        self.base.plus(self.count as u64)
    }

    /// Its length as it is, with header and padding, in bytes.
    pub(crate) const fn padded_len(&self) -> u64 {
        padded_len(as_u64(self.used - BATCH_HEADER), self.block)
    }

    /// Its length, with header and padding, were `framed` more bytes of frames added.
    pub(crate) const fn padded_len_with(&self, framed: u64) -> u64 {
        padded_len(as_u64(self.used - BATCH_HEADER).saturating_add(framed), self.block)
    }

    /// Completes the batch, once: header, checksums, padding. Returns the header and the bytes to write, padding
    /// included; their first byte is aligned.
    pub(crate) fn seal(&mut self, seal: &Seal) -> (BatchHeader, &[u8]) {
        let padded = usize::try_from(self.padded_len()).unwrap_or(self.used);
        self.buf.get_mut(self.used, padded).fill(0);
        let (prev_segment, prev_end) = seal.prev.unwrap_or((SegmentNo::NONE, 0));
        let mut header = BatchHeader {
            crc: 0,
            site: seal.site,
            base: self.base,
            count: self.count,
            // The limit is at most 256 MiB and a table at most 256 MiB, so this never saturates.
            len: u32::try_from(self.used - BATCH_HEADER).unwrap_or(u32::MAX),
            watermark: seal.watermark,
            chain: seal.chain,
            prev_segment,
            prev_end,
        };
        bind(self.buf.get_mut(BATCH_HEADER, self.used), &seal.site);
        self.buf.get_mut(0, BATCH_HEADER).copy_from_slice(&header.encode());
        header.crc = checksum(&self.buf.get(self.used)[CHECKED_FROM..]);
        self.buf.get_mut(0, BATCH_HEADER).copy_from_slice(&header.encode());
        (header, self.buf.get(padded))
    }
}

/// The bytes that a payload of `len` takes in a batch.
pub(crate) const fn framed(len: usize) -> Option<usize> {
    len.checked_add(FRAME_HEADER)
}
