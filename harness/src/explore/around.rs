//! What stands around a case: the runs that lack one of its steps, the nearest that holds, and the same on a real file
//! system.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use truelog_spec::contract::Contract;
use truelog_spec::step::Unit as SpecUnit;
use truelog_spec::{Invariant, Step};

use super::case::{Case, Crash, NotACase, crashed, live};
use super::random::run;
use super::told::named;
use super::{Explorer, Sequence, laid, spell};
use crate::driver::{Moment, files};
use crate::fabric::{Unit, UnitKind};
use crate::oracle::{self, Ended, Reading};
use crate::process::place;
use crate::subject::Archived;

/// How many moments before and behind a crash are tried for one that holds.
const NEAR: usize = 40;

/// Which steps of a case its violation needs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Needs {
    /// The steps without which the same invariant is broken all the same.
    pub idle: Vec<String>,
    /// How many steps were left out, one after the other.
    pub tried: usize,
    /// None were, because it has more crashes than a run is searched for.
    pub too_deep: bool,
    /// How many images of crashes were judged for that.
    pub images: u64,
    /// Whether the end of the process in the place of the crash breaks it as well; nothing where there is no crash, or it
    /// is that of the process.
    pub process: Option<bool>,
    /// The same, if the crash keeps all that was pending.
    pub all_kept: Option<bool>,
}

/// The nearest case that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holds {
    /// The same, if no call of it fails.
    Honest,
    /// The same crash, if the disk also keeps this.
    Keeping(SpecUnit),
    /// The same crash at another moment.
    At {
        /// Later, or earlier.
        later: bool,
        /// How many moments.
        away: usize,
        /// Behind this step; nothing where that is the step before the crash of the case itself.
        step: Option<Step>,
    },
}

impl Case {
    /// Leaves out each step that a client or the world takes before the crash, and searches what is left for the same
    /// broken invariant: every moment, and what a crash at it can leave, up to the scope's limit.
    #[must_use]
    pub fn needs<S: Archived>(&self, invariant: Invariant) -> Needs {
        let mut needs = Needs::default();
        let breaks = |case: &Self| case.breaks::<S>(invariant);
        // The search goes no deeper than its scope.
        needs.too_deep = self.crashes.len() > self.scope.crashes;
        let shorter = if needs.too_deep { Vec::new() } else { self.shorter::<S>() };
        for (step, shorter) in shorter {
            needs.tried += 1;
            if shorter.iter().any(|shorter| self.searched::<S>(shorter, invariant, &mut needs.images)) {
                needs.idle.push(step);
            }
        }
        if let Some((_, Crash::Power(_))) = self.crashes.last() {
            needs.process = Some(breaks(&self.crashing(Crash::Process)));
            needs.all_kept = self.pending::<S>().map(|all| breaks(&self.crashing(Crash::Power(all))));
        }
        needs
    }

    /// Each step that was drawn, and the runs without it; none where what follows cannot be asked for without it. With its last
    /// letter what goes wrong in that is gone, too.
    fn shorter<S: Archived>(&self) -> Vec<(String, Vec<Sequence>)> {
        let Sequence { letters, fault } = &self.sequence;
        let without = |at: usize| {
            let mut fewer = letters.clone();
            let letter = fewer.remove(at).to_string();
            let whole = [self.scope.prefix, &fewer].concat();
            if spell(&whole).len() < whole.len() {
                (letter, Vec::new())
            } else if at + 1 == letters.len() {
                (letter, vec![Sequence { letters: fewer, fault: None }])
            } else {
                (letter, self.sequence.alike::<S>(self.scope, fewer))
            }
        };
        let honest = Sequence { letters: letters.clone(), fault: None };
        let fault = fault.map(|_| ("the failing call".to_owned(), vec![honest]));
        (0..letters.len()).map(without).chain(fault).collect()
    }

    /// Whether the same invariant is found broken in another run: by a crash, or where there is none in this case, as the
    /// mechanism sees it.
    fn searched<S: Archived>(&self, sequence: &Sequence, invariant: Invariant, images: &mut u64) -> bool {
        if self.crashes.is_empty() {
            let refused = sequence.walked::<S>(self.scope).err();
            return refused.is_some_and(|(refused, _)| refused.breaks() == invariant.as_str());
        }
        let explorer = Explorer::new(self.scope);
        run::<S>(&explorer, sequence);
        *images += explorer.counts().images.get();
        explorer.breaking(invariant).is_some()
    }

    /// The nearest case that breaks nothing: first the same crash that keeps one unit more, or where nothing crashes the same
    /// without the call that fails; then one at a moment near by.
    #[must_use]
    pub fn holds_near<S: Archived>(&self) -> Option<Holds> {
        let (number, crash) = self.crashes.last()?;
        if matches!(crash, Crash::Here) && self.sequence.fault.is_some() {
            let explorer = Explorer::new(self.scope);
            run::<S>(&explorer, &Sequence { fault: None, ..self.sequence.clone() });
            if explorer.finding().is_none() {
                return Some(Holds::Honest);
            }
        }
        if let Crash::Power(kept) = crash {
            for unit in
                self.pending::<S>().unwrap_or_default().into_iter().filter(|unit| !kept.contains(unit))
            {
                let more = [kept.as_slice(), &[unit]].concat();
                let case = self.crashing(Crash::Power(more));
                if let Some(name) = named(&unit).filter(|_| case.holds::<S>()) {
                    return Some(Holds::Keeping(name));
                }
            }
        }
        for away in 1..=NEAR {
            for (there, later) in [(number.checked_add(away), true), (number.checked_sub(away), false)] {
                let Some(there) = there else { continue };
                let mut case = self.clone();
                if let Some(last) = case.crashes.last_mut() {
                    last.0 = there;
                }
                if case.holds::<S>() {
                    let step = case.behind::<S>();
                    let inside = step == self.behind::<S>();
                    return Some(Holds::At { later, away, step: step.filter(|_| !inside) });
                }
            }
        }
        None
    }

    /// Lays what the crash leaves on a real file system, has it recovered there, and judges that. Returns the invariant that
    /// is broken; nothing where there is no crash.
    ///
    /// # Errors
    /// There is no real directory to lay it in, or it cannot be written.
    pub fn on_real<S: Archived>(&self) -> io::Result<Option<Result<(), Invariant>>> {
        let Some((moment, crash, contract)) = self.reached::<S>() else { return Ok(None) };
        let Ok(Some((kind, image))) = crashed(&moment, crash) else { return Ok(None) };
        let root = place()?;
        let (ended, after) = laid::open::<S>(&image, self.scope.setup, root.path())?;
        if let Ended::Refused(refusal) = &ended
            && refusal.kind == truelog_spec::Failure::Io
        {
            return Err(io::Error::other(refusal.says.clone()));
        }
        let (before, after) = (Reading::of(&files(&image)), Reading::of(&after));
        let owed = contract.obligations(kind);
        let case = oracle::Case { owed: &owed, before: &before, ended: &ended, after: &after };
        Ok(Some(oracle::judge(&case).map_err(|violation| violation.invariant)))
    }

    /// The last crash, its moment, and what is owed by then; nothing where a life has no such moment.
    fn reached<S: Archived>(&self) -> Option<(Arc<Moment>, &Crash, Contract)> {
        let mut contract = Contract::new();
        let mut deeds = self.sequence.run::<S>(self.scope).deeds;
        for (life, (number, crash)) in self.crashes.iter().enumerate() {
            let moment = live(&mut contract, &deeds, *number, &mut Vec::new()).ok()?;
            if life + 1 == self.crashes.len() {
                return Some((moment, crash, contract));
            }
            let (kind, image) = crashed(&moment, crash).ok()??;
            contract.crash(kind);
            deeds = self.recovered::<S>(life, &image, false).deeds;
        }
        None
    }

    /// What was pending when the crash came, garbage left out.
    fn pending<S: Archived>(&self) -> Option<Vec<Unit>> {
        let (moment, ..) = self.reached::<S>()?;
        let whole = |unit: &Unit| !matches!(unit.kind, UnitKind::Garbage(_));
        Some(moment.snapshot.pending().into_iter().filter(whole).collect())
    }

    /// The same with another last crash.
    fn crashing(&self, crash: Crash) -> Self {
        let mut case = self.clone();
        if let Some(last) = case.crashes.last_mut() {
            last.1 = crash;
        }
        case
    }

    /// The invariants that it breaks, in the order of the list.
    ///
    /// # Errors
    /// As [`Case::run`].
    pub fn broken<S: Archived>(&self) -> Result<Vec<Invariant>, NotACase> {
        let (lines, _) = self.run::<S>()?;
        let says = lines.iter().filter_map(|line| line.strip_prefix("VIOLATED "));
        let broken: BTreeSet<Invariant> =
            says.filter_map(|says| says.split([':', ' ']).next()?.parse().ok()).collect();
        Ok(broken.into_iter().collect())
    }

    /// Whether it can be, and breaks this invariant.
    #[must_use]
    pub fn breaks<S: Archived>(&self, invariant: Invariant) -> bool {
        self.broken::<S>().is_ok_and(|broken| broken.contains(&invariant))
    }

    /// Whether it can be, and breaks nothing.
    fn holds<S: Archived>(&self) -> bool {
        self.run::<S>().is_ok_and(|(_, holds)| holds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subject::Plain;

    fn case(text: &str) -> Case {
        text.parse().expect("a case")
    }

    /// On an engine that breaks nothing each step is needed, the nearest case that holds is one unit or moment away, and what
    /// a crash leaves is recovered on a real file system as well.
    #[test]
    fn what_stands_around_a_case_is_searched() {
        let case = case("random: append append @ 40 power none");
        let needs = case.needs::<Plain>(Invariant::AckedIsDurable);
        assert!(needs.idle.is_empty() && needs.tried == 2 && needs.images > 50, "{needs:?}");
        assert_eq!((needs.process, needs.all_kept), (Some(false), Some(false)));
        assert!(case.holds_near::<Plain>().is_some());
        assert_eq!(case.on_real::<Plain>().expect("a place"), Some(Ok(())));
    }

    #[test]
    fn where_nothing_crashes_the_call_that_fails_is_what_could_be_otherwise() {
        assert_eq!(case("random: append !14:eio @ 39 here").holds_near::<Plain>(), Some(Holds::Honest));
    }

    #[test]
    fn where_nothing_crashes_nothing_is_laid() {
        assert_eq!(case("random: append @ 5 here").on_real::<Plain>().expect("a place"), None);
    }
}
