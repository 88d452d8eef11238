//! Runs that the manifest names, and that no drive has although each of their drives is there: nothing is left to read
//! their records from. An open that went on appending would hide that.

use crate::archive::opening;
use crate::archive::set::DriveSet;
use crate::archive::shelf::Shelf;
use crate::catalog::Damage;
use crate::error::{Error, Reason};
use crate::home::Home;
use crate::lsn::LsnRange;
use crate::recovery::survey::Survey;
use crate::recovery::uncovered;

/// Adds them to the survey, without what was trimmed or given up. Only names are looked at: of a copy that is there some
/// blocks may be whole, and are read. Of a drive that is away nobody knows what it has.
pub(crate) fn find(home: &Home, survey: &mut Survey) {
    let runs = &survey.state.archive.runs;
    if runs.is_empty() {
        return;
    }
    let shelf = Shelf::open(home, &survey.state);
    let missing = opening::missing(&shelf, runs);
    let reachable = shelf.states().into_iter().map(|state| state.entry.number);
    let reachable: DriveSet = reachable.filter(|drive| shelf.reachable(*drive).is_some()).collect();
    let damage: Vec<Damage> = runs
        .iter()
        .filter(|run| missing.is_lost(run, reachable))
        .flat_map(|run| {
            let kept = LsnRange::new(run.lsns.first.max(survey.state.trimmed), run.lsns.last);
            let left = if kept.is_empty() { Vec::new() } else { uncovered(kept, &survey.state.losses) };
            left.into_iter().map(move |lsns| Damage {
                lsns,
                error: Error::CorruptBlock { run: run.number, offset: 0, lsns, reason: Reason::Missing },
            })
        })
        .collect();
    survey.damage.extend(damage);
}
