//! The identity provider's metadata document (saml-metadata-2.0-os).
//!
//! A document without a usable signing key is refused, because without one nothing could be verified. Certificates only
//! carry keys here: their names, issuers and dates decide nothing (saml-metadata-iop), whoever configures the document
//! vouches for them. Where the administrator names who signs the document, it is read from the bytes that were hashed; else its
//! signature is not looked at.

use std::sync::Arc;
use std::time::Duration;

use base64::{Engine, prelude::BASE64_STANDARD};
use roxmltree::{Document, Node};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use url::Url;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::public_key::PublicKey;

use super::request::Binding;
use super::signature::SigningKey;
use super::time;
use super::tree::{self, DSIG, METADATA, PROTOCOL, attribute, child, children, optional_attribute};
use super::{canonical, gate, own, refused, signature};
use crate::clock::Timestamp;
use crate::upstream::{CertificateUse, Error};

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
            Error::Declined { reason } | Error::Unavailable { reason } | Error::Unanswered { reason } => {
                unusable(reason)
            }
            Error::Busy => unusable(error.to_string()),
        }
    }
}

/// How a document is read.
#[derive(Clone, Debug)]
pub struct Reading {
    /// Most bytes of it; 1 MiB unless the administrator allows more.
    pub max_bytes: usize,
    /// The entity to be taken out of a document that describes several; `None`: it describes one.
    pub entity: Option<String>,
    /// Who must have signed the whole document; `None`: its signature is not looked at.
    pub signers: Option<Signers>,
}

impl Default for Reading {
    fn default() -> Self {
        Self { max_bytes: gate::METADATA.max_bytes, entity: None, signers: None }
    }
}

/// Whose signature of a metadata document is taken. Cloning shares it.
#[derive(Clone, Debug)]
pub struct Signers(Arc<(Vec<SigningKey>, Vec<String>)>);

impl Signers {
    /// Those of the certificates in a PEM text: at least one, of an accepted kind of key (RSA of 2048 to 8192 bits, P-256,
    /// P-384). As with providers, nothing but the keys of the certificates counts.
    ///
    /// # Errors
    /// [`Unusable`].
    pub fn from_pem(pem: &[u8]) -> Result<Self, Unusable> {
        let (mut keys, mut fingerprints) = (Vec::new(), Vec::new());
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|error| unusable(format!("the signers are no PEM: {error}")))?;
            let read = signing_key(&certificate);
            let (key, certificate) = read.map_err(|reason| unusable(format!("the key of a signer: {reason}")))?;
            keys.push(key);
            fingerprints.push(certificate.fingerprint);
        }
        match keys.len() {
            0 => Err(unusable("there is no certificate of a signer")),
            1..=MAX_KEYS => Ok(Self(Arc::new((keys, fingerprints)))),
            _ => Err(unusable(format!("there are more than {MAX_KEYS} signers"))),
        }
    }

    /// The certificates, as SHA-256 in hexadecimal.
    pub(super) fn fingerprints(&self) -> &[String] {
        &self.0.1
    }

    /// The bytes of a document that one of them signed.
    fn verified(&self, document: &Document<'_>) -> Result<String, Error> {
        tree::check_document_signature(document)?;
        signature::verify_message(document, &self.0.0).map_err(|error| match error {
            Error::Refused { rule: rule @ "signature", .. } => {
                refused(rule, "the document is not signed by the key of one of `metadata.signed_by`")
            }
            other => other,
        })
    }
}

/// A certificate of a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// SHA-256 of it, in hexadecimal.
    pub fingerprint: String,
    /// When it ends. That decides nothing about signatures; a provider that watches it changes keys by then.
    pub expires: Timestamp,
}

/// Where a provider takes requests for logout and answers to ours.
#[derive(Clone, Debug)]
pub struct LogoutService {
    /// How both travel.
    pub binding: Binding,
    /// Where requests go.
    pub requests: Url,
    /// Where answers go.
    pub answers: Url,
}

/// What is used of an identity provider's metadata.
#[derive(Debug)]
pub struct IdpMetadata {
    entity_id: String,
    document: String,
    keys: Vec<SigningKey>,
    certificates: Vec<Certificate>,
    #[cfg(feature = "second-opinion")]
    ders: Vec<Vec<u8>>,
    redirect: Option<Url>,
    post: Option<Url>,
    logout: Option<LogoutService>,
    wants_signed_requests: bool,
    valid_until: Option<Timestamp>,
    cache_duration: Option<Duration>,
}

impl IdpMetadata {
    /// Reads an `EntityDescriptor` with an `IDPSSODescriptor`, or an `EntitiesDescriptor` that holds exactly one such.
    /// The document has at most 1 MiB, no document type, and may contain comments.
    ///
    /// # Errors
    /// [`Unusable`] when it is malformed, names no provider or several, has no signing key of an accepted kind (RSA of
    /// 2048 to 8192 bits, P-256, P-384) or no single sign-on address for a binding that we know.
    pub fn parse(document: &[u8]) -> Result<Self, Unusable> {
        Self::parse_as(document, &Reading::default())
    }

    /// The same for larger documents, or one provider of several.
    ///
    /// # Errors
    /// As [`IdpMetadata::parse`]; also when the entity that is asked for is not in it, or is there twice, and when none of
    /// those has signed it who must have.
    pub fn parse_as(document: &[u8], reading: &Reading) -> Result<Self, Unusable> {
        let text = gate::check(document, gate::METADATA.allowing(reading.max_bytes))?;
        let document = tree::parse(text)?;
        match &reading.signers {
            None => Self::read(&document, reading.entity.as_deref()),
            // Nothing of the document is read but what was hashed.
            Some(signers) => Self::read(&tree::parse(&signers.verified(&document)?)?, reading.entity.as_deref()),
        }
    }

    fn read(document: &Document<'_>, entity: Option<&str>) -> Result<Self, Unusable> {
        let entity = find_entity(document.root_element(), entity)?;
        let entity_id = attribute(entity, "entityID")?;
        tree::check_name(entity_id, "entityID")?;
        if entity_id.len() > MAX_ENTITY_ID_BYTES {
            return Err(unusable("the entity id is too long"));
        }
        let role = find_role(entity).ok_or_else(|| unusable("it describes no SAML 2.0 identity provider"))?;
        let ders = signing_certificates(role)?;
        let (mut keys, mut certificates) = (Vec::new(), Vec::new());
        let mut problem = String::from("it has no signing key");
        for der in &ders {
            match signing_key(der) {
                Ok((key, certificate)) => {
                    keys.push(key);
                    certificates.push(certificate);
                }
                Err(reason) => problem = format!("it has no usable signing key: {reason}"),
            }
        }
        if keys.is_empty() {
            return Err(unusable(problem));
        }
        if keys.len() > MAX_KEYS {
            return Err(unusable(format!("it has more than {MAX_KEYS} signing keys")));
        }
        let address = |binding| address(role, "SingleSignOnService", binding, "Location");
        let (redirect, post) = (address(Binding::Redirect)?, address(Binding::Post)?);
        if redirect.is_none() && post.is_none() {
            return Err(unusable("it has no single sign-on address for the HTTP-Redirect or the HTTP-POST binding"));
        }
        let wants_signed_requests = matches!(optional_attribute(role, "WantAuthnRequestsSigned"), Some("true" | "1"));
        Ok(Self {
            entity_id: entity_id.to_owned(),
            document: canonical::render(entity, None, &canonical::Options::default()),
            keys,
            certificates,
            redirect,
            post,
            logout: logout_service(role)?,
            wants_signed_requests,
            valid_until: valid_until(&[entity, role])?,
            cache_duration: cache_duration(&[entity, role]),
            #[cfg(feature = "second-opinion")]
            ders,
        })
    }

    /// The provider's entity id, which its responses and assertions name as issuer.
    pub fn entity_id(&self) -> &str {
        &self.entity_id
    }

    /// The provider's own part of the document, which can be read by itself.
    pub(super) fn document(&self) -> &str {
        &self.document
    }

    /// The same, which ends then if it does not end before.
    pub(super) fn ending_by(self, end: Option<Timestamp>) -> Self {
        let valid_until = self.valid_until.into_iter().chain(end).min();
        Self { valid_until, ..self }
    }

    /// Where browsers are sent with a request by this binding.
    pub fn sign_in_address(&self, binding: Binding) -> Option<&Url> {
        match binding {
            Binding::Post => self.post.as_ref(),
            Binding::Redirect => self.redirect.as_ref(),
        }
    }

    /// Where requests for logout go, if it takes any.
    pub fn logout(&self) -> Option<&LogoutService> {
        self.logout.as_ref()
    }

    /// Whether the provider says that it refuses requests without signature.
    pub fn wants_signed_requests(&self) -> bool {
        self.wants_signed_requests
    }

    /// Until when the document may be used, if it says so.
    pub fn valid_until(&self) -> Option<Timestamp> {
        self.valid_until
    }

    /// How long the document may be kept before it is read again, if it says so.
    pub fn cache_duration(&self) -> Option<Duration> {
        self.cache_duration
    }

    /// How many keys may sign; two during a change of keys.
    pub fn key_count(&self) -> usize {
        self.keys.len()
    }

    /// The certificates of the keys that may sign.
    pub fn certificates(&self) -> &[Certificate] {
        &self.certificates
    }

    /// The same, for whoever watches their ends.
    pub fn uses(&self) -> Vec<CertificateUse> {
        let told = |certificate: &Certificate| CertificateUse {
            usage: "provider signing",
            fingerprint: certificate.fingerprint.clone(),
            expires: certificate.expires,
        };
        self.certificates.iter().map(told).collect()
    }

    /// The keys that may sign.
    pub(super) fn keys(&self) -> &[SigningKey] {
        &self.keys
    }

    /// The signing certificates in DER, for the second verifier.
    #[cfg(feature = "second-opinion")]
    pub(super) fn ders(&self) -> &[Vec<u8>] {
        &self.ders
    }
}

/// The one entity that is an identity provider.
fn find_entity<'d, 'i>(root: Node<'d, 'i>, wanted: Option<&str>) -> Result<Node<'d, 'i>, Unusable> {
    let is_wanted = |node: &Node<'_, '_>| wanted.is_none_or(|id| optional_attribute(*node, "entityID") == Some(id));
    if tree::is(root, METADATA, "EntityDescriptor") {
        return if is_wanted(&root) { Ok(root) } else { Err(unusable("it describes another entity")) };
    }
    if !tree::is(root, METADATA, "EntitiesDescriptor") {
        return Err(unusable("it is no SAML metadata document"));
    }
    let mut providers = root
        .descendants()
        .filter(|node| tree::is(*node, METADATA, "EntityDescriptor") && is_wanted(node) && find_role(*node).is_some());
    match (providers.next(), providers.next()) {
        (Some(only), None) => Ok(only),
        (None, _) if wanted.is_some() => Err(unusable("the entity that is asked for is no identity provider in it")),
        (None, _) => Err(unusable("it describes no SAML 2.0 identity provider")),
        (Some(_), Some(_)) => {
            Err(unusable("it describes more than one identity provider; name the one with `metadata.entity_id`"))
        }
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
fn signing_key(der: &[u8]) -> Result<(SigningKey, Certificate), String> {
    let (_, parsed) = X509Certificate::from_der(der).map_err(|_| "no X.509 certificate".to_owned())?;
    let fingerprint = own::fingerprint(der);
    let expires = Timestamp::from_seconds(parsed.validity().not_after.timestamp());
    Ok((public_key(&parsed)?, Certificate { fingerprint, expires }))
}

fn public_key(certificate: &X509Certificate<'_>) -> Result<SigningKey, String> {
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

/// The address of the first service of this kind and binding.
fn address(
    role: Node<'_, '_>,
    service: &'static str,
    binding: Binding,
    name: &'static str,
) -> Result<Option<Url>, Unusable> {
    let mut services = children(role, METADATA, service);
    let service = services.find(|service| optional_attribute(*service, "Binding") == Some(binding.uri()));
    let Some(location) = service.and_then(|service| optional_attribute(service, name)) else { return Ok(None) };
    let url = Url::parse(location).map_err(|error| unusable(format!("the address `{name}`: {error}")))?;
    if !matches!(url.scheme(), "https" | "http") || url.host().is_none() || url.fragment().is_some() {
        return Err(unusable(format!("the address `{name}` is no web address")));
    }
    Ok(Some(url))
}

/// The single logout service, by the binding that needs no script if there is a choice.
fn logout_service(role: Node<'_, '_>) -> Result<Option<LogoutService>, Unusable> {
    for binding in [Binding::Redirect, Binding::Post] {
        let address = |name| address(role, "SingleLogoutService", binding, name);
        if let Some(requests) = address("Location")? {
            let answers = address("ResponseLocation")?.unwrap_or_else(|| requests.clone());
            return Ok(Some(LogoutService { binding, requests, answers }));
        }
    }
    Ok(None)
}

/// The shortest duration that any of the elements states; one that is not of days and shorter units is not looked at.
fn cache_duration(nodes: &[Node<'_, '_>]) -> Option<Duration> {
    let stated = nodes.iter().flat_map(|node| node.ancestors());
    stated.filter_map(|node| time::parse_duration(optional_attribute(node, "cacheDuration")?)).min()
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
