//! What a replay on the production code needs to know of traces: sizes, and which steps are the same.

use truelog_env::Op;
use truelog_spec::step::{BatchSpec, EngineStep, Lsns};
use truelog_spec::{Failure, Trace};

use crate::fabric::{Profile, SimFs};
use crate::order::mapper::name;
use crate::order::seen::Call;
use crate::subject::{Refusal, Setup};

/// The sectors of the disk, in bytes, where a trace does not say.
const SECTOR: u32 = 128;

/// The options that a trace was found with.
pub(super) fn setup(trace: &Trace) -> Setup {
    let number = |key: &str| trace.setting(key).and_then(|value| value.parse::<u64>().ok());
    let small = |key: &str| number(key).and_then(|value| u32::try_from(value).ok());
    let tiny = Setup::TINY;
    let through = trace.lines.iter().any(|line| line.step.to_string().contains(" through"));
    let allocate = trace.lines.iter().any(|line| line.step.to_string().contains("engine allocate"));
    Setup {
        block: small("block").unwrap_or(tiny.block),
        segment: number("segment").unwrap_or(tiny.segment),
        batch: small("batch").unwrap_or(tiny.batch),
        // Room enough: where a checkpoint comes is for the trace to say.
        manifest_blocks: small("manifest").unwrap_or(32),
        through,
        allocate,
    }
}

/// The disk that a trace was found on.
pub(super) fn disk(trace: &Trace) -> (SimFs, u32) {
    let sector = trace.setting("sector").and_then(|value| value.parse().ok()).unwrap_or(SECTOR);
    let named =
        trace.setting("profile").and_then(|name| Profile::ALL.into_iter().find(|one| one.name == name));
    (SimFs::new(named.unwrap_or(Profile::W).sector(sector)), sector)
}

/// Whether an engine step of a trace is what was seen. Batches and edits are told apart by what they hold: the
/// code may write an idle mark that the trace leaves out.
pub(super) fn same(due: &EngineStep, seen: &EngineStep) -> bool {
    match (due, seen) {
        (EngineStep::WriteBatch(due, ended), EngineStep::WriteBatch(seen, also)) => {
            BatchSpec { batch: 0, ..*due } == BatchSpec { batch: 0, ..*seen } && ended == also
        }
        (EngineStep::WriteEdit(_, due, ended), EngineStep::WriteEdit(_, seen, also)) => {
            due == seen && ended == also
        }
        (due, seen) => due == seen,
    }
}

/// Whether a step happens inside of the engine, where no call shows it.
pub(super) const fn unseen(step: &EngineStep) -> bool {
    matches!(
        step,
        EngineStep::Unlock
            | EngineStep::Read(..)
            | EngineStep::Encode(..)
            | EngineStep::Publish(..)
            | EngineStep::Ack(..)
            | EngineStep::Fail(_)
            | EngineStep::Refuse(_)
            | EngineStep::Poison
            | EngineStep::Recover(..)
            | EngineStep::Ready { .. }
            | EngineStep::Trimmed { .. }
    )
}

/// A sync that begins.
pub(super) fn sync_start(call: &Call) -> Option<EngineStep> {
    let syncs = matches!(call.op, Op::SyncData | Op::SyncAll | Op::SyncDir);
    name(call.role).filter(|_| syncs).map(EngineStep::SyncStart)
}

/// The run of LSNs, if it is one.
pub(super) fn runs(pairs: &[(u64, u64)]) -> Vec<Lsns> {
    pairs.iter().filter_map(|(first, last)| Lsns::new(*first, *last)).collect()
}

/// Nothing is open.
pub(super) fn closed() -> Refusal {
    Refusal { kind: Failure::Closed, lsns: None, says: "nothing is open".to_owned() }
}
