//! Reading a file line by line, in bounded memory, whatever is in it.

use std::io::{self, BufRead, Read};

/// How a line ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// By a newline, which is not part of it.
    Newline,
    /// With the file: it may be cut.
    File,
    /// Not before it was too long: the rest of it was passed over.
    TooLong,
}

/// Makes `line` the next line of `input`, or of one that is longer than `longest` bytes its beginning. `None` at the
/// end.
///
/// # Errors
/// The input's own.
pub(crate) fn read(input: &mut dyn BufRead, line: &mut Vec<u8>, longest: usize) -> io::Result<Option<Ended>> {
    line.clear();
    if input.take(longest as u64).read_until(b'\n', line)? == 0 {
        return Ok(None);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
        return Ok(Some(Ended::Newline));
    }
    if line.len() < longest {
        return Ok(Some(Ended::File));
    }
    loop {
        let bytes = input.fill_buf()?;
        let end = bytes.iter().position(|&byte| byte == b'\n');
        let len = end.map_or(bytes.len(), |end| end + 1);
        input.consume(len);
        if end.is_some() || len == 0 {
            return Ok(Some(Ended::TooLong));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_whole_or_known_to_be_too_long() {
        let long = "x".repeat(10_000);
        let text = format!("one\n\n{long}\nlast");
        let mut input = std::io::BufReader::with_capacity(7, text.as_bytes());
        let mut line = Vec::new();
        let mut found = Vec::new();
        while let Some(ended) = read(&mut input, &mut line, 100).unwrap() {
            found.push((line.len(), ended));
        }
        assert_eq!(
            found,
            [(3, Ended::Newline), (0, Ended::Newline), (100, Ended::TooLong), (4, Ended::File)]
        );
    }
}
