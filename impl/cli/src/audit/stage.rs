//! The stages that a packet goes through.

use std::fmt;

/// A stage, A to H.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stage(u8);

/// What the stages are, in order.
const NAMES: [&str; 8] = [
    "ingestion",
    "landing / raw storage",
    "transformation",
    "enrichment / external dependencies",
    "quality and contracts",
    "serving / sink",
    "orchestration",
    "observability",
];

impl Stage {
    /// All of them, in order.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        (0..8).map(Self)
    }

    /// The stage that a name such as `B/append` begins with.
    pub(crate) fn of_name(name: &str) -> Option<Self> {
        let stage = name.bytes().next()?.checked_sub(b'A')?;
        (stage < 8 && name.as_bytes().get(1) == Some(&b'/')).then_some(Self(stage))
    }

    /// The stage of an event of this log, by its message.
    pub(crate) fn of_event(message: &str) -> Self {
        let letter = match message {
            "durable" | "accepted" | "rewritten" | "idle mark" | "poisoned" | "no space" => b'B',
            "run published" | "archive delayed" => b'C',
            drive if drive.starts_with("drive") => b'D',
            "damage" | "recovery row" | "scrubbed" | "scrub left damage" | "loss accepted" => b'E',
            "acknowledged" => b'F',
            "audited" | "audit failed" | "claim violated" => b'H',
            _ => b'G',
        };
        Self(letter - b'A')
    }

    /// Its letter.
    pub(crate) const fn letter(self) -> char {
        (b'A' + self.0) as char
    }

    /// What it is called.
    pub(crate) fn name(self) -> &'static str {
        NAMES.get(usize::from(self.0)).copied().unwrap_or_default()
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.letter(), self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_begin_with_its_stage() {
        assert_eq!(Stage::of_name("B/append").map(Stage::letter), Some('B'));
        for name in ["append", "B", "B-append", "I/append", "", "/"] {
            assert_eq!(Stage::of_name(name), None, "{name}");
        }
        assert_eq!(Stage::all().last().map(Stage::letter), Some('H'));
    }
}
