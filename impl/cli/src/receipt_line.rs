//! A receipt as one line of JSON, and back as a claim.

use serde::{Deserialize, Serialize};
use truelog::{Claim, Receipt};

/// The fields of a receipt, as they are printed. Numbers are numbers, identities and digests are text.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    log: String,
    lsn: u64,
    stream: u64,
    seq: u64,
    segment: u64,
    offset: u64,
    len: u32,
    digest: String,
    durability: String,
}

/// Writes `receipt` behind `text`, with a newline.
///
/// # Errors
/// Never for a `Vec`; the signature is serde's.
pub(crate) fn write(receipt: &Receipt, text: &mut Vec<u8>) -> serde_json::Result<()> {
    let claim = Claim::from(receipt);
    let line = Line {
        log: claim.log.to_string(),
        lsn: claim.lsn.get(),
        stream: claim.stream.get(),
        seq: claim.seq.get(),
        segment: claim.segment.get(),
        offset: claim.offset,
        len: claim.len,
        digest: claim.digest.to_string(),
        durability: claim.durability.to_string(),
    };
    serde_json::to_writer(&mut *text, &line)?;
    text.push(b'\n');
    Ok(())
}

/// What one line of a receipts file is.
#[derive(Debug, PartialEq, Eq)]
pub enum Parsed {
    /// A receipt.
    Whole(Claim),
    /// The beginning of a receipt that was never printed whole, and behind it, on the same line, a whole one.
    TornThenWhole(Claim),
    /// The beginning of a receipt that was never printed whole.
    Torn,
    /// Blank.
    Blank,
    /// Something else.
    Foreign,
}

/// Reads one line, without its newline. An append that was killed may have printed half a line; the next one
/// that writes to the same file goes on behind it.
#[must_use]
pub fn parse(line: &[u8]) -> Parsed {
    /// How every receipt begins.
    const START: &[u8] = b"{\"log\":\"";
    let line = line.trim_ascii();
    if line.is_empty() {
        return Parsed::Blank;
    }
    if let Some(claim) = claim(line) {
        return Parsed::Whole(claim);
    }
    let last = line.windows(START.len()).rposition(|window| window == START).unwrap_or(0);
    if last > 0
        && torn(&line[..last], START)
        && let Some(claim) = claim(&line[last..])
    {
        return Parsed::TornThenWhole(claim);
    }
    if torn(line, START) { Parsed::Torn } else { Parsed::Foreign }
}

/// Whether `piece` is the beginning of a receipt and no more.
fn torn(piece: &[u8], start: &[u8]) -> bool {
    (piece.starts_with(start) || start.starts_with(piece)) && !piece.contains(&b'}')
}

fn claim(text: &[u8]) -> Option<Claim> {
    let line: Line = serde_json::from_slice(text).ok()?;
    Some(Claim {
        log: line.log.parse().ok()?,
        lsn: line.lsn.into(),
        stream: line.stream.into(),
        seq: line.seq.into(),
        segment: line.segment.into(),
        offset: line.offset,
        len: line.len,
        digest: line.digest.parse().ok()?,
        durability: line.durability.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"log":"30313233343536373839616263646566","lsn":5,"stream":2,"seq":1,"segment":3,"offset":4192,"len":8,"digest":"blake3:0101010101010101010101010101010101010101010101010101010101010101","durability":"power-loss"}"#;

    #[test]
    fn a_whole_line_is_a_claim() {
        let Parsed::Whole(claim) = parse(LINE.as_bytes()) else { panic!("{:?}", parse(LINE.as_bytes())) };
        assert_eq!((claim.lsn.get(), claim.stream.get(), claim.seq.get()), (5, 2, 1));
        assert_eq!(claim.durability, truelog::Durability::PowerLoss);
    }

    #[test]
    fn half_a_line_is_torn_and_what_follows_it_counts() {
        for cut in 1..LINE.len() {
            let half = &LINE[..cut];
            assert_eq!(parse(half.as_bytes()), Parsed::Torn, "{half}");
            let joined = format!("{half}{LINE}");
            assert!(matches!(parse(joined.as_bytes()), Parsed::TornThenWhole(_)), "{joined}");
        }
    }

    #[test]
    fn what_is_no_receipt_is_said_to_be_foreign() {
        for text in ["hello", "{}", r#"{"lsn":1}"#, "null", "[1]"] {
            assert_eq!(parse(text.as_bytes()), Parsed::Foreign, "{text}");
        }
        assert_eq!(parse(b" \r"), Parsed::Blank);
        let other = LINE.replace("blake3:", "sha256:");
        assert_eq!(parse(other.as_bytes()), Parsed::Foreign);
    }
}
