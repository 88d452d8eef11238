//! Group commit: records gather in one buffer while another is written.

use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use atomic_wait::{wait, wake_all, wake_one};

use super::aligned::{Aligned, Ring};
use super::{BLOCK, FRAMED, frame};
use crate::measure::Sample;
use crate::payload::{Payload, SMALL};
use crate::plan::Task;
use crate::workloads::append::{Drive, drive};

/// The longest that a leader waits for others.
const PATIENCE: Duration = Duration::from_micros(100);

/// Which batch a record went into.
#[derive(Clone, Copy)]
pub struct Ticket {
    batch: u32,
    first: bool,
}

struct Open {
    buf: Aligned,
    used: usize,
    batch: u32,
}

/// What writers share.
pub struct Group {
    open: Mutex<Open>,
    writing: Mutex<(Ring, Aligned)>,
    /// The number of records in the open batch, to be looked at without the lock.
    waiting: AtomicU32,
    /// The last batch that is durable, of even and of odd number.
    done: [AtomicU32; 2],
    /// What writers of even and of odd batches sleep on, so that each batch wakes its own writers only. Moves on whenever one of them has something to look at.
    news: [AtomicU32; 2],
    /// What the flusher sleeps on.
    arrived: AtomicU32,
    leading: AtomicBool,
}

impl Group {
    /// For so many writers.
    pub fn new(path: &Path, writers: usize) -> Result<Self> {
        let len = (writers * FRAMED).next_multiple_of(BLOCK);
        Ok(Self {
            open: Mutex::new(Open { buf: Aligned::new(len), used: 0, batch: 1 }),
            writing: Mutex::new((Ring::new(path, 64 << 20)?, Aligned::new(len))),
            waiting: AtomicU32::new(0),
            done: [AtomicU32::new(0), AtomicU32::new(0)],
            news: [AtomicU32::new(0), AtomicU32::new(0)],
            arrived: AtomicU32::new(0),
            leading: AtomicBool::new(false),
        })
    }

    fn done(&self, batch: u32) -> &AtomicU32 {
        &self.done[usize::from(!batch.is_multiple_of(2))]
    }

    fn news(&self, batch: u32) -> &AtomicU32 {
        &self.news[usize::from(!batch.is_multiple_of(2))]
    }

    /// Puts a record into the open batch.
    pub fn put(&self, record: &[u8]) -> Result<Ticket> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let Open { buf, used, batch } = &mut *open;
        let room = buf.get_mut(*used..*used + FRAMED);
        ensure!(room.is_some(), "more records than writers");
        if let Some(room) = room {
            frame(record, room);
        }
        *used += FRAMED;
        let ticket = Ticket { batch: *batch, first: *used == FRAMED };
        self.waiting.fetch_add(1, Ordering::Relaxed);
        Ok(ticket)
    }

    /// Tells the flusher that there is something, if it may not know.
    pub fn announce(&self, ticket: Ticket) {
        if ticket.first {
            self.arrived.fetch_add(1, Ordering::Release);
            wake_one(&self.arrived);
        }
    }

    /// Wakes the flusher for good.
    pub fn announce_end(&self) {
        self.arrived.fetch_add(1, Ordering::Release);
        wake_all(&self.arrived);
    }

    /// Sleeps until the open batch has a record.
    pub fn await_arrival(&self) {
        let seen = self.arrived.load(Ordering::Acquire);
        if self.waiting.load(Ordering::Acquire) == 0 {
            wait(&self.arrived, seen);
        }
    }

    /// Sleeps until the batch is durable.
    pub fn await_commit(&self, ticket: Ticket) {
        let (news, done) = (self.news(ticket.batch), self.done(ticket.batch));
        loop {
            let seen = news.load(Ordering::Acquire);
            if done.load(Ordering::Acquire) >= ticket.batch {
                return;
            }
            wait(news, seen);
        }
    }

    /// Writes the open batch, if it has a record, once it has `hoped` of them or patience ends. Says how many it had.
    pub fn commit(&self, hoped: u32) -> Result<u32> {
        let began = Instant::now();
        while self.waiting.load(Ordering::Relaxed) < hoped && began.elapsed() < PATIENCE {
            std::thread::yield_now();
        }
        let mut writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let (ring, buf) = &mut *writing;
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let (used, batch) = (open.used, open.batch);
        if used == 0 {
            return Ok(0);
        }
        std::mem::swap(&mut open.buf, buf);
        (open.used, open.batch) = (0, batch + 1);
        let count = self.waiting.swap(0, Ordering::Relaxed);
        drop(open);
        ring.write(&buf[..used.next_multiple_of(BLOCK)])?;
        self.done(batch).store(batch, Ordering::Release);
        self.news(batch).fetch_add(1, Ordering::Release);
        wake_all(self.news(batch));
        Ok(count)
    }

    /// Leads commits until the ticket's batch is durable, unless somebody else does.
    fn see_through(&self, ticket: Ticket, hoped: &AtomicU32) -> Result<()> {
        let (news, done) = (self.news(ticket.batch), self.done(ticket.batch));
        loop {
            let seen = news.load(Ordering::Acquire);
            if done.load(Ordering::Acquire) >= ticket.batch {
                return Ok(());
            }
            if self.leading.swap(true, Ordering::AcqRel) {
                // Whoever leads wakes one of these behind its own batch.
                wait(news, seen);
                continue;
            }
            if done.load(Ordering::Acquire) < ticket.batch {
                let count = self.commit(hoped.load(Ordering::Relaxed))?;
                hoped.store(count, Ordering::Relaxed);
            }
            self.leading.store(false, Ordering::Release);
            let next = self.news(ticket.batch + 1);
            next.fetch_add(1, Ordering::Release);
            wake_one(next);
        }
    }
}

/// Appends records from many writers, of whom one leads.
pub fn run(task: &Task) -> Result<Sample> {
    let writers = task.workload.writers();
    let group = Group::new(&super::file_in(&task.dir)?, writers)?;
    let hoped = AtomicU32::new(1);
    let op = |_: usize, numbers: Range<u64>, payload: &mut Payload| {
        for number in numbers {
            let ticket = group.put(payload.numbered(number))?;
            group.see_through(ticket, &hoped)?;
        }
        Ok(())
    };
    drive(task, &Drive { writers, batch: 1, len: SMALL, from: 0 }, &op)
}
