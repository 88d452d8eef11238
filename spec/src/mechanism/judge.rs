//! Which invariants a state breaks. All of them are looked at; a violation is named by the first row.

use super::state::{Engine, LastOpen, Mark, State, Told};
use super::survey::Found;
use crate::invariant::Invariant;
use crate::step::{Durability, Lsn};

impl State {
    /// Notes that an invariant is broken.
    pub(crate) fn breaks(&mut self, invariant: Invariant) {
        self.broken |= 1 << invariant as u16;
    }

    /// The first row that the last step broke.
    #[must_use]
    pub fn first_broken(&self) -> Option<Invariant> {
        Invariant::ALL.iter().copied().find(|one| self.broken & (1 << *one as u16) != 0)
    }

    /// An open is about to return: what it returns is held against what was promised.
    pub(crate) fn judge_open(&mut self, found: &Found) {
        self.judge_damage(found);
        self.judge_promises(found);
        self.judge_origin(found);
        let again = LastOpen { next: found.next(), damaged: found.damaged(), returned: true };
        let differs = |last: LastOpen| (last.next, last.damaged) != (again.next, again.damaged);
        if self.past.damages == 0 && self.last_open.is_some_and(differs) {
            self.breaks(Invariant::RecoveryConverges);
        }
        self.last_open = Some(again);
        if found.damaged() {
            self.past.mark(Mark::Named);
        }
        self.tell(found);
    }

    /// An open finds no log at all.
    pub(crate) fn judge_no_log(&mut self) {
        if self.requests.iter().any(|request| matches!(request.told, Told::Acked(_))) {
            self.breaks(Invariant::AckedIsDurable);
        }
        if self.claimed > 0 {
            self.breaks(Invariant::ClaimHasArtifact);
        }
    }

    /// Damage is named if and only if there is some.
    fn judge_damage(&mut self, found: &Found) {
        if self.past.damages == 0 && found.damaged() {
            self.breaks(Invariant::TornTailIsNotDamage);
        }
        let right = self.disk.survey(super::survey::Lens::default());
        if let Some((first, last)) = right.damage.filter(|_| self.past.damages > 0) {
            let named = found.damage.is_some_and(|(a, b)| a <= first && last <= b);
            if !named {
                self.breaks(Invariant::DamageIsLoud);
            }
        }
    }

    /// What was acknowledged, and what was claimed, is there.
    fn judge_promises(&mut self, found: &Found) {
        let real = self.past.damages > 0;
        let right = self.disk.survey(super::survey::Lens::default());
        let mut lost = false;
        for request in &self.requests {
            if !matches!(request.told, Told::Acked(_)) {
                continue;
            }
            for index in 0..request.count {
                let lsn = request.lsn + Lsn::from(index);
                if lsn < found.first || lsn < self.trim_asked {
                    continue;
                }
                let there = found.at(lsn) == Some(request.first + index);
                // What damage has taken is judged by its own row; the rest must be there all the same.
                let id = request.first + index;
                lost |= !there && (!real || right.at(lsn) == Some(id));
            }
        }
        if lost {
            self.breaks(Invariant::AckedIsDurable);
        }
        if !real && self.claimed >= found.next() && self.claimed >= found.first {
            self.breaks(Invariant::ClaimHasArtifact);
        }
    }

    /// What is there was appended, once, there; and there is no gap.
    fn judge_origin(&mut self, found: &Found) {
        let holes = found.records.iter().enumerate().any(|(index, record)| {
            let lsn = found.first + index as Lsn;
            let named = found.damage.is_some_and(|(first, last)| first <= lsn && lsn <= last);
            record.is_none() && !named && self.past.damages == 0
        });
        let mut halves = false;
        let mut invented = false;
        for request in &self.requests {
            let ids: Vec<_> = (request.first..request.first + request.count).collect();
            let present: Vec<usize> =
                ids.iter().map(|id| found.records.iter().filter(|r| **r == Some(*id)).count()).collect();
            invented |= present.iter().any(|&times| times > 1);
            invented |= request.told == Told::Absent && present.iter().any(|&times| times > 0);
            let kept_by_trim = request.lsn >= found.first;
            let some = present.iter().any(|&times| times > 0);
            let all = present.iter().all(|&times| times > 0);
            let named = found.damage.is_some_and(|(first, _)| request.last() >= first);
            halves |= kept_by_trim && some && !all && !named && self.past.damages == 0;
            for (id, _) in ids.iter().zip(&present).filter(|(_, times)| **times == 1) {
                let lsn = request.lsn + Lsn::from(id - request.first);
                invented |= request.lsn != 0 && found.at(lsn) != Some(*id);
            }
        }
        if holes || halves {
            self.breaks(Invariant::RecoveredIsPrefix);
        }
        if invented {
            self.breaks(Invariant::NothingInvented);
        }
    }

    /// What open returns counts as acknowledged; what it does not return is gone.
    fn tell(&mut self, found: &Found) {
        let damages = self.past.damages > 0;
        for request in &mut self.requests {
            let there = request.lsn != 0 && found.at(request.lsn) == Some(request.first);
            match request.told {
                Told::Unresolved if there => request.told = Told::Acked(Durability::PowerLoss),
                Told::Acked(_) if there => request.told = Told::Acked(Durability::PowerLoss),
                Told::Unresolved if !found.damaged() && request.lsn >= found.first => {
                    request.told = Told::Absent;
                }
                // Damage that nothing vouches against has taken it: that cannot be seen from the log alone.
                Told::Acked(_) if damages && !found.damaged() && request.lsn >= found.next() => {
                    request.told = Told::Absent;
                }
                _ => {}
            }
        }
    }

    /// The durable watermark was published: where nobody has looked at the path since the sync, it must lead to
    /// what is claimed. (What happens to a name after that look cannot be known.)
    pub(crate) fn judge_claim(&mut self, lsn: Lsn) {
        let unseen = self.engine.iter().flat_map(|engine| &engine.flights).filter(|flight| !flight.checked);
        let gone = unseen.filter_map(|flight| self.disk.batch(flight.batch)).any(|batch| {
            batch.base <= lsn && self.disk.segment(batch.segment).is_some() && !self.disk.shows(batch.segment)
        });
        if gone {
            self.breaks(Invariant::ClaimHasArtifact);
        }
    }

    /// Records were acknowledged: after a failed sync, none that was not durable before it may be.
    pub(crate) fn judge_ack(&mut self, last: Lsn) {
        let failed_at = self.engine.as_ref().and_then(|engine: &Engine| engine.failed_at);
        if failed_at.is_some_and(|durable| last > durable) {
            self.breaks(Invariant::NoAckAfterFailedSync);
        }
    }
}

impl Found {
    /// The record under an LSN.
    #[must_use]
    pub fn at(&self, lsn: Lsn) -> Option<super::state::RecordId> {
        let index = usize::try_from(lsn.checked_sub(self.first)?).ok()?;
        self.records.get(index).copied().flatten()
    }
}
