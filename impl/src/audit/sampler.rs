//! A bounded, even sample of the receipts that are issued: those whose LSN falls below a threshold, which halves
//! whenever the sample is full.
//!
//! Who issues a receipt pays for a multiplication and a look at one number that hardly ever changes. Only a receipt
//! that is in the sample takes the lock, and nothing allocates.

use crate::lsn::Lsn;
use crate::receipt::Claim;
use crate::sync::{AtomicU64, Mutex, Ordering};

/// How many receipts a sample has at most.
const MOST: usize = 64;

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Sampler {
    /// Below this a record's own number is in the sample.
    below: AtomicU64,
    /// Never longer than [`MOST`], for which it has room from the start.
    sample: Mutex<Vec<Claim>>,
}

impl Sampler {
    pub(crate) fn new() -> Self {
        Self { below: AtomicU64::new(u64::MAX), sample: Mutex::new(Vec::with_capacity(MOST)) }
    }

    /// A receipt is about to be issued.
    pub(crate) fn issued(&self, claim: &Claim) {
        if scattered(claim.lsn) < self.below.load(Ordering::Relaxed) {
            self.add(claim);
        }
    }

    #[cold]
    fn add(&self, claim: &Claim) {
        let mut sample = self.sample.lock();
        let mut below = self.below.load(Ordering::Relaxed);
        while sample.len() == MOST {
            below /= 2;
            sample.retain(|kept| scattered(kept.lsn) < below);
        }
        self.below.store(below, Ordering::Relaxed);
        if scattered(claim.lsn) < below {
            sample.push(*claim);
        }
    }

    /// Takes the sample; the next one begins.
    pub(crate) fn take(&self, into: &mut Vec<Claim>) {
        let mut sample = self.sample.lock();
        into.extend(sample.drain(..));
        self.below.store(u64::MAX, Ordering::Relaxed);
    }
}

/// A number that says nothing of its LSN, and is the same for it each time.
const fn scattered(lsn: Lsn) -> u64 {
    let mixed = lsn.get().wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ mixed.rotate_left(32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ticket::Spot;
    use crate::types::{Digest, Durability, LogId, Record};

    #[test]
    fn a_sample_is_bounded_even_and_begins_anew() {
        let sampler = Sampler::new();
        let record = Record { stream: crate::lsn::StreamId(1), payload: b"x" };
        let mut claim =
            Spot::default().claim(LogId([1; 16]), &record, Digest([2; 32]), Durability::PowerLoss);
        let mut issue = |lsns: std::ops::Range<u64>| {
            for lsn in lsns {
                claim.lsn = Lsn(lsn);
                sampler.issued(&claim);
            }
        };
        let mut taken = Vec::new();
        issue(1..11);
        sampler.take(&mut taken);
        assert_eq!(
            taken.iter().map(|claim| claim.lsn.get()).collect::<Vec<_>>(),
            (1..11).collect::<Vec<_>>()
        );
        taken.clear();
        issue(1..100_001);
        assert_eq!(sampler.sample.lock().capacity(), MOST, "nothing was allocated");
        sampler.take(&mut taken);
        assert!((MOST / 4..=MOST).contains(&taken.len()), "{}", taken.len());
        let late = taken.iter().filter(|claim| claim.lsn > Lsn(50_000)).count();
        assert!((taken.len() / 4..=taken.len() * 3 / 4).contains(&late), "{late} of {}", taken.len());
        taken.clear();
        sampler.take(&mut taken);
        assert!(taken.is_empty());
    }
}
