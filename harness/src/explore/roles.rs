//! The check `roles`: every part that a sync plays, left out by the disk, breaks a named invariant.

use std::collections::{BTreeMap, BTreeSet};

use truelog_spec::Invariant;

use super::check::conclude;
use super::{Explorer, Scope};
use crate::command::Plan;
use crate::damage::{Losses, asides, losses};
use crate::driver::Duty;
use crate::progress::Progress;
use crate::report::Report;
use crate::share::{THREADS, share};
use crate::subject::{Archived, Plain};

/// What becomes of a log when the disk leaves out one part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Without {
    /// This invariant breaks: the first that the shortest run shows.
    Breaks(Invariant),
    /// Nothing: this rule covers it.
    Covered(&'static str),
}

use Invariant::{
    AckedIsDurable, ClaimHasArtifact, DamageIsLoud, NothingInvented, ReclaimAfterPublish, RecoveryConverges,
    TornTailIsNotDamage,
};
use Without::{Breaks, Covered};

/// What covers the sync of an idle mark.
const MARK: &str = "an idle mark vouches for records that are durable without it";

/// What covers the header that is its own sync.
const HEADER: &str = "the file is synced whole, its header with it, before it has its name";

/// What covers the sync after an unlink of what the archive has replaced.
const REPLACED: &str =
    "what was replaced and comes back is an orphan of the next open, which removes it again";

/// A recovery from damage, with a part left out.
type Recover = fn(Option<Duty>, &mut Report) -> Losses;

/// The recoveries from damage whose syncs are judged.
const DAMAGED: [Recover; 2] = [losses::<Plain>, asides::<Plain>];

/// Every part, and what becomes of a log without it.
const PARTS: &[(&str, Without)] = &[
    ("accept-loss: sync-dir dir after rename manifest", Breaks(ClaimHasArtifact)),
    ("accept-loss: sync-dir dir after rename segment", Breaks(ClaimHasArtifact)),
    ("accept-loss: sync-all manifest.tmp", Breaks(ClaimHasArtifact)),
    ("accept-loss: sync-all segment", Breaks(RecoveryConverges)),
    ("accept-loss: sync-all segment.tmp", Breaks(RecoveryConverges)),
    ("add-drive: sync-dir ancestor after mkdir", Breaks(ClaimHasArtifact)),
    ("add-drive: sync-dir dir after rename manifest", Breaks(ClaimHasArtifact)),
    ("add-drive: sync-dir drive after rename identity", Breaks(ClaimHasArtifact)),
    ("add-drive: sync-all drive/identity.tmp", Breaks(ClaimHasArtifact)),
    ("add-drive: sync-data manifest", Breaks(ClaimHasArtifact)),
    ("add-drive: sync-all manifest.tmp", Breaks(ClaimHasArtifact)),
    ("adopt: sync-dir ancestor", Breaks(TornTailIsNotDamage)),
    ("adopt: sync-dir dir", Breaks(TornTailIsNotDamage)),
    ("adopt: sync-dir dir after rename identity", Breaks(TornTailIsNotDamage)),
    ("adopt: sync-all identity.tmp", Breaks(TornTailIsNotDamage)),
    ("adopt: sync-all manifest", Breaks(TornTailIsNotDamage)),
    ("adopt: sync-all segment", Breaks(AckedIsDurable)),
    ("append: sync-dir dir after rename manifest", Breaks(TornTailIsNotDamage)),
    ("append: sync-dir dir after rename segment", Breaks(AckedIsDurable)),
    ("append: sync-data manifest", Breaks(TornTailIsNotDamage)),
    ("append: sync-all manifest.tmp", Breaks(TornTailIsNotDamage)),
    ("append: sync-data segment", Breaks(AckedIsDurable)),
    ("append: write-through segment", Breaks(AckedIsDurable)),
    ("append: write-through segment.tmp", Covered(HEADER)),
    ("append: sync-all segment.tmp", Breaks(TornTailIsNotDamage)),
    ("archive: sync-dir dir after keeping a segment's file", Covered(REPLACED)),
    ("archive: sync-dir dir after rename manifest", Breaks(AckedIsDurable)),
    ("archive: sync-dir dir after unlink", Covered(REPLACED)),
    ("archive: sync-dir drive after rename manifest", Breaks(ReclaimAfterPublish)),
    ("archive: sync-dir drive after rename run", Breaks(AckedIsDurable)),
    ("archive: sync-dir drive after unlink", Covered(REPLACED)),
    (
        "archive: sync-data manifest",
        Covered("nothing replaced is removed before a checkpoint, which says all that the edits said"),
    ),
    ("archive: sync-all drive/manifest.tmp", Breaks(ReclaimAfterPublish)),
    ("archive: sync-all drive/run.tmp", Breaks(AckedIsDurable)),
    ("archive: sync-all manifest.tmp", Breaks(AckedIsDurable)),
    ("close: sync-data segment", Covered(MARK)),
    ("close: write-through segment", Covered(MARK)),
    ("create: sync-dir ancestor after mkdir", Breaks(TornTailIsNotDamage)),
    (
        "create: sync-dir dir after rename identity",
        Covered("before create returns, the checkpoint that follows syncs the same directory again"),
    ),
    ("create: sync-dir dir after rename manifest", Breaks(TornTailIsNotDamage)),
    ("create: sync-all identity.tmp", Breaks(TornTailIsNotDamage)),
    ("create: sync-all manifest.tmp", Breaks(TornTailIsNotDamage)),
    (
        "open: sync-dir dir after rename identity",
        Covered("before open returns, the checkpoint that follows syncs the same directory again"),
    ),
    ("open: sync-dir dir after rename manifest", Breaks(TornTailIsNotDamage)),
    ("open: sync-dir dir after rename segment", Breaks(AckedIsDurable)),
    (
        "open: sync-dir dir after unlink",
        Covered(
            "a name that was left over is left over again, and the next open removes it (rows 5 to 7, 10)",
        ),
    ),
    ("open: sync-dir drive after putting a run aside", Breaks(DamageIsLoud)),
    ("open: sync-dir drive after rename manifest", Breaks(ReclaimAfterPublish)),
    ("open: sync-dir drive after unlink", Covered(REPLACED)),
    ("open: sync-all drive/manifest.tmp", Breaks(ReclaimAfterPublish)),
    ("open: sync-data manifest", Breaks(TornTailIsNotDamage)),
    ("open: write-through segment", Breaks(AckedIsDurable)),
    ("open: write-through segment.tmp", Covered(HEADER)),
    ("open: sync-all identity.tmp", Breaks(AckedIsDurable)),
    ("open: sync-all manifest.tmp", Breaks(TornTailIsNotDamage)),
    ("open: sync-data segment", Breaks(AckedIsDurable)),
    ("open: sync-all segment.tmp", Breaks(TornTailIsNotDamage)),
    ("rebuild: sync-dir dir after rename manifest", Breaks(ClaimHasArtifact)),
    ("rebuild: sync-all manifest.tmp", Breaks(ClaimHasArtifact)),
    (
        "trim: sync-dir dir after keeping a segment's file",
        Covered(
            "a segment below the floor that comes back, whatever it holds by then, is removed by the next open (row 6)",
        ),
    ),
    (
        "trim: sync-dir dir after unlink",
        Covered("a segment below the floor that comes back is removed by the next open (row 6)"),
    ),
    ("trim: sync-dir dir after rename manifest", Breaks(NothingInvented)),
    ("trim: sync-data manifest", Breaks(NothingInvented)),
    ("trim: sync-all manifest.tmp", Breaks(NothingInvented)),
];

/// Leaves out one part after the other, and demands that the crash enumeration sees it.
#[must_use]
pub fn check(_: &Plan, progress: &Progress) -> Report {
    let mut report = Report::new("roles", "");
    let says: Vec<String> = Scope::ROLES.iter().map(Scope::says).collect();
    report.scope = says.join("; ");
    Scope::ROLES.iter().for_each(|scope| report.note(scope.lists()));
    let (honest, [accepting, mut aside]) = std::thread::scope(|scope| {
        let damaged =
            scope.spawn(|| DAMAGED.map(|recover| recover(None, &mut Report::new("roles", "")).duties));
        (
            explored_honestly::<Plain>(&mut report),
            damaged.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
        )
    });
    let mut executed: BTreeMap<Duty, Vec<&Explorer<'_>>> = BTreeMap::new();
    for explorer in &honest {
        for duty in explorer.duties() {
            executed.entry(duty).or_default().push(explorer);
        }
    }
    // What an open does anyway is judged above.
    aside.retain(|duty| !executed.contains_key(duty));
    progress.expect((executed.len() + accepting.len() + aside.len()) as u64);
    for ((duty, _), found) in executed.iter().zip(each_broken::<Plain>(&executed, &mut report)) {
        part(*duty, found, &mut report, progress);
    }
    for (duty, found) in each_damaged([&accepting, &aside], &mut report) {
        part(duty, found, &mut report, progress);
    }
    let executed =
        executed.keys().chain(&accepting).chain(&aside).map(ToString::to_string).collect::<Vec<_>>();
    for (name, _) in PARTS {
        if !executed.iter().any(|duty| duty == name) {
            report.incomplete(format!("{name} is listed, and was never executed"));
        }
    }
    report
}

/// What becomes of a log without this part, if it is listed.
fn listed(duty: Duty) -> Option<Without> {
    let name = duty.to_string();
    PARTS.iter().find(|(known, _)| *known == name).map(|(_, without)| *without)
}

/// The parts of `duties` that this check does not judge, as it does not know them.
pub(super) fn unlisted(duties: &[Duty]) -> Vec<String> {
    let unlisted = duties.iter().filter(|duty| listed(**duty).is_none());
    unlisted.map(ToString::to_string).collect()
}

/// Holds what was found against what is listed. The error names the invariant, and says what is wrong.
fn judge(
    found: Option<(Invariant, String)>,
    listed: Option<Without>,
) -> Result<String, (&'static str, String)> {
    match (found, listed) {
        (Some((invariant, case)), Some(Breaks(named))) if invariant == named => {
            Ok(format!("{invariant} ({case})"))
        }
        (None, Some(Covered(rule))) => Ok(format!("covered: {rule}")),
        (Some((invariant, case)), Some(Breaks(named))) => Err((
            invariant.as_str(),
            format!("is listed as breaking {named}, but breaks {invariant}: {case}"),
        )),
        (Some((invariant, case)), Some(Covered(_))) => {
            Err((invariant.as_str(), format!("is listed as covered, but breaks {invariant}: {case}")))
        }
        (Some((invariant, case)), None) => {
            Err((invariant.as_str(), format!("is not listed, and breaks {invariant}: {case}")))
        }
        (None, Some(Breaks(named))) => {
            Err(("harness", format!("is listed as breaking {named}, and can be left out: nothing breaks")))
        }
        (None, None) => Err(("harness", "can be left out, and nothing breaks".to_owned())),
    }
}

/// Holds one part against the list, and writes it down.
fn part(duty: Duty, found: Option<(Invariant, String)>, report: &mut Report, progress: &Progress) {
    progress.says(duty.to_string());
    report.count("sync roles", 1);
    let line = judge(found, listed(duty)).unwrap_or_else(|(invariant, says)| {
        let says = format!("{duty} {says}");
        report.find(invariant, says.clone(), "cargo verify --only roles");
        says
    });
    report.note(format!("{duty}: {line}"));
    progress.advance(1);
}

/// The parts that syncs play in a scope behind its prefix, in the recoveries from its crashes too. A scope without any
/// part left out must hold.
#[must_use]
pub fn duties<S: Archived>(scope: &Scope, report: &mut Report) -> Vec<Duty> {
    honest::<S>(scope, THREADS, report).duties()
}

/// Every scope, explored without any part left out. Those with more crashes take longest, and are begun first.
fn explored_honestly<S: Archived>(report: &mut Report) -> Vec<Explorer<'static>> {
    let mut scopes: Vec<(usize, &'static Scope)> = Scope::ROLES.iter().enumerate().collect();
    scopes.sort_by_key(|(_, scope)| std::cmp::Reverse(scope.crashes));
    let explored = share(&scopes, |(place, scope)| {
        let mut counted = Report::new("roles", "");
        (*place, honest::<S>(scope, 1, &mut counted), counted)
    });
    let explored: BTreeMap<_, _> =
        explored.into_iter().map(|(place, explorer, counted)| (place, (explorer, counted))).collect();
    let take = |(explorer, counted): (_, Report)| {
        report.merge(counted);
        explorer
    };
    explored.into_values().map(take).collect()
}

/// Explores a scope without any part left out.
fn honest<'a, S: Archived>(scope: &'a Scope, threads: usize, report: &mut Report) -> Explorer<'a> {
    let explorer = Explorer::new(scope);
    explorer.run::<S>(0..=scope.depth, threads, || true, || {});
    conclude(&explorer, report, explorer.finding());
    explorer
}

/// What the disk breaks by leaving out each of these parts: the invariant and the case. The parts are shared out among
/// the threads, not the sequences of one: two threads in one scope may find its first violations in another order.
fn each_broken<S: Archived>(
    parts: &BTreeMap<Duty, Vec<&Explorer<'_>>>,
    report: &mut Report,
) -> Vec<Option<(Invariant, String)>> {
    let mut list: Vec<_> = parts.iter().enumerate().collect();
    // What nothing misses is looked for in every scope, to the end: it takes longest, and is begun first.
    list.sort_by_key(|(_, (duty, _))| !matches!(listed(**duty), Some(Covered(_))));
    let judged = share(&list, |(place, (duty, scopes))| (*place, broken::<S>(**duty, scopes)));
    let take = |(found, counted): (_, Report)| {
        report.merge(counted);
        found
    };
    judged.into_iter().collect::<BTreeMap<_, _>>().into_values().map(take).collect()
}

/// The same for the parts of each recovery from damage.
fn each_damaged(
    duties: [&BTreeSet<Duty>; 2],
    report: &mut Report,
) -> Vec<(Duty, Option<(Invariant, String)>)> {
    let of_one = |(duties, recover): (&BTreeSet<Duty>, Recover)| {
        duties.iter().map(move |duty| (*duty, recover)).collect::<Vec<_>>()
    };
    let list: Vec<(Duty, Recover)> = duties.into_iter().zip(DAMAGED).flat_map(of_one).collect();
    let judged = share(&list, |(duty, recover)| {
        let mut counted = Report::new("roles", "");
        let found = recover(Some(*duty), &mut counted).broken;
        (*duty, found.map(|(violation, says)| (violation.invariant, says)), counted)
    });
    let take = |(duty, found, counted)| {
        report.merge(counted);
        (duty, found)
    };
    judged.into_iter().map(take).collect()
}

/// What the disk breaks by leaving out one part in the first scope that shows it, and what was explored.
fn broken<S: Archived>(duty: Duty, scopes: &[&Explorer<'_>]) -> (Option<(Invariant, String)>, Report) {
    let mut counted = Report::new("roles", "");
    let found = scopes.iter().find_map(|honest| {
        let lying = Scope { ignored: Some(duty), ..*honest.scope };
        let explorer = Explorer::beside(&lying, honest);
        explorer.run::<S>(0..=lying.depth, 1, || true, || {});
        conclude(&explorer, &mut counted, None);
        explorer.finding().map(|finding| (finding.violation.invariant, finding.case))
    });
    (found, counted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_is_listed_once_and_whatever_is_not_as_listed_is_red() {
        for (at, (name, _)) in PARTS.iter().enumerate() {
            assert!(PARTS[..at].iter().all(|(other, _)| other != name), "{name}");
        }
        let broke = |invariant| Some((invariant, "a case".to_owned()));
        let red = |found, listed| judge(found, listed).err().map(|(invariant, _)| invariant);
        assert_eq!(red(broke(AckedIsDurable), Some(Breaks(AckedIsDurable))), None);
        assert_eq!(red(None, Some(Covered("a rule"))), None);
        assert_eq!(red(None, Some(Breaks(AckedIsDurable))), Some("harness"));
        assert_eq!(red(broke(NothingInvented), Some(Breaks(AckedIsDurable))), Some("nothing-invented"));
        assert_eq!(red(broke(AckedIsDurable), Some(Covered("a rule"))), Some("acked-is-durable"));
        assert_eq!(red(broke(AckedIsDurable), None), Some("acked-is-durable"));
        assert_eq!(red(None, None), Some("harness"));
    }
}
