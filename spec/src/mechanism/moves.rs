//! The engine's own steps, as far as the checker offers them: in the order of its procedures, the step that
//! the design takes first.

use super::apply::call_of;
use super::archive::{orphans, trimmed_runs};
use super::state::{Engine, Phase, State, Told, stage};
use super::{Guard, Mechanism, Menu};
use crate::step::{
    BatchSpec, Durability, Edit, Ended, EngineStep, FaultKind, Lsn, Lsns, PathCheck, Role, Row, SegmentNo,
    Step, SyncKind,
};

const DONE: Ended = Ended::Done;

impl Mechanism {
    /// The engine's steps that a state offers. The first is what the design does next in create and open.
    #[must_use]
    pub fn engine_steps(self, state: &State, menu: &Menu) -> Vec<Step> {
        let Some(engine) = &state.engine else { return Vec::new() };
        let mut offers = Vec::new();
        match engine.phase {
            Phase::Creating => self.creating(state, engine, &mut offers),
            Phase::Opening => self.opening(state, engine, &mut offers),
            Phase::Mending => mending(state, engine, &mut offers),
            Phase::Up => self.serving(state, engine, menu, &mut offers),
            Phase::ReadOnly => {}
        }
        let offers = offers.into_iter().filter_map(|step| meeting(state, step)).map(Step::Engine);
        let mut steps: Vec<Step> = Vec::new();
        for step in offers {
            if !steps.contains(&step) && self.apply(state, &step).is_ok() {
                steps.push(step);
            }
        }
        steps
    }

    fn creating(self, state: &State, engine: &Engine, offers: &mut Vec<EngineStep>) {
        if engine.failed {
            offers.push(EngineStep::Unlock);
            return;
        }
        if !engine.locked {
            let made = state.disk.ancestor.readable();
            offers.push(if made { EngineStep::Lock(DONE) } else { EngineStep::Mkdir(Role::Dir, DONE) });
            return;
        }
        if !engine.anchored {
            offers.push(EngineStep::SyncDir(Role::Ancestor, DONE));
        }
        if engine.anchored || self.is_off(Guard::IdentityAfterAncestors) {
            let first = engine.checkpoint & stage::NAMED == 0;
            if first {
                make_checkpoint(state, engine, offers);
            }
            if !first || self.is_off(Guard::IdentityComesLast) {
                make_identity(engine, offers);
            }
        }
    }

    fn opening(self, state: &State, engine: &Engine, offers: &mut Vec<EngineStep>) {
        let Some(found) = &engine.found else { return };
        if engine.failed {
            offers.push(EngineStep::Unlock);
            return;
        }
        if !engine.locked {
            offers.push(EngineStep::Lock(DONE));
            return;
        }
        if !engine.decided {
            self.deciding(state, engine, offers);
            if found.row != Row::CleanEnd {
                return;
            }
        }
        let ready = EngineStep::Ready { next: found.next(), read_only: found.damaged() };
        if found.damaged() {
            offers.push(ready);
            return;
        }
        let vouched = found.identity_vouched || engine.identity & stage::NAMED != 0;
        if !vouched {
            make_identity(engine, offers);
            if !self.is_off(Guard::IdentityVouchedBeforeReady) {
                return;
            }
        }
        let named = engine.checkpoint & stage::NAMED != 0;
        if !named {
            make_checkpoint(state, engine, offers);
            let off = self.is_off(Guard::EditInFreshManifest) && engine.checkpoint == 0;
            if !off {
                return;
            }
        }
        if named {
            remove_orphans(state, engine, offers);
            offers.extend(orphans(self, state, &found.listing));
        }
        if !found.tail().is_empty() {
            self.rewriting(state, engine, offers);
        }
        offers.push(ready);
    }

    /// The row that decides about the end, and rows that a switch lets pass.
    fn deciding(self, state: &State, engine: &Engine, offers: &mut Vec<EngineStep>) {
        let Some(found) = &engine.found else { return };
        let role = match found.row {
            Row::ManifestDamage => Role::Manifest,
            _ => Role::Segment(found.segment.max(1)),
        };
        if found.row != Row::CleanEnd {
            offers.push(EngineStep::Recover(found.row, role));
        }
        if self.is_off(Guard::TornTailIsCut) && found.row == Row::TornTail {
            offers.push(EngineStep::Recover(Row::VouchedHole, role));
        }
        if self.is_off(Guard::VouchedHoleIsDamage) && found.damaged() {
            offers.push(EngineStep::Recover(Row::TornTail, role));
        }
        if self.is_off(Guard::BatchNamesItsPlace) {
            offers.push(EngineStep::Recover(Row::CleanEnd, role));
        }
        if self.is_off(Guard::OnlyTheLastSegmentIsCut) {
            let lower = state.disk.segments.iter().map(|s| s.number).filter(|&s| s < found.segment);
            offers.extend(lower.map(|number| EngineStep::Recover(Row::TornTail, Role::Segment(number))));
        }
    }

    /// What recovery writes again: into a segment of its own.
    fn rewriting(self, state: &State, engine: &Engine, offers: &mut Vec<EngineStep>) {
        let Some(found) = &engine.found else { return };
        let (first, next) = (found.tail_first(), found.next());
        if engine.segments.is_empty() || !self.usable(engine, Guard::RewriteNeedsNamedSegment) {
            prepare(state, engine, offers);
        }
        settle_flights(state, engine, true, offers);
        let Some(&(segment, _)) = engine.segments.last() else { return };
        let batch = state.disk.batches.len() as u64 + 1;
        let spec = |first, last| {
            let spec = BatchSpec { batch, segment, lsns: Lsns::new(first, last), through: false };
            EngineStep::WriteBatch(spec, DONE)
        };
        if engine.written + 1 == first {
            offers.push(spec(first, next - 1));
            if self.is_off(Guard::RewriteKeepsLsns) {
                offers.push(spec(next, next + (next - first) - 1));
            }
        }
        if self.is_off(Guard::TailRewrittenWhole) {
            offers.extend((engine.written + 1..next).map(|last| spec(engine.written + 1, last)));
        }
    }

    /// Whether this life has a segment for its next batch.
    fn usable(self, engine: &Engine, named: Guard) -> bool {
        engine.segments.iter().filter(|segment| segment.0 >= engine.active).any(|segment| {
            segment.1 & stage::RENAMED != 0
                && (segment.1 & stage::NAMED != 0 || self.is_off(Guard::BatchNeedsDurableName))
                && (segment.1 & stage::READY != 0 || self.is_off(named))
        })
    }

    fn serving(self, state: &State, engine: &Engine, menu: &Menu, offers: &mut Vec<EngineStep>) {
        let usable = self.usable(engine, Guard::BatchNeedsNamedSegment)
            || (self.is_off(Guard::BatchInFreshSegment) && engine.active != 0);
        self.resolving(state, engine, offers);
        if engine.poisoned {
            self.archiving(state, engine, menu, offers);
            return;
        }
        if usable && (!engine.failed || self.is_off(Guard::FailurePoisons)) {
            encoding(state, engine, offers);
        }
        self.writing(state, engine, menu, offers);
        let lazy = state.requests.iter().any(|r| r.durability == Durability::ProcessCrash);
        settle_flights(state, engine, lazy, offers);
        publishing(state, engine, self.is_off(Guard::CheckFollowsSync), offers);
        trimming(state, engine, offers);
        self.archiving(state, engine, menu, offers);
        let work = state.has_work() || engine.next > engine.written + 1;
        let spare = menu.rotate && state.past.faults == 0 && usable;
        let unfinished = engine.segments.iter().any(|segment| segment.1 & stage::READY == 0);
        if (work && !usable && !engine.full) || unfinished || (spare && work) {
            prepare(state, engine, offers);
        }
        let again = menu.checkpoint && !unfinished_checkpoint(engine) && work;
        if again || unfinished_checkpoint(engine) {
            make_checkpoint(state, engine, offers);
        }
    }

    /// What clients are told, and the end of a handle.
    fn resolving(self, state: &State, engine: &Engine, offers: &mut Vec<EngineStep>) {
        if engine.failed && !engine.poisoned {
            offers.push(EngineStep::Poison);
        }
        for request in state.requests.iter().filter(|request| request.told == Told::Waiting) {
            if request.lsn == 0 {
                offers.extend(request.ticket.map(EngineStep::Refuse));
                continue;
            }
            let lsns = Lsns { first: request.lsn, last: request.last() };
            offers.push(EngineStep::Ack(lsns, request.durability));
            if engine.poisoned || (engine.failed && self.is_off(Guard::FailedBatchFailsAll)) {
                offers.push(EngineStep::Fail(lsns));
            }
        }
        if engine.closing || engine.poisoned {
            offers.push(EngineStep::Unlock);
        }
    }

    fn writing(self, state: &State, engine: &Engine, menu: &Menu, offers: &mut Vec<EngineStep>) {
        let number = state.disk.batches.len() as u64 + 1;
        let own = engine.segments.iter().filter(|s| s.0 >= engine.active && s.1 & stage::RENAMED != 0);
        let mut segments: Vec<SegmentNo> = own.map(|segment| segment.0).collect();
        if !menu.rotate {
            segments.truncate(1);
        }
        if self.is_off(Guard::BatchInFreshSegment) && engine.active != 0 {
            segments.push(engine.active);
        }
        let mut runs: Vec<Option<Lsns>> = vec![Lsns::new(engine.written + 1, engine.next - 1)];
        if self.is_off(Guard::OneCommitInFlight) {
            runs.extend((engine.written + 2..engine.next).map(|first| Lsns::new(first, engine.next - 1)));
        }
        if self.is_off(Guard::AckedBlockIsNeverRewritten) && engine.next > engine.written + 1 {
            let before = state.disk.batch(engine.chain).map(|batch| batch.base);
            runs.extend(before.map(|base| Lsns::new(base, engine.next - 1)));
        }
        runs.retain(Option::is_some);
        if menu.idle && engine.durable > engine.marked && engine.next == engine.written + 1 {
            runs.push(None);
        }
        for &segment in &segments {
            for &lsns in &runs {
                let spec = |through| BatchSpec { batch: number, segment, lsns, through };
                offers.push(EngineStep::WriteBatch(spec(false), DONE));
                if menu.through {
                    offers.push(EngineStep::WriteBatch(spec(true), DONE));
                }
            }
        }
        for flight in engine.flights.iter().filter(|flight| !flight.whole && !flight.failed) {
            if let Some(batch) = state.disk.batch(flight.batch) {
                let lsns = Lsns::new(batch.base, batch.last());
                let spec = BatchSpec { batch: flight.batch, segment: batch.segment, lsns, through: false };
                offers.push(EngineStep::WriteBatch(spec, DONE));
            }
        }
    }
}

/// The call as the armed fault lets it end; nothing if the fault waits for another call.
fn meeting(state: &State, step: EngineStep) -> Option<EngineStep> {
    let Some(fault) = &state.armed else { return Some(step) };
    let (call, role, _) = call_of(&step)?;
    if (call, role) != (fault.call, fault.role) {
        return None;
    }
    let ended = match fault.kind {
        FaultKind::Short | FaultKind::Eintr => Ended::Short,
        FaultKind::Ignored | FaultKind::Misdirected => Ended::Done,
        _ => Ended::Failed,
    };
    Some(match step {
        EngineStep::Mkdir(role, _) => EngineStep::Mkdir(role, ended),
        EngineStep::Lock(_) => EngineStep::Lock(ended),
        EngineStep::Create(role, _) => EngineStep::Create(role, ended),
        EngineStep::Allocate(role, _) => EngineStep::Allocate(role, ended),
        EngineStep::Fill(role, _) => EngineStep::Fill(role, ended),
        EngineStep::WriteBatch(spec, _) => EngineStep::WriteBatch(spec, ended),
        EngineStep::WriteEdit(number, edit, _) => EngineStep::WriteEdit(number, edit, ended),
        EngineStep::WriteBlocks(drive, run, lsns, _) => EngineStep::WriteBlocks(drive, run, lsns, ended),
        EngineStep::Sync(kind, role, _) => EngineStep::Sync(kind, role, ended),
        EngineStep::SyncDir(role, _) => EngineStep::SyncDir(role, ended),
        EngineStep::Rename(from, to, _) => EngineStep::Rename(from, to, ended),
        EngineStep::Unlink(role, _) => EngineStep::Unlink(role, ended),
        EngineStep::Read(role, _) => EngineStep::Read(role, ended),
        other => other,
    })
}

fn unfinished_checkpoint(engine: &Engine) -> bool {
    engine.checkpoint != 0 && engine.checkpoint & stage::NAMED == 0
}

fn make_checkpoint(state: &State, engine: &Engine, offers: &mut Vec<EngineStep>) {
    let made = engine.checkpoint;
    if made == 0 || made & stage::NAMED != 0 {
        offers.push(EngineStep::Create(Role::ManifestTmp, DONE));
    } else if made & stage::FILLED == 0 {
        offers.push(EngineStep::WriteEdit(state.disk.edits + 1, Edit::Checkpoint, DONE));
    } else if made & stage::RENAMED == 0 {
        offers.push(EngineStep::Sync(SyncKind::All, Role::ManifestTmp, DONE));
        offers.push(EngineStep::Rename(Role::ManifestTmp, Role::Manifest, DONE));
    } else {
        offers.push(EngineStep::SyncDir(Role::Dir, DONE));
    }
    if made & stage::SYNCED != 0 {
        offers.retain(|step| *step != EngineStep::Sync(SyncKind::All, Role::ManifestTmp, DONE));
    }
}

fn make_identity(engine: &Engine, offers: &mut Vec<EngineStep>) {
    let made = engine.identity;
    if made == 0 {
        offers.push(EngineStep::Create(Role::IdentityTmp, DONE));
    } else if made & stage::FILLED == 0 {
        offers.push(EngineStep::Fill(Role::IdentityTmp, DONE));
    } else if made & stage::RENAMED == 0 {
        if made & stage::SYNCED == 0 {
            offers.push(EngineStep::Sync(SyncKind::All, Role::IdentityTmp, DONE));
        }
        offers.push(EngineStep::Rename(Role::IdentityTmp, Role::Identity, DONE));
    } else if made & stage::NAMED == 0 {
        offers.push(EngineStep::SyncDir(Role::Dir, DONE));
    }
}

/// The next step of making a segment ready.
fn prepare(state: &State, engine: &Engine, offers: &mut Vec<EngineStep>) {
    let Some(&(number, made)) = engine.segments.iter().find(|segment| segment.1 & stage::READY == 0) else {
        let named = state.disk.segments.iter().map(|segment| segment.number);
        let highest = named.chain(engine.segments.iter().map(|segment| segment.0)).max().unwrap_or(0);
        offers.push(EngineStep::Create(Role::SegmentTmp(highest + 1), DONE));
        return;
    };
    if made & stage::FILLED == 0 {
        offers.push(EngineStep::Fill(Role::SegmentTmp(number), DONE));
    } else if made & stage::RENAMED == 0 {
        if made & stage::SYNCED == 0 {
            offers.push(EngineStep::Sync(SyncKind::All, Role::SegmentTmp(number), DONE));
        }
        offers.push(EngineStep::Rename(Role::SegmentTmp(number), Role::Segment(number), DONE));
    } else {
        if made & stage::NAMED == 0 {
            offers.push(EngineStep::SyncDir(Role::Dir, DONE));
        }
        if made & stage::LISTED == 0 {
            let edit = Edit::AddSegment(number);
            offers.push(EngineStep::WriteEdit(state.disk.edits + 1, edit, DONE));
        } else {
            offers.push(EngineStep::Sync(SyncKind::Data, Role::Manifest, DONE));
        }
    }
}

fn remove_orphans(state: &State, engine: &Engine, offers: &mut Vec<EngineStep>) {
    let ours = |number| engine.segments.iter().any(|segment| segment.0 == number);
    let listed = engine.found.as_ref().map(|found| found.listing.segments.as_slice()).unwrap_or_default();
    for segment in &state.disk.segments {
        let number = segment.number;
        if segment.name.readable() && !ours(number) && !listed.contains(&number) {
            offers.push(EngineStep::Unlink(Role::Segment(number), DONE));
        }
    }
}

fn encoding(state: &State, engine: &Engine, offers: &mut Vec<EngineStep>) {
    for request in state.requests.iter().filter(|r| r.told == Told::Waiting && r.lsn == 0) {
        let last = engine.next + Lsn::from(request.count) - 1;
        let lsns = Lsns { first: engine.next, last };
        offers.push(EngineStep::Encode(lsns, request.writer, request.durability));
    }
}

/// The syncs and looks that batches in flight need.
fn settle_flights(state: &State, engine: &Engine, lazy: bool, offers: &mut Vec<EngineStep>) {
    for flight in &engine.flights {
        let Some(batch) = state.disk.batch(flight.batch) else { continue };
        if !flight.synced && (lazy || state.must_sync(flight.batch)) {
            offers.push(EngineStep::Sync(SyncKind::Data, Role::Segment(batch.segment), DONE));
        }
        if flight.synced && !flight.checked {
            for seen in [PathCheck::Same, PathCheck::Gone] {
                offers.push(EngineStep::Check(batch.segment, seen));
            }
        }
    }
}

/// The claims. `early`: of batches too whose records nobody asked to survive a loss of power, as a rotation makes.
fn publishing(state: &State, engine: &Engine, early: bool, offers: &mut Vec<EngineStep>) {
    for flight in &engine.flights {
        let Some(batch) = state.disk.batch(flight.batch).filter(|batch| !batch.records.is_empty()) else {
            continue;
        };
        let last = batch.last();
        if last > engine.durable && (early || state.must_sync(flight.batch)) {
            offers.push(EngineStep::Publish(Durability::PowerLoss, last));
        }
        let accepts = state.requests.iter().any(|request| {
            let inside = request.lsn != 0 && request.lsn <= last && request.told == Told::Waiting;
            inside && request.durability == Durability::ProcessCrash
        });
        if last > engine.accepted && accepts {
            offers.push(EngineStep::Publish(Durability::ProcessCrash, last));
        }
    }
}

fn trimming(state: &State, engine: &Engine, offers: &mut Vec<EngineStep>) {
    let Some(trim) = engine.trim else { return };
    let Some(floor) = trim.floor else {
        let floor = state.disk.floor_for(trim.before);
        let edit = Edit::Trim { before: trim.before, floor };
        offers.push(EngineStep::WriteEdit(state.disk.edits + 1, edit, DONE));
        return;
    };
    if !trim.synced {
        offers.push(EngineStep::Sync(SyncKind::Data, Role::Manifest, DONE));
    }
    let below: Vec<SegmentNo> = state
        .disk
        .segments
        .iter()
        .filter(|segment| segment.name.readable() && segment.number < floor)
        .map(|segment| segment.number)
        .collect();
    offers.extend(below.iter().map(|&number| EngineStep::Unlink(Role::Segment(number), DONE)));
    let runs = if trim.synced { trimmed_runs(state) } else { Vec::new() };
    let runs_left = !runs.is_empty();
    offers.extend(runs);
    let leaving = state.disk.segments.iter().any(|segment| segment.name == super::disk::Cell::Removing);
    if below.is_empty() && leaving {
        offers.push(EngineStep::SyncDir(Role::Dir, DONE));
    } else if below.is_empty() && !runs_left {
        offers.push(EngineStep::Trimmed { before: trim.before });
    }
}

fn mending(state: &State, engine: &Engine, offers: &mut Vec<EngineStep>) {
    if !engine.locked {
        offers.push(EngineStep::Lock(DONE));
    } else if engine.checkpoint & stage::NAMED == 0 {
        make_checkpoint(state, engine, offers);
    } else {
        offers.push(EngineStep::Unlock);
    }
}
