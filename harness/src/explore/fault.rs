//! Faults, each on one call of one step.

use std::fmt;
use std::str::FromStr;

use truelog_env::{IoKind, Op};
use truelog_spec::step::{self, Cache, FaultKind};

use crate::driver::spelled;
use crate::fabric::{Call, Fault, Plan, Reads, Role};
use crate::knobs::Knob;

/// What goes wrong with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// An error of the device; nothing was done.
    Eio,
    /// An error of the device; all was done.
    EioDone,
    /// A sync fails, and reads give the old bytes.
    EioOld,
    /// A sync fails, and reads give some old and some new bytes.
    EioMixed,
    /// No space; nothing was done.
    Enospc,
    /// No space after half of a write.
    EnospcHalf,
    /// Read-only.
    Erofs,
    /// Too many open files.
    Emfile,
    /// Interrupted before anything was done.
    Eintr,
    /// One byte is done.
    Short,
    /// Half of the bytes are done.
    ShortHalf,
    /// A lie: the write succeeds, and never reaches the device.
    Lost,
    /// A lie: the write succeeds, and reaches the device with a bit flipped.
    Flipped,
    /// The call is done, and the thread that made it unwinds behind it, inside its commit.
    Unwinds,
}

impl Kind {
    const ALL: [Self; 14] = [
        Self::Eio,
        Self::EioDone,
        Self::EioOld,
        Self::EioMixed,
        Self::Enospc,
        Self::EnospcHalf,
        Self::Erofs,
        Self::Emfile,
        Self::Eintr,
        Self::Short,
        Self::ShortHalf,
        Self::Lost,
        Self::Flipped,
        Self::Unwinds,
    ];

    /// The kinds that can happen to a call. A drive may lie as well: what lies on it lies elsewhere too. What the log's
    /// own volume stores in silence is detected, and not survived: see `damage`. What a commit does to a segment is where a
    /// leader may unwind with a batch half made.
    pub(super) fn of(call: &Call) -> impl Iterator<Item = Self> {
        let more: &[Self] = match (call.op, call.role) {
            (Op::Write, Role::OnDrive(..)) => &[Self::Lost, Self::Flipped],
            (Op::Write | Op::SyncData, Role::Segment(_)) => &[Self::Unwinds],
            _ => &[],
        };
        Self::told(call.op).iter().chain(more).copied().filter(|kind| Knob::of_fault(*kind).is_on())
    }

    /// Whether the call succeeds, and the disk has not done what it says.
    pub(super) const fn is_lie(self) -> bool {
        matches!(self, Self::Lost | Self::Flipped)
    }

    /// The kinds that an honest disk may have.
    fn told(op: Op) -> &'static [Self] {
        match op {
            Op::Read => &[Self::Eio, Self::Eintr, Self::Short],
            Op::Write => &[
                Self::Eio,
                Self::EioDone,
                Self::Enospc,
                Self::EnospcHalf,
                Self::Erofs,
                Self::Eintr,
                Self::Short,
                Self::ShortHalf,
            ],
            Op::SyncData | Op::SyncAll => &[Self::Eio, Self::EioOld, Self::EioMixed, Self::Enospc],
            Op::SyncDir => &[Self::Eio, Self::Enospc],
            Op::Open => &[Self::Eio, Self::Emfile],
            Op::Create => &[Self::Eio, Self::Enospc, Self::Emfile, Self::Erofs],
            Op::CreateDir | Op::Rename => &[Self::Eio, Self::EioDone, Self::Enospc, Self::Erofs],
            Op::Unlink => &[Self::Eio, Self::EioDone, Self::Erofs],
            Op::Allocate | Op::SetLen => &[Self::Eio, Self::Enospc],
            _ => &[Self::Eio],
        }
    }

    fn fault(self, call: &Call) -> Fault {
        let fail = |kind, done| Fault::Fail { kind, done };
        let syncs = matches!(call.op, Op::SyncData | Op::SyncAll | Op::SyncDir);
        match self {
            Self::Eio if syncs => Fault::FailSync { kind: IoKind::Device, reads: Reads::New },
            Self::Eio => fail(IoKind::Device, 0),
            Self::EioDone => fail(IoKind::Device, call.len.max(1)),
            Self::EioOld => Fault::FailSync { kind: IoKind::Device, reads: Reads::Old },
            Self::EioMixed => Fault::FailSync { kind: IoKind::Device, reads: Reads::Mixed(1) },
            Self::Enospc if syncs => Fault::FailSync { kind: IoKind::NoSpace, reads: Reads::New },
            Self::Enospc => fail(IoKind::NoSpace, 0),
            Self::EnospcHalf => fail(IoKind::NoSpace, call.len / 2),
            Self::Erofs => fail(IoKind::ReadOnly, 0),
            Self::Emfile => fail(IoKind::TooManyFiles, 0),
            Self::Eintr => fail(IoKind::Interrupted, 0),
            Self::Short => Fault::Short(1),
            Self::ShortHalf => Fault::Short((call.len / 2).max(1)),
            Self::Lost => Fault::LostWrite,
            // In the header of whatever it is, which a checksum covers; behind it may be padding.
            Self::Flipped => Fault::FlippedWrite { byte: call.len.min(64) / 2 },
            Self::Unwinds => Fault::Unwind,
        }
    }
}

impl Kind {
    /// The same in the words of traces, or what they have no words for.
    fn in_words(self, call: &Call) -> Result<step::Fault, &'static str> {
        let (role, name) = spelled(call).ok_or("a failing call that traces do not name")?;
        let (kind, bytes, cache) = match self {
            Self::Eio => (FaultKind::Eio, 0, Cache::New),
            Self::EioDone => (FaultKind::Eio, call.len.max(1), Cache::New),
            Self::EioOld => (FaultKind::Eio, 0, Cache::Old),
            Self::Enospc => (FaultKind::Enospc, 0, Cache::New),
            Self::EnospcHalf => (FaultKind::Enospc, call.len / 2, Cache::New),
            Self::Erofs => (FaultKind::Erofs, 0, Cache::New),
            Self::Emfile => (FaultKind::Emfile, 0, Cache::New),
            Self::Eintr => (FaultKind::Eintr, 0, Cache::New),
            Self::Short => (FaultKind::Short, 1, Cache::New),
            Self::ShortHalf => (FaultKind::Short, (call.len / 2).max(1), Cache::New),
            Self::Lost => (FaultKind::Ignored, 0, Cache::New),
            Self::EioMixed => return Err("a failed sync behind which some bytes are old and some are new"),
            Self::Flipped => return Err("a write that reaches the device with a bit flipped"),
            Self::Unwinds => return Err("a caller that unwinds inside its commit"),
        };
        Ok(step::Fault { bytes, cache, ..step::Fault::new(role, name, kind) })
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Eio => "eio",
            Self::EioDone => "eio-done",
            Self::EioOld => "eio-old",
            Self::EioMixed => "eio-mixed",
            Self::Enospc => "enospc",
            Self::EnospcHalf => "enospc-half",
            Self::Erofs => "erofs",
            Self::Emfile => "emfile",
            Self::Eintr => "eintr",
            Self::Short => "short",
            Self::ShortHalf => "short-half",
            Self::Lost => "lost",
            Self::Flipped => "flipped",
            Self::Unwinds => "unwinds",
        })
    }
}

/// A fault on one call of a sequence's last step: `!12:eio`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Struck {
    /// Which call of that step, from 0.
    pub call: usize,
    /// What goes wrong.
    pub kind: Kind,
}

impl fmt::Display for Struck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "!{}:{}", self.call, self.kind)
    }
}

impl FromStr for Struck {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (call, kind) = text.strip_prefix('!').and_then(|rest| rest.split_once(':')).ok_or(())?;
        let kind = Kind::ALL.into_iter().find(|known| known.to_string() == kind).ok_or(())?;
        Ok(Self { call: call.parse().map_err(|_| ())?, kind })
    }
}

impl Struck {
    /// All that can go wrong with these calls of a step.
    pub(super) fn ways(calls: &[Call]) -> Vec<Self> {
        let numbered = calls.iter().enumerate();
        numbered.flat_map(|(at, call)| Kind::of(call).map(move |kind| Self { call: at, kind })).collect()
    }

    /// What a trace says of it, given the calls of the step as they are without it; or what no trace can say. Nothing where
    /// the step has no such call.
    pub(super) fn in_words(self, calls: &[Call]) -> Option<Result<step::Fault, &'static str>> {
        calls.get(self.call).map(|call| self.kind.in_words(call))
    }

    /// The plan of it, given the calls of the step as they are without it.
    pub(super) fn plan(self, calls: &[Call]) -> Option<Plan> {
        let call = calls.get(self.call)?;
        let same = |other: &&Call| other.op == call.op && other.role == call.role;
        let before = calls[..self.call].iter().filter(same).count();
        let nth = u32::try_from(before + 1).ok()?;
        Some(Plan { role: call.role.into(), op: call.op, nth, fault: self.kind.fault(call) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::plan;
    use crate::explore::{Letter, Scope, Sequence};
    use crate::subject::Plain;

    /// What a trace says strikes the same call in the same way.
    #[test]
    fn in_the_words_of_traces_a_fault_is_the_same() {
        let (mut said, mut unsaid) = (0, std::collections::BTreeSet::new());
        let sealed = [Letter::Append, Letter::Append, Letter::Compact];
        let runs: [(_, &[Letter]); 3] =
            [(&Scope::RANDOM, &[]), (&Scope::RANDOM, &[Letter::Append]), (&Scope::RANDOM_ARCHIVE, &sealed)];
        for (scope, letters) in runs {
            let calls = Sequence { letters: letters.to_vec(), fault: None }.calls::<Plain>(scope);
            for (call, kind) in calls.iter().flat_map(|call| Kind::of(call).map(move |kind| (call, kind))) {
                match kind.in_words(call) {
                    Ok(fault) => {
                        let plan = plan(&fault).expect("it can be");
                        assert!(plan.op == call.op && plan.role.matches(call.role), "{fault}: {call:?}");
                        assert_eq!(plan.fault, kind.fault(call), "{fault}");
                        said += 1;
                    }
                    Err(why) => {
                        unsaid.insert(why);
                    }
                }
            }
        }
        assert!(said > 100, "{said}");
        assert_eq!(unsaid.len(), 4, "{unsaid:?}");
    }
}
