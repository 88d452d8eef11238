//! The check `random`: longer runs than any pinned scope has, drawn by swarm weights.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::strategy::{Union, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use proptest_state_machine::ReferenceStateMachine;

use super::alphabet::Situation;
use super::check::{THREADS, conclude};
use super::{Explorer, Finding, Letter, Scope, Sequence, spell};
use crate::command::Plan;
use crate::progress::Progress;
use crate::report::Report;
use crate::subject::{Archived, Plain};

/// The most letters of a run.
const LONGEST: usize = 40;

/// What generates runs: the situation says which letters are possible, the weights how likely each is.
#[derive(Debug, Clone, Copy)]
struct Machine;

/// The state of the generator.
#[derive(Debug, Clone)]
struct Model {
    situation: Situation,
    /// One for each letter. Each run does without some letters altogether: bugs hide behind what others undo.
    weights: Vec<u32>,
}

impl ReferenceStateMachine for Machine {
    type State = Model;
    type Transition = Letter;

    fn init_state() -> BoxedStrategy<Model> {
        let weight = prop::sample::select(vec![0, 1, 1, 8]);
        prop::collection::vec(weight, Letter::USUAL.len())
            .prop_map(|weights| Model { situation: Situation::created(), weights })
            .boxed()
    }

    fn transitions(model: &Model) -> BoxedStrategy<Letter> {
        let possible = |letter: &Letter| model.situation.clone().take(*letter).is_some();
        let weighted = |floor: u32| -> Vec<(u32, BoxedStrategy<Letter>)> {
            let letters =
                Letter::USUAL.iter().copied().zip(&model.weights).filter(|(letter, _)| possible(letter));
            let letters = letters.map(|(letter, weight)| ((*weight).max(floor), Just(letter).boxed()));
            letters.filter(|(weight, _)| *weight > 0).collect()
        };
        // If the swarm leaves nothing that is possible now, anything possible will do.
        let wanted = weighted(0);
        Union::new_weighted(if wanted.is_empty() { weighted(1) } else { wanted }).boxed()
    }

    fn apply(mut model: Model, letter: &Letter) -> Model {
        model.situation.take(*letter);
        model
    }

    fn preconditions(model: &Model, letter: &Letter) -> bool {
        model.situation.clone().take(*letter).is_some()
    }
}

/// Draws and judges runs for as long as the plan gives.
#[must_use]
pub fn check(plan: &Plan, progress: &Progress) -> Report {
    let mut report = Report::new("random", Scope::RANDOM.says());
    let seed = plan.seed();
    report.note(format!(
        "seed {seed}: runs of up to {LONGEST} letters, up to {} choices a crash point",
        Scope::RANDOM.limit
    ));
    draw::<Plain>(seed, Duration::from_secs(plan.seconds), &mut report, progress);
    report
}

/// Draws and judges runs until time ends or one breaks an invariant.
pub fn draw<S: Archived>(seed: u64, time: Duration, report: &mut Report, progress: &Progress) {
    let until = Instant::now() + time;
    let shared = Mutex::new(report);
    let work = |thread: u64| {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        bytes[8..16].copy_from_slice(&thread.to_le_bytes());
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        let mut runner =
            TestRunner::new_with_rng(Config { failure_persistence: None, ..Config::default() }, rng);
        let strategy = Machine::sequential_strategy(1..LONGEST);
        while Instant::now() < until && super::lock(&shared).findings.is_empty() {
            // The strategy rejects nothing, so it always gives a run.
            let Ok(tree) = strategy.new_tree(&mut runner) else { continue };
            let explorer = Explorer::new(&Scope::RANDOM);
            let found = judge::<S>(&explorer, tree.current().1);
            progress.advance(1);
            let report = &mut *super::lock(&shared);
            conclude(&explorer, report, found);
        }
    };
    std::thread::scope(|scope| {
        for thread in 1..THREADS as u64 {
            scope.spawn(move || work(thread));
        }
        work(0);
    });
}

/// Draws and judges the one run that follows from `seed`. Returns what it went through: the parts that syncs played, and
/// which letter followed which.
pub fn one<S: Archived>(seed: u64, report: &mut Report) -> Vec<String> {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config { failure_persistence: None, ..Config::default() }, rng);
    let Ok(tree) = Machine::sequential_strategy(1..LONGEST).new_tree(&mut runner) else { return Vec::new() };
    let letters = tree.current().1;
    let explorer = Explorer::new(&Scope::RANDOM);
    let found = judge::<S>(&explorer, letters.clone());
    conclude(&explorer, report, found);
    let parts = explorer.duties().into_iter().map(|duty| format!("sync {duty}"));
    let pairs = letters.windows(2).map(|pair| format!("{} then {}", pair[0], pair[1]));
    parts.chain(pairs).collect()
}

/// Runs the letters; what is found, is shrunk.
fn judge<S: Archived>(explorer: &Explorer<'_>, letters: Vec<Letter>) -> Option<Finding> {
    explorer.run_whole::<S>(&sequence(letters.clone()));
    explorer.finding().map(|found| shrink::<S>(letters, found))
}

fn sequence(letters: Vec<Letter>) -> Sequence {
    Sequence { letters, fault: None }
}

/// A run that breaks the same invariant, and from which no letter can be left out.
fn shrink<S: Archived>(mut letters: Vec<Letter>, mut best: Finding) -> Finding {
    let until = Instant::now() + Duration::from_secs(20);
    let mut at = 0;
    while at < letters.len() && Instant::now() < until {
        let mut fewer = letters.clone();
        fewer.remove(at);
        let explorer = Explorer::new(&Scope::RANDOM);
        let possible = spell(&fewer).len() == fewer.len();
        if possible {
            explorer.run_whole::<S>(&sequence(fewer.clone()));
        }
        match explorer.finding().filter(|found| found.violation.invariant == best.violation.invariant) {
            Some(found) => (letters, best, at) = (fewer, found, 0),
            None => at += 1,
        }
    }
    best
}
