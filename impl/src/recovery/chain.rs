//! Following the segments backwards: each first batch says where the batch before it lies and ends.

use crate::batch::BatchHeader;
use crate::commit::Last;
use crate::error::{Reason, Result};
use crate::home::Home;
use crate::lsn::{Lsn, LsnRange, SegmentNo};
use crate::manifest::ManifestState;
use crate::read_buf::ReadBuf;
use crate::recovery::judge::{Break, Hole, Seen, holes};
use crate::recovery::probe::Probe;
use crate::span::Span;
use crate::walk::Ground;

/// The segments that count, as far as their first batches tell.
#[derive(Debug, Default)]
pub(crate) struct Chain {
    /// The last segment whose first batch is valid.
    pub(crate) base: Option<SegmentNo>,
    /// That batch.
    pub(crate) first: Option<(Ground, BatchHeader)>,
    /// The batch before it.
    pub(crate) before: Last,
    /// The LSN that is due at the beginning of the base; the first of all if there is none.
    pub(crate) expected: Lsn,
    /// The sealed segments below the base, ascending.
    pub(crate) spans: Vec<Span>,
    /// Records that should be in them, but are not.
    pub(crate) gaps: Vec<Hole>,
}

/// Follows the chain from the last segment whose first batch is valid down to the floor.
pub(crate) fn follow(home: &Home, state: &ManifestState, probes: &[Probe]) -> Result<Chain> {
    let base = probes.iter().rposition(|probe| probe.first.is_some());
    let Some((at, first)) = base.and_then(|at| Some((at, probes.get(at)?.first?))) else {
        return Ok(Chain { expected: state.segments_from(), ..Chain::default() });
    };
    let base = &probes[at];
    let mut chain = Chain {
        base: Some(base.number()),
        first: Some((base.ground, first)),
        before: Last { chain: first.chain, segment: first.prev_segment, end: first.prev_end },
        expected: first.base,
        ..Chain::default()
    };
    let mut way = Way { below: &probes[..at], upper: first.base, broken: None, spans: Vec::new() };
    let mut link = first;
    while link.prev_segment != SegmentNo::NONE && link.prev_segment >= state.floor {
        match way.down(home, &link)? {
            Some(next) => link = next,
            None => break,
        }
    }
    way.spans.reverse();
    chain.gaps = gaps(&way, state, first.base);
    chain.spans = way.spans;
    Ok(chain)
}

/// The way down.
struct Way<'a> {
    /// The segments not yet passed, ascending.
    below: &'a [Probe],
    /// Records from here on are accounted for.
    upper: Lsn,
    /// The first place where a segment was not as the one above it says.
    broken: Option<Break>,
    /// What was passed, descending.
    spans: Vec<Span>,
}

impl<'a> Way<'a> {
    /// Goes down to the segment that `link`, a first batch, names, or past it if its beginning is lost. Returns
    /// the first batch from which the way goes on.
    fn down(&mut self, home: &Home, link: &BatchHeader) -> Result<Option<BatchHeader>> {
        let below = self.below;
        let at = below.partition_point(|probe| probe.number() < link.prev_segment);
        let probe = below.get(at).filter(|probe| probe.number() == link.prev_segment);
        if let Some((probe, first)) = probe.and_then(|probe| Some((probe, probe.first?))) {
            self.pass(
                &below[..at],
                Span::new(probe.ground, self.upto(first.base), probe.ground.start(), link.prev_end),
            );
            return Ok(Some(first));
        }
        if let Some(probe) = probe {
            self.pass_broken(home, probe, link.prev_end)?;
        }
        // Below it, the nearest that begins well is taken as far as its batches go; the rest is a gap.
        let found = below[..at].iter().rposition(|probe| probe.first.is_some());
        let Some((at, first)) = found.and_then(|at| Some((at, below.get(at)?.first?))) else {
            return Ok(None);
        };
        let probe = &below[at];
        let (mut end, mut next) = (probe.ground.start(), first.base);
        for item in probe.walk(home, probe.ground.start(), probe.ground.capacity, &mut ReadBuf::default())? {
            match item {
                Seen::Batch(ground, header) if header.base == next && header.next() <= self.upper => {
                    (end, next) = (header.end(ground.block), header.next());
                }
                _ => break,
            }
        }
        self.pass(
            &below[..at],
            Span::new(probe.ground, LsnRange::new(first.base, next.prev()), probe.ground.start(), end),
        );
        Ok(Some(first))
    }

    /// Passes a segment whose beginning is lost: what stands behind that can still be read.
    fn pass_broken(&mut self, home: &Home, probe: &Probe, end: u64) -> Result<()> {
        let (ground, offset) = (probe.ground, probe.ground.start());
        let reason = if probe.file.is_some() { Reason::Vouched } else { Reason::Missing };
        self.broken = self.broken.or(Some(Break { ground, offset, bytes_end: offset, reason }));
        for item in probe.walk(home, offset, end, &mut ReadBuf::default())? {
            if let Seen::Batch(ground, header) = item
                && header.base < self.upper
            {
                self.pass(self.below, Span::new(ground, self.upto(header.base), header.site.offset, end));
                break;
            }
        }
        Ok(())
    }

    /// The records from `base` up to those accounted for.
    fn upto(&self, base: Lsn) -> LsnRange {
        LsnRange::new(base, self.upper.prev())
    }

    fn pass(&mut self, below: &'a [Probe], span: Span) {
        self.below = below;
        self.upper = span.lsns.first;
        self.spans.push(span);
    }
}

/// The records that no segment has, from where the archive ends, or else the trim point, up to the beginning of the
/// base.
fn gaps(way: &Way<'_>, state: &ManifestState, base: Lsn) -> Vec<Hole> {
    let mut found = Vec::new();
    let mut due = state.segments_from();
    let ranges = way.spans.iter().map(|span| span.lsns).chain([LsnRange::of(base, 0)]);
    for lsns in ranges {
        if due < lsns.first {
            found.extend(holes(LsnRange::new(due, lsns.first.prev()), &state.losses, way.broken));
        }
        due = due.max(lsns.last.next());
    }
    found
}
