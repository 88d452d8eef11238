//! Gate D: lies of a disk at rest. They are to be detected, and cannot be survived by guessing.

use std::path::{Path, PathBuf};

use thiserror::Error;

use super::Image;
use super::content::Content;

/// What has happened to a file behind everybody's back. Offsets and lengths are in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Damage {
    /// Bit rot: one bit, counted from the start of the file, is flipped.
    Flip {
        /// The bit.
        bit: u64,
    },
    /// A lost write to space never written before: zeros.
    Zero {
        /// Where it begins.
        offset: u64,
        /// How long it is.
        len: u64,
    },
    /// Other bytes.
    Overwrite {
        /// Where they begin.
        offset: u64,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// A misdirected write: what belongs at `from` is (also) at `to`.
    Misplace {
        /// Where it belongs.
        from: u64,
        /// Where it went.
        to: u64,
        /// How long it is.
        len: u64,
    },
    /// A misdirected write: what belongs to another file is (also) at the same place of this one.
    Astray {
        /// The other file.
        of: PathBuf,
        /// Where it begins.
        offset: u64,
        /// How long it is.
        len: u64,
    },
    /// A stale write, or a lost one: the bytes are as they were in an older image.
    Stale {
        /// The older image.
        older: Image,
        /// Where it begins.
        offset: u64,
        /// How long it is.
        len: u64,
    },
    /// The file's tail is, whole, as it was in an older image, where it may have been zeros or missing.
    RollBack {
        /// The older image.
        older: Image,
        /// Where the tail begins.
        from: u64,
    },
    /// The file is cut.
    Truncate {
        /// The length that is left.
        len: u64,
    },
    /// The file is gone.
    Remove,
}

/// A damage that cannot be done.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DamageError {
    /// There is no such file.
    #[error("no file to damage at {0}")]
    NoFile(PathBuf),
    /// The damage changes nothing: a check of its detection would pass by doing nothing.
    #[error("the damage changes nothing at {0}")]
    NoChange(PathBuf),
}

impl Image {
    /// The image with one file damaged.
    ///
    /// # Errors
    /// When there is no such file, or when the damage leaves every byte as it was.
    pub fn damage(&self, path: &Path, damage: &Damage) -> Result<Self, DamageError> {
        let missing = || DamageError::NoFile(path.to_owned());
        let file = self.file(path).ok_or_else(missing)?;
        if *damage == Damage::Remove {
            return self.removed(path).ok_or_else(missing);
        }
        let before = &file.cache;
        let after = self.damaged(before, path, damage);
        if after == *before {
            return Err(DamageError::NoChange(path.to_owned()));
        }
        let inode = self.inode(path).ok_or_else(missing)?;
        Ok(self.changed(|disk| {
            if let Ok(file) = disk.file_mut(inode) {
                file.base = after.clone();
                file.cache = after;
                file.writes.clear();
                file.lengths.clear();
            }
        }))
    }

    fn damaged(&self, before: &Content, path: &Path, damage: &Damage) -> Content {
        let mut after = before.clone();
        match damage {
            Damage::Flip { bit } => {
                let mut byte = before.padded(bit / 8, 1);
                byte[0] ^= 1 << (bit % 8);
                after.write_within(&byte, bit / 8);
            }
            Damage::Zero { offset, len } => after.write_within(&vec![0; *len as usize], *offset),
            Damage::Overwrite { offset, bytes } => after.write_within(bytes, *offset),
            Damage::Misplace { from, to, len } => {
                after.write_within(&before.padded(*from, *len as usize), *to);
            }
            Damage::Astray { of, offset, len } => {
                after.write_within(&held(self, of, *offset, *len), *offset);
            }
            Damage::Stale { older, offset, len } => {
                after.write_within(&held(older, path, *offset, *len), *offset);
            }
            Damage::RollBack { older, from } => {
                let len = older.file(path).map_or(0, |file| file.cache.len());
                after.set_len(len.max(*from).min(before.len()));
                after.write_within(&held(older, path, *from, len.saturating_sub(*from)), *from);
            }
            Damage::Truncate { len } => after.set_len((*len).min(before.len())),
            Damage::Remove => after = Content::default(),
        }
        after
    }
}

/// The bytes that an image has of a file, zeros where it has none.
fn held(image: &Image, path: &Path, offset: u64, len: u64) -> Vec<u8> {
    image.file(path).map_or_else(|| vec![0; len as usize], |file| file.cache.padded(offset, len as usize))
}
