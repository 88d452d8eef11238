//! Verdicts, and the forms in which other tools read them.

use super::*;

#[test]
fn nothing_explored_is_incomplete() {
    let report = Report::new("x", "nothing").finish(Duration::ZERO);
    assert_eq!(report.verdict, Verdict::Incomplete);
    let mut report = Report::new("x", "a zero");
    report.count("states", 0);
    assert_eq!(report.finish(Duration::ZERO).verdict, Verdict::Incomplete);
}

#[test]
fn the_worst_verdict_wins() {
    let mut report = Report::new("x", "all");
    report.count("states", 1);
    report.find("acked-is-durable", "lost", "cargo verify");
    report.incomplete("something");
    assert_eq!(report.finish(Duration::ZERO).verdict, Verdict::Violated);
}

/// One check of each verdict.
fn run() -> Vec<Report> {
    let mut reports: Vec<Report> = ["fine", "broken", "partial", "nowhere"]
        .into_iter()
        .map(|check| {
            let mut report = Report::new(check, "all of it");
            report.count("states", 3);
            report
        })
        .collect();
    reports[1].find("acked-is-durable", "LSN 1 < 2 & \"gone\"\u{1}", "cargo verify --only broken");
    reports[1].find("harness", "a canary lives", "cargo verify --only broken");
    reports[2].incomplete("half was skipped");
    reports[3].environment("no strace");
    reports.into_iter().map(|report| report.finish(Duration::from_millis(1500))).collect()
}

#[test]
fn a_run_is_sarif() {
    let text = serde_json::to_string_pretty(&sarif(&run(), "abc")).expect("JSON");
    insta::assert_snapshot!(text);
}

#[test]
fn a_sarif_without_gaps_says_so() {
    let gaps = |reports: &[Report]| {
        sarif(reports, "abc")["runs"][0]["invocations"][0]["executionSuccessful"].as_bool() == Some(false)
    };
    assert!(gaps(&run()));
    assert!(!gaps(&run()[..2]));
}

#[test]
fn a_run_is_junit() {
    insta::assert_snapshot!(junit(&run()));
}

#[test]
fn what_limits_a_check_is_told_by_the_second() {
    let mut report = Report::new("crash", "");
    report.count("images", 300);
    report.count("crash points", 7);
    let report = report.finish(Duration::from_secs(2));
    assert_eq!(report.notes, ["in a second: 150 images"]);
    assert_eq!(report.verdict, Verdict::Holds);
}
