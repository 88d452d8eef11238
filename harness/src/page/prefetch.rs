//! The prefetch's actions in plain words, and in a diagram of their own participants.

use truelog_spec::PrefetchStep;
use truelog_spec::step::{Flag, Got, Range, Retired};

/// Readers first and the drive last: a note that goes over all of them spans these two.
pub(super) const HEAD: &str = "sequenceDiagram
    participant C as readers
    participant K as compactor
    participant P as prefetcher
    participant D as drive
";

fn range(from: Range) -> String {
    let half = if from.half == 0 { "" } else { ", from its middle on" };
    format!("block {}{half}", from.block)
}

pub(super) fn does(step: &PrefetchStep) -> String {
    match *step {
        PrefetchStep::Read { reader, from } => format!("reader {reader} asks for {}", range(from)),
        PrefetchStep::Land(generation) => format!("the blocks of generation {generation} reach the device"),
        PrefetchStep::Acknowledge(generation) => {
            format!("the write of generation {generation} is acknowledged")
        }
        PrefetchStep::Rot(block) => format!("the drive's copy of block {block} rots"),
        PrefetchStep::Submit(generation) => {
            format!("the compactor submits the rewritten blocks, generation {generation}")
        }
        PrefetchStep::Switch(generation) => format!("the catalog switches to generation {generation}"),
        PrefetchStep::Reclaim(before) => format!("the blocks of generations before {before} are removed"),
        PrefetchStep::Retire { slot, before, .. } => {
            format!("slot {slot} is retired, for it is older than generation {before}")
        }
        PrefetchStep::Begin { slot, from, .. } => {
            format!("the prefetcher begins to fill slot {slot} with {}", range(from))
        }
        PrefetchStep::Fill { slot, got: Got::Whole } => format!("the data for slot {slot} arrives"),
        PrefetchStep::Fill { slot, got: Got::Short } => format!("half of the data for slot {slot} arrives"),
        PrefetchStep::Fill { slot, got: Got::Garbled } => format!("garbled data for slot {slot} arrives"),
        PrefetchStep::Verify(slot) => format!("verification compares slot {slot} with its metadata"),
        PrefetchStep::Excuse(slot) => format!("the mismatch of slot {slot} is excused: it was a race"),
        PrefetchStep::Count(slot) => format!("the mismatch of slot {slot} is counted against the drive"),
        PrefetchStep::Quarantine(_) => "the drive is quarantined".to_owned(),
        PrefetchStep::Publish(slot) => format!("the prefetcher publishes slot {slot}"),
        PrefetchStep::Abandon(slot) => format!("the prefetcher gives slot {slot} up"),
        PrefetchStep::Pin { reader, slot } => format!("reader {reader} pins slot {slot}"),
        PrefetchStep::Serve { reader, slot } => format!("reader {reader} is served from slot {slot}"),
        PrefetchStep::Unpin { reader, slot } => format!("reader {reader} gives slot {slot} back"),
        PrefetchStep::Through(reader) => format!("reader {reader} reads past the slots"),
        PrefetchStep::Mark(slot) => format!("the prefetcher sets \"cache ready\" for slot {slot}"),
        PrefetchStep::Look { flag, .. } => format!("verification reads {}", flag_name(flag)),
    }
}

const fn flag_name(flag: Flag) -> &'static str {
    match flag {
        Flag::Ready | Flag::NotReady => "\"cache ready\"",
        Flag::Pending | Flag::NotPending => "\"last write pending\"",
    }
}

pub(super) const fn changes(step: &PrefetchStep, violates: bool) -> &'static str {
    match step {
        PrefetchStep::Verify(_) if violates => {
            "bytes of one state, metadata of another: a mismatch on a healthy drive"
        }
        PrefetchStep::Serve { .. } if violates => "it gets other bytes than it asked for",
        PrefetchStep::Through(_) if violates => "the block is not there any more",
        PrefetchStep::Quarantine(_) if violates => "nothing is wrong with it",
        PrefetchStep::Submit(_) => "a write is pending; the device still gives the old bytes",
        PrefetchStep::Land(_) => "the device gives the new bytes; nobody has heard of it",
        PrefetchStep::Acknowledge(_) => "no write is pending any more",
        PrefetchStep::Switch(_) => "who asks from now on asks for this generation",
        PrefetchStep::Retire { did: Retired::Freed, .. } => "it is empty",
        PrefetchStep::Retire { did: Retired::Waits, .. } => "whoever has it still will free it",
        PrefetchStep::Begin { .. } => "a read of the device is under way",
        PrefetchStep::Fill { .. } => "the buffer holds what the device gave at this moment",
        PrefetchStep::Publish(_) => "it may be pinned",
        PrefetchStep::Mark(_) => "the buffer counts as ready, whatever it holds",
        PrefetchStep::Look { flag: Flag::Ready | Flag::Pending, .. } => "it is set",
        PrefetchStep::Look { flag: Flag::NotReady | Flag::NotPending, .. } => "it is not set",
        PrefetchStep::Quarantine(_) => "no read goes to it any more",
        _ => "",
    }
}

/// How much an action matters to a reader: the lower, the more.
pub(super) const fn weight(step: &PrefetchStep) -> u8 {
    match step {
        PrefetchStep::Begin { .. } | PrefetchStep::Fill { .. } | PrefetchStep::Verify(_) => 2,
        _ => 1,
    }
}

/// Who talks to whom; nothing for what the world does to the drive.
pub(super) const fn arrow(step: &PrefetchStep) -> Option<&'static str> {
    Some(match step {
        PrefetchStep::Land(_) | PrefetchStep::Rot(_) => return None,
        PrefetchStep::Read { .. } | PrefetchStep::Pin { .. } | PrefetchStep::Unpin { .. } => "C->>P",
        PrefetchStep::Through(_) => "C->>D",
        PrefetchStep::Acknowledge(_) => "D-->>K",
        PrefetchStep::Submit(_) | PrefetchStep::Reclaim(_) => "K->>D",
        PrefetchStep::Switch(_) => "K->>K",
        PrefetchStep::Retire { .. } => "K->>P",
        PrefetchStep::Begin { .. } | PrefetchStep::Quarantine(_) => "P->>D",
        PrefetchStep::Fill { .. } => "D-->>P",
        PrefetchStep::Serve { .. } => "P-->>C",
        PrefetchStep::Verify(_)
        | PrefetchStep::Excuse(_)
        | PrefetchStep::Count(_)
        | PrefetchStep::Publish(_)
        | PrefetchStep::Abandon(_)
        | PrefetchStep::Mark(_)
        | PrefetchStep::Look { .. } => "P->>P",
    })
}
