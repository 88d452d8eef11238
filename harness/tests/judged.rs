//! What the tests of the metrics have in common: how the disk is read, and what was held against it.

use std::collections::BTreeMap;
use std::sync::Mutex;

use truelog_harness::driver::files;
use truelog_harness::fabric::SimFs;
use truelog_harness::oracle::Reading;

/// What is there after a loss of power, whatever else it keeps.
pub(crate) fn durable(disk: &SimFs) -> Reading {
    Reading::of(&files(&disk.snapshot().image(&[]).unwrap()))
}

/// What whoever looks sees.
pub(crate) fn visible(disk: &SimFs) -> Reading {
    Reading::of(&files(&disk.snapshot().process_crash()))
}

/// How often an event was held against the disk, by what it claims.
pub(crate) type Judged = Mutex<BTreeMap<&'static str, u64>>;

/// Adds what was judged of one life to what was judged of all.
pub(crate) fn judge_more(all: &Judged, of_life: &Judged) {
    let mut all = all.lock().unwrap();
    for (claim, count) in of_life.lock().unwrap().iter() {
        *all.entry(claim).or_default() += count;
    }
}

/// Nothing passes by never happening.
pub(crate) fn each_was_judged(judged: Judged, claims: &[&str]) {
    let judged = judged.into_inner().unwrap();
    println!("{judged:?}");
    for claim in claims {
        assert!(
            judged.get(claim).is_some_and(|count| *count > 0),
            "no event was the claim `{claim}`: {judged:?}"
        );
    }
}
