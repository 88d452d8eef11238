//! The fuzz targets as cases of a campaign: seeds with some bytes changed, and bytes from nothing.

use super::arms::{Ran, Story};
use super::journal::Found;
use super::propose::case_of;
use super::totals::{ALIVE, DUE};
use crate::caught::caught;
use crate::explore::Case;
use crate::fuzzing::{Broken, CANARY, Input, Target, checked_in, hunt};
use crate::subject::Plain;

/// Inputs of a case of a fuzz target.
const INPUTS: u64 = 500;

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

/// Runs a target on many inputs, most of them made from what is checked in. Where nothing of that is found nothing is run.
pub(super) fn fuzz(target: &'static Target, seed: u64) -> Ran {
    match checked_in(target) {
        Ok(inputs) => fuzz_from(target, &inputs, seed),
        Err(says) => Ran { found: Some(Found::harness(says)), ..Ran::default() },
    }
}

fn fuzz_from(target: &'static Target, inputs: &[Vec<u8>], seed: u64) -> Ran {
    let (runs, broken) = hunt(target, inputs, seed, INPUTS);
    let (found, story) = broken.map(|broken| told(&broken)).unzip();
    Ran { counts: [("fuzz inputs".to_owned(), runs)].into(), found, story, ..Ran::default() }
}

fn told(broken: &Broken) -> (Found, Story) {
    let Broken { input, panicked } = broken;
    let Input { target, bytes } = input;
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
        title: String::new(),
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
        bytes: bytes.clone(),
        race: None,
    };
    (found, story)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::caught::HARNESS;
    use crate::fuzzing::{inputs, tried};

    #[test]
    fn a_finding_is_told_with_its_bytes_and_the_command_that_shows_it_again() {
        let broken = tried(&CANARY, &[1, 7]).expect("it minds");
        let (found, story) = told(&broken);
        assert_eq!(found.replay, "cargo verify input canary 07");
        assert!(story.says.contains("1 bytes: `07`"), "{}", story.says);
    }

    #[test]
    fn a_target_without_a_seed_is_a_finding() {
        let ran = fuzz(&CANARY, 1);
        assert_eq!(ran.found.expect("a finding").invariant, HARNESS);
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
