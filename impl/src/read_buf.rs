//! A buffer that is read into again and again.

use std::ops::Deref;

use truelog_env::{File, IoError};

use crate::codec::as_u64;
use crate::home::read_full_at;
use crate::payload::Memory;

/// What was read from a file. Its memory is zeroed when it grows, and not again for each read; it is left to whoever still
/// looks at it when the next read comes.
#[derive(Debug, Default)]
pub(crate) struct ReadBuf {
    memory: Memory,
    filled: usize,
}

impl ReadBuf {
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
        if Memory::strong_count(&self.memory) > 1 {
            self.memory = Memory::new(self.memory[..from].to_vec());
        }
        let Some(memory) = Memory::get_mut(&mut self.memory) else { return Ok(()) };
        if len > memory.len() {
            memory.resize(len, 0);
        }
        self.filled = from + read_full_at(file, &mut memory[from..len], offset.saturating_add(as_u64(from)))?;
        Ok(())
    }

    /// The memory, to look at what was read for longer than until the next read.
    pub(crate) const fn memory(&self) -> &Memory {
        &self.memory
    }

    /// How much memory it takes, in bytes.
    pub(crate) fn capacity(&self) -> usize {
        self.memory.capacity()
    }
}

impl Deref for ReadBuf {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.memory[..self.filled]
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
        let held = Memory::clone(buf.memory());
        buf.read_on(&*file, 6, 0).expect("read");
        assert_eq!((&held[..], &*buf), (&b"0123"[..], &b"012345"[..]));
        let held = Memory::clone(buf.memory());
        buf.read(&*file, 4, 6).expect("read");
        assert_eq!((&held[..], &*buf), (&b"012345"[..], &b"6789"[..]));
        // Nobody else looks: the same memory is used again.
        let at = buf.memory().as_ptr();
        buf.read(&*file, 4, 1).expect("read");
        assert_eq!((buf.memory().as_ptr(), &*buf), (at, &b"1234"[..]));
    }
}
