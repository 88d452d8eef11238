//! The archive's drives on the simulated disk: little room, full disks, orphans, and logs that were rolled back.

use std::path::{Path, PathBuf};

use truelog::{
    DriveOut, DriveState, Durability, Error, Kept, Log, Lsn, Name, Options, Record, Recovered, RunNo,
    StreamId, inspect_in,
};
use truelog_env::{Env, IoKind, Op, OpenMode};
use truelog_harness::fabric::{
    Damage, DriveFile, Fault, Image, LOG_DIR, Plan, Profile, Role, SimFs, drive_dir,
};

fn options() -> Options {
    Options {
        block_size: 256,
        segment_size: 2048,
        max_batch_bytes: 1024,
        manifest_blocks: 16,
        archive_block_bytes: 2048,
        archive_rate: 0,
        prefetch_bytes: 0,
        background: false,
        ..Options::default()
    }
}

fn drive(number: u64) -> PathBuf {
    drive_dir(Path::new(LOG_DIR), number)
}

/// Bytes that no compression makes shorter.
fn payload(lsn: u64) -> Vec<u8> {
    let mut noise = lsn.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut byte = || {
        noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        noise.to_be_bytes()[0]
    };
    (0..180).map(|_| byte()).collect()
}

fn append(log: &Log, count: u64) {
    let next = log.stat().next.get();
    for lsn in next..next + count {
        let record = [Record { stream: StreamId(0), payload: &payload(lsn) }];
        log.append_batch(&record, Durability::PowerLoss).expect("a receipt");
    }
}

/// Every record from `first` on is what was appended.
fn check(log: &Log, first: u64) {
    let read: Vec<_> = log.iter(Lsn(first)).map(|entry| entry.expect("a record")).collect();
    assert_eq!(read.len() as u64, log.stat().next.get() - first);
    assert!(read.iter().zip(first..).all(|(entry, lsn)| entry.payload == payload(lsn)));
}

/// A log with two drives of so many bytes.
fn create(sim: &SimFs, capacity: u64) -> Log {
    let log = Log::create_in(&sim.env(), sim.log_dir(), &options()).expect("a log");
    for number in [1, 2] {
        log.add_drive(&drive(number), capacity).expect("a drive");
    }
    log
}

fn sim() -> SimFs {
    SimFs::new(Profile::W.sector(128))
}

fn open(sim: &SimFs) -> (Log, Recovered) {
    Log::open_in(&sim.env(), sim.log_dir(), &options()).expect("it opens")
}

/// A log of which 20 records are archived on both drives, closed, and opened and closed once more: so its manifest says
/// what the drives' copies were seen to have.
fn archived(sim: &SimFs) {
    let log = create(sim, 0);
    append(&log, 20);
    log.compact().expect("runs");
    append(&log, 5);
    log.close().expect("closed");
    open(sim).0.close().expect("closed");
}

fn names(sim: &SimFs, dir: &Path) -> Vec<String> {
    sim.snapshot().process_crash().names(dir).expect("a directory")
}

fn runs(sim: &SimFs, number: u64) -> Vec<String> {
    names(sim, &drive(number)).into_iter().filter(|name| name.starts_with("run-")).collect()
}

/// The runs that were put aside on a drive.
fn aside(sim: &SimFs, number: u64) -> Vec<String> {
    names(sim, &drive(number)).into_iter().filter(|name| name.starts_with("quarantined-")).collect()
}

fn aside_name(run: u64) -> String {
    Name::QuarantinedRun(RunNo(run)).to_string()
}

fn write(env: &Env, path: &Path, bytes: &[u8]) {
    let file = env.fs.open(path, OpenMode::CREATE).expect("a file");
    assert_eq!(file.write_at(bytes, 0), Ok(bytes.len()));
    file.sync_all().expect("its sync");
    env.fs.sync_dir(path.parent().expect("a directory")).expect("its name");
}

/// The directory `dir` has the files that it had in `image`, and no others.
fn restore(sim: &SimFs, dir: &Path, image: &Image) {
    let env = sim.env();
    for name in names(sim, dir) {
        env.fs.unlink(&dir.join(name)).expect("gone");
    }
    for name in image.names(dir).expect("a directory") {
        write(&env, &dir.join(&name), &image.read(&dir.join(&name)).expect("a file"));
    }
}

/// Takes a drive away, or brings it back.
fn carry(sim: &SimFs, from: &Path, to: &Path) {
    let (env, image) = (sim.env(), sim.snapshot().process_crash());
    env.fs.create_dir(to).expect("a place for it");
    for name in image.names(from).expect("a directory") {
        write(&env, &to.join(&name), &image.read(&from.join(&name)).expect("a file"));
    }
    sim.remove_dir_all(from).expect("it is gone from there");
}

fn outs(drives: &[DriveState]) -> Vec<DriveOut> {
    drives.iter().filter_map(|drive| drive.out).collect()
}

#[test]
fn a_run_is_no_longer_than_its_drives_have_room_for() {
    let sim = sim();
    let log = create(&sim, 8192);
    append(&log, 60);
    // What is sealed does not fit into one drive, and run_bytes would have it all in one run.
    let full = log.compact().expect_err("the drives are full in the end");
    assert!(matches!(full, Error::TooFewDrives { found: 0, copies: 2 }), "{full}");
    let held = log.runs();
    assert!(!held.is_empty(), "nothing was archived, although there is room for a part of it");
    assert!(held.iter().map(|run| run.len).sum::<u64>() <= 8192, "{held:?}");
    check(&log, 1);
    // What a trim frees is used.
    let first = held.last().expect("a run").lsns.last.next();
    log.trim(first).expect("a trim");
    let _ = log.compact();
    assert_eq!(log.runs().first().map(|run| run.lsns.first), Some(first));
    check(&log, first.get());
}

#[test]
fn a_drive_that_is_full_at_an_open_serves_and_is_not_blamed() {
    let sim = sim();
    archived(&sim);
    let full = Fault::Fail { kind: IoKind::NoSpace, done: 0 };
    let role = Role::OnDrive(1, DriveFile::ManifestTmp);
    sim.faults().schedule(Plan { role: role.into(), op: Op::Write, nth: 1, fault: full });
    let (log, recovered) = open(&sim);
    assert_eq!(sim.faults().fired().len(), 1, "the drive was full when it was to get its copy");
    assert_eq!(recovered.drives, []);
    assert!(log.drives().iter().all(DriveState::serves), "{:?}", log.drives());
    assert!(!names(&sim, &drive(1)).iter().any(|name| name.ends_with(".tmp")));
    check(&log, 1);
    // Nothing that a run replaces goes before the drive has a copy that is new enough.
    append(&log, 20);
    log.compact().expect("it has room again");
    check(&log, 1);
    log.close().expect("closed");
    let (log, recovered) = open(&sim);
    assert_eq!(recovered.drives, []);
    check(&log, 1);
}

#[test]
fn orphans_are_listed_and_only_those_go_on_which_nothing_hangs() {
    let sim = sim();
    archived(&sim);
    let image = sim.snapshot().process_crash();
    let run = runs(&sim, 1).remove(0);
    let bytes = image.read(&drive(1).join(&run)).expect("a run");
    // An unfinished one; one that nobody can read; one under another number than its own.
    write(&sim.env(), &drive(1).join("run-0000000098.tmp"), b"unfinished");
    write(&sim.env(), &drive(1).join("run-0000000099"), b"no run");
    write(&sim.env(), &drive(2).join("run-0000000097"), &bytes);
    let view = inspect_in(&sim.env(), sim.log_dir()).expect("a look");
    let listed = view.orphans();
    let told: Vec<_> = listed.iter().map(|one| (one.drive.get(), one.name, one.bytes, one.kept)).collect();
    let unreadable = Some(Kept::Unreadable);
    let expected = [
        (0, Name::Run(RunNo(99)), 6, unreadable),
        (0, Name::RunTmp(RunNo(98)), 10, None),
        (1, Name::Run(RunNo(97)), bytes.len() as u64, unreadable),
    ];
    assert_eq!(told, expected);
    let report = truelog::verify_dir_in(&sim.env(), sim.log_dir()).expect("a report");
    assert_eq!((report.orphans, report.damage), (listed, vec![]));
    let (log, _) = open(&sim);
    log.close().expect("closed");
    assert_eq!((runs(&sim, 1), runs(&sim, 2)), (vec![run.clone()], vec![run]));
    assert_eq!((aside(&sim, 1), aside(&sim, 2)), (vec![aside_name(99)], vec![aside_name(97)]));
}

/// The log's directory is restored from before a run was published of whose publication the drives have not heard.
#[test]
fn a_run_with_records_that_the_log_does_not_have_is_kept_and_named() {
    let sim = sim();
    archived(&sim);
    let older = sim.snapshot().process_crash();
    let (log, _) = open(&sim);
    append(&log, 20);
    let last = loop {
        let step = log.archive_step().expect("a step");
        if let Some(run) = step.published {
            break run.lsns.last;
        }
    };
    drop(log);
    restore(&sim, sim.log_dir(), &older);
    let view = inspect_in(&sim.env(), sim.log_dir()).expect("a look");
    assert!(view.orphans().iter().all(|orphan| orphan.kept == Some(Kept::Beyond(last))));
    assert_eq!(view.orphans().len(), 2);
    let kept = runs(&sim, 1).pop().expect("a run");
    // That stays so when the log has come to the same LSNs and generations.
    for _ in 0..2 {
        let (log, _) = open(&sim);
        append(&log, 40);
        log.compact().expect("runs");
        log.close().expect("closed");
        for number in [1, 2] {
            assert!(!runs(&sim, number).contains(&kept));
            assert_eq!(aside(&sim, number), [format!("quarantined-{kept}")]);
        }
    }
    let view = inspect_in(&sim.env(), sim.log_dir()).expect("a look");
    assert!(view.orphans().iter().all(|orphan| orphan.kept == Some(Kept::PutAside)));
    assert_eq!(view.orphans().len(), 2);
}

/// A run that was being made on a drive that then was away while the log went on: it could be one that was published.
#[test]
fn a_run_of_which_nothing_proves_that_it_was_not_published_is_put_aside() {
    let sim = sim();
    archived(&sim);
    let (log, _) = open(&sim);
    log.add_drive(&drive(3), 0).expect("a drive");
    append(&log, 20);
    while runs(&sim, 1).iter().filter(|name| !name.ends_with(".tmp")).count() < 2 {
        assert_eq!(log.archive_step().expect("a step").published, None);
    }
    drop(log);
    let unpublished = runs(&sim, 1).pop().expect("a run");
    carry(&sim, &drive(1), &drive(11));
    let (log, _) = open(&sim);
    append(&log, 20);
    log.compact().expect("runs on the other drives");
    log.close().expect("closed");
    carry(&sim, &drive(11), &drive(1));
    let view = inspect_in(&sim.env(), sim.log_dir()).expect("a look");
    let told: Vec<_> =
        view.orphans().into_iter().map(|orphan| (orphan.name.to_string(), orphan.kept)).collect();
    assert!(told.contains(&(unpublished.clone(), Some(Kept::Unproven))), "{told:?}");
    let (log, recovered) = open(&sim);
    assert_eq!(recovered.drives, [], "its drive is of this history, and serves");
    check(&log, 1);
    log.close().expect("closed");
    assert_eq!(aside(&sim, 1), [format!("quarantined-{unpublished}")]);
}

/// A copy of a run that is not published there yet, when the drives that have it are away.
#[test]
fn the_last_copy_in_reach_is_kept_whether_or_not_it_was_published() {
    let sim = sim();
    archived(&sim);
    let (log, _) = open(&sim);
    log.add_drive(&drive(3), 0).expect("a drive");
    log.close().expect("closed");
    let image = sim.snapshot().process_crash();
    let run = runs(&sim, 1).remove(0);
    write(&sim.env(), &drive(3).join(&run), &image.read(&drive(1).join(&run)).expect("a run"));
    for number in [1, 2] {
        carry(&sim, &drive(number), &drive(number + 10));
    }
    open(&sim).0.close().expect("closed");
    assert_eq!(runs(&sim, 3), std::slice::from_ref(&run), "no drive that serves has it");
    for number in [1, 2] {
        carry(&sim, &drive(number + 10), &drive(number));
    }
    open(&sim).0.close().expect("closed");
    assert_eq!(runs(&sim, 3), Vec::<String>::new(), "two drives have it, and the manifest says so");
}

/// A log is rolled back, and goes on without its drives until its generations have passed theirs.
fn passed_by(sim: &SimFs) -> [Vec<String>; 2] {
    archived(sim);
    let older = sim.snapshot().process_crash();
    let (log, _) = open(sim);
    append(&log, 20);
    log.compact().expect("runs");
    log.close().expect("closed");
    open(sim).0.close().expect("closed");
    let kept = [runs(sim, 1), runs(sim, 2)];
    restore(sim, sim.log_dir(), &older);
    for number in [1, 2] {
        carry(sim, &drive(number), &drive(number + 10));
    }
    let (log, recovered) = open(sim);
    assert_eq!(outs(&recovered.drives), [DriveOut::Missing; 2]);
    for number in [3, 4] {
        log.add_drive(&drive(number), 0).expect("a drive");
    }
    for _ in 0..4 {
        append(&log, 10);
        log.compact().expect("runs");
    }
    log.close().expect("closed");
    kept
}

/// A run of whose publication its drives have not heard is cut off by a rollback, and the log, which goes on without these
/// drives, gives its number to another run.
#[test]
fn a_run_of_another_history_is_not_taken_for_the_one_that_got_its_number() {
    let sim = sim();
    archived(&sim);
    let older = sim.snapshot().process_crash();
    let (log, _) = open(&sim);
    append(&log, 20);
    while log.archive_step().expect("a step").published.is_none() {}
    drop(log);
    let cut_off = [1, 2].map(|number| runs(&sim, number).pop().expect("a run"));
    restore(&sim, sim.log_dir(), &older);
    for number in [1, 2] {
        carry(&sim, &drive(number), &drive(number + 10));
    }
    let (log, _) = open(&sim);
    for number in [3, 4] {
        log.add_drive(&drive(number), 0).expect("a drive");
    }
    // Runs that are not merged: the number is still in use when the drives are back.
    append(&log, 20);
    log.compact().expect("runs");
    log.close().expect("closed");
    assert!(runs(&sim, 3).contains(&cut_off[0]), "{:?} {cut_off:?}", runs(&sim, 3));
    for number in [1, 2] {
        carry(&sim, &drive(number + 10), &drive(number));
    }
    for _ in 0..2 {
        open(&sim).0.close().expect("closed");
        for number in [1, 2] {
            assert_eq!(aside(&sim, number), [format!("quarantined-{}", cut_off[0])]);
        }
    }
}

#[test]
fn drives_of_a_history_that_a_rollback_cut_off_are_named_and_left_alone() {
    let sim = sim();
    let kept = passed_by(&sim);
    for number in [1, 2] {
        carry(&sim, &drive(number + 10), &drive(number));
    }
    let listed = inspect_in(&sim.env(), sim.log_dir()).expect("a look").orphans();
    assert!(
        !listed.is_empty() && listed.iter().all(|orphan| orphan.kept == Some(Kept::DriveOut)),
        "{listed:?}"
    );
    for _ in 0..2 {
        let (log, recovered) = open(&sim);
        let outs = outs(&recovered.drives);
        assert!(matches!(outs[..], [DriveOut::Diverged { .. }, DriveOut::Diverged { .. }]), "{outs:?}");
        // Nor does a scrub take them in, nor an add.
        let _ = log.scrub(None, true).expect("a report");
        let added = log.add_drive(&drive(1), 0).expect_err("it is of another history");
        assert!(matches!(added, Error::BadDrive { why: DriveOut::Diverged { .. }, .. }), "{added}");
        append(&log, 10);
        log.compact().expect("runs on the other drives");
        log.close().expect("closed");
    }
    assert_eq!([runs(&sim, 1), runs(&sim, 2)], kept, "nothing on them was touched");
}

/// The log's directory is restored from before a trim; no run was published since. What the trim took from the drives is
/// missing there, by the manifest that came back: that is not their fault.
#[test]
fn drives_that_know_of_a_later_trim_are_named_and_not_blamed() {
    let sim = sim();
    let log = create(&sim, 0);
    append(&log, 20);
    log.compact().expect("runs");
    log.close().expect("closed");
    let older = sim.snapshot().process_crash();
    let (log, _) = open(&sim);
    let trimmed = log.runs().first().expect("a run").lsns.last.next();
    log.trim(trimmed).expect("a trim");
    while runs(&sim, 1).len() + runs(&sim, 2).len() > 0 {
        assert_eq!(log.archive_step().expect("a step").published, None);
    }
    log.close().expect("closed");
    let kept = [runs(&sim, 1), runs(&sim, 2)];
    restore(&sim, sim.log_dir(), &older);
    for _ in 0..2 {
        let (log, recovered) = open(&sim);
        let further = DriveOut::TrimmedFurther { found: trimmed, known: Lsn(1) };
        assert_eq!(outs(&recovered.drives), [further; 2]);
        assert!(log.drives().iter().all(|drive| drive.suspect.is_none()), "{:?}", log.drives());
        while log.archive_step().expect("a step").worked {}
        assert!(log.drives().iter().all(|drive| drive.out == Some(further)), "{:?}", log.drives());
        log.close().expect("closed");
        assert_eq!([runs(&sim, 1), runs(&sim, 2)], kept, "nothing on them was touched");
    }
}

#[test]
fn a_drive_that_is_ahead_of_the_log_is_not_added() {
    let sim = sim();
    archived(&sim);
    let older = sim.snapshot().process_crash();
    let (log, _) = open(&sim);
    append(&log, 20);
    log.compact().expect("runs");
    log.close().expect("closed");
    restore(&sim, sim.log_dir(), &older);
    let (log, recovered) = open(&sim);
    assert!(matches!(outs(&recovered.drives)[..], [DriveOut::Ahead { .. }, DriveOut::Ahead { .. }]));
    let kept = runs(&sim, 1);
    let added = log.add_drive(&drive(1), 0).expect_err("it is ahead");
    assert!(matches!(added, Error::BadDrive { why: DriveOut::Ahead { .. }, .. }), "{added}");
    log.close().expect("closed");
    open(&sim).0.close().expect("closed");
    assert_eq!(runs(&sim, 1), kept);
}

/// Whoever takes a drive out and adds it again later has it served, as long as it is known to be of this history.
#[test]
fn a_drive_that_was_removed_is_added_again_if_it_is_of_this_history() {
    let sim = sim();
    archived(&sim);
    let (log, _) = open(&sim);
    log.add_drive(&drive(3), 0).expect("a drive");
    let number = log.drives()[0].entry.number;
    log.remove_drive(number).expect("forgotten");
    log.add_drive(&drive(1), 0).expect("it is known");
    assert!(log.drives().iter().all(DriveState::serves));
    log.compact().expect("copies");
    check(&log, 1);
    log.close().expect("closed");
    let (log, recovered) = open(&sim);
    assert_eq!(recovered.drives, []);
    check(&log, 1);
}

#[test]
fn a_damaged_copy_of_the_manifest_is_called_so_and_a_scrub_mends_it() {
    let sim = sim();
    archived(&sim);
    let copy = drive(1).join("MANIFEST");
    let damaged =
        sim.snapshot().process_crash().damage(&copy, &Damage::Flip { bit: 8 * 40 }).expect("damage");
    let sim = SimFs::from_image(&damaged);
    let (log, recovered) = open(&sim);
    assert!(matches!(outs(&recovered.drives)[..], [DriveOut::CopyDamaged(_)]), "{recovered:?}");
    check(&log, 1);
    // An add does not put it in order; it would be taken for one that was looked at.
    log.add_drive(&drive(1), 0).expect("it is known by its identity");
    assert!(matches!(outs(&log.drives())[..], [DriveOut::CopyDamaged(_)]));
    let report = log.scrub(None, true).expect("a report");
    assert_eq!(report.readmitted.len(), 1);
    log.close().expect("closed");
    let (log, recovered) = open(&sim);
    assert_eq!(recovered.drives, []);
    check(&log, 1);
}

/// No drive serves then, and none is to blame: what they have is read all the same, or no scrub could begin.
#[test]
fn when_no_copy_of_the_manifest_is_any_good_the_runs_still_are() {
    let sim = sim();
    archived(&sim);
    let mut image = sim.snapshot().process_crash();
    for number in [1, 2] {
        let damage = Damage::Flip { bit: 8 * 40 };
        image = image.damage(&drive(number).join("MANIFEST"), &damage).expect("damage");
    }
    let sim = SimFs::from_image(&image);
    let (log, recovered) = open(&sim);
    assert_eq!(outs(&recovered.drives).len(), 2);
    check(&log, 1);
    let report = log.scrub(None, true).expect("a report");
    assert_eq!((report.readmitted.len(), report.lost.len()), (2, 0), "{report:?}");
    log.close().expect("closed");
    assert_eq!(open(&sim).1.drives, []);
}

#[test]
fn a_drive_that_has_failed_is_not_let_in_again_by_an_add() {
    let sim = sim();
    archived(&sim);
    let run = drive(1).join(&runs(&sim, 1)[0]);
    let damage = Damage::Zero { offset: 256, len: 256 };
    let sim = SimFs::from_image(&sim.snapshot().process_crash().damage(&run, &damage).expect("damage"));
    let (log, _) = open(&sim);
    check(&log, 1);
    let suspects = || log.drives().iter().filter(|drive| drive.suspect.is_some()).count();
    assert_eq!(suspects(), 1);
    log.add_drive(&drive(1), 0).expect("it is known");
    assert_eq!(suspects(), 1, "its quarantine is due, and no scrub was through");
    log.close().expect("closed");
}
