//! What runs replace is removed: not before the replacement is durable, known to each drive, and alone in use.

use super::super::disk::Cell;
use super::super::state::{Listing, Mark, Phase, State};
use super::super::{Guard, Mechanism, Refused, nonsense, sense};
use super::made;
use crate::invariant::Invariant;
use crate::step::{DriveNo, Ended, Lsn, OnDrive, RunNo, SegmentNo};

impl Mechanism {
    /// Readers of older generations are gone.
    pub(crate) fn retire(self, state: &mut State, generation: u64) -> Result<(), Refused> {
        let life = &mut state.engine_mut()?.archive;
        sense(generation <= life.catalog.generation)?;
        let older = life.readers.iter().any(|reader| reader.1.generation < generation);
        self.guard(Guard::ReclaimWaitsForReaders, !older)?;
        life.retired = life.retired.max(generation);
        Ok(())
    }

    /// Whether what the newest manifest has replaced may be removed.
    pub(crate) fn may_reclaim(self, state: &State, listing: &Listing, durable: bool) -> Result<(), Refused> {
        let engine = state.engine.as_ref().map_or_else(nonsense, Ok)?;
        let life = &engine.archive;
        let settled = durable && life.pending.is_none() && !engine.failed;
        self.guard(Guard::ReclaimNeedsDurablePublish, settled)?;
        let archive = &listing.archive;
        // New readers have moved on, or there is nothing yet to move on to.
        sense(!settled || life.catalog.generation == archive.generation)?;
        let known = |drive| life.checkpointed(drive).is_some_and(|known| known >= archive.generation);
        self.guard(Guard::ReclaimNeedsCheckpoints, archive.healthy().all(known))?;
        self.guard(Guard::ReclaimWaitsForReaders, life.retired >= archive.generation)
    }

    /// A copy of a run is removed: one that was never published, is replaced, or is wholly trimmed.
    pub(crate) fn unlink_run(
        self,
        state: &mut State,
        (drive, run): (DriveNo, RunNo),
        ended: Ended,
    ) -> Result<(), Refused> {
        let file = state.drive(drive).and_then(|drive| drive.run(run)).filter(|file| file.name.readable());
        let last = file.map_or_else(nonsense, |file| Ok(file.records.last().map_or(0, |record| record.0)))?;
        let listing = state.listing().map_or_else(nonsense, Ok)?;
        let engine = state.engine.as_ref().map_or_else(nonsense, Ok)?;
        let named = listing.archive.names(drive, run);
        let ours = engine.archive.copying(drive, run).map(|copy| copy.stage);
        let orphan = match (engine.phase, ours) {
            (Phase::Opening, _) => {
                sense(engine.tidies())?;
                self.guard(Guard::OrphanIsUnnamed, !named)?;
                true
            }
            (Phase::Up, Some(stage)) => {
                let attempted = stage & made::LISTED != 0;
                self.guard(Guard::OutputsStayWhenPublishFails, !attempted)?;
                true
            }
            (Phase::Up, None) if !named && last < listing.before => {
                let durable = engine.trim.is_none_or(|trim| trim.floor.is_none() || trim.synced);
                self.guard(Guard::UnlinkNeedsDurableTrim, durable && !engine.failed)?;
                false
            }
            (Phase::Up, None) => {
                sense(!named)?;
                self.may_reclaim(state, &listing, true)?;
                false
            }
            _ => return nonsense(),
        };
        if ended == Ended::Failed {
            return Ok(());
        }
        state.mark_removed(orphan, last < listing.before);
        state.remove_run(drive, run);
        if !orphan && last >= listing.before {
            state.judge_checkpoints();
        }
        Ok(())
    }

    /// A file of a drive under a temporary name is removed.
    pub(crate) fn unlink_tmp_on(
        self,
        state: &mut State,
        drive: DriveNo,
        file: OnDrive,
        ended: Ended,
    ) -> Result<(), Refused> {
        sense(file.published() != file)?;
        let life = &mut state.engine_mut()?.archive;
        if ended == Ended::Failed {
            return Ok(());
        }
        match file {
            OnDrive::RunTmp(run) => {
                let there = |stage: u8| stage & made::RENAMED == 0;
                life.copies.retain(|copy| (copy.drive, copy.run) != (drive, run) || !there(copy.stage));
            }
            OnDrive::ManifestTmp => {
                life.checkpoints.retain(|one| one.0 != drive || one.1 & made::RENAMED != 0);
            }
            _ => {}
        }
        Ok(())
    }
}

impl State {
    fn mark_removed(&mut self, orphan: bool, trimmed: bool) {
        self.past.mark(match (orphan, trimmed) {
            (true, _) => Mark::Orphaned,
            (false, true) => Mark::TrimmedRun,
            (false, false) => Mark::Reclaimed,
        });
    }

    fn remove_run(&mut self, drive: DriveNo, run: RunNo) {
        if self.device_names_run(drive, run) {
            self.breaks(Invariant::ReclaimAfterPublish);
        }
        for here in self.disk.drives.iter_mut().filter(|here| here.number == drive) {
            for file in here.runs.iter_mut().filter(|file| file.number == run) {
                file.name = file.name.removed();
            }
            here.runs.retain(|file| file.name != Cell::Absent);
        }
        if let Some(engine) = &mut self.engine {
            engine.archive.copies.retain(|copy| (copy.drive, copy.run) != (drive, run));
        }
        self.judge_reclaim();
    }

    /// Whether a segment holds records that are not trimmed: if it may go, then because runs replace it.
    pub(crate) fn is_archived(&self, number: SegmentNo, listing: &Listing) -> bool {
        let held =
            self.disk.batches.iter().filter(|batch| batch.segment == number && !batch.records.is_empty());
        let last: Option<Lsn> = held.map(super::super::state::Batch::last).max();
        !listing.archive.runs.is_empty() && last.is_some_and(|last| last >= listing.before)
    }

    /// A source goes: each healthy drive knows what has replaced it.
    pub(crate) fn judge_checkpoints(&mut self) {
        let Some(listing) = self.listing() else { return };
        let archive = &listing.archive;
        let knows = |drive| {
            let here = self.drive(drive).and_then(super::Drive::device_checkpoint);
            archive.generation == 0 || here.is_some_and(|known| known >= archive.generation)
        };
        if !archive.healthy().all(knows) {
            self.breaks(Invariant::ReclaimAfterPublish);
        }
    }
}
