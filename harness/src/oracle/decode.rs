//! A decoder of the log's files, written from docs/FORMAT.md and nothing else.
//!
//! It shares no line with the engine's codec: what the engine writes and what the format says are held
//! against each other here. It never fails; what it cannot read is not there, or is named in
//! [`Reading::faults`].

use std::collections::{BTreeMap, BTreeSet};

use truelog_spec::contract::Record;

use super::archive::{self, Drive};
use super::manifest::Manifest;

/// The files of a log directory, by name, and those of the drives beside it, as `drive-1/NAME`: their bytes.
pub type Files = BTreeMap<String, Vec<u8>>;

/// The bytes of a batch's header.
const BATCH_HEADER: usize = 96;
/// The bytes of a frame's header.
pub(crate) const FRAME_HEADER: usize = 32;
/// The smallest block that a log may have.
const SMALLEST_BLOCK: usize = 256;

/// A valid batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// The segment it is in.
    pub segment: u64,
    /// Where it begins, in bytes.
    pub offset: u64,
    /// Where it ends, padding included.
    pub end: u64,
    /// The LSN of its first record; of the next one, if it holds none.
    pub base: u64,
    /// The highest LSN it vouches for; 0 for none.
    pub watermark: u64,
    /// The chain value of the batch kept before it.
    pub chain: u64,
    /// Its own chain value.
    pub value: u64,
    /// Where the predecessor's last batch lies and ends, in a segment's first batch.
    pub before: (u64, u64),
    /// Its records, in order.
    pub records: Vec<Record>,
    /// Where the frame of each record begins in the file, in bytes.
    pub places: Vec<u64>,
}

impl Batch {
    /// The LSN that follows this batch.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.base + self.records.len() as u64
    }
}

/// A segment with a valid header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Its number.
    pub number: u64,
    /// Its salt.
    pub salt: u64,
    /// Whether its file is as long as its header says.
    pub whole: bool,
    /// The valid batches from the first block on, up to the first point that is not one.
    pub batches: Vec<Batch>,
    /// Valid batches behind that point.
    pub stranded: Vec<Batch>,
}

/// All that the files say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reading {
    /// The log's identity, if the identity file is valid.
    pub log: Option<[u8; 16]>,
    /// What the manifest says, if its checkpoint is valid.
    pub manifest: Option<Manifest>,
    /// The numbers that have a file, whatever it holds.
    pub names: BTreeSet<u64>,
    /// The segments with a valid header, by number.
    pub segments: BTreeMap<u64, Segment>,
    /// The batches that count, in the order of their LSNs.
    pub kept: Vec<Batch>,
    /// The names in the log's directory that were never finished.
    pub unfinished: Vec<String>,
    /// The drives beside the log.
    pub drives: BTreeMap<u64, Drive>,
    /// The records that the manifest's runs hold, in any copy that it names.
    pub archived: BTreeMap<u64, Record>,
    /// The block size.
    pub block: usize,
    /// The highest LSN that something other than its own batch vouches for; 0 for none.
    pub vouched: u64,
    /// What does not fit together.
    pub faults: Vec<String>,
}

impl Reading {
    /// Reads the files.
    #[must_use]
    pub fn of(files: &Files) -> Self {
        let mut reading = Self::default();
        let Some((log, block)) = files.get("IDENTITY").and_then(|bytes| identity(bytes)) else {
            return reading;
        };
        (reading.log, reading.block) = (Some(log), block);
        reading.manifest = files.get("MANIFEST").and_then(|bytes| Manifest::read(bytes, &log, block));
        for (name, bytes) in files {
            if !name.contains('/') && name.ends_with(".tmp") {
                reading.unfinished.push(name.clone());
            }
            let Some(number) = segment_number(name) else { continue };
            reading.names.insert(number);
            if let Some(segment) = Segment::read(number, bytes, &log, block) {
                reading.segments.insert(number, segment);
            }
        }
        reading.drives = archive::drives(files, &log, block);
        if let Some(manifest) = &reading.manifest {
            reading.archived = archive::served(manifest, &reading.drives, &log, block);
        }
        reading.keep();
        reading.vouch();
        reading
    }

    /// The records that count, in the order of their LSNs: those of the archive, then those of the segments.
    pub fn records(&self) -> impl Iterator<Item = &Record> {
        let next = self.manifest.as_ref().map_or(1, Manifest::archived);
        let kept = self.kept.iter().flat_map(|batch| &batch.records);
        self.archived.values().chain(kept.filter(move |record| record.lsn >= next))
    }

    /// The records that another manifest than the log's own leads to: its runs, and the segments from its floor on.
    #[must_use]
    pub fn seen_by(&self, manifest: &Manifest) -> BTreeMap<u64, Record> {
        let Some(log) = &self.log else { return BTreeMap::new() };
        let mut records = archive::served(manifest, &self.drives, log, self.block);
        for segment in self.segments.range(manifest.floor..).map(|(_, segment)| segment) {
            for record in segment.batches.iter().flat_map(|batch| &batch.records) {
                records.entry(record.lsn).or_insert_with(|| record.clone());
            }
        }
        records
    }

    /// What an open must not leave behind: names that were never finished, runs and segments that nothing names.
    #[must_use]
    pub fn orphans(&self) -> Vec<String> {
        let Some(manifest) = &self.manifest else { return Vec::new() };
        let mut orphans = self.unfinished.clone();
        let segments = self.names.iter().filter(|number| !manifest.segments.contains(number));
        orphans.extend(segments.map(|number| format!("segment {number}")));
        for (number, named) in manifest.drives.iter().filter(|(_, drive)| drive.healthy) {
            let place = named.place.unwrap_or_default();
            let drive = self.drives.get(&place).filter(|drive| drive.id == Some(named.id));
            let kept = |run: &u64| manifest.runs.get(run).is_some_and(|run| run.copies >> number & 1 == 1);
            let of = drive.into_iter().flat_map(|drive| drive.orphans(kept));
            orphans.extend(of.map(|name| format!("drive-{place}/{name}")));
        }
        orphans
    }

    /// The segments that are named and there, but without a header of theirs or shorter than it says. Both were durable
    /// before the name was, so no crash leaves this.
    #[must_use]
    pub fn broken(&self) -> Vec<u64> {
        let Some(manifest) = &self.manifest else { return Vec::new() };
        let whole = |number: &u64| self.segments.get(number).is_some_and(|segment| segment.whole);
        let named = manifest.segments.iter().filter(|number| **number >= manifest.floor);
        named.filter(|number| self.names.contains(number) && !whole(number)).copied().collect()
    }

    /// Says so if something vouches for a record that is not there.
    #[must_use]
    pub fn watermark_too_high(&self) -> Option<String> {
        let end = self.kept.last().map_or(1, Batch::next);
        let trimmed = self.manifest.as_ref().map_or(1, |manifest| manifest.before.max(manifest.archived()));
        (self.vouched >= end.max(trimmed)).then(|| {
            format!(
                "LSN {} is vouched for, but the records end before LSN {}",
                self.vouched,
                end.max(trimmed)
            )
        })
    }

    /// Follows the words of the segments' first batches back from the last segment that has a batch.
    fn keep(&mut self) {
        let floor = self.manifest.as_ref().map_or(0, |manifest| manifest.floor);
        let Some(mut at) = self.segments.values().rev().find(|segment| !segment.batches.is_empty()) else {
            return;
        };
        let mut upto = u64::MAX;
        let mut backwards: Vec<Batch> = Vec::new();
        loop {
            let batches: Vec<&Batch> = at.batches.iter().filter(|batch| batch.end <= upto).collect();
            if upto != u64::MAX && batches.last().is_none_or(|last| last.end != upto) {
                self.faults.push(format!("segment {} does not reach its word, {upto}", at.number));
            }
            backwards.extend(batches.into_iter().rev().cloned());
            let Some(first) = at.batches.first() else { break };
            let (segment, end) = first.before;
            if segment == 0 || segment < floor {
                break;
            }
            match self.segments.get(&segment) {
                Some(next) if segment < at.number => (at, upto) = (next, end),
                _ => {
                    self.faults.push(format!("segment {segment} is named by its successor, and absent"));
                    break;
                }
            }
        }
        backwards.reverse();
        for pair in backwards.windows(2) {
            if pair[1].base != pair[0].next() || pair[1].chain != pair[0].value {
                self.faults
                    .push(format!("the batch at LSN {} does not follow its predecessor", pair[1].base));
            }
        }
        self.kept = backwards;
        let reached =
            self.manifest.as_ref().map_or(u64::MAX, |manifest| manifest.before.max(manifest.archived()));
        if let Some(first) = self.kept.first().filter(|first| first.base > reached) {
            self.faults.push(format!("LSNs {reached}..{} are in no segment and no run", first.base - 1));
        }
    }

    fn vouch(&mut self) {
        let batches =
            self.segments.values().flat_map(|segment| segment.batches.iter().chain(&segment.stranded));
        let marks = batches.map(|batch| batch.watermark);
        let bases =
            self.segments.values().filter_map(|segment| segment.batches.first()).map(|first| first.base - 1);
        let manifest = self.manifest.as_ref().map_or(0, |manifest| manifest.watermark);
        self.vouched = marks.chain(bases).max().unwrap_or(0).max(manifest);
    }
}

impl Segment {
    fn read(number: u64, bytes: &[u8], log: &[u8; 16], block: usize) -> Option<Self> {
        let header = bytes.get(..block)?;
        let ok = header.starts_with(b"TLSEGMT1")
            && u32_at(header, 8)? == crc32c::crc32c(header.get(12..)?)
            && header.get(16..32)? == log
            && u64_at(header, 32)? == number
            && u32_at(header, 56)? as usize == block;
        if !ok {
            return None;
        }
        let (salt, whole) = (u64_at(header, 40)?, bytes.len() as u64 >= u64_at(header, 48)?);
        let mut segment = Self { number, salt, whole, batches: Vec::new(), stranded: Vec::new() };
        let mut at = block;
        let mut intact = true;
        while at < bytes.len() {
            match Batch::read(bytes, at, &segment, log, block) {
                Some(batch) => {
                    at = usize::try_from(batch.end).unwrap_or(usize::MAX);
                    if intact { &mut segment.batches } else { &mut segment.stranded }.push(batch);
                }
                None => {
                    intact = false;
                    at += block;
                }
            }
        }
        Some(segment)
    }
}

impl Batch {
    fn read(file: &[u8], at: usize, segment: &Segment, log: &[u8; 16], block: usize) -> Option<Self> {
        let bytes = file.get(at..)?;
        let header = bytes.get(..BATCH_HEADER)?;
        let len = u32_at(header, 60)? as usize;
        let payload = bytes.get(BATCH_HEADER..)?.get(..len)?;
        let crc = crc32c::crc32c_append(crc32c::crc32c(&header[8..]), payload);
        let ok = header.starts_with(b"TLB1")
            && u32_at(header, 4)? == crc
            && header.get(8..24)? == log
            && u64_at(header, 24)? == segment.salt
            && u64_at(header, 32)? == segment.number
            && u64_at(header, 40)? == at as u64;
        let whole = (BATCH_HEADER + len).next_multiple_of(block);
        if !ok || bytes.len() < whole {
            return None;
        }
        let base = u64_at(header, 48)?;
        let place = |at: u64| {
            let parts =
                [&log[..], &segment.salt.to_le_bytes(), &segment.number.to_le_bytes(), &at.to_le_bytes()];
            crc32c::crc32c(&parts.concat())
        };
        let (records, places) = frames(payload, (at + BATCH_HEADER) as u64, place)?;
        let dense = records.iter().zip(base..).all(|(record, lsn)| record.lsn == lsn);
        if base == 0 || !dense || records.len() != u32_at(header, 56)? as usize {
            return None;
        }
        Some(Self {
            segment: segment.number,
            offset: at as u64,
            end: (at + whole) as u64,
            base,
            watermark: u64_at(header, 64)?,
            chain: u64_at(header, 72)?,
            value: chain_value(header)?,
            before: (u64_at(header, 80)?, u64_at(header, 88)?),
            records,
            places,
        })
    }
}

/// The chain value of a header: the first eight bytes of its hash.
pub(super) fn chain_value(header: &[u8]) -> Option<u64> {
    u64_at(blake3::hash(header).as_bytes(), 0)
}

/// The frames of a payload that are records, and where they begin if the payload begins at `at`; or nothing if
/// a frame cannot be. `place` says what the check of a frame at an offset is bound with.
pub(super) fn frames(
    mut payload: &[u8],
    mut at: u64,
    place: impl Fn(u64) -> u32,
) -> Option<(Vec<Record>, Vec<u64>)> {
    let (mut records, mut places) = (Vec::new(), Vec::new());
    while !payload.is_empty() {
        let header = payload.get(..FRAME_HEADER)?;
        let len = u32_at(header, 24)? as usize;
        let bytes = payload.get(FRAME_HEADER..)?.get(..len)?;
        payload = payload.get(FRAME_HEADER + len..)?;
        if u32_at(header, 28)? != crc32c::crc32c_append(crc32c::crc32c(&header[..28]), bytes) ^ place(at) {
            return None;
        }
        let lsn = u64_at(header, 0)?;
        // Else a stream table.
        if lsn != 0 {
            places.push(at);
            let (stream, seq) = (u64_at(header, 8)?, u64_at(header, 16)?);
            records.push(Record { lsn, stream, seq, payload: bytes.into() });
        }
        at += (FRAME_HEADER + len) as u64;
    }
    Some((records, places))
}

/// The identity and the block size of an identity file.
fn identity(bytes: &[u8]) -> Option<([u8; 16], usize)> {
    let block = u32_at(bytes, 56)? as usize;
    let valid = block >= SMALLEST_BLOCK
        && block.is_power_of_two()
        && bytes.starts_with(b"TLIDENT1")
        && u32_at(bytes, 8)? == crc32c::crc32c(bytes.get(12..block)?);
    if !valid {
        return None;
    }
    Some((bytes.get(16..32)?.try_into().ok()?, block))
}

/// The number of a segment's file name.
fn segment_number(name: &str) -> Option<u64> {
    let digits = name.strip_prefix("segment-")?;
    if digits.len() == 10 { digits.parse().ok() } else { None }
}

pub(super) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}
