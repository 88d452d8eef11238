//! What happened in one life, as lines of a trace.

use std::sync::Arc;

use truelog_env::Op;
use truelog_spec::step::{EngineStep, Fault, Role as Name};
use truelog_spec::trace::Line;
use truelog_spec::{ClientStep, Failure, Outcome, Step, WorldStep};

use super::told::Untold;
use crate::driver::{At, Deed, Moment};
use crate::fabric::{Plan, Role};
use crate::replay::unseen;

/// How a create or an open that ran to its end is told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Opens {
    /// In one line: how it does what it does is not what the path is about.
    #[default]
    Short,
    /// With what the engine did in it: what follows goes on from there.
    Whole,
}

/// Writes down lines, up to a moment.
#[derive(Debug, Default)]
pub(super) struct Teller {
    lines: Vec<Line>,
    opens: Opens,
    /// The line of the call that is under way.
    call: Option<usize>,
    moments: usize,
    /// The moment is amid a call of the file system: what that call is comes before it.
    due: Option<Arc<Moment>>,
    /// What goes wrong with a call, or what of that has no words.
    fault: Option<Result<Fault, &'static str>>,
    /// The plan of it, once it waits for its call, and how many calls that it might be have come.
    armed: Option<(Plan, u32)>,
    /// Whether it has struck in the call that is under way.
    struck: bool,
    /// Where a replay can do what the world does next: right behind the last step that it sees, or before the client's call.
    place: usize,
    /// The calls of the file system since then.
    since: Vec<(Role, Op)>,
    /// The process ends at the moment: a call that is under way then has done nothing.
    dies: bool,
    /// How many batches and edits were written, those included that no line tells of.
    written: Written,
}

/// The numbers of the last batch and of the last edit: they count over all lives of a path.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Written {
    batches: u64,
    edits: u64,
}

impl Written {
    fn see(&mut self, step: &Step) {
        match step {
            Step::Engine(EngineStep::WriteBatch(batch, _)) => self.batches = self.batches.max(batch.batch),
            Step::Engine(EngineStep::WriteEdit(number, ..)) => self.edits = self.edits.max(*number),
            _ => {}
        }
    }

    /// A step of a life behind those that wrote this. The driver counts the batches and the edits of each life from 1.
    fn behind(self, mut step: Step) -> Step {
        match &mut step {
            Step::Engine(EngineStep::WriteBatch(batch, _)) => batch.batch += self.batches,
            Step::Engine(EngineStep::WriteEdit(number, ..)) => *number += self.edits,
            _ => {}
        }
        step
    }
}

impl Teller {
    /// `fault` is what goes wrong with a call, or what of that has no words.
    /// `dies` says that the process ends at the moment.
    pub(super) fn new(opens: Opens, fault: Option<Result<Fault, &'static str>>, dies: bool) -> Self {
        Self { opens, fault, dies, ..Self::default() }
    }

    /// Puts what was heard behind the lives before, which wrote so much.
    pub(super) fn append_to(self, lines: &mut Vec<Line>, before: &mut Written) {
        let told = self.lines.into_iter();
        lines.extend(told.map(|line| Line { step: before.behind(line.step), ..line }));
        before.batches += self.written.batches;
        before.edits += self.written.edits;
    }

    /// The moment, if it comes.
    pub(super) fn hear(&mut self, deeds: Vec<Deed>, number: usize) -> Result<Option<Arc<Moment>>, Untold> {
        let mut deeds = deeds.into_iter().peekable();
        while let Some(deed) = deeds.next() {
            match deed {
                Deed::Begin(step) => {
                    self.here();
                    self.struck = false;
                    self.call = Some(self.lines.len());
                    self.lines.push(Line::new(step, None));
                }
                Deed::Armed(plan) => self.armed = Some((plan, 0)),
                Deed::Call(role, op) => {
                    if self.is_struck(role, op) {
                        if self.due.is_some() {
                            return Ok(self.due.take());
                        }
                        self.strike(role, op)?;
                    }
                    self.since.push((role, op));
                }
                Deed::Step(step) if self.has_just_taken(&step) => {}
                Deed::Step(step) => {
                    self.written.see(&step);
                    let seen = !matches!(&step, Step::Engine(step) if unseen(step));
                    let goes_on = is_used_again(&step, deeds.peek());
                    self.lines.push(Line::new(step, None));
                    if seen {
                        self.here();
                    }
                    if self.due.is_some() && !goes_on {
                        return Ok(self.due.take());
                    }
                }
                Deed::Finish(outcome) => {
                    if let Some(at) = self.call.take() {
                        self.finish(at, outcome);
                    }
                    if self.due.is_some() {
                        return Ok(self.due.take());
                    }
                }
                Deed::Moment(moment) => {
                    self.moments += 1;
                    if self.moments == number + 1 {
                        match moment.at {
                            At::During(..) if self.dies && !self.struck => return Ok(Some(moment)),
                            // An end of a call is heard of here before it is known what step that was.
                            At::During(..) | At::After(..) => self.due = Some(moment),
                            At::Claim(_) | At::Return => return Ok(Some(moment)),
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(None)
    }

    /// What the world does next has its line behind the last one.
    fn here(&mut self) {
        self.place = self.lines.len();
        self.since.clear();
    }

    /// Whether a call that begins is the one that something goes wrong with.
    fn is_struck(&mut self, role: Role, op: Op) -> bool {
        let Some((plan, seen)) = &mut self.armed else { return false };
        *seen += u32::from(plan.op == op && plan.role.matches(role));
        let struck = *seen == plan.nth;
        self.armed.take_if(|_| struck).is_some()
    }

    /// Something goes wrong with the call that begins. That is said where a replay can do it: no other such call may come in
    /// between.
    fn strike(&mut self, role: Role, op: Op) -> Result<(), Untold> {
        self.struck = true;
        let Some(fault) = self.fault.take() else { return Ok(()) };
        let fault = fault.map_err(Untold::Unsaid)?;
        if self.since.contains(&(role, op)) {
            return Err(Untold::Unsaid(
                "a failing call behind another one of its kind, with no step between",
            ));
        }
        self.lines.insert(self.place, Line::new(WorldStep::Fault(fault), None));
        self.call = self.call.map(|call| if self.place <= call { call + 1 } else { call });
        Ok(())
    }

    /// A file that is filled by two writes is filled once, unless the crash comes between them, or one of them may be the call
    /// that fails.
    fn has_just_taken(&self, step: &Step) -> bool {
        let whole = self.due.is_none() && self.armed.is_none();
        whole && matches!(step, Step::Engine(_)) && self.lines.last().is_some_and(|line| line.step == *step)
    }

    /// A create or an open that ran to its end is told as is asked for; where a call of it fails, whole. A create that finds a log and leaves it alone is none.
    fn finish(&mut self, at: usize, outcome: Outcome) {
        let failed = matches!(outcome, Outcome::Failed(_));
        if outcome == Outcome::Failed(Failure::Poisoned) && self.was_poisoned_before(at) {
            // It did nothing, and tells nothing new.
            self.lines.truncate(at);
            return;
        }
        // It shows that the handle has ended: what a client does next, it does behind this call and not beside it.
        if outcome == Outcome::Failed(Failure::Poisoned) && self.due.is_none() {
            self.lines.push(Line::new(EngineStep::Poison, None));
        }
        self.lines[at].outcome = Some(outcome);
        if self.due.is_some() || self.struck {
            return;
        }
        match self.lines[at].step {
            Step::Client(ClientStep::Create) if at > 0 && failed && self.has_left_alone(at) => {
                self.lines.truncate(at);
            }
            Step::Client(ClientStep::Create | ClientStep::Open) if self.opens == Opens::Short => {
                self.lines.truncate(at + 1)
            }
            _ => {}
        }
    }

    /// Whether the handle had ended before that call, and the call did nothing.
    fn was_poisoned_before(&self, at: usize) -> bool {
        let step = |line: &Line| line.step.clone();
        let ended = |line: &&Line| {
            let opens = matches!(step(line), Step::Client(ClientStep::Create | ClientStep::Open));
            opens || step(line) == Step::Engine(EngineStep::Poison)
        };
        let last = self.lines[..at].iter().rfind(ended);
        at + 1 == self.lines.len() && last.is_some_and(|line| step(line) == EngineStep::Poison.into())
    }

    /// Whether nothing but the lock was touched behind that line.
    fn has_left_alone(&self, at: usize) -> bool {
        let looks = |line: &Line| matches!(line.step, Step::Engine(EngineStep::Lock(_) | EngineStep::Unlock));
        self.lines[at + 1..].iter().all(looks)
    }
}

/// Whether two steps are one call: a segment's file gets the name of the next one's.
pub(super) fn is_used_again(step: &Step, next: Option<&Deed>) -> bool {
    matches!(step, Step::Engine(EngineStep::Unlink(Name::Segment(_), _)))
        && matches!(next, Some(Deed::Step(Step::Engine(EngineStep::Create(Name::SegmentTmp(_), _)))))
}
