//! What a handle knows in memory of where records are: one span a segment, sparse marks inside it, and the archive's
//! runs.

use std::collections::BTreeMap;

use crate::archive::run::RunEntry;
use crate::error::{Error, Reason};
use crate::lsn::{Lsn, LsnRange, SegmentNo};
use crate::names::Name;
use crate::recovery::uncovered;
use crate::sync::Mutex;
use crate::walk::Ground;

/// How many marks a segment has at most: enough to find a record after reading 1/256 of it.
const MARKS: u64 = 256;

/// Damage: the records that it affects, and what was found. A read of the records gets [`Error::Corrupt`] or
/// [`Error::CorruptBlock`], which name them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The records. Empty when the damage is to a file that holds none.
    pub lsns: LsnRange,
    /// What was found, and where.
    pub error: Error,
}

impl Damage {
    /// What a read of one of the records gets: an error that names all of them, of whatever file they are missing.
    fn of_a_read(&self) -> Error {
        let Error::CorruptFile { path, offset, reason } = &self.error else { return self.error.clone() };
        let segment = match path.file_name().and_then(Name::parse) {
            Some(Name::Segment(segment)) => segment,
            _ => SegmentNo::NONE,
        };
        Error::Corrupt { segment, offset: *offset, lsns: self.lsns, reason: *reason }
    }
}

/// Where the kept records of one segment are.
#[derive(Debug, Clone)]
pub(crate) struct Span {
    pub(crate) ground: Ground,
    /// The kept records.
    pub(crate) lsns: LsnRange,
    /// Where the first kept batch begins, in bytes.
    pub(crate) start: u64,
    /// Where the last kept batch ends, in bytes.
    pub(crate) end: u64,
    /// Known beginnings of batches, ascending.
    marks: Vec<(Lsn, u64)>,
}

impl Span {
    pub(crate) const fn new(ground: Ground, lsns: LsnRange, start: u64, end: u64) -> Self {
        Self { ground, lsns, start, end, marks: Vec::new() }
    }

    pub(crate) const fn number(&self) -> SegmentNo {
        self.ground.segment
    }

    /// The nearest known beginning of a batch at or before `lsn`.
    pub(crate) fn nearest(&self, lsn: Lsn) -> (Lsn, u64) {
        let behind = self.marks.partition_point(|(base, _)| *base <= lsn);
        behind
            .checked_sub(1)
            .and_then(|at| self.marks.get(at))
            .copied()
            .unwrap_or((self.lsns.first, self.start))
    }

    /// Remembers where a batch begins, unless a mark is near.
    pub(crate) fn mark(&mut self, base: Lsn, offset: u64) {
        let stride = (self.ground.capacity / MARKS).max(u64::from(self.ground.block));
        let behind = self.marks.partition_point(|(_, known)| *known <= offset);
        let before =
            behind.checked_sub(1).and_then(|at| self.marks.get(at)).map_or(self.start, |mark| mark.1);
        let after = self.marks.get(behind).map_or(u64::MAX, |mark| mark.1);
        if offset.saturating_sub(before) >= stride && after.saturating_sub(offset) >= stride {
            self.marks.insert(behind, (base, offset));
        }
    }
}

/// Where a record may be looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lead {
    /// In a segment.
    Segment(SegmentLead),
    /// In a run of the archive.
    Run(RunEntry),
}

/// Where in a segment a record may be looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentLead {
    pub(crate) ground: Ground,
    /// The kept records of the segment.
    pub(crate) lsns: LsnRange,
    /// Where its last kept batch ends, in bytes.
    pub(crate) end: u64,
    /// A known beginning of a batch at or before the record, and the LSN that is due there.
    pub(crate) from: (Lsn, u64),
}

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Catalog {
    spans: Vec<Span>,
    /// The archive's runs, by ascending LSNs.
    runs: Vec<RunEntry>,
    /// The archive's generation.
    generation: u64,
    /// Goes up with whatever may make a file useless that a reader looks at.
    version: u64,
    /// How many readers look at each version.
    readers: BTreeMap<u64, usize>,
    /// The first record that is kept.
    pub(crate) trimmed: Lsn,
    /// The first record that is not there.
    pub(crate) next: Lsn,
    /// The last record that something other than its own batch vouches for. Only for what is read-only:
    /// everything in an open log is vouched for.
    pub(crate) vouched: Lsn,
    pub(crate) losses: Vec<LsnRange>,
    pub(crate) damage: Vec<Damage>,
    /// Damage that reads have met since; no more than [`SEEN`]. The auditor looks at it again.
    pub(crate) seen: Vec<Damage>,
}

/// How much of the damage that reads meet is remembered.
const SEEN: usize = 16;

impl Catalog {
    pub(crate) fn new(spans: Vec<Span>, trimmed: Lsn, next: Lsn) -> Self {
        Self {
            spans,
            runs: Vec::new(),
            generation: 0,
            version: 0,
            readers: BTreeMap::new(),
            trimmed,
            next,
            vouched: Lsn(u64::MAX),
            losses: Vec::new(),
            damage: Vec::new(),
            seen: Vec::new(),
        }
    }

    /// A read met damage that nobody had named.
    pub(crate) fn meet(&mut self, error: &Error) {
        let (Error::Corrupt { lsns, .. } | Error::CorruptBlock { lsns, .. }) = error else { return };
        let known = |damage: &Damage| damage.lsns.contains(lsns.first);
        if self.seen.len() < SEEN && !self.damage.iter().chain(&self.seen).any(known) {
            self.seen.push(Damage { lsns: *lsns, error: error.clone() });
        }
    }

    pub(crate) fn runs(&self) -> &[RunEntry] {
        &self.runs
    }

    pub(crate) const fn generation(&self) -> u64 {
        self.generation
    }

    /// The runs are these from now on, and segments below `floor` serve no more. Returns the version behind which no
    /// reader looks at anything else.
    pub(crate) fn archived(&mut self, runs: &[RunEntry], generation: u64, floor: SegmentNo) -> u64 {
        self.runs = runs.to_vec();
        self.generation = generation;
        self.spans.retain(|span| span.number() >= floor);
        self.version += 1;
        self.version
    }

    /// A reader begins to look at what is here now. It must [`Catalog::leave`].
    fn enter(&mut self) -> u64 {
        *self.readers.entry(self.version).or_default() += 1;
        self.version
    }

    fn leave(&mut self, version: u64) {
        if let Some(count) = self.readers.get_mut(&version) {
            *count -= 1;
            if *count == 0 {
                self.readers.remove(&version);
            }
        }
    }

    /// What goes up with whatever may make a file useless.
    pub(crate) const fn version(&self) -> u64 {
        self.version
    }

    /// Whether a reader still looks at what was before `version`.
    pub(crate) fn is_read_before(&self, version: u64) -> bool {
        self.readers.range(..version).next().is_some()
    }

    pub(crate) fn spans(&self) -> &[Span] {
        &self.spans
    }

    /// Where to look for a record.
    ///
    /// # Errors
    /// Why it is not anywhere: trimmed, not there yet, lost, or damaged.
    pub(crate) fn find(&self, lsn: Lsn) -> Result<Lead, Error> {
        if lsn < self.trimmed {
            return Err(Error::Trimmed { lsn, first: self.trimmed });
        }
        if lsn >= self.next {
            return Err(Error::Absent { lsn, next: self.next });
        }
        if let Some(lsns) = self.loss_of(lsn) {
            return Err(Error::Lost { lsns });
        }
        if let Some(damage) = self.damage.iter().find(|damage| damage.lsns.contains(lsn)) {
            return Err(damage.of_a_read());
        }
        // A segment that is archived in part is still there; what is in a run is read there.
        let below = self.runs.partition_point(|run| run.lsns.first <= lsn);
        if let Some(run) = below.checked_sub(1).and_then(|at| self.runs.get(at))
            && run.lsns.contains(lsn)
        {
            return Ok(Lead::Run(*run));
        }
        let behind = self.spans.partition_point(|span| span.lsns.first <= lsn);
        match behind.checked_sub(1).and_then(|at| self.spans.get(at)) {
            Some(span) if span.lsns.contains(lsn) => Ok(Lead::Segment(SegmentLead {
                ground: span.ground,
                lsns: span.lsns,
                end: span.end,
                from: span.nearest(lsn),
            })),
            before => Err(self.gap(lsn, before, self.spans.get(behind))),
        }
    }

    /// The error for a record between two spans. Recovery names every gap, so this is a second look.
    fn gap(&self, lsn: Lsn, before: Option<&Span>, after: Option<&Span>) -> Error {
        let first = before.map_or(self.trimmed, |span| span.lsns.last.next()).min(lsn);
        let last = after.map_or(self.next, |span| span.lsns.first).prev().max(lsn);
        let segment = before.or(after).map_or(SegmentNo::NONE, Span::number);
        let offset = before.map_or(0, |span| span.end);
        Error::Corrupt { segment, offset, lsns: LsnRange::new(first, last), reason: Reason::Missing }
    }

    /// The accepted loss that a record is part of.
    pub(crate) fn loss_of(&self, lsn: Lsn) -> Option<LsnRange> {
        self.losses.iter().copied().find(|loss| loss.contains(lsn))
    }

    /// Whether all of these records were given up: nobody asks for their bytes any more.
    pub(crate) fn is_given_up(&self, lsns: LsnRange) -> bool {
        !lsns.is_empty() && uncovered(lsns, &self.losses).is_empty()
    }

    /// Adds a batch that was committed behind everything else.
    pub(crate) fn extend(&mut self, ground: Ground, lsns: LsnRange, offset: u64, end: u64) {
        match self.spans.last_mut().filter(|span| span.ground == ground) {
            Some(span) => {
                span.lsns.last = span.lsns.last.max(lsns.last);
                span.end = end;
                span.mark(lsns.first, offset);
            }
            None => self.spans.push(Span::new(ground, lsns, offset, end)),
        }
        self.next = self.next.max(lsns.last.next());
    }

    /// Remembers where a batch begins.
    pub(crate) fn mark(&mut self, segment: SegmentNo, base: Lsn, offset: u64) {
        if let Some(span) = self.spans.iter_mut().find(|span| span.number() == segment) {
            span.mark(base, offset);
        }
    }

    /// The first segment that must be kept when records before `before` go: never past the last.
    pub(crate) fn floor_for(&self, before: Lsn) -> Option<SegmentNo> {
        let keep = self.spans.iter().position(|span| span.lsns.last >= before);
        keep.and_then(|at| self.spans.get(at)).or(self.spans.last()).map(Span::number)
    }

    /// Forgets what a trim removed. Says which runs are among it, and the version behind which no reader looks at them.
    pub(crate) fn trim(&mut self, before: Lsn, floor: SegmentNo) -> (u64, Vec<RunEntry>) {
        self.trimmed = self.trimmed.max(before);
        self.spans.retain(|span| span.number() >= floor);
        let (gone, kept) = self.runs.iter().partition(|run| run.lsns.last < before);
        self.runs = kept;
        self.version += 1;
        (self.version, gone)
    }
}

/// Keeps the files that a reader may look at from being removed, as long as it lives.
#[derive(Debug)]
pub(crate) struct Snapshot<'a> {
    catalog: &'a Mutex<Catalog>,
    version: u64,
}

impl<'a> Snapshot<'a> {
    /// Where to look for a record, the last record that is vouched for, and the snapshot that keeps it there.
    ///
    /// # Errors
    /// As [`Catalog::find`].
    pub(crate) fn find(catalog: &'a Mutex<Catalog>, lsn: Lsn) -> Result<(Lead, Lsn, Self), Error> {
        let mut locked = catalog.lock();
        let lead = locked.find(lsn)?;
        let version = locked.enter();
        Ok((lead, locked.vouched, Self { catalog, version }))
    }

    /// A snapshot of everything.
    pub(crate) fn take(catalog: &'a Mutex<Catalog>) -> Self {
        let version = catalog.lock().enter();
        Self { catalog, version }
    }
}

impl Drop for Snapshot<'_> {
    fn drop(&mut self) {
        self.catalog.lock().leave(self.version);
    }
}
