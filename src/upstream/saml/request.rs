//! Authentication requests by the HTTP-Redirect binding (saml-bindings-2.0-os section 3.4). They are not signed, carry
//! nothing about the person, and leave the choice of name identifier to the provider.

use std::io::Write;

use base64::{Engine, prelude::BASE64_STANDARD};
use flate2::Compression;
use flate2::write::DeflateEncoder;
use url::Url;

use super::canonical::escape_attribute;
use super::tree::{ASSERTION, PROTOCOL};
use crate::clock::Timestamp;
use crate::secret::IdSource;
use crate::upstream::Error;

/// Identifier of the HTTP-POST binding.
pub(crate) const POST_BINDING: &str = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST";
/// Identifier of the HTTP-Redirect binding.
pub(crate) const REDIRECT_BINDING: &str = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect";

/// What goes into a request.
pub(super) struct AuthnRequest<'a> {
    pub(super) id: &'a str,
    pub(super) issued: Timestamp,
    /// The provider's address.
    pub(super) destination: &'a Url,
    /// Our entity id.
    pub(super) issuer: &'a str,
    /// Our assertion consumer service.
    pub(super) consumer: &'a str,
}

/// `_` and 128 random bits in hexadecimal: an XML name that nobody guesses.
pub(crate) fn random_id(ids: &IdSource) -> String {
    let bytes = ids.bytes::<16>();
    bytes.iter().fold(String::from("_"), |id, byte| format!("{id}{byte:02x}"))
}

impl AuthnRequest<'_> {
    /// The address that carries the request, with `relay_state` to come back.
    ///
    /// # Errors
    /// `Unavailable` when it cannot be compressed.
    pub(super) fn redirect(&self, relay_state: &str) -> Result<String, Error> {
        let unavailable = |error: std::io::Error| Error::Unavailable { reason: format!("request: {error}") };
        let mut deflate = DeflateEncoder::new(Vec::new(), Compression::default());
        deflate.write_all(self.render().as_bytes()).map_err(unavailable)?;
        let packed = BASE64_STANDARD.encode(deflate.finish().map_err(unavailable)?);
        let mut location = self.destination.clone();
        location.query_pairs_mut().append_pair("SAMLRequest", &packed).append_pair("RelayState", relay_state);
        Ok(location.into())
    }

    fn render(&self) -> String {
        let quoted = |text: &str| {
            let mut out = String::with_capacity(text.len());
            escape_attribute(text, &mut out);
            out
        };
        format!(
            "<samlp:AuthnRequest xmlns:samlp=\"{PROTOCOL}\" xmlns:saml=\"{ASSERTION}\" ID=\"{}\" Version=\"2.0\" \
             IssueInstant=\"{}\" Destination=\"{}\" ProtocolBinding=\"{POST_BINDING}\" \
             AssertionConsumerServiceURL=\"{}\"><saml:Issuer>{}</saml:Issuer></samlp:AuthnRequest>",
            quoted(self.id),
            self.issued,
            quoted(self.destination.as_str()),
            quoted(self.consumer),
            quoted(self.issuer),
        )
    }
}
