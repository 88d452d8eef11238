//! Makes a trace smaller: steps are left out as long as the path still breaks the same invariant with the same switch,
//! and the design still refuses it for that switch's guard. Where the production code can be led along a trace, up to
//! where it refuses it, it can be led along the smaller one, too; and where it does nothing that the trace leaves out before it
//! refuses, the smaller one leaves nothing out either: a code without the guard could not be told from it.

use std::fmt;
use std::ops::Range;

use truelog_spec::mechanism::Ending;
use truelog_spec::step::{Actor, ClientStep};
use truelog_spec::trace::Line;
use truelog_spec::{Invariant, Step, Trace};

use super::{AnySwitch, Ground, left_out, told};
use crate::replay::check_one;

/// In traces of up to so many steps, pairs of steps and steps that follow one another are tried, too: all of them.
pub const ALL: usize = 150;

/// A trace without the steps that its violation does not need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shrunk {
    /// It.
    pub trace: Trace,
    /// How many steps were left out.
    pub left_out: usize,
    /// Which, by their numbers in the trace as it was.
    pub removed: Vec<usize>,
    /// For each step that stays, in order: how the path ends without it.
    pub without: Vec<Without>,
}

/// How a path ends without one of its steps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Without {
    /// So, as the shorter path counts its lines.
    Ends {
        /// How.
        ending: Ending<String>,
        /// The same, with the step and what stands against it.
        says: String,
    },
    /// It breaks the same invariant, by a step that nobody would take there: the model offers it only behind the step
    /// that is left out.
    NotOffered(Step),
}

impl fmt::Display for Without {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ends { says, .. } => f.write_str(says),
            Self::NotOffered(step) => write!(f, "nobody would take `{step}`"),
        }
    }
}

/// A step, and whether the model offered it on the path that is shrunk: then it must offer it on a smaller one, too.
#[derive(Debug, Clone)]
struct Marked {
    number: usize,
    step: Step,
    offered: bool,
}

/// Why a trace cannot be made smaller here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unshrinkable {
    /// The mechanism cannot tell.
    #[error("the mechanism leaves out what the path is about ({0}): it cannot tell which steps are needed")]
    Unmodelled(String),
    /// No switch opens the path.
    #[error("no switch of the specification is called {0:?}: a patch of the engine changes nothing there")]
    NoSwitch(String),
    /// No bug is named with which the path is open.
    #[error(
        "it names no bug with which its path is open: the engine itself breaks at its end, or nothing does"
    )]
    NoMutant,
    /// It does not break its invariant to begin with.
    #[error("with {switch} turned off it does not break {invariant}: {ending}")]
    Otherwise {
        /// The switch.
        switch: String,
        /// What it should break.
        invariant: Invariant,
        /// How it ends.
        ending: String,
    },
    /// The design refuses it for another reason than its switch's.
    #[error("{0}")]
    AnotherReason(String),
}

/// Shrinks a trace.
///
/// # Errors
/// [`Unshrinkable`], where the specification does not break the trace's invariant by a switch.
pub fn shrink(trace: &Trace) -> Result<Shrunk, Unshrinkable> {
    if let Some(part) = left_out(trace) {
        return Err(Unshrinkable::Unmodelled(part.to_owned()));
    }
    let unshrinkable = || trace.mutant.clone().map_or(Unshrinkable::NoMutant, Unshrinkable::NoSwitch);
    let switch = AnySwitch::of(trace).ok_or_else(unshrinkable)?;
    let led = Led::along(trace);
    let aim = Aim { switch, trace, designed: Ground::designed(trace), led };
    let offers = switch.offers(&super::steps(trace));
    let marked = trace.numbered().zip(offers.into_iter().chain(std::iter::repeat(false)));
    let marked: Vec<Marked> =
        marked.map(|((number, line), offered)| Marked { number, step: line.step.clone(), offered }).collect();
    let Some(mut lines) = aim.hit(&marked) else {
        let steps = super::steps(trace);
        let ending = told(&switch.ground().run(&steps), &steps);
        return Err(Unshrinkable::Otherwise {
            switch: trace.mutant.clone().unwrap_or_default(),
            invariant: trace.invariant,
            ending,
        });
    };
    while let Some(fewer) = aim.fewer(&lines) {
        lines = fewer;
    }
    let left_out = trace.lines.len() - lines.len();
    let stays = |number: &usize| lines.iter().any(|line| line.number == *number);
    let removed = (1..=trace.lines.len()).filter(|number| !stays(number)).collect();
    let without = (0..lines.len()).map(|at| aim.ends(&without(&lines, at..at + 1))).collect();
    if left_out == 0 {
        return Ok(Shrunk { trace: trace.clone(), left_out, removed, without });
    }
    let trace = aim.stated(&lines).map_err(Unshrinkable::AnotherReason)?;
    Ok(Shrunk { trace, left_out, removed, without })
}

/// What must stay true of a smaller path.
struct Aim<'a> {
    switch: AnySwitch,
    trace: &'a Trace,
    designed: Ground,
    /// How the production code can be led along it.
    led: Led,
}

/// How the production code can be led along a path, from worse to better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Led {
    /// Not at all.
    Not,
    /// It does something that the path leaves out before it refuses it.
    Besides,
    /// It does as the path says, up to where it refuses it.
    Strictly,
}

impl Led {
    fn along(trace: &Trace) -> Self {
        match check_one(trace) {
            Ok(replayed) if replayed.besides.is_none() => Self::Strictly,
            Ok(_) => Self::Besides,
            Err(_) => Self::Not,
        }
    }
}

impl Aim<'_> {
    /// A path as a trace. What was seen on the longer path is not known of the shorter one.
    fn stated(&self, lines: &[Marked]) -> Result<Trace, String> {
        let last = lines.len();
        let lines = (1..).zip(lines).map(|(number, line)| Line {
            step: line.step.clone(),
            outcome: None,
            violates: number == last,
        });
        self.switch.stated(Trace { lines: lines.collect(), code: None, ..self.trace.clone() })
    }

    fn run(&self, lines: &[Marked]) -> Ending<String> {
        self.switch.ground().run(&steps(lines))
    }

    /// The first step that is not offered any more.
    fn out_of_place<'a>(&self, lines: &'a [Marked]) -> Option<&'a Step> {
        let offers = self.switch.offers(&steps(lines));
        let lost = lines.iter().zip(offers).find(|(line, offered)| line.offered && !offered);
        lost.map(|(line, _)| &line.step)
    }

    /// How a path that was tried ends.
    fn ends(&self, lines: &[Marked]) -> Without {
        match (self.run(lines), self.out_of_place(lines)) {
            (Ending::Violated { .. }, Some(step)) => Without::NotOffered(step.clone()),
            (ending, _) => {
                let says = told(&ending, &steps(lines));
                Without::Ends { ending, says }
            }
        }
    }

    /// The path up to its violation, if it breaks the invariant by the switch.
    fn hit(&self, lines: &[Marked]) -> Option<Vec<Marked>> {
        let breaks = |lines: &[Marked]| match self.run(lines) {
            Ending::Violated { line, invariant } if invariant == self.trace.invariant => Some(line),
            _ => None,
        };
        let path = &lines[..breaks(lines)?];
        // What comes behind a create or an open decides how that runs.
        if breaks(path)? != path.len() || self.out_of_place(path).is_some() {
            return None;
        }
        match self.designed.run(&steps(path)) {
            Ending::Refused { guard, .. } if self.switch.turns_off(&guard) => {}
            _ => return None,
        }
        let led = || self.stated(path).is_ok_and(|trace| Led::along(&trace) >= self.led);
        (self.led == Led::Not || led()).then(|| path.to_vec())
    }

    /// A smaller path, if there is one: large pieces are tried first, then pairs.
    fn fewer(&self, lines: &[Marked]) -> Option<Vec<Marked>> {
        let long = (0..lines.len()).filter(|&at| runs_alone(&lines[at].step)).map(|at| run_behind(lines, at));
        let halves = std::iter::successors(Some(lines.len() / 2), |size| Some(size / 2));
        let pieces = halves
            .take_while(|size| *size > 0)
            .flat_map(|size| (0..lines.len()).step_by(size).map(move |at| at..(at + size).min(lines.len())));
        let ranges = long.filter(|range| !range.is_empty()).chain(pieces);
        let found = ranges.filter_map(|range| self.hit(&without(lines, range))).next();
        if lines.len() > ALL {
            return found;
        }
        found.or_else(|| self.row(lines)).or_else(|| self.pair(lines))
    }

    /// A path without some steps that follow one another: what is made by several steps is left out as a whole.
    fn row(&self, lines: &[Marked]) -> Option<Vec<Marked>> {
        let rows = |length: usize| (0..=lines.len() - length).map(move |at| at..at + length);
        (2..lines.len()).rev().flat_map(rows).find_map(|range| self.hit(&without(lines, range)))
    }

    /// A path without two steps that need each other.
    fn pair(&self, lines: &[Marked]) -> Option<Vec<Marked>> {
        let one = |at: usize, lines: &[Marked]| without(lines, at..at + 1);
        let later = (1..lines.len()).map(|second| (second, one(second, lines)));
        later
            .flat_map(|(second, rest)| (0..second).map(move |first| one(first, &rest)).collect::<Vec<_>>())
            .find_map(|rest| self.hit(&rest))
    }
}

fn steps(lines: &[Marked]) -> Vec<Step> {
    lines.iter().map(|line| line.step.clone()).collect()
}

fn without(lines: &[Marked], range: Range<usize>) -> Vec<Marked> {
    lines[..range.start].iter().chain(&lines[range.end..]).cloned().collect()
}

/// Whether a replay runs it to its end by itself where no step of the engine follows.
const fn runs_alone(step: &Step) -> bool {
    matches!(step, Step::Client(ClientStep::Create | ClientStep::Open | ClientStep::AcceptLoss))
}

/// The engine's steps behind a line.
fn run_behind(lines: &[Marked], at: usize) -> Range<usize> {
    let run = lines[at + 1..].iter().take_while(|line| line.step.actor() == Actor::Engine).count();
    at + 1..at + 1 + run
}
