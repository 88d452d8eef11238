//! Virtual time: a queue of steps that are due. Nothing happens between two of them, and two that are due at the same
//! moment run in the order in which they were asked for.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::random::Nanos;

/// See the module's text.
#[derive(Debug, Clone)]
pub struct Queue<T: Ord> {
    now: Nanos,
    asked: u64,
    due: BinaryHeap<Reverse<(Nanos, u64, T)>>,
}

impl<T: Ord> Default for Queue<T> {
    fn default() -> Self {
        Self { now: 0, asked: 0, due: BinaryHeap::with_capacity(64) }
    }
}

impl<T: Ord> Queue<T> {
    /// The time.
    #[must_use]
    pub const fn now(&self) -> Nanos {
        self.now
    }

    /// Lets `task` be due at `at`, or now if that is past.
    pub fn at(&mut self, at: Nanos, task: T) {
        self.asked += 1;
        self.due.push(Reverse((at.max(self.now), self.asked, task)));
    }

    /// Lets `task` be due in so long.
    pub fn after(&mut self, span: Nanos, task: T) {
        self.at(self.now + span, task);
    }

    /// Goes on to what is due next. `None` at the end of time.
    pub fn advance(&mut self) -> Option<T> {
        let Reverse((at, _, task)) = self.due.pop()?;
        self.now = at;
        Some(task)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_comes_in_order_and_time_never_goes_back() {
        let mut queue = Queue::default();
        queue.at(5, 'c');
        queue.at(2, 'b');
        queue.at(2, 'a');
        assert_eq!((queue.advance(), queue.now()), (Some('b'), 2));
        queue.at(0, 'z');
        assert_eq!((queue.advance(), queue.advance()), (Some('a'), Some('z')));
        assert_eq!((queue.advance(), queue.now(), queue.advance()), (Some('c'), 5, None));
    }
}
