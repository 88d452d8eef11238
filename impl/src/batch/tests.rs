use super::*;
use crate::lsn::{Seq, StreamId};

const BLOCK: u32 = 256;

fn site() -> Site {
    Site { log: LogId([1; 16]), salt: 2, segment: SegmentNo(3), offset: 512 }
}

fn seal() -> Seal {
    Seal { site: site(), watermark: Lsn(6), chain: 77, prev: Some((SegmentNo(2), 1024)) }
}

fn builder() -> BatchBuilder {
    let mut builder = BatchBuilder::new(BLOCK, 1000);
    builder.begin(Lsn(7));
    builder.push_table([(StreamId(0), Seq(4)), (StreamId(9), Seq(2))].into_iter());
    assert_eq!(builder.push(StreamId(9), Seq(2), b"first"), Ok((Lsn(7), 96 + 32 + 32)));
    assert_eq!(builder.push(StreamId(0), Seq(4), b""), Ok((Lsn(8), 96 + 32 + 32 + 37)));
    builder
}

/// A valid batch whose bytes `change` altered before the checksum was made.
fn forged(change: impl FnOnce(&mut [u8])) -> Vec<u8> {
    let mut bytes = builder().seal(&seal()).1.to_vec();
    change(&mut bytes);
    let len = u32::from_le_bytes([bytes[60], bytes[61], bytes[62], bytes[63]]) as usize;
    let end = (BATCH_HEADER + len).min(bytes.len());
    let crc = crate::codec::checksum(&bytes[CHECKED_FROM..end]);
    bytes[4..8].copy_from_slice(&crc.to_le_bytes());
    bytes
}

#[test]
fn a_batch_round_trips() {
    let mut builder = builder();
    assert_eq!(builder.lsns(), LsnRange::new(Lsn(7), Lsn(8)));
    let expected = builder.padded_len();
    let (header, bytes) = builder.seal(&seal());
    assert_eq!(bytes.len() as u64, expected);
    assert!(bytes.len().is_multiple_of(BLOCK as usize));
    let batch = Batch::decode(bytes, &site()).expect("a valid batch");
    assert_eq!(batch.header, header);
    assert_eq!((header.base, header.count, header.next()), (Lsn(7), 2, Lsn(9)));
    assert_eq!((header.prev_segment, header.prev_end, header.chain), (SegmentNo(2), 1024, 77));
    assert_eq!(header.end(BLOCK), 512 + expected);
    let records: Vec<_> =
        batch.records().map(|it| (it.lsn, it.stream, it.seq, it.offset, it.payload)).collect();
    assert_eq!(
        records,
        [(Lsn(7), StreamId(9), Seq(2), 160, &b"first"[..]), (Lsn(8), StreamId(0), Seq(4), 197, &b""[..]),]
    );
    let streams: Vec<_> = batch.streams().expect("a table").collect();
    assert_eq!(streams, [(StreamId(0), Seq(4)), (StreamId(9), Seq(2))]);
}

#[test]
fn the_buffer_is_reused_without_a_trace_and_stays_aligned() {
    let mut builder = builder();
    let address = builder.seal(&seal()).1.as_ptr();
    assert_eq!(address.align_offset(4096), 0);
    builder.begin(Lsn(9));
    builder.push(StreamId(0), Seq(5), b"x").expect("room");
    let (header, bytes) = builder.seal(&Seal { prev: None, ..seal() });
    assert_eq!(bytes.as_ptr(), address);
    let used = BATCH_HEADER + header.len as usize;
    assert_eq!(used, 96 + 32 + 1);
    assert!(bytes[used..].iter().all(|byte| *byte == 0), "the padding is zeros");
    assert!(Batch::decode(bytes, &site()).expect("valid").streams().is_none());
}

#[test]
fn a_frame_proves_by_itself_that_it_is_the_record_of_its_place() {
    let bytes = builder().seal(&seal()).1.to_vec();
    let frame = &bytes[160..197];
    let found = frame_at(frame, &site(), 160, Lsn(7)).expect("a frame");
    assert_eq!((found.lsn, found.stream, found.seq), (Lsn(7), StreamId(9), Seq(2)));
    assert_eq!((found.offset, found.payload), (160, &b"first"[..]));
    assert!(frame_at(frame, &site(), 160, Lsn(8)).is_none(), "another record");
    assert!(frame_at(frame, &site(), 197, Lsn(7)).is_none(), "another place in the batch");
    let elsewhere = |change: fn(&mut Site)| {
        let mut other = site();
        change(&mut other);
        frame_at(frame, &other, 160, Lsn(7))
    };
    assert!(elsewhere(|site| site.offset = 768).is_none());
    assert!(elsewhere(|site| site.segment = SegmentNo(4)).is_none());
    assert!(elsewhere(|site| site.salt = 3).is_none());
    assert!(elsewhere(|site| site.log = LogId([2; 16])).is_none());
    for bit in 0..frame.len() * 8 {
        let mut flipped = frame.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(frame_at(&flipped, &site(), 160, Lsn(7)).is_none(), "bit {bit}");
    }
    for len in 0..frame.len() {
        assert!(frame_at(&frame[..len], &site(), 160, Lsn(7)).is_none(), "{len} bytes");
    }
    assert!(
        frame_at(&bytes[160..198], &site(), 160, Lsn(7)).is_none(),
        "what is behind it is not part of it"
    );
    assert!(frame_at(&bytes[96..160], &site(), 96, Lsn::NONE).is_none(), "a stream table is no record");
}

#[test]
fn a_batch_without_records_is_valid() {
    let mut builder = BatchBuilder::new(BLOCK, 1000);
    builder.begin(Lsn(7));
    let (header, bytes) = builder.seal(&seal());
    assert_eq!((header.count, header.len, bytes.len()), (0, 0, BLOCK as usize));
    let batch = Batch::decode(bytes, &site()).expect("valid");
    assert_eq!(batch.records().count(), 0);
    assert!(batch.header.lsns().is_empty());
    assert_eq!(batch.header.next(), Lsn(7));
}

#[test]
fn a_batch_of_another_place_is_refused_by_name() {
    let mut builder = builder();
    let bytes = builder.seal(&seal()).1;
    let check = |change: fn(&mut Site)| {
        let mut other = site();
        change(&mut other);
        Batch::decode(bytes, &other).map(|_| ())
    };
    assert_eq!(check(|_| {}), Ok(()));
    assert_eq!(check(|site| site.log = LogId([9; 16])), Err(Reason::OtherLog));
    assert_eq!(check(|site| site.salt = 9), Err(Reason::OtherSalt));
    assert_eq!(check(|site| site.segment = SegmentNo(9)), Err(Reason::OtherSegment(SegmentNo(3))));
    assert_eq!(check(|site| site.offset = 256), Err(Reason::OtherOffset(512)));
}

#[test]
fn every_flipped_bit_of_header_and_payload_is_refused() {
    let mut builder = builder();
    let (header, bytes) = builder.seal(&seal());
    let used = BATCH_HEADER + header.len as usize;
    for bit in 0..used * 8 {
        let mut flipped = bytes.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(Batch::decode(&flipped, &site()).is_err(), "bit {bit}");
    }
}

#[test]
fn every_cut_is_refused() {
    let mut builder = builder();
    let (header, bytes) = builder.seal(&seal());
    let used = BATCH_HEADER + header.len as usize;
    for len in 0..used {
        assert_eq!(Batch::decode(&bytes[..len], &site()), Err(Reason::Short), "{len}");
    }
    assert!(Batch::decode(&bytes[..used], &site()).is_ok());
}

#[test]
fn what_cannot_be_is_refused_even_with_a_right_checksum() {
    let refused = |change: fn(&mut [u8])| Batch::decode(&forged(change), &site()).map(|_| ());
    assert_eq!(refused(|_| {}), Ok(()));
    assert_eq!(refused(|bytes| bytes[48] = 0), Err(Reason::Field("base")));
    assert_eq!(refused(|bytes| bytes[48..56].fill(0xff)), Err(Reason::Field("base")));
    assert_eq!(refused(|bytes| bytes[64] = 7), Err(Reason::Field("watermark")));
    assert_eq!(refused(|bytes| bytes[56] = 9), Err(Reason::Field("count")));
    let header = BatchHeader::decode(&forged(|bytes| bytes[56] = 9), &site()).map(|_| ());
    assert_eq!(header, Err(Reason::Field("count")), "its header tells by itself");
    assert_eq!(refused(|bytes| bytes[56] = 1), Err(Reason::Field("count")));
    assert_eq!(refused(|bytes| bytes[80] = 0), Err(Reason::Field("prev")));
    assert_eq!(refused(|bytes| bytes[80] = 3), Err(Reason::Field("prev")), "a predecessor comes before");
    assert_eq!(refused(|bytes| bytes[96] = 1), Err(Reason::OtherLsn(Lsn(1))), "a table has no LSN");
    assert_eq!(refused(|bytes| bytes[120] = 31), Err(Reason::Field("stream table")), "whole rows");
    assert_eq!(refused(|bytes| bytes[160] = 8), Err(Reason::OtherLsn(Lsn(8))), "dense LSNs");
    assert_eq!(refused(|bytes| bytes[160] = 0), Err(Reason::Field("stream table")), "a table comes first");
    assert_eq!(refused(|bytes| bytes[184] = 200), Err(Reason::Field("frame length")));
}

#[test]
fn a_record_that_does_not_fit_changes_nothing() {
    let mut builder = BatchBuilder::new(BLOCK, 100);
    builder.begin(Lsn(1));
    builder.push_table([(StreamId(1), Seq(1))].into_iter());
    assert!(builder.fits(68) && !builder.fits(69));
    builder.push(StreamId(1), Seq(1), &[0; 60]).expect("room");
    let before = builder.padded_len();
    let refused = builder.push(StreamId(1), Seq(2), &[0; 10]);
    assert!(matches!(refused, Err(crate::error::Error::TooLarge { len: 42, limit: 100 })));
    assert_eq!((builder.lsns().len(), builder.padded_len()), (1, before));
    assert_eq!(builder.padded_len_with(1000), round_up(96 + 48 + 92 + 1000, BLOCK));
}

#[test]
fn a_large_table_makes_the_buffer_grow() {
    let mut builder = BatchBuilder::new(BLOCK, 64);
    builder.begin(Lsn(1));
    builder.push_table((0..1000_u32).map(|stream| (StreamId(stream.into()), Seq(1))));
    builder.push(StreamId(1), Seq(1), b"x").expect("the table does not count");
    let (_, bytes) = builder.seal(&Seal { watermark: Lsn(0), ..seal() });
    let batch = Batch::decode(bytes, &site()).expect("valid");
    assert_eq!(batch.streams().map(Iterator::count), Some(1000));
}

#[test]
fn the_chain_depends_on_every_byte_of_the_header() {
    let header = builder().seal(&seal()).0;
    let other = BatchHeader { chain: header.chain + 1, ..header };
    assert_ne!(header.chain_value(), other.chain_value());
    assert_eq!(header.chain_value(), header.chain_value());
}
