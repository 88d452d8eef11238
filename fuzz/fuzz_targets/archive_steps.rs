//! `cargo fuzz run archive_steps`: see truelog_harness::fuzzing.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| truelog_harness::fuzzing::archive_steps(data));
