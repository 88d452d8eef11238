//! The end of a handle, the log's own thread, and the life after it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use shuttle::thread::{self, ThreadId};
use truelog_env::{Clock, Op};
use truelog_spec::contract::Violation;
use truelog_spec::outcome::Found;
use truelog_spec::step::{CrashKind, Writer};
use truelog_spec::{ClientStep, Failure, Invariant, Outcome};

use super::begun::Began;
use super::client::client;
use super::play::{Stage, locked};
use super::scene::Scene;
use crate::driver::read_all;
use crate::fabric::{Call, Role, SimFs};
use crate::oracle::Ended;
use crate::order::{Journal, Seen};
use crate::subject::{Archived, Opened, Subject, Worked};

/// How the engine calls its thread.
const NAME: &str = "truelog";
/// More than any delay of the engine.
const LONG: Duration = Duration::from_secs(1);

/// The disk's clock, in a hurry: under shuttle nothing sleeps, so each look finds that all that was waited for is due.
#[derive(Debug)]
pub(super) struct Hasty(pub(super) SimFs);

impl Clock for Hasty {
    fn monotonic(&self) -> Duration {
        self.0.advance(LONG);
        self.0.now()
    }

    fn wall(&self) -> Duration {
        self.0.env().clock.wall()
    }

    fn sleep(&self, time: Duration) {
        self.0.env().clock.sleep(time);
    }
}

/// The logs' own threads, and the life that each belongs to.
#[derive(Debug, Default)]
pub(super) struct Workers {
    lives: u64,
    known: HashMap<ThreadId, u64>,
}

impl Workers {
    /// A call has ended; perhaps it took the directory's lock, and a life begins.
    pub(super) fn locked(&mut self, call: &Call, succeeded: bool) {
        self.lives += u64::from(call.op == Op::Lock && succeeded);
    }

    /// A call begins. `None` unless one of these threads makes it; else whether it writes to a segment, or that its life
    /// is over.
    pub(super) fn calls(&mut self, call: &Call) -> Option<Result<bool, Violation>> {
        let thread = thread::current();
        if thread.name() != Some(NAME) {
            return None;
        }
        let life = *self.known.entry(thread.id()).or_insert(self.lives);
        if life != self.lives {
            let says = format!("the thread of an earlier handle begins a {} of {}", call.op, call.role);
            return Some(Err(Violation::new(Invariant::RecoveryConverges, says)));
        }
        Some(Ok(call.op == Op::Write && matches!(call.role, Role::Segment(_))))
    }
}

/// Drops the handle. Where the scene has a second life, another thread opens the log meanwhile, as soon as it can.
pub(super) fn end<S: Worked + Archived>(stage: &Arc<Stage>, scene: &Scene, main: Writer, log: S) {
    let Some(acts) = scene.again else { return drop(log) };
    stage.begins(main, Began::Life);
    // Nobody can call it any more; what it had promised stands.
    stage.known().contract.crash(CrashKind::Process);
    let dropping = thread::spawn(move || drop(log));
    let (log, opened, journal) = open::<S>(stage);
    locked(&stage.journals).push(journal);
    recovered(stage, &log, opened);
    if dropping.join().is_err() {
        panic!("a handle could not be dropped");
    }
    client(stage, &log, main, acts);
    let quiet = stage.known().contract.quiescent();
    stage.breaks(quiet);
    drop(log);
}

/// Opens the log as soon as its directory is free. What was refused is in no journal: it changed nothing.
fn open<S: Worked>(stage: &Arc<Stage>) -> (S, Opened, Journal) {
    loop {
        let journal = Journal::default();
        match S::open_worked(&stage.place(&journal), stage.watch(&journal)) {
            Ok((log, opened)) => return (log, opened, journal),
            Err(refusal) if refusal.kind == Failure::Locked => thread::yield_now(),
            Err(refusal) => panic!("the log cannot be opened again: {}", refusal.says),
        }
    }
}

/// Holds what an open returned against what was promised.
fn recovered<S: Subject>(stage: &Stage, log: &S, opened: Opened) {
    stage.journal().push(Seen::Ready(opened.next, opened.read_only));
    let call = stage.known().contract.begin(&ClientStep::Open);
    let Ended::Opened { state, unread } = read_all(log, opened) else { return };
    if let Some(refusal) = unread.first() {
        let says = format!("behind an open a record cannot be read: {}", refusal.says);
        stage.breaks(Err(Violation::new(Invariant::AckedIsDurable, says)));
    }
    let found = Found {
        records: state.records.len() as u64,
        next: state.next,
        trimmed: state.trimmed,
        damage: state.damage.clone(),
    };
    let judged = {
        let mut known = stage.known();
        known.changed = true;
        known.contract.opened(&state).and_then(|()| known.contract.finish(call, &Outcome::Recovered(found)))
    };
    stage.breaks(judged);
    stage.moment();
}
