//! What the runs come to: what falls for each invariant, and what each knob of the harness is needed for.

use std::collections::{BTreeMap, BTreeSet};

use clap::ValueEnum;
use comfy_table::{Table, presets::UTF8_BORDERS_ONLY};
use truelog_spec::switches::Switch;
use truelog_spec::{Invariant, Status, prefetch};

use super::{End, Row};
use crate::knobs::Knob;

/// What falls for an invariant: mutants, and switches of the two models.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Column {
    mutants: BTreeSet<String>,
    switches: BTreeSet<String>,
}

impl Column {
    /// The bugs, by name: a switch and a mutant of one name are the same bug, on the mechanism and in the engine.
    pub(super) fn bugs(&self) -> BTreeSet<&str> {
        self.mutants.iter().chain(&self.switches).map(String::as_str).collect()
    }
}

/// The column of each invariant for which anything falls.
pub(super) type Columns = BTreeMap<String, Column>;

/// The columns: `fallen` are mutants, each with an invariant that it fell for.
pub(super) fn columns<'a>(fallen: impl Iterator<Item = (&'a str, &'a str)>) -> Columns {
    let mut columns: Columns = BTreeMap::new();
    for (mutant, invariant) in fallen.filter(|(_, invariant)| *invariant != "harness") {
        columns.entry(invariant.to_owned()).or_default().mutants.insert(mutant.to_owned());
    }
    let switches = Switch::ALL.iter().map(|switch| (switch.to_string(), switch.invariant()));
    let of_prefetch = prefetch::Switch::ALL.iter().map(|switch| (switch.to_string(), switch.invariant()));
    for (switch, invariant) in switches.chain(of_prefetch) {
        columns.entry(invariant.as_str().to_owned()).or_default().switches.insert(switch);
    }
    columns
}

/// The columns of what was killed as declared.
pub(super) fn of_rows(rows: &[Row]) -> Columns {
    let killed = rows.iter().filter(|row| row.end == End::Killed && row.without.is_none() && !row.undeclared);
    columns(killed.map(|row| (row.mutant.as_str(), row.invariant.as_str())))
}

/// What is wrong with the columns: an invariant that is checked and for which nothing falls, two for which the same does.
pub(super) fn faults(columns: &Columns) -> Vec<String> {
    let checked = Invariant::ALL.iter().filter(|one| one.status() == Status::Checked);
    let empty = checked.filter(|one| !columns.contains_key(one.as_str()));
    let mut faults: Vec<String> = empty.map(|one| format!("nothing falls for {one}")).collect();
    for (one, falls) in columns {
        let same = columns.iter().find(|(other, also)| *other > one && also.bugs() == falls.bugs());
        faults.extend(same.map(|(other, _)| format!("the same falls for {one} and for {other}")));
    }
    faults
}

/// The columns as a table. Switches are counted; cargo test holds each to its own invariant.
pub(super) fn show(columns: &Columns) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_BORDERS_ONLY).set_header(["invariant", "mutants that fall", "switches"]);
    for invariant in Invariant::ALL {
        let falls = columns.get(invariant.as_str()).cloned().unwrap_or_default();
        let mutants = match (invariant.status(), falls.mutants.is_empty()) {
            (Status::Unchecked, _) => "UNCHECKED".to_owned(),
            (Status::Checked, true) => "no mutant".to_owned(),
            (Status::Checked, false) => falls.mutants.into_iter().collect::<Vec<_>>().join("\n"),
        };
        table.add_row([invariant.to_string(), mutants, falls.switches.len().to_string()]);
    }
    table.to_string()
}

/// The mutants that fall to a check which is cheaper than the one that they declare, each with the first that they fall to.
pub(super) fn fall_sooner(rows: &[Row]) -> BTreeMap<&str, &Row> {
    let mut sooner = BTreeMap::new();
    for row in rows.iter().filter(|row| row.undeclared && row.fell()) {
        sooner.entry(row.mutant.as_str()).or_insert(row);
    }
    sooner
}

/// Says which these are.
pub(super) fn show_sooner(rows: &[Row]) -> String {
    let sooner = fall_sooner(rows);
    let mutants: BTreeSet<&str> = rows.iter().map(|row| row.mutant.as_str()).collect();
    let mut text = format!("{} of {} fall to a cheaper check than they declare", sooner.len(), mutants.len());
    for (mutant, row) in sooner {
        let fell = match &row.end {
            End::Misnamed { named } => named.join(", "),
            _ => row.invariant.clone(),
        };
        text.push_str(&format!("\n{mutant}: {} names {fell}", row.check));
    }
    text
}

/// For each knob that was turned off: the mutants that are not killed as declared then, and are with all knobs on. What lives
/// anyway needs none.
pub(super) fn needs(rows: &[Row]) -> BTreeMap<Knob, BTreeSet<String>> {
    let mut needs: BTreeMap<Knob, BTreeSet<String>> = BTreeMap::new();
    let of = |row: &'_ Row| (row.mutant.clone(), row.check.clone());
    let whole = rows.iter().filter(|row| row.without.is_none() && row.end == End::Killed);
    let falls: BTreeSet<(String, String)> = whole.map(of).collect();
    for row in rows {
        let Some(knob) = row.without.filter(|_| falls.contains(&of(row))) else { continue };
        let told = match &row.end {
            End::Survived | End::Incomplete { .. } => row.mutant.clone(),
            End::Misnamed { named } => format!("{} (falls for {})", row.mutant, named.join(", ")),
            _ => continue,
        };
        needs.entry(knob).or_default().insert(told);
    }
    needs
}

/// The knobs and what is not killed as declared without them, as a table.
pub(super) fn show_needs(needs: &BTreeMap<Knob, BTreeSet<String>>) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_BORDERS_ONLY).set_header(["turned off", "not killed as declared then"]);
    for knob in Knob::value_variants() {
        let living = match needs.get(knob) {
            None => "none that was tried".to_owned(),
            Some(living) => living.iter().map(String::as_str).collect::<Vec<_>>().join("\n"),
        };
        table.add_row([knob.name(), living]);
    }
    table.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(mutant: &str, invariant: &str, end: End, without: Option<Knob>) -> Row {
        let (mutant, invariant) = (mutant.to_owned(), invariant.to_owned());
        let (origin, check, explored) = (String::new(), String::new(), String::new());
        Row { mutant, origin, check, invariant, without, undeclared: false, end, explored, seconds: 0.0 }
    }

    #[test]
    fn two_equal_columns_and_an_empty_one_are_told() {
        let rows = [row("a", "append-resolves", End::Survived, None)];
        let mut columns = of_rows(&rows);
        assert!(columns.values().all(|falls| falls.mutants.is_empty()), "what lives fell for nothing");
        // No switch shows what a log says of itself: only mutants do, and these rows have none that fell.
        assert_eq!(
            faults(&columns),
            ["nothing falls for health-tells-truth", "nothing falls for books-balance"]
        );
        for (mutant, invariant) in [("b", "health-tells-truth"), ("c", "books-balance")] {
            columns.entry(invariant.to_owned()).or_default().mutants.insert(mutant.to_owned());
        }
        assert!(faults(&columns).is_empty(), "{:?}", faults(&columns));
        let falls = columns.remove("append-resolves").expect("a column");
        columns.insert("books-balance".to_owned(), falls.clone());
        assert_eq!(faults(&columns), ["nothing falls for append-resolves"]);
        columns.insert("append-resolves".to_owned(), falls);
        assert_eq!(faults(&columns), ["the same falls for append-resolves and for books-balance"]);
        // It is the bug that counts, on whichever side it was seen.
        let column = columns.get_mut("books-balance").expect("a column");
        column.mutants = std::mem::take(&mut column.switches);
        assert_eq!(faults(&columns), ["the same falls for append-resolves and for books-balance"]);
        columns.entry("books-balance".to_owned()).or_default().mutants.insert("b".to_owned());
        assert!(faults(&columns).is_empty(), "{:?}", faults(&columns));
    }

    #[test]
    fn a_knob_is_needed_by_the_mutants_that_are_not_killed_as_declared_without_it() {
        let rows = [
            row("a", "", End::Killed, None),
            row("a", "", End::Survived, Some(Knob::Names)),
            row("b", "", End::Killed, None),
            row("b", "", End::Killed, Some(Knob::Names)),
            row("b", "", End::Killed, Some(Knob::Sizes)),
            row("c", "", End::Survived, None),
            row("c", "", End::Survived, Some(Knob::Names)),
            // Nothing says that it falls with all knobs on.
            row("d", "", End::Survived, Some(Knob::Names)),
            row("e", "", End::Killed, None),
            row("e", "", End::Misnamed { named: vec!["harness".to_owned()] }, Some(Knob::Names)),
        ];
        let needs = needs(&rows);
        let told = ["a", "e (falls for harness)"].map(str::to_owned);
        assert_eq!(needs, BTreeMap::from([(Knob::Names, BTreeSet::from(told))]));
    }
}
