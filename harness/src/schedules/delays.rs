//! All schedules with few delays, however many threads there are.
//!
//! The thread that runs goes on as long as it can; then the next one does, in the order in which they began. A delay passes
//! over the one whose turn it is. With at most so many delays there are only polynomially many schedules, and most races need
//! one or two (Emmi, Qadeer, Rakamarić: Delay-Bounded Scheduling, POPL 2011).

use shuttle::scheduler::{DataSource as _, RandomDataSource, Schedule, Scheduler, Task, TaskId};

/// The seed of the data choices: the same in each schedule.
const SEED: u64 = 0x64656c6179;

/// One choice: how many were passed over, and how many could have been.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Level {
    delays: usize,
    most: usize,
}

/// Whose turn it is: who runs, as long as it can and does not yield, then those behind it in the order in which they began.
pub(super) fn turns(runnable: &[&Task], current: Option<TaskId>, is_yielding: bool) -> Vec<usize> {
    let mut turn: Vec<usize> = runnable.iter().map(|task| task.id().into()).collect();
    turn.sort_unstable();
    let running = current.map_or(0, usize::from);
    let first = turn.partition_point(|task| *task < running + usize::from(is_yielding));
    let count = turn.len().max(1);
    turn.rotate_left(first % count);
    turn
}

/// See the module's text.
#[derive(Debug)]
pub(super) struct Delays {
    bound: usize,
    /// The choices of this schedule; those of the next up to where it differs.
    levels: Vec<Level>,
    step: usize,
    begun: bool,
    /// As a replay draws them.
    coins: RandomDataSource,
}

impl Delays {
    pub(super) fn new(bound: usize) -> Self {
        let coins = RandomDataSource::initialize(SEED);
        Self { bound, levels: Vec::new(), step: 0, begun: false, coins }
    }

    /// Goes on to the next schedule, depth first. Says whether there is one.
    fn advance(&mut self) -> bool {
        let mut used: usize = self.levels.iter().map(|level| level.delays).sum();
        while let Some(mut level) = self.levels.pop() {
            if level.delays < level.most && used < self.bound {
                level.delays += 1;
                self.levels.push(level);
                return true;
            }
            used -= level.delays;
        }
        false
    }

    /// How many are passed over now, of `most` that can be.
    fn choose(&mut self, most: usize) -> usize {
        if self.step == self.levels.len() {
            self.levels.push(Level { delays: 0, most });
        }
        let level = self.levels[self.step];
        assert_eq!(level.most, most, "the program does not do the same again under the same schedule");
        self.step += 1;
        level.delays
    }
}

impl Scheduler for Delays {
    fn new_execution(&mut self) -> Option<Schedule> {
        if self.begun && !self.advance() {
            return None;
        }
        (self.begun, self.step) = (true, 0);
        self.coins = RandomDataSource::initialize(SEED);
        Some(Schedule::new(self.coins.reinitialize()))
    }

    fn next_task(
        &mut self,
        runnable: &[&Task],
        current: Option<TaskId>,
        is_yielding: bool,
    ) -> Option<TaskId> {
        let turn = turns(runnable, current, is_yielding);
        let passed = self.choose(turn.len().saturating_sub(1));
        turn.get(passed).copied().map(TaskId::from)
    }

    fn next_u64(&mut self) -> u64 {
        self.coins.next_u64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goes through all that a program can do whose choices are among these.
    fn all(bound: usize, choices: &[usize]) -> Vec<Vec<usize>> {
        let (mut delays, mut seen) = (Delays::new(bound), Vec::new());
        while delays.new_execution().is_some() {
            seen.push(choices.iter().map(|most| delays.choose(*most)).collect());
        }
        seen
    }

    #[test]
    fn each_schedule_with_so_many_delays_comes_once() {
        assert_eq!(all(0, &[1, 2, 1]), [[0, 0, 0]]);
        assert_eq!(all(1, &[1, 2, 1]), [[0, 0, 0], [0, 0, 1], [0, 1, 0], [1, 0, 0]]);
        let two = all(2, &[1, 2, 1]);
        // One without, three with one, and with two: twice at the second, and three pairs.
        assert_eq!(two.len(), 1 + 3 + 4);
        let unlike: std::collections::BTreeSet<_> = two.iter().collect();
        assert_eq!(unlike.len(), two.len());
        assert!(two.iter().all(|delays| delays.iter().sum::<usize>() <= 2));
        assert_eq!(all(9, &[1, 2, 1]).len(), 2 * 3 * 2, "all there are");
    }
}
