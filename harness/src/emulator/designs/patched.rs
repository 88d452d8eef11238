//! The prefetch buffer as the incident's patch left it: the same two flags, and three changes.
//!
//! 1. Verification asks for `write_pending` first.
//! 2. A fleeting barrier, from that question to the end of the comparison, keeps a rewrite of the block from being
//!    submitted in between.
//! 3. A back-off before a buffer is marked ready. The patch's history does not say what it looks at afterwards; here
//!    it is given the most that it can do with two flags: while a write is pending it backs off again, and then fills
//!    anew.
//!
//! What it cannot see is a rewrite that was submitted and acknowledged, both, while its own fill was on its way.

use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::{AcqRel, Acquire};

use super::flags::TwoFlags;
use super::{Design, Filled, Look, Pause, Reclaim};
use crate::emulator::content::{Bytes, Meta};

/// See the module's text.
#[derive(Debug)]
pub struct Patched {
    flags: TwoFlags,
    /// How many verifications of the block are between their question and their answer.
    barrier: Vec<AtomicU32>,
}

/// How far verification has come.
#[derive(Debug, Clone, Copy, Default)]
pub enum Stage {
    /// It asks whether a write is pending.
    #[default]
    Pending,
    /// None is: it asks whether the cache is ready.
    Ready,
    /// It is ready: it compares.
    Compare,
}

/// How far a fill has come.
#[derive(Debug, Clone, Copy)]
pub enum Fill {
    /// It reads.
    Reads,
    /// It has backed off.
    BackedOff,
    /// It has backed off and found a write pending: what it has may be old.
    Overtaken,
}

impl Design for Patched {
    const NAME: &'static str = "patched";
    type Stage = Stage;
    type Fill = Fill;

    fn new(blocks: usize) -> Self {
        Self { flags: TwoFlags::new(blocks), barrier: (0..blocks).map(|_| AtomicU32::new(0)).collect() }
    }

    fn meta(&self, block: usize) -> Meta {
        self.flags.meta(block)
    }

    fn look(&mut self, block: usize, stage: &mut Stage) -> Look {
        match std::mem::take(stage) {
            Stage::Pending if self.flags.of(block).write_pending() => Look::Pending,
            Stage::Pending => {
                self.barrier[block].fetch_add(1, AcqRel);
                *stage = Stage::Ready;
                Look::Next
            }
            Stage::Ready if self.flags.of(block).cache_ready() => {
                *stage = Stage::Compare;
                Look::Next
            }
            Stage::Ready => {
                self.barrier[block].fetch_sub(1, AcqRel);
                Look::Miss
            }
            Stage::Compare => {
                self.barrier[block].fetch_sub(1, AcqRel);
                self.flags.verified(block).map_or(Look::Mismatch, Look::Serve)
            }
        }
    }

    fn begin(&mut self, block: usize) -> Option<Fill> {
        self.flags.begin(block).then_some(Fill::Reads)
    }

    fn place(&self, _: usize, _: &Fill) -> usize {
        0
    }

    fn filled(&mut self, block: usize, fill: Fill, bytes: &Bytes) -> Filled<Fill> {
        match fill {
            Fill::Reads => Filled::Wait(Fill::BackedOff, Pause::BackOff),
            _ if self.flags.of(block).write_pending() => Filled::Wait(Fill::Overtaken, Pause::BackOff),
            Fill::Overtaken => Filled::Again(Fill::Reads),
            Fill::BackedOff => {
                self.flags.ready(block, bytes);
                Filled::Ready
            }
        }
    }

    fn abandon(&mut self, block: usize, _: Fill) {
        self.flags.end(block);
    }

    fn distrust(&mut self, block: usize) {
        self.flags.drop_buffer(block);
    }

    fn submit(&mut self, block: usize) -> Option<Meta> {
        (self.barrier[block].load(Acquire) == 0).then(|| self.flags.submit(block))
    }

    fn acknowledged(&mut self, block: usize) {
        self.flags.acknowledged(block);
    }

    fn compacted(&mut self) {}

    fn reclaim(&mut self) -> Reclaim {
        Reclaim::Nothing
    }
}
