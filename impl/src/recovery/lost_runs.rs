//! Runs that the manifest names, and of which no drive has anything although each of their drives is there: nothing is left
//! to read their records from. An open that went on appending would hide that.

use crate::archive::run::RunEntry;
use crate::archive::set::DriveSet;
use crate::archive::{Missed, opening};
use crate::catalog::Damage;
use crate::error::{Error, Reason};
use crate::home::Home;
use crate::lsn::LsnRange;
use crate::recovery::recheck::archive_of;
use crate::recovery::survey::Survey;
use crate::recovery::uncovered;

/// Adds them to the survey, without what was trimmed or given up. Names and lengths are looked at; where no copy is as long
/// as it should be, also whether any still has its index, without which no block can be found. Of a drive that is away nobody
/// knows what it has.
pub(crate) fn find(home: &Home, survey: &mut Survey) {
    let runs = &survey.state.archive.runs;
    if runs.is_empty() {
        return;
    }
    let archive = archive_of(home, survey);
    let (missing, reachable) = {
        let shelf = archive.shelf().lock();
        let there = shelf.states().into_iter().map(|state| state.entry.number);
        let there: DriveSet = there.filter(|drive| shelf.reachable(*drive).is_some()).collect();
        (opening::missing(&shelf, runs), there)
    };
    let unreadable = |run: &&RunEntry| match archive.index(run) {
        Err(Missed::Failed(error)) => matches!(error, Error::CorruptBlock { .. }),
        Ok(_) | Err(Missed::Race) => false,
    };
    let lost = runs.iter().filter(|run| missing.is_nowhere(run, reachable)).filter(unreadable);
    let damage: Vec<Damage> = lost
        .flat_map(|run| {
            let kept = LsnRange::new(run.lsns.first.max(survey.state.trimmed), run.lsns.last);
            let left = if kept.is_empty() { Vec::new() } else { uncovered(kept, &survey.state.losses) };
            left.into_iter().map(|lsns| Damage {
                lsns,
                error: Error::CorruptBlock { run: run.number, offset: 0, lsns, reason: Reason::Missing },
            })
        })
        .collect();
    survey.damage.extend(damage);
}
