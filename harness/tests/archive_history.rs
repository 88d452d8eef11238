//! The archive's drives on the simulated disk: logs that were rolled back, and runs of which nobody knows whose they are.

use truelog::{DriveOut, Error, Kept, Lsn, inspect_in};
use truelog_harness::fabric::SimFs;

use crate::archive_drives::{
    append, archived, aside, carry, check, create, drive, open, outs, restore, runs, sim, write,
};

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
