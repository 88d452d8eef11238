//! The disk under the mechanism: what the page cache holds, what the device holds, and what a crash may
//! leave of the difference. One [`Cell`] is the smallest unit that persists on its own.

/// Where one unit (a sector, a file's contents as prepared, a name, an edit) stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
#[repr(u8)]
pub enum Cell {
    /// Neither in the cache nor on the device.
    #[default]
    Absent,
    /// In the cache, to be written back: a power loss keeps it or not.
    Dirty,
    /// In the cache, but a write-back failed: clean, so that no later sync writes it, and not on the device.
    Lost,
    /// On the device.
    Durable,
    /// It was durable, and the device has damaged it (Gate D).
    Damaged,
    /// A name that was removed in the cache while the device still has it: a power loss keeps the removal or not.
    Removing,
}

impl Cell {
    /// Whether a read through the page cache finds it.
    pub fn readable(self) -> bool {
        matches!(self, Self::Dirty | Self::Lost | Self::Durable)
    }

    /// Whether it survives every crash.
    pub fn durable(self) -> bool {
        self == Self::Durable
    }

    /// Whether a crash or a failed sync has a choice about it.
    pub fn pending(self) -> bool {
        matches!(self, Self::Dirty | Self::Removing)
    }

    /// A sync that succeeded.
    pub fn synced(self) -> Self {
        match self {
            Self::Dirty => Self::Durable,
            Self::Removing => Self::Absent,
            other => other,
        }
    }

    /// A sync that failed: `kept` units reached the device all the same, the others never will.
    pub fn sync_failed(self, kept: bool) -> Self {
        match (self, kept) {
            (Self::Dirty | Self::Removing, true) => self.synced(),
            (Self::Dirty, false) => Self::Lost,
            (other, _) => other,
        }
    }

    /// A loss of power: `kept` units had been written back on the device's own account.
    pub fn power_lost(self, kept: bool) -> Self {
        match (self, kept) {
            (Self::Dirty | Self::Removing, true) => self.synced(),
            (Self::Dirty | Self::Lost, false) | (Self::Lost, true) => Self::Absent,
            (Self::Removing, false) => Self::Durable,
            (other, _) => other,
        }
    }

    /// A name removed.
    pub fn removed(self) -> Self {
        match self {
            Self::Absent | Self::Lost => Self::Absent,
            _ => Self::Removing,
        }
    }
}
