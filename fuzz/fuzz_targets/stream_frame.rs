#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ortc::fuzzing::run("stream_frame", data));
