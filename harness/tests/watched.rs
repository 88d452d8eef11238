//! What is said outside the code of what `truelog watch` tells: the alert rules, the dashboard and the documents.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use truelog::SyncDurations;
use truelog_cli::watch::{INVARIANTS, names};
use truelog_spec::Invariant;

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs")
}

fn read(name: &str) -> String {
    fs::read_to_string(docs().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The names of metrics in a text.
fn named(text: &str) -> BTreeSet<&str> {
    let words = text.split(|char: char| !char.is_ascii_alphanumeric() && char != '_');
    words.filter(|word| word.starts_with("truelog_")).collect()
}

#[test]
fn each_invariant_has_a_tile_by_its_one_name() {
    let all: Vec<String> = Invariant::ALL.iter().map(ToString::to_string).collect();
    assert_eq!(INVARIANTS.to_vec(), all);
}

#[test]
fn rules_and_dashboard_ask_for_metrics_that_there_are() {
    let mut known: BTreeSet<_> = names().map(|(name, _)| name.to_owned()).collect();
    // What a query asks of a histogram.
    known.extend(["_bucket", "_sum", "_count"].map(|part| format!("{}{part}", SyncDurations::NAME)));
    let known: BTreeSet<_> = known.iter().map(String::as_str).collect();
    for file in ["operate/alerts.yml", "operate/alerts_test.yml", "operate/dashboard.json"] {
        let text = read(file);
        let named = named(&text);
        assert!(named.len() > 5, "{file}: only {named:?}");
        let unknown: Vec<_> = named.difference(&known).collect();
        assert!(unknown.is_empty(), "{file} asks for {unknown:?}, which nothing tells");
    }
}

#[test]
fn each_alert_is_tested_to_come_and_is_in_the_document() {
    let (rules, tests, document) =
        (read("operate/alerts.yml"), read("operate/alerts_test.yml"), read("OPERATING.md"));
    let alerts: Vec<_> = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(alerts.len() > 5, "{alerts:?}");
    for alert in alerts {
        // A test that expects it to come names it on a line of its own, and what it says behind that.
        assert!(
            tests.contains(&format!("alertname: {alert}\n        exp_alerts:")),
            "{alert} is never expected"
        );
        assert!(document.contains(&format!("| {alert} |")), "docs/OPERATING.md does not tell of {alert}");
    }
}

#[test]
fn the_document_has_each_metric() {
    let rows: Vec<_> = names().map(|(name, help)| format!("| `{name}` | {help} |")).collect();
    let table = rows.join("\n");
    assert!(read("OPERATING.md").contains(&table), "docs/OPERATING.md is to have:\n{table}");
}
