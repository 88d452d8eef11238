//! Lines that follow from a seed one by one, so that gigabytes of them need no memory.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use super::super::{Random, Trouble};

/// All the lines.
#[derive(Debug, Clone, Copy)]
pub(super) struct Text {
    seed: u64,
    line: u64,
    lines: u64,
}

impl Text {
    /// About `bytes` of lines of about `line` bytes.
    pub(super) fn new(seed: u64, line: u64, bytes: u64) -> Self {
        let line = line.max(40);
        Self { seed, line, lines: bytes.div_ceil(line) }
    }

    /// How many there are.
    pub(super) const fn lines(&self) -> u64 {
        self.lines
    }

    /// Makes `out` line `index`, without its newline.
    pub(super) fn get(&self, index: u64, out: &mut Vec<u8>) {
        let mut random = Random::new(self.seed ^ index.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let len = self.line / 2 + random.below(self.line);
        out.clear();
        // Writing into a vector cannot fail.
        let _ = write!(out, "{index}:");
        while (out.len() as u64) < len {
            let _ = write!(out, " {:x}", random.below(u64::MAX));
        }
    }

    /// Writes them all to a file.
    pub(super) fn save(&self, path: &Path) -> Result<(), Trouble> {
        let failed = Trouble::io(path);
        let mut out = BufWriter::with_capacity(1 << 20, File::create(path).map_err(&failed)?);
        let mut line = Vec::new();
        for index in 0..self.lines {
            self.get(index, &mut line);
            line.push(b'\n');
            out.write_all(&line).map_err(&failed)?;
        }
        out.flush().map_err(&failed)
    }
}
