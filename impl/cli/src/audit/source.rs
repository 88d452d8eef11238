//! The logs of an application, line by line.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::lines::{self, Ended};

/// Bytes read at a time.
const BUFFER: usize = 1 << 20;
/// Bytes of the longest line that is read whole.
pub(crate) const LONGEST: usize = 256 * 1024;

/// How compressed files begin.
const COMPRESSED: [(&[u8], &str); 4] =
    [(b"\x1f\x8b", "gzip"), (b"\x28\xb5\x2f\xfd", "zstd"), (b"\xfd7zXZ", "xz"), (b"BZh", "bzip2")];

/// A line of one of the logs. The order is that in which they are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct At {
    /// Which log, from 0.
    pub(crate) log: usize,
    /// Which line of it, from 1.
    pub(crate) line: u64,
}

impl At {
    /// `app.log:17`.
    pub(crate) fn text(self, logs: &[PathBuf]) -> String {
        logs.get(self.log).map_or_else(String::new, |log| format!("{}:{}", log.display(), self.line))
    }
}

/// What is done with a line.
pub(crate) type Each<'a> = &'a mut dyn FnMut(At, &[u8], Ended) -> Result<(), Failure>;

/// Gives every line of the logs to `each`, in order.
///
/// # Errors
/// [`Failure::File`], [`Failure::Compressed`], and whatever `each` reports.
pub(crate) fn each_line(logs: &[PathBuf], each: Each<'_>) -> Result<(), Failure> {
    let mut line = Vec::new();
    for (log, path) in logs.iter().enumerate() {
        let failed = |source| Failure::File { path: path.clone(), source };
        let mut input = open(path)?;
        let mut number = 0;
        while let Some(read) = lines::read(&mut *input, &mut line, LONGEST).map_err(failed)? {
            number += 1;
            each(At { log, line: number }, &line, read.ended)?;
        }
    }
    Ok(())
}

fn open(path: &Path) -> Result<Box<dyn BufRead>, Failure> {
    let failed = |source| Failure::File { path: path.to_owned(), source };
    let mut input: Box<dyn BufRead> = if path == Path::new("-") {
        Box::new(BufReader::with_capacity(BUFFER, io::stdin().lock()))
    } else {
        Box::new(BufReader::with_capacity(BUFFER, File::open(path).map_err(failed)?))
    };
    let begin = input.fill_buf().map_err(failed)?;
    match COMPRESSED.iter().find(|(magic, _)| begin.starts_with(magic)) {
        Some((_, kind)) => Err(Failure::Compressed { path: path.to_owned(), kind }),
        None => Ok(input),
    }
}
