use std::time::Duration;

use super::journal::{Begun, Found, Journal, Line, Totals, merge};
use super::{Shard, page, run};

const SHARD: Shard = Shard { seed: 7, shard: 0, of: 2 };

/// What of a line does not depend on the time.
fn timeless(line: &Line) -> Line {
    Line { seconds: 0.0, ..line.clone() }
}

#[test]
fn two_runs_of_a_shard_are_the_same_and_a_killed_one_goes_on() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    run(SHARD, one.path(), Duration::from_secs(2), &mut |_| true).unwrap();
    run(SHARD, other.path(), Duration::from_secs(1), &mut |_| true).unwrap();
    let before = merge(&[other.path().into()]).unwrap().len();
    // Cut amid a line, as a kill may leave it.
    let file = SHARD.file(other.path());
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{text}{{\"seed\":7,")).unwrap();
    run(SHARD, other.path(), Duration::from_secs(1), &mut |_| true).unwrap();
    let lines = [&one, &other].map(|dir| merge(&[dir.path().into()]).unwrap());
    assert!(lines[1].len() > before, "it went on");
    let common = lines[0].len().min(lines[1].len());
    assert!(common > 3, "{common} cases");
    for (one, other) in lines[0].iter().zip(&lines[1]) {
        assert_eq!(timeless(one), timeless(other));
    }
    let totals = Totals::of(&lines[0]);
    assert!(totals.reached.len() > 10 && totals.findings.is_empty(), "{:?}", totals.findings);
    page::write(&totals, one.path()).unwrap();
    let text = std::fs::read_to_string(one.path().join("summary.md")).unwrap();
    assert!(text.contains("## Findings\n\nNone.") && text.contains("| run |"), "{text}");
    assert!(std::fs::read_to_string(one.path().join("coverage.svg")).unwrap().contains("<svg"));
}

#[test]
fn a_merge_takes_shards_in_any_order_any_number_of_times() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    for (shard, dir) in (0..).zip(&dirs) {
        let shard = Shard { shard, ..SHARD };
        run(shard, dir.path(), Duration::from_millis(600), &mut |_| true).unwrap();
    }
    let [one, other] = dirs.each_ref().map(|dir| dir.path().to_owned());
    let merged = merge(&[one.clone(), other.clone()]).unwrap();
    assert_eq!(merged, merge(&[other.clone(), one.clone()]).unwrap());
    assert_eq!(merged, merge(&[one.clone(), other, one]).unwrap());
    assert!(merged.iter().any(|line| line.shard == 1) && merged.iter().any(|line| line.shard == 0));
}

#[test]
fn a_case_that_ended_the_process_is_a_finding_and_the_next_one_is_run() {
    let dir = tempfile::tempdir().unwrap();
    run(SHARD, dir.path(), Duration::from_millis(1), &mut |_| true).unwrap();
    let journal = Journal::open(SHARD, dir.path()).unwrap();
    let next = journal.next();
    // The arm that this case will be of is written down as the campaign itself does.
    let arms = super::arms::all();
    let arm = super::choose(&arms, &Totals::of(journal.lines()), next).name.clone();
    assert_eq!(journal.begin(next, &arm).unwrap(), Begun::First);
    drop(journal);
    let totals = run(SHARD, dir.path(), Duration::from_millis(1), &mut |_| true).unwrap();
    let (found, times) = totals.findings.values().next().expect("a finding");
    assert!(found.invariant == "harness" && found.says.contains("ended inside") && *times == 1);
}

#[test]
fn another_seed_in_the_same_directory_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    run(SHARD, dir.path(), Duration::from_millis(1), &mut |_| true).unwrap();
    let error = Journal::open(Shard { seed: 8, ..SHARD }, dir.path()).unwrap_err();
    assert!(error.to_string().contains("seed 7"), "{error}");
}

#[test]
fn findings_that_differ_in_numbers_only_are_one() {
    let found = |says: &str| Found {
        invariant: "acked-is-durable".to_owned(),
        says: says.to_owned(),
        replay: String::new(),
        again: 2,
    };
    assert_eq!(found("LSN 12 is gone").signature(), found("LSN 7 is gone").signature());
    assert_ne!(found("LSN 12 is gone").signature(), found("LSN 12 came back").signature());
}
