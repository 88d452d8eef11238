//! What a handle knows in memory of where records are: one span a segment, and the archive's runs.

use truelog_env::File;

use crate::archive::run::RunEntry;
use crate::batch::BatchHeader;
use crate::error::{Error, Reason};
use crate::lsn::{Lsn, LsnRange, SegmentNo};
use crate::mark::Mark;
use crate::names::Name;
use crate::read_buf::ReadBuf;
use crate::recovery::uncovered;
use crate::span::{MIN_STRIDE, Span};
use crate::sync::StdArc;
use crate::walk::Ground;

/// How many stretches of batches are remembered at most, of all segments together: 3 MiB of them.
const MARKS: usize = 1 << 16;

/// How many segments' files are kept open to be read, so that reads at random do not open one each.
const OPEN: usize = 64;

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
    /// By ascending numbers, which is by ascending LSNs.
    spans: Vec<Span>,
    /// How far apart two marks of a span are at least, in bytes. It doubles whenever there are [`MARKS`].
    stride: u64,
    /// How many stretches all spans have.
    marks: usize,
    /// The archive's runs, by ascending LSNs.
    runs: Vec<RunEntry>,
    /// The archive's generation.
    generation: u64,
    /// Goes up with whatever may make a file useless that a reader looks at.
    version: u64,
    /// How many readers look at each version.
    readers: Vec<(u64, usize)>,
    /// Whose files are open, and perhaps some that are gone.
    open: Vec<SegmentNo>,
    /// How often an open file was asked for.
    uses: u64,
    /// Memory that a read of one record was done with.
    pub(crate) spare: Option<ReadBuf>,
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
            open: Vec::new(),
            uses: 0,
            spare: None,
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
    pub(crate) fn enter(&mut self) -> u64 {
        // Versions only go up: those that look at the newest stand last.
        match self.readers.last_mut().filter(|(version, _)| *version == self.version) {
            Some((_, count)) => *count += 1,
            None => self.readers.push((self.version, 1)),
        }
        self.version
    }

    pub(crate) fn leave(&mut self, version: u64) {
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

    /// The file of a segment, if that is open.
    pub(crate) fn file(&mut self, segment: SegmentNo) -> Option<StdArc<dyn File>> {
        self.uses += 1;
        span_of(&mut self.spans, segment)?.file(self.uses)
    }

    /// Keeps a segment's file open, in the place of the one that was used least recently if there are too many. Not that of a
    /// segment that serves no more: a file without a name takes its space as long as it is open.
    pub(crate) fn keep_open(&mut self, segment: SegmentNo, file: StdArc<dyn File>) {
        let Some(span) = span_of(&mut self.spans, segment) else { return };
        self.uses += 1;
        span.open(file, self.uses);
        // Another reader may have been faster.
        self.open.retain(|other| *other != segment);
        self.open.push(segment);
        if self.open.len() > OPEN {
            // Those whose spans are gone come first.
            let used = |at: &usize| span_of(&mut self.spans, self.open[*at]).and_then(|span| span.used());
            let oldest = (0..self.open.len()).min_by_key(used).map(|at| self.open.swap_remove(at));
            if let Some(span) = oldest.and_then(|oldest| span_of(&mut self.spans, oldest)) {
                span.close();
            }
        }
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
                let before = span.marks();
                span.mark(Mark::of(batch, table), self.stride);
                self.marks = self.marks + span.marks() - before;
                self.keep_marks_few();
            }
            None => {
                let mut span = Span::new(ground, lsns, batch.site.offset, end);
                span.mark(Mark::of(batch, table), self.stride);
                self.marks += span.marks();
                self.spans.push(span);
            }
        }
        self.next = self.next.max(lsns.last.next());
    }

    /// Remembers a batch of a segment.
    pub(crate) fn mark(&mut self, segment: SegmentNo, batch: Mark) {
        if let Some(span) = span_of(&mut self.spans, segment) {
            let before = span.marks();
            span.mark(batch, self.stride);
            self.marks = self.marks + span.marks() - before;
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
        self.marks = self.spans.iter().map(Span::marks).sum();
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

/// The span of a segment.
fn span_of(spans: &mut [Span], segment: SegmentNo) -> Option<&mut Span> {
    let at = spans.binary_search_by_key(&segment, Span::number).ok()?;
    spans.get_mut(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::MIN_BLOCK;
    use crate::types::LogId;
    use truelog_env::OpenMode;

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
    fn the_files_used_last_stay_open_and_those_that_go_do_not() {
        let dir = tempfile::tempdir().expect("a directory");
        let env = crate::os::native();
        let path = dir.path().join("file");
        let file: StdArc<dyn File> = env.fs.open(&path, OpenMode::CREATE).expect("a file").into();
        let most = as_lsn(OPEN);
        let spans =
            (1..=most + 1).map(|number| Span::new(ground(number), LsnRange::of(Lsn(number), 1), 0, 0));
        let mut catalog = Catalog::new(spans.collect(), Lsn(1), Lsn(most + 2));
        for number in (1..=most).chain([1, most + 1]).map(SegmentNo) {
            if catalog.file(number).is_none() {
                catalog.keep_open(number, StdArc::clone(&file));
            }
        }
        let open = |catalog: &Catalog| {
            let open = catalog.spans.iter().filter(|span| span.used().is_some());
            open.map(|span| span.number().get()).collect::<Vec<_>>()
        };
        let expected: Vec<_> = [1].into_iter().chain(3..=most + 1).collect();
        assert_eq!(open(&catalog), expected, "2 was not used for longest");
        catalog.trim(Lsn(most), SegmentNo(most));
        assert_eq!(open(&catalog), [most, most + 1]);
        assert_eq!(StdArc::strong_count(&file), 3, "the others are closed");
        catalog.keep_open(SegmentNo(1), StdArc::clone(&file));
        assert_eq!(open(&catalog), [most, most + 1], "a reader that was slower than the trim");
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
