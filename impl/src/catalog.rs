//! What a handle knows in memory of where records are: one span a segment, sparse marks inside it, and the archive's
//! runs.

use crate::archive::run::RunEntry;
use crate::batch::BatchHeader;
use crate::codec::as_u64;
use crate::error::{Error, Reason};
use crate::lsn::{Lsn, LsnRange, SegmentNo};
use crate::mark::Mark;
use crate::names::Name;
use crate::options::MIN_BLOCK;
use crate::recovery::uncovered;
use crate::sync::Mutex;
use crate::walk::Ground;

/// How many beginnings of batches are remembered at most, of all segments together: 1.5 MiB of them.
const MARKS: usize = 1 << 16;

/// How far apart two of them are at least at first, in bytes: no batch is shorter.
const MIN_STRIDE: u64 = MIN_BLOCK as u64;

/// Into how many parts the marks of a recovery divide a segment at most.
const PARTS: u64 = 256;

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
    marks: Vec<Mark>,
}

impl Span {
    pub(crate) const fn new(ground: Ground, lsns: LsnRange, start: u64, end: u64) -> Self {
        Self { ground, lsns, start, end, marks: Vec::new() }
    }

    pub(crate) const fn number(&self) -> SegmentNo {
        self.ground.segment
    }

    /// The nearest known beginning of a batch at or before `lsn`.
    pub(crate) fn nearest(&self, lsn: Lsn) -> Mark {
        if let Some(mark) = self.even(lsn).filter(|mark| mark.holds(lsn)) {
            return mark;
        }
        let behind = self.marks.partition_point(|mark| mark.base <= lsn);
        behind
            .checked_sub(1)
            .and_then(|at| self.marks.get(at))
            .copied()
            .unwrap_or(Mark::unseen(self.lsns.first, self.start))
    }

    /// The mark where the record would be if all batches had as many: one look, where a search among many marks waits for
    /// memory at each step.
    fn even(&self, lsn: Lsn) -> Option<Mark> {
        let before = lsn.get().checked_sub(self.lsns.first.get())?;
        let at = before.checked_mul(as_u64(self.marks.len()))?.checked_div(self.lsns.len())?;
        self.marks.get(usize::try_from(at).ok()?).copied()
    }

    /// Remembers where a batch begins, unless a mark is near. For a recovery, which sees every batch.
    pub(crate) fn mark_part(&mut self, batch: Mark) {
        let stride = (self.ground.capacity / PARTS).max(MIN_STRIDE);
        self.mark(batch, stride);
    }

    /// Remembers where a batch begins, unless a mark is nearer than `stride`. Says whether it does.
    fn mark(&mut self, batch: Mark, stride: u64) -> bool {
        let offset = batch.offset;
        let behind = self.marks.partition_point(|known| known.offset <= offset);
        let before = behind.checked_sub(1).and_then(|at| self.marks.get(at)).map(|known| known.offset);
        let after = self.marks.get(behind).map_or(u64::MAX, |known| known.offset);
        // The first batch has a mark as soon as it was seen.
        let far_behind = before.is_none_or(|before| offset.saturating_sub(before) >= stride);
        let far = far_behind && after.saturating_sub(offset) >= stride;
        if far {
            self.marks.insert(behind, batch);
        }
        far
    }

    /// Forgets marks until none is nearer to the one before it than `stride`.
    fn thin(&mut self, stride: u64) {
        let mut before = self.start;
        self.marks.retain(|mark| {
            let far = mark.offset.saturating_sub(before) >= stride;
            if far {
                before = mark.offset;
            }
            far
        });
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
    /// A known beginning of a batch at or before the record.
    pub(crate) from: Mark,
}

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Catalog {
    spans: Vec<Span>,
    /// How far apart two marks of a span are at least, in bytes. It doubles whenever there are [`MARKS`].
    stride: u64,
    /// How many marks all spans have.
    marks: usize,
    /// The archive's runs, by ascending LSNs.
    runs: Vec<RunEntry>,
    /// The archive's generation.
    generation: u64,
    /// Goes up with whatever may make a file useless that a reader looks at.
    version: u64,
    /// How many readers look at each version.
    readers: Vec<(u64, usize)>,
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
        let mut catalog = Self {
            spans,
            stride: MIN_STRIDE,
            marks: 0,
            runs: Vec::new(),
            generation: 0,
            version: 0,
            readers: Vec::new(),
            trimmed,
            next,
            vouched: Lsn(u64::MAX),
            losses: Vec::new(),
            damage: Vec::new(),
            seen: Vec::new(),
        };
        catalog.count_marks();
        catalog.keep_marks_few();
        catalog
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
        self.forget_below(floor);
        self.version += 1;
        self.version
    }

    fn forget_below(&mut self, floor: SegmentNo) {
        self.spans.retain(|span| span.number() >= floor);
        self.count_marks();
    }

    /// A reader begins to look at what is here now. It must [`Catalog::leave`].
    fn enter(&mut self) -> u64 {
        // Versions only go up: those that look at the newest stand last.
        match self.readers.last_mut().filter(|(version, _)| *version == self.version) {
            Some((_, count)) => *count += 1,
            None => self.readers.push((self.version, 1)),
        }
        self.version
    }

    fn leave(&mut self, version: u64) {
        if let Some((_, count)) = self.readers.iter_mut().find(|(looked_at, _)| *looked_at == version) {
            *count = count.saturating_sub(1);
            self.readers.retain(|(_, count)| *count > 0);
        }
    }

    /// What goes up with whatever may make a file useless.
    pub(crate) const fn version(&self) -> u64 {
        self.version
    }

    /// Whether a reader still looks at what was before `version`.
    pub(crate) fn is_read_before(&self, version: u64) -> bool {
        self.readers.iter().any(|(looked_at, _)| *looked_at < version)
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
        let lsns = LsnRange::new(first, last);
        Error::Corrupt { segment: SegmentNo::NONE, offset: 0, lsns, reason: Reason::Missing }
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
    pub(crate) fn extend(&mut self, ground: Ground, batch: &BatchHeader, table: u32) {
        let (lsns, end) = (batch.lsns(), batch.end(ground.block));
        match self.spans.last_mut().filter(|span| span.ground == ground) {
            Some(span) => {
                span.lsns.last = span.lsns.last.max(lsns.last);
                span.end = end;
                self.marks += usize::from(span.mark(Mark::of(batch, table), self.stride));
                self.keep_marks_few();
            }
            None => {
                let mut span = Span::new(ground, lsns, batch.site.offset, end);
                self.marks += usize::from(span.mark(Mark::of(batch, table), self.stride));
                self.spans.push(span);
            }
        }
        self.next = self.next.max(lsns.last.next());
    }

    /// Remembers a batch of a segment.
    pub(crate) fn mark(&mut self, segment: SegmentNo, batch: Mark) {
        if let Some(span) = self.spans.iter_mut().find(|span| span.number() == segment) {
            self.marks += usize::from(span.mark(batch, self.stride));
            self.keep_marks_few();
        }
    }

    /// Forgets about half of the marks when there are too many.
    fn keep_marks_few(&mut self) {
        while self.marks > MARKS {
            self.stride = self.stride.saturating_mul(2);
            let stride = self.stride;
            self.spans.iter_mut().for_each(|span| span.thin(stride));
            self.count_marks();
        }
    }

    fn count_marks(&mut self) {
        self.marks = self.spans.iter().map(|span| span.marks.len()).sum();
    }

    /// The first segment that must be kept when records before `before` go: never past the last.
    pub(crate) fn floor_for(&self, before: Lsn) -> Option<SegmentNo> {
        let keep = self.spans.iter().position(|span| span.lsns.last >= before);
        keep.and_then(|at| self.spans.get(at)).or(self.spans.last()).map(Span::number)
    }

    /// Forgets what a trim removed. Says which runs are among it, and the version behind which no reader looks at them.
    pub(crate) fn trim(&mut self, before: Lsn, floor: SegmentNo) -> (u64, Vec<RunEntry>) {
        self.trimmed = self.trimmed.max(before);
        self.forget_below(floor);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::LogId;

    fn ground(number: u64) -> Ground {
        let segment = SegmentNo(number);
        Ground { log: LogId([1; 16]), segment, salt: number, capacity: 1 << 40, block: MIN_BLOCK }
    }

    #[test]
    fn marks_are_exact_while_they_are_few_and_never_become_many() {
        let mut catalog = Catalog::new(Vec::new(), Lsn(1), Lsn(1));
        let batches = 3 * as_lsn(MARKS);
        for lsn in 1..=batches {
            // One record a batch, two segments.
            let (number, at) = if lsn <= batches / 2 { (1, lsn) } else { (2, lsn - batches / 2) };
            catalog.extend(ground(number), &batch(number, lsn, at * 4096), 0);
            assert!(catalog.marks <= MARKS, "{}", catalog.marks);
            if lsn == as_lsn(MARKS) / 2 {
                assert!((1..=lsn).all(|lsn| nearest(&catalog, lsn).offset == lsn * 4096));
            }
        }
        assert!(catalog.marks > MARKS / 4, "half of them are forgotten at a time: {}", catalog.marks);
        let counted = catalog.marks;
        catalog.count_marks();
        assert_eq!(catalog.marks, counted);
        for lsn in 1..=batches {
            let near = nearest(&catalog, lsn).base;
            assert!(near.0 <= lsn && lsn - near.0 <= 2 * catalog.stride / 4096, "{near} for {lsn}");
        }
        catalog.trim(Lsn(batches), SegmentNo(2));
        assert!(catalog.marks < counted);
    }

    #[test]
    fn a_batch_is_found_however_unlike_the_batches_are() {
        let mut catalog = Catalog::new(Vec::new(), Lsn(1), Lsn(1));
        let (mut next, mut even) = (1, 0);
        for at in 1..200 {
            let count = 1 + (at * at) % 17;
            let header = BatchHeader { count, ..batch(1, next, u64::from(at) * 4096) };
            catalog.extend(ground(1), &header, 0);
            next = header.next().0;
        }
        for lsn in (1..next).map(Lsn) {
            assert!(nearest(&catalog, lsn.0).holds(lsn), "{lsn}");
            even += usize::from(catalog.spans[0].even(lsn).is_some_and(|mark| mark.holds(lsn)));
        }
        assert!(even > 0 && even < 1000, "by one look: {even} of {}", next - 1);
    }

    fn as_lsn(count: usize) -> u64 {
        crate::codec::as_u64(count)
    }

    fn batch(number: u64, lsn: u64, offset: u64) -> BatchHeader {
        let ground = ground(number);
        BatchHeader {
            crc: 0,
            site: ground.site(offset),
            base: Lsn(lsn),
            count: 1,
            len: 32,
            watermark: Lsn::NONE,
            chain: 0,
            prev_segment: SegmentNo::NONE,
            prev_end: 0,
        }
    }

    fn nearest(catalog: &Catalog, lsn: u64) -> Mark {
        match catalog.find(Lsn(lsn)) {
            Ok(Lead::Segment(lead)) => lead.from,
            other => panic!("{other:?}"),
        }
    }
}
