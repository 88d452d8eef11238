//! Who sleeps, and until when.

use crate::sync::Waker;

/// Where somebody is in the list of those who wait for room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place(u64);

/// All who sleep until a commit is taken or has ended. Each of them leads when it is woken and nobody does.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    /// How many sleep at each of the two gates: until the end of the commit in flight, and until that of the next.
    at_gate: [usize; 2],
    /// Those who wait for room, which there is whenever the front is taken.
    cramped: Vec<(Place, Waker)>,
    last: u64,
    /// A list of those to wake, empty, kept for its memory.
    spare: Vec<(Place, Waker)>,
}

impl Waiters {
    /// Somebody is going to sleep at a gate.
    pub(super) fn join(&mut self, gate: usize) {
        self.at_gate[gate] += 1;
    }

    /// How many sleep at a gate.
    pub(super) const fn at(&self, gate: usize) -> usize {
        self.at_gate[gate]
    }

    /// All leave a gate. Says how many.
    pub(super) fn leave(&mut self, gate: usize) -> usize {
        std::mem::take(&mut self.at_gate[gate])
    }

    /// One leaves a gate, if there is one.
    pub(super) fn leave_one(&mut self, gate: usize) -> bool {
        let some = self.at_gate[gate] > 0;
        self.at_gate[gate] -= usize::from(some);
        some
    }

    /// Adds somebody who waits for room.
    pub(super) fn add_cramped(&mut self, waker: Waker) -> Place {
        self.last += 1;
        let place = Place(self.last);
        self.cramped.push((place, waker));
        place
    }

    /// Takes somebody out who waited for room and woke before its time, if it is still there.
    pub(super) fn remove(&mut self, place: Place) {
        self.cramped.retain(|(other, _)| *other != place);
    }

    /// Takes out who has waited for room longest.
    pub(super) fn next_cramped(&mut self) -> Option<Waker> {
        (!self.cramped.is_empty()).then(|| self.cramped.remove(0).1)
    }

    /// Takes out all who wait for room.
    pub(super) fn take_cramped(&mut self) -> Vec<(Place, Waker)> {
        let spare = std::mem::take(&mut self.spare);
        std::mem::replace(&mut self.cramped, spare)
    }

    /// Takes back an empty list.
    pub(super) fn recycle(&mut self, list: Vec<(Place, Waker)>) {
        self.spare = list;
    }

    /// How many wait.
    pub(super) const fn len(&self) -> usize {
        self.at_gate[0] + self.at_gate[1] + self.cramped.len()
    }

    /// How many wait; the most there can be when somebody waits for room, since nobody else can come then.
    pub(super) fn crowd(&self) -> u64 {
        if self.cramped.is_empty() { u64::try_from(self.len()).unwrap_or(u64::MAX) } else { u64::MAX }
    }
}
