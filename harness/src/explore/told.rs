//! A case as a trace: the steps of its clients and of the world, and between them what the engine did.

use std::sync::Arc;

use truelog_env::Op;
use truelog_spec::mechanism::{Ending, Mechanism, replay};
use truelog_spec::step::{EngineStep, Fault, Keep, Unit as SpecUnit};
use truelog_spec::trace::{Head, Line};
use truelog_spec::{ClientStep, Failure, Invariant, Outcome, Step, Trace, WorldStep};

use super::case::{Case, Crash};
use super::unseen::filled;
use super::{Scope, new_disk};
use crate::driver::{At, Deed, Driver, Moment};
use crate::fabric::{Plan, Role, Unit, UnitKind};
use crate::order::mapper::name;
use crate::replay::{End, follow, unseen};
use crate::subject::{Archived, Setup};

/// Why a case is no trace.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Untold {
    /// Traces have no words for it, or none that a replay could hold at its place.
    #[error("it has {0}, for which there is no line that a replay could hold at its place")]
    Unsaid(&'static str),
    /// The run has no such moment.
    #[error("the run has no moment {0}")]
    Nowhere(usize),
    /// A unit that is kept has no name in traces.
    #[error("the crash keeps `{0}`, which traces do not name")]
    Unnamed(Unit),
    /// The world cannot do in the run what the case says.
    #[error("{0}")]
    Impossible(String),
    /// The trace, replayed, ends otherwise.
    #[error("the trace does not show it: {0}")]
    Otherwise(String),
}

impl Case {
    /// The trace of it, which breaks `invariant` when it is replayed on the engine here and now.
    ///
    /// # Errors
    /// When there is none.
    pub fn trace<S: Archived>(&self, invariant: Invariant, found_by: &str) -> Result<Trace, Untold> {
        let trace = self.told::<S>(invariant, found_by)?;
        match follow(&trace, None) {
            Ok(End::Violated { invariant: broken, .. }) if broken == invariant => Ok(trace),
            Ok(end) => Err(Untold::Otherwise(end.to_string())),
            Err(left) => Err(Untold::Otherwise(left.to_string())),
        }
    }

    /// The same, whether it breaks anything or not.
    fn told<S: Archived>(&self, invariant: Invariant, found_by: &str) -> Result<Trace, Untold> {
        let [(number, crash)] = &self.crashes[..] else { return Err(Untold::Unsaid("several crashes")) };
        let mut lines = filled(self.lines::<S>(*number, crash)?);
        let Some(last) = lines.iter_mut().rfind(|line| matches!(line.step, Step::Client(_))) else {
            return Err(Untold::Nowhere(*number));
        };
        last.violates = true;
        let steps: Vec<Step> = lines.iter().map(|line| line.step.clone()).collect();
        let head = match replay(Mechanism::default(), &steps).0 {
            Ending::Refused { line, guard } => Head::Refused { line, guard: guard.to_string() },
            Ending::Reached | Ending::Violated { .. } => Head::Reached,
        };
        // Here and now the path is taken to its end, whatever the mechanism says.
        let code = (head != Head::Reached).then_some(Head::Reached);
        let with = with(self.scope);
        Ok(Trace { invariant, found_by: found_by.to_owned(), mutant: None, head, code, with, lines })
    }

    /// The step that comes right before the only crash.
    pub(super) fn behind<S: Archived>(&self) -> Option<Step> {
        let [(number, crash)] = &self.crashes[..] else { return None };
        let lines = self.lines::<S>(*number, crash).ok()?;
        let crashed = lines.iter().rposition(|line| {
            matches!(line.step, Step::World(WorldStep::CrashPower { .. } | WorldStep::CrashProcess))
        });
        lines.get(crashed?.checked_sub(1)?).map(|line| line.step.clone())
    }

    /// The lines up to the crash, the crash, and the open behind it.
    fn lines<S: Archived>(&self, number: usize, crash: &Crash) -> Result<Vec<Line>, Untold> {
        let Self { scope, sequence, .. } = self;
        let mut driver = Driver::<S>::new(new_disk(scope), scope.setup);
        driver.tell_steps();
        sequence.play(scope, &mut driver, |_, _| {});
        let fault = sequence.fault.and_then(|struck| struck.in_words(&sequence.calls::<S>(scope)));
        let mut teller = Teller { fault, ..Teller::default() };
        let moment = teller.hear(driver.deeds(), number)?.ok_or(Untold::Nowhere(number))?;
        let mut lines = teller.lines;
        if let Some(step) = world(crash, &moment)? {
            lines.push(Line::new(step, None));
            lines.push(Line::new(ClientStep::Open, opened::<S>(scope, crash, &moment)?));
        }
        // A replay does at once what the world does twice: no call would come in between.
        let world = |line: &Line| matches!(line.step, Step::World(_));
        let fault = |line: &Line| matches!(line.step, Step::World(WorldStep::Fault(_)));
        if lines.windows(2).any(|pair| fault(&pair[0]) && world(&pair[1])) {
            return Err(Untold::Unsaid("a failing call that is no step, and then a crash"));
        }
        Ok(lines)
    }
}

/// What the open behind the crash says of itself.
fn opened<S: Archived>(scope: &Scope, crash: &Crash, moment: &Moment) -> Result<Option<Outcome>, Untold> {
    let image = match crash {
        Crash::Here => return Ok(None),
        Crash::Process => moment.snapshot.process_crash(),
        Crash::Power(units) => {
            moment.snapshot.image(units).map_err(|error| Untold::Impossible(error.to_string()))?
        }
    };
    let mut driver = Driver::<S>::new(crate::fabric::SimFs::from_image(&image), scope.setup);
    driver.deaf();
    Ok(Some(driver.client(&ClientStep::Open)))
}

/// Writes down lines, up to a moment.
#[derive(Debug, Default)]
struct Teller {
    lines: Vec<Line>,
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
}

impl Teller {
    /// The moment, if it comes.
    fn hear(&mut self, deeds: Vec<Deed>, number: usize) -> Result<Option<Arc<Moment>>, Untold> {
        for deed in deeds {
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
                    let seen = !matches!(&step, Step::Engine(step) if unseen(step));
                    self.lines.push(Line::new(step, None));
                    if seen {
                        self.here();
                    }
                    if self.due.is_some() {
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

    /// A create or an open that ran to its end is one line: how it does that is not what the path is about. Where a call of it
    /// fails, it is. A create that finds a log and leaves it alone is none.
    fn finish(&mut self, at: usize, outcome: Outcome) {
        let failed = matches!(outcome, Outcome::Failed(_));
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
            Step::Client(ClientStep::Create | ClientStep::Open) => self.lines.truncate(at + 1),
            _ => {}
        }
    }

    /// Whether nothing but the lock was touched behind that line.
    fn has_left_alone(&self, at: usize) -> bool {
        let looks = |line: &Line| matches!(line.step, Step::Engine(EngineStep::Lock(_) | EngineStep::Unlock));
        self.lines[at + 1..].iter().all(looks)
    }
}

/// The step of the world that a crash is.
fn world(crash: &Crash, moment: &Moment) -> Result<Option<WorldStep>, Untold> {
    Ok(match crash {
        Crash::Here => None,
        Crash::Process => Some(WorldStep::CrashProcess),
        Crash::Power(units) => {
            let garbage = |unit: &&Unit| matches!(unit.kind, UnitKind::Garbage(_));
            let (garbled, kept): (Vec<&Unit>, Vec<&Unit>) = units.iter().partition(garbage);
            let pending = moment.snapshot.pending();
            let all = pending.iter().filter(|unit| !garbage(unit)).count();
            let keep = if kept.len() == all && all > 0 { Keep::All } else { keep(&kept)? };
            Some(WorldStep::CrashPower { keep, garbage: self::keep(&garbled)? })
        }
    })
}

fn keep(units: &[&Unit]) -> Result<Keep, Untold> {
    if units.is_empty() {
        return Ok(Keep::None);
    }
    let named = units.iter().map(|unit| named(unit).ok_or(Untold::Unnamed(**unit)));
    Ok(Keep::These(named.collect::<Result<_, _>>()?))
}

/// A unit by the name that traces give it: of the file that has the name now.
pub(super) fn named(unit: &Unit) -> Option<SpecUnit> {
    let role = name(unit.role).filter(|_| unit.ago == 0)?;
    Some(match unit.kind {
        UnitKind::Name => SpecUnit::Name(role),
        UnitKind::Gone => SpecUnit::Gone(role),
        UnitKind::Size => SpecUnit::Size(role),
        UnitKind::Sector(number) | UnitKind::Garbage(number) => SpecUnit::Data(role, Some(number)),
    })
}

/// The sizes that a replay must set to run what the scope ran.
fn with(scope: &Scope) -> Vec<(String, String)> {
    let Setup { block, segment, batch, manifest_blocks, .. } = scope.setup;
    let numbers = [
        ("block", u64::from(block)),
        ("segment", segment),
        ("batch", u64::from(batch)),
        ("manifest", u64::from(manifest_blocks)),
        ("sector", u64::from(scope.profile.sector)),
    ];
    let mut with: Vec<_> = numbers.iter().map(|(key, n)| ((*key).to_owned(), n.to_string())).collect();
    with.push(("profile".to_owned(), scope.profile.name.to_owned()));
    with
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::explore::{Kind, Struck};
    use crate::subject::Plain;

    /// The number of a call of an append.
    fn call_of_append(op: Op) -> usize {
        let case: Case = "random: append".parse().expect("a case");
        let calls = case.sequence.calls::<Plain>(case.scope);
        let last = calls.iter().rposition(|call| matches!(call.role, Role::Segment(_)) && call.op == op);
        last.expect("an append writes and syncs")
    }

    /// On an engine that breaks nothing each trace is followed to its end: the crash falls where the case says.
    #[test]
    fn each_moment_of_a_case_is_a_trace_that_can_be_followed() {
        let mut told = 0;
        for letters in ["append append-large", "append-light submit tick", "append trim-all blackout append"]
        {
            for crash in ["process", "power none"] {
                for number in 0.. {
                    let case: Case = format!("random: {letters} @ {number} {crash}").parse().expect("a case");
                    let trace = match case.told::<Plain>(Invariant::AckedIsDurable, "a test") {
                        Ok(trace) => trace,
                        Err(Untold::Nowhere(_)) => break,
                        Err(why) => panic!("{letters} @ {number}: {why}"),
                    };
                    let again: Trace = trace.to_string().parse().expect("a trace");
                    assert_eq!(again, trace);
                    let end = follow(&trace, None);
                    assert_eq!(end, Ok(End::Reached), "{letters} @ {number} {crash}\n{trace}");
                    told += 1;
                }
            }
        }
        assert!(told > 100, "{told}");
    }

    /// The same where a call fails: at whichever call, in whichever way that traces have words for. The replay demands that
    /// it strikes.
    #[test]
    fn each_call_that_fails_is_a_trace_that_can_be_followed() {
        let (mut told, mut unsaid) = (0, BTreeSet::new());
        let runs = [
            ("random:", 19),
            ("random: append", 19),
            ("random: append append-large", 19),
            ("random: append-light tick", 19),
            ("random: append idle", 19),
            ("random-archive: append append compact", 130),
        ];
        for (text, stride) in runs {
            let plain: Case = text.parse().expect("a case");
            let calls = plain.sequence.calls::<Plain>(plain.scope);
            let ways = calls.iter().enumerate();
            let ways = ways.flat_map(|(at, call)| Kind::of(call).map(move |kind| Struck { call: at, kind }));
            for (nth, struck) in ways.enumerate() {
                let crash = if nth % 2 == 0 { "process" } else { "power none" };
                for number in (nth % stride..600).step_by(stride) {
                    let case: Case = format!("{text} {struck} @ {number} {crash}").parse().expect("a case");
                    let trace = match case.told::<Plain>(Invariant::AckedIsDurable, "a test") {
                        Ok(trace) => trace,
                        Err(Untold::Nowhere(_)) => break,
                        Err(Untold::Unsaid(why)) => {
                            unsaid.insert(why);
                            break;
                        }
                        Err(why) => panic!("{case}: {why}"),
                    };
                    let end = follow(&trace, None);
                    assert_eq!(end, Ok(End::Reached), "{case}\n{trace}");
                    told += 1;
                }
            }
        }
        assert!(told > 1000, "{told}");
        assert_eq!(unsaid.len(), 6, "{unsaid:?}");
    }

    /// A disk that loses a write of the log and says nothing is survived by no engine: here is a case that breaks.
    #[test]
    fn what_a_failing_call_breaks_is_told_with_the_call() {
        let write = call_of_append(Op::Write);
        let broken = |number: usize| {
            let case: Case =
                format!("random: append !{write}:lost @ {number} power none").parse().expect("a case");
            case.breaks::<Plain>(Invariant::AckedIsDurable).then_some(case)
        };
        let case = (0..200).find_map(broken).expect("an acknowledged record is lost");
        let trace = case.trace::<Plain>(Invariant::AckedIsDurable, "a test").expect("a trace");
        assert!(trace.to_string().contains("world fault seg-1 write ignored\n"), "{trace}");
        let needs = case.needs::<Plain>(Invariant::AckedIsDurable);
        assert!(needs.idle.is_empty() && needs.tried == 2, "{needs:?}");
        assert!(case.holds_near::<Plain>().is_some());
    }

    #[test]
    fn what_has_no_line_is_said() {
        let told = |text: &str| {
            let case: Case = text.parse().expect("a case");
            case.trace::<Plain>(Invariant::AckedIsDurable, "a test").expect_err("it holds")
        };
        assert_eq!(told("random: append @ 3 process @ 4 process"), Untold::Unsaid("several crashes"));
        let mixed = "a failed sync behind which some bytes are old and some are new";
        assert_eq!(
            told(&format!("random: append !{}:eio-mixed @ 60 process", call_of_append(Op::SyncData))),
            Untold::Unsaid(mixed)
        );
        assert_eq!(told("random: append @ 9999 process"), Untold::Nowhere(9999));
        assert!(matches!(told("random: append @ 30 process"), Untold::Otherwise(_)));
    }
}
