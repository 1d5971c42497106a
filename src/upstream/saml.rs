//! SAML 2.0 service provider (Web Browser SSO profile, saml-profiles-2.0-os section 4.1): sends the browser with a
//! request, takes one signed response to it by HTTP-POST.
//!
//! A response passes in this order, and the first failure ends it: the byte gate, a strict parser, the closed table of
//! its structure, the signature, and only then what it says, read from the bytes that were hashed. Answers without a
//! request, encrypted assertions, SHA-1 and any key but those of the metadata are refused. State is kept nowhere but in
//! [`Start::pending`]; that an assertion is used once is for whoever claims [`AssertedIdentity::claim`].

use std::sync::Arc;
use std::time::Duration;

use base64::{Engine, prelude::BASE64_STANDARD};
use futures_util::future::BoxFuture;
use minicbor::{Decode, Encode};
use tokio::sync::watch;

use super::{Answer, AssertedIdentity, Error, RedirectConnector, Start};
use crate::clock::{Clock, Timestamp};
use crate::model::SourceId;
use crate::secret::IdSource;

mod assertion;
pub(crate) mod canonical;
mod fetched;
pub(crate) mod gate;
mod identity;
mod metadata;
pub(crate) mod request;
#[cfg(feature = "second-opinion")]
mod second_opinion;
mod signature;
mod time;
pub(crate) mod tree;

pub use fetched::{FetchedSaml, FetchedSettings};
pub use identity::AttributeNames;
pub use metadata::{IdpMetadata, Unusable};

/// How much clocks may differ when the configuration does not say.
pub const DEFAULT_CLOCK_SKEW: Duration = Duration::from_secs(60);

/// Media type of metadata (saml-metadata-2.0-os appendix A).
const METADATA_TYPE: &str = "application/samlmetadata+xml";

/// What a connector is built from.
#[derive(Debug)]
pub struct Settings {
    /// Its id, part of its addresses.
    pub id: SourceId,
    /// The gateway's own address, without path: `https://sso.example.com`.
    pub public_url: String,
    /// The identity provider.
    pub idp: IdpMetadata,
    /// How much the provider's clock may differ from ours, in both directions.
    pub clock_skew: Duration,
    /// Which attributes mean what.
    pub attributes: AttributeNames,
    /// Domains whose e-mail addresses this provider is trusted to have verified. None by default.
    pub domains: Vec<String>,
}

/// A SAML identity provider as a way to sign in.
#[derive(Debug)]
pub struct SamlConnector {
    id: SourceId,
    entity_id: String,
    consumer: String,
    clock_skew: Duration,
    attributes: AttributeNames,
    domains: Vec<String>,
    idp: watch::Sender<Arc<IdpMetadata>>,
    clock: Clock,
    ids: IdSource,
}

/// What is remembered between request and answer.
#[derive(Encode, Decode)]
#[cbor(map)]
struct Pending {
    #[n(0)]
    request: String,
    #[n(1)]
    requested: Timestamp,
}

/// A refusal. `rule` is a stable word for queries.
pub(crate) fn refused(rule: &'static str, reason: impl Into<String>) -> Error {
    Error::Refused { rule, reason: reason.into() }
}

impl SamlConnector {
    /// A connector; its entity id is `{public_url}/saml/{id}/metadata`, its assertion consumer service
    /// `{public_url}/saml/{id}/acs`.
    pub fn new(settings: Settings, clock: Clock, ids: IdSource) -> Self {
        let base = format!("{}/saml/{}", settings.public_url.trim_end_matches('/'), settings.id);
        Self {
            id: settings.id,
            entity_id: format!("{base}/metadata"),
            consumer: format!("{base}/acs"),
            clock_skew: settings.clock_skew,
            attributes: settings.attributes,
            domains: settings.domains,
            idp: watch::Sender::new(Arc::new(settings.idp)),
            clock,
            ids,
        }
    }

    /// Our entity id at this provider.
    pub fn entity_id(&self) -> &str {
        &self.entity_id
    }

    /// Where responses are posted to.
    pub fn consumer(&self) -> &str {
        &self.consumer
    }

    /// The provider's metadata in use.
    pub fn idp(&self) -> Arc<IdpMetadata> {
        Arc::clone(&self.idp.borrow())
    }

    /// Puts newer metadata of the same provider in use, for the next request and the next answer.
    ///
    /// # Errors
    /// [`Unusable`] when it describes another provider; the old stays in use.
    pub fn replace_metadata(&self, newer: IdpMetadata) -> Result<(), Unusable> {
        let known = self.idp();
        if newer.entity_id() != known.entity_id() {
            let (new, old) = (newer.entity_id(), known.entity_id());
            return Err(Unusable { reason: format!("it describes `{new}`, not `{old}`") });
        }
        self.idp.send_replace(Arc::new(newer));
        Ok(())
    }

    fn begin(&self) -> Result<Start, Error> {
        let (now, idp) = (self.clock.now(), self.current_idp()?);
        let request = request::random_id(&self.ids);
        let handle = self.ids.token().expose().to_owned();
        let location = request::AuthnRequest {
            id: &request,
            issued: now,
            destination: idp.redirect_address(),
            issuer: &self.entity_id,
            consumer: &self.consumer,
        }
        .redirect(&handle)?;
        let pending = minicbor::to_vec(Pending { request, requested: now })
            .map_err(|error| Error::Unavailable { reason: format!("request: {error}") })?;
        Ok(Start { location, handle, pending })
    }

    fn accept(&self, pending: &[u8], answer: &Answer) -> Result<AssertedIdentity, Error> {
        let pending: Pending = minicbor::decode(pending)
            .map_err(|error| refused("in-response-to", format!("what was kept of the request: {error}")))?;
        let idp = self.current_idp()?;
        let message = decode(answer.single("SAMLResponse")?)?;
        let text = gate::check(&message, gate::MESSAGE)?;
        let document = tree::parse(text)?;
        tree::check_response(&document)?;
        assertion::check_status(document.root_element())?;
        let verified = signature::verify(&document, idp.keys())?;
        let expected = assertion::Expected {
            issuer: idp.entity_id(),
            audience: &self.entity_id,
            recipient: &self.consumer,
            request: &pending.request,
            requested: pending.requested,
            now: self.clock.now(),
            skew: self.clock_skew,
        };
        let statement = assertion::read(document.root_element(), &verified, &expected)?;
        #[cfg(feature = "second-opinion")]
        second_opinion::check(text, &idp, &expected, &statement)?;
        let until = statement.until.plus(self.clock_skew);
        let identity = identity::read(statement, &self.attributes, &self.domains, until)?;
        Ok(AssertedIdentity::new(self.id.clone(), identity))
    }

    /// The metadata, unless it says that it must not be used any more.
    fn current_idp(&self) -> Result<Arc<IdpMetadata>, Error> {
        let idp = self.idp();
        match idp.valid_until() {
            Some(end) if end <= self.clock.now() => {
                Err(Error::Unavailable { reason: format!("the identity provider's metadata ended at {end}") })
            }
            _ => Ok(idp),
        }
    }
}

/// The form field's base64, which may be wrapped.
fn decode(field: &str) -> Result<Vec<u8>, Error> {
    // Four characters for three bytes, and at most a line break of two for every 60.
    if field.len() > gate::MESSAGE.max_bytes / 3 * 4 + gate::MESSAGE.max_bytes / 16 {
        return Err(refused("size", format!("{} characters of base64", field.len())));
    }
    let is_wrapped = field.bytes().any(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'));
    let decoded = if is_wrapped {
        BASE64_STANDARD.decode(field.split_ascii_whitespace().collect::<String>())
    } else {
        BASE64_STANDARD.decode(field)
    };
    decoded.map_err(|error| refused("encoding", format!("not base64: {error}")))
}

impl RedirectConnector for SamlConnector {
    fn id(&self) -> &SourceId {
        &self.id
    }

    fn start(&self) -> BoxFuture<'_, Result<Start, Error>> {
        Box::pin(std::future::ready(self.begin()))
    }

    /// Runs inline: the gate bounds the work to a tenth of a millisecond for real responses, ten for the largest.
    fn finish<'a>(&'a self, pending: &'a [u8], answer: &'a Answer) -> BoxFuture<'a, Result<AssertedIdentity, Error>> {
        Box::pin(async move { self.accept(pending, answer) })
    }

    fn metadata(&self) -> Option<(&'static str, String)> {
        Some((METADATA_TYPE, metadata::render(&self.entity_id, &self.consumer)))
    }
}
