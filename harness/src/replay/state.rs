//! What a replay on the production code knows: which line is due, and what happens when it has happened.

use std::collections::BTreeMap;
use std::sync::Arc;

use truelog_spec::contract::{Call, Contract, Obligations, Violation, payload};
use truelog_spec::step::{
    Call as CallName, CrashKind, DamageKind, Ended, EngineStep, Fault, ReaderNo, Role, TicketNo, Write,
};
use truelog_spec::{ClientStep, Outcome, Step, WorldStep};

use super::production::LeftPath;
use super::{End, place};
use crate::driver::{Impossible, Units, carry_out, is_taken_back};
use crate::fabric::{self, Image, SimFs};
use crate::order::Held;
use crate::subject::{Plain, Sent, Subject};

#[derive(Debug, Clone)]
pub(super) enum Verdict {
    End(End),
    Left(LeftPath),
}

pub(super) struct State {
    pub(super) lines: Vec<Step>,
    /// How each line is said to end; the line that violates ends otherwise today.
    pub(super) outcomes: Vec<Option<Outcome>>,
    /// The line that is due, from 0.
    pub(super) due: usize,
    pub(super) refused: Option<usize>,
    pub(super) verdict: Option<Verdict>,
    /// Off while a create or an open runs to its end undisturbed.
    pub(super) watching: bool,
    pub(super) units: Units,
    pub(super) disk: SimFs,
    /// After a crash inside a call: what the next life finds.
    pub(super) next_life: Option<Image>,
    pub(super) log: Option<Arc<Plain>>,
    pub(super) tickets: BTreeMap<TicketNo, <Plain as Subject>::Ticket>,
    /// Calls of clients that came while another one's call was under way.
    pub(super) waiting: Vec<(ClientStep, Call, <Plain as Subject>::Ticket)>,
    /// Such calls for whose records it is too early: space is being made, and they would wait for that.
    pub(super) queued: Vec<ClientStep>,
    /// The first step of the call under way that the code took and the trace does not.
    pub(super) besides: Option<EngineStep>,
    /// A fault of a call that others of the same file may come before: the step that the call is.
    pub(super) awaited: Option<(Fault, EngineStep)>,
    /// Readers that hold a snapshot, and how many records each reads.
    pub(super) held: BTreeMap<ReaderNo, Held<u64>>,
    /// Clients and the world only: each call runs to its end before the next line.
    pub(super) undisturbed: bool,
    pub(super) contract: Contract,
    /// After a crash on a disk that did not lie: what the next open is judged by.
    pub(super) owed: Option<Obligations>,
    /// How far this life's log was sure of what it holds, before anything failed.
    pub(super) synced: u64,
    pub(super) indices: BTreeMap<u32, u64>,
}

/// What is to be done next, decided under the lock and done without it.
pub(super) enum Next {
    Client(ClientStep),
    /// A client that comes before the step that was just met.
    Ahead(ClientStep),
    World(WorldStep),
    Nothing,
}

impl State {
    /// Whether a step is the one that is due.
    pub(super) fn is_due(&self, step: &EngineStep) -> bool {
        self.watching && matches!(self.lines.get(self.due), Some(Step::Engine(due)) if place::same(due, step))
    }

    /// What follows from a step of the engine: the line it is, or what the trace puts before it.
    pub(super) fn meet(&mut self, step: &EngineStep) -> Next {
        while self.verdict.is_none() && self.watching && self.next_life.is_none() {
            let refused = self.refused == Some(self.due);
            let Some(due) = self.lines.get(self.due).cloned() else { return Next::Nothing };
            match due {
                Step::Client(step) if waits_for_space(&step) => {
                    self.due += 1;
                    self.queued.push(step);
                }
                Step::Client(step) => {
                    self.due += 1;
                    return Next::Ahead(step);
                }
                Step::World(step) => {
                    self.due += 1;
                    return Next::World(step);
                }
                Step::Engine(due) if place::same(&due, step) => {
                    if refused {
                        self.took(self.due);
                        return Next::Nothing;
                    }
                    self.due += 1;
                    return self.follows(step);
                }
                // How an open decides is seen by what it returns: it runs to its end, and is judged.
                Step::Engine(EngineStep::Recover(..)) if refused => self.watching = false,
                Step::Engine(due) if refused && place::shows_taken(&due, step) => self.took(self.due),
                Step::Engine(_) | Step::Prefetch(_) if refused => self.refuse(Some(*step)),
                Step::Engine(due) if place::unseen(&due) => self.due += 1,
                Step::Engine(_) | Step::Prefetch(_) => {
                    // A file may be filled by more than one write; anything else is a step more than the trace has.
                    if !matches!(step, EngineStep::Fill(..) | EngineStep::Unlock) {
                        self.besides.get_or_insert(*step);
                    }
                    return self.queued(step);
                }
            }
        }
        Next::Nothing
    }

    /// The code does what the line says. That is the refused step only if nothing came before it, in the same call,
    /// that the trace leaves out: a guard asks for just such a step.
    fn took(&mut self, line: usize) {
        let line = line + 1;
        self.verdict = Some(Verdict::End(match self.besides {
            Some(step) => End::Refused { line, instead: Some(step), besides: None },
            None => End::Took { line },
        }));
    }

    /// Something else than the line that is due and refused.
    fn refuse(&mut self, instead: Option<EngineStep>) {
        self.verdict = Some(Verdict::End(End::Refused {
            line: self.due + 1,
            instead,
            besides: self.besides.map(Box::new),
        }));
    }

    /// A call that was put off, once a commit is under way: it waits for no space then.
    pub(super) fn queued(&mut self, step: &EngineStep) -> Next {
        let commits = match step {
            EngineStep::WriteBatch(..) => true,
            EngineStep::Sync(_, role, _) => matches!(role, Role::Segment(_)),
            _ => false,
        };
        if !commits || self.queued.is_empty() { Next::Nothing } else { Next::Client(self.queued.remove(0)) }
    }

    /// What the trace puts right behind a line that has happened.
    pub(super) fn follows(&mut self, step: &EngineStep) -> Next {
        // Taking records in makes no call: what the world does right behind it must not wait for the next one.
        let taken_in = |step: &&Step| matches!(step, Step::Engine(EngineStep::Encode(..)));
        let skipped = self.lines[self.due..].iter().take_while(taken_in).count();
        if matches!(self.lines.get(self.due + skipped), Some(Step::World(_))) {
            self.due += skipped;
        }
        match self.lines.get(self.due).cloned() {
            Some(Step::World(step)) => {
                self.due += 1;
                Next::World(step)
            }
            Some(Step::Client(client)) if waits_for_space(&client) => {
                self.due += 1;
                self.queued.push(client);
                self.queued(step)
            }
            _ => self.queued(step),
        }
    }

    /// What comes next while no call is under way.
    pub(super) fn at_rest(&mut self) -> Next {
        self.besides = None;
        if !self.queued.is_empty() {
            return Next::Client(self.queued.remove(0));
        }
        loop {
            let refused = self.refused == Some(self.due);
            let Some(due) = self.lines.get(self.due).cloned() else { return Next::Nothing };
            if refused {
                self.refuse(None);
                return Next::Nothing;
            }
            self.due += 1;
            match due {
                Step::Client(step) => return Next::Client(step),
                Step::World(step) => return Next::World(step),
                Step::Engine(due) if place::unseen(&due) => {}
                due @ (Step::Engine(_) | Step::Prefetch(_)) => {
                    let due = Box::new(due);
                    self.verdict = Some(Verdict::Left(LeftPath::Due { line: self.due, due }));
                    return Next::Nothing;
                }
            }
        }
    }

    /// A client was answered: an acknowledgement that is due has happened, or one that is refused has.
    pub(super) fn answered(&mut self, outcome: &Outcome) {
        let Outcome::Acked { lsns, .. } = outcome else { return };
        if self.verdict.is_some() || self.next_life.is_some() {
            return;
        }
        for line in self.due..self.lines.len() {
            match &self.lines[line] {
                Step::Engine(EngineStep::Ack(due, _)) if due.meets(*lsns) => {
                    if self.refused == Some(line) {
                        self.took(line);
                    }
                    self.due = line + 1;
                    return;
                }
                // Acknowledged without anything else: by then the claim was made.
                Step::Engine(EngineStep::Publish(_, upto))
                    if self.refused == Some(line) && lsns.last >= *upto =>
                {
                    self.took(line);
                    return;
                }
                Step::Engine(due) if place::unseen(due) && self.refused != Some(line) => {}
                _ => return,
            }
        }
    }

    /// A call that ran alone must end as its line says. (What an open has found is judged by the contract.)
    pub(super) fn ended(&mut self, step: &ClientStep, outcome: &Outcome) {
        let line = self.due;
        let stated = line.checked_sub(1).and_then(|at| self.outcomes.get(at)).and_then(Option::as_ref);
        let other = stated.is_some_and(|stated| stated != outcome) && *step != ClientStep::Open;
        if self.undisturbed && other && self.verdict.is_none() {
            let says = format!("`{step}` ends otherwise: {outcome}");
            self.verdict = Some(Verdict::Left(LeftPath::Call { line, says }));
        }
    }

    /// The records that a call hands in: the contract's own.
    pub(super) fn sent(&mut self, step: &ClientStep) -> Vec<Sent> {
        let write = match step {
            ClientStep::Append(write) | ClientStep::Batch(write) | ClientStep::Submit { write, .. } => write,
            _ => return Vec::new(),
        };
        let Write { writer, records, .. } = write;
        let index = self.indices.entry(*writer).or_default();
        let first = *index;
        *index += records.len() as u64;
        let numbered = (first..).zip(records);
        numbered
            .map(|(index, one)| Sent { stream: one.stream, payload: payload(*writer, index, one.len) })
            .collect()
    }

    pub(super) fn broken(&mut self, judged: Result<(), Violation>) {
        if let Err(Violation { invariant, detail }) = judged
            && self.verdict.is_none()
        {
            self.verdict = Some(Verdict::End(End::Violated { line: self.due, invariant, says: detail }));
        }
    }

    pub(super) fn world(&mut self, step: &WorldStep) -> Result<(), Impossible> {
        // A run has a header before its blocks, which a trace does not say.
        if let WorldStep::Fault(fault) = step
            && let Some(Step::Engine(EngineStep::WriteBlocks(drive, run, lsns, _))) = self.lines.get(self.due)
            && fault.call == CallName::Write
        {
            self.awaited = Some((fault.clone(), EngineStep::WriteBlocks(*drive, *run, *lsns, Ended::Done)));
            return Ok(());
        }
        self.carry_out(step)
    }

    /// What the world does must be possible.
    pub(super) fn possible(&mut self, done: Result<(), Impossible>) {
        if let Err(why) = done {
            let line = self.due;
            self.verdict = Some(Verdict::Left(LeftPath::Impossible { line, why }));
        }
    }

    pub(super) fn carry_out(&mut self, step: &WorldStep) -> Result<(), Impossible> {
        if let Some((kind, image)) = carry_out(step, &self.units, &self.disk, self.log.is_some())? {
            self.crash(kind, image);
        }
        if let WorldStep::Damage { unit, kind } = step {
            self.contract.damage(&place::damage(&self.lines[..self.due], *unit));
            self.owed = None;
            if *kind == DamageKind::Copied {
                self.contract.copied();
            }
        }
        Ok(())
    }

    /// The log claims that all up to here survives a loss of power.
    pub(super) fn claimed(&mut self, last: u64) {
        if self.next_life.is_none() {
            self.synced = self.synced.max(last);
            self.contract.claimed(last);
        }
    }

    /// This write or sync of what the log consists of has failed.
    pub(super) fn write_back_failed(&mut self, call: &fabric::Call) {
        self.contract.write_back_failed(self.synced);
        if is_taken_back(call) {
            self.contract.taken_back(self.synced);
        }
    }

    /// What goes wrong with a call must have met one by the end of a life.
    pub(super) fn all_met(&mut self) {
        let waits = self.awaited.is_some() || !self.disk.faults().unfired().is_empty();
        let fault = |step: &Step| matches!(step, Step::World(WorldStep::Fault(_)));
        let line = self.lines[..self.due].iter().rposition(fault);
        if let (true, None, Some(at)) = (waits, &self.verdict, line) {
            let fault = Box::new(self.lines[at].clone());
            self.verdict = Some(Verdict::Left(LeftPath::Unmet { line: at + 1, fault }));
        }
    }

    /// The old life is over: each of its later calls fails, which is no failure of the disk, and what it does is void.
    pub(super) fn crash(&mut self, kind: CrashKind, image: Image) {
        self.all_met();
        self.synced = 0;
        self.disk.set_hook(None);
        self.disk.power_off();
        self.owed = Some(self.contract.obligations(kind));
        self.contract.crash(kind);
        self.next_life = Some(image);
    }

    /// The next life begins, once no call of the old one is under way; what is left of the old one.
    pub(super) fn revive(&mut self) -> Option<Arc<Plain>> {
        let image = self.next_life.take()?;
        self.tickets.clear();
        self.waiting.clear();
        self.queued.clear();
        self.disk = SimFs::from_image(&image);
        self.watching = false;
        self.log.take()
    }
}

/// Whether a call waits while space is being made for another one.
const fn waits_for_space(step: &ClientStep) -> bool {
    matches!(
        step,
        ClientStep::Append(_) | ClientStep::Batch(_) | ClientStep::Submit { .. } | ClientStep::Trim { .. }
    )
}
