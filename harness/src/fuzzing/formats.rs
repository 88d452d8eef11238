//! The decoders of what stands on the disk.

use arbitrary::{Arbitrary, Unstructured};
use truelog::format::{
    ArchiveBlock, BLOCK_HEADER, BLOCK_MAGIC, Batch, BatchHeader, BlockSite, DriveIdentity, Identity,
    ManifestRecord, RunHeader, RunIndex, SegmentHeader, Site,
};
use truelog::{LogId, RunNo, SegmentNo};

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

impl BatchInput<'_> {
    /// The place, and the bytes that stand there.
    fn read(data: &[u8]) -> Option<(Site, Vec<u8>)> {
        let input = BatchInput::arbitrary_take_rest(Unstructured::new(data)).ok()?;
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
        Some((site, bytes))
    }
}

/// See [`batch`].
pub(super) fn tell_batch(data: &[u8]) -> String {
    let Some((site, bytes)) = BatchInput::read(data) else { return "no input".to_owned() };
    match Batch::decode(&bytes, &site) {
        Ok(batch) => format!("{site:?}\n{:?}\n{:?}", batch.header, batch.records().collect::<Vec<_>>()),
        Err(why) => format!("{site:?}\nrefused: {why:?}"),
    }
}

/// A batch from arbitrary bytes.
pub fn batch(data: &[u8]) {
    let Some((site, bytes)) = BatchInput::read(data) else { return };
    let Ok(batch) = Batch::decode(&bytes, &site) else { return };
    let header = batch.header;
    assert_eq!(
        BatchHeader::decode(&header.encode(), &site),
        Ok(header),
        "nothing-invented: a header that was read can be written"
    );
    let mut due = header.base;
    for frame in batch.records() {
        assert_eq!(frame.lsn, due, "nothing-invented: LSNs are dense");
        let from = frame.offset as usize;
        assert!(
            bytes[from..].len() >= frame.payload.len(),
            "nothing-invented: a record lies within the bytes given"
        );
        due = due.next();
    }
    assert_eq!(
        due.0 - header.base.0,
        u64::from(header.count),
        "nothing-invented: as many records as the header says"
    );
    if let Some(table) = batch.streams() {
        assert!(table.count() <= bytes.len() / 16, "nothing-invented: a table is no longer than its bytes");
    }
}

/// Makes the header of `bytes` one for `site`, with the checksum of what stands there.
pub(super) fn mend(bytes: &mut [u8], site: &Site) {
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

/// Makes what `bytes` begin with a manifest entry of `log`, with the checksum of what stands there.
pub(super) fn mend_record(bytes: &mut [u8], log: LogId) {
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
}

/// The bytes as they are, and with their checksum mended.
fn both(data: &[u8]) -> [Vec<u8>; 2] {
    let mut mended = data.to_vec();
    mend_record(&mut mended, LogId([0; 16]));
    [data.to_vec(), mended]
}

/// See [`manifest_record`].
pub(super) fn tell_manifest_record(data: &[u8]) -> String {
    let [plain, mended] = both(data).map(|bytes| match ManifestRecord::decode(&bytes, LogId([0; 16]), 0) {
        Ok(record) => format!("{record:?}"),
        Err(why) => format!("refused: {why:?}"),
    });
    format!("as it is: {plain}\nmended: {mended}")
}

/// A manifest entry from arbitrary bytes: first as they are, then with their checksum mended.
pub fn manifest_record(data: &[u8]) {
    for bytes in both(data) {
        if let Ok(record) = ManifestRecord::decode(&bytes, LogId([0; 16]), 0) {
            assert!(
                record.len <= bytes.len() as u64,
                "nothing-invented: a record lies within the bytes given"
            );
        }
    }
}

/// See [`segment_header`].
pub(super) fn tell_segment_header(data: &[u8]) -> String {
    format!("{:?}", SegmentHeader::decode(data))
}

/// See [`identity`].
pub(super) fn tell_identity(data: &[u8]) -> String {
    format!("{:?}", Identity::decode(data))
}

/// Where a fuzzed block of an archive is decoded.
#[derive(Debug, Arbitrary)]
struct BlockInput<'a> {
    run: u8,
    index: u8,
    /// Put the right place and checksum in, so that the fuzzer reaches what lies behind them.
    mend: bool,
    bytes: &'a [u8],
}

impl BlockInput<'_> {
    fn read(data: &[u8]) -> Option<(BlockSite, Vec<u8>)> {
        let input = BlockInput::arbitrary_take_rest(Unstructured::new(data)).ok()?;
        let site = BlockSite {
            log: LogId([7; 16]),
            run: RunNo(u64::from(input.run)),
            salt: 7,
            generation: 7,
            index: u32::from(input.index),
            offset: u64::from(input.index) * 256,
        };
        let mut bytes = input.bytes.to_vec();
        if input.mend {
            mend_block(&mut bytes, &site);
        }
        Some((site, bytes))
    }
}

/// Makes the header of `bytes` one for `site`, with the checksum of what stands there.
fn mend_block(bytes: &mut [u8], site: &BlockSite) {
    if bytes.len() < BLOCK_HEADER {
        return;
    }
    bytes[..4].copy_from_slice(&BLOCK_MAGIC);
    bytes[8..24].copy_from_slice(&site.log.0);
    for (at, number) in [(24, site.run.0), (32, site.salt), (40, site.generation), (48, site.offset)] {
        bytes[at..at + 8].copy_from_slice(&number.to_le_bytes());
    }
    bytes[64..68].copy_from_slice(&site.index.to_le_bytes());
    let said = u32::from_le_bytes([bytes[76], bytes[77], bytes[78], bytes[79]]) as usize;
    let len = said % (bytes.len() - BLOCK_HEADER + 1);
    bytes[76..80].copy_from_slice(&u32::try_from(len).unwrap_or(0).to_le_bytes());
    bytes[80] %= 3;
    bytes[81..BLOCK_HEADER].fill(0);
    let crc = crc32c::crc32c(&bytes[8..BLOCK_HEADER + len]);
    bytes[4..8].copy_from_slice(&crc.to_le_bytes());
}

/// See [`archive_block`].
pub(super) fn tell_archive_block(data: &[u8]) -> String {
    let Some((site, bytes)) = BlockInput::read(data) else { return "no input".to_owned() };
    match ArchiveBlock::decode(&bytes, &site) {
        Ok(block) => format!("{:?}\n{:?}", block.header, block.records().collect::<Vec<_>>()),
        Err(why) => format!("{site:?}\nrefused: {why:?}"),
    }
}

/// A block of an archive from arbitrary bytes.
pub fn archive_block(data: &[u8]) {
    let Some((site, bytes)) = BlockInput::read(data) else { return };
    let Ok(block) = ArchiveBlock::decode(&bytes, &site) else { return };
    let header = block.header;
    assert_eq!(header.site, site, "nothing-invented: a block is valid only where it was written");
    assert_eq!(block.raw().len(), header.raw as usize, "nothing-invented: it unpacks to what it says");
    let mut due = header.base;
    for frame in block.records() {
        assert_eq!(frame.lsn, due, "nothing-invented: LSNs are dense");
        due = due.next();
    }
    assert_eq!(
        due.0 - header.base.0,
        header.lsns().len(),
        "nothing-invented: as many records as the header says"
    );
}

/// A segment's header from arbitrary bytes.
pub fn segment_header(data: &[u8]) {
    if let Ok(header) = SegmentHeader::decode(data) {
        assert_eq!(
            SegmentHeader::decode(&header.encode()),
            Ok(header),
            "nothing-invented: what was read can be written"
        );
    }
}

/// An identity from arbitrary bytes.
pub fn identity(data: &[u8]) {
    if let Ok(identity) = Identity::decode(data) {
        assert_eq!(
            Identity::decode(&identity.encode()),
            Ok(identity),
            "nothing-invented: what was read can be written"
        );
    }
}

/// See [`drive_identity`].
pub(super) fn tell_drive_identity(data: &[u8]) -> String {
    format!("{:?}", DriveIdentity::decode(data))
}

/// A drive's identity from arbitrary bytes.
pub fn drive_identity(data: &[u8]) {
    if let Ok(identity) = DriveIdentity::decode(data) {
        assert_eq!(
            DriveIdentity::decode(&identity.encode()),
            Ok(identity),
            "nothing-invented: what was read can be written"
        );
    }
}

/// See [`run_header`].
pub(super) fn tell_run_header(data: &[u8]) -> String {
    format!("{:?}", RunHeader::decode(data))
}

/// A run's header from arbitrary bytes.
pub fn run_header(data: &[u8]) {
    if let Ok(header) = RunHeader::decode(data) {
        assert_eq!(
            RunHeader::decode(&header.encode()),
            Ok(header),
            "nothing-invented: what was read can be written"
        );
    }
}

/// The index block of a run that nothing names, and the header that such a run has.
fn unnamed_index(data: &[u8]) -> Option<(ArchiveBlock, RunHeader)> {
    let (site, bytes) = BlockInput::read(data)?;
    let block = ArchiveBlock::decode(&bytes, &site).ok()?;
    let BlockSite { log, run, salt, generation, .. } = site;
    Some((block, RunHeader { log, run, salt, generation, block: 256 }))
}

/// See [`run_index`].
pub(super) fn tell_run_index(data: &[u8]) -> String {
    match unnamed_index(data).map(|(block, header)| RunIndex::unnamed(&block, &header)) {
        None => "no block".to_owned(),
        Some(Ok(found)) => format!("{found:?}"),
        Some(Err(why)) => format!("refused: {why:?}"),
    }
}

/// The index of a run from arbitrary bytes, as a rebuild reads it, which has nothing else to go by.
pub fn run_index(data: &[u8]) {
    let Some((block, header)) = unnamed_index(data) else { return };
    if let Ok((entry, index)) = RunIndex::unnamed(&block, &header) {
        assert_eq!(
            RunIndex::decode(&block, &entry, header.block),
            Ok(index),
            "nothing-invented: it is the index of what it says"
        );
        assert!(!entry.lsns.is_empty(), "nothing-invented: a run holds something");
    }
}
