//! The check of what another program does to a log under its writer, and what it has looked at.

use truelog_harness::displaced::{Change, explore};
use truelog_harness::progress::Progress;

#[test]
fn behind_a_change_under_the_writer_nothing_is_acknowledged_and_no_second_writer_comes_in() {
    let report = explore(&Progress::silent());
    assert!(report.findings.is_empty() && report.notes.is_empty(), "{report:?}");
    let count = |what| report.explored.iter().find(|count| count.what == what).map_or(0, |count| count.n);
    assert!(count("appends judged") > 100 * Change::ALL.len() as u64, "{report:?}");
    assert!(count("second writers") > 6 && count("refused") == count("second writers"), "{report:?}");
}
