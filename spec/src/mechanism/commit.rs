//! A commit: encode, write, check, publish, acknowledge.

use super::crash::names;
use super::disk::Cell;
use super::state::{Batch, Engine, Flight, Mark, Phase, RecordId, State, Told, stage};
use super::{Guard, Mechanism, Refused, nonsense, sense};
use crate::step::{BatchSpec, Cache, Durability, Ended, Fault, Lsn, Lsns, PathCheck, TicketNo, Unit};

/// Records enter the open batch, in the order in which their writer handed them in.
pub(crate) fn encode(
    state: &mut State,
    lsns: Lsns,
    writer: u32,
    durability: Durability,
) -> Result<(), Refused> {
    let engine = state.engine.as_mut().map_or_else(nonsense, Ok)?;
    sense(engine.phase == Phase::Up && !engine.poisoned && lsns.first == engine.next)?;
    let mut next = lsns.first;
    for request in &mut state.requests {
        let due = request.writer == writer && request.told == Told::Waiting && request.lsn == 0;
        if !due || next > lsns.last {
            continue;
        }
        sense(request.durability == durability)?;
        request.lsn = next;
        next += Lsn::from(request.count);
    }
    sense(next == lsns.last + 1)?;
    engine.next = next;
    Ok(())
}

/// Records are told that they are not known to be durable.
pub(crate) fn fail(state: &mut State, lsns: Lsns) -> Result<(), Refused> {
    let engine = state.engine_mut()?;
    sense(engine.failed || engine.poisoned || engine.failed_at.is_some())?;
    for request in state.requests.iter_mut().filter(|r| r.told == Told::Waiting && r.lsn != 0) {
        if lsns.contains(request.lsn) {
            request.told = Told::Unresolved;
        }
    }
    Ok(())
}

/// The handle ends. Who waits and has no LSN yet is told so at once.
pub(crate) fn poison(state: &mut State) -> Result<(), Refused> {
    state.engine_mut()?.poisoned = true;
    for request in state.requests.iter_mut().filter(|r| r.told == Told::Waiting && r.lsn == 0) {
        request.told = Told::Absent;
    }
    Ok(())
}

/// A ticket is refused before it has an LSN.
pub(crate) fn refuse(state: &mut State, ticket: TicketNo) -> Result<(), Refused> {
    let engine = state.engine_mut()?;
    sense(engine.full || engine.poisoned || engine.failed || engine.phase == Phase::ReadOnly)?;
    let due = |told, lsn| told == Told::Waiting && lsn == 0;
    let request = state.requests.iter_mut().find(|r| r.ticket == Some(ticket) && due(r.told, r.lsn));
    let request = request.map_or_else(nonsense, Ok)?;
    request.told = Told::Absent;
    Ok(())
}

impl State {
    /// The record under each LSN of a run; the run must not split a request.
    fn records(&self, lsns: Lsns) -> Result<Vec<RecordId>, Refused> {
        let mut records = Vec::new();
        for request in self.requests.iter().filter(|request| request.lsn != 0) {
            let run = Lsns { first: request.lsn, last: request.last() };
            if run.meets(lsns) && request.told != Told::Absent {
                sense(lsns.contains(run.first) && lsns.contains(run.last))?;
                records.extend((request.first..request.first + request.count).zip(run.iter()));
            }
        }
        records.sort_by_key(|record| record.1);
        sense(records.iter().map(|record| record.1).eq(lsns.iter()))?;
        Ok(records.into_iter().map(|record| record.0).collect())
    }
}

/// Where a batch goes, and what it says.
struct Place {
    slot: u32,
    over: Option<u64>,
    chain: u64,
    records: Vec<RecordId>,
}

impl Mechanism {
    pub(crate) fn write_batch(
        self,
        state: &mut State,
        spec: BatchSpec,
        ended: Ended,
        fault: Option<&Fault>,
    ) -> Result<(), Refused> {
        if spec.batch <= state.disk.batches.len() as u64 {
            return finish_short_write(state, spec, ended, fault);
        }
        sense(spec.batch == state.disk.batches.len() as u64 + 1)?;
        let engine = state.engine.as_ref().map_or_else(nonsense, Ok)?;
        self.guard(Guard::FailurePoisons, !engine.failed)?;
        self.segment_is_ready(state, engine, spec)?;
        let place = match engine.phase {
            Phase::Up => self.place(state, engine, spec)?,
            Phase::Opening => self.place_rewritten(engine, spec)?,
            Phase::Creating | Phase::Mending | Phase::ReadOnly => return nonsense(),
        };
        let cells = written(spec, ended, fault);
        let base = spec.lsns.map_or(engine.written + 1, |lsns| lsns.first);
        let batch = Batch {
            segment: spec.segment,
            slot: place.slot,
            base,
            records: place.records,
            watermark: engine.durable,
            chain: place.chain,
            cells,
            over: place.over,
            alias: None,
        };
        let last = batch.last();
        let rotated = engine.active != spec.segment && engine.segments.iter().any(|s| s.0 == engine.active);
        state.disk.batches.push(batch);
        let engine = state.engine_mut()?;
        engine.failed = ended == Ended::Failed;
        if ended == Ended::Failed {
            engine.fail();
        }
        engine.written = spec.lsns.map_or(engine.written, |lsns| engine.written.max(lsns.last));
        engine.active = spec.segment;
        engine.chain = spec.batch;
        if spec.lsns.is_none() {
            engine.marked = engine.durable;
        }
        let done = ended == Ended::Done;
        let mark = done && spec.through && spec.lsns.is_none();
        if !mark {
            engine.flights.push(Flight {
                batch: spec.batch,
                last,
                whole: done,
                synced: done && spec.through,
                failed: ended == Ended::Failed,
                looked: false,
                checked: false,
            });
        }
        for (met, what) in
            [(rotated, Mark::Rotated), (spec.lsns.is_none(), Mark::Idle), (spec.through, Mark::Through)]
        {
            if met {
                state.past.mark(what);
            }
        }
        Ok(())
    }

    /// The segment may take a batch.
    fn segment_is_ready(self, state: &State, engine: &Engine, spec: BatchSpec) -> Result<(), Refused> {
        sense(spec.segment >= engine.active)?;
        let made = engine.segments.iter().find(|segment| segment.0 == spec.segment).map(|segment| segment.1);
        self.guard(Guard::BatchInFreshSegment, made.is_some())?;
        sense(made.map_or(spec.segment == engine.active, |made| made & stage::RENAMED != 0))?;
        let made = made.unwrap_or(u8::MAX);
        self.guard(Guard::BatchNeedsDurableName, made & stage::NAMED != 0)?;
        let named = match engine.phase {
            Phase::Opening => Guard::RewriteNeedsNamedSegment,
            _ => Guard::BatchNeedsNamedSegment,
        };
        self.guard(named, made & stage::READY != 0)?;
        let elsewhere = |flight: &Flight| {
            state.disk.batch(flight.batch).is_some_and(|batch| batch.segment != spec.segment)
        };
        let behind = engine.flights.iter().any(|flight| elsewhere(flight) && !flight.synced);
        self.guard(Guard::RotateNeedsSync, !behind)
    }

    /// The place of a batch of new records.
    fn place(self, state: &State, engine: &Engine, spec: BatchSpec) -> Result<Place, Refused> {
        let disk = &state.disk;
        let taken = disk.batches.iter().filter(|batch| batch.segment == spec.segment);
        let slot = taken.map(|batch| batch.slot + 1).max().unwrap_or(0);
        let Some(lsns) = spec.lsns else {
            sense(engine.flights.iter().all(|flight| flight.synced))?;
            return Ok(Place { slot, over: None, chain: engine.chain, records: Vec::new() });
        };
        sense(lsns.last < engine.next)?;
        let records = state.records(lsns)?;
        if lsns.first <= engine.written {
            self.guard(Guard::AckedBlockIsNeverRewritten, false)?;
            let before = disk.batch(engine.chain).map_or_else(nonsense, Ok)?;
            let same = before.segment == spec.segment && before.base == lsns.first;
            sense(same && lsns.last > engine.written)?;
            return Ok(Place { slot: before.slot, over: Some(engine.chain), chain: before.chain, records });
        }
        let settled = |flight: &Flight| {
            let last = disk.batch(flight.batch).map_or(0, Batch::last);
            flight.failed || last <= engine.durable.max(engine.accepted)
        };
        let alone = lsns.first == engine.written + 1 && engine.flights.iter().all(settled);
        self.guard(Guard::OneCommitInFlight, alone)?;
        let ahead = u32::from(lsns.first > engine.written + 1);
        Ok(Place { slot: slot + ahead, over: None, chain: engine.chain, records })
    }

    /// The place of what recovery writes again.
    fn place_rewritten(self, engine: &Engine, spec: BatchSpec) -> Result<Place, Refused> {
        let found = engine.found.as_ref().map_or_else(nonsense, Ok)?;
        let lsns = spec.lsns.map_or_else(nonsense, Ok)?;
        let tail: Vec<RecordId> = found.tail().iter().copied().flatten().collect();
        sense(!tail.is_empty() && spec.segment > found.segment && engine.flights.iter().all(|f| f.synced))?;
        if lsns.first == found.next() {
            self.guard(Guard::RewriteKeepsLsns, false)?;
            sense(lsns.last == lsns.first + tail.len() as Lsn - 1)?;
            return Ok(Place { slot: 0, over: None, chain: found.chain, records: tail });
        }
        let whole = lsns.first == found.tail_first() && lsns.last + 1 == found.next();
        self.guard(Guard::TailRewrittenWhole, whole)?;
        sense(lsns.first == engine.written + 1 && lsns.last < found.next())?;
        let from = (lsns.first - found.tail_first()) as usize;
        let to = (lsns.last - found.tail_first()) as usize;
        let slot = u32::from(lsns.first != found.tail_first());
        let records = tail.get(from..=to).map_or_else(nonsense, Ok)?.to_vec();
        Ok(Place { slot, over: None, chain: engine.chain, records })
    }

    pub(crate) fn check(self, state: &mut State, segment: u64, found: PathCheck) -> Result<(), Refused> {
        let there = state.disk.shows(segment);
        let State { disk, engine, .. } = state;
        let engine = engine.as_mut().map_or_else(nonsense, Ok)?;
        sense(there == (found == PathCheck::Same))?;
        if found == PathCheck::Same {
            for flight in &mut engine.flights {
                let here = disk.batch(flight.batch).is_some_and(|batch| batch.segment == segment);
                flight.looked |= here && !flight.synced;
                flight.checked |= here && flight.synced;
            }
        } else {
            engine.failed = true;
        }
        Ok(())
    }

    pub(crate) fn publish(self, state: &mut State, durability: Durability, lsn: Lsn) -> Result<(), Refused> {
        let State { disk, engine, .. } = state;
        let engine = engine.as_mut().map_or_else(nonsense, Ok)?;
        sense(matches!(engine.phase, Phase::Up | Phase::Opening) && lsn <= engine.written)?;
        let last = |flight: &Flight| disk.batch(flight.batch).map_or(0, Batch::last);
        if durability == Durability::ProcessCrash {
            sense(lsn >= engine.accepted)?;
            sense(engine.flights.iter().all(|flight| last(flight) > lsn || flight.whole))?;
            engine.accepted = lsn;
            return Ok(());
        }
        sense(lsn >= engine.durable)?;
        let covered: Vec<&Flight> = engine.flights.iter().filter(|flight| last(flight) <= lsn).collect();
        sense(covered.iter().all(|flight| flight.whole))?;
        let newest = covered.iter().filter(|flight| last(flight) == lsn).all(|flight| flight.synced);
        self.guard(Guard::PublishNeedsSync, newest)?;
        let older = covered.iter().filter(|flight| last(flight) < lsn).all(|flight| flight.synced);
        self.guard(Guard::WatermarkHasNoHole, older)?;
        let synced = || covered.iter().filter(|flight| flight.synced && !flight.checked);
        self.guard(Guard::PublishNeedsPathCheck, synced().all(|flight| flight.looked))?;
        self.guard(Guard::CheckFollowsSync, synced().all(|flight| !flight.looked))?;
        state.judge_claim(lsn);
        state.claimed = state.claimed.max(lsn);
        let State { disk, engine, .. } = state;
        let engine = engine.as_mut().map_or_else(nonsense, Ok)?;
        engine.durable = lsn;
        engine.accepted = engine.accepted.max(lsn);
        engine.flights.retain(|flight| disk.batch(flight.batch).map_or(0, Batch::last) > lsn);
        Ok(())
    }

    pub(crate) fn ack(self, state: &mut State, lsns: Lsns, durability: Durability) -> Result<(), Refused> {
        let State { disk, engine, requests, .. } = state;
        let engine = engine.as_ref().map_or_else(nonsense, Ok)?;
        sense(lsns.last <= engine.written)?;
        let failed = engine.flights.iter().any(|flight| {
            let run = disk.batch(flight.batch).and_then(|batch| Lsns::new(batch.base, batch.last()));
            flight.failed && run.is_some_and(|run| run.meets(lsns))
        });
        if failed {
            self.guard(Guard::FailedBatchFailsAll, false)?;
        } else {
            let watermark = match durability {
                Durability::PowerLoss => engine.durable,
                Durability::ProcessCrash => engine.accepted,
            };
            self.guard(Guard::AckNeedsSync, lsns.last <= watermark)?;
        }
        let mut told = 0;
        for request in requests.iter_mut().filter(|r| r.told == Told::Waiting && r.lsn != 0) {
            if lsns.contains(request.lsn) {
                sense(lsns.contains(request.last()) && request.durability == durability)?;
                request.told = Told::Acked(durability);
                told += request.count;
            }
        }
        sense(Lsn::from(told) == lsns.last + 1 - lsns.first)?;
        state.past.mark(Mark::Acked);
        state.judge_ack(lsns.last);
        Ok(())
    }
}

/// What the cells of a batch are after its write.
fn written(spec: BatchSpec, ended: Ended, fault: Option<&Fault>) -> [Cell; 2] {
    let lied = fault.is_some() && ended == Ended::Done;
    match ended {
        Ended::Done if spec.through && !lied => [Cell::Durable; 2],
        Ended::Done => [Cell::Dirty; 2],
        Ended::Short => [Cell::Dirty, Cell::Absent],
        Ended::Failed => [0, 1].map(|sector| {
            let Some(fault) = fault else { return Cell::Absent };
            if names(&fault.keep, Unit::Batch(spec.batch, Some(sector))) {
                Cell::Durable
            } else if spec.through && fault.cache == Cache::New {
                Cell::Lost
            } else if sector == 0 && fault.bytes > 0 {
                Cell::Dirty
            } else {
                Cell::Absent
            }
        }),
    }
}

/// The rest of a short write.
fn finish_short_write(
    state: &mut State,
    spec: BatchSpec,
    ended: Ended,
    fault: Option<&Fault>,
) -> Result<(), Refused> {
    let State { disk, engine, .. } = state;
    let engine = engine.as_mut().map_or_else(nonsense, Ok)?;
    let flight = engine.flights.iter_mut().find(|flight| flight.batch == spec.batch && !flight.whole);
    let flight = flight.map_or_else(nonsense, Ok)?;
    let batch = disk.batches.get_mut(spec.batch as usize - 1).map_or_else(nonsense, Ok)?;
    sense(batch.segment == spec.segment && spec.lsns.is_none_or(|lsns| lsns.first == batch.base))?;
    match ended {
        Ended::Short => {}
        Ended::Done => {
            flight.whole = true;
            flight.synced |= spec.through;
            batch.cells[1] = written(spec, ended, fault)[1];
            if spec.through {
                batch.cells[0] = Cell::Durable;
            }
        }
        Ended::Failed => {
            flight.failed = true;
            batch.cells[1] = written(spec, ended, fault)[1];
            engine.fail();
        }
    }
    Ok(())
}
