//! The archive's housekeeping: what is due next, one bounded piece at a time.
//!
//! In this order: what protects data (quarantine, lost copies); what frees space; scrub; new runs.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use super::compact::{Job, Made, Setback, write_evidence};
use super::copies::{Copying, under_copied};
use super::entry::DriveStatus;
use super::pace::Pace;
use super::plan::{self, Limits};
use super::reclaim::{Reclaim, Reclaimed, bound};
use super::run::{RunEntry, RunHeader, fits_into};
use super::scrub::{Scrub, ScrubReport, Scrubbed};
use super::set::DriveSet;
use crate::backoff::Backoff;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::event::Event;
use crate::home::Home;
use crate::lsn::{DriveNo, RunNo};
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
    /// How many scrubs were begun.
    scrubs: u64,
    /// What each found, until whoever began it takes it.
    scrubbed: BTreeMap<u64, ScrubReport>,
    /// A piece of a scrub was the last thing done.
    compacts_next: bool,
    /// Until then there was nothing to compact: to find that out takes as long as to check a block.
    nothing_until: Duration,
    reclaims: VecDeque<Reclaim>,
    pace: Pace,
    /// Runs that could not be read to make another copy or a merge of them, and the drives that served then.
    uncopyable: (DriveSet, BTreeSet<RunNo>),
    /// When compaction may be tried again, after it has failed.
    compaction: Backoff,
    /// The same of anything else.
    again: Backoff,
    /// Why the last of these failed.
    trouble: Option<Error>,
    /// Nothing was due, and until then it need not be looked again while there are blocks to read ahead.
    idle_until: Option<Duration>,
}

impl Keeper {
    pub(crate) fn new(rate: u64) -> Self {
        Self {
            job: None,
            copying: None,
            scrub: None,
            scrubs: 0,
            scrubbed: BTreeMap::new(),
            compacts_next: false,
            nothing_until: Duration::ZERO,
            reclaims: VecDeque::new(),
            pace: Pace::new(rate),
            uncopyable: (DriveSet::EMPTY, BTreeSet::new()),
            compaction: Backoff::default(),
            again: Backoff::default(),
            trouble: None,
            idle_until: None,
        }
    }

    /// Why the last attempt to make a run failed.
    pub(crate) const fn trouble(&self) -> Option<&Error> {
        self.trouble.as_ref()
    }

    pub(crate) fn forget_trouble(&mut self) {
        self.trouble = None;
        self.again.reset();
        self.compaction.reset();
    }

    /// Begins a scrub, unless one is under way. Gives its number, by which whoever has begun it asks for what it found.
    pub(crate) fn scrub(&mut self, engine: &Engine, only: Option<DriveNo>, readmit: bool) -> Option<u64> {
        if self.scrub.is_some() {
            return None;
        }
        self.idle_until = None;
        self.scrub = Some(Scrub::begin(engine, only, readmit));
        self.scrubs += 1;
        Some(self.scrubs)
    }

    /// What the scrub of this number found, once.
    pub(crate) fn take_scrubbed(&mut self, number: u64) -> Option<ScrubReport> {
        self.scrubbed.remove(&number)
    }

    pub(crate) fn reclaim(&mut self, reclaim: Reclaim) {
        self.idle_until = None;
        self.reclaims.push_back(reclaim);
    }

    /// Whether nothing was due a moment ago, and no drive has failed since. Only to find that out takes as long as to
    /// unpack a block: what is free on the drives, and what there is to compact.
    pub(crate) fn is_idle(&self, engine: &Engine) -> bool {
        let now = engine.home.env.clock.monotonic();
        let no_suspect = || engine.archive.shelf().lock().first_suspect().is_none();
        self.idle_until.is_some_and(|until| now < until) && no_suspect()
    }

    /// What is being made on this drive is taken back: it is about to be forgotten.
    pub(crate) fn let_go(&mut self, engine: &Engine, drive: DriveNo) {
        if let Some(job) = self.job.take_if(|job| job.copies().contains(drive)) {
            job.abandon(engine);
        }
        if let Some(copying) = self.copying.take_if(|copying| copying.drive() == drive) {
            copying.abandon(engine);
        }
        if let Some(scrub) = &mut self.scrub {
            scrub.let_go(engine, drive);
        }
    }

    /// Does what is due, if it may: a bounded piece. `eager`: without regard for pace, and however little there is.
    ///
    /// # Errors
    /// Those that fail the log. Anything else is told, and tried again later.
    pub(crate) fn step(&mut self, engine: &Engine, eager: bool) -> Result<ArchiveProgress> {
        let mut progress = ArchiveProgress::default();
        let now = engine.home.env.clock.monotonic();
        let paced = self.pace.wait(now).filter(|_| !eager);
        progress.pending = paced.is_some();
        if eager || self.again.is_due(now) {
            match self.turn(engine, eager, paced.is_some(), &mut progress) {
                // Whoever had to wait for his turn has not succeeded in anything.
                Ok(_) if paced.is_none() => self.again.reset(),
                Ok(_) => {}
                // What was begun is taken back; the next step plans anew.
                Err(Setback::Moot) => progress.worked = true,
                Err(setback) => {
                    self.set_back(engine, setback)?;
                    self.again.failed(now);
                }
            }
        } else {
            progress.pending = true;
        }
        self.idle_until = (!progress.worked && !progress.pending).then(|| now.saturating_add(LATER));
        progress.next = Some(match (progress.worked, progress.pending) {
            (true, _) => paced.unwrap_or_default(),
            (false, true) => paced.unwrap_or(SOON),
            (false, false) => LATER,
        });
        Ok(progress)
    }

    /// The first of these that has something to do does it. What moves many bytes waits for its turn.
    fn turn(&mut self, engine: &Engine, eager: bool, paced: bool, progress: &mut ArchiveProgress) -> Turn {
        progress.worked = self.quarantine(engine, progress)?
            || !paced
                && (self.copy(engine, progress)?
                    || self.reclaim_step(engine, progress)?
                    || self.scrub_or_compact(engine, eager, progress)?);
        Ok(progress.worked)
    }

    /// A scrub and a compaction go on by turns: who scrubs without end would never compact.
    fn scrub_or_compact(&mut self, engine: &Engine, eager: bool, progress: &mut ArchiveProgress) -> Turn {
        let compacts = std::mem::take(&mut self.compacts_next);
        if compacts && self.try_compact(engine, eager, progress)? {
            return Ok(true);
        }
        self.compacts_next = self.scrub_step(engine)?;
        Ok(self.compacts_next || !compacts && self.try_compact(engine, eager, progress)?)
    }

    /// Compacts, unless that has failed a moment ago, or, beside a scrub, has found nothing. That it fails holds nothing else up.
    fn try_compact(&mut self, engine: &Engine, eager: bool, progress: &mut ArchiveProgress) -> Turn {
        let now = engine.home.env.clock.monotonic();
        if !eager && !self.compaction.is_due(now) {
            progress.pending = true;
            return Ok(false);
        }
        if !eager && self.scrub.is_some() && now < self.nothing_until {
            return Ok(false);
        }
        match self.compact(engine, eager, progress) {
            Ok(worked) => {
                self.nothing_until = if worked { Duration::ZERO } else { now.saturating_add(LATER) };
                Ok(worked)
            }
            Err(Setback::Moot) => Err(Setback::Moot),
            Err(setback) => {
                self.set_back(engine, setback).map_err(Setback::Log)?;
                self.compaction.failed(now);
                Ok(false)
            }
        }
    }

    /// Makes the quarantine of a drive that failed durable.
    fn quarantine(&self, engine: &Engine, progress: &mut ArchiveProgress) -> Turn {
        let Some(entry) = engine.archive.shelf().lock().first_suspect() else { return Ok(false) };
        engine.keep(|house| house.edit(&engine.home, &Edit::Drive(entry.clone()), engine.durable()))?;
        engine.archive.shelf().lock().set(&entry);
        if let DriveStatus::Quarantined(evidence) = entry.status {
            engine.home.emit(&Event::DriveQuarantined { drive: entry.number, evidence });
        }
        progress.quarantined = Some(entry.number);
        Ok(true)
    }

    /// Gives a run that has too few good copies another one.
    fn copy(&mut self, engine: &Engine, progress: &mut ArchiveProgress) -> Turn {
        if self.copying.is_none() {
            let serving = engine.archive.shelf().lock().serving();
            if self.uncopyable.0 != serving {
                self.uncopyable = (serving, BTreeSet::new());
            }
            match under_copied(engine, &self.uncopyable.1) {
                Ok(found) => self.copying = found,
                Err(setback) => return self.no_copy(engine, setback),
            }
        }
        let Some(mut copying) = self.copying.take() else { return Ok(false) };
        let drive = copying.drive();
        match copying.step(engine) {
            Ok(Made::More(bytes)) => {
                self.pace.passed(bytes, engine.home.env.clock.monotonic());
                self.copying = Some(copying);
            }
            Ok(Made::Good(run)) => {
                // A drive that has failed meanwhile is not called a copy.
                let serves = engine.archive.shelf().lock().serving().contains(drive);
                if serves && engine.publish_copy(run.number, drive)? {
                    progress.copied = Some(drive);
                }
                self.reclaims.extend(copying.left_over(engine)?);
            }
            Err(setback) => {
                self.reclaims.extend(copying.left_over(engine)?);
                copying.abandon(engine);
                return self.no_copy(engine, setback);
            }
        }
        Ok(true)
    }

    /// A run of which no copy can be read holds nothing else up. It is tried again once other drives serve, or a scrub
    /// has been through.
    fn no_copy(&mut self, engine: &Engine, setback: Setback) -> Turn {
        match setback {
            Setback::Log(error @ (Error::CorruptBlock { run, .. } | Error::Unavailable { run, .. })) => {
                engine.home.emit(&Event::ArchiveDelayed { error });
                self.uncopyable.1.insert(run);
                Ok(true)
            }
            setback => Err(setback),
        }
    }

    fn reclaim_step(&mut self, engine: &Engine, progress: &mut ArchiveProgress) -> Turn {
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
        Ok(true)
    }

    fn scrub_step(&mut self, engine: &Engine) -> Turn {
        let Some(scrub) = &mut self.scrub else { return Ok(false) };
        let stepped = scrub.step(engine)?;
        self.reclaims.extend(scrub.take_left_over());
        match stepped {
            Scrubbed::More(bytes) => self.pace.passed(bytes, engine.home.env.clock.monotonic()),
            Scrubbed::Done(report) => {
                self.scrub = None;
                self.scrubbed.insert(self.scrubs, report);
                self.uncopyable.1.clear();
            }
        }
        Ok(true)
    }

    fn compact(&mut self, engine: &Engine, eager: bool, progress: &mut ArchiveProgress) -> Turn {
        let mut job = match self.job.take() {
            Some(job) => job,
            None => match begin(engine, eager, &self.uncopyable.1)? {
                Some(job) => job,
                None => return Ok(false),
            },
        };
        match job.step(engine) {
            Ok(Made::More(bytes)) => {
                self.pace.passed(bytes, engine.home.env.clock.monotonic());
                self.job = Some(job);
            }
            Ok(Made::Good(run)) => {
                progress.published = self.publish(engine, job, &run)?.then_some(run);
            }
            Err(setback) => {
                job.abandon(engine);
                return self.no_copy(engine, setback);
            }
        }
        Ok(true)
    }

    /// Says whether the run was still wanted.
    fn publish(&mut self, engine: &Engine, job: Job, run: &RunEntry) -> Turn {
        let serving = engine.archive.shelf().lock().serving();
        if run.copies.iter().any(|drive| !serving.contains(drive)) {
            // It was chosen because it served, and has failed since. The next step plans with what serves now.
            job.abandon(engine);
            return Ok(false);
        }
        match engine.publish_run(run, job.planned().floor) {
            Ok(Some(reclaim)) => {
                self.reclaims.push_back(reclaim);
                self.compaction.reset();
                self.trouble = None;
                Ok(true)
            }
            Ok(None) => {
                job.abandon(engine);
                Ok(false)
            }
            // It may persist all the same: its outputs are not this job's to take back any more.
            Err(error) if is_fatal(&error) => Err(Setback::Log(error)),
            Err(error) => {
                job.abandon(engine);
                Err(Setback::Log(error))
            }
        }
    }

    /// What a failure means: a drive that failed is out; anything else is tried again later.
    fn set_back(&mut self, engine: &Engine, setback: Setback) -> Result<()> {
        let error = match setback {
            Setback::Drive(drive, run, error) => {
                if let Some(evidence) = write_evidence(engine, run, &error) {
                    engine.archive.suspect(drive, evidence);
                }
                error
            }
            Setback::Moot => return Ok(()),
            Setback::Log(error) if is_fatal(&error) => return Err(error),
            Setback::Log(error) => error,
        };
        engine.home.emit(&Event::ArchiveDelayed { error: error.clone() });
        self.trouble = Some(error);
        Ok(())
    }
}

/// Whether something was done; what went wrong may be tried again.
type Turn = std::result::Result<bool, Setback>;

const fn is_fatal(error: &Error) -> bool {
    matches!(error, Error::Poisoned { .. } | Error::Closed | Error::ReadOnly { .. })
}

/// Begins the next run, if there is enough for one: no longer than the drives that it goes to have room for.
fn begin(engine: &Engine, eager: bool, but: &BTreeSet<RunNo>) -> std::result::Result<Option<Job>, Setback> {
    let options = &engine.options;
    let best = best(engine);
    let most = match best.get(usize::from(options.copies) - 1) {
        Some((fits, ..)) => options.run_bytes.min(*fits),
        None => options.run_bytes,
    };
    let limits = Limits { most, least: if eager { 0 } else { options.segment_size }, eager };
    let bound = bound(engine);
    let found = engine.keep(|house| {
        let state = house.manifest().state();
        let planned = plan::next(&engine.catalog.lock(), state, bound, limits, but);
        let planned = planned.filter(|_| !state.archive.drives.is_empty());
        Ok(planned.map(|planned| (planned, state.archive.generation + 1)))
    })?;
    let Some((planned, generation)) = found else { return Ok(None) };
    let drives = choose(best, planned.bytes, options.copies)?;
    let header = RunHeader {
        log: engine.home.log,
        run: engine.keep(|house| Ok(house.take_run()))?,
        salt: engine.home.random()?,
        generation,
        block: engine.home.block,
    };
    Job::begin(engine, planned, header, drives).map(Some)
}

/// The drives that a run may go to, each with how many bytes of the log it takes in one, the roomiest first.
fn best(engine: &Engine) -> Vec<(u64, DriveNo, Home)> {
    let runs = engine.catalog.lock().runs().to_vec();
    let writable = engine.archive.shelf().lock().writable();
    let (target, block) = (engine.options.archive_block_bytes, engine.home.block);
    let drives = writable
        .into_iter()
        .map(|(entry, home)| (fits_into(room(&entry, &home, &runs), target, block), entry.number, home));
    let mut drives: Vec<_> = drives.collect();
    drives.sort_by_key(|(fits, number, _)| (std::cmp::Reverse(*fits), *number));
    drives
}

/// The best drives for a new run of `bytes` of the log: as many as there are copies.
fn choose(best: Vec<(u64, DriveNo, Home)>, bytes: u64, copies: u16) -> Result<Vec<(DriveNo, Home)>> {
    let fit = best.into_iter().take_while(|(fits, ..)| *fits >= bytes);
    let fit: Vec<_> = fit.take(copies.into()).map(|(_, number, home)| (number, home)).collect();
    if fit.len() < usize::from(copies) {
        let found = u32::try_from(fit.len()).unwrap_or(u32::MAX);
        return Err(Error::TooFewDrives { found, copies: copies.into() });
    }
    Ok(fit)
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
