//! A buffer that is read into again and again.

use std::ops::Deref;

use truelog_env::{File, IoError};

use crate::codec::as_u64;
use crate::home::read_full_at;
use crate::payload::{Memory, Payload};

/// Where in memory what is large begins, in bytes: at a page. What a file's cache holds is copied from there many times slower
/// on some processors if it goes to a place a few bytes further on in a page than it comes from, and that is where the
/// system's allocator begins whatever is large.
const PAGE: usize = 4096;
/// So many bytes are large.
const LARGE: usize = 16 * PAGE;

/// What was read from a file. Its memory is zeroed when it grows, and not again for each read; it is left to whoever still
/// looks at it when the next read comes.
#[derive(Debug, Default)]
pub(crate) struct ReadBuf {
    memory: Memory,
    /// Where in the memory what was read begins.
    start: usize,
    filled: usize,
}

impl ReadBuf {
    /// Room for so many bytes.
    pub(crate) fn with_room(len: usize) -> Self {
        let mut buf = Self::default();
        buf.grow(len, 0);
        buf
    }

    /// Reads `len` bytes from `offset` on, in place of what was here: fewer where the file ends.
    ///
    /// # Errors
    /// The file's; then nothing is here.
    pub(crate) fn read(&mut self, file: &dyn File, len: usize, offset: u64) -> Result<(), IoError> {
        self.filled = 0;
        self.read_on(file, len, offset)
    }

    /// Reads behind what is here until there are `len` bytes. `offset` is where the first of all is in the file.
    ///
    /// # Errors
    /// The file's; then what was here still is.
    pub(crate) fn read_on(&mut self, file: &dyn File, len: usize, offset: u64) -> Result<(), IoError> {
        let from = self.filled.min(len);
        if len > self.room() || Memory::strong_count(&self.memory) > 1 {
            self.grow(len, from);
        }
        let (start, end) = (self.start + from, self.start + len);
        let memory = Memory::get_mut(&mut self.memory).and_then(|memory| memory.get_mut(start..end));
        let Some(memory) = memory else { return Ok(()) };
        self.filled = from + read_full_at(file, memory, offset.saturating_add(as_u64(from)))?;
        Ok(())
    }

    /// Takes other memory, with room for so many bytes, and the first `keep` of those that are here along.
    fn grow(&mut self, len: usize, keep: usize) {
        let spare = if len < LARGE { 0 } else { PAGE - 1 };
        let mut memory = vec![0; len + spare];
        // Where that cannot be told it is only slower.
        let start = memory.as_ptr().align_offset(PAGE).min(spare);
        memory.truncate(start + len);
        memory[start..start + keep].copy_from_slice(&self[..keep]);
        (self.memory, self.start) = (Memory::new(memory), start);
    }

    /// The memory, to look at what was read for longer than until the next read, and where in that it begins.
    pub(crate) const fn memory(&self) -> (&Memory, usize) {
        (&self.memory, self.start)
    }

    /// These bytes of what was read, for longer than until the next read.
    pub(crate) fn view(&self, from: usize, len: usize) -> Payload {
        Payload::view(&self.memory, self.start + from, len)
    }

    /// How many bytes can be read into it before it takes other memory.
    pub(crate) fn room(&self) -> usize {
        self.memory.len() - self.start
    }
}

impl Deref for ReadBuf {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.memory[self.start..self.start + self.filled]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::native;
    use truelog_env::OpenMode;

    #[test]
    fn only_what_was_read_is_seen_whatever_was_there_before() {
        let (env, dir) = (native(), tempfile::tempdir().expect("a directory"));
        let file = env.fs.open(&dir.path().join("file"), OpenMode::CREATE).expect("a file");
        file.write_at(b"0123456789", 0).expect("written");
        let mut buf = ReadBuf::default();
        assert!(buf.is_empty());
        buf.read(&*file, 8, 0).expect("read");
        assert_eq!(&*buf, b"01234567");
        buf.read(&*file, 8, 6).expect("read");
        assert_eq!(&*buf, b"6789", "the file ends");
        buf.read(&*file, 2, 1).expect("read");
        buf.read_on(&*file, 5, 1).expect("read");
        assert_eq!(&*buf, b"12345");
        buf.read(&*file, 4, 99).expect("read");
        assert!(buf.is_empty(), "nothing is behind the end");
    }

    #[test]
    fn who_still_looks_at_what_was_read_goes_on_seeing_it() {
        let (env, dir) = (native(), tempfile::tempdir().expect("a directory"));
        let file = env.fs.open(&dir.path().join("file"), OpenMode::CREATE).expect("a file");
        file.write_at(b"0123456789", 0).expect("written");
        let mut buf = ReadBuf::default();
        buf.read(&*file, 4, 0).expect("read");
        let held = buf.view(0, 4);
        buf.read_on(&*file, 6, 0).expect("read");
        assert_eq!((&*held, &*buf), (&b"0123"[..], &b"012345"[..]));
        let held = buf.view(1, 5);
        buf.read(&*file, 4, 6).expect("read");
        assert_eq!((&*held, &*buf), (&b"12345"[..], &b"6789"[..]));
        // Nobody else looks: the same memory is used again.
        let at = buf.as_ptr();
        buf.read(&*file, 4, 1).expect("read");
        assert_eq!((buf.as_ptr(), &*buf), (at, &b"1234"[..]));
    }

    #[test]
    fn what_is_large_begins_at_a_page_and_what_is_small_takes_no_more_than_it_is() {
        let (env, dir) = (native(), tempfile::tempdir().expect("a directory"));
        let file = env.fs.open(&dir.path().join("file"), OpenMode::CREATE).expect("a file");
        file.write_at(&[7; 1 << 20], 0).expect("written");
        let mut buf = ReadBuf::default();
        let mut others = Vec::new();
        for len in [1, 100, 5000, 70_000, 300_000, 1 << 20] {
            buf.read_on(&*file, len, 0).expect("read");
            assert_eq!((buf.len(), buf.room()), (len, len));
            assert!(len < LARGE || buf.as_ptr().align_offset(PAGE) == 0, "{len}");
            assert!(len >= LARGE || buf.memory.len() == len, "{len}");
            assert!(buf.iter().all(|byte| *byte == 7));
            others.push(buf.view(0, 1));
        }
    }
}
