//! What blocks hold, and the metadata that vouches for it. Real bytes under a real checksum: a mismatch is found, not
//! declared.

use crate::fabric::mix;

/// The bytes of a block; few, because only their being right counts.
pub type Bytes = [u8; 32];

/// What the metadata says of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meta {
    /// The generation of its content.
    pub generation: u64,
    /// The checksum over block, generation and bytes.
    pub checksum: u32,
    /// Which of a drive's two places for the block holds it.
    pub place: usize,
}

impl Meta {
    /// Describes what block `block` holds in a generation, at a place.
    #[must_use]
    pub fn of(block: usize, generation: u64, place: usize) -> Self {
        let checksum = checksum(block, generation, &content(block, generation));
        Self { generation, checksum, place }
    }

    /// Whether these are the bytes that it vouches for.
    #[must_use]
    pub fn vouches(&self, block: usize, bytes: &Bytes) -> bool {
        checksum(block, self.generation, bytes) == self.checksum
    }
}

/// What block `block` holds in a generation. A rewrite changes the bytes: they are compressed anew.
#[must_use]
pub fn content(block: usize, generation: u64) -> Bytes {
    let mut bytes = [0; 32];
    let mut word = mix(generation ^ mix(block as u64));
    for piece in bytes.as_chunks_mut::<8>().0 {
        word = mix(word);
        *piece = word.to_le_bytes();
    }
    bytes
}

fn checksum(block: usize, generation: u64, bytes: &Bytes) -> u32 {
    let seeded = crc32c::crc32c(&(block as u64 ^ (generation << 32)).to_le_bytes());
    crc32c::crc32c_append(seeded, bytes)
}
