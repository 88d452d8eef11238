//! `truelog audit logs`, as an operator runs it.

mod common;

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use common::given::{Given, flip};
use common::truelog;
use serde_json::Value;

/// The incident's own line, and where its artifact would be.
const PATTERNS: &str = "\
# kind  name             artifact  regular expression
claim   B/append_packet  {path}    wal append_packet path=(?<path>\\S+) offset=(?<offset>\\d+) len=(?<len>\\d+)
release G/wal_removed    {path}    wal removed path=(?<path>\\S+)
count   A/received       -         packet received
";

#[test]
fn every_claim_of_a_writer_holds_in_either_format() {
    for format in ["json", "text"] {
        let given = Given::with_log(format);
        let claims = given.claims();
        let (told, summary) = given.audit(&[], "log", 0, "");
        assert!(told.is_empty());
        assert_eq!((&summary["claims"], &summary["verified"]), (&claims.into(), &claims.into()), "{summary}");
        assert_eq!(summary["unclaimed"]["records"], 0);
    }
}

#[test]
fn what_no_line_claims_is_told_by_ranges_and_is_no_failure() {
    let given = Given::with_log("json");
    let text = fs::read_to_string(given.at("app.log")).unwrap();
    let claims: Vec<_> = text.lines().filter(|line| line.contains("\"durable\"")).collect();
    // How many batches there are is up to the threads. The last keeps its line: what follows it is a range of its own.
    let keeps = |at: usize| at.is_multiple_of(2) || at + 1 == claims.len();
    let kept: Vec<_> = (0..claims.len()).filter(|at| keeps(*at)).map(|at| claims[at]).collect();
    let ranges = claims.len() - kept.len();
    given.write("app.log", kept.join("\n") + "\n");
    let (_, summary) = given.audit(&[], "log", 0, "");
    assert_eq!(summary["unclaimed"]["ranges"], ranges, "{summary}");
    let first: Value = serde_json::from_str(claims[1]).unwrap();
    assert_eq!(summary["unclaimed"]["first"][0][0], first["fields"]["first"]);
    assert_eq!(summary["unclaimed"]["first"][0][1], first["fields"]["last"]);
    // What survives the end of the process only is accepted, never called durable; the close makes it so.
    given.append(0..50, "json", &["--durability", "process-crash"]);
    let (_, summary) = given.audit(&[], "log", 0, "");
    assert_eq!(summary["unclaimed"]["ranges"], ranges + 1, "{summary}");
}

#[test]
fn a_segment_that_is_gone_or_cut_or_replaced_or_flipped_is_found_with_its_claims() {
    type Break = fn(&Path);
    let breaks: [(Break, &[&str]); 5] = [
        (|log| fs::remove_file(log.join("segment-0000000002")).unwrap(), &["there is no such file"]),
        (
            |log| fs::rename(log.join("segment-0000000002"), log.join("moved")).unwrap(),
            &["there is no such file"],
        ),
        (|log| fs::write(log.join("segment-0000000002"), "").unwrap(), &["the file has 0 bytes"]),
        // The first segment of an open is the shortest.
        (
            |log| {
                assert!(fs::copy(log.join("segment-0000000001"), log.join("segment-0000000002")).unwrap() > 0)
            },
            &["damaged", "the file has 65536 bytes", "there is no such record"],
        ),
        (|log| flip(&log.join("segment-0000000002"), 4096 + 200), &["are damaged"]),
    ];
    for (number, (damage, why)) in breaks.into_iter().enumerate() {
        let given = Given::with_log("json");
        let claims = given.claims();
        damage(&given.at("log"));
        let (told, summary) = given.audit(&[], "log", 1, "TL-920");
        assert!(!told.is_empty() && summary["verified"].as_u64().unwrap() + told.len() as u64 == claims);
        for it in &told {
            assert_eq!(it["artifact"], "segment-0000000002", "{number}: {it}");
            let said = it["why"].as_str().unwrap();
            assert!(why.iter().any(|why| said.contains(why)), "{number}: {it}");
        }
    }
}

#[test]
fn a_claim_on_what_was_never_there_is_violated_and_named_by_its_line() {
    let given = Given::with_log("json");
    let text = fs::read_to_string(given.at("app.log")).unwrap();
    let good = text.lines().find(|line| line.contains("\"durable\"")).unwrap().to_owned();
    let fields: Value = serde_json::from_str(&good).unwrap();
    let end = fields["fields"]["end"].as_u64().unwrap();
    for (from, to, why) in [
        (format!("\"end\":{end}"), format!("\"end\":{}", end + 4096), "no batch of just them"),
        ("\"offset\":4096".to_owned(), "\"offset\":8192".to_owned(), "no batch of just them"),
        ("\"offset\":4096".to_owned(), format!("\"offset\":{}", u64::MAX), "no batch of just them"),
        ("\"segment\":1,".to_owned(), "\"segment\":2,".to_owned(), "no batch of just them"),
        ("\"segment\":1,".to_owned(), "\"segment\":999,".to_owned(), "no batch of just them"),
        ("\"segment\":1,".to_owned(), "\"segment\":0,".to_owned(), "no batch of just them"),
        (format!("\"end\":{end}"), "\"end\":0".to_owned(), "no batch of just them"),
        ("\"first\":1,".to_owned(), "\"first\":0,".to_owned(), "no batch of just them"),
        ("\"first\":1,".to_owned(), "\"first\":2,".to_owned(), "no batch of just them"),
        ("\"first\":1,".to_owned(), "\"first\":900000,\"x\":1,".to_owned(), "there is no such record"),
        ("\"last\":".to_owned(), "\"last\":90".to_owned(), "there is no such record"),
    ] {
        let bad = good.replace(&from, &to);
        assert_ne!(bad, good);
        given.write("app.log", format!("{good}\nhello\n{bad}\n{good}\n"));
        let (told, summary) = given.audit(&[], "log", 1, "TL-920");
        assert_eq!((told.len(), &summary["verified"]), (1, &2.into()), "{bad}: {summary}");
        assert_eq!(told[0]["line"], 3);
        assert!(told[0]["why"].as_str().unwrap().contains(why), "{bad}: {}", told[0]);
    }
}

#[test]
fn what_was_trimmed_or_archived_or_given_up_is_told_apart() {
    let given = Given::with_log("json");
    let claims = given.claims();
    for drive in ["a", "b"] {
        given.good(&["drives", "log", "add", drive]);
    }
    given.good(&["compact", "log"]);
    let (_, summary) = given.audit(&[], "log", 0, "");
    assert_eq!(summary["verified"], claims, "{summary}");
    given.good(&["trim", "log", "--before", "1000"]);
    let (_, summary) = given.audit(&[], "log", 0, "");
    let trimmed = summary["trimmed"].as_u64().unwrap();
    assert!(trimmed > 3 && summary["verified"] == claims - trimmed, "{summary}");

    // Away is not gone, and gone is not away.
    for drive in ["a", "b"] {
        fs::rename(given.at(drive), given.at(&format!("{drive}-away"))).unwrap();
    }
    let whys = given.whys(3);
    assert!(!whys.is_empty() && whys.iter().all(|why| why.contains("none of the drives")), "{whys:?}");
    for drive in ["a", "b"] {
        fs::rename(given.at(&format!("{drive}-away")), given.at(drive)).unwrap();
        let run = fs::read_dir(given.at(drive)).unwrap().map(|it| it.unwrap().path());
        let run =
            run.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("run-")).max().unwrap();
        flip(&run, 4096 + 300);
    }
    let whys = given.whys(1);
    assert!(!whys.is_empty() && whys.iter().all(|why| why.contains("are damaged")), "{whys:?}");
    given.run(&["scrub", "log"]);
    given.good(&["accept-loss", "log"]);
    let whys = given.whys(1);
    assert!(!whys.is_empty() && whys.iter().all(|why| why.contains("given up by accept-loss")), "{whys:?}");
}

#[test]
fn beside_a_running_writer_no_claim_is_ever_called_false() {
    let given = Given::new();
    given.good(&["create", "log", "--segment-size", "131072", "--max-batch-bytes", "4096"]);
    let mut child = truelog()
        .args(["append", "log", "--log-format", "json"])
        .current_dir(given.place.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(File::create(given.at("app.log")).unwrap())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let feeder = std::thread::spawn(move || {
        for line in 0..60_000 {
            if writeln!(input, "line {line}").is_err() {
                return;
            }
        }
    });
    let mut judged = 0;
    while child.try_wait().unwrap().is_none() {
        let output = given.run(&["audit", "logs", "--json", "--log", "app.log", "log"]);
        assert!(matches!(output.status.code(), Some(0 | 3)), "{output:?}");
        let summary: Value =
            serde_json::from_str(String::from_utf8_lossy(&output.stdout).lines().last().unwrap()).unwrap();
        assert_eq!(summary["unverifiable"], 0, "{output:?}");
        judged += summary["claims"].as_u64().unwrap();
    }
    feeder.join().unwrap();
    assert!(judged > 0, "no audit ran beside the writer");
    given.audit(&[], "log", 0, "");
}

/// The incident: the log says that packets were appended, and the file is not there.
#[test]
fn the_incident_every_false_claim_of_another_system_is_found() {
    let given = Given::new();
    fs::create_dir(given.at("wal")).unwrap();
    given.write("wal/0001.wal", vec![1; 1_000]);
    given.write("patterns", PATTERNS);
    let line = |path: &str, offset: u64| {
        format!("2026-11-26T03:14:07Z INFO wal append_packet path={path} offset={offset} len=100\n")
    };
    let mut text = String::from("2026-11-26T03:14:07Z INFO packet received\n");
    (0..10).for_each(|at| text += &line("0001.wal", at * 100));
    (0..25).for_each(|at| text += &line("0002.wal", at * 100));
    text += &line("0001.wal", 1_000);
    text += &line("../other", 0);
    text += &line("0000.wal", 0);
    text += "2026-11-26T03:15:00Z INFO wal removed path=0000.wal\n";
    given.write("app.log", &text);
    let patterns = ["--patterns", "patterns"];
    let (told, summary) = given.audit(&patterns, "wal", 1, "TL-920");
    assert_eq!((&summary["by_name"], &summary["violated"]), (&10.into(), &26.into()), "{summary}");
    assert_eq!((&summary["trimmed"], &summary["unverifiable"]), (&1.into(), &1.into()), "{summary}");
    let lines: Vec<_> = told.iter().map(|it| it["line"].as_u64().unwrap()).collect();
    assert_eq!(lines, (12..=38).collect::<Vec<_>>());
    assert_eq!(
        (&told[0]["artifact"], &told[0]["why"]),
        (&"0002.wal".into(), &"there is no such file".into())
    );
    assert_eq!(told[25]["why"], "the file has 1000 bytes, and the claim needs 1100");
    // Not even the directory.
    fs::remove_dir_all(given.at("wal")).unwrap();
    let (told, _) = given.audit(&patterns, "wal", 1, "TL-920");
    assert!(told.iter().filter(|it| it["why"] == "there is no such directory").count() == 36);
    // And a log of ours that is gone as a whole.
    let given = Given::with_log("json");
    fs::remove_dir_all(given.at("log")).unwrap();
    let (told, _) = given.audit(&[], "log", 1, "TL-920");
    assert_eq!(told.len() as u64, given.claims());
}

/// Names and lengths of the files of a log that cannot be read say nothing of its records.
#[test]
fn a_log_that_cannot_be_read_holds_no_claim_by_the_name_of_a_file() {
    let given = Given::with_log("json");
    let claims = given.claims();
    fs::remove_file(given.at("log").join("IDENTITY")).unwrap();
    for at in 4096..8192 {
        flip(&given.at("log").join("segment-0000000001"), at);
    }
    let (told, summary) = given.audit(&[], "log", 3, "TL-909");
    assert_eq!((&summary["by_name"], &summary["unverifiable"]), (&0.into(), &claims.into()), "{summary}");
    assert_eq!(summary["verdict"], "incomplete");
    for it in &told {
        assert!(it["why"].as_str().unwrap().starts_with("no log can be read in log: TL-018"), "{it}");
    }
    let report = given.run(&["incident", "--log", "app.log", "log"]);
    assert_eq!(report.status.code(), Some(3), "{report:?}");
    // What is not even there is no question of reading.
    fs::remove_file(given.at("log").join("segment-0000000002")).unwrap();
    let (told, summary) = given.audit(&[], "log", 1, "TL-920");
    assert!(summary["violated"].as_u64().unwrap() > 0 && summary["by_name"] == 0, "{summary}");
    let gone = told.iter().filter(|it| it["artifact"] == "segment-0000000002");
    assert!(gone.clone().count() > 0 && gone.clone().all(|it| it["why"] == "there is no such file"));
}

#[test]
fn a_removal_excuses_what_was_claimed_before_it_and_nothing_behind_it() {
    let given = Given::new();
    fs::create_dir(given.at("wal")).unwrap();
    given.write("patterns", PATTERNS);
    let append = "2026-11-26T03:14:07Z INFO wal append_packet path=a.wal offset=0 len=1\n";
    let removed = "2026-11-26T03:14:08Z INFO wal removed path=a.wal\n";
    let patterns = ["--patterns", "patterns"];
    given.write("app.log", [append, removed, append, append].concat());
    let (told, summary) = given.audit(&patterns, "wal", 1, "TL-920");
    assert_eq!((&summary["trimmed"], &summary["violated"]), (&1.into(), &2.into()), "{summary}");
    assert_eq!((&told[0]["line"], &told[1]["line"]), (&3.into(), &4.into()));
    // The last removal counts, and the logs are in the order in which they are given.
    given.write("app.log", [append, removed, append, removed].concat());
    let (_, summary) = given.audit(&patterns, "wal", 0, "");
    assert_eq!(summary["trimmed"], 2, "{summary}");
    given.write("later.log", append);
    let (told, _) = given.audit(&[&patterns[..], &["--log", "later.log"]].concat(), "wal", 1, "TL-920");
    assert_eq!((&told[0]["log"], told.len()), (&"later.log".into(), 1));
}

#[test]
fn lines_that_are_cut_mixed_up_huge_or_not_text_are_told_and_never_guessed() {
    let given = Given::with_log("json");
    let text = fs::read(given.at("app.log")).unwrap();
    let claims = given.claims();
    // The last line is cut: nobody claimed anything.
    given.write(
        "app.log",
        [&text[..], &text[text.windows(12).rposition(|it| it == b"{\"timestamp\"").unwrap()..][..90]]
            .concat(),
    );
    let (_, summary) = given.audit(&[], "log", 0, "");
    assert_eq!((&summary["verified"], &summary["torn"]), (&claims.into(), &1.into()), "{summary}");
    // One in the middle is: it may have been a claim.
    given.write("app.log", [&text[..150], b"\n", &text[..]].concat());
    let (told, summary) = given.audit(&[], "log", 3, "TL-909");
    assert_eq!((told.len(), &summary["verified"]), (1, &claims.into()), "{summary}");
    // Bytes of all kinds, and a line of a million bytes, claim nothing and hide nothing.
    let noise: Vec<u8> = (0..=255).cycle().take(1_000_000).filter(|byte| *byte != b'\n').collect();
    given.write("app.log", [&noise[..], b"\n\0\0\0\n\xff\xfe truelog\n", &text[..]].concat());
    let (told, summary) = given.audit(&[], "log", 0, "");
    assert_eq!((told.len(), &summary["verified"]), (0, &claims.into()), "{summary}");
    // A line of text that ends with the file may have lost digits: it is not held against anything.
    let given = Given::with_log("text");
    let text = fs::read_to_string(given.at("app.log")).unwrap();
    let last = text.rfind(" end=").unwrap();
    given.write("app.log", &text[..last + " end=8".len()]);
    let (_, summary) = given.audit(&[], "log", 0, "");
    assert_eq!(summary["torn"], 1, "{summary}");
}

#[test]
fn what_says_nothing_is_no_success() {
    let given = Given::with_log("json");
    for text in ["", "hello\n", "{}\n"] {
        given.write("app.log", text);
        given.audit(&[], "log", 3, "TL-923");
    }
    given.write("other.log", "hello\nhello\n");
    let output = given.run(&["audit", "logs", "--log", "app.log", "--log", "other.log", "log"]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("no line of app.log, other.log is a claim, of 3 lines"), "{told}");
    assert!(
        told.contains("--patterns FILE") && !told.contains("drive") && !told.contains("receipt"),
        "{told}"
    );
    let text = b"\x1f\x8b\x08\x00compressed";
    given.write("app.log.gz", text);
    for (args, exit, code) in [
        (&["--log", "app.log.gz", "log"][..], 2, "TL-921"),
        (&["--log", "nowhere", "log"], 4, "TL-907"),
        (&["--log", "app.log", "--patterns", "nowhere", "log"], 4, "TL-907"),
        (&["--log", "app.log", "--patterns", "app.log.gz", "log"], 4, "TL-907"),
        (&["log"], 2, ""),
    ] {
        let output = given.run(&[&["audit", "logs"], args].concat());
        assert_eq!(output.status.code(), Some(exit), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(code), "{output:?}");
    }
    given.write("patterns", "claim a {path} x\n");
    let output = given.run(&["audit", "logs", "--log", "app.log", "--patterns", "patterns", "log"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("TL-922"), "{output:?}");
}

#[test]
fn each_claim_of_a_line_that_has_several_is_held() {
    let given = Given::new();
    fs::create_dir(given.at("wal")).unwrap();
    given.write("wal/a.wal", [1; 100]);
    given.write("patterns", PATTERNS);
    let claim = |path: &str| format!("wal append_packet path={path} offset=0 len=100");
    given.write("app.log", format!("{} {}\n", claim("a.wal"), claim("b.wal")));
    let output = given.run(&["audit", "logs", "--log", "app.log", "--patterns", "patterns", "wal"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("b.wal") && text.contains("2 claims"), "{text}");
}

/// Zeros before a line are those of a file that was cut under its writer; and what is too long may hide a claim.
#[test]
fn a_claim_behind_much_of_anything_is_found_or_said_not_to_be_read() {
    let given = Given::with_log("json");
    let text = fs::read_to_string(given.at("app.log")).unwrap();
    let good = text.lines().find(|line| line.contains("\"durable\"")).unwrap();
    let bad = good.replace("\"segment\":1,", "\"segment\":999,");
    given.write("app.log", format!("{}{bad}\n{good}\n", "\0".repeat(300_000)));
    let (told, summary) = given.audit(&[], "log", 1, "TL-920");
    assert_eq!((told.len(), &summary["verified"]), (1, &1.into()), "{summary}");
    given.write("app.log", format!("{} {bad}\n{good}\n", "x".repeat(300_000)));
    let (told, summary) = given.audit(&[], "log", 3, "TL-909");
    assert_eq!((told.len(), &summary["unverifiable"]), (1, &1.into()), "{summary}");
    assert!(told[0]["why"].as_str().unwrap().contains("too long"), "{}", told[0]);
    // Of others' lines that are no claims there may be as many as there are.
    given.write("app.log", format!("{{\n  \"a\": {{\n}}\n{good}\n"));
    let (told, _) = given.audit(&[], "log", 0, "");
    assert!(told.is_empty(), "{told:?}");
}

/// Without the manifest nobody knows which segments there were: records that are there prove no place.
#[test]
fn without_a_manifest_no_place_but_the_right_one_is_verified() {
    let given = Given::with_log("json");
    fs::write(given.at("log/MANIFEST"), "").unwrap();
    let text = fs::read_to_string(given.at("app.log")).unwrap();
    let good = text.lines().find(|line| line.contains("\"durable\"")).unwrap();
    given.write("app.log", format!("{}\n", good.replace("\"segment\":1,", "\"segment\":2,")));
    let (told, summary) = given.audit(&[], "log", 3, "TL-909");
    assert_eq!((told.len(), &summary["verified"]), (1, &0.into()), "{summary}");
}
