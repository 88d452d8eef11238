//! One sequence, run from an empty disk: the letters, perhaps a fault, and what follows it.

use std::collections::BTreeMap;

use truelog_spec::{ClientStep, Step};

use super::fault::Struck;
use super::{Letter, Scope, new_disk, spell};
use crate::driver::{Deed, Driver, Duty};
use crate::fabric::{Call, Edge};
use crate::order::table::Kind;
use crate::subject::Archived;

/// A sequence, and the fault on its last step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sequence {
    /// What is done after the create.
    pub letters: Vec<Letter>,
    /// What goes wrong with the last step of the last letter (of the create, if there is no letter).
    pub fault: Option<Struck>,
}

/// What came of running a sequence.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) deeds: Vec<Deed>,
    /// The first deed of the last letter.
    pub(super) from: usize,
    /// Whether the fault fired.
    pub(super) fired: bool,
    /// What the syncs behind the scope's prefix were for.
    pub(super) duties: BTreeMap<Duty, u64>,
}

impl Sequence {
    /// All steps, the create included, and how many of them come before the last letter.
    pub(super) fn steps(&self, scope: &Scope) -> (Vec<Step>, usize) {
        let mut steps = vec![ClientStep::Create.into()];
        let mut before = 0;
        for letter in spell(&[scope.prefix, self.letters.as_slice()].concat()) {
            before = steps.len();
            steps.extend(letter);
        }
        (steps, before)
    }

    /// Runs it from an empty disk.
    pub(super) fn run<S: Archived>(&self, scope: &Scope) -> Ran {
        let mut driver = Driver::<S>::new(new_disk(scope), scope.setup);
        driver.ignore(scope.ignored);
        let (_, before) = self.steps(scope);
        let prefix = spell(scope.prefix).iter().map(Vec::len).sum::<usize>();
        let behind_prefix = (prefix > 0).then_some(1 + prefix);
        let (mut deeds, mut from) = (Vec::new(), 0);
        let fired = self.play(scope, &mut driver, |driver, index| {
            deeds.extend(driver.deeds());
            if index == before {
                from = deeds.len();
            }
            if Some(index) == behind_prefix {
                driver.forget_duties();
            }
        });
        deeds.extend(driver.deeds());
        Ran { deeds, from, fired, duties: driver.duties() }
    }

    /// Takes its steps, and behind a fault those that follow it. `before` hears of each step of its letters, by number.
    /// Whether the fault fired.
    pub(super) fn play<S: Archived>(
        &self,
        scope: &Scope,
        driver: &mut Driver<S>,
        mut before: impl FnMut(&Driver<S>, usize),
    ) -> bool {
        let plan = self.fault.and_then(|struck| struck.plan(&self.calls::<S>(scope)));
        let (steps, _) = self.steps(scope);
        for (index, step) in steps.iter().enumerate() {
            before(driver, index);
            if let (Some(plan), true) = (plan, index + 1 == steps.len()) {
                driver.arm(plan);
            }
            // A scope's own steps of the world are always possible.
            let _ = driver.step(step);
        }
        let fired = !driver.disk().faults().fired().is_empty();
        if self.fault.is_some() {
            aftermath(driver);
        }
        fired
    }

    /// The runs of these letters that are as this one: where a call of it fails, each in whose last step one of the same kind
    /// fails.
    pub(super) fn alike<S: Archived>(&self, scope: &Scope, letters: Vec<Letter>) -> Vec<Self> {
        let plain = Self { letters, fault: None };
        let Some(fault) = self.fault else { return vec![plain] };
        let Some(struck) = self.calls::<S>(scope).into_iter().nth(fault.call) else { return Vec::new() };
        let same = |call: &Call| call.op == struck.op && kind(call) == kind(&struck);
        let calls = plain.calls::<S>(scope).into_iter().enumerate().filter(|(_, call)| same(call));
        calls.map(|(call, _)| Self { fault: Some(Struck { call, ..fault }), ..plain.clone() }).collect()
    }

    /// The calls of the last step, without any fault.
    pub(super) fn calls<S: Archived>(&self, scope: &Scope) -> Vec<Call> {
        let mut driver = Driver::<S>::new(new_disk(scope), scope.setup);
        let (steps, _) = self.steps(scope);
        let Some((last, before)) = steps.split_last() else { return Vec::new() };
        for step in before {
            let _ = driver.step(step);
        }
        driver.disk().set_logging(true);
        let _ = driver.step(last);
        let log = driver.disk().take_log();
        log.into_iter()
            .filter(|record| record.edge == Edge::Begin)
            .map(|record| (*record.call).clone())
            .collect()
    }
}

/// What a call is made on: segments of any number are of one kind.
fn kind(call: &Call) -> Kind {
    Kind::from(call.role)
}

/// After a fault: the handle goes on if it can, the process dies, and the next life goes on.
fn aftermath<S: Archived>(driver: &mut Driver<S>) {
    let append = |driver: &mut Driver<S>| {
        let _ = driver.client(&ClientStep::Append(truelog_spec::step::Write::one(0, 8)));
    };
    if driver.is_open() {
        append(driver);
        driver.client(&ClientStep::Tick);
    }
    // Neither is ever impossible.
    let _ = driver.world(&truelog_spec::WorldStep::CrashProcess);
    driver.client(&ClientStep::Create);
    if !driver.is_open() {
        driver.client(&ClientStep::Open);
    }
    if !driver.is_open() {
        // A copy that was not adopted yet.
        driver.client(&ClientStep::Adopt);
        driver.client(&ClientStep::Open);
    }
    append(driver);
}
