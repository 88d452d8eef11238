//! What a manifest says, and how an edit changes it.

use super::archive::{ArchiveState, Edition};
use crate::archive::entry::DriveEntry;
use crate::archive::run::RunEntry;
use crate::archive::set::DriveSet;
use crate::audit::Audited;
use crate::block::{FORMAT_VERSION, is_block_size};
use crate::codec::{Get, Put};
use crate::error::Reason;
use crate::lsn::{DriveNo, Lsn, LsnRange, RunNo, SegmentNo};
use crate::options::{Fill, Options, SyncMethod};
use crate::types::Durability;

/// The length of a checkpoint's fixed part, in bytes.
const FIXED: usize = 80;
/// The length of a segment's row, in bytes.
const SEGMENT_ROW: usize = 24;
/// The length of a loss's row, in bytes.
const LOSS_ROW: usize = 16;
/// Bit 0 of the flags.
const FLAG_VOUCHED: u32 = 1;
/// Bit 1 of the flags: what is said of the archive follows the losses.
const FLAG_ARCHIVE: u32 = 2;
/// Bit 2 of the flags: what is said of the last audit comes last.
const FLAG_AUDITED: u32 = 4;
/// The length of what is said of the last audit, in bytes.
pub(super) const AUDITED: usize = 32;

/// A segment that the manifest names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SegmentEntry {
    /// Its number.
    pub number: SegmentNo,
    /// Its salt.
    pub salt: u64,
    /// The file's length, in bytes.
    pub capacity: u64,
}

/// A change of the manifest.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Edit {
    /// A segment is durable, and may get its first batch.
    AddSegment(SegmentEntry),
    /// Records before `before` are gone, and so may be the segments below `floor`.
    Trim {
        /// The first record that is kept.
        before: Lsn,
        /// The first segment that is kept.
        floor: SegmentNo,
    },
    /// Records are given up.
    AcceptLoss(LsnRange),
    /// A drive is added, or what is said of it changes.
    Drive(DriveEntry),
    /// A drive is forgotten.
    RemoveDrive(DriveNo),
    /// A run, durable on each drive that it names, serves its records from now on. The runs that it replaces, and the
    /// segments below `floor`, may go once a checkpoint without them is durable here and on every healthy drive.
    Publish {
        /// The run.
        run: RunEntry,
        /// The first segment that is kept.
        floor: SegmentNo,
    },
    /// Other drives have copies of a run.
    Copies {
        /// The run.
        run: RunNo,
        /// The drives.
        copies: DriveSet,
    },
    /// An audit has ended.
    Audited(Audited),
}

/// What a manifest says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestState {
    /// The stored options; what belongs to a handle has its default.
    pub options: Options,
    /// Whether the identity's name is known to be durable.
    pub identity_vouched: bool,
    /// The first record that is kept: those before it are gone.
    pub trimmed: Lsn,
    /// The first segment that is kept.
    pub floor: SegmentNo,
    /// The segments, by ascending number, all at or above the floor.
    pub segments: Vec<SegmentEntry>,
    /// The records that were given up, ascending.
    pub losses: Vec<LsnRange>,
    /// A number that no segment file ever had; nor has any above it.
    pub next_segment: SegmentNo,
    /// The archive.
    pub archive: ArchiveState,
    /// The last audit; nothing before the first.
    pub audited: Option<Audited>,
}

impl ManifestState {
    /// The state of a log without segments.
    #[must_use]
    pub fn new(options: &Options) -> Self {
        Self {
            options: Options::default().with_stored(options),
            identity_vouched: false,
            trimmed: Lsn::FIRST,
            floor: SegmentNo::FIRST,
            segments: Vec::new(),
            losses: Vec::new(),
            next_segment: SegmentNo::FIRST,
            archive: ArchiveState::default(),
            audited: None,
        }
    }

    /// How new this is.
    pub(crate) const fn edition(&self) -> Edition {
        Edition { generation: self.archive.generation, trimmed: self.trimmed }
    }

    /// The first record that the segments serve: those before it were trimmed, or are in the archive.
    #[must_use]
    pub fn segments_from(&self) -> Lsn {
        self.archive.next().unwrap_or(self.trimmed).max(self.trimmed)
    }

    /// The entry of a segment.
    #[must_use]
    pub fn segment(&self, number: SegmentNo) -> Option<&SegmentEntry> {
        let at = self.segments.binary_search_by_key(&number, |entry| entry.number).ok()?;
        self.segments.get(at)
    }

    /// The loss that a record is part of.
    #[must_use]
    pub fn loss_of(&self, lsn: Lsn) -> Option<LsnRange> {
        self.losses.iter().copied().find(|loss| loss.contains(lsn))
    }

    /// Applies an edit.
    ///
    /// # Errors
    /// When the edit cannot follow this state; nothing is changed then.
    pub fn apply(&mut self, edit: &Edit) -> Result<(), Reason> {
        match edit {
            &Edit::AddSegment(entry) => {
                if entry.number < self.next_segment || entry.number < self.floor {
                    return Err(Reason::Field("segment number"));
                }
                self.next_segment = entry.number.next();
                self.segments.push(entry);
            }
            &Edit::Trim { before, floor } => {
                if before < self.trimmed || floor < self.floor {
                    return Err(Reason::Field("trim point"));
                }
                self.trimmed = before;
                self.raise_floor(floor);
                self.archive.forget_trimmed(before);
            }
            &Edit::AcceptLoss(loss) => {
                if loss.is_empty() || loss.first == Lsn::NONE {
                    return Err(Reason::Field("loss"));
                }
                let at = self.losses.partition_point(|known| known.first < loss.first);
                self.losses.insert(at, loss);
            }
            Edit::Drive(entry) => self.archive.set_drive(entry)?,
            Edit::RemoveDrive(number) => self.archive.remove_drive(*number)?,
            Edit::Publish { run, floor } => {
                if *floor < self.floor {
                    return Err(Reason::Field("floor"));
                }
                let (trimmed, losses) = (self.trimmed, &self.losses);
                self.archive.publish(run, |lsn| kept(trimmed, losses, lsn))?;
                self.raise_floor(*floor);
            }
            Edit::Copies { run, copies } => self.archive.set_copies(*run, *copies)?,
            Edit::Audited(audited) => self.audited = Some(*audited),
        }
        Ok(())
    }

    /// The first record from `lsn` on that was neither trimmed nor given up, whether it is there or not.
    #[must_use]
    pub fn kept(&self, lsn: Lsn) -> Lsn {
        kept(self.trimmed, &self.losses, lsn)
    }

    fn raise_floor(&mut self, floor: SegmentNo) {
        self.floor = floor;
        self.next_segment = self.next_segment.max(floor);
        self.segments.retain(|entry| entry.number >= floor);
    }

    /// The length of the checkpoint's payload, in bytes.
    pub(super) fn encoded_len(&self) -> usize {
        let archive = if self.archive.is_default() { 0 } else { self.archive.encoded_len() };
        let audited = if self.audited.is_some() { AUDITED } else { 0 };
        FIXED + self.segments.len() * SEGMENT_ROW + self.losses.len() * LOSS_ROW + archive + audited
    }

    /// Writes the checkpoint's payload into `bytes`, which has [`ManifestState::encoded_len`] bytes.
    pub(super) fn encode(&self, bytes: &mut [u8]) {
        let options = &self.options;
        let mut put = Put::new(bytes);
        put.u32(FORMAT_VERSION)
            .u32(self.flags())
            .u32(options.block_size)
            .u32(options.max_batch_bytes)
            .u64(options.segment_size)
            .u32(options.max_streams)
            .u32(options.manifest_blocks)
            .u16(match options.sync {
                SyncMethod::DataSync => 0,
                SyncMethod::WriteThrough => 1,
                SyncMethod::Auto => 2,
            })
            .u16(match options.fill {
                Fill::Zeros => 0,
                Fill::Allocate => 1,
            })
            .u16(match options.durability {
                Durability::PowerLoss => 0,
                Durability::ProcessCrash => 1,
            })
            .u16(options.copies)
            .u64(self.trimmed.0)
            .u64(self.floor.0)
            .u64(self.next_segment.0)
            .u64(self.segments.len() as u64)
            .u64(self.losses.len() as u64);
        for entry in &self.segments {
            put.u64(entry.number.0).u64(entry.salt).u64(entry.capacity);
        }
        for loss in &self.losses {
            put.u64(loss.first.0).u64(loss.last.0);
        }
        if !self.archive.is_default() {
            self.archive.encode(&mut put);
        }
        if let Some(audited) = &self.audited {
            put_audited(&mut put, audited);
        }
    }

    fn flags(&self) -> u32 {
        let vouched = if self.identity_vouched { FLAG_VOUCHED } else { 0 };
        let archive = if self.archive.is_default() { 0 } else { FLAG_ARCHIVE };
        let audited = if self.audited.is_some() { FLAG_AUDITED } else { 0 };
        vouched | archive | audited
    }

    /// Reads a checkpoint's payload.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Reason> {
        let mut get = Get::new(bytes);
        let version = get.u32().ok_or(Reason::Short)?;
        if version > FORMAT_VERSION {
            return Err(Reason::Newer(version));
        }
        // Its checksum holds: bytes that are no checkpoint are no damage, but of a layout that is not known.
        let laid_out = if version == 0 { None } else { Self::fixed(&mut get) };
        let state = laid_out.ok_or(Reason::Unreleased)?;
        state.check()?;
        Ok(state)
    }

    fn fixed(get: &mut Get<'_>) -> Option<Self> {
        let flags = get.u32()?;
        let mut options =
            Options { block_size: get.u32()?, max_batch_bytes: get.u32()?, ..Options::default() };
        options.segment_size = get.u64()?;
        options.max_streams = get.u32()?;
        options.manifest_blocks = get.u32()?;
        let methods = [SyncMethod::DataSync, SyncMethod::WriteThrough, SyncMethod::Auto];
        options.sync = methods.get(usize::from(get.u16()?)).copied()?;
        options.fill = [Fill::Zeros, Fill::Allocate].get(usize::from(get.u16()?)).copied()?;
        options.durability =
            [Durability::PowerLoss, Durability::ProcessCrash].get(usize::from(get.u16()?)).copied()?;
        options.copies = get.u16()?;
        if flags & !(FLAG_VOUCHED | FLAG_ARCHIVE | FLAG_AUDITED) != 0 {
            return None;
        }
        let (trimmed, floor) = (Lsn(get.u64()?), SegmentNo(get.u64()?));
        let next_segment = SegmentNo(get.u64()?);
        let (segments, losses) = (get.u64()?, get.u64()?);
        // The counts are held against what is there before anything is allocated for them.
        let rows = |count: u64, row: usize| usize::try_from(count).ok()?.checked_mul(row);
        let mut segment_rows = Get::new(get.bytes(rows(segments, SEGMENT_ROW)?)?);
        let mut loss_rows = Get::new(get.bytes(rows(losses, LOSS_ROW)?)?);
        let has_archive = flags & FLAG_ARCHIVE != 0;
        let archive = if has_archive { ArchiveState::decode(get)? } else { ArchiveState::default() };
        let audited = if flags & FLAG_AUDITED != 0 { Some(get_audited(get)?) } else { None };
        if !get.rest().is_empty() {
            return None;
        }
        let segments = std::iter::from_fn(|| {
            Some(SegmentEntry {
                number: SegmentNo(segment_rows.u64()?),
                salt: segment_rows.u64()?,
                capacity: segment_rows.u64()?,
            })
        });
        let losses = std::iter::from_fn(|| Some(LsnRange::new(Lsn(loss_rows.u64()?), Lsn(loss_rows.u64()?))));
        Some(Self {
            options,
            identity_vouched: flags & FLAG_VOUCHED != 0,
            trimmed,
            floor,
            segments: segments.collect(),
            losses: losses.collect(),
            next_segment,
            archive,
            audited,
        })
    }

    fn check(&self) -> Result<(), Reason> {
        if !is_block_size(self.options.block_size) || self.options.validate().is_err() {
            return Err(Reason::Field("options"));
        }
        if self.trimmed == Lsn::NONE || self.floor == SegmentNo::NONE || self.next_segment < self.floor {
            return Err(Reason::Field("trim point"));
        }
        let ascending = self.segments.is_sorted_by(|one, other| one.number < other.number);
        let in_range =
            self.segments.iter().all(|entry| self.floor <= entry.number && entry.number < self.next_segment);
        if !ascending || !in_range {
            return Err(Reason::Field("segments"));
        }
        if self.losses.iter().any(|loss| loss.is_empty() || loss.first == Lsn::NONE)
            || !self.losses.is_sorted_by_key(|loss| loss.first)
        {
            return Err(Reason::Field("losses"));
        }
        self.archive.check(|lsn| kept(self.trimmed, &self.losses, lsn))
    }
}

/// Writes what is said of an audit.
pub(super) fn put_audited(put: &mut Put<'_>, audited: &Audited) {
    put.u64(audited.at).u64(audited.upto.0).u64(audited.violated.first.0).u64(audited.violated.last.0);
}

/// Reads what is said of an audit.
pub(super) fn get_audited(get: &mut Get<'_>) -> Option<Audited> {
    let (at, upto) = (get.u64()?, Lsn(get.u64()?));
    Some(Audited { at, upto, violated: LsnRange::new(Lsn(get.u64()?), Lsn(get.u64()?)) })
}

fn kept(trimmed: Lsn, losses: &[LsnRange], lsn: Lsn) -> Lsn {
    losses.iter().fold(lsn.max(trimmed), |at, loss| if loss.contains(at) { loss.last.next() } else { at })
}
