//! What the slot word's design decides, each decision by what happens without it. The first two are the incident's own
//! designs, whole; each of the others turns one guard off. The checker finds a shortest path to the violation of the
//! one invariant that the decision protects.

mod story;
#[cfg(test)]
mod tests;

use super::{Design, Guard, Limits, Menu, replay};
use crate::invariant::Invariant;
use crate::mechanism::Ending;
use crate::model::prefetch::hunt;
use crate::step::{PrefetchStep, Step};
use crate::text::words;
use crate::trace::{Head, Line, Trace};

words! {
    /// A design decision, by what goes wrong without it.
    Switch, "a prefetch switch" {
        /// The `Historical` design.
        ReadyFirst = "verify-reads-in-wrong-order",
        /// The `Patched` design.
        BackOff = "back-off-before-ready",
        /// See [`Switch::story`], as for all of them.
        SwitchAtSubmit = "cache-before-write-done",
        /// A pin is an addition.
        PinByAdd = "pin-by-add",
        /// A pin does not name its generation.
        NoGeneration = "no-generation-in-the-word",
        /// A slot is freed under a reader.
        RetireIgnoresPins = "retire-ignores-pins",
        /// What a slot holds is not compared.
        SlotOnTrust = "slot-taken-on-trust",
        /// The buffer begins behind the request.
        DropsPrefix = "prefetch-drops-prefix",
        /// A short buffer is the end.
        ShortIsEnd = "short-prefetch-is-eof",
        /// A buffer serves before it was compared.
        PublishUnverified = "publish-before-verify",
        /// A race is held against the drive.
        RaceIsFault = "race-counts-as-fault",
        /// One bad read is a bad drive.
        NoRetries = "quarantine-at-first-fault",
        /// Snapshots are not waited for.
        ReclaimUnderReader = "reclaim-under-a-reader",
    }
}

impl Switch {
    /// The guard that stands for the decision.
    #[must_use]
    pub const fn guard(self) -> Guard {
        match self {
            Self::ReadyFirst | Self::BackOff => Guard::StateIsOneWord,
            Self::SwitchAtSubmit => Guard::SwitchNeedsAcknowledgement,
            Self::PinByAdd => Guard::PinNeedsReady,
            Self::NoGeneration => Guard::PinNeedsGeneration,
            Self::RetireIgnoresPins => Guard::FreeNeedsNoPins,
            Self::SlotOnTrust => Guard::ServeNeedsTheBlock,
            Self::DropsPrefix => Guard::ServeNeedsTheStart,
            Self::ShortIsEnd => Guard::ServeNeedsTheEnd,
            Self::PublishUnverified => Guard::PublishNeedsVerification,
            Self::RaceIsFault => Guard::FaultIsNoRace,
            Self::NoRetries => Guard::QuarantineNeedsRetries,
            Self::ReclaimUnderReader => Guard::ReclaimNeedsNoReader,
        }
    }

    /// The design without the decision.
    #[must_use]
    pub fn design(self) -> Design {
        match self {
            Self::ReadyFirst => Design::HISTORICAL,
            Self::BackOff => Design::PATCHED,
            _ => Design::without(&[self.guard()]),
        }
    }

    /// The invariant that the decision protects.
    #[must_use]
    pub const fn invariant(self) -> Invariant {
        match self {
            Self::ReadyFirst | Self::BackOff | Self::SwitchAtSubmit => Invariant::VerifySeesOneState,
            Self::PinByAdd
            | Self::NoGeneration
            | Self::RetireIgnoresPins
            | Self::SlotOnTrust
            | Self::DropsPrefix
            | Self::ShortIsEnd => Invariant::ReadNeverStale,
            Self::PublishUnverified | Self::RaceIsFault | Self::NoRetries => {
                Invariant::QuarantineLosesNothing
            }
            Self::ReclaimUnderReader => Invariant::CompactionPreservesReads,
        }
    }

    /// Where the corpus keeps its trace, from the root of the repository.
    #[must_use]
    pub fn path(self) -> String {
        format!("corpus/{}/{self}.trace", self.invariant())
    }

    /// What its path needs: one slot, two readers, one rewrite, and little else.
    #[must_use]
    pub const fn menu(self) -> Menu {
        let one = Menu {
            blocks: 1,
            slots: 1,
            readers: 2,
            halves: false,
            short: false,
            garbled: false,
            rot: false,
            reclaim: false,
            limits: Limits { reads: 2, rewrites: 1, faults: 1 },
        };
        match self {
            Self::SlotOnTrust => Menu { blocks: 2, ..one },
            Self::DropsPrefix => Menu { halves: true, ..one },
            Self::ShortIsEnd => Menu { short: true, ..one },
            Self::PublishUnverified => Menu { rot: true, ..one },
            Self::NoRetries => Menu { garbled: true, ..one },
            Self::RaceIsFault | Self::ReclaimUnderReader => Menu { reclaim: true, ..one },
            _ => one,
        }
    }
}

/// A switch that yields no path: the decision protects nothing, or its world is too small.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoTrace {
    /// The search ended without a violation.
    #[error("prefetch switch {0}: no path breaks {1}")]
    NotFound(Switch, Invariant),
    /// The path is not what it should be.
    #[error("prefetch switch {switch}: with it {with:?}, without it {without:?}")]
    WrongEnding {
        /// Which.
        switch: Switch,
        /// How the path ends with it.
        with: Ending<Guard>,
        /// How it ends on the slot word.
        without: Ending<Guard>,
    },
}

/// The shortest counterexample of a switch, as the corpus holds it.
///
/// # Errors
/// [`NoTrace`], if there is none.
pub fn counterexample(switch: Switch) -> Result<Trace, NoTrace> {
    let invariant = switch.invariant();
    let path = hunt(switch.menu(), switch.design(), invariant);
    let path: Vec<PrefetchStep> = path.ok_or(NoTrace::NotFound(switch, invariant))?;
    let mut lines: Vec<Line> = path.into_iter().map(|step| Line::new(Step::from(step), None)).collect();
    if let Some(last) = lines.last_mut() {
        last.violates = true;
    }
    let trace = Trace {
        invariant,
        found_by: "stateright scope=prefetch".to_owned(),
        mutant: Some(switch.to_string()),
        head: Head::Reached,
        code: None,
        with: Vec::new(),
        lines,
    };
    stated(switch, trace)
}

/// States how the path ends on the slot word, and makes sure that it ends as the switch says.
///
/// # Errors
/// [`NoTrace::WrongEnding`].
pub fn stated(switch: Switch, mut trace: Trace) -> Result<Trace, NoTrace> {
    let steps: Vec<Step> = trace.lines.iter().map(|line| line.step.clone()).collect();
    let (with, _) = replay(switch.design(), &steps);
    let (without, _) = replay(Design::PACKED, &steps);
    let broken = Ending::Violated { line: steps.len(), invariant: trace.invariant };
    match &without {
        Ending::Refused { line, guard } if with == broken && *guard == switch.guard() => {
            trace.head = Head::Refused { line: *line, guard: guard.to_string() };
            Ok(trace)
        }
        _ => Err(NoTrace::WrongEnding { switch, with, without }),
    }
}
