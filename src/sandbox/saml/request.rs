//! Reads authentication requests of the HTTP-Redirect binding.

use std::io::Read;

use base64::{Engine, prelude::BASE64_STANDARD};
use flate2::read::DeflateDecoder;
use url::{Host, Url};

use super::Error;
use crate::upstream::saml::gate;
use crate::upstream::saml::tree::{self, ASSERTION, PROTOCOL, attribute, required};

const MAX_BYTES: u64 = 16 * 1024;

/// What the sandbox needs to know to answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The request's id.
    pub id: String,
    /// The entity id of the service that asks.
    pub issuer: String,
    /// Where the answer goes.
    pub consumer: String,
}

impl Request {
    /// Reads the parameter `SAMLRequest`, decoded from the address.
    ///
    /// # Errors
    /// `Request` when it is malformed or larger than 16 KiB.
    pub fn parse(parameter: &str) -> Result<Self, Error> {
        let wrong = |reason: String| Error::Request { reason };
        let packed = BASE64_STANDARD.decode(parameter).map_err(|error| wrong(error.to_string()))?;
        let mut message = Vec::new();
        let inflate = DeflateDecoder::new(packed.as_slice()).take(MAX_BYTES).read_to_end(&mut message);
        inflate.map_err(|error| wrong(error.to_string()))?;
        Self::read(&message).map_err(|error| wrong(error.to_string()))
    }

    /// Reads the field `SAMLRequest` of a form.
    ///
    /// # Errors
    /// As [`Request::parse`].
    pub fn parse_form(field: &str) -> Result<Self, Error> {
        let wrong = |reason: String| Error::Request { reason };
        let message = BASE64_STANDARD.decode(field).map_err(|error| wrong(error.to_string()))?;
        Self::read(&message).map_err(|error| wrong(error.to_string()))
    }

    fn read(message: &[u8]) -> Result<Self, crate::upstream::Error> {
        let document = tree::parse(gate::check(message, gate::MESSAGE)?)?;
        let root = document.root_element();
        if !tree::is(root, PROTOCOL, "AuthnRequest") {
            return Err(crate::upstream::saml::refused("shape", "it is no authentication request"));
        }
        Ok(Self {
            id: attribute(root, "ID")?.to_owned(),
            issuer: tree::text(required(root, ASSERTION, "Issuer")?)?.to_owned(),
            consumer: attribute(root, "AssertionConsumerServiceURL")?.to_owned(),
        })
    }

    /// Whether the answer stays on this machine.
    pub(super) fn is_local(&self) -> bool {
        Url::parse(&self.consumer).is_ok_and(|url| match url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        })
    }
}
