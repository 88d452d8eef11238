//! The state of the prefetch model: what is on the device, in the slots, and in the readers' hands.

use super::Guard;
use crate::invariant::Invariant;
use crate::step::Range;

/// The slots that there are; a scope may use fewer.
pub const SLOTS: usize = 2;
/// The readers that there are; a scope may use fewer.
pub const READERS: usize = 2;

/// What a slot is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Phase {
    /// It holds nothing.
    #[default]
    Empty,
    /// Its owner writes what it will hold.
    Filling,
    /// It serves.
    Ready,
    /// It serves nobody any more; those who have it pinned may read on.
    Retired,
    /// It was retired while it was filled.
    Doomed,
}

/// How far its owner is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Stage {
    /// The read was handed to the device.
    #[default]
    Begun,
    /// The data is in the buffer.
    Arrived,
    /// The buffer fits its metadata.
    Verified,
    /// The buffer does not fit its metadata.
    Mismatched,
}

/// What a buffer holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Bytes {
    /// Nothing yet.
    #[default]
    None,
    /// Bytes that no write put there.
    Bad,
    /// The block as this generation has it.
    Of(u8),
}

/// A slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Slot {
    /// Part of the word.
    pub phase: Phase,
    /// Part of the word.
    pub pins: u8,
    /// Part of the word.
    pub generation: u8,
    /// Where its buffer begins.
    pub from: Range,
    /// Its buffer ends with the block's first half.
    pub short: bool,
    /// What its buffer holds.
    pub bytes: Bytes,
    /// How far its owner is.
    pub stage: Stage,
    /// Mismatches that were counted against the drive.
    pub counted: u8,
    /// How many of the two flags the verifier has read, in a design that has flags.
    pub looks: u8,
}

/// What a reader is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Doing {
    /// Nothing.
    #[default]
    Idle,
    /// It has asked.
    Asks,
    /// It has a slot pinned.
    Pinned(u8),
    /// It was served, and has the slot pinned still.
    Served(u8),
}

/// A reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Reader {
    /// What it is doing.
    pub doing: Doing,
    /// What it asks for.
    pub from: Range,
    /// Its snapshot.
    pub generation: u8,
}

/// A state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct State {
    /// The generation that the catalog names.
    pub current: u8,
    /// The newest generation that was submitted.
    pub submitted: u8,
    /// The newest that is on the device.
    pub landed: u8,
    /// The newest whose write is acknowledged.
    pub acknowledged: u8,
    /// Generations below are removed.
    pub reclaimed: u8,
    /// The block whose copy on the first drive went bad; 0 for none.
    pub rotten: u8,
    /// The first drive is quarantined.
    pub quarantined: bool,
    /// The slots.
    pub slots: [Slot; SLOTS],
    /// The readers.
    pub readers: [Reader; READERS],
    /// How many reads were asked for.
    pub asked: u8,
    /// How many reads of the device were short or garbled.
    pub faults: u8,
    /// The invariants that the last action broke.
    pub broken: u16,
}

impl State {
    /// Whether a write is submitted and not acknowledged.
    #[must_use]
    pub const fn pending(&self) -> bool {
        self.submitted > self.acknowledged
    }

    pub(super) fn slot(&mut self, number: u8) -> Result<&mut Slot, Guard> {
        at(&mut self.slots, number)
    }

    pub(super) fn reader(&mut self, number: u8) -> Result<&mut Reader, Guard> {
        at(&mut self.readers, number)
    }

    pub(super) fn breaks(&mut self, invariant: Invariant) {
        self.broken |= 1 << invariant as u16;
    }

    /// The first invariant, in the order of the table, that the last action broke.
    #[must_use]
    pub fn violated(&self) -> Option<Invariant> {
        Invariant::ALL.iter().copied().find(|one| self.broken & (1 << *one as u16) != 0)
    }
}

/// Numbers count from 1.
fn at<T>(things: &mut [T], number: u8) -> Result<&mut T, Guard> {
    usize::from(number).checked_sub(1).and_then(|index| things.get_mut(index)).ok_or(Guard::NoSuchStep)
}
