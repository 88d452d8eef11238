//! `truelog incident`, as an operator runs it.

mod common;

use std::fs;

use common::given::{Given, flip};

/// Just when the directory is badly broken the report is needed.
#[test]
fn a_log_that_cannot_be_looked_at_has_a_report_and_no_claim_of_it_holds() {
    let given = Given::with_log("json");
    flip(&given.at("log/IDENTITY"), 40);
    let output = given.run(&["incident", "--log", "app.log", "log"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(text.contains("## 13. Residual Risks") && text.contains("TL-003"), "{text}");
    assert_eq!(given.run(&["audit", "logs", "--log", "app.log", "log"]).status.code(), Some(3));
}

#[test]
fn a_report_takes_the_place_of_nothing_that_it_is_about() {
    let given = Given::with_log("json");
    let before = fs::read(given.at("app.log")).unwrap();
    for out in ["app.log", "./app.log", "log/segment-0000000001", "log/report.md"] {
        let output = given.run(&["incident", "--log", "app.log", "log", "--out", out]);
        assert_eq!(output.status.code(), Some(2), "{out}: {output:?}");
    }
    assert_eq!(fs::read(given.at("app.log")).unwrap(), before);
    assert!(!given.at("log/report.md").exists());
    given.good(&["incident", "--log", "app.log", "log", "--out", "report.md"]);
    given.good(&["incident", "--log", "app.log", "log", "--out", "report.md"]);
    // What has another name outside, and what nobody knows to be a drive's while the log cannot be read.
    fs::hard_link(given.at("log/segment-0000000001"), given.at("other.md")).unwrap();
    fs::write(given.at("run-0000000001"), "a run").unwrap();
    flip(&given.at("log/IDENTITY"), 40);
    for out in ["other.md", "run-0000000001"] {
        let bytes = fs::read(given.at(out)).unwrap();
        let output = given.run(&["incident", "--log", "app.log", "log", "--out", out]);
        assert_eq!(
            (output.status.code(), fs::read(given.at(out)).unwrap() == bytes),
            (Some(2), true),
            "{out}"
        );
    }
}

/// However often the log has told of something else.
#[test]
fn a_failure_is_in_the_report_behind_any_number_of_other_lines() {
    let given = Given::with_log("json");
    let line = |event: &str, code: &str| {
        format!(
            "{{\"timestamp\":\"2026-11-26T03:14:00.1Z\",\"level\":\"WARN\",\"fields\":{{\"message\":\"{event}\",\"code\":\"{code}\"}},\"target\":\"truelog::event\"}}\n"
        )
    };
    let mut text: String = (0..200)
        .map(|_| line("drive does not serve", "TL-032") + &line("archive delayed", "TL-029"))
        .collect();
    text += &line("poisoned", "TL-001");
    text += &fs::read_to_string(given.at("app.log")).unwrap();
    given.write("app.log", text);
    let output = given.run(&["incident", "--log", "app.log", "log"]);
    let report = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{report}");
    assert!(report.contains("\"poisoned\" TL-001") && !report.contains("tells of no failure"), "{report}");
}
