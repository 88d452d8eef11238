//! Which records some line claimed, and so which none did.

use std::collections::BTreeMap;

use truelog::{Lsn, LsnRange};

/// How many ranges are kept: claims that leave more gaps than this are not counted out.
const MOST: usize = 65_536;
/// How many unclaimed ranges are named.
pub(crate) const NAMED: usize = 8;

/// The claimed records, as ranges with a gap between each two.
#[derive(Debug, Default)]
pub(crate) struct Ranges {
    /// The last of each, by its first.
    ranges: BTreeMap<u64, u64>,
    /// There were too many gaps.
    overflown: bool,
}

/// Records that are durable, and that no line claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unclaimed {
    pub(crate) records: u64,
    pub(crate) ranges: u64,
    /// The first few ranges.
    pub(crate) first: Vec<LsnRange>,
}

impl Ranges {
    /// Some line claims these.
    pub(crate) fn add(&mut self, lsns: LsnRange) {
        if lsns.is_empty() || self.overflown {
            return;
        }
        let (mut first, mut last) = (lsns.first.get(), lsns.last.get());
        while let Some((&before, &end)) = self.ranges.range(..=last.saturating_add(1)).next_back() {
            if end.saturating_add(1) < first {
                break;
            }
            self.ranges.remove(&before);
            (first, last) = (first.min(before), last.max(end));
        }
        self.ranges.insert(first, last);
        if self.ranges.len() > MOST {
            self.ranges.clear();
            self.overflown = true;
        }
    }

    /// Those of `all` that no line claims; `None` if there were too many gaps to keep.
    pub(crate) fn without(&self, all: LsnRange) -> Option<Unclaimed> {
        let mut found = Unclaimed { records: 0, ranges: 0, first: Vec::new() };
        let mut gap = |first: u64, last: u64| {
            let gap = LsnRange::new(Lsn(first), Lsn(last));
            if !gap.is_empty() {
                found.records = found.records.saturating_add(gap.len());
                found.ranges += 1;
                if found.first.len() < NAMED {
                    found.first.push(gap);
                }
            }
        };
        let (mut due, end) = (all.first.get(), all.last.get());
        for (&first, &last) in &self.ranges {
            if due > end {
                break;
            }
            gap(due, first.saturating_sub(1).min(end));
            due = due.max(last.saturating_add(1));
        }
        gap(due, end);
        (!self.overflown).then_some(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(first: u64, last: u64) -> LsnRange {
        LsnRange::new(Lsn(first), Lsn(last))
    }

    /// In any order, with overlaps: the same as a set of numbers says.
    #[test]
    fn what_is_left_is_what_nobody_claimed() {
        let claims = [(5, 9), (1, 2), (4, 4), (20, 30), (8, 12), (25, 26), (3, 3), (40, 60), (2, 1)];
        for shift in 0..claims.len() {
            let (mut ranges, mut set) = (Ranges::default(), std::collections::BTreeSet::new());
            for at in 0..claims.len() {
                let (first, last) = claims[(at + shift) % claims.len()];
                ranges.add(range(first, last));
                set.extend(first..=last);
                for (from, to) in [(1, 50), (10, 22), (0, 0), (61, 70), (5, 4)] {
                    let left = ranges.without(range(from, to)).unwrap();
                    let expected = (from..=to).filter(|lsn| !set.contains(lsn)).count() as u64;
                    assert_eq!(left.records, expected, "{from}..={to} of {ranges:?}");
                    assert_eq!(left.first.iter().map(|range| range.len()).sum::<u64>(), expected);
                }
            }
        }
    }

    #[test]
    fn too_many_gaps_are_not_counted_rather_than_kept() {
        let mut ranges = Ranges::default();
        for lsn in 0..=MOST as u64 {
            ranges.add(range(lsn * 2, lsn * 2));
        }
        assert!(ranges.ranges.len() <= MOST);
        assert_eq!(ranges.without(range(0, 1_000_000)), None);
    }
}
