//! The other side: a design that no race deceives must still see a drive that is broken.

use serde::Serialize;

use crate::emulator::designs::Packed;
use crate::emulator::drive::Fault;
use crate::emulator::outcome::Outcome;
use crate::emulator::profile::Profile;
use crate::emulator::world::{Scene, World};

/// What can be wrong, in a word; whether it must be quarantined. Who is slow is only slow.
const FAULTS: [(&str, Fault, bool); 5] = [
    ("rots", Fault::Rot(5), true),
    ("fails", Fault::Errors, true),
    ("hangs", Fault::Stuck, true),
    ("is gone", Fault::Vanished, true),
    ("is slow", Fault::Slow(20), false),
];
/// The drive that is broken; it has a copy of the block that rots.
const DRIVE: usize = 1;

/// What the packed design did about a broken drive.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Broken {
    /// What is wrong with the drive.
    pub fault: &'static str,
    /// Attempts with it.
    pub attempts: u64,
    /// In how many it was quarantined.
    pub quarantined: u64,
    /// How many healthy drives were.
    pub deceived: u64,
    /// Reads.
    pub reads: u64,
    /// Of these, served with the right bytes, from another copy.
    pub exact: u64,
    /// Whether that is as it must be.
    pub right: bool,
}

/// Every fault, in the first attempt of so many seeds.
#[must_use]
pub fn broken(profile: &Profile, attempts: u64) -> Vec<Broken> {
    let one = |(name, fault, must): &(&'static str, Fault, bool)| {
        let scene = Scene { broken: Some((DRIVE, *fault)), ..Scene::default() };
        let mut sum = Outcome::default();
        for seed in 0..attempts {
            sum.add(&World::<Packed>::new(profile, scene, seed, 0).run());
        }
        let Outcome { reads, clean, deceived, justified, endless, .. } = sum;
        let expected = if *must { attempts } else { 0 };
        let right = (clean, deceived, justified, endless) == (reads, 0, expected, 0) && reads > 0;
        Broken { fault: name, attempts, quarantined: justified, deceived, reads, exact: clean, right }
    };
    FAULTS.iter().map(one).collect()
}
