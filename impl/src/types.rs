//! Identities, digests, durabilities, and records going in and coming out.

use std::fmt;
use std::str::FromStr;

use crate::lsn::{Lsn, Seq, StreamId};
use crate::payload::Payload;

/// Text that is not what it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is not {expected}")]
pub struct ParseError {
    /// What was expected, with its article.
    pub expected: &'static str,
}

pub(crate) fn write_hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

pub(crate) fn parse_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let high = char::from(pair[0]).to_digit(16)?;
        let low = char::from(pair[1]).to_digit(16)?;
        *byte = u8::try_from(high * 16 + low).ok()?;
    }
    Some(bytes)
}

/// A log's identity: 128 random bits, drawn at create and kept for its life.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogId(pub [u8; 16]);

impl fmt::Display for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl fmt::Debug for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LogId({self})")
    }
}

impl FromStr for LogId {
    type Err = ParseError;
    fn from_str(text: &str) -> Result<Self, ParseError> {
        parse_hex(text).map(Self).ok_or(ParseError { expected: "a log identity (32 hexadecimal digits)" })
    }
}

/// A payload's BLAKE3 digest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The digest of `payload`.
    #[must_use]
    pub fn of(payload: &[u8]) -> Self {
        Self(*blake3::hash(payload).as_bytes())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("blake3:")?;
        write_hex(f, &self.0)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

impl FromStr for Digest {
    type Err = ParseError;
    fn from_str(text: &str) -> Result<Self, ParseError> {
        text.strip_prefix("blake3:")
            .and_then(parse_hex)
            .map(Self)
            .ok_or(ParseError { expected: "a digest (blake3: and 64 hexadecimal digits)" })
    }
}

/// What an acknowledged record survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Durability {
    /// The end of the process, by whatever means; not a loss of power. The record is with the kernel: should a later sync
    /// fail, which halts the log, the kernel may have given it up, and the end of the process then costs it.
    ProcessCrash,
    /// A loss of power, and the end of the process.
    #[default]
    PowerLoss,
}

impl fmt::Display for Durability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PowerLoss => "power-loss",
            Self::ProcessCrash => "process-crash",
        })
    }
}

impl FromStr for Durability {
    type Err = ParseError;
    fn from_str(text: &str) -> Result<Self, ParseError> {
        match text {
            "power-loss" => Ok(Self::PowerLoss),
            "process-crash" => Ok(Self::ProcessCrash),
            _ => Err(ParseError { expected: "a durability (power-loss or process-crash)" }),
        }
    }
}

/// A record to append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// The stream it belongs to.
    pub stream: StreamId,
    /// Its bytes; may be empty.
    pub payload: &'a [u8],
}

/// A record as it was read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its position in the log.
    pub lsn: Lsn,
    /// The stream it belongs to.
    pub stream: StreamId,
    /// Its position in that stream.
    pub seq: Seq,
    /// Its bytes.
    pub payload: Payload,
    /// Whether something durable other than its own batch vouches for it. Always true for what an open log
    /// returns; an inspection also shows valid batches that nothing vouches for yet.
    pub vouched: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_and_digests_round_trip_as_text() {
        let id = LogId(*b"0123456789abcdef");
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!("0123".parse::<LogId>().is_err());
        let digest = Digest::of(b"payload");
        assert_eq!(digest.to_string().parse(), Ok(digest));
        assert!(digest.to_string().replace("blake3", "sha256").parse::<Digest>().is_err());
        assert!("+1".repeat(16).parse::<LogId>().is_err());
    }

    #[test]
    fn durabilities_round_trip_as_text() {
        for durability in [Durability::PowerLoss, Durability::ProcessCrash] {
            assert_eq!(durability.to_string().parse(), Ok(durability));
        }
        assert_eq!(Durability::default(), Durability::PowerLoss);
        assert!("durable".parse::<Durability>().is_err());
    }
}
