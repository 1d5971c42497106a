#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| cleargate::upstream::saml::fuzzing::metadata(bytes));
