//! Where the archive changes what the log says: under the house's lock, the manifest first, the catalog behind it.

use std::time::Duration;

use super::keeper::ArchiveProgress;
use super::reclaim::Reclaim;
use super::run::RunEntry;
use super::scrub::ScrubReport;
use super::set::DriveSet;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::event::Event;
use crate::lsn::{DriveNo, RunNo, SegmentNo};
use crate::manifest::{Edit, SegmentEntry};

impl Engine {
    /// The bounded piece of the archive's work that is due now. `eager`: without regard for pace, and however little
    /// there is to compact.
    pub(crate) fn archive_step(&self, eager: bool) -> Result<ArchiveProgress> {
        if self.read_only.is_some() {
            return Ok(ArchiveProgress::default());
        }
        let prefetched = self.archive.prefetch_step();
        let mut keeper = self.keeper.lock();
        let mut progress = if prefetched && !eager && keeper.is_idle(self) {
            ArchiveProgress::default()
        } else {
            keeper.step(self, eager)?
        };
        if prefetched {
            (progress.prefetched, progress.worked, progress.next) = (true, true, Some(Duration::ZERO));
        }
        Ok(progress)
    }

    /// Publishes a run that is good on all its drives: the manifest names it, and only then do readers see it. What it
    /// replaces may be reclaimed. `None`: all its records were trimmed meanwhile, and nobody wants it any more. It would
    /// replace nothing, and nothing would ever replace it.
    pub(crate) fn publish_run(&self, run: &RunEntry, floor: SegmentNo) -> Result<Option<Reclaim>> {
        self.keep(|house| {
            let before = house.manifest().state().clone();
            if before.kept(run.lsns.first) > run.lsns.last {
                return Ok(None);
            }
            let floor = floor.max(before.floor);
            let below = |entry: &&SegmentEntry| entry.number < floor;
            let segments = before.segments.iter().filter(below).copied().collect();
            house.edit(&self.home, &Edit::Publish { run: *run, floor }, self.durable())?;
            let after = &house.manifest().state().archive;
            let gone = |old: &&RunEntry| after.run(old.number).is_none();
            let replaced: Vec<RunEntry> = before.archive.runs.iter().filter(gone).copied().collect();
            let version = self.catalog.lock().archived(&after.runs, after.generation, floor);
            self.archive.forget(&replaced);
            self.home.emit(&Event::RunPublished { run: run.number, lsns: run.lsns, copies: run.copies });
            let runs = replaced.iter().map(|run| (run.number, run.copies)).collect();
            Ok(Some(Reclaim { version, segments, runs, checkpointed: false }))
        })
    }

    /// A drive has another copy of a run from now on: it was written and read back. Says whether the manifest names it
    /// there: the run may have been trimmed meanwhile.
    pub(crate) fn publish_copy(&self, run: RunNo, drive: DriveNo) -> Result<bool> {
        self.keep(|house| {
            let Some(known) = house.manifest().state().archive.run(run).copied() else { return Ok(false) };
            if !known.copies.contains(drive) {
                let edit = Edit::Copies { run, copies: known.copies.with(drive) };
                house.edit(&self.home, &edit, self.durable())?;
                let state = house.manifest().state();
                let (runs, generation) = (&state.archive.runs, state.archive.generation);
                self.catalog.lock().archived(runs, generation, state.floor);
            }
            Ok(true)
        })
    }

    /// The drives on which the manifest names copies of a run.
    pub(crate) fn copies_of(&self, run: RunNo) -> Result<DriveSet> {
        self.keep(|house| {
            let known = house.manifest().state().archive.run(run).map(|known| known.copies);
            Ok(known.unwrap_or(DriveSet::EMPTY))
        })
    }

    /// Records were trimmed, and these runs with them: they are reclaimed once no reader looks at them, and the drives
    /// hear of the trim, so that no rebuild takes what was trimmed for missing.
    pub(crate) fn archive_trimmed(&self, version: u64, runs: &[RunEntry]) {
        if self.catalog.lock().generation() == 0 {
            return;
        }
        self.archive.forget(runs);
        let runs: Vec<_> = runs.iter().map(|run| (run.number, run.copies)).collect();
        let checkpointed = runs.is_empty();
        self.keeper.lock().reclaim(Reclaim { version, segments: Vec::new(), runs, checkpointed });
    }

    /// Archives all that is sealed, as fast as it can. Returns what was published.
    pub(crate) fn compact_all(&self) -> Result<Vec<RunEntry>> {
        self.check_writable()?;
        self.keeper.lock().forget_trouble();
        let mut published = Vec::new();
        loop {
            let progress = self.archive_step(true)?;
            published.extend(progress.published);
            if let Some(trouble) = self.keeper.lock().trouble() {
                return Err(trouble.clone());
            }
            if !progress.worked {
                return Ok(published);
            }
        }
    }

    /// Scrubs, at the archive's pace.
    pub(crate) fn scrub_all(&self, only: Option<DriveNo>, readmit: bool) -> Result<ScrubReport> {
        self.check_writable()?;
        if let Some(drive) =
            only.filter(|only| self.archive.shelf().lock().states().iter().all(|it| it.entry.number != *only))
        {
            return Err(Error::NoSuchDrive { drive });
        }
        let Some(number) = self.keeper.lock().scrub(self, only, readmit) else {
            return Err(Error::Locked { dir: self.home.dir.clone() });
        };
        loop {
            let progress = self.archive_step(false)?;
            if let Some(report) = self.keeper.lock().take_scrubbed(number) {
                return Ok(report);
            }
            if let Some(wait) = progress.next.filter(|wait| !wait.is_zero()) {
                self.home.env.clock.sleep(wait);
            }
        }
    }
}
