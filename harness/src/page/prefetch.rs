//! The prefetch's actions in plain words, and in a diagram of their own participants.

use truelog_spec::prefetch::{Bytes, Design, Phase, Slot, Stage, State, replay_past};
use truelog_spec::step::{Flag, Got, PrefetchStep, Range, Retired};
use truelog_spec::{Step, Trace};

use crate::traces::{Ground, steps};

/// Who talks in a diagram, in the order in which they stand there.
pub(super) const PARTICIPANTS: &[(char, &str)] =
    &[('C', "readers"), ('K', "compactor"), ('P', "prefetcher"), ('D', "drive")];

fn range(from: Range) -> String {
    let half = if from.half == 0 { "" } else { "the second half of " };
    format!("{half}block {}", from.block)
}

/// Who takes an action.
pub(super) fn who(step: &PrefetchStep) -> String {
    match *step {
        PrefetchStep::Read { reader, .. }
        | PrefetchStep::Pin { reader, .. }
        | PrefetchStep::Serve { reader, .. }
        | PrefetchStep::Unpin { reader, .. }
        | PrefetchStep::Through(reader) => format!("reader {reader}"),
        PrefetchStep::Submit(_)
        | PrefetchStep::Switch(_)
        | PrefetchStep::Reclaim(_)
        | PrefetchStep::Retire { .. } => "compactor".to_owned(),
        PrefetchStep::Land(_) | PrefetchStep::Acknowledge(_) | PrefetchStep::Rot(_) => "drive".to_owned(),
        _ => "prefetcher".to_owned(),
    }
}

/// What it does.
pub(super) fn does(step: &PrefetchStep) -> String {
    match *step {
        PrefetchStep::Read { from, .. } => format!("asks for {}", range(from)),
        PrefetchStep::Land(generation) => format!("has the blocks of generation {generation}"),
        PrefetchStep::Acknowledge(generation) => format!("acknowledges the write of generation {generation}"),
        PrefetchStep::Rot(block) => format!("its copy of block {block} rots"),
        PrefetchStep::Submit(generation) => format!("submits the rewritten blocks, generation {generation}"),
        PrefetchStep::Switch(generation) => format!("switches the catalog to generation {generation}"),
        PrefetchStep::Reclaim(before) => format!("removes the blocks of generations before {before}"),
        PrefetchStep::Retire { slot, before, did: Retired::Freed } => {
            format!("empties slot {slot}, whose block is older than generation {before}")
        }
        PrefetchStep::Retire { slot, before, did: Retired::Waits } => {
            format!("closes slot {slot}, whose block is older than generation {before}, to new readers")
        }
        PrefetchStep::Begin { slot, from, generation } => {
            format!("begins to fill slot {slot} with {} of generation {generation}", range(from))
        }
        PrefetchStep::Fill { slot, got: Got::Whole } => format!("gets the data for slot {slot}"),
        PrefetchStep::Fill { slot, got: Got::Short } => format!("gets half of the data for slot {slot}"),
        PrefetchStep::Fill { slot, got: Got::Garbled } => format!("gets garbled data for slot {slot}"),
        PrefetchStep::Verify(slot) => format!("compares slot {slot} with the block's metadata"),
        PrefetchStep::Excuse(slot) => format!("excuses the mismatch of slot {slot}: it was a race"),
        PrefetchStep::Count(slot) => {
            format!("counts the mismatch of slot {slot} against the drive, and reads again")
        }
        PrefetchStep::Quarantine(_) => "quarantines the drive".to_owned(),
        PrefetchStep::Publish(slot) => format!("says that slot {slot} is ready"),
        PrefetchStep::Abandon(slot) => format!("gives slot {slot} up"),
        PrefetchStep::Pin { slot, .. } => format!("pins slot {slot}"),
        PrefetchStep::Serve { slot, .. } => format!("is served from slot {slot}"),
        PrefetchStep::Unpin { slot, .. } => format!("gives slot {slot} back"),
        PrefetchStep::Through(_) => "reads the drive itself".to_owned(),
        PrefetchStep::Mark(slot) => format!("sets \"cache ready\" for slot {slot}"),
        PrefetchStep::Look { flag, .. } => match flag {
            Flag::Ready => "verifies: \"cache ready\" is set".to_owned(),
            Flag::NotReady => "verifies: \"cache ready\" is not set".to_owned(),
            Flag::Pending => "verifies: \"last write pending\" is set".to_owned(),
            Flag::NotPending => "verifies: \"last write pending\" is not set".to_owned(),
        },
    }
}

/// What is different after each action of a path.
pub(super) fn changes(trace: &Trace) -> Vec<String> {
    let design = match Ground::of(trace) {
        Ground::Slots(design) => design,
        Ground::Calls(_) => Design::PACKED,
    };
    let mut states = Vec::new();
    replay_past(design, &steps(trace), |_, state| states.push(*state));
    let in_place = matches!(design, Design::Flags(_));
    let change = |(index, line): (usize, &truelog_spec::trace::Line)| match &line.step {
        Step::Prefetch(PrefetchStep::Look { flag, .. }) => {
            let before = index.checked_sub(1).map(|before| &trace.lines[before].step);
            looked(*flag, matches!(before, Some(Step::Prefetch(PrefetchStep::Look { .. })))).to_owned()
        }
        Step::Prefetch(step) => changed(step, in_place, states.get(index), states.get(index + 1)),
        Step::Client(_) | Step::World(_) | Step::Engine(_) => String::new(),
    };
    trace.lines.iter().enumerate().map(change).collect()
}

fn slot(state: Option<&State>, number: u8) -> Option<&Slot> {
    state?.slots.get(usize::from(number).checked_sub(1)?)
}

/// Whether a buffer has got its bytes, and does not count as ready.
fn filled(state: Option<&State>) -> bool {
    let waits = |slot: &Slot| slot.bytes != Bytes::None && slot.phase != Phase::Ready;
    state.is_some_and(|state| state.slots.iter().any(waits))
}

/// What comes of a look at a flag, the first one or the second.
const fn looked(flag: Flag, second: bool) -> &'static str {
    match (flag, second) {
        (Flag::Ready, _) => "there is a buffer: it will be compared",
        (Flag::NotReady, _) => "there is no buffer to compare",
        (Flag::Pending, true) => "asked too late: the buffer is compared all the same",
        (Flag::Pending, false) => "nothing is compared as long as it is",
        (Flag::NotPending, _) => "nothing stands against a comparison",
    }
}

/// What a slot's buffer holds.
fn holds(slot: &Slot) -> String {
    let half = if slot.short { "the first half of " } else { "" };
    match slot.bytes {
        Bytes::None => "nothing yet: its length is 0".to_owned(),
        Bytes::Bad => "bytes that are not the block's".to_owned(),
        Bytes::Of(generation) => format!("{half}{} of generation {generation}", range(slot.from)),
    }
}

fn changed(step: &PrefetchStep, in_place: bool, before: Option<&State>, after: Option<&State>) -> String {
    let text = match *step {
        PrefetchStep::Submit(_) if in_place => {
            "the new checksums count, a write is pending, and the drive still gives the old bytes"
        }
        PrefetchStep::Submit(_) => "they are files of their own; the old ones stay",
        PrefetchStep::Land(_) if in_place => "it gives the new bytes; nobody has heard of it",
        PrefetchStep::Land(_) => "beside the old ones; nobody has heard of it",
        PrefetchStep::Acknowledge(_) if in_place && filled(before) => {
            "no write is pending any more; a buffer that is ready would be dropped, and this one is not ready yet"
        }
        PrefetchStep::Acknowledge(_) => "no write is pending any more",
        PrefetchStep::Rot(_) => "another drive has a healthy copy",
        PrefetchStep::Reclaim(_) => "their places are free, and may be used again",
        PrefetchStep::Switch(_) => "who asks from now on asks for this generation",
        PrefetchStep::Begin { .. } => "a read of the drive is under way",
        PrefetchStep::Publish(_) => "it may be pinned",
        PrefetchStep::Mark(_) => "the buffer counts as ready, whatever it holds",
        PrefetchStep::Quarantine(_) => "no read goes to it any more",
        PrefetchStep::Retire { did: Retired::Waits, .. } => "whoever has it still will empty it",
        _ => "",
    };
    match *step {
        PrefetchStep::Read { reader, .. } => {
            let asks = after.and_then(|state| state.readers.get(usize::from(reader).checked_sub(1)?));
            let generation = asks.filter(|_| !in_place).map(|asks| asks.generation);
            generation.map_or_else(String::new, |now| format!("its snapshot is generation {now}"))
        }
        PrefetchStep::Retire { did: Retired::Freed, .. } => "it is empty".to_owned(),
        PrefetchStep::Fill { slot: number, .. } => {
            slot(after, number).map_or_else(String::new, |slot| format!("the buffer holds {}", holds(slot)))
        }
        PrefetchStep::Pin { slot: number, .. } => slot(after, number).map_or_else(String::new, |slot| {
            format!("the slot's word counts the reader, and says generation {}", slot.generation)
        }),
        PrefetchStep::Serve { slot: number, .. } => {
            slot(after, number).map_or_else(String::new, |slot| format!("it gets {}", holds(slot)))
        }
        PrefetchStep::Through(reader) if !in_place => {
            let asked = before
                .and_then(|state| Some((state, state.readers.get(usize::from(reader).checked_sub(1)?)?)));
            let gone = asked.is_some_and(|(state, asked)| asked.generation < state.reclaimed);
            if gone { "the block is not there any more" } else { "it gets what it asked for" }.to_owned()
        }
        PrefetchStep::Verify(number) => verdict(number, in_place, before, after),
        _ => text.to_owned(),
    }
}

/// How a comparison ends.
fn verdict(number: u8, in_place: bool, before: Option<&State>, after: Option<&State>) -> String {
    let (Some(state), Some(buffer), Some(now)) = (before, slot(before, number), slot(after, number)) else {
        return String::new();
    };
    let metadata = if in_place { state.submitted } else { buffer.generation };
    let matches = if in_place { buffer.bytes == Bytes::Of(metadata) } else { now.stage == Stage::Verified };
    let end = if matches { "they match" } else { "they do not match" };
    format!("{end}: it holds {}, the metadata is of generation {metadata}", holds(buffer))
}

/// How much an action matters to a reader: the lower, the more.
pub(super) const fn weight(step: &PrefetchStep) -> u8 {
    match step {
        PrefetchStep::Begin { .. } | PrefetchStep::Fill { .. } | PrefetchStep::Verify(_) => 2,
        _ => 1,
    }
}

/// Whether a diagram says what comes of an action.
pub(super) const fn tells(step: &PrefetchStep) -> bool {
    matches!(
        step,
        PrefetchStep::Fill { .. }
            | PrefetchStep::Verify(_)
            | PrefetchStep::Serve { .. }
            | PrefetchStep::Through(_)
    )
}

/// Whether a diagram says who acts: several readers share one line of it.
pub(super) const fn is_a_readers(step: &PrefetchStep) -> bool {
    matches!(
        step,
        PrefetchStep::Read { .. }
            | PrefetchStep::Pin { .. }
            | PrefetchStep::Serve { .. }
            | PrefetchStep::Unpin { .. }
            | PrefetchStep::Through(_)
    )
}

/// Who talks to whom; nothing for what the world does to the drive.
pub(super) const fn arrow(step: &PrefetchStep) -> Option<&'static str> {
    Some(match step {
        PrefetchStep::Land(_) | PrefetchStep::Rot(_) => return None,
        PrefetchStep::Read { .. } | PrefetchStep::Pin { .. } | PrefetchStep::Unpin { .. } => "C->>P",
        PrefetchStep::Through(_) => "C->>D",
        PrefetchStep::Acknowledge(_) => "D-->>K",
        PrefetchStep::Submit(_) | PrefetchStep::Reclaim(_) => "K->>D",
        PrefetchStep::Switch(_) => "Note right of K",
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
        | PrefetchStep::Look { .. } => "Note right of P",
    })
}
