//! Journals that were cut, are run by somebody else, or do not fit.

use std::io::ErrorKind;

use super::*;

fn shard() -> Shard {
    Shard { seed: 7, commit: "abc".to_owned(), shard: 0, of: 2 }
}

fn line(index: u64, found: Option<Found>) -> Line {
    let Shard { seed, commit, shard, of } = shard();
    let (arm, counts) = ("idle".to_owned(), BTreeMap::new());
    Line { commit, seed, shard, of, index, arm, seconds: 1.0, counts, reached: Vec::new(), found }
}

/// A shard's file with these cases.
fn keep(out: &Path, lines: &[Line]) {
    let texts = lines.iter().map(|line| serde_json::to_string(line).unwrap() + "\n");
    fs::write(shard().file(out), texts.collect::<String>()).unwrap();
}

fn refused(out: &Path, shard: &Shard) -> (ErrorKind, String) {
    let error = Journal::open(shard, out).unwrap_err();
    (error.kind(), error.to_string())
}

#[test]
fn one_process_runs_a_shard() {
    let dir = tempfile::tempdir().unwrap();
    let first = Journal::open(&shard(), dir.path()).unwrap();
    let (kind, says) = refused(dir.path(), &shard());
    assert!(kind == ErrorKind::ResourceBusy && says.contains("another process runs the shard"), "{says}");
    drop(first);
    assert!(Journal::open(&shard(), dir.path()).is_ok(), "it is free again");
}

#[test]
fn a_tail_that_is_no_text_is_cut_off() {
    let dir = tempfile::tempdir().unwrap();
    keep(dir.path(), &[line(0, None)]);
    let mut bytes = fs::read(shard().file(dir.path())).unwrap();
    bytes.extend(b"{\"seed\": \xff\xfe");
    fs::write(shard().file(dir.path()), bytes).unwrap();
    assert_eq!(merge(&[dir.path().into()]).unwrap().len(), 1);
    assert_eq!(Journal::open(&shard(), dir.path()).unwrap().next(), 1);
}

#[test]
fn a_case_that_is_there_twice_or_missing_is_told() {
    let dir = tempfile::tempdir().unwrap();
    for indices in [[0, 0], [0, 2]] {
        keep(dir.path(), &indices.map(|index| line(index, None)));
        let (kind, says) = refused(dir.path(), &shard());
        assert!(
            kind == ErrorKind::InvalidData && says.contains("line 2, where case 1 of shard 0/2"),
            "{says}"
        );
    }
    fs::write(shard().file(dir.path()), "garbage\n").unwrap();
    assert!(refused(dir.path(), &shard()).1.contains("line 1 is no case"));
}

#[test]
fn a_campaign_is_divided_once() {
    let dir = tempfile::tempdir().unwrap();
    keep(dir.path(), &[line(0, None)]);
    let (kind, says) = refused(dir.path(), &Shard { of: 1, ..shard() });
    assert!(
        kind == ErrorKind::InvalidInput && says.contains("is divided into 2 shards, and this one into 1"),
        "{says}"
    );
    assert!(
        Journal::open(&Shard { shard: 1, ..shard() }, dir.path()).is_ok(),
        "another of its shards is welcome"
    );
}

#[test]
fn of_two_runs_of_a_case_the_one_that_found_something_stays() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let found = Found { invariant: "zzz".to_owned(), ..Found::default() };
    let dirs = dirs.each_ref().map(|dir| dir.path().to_owned());
    keep(&dirs[0], &[line(0, None)]);
    keep(&dirs[1], &[Line { seconds: 9.0, ..line(0, Some(found.clone())) }]);
    let merged = merge(&dirs).unwrap();
    assert_eq!(merged.iter().map(|line| line.found.clone()).collect::<Vec<_>>(), [Some(found)]);
    assert_eq!(merged, merge(&[dirs[1].clone(), dirs[0].clone()]).unwrap());
}

#[test]
fn a_case_of_a_merge_can_be_run_again_where_the_merge_is() {
    let dir = tempfile::tempdir().unwrap();
    let lines = [line(0, None), line(1, None)];
    let other = Line { shard: 1, ..line(0, None) };
    let texts = lines.iter().chain([&other]).map(|line| serde_json::to_string(line).unwrap() + "\n");
    fs::write(dir.path().join(MERGED), texts.collect::<String>()).unwrap();
    assert_eq!(kept(&shard(), dir.path()).unwrap(), lines);
    let replay = "cargo verify campaign --seed 7 --shard 0/2 --case 1 --out /elsewhere/campaign".to_owned();
    let found = Found { replay, ..Found::default() };
    let here = found.replay_in(Path::new("merged"));
    assert_eq!(here, "cargo verify campaign --seed 7 --shard 0/2 --case 1 --out merged");
    let schedule = Found { replay: "cargo verify schedule pair 0.1".to_owned(), ..Found::default() };
    assert_eq!(schedule.replay_in(Path::new("merged")), schedule.replay);
}
