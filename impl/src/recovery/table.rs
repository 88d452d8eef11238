//! The decision table of recovery: plain facts in, one numbered and named row out.
//!
//! There are three questions, each with its own rows: what the manifest is worth, what a name in the directory
//! is, and what an invalid point behind the last valid batch means. Each row is a condition of its own over
//! the facts; exactly one must match, and a test asserts that for every combination of facts.

use std::fmt;

/// A row of the decision table: what recovery found, and thereby what it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Row {
    /// The manifest is whole.
    ManifestWhole = 1,
    /// The manifest ends in bytes that are no record, and nothing valid stands behind them: an edit that was
    /// never acknowledged. It is cut.
    ManifestTornTail = 2,
    /// A record of the manifest is invalid although a valid one stands behind it. Damage.
    ManifestBroken = 3,
    /// The manifest is missing, or its checkpoint is invalid. Damage.
    ManifestUnreadable = 4,
    /// A temporary name: something that was never finished. It is removed.
    LeftOver = 5,
    /// A segment below the manifest's floor: its removal was not durable yet. It is removed.
    BelowFloor = 6,
    /// A segment that the manifest does not name and that holds no batch: its preparation was not finished. It is
    /// removed.
    UnnamedEmpty = 7,
    /// A segment that the manifest does not name, but that holds a batch. Damage of the manifest.
    UnnamedWithRecords = 8,
    /// A named segment is not there. Damage.
    NamedMissing = 9,
    /// A named segment above the last one with batches, without any. It was prepared and not used; it is
    /// removed.
    NamedUnused = 10,
    /// A named segment that the kept segments pass over: what it may hold was written again behind it. It stays
    /// until it is trimmed, and is never judged.
    NamedVoid = 11,
    /// A named segment that holds kept records.
    NamedKept = 12,
    /// Nothing stands behind the last valid batch, and all batches are vouched for.
    CleanEnd = 13,
    /// Nothing stands behind the last valid batch, but the last batches are not vouched for: they are
    /// written again.
    CleanEndUnvouched = 14,
    /// Bytes that were never acknowledged stand behind the last valid batch: they are cut.
    TornTail = 15,
    /// As [`Row::TornTail`], and the last valid batches are not vouched for: they are written again.
    TornTailUnvouched = 16,
    /// Something durable vouches for a record that cannot be read. Damage.
    TailDamaged = 17,
    /// As [`Row::TailDamaged`], but the loss was accepted: the log goes on behind it.
    TailLossAccepted = 18,
    /// The header or the length of a named segment is not what the manifest says, though both were durable before it
    /// was named. Damage.
    NamedBroken = 19,
}

impl Row {
    /// All rows, by number.
    pub const ALL: [Self; 19] = [
        Self::ManifestWhole,
        Self::ManifestTornTail,
        Self::ManifestBroken,
        Self::ManifestUnreadable,
        Self::LeftOver,
        Self::BelowFloor,
        Self::UnnamedEmpty,
        Self::UnnamedWithRecords,
        Self::NamedMissing,
        Self::NamedUnused,
        Self::NamedVoid,
        Self::NamedKept,
        Self::CleanEnd,
        Self::CleanEndUnvouched,
        Self::TornTail,
        Self::TornTailUnvouched,
        Self::TailDamaged,
        Self::TailLossAccepted,
        Self::NamedBroken,
    ];

    /// The row's number.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The row's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ManifestWhole => "manifest-whole",
            Self::ManifestTornTail => "manifest-torn-tail",
            Self::ManifestBroken => "manifest-broken",
            Self::ManifestUnreadable => "manifest-unreadable",
            Self::LeftOver => "left-over",
            Self::BelowFloor => "below-floor",
            Self::UnnamedEmpty => "unnamed-empty",
            Self::UnnamedWithRecords => "unnamed-with-records",
            Self::NamedMissing => "named-missing",
            Self::NamedUnused => "named-unused",
            Self::NamedVoid => "named-void",
            Self::NamedKept => "named-kept",
            Self::CleanEnd => "clean-end",
            Self::CleanEndUnvouched => "clean-end-unvouched",
            Self::TornTail => "torn-tail",
            Self::TornTailUnvouched => "torn-tail-unvouched",
            Self::TailDamaged => "tail-damaged",
            Self::TailLossAccepted => "tail-loss-accepted",
            Self::NamedBroken => "named-broken",
        }
    }

    /// Whether this row means damage, so that nothing may be written.
    #[must_use]
    pub const fn is_damage(self) -> bool {
        matches!(
            self,
            Self::ManifestBroken
                | Self::ManifestUnreadable
                | Self::UnnamedWithRecords
                | Self::NamedMissing
                | Self::NamedBroken
                | Self::TailDamaged
        )
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.number(), self.name())
    }
}

/// What was found of the manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ManifestFacts {
    /// The file is there and its first record is valid.
    pub(crate) readable: bool,
    /// Bytes that are no valid record stand behind the last record of the unbroken run.
    pub(crate) invalid: bool,
    /// A valid record stands behind those bytes.
    pub(crate) valid_behind: bool,
}

/// What was found of one name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NameFacts {
    /// It is a temporary name.
    pub(crate) tmp: bool,
    /// It is a segment below the manifest's floor.
    pub(crate) below_floor: bool,
    /// The manifest names it.
    pub(crate) named: bool,
    /// It is in the directory.
    pub(crate) present: bool,
    /// Its header and its length are not what the manifest says.
    pub(crate) broken: bool,
    /// It holds a valid batch.
    pub(crate) batches: bool,
    /// It holds kept records.
    pub(crate) kept: bool,
    /// It is above the last segment with kept records.
    pub(crate) above: bool,
}

/// What was found at the first invalid point behind the last valid batch that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TailFacts {
    /// Bytes other than zeros stand there.
    pub(crate) bytes: bool,
    /// Something durable vouches for the record that is due there.
    pub(crate) vouched: bool,
    /// The loss of that record was accepted.
    pub(crate) accepted: bool,
    /// Valid batches before it are vouched for by nothing but themselves.
    pub(crate) unvouched: bool,
}

type Condition<F> = (Row, fn(&F) -> bool);

const MANIFEST: [Condition<ManifestFacts>; 4] = [
    (Row::ManifestWhole, |f| f.readable && !f.invalid),
    (Row::ManifestTornTail, |f| f.readable && f.invalid && !f.valid_behind),
    (Row::ManifestBroken, |f| f.readable && f.invalid && f.valid_behind),
    (Row::ManifestUnreadable, |f| !f.readable),
];

const NAMES: [Condition<NameFacts>; 9] = [
    (Row::LeftOver, |f| f.tmp),
    (Row::BelowFloor, |f| !f.tmp && f.below_floor),
    (Row::UnnamedEmpty, |f| !f.tmp && !f.below_floor && !f.named && !f.batches),
    (Row::UnnamedWithRecords, |f| !f.tmp && !f.below_floor && !f.named && f.batches),
    (Row::NamedMissing, |f| !f.tmp && !f.below_floor && f.named && !f.present),
    (Row::NamedUnused, |f| named_here(f) && !f.kept && f.above && !f.batches),
    (Row::NamedVoid, |f| named_here(f) && !f.kept && (f.batches || !f.above)),
    (Row::NamedKept, |f| named_here(f) && f.kept),
    (Row::NamedBroken, |f| !f.tmp && !f.below_floor && f.named && f.present && f.broken),
];

const TAIL: [Condition<TailFacts>; 6] = [
    (Row::CleanEnd, |f| !f.vouched && !f.bytes && !f.unvouched),
    (Row::CleanEndUnvouched, |f| !f.vouched && !f.bytes && f.unvouched),
    (Row::TornTail, |f| !f.vouched && f.bytes && !f.unvouched),
    (Row::TornTailUnvouched, |f| !f.vouched && f.bytes && f.unvouched),
    (Row::TailDamaged, |f| f.vouched && !f.accepted),
    (Row::TailLossAccepted, |f| f.vouched && f.accepted),
];

fn named_here(facts: &NameFacts) -> bool {
    !facts.tmp && !facts.below_floor && facts.named && facts.present && !facts.broken
}

/// The one row whose condition holds. That it is exactly one is the table's own invariant: recovery must not
/// go on by guessing, so anything else ends the program.
fn decide<F: fmt::Debug>(rows: &[Condition<F>], facts: &F) -> Row {
    let mut matching = rows.iter().filter(|(_, holds)| holds(facts)).map(|(row, _)| *row);
    let (row, other) = (matching.next(), matching.next());
    assert!(other.is_none(), "rows {row:?} and {other:?} both match {facts:?}");
    row.unwrap_or_else(|| unreachable!("no row matches {facts:?}"))
}

pub(crate) fn manifest(facts: &ManifestFacts) -> Row {
    decide(&MANIFEST, facts)
}

pub(crate) fn name(facts: &NameFacts) -> Row {
    decide(&NAMES, facts)
}

pub(crate) fn tail(facts: &TailFacts) -> Row {
    decide(&TAIL, facts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn bits<const N: usize>(word: u32) -> [bool; N] {
        std::array::from_fn(|bit| word >> bit & 1 == 1)
    }

    fn manifest_facts([readable, invalid, valid_behind]: [bool; 3]) -> ManifestFacts {
        ManifestFacts { readable, invalid, valid_behind }
    }

    fn name_facts([tmp, below_floor, named, present, broken, batches, kept, above]: [bool; 8]) -> NameFacts {
        NameFacts { tmp, below_floor, named, present, broken, batches, kept, above }
    }

    fn tail_facts([bytes, vouched, accepted, unvouched]: [bool; 4]) -> TailFacts {
        TailFacts { bytes, vouched, accepted, unvouched }
    }

    #[test]
    fn exactly_one_row_matches_each_combination_and_each_row_is_reached() {
        let mut reached = BTreeSet::new();
        reached.extend((0..8).map(|word| manifest(&manifest_facts(bits(word)))));
        reached.extend((0..256).map(|word| name(&name_facts(bits(word)))));
        reached.extend((0..16).map(|word| tail(&tail_facts(bits(word)))));
        assert_eq!(reached.into_iter().collect::<Vec<_>>(), Row::ALL);
    }

    #[test]
    fn numbers_and_names_are_unique_and_dense() {
        let names: BTreeSet<_> = Row::ALL.iter().map(|row| row.name()).collect();
        assert_eq!(names.len(), Row::ALL.len());
        for (index, row) in Row::ALL.iter().enumerate() {
            assert_eq!(usize::from(row.number()), index + 1);
        }
    }

    #[test]
    fn row_1_manifest_whole() {
        let facts = manifest_facts([true, false, false]);
        assert_eq!(manifest(&facts), Row::ManifestWhole);
    }

    #[test]
    fn row_2_an_edit_that_nothing_follows_was_never_acknowledged() {
        let facts = manifest_facts([true, true, false]);
        assert_eq!(manifest(&facts), Row::ManifestTornTail);
        assert!(!Row::ManifestTornTail.is_damage());
    }

    #[test]
    fn row_3_an_edit_that_a_valid_one_follows_was_whole_once() {
        let facts = manifest_facts([true, true, true]);
        assert_eq!(manifest(&facts), Row::ManifestBroken);
        assert!(Row::ManifestBroken.is_damage());
    }

    #[test]
    fn row_4_without_a_checkpoint_nothing_is_known() {
        let facts = manifest_facts([false, true, true]);
        assert_eq!(manifest(&facts), Row::ManifestUnreadable);
    }

    const KEPT: NameFacts = NameFacts {
        tmp: false,
        below_floor: false,
        named: true,
        present: true,
        broken: false,
        batches: true,
        kept: true,
        above: false,
    };

    #[test]
    fn rows_5_to_8_names_that_the_manifest_does_not_have() {
        assert_eq!(name(&NameFacts { tmp: true, ..KEPT }), Row::LeftOver);
        assert_eq!(name(&NameFacts { below_floor: true, ..KEPT }), Row::BelowFloor);
        let unnamed = NameFacts { named: false, kept: false, ..KEPT };
        assert_eq!(name(&NameFacts { batches: false, ..unnamed }), Row::UnnamedEmpty);
        assert_eq!(name(&unnamed), Row::UnnamedWithRecords);
    }

    #[test]
    fn rows_9_to_12_names_that_the_manifest_has() {
        assert_eq!(name(&NameFacts { present: false, ..KEPT }), Row::NamedMissing);
        let unused = NameFacts { batches: false, kept: false, above: true, ..KEPT };
        assert_eq!(name(&unused), Row::NamedUnused);
        assert_eq!(name(&NameFacts { above: false, ..unused }), Row::NamedVoid);
        assert_eq!(name(&NameFacts { batches: true, ..unused }), Row::NamedVoid);
        assert_eq!(name(&KEPT), Row::NamedKept);
    }

    #[test]
    fn row_19_a_named_segment_that_is_not_as_it_was_named() {
        for facts in [KEPT, NameFacts { batches: false, kept: false, above: true, ..KEPT }] {
            assert_eq!(name(&NameFacts { broken: true, ..facts }), Row::NamedBroken);
            assert_eq!(name(&NameFacts { broken: true, present: false, ..facts }), Row::NamedMissing);
        }
        assert!(Row::NamedBroken.is_damage());
    }

    #[test]
    fn rows_13_to_16_an_end_that_nothing_vouches_beyond_is_never_damage() {
        for (word, row) in [
            ([false, false, false, false], Row::CleanEnd),
            ([false, false, false, true], Row::CleanEndUnvouched),
            ([true, false, false, false], Row::TornTail),
            ([true, false, false, true], Row::TornTailUnvouched),
        ] {
            assert_eq!(tail(&tail_facts(word)), row);
            assert!(!row.is_damage());
        }
    }

    #[test]
    fn rows_17_and_18_a_vouched_record_is_damage_until_its_loss_is_accepted() {
        for bytes in [false, true] {
            assert_eq!(tail(&tail_facts([bytes, true, false, false])), Row::TailDamaged);
            assert_eq!(tail(&tail_facts([bytes, true, true, false])), Row::TailLossAccepted);
        }
    }
}
