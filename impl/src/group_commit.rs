//! The concurrent kernel of group commit: writers fill the front under a short lock, one of them leads.
//!
//! Leadership is the possession of a value: the leader takes the [`Work`] out of the shared state, carries it
//! out without holding any lock, and puts it back. So one commit is in flight at a time by construction, and
//! writers go on filling the front meanwhile. A leader that unwinds fails the kernel and wakes everybody.
//!
//! The kernel knows nothing of files: it is generic over the work, so that loom can explore it alone.

use std::time::Duration;

use crate::lsn::Lsn;
use crate::sync::{AtomicU64, Condvar, Deadline, Mutex, MutexGuard, Ordering};

/// How far the log has got. Both are inclusive and never go back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Marks {
    /// The last LSN that has been written whole.
    pub written: Lsn,
    /// The last LSN that survives a loss of power.
    pub durable: Lsn,
}

/// What only the leader may touch.
pub trait Work {
    /// What writers fill.
    type Front;
    /// Why nothing more can be done.
    type Failure: Clone;

    /// Takes over what the front holds. Called under the lock, so it must be quick. Says whether there is
    /// anything to carry out.
    fn take(&mut self, front: &mut Self::Front) -> bool;

    /// Carries out what was taken. No lock is held.
    ///
    /// # Errors
    /// Any error fails the kernel for good.
    fn carry_out(&mut self) -> Result<Marks, Self::Failure>;

    /// The failure that stands for a leader that unwound.
    fn abandoned() -> Self::Failure;
}

#[derive(Debug)]
struct State<W: Work> {
    front: W::Front,
    /// `None` while a leader carries it out.
    work: Option<W>,
    failure: Option<W::Failure>,
}

/// What came of driving the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Driven {
    /// What was waited for holds.
    Done,
    /// It does not hold, and there is nothing left to carry out.
    Idle,
}

/// The kernel. See the module's text.
#[derive(Debug)]
pub struct GroupCommit<W: Work> {
    state: Mutex<State<W>>,
    /// A commit ended, or the kernel failed.
    ended: Condvar,
    /// The front was taken, a commit ended, or the kernel failed.
    room: Condvar,
    /// Somebody has work for whoever naps, or the kernel failed.
    roused: Condvar,
    written: AtomicU64,
    durable: AtomicU64,
}

impl<W: Work> GroupCommit<W> {
    /// A kernel at rest.
    pub fn new(front: W::Front, work: W, marks: Marks) -> Self {
        Self {
            state: Mutex::new(State { front, work: Some(work), failure: None }),
            ended: Condvar::new(),
            room: Condvar::new(),
            roused: Condvar::new(),
            written: AtomicU64::new(marks.written.get()),
            durable: AtomicU64::new(marks.durable.get()),
        }
    }

    /// How far the log has got, without taking the lock. What is at or below a mark can be read.
    pub fn marks(&self) -> Marks {
        // Durable first: a commit in between can then only make `written` look larger, never smaller.
        let durable = Lsn(self.durable.load(Ordering::Acquire));
        Marks { written: Lsn(self.written.load(Ordering::Acquire)), durable }
    }

    /// Fills the front under the short lock.
    ///
    /// # Errors
    /// The failure, if the kernel has failed.
    pub fn with<R>(&self, fill: impl FnOnce(&mut W::Front) -> R) -> Result<R, W::Failure> {
        let mut state = self.state.lock();
        match &state.failure {
            Some(failure) => Err(failure.clone()),
            None => Ok(fill(&mut state.front)),
        }
    }

    /// Looks at the front and, unless a commit is in flight, at the work; even after a failure.
    pub fn peek<R>(&self, look: impl FnOnce(&W::Front, Option<&W>) -> R) -> R {
        let state = self.state.lock();
        look(&state.front, state.work.as_ref())
    }

    /// The failure, if there is one.
    pub fn failure(&self) -> Option<W::Failure> {
        self.state.lock().failure.clone()
    }

    /// Fails the kernel, unless it has failed before, and wakes everybody.
    pub fn fail(&self, failure: W::Failure) {
        let mut state = self.state.lock();
        if state.failure.is_none() {
            state.failure = Some(failure);
        }
        drop(state);
        self.wake();
    }

    /// Waits until `reached` holds for the marks; leads whenever nobody else does.
    ///
    /// # Errors
    /// The failure, if the kernel fails before `reached` holds.
    pub fn resolve(&self, reached: impl Fn(Marks) -> bool) -> Result<Driven, W::Failure> {
        self.drive(&self.ended, |_, marks| reached(marks))
    }

    /// Waits until `free` holds for the front; leads whenever nobody else does.
    ///
    /// # Errors
    /// The failure, if the kernel fails before `free` holds.
    pub fn make_room(&self, free: impl Fn(&W::Front) -> bool) -> Result<Driven, W::Failure> {
        self.drive(&self.room, |front, _| free(front))
    }

    /// Leads once, unless somebody else leads or there is nothing to carry out. Says whether it led.
    ///
    /// # Errors
    /// The failure, if the kernel has failed or fails now.
    pub fn lead_once(&self) -> Result<bool, W::Failure> {
        let state = self.state.lock();
        if let Some(failure) = &state.failure {
            return Err(failure.clone());
        }
        if state.work.is_none() {
            return Ok(false);
        }
        self.lead(state)
    }

    /// Waits, without ever leading, until `reached` holds for the marks or the time is up. Says whether it holds.
    ///
    /// # Errors
    /// The failure, if the kernel has failed and `reached` does not hold.
    pub fn watch(&self, reached: impl Fn(Marks) -> bool, timeout: Duration) -> Result<bool, W::Failure> {
        let deadline = Deadline::after(timeout);
        let mut state = self.state.lock();
        loop {
            if reached(self.marks()) {
                return Ok(true);
            }
            if let Some(failure) = &state.failure {
                return Err(failure.clone());
            }
            let (again, expired) = self.ended.wait_timeout(state, deadline.left());
            state = again;
            if expired {
                return Ok(reached(self.marks()));
            }
        }
    }

    /// Sleeps until roused, or for the time that `plan` names, which is told whether a commit is in flight. Whoever
    /// naps is roused when that ends.
    ///
    /// # Errors
    /// The failure, if the kernel has failed.
    pub fn nap(&self, plan: impl FnOnce(&mut W::Front, bool) -> Option<Duration>) -> Result<(), W::Failure> {
        let mut state = self.state.lock();
        if let Some(failure) = &state.failure {
            return Err(failure.clone());
        }
        let in_flight = state.work.is_none();
        match plan(&mut state.front, in_flight) {
            Some(Duration::ZERO) => {}
            Some(time) => drop(self.roused.wait_timeout(state, time)),
            None => drop(self.roused.wait(state)),
        }
        Ok(())
    }

    /// Wakes whoever naps.
    pub fn rouse(&self) {
        self.roused.notify_all();
    }

    fn drive(&self, sleep: &Condvar, done: impl Fn(&W::Front, Marks) -> bool) -> Result<Driven, W::Failure> {
        let mut state = self.state.lock();
        loop {
            // Before the failure: what was reached before it stays reached.
            if done(&state.front, self.marks()) {
                return Ok(Driven::Done);
            }
            if let Some(failure) = &state.failure {
                return Err(failure.clone());
            }
            if state.work.is_none() {
                state = sleep.wait(state);
                continue;
            }
            if !self.lead(state)? {
                return Ok(Driven::Idle);
            }
            state = self.state.lock();
        }
    }

    /// Leads one commit. The caller has seen that nobody leads and that nothing has failed.
    fn lead(&self, mut state: MutexGuard<'_, State<W>>) -> Result<bool, W::Failure> {
        let inner = &mut *state;
        let Some(mut work) = inner.work.take() else { return Ok(false) };
        if !work.take(&mut inner.front) {
            inner.work = Some(work);
            return Ok(false);
        }
        drop(state);
        self.room.notify_all();
        let mut flight = Flight { kernel: self, work: Some(work) };
        let outcome = match &mut flight.work {
            Some(work) => work.carry_out(),
            None => Err(W::abandoned()),
        };
        flight.land(outcome)?;
        Ok(true)
    }

    fn wake(&self) {
        self.ended.notify_all();
        self.room.notify_all();
        self.roused.notify_all();
    }
}

/// A commit in flight. Dropped without landing, it has been abandoned by an unwinding leader.
struct Flight<'a, W: Work> {
    kernel: &'a GroupCommit<W>,
    work: Option<W>,
}

impl<W: Work> Flight<'_, W> {
    fn land(mut self, outcome: Result<Marks, W::Failure>) -> Result<(), W::Failure> {
        let kernel = self.kernel;
        let mut state = kernel.state.lock();
        state.work = self.work.take();
        let result = match (&state.failure, outcome) {
            // Something else failed while this commit was in flight: its success comes too late to be told.
            (Some(failure), _) => Err(failure.clone()),
            (None, Ok(marks)) => {
                kernel.written.store(marks.written.get(), Ordering::Release);
                kernel.durable.store(marks.durable.get(), Ordering::Release);
                Ok(())
            }
            (None, Err(failure)) => {
                state.failure = Some(failure.clone());
                Err(failure)
            }
        };
        drop(state);
        kernel.wake();
        result
    }
}

impl<W: Work> Drop for Flight<'_, W> {
    fn drop(&mut self) {
        let Some(work) = self.work.take() else { return };
        let mut state = self.kernel.state.lock();
        state.work = Some(work);
        if state.failure.is_none() {
            state.failure = Some(W::abandoned());
        }
        drop(state);
        self.kernel.wake();
    }
}

#[cfg(all(test, not(any(truelog_loom, truelog_shuttle))))]
#[allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests start threads of their own")]
mod tests {
    use super::*;

    /// Counts: the front is how many were put in, a commit moves the marks there. Fails or unwinds on demand.
    #[derive(Debug, Default)]
    struct Counter {
        taken: u64,
        fails_at: Option<u64>,
        unwinds_at: Option<u64>,
    }

    impl Work for Counter {
        type Front = u64;
        type Failure = &'static str;

        fn take(&mut self, front: &mut u64) -> bool {
            let more = *front > self.taken;
            self.taken = *front;
            more
        }

        fn carry_out(&mut self) -> Result<Marks, &'static str> {
            assert!(self.unwinds_at.is_none_or(|at| self.taken < at), "asked to");
            if self.fails_at.is_some_and(|at| self.taken >= at) {
                return Err("asked to");
            }
            Ok(Marks { written: Lsn(self.taken), durable: Lsn(self.taken) })
        }

        fn abandoned() -> &'static str {
            "abandoned"
        }
    }

    fn put(kernel: &GroupCommit<Counter>) -> Result<u64, &'static str> {
        kernel.with(|front| {
            *front += 1;
            *front
        })
    }

    fn resolve(kernel: &GroupCommit<Counter>, ticket: u64) -> Result<Driven, &'static str> {
        kernel.resolve(|marks| ticket <= marks.durable.get())
    }

    #[test]
    fn every_ticket_of_eight_writers_resolves() {
        let kernel = GroupCommit::new(0, Counter::default(), Marks::default());
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..500 {
                        let ticket = put(&kernel).expect("a ticket");
                        assert_eq!(resolve(&kernel, ticket), Ok(Driven::Done));
                        assert!(kernel.marks().durable.get() >= ticket);
                    }
                });
            }
        });
        assert_eq!(kernel.marks().durable, Lsn(4000));
        assert_eq!(resolve(&kernel, 4001), Ok(Driven::Idle));
    }

    #[test]
    fn a_failure_is_told_to_all_but_what_was_reached_stays_reached() {
        let counter = Counter { fails_at: Some(2), ..Counter::default() };
        let kernel = GroupCommit::new(0, counter, Marks::default());
        let first = put(&kernel).expect("a ticket");
        assert_eq!(kernel.lead_once(), Ok(true));
        let second = put(&kernel).expect("a ticket");
        assert_eq!(resolve(&kernel, second), Err("asked to"));
        assert_eq!(resolve(&kernel, second), Err("asked to"));
        assert_eq!(put(&kernel), Err("asked to"));
        assert_eq!(kernel.make_room(|_| false), Err("asked to"));
        assert_eq!(kernel.watch(|_| false, Duration::from_secs(60)), Err("asked to"));
        assert_eq!(kernel.nap(|_, _| None), Err("asked to"));
        assert_eq!(resolve(&kernel, first), Ok(Driven::Done));
    }

    #[test]
    fn a_watch_ends_with_its_time_however_often_it_is_woken() {
        let kernel = GroupCommit::new(0, Counter::default(), Marks::default());
        let over = std::sync::atomic::AtomicBool::new(false);
        let began = std::time::Instant::now();
        let took = std::thread::scope(|scope| {
            scope.spawn(|| {
                // Far more often than the time is long; but not for ever, or a watch without end would be no failure.
                while !over.load(Ordering::Relaxed) && began.elapsed() < Duration::from_secs(10) {
                    kernel.wake();
                    std::thread::sleep(Duration::from_millis(2));
                }
            });
            let held = kernel.watch(|_| false, Duration::from_millis(300));
            over.store(true, Ordering::Relaxed);
            assert_eq!(held, Ok(false));
            began.elapsed()
        });
        assert!(took >= Duration::from_millis(300), "not before its time: {took:?}");
        assert!(took < Duration::from_secs(8), "each wake-up began the time anew: {took:?}");
    }

    #[test]
    fn a_leader_that_unwinds_fails_the_kernel_and_wakes_the_rest() {
        let counter = Counter { unwinds_at: Some(1), ..Counter::default() };
        let kernel = GroupCommit::new(0, counter, Marks::default());
        std::thread::scope(|scope| {
            let writers: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        let ticket = put(&kernel)?;
                        resolve(&kernel, ticket).map(|_| ())
                    })
                })
                .collect();
            let outcomes: Vec<_> = writers.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
            assert_eq!(outcomes.iter().filter(|outcome| outcome.is_err()).count(), 1, "one leader unwinds");
            assert!(outcomes.iter().flatten().all(|outcome| *outcome == Err("abandoned")));
        });
    }

    #[test]
    fn a_commit_that_lands_after_a_failure_is_not_told() {
        struct Slow<'a>(&'a (dyn Fn() + Sync));
        impl Work for Slow<'_> {
            type Front = bool;
            type Failure = &'static str;
            fn take(&mut self, front: &mut bool) -> bool {
                std::mem::take(front)
            }
            fn carry_out(&mut self) -> Result<Marks, &'static str> {
                (self.0)();
                Ok(Marks { written: Lsn(1), durable: Lsn(1) })
            }
            fn abandoned() -> &'static str {
                "abandoned"
            }
        }
        let barrier = std::sync::Barrier::new(2);
        let gate = || {
            barrier.wait();
            barrier.wait();
        };
        let kernel = GroupCommit::new(true, Slow(&gate), Marks::default());
        std::thread::scope(|scope| {
            scope.spawn(|| {
                barrier.wait();
                kernel.fail("elsewhere");
                barrier.wait();
            });
            assert_eq!(kernel.resolve(|marks| marks.durable == Lsn(1)), Err("elsewhere"));
        });
        assert_eq!(kernel.marks(), Marks::default());
    }
}
