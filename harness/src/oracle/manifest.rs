//! The manifest, decoded from the format alone.

use std::collections::BTreeSet;

use super::decode::{chain_value, u16_at, u32_at, u64_at};

/// The bytes of a manifest record's header.
const HEADER: usize = 72;

/// What a manifest says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Manifest {
    /// Records below are gone.
    pub before: u64,
    /// The lowest segment that is kept.
    pub floor: u64,
    /// The segments that are named.
    pub segments: BTreeSet<u64>,
    /// The runs of LSNs that were given up, both ends included.
    pub losses: Vec<(u64, u64)>,
    /// The highest LSN that it vouches for; 0 for none.
    pub watermark: u64,
    /// How many records it has, the checkpoint included.
    pub records: u64,
}

impl Manifest {
    /// Reads a manifest: the checkpoint, and the edits behind it up to the first that is not valid.
    pub(super) fn read(bytes: &[u8], log: &[u8; 16], block: usize) -> Option<Self> {
        let mut manifest = Self::default();
        let mut at = 0;
        let mut chain = 0;
        let mut salt = None;
        while let Some(record) = Record::read(bytes, at, log) {
            let follows = record.index == manifest.records
                && record.chain == chain
                && *salt.get_or_insert(record.salt) == record.salt;
            if !follows || manifest.apply(&record).is_none() {
                break;
            }
            manifest.watermark = manifest.watermark.max(record.watermark);
            manifest.records += 1;
            chain = record.value;
            at += (HEADER + record.payload.len()).next_multiple_of(block);
        }
        (manifest.records > 0).then_some(manifest)
    }

    /// The whole state: a fixed part of 80 bytes, then 24 bytes a segment, then 16 bytes a loss.
    fn checkpoint(&mut self, payload: &[u8]) -> Option<()> {
        (self.before, self.floor) = (u64_at(payload, 40)?, u64_at(payload, 48)?);
        let (segments, losses) = (u64_at(payload, 64)? as usize, u64_at(payload, 72)? as usize);
        let (segment_rows, loss_rows) = payload.get(80..)?.split_at_checked(segments.checked_mul(24)?)?;
        self.segments = segment_rows.chunks_exact(24).filter_map(|row| u64_at(row, 0)).collect();
        self.losses =
            loss_rows.chunks_exact(16).filter_map(|row| Some((u64_at(row, 0)?, u64_at(row, 8)?))).collect();
        (self.losses.len() == losses).then_some(())
    }

    fn apply(&mut self, record: &Record<'_>) -> Option<()> {
        let at = |index: usize| u64_at(record.payload, index * 8);
        match (record.kind, self.records) {
            (0, 0) => self.checkpoint(record.payload)?,
            (1, 1..) => {
                self.segments.insert(at(0)?);
            }
            (2, 1..) => {
                (self.before, self.floor) = (at(0)?, at(1)?);
                self.segments = self.segments.split_off(&self.floor);
            }
            (3, 1..) => self.losses.push((at(0)?, at(1)?)),
            _ => return None,
        }
        Some(())
    }
}

/// One valid record.
struct Record<'a> {
    salt: u64,
    index: u64,
    watermark: u64,
    chain: u64,
    value: u64,
    kind: u16,
    payload: &'a [u8],
}

impl<'a> Record<'a> {
    fn read(file: &'a [u8], at: usize, log: &[u8; 16]) -> Option<Self> {
        let bytes = file.get(at..)?;
        let header = bytes.get(..HEADER)?;
        let payload = bytes.get(HEADER..)?.get(..u32_at(header, 68)? as usize)?;
        let crc = crc32c::crc32c_append(crc32c::crc32c(&header[8..]), payload);
        let ok = header.starts_with(b"TLM1")
            && u32_at(header, 4)? == crc
            && header.get(8..24)? == log
            && u64_at(header, 32)? == at as u64;
        if !ok {
            return None;
        }
        Some(Self {
            salt: u64_at(header, 24)?,
            index: u64_at(header, 40)?,
            watermark: u64_at(header, 48)?,
            chain: u64_at(header, 56)?,
            value: chain_value(header)?,
            kind: u16_at(header, 64)?,
            payload,
        })
    }
}
