//! The virtual storage fabric: nodes, drives and their delays in virtual time, repeated bit for bit by a seed.
//!
//! Everything that acts is a bounded `step()` that an event queue calls when it is due: readers in bursts, the
//! prefetcher, a compaction, drives and their late acknowledgements, the remapping of a quarantined drive. A design of
//! the prefetch buffer ([`designs`]) plugs in; the fabric, its delays and its chance are the same for all.

pub mod clock;
pub mod content;
pub mod designs;
pub mod drive;
pub mod history;
pub mod outcome;
pub mod profile;
pub mod queue;
pub mod random;
mod response;
mod steps;
pub mod world;

#[cfg(test)]
mod tests;
