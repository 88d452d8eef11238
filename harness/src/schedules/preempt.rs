//! One schedule, told by its few switches.
//!
//! Each task runs as long as it can, and behind it the next one, as in [`delays`](super::delays); but where a preemption says
//! so, another goes on. Where that is, is counted in the task's own steps: so most of a schedule stays what it was when
//! something is left out of it, and it is always one that can be run, whatever the engine has become since. A tape is neither.
//! That a schedule is best read with the fewest switches: Jalbert and Sen, A Trace Simplification Technique for Effective
//! Debugging of Concurrent Programs, FSE 2010.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use shuttle::scheduler::{DataSource as _, RandomDataSource, Schedule, Scheduler, Task, TaskId};

use super::delays::turns;

/// A task gives way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preemption {
    /// This task, by its number.
    pub of: usize,
    /// Once it has made so many steps.
    pub at: usize,
    /// The one that goes on instead. If that cannot, nothing changes.
    pub to: usize,
}

/// A schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preempted {
    /// The seed of the random choices.
    pub seed: u64,
    /// Its switches, but for those that come of a task that cannot go on.
    pub preemptions: Vec<Preemption>,
}

impl fmt::Display for Preempted {
    /// As `7+1@17/2+2@40/1`: with seed 7, task 1 gives way to task 2 behind its step 17, and task 2 to task 1 behind its step 40.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.seed)?;
        if self.preemptions.is_empty() {
            f.write_str("+")?;
        }
        self.preemptions.iter().try_for_each(|Preemption { of, at, to }| write!(f, "+{of}@{at}/{to}"))
    }
}

/// A text that is no such schedule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a schedule, such as 7+1@17/2")]
pub struct NotPreempted(String);

impl FromStr for Preempted {
    type Err = NotPreempted;

    fn from_str(text: &str) -> Result<Self, NotPreempted> {
        let parse = || {
            let (seed, words) = text.split_once('+')?;
            let preemption = |word: &str| {
                let (of, rest) = word.split_once('@')?;
                let (at, to) = rest.split_once('/')?;
                Some(Preemption { of: of.parse().ok()?, at: at.parse().ok()?, to: to.parse().ok()? })
            };
            let words = words.split('+').filter(|word| !word.is_empty());
            Some(Self {
                seed: seed.parse().ok()?,
                preemptions: words.map(preemption).collect::<Option<_>>()?,
            })
        };
        parse().ok_or_else(|| NotPreempted(text.to_owned()))
    }
}

/// Runs one such schedule.
#[derive(Debug)]
pub(super) struct Preempting {
    schedule: Preempted,
    /// How many steps each task has made.
    made: HashMap<usize, usize>,
    begun: bool,
    coins: RandomDataSource,
}

impl Preempting {
    pub(super) fn new(schedule: &Preempted) -> Self {
        let coins = RandomDataSource::initialize(schedule.seed);
        Self { schedule: schedule.clone(), made: HashMap::new(), begun: false, coins }
    }
}

impl Scheduler for Preempting {
    fn new_execution(&mut self) -> Option<Schedule> {
        (!std::mem::replace(&mut self.begun, true)).then(|| Schedule::new(self.coins.reinitialize()))
    }

    fn next_task(
        &mut self,
        runnable: &[&Task],
        current: Option<TaskId>,
        is_yielding: bool,
    ) -> Option<TaskId> {
        let turns = turns(runnable, current, is_yielding);
        let running = current.map_or(0, usize::from);
        let made = self.made.get(&running).copied().unwrap_or(0);
        let here = |preemption: &&Preemption| (preemption.of, preemption.at) == (running, made);
        let told = self.schedule.preemptions.iter().find(here).map(|preemption| preemption.to);
        let next = told.filter(|task| turns.contains(task)).or_else(|| turns.first().copied())?;
        *self.made.entry(next).or_default() += 1;
        Some(TaskId::from(next))
    }

    fn next_u64(&mut self) -> u64 {
        self.coins.next_u64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_is_its_text() {
        for text in ["7+1@17/2+2@40/1", "7+"] {
            assert_eq!(text.parse::<Preempted>().expect("a schedule").to_string(), text);
        }
        for text in ["7", "7:0x3", "7+1@2", "+1@2/3", "7+1/2@3"] {
            assert!(text.parse::<Preempted>().is_err(), "{text}");
        }
    }
}
