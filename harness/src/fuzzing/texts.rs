//! What reads text: steps, traces, claims, receipts.

use truelog::Claim;
use truelog_cli::receipt_line::{Parsed, parse};
use truelog_spec::{Invariant, Step, Trace};

use crate::caught::HARNESS;

/// What a text is read as, or why it is not.
fn tell<T: std::str::FromStr<Err: std::fmt::Display> + std::fmt::Display>(data: &[u8]) -> String {
    let Ok(text) = std::str::from_utf8(data) else { return "no text".to_owned() };
    match text.parse::<T>() {
        Ok(value) => format!("read as:\n{value}"),
        Err(why) => format!("{text}\nrefused: {why}"),
    }
}

/// What is read can be written, and is read again as the same; else this is broken.
fn round<T>(data: &[u8], breaks: &str)
where
    T: std::str::FromStr<Err: std::fmt::Debug + PartialEq> + std::fmt::Display + std::fmt::Debug + PartialEq,
{
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(value) = text.parse::<T>() else { return };
    assert_eq!(value.to_string().parse::<T>().as_ref(), Ok(&value), "{breaks}: what was read can be written");
}

/// A line of a trace from arbitrary text.
pub fn step_text(data: &[u8]) {
    round::<Step>(data, HARNESS);
}

/// A whole trace from arbitrary text.
pub fn trace_text(data: &[u8]) {
    round::<Trace>(data, HARNESS);
}

/// A claim from arbitrary text.
pub fn claim_text(data: &[u8]) {
    round::<Claim>(data, Invariant::ClaimHasArtifact.as_str());
}

/// A line of a file of receipts, as the operator's command reads it.
pub fn receipt_line(data: &[u8]) {
    let Parsed::Whole(claim) = parse(data) else { return };
    // What counts as a receipt has the claim of just one text, and no byte beside it.
    assert!(
        data.trim_ascii().starts_with(b"{") && data.trim_ascii().ends_with(b"}"),
        "claim-has-artifact: {claim}"
    );
    assert_eq!(
        claim.to_string().parse::<Claim>().as_ref(),
        Ok(&claim),
        "claim-has-artifact: it can be written"
    );
    let torn = [&data[..data.len() / 2], data].concat();
    let again = parse(&torn);
    assert!(
        !matches!(again, Parsed::Whole(_)),
        "claim-has-artifact: half a receipt and a whole one are not one: {again:?}"
    );
}

/// See [`step_text`].
pub(super) fn tell_step(data: &[u8]) -> String {
    tell::<Step>(data)
}

/// See [`trace_text`].
pub(super) fn tell_trace(data: &[u8]) -> String {
    tell::<Trace>(data)
}

/// See [`claim_text`].
pub(super) fn tell_claim(data: &[u8]) -> String {
    tell::<Claim>(data)
}

/// See [`receipt_line`].
pub(super) fn tell_receipt(data: &[u8]) -> String {
    format!("{}\n{:?}", String::from_utf8_lossy(data), parse(data))
}
