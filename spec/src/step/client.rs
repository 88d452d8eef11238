//! What a client does.

use std::fmt;
use std::str::FromStr;

use super::drive::{DriveNo, ReaderNo};
use super::name::{Durability, Lsn, Stream};
use crate::text::{Commas, ParseError, Words};

/// A writer: one thread that uses the log, from 0.
pub type Writer = u32;
/// A ticket's number in the trace: chosen by who submits, used once.
pub type TicketNo = u64;

/// A record to be appended. Text: `STREAM:LEN`. Its bytes follow from who appends it and when: see
/// [`crate::contract::payload`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordSpec {
    /// The stream.
    pub stream: Stream,
    /// The payload's length in bytes.
    pub len: u32,
}

impl fmt::Display for RecordSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.stream, self.len)
    }
}

impl FromStr for RecordSpec {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let parts = text.split_once(':').and_then(|(s, l)| Some((s.parse().ok()?, l.parse().ok()?)));
        let (stream, len) = parts.ok_or_else(|| ParseError::new(text, "a record STREAM:LEN"))?;
        Ok(Self { stream, len })
    }
}

/// Records that stand or fall together, and what their receipt shall survive.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Write {
    /// Who writes. Text: `writer=W`, left out for 0.
    pub writer: Writer,
    /// The records; at least one.
    pub records: Vec<RecordSpec>,
    /// What the receipt survives. Text: `durability=process-crash`, left out for power loss.
    pub durability: Durability,
}

/// A call of the public interface. Text: see the examples in the tests.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ClientStep {
    /// Make the directory a log, and open it.
    Create,
    /// Open the log: recover.
    Open,
    /// Append one record and wait: a [`Write`] of exactly one record.
    Append(Write),
    /// Append some records atomically and wait.
    Batch(Write),
    /// Hand records in, as one atomic batch, and do not wait.
    Submit {
        /// The name of the ticket.
        ticket: TicketNo,
        /// What is handed in.
        write: Write,
    },
    /// Wait for a ticket.
    Wait {
        /// Which.
        ticket: TicketNo,
    },
    /// Let go of all records below an LSN.
    Trim {
        /// The first LSN that stays.
        before: Lsn,
    },
    /// One bounded step of background work: commit what is due, mark idleness, prepare space.
    Tick,
    /// Close the log.
    Close,
    /// Read all records from an LSN on.
    Read {
        /// The first LSN wanted.
        from: Lsn,
        /// Whose snapshot it reads; a fresh one is taken if it is nobody's. Text: `reader=1`.
        reader: Option<ReaderNo>,
    },
    /// Take a snapshot, and keep it: what it leads to stays readable until it is let go of.
    Hold {
        /// Who.
        reader: ReaderNo,
    },
    /// Let go of a snapshot.
    Release {
        /// Whose.
        reader: ReaderNo,
    },
    /// Make an empty directory a drive of the log.
    AddDrive {
        /// The number that it gets.
        drive: DriveNo,
    },
    /// Move what is sealed to the archive now: the background does it by and by.
    Compact,
    /// Read every copy of the archive, and repair what can be repaired; drives with which nothing is wrong serve again.
    Scrub,
    /// Open beside everybody else, for reading only.
    Inspect,
    /// Accept that the log has moved.
    Adopt,
    /// Accept that what is damaged is lost.
    AcceptLoss,
    /// Write a manifest that is lost anew, from the drives and the segments.
    RebuildManifest,
}

impl fmt::Display for Write {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "records={}", Commas(&self.records))?;
        self.options(f)
    }
}

impl Write {
    /// One record that survives a loss of power, by writer 0.
    #[must_use]
    pub fn one(stream: Stream, len: u32) -> Self {
        Self { writer: 0, records: vec![RecordSpec { stream, len }], durability: Durability::PowerLoss }
    }

    fn options(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.writer != 0 {
            write!(f, " writer={}", self.writer)?;
        }
        if self.durability != Durability::PowerLoss {
            write!(f, " durability={}", self.durability)?;
        }
        Ok(())
    }

    fn parse(words: &mut Words<'_>, records: Vec<RecordSpec>) -> Result<Self, ParseError> {
        let writer = words.key_if("writer", "NUMBER")?.unwrap_or(0);
        let durability = words.key_if("durability", "power-loss or process-crash")?;
        Ok(Self { writer, records, durability: durability.unwrap_or(Durability::PowerLoss) })
    }

    fn parse_many(words: &mut Words<'_>) -> Result<Self, ParseError> {
        let records = words.list_if("records", "STREAM:LEN")?;
        let records = records.ok_or_else(|| words.error("records=STREAM:LEN,..."))?;
        Self::parse(words, records)
    }
}

impl fmt::Display for ClientStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create => f.write_str("create"),
            Self::Open => f.write_str("open"),
            Self::Append(write) => {
                f.write_str("append")?;
                for record in &write.records {
                    write!(f, " stream={} len={}", record.stream, record.len)?;
                }
                write.options(f)
            }
            Self::Batch(write) => write!(f, "batch {write}"),
            Self::Submit { ticket, write } => write!(f, "submit ticket={ticket} {write}"),
            Self::Wait { ticket } => write!(f, "wait ticket={ticket}"),
            Self::Trim { before } => write!(f, "trim before={before}"),
            Self::Tick => f.write_str("tick"),
            Self::Close => f.write_str("close"),
            Self::Read { from, reader } => {
                write!(f, "read from={from}")?;
                reader.map_or(Ok(()), |reader| write!(f, " reader={reader}"))
            }
            Self::Hold { reader } => write!(f, "hold reader={reader}"),
            Self::Release { reader } => write!(f, "release reader={reader}"),
            Self::AddDrive { drive } => write!(f, "add-drive drive={drive}"),
            Self::Compact => f.write_str("compact"),
            Self::Scrub => f.write_str("scrub"),
            Self::Inspect => f.write_str("inspect"),
            Self::Adopt => f.write_str("adopt"),
            Self::AcceptLoss => f.write_str("accept-loss"),
            Self::RebuildManifest => f.write_str("rebuild-manifest"),
        }
    }
}

impl ClientStep {
    pub(crate) fn parse(words: &mut Words<'_>) -> Result<Self, ParseError> {
        let expected = "a client step (create, open, append, batch, submit, wait, trim, tick, close, read, \
                        hold, release, add-drive, compact, scrub, inspect, adopt, accept-loss, rebuild-manifest)";
        let mut ahead = words.clone();
        let step = match ahead.word(expected)? {
            "create" => Self::Create,
            "open" => Self::Open,
            "append" => {
                let stream = ahead.key("stream", "NUMBER")?;
                let len = ahead.key("len", "BYTES")?;
                Self::Append(Write::parse(&mut ahead, vec![RecordSpec { stream, len }])?)
            }
            "batch" => Self::Batch(Write::parse_many(&mut ahead)?),
            "submit" => {
                Self::Submit { ticket: ahead.key("ticket", "NUMBER")?, write: Write::parse_many(&mut ahead)? }
            }
            "wait" => Self::Wait { ticket: ahead.key("ticket", "NUMBER")? },
            "trim" => Self::Trim { before: ahead.key("before", "LSN")? },
            "tick" => Self::Tick,
            "close" => Self::Close,
            "read" => {
                let from = ahead.key("from", "LSN")?;
                Self::Read { from, reader: ahead.key_if("reader", "NUMBER")? }
            }
            "hold" => Self::Hold { reader: ahead.key("reader", "NUMBER")? },
            "release" => Self::Release { reader: ahead.key("reader", "NUMBER")? },
            "add-drive" => Self::AddDrive { drive: ahead.key("drive", "NUMBER")? },
            "compact" => Self::Compact,
            "scrub" => Self::Scrub,
            "inspect" => Self::Inspect,
            "adopt" => Self::Adopt,
            "accept-loss" => Self::AcceptLoss,
            "rebuild-manifest" => Self::RebuildManifest,
            _ => return Err(words.error(expected)),
        };
        *words = ahead;
        Ok(step)
    }
}
