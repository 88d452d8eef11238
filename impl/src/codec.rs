//! Little-endian fields in byte slices, and the checksum.

/// Reads fields one after the other. Never panics: past the end there is nothing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Get<'a> {
    rest: &'a [u8],
}

impl<'a> Get<'a> {
    /// Reads from the beginning of `bytes`.
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What is left.
    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next `len` bytes.
    pub(crate) fn bytes(&mut self, len: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(head)
    }

    /// The next `N` bytes.
    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(*head)
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }
}

/// Writes fields one after the other into a slice that the caller has made large enough.
#[derive(Debug)]
pub(crate) struct Put<'a> {
    bytes: &'a mut [u8],
    at: usize,
}

impl<'a> Put<'a> {
    /// Writes from the beginning of `bytes`.
    pub(crate) const fn new(bytes: &'a mut [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        let end = self.at + bytes.len();
        self.bytes[self.at..end].copy_from_slice(bytes);
        self.at = end;
        self
    }

    pub(crate) fn u16(&mut self, value: u16) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }

    pub(crate) fn u32(&mut self, value: u32) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }

    pub(crate) fn u64(&mut self, value: u64) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }
}

/// The checksum of all formats: CRC-32C (Castagnoli).
pub(crate) fn checksum(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes)
}

/// The checksum of `before` and `bytes`, where `before` has this one.
pub(crate) fn checksum_on(before: u32, bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(before, bytes)
}

/// Writes the checksum of everything from `from` on into the four bytes at `at`.
pub(crate) fn put_checksum(bytes: &mut [u8], at: usize, from: usize) {
    let crc = checksum(&bytes[from..]);
    bytes[at..at + 4].copy_from_slice(&crc.to_le_bytes());
}

/// `len` rounded up to whole blocks. Saturates at the last whole block.
pub(crate) const fn round_up(len: u64, block: u32) -> u64 {
    let block = block as u64;
    match len.checked_next_multiple_of(block) {
        Some(rounded) => rounded,
        None => u64::MAX - u64::MAX % block,
    }
}

/// A length in memory as a file's.
pub(crate) const fn as_u64(len: usize) -> u64 {
    len as u64
}

/// Whether there is nothing but zeros. Or-ed together a piece at a time, which the compiler makes wide: byte by byte, the empty
/// rest of a segment was most of what an open computed.
pub(crate) fn is_zero(bytes: &[u8]) -> bool {
    bytes.chunks(256).all(|piece| piece.iter().fold(0, |or, byte| or | byte) == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_round_trip_and_end() {
        let mut bytes = [0; 17];
        let mut put = Put::new(&mut bytes);
        put.u64(1).u32(2).u16(3).bytes(b"abc");
        let mut get = Get::new(&bytes);
        assert_eq!((get.u64(), get.u32(), get.u16()), (Some(1), Some(2), Some(3)));
        assert_eq!(get.bytes(3), Some(&b"abc"[..]));
        assert_eq!(get.u16(), None);
        assert!(get.rest().is_empty());
    }

    #[test]
    fn the_checksum_is_castagnoli() {
        assert_eq!(checksum(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn one_bit_anywhere_is_not_zero() {
        let mut bytes = [0; 700];
        assert!(is_zero(&bytes) && is_zero(&[]));
        for at in 0..bytes.len() {
            bytes[at] = 0x80;
            assert!(!is_zero(&bytes), "{at}");
            bytes[at] = 0;
        }
        assert!(!is_zero(&[7, 7]), "what is there twice is there");
    }

    #[test]
    fn rounding_never_wraps() {
        assert_eq!(round_up(0, 256), 0);
        assert_eq!(round_up(1, 256), 256);
        assert_eq!(round_up(256, 256), 256);
        assert_eq!(round_up(u64::MAX, 256), u64::MAX - 255);
    }
}
