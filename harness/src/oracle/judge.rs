//! One recovery, judged: the image before it, what it returned, and what its disk holds afterwards.

use std::collections::BTreeMap;

use truelog_spec::Invariant;
use truelog_spec::contract::{Obligations, Record, RecoveredState, Violation};

use super::decode::Reading;
use crate::subject::Refusal;

/// How an open ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// It returned a log, and that log these records.
    Opened {
        /// What was returned.
        state: RecoveredState,
        /// What could not be read.
        unread: Vec<Refusal>,
    },
    /// It returned an error.
    Refused(Refusal),
}

/// All that is known of one recovery from an image without damage.
#[derive(Debug)]
pub struct Case<'a> {
    /// What was owed after the crash.
    pub owed: &'a Obligations,
    /// What the image held.
    pub before: &'a Reading,
    /// How the open ended.
    pub ended: &'a Ended,
    /// What the disk is sure to hold afterwards.
    pub after: &'a Reading,
}

/// Judges a recovery on a disk that did not lie.
///
/// # Errors
/// The first invariant, in the order of the list, that is broken.
pub fn judge(case: &Case<'_>) -> Result<(), Violation> {
    if let (true, Ended::Refused(_)) = (case.owed.away, case.ended) {
        // A copy that was not adopted, and knows it: it may be as it likes.
        return Ok(());
    }
    let mut violations = image(case.owed, case.before);
    match case.ended {
        Ended::Refused(refusal) => {
            violations.extend(case.owed.judge_refusal(refusal.kind).err().map(|mut violation| {
                violation.detail = format!("{}: {}", violation.detail, refusal.says);
                violation
            }));
        }
        Ended::Opened { state, unread } => {
            if let Some(refusal) = unread.first() {
                let says = format!("a disk that did not lie cannot be read: {}", refusal.says);
                violations.push(Violation::new(Invariant::TornTailIsNotDamage, says));
            }
            match case.owed.judge(state) {
                Err(violation) => violations.push(violation),
                // Only what was returned by right is owed from now on.
                Ok(()) => violations.extend(kept(state, case.after)),
            }
        }
    }
    first(violations)
}

/// The violation whose invariant comes first in the list.
fn first(violations: Vec<Violation>) -> Result<(), Violation> {
    violations.into_iter().min_by_key(|violation| violation.invariant).map_or(Ok(()), Err)
}

/// What the image itself shows, before anybody recovers from it.
fn image(owed: &Obligations, before: &Reading) -> Vec<Violation> {
    let mut violations = Vec::new();
    let there: BTreeMap<u64, &Record> = before.records().map(|record| (record.lsn, record)).collect();
    for record in owed.must().filter(|record| record.lsn >= owed.trimmed_may) {
        if there.get(&record.lsn) != Some(&record) {
            let says = format!("LSN {} was acknowledged, and the disk does not hold it", record.lsn);
            violations.push(Violation::new(Invariant::AckedIsDurable, says));
        }
    }
    violations
        .extend(before.watermark_too_high().map(|says| Violation::new(Invariant::ClaimHasArtifact, says)));
    if let Some(manifest) = &before.manifest {
        for number in manifest.segments.iter().filter(|number| **number >= manifest.floor) {
            if !before.names.contains(number) {
                let says = format!("segment {number} is named by the manifest, and is not there");
                violations.push(Violation::new(Invariant::ReclaimAfterPublish, says));
            }
        }
    }
    violations.extend(copies(before));
    violations.extend(copied_manifests(owed, before));
    violations
}

/// Every copy of a run that the manifest names on a healthy drive is there, and whole.
fn copies(reading: &Reading) -> Vec<Violation> {
    let (Some(manifest), Some(log)) = (&reading.manifest, &reading.log) else { return Vec::new() };
    let mut violations = Vec::new();
    for run in manifest.runs.values().filter(|run| run.last >= manifest.before) {
        let named =
            manifest.drives.iter().filter(|(number, drive)| drive.healthy && run.copies >> **number & 1 == 1);
        for place in named.filter_map(|(_, drive)| drive.place) {
            let copy = reading.drives.get(&place).and_then(|drive| drive.copy(run, log, reading.block));
            let (invariant, how) = match copy {
                None => (Invariant::ReclaimAfterPublish, "is not there"),
                Some(copy) if !copy.whole => (Invariant::CompactionPreservesReads, "is not whole"),
                Some(_) => continue,
            };
            let says = format!("run {} is named by the manifest on drive-{place}, and {how}", run.number);
            violations.push(Violation::new(invariant, says));
        }
    }
    violations
}

/// The copy of the manifest on every healthy drive leads to every record that is owed: nothing goes before it says so.
fn copied_manifests(owed: &Obligations, reading: &Reading) -> Vec<Violation> {
    let Some(manifest) = &reading.manifest else { return Vec::new() };
    let mut violations = Vec::new();
    for drive in manifest.drives.values().filter(|drive| drive.healthy) {
        let place = drive.place.unwrap_or_default();
        // One that has no copy knows of no run.
        let copy = reading.drives.get(&place).and_then(|drive| drive.manifest.clone()).unwrap_or_default();
        let seen = reading.seen_by(&copy);
        let from = owed.trimmed_may.max(manifest.before);
        let missing = owed.must().find(|record| record.lsn >= from && seen.get(&record.lsn) != Some(record));
        violations.extend(missing.map(|record| {
            let says = format!("the manifest on drive-{place} does not lead to LSN {}", record.lsn);
            Violation::new(Invariant::ReclaimAfterPublish, says)
        }));
    }
    violations
}

/// What an open returned is acknowledged: the disk holds it whatever happens next.
fn kept(state: &RecoveredState, after: &Reading) -> Vec<Violation> {
    let there: BTreeMap<u64, &Record> = after.records().map(|record| (record.lsn, record)).collect();
    let missing = state.records.iter().filter(|record| there.get(&record.lsn) != Some(record));
    let mut violations: Vec<Violation> = missing
        .map(|record| {
            let says =
                format!("LSN {} was returned by open, and the disk is not sure to hold it", record.lsn);
            Violation::new(Invariant::AckedIsDurable, says)
        })
        .collect();
    violations
        .extend(after.watermark_too_high().map(|says| Violation::new(Invariant::ClaimHasArtifact, says)));
    let faults = after.faults.iter().map(|fault| Violation::new(Invariant::RecoveryConverges, fault.clone()));
    violations.extend(faults);
    violations.extend(copies(after));
    violations
}
