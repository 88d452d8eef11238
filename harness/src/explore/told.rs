//! A case as a trace: the steps of its clients and of the world, and between them what the engine did.

use truelog_spec::mechanism::{Ending, Mechanism, replay};
use truelog_spec::step::{EngineStep, Keep, Unit as SpecUnit};
use truelog_spec::trace::{Head, Line};
use truelog_spec::{ClientStep, Invariant, Step, Trace, WorldStep};

use super::case::{Case, Crash};
use super::unseen::filled;
use super::{Scope, new_disk};
use crate::driver::{At, Deed, Driver, Moment};
use crate::fabric::{Unit, UnitKind};
use crate::order::mapper::name;
use crate::replay::{End, follow};
use crate::subject::{Archived, Setup};

/// Why a case is no trace.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Untold {
    /// Traces of several lives, and of calls that fail by number, are written by hand.
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
        if self.sequence.fault.is_some() {
            return Err(Untold::Unsaid("a call that fails"));
        }
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

    /// The lines of the first life up to the crash, the crash, and the open behind it.
    fn lines<S: Archived>(&self, number: usize, crash: &Crash) -> Result<Vec<Line>, Untold> {
        let mut driver = Driver::<S>::new(new_disk(self.scope), self.scope.setup);
        driver.tell_steps();
        let mut teller = Teller::default();
        for step in self.sequence.steps(self.scope).0 {
            if matches!(step, Step::World(_)) {
                teller.lines.push(Line::new(step.clone(), None));
            }
            // A scope's own steps of the world are always possible.
            let _ = driver.step(&step);
            if let Some(moment) = teller.hear(driver.deeds(), number) {
                let mut lines = teller.lines;
                if let Some(step) = world(crash, &moment)? {
                    lines.push(Line::new(step, None));
                    let opened = opened::<S>(self.scope, crash, &moment)?;
                    lines.push(Line::new(ClientStep::Open, opened));
                }
                return Ok(lines);
            }
        }
        Err(Untold::Nowhere(number))
    }
}

/// What the open behind the crash says of itself.
fn opened<S: Archived>(
    scope: &Scope,
    crash: &Crash,
    moment: &Moment,
) -> Result<Option<truelog_spec::Outcome>, Untold> {
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
    due: Option<std::sync::Arc<Moment>>,
}

impl Teller {
    /// The moment, once it has come.
    fn hear(&mut self, deeds: Vec<Deed>, number: usize) -> Option<std::sync::Arc<Moment>> {
        for deed in deeds {
            match deed {
                Deed::Begin(step) => {
                    self.call = Some(self.lines.len());
                    self.lines.push(Line::new(step, None));
                }
                // A file that is filled by two writes is filled once, unless the crash comes between them.
                Deed::Step(step) if self.due.is_none() && self.has_just_taken(step) => {}
                Deed::Step(step) => {
                    self.lines.push(Line::new(step, None));
                    if self.due.is_some() {
                        return self.due.take();
                    }
                }
                Deed::Finish(outcome) => {
                    if let Some(at) = self.call.take() {
                        self.finish(at, outcome);
                    }
                    if self.due.is_some() {
                        return self.due.take();
                    }
                }
                Deed::Moment(moment) => {
                    self.moments += 1;
                    if self.moments == number + 1 {
                        match moment.at {
                            // An end of a call is heard of here before it is known what step that was.
                            At::During(..) | At::After(..) => self.due = Some(moment),
                            At::Claim(_) | At::Return => return Some(moment),
                        }
                    }
                }
                _ => {}
            }
        }
        None
    }

    fn has_just_taken(&self, step: EngineStep) -> bool {
        self.lines.last().is_some_and(|line| line.step == Step::Engine(step))
    }

    /// A create or an open that ran to its end is one line: how it does that is not what the path is about.
    fn finish(&mut self, at: usize, outcome: truelog_spec::Outcome) {
        let line = &mut self.lines[at];
        line.outcome = Some(outcome);
        if matches!(line.step, Step::Client(ClientStep::Create | ClientStep::Open)) && self.due.is_none() {
            self.lines.truncate(at + 1);
        }
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
    use super::*;
    use crate::subject::Plain;

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

    #[test]
    fn what_has_no_line_is_said() {
        let told = |text: &str| {
            let case: Case = text.parse().expect("a case");
            case.trace::<Plain>(Invariant::AckedIsDurable, "a test").expect_err("it holds")
        };
        assert_eq!(told("random: append @ 3 process @ 4 process"), Untold::Unsaid("several crashes"));
        assert_eq!(told("random: append !3:eio @ 3 process"), Untold::Unsaid("a call that fails"));
        assert_eq!(told("random: append @ 9999 process"), Untold::Nowhere(9999));
        assert!(matches!(told("random: append @ 30 process"), Untold::Otherwise(_)));
    }
}
