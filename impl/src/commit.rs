//! What a leader does: it writes the batch itself, makes it durable, checks that its file is still in its
//! place, and only then lets the marks move.

use std::time::Duration;

use crate::batch::{BatchBuilder, BatchHeader, Seal};
use crate::board::Board;
use crate::catalog::Catalog;
use crate::codec::as_u64;
use crate::error::{Error, Result};
use crate::event::{self, Event, Place};
use crate::front::{Front, Taken};
use crate::group_commit::{Marks, Work};
use crate::home::Home;
use crate::lsn::{Lsn, SegmentNo};
use crate::options::Options;
use crate::segment::Segment;
use crate::sync::{Arc, Mutex};
use crate::walk::Ground;
use crate::way::{BatchSize, Chooser, Chosen, Way};

/// The last batch that counts, wherever it is. The next one continues it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Last {
    /// Its chain value; 0 if there is no batch.
    pub(crate) chain: u64,
    /// Its segment; [`SegmentNo::NONE`] if there is no batch.
    pub(crate) segment: SegmentNo,
    /// Where it ends, in bytes.
    pub(crate) end: u64,
}

/// What only the leader may touch.
#[derive(Debug)]
pub(crate) struct Commit {
    home: Home,
    chooser: Chooser,
    catalog: Arc<Mutex<Catalog>>,
    batch: BatchBuilder,
    /// Where the digests of its records go, for those who wait for them.
    board: Arc<Board>,
    taken: Option<Taken>,
    segment: Option<Segment>,
    last: Last,
    marks: Marks,
    /// The last LSN that a mark or a batch on the disk vouches for.
    vouched: Lsn,
    /// When the last batch was committed.
    last_at: Duration,
    /// Since when more records have been waited for, if they are.
    lingers: Option<Duration>,
}

/// How long a leader waits for more records at most: about what a device takes for a small write.
const PATIENCE: Duration = Duration::from_micros(100);

impl Commit {
    pub(crate) fn new(
        home: Home,
        options: &Options,
        catalog: Arc<Mutex<Catalog>>,
        batch: BatchBuilder,
        last: Last,
        marks: Marks,
    ) -> Self {
        let vouched = marks.durable;
        let last_at = home.env.clock.monotonic();
        Self {
            home,
            chooser: Chooser::new(options.sync, options.durability),
            catalog,
            batch,
            board: Arc::new(Board::new()),
            taken: None,
            segment: None,
            last,
            marks,
            vouched,
            last_at,
            lingers: None,
        }
    }

    /// Makes durable what has been written to the current segment so far.
    fn settle(&mut self) -> Result<()> {
        if let Some(segment) = &self.segment {
            if self.marks.written > self.marks.durable {
                segment.sync_data()?;
            }
            // The next batch claims all of it: what no name leads to must not be claimed.
            segment.check_place(&self.home, self.last.end)?;
        }
        self.claim_durable();
        Ok(())
    }

    /// Everything written is durable, as far as this volume can keep such a promise at all.
    fn claim_durable(&mut self) {
        if self.home.volume.weakness.is_none() {
            self.marks.durable = self.marks.written;
        }
    }

    /// Writes the batch that was taken, by the rules of the module's text.
    ///
    /// # Errors
    /// Any error must poison.
    pub(crate) fn commit(&mut self, taken: Taken) -> Result<Marks> {
        let is_mark = self.batch.is_empty();
        let first = taken.entering.is_some();
        if first || is_mark {
            // No batch enters a segment before its predecessor is wholly durable, for its first batch
            // vouches for all of it; and the idle mark vouches for all that was written before it.
            self.settle()?;
        }
        if let Some(segment) = taken.entering {
            self.segment = Some(segment);
        }
        let Some(segment) = &self.segment else { return Ok(self.marks) };
        let seal = Seal {
            site: segment.site(self.home.log, taken.offset),
            watermark: self.marks.durable,
            chain: self.last.chain,
            prev: (first && self.last.segment != SegmentNo::NONE)
                .then_some((self.last.segment, self.last.end)),
        };
        let (header, bytes) = self.batch.seal(&seal);
        let power = taken.power || is_mark;
        // What was written before and not synced takes a sync; and what needs none is left to the page cache.
        let free = power && self.marks.written == self.marks.durable;
        let size = BatchSize::of(as_u64(bytes.len()));
        let trial = self.chooser.of(size);
        let way = segment.way(if free { trial.next() } else { Way::Synced });
        let tried = free && !is_mark && segment.has_choice() && trial.tries();
        let began = tried.then(|| self.home.env.clock.monotonic());
        segment.write_all_at(bytes, taken.offset, way)?;
        if way == Way::Synced && size == BatchSize::Large {
            segment.write_out(taken.offset, as_u64(bytes.len()));
        }
        if taken.awaited {
            self.board.post(&self.batch);
        }
        if power && way == Way::Synced {
            segment.sync_data()?;
        }
        if let Some(began) = began {
            let took = self.home.env.clock.monotonic().saturating_sub(began);
            if let Some(Chosen { method, synced, through }) = trial.took(took) {
                self.home.emit(&Event::SyncChosen { size, method, synced, through });
            }
        }
        let end = header.end(self.home.block);
        // What was synced into a file that no name leads to is lost with the descriptor.
        segment.check_place(&self.home, end)?;
        let ground = Ground {
            log: self.home.log,
            segment: segment.number,
            salt: segment.salt,
            capacity: segment.capacity,
            block: self.home.block,
        };
        self.last = Last { chain: header.chain_value(), segment: segment.number, end };
        self.vouched = self.vouched.max(seal.watermark);
        self.last_at = self.home.env.clock.monotonic();
        self.publish(ground, &header, power);
        Ok(self.marks)
    }

    /// Moves the marks, and tells of it. Everything it tells of is already so.
    fn publish(&mut self, ground: Ground, header: &BatchHeader, power: bool) {
        let (lsns, offset, end) = (header.lsns(), header.site.offset, header.end(ground.block));
        if lsns.is_empty() {
            self.claim_durable();
            let upto = self.vouched;
            self.home.emit(&Event::IdleMark { upto, segment: ground.segment, offset });
            return;
        }
        self.marks.written = lsns.last;
        self.catalog.lock().extend(ground, header, self.batch.table_len());
        let place = Place { lsns, segment: ground.segment, offset, end };
        if power {
            self.claim_durable();
            event::durable(&self.home.events, place);
        } else {
            event::accepted(&self.home.events, place);
        }
    }

    /// Whether an idle mark would vouch for anything that nothing vouches for yet.
    pub(crate) fn wants_mark(&self) -> bool {
        self.segment.is_some() && self.home.volume.weakness.is_none() && self.vouched < self.marks.written
    }
}

impl Commit {
    /// Where the digests of what somebody waits for are left.
    pub(crate) const fn board(&self) -> &Arc<Board> {
        &self.board
    }

    /// How far the log has got.
    pub(crate) const fn marks(&self) -> Marks {
        self.marks
    }

    /// Exchanges the buffer, which recovery made as large as it needed, for one of the usual size.
    pub(crate) fn replace_buffer(&mut self, batch: BatchBuilder) {
        self.batch = batch;
    }

    /// The last record that something on the disk, other than its own batch, vouches for.
    pub(crate) const fn vouched(&self) -> Lsn {
        self.vouched
    }

    /// When the last batch was committed, on the monotonic clock.
    pub(crate) const fn last_at(&self) -> Duration {
        self.last_at
    }
}

impl Work for Commit {
    type Front = Front;
    type Failure = Error;

    fn linger(&mut self) -> bool {
        let now = self.home.env.clock.monotonic();
        let since = *self.lingers.get_or_insert(now);
        let goes_on = now.saturating_sub(since) < PATIENCE;
        if goes_on {
            self.home.env.clock.pause();
        }
        goes_on
    }

    fn is_open(front: &Front, goal: Marks) -> bool {
        goal.written.max(goal.durable) >= front.first_open()
    }

    fn take(&mut self, front: &mut Front) -> bool {
        self.lingers = None;
        front.mark &= self.wants_mark();
        self.taken = front.take(&mut self.batch);
        self.taken.is_some()
    }

    fn carry_out(&mut self) -> Result<Marks> {
        let Some(taken) = self.taken.take() else { return Ok(self.marks) };
        self.commit(taken).map_err(Error::poisoned)
    }

    fn failed(&mut self, failure: &Error) {
        self.home.emit(&Event::Poisoned { cause: failure.poison().clone() });
    }

    fn unwinds(&mut self, failure: &Error) {
        self.home.events.emit_unwinding(&Event::Poisoned { cause: failure.poison().clone() });
    }

    fn abandoned() -> Error {
        Error::Abandoned.poisoned()
    }
}
