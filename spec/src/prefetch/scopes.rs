//! Named scopes of the prefetch model: small worlds, each explored to its end.

#[cfg(test)]
mod tests;

use super::state::{Doing, Phase, Stage};
use super::{Limits, Menu, RETRIES, State};
use crate::text::words;

words! {
    /// Something that a scope must meet, as a state shows it.
    Witness, "a witness" {
        /// A reader is served out of a slot.
        ServedFromCache = "served-from-cache",
        /// A buffer is full while the write has landed and nobody has heard of it.
        LateAcknowledgement = "late-acknowledgement",
        /// A slot is retired while somebody reads it.
        RetiredUnderAPin = "retired-under-a-pin",
        /// A slot is retired while somebody fills it.
        DoomedWhileFilling = "doomed-while-filling",
        /// Both readers have one slot pinned.
        PinnedTwice = "pinned-twice",
        /// A slot serves a rewritten generation.
        FilledAgain = "filled-again",
        /// A reader's snapshot is older than the catalog.
        OldSnapshot = "old-snapshot",
        /// An old generation is removed.
        Reclaimed = "reclaimed",
        /// A buffer does not fit, for its blocks are gone.
        Raced = "raced",
        /// A read of the device is tried again.
        Retried = "retried",
        /// Every retry has failed.
        GivenUp = "given-up",
        /// A drive is quarantined.
        Quarantined = "quarantined",
        /// A reader is served from the other copy.
        ServedFromTheOtherCopy = "served-from-the-other-copy",
        /// A buffer that is too short is ready.
        Short = "short",
        /// A buffer that begins with the second half is ready.
        Suffix = "suffix",
        /// Verification is under way, between its two looks.
        BetweenTheLooks = "between-the-looks",
        /// A buffer was found to fit its metadata.
        Verified = "verified",
    }
}

impl Witness {
    /// Whether a state shows it.
    #[must_use]
    pub fn is_shown(self, state: &State) -> bool {
        let slot = |shows: fn(&super::Slot) -> bool| state.slots.iter().any(shows);
        let served = state.readers.iter().any(|reader| matches!(reader.doing, Doing::Served(_)));
        match self {
            Self::ServedFromCache => served,
            Self::LateAcknowledgement => {
                state.landed > state.acknowledged && slot(|slot| slot.stage == Stage::Arrived)
            }
            Self::RetiredUnderAPin => slot(|slot| slot.phase == Phase::Retired),
            Self::DoomedWhileFilling => slot(|slot| slot.phase == Phase::Doomed),
            Self::PinnedTwice => slot(|slot| slot.pins == 2),
            Self::FilledAgain => slot(|slot| slot.phase == Phase::Ready && slot.generation > 0),
            Self::OldSnapshot => state
                .readers
                .iter()
                .any(|reader| reader.doing != Doing::Idle && reader.generation < state.current),
            Self::Reclaimed => state.reclaimed > 0,
            Self::Raced => state
                .slots
                .iter()
                .any(|slot| slot.stage == Stage::Mismatched && slot.generation < state.reclaimed),
            Self::Retried => slot(|slot| slot.counted > 0),
            Self::GivenUp => {
                slot(|slot| slot.counted == RETRIES && slot.stage == Stage::Mismatched) && !state.quarantined
            }
            Self::Quarantined => state.quarantined,
            Self::ServedFromTheOtherCopy => state.quarantined && served,
            Self::Short => slot(|slot| slot.phase == Phase::Ready && slot.short),
            Self::Suffix => slot(|slot| slot.phase == Phase::Ready && slot.from.half == 1),
            Self::BetweenTheLooks => slot(|slot| slot.looks == 1),
            Self::Verified => slot(|slot| slot.phase == Phase::Ready && slot.stage == Stage::Verified),
        }
    }
}

/// A small world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// Its name, used once.
    pub name: &'static str,
    /// What is in it, in one sentence.
    pub says: &'static str,
    /// What may happen.
    pub menu: Menu,
    /// What must be met.
    pub witnesses: Vec<Witness>,
}

const fn limits(reads: u8, rewrites: u8, faults: u8) -> Limits {
    Limits { reads, rewrites, faults }
}

/// One block, one slot, two readers.
const fn narrow(limits: Limits) -> Menu {
    Menu {
        blocks: 1,
        slots: 1,
        readers: 2,
        halves: false,
        short: false,
        garbled: false,
        rot: false,
        reclaim: false,
        limits,
    }
}

/// The scopes that `cargo test` explores on the slot word's design.
#[must_use]
pub fn small() -> Vec<Scope> {
    sized(false)
}

/// The scopes that `cargo verify` explores: the same worlds, with room for more.
#[must_use]
pub fn large() -> Vec<Scope> {
    sized(true)
}

fn sized(large: bool) -> Vec<Scope> {
    let pick = |small: Limits, more: Limits| if large { more } else { small };
    vec![
        one_slot(pick(limits(5, 3, 0), limits(7, 5, 0))),
        two_slots(pick(limits(3, 1, 0), limits(3, 2, 0))),
        ranges(pick(limits(3, 1, 1), limits(4, 2, 1))),
        bad_drive(pick(limits(3, 2, 1), limits(4, 2, 2))),
        all_at_once(pick(limits(1, 1, 1), limits(2, 1, 1))),
    ]
}

fn one_slot(limits: Limits) -> Scope {
    Scope {
        name: "one-slot",
        says: "two readers and a compactor over one slot, rewritten again and again",
        menu: Menu { reclaim: true, ..narrow(limits) },
        witnesses: vec![
            Witness::ServedFromCache,
            Witness::LateAcknowledgement,
            Witness::RetiredUnderAPin,
            Witness::DoomedWhileFilling,
            Witness::PinnedTwice,
            Witness::FilledAgain,
            Witness::OldSnapshot,
            Witness::Reclaimed,
            Witness::Raced,
        ],
    }
}

fn two_slots(limits: Limits) -> Scope {
    Scope {
        name: "two-slots",
        says: "two blocks, two slots, two readers and a compactor: a slot is filled with another block",
        menu: Menu { blocks: 2, slots: 2, reclaim: true, ..narrow(limits) },
        witnesses: vec![
            Witness::ServedFromCache,
            Witness::LateAcknowledgement,
            Witness::RetiredUnderAPin,
            Witness::DoomedWhileFilling,
            Witness::FilledAgain,
            Witness::Raced,
        ],
    }
}

fn ranges(limits: Limits) -> Scope {
    Scope {
        name: "ranges",
        says: "reads that begin within a block, and reads of the device that are short",
        menu: Menu { blocks: 2, halves: true, short: true, ..narrow(limits) },
        witnesses: vec![
            Witness::ServedFromCache,
            Witness::LateAcknowledgement,
            Witness::RetiredUnderAPin,
            Witness::Short,
            Witness::Suffix,
        ],
    }
}

fn bad_drive(limits: Limits) -> Scope {
    Scope {
        name: "bad-drive",
        says: "a copy rots, a read is garbled, a generation is reclaimed: only the first costs a drive",
        menu: Menu { garbled: true, rot: true, reclaim: true, ..narrow(limits) },
        witnesses: vec![
            Witness::LateAcknowledgement,
            Witness::DoomedWhileFilling,
            Witness::Raced,
            Witness::Retried,
            Witness::GivenUp,
            Witness::Quarantined,
            Witness::ServedFromTheOtherCopy,
        ],
    }
}

fn all_at_once(limits: Limits) -> Scope {
    Scope {
        name: "all-at-once",
        says: "everything that the world has, once: so that each pair of features meets",
        menu: Menu {
            blocks: 2,
            slots: 2,
            halves: true,
            short: true,
            garbled: true,
            rot: true,
            reclaim: true,
            ..narrow(limits)
        },
        witnesses: vec![
            Witness::LateAcknowledgement,
            Witness::RetiredUnderAPin,
            Witness::DoomedWhileFilling,
            Witness::Raced,
            Witness::Short,
            Witness::Suffix,
            Witness::Quarantined,
            Witness::ServedFromTheOtherCopy,
        ],
    }
}

/// The scope in which a design with two flags is decided: two readers and a compactor over one slot.
#[must_use]
pub fn two_flags() -> Scope {
    Scope {
        name: "two-flags",
        says: "two readers and a compactor over the buffer of one block, rewritten twice",
        menu: narrow(limits(3, 2, 0)),
        witnesses: vec![Witness::LateAcknowledgement, Witness::BetweenTheLooks, Witness::Verified],
    }
}
