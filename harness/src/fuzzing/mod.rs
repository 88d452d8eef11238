//! What the fuzz targets do with their input. `cargo test` runs the same functions on the checked-in seeds.
//!
//! Each function takes arbitrary bytes, and panics only when a promise is broken: what decodes never panics itself,
//! never invents, and what it accepts it can say again; a log whose bytes were changed is judged as the checks judge it.

mod check;
mod formats;
mod hunt;
mod input;
mod logs;
mod steps;
mod texts;

/// A fuzz target.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name, as `cargo fuzz run` takes it.
    pub name: &'static str,
    /// What it does with an input.
    pub run: fn(&[u8]),
    /// An input in words: what it stands for, and what comes of it.
    pub tells: fn(&[u8]) -> String,
    /// How much memory it may hold at once, in KiB, for an input of no length.
    pub kibibytes: usize,
}

impl Target {
    /// How many bytes of memory an input of this length may hold at once. A block of an archive unpacks to at most 255 times
    /// its size; nothing else grows so fast.
    #[must_use]
    pub const fn holds(&self, input: usize) -> usize {
        (self.kibibytes << 10) + 1024 * input
    }
}

/// What decoding bytes or text may hold, in KiB.
const DECODER: usize = 64;
/// What opening whole logs, or living on them, may hold, the simulated disk included, in KiB.
const LOG: usize = 16 << 10;

/// Every target. fuzz/fuzz_targets has a file for each.
pub const TARGETS: &[Target] = &[
    target("batch", batch, formats::tell_batch, DECODER),
    target("manifest_record", manifest_record, formats::tell_manifest_record, DECODER),
    target("segment_header", segment_header, formats::tell_segment_header, DECODER),
    target("identity", identity, formats::tell_identity, DECODER),
    target("archive_block", archive_block, formats::tell_archive_block, DECODER),
    target("drive_identity", drive_identity, formats::tell_drive_identity, DECODER),
    target("run_header", run_header, formats::tell_run_header, DECODER),
    target("run_index", run_index, formats::tell_run_index, DECODER),
    target("step_text", step_text, texts::tell_step, DECODER),
    target("trace_text", trace_text, texts::tell_trace, DECODER),
    target("claim_text", claim_text, texts::tell_claim, DECODER),
    target("receipt_line", receipt_line, texts::tell_receipt, DECODER),
    target("segment_recovery", segment_recovery, logs::tell_segment, LOG),
    target("manifest_recovery", manifest_recovery, logs::tell_manifest, LOG),
    target("damaged_log", damaged_log, logs::tell_damaged, LOG),
    target("damaged_archive", damaged_archive, logs::tell_damaged_archive, LOG),
    target("steps", steps, steps::tell_steps, LOG),
    target("archive_steps", archive_steps, steps::tell_archive_steps, LOG),
];

const fn target(name: &'static str, run: fn(&[u8]), tells: fn(&[u8]) -> String, kibibytes: usize) -> Target {
    Target { name, run, tells, kibibytes }
}

pub use check::check;
pub use formats::{
    archive_block, batch, drive_identity, identity, manifest_record, run_header, run_index, segment_header,
};
pub(crate) use hunt::{Broken, CANARY, checked_in, hunt};
#[cfg(test)]
pub(crate) use hunt::{inputs, tried};
pub use input::{Input, NotAnInput};
pub use logs::{damaged_archive, damaged_log, manifest_recovery, segment_recovery};
pub use steps::{archive_steps, steps};
pub use texts::{claim_text, receipt_line, step_text, trace_text};
