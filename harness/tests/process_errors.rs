//! What the operator sees when something is wrong: a code, an exit code, nothing lost, and no panic.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use super::process::{place, program};

/// A log with `lines` appended by one writer, and its receipts.
pub(crate) struct Given {
    place: TempDir,
    lines: u32,
}

impl Given {
    pub(crate) fn new(lines: u32) -> Self {
        Self::with_options(lines, &[])
    }

    /// As [`Given::new`], created with more options.
    pub(crate) fn with_options(lines: u32, more: &[&str]) -> Self {
        let given = Self { place: place(), lines };
        let options = [&["--segment-size", "131072", "--max-batch-bytes", "4096"][..], more].concat();
        program().create(&given.log(), &options).unwrap();
        fs::write(given.input(), (0..lines).map(|line| format!("line {line}\n")).collect::<String>())
            .unwrap();
        if lines > 0 {
            let receipts = File::create(given.receipts()).unwrap();
            let status = given.append(&[]).stdout(receipts).status().unwrap();
            assert!(status.success());
        }
        given
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.place.path().join("log")
    }

    fn input(&self) -> PathBuf {
        self.place.path().join("input")
    }

    fn receipts(&self) -> PathBuf {
        self.place.path().join("receipts")
    }

    /// `append DIR MORE < input`.
    pub(crate) fn append(&self, more: &[&str]) -> Command {
        let mut command = program().command();
        command.arg("append").arg(self.log()).args(more).stdin(File::open(self.input()).unwrap());
        command
    }

    /// `WHAT DIR MORE`.
    pub(crate) fn run(&self, what: &str, more: &[&str]) -> Output {
        program().command().arg(what).arg(self.log()).args(more).output().unwrap()
    }

    fn verify_receipts(&self) -> Output {
        self.run("verify", &["--json", "--receipts", self.receipts().to_str().unwrap()])
    }

    /// The first segment that holds `text`, and where.
    pub(crate) fn find(&self, text: &str) -> (PathBuf, u64) {
        let mut names: Vec<_> =
            fs::read_dir(self.log()).unwrap().map(|entry| entry.unwrap().path()).collect();
        names.sort();
        names
            .into_iter()
            .find_map(|path| {
                let bytes = fs::read(&path).ok()?;
                let at = bytes.windows(text.len()).position(|window| window == text.as_bytes())?;
                Some((path, at as u64))
            })
            .unwrap()
    }
}

pub(crate) fn flip(path: &Path, at: u64) {
    let file = OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 1], at).unwrap();
}

/// The command must end by itself with `exit`, and name `code` on standard error.
#[track_caller]
pub(crate) fn expect(output: &Output, exit: i32, code: &str) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(exit), "{stderr}");
    assert!(stderr.contains(code), "{code} is not named: {stderr}");
    assert!(stderr.contains("next") && !stderr.contains("panicked"), "{stderr}");
}

#[test]
fn a_missing_directory_is_named() {
    let place = place();
    for what in ["append", "cat", "stat", "verify", "adopt", "accept-loss"] {
        let output = program().command().arg(what).arg(place.path().join("nowhere")).output().unwrap();
        expect(&output, 4, "TL-018");
    }
    expect(&program().command().arg("dump").arg(place.path().join("segment")).output().unwrap(), 4, "TL-907");
}

#[test]
fn wrong_usage_is_2_and_help_is_0() {
    assert_eq!(program().command().arg("append").output().unwrap().status.code(), Some(2));
    assert_eq!(
        program().command().args(["create", "x", "--sync", "never"]).output().unwrap().status.code(),
        Some(2)
    );
    let place = place();
    let bad =
        program().command().arg("create").arg(place.path().join("x")).args(["--block-size", "5"]).output();
    expect(&bad.unwrap(), 2, "TL-020");
    for what in [
        "create",
        "append",
        "cat",
        "stat",
        "dump",
        "verify",
        "adopt",
        "accept-loss",
        "explain",
        "completions",
    ] {
        let output = program().command().args([what, "--help"]).output().unwrap();
        assert_eq!(output.status.code(), Some(0));
        assert!(String::from_utf8_lossy(&output.stdout).contains("Example"), "{what} --help has no example");
    }
    expect(&program().command().args(["explain", "TL-000"]).output().unwrap(), 2, "TL-910");
}

#[test]
fn a_closed_pipe_ends_an_append_and_loses_nothing() {
    let given = Given::new(0);
    fs::write(given.input(), "some line of text\n".repeat(20_000)).unwrap();
    let mut child =
        given.append(&["--writers", "3"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut start = [0; 5_000];
    child.stdout.take().unwrap().read_exact(&mut start).unwrap();
    expect(&child.wait_with_output().unwrap(), 141, "TL-902");
    // What the reader got counts, and is there; its last line was cut by the reader.
    fs::write(given.receipts(), start).unwrap();
    let output = given.verify_receipts();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let again = given.append(&["--writers", "3", "--resume"]).output().unwrap();
    assert!(again.status.success(), "{}", String::from_utf8_lossy(&again.stderr));
    let cat = given.run("cat", &[]);
    assert_eq!(cat.stdout, fs::read(given.input()).unwrap());
}

#[test]
fn a_closed_pipe_ends_an_append_whose_input_never_ends() {
    let given = Given::new(0);
    let mut command = given.append(&["--writers", "4"]);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let mut input = child.stdin.take().unwrap();
    // A process that another test starts at this moment may hold the pipe open until it runs, so one line is not
    // always enough.
    for _ in 0..200 {
        let _ = input.write_all(b"only one writer gets this\n");
        if child.try_wait().unwrap().is_some() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert!(child.try_wait().unwrap().is_some(), "it must end although its input does not");
    expect(&child.wait_with_output().unwrap(), 141, "TL-902");
    drop(input);
}

#[test]
fn frames_go_in_and_errors_come_out_as_json() {
    let given = Given::new(0);
    let records: [&[u8]; 4] = [b"one\ntwo", b"", &[0xff, 0], b"last"];
    let frames = records
        .iter()
        .flat_map(|record| [&u32::try_from(record.len()).unwrap().to_le_bytes(), *record].concat());
    fs::write(given.input(), frames.collect::<Vec<_>>()).unwrap();
    let output = given.append(&["--format", "frames", "--writers", "2"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 4);
    let text = String::from_utf8(given.run("cat", &["--json"]).stdout).unwrap();
    let mut shown: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    shown.sort_by_key(|value| (value["seq"].as_u64(), value["stream"].as_u64()));
    assert_eq!(shown[0]["payload"], "one\ntwo");
    assert_eq!(shown[1]["payload"], "");
    assert_eq!(shown[2]["payload_hex"], "ff00");
    assert_eq!(shown[3]["payload"], "last");
    let output =
        program().command().args(["--json", "cat"]).arg(given.place.path().join("nowhere")).output().unwrap();
    let error: serde_json::Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!((&error["error"]["code"], &error["error"]["exit"]), (&"TL-018".into(), &4.into()));
}

#[test]
fn a_closed_pipe_ends_the_other_commands() {
    let given = Given::new(5_000);
    let (segment, _) = given.find("line 7");
    // Each prints more than a pipe holds.
    for (what, path) in [("cat", given.log()), ("dump", segment)] {
        let mut command = program().command();
        command.args([what, "--json"]).arg(path).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        drop(child.stdout.take());
        expect(&child.wait_with_output().unwrap(), 141, "TL-902");
    }
}

#[test]
fn a_full_standard_output_is_told() {
    let given = Given::new(100);
    for what in ["cat", "stat", "verify"] {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let child =
            program().command().arg(what).arg(given.log()).stdout(full).stderr(Stdio::piped()).spawn();
        expect(&child.unwrap().wait_with_output().unwrap(), 4, "TL-903");
    }
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let child = given.append(&[]).stdout(full).stderr(Stdio::piped()).spawn();
    expect(&child.unwrap().wait_with_output().unwrap(), 4, "TL-903");
    // The next append goes on all the same.
    assert!(given.append(&[]).output().unwrap().status.success());
}

#[test]
fn an_input_that_cannot_be_read_is_told() {
    let given = Given::new(0);
    let directory = File::open(given.place.path()).unwrap();
    expect(&given.append(&[]).stdin(directory).output().unwrap(), 4, "TL-901");
    fs::write(given.input(), [3, 0, 0, 0, b'a', b'b', b'c', 9, 0]).unwrap();
    expect(&given.append(&["--format", "frames"]).output().unwrap(), 2, "TL-905");
    assert_eq!(given.run("cat", &[]).stdout, b"abc\n", "the whole frame was appended");
    fs::write(given.input(), vec![b'x'; 5_000]).unwrap();
    expect(&given.append(&[]).output().unwrap(), 2, "TL-906");
    expect(&given.run("verify", &["--receipts", "/nowhere"]), 4, "TL-907");
}

#[test]
fn a_resumed_append_refuses_another_input_or_another_number_of_writers_and_leaves_nothing_behind() {
    let given = Given::new(10);
    fs::write(given.input(), "line 0\n").unwrap();
    expect(&given.append(&["--resume"]).output().unwrap(), 2, "TL-904");
    let lines = |count: u32| (0..count).map(|line| format!("line {line}\n")).collect::<String>();
    // Ten records of stream 0 cannot have come from two writers with ten lines.
    fs::write(given.input(), lines(10)).unwrap();
    expect(&given.append(&["--resume", "--writers", "2"]).output().unwrap(), 2, "TL-904");
    // With thirty lines they could, if the tenth of them were not another one.
    fs::write(given.input(), lines(30)).unwrap();
    expect(&given.append(&["--resume", "--writers", "2"]).output().unwrap(), 2, "TL-904");
    fs::write(given.input(), lines(30).replace("line 9\n", "another\n")).unwrap();
    expect(&given.append(&["--resume"]).output().unwrap(), 2, "TL-904");
    fs::write(given.input(), lines(30)).unwrap();
    assert!(given.append(&["--resume"]).output().unwrap().status.success());
    assert_eq!(given.run("cat", &[]).stdout, lines(30).as_bytes());
}

#[test]
fn a_log_is_appended_to_by_one_at_a_time() {
    let given = Given::new(3);
    let mut first = given.append(&[]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    first.stdin.as_mut().unwrap().write_all(b"one\n").unwrap();
    // Its receipt comes although the input goes on: nothing waits for a pause to end.
    let mut byte = [0];
    first.stdout.as_mut().unwrap().read_exact(&mut byte).unwrap();
    expect(&given.append(&[]).output().unwrap(), 4, "TL-008");
    assert!(given.run("verify", &[]).status.success(), "reading beside a writer");
    assert!(given.run("cat", &[]).stdout.ends_with(b"one\n"));
    drop(first.stdin.take());
    assert!(first.wait_with_output().unwrap().status.success());
}

#[test]
fn a_damaged_segment_is_named_kept_and_given_up_only_when_told_to() {
    let given = Given::new(30_000);
    let (segment, at) = given.find("line 777");
    flip(&segment, at + 5);
    let cat = given.run("cat", &[]);
    expect(&cat, 1, "TL-002");
    let text = String::from_utf8(cat.stdout).unwrap();
    assert!(text.starts_with("line 0\n") && text.ends_with(&format!("line {}\n", given.lines - 1)));
    assert!(!text.contains("line 777\n"), "damaged records are not shown");
    expect(&given.run("verify", &[]), 1, "TL-908");
    let receipts = given.verify_receipts();
    expect(&receipts, 1, "TL-908");
    assert!(String::from_utf8_lossy(&receipts.stdout).contains("\"verdict\":\"violated\""));
    let dump = program().command().arg("dump").arg(&segment).output().unwrap();
    expect(&dump, 1, "TL-908");
    assert!(String::from_utf8_lossy(&dump.stdout).contains("INVALID"));
    assert!(given.run("accept-loss", &[]).status.success());
    assert!(given.run("verify", &[]).status.success());
    assert!(given.append(&[]).output().unwrap().status.success(), "it goes on");
    expect(&given.verify_receipts(), 1, "TL-908");
}

#[test]
fn receipts_that_were_changed_or_belong_elsewhere_do_not_verify() {
    let given = Given::new(200);
    let receipts = fs::read_to_string(given.receipts()).unwrap();
    assert!(given.verify_receipts().status.success());
    let first = receipts.lines().next().unwrap();
    for (from, to) in [
        ("\"seq\":0", "\"seq\":1"),
        ("\"lsn\":1", "\"lsn\":2"),
        ("\"lsn\":1", "\"lsn\":201"),
        ("\"len\":6", "\"len\":7"),
    ] {
        let changed = first.replace(from, to);
        assert_ne!(changed, first, "{from}");
        fs::write(given.receipts(), receipts.replace(first, &changed)).unwrap();
        expect(&given.verify_receipts(), 1, "TL-908");
    }
    fs::write(given.receipts(), format!("{receipts}this is no receipt\n")).unwrap();
    expect(&given.verify_receipts(), 3, "TL-909");
    fs::write(given.receipts(), format!("{receipts}{}", &first[..40])).unwrap();
    assert!(given.verify_receipts().status.success(), "a torn last line was never a receipt");
    // No receipt at all verifies nothing, and must not look like success.
    for nothing in ["", &first[..40]] {
        fs::write(given.receipts(), nothing).unwrap();
        expect(&given.verify_receipts(), 3, "TL-909");
        let text = given.run("verify", &["--receipts", given.receipts().to_str().unwrap()]);
        expect(&text, 3, "TL-909");
        assert!(String::from_utf8_lossy(&text.stderr).contains("no receipt was given"), "it says why");
        assert!(text.stdout.ends_with(b"incomplete\n"), "{text:?}");
    }
    let other = Given::new(5);
    fs::write(other.receipts(), receipts).unwrap();
    expect(&other.verify_receipts(), 3, "TL-909");
}

#[test]
fn a_copied_log_opens_after_adopt() {
    let given = Given::new(20);
    let copy = given.place.path().join("copy");
    fs::create_dir(&copy).unwrap();
    for entry in fs::read_dir(given.log()).unwrap() {
        let from = entry.unwrap().path();
        fs::copy(&from, copy.join(from.file_name().unwrap())).unwrap();
    }
    let append = || program().command().arg("append").arg(&copy).output().unwrap();
    expect(&append(), 4, "TL-022");
    assert!(program().command().arg("adopt").arg(&copy).status().unwrap().success());
    assert!(append().status.success());
}

#[test]
fn stat_dump_explain_and_events_say_what_they_know() {
    let given = Given::new(50);
    let stat = given.run("stat", &["--json"]);
    let value: serde_json::Value = serde_json::from_slice(&stat.stdout).unwrap();
    assert_eq!(value["next_lsn"], 51);
    let (segment, _) = given.find("line 7");
    let dump = program().command().args(["dump", "--json"]).arg(&segment).output().unwrap();
    let frames =
        String::from_utf8(dump.stdout).unwrap().lines().filter(|line| line.contains("\"frame\"")).count();
    assert_eq!(frames, 50);
    assert!(program().command().args(["explain", "tl-902"]).status().unwrap().success());
    assert!(program().command().arg("explain").status().unwrap().success());
    assert!(program().command().args(["completions", "bash"]).status().unwrap().success());
    let events = given.append(&["--log-format", "json"]).output().unwrap();
    let text = String::from_utf8(events.stderr).unwrap();
    assert!(text.lines().any(|line| line.contains("\"durable\"") && line.contains("\"segment\"")), "{text}");
}

/// Whoever reads the events may go away. That ends no commit: what is lost is a line that nobody reads.
#[test]
fn a_log_whose_events_nobody_reads_any_more_goes_on() {
    let given = Given::new(0);
    fs::write(given.input(), (0..2000).map(|line| format!("line {line}\n")).collect::<String>()).unwrap();
    let mut child = given
        .append(&["--log-format", "json", "--log-level", "debug"])
        .stdout(File::create(given.receipts()).unwrap())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = [0; 64];
    child.stderr.take().unwrap().read_exact(&mut first).unwrap();
    // The pipe is closed now.
    let status = child.wait().unwrap();
    assert!(status.success(), "{status:?}");
    let receipts = fs::read_to_string(given.receipts()).unwrap();
    assert_eq!(receipts.lines().count(), 2000);
    assert!(given.run("verify", &[]).status.success());
}
