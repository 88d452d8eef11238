//! The health machine: facts of a log in, what is wrong with it out, by one written table of rules.
//!
//! A running log and a reader beside a writer are judged by the same rules; only where their facts come from differs.
//! Nothing here reads or writes a file: a verdict costs a few short locks.

mod facts;
mod rules;

use std::fmt;

pub(crate) use facts::Lag;
pub use rules::{Rule, Severity};

/// How a log is, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Condition {
    /// No rule applies.
    Good,
    /// Appends are acknowledged, and something is wrong.
    Degraded,
    /// Nothing more is acknowledged.
    Halted,
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Good => "good",
            Self::Degraded => "degraded",
            Self::Halted => "halted",
        })
    }
}

/// A rule that applies, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The rule.
    pub rule: Rule,
    /// What was seen: names, numbers, the error and its code.
    pub evidence: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.rule, self.evidence)
    }
}

/// How a log is: never better than the worst of what is known to be wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Health {
    /// In one word: [`Condition::Halted`] if a rule of [`Severity::Halt`] applies, [`Condition::Degraded`] if any other
    /// does.
    pub verdict: Condition,
    /// The rules that apply, the worst first. One rule may apply more than once, for two drives for instance.
    pub findings: Vec<Finding>,
}

impl Health {
    /// What the findings come to.
    pub(crate) fn of(mut findings: Vec<Finding>) -> Self {
        findings.sort_by_key(|finding| finding.rule);
        let verdict = match findings.iter().map(|finding| finding.rule.severity()).max() {
            None => Condition::Good,
            Some(Severity::Degrade | Severity::Page) => Condition::Degraded,
            Some(Severity::Halt) => Condition::Halted,
        };
        Self { verdict, findings }
    }

    /// Whether a human is to be told at once.
    #[must_use]
    pub fn pages(&self) -> bool {
        self.findings.iter().any(|finding| finding.rule.severity().pages())
    }

    /// Whether a rule applies.
    #[must_use]
    pub fn has(&self, rule: Rule) -> bool {
        self.findings.iter().any(|finding| finding.rule == rule)
    }
}
