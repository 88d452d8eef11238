//! What writers fill: the open batch, the streams' sequence numbers, and the space that is reserved for them.
//!
//! Space is reserved when a record is put in, before it gets its LSN: a record that has one fits into its
//! segment, and so does the idle mark behind it. All of this happens under the kernel's short lock.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::backoff::Backoff;
use crate::batch::{BatchBuilder, FRAME_HEADER, TABLE_ROW, padded_len};
use crate::codec::as_u64;
use crate::error::{Error, Result};
use crate::group_commit::Nap;
use crate::lsn::{Lsn, SegmentNo, Seq, StreamId};
use crate::options::Options;
use crate::segment::Segment;
use crate::ticket::Spot;
use crate::types::{Durability, Record};

/// The segment that the open batch goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Active {
    pub(crate) segment: SegmentNo,
    /// Where the open batch begins: behind all that was taken.
    pub(crate) end: u64,
    pub(crate) capacity: u64,
}

/// What became of an attempt to put records in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Put {
    /// They are in.
    Done,
    /// The open batch, of this number, must be committed first.
    Commit(u64),
    /// A segment of at least this capacity must be prepared first.
    Prepare(u64),
}

/// Whether whoever puts a record in waits for it, and commits it if nobody else does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Waits {
    Yes,
    No,
}

/// What a leader takes from the front, besides the batch itself.
#[derive(Debug)]
pub(crate) struct Taken {
    /// The segment that the batch is the first of.
    pub(crate) entering: Option<Segment>,
    /// Where the batch goes.
    pub(crate) offset: u64,
    /// A record in it is to survive a loss of power.
    pub(crate) power: bool,
    /// Somebody waits for a record in it.
    pub(crate) awaited: bool,
}

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Front {
    pub(crate) open: BatchBuilder,
    /// The number of the open batch; moves on when it is taken.
    number: u64,
    streams: BTreeMap<StreamId, Seq>,
    max_streams: u32,
    max_batch: u64,
    block: u32,
    active: Option<Active>,
    entering: Option<Segment>,
    ready: Option<Segment>,
    /// When the next segment may be prepared ahead of need, after that has failed.
    ahead: Backoff,
    power: bool,
    /// Somebody waits for a record of the open batch.
    awaited: bool,
    /// When the open batch got its first record that nobody waits for.
    alone: Option<Duration>,
    /// The idle mark is wanted.
    pub(crate) mark: bool,
    /// When the worker looks again, unless it is roused; `None` while it is awake.
    worker_at: Option<Duration>,
    /// The worker is to end.
    pub(crate) stopping: bool,
}

impl Front {
    pub(crate) fn new(options: &Options, next: Lsn, streams: BTreeMap<StreamId, Seq>) -> Self {
        let mut open = BatchBuilder::new(options.block_size, options.max_batch_bytes);
        open.begin(next);
        Self {
            open,
            number: 0,
            streams,
            max_streams: options.max_streams,
            max_batch: u64::from(options.max_batch_bytes),
            block: options.block_size,
            active: None,
            entering: None,
            ready: None,
            ahead: Backoff::default(),
            power: false,
            awaited: false,
            alone: None,
            mark: false,
            worker_at: None,
            stopping: false,
        }
    }

    /// Puts all of `records` into the open batch, or none. Says in `spots`, one for each record, where they went.
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::TooManyStreams`]. Nothing is changed then.
    pub(crate) fn put(
        &mut self,
        records: &[Record<'_>],
        spots: &mut [Spot],
        durability: Durability,
        waits: Waits,
        now: Duration,
    ) -> Result<Put> {
        let framed = framed(records);
        if framed > self.max_batch {
            return Err(Error::TooLarge { len: framed, limit: self.max_batch });
        }
        self.check_streams(records)?;
        match self.reserve(framed) {
            Put::Done => {}
            other => return Ok(other),
        }
        if waits == Waits::No {
            self.alone.get_or_insert(now);
        }
        self.power |= durability == Durability::PowerLoss;
        self.awaited |= waits == Waits::Yes;
        let Active { segment, end, .. } = self.active.unwrap_or_default();
        for (record, spot) in records.iter().zip(spots) {
            let seq = self.streams.entry(record.stream).or_default();
            let (lsn, offset) = self.open.push(record.stream, *seq, record.payload)?;
            *spot = Spot { lsn, seq: *seq, segment, offset: end.saturating_add(u64::from(offset)) };
            *seq = seq.next();
        }
        Ok(Put::Done)
    }

    fn check_streams(&self, records: &[Record<'_>]) -> Result<()> {
        let new = |record: &&Record<'_>| !self.streams.contains_key(&record.stream);
        let count = match records {
            [one] => usize::from(new(&one)),
            _ => records.iter().filter(new).map(|record| record.stream).collect::<BTreeSet<_>>().len(),
        };
        match as_u64(self.streams.len() + count) > u64::from(self.max_streams) {
            true if count > 0 => Err(Error::TooManyStreams { limit: self.max_streams }),
            _ => Ok(()),
        }
    }

    /// Finds space for `framed` bytes of frames. One block behind them stays free for the idle mark.
    fn reserve(&mut self, framed: u64) -> Put {
        if !self.open.is_empty() {
            let len = self.open.padded_len_with(framed);
            let full = !usize::try_from(framed)
                .is_ok_and(|framed| self.open.fits(framed.saturating_sub(FRAME_HEADER)));
            return if full || !self.has_room(len) { Put::Commit(self.number) } else { Put::Done };
        }
        if self.has_room(padded_len(framed, self.block)) {
            return Put::Done;
        }
        let needed = self.capacity_for(framed);
        match self.ready.take_if(|ready| ready.capacity >= needed) {
            Some(ready) => {
                self.enter(ready);
                Put::Done
            }
            None => Put::Prepare(needed),
        }
    }

    fn has_room(&self, len: u64) -> bool {
        let with_mark = len.saturating_add(u64::from(self.block));
        self.active.is_some_and(|active| with_mark <= active.capacity.saturating_sub(active.end))
    }

    /// The capacity of a segment whose first batch holds the stream table and `framed` bytes of frames.
    pub(crate) fn capacity_for(&self, framed: u64) -> u64 {
        let table = match self.streams.len() {
            0 => 0,
            count => as_u64(FRAME_HEADER + count * TABLE_ROW),
        };
        padded_len(framed.saturating_add(table), self.block).saturating_add(2 * u64::from(self.block))
    }

    /// Makes `segment` the one that the open batch, which is empty, is the first of.
    fn enter(&mut self, segment: Segment) {
        let end = u64::from(self.block);
        self.active = Some(Active { segment: segment.number, end, capacity: segment.capacity });
        self.entering = Some(segment);
        self.open.push_table(self.streams.iter().map(|(stream, next)| (*stream, *next)));
    }

    /// Whether a prepared segment of at least `capacity` waits.
    pub(crate) fn is_ready(&self, capacity: u64) -> bool {
        self.ready.as_ref().is_some_and(|ready| ready.capacity >= capacity)
    }

    /// Offers a prepared segment. One that waits already but is smaller is given up: it stays empty, and the
    /// next open removes it.
    pub(crate) fn offer(&mut self, segment: Segment) {
        self.ahead.reset();
        if !self.is_ready(segment.capacity) {
            self.ready = Some(segment);
        }
    }

    /// Whether the next segment should be prepared ahead: the active one has a batch, an eighth of it is used, and it was not just
    /// refused. To fill the next one takes about as long as to use this one up, if batches come as fast as they can; and who
    /// appends little leaves no empty segment.
    pub(crate) fn wants_segment(&self, now: Duration) -> bool {
        self.ready.is_none()
            && self.active.is_some_and(|active| active.end > (active.capacity / 8).max(u64::from(self.block)))
            && self.ahead.is_due(now)
    }

    /// The worker sleeps from now on, or is awake.
    pub(crate) fn worker_naps(&mut self, nap: Nap, now: Duration) {
        self.worker_at = match nap {
            Nap::Not => None,
            Nap::For(time) => Some(now.saturating_add(time)),
            // A commit ends without anybody's help.
            Nap::Flight => Some(now),
            Nap::Roused => Some(Duration::MAX),
        };
    }

    /// Whether the worker would sleep through what a record has just made due: the next segment at once, its commit,
    /// for want of anybody who waits, or an idle mark `delay` from now. Who is told so rouses it, and nobody else does.
    pub(crate) fn must_rouse(&mut self, now: Duration, delay: Duration) -> bool {
        let at_once = self.wants_segment(now) || self.due_at(delay).is_some_and(|at| at <= now);
        let due = if at_once { now } else { now.saturating_add(delay) };
        self.worker_at.take_if(|at| *at > due).is_some()
    }

    /// There was no space to prepare the next segment ahead of need: not again at once.
    pub(crate) fn ahead_refused(&mut self, now: Duration) {
        self.ahead.failed(now);
    }

    /// Space was freed: the next segment may be prepared at once.
    pub(crate) fn space_freed(&mut self) {
        self.ahead.reset();
    }

    /// Hands the open batch over, by exchanging it for `spare`. `None` when there is nothing to commit.
    pub(crate) fn take(&mut self, spare: &mut BatchBuilder) -> Option<Taken> {
        let wanted = std::mem::take(&mut self.mark);
        let active = self.active.as_mut()?;
        if self.open.is_empty() && !(wanted && active.end < active.capacity && self.entering.is_none()) {
            return None;
        }
        let next = self.open.next();
        std::mem::swap(&mut self.open, spare);
        self.open.begin(next);
        self.number += 1;
        self.alone = None;
        let offset = active.end;
        active.end = active.end.saturating_add(spare.padded_len());
        let (power, awaited) = (std::mem::take(&mut self.power), std::mem::take(&mut self.awaited));
        Some(Taken { entering: self.entering.take(), offset, power, awaited })
    }

    /// Takes over a record that recovery wrote again: `next` is what its stream's next record gets.
    pub(crate) fn recovered(&mut self, stream: StreamId, next: Seq) {
        self.streams.insert(stream, next);
    }

    /// Goes on in a segment that recovery has begun, whose last batch ends at `end`.
    pub(crate) fn resume(&mut self, segment: &Segment, end: u64, next: Lsn) {
        self.active = Some(Active { segment: segment.number, end, capacity: segment.capacity });
        self.open.begin(next);
    }

    /// The number of the open batch.
    pub(crate) const fn number(&self) -> u64 {
        self.number
    }

    /// Whether a record is in the open batch.
    pub(crate) const fn is_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// When the open batch is to be committed for want of anybody who waits, if it has a record that nobody waits for: once
    /// that is as old as `max_delay`, or at once when half of the room is used. The other half is filled meanwhile.
    pub(crate) fn due_at(&self, max_delay: Duration) -> Option<Duration> {
        let delay = if self.open.is_half_full() { Duration::ZERO } else { max_delay };
        self.alone.map(|since| since.saturating_add(delay))
    }

    /// The first LSN that was not taken: of a record in the open batch, or of the next that is put in.
    pub(crate) const fn first_open(&self) -> Lsn {
        self.open.lsns().first
    }

    /// The LSN that the next record gets.
    pub(crate) const fn next(&self) -> Lsn {
        self.open.next()
    }

    /// The sequence number that a stream's next record gets.
    pub(crate) fn next_seq(&self, stream: StreamId) -> Seq {
        self.streams.get(&stream).copied().unwrap_or_default()
    }

    /// How many streams there are.
    pub(crate) fn stream_count(&self) -> usize {
        self.streams.len()
    }
}

/// The bytes that the frames of `records` take.
pub(crate) fn framed(records: &[Record<'_>]) -> u64 {
    records.iter().map(|record| as_u64(record.payload.len()).saturating_add(as_u64(FRAME_HEADER))).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn front() -> Front {
        let options =
            Options { block_size: 256, max_batch_bytes: 1024, max_streams: 2, ..Options::default() };
        Front::new(&options, Lsn(5), BTreeMap::new())
    }

    fn put(front: &mut Front, stream: u64, len: usize) -> Result<Put> {
        let payload = vec![7; len];
        let record = Record { stream: StreamId(stream), payload: &payload };
        let mut spots = [Spot::default()];
        let put = front.put(&[record], &mut spots, Durability::PowerLoss, Waits::Yes, Duration::ZERO)?;
        if put == Put::Done {
            assert_eq!(spots[0].lsn, front.next().prev());
        }
        Ok(put)
    }

    #[test]
    fn without_space_no_number_is_given() {
        let mut front = front();
        // Header, one block for the batch, one for the idle mark.
        assert_eq!(put(&mut front, 1, 100), Ok(Put::Prepare(768)));
        assert_eq!((front.next(), front.stream_count()), (Lsn(5), 0));
        assert_eq!(put(&mut front, 1, 1000), Err(Error::TooLarge { len: 1032, limit: 1024 }));
    }

    #[test]
    fn space_is_reserved_up_to_the_block_of_the_idle_mark() {
        let mut front = front();
        front.active = Some(Active { segment: SegmentNo(1), end: 256, capacity: 1024 });
        assert_eq!(put(&mut front, 1, 100), Ok(Put::Done));
        assert_eq!(put(&mut front, 2, 200), Ok(Put::Done));
        assert_eq!(put(&mut front, 2, 100), Ok(Put::Commit(0)));
        assert_eq!((front.next(), front.next_seq(StreamId(2))), (Lsn(7), Seq(1)));
        let mut spare = BatchBuilder::new(256, 1024);
        let taken = front.take(&mut spare).expect("a batch");
        assert_eq!((taken.offset, taken.power, front.number()), (256, true, 1));
        assert_eq!(put(&mut front, 2, 100), Ok(Put::Prepare(768 + 256)));
        assert!(front.take(&mut spare).is_none());
        front.mark = true;
        assert_eq!(front.take(&mut spare).map(|taken| (taken.offset, taken.power)), Some((768, false)));
        front.mark = true;
        assert!(front.take(&mut spare).is_none(), "there is no room for a second mark");
    }

    #[test]
    fn the_batch_is_full_when_its_buffer_is() {
        let mut front = front();
        front.active = Some(Active { segment: SegmentNo(1), end: 256, capacity: 65_536 });
        assert_eq!(put(&mut front, 1, 900), Ok(Put::Done));
        assert_eq!(put(&mut front, 1, 61), Ok(Put::Commit(0)));
        assert_eq!(put(&mut front, 1, 60), Ok(Put::Done));
    }

    #[test]
    fn streams_are_counted_before_anything_is_put() {
        let mut front = front();
        front.active = Some(Active { segment: SegmentNo(1), end: 256, capacity: 65_536 });
        let records = [1, 2, 3, 2].map(|stream| Record { stream: StreamId(stream), payload: b"x" });
        let mut spots = [Spot::default(); 4];
        let put = front.put(&records, &mut spots, Durability::PowerLoss, Waits::Yes, Duration::ZERO);
        assert_eq!((put, front.next()), (Err(Error::TooManyStreams { limit: 2 }), Lsn(5)));
        let put =
            front.put(&records[..2], &mut spots[..2], Durability::PowerLoss, Waits::Yes, Duration::ZERO);
        assert_eq!((put, front.next()), (Ok(Put::Done), Lsn(7)));
    }

    /// A loss that was accepted with other options may leave such a log.
    #[test]
    fn a_log_of_more_streams_than_are_allowed_goes_on_with_those_it_has() {
        let options =
            Options { block_size: 256, max_batch_bytes: 1024, max_streams: 2, ..Options::default() };
        let streams = (1..=3).map(|stream| (StreamId(stream), Seq(7))).collect();
        let mut front = Front::new(&options, Lsn(5), streams);
        front.active = Some(Active { segment: SegmentNo(1), end: 256, capacity: 65_536 });
        assert_eq!(put(&mut front, 3, 10), Ok(Put::Done));
        assert_eq!(put(&mut front, 4, 10), Err(Error::TooManyStreams { limit: 2 }));
    }

    #[test]
    fn the_worker_is_roused_only_for_what_it_would_sleep_through_and_once() {
        let at = Duration::from_secs;
        let mut front = front();
        assert!(!front.must_rouse(at(10), at(2)), "it is awake");
        front.worker_naps(Nap::For(at(2)), at(10));
        assert!(!front.must_rouse(at(10), at(2)), "it looks when that is due");
        front.worker_naps(Nap::For(at(3)), at(10));
        assert_eq!([(); 2].map(|()| front.must_rouse(at(10), at(2))), [true, false]);
        front.worker_naps(Nap::Roused, at(10));
        front.alone = Some(at(7));
        assert!(front.must_rouse(at(10), at(2)), "a record is due");
        front.worker_naps(Nap::Flight, at(10));
        assert!(!front.must_rouse(at(10), at(2)), "a commit ends without anybody's help");
    }
}
