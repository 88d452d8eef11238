//! The rules of the log's health, as `truelog watch` shows them.

use serde::Serialize;
use truelog::{HealthRule as Rule, Inspection, Severity};

use super::tile::Verdict;

/// A rule that applies, and why.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Finding {
    #[serde(serialize_with = "name")]
    pub(super) rule: Rule,
    pub(super) evidence: String,
}

fn name<S: serde::Serializer>(rule: &Rule, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(rule.name())
}

/// The rules that apply.
pub(super) fn findings(view: &Inspection) -> Vec<Finding> {
    let findings = view.health().findings.into_iter();
    findings.map(|finding| Finding { rule: finding.rule, evidence: finding.evidence }).collect()
}

/// What it comes to that a rule applies. Whatever wants a human at once is red.
pub(super) fn verdict(rule: Rule) -> Verdict {
    match rule.severity() {
        Severity::Degrade => Verdict::Degraded,
        Severity::Page | Severity::Halt => Verdict::Violated,
    }
}

/// What an inspection does not show of a log: only the writer knows.
pub(super) const fn is_writers_own(rule: Rule) -> bool {
    matches!(
        rule,
        Rule::Poisoned
            | Rule::SpaceRefused
            | Rule::AuditFailed
            | Rule::DurableLags
            | Rule::ArchiveLags
            | Rule::FileLinked
    )
}
