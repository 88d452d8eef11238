//! What came of an attempt, and the sum over many.

use super::random::Nanos;

/// See the module's text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Attempts.
    pub attempts: u64,
    /// Read transactions that ended.
    pub reads: u64,
    /// Of these, served with the right bytes and without FPRE004 on the way.
    pub clean: u64,
    /// Of these, served with other bytes than any generation between their begin and their end.
    pub wrong: u64,
    /// Of these, ended with an error.
    pub refused: u64,
    /// Of these, overlapped a pending write or the compaction.
    pub overlapping: u64,
    /// FPRE004: verifications that exceeded their retries.
    pub faults: u64,
    /// Verifications that failed, retried or not.
    pub mismatches: u64,
    /// Of these, by a reader while a write of the block was pending: it saw both states at once.
    pub both: u64,
    /// Quarantines of drives that nothing is wrong with.
    pub deceived: u64,
    /// Quarantines of drives that are broken.
    pub justified: u64,
    /// Prefetches that became ready.
    pub prefetches: u64,
    /// The time these took, from the request to being ready.
    pub prefetching: Nanos,
    /// Attempts that did not come to their end.
    pub endless: u64,
}

impl Outcome {
    /// Adds another.
    pub fn add(&mut self, other: &Self) {
        self.attempts += other.attempts;
        self.reads += other.reads;
        self.clean += other.clean;
        self.wrong += other.wrong;
        self.refused += other.refused;
        self.overlapping += other.overlapping;
        self.faults += other.faults;
        self.mismatches += other.mismatches;
        self.both += other.both;
        self.deceived += other.deceived;
        self.justified += other.justified;
        self.prefetches += other.prefetches;
        self.prefetching += other.prefetching;
        self.endless += other.endless;
    }

    /// The mean time of a prefetch, in nanoseconds.
    #[must_use]
    pub fn mean_prefetch(&self) -> f64 {
        self.prefetching as f64 / self.prefetches.max(1) as f64
    }
}
