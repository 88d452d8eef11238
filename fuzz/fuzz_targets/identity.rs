//! `cargo fuzz run identity`: see truelog_harness::fuzzing.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| truelog_harness::fuzzing::identity(data));
