//! What an operator does with drives: adds them, removes them, lets them serve again.

use std::path::Path;

use super::drive::make;
use super::entry::DriveEntry;
use super::set::MAX_DRIVES;
use super::shelf::DriveState;
use crate::engine::Engine;
use crate::error::{Error, Failure, Result};
use crate::event::Event;
use crate::lsn::DriveNo;
use crate::manifest::Edit;

impl Engine {
    /// Makes `dir` a drive of the log. One that is a drive of it already gets this path, and serves if its own copy of the
    /// manifest lets it.
    pub(crate) fn add_drive(&self, dir: &Path, capacity: u64) -> Result<DriveEntry> {
        self.check_writable()?;
        let _keeper = self.keeper.lock();
        let state = self.keep(|house| Ok(house.manifest().state().clone()))?;
        let taken = |number: &DriveNo| state.archive.drive(*number).is_some();
        let free = (0..MAX_DRIVES).map(DriveNo).find(|number| !taken(number));
        let number = free.ok_or(Error::BadOption {
            option: "drives",
            value: (MAX_DRIVES + 1).to_string(),
            why: "a log has at most 64 drives",
        })?;
        let (entry, look) = make(&self.home, dir, number, capacity, &state)?;
        self.edit_drive(&entry)?;
        self.home.emit(&match look.out {
            Some(why) => Event::DriveOut { drive: entry.number, why },
            None => Event::DriveServes { drive: entry.number },
        });
        self.archive.shelf().lock().place(&entry, look);
        Ok(entry)
    }

    /// Forgets a drive, whose copies are then made elsewhere. Nothing on it is touched.
    pub(crate) fn remove_drive(&self, drive: DriveNo) -> Result<()> {
        self.check_writable()?;
        let mut keeper = self.keeper.lock();
        let serving = self.archive.shelf().lock().serving();
        self.keep(|house| {
            let archive = &house.manifest().state().archive;
            let harmless = |error| Err(Failure::harmless(error));
            if archive.drive(drive).is_none() {
                return harmless(Error::NoSuchDrive { drive });
            }
            let elsewhere = |copies: super::set::DriveSet| {
                copies.without(drive).iter().any(|other| serving.contains(other))
            };
            let last = archive.runs.iter().find(|run| run.copies.contains(drive) && !elsewhere(run.copies));
            if let Some(run) = last {
                return harmless(Error::LastCopy { drive, run: run.number });
            }
            keeper.let_go(self, drive);
            house.edit(&self.home, &Edit::RemoveDrive(drive), self.durable())?;
            let state = house.manifest().state();
            self.catalog.lock().archived(&state.archive.runs, state.archive.generation, state.floor);
            Ok(())
        })?;
        self.archive.shelf().lock().remove(drive);
        self.home.emit(&Event::DriveRemoved { drive });
        Ok(())
    }

    /// Lets a drive serve whose copies were all found whole.
    pub(crate) fn set_drive(&self, entry: &DriveEntry) -> Result<()> {
        self.edit_drive(entry)?;
        self.archive.shelf().lock().readmit(entry);
        self.home.emit(&Event::DriveServes { drive: entry.number });
        Ok(())
    }

    fn edit_drive(&self, entry: &DriveEntry) -> Result<()> {
        self.keep(|house| house.edit(&self.home, &Edit::Drive(entry.clone()), self.durable()))
    }

    /// The drives, and how they are.
    pub(crate) fn drives(&self) -> Vec<DriveState> {
        self.archive.shelf().lock().states()
    }
}
