//! Judging the end of the log: which batches count, what is damage, and what is a torn tail. Pure.

use crate::batch::BatchHeader;
use crate::error::Reason;
use crate::lsn::{Lsn, LsnRange};
use crate::recovery::table::{self, Row, TailFacts};
use crate::walk::Ground;

/// A place where no valid batch is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Break {
    pub(crate) ground: Ground,
    /// Where, in bytes.
    pub(crate) offset: u64,
    /// Where the bytes end that are not zero, as far as the next valid batch; `offset` if there are none.
    pub(crate) bytes_end: u64,
    pub(crate) reason: Reason,
}

/// What was seen while walking, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seen {
    /// A valid batch, and the ground it stands on.
    Batch(Ground, BatchHeader),
    /// No valid batch where one was due.
    Break(Break),
}

/// Records that are vouched for, but not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hole {
    pub(crate) lsns: LsnRange,
    /// Where they are missed; `None` when nothing was seen at all.
    pub(crate) at: Option<Break>,
    pub(crate) row: Row,
}

/// What the end of the log is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Judgement {
    /// The batches that count, in order.
    pub(crate) kept: Vec<(Ground, BatchHeader)>,
    /// How many of them, from the first on, are vouched for by something other than themselves.
    pub(crate) vouched: usize,
    pub(crate) holes: Vec<Hole>,
    /// The LSN behind everything that counts.
    pub(crate) next: Lsn,
    /// The row of the end itself.
    pub(crate) end: Option<Row>,
    /// Bytes that are cut.
    pub(crate) torn_bytes: u64,
}

/// The parts of `range` that none of `losses` covers.
pub(crate) fn uncovered(range: LsnRange, losses: &[LsnRange]) -> Vec<LsnRange> {
    let mut rest = Vec::new();
    let mut from = range.first;
    let mut sorted: Vec<_> = losses.to_vec();
    sorted.sort();
    for loss in sorted.into_iter().filter(|loss| !loss.is_empty()) {
        let upto = loss.first.prev().min(range.last);
        if loss.first > from && from <= upto {
            rest.push(LsnRange::new(from, upto));
        }
        from = from.max(loss.last.next());
    }
    if from <= range.last {
        rest.push(LsnRange::new(from, range.last));
    }
    rest
}

/// The holes that `range` amounts to: what was given up before, and what was not.
pub(crate) fn holes(range: LsnRange, losses: &[LsnRange], at: Option<Break>) -> Vec<Hole> {
    let row = |accepted| {
        table::tail(&TailFacts {
            bytes: at.is_some_and(|at| has_bytes(&at)),
            vouched: true,
            accepted,
            unvouched: false,
        })
    };
    let damaged = uncovered(range, losses);
    if damaged.is_empty() && !range.is_empty() {
        return vec![Hole { lsns: range, at, row: row(true) }];
    }
    damaged.into_iter().map(|lsns| Hole { lsns, at, row: row(false) }).collect()
}

const fn has_bytes(at: &Break) -> bool {
    at.offset < at.bytes_end
}

/// Judges what was seen from the beginning of the last segment on, where `expected` is due. `vouched` is the
/// last LSN that anything durable vouches for.
pub(crate) fn judge(expected: Lsn, vouched: Lsn, losses: &[LsnRange], seen: &[Seen]) -> Judgement {
    let mut found = Judgement { next: expected, ..Judgement::default() };
    let mut at: Option<Break> = None;
    let mut cut = None;
    for (index, item) in seen.iter().enumerate() {
        let (ground, header) = match item {
            Seen::Batch(ground, header) => (ground, header),
            Seen::Break(here) => {
                // The place of a hole is its first break; a hole ends with the next batch that counts.
                at = at.or(Some(*here));
                continue;
            }
        };
        if header.base < found.next {
            continue;
        }
        if header.base > found.next {
            let range = LsnRange::new(found.next, header.base.prev().min(vouched));
            if !range.is_empty() {
                found.holes.extend(holes(range, losses, at));
                found.next = range.last.next();
            }
            if header.base > found.next {
                cut = Some(index);
                break;
            }
        }
        at = None;
        found.kept.push((*ground, *header));
        found.next = header.next();
    }
    if found.next <= vouched {
        let range = LsnRange::new(found.next, vouched);
        // What stands there is damaged, and not a tail.
        found.holes.extend(holes(range, losses, at.take()));
        found.next = vouched.next();
    }
    while let Some(loss) = losses.iter().find(|loss| loss.contains(found.next)) {
        found.next = loss.last.next();
    }
    found.vouched = found.kept.partition_point(|(_, header)| header.next() <= vouched.next());
    found.torn_bytes = torn_bytes(cut, at, seen);
    found.end = Some(table::tail(&TailFacts {
        bytes: found.torn_bytes > 0,
        vouched: false,
        accepted: false,
        unvouched: found.vouched < found.kept.len(),
    }));
    found
}

/// The bytes behind the last batch that counts, as far as something stands there.
fn torn_bytes(cut: Option<usize>, at: Option<Break>, seen: &[Seen]) -> u64 {
    let here = at.map_or(0, |at| at.bytes_end.saturating_sub(at.offset));
    let behind: u64 = cut.map_or(0, |cut| {
        let ends = seen[cut..].iter().map(|item| match item {
            Seen::Batch(ground, header) => header.padded_len(ground.block),
            Seen::Break(at) => at.bytes_end.saturating_sub(at.offset),
        });
        ends.sum()
    });
    here.saturating_add(behind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Site;
    use crate::lsn::SegmentNo;
    use crate::types::LogId;

    const GROUND: Ground =
        Ground { log: LogId([1; 16]), segment: SegmentNo(1), salt: 2, capacity: 65_536, block: 256 };

    /// A batch of one block at block `at`, with the LSNs from `base` on, that vouches for `watermark`.
    fn batch(at: u64, base: u64, count: u32, watermark: u64) -> Seen {
        let site = Site { offset: at * 256, log: GROUND.log, salt: GROUND.salt, segment: GROUND.segment };
        let header = BatchHeader {
            crc: 0,
            site,
            base: Lsn(base),
            count,
            len: 40 * count,
            watermark: Lsn(watermark),
            chain: 0,
            prev_segment: SegmentNo::NONE,
            prev_end: 0,
        };
        Seen::Batch(GROUND, header)
    }

    fn nothing(at: u64, bytes: u64) -> Seen {
        let offset = at * 256;
        Seen::Break(Break { ground: GROUND, offset, bytes_end: offset + bytes, reason: Reason::Magic })
    }

    fn range(first: u64, last: u64) -> LsnRange {
        LsnRange::new(Lsn(first), Lsn(last))
    }

    fn ranges(found: &Judgement) -> Vec<(LsnRange, Row)> {
        found.holes.iter().map(|hole| (hole.lsns, hole.row)).collect()
    }

    #[test]
    fn what_losses_leave_over() {
        assert_eq!(uncovered(range(3, 9), &[]), [range(3, 9)]);
        assert_eq!(uncovered(range(3, 9), &[range(1, 20)]), []);
        assert_eq!(uncovered(range(3, 9), &[range(8, 12), range(1, 3)]), [range(4, 7)]);
        assert_eq!(uncovered(range(3, 9), &[range(5, 6)]), [range(3, 4), range(7, 9)]);
        assert_eq!(uncovered(range(3, 9), &[range(3, 5), range(4, 4), range(9, 9)]), [range(6, 8)]);
        assert_eq!(uncovered(range(3, 2), &[]), []);
    }

    #[test]
    fn a_clean_end_keeps_everything() {
        let seen = [batch(1, 1, 2, 0), batch(2, 3, 1, 2), batch(3, 4, 0, 3), nothing(4, 0)];
        let found = judge(Lsn(1), Lsn(3), &[], &seen);
        assert_eq!((found.next, found.kept.len(), found.vouched), (Lsn(4), 3, 3));
        assert_eq!((found.end, found.torn_bytes, ranges(&found)), (Some(Row::CleanEnd), 0, vec![]));
    }

    #[test]
    fn batches_beyond_the_highest_voucher_are_kept_apart() {
        let seen = [batch(1, 1, 2, 0), batch(2, 3, 1, 2), nothing(3, 300)];
        let found = judge(Lsn(1), Lsn(2), &[], &seen);
        assert_eq!((found.next, found.kept.len(), found.vouched), (Lsn(4), 2, 1));
        assert_eq!((found.end, found.torn_bytes), (Some(Row::TornTailUnvouched), 300));
    }

    #[test]
    fn a_valid_batch_behind_a_torn_one_that_nothing_vouches_for_is_cut_with_it() {
        // Two batches that were never synced: the device kept the second only.
        let seen = [batch(1, 1, 2, 0), nothing(2, 256), batch(3, 4, 1, 2), nothing(4, 0)];
        let found = judge(Lsn(1), Lsn(2), &[], &seen);
        assert_eq!((found.next, found.kept.len(), ranges(&found)), (Lsn(3), 1, vec![]));
        assert_eq!((found.end, found.torn_bytes), (Some(Row::TornTail), 512));
    }

    #[test]
    fn a_hole_that_a_later_batch_vouches_for_is_damage_and_what_is_behind_it_stays() {
        let seen = [batch(1, 1, 2, 0), nothing(2, 256), batch(3, 5, 1, 4), batch(4, 6, 1, 5), nothing(5, 0)];
        let found = judge(Lsn(1), Lsn(5), &[], &seen);
        assert_eq!(ranges(&found), [(range(3, 4), Row::TailDamaged)]);
        assert_eq!((found.next, found.kept.len(), found.vouched), (Lsn(7), 3, 2));
        assert_eq!(found.holes[0].at.map(|at| at.offset), Some(512));
        let accepted = judge(Lsn(1), Lsn(5), &[range(3, 4)], &seen);
        assert_eq!(ranges(&accepted), [(range(3, 4), Row::TailLossAccepted)]);
        assert_eq!((accepted.next, accepted.kept.len()), (Lsn(7), 3));
    }

    #[test]
    fn a_vouched_end_that_is_missing_is_damage_and_its_numbers_are_not_used_again() {
        for seen in [&[batch(1, 1, 2, 0), nothing(2, 99)][..], &[batch(1, 1, 2, 0)], &[]] {
            let found = judge(Lsn(1), Lsn(4), &[], seen);
            let first = if seen.is_empty() { 1 } else { 3 };
            assert_eq!(ranges(&found), [(range(first, 4), Row::TailDamaged)]);
            assert_eq!((found.next, found.end), (Lsn(5), Some(Row::CleanEnd)));
            let accepted = judge(Lsn(1), Lsn(4), &[range(first, 6)], seen);
            assert_eq!(accepted.next, Lsn(7));
        }
    }

    #[test]
    fn a_hole_that_is_vouched_for_in_part_is_damage_in_that_part_only() {
        let seen = [batch(1, 1, 1, 0), nothing(2, 256), batch(3, 4, 1, 2), nothing(4, 0)];
        let found = judge(Lsn(1), Lsn(2), &[], &seen);
        assert_eq!(ranges(&found), [(range(2, 2), Row::TailDamaged)]);
        assert_eq!((found.next, found.kept.len()), (Lsn(3), 1));
    }
}
