//! The pinned list, one line a path: `append 12345`.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::paths::PATHS;

/// By how much a count may differ from its pin, in percent: paths differ in length, and the checksums pick their code by what
/// the processor can do.
const TOLERANCE: u64 = 5;

/// What is pinned: instructions of one operation, by the path's name.
pub type Pin = BTreeMap<String, u64>;

/// What came of holding a count against its pin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judged {
    /// As it was.
    Holds,
    /// More than it was.
    Grown,
    /// Less: to be pinned anew, or the next growth goes unseen.
    Shrunk,
    /// Nothing is pinned for it.
    NotPinned,
}

/// Reads a pinned list.
///
/// # Errors
/// The line that is none.
pub fn parse(text: &str) -> Result<Pin, String> {
    text.lines()
        .filter(|line| !line.trim_start().starts_with('#') && !line.trim().is_empty())
        .map(|line| {
            let parsed =
                line.split_once(' ').and_then(|(name, n)| Some((name.to_owned(), n.trim().parse().ok()?)));
            parsed.ok_or_else(|| format!("no path and number: {line:?}"))
        })
        .collect()
}

/// Holds a count against what is pinned.
#[must_use]
pub fn judge(name: &str, counted: u64, pinned: &Pin) -> Judged {
    let Some(&pin) = pinned.get(name) else { return Judged::NotPinned };
    let slack = pin * TOLERANCE / 100;
    if counted > pin + slack {
        Judged::Grown
    } else if counted < pin - slack {
        Judged::Shrunk
    } else {
        Judged::Holds
    }
}

/// The list as it is kept.
#[must_use]
pub fn render(counted: &Pin) -> String {
    let mut text = String::from(
        "# Instructions of one operation, counted by callgrind: `cargo verify instructions --accept`.\n",
    );
    for path in PATHS {
        if let Some(count) = counted.get(path.name) {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{} {count}", path.name);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_as_it_was_written() {
        let counted: Pin = PATHS.iter().zip(1000..).map(|(path, n)| (path.name.to_owned(), n)).collect();
        assert_eq!(parse(&render(&counted)), Ok(counted));
        assert!(parse("append many").is_err());
    }

    #[test]
    fn growth_is_seen_and_so_is_a_pin_that_is_too_high() {
        let pinned = Pin::from([("append".to_owned(), 1000)]);
        assert_eq!(judge("append", 1050, &pinned), Judged::Holds);
        assert_eq!(judge("append", 1051, &pinned), Judged::Grown);
        assert_eq!(judge("append", 949, &pinned), Judged::Shrunk);
        assert_eq!(judge("get", 1000, &pinned), Judged::NotPinned);
    }
}
