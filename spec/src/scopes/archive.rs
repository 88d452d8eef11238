//! The worlds of the archive: drives, runs, what is removed, and who reads meanwhile.

use super::{
    Scope, Size, accepted_write, crash, one, power, prepared, second_segment, then, with_damages, with_faults,
};
use crate::mechanism::{Limits, Mark, Menu};
use crate::step::{Call, ClientStep, DamageKind, DriveNo, FaultKind, Step};
use crate::switches::Switch;

/// A record is committed, alone in its batch.
fn committed(mut steps: Vec<Step>, lsn: u64, writer: u32) -> Vec<Step> {
    let text = format!(
        "engine encode {lsn} writer={writer}
         engine write batch:{lsn} seg-{lsn} lsns={lsn}
         engine sync-data seg-{lsn}
         engine check seg-{lsn} same
         engine publish power-loss={lsn}
         engine ack {lsn}"
    );
    steps.extend(text.lines().filter_map(|line| line.trim().parse::<Step>().ok()));
    steps
}

/// A durable record in each of two segments: the first is sealed.
pub(super) fn two_segments() -> Vec<Step> {
    committed(second_segment(committed(prepared(one(0)), 1, 0), one(1)), 2, 1)
}

/// One more, in a third.
pub(super) fn third_segment(mut steps: Vec<Step>, edit: u64) -> Vec<Step> {
    steps.push(Step::Client(ClientStep::Append(one(0))));
    let edit = format!("engine write edit:{edit} add-segment seg-3");
    let text = [
        "engine create seg-3.tmp",
        "engine fill seg-3.tmp",
        "engine sync-all seg-3.tmp",
        "engine rename seg-3.tmp seg-3",
        "engine sync-dir dir",
        &edit,
        "engine sync-data manifest",
    ];
    committed(then(steps, &text), 3, 0)
}

/// A drive is added; `edit` is the number of the next edit.
pub(super) fn drive(mut steps: Vec<Step>, drive: DriveNo, edit: u64) -> Vec<Step> {
    let text = format!(
        "client add-drive drive={drive}
         engine create drive-{drive}/identity.tmp
         engine fill drive-{drive}/identity.tmp
         engine sync-all drive-{drive}/identity.tmp
         engine rename drive-{drive}/identity.tmp drive-{drive}/identity
         engine sync-dir drive-{drive}
         engine write edit:{edit} add-drive drive-{drive}
         engine sync-data manifest"
    );
    steps.extend(text.lines().filter_map(|line| line.trim().parse::<Step>().ok()));
    steps
}

/// Two segments, and a drive to move the first one to.
pub(super) fn one_drive() -> Vec<Step> {
    drive(two_segments(), 1, 5)
}

/// The first record is archived; the third waits for a compaction more.
pub(super) fn one_run() -> Vec<Step> {
    let text = [
        "client compact",
        "engine create drive-1/run-1.tmp",
        "engine write blocks drive-1/run-1.tmp lsns=1",
        "engine sync-all drive-1/run-1.tmp",
        "engine rename drive-1/run-1.tmp drive-1/run-1",
        "engine sync-dir drive-1",
        "engine verify drive-1/run-1 good",
        "engine write edit:6 publish run-1 lsns=1 drives=1 floor=2",
        "engine sync-data manifest",
        "engine switch generation=1",
        "engine create drive-1/manifest.tmp",
        "engine fill drive-1/manifest.tmp",
        "engine sync-all drive-1/manifest.tmp",
        "engine rename drive-1/manifest.tmp drive-1/manifest",
        "engine sync-dir drive-1",
        "engine retire generation=1",
        "engine unlink seg-1",
        "engine sync-dir dir",
    ];
    third_segment(then(one_drive(), &text), 7)
}

fn limits(runs: u64, crashes: u8) -> Limits {
    Limits { requests: 3, crashes, segments: 4, batches: 5, edits: 64, runs, ..Limits::default() }
}

const DRIVE_CALLS: [(Call, FaultKind); 6] = [
    (Call::Create, FaultKind::Enospc),
    (Call::Write, FaultKind::Enospc),
    (Call::SyncAll, FaultKind::Eio),
    (Call::SyncDir, FaultKind::Eio),
    (Call::Rename, FaultKind::Eio),
    (Call::Unlink, FaultKind::Eio),
];

/// Those that `cargo test` and `cargo verify` explore.
pub(super) fn scopes() -> [fn(Size) -> Scope; 7] {
    [compaction, two_drives, failing_publish, merging, archive_damage, log_and_archive, archive_at_once]
}

fn compaction(size: Size) -> Scope {
    Scope {
        name: "compaction",
        says: "a sealed segment becomes a run on a drive, two readers hold on, and crashes anywhere",
        prefix: one_drive(),
        menu: Menu {
            compact: true,
            reads: true,
            readers: 2,
            limits: size.pick(limits(1, 2), limits(2, 2)),
            ..crash()
        },
        witnesses: vec![
            Mark::Published,
            Mark::Reclaimed,
            Mark::HeldAcross,
            Mark::Orphaned,
            Mark::InRecovery,
            Mark::Reopened,
        ],
    }
}

fn two_drives(size: Size) -> Scope {
    Scope {
        name: "two-drives",
        says: "two copies of a run, any call on a drive fails, and a crash",
        prefix: drive(one_drive(), 2, 6),
        menu: Menu {
            compact: true,
            copies: 2,
            reads: true,
            faults: DRIVE_CALLS.to_vec(),
            limits: with_faults(size.pick(limits(1, 1), limits(1, 2))),
            ..crash()
        },
        witnesses: vec![Mark::Published, Mark::Reclaimed, Mark::Abandoned, Mark::Orphaned, Mark::Reopened],
    }
}

fn failing_publish(size: Size) -> Scope {
    Scope {
        name: "failing-publish",
        says: "a publish whose write or sync fails, and persists or not, a reader, and crashes",
        prefix: one_run(),
        menu: Menu {
            compact: true,
            merge: true,
            reads: true,
            readers: 1,
            faults: vec![(Call::SyncData, FaultKind::Eio), (Call::Write, FaultKind::Eio)],
            limits: with_faults(size.pick(limits(2, 1), limits(2, 2))),
            ..crash()
        },
        witnesses: vec![Mark::Persisted, Mark::Merged, Mark::Closed, Mark::Reopened, Mark::Reclaimed],
    }
}

fn merging(size: Size) -> Scope {
    Scope {
        name: "merging",
        says: "a run and a segment become one run, a trim across runs, a reader holds on, and the power fails",
        prefix: one_run(),
        menu: Menu {
            compact: true,
            merge: true,
            trim: true,
            reads: true,
            readers: 1,
            limits: size.pick(Limits { edits: 10, ..limits(2, 1) }, Limits { edits: 11, ..limits(2, 1) }),
            ..power()
        },
        witnesses: vec![
            Mark::Merged,
            Mark::Reclaimed,
            Mark::TrimmedRun,
            Mark::HeldAcross,
            Mark::Orphaned,
            Mark::Reopened,
        ],
    }
}

fn archive_damage(size: Size) -> Scope {
    Scope {
        name: "archive-damage",
        says: "two copies of a run, one copy or a batch is damaged, and a crash of the process",
        prefix: drive(one_drive(), 2, 6),
        menu: Menu {
            writes: vec![one(1)],
            compact: true,
            copies: 2,
            reads: true,
            process: true,
            damage: vec![DamageKind::Flip],
            limits: with_damages(size.pick(limits(1, 1), limits(1, 2))),
            ..Menu::default()
        },
        witnesses: vec![Mark::Named, Mark::Published, Mark::Abandoned, Mark::Reclaimed, Mark::Reopened],
    }
}

/// An append more is encoded: it survives a crash of the process only.
fn accepted_more() -> Vec<Step> {
    let mut steps = one_run();
    steps.push(Step::Client(ClientStep::Append(accepted_write(1))));
    then(steps, &["engine encode 4 writer=1 process-crash"])
}

fn log_and_archive(size: Size) -> Scope {
    let room = Limits { requests: 4, edits: 10, ..limits(2, 1) };
    Scope {
        name: "log-and-archive",
        says: "appends, rotation, the manifest, compaction, a reader and recovery at once, and the power fails",
        prefix: one_run(),
        menu: Menu {
            writes: vec![one(0)],
            rotate: true,
            compact: true,
            merge: true,
            reads: true,
            readers: 1,
            limits: size.pick(room, Limits { edits: 11, ..room }),
            ..power()
        },
        witnesses: vec![
            Mark::Acked,
            Mark::Rotated,
            Mark::Published,
            Mark::Merged,
            Mark::Reclaimed,
            Mark::HeldAcross,
            Mark::Orphaned,
            Mark::Reopened,
        ],
    }
}

fn archive_at_once(size: Size) -> Scope {
    let room = Limits { requests: 4, edits: 8, batches: 4, ..limits(2, 1) };
    Scope {
        name: "archive-at-once",
        says: "a compaction among whatever else a log does by itself: so that each pair of features meets",
        prefix: accepted_more(),
        menu: Menu {
            through: true,
            idle: true,
            close: true,
            checkpoint: true,
            compact: true,
            merge: true,
            readers: 1,
            limits: size.pick(room, Limits { edits: 9, ..room }),
            ..crash()
        },
        witnesses: vec![Mark::Acked, Mark::Published, Mark::HeldAcross, Mark::Through, Mark::Closed],
    }
}

/// So long, in bytes, that a record fills a block of a run by itself: what is written is told record by record then.
const A_BLOCK: u32 = 32;

/// The same steps with longer records.
fn block_each(mut steps: Vec<Step>) -> Vec<Step> {
    for step in &mut steps {
        if let Step::Client(ClientStep::Append(write)) = step {
            write.records.iter_mut().for_each(|record| record.len = A_BLOCK);
        }
    }
    steps
}

/// Where the counterexample of a switch of the archive is looked for.
pub(super) fn ground(switch: Switch) -> (&'static str, Vec<Step>, Menu) {
    let (calm, crashing) = (limits(1, 0), limits(1, 1));
    let menu = |limits| Menu { compact: true, reads: true, limits, ..Menu::default() };
    let faulty = |call, kind| Menu { faults: vec![(call, kind)], ..menu(with_faults(calm)) };
    match switch {
        Switch::PublishBeforeRunDurable => {
            ("publish", one_drive(), Menu { power: true, reads: false, ..menu(crashing) })
        }
        Switch::RecoveryDeletesNamedRun => ("orphans", one_drive(), Menu { process: true, ..menu(crashing) }),
        Switch::OutputsDeletedWhenPublishFails => {
            ("publish", one_drive(), faulty(Call::SyncData, FaultKind::Eio))
        }
        Switch::PublishUnverifiedCopy => ("copies", one_drive(), faulty(Call::Write, FaultKind::Ignored)),
        Switch::GivenUpMeansDone => ("copies", one_drive(), faulty(Call::SyncAll, FaultKind::Eio)),
        Switch::RunDropsRecords | Switch::RunLeavesGap => {
            ("runs", block_each(third_segment(one_drive(), 6)), menu(calm))
        }
        _ => ("reclaim", one_drive(), Menu { readers: 1, ..menu(calm) }),
    }
}
