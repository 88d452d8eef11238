//! Where many sleep who wait for the same.

use crate::sync::{Condvar, Mutex};

/// Where the writers of one batch sleep until its commit has ended. Opened, it lets all of them through with one call of
/// the system, and closes behind them; before that it lets one through, to lead.
#[derive(Debug, Default)]
pub(super) struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// How often it was opened.
    opened: u64,
    /// How many may go through although it is closed.
    let_through: usize,
}

/// Who is going to sleep at a gate. Whoever opens it from then on lets it through.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arrival(u64);

impl Gate {
    /// Somebody is going to sleep here.
    pub(super) fn arrive(&self) -> Arrival {
        Arrival(self.state.lock().opened)
    }

    /// Sleeps until the gate is opened, or until this one is let through alone. Says whether it was: then it must lead, or
    /// see to it that somebody does, even if it is one that was to go through before and has only now come to it.
    #[must_use]
    pub(super) fn sleep(&self, arrival: Arrival) -> bool {
        let mut state = self.state.lock();
        while state.opened == arrival.0 {
            if state.let_through > 0 {
                state.let_through -= 1;
                return true;
            }
            state = self.changed.wait(state);
        }
        false
    }

    /// Lets one through of those who have arrived, of whom there must be one.
    pub(super) fn let_one_through(&self) {
        self.state.lock().let_through += 1;
        self.changed.notify_one();
    }

    /// Lets all through who have arrived.
    pub(super) fn open(&self) {
        let mut state = self.state.lock();
        state.opened += 1;
        state.let_through = 0;
        drop(state);
        self.changed.notify_all();
    }
}
