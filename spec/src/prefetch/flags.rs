//! Two flags, kept by two layers: the incident's design, its patch, and what lies between them.

use super::state::{Bytes, Doing, Phase, Reader, Slot, Stage, State};
use super::{Guard, sense};
use crate::invariant::Invariant;
use crate::step::{Flag, Got, PrefetchStep};

/// A design with two flags. What both have in common is in the [module's text](super).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Flags {
    /// "Pending" is asked first, not "ready".
    pub pending_first: bool,
    /// Nothing is submitted while a verification is under way.
    pub barrier: bool,
    /// The back-off before "ready" outlasts every acknowledgement. One that may not orders nothing.
    pub outlasting: bool,
    /// Submission and acknowledgement reach a read that is under way, too: what it brings is thrown away.
    pub dooms: bool,
    /// How often a mismatch is tried again before it is held against the drive.
    pub retries: u8,
}

impl Flags {
    /// As the incident found it.
    pub const HISTORICAL: Self =
        Self { pending_first: false, barrier: false, outlasting: false, dooms: false, retries: 0 };
    /// As the incident left it.
    pub const PATCHED: Self = Self { pending_first: true, barrier: true, ..Self::HISTORICAL };

    /// Every combination, the weakest first.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let bit = |number: u8, bit: u8| number & (1 << bit) != 0;
        (0..16)
            .map(|n| Self {
                pending_first: bit(n, 0),
                barrier: bit(n, 1),
                outlasting: bit(n, 2),
                dooms: bit(n, 3),
                retries: 0,
            })
            .collect()
    }

    pub(super) fn apply(self, state: &mut State, step: &PrefetchStep) -> Result<(), Guard> {
        match *step {
            PrefetchStep::Read { reader, from } => {
                // A write that nobody has heard the end of may be seen, or not.
                let generation = state.acknowledged;
                state.ask(reader, from, generation)
            }
            PrefetchStep::Land(generation) => state.land(generation),
            PrefetchStep::Acknowledge(generation) => {
                state.acknowledge(generation)?;
                self.drop_buffers(state);
                Ok(())
            }
            PrefetchStep::Submit(generation) => {
                sense(!self.barrier || state.slots.iter().all(|slot| slot.looks == 0))?;
                state.submit(generation)?;
                self.drop_buffers(state);
                Ok(())
            }
            PrefetchStep::Begin { slot, from, generation } => {
                // A flag has no generation.
                sense(generation == 0)?;
                state.slot(slot)?.begin(from, generation)
            }
            PrefetchStep::Fill { slot, got } => fill(state, slot, got),
            PrefetchStep::Mark(number) => {
                sense(!self.outlasting || !state.pending())?;
                let slot = state.slot(number)?;
                sense(slot.phase == Phase::Filling && slot.stage == Stage::Arrived)?;
                slot.phase = Phase::Ready;
                Ok(())
            }
            PrefetchStep::Abandon(slot) => {
                let slot = state.slot(slot)?;
                sense(slot.phase == Phase::Doomed)?;
                slot.forget();
                Ok(())
            }
            PrefetchStep::Look { slot, flag } => self.look(state, slot, flag),
            PrefetchStep::Verify(slot) => self.verify(state, slot),
            PrefetchStep::Serve { reader, slot } => serve(state, reader, slot),
            PrefetchStep::Through(reader) => {
                let reader = state.reader(reader)?;
                sense(reader.doing == Doing::Asks)?;
                *reader = Reader::default();
                Ok(())
            }
            _ => Err(Guard::NoSuchStep),
        }
    }

    /// A block has another content, or will have: what is ready is dropped.
    fn drop_buffers(self, state: &mut State) {
        for slot in &mut state.slots {
            match slot.phase {
                Phase::Ready => slot.forget(),
                Phase::Filling if self.dooms => slot.phase = Phase::Doomed,
                _ => {}
            }
        }
    }

    /// The verifier reads one of the two flags. What it has read so far is counted; a flag that sends it away is not.
    fn look(self, state: &mut State, number: u8, flag: Flag) -> Result<(), Guard> {
        let pending = state.pending();
        let slot = state.slot(number)?;
        let ready = slot.phase == Phase::Ready;
        sense(match flag {
            Flag::Ready => ready,
            Flag::NotReady => !ready,
            Flag::Pending => pending,
            Flag::NotPending => !pending,
        })?;
        slot.looks = match (self.pending_first, slot.looks, flag) {
            (true, 0, Flag::NotPending) | (false, 0, Flag::Ready) => 1,
            (true, 1, Flag::Ready) | (false, 1, Flag::Pending | Flag::NotPending) => 2,
            // There is nothing to compare.
            (true, 1, Flag::NotReady) => 0,
            _ => return Err(Guard::NoSuchStep),
        };
        Ok(())
    }

    /// The buffer is compared with the metadata, which was put in place with the last submission.
    fn verify(self, state: &mut State, number: u8) -> Result<(), Guard> {
        let metadata = Bytes::Of(state.submitted);
        let slot = state.slot(number)?;
        sense(slot.looks == 2)?;
        slot.looks = 0;
        if slot.bytes != metadata {
            slot.counted += 1;
            if slot.counted > self.retries {
                // FPRE004: the drive is healthy, and the checksums differ.
                state.breaks(Invariant::VerifySeesOneState);
            }
        } else if slot.phase == Phase::Ready {
            slot.stage = Stage::Verified;
            slot.counted = 0;
        }
        Ok(())
    }
}

/// A block is rewritten in place: the device gives what has landed.
fn fill(state: &mut State, number: u8, got: Got) -> Result<(), Guard> {
    sense(got == Got::Whole)?;
    let landed = state.landed;
    let slot = state.slot(number)?;
    sense(slot.is_owned() && slot.stage == Stage::Begun)?;
    slot.bytes = Bytes::Of(landed);
    slot.stage = Stage::Arrived;
    Ok(())
}

fn serve(state: &mut State, reader: u8, slot: u8) -> Result<(), Guard> {
    let slot = *state.slot(slot)?;
    let reader = state.reader(reader)?;
    let fits = slot.from.block == reader.from.block && slot.from.half <= reader.from.half;
    sense(
        reader.doing == Doing::Asks && slot.phase == Phase::Ready && slot.stage == Stage::Verified && fits,
    )?;
    let fresh = matches!(slot.bytes, Bytes::Of(generation) if generation >= reader.generation);
    *reader = Reader::default();
    if !fresh {
        state.breaks(Invariant::ReadNeverStale);
    }
    Ok(())
}

impl Slot {
    /// It may be filled again. A verification that is under way still has its memory, and its count.
    fn forget(&mut self) {
        let Self { bytes, looks, counted, .. } = *self;
        *self = Self { bytes, looks, counted, ..Self::default() };
    }
}
