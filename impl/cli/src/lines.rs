//! Reading a file line by line, in bounded memory, whatever is in it.

use std::io::{self, BufRead, Read as _};

/// Bytes of the end of a line that is too long.
const TAIL: usize = 8 << 10;

/// How a line ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// By a newline, which is not part of it.
    Newline,
    /// With the file: it may be cut.
    File,
    /// Not before it was too long: of the rest only the end was kept.
    TooLong,
}

/// A line that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Read {
    pub(crate) ended: Ended,
    /// How far the input went on for it.
    pub(crate) bytes: u64,
}

/// Makes `line` the next line of `input`, or of one that is longer than `longest` bytes its beginning and its last
/// [`TAIL`] bytes. `None` at the end. Zeros before a line are no part of it: a file has them that was cut under its writer, or whose bytes a crash took.
///
/// # Errors
/// The input's own.
pub(crate) fn read(input: &mut dyn BufRead, line: &mut Vec<u8>, longest: usize) -> io::Result<Option<Read>> {
    line.clear();
    let zeros = skip_zeros(input)?;
    let read = input.take(longest as u64).read_until(b'\n', line)?;
    let mut bytes = zeros + read as u64;
    if bytes == 0 {
        return Ok(None);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
        return Ok(Some(Read { ended: Ended::Newline, bytes }));
    }
    if line.len() < longest {
        return Ok(Some(Read { ended: Ended::File, bytes }));
    }
    let mut tail = Vec::new();
    loop {
        let rest = input.fill_buf()?;
        let end = rest.iter().position(|&byte| byte == b'\n');
        let text = &rest[..end.unwrap_or(rest.len())];
        tail.extend_from_slice(&text[text.len().saturating_sub(TAIL)..]);
        tail.drain(..tail.len().saturating_sub(TAIL));
        let len = end.map_or(rest.len(), |end| end + 1);
        input.consume(len);
        bytes += len as u64;
        if end.is_some() || len == 0 {
            line.append(&mut tail);
            let ended = if end.is_some() { Ended::TooLong } else { Ended::File };
            return Ok(Some(Read { ended, bytes }));
        }
    }
}

/// Says how many there were.
fn skip_zeros(input: &mut dyn BufRead) -> io::Result<u64> {
    let mut skipped = 0;
    loop {
        let bytes = input.fill_buf()?;
        let zeros = bytes.iter().position(|&byte| byte != 0).unwrap_or(bytes.len());
        if zeros == 0 {
            return Ok(skipped);
        }
        input.consume(zeros);
        skipped += zeros as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_whole_or_known_to_be_too_long() {
        let long = "x".repeat(10_000);
        let text = format!("one\n\n{long}\n{}two\nlast", "\0".repeat(5_000));
        let mut input = std::io::BufReader::with_capacity(7, text.as_bytes());
        let mut line = Vec::new();
        let mut found = Vec::new();
        while let Some(Read { ended, bytes }) = read(&mut input, &mut line, 100).unwrap() {
            found.push((line.len(), ended, bytes));
        }
        assert_eq!(
            found,
            [
                (3, Ended::Newline, 4),
                (0, Ended::Newline, 1),
                (100 + TAIL, Ended::TooLong, 10_001),
                (3, Ended::Newline, 5_004),
                (4, Ended::File, 4)
            ]
        );
    }
}
