//! Each small scope is explored to its end: counts are pinned, everything holds, everything is met.

use std::collections::BTreeSet;

use super::*;
use crate::model::explore;

#[test]
fn the_design_holds_in_every_small_scope() {
    let mut table = String::new();
    for scope in small() {
        let explored = explore(&scope, 1);
        if let Some((name, path)) = explored.violated.first() {
            let path: Vec<String> = path.iter().map(ToString::to_string).collect();
            panic!("{name} is violated in {}:\n{}", scope.name, path.join("\n"));
        }
        assert!(explored.missed.is_empty(), "{} never meets {:?}", scope.name, explored.missed);
        assert!(explored.holds());
        table +=
            &format!("{:<20} {:>7} states, depth {:>2}\n", explored.scope, explored.unique, explored.depth);
    }
    insta::assert_snapshot!(table);
}

/// The features of a scope, by name.
fn features(scope: &Scope) -> BTreeSet<&'static str> {
    let menu = &scope.menu;
    let first = scope.prefix.iter().filter_map(|step| match step {
        Step::Client(ClientStep::Append(write) | ClientStep::Batch(write)) => Some(write),
        _ => None,
    });
    let soft = menu.writes.iter().chain(first).any(|write| write.durability == Durability::ProcessCrash);
    let lies = !menu.damage.is_empty();
    [
        ("appends", !menu.writes.is_empty()),
        ("accepted appends", soft),
        ("trim", menu.trim),
        ("close", menu.close),
        ("power", menu.power),
        ("process", menu.process),
        ("faults", !menu.faults.is_empty()),
        ("through", menu.through),
        ("rotation", menu.rotate),
        ("idle", menu.idle),
        ("checkpoint", menu.checkpoint),
        ("compaction", menu.compact),
        ("merging", menu.merge),
        ("snapshots", menu.readers > 0),
        ("damage", lies),
    ]
    .into_iter()
    .filter_map(|(name, on)| on.then_some(name))
    .collect()
}

#[test]
fn every_pair_of_features_shares_a_scope() {
    let small = small();
    let all: BTreeSet<&str> = small.iter().flat_map(features).collect();
    assert_eq!(all.len(), 15);
    for a in &all {
        for b in &all {
            // Gate D is never mixed with gate W: damage goes with a crash of the process and quiet alone. What readers
            // hold, and merges, add nothing to what a copy or a batch that is damaged takes.
            let apart = (*a == "damage") != (*b == "damage")
                && !["appends", "process", "idle", "compaction"].iter().any(|x| x == a || x == b);
            let shared = small.iter().any(|scope| {
                let here = features(scope);
                here.contains(a) && here.contains(b)
            });
            assert!(shared || apart, "no scope has both {a} and {b}");
        }
    }
}

#[test]
fn large_scopes_are_the_small_ones_with_room_for_more() {
    let names = |scopes: Vec<Scope>| scopes.into_iter().map(|scope| scope.name).collect::<Vec<_>>();
    assert_eq!(names(small()), names(large()));
    assert_eq!(names(small()).into_iter().collect::<BTreeSet<_>>().len(), small().len());
}
