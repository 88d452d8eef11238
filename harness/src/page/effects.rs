//! What is different after each step. It depends on what came before: a sync makes durable what was pending, and nothing
//! else. What was pending is asked of the specification, as far as that takes the path; beyond it less is said.

use truelog_spec::mechanism::{Found, Phase, State, call_of, walk, walk_past};
use truelog_spec::step::{
    Cache, ClientStep, CrashKind, DamageKind, Durability, Ended, Fault, FaultKind, Keep, OnDrive, PathCheck,
    Role, Row, Unit, Verdict,
};
use truelog_spec::trace::Line;
use truelog_spec::{EngineStep, Outcome, Step, Trace, WorldStep};

use super::units::{grouped, is_one, names};
use super::words::{file, outcome};
use super::{prefetch, returned, words};
use crate::traces::{Ground, steps};

/// What is different after each line of a trace, in their order; and which lines met a fault.
pub(super) struct Effects {
    pub changes: Vec<String>,
    pub met: Vec<bool>,
    /// Of each line that syncs a file: that the file's name is not durable.
    pub nameless: Vec<String>,
}

impl Effects {
    pub(super) fn of(trace: &Trace) -> Self {
        if trace.is_of_prefetch() {
            let none = vec![String::new(); trace.lines.len()];
            return Self { changes: prefetch::changes(trace), met: vec![false; none.len()], nameless: none };
        }
        let (states, opened) = states(trace);
        let alone = (1..=trace.lines.len()).map(|number| runs_alone(trace, number)).collect();
        let crashes = |(number, line): (usize, &Line)| {
            let crash =
                matches!(line.step, Step::World(WorldStep::CrashPower { .. } | WorldStep::CrashProcess));
            crash.then_some(number)
        };
        let last_crash = trace.numbered().filter_map(crashes).last().unwrap_or_default();
        let mut seen = Seen { states, opened, alone, last_crash, ..Seen::default() };
        let (changes, met) = trace.numbered().map(|(number, line)| seen.line(number, line)).unzip();
        let nameless = trace.numbered().map(|(number, line)| match line.step {
            Step::Engine(EngineStep::Sync(_, role, Ended::Done)) => seen.nameless(number, role),
            _ => String::new(),
        });
        let nameless = nameless.collect();
        Self { changes, met, nameless }
    }
}

/// The states before each line that the specification takes, with the trace's switch turned off; and what each open has
/// found that ran to its end in its own line.
fn states(trace: &Trace) -> (Vec<State>, Vec<Option<Found>>) {
    let Ground::Calls(mechanism) = Ground::of(trace) else { return (Vec::new(), Vec::new()) };
    let (steps, mut states) = (steps(trace), Vec::new());
    walk_past(mechanism, &steps, |_, state| states.push(state.clone()));
    let opened = |(index, step): (usize, &Step)| {
        let opens = matches!(step, Step::Client(ClientStep::Open)) && runs_alone(trace, index + 1);
        walk(mechanism, &steps[..=index]).opened.filter(|_| opens && index < states.len())
    };
    let opened = steps.iter().enumerate().map(opened).collect();
    (states, opened)
}

/// Whether what a line begins runs to its end there: the engine's steps are left out.
fn runs_alone(trace: &Trace, number: usize) -> bool {
    !matches!(trace.lines.get(number), Some(Line { step: Step::Engine(_), .. }))
}

/// A sync that failed, and what it was to make durable and never will.
struct Lost {
    step: usize,
    role: Role,
    what: String,
}

#[derive(Default)]
struct Seen {
    /// Before each line, and behind the last.
    states: Vec<State>,
    /// What the open of each line has found.
    opened: Vec<Option<Found>>,
    /// Whether what each line begins runs to its end there.
    alone: Vec<bool>,
    /// The last line in which a life ends; 0 if none does.
    last_crash: usize,
    armed: Option<Fault>,
    lost: Vec<Lost>,
    /// Batches of which a part was written.
    begun: Vec<u64>,
    /// Files to which a write was ignored.
    ignored: Vec<Role>,
}

impl Seen {
    fn line(&mut self, number: usize, line: &Line) -> (String, bool) {
        match &line.step {
            Step::Client(step) => (self.answer(number, step, line), false),
            Step::World(step) => (self.world(number, step), false),
            Step::Engine(step) => {
                let call = call_of(step);
                let meets = |fault: &Fault| {
                    call.is_some_and(|(call, role, _)| (call, role) == (fault.call, fault.role))
                };
                let fault = self.armed.take_if(|fault| meets(fault));
                (self.engine(number, step, fault.as_ref()), fault.is_some())
            }
            Step::Prefetch(_) => (String::new(), false),
        }
    }

    /// The state before a line.
    fn before(&self, number: usize) -> Option<&State> {
        self.states.get(number - 1)
    }

    /// The state behind a line.
    fn behind(&self, number: usize) -> Option<&State> {
        self.states.get(number)
    }

    /// What a client was told; of a create or an open that ran undisturbed, how the log stands; of a read, what it finds.
    fn answer(&self, number: usize, step: &ClientStep, line: &Line) -> String {
        match (&line.outcome, step) {
            (Some(found), ClientStep::Append(write)) => {
                outcome(found, write.records.first().map(|record| record.stream))
            }
            (told @ (Some(Outcome::Recovered(_)) | None), ClientStep::Open) => {
                match (self.found(number), told) {
                    (Some((found, before)), None) => {
                        returned::opened(found, before) + &self.written_again(number)
                    }
                    (Some((found, before)), Some(told)) if returned::is(found, told) => {
                        returned::opened(found, before)
                    }
                    (_, Some(told)) => outcome(told, None),
                    (None, None) => String::new(),
                }
            }
            (None, ClientStep::Create) if self.alone[number - 1] => {
                self.behind(number).map_or_else(String::new, returned::created)
            }
            (None, ClientStep::Read { from, reader }) => {
                self.before(number).map_or_else(String::new, |state| returned::read(state, *from, *reader))
            }
            (Some(found), _) => outcome(found, None),
            (None, _) => String::new(),
        }
    }

    /// What the open of a line has found, if it ran to its end there; and how the log stood before.
    fn found(&self, number: usize) -> Option<(&Found, &State)> {
        Some((self.opened.get(number - 1)?.as_ref()?, self.before(number)?))
    }

    /// The batches that an open has written in its own line.
    fn written_again(&self, number: usize) -> String {
        let (Some(before), Some(behind)) = (self.before(number), self.behind(number)) else {
            return String::new();
        };
        let new = behind.disk.batches.iter().zip(1..).skip(before.disk.batches.len());
        let texts = new.filter(|(batch, _)| !batch.records.is_empty()).map(|(batch, number)| {
            let what = words::numbers(&(batch.base..=batch.last()).collect::<Vec<_>>());
            format!("; it has written {what} again, to segment {} (batch {number})", batch.segment)
        });
        texts.collect()
    }

    /// What a sync of a file or directory would make durable before a line; nothing where that is not known.
    fn pending(&self, number: usize, role: Option<Role>) -> Option<Vec<Unit>> {
        Some(self.states.get(number - 1)?.disk.pending(role))
    }

    fn world(&mut self, number: usize, step: &WorldStep) -> String {
        match step {
            WorldStep::CrashProcess => {
                self.armed = None;
                match step.crash() {
                    Some(CrashKind::Process) => "the page cache lives on".to_owned(),
                    _ => String::new(),
                }
            }
            WorldStep::CrashPower { keep, garbage } => {
                self.armed = None;
                let mut text = self.power(number, keep);
                if *garbage != Keep::None {
                    text.push_str("; a sector is garbage");
                }
                text
            }
            WorldStep::Fault(fault) => {
                self.armed = Some(fault.clone());
                match fault {
                    Fault { cache: Cache::Old, .. } => "reads will give the old bytes".to_owned(),
                    Fault { kind: FaultKind::Eio, bytes: 1.., .. } => {
                        format!("{} bytes of it are in the page cache all the same", fault.bytes)
                    }
                    _ => String::new(),
                }
            }
            WorldStep::Damage { unit, kind } => self.damaged(number, *unit, *kind),
            WorldStep::Clock { .. } => String::new(),
        }
    }

    fn damaged(&self, number: usize, unit: Unit, kind: DamageKind) -> String {
        let copy = match unit {
            Unit::Batch(batch, _) => self.behind(number).and_then(|state| state.disk.batch(batch)?.alias),
            _ => None,
        };
        copy.map_or_else(
            || damaged(unit, kind).to_owned(),
            |other| format!("its place holds a copy of batch {other}"),
        )
    }

    fn power(&mut self, number: usize, keep: &Keep) -> String {
        let pending = self.pending(number, None);
        let mut text = match (keep, &pending) {
            (_, Some(pending)) if pending.is_empty() => "nothing was pending".to_owned(),
            (Keep::None, Some(pending)) => {
                format!("lost: {}", grouped(pending, Some(pending)))
            }
            (Keep::None, None) => "of what was pending nothing is on the disk".to_owned(),
            (Keep::All, Some(pending)) => {
                format!("kept, though not synced: {}", grouped(pending, Some(pending)))
            }
            (Keep::All, None) => "all that was pending is on the disk".to_owned(),
            (Keep::These(units), Some(pending)) => kept_and_lost(units, pending),
            (Keep::These(units), None) => {
                format!("of what was pending the disk holds only {}", grouped(units, None))
            }
        };
        for Lost { step, what, .. } in self.lost.drain(..).filter(|lost| !lost.what.is_empty()) {
            text.push_str(&format!("; what the failed sync of step {step} left behind is gone: {what}"));
        }
        text
    }

    fn engine(&mut self, number: usize, step: &EngineStep, fault: Option<&Fault>) -> String {
        if let Some(fault) = fault.filter(|fault| fault.kind == FaultKind::Ignored) {
            self.ignored.push(fault.role);
            return "the device reports success, and does nothing".to_owned();
        }
        match *step {
            EngineStep::Sync(_, role, ended) | EngineStep::SyncDir(role, ended) => match ended {
                Ended::Done => self.synced(number, role),
                Ended::Short | Ended::Failed => self.not_synced(number, role, fault),
            },
            EngineStep::WriteBatch(batch, ended) => match ended {
                Ended::Failed => FAILED.to_owned(),
                Ended::Short => {
                    self.begun.push(batch.batch);
                    "a part of it is in the page cache, the rest is not written".to_owned()
                }
                Ended::Done if batch.through => "durable at once".to_owned(),
                Ended::Done if self.begun.contains(&batch.batch) => {
                    self.begun.retain(|one| *one != batch.batch);
                    "the rest of it is in the page cache only".to_owned()
                }
                Ended::Done if self.recovers(number) => {
                    "the open writes its tail again; in the page cache only".to_owned()
                }
                Ended::Done => "in the page cache only".to_owned(),
            },
            EngineStep::Recover(row, _) => self.decided(number, row),
            EngineStep::Publish(Durability::PowerLoss, last) => {
                let claim = "from now on anybody may rely on it".to_owned();
                let shows = if number > self.last_crash { "" } else { " (see the end of the path)" };
                let untrue = |state: &State| returned::falsely(state, last, shows);
                claim + &self.before(number).map_or_else(String::new, untrue)
            }
            EngineStep::Ready { .. } => self.before(number).map_or_else(String::new, |state| {
                let found = state.engine.as_ref().and_then(|engine| engine.found.as_ref());
                let given = state.requests.iter().any(|request| request.lsn != 0);
                let found = found.filter(|found| given || found.damaged());
                found.map_or_else(String::new, |found| returned::ready(found, state))
            }),
            EngineStep::Verify(drive, run, Verdict::Good) => {
                let tmp = Role::OnDrive(drive, OnDrive::RunTmp(run));
                let failed = self.lost.iter().find(|lost| lost.role == tmp);
                failed.map_or_else(
                    || "what is read back is what was written".to_owned(),
                    |lost| {
                        format!("it reads well, from the page cache: the sync of step {} failed", lost.step)
                    },
                )
            }
            _ if words::ended(step) == Ended::Failed => FAILED.to_owned(),
            _ => plainly(step).to_owned(),
        }
    }

    /// Whether the engine is in a recovery.
    fn recovers(&self, number: usize) -> bool {
        let engine = self.before(number).and_then(|state| state.engine.as_ref());
        engine.is_some_and(|engine| engine.phase == Phase::Opening)
    }

    /// What a decision of recovery makes of the log.
    fn decided(&self, number: usize, row: Row) -> String {
        let found = self.behind(number).and_then(|state| state.engine.as_ref()?.found.as_ref());
        let rest = found.map_or_else(String::new, |found| match row {
            Row::TornTail => format!("; what is left: {}", returned::held(found)),
            _ => returned::twice(found),
        });
        format!("{}{rest}", decision(row))
    }

    /// A sync that succeeded.
    fn synced(&mut self, number: usize, role: Role) -> String {
        if self.ignored.contains(&role) {
            return "it cannot make durable what was not written".to_owned();
        }
        if is_temporary(role) {
            return "its bytes are durable".to_owned();
        }
        let lost = self.lost.iter().find(|lost| lost.role == role && !lost.what.is_empty());
        let lost = lost.map(|lost| (lost.step, &lost.what));
        let Some(covered) = self.pending(number, Some(role)) else {
            return match (lost, role) {
                (Some((step, _)), _) => {
                    format!("only what came after the failed sync of step {step} is sure to be durable")
                }
                (None, Role::Dir | Role::Ancestor | Role::Drive(_)) => {
                    "the names in it are durable".to_owned()
                }
                (None, _) => "what was written to it is durable".to_owned(),
            };
        };
        let rest = match lost {
            Some((step, what)) if covered.is_empty() => {
                format!(": {what} counts as written since the failed sync of step {step}")
            }
            Some((step, what)) => {
                format!(", and not {what}, which counts as written since the failed sync of step {step}")
            }
            None if self.begun_in(number, role) => ": only the part that was written so far".to_owned(),
            None => String::new(),
        };
        if covered.is_empty() {
            return format!("nothing is made durable{rest}");
        }
        let plural = if covered.len() > 1 && !is_one(&covered) { "are" } else { "is" };
        let name = match self.nameless(number, role) {
            name if name.is_empty() => name,
            name => format!("; {name}"),
        };
        format!("{} {plural} durable{rest}{name}", grouped(&covered, Some(&covered)))
    }

    fn begun_in(&self, number: usize, role: Role) -> bool {
        let state = self.states.get(number - 1);
        let here = |batch: u64| {
            let batch = state.and_then(|state| state.disk.batch(batch));
            batch.is_some_and(|batch| Role::Segment(batch.segment) == role)
        };
        self.begun.iter().any(|batch| here(*batch))
    }

    /// That the name of a file is pending itself.
    fn nameless(&self, number: usize, role: Role) -> String {
        let all = self.pending(number, None).unwrap_or_default();
        if all.contains(&Unit::Name(role)) {
            format!("the name of {} is not", file(role))
        } else {
            String::new()
        }
    }

    /// A sync that failed.
    fn not_synced(&mut self, number: usize, role: Role, fault: Option<&Fault>) -> String {
        let keep = fault.map(|fault| fault.keep.clone());
        let pending = self.pending(number, Some(role)).unwrap_or_default();
        let kept = |unit: &Unit| match &keep {
            Some(Keep::All) => true,
            Some(Keep::These(units)) => units.iter().any(|one| names(*one, *unit)),
            Some(Keep::None) | None => false,
        };
        let (kept, lost): (Vec<Unit>, Vec<Unit>) = pending.iter().copied().partition(kept);
        self.lost.push(Lost { step: number, role, what: grouped(&lost, Some(&pending)) });
        match keep {
            None => FAILED.to_owned(),
            Some(_) if kept.is_empty() => {
                "nothing is made durable, and the kernel counts what was pending as written".to_owned()
            }
            Some(_) => format!("all the same {} is durable", grouped(&kept, Some(&pending))),
        }
    }
}

/// What a call that failed leaves.
const FAILED: &str = "what it was to do may be durable, in part, or not at all";

fn damaged(unit: Unit, kind: DamageKind) -> &'static str {
    match (unit, kind) {
        (Unit::Name(_), DamageKind::Missing) => "nothing leads to it any more",
        (Unit::Name(_), _) => "the name leads elsewhere",
        (Unit::Size(_), _) => "it has another length",
        (_, DamageKind::Misdirected) => "its place holds a copy of another",
        _ => "its bytes are no longer what was written",
    }
}

/// What a loss of power that keeps some units leaves of all that was pending.
fn kept_and_lost(units: &[Unit], pending: &[Unit]) -> String {
    let kept = |unit: &Unit| units.iter().any(|one| names(*one, *unit));
    let (kept, lost): (Vec<Unit>, Vec<Unit>) = pending.iter().copied().partition(kept);
    let told = grouped(&kept, Some(pending));
    if lost.is_empty() {
        format!("kept, though not synced: {told}")
    } else {
        format!("kept, though not synced: {told}; lost: {}", grouped(&lost, Some(pending)))
    }
}

/// What is different whatever came before.
fn plainly(step: &EngineStep) -> &'static str {
    match step {
        EngineStep::WriteEdit(..) | EngineStep::WriteBlocks(..) | EngineStep::Fill(..) => {
            "in the page cache only"
        }
        EngineStep::Verify(_, _, Verdict::Bad) => "what is read back is not what was written",
        EngineStep::Rename(_, Role::OnDrive(..), _) => "durable only after a sync of the drive's directory",
        EngineStep::Rename(..) => "durable only after a sync of the directory",
        EngineStep::Unlink(..) => "gone now; a loss of power may bring it back, but nobody can count on that",
        EngineStep::Mkdir(..) => "durable only after a sync of the directory above",
        EngineStep::Check(_, found) => match found {
            PathCheck::Same => "it leads to the same file",
            PathCheck::Gone => "it leads nowhere",
            PathCheck::Other => "it leads to another file",
            PathCheck::Short => "the file is too short",
        },
        EngineStep::Ack(_, Durability::PowerLoss) => "promised to survive a loss of power",
        EngineStep::Ack(_, Durability::ProcessCrash) => "promised to survive a crash of the process",
        EngineStep::Poison => "nothing new will be acknowledged",
        _ => "",
    }
}

fn decision(row: Row) -> &'static str {
    match row {
        Row::EmptySegment => "it holds nothing",
        Row::CleanEnd => "nothing is missing",
        Row::TornTail | Row::ManifestTornTail => "it is cut at the first place that is not valid",
        Row::UnvouchedTail => "what nothing vouches for is to be written again",
        Row::VouchedHole | Row::VouchedTailMissing | Row::BrokenLink => "it is damaged",
        Row::SegmentMissing | Row::UnnamedSegment | Row::ManifestDamage => "the log is damaged",
        Row::Orphan => "it is to be removed",
        Row::RunMissing => "no copy of a run that counts is there",
    }
}

fn is_temporary(role: Role) -> bool {
    match role {
        Role::SegmentTmp(_) | Role::ManifestTmp | Role::IdentityTmp => true,
        Role::OnDrive(_, file) => file.published() != file,
        _ => false,
    }
}
