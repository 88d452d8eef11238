//! The archive's drives on the simulated disk: little room, full disks, orphans, damaged copies of the manifest.

use std::path::{Path, PathBuf};

use truelog::{
    DriveOut, DriveState, Durability, Error, Kept, Log, Lsn, Name, Options, Record, Recovered, RunNo,
    StreamId, inspect_in,
};
use truelog_env::{Env, IoKind, Op, OpenMode};
use truelog_harness::fabric::{
    Damage, DriveFile, Fault, Image, LOG_DIR, Plan, Profile, Role, SimFs, drive_dir,
};

pub(crate) fn options() -> Options {
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

pub(crate) fn drive(number: u64) -> PathBuf {
    drive_dir(Path::new(LOG_DIR), number)
}

/// Bytes that no compression makes shorter.
pub(crate) fn payload(lsn: u64) -> Vec<u8> {
    let mut noise = lsn.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut byte = || {
        noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        noise.to_be_bytes()[0]
    };
    (0..180).map(|_| byte()).collect()
}

pub(crate) fn append(log: &Log, count: u64) {
    let next = log.stat().next.get();
    for lsn in next..next + count {
        let record = [Record { stream: StreamId(0), payload: &payload(lsn) }];
        log.append_batch(&record, Durability::PowerLoss).expect("a receipt");
    }
}

/// Every record from `first` on is what was appended.
pub(crate) fn check(log: &Log, first: u64) {
    let read: Vec<_> = log.iter(Lsn(first)).map(|entry| entry.expect("a record")).collect();
    assert_eq!(read.len() as u64, log.stat().next.get() - first);
    assert!(read.iter().zip(first..).all(|(entry, lsn)| entry.payload == payload(lsn)));
}

/// A log with two drives of so many bytes.
pub(crate) fn create(sim: &SimFs, capacity: u64) -> Log {
    let log = Log::create_in(&sim.env(), sim.log_dir(), &options()).expect("a log");
    for number in [1, 2] {
        log.add_drive(&drive(number), capacity).expect("a drive");
    }
    log
}

pub(crate) fn sim() -> SimFs {
    SimFs::new(Profile::W.sector(128))
}

pub(crate) fn open(sim: &SimFs) -> (Log, Recovered) {
    Log::open_in(&sim.env(), sim.log_dir(), &options()).expect("it opens")
}

/// A log of which 20 records are archived on both drives, closed, and opened and closed once more: so its manifest says
/// what the drives' copies were seen to have.
pub(crate) fn archived(sim: &SimFs) {
    let log = create(sim, 0);
    append(&log, 20);
    log.compact().expect("runs");
    append(&log, 5);
    log.close().expect("closed");
    open(sim).0.close().expect("closed");
}

pub(crate) fn names(sim: &SimFs, dir: &Path) -> Vec<String> {
    sim.snapshot().process_crash().names(dir).expect("a directory")
}

pub(crate) fn runs(sim: &SimFs, number: u64) -> Vec<String> {
    names(sim, &drive(number)).into_iter().filter(|name| name.starts_with("run-")).collect()
}

/// The runs that were put aside on a drive.
pub(crate) fn aside(sim: &SimFs, number: u64) -> Vec<String> {
    names(sim, &drive(number)).into_iter().filter(|name| name.starts_with("quarantined-")).collect()
}

pub(crate) fn aside_name(run: u64) -> String {
    Name::QuarantinedRun(RunNo(run)).to_string()
}

pub(crate) fn write(env: &Env, path: &Path, bytes: &[u8]) {
    let file = env.fs.open(path, OpenMode::CREATE).expect("a file");
    assert_eq!(file.write_at(bytes, 0), Ok(bytes.len()));
    file.sync_all().expect("its sync");
    env.fs.sync_dir(path.parent().expect("a directory")).expect("its name");
}

/// The directory `dir` has the files that it had in `image`, and no others.
pub(crate) fn restore(sim: &SimFs, dir: &Path, image: &Image) {
    let env = sim.env();
    for name in names(sim, dir) {
        env.fs.unlink(&dir.join(name)).expect("gone");
    }
    for name in image.names(dir).expect("a directory") {
        write(&env, &dir.join(&name), &image.read(&dir.join(&name)).expect("a file"));
    }
}

/// Takes a drive away, or brings it back.
pub(crate) fn carry(sim: &SimFs, from: &Path, to: &Path) {
    let (env, image) = (sim.env(), sim.snapshot().process_crash());
    env.fs.create_dir(to).expect("a place for it");
    for name in image.names(from).expect("a directory") {
        write(&env, &to.join(&name), &image.read(&from.join(&name)).expect("a file"));
    }
    sim.remove_dir_all(from).expect("it is gone from there");
}

/// A block of the first run of each of these drives is zeroed.
fn damaged(sim: &SimFs, numbers: &[u64]) -> SimFs {
    let damage = Damage::Zero { offset: 256, len: 256 };
    let image = numbers.iter().fold(sim.snapshot().process_crash(), |image, number| {
        image.damage(&drive(*number).join(&runs(sim, *number)[0]), &damage).expect("damage")
    });
    SimFs::from_image(&image)
}

pub(crate) fn outs(drives: &[DriveState]) -> Vec<DriveOut> {
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
    let sim = damaged(&sim, &[1]);
    let (log, _) = open(&sim);
    check(&log, 1);
    let suspects = || log.drives().iter().filter(|drive| drive.suspect.is_some()).count();
    assert_eq!(suspects(), 1);
    log.add_drive(&drive(1), 0).expect("it is known");
    assert_eq!(suspects(), 1, "its quarantine is due, and no scrub was through");
    log.close().expect("closed");
}

/// What is damaged here may be whole on the drive that cannot be reached: nobody may call it lost, let alone halt for it.
#[test]
fn damage_is_told_only_when_every_copy_was_looked_at() {
    let sim = sim();
    archived(&sim);
    let (both, sim) = (damaged(&sim, &[1, 2]), damaged(&sim, &[2]));
    sim.remove_dir_all(&drive(1)).expect("taken away");
    let (log, _) = open(&sim);
    let error = log.get(Lsn(1)).expect_err("no whole copy can be reached");
    assert!(matches!(error, Error::Unavailable { .. }), "{error}");
    let blind = log.audit().expect_err("not all can be looked at");
    assert!(matches!(blind, Error::Unavailable { .. }), "{blind}");
    append(&log, 1);
    log.close().expect("closed");
    // With both copies damaged there is no doubt.
    let (log, _) = open(&both);
    let error = log.get(Lsn(1)).expect_err("damaged");
    assert!(matches!(error, Error::CorruptBlock { .. }), "{error}");
    log.audit().expect_err("a violated claim");
    assert!(log.stat().failure.is_some());
}

/// Without an index of any copy nothing else in them can be looked at: they are damaged all the same.
#[test]
fn copies_whose_index_is_damaged_are_counted_by_a_scrub() {
    let sim = sim();
    archived(&sim);
    let mut image = sim.snapshot().process_crash();
    for number in [1, 2] {
        let run = drive(number).join(runs(&sim, number).remove(0));
        let len = image.len_of(&run).expect("a run");
        image = image.damage(&run, &Damage::Zero { offset: len - 256, len: 256 }).expect("damage");
    }
    let (log, _) = open(&SimFs::from_image(&image));
    let report = log.scrub(None, false).expect("a report");
    assert_eq!((report.bad.len(), report.lost.len()), (2, 1), "{report:?}");
}

/// The drive that a run was read from turns out to be damaged while the next run is made on it: the other two serve, and
/// nothing is to be done by anybody.
#[test]
fn a_drive_that_fails_while_a_run_is_made_is_replaced_by_another() {
    let sim = sim();
    let log = create(&sim, 0);
    append(&log, 20);
    log.compact().expect("a run");
    log.add_drive(&drive(3), 0).expect("a drive");
    let run = drive(1).join(runs(&sim, 1).remove(0));
    let file = sim.env().fs.open(&run, OpenMode::WRITE).expect("a run");
    file.write_at(&[0; 256], 256).expect("damage");
    append(&log, 20);
    log.compact().expect("the drives that serve are enough");
    let serving = log.drives().iter().filter(|drive| drive.serves()).count();
    assert_eq!(serving, 2, "{:?}", log.drives());
    check(&log, 1);
}

#[test]
fn a_scrub_calls_no_passing_trouble_damage() {
    let sim = sim();
    let log = create(&sim, 0);
    append(&log, 20);
    log.compact().expect("runs");
    let role = Role::OnDrive(1, DriveFile::Run(log.runs()[0].number.get()));
    let fault = Fault::Fail { kind: IoKind::Device, done: 0 };
    for nth in 1..=2 {
        sim.faults().schedule(Plan { role: role.into(), op: Op::Read, nth, fault });
    }
    let report = log.scrub(None, false).expect("a report");
    assert_eq!(sim.faults().fired().len(), 2);
    assert_eq!((report.bad.len(), report.lost.len()), (0, 0), "{report:?}");
}

#[test]
fn a_drive_that_was_not_looked_at_is_not_readmitted() {
    let sim = sim();
    archived(&sim);
    let sim = damaged(&sim, &[1]);
    let (log, _) = open(&sim);
    check(&log, 1);
    let [bad, good] = [0, 1].map(|at| log.drives()[at].entry.number);
    assert!(!log.drives()[0].serves());
    assert_eq!(log.scrub(Some(good), true).expect("a report").readmitted, []);
    assert_eq!(log.scrub(Some(bad), true).expect("a report").readmitted, [], "repaired just now");
    assert_eq!(log.scrub(Some(bad), true).expect("a report").readmitted, [bad]);
}

/// A volume that is unmounted under the log leaves an empty directory: what was there is not lost.
#[test]
fn a_drive_that_goes_away_under_the_log_is_not_called_damaged() {
    let sim = sim();
    archived(&sim);
    let (log, _) = open(&sim);
    for number in [1, 2] {
        sim.remove_dir_all(&drive(number)).expect("taken away");
        sim.env().fs.create_dir(&drive(number)).expect("the mount point");
    }
    let error = log.get(Lsn(1)).expect_err("no drive is there");
    assert!(matches!(error, Error::Unavailable { .. }), "{error}");
    log.audit().expect_err("not all can be looked at");
    assert_eq!(log.stat().failure, None, "nobody knows that anything is lost");
    let health = inspect_in(&sim.env(), sim.log_dir()).expect("a look").health();
    assert!(!health.has(truelog::HealthRule::Damaged), "{health:?}");
}

/// One copy cannot be read, the other is damaged: nobody knows that the records are lost.
#[test]
fn an_error_of_a_device_is_told_before_damage_of_another_copy() {
    let sim = sim();
    archived(&sim);
    let sim = damaged(&sim, &[2]);
    let (log, _) = open(&sim);
    let role = Role::OnDrive(1, DriveFile::Run(log.runs()[0].number.get()));
    for nth in 1..=64 {
        let fault = Fault::Fail { kind: IoKind::Device, done: 0 };
        sim.faults().schedule(Plan { role: role.into(), op: Op::Read, nth, fault });
    }
    let error = log.get(Lsn(1)).expect_err("neither can be read");
    assert!(matches!(error, Error::Io { .. }), "{error}");
    assert!(!log.health().has(truelog::HealthRule::Damaged));
}
