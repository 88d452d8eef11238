//! How a log is, at a glance.

use std::path::PathBuf;

use crate::codec::as_u64;
use crate::engine::Engine;
use crate::error::{Error, ReadOnlyWhy};
use crate::lsn::{Lsn, LsnRange, SegmentNo};
use crate::types::LogId;

/// How a log is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stat {
    /// Its identity.
    pub log: LogId,
    /// Its directory.
    pub dir: PathBuf,
    /// The first record that it keeps.
    pub first: Lsn,
    /// The LSN that the next record gets; records up to the one before it have been accepted into memory.
    pub next: Lsn,
    /// The last record that has been committed.
    pub written: Lsn,
    /// The last record that survives a loss of power.
    pub durable: Lsn,
    /// The durable records that nothing but their own batch vouches for: damage to their bytes could not be told
    /// from a torn tail from the log alone. Receipts held elsewhere can tell. The idle mark closes this window.
    pub unvouched: LsnRange,
    /// How many segments hold records.
    pub segments: u64,
    /// The last segment that holds records.
    pub last_segment: SegmentNo,
    /// How many bytes of them are batches.
    pub bytes: u64,
    /// How many streams there are.
    pub streams: u64,
    /// The records that were given up by accept-loss.
    pub losses: Vec<LsnRange>,
    /// Why nothing can be written, if the log was opened so.
    pub read_only: Option<ReadOnlyWhy>,
    /// What poisoned or closed the handle.
    pub failure: Option<Error>,
}

impl Stat {
    pub(crate) fn of(engine: &Engine) -> Self {
        let failure = engine.kernel.failure();
        let marks = engine.kernel.marks();
        let (next, streams, vouched) = engine.kernel.peek(|front, work| {
            (front.next(), front.stream_count(), work.map(crate::commit::Commit::vouched))
        });
        let catalog = engine.catalog.lock();
        let from = vouched.unwrap_or(marks.durable).min(marks.durable).next();
        Self {
            log: engine.home.log,
            dir: engine.home.dir.clone(),
            first: catalog.trimmed,
            next,
            written: marks.written,
            durable: marks.durable,
            unvouched: LsnRange::new(from, marks.durable),
            segments: as_u64(catalog.spans().len()),
            last_segment: catalog.spans().last().map_or(SegmentNo::NONE, crate::span::Span::number),
            bytes: catalog.spans().iter().map(|span| span.end.saturating_sub(span.start)).sum(),
            streams: as_u64(streams),
            losses: catalog.losses.clone(),
            read_only: engine.read_only.clone(),
            failure,
        }
    }
}
