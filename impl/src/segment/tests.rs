//! Headers, new segments, and how their space is filled.

use super::*;
use crate::batch::{BatchBuilder, Seal};
use crate::lsn::{Seq, StreamId};

fn header() -> SegmentHeader {
    SegmentHeader { log: LogId([1; 16]), segment: SegmentNo(2), salt: 3, capacity: 1024, block: 256 }
}

#[test]
fn a_header_round_trips() {
    assert_eq!(SegmentHeader::decode(&header().encode()), Ok(header()));
}

#[test]
fn every_flipped_bit_of_a_header_is_refused() {
    let bytes = header().encode();
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(SegmentHeader::decode(&flipped).is_err(), "bit {bit}");
    }
}

#[test]
fn a_header_of_another_place_is_refused_by_name() {
    let entry = SegmentEntry { number: SegmentNo(2), salt: 3, capacity: 1024 };
    let check = |change: fn(&mut SegmentHeader)| {
        let mut header = header();
        change(&mut header);
        header.check_named(LogId([1; 16]), &entry, 256)
    };
    assert_eq!(check(|_| {}), Ok(()));
    assert_eq!(check(|header| header.log = LogId([9; 16])), Err(Reason::OtherLog));
    assert_eq!(check(|header| header.segment = SegmentNo(9)), Err(Reason::OtherSegment(SegmentNo(9))));
    assert_eq!(check(|header| header.salt = 9), Err(Reason::OtherSalt));
    assert_eq!(check(|header| header.block = 512), Err(Reason::Field("block size")));
    assert_eq!(check(|header| header.capacity = 2048), Err(Reason::Field("capacity")));
    assert_eq!(check(|header| header.capacity = 1000), Err(Reason::Field("capacity")));
    assert_eq!(check(|header| header.capacity = 0), Err(Reason::Field("capacity")));
}

fn prepared(options: &Options) -> (tempfile::TempDir, crate::create::Created, ManifestFile, Segment) {
    let (env, dir) = (crate::os::native(), tempfile::tempdir().expect("a directory"));
    let created = crate::create::create(&env, dir.path(), options).expect("a log");
    let state = crate::manifest::ManifestState::new(options);
    let mut manifest = ManifestFile::checkpoint(&created.home, state, Lsn::NONE).expect("a manifest");
    let segment =
        Segment::prepare(&created.home, options, &mut manifest, SegmentNo(1), 10_000, Lsn::NONE, None)
            .expect("a segment");
    (dir, created, manifest, segment)
}

fn options(fill: Fill, sync: SyncMethod) -> Options {
    let durability = crate::types::Durability::ProcessCrash;
    Options { durability, fill, sync, segment_size: 1 << 20, ..Options::default() }
}

#[test]
fn a_prepared_segment_is_named_whole_and_zero() {
    for (fill, sync) in [
        (Fill::Zeros, SyncMethod::DataSync),
        (Fill::Zeros, SyncMethod::WriteThrough),
        (Fill::Zeros, SyncMethod::Auto),
        (Fill::Allocate, SyncMethod::DataSync),
        (Fill::Allocate, SyncMethod::WriteThrough),
    ] {
        let (_dir, created, manifest, segment) = prepared(&options(fill, sync));
        let entry = *manifest.state().segment(SegmentNo(1)).expect("the manifest names it");
        assert_eq!((entry.salt, entry.capacity), (segment.salt, 12_288), "whole blocks");
        let mut batch = BatchBuilder::new(4096, 1024);
        batch.push(StreamId(1), Seq(0), b"record").expect("room");
        let site = segment.site(created.home.log, 4096);
        let (_, batch) = batch.seal(&Seal { site, watermark: Lsn::NONE, chain: 0, prev: None });
        for way in [Way::Synced, Way::Through].map(|way| segment.way(way)) {
            segment.write_all_at(batch, 4096, way).expect("a write");
            segment.sync_data().expect("a sync");
        }
        segment.check_place(&created.home, 12_288).expect("in its place");
        let file = created.home.open(Name::Segment(SegmentNo(1)), OpenMode::READ).expect("a file");
        let header = read_header(&*file).expect("readable").expect("a header");
        assert_eq!(header.check_named(created.home.log, &entry, 4096), Ok(()));
        let mut bytes = vec![1; 12_288];
        assert_eq!(read_full_at(&*file, &mut bytes, 0), Ok(12_288));
        assert_eq!(&bytes[4096..8192], batch);
        assert!(bytes[8192..].iter().all(|byte| *byte == 0));
    }
}

/// What a device has been asked for and has not taken yet, in bytes; it fails the wait for the first byte of `broken`.
#[derive(Debug, Default)]
struct Queue {
    behind: crate::sync::Mutex<(u64, u64)>,
    broken: Option<u64>,
}

impl File for Queue {
    fn read_at(&self, _: &mut [u8], _: u64) -> std::result::Result<usize, truelog_env::IoError> {
        Ok(0)
    }

    fn write_at(&self, buf: &[u8], _: u64) -> std::result::Result<usize, truelog_env::IoError> {
        Ok(buf.len())
    }

    fn write_out(&self, _: u64, len: u64) {
        let mut behind = self.behind.lock();
        behind.0 += len;
        behind.1 = behind.1.max(behind.0);
    }

    fn wait_out(&self, offset: u64, len: u64) -> std::result::Result<(), truelog_env::IoError> {
        self.behind.lock().0 -= len;
        if self.broken.is_some_and(|broken| (offset..offset + len).contains(&broken)) {
            return Err(truelog_env::IoError::new(truelog_env::Op::SyncData, IoKind::Device));
        }
        Ok(())
    }

    fn sync_data(&self) -> std::result::Result<(), truelog_env::IoError> {
        Ok(())
    }

    fn sync_all(&self) -> std::result::Result<(), truelog_env::IoError> {
        Ok(())
    }

    fn allocate(&self, _: u64) -> std::result::Result<(), truelog_env::IoError> {
        Ok(())
    }

    fn metadata(&self) -> std::result::Result<truelog_env::Metadata, truelog_env::IoError> {
        Err(truelog_env::IoError::new(truelog_env::Op::Metadata, IoKind::Unsupported))
    }
}

#[test]
fn zeros_are_never_far_ahead_of_others_at_the_device_and_what_it_refuses_is_told() {
    let (chunk, to) = (as_u64(FILL_CHUNK), 10 * as_u64(FILL_CHUNK) + 4096);
    let queue = Queue::default();
    write_zeros(&queue, 4096, to).expect("zeros");
    assert_eq!(queue.behind.lock().1, 2 * chunk);
    let queue = Queue { broken: Some(3 * chunk), ..Queue::default() };
    assert_eq!(write_zeros(&queue, 4096, to).expect_err("a refusal").kind, IoKind::Device);
}

#[test]
fn a_segment_that_lost_its_place_is_noticed() {
    let (_dir, created, _manifest, segment) = prepared(&options(Fill::Zeros, SyncMethod::DataSync));
    let home = &created.home;
    let displaced = |end| matches!(segment.check_place(home, end), Err(Error::Displaced { .. }));
    assert!(!displaced(12_288));
    assert!(displaced(12_289), "too short");
    home.rename(Name::Segment(SegmentNo(1)), Name::Segment(SegmentNo(2))).expect("a rename");
    assert!(displaced(4096), "gone");
    home.open(Name::Segment(SegmentNo(1)), OpenMode::CREATE)
        .expect("a file")
        .allocate(12_288)
        .expect("space");
    assert!(displaced(4096), "replaced");
}
