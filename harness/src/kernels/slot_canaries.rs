//! Words of a prefetch slot that are wrong on purpose, each in one way. Without its flaw this word holds: that is a
//! scenario too.

use loom::sync::atomic::{AtomicU64, Ordering};
use truelog_under_loom::archive::slot::Retiring;

use super::slot::Word;

const EMPTY: u64 = 0;
const FILLING: u64 = 1;
const READY: u64 = 2;
const RETIRED: u64 = 3;
const DOOMED: u64 = 4;

/// A way to be wrong.
pub(super) mod flaw {
    pub(in crate::kernels) const NONE: u8 = 0;
    pub(in crate::kernels) const PIN_BY_ADDITION: u8 = 1;
    pub(in crate::kernels) const PUBLISH_RELAXED: u8 = 2;
    pub(in crate::kernels) const RETIRE_IGNORES_PINS: u8 = 3;
    pub(in crate::kernels) const PIN_ANY_GENERATION: u8 = 4;
    pub(in crate::kernels) const UNPIN_RELAXED: u8 = 5;
}

/// Phase, pins and generation, a byte each.
pub(super) struct Flawed<const FLAW: u8>(AtomicU64);

const fn word(phase: u64, pins: u64, generation: u64) -> u64 {
    phase | (pins << 8) | (generation << 16)
}

const fn apart(word: u64) -> (u64, u64, u64) {
    (word & 0xff, (word >> 8) & 0xff, word >> 16)
}

impl<const FLAW: u8> Flawed<FLAW> {
    /// Exchanges the word for what `next` makes of it; what it was before.
    fn change(
        &self,
        order: Ordering,
        next: impl Fn(u64, u64, u64) -> Option<u64>,
    ) -> Option<(u64, u64, u64)> {
        let mut seen = self.0.load(Ordering::Acquire);
        loop {
            let (phase, pins, generation) = apart(seen);
            let next = next(phase, pins, generation)?;
            match self.0.compare_exchange(seen, next, order, Ordering::Acquire) {
                Ok(_) => return Some((phase, pins, generation)),
                Err(now) => seen = now,
            }
        }
    }
}

impl<const FLAW: u8> Word for Flawed<FLAW> {
    type Filling = u64;
    type Pin = u64;

    fn new() -> Self {
        Self(AtomicU64::new(EMPTY))
    }

    fn begin(&self, generation: u64) -> Option<u64> {
        let begins = |phase, _, _| (phase == EMPTY).then_some(word(FILLING, 0, generation));
        self.change(Ordering::AcqRel, begins).map(|_| generation)
    }

    fn publish(&self, generation: u64) -> bool {
        let order = if FLAW == flaw::PUBLISH_RELAXED { Ordering::Relaxed } else { Ordering::AcqRel };
        let next = |phase, _, _| Some(if phase == FILLING { word(READY, 0, generation) } else { EMPTY });
        self.change(order, next).is_some_and(|(phase, _, _)| phase == FILLING)
    }

    fn pin(&self, generation: u64) -> Option<u64> {
        let takes = |phase, of| {
            let right = of == generation || FLAW == flaw::PIN_ANY_GENERATION;
            phase == READY && right
        };
        if FLAW == flaw::PIN_BY_ADDITION {
            let (phase, _, of) = apart(self.0.load(Ordering::Acquire));
            return takes(phase, of).then(|| {
                self.0.fetch_add(word(0, 1, 0), Ordering::AcqRel);
                generation
            });
        }
        let next = |phase, pins, of| takes(phase, of).then_some(word(READY, pins + 1, of));
        self.change(Ordering::AcqRel, next).map(|_| generation)
    }

    fn unpin(&self, _: u64) {
        let order = if FLAW == flaw::UNPIN_RELAXED { Ordering::Relaxed } else { Ordering::AcqRel };
        self.change(order, |phase, pins, of| {
            let left = pins.saturating_sub(1);
            Some(if phase == RETIRED && left == 0 { EMPTY } else { word(phase, left, of) })
        });
    }

    fn retire(&self, before: u64) -> Retiring {
        let ignores = FLAW == flaw::RETIRE_IGNORES_PINS;
        let retired = self.change(Ordering::AcqRel, |phase, pins, of| match phase {
            READY if of < before && (pins == 0 || ignores) => Some(EMPTY),
            READY if of < before => Some(word(RETIRED, pins, of)),
            FILLING if of < before => Some(word(DOOMED, 0, of)),
            _ => None,
        });
        match retired {
            Some((READY, pins, _)) if pins == 0 || ignores => Retiring::Freed,
            Some(_) => Retiring::Pending,
            None => match apart(self.0.load(Ordering::Acquire)) {
                (RETIRED | DOOMED, _, of) if of < before => Retiring::Pending,
                _ => Retiring::Nothing,
            },
        }
    }

    fn is_free(&self) -> bool {
        let (phase, pins, _) = apart(self.0.load(Ordering::Acquire));
        phase == EMPTY && pins == 0
    }
}
