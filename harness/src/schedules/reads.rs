//! What a reader beside everything else must be given: exactly what was appended, or that it was trimmed.

use std::collections::BTreeMap;

use truelog_spec::contract::{Record, Violation, payload};
use truelog_spec::step::Writer;
use truelog_spec::{ClientStep, Failure, Invariant, Outcome};

use super::play::Stage;
use crate::subject::{Ack, Archived, Audit, Refusal, Sent};

/// A record that was not trimmed reads the same at all times, whatever else is done.
const LOST: Invariant = Invariant::CompactionPreservesReads;

/// Whose record an LSN is: its stream, its place in the stream, its length.
type Whose = (u64, u64, u64);

/// What clients were told so far, as far as readers must agree with it.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// Each LSN that a receipt or a read has named. It never becomes another's.
    whose: BTreeMap<u64, Whose>,
    receipts: Vec<Ack>,
    /// The last record that was acknowledged. Batches are committed in order: all before it are there, too.
    acked: u64,
    /// No trim that has begun takes this record or any behind it.
    may: u64,
    /// Trims that have ended took all records before this one.
    gone: u64,
}

/// What was sure when a read began.
#[derive(Debug, Clone, Copy)]
struct Sure {
    acked: u64,
    gone: u64,
}

impl Told {
    /// Receipts are out for what was sent.
    pub(super) fn receipts(&mut self, sent: &[Sent], acks: &[Ack]) -> Result<(), Violation> {
        self.receipts.extend_from_slice(acks);
        let other =
            sent.iter().zip(acks).find(|(sent, ack)| *blake3::hash(&sent.payload).as_bytes() != ack.digest);
        if let Some((_, ack)) = other {
            let says = format!("the receipt of LSN {} is not of what was appended", ack.lsn);
            return Err(Violation::new(Invariant::ClaimHasArtifact, says));
        }
        acks.iter().try_for_each(|ack| {
            self.acked = self.acked.max(ack.lsn);
            self.is(ack.lsn, (ack.stream, ack.seq, ack.len.into()))
        })
    }

    /// A trim begins.
    pub(super) fn trims(&mut self, before: u64) {
        self.may = self.may.max(before);
    }

    /// A trim has ended.
    pub(super) fn trimmed(&mut self, before: u64) {
        self.gone = self.gone.max(before);
    }

    /// The first record that a trim which has begun may not have taken.
    pub(super) const fn may(&self) -> u64 {
        self.may
    }

    const fn sure(&self) -> Sure {
        Sure { acked: self.acked, gone: self.gone }
    }

    fn is(&mut self, lsn: u64, whose: Whose) -> Result<(), Violation> {
        let known = *self.whose.entry(lsn).or_insert(whose);
        if known == whose {
            return Ok(());
        }
        let says = format!("LSN {lsn} is {whose:?}, and was {known:?} before (stream, number, length)");
        Err(Violation::new(Invariant::ReadNeverStale, says))
    }

    /// A record that was read is the one that was handed in.
    fn record(&mut self, record: &Record, sure: Sure) -> Result<(), Violation> {
        let lsn = record.lsn;
        if lsn < sure.gone {
            let says = format!("LSN {lsn} was trimmed, and is read again");
            return Err(Violation::new(Invariant::NothingInvented, says));
        }
        let len = u32::try_from(record.payload.len()).unwrap_or(u32::MAX);
        let writer = Writer::try_from(record.stream).unwrap_or(Writer::MAX);
        // Each writer has a stream of its own here, so that the stream's numbers count its records.
        if *record.payload != *payload(writer, record.seq, len) {
            let says = format!("a reader got other bytes under LSN {lsn} than were handed in");
            return Err(Violation::new(Invariant::NothingInvented, says));
        }
        self.is(lsn, (record.stream, record.seq, len.into()))
    }

    /// Holds what a read of everything gave, now that it has ended, against what was sure when it began.
    fn all(&mut self, read: &[Result<Record, Refusal>], sure: Sure) -> Result<(), Violation> {
        let (mut due, mut skips) = (1, false);
        for one in read {
            match one {
                Ok(record) if record.lsn == due || skips && (due..=self.may).contains(&record.lsn) => {
                    self.record(record, sure)?;
                    (due, skips) = (record.lsn + 1, false);
                }
                Ok(record) => {
                    let says = format!("a reader got LSN {} where {due} is next", record.lsn);
                    return Err(Violation::new(LOST, says));
                }
                Err(refusal) if refusal.kind == Failure::Trimmed && due < self.may => skips = true,
                Err(refusal) => {
                    let says = format!("a reader at LSN {due} got an error: {}", refusal.says);
                    return Err(Violation::new(LOST, says));
                }
            }
        }
        let from = if skips { due.max(self.may) } else { due };
        if from > sure.acked {
            return Ok(());
        }
        let says = format!("a reader got nothing from LSN {from} on, and {} was acknowledged", sure.acked);
        Err(Violation::new(LOST, says))
    }

    fn one(&mut self, lsn: u64, got: &Result<Record, Refusal>, sure: Sure) -> Result<(), Violation> {
        match got {
            Ok(record) if record.lsn == lsn => self.record(record, sure),
            Ok(record) => {
                let says = format!("asked for LSN {lsn}, a reader got {}", record.lsn);
                Err(Violation::new(LOST, says))
            }
            Err(refusal) if refusal.kind == Failure::Trimmed && lsn < self.may => Ok(()),
            Err(refusal) => {
                let says = format!("asked for LSN {lsn}, a reader got an error: {}", refusal.says);
                Err(Violation::new(LOST, says))
            }
        }
    }
}

/// Reads everything, forwards, through one iterator.
pub(super) fn forwards<S: Archived>(stage: &Stage, log: &S) {
    let sure = stage.known().told.sure();
    let read = stage.reading(|| {
        stage.call(
            &ClientStep::Read { from: 1, reader: None },
            || Ok(log.read(1)),
            |read| Outcome::Read(read.len() as u64),
        )
    });
    let judged = stage.known().told.all(&read.unwrap_or_default(), sure);
    stage.breaks(judged);
}

/// Reads everything that was acknowledged, one by one, backwards.
pub(super) fn backwards<S: Archived>(stage: &Stage, log: &S) {
    let last = stage.known().told.acked;
    for lsn in (1..=last).rev() {
        let sure = stage.known().told.sure();
        let got = stage.reading(|| log.get(lsn));
        let judged = stage.known().told.one(lsn, &got, sure);
        stage.breaks(judged);
    }
}

/// Holds every receipt that is out against the log: the verifier.
pub(super) fn audit<S: Archived>(stage: &Stage, log: &S) {
    let receipts = stage.known().told.receipts.clone();
    for ack in &receipts {
        let gone = stage.known().told.gone;
        let found = stage.reading(|| log.verify(ack));
        let mut known = stage.known();
        known.work().audited += 1;
        let verdict = match found {
            Ok(Audit::Holds) if ack.lsn >= gone => continue,
            Ok(Audit::Trimmed) if ack.lsn < known.told.may => continue,
            verdict => verdict,
        };
        drop(known);
        stage.breaks(Err(contradicted(stage, log, ack.lsn, verdict)));
    }
}

/// What a verdict breaks that is not true. A verifier that finds no record has read, as any reader does; where whoever
/// reads the record does not get it either, it is the read that is wrong. Else it has looked at two states.
fn contradicted<S: Archived>(stage: &Stage, log: &S, lsn: u64, verdict: Result<Audit, Refusal>) -> Violation {
    let says = match verdict {
        Ok(Audit::Absent(why)) => {
            return Violation::new(LOST, format!("the verifier finds no LSN {lsn}: {why}"));
        }
        Ok(verdict) => format!("the verifier says of LSN {lsn}: {verdict:?}"),
        Err(refusal) => {
            return Violation::new(LOST, format!("the verifier cannot read LSN {lsn}: {}", refusal.says));
        }
    };
    let sure = stage.known().told.sure();
    let got = stage.reading(|| log.get(lsn));
    let read = stage.known().told.one(lsn, &got, sure);
    match read {
        Err(read) => Violation::new(read.invariant, format!("{says}; {}", read.detail)),
        Ok(()) => Violation::new(Invariant::VerifySeesOneState, says),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(lsn: u64) -> Record {
        Record { lsn, stream: 0, seq: lsn - 1, payload: payload(0, lsn - 1, 8).into() }
    }

    fn refused(kind: Failure) -> Result<Record, Refusal> {
        Err(Refusal { kind, lsns: None, says: kind.to_string() })
    }

    /// Four records were acknowledged, and a trim before 3 has begun.
    fn told() -> Told {
        let mut told = Told { acked: 4, ..Told::default() };
        told.trims(3);
        told
    }

    fn all(told: &mut Told, read: &[Result<Record, Refusal>]) -> Option<Invariant> {
        let sure = told.sure();
        let judged = told.all(read, sure);
        judged.err().map(|violation| violation.invariant)
    }

    #[test]
    fn a_read_gives_everything_but_what_a_trim_may_have_taken() {
        let [one, two, three, four] = [1, 2, 3, 4].map(|lsn| Ok(record(lsn)));
        let trimmed = || refused(Failure::Trimmed);
        let lost = Some(LOST);
        let whole = [one.clone(), two.clone(), three.clone(), four.clone()];
        assert_eq!(all(&mut told(), &whole), None);
        assert_eq!(all(&mut told(), &[trimmed(), three.clone(), four.clone()]), None);
        assert_eq!(all(&mut told(), &[one.clone(), trimmed(), three.clone(), four.clone()]), None);
        assert_eq!(all(&mut told(), &[three.clone(), four.clone()]), lost, "nobody said that it was trimmed");
        assert_eq!(all(&mut told(), &[one.clone(), two.clone(), trimmed(), four.clone()]), lost, "3 stays");
        assert_eq!(all(&mut told(), &[one.clone(), two.clone(), three.clone()]), lost, "4 is missing");
        assert_eq!(all(&mut told(), &[trimmed()]), lost, "3 and 4 are missing");
        assert_eq!(all(&mut told(), &[refused(Failure::Io), one, two, three, four]), lost);
    }

    #[test]
    fn what_was_trimmed_stays_so_and_an_lsn_stays_the_same_records() {
        let whole: Vec<_> = (1..=4).map(|lsn| Ok(record(lsn))).collect();
        let mut late = told();
        late.trimmed(3);
        assert_eq!(all(&mut late, &whole), Some(Invariant::NothingInvented));
        let mut other = told();
        other.whose.insert(2, (7, 1, 8));
        assert_eq!(all(&mut other, &whole), Some(Invariant::ReadNeverStale));
        let mut bytes = whole;
        bytes[1] = Ok(Record { payload: payload(0, 9, 8).into(), ..record(2) });
        assert_eq!(all(&mut told(), &bytes), Some(Invariant::NothingInvented));
    }
}
