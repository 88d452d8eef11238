//! A trace on the production code, in the simulated disk, without threads but for a reader that stands still: it is
//! on one of its own, where its first call waits until the trace lets it go on.
//!
//! Client and world steps are done; engine steps are watched for, and give the position of what comes next: a crash
//! falls when the line before it has happened, and a client that comes while another one's call is under way
//! hands its records in from inside that call, or trims. What the code does beyond the trace is let pass, except at
//! the line that the trace says is refused: there, the first thing that the code does decides. A trace of clients
//! and the world only is done call by call.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use truelog_spec::contract::Contract;
use truelog_spec::step::{Durability, EngineStep, Lsns, ReaderNo};
use truelog_spec::{ClientStep, Outcome, Step, Trace, WorldStep};

use super::state::{Next, State, Verdict};
use super::{End, place};
use crate::driver::{Impossible, Units, files, is_write_back, recover};
use crate::fabric::{Edge, drive_dir};
use crate::oracle;
use crate::order::mapper::Mapper;
use crate::order::seen::Seen;
use crate::order::{Held, Journal, Tap};
use crate::subject::{Ack, Archived, Claimed, Place, Plain, Refusal, Sent, Setup, Subject, Watch};

/// Why a trace cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LeftPath {
    /// The code has nothing more to do, and a step is still due.
    #[error("line {line}: `{due}` is due, and the code does not do it")]
    Due {
        /// The line, from 1.
        line: usize,
        /// What is due.
        due: Box<Step>,
    },
    /// A step of the world cannot happen.
    #[error("line {line}: {why}")]
    Impossible {
        /// The line, from 1.
        line: usize,
        /// Why.
        why: Impossible,
    },
    /// What should go wrong with a call meets none.
    #[error("line {line}: `{fault}` meets no call")]
    Unmet {
        /// The line, from 1.
        line: usize,
        /// What should go wrong.
        fault: Box<Step>,
    },
    /// A call that the trace does not say to fail fails.
    #[error("line {line}: {says}")]
    Call {
        /// The line, from 1.
        line: usize,
        /// What it said.
        says: String,
    },
}

/// Follows a trace. `refused` is the line, from 1, that today's code is said not to take.
///
/// # Errors
/// When the code leaves the path before that line, or before the end.
pub fn follow(trace: &Trace, refused: Option<usize>) -> Result<End, LeftPath> {
    let setup = place::setup(trace);
    let (disk, sector) = place::disk(trace);
    let state = State {
        lines: trace.lines.iter().map(|line| line.step.clone()).collect(),
        outcomes: trace.lines.iter().map(|line| line.outcome.clone().filter(|_| !line.violates)).collect(),
        due: 0,
        refused: refused.map(|line| line - 1),
        verdict: None,
        watching: true,
        units: Units::new(sector),
        disk,
        next_life: None,
        log: None,
        tickets: BTreeMap::new(),
        waiting: Vec::new(),
        queued: Vec::new(),
        besides: None,
        awaited: None,
        held: BTreeMap::new(),
        owed: None,
        synced: 0,
        undisturbed: !trace.lines.iter().any(|line| matches!(line.step, Step::Engine(_))),
        contract: Contract::new(),
        indices: BTreeMap::new(),
    };
    let stage = Arc::new(Stage { setup, state: Mutex::new(state) });
    stage.run();
    stage.let_go();
    let mut state = stage.state();
    state.all_met();
    match &state.verdict {
        Some(Verdict::End(end)) => Ok(end.clone()),
        Some(Verdict::Left(left)) => Err(left.clone()),
        None => Ok(End::Reached),
    }
}

struct Stage {
    setup: Setup,
    state: Mutex<State>,
}

impl Stage {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The surroundings of the present life, tapped.
    fn place(self: &Arc<Self>) -> Place {
        let (disk, units) = {
            let state = self.state();
            (state.disk.clone(), state.units.clone())
        };
        let weak = Arc::downgrade(self);
        let stage = weak.clone();
        disk.set_hook(Some(Arc::new(move |call: &crate::fabric::Call, edge| {
            units.see(call, edge);
            if let Edge::End(result) = edge
                && is_write_back(call, result)
                && let Some(stage) = stage.upgrade()
            {
                stage.state().write_back_failed(call);
            }
        })));
        let mut env = disk.env();
        let mapper = Mutex::new(Mapper::default());
        let listener = move |at: usize, seen: &Seen| {
            let Some(stage) = weak.upgrade() else { return };
            stage.seen(&mapper, at, seen);
        };
        let journal = Journal::listened(Arc::new(listener));
        env.fs = Arc::new(Tap::new(env.fs, disk.log_dir(), journal));
        Place { env, dir: disk.log_dir().to_owned(), setup: self.setup }
    }

    /// What hears of each claim that the log makes.
    fn watch(self: &Arc<Self>) -> Watch {
        let weak = Arc::downgrade(self);
        Arc::new(move |claimed: Claimed| {
            if let Some(stage) = weak.upgrade()
                && claimed.durability == Durability::PowerLoss
            {
                stage.state().claimed(claimed.last);
            }
        })
    }

    /// Something was seen, inside of a call.
    fn seen(self: &Arc<Self>, mapper: &Mutex<Mapper>, at: usize, seen: &Seen) {
        let awaits = self.state().awaited.is_some();
        let steps = {
            let mut mapper = mapper.lock().unwrap_or_else(PoisonError::into_inner);
            if let Seen::Begin(_, call) = seen
                && awaits
                && let Some(step) = mapper.foresee(call)
            {
                self.strike(&step);
            }
            // What has no row in the table is the order check's business.
            let _ = mapper.entry(at, seen, None);
            mapper.take()
        };
        if let Seen::Begin(_, call) = seen
            && let Some(start) = place::sync_start(call)
        {
            let due = self.state().is_due(&start);
            if due {
                self.meet(&start);
            }
        }
        for mapped in steps {
            if let Step::Engine(step) = &mapped.step {
                self.meet(step);
            }
        }
    }

    /// The engine has taken a step.
    fn meet(self: &Arc<Self>, step: &EngineStep) {
        let mut next = self.state().meet(step);
        loop {
            let ahead = matches!(next, Next::Ahead(_));
            match next {
                Next::Client(client) | Next::Ahead(client) => self.nested(&client),
                Next::World(world) => self.world(&world),
                Next::Nothing => break,
            }
            let mut state = self.state();
            next = if state.verdict.is_some() || state.next_life.is_some() {
                Next::Nothing
            } else if ahead {
                state.meet(step)
            } else {
                state.follows(step)
            };
        }
    }

    /// From the first line to the last.
    fn run(self: &Arc<Self>) {
        loop {
            if self.state().next_life.is_some() {
                self.let_go();
            }
            // Dropped without the lock: letting go of a log is a call that is watched.
            let old_life = self.state().revive();
            drop(old_life);
            self.state().watching = true;
            let next = {
                let mut state = self.state();
                if state.verdict.is_some() {
                    return;
                }
                state.at_rest()
            };
            match next {
                Next::Client(step) | Next::Ahead(step) => self.client(&step),
                Next::World(step) => self.world(&step),
                Next::Nothing => return,
            }
            self.resolve_waiting();
        }
    }

    fn world(&self, step: &WorldStep) {
        let mut state = self.state();
        let done = state.world(step);
        state.possible(done);
    }

    /// A call begins that is this step if all of it is done: the fault that waits for it strikes.
    fn strike(&self, step: &EngineStep) {
        let mut state = self.state();
        if let Some((fault, _)) = state.awaited.take_if(|(_, call)| place::same(call, step)) {
            let done = state.carry_out(&WorldStep::Fault(fault));
            state.possible(done);
        }
    }

    /// Readers that stand still go on, and are no more.
    fn let_go(&self) {
        let held = std::mem::take(&mut self.state().held);
        held.into_values().for_each(|reader| {
            let _ = reader.end();
        });
    }

    /// A client's call from beginning to end, while no other is under way.
    fn client(self: &Arc<Self>, step: &ClientStep) {
        let (call, log, sent) = {
            let mut state = self.state();
            let closes = *step == ClientStep::Close;
            let opens = matches!(step, ClientStep::Create | ClientStep::Open);
            let shown = matches!(state.lines.get(state.due), Some(Step::Engine(_)));
            let undisturbed = state.undisturbed || opens && !shown;
            state.watching = !undisturbed;
            let sent = state.sent(step);
            let log = if closes { state.log.take() } else { state.log.clone() };
            (state.contract.begin(step), log, sent)
        };
        let result = match step {
            ClientStep::Create => Plain::create(&self.place()).map(|log| {
                log.watch(self.watch());
                self.state().log = Some(Arc::new(log));
                Outcome::Done
            }),
            ClientStep::Open => self.open(),
            ClientStep::Adopt => Plain::adopt(&self.place()).map(|()| Outcome::Done),
            ClientStep::AcceptLoss => {
                Plain::accept_loss(&self.place()).map(|lost| Outcome::Lost(place::runs(&lost)))
            }
            ClientStep::Inspect => Plain::inspect(&self.place()).map(|read| Outcome::Read(read.len() as u64)),
            ClientStep::Close => self.close(log),
            _ => match log {
                Some(log) => self.on_log(step, &log, &sent),
                None => Err(place::closed()),
            },
        };
        let mut state = self.state();
        state.watching = true;
        let outcome = result.unwrap_or_else(|refusal| Outcome::Failed(refusal.kind));
        let judged = if state.next_life.is_some() { Ok(()) } else { state.contract.finish(call, &outcome) };
        state.broken(judged);
        state.ended(step, &outcome);
        state.answered(&outcome);
    }

    fn on_log(
        self: &Arc<Self>,
        step: &ClientStep,
        log: &Arc<Plain>,
        sent: &[Sent],
    ) -> Result<Outcome, Refusal> {
        match step {
            ClientStep::Append(write) | ClientStep::Batch(write) => {
                log.append(sent, write.durability).map(|acks| acked(&acks))
            }
            ClientStep::Submit { ticket, write } => {
                let (taken, first, last) = log.submit(sent, write.durability)?;
                self.state().tickets.insert(*ticket, taken);
                Ok(Lsns::new(first, last).map_or(Outcome::Done, Outcome::Submitted))
            }
            ClientStep::Wait { ticket } => {
                let taken = self.state().tickets.remove(ticket).ok_or_else(place::closed)?;
                log.wait(taken).map(|acks| acked(&acks))
            }
            ClientStep::Trim { before } => log.trim(*before).map(Outcome::Trimmed),
            ClientStep::Tick => {
                log.step()?;
                // As the threads of a log with an archive do.
                if !log.drives().is_empty() {
                    log.archive_step()?;
                }
                Ok(Outcome::Done)
            }
            ClientStep::Read { from, reader: None } => Ok(Outcome::Read(log.read(*from).len() as u64)),
            ClientStep::Read { reader: Some(reader), .. } => {
                self.released(*reader).map(Outcome::Read).ok_or_else(place::closed)
            }
            ClientStep::Hold { reader } => {
                let here = Arc::clone(log);
                let held = Held::begin(move || here.read(1).len() as u64);
                self.state().held.insert(*reader, held);
                Ok(Outcome::Done)
            }
            ClientStep::Release { reader } => {
                let _ = self.released(*reader);
                Ok(Outcome::Done)
            }
            ClientStep::AddDrive { drive } => {
                let dir = drive_dir(self.state().disk.log_dir(), *drive);
                log.add_drive(&dir).map(|_| Outcome::Done)
            }
            ClientStep::Compact => log.compact().map(|_| Outcome::Done),
            ClientStep::Scrub => log.scrub(true).map(|_| Outcome::Done),
            ClientStep::Create
            | ClientStep::Open
            | ClientStep::Inspect
            | ClientStep::Adopt
            | ClientStep::AcceptLoss
            | ClientStep::RebuildManifest
            | ClientStep::Close => Err(place::closed()),
        }
    }

    /// A reader that stands still reads on, by the snapshot that it holds; how many records it got.
    fn released(&self, reader: ReaderNo) -> Option<u64> {
        let held = self.state().held.remove(&reader);
        held.and_then(Held::end)
    }

    fn close(self: &Arc<Self>, log: Option<Arc<Plain>>) -> Result<Outcome, Refusal> {
        let mut state = self.state();
        state.log = None;
        state.tickets.clear();
        drop(state);
        // Nobody else holds it: no call is under way.
        let log = log.and_then(Arc::into_inner).ok_or_else(place::closed)?;
        log.close().map(|()| Outcome::Done)
    }

    /// Opens, reads everything, and holds it against what is owed: what was returned, and what the disk holds.
    fn open(self: &Arc<Self>) -> Result<Outcome, Refusal> {
        let (disk, owed) = {
            let mut state = self.state();
            (state.disk.clone(), state.owed.take())
        };
        let before = oracle::Reading::of(&files(&disk.snapshot().process_crash()));
        let (log, ended) = recover::<Plain>(&self.place(), self.watch());
        let sure = disk.snapshot().durable().map(|image| files(&image)).unwrap_or_default();
        let after = oracle::Reading::of(&sure);
        let mut state = self.state();
        if let Some(owed) = owed.filter(|_| state.next_life.is_none()) {
            let case = oracle::Case { owed: &owed, before: &before, ended: &ended, after: &after };
            state.broken(oracle::judge(&case));
        }
        match (log, ended) {
            (Some(log), oracle::Ended::Opened { state: found, .. }) => {
                state.log = Some(Arc::new(log));
                state.synced = found.next - 1;
                let judged = state.contract.opened(&found);
                state.broken(judged);
                Ok(Outcome::Done)
            }
            (_, oracle::Ended::Refused(refusal)) => Err(refusal),
            (None, oracle::Ended::Opened { .. }) => Err(place::closed()),
        }
    }

    /// A client's call while another one's is under way: its records are handed in now, and waited for later.
    fn nested(self: &Arc<Self>, step: &ClientStep) {
        let (log, sent) = {
            let mut state = self.state();
            (state.log.clone(), state.sent(step))
        };
        let Some(log) = log else { return };
        match step {
            ClientStep::Append(write) | ClientStep::Batch(write) => {
                let call = self.state().contract.begin(step);
                match log.submit(&sent, write.durability) {
                    Ok((taken, ..)) => self.state().waiting.push((step.clone(), call, taken)),
                    Err(refusal) => {
                        let mut state = self.state();
                        let judged = state.contract.finish(call, &Outcome::Failed(refusal.kind));
                        state.broken(judged);
                    }
                }
            }
            ClientStep::Submit { .. }
            | ClientStep::Trim { .. }
            | ClientStep::Hold { .. }
            | ClientStep::Release { .. }
            | ClientStep::Read { reader: Some(_), .. } => self.client(step),
            other => {
                let mut state = self.state();
                let line = state.due;
                let says = format!("`{other}` cannot come while another call is under way");
                state.verdict = Some(Verdict::Left(LeftPath::Call { line, says }));
            }
        }
    }

    /// The calls that came in between get their answers.
    fn resolve_waiting(self: &Arc<Self>) {
        loop {
            let (log, next) = {
                let mut state = self.state();
                let over = state.verdict.is_some() || state.next_life.is_some() || state.waiting.is_empty();
                if over {
                    state.waiting.clear();
                    return;
                }
                (state.log.clone(), state.waiting.remove(0))
            };
            let (Some(log), (_, call, taken)) = (log, next) else { return };
            let outcome = match log.wait(taken) {
                Ok(acks) => acked(&acks),
                Err(refusal) => Outcome::Failed(refusal.kind),
            };
            let mut state = self.state();
            let judged = state.contract.finish(call, &outcome);
            state.broken(judged);
            state.answered(&outcome);
        }
    }
}

fn acked(acks: &[Ack]) -> Outcome {
    let ends = acks.first().zip(acks.last());
    let lsns = ends.and_then(|(first, last)| Lsns::new(first.lsn, last.lsn));
    lsns.map_or(Outcome::Done, |lsns| Outcome::Acked { lsns, seqs: acks.iter().map(|ack| ack.seq).collect() })
}
