//! Standard input, cut into records.

use std::io::{ErrorKind, Read};

use crate::args::InputFormat;
use crate::failure::Failure;

/// Bytes asked of the input at a time.
const READ_BYTES: usize = 256 * 1024;

/// Bytes of a frame's length.
const LENGTH_BYTES: usize = 4;

/// What the input gives.
pub(crate) enum Piece<'a> {
    /// A whole record.
    Record(&'a [u8]),
    /// All that could be had without waiting was given: hand it on.
    Pause,
}

/// Cuts `input` into records and gives them to `sink`, in memory bounded by one read and one record.
///
/// # Errors
/// [`Failure::Input`] when the input cannot be read, [`Failure::TooLong`] when a record has more than `limit`
/// bytes, [`Failure::CutFrame`] when the input ends inside a frame, and whatever `sink` reports.
pub(crate) fn split(
    input: &mut impl Read,
    format: InputFormat,
    limit: usize,
    mut sink: impl FnMut(Piece<'_>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut splitter = Splitter { format, limit, rest: Vec::new(), given: 0 };
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let read = match input.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(Failure::Input { after: splitter.given, source: error }),
        };
        splitter.feed(&buffer[..read], &mut sink)?;
        sink(Piece::Pause)?;
    }
    splitter.finish(&mut sink)?;
    sink(Piece::Pause)
}

/// What is between two reads.
struct Splitter {
    format: InputFormat,
    /// The most bytes that a record may have.
    limit: usize,
    /// The beginning of a record whose end was not read yet; for frames, with its length.
    rest: Vec<u8>,
    /// Records given so far.
    given: u64,
}

impl Splitter {
    fn feed(
        &mut self,
        mut bytes: &[u8],
        sink: &mut impl FnMut(Piece<'_>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        while !bytes.is_empty() {
            bytes = match self.format {
                InputFormat::Lines => self.line(bytes, sink)?,
                InputFormat::Frames => self.frame(bytes, sink)?,
            };
        }
        Ok(())
    }

    /// Takes at most one line off `bytes`, and returns what is behind it.
    fn line<'a>(
        &mut self,
        bytes: &'a [u8],
        sink: &mut impl FnMut(Piece<'_>) -> Result<(), Failure>,
    ) -> Result<&'a [u8], Failure> {
        let end = bytes.iter().position(|&byte| byte == b'\n');
        let part = &bytes[..end.unwrap_or(bytes.len())];
        self.check(self.rest.len() + part.len())?;
        let Some(end) = end else {
            self.rest.extend_from_slice(part);
            return Ok(&[]);
        };
        if self.rest.is_empty() {
            sink(Piece::Record(part))?;
        } else {
            self.rest.extend_from_slice(part);
            sink(Piece::Record(&self.rest))?;
            self.rest.clear();
        }
        self.given += 1;
        Ok(&bytes[end + 1..])
    }

    /// Takes at most one frame off `bytes`, and returns what is behind it.
    fn frame<'a>(
        &mut self,
        bytes: &'a [u8],
        sink: &mut impl FnMut(Piece<'_>) -> Result<(), Failure>,
    ) -> Result<&'a [u8], Failure> {
        let missing = LENGTH_BYTES.saturating_sub(self.rest.len()).min(bytes.len());
        let (length, bytes) = bytes.split_at(missing);
        self.rest.extend_from_slice(length);
        let Some((length, payload)) = self.rest.split_first_chunk::<LENGTH_BYTES>() else {
            return Ok(bytes);
        };
        let len = u32::from_le_bytes(*length) as usize;
        let held = payload.len();
        self.check(len)?;
        let (part, behind) = bytes.split_at((len - held).min(bytes.len()));
        if held == 0 && part.len() == len {
            sink(Piece::Record(part))?;
        } else {
            self.rest.extend_from_slice(part);
            if held + part.len() < len {
                return Ok(behind);
            }
            sink(Piece::Record(&self.rest[LENGTH_BYTES..]))?;
        }
        self.rest.clear();
        self.given += 1;
        Ok(behind)
    }

    /// The input has ended.
    fn finish(&mut self, sink: &mut impl FnMut(Piece<'_>) -> Result<(), Failure>) -> Result<(), Failure> {
        if self.rest.is_empty() {
            return Ok(());
        }
        match self.format {
            InputFormat::Lines => {
                self.given += 1;
                sink(Piece::Record(&self.rest))
            }
            InputFormat::Frames => Err(Failure::CutFrame { record: self.given, got: self.rest.len() }),
        }
    }

    fn check(&self, len: usize) -> Result<(), Failure> {
        if len > self.limit {
            return Err(Failure::TooLong { record: self.given, limit: self.limit });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives its bytes in pieces of `step`.
    struct Slow<'a> {
        bytes: &'a [u8],
        step: usize,
    }

    impl Read for Slow<'_> {
        fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
            let len = self.step.min(self.bytes.len()).min(buf.len());
            let (now, later) = self.bytes.split_at(len);
            buf[..len].copy_from_slice(now);
            self.bytes = later;
            Ok(len)
        }
    }

    fn records(
        bytes: &[u8],
        step: usize,
        format: InputFormat,
        limit: usize,
    ) -> Result<Vec<Vec<u8>>, Failure> {
        let mut records = Vec::new();
        split(&mut Slow { bytes, step }, format, limit, |piece| {
            if let Piece::Record(record) = piece {
                records.push(record.to_vec());
            }
            Ok(())
        })?;
        Ok(records)
    }

    #[test]
    fn lines_are_cut_the_same_however_they_arrive() {
        let bytes = b"one\n\nthree with spaces\r\nlast without newline";
        let expected: Vec<&[u8]> = vec![b"one", b"", b"three with spaces\r", b"last without newline"];
        for step in 1..=bytes.len() {
            assert_eq!(records(bytes, step, InputFormat::Lines, 100).unwrap(), expected, "step {step}");
        }
        assert!(records(b"", 1, InputFormat::Lines, 100).unwrap().is_empty());
        assert_eq!(records(b"\n", 1, InputFormat::Lines, 100).unwrap(), [b""]);
    }

    #[test]
    fn frames_are_cut_the_same_however_they_arrive() {
        let expected: Vec<Vec<u8>> = vec![b"one\n".to_vec(), Vec::new(), vec![0; 300], b"x".to_vec()];
        let mut bytes = Vec::new();
        for record in &expected {
            bytes.extend_from_slice(&u32::try_from(record.len()).unwrap().to_le_bytes());
            bytes.extend_from_slice(record);
        }
        for step in 1..=bytes.len() {
            assert_eq!(records(&bytes, step, InputFormat::Frames, 300).unwrap(), expected, "step {step}");
        }
        for cut in [1, 3, 4, 6, bytes.len() - 1] {
            let failure = records(&bytes[..cut], 7, InputFormat::Frames, 300).unwrap_err();
            assert!(matches!(failure, Failure::CutFrame { .. }), "cut {cut}: {failure}");
        }
    }

    #[test]
    fn a_record_longer_than_the_limit_is_refused_before_it_is_held() {
        assert!(records(b"12345\n", 2, InputFormat::Lines, 5).is_ok());
        let failure = records(b"1\n123456", 2, InputFormat::Lines, 5).unwrap_err();
        assert!(matches!(failure, Failure::TooLong { record: 1, limit: 5 }), "{failure}");
        let failure = records(&[255, 255, 255, 255], 4, InputFormat::Frames, 5).unwrap_err();
        assert!(matches!(failure, Failure::TooLong { record: 0, limit: 5 }), "{failure}");
    }
}
