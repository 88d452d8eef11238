//! What a mutant declares of itself, before any run.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::ValueEnum;

use crate::command::checks::CHECKS;
use crate::knobs::Knob;

/// A check that must kill it, and the invariants that the check must name, no more and no fewer; `harness` stands for a
/// promise of the harness itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Kill {
    pub(super) check: String,
    pub(super) invariants: Vec<String>,
    /// What the check must do without.
    pub(super) without: Option<Knob>,
    /// Nobody has declared it: the check is only cheaper than one that is.
    pub(super) undeclared: bool,
}

/// Checks that do not look at the engine: no mutant of it can fall to them.
const OF_THE_SPECIFICATION: [&str; 2] = ["mechanism", "fpre004"];

impl Kill {
    fn new(check: &str, invariants: &str) -> Self {
        let mut invariants: Vec<String> = invariants.split(", ").map(str::to_owned).collect();
        invariants.sort();
        Self { check: check.to_owned(), invariants, without: None, undeclared: false }
    }

    /// The place of its check among all, which stand in the order of their cost; one that is not known comes last.
    pub(super) fn cost(&self) -> usize {
        CHECKS.iter().position(|check| check.name == self.check).unwrap_or(CHECKS.len())
    }
}

/// A patch with its header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Declared {
    pub(super) slug: String,
    pub(super) origin: String,
    /// What it was made for: each of these must kill it. One at least, the cheapest first.
    pub(super) kills: Vec<Kill>,
    /// The checks whose canary it is, the cheapest first.
    pub(super) canaries: Vec<Kill>,
    /// What its cheapest check cannot do without, to kill it as declared.
    pub(super) needs: Vec<Knob>,
    pub(super) patch: PathBuf,
}

impl Declared {
    /// The cost of its cheapest check.
    pub(super) fn cost(&self) -> usize {
        self.kills.first().map_or(usize::MAX, Kill::cost)
    }

    /// Every check of the engine that is cheaper than the cheapest that must kill it, cheapest first.
    pub(super) fn cheaper(&self) -> Vec<Kill> {
        let Some(first) = self.kills.first() else { return Vec::new() };
        let looks = |name: &&str| !OF_THE_SPECIFICATION.contains(name);
        let names = CHECKS.iter().take(first.cost()).map(|check| check.name).filter(looks);
        names.map(|name| Kill { check: name.to_owned(), undeclared: true, ..first.clone() }).collect()
    }

    /// The invariants that it was made for.
    pub(super) fn invariants(&self) -> impl Iterator<Item = &str> {
        self.kills.iter().take(1).flat_map(|kill| kill.invariants.iter().map(String::as_str))
    }

    /// All invariants that some check must name, its canaries' checks included.
    #[cfg(test)]
    fn named(&self) -> std::collections::BTreeSet<&str> {
        let kills = self.kills.iter().chain(&self.canaries);
        kills.flat_map(|kill| kill.invariants.iter().map(String::as_str)).collect()
    }
}

/// Reads the headers of all patches: those with the cheapest checks first, then in the order of their names.
pub(super) fn declared(dir: &Path) -> io::Result<Vec<Declared>> {
    let mut patches: Vec<PathBuf> = fs::read_dir(dir)?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "patch"))
        .collect();
    patches.sort();
    let read = patches.into_iter().map(|patch| header(&fs::read_to_string(&patch)?, patch));
    let mut mutants: Vec<Declared> = read.collect::<io::Result<_>>()?;
    mutants.sort_by_key(Declared::cost);
    Ok(mutants)
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
    field("check")?;
    let invariant = field("invariant")?;
    let mut kills: Vec<Kill> = all("check").map(|check| Kill::new(check, &invariant)).collect();
    kills.sort_by_key(Kill::cost);
    let mut canaries = all("canary").map(canary).collect::<io::Result<Vec<_>>>()?;
    canaries.sort_by_key(Kill::cost);
    let knob = |name: &str| {
        let of = kills.first().map_or("", |kill| kill.check.as_str());
        Knob::from_str(name, false)
            .ok()
            .filter(|knob| knob.is_of(of))
            .ok_or_else(|| wrong(format!("`needs: {name}`, where a knob of the check {of} is due")))
    };
    let needs = all("needs").map(knob).collect::<io::Result<Vec<_>>>()?;
    let (slug, origin) = (field("mutant")?, field("origin")?);
    Ok(Declared { slug, origin, kills, canaries, needs, patch: patch.clone() })
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use truelog_spec::Invariant;

    use super::super::matrix;
    use super::*;

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

    /// A bug may break several invariants: of a mutant its canaries' checks name others, and a switch of the same name is
    /// the same bug. Two invariants of which no bug breaks just one would be one invariant, as far as anybody can see.
    #[test]
    fn every_invariant_has_a_column_of_its_own() {
        let mutants = all();
        let fallen = mutants
            .iter()
            .flat_map(|mutant| mutant.named().into_iter().map(|invariant| (mutant.slug.as_str(), invariant)));
        let columns = matrix::columns(fallen);
        let faults = matrix::faults(&columns);
        assert!(faults.is_empty(), "{faults:?}");
        // Else the second half of that says nothing.
        let shared = columns.iter().filter(|(one, falls)| {
            let mut others = columns.iter().filter(|(other, _)| other != one);
            falls.bugs().iter().any(|bug| others.any(|(_, also)| also.bugs().contains(bug)))
        });
        assert!(shared.count() > 1, "no bug breaks two invariants");
    }

    /// A check that no run knows kills nothing, and one invariant is what a mutant is made for.
    #[test]
    fn every_mutant_declares_one_invariant_and_checks_that_there_are() {
        for mutant in all() {
            assert_eq!(mutant.invariants().count(), 1, "{}", mutant.slug);
            assert!(mutant.kills.iter().all(|kill| kill.cost() < CHECKS.len()), "{}", mutant.slug);
        }
    }

    /// What nothing needs could be left out, and nobody would miss it. A run of `--knobs` shows that what is declared is so.
    #[test]
    fn every_knob_is_needed_by_a_mutant() {
        let needs: BTreeSet<Knob> = all().iter().flat_map(|mutant| mutant.needs.clone()).collect();
        let missing: Vec<String> = Knob::value_variants()
            .iter()
            .filter(|knob| !needs.contains(knob))
            .map(|knob| knob.name())
            .collect();
        assert!(missing.is_empty(), "no mutant needs {missing:?}");
        let docs = include_str!("../../../../docs/TESTING.md");
        for mutant in all() {
            for knob in &mutant.needs {
                let row = format!("| {} | `{}` ", knob.name(), mutant.slug);
                assert!(docs.contains(&row), "docs/TESTING.md has no row {row}");
            }
        }
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
            // What begins with a word is its head, its rule, or a bug that only a design of a model has.
            let Some(slug) = mutant.strip_prefix('`').and_then(|rest| rest.split('`').next()) else {
                continue;
            };
            let mutants = all();
            let mutant = mutants.iter().find(|mutant| mutant.slug == slug);
            let mutant = mutant.unwrap_or_else(|| panic!("no mutant is called {slug}: {line}"));
            let kills: Vec<Kill> = check.split(", ").map(|check| Kill::new(check, invariant)).collect();
            assert_eq!(kills, mutant.kills, "{line}");
            held += 1;
        }
        assert!(held >= 20, "{held} rows of the table name a mutant");
    }

    #[test]
    fn a_header_that_says_too_little_is_refused() {
        let header = |text: &str| super::header(text, PathBuf::from("x.patch"));
        let whole = "mutant: x\norigin: y\ninvariant: harness\ncheck: crash\ncanary: order names harness\nneeds: names\n";
        let kill = Kill::new("order", "harness");
        assert_eq!(header(whole).map(|declared| declared.canaries).ok(), Some(vec![kill]));
        // The cheapest first, whatever the header's order.
        let two = header(&format!("check: schedules\n{whole}")).expect("a header");
        assert_eq!(two.kills, [Kill::new("crash", "harness"), Kill::new("schedules", "harness")]);
        assert_eq!(header(whole).map(|declared| declared.needs).ok(), Some(vec![Knob::Names]));
        // A knob that there is not, and one of another check.
        for (from, to) in [
            ("origin: y\n", ""),
            ("check: ", "chck: "),
            (" names ", " "),
            ("mutant", "diff "),
            ("needs: names", "needs: nams"),
            ("needs: names", "needs: cut"),
        ] {
            assert!(header(&whole.replace(from, to)).is_err(), "{from}");
        }
    }
}
