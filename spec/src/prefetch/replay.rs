//! Taking a path, action by action.

use super::{Design, Guard, State};
use crate::mechanism::Ending;
use crate::step::Step;

/// How a path ends on a design, from empty slots and idle readers. A step that is no action is refused.
#[must_use]
pub fn replay(design: Design, steps: &[Step]) -> (Ending<Guard>, State) {
    let mut state = State::default();
    for (line, step) in (1..).zip(steps) {
        let next = match step {
            Step::Prefetch(step) => design.apply(&state, step),
            Step::Client(_) | Step::World(_) | Step::Engine(_) => Err(Guard::NoSuchStep),
        };
        match next {
            Ok(next) => state = next,
            Err(guard) => return (Ending::Refused { line, guard }, state),
        }
        if let Some(invariant) = state.violated() {
            return (Ending::Violated { line, invariant }, state);
        }
    }
    (Ending::Reached, state)
}
