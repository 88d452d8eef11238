//! What stands where a file of the log should be: another kind of thing, nothing, or what a killed create left behind.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use super::process::{place, program, strace_is_missing};
use super::process_errors::{Given, expect, flip};

/// Runs `WHAT PATH`, for a while at most: what waits for ever is stopped, and ends with 124.
fn run(what: &str, path: &Path) -> Output {
    let mut command = Command::new("timeout");
    command.arg("20").arg(program().path()).arg(what).arg(path).stdin(Stdio::null());
    command.output().unwrap()
}

fn complaint(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// An append gets a receipt, loses its segments, and goes on. Returns what it ended with; its first receipt is taken.
fn append_that_loses_its_files(more: &[&str]) -> Output {
    let given = Given::new(3);
    let mut command = given.append(more);
    let streams = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = streams.spawn().unwrap();
    let (mut input, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    input.write_all(b"one\n").unwrap();
    let mut printed = BufReader::new(stdout);
    printed.read_line(&mut String::new()).unwrap();
    for entry in fs::read_dir(given.log()).unwrap().map(Result::unwrap) {
        if entry.file_name().to_string_lossy().starts_with("segment-") {
            fs::remove_file(entry.path()).unwrap();
        }
    }
    input.write_all(b"two\n").unwrap();
    drop(input);
    let mut rest = String::new();
    printed.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "", "a receipt of what has no name");
    child.wait_with_output().unwrap()
}

#[test]
fn a_log_that_lost_a_file_tells_what_came_first_and_promises_nothing() {
    let output = append_that_loses_its_files(&[]);
    expect(&output, 4, "TL-004");
    let text = complaint(&output);
    assert!(text.contains("cause: TL-023. Find out who removed"), "{text}");
    assert!(!text.contains("receipts already handed out"), "{text}");
    let output = append_that_loses_its_files(&["--json"]);
    let error: serde_json::Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(error["error"]["code"], "TL-004");
    assert_eq!(error["error"]["cause"]["code"], "TL-023");
    assert!(error["error"]["cause"]["next"].as_str().unwrap().contains("Find out who"));
}

#[test]
fn what_is_no_segment_is_not_called_damaged() {
    let given = Given::new(10);
    let pipe = given.log().with_file_name("pipe");
    mkfifo(&pipe, Mode::S_IRWXU).unwrap();
    let files = ["MANIFEST", "IDENTITY"].map(|name| given.log().join(name));
    let others = [given.log(), pipe, "/etc/passwd".into(), "/dev/null".into()];
    for file in files.iter().chain(&others) {
        let output = run("dump", file);
        expect(&output, 2, "TL-915");
        assert!(!complaint(&output).contains("accept-loss"), "{output:?}");
    }
    // What has the name of a segment, or begins as one, is a damaged one.
    let (segment, _) = given.find("line 7");
    let renamed = given.log().with_file_name("other");
    fs::copy(&segment, &renamed).unwrap();
    assert!(run("dump", &renamed).status.success());
    flip(&renamed, 20);
    expect(&run("dump", &renamed), 1, "TL-003");
    flip(&segment, 0);
    expect(&run("dump", &segment), 1, "TL-003");
}

#[test]
fn a_create_that_was_killed_is_refused_in_the_same_words_by_all() {
    if strace_is_missing() {
        return;
    }
    let mut in_doubt = 0;
    for nth in 1..=3 {
        let place = place();
        let log = place.path().join("log");
        let inject = format!("inject=fsync:signal=KILL:when={nth}");
        let mut command = Command::new("strace");
        command.args(["-f", "-qq", "-o"]).arg(place.path().join("trace")).args(["-e", &inject]);
        assert!(!command.arg(program().path()).arg("create").arg(&log).status().unwrap().success());
        let [create, stat, append, verify] =
            ["create", "stat", "append", "verify"].map(|what| run(what, &log));
        if create.status.success() {
            continue;
        }
        for output in [create, stat, append, verify] {
            expect(&output, 4, "TL-025");
        }
        in_doubt += 1;
    }
    assert!(in_doubt > 0, "no create was killed while it synced what is above the log");
    // One of an earlier boot is only unfinished.
    let place = place();
    File::create(place.path().join("IN-DOUBT-00000000000000000000000000000001")).unwrap();
    expect(&run("stat", place.path()), 4, "TL-010");
    assert!(run("create", place.path()).status.success());
}

#[test]
fn another_kind_of_thing_in_place_of_a_segment_is_named_and_not_waited_for() {
    let stand_in: [fn(&Path); 2] =
        [|path| mkfifo(path, Mode::S_IRWXU).unwrap(), |path| fs::create_dir(path).unwrap()];
    for stand_in in stand_in {
        let given = Given::new(10);
        let (segment, _) = given.find("line 7");
        fs::remove_file(&segment).unwrap();
        stand_in(&segment);
        let log = given.log();
        for what in ["stat", "cat", "verify", "append", "adopt", "accept-loss"] {
            let output = run(what, &log);
            expect(&output, 4, "TL-001");
            let text = complaint(&output);
            assert!(text.contains("not a regular file") && text.contains("Move away"), "{what}: {text}");
        }
        expect(&run("dump", &segment), 2, "TL-915");
    }
}

/// `WHAT LOG` under strace, where the reads of `segment` fail from the one with this number on.
fn with_failing_reads(what: &[&str], log: &Path, segment: &Path, from: u32) -> Output {
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-o"]).arg(log.with_file_name("trace")).arg("-P").arg(segment);
    command.args(["-e", &format!("inject=pread64:error=EIO:when={from}+")]).arg(program().path());
    command.args(what).arg(log).stdin(Stdio::null()).output().unwrap()
}

#[test]
fn a_segment_that_cannot_be_read_to_its_end_is_named_and_the_rest_is_read() {
    if strace_is_missing() {
        return;
    }
    let given = Given::new(20_000);
    let (segment, _) = given.find("line 777");
    let whole = String::from_utf8(given.run("cat", &[]).stdout).unwrap();
    let (mut verified, mut shown) = (0, 0);
    for from in (1..60).step_by(4) {
        let verify = with_failing_reads(&["verify", "--json"], &given.log(), &segment, from);
        let cat = with_failing_reads(&["cat"], &given.log(), &segment, from);
        for output in [&verify, &cat].into_iter().filter(|output| !output.status.success()) {
            expect(output, 4, "TL-001");
        }
        let printed = String::from_utf8(verify.stdout).unwrap();
        if let Some(summary) = printed.lines().last().filter(|_| !verify.status.success()) {
            let summary: serde_json::Value = serde_json::from_str(summary).unwrap();
            assert_eq!((&summary["verdict"], &summary["damaged"]), (&"unavailable".into(), &0.into()));
            let unread: serde_json::Value = serde_json::from_str(printed.lines().next().unwrap()).unwrap();
            let lost = unread["last_lsn"].as_u64().unwrap() + 1 - unread["first_lsn"].as_u64().unwrap();
            assert_eq!(summary["records"].as_u64(), Some(20_000 - lost), "{printed}");
            verified += 1;
        }
        let text = String::from_utf8_lossy(&cat.stdout).into_owned();
        if !cat.status.success() && !text.is_empty() {
            let gap = text.lines().zip(whole.lines()).take_while(|(line, due)| line == due).count();
            assert!(
                whole.ends_with(&text[text.lines().take(gap).map(|line| line.len() + 1).sum::<usize>()..])
            );
            assert!(text.ends_with("line 19999\n"), "it ended at the segment");
            assert!(complaint(&cat).contains(&format!("records {}..=", gap + 1)), "{}", complaint(&cat));
            shown += 1;
        }
    }
    assert!(verified > 0 && shown > 0, "no read failed behind the first look: {verified} {shown}");
    // What cannot be read is not given up.
    let before = fs::read(given.log().join("MANIFEST")).unwrap();
    let refused = with_failing_reads(&["accept-loss"], &given.log(), &segment, 9);
    expect(&refused, 4, "TL-001");
    assert!(fs::read(given.log().join("MANIFEST")).unwrap() == before, "something was given up");
}
