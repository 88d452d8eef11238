//! One good copy is enough, and without one the records are named.

use truelog_harness::damage::{asides, explore_archive, repairs};
use truelog_harness::progress::Progress;
use truelog_harness::report::{Report, Verdict};
use truelog_harness::subject::Plain;

#[test]
fn a_damaged_copy_is_served_around_told_and_repaired() {
    let mut report = Report::new("test", "");
    explore_archive::<Plain>(&mut report, &Progress::silent());
    assert!(report.findings.is_empty(), "{:?}", report.findings);
    let count =
        |what: &str| report.explored.iter().find(|count| count.what == what).map_or(0, |count| count.n);
    assert!(count("copies damaged") > 500 && count("repaired") > 300, "{report:?}");
    assert!(count("blocks damaged in all copies") > 200 && count("named") > 100, "{report:?}");
    assert!(count("named, and it halts") > 0, "no run is gone from all drives: {report:?}");
    assert!(count("copies damaged in different blocks") > 10, "{report:?}");
    assert_eq!(count("copies damaged in different blocks"), count("repaired by each other"), "{report:?}");
}

fn count(report: &Report, what: &str) -> u64 {
    report.explored.iter().find(|count| count.what == what).map_or(0, |count| count.n)
}

#[test]
fn a_repair_may_be_cut_off_anywhere() {
    let mut report = Report::new("test", "");
    assert_eq!(repairs::<Plain>(&mut report), Ok(()));
    assert_eq!(report.verdict, Verdict::Holds);
    assert!(count(&report, "repairs crashed at") > 10 && count(&report, "images") > 100, "{report:?}");
}

/// What was put aside is put aside for good before its drive hears anything new: the sync between the two is missed.
#[test]
fn a_run_of_a_history_that_was_cut_off_is_lost_without_the_sync_behind_putting_it_aside() {
    let mut report = Report::new("test", "");
    let held = asides::<Plain>(None, &mut report);
    assert_eq!((held.broken, report.verdict), (None, Verdict::Holds));
    assert!(count(&report, "images") > 50, "{report:?}");
    let name = "open: sync-dir drive after putting a run aside";
    let duty = held.duties.iter().find(|duty| duty.to_string() == name).expect("it is played");
    let (violation, _) = asides::<Plain>(Some(*duty), &mut report).broken.expect("it is missed");
    assert_eq!(violation.invariant, truelog_spec::Invariant::DamageIsLoud, "{violation}");
}
