//! The check `roles`: every part that a sync plays, left out by the disk, breaks a named invariant.

use std::collections::BTreeMap;

use super::check::{THREADS, conclude};
use super::{Explorer, Scope, Sequence, sequences};
use crate::command::Plan;
use crate::driver::{Driver, Duty};
use crate::progress::Progress;
use crate::report::Report;
use crate::subject::{Plain, Subject};

const NOT_COPIED: &str =
    "it is for a copy that was never synced, which no scope makes: here all was durable before";

/// The parts whose loss breaks nothing, each with the rule that covers it.
const COVERED: &[(&str, &str)] = &[
    ("adopt: sync-dir ancestor", NOT_COPIED),
    ("adopt: sync-dir dir", NOT_COPIED),
    ("adopt: sync-all manifest", NOT_COPIED),
    (
        "adopt: sync-dir dir after rename identity",
        "with the old identity back, the next open asks to adopt again",
    ),
    ("close: sync-data segment", "an idle mark vouches for records that are durable without it"),
    (
        "create: sync-dir dir after rename identity",
        "before create returns, the checkpoint that follows syncs the same directory again",
    ),
    (
        "trim: sync-dir dir after unlink",
        "a segment below the floor that comes back is removed by the next open (row 6)",
    ),
];

/// Leaves out one part after the other, and demands that the crash enumeration sees it.
#[must_use]
pub fn check(_: &Plan, progress: &Progress) -> Report {
    let mut report = Report::new("roles", "");
    let says: Vec<String> = Scope::ROLES.iter().map(Scope::says).collect();
    report.scope = says.join("; ");
    let mut executed: BTreeMap<Duty, Vec<&'static Scope>> = BTreeMap::new();
    for scope in Scope::ROLES {
        for duty in duties::<Plain>(scope) {
            executed.entry(duty).or_default().push(scope);
        }
    }
    progress.expect(executed.len() as u64);
    for (duty, scopes) in &executed {
        progress.says(duty.to_string());
        report.count("sync roles", 1);
        let line = match (broken::<Plain>(*duty, scopes, &mut report), covered(*duty)) {
            (Some((invariant, case)), None) => format!("{invariant} ({case})"),
            (None, Some(rule)) => format!("covered: {rule}"),
            (None, None) => {
                let says = format!("{duty} can be left out, and nothing breaks");
                report.find("harness", says.clone(), "cargo verify --only roles");
                says
            }
            (Some((invariant, case)), Some(_)) => {
                let says = format!("{duty} is listed as covered, but breaks {invariant}: {case}");
                report.find(invariant, says.clone(), "cargo verify --only roles");
                says
            }
        };
        report.note(format!("{duty}: {line}"));
        progress.advance(1);
    }
    for (name, _) in COVERED {
        if !executed.keys().any(|duty| duty.to_string() == *name) {
            report.incomplete(format!("{name} is listed, and was never executed"));
        }
    }
    report
}

fn covered(duty: Duty) -> Option<&'static str> {
    let name = duty.to_string();
    COVERED.iter().find(|(known, _)| *known == name).map(|(_, rule)| *rule)
}

/// The parts that syncs play in the runs of a scope.
#[must_use]
pub fn duties<S: Subject>(scope: &Scope) -> Vec<Duty> {
    let mut seen = BTreeMap::new();
    for letters in (0..=scope.depth).flat_map(|depth| sequences(scope.alphabet, depth)) {
        let sequence = Sequence { letters, fault: None };
        seen.extend(sequence.driven::<S, _>(scope, Driver::duties));
    }
    seen.into_keys().collect()
}

/// What the disk breaks by leaving out one part: the invariant and the case.
fn broken<S: Subject>(duty: Duty, scopes: &[&Scope], report: &mut Report) -> Option<(&'static str, String)> {
    scopes.iter().find_map(|scope| {
        let lying = Scope { ignored: Some(duty), ..**scope };
        let explorer = Explorer::new(&lying);
        explorer.run::<S>(0..=scope.depth, THREADS, || true, || {});
        let finding = explorer.finding();
        let mut counted = Report::new("roles", "");
        conclude(&explorer, &mut counted, None);
        for count in counted.explored {
            report.count(count.what, count.n);
        }
        finding.map(|finding| (finding.violation.invariant.as_str(), finding.case))
    })
}
