//! Runs: files of archive blocks, the same bytes on each drive that has a copy. A run never changes.

use super::block::{ArchiveBlock, BLOCK_HEADER, BlockSite, Kind, Packer, index_block};
use super::set::DriveSet;
use crate::block;
use crate::codec::{Get, Put, as_u64};
use crate::error::Reason;
use crate::lsn::{Lsn, LsnRange, RunNo};
use crate::types::{Entry, LogId};

/// The first eight bytes of a run.
pub const RUN_MAGIC: [u8; 8] = *b"TLRUN001";
/// Where the block size is.
const BLOCK_AT: usize = 56;
/// The length of one row of a run's index, in bytes.
pub const INDEX_ROW: usize = 24;

/// A run's header: the file's first block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RunHeader {
    /// The log.
    pub log: LogId,
    /// The run.
    pub run: RunNo,
    /// Random; repeated in each of its blocks.
    pub salt: u64,
    /// The generation of the archive that the run was made for; repeated in each of its blocks.
    pub generation: u64,
    /// The log's block size, in bytes.
    pub block: u32,
}

impl RunHeader {
    /// Reads a header from the beginning of `bytes`.
    ///
    /// # Errors
    /// The first reason why this is not a valid header.
    pub fn decode(bytes: &[u8]) -> Result<Self, Reason> {
        let (mut get, block) = block::open(bytes, &RUN_MAGIC, BLOCK_AT)?;
        let fields = (|| {
            Some(Self {
                log: LogId(get.array()?),
                run: RunNo(get.u64()?),
                salt: get.u64()?,
                generation: get.u64()?,
                block,
            })
        })();
        fields.ok_or(Reason::Short)
    }

    /// The header's bytes: one block.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![0; usize::try_from(self.block).unwrap_or(block::MOST)];
        Put::new(&mut bytes[block::FIELDS_AT..])
            .bytes(&self.log.0)
            .u64(self.run.0)
            .u64(self.salt)
            .u64(self.generation)
            .u32(self.block);
        block::close(&mut bytes, &RUN_MAGIC);
        bytes
    }

    /// Whether a file with these first bytes begins with this very header. No read needs it while there is a manifest; a
    /// rebuild does.
    ///
    /// # Errors
    /// The first reason why it does not.
    pub(crate) fn check(&self, bytes: &[u8]) -> Result<(), Reason> {
        if Self::decode(bytes)? == *self { Ok(()) } else { Err(Reason::Field("header")) }
    }

    /// Where block `index` of this run is, if it begins at `offset`.
    #[must_use]
    pub const fn site(&self, index: u32, offset: u64) -> BlockSite {
        BlockSite {
            log: self.log,
            run: self.run,
            salt: self.salt,
            generation: self.generation,
            index,
            offset,
        }
    }
}

/// A run that the manifest names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RunEntry {
    /// Its number.
    pub number: RunNo,
    /// Its salt.
    pub salt: u64,
    /// The generation of the archive that it was made for: no two runs have the same.
    pub generation: u64,
    /// Its records.
    pub lsns: LsnRange,
    /// Where its index begins, in bytes.
    pub index_at: u64,
    /// How many blocks it has, the index not counted.
    pub blocks: u32,
    /// The file's length, in bytes.
    pub len: u64,
    /// The drives that have a copy.
    pub copies: DriveSet,
}

impl RunEntry {
    /// The run's header.
    #[must_use]
    pub const fn header(&self, log: LogId, block: u32) -> RunHeader {
        RunHeader { log, run: self.number, salt: self.salt, generation: self.generation, block }
    }

    /// Where the index is, as if it were a block: it stands behind all others.
    #[must_use]
    pub fn index_row(&self, position: usize) -> Option<IndexRow> {
        let here = u32::try_from(position).is_ok_and(|position| position == self.blocks);
        let len = u32::try_from(self.len.saturating_sub(self.index_at)).unwrap_or(u32::MAX);
        here.then_some(IndexRow { base: self.lsns.first, count: 0, offset: self.index_at, len })
    }
}

/// Where one block of a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct IndexRow {
    /// Its first record.
    pub base: Lsn,
    /// How many records it has.
    pub count: u32,
    /// Where it begins, in bytes.
    pub offset: u64,
    /// Its length with padding, in bytes.
    pub len: u32,
}

impl IndexRow {
    /// Its records.
    #[must_use]
    pub const fn lsns(&self) -> LsnRange {
        LsnRange::of(self.base, self.count as u64)
    }
}

/// Where a run's blocks are, ascending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunIndex {
    rows: Vec<IndexRow>,
}

impl RunIndex {
    /// Reads the index of a run from its index block, and checks that the blocks it lists are the whole run: one
    /// behind the other, without a gap in bytes or LSNs.
    ///
    /// # Errors
    /// The first reason why they are not.
    pub fn decode(block: &ArchiveBlock, entry: &RunEntry, block_size: u32) -> Result<Self, Reason> {
        if block.header.kind != Kind::Index || block.header.count != entry.blocks {
            return Err(Reason::Field("index"));
        }
        let mut get = Get::new(block.raw());
        let mut rows = Vec::new();
        let (mut due, mut at) = (entry.lsns.first, u64::from(block_size));
        while !get.rest().is_empty() {
            let row = (|| {
                let (base, offset) = (Lsn(get.u64()?), get.u64()?);
                Some(IndexRow { base, offset, len: get.u32()?, count: get.u32()? })
            })();
            let row = row.ok_or(Reason::Field("index"))?;
            if row.base != due || row.offset != at || row.count == 0 || row.len == 0 {
                return Err(Reason::Field("index"));
            }
            due = row.lsns().last.next();
            at = at.saturating_add(u64::from(row.len));
            rows.push(row);
        }
        let whole = due == entry.lsns.last.next() && at == entry.index_at;
        let counted = u32::try_from(rows.len()).is_ok_and(|count| count == entry.blocks);
        if whole && counted { Ok(Self { rows }) } else { Err(Reason::Field("index")) }
    }

    /// Reads the index of a run that nothing else names: what the index and the run's header say is all there is. The
    /// run's copies are not known, and are left empty.
    ///
    /// # Errors
    /// The first reason why this is not a whole index that begins where its last block ends.
    pub fn unnamed(block: &ArchiveBlock, header: &RunHeader) -> Result<(RunEntry, Self), Reason> {
        let last = block.raw().len().checked_sub(INDEX_ROW).and_then(|at| block.raw().get(at..));
        let last = last.and_then(|bytes| {
            let mut get = Get::new(bytes);
            let (base, _offset, _len) = (Lsn(get.u64()?), get.u64()?, get.u32()?);
            Some(LsnRange::of(base, u64::from(get.u32()?)).last)
        });
        let site = &block.header.site;
        let entry = RunEntry {
            number: header.run,
            salt: header.salt,
            generation: header.generation,
            lsns: LsnRange::new(block.header.base, last.ok_or(Reason::Field("index"))?),
            index_at: site.offset,
            blocks: block.header.count,
            len: site.offset.saturating_add(block.header.padded_len(header.block)),
            copies: DriveSet::EMPTY,
        };
        let index = Self::decode(block, &entry, header.block)?;
        Ok((entry, index))
    }

    /// The blocks, ascending.
    #[must_use]
    pub fn rows(&self) -> &[IndexRow] {
        &self.rows
    }

    /// The block that holds a record, and its position.
    #[must_use]
    pub fn find(&self, lsn: Lsn) -> Option<(u32, IndexRow)> {
        let at = self.rows.partition_point(|row| row.base <= lsn).checked_sub(1)?;
        let row = self.rows.get(at).filter(|row| row.lsns().contains(lsn))?;
        Some((u32::try_from(at).ok()?, *row))
    }
}

/// How many bytes of the log go into a run of at most `room` bytes, if nothing of them can be compressed: each block of
/// `target` bytes has a header, padding and a row of the index.
pub(crate) fn fits_into(room: u64, target: u32, block: u32) -> u64 {
    let each = as_u64(BLOCK_HEADER + INDEX_ROW) + u64::from(block);
    // The run's header, the index's own header and padding, and a last block that is not full.
    let rest = as_u64(BLOCK_HEADER) + 2 * u64::from(block) + each;
    let target = u64::from(target);
    let fits = u128::from(room.saturating_sub(rest)) * u128::from(target) / u128::from(target + each);
    u64::try_from(fits).unwrap_or(u64::MAX)
}

/// A run that is being made: what is to be written, and where.
#[derive(Debug)]
pub(crate) struct RunBuilder {
    header: RunHeader,
    first: Lsn,
    /// The record that comes next.
    due: Lsn,
    rows: Vec<IndexRow>,
    offset: u64,
    packer: Packer,
}

impl RunBuilder {
    /// A run whose first record is `first`.
    pub(crate) fn new(header: RunHeader, first: Lsn) -> Self {
        let offset = u64::from(header.block);
        Self { header, first, due: first, rows: Vec::new(), offset, packer: Packer::default() }
    }

    /// The record that comes next.
    pub(crate) const fn due(&self) -> Lsn {
        self.due
    }

    /// Adds the record that comes next. Says no to any other: a run has no gap.
    #[must_use]
    pub(crate) fn push(&mut self, entry: &Entry) -> bool {
        let fits = entry.lsn == self.due;
        if fits {
            self.packer.push(entry);
            self.due = self.due.next();
        }
        fits
    }

    /// How many bytes the open block has so far.
    pub(crate) const fn pending(&self) -> usize {
        self.packer.len()
    }

    /// The blocks that were closed so far.
    pub(crate) fn rows(&self) -> &[IndexRow] {
        &self.rows
    }

    /// Closes the open block: where it goes, and its bytes. `None` if it is empty.
    pub(crate) fn seal(&mut self) -> Option<(u64, &[u8])> {
        if self.packer.is_empty() {
            return None;
        }
        let index = u32::try_from(self.rows.len()).ok()?;
        let offset = self.offset;
        let (header, bytes) = self.packer.pack(self.header.site(index, offset), self.header.block);
        let len = u32::try_from(bytes.len()).ok()?;
        self.rows.push(IndexRow { base: header.base, count: header.count, offset, len });
        self.offset += u64::from(len);
        Some((offset, bytes))
    }

    /// The run as the manifest will name it, and its index: where it goes, and its bytes.
    pub(crate) fn finish(&self, copies: DriveSet) -> (RunEntry, Vec<u8>) {
        let mut rows = vec![0; self.rows.len() * INDEX_ROW];
        let mut put = Put::new(&mut rows);
        for row in &self.rows {
            put.u64(row.base.0).u64(row.offset).u32(row.len).u32(row.count);
        }
        let RunHeader { run, salt, generation, block, .. } = self.header;
        // Blocks are at least 4 KiB of a file that is at most a few GiB long.
        let blocks = u32::try_from(self.rows.len()).unwrap_or(u32::MAX);
        let bytes = index_block(self.header.site(blocks, self.offset), self.first, blocks, &rows, block);
        let entry = RunEntry {
            number: run,
            salt,
            generation,
            lsns: LsnRange::new(self.first, self.due.prev()),
            index_at: self.offset,
            blocks,
            len: self.offset + as_u64(bytes.len()),
            copies,
        };
        (entry, bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lsn::{Seq, StreamId};

    const HEADER: RunHeader =
        RunHeader { log: LogId([1; 16]), run: RunNo(2), salt: 3, generation: 4, block: 256 };

    fn entry(lsn: u64) -> Entry {
        Entry {
            lsn: Lsn(lsn),
            stream: StreamId(1),
            seq: Seq(lsn),
            payload: vec![1; 100].into(),
            vouched: true,
        }
    }

    fn built() -> (RunEntry, Vec<u8>) {
        let mut builder = RunBuilder::new(HEADER, Lsn(5));
        let mut bytes = HEADER.encode();
        for lsn in 5..=14 {
            assert!(!builder.push(&entry(lsn + 1)), "a gap");
            assert!(builder.push(&entry(lsn)));
            if lsn % 3 == 0 {
                let (offset, block) = builder.seal().expect("records");
                assert_eq!(offset, as_u64(bytes.len()));
                bytes.extend_from_slice(block);
            }
        }
        bytes.extend_from_slice(builder.seal().expect("records").1);
        assert!(builder.seal().is_none());
        let (entry, index) = builder.finish(DriveSet::EMPTY);
        assert_eq!(entry.index_at, as_u64(bytes.len()));
        bytes.extend_from_slice(&index);
        (entry, bytes)
    }

    #[test]
    fn a_run_says_where_each_record_is() {
        let (entry, bytes) = built();
        assert_eq!(
            (entry.lsns, entry.blocks, entry.len),
            (LsnRange::new(Lsn(5), Lsn(14)), 4, as_u64(bytes.len()))
        );
        assert_eq!(RunHeader::decode(&bytes), Ok(HEADER));
        let at = |offset: u64| &bytes[usize::try_from(offset).expect("small")..];
        let block =
            ArchiveBlock::decode(at(entry.index_at), &HEADER.site(4, entry.index_at)).expect("the index");
        let index = RunIndex::decode(&block, &entry, 256).expect("an index");
        for lsn in 5..=14 {
            let (position, row) = index.find(Lsn(lsn)).expect("it is there");
            let block =
                ArchiveBlock::decode(at(row.offset), &HEADER.site(position, row.offset)).expect("a block");
            assert!(block.records().any(|frame| frame.lsn == Lsn(lsn)));
        }
        assert_eq!((index.find(Lsn(4)), index.find(Lsn(15))), (None, None));
    }

    #[test]
    fn an_index_alone_says_what_the_manifest_said() {
        let (entry, bytes) = built();
        let at = usize::try_from(entry.index_at).expect("small");
        let block = ArchiveBlock::decode(&bytes[at..], &HEADER.site(4, entry.index_at)).expect("the index");
        let (found, index) = RunIndex::unnamed(&block, &HEADER).expect("an index");
        assert_eq!((found, index.rows().len()), (entry, 4));
        let first = ArchiveBlock::decode(&bytes[256..], &HEADER.site(0, 256)).expect("a block");
        assert!(RunIndex::unnamed(&first, &HEADER).is_err(), "a block of records is no index");
    }

    #[test]
    fn what_fits_fits_although_nothing_of_it_can_be_compressed() {
        for (room, target) in [(4000, 100), (4000, 1000), (10_000, 300), (100, 100)] {
            let most = fits_into(room, target, 256);
            let mut builder = RunBuilder::new(HEADER, Lsn(1));
            let mut noise = 1_u64;
            let mut payload = || {
                noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                noise.to_le_bytes()[4..].to_vec()
            };
            let (mut taken, mut lsn) = (0, 1);
            let frame = as_u64(crate::batch::FRAME_HEADER) + 4;
            while taken + frame <= most {
                assert!(builder.push(&Entry { payload: payload().into(), ..entry(lsn) }));
                (taken, lsn) = (taken + frame, lsn + 1);
                if builder.pending() >= usize::try_from(target).expect("small") {
                    let _ = builder.seal();
                }
            }
            let _ = builder.seal();
            let len = builder.finish(DriveSet::EMPTY).0.len;
            assert!(most == 0 || taken > 0 && len <= room, "{taken} bytes of the log take {len} of {room}");
        }
    }

    #[test]
    fn an_index_that_leaves_anything_out_is_refused() {
        let (entry, bytes) = built();
        let at = usize::try_from(entry.index_at).expect("small");
        let block = ArchiveBlock::decode(&bytes[at..], &HEADER.site(4, entry.index_at)).expect("the index");
        let refused = |change: fn(&mut RunEntry)| {
            let mut other = entry;
            change(&mut other);
            RunIndex::decode(&block, &other, 256) == Err(Reason::Field("index"))
        };
        assert!(!refused(|_| {}));
        assert!(refused(|entry| entry.lsns.first = Lsn(4)));
        assert!(refused(|entry| entry.lsns.last = Lsn(15)));
        assert!(refused(|entry| entry.index_at += 256));
        assert!(refused(|entry| entry.blocks = 3));
    }
}
