#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ortc::fuzzing::run("mdns_message", data));
