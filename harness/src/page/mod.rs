//! A counterexample as a page that is reviewed in a minute.
//!
//! A page is made from a trace and what is known about it, and from nothing else: the same two give the same
//! page, so that a test can hold the pages of the corpus against their traces.

pub mod corpus;
mod diagram;
mod effects;
mod ending;
mod fold;
mod found;
pub mod kept;
mod prefetch;
mod returned;
mod rows;
mod scene;
mod terminal;
#[cfg(test)]
mod tests;
mod units;
mod vocabulary;
mod words;

use truelog_spec::Trace;
use truelog_spec::prefetch as slots;
use truelog_spec::switches::{Story, Switch};

use crate::replay::as_stated;
use crate::traces::AnySwitch;

pub(crate) use found::around;
pub use rows::{MAX_CLIENT_AND_WORLD, MAX_ENGINE};
pub use terminal::show;

/// The longest diagram that is shown, in characters.
pub const MAX_DIAGRAM: usize = 5_000;

/// How a page begins to tell of what holds near by.
const NEAREST: &str = "**Right, the nearest variant that passes.**";

/// What is known about a trace beyond its text. All but the title are whole sentences.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// What broke, in one sentence, with its full stop.
    pub title: String,
    /// Why, for a reader who does not know the code. May be empty.
    pub explanation: String,
    /// The part of the invariant that breaks, in its words; empty where it is one promise, or nobody has said.
    pub breaks: &'static str,
    /// What the step that breaks the invariant shows to be wrong. May be empty.
    pub shows: String,
    /// On what it breaks, and what stands against it elsewhere.
    pub ends: String,
    /// The step that decides, where the trace does not say which.
    pub fault: Option<usize>,
    /// What single steps do, by their numbers, where the model has no such fact.
    pub notes: &'static [(usize, &'static str)],
    /// Whether a step can be left out, and how that is known.
    pub minimal: String,
    /// The nearest variant in which the invariant holds.
    pub passing: String,
    /// The trace's path, from the root of the repository.
    pub path: String,
}

impl Facts {
    /// What is known about the trace of a switch: its story, and which of its steps are needed.
    #[must_use]
    pub fn of_switch(switch: Switch, trace: &Trace) -> Self {
        Self::of_story(switch.story(), trace, switch.path())
    }

    /// What is known about the trace of a switch of the prefetch.
    #[must_use]
    pub fn of_prefetch(switch: slots::Switch, trace: &Trace) -> Self {
        Self::of_story(switch.story(), trace, switch.path())
    }

    fn of_story(story: Story, trace: &Trace, path: String) -> Self {
        Self {
            title: format!("{}.", story.title),
            explanation: story.says.to_owned(),
            breaks: story.breaks,
            shows: story.shows.to_owned(),
            ends: ending::of_switch(trace),
            fault: None,
            notes: &[],
            minimal: ending::needed(trace),
            passing: story.passing.to_owned(),
            path,
        }
    }
}

impl Facts {
    /// What the replay prints of a trace whose path somebody has a switch for. What the others print follows from where
    /// they break.
    fn replayed(&self, trace: &Trace) -> String {
        let switch = AnySwitch::of(trace).filter(|switch| self.path == switch.path());
        let kept = kept::KEPT.iter().any(|kept| self.path == kept.path);
        if switch.is_none() && !kept {
            return String::new();
        }
        format!("It prints:\n\n```text\n{}\n```", as_stated(trace, switch.is_some()))
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
    let told = rows::Told::of(trace, facts)?;
    let (table, diagram) = (told.table(), diagram::render(&told)?);
    let mut page = String::new();
    section(&mut page, &format!("# {}", facts.title));
    section(&mut page, &facts.explanation);
    section(&mut page, &verdict(&told, facts));
    section(&mut page, &table);
    section(&mut page, &facts.ends);
    section(&mut page, &facts.minimal);
    section(&mut page, &format!("```mermaid\n{diagram}```"));
    section(&mut page, &format!("Replay it:\n\n```sh\ncargo verify replay {}\n```", facts.path));
    section(&mut page, &facts.replayed(trace));
    section(&mut page, &vocabulary::of(&table, facts, trace));
    let whole = format!("```text\n{trace}```");
    section(
        &mut page,
        &format!("<details><summary>Provenance and the whole path</summary>\n\n{whole}\n\n</details>"),
    );
    Ok(page.trim_end().to_owned() + "\n")
}

/// What is wrong, what comes of it, and what is right: a reader who reads no more than this knows the bug.
fn verdict(told: &rows::Told<'_>, facts: &Facts) -> String {
    let invariant = told.trace.invariant;
    let wrong = told.wrong().map_or_else(String::new, |wrong| format!("- **Wrong.** {wrong}\n"));
    let shows = if facts.shows.is_empty() { String::new() } else { format!(" {}", facts.shows) };
    let says = match facts.breaks {
        "" => invariant.says().to_owned(),
        part => invariant.says().replacen(part, &format!("**{part}**"), 1),
    };
    let step = told.violating;
    format!(
        "{wrong}- **So step {step} breaks [{invariant}](../../docs/INVARIANTS.md#{invariant})**: “{says}”{shows}\n\
         - {NEAREST} {}",
        facts.passing
    )
}

fn section(page: &mut String, text: &str) {
    if !text.is_empty() {
        page.push_str(text.trim_end());
        page.push_str("\n\n");
    }
}
