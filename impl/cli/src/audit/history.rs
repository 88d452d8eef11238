//! What the log's own lines say of its health, in the order of the lines: neighbours that say the same are one.

use super::source::At;
use super::times::Minute;

/// How many changes are kept.
const MOST: usize = 64;
/// The events that say that something is wrong.
const WRONG: [&str; 14] = [
    "poisoned",
    "claim violated",
    "damage",
    "audit failed",
    "no space",
    "loss accepted",
    "drive is suspect",
    "drive is quarantined",
    "drive does not serve",
    "drive is read-only",
    "scrub left damage",
    "volume is doubtful",
    "clock is doubtful",
    "archive delayed",
];
/// The events that say that it begins, is well again, or ends.
const WELL: [&str; 5] = ["opened", "audited", "scrubbed", "drive serves", "closed"];

/// Lines that say the same, one behind the other.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub(crate) event: String,
    pub(crate) time: Option<Minute>,
    pub(crate) first: At,
    pub(crate) last: At,
    pub(crate) lines: u64,
}

impl Change {
    /// Whether it says that something is wrong.
    pub(crate) fn is_wrong(&self) -> bool {
        WRONG.contains(&self.event.as_str())
    }
}

/// See the module's text.
#[derive(Debug, Default)]
pub(crate) struct History {
    pub(crate) changes: Vec<Change>,
    /// Lines of changes that are not kept.
    pub(crate) left_out: u64,
}

impl History {
    /// A line with an event of the log's own.
    pub(crate) fn add(&mut self, at: At, time: Option<Minute>, event: &str) {
        if !WRONG.contains(&event) && !WELL.contains(&event) {
            return;
        }
        let full = self.changes.len() == MOST;
        match self.changes.last_mut().filter(|last| last.event == event) {
            Some(last) if self.left_out == 0 => {
                last.last = at;
                last.lines += 1;
            }
            _ if full => self.left_out += 1,
            _ => {
                let event = event.to_owned();
                self.changes.push(Change { event, time, first: at, last: at, lines: 1 });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_that_say_the_same_are_one_and_what_says_nothing_of_health_is_none() {
        let mut history = History::default();
        let at = |line| At { log: 0, line };
        for (line, event) in
            (1..).zip(["opened", "no space", "rejected", "no space", "poisoned", "no space", "durable"])
        {
            history.add(at(line), None, event);
        }
        let told: Vec<_> = history
            .changes
            .iter()
            .map(|change| (change.event.as_str(), change.lines, change.is_wrong()))
            .collect();
        assert_eq!(
            told,
            [("opened", 1, false), ("no space", 2, true), ("poisoned", 1, true), ("no space", 1, true)]
        );
        for line in 0..200 {
            history.add(at(line), None, if line % 2 == 0 { "audited" } else { "audit failed" });
        }
        assert_eq!((history.changes.len(), history.left_out), (MOST, 140));
    }
}
