//! SAML 2.0 service provider (Web Browser SSO profile, saml-profiles-2.0-os section 4.1): sends the browser with a
//! request, takes one signed response to it by HTTP-POST.
//!
//! A response passes in this order, and the first failure ends it: the byte gate, a strict parser, the closed table of
//! its structure, the signature, and only then what it says, read from the bytes that were hashed. What was encrypted
//! passes all of it again once it is opened. SHA-1 and any key but those of the metadata are refused, and so are answers
//! without a request, unless the administrator takes them from this provider. State is kept nowhere but in
//! [`Start::pending`]; that an assertion is used once is for whoever claims [`AssertedIdentity::claim`].

use std::sync::Arc;
use std::time::Duration;

use base64::{Engine, prelude::BASE64_STANDARD};
use futures_util::future::BoxFuture;
use minicbor::{Decode, Encode};
use tokio::sync::watch;

use super::{
    Answer, AssertedIdentity, Checks, Delivery, Departure, Error, Health, LogoutMessage, LogoutRequest,
    RedirectConnector, Start, Trial,
};
use crate::clock::{Clock, Timestamp};
use crate::model::SourceId;
use crate::secret::IdSource;
use crate::session::AtUpstream;

mod assertion;
pub(crate) mod canonical;
mod encrypted;
mod examine;
mod fetched;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
pub(crate) mod gate;
mod identity;
mod logout;
mod metadata;
mod openers;
mod own;
mod published;
pub(crate) mod request;
#[cfg(feature = "second-opinion")]
mod second_opinion;
mod sign;
mod signature;
mod time;
pub(crate) mod tree;

pub use fetched::{FetchedSaml, FetchedSettings, MetadataPlace, TABLES};
pub use identity::AttributeNames;
pub use metadata::{Certificate, IdpMetadata, LogoutService, Reading, Signers, Unusable};
pub use openers::{Openers, Place};
pub use own::{MAX_KEYS, OwnKey, OwnKeys, UnusableKey};
pub use request::Binding;

/// How much clocks may differ when the configuration does not say.
pub const DEFAULT_CLOCK_SKEW: Duration = Duration::from_secs(60);

/// How old an answer without a request may be.
const MAX_UNSOLICITED_AGE: Duration = Duration::from_secs(5 * 60);

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
    /// What is chosen for this provider.
    pub options: Options,
}

/// What an administrator chooses for a provider. By default nothing is signed, opened or demanded that not every
/// provider does.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Our own keys.
    pub keys: Arc<OwnKeys>,
    /// How requests travel; by the Redirect binding where the provider takes that, unless it is said.
    pub requests: Option<Binding>,
    /// Whether people have to sign in there anew each time.
    pub force_authn: bool,
    /// The ways to authenticate of which one is demanded; none: any.
    pub contexts: Vec<String>,
    /// Whether assertions that are encrypted by AES-CBC are taken.
    pub allow_cbc: bool,
    /// Whether sign-ins that the provider begins are taken.
    pub unsolicited: bool,
    /// The parameter of its address in which a provider reads who is likely to sign in, by the Redirect binding; none by default.
    pub login_hint: Option<String>,
    /// Where encrypted assertions are opened.
    pub openers: Openers,
    /// Where the second verifier of builds with `second-opinion` works.
    pub verifiers: Openers,
}

/// Our addresses at a connector; the first is our entity id too.
#[derive(Clone, Debug)]
struct Addresses {
    metadata: String,
    consumer: String,
    logout: String,
}

impl Addresses {
    fn of(public_url: &str, id: &SourceId) -> Self {
        let base = format!("{}/saml/{id}", public_url.trim_end_matches('/'));
        Self { metadata: format!("{base}/metadata"), consumer: format!("{base}/acs"), logout: format!("{base}/slo") }
    }

    /// Our metadata document.
    fn publish(&self, options: &Options) -> (&'static str, String) {
        let document = published::Published {
            entity_id: &self.metadata,
            consumer: &self.consumer,
            // What we say about logout is signed, always.
            logout: (!options.keys.signing.is_empty()).then_some(&self.logout),
            keys: &options.keys,
            allow_cbc: options.allow_cbc,
        };
        (METADATA_TYPE, document.render())
    }
}

/// A SAML identity provider as a way to sign in.
#[derive(Debug)]
pub struct SamlConnector {
    id: SourceId,
    addresses: Addresses,
    clock_skew: Duration,
    attributes: AttributeNames,
    domains: Vec<String>,
    options: Options,
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
        Self {
            addresses: Addresses::of(&settings.public_url, &settings.id),
            id: settings.id,
            clock_skew: settings.clock_skew,
            attributes: settings.attributes,
            domains: settings.domains,
            options: settings.options,
            idp: watch::Sender::new(Arc::new(settings.idp)),
            clock,
            ids,
        }
    }

    /// Our entity id at this provider.
    pub fn entity_id(&self) -> &str {
        &self.addresses.metadata
    }

    /// Where responses are posted to.
    pub fn consumer(&self) -> &str {
        &self.addresses.consumer
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

    fn begin(&self, login_hint: Option<&str>) -> Result<Start, Error> {
        let (now, idp) = (self.clock.now(), self.current_idp()?);
        let key = self.options.keys.signing.first();
        if idp.wants_signed_requests() && key.is_none() {
            let reason = "the identity provider demands signed requests; write `signing` with a key of yours";
            return Err(Error::Unavailable { reason: reason.to_owned() });
        }
        let (binding, destination) = self.destination(&idp)?;
        let id = request::random_id(&self.ids);
        let handle = self.ids.token().expose().to_owned();
        let document = request::AuthnRequest {
            id: &id,
            issued: now,
            destination,
            issuer: &self.addresses.metadata,
            consumer: &self.addresses.consumer,
            force: self.options.force_authn,
            contexts: &self.options.contexts,
        }
        .render();
        let relay_state = Some(handle.as_str());
        let message = request::Message { field: "SAMLRequest", id: &id, document: &document, destination, relay_state };
        let Departure { mut location, fields } = message.send(binding, key)?;
        if let (Binding::Redirect, Some(parameter), Some(hint)) = (binding, &self.options.login_hint, login_hint) {
            location = request::hinted(location, destination, parameter, hint);
        }
        let pending = minicbor::to_vec(Pending { request: id, requested: now })
            .map_err(|error| Error::Unavailable { reason: format!("request: {error}") })?;
        Ok(Start { location, fields, handle, pending })
    }

    /// How and where requests go.
    fn destination<'a>(&self, idp: &'a IdpMetadata) -> Result<(Binding, &'a url::Url), Error> {
        let bindings = match self.options.requests {
            Some(chosen) => vec![chosen],
            None => vec![Binding::Redirect, Binding::Post],
        };
        let found = bindings.into_iter().find_map(|binding| Some((binding, idp.sign_in_address(binding)?)));
        found.ok_or_else(|| Error::Unavailable {
            reason: "the identity provider's metadata has no address for the binding of `requests`".to_owned(),
        })
    }

    async fn accept(&self, pending: &[u8], answer: &Answer) -> Result<AssertedIdentity, Error> {
        let pending: Pending = minicbor::decode(pending)
            .map_err(|error| refused("in-response-to", format!("what was kept of the request: {error}")))?;
        self.accept_as(Some(&pending.request), pending.requested, answer).await
    }

    async fn accept_unsolicited(&self, answer: &Answer) -> Result<AssertedIdentity, Error> {
        if !self.options.unsolicited {
            return Err(refused("in-response-to", "sign-ins that the provider begins are not taken from it"));
        }
        self.accept_as(None, self.clock.now().minus(MAX_UNSOLICITED_AGE), answer).await
    }

    async fn accept_as(
        &self,
        request: Option<&str>,
        requested: Timestamp,
        answer: &Answer,
    ) -> Result<AssertedIdentity, Error> {
        self.read_message(&decode(answer.single("SAMLResponse")?)?, request, requested, self.clock.now()).await
    }

    /// Reads a response as of a moment.
    async fn read_message(
        &self,
        message: &[u8],
        request: Option<&str>,
        requested: Timestamp,
        now: Timestamp,
    ) -> Result<AssertedIdentity, Error> {
        let idp = self.current_idp()?;
        let expected = assertion::Expected {
            issuer: idp.entity_id(),
            audience: &self.addresses.metadata,
            recipient: &self.addresses.consumer,
            request,
            requested,
            is_forced: self.options.force_authn,
            contexts: &self.options.contexts,
            now,
            skew: self.clock_skew,
        };
        let text = gate::check(message, gate::MESSAGE)?;
        let document = tree::parse(text)?;
        tree::check_response(&document)?;
        assertion::check_status(document.root_element())?;
        let statement = if encrypted::is_encrypted(document.root_element()) {
            self.read_encrypted(&document, &idp, &expected).await?
        } else {
            let verified = signature::verify(&document, idp.keys())?;
            let statement = assertion::read(document.root_element(), &verified, &expected)?;
            #[cfg(feature = "second-opinion")]
            self.ask_second(text, &idp, &expected, &statement).await?;
            statement
        };
        let until = statement.until.plus(self.clock_skew);
        let identity = identity::read(statement, &self.attributes, &self.domains, until)?;
        Ok(AssertedIdentity::new(self.id.clone(), identity))
    }

    /// What an encrypted assertion says. A signature around it is verified before anything is opened, and what was
    /// opened goes the whole way from the gate on.
    async fn read_encrypted(
        &self,
        document: &roxmltree::Document<'_>,
        idp: &Arc<IdpMetadata>,
        expected: &assertion::Expected<'_>,
    ) -> Result<assertion::Statement, Error> {
        let envelope = signature::verify_envelope(document, idp.keys())?;
        #[cfg(feature = "second-opinion")]
        if let Some(envelope) = &envelope {
            let question = second_opinion::Question::new(document.input_text(), idp, expected);
            let theirs = self.options.verifiers.run(move || question.envelope()).await??;
            second_opinion::compare_envelopes(&theirs, envelope.text())?;
        }
        let hashed = envelope.as_ref().map(|envelope| tree::parse(envelope.text())).transpose()?;
        let response = hashed.as_ref().unwrap_or(document).root_element();
        let encrypted::Opened { text, is_malleable } = encrypted::open(response, &self.options, &self.ids).await?;
        let verified = || {
            let text = gate::check(text.as_bytes(), gate::MESSAGE)?;
            let opened = tree::parse(text)?;
            tree::check_response(&opened)?;
            let verified = signature::verify_opened(envelope.as_ref(), &opened, idp.keys())?;
            Ok::<_, Error>((opened, verified))
        };
        let alike = |error| if is_malleable { encrypted::not_opened() } else { error };
        let (opened, verified) = verified().map_err(alike)?;
        let statement = assertion::read(opened.root_element(), &verified, expected)?;
        // It judges by a signature of the assertion's own: what was hashed has none of the response any more.
        #[cfg(feature = "second-opinion")]
        if tree::required(opened.root_element(), tree::ASSERTION, "Assertion")
            .is_ok_and(|assertion| tree::child(assertion, tree::DSIG, "Signature").is_some())
        {
            self.ask_second(opened.input_text(), idp, expected, &statement).await?;
        }
        Ok(statement)
    }

    /// Whether the second verifier, on threads of its own, reads the same in a message.
    #[cfg(feature = "second-opinion")]
    async fn ask_second(
        &self,
        message: &str,
        idp: &Arc<IdpMetadata>,
        expected: &assertion::Expected<'_>,
        statement: &assertion::Statement,
    ) -> Result<(), Error> {
        let question = second_opinion::Question::new(message, idp, expected);
        let theirs = self.options.verifiers.run(move || question.assertion()).await??;
        second_opinion::compare(&theirs, expected, statement)
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
    let is_wrapped = memchr::memchr3(b' ', b'\n', b'\r', field.as_bytes()).is_some() || field.contains('\t');
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
        Box::pin(std::future::ready(self.begin(None)))
    }

    fn start_for<'a>(&'a self, login_hint: &'a str) -> BoxFuture<'a, Result<Start, Error>> {
        Box::pin(std::future::ready(self.begin(Some(login_hint))))
    }

    /// Runs inline: the gate bounds the work to a fifth of a millisecond for real responses, ten for the largest. Keys of
    /// ours open what is encrypted, and a second verifier works, on other threads.
    fn finish<'a>(&'a self, pending: &'a [u8], answer: &'a Answer) -> BoxFuture<'a, Result<AssertedIdentity, Error>> {
        Box::pin(self.accept(pending, answer))
    }

    fn takes_unsolicited(&self) -> bool {
        self.options.unsolicited
    }

    fn finish_unsolicited<'a>(&'a self, answer: &'a Answer) -> BoxFuture<'a, Result<AssertedIdentity, Error>> {
        Box::pin(self.accept_unsolicited(answer))
    }

    fn judge(&self, outcome: Result<(), &Error>) -> Checks {
        super::trial::judged(&examine::STAGES, outcome)
    }

    fn examine(&self) -> BoxFuture<'_, Checks> {
        Box::pin(std::future::ready(self.examine_metadata()))
    }

    fn try_captured<'a>(&'a self, document: &'a str) -> BoxFuture<'a, Option<Trial>> {
        Box::pin(async move { Some(self.try_document(document).await) })
    }

    fn has_logout(&self) -> bool {
        self.logout_address().is_some()
    }

    fn start_logout<'a>(&'a self, at: &'a AtUpstream) -> BoxFuture<'a, Result<Option<Start>, Error>> {
        Box::pin(std::future::ready(self.begin_logout(at)))
    }

    fn read_logout<'a>(&'a self, delivery: Delivery<'a>) -> BoxFuture<'a, Result<LogoutMessage, Error>> {
        Box::pin(std::future::ready(self.accept_logout(delivery)))
    }

    fn answer_logout<'a>(&'a self, request: &'a LogoutRequest) -> BoxFuture<'a, Result<Departure, Error>> {
        Box::pin(std::future::ready(self.confirm_logout(request)))
    }

    fn health(&self) -> Option<Health> {
        let idp = self.idp();
        let certificates = [idp.uses(), self.options.keys.uses()].concat();
        Some(Health { certificates, valid_until: idp.valid_until(), ..Health::default() })
    }

    fn metadata(&self) -> Option<(&'static str, String)> {
        Some(self.addresses.publish(&self.options))
    }
}
