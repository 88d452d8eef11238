//! How a client step ended, as the client saw it.

use std::fmt;
use std::str::FromStr;

use crate::step::{Lsn, Lsns, Seq};
use crate::text::{Commas, ParseError, Words, words};

words! {
    /// The typed errors of the public interface, by kind.
    Failure, "an error" {
        /// The space is used up; nothing of the append was kept.
        Full = "full",
        /// A write or sync failed earlier: this handle acknowledges nothing new.
        Poisoned = "poisoned",
        /// The operating system reports an error.
        Io = "io",
        /// Bytes are not what they were.
        Corrupt = "corrupt",
        /// The handle is closed.
        Closed = "closed",
        /// Somebody else has the log open.
        Locked = "locked",
        /// The directory holds something else.
        Exists = "exists",
        /// The creation of the log never ended.
        Unfinished = "unfinished",
        /// A newer version wrote it.
        Version = "version",
        /// The record is trimmed.
        Trimmed = "trimmed",
        /// The record or batch is larger than allowed.
        TooLarge = "too-large",
        /// The log is open for reading only.
        ReadOnly = "read-only",
        /// No log is there.
        NotALog = "not-a-log",
        /// The volume cannot keep the promise.
        Unsafe = "unsafe",
        /// An option cannot be had.
        BadOption = "bad-option",
        /// The log was moved, or made with other options.
        Mismatch = "mismatch",
        /// No such record.
        NotFound = "not-found",
        /// A create or an adopt of this boot did not end well, and no later sync proves what it made.
        InDoubt = "in-doubt",
    }
}

impl Failure {
    /// Whether an append that ended so is known to have left nothing behind. All others may be present or absent.
    #[must_use]
    pub const fn refuses(self) -> bool {
        matches!(self, Self::Full | Self::TooLarge | Self::ReadOnly | Self::BadOption | Self::Unsafe)
    }
}

/// What recovery says of the log, without the records themselves.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Found {
    /// How many records it has.
    pub records: u64,
    /// The next LSN. Text: `next=4`.
    pub next: Lsn,
    /// Records below are gone. Text: `trimmed=3`, left out for 1.
    pub trimmed: Lsn,
    /// The damage it names. Text: `damage=3..5,9`, left out for none.
    pub damage: Vec<Lsns>,
}

/// How a client step ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Outcome {
    /// It succeeded, and there is no more to say. Text: `done`.
    Done,
    /// The log is open. Text: `recovered 3 next=4`.
    Recovered(Found),
    /// The records are acknowledged under these LSNs and sequence numbers, one per record, in order.
    /// Text: `acked 3..4 seq=0,1`.
    Acked {
        /// The LSNs.
        lsns: Lsns,
        /// The sequence numbers.
        seqs: Vec<Seq>,
    },
    /// The records have these LSNs, and are not acknowledged. Text: `submitted 3..4`.
    Submitted(Lsns),
    /// Records below are gone. Text: `trimmed 3`.
    Trimmed(Lsn),
    /// So many records were read. Text: `read 3`.
    Read(u64),
    /// These are accepted as lost. Text: `lost 3..5,9`, or `lost none`.
    Lost(Vec<Lsns>),
    /// It ended by an error. Text: `error full`.
    Failed(Failure),
    /// It never returned: a crash came first. Text: `unresolved`.
    Unresolved,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} next={}", self.records, self.next)?;
        if self.trimmed != 1 {
            write!(f, " trimmed={}", self.trimmed)?;
        }
        if self.damage.is_empty() { Ok(()) } else { write!(f, " damage={}", Commas(&self.damage)) }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => f.write_str("done"),
            Self::Recovered(found) => write!(f, "recovered {found}"),
            Self::Acked { lsns, seqs } => write!(f, "acked {lsns} seq={}", Commas(seqs)),
            Self::Submitted(lsns) => write!(f, "submitted {lsns}"),
            Self::Trimmed(before) => write!(f, "trimmed {before}"),
            Self::Read(records) => write!(f, "read {records}"),
            Self::Lost(lost) if lost.is_empty() => f.write_str("lost none"),
            Self::Lost(lost) => write!(f, "lost {}", Commas(lost)),
            Self::Failed(failure) => write!(f, "error {failure}"),
            Self::Unresolved => f.write_str("unresolved"),
        }
    }
}

impl Outcome {
    pub(crate) fn parse(words: &mut Words<'_>) -> Result<Self, ParseError> {
        let expected =
            "an outcome (done, recovered, acked, submitted, trimmed, read, lost, error, unresolved)";
        let start = words.clone();
        Ok(match words.word(expected)? {
            "done" => Self::Done,
            "recovered" => Self::Recovered(Found {
                records: words.parse("a number of records")?,
                next: words.key("next", "LSN")?,
                trimmed: words.key_if("trimmed", "LSN")?.unwrap_or(1),
                damage: words.list_if("damage", "LSNS")?.unwrap_or_default(),
            }),
            "acked" => Self::Acked {
                lsns: words.one()?,
                seqs: words.list_if("seq", "NUMBER")?.ok_or_else(|| words.error("seq=NUMBER,..."))?,
            },
            "submitted" => Self::Submitted(words.one()?),
            "trimmed" => Self::Trimmed(words.parse("an LSN")?),
            "read" => Self::Read(words.parse("a number of records")?),
            "lost" if words.flag("none") => Self::Lost(Vec::new()),
            "lost" => {
                let list = words.clone();
                let lost = words.word("none or LSNs")?.split(',').map(str::parse).collect::<Result<_, _>>();
                Self::Lost(lost.map_err(|_| list.error("none or LSNs"))?)
            }
            "error" => Self::Failed(words.one()?),
            "unresolved" => Self::Unresolved,
            _ => return Err(start.error(expected)),
        })
    }
}

impl FromStr for Outcome {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let mut words = Words::new(text);
        let outcome = Self::parse(&mut words)?;
        words.end()?;
        Ok(outcome)
    }
}
