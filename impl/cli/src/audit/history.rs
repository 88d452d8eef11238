//! What the log's own lines say of its health, in the order of the lines: neighbours that say the same are one.

use super::own::Told;
use super::source::At;
use super::times::Minute;

/// How many changes are kept; and as many more, if each is the first of its kind.
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
/// Of a reason so many characters are kept.
const WHY: usize = 300;
/// Those of them that say that what was called durable may not be there, or that the writer gave up.
const GRAVE: [&str; 5] = ["poisoned", "claim violated", "damage", "loss accepted", "scrub left damage"];
/// The events that say that it begins, is well again, or ends.
const WELL: [&str; 5] = ["opened", "audited", "scrubbed", "drive serves", "closed"];

/// Lines that say the same, one behind the other.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub(crate) event: String,
    /// The code of the error that the first of them tells of.
    pub(crate) code: Option<String>,
    /// The reason that the first of them gives.
    pub(crate) why: Option<String>,
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

    /// Whether it says that records are not what they were called, or that the writer gave up.
    pub(crate) fn is_grave(&self) -> bool {
        GRAVE.contains(&self.event.as_str())
    }

    /// `"poisoned" TL-001: fdatasync of … failed`.
    pub(crate) fn text(&self) -> String {
        let mut text = format!("\"{}\"", self.event);
        if let Some(code) = &self.code {
            text.push(' ');
            text.push_str(code);
        }
        if let Some(why) = &self.why {
            text.push_str(": ");
            text.push_str(why);
        }
        text
    }
}

/// See the module's text.
#[derive(Debug, Default)]
pub(crate) struct History {
    kept: Vec<Change>,
    /// Of each kind of failure of which some were not kept, the last.
    last: Vec<Change>,
    /// Lines of changes that are not kept.
    pub(crate) left_out: u64,
}

impl History {
    /// The changes, in the order of their lines.
    pub(crate) fn changes(&self) -> impl Iterator<Item = &Change> {
        self.kept.iter().chain(&self.last)
    }

    /// A line with an event of the log's own.
    pub(crate) fn add(&mut self, at: At, time: Option<Minute>, told: &Told<'_>) {
        let event = &*told.event;
        if !WRONG.contains(&event) && !WELL.contains(&event) {
            return;
        }
        let same = |known: &Change| known.event == event && known.code.as_deref() == told.code.as_deref();
        // Whatever else there is: no kind of failure goes untold.
        let full = self.kept.len() >= 2 * MOST || self.kept.len() >= MOST && self.kept.iter().any(same);
        let made = || {
            let (event, code) = (event.to_owned(), told.code.as_deref().map(str::to_owned));
            let why = told.why.as_deref().map(|why| why.chars().take(WHY).collect());
            Change { event, code, why, time, first: at, last: at, lines: 1 }
        };
        match self.kept.last_mut().filter(|last| same(last)) {
            Some(last) if self.left_out == 0 => {
                last.last = at;
                last.lines += 1;
            }
            _ if full => {
                self.left_out += 1;
                if WRONG.contains(&event) {
                    self.last.retain(|known| !same(known));
                    self.last.extend((self.last.len() < MOST).then(made));
                }
            }
            _ => self.kept.push(made()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told_of(event: &str) -> Told<'_> {
        Told { event: event.into(), code: None, why: None }
    }

    #[test]
    fn neighbours_that_say_the_same_are_one_and_what_says_nothing_of_health_is_none() {
        let mut history = History::default();
        let at = |line| At { log: 0, line };
        for (line, event) in
            (1..).zip(["opened", "no space", "rejected", "no space", "poisoned", "no space", "durable"])
        {
            history.add(at(line), None, &told_of(event));
        }
        let told: Vec<_> = history
            .changes()
            .map(|change| (change.event.as_str(), change.lines, change.is_wrong()))
            .collect();
        assert_eq!(
            told,
            [("opened", 1, false), ("no space", 2, true), ("poisoned", 1, true), ("no space", 1, true)]
        );
        for line in 0..200 {
            history.add(at(line), None, &told_of(if line % 2 == 0 { "audited" } else { "audit failed" }));
        }
        assert_eq!((history.kept.len(), history.left_out), (MOST, 140));
        let last = history.changes().last().map(|change| (change.event.as_str(), change.first.line));
        assert_eq!(last, Some(("audit failed", 199)), "the last of its kind");
        history.add(at(300), None, &told_of("claim violated"));
        history.add(at(301), None, &told_of("audited"));
        let last = history.kept.last().map(|change| (change.event.as_str(), change.first.line));
        assert_eq!(
            (last, history.left_out),
            (Some(("claim violated", 300)), 141),
            "none of its kind was kept"
        );
    }
}
