//! Segments that are not as the manifest named them: cut, emptied, without a header, or of a newer version.
#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "tests that damage files")]

mod common;

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use common::{Dir, options, payload, segments};
use truelog::{
    Claim, Error, Log, LossOptions, Lsn, LsnRange, Place, Receipt, Row, StreamId, Verdict, Violation,
    accept_loss, inspect, verify_dir,
};

const A: StreamId = StreamId(0);
const BLOCK: u64 = 4096;

fn loss() -> LossOptions {
    LossOptions { stored: options(), ..LossOptions::default() }
}

/// A closed log of several segments, and what it acknowledged.
fn filled(dir: &Dir) -> Vec<Receipt> {
    let log = Log::create(dir.path(), &options()).expect("a log");
    let receipts: Vec<_> =
        (0..120).map(|number| log.append(A, &payload(number, 5000)).expect("a receipt")).collect();
    log.close().expect("a close");
    assert!(segments(dir.path()).len() > 2);
    receipts
}

fn segment(dir: &Dir, receipt: &Receipt) -> PathBuf {
    dir.path().join(format!("segment-{:010}", receipt.segment().get()))
}

fn write(path: &PathBuf, bytes: &[u8], at: u64) {
    let file = fs::OpenOptions::new().write(true).open(path).expect("the segment");
    file.write_all_at(bytes, at).expect("it can be written");
}

/// The damage is told by whoever looks, nothing is written over it, and once it was given up the log goes on behind every
/// number that was ever given.
fn expect_loud(dir: &Dir, receipts: &[Receipt], lost_from: usize) {
    let before = inspect(dir.path()).expect("an inspection");
    assert!(before.rows().contains(&Row::NamedBroken), "{:?}", before.rows());
    assert!(!verify_dir(dir.path()).expect("a report").damage.is_empty());
    let (log, recovered) = Log::open(dir.path(), &options()).expect("for reading");
    assert!(recovered.read_only && !recovered.damage.is_empty());
    assert!(matches!(log.append(A, b"no"), Err(Error::ReadOnly { .. })));
    for receipt in &receipts[..lost_from] {
        // What vouched for the last one may be among what was lost.
        let verdict = log.verify(&Claim::from(receipt)).expect("a verdict");
        assert!(matches!(verdict, Verdict::Verified | Verdict::Unvouched), "{verdict:?}");
    }
    drop(log);
    accept_loss(dir.path(), &loss()).expect("a loss");
    assert_eq!(accept_loss(dir.path(), &loss()), Ok(vec![]), "once is enough");
    let (log, recovered) = Log::open(dir.path(), &options()).expect("for writing");
    assert!(!recovered.read_only, "{recovered:?}");
    let next = log.append(A, b"it goes on").expect("a receipt");
    assert!(next.lsn() > receipts.last().expect("one").lsn(), "no number is given twice");
    for (index, receipt) in receipts.iter().enumerate() {
        let verdict = log.verify(&Claim::from(receipt)).expect("a verdict");
        let lost = matches!(verdict, Verdict::Violated { why: Violation::Lost { .. } });
        assert_eq!((lost, verdict == Verdict::Verified), (index >= lost_from, index < lost_from), "{index}");
    }
    log.close().expect("a close");
    assert_eq!(verify_dir(dir.path()).expect("a report").damage, vec![]);
}

#[test]
fn a_last_segment_that_was_cut_or_emptied_is_damage_and_no_number_is_given_twice() {
    let ways: [fn(&PathBuf); 4] = [
        |path| fs::OpenOptions::new().write(true).open(path).expect("it").set_len(BLOCK).expect("a cut"),
        |path| fs::OpenOptions::new().write(true).open(path).expect("it").set_len(0).expect("a cut"),
        |path| write(path, &vec![0; 256 << 10], 0),
        |path| write(path, &[0xee; 2 * 4096], 0),
    ];
    for (index, damage) in ways.into_iter().enumerate() {
        let dir = Dir::new();
        let receipts = filled(&dir);
        let last = receipts.last().expect("one");
        let first_there = receipts.iter().position(|one| one.segment() == last.segment()).expect("one");
        damage(&segment(&dir, last));
        // Overwriting the first batch leaves those behind it, which then vouch for it: the older rule names it.
        if index < 3 {
            expect_loud(&dir, &receipts, first_there);
        } else {
            assert!(inspect(dir.path()).expect("an inspection").rows().contains(&Row::NamedBroken));
        }
    }
}

#[test]
fn a_last_segment_cut_amid_its_records_loses_only_those_behind_the_cut() {
    let dir = Dir::new();
    let receipts = filled(&dir);
    let last = receipts.last().expect("one");
    let first = receipts.iter().position(|one| one.segment() == last.segment()).expect("one");
    let cut = &receipts[first + 3];
    let file = fs::OpenOptions::new().write(true).open(segment(&dir, cut)).expect("it");
    file.set_len(cut.offset() + 10).expect("a cut");
    expect_loud(&dir, &receipts, first + 3);
}

#[test]
fn a_header_that_is_lost_costs_no_record_and_is_written_anew() {
    for which in [0, 60, 119] {
        let dir = Dir::new();
        let receipts = filled(&dir);
        let path = segment(&dir, &receipts[which]);
        write(&path, &[0xff; 8], 40);
        expect_loud(&dir, &receipts, receipts.len());
        assert!(path.exists(), "it is still part of the log");
    }
}

#[test]
fn a_segment_of_a_newer_version_is_refused_by_name() {
    for which in [0, 119] {
        let dir = Dir::new();
        let receipts = filled(&dir);
        let path = segment(&dir, &receipts[which]);
        let mut header = fs::read(&path).expect("it")[..4096].to_vec();
        header[12..16].copy_from_slice(&2_u32.to_le_bytes());
        let crc = crc32c::crc32c(&header[12..]);
        header[8..12].copy_from_slice(&crc.to_le_bytes());
        write(&path, &header, 0);
        let newer = |error: &Error| matches!(error, Error::Version { path: at, found: 2, .. } if *at == path);
        assert!(Log::open(dir.path(), &options()).is_err_and(|error| newer(&error)));
        assert!(inspect(dir.path()).is_err_and(|error| newer(&error)));
        assert!(accept_loss(dir.path(), &loss()).is_err_and(|error| newer(&error)));
        assert_eq!(Lsn(1), receipts[0].lsn());
    }
}

/// An older manifest was put back. The records are served, but no other segment has them that would excuse the place.
#[test]
fn no_batch_is_said_to_stand_in_a_segment_that_the_manifest_does_not_name() {
    let dir = Dir::new();
    let log = Log::create(dir.path(), &options()).expect("a log");
    let first = log.append(A, &payload(0, 5000)).expect("a receipt");
    let old = fs::read(dir.path().join("MANIFEST")).expect("a manifest");
    let mut last = first;
    while last.segment() == first.segment() {
        last = log.append(A, &payload(last.lsn().get(), 5000)).expect("a receipt");
    }
    log.close().expect("a close");
    let holds = |receipt: &Receipt| {
        let offset = receipt.offset() / BLOCK * BLOCK;
        let lsns = LsnRange::new(receipt.lsn(), receipt.lsn());
        let place = Place { lsns, segment: receipt.segment(), offset, end: offset + 2 * BLOCK };
        inspect(dir.path()).expect("an inspection").places().verify(&place)
    };
    assert_eq!([holds(&first), holds(&last)], [Ok(Verdict::Verified), Ok(Verdict::Verified)]);
    fs::write(dir.path().join("MANIFEST"), old).expect("an older one");
    let elsewhere = Verdict::Violated { why: Violation::OtherPlace };
    assert_eq!([holds(&first), holds(&last)], [Ok(Verdict::Verified), Ok(elsewhere)]);
}
