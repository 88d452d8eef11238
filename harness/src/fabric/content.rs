//! A file's bytes, shared between images and copied when they change.

use std::fmt;
use std::sync::{Arc, OnceLock};

/// The unit of sharing, in bytes. Small, because a crash image differs from its neighbour by a sector.
const CHUNK: usize = 1024;

struct Chunk {
    bytes: [u8; CHUNK],
    hash: OnceLock<u64>,
}

impl Chunk {
    /// A digest; 0 for a chunk of zeros, which is the same as none.
    fn hash(&self) -> u64 {
        *self.hash.get_or_init(|| if self.bytes == [0; CHUNK] { 0 } else { hash_bytes(&self.bytes).max(1) })
    }
}

impl Clone for Chunk {
    /// The copy is about to be changed: it does not take the hash along.
    fn clone(&self) -> Self {
        Self { bytes: self.bytes, hash: OnceLock::new() }
    }
}

/// A file's bytes. What was never written reads as zeros. No byte behind the length is kept.
#[derive(Clone, Default)]
pub(super) struct Content {
    len: u64,
    chunks: Arc<Vec<Option<Arc<Chunk>>>>,
}

impl Content {
    pub(super) const fn len(&self) -> u64 {
        self.len
    }

    /// Reads from `offset` into `buf` and says how many bytes there were.
    pub(super) fn read(&self, buf: &mut [u8], offset: u64) -> usize {
        let there = self.len.saturating_sub(offset).min(buf.len() as u64) as usize;
        for (at, piece) in pieces(offset, there) {
            let index = (at / CHUNK as u64) as usize;
            let from = (at % CHUNK as u64) as usize;
            let target = &mut buf[piece.clone()];
            match self.chunks.get(index) {
                Some(Some(chunk)) => target.copy_from_slice(&chunk.bytes[from..from + target.len()]),
                _ => target.fill(0),
            }
        }
        there
    }

    /// The bytes of `len` from `offset`, zeros behind the end.
    pub(super) fn padded(&self, offset: u64, len: usize) -> Vec<u8> {
        let mut buf = vec![0; len];
        self.read(&mut buf, offset);
        buf
    }

    /// Writes, and grows the length if need be.
    pub(super) fn write(&mut self, bytes: &[u8], offset: u64) {
        if bytes.is_empty() {
            return;
        }
        self.len = self.len.max(offset + bytes.len() as u64);
        let chunks = Arc::make_mut(&mut self.chunks);
        chunks.resize(self.len.div_ceil(CHUNK as u64) as usize, None);
        for (at, piece) in pieces(offset, bytes.len()) {
            let slot = &mut chunks[(at / CHUNK as u64) as usize];
            let chunk =
                slot.get_or_insert_with(|| Arc::new(Chunk { bytes: [0; CHUNK], hash: OnceLock::new() }));
            let chunk = Arc::make_mut(chunk);
            chunk.hash = OnceLock::new();
            let from = (at % CHUNK as u64) as usize;
            let source = &bytes[piece];
            chunk.bytes[from..from + source.len()].copy_from_slice(source);
        }
    }

    /// Writes the part that lies within the length.
    pub(super) fn write_within(&mut self, bytes: &[u8], offset: u64) {
        let there = self.len.saturating_sub(offset).min(bytes.len() as u64) as usize;
        self.write(&bytes[..there], offset);
    }

    /// Sets the length; what comes after a shorter one is forgotten.
    pub(super) fn set_len(&mut self, len: u64) {
        if len < self.len {
            let rest = (len % CHUNK as u64) as usize;
            let chunks = Arc::make_mut(&mut self.chunks);
            chunks.truncate(len.div_ceil(CHUNK as u64) as usize);
            if let (Some(Some(last)), true) = (chunks.last_mut(), rest > 0) {
                let last = Arc::make_mut(last);
                last.hash = OnceLock::new();
                last.bytes[rest..].fill(0);
            }
        }
        self.len = len;
    }

    /// How many bytes a write would have to find room for: those in chunks never written.
    pub(super) fn holes(&self, offset: u64, len: usize) -> u64 {
        let unwritten = |at: u64| self.chunks.get((at / CHUNK as u64) as usize).is_none_or(Option::is_none);
        pieces(offset, len).filter(|(at, _)| unwritten(*at)).map(|(_, piece)| piece.len() as u64).sum()
    }

    /// How many bytes are taken on the device.
    pub(super) fn taken(&self) -> u64 {
        self.chunks.iter().flatten().count() as u64 * CHUNK as u64
    }

    /// A digest of length and bytes; equal bytes give equal digests.
    pub(super) fn digest(&self) -> u64 {
        let mut sum = mix(self.len);
        for (index, chunk) in self.chunks.iter().enumerate() {
            let hash = chunk.as_ref().map_or(0, |chunk| chunk.hash());
            if hash != 0 {
                sum = sum.wrapping_add(mix(hash ^ mix(index as u64 + 1)));
            }
        }
        sum
    }
}

impl PartialEq for Content {
    fn eq(&self, other: &Self) -> bool {
        if self.len != other.len {
            return false;
        }
        if Arc::ptr_eq(&self.chunks, &other.chunks) {
            return true;
        }
        let zeros = |chunk: &Arc<Chunk>| chunk.hash() == 0;
        let most = self.chunks.len().max(other.chunks.len());
        (0..most).all(|index| {
            let of = |content: &'_ Self| content.chunks.get(index).cloned().flatten();
            match (of(self), of(other)) {
                (Some(a), Some(b)) => Arc::ptr_eq(&a, &b) || a.bytes == b.bytes,
                (Some(only), None) | (None, Some(only)) => zeros(&only),
                (None, None) => true,
            }
        })
    }
}

impl Eq for Content {}

impl fmt::Debug for Content {
    /// The bytes themselves would fill the screen.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes ({:016x})", self.len, self.digest())
    }
}

/// The range split at chunk bounds: each piece's offset in the file and its place in the buffer.
fn pieces(offset: u64, len: usize) -> impl Iterator<Item = (u64, std::ops::Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        (done < len).then(|| {
            let at = offset + done as u64;
            let room = CHUNK - (at % CHUNK as u64) as usize;
            let start = done;
            done = len.min(done + room);
            (at, start..done)
        })
    })
}

/// Spreads the bits of `x` (the finaliser of splitmix64).
pub(crate) const fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// A digest of bytes, fast rather than strong: equality is always checked as well.
pub(super) fn hash_bytes(bytes: &[u8]) -> u64 {
    let mut state = mix(bytes.len() as u64);
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        state = (state ^ u64::from_le_bytes(*word)).wrapping_mul(0x9fb2_1c65_1e98_df25).rotate_left(29);
    }
    for byte in rest {
        state = (state ^ u64::from(*byte)).wrapping_mul(0x9fb2_1c65_1e98_df25).rotate_left(29);
    }
    mix(state)
}
