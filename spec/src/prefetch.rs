//! How prefetched blocks are filled, verified, served and retired while a compaction rewrites them, at the grain of
//! single atomic actions. Deterministic, like the [mechanism](crate::mechanism): every choice is in the
//! [`PrefetchStep`]. Three designs of the buffer's state share one vocabulary:
//!
//! | design | the state of a buffer | what FPRE004 is to it |
//! |---|---|---|
//! | `Historical` | two flags of two layers, "last write pending" and "cache ready"; verification reads "ready" first | found |
//! | `Patched` | the same; "pending" is read first, a barrier between verification and submission, a back-off before "ready" | found |
//! | `Packed` | phase, pins and generation in one word | exhausted, never found |
//!
//! **The world.** A compactor rewrites all blocks as the next generation: *submit* hands the bytes to the device, at
//! some time they *land*, at some later time the *acknowledgement* is heard: as late as it likes, for no clock orders
//! it. Until they land, the device gives the old bytes (in place), or nothing that fits (in a file of their own). A
//! read of the device may be short or garbled; a copy may rot, and there is a second, healthy one.
//!
//! **Two flags: what is assumed.** The incident tells what the patch changed, and not all of what stood around it.
//! Where it is silent, both designs get the stronger reading:
//!
//! - The compactor puts the new metadata (the checksum) in place and sets "pending" in one moment, at submission; the
//!   acknowledgement clears "pending".
//! - Submission *and* acknowledgement drop a buffer that is "ready". Neither knows of a read that is still under way.
//! - The prefetcher sets "ready" in an action of its own, some time after its data has arrived.
//! - Verification reads one flag, then the other, then compares the buffer with the metadata that is in place: three
//!   actions. The first mismatch breaks the invariant; with [`Flags::retries`] it must be met again, three times more:
//!   both designs meet it. `Historical` asks "ready" first, and that settles it: there is a buffer to compare; what "pending" says
//!   then comes too late. `Patched` asks "pending" first, and waits while it is set.
//! - `Patched`'s barrier is the strongest there can be: from verification's first look to its verdict nothing is
//!   submitted. It is fleeting: it cannot hold back an acknowledgement.
//! - `Patched`'s back-off is tiny: the acknowledgement (7.3 ms of jitter) may come before, within or behind it, and a
//!   delay that what it waits for can outlast orders nothing. Therefore `Patched` has no rule for it. [`Flags`] also
//!   has the back-off that outlasts every acknowledgement ("ready" is never set while a write is pending), and a drop
//!   that reaches reads under way; [every combination](Flags::all) is decided in a pinned table.
//!
//! **One word: what is assumed.** A rewritten block is a file of its own; the catalog switches to a generation when
//! its write is acknowledged; the filler verifies before it publishes; readers hold a snapshot. Prefetching holds none:
//! what it reads may be reclaimed under its feet, which the generation, read again, tells from a fault.
//!
//! What the model leaves out: weak memory, time, that the blocks of a rewrite land one by one, and crashes: what is
//! durable is the mechanism's.

mod actions;
mod flags;
mod guards;
mod replay;
pub mod scopes;
mod state;
mod switches;
mod word;

pub use actions::{Limits, Menu};
pub use flags::Flags;
pub use guards::Guard;
pub use replay::{replay, replay_past};
pub use state::{Bytes, Doing, Phase, READERS, Reader, SLOTS, Slot, Stage, State};
pub use switches::{NoTrace, Switch, counterexample, stated};

use crate::step::PrefetchStep;

/// How often a mismatch is read again before the drive is quarantined for it.
pub const RETRIES: u8 = 3;

/// A design of the buffer's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Design {
    /// Two flags.
    Flags(Flags),
    /// One word, with some of its guards turned off.
    Word(Word),
}

/// The slot word's design, with some of its guards turned off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Word {
    off: u16,
}

impl Default for Design {
    fn default() -> Self {
        Self::PACKED
    }
}

impl Design {
    /// As the incident found it.
    pub const HISTORICAL: Self = Self::Flags(Flags::HISTORICAL);
    /// As the incident left it.
    pub const PATCHED: Self = Self::Flags(Flags::PATCHED);
    /// As it is here.
    pub const PACKED: Self = Self::Word(Word { off: 0 });

    /// The design as it is here, but for these guards.
    #[must_use]
    pub fn without(guards: &[Guard]) -> Self {
        Self::Word(Word { off: guards.iter().fold(0, |off, guard| off | 1 << *guard as u16) })
    }

    /// The state after an action.
    ///
    /// # Errors
    /// The guard that stands against it.
    pub fn apply(self, state: &State, step: &PrefetchStep) -> Result<State, Guard> {
        let mut next = *state;
        next.broken = 0;
        match self {
            Self::Flags(flags) => flags.apply(&mut next, step)?,
            Self::Word(word) => word.apply(&mut next, step)?,
        }
        Ok(next)
    }
}

/// A condition that no switch turns off.
const fn sense(holds: bool) -> Result<(), Guard> {
    if holds { Ok(()) } else { Err(Guard::NoSuchStep) }
}
