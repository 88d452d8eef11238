//! The simulated disk held against what real kernels left (tests/data/litmus.md): for each row and each profile the
//! full reachable set is pinned, contains what was seen, and excludes what the profile's rules forbid.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use truelog_env::{File, Fs, IoError, OpenMode};
use truelog_harness::fabric::{Image, Profile, Rule, SimFs};

const TABLE: &str = include_str!("data/litmus.md");
const DIR: &str = "/vol";
/// Pages are written as a whole here: the sets stay small enough to read.
const SECTOR: u32 = 4096;

/// The rows of the table, then some of our own (not measured) for rules that no measured row tells apart.
const ROWS: [&str; 25] = [
    "a", "b", "c", "d", "d2", "d3", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p", "q", "r",
    "s", "u", "v", "x1", "x2",
];

struct Stage(SimFs);

impl Stage {
    fn new(profile: Profile) -> Result<Self, IoError> {
        // Garbage in sectors in flight would multiply each set, and no row is about it; `fabric` has tests of its own for it.
        let stage = Self(SimFs::new(profile.sector(SECTOR).no_garbage()));
        for (name, byte) in [("old", b'O'), ("seg", b'S'), ("man", b'M'), ("other", b'X')] {
            stage.create(name, byte, 8192)?.sync_all()?;
        }
        stage.0.sync_dir(Path::new(DIR))?;
        Ok(stage)
    }

    fn create(&self, name: &str, byte: u8, len: usize) -> Result<Box<dyn File>, IoError> {
        let file = self.0.open(&path(name), OpenMode::CREATE)?;
        file.write_at(&vec![byte; len], 0)?;
        Ok(file)
    }

    fn open(&self, name: &str) -> Result<Box<dyn File>, IoError> {
        self.0.open(&path(name), OpenMode::WRITE)
    }

    fn append(&self, name: &str, byte: u8) -> Result<Box<dyn File>, IoError> {
        let file = self.open(name)?;
        let end = file.metadata()?.len;
        file.write_at(&[byte; 4096], end)?;
        Ok(file)
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), IoError> {
        self.0.rename(&path(from), &path(to))
    }

    fn unlink(&self, name: &str) -> Result<(), IoError> {
        self.0.unlink(&path(name))
    }

    fn sync_other(&self) -> Result<(), IoError> {
        self.open("other")?.sync_all()
    }

    fn sync_dir(&self) -> Result<(), IoError> {
        self.0.sync_dir(Path::new(DIR))
    }
}

fn path(name: &str) -> PathBuf {
    Path::new(DIR).join(name)
}

/// The operations of a row.
fn perform(row: &str, on: &Stage) -> Result<(), IoError> {
    match row {
        "a" => on.create("new", b'N', 5000)?.sync_data(),
        "b" => on.create("new", b'N', 5000).map(drop),
        "c" | "d" => {
            let tmp = on.create("tmp", b'T', 8192)?;
            tmp.sync_all()?;
            on.rename("tmp", "old")?;
            if row == "d" { tmp.sync_all() } else { Ok(()) }
        }
        "d2" => {
            on.create("tmp", b'T', 8192)?.sync_all()?;
            on.rename("tmp", "wal1")?;
            on.append("wal1", b'A')?.sync_data()
        }
        "d3" => {
            on.rename("seg", "wal2")?;
            let wal = on.open("wal2")?;
            wal.write_at(&[b'Z'; 4096], 0)?;
            wal.sync_data()
        }
        "e" => on.append("man", b'A').and_then(|_| on.sync_other()),
        // sync_file_range promises nothing: the simulated disk does nothing.
        "f" => on.append("man", b'A').map(drop),
        "g" => {
            on.append("man", b'A')?;
            on.unlink("seg")?;
            on.sync_other()
        }
        "h" => {
            on.open("man")?.write_at(&[b'A'; 8192], 0)?;
            on.unlink("seg")?;
            on.sync_other()
        }
        "i" | "j" => {
            let pre = on.create("pre", b'P', 0)?;
            pre.allocate(65536)?;
            pre.write_at(&[b'P'; 4096], 0)?;
            if row == "i" { pre.sync_data() } else { on.sync_other() }
        }
        "k" => {
            on.0.create_dir(&path("dd"))?;
            on.create("dd/f", b'D', 4096)?.sync_all()
        }
        "l" => {
            let through = OpenMode { write_through: true, ..OpenMode::WRITE };
            on.0.open(&path("man"), through)?.write_at(&[b'A'; 4096], 8192).map(drop)
        }
        _ => perform_rest(row, on),
    }
}

fn perform_rest(row: &str, on: &Stage) -> Result<(), IoError> {
    match row {
        "m" | "n" | "v" => {
            on.create("tmp", b'T', 8192)?;
            on.rename("tmp", if row == "n" { "old" } else { "fin" })?;
            if row == "v" { on.sync_dir() } else { on.sync_other() }
        }
        "o" => on.unlink("seg"),
        "p" => on.unlink("seg").and_then(|()| on.sync_other()),
        "q" => on.0.truncate(&path("man"), 100).and_then(|()| on.sync_other()),
        "r" => {
            on.0.truncate(&path("man"), 100)?;
            let man = on.open("man")?;
            man.write_at(&[b'R'; 50], 100)?;
            man.sync_data()
        }
        "s" => {
            on.append("man", b'1')?;
            on.append("man", b'2')?;
            on.sync_other()
        }
        "u" => {
            on.create("new", b'N', 5000)?;
            on.sync_dir()
        }
        // Two names, one after the other: which may persist alone?
        "x1" => on.unlink("seg").and_then(|()| on.create("new", b'N', 0)).map(drop),
        // The second name is synced: does the first come along?
        "x2" => on.unlink("seg").and_then(|()| on.create("new", b'N', 4096)?.sync_all()),
        _ => panic!("no row {row}"),
    }
}

/// A file as the table tells of it.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    len: u64,
    first: u8,
    zeros: u64,
}

/// `12288 B of M`, `16384 B of M, 4096 B zeros`, `65536 B, all zeros`, `empty`, `absent`.
fn parse(text: &str) -> Option<Seen> {
    let number = |text: &str| text.split(' ').next().and_then(|n| n.parse().ok()).expect("a number");
    if text == "absent" {
        return None;
    }
    if text == "empty" {
        return Some(Seen { len: 0, first: 0, zeros: 0 });
    }
    let len = number(text);
    if text.ends_with("all zeros") {
        return Some(Seen { len, first: 0, zeros: len });
    }
    let first = text.split(" B of ").nth(1).and_then(|rest| rest.bytes().next()).expect("a first byte");
    Some(Seen { len, first, zeros: text.split(", ").nth(1).map_or(0, number) })
}

fn look(image: &Image, name: &str) -> Option<Seen> {
    let bytes = image.read(&path(name))?;
    let zeros = bytes.iter().filter(|byte| **byte == 0).count() as u64;
    Some(Seen { len: bytes.len() as u64, first: bytes.first().copied().unwrap_or(0), zeros })
}

fn shows(image: &Image, state: &str) -> bool {
    state.split("; ").all(|part| {
        let (name, what) = part.split_once(": ").expect("name: what");
        look(image, name) == parse(what)
    })
}

/// All images that a crash after the row's operations can leave.
fn reachable(row: &str, profile: Profile) -> Vec<Image> {
    let stage = Stage::new(profile).expect("the baseline");
    perform(row, &stage).expect("the operations of a row succeed");
    let mut images = stage.0.snapshot().images(1 << 16, 0);
    let all = images.by_ref().map(|crash| crash.image).collect();
    assert!(images.coverage().exhausted, "row {row} on {profile}: {:?}", images.coverage());
    all
}

/// A state in a line: only what differs from the baseline, runs of equal bytes by length (`_` is a zero).
fn describe(image: &Image) -> String {
    let mut files = image.names(Path::new(DIR)).expect("the directory");
    if files.iter().any(|name| name == "dd") {
        let below = image.names(&path("dd")).expect("the directory below");
        files.extend(below.into_iter().map(|name| format!("dd/{name}")));
    }
    let mut line = String::new();
    for (name, byte) in [("old", b'O'), ("seg", b'S'), ("man", b'M'), ("other", b'X')] {
        if !files.iter().any(|file| file == name) {
            let _ = write!(line, "no {name}; ");
        } else if image.read(&path(name)).is_some_and(|bytes| bytes == [byte; 8192]) {
            files.retain(|file| file != name);
        }
    }
    for name in files {
        let _ = write!(line, "{name}");
        let bytes = image.read(&path(&name)).unwrap_or_default();
        for run in bytes.chunk_by(|one, two| one == two) {
            let byte = if run[0] == 0 { '_' } else { char::from(run[0]) };
            let _ = write!(line, " {}{byte}", run.len());
        }
        line.push_str("; ");
    }
    if line.is_empty() { "as before".to_owned() } else { line.trim_end_matches("; ").to_owned() }
}

fn states(row: &str, profile: Profile) -> BTreeSet<String> {
    reachable(row, profile).iter().map(describe).collect()
}

#[test]
fn every_row_has_its_pinned_reachable_set() {
    let mut pinned = String::new();
    for row in ROWS {
        // Profiles with the same set share one list.
        let mut sets: BTreeMap<BTreeSet<String>, Vec<&str>> = BTreeMap::new();
        for profile in Profile::ALL {
            sets.entry(states(row, profile)).or_default().push(profile.name);
        }
        let mut sets: Vec<_> = sets.into_iter().map(|(set, names)| (names.join(" "), set)).collect();
        sets.sort();
        for (names, set) in sets {
            let _ = writeln!(pinned, "{row} {names}: {}", set.len());
            for state in set {
                let _ = writeln!(pinned, "    {state}");
            }
        }
    }
    insta::assert_snapshot!(pinned);
}

#[test]
fn what_a_kernel_left_is_reachable() {
    let mut checked = 0;
    for line in TABLE.lines().filter(|line| line.starts_with("| ")).skip(1) {
        let cells: Vec<_> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let row = cells[0];
        for (profile, seen) in [Profile::EXT4, Profile::XFS, Profile::BTRFS].iter().zip(&cells[2..]) {
            for profile in [*profile, Profile::W] {
                let found = reachable(row, profile).iter().any(|image| shows(image, seen));
                assert!(found, "row {row} on {profile}: {seen} is not reachable");
                checked += 1;
            }
        }
    }
    assert_eq!(checked, 23 * 3 * 2, "every row of the table, every file system, and W");
}

#[test]
fn what_the_rules_forbid_is_not_reachable() {
    let forbidden = [
        ("a", "ext4 xfs btrfs", "new: absent"),
        ("c", "ext4 xfs btrfs", "old: 8192 B of T; tmp: 8192 B of T"),
        ("c", "W ext4 xfs btrfs", "old: absent"),
        ("c", "W ext4 xfs btrfs", "old: empty"),
        ("d", "ext4 xfs btrfs", "old: 8192 B of O"),
        ("d2", "ext4 xfs btrfs", "wal1: absent"),
        ("d3", "xfs btrfs", "wal2: absent"),
        ("d3", "W ext4 xfs btrfs", "seg: absent; wal2: absent"),
        ("d3", "W ext4 xfs btrfs", "seg: 8192 B of S"),
        ("e", "xfs btrfs", "man: 12288 B of M, 4096 B zeros"),
        ("i", "W ext4 xfs btrfs", "pre: 65536 B, all zeros"),
        ("i", "ext4 xfs btrfs", "pre: absent"),
        ("k", "ext4 xfs btrfs", "dd/f: absent"),
        ("l", "W ext4 xfs btrfs", "man: 8192 B of M"),
        ("m", "ext4 xfs btrfs", "fin: empty; tmp: empty"),
        ("m", "W ext4 xfs btrfs", "fin: 16384 B of T"),
        ("n", "ext4", "old: empty; tmp: absent"),
        ("r", "W ext4 xfs btrfs", "man: 100 B of M"),
        ("u", "W ext4 xfs btrfs", "new: absent"),
        ("v", "W ext4 xfs btrfs", "fin: absent"),
        ("x1", "ext4 xfs btrfs", "seg: 8192 B of S; new: empty"),
        ("x2", "ext4 xfs", "seg: 8192 B of S"),
    ];
    for (row, profiles, state) in forbidden {
        for profile in
            Profile::ALL.iter().filter(|profile| profiles.split(' ').any(|name| name == profile.name))
        {
            let found = reachable(row, *profile).iter().any(|image| shows(image, state));
            assert!(!found, "row {row} on {profile}: {state} is reachable");
        }
    }
}

#[test]
fn every_rule_narrows_and_at_least_one_row_shows_it() {
    let mut matrix = String::new();
    for profile in Profile::ALL {
        for rule in profile.rules() {
            let mut shown = Vec::new();
            for row in ROWS {
                let (with, without) = (states(row, profile), states(row, profile.without(rule)));
                // In a log tree (no N2) the very promise that a sync names its file lets it overtake the rest.
                let overtakes =
                    row == "x2" && rule == Rule::SyncNamesNewFile && !profile.keeps(Rule::OneJournal);
                assert!(overtakes || with.is_subset(&without), "row {row} on {profile}: {rule} adds states");
                let more = without.difference(&with).count();
                if more > 0 {
                    shown.push(format!("{row}+{more}"));
                }
            }
            let _ = writeln!(matrix, "{profile} {rule}: {}", shown.join(" "));
            assert!(!shown.is_empty(), "{rule} of {profile} changes no row; so far:\n{matrix}");
        }
    }
    insta::assert_snapshot!(matrix);
}

#[test]
fn each_profile_lies_within_worst_case_posix() {
    for row in ROWS {
        let all = states(row, Profile::W);
        for profile in Profile::ALL {
            let some = states(row, profile);
            assert!(some.is_subset(&all), "row {row} on {profile}: {:?}", some.difference(&all).next());
        }
    }
    assert_eq!(Rule::ALL.len(), 9);
}
