//! Histories by the thousand: each seed is one history of 27 attempts, each attempt one burst during one compaction.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use super::stats::Share;
use crate::emulator::designs::{Design, Historical, Packed};
use crate::emulator::outcome::Outcome;
use crate::emulator::profile::Profile;
use crate::emulator::world::{Scene, World};
use crate::progress::Progress;

/// The incident's: FPRE004 came reliably within so many attempts.
pub const ATTEMPTS: u64 = 27;
/// How many histories one thread takes at a time.
const PORTION: u64 = 25;

/// What came of many histories of one design.
#[derive(Debug, Clone, Serialize)]
pub struct Series {
    /// The design.
    pub design: &'static str,
    /// Histories with FPRE004 within the attempts.
    pub failing: Share,
    /// The same by attempt.
    pub per_attempt: Share,
    /// In how many histories each attempt was the first to fail.
    pub first_failure: Vec<u64>,
    /// Reads that were served with the right bytes, and without FPRE004 on the way.
    pub success: Share,
    /// Reads that overlapped a pending write or the compaction.
    pub overlapping: u64,
    /// FPRE004.
    pub faults: u64,
    /// Failed verifications, retried or not.
    pub mismatches: u64,
    /// Of these, by a reader while a write of the block was pending.
    pub both: u64,
    /// Quarantines of healthy drives.
    pub deceived: u64,
    /// Reads with bytes of no generation that they overlapped.
    pub wrong: u64,
    /// Attempts that did not end, and reads that ended with an error.
    pub unresolved: u64,
    /// The mean time of a prefetch, in milliseconds of virtual time.
    pub prefetch_ms: f64,
}

/// The sum over some histories.
#[derive(Debug, Clone, Default)]
struct Sum {
    outcome: Outcome,
    histories: u64,
    failing_attempts: u64,
    first: [u64; ATTEMPTS as usize],
}

impl Sum {
    fn add(&mut self, other: &Self) {
        self.outcome.add(&other.outcome);
        self.histories += other.histories;
        self.failing_attempts += other.failing_attempts;
        for (mine, theirs) in self.first.iter_mut().zip(other.first) {
            *mine += theirs;
        }
    }

    fn history<D: Design>(&mut self, profile: &Profile, seed: u64) {
        self.histories += 1;
        let mut first = None;
        for attempt in 0..ATTEMPTS {
            let outcome = one::<D>(profile, seed, attempt);
            self.outcome.add(&outcome);
            if outcome.faults > 0 {
                self.failing_attempts += 1;
                first.get_or_insert(attempt as usize);
            }
        }
        if let Some(first) = first {
            self.first[first] += 1;
        }
    }

    fn series<D: Design>(&self) -> Series {
        let Outcome { attempts, reads, clean, .. } = self.outcome;
        Series {
            design: D::NAME,
            failing: Share::new(self.first.iter().sum(), self.histories),
            per_attempt: Share::new(self.failing_attempts, attempts),
            first_failure: self.first.to_vec(),
            success: Share::new(clean, reads),
            overlapping: self.outcome.overlapping,
            faults: self.outcome.faults,
            mismatches: self.outcome.mismatches,
            both: self.outcome.both,
            deceived: self.outcome.deceived,
            wrong: self.outcome.wrong,
            unresolved: self.outcome.endless + self.outcome.refused,
            prefetch_ms: self.outcome.mean_prefetch() / 1e6,
        }
    }
}

fn one<D: Design>(profile: &Profile, seed: u64, attempt: u64) -> Outcome {
    World::<D>::new(profile, Scene::default(), seed, attempt).run()
}

/// Runs the histories of these seeds. The sum does not depend on how many threads do it.
fn sum(seeds: std::ops::Range<u64>, history: impl Fn(&mut Sum, u64) + Sync) -> Sum {
    let next = AtomicU64::new(seeds.start);
    let total = Mutex::new(Sum::default());
    let lane = || {
        let mut mine = Sum::default();
        loop {
            let from = next.fetch_add(PORTION, Ordering::Relaxed);
            if from >= seeds.end {
                break;
            }
            (from..(from + PORTION).min(seeds.end)).for_each(|seed| history(&mut mine, seed));
        }
        total.lock().unwrap_or_else(PoisonError::into_inner).add(&mine);
    };
    std::thread::scope(|scope| {
        for _ in 1..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(lane);
        }
        lane();
    });
    total.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// All attempts of the histories of these seeds.
#[must_use]
pub fn series<D: Design>(profile: &Profile, histories: u64) -> Series {
    sum(0..histories, |sum, seed| sum.history::<D>(profile, seed)).series::<D>()
}

/// Packed, on the histories on which Historical fails, until so many reads overlapped a pending write or a compaction.
#[must_use]
pub fn packed_where_historical_fails(profile: &Profile, overlapping: u64, progress: &Progress) -> Series {
    const ROUND: u64 = 200;
    progress.expect(overlapping);
    let mut total = Sum::default();
    // Rounds of fixed seeds: where it ends does not depend on how fast it is.
    for round in 0.. {
        let seeds = round * ROUND..(round + 1) * ROUND;
        let one_round = sum(seeds, |sum, seed| {
            if (0..ATTEMPTS).any(|attempt| one::<Historical>(profile, seed, attempt).faults > 0) {
                sum.history::<Packed>(profile, seed);
            }
        });
        total.add(&one_round);
        progress.advance(one_round.outcome.overlapping);
        if total.outcome.overlapping >= overlapping || one_round.outcome.overlapping == 0 {
            break;
        }
    }
    total.series::<Packed>()
}

/// The first attempt, by seed and then by number, in which a design fails.
#[must_use]
pub fn first_failing<D: Design>(profile: &Profile, seeds: u64) -> Option<(u64, u64)> {
    let attempts = (0..seeds).flat_map(|seed| (0..ATTEMPTS).map(move |attempt| (seed, attempt)));
    attempts.into_iter().find(|(seed, attempt)| one::<D>(profile, *seed, *attempt).faults > 0)
}
