//! What a manifest says of the archive: the drives, the runs, and the generation.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use crate::archive::entry::{DriveEntry, DriveFault, DriveId, DriveStatus, Evidence};
use crate::archive::run::RunEntry;
use crate::archive::set::{DriveSet, MAX_DRIVES};
use crate::codec::{Get, Put};
use crate::error::Reason;
use crate::lsn::{DriveNo, Lsn, LsnRange, RunNo};

/// The length of the archive's fixed part, in bytes.
const FIXED: usize = 40;
/// The length of a run's row, in bytes.
pub(super) const RUN_ROW: usize = 72;
/// The length of a drive's row, its path not counted, in bytes.
const DRIVE_ROW: usize = 80;
/// The length of a publication's row, in bytes.
const PUBLICATION_ROW: usize = 16;

/// What a manifest says of the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveState {
    /// Goes up with each run that is published.
    pub generation: u64,
    /// A number that no published run ever had; nor has any above it.
    pub next_run: RunNo,
    /// The drives, by ascending number.
    pub drives: Vec<DriveEntry>,
    /// The runs, by ascending LSNs, without a gap above the trim point.
    pub runs: Vec<RunEntry>,
    /// The last publications, ascending, back to the oldest that a drive's copy of the manifest may end with.
    pub history: Vec<Publication>,
}

/// A generation, and the salt of the run that was published with it. The salt is random, so that a generation of another
/// history of the log, one that a rollback has cut off, is not taken for this one's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Publication {
    /// The generation.
    pub generation: u64,
    /// The run's salt.
    pub salt: u64,
}

/// How new a manifest is, as far as the archive and what was trimmed of it go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Edition {
    /// The archive's generation; 0 before the first run.
    pub(crate) generation: u64,
    /// The first record that was not trimmed.
    pub(crate) trimmed: Lsn,
}

impl Default for ArchiveState {
    fn default() -> Self {
        Self {
            generation: 0,
            next_run: RunNo::FIRST,
            drives: Vec::new(),
            runs: Vec::new(),
            history: Vec::new(),
        }
    }
}

impl ArchiveState {
    /// The drive of a number.
    #[must_use]
    pub fn drive(&self, number: DriveNo) -> Option<&DriveEntry> {
        self.drives.iter().find(|drive| drive.number == number)
    }

    /// The run of a number.
    #[must_use]
    pub fn run(&self, number: RunNo) -> Option<&RunEntry> {
        self.runs.iter().find(|run| run.number == number)
    }

    /// The first record that no run has; nothing while there are no runs.
    #[must_use]
    pub fn next(&self) -> Option<Lsn> {
        self.runs.last().map(|run| run.lsns.last.next())
    }

    /// Whether this archive once was as `copy` says: what that ends with was published here.
    pub(crate) fn descends_from(&self, copy: &Self) -> bool {
        copy.history.last().map_or(copy.generation == 0, |last| self.history.contains(last))
    }

    /// Whether the run of this salt was published with this generation, as far as is remembered.
    pub(crate) fn has_published(&self, generation: u64, salt: u64) -> bool {
        self.history.contains(&Publication { generation, salt })
    }

    /// These were published, too, or may have been.
    pub(crate) fn published(&mut self, publications: impl IntoIterator<Item = Publication>) {
        self.history.extend(publications);
        self.history.sort_by_key(|one| (one.generation, one.salt));
        self.history.dedup();
        self.generation =
            self.history.last().map_or(self.generation, |last| self.generation.max(last.generation));
    }

    /// Forgets the publications that no drive's copy ends with any more.
    pub(super) fn forget_history(&mut self) {
        let oldest = self.drives.iter().map(|drive| drive.seen).min().unwrap_or(self.generation);
        let last = self.history.last().copied();
        self.history.retain(|one| one.generation >= oldest || Some(*one) == last);
    }

    fn numbers(&self) -> DriveSet {
        self.drives.iter().map(|drive| drive.number).collect()
    }

    /// Adds a drive, or replaces what is said of it.
    pub(super) fn set_drive(&mut self, entry: &DriveEntry) -> Result<(), Reason> {
        let twice = |other: &DriveEntry| other.number != entry.number && other.id == entry.id;
        if entry.number.0 >= MAX_DRIVES || !entry.path.is_absolute() || self.drives.iter().any(twice) {
            return Err(Reason::Field("drive"));
        }
        match self.drives.binary_search_by_key(&entry.number, |drive| drive.number) {
            Ok(at) => self.drives[at] = entry.clone(),
            Err(at) => self.drives.insert(at, entry.clone()),
        }
        Ok(())
    }

    /// A drive's copy of the manifest has this generation.
    pub(super) fn seen(&mut self, number: DriveNo, generation: u64) {
        if let Some(drive) = self.drives.iter_mut().find(|drive| drive.number == number) {
            drive.seen = drive.seen.max(generation);
        }
    }

    /// Forgets a drive. One that has the last copy of a run cannot be forgotten.
    pub(super) fn remove_drive(&mut self, number: DriveNo) -> Result<(), Reason> {
        let last = |run: &RunEntry| run.copies == DriveSet::EMPTY.with(number);
        if self.drive(number).is_none() || self.runs.iter().any(last) {
            return Err(Reason::Field("drive"));
        }
        self.drives.retain(|drive| drive.number != number);
        for run in &mut self.runs {
            run.copies = run.copies.without(number);
        }
        Ok(())
    }

    /// Adds a run, in the place of those whose kept records it has: all of them, or the edit is refused. `kept` says
    /// for an LSN which is the first from there on that was neither trimmed nor given up.
    pub(super) fn publish(&mut self, entry: &RunEntry, kept: impl Fn(Lsn) -> Lsn) -> Result<(), Reason> {
        let lsns = entry.lsns;
        let follows = lsns.first <= kept(self.next().unwrap_or_default());
        let known = entry.copies.iter().all(|drive| self.drive(drive).is_some());
        let fresh = entry.number >= self.next_run && entry.generation > self.generation;
        if !fresh
            || !known
            || entry.copies.is_empty()
            || lsns.is_empty()
            || lsns.first == Lsn::NONE
            || !follows
        {
            return Err(Reason::Field("run"));
        }
        let meets = |run: &&RunEntry| run.lsns.first <= lsns.last && lsns.first <= run.lsns.last;
        let whole = |run: &RunEntry| lsns.first <= kept(run.lsns.first) && run.lsns.last <= lsns.last;
        if !self.runs.iter().filter(meets).all(whole) {
            return Err(Reason::Field("run"));
        }
        self.runs.retain(|run| !meets(&run));
        let at = self.runs.partition_point(|run| run.lsns.first < lsns.first);
        self.runs.insert(at, *entry);
        self.generation = entry.generation;
        self.next_run = entry.number.next();
        self.history.push(Publication { generation: entry.generation, salt: entry.salt });
        Ok(())
    }

    /// Says which drives have a copy of a run.
    pub(super) fn set_copies(&mut self, number: RunNo, copies: DriveSet) -> Result<(), Reason> {
        let known = copies.iter().all(|drive| self.drive(drive).is_some());
        match self.runs.iter_mut().find(|run| run.number == number) {
            Some(run) if known && !copies.is_empty() => {
                run.copies = copies;
                Ok(())
            }
            _ => Err(Reason::Field("run")),
        }
    }

    /// Forgets the runs that have no record from `trimmed` on.
    pub(super) fn forget_trimmed(&mut self, trimmed: Lsn) {
        self.runs.retain(|run| run.lsns.last >= trimmed);
    }

    /// Whether there is anything to say.
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn encoded_len(&self) -> usize {
        let drives: usize = self.drives.iter().map(drive_len).sum();
        FIXED + drives + self.runs.len() * RUN_ROW + self.history.len() * PUBLICATION_ROW
    }

    pub(super) fn encode(&self, put: &mut Put<'_>) {
        put.u64(self.generation)
            .u64(self.next_run.0)
            .u64(self.drives.len() as u64)
            .u64(self.runs.len() as u64)
            .u64(self.history.len() as u64);
        self.drives.iter().for_each(|drive| put_drive(put, drive));
        self.runs.iter().for_each(|run| put_run(put, run));
        for one in &self.history {
            put.u64(one.generation).u64(one.salt);
        }
    }

    pub(super) fn decode(get: &mut Get<'_>) -> Option<Self> {
        let (generation, next_run) = (get.u64()?, RunNo(get.u64()?));
        let (drives, runs, publications) = (get.u64()?, get.u64()?, get.u64()?);
        let drives: Option<Vec<_>> = (0..drives.min(MAX_DRIVES + 1)).map(|_| get_drive(get)).collect();
        // Rows are read one by one, so that a count that cannot be ends with the bytes.
        let mut state = Self { generation, next_run, drives: drives?, ..Self::default() };
        for _ in 0..runs {
            state.runs.push(get_run(get)?);
        }
        for _ in 0..publications {
            state.history.push(Publication { generation: get.u64()?, salt: get.u64()? });
        }
        Some(state)
    }

    /// Checks what cannot be checked row by row; for `kept` see [`ArchiveState::publish`].
    pub(super) fn check(&self, kept: impl Fn(Lsn) -> Lsn) -> Result<(), Reason> {
        let ascending = self.drives.is_sorted_by(|one, other| one.number < other.number);
        let numbered =
            self.drives.iter().all(|drive| drive.number.0 < MAX_DRIVES && drive.path.is_absolute());
        if !ascending || !numbered {
            return Err(Reason::Field("drives"));
        }
        let dated = self.history.last().map_or(0, |last| last.generation) <= self.generation;
        if !dated || !self.history.is_sorted_by_key(|one| one.generation) {
            return Err(Reason::Field("history"));
        }
        let known = self.numbers();
        let can_be = |run: &RunEntry| {
            run.number < self.next_run
                && run.generation <= self.generation
                && run.lsns.first != Lsn::NONE
                && !run.lsns.is_empty()
                && !run.copies.is_empty()
                && run.copies.iter().all(|drive| known.contains(drive))
        };
        let gapless = self.runs.is_sorted_by(|one, other| {
            one.lsns.last < other.lsns.first && other.lsns.first <= kept(one.lsns.last.next())
        });
        if gapless && self.runs.iter().all(can_be) { Ok(()) } else { Err(Reason::Field("runs")) }
    }
}

pub(super) fn put_run(put: &mut Put<'_>, run: &RunEntry) {
    put.u64(run.number.0)
        .u64(run.salt)
        .u64(run.generation)
        .u64(run.lsns.first.0)
        .u64(run.lsns.last.0)
        .u64(run.index_at)
        .u64(run.len)
        .u64(run.copies.bits())
        .u32(run.blocks)
        .u32(0);
}

pub(super) fn get_run(get: &mut Get<'_>) -> Option<RunEntry> {
    let (number, salt, generation) = (RunNo(get.u64()?), get.u64()?, get.u64()?);
    let lsns = LsnRange::new(Lsn(get.u64()?), Lsn(get.u64()?));
    let (index_at, len, copies) = (get.u64()?, get.u64()?, DriveSet::from_bits(get.u64()?));
    let (blocks, zero) = (get.u32()?, get.u32()?);
    (zero == 0).then_some(RunEntry { number, salt, generation, lsns, index_at, blocks, len, copies })
}

pub(super) fn drive_len(drive: &DriveEntry) -> usize {
    DRIVE_ROW + drive.path.as_os_str().len()
}

pub(super) fn put_drive(put: &mut Put<'_>, drive: &DriveEntry) {
    let path = drive.path.as_os_str().as_bytes();
    let (status, evidence) = match drive.status {
        DriveStatus::Healthy => (0, None),
        DriveStatus::Quarantined(evidence) => (1, Some(evidence)),
    };
    // A path is at most 4096 bytes long, and a number at most 63.
    put.u16(u16::try_from(drive.number.0).unwrap_or(u16::MAX))
        .u16(status)
        .u32(u32::try_from(path.len()).unwrap_or(u32::MAX))
        .bytes(&drive.id.0)
        .u64(drive.capacity)
        .u64(drive.seen);
    let number = |fault| DriveFault::ALL.iter().position(|one| *one == fault).unwrap_or_default();
    match evidence {
        None => put.bytes(&[0; 40]),
        Some(it) => put
            .u64(it.run.0)
            .u64(it.offset)
            .u64(it.generation)
            .u64(it.at)
            .u16(u16::try_from(number(it.fault)).unwrap_or(u16::MAX))
            .u16(it.tries)
            .u32(0),
    };
    put.bytes(path);
}

pub(super) fn get_drive(get: &mut Get<'_>) -> Option<DriveEntry> {
    let (number, status, len) = (DriveNo(get.u16()?.into()), get.u16()?, get.u32()?);
    let (id, capacity, seen) = (DriveId(get.array()?), get.u64()?, get.u64()?);
    let (run, offset, generation, at) = (RunNo(get.u64()?), get.u64()?, get.u64()?, get.u64()?);
    let (fault, tries, zero) = (get.u16()?, get.u16()?, get.u32()?);
    let fault = *DriveFault::ALL.get(usize::from(fault))?;
    let evidence = Evidence { fault, run, offset, tries, generation, at };
    let status = match status {
        0 => DriveStatus::Healthy,
        1 => DriveStatus::Quarantined(evidence),
        _ => return None,
    };
    let path = get.bytes(usize::try_from(len).ok()?)?;
    let path = PathBuf::from(OsString::from_vec(path.to_vec()));
    (zero == 0).then_some(DriveEntry { number, id, path, capacity, seen, status })
}
