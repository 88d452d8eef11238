//! What recovery finds: a pure function of what the page cache shows.

use super::state::{Batch, Disk, Listing, Manifest, RecordId, Segment};
use crate::step::{Edit, Lsn, Row, SegmentNo};

/// What recovery has found, and what it has decided.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Found {
    /// The LSN of the first record: the trim point, or 1.
    pub first: Lsn,
    /// The records, in the order of their LSNs; nothing where one is named as damaged, or as lost.
    pub records: Vec<Option<RecordId>>,
    /// Everything at or below is vouched for by something else that is durable.
    pub vouched: Lsn,
    /// What is named as damaged, both ends included.
    pub damage: Option<(Lsn, Lsn)>,
    /// The row that decided about the end.
    pub row: Row,
    /// The segment that it is about.
    pub segment: SegmentNo,
    /// The last batch kept, by number; 0 for none.
    pub chain: u64,
    /// The last batch kept that is vouched for, by number; 0 for none.
    pub vouched_chain: u64,
    /// Whether the identity's name is known to be durable.
    pub identity_vouched: bool,
    /// The manifest as it reads.
    pub listing: Listing,
}

impl Found {
    /// The next LSN.
    #[must_use]
    pub fn next(&self) -> Lsn {
        self.first + self.records.len() as Lsn
    }

    /// The records that must be written again.
    #[must_use]
    pub fn tail(&self) -> &[Option<RecordId>] {
        let vouched = (self.vouched + 1).saturating_sub(self.first) as usize;
        self.records.get(vouched..).unwrap_or_default()
    }

    /// The first LSN of [`Found::tail`].
    #[must_use]
    pub fn tail_first(&self) -> Lsn {
        self.first.max(self.vouched + 1)
    }

    /// Whether open ends read-only.
    #[must_use]
    pub fn damaged(&self) -> bool {
        is_damage(self.row)
    }
}

/// Whether a row is damage.
#[must_use]
pub fn is_damage(row: Row) -> bool {
    match row {
        Row::VouchedHole
        | Row::VouchedTailMissing
        | Row::BrokenLink
        | Row::SegmentMissing
        | Row::UnnamedSegment
        | Row::ManifestDamage
        | Row::RunMissing => true,
        Row::EmptySegment
        | Row::CleanEnd
        | Row::TornTail
        | Row::UnvouchedTail
        | Row::ManifestTornTail
        | Row::Orphan => false,
    }
}

/// What a decision other than the right one would look like: for the switches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Lens {
    /// Valid bytes count in any place.
    pub(crate) any_place: bool,
    /// Cut at the first invalid point of this segment, whatever vouches for what is there.
    pub(crate) cut_at: Option<SegmentNo>,
}

impl Manifest {
    /// What it says, read through the cache: the checkpoint and the edits up to the first that is not valid.
    /// Nothing if the checkpoint is not valid, or an edit is with a valid one behind it.
    #[must_use]
    pub fn read(&self) -> Option<Listing> {
        if !self.cell.readable() {
            return None;
        }
        let mut listing = self.base.clone();
        let valid = self.edits.iter().take_while(|edit| edit.3.readable()).count();
        if self.edits.iter().skip(valid).any(|edit| edit.3.readable()) {
            return None;
        }
        for (_, edit, watermark, _) in &self.edits[..valid] {
            listing.watermark = listing.watermark.max(*watermark);
            listing.apply(*edit);
        }
        Some(listing)
    }
}

impl Listing {
    /// Takes an edit in.
    pub(crate) fn apply(&mut self, edit: Edit) {
        self.archive.apply(edit);
        match edit {
            Edit::Checkpoint
            | Edit::AddDrive(_)
            | Edit::Copies(..)
            | Edit::Quarantine(_)
            | Edit::Readmit(_)
            | Edit::RemoveDrive(_)
            | Edit::Audited => {}
            Edit::Publish(run) => {
                self.floor = self.floor.max(run.floor);
                self.segments.retain(|&number| number >= run.floor);
            }
            Edit::AddSegment(number) => self.segments.push(number),
            Edit::Trim { before, floor } => {
                self.before = self.before.max(before);
                self.floor = self.floor.max(floor);
                self.segments.retain(|&number| number >= floor);
            }
            Edit::AcceptLoss(lsns) => self.losses.push((lsns.first, lsns.last)),
        }
    }
}

impl Disk {
    /// A batch by its number.
    #[must_use]
    pub fn batch(&self, number: u64) -> Option<&Batch> {
        self.batches.get(usize::try_from(number).ok()?.checked_sub(1)?)
    }

    /// A segment by its number, whether its name is seen or not.
    #[must_use]
    pub fn segment(&self, number: SegmentNo) -> Option<&Segment> {
        self.segments.iter().find(|segment| segment.number == number)
    }

    /// Whether a segment's name is seen.
    #[must_use]
    pub fn shows(&self, number: SegmentNo) -> bool {
        self.segment(number).is_some_and(|segment| segment.name.readable())
    }

    /// Whether a batch reads as what was written.
    #[must_use]
    pub fn valid(&self, number: u64) -> bool {
        self.batch(number).is_some_and(|batch| {
            batch.alias.is_none()
                && self.segment(batch.segment).is_some_and(|s| s.name.readable() && s.data.readable())
                && batch.cells.iter().all(|cell| cell.readable())
                && !self.overwritten(number)
        })
    }

    /// Whether a later batch has taken a sector of this one.
    fn overwritten(&self, number: u64) -> bool {
        self.batches
            .iter()
            .any(|later| later.over == Some(number) && later.cells.iter().any(|c| c.readable()))
    }

    /// Looks at everything, and decides.
    pub(crate) fn survey(&self, lens: Lens) -> Found {
        let Some(listing) = self.manifest.as_ref().and_then(Manifest::read) else {
            return Found::nothing(Row::ManifestDamage, Listing::default());
        };
        for &number in &listing.segments {
            if !self.segment(number).is_some_and(|s| s.name.readable() && s.data.readable()) {
                return Found::nothing(Row::SegmentMissing, listing).about(number);
            }
        }
        let unnamed = self.segments.iter().map(|segment| segment.number).find(|&number| {
            number >= listing.floor && !listing.segments.contains(&number) && self.holds(number, lens)
        });
        if let Some(number) = unnamed {
            return Found::nothing(Row::UnnamedSegment, listing).about(number);
        }
        self.walk(listing, lens)
    }

    /// Whether a segment holds a valid first batch.
    fn holds(&self, number: SegmentNo, lens: Lens) -> bool {
        self.shows(number) && self.at(number, 0, lens).is_some()
    }

    /// The batch (by number) that reads as valid at a place.
    fn at(&self, segment: SegmentNo, slot: u32, lens: Lens) -> Option<u64> {
        let mut here = (1..=self.batches.len() as u64).rev().filter(|&number| {
            self.batch(number).is_some_and(|batch| batch.segment == segment && batch.slot == slot)
        });
        here.find_map(|number| match self.batch(number)?.alias {
            Some(alias) if lens.any_place && self.shows(segment) => Some(alias),
            _ => self.valid(number).then_some(number),
        })
    }

    /// Reads the last segment that is not empty, and follows the links below it.
    fn walk(&self, listing: Listing, lens: Lens) -> Found {
        let mut numbers: Vec<SegmentNo> =
            listing.segments.iter().copied().filter(|&number| self.holds(number, lens)).collect();
        if let Some(cut) = lens.cut_at {
            numbers.retain(|&number| number <= cut);
        }
        let Some(&last) = numbers.iter().max() else {
            return self.all_empty(listing, lens);
        };
        let first = listing.before.max(1);
        let head = self.at(last, 0, lens).unwrap_or_default();
        let mut chain = self.batch(head).map_or(0, |batch| batch.chain);
        let below = self.links(chain);
        let slots = self.batches.iter().filter(|b| b.segment == last).map(|b| b.slot + 1).max().unwrap_or(0);
        let mut kept = below.clone();
        let mut stop = slots;
        for slot in 0..slots {
            match self.at(last, slot, lens) {
                Some(number) if lens.any_place || self.batch(number).is_some_and(|b| b.chain == chain) => {
                    kept.push(number);
                    chain = number;
                }
                _ => {
                    stop = slot;
                    break;
                }
            }
        }
        let valid = (0..slots).filter_map(|slot| self.at(last, slot, lens));
        let inside = valid.filter_map(|number| self.batch(number)).map(|batch| batch.watermark).max();
        let base = self.batch(head).map_or(0, |batch| batch.base - 1);
        let vouched = inside.unwrap_or(0).max(base).max(listing.watermark);
        self.conclude(listing, lens, Kept { first, last, kept, torn: stop < slots, vouched })
    }

    /// No segment holds anything.
    fn all_empty(&self, listing: Listing, lens: Lens) -> Found {
        let first = listing.before.max(1);
        let last = listing.segments.iter().copied().max().unwrap_or(0);
        let torn = lens.cut_at.is_some() || self.batches.iter().any(|batch| self.shows(batch.segment));
        let inside = self.batches.iter().enumerate().filter(|(index, _)| self.valid(*index as u64 + 1));
        let inside = inside.map(|(_, batch)| batch.watermark).max().unwrap_or(0);
        let vouched = inside.max(listing.watermark);
        self.conclude(listing, lens, Kept { first, last, kept: Vec::new(), torn, vouched })
    }

    /// The batches before one, the oldest first: sealed, linked, and not read by open.
    fn links(&self, mut chain: u64) -> Vec<u64> {
        let mut below = Vec::new();
        while let Some(batch) = self.batch(chain) {
            if !self.shows(batch.segment) {
                break;
            }
            below.push(chain);
            chain = batch.chain;
        }
        below.reverse();
        below
    }

    fn conclude(&self, listing: Listing, lens: Lens, seen: Kept) -> Found {
        let Kept { first, last, kept, torn, vouched } = seen;
        let archived = listing.archive.archived();
        let vouched = vouched.max(archived);
        // What runs hold is read from them, and from nowhere else.
        let in_run = |lsn| {
            let run = listing.archive.runs.iter().find(|run| run.lsns.contains(lsn))?;
            self.in_copies(run, lsn)
        };
        let mut records: Vec<Option<RecordId>> = (first..=archived).map(in_run).collect();
        let missing = records.iter().zip(first..).filter(|(record, _)| record.is_none()).map(|(_, lsn)| lsn);
        let missing = missing.clone().min().zip(missing.max());
        let mut vouched_chain = 0;
        for &number in &kept {
            let Some(batch) = self.batch(number) else { continue };
            // Under the lens, a batch that lies in the wrong place counts for the place.
            let base = if lens.any_place { first + records.len() as Lsn } else { batch.base };
            let next = first + records.len() as Lsn;
            let skipped = usize::try_from(next.saturating_sub(base)).unwrap_or(usize::MAX);
            let sealed_hole = !lens.any_place && !self.valid(number);
            for record in batch.records.iter().skip(skipped) {
                records.push((!sealed_hole).then_some(*record));
            }
            if batch.last() <= vouched {
                vouched_chain = number;
            }
        }
        let next = first + records.len() as Lsn;
        let mut found = Found {
            first,
            records,
            vouched,
            damage: None,
            row: Row::CleanEnd,
            segment: last,
            chain: kept.last().copied().unwrap_or(0),
            vouched_chain,
            identity_vouched: listing.identity_vouched,
            listing,
        };
        found.judge_end(next, torn, lens);
        if let (Some(missing), false) = (missing, found.damaged()) {
            found.row = Row::RunMissing;
            found.damage = Some(missing);
        }
        found
    }
}

/// What was kept on the way to the end.
struct Kept {
    first: Lsn,
    last: SegmentNo,
    kept: Vec<u64>,
    torn: bool,
    vouched: Lsn,
}

impl Found {
    /// Nothing can be read: all is damage.
    fn nothing(row: Row, listing: Listing) -> Self {
        Self {
            first: listing.before.max(1),
            records: Vec::new(),
            vouched: 0,
            damage: Some((listing.before.max(1), Lsn::MAX)),
            row,
            segment: 0,
            chain: 0,
            vouched_chain: 0,
            identity_vouched: listing.identity_vouched,
            listing,
        }
    }

    fn about(mut self, segment: SegmentNo) -> Self {
        self.segment = segment;
        self
    }

    /// The decision about the end. `expected` is the LSN that should come next.
    fn judge_end(&mut self, expected: Lsn, torn: bool, lens: Lens) {
        if lens.cut_at.is_some() {
            self.row = Row::TornTail;
            self.vouched = self.vouched.min(expected - 1);
        } else if self.vouched >= expected {
            let accepted = self.listing.losses.iter().any(|l| l.0 <= expected && self.vouched <= l.1);
            self.records.resize((self.vouched + 1 - self.first) as usize, None);
            if accepted {
                self.row = Row::CleanEnd;
            } else {
                self.damage = Some((expected, self.vouched));
                self.row = if torn { Row::VouchedHole } else { Row::VouchedTailMissing };
            }
        } else if torn {
            self.row = Row::TornTail;
        } else if !self.tail().is_empty() {
            self.row = Row::UnvouchedTail;
        }
    }
}
