#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ortc::fuzzing::run("dtls_datagram", data));
