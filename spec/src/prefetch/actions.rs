//! What may happen in a state: everything that the menu has, and the design does not refuse.

use super::Design;
use super::state::{Doing, Phase, Slot, State};
use crate::step::{Flag, Got, PrefetchStep, Range, Retired};

/// How much may happen. Bounds are nowhere else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// Reads.
    pub reads: u8,
    /// Rewrites of all blocks.
    pub rewrites: u8,
    /// Reads of the device that are short or garbled.
    pub faults: u8,
}

impl Limits {
    pub(crate) const fn hold(&self, state: &State) -> bool {
        state.asked <= self.reads && state.submitted <= self.rewrites && state.faults <= self.faults
    }
}

/// What may happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Menu {
    /// Blocks that are read.
    pub blocks: u8,
    /// Slots.
    pub slots: u8,
    /// Readers.
    pub readers: u8,
    /// Reads may begin with a block's second half.
    pub halves: bool,
    /// A read of the device may be short.
    pub short: bool,
    /// A read of the device may be garbled.
    pub garbled: bool,
    /// The first block's copy may rot.
    pub rot: bool,
    /// Old generations are removed.
    pub reclaim: bool,
    /// How much.
    pub limits: Limits,
}

impl Design {
    /// What can be done in a state. The order counts where several shortest paths exist: the world and the compactor
    /// come before the prefetcher, and it before the readers.
    #[must_use]
    pub fn actions(self, state: &State, menu: &Menu) -> Vec<PrefetchStep> {
        let mut steps = asks(menu);
        rewrites(state, menu, &mut steps);
        let slots = (1..=menu.slots).zip(&state.slots);
        if let Some((empty, _)) = slots.clone().find(|(_, slot)| slot.phase == Phase::Empty) {
            self.begins(state, menu, empty, &mut steps);
        }
        slots.for_each(|(number, _)| fills(menu, number, &mut steps));
        for (number, reader) in (1..=menu.readers).zip(&state.readers) {
            if reader.doing != Doing::Idle {
                serves(menu, number, &mut steps);
            }
        }
        steps.retain(|step| self.apply(state, step).is_ok());
        steps
    }

    /// Whether a reader waits, and nothing can be done for it, whatever the others do: a read that never ends.
    pub(crate) fn is_stuck(self, state: &State, menu: &Menu) -> bool {
        let mut waiting =
            (1..=menu.readers).zip(&state.readers).filter(|(_, reader)| reader.doing != Doing::Idle);
        waiting.any(|(number, _)| {
            let mut steps = Vec::new();
            serves(menu, number, &mut steps);
            !steps.iter().any(|step| self.apply(state, step).is_ok())
        })
    }
}

/// All reads that can be asked for.
fn asks(menu: &Menu) -> Vec<PrefetchStep> {
    let halves = if menu.halves { 2 } else { 1 };
    let ranges = (1..=menu.blocks).flat_map(|block| (0..halves).map(move |half| Range { block, half }));
    (1..=menu.readers)
        .flat_map(|reader| ranges.clone().map(move |from| PrefetchStep::Read { reader, from }))
        .collect()
}

fn rewrites(state: &State, menu: &Menu, steps: &mut Vec<PrefetchStep>) {
    steps.push(PrefetchStep::Submit(state.submitted + 1));
    steps.push(PrefetchStep::Land(state.landed + 1));
    steps.push(PrefetchStep::Acknowledge(state.acknowledged + 1));
    steps.push(PrefetchStep::Switch(state.current + 1));
    if menu.rot {
        steps.push(PrefetchStep::Rot(1));
    }
    for slot in 1..=menu.slots {
        for did in Retired::ALL {
            steps.push(PrefetchStep::Retire { slot, before: state.current, did: *did });
        }
    }
    if menu.reclaim {
        steps.push(PrefetchStep::Reclaim(state.current));
    }
}

impl Design {
    /// The prefetcher takes the first empty slot for what a reader asks for, or for the block behind it; no block twice.
    fn begins(self, state: &State, menu: &Menu, number: u8, steps: &mut Vec<PrefetchStep>) {
        for reader in state.readers.iter().filter(|reader| reader.doing != Doing::Idle) {
            // A flag has no generation.
            let generation = if self.has_flags() { 0 } else { reader.generation };
            let next = Range { block: reader.from.block + 1, half: 0 };
            for from in [reader.from, next].into_iter().filter(|from| from.block <= menu.blocks) {
                let held = |slot: &Slot| {
                    matches!(slot.phase, Phase::Filling | Phase::Ready)
                        && slot.from.block == from.block
                        && slot.generation == generation
                };
                let step = PrefetchStep::Begin { slot: number, from, generation };
                if !state.slots.iter().any(held) && !steps.contains(&step) {
                    steps.push(step);
                }
            }
        }
    }

    const fn has_flags(self) -> bool {
        matches!(self, Self::Flags(_))
    }
}

fn fills(menu: &Menu, slot: u8, steps: &mut Vec<PrefetchStep>) {
    steps.push(PrefetchStep::Fill { slot, got: Got::Whole });
    if menu.short {
        steps.push(PrefetchStep::Fill { slot, got: Got::Short });
    }
    if menu.garbled {
        steps.push(PrefetchStep::Fill { slot, got: Got::Garbled });
    }
    let deeds = [
        PrefetchStep::Mark,
        PrefetchStep::Publish,
        PrefetchStep::Abandon,
        PrefetchStep::Excuse,
        PrefetchStep::Count,
        PrefetchStep::Quarantine,
        PrefetchStep::Verify,
    ];
    steps.extend(deeds.map(|deed| deed(slot)));
    steps.extend(Flag::ALL.iter().map(|flag| PrefetchStep::Look { slot, flag: *flag }));
}

fn serves(menu: &Menu, reader: u8, steps: &mut Vec<PrefetchStep>) {
    for slot in 1..=menu.slots {
        steps.push(PrefetchStep::Serve { reader, slot });
        steps.push(PrefetchStep::Pin { reader, slot });
        steps.push(PrefetchStep::Unpin { reader, slot });
    }
    steps.push(PrefetchStep::Through(reader));
}
