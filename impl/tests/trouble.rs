//! The log in trouble, on the real file system: files that vanish, damage, copies, full disks.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "tests play the world around the log"
)]

mod common;

use std::fs;
use std::os::unix::fs::FileExt;

use common::{Dir, options, payload, segments};
use truelog::{
    Claim, Error, Log, LossOptions, Lsn, LsnRange, ReadOnlyWhy, Row, StreamId, Verdict, Violation,
    accept_loss, adopt, inspect, verify_dir,
};

const A: StreamId = StreamId(0);

/// The test's logs have no drives.
fn loss() -> LossOptions {
    LossOptions { stored: options(), no_archive: true, ..LossOptions::default() }
}

/// A closed log of `count` records of one block each, in the first segment.
fn filled(dir: &Dir, count: u64) -> Vec<truelog::Receipt> {
    let log = Log::create(dir.path(), &options()).expect("a log");
    let receipts =
        (0..count).map(|number| log.append(A, &payload(number, 500)).expect("a receipt")).collect();
    log.close().expect("a close");
    receipts
}

/// Flips a byte of the file that holds a record, in the record's payload.
fn rot(dir: &Dir, receipt: &truelog::Receipt) {
    let path = dir.path().join(format!("segment-{:010}", receipt.segment().get()));
    let file = fs::OpenOptions::new().read(true).write(true).open(path).expect("the segment");
    let at = receipt.offset() + 40;
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).expect("a byte");
    file.write_all_at(&[byte[0] ^ 1], at).expect("a flip");
}

#[test]
fn a_segment_removed_under_the_writer_poisons_it() {
    let dir = Dir::new();
    let log = Log::create(dir.path(), &options()).expect("a log");
    log.append(A, b"one").expect("a receipt");
    let path = dir.path().join(&segments(dir.path())[0]);
    fs::remove_file(&path).expect("a removal");
    let error = log.append(A, b"two").expect_err("no receipt");
    assert_eq!(error, Error::Poisoned { cause: Box::new(Error::Displaced { path }) });
    assert_eq!(log.append(A, b"three"), Err(error.clone()));
    assert_eq!(log.trim(Lsn(1)), Err(error.clone()));
    assert_eq!(log.step(), Err(error.clone()));
    assert_eq!(log.stat().failure, Some(error.clone()));
    assert_eq!(log.close(), Err(error));
}

#[test]
fn a_segment_replaced_by_a_copy_poisons_too() {
    let dir = Dir::new();
    let log = Log::create(dir.path(), &options()).expect("a log");
    log.append(A, b"one").expect("a receipt");
    let path = dir.path().join(&segments(dir.path())[0]);
    fs::copy(&path, dir.other()).expect("a copy");
    fs::rename(dir.other(), &path).expect("a replacement");
    assert!(matches!(log.append(A, b"two"), Err(Error::Poisoned { .. })));
}

#[test]
fn damage_is_named_and_kept_until_its_loss_is_accepted() {
    let dir = Dir::new();
    let receipts = filled(&dir, 9);
    rot(&dir, &receipts[3]);
    rot(&dir, &receipts[4]);
    let damaged = LsnRange::new(Lsn(4), Lsn(5));
    for _ in 0..2 {
        let (log, recovered) = Log::open(dir.path(), &options()).expect("a log for reading");
        assert!(recovered.read_only && recovered.rows.contains(&Row::TailDamaged), "{recovered:?}");
        assert_eq!(recovered.damage.iter().map(|damage| damage.lsns).collect::<Vec<_>>(), [damaged]);
        let why = ReadOnlyWhy::Damaged(damaged);
        assert_eq!(log.append(A, b"no"), Err(Error::ReadOnly { why }));
        assert!(matches!(log.get(Lsn(5)), Err(Error::Corrupt { lsns, .. }) if lsns == damaged));
        assert_eq!(log.get(Lsn(6)).expect("a record").payload, payload(5, 500));
        assert_eq!(log.iter(Lsn(1)).filter(Result::is_ok).count(), 7);
        assert_eq!(log.iter(Lsn(1)).filter(Result::is_err).count(), 1);
    }
    let given_up = accept_loss(dir.path(), &loss()).expect("a loss");
    assert_eq!(given_up.iter().map(|damage| damage.lsns).collect::<Vec<_>>(), [damaged]);
    assert_eq!(accept_loss(dir.path(), &loss()), Ok(vec![]));
    let (log, recovered) = Log::open(dir.path(), &options()).expect("a log");
    assert!(!recovered.read_only && recovered.rows.contains(&Row::TailLossAccepted), "{recovered:?}");
    assert_eq!(log.get(Lsn(4)), Err(Error::Lost { lsns: damaged }));
    assert_eq!(log.append(A, b"ten").expect("a receipt").lsn(), Lsn(10));
    assert_eq!(log.iter(Lsn(1)).filter(Result::is_ok).count(), 8);
    let lost = Verdict::Violated { why: Violation::Lost { lsns: damaged } };
    assert_eq!(log.verify(&Claim::from(&receipts[3])), Ok(lost));
    log.close().expect("a close");
    assert_eq!(verify_dir(dir.path()).expect("a report").damage, []);
}

#[test]
fn damage_to_the_last_records_is_found_by_the_idle_mark() {
    let dir = Dir::new();
    let receipts = filled(&dir, 3);
    rot(&dir, &receipts[2]);
    let (_, recovered) = Log::open(dir.path(), &options()).expect("a log for reading");
    assert_eq!(recovered.damage[0].lsns, LsnRange::new(Lsn(3), Lsn(3)));
    accept_loss(dir.path(), &loss()).expect("a loss");
    let (log, _) = Log::open(dir.path(), &options()).expect("a log");
    assert_eq!(log.append(A, b"four").expect("a receipt").lsn(), Lsn(4));
    log.close().expect("a close");
    let (log, recovered) = Log::open(dir.path(), &options()).expect("a log");
    assert_eq!((recovered.read_only, recovered.next), (false, Lsn(5)));
    assert_eq!(log.get(Lsn(4)).expect("a record").payload, b"four");
}

#[test]
fn a_torn_tail_is_cut_and_never_built_upon() {
    let dir = Dir::new();
    let log = Log::create(dir.path(), &options()).expect("a log");
    let receipts: Vec<_> =
        (0..3).map(|number| log.append(A, &payload(number, 500)).expect("a receipt")).collect();
    drop(log);
    // The last batch, which nothing vouches for, as a crash may leave it.
    rot(&dir, &receipts[2]);
    let (log, recovered) = Log::open(dir.path(), &options()).expect("the log");
    assert!(recovered.rows.contains(&Row::TornTailUnvouched) || recovered.rows.contains(&Row::TornTail));
    assert_eq!((recovered.next, recovered.damage.len()), (Lsn(3), 0));
    assert!(recovered.torn_bytes > 0);
    assert_eq!(log.append(A, b"other").expect("a receipt").lsn(), Lsn(3));
    drop(log);
    // Whole again: it must not come back.
    rot(&dir, &receipts[2]);
    let (log, recovered) = Log::open(dir.path(), &options()).expect("the log");
    assert_eq!(recovered.next, Lsn(4));
    assert_eq!(log.get(Lsn(3)).expect("a record").payload, b"other");
}

#[test]
fn damage_in_a_sealed_segment_is_found_when_it_is_read() {
    let dir = Dir::new();
    let receipts = filled(&dir, 60);
    assert!(receipts[59].segment() > receipts[0].segment());
    rot(&dir, &receipts[2]);
    let (log, recovered) = Log::open(dir.path(), &options()).expect("the log");
    assert!(!recovered.read_only);
    let lsns = LsnRange::new(Lsn(3), Lsn(3));
    assert!(matches!(log.get(Lsn(3)), Err(Error::Corrupt { lsns: found, .. }) if found == lsns));
    assert_eq!(log.iter(Lsn(1)).filter(Result::is_ok).count(), 59);
    let report = verify_dir(dir.path()).expect("a report");
    assert_eq!(report.damage.iter().map(|damage| damage.lsns).collect::<Vec<_>>(), [lsns]);
    assert_eq!(report.records, 59);
}

#[test]
fn a_sealed_segment_that_is_missing_is_damage() {
    let dir = Dir::new();
    let receipts = filled(&dir, 60);
    let last = receipts.iter().filter(|receipt| receipt.segment() == receipts[0].segment()).count() as u64;
    fs::remove_file(dir.path().join(&segments(dir.path())[0])).expect("a removal");
    let (log, recovered) = Log::open(dir.path(), &options()).expect("a log for reading");
    assert!(recovered.read_only && recovered.rows.contains(&Row::NamedMissing));
    let lost = LsnRange::new(Lsn(1), Lsn(last));
    assert!(recovered.damage.iter().any(|damage| damage.lsns == lost), "{:?}", recovered.damage);
    assert_eq!(log.get(Lsn(last + 1)).expect("a record").payload, payload(last, 500));
    drop(log);
    accept_loss(dir.path(), &loss()).expect("a loss");
    let (log, recovered) = Log::open(dir.path(), &options()).expect("the log");
    assert_eq!((recovered.read_only, recovered.next), (false, Lsn(61)));
    assert_eq!(log.append(A, b"on").expect("a receipt").lsn(), Lsn(61));
}

#[test]
fn a_lost_first_batch_of_a_sealed_segment_hides_nothing_else() {
    let dir = Dir::new();
    let receipts = filled(&dir, 60);
    let second = receipts.iter().position(|receipt| receipt.segment() > receipts[0].segment());
    let second = second.expect("a second segment");
    rot(&dir, &receipts[second]);
    // One more segment, so that the damaged one is sealed.
    drop(Log::open(dir.path(), &options()).map(|_| ()));
    let (log, recovered) = Log::open(dir.path(), &options()).expect("a log for reading");
    assert!(recovered.read_only);
    assert_eq!(log.iter(Lsn(1)).filter(Result::is_ok).count(), 59);
    drop(log);
    accept_loss(dir.path(), &loss()).expect("a loss");
    let (log, recovered) = Log::open(dir.path(), &options()).expect("the log");
    assert_eq!((recovered.read_only, recovered.next), (false, Lsn(61)));
    let receipt = log.append(A, b"on").expect("a receipt");
    assert_eq!(receipt.seq().get(), 60);
}

#[test]
fn a_manifest_that_is_lost_is_damage_and_can_be_written_anew() {
    let dir = Dir::new();
    filled(&dir, 60);
    fs::remove_file(dir.path().join("MANIFEST")).expect("a removal");
    let (log, recovered) = Log::open(dir.path(), &options()).expect("a log for reading");
    assert!(recovered.read_only && recovered.rows.contains(&Row::ManifestUnreadable));
    assert_eq!(log.iter(Lsn(1)).filter(Result::is_ok).count(), 60);
    drop(log);
    accept_loss(dir.path(), &loss()).expect("a loss");
    let (log, recovered) =
        Log::open(dir.path(), &options()).expect("the log, with the options that were given");
    assert_eq!((recovered.read_only, recovered.next), (false, Lsn(61)));
    assert_eq!(log.append(A, b"on").expect("a receipt").lsn(), Lsn(61));
}

#[test]
fn what_is_lost_together_with_the_trim_point_is_not_said_to_be_trimmed() {
    let dir = Dir::new();
    let receipts = filled(&dir, 60);
    let first = receipts[0].segment();
    let lost = receipts.iter().filter(|receipt| receipt.segment() == first).count() as u64;
    assert!(lost < 60, "there is more than one segment");
    for name in ["MANIFEST".to_owned(), format!("segment-{:010}", first.get())] {
        let file = fs::OpenOptions::new().write(true).open(dir.path().join(name)).expect("a file");
        file.write_all_at(&[0; 512], 0).expect("zeros");
    }
    let given_up = accept_loss(dir.path(), &loss()).expect("a loss");
    let all = LsnRange::new(Lsn(1), Lsn(lost));
    assert!(given_up.iter().any(|damage| damage.lsns == all), "{given_up:?}");
    let (log, recovered) = Log::open(dir.path(), &options()).expect("the log");
    assert!(!recovered.read_only, "{recovered:?}");
    let verdict = log.verify(&Claim::from(&receipts[0])).expect("a verdict");
    assert!(matches!(verdict, Verdict::Violated { why: Violation::Lost { .. } }), "{verdict:?}");
    assert_eq!(log.verify(&Claim::from(&receipts[59])), Ok(Verdict::Verified));
}

#[test]
fn an_acceptance_that_was_cut_off_between_two_names_of_a_segment_is_finished() {
    let dir = Dir::new();
    let receipts = filled(&dir, 60);
    let name = format!("segment-{:010}", receipts[0].segment().get());
    let (path, aside) = (dir.path().join(&name), dir.path().join(format!("quarantined-{name}")));
    for path in [&dir.path().join("MANIFEST"), &path] {
        let file = fs::OpenOptions::new().write(true).open(path).expect("a file");
        file.write_all_at(&[0; 512], 0).expect("zeros");
    }
    // A crash may keep the new name of a rename, and not the removal of the old one.
    fs::hard_link(&path, &aside).expect("a second name");
    accept_loss(dir.path(), &loss()).expect("a loss");
    assert!(aside.exists() && !path.exists());
    let (_, recovered) = Log::open(dir.path(), &options()).expect("the log");
    assert!(!recovered.read_only, "{recovered:?}");
}

#[test]
fn a_copy_opens_only_after_it_was_adopted() {
    let dir = Dir::new();
    let receipts = filled(&dir, 3);
    fs::create_dir(dir.other()).expect("a directory");
    for entry in fs::read_dir(dir.path()).expect("the log") {
        let entry = entry.expect("an entry");
        fs::copy(entry.path(), dir.other().join(entry.file_name())).expect("a copy");
    }
    assert!(matches!(Log::open(dir.other(), &options()), Err(Error::Moved { .. })));
    assert_eq!(inspect(dir.other()).expect("an inspection").next(), Lsn(4));
    adopt(dir.other()).expect("an adoption");
    let (copy, recovered) = Log::open(dir.other(), &options()).expect("the copy");
    assert_eq!(recovered.next, Lsn(4));
    assert_eq!(copy.verify(&Claim::from(&receipts[1])), Ok(Verdict::Verified));
    assert!(Log::open(dir.path(), &options()).is_ok());
}

/// The name that a create or an adopt of a boot leaves behind when it is cut off.
fn doubt(dir: &Dir, boot: u128) -> std::path::PathBuf {
    let path = dir.path().join(truelog::Name::InDoubt(boot).to_string());
    fs::write(&path, []).expect("a name");
    path
}

#[test]
fn a_create_that_was_cut_off_is_in_doubt_until_the_directory_is_new() {
    let boot = truelog::os::native().fs.boot().expect("the boot");
    let dir = Dir::new();
    fs::create_dir_all(dir.path()).expect("a directory");
    doubt(&dir, boot);
    let error = Log::create(dir.path(), &options()).expect_err("in doubt");
    assert_eq!((error.code(), &error), ("TL-025", &Error::InDoubt { dir: dir.path() }));
    assert!(matches!(Log::open(dir.path(), &options()), Err(Error::InDoubt { .. })));
    assert!(matches!(inspect(dir.path()), Err(Error::InDoubt { .. })));
    fs::remove_dir_all(dir.path()).expect("a removal");
    Log::create(dir.path(), &options()).expect("a log").close().expect("a close");
}

#[test]
fn an_adopt_that_was_cut_off_is_in_doubt_and_a_log_at_home_opens_all_the_same() {
    let boot = truelog::os::native().fs.boot().expect("the boot");
    let dir = Dir::new();
    filled(&dir, 1);
    for boot in [boot, boot ^ 1] {
        let mark = doubt(&dir, boot);
        let (log, found) = Log::open(dir.path(), &options()).expect("it is at home");
        assert_eq!(found.damage, []);
        log.close().expect("a close");
        assert!(!mark.exists(), "an open removes it");
    }
    let mark = doubt(&dir, boot ^ 1);
    adopt(dir.path()).expect("of another boot");
    assert!(!mark.exists());
    doubt(&dir, boot);
    assert_eq!(adopt(dir.path()), Err(Error::InDoubt { dir: dir.path() }));
}

#[test]
fn options_that_differ_are_refused_with_both_values() {
    let dir = Dir::new();
    filled(&dir, 1);
    let other = truelog::Options { segment_size: 512 << 10, ..options() };
    match Log::open(dir.path(), &other) {
        Err(Error::Mismatch { option, expected, found }) => {
            assert_eq!((option, &*expected, &*found), ("segment_size", "262144", "524288"));
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(Log::create(dir.path(), &options()), Err(Error::Exists { .. })));
}

#[test]
fn leftovers_of_an_interrupted_life_are_removed() {
    let dir = Dir::new();
    filled(&dir, 2);
    for name in ["MANIFEST.tmp", "IDENTITY.tmp", "segment-0000000009.tmp"] {
        fs::write(dir.path().join(name), b"half").expect("a leftover");
    }
    // The removal of a rename's source may lag: then the temporary name leads to the very manifest.
    fs::remove_file(dir.path().join("MANIFEST.tmp")).expect("a removal");
    fs::hard_link(dir.path().join("MANIFEST"), dir.path().join("MANIFEST.tmp")).expect("a second name");
    let (log, recovered) = Log::open(dir.path(), &options()).expect("the log");
    assert_eq!(recovered.orphans_removed, 3);
    assert!(recovered.rows.contains(&Row::LeftOver));
    let receipt = log.append(A, b"on").expect("a receipt");
    assert!(receipt.segment().get() > 9, "a number once seen is never used again");
    drop(log);
    assert_eq!(Log::open(dir.path(), &options()).expect("the log").1.next, Lsn(4));
    let unreadable = inspect(dir.path()).expect("an inspection").get(Lsn(9));
    assert!(matches!(unreadable, Err(Error::Absent { .. })));
}

#[test]
fn a_segment_that_cannot_be_read_is_put_aside_and_its_lsns_are_never_used_again() {
    for vouched in [true, false] {
        let dir = Dir::new();
        let mut receipts = Vec::new();
        let log = Log::create(dir.path(), &options()).expect("a log");
        receipts.extend((0..4).map(|number| log.append(A, &payload(number, 500)).expect("a receipt")));
        if vouched {
            log.close().expect("a close");
        } else {
            drop(log);
        }
        let (log, _) = Log::open(dir.path(), &options()).expect("the log");
        receipts.extend((4..8).map(|number| log.append(A, &payload(number, 500)).expect("a receipt")));
        drop(log);
        let second = receipts[7].segment();
        let kept = receipts.iter().filter(|receipt| receipt.segment() < second).count();
        let name = format!("segment-{:010}", second.get());
        for (name, len) in [("MANIFEST", 4096), (&*name, 512)] {
            let file = fs::OpenOptions::new().write(true).open(dir.path().join(name)).expect("a file");
            file.write_all_at(&vec![0; len], 0).expect("zeros");
        }
        let before = fs::read(dir.path().join(&name)).expect("the segment");
        let given_up = accept_loss(dir.path(), &loss()).expect("a loss");
        assert!(given_up.iter().any(|damage| damage.lsns.contains(Lsn(8))), "{given_up:?}");
        let aside = dir.path().join(format!("quarantined-{name}"));
        assert_eq!(fs::read(&aside).expect("the segment, put aside"), before);
        for round in 0..3 {
            let (log, recovered) = Log::open(dir.path(), &options()).expect("the log");
            assert!(!recovered.read_only, "{recovered:?}");
            let receipt = log.append(A, b"on").expect("a receipt");
            assert!(receipt.lsn() > Lsn(8) && receipt.segment() > second, "round {round}: {receipt:?}");
            for (index, old) in receipts.iter().enumerate() {
                let verdict = log.verify(&Claim::from(old)).expect("a verdict");
                if index < kept || index >= 8 {
                    assert_eq!(verdict, Verdict::Verified, "{old:?}");
                } else {
                    let lost = matches!(verdict, Verdict::Violated { why: Violation::Lost { .. } });
                    assert!(lost, "{old:?}: {verdict:?}");
                }
            }
            receipts.push(receipt);
        }
        assert_eq!(verify_dir(dir.path()).expect("a report").damage, []);
        assert!(aside.exists(), "nothing removes it");
    }
}

#[test]
fn a_segment_that_is_gone_already_is_no_trouble_to_the_trim_of_its_records() {
    let dir = Dir::new();
    filled(&dir, 60);
    let (log, _) = Log::open(dir.path(), &options()).expect("the log");
    let before = segments(dir.path());
    fs::remove_file(dir.path().join(&before[0])).expect("a removal");
    let trimmed = log.trim(Lsn(60)).expect("a trim");
    assert!(trimmed.segments > 0);
    assert!(!segments(dir.path()).contains(&before[0]));
    assert_eq!(log.append(A, b"on").expect("a receipt").lsn(), Lsn(61));
}

#[test]
fn without_a_manifest_nobody_says_what_became_of_records_below_all_that_are_there() {
    let dir = Dir::new();
    let receipts = filled(&dir, 60);
    let (log, _) = Log::open(dir.path(), &options()).expect("the log");
    assert!(log.trim(Lsn(60)).expect("a trim").segments > 0);
    log.close().expect("a close");
    let manifest = dir.path().join("MANIFEST");
    fs::remove_file(&manifest).expect("a removal");
    let view = inspect(dir.path()).expect("an inspection");
    let told = view.verify(&Claim::from(&receipts[0]));
    assert!(matches!(&told, Err(Error::CorruptFile { path, .. }) if *path == manifest), "{told:?}");
    assert_eq!(view.verify(&Claim::from(&receipts[59])), Ok(Verdict::Verified));
    let absent = Verdict::Violated { why: Violation::Absent { next: Lsn(61) } };
    assert_eq!(view.verify(&Claim { lsn: Lsn(61), ..Claim::from(&receipts[59]) }), Ok(absent));
}
