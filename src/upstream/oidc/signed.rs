//! What is signed outside of sign-ins: the reader, the algorithms and the key cache of ID tokens, for tokens that come by
//! other ways.
//!
//! It refuses a token without a type: what it is must be said where it is signed, since one key set signs all kinds.

use std::sync::Arc;
use std::time::Duration;

use openidconnect::JsonWebKey;
use serde_json::{Map, Value};
use url::Url;

use super::cached::Cached;
use super::keys::{self, VerifyingKey};
use super::verify::{self, MAX_CANDIDATES, Unverified};
use super::{CACHE, clean, discovery, json, refused, unavailable};
use crate::clock::{Clock, Timestamp};
use crate::http::outbound::{self, Outbound, Provenance};
use crate::upstream::Error;

/// A token that was taken apart. What it says is nothing before [`Signers::verify`] has seen it.
pub(in crate::upstream) struct SignedToken(Unverified);

impl SignedToken {
    /// Takes a compact token apart whose header names one of these types.
    ///
    /// # Errors
    /// `Refused` by `shape`, `algorithm` or `header`.
    pub(in crate::upstream) fn read(raw: &str, types: &[&str]) -> Result<Self, Error> {
        let token = verify::take_apart(raw, types)?;
        if token.is_typed { Ok(Self(token)) } else { Err(refused("header", "the token does not say its type")) }
    }

    /// Everything that it says.
    pub(in crate::upstream) fn claims(&self) -> &Map<String, Value> {
        &self.0.claims
    }

    /// A claim that is a text.
    pub(in crate::upstream) fn text(&self, name: &str) -> Option<&str> {
        verify::text(&self.0.claims, name)
    }
}

/// A moment as claims write it: seconds since 1970.
pub(in crate::upstream) fn moment(value: &Value) -> Option<Timestamp> {
    verify::moment(value)
}

/// Reads an answer that must be a JSON object; `what` is its name in messages.
///
/// # Errors
/// `Unavailable`.
pub(in crate::upstream) fn object(response: &outbound::Response, what: &str) -> Result<Map<String, Value>, Error> {
    discovery::check_json(response, what)?;
    json::parse_object(&response.body).map_err(|reason| unavailable(format!("the {what} is broken: {reason}")))
}

/// How long after it was signed a token may be of a key that is not published yet, where we look: keys are changed before every
/// copy of the set is.
const KEY_IS_SPREAD: Duration = Duration::from_secs(10 * 60);

/// Whoever signs under an issuer's name: its published keys.
pub(in crate::upstream) struct Signers {
    issuer: String,
    address: Url,
    /// Where the keys are, where the administrator says it.
    jwks: Option<Url>,
    outbound: Outbound,
    place: Cached<Url>,
    keys: Cached<Vec<VerifyingKey>>,
    clock: Clock,
}

impl Signers {
    /// The keys of an issuer; nothing is asked yet. `address` is the issuer as one.
    pub(in crate::upstream) fn new(
        issuer: &str,
        address: Url,
        jwks: Option<Url>,
        outbound: Outbound,
        clock: &Clock,
    ) -> Self {
        let place = Cached::new("transmitter configuration", CACHE, clock.clone());
        let keys = Cached::new("key set", CACHE, clock.clone());
        Self { issuer: issuer.to_owned(), address, jwks, outbound, place, keys, clock: clock.clone() }
    }

    /// Checks the signature of a token.
    ///
    /// # Errors
    /// `Refused` by `key` or `signature`; `Unavailable` when the keys cannot be had, or not yet.
    pub(in crate::upstream) async fn verify(&self, token: &SignedToken) -> Result<(), Error> {
        let token = &token.0;
        let (kid, algorithm) = (token.kid.as_deref(), &token.algorithm);
        let has_candidate =
            |keys: &Vec<VerifyingKey>| keys::candidates(keys, kid, algorithm, &self.issuer).next().is_some();
        // What is wrong with the documents around the keys is no fault of the token's, which is to come again.
        let keys = self.keys.find(has_candidate, self.fetch()).await.map_err(|error| match error {
            Error::Refused { rule, reason } => unavailable(format!("{rule}: {reason}")),
            other => other,
        })?;
        if !has_candidate(&keys) && self.is_young(token) {
            return Err(unavailable("the token is signed by a key that the provider has not published yet"));
        }
        let error = match check(token, &keys, &self.issuer) {
            Err(error @ Error::Refused { rule: verify::SIGNATURE, .. }) => error,
            outcome => return outcome,
        };
        // There may be another key by now under the name of an old one.
        match self.keys.find(|known| !std::ptr::eq(known, &*keys), self.fetch()).await {
            Ok(others) if !Arc::ptr_eq(&others, &keys) => check(token, &others, &self.issuer),
            Err(_) if self.is_young(token) => {
                Err(unavailable("the token fits no known key, and the provider's keys cannot be read again"))
            }
            Ok(_) | Err(_) => Err(error),
        }
    }

    /// Whether a token says that it was signed a moment ago.
    fn is_young(&self, token: &Unverified) -> bool {
        let (now, signed) = (self.clock.now(), token.claims.get("iat").and_then(verify::moment));
        signed.is_some_and(|at| at.plus(KEY_IS_SPREAD) > now && at < now.plus(KEY_IS_SPREAD))
    }

    async fn fetch(&self) -> Result<Vec<VerifyingKey>, Error> {
        const WHAT: &str = "key set";
        let (address, provenance) = match &self.jwks {
            Some(address) => (address.clone(), Provenance::Administrator),
            None => {
                let place = self.place.find(|_| true, self.find_place()).await?;
                (place.as_ref().clone(), Provenance::document_of(&self.address))
            }
        };
        let document = discovery::get_json(&self.outbound, &address, &provenance, WHAT).await?;
        keys::parse_set(&document).map_err(|reason| unavailable(format!("the {WHAT} is broken: {reason}")))
    }

    /// Where the configuration document says that the keys are (Shared Signals Framework 1.0 section 7).
    async fn find_place(&self) -> Result<Url, Error> {
        const WHAT: &str = "transmitter configuration";
        let path = self.address.path().trim_end_matches('/');
        let mut address = self.address.clone();
        address.set_path(&format!("/.well-known/ssf-configuration{path}"));
        let document = discovery::get_json(&self.outbound, &address, &Provenance::Administrator, WHAT).await?;
        let named = verify::text(&document, "issuer").unwrap_or_default();
        if named != self.issuer {
            return Err(refused("issuer", format!("the {WHAT} is of `{}`, not of `{}`", clean(named), self.issuer)));
        }
        let place = verify::text(&document, "jwks_uri").and_then(|text| text.parse::<Url>().ok());
        let place = place.ok_or_else(|| unavailable(format!("the {WHAT} has no `jwks_uri`")))?;
        // What was read over TLS must not lead out of it.
        if place.scheme() != "https" && place.scheme() != self.address.scheme() {
            return Err(refused("discovery", format!("`{}` is no https address", clean(place.as_str()))));
        }
        Ok(place)
    }
}

/// Checks a signature against one candidate key after the other.
///
/// # Errors
/// `Refused` by `key` when no key can be the one, by `signature` when none fits.
pub(super) fn check(token: &Unverified, keys: &[VerifyingKey], issuer: &str) -> Result<(), Error> {
    let (kid, algorithm) = (token.kid.as_deref(), &token.algorithm);
    let (message, signature) = token.signed_parts()?;
    let mut outcome = Err(refused("key", "the token is signed by a key that the provider does not publish"));
    for key in keys::candidates(keys, kid, algorithm, issuer).take(MAX_CANDIDATES) {
        if key.verify_signature(algorithm, message, &signature).is_ok() {
            return Ok(());
        }
        outcome = Err(refused(verify::SIGNATURE, "the signature does not verify"));
    }
    outcome
}
