//! What the fuzz targets do with their input. `cargo test` runs the same functions on the checked-in seeds.
//!
//! Each function takes arbitrary bytes, and panics only when a promise of a decoder is broken: it never
//! panics itself, never invents, and what it accepts it can say again.

use arbitrary::{Arbitrary, Unstructured};
use truelog::format::{Batch, BatchHeader, Identity, ManifestRecord, SegmentHeader, Site};
use truelog::{Claim, LogId, SegmentNo};
use truelog_spec::Step;

/// A fuzz target: its name, as `cargo fuzz run` takes it, and what it does.
pub type Target = (&'static str, fn(&[u8]));

/// Every target. fuzz/fuzz_targets has a file for each.
pub const TARGETS: &[Target] = &[
    ("batch", batch),
    ("manifest_record", manifest_record),
    ("segment_header", segment_header),
    ("identity", identity),
    ("step_text", step_text),
    ("claim_text", claim_text),
];

/// Where a fuzzed batch is decoded. Small numbers, so that a fuzzer finds matching ones.
#[derive(Debug, Arbitrary)]
struct BatchInput<'a> {
    log: u8,
    salt: u8,
    segment: u8,
    block: u8,
    /// Put the right checksum in, so that the fuzzer reaches what lies behind it.
    mend: bool,
    bytes: &'a [u8],
}

/// A batch from arbitrary bytes.
pub fn batch(data: &[u8]) {
    let Ok(input) = BatchInput::arbitrary_take_rest(Unstructured::new(data)) else { return };
    let site = Site {
        log: LogId([input.log; 16]),
        salt: u64::from(input.salt),
        segment: SegmentNo(u64::from(input.segment)),
        offset: u64::from(input.block) * 256,
    };
    let mut bytes = input.bytes.to_vec();
    if input.mend {
        mend(&mut bytes, &site);
    }
    let Ok(batch) = Batch::decode(&bytes, &site) else { return };
    let header = batch.header;
    assert_eq!(
        BatchHeader::decode(&header.encode(), &site),
        Ok(header),
        "a header that was read can be written"
    );
    let mut due = header.base;
    for frame in batch.records() {
        assert_eq!(frame.lsn, due, "LSNs are dense");
        let from = frame.offset as usize;
        assert!(bytes[from..].len() >= frame.payload.len(), "a record lies within the bytes given");
        due = due.next();
    }
    assert_eq!(due.0 - header.base.0, u64::from(header.count), "as many records as the header says");
    if let Some(table) = batch.streams() {
        assert!(table.count() <= bytes.len() / 16, "a table is no longer than its bytes");
    }
}

/// Makes the header of `bytes` one for `site`, with the checksum of what stands there.
fn mend(bytes: &mut [u8], site: &Site) {
    if bytes.len() < truelog::format::BATCH_HEADER {
        return;
    }
    bytes[..4].copy_from_slice(&truelog::format::BATCH_MAGIC);
    bytes[8..24].copy_from_slice(&site.log.0);
    bytes[24..32].copy_from_slice(&site.salt.to_le_bytes());
    bytes[32..40].copy_from_slice(&site.segment.0.to_le_bytes());
    bytes[40..48].copy_from_slice(&site.offset.to_le_bytes());
    let room = bytes.len() - truelog::format::BATCH_HEADER;
    let said = u32::from_le_bytes([bytes[60], bytes[61], bytes[62], bytes[63]]) as usize;
    let len = if room == 0 { 0 } else { said % (room + 1) };
    bytes[60..64].copy_from_slice(&u32::try_from(len).unwrap_or(0).to_le_bytes());
    let crc = crc32c::crc32c(&bytes[8..truelog::format::BATCH_HEADER + len]);
    bytes[4..8].copy_from_slice(&crc.to_le_bytes());
}

/// A manifest record from arbitrary bytes: first as they are, then with their checksum mended.
pub fn manifest_record(data: &[u8]) {
    let log = LogId([0; 16]);
    let mut bytes = data.to_vec();
    if let Ok(record) = ManifestRecord::decode(&bytes, log, 0) {
        assert!(record.len <= bytes.len() as u64, "a record lies within the bytes given");
    }
    let header = truelog::format::RECORD_HEADER;
    if bytes.len() < header {
        return;
    }
    bytes[..4].copy_from_slice(&truelog::format::MANIFEST_MAGIC);
    bytes[8..24].copy_from_slice(&log.0);
    let said = u32::from_le_bytes([bytes[68], bytes[69], bytes[70], bytes[71]]) as usize;
    let len = said % (bytes.len() - header + 1);
    bytes[68..72].copy_from_slice(&u32::try_from(len).unwrap_or(0).to_le_bytes());
    let crc = crc32c::crc32c(&bytes[8..header + len]);
    bytes[4..8].copy_from_slice(&crc.to_le_bytes());
    if let Ok(record) = ManifestRecord::decode(&bytes, log, 0) {
        assert!(record.len <= bytes.len() as u64, "a record lies within the bytes given");
    }
}

/// A segment's header from arbitrary bytes.
pub fn segment_header(data: &[u8]) {
    if let Ok(header) = SegmentHeader::decode(data) {
        assert_eq!(SegmentHeader::decode(&header.encode()), Ok(header), "what was read can be written");
    }
}

/// An identity from arbitrary bytes.
pub fn identity(data: &[u8]) {
    if let Ok(identity) = Identity::decode(data) {
        assert_eq!(Identity::decode(&identity.encode()), Ok(identity), "what was read can be written");
    }
}

/// A line of a trace from arbitrary text.
pub fn step_text(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(step) = text.parse::<Step>() else { return };
    assert_eq!(step.to_string().parse::<Step>().as_ref(), Ok(&step), "what was read can be written");
}

/// A claim from arbitrary text.
pub fn claim_text(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(claim) = text.parse::<Claim>() else { return };
    assert_eq!(claim.to_string().parse::<Claim>().as_ref(), Ok(&claim), "what was read can be written");
}
