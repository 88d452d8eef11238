use std::path::Path;

use truelog_env::OpenMode;

use super::*;
use crate::error::Reason;
use crate::home::{read_full_at, write_all_at};
use crate::lsn::{Lsn, LsnRange, SegmentNo};
use crate::os::native;
use crate::types::{Durability, LogId};

const BLOCK: u32 = 256;

fn options() -> Options {
    Options {
        block_size: BLOCK,
        segment_size: 1024,
        manifest_blocks: 8,
        durability: Durability::ProcessCrash,
        ..Options::default()
    }
}

fn home(dir: &Path) -> Home {
    let env = native();
    let volume = env.fs.volume(dir).expect("a volume");
    Home::new(&env, dir, LogId([5; 16]), BLOCK, volume)
}

fn entry(number: u64) -> SegmentEntry {
    SegmentEntry { number: SegmentNo(number), salt: number * 10, capacity: 1024 }
}

fn bytes_of(home: &Home) -> Vec<u8> {
    let file = home.open(Name::Manifest, OpenMode::READ).expect("a manifest");
    let mut bytes = vec![0; 1 << 20];
    let got = read_full_at(&*file, &mut bytes, 0).expect("its bytes");
    bytes.truncate(got);
    bytes
}

fn overwrite(home: &Home, bytes: &[u8]) {
    let file = home.open(Name::Manifest, OpenMode::CREATE).expect("a manifest");
    write_all_at(&*file, bytes, 0).expect("its bytes");
}

/// A manifest with a checkpoint of one block and three edits.
fn sample(home: &Home) -> ManifestState {
    let mut manifest =
        ManifestFile::checkpoint(home, ManifestState::new(&options()), Lsn(3)).expect("checkpoint");
    let edits = [
        Edit::AddSegment(entry(1)),
        Edit::AddSegment(entry(4)),
        Edit::Trim { before: Lsn(7), floor: SegmentNo(2) },
    ];
    for (watermark, edit) in (7..).zip(&edits) {
        manifest.append(home, edit, Lsn(watermark)).expect("an edit");
    }
    manifest.state().clone()
}

#[test]
fn a_manifest_reads_back_as_it_was_written() {
    let dir = tempfile::tempdir().expect("a directory");
    let home = home(dir.path());
    let state = sample(&home);
    assert_eq!(state.segments, [entry(4)]);
    assert_eq!((state.trimmed, state.floor, state.next_segment), (Lsn(7), SegmentNo(2), SegmentNo(5)));
    let read = read_manifest(&home).expect("readable");
    assert_eq!(read.state, Some(state));
    assert_eq!((read.watermark, read.verdict), (Lsn(9), ManifestVerdict::Whole));
    assert_eq!(bytes_of(&home).len(), 8 * BLOCK as usize);
    assert_eq!(crate::home::list(&home.env, &home.dir), Ok(vec![Name::Manifest]));
}

#[test]
fn a_full_manifest_is_written_anew_and_keeps_its_last_block_for_a_trim() {
    let dir = tempfile::tempdir().expect("a directory");
    let home = home(dir.path());
    let mut manifest =
        ManifestFile::checkpoint(&home, ManifestState::new(&options()), Lsn::NONE).expect("checkpoint");
    let salt =
        |home: &Home| ManifestRecord::decode(&bytes_of(home), home.log, 0).expect("a checkpoint").site.salt;
    let first = salt(&home);
    for number in 1..=6 {
        manifest.append(&home, &Edit::AddSegment(entry(number)), Lsn::NONE).expect("an edit");
    }
    assert_eq!(salt(&home), first, "six edits fit behind a checkpoint of one block");
    manifest.append(&home, &Edit::Trim { before: Lsn(2), floor: SegmentNo(2) }, Lsn::NONE).expect("a trim");
    assert_eq!(salt(&home), first, "a trim may take the last block");
    manifest.append(&home, &Edit::AddSegment(entry(7)), Lsn::NONE).expect("an edit");
    assert_ne!(salt(&home), first, "there is no room for another");
    assert_eq!(read_manifest(&home).expect("readable").state.as_ref(), Some(manifest.state()));
    for number in 8..60 {
        manifest.append(&home, &Edit::AddSegment(entry(number)), Lsn::NONE).expect("an edit");
    }
    assert_eq!(read_manifest(&home).expect("readable").state.as_ref(), Some(manifest.state()));
}

#[test]
fn a_flipped_bit_is_damage_if_something_valid_follows_and_else_a_torn_tail() {
    let dir = tempfile::tempdir().expect("a directory");
    let home = home(dir.path());
    sample(&home);
    let bytes = bytes_of(&home);
    for (block, len) in [(0, 72 + 80), (1, 72 + 24), (2, 72 + 24), (3, 72 + 16)] {
        let at = block * BLOCK as usize;
        for byte in at..at + len {
            let mut flipped = bytes.clone();
            flipped[byte] ^= 0x10;
            overwrite(&home, &flipped);
            let read = read_manifest(&home).expect("readable");
            let offset = at as u64;
            match (block, read.verdict) {
                (0, ManifestVerdict::Damaged { offset: 0, .. }) => assert_eq!(read.state, None),
                (3, ManifestVerdict::Torn { offset: found }) => assert_eq!(found, offset),
                (1 | 2, ManifestVerdict::Damaged { offset: found, reason: Reason::Vouched }) => {
                    assert_eq!(found, offset);
                    assert_eq!(read.state.map(|state| state.segments.len()), Some(block - 1));
                }
                (_, verdict) => panic!("byte {byte}: {verdict:?}"),
            }
        }
    }
}

#[test]
fn a_missing_or_foreign_manifest_is_damage() {
    let dir = tempfile::tempdir().expect("a directory");
    let home = home(dir.path());
    let verdict = |home: &Home| read_manifest(home).expect("readable").verdict;
    assert_eq!(verdict(&home), ManifestVerdict::Damaged { offset: 0, reason: Reason::Missing });
    sample(&home);
    let other = Home { log: LogId([6; 16]), ..home.clone() };
    assert_eq!(verdict(&other), ManifestVerdict::Damaged { offset: 0, reason: Reason::OtherLog });
    let bytes = bytes_of(&home);
    overwrite(&home, &bytes[..100]);
    assert_eq!(verdict(&home), ManifestVerdict::Damaged { offset: 0, reason: Reason::Short });
}

#[test]
fn records_of_an_older_file_are_never_taken_for_edits() {
    let dir = tempfile::tempdir().expect("a directory");
    let home = home(dir.path());
    sample(&home);
    let old = bytes_of(&home);
    ManifestFile::checkpoint(&home, ManifestState::new(&options()), Lsn::NONE).expect("checkpoint");
    let mut mixed = bytes_of(&home);
    mixed[BLOCK as usize..].copy_from_slice(&old[BLOCK as usize..]);
    overwrite(&home, &mixed);
    let read = read_manifest(&home).expect("readable");
    assert_eq!(read.verdict, ManifestVerdict::Torn { offset: u64::from(BLOCK) });
    assert_eq!(read.state, Some(ManifestState::new(&options())));
}

#[test]
fn an_edit_that_cannot_follow_changes_nothing() {
    let mut state = ManifestState::new(&options());
    state.apply(&Edit::AddSegment(entry(3))).expect("an edit");
    state.apply(&Edit::Trim { before: Lsn(5), floor: SegmentNo(3) }).expect("an edit");
    let before = state.clone();
    for edit in [
        Edit::AddSegment(entry(3)),
        Edit::AddSegment(entry(2)),
        Edit::Trim { before: Lsn(4), floor: SegmentNo(3) },
        Edit::Trim { before: Lsn(5), floor: SegmentNo(2) },
        Edit::AcceptLoss(LsnRange::new(Lsn(0), Lsn(1))),
        Edit::AcceptLoss(LsnRange::new(Lsn(3), Lsn(1))),
    ] {
        assert!(state.apply(&edit).is_err(), "{edit:?}");
        assert_eq!(state, before);
    }
}

#[test]
fn stored_options_and_losses_survive_a_checkpoint() {
    use crate::options::{Fill, SyncMethod};
    let dir = tempfile::tempdir().expect("a directory");
    let home = home(dir.path());
    let options = Options {
        sync: SyncMethod::WriteThrough,
        fill: Fill::Allocate,
        max_streams: 3,
        max_batch_bytes: 100,
        ..options()
    };
    let mut state = ManifestState { identity_vouched: true, ..ManifestState::new(&options) };
    state.apply(&Edit::AcceptLoss(LsnRange::new(Lsn(5), Lsn(6)))).expect("an edit");
    state.apply(&Edit::AcceptLoss(LsnRange::new(Lsn(1), Lsn(2)))).expect("an edit");
    ManifestFile::checkpoint(&home, state.clone(), Lsn(9)).expect("checkpoint");
    let read = read_manifest(&home).expect("readable").state.expect("a state");
    assert_eq!(read, state);
    assert_eq!(options.check_against(&read.options), Ok(()));
    assert_eq!(read.loss_of(Lsn(6)), Some(LsnRange::new(Lsn(5), Lsn(6))));
    assert_eq!(read.loss_of(Lsn(4)), None);
}

#[test]
fn the_recorded_options_are_read_without_a_lock() {
    let dir = tempfile::tempdir().expect("a directory");
    let env = native();
    let options = Options { block_size: 4096, segment_size: 1 << 20, ..options() };
    let created = crate::create::create(&env, dir.path(), &options).expect("a log");
    let recorded = recorded_options(&env, dir.path()).expect("its options");
    assert_eq!(options.check_against(&recorded), Ok(()));
    drop(created);
}
