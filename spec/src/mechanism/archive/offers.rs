//! The archive's steps, as far as the checker offers them: one thing at a time, in the order of the procedures.

use super::super::disk::Cell;
use super::super::state::{Engine, Listing, State};
use super::super::{Guard, Mechanism, Menu};
use super::{Copying, Drive, RunFile, made};
use crate::step::{
    DriveNo, Drives, Edit, Ended, EngineStep, Lsns, OnDrive, Role, RunNo, RunSpec, SyncKind, Verdict,
};

const DONE: Ended = Ended::Done;

impl Mechanism {
    /// What the archive may do next while the log serves.
    pub(crate) fn archiving(self, state: &State, engine: &Engine, menu: &Menu, offers: &mut Vec<EngineStep>) {
        let life = &engine.archive;
        let busy = life.wanted || !life.copies.is_empty() || life.adding.is_some();
        if state.disk.drives.is_empty() && !busy {
            return;
        }
        if self.is_off(Guard::OutputsStayWhenPublishFails) && engine.failed {
            offers.extend(life.copies.iter().map(|copy| unlink(copy.drive, OnDrive::Run(copy.run))));
        }
        let Some(listing) = state.listing().filter(|_| !engine.failed) else { return };
        if life.pending.is_some() {
            offers.push(EngineStep::Sync(SyncKind::Data, Role::Manifest, DONE));
        }
        adding(state, engine, offers);
        self.building(state, engine, &listing, menu, offers);
        if life.pending.is_none() && life.catalog.generation != listing.archive.generation {
            offers.push(EngineStep::Switch { generation: listing.archive.generation });
        }
        self.reclaiming(state, engine, &listing, offers);
    }

    /// A run: its copies one after another, then its publish.
    fn building(
        self,
        state: &State,
        engine: &Engine,
        listing: &Listing,
        menu: &Menu,
        offers: &mut Vec<EngineStep>,
    ) {
        let life = &engine.archive;
        let useless = |copy: &&Copying| {
            let below = copy.lsns.is_some_and(|lsns| lsns.last < listing.before);
            copy.stage & made::LISTED == 0 && (copy.stage & made::FAILED != 0 || below)
        };
        if let Some(copy) = life.copies.iter().find(useless) {
            let file = if copy.stage & made::RENAMED != 0 {
                OnDrive::Run(copy.run)
            } else {
                OnDrive::RunTmp(copy.run)
            };
            offers.push(unlink(copy.drive, file));
            if !self.is_off(Guard::FailedCopyIsAbandoned) {
                return;
            }
        }
        let Some((run, lsns)) = self.planned(state, engine, listing, menu) else { return };
        let mut copies = Drives::default();
        for drive in listing.archive.healthy().take(menu.copies.max(1)) {
            let (steps, on) = self.copying(life.copying(drive, run), drive, run, &lsns);
            offers.extend(steps);
            if !on {
                return;
            }
            copies = copies.with(drive);
        }
        let number = state.disk.edits + 1;
        for lsns in lsns {
            let floor = state.disk.floor_for(lsns.last + 1);
            offers.push(EngineStep::WriteEdit(
                number,
                Edit::Publish(RunSpec { run, lsns, copies, floor }),
                DONE,
            ));
        }
    }

    /// The run that is to be built, and what it may hold: the first is the design's.
    fn planned(
        self,
        state: &State,
        engine: &Engine,
        listing: &Listing,
        menu: &Menu,
    ) -> Option<(RunNo, Vec<Lsns>)> {
        let (life, archive) = (&engine.archive, &listing.archive);
        let begun = life.copies.first();
        if begun.is_none() && !life.wanted || life.pending.is_some() {
            return None;
        }
        let run = begun.map_or_else(|| state.runs().max(archive.last_run) + 1, |copy| copy.run);
        let last = state.sealed();
        let from = |first| Lsns::new(first, last);
        let next = (archive.archived() + 1).max(listing.before).max(1);
        let merged = archive.runs.first().filter(|_| menu.merge).map(|run| run.lsns.first);
        let useful = last > archive.archived() || archive.runs.len() > 1;
        let mut plans: Vec<Option<Lsns>> = vec![from(next)];
        plans.extend(merged.filter(|_| useful).map(from));
        if self.is_off(Guard::RunHoldsItsRecords) {
            plans.push(Lsns::new(next, last.saturating_sub(1)));
        }
        if self.is_off(Guard::RunsLeaveNoGap) {
            plans.push(from(next + 1));
        }
        let plans: Vec<Lsns> = plans.into_iter().flatten().collect();
        (!plans.is_empty()).then_some((run, plans))
    }

    /// The next steps of one copy, and whether it may count.
    fn copying(
        self,
        copy: Option<&Copying>,
        drive: DriveNo,
        run: RunNo,
        plans: &[Lsns],
    ) -> (Vec<EngineStep>, bool) {
        let (tmp, file) =
            (Role::OnDrive(drive, OnDrive::RunTmp(run)), Role::OnDrive(drive, OnDrive::Run(run)));
        let Some(copy) = copy else { return (vec![EngineStep::Create(tmp, DONE)], false) };
        let has = |bit: u8| copy.stage & bit != 0;
        if !has(made::FILLED) {
            let write = |lsns: &Lsns| EngineStep::WriteBlocks(drive, run, *lsns, DONE);
            return (plans.iter().map(write).collect(), false);
        }
        if !has(made::SYNCED) {
            return (vec![EngineStep::Sync(SyncKind::All, tmp, DONE)], false);
        }
        if !has(made::RENAMED) {
            return (vec![EngineStep::Rename(tmp, file, DONE)], false);
        }
        let mut steps = Vec::new();
        let named = has(made::NAMED) || self.is_off(Guard::PublishNeedsDurableRun);
        if !has(made::NAMED) {
            steps.push(EngineStep::SyncDir(Role::Drive(drive), DONE));
        }
        if named && !has(made::VERIFIED) {
            steps.extend(Verdict::ALL.iter().map(|found| EngineStep::Verify(drive, run, *found)));
        }
        let verified = has(made::VERIFIED) || self.is_off(Guard::PublishNeedsVerifiedCopy);
        (steps, named && verified)
    }

    /// What runs have replaced goes.
    fn reclaiming(self, state: &State, engine: &Engine, listing: &Listing, offers: &mut Vec<EngineStep>) {
        let life = &engine.archive;
        if state.disk.segments.iter().any(|segment| segment.name == Cell::Removing) && engine.trim.is_none() {
            offers.push(EngineStep::SyncDir(Role::Dir, DONE));
        }
        offers.extend(removing(state));
        let segments =
            state.disk.segments.iter().filter(|one| one.name.readable() && one.number < listing.floor);
        let segments = segments.filter(|one| state.is_archived(one.number, listing));
        let mut sources: Vec<EngineStep> =
            segments.map(|one| EngineStep::Unlink(Role::Segment(one.number), DONE)).collect();
        let kept =
            |_: DriveNo, file: &RunFile| file.records.last().is_none_or(|last| last.0 >= listing.before);
        sources.extend(unnamed(state, listing, kept));
        if sources.is_empty() {
            return;
        }
        let behind =
            |drive: &DriveNo| life.checkpointed(*drive).is_none_or(|g| g < listing.archive.generation);
        let behind = listing.archive.healthy().find(behind).filter(|_| life.pending.is_none());
        if let Some(drive) = behind {
            offers.push(checkpoint(life.checkpoints.iter().find(|one| one.0 == drive), drive, listing));
        }
        let all_know = behind.is_none() || self.is_off(Guard::ReclaimNeedsCheckpoints);
        if all_know && life.retired < listing.archive.generation {
            offers.push(EngineStep::Retire { generation: listing.archive.generation });
        }
        offers.extend(sources);
    }
}

fn unlink(drive: DriveNo, file: OnDrive) -> EngineStep {
    EngineStep::Unlink(Role::OnDrive(drive, file), DONE)
}

/// The next step of a drive's identity.
fn adding(state: &State, engine: &Engine, offers: &mut Vec<EngineStep>) {
    let Some((drive, stage)) = engine.archive.adding else { return };
    let (tmp, file) = (Role::OnDrive(drive, OnDrive::IdentityTmp), Role::OnDrive(drive, OnDrive::Identity));
    let has = |bit: u8| stage & bit != 0;
    offers.push(if !has(made::CREATED) || has(made::FAILED) {
        EngineStep::Create(tmp, DONE)
    } else if !has(made::FILLED) {
        EngineStep::Fill(tmp, DONE)
    } else if !has(made::SYNCED) {
        EngineStep::Sync(SyncKind::All, tmp, DONE)
    } else if !has(made::RENAMED) {
        EngineStep::Rename(tmp, file, DONE)
    } else if !has(made::NAMED) {
        EngineStep::SyncDir(Role::Drive(drive), DONE)
    } else {
        EngineStep::WriteEdit(state.disk.edits + 1, Edit::AddDrive(drive), DONE)
    });
}

/// The next step of a drive's checkpoint.
fn checkpoint(made: Option<&(DriveNo, u8, u64)>, drive: DriveNo, listing: &Listing) -> EngineStep {
    let (tmp, file) = (Role::OnDrive(drive, OnDrive::ManifestTmp), Role::OnDrive(drive, OnDrive::Manifest));
    let Some(&(_, stage, generation)) = made else { return EngineStep::Create(tmp, DONE) };
    let has = |bit: u8| stage & bit != 0;
    let old = has(made::FILLED) && generation < listing.archive.generation;
    if has(made::FAILED) || old {
        EngineStep::Create(tmp, DONE)
    } else if !has(made::FILLED) {
        EngineStep::Fill(tmp, DONE)
    } else if !has(made::SYNCED) {
        EngineStep::Sync(SyncKind::All, tmp, DONE)
    } else if !has(made::RENAMED) {
        EngineStep::Rename(tmp, file, DONE)
    } else {
        EngineStep::SyncDir(Role::Drive(drive), DONE)
    }
}

/// The removal of runs that the manifest does not name and that this life does not make, where `wanted`.
pub(crate) fn unnamed(
    state: &State,
    listing: &Listing,
    wanted: impl Fn(DriveNo, &RunFile) -> bool,
) -> Vec<EngineStep> {
    let ours = |drive, run| state.engine.as_ref().is_some_and(|e| e.archive.copying(drive, run).is_some());
    let here = |drive: &Drive| {
        let files = drive.runs.iter().filter(|file| file.name.readable() && wanted(drive.number, file));
        let number = drive.number;
        let stray =
            files.filter(|file| !listing.archive.names(number, file.number) && !ours(number, file.number));
        stray.map(|file| unlink(number, OnDrive::Run(file.number))).collect::<Vec<_>>()
    };
    state.disk.drives.iter().flat_map(here).collect()
}

/// The syncs of the drives on which removals wait for one.
pub(crate) fn removing(state: &State) -> impl Iterator<Item = EngineStep> {
    let waits = |drive: &&Drive| drive.runs.iter().any(|file| file.name == Cell::Removing);
    state.disk.drives.iter().filter(waits).map(|drive| EngineStep::SyncDir(Role::Drive(drive.number), DONE))
}

/// The runs that a trim has let go of, and then the syncs that make their removal durable.
pub(crate) fn trimmed_runs(state: &State) -> Vec<EngineStep> {
    let Some(listing) = state.listing().filter(|_| !state.disk.drives.is_empty()) else { return Vec::new() };
    let below = |_: DriveNo, file: &RunFile| file.records.last().is_some_and(|last| last.0 < listing.before);
    let stray = unnamed(state, &listing, below);
    if stray.is_empty() { removing(state).collect() } else { stray }
}

/// The runs that an open removes: those that no manifest names.
pub(crate) fn orphans(mechanism: Mechanism, state: &State, listing: &Listing) -> Vec<EngineStep> {
    let mut steps = unnamed(state, listing, |_, _| true);
    if mechanism.is_off(Guard::OrphanIsUnnamed) {
        let all =
            state.disk.drives.iter().flat_map(|drive| drive.runs.iter().map(|file| (drive.number, file)));
        let shown = all.filter(|(_, file)| file.name.readable());
        steps.extend(shown.map(|(drive, file)| unlink(drive, OnDrive::Run(file.number))));
    }
    steps.extend(removing(state));
    steps
}
