//! The log's own lines that say that its writer halted, until one says that the log was opened again.

use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use regex::bytes::Regex;

use super::source::At;
use super::times;

/// A time anywhere in a line.
static INSIDE: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[.\d]*(?:Z|[+-]\d\d:\d\d)").ok());
/// When the journal took a line, in microseconds.
static JOURNAL: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#""__REALTIME_TIMESTAMP":\s*"(\d+)""#).ok());

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

/// The time that a line begins with, or that its JSON names, such as `2026-11-26T03:14:00.000001Z`, or `+01:00` for the
/// `Z`.
fn time(line: &[u8]) -> Option<SystemTime> {
    let stamp = match times::minute(line) {
        Some(_) => times::stamp(line),
        // Behind the prefix of somebody else, or in what the journal has wrapped.
        None => match (INSIDE.as_ref()?.find(line), JOURNAL.as_ref()?.captures(line)) {
            (Some(found), _) => line.get(found.start()..)?,
            (None, Some(micros)) => {
                let micros = std::str::from_utf8(micros.get(1)?.as_bytes()).ok()?.parse().ok()?;
                return SystemTime::UNIX_EPOCH.checked_add(Duration::from_micros(micros));
            }
            (None, None) => return None,
        },
    };
    // The zone begins behind the seconds, at 19 bytes at least.
    let end = 19 + stamp.get(19..)?.iter().position(|byte| !byte.is_ascii_digit() && *byte != b'.')?;
    let (time, zone) = stamp.split_at(end);
    let time = humantime::parse_rfc3339(&format!("{}Z", std::str::from_utf8(time).ok()?)).ok()?;
    let (sign, zone) = zone.split_first()?;
    if *sign == b'Z' {
        return Some(time);
    }
    let zone = std::str::from_utf8(zone.get(..5)?).ok()?;
    let (hours, minutes) = zone.split_once(':')?;
    let ahead = Duration::from_secs(hours.parse::<u64>().ok()? * 3600 + minutes.parse::<u64>().ok()? * 60);
    match sign {
        b'+' => time.checked_sub(ahead),
        b'-' => time.checked_add(ahead),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_if_its_zone_is_told() {
        let at = |line: &str| {
            time(line.as_bytes()).map(|at| at.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_micros())
        };
        assert_eq!(at("1970-01-01T00:00:00Z x"), Some(0));
        assert_eq!(at("2000-02-29T12:00:00.5Z  ERROR"), Some(951_825_600_500_000));
        assert_eq!(
            at("{\"timestamp\":\"2026-11-26T03:14:07.000001Z\",\"x\":1}"),
            Some(1_795_662_847_000_001)
        );
        assert_eq!(at("1970-01-01T01:00:00+01:00 x"), Some(0));
        assert_eq!(at("{\"log\":\"x\",\"time\":\"1970-01-01T01:00:00.5-01:30\"}"), Some(9_000_500_000));
        assert_eq!(at("Nov 26 03:14:00 host app[1]: 1970-01-01T00:00:01Z ERROR"), Some(1_000_000));
        assert_eq!(at("{\"__REALTIME_TIMESTAMP\":\"5\",\"MESSAGE\":\"poisoned\"}"), Some(5));
        for line in [
            "",
            "2026-11-26T03:14:07 Z",
            "2026-11-26T03:14:07",
            "2026-11-26T03:14:07+0x:00",
            "poisoned",
            "0000-01-01T00:00:00Z",
        ] {
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
