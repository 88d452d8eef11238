//! What happens inside of the engine, where no call shows it, and what a call leaves for the state to say.

use std::collections::{BTreeMap, BTreeSet};

use truelog_spec::mechanism::{Listing, Manifest, Mechanism, Phase, State, Told, stage};
use truelog_spec::step::{
    ClientStep, Durability, Edit, Ended, EngineStep, Lsn, Lsns, OnDrive, RecordSpec, Role, SegmentNo, Step,
    SyncKind, Write,
};

/// What is known of a run beyond what was seen so far.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// What each acknowledged record was promised; a record that is never acknowledged may have been promised anything.
    pub(super) durabilities: BTreeMap<Lsn, Durability>,
    /// The segments that a checkpoint has named, because there was no room for an edit.
    pub(super) carried: BTreeSet<SegmentNo>,
}

impl Known {
    /// What may have happened unseen before a step: each a few steps that go together.
    pub(super) fn needed(&self, state: &State, step: &Step) -> Vec<Vec<Step>> {
        let Step::Engine(step) = step else { return Vec::new() };
        let Some(engine) = &state.engine else {
            return vec![vec![ClientStep::Open.into()], vec![ClientStep::Create.into()]];
        };
        let serving = matches!(engine.phase, Phase::Up | Phase::ReadOnly);
        let mut needed: Vec<Vec<Step>> = Vec::new();
        match *step {
            EngineStep::Lock(_) => needed.push(vec![EngineStep::Mkdir(Role::Dir, Ended::Done).into()]),
            EngineStep::WriteBatch(batch, _) => {
                if let Some(lsns) = batch.lsns.filter(|lsns| serving && engine.next <= lsns.last) {
                    needed.push(self.encode(engine.next, lsns.last));
                }
                // What the checkpoint has named needs no edit; to the mechanism it is one that is synced at once.
                if self.carried.contains(&batch.segment)
                    && unlisted(state).any(|number| number == batch.segment)
                {
                    let edit = EngineStep::WriteEdit(
                        state.disk.edits + 1,
                        Edit::AddSegment(batch.segment),
                        Ended::Done,
                    );
                    let sync = EngineStep::Sync(SyncKind::Data, Role::Manifest, Ended::Done);
                    needed.push(vec![edit.into(), sync.into()]);
                }
                needed.push(vec![EngineStep::Publish(Durability::PowerLoss, engine.written).into()]);
            }
            EngineStep::WriteEdit(_, Edit::Trim { before, .. }, _) if engine.trim.is_none() => {
                needed.push(vec![ClientStep::Trim { before }.into()]);
            }
            EngineStep::Ack(lsns, durability) => {
                needed.push(vec![EngineStep::Publish(durability, lsns.last).into()]);
                needed.push(vec![EngineStep::Publish(durability, engine.written).into()]);
            }
            EngineStep::Create(Role::OnDrive(drive, OnDrive::IdentityTmp), _) => {
                needed.push(vec![ClientStep::AddDrive { drive }.into()]);
            }
            EngineStep::WriteBlocks(..)
            | EngineStep::Unlink(Role::Segment(_) | Role::OnDrive(_, OnDrive::Run(_)), _) => {
                needed.extend(moved_on(state));
            }
            EngineStep::Unlock => {
                let waiting =
                    state.requests.iter().filter(|request| request.told == Told::Waiting && request.lsn != 0);
                needed.extend(waiting.take(1).filter_map(|request| {
                    Lsns::new(request.lsn, request.last()).map(|lsns| vec![EngineStep::Fail(lsns).into()])
                }));
                needed.push(vec![ClientStep::Close.into()]);
                needed.push(vec![EngineStep::Poison.into()]);
            }
            _ => {}
        }
        if engine.phase == Phase::Opening
            && let Some(found) = &engine.found
            && !matches!(step, EngineStep::Ready { .. })
        {
            needed.push(vec![EngineStep::Ready { next: found.next(), read_only: found.damaged() }.into()]);
        }
        needed
    }

    /// Records are handed in and get these LSNs, one by one.
    fn encode(&self, first: Lsn, last: Lsn) -> Vec<Step> {
        let one = |lsn: Lsn| {
            let durability = self.durabilities.get(&lsn).copied().unwrap_or(Durability::PowerLoss);
            let write = Write { writer: 0, records: vec![RecordSpec { stream: 0, len: 1 }], durability };
            let submit = ClientStep::Submit { ticket: lsn, write };
            [submit.into(), EngineStep::Encode(Lsns::one(lsn), 0, durability).into()]
        };
        (first..=last).flat_map(one).collect()
    }
}

/// New readers read by the newest manifest, and those of older ones are gone. Only what reads by it, and what removes
/// what it has replaced, shows that this was so by then.
fn moved_on(state: &State) -> Vec<Vec<Step>> {
    let (Some(engine), Some(listing)) = (&state.engine, listing(state)) else { return Vec::new() };
    let (life, generation) = (&engine.archive, listing.archive.generation);
    let switch = (life.catalog.generation < generation).then_some(EngineStep::Switch { generation });
    let retire = (life.retired < generation).then_some(EngineStep::Retire { generation });
    [switch, retire].into_iter().flatten().map(|step| vec![step.into()]).collect()
}

fn listing(state: &State) -> Option<Listing> {
    state.disk.manifest.as_ref().and_then(Manifest::read)
}

/// The states that a step may find, as far as one thing is not seen: whether a reader that comes now reads by the
/// newest manifest.
pub(super) fn before(states: &[State], step: &Step) -> Vec<State> {
    let mut before = states.to_vec();
    if let Step::Client(ClientStep::Hold { .. }) = step {
        let moved = states.iter().filter_map(|state| {
            let generation = listing(state)?.archive.generation;
            Mechanism::default().apply(state, &EngineStep::Switch { generation }.into()).ok()
        });
        before.extend(moved);
        before.dedup();
    }
    before
}

/// A manifest's record as the mechanism has it: counted as it counts, where an edit that a checkpoint has carried is one;
/// and of a drive whose row says that it serves, what that means for one that did not.
pub(super) fn told(state: &State, step: &Step) -> Step {
    let Step::Engine(EngineStep::WriteEdit(_, edit, ended)) = step else { return step.clone() };
    let quarantined = |drive| listing(state).is_some_and(|it| it.archive.quarantined.contains(drive));
    let edit = match *edit {
        Edit::AddDrive(drive) if quarantined(drive) => Edit::Readmit(drive),
        edit => edit,
    };
    EngineStep::WriteEdit(state.disk.edits + 1, edit, *ended).into()
}

/// The segments of this life that have a durable name and that no edit names.
pub(super) fn unlisted(state: &State) -> impl Iterator<Item = SegmentNo> {
    let made = state.engine.iter().flat_map(|engine| engine.segments.iter());
    made.filter(|made| made.1 & stage::NAMED != 0 && made.1 & stage::LISTED == 0).map(|made| made.0)
}
