//! Whether a run is a path of the mechanism.
//!
//! The run shows calls and claims; some steps of the mechanism happen inside the engine and are not seen: a
//! record gets its LSN, a watermark moves, a handle learns that it is poisoned. So the check carries the set of
//! states that the mechanism may be in, and puts the unseen steps in where the next seen one needs them. The
//! run is refused where that set becomes empty, and the refusal names the guard.

use std::collections::{BTreeMap, BTreeSet};

use truelog_spec::mechanism::{Guard, Mechanism, Phase, State, stage};
use truelog_spec::step::{
    Call, Durability, Edit, Ended, EngineStep, Fault, FaultKind, Lsn, Lsns, OnDrive, Role, SegmentNo, Step,
    SyncKind, WorldStep,
};

use super::mapper::Mapped;
use super::unseen::{self, Known};

/// More states at once than this would mean that the run shows too little to be judged.
const STATES: usize = 64;
/// The most unseen steps between two seen ones; a record that gets its LSN counts as one.
const UNSEEN: usize = 8;

/// A run that is no path of the mechanism.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {at}: `{step}` is refused by {guard}: {}", guard.says())]
pub struct OffPath {
    /// The entry of the run, from 0.
    pub at: usize,
    /// The step that it is.
    pub step: Box<Step>,
    /// The guard that stands against it.
    pub guard: Guard,
}

/// What a run that is a path went through.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Walked {
    /// How many seen steps were taken.
    pub steps: u64,
    /// How many unseen ones were put in.
    pub unseen: u64,
    /// The most states that were possible at once.
    pub widest: usize,
    /// The kinds of steps that were taken: see [`kind_of`].
    pub kinds: BTreeSet<String>,
    /// Which kind of step was taken behind which, as [`turn`] writes them.
    pub turns: BTreeSet<String>,
}

/// A kind of step behind another one.
#[must_use]
pub fn turn(before: &str, kind: &str) -> String {
    format!("{before} > {kind}")
}

/// Walks a run through the mechanism, from a disk without a log. In a run of several threads what a failed call
/// means may reach the others late: see [`super::judge_concurrent`].
///
/// # Errors
/// The first step that no possible state takes.
pub fn walk(run: &[Mapped], concurrent: bool) -> Result<Walked, OffPath> {
    let mut walker = Walker {
        known: Known { durabilities: durabilities(run), carried: BTreeSet::new() },
        walked: Walked::default(),
        last: String::new(),
        trimmed: 1,
    };
    let mut possible = vec![Possible { state: State::default(), owed: Vec::new(), told: None }];
    for mapped in run {
        possible = walker.next(&possible, mapped, concurrent)?;
        walker.walked.steps += 1;
        walker.walked.widest = walker.walked.widest.max(possible.len());
    }
    Ok(walker.walked)
}

/// A state that is possible, and the failed calls whose meaning is not yet known to all threads.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Possible {
    state: State,
    /// Each with the entry where it ended.
    owed: Vec<(usize, EngineStep)>,
    /// The entry at which a client was told of a failure.
    told: Option<usize>,
}

/// What each acknowledged record was promised.
fn durabilities(run: &[Mapped]) -> BTreeMap<Lsn, Durability> {
    let acks = run.iter().filter_map(|mapped| match &mapped.step {
        Step::Engine(EngineStep::Ack(lsns, durability)) => Some((*lsns, *durability)),
        _ => None,
    });
    acks.flat_map(|(lsns, durability)| lsns.iter().map(move |lsn| (lsn, durability))).collect()
}

struct Walker {
    known: Known,
    walked: Walked,
    /// The kind of the last step.
    last: String,
    /// The highest trim point that was confirmed.
    trimmed: Lsn,
}

impl Walker {
    /// What is possible after one seen step.
    fn next(
        &mut self,
        possible: &[Possible],
        mapped: &Mapped,
        concurrent: bool,
    ) -> Result<Vec<Possible>, OffPath> {
        let mut after: Vec<Possible> = Vec::new();
        let mut refused = None;
        let tells = concurrent && matches!(mapped.step, Step::Engine(EngineStep::Poison));
        for one in possible {
            if tells {
                after.push(Possible { told: one.told.or(Some(mapped.at)), ..one.clone() });
                continue;
            }
            let settled = match self.settle(one, mapped) {
                Ok(settled) => settled,
                Err(off) => {
                    refused.get_or_insert(off);
                    continue;
                }
            };
            if concurrent && let Some(step) = failed(mapped) {
                let mut later = settled.clone();
                later.owed.push((mapped.at, step));
                after.push(later);
            }
            match self.take(std::slice::from_ref(&settled.state), mapped) {
                Ok(states) => {
                    after.extend(states.into_iter().map(|state| Possible { state, ..settled.clone() }));
                }
                Err(off) => drop(refused.get_or_insert(off)),
            }
        }
        after.dedup();
        match refused {
            Some(off) if after.is_empty() => Err(off),
            _ => Ok(after),
        }
    }

    /// What is owed is paid where it cannot wait.
    fn settle(&mut self, one: &Possible, mapped: &Mapped) -> Result<Possible, OffPath> {
        // What other threads have under way runs to its end, even when a client was told; but nobody is
        // acknowledged any more, and nobody touches the same file again.
        let must = match &mapped.step {
            Step::Engine(EngineStep::Unlock) | Step::World(_) => true,
            Step::Engine(EngineStep::Ack(..)) => one.told.is_some_and(|told| mapped.began > told),
            Step::Engine(step) => {
                let role = role_of(step);
                role.is_some()
                    && one.owed.iter().any(|(at, owed)| mapped.began > *at && role_of(owed) == role)
            }
            Step::Client(_) | Step::Prefetch(_) => false,
        };
        if !must || one.owed.is_empty() {
            return Ok(one.clone());
        }
        let mut state = one.state.clone();
        for (_, owed) in &one.owed {
            let owed = Mapped { at: mapped.at, began: mapped.began, step: (*owed).into() };
            let states = self.take(&[state], &owed)?;
            state = states.into_iter().next().unwrap_or_default();
        }
        Ok(Possible { state, owed: Vec::new(), told: one.told })
    }

    /// The states after one seen step.
    fn take(&mut self, states: &[State], mapped: &Mapped) -> Result<Vec<State>, OffPath> {
        let Step::Engine(step) = &mapped.step else {
            return self.advance(states, mapped, &mapped.step);
        };
        if let EngineStep::Unlink(Role::Segment(number), Ended::Done) = *step
            && states.iter().all(|state| forgotten(state, number))
        {
            return Ok(states.to_vec());
        }
        if let EngineStep::WriteEdit(_, Edit::Checkpoint, Ended::Done) = *step {
            self.known.carried.extend(states.iter().flat_map(unseen::unlisted));
        }
        match *step {
            // Each record on its own: the records of a request need not be told together here.
            EngineStep::Ack(lsns, durability) if lsns.first < lsns.last => {
                let mut states = states.to_vec();
                for lsn in lsns.iter() {
                    let one = EngineStep::Ack(Lsns::one(lsn), durability).into();
                    states = self.advance(&states, mapped, &one)?;
                }
                Ok(states)
            }
            EngineStep::Trimmed { before } => {
                // A trim below the trim point does nothing, and is confirmed all the same.
                if before <= self.trimmed {
                    return Ok(states.to_vec());
                }
                self.trimmed = before;
                self.advance(states, mapped, &mapped.step)
            }
            _ => {
                let fault = fault(step).map(|fault| Step::World(WorldStep::Fault(fault)));
                match fault {
                    Some(fault) => {
                        let armed = self.advance(states, mapped, &fault)?;
                        self.advance(&armed, mapped, &mapped.step)
                    }
                    None => self.advance(states, mapped, &mapped.step),
                }
            }
        }
    }

    /// The states after a step, with as few unseen steps before it as will do.
    fn advance(&mut self, states: &[State], mapped: &Mapped, step: &Step) -> Result<Vec<State>, OffPath> {
        let design = Mechanism::default();
        let mut frontier = unseen::before(states, step);
        // The guard that stands against the step when all that it needs has been put in.
        let mut last = Guard::NoSuchStep;
        for unseen in 0..=UNSEEN {
            let mut after: Vec<State> = Vec::new();
            for state in &frontier {
                let step = &unseen::told(state, step);
                match design.apply(state, step) {
                    Ok(next) if !after.contains(&next) => {
                        self.walked.kinds.insert(kind_of(step));
                        after.push(next);
                    }
                    Ok(_) => {}
                    Err(refused) if refused.guard != Guard::NoSuchStep || unseen == 0 => last = refused.guard,
                    Err(_) => {}
                }
            }
            if !after.is_empty() {
                self.walked.unseen += unseen as u64;
                let kind = kind_of(step);
                self.walked.turns.insert(turn(&self.last, &kind));
                self.last = kind;
                return Ok(after);
            }
            let mut before: Vec<State> = Vec::new();
            for state in &frontier {
                for needed in self.known.needed(state, step) {
                    let next =
                        needed.iter().try_fold(state.clone(), |state, step| design.apply(&state, step));
                    before.extend(next.ok().filter(|next| !before.contains(next)));
                }
            }
            before.truncate(STATES);
            if before.is_empty() {
                break;
            }
            frontier = before;
        }
        Err(OffPath { at: mapped.at, step: Box::new(step.clone()), guard: last })
    }
}

/// A failed call, if the step is one that others may hear of late.
fn failed(mapped: &Mapped) -> Option<EngineStep> {
    let Step::Engine(step) = &mapped.step else { return None };
    fault(step).filter(|fault| fault.kind == FaultKind::Eio).map(|_| *step)
}

/// The file of a call.
fn role_of(step: &EngineStep) -> Option<Role> {
    Some(match *step {
        EngineStep::WriteBatch(batch, _) => Role::Segment(batch.segment),
        EngineStep::WriteEdit(_, Edit::Checkpoint, _) => Role::ManifestTmp,
        EngineStep::WriteEdit(..) => Role::Manifest,
        EngineStep::WriteBlocks(drive, run, ..) => Role::OnDrive(drive, OnDrive::RunTmp(run)),
        EngineStep::Sync(_, role, _)
        | EngineStep::SyncStart(role)
        | EngineStep::SyncDir(role, _)
        | EngineStep::Create(role, _)
        | EngineStep::Fill(role, _)
        | EngineStep::Allocate(role, _) => role,
        _ => return None,
    })
}

/// Whether an open may remove a segment although the manifest that it found names it: nothing was ever kept in it, and the
/// new manifest, which leaves it out, is durable. The mechanism keeps such a segment; nothing reads it there.
fn forgotten(state: &State, number: SegmentNo) -> bool {
    let durable = state.engine.as_ref().is_some_and(|engine| {
        engine.phase == Phase::Opening && engine.checkpoint & stage::NAMED != 0 && engine.active != number
    });
    let holds =
        (1..).zip(&state.disk.batches).any(|(at, batch)| batch.segment == number && state.disk.valid(at));
    durable && !holds
}

/// The fault that a call met which did not do all that it was asked to.
fn fault(step: &EngineStep) -> Option<Fault> {
    let (role, call, ended) = match *step {
        EngineStep::Mkdir(role, ended) => (role, Call::Mkdir, ended),
        EngineStep::Lock(ended) => (Role::Dir, Call::Lock, ended),
        EngineStep::Create(role, ended) => (role, Call::Create, ended),
        EngineStep::Allocate(role, ended) => (role, Call::Allocate, ended),
        EngineStep::Fill(role, ended) => (role, Call::Write, ended),
        EngineStep::WriteBatch(batch, ended) => (Role::Segment(batch.segment), Call::Write, ended),
        EngineStep::WriteEdit(_, Edit::Checkpoint, ended) => (Role::ManifestTmp, Call::Write, ended),
        EngineStep::WriteEdit(_, _, ended) => (Role::Manifest, Call::Write, ended),
        EngineStep::WriteBlocks(drive, run, _, ended) => {
            (Role::OnDrive(drive, OnDrive::RunTmp(run)), Call::Write, ended)
        }
        EngineStep::Sync(SyncKind::Data, role, ended) => (role, Call::SyncData, ended),
        EngineStep::Sync(SyncKind::All, role, ended) => (role, Call::SyncAll, ended),
        EngineStep::SyncDir(role, ended) => (role, Call::SyncDir, ended),
        EngineStep::Rename(_, role, ended) => (role, Call::Rename, ended),
        EngineStep::Unlink(role, ended) => (role, Call::Unlink, ended),
        _ => return None,
    };
    let kind = match ended {
        Ended::Done => return None,
        Ended::Short => FaultKind::Short,
        Ended::Failed => FaultKind::Eio,
    };
    Some(Fault::new(role, call, kind))
}

/// A step without its numbers: what the report of transitions counts by.
#[must_use]
pub fn kind_of(step: &Step) -> String {
    let Step::Engine(step) = step else { return step.actor().to_string() };
    let text = step.to_string();
    let words = text.split(' ').map(|word| {
        let bare = word.split_once('=').map_or(word, |(key, _)| key);
        let bare = bare.split_once(':').map_or(bare, |(kind, _)| kind);
        let parts: Vec<String> = bare.split('/').map(unnumbered).collect();
        parts.join("/")
    });
    let words: Vec<String> = words.filter(|word| !word.starts_with(|c: char| c.is_ascii_digit())).collect();
    words.join(" ")
}

/// A name without the number behind it.
fn unnumbered(name: &str) -> String {
    let (stem, tmp) = name.strip_suffix(".tmp").map_or((name, ""), |stem| (stem, ".tmp"));
    let numbered = stem.rsplit_once('-').filter(|(_, number)| number.bytes().all(|b| b.is_ascii_digit()));
    numbered.map_or_else(|| name.to_owned(), |(kind, _)| format!("{kind}{tmp}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_have_no_numbers() {
        for (text, kind) in [
            ("engine write batch:2 seg-1 lsns=3..4 through short", "write batch seg lsns through short"),
            ("engine rename seg-12.tmp seg-12", "rename seg.tmp seg"),
            ("engine write edit:3 add-segment seg-2", "write edit add-segment seg"),
            ("engine ack 3..4 process-crash", "ack process-crash"),
            ("engine rename drive-1/run-2.tmp drive-1/run-2", "rename drive/run.tmp drive/run"),
            (
                "engine write edit:6 publish run-1 lsns=1 drives=1,2 floor=2",
                "write edit publish run lsns drives floor",
            ),
            ("engine sync-data manifest failed", "sync-data manifest failed"),
            ("client tick", "client"),
        ] {
            assert_eq!(text.parse::<Step>().map(|step| kind_of(&step)).as_deref(), Ok(kind));
        }
    }
}
