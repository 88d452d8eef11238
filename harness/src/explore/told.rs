//! A case as a trace: the steps of its clients and of the world, and between them what the engine did.

use truelog_spec::mechanism::{Ending, Guard, Mechanism, replay};
use truelog_spec::step::{Keep, Unit as SpecUnit};
use truelog_spec::trace::{Head, Line};
use truelog_spec::{ClientStep, Invariant, Outcome, Step, Trace, WorldStep};

use super::case::{Case, Crash, crashed};
use super::teller::{Opens, Teller, Written};
use super::unseen::filled;
use super::{Scope, new_disk};
use crate::driver::{Driver, Moment};
use crate::fabric::{Image, SimFs, Unit, UnitKind};
use crate::order::mapper::name;
use crate::replay::{End, follow};
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
        let trace = self.up_to_broken::<S>(invariant).told::<S>(invariant, found_by)?;
        match follow(&trace, None) {
            Ok(End::Violated { invariant: broken, .. }) if broken == invariant => Ok(trace),
            Ok(end) => Err(Untold::Otherwise(end.to_string())),
            Err(left) => Err(Untold::Otherwise(left.to_string())),
        }
    }

    /// The same up to the first crash behind which the invariant is broken: what comes later shows nothing.
    fn up_to_broken<S: Archived>(&self, invariant: Invariant) -> Self {
        let upto = |crashes: usize| Self { crashes: self.crashes[..crashes].to_vec(), ..self.clone() };
        let mut shorter = (1..self.crashes.len()).map(upto);
        shorter.find(|case| case.breaks::<S>(invariant)).unwrap_or_else(|| self.clone())
    }

    /// The same, whether it breaks anything or not.
    fn told<S: Archived>(&self, invariant: Invariant, found_by: &str) -> Result<Trace, Untold> {
        let mut lines = filled(self.lines::<S>(Opens::Short)?);
        let stands = |lines: &[Line]| refused(lines).is_none_or(|(_, guard)| guard != Guard::NoSuchStep);
        if !stands(&lines) {
            let whole = filled(self.lines::<S>(Opens::Whole)?);
            if stands(&whole) {
                lines = whole;
            }
        }
        let Some(last) = lines.iter_mut().rfind(|line| matches!(line.step, Step::Client(_))) else {
            return Err(Untold::Nowhere(0));
        };
        last.violates = true;
        let head = refused(&lines)
            .map_or(Head::Reached, |(line, guard)| Head::Refused { line, guard: guard.to_string() });
        // Here and now the path is taken to its end, whatever the mechanism says.
        let code = (head != Head::Reached).then_some(Head::Reached);
        let with = with(self.scope);
        Ok(Trace { invariant, found_by: found_by.to_owned(), mutant: None, head, code, with, lines })
    }

    /// The step that comes right before the last crash.
    pub(super) fn behind<S: Archived>(&self) -> Option<Step> {
        let lines = self.lines::<S>(Opens::Short).ok()?;
        if let Some((_, Crash::Here)) = self.crashes.last() {
            return lines.last().map(|line| line.step.clone());
        }
        let crashed = lines.iter().rposition(|line| {
            matches!(line.step, Step::World(WorldStep::CrashPower { .. } | WorldStep::CrashProcess))
        });
        lines.get(crashed?.checked_sub(1)?).map(|line| line.step.clone())
    }

    /// The lines of each life up to its crash, the crash, and the open behind the last one.
    fn lines<S: Archived>(&self, opens: Opens) -> Result<Vec<Line>, Untold> {
        let Self { scope, sequence, crashes } = self;
        let mut driver = Driver::<S>::new(new_disk(scope), scope.setup);
        driver.tell_steps();
        sequence.play(scope, &mut driver, |_, _| {});
        let mut fault = sequence.fault.and_then(|struck| struck.in_words(&sequence.calls::<S>(scope)));
        let (mut deeds, mut lines, mut written) = (driver.deeds(), Vec::new(), Written::default());
        for (life, (number, crash)) in crashes.iter().enumerate() {
            let mut teller = Teller::new(opens, fault.take(), matches!(crash, Crash::Process));
            let moment = teller.hear(deeds, *number)?.ok_or(Untold::Nowhere(*number))?;
            teller.append_to(&mut lines, &mut written);
            let Some(step) = world(crash, &moment)? else { break };
            lines.push(Line::new(step, None));
            let image = left(crash, &moment)?;
            if life + 1 == crashes.len() {
                lines.push(Line::new(ClientStep::Open, Some(opened::<S>(scope, &image))));
                break;
            }
            deeds = self.recovered::<S>(life, &image, true).deeds;
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

/// What a crash leaves.
fn left(crash: &Crash, moment: &Moment) -> Result<Image, Untold> {
    let crashed = crashed(moment, crash).map_err(|error| Untold::Impossible(error.to_string()))?;
    crashed.map(|(_, image)| image).ok_or(Untold::Unsaid("no crash"))
}

/// What the open behind the last crash says of itself.
fn opened<S: Archived>(scope: &Scope, image: &Image) -> Outcome {
    let mut driver = Driver::<S>::new(SimFs::from_image(image), scope.setup);
    driver.deaf();
    driver.client(&ClientStep::Open)
}

/// Where the mechanism refuses lines.
fn refused(lines: &[Line]) -> Option<(usize, Guard)> {
    let steps: Vec<Step> = lines.iter().map(|line| line.step.clone()).collect();
    match replay(Mechanism::default(), &steps).0 {
        Ending::Refused { line, guard } => Some((line, guard)),
        Ending::Reached | Ending::Violated { .. } => None,
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
    let flags = [("reuse", scope.setup.reuse), ("allocate", scope.setup.allocate)];
    with.extend(flags.iter().filter(|(_, on)| *on).map(|(key, _)| ((*key).to_owned(), "on".to_owned())));
    with
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use truelog_env::Op;
    use truelog_spec::Failure;

    use super::*;
    use crate::driver::Deed;
    use crate::explore::teller::is_used_again;
    use crate::explore::{Kind, Struck};
    use crate::fabric::Role;
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
        let (mut told, mut used_again) = (0, 0);
        for letters in [
            "random: append append-large",
            "random: append-light submit tick",
            "random: append trim-all blackout append",
            "random: append restore",
            "random-reused: batch append-large append-large append-large trim-all batch append-large",
        ] {
            for crash in ["process", "power none"] {
                for number in 0.. {
                    let case: Case = format!("{letters} @ {number} {crash}").parse().expect("a case");
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
                    let again =
                        |pair: &[Line]| is_used_again(&pair[0].step, Some(&Deed::Step(pair[1].step.clone())));
                    used_again += usize::from(trace.lines.windows(2).any(again));
                }
            }
        }
        assert!(told > 100, "{told}");
        assert!(used_again > 20, "{used_again}");
    }

    /// The same where a crash comes in a life behind another one.
    #[test]
    fn each_moment_of_a_second_and_of_a_third_life_is_a_trace_that_can_be_followed() {
        let (mut told, mut guards) = (0, BTreeSet::new());
        let firsts = [
            "random: append append-large @ 40 process",
            "random: append trim-all @ 60 power none",
            "random: append blackout append @ 57 process",
            "random-reused: batch append-large append-large append-large trim-all batch append-large @ 83 process",
            "archive-half-made: add-drives @ 63 power none",
        ];
        let seconds = ["process", "power none", "process @ 3 power none"];
        for (first, second) in firsts.iter().flat_map(|first| seconds.map(|second| (first, second))) {
            for number in 0.. {
                let case: Case = format!("{first} @ {number} {second}").parse().expect("a case");
                let trace = match case.told::<Plain>(Invariant::AckedIsDurable, "a test") {
                    Ok(trace) => trace,
                    Err(Untold::Nowhere(_)) => break,
                    Err(why) => panic!("{case}: {why}"),
                };
                if let Head::Refused { guard, .. } = &trace.head {
                    guards.insert(guard.clone());
                }
                assert_eq!(follow(&trace, None), Ok(End::Reached), "{case}\n{trace}");
                told += 1;
            }
        }
        assert!(told > 100, "{told}");
        // An open that the mechanism goes on behind is one line, whatever was written before.
        let case: Case = "random: append append-large @ 31 process @ 6 power none".parse().expect("a case");
        let trace = case.told::<Plain>(Invariant::AckedIsDurable, "a test").expect("a trace");
        assert!(trace.to_string().contains("\n1 client create -> done\n2 client append "), "{trace}");
        // The mechanism has no edit that comes in a checkpoint, and no removal of a segment that was made for records which
        // were never written; anything else it follows.
        assert_eq!(guards.into_iter().collect::<Vec<_>>(), ["batch-needs-named-segment", "no-such-step"]);
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
            ("random-reused: batch append-large append-large append-large trim-all", 19),
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
        // What comes behind the crash that shows it is no part of it.
        let longer: Case = format!("{case} @ 9 power none").parse().expect("a case");
        let same = longer.trace::<Plain>(Invariant::AckedIsDurable, "a test").expect("a trace");
        assert_eq!(same.lines, trace.lines);
        let needs = case.needs::<Plain>(Invariant::AckedIsDurable);
        assert!(needs.idle.is_empty() && needs.tried == 2, "{needs:?}");
        assert!(case.holds_near::<Plain>().is_some());
    }

    /// What is asked of a handle that has ended is no step of the path.
    #[test]
    fn a_call_of_a_poisoned_handle_is_left_out() {
        let case: Case = "random-archive: batch trim-most append-large compact !32:enospc @ 131 here"
            .parse()
            .expect("a case");
        let trace = case.told::<Plain>(Invariant::AckedIsDurable, "a test").expect("a trace");
        let outside = |line: &&Line| matches!(line.step, Step::Client(_) | Step::World(_));
        let text: Vec<String> =
            trace.lines.iter().filter(outside).map(|line| line.step.to_string()).collect();
        assert_eq!(text.len(), 10, "{text:?}");
        let failed = |line: &&Line| line.outcome == Some(Outcome::Failed(Failure::Poisoned));
        assert_eq!(trace.lines.iter().filter(failed).count(), 1, "{trace}");
        assert_eq!(follow(&trace, None), Ok(End::Reached), "{trace}");
    }

    #[test]
    fn what_has_no_line_is_said() {
        let told = |text: &str| {
            let case: Case = text.parse().expect("a case");
            case.trace::<Plain>(Invariant::AckedIsDurable, "a test").expect_err("it holds")
        };
        let mixed = "a failed sync behind which some bytes are old and some are new";
        assert_eq!(
            told(&format!("random: append !{}:eio-mixed @ 60 process", call_of_append(Op::SyncData))),
            Untold::Unsaid(mixed)
        );
        assert_eq!(told("random: append @ 9999 process"), Untold::Nowhere(9999));
        assert!(matches!(told("random: append @ 30 process"), Untold::Otherwise(_)));
    }
}
