//! The concurrent kernel of group commit: writers fill the front under a short lock, one of them leads.
//!
//! Leadership is the possession of a value: the leader takes the [`Work`] out of the shared state, carries it
//! out without holding any lock, and puts it back. So one commit is in flight at a time by construction, and
//! writers go on filling the front meanwhile. A leader that unwinds fails the kernel and wakes everybody.
//!
//! Whoever waits sleeps at a gate, with all whose records are in the same batch. The end of a commit opens the gate of
//! its batch, by one call however many sleep there, and they need no lock to see what it has reached; of the next batch it
//! lets one through, to lead. Nobody is woken when nobody waits.
//!
//! Who has just been woken is likely to be back soon. So a leader lingers, for as long as the work allows, until as many
//! wait as the last commit had a part in; one that is alone never does.
//!
//! The kernel knows nothing of files: it is generic over the work, so that loom can explore it alone.

mod flight;
mod gate;
mod marks;
mod waiters;

use std::time::Duration;

use self::flight::Flight;
use self::gate::Gate;
pub use self::marks::Marks;
use self::waiters::{Place, Waiters};
use crate::lsn::Lsn;
use crate::sync::{AtomicU64, Condvar, Deadline, Mutex, MutexGuard, Ordering, Sleeper, Waker};

/// What only the leader may touch.
pub trait Work {
    /// What writers fill.
    type Front;
    /// Why nothing more can be done.
    type Failure: Clone;

    /// Waits a moment for more writers to arrive, before the front is taken. No lock is held. Says whether it may be asked
    /// to again before that.
    fn linger(&mut self) -> bool {
        false
    }

    /// Whether what `goal` is about is still in the front: else it was taken.
    fn is_open(front: &Self::Front, goal: Marks) -> bool;

    /// Takes over what the front holds. Called under the lock, so it must be quick. Says whether there is
    /// anything to carry out.
    fn take(&mut self, front: &mut Self::Front) -> bool;

    /// Carries out what was taken. No lock is held.
    ///
    /// # Errors
    /// Any error fails the kernel for good.
    fn carry_out(&mut self) -> Result<Marks, Self::Failure>;

    /// What was carried out has failed the kernel: from now on nothing is acknowledged, and everybody can see it. No lock
    /// is held.
    fn failed(&mut self, _failure: &Self::Failure) {}

    /// The same for a leader that unwinds, which must not unwind once more.
    fn unwinds(&mut self, _failure: &Self::Failure) {}

    /// The failure that stands for a leader that unwound.
    fn abandoned() -> Self::Failure;
}

/// How long to nap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nap {
    /// Not at all.
    Not,
    /// Until roused, or for this long.
    For(Duration),
    /// Until roused, or until the commit in flight has ended.
    Flight,
    /// Until roused.
    Roused,
}

#[derive(Debug)]
struct State<W: Work> {
    front: W::Front,
    /// `None` while a leader carries it out.
    work: Option<W>,
    failure: Option<W::Failure>,
    /// How many commits were begun: the number of the one in flight. What the front holds goes with the next.
    begun: u64,
    waiters: Waiters,
    /// How many watch, to be told of the end of each commit.
    watching: usize,
    /// How many nap until the commit in flight has ended.
    napping: usize,
    /// For how many writers the next leader lingers, itself included.
    hoped: usize,
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
    /// Where the writers of a batch sleep, by the number of its commit: of even and of odd number.
    gates: [Gate; 2],
    /// A commit ended, or the kernel failed.
    ended: Condvar,
    /// Somebody has work for whoever naps, or the kernel failed.
    roused: Condvar,
    written: AtomicU64,
    durable: AtomicU64,
    /// How many wait, for the leader that lingers to look at without the lock; the most there can be once the front is
    /// full. Only a hint.
    crowd: AtomicU64,
}

type Locked<'a, W> = MutexGuard<'a, State<W>>;

impl<W: Work> GroupCommit<W> {
    /// A kernel at rest.
    pub fn new(front: W::Front, work: W, marks: Marks) -> Self {
        let waiters = Waiters::default();
        let state = State {
            front,
            work: Some(work),
            failure: None,
            begun: 0,
            waiters,
            watching: 0,
            napping: 0,
            hoped: 1,
        };
        Self {
            state: Mutex::new(state),
            gates: [Gate::default(), Gate::default()],
            ended: Condvar::new(),
            roused: Condvar::new(),
            written: AtomicU64::new(marks.written.get()),
            durable: AtomicU64::new(marks.durable.get()),
            crowd: AtomicU64::new(0),
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

    /// Fails the kernel, unless it has failed before, and wakes everybody. Says whether it had not failed before.
    pub fn fail(&self, failure: W::Failure) -> bool {
        let mut state = self.state.lock();
        let first = state.failure.is_none();
        if first {
            state.failure = Some(failure);
        }
        self.tell(state);
        first
    }

    /// Waits until the marks have got as far as `goal`; leads whenever nobody else does.
    ///
    /// # Errors
    /// The failure, if the kernel fails before that.
    pub fn resolve(&self, goal: Marks) -> Result<Driven, W::Failure> {
        self.drive(Some(goal), |_| self.marks().reach(goal))
    }

    /// Waits until `free` holds for the front; leads whenever nobody else does.
    ///
    /// # Errors
    /// The failure, if the kernel fails before `free` holds.
    pub fn make_room(&self, free: impl Fn(&W::Front) -> bool) -> Result<Driven, W::Failure> {
        self.drive(None, free)
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

    /// Waits, without ever leading, until the marks have got as far as `goal` or the time is up. Says whether they have.
    ///
    /// # Errors
    /// The failure, if the kernel has failed before that.
    pub fn watch(&self, goal: Marks, timeout: Duration) -> Result<bool, W::Failure> {
        let deadline = Deadline::after(timeout);
        let mut state = self.state.lock();
        loop {
            if self.marks().reach(goal) {
                return Ok(true);
            }
            if let Some(failure) = &state.failure {
                return Err(failure.clone());
            }
            state.watching += 1;
            let (again, expired) = self.ended.wait_timeout(state, deadline.left());
            state = again;
            state.watching -= 1;
            if expired {
                return Ok(self.marks().reach(goal));
            }
        }
    }

    /// Sleeps as long as `plan` says, which sees the front and, unless a commit is in flight, the work; or until roused.
    ///
    /// # Errors
    /// The failure, if the kernel has failed.
    pub fn nap(&self, plan: impl FnOnce(&mut W::Front, Option<&W>) -> Nap) -> Result<(), W::Failure> {
        let mut state = self.state.lock();
        if let Some(failure) = &state.failure {
            return Err(failure.clone());
        }
        let State { front, work, .. } = &mut *state;
        match plan(front, work.as_ref()) {
            Nap::Not => {}
            Nap::For(time) => drop(self.roused.wait_timeout(state, time)),
            Nap::Flight if state.work.is_none() => {
                state.napping += 1;
                state = self.roused.wait(state);
                state.napping -= 1;
            }
            Nap::Flight => {}
            Nap::Roused => drop(self.roused.wait(state)),
        }
        Ok(())
    }

    /// Wakes whoever naps.
    pub fn rouse(&self) {
        self.roused.notify_all();
    }

    /// Waits until `done` holds for the front. With a goal that is the same as that the marks have reached it.
    fn drive(&self, goal: Option<Marks>, done: impl Fn(&W::Front) -> bool) -> Result<Driven, W::Failure> {
        let mut listed = None;
        loop {
            let mut alone = false;
            let mut state = self.state.lock();
            if let Some(place) = listed.take() {
                state.waiters.remove(place);
            }
            // Before the failure: what was reached before it stays reached.
            if done(&state.front) {
                self.hand_over(state);
                return Ok(Driven::Done);
            }
            if let Some(failure) = &state.failure {
                return Err(failure.clone());
            }
            if state.work.is_some() {
                if !self.lead(state)? {
                    return Ok(Driven::Idle);
                }
            } else if let Some(goal) = goal {
                let gate = gate_of(state.begun + u64::from(W::is_open(&state.front, goal)));
                let arrival = self.gates[gate].arrive();
                state.waiters.join(gate);
                self.crowd.store(state.waiters.crowd(), Ordering::Relaxed);
                drop(state);
                alone = self.gates[gate].sleep(arrival);
            } else {
                let sleeper = Sleeper::new();
                listed = Some(state.waiters.add_cramped(sleeper.waker()));
                self.crowd.store(state.waiters.crowd(), Ordering::Relaxed);
                drop(state);
                sleeper.sleep();
            }
            // Who was let through alone goes by the lock even so: it may have taken the place of somebody whose batch waits.
            if !alone && goal.is_some_and(|goal| self.marks().reach(goal)) {
                return Ok(Driven::Done);
            }
        }
    }

    /// Leads one commit. The caller has seen that nobody leads and that nothing has failed.
    fn lead(&self, state: Locked<'_, W>) -> Result<bool, W::Failure> {
        // In this order: an unwinding lets go of the lock first, which the flight then takes.
        let mut flight = Flight { kernel: self, work: None };
        let mut state = state;
        flight.work = state.work.take();
        let hoped = state.hoped;
        let mut came = true;
        if let Some(work) = flight.work.as_mut().filter(|_| 1 + state.waiters.len() < hoped) {
            drop(state);
            came = self.linger(work, hoped);
            state = self.state.lock();
            if let Some(failure) = state.failure.clone() {
                state.work = flight.work.take();
                return Err(failure);
            }
        }
        let inner = &mut *state;
        if !flight.work.as_mut().is_some_and(|work| work.take(&mut inner.front)) {
            inner.work = flight.work.take();
            self.hand_over(state);
            return Ok(false);
        }
        inner.begun += 1;
        let cramped = inner.waiters.take_cramped();
        drop(state);
        self.wake(cramped);
        let outcome = match &mut flight.work {
            Some(work) => work.carry_out(),
            None => Err(W::abandoned()),
        };
        flight.land(outcome, came)?;
        Ok(true)
    }

    /// Waits until `hoped` writers wait, this one included, or the work's patience ends. Says whether they do.
    fn linger(&self, work: &mut W, hoped: usize) -> bool {
        let hoped = u64::try_from(hoped).unwrap_or(u64::MAX);
        loop {
            if self.crowd.load(Ordering::Relaxed).saturating_add(1) >= hoped {
                return true;
            }
            if !work.linger() {
                return false;
            }
        }
    }

    /// Whoever holds the lock is not going to lead. Unless somebody does, who waits must: one is woken for it.
    fn hand_over(&self, mut state: Locked<'_, W>) {
        if state.work.is_none() {
            return;
        }
        let (next, rouse) = (state.next(), state.napping > 0);
        drop(state);
        self.wake_next(next);
        if rouse {
            self.roused.notify_all();
        }
    }

    /// Wakes whom the end of a commit, or a failure, concerns.
    fn tell(&self, mut state: Locked<'_, W>) {
        let failed = state.failure.is_some();
        let ended = gate_of(state.begun);
        let opened = [0, 1].map(|gate| (failed || gate == ended) && state.waiters.leave(gate) > 0);
        self.crowd.store(state.waiters.crowd(), Ordering::Relaxed);
        let cramped = if failed { state.waiters.take_cramped() } else { Vec::new() };
        let watched = state.watching > 0;
        let roused = failed || state.napping > 0;
        let next = if state.work.is_some() { state.next() } else { None };
        drop(state);
        // The next leader first: the device has nothing to do until it comes.
        self.wake_next(next);
        for (gate, _) in self.gates.iter().zip(opened).filter(|(_, opened)| *opened) {
            gate.open();
        }
        self.wake(cramped);
        if watched {
            self.ended.notify_all();
        }
        if roused {
            self.roused.notify_all();
        }
    }

    fn wake_next(&self, next: Option<Next>) {
        match next {
            Some(Next::At(gate)) => self.gates[gate].let_one_through(),
            Some(Next::Cramped(waker)) => waker.wake(),
            None => {}
        }
    }

    /// Wakes all of these, and keeps their list for the next time.
    fn wake(&self, mut woken: Vec<(Place, Waker)>) {
        if woken.capacity() > 0 {
            woken.drain(..).for_each(|(_, waker)| waker.wake());
            self.state.lock().waiters.recycle(woken);
        }
    }
}

/// The gate of a commit, by its number.
const fn gate_of(commit: u64) -> usize {
    if commit.is_multiple_of(2) { 0 } else { 1 }
}

/// Who is to lead.
enum Next {
    /// One of those who sleep at a gate.
    At(usize),
    /// Who waits for room.
    Cramped(Waker),
}

impl<W: Work> State<W> {
    /// Takes out somebody who waits, to lead. No commit is in flight.
    fn next(&mut self) -> Option<Next> {
        let gate = gate_of(self.begun + 1);
        if self.waiters.leave_one(gate) {
            return Some(Next::At(gate));
        }
        self.waiters.next_cramped().map(Next::Cramped)
    }
}

#[cfg(all(test, not(any(truelog_loom, truelog_shuttle))))]
mod tests;
