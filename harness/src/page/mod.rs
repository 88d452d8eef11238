//! A counterexample as a page that is reviewed in a minute.
//!
//! A page is made from a trace and what is known about it, and from nothing else: the same two give the same
//! page, so that a test can hold the pages of the corpus against their traces.

pub mod corpus;
mod diagram;
mod found;
pub mod kept;
mod prefetch;
mod rows;
mod terminal;
#[cfg(test)]
mod tests;
mod words;

use std::fmt;

use truelog_spec::Trace;
use truelog_spec::mechanism::Guard;
use truelog_spec::prefetch as slots;
use truelog_spec::switches::Switch;
use truelog_spec::trace::Head;

pub use rows::{MAX_CLIENT_AND_WORLD, MAX_ENGINE};
pub use terminal::show;

use crate::replay::{keeps, practice};

/// The longest diagram that is shown, in characters.
pub const MAX_DIAGRAM: usize = 5_000;

/// Why a real file system does not replay a crash.
const NO_CHOICE: &str = "nobody can choose there what a crash keeps";

/// Why a path of the prefetch is not replayed on the production code as a whole.
const GRAIN: &str = "a path of single actions in memory is not one of calls";

/// How it is known that the checker's paths hold no step that is not needed.
const SHORTEST: &str =
    "The search went breadth first: no shorter path from its starting point breaks the invariant.";

/// Where a trace was replayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Place {
    /// The mechanism of the specification.
    Mechanism,
    /// The specification's model of the prefetch.
    Prefetch,
    /// The production code on the simulated disk.
    Simulator,
    /// The production code on a real file system.
    RealFileSystem,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mechanism => "mechanism",
            Self::Prefetch => "the model of the prefetch",
            Self::Simulator => "simulator",
            Self::RealFileSystem => "real file system",
        })
    }
}

/// What a replay showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Replayed {
    /// The invariant is broken there, with the mutant or switch.
    Violates,
    /// It is, if this is done.
    ViolatesIf(String),
    /// It cannot be broken there, for this reason.
    Cannot(String),
    /// It was not tried, for this reason.
    NotTried(String),
}

impl fmt::Display for Replayed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Violates => f.write_str("yes"),
            Self::ViolatesIf(what) => write!(f, "yes, if {what}"),
            Self::Cannot(why) => write!(f, "no: {why}"),
            Self::NotTried(why) => write!(f, "not tried: {why}"),
        }
    }
}

/// What a design decision is for, told to a reader who knows storage and not Truelog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Story {
    /// What goes wrong without it, in one sentence, without a full stop.
    pub title: &'static str,
    /// How, and what it costs.
    pub says: &'static str,
    /// The nearest variant that passes.
    pub passing: &'static str,
}

/// What is known about a trace beyond its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// What broke, in one sentence, with its full stop.
    pub title: String,
    /// Why, for a reader who does not know the code. May be empty.
    pub explanation: String,
    /// Where it was replayed.
    pub replayed: Vec<(Place, Replayed)>,
    /// How it is known that no step can be left out. A whole sentence.
    pub minimal: String,
    /// The nearest variant in which the invariant holds. A whole sentence.
    pub passing: String,
    /// The trace's path, from the root of the repository.
    pub path: String,
}

impl Facts {
    /// What is known about the trace of a switch: its story, and which of its steps are needed.
    #[must_use]
    pub fn of_switch(switch: Switch, trace: &Trace) -> Self {
        let story = switch.story();
        let production = match trace.code() {
            Head::Refused { line, guard } => format!("the code never takes step {line} (`{guard}`)"),
            Head::Reached | Head::Unmodelled { .. } => "the invariant holds there".to_owned(),
        };
        Self {
            title: format!("{}.", story.title),
            explanation: story.says.to_owned(),
            replayed: vec![
                (Place::Mechanism, Replayed::Violates),
                (Place::Simulator, Replayed::Cannot(production)),
                (Place::RealFileSystem, Replayed::NotTried(NO_CHOICE.to_owned())),
            ],
            minimal: found::needed(trace),
            passing: story.passing.to_owned(),
            path: switch.path(),
        }
    }

    /// Whether the production code on the simulated disk breaks the invariant.
    fn broken_here(&self) -> bool {
        self.replayed.contains(&(Place::Simulator, Replayed::Violates))
    }

    /// What is known about the trace of a switch of the prefetch.
    #[must_use]
    pub fn of_prefetch(switch: slots::Switch) -> Self {
        let story = switch.story();
        Self {
            title: format!("{}.", story.title),
            explanation: story.says.to_owned(),
            replayed: vec![
                (Place::Prefetch, Replayed::Violates),
                (Place::Simulator, Replayed::NotTried(GRAIN.to_owned())),
            ],
            minimal: SHORTEST.to_owned(),
            passing: story.passing.to_owned(),
            path: switch.path(),
        }
    }
}

/// Why a trace has no page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PageError {
    /// It is not shrunk.
    #[error("the trace has {found} client and world steps; a page shows at most {MAX_CLIENT_AND_WORLD}")]
    TooManySteps {
        /// How many there are.
        found: usize,
    },
    /// Its diagram is too long.
    #[error("the diagram has {found} characters; a page shows at most {MAX_DIAGRAM}")]
    DiagramTooLong {
        /// How many there are.
        found: usize,
    },
    /// It marks no step as the one that violates.
    #[error("the trace marks no step as the one that violates")]
    NoViolation,
}

/// Renders the page, in Markdown.
///
/// # Errors
/// [`PageError`], where the trace is not one that a page can show.
pub fn render(trace: &Trace, facts: &Facts) -> Result<String, PageError> {
    let rows = rows::rows(trace)?;
    let diagram = diagram::render(trace, &rows)?;
    let mut page = format!("# {}\n\n", facts.title);
    if !facts.explanation.is_empty() {
        section(&mut page, &facts.explanation);
    }
    let invariant = trace.invariant;
    let link = format!("[{invariant}](../../docs/INVARIANTS.md#{invariant})");
    section(&mut page, &format!("**Breaks** {link}: {}", invariant.says()));
    section(&mut page, &reproduces(facts));
    section(&mut page, &format!("**As it is:** {}", heads(trace, facts)));
    section(&mut page, &format!("**Each step is needed.** {}", facts.minimal));
    page.push_str(&rows::table(trace, &rows));
    page.push('\n');
    section(&mut page, &format!("**The nearest variant that passes.** {}", facts.passing));
    section(&mut page, &format!("```mermaid\n{diagram}```"));
    section(&mut page, &format!("Replay it:\n\n```sh\ncargo verify replay {}\n```", facts.path));
    let whole = format!("```text\n{trace}```");
    section(
        &mut page,
        &format!("<details><summary>Provenance and the whole path</summary>\n\n{whole}\n\n</details>"),
    );
    Ok(page.trim_end().to_owned() + "\n")
}

fn section(page: &mut String, text: &str) {
    page.push_str(text.trim_end());
    page.push_str("\n\n");
}

fn reproduces(facts: &Facts) -> String {
    let places: Vec<String> =
        facts.replayed.iter().map(|(place, replayed)| format!("{place}: {replayed}")).collect();
    format!("**Reproduces** on {}.", places.join("; "))
}

/// How the path ends today, on the mechanism and on the production code.
fn heads(trace: &Trace, facts: &Facts) -> String {
    if let (true, Head::Refused { line, guard }, Some(mutant)) =
        (trace.is_of_prefetch(), &trace.head, &trace.mutant)
    {
        let says = guard.parse().map_or("", slots::Guard::says);
        let word = if keeps(guard) {
            "The production slot word does not take that step either."
        } else {
            "The production slot word takes its part of what comes before; the rule is for whoever uses it."
        };
        return format!(
            "the slot word's design refuses step {line} by `{guard}`: {says}. {word} Only with the mutant `{mutant}` is \
             the path open."
        );
    }
    let mechanism = match &trace.head {
        Head::Reached => "the mechanism takes each step, and the invariant holds.".to_owned(),
        Head::Refused { line, guard } if guard == Guard::NoSuchStep.as_str() => {
            format!("the mechanism cannot follow: it has no such step as step {line} there.")
        }
        Head::Refused { line, guard } => format!("the mechanism refuses step {line} by `{guard}`."),
        Head::Unmodelled { part } => {
            let what = practice::left_out(part).unwrap_or(part);
            format!("the mechanism has no such path (`{part}`): it leaves out {what}.")
        }
    };
    let code = match trace.code() {
        Head::Refused { line, .. } if trace.code.is_none() => {
            format!("The production code does not take step {line} either.")
        }
        Head::Refused { line, guard } => {
            let why = practice::practice(guard).map_or("it has a rule of its own", |one| one.says);
            format!("The production code never comes so far: step {line} is refused by `{guard}`, for {why}.")
        }
        Head::Reached | Head::Unmodelled { .. } if trace.mutant.is_none() && facts.broken_here() => {
            "The production code takes each step, and breaks the invariant: this is not mended yet."
                .to_owned()
        }
        Head::Reached | Head::Unmodelled { .. } => {
            "The production code takes each step, and the invariant holds.".to_owned()
        }
    };
    let only = if *trace.code() == Head::Reached { "is it broken" } else { "is the path open" };
    let mutant = trace
        .mutant
        .as_deref()
        .map_or_else(String::new, |mutant| format!(" Only with the mutant `{mutant}` {only}."));
    format!("{mechanism} {code}{mutant}")
}
