//! A trace that states another ending than its own is an error, whichever half of it is wrong.

use super::*;

fn kept(name: &str) -> String {
    let path = corpus().join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What is wrong with a trace of the corpus after one word of it was replaced.
fn wrong(name: &str, from: &str, to: &str) -> Wrong {
    let text = kept(name);
    assert!(text.contains(from), "{name} has no {from}");
    let trace: Trace = text.replace(from, to).parse().unwrap_or_else(|error| panic!("{name}: {error}"));
    check_one(&trace).expect_err("it states another ending than its own")
}

const PLAIN: &str = "acked-is-durable/two-commits-in-flight.trace";
const EARLY: &str = "claim-has-artifact/watermark-passes-hole.trace";
const FOUND: &str = "nothing-invented/trim-takes-the-stream-table.trace";

#[test]
fn another_ending_of_the_mechanism_is_an_error() {
    let head = "head: refused at 13 by one-commit-in-flight";
    for other in [
        "head: refused at 12 by one-commit-in-flight",
        "head: refused at 14 by one-commit-in-flight",
        "head: refused at 13 by ack-needs-sync",
        "head: reached",
    ] {
        assert!(matches!(wrong(PLAIN, head, other), Wrong::Mechanism { .. }), "{other}");
    }
    let left_out = "head: unmodelled stream-tables\ncode: reached";
    assert!(matches!(wrong(PLAIN, head, left_out), Wrong::Modelled(_)));
}

#[test]
fn another_ending_of_the_prefetch_is_an_error() {
    let name = "verify-sees-one-state/verify-reads-in-wrong-order.trace";
    let head = "head: refused at 5 by state-is-one-word";
    for other in
        ["head: refused at 6 by state-is-one-word", "head: refused at 5 by pin-needs-ready", "head: reached"]
    {
        assert!(matches!(wrong(name, head, other), Wrong::Prefetch { .. }), "{other}");
    }
    let patched = "mutant: back-off-before-ready";
    assert!(matches!(wrong(name, "mutant: verify-reads-in-wrong-order", patched), Wrong::Prefetch { .. }));
    assert!(matches!(wrong(name, head, &format!("{head}\ncode: reached")), Wrong::Unknown(_)));
}

#[test]
fn another_ending_of_the_code_is_an_error() {
    let code = "code: refused at 16 by one-sync-method";
    assert!(matches!(wrong(EARLY, &format!("{code}\n"), ""), Wrong::Left(_)), "too late");
    let early = "code: refused at 12 by one-sync-method";
    assert!(
        matches!(wrong(EARLY, code, early), Wrong::Production { end: End::Took { line: 12 }, .. }),
        "too early"
    );
    assert!(matches!(wrong(EARLY, code, "code: reached"), Wrong::Left(_)));
    assert!(matches!(wrong(EARLY, code, "code: refused at 16 by ack-needs-sync"), Wrong::Unknown(_)));
    assert!(matches!(wrong(EARLY, code, "code: refused at 18 by one-sync-method"), Wrong::SaidTwice(_)));
    let known = "head: refused at 13 by one-commit-in-flight";
    let earlier = format!("{known}\ncode: refused at 8 by one-sync-method");
    assert!(matches!(wrong(PLAIN, known, &earlier), Wrong::Production { end: End::Took { line: 8 }, .. }));
}

#[test]
fn a_practice_must_be_the_reason() {
    let code = "code: refused at 16 by one-sync-method";
    // The same line, for another reason: the batch goes to another segment than the one that is due.
    let text = kept(EARLY).replace("write batch:2 seg-1 lsns=2 through", "write batch:2 seg-9 lsns=2");
    let trace: Trace = text.parse().expect("a trace");
    assert!(text.contains(code));
    assert!(matches!(on_code(&trace), Err(Wrong::Production { end: End::Refused { line: 16, .. }, .. })));
}

#[test]
fn what_the_mechanism_leaves_out_is_in_the_table_and_the_code_must_get_there() {
    let head = "head: unmodelled stream-tables";
    assert!(matches!(wrong(FOUND, head, "head: unmodelled nothing"), Wrong::Unknown(_)));
    assert!(matches!(
        wrong(FOUND, "code: reached", "code: refused at 4 by one-sync-method"),
        Wrong::Production { .. }
    ));
}

#[test]
fn a_call_that_ran_alone_ends_as_its_line_says() {
    let other = wrong(FOUND, "-> acked 2 seq=1", "-> acked 2 seq=7");
    assert!(matches!(other, Wrong::Left(LeftPath::Call { line: 3, .. })), "{other}");
}

/// What the production code does beyond a trace, before it refuses a line, would stand for a refusal by a code that takes
/// that line: such a trace is no regression test.
#[test]
fn a_code_without_the_guard_is_told_from_one_with_it() {
    // There the guard asks for just what it does besides: the record that the run would leave out.
    let asked = ["compaction-preserves-reads/run-leaves-a-gap.trace"];
    let besides: Vec<(String, Box<EngineStep>)> = traces(&corpus())
        .expect("the corpus")
        .into_iter()
        .filter_map(|path| {
            let replayed =
                check_one(&read(&path).expect("a trace")).unwrap_or_else(|wrong| panic!("{wrong}"));
            let name = path.strip_prefix(corpus()).ok()?.display().to_string();
            Some((name, replayed.besides?))
        })
        .collect();
    let names: Vec<&str> = besides.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, asked, "{besides:?}");
}
