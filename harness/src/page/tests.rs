//! Pages of traces that are written here, and what has no page.

use truelog_spec::trace::{Head, Line};
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
        breaks: "",
        shows: "Record 1 was acknowledged, and is gone.".to_owned(),
        ends: "**The rule against it** is told here.".to_owned(),
        fault: None,
        notes: &[],
        minimal: "**No step can be left out.** The search went breadth first.".to_owned(),
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
        rows.iter().filter(|row| row.contains("| engine | checks the path")).count(),
        MAX_ENGINE,
        "{page}"
    );
    assert!(rows.iter().any(|row| row.starts_with("| 6–29 | engine | … 24 more steps")), "{page}");
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

/// A switch's trace with another line in its header.
fn told(from: &str, to: &str) -> String {
    let switch = Switch::WatermarkPassesHole;
    let path = format!("{}/../{}", env!("CARGO_MANIFEST_DIR"), switch.path());
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    assert!(text.contains(from), "{text}");
    ending::of_switch(&text.replace(from, to).parse().unwrap())
}

#[test]
fn a_page_tells_both_endings() {
    let early = "code: refused at 16 by one-sync-method";
    let text = told(early, early);
    assert!(text.contains("the model refuses step 18"), "{text}");
    assert!(text.contains("at step 16: a handle writes each"), "{text}");
    let text = told(&format!("{early}\n"), "");
    assert!(text.contains("it comes to step 18 and does not take it"), "{text}");
    let text = told(early, "code: reached");
    assert!(text.contains("takes each step, and nothing breaks."), "{text}");
}

/// What is told as one row are steps that belong together, and no step that a page is about.
#[test]
fn a_fold_ends_where_something_goes_wrong() {
    let rows = |path: &str| {
        let text = std::fs::read_to_string(format!("{}/../corpus/{path}.md", env!("CARGO_MANIFEST_DIR")));
        text.unwrap_or_else(|error| panic!("{path}: {error}"))
    };
    let plain = rows("acked-is-durable/ack-on-write");
    assert!(plain.contains("| 3–9 | engine | makes segment 1, and names it in the manifest |"), "{plain}");
    // The write is not folded with the acknowledgement that comes too early.
    assert!(plain.contains("| 11 | engine | writes batch 1 (record 1) to segment 1 |"), "{plain}");
    let failed = rows("acked-is-durable/identity-not-vouched");
    assert!(failed.contains(
        "| 23 | engine | syncs the log's directory | the name of the manifest is durable, and not"
    ));
    let again = rows("no-ack-after-failed-sync/retry-failed-sync");
    assert!(
        again.contains("nothing is made durable: batch 1 counts as written since the failed sync of step 13")
    );
}

/// The pages of the corpus, by their paths.
fn pages() -> Vec<(String, String)> {
    let corpus = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus");
    let traces = crate::replay::traces(&corpus).unwrap();
    let page = |path: &std::path::PathBuf| std::fs::read_to_string(path.with_extension("md")).unwrap();
    traces.iter().map(|path| (path.display().to_string(), page(path))).collect()
}

/// The text of a cell of the column "what changes", in the row that holds a mark.
fn cell<'a>(page: &'a str, mark: &str) -> Option<&'a str> {
    let row = page.lines().find(|line| line.starts_with("| ") && line.contains(mark))?;
    row.rsplit('|').nth(1).map(str::trim)
}

/// A reader learns from the table alone what was missing, and what came of it.
#[test]
fn the_table_tells_what_is_missing_and_what_breaks() {
    for (path, page) in pages() {
        let breaks = cell(&page, "**breaks `").unwrap_or_else(|| panic!("{path}"));
        assert!(!breaks.starts_with("**breaks"), "{path}: {breaks}");
        let lost = breaks.contains("had been acknowledged") || breaks.contains("finds no log");
        assert!(lost || !breaks.contains("acked-is-durable"), "{path}: {breaks}");
        let pivot = cell(&page, "| **").unwrap_or_else(|| panic!("{path}"));
        let kept = page.contains("**The engine had this bug.**");
        assert!(kept || pivot.contains("**but "), "{path}: {pivot}");
    }
}

/// A word is looked for in the sense that it has: as a page uses it of its own path.
#[test]
fn a_page_explains_the_words_that_it_uses() {
    let explains = |path: &str, word: &str| {
        let pages = pages();
        let (_, page) =
            pages.iter().find(|(name, _)| name.contains(path)).unwrap_or_else(|| panic!("{path}"));
        page.contains(&format!("\n- *{word}*: ")) || page.contains(&format!("\n- `{word}`: "))
    };
    for (path, word) in [
        ("close-forgets-waiting", "drive"),
        ("rotate-without-sync", "run"),
        ("rename-before-sync", "tail"),
        ("no-identity-in-checksum", "identity"),
        ("trust-cached-bytes", "snapshot"),
    ] {
        assert!(!explains(path, word), "{path}: {word}");
    }
    for (path, word) in [
        ("given-up-means-done", "drive"),
        ("given-up-means-done", "run"),
        ("recovery-rewrites-half-the-tail", "tail"),
        ("trust-cached-bytes", "unvouched-tail"),
        ("identity-first", "identity"),
        ("claim-before-sync", "watermark"),
    ] {
        assert!(explains(path, word), "{path}: {word}");
    }
}

#[test]
fn the_lines_of_a_message_are_short() {
    for (path, page) in pages() {
        let diagram = page.split("```mermaid\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
        for line in diagram.split(['\n']).flat_map(|message| message.split("<br/>")) {
            assert!(line.chars().count() < 110, "{path}: {line}");
        }
    }
}

#[test]
fn every_invariant_can_be_linked_to() {
    let document = include_str!("../../../docs/INVARIANTS.md");
    for invariant in Invariant::ALL {
        assert!(document.contains(&format!("\n## {invariant}\n")), "{invariant}");
    }
}

/// What is marked must be there; a path that breaks a promise of many parts says which.
#[test]
fn each_path_of_the_corpus_says_which_part_it_breaks() {
    let calls = Switch::ALL.iter().map(|switch| (switch.path(), switch.invariant(), switch.story().breaks));
    let slots =
        slots::Switch::ALL.iter().map(|switch| (switch.path(), switch.invariant(), switch.story().breaks));
    let kept = kept::KEPT.iter().map(|kept| {
        let folder = kept.path.split('/').nth(1).unwrap();
        (kept.path.to_owned(), folder.parse().unwrap(), kept.breaks)
    });
    let all: Vec<(String, Invariant, &str)> = calls.chain(slots).chain(kept).collect();
    assert!(all.len() > 50, "{}", all.len());
    for (path, invariant, part) in all {
        assert!(invariant.says().contains(part), "{path}: {part}");
        let one = matches!(
            invariant,
            Invariant::AckedIsDurable | Invariant::NoAckAfterFailedSync | Invariant::AppendResolves
        );
        assert!(one || !part.is_empty(), "{path}: which part of {invariant}?");
    }
}
