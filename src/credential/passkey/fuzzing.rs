//! A way in for fuzzing, with the feature `fuzzing` only.

use super::authenticator_data::{AuthenticatorData, of_attestation_object};
use super::client_data::{Ceremony, challenge_of};
use super::key::Key;
use super::{Answer, Party};

/// Reads bytes as each part of an answer: the first byte says which.
///
/// # Panics
/// When something is taken that a second reading does not find the same.
pub fn passkey(bytes: &[u8]) {
    let Some((first, rest)) = bytes.split_first() else { return };
    let party = Party { id: "example.org".to_owned(), origin: "https://example.org".to_owned(), hash: [0; 32] };
    match first % 5 {
        0 => {
            let _ = challenge_of(rest, Ceremony::Registration, &party);
            let _ = challenge_of(rest, Ceremony::Authentication, &party);
        }
        1 => {
            if let Some(attested) = AuthenticatorData::read(rest).ok().and_then(|data| data.attested) {
                let mut decoder = minicbor::Decoder::new(&attested.key);
                assert!(Key::read(&mut decoder).is_ok() && decoder.position() == attested.key.len());
            }
        }
        2 => {
            if let Ok(data) = of_attestation_object(rest) {
                assert!(data.len() < rest.len());
                let _ = AuthenticatorData::read(data);
            }
        }
        3 => {
            if let Ok(key) = Key::read(&mut minicbor::Decoder::new(rest)) {
                assert!(!key.has_signed(b"a message", b"no signature"));
            }
        }
        _ => {
            let Ok(text) = std::str::from_utf8(rest) else { return };
            if let Ok(answer) = Answer::read(text) {
                let _ = super::ceremony::register(&party, &answer);
            }
        }
    }
}
