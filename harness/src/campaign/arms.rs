//! What a case may run: a run of the engine on the simulated disk, schedules of a scene, a fuzz target, a canary.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use truelog_spec::Invariant;

use super::journal::Found;
use crate::explore::{self, Swarm};
use crate::fuzzing::{TARGETS, Target};
use crate::report::Report;
use crate::schedules::{self, SCENES, Scene, Strategy};
use crate::subject::Plain;

/// Schedules of a case.
const SCHEDULES: u64 = 3;
/// Inputs of a case of a fuzz target.
const INPUTS: u64 = 500;
/// How often bytes of an input are left out, to see whether they matter.
const SHRINKS: usize = 200;
/// The longest input, in bytes, that is made from nothing.
const LONGEST: usize = 600;

/// What came of a case.
#[derive(Debug, Default)]
pub(super) struct Ran {
    pub(super) counts: BTreeMap<String, u64>,
    /// What it went through, of what is counted as coverage.
    pub(super) reached: BTreeSet<String>,
    pub(super) found: Option<Found>,
}

/// Runs a case from a seed, and from what the shard has reached so far.
pub(super) type Run = Box<dyn Fn(u64, &BTreeSet<String>) -> Ran>;

/// A kind of case.
pub(super) struct Arm {
    pub(super) name: String,
    pub(super) run: Run,
}

impl fmt::Debug for Arm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// Every kind of case there is.
pub(super) fn all() -> Vec<Arm> {
    let mut arms = vec![arm("canary".to_owned(), |seed, _| {
        let mut report = Report::new("schedules", "");
        schedules::canaries(seed, &mut report);
        told(report, Vec::new())
    })];
    arms.extend(Swarm::ALL.map(|swarm| {
        arm(swarm.name().to_owned(), move |seed, known| {
            let mut report = Report::new("random", "");
            let reached = explore::one_random::<Plain>(swarm, seed, known, &mut report);
            told(report, reached)
        })
    }));
    for scene in SCENES.iter().filter(|scene| !scene.tiny) {
        for strategy in [Strategy::Random, Strategy::Pct(3)] {
            arms.push(arm(format!("{} {strategy}", scene.name), move |seed, _| {
                schedule(scene, &strategy, seed)
            }));
        }
    }
    arms.extend(
        TARGETS.iter().map(|target| arm(format!("fuzz {}", target.name), |seed, _| fuzz(target, seed))),
    );
    arms
}

fn arm(name: String, run: impl Fn(u64, &BTreeSet<String>) -> Ran + 'static) -> Arm {
    Arm { name, run: Box::new(run) }
}

fn told(report: Report, reached: Vec<String>) -> Ran {
    let counts = report.explored.iter().map(|count| (count.what.to_owned(), count.n)).collect();
    let found = report.findings.into_iter().next().map(|finding| Found {
        invariant: finding.invariant,
        says: finding.says,
        replay: finding.replay,
        again: 0,
    });
    Ran { counts, reached: reached.into_iter().collect(), found }
}

fn schedule(scene: &'static Scene, strategy: &Strategy, seed: u64) -> Ran {
    let explored = schedules::explore(scene, strategy, seed, SCHEDULES);
    let reached = explored.kinds.iter().map(|kind| explore::point(kind)).collect();
    let mut report = Report::new("schedules", "");
    // A few schedules need not come to what a scene is about: that is asked of the check `schedules`.
    if schedules::blind(scene, &explored).is_none() || explored.found.is_some() {
        schedules::tell(scene, strategy, explored, &mut report);
    } else {
        report.count("schedules", explored.schedules);
        report.count("images", explored.judged.images);
    }
    told(report, reached)
}

/// Arbitrary bytes, and seeds with some bytes changed. A target panics only when a promise is broken.
fn fuzz(target: &'static Target, seed: u64) -> Ran {
    let seeds = seeds(target.name);
    let mut dice = Dice::new(seed);
    let mut ran = Ran::default();
    for _ in 0..INPUTS {
        let input = dice.input(&seeds);
        if let Some(says) = panics(target, &input) {
            ran.found = Some(shrunk(target, input, says));
            break;
        }
        *ran.counts.entry("fuzz inputs".to_owned()).or_default() += 1;
    }
    ran
}

/// What a target says of an input when a promise is broken.
fn panics(target: &Target, input: &[u8]) -> Option<String> {
    let payload = catch_unwind(AssertUnwindSafe(|| (target.run)(input))).err()?;
    let text = payload.downcast_ref::<String>().cloned();
    Some(text.or_else(|| payload.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default())
}

/// The invariant that a text names first; damage that is not told, if it names none.
fn invariant(says: &str) -> Invariant {
    let words = says.split(|char: char| char != '-' && !char.is_ascii_lowercase());
    words.filter_map(|word| word.parse().ok()).next().unwrap_or(Invariant::DamageIsLoud)
}

/// The input without the bytes that the same broken promise does not need.
fn shrunk(target: &Target, mut input: Vec<u8>, mut says: String) -> Found {
    let broken = invariant(&says);
    let (mut at, mut tries) = (0, SHRINKS);
    while at < input.len() && tries > 0 {
        let mut fewer = input.clone();
        fewer.remove(at);
        tries -= 1;
        match panics(target, &fewer).filter(|says| invariant(says) == broken) {
            Some(same) => (input, says) = (fewer, same),
            None => at += 1,
        }
    }
    let hex: String = input.iter().map(|byte| format!("{byte:02x}")).collect();
    let told = says.lines().find(|line| line.starts_with("VIOLATED")).or_else(|| says.lines().next());
    let case = says.lines().find(|line| line.starts_with("cargo verify case"));
    let again = format!("cargo fuzz run {} FILE, with these bytes in FILE", target.name);
    Found {
        invariant: broken.to_string(),
        says: format!("the target {}: {}\non {hex}", target.name, told.unwrap_or_default()),
        replay: case.map_or(again, str::to_owned),
        again: 0,
    }
}

/// The checked-in inputs of a target; none where the program has left its tree.
fn seeds(name: &str) -> Vec<Vec<u8>> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds").join(name);
    let mut paths: Vec<_> = std::fs::read_dir(dir)
        .map(|entries| entries.filter_map(|entry| Some(entry.ok()?.path())).collect())
        .unwrap_or_default();
    paths.sort();
    paths.iter().filter_map(|path| std::fs::read(path).ok()).collect()
}

/// Numbers that follow from a seed.
struct Dice(blake3::OutputReader);

impl Dice {
    fn new(seed: u64) -> Self {
        Self(blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof())
    }

    fn below(&mut self, bound: usize) -> usize {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        usize::try_from(u64::from_le_bytes(bytes) % (bound.max(1) as u64)).unwrap_or_default()
    }

    fn input(&mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
        if seeds.is_empty() || self.below(4) == 0 {
            let mut bytes = vec![0; self.below(LONGEST)];
            self.0.fill(&mut bytes);
            return bytes;
        }
        let mut bytes = seeds[self.below(seeds.len())].clone();
        for _ in 0..=self.below(6) {
            let at = self.below(bytes.len());
            match (self.below(4), bytes.is_empty()) {
                (0, false) => bytes.truncate(at),
                (1, _) => bytes.insert(at, u8::try_from(self.below(256)).unwrap_or_default()),
                (_, false) => bytes[at] ^= 1 << self.below(8),
                _ => {}
            }
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minds_a_seven(data: &[u8]) {
        assert!(!data.contains(&7), "read-never-stale: a seven");
    }

    #[test]
    fn an_input_that_breaks_a_promise_is_made_small_and_names_the_promise() {
        let target = Target { name: "seven", run: minds_a_seven, tells: |_| String::new() };
        let input = vec![1, 2, 7, 4, 7];
        let says = panics(&target, &input).expect("it minds");
        let found = shrunk(&target, input, says);
        assert_eq!(found.invariant, "read-never-stale");
        assert!(found.says.ends_with("on 07"), "{}", found.says);
        assert_eq!(invariant("no name at all"), Invariant::DamageIsLoud);
    }
}
