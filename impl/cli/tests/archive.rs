//! The commands of the archive, as an operator runs them.

use std::fs;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

const LINES: u64 = 20_000;

struct Given {
    place: tempfile::TempDir,
}

impl Given {
    /// An empty log with two drives.
    fn new() -> Self {
        // Where temporary files are kept may be memory, which keeps no promise.
        let place = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let given = Self { place };
        let small = ["--segment-size", "131072", "--max-batch-bytes", "4096", "--copies", "2"];
        given.good("create", &small);
        given.good("drives", &["add", given.at("a").to_str().unwrap()]);
        given.good("drives", &["add", given.at("b").to_str().unwrap(), "--capacity", "100000000"]);
        given
    }

    /// A log with all lines, compacted, and their receipts.
    fn archived() -> Self {
        let given = Self::new();
        given.append();
        given.good("compact", &[]);
        given
    }

    fn at(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    fn run(&self, what: &str, more: &[&str]) -> Output {
        truelog().arg(what).arg(self.at("log")).args(more).output().unwrap()
    }

    fn good(&self, what: &str, more: &[&str]) -> String {
        let output = self.run(what, more);
        assert!(output.status.success(), "{what} {more:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs it with `--json`; it must end with `exit`, and with an error of `code` if that is not 0.
    fn json(&self, what: &str, more: &[&str], exit: i32, code: &str) -> Vec<Value> {
        let output = self.run(what, &[&["--json"], more].concat());
        assert_eq!(output.status.code(), Some(exit), "{what} {more:?}: {output:?}");
        if exit != 0 {
            let error = objects(&output.stderr).pop().unwrap();
            assert_eq!(error["error"]["code"], code, "{error}");
            assert!(error["error"]["next"].as_str().is_some_and(|next| next.len() > 10), "{error}");
        }
        objects(&output.stdout)
    }

    fn append(&self) {
        let mut child = truelog()
            .arg("append")
            .arg(self.at("log"))
            .args(["--writers", "4"])
            .stdin(Stdio::piped())
            .stdout(fs::File::create(self.at("receipts")).unwrap())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        input.write_all(lines().as_bytes()).unwrap();
        drop(input);
        assert!(child.wait().unwrap().success());
    }

    fn receipts(&self, exit: i32, code: &str) -> Value {
        let receipts = self.at("receipts");
        let mut printed = self.json("verify", &["--receipts", receipts.to_str().unwrap()], exit, code);
        printed.pop().unwrap_or_default()
    }

    /// Damages the first block of each run on a drive.
    fn damage(&self, drive: &str) {
        for path in runs(&self.at(drive)) {
            let file = fs::OpenOptions::new().write(true).open(path).unwrap();
            file.write_all_at(&[0xff; 64], 4096 + 200).unwrap();
        }
    }

    /// All lines, whatever their order, and all of them once.
    fn expect_all_lines(&self) {
        let text = self.good("cat", &[]);
        let mut found: Vec<_> = text.lines().collect();
        let all = lines();
        let mut due: Vec<_> = all.lines().collect();
        found.sort_unstable();
        due.sort_unstable();
        assert!(found == due, "{} lines of {}", found.len(), due.len());
    }
}

fn truelog() -> Command {
    Command::new(env!("CARGO_BIN_EXE_truelog"))
}

fn lines() -> String {
    (0..LINES).map(|line| format!("line {line} of the archive\n")).collect()
}

fn objects(bytes: &[u8]) -> Vec<Value> {
    String::from_utf8_lossy(bytes).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn runs(drive: &Path) -> Vec<PathBuf> {
    let mut found: Vec<_> = fs::read_dir(drive)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.file_name().is_some_and(|name| name.to_str().unwrap().starts_with("run-")))
        .collect();
    found.sort();
    assert!(!found.is_empty(), "no run on {}", drive.display());
    found
}

#[test]
fn what_is_archived_is_told_verified_and_printed() {
    let given = Given::archived();
    let stat = given.json("stat", &[], 0, "").remove(0);
    let archived: u64 = stat["runs"].as_array().unwrap().last().unwrap()["last_lsn"].as_u64().unwrap();
    assert!(archived > LINES / 2, "{stat}");
    assert_eq!(stat["runs"][0]["drives"], serde_json::json!([0, 1]));
    assert_eq!(stat["options"]["copies"], 2);
    let sum = given.receipts(0, "");
    assert_eq!((&sum["verdict"], &sum["receipts"]["verified"]), (&"holds".into(), &LINES.into()), "{sum}");
    assert_eq!((sum["runs"].as_u64(), sum["copies"].as_u64()), (Some(1), Some(2)));
    given.expect_all_lines();
    let drives = given.json("drives", &["status"], 0, "");
    assert_eq!((drives.len(), &drives[1]["state"], &drives[1]["runs"]), (2, &"serves".into(), &1.into()));
    let run = runs(&given.at("a")).remove(0);
    let output = truelog().args(["dump", "--json"]).arg(&run).output().unwrap();
    assert!(output.status.success());
    let ranges = objects(&output.stdout);
    let blocks: Vec<_> = ranges.iter().filter(|range| range["kind"] == "block").collect();
    assert_eq!((blocks[0]["first_lsn"].as_u64(), blocks[0]["offset"].as_u64()), (Some(1), Some(4096)));
    let index = ranges.last().unwrap();
    assert_eq!((&index["kind"], index["last_lsn"].as_u64()), (&"index".into(), Some(archived)));
    assert_eq!(index["blocks"].as_u64(), Some(blocks.len() as u64));
}

#[test]
fn a_damaged_copy_is_told_and_repaired_and_lost_records_are_named() {
    let given = Given::archived();
    given.damage("a");
    let dumped = truelog().arg("dump").arg(runs(&given.at("a")).remove(0)).output().unwrap();
    assert_eq!(dumped.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&dumped.stdout).contains("INVALID"));
    let sum = given.receipts(1, "TL-912");
    assert_eq!((&sum["bad_copies"], &sum["receipts"]["verified"]), (&1.into(), &LINES.into()), "{sum}");
    given.expect_all_lines();
    let told = given.json("scrub", &[], 0, "");
    assert_eq!((&told[0]["drive"], &told[0]["outcome"]), (&0.into(), &"repaired".into()), "{told:?}");
    assert_eq!(told.last().unwrap()["repaired"], 1);
    assert_eq!(given.receipts(0, "")["verdict"], "holds");
    given.damage("a");
    given.damage("b");
    let told = given.json("scrub", &[], 1, "TL-908");
    let lost = told.iter().find(|one| one["first_lsn"] == 1).unwrap_or_else(|| panic!("{told:?}"));
    let last = lost["last_lsn"].as_u64().unwrap();
    assert!(last < LINES && told.last().unwrap()["repaired"] == 0, "{told:?}");
    let cat = given.run("cat", &[]);
    assert_eq!(cat.status.code(), Some(1));
    assert_eq!(cat.stdout.iter().filter(|byte| **byte == b'\n').count() as u64, LINES - last);
    assert!(String::from_utf8_lossy(&cat.stderr).contains("TL-026"));
    assert_eq!(given.receipts(1, "TL-908")["receipts"]["violated"].as_u64(), Some(last));
}

#[test]
fn a_drive_that_is_away_is_no_loss() {
    let given = Given::archived();
    fs::rename(given.at("a"), given.at("c")).unwrap();
    let sum = given.receipts(3, "TL-909");
    assert_eq!((&sum["unreachable"], &sum["receipts"]["verified"]), (&1.into(), &LINES.into()));
    let told = given.json("scrub", &[], 3, "TL-909");
    assert_eq!(told.last().unwrap()["skipped"], 1);
    assert!(given.good("stat", &[]).contains("NOT SERVING  drive 0  out"));
    fs::rename(given.at("b"), given.at("d")).unwrap();
    let stat = given.json("stat", &[], 4, "TL-027");
    assert_eq!(stat[0]["unavailable"][0][0], 1, "{stat:?}");
    let told = given.json("verify", &[], 4, "TL-027");
    assert_eq!(told.last().unwrap()["damaged"], 0, "nothing says that it is damaged: {told:?}");
    // Nothing is given up because a drive is away.
    assert_eq!(given.json("accept-loss", &[], 0, "")[0]["given_up"], 0);
    given.json("drives", &["remove", "0"], 4, "TL-030");
    for name in ["c", "d"] {
        given.good("drives", &["add", given.at(name).to_str().unwrap()]);
    }
    assert_eq!(given.receipts(0, "")["receipts"]["verified"], LINES);
    given.expect_all_lines();
    given.good("drives", &["remove", "1"]);
    given.json("drives", &["remove", "1"], 2, "TL-028");
    given.json("scrub", &["--drive", "1"], 2, "TL-028");
    given.good("drives", &["add", given.at("e").to_str().unwrap()]);
    given.good("compact", &[]);
    assert_eq!(runs(&given.at("e")).len(), 1, "the copy was made again");
}

#[test]
fn files_on_drives_that_are_no_part_of_the_log_are_listed() {
    let given = Given::archived();
    fs::write(given.at("a").join("run-0000000098.tmp"), b"not finished").unwrap();
    fs::write(given.at("b").join("run-0000000099"), b"no run").unwrap();
    for what in ["drives", "stat", "verify"] {
        let text = given.good(what, &[]);
        let told: Vec<_> = text.lines().filter(|line| line.starts_with("ORPHAN")).collect();
        assert_eq!(told.len(), 2, "{text}");
        assert!(
            told[0].contains("run-0000000098.tmp on drive 0, 12 bytes: the next open removes it"),
            "{text}"
        );
        assert!(told[1].contains("run-0000000099 on drive 1, 6 bytes: kept, since"), "{text}");
    }
    let drives = given.json("drives", &["status"], 0, "");
    assert_eq!((&drives[2]["orphan"], &drives[2]["bytes"]), (&"run-0000000098.tmp".into(), &12.into()));
    assert!(drives[3]["kept"].is_string() && drives[2].get("kept").is_none(), "{drives:?}");
    assert_eq!(given.json("stat", &[], 0, "")[0]["orphans"].as_array().map(Vec::len), Some(2));
    assert_eq!(given.json("verify", &[], 0, "").pop().unwrap()["orphans"], 2);
    given.good("compact", &[]);
    assert!(!given.at("a").join("run-0000000098.tmp").exists());
    let text = given.good("drives", &[]);
    assert!(
        text.contains("quarantined-run-0000000099 on drive 1, 6 bytes: kept, since it was put aside"),
        "{text}"
    );
}

#[test]
fn a_drive_that_is_gone_for_good_is_given_up_when_told() {
    let given = Given::archived();
    given.json("accept-loss", &["--drive-gone", "0"], 2, "TL-035");
    for name in ["a", "b"] {
        fs::remove_dir_all(given.at(name)).unwrap();
    }
    let told = given.json("accept-loss", &["--drive-gone", "0", "--drive-gone", "1"], 0, "");
    let records: u64 = told.iter().filter_map(|one| one["records"].as_u64()).sum();
    assert!(records > 0 && records < LINES, "{told:?}");
    assert_eq!(told.iter().filter(|one| one["forgot_drive"].is_u64()).count(), 2, "{told:?}");
    assert_eq!(given.receipts(1, "TL-908")["receipts"]["violated"], records);
    assert!(given.good("drives", &[]).contains("no drives"));
}

#[test]
fn a_trim_drops_what_it_says_and_no_more() {
    let given = Given::new();
    given.json("trim", &["--before", "2"], 2, "TL-013");
    given.append();
    given.good("compact", &[]);
    given.json("trim", &["--before", "1000000"], 2, "TL-013");
    let sum = given.json("trim", &["--before", "500"], 0, "").remove(0);
    assert_eq!((&sum["first_lsn"], &sum["runs_removed"]), (&500.into(), &0.into()));
    assert_eq!(given.receipts(0, "")["receipts"]["trimmed"], 499);
    let sum = given.json("trim", &["--before", &LINES.to_string()], 0, "").remove(0);
    assert_eq!(sum["runs_removed"], 1);
    assert!(fs::read_dir(given.at("a")).unwrap().count() < 3, "the run is gone from its drives");
}

#[test]
fn fewer_drives_than_copies_are_told_and_a_gone_reader_ends_all_commands() {
    let given = Given::archived();
    given.good("drives", &["remove", "1"]);
    given.append();
    given.json("compact", &[], 4, "TL-029");
    for (what, more) in [("drives", &[][..]), ("scrub", &[]), ("trim", &["--before", "5"])] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = truelog();
        command.arg(what).arg(given.at("log")).args(more).stdout(writer).stderr(Stdio::piped());
        let output = command.spawn().unwrap().wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(141), "{what}: {output:?}");
    }
}

#[test]
fn a_lost_manifest_is_rebuilt_and_nothing_is_given_up_before() {
    let given = Given::archived();
    let (a, b) = (given.at("a"), given.at("b"));
    let drives = ["--drive", a.to_str().unwrap(), "--drive", b.to_str().unwrap()];
    given.json("rebuild-manifest", &drives, 2, "TL-031");
    fs::remove_file(given.at("log/MANIFEST")).unwrap();
    given.json("accept-loss", &[], 1, "TL-034");
    assert!(!given.at("log/MANIFEST").exists());
    let log = given.at("log");
    given.json("rebuild-manifest", &["--drive", log.to_str().unwrap()], 2, "TL-032");
    let kept = runs(&b).remove(0);
    fs::remove_file(runs(&a).remove(0)).unwrap();
    fs::rename(&kept, given.at("kept")).unwrap();
    given.json("rebuild-manifest", &drives, 1, "TL-033");
    fs::rename(given.at("kept"), &kept).unwrap();
    let dry = given.json("rebuild-manifest", &[&drives[..], &["--dry-run"]].concat(), 0, "").remove(0);
    assert_eq!((&dry["written"], dry["next_lsn"].as_u64()), (&false.into(), Some(LINES + 1)), "{dry}");
    let text = given.good("rebuild-manifest", &drives);
    assert!(text.contains("began with the copy on") && text.contains("written"), "{text}");
    given.good("compact", &[]);
    assert_eq!(runs(&a).len(), 1, "the copy that was missing is made again");
    assert_eq!(given.receipts(0, "")["receipts"]["verified"], LINES);
    given.expect_all_lines();
}

#[test]
fn the_incident_is_told_and_the_new_commands_complete_and_have_examples() {
    let output = truelog().args(["explain", "fpre004"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && text.contains("cache ready") && text.contains("compare-exchange"));
    let script = String::from_utf8(truelog().args(["completions", "bash"]).output().unwrap().stdout).unwrap();
    for what in ["drives", "compact", "trim", "scrub", "rebuild-manifest"] {
        assert!(script.contains(what), "{what} does not complete");
        let help = String::from_utf8(truelog().args([what, "--help"]).output().unwrap().stdout).unwrap();
        assert!(help.contains("Examples:") && help.contains(&format!("truelog {what} /srv")), "{help}");
    }
}
