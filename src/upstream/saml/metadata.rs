//! Metadata documents (saml-metadata-2.0-os): the identity provider's is read, ours is written.
//!
//! A document without a usable signing key is refused, because without one nothing could be verified. Certificates only
//! carry keys here: their names, issuers and dates decide nothing (saml-metadata-iop), whoever configures the document
//! vouches for them. A signature on the document is not looked at.

use base64::{Engine, prelude::BASE64_STANDARD};
use roxmltree::Node;
use url::Url;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::public_key::PublicKey;

use super::canonical::escape_attribute;
use super::gate;
use super::request::{POST_BINDING, REDIRECT_BINDING};
use super::signature::SigningKey;
use super::time;
use super::tree::{self, DSIG, METADATA, PROTOCOL, attribute, child, children, optional_attribute};
use crate::clock::Timestamp;
use crate::upstream::Error;

const MAX_KEYS: usize = 8;
const MAX_ENTITY_ID_BYTES: usize = 1024;

/// The document cannot be used; nothing of it is.
#[derive(Debug, thiserror::Error)]
#[error("the identity provider's metadata cannot be used: {reason}")]
pub struct Unusable {
    /// What is wrong with it, one line.
    pub reason: String,
}

fn unusable(reason: impl Into<String>) -> Unusable {
    Unusable { reason: reason.into() }
}

impl From<Error> for Unusable {
    fn from(error: Error) -> Self {
        match error {
            Error::Refused { rule, reason } => unusable(format!("{rule}: {reason}")),
            Error::Declined { reason } | Error::Unavailable { reason } => unusable(reason),
        }
    }
}

/// What is used of an identity provider's metadata.
#[derive(Debug)]
pub struct IdpMetadata {
    entity_id: String,
    keys: Vec<SigningKey>,
    #[cfg(feature = "second-opinion")]
    certificates: Vec<Vec<u8>>,
    redirect: Url,
    wants_signed_requests: bool,
    valid_until: Option<Timestamp>,
}

impl IdpMetadata {
    /// Reads an `EntityDescriptor` with an `IDPSSODescriptor`, or an `EntitiesDescriptor` that holds exactly one such.
    /// The document has at most 1 MiB, no document type, and may contain comments.
    ///
    /// # Errors
    /// [`Unusable`] when it is malformed, names no provider or several, has no signing key of an accepted kind (RSA of
    /// 2048 to 8192 bits, P-256, P-384) or no single sign-on address for the HTTP-Redirect binding.
    pub fn parse(document: &[u8]) -> Result<Self, Unusable> {
        let text = gate::check(document, gate::METADATA)?;
        let document = tree::parse(text)?;
        let entity = find_entity(document.root_element())?;
        let entity_id = attribute(entity, "entityID")?;
        tree::check_name(entity_id, "entityID")?;
        if entity_id.len() > MAX_ENTITY_ID_BYTES {
            return Err(unusable("the entity id is too long"));
        }
        let role = find_role(entity).ok_or_else(|| unusable("it describes no SAML 2.0 identity provider"))?;
        let certificates = signing_certificates(role)?;
        let mut keys = Vec::new();
        let mut problem = String::from("it has no signing key");
        for certificate in &certificates {
            match signing_key(certificate) {
                Ok(key) => keys.push(key),
                Err(reason) => problem = format!("it has no usable signing key: {reason}"),
            }
        }
        if keys.is_empty() {
            return Err(unusable(problem));
        }
        if keys.len() > MAX_KEYS {
            return Err(unusable(format!("it has more than {MAX_KEYS} signing keys")));
        }
        let wants_signed_requests = matches!(optional_attribute(role, "WantAuthnRequestsSigned"), Some("true" | "1"));
        Ok(Self {
            entity_id: entity_id.to_owned(),
            keys,
            redirect: redirect_address(role)?,
            wants_signed_requests,
            valid_until: valid_until(&[entity, role])?,
            #[cfg(feature = "second-opinion")]
            certificates,
        })
    }

    /// The provider's entity id, which its responses and assertions name as issuer.
    pub fn entity_id(&self) -> &str {
        &self.entity_id
    }

    /// Where browsers are sent with a request, by the HTTP-Redirect binding.
    pub fn redirect_address(&self) -> &Url {
        &self.redirect
    }

    /// Whether the provider says that it refuses requests without signature. Ours have none.
    pub fn wants_signed_requests(&self) -> bool {
        self.wants_signed_requests
    }

    /// Until when the document may be used, if it says so.
    pub fn valid_until(&self) -> Option<Timestamp> {
        self.valid_until
    }

    /// How many keys may sign; two during a change of keys.
    pub fn key_count(&self) -> usize {
        self.keys.len()
    }

    /// The keys that may sign.
    pub(super) fn keys(&self) -> &[SigningKey] {
        &self.keys
    }

    /// The signing certificates in DER, for the second verifier.
    #[cfg(feature = "second-opinion")]
    pub(super) fn certificates(&self) -> &[Vec<u8>] {
        &self.certificates
    }
}

/// The one entity that is an identity provider.
fn find_entity<'d, 'i>(root: Node<'d, 'i>) -> Result<Node<'d, 'i>, Unusable> {
    if tree::is(root, METADATA, "EntityDescriptor") {
        return Ok(root);
    }
    if !tree::is(root, METADATA, "EntitiesDescriptor") {
        return Err(unusable("it is no SAML metadata document"));
    }
    let mut providers =
        root.descendants().filter(|node| tree::is(*node, METADATA, "EntityDescriptor") && find_role(*node).is_some());
    match (providers.next(), providers.next()) {
        (Some(only), None) => Ok(only),
        (None, _) => Err(unusable("it describes no SAML 2.0 identity provider")),
        (Some(_), Some(_)) => Err(unusable("it describes more than one identity provider")),
    }
}

fn find_role<'d, 'i>(entity: Node<'d, 'i>) -> Option<Node<'d, 'i>> {
    children(entity, METADATA, "IDPSSODescriptor").find(|role| {
        let protocols = optional_attribute(*role, "protocolSupportEnumeration").unwrap_or_default();
        protocols.split_ascii_whitespace().any(|protocol| protocol == PROTOCOL)
    })
}

/// The certificates in DER of every key that may sign.
fn signing_certificates(role: Node<'_, '_>) -> Result<Vec<Vec<u8>>, Unusable> {
    let mut certificates = Vec::new();
    for descriptor in children(role, METADATA, "KeyDescriptor") {
        if !matches!(optional_attribute(descriptor, "use"), None | Some("signing")) {
            continue;
        }
        let Some(info) = child(descriptor, DSIG, "KeyInfo") else { continue };
        for data in children(info, DSIG, "X509Data") {
            for certificate in children(data, DSIG, "X509Certificate") {
                let compact: String = tree::text(certificate)?.split_ascii_whitespace().collect();
                let der = BASE64_STANDARD.decode(compact).map_err(|_| unusable("a certificate is not base64"))?;
                if !certificates.contains(&der) {
                    certificates.push(der);
                }
            }
        }
    }
    Ok(certificates)
}

/// The key of a certificate, or why it cannot be used.
fn signing_key(certificate: &[u8]) -> Result<SigningKey, String> {
    let (_, certificate) = X509Certificate::from_der(certificate).map_err(|_| "no X.509 certificate".to_owned())?;
    let info = certificate.public_key();
    match info.parsed().map_err(|_| "the public key is malformed".to_owned())? {
        PublicKey::RSA(rsa) if !(2048..=8192).contains(&rsa.key_size()) => {
            Err(format!("an RSA key of {} bits", rsa.key_size()))
        }
        PublicKey::RSA(_) => SigningKey::rsa(&info.subject_public_key.data).ok_or_else(|| "a bad RSA key".to_owned()),
        PublicKey::EC(point) => {
            SigningKey::ecdsa(point.data()).ok_or_else(|| "an elliptic curve other than P-256 and P-384".to_owned())
        }
        _ => Err("neither RSA nor ECDSA".to_owned()),
    }
}

fn redirect_address(role: Node<'_, '_>) -> Result<Url, Unusable> {
    let mut services = children(role, METADATA, "SingleSignOnService");
    let service = services.find(|service| optional_attribute(*service, "Binding") == Some(REDIRECT_BINDING));
    let service = service.ok_or_else(|| unusable("it has no single sign-on address for the HTTP-Redirect binding"))?;
    let location = attribute(service, "Location")?;
    let url = Url::parse(location).map_err(|error| unusable(format!("single sign-on address: {error}")))?;
    if !matches!(url.scheme(), "https" | "http") || url.host().is_none() || url.fragment().is_some() {
        return Err(unusable("the single sign-on address is no web address"));
    }
    Ok(url)
}

/// The earliest end that any of the elements states.
fn valid_until(nodes: &[Node<'_, '_>]) -> Result<Option<Timestamp>, Unusable> {
    let mut earliest = None;
    for node in nodes.iter().flat_map(|node| node.ancestors()) {
        if let Some(text) = optional_attribute(node, "validUntil") {
            let end = time::parse(text)?;
            earliest = Some(earliest.map_or(end, |known: Timestamp| known.min(end)));
        }
    }
    Ok(earliest)
}

/// Our own metadata: one assertion consumer service by HTTP-POST, assertions wanted signed, requests not signed.
pub(super) fn render(entity_id: &str, consumer: &str) -> String {
    let quoted = |text: &str| {
        let mut out = String::with_capacity(text.len());
        escape_attribute(text, &mut out);
        out
    };
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<md:EntityDescriptor xmlns:md=\"{METADATA}\" \
         entityID=\"{}\"><md:SPSSODescriptor AuthnRequestsSigned=\"false\" WantAssertionsSigned=\"true\" \
         protocolSupportEnumeration=\"{PROTOCOL}\"><md:AssertionConsumerService Binding=\"{POST_BINDING}\" \
         Location=\"{}\" index=\"0\" isDefault=\"true\"/></md:SPSSODescriptor></md:EntityDescriptor>\n",
        quoted(entity_id),
        quoted(consumer),
    )
}
