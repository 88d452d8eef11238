//! What was explored.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::report::Report;

/// A number that threads add to.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds to it.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// Its value.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What was explored.
#[derive(Debug, Default)]
pub struct Counts {
    /// Sequences of client and world steps.
    pub sequences: Counter,
    /// Crash points: moments at which a crash may come.
    pub points: Counter,
    /// Those of them of which everything that a crash can leave was gone through.
    pub whole: Counter,
    /// Images that crashes left, each distinct within its crash point.
    pub images: Counter,
    /// Recoveries that were run.
    pub recoveries: Counter,
    /// Pairs of an image and what is owed on it, judged.
    pub pairs: Counter,
    /// Those of them whose image has an archive: its manifest names a run.
    pub archived: Counter,
    /// Faults that fired.
    pub faults: Counter,
    /// Those of them by which a drive lied.
    pub lies: Counter,
}

impl Counts {
    /// Adds all of them to a report.
    pub fn report(&self, report: &mut Report) {
        report.count("sequences", self.sequences.get());
        report.count("crash points", self.points.get());
        report.count("of them whole", self.whole.get());
        report.count("images", self.images.get());
        report.count("recoveries", self.recoveries.get());
        report.count("pairs judged", self.pairs.get());
        if self.archived.get() > 0 {
            report.count("of them with runs", self.archived.get());
        }
    }
}
