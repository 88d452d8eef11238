//! Each switch is a decision that matters, and its path is the one in the corpus.

use std::collections::BTreeSet;
use std::path::Path;

use super::*;
use crate::invariant::Status;

#[test]
fn each_switch_breaks_the_invariant_that_it_protects_and_the_corpus_holds_its_path() {
    for switch in Switch::ALL {
        let trace = counterexample(*switch).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(trace.to_string().parse().as_ref(), Ok(&trace), "{switch}");
        let kept = kept(*switch);
        let facts = |trace: &Trace| (trace.invariant, trace.found_by.clone(), trace.mutant.clone());
        assert_eq!(facts(&kept), facts(&trace), "{}", switch.path());
        // Steps of a scope's written beginning may have been left out of it: each that is there is the checker's.
        let mut found = trace.lines.iter();
        let strange = kept.lines.iter().find(|line| !found.any(|one| one == *line));
        assert_eq!(strange, None, "{} is not what the checker finds", switch.path());
    }
}

fn kept(switch: Switch) -> Trace {
    let path = switch.path();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let text = std::fs::read_to_string(root.join(&path)).unwrap_or_default();
    text.parse().unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn the_corpus_ends_as_it_says() {
    for switch in Switch::ALL {
        let (path, trace) = (switch.path(), kept(*switch));
        let steps: Vec<Step> = trace.lines.iter().map(|line| line.step.clone()).collect();
        let (line, _) = trace.violation().expect("a trace violates");
        let broken = Ending::Violated { line, invariant: trace.invariant };
        assert_eq!(replay(switch.mechanism(), &steps).0, broken, "{path}");
        assert_eq!(line, steps.len(), "{path} goes on after its violation");
        let Head::Refused { line, guard } = &trace.head else { panic!("{path} is not refused") };
        let guard: Guard = guard.parse().expect("a guard by its name");
        assert!(switch.guards().contains(&guard), "{path}: {guard} is not the switch's");
        assert_eq!(replay(Mechanism::default(), &steps).0, Ending::Refused { line: *line, guard }, "{path}");
    }
}

#[test]
fn each_checked_invariant_is_protected_and_each_first_guard_is_one_switch_alone() {
    let prefetch = crate::prefetch::Switch::ALL.iter().map(|switch| switch.invariant());
    let protected: BTreeSet<Invariant> =
        Switch::ALL.iter().map(|switch| switch.invariant()).chain(prefetch).collect();
    let shown = |one: &Invariant| one.status() == Status::Checked && one.is_shown_by_traces();
    let checked = Invariant::ALL.iter().copied().filter(shown);
    assert_eq!(protected, checked.collect());
    let sets: BTreeSet<&[Guard]> = Switch::ALL.iter().map(|switch| switch.guards()).collect();
    assert_eq!(sets.len(), Switch::ALL.len());
}

#[test]
fn each_guard_is_a_decision_with_a_switch_or_is_listed_here() {
    let switched: BTreeSet<Guard> = Switch::ALL.iter().flat_map(|s| s.guards()).copied().collect();
    let others: Vec<Guard> = Guard::ALL.iter().copied().filter(|guard| !switched.contains(guard)).collect();
    // The first is no decision. A trim that is confirmed early breaks no promise: records may stay.
    assert_eq!(others, [Guard::NoSuchStep, Guard::TrimmedNeedsDurableEdit]);
}
