//! Removing what the archive has replaced: only behind a checkpoint beside the log and on every healthy drive, and
//! only when no reader looks at it any more.

use super::set::DriveSet;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::event::Event;
use crate::home::Home;
use crate::lsn::{DriveNo, Lsn, RunNo};
use crate::manifest::{ManifestFile, SegmentEntry};
use crate::names::Name;

/// What may go, and behind what.
#[derive(Debug)]
pub(crate) struct Reclaim {
    /// Readers of versions before this one may still look at it.
    pub(crate) version: u64,
    /// The segments.
    pub(crate) segments: Vec<SegmentEntry>,
    /// The runs, each with the drives that have copies.
    pub(crate) runs: Vec<(RunNo, DriveSet)>,
    /// The manifest that does not name them was written anew beside the log.
    pub(crate) checkpointed: bool,
}

/// What a step of a reclaim came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reclaimed {
    /// There is more to do.
    More,
    /// A reader still looks at what may go: later.
    Pending,
    /// All of it is gone.
    Done,
}

impl Reclaim {
    /// Does the next piece of work.
    ///
    /// # Errors
    /// [`Error::Poisoned`] when the log's own directory or manifest failed; [`Error::Full`] where there is no room for
    /// a manifest. A drive that fails becomes suspect.
    pub(crate) fn step(&mut self, engine: &Engine) -> Result<Reclaimed> {
        if engine.catalog.lock().is_read_before(self.version) {
            return Ok(Reclaimed::Pending);
        }
        if !self.checkpointed {
            engine.keep(|house| house.checkpoint(&engine.home, engine.durable()))?;
            self.checkpointed = true;
            return Ok(Reclaimed::More);
        }
        if copy_manifest(engine)? {
            return Ok(Reclaimed::More);
        }
        self.remove_segments(engine)?;
        self.remove_runs(engine)?;
        Ok(Reclaimed::Done)
    }

    fn remove_segments(&mut self, engine: &Engine) -> Result<()> {
        let segments = std::mem::take(&mut self.segments);
        if segments.is_empty() {
            return Ok(());
        }
        engine.keep(|house| {
            // What cannot be removed now is removed by the next open.
            match house.remove(&engine.home, &engine.options, &segments, self.version) {
                Err(failure) if !failure.poisons => Ok(()),
                removed => removed,
            }
        })
    }

    fn remove_runs(&mut self, engine: &Engine) -> Result<()> {
        for (run, copies) in std::mem::take(&mut self.runs) {
            // A copy that was no good may have been followed by a good one.
            let named = engine.copies_of(run)?;
            let doomed = copies.iter().filter(|drive| !named.contains(*drive)).collect();
            let homes = engine.archive.shelf().lock().removable(doomed);
            for home in homes {
                // A copy that stays is an orphan, which the next open removes: nothing hangs on it.
                if home.unlink(Name::Run(run)).and_then(|()| home.sync_dir()).is_ok() {
                    engine.home.emit(&Event::Removed { name: Name::Run(run).to_string() });
                }
            }
        }
        Ok(())
    }
}

/// Writes a copy of the manifest, as it is now, to one drive that has an older one. Says whether there was one.
fn copy_manifest(engine: &Engine) -> Result<bool> {
    let edition = engine.keep(|house| Ok(house.manifest().state().edition()))?;
    let behind = {
        let shelf = engine.archive.shelf().lock();
        let fit = shelf.writable().into_iter().map(|(entry, home)| (entry.number, home));
        fit.into_iter().find(|(number, _)| shelf.edition(*number) < edition)
    };
    let Some((drive, home)) = behind else { return Ok(false) };
    match copy_manifest_to(engine, drive, &home)? {
        Ok(()) => {}
        Err(error @ Error::Full { .. }) => return Err(error),
        Err(error) => {
            // A copy that failed never poisons the log: the drive is out instead.
            if let Some(evidence) = super::compact::write_evidence(engine, RunNo::NONE, &error) {
                engine.archive.suspect(drive, evidence);
            }
        }
    }
    Ok(true)
}

/// Writes a copy of the manifest, as it is now, to a drive. What goes wrong there is the inner error.
pub(super) fn copy_manifest_to(engine: &Engine, drive: DriveNo, home: &Home) -> Result<Result<()>> {
    let state = engine.keep(|house| Ok(house.manifest().state().clone()))?;
    let edition = state.edition();
    if let Err(error) = ManifestFile::copy_to(home, state, engine.durable()) {
        return Ok(Err(error));
    }
    engine.archive.shelf().lock().copied(drive, edition);
    engine.keep(|house| {
        house.seen(drive, edition.generation);
        Ok(())
    })?;
    Ok(Ok(()))
}

/// Nothing durable is known: on a volume that keeps no promise, written is all there is.
pub(crate) fn bound(engine: &Engine) -> Lsn {
    let marks = engine.kernel.marks();
    if engine.home.volume.weakness.is_some() { marks.written } else { marks.durable }
}
