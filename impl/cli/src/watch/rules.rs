//! The rules of the log's health, as `truelog watch` shows them.

use serde::Serialize;
use truelog::Inspection;

use super::tile::Verdict;

/// A rule.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rule {
    pub(super) name: &'static str,
    pub(super) when: &'static str,
    pub(super) next: &'static str,
    pub(super) verdict: Verdict,
}

/// A rule that applies, and why.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Finding {
    pub(super) rule: &'static str,
    pub(super) evidence: String,
}

/// All rules, the worst first.
pub(super) fn rules() -> Vec<Rule> {
    vec![Rule {
        name: "damaged",
        when: "records, or a file of the log, are damaged, and no healthy copy is left",
        next: "See `truelog verify DIR`; restore what is damaged from a copy, or `truelog accept-loss DIR`.",
        verdict: Verdict::Violated,
    }]
}

/// Those that apply.
pub(super) fn findings(view: &Inspection) -> Vec<Finding> {
    let found = |damage: &truelog::Damage| Finding {
        rule: "damaged",
        evidence: format!("{}: {}", damage.error.code(), damage.error),
    };
    view.damage().iter().map(found).collect()
}
