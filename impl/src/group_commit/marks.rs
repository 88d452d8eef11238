//! How far a log has got.

use crate::lsn::Lsn;

/// How far the log has got. Both are inclusive and never go back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Marks {
    /// The last LSN that has been written whole.
    pub written: Lsn,
    /// The last LSN that survives a loss of power.
    pub durable: Lsn,
}

impl Marks {
    /// The goal that everything up to `lsn` survives a loss of power.
    #[must_use]
    pub const fn durable(lsn: Lsn) -> Self {
        Self { written: Lsn(0), durable: lsn }
    }

    /// The goal that everything up to `lsn` has been written.
    #[must_use]
    pub const fn written(lsn: Lsn) -> Self {
        Self { written: lsn, durable: Lsn(0) }
    }

    /// Whether these have got as far as `goal`.
    #[must_use]
    pub fn reach(self, goal: Self) -> bool {
        goal.written <= self.written && goal.durable <= self.durable
    }
}
