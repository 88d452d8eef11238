//! What a handle remembers of a batch.

use crate::batch::{BATCH_HEADER, BatchHeader, table_len};
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
}
