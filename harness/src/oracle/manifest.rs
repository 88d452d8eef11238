//! The manifest, decoded from the format alone.

use std::collections::{BTreeMap, BTreeSet};

use super::decode::{chain_value, u16_at, u32_at, u64_at};

use crate::fabric::drive_number;

/// The bytes of a manifest entry's header.
const HEADER: usize = 72;
/// The bytes of a run's row.
const RUN_ROW: usize = 72;
/// The bytes of a drive's row, its path not counted.
const DRIVE_ROW: usize = 80;

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
    /// The archive's generation.
    pub generation: u64,
    /// The drives, by number.
    pub drives: BTreeMap<u64, Named>,
    /// The runs, by number.
    pub runs: BTreeMap<u64, Run>,
    /// When the last audit of everything ended, in seconds since the Unix epoch; 0 for never.
    pub audited: u64,
    /// The records that it found violated, both ends included; nothing if there were none.
    pub violated: Option<(u64, u64)>,
}

/// A drive that a manifest names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Its identity.
    pub id: [u8; 16],
    /// It may serve.
    pub healthy: bool,
    /// The generation that its copy of the manifest is known to have had.
    pub seen: u64,
    /// The number in the name of its directory, if it is called as drives are here.
    pub place: Option<u64>,
}

/// A run that a manifest names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// Its number.
    pub number: u64,
    /// Its salt.
    pub salt: u64,
    /// The generation that it was made for.
    pub generation: u64,
    /// Its first record.
    pub first: u64,
    /// Its last record.
    pub last: u64,
    /// Where its index begins.
    pub index_at: u64,
    /// The file's length.
    pub len: u64,
    /// The drives that have a copy: bit N stands for drive N.
    pub copies: u64,
    /// How many blocks it has, the index not counted.
    pub blocks: u64,
}

impl Run {
    fn read(row: &[u8]) -> Option<Self> {
        let at = |index: usize| u64_at(row, index * 8);
        Some(Self {
            number: at(0)?,
            salt: at(1)?,
            generation: at(2)?,
            first: at(3)?,
            last: at(4)?,
            index_at: at(5)?,
            len: at(6)?,
            copies: at(7)?,
            blocks: u32_at(row, 64)?.into(),
        })
    }
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
        let (loss_rows, archive) = loss_rows.split_at_checked(losses.checked_mul(16)?)?;
        self.losses =
            loss_rows.chunks_exact(16).filter_map(|row| Some((u64_at(row, 0)?, u64_at(row, 8)?))).collect();
        let flags = u32_at(payload, 4)?;
        let audit = if flags & 4 != 0 { 32 } else { 0 };
        let (archive, audit) = archive.split_at_checked(archive.len().checked_sub(audit)?)?;
        if flags & 4 != 0 {
            self.audit(audit)?;
        }
        if flags & 2 != 0 { self.archive(archive) } else { archive.is_empty().then_some(()) }
    }

    /// What is said of the last audit: when, up to where, and what it found violated.
    fn audit(&mut self, bytes: &[u8]) -> Option<()> {
        self.audited = u64_at(bytes, 0)?;
        let violated = (u64_at(bytes, 16)?, u64_at(bytes, 24)?);
        self.violated = Some(violated).filter(|(first, last)| first <= last);
        Some(())
    }

    /// What is said of the archive: a fixed part of 40 bytes, then the drives, then 72 bytes a run, then 16 bytes a
    /// publication.
    fn archive(&mut self, bytes: &[u8]) -> Option<()> {
        self.generation = u64_at(bytes, 0)?;
        let (drives, runs) = (u64_at(bytes, 16)?, u64_at(bytes, 24)? as usize);
        let publications = u64_at(bytes, 32)? as usize;
        let mut rest = bytes.get(40..)?;
        for _ in 0..drives {
            rest = self.drive(rest)?;
        }
        let (runs, history) = rest.split_at_checked(runs.checked_mul(RUN_ROW)?)?;
        (history.len() == publications.checked_mul(16)?).then_some(())?;
        self.runs = runs.chunks_exact(RUN_ROW).filter_map(Run::read).map(|run| (run.number, run)).collect();
        Some(())
    }

    /// A drive's row, and what stands behind it.
    fn drive<'a>(&mut self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        let (number, status) = (u16_at(bytes, 0)?.into(), u16_at(bytes, 2)?);
        let (path, rest) = bytes.get(DRIVE_ROW..)?.split_at_checked(u32_at(bytes, 4)? as usize)?;
        let name = std::str::from_utf8(path).ok().and_then(|path| path.rsplit('/').next());
        let drive = Named {
            id: bytes.get(8..24)?.try_into().ok()?,
            healthy: status == 0,
            seen: u64_at(bytes, 32)?,
            place: name.and_then(drive_number),
        };
        self.drives.insert(number, drive);
        Some(rest)
    }

    /// A run takes the place of those whose records it has; segments below `floor` serve no more.
    fn publish(&mut self, run: Run, floor: u64) {
        self.runs.retain(|_, old| old.last < run.first || run.last < old.first);
        self.runs.insert(run.number, run);
        self.generation = run.generation;
        self.raise(floor);
    }

    fn raise(&mut self, floor: u64) {
        self.floor = floor;
        self.segments = self.segments.split_off(&floor);
    }

    /// The first LSN that no run has; 1 while there are no runs.
    #[must_use]
    pub fn archived(&self) -> u64 {
        self.runs.values().map(|run| run.last + 1).max().unwrap_or(1)
    }

    fn apply(&mut self, record: &Record<'_>) -> Option<()> {
        let at = |index: usize| u64_at(record.payload, index * 8);
        match (record.kind, self.records) {
            (0, 0) => self.checkpoint(record.payload)?,
            (1, 1..) => {
                self.segments.insert(at(0)?);
            }
            (2, 1..) => {
                self.before = at(0)?;
                self.raise(at(1)?);
                let before = self.before;
                self.runs.retain(|_, run| run.last >= before);
            }
            (3, 1..) => self.losses.push((at(0)?, at(1)?)),
            (4, 1..) => drop(self.drive(record.payload)?),
            (5, 1..) => {
                let number = at(0)?;
                self.drives.remove(&number);
                self.runs.values_mut().for_each(|run| run.copies &= !(1 << number));
            }
            (6, 1..) => {
                let run = Run::read(record.payload)?;
                self.publish(run, at(RUN_ROW / 8)?);
            }
            (7, 1..) => self.runs.get_mut(&at(0)?)?.copies = at(1)?,
            (8, 1..) => self.audit(record.payload)?,
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
