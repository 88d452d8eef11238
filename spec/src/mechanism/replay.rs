//! Taking a path, step by step.

use std::fmt;

use super::state::{Phase, Request, State};
use super::{Found, Guard, Mechanism, Menu};
use crate::invariant::Invariant;
use crate::outcome::{self, Failure, Outcome};
use crate::step::{ClientStep, EngineStep, Lsns, Step};

/// How a path ended on a mechanism, whose guards are these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending<G = Guard> {
    /// Each step was taken, and no invariant was broken.
    Reached,
    /// A step broke an invariant. Lines are counted from 1.
    Violated {
        /// The line.
        line: usize,
        /// The first row that it broke.
        invariant: Invariant,
    },
    /// A step was refused.
    Refused {
        /// The line.
        line: usize,
        /// By what.
        guard: G,
    },
}

impl<G: fmt::Display> fmt::Display for Ending<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reached => f.write_str("each step is taken, and every invariant holds"),
            Self::Violated { line, invariant } => write!(f, "step {line} breaks {invariant}"),
            Self::Refused { line, guard } => write!(f, "step {line} is refused by {guard}"),
        }
    }
}

impl<G: fmt::Display> Ending<G> {
    /// The same ending, with its guard as text.
    #[must_use]
    pub fn in_words(&self) -> Ending<String> {
        match self {
            Self::Reached => Ending::Reached,
            Self::Violated { line, invariant } => Ending::Violated { line: *line, invariant: *invariant },
            Self::Refused { line, guard } => Ending::Refused { line: *line, guard: guard.to_string() },
        }
    }
}

/// A path taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Walked {
    /// How it ended.
    pub ending: Ending,
    /// The last state.
    pub state: State,
    /// What the last open has found, if it has returned.
    pub opened: Option<Found>,
}

impl Walked {
    /// Takes one step more. Says whether it was taken.
    fn take(&mut self, mechanism: Mechanism, step: &Step, line: usize) -> bool {
        match mechanism.apply(&self.state, step) {
            Ok(next) => {
                if matches!(step, Step::Client(ClientStep::Create | ClientStep::Open)) {
                    self.opened = None;
                }
                if matches!(step, Step::Engine(EngineStep::Ready { .. })) {
                    self.opened = self.state.engine.as_mut().and_then(|engine| engine.found.take());
                }
                self.state = next;
                true
            }
            Err(refused) => {
                self.ending = Ending::Refused { line, guard: refused.guard };
                false
            }
        }
    }

    /// Runs a create or an open to its end, as the design has it, without a fault.
    fn settle(&mut self, mechanism: Mechanism, line: usize) -> bool {
        let under_way = |state: &State| {
            let phase = state.engine.as_ref().map(|engine| engine.phase);
            state.broken == 0 && matches!(phase, Some(Phase::Creating | Phase::Opening | Phase::Mending))
        };
        while under_way(&self.state) {
            let steps = Mechanism::default().engine_steps(&self.state, &Menu::default());
            let Some(step) = steps.first() else {
                self.ending = Ending::Refused { line, guard: Guard::NoSuchStep };
                return false;
            };
            if !self.take(mechanism, step, line) {
                return false;
            }
        }
        true
    }

    /// What the client saw of the last open.
    #[must_use]
    pub fn recovered(&self) -> Option<Outcome> {
        if self.state.engine.is_none() {
            return Some(Outcome::Failed(Failure::NotALog));
        }
        let found = self.opened.as_ref()?;
        // Where nothing can be read, everything that was ever given an LSN is named.
        let given = self.state.requests.iter().filter(|request| request.lsn != 0).map(Request::last).max();
        let damage =
            found.damage.and_then(|(first, last)| Lsns::new(first, last.min(given.unwrap_or(first))));
        Some(Outcome::Recovered(outcome::Found {
            records: found.records.iter().flatten().count() as u64,
            next: found.next(),
            trimmed: found.first,
            damage: damage.into_iter().collect(),
        }))
    }
}

/// How a path ends, and in which state: see [`walk`].
#[must_use]
pub fn replay(mechanism: Mechanism, steps: &[Step]) -> (Ending, State) {
    let walked = walk(mechanism, steps);
    (walked.ending, walked.state)
}

/// Takes a path from a disk without a log. A create or an open that no engine step follows ran to its end
/// undisturbed: a trace may leave its engine steps out.
#[must_use]
pub fn walk(mechanism: Mechanism, steps: &[Step]) -> Walked {
    walk_past(mechanism, steps, |_, _| ())
}

/// As [`walk`], with a look at the state behind each line that was taken; lines are counted from 1, and 0 is the start.
pub fn walk_past(mechanism: Mechanism, steps: &[Step], mut look: impl FnMut(usize, &State)) -> Walked {
    let mut path = Walked { ending: Ending::Reached, state: State::default(), opened: None };
    look(0, &path.state);
    for (index, step) in steps.iter().enumerate() {
        let line = index + 1;
        if !path.take(mechanism, step, line) {
            return path;
        }
        let alone = !matches!(steps.get(line), Some(Step::Engine(_)));
        let long =
            matches!(step, Step::Client(ClientStep::Create | ClientStep::Open | ClientStep::AcceptLoss));
        if alone && long && !path.settle(mechanism, line) {
            return path;
        }
        look(line, &path.state);
        if let Some(invariant) = mechanism.violated(&path.state) {
            path.ending = Ending::Violated { line, invariant };
            return path;
        }
    }
    path
}
