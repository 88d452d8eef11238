//! Walking over a segment's bytes: the batch at an offset, or the next valid one behind it.

use truelog_env::{File, IoError};

use crate::batch::{BATCH_MAGIC, BatchHeader, Site, read_batch};
use crate::codec::{as_u64, is_zero};
use crate::home::read_full_at;
use crate::lsn::SegmentNo;
use crate::read_buf::ReadBuf;
use crate::types::LogId;

/// How much is read at once while looking for something valid.
const WINDOW: usize = 1 << 18;

/// Which segment is walked over, and what its batches must name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ground {
    pub(crate) log: LogId,
    pub(crate) segment: SegmentNo,
    pub(crate) salt: u64,
    pub(crate) capacity: u64,
    pub(crate) block: u32,
}

impl Ground {
    /// The site of a batch at `offset`.
    pub(crate) const fn site(&self, offset: u64) -> Site {
        Site { log: self.log, salt: self.salt, segment: self.segment, offset }
    }

    /// Where the first batch begins.
    pub(crate) const fn start(&self) -> u64 {
        self.block as u64
    }
}

/// What stands behind an offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Behind {
    /// The first valid batch.
    pub(crate) valid: Option<BatchHeader>,
    /// Where the bytes end that are not zero, in bytes, rounded up to a block; the offset asked for if there
    /// are none. Looks no further than the first valid batch. Whole batches of a former life of the file are none of them.
    pub(crate) bytes_end: u64,
}

/// Looks for a valid batch from `from` on, at every block, as far as `limit`. `buf` is reused.
///
/// # Errors
/// The file's own: never to be taken for an end.
pub(crate) fn find_valid(
    file: &dyn File,
    ground: &Ground,
    from: u64,
    limit: u64,
    buf: &mut ReadBuf,
) -> Result<Behind, IoError> {
    let block = usize::try_from(ground.block).unwrap_or(usize::MAX);
    let mut behind = Behind { valid: None, bytes_end: from };
    // What is read for what only looks like a batch of a former life is no more than all there is.
    let (mut at, mut former_end, mut wasted) = (from, from, 0);
    let ahead = usize::try_from(limit.saturating_sub(from)).unwrap_or(usize::MAX);
    let mut window = vec![0; WINDOW.max(block).min(ahead)];
    while at < limit {
        let want = usize::try_from(limit - at).unwrap_or(usize::MAX).min(window.len());
        let got = read_full_at(file, &mut window[..want], at)?;
        for (index, bytes) in window[..got].chunks(block).enumerate() {
            let offset = at + as_u64(index * block);
            if offset < former_end || is_zero(bytes) {
                continue;
            }
            if bytes.starts_with(&BATCH_MAGIC) {
                if let Ok(batch) = read_batch(file, &ground.site(offset), ground.block, limit, buf)? {
                    behind.valid = Some(batch.header);
                    return Ok(behind);
                }
                if wasted <= ground.capacity {
                    match former(file, ground, bytes, offset, buf)? {
                        Former::Whole { end } => {
                            former_end = end;
                            continue;
                        }
                        Former::Not { read } => wasted += read,
                    }
                }
            }
            behind.bytes_end = offset + u64::from(ground.block);
        }
        if got < want {
            break;
        }
        at += as_u64(got);
    }
    Ok(behind)
}

/// What stands where a batch may have stood when the file was an earlier segment.
enum Former {
    /// A whole one, which ends there.
    Whole { end: u64 },
    /// None: so many bytes were read to see that.
    Not { read: u64 },
}

/// Looks for a batch whose first block is `block`, and that was written here when the file was an earlier segment.
fn former(
    file: &dyn File,
    ground: &Ground,
    block: &[u8],
    offset: u64,
    buf: &mut ReadBuf,
) -> Result<Former, IoError> {
    let Some(header) = BatchHeader::decode_former(block, &ground.site(offset)) else {
        return Ok(Former::Not { read: 0 });
    };
    let batch = read_batch(file, &header.site, ground.block, ground.capacity, buf)?;
    let (len, room) = (header.padded_len(ground.block), ground.capacity.saturating_sub(offset));
    Ok(match batch {
        Ok(batch) => Former::Whole { end: batch.header.end(ground.block) },
        Err(_) => Former::Not { read: if len > room { ground.block.into() } else { len } },
    })
}
