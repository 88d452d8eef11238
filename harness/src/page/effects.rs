//! What is different after each step. It depends on what came before: a sync makes durable what was pending, and nothing
//! else. What was pending is asked of the specification, as far as that takes the path; beyond it less is said.

use truelog_spec::mechanism::{Phase, State, call_of, walk_past};
use truelog_spec::step::{
    Cache, ClientStep, CrashKind, DamageKind, Durability, Ended, Fault, FaultKind, Keep, OnDrive, PathCheck,
    Role, Row, Unit, Verdict,
};
use truelog_spec::trace::Line;
use truelog_spec::{EngineStep, Step, Trace, WorldStep};

use super::words::{file, join, outcome, unit};
use super::{prefetch, words};
use crate::traces::{Ground, steps};

/// What is different after each line of a trace, in their order; and which lines met a fault.
pub(super) struct Effects {
    pub changes: Vec<String>,
    pub met: Vec<bool>,
}

impl Effects {
    pub(super) fn of(trace: &Trace) -> Self {
        if trace.is_of_prefetch() {
            return Self { changes: prefetch::changes(trace), met: vec![false; trace.lines.len()] };
        }
        let mut seen = Seen { states: states(trace), ..Seen::default() };
        let (changes, met) = trace.numbered().map(|(number, line)| seen.line(number, line)).unzip();
        Self { changes, met }
    }
}

/// The states before each line that the specification takes, with the trace's switch turned off.
fn states(trace: &Trace) -> Vec<State> {
    let mut states = Vec::new();
    if let Ground::Calls(mechanism) = Ground::of(trace) {
        walk_past(mechanism, &steps(trace), |_, state| states.push(state.clone()));
    }
    states
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

    /// What a client was told; of a create or an open that ran undisturbed, how the log stands.
    fn answer(&self, number: usize, step: &ClientStep, line: &Line) -> String {
        match (&line.outcome, step) {
            (Some(found), ClientStep::Append(write)) => {
                outcome(found, write.records.first().map(|record| record.stream))
            }
            (Some(found), _) => outcome(found, None),
            (None, ClientStep::Create | ClientStep::Open) => {
                let open = self.states.get(number).and_then(|state| state.engine.as_ref());
                match open.map(|engine| (engine.phase, engine.next)) {
                    Some((Phase::Up, next)) => format!("it is open; the next record is {next}"),
                    _ => String::new(),
                }
            }
            (None, _) => String::new(),
        }
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
                if fault.cache == Cache::Old { "reads will give the old bytes" } else { "" }.to_owned()
            }
            WorldStep::Damage { unit, kind } => damaged(*unit, *kind).to_owned(),
            WorldStep::Clock { .. } => String::new(),
        }
    }

    fn power(&mut self, number: usize, keep: &Keep) -> String {
        let pending = self.pending(number, None);
        let mut text = match (keep, &pending) {
            (_, Some(pending)) if pending.is_empty() => "nothing was pending".to_owned(),
            (Keep::None, Some(pending)) => {
                format!("what was pending is gone: {}", grouped(pending, Some(pending)))
            }
            (Keep::None, None) => "of what was pending nothing is on the disk".to_owned(),
            (Keep::All, _) => "all that was pending is on the disk".to_owned(),
            (Keep::These(units), _) => {
                let units = grouped(units, pending.as_deref());
                format!("of what was pending the disk holds only {units}")
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
            return "the disk says so, and does nothing".to_owned();
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
                Ended::Done => "in the page cache only".to_owned(),
            },
            EngineStep::Verify(drive, run, Verdict::Good) => {
                let tmp = Role::OnDrive(drive, OnDrive::RunTmp(run));
                let failed = self.lost.iter().find(|lost| lost.role == tmp);
                failed.map_or_else(
                    || "it is what was to be written".to_owned(),
                    |lost| {
                        format!("it reads well, out of the page cache: the sync of step {} failed", lost.step)
                    },
                )
            }
            _ if words::ended(step) == Ended::Failed => FAILED.to_owned(),
            _ => plainly(step).to_owned(),
        }
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
        let name = self.nameless(number, role);
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
            format!("; the name of {} is not", file(role))
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

/// What is different whatever came before.
fn plainly(step: &EngineStep) -> &'static str {
    match step {
        EngineStep::WriteEdit(..) | EngineStep::WriteBlocks(..) | EngineStep::Fill(..) => {
            "in the page cache only"
        }
        EngineStep::Verify(_, _, Verdict::Bad) => "it is not what was to be written",
        EngineStep::Rename(_, Role::OnDrive(..), _) | EngineStep::Unlink(Role::OnDrive(..), _) => {
            "durable only after a sync of the drive's directory"
        }
        EngineStep::Rename(..) | EngineStep::Unlink(..) => "durable only after a sync of the directory",
        EngineStep::Mkdir(..) => "durable only after a sync of the directory above",
        EngineStep::Check(_, found) => match found {
            PathCheck::Same => "it leads to the same file",
            PathCheck::Gone => "it leads nowhere",
            PathCheck::Other => "it leads to another file",
            PathCheck::Short => "the file is too short",
        },
        EngineStep::Ack(_, Durability::PowerLoss) => "promised to survive a loss of power",
        EngineStep::Ack(_, Durability::ProcessCrash) => "promised to survive a crash of the process",
        EngineStep::Publish(Durability::PowerLoss, _) => "a claim that anybody may check",
        EngineStep::Poison => "nothing new will be acknowledged",
        EngineStep::Recover(row, _) => decision(*row),
        _ => "",
    }
}

fn decision(row: Row) -> &'static str {
    match row {
        Row::EmptySegment => "it holds nothing",
        Row::CleanEnd => "nothing is missing",
        Row::TornTail | Row::ManifestTornTail => "it is cut at the first place that is not valid",
        Row::UnvouchedTail => "its last batches are to be written again",
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

/// Whether a unit is another one, or has it as a part.
fn names(whole: Unit, unit: Unit) -> bool {
    match (whole, unit) {
        (Unit::Batch(one, None), Unit::Batch(other, _)) => one == other,
        (Unit::Edit(one, _), Unit::Edit(other, _)) => one == other,
        (one, other) => one == other,
    }
}

/// The sectors of a batch among some units; nothing if it is there as a whole.
fn sectors(units: &[Unit], batch: u64) -> Vec<u64> {
    let of = |unit: &Unit| match *unit {
        Unit::Batch(one, sector) if one == batch => sector,
        _ => None,
    };
    units.iter().filter_map(of).collect()
}

/// Whether all of it is one batch.
fn is_one(units: &[Unit]) -> bool {
    let batch = |unit: &Unit| if let Unit::Batch(number, _) = *unit { Some(number) } else { None };
    let first = units.first().and_then(batch);
    first.is_some() && units.iter().all(|unit| batch(unit) == first)
}

/// Units in words. The sectors of a batch are told together; of `all` that there are they are the batch.
fn grouped(units: &[Unit], all: Option<&[Unit]>) -> String {
    let mut told: Vec<String> = Vec::new();
    for one in units {
        let text = match *one {
            Unit::Batch(batch, Some(_)) => {
                let here = sectors(units, batch);
                let whole = all.is_some_and(|all| here.len() > 1 && sectors(all, batch).len() == here.len());
                let names: Vec<String> = here.iter().map(u64::to_string).collect();
                match (whole, here.len()) {
                    (true, _) => format!("batch {batch}"),
                    (false, 1) => format!("sector {} of batch {batch}", names.join("")),
                    (false, _) => format!("sectors {} of batch {batch}", join(&names)),
                }
            }
            one => unit(one),
        };
        if !told.contains(&text) {
            told.push(text);
        }
    }
    join(&told)
}
