//! One record of the manifest's file: a checkpoint or an edit.

use super::archive::{RUN_ROW, drive_len, get_drive, get_run, put_drive, put_run};
use super::state::{AUDITED, Edit, ManifestState, SegmentEntry, get_audited, put_audited};
use crate::archive::set::DriveSet;
use crate::codec::{Get, Put, as_u64, checksum, put_checksum, round_up};
use crate::error::Reason;
use crate::lsn::{DriveNo, Lsn, LsnRange, RunNo, SegmentNo};
use crate::types::LogId;

/// The first four bytes of a record.
pub const MANIFEST_MAGIC: [u8; 4] = *b"TLM1";
/// The length of a record's header, in bytes.
pub const RECORD_HEADER: usize = 72;
const CRC_AT: usize = 4;
const CHECKED_FROM: usize = 8;

const KIND_CHECKPOINT: u16 = 0;
const KIND_ADD: u16 = 1;
const KIND_TRIM: u16 = 2;
const KIND_LOSS: u16 = 3;
const KIND_DRIVE: u16 = 4;
const KIND_REMOVE_DRIVE: u16 = 5;
const KIND_PUBLISH: u16 = 6;
const KIND_COPIES: u16 = 7;
const KIND_AUDITED: u16 = 8;

/// What a record's header says besides its payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RecordSite {
    /// The log.
    pub log: LogId,
    /// Random, of the file.
    pub salt: u64,
    /// The record's offset in the file, in bytes.
    pub offset: u64,
    /// Its position among the file's records; the checkpoint has 0.
    pub index: u64,
    /// The durable LSN when it was written; 0 for none.
    pub watermark: Lsn,
    /// The chain value of the record before; 0 for the checkpoint.
    pub chain: u64,
}

/// What a record carries.
#[allow(clippy::large_enum_variant, reason = "there is one of them at a time, and never a list")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// The whole state.
    Checkpoint(ManifestState),
    /// A change of it.
    Edit(Edit),
}

/// A whole, valid record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestRecord {
    /// Where it stands.
    pub site: RecordSite,
    /// What it carries.
    pub content: Content,
    /// Its length, without padding, in bytes.
    pub len: u64,
    /// What the next record's `chain` must be.
    pub chain_value: u64,
}

impl ManifestRecord {
    /// Reads a record from the beginning of `bytes`, which stand at `offset` in the file of a log, and
    /// checks its checksum and its payload. What stands behind it is ignored.
    ///
    /// # Errors
    /// The first reason why this is not a valid record.
    pub fn decode(bytes: &[u8], log: LogId, offset: u64) -> Result<Self, Reason> {
        let head = Head::read(bytes).ok_or(Reason::Short)?;
        if head.magic != MANIFEST_MAGIC {
            return Err(Reason::Magic);
        }
        if head.site.log != log {
            return Err(Reason::OtherLog);
        }
        if head.site.offset != offset {
            return Err(Reason::OtherOffset(head.site.offset));
        }
        let len = usize::try_from(head.len).ok().and_then(|len| len.checked_add(RECORD_HEADER));
        let whole = bytes.get(..len.ok_or(Reason::Short)?).ok_or(Reason::Short)?;
        if checksum(&whole[CHECKED_FROM..]) != head.crc {
            return Err(Reason::Checksum);
        }
        if head.zero != 0 {
            return Err(Reason::Field("padding"));
        }
        let content = Content::decode(head.kind, &whole[RECORD_HEADER..])?;
        if matches!(content, Content::Checkpoint(_)) != (head.site.index == 0) {
            return Err(Reason::Field("index"));
        }
        Ok(Self { site: head.site, content, len: as_u64(whole.len()), chain_value: chain_value(whole) })
    }

    /// Where the next record stands, in bytes, at a block size.
    #[must_use]
    pub const fn end(&self, block: u32) -> u64 {
        round_up(self.site.offset.saturating_add(self.len), block)
    }
}

struct Head {
    magic: [u8; 4],
    crc: u32,
    site: RecordSite,
    kind: u16,
    zero: u16,
    len: u32,
}

impl Head {
    fn read(bytes: &[u8]) -> Option<Self> {
        let mut get = Get::new(bytes);
        let (magic, crc) = (get.array()?, get.u32()?);
        let site = RecordSite {
            log: LogId(get.array()?),
            salt: get.u64()?,
            offset: get.u64()?,
            index: get.u64()?,
            watermark: Lsn(get.u64()?),
            chain: get.u64()?,
        };
        Some(Self { magic, crc, site, kind: get.u16()?, zero: get.u16()?, len: get.u32()? })
    }
}

impl Content {
    fn decode(kind: u16, bytes: &[u8]) -> Result<Self, Reason> {
        if kind == KIND_CHECKPOINT {
            return ManifestState::decode(bytes).map(Self::Checkpoint);
        }
        let mut get = Get::new(bytes);
        let edit = (|| {
            Some(match kind {
                KIND_ADD => Edit::AddSegment(SegmentEntry {
                    number: SegmentNo(get.u64()?),
                    salt: get.u64()?,
                    capacity: get.u64()?,
                }),
                KIND_TRIM => Edit::Trim { before: Lsn(get.u64()?), floor: SegmentNo(get.u64()?) },
                KIND_LOSS => Edit::AcceptLoss(LsnRange::new(Lsn(get.u64()?), Lsn(get.u64()?))),
                KIND_DRIVE => Edit::Drive(get_drive(&mut get)?),
                KIND_REMOVE_DRIVE => Edit::RemoveDrive(DriveNo(get.u64()?)),
                KIND_PUBLISH => Edit::Publish { run: get_run(&mut get)?, floor: SegmentNo(get.u64()?) },
                KIND_COPIES => {
                    Edit::Copies { run: RunNo(get.u64()?), copies: DriveSet::from_bits(get.u64()?) }
                }
                KIND_AUDITED => Edit::Audited(get_audited(&mut get)?),
                _ => return None,
            })
        })();
        edit.filter(|_| get.rest().is_empty()).map(Self::Edit).ok_or(Reason::Field("kind"))
    }

    const fn kind(&self) -> u16 {
        match self {
            Self::Checkpoint(_) => KIND_CHECKPOINT,
            Self::Edit(Edit::AddSegment(_)) => KIND_ADD,
            Self::Edit(Edit::Trim { .. }) => KIND_TRIM,
            Self::Edit(Edit::AcceptLoss(_)) => KIND_LOSS,
            Self::Edit(Edit::Drive(_)) => KIND_DRIVE,
            Self::Edit(Edit::RemoveDrive(_)) => KIND_REMOVE_DRIVE,
            Self::Edit(Edit::Publish { .. }) => KIND_PUBLISH,
            Self::Edit(Edit::Copies { .. }) => KIND_COPIES,
            Self::Edit(Edit::Audited(_)) => KIND_AUDITED,
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Checkpoint(state) => state.encoded_len(),
            Self::Edit(Edit::AddSegment(_)) => 24,
            Self::Edit(Edit::Trim { .. } | Edit::AcceptLoss(_) | Edit::Copies { .. }) => 16,
            Self::Edit(Edit::Drive(drive)) => drive_len(drive),
            Self::Edit(Edit::RemoveDrive(_)) => 8,
            Self::Edit(Edit::Publish { .. }) => RUN_ROW + 8,
            Self::Edit(Edit::Audited(_)) => AUDITED,
        }
    }

    fn put(&self, bytes: &mut [u8]) {
        let mut put = Put::new(bytes);
        match self {
            Self::Checkpoint(state) => state.encode(bytes),
            Self::Edit(Edit::AddSegment(entry)) => {
                put.u64(entry.number.0).u64(entry.salt).u64(entry.capacity);
            }
            Self::Edit(Edit::Trim { before, floor }) => {
                put.u64(before.0).u64(floor.0);
            }
            Self::Edit(Edit::AcceptLoss(loss)) => {
                put.u64(loss.first.0).u64(loss.last.0);
            }
            Self::Edit(Edit::Drive(drive)) => put_drive(&mut put, drive),
            Self::Edit(Edit::RemoveDrive(number)) => {
                put.u64(number.0);
            }
            Self::Edit(Edit::Publish { run, floor }) => {
                put_run(&mut put, run);
                put.u64(floor.0);
            }
            Self::Edit(Edit::Copies { run, copies }) => {
                put.u64(run.0).u64(copies.bits());
            }
            Self::Edit(Edit::Audited(audited)) => put_audited(&mut put, audited),
        }
    }
}

/// The bytes of a record, padded to whole blocks, and the chain value for the next.
pub(super) fn encode(site: &RecordSite, content: &Content, block: u32) -> (Vec<u8>, u64) {
    let used = RECORD_HEADER + content.len();
    let padded = usize::try_from(round_up(as_u64(used), block)).unwrap_or(used);
    let mut bytes = vec![0; padded];
    let record = &mut bytes[..used];
    Put::new(record)
        .bytes(&MANIFEST_MAGIC)
        .u32(0)
        .bytes(&site.log.0)
        .u64(site.salt)
        .u64(site.offset)
        .u64(site.index)
        .u64(site.watermark.0)
        .u64(site.chain)
        .u16(content.kind())
        .u16(0)
        // A state of 4 GiB would name 170 million segments.
        .u32(u32::try_from(content.len()).unwrap_or(u32::MAX));
    content.put(&mut record[RECORD_HEADER..]);
    put_checksum(record, CRC_AT, CHECKED_FROM);
    let chain = chain_value(record);
    (bytes, chain)
}

/// The first 8 bytes of the BLAKE3 digest of a record's header.
fn chain_value(record: &[u8]) -> u64 {
    let digest = blake3::hash(&record[..RECORD_HEADER]);
    Get::new(digest.as_bytes()).u64().unwrap_or_default()
}
