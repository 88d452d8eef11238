//! The contract against a log that is right by construction: whatever it does, it is in order; whatever is
//! changed about what it recovers, it is not.

use quickcheck::{Arbitrary, Gen, QuickCheck};

use super::*;
use crate::step::RecordSpec;

/// What the right log does next.
#[derive(Debug, Clone, Copy)]
enum Deed {
    Append {
        writer: Writer,
        count: u64,
        durability: Durability,
    },
    /// All that is written becomes durable; who waits for that is told.
    Sync,
    /// Who waits for no more than a write is told.
    Tell,
    /// Who waits is told of an error.
    Fail,
    Trim(u64),
    Crash {
        kind: CrashKind,
        keep: u64,
    },
}

impl Arbitrary for Deed {
    fn arbitrary(g: &mut Gen) -> Self {
        let number = u64::arbitrary(g);
        match number % 11 {
            0..=3 => Self::Append {
                writer: Writer::arbitrary(g) % 2,
                count: u64::arbitrary(g) % 2 + 1,
                durability: *g.choose(Durability::ALL).expect("there are durabilities"),
            },
            4..=5 => Self::Sync,
            6 => Self::Tell,
            7 => Self::Fail,
            8 => Self::Trim(number / 11 % 20),
            _ => Self::Crash {
                kind: *g.choose(CrashKind::ALL).expect("there are kinds"),
                keep: u64::arbitrary(g),
            },
        }
    }
}

/// A log in memory. Batches are its units of durability; it writes at once.
#[derive(Default)]
struct RightLog {
    contract: Contract,
    batches: Vec<Vec<Record>>,
    durable: usize,
    trimmed: Lsn,
    heads: [Seq; 2],
    waiting: Vec<(Call, Lsns, Vec<Seq>, Durability)>,
    crashes: usize,
    acked: BTreeSet<Lsn>,
}

impl RightLog {
    fn new() -> Self {
        Self { contract: Contract::new(), trimmed: 1, ..Self::default() }
    }

    fn next(&self) -> Lsn {
        self.batches.last().and_then(|batch| batch.last()).map_or(1, |last| last.lsn + 1).max(self.trimmed)
    }

    fn state(&self) -> RecoveredState {
        let records = self.batches.iter().flatten().filter(|record| record.lsn >= self.trimmed);
        RecoveredState {
            records: records.cloned().collect(),
            next: self.next(),
            trimmed: self.trimmed,
            ..RecoveredState::empty()
        }
    }

    fn take(&mut self, deed: Deed) -> Result<(), Violation> {
        match deed {
            Deed::Append { writer, count, durability } => self.append(writer, count, durability),
            Deed::Sync => {
                self.durable = self.batches.len();
                self.contract.claimed(self.next() - 1);
                self.tell(Durability::PowerLoss)?;
            }
            Deed::Tell => self.tell(Durability::ProcessCrash)?,
            Deed::Fail => {
                for (call, ..) in std::mem::take(&mut self.waiting) {
                    self.contract.finish(call, &Outcome::Failed(crate::Failure::Io))?;
                }
            }
            Deed::Trim(by) => {
                let before = (self.trimmed + by).min(self.next());
                self.trimmed = before;
                self.durable = self.batches.len();
                self.contract.apply(&ClientStep::Trim { before }, &Outcome::Trimmed(before))?;
            }
            Deed::Crash { kind, keep } => {
                let pending = self.batches.len() - self.durable;
                if kind == CrashKind::Power {
                    self.batches.truncate(self.durable + usize::try_from(keep).unwrap_or(0) % (pending + 1));
                }
                self.crash(kind)?;
            }
        }
        Ok(())
    }

    fn append(&mut self, writer: Writer, count: u64, durability: Durability) {
        let stream = Stream::from(writer);
        let spec = RecordSpec { stream, len: 8 };
        let write = Write { writer, records: vec![spec; usize::try_from(count).unwrap_or(1)], durability };
        let payloads = self.contract.payloads(&write);
        let call = self.contract.begin(&ClientStep::Batch(write));
        let (first, head) = (self.next(), self.heads[stream as usize]);
        self.heads[stream as usize] += count;
        let numbered = (first..).zip(head..).zip(payloads);
        let batch =
            numbered.map(|((lsn, seq), payload)| Record { lsn, stream, seq, payload: payload.into() });
        self.batches.push(batch.collect());
        let lsns = Lsns { first, last: first + count - 1 };
        self.waiting.push((call, lsns, (head..head + count).collect(), durability));
    }

    fn tell(&mut self, told: Durability) -> Result<(), Violation> {
        for (call, lsns, seqs, durability) in std::mem::take(&mut self.waiting) {
            if durability <= told {
                self.contract.finish(call, &Outcome::Acked { lsns, seqs })?;
                self.acked.extend(lsns.iter().filter(|_| durability == Durability::PowerLoss));
            } else {
                self.waiting.push((call, lsns, seqs, durability));
            }
        }
        Ok(())
    }

    fn crash(&mut self, kind: CrashKind) -> Result<(), Violation> {
        self.crashes += 1;
        let owed = self.contract.obligations(kind);
        self.contract.crash(kind);
        let state = self.state();
        for (why, wrong) in self.wrong(&state) {
            assert!(owed.judge(&wrong).is_err(), "{why}: {wrong:?} passes {owed:?}");
        }
        owed.judge(&state)?;
        self.contract.opened(&state)?;
        self.durable = self.batches.len();
        self.waiting.clear();
        self.acked = state.records.iter().map(|record| record.lsn).collect();
        let mut heads = [0; 2];
        for record in self.batches.iter().flatten() {
            heads[record.stream as usize] = record.seq + 1;
        }
        self.heads = heads;
        Ok(())
    }

    /// What would be wrong to recover.
    fn wrong(&self, right: &RecoveredState) -> Vec<(&'static str, RecoveredState)> {
        let mut wrong = Vec::new();
        for (index, record) in right.records.iter().enumerate() {
            let mut missing = right.clone();
            missing.records.remove(index);
            if index + 1 < right.records.len() || self.acked.contains(&record.lsn) {
                missing.next = missing.records.last().map_or(right.trimmed, |last| last.lsn + 1);
                wrong.push(("a record is missing", missing));
            }
            let mut changed = right.clone();
            changed.records[index].payload = [7_u8; 8].into();
            wrong.push(("a payload is changed", changed));
            let mut again = right.clone();
            let head =
                right.records.iter().filter(|one| one.stream == record.stream).map(|one| one.seq + 1).max();
            let seq = head.unwrap_or(0);
            again.records.push(Record { lsn: right.next, seq, ..record.clone() });
            again.next += 1;
            wrong.push(("a record is there twice", again));
            if let Some(other) = right.records.get(index + 1) {
                let mut swapped = right.clone();
                swapped.records[index].payload = Arc::clone(&other.payload);
                swapped.records[index + 1].payload = Arc::clone(&record.payload);
                wrong.push(("two payloads are swapped", swapped));
            }
        }
        if let Some([.., _]) = self.batches.last().map(Vec::as_slice).filter(|batch| batch.len() > 1) {
            let mut part = right.clone();
            if part.records.len() > 1 {
                part.records.pop();
                part.next -= 1;
                wrong.push(("a batch is there in part", part));
            }
        }
        wrong
    }
}

fn run(deeds: &[Deed]) -> usize {
    let mut log = RightLog::new();
    log.contract.apply(&ClientStep::Create, &Outcome::Done).expect("creation is in order");
    for deed in deeds {
        log.take(*deed).unwrap_or_else(|violation| panic!("{deed:?}: {violation}"));
    }
    log.crash(CrashKind::Process).unwrap_or_else(|violation| panic!("at the end: {violation}"));
    log.crashes
}

#[test]
fn a_right_log_is_in_order_and_a_wrong_one_is_not() {
    fn holds(deeds: Vec<Deed>) -> bool {
        run(&deeds) > 0
    }
    QuickCheck::new().tests(2_000).min_tests_passed(2_000).quickcheck(holds as fn(Vec<Deed>) -> bool);
}
