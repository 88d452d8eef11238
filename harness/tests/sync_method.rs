//! The option `sync: auto` where the file system has no way past its page cache: it says so to the open, or to the first
//! write. No batch may be the one that finds it out.

use truelog::{Log, Lsn, Options, StreamId, SyncMethod};
use truelog_env::{IoKind, Op, OpenMode};
use truelog_harness::fabric::{Call, Edge, Fault, Profile, Role, SimFs};

use super::fabric::fault;

/// More than both ways together are tried with.
const BATCHES: u64 = 40;

fn options() -> Options {
    Options { block_size: 256, max_batch_bytes: 512, background: false, ..Options::default() }
}

/// How many batches of the first segment went past the page cache, and how many there were, in a log whose disk refuses
/// the segment's file one call.
fn appended(refused: Option<Op>) -> (usize, usize) {
    let disk = SimFs::new(Profile::W.sector(128));
    let fail = Fault::Fail { kind: IoKind::Unsupported, done: 0 };
    if let Some(op) = refused {
        fault(&disk, Role::SegmentTmp(1), op, fail);
    }
    let log = Log::create_in(&disk.env(), disk.log_dir(), &options()).expect("a log");
    for _ in 0..BATCHES {
        log.append(StreamId(0), b"a record").expect("a receipt");
    }
    assert_eq!(disk.faults().fired().len(), usize::from(refused.is_some()), "what was planned has happened");
    drop(log);
    let calls = disk.take_log();
    let is_batch = |call: &Call| (call.op, call.role) == (Op::Write, Role::Segment(1));
    let batches: Vec<OpenMode> = calls
        .iter()
        .filter(|record| record.edge == Edge::Begin && is_batch(&record.call))
        .map(|record| record.call.mode)
        .collect();
    let (_, recovered) = Log::open_in(&disk.env(), disk.log_dir(), &options()).expect("a second life");
    assert_eq!(recovered.next, Lsn(BATCHES + 1), "nothing was lost");
    (batches.iter().filter(|mode| mode.direct && mode.write_through).count(), batches.len())
}

#[test]
fn it_is_the_default_and_goes_both_ways() {
    assert_eq!(Options::default().sync, SyncMethod::Auto);
    let (through, all) = appended(None);
    assert!(0 < through && through < all, "{through} of {all}");
}

#[test]
fn a_file_system_that_refuses_it_is_found_out_before_there_is_a_batch() {
    for op in [Op::Open, Op::Write] {
        let (through, all) = appended(Some(op));
        assert_eq!(through, 0, "of {all}, refused {op:?}");
        assert!(all > 2, "{all} batches");
    }
}
