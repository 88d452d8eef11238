//! Inputs of a target without end: what is checked in with some bytes changed, and bytes from nothing.

use std::path::{Path, PathBuf};

use super::{Input, Target};
use crate::caught::{Panicked, caught};
use crate::fewer::fewer;

/// How often bytes of an input are left out, to see whether they matter.
const SHRINKS: usize = 200;
/// The longest input, in bytes, that is made from nothing.
const LONGEST: usize = 600;

/// The canary of the hunt itself: what it minds is in most inputs.
pub(crate) const CANARY: Target =
    Target { name: "canary", run: minds_a_seven, tells: |_| String::new(), kibibytes: 64 };

fn minds_a_seven(data: &[u8]) {
    assert!(!data.contains(&7), "read-never-stale: a seven");
}

/// An input that breaks a promise, and how that shows. A target panics only when a promise is broken.
#[derive(Debug)]
pub(crate) struct Broken {
    pub(crate) input: Input,
    pub(crate) panicked: Panicked,
}

/// Runs a target on one input; without the bytes that the same broken promise does not need, if it breaks one.
pub(crate) fn tried(target: &'static Target, bytes: &[u8]) -> Option<Broken> {
    let panicked = caught(|| (target.run)(bytes)).err()?;
    Some(shrunk(target, bytes.to_vec(), panicked))
}

/// Runs a target on inputs that follow from the seed, so many at most, and until one breaks a promise. Says how many there were.
pub(crate) fn hunt(
    target: &'static Target,
    checked_in: &[Vec<u8>],
    seed: u64,
    most: u64,
) -> (u64, Option<Broken>) {
    let mut dice = Dice::new(seed);
    for run in 1..=most {
        if let Some(broken) = tried(target, &dice.input(checked_in)) {
            return (run, Some(broken));
        }
    }
    (most, None)
}

fn shrunk(target: &'static Target, bytes: Vec<u8>, mut panicked: Panicked) -> Broken {
    let bytes = fewer(bytes, SHRINKS, |rest| {
        let same = caught(|| (target.run)(rest)).err().filter(|same| same.breaks() == panicked.breaks());
        let kept = same.is_some();
        panicked = same.unwrap_or_else(|| panicked.clone());
        Some(kept)
    });
    Broken { input: Input { target, bytes }, panicked }
}

/// Where the checked-in inputs are, if the program has not left its tree.
pub(crate) fn inputs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz")
}

/// The checked-in inputs of a target: seeds, and what once broke something. Where there is none next to nothing would get past
/// the target's first look.
///
/// # Errors
/// A sentence that says so.
pub(crate) fn checked_in(target: &Target) -> Result<Vec<Vec<u8>>, String> {
    let root = inputs();
    let mut inputs = Vec::new();
    for kind in ["seeds", "regressions"] {
        let entries = std::fs::read_dir(root.join(kind).join(target.name)).into_iter().flatten();
        let mut paths: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        paths.sort();
        for path in paths {
            inputs.push(std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?);
        }
        if inputs.is_empty() {
            return Err(format!("the target {} has no seed in {}", target.name, root.display()));
        }
    }
    Ok(inputs)
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
    use super::super::TARGETS;
    use super::*;

    #[test]
    fn an_input_that_breaks_a_promise_is_made_small_and_names_the_promise() {
        let Broken { input, panicked } = tried(&CANARY, &[1, 2, 7, 4, 7]).expect("it minds");
        assert_eq!((input.bytes.as_slice(), panicked.breaks()), ([7].as_slice(), "read-never-stale"));
        assert_eq!(input.replay(), "cargo verify input canary 07");
        assert!(tried(&CANARY, &[1, 2]).is_none());
    }

    #[test]
    fn a_hunt_ends_with_its_first_find_or_with_its_last_input() {
        let (runs, broken) = hunt(&CANARY, &[], 1, 500);
        assert!(runs < 500 && broken.is_some(), "{runs} {broken:?}");
        let (runs, broken) = hunt(&CANARY, &[], 1, runs - 1);
        assert!(broken.is_none(), "{runs} {broken:?}");
    }

    #[test]
    fn every_target_has_a_seed_and_one_without_is_told() {
        for target in TARGETS {
            assert!(checked_in(target).is_ok(), "{}", target.name);
        }
        let why = checked_in(&CANARY).expect_err("no seed");
        assert!(why.starts_with("the target canary has no seed in "), "{why}");
    }
}
