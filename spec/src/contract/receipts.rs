//! What appends were promised: LSNs, sequence numbers, receipts.

use std::collections::BTreeMap;

use super::obligations::{Group, Record, Wanted};
use super::{Append, Contract, Violation};
use crate::invariant::Invariant;
use crate::outcome::{Failure, Outcome};
use crate::step::{ClientStep, Durability, Lsn, Lsns, Seq, Write};

impl Contract {
    /// Records are handed in. Returns the append's place.
    pub(super) fn enter(&mut self, write: &Write) -> usize {
        let payloads = self.payloads(write);
        *self.indices.entry(write.writer).or_default() += write.records.len() as u64;
        let records = write.records.iter().zip(payloads).map(|(record, payload)| Wanted {
            stream: record.stream,
            seq: None,
            payload: payload.into(),
        });
        let group = Group {
            writer: write.writer,
            durability: write.durability,
            lsns: None,
            after: 0,
            before: Lsn::MAX,
            records: records.collect(),
        };
        self.appends.push(Some(Append { group, acked: None }));
        self.appends.len() - 1
    }

    pub(super) fn finish_write(
        &mut self,
        group: Option<usize>,
        durability: Durability,
        step: &ClientStep,
        outcome: &Outcome,
    ) -> Result<(), Violation> {
        let submitting = matches!(step, ClientStep::Submit { .. });
        match (outcome, group) {
            (Outcome::Failed(failure), Some(group)) => {
                self.fail(group, *failure);
                Ok(())
            }
            (Outcome::Submitted(lsns), Some(group)) if submitting => self.bind(group, *lsns),
            (Outcome::Acked { lsns, seqs }, Some(group)) if !submitting => {
                self.ack(group, durability, *lsns, seqs)
            }
            (Outcome::Failed(_), None) => Ok(()),
            _ => {
                let detail =
                    format!("{step} ended by {outcome}, which is neither a receipt nor a typed error");
                Err(Violation::new(Invariant::AppendResolves, detail))
            }
        }
    }

    fn fail(&mut self, group: usize, failure: Failure) {
        let unplaced = self.appends[group].as_ref().is_some_and(|append| append.group.lsns.is_none());
        if failure.refuses() && unplaced {
            self.appends[group] = None;
        }
    }

    fn ack(
        &mut self,
        group: usize,
        durability: Durability,
        lsns: Lsns,
        seqs: &[Seq],
    ) -> Result<(), Violation> {
        if let Some(synced) = self.synced_at_failure.filter(|synced| lsns.last > *synced) {
            let detail =
                format!("{lsns} acknowledged after a failed write-back; only up to {synced} was synced");
            return Err(Violation::new(Invariant::NoAckAfterFailedSync, detail));
        }
        self.bind(group, lsns)?;
        let Some(mut append) = self.appends[group].take() else {
            return Err(Violation::new(
                Invariant::NothingInvented,
                format!("{lsns} acknowledged after a refusal"),
            ));
        };
        for (wanted, seq) in append.group.records.iter_mut().zip(seqs) {
            wanted.seq = Some(*seq);
        }
        append.acked = Some(durability);
        let checked = if seqs.len() == append.group.records.len() {
            self.check_seqs(&append.group)
        } else {
            let detail = format!("{} sequence numbers for {lsns}", seqs.len());
            Err(Violation::new(Invariant::NothingInvented, detail))
        };
        self.appends[group] = Some(append);
        checked
    }

    /// The append has these LSNs, and nobody else has.
    fn bind(&mut self, group: usize, lsns: Lsns) -> Result<(), Violation> {
        let invented = |detail| Err(Violation::new(Invariant::NothingInvented, detail));
        if lsns.first < self.next {
            return invented(format!("{lsns} given to an append, but {} is the next free LSN", self.next));
        }
        let others = self.appends.iter().enumerate().filter(|(index, _)| *index != group);
        let mut taken = others.filter_map(|(_, append)| append.as_ref()?.group.lsns);
        if let Some(other) = taken.find(|other| other.meets(lsns)) {
            return invented(format!("{lsns} given to an append, but {other} is already given"));
        }
        let Some(append) = &mut self.appends[group] else {
            return invented(format!("{lsns} given to an append that was refused"));
        };
        if append.group.lsns.is_some_and(|before| before != lsns) {
            return invented(format!("an append has {lsns}, and had {:?} before", append.group.lsns));
        }
        if lsns.count() != append.group.records.len() as u64 {
            return invented(format!("{lsns} given to {} records", append.group.records.len()));
        }
        append.group.lsns = Some(lsns);
        Ok(())
    }

    /// Within a stream, sequence numbers rise as LSNs do.
    fn check_seqs(&self, group: &Group) -> Result<(), Violation> {
        let acked = self.appends.iter().flatten().filter_map(|append| append.group.records_at()).flatten();
        let mut known: Vec<Record> = acked.chain(group.records_at().into_iter().flatten()).collect();
        known.sort_unstable_by_key(|record| record.lsn);
        let mut heads = BTreeMap::clone(&self.heads);
        for record in known {
            let head = heads.entry(record.stream).or_default();
            if record.seq < *head {
                let detail =
                    format!("stream {}: {} given to {}, again", record.stream, record.seq, record.lsn);
                return Err(Violation::new(Invariant::NothingInvented, detail));
            }
            *head = record.seq.saturating_add(1);
        }
        Ok(())
    }
}
