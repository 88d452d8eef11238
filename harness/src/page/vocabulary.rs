//! What a page uses and does not explain, for a reader who knows storage and not Truelog: its words, and its sizes.

use truelog_spec::step::{EngineStep, Row};
use truelog_spec::{Step, Trace};

use super::Facts;
use crate::replay::set_up as sizes;

/// Where a word is looked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum In {
    /// In the table: it has another sense in a sentence.
    Cells,
    /// In the table and in the sentences.
    All,
}

/// A word, how it stands on a page (`#` is any number), and what it means.
const WORDS: &[(&str, In, &[&str], &str)] = &[
    (
        "record",
        In::All,
        &["record #", "records #"],
        "what a client appends; where its row says nothing else, it is to survive a loss of power. Its number (its LSN) is its place in the log, from 1",
    ),
    (
        "world",
        In::Cells,
        &["world"],
        "whatever is neither client nor engine: the power, the end of the process, the disk, other people",
    ),
    ("stream", In::Cells, &["stream #"], "records of one kind, numbered from 0 by themselves"),
    (
        "writer",
        In::All,
        &["second writer", "third writer", "writers"],
        "a thread that appends; where none is named it is the first",
    ),
    (
        "segment",
        In::All,
        &["segment #", "segment", "segments"],
        "a file of the log, which holds batches; a new one is begun when the old one is full (the design's model may begin it \
         sooner), and by each open",
    ),
    (
        "batch",
        In::All,
        &["batch #", "batch", "batches"],
        "records that are written at once, under one checksum: the batch is valid as a whole, or not at all",
    ),
    (
        "sector",
        In::All,
        &["sector #", "sectors #", "sector"],
        "what the disk writes at once; a crash may keep one of a batch, and not the next",
    ),
    (
        "manifest",
        In::All,
        &["manifest"],
        "the file that lists the log's segments, drives and runs, in numbered entries: the first entry of a file is the \
         whole state, each later one a change",
    ),
    ("identity", In::Cells, &["identity"], "the file that makes a directory a log"),
    (
        "watermark",
        In::All,
        &["watermark"],
        "how far the log has come, as it tells everybody: there is one for what is durable, and one for what is written",
    ),
    (
        "checks the path",
        In::All,
        &["checks its path", "checks the path", "check of its path", "path is checked"],
        "asks whether the name still leads to the file that was written",
    ),
    (
        "vouch",
        In::All,
        &["vouch", "vouches", "vouched"],
        "something vouches for bytes if it shows that they were durable: a later batch, the manifest, an idle mark",
    ),
    (
        "idle mark",
        In::All,
        &["idle mark"],
        "an empty batch, written when the log comes to rest, that says that all before it is durable",
    ),
    ("tail", In::All, &["tail"], "the last batches, for which nothing vouches"),
    (
        "drive",
        In::All,
        &["drive #", "healthy drive"],
        "a directory on another device, to which sealed segments are moved as compressed runs",
    ),
    ("archive", In::All, &["archive"], "all runs together: they hold the log's oldest records"),
    (
        "run",
        In::All,
        &["run #"],
        "a file on a drive with the records of sealed segments; it counts when the manifest names it",
    ),
    (
        "sealed",
        In::All,
        &["sealed"],
        "of a segment: a later one holds a batch, and nothing is written to it any more",
    ),
    (
        "publish",
        In::All,
        &["publishes run #", "publish", "published"],
        "to name a run in the manifest, in the place of segments or of other runs",
    ),
    (
        "generation",
        In::All,
        &["generation #", "generation"],
        "a count of the manifest's publishes: a reader reads by the manifest of one generation",
    ),
    (
        "snapshot",
        In::All,
        &["snapshot"],
        "the manifest by which a reader reads; what it leads to must stay as long as the reader holds it",
    ),
    (
        "trim",
        In::All,
        &["trims all", "trim", "is trimmed"],
        "to let go of all records below one: the trim point",
    ),
    ("floor", In::All, &["floor"], "the lowest segment that the manifest still needs"),
    ("ticket", In::All, &["ticket #"], "what an append that was handed in is waited for by"),
    (
        "poison",
        In::All,
        &["poison", "poisoned", "poisons", "gives the handle up"],
        "a handle that is given up acknowledges nothing more; a new open recovers",
    ),
    (
        "handle",
        In::All,
        &["handle"],
        "what an open returns, and what appends go through; a log has one at a time that writes",
    ),
    (
        "commit",
        In::All,
        &["committed", "commits", "commit"],
        "to write a batch, sync it, check its path and move the watermark to it",
    ),
    ("life", In::All, &["life"], "from an open to the next crash or close"),
    (
        "for reading only",
        In::All,
        &["for reading only"],
        "an open that finds damage takes no appends and cuts nothing: it names what is lost, and somebody must decide",
    ),
];

/// The words of a page on slots.
const SLOT_WORDS: &[(&str, In, &[&str], &str)] = &[
    (
        "slot",
        In::All,
        &["slot #", "slot"],
        "a buffer for one block that is read ahead; a reader that finds no slot that fits reads the drive itself",
    ),
    (
        "word",
        In::All,
        &["word"],
        "one atomic integer of each slot, with its phase, its pins and its generation: they change together or not at all",
    ),
    (
        "phase",
        In::All,
        &["ready", "filled", "fill", "phase", "emptied", "doomed", "retires"],
        "empty, being filled, or ready; retired: closed to new readers; doomed: retired while it was being filled",
    ),
    (
        "pin",
        In::All,
        &["pin", "pins", "pinned"],
        "a reader's mark on a slot that it uses: what has pins is not emptied",
    ),
    (
        "generation",
        In::All,
        &["generation #", "generation"],
        "each compaction that rewrites the blocks begins a new one",
    ),
    ("catalog", In::All, &["catalog"], "says which generation is read"),
    ("snapshot", In::All, &["snapshot"], "the generation that a reader has asked under"),
    (
        "metadata",
        In::All,
        &["metadata", "compares slot #"],
        "says of each block of a generation, by a checksum, what its bytes must be; of a part that was read, too",
    ),
    (
        "last write pending",
        In::All,
        &["last write pending"],
        "a flag of the layer that writes: from the moment a write is submitted until it is acknowledged",
    ),
    (
        "cache ready",
        In::All,
        &["cache ready"],
        "a flag of the layer that reads ahead: the buffer may be used",
    ),
];

/// The sizes of a replay.
fn set_up(trace: &Trace) -> String {
    let (setup, sector) = sizes(trace);
    let header = 1;
    let room = (setup.segment / u64::from(setup.block)).saturating_sub(header);
    format!(
        "- sizes: a batch takes whole blocks of {} bytes; a segment has {room} of them (in the production code one of these is kept for the empty batch that marks the \
         end); the manifest has room for {} entries; the disk writes sectors of {sector} bytes",
        setup.block, setup.manifest_blocks
    )
}

/// The words that stand on a page, folded away.
pub(super) fn of(table: &str, facts: &Facts, trace: &Trace) -> String {
    let cells = words(table);
    let sentences = [&facts.title, &facts.explanation, &facts.shows, &facts.passing, &facts.ends];
    let all: Vec<String> =
        cells.iter().cloned().chain(sentences.iter().flat_map(|text| words(text))).collect();
    let stands = |place: In, form: &str| stands(if place == In::Cells { &cells } else { &all }, form);
    let known = if trace.is_of_prefetch() { SLOT_WORDS } else { WORDS };
    let used = known.iter().filter(|(_, place, forms, _)| forms.iter().any(|form| stands(*place, form)));
    let mut lines: Vec<String> = used.map(|(word, _, _, means)| format!("- *{word}*: {means}")).collect();
    if !trace.is_of_prefetch() {
        lines.extend(verdicts(trace));
        lines.push(set_up(trace));
    }
    format!("<details><summary>The words of this page</summary>\n\n{}\n\n</details>", lines.join("\n"))
}

/// What recovery decides in a trace, each verdict once.
fn verdicts(trace: &Trace) -> impl Iterator<Item = String> {
    let decides = |row: Row| {
        let is = |step: &Step| matches!(step, Step::Engine(EngineStep::Recover(one, _)) if *one == row);
        trace.lines.iter().any(|line| is(&line.step))
    };
    let told = |row: &Row| format!("- `{row}`: {}", verdict(*row));
    Row::ALL.iter().filter(move |row| decides(**row)).map(told)
}

/// What recovery has seen where it decides so, and what it does then.
const fn verdict(row: Row) -> &'static str {
    match row {
        Row::EmptySegment => "the segment holds no batch",
        Row::CleanEnd => "nothing is torn behind the last valid batch, whatever vouches for that or does not",
        Row::TornTail => {
            "what stands behind the last valid batch is torn, and nothing vouches for it: it is cut"
        }
        Row::UnvouchedTail => {
            "the last batches are valid, and nothing vouches for them: they must be written again"
        }
        Row::VouchedHole => "something vouches for what cannot be read: that is damage",
        Row::VouchedTailMissing => "something vouches for batches that are not there: that is damage",
        Row::BrokenLink => "a segment does not end where the next one says: that is damage",
        Row::SegmentMissing => "the manifest names a segment that is not there: that is damage",
        Row::UnnamedSegment => "a segment with a valid batch is not in the manifest: the manifest is damaged",
        Row::ManifestDamage => "the manifest cannot be read, or has a hole: all counts as damaged",
        Row::ManifestTornTail => "the manifest's last entry is torn: it is cut",
        Row::Orphan => "nothing names or needs the file: it is removed",
        Row::RunMissing => "no copy is there of a run that the manifest names: that is damage",
    }
}

/// The words of a text, but for what it quotes as code.
fn words(text: &str) -> Vec<String> {
    let plain = text.split('`').step_by(2).collect::<Vec<_>>().join(" ");
    let words = plain.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect()
}

/// Whether some words stand together among others.
fn stands(words: &[String], form: &str) -> bool {
    let form: Vec<&str> = form.split(' ').collect();
    let number = |word: &str| word.chars().all(|letter| letter.is_ascii_digit());
    let fits = |(word, wanted): (&String, &&str)| word == wanted || (*wanted == "#" && number(word));
    words.windows(form.len()).any(|words| words.iter().zip(&form).all(fits))
}
