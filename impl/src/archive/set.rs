//! Sets of drives: 64 bits.

use std::fmt;

use crate::lsn::DriveNo;

/// A log never has more drives than this.
pub const MAX_DRIVES: u64 = 64;

/// A set of drives, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct DriveSet(u64);

impl DriveSet {
    /// No drive.
    pub const EMPTY: Self = Self(0);

    /// The set whose bit `n` stands for drive `n`.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// Bit `n` stands for drive `n`.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// Whether no drive is in it.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// How many drives are in it.
    #[must_use]
    pub const fn len(self) -> u32 {
        self.0.count_ones()
    }

    /// Whether a drive is in it.
    #[must_use]
    pub const fn contains(self, drive: DriveNo) -> bool {
        drive.0 < MAX_DRIVES && self.0 & (1 << drive.0) != 0
    }

    /// This set with one drive more. A number that no drive can have changes nothing.
    #[must_use]
    pub const fn with(self, drive: DriveNo) -> Self {
        if drive.0 < MAX_DRIVES { Self(self.0 | 1 << drive.0) } else { self }
    }

    /// This set without a drive.
    #[must_use]
    pub const fn without(self, drive: DriveNo) -> Self {
        if drive.0 < MAX_DRIVES { Self(self.0 & !(1 << drive.0)) } else { self }
    }

    /// The drives, ascending.
    pub fn iter(self) -> impl Iterator<Item = DriveNo> {
        (0..MAX_DRIVES).map(DriveNo).filter(move |drive| self.contains(*drive))
    }
}

impl FromIterator<DriveNo> for DriveSet {
    fn from_iter<I: IntoIterator<Item = DriveNo>>(drives: I) -> Self {
        drives.into_iter().fold(Self::EMPTY, Self::with)
    }
}

impl fmt::Display for DriveSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (index, drive) in self.iter().enumerate() {
            write!(f, "{}{drive}", if index == 0 { "" } else { "," })?;
        }
        f.write_str("}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drives_come_and_go() {
        let set: DriveSet = [DriveNo(0), DriveNo(63), DriveNo(5)].into_iter().collect();
        assert_eq!((set.len(), set.to_string().as_str()), (3, "{0,5,63}"));
        assert_eq!(DriveSet::from_bits(set.bits()), set);
        let less = set.without(DriveNo(5)).without(DriveNo(64));
        assert!(!less.contains(DriveNo(5)) && less.contains(DriveNo(63)) && !less.contains(DriveNo(64)));
        assert_eq!(less.with(DriveNo(64)), less, "there is no such drive");
    }
}
