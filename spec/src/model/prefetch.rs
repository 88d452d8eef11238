//! The prefetch as a model for stateright: each of its designs, in a scope of its own.

use std::time::Instant;

use stateright::{Checker, HasDiscoveries, Model, Property};

use super::{Explored, explored};
use crate::invariant::Invariant;
use crate::prefetch::scopes::{Scope, Witness};
use crate::prefetch::{Design, Doing, Menu, Phase, State};
use crate::step::PrefetchStep;

/// Every read is answered, or can be.
pub const EVERY_READ_ENDS: &str = "every-read-ends";
/// A slot's pins are its readers, and nothing stays retired when they are gone.
pub const EVERY_SLOT_COMES_BACK: &str = "every-slot-comes-back";

/// The invariants that an action can break.
pub const INVARIANTS: [Invariant; 4] = [
    Invariant::CompactionPreservesReads,
    Invariant::ReadNeverStale,
    Invariant::VerifySeesOneState,
    Invariant::QuarantineLosesNothing,
];

/// A scope, explored on a design.
pub(super) struct Machine {
    design: Design,
    menu: Menu,
    witnesses: Vec<Witness>,
    /// Only a violation that is named so ends the search; nothing means that each invariant is a property.
    hunted: Option<Invariant>,
}

impl Model for Machine {
    type State = State;
    type Action = PrefetchStep;

    fn init_states(&self) -> Vec<State> {
        vec![State::default()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<PrefetchStep>) {
        // What has broken an invariant is not followed any further: a trace violates in its last line.
        if state.broken == 0 {
            actions.extend(self.design.actions(state, &self.menu));
        }
    }

    fn next_state(&self, state: &State, step: PrefetchStep) -> Option<State> {
        self.design.apply(state, &step).ok()
    }

    fn format_action(&self, step: &PrefetchStep) -> String {
        step.to_string()
    }

    fn properties(&self) -> Vec<Property<Self>> {
        if self.hunted.is_some() {
            return vec![Property::always("hunted", |machine: &Self, state: &State| {
                machine.hunted != state.violated()
            })];
        }
        let mut properties = vec![
            Property::always(EVERY_READ_ENDS, |machine: &Self, state: &State| {
                !machine.design.is_stuck(state, &machine.menu)
            }),
            Property::always(EVERY_SLOT_COMES_BACK, |_, state: &State| pins_are_readers(state)),
        ];
        properties.extend(INVARIANTS.map(always));
        properties.extend(self.witnesses.iter().map(|one| sometimes(*one)));
        properties
    }

    fn within_boundary(&self, state: &State) -> bool {
        self.menu.limits.hold(state)
    }
}

fn pins_are_readers(state: &State) -> bool {
    (1..).zip(&state.slots).all(|(number, slot)| {
        let has = |doing: Doing| doing == Doing::Pinned(number) || doing == Doing::Served(number);
        let readers = state.readers.iter().filter(|reader| has(reader.doing)).count();
        usize::from(slot.pins) == readers && (slot.phase != Phase::Retired || readers > 0)
    })
}

fn always(invariant: Invariant) -> Property<Machine> {
    fn holds<const BIT: u16>(_: &Machine, state: &State) -> bool {
        state.broken & (1 << BIT) == 0
    }
    let condition: fn(&Machine, &State) -> bool = match invariant {
        Invariant::CompactionPreservesReads => holds::<{ Invariant::CompactionPreservesReads as u16 }>,
        Invariant::ReadNeverStale => holds::<{ Invariant::ReadNeverStale as u16 }>,
        Invariant::VerifySeesOneState => holds::<{ Invariant::VerifySeesOneState as u16 }>,
        Invariant::QuarantineLosesNothing => holds::<{ Invariant::QuarantineLosesNothing as u16 }>,
        // No action breaks another one.
        _ => |_, state| state.broken == 0,
    };
    Property::always(invariant.as_str(), condition)
}

/// The property that something is met.
fn sometimes(witness: Witness) -> Property<Machine> {
    fn shown<const AT: usize>(_: &Machine, state: &State) -> bool {
        Witness::ALL[AT].is_shown(state)
    }
    macro_rules! shown {
        ($($variant:ident),+ $(,)?) => {
            match witness {
                $(Witness::$variant => shown::<{ Witness::$variant as usize }> as fn(&Machine, &State) -> bool),+
            }
        };
    }
    let condition = shown!(
        ServedFromCache,
        LateAcknowledgement,
        RetiredUnderAPin,
        DoomedWhileFilling,
        PinnedTwice,
        FilledAgain,
        OldSnapshot,
        Reclaimed,
        Raced,
        Retried,
        GivenUp,
        Quarantined,
        ServedFromTheOtherCopy,
        Short,
        Suffix,
        BetweenTheLooks,
        Verified,
    );
    Property::sometimes(witness.as_str(), condition)
}

/// A scope on a design, with each invariant as a property.
pub(super) fn machine(scope: &Scope, design: Design) -> Machine {
    Machine { design, menu: scope.menu, witnesses: scope.witnesses.clone(), hunted: None }
}

/// Explores a scope to its end, on a design.
#[must_use]
pub fn explore(scope: &Scope, design: Design, threads: usize) -> Explored {
    let started = Instant::now();
    let witnesses: Vec<&'static str> = scope.witnesses.iter().map(|one| one.as_str()).collect();
    explored(machine(scope, design), scope.name, &witnesses, threads, started)
}

/// A shortest path to a state whose first broken invariant is this one.
#[must_use]
pub fn hunt(menu: Menu, design: Design, invariant: Invariant) -> Option<Vec<PrefetchStep>> {
    let machine = Machine { design, menu, witnesses: Vec::new(), hunted: Some(invariant) };
    // One thread: which of several shortest paths is found must not depend on luck.
    let checker = machine.checker().finish_when(HasDiscoveries::Any).spawn_bfs().join();
    checker.discovery("hunted").map(stateright::Path::into_actions)
}
