//! Faults on single calls, and the disk's lies.

use truelog_env::{IoKind, Op};

use super::{Call, Role, RolePattern};

/// What reads give after a sync failed. Its pages are clean then: no later sync writes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reads {
    /// The new bytes, from the cache; any subset of them is on the device.
    New,
    /// The old bytes: nothing reached the device, and the cache was dropped.
    Old,
    /// For each sector the new or the old bytes, by this seed: those that reached the device.
    Mixed(u64),
}

/// What happens to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// A read or write transfers at most this many bytes, and at least one.
    Short(u64),
    /// The call fails, and yet happens in part: of a write so many bytes, another call wholly if not 0.
    Fail {
        /// The failure that is reported.
        kind: IoKind,
        /// What happens all the same.
        done: u64,
    },
    /// A sync fails: any subset becomes durable, the pages are clean, the next sync succeeds.
    FailSync {
        /// The failure that is reported.
        kind: IoKind,
        /// What reads give afterwards. For a directory always the new entries.
        reads: Reads,
    },
    /// A lie (Gate D): the write succeeds, and never reaches the device.
    LostWrite,
    /// A lie (Gate D): the write succeeds, and reaches the device so many sectors away, in the same file.
    MisdirectedWrite {
        /// The distance in sectors.
        by: i64,
    },
    /// A lie (Gate D): the write succeeds, and reaches the device with a bit of this byte of it flipped.
    FlippedWrite {
        /// The byte, counted from the beginning of the write.
        byte: u64,
    },
    /// A lie (Gate D): the sync succeeds and does nothing.
    LyingSync,
    /// The call is done, and whoever made it unwinds behind it: see [`Unwound`].
    Unwind,
}

/// What [`Fault::Unwind`] unwinds with, so that whoever asked for it can tell it from a panic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unwound;

impl Fault {
    /// Whether the disk lies (Gate D): such a fault is to be detected, and cannot be survived.
    #[must_use]
    pub const fn is_lie(self) -> bool {
        self.lies_about_a_write() || matches!(self, Self::LyingSync)
    }

    /// Whether what a write stores is not what it was given, although it succeeds.
    pub(super) const fn lies_about_a_write(self) -> bool {
        matches!(self, Self::LostWrite | Self::MisdirectedWrite { .. } | Self::FlippedWrite { .. })
    }

    /// Whether the fault can happen to `op`.
    #[must_use]
    pub const fn fits(self, op: Op) -> bool {
        match self {
            Self::Short(_) => matches!(op, Op::Read | Op::Write),
            Self::Fail { .. } | Self::Unwind => true,
            Self::FailSync { .. } | Self::LyingSync => matches!(op, Op::SyncData | Op::SyncAll | Op::SyncDir),
            Self::LostWrite | Self::MisdirectedWrite { .. } | Self::FlippedWrite { .. } => {
                matches!(op, Op::Write)
            }
        }
    }
}

/// A fault and the call that it is meant for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Plan {
    /// The files it is meant for.
    pub role: RolePattern,
    /// The operation it is meant for.
    pub op: Op,
    /// Which of the matching calls from now on, from 1.
    pub nth: u32,
    /// What happens to that call.
    pub fault: Fault,
}

/// Names a scheduled fault, in order of scheduling, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FaultId(pub usize);

/// Which sync the disk silently leaves out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SyncOp {
    /// `sync_data`.
    Data,
    /// `sync_all`.
    All,
    /// `sync_dir`.
    Dir,
    /// The durability of a write through a write-through descriptor.
    WriteThrough,
}

/// The scheduled faults and ignored syncs of one life.
#[derive(Debug, Clone, Default)]
pub(super) struct Schedule {
    plans: Vec<Slot>,
    ignored: Vec<(RolePattern, SyncOp)>,
    swallowed: u64,
}

#[derive(Debug, Clone)]
struct Slot {
    plan: Plan,
    seen: u32,
    fired: bool,
}

impl Schedule {
    pub(super) fn add(&mut self, plan: Plan) -> FaultId {
        self.plans.push(Slot { plan, seen: 0, fired: false });
        FaultId(self.plans.len() - 1)
    }

    pub(super) fn clear(&mut self) {
        self.plans.clear();
    }

    pub(super) fn list(&self, fired: bool) -> Vec<(FaultId, Plan)> {
        let of = self.plans.iter().enumerate().filter(|(_, slot)| slot.fired == fired);
        of.map(|(index, slot)| (FaultId(index), slot.plan)).collect()
    }

    /// The fault of this call, if it has one. Of several due at once the first scheduled fires, the others wait.
    pub(super) fn strike(&mut self, call: &Call) -> Option<Fault> {
        let mut struck = None;
        for slot in &mut self.plans {
            let plan = slot.plan;
            if slot.fired || plan.op != call.op || !plan.role.matches(call.role) || !plan.fault.fits(call.op)
            {
                continue;
            }
            slot.seen = slot.seen.saturating_add(1);
            if struck.is_none() && slot.seen >= plan.nth {
                slot.fired = true;
                struck = Some(plan.fault);
            }
        }
        struck
    }

    pub(super) fn ignore(&mut self, role: RolePattern, op: SyncOp) {
        self.ignored.push((role, op));
    }

    pub(super) fn honour(&mut self) {
        self.ignored.clear();
    }

    pub(super) const fn swallowed(&self) -> u64 {
        self.swallowed
    }

    /// Whether this sync is left out; counts it if so.
    pub(super) fn swallows(&mut self, role: Role, op: SyncOp) -> bool {
        let hit = self.ignored.iter().any(|(pattern, of)| *of == op && pattern.matches(role));
        self.swallowed += u64::from(hit);
        hit
    }
}
