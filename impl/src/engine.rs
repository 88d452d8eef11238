//! An open log, as its handle, its worker and its readers share it.

use std::time::Duration;

use truelog_env::DirLock;

use crate::archive::Archive;
use crate::archive::keeper::Keeper;
use crate::audit::Auditor;
use crate::board::Board;
use crate::catalog::Catalog;
use crate::codec::as_u64;
use crate::commit::Commit;
use crate::error::{Error, Failure, ReadOnlyWhy, Result};
use crate::event::Event;
use crate::front::{Front, Put, Waits};
use crate::group_commit::{Driven, GroupCommit, Marks};
use crate::health::Lag;
use crate::home::Home;
use crate::house::{House, Unwinding};
use crate::lsn::{Lsn, LsnRange};
use crate::options::Options;
use crate::reader::Reader;
use crate::receipt::{Claim, Receipt};
use crate::sync::{Arc, Mutex};
use crate::ticket::Spot;
use crate::types::{Durability, Record};

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) home: Home,
    pub(crate) options: Options,
    pub(crate) kernel: GroupCommit<Commit>,
    pub(crate) catalog: Arc<Mutex<Catalog>>,
    pub(crate) reader: Arc<Reader>,
    /// Where a commit leaves the digests of its records.
    pub(crate) board: Arc<Board>,
    pub(crate) archive: Arc<Archive>,
    /// Taken before `house`.
    pub(crate) keeper: Mutex<Keeper>,
    /// `None` when nothing may be written.
    pub(crate) house: Mutex<Option<House>>,
    pub(crate) read_only: Option<ReadOnlyWhy>,
    /// Told apart from every other handle by this.
    pub(crate) handle: u64,
    pub(crate) lock: Mutex<Option<Box<dyn DirLock>>>,
    pub(crate) audit: Auditor,
    /// Since when the durable watermark has stood still.
    pub(crate) lag: Mutex<Lag>,
    /// Why the last record that needed more space was refused; nothing once there was space.
    pub(crate) refused: Mutex<Option<Error>>,
}

/// What a [`step`](crate::Log::step) did, and when the next one is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Records that nobody waited for were committed.
    pub committed: bool,
    /// A segment was prepared ahead of need.
    pub prepared: bool,
    /// The idle mark was written.
    pub marked: bool,
    /// After this time another step has something to do, even if nobody calls the log. `None`: nothing.
    pub next: Option<Duration>,
}

/// What a trim did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trimmed {
    /// The first record that is kept. Lower than what was asked for when that is not durable yet.
    pub before: Lsn,
    /// How many segments were removed.
    pub segments: u64,
}

impl Engine {
    /// Why nothing can be written, if so.
    pub(crate) fn check_writable(&self) -> Result<()> {
        match &self.read_only {
            Some(why) => Err(Error::ReadOnly { why: why.clone() }),
            None => Ok(()),
        }
    }

    /// Puts all of `records` into one batch, or none, which it tells; and says where they went.
    pub(crate) fn put(
        &self,
        records: &[Record<'_>],
        spots: &mut [Spot],
        durability: Durability,
        waits: Waits,
    ) -> Result<()> {
        let put = self.put_in_batch(records, spots, durability, waits);
        if let Err(error) = &put {
            self.home.emit(&Event::Rejected { records: as_u64(records.len()), error: error.clone() });
        }
        put
    }

    fn put_in_batch(
        &self,
        records: &[Record<'_>],
        spots: &mut [Spot],
        durability: Durability,
        waits: Waits,
    ) -> Result<()> {
        self.check_writable()?;
        self.home.check_promise(durability)?;
        let delay = match waits {
            Waits::Yes => self.options.quiet,
            Waits::No => self.options.max_delay,
        };
        loop {
            let now = self.home.env.clock.monotonic();
            let (put, rouse) = self.kernel.with(|front| {
                let put = front.put(records, spots, durability, waits, now);
                let rouse = matches!(put, Ok(Put::Done)) && front.must_rouse(now, delay);
                (put, rouse)
            })?;
            if rouse {
                self.kernel.rouse();
            }
            match put? {
                Put::Done => return Ok(()),
                Put::Commit(number) => {
                    self.kernel.make_room(|front| front.number() != number)?;
                }
                Put::Prepare(needed) => {
                    let prepared = self.prepare(needed);
                    let refused = |error: &&Error| matches!(error, Error::Full { .. });
                    *self.refused.lock() = prepared.as_ref().err().filter(refused).cloned();
                    prepared?;
                }
            }
        }
    }

    /// Waits until the records from `first` to `last` have their durability, leading if nobody else does, and
    /// tells that they are about to be acknowledged.
    pub(crate) fn acknowledge(&self, lsns: LsnRange, durability: Durability) -> Result<()> {
        let goal = match durability {
            Durability::PowerLoss => Marks::durable(lsns.last),
            Durability::ProcessCrash => Marks::written(lsns.last),
        };
        match self.kernel.resolve(goal)? {
            Driven::Done => {}
            Driven::Idle => return Err(Error::BadTicket),
        }
        self.home.emit(&Event::Acked { lsns, durability });
        Ok(())
    }

    /// Prepares a segment of at least `needed` bytes, unless one waits.
    fn prepare(&self, needed: u64) -> Result<()> {
        self.keep(|house| {
            if self.kernel.with(|front| front.is_ready(needed)).map_err(Failure::harmless)? {
                return Ok(());
            }
            let (home, options) = (&self.home, &self.options);
            let is_read = |version| self.catalog.lock().is_read_before(version);
            let reused = house.take_spare(home, options, needed, is_read);
            let capacity = match &reused {
                Some(reused) => reused.capacity,
                None => house.size_in_room(home, options, needed)?,
            };
            let durable = self.kernel.marks().durable;
            let segment = house.prepare(home, options, (needed, capacity), reused, durable)?;
            // Still keeping house: else a second thread finds none ready, and its segment, of a higher number, may be
            // offered before this one.
            self.kernel.with(|front| front.offer(segment)).map_err(Failure::harmless)
        })
    }

    /// Keeps house: nobody else does meanwhile. A failure that poisons fails the log, as does an unwinding.
    ///
    /// # Errors
    /// What `work` fails with; [`Error::Poisoned`], [`Error::Closed`], [`Error::ReadOnly`] without doing it.
    pub(crate) fn keep<T>(
        &self,
        work: impl FnOnce(&mut House) -> std::result::Result<T, Failure>,
    ) -> Result<T> {
        self.check_writable()?;
        let mut house = self.house.lock();
        if let Some(failure) = self.kernel.failure() {
            return Err(failure);
        }
        let Some(house) = house.as_mut() else { return Err(Error::Closed) };
        self.keep_on(house, work)
    }

    fn keep_on<T>(
        &self,
        house: &mut House,
        work: impl FnOnce(&mut House) -> std::result::Result<T, Failure>,
    ) -> Result<T> {
        let guard = Unwinding { kernel: &self.kernel, home: &self.home, armed: true };
        house.sound = false;
        let result = work(house);
        house.sound = !result.as_ref().is_err_and(|failure| failure.poisons);
        guard.end(result)
    }

    /// Keeps house once more after the log was failed by whoever calls this, for what must be remembered; unless something
    /// else has left the house in doubt. That it fails changes nothing.
    pub(crate) fn keep_last<T>(&self, work: impl FnOnce(&mut House) -> std::result::Result<T, Failure>) {
        if let Some(house) = self.house.lock().as_mut().filter(|house| house.sound) {
            house.sound = false;
            let _ = work(house);
        }
    }

    /// The last record that survives a loss of power.
    pub(crate) fn durable(&self) -> Lsn {
        self.kernel.marks().durable
    }

    /// The bounded piece of background work that is due now.
    pub(crate) fn step(&self) -> Result<Progress> {
        let mut progress = Progress::default();
        if self.read_only.is_some() {
            return Ok(progress);
        }
        let now = self.home.env.clock.monotonic();
        let old = |since: Duration, age: Duration| now.saturating_sub(since) >= age;
        let (due, wants_segment) = self.kernel.with(|front| {
            let due = front.due_at(self.options.max_delay).is_some_and(|at| at <= now);
            (due, front.wants_segment(now))
        })?;
        if due {
            progress.committed = self.kernel.lead_once()?;
        }
        if wants_segment {
            progress.prepared = self.prepare_ahead(now)?;
        }
        let quiet = self.kernel.peek(|front, work| {
            !front.is_open()
                && work.is_some_and(|work| work.wants_mark() && old(work.last_at(), self.options.quiet))
        });
        if quiet {
            progress.marked = self.mark()?;
        }
        let now = self.home.env.clock.monotonic();
        progress.next = self.kernel.peek(|front, work| self.next_due(front, work, now));
        Ok(progress)
    }

    /// Prepares a segment before anybody needs it. That there is no space for it hurts nobody yet; but each try makes
    /// a file and removes it, so that the next one waits.
    fn prepare_ahead(&self, now: Duration) -> Result<bool> {
        match self.prepare(0) {
            Ok(()) => Ok(true),
            Err(error) => match self.kernel.with(|front| front.ahead_refused(now)) {
                Ok(()) => Ok(false),
                Err(_) => Err(error),
            },
        }
    }

    /// Writes the idle mark, if it would vouch for anything.
    pub(crate) fn mark(&self) -> Result<bool> {
        self.kernel.with(|front| front.mark = true)?;
        self.kernel.lead_once()
    }

    /// When the next step is due, by what the front holds and, unless a commit is in flight, the work.
    pub(crate) fn next_due(&self, front: &Front, work: Option<&Commit>, now: Duration) -> Option<Duration> {
        match (front.due_at(self.options.max_delay), work) {
            (Some(at), _) => Some(at.saturating_sub(now)),
            // Whoever waits commits it; behind that there may be something to mark.
            (None, None) => Some(self.options.quiet),
            (None, Some(_)) if front.is_open() => Some(self.options.quiet),
            (None, Some(work)) => work.wants_mark().then(|| {
                let at = work.last_at().saturating_add(self.options.quiet);
                at.saturating_sub(now)
            }),
        }
    }

    /// Moves the trim point.
    pub(crate) fn trim(&self, before: Lsn) -> Result<Trimmed> {
        let marks = self.kernel.marks();
        // On a volume that keeps no promise nothing is ever called durable; there, written is all there is.
        let bound = if self.home.volume.weakness.is_some() { marks.written } else { marks.durable };
        let before = before.min(bound.next());
        let (trimmed, dropped) = self.keep(|house| {
            let (trimmed, floor) = {
                let catalog = self.catalog.lock();
                // The segment of the last bound record stays whatever is trimmed: its first batch carries the
                // streams' numbers, and a later segment's may still be lost.
                (catalog.trimmed, catalog.floor_for(before.min(bound)))
            };
            let floor = floor.unwrap_or_default().max(house.manifest().state().floor);
            if before <= trimmed {
                return Ok((Trimmed { before: trimmed, segments: 0 }, None));
            }
            let mut dropped = None;
            let told = || {
                let (version, runs) = self.catalog.lock().trim(before, floor);
                dropped = Some((version, runs));
                version
            };
            let result = house.trim(&self.home, &self.options, (before, floor), marks.durable, told);
            result.map(|segments| (Trimmed { before, segments }, dropped))
        })?;
        if trimmed.segments > 0 {
            // That the log fails meanwhile changes nothing for this trim.
            let _ = self.kernel.with(Front::space_freed);
        }
        if let Some((version, runs)) = dropped {
            self.archive_trimmed(version, &runs);
        }
        Ok(trimmed)
    }

    /// Commits what is open and writes the idle mark: what a close does before it lets go.
    pub(crate) fn finish(&self) -> Result<()> {
        if self.read_only.is_none() {
            self.kernel.make_room(|front| !front.is_open())?;
            self.mark()?;
            self.last_look()?;
            self.keep(|house| {
                house.give_spares_back(&self.home);
                Ok(())
            })?;
        }
        self.home.emit(&Event::Closed);
        Ok(())
    }

    /// Lets go of the log: no call succeeds any more, and the lock is free.
    pub(crate) fn let_go(&self) {
        self.kernel.fail(Error::Closed);
        *self.lock.lock() = None;
    }
}

impl Engine {
    /// The receipt for a record that [`Engine::acknowledge`] has just seen through. The auditor may hold the log to it.
    #[allow(clippy::disallowed_methods, reason = "the one place behind the commit path that issues receipts")]
    pub(crate) fn issue(&self, claim: Claim) -> Receipt {
        self.audit.issued(&claim);
        Receipt::issue(claim)
    }
}
