//! What a page asks a browser for, in the JSON forms of Web Authentication Level 3 section 5.1.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::key::ALGORITHMS;
use super::{Party, Passkey};
use crate::model::User;

/// How long a browser waits for an authenticator, in milliseconds.
const TIMEOUT_MS: u64 = 300_000;

/// Asks for a new passkey of somebody, on a device that holds none of theirs.
pub fn creation(party: &Party, user: &User, existing: &[Passkey], challenge: &str) -> Value {
    let algorithms = ALGORITHMS.map(|algorithm| json!({ "type": "public-key", "alg": algorithm }));
    json!({
        "rp": { "id": party.id(), "name": party.id() },
        "user": {
            "id": BASE64_URL_SAFE_NO_PAD.encode(user.id.as_bytes()),
            "name": user.user_name.as_str(),
            "displayName": user.display_name(),
        },
        "challenge": challenge,
        "pubKeyCredParams": algorithms,
        "timeout": TIMEOUT_MS,
        "excludeCredentials": descriptors(existing),
        "authenticatorSelection": { "residentKey": "preferred", "userVerification": "preferred" },
        "attestation": "none",
    })
}

/// Asks for one of these passkeys; for any at all where nothing else proves who it is: then the page says nothing of
/// anybody, and the authenticator must verify who holds it.
pub fn request(party: &Party, of: Option<&[Passkey]>, challenge: &str) -> Value {
    json!({
        "rpId": party.id(),
        "challenge": challenge,
        "timeout": TIMEOUT_MS,
        "allowCredentials": descriptors(of.unwrap_or_default()),
        "userVerification": if of.is_some() { "preferred" } else { "required" },
    })
}

fn descriptors(passkeys: &[Passkey]) -> Vec<Value> {
    let descriptor = |passkey: &Passkey| {
        let id = BASE64_URL_SAFE_NO_PAD.encode(&passkey.credential);
        json!({ "type": "public-key", "id": id, "transports": passkey.transports })
    };
    passkeys.iter().map(descriptor).collect()
}
