//! What persists: the units of the disk by name, syncs, and the two kinds of crash.

use super::disk::Cell;
use super::state::{Disk, LastOpen, Mark, Phase, State, Told};
use crate::step::{Cache, Durability, Keep, OnDrive, Role, Unit};

/// Whether `keep` names a unit. A batch has two units here, its first sector and the rest (`sector:1` stands
/// for all of them); what else has sectors counts by its first.
pub(crate) fn names(keep: &Keep, unit: Unit) -> bool {
    let matches = |named: &Unit| match (*named, unit) {
        (Unit::Batch(a, None), Unit::Batch(b, _)) => a == b,
        (Unit::Edit(a, sector), Unit::Edit(b, _)) => a == b && sector.unwrap_or(0) == 0,
        (Unit::Data(a, sector), Unit::Data(b, _)) => a == b && sector.unwrap_or(0) == 0,
        (a, b) => a == b,
    };
    match keep {
        Keep::None => false,
        Keep::All => true,
        Keep::These(units) => units.iter().any(matches),
    }
}

fn name(role: Role, cell: Cell) -> Unit {
    if cell == Cell::Removing { Unit::Gone(role) } else { Unit::Name(role) }
}

impl Disk {
    /// Visits each unit: what a sync of which file or directory covers it, its name, where it stands.
    fn each(&mut self, mut visit: impl FnMut(Role, Unit, &mut Cell)) {
        visit(Role::Ancestor, Unit::Name(Role::Dir), &mut self.ancestor);
        visit(Role::Identity, Unit::Data(Role::Identity, None), &mut self.identity);
        visit(Role::Dir, name(Role::Identity, self.identity_name), &mut self.identity_name);
        visit(Role::Dir, name(Role::Manifest, self.manifest_name), &mut self.manifest_name);
        if let Some(manifest) = &mut self.manifest {
            visit(Role::Manifest, Unit::Edit(manifest.number, None), &mut manifest.cell);
            for (number, _, _, cell) in &mut manifest.edits {
                visit(Role::Manifest, Unit::Edit(*number, None), cell);
            }
        }
        for segment in &mut self.segments {
            let role = Role::Segment(segment.number);
            visit(role, Unit::Data(role, None), &mut segment.data);
            visit(Role::Dir, name(role, segment.name), &mut segment.name);
        }
        for drive in &mut self.drives {
            let role = |file| Role::OnDrive(drive.number, file);
            let dir = Role::Drive(drive.number);
            visit(dir, name(role(OnDrive::Identity), drive.identity), &mut drive.identity);
            visit(dir, name(role(OnDrive::Manifest), drive.checkpoint_name), &mut drive.checkpoint_name);
            for run in &mut drive.runs {
                let role = role(OnDrive::Run(run.number));
                visit(role, Unit::Data(role, None), &mut run.data);
                visit(dir, name(role, run.name), &mut run.name);
            }
        }
        for (index, batch) in self.batches.iter_mut().enumerate() {
            for (sector, cell) in batch.cells.iter_mut().enumerate() {
                let unit = Unit::Batch(index as u64 + 1, Some(sector as u64));
                visit(Role::Segment(batch.segment), unit, cell);
            }
        }
    }

    /// The units that a crash, or a failed sync of `role`, has a choice about.
    #[must_use]
    pub fn pending(&self, role: Option<Role>) -> Vec<Unit> {
        let mut units = Vec::new();
        self.clone().each(|covered, unit, cell| {
            if cell.pending() && role.is_none_or(|role| role == covered) {
                units.push(unit);
            }
        });
        units
    }

    /// A sync of `role` that succeeds; of `only` these units, if it began before others were written.
    pub(crate) fn sync(&mut self, role: Role, only: Option<&[Unit]>) {
        self.each(|covered, unit, cell| {
            if covered == role && only.is_none_or(|only| only.contains(&unit)) {
                *cell = cell.synced();
            }
        });
        self.settle();
    }

    /// A sync of `role` that fails.
    pub(crate) fn sync_failed(&mut self, role: Role, keep: &Keep, cache: Cache) {
        self.each(|covered, unit, cell| {
            if covered == role {
                *cell = cell.sync_failed(names(keep, unit));
                if *cell == Cell::Lost && cache == Cache::Old && role != Role::Dir {
                    *cell = Cell::Absent;
                }
            }
        });
        self.settle();
    }

    /// A unit that was durable is damaged.
    pub(crate) fn damage(&mut self, unit: Unit) -> bool {
        let mut hit = false;
        self.each(|_, here, cell| {
            if cell.durable() && names(&Keep::These(vec![unit]), here) {
                *cell = Cell::Damaged;
                hit = true;
            }
        });
        hit
    }

    /// The power fails.
    fn power_lost(&mut self, keep: &Keep) {
        self.each(|_, unit, cell| *cell = cell.power_lost(names(keep, unit)));
        if self.ancestor == Cell::Absent {
            let batches = std::mem::take(&mut self.batches);
            *self = Self { batches, edits: self.edits, ..Self::default() };
        } else if self.manifest_name == Cell::Absent {
            self.manifest = self.older.take();
            self.manifest_name = if self.manifest.is_some() { Cell::Durable } else { Cell::Absent };
        }
        if self.identity_name == Cell::Absent {
            self.identity = Cell::Absent;
        }
        for drive in &mut self.drives {
            if drive.checkpoint_name == Cell::Absent {
                drive.checkpoint = drive.older.take();
                let back = drive.checkpoint.is_some();
                drive.checkpoint_name = if back { Cell::Durable } else { Cell::Absent };
            }
            drive.runs.retain(|run| run.name != Cell::Absent);
        }
        self.drives.retain(|drive| drive.identity != Cell::Absent);
        self.settle();
        let Self { segments, batches, .. } = self;
        segments.retain(|segment| segment.name != Cell::Absent);
        for batch in batches {
            if !segments.iter().any(|segment| segment.number == batch.segment) {
                batch.cells = [Cell::Absent; 2];
            }
        }
    }

    /// What no longer makes a difference is forgotten.
    fn settle(&mut self) {
        if self.manifest_name == Cell::Durable {
            self.older = None;
        }
        for drive in &mut self.drives {
            if drive.checkpoint_name == Cell::Durable {
                drive.older = None;
            }
            drive.runs.retain(|run| run.name != Cell::Absent);
        }
    }
}

impl State {
    /// The process dies, or the power fails, which kills it too.
    pub(crate) fn crash(&mut self, power: Option<&Keep>) {
        let opening = self.engine.as_ref().filter(|engine| engine.phase == Phase::Opening);
        if opening.is_some() {
            self.past.mark(Mark::InRecovery);
        }
        let found = opening.and_then(|engine| engine.found.as_ref());
        if let Some(found) = found {
            self.last_open = Some(LastOpen { next: found.next(), damaged: found.damaged(), returned: false });
        }
        self.engine = None;
        self.armed = None;
        self.past.crashes += 1;
        self.past.mark(if power.is_some() { Mark::Power } else { Mark::Process });
        for request in &mut self.requests {
            let gone = power.is_some() && request.told == Told::Acked(Durability::ProcessCrash);
            if request.told == Told::Waiting || gone {
                request.told = if request.lsn == 0 { Told::Absent } else { Told::Unresolved };
            }
        }
        if let Some(keep) = power {
            // What an interrupted recovery had found in the cache alone may now be less.
            self.last_open = self.last_open.filter(|last| last.returned);
            self.disk.power_lost(keep);
        }
    }
}
