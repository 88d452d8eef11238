//! The check `random`: longer runs than any pinned scope has, drawn by swarm weights.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::strategy::{Union, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use proptest_state_machine::ReferenceStateMachine;
use truelog_spec::Invariant;

use super::alphabet::Situation;
use super::check::conclude;
use super::guided::{self, point};
use super::{Explorer, Finding, Letter, Scope, Sequence, Struck, spell};
use crate::command::Plan;
use crate::driver::Duty;
use crate::fabric::SyncOp;
use crate::fewer::fewer;
use crate::order::MECHANISM;
use crate::progress::Progress;
use crate::report::Report;
use crate::share::THREADS;
use crate::subject::{Archived, Plain};

/// The most letters of a run.
const LONGEST: usize = 40;
/// The same with an archive, of which a letter is a lot of work.
const LONGEST_ARCHIVE: usize = 10;

/// How many runs a finding may be shrunk by.
pub(super) const SHRINKS: usize = 150;
/// How many runs the canary of the swarm is looked for in.
const CANARY_RUNS: u64 = 20;

/// What generates runs: the situation says which letters are possible, the weights how likely each is.
#[derive(Debug, Clone, Copy)]
struct Machine<const ARCHIVE: bool>;

/// What a campaign draws a run from.
#[derive(Debug, Clone, Copy)]
pub struct Swarm {
    name: &'static str,
    scope: &'static Scope,
    way: Way,
}

/// How a run is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// By weights.
    Drawn,
    /// The same, and a call of the last step goes wrong.
    Struck,
    /// By the mechanism, to kinds of steps that no run has taken yet.
    Led,
}

impl Swarm {
    /// All of them: of the log alone, of a log with an archive on two drives, and of both where segments are used again.
    pub const ALL: [Self; 12] = [
        Self::new("run", &Scope::RANDOM, Way::Drawn),
        Self::new("run struck", &Scope::RANDOM, Way::Struck),
        Self::new("archive", &Scope::RANDOM_ARCHIVE, Way::Drawn),
        Self::new("archive struck", &Scope::RANDOM_ARCHIVE, Way::Struck),
        Self::new("guided", &Scope::RANDOM, Way::Led),
        Self::new("guided archive", &Scope::RANDOM_ORDER, Way::Led),
        Self::new("reused", &Scope::RANDOM_REUSED, Way::Drawn),
        Self::new("reused struck", &Scope::RANDOM_REUSED, Way::Struck),
        Self::new("reused archive", &Scope::RANDOM_ARCHIVE_REUSED, Way::Drawn),
        Self::new("reused archive struck", &Scope::RANDOM_ARCHIVE_REUSED, Way::Struck),
        Self::new("guided reused", &Scope::RANDOM_REUSED, Way::Led),
        Self::new("guided reused archive", &Scope::RANDOM_ORDER_REUSED, Way::Led),
    ];

    const fn new(name: &'static str, scope: &'static Scope, way: Way) -> Self {
        Self { name, scope, way }
    }

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.name
    }
}

const fn scope<const ARCHIVE: bool>() -> &'static Scope {
    if ARCHIVE { &Scope::RANDOM_ARCHIVE } else { &Scope::RANDOM }
}

const fn longest<const ARCHIVE: bool>() -> usize {
    if ARCHIVE { LONGEST_ARCHIVE } else { LONGEST }
}

/// The state of the generator.
#[derive(Debug, Clone)]
struct Model {
    situation: Situation,
    /// One for each letter. Each run does without some letters altogether: bugs hide behind what others undo.
    weights: Vec<u32>,
}

impl<const ARCHIVE: bool> ReferenceStateMachine for Machine<ARCHIVE> {
    type State = Model;
    type Transition = Letter;

    fn init_state() -> BoxedStrategy<Model> {
        let weight = prop::sample::select(vec![0, 1, 1, 8]);
        let scope = scope::<ARCHIVE>();
        prop::collection::vec(weight, scope.alphabet.len())
            .prop_map(|weights| Model { situation: Situation::behind(scope.prefix), weights })
            .boxed()
    }

    fn transitions(model: &Model) -> BoxedStrategy<Letter> {
        let possible = |letter: &Letter| model.situation.clone().take(*letter).is_some();
        let weighted = |floor: u32| -> Vec<(u32, BoxedStrategy<Letter>)> {
            let alphabet = scope::<ARCHIVE>().alphabet.iter().copied();
            let letters = alphabet.zip(&model.weights).filter(|(letter, _)| possible(letter));
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
    report.note(Scope::RANDOM.lists());
    let seed = plan.seed();
    report.note(format!(
        "seed {seed}: runs of up to {LONGEST} letters, up to {} choices a crash point; in every other one segments are used again",
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
        let mut runner = runner(seed, thread);
        // Every other run uses segments again.
        for scope in [&Scope::RANDOM, &Scope::RANDOM_REUSED].into_iter().cycle() {
            if Instant::now() >= until || !super::lock(&shared).findings.is_empty() {
                return;
            }
            // The strategy rejects nothing, so it always gives a run.
            let Some(letters) = letters::<false>(&mut runner) else { continue };
            let explorer = Explorer::new(scope);
            let found = judge::<S>(&explorer, Sequence { letters, fault: None });
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

pub(super) fn runner(seed: u64, thread: u64) -> TestRunner {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8..16].copy_from_slice(&thread.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    TestRunner::new_with_rng(Config { failure_persistence: None, ..Config::default() }, rng)
}

fn letters<const ARCHIVE: bool>(runner: &mut TestRunner) -> Option<Vec<Letter>> {
    let strategy = Machine::<ARCHIVE>::sequential_strategy(1..longest::<ARCHIVE>());
    strategy.new_tree(runner).ok().map(|tree| tree.current().1)
}

/// Draws and judges the one run of a swarm that follows from `seed` and, where it is led, from what is `known` already.
/// Returns what it went through: the parts that syncs played, which letter followed which, and of a led run the kinds of the
/// mechanism's steps.
pub fn one<S: Archived>(
    swarm: Swarm,
    seed: u64,
    known: &BTreeSet<String>,
    report: &mut Report,
) -> Vec<String> {
    let mut runner = runner(seed, 0);
    let drawn = match swarm.way {
        Way::Led => Some(guided::letters(swarm.scope, known, &mut runner)),
        _ if swarm.scope.prefix.is_empty() => letters::<false>(&mut runner),
        _ => letters::<true>(&mut runner),
    };
    let Some(letters) = drawn else { return Vec::new() };
    let mut sequence = Sequence { letters, fault: None };
    let explorer = Explorer::new(swarm.scope);
    if swarm.way == Way::Struck {
        // Some go wrong in the create or in the prefix already: hardly any run is drawn that has nothing behind it.
        let upto = if runner.rng().next_u64().is_multiple_of(8) { 0 } else { strikeable(&sequence.letters) };
        sequence.letters.truncate(upto);
        sequence.fault = struck::<S>(&sequence, swarm.scope, &mut runner);
    }
    let pairs = sequence.letters.windows(2).map(|pair| format!("{} then {}", pair[0], pair[1]));
    let mut reached: Vec<String> = pairs.collect();
    if let (Some(struck), Some(last)) = (sequence.fault, sequence.letters.last()) {
        reached.push(format!("{last} struck by {}", struck.kind));
    }
    if swarm.way == Way::Led {
        match sequence.walked::<S>(swarm.scope) {
            Ok(walked) => {
                report.count("steps of the mechanism", walked.steps);
                reached.extend(walked.kinds.iter().chain(&walked.turns).map(|kind| point(kind)));
            }
            // Where no rule of the design stands against it, the mechanism is at its end, and nothing is known of the engine.
            Err((refused, _)) if refused.breaks() == MECHANISM => {
                report.count("led runs that the mechanism cannot follow", 1);
            }
            Err((refused, says)) => {
                let case = super::case::first_life(swarm.scope, &sequence);
                report.find(refused.breaks(), says, format!("cargo verify case \"{case}\""));
            }
        }
    }
    let found = judge::<S>(&explorer, sequence);
    conclude(&explorer, report, found);
    report.count("faults fired", explorer.counts().faults.get());
    reached.extend(explorer.duties().into_iter().map(|duty| format!("sync {duty}")));
    reached
}

/// The canary of the swarm: on a disk that leaves out the data syncs of appends, acknowledged records are lost. Whether that
/// is found.
pub fn canary<S: Archived>(seed: u64, report: &mut Report) -> bool {
    let ignored = Duty { phase: "append", file: "segment", sync: SyncOp::Data, after: "" };
    let lying = Scope { ignored: Some(ignored), ..Scope::RANDOM };
    let mut runner = runner(seed, 0);
    (0..CANARY_RUNS).any(|_| {
        let Some(letters) = letters::<false>(&mut runner) else { return false };
        let explorer = Explorer::new(&lying);
        explorer.run_whole::<S>(&Sequence { letters, fault: None });
        explorer.counts().report(report);
        explorer.finding().is_some_and(|found| found.violation.invariant == Invariant::AckedIsDurable)
    })
}

/// How many letters there are up to the last one of whose calls each may go wrong.
fn strikeable(letters: &[Letter]) -> usize {
    letters.iter().rposition(|letter| Scope::struck(*letter)).map_or(0, |at| at + 1)
}

/// A call of the last step, and what goes wrong with it.
fn struck<S: Archived>(sequence: &Sequence, scope: &Scope, runner: &mut TestRunner) -> Option<Struck> {
    let ways = Struck::ways(&sequence.calls::<S>(scope));
    if ways.is_empty() {
        return None;
    }
    let drawn = runner.rng().next_u64() % ways.len() as u64;
    ways.get(usize::try_from(drawn).ok()?).copied()
}

/// Runs a sequence; what is found, is shrunk.
fn judge<S: Archived>(explorer: &Explorer<'_>, sequence: Sequence) -> Option<Finding> {
    run::<S>(explorer, &sequence);
    let found = explorer.finding()?;
    Some(shrink::<S>(without_archive::<S>(explorer.scope, &sequence, &found), sequence, found))
}

/// The scope without an archive, if the same run breaks the same invariant there: what needs no drives is told without them.
fn without_archive<'a, S: Archived>(scope: &'a Scope, sequence: &Sequence, found: &Finding) -> &'a Scope {
    let log = if scope.setup.reuse { &Scope::RANDOM_REUSED } else { &Scope::RANDOM };
    if scope.prefix.is_empty() || spell(&sequence.letters).len() < sequence.letters.len() {
        return scope;
    }
    let explorer = Explorer::new(log);
    run::<S>(&explorer, sequence);
    let same = explorer.finding().is_some_and(|one| one.violation.invariant == found.violation.invariant);
    if same { log } else { scope }
}

/// Of a run with a fault only what comes of its last letter is judged: what went before is a run without one.
pub(super) fn run<S: Archived>(explorer: &Explorer<'_>, sequence: &Sequence) {
    match sequence.fault {
        Some(_) => drop(explorer.sequence::<S>(0, sequence)),
        None => explorer.run_whole::<S>(sequence),
    }
}

/// A run that breaks the same invariant, and from which no letter can be left out; nor a failing call, if there is one.
pub(super) fn shrink<S: Archived>(scope: &Scope, sequence: Sequence, found: Finding) -> Finding {
    let broken = found.violation.invariant;
    let breaks = |sequence: &Sequence| {
        let explorer = Explorer::new(scope);
        run::<S>(&explorer, sequence);
        explorer.breaking(broken)
    };
    if sequence.fault.is_some() {
        let honest = Sequence { fault: None, ..sequence.clone() };
        if let Some(found) = breaks(&honest) {
            return shrink::<S>(scope, honest, found);
        }
    }
    // In its own words: the scope may be a smaller one than it was found in.
    let mut best = breaks(&sequence).unwrap_or(found);
    fewer(sequence.letters.clone(), SHRINKS, |letters| {
        let whole = [scope.prefix, letters].concat();
        if spell(&whole).len() < whole.len() {
            return None;
        }
        let found = sequence.alike::<S>(scope, letters.to_vec()).iter().find_map(breaks);
        let kept = found.is_some();
        best = found.unwrap_or_else(|| best.clone());
        Some(kept)
    });
    best
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::{Deed, Driver};
    use crate::explore::new_disk;
    use crate::explore::teller::is_used_again;

    /// How many of 40 drawn runs use the file of a segment again.
    fn used_again(swarm: Swarm) -> usize {
        let mut runner = runner(11, 0);
        let uses = |letters: Vec<Letter>| {
            let mut driver = Driver::<Plain>::new(new_disk(swarm.scope), swarm.scope.setup);
            driver.tell_steps();
            Sequence { letters, fault: None }.play(swarm.scope, &mut driver, |_, _| {});
            let deeds = driver.deeds();
            deeds
                .windows(2)
                .any(|pair| matches!(&pair[0], Deed::Step(step) if is_used_again(step, Some(&pair[1]))))
        };
        let drawn = |runner: &mut TestRunner| {
            if swarm.scope.prefix.is_empty() { letters::<false>(runner) } else { letters::<true>(runner) }
        };
        (0..40).filter(|_| drawn(&mut runner).is_some_and(uses)).count()
    }

    #[test]
    fn segments_are_used_again_where_that_is_what_is_drawn_for_and_nowhere_else() {
        for swarm in Swarm::ALL.into_iter().filter(|swarm| swarm.way == Way::Drawn) {
            let uses = used_again(swarm);
            let least = if swarm.scope.setup.reuse { 5..=40 } else { 0..=0 };
            assert!(least.contains(&uses), "{}: {uses} of 40", swarm.name());
        }
    }
}
