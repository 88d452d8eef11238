//! Batches: what one commit writes, all or nothing.

mod decode;
mod encode;
mod frames;
#[cfg(test)]
mod tests;

pub use decode::{Batch, StreamTable};
pub(crate) use decode::{read_batch, read_head, read_rest};
pub(crate) use encode::{Aligned, BatchBuilder, Seal};
pub use frames::{Frame, Frames};
pub(crate) use frames::{check_frames, frame_at, put_frame, table_len};

use crate::codec::{Get, Put, as_u64, round_up};
use crate::error::Reason;
use crate::lsn::{Lsn, LsnRange, SegmentNo};
use crate::types::LogId;

/// The first four bytes of a batch.
pub const BATCH_MAGIC: [u8; 4] = *b"TLB1";
/// The length of a batch's header, in bytes.
pub const BATCH_HEADER: usize = 96;
/// The length of a frame's header, in bytes.
pub const FRAME_HEADER: usize = 32;
/// The length of one row of a stream table, in bytes.
pub const TABLE_ROW: usize = 16;
/// Where the bytes begin that the checksum covers.
const CHECKED_FROM: usize = 8;

/// Where a batch is: a batch is valid only where it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Site {
    /// The log.
    pub log: LogId,
    /// The segment's salt.
    pub salt: u64,
    /// The segment.
    pub segment: SegmentNo,
    /// The batch's offset in the segment's file, in bytes.
    pub offset: u64,
}

/// A batch's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BatchHeader {
    /// The checksum of the rest of the header and of the payload.
    pub crc: u32,
    /// Where it was written.
    pub site: Site,
    /// The first record's LSN; of a batch without records, the LSN that the next record gets.
    pub base: Lsn,
    /// How many frames are records.
    pub count: u32,
    /// The length of all frames, in bytes.
    pub len: u32,
    /// The last LSN that was durable before this batch was written; 0 for none.
    pub watermark: Lsn,
    /// The chain value of the batch before, wherever that is; 0 for the log's first.
    pub chain: u64,
    /// In a segment's first batch: the segment of the batch before; 0 for none. Else 0.
    pub prev_segment: SegmentNo,
    /// In a segment's first batch: where the batch before ends in its file, in bytes; 0 for none. Else 0.
    pub prev_end: u64,
}

impl BatchHeader {
    /// Reads a header, and checks that it belongs to `site` and that its fields can be. The checksum is not
    /// checked: that needs the payload, see [`Batch::decode`].
    ///
    /// # Errors
    /// The first reason why this is not a header for `site`.
    pub fn decode(bytes: &[u8], site: &Site) -> Result<Self, Reason> {
        let header = Self::parse(bytes).ok_or(Reason::Short)??;
        let found = &header.site;
        if found.log != site.log {
            return Err(Reason::OtherLog);
        }
        if found.segment != site.segment {
            return Err(Reason::OtherSegment(found.segment));
        }
        if found.salt != site.salt {
            return Err(Reason::OtherSalt);
        }
        if found.offset != site.offset {
            return Err(Reason::OtherOffset(found.offset));
        }
        header.check_fields()?;
        Ok(header)
    }

    /// Reads the header of a batch that was written at the place of `site` when the file was an earlier segment of the log: a
    /// file is used again with the option `reuse`. The batch belongs to that segment, and no record of it counts. As with
    /// [`BatchHeader::decode`] only [`Batch::decode`], for the site of the header found, says that it is whole.
    #[must_use]
    pub fn decode_former(bytes: &[u8], site: &Site) -> Option<Self> {
        let found = Self::parse(bytes)?.ok()?;
        let former = Site { segment: found.site.segment, salt: found.site.salt, ..*site };
        (former.segment < site.segment).then_some(())?;
        Self::decode(bytes, &former).ok()
    }

    fn parse(bytes: &[u8]) -> Option<Result<Self, Reason>> {
        let mut get = Get::new(bytes.get(..BATCH_HEADER)?);
        if get.array()? != BATCH_MAGIC {
            return Some(Err(Reason::Magic));
        }
        Some(Ok(Self {
            crc: get.u32()?,
            site: Site {
                log: LogId(get.array()?),
                salt: get.u64()?,
                segment: SegmentNo(get.u64()?),
                offset: get.u64()?,
            },
            base: Lsn(get.u64()?),
            count: get.u32()?,
            len: get.u32()?,
            watermark: Lsn(get.u64()?),
            chain: get.u64()?,
            prev_segment: SegmentNo(get.u64()?),
            prev_end: get.u64()?,
        }))
    }

    fn check_fields(&self) -> Result<(), Reason> {
        if self.base == Lsn::NONE || self.base.0.checked_add(u64::from(self.count)).is_none() {
            return Err(Reason::Field("base"));
        }
        if self.watermark >= self.base {
            return Err(Reason::Field("watermark"));
        }
        if u64::from(self.count) * as_u64(FRAME_HEADER) > u64::from(self.len) {
            return Err(Reason::Field("count"));
        }
        let has_prev = self.prev_segment != SegmentNo::NONE;
        if has_prev != (self.prev_end != 0) || (has_prev && self.prev_segment >= self.site.segment) {
            return Err(Reason::Field("prev"));
        }
        Ok(())
    }

    /// The 96 bytes of the header.
    #[must_use]
    pub fn encode(&self) -> [u8; BATCH_HEADER] {
        let mut bytes = [0; BATCH_HEADER];
        Put::new(&mut bytes)
            .bytes(&BATCH_MAGIC)
            .u32(self.crc)
            .bytes(&self.site.log.0)
            .u64(self.site.salt)
            .u64(self.site.segment.0)
            .u64(self.site.offset)
            .u64(self.base.0)
            .u32(self.count)
            .u32(self.len)
            .u64(self.watermark.0)
            .u64(self.chain)
            .u64(self.prev_segment.0)
            .u64(self.prev_end);
        bytes
    }

    /// What the next batch's `chain` must be: the first 8 bytes of the header's BLAKE3 digest.
    #[must_use]
    pub fn chain_value(&self) -> u64 {
        let digest = blake3::hash(&self.encode());
        Get::new(digest.as_bytes()).u64().unwrap_or_default()
    }

    /// The records in it.
    #[must_use]
    pub const fn lsns(&self) -> LsnRange {
        LsnRange::of(self.base, self.count as u64)
    }

    /// The LSN that the record after this batch gets.
    #[must_use]
    pub const fn next(&self) -> Lsn {
        self.base.plus(self.count as u64)
    }

    /// Its length with padding, in bytes, at a block size.
    #[must_use]
    pub const fn padded_len(&self, block: u32) -> u64 {
        padded_len(self.len as u64, block)
    }

    /// Where the next batch of this segment begins, in bytes, at a block size.
    #[must_use]
    pub const fn end(&self, block: u32) -> u64 {
        self.site.offset.saturating_add(self.padded_len(block))
    }
}

/// The length, with header and padding, of a batch whose frames take `len` bytes.
pub(crate) const fn padded_len(len: u64, block: u32) -> u64 {
    round_up(len.saturating_add(as_u64(BATCH_HEADER)), block)
}
