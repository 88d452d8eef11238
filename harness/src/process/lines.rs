//! Lines to append: real text found on the machine, or text made from a seed.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::{Random, Trouble};

/// Where lines come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The source text of the packages that cargo has downloaded; filled up from the seed where that is too little.
    Real,
    /// Made from the seed.
    Made,
}

/// Lines, in memory, without their newlines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lines {
    bytes: Vec<u8>,
    /// Where each line ends, its newline included.
    ends: Vec<usize>,
    /// How many of them were found on the machine.
    real: usize,
}

impl Lines {
    /// `count` lines.
    #[must_use]
    pub fn get(source: Source, count: usize, seed: u64) -> Self {
        let mut lines = Self::default();
        if source == Source::Real {
            for root in roots() {
                lines.collect(&root, count);
            }
        }
        lines.real = lines.ends.len();
        let mut random = Random::new(seed);
        while lines.ends.len() < count {
            lines.make(&mut random);
        }
        lines
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// How many of them were found on the machine; the rest was made.
    #[must_use]
    pub const fn real(&self) -> usize {
        self.real
    }

    /// Line `index`, from 0, without its newline.
    #[must_use]
    pub fn line(&self, index: usize) -> Option<&[u8]> {
        let end = *self.ends.get(index)?;
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        self.bytes.get(start..end - 1)
    }

    /// Writes them all to a file.
    ///
    /// # Errors
    /// [`Trouble::Io`].
    pub fn save(&self, path: &Path) -> Result<(), Trouble> {
        fs::write(path, &self.bytes).map_err(Trouble::io(path))
    }

    /// Takes lines from all text files below `dir`, in the order of their names, until there are `count`.
    fn collect(&mut self, dir: &Path, count: usize) {
        // What cannot be read is left out: any text will do.
        let Ok(entries) = fs::read_dir(dir) else { return };
        let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        paths.sort();
        for path in paths {
            if self.ends.len() == count {
                return;
            }
            let text = path.extension().is_some_and(|extension| extension == "rs" || extension == "md");
            if path.is_dir() && !path.is_symlink() {
                self.collect(&path, count);
            } else if text && let Ok(bytes) = fs::read(&path) {
                bytes.split_inclusive(|&byte| byte == b'\n').for_each(|line| self.push(line, count));
            }
        }
    }

    fn push(&mut self, line: &[u8], count: usize) {
        if self.ends.len() == count {
            return;
        }
        self.bytes.extend_from_slice(line);
        if !line.ends_with(b"\n") {
            self.bytes.push(b'\n');
        }
        self.ends.push(self.bytes.len());
    }

    /// Makes a line: mostly text, sometimes empty, long, or no text at all.
    fn make(&mut self, random: &mut Random) {
        let number = self.ends.len();
        match random.below(16) {
            0 => {}
            1 => {
                let len = random.below(2000);
                let bytes = std::iter::repeat_with(|| u8::try_from(random.below(256)).unwrap_or(0));
                self.bytes
                    .extend(bytes.take(usize::try_from(len).unwrap_or(0)).filter(|&byte| byte != b'\n'));
            }
            _ => {
                let words = random.below(12);
                // Writing into a vector cannot fail.
                let _ = write!(self.bytes, "{number}:");
                for _ in 0..words {
                    let _ = write!(self.bytes, " {:x}", random.below(1 << 40));
                }
            }
        }
        self.bytes.push(b'\n');
        self.ends.push(self.bytes.len());
    }
}

/// Where real text may be: what cargo downloaded to build this very program.
fn roots() -> Vec<PathBuf> {
    let cargo = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo"));
    cargo.or(home).map(|cargo| cargo.join("registry/src")).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_lines_repeat_from_their_seed_and_hold_no_newline() {
        let lines = Lines::get(Source::Made, 500, 7);
        assert_eq!(lines, Lines::get(Source::Made, 500, 7));
        assert_ne!(lines, Lines::get(Source::Made, 500, 8));
        assert_eq!(lines.len(), 500);
        let all: Vec<_> = (0..500).map(|index| lines.line(index).unwrap()).collect();
        assert!(all.iter().all(|line| !line.contains(&b'\n')));
        assert!(all.iter().any(|line| line.is_empty()));
        assert!(all.iter().any(|line| std::str::from_utf8(line).is_err()));
        assert_eq!(lines.line(500), None);
    }

    #[test]
    fn real_lines_are_filled_up_to_what_was_asked_for() {
        let lines = Lines::get(Source::Real, 300, 7);
        assert_eq!(lines.len(), 300);
        assert!(lines.real() <= 300);
    }
}
