//! One good copy is enough, and without one the records are named.

use truelog_harness::damage::explore_archive;
use truelog_harness::progress::Progress;
use truelog_harness::report::Report;
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
    assert!(count("copies damaged in different blocks") > 10, "{report:?}");
    assert_eq!(count("copies damaged in different blocks"), count("repaired by each other"), "{report:?}");
}
