//! A claim has its artifact: each is looked up on the disk at the moment it is made.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use truelog_spec::step::Durability;

use super::{At, Deed, Driver};
use crate::fabric::SimFs;
use crate::oracle::{Batch, Reading};
use crate::order::Seen;
use crate::subject::{Ack, Archived, Claimed, Sent, Watch};

impl<S: Archived> Driver<S> {
    /// Holds every claim of the engine's events against the disk, and makes each a moment to crash at.
    pub(super) fn watch(&self) -> Watch {
        let (diary, disk, synced) = (self.diary.clone(), self.disk.clone(), Arc::clone(&self.synced));
        let journal = self.journal.clone();
        let books = self.books.clone();
        books.begin_life();
        Arc::new(move |claimed: Claimed| {
            if let Some(journal) = &journal {
                journal.push(Seen::Claim(claimed.durability, claimed.last));
            }
            let power = claimed.durability == Durability::PowerLoss;
            if power {
                synced.fetch_max(claimed.last, Ordering::Relaxed);
            }
            diary.note(Deed::Claimed(if power { claimed.last } else { 0 }));
            if !event_founded(&reading(&disk, claimed.durability), &claimed) {
                diary.note(Deed::Unfounded(format!(
                    "{} is claimed for LSNs {}..{} in segment {} at {}, and is not there",
                    claimed.durability, claimed.first, claimed.last, claimed.segment, claimed.offset
                )));
            }
            if let Some(says) = books.batch(claimed.first, claimed.last) {
                diary.note(Deed::Unbalanced(says));
            }
            super::moment::note(&diary, &disk, At::Claim(claimed.last));
        })
    }

    /// Holds receipts against what was sent and against the disk.
    pub(super) fn found_acks(&self, sent: &[Sent], acks: &[Ack], durability: Durability) {
        let reading = reading(&self.disk, durability);
        for ack in acks {
            if !receipt_founded(&reading, ack) {
                self.diary.note(Deed::Unfounded(format!(
                    "the receipt of LSN {} names segment {} at {}, and it is not there",
                    ack.lsn, ack.segment, ack.offset
                )));
            }
        }
        for (sent, ack) in sent.iter().zip(acks) {
            let same = sent.stream == ack.stream
                && sent.payload.len() as u64 == u64::from(ack.len)
                && *blake3::hash(&sent.payload).as_bytes() == ack.digest
                && ack.durability == durability;
            if !same {
                self.diary.note(Deed::Unfounded(format!(
                    "the receipt of LSN {} is not of what was appended",
                    ack.lsn
                )));
            }
        }
    }
}

impl<S: Archived> Driver<S> {
    /// A drive that was added is one after a loss of power, too.
    pub(super) fn found_drive(&self, drive: u64) {
        let reading = reading(&self.disk, Durability::PowerLoss);
        let id = reading.drives.get(&drive).and_then(|drive| drive.id);
        let named = reading.manifest.iter().flat_map(|manifest| manifest.drives.values());
        if id.is_none() || !named.into_iter().any(|named| named.place == Some(drive) && Some(named.id) == id)
        {
            self.diary.note(Deed::Unfounded(format!("drive-{drive} was added, and is not sure to be one")));
        }
    }

    /// A manifest that was rebuilt is there after a loss of power, too.
    pub(super) fn found_manifest(&self) {
        if reading(&self.disk, Durability::PowerLoss).manifest.is_none() {
            let says = "the manifest was rebuilt, and is not sure to be there".to_owned();
            self.diary.note(Deed::Unfounded(says));
        }
    }

    /// What is said to be archived is so after a loss of power, too. A later run of the same call may have replaced one.
    pub(super) fn found_runs(&self, runs: &[(u64, u64)]) {
        let reading = reading(&self.disk, Durability::PowerLoss);
        for (first, last) in runs {
            if (*first..=*last).any(|lsn| !reading.archived.contains_key(&lsn)) {
                self.diary
                    .note(Deed::Unfounded(format!("{first}..{last} are not sure to be in the archive")));
            }
        }
    }
}

/// What the disk holds at this moment: surely after a loss of power, or after the end of the process.
fn reading(disk: &SimFs, durability: Durability) -> Reading {
    match durability {
        Durability::PowerLoss => Reading::of(&super::moment::durable_files(disk)),
        Durability::ProcessCrash => Reading::of(&super::moment::cached_files(disk)),
    }
}

fn batches(reading: &Reading, segment: u64) -> impl Iterator<Item = &Batch> {
    let segment = reading.segments.get(&segment);
    segment.into_iter().flat_map(|segment| segment.batches.iter().chain(&segment.stranded))
}

fn event_founded(reading: &Reading, claimed: &Claimed) -> bool {
    let mut batches = batches(reading, claimed.segment);
    batches.any(|batch| {
        batch.offset == claimed.offset && batch.base == claimed.first && batch.next() == claimed.last + 1
    })
}

fn receipt_founded(reading: &Reading, ack: &Ack) -> bool {
    // A receipt may be fetched after its record was trimmed.
    if reading.manifest.as_ref().is_some_and(|manifest| ack.lsn < manifest.before) {
        return true;
    }
    batches(reading, ack.segment).any(|batch| {
        batch.records.iter().zip(&batch.places).any(|(record, place)| {
            record.lsn == ack.lsn
                && record.stream == ack.stream
                && record.seq == ack.seq
                && *place == ack.offset
                && *blake3::hash(&record.payload).as_bytes() == ack.digest
        })
    })
}
