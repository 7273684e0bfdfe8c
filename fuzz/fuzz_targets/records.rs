#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mnm::sim::targets::records(data));
