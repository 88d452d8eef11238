//! The health machine: each rule of its table is triggered on the simulated disk, and says so with evidence.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Weak, mpsc};
use std::thread;
use std::time::Duration;

use truelog::{
    Claim, Condition, Durability, Error, Event, Health, HealthRule as Rule, Log, Lsn, Observer, Options,
    Record, Severity, StreamId, Verdict, Violation, inspect_in,
};
use truelog_env::{IoKind, Op, OpenMode, Weakness};
use truelog_harness::fabric::{Damage, Fault, Plan, Profile, Reads, Role, SimFs, drive_dir};

const HOUR: Duration = Duration::from_secs(3600);

/// Segments of a header and two blocks: nearly every record begins another.
fn options() -> Options {
    Options {
        block_size: 256,
        segment_size: 768,
        max_batch_bytes: 512,
        background: false,
        archive_block_bytes: 64,
        run_bytes: 4096,
        archive_rate: 0,
        prefetch_bytes: 0,
        audit_every: Duration::from_secs(60),
        audit_all_every: HOUR,
        ..Options::default()
    }
}

fn disk() -> SimFs {
    SimFs::new(Profile::W.sector(256))
}

fn create(disk: &SimFs) -> Log {
    Log::create_in(&disk.env(), disk.log_dir(), &options()).expect("a log")
}

fn open(disk: &SimFs) -> Log {
    Log::open_in(&disk.env(), disk.log_dir(), &options()).expect("it opens").0
}

fn append(log: &Log, count: usize) {
    for _ in 0..count {
        log.append(StreamId(0), &[7; 100]).expect("a receipt");
    }
}

fn segment(disk: &SimFs, number: u64) -> PathBuf {
    disk.log_dir().join(format!("segment-{number:010}"))
}

/// Another program writes a byte into a file, and syncs it.
pub(crate) fn flip(disk: &SimFs, path: &Path, offset: u64) {
    let file = disk.env().fs.open(path, OpenMode::WRITE).expect("a file");
    let mut byte = [0; 1];
    file.read_at(&mut byte, offset).expect("a byte");
    file.write_at(&[byte[0] ^ 1], offset).expect("written");
    file.sync_all().expect("synced");
}

/// The clock goes on to the next sample, and the auditor does all that is due then.
fn audit_round(disk: &SimFs, log: &Log) -> Result<(), Error> {
    disk.advance(Duration::from_secs(61));
    while log.audit_step()?.worked {}
    Ok(())
}

fn with_drives(disk: &SimFs, log: &Log) -> [PathBuf; 2] {
    let drives = [1, 2].map(|number| drive_dir(disk.log_dir(), number));
    for drive in &drives {
        log.add_drive(drive, 0).expect("a drive");
    }
    drives
}

/// The rule applies, the verdict is what it asks for at least, and there is evidence.
#[track_caller]
fn applies(health: &Health, rule: Rule) {
    let finding = health.findings.iter().find(|finding| finding.rule == rule);
    let finding = finding.unwrap_or_else(|| panic!("{rule} does not apply: {health:?}"));
    assert!(!finding.evidence.is_empty());
    let least = if rule.severity() == Severity::Halt { Condition::Halted } else { Condition::Degraded };
    assert!(health.verdict >= least, "{health:?}");
    assert!(health.findings.is_sorted_by_key(|finding| finding.rule));
    assert_eq!(health.pages(), health.findings.iter().any(|finding| finding.rule.severity().pages()));
}

#[track_caller]
fn is_good(health: &Health) {
    assert_eq!((health.verdict, health.findings.as_slice()), (Condition::Good, &[][..]));
}

#[test]
fn a_log_with_nothing_wrong_is_good_to_itself_and_once_audited_to_a_reader() {
    let disk = disk();
    let log = create(&disk);
    is_good(&log.health());
    append(&log, 5);
    is_good(&log.health());
    let beside = inspect_in(&disk.env(), disk.log_dir()).expect("an inspection").health();
    applies(&beside, Rule::AuditLate);
    log.audit().expect("an audit");
    is_good(&inspect_in(&disk.env(), disk.log_dir()).expect("an inspection").health());
    is_good(&log.health());
}

#[test]
fn a_failed_sync_is_poisoned() {
    let disk = disk();
    let log = create(&disk);
    let fault = Fault::FailSync { kind: IoKind::Device, reads: Reads::New };
    disk.faults().schedule(Plan { role: Role::Segment(1).into(), op: Op::SyncData, nth: 1, fault });
    log.append(StreamId(0), b"one").expect_err("the sync failed");
    applies(&log.health(), Rule::Poisoned);
}

/// At each event that says that the log has failed, looks at the log's health from another thread, and appends.
#[derive(Debug, Default)]
struct Appends {
    log: Mutex<Weak<Log>>,
    /// What came of it: whether the log was halted to its own account, and what the append met.
    met: Mutex<Vec<(Condition, Result<(), Error>)>>,
}

impl Observer for Appends {
    fn event(&self, event: &Event) {
        if !matches!(event, Event::Poisoned { .. } | Event::ClaimViolated { .. }) {
            return;
        }
        let log = self.log.lock().expect("a log").upgrade().expect("the log lives");
        let (told, tells) = mpsc::channel();
        thread::spawn(move || {
            let verdict = log.health().verdict;
            let _ = told.send((verdict, log.append(StreamId(0), b"behind it").map(drop)));
        });
        // An append that waits for whoever tells this would wait for ever.
        let met =
            tells.recv_timeout(Duration::from_secs(20)).expect("the append ends while the event is told");
        self.met.lock().expect("a list").push(met);
    }
}

/// What a subscriber meets at the moment when it hears that the log has failed, once for each such event.
fn met_at_the_failure(fail: impl FnOnce(&SimFs, &Log)) -> Vec<(Condition, Result<(), Error>)> {
    let disk = disk();
    let appends = Arc::new(Appends::default());
    let log = Arc::new(create(&disk));
    *appends.log.lock().expect("a log") = Arc::downgrade(&log);
    log.observe(Arc::clone(&appends) as Arc<dyn Observer>);
    append(&log, 2);
    fail(&disk, &log);
    let met = appends.met.lock().expect("a list").clone();
    assert!(!met.is_empty(), "nobody was told");
    met
}

#[test]
fn who_hears_of_a_failure_finds_the_log_halted_and_nothing_acknowledged_any_more() {
    let fault = |role: Role, op, what| Plan { role: role.into(), op, nth: 1, fault: what };
    let device = Fault::FailSync { kind: IoKind::Device, reads: Reads::New };
    let of_a_commit = met_at_the_failure(|disk, log| {
        disk.faults().schedule(fault(Role::Segment(3), Op::SyncData, device));
        log.append(StreamId(0), &[7; 100]).expect_err("the sync failed");
    });
    let of_the_house = met_at_the_failure(|disk, log| {
        disk.faults().schedule(fault(Role::Manifest, Op::SyncData, device));
        log.trim(Lsn(2)).expect_err("the sync failed");
    });
    let of_an_audit = met_at_the_failure(|disk, log| {
        flip(disk, &segment(disk, 1), 256 + 150);
        log.audit().expect_err("a byte differs");
    });
    assert_eq!(of_an_audit.len(), 2, "a violated claim, and that the log has failed for it");
    for (verdict, append) in [of_a_commit, of_the_house, of_an_audit].concat() {
        assert_eq!(verdict, Condition::Halted);
        assert!(matches!(append, Err(Error::Poisoned { .. })), "{append:?}");
    }
}

#[test]
fn a_record_that_changed_is_a_violated_claim_to_everybody_and_after_a_restart() {
    let disk = disk();
    let log = create(&disk);
    append(&log, 5);
    flip(&disk, &segment(&disk, 1), 256 + 150);
    is_good(&log.health());
    let error = log.audit().expect_err("a byte differs");
    let Error::Poisoned { cause } = &error else { panic!("{error}") };
    assert!(matches!(**cause, Error::ClaimViolated { lsns, .. } if lsns.contains(Lsn(1))), "{cause}");
    applies(&log.health(), Rule::ClaimViolated);
    assert_eq!(log.append(StreamId(0), b"more"), Err(error), "nothing more is acknowledged");
    applies(&inspect_in(&disk.env(), disk.log_dir()).expect("an inspection").health(), Rule::ClaimViolated);
    drop(log);
    let log = open(&disk);
    applies(&log.health(), Rule::ClaimViolated);
    applies(&log.health(), Rule::Damaged);
    assert!(matches!(log.append(StreamId(0), b"more"), Err(Error::ReadOnly { .. })));
    drop(log);
    flip(&disk, &segment(&disk, 1), 256 + 150);
    let log = open(&disk);
    append(&log, 1);
    log.audit().expect("put right, it is as it was");
    is_good(&log.health());
}

#[test]
fn damage_that_an_open_finds_or_a_read_meets_is_damaged() {
    let disk = disk();
    let log = create(&disk);
    append(&log, 3);
    flip(&disk, &segment(&disk, 1), 256 + 150);
    log.get(Lsn(1)).expect_err("damaged");
    applies(&log.health(), Rule::Damaged);
    drop(log);
    let image = disk.snapshot().process_crash();
    let image = image.damage(&segment(&disk, 2), &Damage::Remove).expect("removed");
    let disk = SimFs::from_image(&image);
    applies(&open(&disk).health(), Rule::Damaged);
    applies(&inspect_in(&disk.env(), disk.log_dir()).expect("an inspection").health(), Rule::Damaged);
}

/// Above a middle segment that is missing stand batches that tell what was in it; what is said of a receipt does not hang
/// on where it was.
#[test]
fn a_receipt_of_a_missing_segment_is_violated_and_any_other_holds() {
    for gone in [2, 3] {
        let disk = disk();
        let log = create(&disk);
        let claims: Vec<Claim> =
            (0..4).map(|_| Claim::from(&log.append(StreamId(0), &[7; 100]).expect("a receipt"))).collect();
        drop(log);
        let image = disk.snapshot().process_crash();
        let image = image.damage(&segment(&disk, gone), &Damage::Remove).expect("removed");
        let image = match gone {
            // Nothing that can be read is above it, but a segment whose header is gone as well.
            3 => image.damage(&segment(&disk, 4), &Damage::Zero { offset: 0, len: 768 }).expect("zeroed"),
            _ => image,
        };
        let disk = SimFs::from_image(&image);
        let log = open(&disk);
        for claim in &claims {
            let lost = claim.segment.get() == gone || (gone == 3 && claim.segment.get() == 4);
            let verdict = log.verify(claim).expect("a verdict");
            let violated = matches!(
                verdict,
                Verdict::Violated { why: Violation::Damaged { .. } | Violation::Absent { .. } }
            );
            assert_eq!(violated, lost, "{gone}: {claim}: {verdict:?}");
            let holds = matches!(verdict, Verdict::Verified | Verdict::Unvouched);
            assert!(lost || holds, "{gone}: {claim}: {verdict:?}");
        }
    }
}

#[test]
fn a_log_that_is_refused_leaves_no_directory_behind() {
    let disk = disk();
    disk.set_weakness(Some(Weakness::NoBarrier));
    let refused = Log::create_in(&disk.env(), disk.log_dir(), &options()).expect_err("a weak volume");
    assert!(matches!(refused, Error::Unsafe { .. }), "{refused}");
    assert!(!disk.snapshot().process_crash().exists(disk.log_dir()));
    disk.set_weakness(None);
    let small = Options { block_size: 128, ..options() };
    Log::create_in(&disk.env(), disk.log_dir(), &small).expect_err("no such block size");
    assert!(!disk.snapshot().process_crash().exists(disk.log_dir()));
    let (log, drive) = (create(&disk), drive_dir(disk.log_dir(), 1));
    disk.set_weakness(Some(Weakness::NoBarrier));
    let refused = log.add_drive(&drive, 0).expect_err("a weak drive");
    assert!(matches!(refused, Error::Unsafe { .. }), "{refused}");
    assert!(!disk.snapshot().process_crash().exists(&drive));
}

#[test]
fn a_segment_that_is_gone_is_displaced_whether_it_is_sealed_or_active() {
    for sealed in [true, false] {
        let disk = disk();
        let log = create(&disk);
        append(&log, 3);
        let last = log.stat().last_segment.get();
        disk.env().fs.unlink(&segment(&disk, if sealed { 1 } else { last })).expect("removed");
        let error = audit_round(&disk, &log).expect_err("it is gone");
        assert!(matches!(&error, Error::Poisoned { cause } if matches!(**cause, Error::Displaced { .. })));
        applies(&log.health(), Rule::FileDisplaced);
        assert_eq!(log.append(StreamId(0), b"more"), Err(error));
    }
}

#[test]
fn a_segment_with_a_second_name_is_told_at_the_next_look_and_appends_go_on() {
    let disk = disk();
    let log = create(&disk);
    append(&log, 3);
    audit_round(&disk, &log).expect("nothing is wrong yet");
    assert!(!log.health().has(Rule::FileLinked));
    disk.link_elsewhere(&segment(&disk, 1)).expect("a link");
    audit_round(&disk, &log).expect("the bytes are what they were");
    applies(&log.health(), Rule::FileLinked);
    assert_eq!(log.audit_stat().linked.len(), 1);
    append(&log, 1);
}

#[test]
fn a_directory_without_its_identity_and_a_copy_are_mismatches() {
    let disk = disk();
    let log = create(&disk);
    append(&log, 1);
    let copy = SimFs::from_image(&disk.snapshot().process_crash().copied().expect("a copy"));
    let beside = inspect_in(&copy.env(), copy.log_dir()).expect("an inspection");
    applies(&beside.health(), Rule::IdentityMismatch);
    disk.env().fs.unlink(&disk.log_dir().join("IDENTITY")).expect("removed");
    audit_round(&disk, &log).expect_err("another directory");
    applies(&log.health(), Rule::IdentityMismatch);
}

#[test]
fn a_volume_that_is_read_only_full_or_weak_is_told() {
    let disk = disk();
    let log = create(&disk);
    append(&log, 1);
    disk.fill_after(Some(500));
    disk.set_read_only(true);
    disk.set_weakness(Some(Weakness::NoBarrier));
    is_good(&log.health());
    disk.advance(Duration::from_secs(61));
    assert!(log.audit_step().expect("it looks whether all is in its place").worked);
    for rule in [Rule::CannotWrite, Rule::SpaceLow, Rule::VolumeWeak] {
        applies(&log.health(), rule);
        applies(&inspect_in(&disk.env(), disk.log_dir()).expect("an inspection").health(), rule);
    }
}

#[test]
fn appends_that_find_no_space_are_refused_and_told_until_there_is_some() {
    let disk = disk();
    let log = create(&disk);
    append(&log, 1);
    disk.fill_after(Some(0));
    let refused = (0..9).find_map(|_| log.append(StreamId(0), &[7; 100]).err());
    assert!(matches!(refused, Some(Error::Full { .. })), "{refused:?}");
    applies(&log.health(), Rule::SpaceRefused);
    disk.fill_after(None);
    append(&log, 1);
    assert!(!log.health().has(Rule::SpaceRefused));
}

#[test]
fn an_audit_that_cannot_look_is_told_and_tried_again() {
    let disk = disk();
    let log = create(&disk);
    append(&log, 1);
    for nth in 1..=4 {
        let fault = Fault::Fail { kind: IoKind::Device, done: 0 };
        disk.faults().schedule(Plan { role: Role::Segment(1).into(), op: Op::Read, nth, fault });
    }
    audit_round(&disk, &log).expect("not known");
    applies(&log.health(), Rule::AuditFailed);
    assert_eq!(log.audit_stat().receipts, 0);
    audit_round(&disk, &log).expect("a round");
    is_good(&log.health());
    assert_eq!(log.audit_stat().receipts, 1, "the receipt was not forgotten");
}

#[test]
fn drives_that_fail_or_are_away_are_told_and_so_is_what_they_had() {
    let disk = disk();
    let log = create(&disk);
    let drives = with_drives(&disk, &log);
    append(&log, 12);
    applies(&log.health(), Rule::ArchiveLags);
    let run = log.compact().expect("runs").pop().expect("a run");
    is_good(&log.health());
    flip(&disk, &drives[0].join(format!("run-{:010}", run.number.get())), 256 + 100);
    log.get(run.lsns.first).expect("the other copy is whole");
    applies(&log.health(), Rule::DriveQuarantined);
    applies(&log.health(), Rule::CopiesShort);
    drop(log);
    disk.remove_dir_all(&drives[1]).expect("taken away");
    applies(&open(&disk).health(), Rule::DriveMissing);
    disk.remove_dir_all(&drives[0]).expect("taken away");
    applies(&open(&disk).health(), Rule::RecordsUnavailable);
    applies(
        &inspect_in(&disk.env(), disk.log_dir()).expect("an inspection").health(),
        Rule::RecordsUnavailable,
    );
}

#[test]
fn nobody_looking_for_twice_the_interval_is_late_until_somebody_has() {
    let disk = disk();
    let log = create(&disk);
    append(&log, 1);
    disk.advance(HOUR * 2 - Duration::from_secs(1));
    is_good(&log.health());
    disk.advance(Duration::from_secs(2));
    applies(&log.health(), Rule::AuditLate);
    while log.audit_step().expect("a step").worked {}
    is_good(&log.health());
    drop(log);
    disk.advance(HOUR * 2 + Duration::from_secs(2));
    applies(&open(&disk).health(), Rule::AuditLate);
}

#[test]
fn a_watermark_that_stands_still_while_records_wait_lags() {
    let disk = disk();
    let log = create(&disk);
    let record = Record { stream: StreamId(0), payload: b"light" };
    log.append_with(record, Durability::ProcessCrash).expect("a receipt");
    is_good(&log.health());
    disk.advance(Duration::from_secs(1));
    applies(&log.health(), Rule::DurableLags);
    log.step().expect("the idle mark");
    is_good(&log.health());
}

/// A writer may live for less than an interval of the audit: nobody has looked, and it must not end as if all were well.
#[test]
fn a_log_whose_identity_or_manifest_is_gone_does_not_close_well() {
    for name in ["IDENTITY", "MANIFEST"] {
        let disk = disk();
        let log = create(&disk);
        append(&log, 1);
        disk.env().fs.unlink(&disk.log_dir().join(name)).expect("removed");
        let error = log.close().expect_err("it is not a log any more");
        assert!(matches!(error, Error::Poisoned { .. }), "{name}: {error}");
    }
}

/// An older manifest in the place of the log's own would give what was trimmed back, and lose what was published.
#[test]
fn a_manifest_that_was_rolled_back_is_displaced() {
    let disk = disk();
    let log = create(&disk);
    append(&log, 6);
    let path = disk.log_dir().join("MANIFEST");
    let old = disk.snapshot().process_crash().read(&path).expect("a manifest");
    log.trim(Lsn(4)).expect("a trim");
    audit_round(&disk, &log).expect("nothing is wrong yet");
    let file = disk.env().fs.open(&path, OpenMode::WRITE).expect("the manifest");
    file.write_at(&old, 0).expect("written");
    audit_round(&disk, &log).expect_err("it is an older one");
    applies(&log.health(), Rule::FileDisplaced);
}

/// A log with two drives and a run, which the next compaction merges.
fn create_with_archive() -> (SimFs, Log) {
    let disk = disk();
    let log = create(&disk);
    with_drives(&disk, &log);
    append(&log, 12);
    log.compact().expect("runs");
    (disk, log)
}

/// A run that no drive has is lost, whatever the drives are; one whose drive is away may come back.
#[test]
fn a_run_that_is_on_no_drive_is_damage_to_whoever_looks() {
    let disk = disk();
    let log = create(&disk);
    let drives = with_drives(&disk, &log);
    append(&log, 12);
    let run = log.compact().expect("runs").pop().expect("a run");
    let name = format!("run-{:010}", run.number.get());
    disk.env().fs.unlink(&drives[0].join(&name)).expect("removed");
    let beside = || inspect_in(&disk.env(), disk.log_dir()).expect("an inspection").health();
    applies(&beside(), Rule::CopiesShort);
    assert!(!beside().has(Rule::Damaged));
    disk.truncate(&drives[1].join(&name), 100).expect("cut");
    applies(&beside(), Rule::Damaged);
    log.get(run.lsns.first).expect_err("nobody has it");
    applies(&log.health(), Rule::Damaged);
    // What an older look names, and a merge has replaced since, is not missed.
    let again = create_with_archive();
    let before = inspect_in(&again.0.env(), again.0.log_dir()).expect("an inspection");
    append(&again.1, 12);
    again.1.compact().expect("runs");
    assert!(!before.health().has(Rule::Damaged));
}

/// Every rule of the table has been seen above.
#[test]
fn each_rule_is_triggered_by_a_test_of_this_file() {
    let here = include_str!("health.rs");
    for rule in Rule::ALL {
        let (alone, among) = (format!("Rule::{rule:?})"), format!("Rule::{rule:?}"));
        let triggers = |line: &str| {
            let line = line.trim_start();
            line.starts_with("applies(") && line.contains(&alone)
                || line.starts_with("for rule in [") && line.contains(&among)
        };
        assert!(here.lines().any(triggers), "nothing is asserted to apply by {alone}");
    }
}
