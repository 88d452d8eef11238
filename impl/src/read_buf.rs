//! A buffer that is read into again and again.

use std::ops::Deref;

use truelog_env::{File, IoError};

use crate::codec::as_u64;
use crate::home::read_full_at;

/// What was read from a file. Its memory is zeroed when it grows, and not again for each read.
#[derive(Debug, Default)]
pub(crate) struct ReadBuf {
    memory: Vec<u8>,
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
        if len > self.memory.len() {
            self.memory.resize(len, 0);
        }
        let from = self.filled.min(len);
        self.filled =
            from + read_full_at(file, &mut self.memory[from..len], offset.saturating_add(as_u64(from)))?;
        Ok(())
    }

    /// How much memory it takes, in bytes.
    pub(crate) const fn capacity(&self) -> usize {
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
}
