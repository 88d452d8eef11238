//! The archive: sealed segments become runs of compressed blocks, copied on several drives.
//!
//! A run is immutable, and is valid only under its number, salt and generation, so that a byte of it can be judged
//! wherever it comes from. What may go wrong is that a file is not there any more, or is not yet published; against
//! that, readers hold a snapshot, and whoever removes a file waits for them.

pub(crate) mod bell;
pub(crate) mod block;
mod check;
pub(crate) mod compact;
pub(crate) mod copies;
pub(crate) mod drive;
mod drives;
pub(crate) mod entry;
mod fetch;
pub(crate) mod keeper;
pub(crate) mod opening;
pub(crate) mod orphans;
pub(crate) mod pace;
mod plan;
pub(crate) mod prefetch;
mod publish;
pub(crate) mod reclaim;
pub(crate) mod run;
pub(crate) mod scrub;
pub(crate) mod set;
pub(crate) mod shelf;
mod spares;

pub mod slot;

use std::collections::BTreeMap;

use crate::catalog::Catalog;
use crate::error::Error;
use crate::home::Home;
use crate::lsn::{DriveNo, Lsn, RunNo};
use crate::options::Options;
use crate::sync::{Arc, Mutex};

pub(crate) use fetch::BACK_OFF;

use bell::Bell;
use block::ArchiveBlock;
use entry::Evidence;
use prefetch::{Ahead, Key, Prefetch};
use run::{RunEntry, RunIndex};
use shelf::Shelf;
use spares::Spares;

/// What readers, compaction and scrub share.
#[derive(Debug)]
pub(crate) struct Archive {
    home: Home,
    catalog: Arc<Mutex<Catalog>>,
    shelf: Mutex<Shelf>,
    /// The indexes that were read so far. A run never changes.
    indexes: Mutex<BTreeMap<RunNo, Arc<RunIndex>>>,
    prefetch: Prefetch,
    spares: Spares,
    /// Wakes the archive's own thread.
    bell: Bell,
}

/// Why a block was not read.
#[derive(Debug)]
pub(crate) enum Missed {
    /// What was looked at is not what is there now: look again. Nobody is to blame.
    Race,
    /// No copy could be read.
    Failed(Error),
}

impl From<Error> for Missed {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl Archive {
    pub(crate) fn new(home: Home, catalog: Arc<Mutex<Catalog>>, shelf: Shelf, options: &Options) -> Self {
        let prefetch = Prefetch::new(options.prefetch_bytes, options.archive_block_bytes);
        let spares = Spares::new(prefetch.slot_bytes());
        Self {
            home,
            catalog,
            shelf: Mutex::new(shelf),
            indexes: Mutex::default(),
            prefetch,
            spares,
            bell: Bell::default(),
        }
    }

    pub(crate) const fn bell(&self) -> &Bell {
        &self.bell
    }

    pub(crate) const fn shelf(&self) -> &Mutex<Shelf> {
        &self.shelf
    }

    pub(crate) const fn prefetch(&self) -> &Prefetch {
        &self.prefetch
    }

    /// The block of `run` that holds `lsn`. `ahead` says where its reader has been, so that it may find what it will
    /// want next in memory. The caller holds a snapshot.
    pub(crate) fn block(
        &self,
        run: &RunEntry,
        lsn: Lsn,
        ahead: &mut Ahead,
    ) -> Result<Arc<ArchiveBlock>, Missed> {
        let index = self.index(run)?;
        let (position, row) = index.find(lsn).ok_or(Missed::Race)?;
        let key = Key { run: run.number, generation: run.generation, index: position };
        // What it waits for takes as long as to fill a block behind it, which it will want next. No other: another run may be
        // on a drive that hangs.
        if self.prefetch.is_filling(&key) {
            self.fill_wanted(|wanted| key.is_followed_by(wanted));
        }
        let found = match self.prefetch.serve(&key) {
            Some(block) => block,
            None => {
                let found = self.fetch(run, position, row.offset, u64::from(row.len), row.lsns())?;
                self.spares.give_read(found.bytes);
                Arc::new(found.block)
            }
        };
        let rest = index.rows().len().saturating_sub(usize::try_from(position).unwrap_or(usize::MAX) + 1);
        if self.prefetch.want(ahead, key, rest) {
            self.bell.ring();
        }
        Ok(found)
    }

    /// A reader is done with a block.
    pub(crate) fn done_with(&self, block: Arc<ArchiveBlock>) {
        self.spares.give_block(block);
    }

    /// Fills the next wanted block. Says whether there was one.
    pub(crate) fn prefetch_step(&self) -> bool {
        self.fill_wanted(|_| true)
    }

    /// Fills the next wanted block of those that fit.
    fn fill_wanted(&self, fits: impl Fn(&Key) -> bool) -> bool {
        let done_with = |block| self.spares.give_block(block);
        self.prefetch.step(fits, done_with, |key| {
            let snapshot = crate::snapshot::Snapshot::take(&self.catalog);
            let run = self.catalog.lock().runs().iter().find(|run| run.number == key.run).copied()?;
            let index = self.index(&run).ok()?;
            let row = index.rows().get(usize::try_from(key.index).ok()?)?;
            // Nobody will ask for what was given up, and no drive is to blame for it once more.
            if self.catalog.lock().is_given_up(row.lsns()) {
                return None;
            }
            let found = self.fetch(&run, key.index, row.offset, u64::from(row.len), row.lsns()).ok();
            drop(snapshot);
            let found = found?;
            self.spares.give_read(found.bytes);
            Some(found.block)
        })
    }

    /// A run's index: from memory, or from any copy.
    pub(crate) fn index(&self, run: &RunEntry) -> Result<Arc<RunIndex>, Missed> {
        if let Some(index) = self.indexes.lock().get(&run.number) {
            return Ok(Arc::clone(index));
        }
        let len = run.len.saturating_sub(run.index_at);
        let block = self.fetch(run, run.blocks, run.index_at, len, run.lsns)?.block;
        let corrupt =
            |reason| Error::CorruptBlock { run: run.number, offset: run.index_at, lsns: run.lsns, reason };
        let index = Arc::new(RunIndex::decode(&block, run, self.home.block).map_err(corrupt)?);
        self.indexes.lock().insert(run.number, Arc::clone(&index));
        Ok(index)
    }

    /// Runs are these no more: what was kept of them in memory goes.
    pub(crate) fn forget(&self, runs: &[RunEntry]) {
        let mut indexes = self.indexes.lock();
        for run in runs {
            indexes.remove(&run.number);
        }
        drop(indexes);
        self.prefetch.retire(runs);
    }

    /// A drive failed, and it was no race. This handle reads elsewhere from now on; the next step makes it durable.
    fn suspect(&self, drive: DriveNo, evidence: Evidence) {
        if self.shelf.lock().suspect(drive, evidence) {
            self.home.emit(&crate::event::Event::DriveSuspect { drive, evidence });
        }
    }
}
