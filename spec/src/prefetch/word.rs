//! One word: phase, pins and generation change together, or not at all.

use super::state::{Bytes, Doing, Phase, Slot, Stage, State};
use super::{Guard, RETRIES, Word, sense};
use crate::invariant::Invariant;
use crate::step::{Got, PrefetchStep, Range, Retired};

impl Word {
    /// A condition on the action at hand.
    const fn guard(self, guard: Guard, holds: bool) -> Result<(), Guard> {
        if holds || self.off & (1 << guard as u16) != 0 { Ok(()) } else { Err(guard) }
    }

    pub(super) fn apply(self, state: &mut State, step: &PrefetchStep) -> Result<(), Guard> {
        match *step {
            PrefetchStep::Read { reader, from } => {
                let generation = state.current;
                state.ask(reader, from, generation)
            }
            PrefetchStep::Land(generation) => state.land(generation),
            PrefetchStep::Acknowledge(generation) => state.acknowledge(generation),
            PrefetchStep::Rot(block) => state.rot(block),
            PrefetchStep::Submit(generation) => {
                sense(state.current == state.submitted)?;
                state.submit(generation)
            }
            PrefetchStep::Switch(generation) => self.switch(state, generation),
            PrefetchStep::Reclaim(before) => self.reclaim(state, before),
            PrefetchStep::Retire { slot, before, did } => self.retire(state, slot, before, did),
            PrefetchStep::Begin { slot, from, generation } => {
                sense(generation <= state.current)?;
                state.slot(slot)?.begin(from, generation)
            }
            PrefetchStep::Fill { slot, got } => fill(state, slot, got),
            PrefetchStep::Verify(slot) => verify(state, slot),
            PrefetchStep::Excuse(slot) => {
                let current = state.current;
                let slot = state.slot(slot)?;
                sense(slot.is_owned() && slot.stage == Stage::Mismatched && slot.generation != current)?;
                slot.free();
                Ok(())
            }
            PrefetchStep::Count(slot) => self.count(state, slot),
            PrefetchStep::Quarantine(slot) => self.quarantine(state, slot),
            PrefetchStep::Publish(slot) => {
                let slot = state.slot(slot)?;
                sense(slot.phase == Phase::Filling && slot.stage != Stage::Begun)?;
                self.guard(Guard::PublishNeedsVerification, slot.stage == Stage::Verified)?;
                slot.phase = Phase::Ready;
                slot.counted = 0;
                Ok(())
            }
            PrefetchStep::Abandon(slot) => {
                let slot = state.slot(slot)?;
                sense(slot.phase == Phase::Doomed)?;
                slot.free();
                Ok(())
            }
            PrefetchStep::Pin { reader, slot } => self.pin(state, reader, slot),
            PrefetchStep::Serve { reader, slot } => self.serve(state, reader, slot),
            PrefetchStep::Unpin { reader, slot } => unpin(state, reader, slot),
            PrefetchStep::Through(reader) => through(state, reader),
            PrefetchStep::Mark(_) | PrefetchStep::Look { .. } => Err(Guard::StateIsOneWord),
        }
    }

    fn switch(self, state: &mut State, generation: u8) -> Result<(), Guard> {
        sense(generation == state.current + 1 && generation <= state.submitted)?;
        self.guard(Guard::SwitchNeedsAcknowledgement, generation <= state.acknowledged)?;
        state.current = generation;
        Ok(())
    }

    fn reclaim(self, state: &mut State, before: u8) -> Result<(), Guard> {
        sense(before == state.current && state.reclaimed < before)?;
        let held = |reader: &super::Reader| reader.doing != Doing::Idle && reader.generation < before;
        self.guard(Guard::ReclaimNeedsNoReader, !state.readers.iter().any(held))?;
        state.reclaimed = before;
        Ok(())
    }

    fn retire(self, state: &mut State, slot: u8, before: u8, did: Retired) -> Result<(), Guard> {
        sense(before == state.current)?;
        let slot = state.slot(slot)?;
        sense(slot.generation < before)?;
        match (slot.phase, did) {
            (Phase::Ready, Retired::Freed) => {
                self.guard(Guard::FreeNeedsNoPins, slot.pins == 0)?;
                slot.free();
            }
            (Phase::Ready, Retired::Waits) => {
                sense(slot.pins > 0)?;
                slot.phase = Phase::Retired;
            }
            (Phase::Filling, Retired::Waits) => slot.phase = Phase::Doomed,
            _ => return Err(Guard::NoSuchStep),
        }
        Ok(())
    }

    fn count(self, state: &mut State, slot: u8) -> Result<(), Guard> {
        let current = state.current;
        let slot = state.slot(slot)?;
        sense(slot.is_owned() && slot.stage == Stage::Mismatched && slot.counted < RETRIES)?;
        self.guard(Guard::FaultIsNoRace, slot.generation == current)?;
        slot.counted += 1;
        slot.again();
        Ok(())
    }

    fn quarantine(self, state: &mut State, slot: u8) -> Result<(), Guard> {
        let (current, healthy) = (state.current, state.rotten == 0);
        sense(!state.quarantined)?;
        let slot = state.slot(slot)?;
        sense(slot.is_owned() && slot.stage == Stage::Mismatched)?;
        self.guard(Guard::FaultIsNoRace, slot.generation == current)?;
        self.guard(Guard::QuarantineNeedsRetries, slot.counted == RETRIES)?;
        slot.counted = 0;
        slot.again();
        state.quarantined = true;
        if healthy {
            state.breaks(Invariant::QuarantineLosesNothing);
        }
        Ok(())
    }

    fn pin(self, state: &mut State, reader: u8, number: u8) -> Result<(), Guard> {
        let asks = *state.reader(reader)?;
        sense(asks.doing == Doing::Asks)?;
        let slot = state.slot(number)?;
        self.guard(Guard::PinNeedsReady, slot.phase == Phase::Ready)?;
        self.guard(Guard::PinNeedsGeneration, slot.generation == asks.generation)?;
        slot.pins += 1;
        state.reader(reader)?.doing = Doing::Pinned(number);
        Ok(())
    }

    fn serve(self, state: &mut State, reader: u8, number: u8) -> Result<(), Guard> {
        let asks = *state.reader(reader)?;
        sense(asks.doing == Doing::Pinned(number))?;
        let slot = *state.slot(number)?;
        self.guard(Guard::ServeNeedsTheBlock, slot.from.block == asks.from.block)?;
        self.guard(Guard::ServeNeedsTheStart, slot.from.half <= asks.from.half)?;
        self.guard(Guard::ServeNeedsTheEnd, !slot.short)?;
        state.reader(reader)?.doing = Doing::Served(number);
        let place = slot.from.block == asks.from.block && slot.from.half <= asks.from.half && !slot.short;
        match slot.bytes {
            Bytes::Of(generation) if place && generation == asks.generation => {}
            Bytes::Bad => state.breaks(Invariant::QuarantineLosesNothing),
            _ => state.breaks(Invariant::ReadNeverStale),
        }
        Ok(())
    }
}

/// What the device gives for a slot: a generation's blocks are files of their own.
fn on_device(state: &State, slot: &Slot) -> Bytes {
    let there = slot.generation <= state.landed && slot.generation >= state.reclaimed;
    let rotten = state.rotten == slot.from.block && !state.quarantined;
    if there && !rotten { Bytes::Of(slot.generation) } else { Bytes::Bad }
}

fn fill(state: &mut State, number: u8, got: Got) -> Result<(), Guard> {
    let slot = *state.slot(number)?;
    sense(slot.is_owned() && slot.stage == Stage::Begun)?;
    // A buffer that begins with the second half has no half to be cut to.
    sense(got != Got::Short || slot.from.half == 0)?;
    let bytes = if got == Got::Garbled { Bytes::Bad } else { on_device(state, &slot) };
    state.faults += u8::from(got != Got::Whole);
    let slot = state.slot(number)?;
    slot.bytes = bytes;
    slot.short = got == Got::Short;
    slot.stage = Stage::Arrived;
    Ok(())
}

fn verify(state: &mut State, number: u8) -> Result<(), Guard> {
    let acknowledged = state.acknowledged;
    let slot = state.slot(number)?;
    sense(slot.is_owned() && slot.stage == Stage::Arrived)?;
    let fits = slot.bytes == Bytes::Of(slot.generation);
    slot.stage = if fits { Stage::Verified } else { Stage::Mismatched };
    // The metadata is that of a write that nobody has heard the end of: two states at once.
    if slot.generation > acknowledged {
        state.breaks(Invariant::VerifySeesOneState);
    }
    Ok(())
}

fn unpin(state: &mut State, reader: u8, number: u8) -> Result<(), Guard> {
    let asks = *state.reader(reader)?;
    let doing = match asks.doing {
        Doing::Pinned(pinned) if pinned == number => Doing::Asks,
        Doing::Served(pinned) if pinned == number => Doing::Idle,
        _ => return Err(Guard::NoSuchStep),
    };
    let slot = state.slot(number)?;
    slot.pins = slot.pins.saturating_sub(1);
    if slot.phase == Phase::Retired && slot.pins == 0 {
        slot.free();
    }
    let reader = state.reader(reader)?;
    reader.doing = doing;
    if doing == Doing::Idle {
        *reader = super::Reader::default();
    }
    Ok(())
}

fn through(state: &mut State, number: u8) -> Result<(), Guard> {
    let reader = state.reader(number)?;
    sense(reader.doing == Doing::Asks)?;
    let generation = reader.generation;
    *reader = super::Reader::default();
    if generation < state.reclaimed {
        state.breaks(Invariant::CompactionPreservesReads);
    }
    Ok(())
}

impl Slot {
    /// Whether somebody fills it.
    #[must_use]
    pub const fn is_owned(&self) -> bool {
        matches!(self.phase, Phase::Filling | Phase::Doomed)
    }

    pub(super) fn begin(&mut self, from: Range, generation: u8) -> Result<(), Guard> {
        sense(self.phase == Phase::Empty)?;
        let Self { looks, counted, .. } = *self;
        *self = Self { phase: Phase::Filling, from, generation, looks, counted, ..Self::default() };
        Ok(())
    }

    /// Reads the device once more.
    fn again(&mut self) {
        self.stage = Stage::Begun;
        self.bytes = Bytes::None;
        self.short = false;
    }

    /// The whole word changes, its pins included.
    fn free(&mut self) {
        *self = Self::default();
    }
}

impl State {
    pub(super) fn ask(&mut self, reader: u8, from: Range, generation: u8) -> Result<(), Guard> {
        sense(from.half < 2 && from.block > 0)?;
        let reader = self.reader(reader)?;
        sense(reader.doing == Doing::Idle)?;
        *reader = super::Reader { doing: Doing::Asks, from, generation };
        self.asked += 1;
        Ok(())
    }

    pub(super) fn submit(&mut self, generation: u8) -> Result<(), Guard> {
        sense(!self.pending() && generation == self.submitted + 1)?;
        self.submitted = generation;
        Ok(())
    }

    pub(super) fn land(&mut self, generation: u8) -> Result<(), Guard> {
        sense(generation == self.landed + 1 && generation <= self.submitted)?;
        self.landed = generation;
        Ok(())
    }

    pub(super) fn acknowledge(&mut self, generation: u8) -> Result<(), Guard> {
        sense(generation == self.acknowledged + 1 && generation <= self.landed)?;
        self.acknowledged = generation;
        Ok(())
    }

    fn rot(&mut self, block: u8) -> Result<(), Guard> {
        sense(self.rotten == 0 && block > 0)?;
        self.rotten = block;
        Ok(())
    }
}
