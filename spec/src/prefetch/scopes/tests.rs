//! Each small scope is explored to its end on the slot word, and each design with two flags is decided.

use std::collections::BTreeSet;

use super::*;
use crate::invariant::Invariant;
use crate::model::prefetch::{EVERY_READ_ENDS, EVERY_SLOT_COMES_BACK, explore};
use crate::prefetch::{Design, Flags, Guard};

#[test]
fn the_slot_word_holds_in_every_small_scope() {
    let mut table = String::new();
    for scope in small() {
        let explored = explore(&scope, Design::PACKED, 1);
        if let Some((name, path)) = explored.violated.first() {
            let path: Vec<String> = path.iter().map(ToString::to_string).collect();
            panic!("{name} is violated in {}:\n{}", scope.name, path.join("\n"));
        }
        assert!(explored.missed.is_empty(), "{} never meets {:?}", scope.name, explored.missed);
        assert!(explored.holds());
        table += &format!("{:<12} {:>7} states, depth {:>2}\n", scope.name, explored.unique, explored.depth);
    }
    insta::assert_snapshot!(table);
}

/// What the checker says of two flags, whatever is done to them: the incident's design, its patch, and all between.
#[test]
fn every_design_with_two_flags_is_decided() {
    let mut table = String::new();
    for flags in Flags::all() {
        let explored = explore(&two_flags(), Design::Flags(flags), 1);
        assert!(explored.missed.is_empty(), "{flags:?} never meets {:?}", explored.missed);
        let verdict: Vec<String> =
            explored.violated.iter().map(|(name, path)| format!("{name} in {}", path.len())).collect();
        let name = match flags {
            Flags::HISTORICAL => "Historical",
            Flags::PATCHED => "Patched",
            _ => "",
        };
        let order = if flags.pending_first { "pending first" } else { "ready first" };
        let part = |on: bool, what: &'static str| if on { what } else { "-" };
        table += &format!(
            "{name:<10} | {order:<13} | {:<7} | {:<18} | {:<18} | {:>4} states | {}\n",
            part(flags.barrier, "barrier"),
            part(flags.outlasting, "outlasting backoff"),
            part(flags.dooms, "drop reaches reads"),
            explored.unique,
            if verdict.is_empty() { "holds".to_owned() } else { verdict.join(", ") },
        );
    }
    insta::assert_snapshot!(table);
}

/// One mismatch may be bad luck: the incident's script tried three times more before it blamed the drive.
#[test]
fn retries_meet_the_same_flags() {
    for (flags, steps) in [(Flags::HISTORICAL, 17), (Flags::PATCHED, 19)] {
        let explored = explore(&two_flags(), Design::Flags(Flags { retries: RETRIES, ..flags }), 1);
        let lengths: Vec<_> = explored.violated.iter().map(|(name, path)| (*name, path.len())).collect();
        assert_eq!(lengths, [(Invariant::VerifySeesOneState.as_str(), steps)]);
    }
}

/// The features of a scope, by name.
fn features(scope: &Scope) -> BTreeSet<&'static str> {
    let menu = &scope.menu;
    [
        ("two readers", menu.readers > 1),
        ("rewrites", menu.limits.rewrites > 0),
        ("two blocks", menu.blocks > 1),
        ("two slots", menu.slots > 1),
        ("halves", menu.halves),
        ("short", menu.short),
        ("garbled", menu.garbled),
        ("rot", menu.rot),
        ("reclaim", menu.reclaim),
    ]
    .into_iter()
    .filter_map(|(name, on)| on.then_some(name))
    .collect()
}

#[test]
fn every_pair_of_features_shares_a_scope_and_large_ones_are_the_same_worlds() {
    let all: BTreeSet<&str> = small().iter().flat_map(features).collect();
    assert_eq!(all.len(), 9);
    assert!(small().iter().any(|scope| features(scope) == all), "one scope has them all");
    for (small, large) in small().iter().zip(large()) {
        assert_eq!((small.name, features(small)), (large.name, features(&large)));
    }
    assert_eq!(small().len(), large().len());
    let met: BTreeSet<Witness> = small().into_iter().flat_map(|scope| scope.witnesses).collect();
    let flags: BTreeSet<Witness> = two_flags().witnesses.into_iter().collect();
    assert_eq!(met.union(&flags).count(), Witness::ALL.len(), "each witness is asked for");
}

/// A check that cannot fail is none.
#[test]
fn the_checks_of_no_invariant_see_what_they_are_for() {
    let freed = Design::without(&[Guard::FreeNeedsNoPins]);
    let explored = explore(&one_slot(limits(2, 1, 0)), freed, 1);
    let broken: Vec<&str> = explored.violated.iter().map(|(name, _)| *name).collect();
    assert_eq!(broken, [EVERY_SLOT_COMES_BACK, Invariant::ReadNeverStale.as_str()]);
    assert!(explored.held.contains(&EVERY_READ_ENDS));
    // A pin on a slot that nobody has: the reader can neither be served nor give it back.
    let mut state = State::default();
    state.readers[0].doing = Doing::Pinned(2);
    assert!(Design::PACKED.is_stuck(&state, &one_slot(limits(1, 0, 0)).menu));
}
