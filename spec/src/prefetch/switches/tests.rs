//! Each switch is a decision that matters, and its path is the one in the corpus.

use std::collections::BTreeSet;
use std::path::Path;

use super::*;
use crate::model::prefetch::INVARIANTS;

fn kept(switch: Switch) -> Trace {
    let path = switch.path();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let text = std::fs::read_to_string(root.join(&path)).unwrap_or_default();
    text.parse().unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn each_switch_breaks_the_invariant_that_it_protects_and_the_corpus_holds_its_path() {
    for switch in Switch::ALL {
        let trace = counterexample(*switch).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(trace.to_string().parse().as_ref(), Ok(&trace), "{switch}");
        assert_eq!(kept(*switch), trace, "{} is not what the checker finds", switch.path());
    }
}

#[test]
fn the_corpus_ends_as_it_says() {
    for switch in Switch::ALL {
        let (path, trace) = (switch.path(), kept(*switch));
        assert!(trace.is_of_prefetch(), "{path}");
        let steps: Vec<Step> = trace.lines.iter().map(|line| line.step.clone()).collect();
        let (line, _) = trace.violation().expect("a trace violates");
        let broken = Ending::Violated { line, invariant: trace.invariant };
        assert_eq!(replay(switch.design(), &steps).0, broken, "{path}");
        assert_eq!(line, steps.len(), "{path} goes on after its violation");
        let Head::Refused { line, guard } = &trace.head else { panic!("{path} is not refused") };
        assert_eq!(*guard, switch.guard().to_string(), "{path}");
        let refused = Ending::Refused { line: *line, guard: switch.guard() };
        assert_eq!(replay(Design::PACKED, &steps).0, refused, "{path}");
    }
}

#[test]
fn each_guard_is_a_switch_and_each_invariant_is_protected() {
    let guards: BTreeSet<Guard> = Switch::ALL.iter().map(|switch| switch.guard()).collect();
    let others: Vec<Guard> = Guard::ALL.iter().copied().filter(|guard| !guards.contains(guard)).collect();
    assert_eq!(others, [Guard::NoSuchStep]);
    let protected: BTreeSet<Invariant> = Switch::ALL.iter().map(|switch| switch.invariant()).collect();
    assert_eq!(protected, INVARIANTS.into_iter().collect());
}

#[test]
fn a_path_of_another_machine_is_refused() {
    let step: Step = "client open".parse().expect("a step");
    let refused = Ending::Refused { line: 1, guard: Guard::NoSuchStep };
    assert_eq!(replay(Design::PACKED, &[step]).0, refused);
    let step: Step = "engine prefetch publish slot=1".parse().expect("a step");
    let ending = crate::mechanism::replay(crate::mechanism::Mechanism::default(), &[step]).0;
    assert_eq!(ending, Ending::Refused { line: 1, guard: crate::mechanism::Guard::NoSuchStep });
}

#[test]
fn stories_are_sentences() {
    for switch in Switch::ALL {
        let story = switch.story();
        assert!(!story.title.ends_with('.'), "{switch}");
        for text in [story.says, story.shows, story.passing] {
            assert!(text.trim_end_matches(')').ends_with('.'), "{switch}: {text}");
        }
    }
}
