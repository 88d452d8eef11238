//! The calls on the files of a drive: a run is built, a checkpoint copied, an identity made.
//!
//! A call that fails on a drive costs the copy there, and nothing else: the handle goes on.

use super::super::disk::Cell;
use super::super::state::{Engine, Mark, Phase, State};
use super::super::{Guard, Mechanism, Refused, nonsense, sense};
use super::{Copying, Drive, RunFile, made};
use crate::step::{Cache, DriveNo, Ended, Fault, Keep, Lsns, OnDrive, Role, RunNo, Unit, Verdict};

impl Engine {
    fn copy(&mut self, drive: DriveNo, run: RunNo) -> Result<&mut Copying, Refused> {
        let copies = &mut self.archive.copies;
        let copy = copies.iter_mut().find(|copy| (copy.drive, copy.run) == (drive, run));
        copy.map_or_else(nonsense, Ok)
    }

    /// How far a file of a drive has come.
    fn made(&mut self, drive: DriveNo, file: OnDrive) -> Result<&mut u8, Refused> {
        match file {
            OnDrive::RunTmp(run) | OnDrive::Run(run) => self.copy(drive, run).map(|copy| &mut copy.stage),
            OnDrive::ManifestTmp | OnDrive::Manifest => {
                let one = self.archive.checkpoints.iter_mut().find(|one| one.0 == drive);
                one.map_or_else(nonsense, |one| Ok(&mut one.1))
            }
            OnDrive::IdentityTmp | OnDrive::Identity => {
                let adding = self.archive.adding.as_mut().filter(|adding| adding.0 == drive);
                adding.map_or_else(nonsense, |adding| Ok(&mut adding.1))
            }
        }
    }
}

impl Mechanism {
    /// A copy whose call failed is not gone on with.
    fn goes_on(self, stage: u8) -> Result<(), Refused> {
        self.guard(Guard::FailedCopyIsAbandoned, stage & made::FAILED == 0)
    }

    /// A call on a file of a drive ended. What has failed is taken for done where nothing stands against that.
    fn ended(self, stage: &mut u8, bit: u8, ended: Ended) {
        match ended {
            Ended::Done => *stage |= bit,
            Ended::Short => {}
            Ended::Failed => {
                *stage |= made::FAILED;
                if self.is_off(Guard::FailedCopyIsAbandoned) {
                    *stage |= bit;
                }
            }
        }
    }

    pub(crate) fn create_on(
        self,
        state: &mut State,
        drive: DriveNo,
        file: OnDrive,
        ended: Ended,
    ) -> Result<(), Refused> {
        let archive = state.listing().map_or_else(nonsense, Ok)?.archive;
        let here = state.disk.drives.iter().find(|one| one.number == drive);
        let clash = |run| here.is_none_or(|here| here.run(run).is_some());
        let engine = state.engine.as_mut().map_or_else(nonsense, Ok)?;
        // An open tells each drive what the log's manifest says, once that is durable, and makes nothing else there.
        let told = file == OnDrive::ManifestTmp && engine.tidies();
        sense(engine.phase == Phase::Up || told)?;
        self.guard(Guard::FailurePoisons, !engine.failed)?;
        let mut stage = 0;
        self.ended(&mut stage, made::CREATED, ended);
        let life = &mut engine.archive;
        match file {
            OnDrive::RunTmp(run) => {
                let replica = archive.run(run).is_some_and(|run| !run.copies.contains(drive));
                sense(archive.healthy().any(|one| one == drive) && !clash(run))?;
                sense(run > archive.last_run || replica)?;
                life.copies.retain(|copy| (copy.drive, copy.run) != (drive, run));
                let (lsns, records) = (None, Vec::new());
                life.copies.push(Copying { drive, run, stage, lsns, records, bytes: Cell::Absent });
            }
            OnDrive::ManifestTmp => {
                sense(archive.drives.contains(drive))?;
                life.checkpoints.retain(|one| one.0 != drive);
                life.checkpoints.push((drive, stage, 0));
                life.checkpoints.sort_unstable();
            }
            OnDrive::IdentityTmp => {
                sense(life.adding.is_some_and(|adding| adding.0 == drive))?;
                life.adding = Some((drive, stage));
            }
            _ => return nonsense(),
        }
        Ok(())
    }

    /// Bytes that are no blocks: the header and the index of a run, a checkpoint's copy, an identity.
    pub(crate) fn fill_on(
        self,
        state: &mut State,
        drive: DriveNo,
        file: OnDrive,
        ended: Ended,
    ) -> Result<(), Refused> {
        let generation = state.listing().map_or(0, |listing| listing.archive.generation);
        let engine = state.engine.as_mut().map_or_else(nonsense, Ok)?;
        let stage = engine.made(drive, file)?;
        sense(file.published() != file && *stage & made::CREATED != 0 && *stage & made::RENAMED == 0)?;
        *stage &= !made::SYNCED;
        match file {
            // The blocks are what counts of a run; the rest is one write more that may fail.
            OnDrive::RunTmp(_) => self.ended(stage, 0, ended),
            _ => self.ended(stage, made::FILLED, ended),
        }
        if file == OnDrive::ManifestTmp {
            // What a drive knows is durable in the log.
            sense(engine.archive.pending.is_none())?;
            let one = engine.archive.checkpoints.iter_mut().filter(|one| one.0 == drive);
            one.for_each(|one| one.2 = generation);
        }
        Ok(())
    }

    pub(crate) fn write_blocks(
        self,
        state: &mut State,
        (drive, run): (DriveNo, RunNo),
        lsns: Lsns,
        ended: Ended,
        fault: Option<&Fault>,
    ) -> Result<(), Refused> {
        sense(lsns.last <= state.sealed())?;
        let catalog = state.engine_mut()?.archive.catalog.clone();
        let before = state.listing().map_or(0, |listing| listing.before);
        let read = |lsn| {
            // What was trimmed since it was read may be gone from its segment by now.
            let trimmed = || state.disk.once_written(lsn).filter(|_| lsn < before);
            state.disk.read_by(&catalog, lsn).or_else(trimmed)
        };
        let records: Option<Vec<_>> = lsns.iter().map(|lsn| Some((lsn, read(lsn)?))).collect();
        let records = records.map_or_else(nonsense, Ok)?;
        let copy = state.engine_mut()?.copy(drive, run)?;
        sense(copy.stage & made::CREATED != 0 && copy.stage & made::RENAMED == 0)?;
        sense(copy.lsns.is_none_or(|before| before.last + 1 == lsns.first))?;
        self.goes_on(copy.stage)?;
        if ended == Ended::Short {
            return Ok(());
        }
        copy.stage &= !made::SYNCED;
        copy.bytes = Cell::Dirty;
        let first = copy.lsns.map_or(lsns.first, |before| before.first);
        copy.lsns = Some(Lsns { first, last: lsns.last });
        if ended == Ended::Done && fault.is_none() {
            copy.records.extend(records);
        }
        self.ended(&mut copy.stage, made::FILLED, ended);
        Ok(())
    }

    /// A sync of a file under its temporary name.
    pub(crate) fn sync_on(
        self,
        state: &mut State,
        drive: DriveNo,
        file: OnDrive,
        ended: Ended,
    ) -> Result<(), Refused> {
        sense(file.published() != file)?;
        let engine = state.engine_mut()?;
        let stage = engine.made(drive, file)?;
        sense(*stage & made::CREATED != 0 && *stage & made::RENAMED == 0)?;
        self.ended(stage, made::SYNCED, ended);
        if let OnDrive::RunTmp(run) = file {
            state.past.marks |= abandoned(ended);
            let copy = state.engine_mut()?.copy(drive, run)?;
            copy.bytes =
                if ended == Ended::Done { copy.bytes.synced() } else { copy.bytes.sync_failed(false) };
        }
        Ok(())
    }

    /// A rename to the name that a temporary one is for.
    pub(crate) fn rename_on(
        self,
        state: &mut State,
        drive: DriveNo,
        file: OnDrive,
        ended: Ended,
    ) -> Result<(), Refused> {
        let State { disk, engine, .. } = state;
        let engine = engine.as_mut().map_or_else(nonsense, Ok)?;
        self.guard(Guard::FailurePoisons, !engine.failed)?;
        let stage = engine.made(drive, file)?;
        sense(file.published() != file && *stage & made::FILLED != 0 && *stage & made::RENAMED == 0)?;
        self.goes_on(*stage)?;
        self.guard(Guard::RenameNeedsSync, *stage & made::SYNCED != 0)?;
        if ended != Ended::Done {
            *stage |= made::FAILED;
            return Ok(());
        }
        *stage |= made::RENAMED;
        if file == OnDrive::IdentityTmp {
            // A drive that is added again has the same identity as before, under either name.
            if !disk.drives.iter().any(|one| one.number == drive) {
                disk.drives.push(Drive { number: drive, identity: Cell::Dirty, ..Drive::default() });
            }
            return Ok(());
        }
        let here = disk.drives.iter_mut().find(|one| one.number == drive).map_or_else(nonsense, Ok)?;
        if let OnDrive::RunTmp(number) = file {
            let copy = engine.copy(drive, number)?;
            let records = std::mem::take(&mut copy.records);
            let data = std::mem::take(&mut copy.bytes);
            here.runs.push(RunFile { number, records, data, name: Cell::Dirty });
            here.runs.sort_by_key(|run| run.number);
            return Ok(());
        }
        let before = here.checkpoint.take();
        if here.checkpoint_name == Cell::Durable {
            here.older = before;
        }
        here.checkpoint_name = Cell::Dirty;
        here.checkpoint = engine.archive.checkpoints.iter().find(|one| one.0 == drive).map(|one| one.2);
        Ok(())
    }

    /// A sync of a drive's directory: the names in it.
    pub(crate) fn sync_drive(
        self,
        state: &mut State,
        drive: DriveNo,
        ended: Ended,
        fault: Option<&Fault>,
    ) -> Result<(), Refused> {
        sense(ended != Ended::Short && state.drive(drive).is_some())?;
        let role = Role::Drive(drive);
        let engine = state.engine.as_mut().map_or_else(nonsense, Ok)?;
        let begun = engine.syncing.iter().position(|begun| begun.0 == role);
        let covered = begun.map(|index| engine.syncing.swap_remove(index).1);
        let covers = |file| {
            let unit = Unit::Name(Role::OnDrive(drive, file));
            covered.as_ref().is_none_or(|covered| covered.contains(&unit))
        };
        let life = &mut engine.archive;
        // After a sync that failed the entry is clean, and the next one proves nothing of it.
        let waits = |stage: u8| {
            let failed = stage & made::FAILED != 0 && !self.is_off(Guard::FailedCopyIsAbandoned);
            stage & made::RENAMED != 0 && stage & made::NAMED == 0 && !failed
        };
        for copy in life.copies.iter_mut().filter(|copy| copy.drive == drive && waits(copy.stage)) {
            if covers(OnDrive::Run(copy.run)) {
                state.past.marks |= abandoned(ended);
                self.ended(&mut copy.stage, made::NAMED, ended);
            }
        }
        for one in life.checkpoints.iter_mut().filter(|one| one.0 == drive && waits(one.1)) {
            if covers(OnDrive::Manifest) {
                self.ended(&mut one.1, made::NAMED, ended);
            }
        }
        if let Some((_, stage)) = life.adding.as_mut().filter(|one| one.0 == drive && waits(one.1)) {
            self.ended(stage, made::NAMED, ended);
        }
        match (ended, fault) {
            (Ended::Failed, fault) => {
                let keep = fault.map_or(Keep::None, |fault| fault.keep.clone());
                state.disk.sync_failed(role, &keep, Cache::New);
            }
            (_, Some(_)) => {}
            (_, None) => state.disk.sync(role, covered.as_deref()),
        }
        Ok(())
    }

    /// A copy is read back, through the page cache.
    pub(crate) fn verify(
        self,
        state: &mut State,
        (drive, run): (DriveNo, RunNo),
        found: Verdict,
    ) -> Result<(), Refused> {
        let file = state.drive(drive).and_then(|drive| drive.run(run)).cloned().map_or_else(nonsense, Ok)?;
        let copy = state.engine_mut()?.copy(drive, run)?;
        sense(copy.stage & made::RENAMED != 0)?;
        self.goes_on(copy.stage)?;
        let good = copy.lsns.is_some_and(|lsns| lsns.iter().all(|lsn| file.at(lsn).is_some()));
        sense(good == (found == Verdict::Good))?;
        copy.stage |= if good { made::VERIFIED } else { made::FAILED };
        if !good {
            state.past.mark(Mark::Abandoned);
        }
        Ok(())
    }
}

/// The mark of a copy that a call has cost.
fn abandoned(ended: Ended) -> u32 {
    if ended == Ended::Failed { 1 << Mark::Abandoned as u32 } else { 0 }
}
