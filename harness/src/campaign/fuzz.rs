//! The fuzz targets as cases of a campaign: seeds with some bytes changed, and bytes from nothing.

use std::path::{Path, PathBuf};

use super::arms::{Ran, Story};
use super::caught::{Panicked, caught};
use super::journal::Found;
use super::propose::case_of;
use super::totals::{ALIVE, DUE};
use crate::explore::Case;
use crate::fewer::fewer;
use crate::fuzzing::{Input, Target};
use crate::subject::Plain;

/// Inputs of a case of a fuzz target.
const INPUTS: u64 = 500;
/// How often bytes of an input are left out, to see whether they matter.
const SHRINKS: usize = 200;
/// The longest input, in bytes, that is made from nothing.
const LONGEST: usize = 600;

/// The canary of the fuzz targets: what it minds is in most inputs.
const CANARY: Target = Target { name: "canary", run: minds_a_seven, tells: |_| String::new(), kibibytes: 64 };

fn minds_a_seven(data: &[u8]) {
    assert!(!data.contains(&7), "read-never-stale: a seven");
}

/// A target that must break must be found broken, by one byte, and named.
pub(super) fn canary(seed: u64) -> Ran {
    let ran = fuzz_from(&CANARY, &[], seed);
    let seen = ran.found.as_ref().is_some_and(|found| {
        found.invariant == "read-never-stale" && ran.story.as_ref().is_some_and(|story| story.bytes == [7])
    });
    let says = format!("the fuzz targets' canary lives: {:?}", ran.found);
    let found = (!seen).then(|| Found::harness(says));
    Ran { counts: [(DUE.to_owned(), 1), (ALIVE.to_owned(), u64::from(seen))].into(), found, ..Ran::default() }
}

/// Runs a target on many inputs, most of them made from what is checked in. Where nothing of that is found, next to nothing
/// would get past a target's first look: that is a finding, and nothing is run.
pub(super) fn fuzz(target: &'static Target, seed: u64) -> Ran {
    let root = inputs();
    let seeds = seeds(&root, target.name);
    if seeds.is_empty() {
        let says = format!("the target {} has no seed in {}", target.name, root.display());
        return Ran { found: Some(Found::harness(says)), ..Ran::default() };
    }
    fuzz_from(target, &seeds, seed)
}

/// The same, from these inputs. A target panics only when a promise is broken.
fn fuzz_from(target: &'static Target, seeds: &[Vec<u8>], seed: u64) -> Ran {
    let mut dice = Dice::new(seed);
    let mut ran = Ran::default();
    for _ in 0..INPUTS {
        let input = dice.input(seeds);
        *ran.counts.entry("fuzz inputs".to_owned()).or_default() += 1;
        if let Err(panicked) = caught(|| (target.run)(&input)) {
            let (input, panicked) = shrunk(target, input, panicked);
            let (found, story) = told(target, &input, &panicked);
            (ran.found, ran.story) = (Some(found), Some(story));
            break;
        }
    }
    ran
}

/// The input without the bytes that the same broken promise does not need.
fn shrunk(target: &Target, input: Vec<u8>, mut panicked: Panicked) -> (Vec<u8>, Panicked) {
    let input = fewer(input, SHRINKS, |rest| {
        let same = caught(|| (target.run)(rest)).err().filter(|same| same.breaks() == panicked.breaks());
        let kept = same.is_some();
        panicked = same.unwrap_or_else(|| panicked.clone());
        Some(kept)
    });
    (input, panicked)
}

fn told(target: &'static Target, bytes: &[u8], panicked: &Panicked) -> (Found, Story) {
    let input = Input { target, bytes: bytes.to_vec() };
    let case = panicked.says.lines().find_map(case_of);
    let single = case.and_then(|case| {
        let case: Case = case.parse().ok()?;
        let broken = panicked.breaks().parse().ok()?;
        caught(|| case.with_fewer_crashes::<Plain>(broken)).ok().flatten()
    });
    let kinds = single.as_deref().and_then(|case| Some(case.parse::<Case>().ok()?.kinds()));
    let found = Found {
        invariant: panicked.breaks().to_owned(),
        says: format!("the target {}: {}", target.name, panicked.line()),
        violation: panicked.line().to_owned(),
        kinds: kinds.unwrap_or_else(|| target.name.to_owned()),
        replay: input.replay(),
        case: single,
        ..Found::default()
    };
    let decoded = caught(|| (target.tells)(bytes)).unwrap_or_else(|panicked| panicked.says);
    let story = Story {
        name: format!("fuzz/{}", target.name),
        seen: format!("fuzz target {}", target.name),
        says: format!(
            "The target `{}`, in which {}.\n\nThe input, {} bytes: `{}`\n\nWhat it stands for:\n\n```text\n{decoded}\n```\n",
            target.name,
            if panicked.at.is_empty() {
                "something panics".to_owned()
            } else {
                format!("`{}` panics", panicked.at)
            },
            bytes.len(),
            input.hex(),
        ),
        bytes: bytes.to_vec(),
    };
    (found, story)
}

/// Where the checked-in inputs are, if the program has not left its tree.
fn inputs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz")
}

/// The checked-in inputs of a target: seeds, and what once broke something.
fn seeds(root: &Path, name: &str) -> Vec<Vec<u8>> {
    let mut inputs = Vec::new();
    for kind in ["seeds", "regressions"] {
        let Ok(entries) = std::fs::read_dir(root.join(kind).join(name)) else { continue };
        let mut paths: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        paths.sort();
        inputs.extend(paths.iter().filter_map(|path| std::fs::read(path).ok()));
    }
    inputs
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
    use super::super::caught::HARNESS;
    use super::*;
    use crate::fuzzing::TARGETS;

    #[test]
    fn an_input_that_breaks_a_promise_is_made_small_and_names_the_promise() {
        let panicked = caught(|| minds_a_seven(&[7])).expect_err("it minds");
        let (input, panicked) = shrunk(&CANARY, vec![1, 2, 7, 4, 7], panicked);
        assert_eq!((input.as_slice(), panicked.breaks()), ([7].as_slice(), "read-never-stale"));
        let (found, story) = told(&CANARY, &input, &panicked);
        assert_eq!(found.replay, "cargo verify input canary 07");
        assert!(story.says.contains("1 bytes: `07`"), "{}", story.says);
    }

    #[test]
    fn a_target_without_a_seed_is_a_finding_and_every_target_has_one() {
        for target in TARGETS {
            assert!(!seeds(&inputs(), target.name).is_empty(), "{}", target.name);
        }
        let ran = fuzz(&CANARY, 1);
        let found = ran.found.expect("a finding");
        assert_eq!(found.invariant, HARNESS);
        assert!(found.says.starts_with("the target canary has no seed in "), "{}", found.says);
        assert!(ran.counts.is_empty(), "{:?}", ran.counts);
    }

    /// The container is built in /src, and holds there what the path to the inputs goes through.
    #[test]
    fn the_container_has_the_inputs_where_they_are_looked_for() {
        let file = inputs().join("../docs/campaign/Containerfile");
        let text = std::fs::read_to_string(file).expect("the container file");
        let (build, image) = text.rsplit_once("\nFROM ").expect("two stages");
        assert!(build.contains("\nWORKDIR /src\n"), "{build}");
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).file_name().and_then(|name| name.to_str());
        for line in [
            format!("\nRUN mkdir -p /src/{}\n", manifest.expect("a folder")),
            "\nCOPY --from=build /src/fuzz /src/fuzz\n".to_owned(),
        ] {
            assert!(image.contains(&line), "{line}");
        }
    }

    #[test]
    fn the_canary_is_found() {
        let ran = canary(1);
        assert!(ran.found.is_none() && ran.counts[ALIVE] == 1 && ran.counts[DUE] == 1, "{ran:?}");
    }
}
