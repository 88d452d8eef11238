//! Housekeeping: the manifest, and the segments that are prepared for later. One at a time, and never under
//! the lock that writers need.

use std::collections::VecDeque;

use truelog_env::{IoError, IoKind, Op};

use crate::commit::Commit;
use crate::error::{Error, Failure, Result};
use crate::event::Event;
use crate::group_commit::GroupCommit;
use crate::home::Home;
use crate::lsn::{DriveNo, Lsn, RunNo, SegmentNo};
use crate::manifest::{Edit, ManifestFile, SegmentEntry};
use crate::names::Name;
use crate::options::Options;
use crate::segment::Segment;
use crate::spare::{Reused, Spare};

/// The size of the first segment of an open, in bytes. Each next one is larger by [`GROWTH`].
const FIRST_SIZE: u64 = 64 << 10;
const GROWTH: u64 = 2;
/// A segment that somebody waits for is not larger than the one before, from this size on: batches come as fast as segments
/// can be filled then, and a larger one would be later still. Below it the time goes into syncs, whatever the size.
const WAITED_SIZE: u64 = 4 << 20;
/// How many files are kept at most to be used again. With one, a trim that comes before the next segment is prepared finds one
/// kept and gives its own file away, and one that comes behind it finds none: zeros are written for ever.
const SPARES: usize = 2;

/// See the module's text.
#[derive(Debug)]
pub(crate) struct House {
    manifest: ManifestFile,
    /// The capacity that the next segment gets, unless more is needed.
    next_size: u64,
    /// The number that the next segment gets. One that could not be prepared has used its number up.
    next_number: SegmentNo,
    /// The number that the next run gets. So has one that was not published.
    next_run: RunNo,
    /// The files that the next segments get, if they are large enough then; ascending by number.
    spares: VecDeque<Spare>,
    /// Whether all that was begun has ended, and none of it in doubt: else nothing more is written.
    pub(crate) sound: bool,
}

impl House {
    pub(crate) fn new(manifest: ManifestFile, options: &Options) -> Self {
        let (next_number, next_run) = (manifest.state().next_segment, manifest.state().archive.next_run);
        Self {
            manifest,
            next_size: FIRST_SIZE.min(options.segment_size),
            next_number,
            next_run,
            spares: VecDeque::with_capacity(SPARES),
            sound: true,
        }
    }

    pub(crate) const fn manifest(&self) -> &ManifestFile {
        &self.manifest
    }

    /// Makes an edit durable.
    ///
    /// # Errors
    /// A [`Failure`] that poisons: whether the edit is durable is not known then.
    pub(crate) fn edit(
        &mut self,
        home: &Home,
        edit: &Edit,
        durable: Lsn,
    ) -> std::result::Result<(), Failure> {
        self.manifest.append(home, edit, durable)
    }

    /// Writes the manifest anew.
    ///
    /// # Errors
    /// A [`Failure`] that says whether it poisons. If it does not, nothing has changed.
    pub(crate) fn checkpoint(&mut self, home: &Home, durable: Lsn) -> std::result::Result<(), Failure> {
        self.manifest.check_before(home)?;
        self.manifest = ManifestFile::checkpoint(home, self.manifest.state().clone(), durable)?;
        Ok(())
    }

    /// A drive's copy of the manifest has this generation, durably. The next checkpoint says so.
    pub(crate) fn seen(&mut self, drive: DriveNo, generation: u64) {
        self.manifest.seen(drive, generation);
    }

    /// A number that no run has yet.
    pub(crate) fn take_run(&mut self) -> RunNo {
        let number = self.next_run;
        self.next_run = number.next();
        number
    }

    /// Numbers up to this one were found in use.
    pub(crate) fn runs_up_to(&mut self, number: RunNo) {
        self.next_run = self.next_run.max(number.next());
    }

    /// How many bytes of the volume may be used for segments: the next open needs some for its manifest and for what it may
    /// have to write again, and without an open there is no trim that frees any. Who cannot tell refuses nothing.
    fn room(&self, home: &Home, options: &Options) -> u64 {
        let Ok(volume) = home.env.fs.volume(&home.dir) else { return u64::MAX };
        let reserve = self.manifest.capacity().saturating_add(u64::from(options.max_batch_bytes));
        volume.free_bytes.saturating_sub(reserve)
    }

    /// The capacity of a new segment for which `needed` bytes are needed, 0 if nobody waits for it.
    pub(crate) fn size(&self, needed: u64) -> u64 {
        self.next_size.max(needed)
    }

    /// The same, of one that leaves room on the volume: where somebody waits, a smaller one than usual if need be.
    ///
    /// # Errors
    /// [`Error::Full`], and nothing has changed.
    pub(crate) fn size_in_room(
        &self,
        home: &Home,
        options: &Options,
        needed: u64,
    ) -> std::result::Result<u64, Failure> {
        let (size, room) = (self.size(needed), self.room(home, options));
        let smallest = FIRST_SIZE.min(options.segment_size).max(needed);
        if room >= size {
            return Ok(size);
        }
        if needed > 0 && room >= smallest {
            // Half of what is left, so that others have some, too.
            return Ok((room / 2).min(size).max(smallest));
        }
        let (segment, source) = (self.next_number, IoError::new(Op::Statvfs, IoKind::NoSpace));
        let error = Error::io(home.path(Name::Segment(segment)), source);
        home.emit(&Event::SpaceRefused { segment, error: error.clone() });
        Err(Failure::harmless(error))
    }

    /// The first file that is kept and is one for `needed` bytes. Those before it are given back: numbers only ascend.
    /// `is_read` says whether anybody looks at what was there before a version of the catalog.
    pub(crate) fn take_spare(
        &mut self,
        home: &Home,
        options: &Options,
        needed: u64,
        is_read: impl Fn(u64) -> bool,
    ) -> Option<Reused> {
        while let Some(spare) = self.spares.pop_front() {
            let is_free = spare.capacity >= needed && !is_read(spare.version);
            let reused = is_free.then(|| spare.open(home)).flatten();
            // Where the room is gone that was left when it was kept, its space is what there is left to give.
            let reused = reused.filter(|_| self.room(home, options) > 0);
            if reused.is_some() {
                return reused;
            }
            spare.give_back(home);
        }
        None
    }

    /// Gives the files back that are kept for the next segments: there will be none.
    pub(crate) fn give_spares_back(&mut self, home: &Home) {
        for spare in self.spares.drain(..) {
            spare.give_back(home);
        }
    }

    /// Prepares a segment of `capacity` bytes, `needed` of which somebody waits for; or of the file that is used again.
    ///
    /// # Errors
    /// A [`Failure`] that says whether it poisons. If it does not, nothing has changed.
    pub(crate) fn prepare(
        &mut self,
        home: &Home,
        options: &Options,
        (needed, capacity): (u64, u64),
        reused: Option<Reused>,
        durable: Lsn,
    ) -> std::result::Result<Segment, Failure> {
        // A new segment would go wherever the path leads now.
        let checked = self.manifest.check_before(home);
        if let Some(Reused { number, capacity, file }) = reused {
            if checked.is_err() {
                let _ = home.unlink(Name::SegmentTmp(number));
            }
            let (file, manifest) = (Some(file), &mut self.manifest);
            return checked
                .and_then(|()| Segment::prepare(home, options, manifest, number, capacity, durable, file));
        }
        checked?;
        let number = self.next_number;
        self.next_number = number.next();
        let segment = Segment::prepare(home, options, &mut self.manifest, number, capacity, durable, None)?;
        if needed == 0 || self.next_size < WAITED_SIZE {
            self.next_size = self.next_size.saturating_mul(GROWTH).min(options.segment_size);
        }
        Ok(segment)
    }

    /// Moves the trim point, durably, and only then removes the segments wholly below it. Says how many. `told` is called
    /// in between: whoever looks for a file that is gone must hear that it was trimmed. It says the version of the catalog behind
    /// which nobody looks at them.
    ///
    /// # Errors
    /// A [`Failure`] that says whether it poisons.
    pub(crate) fn trim(
        &mut self,
        home: &Home,
        options: &Options,
        (before, floor): (Lsn, SegmentNo),
        durable: Lsn,
        told: impl FnOnce() -> u64,
    ) -> std::result::Result<u64, Failure> {
        let below = |entry: &&SegmentEntry| entry.number < floor;
        let doomed: Vec<_> = self.manifest.state().segments.iter().filter(below).copied().collect();
        self.manifest.append(home, &Edit::Trim { before, floor }, durable)?;
        let version = told();
        home.emit(&Event::Trimmed { before });
        self.remove(home, options, &doomed, version)?;
        Ok(crate::codec::as_u64(doomed.len()))
    }

    /// Removes segments that nothing names any more; the files of some may be kept, at which nobody looks behind this version of
    /// the catalog. What cannot be removed now is removed by the next open.
    ///
    /// # Errors
    /// A [`Failure`] that says whether it poisons: a name may be there still.
    pub(crate) fn remove(
        &mut self,
        home: &Home,
        options: &Options,
        doomed: &[SegmentEntry],
        version: u64,
    ) -> std::result::Result<(), Failure> {
        let kept = self.to_keep(home, options, doomed);
        let mut removed = Ok(());
        for entry in doomed {
            // A new name may take room that there is not, the removal of one does not.
            let is_kept = kept.contains(&entry.number) && self.keep(home, entry, version);
            let gone = if is_kept { Ok(()) } else { unlink(home, Name::Segment(entry.number)) };
            if gone.is_ok() {
                home.emit(&Event::Removed { name: Name::Segment(entry.number).to_string() });
            }
            removed = removed.and(gone);
        }
        if !doomed.is_empty() {
            home.sync_dir().map_err(Failure::poisoning)?;
        }
        removed.map_err(Failure::harmless)
    }

    /// Which of these segments are kept for their space, the last of them first: none where that is what is short.
    fn to_keep(&self, home: &Home, options: &Options, doomed: &[SegmentEntry]) -> Vec<SegmentNo> {
        let suits = |entry: &&SegmentEntry| Spare::suits(options, entry, self.next_size);
        let free = SPARES.saturating_sub(self.spares.len());
        let suited: Vec<_> = doomed.iter().rev().filter(suits).take(free).collect();
        if suited.is_empty() {
            return Vec::new();
        }
        let mut room = Some(self.room(home, options));
        let fits = |entry: &&SegmentEntry| {
            room = room.and_then(|room| room.checked_sub(entry.capacity));
            room.is_some()
        };
        suited.into_iter().take_while(fits).map(|entry| entry.number).collect()
    }

    /// Keeps the file of a segment, and says whether that could be done.
    fn keep(&mut self, home: &Home, entry: &SegmentEntry, version: u64) -> bool {
        let number = self.next_number;
        self.next_number = number.next();
        let kept = Spare::keep(home, entry, number, version);
        if kept.is_err() {
            // It may have been done all the same.
            let _ = home.unlink(Name::SegmentTmp(number));
        }
        let is_kept = kept.is_ok();
        self.spares.extend(kept);
        is_kept
    }
}

/// Removes a name, if it is there: a rename that failed may have been done all the same.
fn unlink(home: &Home, name: Name) -> Result<()> {
    match home.unlink(name) {
        Err(Error::Io { source, .. }) if source.kind == IoKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Fails the kernel if the thread unwinds while it keeps house: what it wrote is not known then.
pub(crate) struct Unwinding<'a> {
    pub(crate) kernel: &'a GroupCommit<Commit>,
    pub(crate) home: &'a Home,
    pub(crate) armed: bool,
}

impl Unwinding<'_> {
    /// The work is done; poisons if it failed in a way that poisons.
    pub(crate) fn end<T>(mut self, result: std::result::Result<T, Failure>) -> Result<T> {
        self.armed = false;
        result.map_err(|Failure { error, poisons }| {
            if !poisons {
                return error;
            }
            let failure = error.clone().poisoned();
            self.kernel.fail(failure.clone());
            // Not before: whoever hears of it must find nothing acknowledged any more.
            self.home.emit(&Event::Poisoned { cause: error });
            failure
        })
    }
}

impl Drop for Unwinding<'_> {
    fn drop(&mut self) {
        if self.armed {
            self.kernel.fail(Error::Abandoned.poisoned());
            self.home.events.emit_unwinding(&Event::Poisoned { cause: Error::Abandoned });
        }
    }
}
