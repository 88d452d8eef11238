//! A run as SARIF 2.1.0: what code scanning shows beside a change. A rule is an invariant; a result is a finding.

use serde_json::{Value, json};
use truelog_spec::Invariant;

use super::{Report, Verdict};

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
    invariants.chain([rule(HARNESS, "What the harness promises of itself does not hold.")]).collect()
}

fn results(report: &Report) -> Vec<Value> {
    let result = |finding: &super::Finding| {
        let says = format!("{}\n\nAgain: {}", finding.says, finding.replay);
        json!({
            "ruleId": finding.invariant,
            "level": "error",
            "message": { "text": says },
            "locations": [{
                "physicalLocation": { "artifactLocation": { "uri": "docs/INVARIANTS.md" } },
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
