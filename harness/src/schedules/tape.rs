//! Thread schedules as text: recorded while they run, printed when they fail, run again from the text.
//!
//! A tape is the seed of the data choices and the choices themselves, run-length encoded: `7:0x12,1,r,0x3`
//! is seed 7, twelve steps of task 0, one of task 1, one random number, three steps of task 0.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use shuttle::scheduler::{Schedule, TaskId};

use super::preempt::{Preempted, Preemption};

/// One choice of the scheduler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    /// This task runs to its next switching point.
    Task(usize),
    /// The running task is given a random number.
    Random,
}

/// The choices of one execution, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tape {
    seed: u64,
    choices: Vec<(Choice, usize)>,
}

impl Tape {
    /// How many choices were made.
    #[must_use]
    pub fn len(&self) -> usize {
        self.choices.iter().map(|(_, times)| times).sum()
    }

    /// Whether nothing was chosen.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.choices.is_empty()
    }

    /// The schedule that makes the same choices again.
    #[must_use]
    pub fn schedule(&self) -> Schedule {
        let mut schedule = Schedule::new(self.seed);
        for (choice, times) in &self.choices {
            for _ in 0..*times {
                match choice {
                    Choice::Task(task) => schedule.push_task(TaskId::from(*task)),
                    Choice::Random => schedule.push_random(),
                }
            }
        }
        schedule
    }

    /// The same schedule by its switches. `whole` names the choices as well by which a task that yields goes on: most
    /// schedules need none of them.
    pub(super) fn preempted(&self, whole: bool) -> Preempted {
        let (mut made, mut running, mut preemptions) = (HashMap::<usize, usize>::new(), 0, Vec::new());
        let tasks = self.choices.iter().filter_map(|(choice, times)| match choice {
            Choice::Task(task) => Some((*task, *times)),
            Choice::Random => None,
        });
        for task in tasks.flat_map(|(task, times)| std::iter::repeat_n(task, times)) {
            if whole || task != running {
                let at = made.get(&running).copied().unwrap_or(0);
                preemptions.push(Preemption { of: running, at, to: task });
            }
            *made.entry(task).or_default() += 1;
            running = task;
        }
        Preempted { seed: self.seed, preemptions }
    }

    /// An empty tape that begins with this seed.
    pub(super) fn begin(seed: u64) -> Self {
        Self { seed, choices: Vec::new() }
    }

    /// Records one choice more.
    pub(super) fn push(&mut self, choice: Choice) {
        match self.choices.last_mut() {
            Some((last, times)) if *last == choice => *times += 1,
            _ => self.choices.push((choice, 1)),
        }
    }
}

impl fmt::Display for Tape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.seed)?;
        for (i, (choice, times)) in self.choices.iter().enumerate() {
            if i > 0 {
                f.write_str(",")?;
            }
            match choice {
                Choice::Task(task) => write!(f, "{task}")?,
                Choice::Random => f.write_str("r")?,
            }
            if *times > 1 {
                write!(f, "x{times}")?;
            }
        }
        Ok(())
    }
}

/// A text that is no tape.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a schedule, such as 7:0x12,1,r,0x3")]
pub struct NotATape(String);

impl FromStr for Tape {
    type Err = NotATape;

    fn from_str(text: &str) -> Result<Self, NotATape> {
        let parse = || {
            let (seed, choices) = text.split_once(':')?;
            let mut tape = Self { seed: seed.parse().ok()?, choices: Vec::new() };
            for word in choices.split(',').filter(|word| !word.is_empty()) {
                let (choice, times) = word.split_once('x').unwrap_or((word, "1"));
                let choice = if choice == "r" { Choice::Random } else { Choice::Task(choice.parse().ok()?) };
                tape.choices.push((choice, times.parse().ok().filter(|times| *times > 0)?));
            }
            Some(tape)
        };
        parse().ok_or_else(|| NotATape(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tape_is_its_text() {
        let text = "7:0x12,1,r,0x3";
        let tape: Tape = text.parse().unwrap();
        assert_eq!(tape.to_string(), text);
        assert_eq!(tape.len(), 17);
        assert_eq!(tape.schedule().len(), 17);
        assert_eq!(tape.preempted(false).to_string(), "7+0@12/1+1@1/0");
        assert!("7".parse::<Tape>().is_err());
        assert!("7:0x0".parse::<Tape>().is_err());
        assert!("7:a".parse::<Tape>().is_err());
    }
}
