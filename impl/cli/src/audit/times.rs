//! Counts by time and by what is counted, in bounded memory: what gets too long is counted more coarsely.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::bytes::Regex;

/// `2026-11-26T03:14`.
pub(crate) type Minute = [u8; 16];

/// How many counts are kept.
const MOST: usize = 512;
/// How many bytes of a minute name the minute, the hour, the day, the month.
const GRAINS: [(usize, &str); 4] = [(16, "minute"), (13, "hour"), (10, "day"), (7, "month")];

/// Where the time stands in JSON of others, or that others have wrapped.
static STAMPED: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"\\?"(?:@?timestamp|time|ts)\\?":\s*\\?"(\d{4}-)"#).ok());

/// What begins with the time of a line: the line itself, or a field of its JSON.
pub(crate) fn stamp(line: &[u8]) -> &[u8] {
    const JSON: &[u8] = b"{\"timestamp\":\"";
    if let Some(rest) = line.strip_prefix(JSON).or_else(|| line.strip_prefix(b"[")) {
        return rest;
    }
    let stamped = || STAMPED.as_ref()?.captures(line)?.get(1);
    let begin = line.starts_with(b"{").then(stamped).flatten().map_or(0, |year| year.start());
    line.get(begin..).unwrap_or_default()
}

/// The minute that a line begins with, or that its JSON names.
pub(crate) fn minute(line: &[u8]) -> Option<Minute> {
    let mut minute: Minute = *stamp(line).first_chunk()?;
    let shape = b"dddd-dd-ddTdd:dd";
    let fits = minute.iter().zip(shape).all(|(byte, shape)| match shape {
        b'd' => byte.is_ascii_digit(),
        b'T' => matches!(byte, b'T' | b' '),
        other => byte == other,
    });
    minute[10] = b'T';
    fits.then_some(minute)
}

/// How much there was in a while.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) lines: u64,
    pub(crate) violated: u64,
}

/// See the module's text.
#[derive(Debug, Default)]
pub(crate) struct Times {
    counts: BTreeMap<(Vec<u8>, usize), Count>,
    grain: usize,
    /// Lines without a time.
    pub(crate) untimed: u64,
}

impl Times {
    /// A line of what is counted under `label`.
    pub(crate) fn add(&mut self, time: Option<Minute>, label: usize, violated: bool) {
        let Some(time) = time else {
            self.untimed += 1;
            return;
        };
        let key = (time.iter().take(self.bytes()).copied().collect(), label);
        let count = self.counts.entry(key).or_default();
        count.lines += 1;
        count.violated += u64::from(violated);
        while self.counts.len() > MOST && self.grain + 1 < GRAINS.len() {
            self.grain += 1;
            let bytes = self.bytes();
            for ((mut time, label), count) in std::mem::take(&mut self.counts) {
                time.truncate(bytes);
                let sum = self.counts.entry((time, label)).or_default();
                sum.lines += count.lines;
                sum.violated += count.violated;
            }
        }
    }

    fn bytes(&self) -> usize {
        GRAINS.get(self.grain).map_or(0, |grain| grain.0)
    }

    /// What one count spans.
    pub(crate) fn grain(&self) -> &'static str {
        GRAINS.get(self.grain).map_or("", |grain| grain.1)
    }

    /// The counts, by time and label, ascending.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (String, usize, Count)> {
        self.counts
            .iter()
            .map(|((time, label), count)| (String::from_utf8_lossy(time).into_owned(), *label, *count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_begins_with_its_minute() {
        for line in [
            "2026-11-26T03:14:00Z x",
            "[2026-11-26 03:14] x",
            "{\"timestamp\":\"2026-11-26T03:14:00.1Z\"",
            "{\"log\":\"x\",\"time\":\"2026-11-26T03:14:00.1Z\"}",
            r#"{"log":"{\"timestamp\":\"2026-11-26T03:14:00.1Z\"}"}"#,
        ] {
            assert_eq!(minute(line.as_bytes()), Some(*b"2026-11-26T03:14"), "{line}");
        }
        for line in ["", "x 2026-11-26T03:14", "2026-11-26", "2026-1-26T03:14:00", "{\"time\":\"7\"}"] {
            assert_eq!(minute(line.as_bytes()), None, "{line}");
        }
    }

    #[test]
    fn a_long_time_is_counted_coarsely_and_nothing_is_left_out() {
        let mut times = Times::default();
        for number in 0..2_000_u32 {
            let text = format!("2026-11-{:02}T{:02}:{:02}", 1 + number / 1440, number / 60 % 24, number % 60);
            times.add(minute(text.as_bytes()), 0, number % 2 == 0);
        }
        times.add(None, 0, false);
        assert_eq!((times.grain(), times.untimed), ("hour", 1));
        let sum = times.counts().fold(Count::default(), |sum, (_, _, count)| Count {
            lines: sum.lines + count.lines,
            violated: sum.violated + count.violated,
        });
        assert_eq!(sum, Count { lines: 2_000, violated: 1_000 });
    }
}
