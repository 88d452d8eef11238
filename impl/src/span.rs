//! Where the records of one segment are: sparse marks in it, and its file while that is open to be read.

use truelog_env::File;

use crate::codec::as_u64;
use crate::lsn::{Lsn, LsnRange, SegmentNo};
use crate::mark::{Mark, Stretch};
use crate::options::MIN_BLOCK;
use crate::sync::StdArc;
use crate::walk::Ground;

/// How far apart two marks are at least at first, in bytes: no batch is shorter.
pub(crate) const MIN_STRIDE: u64 = MIN_BLOCK as u64;

/// Into how many parts the marks of a recovery divide a segment at most.
const PARTS: u64 = 256;

/// So many stretches are searched sooner than it is guessed which it is.
const FEW: usize = 8;

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
    marks: Vec<Stretch>,
    /// Its file, while that is open.
    open: Option<Open>,
}

/// A file that is open to be read.
#[derive(Debug, Clone)]
struct Open {
    file: StdArc<dyn File>,
    /// The number of its last use.
    used: u64,
}

impl Span {
    pub(crate) const fn new(ground: Ground, lsns: LsnRange, start: u64, end: u64) -> Self {
        Self { ground, lsns, start, end, marks: Vec::new(), open: None }
    }

    /// The same, but without marks and file: for whoever looks at it for long, and would keep the file open.
    pub(crate) const fn bare(&self) -> Self {
        Self::new(self.ground, self.lsns, self.start, self.end)
    }

    pub(crate) const fn number(&self) -> SegmentNo {
        self.ground.segment
    }

    /// How many stretches of known beginnings of batches there are.
    pub(crate) const fn marks(&self) -> usize {
        self.marks.len()
    }

    /// Its file, if that is open; `use_no` is the number of this use.
    pub(crate) fn file(&mut self, use_no: u64) -> Option<StdArc<dyn File>> {
        let open = self.open.as_mut()?;
        open.used = use_no;
        Some(StdArc::clone(&open.file))
    }

    /// The number of the last use of its file, if that is open.
    pub(crate) fn used(&self) -> Option<u64> {
        self.open.as_ref().map(|open| open.used)
    }

    /// Its file is this one, and stays open.
    pub(crate) fn open(&mut self, file: StdArc<dyn File>, use_no: u64) {
        self.open = Some(Open { file, used: use_no });
    }

    /// Closes its file. Whoever has it still goes on with it.
    pub(crate) fn close(&mut self) {
        self.open = None;
    }

    /// The nearest known beginning of a batch at or before `lsn`.
    pub(crate) fn nearest(&self, lsn: Lsn) -> Mark {
        let even = if self.marks.len() > FEW { self.even(lsn) } else { None };
        if let Some(mark) = even.filter(|mark| mark.holds(lsn)) {
            return mark;
        }
        let behind = self.marks.partition_point(|stretch| stretch.base() <= lsn);
        behind
            .checked_sub(1)
            .and_then(|at| self.marks.get(at))
            .map_or(Mark::unseen(self.lsns.first, self.start), |stretch| stretch.nearest(lsn))
    }

    /// The mark where the record would be if all stretches had as many: one look, where a search among many waits for memory at
    /// each step.
    fn even(&self, lsn: Lsn) -> Option<Mark> {
        let before = lsn.get().checked_sub(self.lsns.first.get())?;
        let at = before.checked_mul(as_u64(self.marks.len()))?.checked_div(self.lsns.len())?;
        self.marks.get(usize::try_from(at).ok()?).map(|stretch| stretch.nearest(lsn))
    }

    /// Remembers where a batch begins, unless a mark is near. For a recovery, which sees every batch.
    pub(crate) fn mark_part(&mut self, batch: Mark) {
        let stride = (self.ground.capacity / PARTS).max(MIN_STRIDE);
        self.mark(batch, stride);
    }

    /// Remembers where a batch begins: with those beside it if they are of one shape, and else unless a mark is nearer than
    /// `stride`.
    pub(crate) fn mark(&mut self, batch: Mark, stride: u64) {
        let offset = batch.offset;
        let behind = self.marks.partition_point(|stretch| stretch.offset() <= offset);
        let before = behind.checked_sub(1).and_then(|at| self.marks.get_mut(at));
        let mut batch = Stretch::of(batch, self.ground.block);
        let mut far = true;
        if let Some(before) = before {
            if offset <= before.last_offset() {
                return;
            }
            if before.join(&batch) {
                return self.join(behind);
            }
            // The first batch has a mark as soon as it was seen.
            far = offset.saturating_sub(before.last_offset()) >= stride;
        }
        if let Some(after) = self.marks.get_mut(behind) {
            if batch.join(after) {
                *after = batch;
                return;
            }
            far &= after.offset().saturating_sub(offset) >= stride;
        }
        if far {
            self.marks.insert(behind, batch);
        }
    }

    /// The stretch at `behind` becomes part of the one before it, if nothing is between them any more.
    fn join(&mut self, behind: usize) {
        if let Some([before, after]) = self.marks.get_mut(behind.saturating_sub(1)..=behind)
            && before.join(after)
        {
            self.marks.remove(behind);
        }
    }

    /// Forgets marks until none is nearer to the one before it than `stride`.
    pub(crate) fn thin(&mut self, stride: u64) {
        let mut before = self.start;
        self.marks.retain(|stretch| {
            // One that reaches far is kept wherever it begins: it is as many marks.
            let far = stretch.last_offset().saturating_sub(before) >= stride;
            if far {
                before = stretch.last_offset();
            }
            far
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::BatchHeader;
    use crate::types::LogId;

    #[test]
    fn a_batch_is_found_however_unlike_the_batches_are() {
        let (log, segment) = (LogId([1; 16]), SegmentNo(1));
        let ground = Ground { log, segment, salt: 1, capacity: 1 << 40, block: MIN_BLOCK };
        let mut span = Span::new(ground, LsnRange::of(Lsn(1), 1), 0, 0);
        for at in 1..200 {
            let header = BatchHeader {
                crc: 0,
                site: ground.site(u64::from(at) * 4096),
                base: span.lsns.last.next(),
                count: 1 + (at * at) % 17,
                len: 32,
                watermark: Lsn::NONE,
                chain: 0,
                prev_segment: SegmentNo::NONE,
                prev_end: 0,
            };
            span.mark(Mark::of(&header, 0), MIN_STRIDE);
            assert_eq!(span.marks(), usize::try_from(at).expect("few"));
            span.lsns.last = header.next().prev();
        }
        // The first record stands before all marks.
        let lsns = (2..=span.lsns.last.get()).map(Lsn);
        let even = |lsn: &Lsn| span.even(*lsn).is_some_and(|mark| mark.holds(*lsn));
        assert!(lsns.clone().all(|lsn| span.nearest(lsn).holds(lsn)));
        let even = lsns.filter(even).count();
        assert!(even > 0 && even < 1000, "by one look: {even}");
    }
    #[test]
    fn batches_that_are_alike_take_one_mark_in_whatever_order_they_are_seen() {
        let (log, segment) = (LogId([1; 16]), SegmentNo(1));
        let ground = Ground { log, segment, salt: 1, capacity: 1 << 40, block: MIN_BLOCK };
        let header = |at: u64| BatchHeader {
            crc: 0,
            site: ground.site((1 + at) * 4096),
            base: Lsn(1 + 3 * at),
            count: 3,
            len: 3000,
            watermark: Lsn::NONE,
            chain: 0,
            prev_segment: SegmentNo::NONE,
            prev_end: 0,
        };
        let ground = Ground { block: 4096, ..ground };
        for factor in [1, 7, 99, 100] {
            let mut span = Span::new(ground, LsnRange::of(Lsn(1), 303), 4096, 102 * 4096);
            // Every one of 101, in an order of its own, and then again.
            for at in (0..202).map(|at| at * factor % 101) {
                span.mark(Mark::of(&header(at), 0), MIN_STRIDE);
                let lsn = header(at).base.next();
                assert_eq!(span.nearest(lsn), Mark::of(&header(at), 0), "{factor} {at}");
            }
            span.thin(50 * 4096);
            assert_eq!(span.marks(), 1, "{factor}");
            assert!((1..=303).map(Lsn).all(|lsn| span.nearest(lsn).holds(lsn)));
        }
    }
}
