//! The calls on files and directories: create, fill, sync, rename, unlink, manifest entries.

use super::crash::names;
use super::disk::Cell;
use super::state::{Engine, Manifest, Mark, Phase, Segment, State, Told, stage};
use super::{Guard, Mechanism, Refused, nonsense, sense};
use crate::invariant::Invariant;
use crate::step::{Cache, Durability, Edit, Ended, Fault, Keep, OnDrive, Role, SegmentNo, Unit};

impl Engine {
    /// Something failed on whose success the log depends.
    pub(crate) fn fail(&mut self) {
        self.failed = true;
        let synced = self.flights.iter().take_while(|flight| flight.synced).map(|flight| flight.last).max();
        self.failed_at.get_or_insert(synced.unwrap_or(0).max(self.durable));
    }

    /// As [`Engine::fail`], where an open or a create that failed ends without a handle.
    pub(crate) fn fail_open(&mut self) {
        match self.phase {
            Phase::Up | Phase::ReadOnly => {}
            Phase::Creating | Phase::Opening | Phase::Mending => self.failed = true,
        }
    }

    /// A file under a temporary name could not be made: it is given up, and nothing else is harmed.
    fn give_up(&mut self, role: Role) {
        self.full = true;
        match role {
            Role::SegmentTmp(number) => self.segments.retain(|segment| segment.0 != number),
            Role::ManifestTmp => {
                self.checkpoint = 0;
                self.draft = None;
            }
            _ => self.identity = 0,
        }
        self.fail_open();
    }

    /// How far a file under a temporary name has come.
    fn stage(&mut self, role: Role) -> Result<&mut u8, Refused> {
        match role {
            Role::SegmentTmp(number) | Role::Segment(number) => {
                self.segments.iter_mut().find(|s| s.0 == number).map_or_else(nonsense, |s| Ok(&mut s.1))
            }
            Role::ManifestTmp | Role::Manifest => Ok(&mut self.checkpoint),
            Role::IdentityTmp | Role::Identity => Ok(&mut self.identity),
            Role::Dir | Role::Ancestor | Role::Drive(_) | Role::OnDrive(..) => nonsense(),
        }
    }

    /// Whether an open has come to what it does behind its new manifest: to drives, and to what nothing names.
    pub(super) fn tidies(&self) -> bool {
        self.phase == Phase::Opening && self.writes() && self.checkpoint & stage::NAMED != 0
    }

    /// Whether a writable life may change files now.
    pub(super) fn writes(&self) -> bool {
        match self.phase {
            Phase::Creating | Phase::Mending => true,
            Phase::Opening => self.found.as_ref().is_some_and(|found| !found.damaged()),
            Phase::Up => true,
            Phase::ReadOnly => false,
        }
    }
}

pub(crate) fn allocate(state: &mut State, role: Role, ended: Ended) -> Result<(), Refused> {
    let engine = state.engine_mut()?;
    sense(matches!(role, Role::SegmentTmp(_) | Role::ManifestTmp))?;
    sense(*engine.stage(role)? & stage::CREATED != 0)?;
    if ended == Ended::Failed {
        engine.give_up(role);
    }
    Ok(())
}

pub(crate) fn sync_start(state: &mut State, role: Role) -> Result<(), Refused> {
    let covered = state.disk.pending(Some(role));
    let engine = state.engine_mut()?;
    engine.syncing.retain(|begun| begun.0 != role);
    engine.syncing.push((role, covered));
    Ok(())
}

impl Mechanism {
    pub(crate) fn create(self, state: &mut State, role: Role, ended: Ended) -> Result<(), Refused> {
        if let Role::OnDrive(drive, file) = role {
            return self.create_on(state, drive, file, ended);
        }
        let disk = &state.disk;
        let highest = disk.segments.iter().map(|segment| segment.number).max().unwrap_or(0);
        let engine = state.engine.as_mut().map_or_else(nonsense, Ok)?;
        sense(engine.writes())?;
        self.guard(Guard::FailurePoisons, !engine.failed)?;
        match role {
            Role::SegmentTmp(number) => {
                sense(number > highest && matches!(engine.phase, Phase::Up | Phase::Opening))?;
                engine.segments.retain(|segment| segment.0 != number);
                engine.segments.push((number, stage::CREATED));
            }
            Role::ManifestTmp => {
                engine.checkpoint = stage::CREATED;
                engine.draft = None;
            }
            Role::IdentityTmp => engine.identity = stage::CREATED,
            _ => return nonsense(),
        }
        if ended == Ended::Failed {
            engine.give_up(role);
            state.past.mark(Mark::Full);
        }
        Ok(())
    }

    pub(crate) fn fill(self, state: &mut State, role: Role, ended: Ended) -> Result<(), Refused> {
        if let Role::OnDrive(drive, file) = role {
            return self.fill_on(state, drive, file, ended);
        }
        let engine = state.engine_mut()?;
        sense(matches!(role, Role::SegmentTmp(_) | Role::ManifestTmp | Role::IdentityTmp))?;
        let here = engine.stage(role)?;
        sense(*here & stage::CREATED != 0)?;
        match ended {
            Ended::Done => *here = (*here | stage::FILLED) & !stage::SYNCED,
            Ended::Short => {}
            Ended::Failed => engine.give_up(role),
        }
        Ok(())
    }

    pub(crate) fn rename(self, state: &mut State, from: Role, to: Role, ended: Ended) -> Result<(), Refused> {
        if let (Role::OnDrive(drive, file), Role::OnDrive(other, name)) = (from, to) {
            sense(drive == other && file.published() == name)?;
            return self.rename_on(state, drive, file, ended);
        }
        let engine = state.engine.as_mut().map_or_else(nonsense, Ok)?;
        self.guard(Guard::FailurePoisons, !engine.failed)?;
        let pair = matches!((from, to), (Role::SegmentTmp(a), Role::Segment(b)) if a == b)
            || matches!(
                (from, to),
                (Role::ManifestTmp, Role::Manifest) | (Role::IdentityTmp, Role::Identity)
            );
        sense(pair)?;
        let here = *engine.stage(from)?;
        sense(here & stage::FILLED != 0 && here & stage::RENAMED == 0)?;
        self.guard(Guard::RenameNeedsSync, here & stage::SYNCED != 0)?;
        if ended == Ended::Failed {
            engine.give_up(from);
            engine.fail();
            return Ok(());
        }
        *engine.stage(from)? |= stage::RENAMED;
        let bytes = if here & stage::SYNCED != 0 { Cell::Durable } else { Cell::Dirty };
        let disk = &mut state.disk;
        match to {
            Role::Segment(number) => {
                disk.segments.push(Segment { number, data: bytes, name: Cell::Dirty });
            }
            Role::Manifest => {
                let before = disk.manifest.take();
                if disk.manifest_name == Cell::Durable {
                    disk.older = before;
                }
                disk.manifest = engine.draft.take();
                disk.manifest_name = Cell::Dirty;
            }
            _ => {
                let creating = engine.phase == Phase::Creating;
                self.guard(Guard::IdentityComesLast, !creating || engine.checkpoint & stage::NAMED != 0)?;
                self.guard(Guard::IdentityAfterAncestors, !creating || engine.anchored)?;
                disk.identity = bytes;
                if disk.identity_name != Cell::Durable {
                    disk.identity_name = Cell::Dirty;
                }
            }
        }
        Ok(())
    }

    pub(crate) fn sync(
        self,
        state: &mut State,
        role: Role,
        ended: Ended,
        fault: Option<&Fault>,
    ) -> Result<(), Refused> {
        match role {
            Role::Drive(drive) => return self.sync_drive(state, drive, ended, fault),
            Role::OnDrive(drive, file) => return self.sync_on(state, drive, file, ended),
            _ => sense(ended != Ended::Short)?,
        }
        let failed = ended == Ended::Failed;
        let engine = state.engine.as_mut().map_or_else(nonsense, Ok)?;
        if matches!(role, Role::SegmentTmp(_) | Role::ManifestTmp | Role::IdentityTmp) {
            sense(*engine.stage(role)? & stage::CREATED != 0)?;
            if failed {
                engine.give_up(role);
                return Ok(());
            }
            *engine.stage(role)? |= stage::SYNCED;
            if let (Role::ManifestTmp, None, Some(draft)) = (role, fault, engine.draft.as_mut()) {
                draft.cell = Cell::Durable;
            }
            return Ok(());
        }
        self.guard(Guard::FailedSyncIsFinal, !engine.failed)?;
        if let Role::Segment(number) = role {
            let batches = &state.disk.batches;
            let short = |batch: u64| batches.get(batch as usize - 1).is_some_and(|b| b.segment == number);
            let halves = engine.flights.iter().any(|flight| !flight.whole && short(flight.batch));
            self.guard(Guard::ShortWriteBeforeSync, !halves)?;
        }
        let begun = engine.syncing.iter().position(|begun| begun.0 == role);
        let covered = begun.map(|index| engine.syncing.swap_remove(index).1);
        if failed {
            let (keep, cache) = fault.map_or((Keep::None, Cache::New), |f| (f.keep.clone(), f.cache));
            if role == Role::Manifest {
                state.publish_failed(&keep);
            }
            state.disk.sync_failed(role, &keep, cache);
        } else if fault.is_none() {
            state.disk.sync(role, covered.as_deref());
        }
        if role == Role::Manifest && !failed && self.unnamed_manifest(state) {
            return Ok(());
        }
        state.learn(role, failed, covered.as_deref())
    }

    /// Whether the manifest is one whose own name is not durable yet: a sync of it proves nothing of the edits that it
    /// took over, since a loss of power may bring the one before it back.
    fn unnamed_manifest(self, state: &State) -> bool {
        let made = state.engine.as_ref().map_or(0, |engine| engine.checkpoint);
        made & stage::RENAMED != 0 && made & stage::NAMED == 0 && !self.is_off(Guard::EditAfterCheckpointName)
    }

    pub(crate) fn write_edit(
        self,
        state: &mut State,
        number: u64,
        edit: Edit,
        ended: Ended,
        fault: Option<&Fault>,
    ) -> Result<(), Refused> {
        sense(number == state.disk.edits + 1)?;
        if ended == Ended::Short {
            return Ok(());
        }
        if edit == Edit::Checkpoint {
            return self.write_checkpoint(state, number, ended);
        }
        self.may_edit(state, edit)?;
        let engine = state.engine.as_mut().map_or_else(nonsense, Ok)?;
        sense(engine.writes())?;
        self.guard(Guard::FailurePoisons, !engine.failed)?;
        let here = engine.checkpoint;
        self.guard(Guard::EditInFreshManifest, here & stage::RENAMED != 0)?;
        self.guard(Guard::EditAfterCheckpointName, here & stage::RENAMED == 0 || here & stage::NAMED != 0)?;
        let listed = |s: &(SegmentNo, u8)| s.1 & stage::LISTED != 0 && s.1 & stage::READY == 0;
        let trims = engine.trim.is_some_and(|trim| trim.floor.is_some() && !trim.synced);
        let waits = trims || engine.archive.pending.is_some();
        self.guard(Guard::OneEditInFlight, !waits && !engine.segments.iter().any(listed))?;
        match edit {
            Edit::AddSegment(segment) => {
                let made = engine.stage(Role::Segment(segment))?;
                sense(*made & stage::RENAMED != 0 && *made & stage::LISTED == 0)?;
                self.guard(Guard::EditAfterName, *made & stage::NAMED != 0)?;
                *made |= stage::LISTED;
            }
            Edit::Trim { before, floor } => {
                let trim = engine.trim.as_mut().map_or_else(nonsense, Ok)?;
                sense(trim.before == before && trim.floor.is_none())?;
                sense(floor <= state.disk.highest_floor(before))?;
                trim.floor = Some(floor);
            }
            _ => engine.archive_edit_written(edit),
        }
        let cell = match ended {
            Ended::Failed if fault.is_some_and(|f| names(&f.keep, Unit::Edit(number, None))) => Cell::Durable,
            Ended::Failed => Cell::Absent,
            Ended::Done | Ended::Short => Cell::Dirty,
        };
        if ended == Ended::Failed {
            engine.fail();
        }
        let watermark = engine.durable;
        state.disk.edits += 1;
        let manifest = state.disk.manifest.as_mut().map_or_else(nonsense, Ok)?;
        manifest.edits.push((number, edit, watermark, cell));
        Ok(())
    }

    fn write_checkpoint(self, state: &mut State, number: u64, ended: Ended) -> Result<(), Refused> {
        let listing = state.disk.manifest.as_ref().and_then(Manifest::read);
        let creating = state.engine.as_ref().is_some_and(|engine| engine.phase == Phase::Creating);
        sense(listing.is_some() || creating)?;
        let mut base = listing.unwrap_or_default();
        let engine = state.engine_mut()?;
        sense(engine.checkpoint & stage::CREATED != 0 && engine.checkpoint & stage::RENAMED == 0)?;
        base.watermark = base.watermark.max(engine.durable);
        base.identity_vouched |= engine.identity & stage::NAMED != 0;
        if let (Phase::Mending, Some(found)) = (engine.phase, engine.found.as_ref()) {
            base.losses.extend(found.damage);
        }
        if ended == Ended::Failed {
            engine.give_up(Role::ManifestTmp);
        } else {
            engine.checkpoint |= stage::FILLED;
            engine.draft = Some(Manifest { cell: Cell::Dirty, number, base, edits: Vec::new() });
        }
        state.disk.edits += 1;
        Ok(())
    }

    pub(crate) fn unlink(self, state: &mut State, role: Role, ended: Ended) -> Result<(), Refused> {
        match role {
            Role::Segment(number) => self.unlink_segment(state, number, ended),
            Role::OnDrive(drive, OnDrive::Run(run)) => self.unlink_run(state, (drive, run), ended),
            Role::OnDrive(drive, file) => self.unlink_tmp_on(state, drive, file, ended),
            Role::SegmentTmp(_) | Role::ManifestTmp | Role::IdentityTmp => {
                let engine = state.engine_mut()?;
                let unfinished = |s: &(SegmentNo, u8)| Role::SegmentTmp(s.0) == role && s.1 < stage::RENAMED;
                engine.segments.retain(|segment| !unfinished(segment));
                Ok(())
            }
            _ => nonsense(),
        }
    }

    fn unlink_segment(self, state: &mut State, number: SegmentNo, ended: Ended) -> Result<(), Refused> {
        sense(state.disk.shows(number))?;
        let engine = state.engine.as_ref().map_or_else(nonsense, Ok)?;
        let listed = state.disk.manifest.as_ref().and_then(Manifest::read);
        let named = listed.as_ref().is_some_and(|listing| listing.segments.contains(&number));
        let below = listed.as_ref().is_some_and(|listing| number < listing.floor);
        let asked = engine.trim.and_then(|trim| trim.floor).is_some_and(|floor| number < floor);
        let orphan = !named && !below && !state.disk.has_valid(number);
        sense(orphan || below || asked)?;
        let archived = listed.as_ref().filter(|listing| !orphan && state.is_archived(number, listing));
        match archived {
            Some(listing) => self.may_reclaim(state, listing, number < engine.floor)?,
            None => self.guard(Guard::UnlinkNeedsDurableTrim, orphan || number < engine.floor)?,
        }
        let archived = archived.is_some();
        if ended == Ended::Failed {
            return Ok(());
        }
        if !orphan && state.disk.device_names(number) {
            state.breaks(Invariant::ReclaimAfterPublish);
        }
        state.past.mark(if archived { Mark::Reclaimed } else { Mark::Unlinked });
        for segment in &mut state.disk.segments {
            if segment.number == number {
                segment.name = segment.name.removed();
            }
        }
        state.disk.segments.retain(|segment| segment.name != Cell::Absent);
        if archived {
            state.judge_checkpoints();
            state.judge_reclaim();
        }
        Ok(())
    }
}

impl State {
    /// What the engine knows after a sync of something that counts.
    fn learn(&mut self, role: Role, failed: bool, covered: Option<&[Unit]>) -> Result<(), Refused> {
        let Self { disk, engine, past, .. } = self;
        let engine = engine.as_mut().map_or_else(nonsense, Ok)?;
        let covers = |unit: Unit| covered.is_none_or(|covered| covered.contains(&unit));
        if failed {
            for flight in &mut engine.flights {
                let here = disk.batch(flight.batch).map(|batch| Role::Segment(batch.segment)) == Some(role);
                flight.failed |= here && !flight.synced;
            }
            engine.fail();
            // The kernel may drop what it could not write back, so a failed sync ends the promise that bytes
            // outlive the process. They may be there all the same.
            let synced = engine.failed_at.unwrap_or(engine.durable);
            for request in self.requests.iter_mut().filter(|request| request.lsn > synced) {
                if matches!(role, Role::Segment(_)) && request.told == Told::Acked(Durability::ProcessCrash) {
                    request.told = Told::Unresolved;
                }
            }
            return Ok(());
        }
        engine.failed = false;
        match role {
            Role::Segment(number) => {
                for flight in &mut engine.flights {
                    let here = disk.batch(flight.batch).is_some_and(|batch| batch.segment == number);
                    if here && covers(Unit::Batch(flight.batch, Some(0))) {
                        flight.synced = true;
                        flight.failed = false;
                    }
                }
                engine
                    .flights
                    .retain(|f| !f.synced || disk.batch(f.batch).is_some_and(|b| !b.records.is_empty()));
            }
            Role::Manifest => {
                for segment in engine.segments.iter_mut().filter(|s| s.1 & stage::LISTED != 0) {
                    segment.1 |= stage::READY;
                }
                if let Some(trim) = engine.trim.as_mut().filter(|trim| trim.floor.is_some()) {
                    trim.synced = true;
                    engine.floor = engine.floor.max(trim.floor.unwrap_or(0));
                }
                past.settled(engine.archive_settled());
            }
            Role::Dir => {
                engine.names_are_synced(disk.manifest.as_ref(), covers);
                // A checkpoint holds what was on its way, too.
                if engine.checkpoint & stage::NAMED != 0 && engine.archive.carried(disk.manifest.as_ref()) {
                    past.settled(engine.archive_settled());
                }
            }
            Role::Ancestor => engine.anchored = true,
            _ => return nonsense(),
        }
        if role == Role::Dir && engine.phase == Phase::Creating && engine.identity & stage::NAMED != 0 {
            self.begin_open(Phase::Opening);
        }
        Ok(())
    }
}

impl Engine {
    fn names_are_synced(&mut self, manifest: Option<&Manifest>, covers: impl Fn(Unit) -> bool) {
        for (number, stage) in &mut self.segments {
            if *stage & stage::RENAMED != 0 && covers(Unit::Name(Role::Segment(*number))) {
                *stage |= stage::NAMED;
            }
        }
        let named = self.checkpoint & stage::NAMED != 0;
        if self.checkpoint & stage::RENAMED != 0 && !named && covers(Unit::Name(Role::Manifest)) {
            self.checkpoint |= stage::NAMED;
            self.floor = self.floor.max(manifest.map_or(0, |manifest| manifest.base.floor));
        }
        if self.identity & stage::RENAMED != 0 && covers(Unit::Name(Role::Identity)) {
            self.identity |= stage::NAMED;
        }
    }
}
