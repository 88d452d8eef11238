//! The commands on traces, as a person calls them.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn verifier() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_verify"));
    command.current_dir(root());
    command
}

fn verify(arguments: &[&str]) -> Output {
    verifier().args(arguments).output().expect("the verifier runs")
}

fn code(output: &Output) -> Option<i32> {
    output.status.code()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

const PLAIN: &str = "corpus/acked-is-durable/ack-on-write.trace";
const SLOTS: &str = "corpus/read-never-stale/pin-by-add.trace";
const FOUND: &str = "corpus/nothing-invented/trim-takes-the-stream-table.trace";

/// A copy of a trace with a step in front of one of its own.
fn with_step(name: &str, number: usize, step: &str) -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().expect("a directory");
    let mut lines = Vec::new();
    let mut count = 0;
    for line in fs::read_to_string(root().join(name)).expect("a trace").lines() {
        let of_step = line.split_once(' ').filter(|(number, _)| number.parse::<usize>().is_ok());
        let Some((_, own)) = of_step else {
            lines.push(line.to_owned());
            continue;
        };
        if count + 1 == number {
            count += 1;
            lines.push(format!("{count} {step}"));
        }
        count += 1;
        lines.push(format!("{count} {own}"));
    }
    let path = dir.path().join("more.trace");
    fs::write(&path, lines.join("\n") + "\n").expect("a trace");
    let path = path.display().to_string();
    (dir, path)
}

#[test]
fn show_says_each_step_and_how_it_ends() {
    for name in [PLAIN, SLOTS, FOUND] {
        let shown = verify(&["show", name]);
        let said = text(&shown.stdout);
        assert_eq!(code(&shown), Some(0), "{said}");
        let steps = fs::read_to_string(root().join(name)).expect("a trace");
        let steps = steps.lines().filter(|line| line.starts_with(|one: char| one.is_ascii_digit())).count();
        let rows = said.lines().filter(|line| {
            let number = line.trim_start_matches(['!', '>', ' ']).split_whitespace().next();
            number.is_some_and(|number| number.parse::<usize>().is_ok())
        });
        assert_eq!(rows.count(), steps, "{said}");
    }
    let said = text(&verify(&["show", PLAIN]).stdout);
    assert!(said.contains("is refused by ack-needs-sync: "), "{said}");
    assert!(said.contains("breaks acked-is-durable"), "{said}");
}

#[test]
fn page_prints_what_the_corpus_keeps() {
    for name in [PLAIN, SLOTS, FOUND] {
        let printed = verify(&["page", name]);
        assert_eq!(code(&printed), Some(0));
        let kept = fs::read_to_string(root().join(name).with_extension("md")).expect("a page");
        assert_eq!(text(&printed.stdout), kept, "{name}");
    }
}

#[test]
fn page_of_a_trace_that_nobody_keeps_says_what_can_be_shown() {
    let (_dir, path) = with_step(PLAIN, 3, "client tick");
    let said = text(&verify(&["page", &path]).stdout);
    assert!(said.contains("can be left out"), "{said}");
}

#[test]
fn diff_tells_equal_from_unlike() {
    let same = verify(&["diff", PLAIN, PLAIN]);
    assert_eq!(code(&same), Some(0), "{}", text(&same.stdout));
    let (_dir, path) = with_step(PLAIN, 3, "client tick");
    let unlike = verify(&["diff", PLAIN, &path]);
    assert_eq!(code(&unlike), Some(1));
    let said = text(&unlike.stdout);
    assert!(said.contains("differ first at step 3 of the second"), "{said}");
}

#[test]
fn shrink_prints_a_trace_and_why_its_steps_stay() {
    let (_dir, path) = with_step(PLAIN, 3, "client tick");
    let shrunk = verify(&["shrink", &path]);
    assert_eq!(code(&shrunk), Some(0), "{}", text(&shrunk.stderr));
    assert_eq!(text(&shrunk.stdout), fs::read_to_string(root().join(PLAIN)).expect("a trace"));
    let why = text(&shrunk.stderr);
    assert!(why.starts_with("1 of "), "{why}");
    assert!(why.contains("without it step "), "{why}");
    assert_eq!(code(&verify(&["shrink", FOUND])), Some(3), "the mechanism cannot tell");
}

#[test]
fn a_replay_says_which_step_no_longer_applies_and_why() {
    let (_dir, path) = with_step(PLAIN, 3, "engine ack 7");
    let replayed = verify(&["replay", &path]);
    let said = text(&replayed.stdout);
    assert_eq!(code(&replayed), Some(1), "{said}");
    assert!(said.contains("step 3, `engine ack 7`, is refused by "), "{said}");
}

#[test]
fn export_gives_json_of_both_kinds() {
    for (format, field) in [("itf", "states"), ("json", "steps")] {
        let exported = verify(&["export", PLAIN, "--format", format]);
        assert_eq!(code(&exported), Some(0));
        let value: serde_json::Value = serde_json::from_slice(&exported.stdout).expect("JSON");
        assert!(value[field].as_array().is_some_and(|all| all.len() > 5), "{format}");
    }
    assert_eq!(code(&verify(&["export", FOUND, "--format", "itf"])), Some(3));
}

#[test]
fn what_is_no_trace_is_wrong_usage() {
    for arguments in [
        &["show", "Cargo.toml"][..],
        &["page", "nowhere"],
        &["diff", PLAIN, "nowhere"],
        &["shrink", "Cargo.toml"],
        &["export", "nowhere", "--format", "json"],
        &["export", PLAIN, "--format", "xml"],
        &["explore", "nowhere"],
    ] {
        assert_eq!(code(&verify(arguments)), Some(2), "{arguments:?}");
    }
}

#[test]
fn a_reader_that_went_away_is_no_panic() {
    for arguments in
        [&["show", PLAIN][..], &["page", PLAIN], &["export", PLAIN, "--format", "itf"], &["explore"]]
    {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let ended =
            verifier().args(arguments).stdout(writer).stderr(Stdio::piped()).output().expect("it runs");
        assert_eq!(code(&ended), Some(4), "{arguments:?}");
        assert!(!text(&ended.stderr).contains("panicked"), "{arguments:?}: {}", text(&ended.stderr));
    }
}

#[test]
fn explore_serves_a_scope_and_prints_where() {
    let mut child = verifier()
        .args(["explore", "creation", "--port", "0"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the verifier runs");
    let mut said = String::new();
    BufReader::new(child.stdout.take().expect("its output")).read_line(&mut said).expect("a line");
    let address = said.split("http://").nth(1).map(|rest| rest.trim().trim_end_matches('/').to_owned());
    let states = address.as_deref().map(get).unwrap_or_default();
    // Its own port is taken now.
    let port =
        address.as_deref().and_then(|address| address.split(':').nth(1)).unwrap_or_default().to_owned();
    let taken = verify(&["explore", "creation", "--port", &port]);
    let _ = child.kill();
    let _ = child.wait();
    assert!(states.contains("200 OK") && states.contains("fingerprint"), "{said}: {states}");
    assert_eq!(code(&taken), Some(4), "{}", text(&taken.stderr));
}

/// What the Explorer says of the first state. The server may need a moment.
fn get(address: &str) -> String {
    for _ in 0..100 {
        let Ok(mut stream) = TcpStream::connect(address) else {
            std::thread::sleep(std::time::Duration::from_millis(50));
            continue;
        };
        let asked = write!(stream, "GET /.states/ HTTP/1.0\r\n\r\n");
        let mut answer = String::new();
        if asked.is_ok() && stream.read_to_string(&mut answer).is_ok() {
            return answer;
        }
    }
    String::new()
}

#[test]
fn a_run_is_written_for_other_tools() {
    let dir = tempfile::tempdir().expect("a directory");
    let (sarif, junit) = (dir.path().join("run.sarif"), dir.path().join("run.xml"));
    let run = |sarif: &Path| {
        let mut command = verifier();
        command.args(["--only", "conformance", "--sarif"]).arg(sarif).arg("--junit").arg(&junit);
        command.output().expect("the verifier runs")
    };
    let ran = run(&sarif);
    assert_eq!(code(&ran), Some(0), "{}", text(&ran.stderr));
    let findings: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(&sarif).expect("a file")).expect("JSON");
    assert_eq!(findings["version"], "2.1.0");
    assert_eq!(findings["runs"][0]["results"].as_array().map(Vec::len), Some(0));
    let checks = fs::read_to_string(&junit).expect("a file");
    assert!(checks.contains("<testcase classname=\"cargo verify\" name=\"conformance\""), "{checks}");
    assert_eq!(
        code(&run(&dir.path().join("nowhere/run.sarif"))),
        Some(4),
        "what cannot be written is an error"
    );
}

#[test]
fn the_corpus_is_looked_at_and_not_written() {
    let looked = verify(&["corpus", "--check"]);
    assert_eq!(code(&looked), Some(0), "{}", text(&looked.stdout));
    assert!(text(&looked.stdout).starts_with("every trace"));
}

#[test]
fn what_holds_is_not_promoted() {
    let dir = tempfile::tempdir().expect("a directory");
    let out = dir.path().to_str().expect("a path");
    let promoted = |case: &str| verify(&["promote", case, "--out", out]);
    let holds = promoted("random: append append @ 17 power none");
    assert_eq!(code(&holds), Some(1), "{}", text(&holds.stderr));
    assert_eq!(code(&promoted("random: apend @ 17 power none")), Some(2));
    assert_eq!(std::fs::read_dir(dir.path()).expect("a folder").count(), 0);
}

/// Where the power never fails, a crash leaves the one image that the process leaves; else it leaves many.
#[test]
fn without_a_knob_a_run_does_less_and_is_incomplete() {
    let ran = verify(&["--only", "crash", "--without", "power"]);
    let says = text(&ran.stdout) + &text(&ran.stderr);
    assert_eq!(code(&ran), Some(3), "{says}");
    assert!(says.contains("the knob `power` is turned off"), "{says}");
    let pinned = fs::read_to_string(root().join("harness/scopes.txt")).expect("the pinned scopes");
    let pinned = pinned.lines().find_map(|line| line.strip_prefix("rotation ")).expect("a scope");
    let numbers: Vec<u64> = pinned.split(' ').map(|number| number.parse().expect("a number")).collect();
    let [sequences, points, _, images] = numbers[..] else { panic!("{pinned}") };
    assert!(images > 10 * points, "{pinned}");
    let less =
        format!("rotation: {sequences} sequences, {points} of {points} crash points whole, {points} images");
    assert!(says.contains(&less), "{less}\n{says}");
    assert_eq!(code(&verify(&["--only", "conformance", "--without", "nothing"])), Some(2));
}
