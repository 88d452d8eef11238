//! What a design costs besides waiting: nanoseconds of this machine for a prefetch and the first read from it.
//!
//! The two stand-ins keep plain flags without any synchronisation, so theirs is less than such a design would cost
//! between real threads. Packed is the production slot word with its atomics.

use std::hint::black_box;
use std::time::Instant;

use super::stats::quantile;
use crate::emulator::content::content;
use crate::emulator::designs::{Design, Filled, Look};

/// How many prefetches one measurement takes together: a clock is too coarse for one.
const TOGETHER: usize = 64;

/// The median over `rounds` measurements, in nanoseconds for one prefetch and the first read from it; verification
/// is part of it in every design.
#[must_use]
pub fn prefetch_and_read<D: Design>(rounds: usize) -> u64 {
    let bytes: Vec<_> = (0..TOGETHER).map(|block| content(block, 1)).collect();
    let mut times: Vec<u64> = (0..rounds)
        .map(|_| {
            let mut design = D::new(TOGETHER);
            let began = Instant::now();
            for (block, bytes) in bytes.iter().enumerate() {
                let served = prefetched(&mut design, block, bytes) && read(&mut design, block);
                assert!(black_box(served), "{}: a quiet prefetch serves", D::NAME);
            }
            u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX) / TOGETHER as u64
        })
        .collect();
    times.sort_unstable();
    quantile(&times, 500)
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
