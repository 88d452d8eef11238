//! Pages of traces that are written here, and what has no page.

use truelog_spec::trace::Line;
use truelog_spec::{EngineStep, Invariant};

use super::*;

const ACK_TOO_EARLY: &str = "invariant: acked-is-durable
found-by: shuttle seed=7
mutant: ack-before-sync
head: refused at 9 by ack-needs-sync
1 client create -> done
2 engine mkdir dir
3 engine lock dir
4 engine create manifest.tmp
5 client append stream=0 len=8 -> acked 1 seq=0
6 engine create seg-1.tmp
7 engine encode 1 writer=0
8 engine write batch:1 seg-1 lsns=1
9 engine ack 1
10 world crash power keep=batch:1.sector:0
11 client open -> recovered 0 next=1  # violates
";

fn facts() -> Facts {
    Facts {
        title: "A record is acknowledged before it is on the disk, and a loss of power takes it.".to_owned(),
        explanation: "A write only reaches the page cache.".to_owned(),
        replayed: vec![
            (Place::Mechanism, Replayed::Violates),
            (Place::Simulator, Replayed::Cannot("the engine refuses step 9".to_owned())),
            (Place::RealFileSystem, Replayed::NotTried("the power cannot be cut here".to_owned())),
        ],
        minimal: "It is the shortest path there is: the search went breadth first.".to_owned(),
        passing: "With the sync of the batch before the acknowledgement, the record is recovered.".to_owned(),
        path: "corpus/acked-is-durable/ack-before-sync.trace".to_owned(),
    }
}

fn page(text: &str) -> Result<String, PageError> {
    render(&text.parse().unwrap(), &facts())
}

#[test]
fn a_page_shows_what_a_reviewer_needs() {
    insta::assert_snapshot!(page(ACK_TOO_EARLY).unwrap());
}

#[test]
fn the_same_trace_gives_the_same_page() {
    assert_eq!(page(ACK_TOO_EARLY), page(ACK_TOO_EARLY));
}

#[test]
fn a_trace_that_is_not_shrunk_has_no_page() {
    let mut trace: Trace = ACK_TOO_EARLY.parse().unwrap();
    let tick = Line::new(truelog_spec::ClientStep::Tick, None);
    trace.lines.extend(std::iter::repeat_n(tick, 7));
    assert_eq!(render(&trace, &facts()), Err(PageError::TooManySteps { found: 11 }));
    trace.lines.pop();
    assert!(render(&trace, &facts()).is_ok());
}

#[test]
fn a_trace_without_a_violation_has_no_page() {
    let mut trace: Trace = ACK_TOO_EARLY.parse().unwrap();
    trace.lines[10].violates = false;
    assert_eq!(render(&trace, &facts()), Err(PageError::NoViolation));
}

#[test]
fn engine_steps_beyond_what_fits_are_counted() {
    let mut trace: Trace = ACK_TOO_EARLY.parse().unwrap();
    let check: EngineStep = "check seg-1 same".parse().unwrap();
    let pivot = trace.lines[8].clone();
    trace.lines.splice(5..9, std::iter::repeat_n(Line::new(check, None), 40));
    trace.lines.insert(45, pivot);
    trace.head = Head::Refused { line: 46, guard: "ack-needs-sync".to_owned() };
    let page = render(&trace, &facts()).unwrap();
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| ")).collect();
    assert_eq!(
        rows.iter().filter(|row| row.contains("| engine | looks at")).count(),
        MAX_ENGINE - 1,
        "{page}"
    );
    assert!(rows.iter().any(|row| row.starts_with("| 6–38 | engine | … 33 more steps")), "{page}");
    assert!(
        rows.iter().any(|row| row.starts_with("| **46** | **engine** | **acknowledges record 1**")),
        "{page}"
    );
}

/// Whatever the step, a message holds nothing that ends it, and no cell a bar that splits it.
#[test]
fn words_fit_tables_and_diagrams() {
    let steps = "client batch records=0:8,1:16 writer=2 durability=process-crash
        client submit ticket=1 records=0:8
        client trim before=3
        world fault seg-1 sync-data eio keep=batch:2,name:seg-1 cache=old
        world damage batch:2.sector:0 flip
        world damage edit:1 stale
        world clock ms=50
        engine write edit:3 trim before=5 floor=2 failed
        engine write batch:2 seg-1 through short
        engine sync-data seg-1 failed
        engine check seg-1 gone
        engine recover vouched-hole seg-2
        engine unlink seg-1
        engine ready next=4 read-only
        engine ack 3..4 process-crash
        world crash power keep=none garbage=batch:1.sector:1";
    let mut trace: Trace = ACK_TOO_EARLY.parse().unwrap();
    trace.head = Head::Reached;
    trace.lines = steps.lines().map(|line| line.trim().parse().unwrap()).collect();
    trace.lines[15].violates = true;
    let page = render(&trace, &facts()).unwrap();
    for row in page.lines().filter(|line| line.starts_with("| ")) {
        assert_eq!(row.matches('|').count(), 5, "{row}");
    }
    let diagram = page.split("```mermaid\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    assert!(diagram.chars().count() < MAX_DIAGRAM);
    for message in diagram.lines().skip(1) {
        assert!(!message.contains([';', '#']), "{message}");
        assert!(message.matches(": ").count() >= 1 || !message.contains("->"), "{message}");
    }
    insta::assert_snapshot!(diagram);
}

#[test]
fn a_switch_has_a_page() {
    let switch = truelog_spec::switches::Switch::AckOnWrite;
    let trace = truelog_spec::switches::counterexample(switch).unwrap();
    let page = render(&trace, &Facts::of_switch(switch, &trace)).unwrap();
    assert!(page.starts_with(&format!("# {}.\n", switch.story().title)), "{page}");
    assert!(page.contains("cargo verify replay corpus/acked-is-durable/ack-on-write.trace"), "{page}");
}

#[test]
fn a_page_tells_both_endings() {
    let head = "head: refused at 9 by ack-needs-sync";
    let early = format!("{head}\ncode: refused at 8 by one-sync-method");
    let told = page(&ACK_TOO_EARLY.replace(head, &early)).unwrap();
    assert!(told.contains("the mechanism refuses step 9 by `ack-needs-sync`."), "{told}");
    assert!(told.contains("step 8 is refused by `one-sync-method`, for a handle writes each"), "{told}");
    let unmodelled = "head: unmodelled stream-tables\ncode: reached";
    let other = page(&ACK_TOO_EARLY.replace(head, unmodelled)).unwrap();
    assert!(other.contains("no such path (`stream-tables`): it leaves out the numbers"), "{other}");
    assert!(other.contains("The production code takes each step, and the invariant holds."), "{other}");
}

#[test]
fn every_invariant_can_be_linked_to() {
    let document = include_str!("../../../docs/INVARIANTS.md");
    for invariant in Invariant::ALL {
        assert!(document.contains(&format!("\n## {invariant}\n")), "{invariant}");
    }
}
