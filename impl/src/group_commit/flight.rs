//! The end of a commit, whichever way it comes.

use super::marks::Marks;
use super::{GroupCommit, Work, gate_of};
use crate::sync::Ordering;

/// A commit in flight. Dropped without landing, it has been abandoned by an unwinding leader.
pub(super) struct Flight<'a, W: Work> {
    pub(super) kernel: &'a GroupCommit<W>,
    pub(super) work: Option<W>,
}

impl<W: Work> Flight<'_, W> {
    /// `came`: whether all came for whom the leader lingered.
    pub(super) fn land(mut self, outcome: Result<Marks, W::Failure>, came: bool) -> Result<(), W::Failure> {
        let kernel = self.kernel;
        let mut state = kernel.state.lock();
        let result = match (&state.failure, outcome) {
            // Something else failed while this commit was in flight: its success comes too late to be told.
            (Some(failure), _) => Err(failure.clone()),
            (None, Ok(marks)) => {
                kernel.written.store(marks.written.get(), Ordering::Release);
                kernel.durable.store(marks.durable.get(), Ordering::Release);
                // Those of this commit, and whoever came meanwhile; but not again those who did not come.
                let reached = state.waiters.at(gate_of(state.begun));
                state.hoped = 1 + if came { state.waiters.len() } else { reached };
                Ok(())
            }
            (None, Err(failure)) => {
                state.failure = Some(failure.clone());
                kernel.tell(state);
                // Not before: whoever hears of it must find nothing acknowledged any more.
                if let Some(work) = &mut self.work {
                    work.failed(&failure);
                }
                state = kernel.state.lock();
                Err(failure)
            }
        };
        state.work = self.work.take();
        kernel.tell(state);
        result
    }
}

impl<W: Work> Drop for Flight<'_, W> {
    fn drop(&mut self) {
        let Some(mut work) = self.work.take() else { return };
        let failure = W::abandoned();
        // Not before: whoever hears of it must find nothing acknowledged any more.
        if self.kernel.fail(failure.clone()) {
            work.unwinds(&failure);
        }
        let mut state = self.kernel.state.lock();
        state.work = Some(work);
        self.kernel.tell(state);
    }
}
