//! Runs that the specification's mechanism leads: of the letters that are possible, the one by which the mechanism takes most
//! kinds of steps behind each other that no run has taken so yet. What the engine does in such a run must be a path of the mechanism.

use std::collections::BTreeSet;

use proptest::prelude::Rng;
use proptest::test_runner::TestRunner;
use truelog_spec::Step;
use truelog_spec::mechanism::{Mechanism, Menu, State};

use super::alphabet::Situation;
use super::{Letter, Scope, Sequence, new_disk};
use crate::driver::Driver;
use crate::order::check::{kind_of, turn};
use crate::order::{Refused, Seen, Walked, context, judge};
use crate::subject::Archived;

/// The most letters of a run.
const LONGEST: u64 = 12;
/// The most steps that the engine takes by itself behind one of a client or of the world.
const BY_ITSELF: usize = 100;

/// How a point of coverage that is a kind of the mechanism's steps, or a turn from one to another, is called.
#[must_use]
pub fn point(kind: &str) -> String {
    format!("step {kind}")
}

/// The letters of a run that is led to kinds of steps that are not among the `known` points.
pub(super) fn letters(scope: &Scope, known: &BTreeSet<String>, runner: &mut TestRunner) -> Vec<Letter> {
    let mut ahead = Ahead::created();
    let mut situation = Situation::behind(scope.prefix);
    let mut known = known.clone();
    let mut chosen = Vec::new();
    for _ in 0..=runner.rng().next_u64() % LONGEST {
        let ways = scope.alphabet.iter().filter(|letter| followed(**letter)).filter_map(|letter| {
            let mut next = situation.clone();
            let steps = next.take(*letter)?;
            let ahead = ahead.behind(*letter, &steps);
            let new = ahead.points.difference(&known).count();
            // Among those that promise as much, chance decides.
            Some(((new, runner.rng().next_u64()), *letter, next, ahead))
        });
        let Some((_, letter, next, reached)) = ways.max_by_key(|(rank, ..)| *rank) else { break };
        known.extend(reached.points.iter().cloned());
        (situation, ahead) = (next, reached);
        chosen.push(letter);
    }
    chosen
}

/// Whether the order check can follow a letter wherever it comes. Records that need only survive the process are not synced,
/// and behind a reopen or an idle mark it takes them for what the mechanism does not have.
const fn followed(letter: Letter) -> bool {
    !matches!(letter, Letter::AppendLight | Letter::SubmitLight)
}

/// Where the mechanism is, and what it went through for the last letter.
#[derive(Debug, Clone)]
struct Ahead {
    state: State,
    /// The kind of the last step.
    last: String,
    points: BTreeSet<String>,
}

impl Ahead {
    fn created() -> Self {
        let start = Self { state: State::default(), last: String::new(), points: BTreeSet::new() };
        start.behind(Letter::Append, &[truelog_spec::ClientStep::Create.into()])
    }

    /// The same behind a letter. What the mechanism has no step for changes nothing: this is a forecast, not a verdict.
    fn behind(&self, letter: Letter, steps: &[Step]) -> Self {
        let mechanism = Mechanism::default();
        let background = matches!(letter, Letter::Idle | Letter::Tick);
        let menu = Menu { idle: background, checkpoint: background, copies: 2, ..Menu::default() };
        let mut ahead = Self { points: BTreeSet::new(), ..self.clone() };
        for step in steps {
            if let Ok(next) = mechanism.apply(&ahead.state, step) {
                ahead.goes(step, next);
            }
            for _ in 0..BY_ITSELF {
                let offered = mechanism.engine_steps(&ahead.state, &menu);
                let taken =
                    offered.iter().find_map(|step| Some((step, mechanism.apply(&ahead.state, step).ok()?)));
                let Some((step, next)) = taken else { break };
                let new = ahead.goes(step, next);
                // What goes on by itself for ever is background work, which begins anew.
                if background && !new {
                    break;
                }
            }
        }
        ahead
    }

    /// Takes a step. Says whether it is a new turn since the last letter.
    fn goes(&mut self, step: &Step, next: State) -> bool {
        let kind = kind_of(step);
        let new = self.points.insert(point(&turn(&self.last, &kind)));
        (self.state, self.last) = (next, kind);
        new
    }
}

impl Sequence {
    /// What the engine does in the run, held against the mechanism.
    ///
    /// # Errors
    /// What happened up to the first step that the mechanism does not take, and that step.
    pub(super) fn walked<S: Archived>(&self, scope: &Scope) -> Result<Walked, (Refused, String)> {
        let mut driver = Driver::<S>::new(new_disk(scope), scope.setup);
        driver.tell_steps();
        for step in self.steps(scope).0 {
            // A scope's own steps are always possible.
            let _ = driver.step(&step);
        }
        let seen: Vec<Seen> = driver.seen();
        judge(&seen).map_err(|refused| {
            let says = context(&seen, &refused);
            (refused, says)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::random::runner;
    use super::*;
    use crate::subject::Plain;

    /// What is reached is not gone to again: runs that know of each other get further sooner than those that do not.
    #[test]
    fn a_led_run_goes_where_none_has_been() {
        let scope = &Scope::RANDOM;
        let steps = |led: bool| {
            let mut reached = BTreeSet::new();
            let mut sum = 0;
            for seed in 0..24 {
                let known = if led { reached.clone() } else { BTreeSet::new() };
                let letters = letters(scope, &known, &mut runner(seed, 0));
                let again = super::letters(scope, &known, &mut runner(seed, 0));
                assert_eq!(letters, again, "a run follows from its seed and from what is known");
                let sequence = Sequence { letters, fault: None };
                match sequence.walked::<Plain>(scope) {
                    Ok(walked) => reached.extend(walked.turns.iter().map(|turn| point(turn))),
                    Err((refused, _)) if refused.breaks() == crate::order::MECHANISM => {}
                    Err((_, says)) => panic!("seed {seed}, {:?}: {says}", sequence.letters),
                }
                sum += reached.len();
            }
            sum
        };
        let (led, unled) = (steps(true), steps(false));
        assert!(led > unled, "after each of the runs, summed: {led} led, {unled} unled");
    }
}
