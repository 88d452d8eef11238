//! What the harness can do to the engine, knob by knob. One of them can be turned off, to show that it is needed: some
//! mutant is not killed as declared then. A run with a knob turned off never holds, it is incomplete at best.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use clap::ValueEnum;

use crate::explore::Kind;
use crate::fabric::{Damage, Snapshot, Unit, UnitKind};

/// Something that the harness can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, ValueEnum)]
pub enum Knob {
    /// The power fails.
    Power,
    /// The process dies, and the page cache lives on.
    Process,
    /// A power failure may lose what was done to names.
    Names,
    /// A power failure may lose a file's length.
    Sizes,
    /// A power failure may lose bytes.
    Sectors,
    /// A power failure may leave garbage.
    Garbage,
    /// A call fails, and nothing of it was done, whatever the reason is; behind a sync reads give the new bytes, the old ones,
    /// or some of each.
    Fails,
    /// A call fails, and some or all of it was done.
    FailsDone,
    /// A call does less than it was asked for, or nothing, and may be made again.
    Partial,
    /// A write on a drive succeeds, and is lost, or arrives with a bit flipped.
    Lies,
    /// A thread unwinds inside its commit.
    Unwinds,
    /// A sync fails under a schedule.
    FailsUnderSchedule,
    /// Of what was durable a bit is flipped, or a sector overwritten.
    Changed,
    /// Durable bytes become zeros.
    Zeroed,
    /// Durable bytes become those of another place.
    Misplaced,
    /// Durable bytes, or a whole file, become what they were before.
    Older,
    /// A file is cut.
    Cut,
    /// A file is removed.
    Removed,
}

static OFF: OnceLock<Knob> = OnceLock::new();

impl Knob {
    /// Turns it off for the rest of this process; one knob can be off at a time, the first one stays.
    pub fn turn_off(self) {
        OFF.get_or_init(|| self);
    }

    /// Whether it is on.
    #[must_use]
    pub fn is_on(self) -> bool {
        OFF.get() != Some(&self)
    }

    /// Its name, as `--without` takes it.
    #[must_use]
    pub fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// Whether turning it off changes what a check does.
    #[must_use]
    pub fn is_of(self, check: &str) -> bool {
        match self {
            Self::Power | Self::Process | Self::Names | Self::Sizes | Self::Sectors | Self::Garbage => {
                matches!(check, "crash" | "archive" | "faults" | "random")
            }
            Self::Fails | Self::FailsDone | Self::Partial | Self::Lies | Self::Unwinds => check == "faults",
            Self::FailsUnderSchedule => check == "schedules",
            Self::Changed | Self::Zeroed | Self::Misplaced | Self::Older | Self::Cut | Self::Removed => {
                check == "damage"
            }
        }
    }

    /// The knob of a fault on a call: what the call does to the disk tells them apart, not its error.
    #[must_use]
    pub const fn of_fault(kind: Kind) -> Self {
        match kind {
            Kind::Eio | Kind::EioOld | Kind::EioMixed | Kind::Enospc | Kind::Erofs | Kind::Emfile => {
                Self::Fails
            }
            Kind::EioDone | Kind::EnospcHalf => Self::FailsDone,
            Kind::Eintr | Kind::Short | Kind::ShortHalf => Self::Partial,
            Kind::Lost | Kind::Flipped => Self::Lies,
            Kind::Unwinds => Self::Unwinds,
        }
    }

    /// The knob of damage to what was durable.
    #[must_use]
    pub const fn of_damage(damage: &Damage) -> Self {
        match damage {
            Damage::Flip { .. } | Damage::Overwrite { .. } => Self::Changed,
            Damage::Zero { .. } => Self::Zeroed,
            Damage::Misplace { .. } | Damage::Astray { .. } => Self::Misplaced,
            Damage::Stale { .. } | Damage::RollBack { .. } => Self::Older,
            Damage::Truncate { .. } => Self::Cut,
            Damage::Remove => Self::Removed,
        }
    }

    /// The knob of a pending unit: whether a power failure may keep it or not, on its own.
    const fn of_unit(unit: &Unit) -> Self {
        match unit.kind {
            UnitKind::Name | UnitKind::Gone => Self::Names,
            UnitKind::Size => Self::Sizes,
            UnitKind::Sector(_) => Self::Sectors,
            UnitKind::Garbage(_) => Self::Garbage,
        }
    }
}

/// What a power failure keeps when the knob that is off is taken into account: of its units everything, of garbage nothing.
/// Nothing if no such failure can be.
#[must_use]
pub fn kept(snapshot: &Snapshot, chosen: &[Unit]) -> Option<Vec<Unit>> {
    if !Knob::Power.is_on() {
        return None;
    }
    let mut kept: BTreeSet<Unit> = chosen.iter().copied().collect();
    kept.extend(snapshot.pending().into_iter().filter(|unit| !Knob::of_unit(unit).is_on()));
    if !Knob::Garbage.is_on() {
        kept.retain(|unit| !matches!(unit.kind, UnitKind::Garbage(_)));
    }
    Some(kept.into_iter().collect())
}

/// Whether any knob is off.
#[must_use]
pub fn off() -> Option<Knob> {
    OFF.get().copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::CHECKS;

    #[test]
    fn every_knob_is_of_some_check() {
        for knob in Knob::value_variants() {
            assert!(CHECKS.iter().any(|check| knob.is_of(check.name)), "{}", knob.name());
        }
    }
}
