//! `truelog doctor`, as an operator runs it.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, SystemTime};

use serde_json::Value;

struct Given {
    place: tempfile::TempDir,
}

impl Given {
    /// A log with a record.
    fn new() -> Self {
        // Where temporary files are kept may be memory, which keeps no promise.
        let place = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let given = Self { place };
        let created = given.run(&["create"], &["--segment-size", "131072", "--max-batch-bytes", "4096"]);
        assert!(created.status.success(), "{created:?}");
        given
    }

    fn log(&self) -> PathBuf {
        self.place.path().join("log")
    }

    fn run(&self, what: &[&str], more: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_truelog"));
        command.args(what).arg(self.log()).args(more).stdin(Stdio::null()).output().unwrap()
    }

    /// The checks of that name, and how it ended.
    fn doctor(&self, check: &str, more: &[&str]) -> (Vec<Value>, i32) {
        let output = self.run(&["--json", "doctor"], more);
        let text = String::from_utf8(output.stdout).unwrap();
        let checks: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!(checks.len() >= 6, "{checks:?}");
        for check in &checks {
            assert!(check["evidence"].as_str().is_some_and(|text| !text.is_empty()), "{check}");
            let next = check["next"].as_str().is_some_and(|text| text.ends_with('.'));
            assert_eq!(next, check["verdict"] != "ok", "{check}");
        }
        let of = checks.into_iter().filter(|found| found["check"] == check).collect();
        (of, output.status.code().unwrap())
    }

    #[track_caller]
    fn says(&self, check: &str, more: &[&str], verdict: &str, exit: i32) -> Value {
        let (found, code) = self.doctor(check, more);
        assert_eq!((found.len(), code), (1, exit), "{found:?}");
        assert_eq!(found[0]["verdict"], verdict, "{found:?}");
        found[0].clone()
    }
}

#[test]
fn a_log_with_nothing_wrong_passes_every_check() {
    let given = Given::new();
    for check in ["identity", "options", "permissions", "names", "space", "clock", "left-overs", "health"] {
        given.says(check, &[], "ok", 0);
    }
    let text = given.run(&["doctor"], &[]);
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains("ok      identity"), "{text}");
}

/// The same is looked at by each open, which says so and goes on.
#[test]
fn a_clock_behind_what_was_written_is_a_warning_of_the_doctor_and_of_an_open() {
    let given = Given::new();
    let append = || {
        let output = given.run(&["--log-format", "json", "append"], &[]);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(!append().contains("clock is doubtful"));
    let tomorrow = SystemTime::now() + Duration::from_secs(86_400);
    fs::File::open(given.log().join("MANIFEST")).unwrap().set_modified(tomorrow).unwrap();
    let warned = given.says("clock", &[], "warn", 0);
    let told = append();
    let told: Value = told
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .find(|line: &Value| line["fields"]["message"] == "clock is doubtful")
        .unwrap_or_else(|| panic!("{told}"));
    assert_eq!(told["level"], "WARN");
    let last = |text: &Value| text.to_string().split(", last").nth(1).map(str::to_owned);
    assert_eq!(last(&told["fields"]["why"]), last(&warned["evidence"]));
    // The open has written the manifest anew.
    given.says("clock", &[], "ok", 0);
}

#[test]
fn options_that_differ_are_named_with_both_values() {
    let given = Given::new();
    given.says("options", &["--segment-size", "131072"], "ok", 0);
    let drift = given.says("options", &["--segment-size", "262144"], "fail", 1);
    let evidence = drift["evidence"].as_str().unwrap();
    assert!(evidence.contains("TL-021") && evidence.contains("131072") && evidence.contains("262144"));
    // Nothing says that a record was lost: the advice is that of the check, not that of a verification.
    let ended = given.run(&["doctor"], &["--segment-size", "262144"]);
    let told = String::from_utf8(ended.stderr).unwrap();
    assert!(told.contains("TL-914") && !told.contains("TL-908") && !told.contains("receipt"), "{told}");
}

/// The segment and the manifest are those that an append makes.
#[test]
fn what_an_append_needs_is_what_it_takes() {
    let given = Given::new();
    let mut command = Command::new(env!("CARGO_BIN_EXE_truelog"));
    let mut child = command.arg("append").arg(given.log()).stdin(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"one\n").unwrap();
    assert!(child.wait().unwrap().success());
    let len = |name: &str| fs::metadata(given.log().join(name)).unwrap().len();
    let need = len("segment-0000000001") + len("MANIFEST") + 4096;
    let space = given.says("space", &[], "ok", 0);
    assert!(space["evidence"].as_str().unwrap().contains(&format!("an append needs {need},")), "{space}");
}

/// Files that can be written do not make up for a directory that cannot: nothing can be made or renamed in it.
#[test]
fn a_directory_that_cannot_be_written_is_named() {
    const NOBODY: u32 = 65_534;
    let given = Given::new();
    let mut command = Command::new(env!("CARGO_BIN_EXE_truelog"));
    command.args(["--json", "doctor"]).arg(given.log());
    // Nothing is denied to root: then it is somebody else who looks.
    if fs::metadata(given.log()).unwrap().uid() == 0 {
        let open = |path: &std::path::Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode));
        open(given.place.path(), 0o755).unwrap();
        for entry in fs::read_dir(given.log()).unwrap() {
            std::os::unix::fs::chown(entry.unwrap().path(), Some(NOBODY), None).unwrap();
        }
        std::os::unix::fs::chown(given.log(), Some(NOBODY), None).unwrap();
        command.uid(NOBODY);
    }
    let mut says = |mode| {
        fs::set_permissions(given.log(), fs::Permissions::from_mode(mode)).unwrap();
        let text = String::from_utf8(command.output().unwrap().stdout).unwrap();
        let found = text.lines().find(|line| line.contains("\"permissions\"")).map(str::to_owned);
        found.unwrap_or_else(|| panic!("{text}"))
    };
    assert!(says(0o755).contains("\"verdict\":\"ok\""), "{}", says(0o755));
    let locked = says(0o555);
    assert!(
        locked.contains("\"verdict\":\"fail\"") && locked.contains("written: the directory itself\""),
        "{locked}"
    );
    says(0o755);
}

#[test]
fn a_file_with_a_second_name_is_named() {
    let given = Given::new();
    fs::hard_link(given.log().join("MANIFEST"), given.place.path().join("backup")).unwrap();
    let linked = given.says("names", &[], "warn", 0);
    assert_eq!(linked["evidence"], "MANIFEST has 2 names");
    fs::remove_file(given.place.path().join("backup")).unwrap();
    given.says("names", &[], "ok", 0);
}

#[test]
fn a_copy_is_not_where_its_identity_says() {
    let given = Given::new();
    let away = given.place.path().join("away");
    fs::rename(given.log(), &away).unwrap();
    fs::create_dir(given.log()).unwrap();
    for entry in fs::read_dir(&away).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), given.log().join(entry.file_name())).unwrap();
    }
    let moved = given.says("identity", &[], "fail", 1);
    assert!(moved["evidence"].as_str().unwrap().starts_with("TL-022"), "{moved}");
}

#[test]
fn what_is_left_over_or_foreign_is_named() {
    let given = Given::new();
    fs::write(given.log().join("segment-0000000009.tmp"), b"").unwrap();
    let left = given.says("left-overs", &[], "warn", 0);
    assert_eq!(left["evidence"], "unfinished or put aside: segment-0000000009.tmp");
    fs::write(given.log().join("notes.txt"), b"").unwrap();
    let foreign = given.says("left-overs", &[], "warn", 0);
    assert_eq!(
        foreign["evidence"],
        "no log writes here notes.txt; unfinished or put aside: segment-0000000009.tmp"
    );
}

#[test]
fn a_log_that_was_never_audited_is_told_and_is_no_failure() {
    let given = Given::new();
    let mut child = Command::new(env!("CARGO_BIN_EXE_truelog"))
        .arg("append")
        .arg(given.log())
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"one\ntwo\n").unwrap();
    assert!(child.wait().unwrap().success());
    // There was no time for one yet.
    given.says("health", &[], "ok", 0);
    let identity = fs::File::options().append(true).open(given.log().join("IDENTITY")).unwrap();
    identity.set_modified(SystemTime::now() - Duration::from_secs(3 * 86_400)).unwrap();
    let late = given.says("health", &[], "warn", 0);
    assert!(late["evidence"].as_str().unwrap().starts_with("audit-late"), "{late}");
}

#[test]
fn what_is_no_log_is_said_and_nothing_else() {
    let place = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_truelog"))
        .arg("doctor")
        .arg(place.path().join("none"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(4), "{output:?}");
}

/// Without the manifest nobody knows the options: none are made up, and none are called wrong.
#[test]
fn of_a_log_without_a_manifest_no_options_are_told() {
    let given = Given::new();
    fs::remove_file(given.log().join("MANIFEST")).unwrap();
    given.says("options", &["--segment-size", "131072"], "skipped", 1);
}

#[test]
fn files_of_a_drive_do_not_belong_beside_the_log() {
    let given = Given::new();
    fs::write(given.log().join("run-0000000001"), "").unwrap();
    let evidence = given.says("left-overs", &[], "warn", 0)["evidence"].as_str().unwrap().to_owned();
    assert!(evidence.contains("run-0000000001"), "{evidence}");
}

/// What keeps a log from being looked at keeps nothing else from being checked.
#[test]
fn a_log_that_cannot_be_looked_at_is_still_checked() {
    let given = Given::new();
    let identity = given.log().join("IDENTITY");
    let mut bytes = fs::read(&identity).unwrap();
    bytes[40] ^= 1;
    fs::write(&identity, bytes).unwrap();
    let evidence = given.says("log", &[], "fail", 1)["evidence"].as_str().unwrap().to_owned();
    assert!(evidence.contains("TL-003"), "{evidence}");
    given.says("permissions", &[], "ok", 1);
    given.says("volume", &[], "ok", 1);
    for check in ["identity", "options", "clock", "health"] {
        given.says(check, &[], "skipped", 1);
    }
}
