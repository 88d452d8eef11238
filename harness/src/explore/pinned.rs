//! How large each pinned scope is: an engine or a disk that does more, or less, than it did is seen in a review.

use super::Explorer;
use crate::knobs;
use crate::report::Report;

/// What each scope came to, a line each.
const PINNED: &str = include_str!("../../scopes.txt");

/// Holds what was explored of a scope, wholly and without a finding, against what is pinned.
pub(super) fn hold(explorer: &Explorer<'_>, report: &mut Report) {
    // Without one of its means the harness explores less, and never holds.
    if knobs::off().is_none() {
        let came = line(explorer);
        if let Err(pinned) = compare(PINNED, explorer.scope.name, &came) {
            report.incomplete(format!(
                "{}: explored `{came}`, and harness/scopes.txt has `{pinned}`; if that is meant, write it there",
                explorer.scope.name
            ));
        }
    }
}

/// The scope's line: its name, then sequences, crash points, those that were gone through wholly, and images. Recoveries are
/// not pinned: two threads may recover one image at once.
fn line(explorer: &Explorer<'_>) -> String {
    let counts = explorer.counts();
    let numbers = [&counts.sequences, &counts.points, &counts.whole, &counts.images]
        .map(|count| count.get().to_string());
    format!("{} {}", explorer.scope.name, numbers.join(" "))
}

/// The error is what is pinned instead.
fn compare<'a>(pinned: &'a str, name: &str, came: &str) -> Result<(), &'a str> {
    let of_scope = |line: &&str| line.split(' ').next() == Some(name);
    match pinned.lines().find(of_scope) {
        Some(line) if line == came => Ok(()),
        Some(line) => Err(line),
        None => Err("nothing"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explore::Scope;

    #[test]
    fn each_exhausted_scope_is_pinned_and_nothing_else() {
        let scopes = Scope::PINNED.iter().chain(Scope::ARCHIVE).map(|scope| scope.name);
        let lines = PINNED.lines().filter(|line| !line.starts_with('#'));
        assert!(lines.map(|line| line.split(' ').next().unwrap_or_default()).eq(scopes));
    }

    #[test]
    fn what_is_not_as_it_was_is_told() {
        let pinned = "# a comment\none 1 2 2 3\ntwo 4 5 5 6\n";
        assert_eq!(compare(pinned, "two", "two 4 5 5 6"), Ok(()));
        assert_eq!(compare(pinned, "two", "two 4 5 5 7"), Err("two 4 5 5 6"));
        assert_eq!(compare(pinned, "three", "three 1 1 1 1"), Err("nothing"));
    }
}
