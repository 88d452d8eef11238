//! The fuzz targets on what is checked in: seeds, and regressions, which are inputs that once broke something. Each
//! input is kept in words, too, in the snapshots beside this file.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use truelog_harness::fuzzing::{TARGETS, Target};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz")
}

/// The inputs of a target, seeds first, in the order of their names.
fn inputs(target: &Target) -> Vec<(String, Vec<u8>)> {
    let mut inputs = Vec::new();
    for kind in ["seeds", "regressions"] {
        let dir = root().join(kind).join(target.name);
        // Most targets have broken nothing yet.
        let Ok(found) = fs::read_dir(&dir) else { continue };
        let mut paths: Vec<PathBuf> = found.map(|entry| entry.expect("a directory entry").path()).collect();
        paths.sort();
        for path in paths {
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            inputs.push((format!("{kind}/{name}"), fs::read(&path).expect("an input")));
        }
    }
    assert!(inputs.iter().any(|(name, _)| name.starts_with("seeds/")), "{} has no seed", target.name);
    inputs
}

#[test]
fn every_fuzz_target_runs_on_its_seeds_and_regressions() {
    for target in TARGETS {
        for (_, input) in inputs(target) {
            (target.run)(&input);
        }
    }
}

#[test]
fn every_input_is_kept_in_words() {
    for target in TARGETS {
        let mut text = String::new();
        for (name, input) in inputs(target) {
            let _ = writeln!(text, "== {name}, {} bytes\n{}", input.len(), (target.tells)(&input));
        }
        // A seed that stands for nothing shows nothing.
        assert!(!text.contains("no case") && !text.contains("changes nothing"), "{}:\n{text}", target.name);
        insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!(format!("fuzz_{}", target.name), text);
        });
    }
}

/// The workspace of the targets, the files there and the table here name the same.
#[test]
fn every_fuzz_target_is_built() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("a manifest");
    let built = manifest
        .lines()
        .filter_map(|line| line.strip_prefix("path = \"fuzz_targets/")?.strip_suffix(".rs\""));
    let known: BTreeSet<&str> = TARGETS.iter().map(|target| target.name).collect();
    assert_eq!(built.collect::<BTreeSet<_>>(), known);
    for name in known {
        let text = fs::read_to_string(root().join(format!("fuzz_targets/{name}.rs"))).expect("a target");
        assert!(
            text.contains(&format!("truelog_harness::fuzzing::{name}(data)")),
            "{name} calls another function"
        );
        assert!(text.lines().count() <= 20, "{name} is more than a call");
    }
}

/// The targets on bytes that nobody chose: any of them, and any cut of them.
#[test]
fn no_fuzz_target_minds_arbitrary_bytes() {
    use proptest::prelude::*;
    proptest!(ProptestConfig::with_cases(256), |(bytes in proptest::collection::vec(any::<u8>(), 0..600))| {
        for target in TARGETS {
            (target.run)(&bytes);
        }
    });
}

/// Every target, in every state of a seed that is cut or has one byte changed.
#[test]
fn no_fuzz_target_minds_a_seed_that_was_damaged() {
    let mut runs = 0_u64;
    for target in TARGETS {
        for (_, bytes) in inputs(target) {
            for at in 0..bytes.len().min(512) {
                (target.run)(&bytes[..at]);
                let mut changed = bytes.clone();
                changed[at] = changed[at].wrapping_add(1 + (at % 250) as u8);
                (target.run)(&changed);
                runs += 2;
            }
        }
    }
    assert!(runs > 0);
    println!("{runs} damaged seeds");
}
