//! What was met under threads, told by one thread: a run of the same kinds of steps that breaks the same invariant.

use truelog_env::Op;
use truelog_spec::Invariant;
use truelog_spec::contract::Violation;

use super::alphabet::Situation;
use super::case::Case;
use super::fault::Kind;
use super::random::{SHRINKS, run, shrink};
use super::{Explorer, Finding, Letter, Scope, Sequence, Struck};
use crate::fabric::RolePattern;
use crate::fewer::fewer;
use crate::subject::Archived;

/// A sync that fails: of which file, and which call.
pub type Fails = (RolePattern, Op);

/// A run of one thread that does what `letters` say, as far as each is possible then, and breaks the invariant; shrunk.
/// Where a sync failed, some call of that kind fails in it. What needs no drives is told without them.
#[must_use]
pub fn alone<S: Archived>(
    drives: bool,
    letters: &[Letter],
    fails: Option<Fails>,
    broken: Invariant,
) -> Option<Finding> {
    const LOG: [&Scope; 2] = [&Scope::RANDOM, &Scope::RANDOM_REUSED];
    const ARCHIVE: [&Scope; 4] = [
        &Scope::RANDOM_ARCHIVE,
        &Scope::RANDOM_ORDER,
        &Scope::RANDOM_ARCHIVE_REUSED,
        &Scope::RANDOM_ORDER_REUSED,
    ];
    let archived = ARCHIVE.into_iter().filter(|_| drives);
    LOG.into_iter().chain(archived).find_map(|scope| {
        let letters = possible(scope, letters);
        if let Some(found) = fails.is_none().then(|| refused::<S>(scope, &letters, broken)).flatten() {
            return Some(found);
        }
        let sequence = match fails {
            None => Some(Sequence { letters, fault: None }),
            Some(fails) => struck::<S>(scope, &letters, fails, broken),
        }?;
        let found = breaks::<S>(scope, &sequence, broken)?;
        Some(shrink::<S>(scope, sequence, found))
    })
}

/// A run without a crash in which the mechanism refuses a step for the invariant: shrunk, too.
fn refused<S: Archived>(scope: &'static Scope, letters: &[Letter], broken: Invariant) -> Option<Finding> {
    let refusal = |letters: &[Letter]| {
        let sequence = Sequence { letters: letters.to_vec(), fault: None };
        let (refused, says) = sequence.walked::<S>(scope).err()?;
        let case = Case { scope, sequence, crashes: Vec::new() }.to_string();
        let violation = Violation::new(broken, says);
        (refused.breaks() == broken.as_str()).then_some(Finding { violation, case, crashes: 0 })
    };
    let mut best = refusal(letters)?;
    fewer(letters.to_vec(), SHRINKS, |rest| {
        if possible(scope, rest).len() < rest.len() {
            return None;
        }
        let found = refusal(rest);
        let kept = found.is_some();
        best = found.unwrap_or_else(|| best.clone());
        Some(kept)
    });
    Some(best)
}

/// The letters that are possible behind each other, the others left out.
fn possible(scope: &Scope, letters: &[Letter]) -> Vec<Letter> {
    let mut situation = Situation::behind(scope.prefix);
    letters.iter().copied().filter(|letter| situation.take(*letter).is_some()).collect()
}

/// How a run breaks this invariant.
fn breaks<S: Archived>(scope: &Scope, sequence: &Sequence, broken: Invariant) -> Option<Finding> {
    let explorer = Explorer::new(scope);
    run::<S>(&explorer, sequence);
    explorer.breaking(broken)
}

/// The shortest beginning of the letters in whose last one such a failing call breaks the invariant.
fn struck<S: Archived>(
    scope: &Scope,
    letters: &[Letter],
    (role, op): Fails,
    broken: Invariant,
) -> Option<Sequence> {
    let beginnings = (1..=letters.len()).filter(|upto| Scope::struck(letters[upto - 1]));
    let ways = beginnings.flat_map(|upto| {
        let plain = Sequence { letters: letters[..upto].to_vec(), fault: None };
        let calls = plain.calls::<S>(scope);
        let meant =
            calls.into_iter().enumerate().filter(|(_, call)| call.op == op && role.matches(call.role));
        let struck: Vec<Struck> = meant.map(|(call, _)| Struck { call, kind: Kind::Eio }).collect();
        struck.into_iter().map(move |struck| Sequence { fault: Some(struck), ..plain.clone() })
    });
    ways.into_iter().find(|way| breaks::<S>(scope, way, broken).is_some())
}

impl Case {
    /// A case that breaks the same invariant: this one with its first crash alone, or any with one crash and its letters, or
    /// else this one.
    #[must_use]
    pub fn with_fewer_crashes<S: Archived>(&self, broken: Invariant) -> Option<String> {
        let mut case = self.clone();
        while case.crashes.len() > 1 {
            case.crashes.pop();
        }
        if case.breaks::<S>(broken) {
            return Some(case.to_string());
        }
        let archived = !self.scope.prefix.is_empty();
        let alone = alone::<S>(archived, &self.sequence.letters, None, broken).map(|found| found.case);
        alone.or_else(|| self.breaks::<S>(broken).then(|| self.to_string()))
    }

    /// The kinds of the steps that lead to what it breaks: of its last letter, of what fails in it, and of what crashes.
    #[must_use]
    pub fn kinds(&self) -> String {
        let step = self.sequence.letters.last().map(|letter| letter.kind());
        let fault =
            self.sequence.fault.map(|struck| if struck.kind.is_lie() { "a lie" } else { "a failed call" });
        let crashes = self.crashes.iter().map(|(_, crash)| crash.kind());
        let kinds: Vec<&str> = [step.unwrap_or("create")].into_iter().chain(fault).chain(crashes).collect();
        kinds.join(", ")
    }
}

impl Letter {
    /// The kind of step that it is, whatever it hands in or leaves.
    fn kind(self) -> &'static str {
        match self {
            Self::Append | Self::AppendLight | Self::AppendLarge | Self::Batch => "append",
            Self::Submit | Self::SubmitLight | Self::Wait => "submit",
            Self::TrimAll | Self::TrimMost => "trim",
            Self::Tick | Self::Idle | Self::Work => "tick",
            Self::Open | Self::Die | Self::Blackout => "open",
            Self::Close => "close",
            Self::Read | Self::Inspect => "read",
            Self::Adopt | Self::Restore => "adopt",
            Self::AcceptLoss => "accept-loss",
            Self::AddDrives => "add-drives",
            Self::Compact => "compact",
            Self::Scrub => "scrub",
            Self::Rebuild => "rebuild",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subject::Plain;

    /// Else no order of an archive's calls could be refused, whatever the engine does: the walk would end before.
    #[test]
    fn the_mechanism_follows_a_run_of_one_thread_with_drives() {
        use Letter::{AppendLarge, Compact, Read, Scrub, TrimMost, Work};
        let all = [AppendLarge, AppendLarge, Compact, AppendLarge, Work, Read, Scrub, AppendLarge, TrimMost];
        let scope = &Scope::RANDOM_ORDER;
        let letters = possible(scope, &all);
        assert_eq!(letters, all);
        let sequence = Sequence { letters, fault: None };
        let walked = sequence.walked::<Plain>(scope).unwrap_or_else(|(_, says)| panic!("{says}"));
        let published = walked.turns.iter().any(|turn| turn.contains("publish"));
        assert!(published, "{:?}", walked.turns);
        assert!(alone::<Plain>(true, &all, None, Invariant::CompactionPreservesReads).is_none());
    }
}
