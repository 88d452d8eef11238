//! The archive's files, decoded from docs/FORMAT.md and nothing else: drives, their copies of the manifest, runs.

use std::collections::{BTreeMap, BTreeSet};

use truelog_spec::contract::Record;

use super::Manifest;
use super::decode::{Files, frames, u16_at, u32_at, u64_at};
use super::manifest::Run;
use crate::fabric::{DriveFile, drive_number};

/// The bytes of an archive block's header.
const BLOCK_HEADER: usize = 96;
/// The bytes of a row of a run's index.
const INDEX_ROW: usize = 24;

/// A drive's directory.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Drive {
    /// Its identity, if the file is valid and the log's.
    pub id: Option<[u8; 16]>,
    /// Its copy of the manifest, if the checkpoint is valid.
    pub manifest: Option<Manifest>,
    /// What has a name on it; nothing for a name that no log writes.
    pub names: BTreeMap<String, Option<DriveFile>>,
    /// Its runs, whatever the files hold.
    runs: BTreeMap<u64, Vec<u8>>,
}

/// A copy of a run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Copy {
    /// The records of its valid blocks.
    pub records: BTreeMap<u64, Record>,
    /// The index is as it was written.
    pub indexed: bool,
    /// Header, index and all blocks are as they were written.
    pub whole: bool,
}

/// All drives beside a log, by the number in the name of their directory.
pub(super) fn drives(files: &Files, log: &[u8; 16], block: usize) -> BTreeMap<u64, Drive> {
    let mut drives: BTreeMap<u64, Drive> = BTreeMap::new();
    for (path, bytes) in files {
        let Some((dir, name)) = path.split_once('/') else { continue };
        let Some(number) = drive_number(dir) else { continue };
        let drive = drives.entry(number).or_default();
        let file = DriveFile::of_name(name);
        drive.names.insert(name.to_owned(), file);
        match file {
            Some(DriveFile::Identity) => drive.id = identity(bytes, log, block),
            Some(DriveFile::Manifest) => drive.manifest = Manifest::read(bytes, log, block),
            Some(DriveFile::Run(number)) => drop(drive.runs.insert(number, bytes.clone())),
            _ => {}
        }
    }
    drives
}

impl Drive {
    /// The names that were never finished, and the runs that are not to be kept.
    pub(super) fn orphans(&self, kept: impl Fn(&u64) -> bool) -> Vec<String> {
        let orphan = |name: &str, file: &Option<DriveFile>| match file {
            Some(DriveFile::Run(run)) => !kept(run),
            _ => name.ends_with(".tmp"),
        };
        self.names.iter().filter(|(name, file)| orphan(name, file)).map(|(name, _)| name.clone()).collect()
    }

    /// Its copy of a run, if there is a file of that name.
    #[must_use]
    pub fn copy(&self, run: &Run, log: &[u8; 16], block: usize) -> Option<Copy> {
        self.runs.get(&run.number).map(|bytes| Copy::read(bytes, run, log, block))
    }
}

impl Copy {
    fn read(file: &[u8], run: &Run, log: &[u8; 16], block: usize) -> Self {
        let mut copy = Self::default();
        let (mut rows, mut whole_rows) = (Vec::new(), None);
        let mut at = block;
        while at < file.len() {
            let Some(found) = Block::read(file, at, run, log) else {
                at += block;
                continue;
            };
            let whole = (BLOCK_HEADER + found.stored.len()).next_multiple_of(block);
            if found.kind == 2 {
                copy.indexed = at as u64 == run.index_at && u64::from(found.index) == run.blocks;
                whole_rows = index(found.stored);
            } else if let Some(records) = found.records() {
                rows.push((found.base, at as u64, whole as u32, records.len() as u32));
                copy.records.extend(records.into_iter().map(|record| (record.lsn, record)));
            }
            at += whole;
        }
        copy.whole = header(file, run, log, block)
            && copy.indexed
            && whole_rows.as_ref() == Some(&rows)
            // Nothing vouches for the padding of the last block.
            && file.len() as u64 <= run.len
            && rows.len() as u64 == run.blocks
            && copy.records.keys().copied().eq(run.first..=run.last);
        copy
    }
}

/// A valid block of a run.
struct Block<'a> {
    index: u32,
    base: u64,
    count: u32,
    raw: usize,
    kind: u16,
    stored: &'a [u8],
}

impl<'a> Block<'a> {
    fn read(file: &'a [u8], at: usize, run: &Run, log: &[u8; 16]) -> Option<Self> {
        let bytes = file.get(at..)?;
        let header = bytes.get(..BLOCK_HEADER)?;
        let stored = bytes.get(BLOCK_HEADER..)?.get(..u32_at(header, 76)? as usize)?;
        let crc = crc32c::crc32c_append(crc32c::crc32c(&header[8..]), stored);
        let ok = header.starts_with(b"TLA1")
            && u32_at(header, 4)? == crc
            && header.get(8..24)? == log
            && u64_at(header, 24)? == run.number
            && u64_at(header, 32)? == run.salt
            && u64_at(header, 40)? == run.generation
            && u64_at(header, 48)? == at as u64;
        ok.then_some(Self {
            index: u32_at(header, 64)?,
            base: u64_at(header, 56)?,
            count: u32_at(header, 68)?,
            raw: u32_at(header, 72)? as usize,
            kind: u16_at(header, 80)?,
            stored,
        })
    }

    /// Its records, if it unpacks to them.
    fn records(&self) -> Option<Vec<Record>> {
        let raw = match self.kind {
            0 => lz4_flex::block::decompress(self.stored, self.raw).ok()?,
            1 => self.stored.to_vec(),
            _ => return None,
        };
        let (records, _) = frames(&raw, 0, |_| 0)?;
        let dense = records.iter().zip(self.base..).all(|(record, lsn)| record.lsn == lsn);
        (dense && raw.len() == self.raw && records.len() == self.count as usize).then_some(records)
    }
}

/// The rows of an index: base, offset, length with padding, count.
fn index(rows: &[u8]) -> Option<Vec<(u64, u64, u32, u32)>> {
    let chunks = rows.chunks_exact(INDEX_ROW);
    let rest = chunks.remainder().is_empty();
    let rows = chunks.map(|row| Some((u64_at(row, 0)?, u64_at(row, 8)?, u32_at(row, 16)?, u32_at(row, 20)?)));
    rows.collect::<Option<Vec<_>>>().filter(|_| rest)
}

fn header(file: &[u8], run: &Run, log: &[u8; 16], block: usize) -> bool {
    let fields = (|| {
        let header = one_block(file, b"TLRUN001", block)?;
        let same = header.get(16..32)? == log
            && u64_at(header, 32)? == run.number
            && u64_at(header, 40)? == run.salt
            && u64_at(header, 48)? == run.generation;
        Some(same)
    })();
    fields == Some(true)
}

/// The identity of a drive of this log.
fn identity(file: &[u8], log: &[u8; 16], block: usize) -> Option<[u8; 16]> {
    let header = one_block(file, b"TLDRIVE1", block)?;
    header.get(32..48)?.try_into().ok().filter(|_| header.get(16..32) == Some(log))
}

/// The first block of a file, if magic, checksum, version and block size are right.
fn one_block<'a>(file: &'a [u8], magic: &[u8; 8], block: usize) -> Option<&'a [u8]> {
    let bytes = file.get(..block)?;
    // A drive's identity and a run's header have the block size where the log's identity has it.
    let ok = bytes.starts_with(magic)
        && u32_at(bytes, 8)? == crc32c::crc32c(bytes.get(12..)?)
        && u32_at(bytes, 12)? == 1
        && u32_at(bytes, 56)? as usize == block;
    ok.then_some(bytes)
}

/// What one manifest makes of the drives: the records that its runs hold, in any copy that it names.
pub(super) fn served(
    manifest: &Manifest,
    drives: &BTreeMap<u64, Drive>,
    log: &[u8; 16],
    block: usize,
) -> BTreeMap<u64, Record> {
    let mut records = BTreeMap::new();
    for run in manifest.runs.values() {
        for place in places(manifest, run) {
            if let Some(copy) = drives.get(&place).and_then(|drive| drive.copy(run, log, block)) {
                records.extend(copy.records);
            }
        }
    }
    records
}

/// The drives on which a manifest names copies of a run, by the number in the name of their directory.
pub(super) fn places(manifest: &Manifest, run: &Run) -> BTreeSet<u64> {
    let named = manifest.drives.iter().filter(|(number, _)| run.copies >> **number & 1 == 1);
    named.filter_map(|(_, drive)| drive.place).collect()
}
