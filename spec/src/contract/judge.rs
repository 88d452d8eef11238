//! The judgement: row by row, in the order of the list of invariants.

use std::collections::BTreeMap;

use super::obligations::{Obligations, Record, RecoveredState};
use super::{Violation, matching};
use crate::invariant::Invariant;
use crate::outcome::Failure;
use crate::step::Lsn;

/// A recovered log, prepared for questions.
pub(super) struct View<'a> {
    pub(super) state: &'a RecoveredState,
    by_lsn: BTreeMap<Lsn, &'a Record>,
}

impl<'a> View<'a> {
    fn new(state: &'a RecoveredState) -> Self {
        Self { state, by_lsn: state.records.iter().map(|record| (record.lsn, record)).collect() }
    }

    pub(super) fn at(&self, lsn: Lsn) -> Option<&'a Record> {
        self.by_lsn.get(&lsn).copied()
    }
}

fn broken(invariant: Invariant, detail: String) -> Result<(), Violation> {
    Err(Violation::new(invariant, detail))
}

impl Obligations {
    /// Holds a recovered log against what is owed.
    ///
    /// # Errors
    /// The first invariant of the list that it breaks.
    pub fn judge(&self, state: &RecoveredState) -> Result<(), Violation> {
        let view = View::new(state);
        self.check_acked(&view)?;
        self.check_claims(&view)?;
        self.check_gapless(&view)?;
        self.check_whole(&view)?;
        matching::check(self, &view)?;
        self.check_numbers(&view)?;
        self.check_false_alarm(state)?;
        self.check_damage(&view)
    }

    /// Holds what a reader beside the log, or a read of the open log from `from` on, returned against what is
    /// owed: all that is acknowledged, nothing that was not appended.
    ///
    /// # Errors
    /// The first invariant of the list that it breaks.
    pub fn judge_read(&self, from: Lsn, records: &[Record]) -> Result<(), Violation> {
        let from = from.max(self.trimmed_must);
        let past = records.last().map_or(from, |last| last.lsn.saturating_add(1));
        let mut owed = self.clone();
        owed.trimmed_must = from;
        owed.trimmed_may = owed.trimmed_may.max(from);
        // Where the log goes on is not for a read to say.
        let next = past.max(self.must().last().map_or(1, |last| last.lsn.saturating_add(1)));
        let state = RecoveredState {
            records: records.to_vec(),
            next,
            trimmed: records.first().map_or(next.min(owed.trimmed_may), |first| first.lsn),
            damage: self.damaged.iter().map(|damaged| damaged.lsns).chain(self.losses.clone()).collect(),
            read_only: false,
        };
        owed.judge(&state)
    }

    /// The log did not open, though no call failed under it.
    ///
    /// # Errors
    /// The first invariant that this breaks: all of them allow it only where damage was done, where creation had not
    /// ended, or in a copy that was not adopted.
    pub fn judge_refusal(&self, failure: Failure) -> Result<(), Violation> {
        let unborn =
            !self.created && matches!(failure, Failure::Unfinished | Failure::InDoubt | Failure::NotALog);
        if unborn || self.away || !self.damaged.is_empty() {
            return Ok(());
        }
        let owed = self.must().filter(|record| record.lsn >= self.trimmed_may).count();
        if owed > 0 {
            broken(Invariant::AckedIsDurable, format!("open fails ({failure}), and {owed} records are owed"))
        } else {
            broken(Invariant::TornTailIsNotDamage, format!("open fails ({failure}), and nothing was damaged"))
        }
    }

    /// The first LSN that must be there if it was acknowledged.
    fn start(&self, view: &View<'_>) -> Lsn {
        self.trimmed_must.max(view.state.trimmed.min(self.trimmed_may))
    }

    fn check_acked(&self, view: &View<'_>) -> Result<(), Violation> {
        let start = self.start(view);
        let owed = self.must().filter(|record| record.lsn >= start && !self.lost(record.lsn));
        for record in owed.filter(|record| self.damage_of(record.lsn).is_none()) {
            match view.at(record.lsn) {
                Some(found) if found == record => {}
                Some(found) => {
                    let detail = format!(
                        "{}: recovered as stream {} seq {} with {} bytes, which is not what was acknowledged: stream {} \
                         seq {} with {} bytes",
                        record.lsn,
                        found.stream,
                        found.seq,
                        found.payload.len(),
                        record.stream,
                        record.seq,
                        record.payload.len()
                    );
                    return broken(Invariant::AckedIsDurable, detail);
                }
                None => {
                    let detail = format!("{} was acknowledged and is not recovered", record.lsn);
                    return broken(Invariant::AckedIsDurable, detail);
                }
            }
        }
        Ok(())
    }

    fn check_claims(&self, view: &View<'_>) -> Result<(), Violation> {
        let mut claimed = self.start(view).max(self.next)..=self.claimed;
        let excused = |lsn: Lsn| self.lost(lsn) || self.damage_of(lsn).is_some();
        match claimed.find(|lsn| view.at(*lsn).is_none() && !excused(*lsn)) {
            Some(lsn) => {
                broken(Invariant::ClaimHasArtifact, format!("{lsn} was claimed durable and is not there"))
            }
            None => Ok(()),
        }
    }

    fn check_gapless(&self, view: &View<'_>) -> Result<(), Violation> {
        let state = view.state;
        if state.trimmed > self.trimmed_may {
            let detail =
                format!("the trim point is {}, nobody trimmed beyond {}", state.trimmed, self.trimmed_may);
            return broken(Invariant::RecoveredIsPrefix, detail);
        }
        let excused = |lsn: Lsn| state.names(lsn) || self.lost(lsn);
        let mut expected = state.trimmed;
        let mut before = None;
        for record in state.records.iter().filter(|record| record.lsn >= state.trimmed) {
            if before.is_some_and(|before| record.lsn < before) {
                return broken(Invariant::RecoveredIsPrefix, format!("{} is out of order", record.lsn));
            }
            if let Some(hole) = (expected..record.lsn).find(|lsn| !excused(*lsn)) {
                return broken(
                    Invariant::RecoveredIsPrefix,
                    format!("{hole} is missing below {}", record.lsn),
                );
            }
            before = Some(record.lsn);
            expected = record.lsn.saturating_add(1);
        }
        match (expected..state.next).find(|lsn| !excused(*lsn)).filter(|_| !state.read_only) {
            Some(hole) => {
                let detail = format!("{hole} is missing below the next LSN, {}", state.next);
                broken(Invariant::RecoveredIsPrefix, detail)
            }
            None => Ok(()),
        }
    }

    /// Appends whose LSNs are known are there as a whole, or not at all.
    fn check_whole(&self, view: &View<'_>) -> Result<(), Violation> {
        let state = view.state;
        for lsns in self.may.iter().filter_map(|group| group.lsns) {
            let excused = |lsn: Lsn| {
                lsn < state.trimmed
                    || state.names(lsn)
                    || self.lost(lsn)
                    || self.damage_of(lsn).is_some_and(|damaged| !damaged.vouched)
            };
            let mut judged = lsns.iter().filter(|lsn| !excused(*lsn)).peekable();
            let first = judged.peek().is_some_and(|lsn| view.at(*lsn).is_some());
            if let Some(lsn) = judged.find(|lsn| view.at(*lsn).is_some() != first) {
                let detail =
                    format!("the batch {lsns} is there in part: {lsn} is unlike the records before it");
                return broken(Invariant::RecoveredIsPrefix, detail);
            }
        }
        Ok(())
    }

    /// LSNs and sequence numbers: each once, none below the trim point, none free that was given.
    fn check_numbers(&self, view: &View<'_>) -> Result<(), Violation> {
        let state = view.state;
        let invented = |detail| broken(Invariant::NothingInvented, detail);
        if state.trimmed < self.trimmed_must {
            return invented(format!("trimmed up to {}, and back to {}", self.trimmed_must, state.trimmed));
        }
        if let Some(record) = state.records.iter().find(|record| record.lsn < state.trimmed) {
            return invented(format!("{} is below the trim point {}", record.lsn, state.trimmed));
        }
        let mut pairs = state.records.iter().zip(state.records.iter().skip(1));
        if let Some((record, _)) = pairs.find(|(one, two)| one.lsn == two.lsn) {
            return invented(format!("{} is recovered twice", record.lsn));
        }
        let given = self.must().chain(&state.records).filter(|record| self.damage_of(record.lsn).is_none());
        let given = given.map(|record| record.lsn.saturating_add(1)).max().unwrap_or(1).max(state.trimmed);
        if state.next < given && !state.read_only {
            return invented(format!("{} would be given again; the next free LSN is {given}", state.next));
        }
        self.check_seqs(view)
    }

    /// In each stream, numbers go on where they stood, but for records that are gone unseen.
    fn check_seqs(&self, view: &View<'_>) -> Result<(), Violation> {
        let state = view.state;
        let recent = self.next..state.next;
        let mut known: BTreeMap<Lsn, &Record> = BTreeMap::new();
        known.extend(state.records.iter().map(|record| (record.lsn, record)));
        known.extend(self.must().map(|record| (record.lsn, record)));
        known.retain(|lsn, _| recent.contains(lsn));
        // LSNs without a number in a stream: records that are trimmed or lost, and nobody ever saw.
        let numbered: u64 = self.heads.values().sum::<u64>() + known.len() as u64;
        let mut unseen = state.next.max(self.next).saturating_sub(1).saturating_sub(numbered);
        let mut heads = BTreeMap::clone(&self.heads);
        for record in known.values() {
            let head = heads.entry(record.stream).or_default();
            match record.seq.checked_sub(*head) {
                Some(skipped) if skipped <= unseen => unseen -= skipped,
                _ if self.damage_of(record.lsn).is_some() => {}
                _ => {
                    let detail =
                        format!("{}: stream {} goes on at {}", record.lsn, record.stream, record.seq);
                    return broken(Invariant::NothingInvented, format!("{detail}, not at {head}"));
                }
            }
            *head = record.seq.saturating_add(1);
        }
        Ok(())
    }

    /// Where nothing was damaged, nothing is named, and the log takes appends.
    fn check_false_alarm(&self, state: &RecoveredState) -> Result<(), Violation> {
        let caused = |range: &crate::step::Lsns| {
            self.damaged.iter().any(|damaged| damaged.lsns.meets(*range))
                || range.iter().all(|lsn| self.lost(lsn))
        };
        if let Some(range) = state.damage.iter().find(|range| !caused(range)) {
            let detail = format!("{range} is named as damage, and nothing was damaged");
            return broken(Invariant::TornTailIsNotDamage, detail);
        }
        if state.read_only && self.damaged.is_empty() {
            let detail = "the log opens read-only, and nothing was damaged".to_owned();
            return broken(Invariant::TornTailIsNotDamage, detail);
        }
        Ok(())
    }

    fn check_damage(&self, view: &View<'_>) -> Result<(), Violation> {
        let start = self.start(view);
        for record in self.must().filter(|record| record.lsn >= start && !self.lost(record.lsn)) {
            let Some(damaged) = self.damage_of(record.lsn) else { continue };
            let detail = match view.at(record.lsn) {
                Some(found) if found != record => format!("{} is damaged, and returned as data", record.lsn),
                None if damaged.vouched && !view.state.names(record.lsn) => {
                    format!("{} is damaged, and cut in silence", record.lsn)
                }
                _ => continue,
            };
            return broken(Invariant::DamageIsLoud, detail);
        }
        Ok(())
    }
}
