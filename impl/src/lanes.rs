//! Digests of many records at once.
//!
//! BLAKE3 spreads over the lanes of a processor what has many chunks of 1,024 bytes; a record of one chunk takes one lane,
//! and a sixteenth of what the processor could do. So records of as many blocks are hashed side by side, one a
//! lane. The digests are those of [`Digest::of`], bit for bit.
//!
//! Where this comes from: sections 2.4 and 5.3 of the BLAKE3 paper. The blake3 crate has the function for it, for its own
//! use: it is not documented, so that the crate's version is pinned exactly, and a test holds each length against the
//! documented function. There is a proposal to make it public (`blake3::many`, pull request 575 of BLAKE3-team/BLAKE3),
//! which would replace all of this.

use blake3::platform::{Platform, le_bytes_from_words_32, words_from_le_bytes_32};
use blake3::{BLOCK_LEN, CHUNK_LEN, IncrementCounter, OUT_LEN};

use crate::types::Digest;

/// The most lanes that any processor has.
const LANES: usize = 16;
/// The most whole blocks that a record of one chunk has.
const BLOCKS: usize = CHUNK_LEN / BLOCK_LEN;

/// Table 3 of the BLAKE3 paper: what a compression is of.
const CHUNK_START: u8 = 1;
const CHUNK_END: u8 = 1 << 1;
const ROOT: u8 = 1 << 3;
/// Table 1 of the BLAKE3 paper: the chaining value before the first block.
const IV: [u32; 8] =
    [0x6A09_E667, 0xBB67_AE85, 0x3C6E_F372, 0xA54F_F53A, 0x510E_527F, 0x9B05_688C, 0x1F83_D9AB, 0x5BE0_CD19];

/// Records that are hashed side by side, until there is one for each lane.
#[derive(Clone, Copy)]
struct Row<'a> {
    /// How many whole blocks each has.
    blocks: usize,
    /// Whether nothing is behind those.
    whole: bool,
    /// Each with the place of its digest.
    records: [(usize, &'a [u8]); LANES],
    len: usize,
}

/// Adds the digest of each payload to `digests`, in their order.
pub(crate) fn digest_each<'a>(payloads: impl Iterator<Item = &'a [u8]>, digests: &mut Vec<Digest>) {
    let platform = Platform::detect();
    let empty = |at: usize| Row { blocks: at / 2, whole: at % 2 == 1, records: [(0, &[]); LANES], len: 0 };
    let mut rows: [Row<'a>; 2 * (BLOCKS + 1)] = std::array::from_fn(empty);
    for payload in payloads {
        let place = digests.len();
        digests.push(Digest([0; OUT_LEN]));
        let whole = usize::from(payload.len().is_multiple_of(BLOCK_LEN));
        // Many chunks fill lanes by themselves, and what is no block has nothing to share.
        let shares = (BLOCK_LEN..=CHUNK_LEN).contains(&payload.len());
        match rows.get_mut(2 * (payload.len() / BLOCK_LEN) + whole).filter(|_| shares) {
            Some(row) => row.add(place, payload, platform, digests),
            None => digests[place] = Digest::of(payload),
        }
    }
    rows.iter().for_each(|row| row.digest(platform, digests));
}

impl<'a> Row<'a> {
    fn add(&mut self, place: usize, payload: &'a [u8], platform: Platform, digests: &mut [Digest]) {
        self.records[self.len] = (place, payload);
        self.len += 1;
        if self.len == LANES {
            self.digest(platform, digests);
            self.len = 0;
        }
    }

    /// Puts the digests of all records in their places.
    fn digest(&self, platform: Platform, digests: &mut [Digest]) {
        match (&self.records[..self.len], self.blocks) {
            ([], _) => {}
            // One lane is what the documented function takes, too.
            ([(place, payload)], _) => digests[*place] = Digest::of(payload),
            (_, 1) => self.digest_blocks::<64>(platform, digests),
            (_, 2) => self.digest_blocks::<128>(platform, digests),
            (_, 3) => self.digest_blocks::<192>(platform, digests),
            (_, 4) => self.digest_blocks::<256>(platform, digests),
            (_, 5) => self.digest_blocks::<320>(platform, digests),
            (_, 6) => self.digest_blocks::<384>(platform, digests),
            (_, 7) => self.digest_blocks::<448>(platform, digests),
            (_, 8) => self.digest_blocks::<512>(platform, digests),
            (_, 9) => self.digest_blocks::<576>(platform, digests),
            (_, 10) => self.digest_blocks::<640>(platform, digests),
            (_, 11) => self.digest_blocks::<704>(platform, digests),
            (_, 12) => self.digest_blocks::<768>(platform, digests),
            (_, 13) => self.digest_blocks::<832>(platform, digests),
            (_, 14) => self.digest_blocks::<896>(platform, digests),
            (_, 15) => self.digest_blocks::<960>(platform, digests),
            _ => self.digest_blocks::<CHUNK_LEN>(platform, digests),
        }
    }

    /// The same, for whole blocks of `LEN` bytes: all lanes go through those together, and through what is behind them alone.
    fn digest_blocks<const LEN: usize>(&self, platform: Platform, digests: &mut [Digest]) {
        let records = &self.records[..self.len];
        let mut lanes = [&[0; LEN]; LANES];
        for (lane, (_, payload)) in lanes.iter_mut().zip(records) {
            *lane = payload.first_chunk().unwrap_or(lane);
        }
        let end = if self.whole { CHUNK_END | ROOT } else { 0 };
        let mut values = [0; LANES * OUT_LEN];
        let values = &mut values[..self.len * OUT_LEN];
        let (inputs, no) = (&lanes[..self.len], IncrementCounter::No);
        platform.hash_many(inputs, &IV, 0, no, 0, CHUNK_START, end, values);
        for ((place, payload), value) in records.iter().zip(values.as_chunks::<OUT_LEN>().0) {
            let rest = payload.get(LEN..).unwrap_or_default();
            digests[*place] = Digest(if self.whole { *value } else { last_block(platform, value, rest) });
        }
    }
}

/// The digest of a chunk whose whole blocks have the chaining value `value`, with less than a block behind them.
fn last_block(platform: Platform, value: &[u8; OUT_LEN], rest: &[u8]) -> [u8; OUT_LEN] {
    let mut block = [0; BLOCK_LEN];
    block[..rest.len()].copy_from_slice(rest);
    let mut words = words_from_le_bytes_32(value);
    let len = u8::try_from(rest.len()).unwrap_or_default();
    platform.compress_in_place(&mut words, &block, len, 0, CHUNK_END | ROOT);
    le_bytes_from_words_32(&words)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Records of these lengths, no two alike.
    fn payloads(lens: impl IntoIterator<Item = usize>) -> Vec<Vec<u8>> {
        let byte = |record: usize, at: usize| u8::try_from((record * 31 + at * 7) % 251).unwrap_or_default();
        lens.into_iter()
            .enumerate()
            .map(|(record, len)| (0..len).map(|at| byte(record, at)).collect())
            .collect()
    }

    fn check(lens: impl IntoIterator<Item = usize>) {
        let payloads = payloads(lens);
        let mut digests = vec![Digest([9; OUT_LEN])];
        digest_each(payloads.iter().map(Vec::as_slice), &mut digests);
        assert_eq!(digests.len(), 1 + payloads.len());
        for (payload, digest) in payloads.iter().zip(&digests[1..]) {
            assert_eq!(*digest, Digest::of(payload), "{} bytes", payload.len());
        }
    }

    #[test]
    fn each_length_has_the_digest_of_the_documented_function_in_every_number_of_lanes() {
        for len in 0..=CHUNK_LEN + BLOCK_LEN {
            check(std::iter::repeat_n(len, 3));
        }
        for count in 0..=2 * LANES + 1 {
            for len in [0, 1, 63, 64, 65, 1000, 1023, 1024, 1025] {
                check(std::iter::repeat_n(len, count));
            }
        }
    }

    #[test]
    fn records_of_all_lengths_keep_their_places() {
        check((0..4 * CHUNK_LEN).map(|record| record * 389 % 1400));
    }
}
