//! Runs that the specification's mechanism leads: of the letters that are possible, the one by which the mechanism takes most
//! kinds of steps behind each other that no run has taken so yet. What the engine does in such a run must be a path of the mechanism.

use std::collections::BTreeSet;

use proptest::prelude::Rng;
use proptest::test_runner::TestRunner;
use truelog_spec::mechanism::{Mechanism, Menu, State};
use truelog_spec::step::EngineStep;
use truelog_spec::{ClientStep, Step};

use super::alphabet::Situation;
use super::{Letter, Scope, Sequence, new_disk, spell};
use crate::driver::Driver;
use crate::order::check::{kind_of, turn};
use crate::order::{Refused, Seen, Walked, context, judge};
use crate::subject::{Archived, Setup};

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
    let mut ahead = Ahead::of(scope);
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
    /// A segment holds one batch. The mechanism knows no sizes: it goes on in a segment until it is told to rotate.
    rotates: bool,
    /// The kind of the last step.
    last: String,
    points: BTreeSet<String>,
}

impl Ahead {
    /// Behind the create, and what the scope does before anything is chosen.
    fn of(scope: &Scope) -> Self {
        let rotates = scope.setup.segment == Setup::SMALLEST.segment;
        let (last, points) = (String::new(), BTreeSet::new());
        let start = Self { state: State::default(), rotates, last, points };
        let created = start.behind(Letter::Append, &[ClientStep::Create.into()]);
        let prefix = scope.prefix.iter().zip(spell(scope.prefix));
        prefix.fold(created, |ahead, (letter, steps)| ahead.behind(*letter, &steps))
    }

    /// The same behind a letter. What the mechanism has no step for changes nothing: this is a forecast, not a verdict.
    fn behind(&self, letter: Letter, steps: &[Step]) -> Self {
        let mechanism = Mechanism::default();
        let background = matches!(letter, Letter::Idle | Letter::Tick);
        let merge = matches!(letter, Letter::Compact | Letter::Work);
        let (idle, checkpoint, rotate) = (background, background, self.rotates);
        let menu = Menu { idle, checkpoint, merge, rotate, copies: 2, ..Menu::default() };
        let mut ahead = Self { points: BTreeSet::new(), ..self.clone() };
        // The background work of an engine with drives is what a compaction asks for; the mechanism's archives only then.
        let archives = Step::from(ClientStep::Compact);
        let asked = (letter == Letter::Work).then_some(&archives);
        for step in asked.into_iter().chain(steps) {
            if let Ok(next) = mechanism.apply(&ahead.state, step) {
                ahead.goes(step, next);
            }
            for _ in 0..BY_ITSELF {
                let offered = mechanism.engine_steps(&ahead.state, &menu);
                let mut offered = offered.iter().filter(|step| !ahead.has_no_room(step));
                let taken = offered.find_map(|step| Some((step, mechanism.apply(&ahead.state, step).ok()?)));
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

    /// Whether a step writes a batch into a segment that has its one batch.
    fn has_no_room(&self, step: &Step) -> bool {
        let Step::Engine(EngineStep::WriteBatch(spec, _)) = step else { return false };
        self.rotates && self.state.disk.batches.iter().any(|batch| batch.segment == spec.segment)
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

    /// What each of some runs has reached, and all before it, summed: so much the more, the sooner it was reached. And all.
    fn reached(scope: &'static Scope, runs: u64, led: bool) -> (usize, BTreeSet<String>) {
        let mut reached = BTreeSet::new();
        let mut sum = 0;
        for seed in 0..runs {
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
        (sum, reached)
    }

    /// What is reached is not gone to again: runs that know of each other get further sooner than those that do not.
    #[test]
    fn a_led_run_goes_where_none_has_been() {
        let (led, unled) = (reached(&Scope::RANDOM, 24, true), reached(&Scope::RANDOM, 24, false));
        assert!(led.0 > unled.0, "after each of the runs, summed: {} led, {} unled", led.0, unled.0);
    }

    /// The same with drives: what is done on them is forecast, too.
    #[test]
    fn a_led_run_with_an_archive_goes_where_none_has_been() {
        let scope = &Scope::RANDOM_ORDER;
        let (led, unled) = (reached(scope, 24, true), reached(scope, 24, false));
        assert!(led.0 > unled.0, "after each of the runs, summed: {} led, {} unled", led.0, unled.0);
        let published = led.1.iter().any(|turn| turn.contains("write edit publish"));
        assert!(published, "{:?}", led.1);
    }

    /// The forecast knows the drives that the scope begins with, and what a compaction does on them.
    #[test]
    fn the_forecast_begins_behind_what_the_scope_does_first() {
        let (scope, mut situation) = (&Scope::RANDOM_ORDER, Situation::behind(Scope::RANDOM_ORDER.prefix));
        let mut ahead = Ahead::of(scope);
        for letter in [Letter::AppendLarge, Letter::AppendLarge, Letter::Compact] {
            let steps = situation.take(letter).expect("a letter that is possible");
            ahead = ahead.behind(letter, &steps);
        }
        let published = ahead.points.iter().any(|point| point.contains("write edit publish"));
        assert!(published, "{:?}", ahead.points);
    }
}
