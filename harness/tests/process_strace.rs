//! The parser of strace's output, and the judgement of receipts by it.

use std::path::{Path, PathBuf};

use truelog_harness::process::acks;
use truelog_harness::process::strace::{Arg, Outcome, parse};

#[test]
fn calls_have_a_beginning_an_end_arguments_and_an_outcome() {
    let trace = concat!(
        "8979  openat(AT_FDCWD</tmp/x>, \"a,b<c>.txt\", O_RDWR|O_CREAT|O_DSYNC|O_CLOEXEC, 0777) = 3</tmp/x/a,b\\74c\\76.txt>\n",
        "9020  1795297906.762809 pwrite64(3</tmp/x/a,b\\74c\\76.txt>, \"x\\n\\\"\\\\\\0\\1Y\\377\"..., 27, 4096 <unfinished ...>\n",
        "9021  fdatasync(3</tmp/x/a,b\\74c\\76.txt> <unfinished ...>\n",
        "9020  <... pwrite64 resumed>) = 27\n",
        "9021  <... fdatasync resumed>) = -1 EIO (Input/output error) (INJECTED)\n",
        "9021  --- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_EXITED} ---\n",
        "9021  pwrite64(3</tmp/x/q>(deleted), \"kk\", 2, 0) = 2\n",
        "9021  unlink(\"q\")     = 0\n",
        "9022  fsync(4</tmp/x> <unfinished ...>\n",
        "9021  +++ exited with 0 +++\n",
        "9022  wri",
    );
    let calls = parse(trace).unwrap();
    let names: Vec<_> = calls.iter().map(|call| (call.name.as_str(), call.begin, call.end)).collect();
    assert_eq!(
        names,
        [
            ("openat", 1, Some(1)),
            ("pwrite64", 2, Some(4)),
            ("fdatasync", 3, Some(5)),
            ("pwrite64", 7, Some(7)),
            ("unlink", 8, Some(8)),
            ("fsync", 9, None),
        ]
    );
    let [open, write, sync, deleted, unlink, cut] = &calls[..] else { panic!() };
    assert_eq!(open.path(1), Some(PathBuf::from("/tmp/x/a,b<c>.txt")));
    assert!(open.has_flag(2, "O_DSYNC") && !open.has_flag(2, "O_SYNC"));
    assert_eq!(open.value(), Some(3));
    assert_eq!(write.file(0), Some(Path::new("/tmp/x/a,b<c>.txt")));
    assert_eq!(write.args[1], Arg::Bytes { bytes: b"x\n\"\\\0\x01Y\xff".to_vec(), cut: true });
    assert_eq!((write.number(3), write.value()), (Some(4096), Some(27)));
    assert_eq!(sync.outcome, Outcome::Error("EIO".into()));
    assert!(sync.injected && !sync.succeeded() && !write.injected);
    assert!(matches!(deleted.args[0], Arg::File { number: Some(3), deleted: true, .. }));
    assert_eq!(unlink.bytes(0), Some(&b"q"[..]));
    assert!(!cut.succeeded() && cut.outcome == Outcome::Unknown);
}

#[test]
fn what_is_not_understood_is_an_error() {
    for bad in ["no thread\n", "12  nonsense\n", "12  <... fsync resumed>) = 0\n", "12  fsync(3\n"] {
        assert!(parse(bad).is_err(), "{bad}");
    }
    assert_eq!(parse(""), Ok(vec![]));
}

/// The calls of a small, right run; the receipt names bytes 8192..8288 of segment 1.
const RIGHT: [&str; 7] = [
    "openat(AT_FDCWD</l>, \"/l/segment-0000000001.tmp\", O_RDWR) = 5</l/segment-0000000001.tmp>",
    "rename(\"/l/segment-0000000001.tmp\", \"/l/segment-0000000001\") = 0",
    "fsync(3</l>) = 0",
    "pwrite64(5</l/segment-0000000001>, \"\"..., 50, 8192) = 50",
    "pwrite64(5</l/segment-0000000001>, \"\"..., 4046, 8242) = 4046",
    "fdatasync(5</l/segment-0000000001>) = 0",
    "write(1<pipe:[1]>, \"{\\\"lsn\\\":1,\\\"segment\\\":1,\\\"offset\\\":8192,\\\"len\\\":64,\\\"durability\\\":\\\"power-loss\\\"}\\n\", 80) = 80",
];

fn judge(lines: &[&str]) -> Result<acks::Checked, String> {
    let trace: String = lines.iter().map(|line| format!("1  {line}\n")).collect();
    acks::check(&parse(&trace).unwrap(), Path::new("/l"), None)
}

#[test]
fn a_receipt_behind_its_syncs_is_right() {
    let checked = judge(&RIGHT).unwrap();
    assert_eq!((checked.receipts, checked.writes, checked.through, checked.segments), (1, 2, 0, 1));
}

#[test]
fn a_receipt_without_any_one_of_its_calls_is_wrong() {
    for (missing, call) in RIGHT.iter().enumerate().take(6).skip(1) {
        let mut lines = RIGHT.to_vec();
        lines.remove(missing);
        assert!(judge(&lines).is_err(), "without {call}");
    }
}

#[test]
fn a_receipt_before_one_of_its_syncs_is_wrong() {
    for early in [2, 3, 4, 5] {
        let mut lines = RIGHT.to_vec();
        let moved = lines.remove(early);
        lines.push(moved);
        assert!(judge(&lines).is_err(), "{moved} comes after the receipt");
    }
}

#[test]
fn a_sync_that_failed_or_began_too_early_or_has_not_ended_is_no_sync() {
    let replaced = |at: usize, by: &[&'static str]| {
        let mut lines = RIGHT.to_vec();
        lines.splice(at..=at, by.iter().copied());
        judge(&lines)
    };
    let failed = "fdatasync(5</l/segment-0000000001>) = -1 EIO (Input/output error)";
    assert!(replaced(5, &[failed]).is_err());
    assert!(replaced(5, &[failed, RIGHT[5]]).is_err(), "a sync after a failed one says nothing");
    assert!(replaced(2, &["fsync(3</l>) = -1 EIO (Input/output error)", RIGHT[2]]).is_err());
    let trace = [
        format!("1  {}\n1  {}\n1  {}\n1  {}\n", RIGHT[0], RIGHT[1], RIGHT[2], RIGHT[3]),
        "2  fdatasync(5</l/segment-0000000001> <unfinished ...>\n".to_owned(),
        format!("1  {}\n", RIGHT[4]),
        "2  <... fdatasync resumed>) = 0\n".to_owned(),
        format!("1  {}\n", RIGHT[6]),
    ]
    .concat();
    let early = acks::check(&parse(&trace).unwrap(), Path::new("/l"), None);
    assert!(early.is_err(), "the sync began before the second write had ended");
}

#[test]
fn a_write_that_goes_through_needs_no_sync() {
    let mut lines = RIGHT.to_vec();
    lines.remove(5);
    let open = lines[0].replace("O_RDWR", "O_RDWR|O_DSYNC");
    lines[0] = &open;
    assert_eq!(judge(&lines).unwrap().through, 2);
}

#[test]
fn behind_a_failure_only_what_was_true_before_it_is_acknowledged() {
    let with = |at: usize, fault: &str, failed: usize| {
        let mut lines = RIGHT.to_vec();
        lines.insert(at, fault);
        let trace: String = lines.iter().map(|line| format!("1  {line}\n")).collect();
        acks::check(&parse(&trace).unwrap(), Path::new("/l"), Some(failed))
    };
    let manifest = "fdatasync(6</l/MANIFEST>) = -1 EIO (Input/output error) (INJECTED)";
    // Lines are counted from 1: the receipt is on line 8, and the fault where it is put in.
    let late = with(6, manifest, 7).expect("the watermark had passed it");
    assert_eq!((late.receipts, late.late), (1, 1));
    for at in 2..6 {
        let refused = with(at, manifest, at + 1).expect_err("a sync behind the failure");
        assert!(refused.contains(&format!("before the failure at line {}", at + 1)), "{refused}");
    }
    // Of another thread, and in two lines: it returned at the second.
    let trace = |before: &[&str], behind: &[&str]| {
        let of_one = |lines: &[&str]| lines.iter().map(|line| format!("1  {line}\n")).collect::<String>();
        let begin = "2  fsync(3</l> <unfinished ...>\n";
        let end = "2  <... fsync resumed>) = -1 EIO (Input/output error) (INJECTED)\n";
        let text = format!("{}{begin}{}{end}{}", of_one(&RIGHT[..4]), of_one(before), of_one(behind));
        let calls = parse(&text).unwrap();
        let failed = calls.iter().find(|call| call.injected).and_then(|call| call.end);
        acks::check(&calls, Path::new("/l"), failed)
    };
    assert_eq!(trace(&RIGHT[4..6], &RIGHT[6..]).map(|checked| checked.late), Ok(1));
    assert!(trace(&RIGHT[4..5], &RIGHT[5..]).is_err());
    // The same for a write that goes through.
    let open = RIGHT[0].replace("O_RDWR", "O_RDWR|O_DSYNC");
    let through = [&open, RIGHT[1], RIGHT[2], RIGHT[3], RIGHT[4], manifest, RIGHT[6]];
    for (at, right) in [(5, true), (4, false)] {
        let mut lines = through.to_vec();
        let fault = lines.remove(5);
        lines.insert(at, fault);
        let trace: String = lines.iter().map(|line| format!("1  {line}\n")).collect();
        let checked = acks::check(&parse(&trace).unwrap(), Path::new("/l"), Some(at + 1));
        assert_eq!(checked.is_ok(), right, "{checked:?}");
    }
}
