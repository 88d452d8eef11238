//! The profiles: worst-case POSIX, and what real file systems promise beyond it, rule by rule.

use std::fmt;

/// A promise beyond worst-case POSIX. Each can be switched off; the reachable states then grow.
///
/// The source is the row of the litmus table (harness/tests/litmus.rs) in which a kernel was seen to keep it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Rule {
    /// N1. Metadata (names, truncations, allocations) persists as a prefix of the order in which it was done.
    /// Rows g, h, p and q: what was done before came with a later sync. Appended length is not in the order: it
    /// follows the data.
    OrderedMetadata,
    /// N2. One journal: making a piece of metadata durable makes all earlier ones durable. Without it (btrfs's
    /// log tree) a sync overtakes what others did before. Row k.
    OneJournal,
    /// N3. Both halves of a rename persist together. Rows d2, d3 and m.
    AtomicRename,
    /// N4. A sync of a file makes its creation durable. Rows a, i and k.
    SyncNamesNewFile,
    /// N5. A sync of a file makes its renames durable, a datasync too if the length grew. Rows d and d2.
    SyncNamesRenamedFile,
    /// N6. A datasync of a file makes its renames durable in any case. Row d3.
    DatasyncNamesRenamedFile,
    /// N7. A sync that makes a new name durable makes the new directories above it durable. Row k.
    SyncNamesParents,
    /// N8. Length that a write added persists only with the bytes of that write's last page. Rows e and s.
    GrowthWithData,
    /// N9. A rename over an existing name persists only with the length its source had. Row n.
    RenameOverKeepsLength,
}

impl Rule {
    /// Every rule, in order of number.
    pub const ALL: [Self; 9] = [
        Self::OrderedMetadata,
        Self::OneJournal,
        Self::AtomicRename,
        Self::SyncNamesNewFile,
        Self::SyncNamesRenamedFile,
        Self::DatasyncNamesRenamedFile,
        Self::SyncNamesParents,
        Self::GrowthWithData,
        Self::RenameOverKeepsLength,
    ];

    const fn bit(self) -> u16 {
        1 << self as u16
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "N{}", *self as u16 + 1)
    }
}

/// A disk and a file system: the sector size and the rules that narrow worst-case POSIX.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Profile {
    /// The profile's name.
    pub name: &'static str,
    /// What the device writes as a whole, in bytes: a power of two from 64 to 4096.
    pub sector: u32,
    /// Whether a sector of a write in flight may hold garbage after a crash.
    pub garbage: bool,
    rules: u16,
}

impl Profile {
    /// Worst-case POSIX, with 512-byte sectors.
    pub const W: Self = Self { name: "W", sector: 512, garbage: true, rules: 0 };

    /// ext4, data=ordered, with delayed allocation.
    pub const EXT4: Self = Self::W
        .named("ext4")
        .with(Rule::OrderedMetadata)
        .with(Rule::OneJournal)
        .with(Rule::AtomicRename)
        .with(Rule::SyncNamesNewFile)
        .with(Rule::SyncNamesRenamedFile)
        .with(Rule::RenameOverKeepsLength);

    /// XFS.
    pub const XFS: Self = Self::W
        .named("xfs")
        .with(Rule::OrderedMetadata)
        .with(Rule::OneJournal)
        .with(Rule::AtomicRename)
        .with(Rule::SyncNamesNewFile)
        .with(Rule::SyncNamesRenamedFile)
        .with(Rule::DatasyncNamesRenamedFile)
        .with(Rule::GrowthWithData);

    /// btrfs: a full commit may happen at any time; a sync logs one file and overtakes the rest.
    pub const BTRFS: Self = Self::W
        .named("btrfs")
        .with(Rule::OrderedMetadata)
        .with(Rule::AtomicRename)
        .with(Rule::SyncNamesNewFile)
        .with(Rule::SyncNamesRenamedFile)
        .with(Rule::DatasyncNamesRenamedFile)
        .with(Rule::SyncNamesParents)
        .with(Rule::GrowthWithData);

    /// The four profiles.
    pub const ALL: [Self; 4] = [Self::W, Self::EXT4, Self::XFS, Self::BTRFS];

    const fn named(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }

    /// The same profile with another sector size, in bytes.
    #[must_use]
    pub const fn sector(mut self, bytes: u32) -> Self {
        self.sector = bytes;
        self
    }

    /// The same profile without garbage in sectors in flight.
    #[must_use]
    pub const fn no_garbage(mut self) -> Self {
        self.garbage = false;
        self
    }

    /// The same profile with `rule` kept.
    #[must_use]
    pub const fn with(mut self, rule: Rule) -> Self {
        self.rules |= rule.bit();
        self
    }

    /// The same profile with `rule` switched off.
    #[must_use]
    pub const fn without(mut self, rule: Rule) -> Self {
        self.rules &= !rule.bit();
        self
    }

    /// Whether `rule` is kept.
    #[must_use]
    pub const fn keeps(self, rule: Rule) -> bool {
        self.rules & rule.bit() != 0
    }

    /// The rules that are kept, in order of number.
    pub fn rules(self) -> impl Iterator<Item = Rule> {
        Rule::ALL.into_iter().filter(move |rule| self.keeps(*rule))
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}
