//! The calls of the public interface, as far as the engine's steps follow from them.

use super::state::{Engine, Mark, Phase, Request, State, Told};
use super::{Guard, Mechanism, Refused, nonsense, sense};
use crate::step::{ClientStep, Lsn, TicketNo, Write};

impl Mechanism {
    pub(crate) fn client(self, state: &mut State, step: &ClientStep) -> Result<(), Refused> {
        match step {
            ClientStep::Create => {
                sense(state.engine.is_none() && !state.disk.identity_name.readable())?;
                state.engine = Some(Engine::new(Phase::Creating));
            }
            ClientStep::Open if !state.disk.identity_name.readable() => {
                sense(state.engine.is_none())?;
                state.judge_no_log();
            }
            ClientStep::Open => {
                sense(state.engine.is_none())?;
                state.engine = Some(Engine::new(Phase::Opening));
                state.begin_open(Phase::Opening);
            }
            ClientStep::AcceptLoss | ClientStep::Adopt => {
                sense(state.engine.is_none() && state.disk.identity_name.readable())?;
                state.engine = Some(Engine::new(Phase::Mending));
                state.begin_open(Phase::Mending);
            }
            ClientStep::Append(write) | ClientStep::Batch(write) => hand_in(state, write, None)?,
            ClientStep::Submit { ticket, write } => hand_in(state, write, Some(*ticket))?,
            ClientStep::Trim { before } => {
                let engine = serving(state)?;
                sense(engine.trim.is_none() && *before <= engine.durable + 1)?;
                engine.trim = Some(super::state::Trim { before: *before, floor: None, synced: false });
                state.trim_asked = state.trim_asked.max(*before);
            }
            ClientStep::Close => serving(state)?.closing = true,
            ClientStep::Read { from, reader } => state.read(*from, *reader)?,
            ClientStep::Hold { reader } => {
                let life = &mut serving(state)?.archive;
                sense(life.readers.iter().all(|one| one.0 != *reader))?;
                life.readers.push((*reader, life.catalog.clone()));
                life.readers.sort_by_key(|one| one.0);
            }
            ClientStep::Release { reader } => {
                let readers = &mut serving(state)?.archive.readers;
                let at = readers.iter().position(|one| one.0 == *reader).map_or_else(nonsense, Ok)?;
                readers.remove(at);
            }
            ClientStep::AddDrive { drive } => {
                let engine = serving(state)?;
                sense(engine.phase == Phase::Up && engine.archive.adding.is_none())?;
                engine.archive.adding = Some((*drive, 0));
            }
            ClientStep::Compact => {
                let engine = serving(state)?;
                sense(engine.phase == Phase::Up && !engine.poisoned && !engine.archive.wanted)?;
                engine.archive.wanted = true;
            }
            ClientStep::Wait { .. } | ClientStep::Tick | ClientStep::Scrub | ClientStep::Inspect => {}
            // No manifest is lost here.
            ClientStep::RebuildManifest => sense(false)?,
        }
        Ok(())
    }

    /// The handle is let go of.
    pub(crate) fn unlock(self, state: &mut State) -> Result<(), Refused> {
        let engine = state.engine.as_ref().map_or_else(nonsense, Ok)?;
        let over = match engine.phase {
            Phase::Up => engine.closing || engine.poisoned,
            Phase::Creating | Phase::Opening | Phase::Mending | Phase::ReadOnly => true,
        };
        sense(over)?;
        let waiting = state.requests.iter().any(|request| request.told == Told::Waiting);
        self.guard(Guard::UnlockAfterAllResolved, !waiting)?;
        state.engine = None;
        state.armed = None;
        state.past.mark(Mark::Closed);
        Ok(())
    }

    pub(crate) fn trimmed(self, state: &mut State, before: Lsn) -> Result<(), Refused> {
        let engine = state.engine_mut()?;
        let trim = engine.trim.map_or_else(nonsense, Ok)?;
        sense(trim.before == before)?;
        self.guard(Guard::TrimmedNeedsDurableEdit, trim.synced)?;
        engine.trim = None;
        Ok(())
    }
}

fn serving(state: &mut State) -> Result<&mut Engine, Refused> {
    let engine = state.engine_mut()?;
    sense(matches!(engine.phase, Phase::Up | Phase::ReadOnly) && !engine.closing)?;
    Ok(engine)
}

fn hand_in(state: &mut State, write: &Write, ticket: Option<TicketNo>) -> Result<(), Refused> {
    let refused = {
        let engine = serving(state)?;
        engine.phase == Phase::ReadOnly || engine.poisoned
    };
    let waits = |r: &Request| r.writer == write.writer && r.ticket.is_none() && r.told == Told::Waiting;
    sense(!write.records.is_empty() && !state.requests.iter().any(waits))?;
    let count = write.records.len() as u32;
    state.requests.push(Request {
        writer: write.writer,
        ticket,
        first: state.records,
        count,
        durability: write.durability,
        lsn: 0,
        told: if refused { Told::Absent } else { Told::Waiting },
    });
    state.records += count;
    state.last_open = None;
    Ok(())
}
