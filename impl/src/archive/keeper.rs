//! The archive's housekeeping: what is due next, one bounded piece at a time.
//!
//! In this order: what readers wait for; what protects data (quarantine, lost copies); what frees space; new runs.

use std::collections::VecDeque;
use std::time::Duration;

use super::compact::{Job, Made, Setback, write_evidence};
use super::copies::{Copying, under_copied};
use super::pace::Pace;
use super::plan::{self, Limits};
use super::reclaim::{Reclaim, Reclaimed, bound};
use super::run::{RunEntry, RunHeader};
use super::scrub::{Scrub, ScrubReport, Scrubbed};
use crate::backoff::Backoff;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::event::Event;
use crate::home::Home;
use crate::lsn::DriveNo;
use crate::manifest::Edit;

/// How soon what is pending is looked at again.
const SOON: Duration = Duration::from_millis(20);
/// How soon it is looked whether there is something to compact.
const LATER: Duration = Duration::from_millis(250);

/// What a [`archive_step`](crate::Log::archive_step) did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ArchiveProgress {
    /// A block was read ahead.
    pub prefetched: bool,
    /// A drive's quarantine is durable now.
    pub quarantined: Option<DriveNo>,
    /// A run was published.
    pub published: Option<RunEntry>,
    /// A run has one copy more.
    pub copied: Option<DriveNo>,
    /// Something that the archive has replaced is gone.
    pub reclaimed: bool,
    /// Something waits: for readers, for a drive with room, for its turn.
    pub pending: bool,
    /// Something was done; another step may find more.
    pub worked: bool,
    /// After this time another step may have something to do. `None`: not before something changes.
    pub next: Option<Duration>,
}

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Keeper {
    job: Option<Job>,
    copying: Option<Copying>,
    scrub: Option<Scrub>,
    /// What the last scrub found, until somebody takes it.
    scrubbed: Option<ScrubReport>,
    reclaims: VecDeque<Reclaim>,
    pace: Pace,
    /// When compaction may be tried again, after it has failed.
    again: Backoff,
    /// Why it failed.
    trouble: Option<Error>,
}

impl Keeper {
    pub(crate) fn new(rate: u64) -> Self {
        Self {
            job: None,
            copying: None,
            scrub: None,
            scrubbed: None,
            reclaims: VecDeque::new(),
            pace: Pace::new(rate),
            again: Backoff::default(),
            trouble: None,
        }
    }

    /// Why the last attempt to make a run failed.
    pub(crate) const fn trouble(&self) -> Option<&Error> {
        self.trouble.as_ref()
    }

    pub(crate) fn forget_trouble(&mut self) {
        self.trouble = None;
        self.again.reset();
    }

    /// Begins a scrub, unless one is under way. Says whether it did.
    pub(crate) fn scrub(&mut self, engine: &Engine, only: Option<DriveNo>, readmit: bool) -> bool {
        let begins = self.scrub.is_none();
        if begins {
            self.scrub = Some(Scrub::begin(engine, only, readmit));
            self.scrubbed = None;
        }
        begins
    }

    /// What the last scrub found, once.
    pub(crate) fn take_scrubbed(&mut self) -> Option<ScrubReport> {
        self.scrubbed.take()
    }

    pub(crate) fn reclaim(&mut self, reclaim: Reclaim) {
        self.reclaims.push_back(reclaim);
    }

    /// Does what is due, if it may: a bounded piece. `eager`: without regard for pace, and however little there is.
    pub(crate) fn step(&mut self, engine: &Engine, eager: bool) -> Result<ArchiveProgress> {
        let mut progress = ArchiveProgress::default();
        if engine.archive.prefetch_step() {
            (progress.prefetched, progress.worked) = (true, true);
            return Ok(progress.soon());
        }
        if self.quarantine(engine, &mut progress)? {
            return Ok(progress.soon());
        }
        let now = engine.home.env.clock.monotonic();
        if let Some(left) = self.pace.wait(now).filter(|_| !eager) {
            (progress.pending, progress.next) = (true, Some(left));
            return Ok(progress);
        }
        if self.copy(engine, &mut progress)? || self.reclaim_step(engine, &mut progress)? {
            return Ok(progress.soon());
        }
        if self.scrub_step(engine)? {
            progress.worked = true;
            return Ok(progress.soon());
        }
        self.compact(engine, eager, now, &mut progress)?;
        Ok(if progress.worked { progress.soon() } else { progress.later() })
    }

    /// Makes the quarantine of a drive that failed durable.
    fn quarantine(&self, engine: &Engine, progress: &mut ArchiveProgress) -> Result<bool> {
        let Some(entry) = engine.archive.shelf().lock().first_suspect() else { return Ok(false) };
        engine.keep(|house| house.edit(&engine.home, &Edit::Drive(entry.clone()), engine.durable()))?;
        engine.archive.shelf().lock().set(&entry, None);
        if let super::entry::DriveStatus::Quarantined(evidence) = entry.status {
            engine.home.emit(&Event::DriveQuarantined { drive: entry.number, evidence });
        }
        (progress.quarantined, progress.worked) = (Some(entry.number), true);
        Ok(true)
    }

    /// Gives a run that has too few good copies another one.
    fn copy(&mut self, engine: &Engine, progress: &mut ArchiveProgress) -> Result<bool> {
        if self.copying.is_none() {
            let now = engine.home.env.clock.monotonic();
            self.copying = if self.again.is_due(now) { under_copied(engine)? } else { None };
        }
        let Some(copying) = &mut self.copying else { return Ok(false) };
        let (drive, run) = (copying.drive(), copying.run());
        match copying.step(engine) {
            Ok(Made::More(bytes)) => self.pace.passed(bytes, engine.home.env.clock.monotonic()),
            Ok(Made::Good(entry)) => {
                self.copying = None;
                engine.publish_copies(&entry)?;
                progress.copied = Some(drive);
            }
            Err(setback) => {
                if let Some(copying) = self.copying.take() {
                    copying.abandon(engine);
                }
                self.set_back(engine, run, setback)?;
            }
        }
        progress.worked = true;
        Ok(true)
    }

    fn reclaim_step(&mut self, engine: &Engine, progress: &mut ArchiveProgress) -> Result<bool> {
        let Some(reclaim) = self.reclaims.front_mut() else { return Ok(false) };
        match reclaim.step(engine)? {
            Reclaimed::More => {}
            Reclaimed::Pending => {
                progress.pending = true;
                return Ok(false);
            }
            Reclaimed::Done => {
                self.reclaims.pop_front();
                progress.reclaimed = true;
            }
        }
        progress.worked = true;
        Ok(true)
    }

    fn scrub_step(&mut self, engine: &Engine) -> Result<bool> {
        let Some(scrub) = &mut self.scrub else { return Ok(false) };
        match scrub.step(engine)? {
            Scrubbed::More(bytes) => self.pace.passed(bytes, engine.home.env.clock.monotonic()),
            Scrubbed::Done(report) => (self.scrub, self.scrubbed) = (None, Some(report)),
        }
        Ok(true)
    }

    fn compact(
        &mut self,
        engine: &Engine,
        eager: bool,
        now: Duration,
        progress: &mut ArchiveProgress,
    ) -> Result<()> {
        if self.job.is_none() && (eager || self.again.is_due(now)) {
            match self.begin(engine, eager) {
                Ok(job) => self.job = job,
                Err(setback) => {
                    progress.worked = true;
                    return self.set_back(engine, crate::lsn::RunNo::NONE, setback);
                }
            }
        }
        let Some(job) = &mut self.job else { return Ok(()) };
        progress.worked = true;
        match job.step(engine) {
            Ok(Made::More(bytes)) => self.pace.passed(bytes, engine.home.env.clock.monotonic()),
            Ok(Made::Good(run)) => {
                let floor = job.planned().floor;
                // From here on the outputs are not this job's to take back: a publication that fails may persist.
                self.job = None;
                let reclaim = engine.publish_run(&run, floor)?;
                self.reclaims.push_back(reclaim);
                self.again.reset();
                self.trouble = None;
                progress.published = Some(run);
            }
            Err(setback) => {
                if let Some(job) = self.job.take() {
                    job.abandon(engine);
                }
                self.set_back(engine, crate::lsn::RunNo::NONE, setback)?;
            }
        }
        Ok(())
    }

    /// Begins the next run, if there is enough for one.
    fn begin(&self, engine: &Engine, eager: bool) -> std::result::Result<Option<Job>, Setback> {
        let options = &engine.options;
        let least = if eager { 0 } else { options.segment_size };
        let limits = Limits { most: options.run_bytes, least, eager };
        let bound = bound(engine);
        let state = engine.keep(|house| Ok(house.manifest().state().clone()))?;
        let planned = plan::next(&engine.catalog.lock(), &state, bound, limits);
        let Some(planned) = planned.filter(|_| !state.archive.drives.is_empty()) else { return Ok(None) };
        let drives = choose(engine, &state.archive.runs)?;
        let header = RunHeader {
            log: engine.home.log,
            run: engine.keep(|house| Ok(house.take_run()))?,
            salt: engine.home.random()?,
            generation: state.archive.generation + 1,
            block: engine.home.block,
        };
        Job::begin(engine, planned, header, drives).map(Some)
    }

    /// What a failure means: a drive that failed is out; anything else is tried again later.
    fn set_back(&mut self, engine: &Engine, run: crate::lsn::RunNo, setback: Setback) -> Result<()> {
        let error = match setback {
            Setback::Drive(drive, error) => {
                if let Some(evidence) = write_evidence(engine, run, &error) {
                    engine.archive.suspect(drive, evidence);
                }
                error
            }
            Setback::Log(error @ (Error::Poisoned { .. } | Error::Closed)) => return Err(error),
            Setback::Log(error) => error,
        };
        engine.home.emit(&Event::ArchiveDelayed { error: error.clone() });
        self.trouble = Some(error);
        self.again.failed(engine.home.env.clock.monotonic());
        Ok(())
    }
}

impl ArchiveProgress {
    fn soon(mut self) -> Self {
        self.next = Some(if self.worked { Duration::ZERO } else { SOON });
        self
    }

    fn later(mut self) -> Self {
        self.next = self.next.or(Some(if self.pending { SOON } else { LATER }));
        self
    }
}

/// The drives that take a new run: as many as there are copies, those with the most room first.
fn choose(engine: &Engine, runs: &[RunEntry]) -> Result<Vec<(DriveNo, Home)>> {
    let writable = engine.archive.shelf().lock().writable();
    let mut fit: Vec<(u64, DriveNo, Home)> = Vec::new();
    for (entry, home) in writable {
        let room = room(&entry, &home, runs);
        if room > 0 {
            fit.push((room, entry.number, home));
        }
    }
    fit.sort_by_key(|(room, number, _)| (std::cmp::Reverse(*room), *number));
    let copies = usize::from(engine.options.copies);
    if fit.len() < copies {
        let found = u32::try_from(fit.len()).unwrap_or(u32::MAX);
        return Err(Error::TooFewDrives { found, copies: engine.options.copies.into() });
    }
    Ok(fit.into_iter().take(copies).map(|(_, number, home)| (number, home)).collect())
}

/// How many bytes of runs a drive can still take, as far as its capacity and its volume say.
pub(super) fn room(entry: &super::entry::DriveEntry, home: &Home, runs: &[RunEntry]) -> u64 {
    let free = home.env.fs.volume(&home.dir).map_or(0, |volume| volume.free_bytes);
    let held: u64 = runs.iter().filter(|run| run.copies.contains(entry.number)).map(|run| run.len).sum();
    match entry.capacity {
        0 => free,
        capacity => free.min(capacity.saturating_sub(held)),
    }
}
