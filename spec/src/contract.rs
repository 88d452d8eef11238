//! What a client may rely on: the oracle's notion of right.
//!
//! A [`Contract`] follows the calls of all clients and their outcomes, and knows the set of all logs that may be
//! there. The set is never listed: it is held as the records that are acknowledged (each under one LSN, for one
//! durability), those that are unresolved (absent, or present once, in their writer's order, their batch
//! whole), and bounds for the trim point. Each outcome prunes the set, or breaks an invariant.
//!
//! At any moment [`Contract::obligations`] says what a crash at that moment leaves owed. [`Obligations::judge`]
//! holds a recovered log against that, and [`Contract::opened`] does the same and goes on from there: what open
//! returned counts as acknowledged, and what it did not return never comes back.
//!
//! ```
//! use truelog_spec::contract::{Contract, RecoveredState};
//! use truelog_spec::step::CrashKind;
//! use truelog_spec::{Invariant, Outcome};
//!
//! let mut contract = Contract::new();
//! contract.apply(&"create".parse()?, &Outcome::Done)?;
//! contract.apply(&"append stream=0 len=8".parse()?, &"acked 1 seq=0".parse()?)?;
//! let owed = contract.obligations(CrashKind::Power);
//! let broken = owed.judge(&RecoveredState::empty()).unwrap_err();
//! assert_eq!(broken.invariant, Invariant::AckedIsDurable);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod judge;
mod matching;
mod obligations;
mod receipts;
#[cfg(test)]
mod soundness;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub use obligations::{Damaged, Group, Obligations, Record, RecoveredState, Wanted};

use crate::invariant::Invariant;
use crate::outcome::{Failure, Outcome};
use crate::step::{ClientStep, CrashKind, Durability, Lsn, Lsns, Seq, Stream, TicketNo, Write, Writer};

/// An invariant is broken: the first row of the list that is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{invariant}: {detail}")]
pub struct Violation {
    /// Which.
    pub invariant: Invariant,
    /// By what: LSNs, what was expected, what was found.
    pub detail: String,
}

impl Violation {
    /// A violation.
    #[must_use]
    pub fn new(invariant: Invariant, detail: impl Into<String>) -> Self {
        Self { invariant, detail: detail.into() }
    }
}

/// The payload of the record that `writer` appends as its `index`-th, counted from 0 over all lives of the log,
/// refused appends included. Payloads of eight bytes or more are unlike each other.
#[must_use]
pub fn payload(writer: Writer, index: u64, len: u32) -> Vec<u8> {
    // SplitMix64, started from both numbers: the first word is a bijection of them below 2^32 each.
    let mut state = (u64::from(writer) << 32) ^ index;
    let mut bytes = Vec::with_capacity(len as usize + 8);
    while bytes.len() < len as usize {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bytes.extend_from_slice(&(word ^ (word >> 31)).to_le_bytes());
    }
    bytes.truncate(len as usize);
    bytes
}

/// A call that has begun.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a call ends: say how"]
pub struct Call {
    id: u64,
    life: u64,
    step: ClientStep,
    group: Option<usize>,
    /// What an open sets aside: up to where everything was synced when a write or a sync of the handle before failed.
    failed_before: Option<Lsn>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Append {
    group: Group,
    /// Its receipt, if it has one.
    acked: Option<Durability>,
}

/// The set of all logs that may be there. See the module.
#[derive(Debug, Clone, Default)]
pub struct Contract {
    created: bool,
    life: u64,
    calls: BTreeSet<u64>,
    next_call: u64,
    /// What the last open returned.
    settled: Arc<Vec<Record>>,
    heads: Arc<BTreeMap<Stream, Seq>>,
    next: Lsn,
    /// What was appended since, in the order in which the calls began. `None` where it was refused.
    appends: Vec<Option<Append>>,
    tickets: BTreeMap<TicketNo, usize>,
    indices: BTreeMap<Writer, u64>,
    trimmed_must: Lsn,
    trimmed_may: Lsn,
    losses: Vec<Lsns>,
    damaged: Vec<Damaged>,
    claimed: Lsn,
    power_failed: bool,
    /// A create or an adopt of this boot did not end well.
    doubtful: bool,
    /// A create or an adopt is in progress.
    making: bool,
    /// The directory is a copy that was not adopted yet.
    away: bool,
    synced_at_failure: Option<Lsn>,
    /// Up to where everything was synced when a sync of a segment failed.
    kept_at_failure: Option<Lsn>,
}

impl Contract {
    /// Nothing is there yet.
    #[must_use]
    pub fn new() -> Self {
        Self { next: 1, trimmed_must: 1, trimmed_may: 1, ..Self::default() }
    }

    /// The payloads that `write` will append, if it is the writer's next: what a driver has to hand in.
    #[must_use]
    pub fn payloads(&self, write: &Write) -> Vec<Vec<u8>> {
        let first = self.indices.get(&write.writer).copied().unwrap_or(0);
        let indexed = (first..).zip(&write.records);
        indexed.map(|(index, record)| payload(write.writer, index, record.len)).collect()
    }

    /// A call begins.
    pub fn begin(&mut self, step: &ClientStep) -> Call {
        // Whose write or sync failed is gone: what is opened now has failed in nothing yet.
        let failed_before = if *step == ClientStep::Open { self.synced_at_failure.take() } else { None };
        let group = match step {
            ClientStep::Append(write) | ClientStep::Batch(write) => Some(self.enter(write)),
            ClientStep::Submit { ticket, write } => {
                let group = self.enter(write);
                self.tickets.insert(*ticket, group);
                Some(group)
            }
            ClientStep::Wait { ticket } => self.tickets.get(ticket).copied(),
            ClientStep::Trim { before } => {
                self.trimmed_may = self.trimmed_may.max(*before);
                None
            }
            ClientStep::AcceptLoss => {
                self.losses.extend(self.damaged.iter().map(|damaged| damaged.lsns));
                None
            }
            ClientStep::Create | ClientStep::Adopt => {
                self.making = true;
                None
            }
            _ => None,
        };
        let id = self.next_call;
        self.next_call += 1;
        self.calls.insert(id);
        Call { id, life: self.life, step: step.clone(), group, failed_before }
    }

    /// A call ends. The outcome of a call that began before the last crash is void.
    ///
    /// # Errors
    /// The first invariant that the outcome breaks.
    pub fn finish(&mut self, call: Call, outcome: &Outcome) -> Result<(), Violation> {
        let void = call.life != self.life && call.step != ClientStep::Open;
        if !self.calls.remove(&call.id) || void || *outcome == Outcome::Unresolved {
            return Ok(());
        }
        match &call.step {
            ClientStep::Append(write) | ClientStep::Batch(write) | ClientStep::Submit { write, .. } => {
                self.finish_write(call.group, write.durability, &call.step, outcome)
            }
            ClientStep::Wait { .. } => {
                let durability = call.group.and_then(|group| self.appends[group].as_ref());
                let durability = durability.map_or(Durability::PowerLoss, |append| append.group.durability);
                self.finish_write(call.group, durability, &call.step, outcome)
            }
            ClientStep::Trim { .. } => {
                if let Outcome::Trimmed(before) = *outcome {
                    self.trimmed_must = self.trimmed_must.max(before);
                    self.trimmed_may = self.trimmed_may.max(before);
                }
                Ok(())
            }
            ClientStep::Create => {
                self.created |= matches!(outcome, Outcome::Done | Outcome::Recovered(_));
                self.made(outcome)
            }
            ClientStep::Adopt => {
                self.away &= *outcome != Outcome::Done;
                self.made(outcome)
            }
            ClientStep::Open => {
                // The handle before lives: its failure stands.
                if *outcome == Outcome::Failed(Failure::Locked) {
                    self.synced_at_failure = call.failed_before;
                }
                self.check_summary(outcome)
            }
            ClientStep::AcceptLoss => match outcome {
                Outcome::Lost(lost) => self.lose(lost),
                _ => Ok(()),
            },
            ClientStep::Tick
            | ClientStep::Close
            | ClientStep::Read { .. }
            | ClientStep::Hold { .. }
            | ClientStep::Release { .. }
            | ClientStep::AddDrive { .. }
            | ClientStep::Compact
            | ClientStep::Scrub
            | ClientStep::Inspect
            | ClientStep::RebuildManifest => Ok(()),
        }
    }

    /// A call begins and ends, with nothing in between.
    ///
    /// # Errors
    /// As [`Contract::finish`].
    pub fn apply(&mut self, step: &ClientStep, outcome: &Outcome) -> Result<(), Violation> {
        let call = self.begin(step);
        self.finish(call, outcome)
    }

    /// The engine claims, by a log line or a watermark, that all records up to `durable` survive a loss of power.
    pub fn claimed(&mut self, durable: Lsn) {
        self.claimed = self.claimed.max(durable);
    }

    /// A write or a sync failed. Of the records that have no receipt yet, only those up to `synced` were
    /// covered by a sync before that.
    pub fn write_back_failed(&mut self, synced: Lsn) {
        let before = self.synced_at_failure.unwrap_or(synced);
        self.synced_at_failure = Some(before.min(synced));
    }

    /// A sync of a segment failed: what was written behind `synced` may be gone from the page cache (DESIGN 6, gate W, rule
    /// 6), so that the end of the process may cost it. Only what a receipt says to survive a loss of power is still owed.
    pub fn taken_back(&mut self, synced: Lsn) {
        let before = self.kept_at_failure.unwrap_or(synced);
        self.kept_at_failure = Some(before.min(synced));
    }

    /// Durable bytes were damaged (gate D): what this may cost.
    pub fn damage(&mut self, damaged: &[Damaged]) {
        self.damaged.extend_from_slice(damaged);
    }

    /// The log's directory is a copy from now on, which need not be durable. Until it is adopted, or opens, nothing
    /// is owed of it but that it is whole if it opens: what it is a copy of still exists.
    pub const fn copied(&mut self) {
        self.away = true;
    }

    /// The handle is gone by a crash, or was dropped. What it had promised stands.
    pub fn crash(&mut self, kind: CrashKind) {
        self.doubtful = kind == CrashKind::Process && (self.doubtful || self.making);
        self.making = false;
        self.life += 1;
        self.calls.clear();
        self.tickets.clear();
        self.power_failed |= kind == CrashKind::Power;
        self.synced_at_failure = None;
    }

    /// What a crash at this moment leaves owed.
    #[must_use]
    pub fn obligations(&self, kind: CrashKind) -> Obligations {
        let power = self.power_failed || kind == CrashKind::Power;
        let mut acked = Vec::new();
        let mut may: Vec<Group> = Vec::new();
        let mut last: BTreeMap<Writer, Lsn> = BTreeMap::new();
        for append in self.appends.iter().flatten() {
            let group = &append.group;
            let kept = |lsns: Lsns| self.kept_at_failure.is_none_or(|synced| lsns.last <= synced);
            let survives = append.acked.is_some_and(|named| match named {
                Durability::PowerLoss => true,
                Durability::ProcessCrash => !power && group.lsns.is_none_or(kept),
            });
            let placed = append.acked.and(group.lsns);
            if let Some(lsns) = placed {
                last.insert(group.writer, lsns.last);
                let earlier = may.iter_mut().filter(|one| one.writer == group.writer);
                earlier.for_each(|one| one.before = one.before.min(lsns.first));
            }
            match group.records_at() {
                Some(records) if survives => acked.extend(records),
                _ => {
                    let after = placed.map_or_else(|| last.get(&group.writer).copied(), |_| None);
                    may.push(Group { after: after.unwrap_or(0), ..group.clone() });
                }
            }
        }
        acked.sort_unstable_by_key(|record| record.lsn);
        // Only the order within a writer counts: a stable sort makes equal situations equal.
        may.sort_by_key(|group| group.writer);
        Obligations {
            created: self.created,
            settled: Arc::clone(&self.settled),
            heads: Arc::clone(&self.heads),
            acked,
            may,
            next: self.next,
            trimmed_must: self.trimmed_must,
            trimmed_may: self.trimmed_may,
            claimed: self.claimed,
            losses: self.losses.clone(),
            damaged: self.damaged.clone(),
            away: self.away,
        }
    }

    /// The log was opened, and this is what it returned: judged, and from now on acknowledged.
    ///
    /// # Errors
    /// The first invariant that it breaks.
    pub fn opened(&mut self, state: &RecoveredState) -> Result<(), Violation> {
        let owed = self.obligations(CrashKind::Process);
        owed.judge(state)?;
        let mut heads = BTreeMap::clone(&self.heads);
        let mut settled = state.records.clone();
        let found: BTreeSet<Lsn> = settled.iter().map(|record| record.lsn).collect();
        let missing = || owed.must().filter(|record| !found.contains(&record.lsn));
        // What vanished, and nothing could tell: its numbers may be given again.
        let gone = |record: &&Record| state.trimmed > record.lsn || owed.lost(record.lsn);
        let vanished = |record: &&Record| !gone(record) && !state.names(record.lsn);
        for record in missing().filter(|record| !vanished(record)).chain(&state.records) {
            let head = heads.entry(record.stream).or_default();
            *head = (*head).max(record.seq.saturating_add(1));
        }
        for record in missing().filter(vanished) {
            let head = heads.entry(record.stream).or_default();
            *head = (*head).min(record.seq);
        }
        // What is damaged and named is still owed: healed, or named again.
        settled.extend(missing().filter(|record| !gone(record) && !vanished(record)).cloned());
        settled.sort_unstable_by_key(|record| record.lsn);
        self.settled = Arc::new(settled);
        self.heads = Arc::new(heads);
        self.created = true;
        self.away = false;
        self.next = state.next.max(self.settled.last().map_or(1, |last| last.lsn.saturating_add(1)));
        self.appends.clear();
        self.tickets.clear();
        self.life += 1;
        self.trimmed_must = state.trimmed;
        self.trimmed_may = state.trimmed;
        self.claimed = 0;
        self.power_failed = false;
        self.kept_at_failure = None;
        Ok(())
    }

    /// The run has ended without a crash: no call is still in progress.
    ///
    /// # Errors
    /// [`Invariant::AppendResolves`] if one is.
    pub fn quiescent(&self) -> Result<(), Violation> {
        match self.calls.len() {
            0 => Ok(()),
            calls => {
                let detail = format!("{calls} call(s) ended neither in a receipt nor in an error");
                Err(Violation::new(Invariant::AppendResolves, detail))
            }
        }
    }

    /// A create or an adopt has ended. It may refuse for the sake of an earlier one of this boot, and only then.
    fn made(&mut self, outcome: &Outcome) -> Result<(), Violation> {
        self.making = false;
        match outcome {
            Outcome::Failed(Failure::InDoubt) if !self.doubtful => {
                let detail = "it is in doubt, and nothing failed or crashed in this boot".to_owned();
                return Err(Violation::new(Invariant::TornTailIsNotDamage, detail));
            }
            Outcome::Failed(Failure::Exists | Failure::Locked) => {}
            Outcome::Failed(_) => self.doubtful = true,
            _ => self.doubtful = false,
        }
        Ok(())
    }

    fn check_summary(&self, outcome: &Outcome) -> Result<(), Violation> {
        let Outcome::Recovered(found) = outcome else { return Ok(()) };
        if found.next < self.next || found.trimmed < self.trimmed_must {
            let detail =
                format!("open says {found}, the log goes from {} to {}", self.trimmed_must, self.next);
            return Err(Violation::new(Invariant::RecoveryConverges, detail));
        }
        Ok(())
    }

    fn lose(&mut self, lost: &[Lsns]) -> Result<(), Violation> {
        let healthy = self.obligations(CrashKind::Process);
        let mut healthy = healthy.must().filter(|record| lost.iter().any(|range| range.contains(record.lsn)));
        let excused = |record: &Record| self.damaged.iter().any(|damaged| damaged.lsns.contains(record.lsn));
        if let Some(record) = healthy.find(|record| !excused(record)) {
            let detail = format!("{} is accepted as lost, but nothing damaged it", record.lsn);
            return Err(Violation::new(Invariant::AckedIsDurable, detail));
        }
        self.losses.extend_from_slice(lost);
        Ok(())
    }
}
