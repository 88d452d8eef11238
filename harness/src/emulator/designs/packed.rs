//! Our prefetch buffer: the production slot word, under the archive's rules with one generation for all. A rewrite goes to another place, under
//! the next generation, and nothing names it before it is acknowledged and synced. Then the catalog moves, slots of
//! older generations are retired, and what was replaced is destroyed once no slot is filled or pinned under them.

use truelog::archive::slot::{Filling, Pin, Retiring, SlotWord};

use super::{Design, Filled, Look, Pause, Reclaim};
use crate::emulator::content::{Bytes, Meta};

/// See the module's text.
#[derive(Debug)]
pub struct Packed {
    generation: u64,
    blocks: Vec<Slot>,
}

#[derive(Debug)]
struct Slot {
    word: SlotWord,
    /// Written by whoever fills the slot, read under a pin.
    held: Bytes,
    meta: Meta,
    /// What a rewrite submitted; in force once it is published.
    rewritten: Option<Meta>,
    /// The place that a published rewrite replaced.
    replaced: Option<usize>,
}

/// How far a read has come.
#[derive(Debug, Default)]
pub enum Stage {
    /// It wants a pin.
    #[default]
    Unpinned,
    /// It has one, and reads.
    Pinned(Pin),
}

/// A fill.
#[derive(Debug)]
pub struct Fill {
    filling: Filling,
    generation: u64,
    meta: Meta,
    verifies: bool,
}

impl Design for Packed {
    const NAME: &'static str = "packed";
    type Stage = Stage;
    type Fill = Fill;

    fn new(blocks: usize) -> Self {
        let slot = |block| Slot {
            word: SlotWord::new(),
            held: Bytes::default(),
            meta: Meta::of(block, 1, 0),
            rewritten: None,
            replaced: None,
        };
        Self { generation: 1, blocks: (0..blocks).map(slot).collect() }
    }

    fn meta(&self, block: usize) -> Meta {
        self.blocks[block].meta
    }

    fn look(&mut self, block: usize, stage: &mut Stage) -> Look {
        let slot = &self.blocks[block];
        match std::mem::take(stage) {
            Stage::Unpinned => match slot.word.pin(self.generation) {
                Some(pin) => {
                    *stage = Stage::Pinned(pin);
                    Look::Next
                }
                None => Look::Miss,
            },
            Stage::Pinned(pin) => {
                let bytes = slot.held;
                slot.word.unpin(pin);
                Look::Serve(bytes)
            }
        }
    }

    fn begin(&mut self, block: usize) -> Option<Fill> {
        let Slot { word, meta, .. } = &self.blocks[block];
        let generation = self.generation;
        word.begin(generation).map(|filling| Fill { filling, generation, meta: *meta, verifies: false })
    }

    fn place(&self, _: usize, fill: &Fill) -> usize {
        fill.meta.place
    }

    fn filled(&mut self, block: usize, fill: Fill, bytes: &Bytes) -> Filled<Fill> {
        let slot = &mut self.blocks[block];
        if !fill.verifies {
            // The right to fill is the right to write, also when the slot was retired meanwhile.
            slot.held = *bytes;
            return Filled::Wait(Fill { verifies: true, ..fill }, Pause::Verify);
        }
        if fill.meta.vouches(block, &slot.held) {
            if slot.word.publish(fill.filling) { Filled::Ready } else { Filled::Dropped }
        } else if fill.generation != self.generation {
            // A race: it is tried again from the start, and counts against no drive.
            slot.word.abandon(fill.filling);
            Filled::Dropped
        } else {
            Filled::Wrong(Fill { verifies: false, ..fill })
        }
    }

    fn abandon(&mut self, block: usize, fill: Fill) {
        self.blocks[block].word.abandon(fill.filling);
    }

    /// What a slot serves was verified by itself when it was filled, from whichever drive.
    fn distrust(&mut self, _: usize) {}

    fn submit(&mut self, block: usize) -> Option<Meta> {
        let slot = &mut self.blocks[block];
        let rewritten = Meta::of(block, slot.meta.generation + 1, 1 - slot.meta.place);
        slot.rewritten = Some(rewritten);
        Some(rewritten)
    }

    fn acknowledged(&mut self, _: usize) {}

    fn compacted(&mut self) {
        self.generation += 1;
        for slot in &mut self.blocks {
            if let Some(meta) = slot.rewritten.take() {
                slot.replaced = Some(slot.meta.place);
                slot.meta = meta;
            }
        }
    }

    fn reclaim(&mut self) -> Reclaim {
        // Every slot is retired, also behind one that is pending.
        let pending =
            self.blocks.iter().filter(|slot| slot.word.retire(self.generation) == Retiring::Pending);
        if pending.count() > 0 {
            return Reclaim::Pending;
        }
        let replaced = |(block, slot): (usize, &mut Slot)| Some((block, slot.replaced.take()?));
        Reclaim::Free(self.blocks.iter_mut().enumerate().filter_map(replaced).collect())
    }
}
