//! `accept-loss` on logs that are really damaged: it names what it gives up and what it keeps, and does no more.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::process_errors::{Given, expect, flip};

/// Lines of a log of several segments.
const LINES: u32 = 20_000;

/// All files of a log's directory.
fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let entry = |entry: std::io::Result<fs::DirEntry>| {
        let path = entry.unwrap().path();
        (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(&path).unwrap())
    };
    fs::read_dir(dir).unwrap().map(entry).collect()
}

/// What a command printed with `--json`, line by line.
fn objects(stdout: &[u8]) -> Vec<Value> {
    String::from_utf8_lossy(stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The runs of LSNs in what accept-loss printed, the empty ones left out.
fn lost(printed: &[Value]) -> Vec<(u64, u64)> {
    let run = |one: &Value| Some((one["first_lsn"].as_u64()?, one["last_lsn"].as_u64()?));
    printed.iter().filter_map(run).filter(|(first, last)| first <= last).collect()
}

/// What `cat` must print once these runs are given up.
fn without(lost: &[(u64, u64)]) -> String {
    let kept = |line: &u32| !lost.iter().any(|(first, last)| (first..=last).contains(&&u64::from(line + 1)));
    (0..LINES).filter(kept).map(|line| format!("line {line}\n")).collect()
}

/// The records are gone that were named, all others are there, and `stat` says both.
fn expect_given_up(given: &Given, lost: &[(u64, u64)]) {
    let cat = given.run("cat", &[]);
    assert_eq!(String::from_utf8_lossy(&cat.stdout), without(lost));
    let stat = objects(&given.run("stat", &["--json"]).stdout).remove(0);
    let told: Vec<(u64, u64)> = serde_json::from_value(stat["losses"].clone()).unwrap();
    assert_eq!(told, lost);
    assert!(given.run("verify", &[]).status.success());
}

/// Apart from the manifest, which names the loss, and from segments without any record, which the next open makes
/// anew, a file is what it was, or is under the name that was printed.
fn expect_same_bytes(before: &BTreeMap<String, Vec<u8>>, after: &BTreeMap<String, Vec<u8>>, kept: &[&str]) {
    for (name, bytes) in before.iter().filter(|(name, _)| *name != "MANIFEST") {
        let quarantined = format!("quarantined-{name}");
        let now = if kept.contains(&quarantined.as_str()) { &quarantined } else { name };
        match after.get(now) {
            Some(same) => assert!(same == bytes, "{name} was changed"),
            None => {
                assert!(bytes[4096..].iter().all(|byte| *byte == 0), "{name} held something, and is gone")
            }
        }
    }
    let new: Vec<_> = after.keys().filter(|name| !before.contains_key(*name)).collect();
    assert_eq!(new, kept, "files that were not there before");
}

/// A log one of whose sealed segments has a changed bit in a record.
fn rotten() -> (Given, PathBuf) {
    let given = Given::new(LINES);
    let (segment, at) = given.find("line 777");
    flip(&segment, at + 5);
    (given, segment)
}

#[test]
fn records_that_are_given_up_are_named_and_no_byte_of_a_segment_is_touched() {
    let (given, _) = rotten();
    let before = files(&given.log());
    let output = given.run("accept-loss", &["--json"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let printed = objects(&output.stdout);
    let lost = lost(&printed);
    let &[(first, last)] = &lost[..] else { panic!("{printed:?}") };
    assert!(first <= 778 && 778 <= last && last - first < 1_000, "{first}..={last}");
    assert_eq!(printed[0]["records"].as_u64(), Some(last - first + 1));
    assert!(printed[0]["why"].as_str().is_some_and(|why| why.contains("segment")), "{printed:?}");
    expect_same_bytes(&before, &files(&given.log()), &[]);
    expect_given_up(&given, &lost);
    // There is nothing more to give up, and nothing was put aside.
    let nothing = serde_json::json!({ "given_up": 0 });
    assert_eq!(objects(&given.run("accept-loss", &["--json"]).stdout), [nothing]);
    assert!(given.append(&[]).output().unwrap().status.success(), "it goes on");
}

#[test]
fn in_words_the_same_is_said() {
    let (given, _) = rotten();
    let text = String::from_utf8(given.run("accept-loss", &[]).stdout).unwrap();
    let stat = objects(&given.run("stat", &["--json"]).stdout).remove(0);
    let lost: Vec<(u64, u64)> = serde_json::from_value(stat["losses"].clone()).unwrap();
    let &[(first, last)] = &lost[..] else { panic!("{stat}") };
    let count = last - first + 1;
    assert!(text.starts_with(&format!("gave up {count} records ({first}..={last}): ")), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
    expect_given_up(&given, &lost);
    let table = String::from_utf8(given.run("stat", &[]).stdout).unwrap();
    assert!(table.contains("given up") && table.contains(&format!("{first}..={last}")), "{table}");
    assert!(!table.contains("quarantined"), "{table}");
    assert_eq!(given.run("accept-loss", &[]).stdout, b"nothing was given up\n");
}

/// The options that the log was created with: without a manifest nobody else knows them.
const STORED: [&str; 4] = ["--segment-size", "131072", "--max-batch-bytes", "4096"];

/// A log without a readable manifest, one of whose segments has no readable header. Returns the segment's name.
fn headless() -> (Given, String) {
    let given = Given::new(LINES);
    let (segment, _) = given.find("line 15000");
    let name = segment.file_name().unwrap().to_str().unwrap().to_owned();
    assert!(
        name.as_str() > "segment-0000000001" && given.find("line 19999").0 != segment,
        "one in the middle"
    );
    flip(&segment, 20);
    flip(&given.log().join("MANIFEST"), 20);
    (given, name)
}

#[test]
fn a_segment_that_cannot_be_read_is_put_aside_whole_under_the_name_that_is_printed() {
    let (given, name) = headless();
    expect(&given.append(&[]).output().unwrap(), 1, "TL-");
    let before = files(&given.log());
    let output = given.run("accept-loss", &[&["--json"][..], &STORED].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let printed = objects(&output.stdout);
    let quarantined = format!("quarantined-{name}");
    let path = given.log().join(&quarantined).display().to_string();
    let kept: Vec<_> = printed.iter().filter_map(|one| one["kept"].as_str()).collect();
    assert_eq!(kept, [&path]);
    let options: Vec<_> = printed.iter().filter_map(|one| one["stored_options"].as_str()).collect();
    assert!(matches!(options[..], [one] if one.contains("segment-size 131072")), "{printed:?}");
    let lost = lost(&printed);
    assert!(lost.iter().any(|(first, last)| (*first..=*last).contains(&15_001)), "{printed:?}");
    expect_same_bytes(&before, &files(&given.log()), &[&quarantined]);
    expect_given_up(&given, &lost);
    let stat = objects(&given.run("stat", &["--json"]).stdout).remove(0);
    assert_eq!(stat["quarantined"], serde_json::json!([path]));
    // The log goes on; what was put aside stays, and is named again.
    assert!(given.append(&[]).output().unwrap().status.success());
    assert_eq!(files(&given.log())[&quarantined], before[&name]);
    let again = objects(&given.run("accept-loss", &["--json"]).stdout);
    assert_eq!(again, [serde_json::json!({ "given_up": 0 }), serde_json::json!({ "kept": path })]);
}

#[test]
fn in_words_the_manifest_the_options_and_the_segment_are_named() {
    let (given, name) = headless();
    let text = String::from_utf8(given.run("accept-loss", &STORED).stdout).unwrap();
    let path = given.log().join(format!("quarantined-{name}")).display().to_string();
    let manifest = given.log().join("MANIFEST").display().to_string();
    assert!(text.contains(&format!("gave up {manifest}")), "{text}");
    assert!(text.contains("OPTIONS  ") && text.contains("segment-size 131072"), "{text}");
    assert!(text.contains(&format!("kept {path}: no log reads it or removes it\n")), "{text}");
    let table = String::from_utf8(given.run("stat", &[]).stdout).unwrap();
    let row = table.lines().find(|line| line.contains("quarantined")).unwrap_or_else(|| panic!("{table}"));
    assert!(row.contains(&path), "{table}");
}
