//! What happens inside of the engine between the lines of a path, as the mechanism needs it said.

use truelog_spec::mechanism::{Ending, Mechanism, Menu, State, replay};
use truelog_spec::trace::Line;
use truelog_spec::{EngineStep, Step};

/// The most steps that are put in before one line.
const MOST: usize = 4;

/// The lines with the engine's unseen steps between them, the fewest with which the mechanism goes on. Where it refuses a
/// line whatever is put in before it, nothing is, and what follows is left as it is.
pub(super) fn filled(lines: Vec<Line>) -> Vec<Line> {
    let mut path: Vec<Line> = Vec::new();
    let mut rest = lines.into_iter().peekable();
    while let Some(line) = rest.next() {
        let at = path.len() + 1;
        path.push(line);
        let steps = steps(path.iter().chain(rest.peek()));
        let (Ending::Refused { line: refused, .. }, state) = replay(Mechanism::default(), &steps) else {
            continue;
        };
        if refused > at {
            // The next line's turn to look at it.
            continue;
        }
        match path.pop().map(|line| (needed(&state, &line.step), line)) {
            Some((Some(unseen), line)) => {
                path.extend(unseen.into_iter().map(|step| Line::new(step, None)));
                path.push(line);
            }
            Some((None, line)) => {
                path.push(line);
                path.extend(rest);
                return path;
            }
            None => return path,
        }
    }
    path
}

fn steps<'a>(lines: impl Iterator<Item = &'a Line>) -> Vec<Step> {
    lines.map(|line| line.step.clone()).collect()
}

/// The fewest unseen steps behind which a step is taken.
fn needed(state: &State, due: &Step) -> Option<Vec<Step>> {
    let mechanism = Mechanism::default();
    let mut frontier = vec![(state.clone(), Vec::new())];
    for _ in 0..MOST {
        let mut next = Vec::new();
        for (state, path) in frontier {
            // What waits for a call to go wrong with waits for none of these.
            let unarmed = State { armed: None, ..state.clone() };
            let offered = mechanism.engine_steps(&unarmed, &Menu::default());
            for step in offered.into_iter().filter(|step| matches!(step, Step::Engine(step) if inside(step)))
            {
                let Ok(state) = mechanism.apply(&state, &step) else { continue };
                let path = [path.as_slice(), &[step]].concat();
                if mechanism.apply(&state, due).is_ok() {
                    return Some(path);
                }
                next.push((state, path));
            }
        }
        frontier = next;
    }
    None
}

/// Whether a step happens inside of the engine, and is no claim: those are seen.
const fn inside(step: &EngineStep) -> bool {
    matches!(
        step,
        EngineStep::Encode(..)
            | EngineStep::Recover(..)
            | EngineStep::Ready { .. }
            | EngineStep::Poison
            | EngineStep::Fail(_)
            | EngineStep::Refuse(_)
            | EngineStep::Switch { .. }
            | EngineStep::Retire { .. }
    )
}
