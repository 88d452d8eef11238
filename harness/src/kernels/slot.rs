//! Scenarios over the prefetch slot's word: fill, verify, publish, pin, serve, retire, fill again.
//!
//! The engine keeps what a slot holds behind a lock of its own; here it is plain memory that loom watches, so the word
//! must order every access by itself. Content of another generation is an assertion, content that is written while it
//! is read a reported race.

use std::fmt::Debug;

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;
use truelog_under_loom::archive::slot::{Filling, Phase, Pin, Retiring, SlotWord};

/// What the scenarios need of a slot's word; the production one, and those that are wrong on purpose.
pub(super) trait Word: Send + Sync + 'static {
    type Filling: Debug;
    type Pin: Debug;
    fn new() -> Self;
    fn begin(&self, generation: u64) -> Option<Self::Filling>;
    fn publish(&self, filling: Self::Filling) -> bool;
    fn pin(&self, generation: u64) -> Option<Self::Pin>;
    fn unpin(&self, pin: Self::Pin);
    fn retire(&self, before: u64) -> Retiring;
    /// Whether it is empty, and nobody has it pinned.
    fn is_free(&self) -> bool;
}

impl Word for SlotWord {
    type Filling = Filling;
    type Pin = Pin;

    fn new() -> Self {
        Self::new()
    }

    fn begin(&self, generation: u64) -> Option<Filling> {
        self.begin(generation)
    }

    fn publish(&self, filling: Filling) -> bool {
        self.publish(filling)
    }

    fn pin(&self, generation: u64) -> Option<Pin> {
        self.pin(generation)
    }

    fn unpin(&self, pin: Pin) {
        self.unpin(pin);
    }

    fn retire(&self, before: u64) -> Retiring {
        self.retire(before)
    }

    fn is_free(&self) -> bool {
        let state = self.state();
        state.phase == Phase::Empty && state.pins == 0
    }
}

/// A slot with what it holds: the generation, twice, so that half of one shows.
#[derive(Debug)]
pub(super) struct Slot<W> {
    word: W,
    held: UnsafeCell<[u64; 2]>,
}

// SAFETY: whether the accesses are ordered is what loom checks.
#[allow(unsafe_code)]
unsafe impl<W: Sync> Sync for Slot<W> {}

impl<W: Word> Slot<W> {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { word: W::new(), held: UnsafeCell::new([0; 2]) })
    }

    /// What the prefetcher does: fill, verify, publish. Whether the slot serves that generation now; `None` if
    /// somebody else had it.
    fn fill(&self, generation: u64) -> Option<bool> {
        let filling = self.word.begin(generation)?;
        self.held.with_mut(|cell| {
            // SAFETY: loom reports any access that is not ordered before or after this one.
            #[allow(unsafe_code)]
            unsafe {
                (*cell)[0] = generation;
                (*cell)[1] = generation;
            }
        });
        self.verify(generation);
        Some(self.word.publish(filling))
    }

    /// What a reader does: pin, read, unpin. Whether it was served.
    fn serve(&self, generation: u64) -> bool {
        let Some(pin) = self.word.pin(generation) else { return false };
        self.verify(generation);
        self.word.unpin(pin);
        true
    }

    fn verify(&self, generation: u64) {
        let held = self.held.with(|cell| {
            // SAFETY: as above.
            #[allow(unsafe_code)]
            unsafe {
                *cell
            }
        });
        assert_eq!(held, [generation; 2], "another generation, or half of one");
    }
}

fn beside<W: Word>(slot: &Arc<Slot<W>>, body: impl FnOnce(&Slot<W>) + 'static) -> thread::JoinHandle<()> {
    let slot = Arc::clone(slot);
    thread::spawn(move || body(&slot))
}

fn join(threads: impl IntoIterator<Item = thread::JoinHandle<()>>) {
    for thread in threads {
        assert!(thread.join().is_ok(), "a thread of the scenario panicked");
    }
}

/// The prefetcher fills while the compaction retires and fills the next generation, and a reader reads. The
/// reader starts last, as loom needs it: see the watermark's `publication`.
pub(super) fn race<W: Word>() {
    let slot = Slot::<W>::new();
    let compaction = beside(&slot, |slot| {
        let retired = slot.word.retire(2);
        let filled = slot.fill(2);
        assert!(retired != Retiring::Freed || filled.is_some(), "what was freed can be filled");
    });
    let reader = beside(&slot, |slot| {
        slot.serve(1);
    });
    slot.fill(1);
    join([compaction, reader]);
    ends(&slot);
}

/// A ready slot with a reader, and a compaction that retires it and fills it again as soon as it can.
pub(super) fn pinned<W: Word>() {
    let slot = Slot::<W>::new();
    assert_eq!(slot.fill(1), Some(true));
    let compaction = beside(&slot, |slot| {
        let retired = slot.word.retire(2);
        assert_ne!(retired, Retiring::Nothing);
        let filled = slot.fill(2);
        assert!(retired != Retiring::Freed || filled == Some(true), "what was freed can be filled");
    });
    let reader = beside(&slot, |slot| {
        slot.serve(1);
        slot.serve(2);
    });
    assert!(!slot.serve(2) || !slot.serve(1), "both generations at once");
    join([compaction, reader]);
    ends(&slot);
}

/// When all is over one retirement empties the slot, whatever came first: no pin and no filling was left behind.
fn ends<W: Word>(slot: &Slot<W>) {
    assert_ne!(slot.word.retire(3), Retiring::Pending, "a pin or a filling was left behind");
    assert!(slot.word.is_free());
}

/// A ready slot, two readers, and a compaction that wants to fill it again: the last of them frees it, once.
pub(super) fn last_unpin() {
    let slot = Slot::<SlotWord>::new();
    assert_eq!(slot.fill(1), Some(true));
    let readers: [_; 2] = std::array::from_fn(|_| {
        beside(&slot, |slot| {
            slot.serve(1);
        })
    });
    let retired = slot.word.retire(2);
    assert_ne!(retired, Retiring::Nothing);
    let filled = slot.fill(2);
    join(readers);
    assert!(filled.is_some() || slot.word.is_free(), "the last pin did not free the slot");
}

/// Two prefetchers want the same slot, and a retirement comes in between: one owner at a time, nothing old served.
pub(super) fn owners() {
    let slot = Slot::<SlotWord>::new();
    let prefetchers = [1, 2].map(|generation| {
        beside(&slot, move |slot| {
            if slot.fill(generation) == Some(true) {
                slot.serve(generation);
            }
        })
    });
    let retired = slot.word.retire(2);
    assert!(!slot.serve(1) || retired == Retiring::Nothing, "retired, and served");
    join(prefetchers);
    ends(&slot);
}
