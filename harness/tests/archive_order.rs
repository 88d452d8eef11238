//! What the archive does on the disk, in another order than its own: each is refused by the guard that says so.

use std::collections::BTreeSet;

use truelog_env::Op;
use truelog_harness::fabric::{DriveFile, Role};
use truelog_harness::order::judge;
use truelog_harness::order::runs::{Deed, Script, run};
use truelog_harness::order::seen::{Call, Seen};
use truelog_harness::subject::Setup;
use truelog_spec::ClientStep;

const SETUP: Setup = Setup { manifest_blocks: 32, ..Setup::TINY };

/// A run is published and what it replaces reclaimed, and then both once more.
fn life(deeds: &'static [Deed]) -> Vec<Seen> {
    let script = Script { name: "a life with an archive", shows: &[], setup: SETUP, deeds };
    let seen = run(&script);
    assert_eq!(judge(&seen).map(drop), Ok(()), "as it is, it is a path");
    seen
}

fn archived() -> Vec<Seen> {
    use Deed::{Append, Close, Compact, Create, Seal};
    life(&[Create, Seal(3), Compact, Append(200), Compact, Close])
}

/// The run without these calls.
fn without(run: &[Seen], which: impl Fn(&Call) -> bool) -> Vec<Seen> {
    let gone: BTreeSet<u64> = run
        .iter()
        .filter_map(|seen| match seen {
            Seen::Begin(number, call) if which(call) => Some(*number),
            _ => None,
        })
        .collect();
    assert!(!gone.is_empty(), "there is no such call");
    let is_gone =
        |seen: &&Seen| matches!(seen, Seen::Begin(one, _) | Seen::End(one, _) if gone.contains(one));
    run.iter().filter(|seen| !is_gone(seen)).cloned().collect()
}

fn refused_by(run: &[Seen], guard: &str) {
    let says = judge(run).expect_err("this order is wrong").to_string();
    assert!(says.contains(&format!("refused by {guard}")), "{guard}: {says}");
}

fn on_drive(call: &Call, op: Op, file: DriveFile) -> bool {
    call.op == op && call.role == Role::OnDrive(2, file)
}

#[test]
fn a_copy_of_a_run_is_synced_named_and_read_back_before_it_is_published() {
    let life = archived();
    let tmp = DriveFile::RunTmp(1);
    refused_by(&without(&life, |call| on_drive(call, Op::SyncAll, tmp)), "rename-needs-sync");
    let dir = |call: &Call| call.op == Op::SyncDir && call.role == Role::Drive(2);
    refused_by(&without(&life, dir), "edit-after-name");
    // The drive's directory is synced for its identity, and not for the run.
    let renamed = nth(&life, 0, |call| on_drive(call, Op::Rename, tmp));
    let unnamed = [&life[..renamed], &without(&life[renamed..], dir)].concat();
    refused_by(&unnamed, "publish-needs-durable-run");
    let reads = |call: &Call| on_drive(call, Op::Read, DriveFile::Run(1));
    refused_by(&without(&life, reads), "publish-needs-verified-copy");
    // One block that was not looked at is enough.
    let last = life.iter().rev().find_map(|seen| match seen {
        Seen::Begin(_, call) if reads(call) => Some(call.offset),
        _ => None,
    });
    let last = last.expect("it is read back");
    let hasty = without(&life, |call| reads(call) && call.offset >= last);
    refused_by(&hasty, "publish-needs-verified-copy");
}

#[test]
fn what_a_run_replaces_is_removed_once_all_drives_know_and_nobody_reads_it() {
    let life = archived();
    let tmp = DriveFile::ManifestTmp;
    let copied = |call: &Call| matches!(call.role, Role::OnDrive(2, DriveFile::ManifestTmp));
    refused_by(&without(&life, copied), "reclaim-needs-checkpoints");
    refused_by(&without(&life, |call| on_drive(call, Op::SyncAll, tmp)), "rename-needs-sync");
    // A segment goes right behind the edit that publishes the run, before that is synced.
    let gone = nth(&life, 0, |call| call.op == Op::Unlink && matches!(call.role, Role::Segment(_)));
    let readied = nth(&life, 0, |call| on_drive(call, Op::Rename, DriveFile::RunTmp(1)));
    let edit = readied + nth(&life[readied..], 0, |call| call.op == Op::Write && call.role == Role::Manifest);
    let mut early = life.clone();
    let unlink: Vec<Seen> = early.drain(gone..gone + 2).collect();
    early.splice(edit + 2..edit + 2, unlink);
    refused_by(&early, "reclaim-needs-durable-publish");
}

#[test]
fn a_reader_that_stands_still_keeps_what_it_reads() {
    use Deed::{Close, Compact, Create, Hold, Release, Seal};
    let life = life(&[Create, Seal(3), Hold, Compact, Release, Compact, Close]);
    let is_release = |seen: &Seen| matches!(seen, Seen::Client(ClientStep::Release { .. }));
    let removed = nth(&life, 0, |call| call.op == Op::Unlink && matches!(call.role, Role::Segment(_)));
    let released = life.iter().position(is_release).expect("it is let go");
    assert!(released < removed, "what it reads waits for it");
    let mut late = life.clone();
    let release = late.remove(released);
    late.push(release);
    refused_by(&late, "reclaim-waits-for-readers");
}

#[test]
fn a_drive_is_named_once_its_identity_is_durable_and_its_files_never_change() {
    let life = archived();
    let tmp = DriveFile::IdentityTmp;
    refused_by(&without(&life, |call| on_drive(call, Op::SyncAll, tmp)), "rename-needs-sync");
    let at = nth(&life, 0, |call| on_drive(call, Op::Rename, DriveFile::RunTmp(1)));
    let mut changed = life.clone();
    let write = Call { len: 8, ..Call::plain(Op::Write, Role::OnDrive(2, DriveFile::Run(1))) };
    changed.splice(
        at + 2..at + 2,
        [Seen::Begin(u64::MAX, write), Seen::End(u64::MAX, truelog_harness::order::seen::Result::Ok(8))],
    );
    let says = judge(&changed).expect_err("a run never changes").to_string();
    assert!(says.contains("no row"), "{says}");
}

/// The entry where the n-th call that `fits` begins, from 0.
fn nth(run: &[Seen], n: usize, fits: impl Fn(&Call) -> bool) -> usize {
    let begins =
        run.iter().enumerate().filter(|(_, seen)| matches!(seen, Seen::Begin(_, call) if fits(call)));
    begins.map(|(at, _)| at).nth(n).expect("the run has such a call")
}
