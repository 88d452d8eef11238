//! The archive: sealed segments become runs, copied on drives; the manifest says which count; what they replace is
//! removed when nobody reads it any more.
//!
//! What it leaves out: blocks (a run is its records), compression, capacities, and that a drive may be stale: its
//! own checkpoint is only written, and never believed.

mod building;
mod edits;
mod offers;
mod reading;
mod reclaim;
mod state;

pub(crate) use offers::{orphans, trimmed_runs};
pub use state::{Archive, Catalog, Copying, Drive, Life, Pending, Run, RunFile, made};
