//! A writer: one stream, several submissions in flight, receipts as they become true.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::Duration;

use truelog::format::FRAME_HEADER;
use truelog::{Durability, Log, Record, StreamId, Ticket};

use crate::failure::Failure;
use crate::receipt_line;

use super::deal::Chunk;

/// Submissions that a writer has in flight before it waits for the oldest.
const WINDOW: usize = 8;
/// Records of one submission at most. A submission is atomic, and so is its acknowledgement.
const GROUP_RECORDS: usize = 256;
/// Bytes of one submission, framing included, unless a single record is longer.
const GROUP_BYTES: usize = 32 * 1024;

/// How long a writer without work waits before it looks whether another has failed.
const LISTEN: Duration = Duration::from_millis(100);

/// Tells all writers to stop when one of them ends in any way but well, a panic included.
struct Alarm(Option<Arc<AtomicBool>>);

impl Drop for Alarm {
    fn drop(&mut self) {
        if let Some(stop) = self.0.take() {
            stop.store(true, Ordering::Relaxed);
        }
    }
}

/// The owner of one stream.
pub(crate) struct Writer {
    log: Arc<Log>,
    dir: PathBuf,
    stream: StreamId,
    durability: Durability,
    /// Bytes that a submission may have, as far as it has more than one record.
    group_bytes: usize,
    in_flight: VecDeque<Ticket>,
    /// Some writer has failed: all end, even while the input goes on.
    stop: Arc<AtomicBool>,
    /// Receipts that were not printed yet; empty between two calls.
    text: Vec<u8>,
    appended: u64,
}

impl Writer {
    /// The owner of `stream`. Writers that share `stop` end together when one of them fails.
    pub(crate) fn new(
        log: Arc<Log>,
        dir: &Path,
        stream: u64,
        durability: Durability,
        stop: Arc<AtomicBool>,
    ) -> Self {
        // A small part of a batch, so that the writers' submissions travel together.
        let group_bytes = GROUP_BYTES.min(log.options().max_batch_bytes as usize / 4);
        Self {
            log,
            dir: dir.to_owned(),
            stream: StreamId(stream),
            durability,
            group_bytes,
            in_flight: VecDeque::with_capacity(WINDOW),
            stop,
            text: Vec::new(),
            appended: 0,
        }
    }

    /// Appends all chunks, and prints a receipt for each record once it is true. Returns how many there were.
    ///
    /// # Errors
    /// The first thing that failed. What was submitted before it still gets its receipts, as far as it holds; only when
    /// they cannot be printed nothing more is.
    pub(crate) fn run(mut self, chunks: &Receiver<Chunk>) -> Result<u64, Failure> {
        let mut alarm = Alarm(Some(Arc::clone(&self.stop)));
        self.work(chunks)?;
        alarm.0 = None;
        Ok(self.appended)
    }

    fn work(&mut self, chunks: &Receiver<Chunk>) -> Result<(), Failure> {
        let fed = self.feed(chunks);
        if matches!(&fed, Err(Failure::Log { source, .. }) if source.voids_receipts()) {
            return fed;
        }
        // A record that was refused, for want of space perhaps, says nothing about those before it.
        let settled = self.settle_all();
        fed.and(settled)
    }

    fn feed(&mut self, chunks: &Receiver<Chunk>) -> Result<(), Failure> {
        while let Some(chunk) = self.next(chunks)? {
            let mut from = 0;
            while from < chunk.len() {
                from = self.submit(&chunk, from)?;
            }
        }
        Ok(())
    }

    fn settle_all(&mut self) -> Result<(), Failure> {
        while let Some(ticket) = self.in_flight.pop_front() {
            self.settle(ticket)?;
        }
        Ok(())
    }

    /// The next chunk. While there is none, settles what is in flight: when the input pauses, nothing waits.
    fn next(&mut self, chunks: &Receiver<Chunk>) -> Result<Option<Chunk>, Failure> {
        loop {
            match chunks.try_recv() {
                Ok(chunk) => return Ok(Some(chunk)),
                Err(TryRecvError::Disconnected) => return Ok(None),
                Err(TryRecvError::Empty) => {}
            }
            if let Some(ticket) = self.in_flight.pop_front() {
                self.settle(ticket)?;
                continue;
            }
            match chunks.recv_timeout(LISTEN) {
                Ok(chunk) => return Ok(Some(chunk)),
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
                Err(RecvTimeoutError::Timeout) if self.stop.load(Ordering::Relaxed) => return Ok(None),
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// Submits one group of records of `chunk`, beginning with `from`; returns the first that is not in it.
    fn submit(&mut self, chunk: &Chunk, from: usize) -> Result<usize, Failure> {
        if self.in_flight.len() == WINDOW
            && let Some(ticket) = self.in_flight.pop_front()
        {
            self.settle(ticket)?;
        }
        let mut bytes = 0;
        let mut group = Vec::new();
        for index in from..chunk.len() {
            let payload = chunk.record(index);
            bytes += FRAME_HEADER + payload.len();
            if group.len() == GROUP_RECORDS || (bytes > self.group_bytes && !group.is_empty()) {
                break;
            }
            group.push(Record { stream: self.stream, payload });
        }
        let ticket = self.log.submit(&group, self.durability).map_err(Failure::log(&self.dir))?;
        self.in_flight.push_back(ticket);
        Ok(from + group.len())
    }

    /// Waits until the submission is as durable as it was asked to be, and prints its receipts.
    fn settle(&mut self, ticket: Ticket) -> Result<(), Failure> {
        let receipts = self.log.wait(ticket).map_err(Failure::log(&self.dir))?;
        self.text.clear();
        for receipt in &receipts {
            receipt_line::write(receipt, &mut self.text).map_err(|error| Failure::output(error.into()))?;
        }
        // Whole lines in one piece, and the lock held, so that lines of different writers do not mix. The text
        // ends with a newline, so nothing stays behind in the standard library's line buffer.
        let printed = io::stdout().lock().write_all(&self.text);
        printed.map_err(|error| {
            self.in_flight.clear();
            Failure::output(error)
        })?;
        self.appended += receipts.len() as u64;
        Ok(())
    }
}
