//! Prefetching: readers that go forwards find the blocks that they will want next in memory.
//!
//! A slot's phase, generation and pins are one atomic word ([`SlotWord`]). What a slot holds is put in before the word
//! says `Ready` and read only under a pin, and is compared with what was asked for all the same: a read is never
//! served from a block of another run, generation or position. A miss reads through, so that nothing here is needed
//! for a right answer.
//!
//! No block is worth unpacking twice: a reader waits for the one that is being filled, for a while, and fills the next
//! meanwhile; it takes over what nobody has begun to fill, so that the prefetcher goes on ahead of it and not beside it.

use std::collections::VecDeque;
use std::time::Duration;

use super::block::ArchiveBlock;
use super::run::RunEntry;
use super::slot::{Phase, Retiring, SlotWord};
use crate::lsn::RunNo;
use crate::sync::{Arc, Condvar, Deadline, Mutex, MutexGuard};

/// A slot is never smaller than this, in bytes, whatever the blocks' size.
const SMALLEST_SLOT: u32 = 4 << 10;
/// There are never more slots than this.
const MOST_SLOTS: u32 = 1024;

/// How long a reader waits for a block that is being filled, at most: about what it takes to unpack one. So a reader whose
/// prefetcher does not get on loses no more than as much again.
const PATIENCE: Duration = Duration::from_micros(300);

/// Which block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) run: RunNo,
    pub(crate) generation: u64,
    pub(crate) index: u32,
}

/// Where one reader has been, and how far ahead of it blocks are wanted.
#[derive(Debug, Default)]
pub(crate) struct Ahead {
    last: Option<Key>,
    distance: u32,
}

impl Key {
    /// Whether `other` comes behind this block in the same run.
    pub(crate) fn is_followed_by(&self, other: &Self) -> bool {
        (self.run, self.generation) == (other.run, other.generation) && self.index < other.index
    }
}

impl Ahead {
    /// The reader is at `key`. Says how many blocks behind it are wanted now.
    fn moved(&mut self, key: Key, most: u32) -> u32 {
        let goes_on = self.last.is_some_and(|last| {
            let next = last.run == key.run && last.index.checked_add(1) == Some(key.index);
            next || (last.run != key.run && key.index == 0)
        });
        let stays = self.last == Some(key);
        self.last = Some(key);
        self.distance = match (stays, goes_on) {
            (true, _) => self.distance,
            // Twice as far each time: who reads a little gets a little.
            (false, true) => (self.distance * 2).clamp(1, most.max(1)),
            (false, false) => 0,
        };
        if stays { 0 } else { self.distance }
    }
}

#[derive(Debug, Default)]
struct Slot {
    word: SlotWord,
    held: Mutex<Option<(Key, Arc<ArchiveBlock>)>>,
}

/// What is in which slot, and what is wanted.
#[derive(Debug, Default)]
struct Plan {
    /// What each slot is for, and when it was last of use.
    keys: Vec<Option<(Key, u64)>>,
    wanted: VecDeque<Key>,
    now: u64,
    /// How many readers wait for a block that is being filled.
    waiting: usize,
}

impl Plan {
    fn find(&self, key: &Key) -> Option<usize> {
        self.keys.iter().position(|held| held.is_some_and(|(held, _)| held == *key))
    }

    /// A reader reads this one itself: what it has passed is not wanted any more.
    fn passed(&mut self, key: &Key) {
        self.wanted.retain(|wanted| {
            (wanted.run, wanted.generation) != (key.run, key.generation) || wanted.index > key.index
        });
    }

    /// The first of what is wanted that `fits`; it is not wanted any more.
    fn take(&mut self, fits: impl Fn(&Key) -> bool) -> Option<Key> {
        let at = self.wanted.iter().position(fits)?;
        self.wanted.remove(at)
    }

    fn touch(&mut self, at: usize) {
        self.now += 1;
        if let Some(Some((_, used))) = self.keys.get_mut(at) {
            *used = self.now;
        }
    }
}

/// How prefetching went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PrefetchStat {
    /// Reads that found their block in memory.
    pub hits: u64,
    /// Reads of the archive that did not.
    pub misses: u64,
    /// Blocks that were read ahead.
    pub filled: u64,
}

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Prefetch {
    slots: Vec<Slot>,
    /// A block that unpacks to more than this is not kept, in bytes.
    slot_bytes: usize,
    plan: Mutex<Plan>,
    /// A slot is not being filled any more.
    filled: Condvar,
    stat: Mutex<PrefetchStat>,
}

impl Prefetch {
    /// As many slots as `budget` bytes hold, for blocks of about `block` bytes.
    pub(crate) fn new(budget: u32, block: u32) -> Self {
        // A block ends with the record that fills it, so that it is a little larger than asked for.
        let slot_bytes = block.saturating_add(block / 4).max(SMALLEST_SLOT);
        let count = (budget / slot_bytes).min(MOST_SLOTS);
        let slots: Vec<Slot> = (0..count).map(|_| Slot::default()).collect();
        let plan = Plan { keys: vec![None; slots.len()], ..Plan::default() };
        let slot_bytes = usize::try_from(slot_bytes).unwrap_or(usize::MAX);
        let (plan, filled) = (Mutex::new(plan), Condvar::new());
        Self { slots, slot_bytes, plan, filled, stat: Mutex::default() }
    }

    /// A block that unpacks to more than this is not kept, in bytes.
    pub(crate) const fn slot_bytes(&self) -> usize {
        self.slot_bytes
    }

    pub(crate) fn stat(&self) -> PrefetchStat {
        *self.stat.lock()
    }

    /// Whether somebody is filling a slot with the block.
    pub(crate) fn is_filling(&self, key: &Key) -> bool {
        self.fills(&self.plan.lock(), key)
    }

    fn fills(&self, plan: &Plan, key: &Key) -> bool {
        plan.find(key).is_some_and(|at| self.slots[at].word.state().phase == Phase::Filling)
    }

    /// The block, if it is in memory, or will be in a moment.
    pub(crate) fn serve(&self, key: &Key) -> Option<Arc<ArchiveBlock>> {
        let at = {
            let mut plan = self.await_filled(key);
            let at = plan.find(key);
            match at {
                Some(at) => plan.touch(at),
                None => plan.passed(key),
            }
            at
        };
        let found = at.and_then(|at| self.read(at, key));
        let mut stat = self.stat.lock();
        if found.is_some() {
            stat.hits += 1
        } else {
            stat.misses += 1
        }
        found
    }

    /// Waits as long as the block is being filled, within patience.
    fn await_filled(&self, key: &Key) -> MutexGuard<'_, Plan> {
        let mut plan = self.plan.lock();
        let mut deadline = None;
        loop {
            if !self.fills(&plan, key) {
                return plan;
            }
            let left = deadline.get_or_insert_with(|| Deadline::after(PATIENCE)).left();
            plan.waiting += 1;
            let (again, expired) = self.filled.wait_timeout(plan, left);
            plan = again;
            plan.waiting -= 1;
            if expired {
                return plan;
            }
        }
    }

    fn read(&self, at: usize, key: &Key) -> Option<Arc<ArchiveBlock>> {
        let slot = self.slots.get(at)?;
        let pin = slot.word.pin(key.generation)?;
        let held =
            slot.held.lock().as_ref().filter(|(held, _)| held == key).map(|(_, block)| Arc::clone(block));
        slot.word.unpin(pin);
        held
    }

    /// A reader is at `key`, behind which its run has `rest` more blocks: those it will want next are wanted. Says
    /// whether any of them was not before.
    pub(crate) fn want(&self, ahead: &mut Ahead, key: Key, rest: usize) -> bool {
        let most = u32::try_from(self.slots.len() / 2).unwrap_or(u32::MAX);
        if most == 0 {
            return false;
        }
        let distance = ahead.moved(key, most).min(u32::try_from(rest).unwrap_or(u32::MAX));
        let mut plan = self.plan.lock();
        let before = plan.wanted.len();
        for step in 1..=distance {
            let Some(index) = key.index.checked_add(step) else { break };
            let next = Key { index, ..key };
            if plan.find(&next).is_none()
                && !plan.wanted.contains(&next)
                && plan.wanted.len() < self.slots.len()
            {
                plan.wanted.push_back(next);
            }
        }
        plan.wanted.len() > before
    }

    /// Fills one slot with the next wanted block that `fits`, which `fetch` reads; `done_with` gets what the slot held before.
    /// Says whether there was one.
    pub(crate) fn step(
        &self,
        fits: impl Fn(&Key) -> bool,
        done_with: impl FnOnce(Arc<ArchiveBlock>),
        fetch: impl FnOnce(&Key) -> Option<ArchiveBlock>,
    ) -> bool {
        let Some(key) = self.plan.lock().take(fits) else { return false };
        let Some((at, filling)) = self.begin(key) else { return true };
        // Nobody is served from it: the word says that it is being filled.
        let before = self.slots[at].held.lock().take();
        if let Some((_, block)) = before {
            done_with(block);
        }
        let block = fetch(&key).filter(|block| block.raw().len() <= self.slot_bytes);
        let slot = &self.slots[at];
        let filled = match block {
            Some(block) => {
                *slot.held.lock() = Some((key, Arc::new(block)));
                slot.word.publish(filling)
            }
            None => {
                slot.word.abandon(filling);
                false
            }
        };
        if filled {
            self.stat.lock().filled += 1;
        } else {
            self.clear(at, &key);
        }
        // Behind the word's change, and under the lock that readers look at it with.
        if self.plan.lock().waiting > 0 {
            self.filled.notify_all();
        }
        true
    }

    /// The slot holds nothing any more, unless somebody has begun to fill it with something else.
    fn clear(&self, at: usize, key: &Key) {
        let mut plan = self.plan.lock();
        if plan.keys[at].is_some_and(|(held, _)| held == *key) {
            *self.slots[at].held.lock() = None;
            plan.keys[at] = None;
        }
    }

    /// Takes a slot for a block: an empty one, or that which has been of no use for the longest time.
    fn begin(&self, key: Key) -> Option<(usize, super::slot::Filling)> {
        let mut plan = self.plan.lock();
        if plan.find(&key).is_some() {
            return None;
        }
        let mut order: Vec<usize> = (0..self.slots.len()).collect();
        order.sort_by_key(|at| plan.keys[*at].map(|(_, used)| used));
        for at in order {
            let word = &self.slots[at].word;
            let state = word.state();
            if state.phase == Phase::Ready && state.pins == 0 {
                let _ = word.retire(state.generation + 1);
            }
            if let Some(filling) = word.begin(key.generation) {
                plan.now += 1;
                plan.keys[at] = Some((key, plan.now));
                return Some((at, filling));
            }
        }
        None
    }

    /// Nothing of these runs is served any more. What a reader has pinned goes when it is done with it.
    pub(crate) fn retire(&self, runs: &[RunEntry]) {
        let mut plan = self.plan.lock();
        let old =
            |key: &Key| runs.iter().any(|run| (run.number, run.generation) == (key.run, key.generation));
        plan.wanted.retain(|key| !old(key));
        for (at, slot) in self.slots.iter().enumerate() {
            let Some((key, _)) = plan.keys[at].filter(|(key, _)| old(key)) else { continue };
            if slot.word.retire(key.generation + 1) == Retiring::Freed {
                *slot.held.lock() = None;
                plan.keys[at] = None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(run: u64, index: u32) -> Key {
        Key { run: RunNo(run), generation: run * 10, index }
    }

    #[test]
    fn a_reader_fills_what_comes_behind_its_block_and_nothing_of_another_run() {
        let mut plan = Plan { wanted: [key(2, 5), key(1, 2), key(1, 4)].into(), ..Plan::default() };
        let here = key(1, 3);
        assert_eq!(plan.take(|wanted| here.is_followed_by(wanted)), Some(key(1, 4)));
        assert_eq!(plan.take(|wanted| here.is_followed_by(wanted)), None);
        assert_eq!(plan.take(|_| true), Some(key(2, 5)), "in their order");
    }

    #[test]
    fn who_goes_forwards_is_read_ahead_for_further_and_further() {
        let mut ahead = Ahead::default();
        let distances: Vec<u32> = (0..6).map(|index| ahead.moved(key(1, index), 8)).collect();
        assert_eq!(distances, [0, 1, 2, 4, 8, 8]);
        assert_eq!(ahead.moved(key(1, 5), 8), 0, "the same block again");
        assert_eq!(ahead.moved(key(2, 0), 8), 8, "on to the next run");
        assert_eq!(ahead.moved(key(1, 3), 8), 0, "backwards");
        assert_eq!(ahead.moved(key(1, 5), 8), 0, "a jump");
    }
}
