//! The option `reuse` where the volume is nearly full: a trim is there to make room, and whoever opens the log needs some.

use truelog::{Error, Log, Lsn, Options, StreamId};
use truelog_env::{Fs, OpenMode};
use truelog_harness::fabric::{Profile, SimFs};

const SEGMENT: u64 = 16 << 10;

fn options() -> Options {
    Options {
        block_size: 256,
        segment_size: SEGMENT,
        max_batch_bytes: 512,
        manifest_blocks: 16,
        background: false,
        reuse: true,
        ..Options::default()
    }
}

fn filled(disk: &SimFs) -> Log {
    let log = Log::create_in(&disk.env(), disk.log_dir(), &options()).expect("a log");
    for _ in 0..200 {
        log.append(StreamId(0), &[7; 100]).expect("a receipt");
    }
    log
}

fn free(disk: &SimFs) -> u64 {
    disk.volume(disk.log_dir()).expect("a volume").free_bytes
}

fn kept(disk: &SimFs) -> usize {
    let names = disk.read_dir(disk.log_dir()).expect("a directory");
    names.iter().filter(|name| name.to_string_lossy().ends_with(".tmp")).count()
}

#[test]
fn a_trim_gives_the_space_back_where_that_is_what_is_short() {
    let disk = SimFs::new(Profile::W.sector(256));
    let log = filled(&disk);
    disk.fill_after(Some(SEGMENT / 2));
    let before = free(&disk);
    assert!(log.trim(Lsn(200)).expect("trimmed").segments > 0);
    assert_eq!(kept(&disk), 0);
    assert!(free(&disk) >= before + SEGMENT);
    // And where there is enough two are kept, or this would show nothing.
    let disk = SimFs::new(Profile::W.sector(256));
    assert!(filled(&disk).trim(Lsn(200)).expect("trimmed").segments > 0);
    assert_eq!(kept(&disk), 2);
}

#[test]
fn kept_files_are_no_way_past_the_room_that_the_next_open_needs() {
    let disk = SimFs::new(Profile::W.sector(256));
    let log = filled(&disk);
    assert!(log.trim(Lsn(200)).expect("trimmed").segments > 0);
    assert_eq!(kept(&disk), 2);
    // Somebody else takes the rest of the volume.
    disk.fill_after(Some(0));
    let mut appended = 200;
    let refused = loop {
        match log.append(StreamId(0), &[7; 100]) {
            Ok(receipt) => appended = receipt.lsn().0,
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, Error::Full { .. }), "{refused}");
    drop(log);
    let (log, recovered) = Log::open_in(&disk.env(), disk.log_dir(), &options()).expect("a second life");
    assert_eq!((recovered.next, log.read_only()), (Lsn(appended + 1), None));
    assert!(log.trim(Lsn(appended)).is_ok(), "and room can be made");
}

#[test]
fn an_open_without_room_removes_what_was_never_made_ready_first() {
    let disk = SimFs::new(Profile::W.sector(256));
    drop(filled(&disk));
    let unmade = disk.log_dir().join("segment-0000000099.tmp");
    let file = disk.open(&unmade, OpenMode::CREATE).expect("a file");
    file.allocate(SEGMENT).expect("space");
    drop(file);
    disk.fill_after(Some(0));
    let (_, recovered) = Log::open_in(&disk.env(), disk.log_dir(), &options()).expect("a second life");
    assert_eq!((recovered.next, kept(&disk)), (Lsn(201), 0));
}
