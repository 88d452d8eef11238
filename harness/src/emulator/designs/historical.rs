//! The prefetch buffer as it was. `write_pending` belongs to the backend: set when a rewrite is submitted, with the new
//! metadata in place at once; cleared by the acknowledgement. `cache_ready` belongs to the prefetcher: set when its
//! fill arrives. A fill that was on its way when the rewrite was submitted brings the old bytes and sets `cache_ready`
//! while `write_pending` is set. Verification asks for `cache_ready` first, so it never comes to ask for the other: it
//! compares old bytes with new metadata, and so do its retries, until the acknowledgement comes.

use super::flags::TwoFlags;
use super::{Design, Filled, Look, Reclaim};
use crate::emulator::content::{Bytes, Meta};

/// See the module's text.
#[derive(Debug)]
pub struct Historical(TwoFlags);

/// How far verification has come.
#[derive(Debug, Clone, Copy, Default)]
pub enum Stage {
    /// It asks whether the cache is ready.
    #[default]
    Ready,
    /// It is ready: it compares.
    Compare,
    /// It is not ready: it asks whether a write is pending.
    Pending,
}

impl Design for Historical {
    const NAME: &'static str = "historical";
    type Stage = Stage;
    type Fill = ();

    fn new(blocks: usize) -> Self {
        Self(TwoFlags::new(blocks))
    }

    fn meta(&self, block: usize) -> Meta {
        self.0.meta(block)
    }

    fn look(&mut self, block: usize, stage: &mut Stage) -> Look {
        match std::mem::take(stage) {
            Stage::Ready => {
                *stage = if self.0.of(block).cache_ready() { Stage::Compare } else { Stage::Pending };
                Look::Next
            }
            Stage::Compare => self.0.verified(block).map_or(Look::Mismatch, Look::Serve),
            Stage::Pending if self.0.of(block).write_pending() => Look::Pending,
            Stage::Pending => Look::Miss,
        }
    }

    fn begin(&mut self, block: usize) -> Option<()> {
        self.0.begin(block).then_some(())
    }

    fn place(&self, _: usize, (): &()) -> usize {
        0
    }

    fn filled(&mut self, block: usize, (): (), bytes: &Bytes) -> Filled<()> {
        self.0.ready(block, bytes);
        Filled::Ready
    }

    fn abandon(&mut self, block: usize, (): ()) {
        self.0.end(block);
    }

    fn distrust(&mut self, block: usize) {
        self.0.drop_buffer(block);
    }

    fn submit(&mut self, block: usize) -> Option<Meta> {
        Some(self.0.submit(block))
    }

    fn acknowledged(&mut self, block: usize) {
        self.0.acknowledged(block);
    }

    fn compacted(&mut self) {}

    fn reclaim(&mut self) -> Reclaim {
        Reclaim::Nothing
    }
}
