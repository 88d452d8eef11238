//! The edits of the manifest that concern the archive: what stands against one, and what follows from its sync.

use super::super::state::{Engine, Listing, Manifest, Mark, Past, Phase, State};
use super::super::{Guard, Mechanism, Refused, nonsense, sense};
use super::{Catalog, Copying, Life, Pending, made};
use crate::step::{DriveNo, Drives, Edit, Keep, Lsns, RunNo, RunSpec, Unit};

impl Mechanism {
    /// Whether an edit of the archive may be written.
    pub(crate) fn may_edit(self, state: &State, edit: Edit) -> Result<(), Refused> {
        let listing = state.listing().map_or_else(nonsense, Ok)?;
        let engine = state.engine.as_ref().map_or_else(nonsense, Ok)?;
        let archive = &listing.archive;
        match edit {
            Edit::Checkpoint | Edit::AddSegment(_) | Edit::Trim { .. } | Edit::AcceptLoss(_) => Ok(()),
            Edit::AddDrive(drive) => {
                let adding = engine.archive.adding.filter(|adding| adding.0 == drive);
                let made = adding.map_or(0, |adding| adding.1);
                sense(made & made::RENAMED != 0 && made & made::LISTED == 0)?;
                self.guard(Guard::EditAfterName, made & made::NAMED != 0)
            }
            Edit::Publish(spec) => self.may_publish(state, &listing, engine, spec),
            Edit::Copies(run, copies) => {
                let before = archive.run(run).map_or_else(nonsense, |run| Ok(run.copies))?;
                let new = Drives::these(copies.iter().filter(|drive| !before.contains(*drive)));
                sense(!copies.is_empty() && engine.phase == Phase::Up)?;
                self.copies_are_good(engine, run, new, archive.run(run).map(|run| run.lsns))
            }
            Edit::Quarantine(drive) | Edit::RemoveDrive(drive) => sense(archive.drives.contains(drive)),
            Edit::Readmit(drive) => sense(archive.quarantined.contains(drive)),
            Edit::Audited => sense(engine.phase == Phase::Up),
        }
    }

    fn may_publish(
        self,
        state: &State,
        listing: &Listing,
        engine: &Engine,
        spec: RunSpec,
    ) -> Result<(), Refused> {
        let archive = &listing.archive;
        sense(engine.phase == Phase::Up && spec.run > archive.last_run && !spec.copies.is_empty())?;
        sense(
            spec.lsns.last >= listing.before && spec.floor <= state.disk.highest_floor(spec.lsns.last + 1),
        )?;
        self.copies_are_good(engine, spec.run, spec.copies, Some(spec.lsns))?;
        let whole = archive.runs.iter().all(|run| {
            // Of a run that is trimmed in part only the rest is to be replaced.
            let first = run.lsns.first.max(listing.before);
            let inside = spec.lsns.contains(first) && spec.lsns.contains(run.lsns.last);
            inside || !spec.lsns.meets(run.lsns)
        });
        sense(whole)?;
        let next = (archive.archived() + 1).max(listing.before);
        self.guard(Guard::RunsLeaveNoGap, spec.lsns.first <= next)
    }

    /// The new copies of a run hold it, each of them for good.
    fn copies_are_good(
        self,
        engine: &Engine,
        run: RunNo,
        copies: Drives,
        lsns: Option<Lsns>,
    ) -> Result<(), Refused> {
        for drive in copies.iter() {
            let copy = engine.archive.copying(drive, run).map_or_else(nonsense, Ok)?;
            sense(copy.stage & made::RENAMED != 0 && copy.stage & made::LISTED == 0)?;
            self.guard(Guard::FailedCopyIsAbandoned, copy.stage & made::FAILED == 0)?;
            self.guard(Guard::PublishNeedsDurableRun, copy.stage & made::NAMED != 0)?;
            self.guard(Guard::PublishNeedsVerifiedCopy, copy.stage & made::VERIFIED != 0)?;
            self.guard(Guard::RunHoldsItsRecords, copy.lsns == lsns)?;
        }
        Ok(())
    }

    /// New readers read by the newest manifest.
    pub(crate) fn switch(self, state: &mut State, generation: u64) -> Result<(), Refused> {
        let listing = state.listing().map_or_else(nonsense, Ok)?;
        let engine = state.engine_mut()?;
        sense(engine.phase == Phase::Up && engine.archive.pending.is_none() && !engine.failed)?;
        sense(listing.archive.generation == generation)?;
        let new = Catalog::of(&listing);
        let old = std::mem::replace(&mut engine.archive.catalog, new);
        let kept = |number| listing.archive.run(number).is_some();
        if old.runs.iter().any(|run| !kept(run.number) && run.lsns.last >= listing.before) {
            state.past.mark(Mark::Merged);
        }
        let engine = state.engine_mut()?;
        if engine.archive.readers.iter().any(|reader| reader.1.generation < generation) {
            state.past.mark(Mark::HeldAcross);
        }
        Ok(())
    }
}

impl Engine {
    /// An edit of the archive was written, or might have been.
    pub(crate) fn archive_edit_written(&mut self, edit: Edit) {
        let (copies, run, floor) = match edit {
            Edit::Publish(spec) => (spec.copies, spec.run, spec.floor),
            Edit::Copies(run, copies) => (copies, run, 0),
            Edit::AddDrive(_)
            | Edit::Quarantine(_)
            | Edit::Readmit(_)
            | Edit::RemoveDrive(_)
            | Edit::Audited => (Drives::default(), 0, 0),
            Edit::Checkpoint | Edit::AddSegment(_) | Edit::Trim { .. } | Edit::AcceptLoss(_) => return,
        };
        let named = |copy: &Copying| copy.run == run && copies.contains(copy.drive);
        self.archive.copies.iter_mut().filter(|copy| named(copy)).for_each(|copy| copy.stage |= made::LISTED);
        self.archive.pending = Some(Pending { edit, floor });
    }

    /// The manifest is durable as it reads, with the edit that was on its way.
    pub(crate) fn archive_settled(&mut self) -> Option<Edit> {
        let pending = self.archive.pending.take()?;
        self.floor = self.floor.max(pending.floor);
        self.archive.copies.retain(|copy| copy.stage & made::LISTED == 0);
        match pending.edit {
            Edit::AddDrive(_) => self.archive.adding = None,
            Edit::Publish(_) => self.archive.wanted = false,
            _ => {}
        }
        Some(pending.edit)
    }
}

impl Life {
    /// Whether a checkpoint holds the edit that is on its way.
    pub(crate) fn carried(&self, checkpoint: Option<&Manifest>) -> bool {
        let Some((pending, manifest)) = self.pending.zip(checkpoint) else { return false };
        let mut with = manifest.base.archive.clone();
        with.apply(pending.edit);
        match pending.edit {
            Edit::Publish(spec) => manifest.base.archive.run(spec.run).is_some(),
            _ => with == manifest.base.archive,
        }
    }
}

impl Past {
    /// An edit of the archive is durable.
    pub(crate) fn settled(&mut self, edit: Option<Edit>) {
        if matches!(edit, Some(Edit::Publish(_))) {
            self.mark(Mark::Published);
        }
    }
}

impl State {
    /// A sync of the manifest has failed: the edit on its way may be durable all the same.
    pub(crate) fn publish_failed(&mut self, keep: &Keep) {
        let publish = |pending: &Pending| matches!(pending.edit, Edit::Publish(_));
        let pending = self.engine.as_ref().and_then(|engine| engine.archive.pending).filter(publish);
        let number = self.disk.edits;
        if pending.is_some() && super::super::crash::names(keep, Unit::Edit(number, None)) {
            self.past.mark(Mark::Persisted);
        }
    }

    /// Whether the manifest that a loss of power would leave names a copy of a run that is still wanted.
    pub(crate) fn device_names_run(&self, drive: DriveNo, run: RunNo) -> bool {
        self.disk.device_listing().is_some_and(|listing| {
            let wanted = listing.archive.run(run).is_some_and(|run| run.lsns.last >= listing.before);
            wanted && listing.archive.names(drive, run)
        })
    }
}
