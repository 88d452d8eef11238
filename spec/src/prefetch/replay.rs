//! Taking a path, action by action.

use super::{Design, Guard, State};
use crate::mechanism::Ending;
use crate::step::Step;

/// How a path ends on a design, from empty slots and idle readers. A step that is no action is refused.
#[must_use]
pub fn replay(design: Design, steps: &[Step]) -> (Ending<Guard>, State) {
    replay_past(design, steps, |_, _| ())
}

/// As [`replay`], with a look at the state behind each line that was taken; lines are counted from 1, and 0 is the start.
pub fn replay_past(
    design: Design,
    steps: &[Step],
    mut look: impl FnMut(usize, &State),
) -> (Ending<Guard>, State) {
    let mut state = State::default();
    look(0, &state);
    for (line, step) in (1..).zip(steps) {
        let next = match step {
            Step::Prefetch(step) => design.apply(&state, step),
            Step::Client(_) | Step::World(_) | Step::Engine(_) => Err(Guard::NoSuchStep),
        };
        match next {
            Ok(next) => state = next,
            Err(guard) => return (Ending::Refused { line, guard }, state),
        }
        look(line, &state);
        if let Some(invariant) = state.violated() {
            return (Ending::Violated { line, invariant }, state);
        }
    }
    (Ending::Reached, state)
}
