//! What an open returns, in the contract's words.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::contract::{Contract, Record, RecoveredState};
use crate::invariant::Invariant;
use crate::mechanism::{Found, RecordId, Request, State, Told};
use crate::outcome::{Failure, Outcome};
use crate::step::{ClientStep, Lsn, Lsns, RecordSpec, Seq, Stream, Write};

/// The length of each payload: the mechanism knows no bytes, and eight are enough to tell records apart.
const LEN: u32 = 8;

/// The invariant that the contract sees broken by an open that returns `found`, if any. The contract is told what
/// the clients were told; each writer's records are a stream of their own.
#[must_use]
pub fn verdict(state: &State, found: &Found) -> Option<Invariant> {
    let mut contract = Contract::new();
    contract.apply(&ClientStep::Create, &Outcome::Done).ok()?;
    let seqs = sequence_numbers(state, found);
    let mut payloads: BTreeMap<RecordId, (Stream, Arc<[u8]>)> = BTreeMap::new();
    for request in &state.requests {
        let write = Write {
            writer: request.writer,
            records: vec![RecordSpec { stream: request.writer.into(), len: LEN }; request.count as usize],
            durability: request.durability,
        };
        for (id, bytes) in ids(request).zip(contract.payloads(&write)) {
            payloads.insert(id, (request.writer.into(), bytes.into()));
        }
        let call = contract.begin(&ClientStep::Batch(write));
        let outcome = match request.told {
            Told::Acked(_) => Outcome::Acked {
                lsns: Lsns { first: request.lsn, last: request.last() },
                seqs: ids(request).filter_map(|id| seqs.get(&id).copied()).collect(),
            },
            Told::Absent => Outcome::Failed(Failure::Full),
            Told::Waiting | Told::Unresolved => continue,
        };
        if let Err(broken) = contract.finish(call, &outcome) {
            return Some(broken.invariant);
        }
    }
    contract.claimed(state.claimed);
    if state.trim_asked > 0 {
        let _unanswered = contract.begin(&ClientStep::Trim { before: state.trim_asked });
    }
    let record = |(id, lsn): (RecordId, Lsn)| {
        let (stream, payload) = payloads.get(&id)?.clone();
        Some(Record { lsn, stream, seq: seqs.get(&id).copied()?, payload })
    };
    let placed = found.records.iter().zip(found.first..).filter_map(|(id, lsn)| Some(((*id)?, lsn)));
    let damage = found.damage.map(|(first, last)| Lsns { first, last });
    let returned = RecoveredState {
        records: placed.filter_map(record).collect(),
        next: found.next(),
        trimmed: found.first,
        damage: damage.into_iter().collect(),
        read_only: found.damaged(),
    };
    contract.opened(&returned).err().map(|broken| broken.invariant)
}

fn ids(request: &Request) -> std::ops::Range<RecordId> {
    request.first..request.first + request.count
}

/// The number of each record in its stream: of the records that have a place and may be there, in the order of
/// their LSNs.
fn sequence_numbers(state: &State, found: &Found) -> BTreeMap<RecordId, Seq> {
    let returned = |request: &Request| ids(request).any(|id| found.records.contains(&Some(id)));
    let mut placed: Vec<(Lsn, Stream, RecordId)> = Vec::new();
    for request in state.requests.iter().filter(|request| request.lsn != 0) {
        let counts = matches!(request.told, Told::Acked(_)) || returned(request);
        // Below the trim point nobody can look any more: what was not refused counts.
        let below = request.lsn < found.first && request.told != Told::Absent;
        if counts || below {
            let lsns = request.lsn..;
            placed.extend(ids(request).zip(lsns).map(|(id, lsn)| (lsn, request.writer.into(), id)));
        }
    }
    placed.sort_unstable();
    let mut heads: BTreeMap<Stream, Seq> = BTreeMap::new();
    let numbered = placed.into_iter().map(|(_, stream, id)| {
        let head = heads.entry(stream).or_default();
        *head += 1;
        (id, *head - 1)
    });
    numbered.collect()
}
