//! What an open does about the archive: it looks at the drives, brings their copies of the manifest up to date, and
//! removes what was never published or is replaced.

use std::collections::BTreeMap;

use truelog_env::{IoKind, NodeKind};

use super::entry::{DriveFault, Evidence};
use super::orphans::{self, Kept, Owned, Place};
use super::run::RunEntry;
use super::set::DriveSet;
use super::shelf::Shelf;
use crate::error::{Error, Reason, Result};
use crate::event::Event;
use crate::home::Home;
use crate::house::House;
use crate::lsn::{DriveNo, Lsn, RunNo};
use crate::manifest::{ManifestFile, ManifestState};
use crate::names::Name;
use crate::recovery;

/// Looks at the drives. Writes nothing.
pub(crate) fn look(home: &Home, state: &ManifestState) -> Shelf {
    let shelf = Shelf::open(home, state);
    for drive in shelf.states() {
        let number = drive.entry.number;
        if let Some(why) = drive.out {
            home.emit(&Event::DriveOut { drive: number, why });
        } else if drive.read_only {
            home.emit(&Event::DriveReadOnly { drive: number });
        }
    }
    shelf
}

/// Puts the drives in order, behind a manifest that is fresh and durable beside the log: each one that serves gets a
/// copy of it, before anything is removed anywhere. A drive that fails is suspect from then on.
pub(crate) fn settle(home: &Home, house: &mut House, durable: Lsn, next: Lsn) -> Shelf {
    let state = house.manifest().state().clone();
    let owned = Owned { archive: &state.archive, losses: &state.losses, first: state.trimmed, next };
    let mut shelf = look(home, &state);
    let writable: Vec<Place> = shelf
        .writable()
        .into_iter()
        .map(|(entry, home)| Place {
            drive: entry.number,
            home,
            heard: shelf.edition(entry.number).generation,
        })
        .collect();
    for place in &writable {
        let fresh = remove(&place.home, Name::is_tmp)
            .and_then(|()| orphans::put_aside(place, &shelf, &owned))
            .and_then(|()| refresh(&place.home, &state, durable));
        // A full drive has done nothing wrong: its copy is older, as any step of the archive sees.
        let full = |error: &Error| {
            matches!(error, Error::Full { .. })
                || matches!(error, Error::Io { source, .. } if source.kind == IoKind::NoSpace)
        };
        if fresh.as_ref().is_err_and(full) {
            continue;
        }
        let drive = place.drive;
        if fresh.is_err() {
            let evidence = evidence(home, &state, DriveFault::Write, RunNo::NONE);
            shelf.suspect(drive, evidence);
            home.emit(&Event::DriveSuspect { drive, evidence });
        } else {
            shelf.copied(drive, state.edition());
            house.seen(drive, state.archive.generation);
        }
    }
    for place in &writable {
        let Ok(names) = names(&place.home) else { continue };
        for name in &names {
            // No number of a run that is on a drive is used again.
            if let Name::Run(number) | Name::RunTmp(number) | Name::QuarantinedRun(number) = name {
                house.runs_up_to(*number);
            }
        }
        miss(home, &state, &mut shelf, place.drive, &names);
        tidy(place, &names, &shelf, &owned);
    }
    shelf
}

fn refresh(place: &Home, state: &ManifestState, durable: Lsn) -> Result<()> {
    if state.archive.generation == 0 {
        return Ok(());
    }
    ManifestFile::copy_to(place, state.clone(), durable)
}

/// Removes the runs of a drive that the manifest does not name there, and on which nothing hangs.
fn tidy(place: &Place, names: &[Name], shelf: &Shelf, owned: &Owned<'_>) {
    let found = orphans::on_drive(place, names, shelf, owned);
    for orphan in found.iter().filter(|orphan| orphan.kept == Some(Kept::LastCopy)) {
        place.home.emit(&Event::OrphanKept(orphan.clone()));
    }
    let doomed = |name: Name| found.iter().any(|orphan| orphan.name == name && orphan.kept.is_none());
    // What cannot be removed is removed by the next open.
    let _ = remove(&place.home, doomed);
}

/// Misses the runs that the manifest names on a drive, and that are not there.
fn miss(home: &Home, state: &ManifestState, shelf: &mut Shelf, drive: DriveNo, names: &[Name]) {
    // Of what was given up nothing is missed.
    let kept = |run: &&RunEntry| !recovery::uncovered(run.lsns, &state.losses).is_empty();
    for run in state.archive.runs.iter().filter(|run| run.copies.contains(drive)).filter(kept) {
        if !names.contains(&Name::Run(run.number)) {
            let evidence = evidence(home, state, DriveFault::Missing, run.number);
            if shelf.suspect(drive, evidence) {
                home.emit(&Event::DriveSuspect { drive, evidence });
            }
        }
    }
}

/// What is not on the drives, by a look at their names.
#[derive(Debug, Default)]
pub(crate) struct Missing {
    /// Copies that the manifest names, and that are not there or are shorter than it says, on drives that are.
    pub(crate) copies: BTreeMap<(RunNo, DriveNo), Reason>,
    /// Drives that were there, and are not any more: their names cannot be read, or their identity is gone.
    pub(crate) away: DriveSet,
}

/// Looks for the copies of these runs on the drives.
pub(crate) fn missing(shelf: &Shelf, runs: &[RunEntry]) -> Missing {
    let mut missing = Missing::default();
    for drive in shelf.states().iter().map(|state| state.entry.number) {
        let Some(home) = shelf.reachable(drive) else { continue };
        if !names(&home).is_ok_and(|names| names.contains(&Name::Drive)) {
            missing.away = missing.away.with(drive);
            continue;
        }
        let wrong = |run: &RunEntry| match home.env.fs.metadata(&home.path(Name::Run(run.number))) {
            Ok(found) if found.kind != NodeKind::File => Some(Reason::Missing),
            Ok(found) => (found.len < run.len).then_some(Reason::Short),
            // What cannot be looked at may be there.
            Err(error) => (error.kind == IoKind::NotFound).then_some(Reason::Missing),
        };
        let named = runs.iter().filter(|run| run.copies.contains(drive));
        missing.copies.extend(named.filter_map(|run| Some(((run.number, drive), wrong(run)?))));
    }
    missing
}

impl Missing {
    /// Whether each drive of a run is there, and none has all of its bytes.
    pub(crate) fn is_nowhere(&self, run: &RunEntry, reachable: DriveSet) -> bool {
        run.copies.iter().all(|drive| {
            let there = reachable.contains(drive) && !self.away.contains(drive);
            there && self.copies.contains_key(&(run.number, drive))
        })
    }
}

pub(super) fn names(place: &Home) -> Result<Vec<Name>> {
    let names = place.env.fs.read_dir(&place.dir);
    let names = names.map_err(|source| Error::io(&place.dir, source))?;
    Ok(names.iter().filter_map(|name| Name::parse(name)).collect())
}

fn remove(place: &Home, which: impl Fn(Name) -> bool) -> Result<()> {
    let doomed: Vec<Name> = names(place)?.into_iter().filter(|name| which(*name)).collect();
    for name in &doomed {
        match place.unlink(*name) {
            Err(Error::Io { source, .. }) if source.kind == IoKind::NotFound => {}
            other => other?,
        }
        place.emit(&Event::Removed { name: name.to_string() });
    }
    if doomed.is_empty() { Ok(()) } else { place.sync_dir() }
}

fn evidence(home: &Home, state: &ManifestState, fault: DriveFault, run: RunNo) -> Evidence {
    let at = home.env.clock.wall().as_secs();
    Evidence { fault, run, offset: 0, tries: 1, generation: state.archive.generation, at }
}
