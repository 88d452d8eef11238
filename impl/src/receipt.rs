//! Receipts, the claims that they become, and what a check of a claim says.

use std::fmt;
use std::str::FromStr;

use crate::lsn::{Lsn, LsnRange, SegmentNo, Seq, StreamId};
use crate::types::{Digest, Durability, LogId, ParseError};

/// Says that one record was acknowledged. Only the commit path makes one, once the durability that it names
/// holds. Whoever has one may hold the log to it, by way of [`Claim`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Receipt(Claim);

impl Receipt {
    /// The receipt for what `claim` says. For the commit path alone (clippy holds that): the sync that covers
    /// the record has succeeded, or for [`Durability::ProcessCrash`] its write.
    pub(crate) const fn issue(claim: Claim) -> Self {
        Self(claim)
    }

    /// The log.
    #[must_use]
    pub const fn log(&self) -> LogId {
        self.0.log
    }

    /// The record's position in the log.
    #[must_use]
    pub const fn lsn(&self) -> Lsn {
        self.0.lsn
    }

    /// The stream that the record belongs to.
    #[must_use]
    pub const fn stream(&self) -> StreamId {
        self.0.stream
    }

    /// The record's position in that stream.
    #[must_use]
    pub const fn seq(&self) -> Seq {
        self.0.seq
    }

    /// The segment that the record was written to.
    #[must_use]
    pub const fn segment(&self) -> SegmentNo {
        self.0.segment
    }

    /// Where the record's frame begins in that segment's file, in bytes.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        self.0.offset
    }

    /// The payload's length, in bytes.
    #[must_use]
    pub const fn len(&self) -> u32 {
        self.0.len
    }

    /// Whether the payload is empty.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.len == 0
    }

    /// The payload's digest.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.0.digest
    }

    /// What the record survives.
    #[must_use]
    pub const fn durability(&self) -> Durability {
        self.0.durability
    }
}

/// What a receipt says, in the hands of anybody: it may be parsed, and proves nothing until it is verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Claim {
    /// The log.
    pub log: LogId,
    /// The record's position in the log.
    pub lsn: Lsn,
    /// The stream that the record belongs to.
    pub stream: StreamId,
    /// The record's position in that stream.
    pub seq: Seq,
    /// The segment that the record was written to. Says where it was born; not verified.
    pub segment: SegmentNo,
    /// Where its frame began in that segment's file, in bytes. Not verified.
    pub offset: u64,
    /// The payload's length, in bytes.
    pub len: u32,
    /// The payload's digest.
    pub digest: Digest,
    /// What the record was said to survive.
    pub durability: Durability,
}

impl From<&Receipt> for Claim {
    fn from(receipt: &Receipt) -> Self {
        receipt.0
    }
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "log={} lsn={} stream={} seq={} segment={} offset={} len={} digest={} durability={}",
            self.log,
            self.lsn,
            self.stream,
            self.seq,
            self.segment,
            self.offset,
            self.len,
            self.digest,
            self.durability
        )
    }
}

impl FromStr for Claim {
    type Err = ParseError;

    /// Reads what `Display` writes: the nine fields, in that order, separated by blanks.
    fn from_str(text: &str) -> Result<Self, ParseError> {
        fn field<T: FromStr>(
            words: &mut std::str::SplitWhitespace<'_>,
            key: &str,
            expected: &'static str,
        ) -> Result<T, ParseError> {
            words
                .next()
                .and_then(|word| word.strip_prefix(key))
                .and_then(|word| word.strip_prefix('='))
                .and_then(|value| value.parse().ok())
                .ok_or(ParseError { expected })
        }
        let words = &mut text.split_whitespace();
        let claim = Self {
            log: field(words, "log", "a claim (log=)")?,
            lsn: field(words, "lsn", "a claim (lsn=)")?,
            stream: field(words, "stream", "a claim (stream=)")?,
            seq: field(words, "seq", "a claim (seq=)")?,
            segment: field(words, "segment", "a claim (segment=)")?,
            offset: field(words, "offset", "a claim (offset=)")?,
            len: field(words, "len", "a claim (len=)")?,
            digest: field(words, "digest", "a claim (digest=)")?,
            durability: field(words, "durability", "a claim (durability=)")?,
        };
        match words.next() {
            None => Ok(claim),
            Some(_) => Err(ParseError { expected: "the end of a claim" }),
        }
    }
}

/// What a check of a claim says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[must_use]
pub enum Verdict {
    /// The record is there, byte for byte.
    Verified,
    /// The record is there, byte for byte, in a batch that nothing else vouches for yet.
    Unvouched,
    /// The record was trimmed; nothing can be said about it.
    Trimmed,
    /// The claim does not hold.
    Violated {
        /// Why.
        why: Violation,
    },
    /// The claim is not about this log.
    Unverifiable {
        /// Why.
        why: Unverifiable,
    },
}

/// Why a claim does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Violation {
    /// There is no such record.
    #[error("there is no such record; the next is {next}")]
    Absent {
        /// The first LSN without a record.
        next: Lsn,
    },
    /// The record is damaged.
    #[error("records {lsns} are damaged")]
    Damaged {
        /// The damaged records.
        lsns: LsnRange,
    },
    /// The record was damaged, and given up.
    #[error("records {lsns} were given up by accept-loss")]
    Lost {
        /// The records given up.
        lsns: LsnRange,
    },
    /// The records are there, but not in one batch that begins and ends where it was said.
    #[error("the records are there, but at that place is no batch of just them")]
    OtherPlace,
    /// The record belongs to another stream.
    #[error("the record belongs to stream {found}")]
    OtherStream {
        /// Its stream.
        found: StreamId,
    },
    /// The record has another position in its stream.
    #[error("the record has sequence number {found}")]
    OtherSeq {
        /// Its position.
        found: Seq,
    },
    /// The payload differs.
    #[error("the payload has digest {found}")]
    OtherPayload {
        /// Its digest.
        found: Digest,
    },
}

/// Why a claim cannot be checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Unverifiable {
    /// The claim is about another log.
    #[error("this is log {found}")]
    OtherLog {
        /// The log that was asked.
        found: LogId,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim() -> Claim {
        Claim {
            log: LogId([7; 16]),
            lsn: Lsn(5),
            stream: StreamId(2),
            seq: Seq(1),
            segment: SegmentNo(3),
            offset: 4192,
            len: 8,
            digest: Digest::of(b"12345678"),
            durability: Durability::PowerLoss,
        }
    }

    #[test]
    fn a_claim_round_trips_as_text() {
        let text = claim().to_string();
        assert_eq!(text.parse(), Ok(claim()));
        assert!(format!("{text} more=1").parse::<Claim>().is_err());
        for key in ["log", "lsn", "stream", "seq", "segment", "offset", "len", "digest", "durability"] {
            assert!(text.replace(&format!("{key}="), "other=").parse::<Claim>().is_err(), "{key}");
        }
    }

    #[test]
    #[allow(clippy::disallowed_methods, reason = "a test of the receipt itself")]
    fn a_receipt_becomes_the_claim_it_was_issued_for() {
        assert_eq!(Claim::from(&Receipt::issue(claim())), claim());
    }

    #[test]
    #[allow(clippy::disallowed_methods, reason = "a test of the receipt itself")]
    fn only_a_receipt_for_no_bytes_is_empty() {
        for len in [0, 1] {
            let receipt = Receipt::issue(Claim { len, ..claim() });
            assert_eq!((receipt.len(), receipt.is_empty()), (len, len == 0));
        }
    }
}
