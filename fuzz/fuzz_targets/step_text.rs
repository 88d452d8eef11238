//! `cargo fuzz run step_text`: see truelog_harness::fuzzing.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| truelog_harness::fuzzing::step_text(data));
