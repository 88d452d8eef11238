//! One recovery of one image: run once, judged against whatever is owed.

use std::collections::BTreeMap;

use truelog_spec::contract::RecoveredState;
use truelog_spec::step::Write;
use truelog_spec::{ClientStep, Failure};

use super::Scope;
use crate::driver::{Deed, Driver, Duty, files};
use crate::fabric::{Image, SimFs};
use crate::oracle::{Ended, Reading};
use crate::subject::{Refusal, Subject};

/// The writers of the appends that follow recoveries, one for each life: none of a scope's own.
const NEXT_WRITER: u32 = 1000;

/// What came of recovering an image.
#[derive(Debug)]
pub(super) struct Recovery {
    /// What the image held.
    pub(super) before: Reading,
    /// How the open ended.
    pub(super) ended: Ended,
    /// What the disk was sure to hold when the open returned.
    pub(super) after: Reading,
    /// What happened, the append that followed included. Empty where only the open was wanted.
    pub(super) deeds: Vec<Deed>,
    /// What the syncs were for.
    pub(super) duties: BTreeMap<Duty, u64>,
}

impl Recovery {
    /// Opens the image. If the life is to go on as the one of this number, a record is appended, and everything is
    /// written down.
    pub(super) fn run<S: Subject>(scope: &Scope, image: &Image, life: Option<u32>) -> Self {
        let before = Reading::of(&files(image));
        let mut driver = Driver::<S>::new(SimFs::from_image(image), scope.setup);
        driver.ignore(scope.ignored);
        if life.is_none() {
            driver.deaf();
        }
        driver.client(&ClientStep::Open);
        let after = Reading::of(&driver.durable_files());
        let mut deeds = driver.deeds();
        let ended = ended(&deeds, driver.refusal());
        if let Some(life) = life {
            let write = Write { writer: NEXT_WRITER + life, ..Write::one(0, 8) };
            driver.client(&ClientStep::Append(write));
            deeds.extend(driver.deeds());
        }
        Self { before, ended, after, deeds, duties: driver.duties() }
    }
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
