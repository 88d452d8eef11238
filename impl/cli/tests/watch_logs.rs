//! `truelog watch` where there is no log, and beside an application whose own log claims things.

mod common;

use std::fs;
use std::io::Write;
use std::path::Path;

use common::{Watch, create, is_well, place, truelog};
use serde_json::Value;

/// The incident's line, and how it is read.
const PATTERNS: &str =
    "claim B/append_packet {path} wal append_packet path=(?<path>\\S+)( end=(?<end>\\d+))?\n";
const RELEASE: &str = "release G/removed {path} wal removed path=(?<path>\\S+)\n";

fn tile<'a>(status: &'a Value, name: &str) -> &'a Value {
    let tiles = status["tiles"].as_array().unwrap();
    tiles.iter().find(|tile| tile["name"] == name).unwrap_or_else(|| panic!("no tile {name}"))
}

fn verdict<'a>(status: &'a Value, name: &str) -> &'a str {
    tile(status, name)["verdict"].as_str().unwrap()
}

fn evidence(status: &Value, name: &str) -> String {
    tile(status, name)["evidence"].to_string()
}

fn say(log: &Path, lines: &str) {
    let mut file = fs::OpenOptions::new().append(true).create(true).open(log).unwrap();
    file.write_all(lines.as_bytes()).unwrap();
}

fn said(status: &Value, what: &str) -> u64 {
    status["logs"][what].as_u64().unwrap_or(0)
}

/// Options for a watch that follows this log.
struct Follows {
    place: tempfile::TempDir,
    patterns: String,
}

impl Follows {
    fn new(patterns: &str) -> Self {
        let place = place();
        fs::write(place.path().join("patterns"), patterns).unwrap();
        let patterns = place.path().join("patterns").to_str().unwrap().to_owned();
        Self { place, patterns }
    }

    fn app(&self) -> std::path::PathBuf {
        self.place.path().join("app.log")
    }

    fn watch(&self, dir: &Path) -> Watch {
        let app = self.app();
        Watch::start(dir, &["--log", app.to_str().unwrap(), "--patterns", &self.patterns])
    }
}

/// The first incident: appends are logged at INFO, the application feels well, and there is no WAL at all.
#[test]
fn a_log_that_claims_appends_to_a_wal_that_does_not_exist_is_red_and_names_each_claim() {
    let follows = Follows::new(PATTERNS);
    let dir = follows.place.path().join("wal");
    say(&follows.app(), "2026-11-26T03:14:00Z INFO wal append_packet path=wal-7.log\n");
    let watch = follows.watch(&dir);
    let status = watch.status();
    assert_eq!(status["error"]["code"], "TL-018", "{status:#}");
    for name in ["look", "claim-has-artifact"] {
        assert_eq!(verdict(&status, name), "violated", "{name}: {status:#}");
    }
    let told = evidence(&status, "claim-has-artifact");
    assert!(told.contains("app.log:1: wal-7.log: there is no such directory"), "{told}");
    assert_eq!((watch.get("/readyz").0, watch.get("/livez").0), (503, 200));
    let (_, ready) = watch.get("/readyz?verbose");
    assert!(ready.contains("[-]look violated: TL-018: "), "{ready}");
    assert!(ready.contains("[-]claim-has-artifact violated: 1 do not hold, of 1 claim in 1 line"), "{ready}");
    let (_, page) = watch.get("/");
    assert!(page.contains("data-verdict=\"violated\"") && page.contains("app.log:1: wal-7.log"), "{page}");
    let (_, metrics) = watch.get("/metrics");
    assert!(metrics.contains("truelog_look_success 0"), "{metrics}");
    assert!(metrics.contains("truelog_log_claims_total{verdict=\"violated\"} 1"), "{metrics}");
    assert!(metrics.contains("truelog_tile_verdict{tile=\"claim-has-artifact\",kind=\"invariant\"} 3"));
    assert!(
        !metrics.contains("truelog_found_info"),
        "there is no log whose identity could be told: {metrics}"
    );

    // It goes on claiming, and each claim is counted once.
    say(&follows.app(), "x INFO wal append_packet path=wal-7.log\nx INFO wal append_packet path=wal-8.log\n");
    let status = watch.until(|status| said(status, "violated") == 3);
    assert!(evidence(&status, "claim-has-artifact").contains("app.log:3: wal-8.log"), "{status:#}");
    // What was claimed falsely once stays so, whatever is there later.
    fs::create_dir(&dir).unwrap();
    fs::write(dir.join("wal-7.log"), "late").unwrap();
    say(&follows.app(), "x INFO wal append_packet path=wal-7.log end=4\n");
    let status = watch.until(|status| said(status, "by_name") == 1);
    assert_eq!((said(&status, "violated"), verdict(&status, "claim-has-artifact")), (3, "violated"));
    assert_eq!(status["error"]["code"], "TL-018", "a directory with files, and no log: {status:#}");
}

/// On a volume that is not mounted a create would begin another log.
#[test]
fn nobody_is_sent_to_create_where_records_should_be() {
    let follows = Follows::new(PATTERNS);
    let dir = follows.place.path().join("wal");
    say(&follows.app(), "2026-11-26T03:14:00Z INFO wal append_packet path=wal-7.log\n");
    let watch = follows.watch(&dir);
    for code in ["TL-018", "TL-010"] {
        let status = watch.until(|status| status["error"]["code"] == code);
        let next = |name| tile(&status, name)["next"].as_str().unwrap().to_owned();
        let mounted =
            "If a log with records should be here, see first whether its volume is mounted; do not create.";
        assert!(next("look").starts_with(mounted), "{status:#}");
        assert!(next("claim-has-artifact").starts_with("Stop the writer, keep the directory"), "{status:#}");
        if code == "TL-018" {
            fs::create_dir(&dir).unwrap();
        }
    }
}

/// Its lines are there, and the files of it, but no log.
#[test]
fn claims_of_a_log_that_cannot_be_read_are_not_green() {
    let place = place();
    let (log, app) = (place.path().join("log"), place.path().join("app.log"));
    create(&log);
    let mut command = truelog();
    command.args(["--log-format", "json", "append"]).arg(&log).stderr(fs::File::create(&app).unwrap());
    let mut child = command.stdin(std::process::Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"one\n").unwrap();
    assert!(child.wait().unwrap().success());
    fs::remove_file(log.join("IDENTITY")).unwrap();
    let watch = Watch::start(&log, &["--log", app.to_str().unwrap()]);
    let status = watch.until(|status| said(status, "claims") > 0);
    assert_eq!((said(&status, "by_name"), said(&status, "unverifiable")), (0, 1), "{status:#}");
    assert_eq!(verdict(&status, "claim-has-artifact"), "unseen");
    assert_eq!(verdict(&status, "claims-in-logs"), "degraded");
}

/// A writer that halted and went away has left its word in the logs.
#[test]
fn lines_that_say_that_a_writer_halted_are_red_until_the_log_is_opened_again() {
    let place = place();
    let (log, app) = (place.path().join("log"), place.path().join("app.log"));
    create(&log);
    let tomorrow = |event: &str| {
        format!(
            "{{\"timestamp\":\"2999-11-26T03:14:00.000001Z\",\"level\":\"ERROR\",\"fields\":{{\"message\":\"{event}\"}},\"target\":\"truelog::event\"}}\n"
        )
    };
    say(&app, &tomorrow("poisoned"));
    let watch = Watch::start(&log, &["--log", app.to_str().unwrap()]);
    let status = watch.until(|status| verdict(status, "poisoned") == "violated");
    assert!(evidence(&status, "poisoned").contains("app.log:1"), "{status:#}");
    assert_eq!((verdict(&status, "claim-violated"), watch.get("/readyz").0), ("holds", 503), "{status:#}");
    say(&app, &tomorrow("claim violated"));
    watch.until(|status| verdict(status, "claim-violated") == "violated");
    // Where there is no log it is no less true.
    fs::rename(&log, place.path().join("away")).unwrap();
    let status = watch.until(|status| status["error"]["code"] == "TL-018");
    assert_eq!(verdict(&status, "poisoned"), "violated", "{status:#}");
    fs::rename(place.path().join("away"), &log).unwrap();
    say(&app, &tomorrow("opened"));
    watch.until(|status| verdict(status, "poisoned") == "unseen");
    // The manifest is newer than this line: each open writes it anew.
    say(&app, &tomorrow("poisoned").replace("2999", "2001"));
    say(&app, &tomorrow("poisoned").replace("2999", "2001").replace("01Z", "01+02:00"));
    let status = watch.until(|status| status["logs"]["lines"] == 5);
    assert_eq!(verdict(&status, "poisoned"), "unseen", "{status:#}");
}

#[test]
fn it_begins_where_there_is_no_log_and_goes_on_when_there_is_one() {
    let place = place();
    let log = place.path().join("log");
    let watch = Watch::start(&log, &[]);
    let status = watch.status();
    assert_eq!((verdict(&status, "look"), watch.get("/readyz").0), ("violated", 503), "{status:#}");
    assert!(watch.get("/metrics").1.contains("truelog_look_success 0"));
    fs::create_dir(&log).unwrap();
    let status = watch.until(|status| status["error"]["code"] == "TL-010");
    assert_eq!((verdict(&status, "look"), watch.get("/readyz").0), ("violated", 503), "{status:#}");
    create(&log);
    let status = watch.until(|status| is_well(status) && status["found"]["next_lsn"] == 1);
    assert_eq!((verdict(&status, "look"), watch.get("/readyz").0), ("holds", 200), "{status:#}");
    assert!(watch.get("/metrics").1.contains("truelog_found_info{log="));

    let output = truelog().arg("stat").arg(&log).arg("--json").output().unwrap();
    let stat: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(status["found"]["log"], stat["log"]);
}

#[test]
fn records_that_were_vouched_for_are_lost_where_the_directory_is_empty_as_where_there_is_none() {
    let place = place();
    let log = place.path().join("log");
    create(&log);
    let mut child = truelog();
    let mut child = child.arg("append").arg(&log).stdin(std::process::Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"one\n").unwrap();
    assert!(child.wait().unwrap().success());
    let watch = Watch::start(&log, &[]);
    watch.until(|status| status["found"]["vouched_lsn"] == 1);
    fs::read_dir(&log).unwrap().for_each(|entry| fs::remove_file(entry.unwrap().path()).unwrap());
    let status = watch.until(|status| status["error"]["code"] == "TL-010");
    assert_eq!(verdict(&status, "acked-is-durable"), "violated", "{status:#}");
}

#[test]
fn a_file_that_was_there_when_it_was_claimed_must_stay() {
    let follows = Follows::new(PATTERNS);
    let dir = follows.place.path().join("wal");
    fs::create_dir(&dir).unwrap();
    fs::write(dir.join("wal-1.log"), "12345").unwrap();
    say(&follows.app(), "INFO wal append_packet path=wal-1.log end=5\n");
    let watch = follows.watch(&dir);
    let status = watch.until(|status| said(status, "by_name") == 1);
    assert_eq!(verdict(&status, "claim-has-artifact"), "holds", "{status:#}");
    assert_eq!(verdict(&status, "claims-in-logs"), "holds");
    fs::write(dir.join("wal-1.log"), "123").unwrap();
    let status = watch.until(|status| status["logs"]["gone"] == 1);
    assert_eq!(verdict(&status, "claim-has-artifact"), "violated");
    assert!(
        evidence(&status, "claim-has-artifact").contains("no longer is: the file has 3 bytes"),
        "{status:#}"
    );
}

#[test]
fn what_is_removed_on_purpose_may_be_said_behind_the_removal() {
    let follows = Follows::new(&format!("{PATTERNS}{RELEASE}"));
    let dir = follows.place.path().join("wal");
    fs::create_dir(&dir).unwrap();
    for name in ["wal-1.log", "wal-2.log"] {
        fs::write(dir.join(name), "").unwrap();
        say(&follows.app(), &format!("INFO wal append_packet path={name}\n"));
    }
    let watch = follows.watch(&dir);
    watch.until(|status| said(status, "by_name") == 2);
    let looked = |status: &Value| status["looked_at"].as_f64().unwrap();
    // A look comes between the removal and the line, and between a claim and the line.
    let before = looked(&watch.status());
    fs::remove_file(dir.join("wal-1.log")).unwrap();
    watch.until(|status| looked(status) > before + 0.5);
    say(&follows.app(), "INFO wal removed path=wal-1.log\n");
    say(&follows.app(), "INFO wal append_packet path=wal-3.log\n");
    watch.until(|status| said(status, "waiting") == 1);
    say(&follows.app(), "INFO wal removed path=wal-3.log\n");
    let status = watch.until(|status| said(status, "trimmed") == 1);
    assert_eq!((said(&status, "violated"), &status["logs"]["gone"]), (0, &Value::Null), "{status:#}");
    // Nobody said that this one was to go.
    fs::remove_file(dir.join("wal-2.log")).unwrap();
    watch.until(|status| status["logs"]["gone"] == 1);
}

/// More claims than are held at a time, of files that are all gone, each as a line behind it says.
#[test]
fn a_removal_that_is_still_to_be_read_excuses_what_was_claimed_before_it() {
    const FILES: usize = 33_000;
    let follows = Follows::new(&format!("{PATTERNS}{RELEASE}"));
    let dir = follows.place.path().join("wal");
    fs::create_dir(&dir).unwrap();
    let mut text = String::new();
    for number in 0..FILES + 20 {
        if number < FILES {
            text += &format!("INFO wal append_packet path=wal-{number}.log\n").repeat(2);
        }
        if let Some(gone) = number.checked_sub(20) {
            text += &format!("INFO wal removed path=wal-{gone}.log\n");
        }
    }
    say(&follows.app(), &text);
    let watch = follows.watch(&dir);
    let status = watch.until(|status| said(status, "violated") + said(status, "trimmed") == 2 * FILES as u64);
    assert_eq!(said(&status, "violated"), 0, "{}", evidence(&status, "claim-has-artifact"));
}

#[test]
fn a_line_is_read_once_it_is_whole_and_a_log_that_is_rotated_is_followed() {
    let follows = Follows::new(PATTERNS);
    let (dir, app) = (follows.place.path().join("wal"), follows.app());
    fs::create_dir(&dir).unwrap();
    fs::write(dir.join("wal-10.log"), "").unwrap();
    // Cut here it names a file that is not there.
    say(&app, "INFO wal append_packet path=wal-1");
    let watch = follows.watch(&dir);
    std::thread::sleep(std::time::Duration::from_millis(1500));
    assert_eq!(said(&watch.status(), "claims"), 0);
    say(&app, "0.log\n");
    watch.until(|status| said(status, "by_name") == 1);
    // Written to the old file before it is moved away, and to the new one.
    say(&app, "INFO wal append_packet path=old-1\n");
    fs::rename(&app, app.with_extension("log.1")).unwrap();
    let status = watch.until(|status| said(status, "violated") == 1);
    assert_eq!(verdict(&status, "claims-in-logs"), "degraded", "the log is not there: {status:#}");
    say(&app, "INFO wal append_packet path=new-1\n");
    let status = watch.until(|status| said(status, "violated") == 2);
    assert_eq!(said(&status, "lines"), 3, "{status:#}");
    // Emptied in its place.
    fs::write(&app, "").unwrap();
    say(&app, "INFO wal append_packet path=n\n");
    let status = watch.until(|status| said(status, "violated") == 3);
    assert_eq!((said(&status, "lines"), verdict(&status, "claims-in-logs")), (4, "holds"), "{status:#}");
}

/// A log that is cut and written on is as long as before when it is looked at again.
#[test]
fn a_log_that_is_emptied_and_filled_between_two_looks_is_read_from_its_beginning() {
    let follows = Follows::new(PATTERNS);
    let (dir, app) = (follows.place.path().join("wal"), follows.app());
    fs::create_dir(&dir).unwrap();
    fs::write(dir.join("there"), "").unwrap();
    let good = |line: u32| format!("{line:>5} INFO wal append_packet path=there\n");
    say(&app, &(0..50).map(good).collect::<String>());
    let watch = follows.watch(&dir);
    watch.until(|status| said(status, "by_name") == 50);
    fs::write(
        &app,
        format!(
            "{}{}",
            "   50 INFO wal append_packet path=gone!\n".repeat(2),
            (51..200).map(good).collect::<String>()
        ),
    )
    .unwrap();
    let status = watch.until(|status| said(status, "by_name") == 199);
    assert_eq!(said(&status, "violated"), 2, "{status:#}");
}

/// Whoever opens a pipe waits for whoever writes to it, and so does a file system that hangs.
#[test]
fn a_log_that_is_a_pipe_keeps_nobody_from_an_answer() {
    let follows = Follows::new(PATTERNS);
    let app = follows.app();
    assert!(std::process::Command::new("mkfifo").arg(&app).status().unwrap().success());
    let watch = follows.watch(follows.place.path());
    assert_eq!(watch.get("/livez").0, 200);
    let status = watch.until(|status| verdict(status, "claims-in-logs") == "degraded");
    assert!(status.to_string().contains("no regular file"), "{status:#}");
}

/// The log's own lines, while its writer runs.
#[test]
fn claims_of_the_log_itself_are_followed_while_it_is_written() {
    let place = place();
    let (log, app) = (place.path().join("log"), place.path().join("app.log"));
    create(&log);
    let append = |lines: &str| {
        let mut command = truelog();
        let file = fs::OpenOptions::new().append(true).create(true).open(&app).unwrap();
        command.args(["--log-format", "json", "append"]).arg(&log);
        let mut child = command.stdin(std::process::Stdio::piped()).stderr(file).spawn().unwrap();
        child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success());
    };
    append("one\ntwo\n");
    let watch = Watch::start(&log, &["--log", app.to_str().unwrap()]);
    let status = watch.until(|status| said(status, "verified") > 0);
    assert_eq!(verdict(&status, "claim-has-artifact"), "holds", "{status:#}");
    let before = said(&status, "claims");
    append("three\n");
    let status = watch.until(|status| said(status, "claims") > before);
    assert_eq!(said(&status, "violated"), 0, "{status:#}");
    let text = fs::read_to_string(&app).unwrap();
    let last = text.lines().rfind(|line| line.contains("durable")).unwrap();
    say(&app, &format!("{}\n", last.replace("\"last\":3", "\"last\":4")));
    let status = watch.until(|status| said(status, "violated") == 1);
    assert_eq!(verdict(&status, "claim-has-artifact"), "violated", "{status:#}");
}
