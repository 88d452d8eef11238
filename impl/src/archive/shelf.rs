//! The drives as this handle knows them: what the manifest says, what an open found, and what has happened since.

use super::drive::{DriveOut, Look, look};
use super::entry::{DriveEntry, DriveStatus, Evidence};
use super::set::DriveSet;
use crate::home::Home;
use crate::lsn::DriveNo;
use crate::manifest::{Edition, ManifestState};

/// A drive, and how it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DriveState {
    /// What the manifest says of it.
    pub entry: DriveEntry,
    /// Why it does not serve, although the manifest says that it may.
    pub out: Option<DriveOut>,
    /// It failed, and the quarantine is not durable yet. This handle reads elsewhere already.
    pub suspect: Option<Evidence>,
    /// Whether nothing can be written to it: its volume is mounted read-only.
    pub read_only: bool,
}

impl DriveState {
    /// Whether it serves.
    #[must_use]
    pub const fn serves(&self) -> bool {
        self.out.is_none() && self.suspect.is_none() && self.entry.is_healthy()
    }
}

#[derive(Debug, Clone)]
struct Slot {
    state: DriveState,
    home: Option<Home>,
    /// How new its copy of the manifest is, as far as is known.
    edition: Edition,
}

/// See the module's text.
#[derive(Debug, Default)]
pub(crate) struct Shelf {
    slots: Vec<Slot>,
}

impl Shelf {
    /// Looks at all drives that the manifest names.
    pub(crate) fn open(log: &Home, state: &ManifestState) -> Self {
        let looked = state.archive.drives.iter().map(|entry| Slot::new(entry, look(log, entry, state)));
        Self { slots: looked.collect() }
    }

    /// Whether a drive has heard of something that this look at the manifest had not.
    pub(crate) fn is_ahead(&self) -> bool {
        let ahead = |why: &DriveOut| {
            matches!(
                why,
                DriveOut::Ahead { .. } | DriveOut::TrimmedFurther { .. } | DriveOut::Diverged { .. }
            )
        };
        self.slots.iter().any(|slot| slot.state.out.as_ref().is_some_and(ahead))
    }

    /// The drives, ascending.
    pub(crate) fn states(&self) -> Vec<DriveState> {
        self.slots.iter().map(|slot| slot.state.clone()).collect()
    }

    /// How new the manifest's copy on a drive is, as far as is known.
    pub(crate) fn edition(&self, drive: DriveNo) -> Edition {
        self.slot(drive).map_or_else(Edition::default, |slot| slot.edition)
    }

    /// A drive's copy of the manifest is of this edition from now on, durably.
    pub(crate) fn copied(&mut self, drive: DriveNo, edition: Edition) {
        if let Some(slot) = self.slot_mut(drive) {
            slot.edition = edition;
        }
    }

    /// Where a drive is, if it can be reached.
    pub(crate) fn home(&self, drive: DriveNo) -> Option<Home> {
        self.slot(drive)?.home.clone()
    }

    /// Where a drive is that is the one that is meant, whether or not it serves.
    pub(crate) fn reachable(&self, drive: DriveNo) -> Option<Home> {
        let slot = self.slot(drive)?;
        slot.home.clone().filter(|_| slot.state.out.is_none())
    }

    /// The drives of a set that can be read, the best first: those that serve, then those that failed elsewhere, then
    /// those whose copy of the manifest is no good. What every read returns is checked, so that such a drive may still be
    /// asked when no other copy is left.
    pub(crate) fn readable(&self, set: DriveSet) -> Vec<(DriveNo, Home, bool)> {
        let mut found: Vec<_> = self
            .slots
            .iter()
            .filter(|slot| set.contains(slot.state.entry.number))
            .filter(|slot| slot.state.out.is_none_or(DriveOut::is_mended_by_scrub))
            .filter_map(|slot| {
                let home = slot.home.clone()?;
                Some((slot.rank(), slot.state.entry.number, home, slot.state.serves()))
            })
            .collect();
        found.sort_by_key(|(rank, number, ..)| (*rank, *number));
        found.into_iter().map(|(_, number, home, serves)| (number, home, serves)).collect()
    }

    /// Where the drives of a set are from which a run may go that is replaced: they are of this log's history.
    pub(crate) fn removable(&self, set: DriveSet) -> Vec<Home> {
        let fit = self.slots.iter().filter(|slot| slot.state.out.is_none());
        fit.filter(|slot| set.contains(slot.state.entry.number))
            .filter_map(|slot| slot.home.clone())
            .collect()
    }

    /// The drives that serve and can be written to, with their homes and capacities.
    pub(crate) fn writable(&self) -> Vec<(DriveEntry, Home)> {
        let fit = self.slots.iter().filter(|slot| slot.state.serves() && !slot.state.read_only);
        fit.filter_map(|slot| Some((slot.state.entry.clone(), slot.home.clone()?))).collect()
    }

    /// The drives that serve.
    pub(crate) fn serving(&self) -> DriveSet {
        self.slots.iter().filter(|slot| slot.state.serves()).map(|slot| slot.state.entry.number).collect()
    }

    /// A drive failed. Says whether that is news.
    pub(crate) fn suspect(&mut self, drive: DriveNo, evidence: Evidence) -> bool {
        match self.slot_mut(drive) {
            Some(slot) if slot.state.serves() => {
                slot.state.suspect = Some(evidence);
                true
            }
            _ => false,
        }
    }

    /// The first drive whose quarantine is to be made durable.
    pub(crate) fn first_suspect(&self) -> Option<DriveEntry> {
        self.slots.iter().find_map(|slot| {
            let evidence = slot.state.suspect?;
            Some(DriveEntry { status: DriveStatus::Quarantined(evidence), ..slot.state.entry.clone() })
        })
    }

    /// What the manifest says of a drive from now on.
    pub(crate) fn set(&mut self, entry: &DriveEntry) {
        if let Some(slot) = self.slot_mut(entry.number) {
            slot.state.entry = entry.clone();
            slot.state.suspect = None;
        }
    }

    /// Nothing is wrong with a drive any more.
    pub(crate) fn readmit(&mut self, entry: &DriveEntry) {
        self.set(entry);
        if let Some(slot) = self.slot_mut(entry.number).filter(|slot| slot.home.is_some()) {
            slot.state.out = None;
        }
    }

    /// A drive was added, or is elsewhere now. One that has failed has failed, wherever it is.
    pub(crate) fn place(&mut self, entry: &DriveEntry, look: Look) {
        let suspect = self.slot(entry.number).and_then(|slot| slot.state.suspect);
        self.remove(entry.number);
        let mut slot = Slot::new(entry, look);
        slot.state.suspect = suspect;
        self.slots.push(slot);
        self.slots.sort_by_key(|slot| slot.state.entry.number);
    }

    /// A drive is forgotten.
    pub(crate) fn remove(&mut self, drive: DriveNo) {
        self.slots.retain(|slot| slot.state.entry.number != drive);
    }

    fn slot(&self, drive: DriveNo) -> Option<&Slot> {
        self.slots.iter().find(|slot| slot.state.entry.number == drive)
    }

    fn slot_mut(&mut self, drive: DriveNo) -> Option<&mut Slot> {
        self.slots.iter_mut().find(|slot| slot.state.entry.number == drive)
    }
}

impl Slot {
    fn new(entry: &DriveEntry, look: Look) -> Self {
        let Look { home, out, read_only, edition } = look;
        Self { state: DriveState { entry: entry.clone(), out, suspect: None, read_only }, home, edition }
    }

    const fn rank(&self) -> u8 {
        match (self.state.serves(), self.state.entry.is_healthy(), self.state.out.is_none()) {
            (true, ..) => 0,
            (false, true, true) => 1,
            (false, false, true) => 2,
            (false, _, false) => 3,
        }
    }
}
