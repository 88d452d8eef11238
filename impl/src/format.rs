//! The decoders of everything that stands on the disk. docs/FORMAT.md has the tables.
//!
//! The format is public: these are for tools, for an independent check of a disk, and for fuzzing. None of
//! them panics, and none allocates more than a small multiple of the bytes it is given.

pub use crate::archive::block::{
    ArchiveBlock, BLOCK_HEADER, BLOCK_MAGIC, BlockHeader, BlockSite, Kind as BlockKind, MAX_RAW,
};
pub use crate::archive::drive::{DRIVE_MAGIC, DriveIdentity};
pub use crate::archive::run::{INDEX_ROW, IndexRow, RUN_MAGIC, RunHeader, RunIndex};
pub use crate::archive::set::MAX_DRIVES;
pub use crate::batch::{
    BATCH_HEADER, BATCH_MAGIC, Batch, BatchHeader, FRAME_HEADER, Frame, Frames, Site, StreamTable, TABLE_ROW,
};
pub use crate::block::FORMAT_VERSION;

pub use crate::identity::{IDENTITY_MAGIC, Identity, damaged};
pub use crate::manifest::{
    ArchiveState, Content, Edit, MANIFEST_MAGIC, ManifestRecord, ManifestState, Publication, RECORD_HEADER,
    RecordSite, SegmentEntry,
};
pub use crate::segment::{SEGMENT_MAGIC, SegmentHeader};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{BatchBuilder, Seal};
    use crate::lsn::{Lsn, SegmentNo, Seq, StreamId};
    use crate::types::LogId;

    /// The bytes of the only dump in docs/FORMAT.md.
    fn documented() -> Vec<u8> {
        let text = include_str!("../../docs/FORMAT.md");
        let mut bytes = Vec::new();
        for line in text.lines().filter(|line| line.len() == 8 || line.as_bytes().get(8..10) == Some(b"  ")) {
            let Ok(offset) = usize::from_str_radix(&line[..8], 16) else { continue };
            // A line that hexdump leaves out repeats the one before it, which is zeros here.
            bytes.resize(offset, 0);
            let hex = line.get(8..58).unwrap_or_default();
            bytes.extend(hex.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).expect("a byte")));
        }
        bytes
    }

    #[test]
    fn the_documented_dump_is_what_is_read_and_written() {
        let bytes = documented();
        assert_eq!(bytes.len(), 1024);
        let header = SegmentHeader::decode(&bytes).expect("a header");
        let expected = SegmentHeader {
            log: LogId(*b"sixteen bytes id"),
            segment: SegmentNo(1),
            salt: 0x1122_3344_5566_7788,
            capacity: 1024,
            block: 256,
        };
        assert_eq!(header, expected);
        assert_eq!(header.encode(), bytes[..256]);
        let batch = Batch::decode(&bytes[256..], &header.site(256)).expect("a batch");
        let records: Vec<_> = batch.records().map(|it| (it.lsn, it.stream, it.seq, it.payload)).collect();
        assert_eq!(records, [(Lsn(1), StreamId(0), Seq(0), &b"hello"[..])]);
        let mut builder = BatchBuilder::new(256, 100);
        builder.begin(Lsn(1));
        builder.push(StreamId(0), Seq(0), b"hello").expect("room");
        let seal = Seal { site: header.site(256), watermark: Lsn::NONE, chain: 0, prev: None };
        assert_eq!(builder.seal(&seal).1, &bytes[256..512]);
    }

    /// A small generator of bytes, so that the decoders see all lengths and many values.
    fn noise(seed: &mut u64) -> u8 {
        *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        seed.to_be_bytes()[0]
    }

    #[test]
    fn the_decoders_refuse_whatever_has_a_right_beginning_and_nothing_else() {
        let log = LogId([0; 16]);
        let site = Site { log, salt: 0, segment: SegmentNo(0), offset: 0 };
        let mut seed = 1;
        for len in 0..600 {
            for magic in [&IDENTITY_MAGIC[..], &SEGMENT_MAGIC, &BATCH_MAGIC, &MANIFEST_MAGIC, b""] {
                let mut bytes: Vec<u8> = magic.to_vec();
                bytes.extend((0..len).map(|at| if at % 3 == 0 { noise(&mut seed) } else { 0 }));
                assert!(Identity::decode(&bytes).is_err());
                assert!(SegmentHeader::decode(&bytes).is_err());
                assert!(Batch::decode(&bytes, &site).is_err());
                assert!(ManifestRecord::decode(&bytes, log, 0).is_err());
            }
        }
    }
}
