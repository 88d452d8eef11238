use std::path::PathBuf;

use truelog_env::OpenMode;

use super::*;
use crate::archive::entry::{DriveEntry, DriveFault, DriveId, DriveStatus, Evidence};
use crate::archive::run::RunEntry;
use crate::archive::set::DriveSet;
use crate::error::Reason;
use crate::home::{read_full_at, write_all_at};
use crate::lsn::{DriveNo, Lsn, LsnRange, RunNo, SegmentNo};
use crate::os::native;
use crate::types::LogId;

fn drive(number: u64) -> DriveEntry {
    let id = DriveId([u8::try_from(number).expect("small"); 16]);
    let path = PathBuf::from(format!("/drives/{number}"));
    DriveEntry { number: DriveNo(number), id, path, capacity: 7, seen: 0, status: DriveStatus::Healthy }
}

fn run(number: u64, first: u64, last: u64) -> RunEntry {
    RunEntry {
        number: RunNo(number),
        salt: number * 3,
        generation: number,
        lsns: LsnRange::new(Lsn(first), Lsn(last)),
        index_at: 512,
        blocks: 1,
        len: 768,
        copies: DriveSet::EMPTY.with(DriveNo(0)).with(DriveNo(1)),
    }
}

fn publish(number: u64, first: u64, last: u64, floor: u64) -> Edit {
    Edit::Publish { run: run(number, first, last), floor: SegmentNo(floor) }
}

/// Two drives, two runs, three segments of which one is left.
fn edits() -> Vec<Edit> {
    let segment =
        |number: u64| Edit::AddSegment(SegmentEntry { number: SegmentNo(number), salt: 1, capacity: 512 });
    vec![
        segment(1),
        segment(2),
        segment(3),
        Edit::Drive(drive(0)),
        Edit::Drive(drive(1)),
        publish(1, 1, 10, 2),
        publish(2, 11, 20, 3),
    ]
}

fn state() -> ManifestState {
    let mut state =
        ManifestState::new(&Options { block_size: 256, manifest_blocks: 64, ..Options::default() });
    for edit in edits() {
        state.apply(&edit).expect("it follows");
    }
    state
}

#[test]
fn edits_and_checkpoints_of_an_archive_read_back_as_they_were_written() {
    let (env, dir) = (native(), tempfile::tempdir().expect("a directory"));
    let volume = env.fs.volume(dir.path()).expect("a volume");
    let home = Home::new(&env, dir.path(), LogId([5; 16]), 256, volume);
    let fault = DriveFault::Missing;
    let evidence = Evidence { fault, run: RunNo(2), offset: 3, tries: 4, generation: 5, at: 6 };
    let empty = ManifestState::new(&state().options);
    let mut manifest = ManifestFile::checkpoint(&home, empty, Lsn::NONE).expect("a checkpoint");
    let mut edits = edits();
    edits.push(Edit::Drive(DriveEntry { status: DriveStatus::Quarantined(evidence), ..drive(1) }));
    edits.push(Edit::Copies { run: RunNo(2), copies: DriveSet::EMPTY.with(DriveNo(1)) });
    for edit in &edits {
        manifest.append(&home, edit, Lsn::NONE).expect("an edit");
    }
    let read = read_manifest(&home).expect("readable");
    assert_eq!((read.state.as_ref(), read.verdict), (Some(manifest.state()), ManifestVerdict::Whole));
    manifest.seen(DriveNo(0), 9);
    let manifest =
        ManifestFile::checkpoint(&home, manifest.state().clone(), Lsn::NONE).expect("a checkpoint");
    let read = read_manifest(&home).expect("readable").state.expect("a state");
    assert_eq!(&read, manifest.state());
    assert_eq!(
        read.archive.drive(DriveNo(1)).map(|drive| drive.status),
        Some(DriveStatus::Quarantined(evidence))
    );
    assert_eq!(read.archive.drive(DriveNo(0)).map(|drive| drive.seen), Some(9));
}

#[test]
fn a_run_takes_the_place_of_those_that_it_holds_wholly() {
    let mut state = state();
    assert_eq!(state.segments.iter().map(|entry| entry.number.0).collect::<Vec<_>>(), [3]);
    assert_eq!(
        (state.segments_from(), state.archive.generation, state.archive.next_run),
        (Lsn(21), 2, RunNo(3))
    );
    state.apply(&publish(3, 1, 20, 3)).expect("a merge");
    assert_eq!(state.archive.runs, [run(3, 1, 20)]);
    state.apply(&Edit::Trim { before: Lsn(5), floor: SegmentNo(3) }).expect("a trim");
    state.apply(&publish(4, 5, 20, 3)).expect("what was trimmed need not be kept");
    state.apply(&Edit::Trim { before: Lsn(21), floor: SegmentNo(3) }).expect("a trim");
    assert_eq!((state.archive.runs.len(), state.segments_from()), (0, Lsn(21)));
    state.apply(&Edit::RemoveDrive(DriveNo(0))).expect("it has nothing");
}

#[test]
fn an_edit_of_the_archive_that_cannot_follow_changes_nothing() {
    let mut state = state();
    let before = state.clone();
    let unknown = RunEntry { copies: DriveSet::EMPTY.with(DriveNo(9)), ..run(3, 21, 30) };
    for edit in [
        publish(2, 21, 30, 3),
        publish(3, 22, 30, 3),
        publish(3, 5, 30, 3),
        publish(3, 1, 15, 3),
        publish(3, 21, 20, 3),
        publish(3, 21, 30, 2),
        Edit::Publish { run: RunEntry { generation: 2, ..run(3, 21, 30) }, floor: SegmentNo(3) },
        Edit::Publish { run: RunEntry { copies: DriveSet::EMPTY, ..run(3, 21, 30) }, floor: SegmentNo(3) },
        Edit::Publish { run: unknown, floor: SegmentNo(3) },
        Edit::Copies { run: RunNo(3), copies: DriveSet::EMPTY.with(DriveNo(0)) },
        Edit::Copies { run: RunNo(1), copies: DriveSet::EMPTY },
        Edit::Copies { run: RunNo(1), copies: DriveSet::EMPTY.with(DriveNo(7)) },
        Edit::Drive(DriveEntry { number: DriveNo(64), ..drive(2) }),
        Edit::Drive(DriveEntry { path: "drives/2".into(), ..drive(2) }),
        Edit::Drive(DriveEntry { id: drive(0).id, ..drive(2) }),
        Edit::RemoveDrive(DriveNo(2)),
    ] {
        assert!(state.apply(&edit).is_err(), "{edit:?}");
        assert_eq!(state, before);
    }
    state
        .apply(&Edit::Copies { run: RunNo(1), copies: DriveSet::EMPTY.with(DriveNo(0)) })
        .expect("a copy less");
    assert!(state.apply(&Edit::RemoveDrive(DriveNo(0))).is_err(), "it has the last copy");
    state.apply(&Edit::RemoveDrive(DriveNo(1))).expect("it has not");
}

#[test]
fn a_run_may_begin_behind_records_that_were_given_up_and_nowhere_else() {
    let mut state = state();
    state.apply(&Edit::AcceptLoss(LsnRange::new(Lsn(21), Lsn(25)))).expect("a loss");
    assert_eq!(state.kept(state.segments_from()), Lsn(26));
    assert!(state.apply(&publish(3, 27, 30, 3)).is_err());
    state.apply(&publish(3, 26, 30, 3)).expect("it follows");
}

/// Before drives had to prove that they are of the log's history, a checkpoint had no count of publications and no rows of
/// them. Such a file is as it was written: it is no damage, and no other layout is guessed.
#[test]
fn a_checkpoint_of_a_layout_from_before_the_release_is_refused_by_name() {
    let (env, dir) = (native(), tempfile::tempdir().expect("a directory"));
    let volume = env.fs.volume(dir.path()).expect("a volume");
    let home = Home::new(&env, dir.path(), LogId([5; 16]), 256, volume);
    ManifestFile::checkpoint(&home, state(), Lsn::NONE).expect("a checkpoint");
    let file = home.open(Name::Manifest, OpenMode::WRITE).expect("a manifest");
    let mut bytes = vec![0; usize::try_from(file.metadata().expect("its length").len).expect("small")];
    read_full_at(&*file, &mut bytes, 0).expect("its bytes");
    // Header, fixed part and the one segment; then the archive's generation, next run and counts of drives and runs.
    let count = record::RECORD_HEADER + 80 + 24 + 32;
    let len = u32::from_le_bytes(bytes[68..72].try_into().expect("four bytes"));
    assert_eq!(bytes[count..count + 8], 2u64.to_le_bytes(), "two publications");
    // What is behind moves up; the file stays as long.
    bytes.copy_within(count + 8.., count);
    let shorter = len - 8 - 2 * 16;
    bytes[68..72].copy_from_slice(&shorter.to_le_bytes());
    let used = record::RECORD_HEADER + usize::try_from(shorter).expect("small");
    bytes[used..].fill(0);
    crate::codec::put_checksum(&mut bytes[..used], 4, 8);
    let path = home.path(Name::Manifest);
    write_all_at(&*file, &bytes, 0).expect("written");
    let refused = read_manifest(&home).expect_err("its layout is not known");
    assert_eq!(refused, Error::Version { path, found: 0, supported: 1 });
    bytes[used - 1] ^= 1;
    write_all_at(&*file, &bytes, 0).expect("written");
    let damaged = read_manifest(&home).expect("readable").verdict;
    assert_eq!(damaged, ManifestVerdict::Damaged { offset: 0, reason: Reason::Checksum });
}
