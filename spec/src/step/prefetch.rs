//! What happens to a prefetched block, at the grain of single atomic actions.
//!
//! Readers ask for blocks of the archive under the generation that is current then. A prefetcher fills slots, a
//! compactor rewrites the blocks as the next generation, and the world decides when the rewritten bytes are on the
//! device and when that is heard of. Slots, blocks and readers are numbered from 1, generations from 0.

use std::fmt;

use super::Actor;
use crate::text::{ParseError, Words, words};

/// A block's place in a read or a buffer: which block, and from which of its two halves on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Range {
    /// The block.
    pub block: u8,
    /// The half, 0 or 1.
    pub half: u8,
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "block={} from={}", self.block, self.half)
    }
}

impl Range {
    fn parse(words: &mut Words<'_>) -> Result<Self, ParseError> {
        Ok(Self { block: words.key("block", "NUMBER")?, half: words.key("from", "HALF")? })
    }
}

words! {
    /// What the verifier of a design with two flags reads.
    Flag, "what a flag says" {
        /// "Cache ready" is set.
        Ready = "ready",
        /// "Cache ready" is not set.
        NotReady = "not-ready",
        /// "Last write pending" is set.
        Pending = "pending",
        /// "Last write pending" is not set.
        NotPending = "not-pending",
    }
}

words! {
    /// What a read of the device brings.
    Got, "what arrives" {
        /// All that was asked for.
        Whole = "whole",
        /// The block's first half only.
        Short = "short",
        /// Other bytes than the device holds, this once.
        Garbled = "garbled",
    }
}

words! {
    /// What a retirement did.
    Retired, "what a retirement did" {
        /// The slot is empty.
        Freed = "freed",
        /// Somebody reads or fills it still; the last of them frees it.
        Waits = "pending",
    }
}

/// An atomic action. Text: the actor, `prefetch`, the deed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PrefetchStep {
    /// A reader asks for a block, under the current generation. Text: `read reader=1 block=1 from=0`.
    Read {
        /// Who.
        reader: u8,
        /// For what.
        from: Range,
    },
    /// The rewritten bytes are on the device. Text: `land gen=1`.
    Land(u8),
    /// The write's completion is heard of. Text: `acknowledge gen=1`.
    Acknowledge(u8),
    /// A block's copy on the drive goes bad. Text: `rot block=1`.
    Rot(u8),
    /// The compactor submits the rewritten blocks. Text: `submit gen=1`.
    Submit(u8),
    /// The catalog switches to them. Text: `switch gen=1`.
    Switch(u8),
    /// The blocks of older generations are removed. Text: `reclaim before=1`.
    Reclaim(u8),
    /// A slot of an older generation is retired. Text: `retire slot=1 before=1 freed`.
    Retire {
        /// Which.
        slot: u8,
        /// Older than this.
        before: u8,
        /// What it did.
        did: Retired,
    },
    /// The prefetcher takes an empty slot. Text: `begin slot=1 block=1 from=0 gen=0`.
    Begin {
        /// Which.
        slot: u8,
        /// What it is to hold.
        from: Range,
        /// Of which generation.
        generation: u8,
    },
    /// The data arrives in the buffer. Text: `fill slot=1 whole`.
    Fill {
        /// Which.
        slot: u8,
        /// What arrives.
        got: Got,
    },
    /// The buffer is compared with its metadata. Text: `verify slot=1`.
    Verify(u8),
    /// A mismatch is a race: nothing is held against the drive. Text: `excuse slot=1`.
    Excuse(u8),
    /// A mismatch is counted against the drive. Text: `count slot=1`.
    Count(u8),
    /// The drive is quarantined: reads go to another copy. Text: `quarantine slot=1`.
    Quarantine(u8),
    /// What was filled may be read. Text: `publish slot=1`.
    Publish(u8),
    /// What was filled is thrown away. Text: `abandon slot=1`.
    Abandon(u8),
    /// A reader pins a slot. Text: `pin reader=1 slot=1`.
    Pin {
        /// Who.
        reader: u8,
        /// Which.
        slot: u8,
    },
    /// A reader is served from a slot. Text: `serve reader=1 slot=1`.
    Serve {
        /// Who.
        reader: u8,
        /// From which.
        slot: u8,
    },
    /// A reader gives its pin back. Text: `unpin reader=1 slot=1`.
    Unpin {
        /// Who.
        reader: u8,
        /// Which.
        slot: u8,
    },
    /// A reader reads past the slots. Text: `through reader=1`.
    Through(u8),
    /// "Cache ready" is set, in a design with two flags. Text: `mark slot=1`.
    Mark(u8),
    /// A flag is looked at, in such a design. Text: `look slot=1 ready`.
    Look {
        /// Whose buffer.
        slot: u8,
        /// What it says.
        flag: Flag,
    },
}

impl PrefetchStep {
    /// Who takes it.
    #[must_use]
    pub const fn actor(&self) -> Actor {
        match self {
            Self::Read { .. } => Actor::Client,
            Self::Land(_) | Self::Acknowledge(_) | Self::Rot(_) => Actor::World,
            _ => Actor::Engine,
        }
    }

    /// What follows the actor and `prefetch`.
    pub(crate) fn parse(actor: Actor, words: &mut Words<'_>) -> Result<Self, ParseError> {
        let expected = match actor {
            Actor::Client => "an action of a reader (read)",
            Actor::World => "what the world does to blocks (land, acknowledge, rot)",
            Actor::Engine => {
                "an action (submit, switch, reclaim, retire, begin, fill, verify, excuse, count, quarantine, \
                 publish, abandon, pin, serve, unpin, through, mark, look)"
            }
        };
        let mut ahead = words.clone();
        let deed = ahead.word(expected)?;
        let step = deed_of(deed, &mut ahead)?.filter(|step| step.actor() == actor);
        let step = step.ok_or_else(|| words.error(expected))?;
        *words = ahead;
        Ok(step)
    }
}

fn deed_of(deed: &str, words: &mut Words<'_>) -> Result<Option<PrefetchStep>, ParseError> {
    use PrefetchStep as Deed;
    let number = |words: &mut Words<'_>, key: &str| words.key::<u8>(key, "NUMBER");
    Ok(Some(match deed {
        "read" => Deed::Read { reader: number(words, "reader")?, from: Range::parse(words)? },
        "land" => Deed::Land(number(words, "gen")?),
        "acknowledge" => Deed::Acknowledge(number(words, "gen")?),
        "rot" => Deed::Rot(number(words, "block")?),
        "submit" => Deed::Submit(number(words, "gen")?),
        "switch" => Deed::Switch(number(words, "gen")?),
        "reclaim" => Deed::Reclaim(number(words, "before")?),
        "retire" => {
            Deed::Retire { slot: number(words, "slot")?, before: number(words, "before")?, did: words.one()? }
        }
        "begin" => Deed::Begin {
            slot: number(words, "slot")?,
            from: Range::parse(words)?,
            generation: number(words, "gen")?,
        },
        "fill" => Deed::Fill { slot: number(words, "slot")?, got: words.one()? },
        "verify" => Deed::Verify(number(words, "slot")?),
        "excuse" => Deed::Excuse(number(words, "slot")?),
        "count" => Deed::Count(number(words, "slot")?),
        "quarantine" => Deed::Quarantine(number(words, "slot")?),
        "publish" => Deed::Publish(number(words, "slot")?),
        "abandon" => Deed::Abandon(number(words, "slot")?),
        "pin" => Deed::Pin { reader: number(words, "reader")?, slot: number(words, "slot")? },
        "serve" => Deed::Serve { reader: number(words, "reader")?, slot: number(words, "slot")? },
        "unpin" => Deed::Unpin { reader: number(words, "reader")?, slot: number(words, "slot")? },
        "through" => Deed::Through(number(words, "reader")?),
        "mark" => Deed::Mark(number(words, "slot")?),
        "look" => Deed::Look { slot: number(words, "slot")?, flag: words.one()? },
        _ => return Ok(None),
    }))
}

impl fmt::Display for PrefetchStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Read { reader, from } => write!(f, "read reader={reader} {from}"),
            Self::Land(generation) => write!(f, "land gen={generation}"),
            Self::Acknowledge(generation) => write!(f, "acknowledge gen={generation}"),
            Self::Rot(block) => write!(f, "rot block={block}"),
            Self::Submit(generation) => write!(f, "submit gen={generation}"),
            Self::Switch(generation) => write!(f, "switch gen={generation}"),
            Self::Reclaim(before) => write!(f, "reclaim before={before}"),
            Self::Retire { slot, before, did } => write!(f, "retire slot={slot} before={before} {did}"),
            Self::Begin { slot, from, generation } => write!(f, "begin slot={slot} {from} gen={generation}"),
            Self::Fill { slot, got } => write!(f, "fill slot={slot} {got}"),
            Self::Verify(slot) => write!(f, "verify slot={slot}"),
            Self::Excuse(slot) => write!(f, "excuse slot={slot}"),
            Self::Count(slot) => write!(f, "count slot={slot}"),
            Self::Quarantine(slot) => write!(f, "quarantine slot={slot}"),
            Self::Publish(slot) => write!(f, "publish slot={slot}"),
            Self::Abandon(slot) => write!(f, "abandon slot={slot}"),
            Self::Pin { reader, slot } => write!(f, "pin reader={reader} slot={slot}"),
            Self::Serve { reader, slot } => write!(f, "serve reader={reader} slot={slot}"),
            Self::Unpin { reader, slot } => write!(f, "unpin reader={reader} slot={slot}"),
            Self::Through(reader) => write!(f, "through reader={reader}"),
            Self::Mark(slot) => write!(f, "mark slot={slot}"),
            Self::Look { slot, flag } => write!(f, "look slot={slot} {flag}"),
        }
    }
}
