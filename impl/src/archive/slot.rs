//! The state of one prefetch slot: phase, pins and generation in ONE atomic word.
//!
//! FPRE004 came from two flags, "last write pending" and "cache ready", that two layers kept and a third read one
//! after the other. Here there is nothing to read in the wrong order: every transition is one compare-exchange of the
//! whole word, and that a slot is being filled and ready at once has no bit pattern.
//!
//! ```text
//! Empty --begin(g)--> Filling(g) --publish--> Ready(g) --retire--> Retired(g) --last unpin--> Empty
//!                     Filling(g) --retire--> Doomed(g) --publish or abandon--> Empty
//!                                             Ready(g), no pins --retire--> Empty
//! ```
//!
//! What the slot holds is written by the one who holds its [`Filling`], and read only under a [`Pin`]. Both are
//! tokens that only this module makes, and that are used up by what ends them. A pin is a compare-exchange on
//! (`Ready`, the expected generation), never an addition: a slot that was retired, or filled again since, refuses it.

use std::fmt;

use crate::sync::{AtomicU64, Ordering};

const PHASE_BITS: u32 = 3;
const PIN_BITS: u32 = 13;
const PHASE_MASK: u64 = (1 << PHASE_BITS) - 1;
const PIN_ONE: u64 = 1 << PHASE_BITS;
const PIN_MASK: u64 = ((1 << PIN_BITS) - 1) << PHASE_BITS;
const GENERATION_SHIFT: u32 = PHASE_BITS + PIN_BITS;

/// The most pins that one slot can have; who wants one more reads past the slot.
pub const MAX_PINS: u64 = (1 << PIN_BITS) - 1;
/// The highest generation that fits into the word.
pub const MAX_GENERATION: u64 = (1 << (64 - GENERATION_SHIFT)) - 1;

/// What a slot is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// It holds nothing.
    Empty,
    /// Its owner writes what it will hold.
    Filling,
    /// It holds a verified block, and serves it.
    Ready,
    /// It serves nobody any more; those who have it pinned may read on.
    Retired,
    /// It was retired while it was filled: what its owner has is thrown away.
    Doomed,
}

impl Phase {
    const fn bits(self) -> u64 {
        match self {
            Self::Empty => 0,
            Self::Filling => 1,
            Self::Ready => 2,
            Self::Retired => 3,
            Self::Doomed => 4,
        }
    }

    const fn of(word: u64) -> Self {
        match word & PHASE_MASK {
            1 => Self::Filling,
            2 => Self::Ready,
            3 => Self::Retired,
            4 => Self::Doomed,
            _ => Self::Empty,
        }
    }
}

/// A slot's state, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SlotState {
    /// What it is doing.
    pub phase: Phase,
    /// How many readers have it pinned.
    pub pins: u64,
    /// The generation of what it holds.
    pub generation: u64,
}

const fn word(phase: Phase, pins: u64, generation: u64) -> u64 {
    phase.bits() | (pins << PHASE_BITS) | (generation << GENERATION_SHIFT)
}

const fn taken_apart(word: u64) -> SlotState {
    SlotState {
        phase: Phase::of(word),
        pins: (word & PIN_MASK) >> PHASE_BITS,
        generation: word >> GENERATION_SHIFT,
    }
}

/// The right to write a slot's contents, until it is published or abandoned.
#[derive(Debug)]
#[must_use = "a slot that nobody publishes or abandons is filled for ever"]
pub struct Filling {
    generation: u64,
}

/// The right to read a slot's contents, until it is unpinned.
#[derive(Debug)]
#[must_use = "a slot that nobody unpins is never freed"]
pub struct Pin {
    generation: u64,
}

/// What a retirement did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Retiring {
    /// The slot holds nothing of an older generation.
    Nothing,
    /// It is free.
    Freed,
    /// Somebody reads or fills it still; the last of them frees it.
    Pending,
}

/// See the module's text.
pub struct SlotWord(AtomicU64);

impl Default for SlotWord {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for SlotWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.state(), f)
    }
}

impl SlotWord {
    /// An empty slot.
    #[must_use]
    pub fn new() -> Self {
        Self(AtomicU64::new(word(Phase::Empty, 0, 0)))
    }

    /// The state at this moment; by the time the caller looks at it, it may be another.
    #[must_use]
    pub fn state(&self) -> SlotState {
        taken_apart(self.0.load(Ordering::Acquire))
    }

    /// Begins to fill the slot for `generation`. `None` unless it is empty.
    pub fn begin(&self, generation: u64) -> Option<Filling> {
        let generation = generation.min(MAX_GENERATION);
        self.change(|state| (state.phase == Phase::Empty).then_some(word(Phase::Filling, 0, generation)))
            .map(|_| Filling { generation })
    }

    /// What was filled may be read from now on. Says no if the slot was retired meanwhile: then it is empty again.
    pub fn publish(&self, filling: Filling) -> bool {
        self.end(filling, Phase::Ready)
    }

    /// Nothing came of the filling: the slot is empty again.
    pub fn abandon(&self, filling: Filling) {
        let _ = self.end(filling, Phase::Empty);
    }

    fn end(&self, filling: Filling, phase: Phase) -> bool {
        let Filling { generation } = filling;
        let ended = self.change(|state| match state.phase {
            Phase::Filling => Some(word(phase, 0, if phase == Phase::Empty { 0 } else { generation })),
            _ => Some(word(Phase::Empty, 0, 0)),
        });
        ended.is_some_and(|before| before.phase == Phase::Filling)
    }

    /// Pins what the slot holds, if that is ready and of this very generation.
    pub fn pin(&self, generation: u64) -> Option<Pin> {
        self.change(|state| {
            let takes =
                state.phase == Phase::Ready && state.generation == generation && state.pins < MAX_PINS;
            takes.then(|| word(Phase::Ready, state.pins, generation) + PIN_ONE)
        })
        .map(|_| Pin { generation })
    }

    /// Gives a pin back. The last one of a retired slot frees it.
    pub fn unpin(&self, pin: Pin) {
        let Pin { generation } = pin;
        let _ = self.change(|state| {
            let left = state.pins.saturating_sub(1);
            Some(match (state.phase, left) {
                (Phase::Retired, 0) => word(Phase::Empty, 0, 0),
                (phase, left) => word(phase, left, generation),
            })
        });
    }

    /// Stops the slot from serving anything older than generation `before`.
    pub fn retire(&self, before: u64) -> Retiring {
        let old = |state: SlotState| state.generation < before;
        let retired = self.change(|state| match state.phase {
            Phase::Ready if old(state) && state.pins == 0 => Some(word(Phase::Empty, 0, 0)),
            Phase::Ready if old(state) => Some(word(Phase::Retired, state.pins, state.generation)),
            Phase::Filling if old(state) => Some(word(Phase::Doomed, 0, state.generation)),
            _ => None,
        });
        match retired {
            Some(state) if state.phase == Phase::Ready && state.pins == 0 => Retiring::Freed,
            Some(_) => Retiring::Pending,
            None => match self.state() {
                state if matches!(state.phase, Phase::Retired | Phase::Doomed) && old(state) => {
                    Retiring::Pending
                }
                _ => Retiring::Nothing,
            },
        }
    }

    /// Exchanges the word for what `next` makes of it, until nobody comes in between. Returns the state before, or
    /// `None` if `next` wants no change.
    fn change(&self, next: impl Fn(SlotState) -> Option<u64>) -> Option<SlotState> {
        let mut seen = self.0.load(Ordering::Acquire);
        loop {
            let state = taken_apart(seen);
            // Release: what was written, or read, under a token happened before the token is given back.
            match self.0.compare_exchange_weak(seen, next(state)?, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Some(state),
                Err(now) => seen = now,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(phase: Phase, pins: u64, generation: u64) -> SlotState {
        SlotState { phase, pins, generation }
    }

    #[test]
    fn a_slot_is_filled_served_and_retired() {
        let slot = SlotWord::new();
        let filling = slot.begin(7).expect("it is empty");
        assert!(slot.begin(7).is_none(), "one owner");
        assert!(slot.pin(7).is_none(), "what is being filled serves nobody");
        assert!(slot.publish(filling));
        assert!(slot.pin(6).is_none() && slot.pin(8).is_none(), "another generation");
        let (one, two) = (slot.pin(7).expect("ready"), slot.pin(7).expect("ready"));
        assert_eq!(slot.state(), state(Phase::Ready, 2, 7));
        assert_eq!(slot.retire(7), Retiring::Nothing);
        assert_eq!(slot.retire(8), Retiring::Pending);
        assert!(slot.pin(7).is_none(), "retired");
        slot.unpin(one);
        assert_eq!((slot.state(), slot.retire(8)), (state(Phase::Retired, 1, 7), Retiring::Pending));
        slot.unpin(two);
        assert_eq!((slot.state().phase, slot.retire(8)), (Phase::Empty, Retiring::Nothing));
    }

    #[test]
    fn what_is_retired_while_it_is_filled_is_thrown_away() {
        let slot = SlotWord::new();
        let filling = slot.begin(1).expect("empty");
        assert_eq!(slot.retire(2), Retiring::Pending);
        assert!(slot.begin(2).is_none() && slot.pin(1).is_none());
        assert!(!slot.publish(filling));
        let filling = slot.begin(2).expect("empty again");
        slot.abandon(filling);
        assert_eq!(slot.state().phase, Phase::Empty);
    }

    #[test]
    fn a_ready_slot_that_nobody_reads_is_freed_at_once() {
        let slot = SlotWord::new();
        let filling = slot.begin(1).expect("empty");
        assert!(slot.publish(filling));
        assert_eq!(slot.retire(2), Retiring::Freed);
        assert!(slot.begin(2).is_some());
    }

    #[test]
    fn pins_have_an_end_and_never_reach_the_generation() {
        let slot = SlotWord::new();
        let filling = slot.begin(MAX_GENERATION).expect("empty");
        assert!(slot.publish(filling));
        let pins: Vec<_> = std::iter::from_fn(|| slot.pin(MAX_GENERATION)).collect();
        assert_eq!(slot.state(), state(Phase::Ready, MAX_PINS, MAX_GENERATION));
        pins.into_iter().for_each(|pin| slot.unpin(pin));
        assert_eq!(slot.state(), state(Phase::Ready, 0, MAX_GENERATION));
    }
}
