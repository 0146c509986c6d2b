#![no_main]

#[path = "../../support/fuzzing.rs"]
mod fuzzing;

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzzing::page_ranges(data));
