//! Messages that we send by a browser (saml-bindings-2.0-os sections 3.4 and 3.5), and the request for authentication.
//! They carry nothing about the person but what the provider itself said, and are signed where there is a key for it.

use std::io::Write;

use base64::{Engine, prelude::BASE64_STANDARD};
use flate2::Compression;
use flate2::write::DeflateEncoder;
use url::Url;

use super::canonical::{escape_attribute, escape_text};
use super::own::OwnKey;
use super::sign;
use super::tree::{ASSERTION, PROTOCOL};
use crate::clock::Timestamp;
use crate::secret::IdSource;
use crate::upstream::{Departure, Error};

/// Identifier of the HTTP-POST binding.
pub(crate) const POST_BINDING: &str = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST";
/// Identifier of the HTTP-Redirect binding.
pub(crate) const REDIRECT_BINDING: &str = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect";

/// How a message travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binding {
    /// As a form that the browser posts.
    Post,
    /// Compressed, in the query of an address.
    Redirect,
}

impl Binding {
    /// Its identifier.
    pub(super) const fn uri(self) -> &'static str {
        match self {
            Self::Post => POST_BINDING,
            Self::Redirect => REDIRECT_BINDING,
        }
    }
}

/// A message to be sent.
pub(super) struct Message<'a> {
    /// `SAMLRequest` or `SAMLResponse`.
    pub(super) field: &'static str,
    /// The id of its root element.
    pub(super) id: &'a str,
    /// The document, unsigned.
    pub(super) document: &'a str,
    /// The provider's address.
    pub(super) destination: &'a Url,
    /// What comes back with the answer.
    pub(super) relay_state: Option<&'a str>,
}

impl Message<'_> {
    /// Where the browser goes with it.
    ///
    /// # Errors
    /// `Unavailable` when it cannot be compressed or signed.
    pub(super) fn send(&self, binding: Binding, key: Option<&OwnKey>) -> Result<Departure, Error> {
        match binding {
            Binding::Post => self.post(key),
            Binding::Redirect => self.redirect(key),
        }
    }

    fn post(&self, key: Option<&OwnKey>) -> Result<Departure, Error> {
        let signed = key.map(|key| sign::enveloped(self.document, self.id, key)).transpose()?;
        let packed = BASE64_STANDARD.encode(signed.as_deref().unwrap_or(self.document));
        let mut fields = vec![(self.field, packed)];
        fields.extend(self.relay_state.map(|state| ("RelayState", state.to_owned())));
        Ok(Departure { location: self.destination.to_string(), fields })
    }

    fn redirect(&self, key: Option<&OwnKey>) -> Result<Departure, Error> {
        let unavailable = |error: std::io::Error| Error::Unavailable { reason: format!("request: {error}") };
        let mut deflate = DeflateEncoder::new(Vec::new(), Compression::default());
        deflate.write_all(self.document.as_bytes()).map_err(unavailable)?;
        let packed = BASE64_STANDARD.encode(deflate.finish().map_err(unavailable)?);
        let mut parameters = vec![(self.field, packed.as_str())];
        parameters.extend(self.relay_state.map(|state| ("RelayState", state)));
        let query = sign::query(&parameters, key)?;
        // What the provider's address asks for itself stays, and is not signed.
        let mut location = self.destination.clone();
        let query = match location.query() {
            Some(own) if !own.is_empty() => format!("{own}&{query}"),
            _ => query,
        };
        location.set_query(Some(&query));
        Ok(Departure { location: location.into(), fields: Vec::new() })
    }
}

/// The address of a message with the name for the provider's form in a parameter of its own, behind all that is signed. What the
/// provider's address asks for itself stays.
///
/// SAML has a place for names, `Subject`, by which a provider is to take nobody else; Entra ID refuses such requests, and the
/// profile of deployments (saml2int) forbids them. A parameter is what Entra ID and Google read, and others pass over.
pub(super) fn hinted(location: String, destination: &Url, parameter: &str, hint: &str) -> String {
    if destination.query_pairs().any(|(name, _)| name == parameter) {
        return location;
    }
    let start = location.find('?').map_or(location.len(), |at| at + 1);
    form_urlencoded::Serializer::for_suffix(location, start).append_pair(parameter, hint).finish()
}

/// What goes into a request for authentication.
pub(super) struct AuthnRequest<'a> {
    pub(super) id: &'a str,
    pub(super) issued: Timestamp,
    /// The provider's address.
    pub(super) destination: &'a Url,
    /// Our entity id.
    pub(super) issuer: &'a str,
    /// Our assertion consumer service.
    pub(super) consumer: &'a str,
    /// Whether the person has to sign in there again, session or not.
    pub(super) force: bool,
    /// The ways to authenticate of which one is asked for; none: any.
    pub(super) contexts: &'a [String],
}

/// `_` and 128 random bits in hexadecimal: an XML name that nobody guesses.
pub(crate) fn random_id(ids: &IdSource) -> String {
    let bytes = ids.bytes::<16>();
    bytes.iter().fold(String::from("_"), |id, byte| format!("{id}{byte:02x}"))
}

/// An attribute's value, escaped.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    escape_attribute(text, &mut out);
    out
}

/// An element's text, escaped.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    escape_text(text, &mut out);
    out
}

impl AuthnRequest<'_> {
    /// The document.
    pub(super) fn render(&self) -> String {
        let force = if self.force { " ForceAuthn=\"true\"" } else { "" };
        let class =
            |context: &String| format!("<saml:AuthnContextClassRef>{}</saml:AuthnContextClassRef>", escaped(context));
        let contexts = match self.contexts {
            [] => String::new(),
            all => format!(
                "<samlp:RequestedAuthnContext Comparison=\"exact\">{}</samlp:RequestedAuthnContext>",
                all.iter().map(class).collect::<String>()
            ),
        };
        format!(
            "<samlp:AuthnRequest xmlns:samlp=\"{PROTOCOL}\" xmlns:saml=\"{ASSERTION}\" ID=\"{}\" Version=\"2.0\" \
             IssueInstant=\"{}\" Destination=\"{}\"{force} ProtocolBinding=\"{POST_BINDING}\" \
             AssertionConsumerServiceURL=\"{}\"><saml:Issuer>{}</saml:Issuer>{contexts}</samlp:AuthnRequest>",
            quoted(self.id),
            self.issued,
            quoted(self.destination.as_str()),
            quoted(self.consumer),
            escaped(self.issuer),
        )
    }
}
