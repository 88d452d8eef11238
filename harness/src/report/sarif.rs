//! A run as SARIF 2.1.0: what code scanning shows beside a change. A rule is an invariant; a result is a finding.

use serde_json::{Value, json};
use truelog_spec::Invariant;

use super::{Report, Verdict};
use crate::campaign::signature;
use crate::order::MECHANISM;

/// The page of the invariants, from the root of the repository, and what stands there.
const PAGE: &str = "docs/INVARIANTS.md";
const TEXT: &str = include_str!("../../../docs/INVARIANTS.md");

/// What findings that name no invariant are called: defects of the harness itself.
const HARNESS: &str = "harness";

/// The whole run. Its findings point at the page of the invariants, for no finding has a line of code of its own.
#[must_use]
pub fn sarif(reports: &[Report], commit: &str) -> Value {
    let results: Vec<Value> = reports.iter().flat_map(results).collect();
    let notices: Vec<Value> = reports.iter().flat_map(notices).collect();
    let whole = reports.iter().all(|report| matches!(report.verdict, Verdict::Holds | Verdict::Violated));
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "cargo verify",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules(),
            } },
            "automationDetails": { "id": format!("truelog/{commit}") },
            // A run that left something out must not pass for one that found nothing.
            "invocations": [{ "executionSuccessful": whole, "toolExecutionNotifications": notices }],
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn rules() -> Vec<Value> {
    let rule = |id: &str, says: &str| json!({ "id": id, "shortDescription": { "text": says } });
    let invariants = Invariant::ALL.iter().map(|one| rule(one.as_str(), one.says()));
    let others = [
        rule(HARNESS, "What the harness promises of itself does not hold."),
        rule(MECHANISM, "The engine does what the mechanism of the specification refuses."),
    ];
    invariants.chain(others).collect()
}

/// The line of an invariant's heading; the page's first for what is none.
fn heading(invariant: &str) -> usize {
    let heading = format!("## {invariant}");
    TEXT.lines().position(|line| line == heading).map_or(1, |before| before + 1)
}

fn results(report: &Report) -> Vec<Value> {
    let result = |finding: &super::Finding| {
        let says = format!("{}\n\nAgain: {}", finding.says, finding.replay);
        json!({
            "ruleId": finding.invariant,
            "level": "error",
            "message": { "text": says },
            // What a finding is: the same one of another run has another case, and the same words.
            "partialFingerprints": { "signature/v1": signature(&finding.invariant, &finding.says, report.check) },
            "locations": [{
                "physicalLocation": {
                    "artifactLocation": { "uri": PAGE },
                    "region": { "startLine": heading(&finding.invariant) },
                },
                "logicalLocations": [{ "name": report.check, "kind": "check" }],
            }],
        })
    };
    report.findings.iter().map(result).collect()
}

/// What a reader must know of a check that did not come to its end.
fn notices(report: &Report) -> Vec<Value> {
    let left_out = matches!(report.verdict, Verdict::Incomplete | Verdict::Environment);
    let notes = report.notes.iter().filter(|_| left_out);
    notes
        .map(|note| json!({ "level": "error", "message": { "text": format!("{}: {note}", report.check) } }))
        .collect()
}
