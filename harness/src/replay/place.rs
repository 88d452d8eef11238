//! What a replay on the production code needs to know of traces: sizes, and which steps are the same.

use std::collections::BTreeSet;

use truelog_env::Op;
use truelog_spec::contract::Damaged;
use truelog_spec::step::{BatchSpec, Durability, EngineStep, Lsns, Unit};
use truelog_spec::{ClientStep, Failure, Step, Trace};

use crate::fabric::{Profile, SimFs};
use crate::order::mapper::name;
use crate::order::seen::Call;
use crate::subject::{Refusal, Setup, SyncWay};

/// The sectors of the disk, in bytes, where a trace does not say.
const SECTOR: u32 = 128;

/// The options that a trace was found with.
pub(super) fn setup(trace: &Trace) -> Setup {
    let number = |key: &str| trace.setting(key).and_then(|value| value.parse::<u64>().ok());
    let small = |key: &str| number(key).and_then(|value| u32::try_from(value).ok());
    let tiny = Setup::TINY;
    let mut ways = trace.lines.iter().filter_map(|line| match line.step {
        Step::Engine(EngineStep::WriteBatch(batch, _)) => Some(batch.through),
        _ => None,
    });
    let sync = match ways.next() {
        Some(first) if ways.any(|through| through != first) => SyncWay::Auto,
        Some(true) => SyncWay::Through,
        Some(false) | None => SyncWay::Data,
    };
    let on = |key: &str| trace.setting(key) == Some("on");
    // A file that comes again is allocated in any case.
    let allocates = || trace.lines.iter().any(|line| line.step.to_string().contains("engine allocate"));
    let allocate = on("allocate") || !on("reuse") && allocates();
    Setup {
        block: small("block").unwrap_or(tiny.block),
        segment: number("segment").unwrap_or(tiny.segment),
        batch: small("batch").unwrap_or(tiny.batch),
        // Room enough: where a checkpoint comes is for the trace to say.
        manifest_blocks: small("manifest").unwrap_or(32),
        sync,
        allocate,
        reuse: on("reuse"),
        copies: drives(trace),
        prefetch: tiny.prefetch,
    }
}

/// As many copies as the trace has drives for.
fn drives(trace: &Trace) -> u16 {
    let added = trace.lines.iter().filter_map(|line| match line.step {
        Step::Client(ClientStep::AddDrive { drive }) => Some(drive),
        _ => None,
    });
    // One whose add was cut off is added again.
    let added: BTreeSet<_> = added.collect();
    u16::try_from(added.len()).unwrap_or(u16::MAX).max(1)
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
pub(crate) const fn unseen(step: &EngineStep) -> bool {
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
            | EngineStep::Switch { .. }
            | EngineStep::Retire { .. }
    )
}

/// A sync that begins.
pub(super) fn sync_start(call: &Call) -> Option<EngineStep> {
    let syncs = matches!(call.op, Op::SyncData | Op::SyncAll | Op::SyncDir);
    name(call.role).filter(|_| syncs).map(EngineStep::SyncStart)
}

/// What damage to a unit may cost: `before` is the path up to it. A batch is vouched for when its records were
/// claimed to be durable, and a later batch says so.
pub(super) fn damage(before: &[Step], unit: Unit) -> Vec<Damaged> {
    let Unit::Batch(number, _) = unit else { return Vec::new() };
    let hit = before.iter().find_map(|step| match step {
        Step::Engine(EngineStep::WriteBatch(batch, _)) if batch.batch == number => batch.lsns,
        _ => None,
    });
    let Some(lsns) = hit else { return Vec::new() };
    let claimed = before.iter().position(|step| {
        matches!(step, Step::Engine(EngineStep::Publish(Durability::PowerLoss, upto)) if *upto >= lsns.last)
    });
    let later = before[claimed.unwrap_or(before.len())..].iter();
    let vouched = later.into_iter().any(|step| matches!(step, Step::Engine(EngineStep::WriteBatch(..))));
    vec![Damaged { lsns, vouched }]
}

/// Whether an unseen step that is refused was taken after all, as what the code does next shows.
pub(super) const fn shows_taken(refused: &EngineStep, next: &EngineStep) -> bool {
    match (refused, next) {
        // A batch says how far the log was durable: a claim of what is before it was made by then.
        (
            EngineStep::Publish(Durability::PowerLoss, upto),
            EngineStep::WriteBatch(BatchSpec { lsns: Some(lsns), .. }, _),
        ) => lsns.first > *upto,
        _ => false,
    }
}

/// The run of LSNs, if it is one.
pub(super) fn runs(pairs: &[(u64, u64)]) -> Vec<Lsns> {
    pairs.iter().filter_map(|(first, last)| Lsns::new(*first, *last)).collect()
}

/// Nothing is open.
pub(super) fn closed() -> Refusal {
    Refusal { kind: Failure::Closed, lsns: None, says: "nothing is open".to_owned() }
}
