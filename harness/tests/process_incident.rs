//! The report of an incident, as the operator's command writes it: for the incident itself, and for a log that holds.

use std::fs;
use std::path::Path;

use super::process::{place, program};

/// The headings, in the order that the report must have.
const SECTIONS: [&str; 13] = [
    "Failure Map",
    "Hypotheses (Ranked)",
    "Triage Checks",
    "Findings / Root Cause",
    "Fix",
    "Verification",
    "Failure Mode Enumeration",
    "Required Invariants",
    "Detection & Observability Design",
    "Verification & Audit Strategy",
    "Optimal System Architecture",
    "Immediate Actions vs Long-Term Redesign",
    "Residual Risks",
];

const PATTERNS: &str = r"
claim B/append_packet {path} wal append_packet path=(?<path>\S+) offset=(?<offset>\d+) len=(?<len>\d+)
count A/received - packet received
";

/// Runs `incident` in `place`; it must end with `exit`. Each statement must rest on something.
#[track_caller]
fn report(place: &Path, args: &[&str], exit: i32) -> String {
    let output = program().command().arg("incident").args(args).current_dir(place).output().unwrap();
    assert_eq!(output.status.code(), Some(exit), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let heads: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    let expected: Vec<_> = (1..).zip(SECTIONS).map(|(number, name)| format!("{number}. {name}")).collect();
    assert_eq!(heads, expected);
    let lines: Vec<_> = text.lines().collect();
    for (at, line) in lines.iter().enumerate() {
        // A table rests on what its first line names; its rows may name more.
        let begins_table = line.starts_with("| ") && !lines[at - 1].starts_with("| ");
        let says =
            if begins_table { lines[..at].iter().rev().find(|line| !line.is_empty()) } else { Some(line) };
        let says = says.filter(|says| begins_table || says.starts_with("- "));
        assert!(says.is_none_or(|says| says.ends_with(']')), "rests on nothing: {says:?}");
    }
    text
}

/// A report without what differs from machine to machine, which it must have: space, and the kernel's log.
#[track_caller]
fn elsewhere(text: &str) -> String {
    let of_machine = ["- freshness: ", "- space of the volume now: ", "- kernel's log: ", "  - `["];
    for cited in ["[`df -B1 ", "[`dmesg`]"] {
        assert!(text.lines().any(|line| line.starts_with("- ") && line.contains(cited)), "{cited}: {text}");
    }
    let lines = text.lines().filter(|line| !of_machine.iter().any(|start| line.starts_with(start)));
    let lines = lines.map(|line| match line.split_once("[`dmesg`]") {
        Some((before, behind)) => {
            let cut = before.rfind("; ").unwrap_or(before.len());
            format!("{}; KERNEL{behind}\n", &before[..cut])
        }
        None => format!("{line}\n"),
    });
    lines.collect()
}

/// A report without what differs from run to run.
fn plain(text: &str, log: &str) -> String {
    let minute = |word: &str| word.len() == 16 && word.as_bytes()[4] == b'-' && word.as_bytes()[10] == b'T';
    let words = text.split(' ').map(|word| if minute(word) { "MINUTE" } else { word });
    words.collect::<Vec<_>>().join(" ").replace(log, "LOG")
}

#[test]
fn the_report_of_the_incident_says_what_is_known_and_nothing_else() {
    let place = place();
    fs::create_dir(place.path().join("wal")).unwrap();
    fs::write(place.path().join("wal/0001.wal"), vec![1; 200]).unwrap();
    fs::write(place.path().join("patterns"), PATTERNS).unwrap();
    let mut text = String::new();
    for (at, path) in (0..).zip(["0001.wal", "0001.wal", "0002.wal", "0002.wal", "0002.wal"]) {
        let offset = if path == "0001.wal" { at * 100 } else { (at - 2) * 100 };
        text += &format!("1999-12-31T03:1{at}:00Z INFO packet received\n");
        text +=
            &format!("1999-12-31T03:1{at}:00Z INFO wal append_packet path={path} offset={offset} len=100\n");
    }
    fs::write(place.path().join("app.log"), text).unwrap();
    let args = ["--log", "app.log", "--patterns", "patterns", "wal"];
    let text = report(place.path(), &args, 1);
    insta::assert_snapshot!(elsewhere(&text));
    // In a file it is the same.
    let output = program()
        .command()
        .arg("incident")
        .args(args)
        .args(["--out", "report.md"])
        .current_dir(place.path())
        .output()
        .unwrap();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
    assert_eq!(elsewhere(&fs::read_to_string(place.path().join("report.md")).unwrap()), elsewhere(&text));
}

/// What the lines say of the log's health, in order, as far as they say anything.
#[test]
fn the_report_tells_how_health_changed_by_the_lines_of_the_log() {
    let place = place();
    fs::create_dir(place.path().join("wal")).unwrap();
    let line = |minute: u32, level: &str, message: &str| {
        format!(
            "{{\"timestamp\":\"1999-12-31T03:{minute:02}:00Z\",\"level\":\"{level}\",\"fields\":\
             {{\"message\":\"{message}\"}},\"target\":\"truelog::event\"}}\n"
        )
    };
    let told =
        [(1, "DEBUG", "opened"), (2, "WARN", "no space"), (3, "WARN", "no space"), (4, "ERROR", "poisoned")];
    let text: String = told.iter().map(|(minute, level, message)| line(*minute, level, message)).collect();
    fs::write(place.path().join("app.log"), text).unwrap();
    let text = report(place.path(), &["--log", "app.log", "wal"], 3);
    for line in [
        "- health history: 1999-12-31T03:01 \"opened\" [app.log:1]",
        "- health history: UNSAFE: 1999-12-31T03:02 \"no space\", 2 lines [app.log:2 to app.log:3]",
        "- health history: UNSAFE: 1999-12-31T03:04 \"poisoned\" [app.log:4]",
        "- The log's own lines first say that something is wrong with \"no space\" [app.log:2]",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}: {text}");
    }
}

/// The log's own lines say what went wrong; so does the report, though no claim is violated.
#[test]
fn a_failure_that_the_log_tells_of_is_in_every_section_that_asks_for_it() {
    let place = place();
    let log = place.path().join("log");
    program().create(&log, &[]).unwrap();
    let line = |level: &str, fields: &str| {
        format!(
            "{{\"timestamp\":\"1999-12-31T03:01:00Z\",\"level\":\"{level}\",\"fields\":{{{fields}}},\
             \"target\":\"truelog::event\"}}\n"
        )
    };
    for (code, cause, hypothesis) in [
        ("TL-001", "fdatasync of segment-0000000001 failed", "A write or a sync failed"),
        ("TL-023", "segment-0000000001 no longer leads to the file", "was removed, renamed or replaced"),
        ("TL-036", "record 1 is not what its receipt says", "were damaged at rest"),
    ] {
        let fields = format!("\"message\":\"poisoned\",\"code\":\"{code}\",\"cause\":\"{cause}\"");
        fs::write(place.path().join("app.log"), line("ERROR", &fields)).unwrap();
        let text = report(place.path(), &["--log", "app.log", "log"], 3);
        let told = format!("\"poisoned\" {code}: {cause}");
        for (says, with) in [
            ("- First known bad: ", told.as_str()),
            ("- Severity: ", "tell of a failure"),
            ("- health history: UNSAFE: ", told.as_str()),
            ("- 1. Stop the writer", "halted itself"),
            ("- now: ", "section 5"),
        ] {
            let found = text.lines().find(|line| line.starts_with(says)).unwrap_or_default();
            assert!(found.contains(with), "{says}{with}: {text}");
        }
        let first = text.lines().find(|line| line.starts_with("| ") && line.contains(hypothesis)).unwrap();
        assert!(first.contains(&told) && !first.starts_with("| 0 "), "{first}");
        assert!(!text.contains("the result contradicts it") || !first.contains("contradicts"), "{first}");
        assert!(!text.contains("nothing to mend"), "{text}");
    }
}

/// A log whose files are damaged, with no claim at hand, is no clean one.
#[test]
fn damage_of_the_log_is_in_the_report_without_any_claim() {
    let place = place();
    let log = place.path().join("a log");
    program().create(&log, &["--segment-size", "131072", "--max-batch-bytes", "4096"]).unwrap();
    let input: String = (0..4000).map(|number| format!("{number:0100}\n")).collect();
    fs::write(place.path().join("input"), input).unwrap();
    let output = program()
        .command()
        .args(["append", "a log"])
        .current_dir(place.path())
        .stdin(fs::File::open(place.path().join("input")).unwrap())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    fs::remove_file(log.join("segment-0000000002")).unwrap();
    fs::File::options().write(true).open(log.join("segment-0000000003")).unwrap().set_len(4096).unwrap();
    fs::write(log.join("notes"), "no log writes it").unwrap();
    fs::write(place.path().join("app.log"), "nothing of ours\n").unwrap();
    let text = report(place.path(), &["--log", "app.log", "a log"], 3);
    let bad = text.lines().find(|line| line.starts_with("- First known bad: ")).unwrap();
    assert!(bad.contains("pieces of damage") && bad.contains("[`truelog stat 'a log'`]"), "{bad}");
    assert!(!text.contains("nothing to mend") && !text.contains("no breach of integrity"), "{text}");
    let damaged = text.lines().find(|line| line.contains("were damaged at rest")).unwrap();
    assert!(damaged.starts_with("| 6 "), "{damaged}");
    assert!(text.contains("`mkdir COPY && cp -a app.log 'a log' COPY`"), "{text}");
    for row in [
        "| segment-0000000002 | 131072 bytes | nothing | UNSAFE: missing |",
        "| segment-0000000003 | 131072 bytes | 4096 bytes | UNSAFE: cut |",
        "| notes | - | 16 bytes | UNKNOWN: no log writes such a name |",
    ] {
        assert!(text.contains(row), "{row}: {text}");
    }
    assert!(text.contains("segments are as the manifest names them, 3 names are not"), "{text}");
}

#[test]
fn the_report_of_a_log_that_holds_calls_nothing_unsafe() {
    let place = place();
    let log = place.path().join("log");
    program().create(&log, &["--segment-size", "131072", "--max-batch-bytes", "4096"]).unwrap();
    fs::write(place.path().join("input"), "1\n2\n3\n").unwrap();
    let output = program()
        .command()
        .args(["append", "log", "--log-format", "json"])
        .current_dir(place.path())
        .stdin(fs::File::open(place.path().join("input")).unwrap())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    fs::write(place.path().join("app.log"), output.stderr).unwrap();
    let text = report(place.path(), &["--log", "app.log", "log"], 0);
    let stat =
        program().command().args(["stat", "log", "--json"]).current_dir(place.path()).output().unwrap();
    let stat: serde_json::Value = serde_json::from_slice(&stat.stdout).unwrap();
    insta::assert_snapshot!(plain(&elsewhere(&text), stat["log"].as_str().unwrap()));
    assert!(!text.split("\n## ").skip(1).any(|section| section.contains("UNSAFE")), "{text}");
    // And of the same log with a segment gone: the segment is named, and the log's own damage.
    fs::remove_file(log.join("segment-0000000001")).unwrap();
    let text = report(place.path(), &["--log", "app.log", "log"], 1);
    assert!(
        text.contains("UNSAFE: segment-0000000001: there is no such file; 1 claims [app.log:1 to app.log:1]"),
        "{text}"
    );
    assert!(text.contains("it is missing"), "{text}");
}
