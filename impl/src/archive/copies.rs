//! Giving a run another copy: from any good one, written beside, verified, and only then named.

use std::collections::BTreeSet;

use truelog_env::{File, OpenMode};

use super::Missed;
use super::check::check_copy;
use super::compact::{Made, Setback};
use super::fetch::Found;
use super::keeper::room;
use super::reclaim::Reclaim;
use super::run::{IndexRow, RunEntry, RunIndex};
use super::set::DriveSet;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::home::{Home, write_all_at};
use crate::lsn::{DriveNo, RunNo};
use crate::names::Name;
use crate::snapshot::Snapshot;
use crate::sync::Arc;

/// A copy in the making.
#[derive(Debug)]
pub(crate) struct Copying {
    /// The run, as the other drives have it.
    run: RunEntry,
    /// The same as the drive itself has it, if it has a copy: what is bad in one place may be good in another.
    own: Option<RunEntry>,
    drive: DriveNo,
    home: Home,
    file: Box<dyn File>,
    index: Arc<RunIndex>,
    /// The next block; behind the last one comes the index.
    next: usize,
    /// It may have its own name by now.
    named: bool,
    /// What was written is read back.
    verifying: bool,
}

/// The first run that has fewer good copies than it should, and a drive that can take one more. Those in `but` are passed
/// over.
pub(super) fn under_copied(
    engine: &Engine,
    but: &BTreeSet<RunNo>,
) -> std::result::Result<Option<Copying>, Setback> {
    let (serving, writable) = {
        let shelf = engine.archive.shelf().lock();
        (shelf.serving(), shelf.writable())
    };
    let runs = engine.catalog.lock().runs().to_vec();
    let copies = u32::from(engine.options.copies);
    for run in &runs {
        if but.contains(&run.number) || engine.catalog.lock().is_given_up(run.lsns) {
            continue;
        }
        let good = run.copies.iter().filter(|drive| serving.contains(*drive)).count();
        if u32::try_from(good).unwrap_or(u32::MAX) >= copies {
            continue;
        }
        let target = writable
            .iter()
            .filter(|(entry, _)| !run.copies.contains(entry.number))
            .map(|(entry, home)| (room(entry, home, &runs), entry.number, home))
            .filter(|(room, ..)| *room > run.len)
            .max_by_key(|(room, number, _)| (*room, std::cmp::Reverse(*number)));
        if let Some((_, drive, home)) = target {
            return Copying::begin(engine, run, drive, home.clone()).map(Some);
        }
    }
    Ok(None)
}

impl Copying {
    /// Begins a copy of `run` on a drive, which may have a bad one.
    pub(super) fn begin(
        engine: &Engine,
        run: &RunEntry,
        drive: DriveNo,
        home: Home,
    ) -> std::result::Result<Self, Setback> {
        let own = RunEntry { copies: DriveSet::EMPTY.with(drive), ..*run };
        let own = run.copies.contains(drive).then_some(own);
        let snapshot = Snapshot::take(&engine.catalog);
        let index = engine.archive.index(run).map_err(missed)?;
        drop(snapshot);
        // The copy that is to be replaced is asked only for what no other has.
        let run = RunEntry { copies: run.copies.without(drive), ..*run };
        let header = run.header(engine.home.log, engine.home.block);
        let path = home.path(Name::RunTmp(run.number));
        let begun = home.open(Name::RunTmp(run.number), OpenMode::CREATE).and_then(|file| {
            write_all_at(&*file, &header.encode(), 0).map_err(|source| Error::io(path, source))?;
            Ok(file)
        });
        let file = begun.map_err(|error| Setback::Drive(drive, run.number, error))?;
        Ok(Self { run, own, drive, home, file, index, next: 0, named: false, verifying: false })
    }

    pub(super) const fn drive(&self) -> DriveNo {
        self.drive
    }

    /// Does the next piece of work.
    pub(super) fn step(&mut self, engine: &Engine) -> std::result::Result<Made, Setback> {
        let (drive, run) = (self.drive, self.run.number);
        let on_drive = move |error| Setback::Drive(drive, run, error);
        if let Some(row) = self.row() {
            // No copy has what was given up; there is a hole in its place.
            if engine.catalog.lock().is_given_up(row.lsns()) {
                self.next += 1;
                return Ok(Made::More(0));
            }
            let position = u32::try_from(self.next).unwrap_or(u32::MAX);
            if self.verifying {
                let header = self.run.header(engine.home.log, engine.home.block);
                check_copy(&self.home, &header, position, &row).map_err(on_drive)?;
            } else {
                let snapshot = Snapshot::take(&engine.catalog);
                let found = self.source(engine, position, &row).map_err(missed)?;
                drop(snapshot);
                let path = self.home.path(Name::RunTmp(self.run.number));
                write_all_at(&*self.file, &found.bytes, row.offset)
                    .map_err(|source| on_drive(Error::io(path, source)))?;
            }
            self.next += 1;
            return Ok(Made::More(u64::from(row.len)));
        }
        if !self.verifying {
            self.named = true;
            self.finish().map_err(on_drive)?;
            (self.verifying, self.next) = (true, 0);
            return Ok(Made::More(0));
        }
        Ok(Made::Good(RunEntry { copies: self.run.copies.with(self.drive), ..self.run }))
    }

    /// A block, from any good copy. The drive's own comes last.
    fn source(&self, engine: &Engine, position: u32, row: &IndexRow) -> std::result::Result<Found, Missed> {
        let read = |run| engine.archive.fetch(run, position, row.offset, u64::from(row.len), row.lsns());
        match (read(&self.run), &self.own) {
            (Err(Missed::Failed(error)), Some(own)) => match read(own) {
                Err(Missed::Failed(own)) if !self.run.copies.is_empty() => {
                    // Of what cannot be read nobody knows whether it is damaged.
                    let unread = matches!(own, Error::Io { .. } | Error::Unavailable { .. });
                    Err(Missed::Failed(if unread { own } else { error }))
                }
                found => found,
            },
            (found, _) => found,
        }
    }

    fn row(&self) -> Option<IndexRow> {
        self.index.rows().get(self.next).copied().or(self.run.index_row(self.next))
    }

    /// Makes the copy durable, then its name. A bad copy that had the name is gone with that.
    fn finish(&self) -> Result<()> {
        let (tmp, name) = (Name::RunTmp(self.run.number), Name::Run(self.run.number));
        self.file.sync_all().map_err(|source| Error::io(self.home.path(tmp), source))?;
        self.home.rename(tmp, name)?;
        self.home.sync_dir()
    }

    /// What is to be reclaimed of it: a copy under its own name that the manifest does not name there, because its run
    /// was trimmed meanwhile or because it is no good.
    pub(super) fn left_over(&self, engine: &Engine) -> Result<Option<Reclaim>> {
        if !self.named || engine.copies_of(self.run.number)?.contains(self.drive) {
            return Ok(None);
        }
        let version = engine.catalog.lock().version();
        let runs = vec![(self.run.number, DriveSet::EMPTY.with(self.drive))];
        Ok(Some(Reclaim { version, segments: Vec::new(), runs, checkpointed: false }))
    }

    /// Takes back what was not finished. A copy under its own name stays: it may be a good one.
    pub(super) fn abandon(self, engine: &Engine) {
        let name = Name::RunTmp(self.run.number);
        if self.home.unlink(name).is_ok() {
            engine.home.emit(&crate::event::Event::Removed { name: name.to_string() });
        }
    }
}

fn missed(missed: Missed) -> Setback {
    match missed {
        // What was to be copied is not wanted any more.
        Missed::Race => Setback::Moot,
        Missed::Failed(error) => Setback::Log(error),
    }
}
