//! What may happen next: the steps that the checker offers. What is offered and refused is not a step; what the
//! mechanism takes and is not offered here is for the production engine's own order of things.

use super::Mechanism;
use super::apply::call_of;
use super::archive::RunFile;
use super::state::{Phase, State, Told};
use crate::step::{
    Cache, Call, ClientStep, DamageKind, Durability, EngineStep, Fault, FaultKind, Keep, OnDrive, Role, Step,
    Unit, WorldStep, Write,
};

/// What clients and the world may do, and which of its choices the engine uses.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Menu {
    /// The appends that clients may make; each record of them is one more.
    pub writes: Vec<Write>,
    /// Clients hand in and take a ticket, so that they can be refused.
    pub tickets: bool,
    /// Clients may trim.
    pub trim: bool,
    /// Clients may close, and open again.
    pub close: bool,
    /// The power may fail.
    pub power: bool,
    /// The process may crash.
    pub process: bool,
    /// The calls on whose failure the world may decide.
    pub faults: Vec<(Call, FaultKind)>,
    /// Durable bytes may be damaged in these ways.
    pub damage: Vec<DamageKind>,
    /// The engine may write through.
    pub through: bool,
    /// The engine may prepare, and rotate to, one segment more than it needs.
    pub rotate: bool,
    /// The engine may mark idleness.
    pub idle: bool,
    /// The engine may write a checkpoint while it serves.
    pub checkpoint: bool,
    /// Clients may ask for a compaction.
    pub compact: bool,
    /// The engine may merge runs.
    pub merge: bool,
    /// How many copies the engine makes of a run; at least one.
    pub copies: usize,
    /// Clients may read by a fresh snapshot.
    pub reads: bool,
    /// How many clients may hold a snapshot, and read by it.
    pub readers: u64,
    /// Only the world's and the clients' bounds.
    pub limits: Limits,
}

/// How often things may happen: the boundary of a scope. The offer respects it too, so that the checker does
/// not build states which the boundary then drops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// Requests.
    pub requests: usize,
    /// Crashes.
    pub crashes: u8,
    /// Faults.
    pub faults: u8,
    /// Damaged units.
    pub damages: u8,
    /// Segments, over all lives.
    pub segments: u64,
    /// Manifest records, over all lives.
    pub edits: u64,
    /// Batches, over all lives.
    pub batches: usize,
    /// Runs, over all lives.
    pub runs: u64,
}

impl Limits {
    /// Whether a state is inside.
    #[must_use]
    pub fn hold(&self, state: &State) -> bool {
        let made = state.engine.iter().flat_map(|engine| engine.segments.iter().map(|segment| segment.0));
        let named = state.disk.segments.iter().map(|segment| segment.number);
        state.requests.len() <= self.requests
            && state.past.crashes <= self.crashes
            && state.past.faults <= self.faults
            && state.past.damages <= self.damages
            && made.chain(named).max().unwrap_or(0) <= self.segments
            && state.disk.edits <= self.edits
            && state.disk.batches.len() <= self.batches
            && state.runs() <= self.runs
    }
}

impl Mechanism {
    /// All steps that a state offers, in a fixed order.
    #[must_use]
    pub fn actions(self, state: &State, menu: &Menu) -> Vec<Step> {
        let engine = self.engine_steps(state, menu);
        let mut steps: Vec<Step> = Vec::new();
        if state.armed.is_none() {
            self.clients(state, menu, &mut steps);
            faults(state, menu, &engine, &mut steps);
            damages(state, menu, &mut steps);
        }
        crashes(state, menu, &mut steps);
        steps.extend(engine);
        steps
    }

    fn clients(self, state: &State, menu: &Menu, steps: &mut Vec<Step>) {
        let mut offers: Vec<ClientStep> = Vec::new();
        if state.engine.is_none() {
            offers.push(ClientStep::Create);
            offers.push(ClientStep::Open);
        }
        if state.requests.len() < menu.limits.requests {
            let number = state.requests.len() as u64 + 1;
            offers.extend(menu.writes.iter().cloned().map(|write| {
                if menu.tickets {
                    ClientStep::Submit { ticket: number, write }
                } else if write.records.len() == 1 {
                    ClientStep::Append(write)
                } else {
                    ClientStep::Batch(write)
                }
            }));
        }
        let durable =
            state.engine.as_ref().filter(|engine| engine.phase == Phase::Up).map(|engine| engine.durable);
        if let (true, Some(durable)) = (menu.trim, durable) {
            offers.extend(
                (2..=durable + 1)
                    .filter(|&before| before > state.trim_asked)
                    .map(|before| ClientStep::Trim { before }),
            );
        }
        if menu.close && durable.is_some() {
            offers.push(ClientStep::Close);
        }
        if menu.compact && durable.is_some() && state.runs() < menu.limits.runs {
            offers.push(ClientStep::Compact);
        }
        if menu.reads {
            offers.push(ClientStep::Read { from: 1, reader: None });
        }
        for reader in 1..=menu.readers {
            offers.push(ClientStep::Hold { reader });
            offers.push(ClientStep::Read { from: 1, reader: Some(reader) });
            offers.push(ClientStep::Release { reader });
        }
        let offers = offers.into_iter().map(Step::Client);
        steps.extend(offers.filter(|step| self.apply(state, step).is_ok()));
    }
}

/// All subsets, the empty one first. At most 10 units are told apart; of more, only none and all.
fn subsets(units: &[Unit]) -> Vec<Keep> {
    if units.len() > 10 {
        return vec![Keep::None, Keep::All];
    }
    let pick = |bits: u32| {
        let chosen = units.iter().enumerate().filter(|(index, _)| bits & (1 << index) != 0);
        chosen.map(|(_, unit)| *unit).collect::<Vec<Unit>>()
    };
    (0..1u32 << units.len()).map(|bits| Keep::these(pick(bits))).collect()
}

fn crashes(state: &State, menu: &Menu, steps: &mut Vec<Step>) {
    if state.past.crashes >= menu.limits.crashes {
        return;
    }
    if menu.process && state.engine.is_some() {
        steps.push(WorldStep::CrashProcess.into());
    }
    let pending = state.disk.pending(None);
    if menu.power && (state.engine.is_some() || !pending.is_empty()) {
        let keeps = subsets(&pending).into_iter();
        steps.extend(keeps.map(|keep| WorldStep::CrashPower { keep, garbage: Keep::None }.into()));
    }
}

/// Faults on the calls that the engine could make now: any other would wait for its call, and is the same.
fn faults(state: &State, menu: &Menu, engine: &[Step], steps: &mut Vec<Step>) {
    if state.past.faults >= menu.limits.faults {
        return;
    }
    for step in engine {
        let Step::Engine(step) = step else { continue };
        let Some((call, role, _)) = call_of(step) else { continue };
        for (_, kind) in menu.faults.iter().filter(|fault| fault.0 == call) {
            let units = match (call, step) {
                (Call::Write, EngineStep::WriteBatch(spec, _)) => {
                    vec![Unit::Batch(spec.batch, Some(0)), Unit::Batch(spec.batch, Some(1))]
                }
                (Call::SyncData | Call::SyncAll | Call::SyncDir, _) => state.disk.pending(Some(role)),
                _ => Vec::new(),
            };
            let part = matches!(kind, FaultKind::Short | FaultKind::Enospc) && call == Call::Write;
            let keeps = if part { vec![Keep::None] } else { subsets(&units) };
            for keep in keeps {
                let fault =
                    Fault { bytes: if part { 128 } else { 0 }, keep, ..Fault::new(role, call, *kind) };
                let step: Step = WorldStep::Fault(fault).into();
                if !steps.contains(&step) {
                    steps.push(step);
                }
            }
            if call == Call::SyncData && matches!(role, Role::Segment(_)) {
                let fault = Fault { cache: Cache::Old, ..Fault::new(role, call, *kind) };
                steps.push(WorldStep::Fault(fault).into());
            }
        }
    }
}

fn damages(state: &State, menu: &Menu, steps: &mut Vec<Step>) {
    // Damage while recovery reads is damage before or after it.
    let reading = state.engine.as_ref().is_some_and(|engine| engine.phase != Phase::Up);
    if state.past.damages >= menu.limits.damages || reading {
        return;
    }
    for &kind in &menu.damage {
        let units: Vec<Unit> = match kind {
            DamageKind::Missing | DamageKind::Replaced => state
                .engine
                .iter()
                .filter(|engine| engine.phase == Phase::Up && engine.active != 0)
                .map(|engine| Unit::Name(Role::Segment(engine.active)))
                .collect(),
            DamageKind::Misdirected => {
                (1..=state.disk.batches.len() as u64).map(|number| Unit::Batch(number, None)).collect()
            }
            _ => {
                let batches =
                    (1..=state.disk.batches.len() as u64).map(|number| Unit::Batch(number, Some(0)));
                batches.chain(runs(state)).collect()
            }
        };
        let mut probe = state.clone();
        steps.extend(
            units
                .into_iter()
                .filter(|unit| {
                    probe.clone_from(state);
                    probe.damage(*unit, kind)
                })
                .map(|unit| Step::from(WorldStep::Damage { unit, kind })),
        );
    }
}

/// The bytes of each copy of a run.
fn runs(state: &State) -> impl Iterator<Item = Unit> {
    state.disk.drives.iter().flat_map(|drive| {
        let file = |run: &RunFile| Role::OnDrive(drive.number, OnDrive::Run(run.number));
        drive.runs.iter().map(move |run| Unit::Data(file(run), None))
    })
}

impl State {
    /// Whether some request waits that the engine has not taken in.
    pub(crate) fn has_work(&self) -> bool {
        self.requests.iter().any(|request| request.told == Told::Waiting && request.lsn == 0)
    }

    /// Whether a batch holds a record whose receipt survives a loss of power.
    pub(crate) fn must_sync(&self, batch: u64) -> bool {
        self.disk.batch(batch).is_some_and(|batch| {
            batch.records.is_empty()
                || self.requests.iter().any(|request| {
                    let inside = batch.base <= request.lsn && request.lsn <= batch.last();
                    request.lsn != 0 && inside && request.durability == Durability::PowerLoss
                })
        })
    }
}
