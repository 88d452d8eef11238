//! What a design costs besides waiting: nanoseconds of this machine for a prefetch and the first read from it.
//!
//! All three keep what they know in atomics, as they must between threads, and go their whole way: begin, fill, publish,
//! find, verify, serve; the patch also raises its barrier and comes back from its back-off. The pauses themselves are
//! virtual, and are not in it. One thread does all of it, so that nothing here is contended.

use std::hint::black_box;
use std::time::Instant;

use super::stats::quantile;
use crate::emulator::content::{Bytes, content};
use crate::emulator::designs::{Design, Filled, Historical, Look, Packed, Patched};

/// How many prefetches one measurement takes together: a clock is too coarse for one.
const TOGETHER: usize = 64;

/// The medians over `rounds` measurements of Historical, Patched and Packed, in nanoseconds for one prefetch and the first
/// read from it; verification is part of it in every design. They take turns, so that what slows the machine down slows
/// down all.
#[must_use]
pub fn prefetch_and_read(rounds: usize) -> [u64; 3] {
    let bytes: Vec<_> = (0..TOGETHER).map(|block| content(block, 1)).collect();
    let mut times = [const { Vec::new() }; 3];
    for _ in 0..rounds {
        let round = [once::<Historical>(&bytes), once::<Patched>(&bytes), once::<Packed>(&bytes)];
        times.iter_mut().zip(round).for_each(|(times, time)| times.push(time));
    }
    times.map(|mut times| {
        times.sort_unstable();
        quantile(&times, 500) / TOGETHER as u64
    })
}

fn once<D: Design>(bytes: &[Bytes]) -> u64 {
    let mut design = D::new(TOGETHER);
    let began = Instant::now();
    for (block, bytes) in bytes.iter().enumerate() {
        let served = prefetched(&mut design, block, bytes) && read(&mut design, block);
        assert!(black_box(served), "{}: a quiet prefetch serves", D::NAME);
    }
    u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

fn prefetched<D: Design>(design: &mut D, block: usize, bytes: &[u8; 32]) -> bool {
    let Some(mut fill) = design.begin(block) else { return false };
    loop {
        // The pauses are virtual: none is waited for here.
        match design.filled(block, fill, black_box(bytes)) {
            Filled::Ready => return true,
            Filled::Wait(again, _) | Filled::Again(again) => fill = again,
            Filled::Dropped => return false,
            Filled::Wrong(fill) => {
                design.abandon(block, fill);
                return false;
            }
        }
    }
}

fn read<D: Design>(design: &mut D, block: usize) -> bool {
    let mut stage = D::Stage::default();
    loop {
        match design.look(block, &mut stage) {
            Look::Next => {}
            Look::Serve(bytes) => {
                black_box(bytes);
                return true;
            }
            Look::Mismatch | Look::Pending | Look::Miss => return false,
        }
    }
}
