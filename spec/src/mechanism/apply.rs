//! One step.

use super::commit::{encode, fail, poison, refuse};
use super::files::{allocate, sync_start};
use super::state::{Engine, Mark, Phase, State};
use super::{Mechanism, Refused, nonsense, sense};
use crate::step::{
    Call, Ended, EngineStep, Fault, FaultKind, OnDrive, PathCheck, Role, Step, SyncKind, WorldStep,
};

impl Mechanism {
    /// The state after a step.
    ///
    /// # Errors
    /// [`Refused`] by the guard that stands against the step.
    pub fn apply(self, state: &State, step: &Step) -> Result<State, Refused> {
        let mut next = state.clone();
        next.broken = 0;
        match step {
            Step::Client(step) => self.client(&mut next, step)?,
            Step::World(step) => world(&mut next, step)?,
            Step::Engine(step) => self.engine(&mut next, step)?,
            // Another machine's.
            Step::Prefetch(_) => return nonsense(),
        }
        Ok(next)
    }

    fn engine(self, state: &mut State, step: &EngineStep) -> Result<(), Refused> {
        let fault = state.meets(step)?;
        if state.engine.is_none() {
            return nonsense();
        }
        let locked = state.engine.as_ref().is_some_and(|engine| engine.locked);
        let before_lock = matches!(step, EngineStep::Lock(_) | EngineStep::Mkdir(..) | EngineStep::Read(..));
        sense(locked || before_lock)?;
        match *step {
            EngineStep::Mkdir(role, ended) => mkdir(state, role, ended),
            EngineStep::Lock(ended) => lock(state, ended),
            EngineStep::Unlock => self.unlock(state),
            EngineStep::Create(role, ended) => self.create(state, role, ended),
            EngineStep::Allocate(role, ended) => allocate(state, role, ended),
            EngineStep::Fill(role, ended) => self.fill(state, role, ended),
            EngineStep::WriteBatch(spec, ended) => self.write_batch(state, spec, ended, fault.as_ref()),
            EngineStep::WriteEdit(number, edit, ended) => {
                self.write_edit(state, number, edit, ended, fault.as_ref())
            }
            EngineStep::SyncStart(role) => sync_start(state, role),
            EngineStep::Sync(_, role, ended) => self.sync(state, role, ended, fault.as_ref()),
            EngineStep::SyncDir(role, ended) => self.sync(state, role, ended, fault.as_ref()),
            EngineStep::Rename(from, to, ended) => self.rename(state, from, to, ended),
            EngineStep::Unlink(role, ended) => self.unlink(state, role, ended),
            EngineStep::Read(_, ended) => {
                if ended == Ended::Failed {
                    state.engine_mut()?.fail_open();
                }
                Ok(())
            }
            EngineStep::Check(segment, found) => self.check(state, segment, found),
            EngineStep::Encode(lsns, writer, durability) => encode(state, lsns, writer, durability),
            EngineStep::Publish(durability, lsn) => self.publish(state, durability, lsn),
            EngineStep::Ack(lsns, durability) => self.ack(state, lsns, durability),
            EngineStep::Fail(lsns) => fail(state, lsns),
            EngineStep::Refuse(ticket) => refuse(state, ticket),
            EngineStep::Poison => poison(state),
            EngineStep::Recover(row, role) => self.recover(state, row, role),
            EngineStep::Ready { next, read_only } => self.ready(state, next, read_only),
            EngineStep::Trimmed { before } => self.trimmed(state, before),
            EngineStep::WriteBlocks(drive, run, lsns, ended) => {
                self.write_blocks(state, (drive, run), lsns, ended, fault.as_ref())
            }
            EngineStep::Verify(drive, run, found) => self.verify(state, (drive, run), found),
            EngineStep::Switch { generation } => self.switch(state, generation),
            EngineStep::Retire { generation } => self.retire(state, generation),
        }
    }
}

impl State {
    /// The engine, where there must be one.
    pub(crate) fn engine_mut(&mut self) -> Result<&mut Engine, Refused> {
        self.engine.as_mut().map_or_else(nonsense, Ok)
    }

    /// The armed fault, if the step is the call that meets it. A call that failed or was short must have met
    /// one; a call that is done must not have, but for those faults that let it say so.
    fn meets(&mut self, step: &EngineStep) -> Result<Option<Fault>, Refused> {
        let Some((call, role, ended)) = call_of(step) else { return Ok(None) };
        let matches = self.armed.as_ref().is_some_and(|fault| fault.call == call && fault.role == role);
        let fault = if matches { self.armed.take() } else { None };
        let silent = |kind: FaultKind| matches!(kind, FaultKind::Ignored | FaultKind::Misdirected);
        sense(match &fault {
            None => ended == Ended::Done,
            Some(fault) if silent(fault.kind) => ended == Ended::Done,
            Some(fault) if matches!(fault.kind, FaultKind::Short | FaultKind::Eintr) => ended == Ended::Short,
            Some(_) => ended == Ended::Failed,
        })?;
        if ended != Ended::Done {
            self.past.mark(Mark::Failed);
        }
        Ok(fault)
    }
}

/// The call of the file system that a step is.
#[must_use]
pub fn call_of(step: &EngineStep) -> Option<(Call, Role, Ended)> {
    Some(match *step {
        EngineStep::Mkdir(role, ended) => (Call::Mkdir, role, ended),
        EngineStep::Lock(ended) => (Call::Lock, Role::Dir, ended),
        EngineStep::Create(role, ended) => (Call::Create, role, ended),
        EngineStep::Allocate(role, ended) => (Call::Allocate, role, ended),
        EngineStep::Fill(role, ended) => (Call::Write, role, ended),
        EngineStep::WriteBatch(spec, ended) => (Call::Write, Role::Segment(spec.segment), ended),
        EngineStep::WriteEdit(_, crate::step::Edit::Checkpoint, ended) => {
            (Call::Write, Role::ManifestTmp, ended)
        }
        EngineStep::WriteEdit(_, _, ended) => (Call::Write, Role::Manifest, ended),
        EngineStep::WriteBlocks(drive, run, _, ended) => {
            (Call::Write, Role::OnDrive(drive, OnDrive::RunTmp(run)), ended)
        }
        EngineStep::Sync(SyncKind::Data, role, ended) => (Call::SyncData, role, ended),
        EngineStep::Sync(SyncKind::All, role, ended) => (Call::SyncAll, role, ended),
        EngineStep::SyncDir(role, ended) => (Call::SyncDir, role, ended),
        EngineStep::Rename(_, role, ended) => (Call::Rename, role, ended),
        EngineStep::Unlink(role, ended) => (Call::Unlink, role, ended),
        EngineStep::Read(role, ended) => (Call::Read, role, ended),
        EngineStep::Check(segment, found) => {
            let ended = if found == PathCheck::Same { Ended::Done } else { return None };
            (Call::Stat, Role::Segment(segment), ended)
        }
        _ => return None,
    })
}

fn world(state: &mut State, step: &WorldStep) -> Result<(), Refused> {
    match step {
        WorldStep::CrashProcess => state.crash(None),
        WorldStep::CrashPower { keep, .. } => state.crash(Some(keep)),
        WorldStep::Fault(fault) => {
            sense(state.armed.is_none())?;
            state.past.faults += 1;
            state.armed = Some(fault.clone());
        }
        WorldStep::Damage { unit, kind } => {
            sense(state.damage(*unit, *kind))?;
            state.past.damages += 1;
        }
        WorldStep::Clock { .. } => {}
    }
    Ok(())
}

fn mkdir(state: &mut State, role: Role, ended: Ended) -> Result<(), Refused> {
    let creating = state.engine.as_ref().is_some_and(|engine| engine.phase == Phase::Creating);
    sense(creating && matches!(role, Role::Dir | Role::Ancestor))?;
    if ended == Ended::Done && role == Role::Dir {
        sense(!state.disk.ancestor.readable())?;
        state.disk.ancestor = super::disk::Cell::Dirty;
    } else if ended != Ended::Done {
        state.engine_mut()?.fail_open();
    }
    Ok(())
}

fn lock(state: &mut State, ended: Ended) -> Result<(), Refused> {
    sense(state.disk.ancestor.readable())?;
    let engine = state.engine_mut()?;
    sense(!engine.locked)?;
    if ended == Ended::Done {
        engine.locked = true;
    } else {
        engine.fail_open();
    }
    Ok(())
}
