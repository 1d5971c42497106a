//! What a browser says of a ceremony: its kind, its challenge and the page that asked (Web Authentication Level 3 section
//! 5.8.1). The authenticator signs over it.

use serde_json::Value;

use super::{Error, Party, base64url, refused};
use crate::http::parse_json;

/// Longest client data, in bytes; browsers send some 200.
const MAX_BYTES: usize = 4096;

/// Which ceremony.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ceremony {
    Registration,
    Authentication,
}

impl Ceremony {
    const fn name(self) -> &'static str {
        match self {
            Self::Registration => "webauthn.create",
            Self::Authentication => "webauthn.get",
        }
    }
}

/// The challenge of client data that is of this ceremony and of a page of ours that stands in no frame of another site.
/// Members that are not known mean nothing.
pub(super) fn challenge_of(bytes: &[u8], ceremony: Ceremony, party: &Party) -> Result<Vec<u8>, Error> {
    if bytes.len() > MAX_BYTES {
        return Err(refused("form", "the client data is too long"));
    }
    let Ok(Value::Object(data)) = parse_json(bytes) else {
        return Err(refused("form", "the client data is no JSON object"));
    };
    let text = |name: &str| data.get(name).and_then(Value::as_str);
    if text("type") != Some(ceremony.name()) {
        return Err(refused("type", "the client data is of another ceremony"));
    }
    if text("origin") != Some(party.origin()) {
        return Err(refused("origin", "the answer was made for another page than ours"));
    }
    let is_framed = !matches!(data.get("crossOrigin"), None | Some(Value::Bool(false)));
    if is_framed || data.contains_key("topOrigin") {
        return Err(refused("cross-origin", "the answer was made in a frame of another site"));
    }
    text("challenge").and_then(base64url).ok_or_else(|| refused("form", "the client data has no challenge"))
}
