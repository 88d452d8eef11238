//! Each switch is a decision that matters, and its path is the one in the corpus.

use std::collections::BTreeSet;
use std::path::Path;

use super::*;
use crate::invariant::Status;

#[test]
fn each_switch_breaks_the_invariant_that_it_protects_and_the_corpus_holds_its_path() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let traces = corpus().expect("each switch has its path");
    assert_eq!(traces.len(), Switch::ALL.len());
    for (path, trace) in traces {
        let text = trace.to_string();
        assert_eq!(text.parse().as_ref(), Ok(&trace), "{path}");
        let kept = std::fs::read_to_string(root.join(&path)).unwrap_or_default();
        assert_eq!(kept, text, "{path} is not what the checker finds");
    }
}

#[test]
fn the_corpus_ends_as_it_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for switch in Switch::ALL {
        let path = format!("corpus/{}/{switch}.trace", switch.invariant());
        let text = std::fs::read_to_string(root.join(&path)).unwrap_or_default();
        let trace: Trace = text.parse().unwrap_or_else(|error| panic!("{path}: {error}"));
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
    let protected: BTreeSet<Invariant> = Switch::ALL.iter().map(|switch| switch.invariant()).collect();
    let checked = Invariant::ALL.iter().copied().filter(|one| one.status() == Status::Checked);
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
