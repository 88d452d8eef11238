//! What a handle remembers of batches.

use crate::batch::{BATCH_HEADER, BatchHeader, padded_len, table_len};
use crate::codec::as_u64;
use crate::lsn::{Lsn, LsnRange};

/// Where a batch begins, and of what shape it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    /// The LSN of its first record.
    pub(crate) base: Lsn,
    /// In bytes.
    pub(crate) offset: u64,
    /// How many records it has; 0 where that is not known.
    count: u32,
    /// The length of the frame before its records', in bytes: that of a stream table.
    table: u32,
    /// The length of its records' frames, in bytes.
    len: u32,
}

impl Mark {
    /// The batch with this header, and with a stream table that takes so many bytes.
    pub(crate) const fn of(header: &BatchHeader, table: u32) -> Self {
        let BatchHeader { base, count, len, site, .. } = *header;
        Self { base, offset: site.offset, count, table, len: len.saturating_sub(table) }
    }

    /// The batch with this header, whose first bytes these are. They are checked no more than the header is.
    pub(crate) fn read(header: &BatchHeader, bytes: &[u8]) -> Self {
        Self::of(header, table_len(bytes.get(BATCH_HEADER..).unwrap_or_default()))
    }

    /// A batch is due here, of which nothing else is known.
    pub(crate) const fn unseen(base: Lsn, offset: u64) -> Self {
        Self { base, offset, count: 0, table: 0, len: 0 }
    }

    /// Whether the batch is known to hold a record.
    pub(crate) fn holds(&self, lsn: Lsn) -> bool {
        LsnRange::of(self.base, self.count.into()).contains(lsn)
    }

    /// Where the frame of a record is if the frames of all records of the batch are as long: how many bytes behind its
    /// beginning, and how long.
    pub(crate) fn guess(&self, lsn: Lsn) -> Option<(u64, u64)> {
        let before = lsn.get().checked_sub(self.base.get()).filter(|_| self.holds(lsn))?;
        let len = self.len.is_multiple_of(self.count).then(|| u64::from(self.len / self.count))?;
        Some((as_u64(BATCH_HEADER) + u64::from(self.table) + before * len, len))
    }
}

/// Batches that stand one behind the other and are of one shape: as much is remembered of all of them as of one. Where records
/// are as long and come in batches of as many, that is a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stretch {
    first: Mark,
    /// How many there are behind the first.
    more: u32,
    /// How far one begins behind the one before it, in bytes.
    step: u64,
}

impl Stretch {
    /// A single batch, at this block size.
    pub(crate) fn of(batch: Mark, block: u32) -> Self {
        let len = u64::from(batch.table) + u64::from(batch.len);
        Self { first: batch, more: 0, step: padded_len(len, block) }
    }

    /// The first LSN.
    pub(crate) const fn base(&self) -> Lsn {
        self.first.base
    }

    /// Where the first batch begins, in bytes.
    pub(crate) const fn offset(&self) -> u64 {
        self.first.offset
    }

    /// Where the last batch begins, in bytes.
    pub(crate) fn last_offset(&self) -> u64 {
        self.nth(self.more.into()).offset
    }

    fn nth(&self, at: u64) -> Mark {
        let base = self.first.base.plus(at.saturating_mul(self.first.count.into()));
        let offset = self.first.offset.saturating_add(at.saturating_mul(self.step));
        Mark { base, offset, ..self.first }
    }

    /// The batch that holds the record, or else the last.
    pub(crate) fn nearest(&self, lsn: Lsn) -> Mark {
        let before = lsn.get().saturating_sub(self.first.base.get());
        let at = before.checked_div(self.first.count.into()).unwrap_or_default();
        self.nth(at.min(self.more.into()))
    }

    /// Takes what stands right behind it along, if that is of the same shape. Says whether it does.
    pub(crate) fn join(&mut self, behind: &Self) -> bool {
        let due = self.nth(u64::from(self.more) + 1);
        let more = self.more.checked_add(behind.more).and_then(|more| more.checked_add(1));
        // A batch of which nothing is known goes on with nothing.
        match more.filter(|_| due == behind.first && due.count > 0) {
            Some(more) => {
                self.more = more;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_guessed_where_all_are_as_long_and_only_there() {
        let mark = Mark { base: Lsn(7), offset: 4096, count: 3, table: 0, len: 120 };
        assert_eq!([7, 8, 9].map(|lsn| mark.guess(Lsn(lsn))), [96, 136, 176].map(|at| Some((at, 40))));
        assert_eq!((mark.guess(Lsn(6)), mark.guess(Lsn(10))), (None, None), "not of this batch");
        assert_eq!(Mark { table: 48, ..mark }.guess(Lsn(8)), Some((184, 40)), "behind the table");
        assert_eq!(Mark { len: 121, ..mark }.guess(Lsn(8)), None);
        assert_eq!(Mark::unseen(Lsn(7), 4096).guess(Lsn(7)), None);
    }

    #[test]
    fn batches_of_one_shape_are_one_stretch_and_others_are_not() {
        let batch =
            |at: u64| Mark { base: Lsn(7 + 3 * at), offset: 4096 * (1 + at), count: 3, table: 0, len: 1200 };
        let of = |at: u64| Stretch::of(batch(at), 4096);
        let mut stretch = of(0);
        assert!(!stretch.join(&of(2)), "one is between them");
        let mut behind = of(1);
        assert!(behind.join(&of(2)) && stretch.join(&behind));
        assert_eq!((stretch.base(), stretch.offset(), stretch.last_offset()), (Lsn(7), 4096, 3 * 4096));
        let found = [7, 9, 10, 15, 99].map(|lsn| stretch.nearest(Lsn(lsn)));
        assert_eq!(found, [0, 0, 1, 2, 2].map(batch));
        for other in
            [Mark { count: 4, ..batch(3) }, Mark { len: 1203, ..batch(3) }, Mark { table: 9, ..batch(3) }]
        {
            assert!(!stretch.join(&Stretch::of(other, 4096)), "{other:?}");
        }
        assert!(
            !stretch.join(&Stretch::of(Mark { offset: 5 * 4096, ..batch(3) }, 4096)),
            "bytes are between them"
        );
        assert!(
            !stretch.join(&Stretch::of(Mark { base: Lsn(17), ..batch(3) }, 4096)),
            "a record is between them"
        );
        let unseen = Mark::unseen(Lsn(7), 4096);
        assert!(!Stretch::of(unseen, 4096).join(&Stretch::of(unseen, 4096)));
        assert_eq!(Stretch::of(unseen, 4096).nearest(Lsn(9)), unseen);
    }
}
