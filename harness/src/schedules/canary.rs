//! The canary of the schedules: a race that each strategy must find, or it finds nothing at all.
//!
//! Two writers share a counter the way a bad commit path shares its watermark: read it, do input and output,
//! write it back. The input and output is the hook of the simulated disk, a load of one of shuttle's
//! atomics; so the canary also shows that the hook is a point where threads change places.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use shuttle::thread;

use super::disk_point;
use super::runner::{self, Ended, Strategy};
use super::tape::Tape;

/// Enough schedules for any strategy to find the race.
const LIMIT: u64 = 200;

/// Looks for the race with one strategy; the tape of the first schedule that shows it.
#[must_use]
pub fn find(strategy: &Strategy, seed: u64) -> (Ended, Option<Tape>) {
    let lost = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&lost);
    let found = Arc::new(std::sync::Mutex::new(None));
    let keep = Arc::clone(&found);
    let body = move || {
        // A plain atomic: shuttle does not switch here, only at the disk.
        let watermark = Arc::new(AtomicU64::new(0));
        let writers: Vec<_> = (0..2)
            .map(|_| {
                let watermark = Arc::clone(&watermark);
                thread::spawn(move || {
                    let before = watermark.load(Ordering::Relaxed);
                    disk_point();
                    watermark.store(before + 1, Ordering::Relaxed);
                })
            })
            .collect();
        for writer in writers {
            // The writers do not panic.
            let _ = writer.join();
        }
        lost.fetch_or(watermark.load(Ordering::Relaxed) != 2, Ordering::Relaxed);
    };
    let ended = runner::run(strategy, seed, LIMIT, body, move |tape| {
        let race = seen.swap(false, Ordering::Relaxed);
        if race && let Ok(mut found) = keep.lock() {
            found.get_or_insert_with(|| tape.clone());
        }
        !race
    });
    let tape = found.lock().ok().and_then(|mut found| found.take());
    (ended, tape)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fewer::fewer;
    use crate::schedules::{Preempted, Preemption};

    #[test]
    fn each_strategy_finds_the_race_and_its_tape_shows_it_again() {
        for strategy in [Strategy::Random, Strategy::Pct(3), Strategy::DepthFirst, Strategy::Delays(1)] {
            let (ended, tape) = find(&strategy, 1);
            assert_eq!(ended.failure, None);
            let tape =
                tape.unwrap_or_else(|| panic!("{strategy} missed the race in {} schedules", ended.schedules));
            let (again, same) = find(&Strategy::Replay(tape.to_string().parse().unwrap()), 1);
            assert_eq!((again.schedules, same.as_ref()), (1, Some(&tape)));
            let switches = tape.preempted(false);
            let (again, same) = find(&Strategy::Preempted(switches.to_string().parse().unwrap()), 1);
            assert_eq!((again.schedules, same.as_ref()), (1, Some(&tape)), "{strategy}: {switches}");
        }
    }

    #[test]
    fn the_race_takes_one_switch() {
        let (_, tape) = find(&Strategy::Random, 1);
        let Preempted { seed, preemptions } = tape.expect("a race").preempted(false);
        let shows = |preemptions: &[Preemption]| {
            let schedule = Preempted { seed, preemptions: preemptions.to_vec() };
            Some(find(&Strategy::Preempted(schedule), 1).1.is_some())
        };
        let left = fewer(preemptions, 100, shows);
        assert!(matches!(left[..], [_]) && shows(&[]) == Some(false), "{left:?}");
    }
}
