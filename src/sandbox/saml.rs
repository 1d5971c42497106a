//! A small SAML identity provider without passwords: whoever asks picks a person. For the demonstration and for tests;
//! it answers services on loopback only and says on each page what it is.
//!
//! [`Idp::draft`] and [`sign::fill`] are apart, so that a test can alter a response before it is signed.

use std::sync::Arc;
use std::time::Duration;

use base64::{Engine, prelude::BASE64_STANDARD};

use crate::clock::Clock;
use crate::secret::IdSource;
use crate::upstream::saml::canonical::{escape_attribute, escape_text};
use crate::upstream::saml::request::{REDIRECT_BINDING, random_id};
use crate::upstream::saml::tree::{ASSERTION, DSIG, METADATA, PROTOCOL};

pub mod encrypt;
mod key;
mod page;
mod request;
pub mod sign;

pub use encrypt::Encryption;
pub use key::{IdpKey, KeyKind};
pub use page::router;
pub use request::Request;

/// How long what it says is valid.
const LIFETIME: Duration = Duration::from_secs(300);

/// Why the sandbox cannot do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No key or certificate could be made, or it does not sign.
    #[error("signing key: {reason}")]
    Key {
        /// What failed.
        reason: String,
    },
    /// The request is malformed or comes from a service that the sandbox does not serve.
    #[error("authentication request: {reason}")]
    Request {
        /// What is wrong with it.
        reason: String,
    },
    /// A document to be signed has no place for the signature.
    #[error("document to sign: {reason}")]
    Unsignable {
        /// What is missing.
        reason: String,
    },
}

/// Somebody who can sign in.
#[derive(Clone, Debug)]
pub struct Person {
    /// The name to show.
    pub name: String,
    /// The address, which is also the name identifier.
    pub email: String,
    /// The groups.
    pub groups: Vec<String>,
}

/// What a response has a signature on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signs {
    /// The assertion: the habit of Entra ID and pysaml2.
    Assertion,
    /// Both: the habit of Okta.
    Both,
    /// The response: the habit of Google.
    Response,
}

/// The identity provider. Cloning shares its key.
#[derive(Clone, Debug)]
pub struct Idp {
    base: String,
    people: Arc<[Person]>,
    key: Arc<IdpKey>,
    signs: Signs,
    encryption: Option<Encryption>,
    clock: Clock,
    ids: IdSource,
}

impl Idp {
    /// A provider that is reached at `base` (`http://127.0.0.1:4000`, no slash at the end) and signs assertions.
    pub fn new(base: impl Into<String>, people: Vec<Person>, key: IdpKey, clock: Clock, ids: IdSource) -> Self {
        let (people, key) = (people.into(), Arc::new(key));
        Self { base: base.into(), people, key, signs: Signs::Assertion, encryption: None, clock, ids }
    }

    /// The same provider, with signatures elsewhere.
    #[must_use]
    pub fn signing(self, signs: Signs) -> Self {
        Self { signs, ..self }
    }

    /// The same provider with another clock.
    #[must_use]
    pub fn at(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    /// The same provider, which encrypts its assertions.
    #[must_use]
    pub fn encrypting(self, encryption: Encryption) -> Self {
        Self { encryption: Some(encryption), ..self }
    }

    /// Its entity id, which is also the path of its metadata.
    pub fn entity_id(&self) -> String {
        format!("{}/metadata", self.base)
    }

    /// Who can sign in.
    pub fn people(&self) -> &[Person] {
        &self.people
    }

    /// The key it signs with.
    pub fn key(&self) -> &IdpKey {
        &self.key
    }

    /// Its metadata document.
    pub fn metadata(&self) -> String {
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<md:EntityDescriptor xmlns:md=\"{METADATA}\" \
             entityID=\"{}\"><md:IDPSSODescriptor WantAuthnRequestsSigned=\"false\" \
             protocolSupportEnumeration=\"{PROTOCOL}\"><md:KeyDescriptor use=\"signing\"><ds:KeyInfo \
             xmlns:ds=\"{DSIG}\"><ds:X509Data><ds:X509Certificate>{}</ds:X509Certificate></ds:X509Data></ds:KeyInfo>\
             </md:KeyDescriptor><md:SingleSignOnService Binding=\"{REDIRECT_BINDING}\" Location=\"{}\"/>\
             </md:IDPSSODescriptor></md:EntityDescriptor>\n",
            quoted(&self.entity_id()),
            BASE64_STANDARD.encode(self.key.certificate()),
            quoted(&format!("{}/sso", self.base)),
        )
    }

    /// The signed answer to a request that says that `person` signed in, as XML.
    ///
    /// # Errors
    /// `Key` when the key does not sign.
    pub fn respond(&self, request: &Request, person: &Person) -> Result<String, Error> {
        self.finish(&self.draft(request, person))
    }

    /// Signs and encrypts a draft.
    ///
    /// # Errors
    /// `Key`, `Unsignable`.
    pub fn finish(&self, draft: &str) -> Result<String, Error> {
        let Some(encryption) = &self.encryption else { return sign::fill(draft, &self.key) };
        let inner = match self.signs {
            Signs::Response => None,
            Signs::Assertion | Signs::Both => sign::fill_innermost(draft, &self.key)?,
        };
        sign::fill(&encryption.apply(inner.as_deref().unwrap_or(draft))?, &self.key)
    }

    /// The answer before it is signed, with templates where the signatures go.
    pub fn draft(&self, request: &Request, person: &Person) -> String {
        let (now, end) = (self.clock.now(), self.clock.now().plus(LIFETIME));
        let (response_id, assertion_id) = (random_id(&self.ids), random_id(&self.ids));
        let template =
            |id: &str, wanted: bool| if wanted { sign::template(id, self.key.kind()) } else { String::new() };
        let issuer = format!("<saml:Issuer>{}</saml:Issuer>", text(&self.entity_id()));
        let (request_id, consumer) = (quoted(&request.id), quoted(&request.consumer));
        format!(
            "<samlp:Response xmlns:samlp=\"{PROTOCOL}\" xmlns:saml=\"{ASSERTION}\" ID=\"{response_id}\" \
             Version=\"2.0\" IssueInstant=\"{now}\" Destination=\"{consumer}\" InResponseTo=\"{request_id}\">{issuer}\
             {}<samlp:Status><samlp:StatusCode Value=\"urn:oasis:names:tc:SAML:2.0:status:Success\"/></samlp:Status>\
             <saml:Assertion xmlns:xs=\"http://www.w3.org/2001/XMLSchema\" \
             xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" ID=\"{assertion_id}\" Version=\"2.0\" \
             IssueInstant=\"{now}\">{issuer}{}<saml:Subject>\
             <saml:NameID Format=\"urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress\">{}</saml:NameID>\
             <saml:SubjectConfirmation Method=\"urn:oasis:names:tc:SAML:2.0:cm:bearer\"><saml:SubjectConfirmationData \
             InResponseTo=\"{request_id}\" NotOnOrAfter=\"{end}\" Recipient=\"{consumer}\"/>\
             </saml:SubjectConfirmation></saml:Subject><saml:Conditions NotBefore=\"{now}\" NotOnOrAfter=\"{end}\">\
             <saml:AudienceRestriction><saml:Audience>{}</saml:Audience></saml:AudienceRestriction></saml:Conditions>\
             <saml:AuthnStatement AuthnInstant=\"{now}\" SessionIndex=\"{}\"><saml:AuthnContext>\
             <saml:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:unspecified\
             </saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement><saml:AttributeStatement>{}\
             </saml:AttributeStatement></saml:Assertion></samlp:Response>",
            template(&response_id, self.signs != Signs::Assertion),
            template(&assertion_id, self.signs != Signs::Response),
            text(&person.email),
            text(&request.issuer),
            random_id(&self.ids),
            attributes(person),
        )
    }
}

fn attributes(person: &Person) -> String {
    let attribute = |name: &str, values: &[&str]| {
        let value =
            |value: &&str| format!("<saml:AttributeValue xsi:type=\"xs:string\">{}</saml:AttributeValue>", text(value));
        let values: String = values.iter().map(value).collect();
        format!("<saml:Attribute Name=\"{name}\">{values}</saml:Attribute>")
    };
    let groups: Vec<&str> = person.groups.iter().map(String::as_str).collect();
    [attribute("email", &[&person.email]), attribute("displayName", &[&person.name]), attribute("groups", &groups)]
        .concat()
}

fn quoted(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    escape_attribute(value, &mut out);
    out
}

fn text(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    escape_text(value, &mut out);
    out
}
