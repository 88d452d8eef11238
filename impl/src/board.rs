//! Where the leader of a commit leaves the digests of its records for those who wait for them.
//!
//! Its batch is one piece of memory, and the lanes of a processor digest all of it in the time of a few records. Whoever
//! does not find the digest of its record here makes it itself: the board holds the last few batches, and what is taken
//! from it is what that would have made.

use crate::batch::BatchBuilder;
use crate::lanes::digest_each;
use crate::lsn::{Lsn, LsnRange};
use crate::sync::Mutex;
use crate::types::Digest;

/// How many batches are kept: whoever was woken for one may come when the next has been written.
const BATCHES: usize = 4;

/// How many records a batch has at most that is digested here: a board takes half a MiB at most.
const RECORDS: u64 = 4096;

/// The digests of one batch's records.
#[derive(Debug)]
struct Posted {
    lsns: LsnRange,
    digests: Vec<Digest>,
}

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Board {
    posted: Mutex<[Posted; BATCHES]>,
}

impl Board {
    pub(crate) fn new() -> Self {
        let nothing = || Posted { lsns: LsnRange::of(Lsn::FIRST, 0), digests: Vec::new() };
        Self { posted: Mutex::new(std::array::from_fn(|_| nothing())) }
    }

    /// Digests the records of a batch, in the place of the oldest one. One alone shares no lanes.
    pub(crate) fn post(&self, batch: &BatchBuilder) {
        if !(2..=RECORDS).contains(&batch.lsns().len()) {
            return;
        }
        let mut digests = std::mem::take(&mut self.posted.lock()[BATCHES - 1].digests);
        digests.clear();
        digest_each(batch.payloads(), &mut digests);
        let mut posted = self.posted.lock();
        posted.rotate_right(1);
        posted[0] = Posted { lsns: batch.lsns(), digests };
    }

    /// Adds the digests of records to `digests`, if they are here. They must be of one batch. Says whether they are.
    pub(crate) fn find(&self, lsns: LsnRange, digests: &mut Vec<Digest>) -> bool {
        let posted = self.posted.lock();
        let of_them = |batch: &Posted| batch.digests_of(lsns).map(|found| digests.extend_from_slice(found));
        posted.iter().find_map(of_them).is_some()
    }

    /// The digest of one record, whose bytes are `payload`: the one that is here, or made now.
    pub(crate) fn digest_of(&self, lsn: Lsn, payload: &[u8]) -> Digest {
        self.find_one(lsn).unwrap_or_else(|| Digest::of(payload))
    }

    fn find_one(&self, lsn: Lsn) -> Option<Digest> {
        let posted = self.posted.lock();
        posted.iter().find_map(|batch| batch.digests_of(LsnRange::of(lsn, 1))?.first().copied())
    }
}

impl Posted {
    fn digests_of(&self, lsns: LsnRange) -> Option<&[Digest]> {
        let from = usize::try_from(lsns.first.get().checked_sub(self.lsns.first.get())?).ok()?;
        self.digests.get(from..)?.get(..usize::try_from(lsns.len()).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lsn::{Seq, StreamId};

    fn batch(base: u64, payloads: &[&[u8]]) -> BatchBuilder {
        let mut batch = BatchBuilder::new(256, 1 << 20);
        batch.begin(Lsn(base));
        batch.push_table([(StreamId(1), Seq(0))].into_iter());
        for payload in payloads {
            batch.push(StreamId(1), Seq(0), payload).expect("room");
        }
        batch
    }

    #[test]
    fn a_digest_is_found_by_its_records_number_as_long_as_its_batch_is_here() {
        let (board, long) = (Board::new(), vec![7; 1000]);
        board.post(&batch(5, &[b"five", &long, b""]));
        assert_eq!(board.find_one(Lsn(5)), Some(Digest::of(b"five")));
        assert_eq!(board.find_one(Lsn(6)), Some(Digest::of(&long)));
        assert_eq!((board.find_one(Lsn(4)), board.find_one(Lsn(8))), (None, None));
        let mut digests = Vec::new();
        assert!(board.find(LsnRange::of(Lsn(6), 2), &mut digests));
        assert_eq!(digests, [Digest::of(&long), Digest::of(b"")]);
        assert!(!board.find(LsnRange::of(Lsn(7), 2), &mut digests), "not of one batch");
        assert_eq!(digests.len(), 2);
        board.post(&batch(8, &[b"alone"]));
        assert_eq!(board.find_one(Lsn(8)), None, "whoever is alone digests its own");
        for base in [9, 11, 13] {
            board.post(&batch(base, &[b"x", b"y"]));
        }
        assert_eq!(board.find_one(Lsn(5)), Some(Digest::of(b"five")));
        board.post(&batch(15, &[b"x", b"y"]));
        assert_eq!(board.find_one(Lsn(5)), None, "the oldest makes room");
        assert_eq!(board.find_one(Lsn(16)), Some(Digest::of(b"y")));
    }
}
