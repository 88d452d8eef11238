//! Standard output: results, one line or one JSON object at a time.

use std::io::{self, Write};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use serde::Serialize;

use crate::failure::Failure;

/// Checks that standard output is open for writing. The standard library drops what is written to one that is not, and
/// says that it was written: receipts would be lost, and nobody told. (One that was closed is replaced by `/dev/null`
/// before the program begins, and cannot be told from one that was sent there.)
///
/// # Errors
/// [`Failure::Output`].
pub(crate) fn check() -> Result<(), Failure> {
    let flags = fcntl(io::stdout(), FcntlArg::F_GETFL).map(OFlag::from_bits_retain);
    match flags {
        Ok(flags) if !flags.contains(OFlag::O_PATH) && (flags & OFlag::O_ACCMODE) != OFlag::O_RDONLY => {
            Ok(())
        }
        Ok(_) => Err(Failure::output(Errno::EBADF.into())),
        Err(errno) => Err(Failure::output(errno.into())),
    }
}

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
