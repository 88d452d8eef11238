//! `cargo fuzz run manifest_recovery`: see truelog_harness::fuzzing.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| truelog_harness::fuzzing::manifest_recovery(data));
