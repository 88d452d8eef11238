//! What to compact next. Pure.

use std::collections::BTreeSet;

use super::run::RunEntry;
use crate::catalog::Catalog;
use crate::lsn::{Lsn, LsnRange, RunNo, SegmentNo};
use crate::manifest::ManifestState;

/// So many neighbouring short runs are merged into one.
const MERGE: usize = 4;

/// How much is worth a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// A run gets no longer than this, in bytes of what it is made of: it must find room on as many drives as there are
    /// copies.
    pub(crate) most: u64,
    /// Segments are left alone until they have so many bytes, or more than a run takes.
    pub(crate) least: u64,
    /// Merge as few as two runs.
    pub(crate) eager: bool,
}

/// A run to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Planned {
    /// Its records.
    pub(crate) lsns: LsnRange,
    /// The first segment that is kept once the run is published.
    pub(crate) floor: SegmentNo,
    /// How many bytes it is made of.
    pub(crate) bytes: u64,
}

/// The next run to be made, if there is enough for one. Records up to `bound` are durable; the runs `but` cannot be read.
pub(crate) fn next(
    catalog: &Catalog,
    state: &ManifestState,
    bound: Lsn,
    limits: Limits,
    but: &BTreeSet<RunNo>,
) -> Option<Planned> {
    segments(catalog, state, bound, limits).or_else(|| merge(state, limits, but))
}

/// The lowest segments that are sealed and not in the archive yet. That of the last durable record stays: its first
/// batch carries the streams' numbers.
fn segments(catalog: &Catalog, state: &ManifestState, bound: Lsn, limits: Limits) -> Option<Planned> {
    if bound == Lsn::NONE {
        return None;
    }
    let top = catalog.floor_for(bound)?;
    let first = state.kept(state.segments_from());
    let sealed: Vec<_> =
        catalog.spans().iter().filter(|span| span.number() < top && span.lsns.last >= first).collect();
    let (mut last, mut bytes, mut full) = (Lsn::NONE, 0_u64, false);
    for span in sealed {
        let len = span.end.saturating_sub(span.start);
        // One segment is planned even where it does not fit, so that somebody is told.
        full = last != Lsn::NONE && bytes.saturating_add(len) > limits.most;
        if full {
            break;
        }
        (last, bytes) = (span.lsns.last, bytes.saturating_add(len));
    }
    // A run has no gap: it ends where records were given up.
    let loss = state.losses.iter().filter(|loss| loss.first > first).map(|loss| loss.first.prev()).min();
    let last = loss.map_or(last, |before| last.min(before));
    if last < first || bytes < limits.least && !full {
        return None;
    }
    let floor = catalog.spans().iter().find(|span| span.lsns.last > last).map_or(top, |span| span.number());
    Some(Planned { lsns: LsnRange::new(first, last), floor, bytes })
}

/// Neighbouring runs that are short.
fn merge(state: &ManifestState, limits: Limits, but: &BTreeSet<RunNo>) -> Option<Planned> {
    let runs = &state.archive.runs;
    let least = if limits.eager { 2 } else { MERGE };
    for from in 0..runs.len() {
        let first = state.kept(runs[from].lsns.first);
        // A run that was trimmed is not replaced by one without any of its records: it would be merged again for ever.
        if first > runs[from].lsns.last {
            continue;
        }
        // A run has no gap: one in which records were given up stays as it is.
        let lossy = |run: &RunEntry| {
            state
                .losses
                .iter()
                .any(|loss| first <= loss.last && loss.first <= run.lsns.last && run.lsns.first <= loss.last)
        };
        let mut len = 0_u64;
        let mut to = from;
        while let Some(run) = runs.get(to) {
            len = len.saturating_add(run.len);
            let adjoins = to == from || runs[to - 1].lsns.last.next() == run.lsns.first;
            let whole = !but.contains(&run.number) && !lossy(run);
            if !adjoins || !whole || run.len > limits.most / 2 || len > limits.most {
                break;
            }
            to += 1;
        }
        if to - from >= least {
            let lsns = LsnRange::new(first, runs[to - 1].lsns.last);
            let bytes = runs[from..to].iter().map(|run| run.len).sum();
            return (!lsns.is_empty()).then_some(Planned { lsns, floor: state.floor, bytes });
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::set::DriveSet;
    use crate::lsn::DriveNo;
    use crate::options::Options;
    use crate::span::Span;
    use crate::types::LogId;
    use crate::walk::Ground;

    const LIMITS: Limits = Limits { most: 2000, least: 0, eager: false };

    /// Three segments of ten records and 1000 bytes each.
    fn catalog() -> Catalog {
        let span = |number: u64| {
            let segment = SegmentNo(number);
            let ground = Ground { log: LogId([1; 16]), segment, salt: 1, capacity: 4096, block: 256 };
            Span::new(ground, LsnRange::of(Lsn(number * 10 - 9), 10), 256, 1256)
        };
        Catalog::new((1..=3).map(span).collect(), Lsn::FIRST, Lsn(31))
    }

    fn state() -> ManifestState {
        ManifestState::new(&Options::default())
    }

    type Found = Option<(LsnRange, SegmentNo)>;

    fn planned(first: u64, last: u64, floor: u64) -> Found {
        Some((LsnRange::new(Lsn(first), Lsn(last)), SegmentNo(floor)))
    }

    fn next(catalog: &Catalog, state: &ManifestState, bound: Lsn, limits: Limits) -> Found {
        super::next(catalog, state, bound, limits, &BTreeSet::new()).map(|found| (found.lsns, found.floor))
    }

    #[test]
    fn sealed_segments_below_the_last_durable_record_are_taken() {
        assert_eq!(next(&catalog(), &state(), Lsn(30), LIMITS), planned(1, 20, 3));
        assert_eq!(next(&catalog(), &state(), Lsn(15), LIMITS), planned(1, 10, 2));
        assert_eq!(next(&catalog(), &state(), Lsn(5), LIMITS), None);
        assert_eq!(next(&catalog(), &state(), Lsn::NONE, LIMITS), None);
        assert_eq!(next(&catalog(), &state(), Lsn(30), Limits { most: 1999, ..LIMITS }), planned(1, 10, 2));
        assert_eq!(next(&catalog(), &state(), Lsn(30), Limits { least: 2001, ..LIMITS }), None);
        let small = Limits { most: 1500, least: 2000, ..LIMITS };
        assert_eq!(next(&catalog(), &state(), Lsn(30), small), planned(1, 10, 2), "more does not fit");
        let tiny = Limits { most: 10, ..LIMITS };
        assert_eq!(
            next(&catalog(), &state(), Lsn(30), tiny),
            planned(1, 10, 2),
            "it is told, not passed over"
        );
    }

    #[test]
    fn what_was_trimmed_is_dropped_and_what_was_given_up_ends_a_run() {
        let mut trimmed = state();
        trimmed.trimmed = Lsn(7);
        assert_eq!(next(&catalog(), &trimmed, Lsn(30), LIMITS), planned(7, 20, 3));
        let mut lossy = state();
        lossy.losses = vec![LsnRange::new(Lsn(14), Lsn(15))];
        assert_eq!(next(&catalog(), &lossy, Lsn(30), LIMITS), planned(1, 13, 2));
        lossy.losses = vec![LsnRange::new(Lsn(1), Lsn(12))];
        assert_eq!(next(&catalog(), &lossy, Lsn(30), LIMITS), planned(13, 20, 3));
    }

    #[test]
    fn short_neighbours_are_merged() {
        let run = |number: u64, first: u64, last: u64| RunEntry {
            number: RunNo(number),
            salt: 1,
            generation: number,
            lsns: LsnRange::new(Lsn(first), Lsn(last)),
            index_at: 256,
            blocks: 1,
            len: 400,
            copies: DriveSet::EMPTY.with(DriveNo(0)),
        };
        let mut state = state();
        state.archive.runs = (1..=4).map(|number| run(number, number * 10 - 9, number * 10)).collect();
        let empty = Catalog::new(Vec::new(), Lsn::FIRST, Lsn(41));
        assert_eq!(next(&empty, &state, Lsn(40), LIMITS), planned(1, 40, 1));
        state.trimmed = Lsn(5);
        assert_eq!(next(&empty, &state, Lsn(40), LIMITS), planned(5, 40, 1));
        assert_eq!(next(&empty, &state, Lsn(40), Limits { most: 1000, ..LIMITS }), None);
        let eager = Limits { most: 1000, eager: true, ..LIMITS };
        assert_eq!(next(&empty, &state, Lsn(40), eager), planned(5, 20, 1));
        state.trimmed = Lsn(11);
        assert_eq!(
            next(&empty, &state, Lsn(40), eager),
            planned(11, 30, 1),
            "a merge replaces all that it takes"
        );
        state.trimmed = Lsn(5);
        for (loss, merged) in [
            ((12, 13), planned(21, 40, 1)),
            ((22, 22), planned(5, 20, 1)),
            ((5, 8), planned(9, 20, 1)),
            ((8, 12), planned(13, 30, 1)),
            ((31, 40), planned(5, 20, 1)),
        ] {
            state.losses = vec![LsnRange::new(Lsn(loss.0), Lsn(loss.1))];
            assert_eq!(next(&empty, &state, Lsn(40), eager), merged, "not across a loss {loss:?}");
        }
        state.losses.clear();
        state.archive.runs.remove(1);
        assert_eq!(next(&empty, &state, Lsn(40), eager), planned(21, 40, 1), "not across a gap");
    }
}
