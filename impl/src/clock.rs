//! Whether the wall clock can be right. Nothing is decided by it: no record depends on a time. But when audits are due,
//! and what reports say, does.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use truelog_env::Env;

use crate::audit::Audited;
use crate::names::Name;

/// What two clocks may differ by.
const SLACK: Duration = Duration::from_secs(2);
/// The first second of 2020: this program is younger.
const YOUNGEST: Duration = Duration::from_secs(1_577_836_800);

/// The wall clock beside what was written by it. Both since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClockCheck {
    /// What it says now.
    pub now: Duration,
    /// When the log was last written, as far as is known.
    pub last_written: Duration,
}

impl ClockCheck {
    /// Of the log in `dir`, an absolute path, whose last audit was this one. What cannot be looked at says nothing.
    #[must_use]
    pub fn of(env: &Env, dir: &Path, audited: &Audited) -> Self {
        let written = |path: &Path| env.fs.modified(path).ok().flatten();
        let names = env.fs.read_dir(dir).unwrap_or_default();
        let known: Vec<_> = names.iter().filter_map(|name| Name::parse(name)).collect();
        // Of the segments the last: how long an open takes must not hang on how many there are.
        let last = known.iter().filter(|name| matches!(name, Name::Segment(_))).max();
        let few = known.iter().filter(|name| matches!(name, Name::Manifest | Name::Identity)).chain(last);
        let files = few.filter_map(|name| written(&dir.join(name.to_string())));
        let audit = Duration::from_secs(audited.at);
        let last_written = files.chain(written(dir)).fold(audit, Duration::max);
        Self { now: env.clock.wall(), last_written }
    }

    /// Whether it is wrong for sure: it is behind what was written, or behind this program.
    #[must_use]
    pub fn is_doubtful(&self) -> bool {
        self.now < YOUNGEST || self.now + SLACK < self.last_written
    }
}

impl fmt::Display for ClockCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { now, last_written } = self;
        write!(f, "now {} s, last written {} s after 1970", now.as_secs(), last_written.as_secs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_behind_what_was_written_is_wrong_and_so_is_one_of_1970() {
        let doubtful = |now, last| {
            let seconds = |number| YOUNGEST + Duration::from_secs(number);
            ClockCheck { now: seconds(now), last_written: seconds(last) }.is_doubtful()
        };
        assert_eq!([doubtful(10, 9), doubtful(10, 12), doubtful(10, 13)], [false, false, true]);
        let after = |now| ClockCheck { now, last_written: Duration::ZERO }.is_doubtful();
        assert!(after(Duration::from_secs(60)));
        assert!(!after(YOUNGEST));
    }
}
