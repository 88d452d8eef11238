//! Named scopes of the mechanism: small worlds, each explored to its end. Bounds are only in the boundary.

mod archive;
mod hunting;
#[cfg(test)]
mod tests;

pub use hunting::hunting_ground;

use crate::mechanism::{Ending, Limits, Mark, Mechanism, Menu, Past, State, walk};
use crate::step::{Call, ClientStep, DamageKind, Durability, FaultKind, RecordSpec, Step, Write};

/// A small world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// Its name, used once.
    pub name: &'static str,
    /// What is in it, in one sentence.
    pub says: &'static str,
    /// Steps that lead to its start from a disk without a log.
    pub prefix: Vec<Step>,
    /// What may happen.
    pub menu: Menu,
    /// What must be met.
    pub witnesses: Vec<Mark>,
}

impl Scope {
    /// Its first state.
    ///
    /// # Panics
    /// If the design refuses the prefix: a scope that cannot begin is a mistake in this file.
    #[must_use]
    pub fn start(&self) -> State {
        let walked = walk(Mechanism::default(), &self.prefix);
        assert_eq!(walked.ending, Ending::Reached, "scope {} begins where the design leads", self.name);
        // What happened on the way does not count.
        State { past: Past::default(), ..walked.state }
    }
}

fn write(writer: u32, durability: Durability, records: usize) -> Write {
    Write { writer, records: vec![RecordSpec { stream: writer.into(), len: 8 }; records], durability }
}

/// One record that survives a loss of power.
fn one(writer: u32) -> Write {
    write(writer, Durability::PowerLoss, 1)
}

/// One record that survives a crash of the process.
fn accepted_write(writer: u32) -> Write {
    write(writer, Durability::ProcessCrash, 1)
}

fn limits(requests: usize, crashes: u8, segments: u64, batches: usize) -> Limits {
    Limits { requests, crashes, segments, batches, edits: 64, ..Limits::default() }
}

/// A log is created.
fn created() -> Vec<Step> {
    vec![Step::Client(ClientStep::Create)]
}

/// A log is created, and a first append waits.
fn asked(write: Write) -> Vec<Step> {
    let ask = if write.records.len() == 1 { ClientStep::Append(write) } else { ClientStep::Batch(write) };
    vec![Step::Client(ClientStep::Create), Step::Client(ask)]
}

/// What comes after: steps that are known to be well-formed, as their texts.
fn then(mut steps: Vec<Step>, texts: &[&str]) -> Vec<Step> {
    steps.extend(texts.iter().filter_map(|line| line.parse::<Step>().ok()));
    steps
}

/// A log is created, a first append waits, and its segment is ready.
fn prepared(write: Write) -> Vec<Step> {
    let text = [
        "engine create seg-1.tmp",
        "engine fill seg-1.tmp",
        "engine sync-all seg-1.tmp",
        "engine rename seg-1.tmp seg-1",
        "engine sync-dir dir",
        "engine write edit:3 add-segment seg-1",
        "engine sync-data manifest",
    ];
    then(asked(write), &text)
}

/// A log is created, and a first append is accepted: it survives a crash of the process, and is not synced.
fn accepted() -> Vec<Step> {
    let text = [
        "engine encode 1 writer=0 process-crash",
        "engine write batch:1 seg-1 lsns=1",
        "engine check seg-1 same",
        "engine publish process-crash=1",
        "engine ack 1 process-crash",
    ];
    then(prepared(accepted_write(0)), &text)
}

/// One append more waits, and a second segment is ready for it.
fn second_segment(mut steps: Vec<Step>, write: Write) -> Vec<Step> {
    steps.push(Step::Client(ClientStep::Append(write)));
    let text = [
        "engine create seg-2.tmp",
        "engine fill seg-2.tmp",
        "engine sync-all seg-2.tmp",
        "engine rename seg-2.tmp seg-2",
        "engine sync-dir dir",
        "engine write edit:4 add-segment seg-2",
        "engine sync-data manifest",
    ];
    then(steps, &text)
}

/// The calls of the segment and the manifest that may fail.
const SYNCS: [(Call, FaultKind); 2] = [(Call::SyncData, FaultKind::Eio), (Call::SyncDir, FaultKind::Eio)];
/// The calls that need space.
const SPACE: [(Call, FaultKind); 3] =
    [(Call::Create, FaultKind::Enospc), (Call::SyncAll, FaultKind::Enospc), (Call::Write, FaultKind::Enospc)];

/// The scopes that `cargo test` explores: each feature, and each pair of features, in at least one.
#[must_use]
pub fn small() -> Vec<Scope> {
    sized(Size::Small)
}

/// The scopes that `cargo verify` explores: the same worlds, with room for more.
#[must_use]
pub fn large() -> Vec<Scope> {
    sized(Size::Large)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Size {
    Small,
    Large,
}

fn sized(size: Size) -> Vec<Scope> {
    let scopes: [fn(Size) -> Scope; 11] = [
        creation,
        two_writers,
        recovery,
        process_then_power,
        rotation,
        quiet_times,
        failed_syncs,
        full_disk,
        all_at_once,
        damage,
        lost_name,
    ];
    scopes.into_iter().chain(archive::scopes()).map(|scope| scope(size)).collect()
}

impl Size {
    fn pick(self, small: Limits, large: Limits) -> Limits {
        if self == Self::Small { small } else { large }
    }
}

fn power() -> Menu {
    Menu { power: true, ..Menu::default() }
}

fn crash() -> Menu {
    Menu { process: true, ..power() }
}

const fn with_faults(limits: Limits) -> Limits {
    Limits { faults: 1, ..limits }
}

const fn with_damages(limits: Limits) -> Limits {
    Limits { damages: 1, ..limits }
}

fn creation(size: Size) -> Scope {
    Scope {
        name: "creation",
        says: "a log comes into being, and the power or the process fails anywhere in it",
        prefix: Vec::new(),
        menu: Menu { limits: size.pick(limits(0, 2, 1, 1), limits(0, 3, 1, 1)), ..crash() },
        witnesses: vec![Mark::Power, Mark::Process, Mark::Reopened, Mark::InRecovery],
    }
}

fn two_writers(size: Size) -> Scope {
    Scope {
        name: "two-writers",
        says: "two writers, one commit or two, written through or synced, and a crash",
        prefix: created(),
        menu: Menu {
            writes: vec![one(0), one(1)],
            through: true,
            limits: size.pick(limits(2, 1, 2, 3), limits(3, 1, 2, 4)),
            ..crash()
        },
        witnesses: vec![Mark::Acked, Mark::Through, Mark::Cut, Mark::Rewritten, Mark::Reopened],
    }
}

fn recovery(size: Size) -> Scope {
    Scope {
        name: "recovery",
        says: "a batch of two, crashes inside recovery, and an append after it",
        prefix: prepared(write(0, Durability::PowerLoss, 2)),
        menu: Menu {
            writes: vec![one(0)],
            limits: size.pick(limits(2, 2, 4, 4), limits(2, 3, 4, 5)),
            ..crash()
        },
        witnesses: vec![Mark::InRecovery, Mark::Cut, Mark::Rewritten, Mark::Acked, Mark::Reopened],
    }
}

fn process_then_power(size: Size) -> Scope {
    Scope {
        name: "process-then-power",
        says: "an append that survives a crash of the process only; that crash, an open, then the power",
        prefix: prepared(accepted_write(0)),
        menu: Menu {
            writes: vec![accepted_write(0), one(1)],
            limits: size.pick(limits(2, 2, 3, 3), limits(2, 2, 4, 4)),
            ..crash()
        },
        witnesses: vec![Mark::Process, Mark::Power, Mark::Rewritten, Mark::Acked],
    }
}

fn rotation(size: Size) -> Scope {
    Scope {
        name: "rotation",
        says: "segments made ahead, rotation, a trim, and the power fails",
        prefix: prepared(one(0)),
        menu: Menu {
            writes: vec![one(1)],
            rotate: true,
            trim: true,
            limits: Limits { edits: 7, ..size.pick(limits(2, 1, 2, 2), limits(2, 1, 3, 4)) },
            ..power()
        },
        witnesses: vec![Mark::Rotated, Mark::Unlinked, Mark::Reopened],
    }
}

fn quiet_times(size: Size) -> Scope {
    Scope {
        name: "quiet-times",
        says: "an idle mark, a checkpoint while serving, a close and another open, and the power fails",
        prefix: prepared(one(0)),
        menu: Menu {
            writes: vec![one(1)],
            idle: true,
            close: true,
            checkpoint: true,
            limits: Limits { edits: 5, ..size.pick(limits(2, 1, 2, 3), limits(2, 1, 3, 4)) },
            ..power()
        },
        witnesses: vec![Mark::Idle, Mark::Closed, Mark::Reopened],
    }
}

fn failed_syncs(size: Size) -> Scope {
    Scope {
        name: "failed-syncs",
        says: "two writers, a sync of a segment, the manifest or the directory fails, and a crash",
        prefix: asked(one(0)),
        menu: Menu {
            writes: vec![one(1)],
            faults: SYNCS.to_vec(),
            limits: with_faults(size.pick(limits(2, 1, 2, 3), limits(2, 2, 2, 3))),
            ..crash()
        },
        witnesses: vec![Mark::Failed, Mark::Acked, Mark::Closed, Mark::Reopened],
    }
}

fn full_disk(size: Size) -> Scope {
    Scope {
        name: "full-disk",
        says: "two tickets, the space ends anywhere, a write is short, and a crash",
        prefix: created(),
        menu: Menu {
            writes: vec![one(0)],
            tickets: true,
            faults: SPACE.iter().copied().chain([(Call::Write, FaultKind::Short)]).collect(),
            limits: with_faults(size.pick(limits(2, 1, 2, 3), limits(2, 2, 2, 3))),
            ..crash()
        },
        witnesses: vec![Mark::Failed, Mark::Full, Mark::Acked, Mark::Reopened],
    }
}

fn all_at_once(size: Size) -> Scope {
    Scope {
        name: "all-at-once",
        says: "everything that gate W has, once: so that each pair of features meets",
        prefix: accepted(),
        menu: Menu {
            writes: vec![one(1)],
            faults: vec![(Call::SyncData, FaultKind::Eio)],
            through: true,
            rotate: true,
            trim: true,
            close: true,
            idle: true,
            checkpoint: true,
            limits: with_faults(
                size.pick(
                    Limits { edits: 4, ..limits(2, 1, 2, 3) },
                    Limits { edits: 5, ..limits(2, 1, 2, 3) },
                ),
            ),
            ..crash()
        },
        witnesses: vec![
            Mark::Failed,
            Mark::Acked,
            Mark::Closed,
            Mark::Through,
            Mark::Process,
            Mark::Power,
            Mark::Rotated,
            Mark::Idle,
        ],
    }
}

fn damage(size: Size) -> Scope {
    Scope {
        name: "damage",
        says: "two batches, a crash, and damage to durable bytes: never mixed with the other faults",
        prefix: prepared(one(0)),
        menu: Menu {
            writes: vec![one(1)],
            process: true,
            idle: true,
            damage: vec![DamageKind::Flip, DamageKind::Misdirected],
            limits: with_damages(size.pick(limits(2, 1, 3, 4), limits(3, 1, 3, 5))),
            ..Menu::default()
        },
        witnesses: vec![Mark::Named, Mark::Acked, Mark::Idle, Mark::Reopened],
    }
}

fn lost_name(_size: Size) -> Scope {
    Scope {
        name: "lost-name",
        says: "the segment's name vanishes under the engine's feet",
        prefix: prepared(one(0)),
        menu: Menu {
            writes: vec![one(1)],
            damage: vec![DamageKind::Missing],
            limits: with_damages(limits(2, 0, 2, 3)),
            ..Menu::default()
        },
        witnesses: vec![Mark::Acked, Mark::Closed],
    }
}
