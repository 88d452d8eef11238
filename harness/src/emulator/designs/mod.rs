//! The three designs of the prefetch buffer. [`Historical`] and [`Patched`] are stand-ins, built only to fail as the
//! incident's did; [`Packed`] is the production slot word.
//!
//! Every method is one step: nothing happens inside it. What lies between two steps takes virtual time, and there
//! everything else may happen.

mod flags;
mod historical;
mod packed;
mod patched;

pub use historical::Historical;
pub use packed::Packed;
pub use patched::Patched;

use super::content::{Bytes, Meta};

/// What verification, on behalf of a reader, does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// It looks again, as soon as it can.
    Next,
    /// The read is served.
    Serve(Bytes),
    /// The buffer is not what the metadata says.
    Mismatch,
    /// A write is pending: wait for it.
    Pending,
    /// There is no buffer: it must be filled.
    Miss,
}

/// What the prefetcher does with what it has read.
#[derive(Debug)]
pub enum Filled<F> {
    /// It serves from now on.
    Ready,
    /// It comes again with the same bytes, after a pause.
    Wait(F, Pause),
    /// It reads again.
    Again(F),
    /// It throws it away: it was overtaken.
    Dropped,
    /// What it has read is not what the metadata says, and nothing overtook it.
    Wrong(F),
}

/// What a pause is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pause {
    /// The patch's back-off.
    BackOff,
    /// Verifying takes as long as for a reader.
    Verify,
}

/// What destroying what a compaction replaced comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reclaim {
    /// Nothing is to be destroyed: the rewrite was in place.
    Nothing,
    /// Somebody may still read it.
    Pending,
    /// These places of these blocks are nobody's any more.
    Free(Vec<(usize, usize)>),
}

/// One way to keep prefetch, compaction and verification apart.
pub trait Design: Sized {
    /// Its name.
    const NAME: &'static str;
    /// How far verification of one read has come.
    type Stage: Default;
    /// The right to fill a buffer.
    type Fill;

    /// Empty buffers for so many blocks and so many readers, all in their first generation, at place 0.
    fn new(blocks: usize) -> Self;
    /// The metadata in force.
    fn meta(&self, block: usize) -> Meta;

    /// Verification looks once.
    fn look(&mut self, block: usize, stage: &mut Self::Stage) -> Look;

    /// The prefetcher wants to fill the block's buffer. `None`: it is filled, or being filled.
    fn begin(&mut self, block: usize) -> Option<Self::Fill>;
    /// Where on a drive it must read for that.
    fn place(&self, block: usize, fill: &Self::Fill) -> usize;
    /// It has read.
    fn filled(&mut self, block: usize, fill: Self::Fill, bytes: &Bytes) -> Filled<Self::Fill>;
    /// It gives up: no drive gives the block.
    fn abandon(&mut self, block: usize, fill: Self::Fill);
    /// The drive that the buffer came from is not trusted any more.
    fn distrust(&mut self, block: usize);

    /// The compaction submits the block's rewrite. Returns what is to be written where; `None`: not now.
    fn submit(&mut self, block: usize) -> Option<Meta>;
    /// The last acknowledgement of the rewrite arrived.
    fn acknowledged(&mut self, block: usize);
    /// All rewrites are acknowledged, and synced.
    fn compacted(&mut self);
    /// What was replaced is to be destroyed.
    fn reclaim(&mut self) -> Reclaim;
}
