//! Reads: what a reader finds by the catalog that it holds, and what a loss of power would leave to be found.

use super::super::state::{Batch, Disk, Manifest, Phase, RecordId, State, Told};
use super::super::{Refused, nonsense, sense};
use super::{Catalog, Run};
use crate::invariant::Invariant;
use crate::step::{Durability, Lsn, ReaderNo, SegmentNo};

impl Disk {
    /// The record that a reader finds under an LSN: in a run that holds it, from the first drive that gives it, or
    /// else in a segment.
    pub(crate) fn read_by(&self, catalog: &Catalog, lsn: Lsn) -> Option<RecordId> {
        if let Some(run) = catalog.runs.iter().find(|run| run.lsns.contains(lsn)) {
            return self.in_copies(run, lsn);
        }
        let batch = self.batch_at(lsn).filter(|batch| batch.segment >= catalog.floor)?;
        batch.records.get((lsn - batch.base) as usize).copied()
    }

    /// The record under an LSN in some copy of a run.
    pub(crate) fn in_copies(&self, run: &Run, lsn: Lsn) -> Option<RecordId> {
        let here = self.drives.iter().filter(|drive| run.copies.contains(drive.number));
        here.filter_map(|drive| drive.run(run.number)).find_map(|copy| copy.at(lsn))
    }

    /// The record that was last written under an LSN to a segment, whether it is there still or not.
    pub(crate) fn once_written(&self, lsn: Lsn) -> Option<RecordId> {
        let batch = self.batches.iter().rfind(|batch| batch.base <= lsn && lsn <= batch.last())?;
        batch.records.get((lsn - batch.base) as usize).copied()
    }

    /// The highest floor that an edit may set which needs all records from `before` on: what was written again is read
    /// where it was written last, and what runs have replaced may be there still.
    pub(crate) fn highest_floor(&self, before: Lsn) -> SegmentNo {
        let last = self.batches.iter().map(Batch::last).max().unwrap_or(0);
        let read = (before..=last).filter_map(|lsn| self.batch_at(lsn)).map(|batch| batch.segment).min();
        let set = self.manifest.as_ref().and_then(Manifest::read).map_or(0, |listing| listing.floor);
        self.floor_for(before).max(read.unwrap_or(0)).max(set)
    }

    /// The newest batch that holds an LSN and reads as what was written.
    fn batch_at(&self, lsn: Lsn) -> Option<&Batch> {
        let holds = |(_, batch): &(u64, &Batch)| batch.base <= lsn && lsn <= batch.last();
        (1..)
            .zip(&self.batches)
            .filter(holds)
            .filter(|(number, _)| self.valid(*number))
            .last()
            .map(|(_, batch)| batch)
    }
}

impl State {
    /// The last LSN that may go to the archive: below the segment of the last durable record.
    pub(crate) fn sealed(&self) -> Lsn {
        let durable = self.engine.as_ref().map_or(0, |engine| engine.durable);
        let holds = |batch: &&Batch| !batch.records.is_empty() && batch.base <= durable;
        let shown = self.disk.batches.iter().filter(|batch| self.disk.shows(batch.segment));
        let last = shown.clone().filter(holds).map(|batch| batch.segment).max();
        let first = shown.filter(|batch| Some(batch.segment) == last).map(|batch| batch.base).min();
        first.map_or(0, |first| first - 1).min(durable)
    }

    /// The records that were acknowledged to survive a loss of power and are not trimmed, by their LSNs.
    fn promised(&self) -> impl Iterator<Item = (Lsn, RecordId)> {
        let acked = |told| told == Told::Acked(Durability::PowerLoss);
        let requests = self.requests.iter().filter(move |request| acked(request.told));
        let records =
            requests.flat_map(|request| (request.lsn..).zip(request.first..request.first + request.count));
        records.filter(|record| record.0 >= self.trim_asked)
    }

    /// A client reads from an LSN on, by a snapshot of its own or by the one that it holds.
    pub(crate) fn read(&mut self, from: Lsn, reader: Option<ReaderNo>) -> Result<(), Refused> {
        let Some(engine) = self.engine.as_ref().filter(|_| !self.disk.drives.is_empty()) else {
            // Of a log without an archive the mechanism has no reads: an open returns all there is.
            return sense(reader.is_none());
        };
        let life = &engine.archive;
        let catalog = match reader {
            Some(reader) => {
                life.readers.iter().find(|one| one.0 == reader).map_or_else(nonsense, |one| Ok(&one.1))?
            }
            None => &life.catalog,
        };
        sense(matches!(engine.phase, Phase::Up | Phase::ReadOnly))?;
        let wrong = self.promised().filter(|record| record.0 >= from && record.0 <= engine.durable);
        let wrong = wrong.filter(|(lsn, id)| self.disk.read_by(catalog, *lsn) != Some(*id)).count();
        // What damage has taken from every place is named by recovery.
        if wrong > 0 && self.past.damages == 0 {
            self.breaks(Invariant::CompactionPreservesReads);
        }
        Ok(())
    }

    /// A source was removed: what was promised must be found after a loss of power that comes right now.
    pub(crate) fn judge_reclaim(&mut self) {
        let Some(listing) = self.disk.device_listing().filter(|_| self.past.damages == 0) else { return };
        let lost = self.promised().filter(|record| record.0 >= listing.before).any(|(lsn, id)| {
            let archived = listing.archive.runs.iter().find(|run| run.lsns.contains(lsn));
            let in_run = archived.is_some_and(|run| self.durable_in(run, lsn, id));
            !in_run && !self.durable_in_segment(&listing.segments, lsn, id)
        });
        if lost {
            self.breaks(Invariant::CompactionPreservesReads);
        }
    }

    fn durable_in(&self, run: &Run, lsn: Lsn, id: RecordId) -> bool {
        let drives = self.disk.drives.iter().filter(|drive| run.copies.contains(drive.number));
        let mut copies = drives.filter_map(|drive| drive.run(run.number));
        copies.any(|copy| copy.name.durable() && copy.data.durable() && copy.records.contains(&(lsn, id)))
    }

    fn durable_in_segment(&self, named: &[u64], lsn: Lsn, id: RecordId) -> bool {
        self.disk.batches.iter().any(|batch| {
            let here = batch.base <= lsn && lsn <= batch.last() && batch.durable();
            let segment = self.disk.segment(batch.segment).filter(|one| named.contains(&one.number));
            let durable = segment.is_some_and(|segment| segment.name.durable() && segment.data.durable());
            here && durable && batch.records[(lsn - batch.base) as usize] == id
        })
    }
}
