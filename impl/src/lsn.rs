//! The numbers that name records and files.

use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub u64);

        impl $name {
            /// The value.
            #[must_use]
            pub const fn get(self) -> u64 {
                self.0
            }

            /// The number `count` further on. Saturates.
            #[must_use]
            pub const fn plus(self, count: u64) -> Self {
                Self(self.0.saturating_add(count))
            }

            /// The number after this one. Saturates.
            #[must_use]
            pub const fn next(self) -> Self {
                self.plus(1)
            }

            /// The number before this one. Stops at zero.
            #[must_use]
            pub const fn prev(self) -> Self {
                Self(self.0.saturating_sub(1))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = ParseIntError;
            fn from_str(text: &str) -> Result<Self, ParseIntError> {
                text.parse().map(Self)
            }
        }

        impl From<u64> for $name {
            fn from(value: u64) -> Self {
                Self(value)
            }
        }
    };
}

number! {
    /// A log sequence number: the position of a record in the log. Dense; the first record has 1, and 0
    /// stands for "before the first".
    Lsn
}
number! {
    /// The stream that a record belongs to; chosen by the writer.
    StreamId
}
number! {
    /// A record's position in its own stream. Dense; the first record of a stream has 0.
    Seq
}
number! {
    /// The number of a segment file. The first has 1; 0 stands for "none". Never used twice in a log.
    SegmentNo
}

number! {
    /// The number of a run: a file of archive blocks. The first has 1; 0 stands for "none". Never used twice in a log.
    RunNo
}
number! {
    /// The number of a drive in its log: from 0 to 63. A number whose drive was removed may be given again.
    DriveNo
}

impl Lsn {
    /// Before the first record; as a watermark: nothing yet.
    pub const NONE: Self = Self(0);
    /// The first record's number.
    pub const FIRST: Self = Self(1);
}

impl RunNo {
    /// No run.
    pub const NONE: Self = Self(0);
    /// The first run's number.
    pub const FIRST: Self = Self(1);
}

impl SegmentNo {
    /// No segment.
    pub const NONE: Self = Self(0);
    /// The first segment's number.
    pub const FIRST: Self = Self(1);
}

/// A run of LSNs, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LsnRange {
    /// The first.
    pub first: Lsn,
    /// The last.
    pub last: Lsn,
}

impl LsnRange {
    /// No number.
    pub const EMPTY: Self = Self { first: Lsn(1), last: Lsn(0) };

    /// The run from `first` to `last`, both included.
    #[must_use]
    pub const fn new(first: Lsn, last: Lsn) -> Self {
        Self { first, last }
    }

    /// The run of `count` numbers from `first`; empty when `count` is 0.
    #[must_use]
    pub const fn of(first: Lsn, count: u64) -> Self {
        match count {
            // An empty run ends before it begins; from LSN 0 that cannot be written, so 1..=0 stands for it.
            0 if first.0 == 0 => Self::EMPTY,
            0 => Self { first, last: first.prev() },
            _ => Self { first, last: first.plus(count - 1) },
        }
    }

    /// Whether no number is in it.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.last.0 < self.first.0
    }

    /// How many numbers are in it.
    #[must_use]
    pub const fn len(self) -> u64 {
        if self.is_empty() { 0 } else { (self.last.0 - self.first.0).saturating_add(1) }
    }

    /// Whether `lsn` is in it.
    #[must_use]
    pub const fn contains(self, lsn: Lsn) -> bool {
        self.first.0 <= lsn.0 && lsn.0 <= self.last.0
    }
}

impl fmt::Display for LsnRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            write!(f, "{}", self.first)
        } else {
            write!(f, "{}..={}", self.first, self.last)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_counts_both_ends() {
        let range = LsnRange::new(Lsn(3), Lsn(5));
        assert_eq!(range.len(), 3);
        assert!(range.contains(Lsn(3)) && range.contains(Lsn(5)) && !range.contains(Lsn(6)));
        assert_eq!(range.to_string(), "3..=5");
        assert_eq!(LsnRange::of(Lsn(3), 3), range);
    }

    #[test]
    fn an_empty_range_contains_nothing() {
        for first in [Lsn(0), Lsn(1), Lsn(7)] {
            let range = LsnRange::of(first, 0);
            assert!(range.is_empty());
            assert_eq!(range.len(), 0);
            assert!(!range.contains(first));
        }
        assert_eq!(LsnRange::of(Lsn(7), 0), LsnRange::new(Lsn(7), Lsn(6)), "it is where it would begin");
    }

    #[test]
    fn numbers_round_trip_as_text() {
        assert_eq!("17".parse::<Lsn>(), Ok(Lsn(17)));
        assert_eq!(Lsn(17).to_string(), "17");
        assert!("-1".parse::<Seq>().is_err());
    }
}
