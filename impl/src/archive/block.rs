//! Archive blocks: compressed frames that are valid only where, and in the generation in which, they were written.

use lz4_flex::block::{compress_into, decompress_into, get_maximum_output_size};
use truelog_env::{File, IoError};

use crate::batch::{FRAME_HEADER, Frames, check_frames, put_frame};
use crate::codec::{Get, Put, as_u64, checksum, put_checksum, round_up};
use crate::error::Reason;
use crate::lsn::{Lsn, LsnRange, RunNo};
use crate::payload::Memory;
use crate::read_buf::ReadBuf;
use crate::types::{Entry, LogId};

/// The first four bytes of an archive block.
pub const BLOCK_MAGIC: [u8; 4] = *b"TLA1";
/// The length of an archive block's header, in bytes.
pub const BLOCK_HEADER: usize = 96;
/// A block never unpacks to more than this, in bytes: the frames of one batch of the largest size, and then some.
pub const MAX_RAW: u32 = 1 << 29;
/// A stored byte of a compressed block stands for at most so many. In the LZ4 block format (lz4_Block_format.md of the reference
/// implementation) a literal stands for itself, a token for a match of at most 19 bytes, each byte that continues the length
/// of a match for at most 255 more, and the others for none.
const MAX_RATIO: u32 = 255;
const CRC_AT: usize = 4;
const CHECKED_FROM: usize = 8;

/// Where an archive block is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BlockSite {
    /// The log.
    pub log: LogId,
    /// The run.
    pub run: RunNo,
    /// The run's salt.
    pub salt: u64,
    /// The generation of the archive that the run was made for.
    pub generation: u64,
    /// The block's position in the run: 0 for the first.
    pub index: u32,
    /// The block's offset in the run's file, in bytes.
    pub offset: u64,
}

/// What an archive block holds, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Frames, compressed (LZ4 block format).
    Compressed,
    /// Frames as they are: compressing them made them no shorter.
    Plain,
    /// The run's index, as it is.
    Index,
}

impl Kind {
    const fn number(self) -> u16 {
        match self {
            Self::Compressed => 0,
            Self::Plain => 1,
            Self::Index => 2,
        }
    }

    const fn of(number: u16) -> Option<Self> {
        match number {
            0 => Some(Self::Compressed),
            1 => Some(Self::Plain),
            2 => Some(Self::Index),
            _ => None,
        }
    }
}

/// An archive block's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BlockHeader {
    /// The checksum of the rest of the header and of the stored bytes.
    pub crc: u32,
    /// Where it was written.
    pub site: BlockSite,
    /// The first record's LSN; of an index, that of the run.
    pub base: Lsn,
    /// How many records it holds; an index, how many blocks it lists.
    pub count: u32,
    /// How many bytes it unpacks to.
    pub raw: u32,
    /// How many bytes are stored behind the header.
    pub stored: u32,
    /// What it holds.
    pub kind: Kind,
}

impl BlockHeader {
    /// Reads a header, and checks that it belongs to `site` and that its fields can be. The checksum is not checked.
    ///
    /// # Errors
    /// The first reason why this is not a header for `site`.
    pub fn decode(bytes: &[u8], site: &BlockSite) -> Result<Self, Reason> {
        let header = Self::parse(bytes)?;
        let found = &header.site;
        if found.log != site.log {
            return Err(Reason::OtherLog);
        }
        if found.run != site.run {
            return Err(Reason::OtherRun(found.run));
        }
        if found.salt != site.salt {
            return Err(Reason::OtherSalt);
        }
        if found.generation != site.generation {
            return Err(Reason::OtherGeneration(found.generation));
        }
        if found.offset != site.offset {
            return Err(Reason::OtherOffset(found.offset));
        }
        if found.index != site.index {
            return Err(Reason::Field("index"));
        }
        header.check_fields()
    }

    /// Reads whatever header stands at the beginning of `bytes`, wherever it belongs.
    ///
    /// # Errors
    /// [`Reason::Short`], [`Reason::Magic`], [`Reason::Field`].
    pub fn parse(bytes: &[u8]) -> Result<Self, Reason> {
        let mut get = Get::new(bytes.get(..BLOCK_HEADER).ok_or(Reason::Short)?);
        if get.array::<4>().ok_or(Reason::Short)? != BLOCK_MAGIC {
            return Err(Reason::Magic);
        }
        let header = (|| {
            let crc = get.u32()?;
            let (log, run, salt) = (LogId(get.array()?), RunNo(get.u64()?), get.u64()?);
            let (generation, offset, base) = (get.u64()?, get.u64()?, Lsn(get.u64()?));
            let (index, count, raw, stored) = (get.u32()?, get.u32()?, get.u32()?, get.u32()?);
            let (kind, zero) = (get.u16()?, get.u16()?);
            let rest_is_zero = get.rest().iter().all(|byte| *byte == 0);
            let kind = Kind::of(kind).filter(|_| zero == 0 && rest_is_zero)?;
            let site = BlockSite { log, run, salt, generation, index, offset };
            Some(Self { crc, site, base, count, raw, stored, kind })
        })();
        header.ok_or(Reason::Field("kind"))
    }

    fn check_fields(self) -> Result<Self, Reason> {
        if self.base == Lsn::NONE || self.base.0.checked_add(u64::from(self.count)).is_none() {
            return Err(Reason::Field("base"));
        }
        let packs = self.kind == Kind::Compressed;
        let can_be = if packs {
            // Else a few bytes could claim what it takes half a gigabyte of memory to refuse.
            self.stored < self.raw && self.raw <= self.stored.saturating_mul(MAX_RATIO)
        } else {
            self.stored == self.raw
        };
        if self.raw > MAX_RAW || !can_be {
            return Err(Reason::Field("length"));
        }
        Ok(self)
    }

    fn encode(&self) -> [u8; BLOCK_HEADER] {
        let mut bytes = [0; BLOCK_HEADER];
        Put::new(&mut bytes)
            .bytes(&BLOCK_MAGIC)
            .u32(self.crc)
            .bytes(&self.site.log.0)
            .u64(self.site.run.0)
            .u64(self.site.salt)
            .u64(self.site.generation)
            .u64(self.site.offset)
            .u64(self.base.0)
            .u32(self.site.index)
            .u32(self.count)
            .u32(self.raw)
            .u32(self.stored)
            .u16(self.kind.number());
        bytes
    }

    /// Its length with padding, in bytes, at a block size.
    #[must_use]
    pub const fn padded_len(&self, block: u32) -> u64 {
        round_up((BLOCK_HEADER as u64).saturating_add(self.stored as u64), block)
    }

    /// The records in it; none for an index.
    #[must_use]
    pub const fn lsns(&self) -> LsnRange {
        LsnRange::of(self.base, if matches!(self.kind, Kind::Index) { 0 } else { self.count as u64 })
    }
}

/// A whole, valid archive block, unpacked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveBlock {
    /// Its header.
    pub header: BlockHeader,
    raw: Memory,
}

impl ArchiveBlock {
    /// Reads a block from the beginning of `bytes` and checks all of it: that it belongs to `site`, its checksum, and
    /// that it unpacks to what its header says. Bytes behind the block are ignored.
    ///
    /// # Errors
    /// The first reason why this is not a valid block for `site`.
    pub fn decode(bytes: &[u8], site: &BlockSite) -> Result<Self, Reason> {
        Self::decode_into(Vec::new(), bytes, site)
    }

    /// The same, unpacked into memory that is there: what was in it is gone.
    pub(crate) fn decode_into(memory: Vec<u8>, bytes: &[u8], site: &BlockSite) -> Result<Self, Reason> {
        let header = BlockHeader::decode(bytes, site)?;
        let len = usize::try_from(header.stored).map_err(|_| Reason::Field("length"))?;
        let whole = bytes.get(..BLOCK_HEADER + len).ok_or(Reason::Short)?;
        if checksum(&whole[CHECKED_FROM..]) != header.crc {
            return Err(Reason::Checksum);
        }
        let raw = unpack(&header, &whole[BLOCK_HEADER..], memory)?;
        if header.kind != Kind::Index {
            check_frames(&raw, header.base, header.base.plus(u64::from(header.count)))?;
        }
        Ok(Self { header, raw: Memory::new(raw) })
    }

    /// Its records, in order; none for an index.
    #[must_use]
    pub fn records(&self) -> Frames<'_> {
        let frames = if self.header.kind == Kind::Index { &[] } else { self.raw.as_slice() };
        Frames::over(frames, 0)
    }

    /// The bytes that it unpacks to.
    #[must_use]
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// The same, to look at for longer than the block lives.
    pub(crate) const fn memory(&self) -> &Memory {
        &self.raw
    }

    /// Its memory, to be used again, unless somebody looks at it still.
    pub(crate) fn into_memory(self) -> Option<Vec<u8>> {
        Memory::try_unwrap(self.raw).ok()
    }
}

fn unpack(header: &BlockHeader, stored: &[u8], mut raw: Vec<u8>) -> Result<Vec<u8>, Reason> {
    if header.kind != Kind::Compressed {
        raw.clear();
        raw.extend_from_slice(stored);
        return Ok(raw);
    }
    // The checksum has held, so that the length is what was written; it is bounded all the same, by what is stored. What
    // the memory held before is not cleared: each byte of it is written over, or this is an error.
    fit(&mut raw, usize::try_from(header.raw).map_err(|_| Reason::Field("length"))?);
    match decompress_into(stored, &mut raw) {
        Ok(len) if len == raw.len() => Ok(raw),
        _ => Err(Reason::Compression),
    }
}

/// Makes memory `len` bytes long, whatever they are. It is not grown: what was in it would be copied, and more taken than
/// anybody needs.
fn fit(memory: &mut Vec<u8>, len: usize) {
    if memory.capacity() < len {
        *memory = vec![0; len];
    } else {
        memory.resize(len, 0);
    }
}

/// Reads `len` bytes at `offset`, but nothing behind `limit`, where the file should end.
///
/// # Errors
/// The file's own, which says nothing about the bytes. A file that ends earlier is none.
pub(crate) fn read_bytes(file: &dyn File, offset: u64, len: u64, limit: u64) -> Result<ReadBuf, IoError> {
    read_bytes_into(ReadBuf::default(), file, offset, len, limit)
}

/// The same, into memory that is there.
pub(crate) fn read_bytes_into(
    mut buf: ReadBuf,
    file: &dyn File,
    offset: u64,
    len: u64,
    limit: u64,
) -> Result<ReadBuf, IoError> {
    let room = limit.saturating_sub(offset).min(len);
    buf.read(file, usize::try_from(room).unwrap_or(usize::MAX), offset)?;
    Ok(buf)
}

/// Packs records into blocks. Its buffers are used again.
#[derive(Debug, Default)]
pub(crate) struct Packer {
    raw: Vec<u8>,
    base: Lsn,
    count: u32,
    out: Vec<u8>,
}

impl Packer {
    /// Adds a record. The first one of a block says where the block begins.
    pub(crate) fn push(&mut self, entry: &Entry) {
        if self.count == 0 {
            self.base = entry.lsn;
        }
        let at = self.raw.len();
        self.raw.resize(at + FRAME_HEADER + entry.payload.len(), 0);
        let mut put = Put::new(&mut self.raw[at..]);
        put_frame(&mut put, entry.lsn, entry.stream, entry.seq, &entry.payload);
        self.count += 1;
    }

    /// How many bytes the records take so far.
    pub(crate) const fn len(&self) -> usize {
        self.raw.len()
    }

    /// Whether there are no records.
    pub(crate) const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Packs the records into one block for `site`, and forgets them. Returns its header and its bytes, padded.
    pub(crate) fn pack(&mut self, site: BlockSite, block: u32) -> (BlockHeader, &[u8]) {
        self.out.clear();
        self.out.resize(BLOCK_HEADER + get_maximum_output_size(self.raw.len()), 0);
        let packed = compress_into(&self.raw, &mut self.out[BLOCK_HEADER..]).ok();
        let (kind, stored) = match packed.filter(|len| *len < self.raw.len()) {
            Some(len) => (Kind::Compressed, len),
            None => {
                self.out.truncate(BLOCK_HEADER);
                self.out.extend_from_slice(&self.raw);
                (Kind::Plain, self.raw.len())
            }
        };
        self.out.truncate(BLOCK_HEADER + stored);
        // The records of a block are those of a few batches, each of at most 256 MiB.
        let short = |len: usize| u32::try_from(len).unwrap_or(u32::MAX);
        let (raw, stored) = (short(self.raw.len()), short(stored));
        let header = BlockHeader { crc: 0, site, base: self.base, count: self.count, raw, stored, kind };
        self.raw.clear();
        self.count = 0;
        let header = close(header, &mut self.out, block);
        (header, &self.out)
    }
}

/// The bytes of a block that holds `rows`, as many as `count`, of the index of a run whose first record is `base`.
pub(crate) fn index_block(site: BlockSite, base: Lsn, count: u32, rows: &[u8], block: u32) -> Vec<u8> {
    let mut out = vec![0; BLOCK_HEADER];
    out.extend_from_slice(rows);
    let len = u32::try_from(rows.len()).unwrap_or(u32::MAX);
    close(
        BlockHeader { crc: 0, site, base, count, raw: len, stored: len, kind: Kind::Index },
        &mut out,
        block,
    );
    out
}

/// Writes header and checksum, and pads.
fn close(mut header: BlockHeader, out: &mut Vec<u8>, block: u32) -> BlockHeader {
    out[..BLOCK_HEADER].copy_from_slice(&header.encode());
    put_checksum(out, CRC_AT, CHECKED_FROM);
    header.crc = Get::new(&out[CRC_AT..]).u32().unwrap_or_default();
    let padded = round_up(as_u64(out.len()), block);
    out.resize(usize::try_from(padded).unwrap_or(out.len()), 0);
    header
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lsn::{Seq, StreamId};

    fn site() -> BlockSite {
        BlockSite { log: LogId([1; 16]), run: RunNo(2), salt: 3, generation: 4, index: 5, offset: 512 }
    }

    fn entry(lsn: u64, payload: &[u8]) -> Entry {
        let (stream, seq) = (StreamId(7), Seq(lsn));
        Entry { lsn: Lsn(lsn), stream, seq, payload: payload.to_vec().into(), vouched: true }
    }

    fn packed(payload: &[u8]) -> Vec<u8> {
        let mut packer = Packer::default();
        packer.push(&entry(9, payload));
        packer.push(&entry(10, payload));
        let (_, bytes) = packer.pack(site(), 256);
        bytes.to_vec()
    }

    #[test]
    fn records_round_trip_compressed_and_plain() {
        for (payload, kind) in
            [(&[7; 500][..], Kind::Compressed), (b"x", Kind::Compressed), (b"", Kind::Compressed)]
        {
            let bytes = packed(payload);
            assert!(bytes.len().is_multiple_of(256));
            let block = ArchiveBlock::decode(&bytes, &site()).expect("a block");
            assert_eq!((block.header.lsns(), block.header.kind), (LsnRange::new(Lsn(9), Lsn(10)), kind));
            let found: Vec<_> =
                block.records().map(|it| (it.lsn, it.stream, it.seq, it.payload.to_vec())).collect();
            let expected: Vec<_> =
                (9..=10).map(|lsn| (Lsn(lsn), StreamId(7), Seq(lsn), payload.to_vec())).collect();
            assert_eq!(found, expected);
        }
        let mut seed = 1_u64;
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            seed.to_be_bytes()[0]
        })
        .take(4000)
        .collect();
        let mut packer = Packer::default();
        packer.push(&entry(1, &noise));
        let bytes = packer.pack(site(), 256).1.to_vec();
        let block = ArchiveBlock::decode(&bytes, &site()).expect("a block");
        assert_eq!(block.header.kind, Kind::Plain);
        assert_eq!(block.records().next().map(|it| it.payload.to_vec()), Some(noise));
    }

    /// The densest block that there can be, and one that claims a byte more than its bytes can unpack to: its checksum holds.
    #[test]
    fn a_block_that_claims_more_than_its_bytes_can_unpack_to_is_refused_by_its_header() {
        let dense = packed(&[0; 1 << 20]);
        let header = BlockHeader::parse(&dense).expect("a header");
        assert!(header.raw / header.stored > 200, "{} of {}", header.raw, header.stored);
        assert!(ArchiveBlock::decode(&dense, &site()).is_ok());
        let claims = |raw: u32| {
            let mut bytes = dense[..BLOCK_HEADER + header.stored as usize].to_vec();
            close(BlockHeader { raw, ..header }, &mut bytes, 256);
            ArchiveBlock::decode(&bytes, &site()).map(|_| ())
        };
        assert_eq!(claims(header.raw), Ok(()));
        assert_eq!(claims(header.stored * MAX_RATIO), Err(Reason::Compression), "it might be");
        assert_eq!(claims(header.stored * MAX_RATIO + 1), Err(Reason::Field("length")));
        assert_eq!(claims(MAX_RAW), Err(Reason::Field("length")));
    }

    #[test]
    fn a_block_that_claims_more_than_any_has_is_refused_by_its_header() {
        let header = BlockHeader::parse(&packed(b"x")).expect("a header");
        let claims = |kind, raw, stored| {
            let bytes = BlockHeader { kind, raw, stored, ..header }.encode();
            BlockHeader::decode(&bytes, &site()).map(|header| header.raw)
        };
        for (kind, less) in [(Kind::Compressed, 1), (Kind::Plain, 0), (Kind::Index, 0)] {
            assert_eq!(claims(kind, MAX_RAW, MAX_RAW - less), Ok(MAX_RAW));
            assert_eq!(claims(kind, MAX_RAW + 1, MAX_RAW + 1 - less), Err(Reason::Field("length")));
            assert_eq!(claims(kind, u32::MAX, u32::MAX - less), Err(Reason::Field("length")));
        }
    }

    #[test]
    fn every_flipped_bit_is_refused() {
        let bytes = packed(b"some bytes, some bytes, some bytes");
        let len = BLOCK_HEADER
            + usize::try_from(BlockHeader::parse(&bytes).expect("a header").stored).expect("small");
        for bit in 0..len * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(ArchiveBlock::decode(&flipped, &site()).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_block_of_another_place_is_refused_by_name() {
        let bytes = packed(b"x");
        let check = |change: fn(&mut BlockSite)| {
            let mut site = site();
            change(&mut site);
            ArchiveBlock::decode(&bytes, &site).map(|_| ())
        };
        assert_eq!(check(|_| {}), Ok(()));
        assert_eq!(check(|site| site.log = LogId([9; 16])), Err(Reason::OtherLog));
        assert_eq!(check(|site| site.run = RunNo(9)), Err(Reason::OtherRun(RunNo(2))));
        assert_eq!(check(|site| site.salt = 9), Err(Reason::OtherSalt));
        assert_eq!(check(|site| site.generation = 9), Err(Reason::OtherGeneration(4)));
        assert_eq!(check(|site| site.offset = 0), Err(Reason::OtherOffset(512)));
        assert_eq!(check(|site| site.index = 9), Err(Reason::Field("index")));
    }
}
