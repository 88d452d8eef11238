//! Standard output: results, one line or one JSON object at a time.

use std::io::Write;

use serde::Serialize;

use crate::failure::Failure;

/// Prints a line of text.
///
/// # Errors
/// [`Failure::Closed`] or [`Failure::Output`].
pub(crate) fn line(out: &mut dyn Write, text: &str) -> Result<(), Failure> {
    out.write_all(text.as_bytes()).and_then(|()| out.write_all(b"\n")).map_err(Failure::output)
}

/// Prints `value` as one line of JSON.
///
/// # Errors
/// [`Failure::Closed`] or [`Failure::Output`].
pub(crate) fn json(out: &mut dyn Write, value: &impl Serialize) -> Result<(), Failure> {
    serde_json::to_writer(&mut *out, value).map_err(|error| Failure::output(error.into()))?;
    out.write_all(b"\n").map_err(Failure::output)
}

/// Prints what is still buffered.
///
/// # Errors
/// [`Failure::Closed`] or [`Failure::Output`].
pub(crate) fn flush(out: &mut dyn Write) -> Result<(), Failure> {
    out.flush().map_err(Failure::output)
}

/// "1 record", "2 records".
pub(crate) fn count(number: u64, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// "1 batch", "2 batches".
pub(crate) fn batches(number: u64) -> String {
    if number == 1 { "1 batch".to_owned() } else { format!("{number} batches") }
}
