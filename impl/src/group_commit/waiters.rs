//! Who sleeps, and until when.

use super::Marks;
use crate::sync::Waker;

/// Where somebody is in the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place(u64);

#[derive(Debug)]
struct Waiter {
    place: Place,
    /// How far the marks must get; `None` for who waits for room, which there is whenever the front is taken.
    goal: Option<Marks>,
    waker: Waker,
}

/// All who sleep until a commit is taken or has ended. Each of them leads when it is woken and nobody does.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    list: Vec<Waiter>,
    /// How many of them wait for room.
    cramped: usize,
    last: u64,
    /// Lists of those to wake, empty, kept for their memory: one may still be at work when the next is due.
    spare: Vec<Vec<Waker>>,
}

impl Waiters {
    /// Adds somebody at the end.
    pub(super) fn add(&mut self, goal: Option<Marks>, waker: Waker) -> Place {
        self.last += 1;
        let place = Place(self.last);
        self.cramped += usize::from(goal.is_none());
        self.list.push(Waiter { place, goal, waker });
        place
    }

    /// How many wait.
    pub(super) const fn len(&self) -> usize {
        self.list.len()
    }

    /// How many wait; the most there can be when somebody waits for room, since nobody else can come then.
    pub(super) fn crowd(&self) -> u64 {
        if self.cramped > 0 { u64::MAX } else { u64::try_from(self.list.len()).unwrap_or(u64::MAX) }
    }

    /// How many have reached their goal.
    pub(super) fn count_reached(&self, reached: impl Fn(Marks) -> bool) -> usize {
        self.list.iter().filter(|waiter| waiter.goal.is_some_and(&reached)).count()
    }

    /// Takes somebody out who woke before its time, if it is still there.
    pub(super) fn remove(&mut self, place: Place) {
        if let Some(at) = self.list.iter().position(|waiter| waiter.place == place) {
            self.take_out(at);
        }
    }

    /// Takes out who has waited longest, to lead.
    pub(super) fn next(&mut self) -> Option<Waker> {
        (!self.list.is_empty()).then(|| self.take_out(0))
    }

    fn take_out(&mut self, at: usize) -> Waker {
        let waiter = self.list.remove(at);
        self.cramped -= usize::from(waiter.goal.is_none());
        waiter.waker
    }

    /// Takes out all whose goal is reached.
    pub(super) fn take_reached(&mut self, reached: impl Fn(Marks) -> bool) -> Vec<Waker> {
        self.take(|waiter| waiter.goal.is_some_and(&reached))
    }

    /// Takes out all who wait for room.
    pub(super) fn take_room(&mut self) -> Vec<Waker> {
        if self.cramped == 0 {
            return Vec::new();
        }
        self.cramped = 0;
        self.take(|waiter| waiter.goal.is_none())
    }

    fn take(&mut self, mut wanted: impl FnMut(&Waiter) -> bool) -> Vec<Waker> {
        if self.list.is_empty() {
            return Vec::new();
        }
        let mut taken = self.spare.pop().unwrap_or_default();
        taken.extend(self.list.extract_if(.., |waiter| wanted(waiter)).map(|waiter| waiter.waker));
        taken
    }

    /// Takes back an empty list.
    pub(super) fn recycle(&mut self, list: Vec<Waker>) {
        self.spare.push(list);
    }
}
