//! `cargo fuzz run drive_identity`: see truelog_harness::fuzzing.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| truelog_harness::fuzzing::drive_identity(data));
