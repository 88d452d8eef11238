//! Recovery: the decision, and what open returns.

use super::archive::Life;
use super::disk::Cell;
use super::state::{Engine, Listing, Mark, Phase, State, stage};
use super::survey::{Lens, is_damage};
use super::{Guard, Mechanism, Refused, nonsense, sense};
use crate::step::{DamageKind, Lsn, Role, Row, SegmentNo, Unit};

impl Engine {
    /// A life that knows nothing yet.
    pub(crate) fn new(phase: Phase) -> Self {
        Self {
            phase,
            locked: false,
            anchored: false,
            identity: 0,
            checkpoint: 0,
            draft: None,
            floor: 0,
            segments: Vec::new(),
            active: 0,
            chain: 0,
            next: 1,
            written: 0,
            durable: 0,
            accepted: 0,
            flights: Vec::new(),
            found: None,
            decided: false,
            failed: false,
            failed_at: None,
            poisoned: false,
            trim: None,
            closing: false,
            marked: 0,
            full: false,
            syncing: Vec::new(),
            archive: Life::default(),
        }
    }

    /// Takes over what recovery has decided.
    fn believe(&mut self, found: super::survey::Found) {
        self.active = found.segment;
        self.chain = if found.tail().is_empty() { found.chain } else { found.vouched_chain };
        self.durable = found.vouched.min(found.next() - 1);
        self.marked = self.durable;
        self.written = found.tail_first() - 1;
        if found.tail().is_empty() {
            self.written = found.next() - 1;
        }
        self.found = Some(found);
    }
}

impl State {
    /// An open, or a repair, begins: the disk is read as the page cache shows it.
    pub(crate) fn begin_open(&mut self, phase: Phase) {
        let found = self.disk.survey(Lens::default());
        if let Some(engine) = self.engine.as_mut() {
            engine.phase = phase;
            engine.checkpoint = 0;
            engine.draft = None;
            engine.archive = Life::begin(&found.listing);
            engine.believe(found);
        }
    }

    /// Durable bytes, or a name, change under the engine's feet.
    pub(crate) fn damage(&mut self, unit: Unit, kind: DamageKind) -> bool {
        match (unit, kind) {
            (Unit::Name(Role::Segment(number)), DamageKind::Missing | DamageKind::Replaced) => {
                let named = self.disk.segments.iter_mut().find(|segment| segment.number == number);
                named.map(|segment| segment.name = Cell::Damaged).is_some()
            }
            (Unit::Batch(number, None), DamageKind::Misdirected) => {
                let segment = self.disk.batch(number).map(|batch| batch.segment);
                let other = (1..=self.disk.batches.len() as u64).find(|&other| {
                    other != number && self.disk.batch(other).map(|batch| batch.segment) == segment
                });
                let durable = self.disk.batch(number).is_some_and(super::state::Batch::durable);
                match self.disk.batches.get_mut((number as usize).wrapping_sub(1)) {
                    Some(batch) if durable && other.is_some() => batch.alias = other,
                    _ => return false,
                }
                true
            }
            (unit, _) => self.disk.damage(unit),
        }
    }
}

impl super::state::Disk {
    /// Whether a segment holds a valid batch.
    pub(crate) fn has_valid(&self, number: SegmentNo) -> bool {
        self.batches
            .iter()
            .enumerate()
            .any(|(index, batch)| batch.segment == number && self.valid(index as u64 + 1))
    }

    /// The highest floor that keeps every record from `before` on, and the last segment that is not empty.
    pub(crate) fn floor_for(&self, before: Lsn) -> SegmentNo {
        let last =
            self.batches.iter().filter(|batch| self.shows(batch.segment)).map(|batch| batch.segment).max();
        let kept = self.batches.iter().filter(|batch| self.shows(batch.segment) && batch.last() >= before);
        let lowest = kept.map(|batch| batch.segment).min();
        lowest.or(last).unwrap_or(0).min(last.unwrap_or(0))
    }

    /// Whether the manifest that a loss of power would leave still names a segment.
    pub(crate) fn device_names(&self, number: SegmentNo) -> bool {
        self.device_listing().is_some_and(|listing| listing.segments.contains(&number))
    }

    /// What a loss of power would leave of the manifest, if it came now and kept nothing.
    pub(crate) fn device_listing(&self) -> Option<Listing> {
        let newest = self.manifest.as_ref().filter(|_| self.manifest_name == Cell::Durable);
        let manifest = newest.or(self.older.as_ref())?;
        let mut listing = manifest.base.clone();
        let durable = manifest.edits.iter().take_while(|edit| edit.3.durable());
        durable.for_each(|(_, edit, ..)| listing.apply(*edit));
        Some(listing)
    }
}

impl Mechanism {
    pub(crate) fn recover(self, state: &mut State, row: Row, role: Role) -> Result<(), Refused> {
        let State { disk, engine, .. } = state;
        let engine = engine.as_mut().map_or_else(nonsense, Ok)?;
        let fresh = engine.checkpoint == 0 || engine.phase == Phase::Mending;
        sense(matches!(engine.phase, Phase::Opening | Phase::Mending))?;
        let mut found = engine.found.clone().map_or_else(nonsense, Ok)?;
        let segment = match role {
            Role::Segment(number) => number,
            _ => found.segment,
        };
        match row {
            Row::EmptySegment | Row::Orphan | Row::ManifestTornTail => return Ok(()),
            Row::TornTail if segment < found.segment && disk.has_valid(segment) => {
                self.guard(Guard::OnlyTheLastSegmentIsCut, false)?;
                sense(fresh && !found.damaged())?;
                found = disk.survey(Lens { cut_at: Some(segment), any_place: false });
            }
            Row::TornTail if found.damaged() => {
                self.guard(Guard::VouchedHoleIsDamage, false)?;
                sense(fresh && matches!(found.row, Row::VouchedHole | Row::VouchedTailMissing))?;
                found = disk.survey(Lens { cut_at: Some(found.segment), any_place: false });
            }
            Row::CleanEnd => {
                let lies = disk.survey(Lens { any_place: true, cut_at: None });
                if found.row == Row::TornTail && lies.records.len() > found.records.len() {
                    self.guard(Guard::BatchNamesItsPlace, false)?;
                    sense(fresh)?;
                    found = lies;
                } else {
                    sense(!found.damaged())?;
                }
            }
            Row::TornTail | Row::UnvouchedTail => {
                engine.decided = true;
                return sense(!found.damaged());
            }
            _ if is_damage(row) && !found.damaged() => {
                self.guard(Guard::TornTailIsCut, false)?;
                sense(fresh)?;
                found.row = row;
                found.damage = Some((found.next(), Lsn::MAX));
            }
            _ => {}
        }
        engine.decided = true;
        engine.believe(found);
        Ok(())
    }

    pub(crate) fn ready(self, state: &mut State, next: Lsn, read_only: bool) -> Result<(), Refused> {
        let engine = state.engine.as_ref().map_or_else(nonsense, Ok)?;
        let found = engine.found.clone().map_or_else(nonsense, Ok)?;
        sense(engine.phase == Phase::Opening && !engine.failed)?;
        sense(next == found.next() && read_only == found.damaged())?;
        if !read_only {
            let rewritten = found.tail().is_empty()
                || (engine.written + 1 >= next && engine.flights.iter().all(|f| f.synced && f.checked));
            self.guard(Guard::TailRewrittenBeforeReady, rewritten)?;
            self.guard(Guard::EditInFreshManifest, engine.checkpoint != 0)?;
            let named = engine.checkpoint == 0 || engine.checkpoint & stage::NAMED != 0;
            self.guard(Guard::EditAfterCheckpointName, named)?;
            let vouched = found.identity_vouched || engine.identity & stage::NAMED != 0;
            self.guard(Guard::IdentityVouchedBeforeReady, vouched)?;
        }
        self.mark_ready(state, &found);
        state.judge_open(&found);
        let engine = state.engine_mut()?;
        engine.phase = if read_only { Phase::ReadOnly } else { Phase::Up };
        engine.written = engine.written.max(next - 1);
        engine.next = engine.written + 1;
        engine.durable = engine.written;
        engine.accepted = engine.written;
        engine.flights.clear();
        engine.found = None;
        if engine.chain != 0 && !found.tail().is_empty() && engine.segments.is_empty() {
            engine.chain = found.chain;
        }
        Ok(())
    }

    fn mark_ready(self, state: &mut State, found: &super::survey::Found) {
        if state.past.crashes > 0 {
            state.past.mark(Mark::Reopened);
        }
        if found.row == Row::TornTail {
            state.past.mark(Mark::Cut);
        }
        let flights = state.engine.as_ref().is_some_and(|engine| !engine.flights.is_empty());
        if !found.tail().is_empty() && flights {
            state.past.mark(Mark::Rewritten);
        }
    }
}
