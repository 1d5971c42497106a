//! ID tokens (OpenID Connect Core section 3.1.3.7).
//!
//! Two steps. [`read`] takes a token apart without trust and refuses every form that two readers could take differently.
//! [`verify`] lets the library check signature, issuer, audience, expiry and nonce against one candidate key after the
//! other, adds the rules that it leaves open, and only then gives the claims: of the very bytes that were signed.

use std::time::{Duration, SystemTime};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use openidconnect::core::{CoreIdToken, CoreIdTokenClaims, CoreJwsSigningAlgorithm as Algorithm};
use openidconnect::{
    AccessToken, AccessTokenHash, AuthorizationCode, AuthorizationCodeHash, ClaimsVerificationError, ClientId,
    IdTokenVerifier, IssuerUrl, JsonWebKeySet, Nonce, SignatureVerificationError,
};
use serde_json::{Map, Value};

use super::keys::{self, VerifyingKey};
use super::{clean, json, refused};
use crate::clock::Timestamp;
use crate::upstream::Error;

/// Longest token, in bytes.
const MAX_BYTES: usize = 256 * 1024;
/// Most keys that are tried for one token.
pub(super) const MAX_CANDIDATES: usize = 8;
/// The rule that a token breaks which no key has made.
pub(super) const SIGNATURE: &str = "signature";
/// 9999-12-31T23:59:59Z, the last moment that a claim may name.
const LAST_SECOND: f64 = 253_402_300_799.0;

/// A token that was taken apart and not verified.
pub(super) struct Unverified {
    pub(super) raw: String,
    pub kid: Option<String>,
    pub algorithm: Algorithm,
    /// Whether its header says of which type it is.
    pub(super) is_typed: bool,
    pub(super) claims: Map<String, Value>,
}

impl Unverified {
    /// What is signed, and the signature (RFC 7515 section 5.2).
    pub(super) fn signed_parts(&self) -> Result<(&[u8], Vec<u8>), Error> {
        let wrong = || refused("shape", "the token has no signature");
        let (message, signature) = self.raw.rsplit_once('.').ok_or_else(wrong)?;
        Ok((message.as_bytes(), BASE64_URL_SAFE_NO_PAD.decode(signature).map_err(|_| wrong())?))
    }
}

/// Claims whose signature and rules were checked. Only [`verify`] makes them.
pub(super) struct VerifiedClaims(Map<String, Value>);

impl VerifiedClaims {
    pub(super) fn into_inner(self) -> Map<String, Value> {
        self.0
    }

    /// `sub`, 1 to 255 characters.
    pub(super) fn subject(&self) -> &str {
        text(&self.0, "sub").unwrap_or_default()
    }

    /// `iat`.
    pub(super) fn issued_at(&self) -> Option<Timestamp> {
        self.moment("iat")
    }

    /// A claim that is a time.
    pub(super) fn moment(&self, name: &str) -> Option<Timestamp> {
        self.0.get(name).and_then(moment)
    }

    /// A claim that is a text.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        text(&self.0, name)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }
}

/// What a token must say.
pub(super) struct Expected<'a> {
    pub issuer: &'a IssuerUrl,
    pub client_id: &'a ClientId,
    pub nonce: &'a Nonce,
    /// What came with the token, for `at_hash`.
    pub access_token: &'a AccessToken,
    /// What the token was given for, for `c_hash`.
    pub code: &'a AuthorizationCode,
    /// When the sign-in began.
    pub started_at: Timestamp,
    pub now: Timestamp,
    /// How far the provider's clock may be off.
    pub skew: Duration,
}

pub(super) fn text<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    claims.get(name).and_then(Value::as_str)
}

/// Takes an ID token apart.
///
/// # Errors
/// `Refused` by `shape`, `algorithm`, `header` or the name of the claim that has the wrong form.
pub(super) fn read(raw: &str) -> Result<Unverified, Error> {
    let token = take_apart(raw, &["JWT", "application/jwt"])?;
    check_forms(&token.claims)?;
    Ok(token)
}

/// Takes a compact JWS apart (RFC 7515 section 7.1) that is of one of these types, where it tells.
///
/// # Errors
/// `Refused` by `shape`, `algorithm` or `header`.
pub(super) fn take_apart(raw: &str, types: &[&str]) -> Result<Unverified, Error> {
    if raw.len() > MAX_BYTES {
        return Err(refused("shape", "the token is too long"));
    }
    let parts: Vec<&str> = raw.split('.').collect();
    let [header, payload, signature] = parts.as_slice() else {
        return Err(refused("shape", "the token is no signed token of three parts"));
    };
    let decode = |part: &str| {
        BASE64_URL_SAFE_NO_PAD.decode(part).map_err(|_| refused("shape", "a part of the token is no base64url"))
    };
    let object = |part: &str, name| {
        json::parse_object(&decode(part)?).map_err(|e| refused("shape", format!("the token's {name}: {e}")))
    };
    let header = object(header, "header")?;
    let (kid, algorithm) = read_header(&header, types)?;
    decode(signature)?;
    let claims = object(payload, "claims")?;
    Ok(Unverified { raw: raw.to_owned(), kid, algorithm, is_typed: header.contains_key("typ"), claims })
}

fn read_header(header: &Map<String, Value>, types: &[&str]) -> Result<(Option<String>, Algorithm), Error> {
    let name = text(header, "alg").ok_or_else(|| refused("algorithm", "the token names no algorithm"))?;
    let algorithm =
        keys::allowed(name).ok_or_else(|| refused("algorithm", format!("the token is signed by `{}`", clean(name))))?;
    if ["crit", "b64", "cty", "zip"].iter().any(|name| header.contains_key(*name)) {
        return Err(refused("header", "the token uses an extension that is not supported"));
    }
    let is_known = |kind: &str| types.iter().any(|known| kind.eq_ignore_ascii_case(known));
    if header.get("typ").is_some_and(|kind| !kind.as_str().is_some_and(is_known)) {
        return Err(refused("header", "the token is of another type"));
    }
    let kid = match header.get("kid") {
        None => None,
        Some(Value::String(kid)) if kid.len() <= 256 => Some(kid.clone()),
        Some(_) => return Err(refused("header", "the key's id is no short text")),
    };
    Ok((kid, algorithm))
}

/// The claims that rules depend on have the one form that the standard gives them.
fn check_forms(claims: &Map<String, Value>) -> Result<(), Error> {
    for (name, is_required, rule) in [
        ("exp", true, "expiry"),
        ("iat", true, "issue_time"),
        ("nbf", false, "not_before"),
        ("auth_time", false, "shape"),
    ] {
        match claims.get(name) {
            Some(value) if moment(value).is_some() => {}
            None if !is_required => {}
            _ => return Err(refused(rule, format!("`{name}` is no time"))),
        }
    }
    for (name, is_required, rule) in [
        ("iss", true, "issuer"),
        ("sub", true, "subject"),
        ("nonce", true, "nonce"),
        ("azp", false, "authorized_party"),
        ("at_hash", false, "at_hash"),
        ("c_hash", false, "c_hash"),
        ("sid", false, "session"),
    ] {
        match claims.get(name) {
            Some(Value::String(_)) => {}
            None if !is_required => {}
            _ => return Err(refused(rule, format!("`{name}` is no text"))),
        }
    }
    let subject = text(claims, "sub").unwrap_or_default();
    if !(1..=255).contains(&subject.chars().count()) || subject.chars().any(char::is_control) {
        return Err(refused("subject", "`sub` is no text of 1 to 255 characters"));
    }
    let is_audience = match claims.get("aud") {
        Some(Value::String(_)) => true,
        Some(Value::Array(all)) => !all.is_empty() && all.iter().all(Value::is_string),
        _ => false,
    };
    if is_audience { Ok(()) } else { Err(refused("audience", "`aud` names nobody")) }
}

/// A NumericDate (RFC 7519 section 2) of this era; fractions are cut.
pub(super) fn moment(value: &Value) -> Option<Timestamp> {
    if let Some(seconds) = value.as_i64() {
        let last = Timestamp::from_seconds(253_402_300_799);
        return Some(Timestamp::from_seconds(seconds)).filter(|moment| seconds >= 0 && *moment <= last);
    }
    let seconds = value.as_f64().filter(|seconds| (0.0..=LAST_SECOND).contains(seconds))?;
    let whole = Duration::try_from_secs_f64(seconds).ok()?;
    Some(Timestamp::from_millis(0).plus(whole))
}

/// Checks everything and gives the claims.
///
/// # Errors
/// `Refused` by the rule that is broken.
pub(super) fn verify(
    token: &Unverified,
    keys: &[VerifyingKey],
    expected: &Expected<'_>,
) -> Result<VerifiedClaims, Error> {
    let parsed: CoreIdToken = token.raw.parse().map_err(|e: serde_json::Error| {
        refused("shape", format!("the ID token's claims: {}", clean(&e.to_string())))
    })?;
    let mut outcome = Err(refused("key", "the ID token is signed by a key that the provider does not publish"));
    for key in keys::candidates(keys, token.kid.as_deref(), &token.algorithm, expected.issuer).take(MAX_CANDIDATES) {
        let verifier = verifier(key, &token.claims, expected);
        match parsed.claims(&verifier, expected.nonce) {
            Ok(claims) => {
                check_hashes(claims, key, &token.algorithm, expected)?;
                outcome = Ok(());
                break;
            }
            // Another key of the same id may be the right one.
            Err(ClaimsVerificationError::SignatureVerification(e)) => outcome = Err(signature_refused(&e)),
            Err(e) => return Err(claims_refused(&e)),
        }
    }
    outcome?;
    check_authorized_party(&token.claims, expected)?;
    check_times(&token.claims, expected)?;
    Ok(VerifiedClaims(token.claims.clone()))
}

/// The library's verifier for one key.
fn verifier<'a>(
    key: &VerifyingKey,
    claims: &Map<String, Value>,
    expected: &Expected<'a>,
) -> IdTokenVerifier<'a, VerifyingKey> {
    let set = JsonWebKeySet::new(vec![key.clone()]);
    let is_for_us = text(claims, "azp") == Some(expected.client_id.as_str());
    let latest = expected.now.minus(expected.skew).as_millis();
    let latest = SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(latest).unwrap_or(0));
    IdTokenVerifier::new_public_client(expected.client_id.clone(), expected.issuer.clone(), set)
        .set_allowed_algs(keys::ALLOWED)
        // Other audiences could pass the token on to us, unless it says that it was made for us.
        .set_other_audience_verifier_fn(move |_| is_for_us)
        .set_time_fn(move || latest.into())
}

/// `azp` is us, and is there when there are several audiences (Core section 2).
fn check_authorized_party(claims: &Map<String, Value>, expected: &Expected<'_>) -> Result<(), Error> {
    match text(claims, "azp") {
        Some(party) if party != expected.client_id.as_str() => {
            Err(refused("authorized_party", format!("the ID token was made for `{}`", clean(party))))
        }
        _ => Ok(()),
    }
}

fn check_times(claims: &Map<String, Value>, expected: &Expected<'_>) -> Result<(), Error> {
    let at = |name| claims.get(name).and_then(moment);
    let latest = expected.now.plus(expected.skew);
    let Some(issued_at) = at("iat") else { return Err(refused("issue_time", "`iat` is no time")) };
    if issued_at > latest {
        return Err(refused("issue_time", format!("the ID token is of {issued_at}, which is in the future")));
    }
    // It carries the nonce of this sign-in, so it cannot be older.
    if issued_at < expected.started_at.minus(expected.skew) {
        return Err(refused("issue_time", format!("the ID token is of {issued_at}, before this sign-in began")));
    }
    match at("nbf") {
        Some(not_before) if not_before > latest => {
            Err(refused("not_before", format!("the ID token is valid from {not_before} on")))
        }
        _ => Ok(()),
    }
}

/// Access token and code belong to this ID token (Core sections 3.1.3.6 and 3.3.2.11).
fn check_hashes(
    claims: &CoreIdTokenClaims,
    key: &VerifyingKey,
    algorithm: &Algorithm,
    expected: &Expected<'_>,
) -> Result<(), Error> {
    if let Some(hash) = claims.access_token_hash() {
        let own = AccessTokenHash::from_token(expected.access_token, algorithm, key);
        if own.map_err(|e| refused("at_hash", e.to_string()))? != *hash {
            return Err(refused("at_hash", "the ID token belongs to another access token"));
        }
    }
    if let Some(hash) = claims.code_hash() {
        let own = AuthorizationCodeHash::from_code(expected.code, algorithm, key);
        if own.map_err(|e| refused("c_hash", e.to_string()))? != *hash {
            return Err(refused("c_hash", "the ID token belongs to another code"));
        }
    }
    Ok(())
}

fn signature_refused(error: &SignatureVerificationError) -> Error {
    let rule = match error {
        SignatureVerificationError::NoMatchingKey | SignatureVerificationError::InvalidKey(_) => "key",
        SignatureVerificationError::DisallowedAlg(_)
        | SignatureVerificationError::NoSignature
        | SignatureVerificationError::UnsupportedAlg(_) => "algorithm",
        _ => SIGNATURE,
    };
    refused(rule, clean(&error.to_string()))
}

fn claims_refused(error: &ClaimsVerificationError) -> Error {
    let rule = match error {
        ClaimsVerificationError::Expired(_) => "expiry",
        ClaimsVerificationError::InvalidAudience(_) => "audience",
        ClaimsVerificationError::InvalidIssuer(_) => "issuer",
        ClaimsVerificationError::InvalidNonce(_) => "nonce",
        ClaimsVerificationError::InvalidSubject(_) => "subject",
        ClaimsVerificationError::SignatureVerification(e) => return signature_refused(e),
        _ => "header",
    };
    refused(rule, clean(&error.to_string()))
}
