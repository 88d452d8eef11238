//! What a person does with a trace: takes it apart, compares it, makes it smaller, hands it to other tools.
//!
//! A trace with a switch of the specification is taken on two grounds: the one with the switch turned off, on which it
//! breaks its invariant, and the design as it is, which refuses it. A trace whose mutant is a patch of the engine has
//! only the second.

pub mod diff;
pub mod export;
mod itf;
pub mod shrink;
#[cfg(test)]
mod tests;

use truelog_spec::mechanism::{self, Ending, Mechanism, replay, walk_past};
use truelog_spec::prefetch::{self, Design};
use truelog_spec::switches::{self, NoTrace, Story};
use truelog_spec::trace::Head;
use truelog_spec::{Step, Trace};

use crate::replay::practice::completed;

/// What a path is taken on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ground {
    /// The mechanism, at the grain of calls.
    Calls(Mechanism),
    /// A design of the prefetch, at the grain of actions in memory.
    Slots(Design),
}

impl Ground {
    /// The specification as it is, on which the trace's `head` is stated.
    #[must_use]
    pub fn designed(trace: &Trace) -> Self {
        if trace.is_of_prefetch() { Self::Slots(Design::PACKED) } else { Self::Calls(Mechanism::default()) }
    }

    /// The ground on which the trace breaks its invariant, or the specification as it is where no switch opens one.
    #[must_use]
    pub fn of(trace: &Trace) -> Self {
        AnySwitch::of(trace).map_or_else(|| Self::designed(trace), AnySwitch::ground)
    }

    /// How a path ends on it.
    #[must_use]
    pub fn run(self, steps: &[Step]) -> Ending<String> {
        match self {
            Self::Calls(mechanism) => replay(mechanism, steps).0.in_words(),
            Self::Slots(design) => prefetch::replay(design, steps).0.in_words(),
        }
    }

    /// How a path ends on it, and the text of the state behind each line that is taken; the first is the start.
    fn states(self, steps: &[Step]) -> (Ending<String>, Vec<String>) {
        let mut states = Vec::new();
        let ending = match self {
            Self::Calls(mechanism) => {
                let walked = walk_past(mechanism, steps, |_, state| states.push(format!("{state:?}")));
                walked.ending.in_words()
            }
            Self::Slots(design) => {
                let look = |_, state: &prefetch::State| states.push(format!("{state:?}"));
                prefetch::replay_past(design, steps, look).0.in_words()
            }
        };
        (ending, states)
    }
}

/// What a guard of either model demands; nothing where no guard is called so.
#[must_use]
pub fn demand(guard: &str) -> &'static str {
    let of_calls = guard.parse::<mechanism::Guard>().map(mechanism::Guard::says);
    of_calls.or_else(|_| guard.parse().map(prefetch::Guard::says)).unwrap_or_default()
}

/// What is missing where a guard of either model stands against a step; nothing where no guard is called so.
#[must_use]
pub fn lacks(guard: &str) -> &'static str {
    let of_calls = guard.parse::<mechanism::Guard>().map(mechanism::Guard::lacks);
    of_calls.or_else(|_| guard.parse().map(prefetch::Guard::lacks)).unwrap_or_default()
}

/// How a path ended, with the step and what its guard demands.
#[must_use]
pub fn told<G: std::fmt::Display>(ending: &Ending<G>, steps: &[Step]) -> String {
    let step =
        |line: usize| steps.get(line.wrapping_sub(1)).map_or_else(String::new, |step| format!(", `{step}`,"));
    match ending.in_words() {
        Ending::Reached => ending.to_string(),
        Ending::Violated { line, invariant } => format!("step {line}{} breaks {invariant}", step(line)),
        Ending::Refused { line, guard } => {
            let demand = demand(&guard);
            let colon = if demand.is_empty() { "" } else { ": " };
            format!("step {line}{} is refused by {guard}{colon}{demand}", step(line))
        }
    }
}

/// A trace's steps.
#[must_use]
pub fn steps(trace: &Trace) -> Vec<Step> {
    trace.lines.iter().map(|line| line.step.clone()).collect()
}

/// A switch of either model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnySwitch {
    /// Of the mechanism.
    Calls(switches::Switch),
    /// Of the prefetch.
    Slots(prefetch::Switch),
}

impl AnySwitch {
    /// The switch that opens the trace's path, if it is one of the trace's own model.
    #[must_use]
    pub fn of(trace: &Trace) -> Option<Self> {
        let slug = trace.mutant.as_deref()?;
        if trace.is_of_prefetch() {
            slug.parse().ok().map(Self::Slots)
        } else {
            slug.parse().ok().map(Self::Calls)
        }
    }

    /// The model with it turned off.
    #[must_use]
    pub fn ground(self) -> Ground {
        match self {
            Self::Calls(switch) => Ground::Calls(switch.mechanism()),
            Self::Slots(switch) => Ground::Slots(switch.design()),
        }
    }

    /// Whether a guard is one that it turns off.
    #[must_use]
    pub fn turns_off(self, guard: &str) -> bool {
        match self {
            Self::Calls(switch) => switch.guards().iter().any(|one| one.as_str() == guard),
            Self::Slots(switch) => switch.guard().as_str() == guard,
        }
    }

    /// For each step of a path that is taken: whether the model offers it, as the checker explores it. What it takes and
    /// does not offer is for an engine with another order of things.
    fn offers(self, steps: &[Step]) -> Vec<bool> {
        let mut offers = Vec::new();
        match self {
            Self::Calls(switch) => {
                let (mechanism, menu) = (switch.mechanism(), switch.scope().menu);
                let offered = |state: &_, step: &Step| mechanism.actions(state, &menu).contains(step);
                walk_past(mechanism, steps, |line, state| {
                    offers.extend(steps.get(line).map(|step| offered(state, step)));
                });
            }
            Self::Slots(switch) => {
                let (design, menu) = (switch.design(), switch.menu());
                let offered = |state: &_, step: &Step| match step {
                    Step::Prefetch(step) => design.actions(state, &menu).contains(step),
                    Step::Client(_) | Step::World(_) | Step::Engine(_) => false,
                };
                prefetch::replay_past(design, steps, |line, state| {
                    offers.extend(steps.get(line).map(|step| offered(state, step)));
                });
            }
        }
        offers
    }

    /// Where the corpus keeps its trace, from the root of the repository.
    #[must_use]
    pub fn path(self) -> String {
        match self {
            Self::Calls(switch) => switch.path(),
            Self::Slots(switch) => switch.path(),
        }
    }

    /// What it does, for a reader.
    #[must_use]
    pub const fn story(self) -> Story {
        match self {
            Self::Calls(switch) => switch.story(),
            Self::Slots(switch) => switch.story(),
        }
    }

    /// The trace with the head that follows from its path, and with what the production code is known to do.
    fn stated(self, trace: Trace) -> Result<Trace, String> {
        match self {
            Self::Calls(switch) => {
                let with = trace.with.clone();
                let stated = switches::stated(switch, trace).map_err(|error: NoTrace| error.to_string())?;
                Ok(Trace { with, ..completed(switch, stated) })
            }
            Self::Slots(switch) => prefetch::stated(switch, trace).map_err(|error| error.to_string()),
        }
    }
}

/// What a trace states of the mechanism, if the mechanism has its path at all.
fn left_out(trace: &Trace) -> Option<&str> {
    match &trace.head {
        Head::Unmodelled { part } => Some(part),
        Head::Reached | Head::Refused { .. } => None,
    }
}
