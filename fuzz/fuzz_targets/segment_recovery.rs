//! `cargo fuzz run segment_recovery`: see truelog_harness::fuzzing.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| truelog_harness::fuzzing::segment_recovery(data));
