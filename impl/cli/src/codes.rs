//! The command's own codes. The log's are its own; together they are what `truelog explain` knows.

/// Standard input cannot be read.
pub(crate) const INPUT: &str = "TL-901";
/// The reader of standard output went away.
pub(crate) const CLOSED: &str = "TL-902";
/// Standard output cannot be written.
pub(crate) const OUTPUT: &str = "TL-903";
/// A resumed append was fed another input.
pub(crate) const OTHER_INPUT: &str = "TL-904";
/// The input ends inside a frame.
pub(crate) const CUT_FRAME: &str = "TL-905";
/// A record of the input is too long.
pub(crate) const TOO_LONG: &str = "TL-906";
/// A file cannot be read.
pub(crate) const FILE: &str = "TL-907";
/// A verification found a violation.
pub(crate) const VIOLATED: &str = "TL-908";
/// A verification could not look at everything.
pub(crate) const INCOMPLETE: &str = "TL-909";
/// An unknown code.
pub(crate) const UNKNOWN_CODE: &str = "TL-910";
/// A thread could not do its work.
pub(crate) const THREAD: &str = "TL-911";

/// What a code means.
pub(crate) struct Explained {
    /// The code.
    pub(crate) code: &'static str,
    /// What happened, in one sentence.
    pub(crate) what: &'static str,
    /// What to do, in one sentence.
    pub(crate) next: &'static str,
    /// The rest.
    pub(crate) more: &'static str,
}

/// The command's own codes.
static OWN: [Explained; 11] = [
    Explained {
        code: INPUT,
        what: "Standard input cannot be read.",
        next: "Mend the input, then run the same append again with --resume.",
        more: "Every record that was read whole before the failure was appended, and its receipt printed. With \
               --resume the whole input is fed again, and what the log holds is skipped.",
    },
    Explained {
        code: CLOSED,
        what: "The reader of standard output went away before everything was printed.",
        next: "After an append, feed the whole input again with --resume; otherwise nothing needs to be done.",
        more: "Nothing that was acknowledged is lost: an acknowledgement is a printed receipt. Records whose \
               receipts could not be printed may be in the log or not. The exit code is 141, as for a program that \
               SIGPIPE ended.",
    },
    Explained {
        code: OUTPUT,
        what: "Standard output cannot be written.",
        next: "See that its disk has space and can be written; after an append, feed the input again with --resume.",
        more: "Nothing that was acknowledged is lost. Records whose receipts could not be printed may be in the log \
               or not.",
    },
    Explained {
        code: OTHER_INPUT,
        what: "A resumed append was fed an input that cannot be the one the log was fed before.",
        next: "Feed the same input, whole, with the same --format and the same --writers as before.",
        more: "With --resume the command skips, in each stream, as many records as the log holds of it. The log holds \
               more than this input would ever give that stream, so skipping would be guessing.",
    },
    Explained {
        code: CUT_FRAME,
        what: "The input ends inside a frame.",
        next: "Feed the whole input again with --resume; check that --format frames is meant.",
        more: "A frame is a length (u32, little-endian) and as many bytes. All whole frames before were appended.",
    },
    Explained {
        code: TOO_LONG,
        what: "A record of the input is longer than the log takes.",
        next: "Cut the record, or create the log with a larger --max-batch-bytes.",
        more: "A record must fit into one batch with its framing. All records before it were appended.",
    },
    Explained {
        code: FILE,
        what: "A file cannot be read.",
        next: "Check that the path is right, and that you may read it.",
        more: "The file named in the message was asked for on the command line.",
    },
    Explained {
        code: VIOLATED,
        what: "A verification found damage, or a receipt that the log does not keep.",
        next: "Keep the directory as it is, copy it, and read the report on standard output.",
        more: "The report names each damaged range and each violated receipt. Damage with no healthy copy is given up \
               only by an explicit `truelog accept-loss`. A violated receipt with no damage named means that the log \
               was rolled back, or that a disk did not keep a sync.",
    },
    Explained {
        code: INCOMPLETE,
        what: "Some of what was to be verified could not be looked at.",
        next: "Read on standard output what was skipped; check that the receipts are of this log, one JSON object a line.",
        more: "A file without a single receipt verifies nothing, and so is no success. Lines that are not receipts, and receipts of other logs, are neither verified nor violated. A last line \
               that was cut, by a killed append for instance, was never a receipt; it is counted as torn, and is no \
               reason for this code.",
    },
    Explained {
        code: UNKNOWN_CODE,
        what: "There is no such code.",
        next: "Run `truelog explain` for the list.",
        more: "Codes have the form TL-nnn.",
    },
    Explained {
        code: THREAD,
        what: "A thread could not be started, or ended by a panic.",
        next: "See that the limits of the process allow more threads; then run the same append again with --resume.",
        more: "Nothing that was acknowledged is lost. A panic is a defect: please report it, with its message.",
    },
];

/// The command's own code of that name, in upper or lower case.
pub(crate) fn own(code: &str) -> Option<&'static Explained> {
    OWN.iter().find(|explained| explained.code.eq_ignore_ascii_case(code))
}

/// All of the command's own codes, ascending.
pub(crate) fn all_own() -> impl Iterator<Item = &'static Explained> {
    OWN.iter()
}
