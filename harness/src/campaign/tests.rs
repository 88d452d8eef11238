use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use super::arms::{Arm, Ran, arm};
use super::journal::{Found, Journal, Line, MERGED, merge};
use super::live::Live;
use super::totals::Totals;
use super::{DEATHS, Shard, gather, hand_in, page, plain, run, run_arms};
use crate::command::tests::takes;
use crate::explore::Case;
use crate::subject::Plain;

/// Longer than any case here.
const LIMIT: Duration = Duration::from_secs(600);

fn shard(shard: u64) -> Shard {
    Shard { seed: 7, commit: "abc".to_owned(), shard, of: 2 }
}

fn run_for(shard: &Shard, out: &Path, milliseconds: u64) -> Totals {
    run(shard, out, Duration::from_millis(milliseconds), LIMIT, &mut |_| true).unwrap()
}

/// Runs so many cases of these arms.
fn run_cases(arms: &[Arm], out: &Path, cases: u64) -> Totals {
    run_arms(arms, &shard(0), out, LIMIT, LIMIT, &mut |totals| totals.cases < cases).unwrap()
}

/// What of a line does not depend on the time.
fn timeless(line: &Line) -> Line {
    Line { seconds: 0.0, ..line.clone() }
}

#[test]
fn two_runs_of_a_shard_are_the_same_and_a_killed_one_goes_on() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    run_for(&shard(0), one.path(), 2000);
    run_for(&shard(0), other.path(), 1000);
    let before = merge(&[other.path().into()]).unwrap().len();
    // Cut amid a line, as a kill may leave it, in a case that had begun.
    let file = shard(0).file(other.path());
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{text}{{\"seed\":7,")).unwrap();
    let begun = merge(&[one.path().into()]).unwrap();
    if let Some(next) = begun.get(before) {
        let journal = Journal::open(&shard(0), other.path()).unwrap();
        assert_eq!(journal.begin(next.index, &next.arm).unwrap(), 1);
    }
    run_for(&shard(0), other.path(), 1000);
    let lines = [&one, &other].map(|dir| merge(&[dir.path().into()]).unwrap());
    assert!(lines[1].len() > before, "it went on");
    let common = lines[0].len().min(lines[1].len());
    assert!(common > 3, "{common} cases");
    for (one, other) in lines[0].iter().zip(&lines[1]) {
        assert_eq!(timeless(one), timeless(other));
    }
    let totals = Totals::of(&lines[0]);
    assert!(totals.reached.len() > 10 && totals.findings.is_empty(), "{:?}", totals.findings);
    assert!(totals.canaries.contains_key("canary schedules"), "{:?}", totals.canaries);
    page::write(&totals, one.path()).unwrap();
    let text = std::fs::read_to_string(one.path().join("summary.md")).unwrap();
    assert!(text.contains("## Findings\n\nNone.") && text.contains("| canary schedules | 8 | 8 |"), "{text}");
    assert!(text.contains("| abc | 7 | 0/2 |"), "{text}");
    assert!(std::fs::read_to_string(one.path().join("coverage.svg")).unwrap().contains("<svg"));
}

#[test]
fn who_looks_at_a_campaign_that_runs_counts_each_whole_case_once() {
    let dir = tempfile::tempdir().unwrap();
    let shards = [shard(0), shard(1)];
    let nothing = |_: u64, _: &BTreeSet<String>| Ran::default();
    for shard in &shards {
        run_arms(&[arm("nothing".to_owned(), nothing)], shard, dir.path(), LIMIT, LIMIT, &mut |totals| {
            totals.cases < 3
        })
        .unwrap();
    }
    let mut live = Live::of(&shards, dir.path());
    let whole = Totals::of(&merge(&[dir.path().into()]).unwrap());
    assert_eq!((live.look().unwrap().cases, whole.cases), (6, 6));
    // The next line of a shard, half of which is written.
    let file = shard(1).file(dir.path());
    let text = std::fs::read_to_string(&file).unwrap();
    let line = format!("{}\n", text.lines().last().unwrap());
    std::fs::write(&file, format!("{text}{}", &line[..9])).unwrap();
    assert_eq!(live.look().unwrap().cases, 6);
    std::fs::write(&file, format!("{text}{line}")).unwrap();
    assert_eq!(live.look().unwrap().cases, 7);
    assert_eq!(live.look().unwrap().cases, 7);
}

#[test]
fn a_merge_takes_shards_in_any_order_any_number_of_times() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let [one, other, merged] = dirs.each_ref().map(|dir| dir.path().to_owned());
    run_for(&shard(0), &one, 600);
    run_for(&shard(1), &other, 600);
    // The same shard at another commit is another one.
    run_for(&Shard { commit: "def".to_owned(), ..shard(1) }, &merged, 600);
    let all = merge(&[one.clone(), other.clone(), merged.clone()]).unwrap();
    assert_eq!(all, merge(&[merged.clone(), other.clone(), one.clone()]).unwrap());
    assert_eq!(all, merge(&[one.clone(), other.clone(), one.clone(), merged.clone()]).unwrap());
    let shards: BTreeSet<_> = all.iter().map(Line::shard_key).collect();
    assert_eq!(shards.len(), 3, "{shards:?}");
    let lines: Vec<String> = all.iter().map(|line| serde_json::to_string(line).unwrap()).collect();
    std::fs::write(merged.join("merged.jsonl"), lines.join("\n") + "\n").unwrap();
    assert_eq!(all, merge(&[merged, one]).unwrap(), "a merge can be merged again");
}

#[test]
fn what_campaigns_found_is_gathered_in_any_order() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let paths = dirs.each_ref().map(|dir| dir.path().to_owned());
    for (dir, text) in paths.iter().zip(["b", "a"]) {
        let folder = dir.join("found/acked-is-durable");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("both.md"), text).unwrap();
        std::fs::write(folder.join(format!("only-{text}.md")), text).unwrap();
    }
    let gathered = |dirs: &[std::path::PathBuf]| {
        let out = tempfile::tempdir().unwrap();
        gather(dirs, out.path()).unwrap();
        // What an earlier merge has put there goes, and only that.
        std::fs::write(out.path().join("found/stale.md"), "stale").unwrap();
        assert!(gather(dirs, out.path()).is_err(), "nothing says that it is a merge");
        std::fs::write(out.path().join(MERGED), "").unwrap();
        gather(dirs, out.path()).unwrap();
        assert!(!out.path().join("found/stale.md").exists());
        let folder = out.path().join("found/acked-is-durable");
        let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
        ["both.md", "only-a.md", "only-b.md"].map(read)
    };
    let [one, other] = paths;
    assert_eq!(gathered(&[one.clone(), other.clone()]), ["a", "a", "b"]);
    assert_eq!(gathered(&[other, one]), ["a", "a", "b"]);
}

/// Runs nothing, and reaches nothing.
fn idle() -> Arm {
    arm("idle".to_owned(), |_, _| Ran::default())
}

#[test]
fn a_killed_case_is_run_again_and_one_that_ends_the_process_again_is_a_finding() {
    let dir = tempfile::tempdir().unwrap();
    let begin = |times: u64| {
        let journal = Journal::open(&shard(0), dir.path()).unwrap();
        for time in 1..=times {
            assert_eq!(journal.begin(journal.next(), "idle").unwrap(), time);
        }
    };
    begin(1);
    let totals = run_cases(&[idle()], dir.path(), 1);
    assert!(totals.findings.is_empty() && totals.cases == 1, "a kill is nobody's fault: {totals:?}");
    begin(DEATHS);
    let totals = run_cases(&[idle()], dir.path(), 3);
    assert_eq!(totals.cases, 3, "the next one is run");
    let (found, times) = totals.findings.values().next().expect("a finding");
    assert!(found.invariant == "harness" && found.says.contains("ended 2 times inside case 1"), "{found:?}");
    assert_eq!((*times, takes(&found.replay)), (1, Ok(())), "{}", found.replay);
    let page = dir.path().join(found.page.as_ref().expect("a page"));
    assert!(std::fs::read_to_string(page).unwrap().contains(&found.replay));
}

#[test]
fn a_panic_is_a_finding_with_a_page_and_the_shard_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let panics = arm("panics".to_owned(), |_, _| panic!("acked-is-durable: LSN 3 is gone"));
    let totals = run_cases(&[panics, idle()], dir.path(), 4);
    assert!(totals.cases == 4 && totals.arms["idle"].cases > 0, "{totals:?}");
    let (signature, (found, times)) = totals.findings.iter().next().expect("a finding");
    assert!(
        signature.starts_with("acked-is-durable: a panic: acked-is-durable: LSN # is gone"),
        "{signature}"
    );
    assert_eq!((totals.findings.len(), found.again, *times), (1, 2, totals.arms["panics"].cases));
    assert_eq!(takes(&found.replay), Ok(()));
    page::write(&totals, dir.path()).unwrap();
    let summary = std::fs::read_to_string(dir.path().join("summary.md")).unwrap();
    let page = found.page.as_ref().expect("a page");
    assert!(dir.path().join(page).exists() && summary.contains(&format!("]({page})")), "{summary}");
    assert!(summary.contains("It has no trace: no case of the explorer shows it."), "{summary}");
}

#[test]
fn a_signature_is_proposed_until_one_of_it_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let line = |index, told: bool| {
        let found = Found {
            page: Some("found/a.md".to_owned()),
            untold: (!told).then(|| "a failing call that is no step, and then a crash".to_owned()),
            ..Found::harness("LSN 1 is gone".to_owned())
        };
        shard(0).line(index, "idle", Ran { found: Some(found), ..Ran::default() }, Duration::ZERO)
    };
    let handed_in = |totals: &Totals| {
        let found = Some(Found::harness("LSN 2 is gone".to_owned()));
        let mut ran = Ran { found, ..Ran::default() };
        hand_in(&mut ran, &idle(), "cargo verify list".to_owned(), totals, dir.path());
        ran.found.expect("it stays").page
    };
    let mut totals = Totals::default();
    assert!(handed_in(&totals).is_some());
    totals.add(&line(0, false));
    assert!(handed_in(&totals).is_some(), "the first could not be told");
    totals.add(&line(1, true));
    assert_eq!(handed_in(&totals), None);
    assert_eq!(totals.findings.len(), 1);
}

#[test]
fn another_seed_or_commit_in_the_same_directory_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    run_cases(&[idle()], dir.path(), 1);
    let others = [Shard { seed: 8, ..shard(0) }, Shard { commit: "def".to_owned(), ..shard(0) }];
    for other in others {
        let error = Journal::open(&other, dir.path()).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
        assert!(error.to_string().contains("seed 7 on commit abc") && error.to_string().contains("--out"));
    }
    assert!(Journal::open(&shard(0), dir.path()).is_ok());
}

#[test]
fn a_finding_that_needs_threads_gets_a_page_that_says_who_did_what() {
    use crate::schedules::{LYING, Strategy, explore};
    let dir = tempfile::tempdir().unwrap();
    let found = explore(&LYING, &Strategy::Random, 1, 3).found.expect("a disk that lies loses records");
    let (mut found, story) = super::arms::of_schedule(&LYING, &Strategy::Random, &found);
    assert_eq!(found.case, None, "on a disk that does not lie nothing is lost");
    assert!(!found.violation.contains("moment") && !found.signature().contains("canary-lying"), "{found:?}");
    assert_eq!((found.kinds.as_str(), takes(&found.replay)), ("power", Ok(())));
    found.untold = Some("one thread does not break it".to_owned());
    let page = plain::write(&found, &story, None, dir.path()).unwrap();
    assert!(page.starts_with("found/acked-is-durable/canary-lying-disk-"), "{page}");
    let text = std::fs::read_to_string(dir.path().join(page)).unwrap();
    for part in ["| client 1 | append 8 |", "1. client ", "The crash: moment ", "power keep=", &found.replay]
    {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
}

#[test]
fn what_schedules_find_is_told_by_the_fewest_acts_and_switches_and_told_once() {
    use crate::schedules::{LYING, Strategy, explore};
    let dir = tempfile::tempdir().unwrap();
    let hand = |seed: u64, totals: &Totals| {
        let found =
            explore(&LYING, &Strategy::Random, seed, 3).found.expect("a disk that lies loses records");
        let (found, story) = super::arms::of_schedule(&LYING, &Strategy::Random, &found);
        let mut ran = Ran { found: Some(found), story: Some(story), ..Ran::default() };
        hand_in(&mut ran, &idle(), String::new(), totals, dir.path());
        ran
    };
    let ran = hand(1, &Totals::default());
    let found = ran.found.clone().expect("it stays");
    // One client appends, the other has nothing to do; nobody has to give way.
    assert_eq!((found.untold.as_ref(), takes(&found.replay)), (None, Ok(())));
    let least = [" --without 0.1", " --without 1.1"].iter().any(|without| found.replay.ends_with(without));
    assert!(least && found.replay.contains("canary-lying-disk ") && found.replay.contains("+ "), "{found:?}");
    let text = std::fs::read_to_string(dir.path().join(found.page.as_ref().expect("a page"))).unwrap();
    let parts = [
        "It takes 1 act of",
        "and 0 switches",
        "Each of these acts is needed",
        "**append 8**<br>",
        "power keep=",
    ];
    for part in parts {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
    let line = shard(0).line(0, "idle", ran, Duration::ZERO);
    let totals = Totals::of(&[line]);
    assert_eq!(hand(2, &totals).found.expect("it stays").page, None, "of one signature one page is enough");
}

/// What becomes of a finding that a write to the log's own volume goes wrong in silence: no engine survives that.
fn silent(kind: &str, dir: &Path) -> Found {
    let breaks = |case: &String| {
        let case: Case = case.parse().unwrap();
        case.broken::<Plain>().ok()?.first().copied()
    };
    let cases = (0..40).flat_map(|call| (0..90).step_by(3).map(move |at| (call, at)));
    let mut cases = cases.map(|(call, at)| format!("random: append !{call}:{kind} @ {at} power none"));
    let (case, broken) =
        cases.find_map(|case| breaks(&case).map(|broken| (case, broken))).expect("it breaks");
    let found = Found {
        invariant: broken.to_string(),
        replay: format!("cargo verify case \"{case}\""),
        case: Some(case),
        ..Found::harness("LSN 1 is gone".to_owned())
    };
    let mut ran = Ran { found: Some(found), ..Ran::default() };
    hand_in(&mut ran, &idle(), "cargo verify list".to_owned(), &Totals::default(), dir);
    ran.found.expect("it stays")
}

#[test]
fn a_finding_of_a_failing_call_is_proposed_as_a_trace_with_its_page() {
    let dir = tempfile::tempdir().unwrap();
    let found = silent("lost", dir.path());
    assert_eq!(found.untold, None);
    let page = dir.path().join(found.page.expect("a page"));
    let trace = std::fs::read_to_string(page.with_extension("trace")).unwrap();
    assert!(trace.contains(" write ignored\n"), "{trace}");
    let page = std::fs::read_to_string(page).unwrap();
    let parts = [
        "**No step can be left out.** Each of the 2 steps",
        "**Right, the nearest variant that passes.** The same crash",
        "**The code as it is has this bug.**",
        "will be ignored by the device",
    ];
    for part in parts {
        assert!(page.contains(part), "no {part:?} in\n{page}");
    }
}

#[test]
fn a_page_without_a_trace_says_what_is_needed_and_what_passes() {
    let dir = tempfile::tempdir().unwrap();
    let found = silent("flipped", dir.path());
    let untold = found.untold.expect("no trace tells it");
    assert!(untold.contains("a write that reaches the device with a bit flipped"), "{untold}");
    let text = std::fs::read_to_string(dir.path().join(found.page.expect("a page"))).unwrap();
    for part in
        ["**No step can be left out.** Each of the 2 steps", "**Right, the nearest variant that passes.**"]
    {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
}
