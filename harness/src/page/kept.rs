//! The traces of the corpus that no switch gives: bugs of the engine that the harness found on the engine itself.
//! A mutant brings each of them back. The trace is written by hand; its page is made from it and from the story here.

use truelog_spec::Trace;
use truelog_spec::trace::Head;

use super::Facts;
use crate::replay::practice;

/// A bug, told to a reader who knows storage and not Truelog.
#[derive(Debug, Clone, Copy)]
pub struct Kept {
    /// The trace's path, from the root of the repository.
    pub path: &'static str,
    /// What broke, in one sentence, with its full stop.
    title: &'static str,
    /// How it comes about, and what it costs.
    says: &'static str,
    /// As [`Facts::breaks`].
    pub(super) breaks: &'static str,
    /// What the last step shows to be wrong.
    shows: &'static str,
    /// The step at which the engine did what was wrong.
    fault: usize,
    /// What single steps do where nobody sees it from outside.
    notes: &'static [(usize, &'static str)],
    /// Why no step can be left out.
    minimal: &'static str,
    /// The nearest path that passes.
    passing: &'static str,
}

/// All of them, in the order of their paths.
pub const KEPT: &[Kept] = &[
    Kept {
        path: "corpus/nothing-invented/trim-takes-the-stream-table.trace",
        breaks: "nothing duplicated",
        title: "A trim removes the only durable table of the streams.",
        says: "Each record has a number in its stream, from 0. A segment's first batch has a table that says how many records each stream has had before it: the table and the records behind it give the next number. Record 1, number 0 of its stream, is durable and fills \
               segment 1; record 2, in segment 2, is only written. A trim below record 2 is made durable, and then the engine removes \
               segment 1. The power fails, the one batch of segment 2 is gone, and with it the last table: the stream's numbers \
               begin again at 0.",
        shows: "A record's sequence is its number in its stream. Number 0 of stream 0 was given to record 1 (step 2), which was \
                durable: no other record may ever have it, whether record 1 is trimmed or not. Step 7 gives it to another record. \
                The new record should have got number 1. To give number 1 and LSN 2 a second time is allowed: the record that \
                had them (step 3) was to survive a crash of the process only, and was lost with the power.",
        fault: 4,
        notes: &[
            (2, "in segment 1, whose first batch has the table: stream 0 has had no record yet"),
            (
                3,
                "in segment 2, in the page cache only; its first batch has the table: stream 0 has had one record",
            ),
            (
                4,
                "to carry that out the engine removes segment 1, though it holds the only table on the device",
            ),
            (5, "lost: the batch of record 2, and with it the last table"),
            (6, "no table is left: the numbers of stream 0 begin at 0 again"),
        ],
        minimal: "Without the second append segment 1 is the last segment, and stays; without the trim, or the loss of power, a table \
                  stays; and without the last append nobody sees the number.",
        passing: "The segment of the last durable record stays, whatever is trimmed: its table is on the device.",
    },
    Kept {
        path: "corpus/recovery-converges/mark-continued-from-the-cache.trace",
        breaks: "an append after it is as safe as the first",
        title: "The next segment continues an idle mark that only the page cache holds.",
        says: "When a log comes to rest it writes an idle mark, an empty batch that says that all before it is durable. \
               The write of the mark fails, and its bytes are in the page cache all the same. The next open reads the mark, relies on it, and so syncs nothing of the old segment; the first batch of its new segment says that the old one ends behind the mark. The power fails, and the \
               mark was never on the device: the old segment ends before the place that its successor names.",
        shows: "Segment 2 now names an end that segment 1 does not have. Step 8 still finds both records, but only because it \
                forgives that. An open that forgives it cannot notice a batch that is really lost there; one that does not calls \
                this healthy log damaged. So the append after the recovery is less safe than the first one was.",
        fault: 6,
        notes: &[
            (4, "the mark is in segment 1, in the page cache only"),
            (5, "it reads the mark behind record 1, and takes it for durable"),
            (6, "in segment 2, whose first batch says: segment 1 ends behind the mark"),
            (7, "lost: the mark"),
            (8, "segment 1 ends behind record 1, and segment 2 still says: behind the mark"),
        ],
        minimal: "Without the failed write the mark is durable; without the second append nothing names the end; \
                  without the loss of power the mark is still read.",
        passing: "The first batch of segment 2 says that segment 1 ends behind record 1, the last batch that is proven to be durable; an idle mark behind that batch does not count.",
    },
];

impl Facts {
    /// What is known about a bug of the engine.
    #[must_use]
    pub fn of_kept(kept: &Kept, trace: &Trace) -> Self {
        let unmodelled = match &trace.head {
            Head::Unmodelled { part } => practice::left_out(part).unwrap_or(part),
            Head::Reached | Head::Refused { .. } => "nothing",
        };
        let mutant = trace.mutant.as_deref().unwrap_or_default();
        Self {
            title: kept.title.to_owned(),
            explanation: kept.says.to_owned(),
            breaks: kept.breaks,
            shows: kept.shows.to_owned(),
            ends: format!(
                "**The engine had this bug.** With `corpus/mutants/{mutant}.patch`, which brings it back, the production \
                 code on a simulated disk breaks at the last step. Without the patch, as in the replay below, the same calls run to the end, and nothing breaks: that is what `code: reached` means. What the last column says of the engine is of the run with the patch. The step in bold is the one that goes wrong. The design's model cannot show it: it leaves out \
                 {unmodelled}."
            ),
            fault: Some(kept.fault),
            notes: kept.notes,
            minimal: format!("**No step can be left out.** {}", kept.minimal),
            passing: kept.passing.to_owned(),
            path: kept.path.to_owned(),
        }
    }
}
