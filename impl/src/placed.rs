//! Holding what was said of a batch, its records and its place, against what is there.

use truelog_env::{File, IoError, IoKind, OpenMode};

use crate::batch::{FRAME_HEADER, read_batch};
use crate::catalog::Lead;
use crate::codec::as_u64;
use crate::error::{Error, Result};
use crate::event::Place;
use crate::inspect::Inspection;
use crate::lsn::{Lsn, LsnRange, SegmentNo};
use crate::names::Name;
use crate::read_buf::ReadBuf;
use crate::reader::Iter;
use crate::receipt::{Verdict, Violation};
use crate::verify::{refused, violated};
use crate::walk::Ground;

/// A gap that is read over rather than jumped, in records.
const GAP: u64 = 1024;

/// Holds places that were called durable against what a log held when it was looked at, in bounded memory. Each byte
/// of a batch is read and checked. It is fastest when the places ascend.
#[derive(Debug)]
pub struct PlaceCheck<'a> {
    view: &'a Inspection,
    /// The segment that was opened last.
    file: Option<(SegmentNo, Box<dyn File>)>,
    buf: ReadBuf,
    /// Where records were read last that are no longer where they were born.
    iter: Option<Iter>,
}

impl Inspection {
    /// Begins to hold places against what is there.
    #[must_use]
    pub fn places(&self) -> PlaceCheck<'_> {
        PlaceCheck { view: self, file: None, buf: ReadBuf::default(), iter: None }
    }
}

impl PlaceCheck<'_> {
    /// Holds one place against what is there. It holds if the log serves all of its records and, as long as the
    /// segment is part of the log and no run of the archive has them, if just that batch stands at just that place.
    /// Where the segment is part of the log no more, it must have been once: its number is below that of the segment that
    /// has the records now, and a run has only what was in a segment. Of a batch that was trimmed in part only the rest is
    /// asked for.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Unavailable`], and, of a place that only the manifest could tell of, what it says itself
    /// where it cannot be read: then nothing is known.
    pub fn verify(&mut self, place: &Place) -> Result<Verdict> {
        let trimmed = self.view.first();
        let could_be = self.could_be(place);
        if place.lsns.last < trimmed {
            return Ok(if could_be { Verdict::Trimmed } else { violated(Violation::OtherPlace) });
        }
        let ground = self.ground(place.segment);
        let here = match ground {
            Some(ground) => self.is_at(&ground, place)?,
            None => false,
        };
        let kept = LsnRange::new(place.lsns.first.max(trimmed), place.lsns.last);
        let lead = match self.view.find(kept.first) {
            Ok(lead) => lead,
            Err(error) => return self.view.unless_unnamed(kept.first).and_then(|()| refused(error)),
        };
        let moved = match lead {
            Lead::Segment(lead)
                if here && lead.ground.segment == place.segment && lead.lsns.contains(kept.last) =>
            {
                return Ok(self.held(kept.last));
            }
            // A recovery has written them again, in a segment of its own.
            Lead::Segment(lead) => ground.is_none() && place.segment < lead.ground.segment,
            Lead::Run(_) => ground.is_none(),
        };
        let told = self.records(kept)?;
        if here || !matches!(told, Verdict::Verified | Verdict::Unvouched) {
            return Ok(told);
        }
        if could_be && let Some(error) = self.view.unnamed() {
            return Err(error.clone());
        }
        Ok(if could_be && moved { told } else { violated(Violation::OtherPlace) })
    }

    /// Whether any batch may ever have stood at such a place.
    fn could_be(&self, place: &Place) -> bool {
        let in_segment = place.segment > SegmentNo::NONE && place.segment <= self.view.highest();
        let some = place.lsns.first > Lsn::NONE && !place.lsns.is_empty();
        let options = self.view.options();
        let block = u64::from(options.block_size);
        // A segment is longer than it should be only for a batch that would not fit, such as what a recovery writes again.
        let longest = options.segment_size.saturating_add(u64::from(u32::MAX)).saturating_add(2 * block);
        let in_blocks =
            place.offset >= block && place.offset.is_multiple_of(block) && place.end.is_multiple_of(block);
        let room = place.end.saturating_sub(place.offset) / as_u64(FRAME_HEADER);
        in_segment && some && in_blocks && place.end <= longest && place.lsns.len() <= room
    }

    /// What the manifest says of a segment, if it names it.
    fn ground(&self, segment: SegmentNo) -> Option<Ground> {
        let entry = self.view.segments().iter().find(|entry| entry.number == segment)?;
        let (log, block) = (self.view.log(), self.view.options().block_size);
        Some(Ground { log, segment, salt: entry.salt, capacity: entry.capacity, block })
    }

    /// Whether the very batch stands at the place.
    fn is_at(&mut self, ground: &Ground, place: &Place) -> Result<bool> {
        let home = self.view.home();
        let path = home.path(Name::Segment(ground.segment));
        let failed = |source: IoError| Error::io(&path, source);
        if self.file.as_ref().is_none_or(|(number, _)| *number != ground.segment) {
            self.file = match home.env.fs.open(&path, OpenMode::READ) {
                Ok(file) => Some((ground.segment, file)),
                Err(error) if error.kind == IoKind::NotFound => None,
                Err(error) => return Err(failed(error)),
            };
        }
        let Some((_, file)) = &self.file else { return Ok(false) };
        let site = ground.site(place.offset);
        let read =
            read_batch(&**file, &site, ground.block, ground.capacity, &mut self.buf).map_err(failed)?;
        let found = read.ok().map(|batch| (batch.header.lsns(), batch.header.end(ground.block)));
        Ok(found == Some((place.lsns, place.end)))
    }

    /// Reads all of these records, wherever they are now.
    fn records(&mut self, lsns: LsnRange) -> Result<Verdict> {
        let near = |iter: &Iter| iter.position() <= lsns.first && iter.position().plus(GAP) > lsns.first;
        let mut iter = self.iter.take().filter(near).unwrap_or_else(|| self.view.iter(lsns.first));
        while iter.position() <= lsns.last {
            let due = iter.position();
            match iter.next() {
                Some(Ok(entry)) if entry.lsn == due => {}
                // What was given up is passed over.
                Some(Ok(_)) | None => {
                    return self
                        .view
                        .find(due)
                        .map_or_else(refused, |_| Ok(violated(Violation::Absent { next: due })));
                }
                Some(Err(_)) if due < lsns.first => {}
                Some(Err(error)) => return refused(error),
            }
        }
        self.iter = Some(iter);
        Ok(self.held(lsns.last))
    }

    /// What is said of records that are there, up to `last`.
    fn held(&self, last: Lsn) -> Verdict {
        if last <= self.view.vouched() { Verdict::Verified } else { Verdict::Unvouched }
    }
}
