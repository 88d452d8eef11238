//! One schedule of one scene: the whole engine under shuttle, on a simulated disk that writes down every
//! moment at which a crash may come, with what a crash at that moment leaves owed.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use shuttle::thread::{self, ThreadId};
use truelog_env::{IoKind, Op};
use truelog_spec::contract::{Contract, Obligations, Violation};
use truelog_spec::step::{CrashKind, Durability, Write, Writer};
use truelog_spec::{ClientStep, Outcome};

use super::archive::{self, Work};
use super::begun::Began;
use super::client::client;
use super::disk_point;
use super::life::{self, Hasty, Workers};
use super::reads::Told;
use super::scene::Scene;
use super::tale::{self, Line, Tale};
use crate::driver::is_taken_back;
use crate::fabric::{Call, Edge, Fault, LOG_DIR, Plan, Profile, Reads, Role, SimFs, Snapshot, drive_dir};
use crate::knobs::Knob;
use crate::order::{Journal, Seen, Tap};
use crate::subject::{Archived, Claimed, Place, Refusal, Setup, Watch, Worked};

/// A moment at which a crash may come.
#[derive(Debug, Clone)]
pub(super) struct Point {
    /// The disk.
    pub disk: Snapshot,
    /// What a loss of power at this moment leaves owed.
    pub power: Obligations,
    /// What the end of the process leaves owed.
    pub process: Obligations,
}

/// What a schedule left behind.
#[derive(Debug, Default)]
pub(super) struct Played {
    /// The moments, without repetition of neighbours.
    pub points: Vec<Point>,
    /// What was wrong without any crash.
    pub violations: Vec<Violation>,
    /// How many calls were acknowledged.
    pub acks: u64,
    /// How many faults fired.
    pub faults: u64,
    /// How many writes to segments the log's own thread made.
    pub worked: u64,
    /// What the archive did.
    pub work: Work,
    /// What the clients did, in the order in which they began.
    pub began: Vec<Began>,
    /// What was seen of the first life, for the order check. What a second life finds vouched for cannot be told from
    /// the calls of the first: beside a commit the engine names a segment with the watermark as it was when it began to
    /// prepare it, and the mechanism with the watermark of that moment. The engine then vouches for less, and writes
    /// more again. Crash images and the contract judge that life.
    pub run: Vec<Seen>,
}

/// Where the schedules of a run put what they leave behind. Filled inside of shuttle, emptied outside of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Tray {
    played: Arc<Mutex<Played>>,
    tale: Option<Tale>,
}

impl Tray {
    /// One that fills a tale as well.
    pub(super) fn telling(tale: &Tale) -> Self {
        Self { tale: Some(Arc::clone(tale)), ..Self::default() }
    }

    /// What the last schedule left.
    #[must_use]
    pub(super) fn take(&self) -> Played {
        std::mem::take(&mut locked(&self.played))
    }
}

pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is known of the run. Only touched between two switching points, so shuttle never sees the lock.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) contract: Contract,
    played: Played,
    /// All that was claimed to survive a loss of power.
    claimed: u64,
    /// What readers must agree with.
    pub(super) told: Told,
    next_index: Vec<u64>,
    /// The threads that read, and whether each is at a file that the archive may replace.
    readers: HashMap<ThreadId, bool>,
    /// Off while the log is being made, which the single-threaded checks explore.
    recording: bool,
    pub(super) changed: bool,
    workers: Workers,
    /// Who does what a client or the main thread does, for the tale.
    names: HashMap<ThreadId, Writer>,
}

impl Known {
    /// A client, or the scene, begins this.
    pub(super) fn begins(&mut self, began: Began) {
        self.played.began.push(began);
    }

    /// The index of the first of these records among their writer's.
    pub(super) fn takes(&mut self, write: &Write) -> u64 {
        let index = &mut self.next_index[write.writer as usize];
        let first = *index;
        *index += write.records.len() as u64;
        first
    }

    /// What the archive did so far.
    pub(super) const fn work(&mut self) -> &mut Work {
        &mut self.played.work
    }

    /// A call begins or ends, perhaps one of a reader, or one that a reader stands in the way of.
    fn reader(&mut self, call: &Call, edge: Edge) {
        if let Some(looks) = self.readers.get_mut(&thread::current().id()) {
            *looks = edge == Edge::Begin && archive::replaceable(call);
        }
        if self.recording && archive::removes(call, edge) {
            self.work().removed += 1;
            self.work().beside_readers += u64::from(self.readers.values().any(|looks| *looks));
        }
    }

    /// A call begins, perhaps one of the log's own thread.
    fn worker(&mut self, call: &Call) {
        match self.workers.calls(call) {
            Some(Ok(writes)) => self.played.worked += u64::from(writes),
            Some(Err(violation)) => self.played.violations.push(violation),
            None => {}
        }
    }
}

#[derive(Debug)]
pub(super) struct Stage {
    pub(super) disk: Arc<SimFs>,
    setup: Setup,
    /// Everything is due by the next look at the clock.
    hasty: bool,
    /// One of each life.
    pub(super) journals: Mutex<Vec<Journal>>,
    known: Mutex<Known>,
    tale: Option<Tale>,
}

impl Stage {
    fn new(scene: &Scene, tale: Option<Tale>) -> Arc<Self> {
        let known = Known {
            contract: Contract::new(),
            played: Played::default(),
            claimed: 0,
            told: Told::default(),
            readers: HashMap::new(),
            next_index: vec![0; scene.clients.len() + 1],
            recording: false,
            changed: true,
            workers: Workers::default(),
            names: HashMap::new(),
        };
        Arc::new(Self {
            disk: Arc::new(SimFs::new(Profile::W.sector(128))),
            setup: scene.setup,
            hasty: scene.worked,
            journals: Mutex::new(vec![Journal::default()]),
            known: Mutex::new(known),
            tale,
        })
    }

    /// The surroundings of a life that `journal` is kept of.
    pub(super) fn place(&self, journal: &Journal) -> Place {
        let mut env = self.disk.env();
        env.fs = Arc::new(Tap::new(env.fs, self.disk.log_dir(), journal.clone()));
        if self.hasty {
            env.clock = Arc::new(Hasty(SimFs::clone(&self.disk)));
        }
        Place { env, dir: PathBuf::from(LOG_DIR), setup: self.setup }
    }

    /// The journal of the life that goes on.
    pub(super) fn journal(&self) -> Journal {
        locked(&self.journals).last().cloned().unwrap_or_default()
    }

    /// Takes down each claim of a life in its journal.
    pub(super) fn watch(self: &Arc<Self>, journal: &Journal) -> Watch {
        let (weak, journal) = (Arc::downgrade(self), journal.clone());
        Arc::new(move |claimed| with(&weak, |stage| stage.claim(&journal, claimed)))
    }

    /// Hooks the disk, and makes it lie and fail as the scene wants.
    fn prepare_disk(self: &Arc<Self>, scene: &Scene) {
        let weak = Arc::downgrade(self);
        let hook = move |call: &Call, edge| with(&weak, |stage| stage.edge(call, edge));
        self.disk.set_hook(Some(Arc::new(hook)));
        if let Some((role, op)) = scene.lies {
            self.disk.ignore_sync(role, op);
        }
        if let Some((role, op, nth)) = scene.fails.filter(|_| Knob::FailsUnderSchedule.is_on()) {
            let fault = Fault::FailSync { kind: IoKind::Device, reads: Reads::New };
            self.disk.faults().schedule(Plan { role, op, nth, fault });
        }
    }

    /// All that was seen.
    fn played(&self) -> Played {
        let mut played = std::mem::take(&mut self.known().played);
        played.faults = self.disk.faults().fired().len() as u64;
        played.run = locked(&self.journals).first().map(Journal::entries).unwrap_or_default();
        played
    }

    pub(super) fn known(&self) -> MutexGuard<'_, Known> {
        locked(&self.known)
    }

    /// For the tale, if there is one: what the thread that runs does, or hears.
    fn tells(&self, says: impl FnOnce() -> Option<String>) {
        let Some((tale, says)) = self.tale.as_ref().and_then(|tale| Some((tale, says()?))) else { return };
        let known = self.known();
        let who = known.names.get(&thread::current().id()).copied();
        let moment = known.played.points.len();
        drop(known);
        locked(tale).push(Line { who, moment, says });
    }

    /// A client, or the main thread as one, begins this.
    pub(super) fn begins(&self, writer: Writer, began: Began) {
        let mut known = self.known();
        known.names.insert(thread::current().id(), writer);
        known.begins(began);
        drop(known);
        self.tells(|| {
            Some(match began {
                Began::Act(_, act) => format!("**{act}**"),
                Began::Wait(_) => "**wait**".to_owned(),
                Began::Life => began.to_string(),
            })
        });
    }

    /// A crash may come now.
    pub(super) fn moment(&self) {
        let mut known = self.known();
        if known.recording && std::mem::take(&mut known.changed) {
            let disk = self.disk.snapshot();
            let power = known.contract.obligations(CrashKind::Power);
            let process = known.contract.obligations(CrashKind::Process);
            known.played.points.push(Point { disk, power, process });
        }
    }

    /// The hook of the disk.
    fn edge(&self, call: &Call, edge: Edge) {
        self.known().reader(call, edge);
        let changes = !matches!(
            call.op,
            Op::Open | Op::Read | Op::ReadDir | Op::Metadata | Op::Statvfs | Op::Lock | Op::Boot
        );
        match edge {
            Edge::Begin => {
                disk_point();
                let recording = self.known().recording;
                self.tells(|| recording.then(|| tale::of_call(call)).flatten());
                self.known().worker(call);
                // Only a write in flight may leave what neither the moment before nor the one after can.
                self.known().changed |= call.op == Op::Write;
            }
            Edge::End(result) => {
                let mut known = self.known();
                known.workers.locked(call, result.is_ok());
                known.changed |= changes;
                if let Err(error) = result
                    && error.kind != IoKind::Interrupted
                    && matches!(call.role, Role::Segment(_))
                    && matches!(call.op, Op::Write | Op::SyncData)
                {
                    let synced = known.claimed;
                    known.contract.write_back_failed(synced);
                    if is_taken_back(call) {
                        known.contract.taken_back(synced);
                    }
                }
            }
        }
        self.moment();
        if matches!(edge, Edge::End(_)) {
            disk_point();
        }
    }

    /// Does what a reader does.
    pub(super) fn reading<T>(&self, deed: impl FnOnce() -> T) -> T {
        let thread = thread::current().id();
        self.known().readers.insert(thread, false);
        let read = deed();
        self.known().readers.remove(&thread);
        read
    }

    fn claim(&self, journal: &Journal, claimed: Claimed) {
        journal.push(Seen::Claim(claimed.durability, claimed.last));
        self.tells(|| Some(format!("claims {}={}", claimed.durability, claimed.last)));
        if claimed.durability == Durability::PowerLoss {
            let mut known = self.known();
            known.claimed = known.claimed.max(claimed.last);
            known.contract.claimed(claimed.last);
            known.changed = true;
        }
        self.moment();
    }

    pub(super) fn breaks(&self, result: Result<(), Violation>) {
        if let Err(violation) = result {
            self.tells(|| Some(format!("breaks {}: {}", violation.invariant, violation.detail)));
            self.known().played.violations.push(violation);
        }
    }

    /// A client is about to hear of this.
    fn told(&self, step: &ClientStep, outcome: &Outcome) {
        match (step, outcome) {
            (ClientStep::Append(write) | ClientStep::Batch(write), Outcome::Acked { lsns, .. }) => {
                self.journal().push(Seen::Ack(*lsns, write.durability));
            }
            // Only what need survive a loss of power is handed in with a ticket.
            (ClientStep::Wait { .. }, Outcome::Acked { lsns, .. }) => {
                self.journal().push(Seen::Ack(*lsns, Durability::PowerLoss));
            }
            (_, Outcome::Failed(kind)) if !kind.refuses() => self.journal().push(Seen::Poisoned),
            (ClientStep::Trim { .. }, Outcome::Trimmed(before)) => {
                self.journal().push(Seen::Trimmed(*before))
            }
            _ => {}
        }
    }

    /// A client's call, from beginning to end.
    pub(super) fn call<T>(
        &self,
        step: &ClientStep,
        deed: impl FnOnce() -> Result<T, Refusal>,
        outcome: impl FnOnce(&T) -> Outcome,
    ) -> Option<T> {
        let call = self.known().contract.begin(step);
        let result = deed();
        let outcome = match &result {
            Ok(value) => outcome(value),
            Err(refusal) => Outcome::Failed(refusal.kind),
        };
        self.told(step, &outcome);
        self.tells(|| Some(format!("hears: {outcome}")));
        let judged = {
            let mut known = self.known();
            known.changed = true;
            known.played.acks += u64::from(matches!(outcome, Outcome::Acked { .. }));
            known.contract.finish(call, &outcome)
        };
        self.breaks(judged);
        self.moment();
        result.ok()
    }
}

/// Plays a scene once. Call it inside of shuttle; what it leaves is in `tray` when it returns, or panics.
pub(super) fn play<S: Worked + Archived>(scene: &'static Scene, tray: &Tray) {
    let stage = Stage::new(scene, tray.tale.clone());
    let place = stage.place(&stage.journal());
    let created = if scene.worked { S::create_worked(&place) } else { S::create(&place) };
    let log = match created {
        Ok(log) => Arc::new(log),
        Err(refusal) => panic!("the log cannot be created: {}", refusal.says),
    };
    stage.journal().push(Seen::Ready(1, false));
    let created = stage.known().contract.apply(&ClientStep::Create, &Outcome::Done);
    stage.breaks(created);
    log.watch(stage.watch(&stage.journal()));
    stage.prepare_disk(scene);
    for drive in 1..=scene.drives {
        if let Err(refusal) = log.add_drive(&drive_dir(Path::new(LOG_DIR), drive)) {
            panic!("a drive cannot be added: {}", refusal.says);
        }
    }
    let main = Writer::try_from(scene.clients.len()).unwrap_or(Writer::MAX);
    stage.known().names.insert(thread::current().id(), main);
    client(&stage, &*log, main, scene.before);
    stage.known().recording = true;
    *stage.known().work() = Work::default();
    let before = log.read_ahead();
    let clients: Vec<_> = (0..)
        .zip(scene.clients)
        .map(|(writer, acts)| {
            let (stage, log) = (Arc::clone(&stage), Arc::clone(&log));
            thread::spawn(move || client(&stage, &*log, writer, acts))
        })
        .collect();
    for client in clients {
        if client.join().is_err() {
            panic!("a client panicked");
        }
    }
    let read = log.read_ahead();
    client(&stage, &*log, main, scene.after);
    archive::drives(&stage, &*log);
    {
        let mut known = stage.known();
        known.work().hits = read.hits - before.hits;
        known.work().misses = read.misses - before.misses;
        known.work().filled = read.filled - before.filled;
    }
    let quiet = stage.known().contract.quiescent();
    stage.breaks(quiet);
    let Some(log) = Arc::into_inner(log) else { panic!("a client still holds the log") };
    life::end(&stage, scene, main, log);
    stage.disk.set_hook(None);
    *locked(&tray.played) = stage.played();
}

fn with(stage: &Weak<Stage>, f: impl FnOnce(&Stage)) {
    if let Some(stage) = stage.upgrade() {
        f(&stage);
    }
}
