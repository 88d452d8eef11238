//! The log's own lines that say that its writer halted, until one says that the log was opened again.

use std::time::SystemTime;

use super::source::At;
use super::times;

/// A line that says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Halt {
    pub(crate) at: At,
    /// `None` where the line does not tell it, in UTC.
    pub(crate) time: Option<SystemTime>,
}

/// The last of them.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Halts {
    pub(crate) poisoned: Option<Halt>,
    pub(crate) violated: Option<Halt>,
}

impl Halts {
    /// A line with an event of the log's own.
    pub(crate) fn add(&mut self, at: At, line: &[u8], event: &str) {
        let place = match event {
            "poisoned" => &mut self.poisoned,
            "claim violated" => &mut self.violated,
            "opened" => {
                *self = Self::default();
                return;
            }
            _ => return,
        };
        *place = Some(Halt { at, time: time(line) });
    }
}

/// The time that a line begins with, or that its JSON does, such as `2026-11-26T03:14:00.000001Z`.
fn time(line: &[u8]) -> Option<SystemTime> {
    times::minute(line)?;
    let time = line.get(line.iter().position(u8::is_ascii_digit)?..)?;
    let end = time.iter().position(|byte| *byte == b'Z')?;
    humantime::parse_rfc3339(std::str::from_utf8(time.get(..=end)?).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_in_utc_only() {
        let at = |line: &str| {
            time(line.as_bytes()).map(|at| at.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_micros())
        };
        assert_eq!(at("1970-01-01T00:00:00Z x"), Some(0));
        assert_eq!(at("2000-02-29T12:00:00.5Z  ERROR"), Some(951_825_600_500_000));
        assert_eq!(
            at("{\"timestamp\":\"2026-11-26T03:14:07.000001Z\",\"x\":1}"),
            Some(1_795_662_847_000_001)
        );
        for line in
            ["", "2026-11-26T03:14:07+01:00 Z", "2026-11-26T03:14:07", "poisoned", "0000-01-01T00:00:00Z"]
        {
            assert_eq!(at(line), None, "{line}");
        }
    }

    #[test]
    fn an_open_behind_it_ends_it() {
        let mut halts = Halts::default();
        let at = |line| At { log: 0, line };
        for (line, event) in (1..).zip(["opened", "poisoned", "claim violated", "durable", "poisoned"]) {
            halts.add(at(line), b"", event);
        }
        assert_eq!(halts.poisoned, Some(Halt { at: at(5), time: None }));
        assert_eq!(halts.violated, Some(Halt { at: at(3), time: None }));
        halts.add(at(6), b"", "opened");
        assert_eq!((halts.poisoned, halts.violated), (None, None));
    }
}
