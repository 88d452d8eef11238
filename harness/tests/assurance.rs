//! docs/ASSURANCE.md against the code: everything that it refers to is there.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use clap::CommandFactory;
use truelog_harness::command::CHECKS;
use truelog_spec::Invariant;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn page() -> String {
    fs::read_to_string(root().join("docs/ASSURANCE.md")).unwrap()
}

/// Whether a test of that name is in that file, and is run.
fn is_test(reference: &str) -> bool {
    let Some((file, name)) = reference.split_once("::") else { return false };
    ["harness/tests", "impl/tests", "impl/cli/tests", "impl/src"].iter().any(|folder| {
        let text = fs::read_to_string(root().join(folder).join(format!("{file}.rs"))).unwrap_or_default();
        text.split("#[test]").skip(1).any(|behind| {
            behind
                .lines()
                .find(|line| line.contains("fn "))
                .is_some_and(|line| line.contains(&format!("fn {name}(")))
        })
    })
}

/// Whether the verifier's command knows these words.
fn is_verify(words: &str) -> bool {
    let mut words = words.split_whitespace();
    words.next() == Some("verify")
        && std::process::Command::new(env!("CARGO_BIN_EXE_verify"))
            .args(words)
            .arg("--help")
            .output()
            .is_ok_and(|output| output.status.success())
}

/// Whether the operator's command knows these words.
fn is_truelog(words: &str) -> bool {
    let mut command = truelog_cli::args::Cli::command();
    for word in words
        .split_whitespace()
        .take_while(|word| word.chars().all(|it| it.is_ascii_lowercase() || it == '-'))
    {
        if word.starts_with('-') {
            break;
        }
        match command.find_subcommand(word) {
            Some(found) => command = found.clone(),
            None => return false,
        }
    }
    words.split_whitespace().filter_map(|word| word.strip_prefix("--")).all(|option| {
        command.get_arguments().any(|known| known.get_long() == Some(option))
            || ["json", "log-format", "log-level"].contains(&option)
    })
}

/// Why a reference leads nowhere.
fn wrong(reference: &str) -> Option<&'static str> {
    let (kind, name) = reference.split_once(' ').unwrap_or((reference, ""));
    let fine = match kind {
        "mutant" => root().join(format!("corpus/mutants/{name}.patch")).exists(),
        "trace" => root().join(format!("corpus/{name}.trace")).exists(),
        "invariant" => name.parse::<Invariant>().is_ok(),
        "check" => CHECKS.iter().any(|check| check.name == name),
        "test" => is_test(name),
        "truelog" => is_truelog(name),
        "cargo" => name == "test" || is_verify(name),
        _ => return Some("a kind of reference that no test holds"),
    };
    (!fine).then_some("it is not there")
}

#[test]
fn every_reference_of_the_assurance_case_leads_to_code() {
    let page = page();
    let mut seen = 0;
    for reference in page.split('`').skip(1).step_by(2) {
        assert_eq!(wrong(reference), None, "{reference}");
        seen += 1;
    }
    assert!(seen > 150, "only {seen} references");
    // The test can fail.
    for bad in [
        "mutant nothing",
        "invariant nothing",
        "check nothing",
        "test audit::nothing",
        "truelog nothing",
        "truelog audit nothing",
        "truelog stat --nothing",
        "cargo verify nothing",
        "nothing",
    ] {
        assert!(wrong(bad).is_some(), "{bad}");
    }
}

#[test]
fn the_assurance_case_has_its_sections_and_no_cell_is_empty() {
    let page = page();
    let heads: Vec<_> = page
        .lines()
        .filter_map(|line| line.strip_prefix("## ")?.split_once(". "))
        .map(|(number, _)| number)
        .collect();
    assert_eq!(heads, (1..=13).map(|number| number.to_string()).collect::<Vec<_>>());
    let table = page.split("| failure class |").nth(1).expect("the table of classes and stages");
    let rows: Vec<Vec<&str>> = table
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    assert_eq!(rows.len(), 12, "twelve failure classes");
    let mut letters = BTreeSet::new();
    for row in &rows {
        assert_eq!(row.len(), 9, "eight stages: {row:?}");
        for cell in &row[1..] {
            let why = cell.strip_prefix("not covered (").and_then(|rest| rest.strip_suffix(')'));
            assert!(cell.contains('`') || why.is_some(), "{row:?}: {cell}");
            letters.extend(why);
        }
    }
    assert!(letters.len() > 3);
    for letter in letters {
        assert!(page.contains(&format!("- ({letter}) ")), "why ({letter}) is not said");
    }
}

#[test]
fn every_invariant_is_part_of_the_assurance_case() {
    let page = page();
    for &invariant in Invariant::ALL {
        assert!(page.contains(&format!("`invariant {invariant}`")), "{invariant}");
    }
}
