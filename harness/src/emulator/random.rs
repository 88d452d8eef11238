//! Chance by key: a draw depends on the seed, the attempt, what it is for and the how-manieth of it, and on nothing
//! else. So one seed gives one history, and two designs under one seed meet the same weather.

use std::fmt;

use serde::Serialize;

use crate::fabric::mix;

/// Virtual time, and spans of it, in nanoseconds.
pub type Nanos = u64;

/// A microsecond.
pub const MICRO: Nanos = 1_000;
/// A millisecond.
pub const MILLI: Nanos = 1_000_000;

/// What a draw is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// When the burst begins.
    Burst,
    /// How long after the one before a transaction arrives.
    Arrival,
    /// When the compaction begins.
    Compaction,
    /// How long a drive's head takes to read.
    Read,
    /// How long what was read takes to arrive.
    Completion,
    /// How long a drive takes until a write holds.
    Write,
    /// How long a write's acknowledgement takes beyond its fixed part.
    Jitter,
    /// How long a sync takes.
    Sync,
    /// How long a reader takes between two looks.
    Gap,
    /// How wrong a clock goes.
    Skew,
    /// When and how far a clock jumps back.
    Jump,
    /// The readers of other archives.
    Background,
}

/// All the chance of one attempt.
#[derive(Debug, Clone, Copy)]
pub struct Draws(u64);

impl Draws {
    /// The chance of one attempt of one seed.
    #[must_use]
    pub const fn new(seed: u64, attempt: u64) -> Self {
        Self(mix(mix(seed) ^ attempt))
    }

    /// A number of 64 bits.
    #[must_use]
    pub const fn word(self, purpose: Purpose, index: u64) -> u64 {
        mix(self.0 ^ mix(((purpose as u64) << 56) ^ index))
    }

    /// A number below `bound`.
    #[must_use]
    pub const fn below(self, purpose: Purpose, index: u64, bound: u64) -> u64 {
        scaled(self.word(purpose, index), bound)
    }

    /// A span of time.
    #[must_use]
    pub const fn span(self, purpose: Purpose, index: u64, latency: Latency) -> Nanos {
        let word = self.word(purpose, index);
        match latency {
            Latency::Fixed(span) => span,
            Latency::Uniform { least, most } => least + scaled(word, most - least + 1),
            Latency::Tailed { least, most, one_in, worst } => {
                // A second word, so that how long does not depend on whether.
                let most = if mix(word).is_multiple_of(one_in) { worst } else { most };
                least + scaled(word, most - least + 1)
            }
        }
    }
}

/// `word` of 64 bits, scaled to below `bound`. Integers only: a logarithm may differ from machine to machine.
const fn scaled(word: u64, bound: u64) -> u64 {
    ((word as u128 * bound as u128) >> 64) as u64
}

/// How long something takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Latency {
    /// Always the same.
    Fixed(Nanos),
    /// Any span from `least` to `most`, both included, equally likely.
    Uniform {
        /// The shortest.
        least: Nanos,
        /// The longest.
        most: Nanos,
    },
    /// As `Uniform`, but one in so many is anything up to `worst`.
    Tailed {
        /// The shortest.
        least: Nanos,
        /// The longest of the usual ones.
        most: Nanos,
        /// How rare the others are.
        one_in: u64,
        /// The longest of all.
        worst: Nanos,
    },
}

impl Latency {
    /// The same with every span `times / over` as long.
    #[must_use]
    pub const fn scaled(self, times: u64, over: u64) -> Self {
        match self {
            Self::Fixed(span) => Self::Fixed(span * times / over),
            Self::Uniform { least, most } => {
                Self::Uniform { least: least * times / over, most: most * times / over }
            }
            Self::Tailed { least, most, one_in, worst } => Self::Tailed {
                least: least * times / over,
                most: most * times / over,
                one_in,
                worst: worst * times / over,
            },
        }
    }
}

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |span: Nanos| span as f64 / MILLI as f64;
        match *self {
            Self::Fixed(span) => write!(f, "{} ms", ms(span)),
            Self::Uniform { least, most } => write!(f, "{} to {} ms", ms(least), ms(most)),
            Self::Tailed { least, most, one_in, worst } => {
                write!(f, "{} to {} ms, one in {one_in} up to {} ms", ms(least), ms(most), ms(worst))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draw_depends_on_its_key_alone() {
        let draws = Draws::new(1, 2);
        assert_eq!(draws.word(Purpose::Read, 3), Draws::new(1, 2).word(Purpose::Read, 3));
        for other in [Draws::new(2, 2), Draws::new(1, 3)] {
            assert_ne!(draws.word(Purpose::Read, 3), other.word(Purpose::Read, 3));
        }
        assert_ne!(draws.word(Purpose::Read, 3), draws.word(Purpose::Write, 3));
        assert_ne!(draws.word(Purpose::Read, 3), draws.word(Purpose::Read, 4));
    }

    #[test]
    fn spans_keep_their_bounds_and_reach_them() {
        let draws = Draws::new(7, 0);
        let latency = Latency::Uniform { least: 3, most: 6 };
        let spans: Vec<Nanos> = (0..200).map(|at| draws.span(Purpose::Read, at, latency)).collect();
        assert_eq!((spans.iter().min(), spans.iter().max()), (Some(&3), Some(&6)));
        let tailed = Latency::Tailed { least: 0, most: 10, one_in: 4, worst: 1_000 };
        let long = (0..400).filter(|at| draws.span(Purpose::Read, *at, tailed) > 10).count();
        assert!((60..140).contains(&long), "{long} of 400");
    }
}
