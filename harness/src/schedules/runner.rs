//! Running a program under one of shuttle's schedulers, with every choice on tape.

use std::any::Any;
use std::fmt;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use shuttle::scheduler::{
    DfsScheduler, PctScheduler, RandomScheduler, ReplayScheduler, Schedule, Scheduler, Task, TaskId,
};
use shuttle::{Config, FailurePersistence, MaxSteps, Runner};

use super::delays::Delays;
use super::preempt::{Preempted, Preempting};
use super::tape::{Choice, Tape};

/// The stack of each task. The engine keeps buffers and paths on it; shuttle's default overflows.
const STACK: usize = 0x8_0000;
/// More steps than any program here needs: reaching them is a livelock.
const STEPS: usize = 200_000;

/// How schedules are chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Strategy {
    /// Every step's task drawn at random.
    Random,
    /// Random priorities that change this many times less one: finds bugs of that depth with a known
    /// probability.
    Pct(usize),
    /// All schedules, depth first.
    DepthFirst,
    /// All schedules with at most so many delays.
    Delays(usize),
    /// This one schedule.
    Replay(Tape),
    /// The one schedule with these switches.
    Preempted(Preempted),
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Random => f.write_str("random"),
            Self::Pct(depth) => write!(f, "pct-{depth}"),
            Self::DepthFirst => f.write_str("depth-first"),
            Self::Delays(bound) => write!(f, "delays-{bound}"),
            Self::Replay(tape) => write!(f, "replay of {tape}"),
            Self::Preempted(schedule) => write!(f, "replay of {schedule}"),
        }
    }
}

/// How a run of many schedules ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// How many schedules were run.
    pub schedules: u64,
    /// Whether the strategy had no other schedule left. Only then is a run exhaustive.
    pub exhausted: bool,
    /// What went wrong, and under which schedule: a panic, or a deadlock. The run stops there.
    pub failure: Option<(String, Tape)>,
    /// The last schedule.
    pub last: Tape,
}

/// Runs `body` under at most `limit` schedules. After each, `between` is called on the caller's own stack,
/// outside of shuttle, with the tape of that schedule; returning false ends the run.
///
/// A panic of `body` ends the run too and is returned; shuttle reports deadlocks and livelocks as panics.
pub fn run(
    strategy: &Strategy,
    seed: u64,
    limit: u64,
    body: impl Fn() + Send + Sync + 'static,
    between: impl FnMut(&Tape) -> bool + 'static,
) -> Ended {
    let state = Arc::new(Mutex::new(State::default()));
    let observed = Observed { between: Box::new(between), limit, state: Arc::clone(&state) };
    // The random schedulers are told the limit: they print a failing seed when dropped before their end.
    let most = usize::try_from(limit).unwrap_or(usize::MAX);
    let result = panic::catch_unwind(AssertUnwindSafe(|| match strategy {
        Strategy::Random => go(RandomScheduler::new_from_seed(seed, most), observed, body),
        Strategy::Pct(depth) => go(PctScheduler::new_from_seed(seed, *depth, most), observed, body),
        // Random data is a time-out's coin. Depth-first draws it in the same order in each schedule.
        Strategy::DepthFirst => go(DfsScheduler::new(None, true), observed, body),
        Strategy::Delays(bound) => go(Delays::new(*bound), observed, body),
        Strategy::Preempted(schedule) => go(Preempting::new(schedule), observed, body),
        Strategy::Replay(tape) => {
            let mut replay = ReplayScheduler::new_from_schedule(tape.schedule());
            // A tape that ends in a failure ends early.
            replay.set_allow_incomplete();
            go(replay, observed, body);
        }
    }));
    let state = locked(&state);
    let failure = result.err().map(|payload| (says(payload.as_ref()), state.tape.clone()));
    Ended { schedules: state.begun, exhausted: state.exhausted, failure, last: state.tape.clone() }
}

fn go<S: Scheduler + 'static>(inner: S, observed: Observed, body: impl Fn() + Send + Sync + 'static) {
    let mut config = Config::new();
    config.stack_size = STACK;
    config.max_steps = MaxSteps::FailAfter(STEPS);
    // Whoever reports the failure prints the tape.
    config.failure_persistence = FailurePersistence::None;
    config.silence_warnings = true;
    Runner::new(Taping { inner, observed }, config).run(body);
}

/// What a panic said.
fn says(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("a panic without a message").to_owned()
}

fn locked(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Debug, Default)]
struct State {
    tape: Tape,
    begun: u64,
    exhausted: bool,
}

struct Observed {
    between: Box<dyn FnMut(&Tape) -> bool>,
    limit: u64,
    state: Arc<Mutex<State>>,
}

/// Records what another scheduler chooses, and calls back between executions: there, shuttle has torn down
/// the one before.
struct Taping<S> {
    inner: S,
    observed: Observed,
}

impl<S: Scheduler> Scheduler for Taping<S> {
    fn new_execution(&mut self) -> Option<Schedule> {
        let Observed { between, limit, state } = &mut self.observed;
        let (begun, tape) = {
            let state = locked(state);
            (state.begun, state.tape.clone())
        };
        if begun > 0 && !between(&tape) {
            // Asked to its end: the random scheduler takes anything else for a failure, and says so.
            let _ = (begun..=*limit).take_while(|_| self.inner.new_execution().is_some()).count();
            return None;
        }
        let next = self.inner.new_execution();
        let mut state = locked(state);
        if begun >= *limit {
            return None;
        }
        match &next {
            Some(schedule) => {
                state.begun += 1;
                state.tape = Tape::begin(schedule.seed);
            }
            None => state.exhausted = true,
        }
        next
    }

    fn next_task(
        &mut self,
        runnable: &[&Task],
        current: Option<TaskId>,
        is_yielding: bool,
    ) -> Option<TaskId> {
        let next = self.inner.next_task(runnable, current, is_yielding)?;
        locked(&self.observed.state).tape.push(Choice::Task(next.into()));
        Some(next)
    }

    fn next_u64(&mut self) -> u64 {
        locked(&self.observed.state).tape.push(Choice::Random);
        self.inner.next_u64()
    }
}
