//! The words that a page uses and does not explain, for a reader who knows storage and not Truelog.

use truelog_spec::step::PrefetchStep;
use truelog_spec::{Step, Trace};

use super::prefetch;

/// A word, how it stands on a page, and what it means.
const WORDS: &[(&str, &str)] = &[
    (
        "segment",
        "a file of the log, which holds batches; a new one is begun when the old one is full, and by each open",
    ),
    (
        "batch",
        "records that are written at once, under one checksum: the batch is valid as a whole, or not at all",
    ),
    (
        "manifest",
        "the file that lists the log's segments, drives and runs: a checkpoint, and records appended to it",
    ),
    ("identity", "the file that makes a directory a log"),
    (
        "all up to record",
        "the durable watermark: the log claims, to everybody, that these records are durable",
    ),
    (
        "vouch",
        "something vouches for bytes if it shows that they were durable: a later batch, the manifest, an idle mark",
    ),
    (
        "idle mark",
        "an empty batch, written when the log comes to rest, that says that all before it is durable",
    ),
    ("tail", "the last batches, for which nothing vouches"),
    ("drive", "a directory on another device, to which sealed segments are moved as compressed runs"),
    ("run", "a file on a drive with the records of sealed segments; it counts when the manifest names it"),
    ("sealed", "of a segment: a later one holds a batch, so that nothing is written to it any more"),
    (
        "snapshot",
        "the manifest by which a reader reads; what it leads to must stay as long as the reader holds it",
    ),
    ("ticket", "what an append that was handed in is waited for by"),
    ("poison", "a handle that is poisoned acknowledges nothing more; a new open recovers"),
];

/// What a page on slots says before everything else; nothing on another one.
pub(super) fn of_slots(trace: &Trace) -> &'static str {
    let flag =
        |step: &Step| matches!(step, Step::Prefetch(PrefetchStep::Mark(_) | PrefetchStep::Look { .. }));
    match trace.is_of_prefetch() {
        true if trace.lines.iter().any(|line| flag(&line.step)) => prefetch::ABOUT_FLAGS,
        true => prefetch::ABOUT,
        false => "",
    }
}

/// The words that stand on a page, folded away; nothing on a page on slots.
pub(super) fn of_calls(page: &str, trace: &Trace) -> String {
    if trace.is_of_prefetch() {
        return String::new();
    }
    let used = WORDS.iter().filter(|(word, _)| page.contains(word));
    let lines: Vec<String> = used.map(|(word, means)| format!("- *{word}*: {means}")).collect();
    format!("<details><summary>The words of this page</summary>\n\n{}\n\n</details>", lines.join("\n"))
}
