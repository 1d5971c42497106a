//! Cursors: where a list goes on, told to the client in a text that only this installation makes.
//!
//! Nothing is kept for a list: the text carries what the surface needs to go on, and a keyed hash over it and over what
//! it holds for. It is signed, not hidden: nothing goes into it that its reader may not know.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use crate::secret::{MacKey, sha256};

/// Longest text that is looked at.
const MAX_BYTES: usize = 2048;
/// Bytes of the keyed hash in front of the payload.
const TAG_BYTES: usize = 32;

/// What a cursor holds for: the caller, and everything of a question that decides what follows what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding([u8; 32]);

impl Binding {
    /// Over parts whose order and number are part of it.
    pub fn of(parts: &[&str]) -> Self {
        let mut message = Vec::new();
        for part in parts {
            message.extend_from_slice(&part.len().to_be_bytes());
            message.extend_from_slice(part.as_bytes());
        }
        Self(sha256(&message))
    }

    /// What stands for the whole question.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// The text for a payload under `key`, which serves no other purpose: letters, digits, `-` and `_`.
pub fn seal_cursor(key: &MacKey, binding: &Binding, payload: &[u8]) -> String {
    let mut text = key.tag(&message(binding, payload)).to_vec();
    text.extend_from_slice(payload);
    BASE64_URL_SAFE_NO_PAD.encode(text)
}

/// The payload of a text that was made under this key for this binding; `None` for every other text.
pub fn open_cursor(key: &MacKey, binding: &Binding, text: &str) -> Option<Vec<u8>> {
    if text.len() > MAX_BYTES {
        return None;
    }
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
    let (tag, payload) = bytes.split_at_checked(TAG_BYTES)?;
    key.verify(&message(binding, payload), tag).then(|| payload.to_vec())
}

fn message(binding: &Binding, payload: &[u8]) -> Vec<u8> {
    [&binding.0, payload].concat()
}
