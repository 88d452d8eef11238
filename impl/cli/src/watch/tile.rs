//! One thing that is watched, and how it is.

use serde::Serialize;

/// How it is, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Verdict {
    /// It holds, as far as the evidence goes.
    Holds,
    /// Nothing can be said: it cannot be seen from here, or not at the moment. Never shown as if it held.
    Unseen,
    /// It holds, but with less in reserve than there should be.
    Degraded,
    /// It does not hold.
    Violated,
}

impl Verdict {
    /// As a word.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::Unseen => "unseen",
            Self::Degraded => "degraded",
            Self::Violated => "violated",
        }
    }

    /// As a number, for the metric.
    pub(super) const fn number(self) -> u8 {
        self as u8
    }
}

/// What is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Kind {
    /// A promise of docs/INVARIANTS.md.
    Invariant,
    /// What keeps the promises within reach.
    Guardrail,
}

impl Kind {
    /// As a word.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Invariant => "invariant",
            Self::Guardrail => "guardrail",
        }
    }
}

/// One thing that is watched.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Tile {
    /// Its name.
    pub(super) name: &'static str,
    /// What it is.
    pub(super) kind: Kind,
    /// How it is.
    pub(super) verdict: Verdict,
    /// In one sentence.
    pub(super) says: String,
    /// What that rests on: names of files, ranges of records, numbers.
    pub(super) evidence: Vec<String>,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next: Option<String>,
}

impl Tile {
    /// Nothing stands behind it any more: what held does so no longer, for all that is known.
    pub(super) fn outdate(&mut self, why: &str) {
        if matches!(self.verdict, Verdict::Holds | Verdict::Degraded) {
            self.verdict = Verdict::Unseen;
        }
        self.evidence.insert(0, why.to_owned());
    }
}
