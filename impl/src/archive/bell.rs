//! Wakes the archive's own thread before its time.

use std::time::Duration;

use crate::sync::{Condvar, Mutex};

#[derive(Debug, Default)]
struct State {
    rung: bool,
    stopping: bool,
}

/// See the module's text.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    state: Mutex<State>,
    changed: Condvar,
}

impl Bell {
    /// There is something to do.
    pub(crate) fn ring(&self) {
        self.state.lock().rung = true;
        self.changed.notify_all();
    }

    /// Whoever waits is to end, and so is whoever waits later.
    pub(crate) fn stop(&self) {
        self.state.lock().stopping = true;
        self.changed.notify_all();
    }

    /// Waits until it is rung, or for `time` at most. Says whether to go on.
    pub(crate) fn wait(&self, time: Option<Duration>) -> bool {
        let mut state = self.state.lock();
        while !state.rung && !state.stopping {
            match time {
                Some(Duration::ZERO) => break,
                Some(time) => {
                    state = self.changed.wait_timeout(state, time).0;
                    break;
                }
                None => state = self.changed.wait(state),
            }
        }
        state.rung = false;
        !state.stopping
    }
}
