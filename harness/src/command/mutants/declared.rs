//! What a mutant declares of itself, before any run.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::knobs::Knob;

/// A check that must kill it, and the invariants that the check must name, no more and no fewer; `harness` stands for a
/// promise of the harness itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Kill {
    pub(super) check: String,
    pub(super) invariants: Vec<String>,
    /// What the check must do without.
    pub(super) without: Option<Knob>,
}

impl Kill {
    fn new(check: &str, invariants: &str) -> Self {
        let mut invariants: Vec<String> = invariants.split(", ").map(str::to_owned).collect();
        invariants.sort();
        Self { check: check.to_owned(), invariants, without: None }
    }
}

/// A patch with its header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Declared {
    pub(super) slug: String,
    pub(super) origin: String,
    /// What it was made for.
    pub(super) kill: Kill,
    /// The checks whose canary it is.
    pub(super) canaries: Vec<Kill>,
    pub(super) patch: PathBuf,
}

/// Reads the headers of all patches, in the order of their names.
pub(super) fn declared(dir: &Path) -> io::Result<Vec<Declared>> {
    let mut patches: Vec<PathBuf> = fs::read_dir(dir)?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "patch"))
        .collect();
    patches.sort();
    patches.into_iter().map(|patch| header(&fs::read_to_string(&patch)?, patch)).collect()
}

fn header(text: &str, patch: PathBuf) -> io::Result<Declared> {
    let lines = || text.lines().take_while(|line| !line.starts_with("diff ") && !line.starts_with("--- "));
    let all =
        |name: &'static str| lines().filter_map(move |line| line.strip_prefix(name)?.strip_prefix(": "));
    let wrong = |says: String| io::Error::other(format!("{}: {says}", patch.display()));
    let field = |name: &'static str| {
        let found = all(name).next().map(str::to_owned);
        found.ok_or_else(|| wrong(format!("the header has no line `{name}: …`")))
    };
    let canary = |says: &str| {
        let kill = says.split_once(" names ").map(|(check, invariants)| Kill::new(check, invariants));
        kill.ok_or_else(|| wrong(format!("`canary: {says}`, where `canary: CHECK names INVARIANTS` is due")))
    };
    Ok(Declared {
        slug: field("mutant")?,
        origin: field("origin")?,
        kill: Kill::new(&field("check")?, &field("invariant")?),
        canaries: all("canary").map(canary).collect::<io::Result<_>>()?,
        patch: patch.clone(),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use truelog_spec::Invariant;

    use super::super::matrix;
    use super::*;
    use crate::command::CHECKS;

    fn all() -> Vec<Declared> {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus/mutants");
        declared(&dir).unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn every_check_has_one_canary() {
        let mut canaries: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for mutant in all() {
            for kill in mutant.canaries {
                for named in &kill.invariants {
                    let known = named.parse::<Invariant>().is_ok() || named == "harness";
                    assert!(known, "{}: {named}", mutant.slug);
                }
                canaries.entry(kill.check).or_default().push(mutant.slug.clone());
            }
        }
        let checks: BTreeSet<&str> = CHECKS.iter().map(|check| check.name).collect();
        let with: BTreeSet<&str> = canaries.keys().map(String::as_str).collect();
        assert_eq!(with, checks, "the checks with a canary are all checks");
        for (check, mutants) in canaries {
            assert_eq!(mutants.len(), 1, "{check}: {mutants:?}");
        }
    }

    /// By declaration each mutant and each switch has one invariant, and a run holds every mutant, a test every switch, to
    /// just that one. So no two columns are equal as long as none is empty; that a check could not name the one for the
    /// other is shown by the runs alone.
    #[test]
    fn every_invariant_has_a_column_of_its_own() {
        let mutants = all();
        let fallen = mutants.iter().map(|mutant| {
            let [invariant] = &mutant.kill.invariants[..] else { panic!("{}: one invariant", mutant.slug) };
            (mutant.slug.as_str(), invariant.as_str())
        });
        let faults = matrix::faults(&matrix::columns(fallen));
        assert!(faults.is_empty(), "{faults:?}");
    }

    /// What docs/TESTING.md says of a mutant is what its header declares.
    #[test]
    fn the_table_of_the_docs_is_what_the_headers_declare() {
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/TESTING.md");
        let text = std::fs::read_to_string(docs).expect("docs/TESTING.md");
        let mut held = 0;
        for line in text.lines() {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            let ["", _, mutant, check, invariant, ""] = cells[..] else { continue };
            let slug = mutant.strip_prefix('`').and_then(|rest| rest.split('`').next());
            let Some(mutant) = all().into_iter().find(|mutant| Some(mutant.slug.as_str()) == slug) else {
                continue;
            };
            assert_eq!(Kill::new(check, invariant), mutant.kill, "{line}");
            held += 1;
        }
        assert!(held >= 20, "{held} rows of the table name a mutant");
    }

    #[test]
    fn a_header_that_says_too_little_is_refused() {
        let header = |text: &str| super::header(text, PathBuf::from("x.patch"));
        let whole = "mutant: x\norigin: y\ninvariant: harness\ncheck: crash\ncanary: order names harness\n";
        let kill = Kill::new("order", "harness");
        assert_eq!(header(whole).map(|declared| declared.canaries).ok(), Some(vec![kill]));
        for (from, to) in [("origin: y\n", ""), ("check: ", "chck: "), (" names ", " "), ("mutant", "diff ")]
        {
            assert!(header(&whole.replace(from, to)).is_err(), "{from}");
        }
    }
}
