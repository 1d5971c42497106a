#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| cleargate::credential::passkey::fuzzing::passkey(bytes));
