//! What the fuzz targets do with their input. `cargo test` runs the same functions on the checked-in seeds.
//!
//! Each function takes arbitrary bytes, and panics only when a promise is broken: what decodes never panics itself,
//! never invents, and what it accepts it can say again; a log whose bytes were changed is judged as the checks judge it.

mod formats;
mod input;
mod logs;
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
}

/// Every target. fuzz/fuzz_targets has a file for each.
pub const TARGETS: &[Target] = &[
    Target { name: "batch", run: batch, tells: formats::tell_batch },
    Target { name: "manifest_record", run: manifest_record, tells: formats::tell_manifest_record },
    Target { name: "segment_header", run: segment_header, tells: formats::tell_segment_header },
    Target { name: "identity", run: identity, tells: formats::tell_identity },
    Target { name: "archive_block", run: archive_block, tells: formats::tell_archive_block },
    Target { name: "step_text", run: step_text, tells: texts::tell_step },
    Target { name: "trace_text", run: trace_text, tells: texts::tell_trace },
    Target { name: "claim_text", run: claim_text, tells: texts::tell_claim },
    Target { name: "receipt_line", run: receipt_line, tells: texts::tell_receipt },
    Target { name: "segment_recovery", run: segment_recovery, tells: logs::tell_segment },
    Target { name: "manifest_recovery", run: manifest_recovery, tells: logs::tell_manifest },
    Target { name: "damaged_log", run: damaged_log, tells: logs::tell_damaged },
    Target { name: "steps", run: steps, tells: logs::tell_steps },
];

pub use formats::{archive_block, batch, identity, manifest_record, segment_header};
pub use input::{Input, NotAnInput};
pub use logs::{damaged_log, manifest_recovery, segment_recovery, steps};
pub use texts::{claim_text, receipt_line, step_text, trace_text};
