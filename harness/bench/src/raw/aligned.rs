//! Memory that begins on a block's boundary, which direct input and output need, and files of zeros.

use std::fs::{File, OpenOptions};
use std::ops::{Deref, DerefMut};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use anyhow::Result;

use super::BLOCK;

/// Aligned memory.
pub struct Aligned {
    bytes: Vec<u8>,
    start: usize,
    len: usize,
}

impl Aligned {
    /// `len` zeros.
    pub fn new(len: usize) -> Self {
        let bytes = vec![0; len + BLOCK];
        let start = bytes.as_ptr().align_offset(BLOCK);
        Self { bytes, start, len }
    }
}

impl Deref for Aligned {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.bytes[self.start..self.start + self.len]
    }
}

impl DerefMut for Aligned {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.start + self.len]
    }
}

/// A file of zeros that is written around and around, each write durable when it returns.
pub struct Ring {
    file: File,
    len: u64,
    at: u64,
}

impl Ring {
    /// Makes it, of `len` bytes, and syncs it.
    pub fn new(path: &Path, len: u64) -> Result<Self> {
        let zeros = Aligned::new(1 << 20);
        let file = File::create(path)?;
        for at in (0..len).step_by(zeros.len()) {
            file.write_all_at(&zeros, at)?;
        }
        file.sync_all()?;
        let file = OpenOptions::new().write(true).custom_flags(libc::O_DIRECT | libc::O_DSYNC).open(path)?;
        Ok(Self { file, len, at: 0 })
    }

    /// Writes whole blocks.
    pub fn write(&mut self, blocks: &[u8]) -> Result<()> {
        let len = blocks.len() as u64;
        if self.at + len > self.len {
            self.at = 0;
        }
        self.file.write_all_at(blocks, self.at)?;
        self.at += len;
        Ok(())
    }
}
