//! Campaigns of the real command: what becomes of shards that die.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

fn verify(arguments: &[&str], out: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_verify"));
    command.args(arguments).arg("--out").arg(out).env("TRUELOG_COMMIT", "abc");
    command.output().expect("the verifier runs")
}

fn summary(out: &Path) -> String {
    fs::read_to_string(out.join("summary.md")).expect("a summary")
}

#[test]
fn a_case_without_an_end_becomes_a_finding_and_its_shard_goes_on() {
    let dir = tempfile::tempdir().expect("a directory");
    // Every case runs for longer than that.
    let campaign = ["campaign", "--seed", "7", "--case-minutes", "0.000001", "--minutes"];
    let ended = verify(&[&campaign[..], &["0.1"]].concat(), dir.path());
    let says = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(1), "{says}");
    assert!(says.contains("the process is ended") && says.contains("ended 2 times inside case 0"), "{says}");
    let text = summary(dir.path());
    assert!(text.contains("| abc | 7 | 0/1 |") && text.contains("### harness: the process ended"), "{text}");
    let cases = fs::read_to_string(dir.path().join("shard-0-of-1.jsonl")).expect("cases");
    assert!(cases.lines().count() > 3, "it goes on behind such a case: {cases}");
    assert!(fs::read_dir(dir.path().join("found/harness")).expect("pages").count() > 0);
    // Another commit is refused, and nothing is run.
    let mut command = Command::new(env!("CARGO_BIN_EXE_verify"));
    command.args(campaign).arg("0.1").arg("--out").arg(dir.path()).env("TRUELOG_COMMIT", "def");
    let refused = command.output().expect("the verifier runs");
    let says = String::from_utf8_lossy(&refused.stderr);
    assert!(refused.status.code() == Some(2) && says.contains("on commit abc"), "{says}");
}

#[test]
fn shards_go_side_by_side_and_what_is_merged_can_be_merged_again() {
    let dirs = [(); 3].map(|()| tempfile::tempdir().expect("a directory"));
    let [one, merged, again] = dirs.each_ref().map(tempfile::TempDir::path);
    let ended = verify(&["campaign", "--seed", "7", "--jobs", "2", "--minutes", "0.05"], one);
    // So short a campaign need not come to each kind of case, and is incomplete then.
    let end = ended.status.code();
    assert!(matches!(end, Some(0 | 3)), "{}", String::from_utf8_lossy(&ended.stderr));
    for shard in 0..2 {
        let lines = fs::read_to_string(one.join(format!("shard-{shard}-of-2.jsonl"))).expect("a shard");
        assert!(lines.lines().count() > 2, "{lines}");
    }
    let path = |path: &Path| path.to_str().expect("a path").to_owned();
    assert_eq!(verify(&["merge", &path(one)], merged).status.code(), end);
    assert_eq!(verify(&["merge", &path(merged), &path(one)], again).status.code(), end);
    assert_eq!(summary(merged), summary(again));
    assert_eq!(summary(one), summary(again));
    // A case is run again where those before it are.
    let case = ["campaign", "--seed", "7", "--shard", "1/2", "--case", "1"];
    let ended = verify(&case, one);
    assert!(String::from_utf8_lossy(&ended.stdout).contains("finds nothing"), "{ended:?}");
    let nowhere = ["campaign", "--seed", "7", "--shard", "1/2", "--case", "9999"];
    assert_eq!(verify(&nowhere, one).status.code(), Some(2));
}

#[test]
fn an_input_is_run_again_in_words_and_what_holds_is_not_kept() {
    let run = |arguments: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_verify")).args(arguments).output().expect("the verifier runs")
    };
    let ended = run(&["input", "step_text", "636c69656e7420637265617465"]);
    let says = String::from_utf8_lossy(&ended.stdout);
    assert!(ended.status.success() && says.contains("client create") && says.ends_with("holds\n"), "{says}");
    for (wrong, code) in [
        (&["input", "nowhere", "07"][..], 2),
        (&["input", "batch", "0"], 2),
        (&["promote", "cargo verify input batch 07"], 1),
        (&["promote", "input batch 7"], 2),
    ] {
        assert_eq!(run(wrong).status.code(), Some(code), "{wrong:?}");
    }
}
