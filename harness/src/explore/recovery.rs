//! One recovery of one image: run once, judged against whatever is owed.

use std::collections::BTreeMap;
use std::sync::Arc;

use truelog_spec::contract::{Contract, Obligations, RecoveredState, Violation};
use truelog_spec::step::Write;
use truelog_spec::{ClientStep, Failure, Invariant, Outcome};

use super::Scope;
use super::alphabet::DRIVES;
use super::walk::follow;
use crate::driver::{Deed, Driver, Duty, files};
use crate::fabric::{Image, SimFs};
use crate::oracle::{Case, Ended, Reading, Readings, judge};
use crate::subject::{Archived, Refusal};

/// The writers of the appends that follow recoveries, one for each life: none of a scope's own.
const NEXT_WRITER: u32 = 1000;

/// How the life behind an open goes on.
#[derive(Debug, Clone, Copy)]
pub(super) struct GoesOn {
    /// The number of the life; the first is 0.
    pub(super) life: u32,
    /// Whether each step of the engine is a deed.
    pub(super) told: bool,
}

/// What came of recovering an image.
#[derive(Debug)]
pub(super) struct Recovery {
    /// What the image held, its manifest rebuilt where that was lost.
    pub(super) before: Arc<Reading>,
    /// How the open ended.
    pub(super) ended: Ended,
    /// What the disk was sure to hold when the open returned.
    pub(super) after: Arc<Reading>,
    /// What is wrong whatever was owed: a drive does not serve although nothing has failed, or something is left that
    /// nothing names.
    pub(super) wrong: Option<Violation>,
    /// What happened, the append that followed included. Empty where only the open was wanted.
    pub(super) deeds: Vec<Deed>,
    /// What the syncs were for.
    pub(super) duties: BTreeMap<Duty, u64>,
}

impl Recovery {
    /// Opens the image, in a scope that loses its manifest behind a rebuild of it. If the life is to go on,
    /// a record is appended, what is sealed is archived in the scopes of the archive, and everything is
    /// written down. `struck`: a call failed before.
    pub(super) fn run<S: Archived>(
        scope: &Scope,
        image: &Image,
        goes_on: Option<GoesOn>,
        struck: bool,
        readings: &Readings,
    ) -> Self {
        let mut before = readings.of(&files(image));
        let mut driver = Driver::<S>::new(SimFs::from_image(image), scope.setup);
        driver.ignore(scope.ignored);
        if struck {
            driver.strike();
        }
        match goes_on {
            None => driver.deaf(),
            Some(GoesOn { told: true, .. }) => driver.tell_steps(),
            Some(_) => {}
        }
        if scope.rebuilds() && before.manifest.is_none() {
            driver.client(&ClientStep::RebuildManifest);
            before = readings.of(&driver.visible_files());
        }
        driver.client(&ClientStep::Open);
        let after = readings.of(&driver.durable_files());
        let mut deeds = driver.deeds();
        let ended = ended(&deeds, driver.refusal());
        let writes = matches!(&ended, Ended::Opened { state, .. } if !state.read_only);
        let orphan = || if writes { orphan(&driver, &after) } else { None };
        let mut wrong = drives_out(&deeds).or_else(orphan);
        if let Some(GoesOn { life, .. }) = goes_on {
            let write = Write { writer: NEXT_WRITER + life, ..Write::one(0, 8) };
            driver.client(&ClientStep::Append(write));
            let added = scope.adds().then(|| add_again(&mut driver));
            wrong = wrong.or_else(|| added.clone().and_then(Result::err));
            if scope.compacts() || added == Some(Ok(true)) {
                driver.client(&ClientStep::Compact);
            }
            deeds.extend(driver.deeds());
        }
        Self { before, ended, after, wrong, deeds, duties: driver.duties() }
    }
}

impl Recovery {
    /// Holds it against what was owed.
    ///
    /// # Errors
    /// The first invariant, in the order of the list, that it breaks.
    pub(super) fn judge(&self, owed: &Obligations) -> Result<(), Violation> {
        let case = Case { owed, before: &self.before, ended: &self.ended, after: &self.after };
        let broken = judge(&case).err().into_iter().chain(self.wrong.clone());
        broken.min_by_key(|violation| violation.invariant).map_or(Ok(()), Err)
    }
}

/// Adds the drives of a scope again, whatever a crash has left of their first add. Whether that was done: a create whose
/// syncs were cut off with the process stays in doubt until the machine restarts.
///
/// # Errors
/// A violation where it is refused for any other reason.
fn add_again<S: Archived>(driver: &mut Driver<S>) -> Result<bool, Violation> {
    for step in DRIVES.map(|drive| ClientStep::AddDrive { drive }) {
        match driver.client(&step) {
            Outcome::Failed(Failure::InDoubt) => return Ok(false),
            Outcome::Failed(failure) => {
                let says = format!("{step} was cut off, and cannot be done again: {failure}");
                return Err(Violation::new(Invariant::RecoveryConverges, says));
            }
            _ => {}
        }
    }
    Ok(true)
}

/// How an open ended, by what was written down.
fn ended(deeds: &[Deed], refusal: Option<&Refusal>) -> Ended {
    let state = deeds.iter().find_map(|deed| match deed {
        Deed::Opened(state) => Some(state.clone()),
        _ => None,
    });
    let unread = deeds.iter().find_map(|deed| match deed {
        Deed::Read { unread, .. } => Some(unread.clone()),
        _ => None,
    });
    match state {
        Some(state) => Ended::Opened { state, unread: unread.unwrap_or_default() },
        None => Ended::Refused(refusal.cloned().unwrap_or_else(|| Refusal {
            kind: Failure::Io,
            lsns: None,
            says: format!("{:?}", RecoveredState::empty()),
        })),
    }
}

fn drives_out(deeds: &[Deed]) -> Option<Violation> {
    let mut calls = None;
    let out = |deed: &Deed| matches!(deed, Deed::DrivesOut(_));
    let out = deeds.iter().find(|deed| out(deed))?;
    follow(&mut Contract::new(), &mut calls, out).err()
}

/// What an open that could write leaves that nothing names. What it has removed, and is not sure to stay away, the next
/// one removes again.
fn orphan<S: Archived>(driver: &Driver<S>, after: &Reading) -> Option<Violation> {
    if after.orphans().is_empty() {
        return None;
    }
    let name = Reading::of(&driver.visible_files()).orphans().into_iter().next()?;
    Some(Violation::new(Invariant::RecoveryConverges, format!("open leaves {name}, which nothing names")))
}
