//! `cargo fuzz run damaged_archive`: see truelog_harness::fuzzing.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| truelog_harness::fuzzing::damaged_archive(data));
