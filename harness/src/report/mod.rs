//! What a check says when it ends: what it explored, and its verdict.
//!
//! A verdict never stands without its coverage. A check that explored nothing does not hold: it is
//! [`Verdict::Incomplete`], whatever it meant to say.

mod junit;
mod sarif;
#[cfg(test)]
mod tests;

use std::time::Duration;

use serde::Serialize;

pub use junit::junit;
pub use sarif::sarif;

/// How a check ended, from best to worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Everything that was explored keeps every invariant.
    Holds,
    /// Something was not explored; the notes say what.
    Incomplete,
    /// The surroundings did not allow the check to run; the notes say why.
    Environment,
    /// At least one finding.
    Violated,
}

impl Verdict {
    /// The process's exit code: 0 holds, 1 violated, 3 incomplete, 4 environment (2 is wrong usage).
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Holds => 0,
            Self::Violated => 1,
            Self::Incomplete => 3,
            Self::Environment => 4,
        }
    }

    /// One word for tables.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::Incomplete => "INCOMPLETE",
            Self::Environment => "ENVIRONMENT",
            Self::Violated => "VIOLATED",
        }
    }
}

/// One thing that was found to be wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The first invariant, in the order of the table, that is broken; its slug. For a run that leaves the mechanism
    /// at a step that no decision of the design forbids, `mechanism`; for a defect of the harness itself (a canary
    /// that was not found), `harness`.
    pub invariant: String,
    /// What happened, in a sentence or a few lines.
    pub says: String,
    /// The command that shows it again.
    pub replay: String,
}

/// One count of what was explored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Count {
    /// What was counted: states, schedules, images, …
    pub what: &'static str,
    /// How many.
    pub n: u64,
}

/// What one check explored and concluded.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The check's name.
    pub check: &'static str,
    /// The scope in words: what was within reach and what was not.
    pub scope: String,
    /// What was explored.
    pub explored: Vec<Count>,
    /// The conclusion.
    pub verdict: Verdict,
    /// What a reader must know to judge the verdict: skips, samples, seeds.
    pub notes: Vec<String>,
    /// What was found.
    pub findings: Vec<Finding>,
    /// Wall-clock seconds. Never part of a verdict.
    pub seconds: f64,
}

/// The counts that are told by the second, too.
const RATED: [&str; 5] = ["states", "schedules", "images", "recoveries", "pairs judged"];

impl Report {
    /// A report without anything in it yet.
    #[must_use]
    pub fn new(check: &'static str, scope: impl Into<String>) -> Self {
        Self {
            check,
            scope: scope.into(),
            explored: Vec::new(),
            verdict: Verdict::Holds,
            notes: Vec::new(),
            findings: Vec::new(),
            seconds: 0.0,
        }
    }

    /// Adds to the count of `what`.
    pub fn count(&mut self, what: &'static str, n: u64) {
        match self.explored.iter_mut().find(|count| count.what == what) {
            Some(count) => count.n += n,
            None => self.explored.push(Count { what, n }),
        }
    }

    /// Adds what a part of the check counted, noted and found.
    pub(crate) fn merge(&mut self, part: Self) {
        part.explored.iter().for_each(|count| self.count(count.what, count.n));
        self.notes.extend(part.notes);
        self.findings.extend(part.findings);
        self.verdict = self.verdict.max(part.verdict);
    }

    /// Adds a note.
    pub fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// Adds a finding; the verdict is now [`Verdict::Violated`].
    pub fn find(&mut self, invariant: impl Into<String>, says: impl Into<String>, replay: impl Into<String>) {
        self.findings.push(Finding { invariant: invariant.into(), says: says.into(), replay: replay.into() });
        self.verdict = Verdict::Violated;
    }

    /// Says that something was not explored; once is enough.
    pub fn incomplete(&mut self, why: impl Into<String>) {
        let note = format!("incomplete: {}", why.into());
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
        self.verdict = self.verdict.max(Verdict::Incomplete);
    }

    /// Says that the surroundings did not allow the check to run.
    pub fn environment(&mut self, why: impl Into<String>) {
        self.notes.push(format!("environment: {}", why.into()));
        self.verdict = self.verdict.max(Verdict::Environment);
    }

    /// What limits a check: what it is, how many there were, how many in a second.
    pub(crate) fn rates(&self) -> impl Iterator<Item = (&'static str, u64, f64)> {
        let rated = self.explored.iter().filter(|count| RATED.contains(&count.what) && self.seconds > 0.0);
        rated.map(|count| (count.what, count.n, count.n as f64 / self.seconds))
    }

    fn rates_in_words(&self) -> Option<String> {
        let rates: Vec<String> = self.rates().map(|(what, _, rate)| format!("{rate:.0} {what}")).collect();
        (!rates.is_empty()).then(|| format!("in a second: {}", rates.join(", ")))
    }

    /// Ends the check. Whoever explored nothing has shown nothing.
    #[must_use]
    pub fn finish(mut self, took: Duration) -> Self {
        self.seconds = took.as_secs_f64();
        if self.explored.is_empty() {
            self.incomplete("nothing was counted");
        }
        let empty: Vec<_> =
            self.explored.iter().filter(|count| count.n == 0).map(|count| count.what).collect();
        for what in empty {
            self.incomplete(format!("no {what} at all"));
        }
        self.notes.extend(self.rates_in_words());
        self
    }
}
