//! `truelog dump` says what one segment shows by itself, and that it cannot tell a torn tail from damage.

mod common;

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Output;

use serde_json::Value;
use truelog::{Log, Lsn, Options, StreamId};

fn dump(segment: &Path, json: bool) -> Output {
    let mut command = common::truelog();
    command.arg("dump").arg(segment).args(json.then_some("--json"));
    command.output().unwrap()
}

/// Where the valid batches begin.
fn batches(segment: &Path) -> Vec<u64> {
    let text = String::from_utf8(dump(segment, true).stdout).unwrap();
    let ranges = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    ranges.filter(|range| range["kind"] == "batch").map(|range| range["offset"].as_u64().unwrap()).collect()
}

fn flip(segment: &Path, offset: u64) {
    let file = OpenOptions::new().read(true).write(true).open(segment).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset).unwrap();
    file.write_all_at(&[byte[0] ^ 1], offset).unwrap();
}

fn expect(segment: &Path, verdict: &str, exit: i32) {
    let output = dump(segment, false);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.lines().last().unwrap().starts_with(&format!("verdict: {verdict}")), "{text}");
    assert_eq!(output.status.code(), Some(exit), "{text}");
}

#[test]
fn a_dump_ends_with_a_verdict_and_says_what_it_cannot_tell() {
    let place = common::place();
    let log = place.path().join("log");
    common::create(&log);
    let mut writer = common::Writer::start(&log, &place.path().join("metrics"));
    writer.append(3);
    writer.append(3);
    writer.end();
    let segment = log.join("segment-0000000001");
    expect(&segment, "whole", 0);
    let batches = batches(&segment);
    assert!(batches.len() >= 3, "{batches:?}");
    let (first, last) = (batches[0] + 20, batches[batches.len() - 1] + 20);
    flip(&segment, last);
    expect(&segment, "torn or damaged behind the last valid batch", 3);
    flip(&segment, first);
    expect(&segment, "damaged", 1);
    flip(&segment, last);
    expect(&segment, "damaged", 1);
}

#[test]
fn batches_of_the_segment_that_a_file_was_before_are_told_apart() {
    let place = common::place();
    let log = place.path().join("log");
    let options = Options { segment_size: 64 << 10, reuse: true, background: false, ..Options::default() };
    let writer = Log::create(&log, &options).unwrap();
    let append = |count| (0..count).for_each(|_| assert!(writer.append(StreamId(0), b"a record").is_ok()));
    append(40);
    assert!(writer.trim(Lsn(40)).unwrap().segments > 0);
    append(8);
    writer.close().unwrap();
    let mut formers = Vec::new();
    for segment in std::fs::read_dir(&log).unwrap().map(|file| file.unwrap().path()) {
        if segment.file_name().unwrap().to_str().unwrap().starts_with("segment-") {
            expect(&segment, "whole", 0);
            let text = String::from_utf8(dump(&segment, false).stdout).unwrap();
            formers.extend(text.lines().filter(|line| line.contains("former")).map(str::to_owned));
        }
    }
    assert!(formers.len() > 2, "{formers:?}");
    assert!(formers.iter().all(|line| line.ends_with("of segment 1, whose file this was")), "{formers:?}");
}
