//! An audit of everything: each batch of each segment, past the page cache, then each block of each copy in the archive.

use super::check::{self, Trouble};
use crate::batch::{Batch, BatchHeader};
use crate::catalog::{Lead, SegmentLead};
use crate::codec::as_u64;
use crate::engine::Engine;
use crate::error::{Error, Reason};
use crate::lsn::{Lsn, LsnRange, SegmentNo};
use crate::names::Name;
use crate::read_back::read_back;
use crate::snapshot::Snapshot;
use crate::walk::Ground;

/// How much is read at once, in bytes; of a batch that is longer, all of it.
const WINDOW: u64 = 256 << 10;

/// What a piece of a walk came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Walked {
    /// There is more to do; so many bytes were read.
    More(u64),
    /// The archive's own thread reads its copies: later.
    Pending,
    /// Everything is as it should be.
    Done,
}

/// See the module's text.
#[derive(Debug)]
pub(super) struct Walk {
    /// The next record to look at.
    at: Lsn,
    /// The last: what was durable when this began.
    pub(super) upto: Lsn,
    /// The segment at hand, and where the batch begins that `at` is in.
    inside: Option<(SegmentNo, u64)>,
    /// The number of the scrub by which the archive was asked to read its copies.
    asked: Option<u64>,
}

impl Walk {
    pub(super) fn begin(engine: &Engine) -> Self {
        let marks = engine.kernel.marks();
        // Where nothing is ever called durable, what is written is all there is.
        let upto = if engine.home.volume.weakness.is_some() { marks.written } else { marks.durable };
        Self { at: engine.catalog.lock().trimmed, upto, inside: None, asked: None }
    }

    /// Does the next piece.
    pub(super) fn step(&mut self, engine: &Engine) -> Result<Walked, Trouble> {
        if self.at > self.upto {
            return self.archive(engine);
        }
        let found = Snapshot::find(&engine.catalog, self.at);
        match found {
            Ok((Lead::Segment(lead), _, _snapshot)) => return self.segment(engine, &lead).map(Walked::More),
            Ok((Lead::Run(run), ..)) => self.at = run.lsns.last.next(),
            Err(Error::Trimmed { first, .. }) => self.at = first,
            Err(Error::Lost { lsns }) => self.at = lsns.last.next(),
            Err(error) => {
                let lsns =
                    if let Error::Corrupt { lsns, .. } = &error { *lsns } else { LsnRange::of(self.at, 1) };
                return Err(Trouble::Violated(lsns, error));
            }
        }
        Ok(Walked::More(0))
    }

    /// Reads a window of a segment. How many bytes that was.
    fn segment(&mut self, engine: &Engine, lead: &SegmentLead) -> Result<u64, Trouble> {
        let ground = &lead.ground;
        let (due, offset) = match self.inside {
            Some((segment, offset)) if segment == ground.segment => (self.at, offset),
            _ => {
                check::header(engine, ground)?;
                (lead.from.base, lead.from.offset)
            }
        };
        let room = lead.end.saturating_sub(offset);
        let read = |len| read_back(&engine.home, Name::Segment(ground.segment), offset, len);
        let longer = |bytes: &[u8]| {
            let header = BatchHeader::decode(bytes, &ground.site(offset)).ok()?;
            Some(header.padded_len(ground.block)).filter(|len| (WINDOW..=room).contains(len))
        };
        let window = read(WINDOW.min(room)).and_then(|bytes| longer(&bytes).map_or(Ok(bytes), read));
        let bytes = match window {
            Ok(bytes) => bytes,
            Err(error) => return check::unread(engine, ground.segment, error).map(|()| 0),
        };
        match whole(&bytes, ground, (due, offset), self.upto) {
            Ok((due, offset)) => {
                self.at = if offset < lead.end { due } else { lead.lsns.last.next() };
                self.inside = Some((ground.segment, offset));
            }
            Err((due, offset, reason)) => self.wrong(engine, lead, due, offset, reason)?,
        }
        Ok(as_u64(bytes.len()))
    }

    /// What is there is not the batch that is due.
    fn wrong(
        &self,
        engine: &Engine,
        lead: &SegmentLead,
        due: Lsn,
        offset: u64,
        reason: Reason,
    ) -> Result<(), Trouble> {
        // How far it reaches, as far as a read through the page cache knows.
        let lsns = match engine.reader.get(due) {
            Err(Error::Corrupt { lsns, .. }) => lsns,
            _ => LsnRange::of(due, 1),
        };
        let error = Error::Corrupt { segment: lead.ground.segment, offset, lsns, reason };
        check::still(engine, due, lsns, error)
    }

    /// Has the archive read all its copies, and takes its word.
    fn archive(&mut self, engine: &Engine) -> Result<Walked, Trouble> {
        if engine.catalog.lock().runs().is_empty() {
            return Ok(Walked::Done);
        }
        let mut keeper = engine.keeper.lock();
        let Some(number) = self.asked else {
            // While somebody else's scrub is under way, later.
            self.asked = keeper.scrub(engine, None, false);
            return Ok(Walked::Pending);
        };
        let Some(report) = keeper.take_scrubbed(number) else { return Ok(Walked::Pending) };
        match report.lost.into_iter().next() {
            None => Ok(Walked::Done),
            Some(damage) if matches!(damage.error, Error::Unavailable { .. }) => {
                Err(Trouble::Blind(damage.error))
            }
            Some(damage) => Err(Trouble::Violated(damage.lsns, damage.error)),
        }
    }
}

/// Goes over the whole batches in `bytes`, the first of which has the record `due` and stands at `offset`, up to the one
/// with the record `upto`. Says what is due behind them, and where; or where something else stands, and what.
fn whole(
    bytes: &[u8],
    ground: &Ground,
    (mut due, mut offset): (Lsn, u64),
    upto: Lsn,
) -> Result<(Lsn, u64), (Lsn, u64, Reason)> {
    let begin = offset;
    while due <= upto {
        let at = usize::try_from(offset - begin).unwrap_or(usize::MAX);
        let reason = match Batch::decode(bytes.get(at..).unwrap_or_default(), &ground.site(offset)) {
            Ok(batch) if batch.header.base == due => {
                (due, offset) = (batch.header.next(), batch.header.end(ground.block));
                continue;
            }
            Ok(batch) => Reason::OtherLsn(batch.header.base),
            // The window ends inside it: it is the first of the next one.
            Err(Reason::Short) if offset > begin => break,
            Err(reason) => reason,
        };
        return Err((due, offset, reason));
    }
    Ok((due, offset))
}
