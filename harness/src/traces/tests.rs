//! The corpus's own traces, and traces with steps that nothing needs.

use truelog_spec::trace::Line;

use super::diff::{Diff, Row};
use super::shrink::{Unshrinkable, Without, shrink};
use super::*;
use crate::replay::{corpus, read, traces};

fn kept(name: &str) -> Trace {
    read(&corpus().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn all() -> Vec<(String, Trace)> {
    let found = traces(&corpus()).expect("the corpus");
    assert!(found.len() > 40, "only {} traces", found.len());
    found
        .into_iter()
        .map(|path| (path.display().to_string(), read(&path).unwrap_or_else(|error| panic!("{error}"))))
        .collect()
}

/// A line in which nothing violates.
fn line(text: &str) -> Line {
    Line { violates: false, ..text.parse().unwrap_or_else(|error| panic!("{text}: {error}")) }
}

const PLAIN: &str = "acked-is-durable/ack-on-write.trace";
const SLOTS: &str = "read-never-stale/pin-by-add.trace";
const FOUND: &str = "nothing-invented/trim-takes-the-stream-table.trace";

/// The checker finds shortest paths from a scope's start; how that is reached is written by hand, and may do more than
/// one path needs.
#[test]
fn no_step_of_the_corpus_behind_its_start_can_be_left_out() {
    let mut judged = 0;
    for (path, trace) in all() {
        let shrunk = match shrink(&trace) {
            Ok(shrunk) => shrunk,
            Err(Unshrinkable::Unmodelled(_)) => continue,
            Err(other) => panic!("{path}: {other}"),
        };
        let start = match AnySwitch::of(&trace) {
            Some(AnySwitch::Calls(switch)) => switch.scope().prefix.len(),
            Some(AnySwitch::Slots(_)) | None => 0,
        };
        for row in &Diff::of(&trace, &shrunk.trace).rows {
            match row {
                Row::First(number, text) => assert!(*number <= start, "{path}: {number} {text}"),
                Row::Second(number, text) => panic!("{path}: {number} {text} is new"),
                Row::Same(..) | Row::Ends(..) => {}
            }
        }
        judged += 1;
    }
    assert!(judged > 40, "only {judged}");
}

#[test]
fn what_is_not_needed_is_left_out_and_the_rest_is_the_corpus_s() {
    for (name, at, more) in [
        (PLAIN, 1, &["client tick"][..]),
        (PLAIN, usize::MAX, &["client tick", "client close"]),
        (SLOTS, 0, &["client prefetch read reader=2 block=1 from=0"]),
    ] {
        let trace = kept(name);
        let mut longer = trace.clone();
        for (index, text) in more.iter().enumerate() {
            let place = at.saturating_add(index).min(longer.lines.len());
            longer.lines.insert(place, line(text));
        }
        let shrunk = shrink(&longer).unwrap_or_else(|error| panic!("{name} with {more:?}: {error}"));
        assert_eq!(shrunk.left_out, more.len(), "{name}");
        assert_eq!(shrunk.trace, trace, "{name}");
        assert_eq!(shrunk.without.len(), trace.lines.len());
        let ends =
            |without: &Without| matches!(without, Without::Ends { ending: Ending::Violated { .. }, .. });
        assert!(!shrunk.without.iter().any(ends), "{name}: each step is needed: {:?}", shrunk.without);
    }
}

#[test]
fn a_trace_that_the_specification_does_not_break_is_not_shrunk() {
    let trace = kept(PLAIN);
    assert!(matches!(shrink(&kept(FOUND)), Err(Unshrinkable::Unmodelled(_))));
    let patch = Trace { mutant: Some("ack-before-sync".to_owned()), ..trace.clone() };
    assert!(matches!(shrink(&patch), Err(Unshrinkable::NoSwitch(_))));
    let other = Trace { mutant: Some("torn-tail-is-fatal".to_owned()), ..trace };
    assert!(matches!(shrink(&other), Err(Unshrinkable::Otherwise { .. })));
}

#[test]
fn a_trace_differs_from_itself_in_nothing() {
    for (path, trace) in all() {
        assert!(Diff::of(&trace, &trace).is_empty(), "{path}");
        let found_by = "somebody else".to_owned();
        assert!(Diff::of(&trace, &Trace { found_by, ..trace.clone() }).is_empty(), "{path}: provenance");
    }
}

#[test]
fn a_difference_is_found_where_it_begins() {
    let first = kept(PLAIN);
    let mut second = first.clone();
    second.lines.insert(2, line("client tick"));
    let diff = Diff::of(&first, &second);
    assert_eq!(diff.first(), Some(&Row::Second(3, "client tick".to_owned())));
    assert_eq!(Diff::of(&second, &first).first(), Some(&Row::First(3, "client tick".to_owned())));
    let same = diff.rows.iter().filter(|row| matches!(row, Row::Same(..))).count();
    assert_eq!(same, first.lines.len(), "all else is laid side by side");

    let mut ends = first.clone();
    let last = ends.lines.len() - 1;
    ends.lines[last].outcome = None;
    assert!(matches!(Diff::of(&first, &ends).first(), Some(Row::Ends(..))));

    let head = Trace { head: Head::Reached, ..first.clone() };
    assert!(matches!(Diff::of(&first, &head).headers[..], [("head", ..)]));
}

#[test]
fn every_trace_that_the_specification_can_tell_has_states() {
    let mut told = 0;
    for (path, trace) in all() {
        match export::itf(&trace) {
            Ok(itf) => {
                let states = itf["states"].as_array().expect("states");
                assert_eq!(states.len(), trace.lines.len() + 1, "{path}");
                let vars = itf["vars"].as_array().expect("vars");
                assert!(vars.len() > 5, "{path}: {vars:?}");
                for (index, state) in states.iter().enumerate() {
                    assert_eq!(state["#meta"]["index"], index, "{path}");
                    for name in vars {
                        assert!(!state[name.as_str().expect("a name")].is_null(), "{path}: {name}");
                    }
                }
                assert_ne!(states[0], states[1], "{path}");
                told += 1;
            }
            Err(export::NoStates::Unmodelled(_)) => {}
            Err(other) => panic!("{path}: {other}"),
        }
        let plain = export::plain(&trace);
        assert_eq!(plain["steps"].as_array().map(Vec::len), Some(trace.lines.len()), "{path}");
    }
    assert!(told > 40, "only {told}");
}

#[test]
fn the_last_state_of_a_trace_is_the_one_that_breaks() {
    let itf = export::itf(&kept(PLAIN)).expect("states");
    let states = itf["states"].as_array().expect("states");
    let broken = |state: &serde_json::Value| state["broken"].as_u64();
    let (last, before) = states.split_last().expect("states");
    assert!(before.iter().all(|state| broken(state) == Some(0)), "no state before it");
    assert_eq!(broken(last), Some(1), "the first row of the table");
}
