//! The incident's first response, shown: a healthy drive is quarantined, its blocks are made anew elsewhere, and
//! readers of other archives wait for it. The same readers under the same seed, with the packed design, are beside it.

use serde::Serialize;

use super::stats::quantile;
use crate::emulator::designs::{Design, Historical, Packed};
use crate::emulator::profile::Profile;
use crate::emulator::random::{MILLI, Nanos};
use crate::emulator::world::{Scene, World};

/// The scene: 500 more blocks on the drives, readers of these for a second and a half.
const SCENE: Scene = Scene { keeps: false, broken: None, cold: 500, background: 1_500 * MILLI };

/// How long reads took, in milliseconds of virtual time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Latencies {
    /// How many reads.
    pub reads: usize,
    /// The median.
    pub median_ms: f64,
    /// What one in a hundred exceeds.
    pub p99_ms: f64,
    /// The longest.
    pub worst_ms: f64,
}

/// What the first response did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Shown {
    /// The seed.
    pub seed: u64,
    /// The attempt, counted from 0.
    pub attempt: u64,
    /// When the healthy drive was quarantined, in milliseconds.
    pub quarantined_ms: f64,
    /// How long until all of its blocks had two copies again.
    pub remapping_ms: f64,
    /// How many blocks were made anew and verified.
    pub remapped: u64,
    /// Other archives' reads that began meanwhile.
    pub during: Latencies,
    /// Those that began before or afterwards.
    pub otherwise: Latencies,
    /// Those of the same moments with the packed design.
    pub packed: Latencies,
    /// Reads, all archives and both designs together, that were served with the right bytes.
    pub exact: u64,
    /// Of so many.
    pub reads: u64,
}

/// Shows it on one attempt. `None`: nothing is quarantined there.
#[must_use]
pub fn show(profile: &Profile, (seed, attempt): (u64, u64)) -> Option<Shown> {
    let mut historical = World::<Historical>::new(profile, SCENE, seed, attempt);
    let mut packed = World::<Packed>::new(profile, SCENE, seed, attempt);
    let (mine, other) = (historical.run(), packed.run());
    let response = historical.response();
    let (began, ended) = (response.began?, response.ended?);
    let meanwhile = |at: Nanos| (began..ended).contains(&at);
    let of = |times: &[(Nanos, Nanos)], inside: bool| {
        Latencies::of(times.iter().filter(|(at, _)| meanwhile(*at) == inside).map(|(_, took)| *took))
    };
    let (old, new) = (times(&historical), times(&packed));
    let exact = exact(&historical) + exact(&packed);
    let others = (response.others.len() + packed.response().others.len()) as u64;
    Some(Shown {
        seed,
        attempt,
        quarantined_ms: ms(began),
        remapping_ms: ms(ended - began),
        remapped: response.remapped,
        during: of(&old, true),
        otherwise: of(&old, false),
        packed: of(&new, true),
        exact: exact + mine.reads - mine.wrong - mine.refused + other.reads - other.wrong - other.refused,
        reads: others + mine.reads + other.reads,
    })
}

fn times<D: Design>(world: &World<'_, D>) -> Vec<(Nanos, Nanos)> {
    world.response().others.iter().map(|other| (other.began, other.took)).collect()
}

fn exact<D: Design>(world: &World<'_, D>) -> u64 {
    world.response().others.iter().filter(|other| other.right).count() as u64
}

fn ms(span: Nanos) -> f64 {
    span as f64 / MILLI as f64
}

impl Latencies {
    fn of(spans: impl Iterator<Item = Nanos>) -> Self {
        let mut spans: Vec<Nanos> = spans.collect();
        spans.sort_unstable();
        Self {
            reads: spans.len(),
            median_ms: ms(quantile(&spans, 500)),
            p99_ms: ms(quantile(&spans, 990)),
            worst_ms: ms(quantile(&spans, 1_000)),
        }
    }
}
