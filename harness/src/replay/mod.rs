//! The corpus: each trace is replayed on the mechanism and on the production code, and must end as it states.

mod place;
pub mod practice;
mod production;
mod slots;
mod state;
#[cfg(test)]
mod tests;

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use truelog_spec::mechanism::{Ending, Mechanism, replay};
use truelog_spec::step::EngineStep;
use truelog_spec::switches::Switch;
use truelog_spec::trace::Head;
use truelog_spec::{Invariant, Step, Trace, prefetch};

pub(crate) use place::unseen;
pub use production::{LeftPath, follow};
pub use slots::{Parted, keeps};

use crate::command::Plan;
use crate::progress::Progress;
use crate::report::Report;
use crate::subject::Setup;
use crate::traces::{AnySwitch, told};

/// How a replay on the production code ended. Lines are counted from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// Every line happened, and every invariant held.
    Reached,
    /// The code did something else where this line was due.
    Refused {
        /// The line.
        line: usize,
        /// What it did, if it did anything.
        instead: Option<EngineStep>,
        /// What it had done before in the same call, and the trace leaves out: a code that takes the line could not be told
        /// from one that has a guard there.
        besides: Option<Box<EngineStep>>,
    },
    /// The code took the line that it is said to refuse.
    Took {
        /// The line.
        line: usize,
    },
    /// An invariant was broken.
    Violated {
        /// The line.
        line: usize,
        /// Which.
        invariant: Invariant,
        /// How.
        says: String,
    },
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reached => f.write_str("each line happened, and every invariant held"),
            Self::Refused { line, instead: None, .. } => {
                write!(f, "line {line} was due, and nothing happened")
            }
            Self::Refused { line, instead: Some(step), .. } => {
                write!(f, "where line {line} was due, it did `{step}`")
            }
            Self::Took { line } => write!(f, "line {line} happened"),
            Self::Violated { line, invariant, says } => write!(f, "line {line} breaks {invariant}: {says}"),
        }
    }
}

/// What is wrong with a trace.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// It cannot be read.
    #[error("{0}")]
    Unreadable(String),
    /// It lies in the folder of another invariant.
    #[error("it breaks {0}, and lies in another folder")]
    Folder(Invariant),
    /// With its switch turned off the mechanism does not break the invariant at the marked line.
    #[error("with {switch} turned off the mechanism ends otherwise: {says}")]
    Switched {
        /// The switch.
        switch: String,
        /// How it ends.
        ending: Ending,
        /// The same, with the step and what stands against it.
        says: String,
    },
    /// The mechanism as it is does not end as the trace states.
    #[error("the mechanism ends otherwise than {head}: {says}")]
    Mechanism {
        /// What the trace states.
        head: Head,
        /// How it ends.
        ending: Ending,
        /// The same, with the step and what stands against it.
        says: String,
    },
    /// On a design of the prefetch it does not end as the trace states.
    #[error("on the {design} of the prefetch it ends otherwise: {says}")]
    Prefetch {
        /// The switch's design, or that of the slot word.
        design: String,
        /// How it ends.
        ending: Ending<prefetch::Guard>,
        /// The same, with the step and what stands against it.
        says: String,
    },
    /// The production slot word parts from its design.
    #[error("the production slot word: {0}")]
    Word(#[from] Parted),
    /// The bug with which its path is open is none that there is.
    #[error(
        "`mutant: {0}` is no switch of its model and no patch of corpus/mutants: nothing shows that its path breaks anything"
    )]
    NoSuchMutant(String),
    /// It names a part that the mechanism does not leave out, or a reason that is none of the production code's.
    #[error("`{0}` names nothing in the table of harness/src/replay/practice.rs")]
    Unknown(Head),
    /// The mechanism is said to leave out what the path is about, and has a part in it all the same.
    #[error("`{0}`, and yet steps of the engine are in the path")]
    Modelled(Head),
    /// What it says of the production code is what it says of the mechanism.
    #[error("`code: {0}` says nothing new")]
    SaidTwice(Head),
    /// The production code leaves the path.
    #[error("the production code leaves the path: {0}")]
    Left(#[from] LeftPath),
    /// The production code does not end as the trace states.
    #[error("the production code ends otherwise than {head}: {end}")]
    Production {
        /// What the trace states.
        head: Head,
        /// How it ends.
        end: End,
    },
}

/// A trace that ended as it states.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replayed {
    /// Whether it was shown, too, that it violates with its switch turned off.
    pub violates: bool,
    /// How many lines it has.
    pub lines: usize,
    /// How many actions of it were done on the production slot word.
    pub on_word: u64,
    /// What the production code does before it refuses a line, in the same call, that the trace leaves out. Unless that is
    /// what the guard asks for, the trace does not tell it from a code without the guard.
    pub besides: Option<Box<EngineStep>>,
}

/// All traces under `corpus`, in the order of their paths.
///
/// # Errors
/// When a folder cannot be read.
pub fn traces(corpus: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut traces = Vec::new();
    for folder in fs::read_dir(corpus)? {
        let folder = folder?.path();
        if folder.is_dir() {
            for entry in fs::read_dir(folder)? {
                let path = entry?.path();
                if path.extension().is_some_and(|extension| extension == "trace") {
                    traces.push(path);
                }
            }
        }
    }
    traces.sort();
    Ok(traces)
}

/// Reads a trace, and holds it against the folder that it lies in.
///
/// # Errors
/// When it cannot be read, or lies in the wrong folder.
pub fn read(path: &Path) -> Result<Trace, Wrong> {
    let unreadable =
        |error: &dyn std::fmt::Display| Wrong::Unreadable(format!("{}: {error}", path.display()));
    let text = fs::read_to_string(path).map_err(|error| unreadable(&error))?;
    let trace: Trace = text.parse().map_err(|error: truelog_spec::trace::TraceError| unreadable(&error))?;
    let folder = path.parent().and_then(Path::file_name).and_then(|name| name.to_str());
    if Invariant::ALL.iter().any(|one| Some(one.as_str()) == folder)
        && folder != Some(trace.invariant.as_str())
    {
        return Err(Wrong::Folder(trace.invariant));
    }
    Ok(trace)
}

/// Replays a trace on the mechanism, with its switch turned off and on, and on the production code. Each must end as
/// the trace states, at that line and for that reason.
///
/// # Errors
/// What ends otherwise than the trace states.
pub fn check_one(trace: &Trace) -> Result<Replayed, Wrong> {
    let steps: Vec<Step> = trace.lines.iter().map(|line| line.step.clone()).collect();
    if let Some(slug) =
        trace.mutant.as_deref().filter(|_| AnySwitch::of(trace).is_none() && !is_patched(trace))
    {
        return Err(Wrong::NoSuchMutant(slug.to_owned()));
    }
    if trace.is_of_prefetch() {
        return on_prefetch(trace, &steps);
    }
    let switch = trace.mutant.as_deref().and_then(|slug| slug.parse::<Switch>().ok());
    if let Some(switch) = switch {
        let (ending, _) = replay(switch.mechanism(), &steps);
        let line = trace.violation().map_or(0, |(line, _)| line);
        if ending != (Ending::Violated { line, invariant: trace.invariant }) {
            let says = told(&ending, &steps);
            return Err(Wrong::Switched { switch: switch.to_string(), ending, says });
        }
    }
    on_mechanism(trace, &steps)?;
    let besides = on_code(trace)?;
    Ok(Replayed { violates: switch.is_some(), lines: trace.lines.len(), on_word: 0, besides })
}

/// Whether the bug with which a path is open is a patch of the engine.
fn is_patched(trace: &Trace) -> bool {
    let mutants = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus/mutants");
    trace.mutant.as_deref().is_some_and(|slug| mutants.join(format!("{slug}.patch")).is_file())
}

/// What is said of a trace that ended as it states; whether it was shown to violate, too.
#[must_use]
pub fn as_stated(trace: &Trace, violates: bool) -> String {
    let with = if violates { "; without the rule it breaks " } else { "; it is about " };
    let (invariant, head) = (trace.invariant, &trace.head);
    let on = if trace.is_of_prefetch() {
        format!("model of slots: {head}")
    } else {
        format!("mechanism: {head}\ncode: {}", trace.code())
    };
    format!("ends as stated{with}{invariant}\n{on}")
}

/// How the production code is set up for a trace, and the sectors of its disk, in bytes.
pub(crate) fn set_up(trace: &Trace) -> (Setup, u32) {
    (place::setup(trace), place::disk(trace).1)
}

/// The design of the trace's switch, that of the slot word, and the production code's word itself.
fn on_prefetch(trace: &Trace, steps: &[Step]) -> Result<Replayed, Wrong> {
    let switch = trace.mutant.as_deref().and_then(|slug| slug.parse::<prefetch::Switch>().ok());
    if let Some(switch) = switch {
        let (ending, _) = prefetch::replay(switch.design(), steps);
        let line = trace.violation().map_or(0, |(line, _)| line);
        if ending != (Ending::Violated { line, invariant: trace.invariant }) {
            let says = told(&ending, steps);
            return Err(Wrong::Prefetch { design: format!("design {switch}"), ending, says });
        }
    }
    let (ending, _) = prefetch::replay(prefetch::Design::PACKED, steps);
    match (&trace.head, &ending) {
        (Head::Reached, Ending::Reached) => {}
        (Head::Refused { line, guard }, Ending::Refused { line: at, guard: by })
            if line == at && guard == by.as_str() => {}
        _ => {
            let says = told(&ending, steps);
            return Err(Wrong::Prefetch { design: "slot word".to_owned(), ending, says });
        }
    }
    if let Some(code) = &trace.code {
        return Err(Wrong::Unknown(code.clone()));
    }
    let on_word = slots::follow(steps)?;
    Ok(Replayed { violates: switch.is_some(), lines: steps.len(), on_word, besides: None })
}

/// The mechanism as it is.
fn on_mechanism(trace: &Trace, steps: &[Step]) -> Result<(), Wrong> {
    let head = &trace.head;
    if let Head::Unmodelled { part } = head {
        let shown = steps.iter().any(|step| matches!(step, Step::Engine(_)));
        return match practice::left_out(part) {
            None => Err(Wrong::Unknown(head.clone())),
            Some(_) if shown => Err(Wrong::Modelled(head.clone())),
            Some(_) => Ok(()),
        };
    }
    let (ending, _) = replay(Mechanism::default(), steps);
    match (head, &ending) {
        (Head::Reached, Ending::Reached) => Ok(()),
        (Head::Refused { line, guard }, Ending::Refused { line: at, guard: by })
            if line == at && *guard == by.to_string() =>
        {
            Ok(())
        }
        _ => {
            let says = told(&ending, steps);
            Err(Wrong::Mechanism { head: head.clone(), ending, says })
        }
    }
}

/// The production code as it is; what it does before it refuses a line, in the same call, that the trace leaves out.
fn on_code(trace: &Trace) -> Result<Option<Box<EngineStep>>, Wrong> {
    let head = trace.code();
    let line = |head: &Head| match head {
        Head::Refused { line, .. } => Some(*line),
        Head::Reached | Head::Unmodelled { .. } => None,
    };
    let unmodelled = matches!(trace.head, Head::Unmodelled { .. });
    if trace.code.is_some() && line(head) == line(&trace.head) && !unmodelled {
        return Err(Wrong::SaidTwice(head.clone()));
    }
    let end = follow(trace, line(head))?;
    let otherwise = || Wrong::Production { head: head.clone(), end: end.clone() };
    match (head, &end) {
        (Head::Reached, End::Reached) => Ok(None),
        (Head::Refused { line, guard }, End::Refused { line: at, instead, besides }) if line == at => {
            // A guard of the mechanism is the mechanism's to name.
            if trace.code.is_none() {
                return Ok(besides.clone());
            }
            let practice = practice::practice(guard).ok_or_else(|| Wrong::Unknown(head.clone()))?;
            let due = trace.lines.get(line - 1).map(|line| &line.step);
            match (due, instead) {
                (Some(Step::Engine(due)), instead) if (practice.explains)(due, instead.as_ref()) => {
                    Ok(besides.clone())
                }
                _ => Err(otherwise()),
            }
        }
        _ => Err(otherwise()),
    }
}

/// The folder of the corpus.
#[must_use]
pub fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus")
}

/// The check `corpus`.
#[must_use]
pub fn check(_: &Plan, progress: &Progress) -> Report {
    let scope = "each trace on the mechanism with its switch off (violates) and on, and on the production code in the \
                 simulated disk";
    let mut report = Report::new("corpus", scope);
    let found = match traces(&corpus()) {
        Ok(found) => found,
        Err(error) => {
            report.environment(format!("the corpus cannot be read: {error}"));
            return report;
        }
    };
    progress.expect(found.len() as u64);
    report.count("traces", 0);
    for path in found {
        let name = path.strip_prefix(corpus()).unwrap_or(&path).display().to_string();
        progress.says(name.clone());
        match read(&path).and_then(|trace| check_one(&trace).map(|replayed| (trace, replayed))) {
            Ok((trace, replayed)) => {
                report.count("traces", 1);
                report.count("lines", replayed.lines as u64);
                report.count("actions on the production slot word", replayed.on_word);
                report.count("violating with their switch off", u64::from(replayed.violates));
                let earlier = trace.code.is_some() && !matches!(trace.head, Head::Unmodelled { .. });
                report.count("that the code leaves before the mechanism does", u64::from(earlier));
            }
            Err(wrong) => {
                let invariant = match &wrong {
                    Wrong::Production { end: End::Violated { invariant, .. }, .. } => invariant.as_str(),
                    Wrong::Production { .. } | Wrong::Left(_) | Wrong::Word(_) => {
                        read(&path).map_or("harness", |t| t.invariant.as_str())
                    }
                    _ => "harness",
                };
                report.find(
                    invariant,
                    format!("{name}: {wrong}"),
                    format!("cargo verify replay corpus/{name}"),
                );
            }
        }
        progress.advance(1);
    }
    report
}
