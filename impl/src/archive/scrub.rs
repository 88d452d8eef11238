//! Scrubbing: every block of every copy is read and checked, and a copy that is damaged is written anew from good ones.

use super::compact::{Made, Setback, write_evidence};
use super::copies::Copying;
use super::drive::DriveOut;
use super::entry::{DriveFault, DriveStatus};
use super::fetch::BACK_OFF;
use super::reclaim::{Reclaim, copy_manifest_to};
use super::run::{IndexRow, RunEntry};
use super::shelf::DriveState;
use crate::archive::set::DriveSet;
use crate::catalog::{Catalog, Damage};
use crate::codec::as_u64;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::event::Event;
use crate::home::Home;
use crate::lsn::{DriveNo, RunNo};

/// A copy that was not what was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadCopy {
    /// The drive.
    pub drive: DriveNo,
    /// The run.
    pub run: RunNo,
    /// Where in it the first trouble is, in bytes.
    pub offset: u64,
    /// What it is.
    pub fault: DriveFault,
    /// What has become of it.
    pub outcome: CopyOutcome,
}

/// What has become of a damaged copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CopyOutcome {
    /// It is as it was found.
    Left,
    /// It was written anew, and read back.
    Repaired,
    /// Nothing names it any more: its run was trimmed, or became part of another one, which was read back when it was written,
    /// or its drive was removed from the log.
    Gone,
}

/// What a scrub found and did. A run that was trimmed meanwhile, or became part of another one, is passed over: it is nobody's
/// copy any more. A copy that was found damaged before that is told all the same, as [`CopyOutcome::Gone`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[must_use]
pub struct ScrubReport {
    /// How many copies of runs it read.
    pub copies: u64,
    /// How many blocks of them it read and found whole.
    pub blocks: u64,
    /// How many bytes these have.
    pub bytes: u64,
    /// The copies that it could not read because their drive cannot be reached.
    pub skipped: Vec<(DriveNo, RunNo)>,
    /// The copies that were damaged.
    pub bad: Vec<BadCopy>,
    /// Records that no copy has whole.
    pub lost: Vec<Damage>,
    /// The drives that serve again.
    pub readmitted: Vec<DriveNo>,
}

impl ScrubReport {
    /// How many damaged copies have come to this.
    pub fn count(&self, outcome: CopyOutcome) -> u64 {
        as_u64(self.bad.iter().filter(|bad| bad.outcome == outcome).count())
    }

    /// What was found in copies that nothing names any more has gone with them, and what was lost of trimmed records is nobody's
    /// loss.
    fn settle(&mut self, catalog: &Catalog) {
        let named = |drive: DriveNo, run: RunNo| {
            catalog.runs().iter().any(|left| left.number == run && left.copies.contains(drive))
        };
        let left = self.bad.iter_mut().filter(|bad| bad.outcome == CopyOutcome::Left);
        left.filter(|bad| !named(bad.drive, bad.run)).for_each(|bad| bad.outcome = CopyOutcome::Gone);
        self.skipped.retain(|(drive, run)| named(*drive, *run));
        self.lost.iter_mut().for_each(|damage| damage.lsns.first = damage.lsns.first.max(catalog.trimmed));
        self.lost.retain(|damage| match damage.error {
            Error::CorruptBlock { run, .. } | Error::Unavailable { run, .. } => {
                !damage.lsns.is_empty() && catalog.runs().iter().any(|left| left.number == run)
            }
            _ => true,
        });
    }
}

/// A copy of a run, where it is, and its next block.
type At = (RunEntry, DriveNo, Home, usize);

/// A scrub under way.
#[derive(Debug)]
pub(crate) struct Scrub {
    /// The copies that are left, the next one last.
    left: Vec<(RunEntry, DriveNo)>,
    /// The copy at hand, and its next block.
    at: Option<At>,
    /// A repair, and where the look at that copy goes on if it comes to nothing.
    repair: Option<(Copying, At)>,
    /// The one drive that is looked at, if not all are.
    only: Option<DriveNo>,
    readmit: bool,
    /// The drives of which a block was read and found whole.
    proved: DriveSet,
    /// The drives of which a copy was passed over, since nothing names it any more.
    passed: DriveSet,
    /// A copy that was repaired and that nothing names any more.
    left_over: Option<Reclaim>,
    report: ScrubReport,
}

/// What a step of a scrub came to.
pub(crate) enum Scrubbed {
    /// There is more to do; so many bytes were read.
    More(u64),
    /// All is done.
    Done(ScrubReport),
}

impl Scrub {
    /// A scrub of all copies, or of those on one drive. `readmit`: drives that do not serve do so again, if nothing is
    /// wrong with any of their copies.
    pub(crate) fn begin(engine: &Engine, only: Option<DriveNo>, readmit: bool) -> Self {
        let runs: Vec<RunEntry> = {
            let catalog = engine.catalog.lock();
            catalog.runs().iter().filter(|run| !catalog.is_given_up(run.lsns)).copied().collect()
        };
        let copies = runs.iter().rev().flat_map(|run| run.copies.iter().map(|drive| (*run, drive)));
        let left = copies.filter(|(_, drive)| only.is_none_or(|only| only == *drive)).collect();
        Self {
            left,
            at: None,
            repair: None,
            only,
            readmit,
            proved: DriveSet::EMPTY,
            passed: DriveSet::EMPTY,
            left_over: None,
            report: ScrubReport::default(),
        }
    }

    /// What the last step has left behind that is to be reclaimed, once.
    pub(crate) const fn take_left_over(&mut self) -> Option<Reclaim> {
        self.left_over.take()
    }

    /// What is written anew on this drive is taken back: the drive is about to be forgotten.
    pub(crate) fn let_go(&mut self, engine: &Engine, drive: DriveNo) {
        if let Some((repair, _)) = self.repair.take_if(|(repair, _)| repair.drive() == drive) {
            self.passed = self.passed.with(drive);
            repair.abandon(engine);
        }
    }

    /// Does the next piece of work: a block.
    ///
    /// # Errors
    /// [`Error::Poisoned`], [`Error::Closed`]. Damage is not an error, but part of the report.
    pub(crate) fn step(&mut self, engine: &Engine) -> Result<Scrubbed> {
        if let Some((repair, next)) = self.repair.take() {
            return self.go_on(engine, repair, next).map(Scrubbed::More);
        }
        if let Some((run, drive, home, block)) = self.at.take() {
            return self.check(engine, run, drive, home, block).map(Scrubbed::More);
        }
        match self.left.pop() {
            Some((run, drive)) => {
                self.open(engine, run, drive);
                Ok(Scrubbed::More(0))
            }
            None => self.end(engine).map(Scrubbed::Done),
        }
    }

    fn open(&mut self, engine: &Engine, run: RunEntry, drive: DriveNo) {
        // A drive that was rolled back can be put in order. One that knows of another history is not touched.
        let shelf = engine.archive.shelf().lock();
        let mended = |state: &DriveState| state.out.is_some_and(DriveOut::is_mended_by_scrub);
        let mended = shelf.states().iter().any(|state| state.entry.number == drive && mended(state));
        let home = if mended { shelf.home(drive) } else { shelf.reachable(drive) };
        drop(shelf);
        if now(engine, &run, drive).is_none() {
            self.passed = self.passed.with(drive);
            return;
        }
        match home {
            Some(home) => {
                self.report.copies += 1;
                self.at = Some((run, drive, home, 0));
            }
            None => self.report.skipped.push((drive, run.number)),
        }
    }

    fn check(
        &mut self,
        engine: &Engine,
        run: RunEntry,
        drive: DriveNo,
        home: Home,
        block: usize,
    ) -> Result<u64> {
        // A trim or a merge may have dropped it since the last step. Between here and the end of this one nothing is
        // removed: that is a step, too.
        // Where its copies are now: another may have been made since the scrub began.
        let Some(run) = now(engine, &run, drive) else {
            self.passed = self.passed.with(drive);
            return Ok(0);
        };
        let index = match engine.archive.index(&run) {
            Ok(index) => index,
            // What the catalog does not name any more.
            Err(super::Missed::Race) => {
                self.passed = self.passed.with(drive);
                return Ok(0);
            }
            Err(super::Missed::Failed(error)) => {
                // No copy has a whole index, nor has this one: of nothing else in it can be said where it is.
                let row = usize::try_from(run.blocks).ok().and_then(|at| run.index_row(at));
                let found = row.map(|row| (row, engine.archive.check_block(&home, &run, run.blocks, &row)));
                if let Some((row, Err(fault))) = found {
                    self.found(drive, run.number, row.offset, fault);
                }
                self.lost(error);
                return Ok(0);
            }
        };
        let Some(row) = index.rows().get(block).copied().or(run.index_row(block)) else { return Ok(0) };
        if engine.catalog.lock().is_given_up(row.lsns()) {
            self.at = Some((run, drive, home, block + 1));
            return Ok(0);
        }
        let position = u32::try_from(block).unwrap_or(u32::MAX);
        let known = self.report.bad.last().is_some_and(|bad| (bad.drive, bad.run) == (drive, run.number));
        match check_again(engine, &home, &run, position, &row, known) {
            Ok(()) => {
                self.proved = self.proved.with(drive);
                self.report.blocks += 1;
                self.report.bytes += u64::from(row.len);
                self.at = Some((run, drive, home, block + 1));
            }
            Err(fault) => {
                let next = (run, drive, home.clone(), block + 1);
                if known {
                    // It could not be repaired. What else of it is lost is told, and what is not, is not.
                    let found =
                        engine.archive.fetch(&run, position, row.offset, u64::from(row.len), row.lsns());
                    if let Err(super::Missed::Failed(error)) = found {
                        self.lost(error);
                    }
                    self.at = Some(next);
                    return Ok(u64::from(row.len));
                }
                self.found(drive, run.number, row.offset, fault);
                match Copying::begin(engine, &run, drive, home) {
                    Ok(repair) => self.repair = Some((repair, next)),
                    Err(setback) => self.set_back(engine, setback, next)?,
                }
            }
        }
        Ok(u64::from(row.len))
    }

    fn go_on(&mut self, engine: &Engine, mut repair: Copying, next: At) -> Result<u64> {
        // Its run was trimmed or merged, and its name may be gone: that says nothing of the drive.
        if now(engine, &next.0, next.1).is_none() {
            self.passed = self.passed.with(next.1);
            self.left_over = repair.left_over(engine)?;
            repair.abandon(engine);
            return Ok(0);
        }
        match repair.step(engine) {
            Ok(Made::More(bytes)) => {
                self.repair = Some((repair, next));
                Ok(bytes)
            }
            Ok(Made::Good(_)) => {
                if let Some(bad) = self.report.bad.last_mut() {
                    bad.outcome = CopyOutcome::Repaired;
                }
                self.left_over = repair.left_over(engine)?;
                Ok(0)
            }
            Err(setback) => {
                self.left_over = repair.left_over(engine)?;
                repair.abandon(engine);
                self.set_back(engine, setback, next)?;
                Ok(0)
            }
        }
    }

    /// The damaged copy stays as it is, and the look at it goes on. A drive that did not take the repair has failed.
    fn set_back(&mut self, engine: &Engine, setback: Setback, next: At) -> Result<()> {
        match setback {
            Setback::Log(error @ (Error::Poisoned { .. } | Error::Closed)) => return Err(error),
            Setback::Log(error) => self.lost(error),
            Setback::Drive(drive, run, error) => {
                if let Some(evidence) = write_evidence(engine, run, &error) {
                    engine.archive.suspect(drive, evidence);
                }
            }
            Setback::Moot => return Ok(()),
        }
        self.at = Some(next);
        Ok(())
    }

    fn found(&mut self, drive: DriveNo, run: RunNo, offset: u64, fault: DriveFault) {
        self.report.bad.push(BadCopy { drive, run, offset, fault, outcome: CopyOutcome::Left });
    }

    fn lost(&mut self, error: Error) {
        if let Error::CorruptBlock { lsns, .. } | Error::Unavailable { lsns, .. } = error {
            let damage = Damage { lsns, error };
            if !self.report.lost.contains(&damage) {
                self.report.lost.push(damage);
            }
        }
    }

    fn end(&mut self, engine: &Engine) -> Result<ScrubReport> {
        if self.readmit {
            self.readmit(engine)?;
        }
        let mut report = std::mem::take(&mut self.report);
        let mut catalog = engine.catalog.lock();
        report.settle(&catalog);
        report.lost.iter().for_each(|damage| catalog.meet(&damage.error));
        drop(catalog);
        let [repaired, left] =
            [CopyOutcome::Repaired, CopyOutcome::Left].map(|outcome| report.count(outcome));
        engine.home.emit(&Event::Scrubbed { whole: report.blocks, repaired, left });
        Ok(report)
    }

    /// Lets the drives serve again that were looked at and with which nothing is wrong, not even something that was
    /// repaired just now. One that has no copy of any run is judged by its copy of the manifest, which is written, synced
    /// and read back past the page cache before it serves.
    fn readmit(&mut self, engine: &Engine) -> Result<()> {
        let wrong: DriveSet = self
            .report
            .bad
            .iter()
            .map(|bad| bad.drive)
            .chain(self.report.skipped.iter().map(|(drive, _)| *drive))
            .collect();
        let states = engine.archive.shelf().lock().states();
        let held: DriveSet = {
            let catalog = engine.catalog.lock();
            let kept = catalog.runs().iter().filter(|run| !catalog.is_given_up(run.lsns));
            kept.flat_map(|run| run.copies.iter()).collect()
        };
        for state in states {
            let number = state.entry.number;
            let home = engine.archive.shelf().lock().home(number);
            let may = state.out.is_none_or(DriveOut::is_mended_by_scrub);
            let looked_at = self.only.is_none_or(|only| only == number);
            // Of what was passed over nothing is known.
            let empty = !held.contains(number) && !self.passed.contains(number);
            let clean = self.proved.contains(number) || empty;
            if state.serves() || !looked_at || !may || wrong.contains(number) || !clean {
                continue;
            }
            // Its copy of the manifest may be an old one, or damaged: the next open would call it stale again.
            match home.map(|home| copy_manifest_to(engine, number, &home)).transpose()? {
                Some(Ok(())) => {}
                Some(Err(_)) | None => continue,
            }
            let entry = super::entry::DriveEntry { status: DriveStatus::Healthy, ..state.entry };
            engine.set_drive(&entry)?;
            self.report.readmitted.push(number);
        }
        Ok(())
    }
}

/// Checks a block of a copy. What is wrong is looked at again, as in every read, unless the copy is `known` to be damaged:
/// a passing trouble is no damage.
fn check_again(
    engine: &Engine,
    home: &Home,
    run: &RunEntry,
    position: u32,
    row: &IndexRow,
    known: bool,
) -> std::result::Result<(), DriveFault> {
    let look = || engine.archive.check_block(home, run, position, row).map(drop);
    let waits = if known { &[][..] } else { &BACK_OFF };
    waits.iter().fold(look(), |found, wait| {
        found.or_else(|_| {
            engine.home.env.clock.sleep(*wait);
            look()
        })
    })
}

/// What the catalog says of a run now, if it still names the copy on this drive.
fn now(engine: &Engine, run: &RunEntry, drive: DriveNo) -> Option<RunEntry> {
    let catalog = engine.catalog.lock();
    let now = catalog.runs().iter().find(|now| now.number == run.number).copied();
    now.filter(|now| now.copies.contains(drive))
}
