//! How long syncs took, as a histogram.

use std::time::Duration;

use crate::sync::{AtomicU64, Ordering};

/// The upper bounds of the buckets, in nanoseconds: from what a cache in the device takes to what a failing one does.
const BOUNDS: [u64; SyncDurations::BUCKETS] = [
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    u64::MAX,
];

/// How many syncs of segments took how long, at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SyncDurations {
    /// How many syncs took no longer than their bucket's bound, and longer than the one before it.
    pub counts: [u64; Self::BUCKETS],
    /// How long they took together.
    pub sum: Duration,
}

impl SyncDurations {
    /// How many buckets there are.
    pub const BUCKETS: usize = 17;
    /// The metric's name, unit included.
    pub const NAME: &'static str = "truelog_sync_duration_seconds";
    /// What it says, in one sentence.
    pub const HELP: &'static str = "How long the syncs of segments took that succeeded.";

    /// The upper bound of each bucket, included; nothing for the last, which has none.
    pub fn bounds() -> impl Iterator<Item = Option<Duration>> {
        BOUNDS.into_iter().map(|bound| (bound < u64::MAX).then(|| Duration::from_nanos(bound)))
    }

    /// How many syncs there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}

/// The same, as it is counted.
#[derive(Debug)]
pub(crate) struct Durations {
    counts: [AtomicU64; SyncDurations::BUCKETS],
    nanos: AtomicU64,
}

impl Default for Durations {
    fn default() -> Self {
        Self { counts: std::array::from_fn(|_| AtomicU64::new(0)), nanos: AtomicU64::new(0) }
    }
}

impl Durations {
    /// One more.
    pub(crate) fn add(&self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let bucket = BOUNDS.partition_point(|bound| *bound < nanos);
        if let Some(count) = self.counts.get(bucket) {
            count.fetch_add(1, Ordering::Release);
        }
        self.nanos.fetch_add(nanos, Ordering::Release);
    }

    /// The numbers now.
    pub(crate) fn snapshot(&self) -> SyncDurations {
        let counts = std::array::from_fn(|at| self.counts[at].load(Ordering::Acquire));
        SyncDurations { counts, sum: Duration::from_nanos(self.nanos.load(Ordering::Acquire)) }
    }
}

#[cfg(all(test, not(any(truelog_loom, truelog_shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_in_the_first_bucket_whose_bound_it_does_not_pass() {
        assert!(BOUNDS.is_sorted());
        let durations = Durations::default();
        let all =
            [(0, 0), (50_000, 0), (50_001, 1), (1_000_000, 4), (5_000_000_000, 15), (5_000_000_001, 16)];
        for (nanos, _) in all {
            durations.add(Duration::from_nanos(nanos));
        }
        let now = durations.snapshot();
        let mut expected = [0; SyncDurations::BUCKETS];
        all.iter().for_each(|(_, bucket)| expected[*bucket] += 1);
        assert_eq!((now.counts, now.count()), (expected, 6));
        assert_eq!(now.sum, Duration::from_nanos(all.iter().map(|(nanos, _)| nanos).sum()));
        let bounds: Vec<_> = SyncDurations::bounds().collect();
        assert_eq!((bounds[4], bounds[16]), (Some(Duration::from_millis(1)), None));
    }
}
