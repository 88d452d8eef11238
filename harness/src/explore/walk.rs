//! The walk through a life: the contract follows its deeds, and every moment is crashed at.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::sync::Arc;

use truelog_spec::contract::{Call, Contract, Obligations, Violation};
use truelog_spec::step::CrashKind;
use truelog_spec::{Failure, Invariant};

use super::recovery::{GoesOn, Recovery};
use super::{Explorer, Finding, Scope, Sequence, lock};
use crate::driver::{Deed, Moment};
use crate::fabric::{Choice, Image};
use crate::knobs::Knob;
use crate::subject::Archived;

/// How a moment was reached: the lives before it, and where each ended.
#[derive(Debug)]
pub(super) struct Path<'a> {
    scope: &'a Scope,
    sequence: &'a Sequence,
    before: Option<(&'a Path<'a>, String)>,
}

impl<'a> Path<'a> {
    /// A first life.
    pub(super) const fn new(scope: &'a Scope, sequence: &'a Sequence) -> Self {
        Self { scope, sequence, before: None }
    }

    /// The text of it, as `cargo verify case` takes it.
    pub(super) fn text(&self) -> String {
        match &self.before {
            Some((before, crash)) => format!("{} {crash}", before.text()),
            None => super::case::first_life(self.scope, self.sequence),
        }
    }
}

/// Where a walk begins.
#[derive(Debug, Clone, Copy)]
pub(super) struct Start {
    /// The number of the sequence.
    pub(super) at: usize,
    /// How many crashes came before.
    pub(super) crashes: usize,
    /// The first deed whose moments are crashed at; those before it were, in a shorter sequence.
    pub(super) from: usize,
    /// Whether the disk has left out a sync in a life before.
    pub(super) lied: bool,
}

impl Explorer<'_> {
    /// Follows a life and crashes at every moment of it from `start` on.
    pub(super) fn life<S: Archived>(
        &self,
        start: Start,
        mut contract: Contract,
        deeds: &[Deed],
        path: &Path<'_>,
    ) {
        let mut call = None;
        let mut moments = 0;
        let mut start = start;
        for (index, deed) in deeds.iter().enumerate() {
            let followed = follow(&mut contract, &mut call, deed);
            if let (Err(violation), true) = (followed, index >= start.from) {
                self.find(start, violation, path, format!("@ {moments} here"));
            }
            start.lied |= matches!(deed, Deed::LeftOut);
            if let Deed::Moment(moment) = deed {
                if index >= start.from && self.can_tell(start) {
                    self.moment::<S>(start, &contract, moment, moments, path);
                }
                moments += 1;
            }
        }
    }

    /// Whether a crash now can show that a sync is left out: one was, or one may be in a recovery that follows.
    fn can_tell(&self, start: Start) -> bool {
        let last = start.crashes + 1 >= self.scope.crashes;
        self.scope.ignored.is_none_or(|duty| start.lied || duty.is_of_open() || !last)
    }

    /// Crashes at a moment in every way.
    fn moment<S: Archived>(
        &self,
        start: Start,
        contract: &Contract,
        moment: &Moment,
        number: usize,
        path: &Path<'_>,
    ) {
        let limit = if start.crashes == 0 { self.scope.limit } else { self.scope.limit_again };
        let powers = moment.powers(limit);
        self.counts.points.add(1);
        self.counts.whole.add(u64::from(powers.coverage.exhausted));
        self.counts.images.add(powers.images.len() as u64 + 1);
        let crashed = Crashed::new(contract, CrashKind::Power);
        for (image, choice) in &powers.images {
            let text = || format!("@ {number} power {}", keep(moment, choice));
            self.image::<S>(start, image, &crashed, path, &text);
        }
        if !Knob::Process.is_on() {
            return;
        }
        let crashed = Crashed::new(contract, CrashKind::Process);
        let image = moment.snapshot.process_crash();
        self.image::<S>(start, &image, &crashed, path, &|| format!("@ {number} process"));
    }

    /// Recovers one image, judges it, and goes on from there.
    fn image<S: Archived>(
        &self,
        start: Start,
        image: &Image,
        crashed: &Crashed,
        path: &Path<'_>,
        text: &dyn Fn() -> String,
    ) {
        let crashes = start.crashes + 1;
        let go_on = crashes < self.scope.crashes;
        let life = u32::try_from(crashes).ok().filter(|_| go_on);
        let pair = (image.fingerprint(), crashed.digest, crashes);
        if self.scope.collapse && !lock(&self.judged).insert(pair) {
            return;
        }
        let recovery = self.recovery::<S>(image, life, path.sequence.fault.is_some());
        self.counts.pairs.add(1);
        let archived = recovery.before.manifest.as_ref().is_some_and(|manifest| !manifest.runs.is_empty());
        self.counts.archived.add(u64::from(archived));
        let next = Start { crashes, from: 0, ..start };
        let verdict = recovery.judge(&crashed.owed);
        if let Err(violation) = verdict {
            self.find(next, violation, path, text());
            return;
        }
        if go_on {
            let path = Path { scope: self.scope, sequence: path.sequence, before: Some((path, text())) };
            self.life::<S>(next, crashed.contract.clone(), &recovery.deeds, &path);
        }
    }

    fn recovery<S: Archived>(&self, image: &Image, life: Option<u32>, struck: bool) -> Arc<Recovery> {
        let key = (image.clone(), life);
        if self.scope.collapse
            && let Some(known) = lock(&self.recoveries).get(&key)
        {
            return Arc::clone(known);
        }
        if let Some(known) = self.honest_recovery(&key) {
            return known;
        }
        self.counts.recoveries.add(1);
        let goes_on = life.map(|life| GoesOn { life, told: false });
        let recovery = Arc::new(Recovery::run::<S>(self.scope, image, goes_on, struck, &self.readings));
        lock(&self.duties).extend(recovery.duties.keys());
        if self.scope.collapse {
            lock(&self.recoveries).insert(key, Arc::clone(&recovery));
        }
        recovery
    }

    /// What came of this image on the honest disk, if the part that is left out here played no part in it: a disk that
    /// leaves out what is never asked for is an honest one.
    fn honest_recovery(&self, key: &(Image, Option<u32>)) -> Option<Arc<Recovery>> {
        let duty = self.scope.ignored?;
        let recoveries = lock(&self.honest?.recoveries);
        recoveries.get(key).filter(|known| !known.duties.contains_key(&duty)).map(Arc::clone)
    }

    fn find(&self, start: Start, violation: Violation, path: &Path<'_>, crash: String) {
        let case = format!("{} {crash}", path.text());
        lock(&self.findings).push((start.at, Finding { violation, case, crashes: start.crashes }));
    }
}

/// A contract after a crash, and what is owed then.
struct Crashed {
    contract: Contract,
    owed: Obligations,
    digest: u64,
}

impl Crashed {
    fn new(contract: &Contract, kind: CrashKind) -> Self {
        let owed = contract.obligations(kind);
        let mut contract = contract.clone();
        contract.crash(kind);
        // Fixed keys: the digests of both threads must agree.
        let digest = BuildHasherDefault::<DefaultHasher>::default().hash_one(&owed);
        Self { contract, owed, digest }
    }
}

/// The contract follows one deed.
///
/// # Errors
/// The invariant that the deed breaks.
pub(super) fn follow(contract: &mut Contract, call: &mut Option<Call>, deed: &Deed) -> Result<(), Violation> {
    match deed {
        Deed::Begin(step) => *call = Some(contract.begin(step)),
        Deed::Finish(outcome) => {
            if let Some(call) = call.take() {
                return contract.finish(call, outcome);
            }
        }
        Deed::Opened(state) => return contract.opened(state),
        Deed::Read { from, records, unread } => {
            let owed = contract.obligations(CrashKind::Process);
            if unread.first().is_some_and(|refusal| refusal.kind == Failure::Trimmed)
                && owed.trimmed_may > *from
            {
                return Ok(());
            }
            owed.judge_read(*from, records)?;
            if let Some(refusal) = unread.first() {
                let says = format!("what nobody damaged cannot be read: {}", refusal.says);
                return Err(Violation::new(Invariant::TornTailIsNotDamage, says));
            }
        }
        Deed::Claimed(lsn) => contract.claimed(*lsn),
        Deed::Unfounded(says) => return Err(Violation::new(Invariant::ClaimHasArtifact, says.clone())),
        Deed::DrivesOut(out) => return Err(drives_out(out)),
        Deed::Unbalanced(says) => return Err(Violation::new(Invariant::BooksBalance, says.clone())),
        Deed::Untrue(says) => return Err(Violation::new(Invariant::HealthTellsTruth, says.clone())),
        Deed::WriteBackFailed(synced) => contract.write_back_failed(*synced),
        Deed::TakenBack(synced) => contract.taken_back(*synced),
        Deed::Copied => contract.copied(),
        Deed::Crash(kind) => {
            *call = None;
            contract.crash(*kind);
        }
        Deed::LeftOut | Deed::Armed(_) | Deed::Call(..) | Deed::Step(_) | Deed::Moment(_) => {}
    }
    Ok(())
}

/// Nothing has failed, and yet drives do not serve.
fn drives_out(out: &[u64]) -> Violation {
    let says = format!("drives {out:?} do not serve, and nothing has failed");
    Violation::new(Invariant::QuarantineLosesNothing, says)
}

/// The units that a choice keeps, as text.
fn keep(moment: &Moment, choice: &Choice) -> String {
    let kept: Vec<String> = moment.snapshot.kept(choice).iter().map(ToString::to_string).collect();
    if kept.is_empty() { "none".to_owned() } else { kept.join(",") }
}
