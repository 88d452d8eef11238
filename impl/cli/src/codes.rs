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
/// Copies in the archive are damaged.
pub(crate) const DEGRADED: &str = "TL-912";
/// What a log stands on is not as it should be.
pub(crate) const UNFIT: &str = "TL-914";
/// The command line is not one.
pub(crate) const USAGE: &str = "TL-913";
/// A file to dump is neither a segment nor a run.
pub(crate) const NO_SEGMENT: &str = "TL-915";
/// A line of an application's log claims what is not there.
pub(crate) const FALSE_CLAIM: &str = "TL-920";
/// An application's log is compressed.
pub(crate) const COMPRESSED: &str = "TL-921";
/// A line of a pattern file is no pattern.
pub(crate) const PATTERN: &str = "TL-922";
/// No line of the logs claims anything.
pub(crate) const NO_CLAIM: &str = "TL-923";
/// What was to be listened on is no address.
pub(crate) const ADDRESS: &str = "TL-930";
/// An address cannot be listened on.
pub(crate) const LISTEN: &str = "TL-931";
/// A file cannot be written.
pub(crate) const WRITTEN: &str = "TL-932";
/// The incident that the prefetch slot answers. No program of this log can end with it.
const FPRE004: &str = "FPRE004";

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
static OWN: [Explained; 23] = [
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
               or not. A standard output that is not open for writing is refused before anything is done. One that \
               is closed (`>&-`) is not noticed: it is replaced by /dev/null before the program begins.",
    },
    Explained {
        code: OTHER_INPUT,
        what: "A resumed append was fed an input that cannot be the one the log was fed before.",
        next: "Feed the same input, whole, with the same --format and the same --writers as before.",
        more: "With --resume the command skips, in each stream, as many records as the log holds of it. Either the log \
               holds more than this input would ever give that stream, or the last record that the log holds of it is \
               not the one that the input has there: skipping would be guessing. Nothing of that stream was appended.",
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
        what: "Some of what was to be verified, scrubbed or held against the disk could not be looked at.",
        next: "Read on standard output what was skipped, and why. `verify`, `scrub`: check that all drives are there \
               (`truelog drives DIR`), and that the receipts are of this log, one JSON object a line. `audit logs`: check \
               that DIR is the directory of the log that wrote the lines, and that it can be read.",
        more: "A copy in the archive whose drive cannot be reached is neither good nor bad; so is a claim of a line whose \
               log, or whose file, cannot be read. A file without a single receipt verifies nothing, and so is no \
               success. Lines that are not receipts, and receipts of other logs, are neither verified nor violated. A last line \
               that was cut, by a killed append for instance, was never a receipt; it is counted as torn, and is no \
               reason for this code.",
    },
    Explained {
        code: UNKNOWN_CODE,
        what: "There is no such code.",
        next: "Run `truelog explain` for the list.",
        more: "Codes have the form TL-nnn; FPRE004 keeps its name.",
    },
    Explained {
        code: THREAD,
        what: "A thread could not be started, or ended by a panic.",
        next: "See that the limits of the process allow more threads; then run the same append again with --resume.",
        more: "Nothing that was acknowledged is lost. A panic is a defect: please report it, with its message.",
    },
    Explained {
        code: DEGRADED,
        what: "Copies in the archive are damaged, and were not repaired.",
        next: "Run `truelog scrub DIR`; if damage remains, add or bring back a drive, and scrub again.",
        more: "The report on standard output names each damaged copy: its drive, its run, and where. As long as another \
               copy is whole, every record is read from that one, and nothing is lost. A scrub writes damaged copies \
               anew from good ones; it cannot where the drive does not take writes, or where no copy is whole, and \
               then says which records are lost.",
    },
    Explained {
        code: UNFIT,
        what: "What the log stands on is not as it should be.",
        next: "Read on standard output which checks failed; the line below each says what to do.",
        more: "`truelog doctor` reads no record: that a check failed says nothing of what was appended, unless its evidence \
               does. An option that differs from the stored one, for example, keeps an open from succeeding, and the log \
               is whole.",
    },
    Explained {
        code: USAGE,
        what: "The command line cannot be understood.",
        next: "Run `truelog --help`, or `truelog COMMAND --help` for examples.",
        more: "A command, an option or a value is not known, or does not go with another. Nothing was done.",
    },
    Explained {
        code: NO_SEGMENT,
        what: "A file that was to be dumped is neither a segment nor a run of the archive.",
        next: "Name a file segment-N of a log, or run-N of a drive; `truelog stat DIR` shows the rest of a log.",
        more: "Neither its name nor its first bytes are those of one, or it is no regular file. Nothing says that it is \
               damaged. The manifest and the identity are no segments; `truelog stat DIR` shows what they say.",
    },
    Explained {
        code: FALSE_CLAIM,
        what: "A line of an application's log says that something is durable, and it is not there, or differs.",
        next: "Stop the writer, keep the directory and the logs as they are, copy both, and run `truelog incident`.",
        more: "The report on standard output names each such line, and the artifact that is missing or differs. The \
               file may have been removed, replaced or cut behind the claim, the directory may be another one than \
               the application writes to, or the claim was made before it was true. Check first that DIR is the \
               directory that the application writes to. What was removed on purpose is no violation: this log knows \
               its own trims, and for another system's files a pattern of the kind `release` says so.",
    },
    Explained {
        code: COMPRESSED,
        what: "An application's log is compressed, and was not read.",
        next: "Unpack it: `gunzip -c app.log.gz | truelog audit logs --log - DIR`.",
        more: "Nothing in it was looked at. No verdict was given.",
    },
    Explained {
        code: PATTERN,
        what: "A line of a pattern file is no pattern.",
        next: "Mend the line; `truelog audit logs --help` shows the form.",
        more: "A pattern is a kind (claim, release or count), a name, an artifact or -, and a regular expression. Each \
               named group must be part of the artifact, or be one of offset, len, end and time: a slip in a name \
               would make a claim that is never held against anything.",
    },
    Explained {
        code: NO_CLAIM,
        what: "No line of the logs that were read claims that anything is durable.",
        next: "Give the logs of the log's writer, whole; give `--patterns FILE` for a log that is not Truelog's own.",
        more: "The message names the logs and how many lines were read. Nothing was held against the directory, so this is no \
               success. A writer claims at INFO: one that logs warnings only, or to another place, says nothing here. What \
               the claims of other systems look like a pattern file says: `truelog audit logs --help` shows the form.",
    },
    Explained {
        code: ADDRESS,
        what: "What was to be listened on is no address.",
        next: "Give an address and a port, such as 127.0.0.1:9464, [::1]:9464 or 0.0.0.0:9464.",
        more: "A host name is looked up, and its first address is taken. With port 0 the system chooses one, and the first \
               line on standard output names it. Nothing was looked at.",
    },
    Explained {
        code: LISTEN,
        what: "An address cannot be listened on.",
        next: "See who has the port (`ss -ltnp`), or choose another with --listen; ports below 1024 need a privilege.",
        more: "Another program listens there, the address is not one of this machine, or the system does not allow it. \
               The log was not touched.",
    },
    Explained {
        code: WRITTEN,
        what: "A file cannot be written.",
        next: "See that its directory is there, has space, and can be written.",
        more: "It is the file that --metrics names. It is written beside its name first and then renamed, so that \
               nobody reads half of it. No record depends on it.",
    },
    Explained {
        code: FPRE004,
        what: "A healthy drive was quarantined, because a verification saw two states of one block at once: \"last \
               write pending\" and \"cache ready\". It happened to an earlier system; this log never reports it.",
        next: "Nothing: this program has no state in which it could happen. `truelog drives DIR` shows the evidence of \
               a real quarantine.",
        more: "The short story: a prefetch was on its way when a compaction rewrote the same block. The rewrite marked \
               the block as pending and dropped the cached bytes, of which there were none yet; then the prefetch \
               arrived with the old bytes and marked the cache as ready. Two flags now said two things. A verification \
               asked for \"ready\" first, compared old bytes with the new checksum, and tried again three times; the \
               acknowledgement of the write was late, so each try met the same state, and the drive was quarantined \
               for it. Asking in another order, or waiting a little, makes that rarer and does not end it. Here a \
               slot's phase, generation and pins are one atomic word: \"pending\" and \"ready\" are two values of \
               one field, so that no reader can see both. What a compaction replaces gets a new generation, and the \
               old one is retired: a fill that ends late finds its slot retired and is thrown away, and a reader pins \
               only \"ready, of the generation asked for\" by one compare-exchange. And no failed read quarantines a \
               drive before the generation was read again and found unchanged. The model checker finds the race in \
               the two older designs and exhausts this one: docs/INVARIANTS.md, verify-sees-one-state; `cargo verify \
               fpre004` replays the incident.",
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
