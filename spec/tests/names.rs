//! Each invariant has one spelling: in the code, in the docs and in the corpus.

use std::collections::BTreeSet;
use std::path::Path;

use truelog_spec::mechanism::Guard;
use truelog_spec::switches::Switch;
use truelog_spec::{Invariant, Status, Trace, prefetch};

/// The sections of the document: heading, text.
fn sections() -> Vec<(&'static str, String)> {
    let document = include_str!("../../docs/INVARIANTS.md");
    let sections = document.split("\n## ").skip(1);
    sections
        .map(|section| {
            let (heading, text) = section.split_once('\n').expect("a heading has a text");
            (heading, text.split_whitespace().collect::<Vec<_>>().join(" ").replace("> ", ""))
        })
        .collect()
}

#[test]
fn the_document_has_these_headings_and_says_the_same() {
    let sections = sections();
    let headings: Vec<&str> = sections.iter().map(|(heading, _)| *heading).collect();
    let names: Vec<&str> = Invariant::ALL.iter().map(|one| one.as_str()).collect();
    assert_eq!(headings, names);
    for (invariant, (_, text)) in Invariant::ALL.iter().zip(&sections) {
        assert!(text.starts_with(invariant.says()), "{invariant}: {text}");
        let unchecked = text.contains("**UNCHECKED.**");
        assert_eq!(unchecked, invariant.status() == Status::Unchecked, "{invariant}");
        assert_eq!(unchecked, !text.contains("**Checked by**"), "{invariant}");
    }
}

/// The names of all guards, of the mechanism and of the prefetch.
fn guards() -> BTreeSet<&'static str> {
    let mechanism =
        Guard::ALL.iter().filter(|guard| **guard != Guard::NoSuchStep).map(|guard| guard.as_str());
    let word = prefetch::Guard::ALL.iter().filter(|guard| **guard != prefetch::Guard::NoSuchStep);
    mechanism.chain(word.map(|guard| guard.as_str())).collect()
}

/// What the document says each invariant is held by.
fn held_by() -> BTreeSet<(Invariant, &'static str)> {
    let mut named = BTreeSet::new();
    for (invariant, (_, text)) in Invariant::ALL.iter().zip(sections()) {
        let Some((_, held)) = text.split_once("**Held by** ") else { continue };
        let (names, _) = held.split_once(". ").expect("the guards end with a full stop");
        for guard in names.split(", ") {
            let known = guards().into_iter().find(|known| *known == guard.trim_matches('`'));
            named.insert((*invariant, known.unwrap_or_else(|| panic!("{invariant}: no guard is {guard}"))));
        }
    }
    named
}

#[test]
fn what_a_switch_turns_off_is_said_to_hold_its_invariant() {
    let named = held_by();
    let mechanism = Switch::ALL.iter().map(|switch| (switch.invariant(), switch.guards()[0].as_str()));
    let word = prefetch::Switch::ALL.iter().map(|switch| (switch.invariant(), switch.guard().as_str()));
    for (invariant, guard) in mechanism.chain(word) {
        assert!(named.contains(&(invariant, guard)), "{invariant}: {guard} is missing");
    }
}

#[test]
fn the_document_names_every_guard_and_no_other() {
    let named: BTreeSet<&str> = held_by().into_iter().map(|(_, guard)| guard).collect();
    let missing: Vec<&str> = guards().difference(&named).copied().collect();
    assert!(missing.is_empty(), "no invariant is said to be held by {missing:?}");
}

#[test]
fn what_no_trace_can_show_a_mutant_shows() {
    let mutants = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus/mutants");
    let texts: Vec<String> = std::fs::read_dir(mutants)
        .expect("the mutants are there")
        .map(|entry| std::fs::read_to_string(entry.expect("an entry").path()).expect("a patch is text"))
        .collect();
    for invariant in Invariant::ALL.iter().filter(|one| !one.is_shown_by_traces()) {
        let line = format!("\ninvariant: {invariant}\n");
        assert!(texts.iter().any(|text| text.contains(&line)), "{invariant}");
    }
}

/// The folders of the corpus are the other invariants that are checked, each with at least one trace of its own.
#[test]
fn the_corpus_has_a_folder_for_each_checked_invariant() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus");
    let mut folders = BTreeSet::new();
    for entry in std::fs::read_dir(&corpus).expect("the corpus is there") {
        let entry = entry.expect("the corpus can be listed");
        let name = entry.file_name().into_string().expect("names are text");
        if entry.path().is_dir() && name != "mutants" {
            folders.insert(name);
        }
    }
    let shown = |one: &&Invariant| one.status() == Status::Checked && one.is_shown_by_traces();
    let checked = Invariant::ALL.iter().filter(shown);
    assert_eq!(folders, checked.map(|one| one.as_str().to_owned()).collect());
    for folder in folders {
        let mut traces = 0;
        for entry in std::fs::read_dir(corpus.join(&folder)).expect("a folder can be listed") {
            let path = entry.expect("a folder can be listed").path();
            if path.extension().is_some_and(|extension| extension == "trace") {
                let text = std::fs::read_to_string(&path).expect("a trace is text");
                let trace: Trace = text.parse().unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                assert_eq!(trace.invariant.as_str(), folder, "{}", path.display());
                assert!(path.with_extension("md").is_file(), "{} has no page", path.display());
                traces += 1;
            }
        }
        assert!(traces > 0, "corpus/{folder} holds no trace");
    }
}
