//! The two ceremonies, pure: what a browser sent, held against what was asked (Web Authentication Level 3 sections 7.1
//! and 7.2).

use serde_json::{Map, Value};

use super::authenticator_data::{AuthenticatorData, of_attestation_object};
use super::client_data::{Ceremony, challenge_of};
use super::key::Key;
use super::{Error, Party, base64url, refused};
use crate::http::parse_json;
use crate::secret::sha256;

/// The ways to an authenticator that are kept; others say nothing to a browser.
const TRANSPORTS: [&str; 6] = ["ble", "hybrid", "internal", "nfc", "smart-card", "usb"];

/// What a browser sent: a credential, as its JSON form has it.
pub struct Answer {
    id: Vec<u8>,
    response: Map<String, Value>,
}

impl Answer {
    /// Reads the JSON of a credential (section 5.1).
    ///
    /// # Errors
    /// `Refused` when it is none.
    pub fn read(text: &str) -> Result<Self, Error> {
        let broken = |reason| refused("form", reason);
        let Ok(Value::Object(mut credential)) = parse_json(text.as_bytes()) else {
            return Err(broken("the answer is no JSON object"));
        };
        let named = |name: &str| credential.get(name).and_then(Value::as_str);
        if named("type") != Some("public-key") {
            return Err(broken("the answer is of no public key"));
        }
        let id = named("rawId").and_then(base64url).ok_or_else(|| broken("the answer has no credential id"))?;
        if named("id").and_then(base64url).as_ref() != Some(&id) {
            return Err(broken("the two forms of the credential id differ"));
        }
        match credential.remove("response") {
            Some(Value::Object(response)) => Ok(Self { id, response }),
            _ => Err(broken("the answer has no response")),
        }
    }

    /// The credential's id.
    pub(super) fn id(&self) -> &[u8] {
        &self.id
    }

    /// A member in base64url; `None` when it is absent or null.
    fn find(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        match self.response.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => {
                base64url(text).map(Some).ok_or_else(|| refused("form", "a member is not in base64url"))
            }
            Some(_) => Err(refused("form", "a member is no text")),
        }
    }

    fn member(&self, name: &str) -> Result<Vec<u8>, Error> {
        self.find(name)?.ok_or_else(|| refused("form", "a member of the answer is missing"))
    }

    fn transports(&self) -> Vec<String> {
        let told = self.response.get("transports").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let is_told = |known: &&str| told.iter().any(|told| told.as_str() == Some(known));
        TRANSPORTS.into_iter().filter(is_told).map(str::to_owned).collect()
    }

    /// The challenge that the answer is to, for whoever made it to know it again.
    pub(super) fn challenge(&self, ceremony: Ceremony, party: &Party) -> Result<Vec<u8>, Error> {
        challenge_of(&self.member("clientDataJSON")?, ceremony, party)
    }
}

/// A new credential that was made for us by who stood before it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Registered {
    pub(super) id: Vec<u8>,
    pub(super) key: Vec<u8>,
    pub(super) sign_count: u32,
    pub(super) is_backup_eligible: bool,
    pub(super) is_backed_up: bool,
    pub(super) is_verified: bool,
    pub(super) transports: Vec<String>,
}

/// Holds the answer to a registration against the rules, the challenge besides.
pub(super) fn register(party: &Party, answer: &Answer) -> Result<Registered, Error> {
    let object = answer.member("attestationObject")?;
    let data = AuthenticatorData::read(of_attestation_object(&object)?)?;
    check_data(party, &data)?;
    let (sign_count, is_backup_eligible) = (data.sign_count, data.is_backup_eligible());
    let (is_backed_up, is_verified) = (data.is_backed_up(), data.is_verified());
    let attested = data.attested.ok_or_else(|| refused("form", "there is no new credential in the answer"))?;
    if attested.id != answer.id {
        return Err(refused("credential", "the answer names another credential than it holds"));
    }
    let (id, key, transports) = (attested.id, attested.key, answer.transports());
    Ok(Registered { id, key, sign_count, is_backup_eligible, is_backed_up, is_verified, transports })
}

/// What is kept of a credential, for an authentication.
pub(super) struct Known<'a> {
    /// The key as it came.
    pub(super) key: &'a [u8],
    pub(super) sign_count: u32,
    pub(super) is_backup_eligible: bool,
    /// Whether it verified who held it when somebody else vouched for them too (`uvInitialized`, WebAuthn section 4).
    pub(super) is_verified: bool,
    /// What its owner is called to authenticators.
    pub(super) user: &'a [u8],
}

/// What an authentication showed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) sign_count: u32,
    pub(super) is_backed_up: bool,
    pub(super) is_verified: bool,
}

/// Holds the answer to an authentication against the rules, the challenge besides. `is_alone` where nothing else proves
/// who it is: the authenticator must then have verified that, and must name them.
pub(super) fn authenticate(party: &Party, known: &Known<'_>, answer: &Answer, is_alone: bool) -> Result<Shown, Error> {
    let bytes = answer.member("authenticatorData")?;
    let data = AuthenticatorData::read(&bytes)?;
    check_data(party, &data)?;
    if data.attested.is_some() {
        return Err(refused("form", "a new credential has no place in an authentication"));
    }
    if is_alone && !data.is_verified() {
        return Err(refused("verification", "the passkey did not verify who holds it"));
    }
    if is_alone && !known.is_verified {
        // Whoever found a key without a PIN may have set one.
        return Err(refused("verification", "the passkey has never verified who holds it beside another proof"));
    }
    if data.is_backup_eligible() != known.is_backup_eligible {
        return Err(refused("backup", "the passkey says otherwise than before whether it may be copied"));
    }
    match answer.find("userHandle")? {
        Some(user) if user != known.user => {
            return Err(refused("user-handle", "the passkey is another person's"));
        }
        None if is_alone => return Err(refused("user-handle", "the passkey does not say whose it is")),
        _ => {}
    }
    let mut message = bytes.clone();
    message.extend_from_slice(&sha256(&answer.member("clientDataJSON")?));
    let key = Key::read(&mut minicbor::Decoder::new(known.key))?;
    if !key.has_signed(&message, &answer.member("signature")?) {
        return Err(refused("signature", "the signature is not the passkey's"));
    }
    let is_counting = data.sign_count != 0 || known.sign_count != 0;
    if is_counting && data.sign_count <= known.sign_count {
        return Err(refused(super::COPIED, "the passkey counted fewer uses than before: there may be a copy of it"));
    }
    Ok(Shown { sign_count: data.sign_count, is_backed_up: data.is_backed_up(), is_verified: data.is_verified() })
}

/// What holds in both ceremonies.
fn check_data(party: &Party, data: &AuthenticatorData) -> Result<(), Error> {
    if data.party_hash != party.hash {
        return Err(refused("party", "the passkey answered for another site than ours"));
    }
    if !data.is_present() {
        return Err(refused("presence", "nobody was there who touched the authenticator"));
    }
    if data.is_backed_up() && !data.is_backup_eligible() {
        return Err(refused("backup", "the passkey says that it was copied, and that it cannot be"));
    }
    Ok(())
}
