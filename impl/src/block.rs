//! What the identity and a segment's header have in common: one block, a magic, a checksum, a version.

use crate::codec::{Get, checksum, put_checksum};
use crate::error::Reason;
use crate::options::{MAX_BLOCK, MIN_BLOCK};

/// The newest version of the format that is understood, and the one that is written.
pub const FORMAT_VERSION: u32 = 1;
/// Where the checksum is.
const CRC_AT: usize = 8;
/// Where the bytes begin that the checksum covers.
const CHECKED_FROM: usize = 12;
/// Where the fields begin that differ between the two.
pub(crate) const FIELDS_AT: usize = 16;
/// A block is never longer than this, so this much of a file is enough to read one.
pub(crate) const MOST: usize = MAX_BLOCK as usize;

/// Whether a block may have this size.
pub(crate) const fn is_block_size(block: u32) -> bool {
    block.is_power_of_two() && MIN_BLOCK <= block && block <= MAX_BLOCK
}

/// Puts magic, version and checksum around the fields that `bytes`, one block long, already has.
pub(crate) fn close(bytes: &mut [u8], magic: &[u8; 8]) {
    bytes[..CRC_AT].copy_from_slice(magic);
    bytes[CHECKED_FROM..FIELDS_AT].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
    put_checksum(bytes, CRC_AT, CHECKED_FROM);
}

/// Checks magic, size, checksum and version of a block whose size stands at `block_at`. Returns its fields
/// and its size.
pub(crate) fn open<'a>(bytes: &'a [u8], magic: &[u8; 8], block_at: usize) -> Result<(Get<'a>, u32), Reason> {
    let mut get = Get::new(bytes);
    if get.array::<8>().ok_or(Reason::Short)? != *magic {
        return Err(Reason::Magic);
    }
    let (crc, version) = (get.u32().ok_or(Reason::Short)?, get.u32().ok_or(Reason::Short)?);
    let block = bytes.get(block_at..).and_then(|rest| Get::new(rest).u32()).ok_or(Reason::Short)?;
    if !is_block_size(block) {
        return Err(Reason::Field("block size"));
    }
    let whole = usize::try_from(block).ok().and_then(|block| bytes.get(..block)).ok_or(Reason::Short)?;
    if checksum(&whole[CHECKED_FROM..]) != crc {
        return Err(Reason::Checksum);
    }
    // After the checksum: a flipped bit must not be taken for a newer version. Magic, checksum, version and
    // block size keep their places in all versions.
    if version > FORMAT_VERSION {
        return Err(Reason::Newer(version));
    }
    if version == 0 {
        return Err(Reason::Field("version"));
    }
    Ok((get, block))
}
