//! The program's standard streams: what cannot be printed is told, and what is true is printed before the end.

use std::fs::{self, File, OpenOptions};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use super::process::{program, strace_is_missing};
use super::process_errors::{Given, expect};

/// Runs `command` with a standard output that is open for reading only.
fn unwritable(command: &mut Command) -> Output {
    command.stdout(File::open("/dev/null").unwrap()).stderr(Stdio::piped());
    command.spawn().unwrap().wait_with_output().unwrap()
}

#[test]
fn a_standard_output_that_is_not_open_for_writing_is_told_before_anything_is_done() {
    let given = Given::new(10);
    expect(&unwritable(&mut given.append(&[])), 4, "TL-903");
    assert_eq!(given.run("cat", &[]).stdout.split_inclusive(|byte| *byte == b'\n').count(), 10);
    for what in ["cat", "stat", "verify", "doctor"] {
        expect(&unwritable(program().command().arg(what).arg(given.log())), 4, "TL-903");
    }
    let new = given.log().with_file_name("new");
    expect(&unwritable(program().command().arg("create").arg(&new)), 4, "TL-903");
    assert!(!new.exists(), "a log was made");
    expect(&unwritable(program().command().arg("--help")), 4, "TL-903");
    // Read and write is as good as write.
    let both = OpenOptions::new().read(true).write(true).open("/dev/null").unwrap();
    assert!(program().command().arg("stat").arg(given.log()).stdout(both).status().unwrap().success());
}

#[test]
fn help_that_cannot_be_printed_is_told() {
    for arguments in [&["--help"][..], &["--version"], &["append", "--help"]] {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let child = program().command().args(arguments).stdout(full).stderr(Stdio::piped()).spawn();
        expect(&child.unwrap().wait_with_output().unwrap(), 4, "TL-903");
    }
}

#[test]
fn wrong_usage_has_a_code_and_a_next_step() {
    for arguments in
        [&["append"][..], &["frob"], &["create", "x", "--sync", "never"], &["stat", "x", "--frob"]]
    {
        let output = program().command().args(arguments).output().unwrap();
        expect(&output, 2, "truelog: TL-913: ");
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(!text.contains("error:") && text.contains("--help"), "{text}");
    }
    // Without a word it shows its help, and says what is missing.
    let output = program().command().output().unwrap();
    expect(&output, 2, "TL-913: no command was given");
    assert!(String::from_utf8_lossy(&output.stderr).contains("Examples:"), "{output:?}");
}

/// `append LOG < input` under strace, with calls that fail.
fn append_with_faults(given: &Given, inject: &str) -> Output {
    let input = given.append(&[]);
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-o"]).arg(given.log().with_file_name("trace")).args(["-e", inject]);
    command.arg(program().path()).args(input.get_args());
    command.stdin(File::open(given.log().with_file_name("input")).unwrap()).output().unwrap()
}

fn lines(text: &[u8]) -> usize {
    text.split_inclusive(|byte| *byte == b'\n').count()
}

#[test]
fn on_a_full_disk_every_record_that_is_durable_has_its_receipt() {
    if strace_is_missing() {
        return;
    }
    let given = Given::with_options(0, &["--fill", "allocate"]);
    fs::write(given.log().with_file_name("input"), "some line of text\n".repeat(50_000)).unwrap();
    let output = append_with_faults(&given, "inject=fallocate:error=ENOSPC:when=2+");
    expect(&output, 4, "TL-006");
    let there = lines(&given.run("cat", &[]).stdout);
    assert!(0 < there && there < 50_000, "{there} records: the disk was not full in time");
    assert_eq!(lines(&output.stdout), there, "receipts of records that are there");
    let receipts = given.log().with_file_name("receipts");
    fs::write(&receipts, &output.stdout).unwrap();
    assert!(given.run("verify", &["--receipts", path(&receipts)]).status.success());
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}
