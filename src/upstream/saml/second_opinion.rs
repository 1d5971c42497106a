//! A second, independent verifier: samael on xmlsec and libxml2. It sees only what ours has accepted, so that nothing
//! hostile reaches its parser, and must come to the same person, or nobody signs in.
//!
//! Time is judged by ours alone, because this one reads the system clock.

use std::sync::Arc;

use base64::{Engine, prelude::BASE64_STANDARD};
use samael::crypto::{AllowedSignatureAlgorithm, CertificateDer, Crypto, CryptoProvider, ReduceMode};
use samael::metadata::EntityDescriptor;
use samael::schema::Assertion;
use samael::service_provider::ServiceProvider;

use super::assertion::{Expected, Statement};
use super::canonical::escape_attribute;
use super::metadata::IdpMetadata;
use super::tree::{DSIG, METADATA, PROTOCOL};
use super::{refused, tree};
use crate::upstream::Error;

const RULE: &str = "second-opinion";

/// Its default of 90 seconds and 180 seconds times this are decades, which switches its clock off.
const CLOCK_OFF: i32 = 10_000_000;

const ALGORITHMS: [AllowedSignatureAlgorithm; 5] = [
    AllowedSignatureAlgorithm::EcdsaSha256,
    AllowedSignatureAlgorithm::EcdsaSha384,
    AllowedSignatureAlgorithm::RsaSha256,
    AllowedSignatureAlgorithm::RsaSha384,
    AllowedSignatureAlgorithm::RsaSha512,
];

/// A message that ours has accepted, and what it must be; to be asked about on a thread that may take its time.
pub(super) struct Question {
    message: String,
    idp: Arc<IdpMetadata>,
    audience: String,
    recipient: String,
    request: Option<String>,
}

impl Question {
    pub(super) fn new(message: &str, idp: &Arc<IdpMetadata>, expected: &Expected<'_>) -> Self {
        Self {
            message: message.to_owned(),
            idp: Arc::clone(idp),
            audience: expected.audience.to_owned(),
            recipient: expected.recipient.to_owned(),
            request: expected.request.map(str::to_owned),
        }
    }

    /// What the second verifier reads in the message.
    ///
    /// # Errors
    /// `Refused` with rule `second-opinion` when it refuses.
    pub(super) fn assertion(&self) -> Result<Assertion, Error> {
        each(&self.idp, |certificate| verify(self, certificate))
    }

    /// What the second verifier hashes of a response that is signed, whatever is encrypted in it.
    ///
    /// # Errors
    /// `Refused` with rule `second-opinion` when it refuses.
    pub(super) fn envelope(&self) -> Result<String, Error> {
        each(&self.idp, |certificate| {
            let certificate = [CertificateDer::from(certificate.to_vec())];
            let (mode, algorithms) = (ReduceMode::PreDigest, Some(&ALGORITHMS[..]));
            Crypto::reduce_xml_to_signed_with_allowed_algorithms(&self.message, &certificate, mode, algorithms)
                .map_err(|error| error.to_string())
        })
    }
}

/// What comes of one certificate at a time: it stops at a key that is not of the signature's kind.
fn each<T>(idp: &IdpMetadata, by: impl Fn(&[u8]) -> Result<T, String>) -> Result<T, Error> {
    let mut reason = String::from("there is no certificate");
    for certificate in idp.ders() {
        match by(certificate) {
            Ok(found) => return Ok(found),
            Err(error) => reason = error,
        }
    }
    Err(refused(RULE, format!("the second verifier refused: {}", tree::printable(&reason))))
}

/// Refuses a response of which the second verifier hashed other bytes than ours.
///
/// # Errors
/// `Refused` with rule `second-opinion`.
pub(super) fn compare_envelopes(theirs: &str, ours: &str) -> Result<(), Error> {
    if theirs == ours { Ok(()) } else { Err(refused(RULE, "the second verifier reads another response")) }
}

fn verify(question: &Question, certificate: &[u8]) -> Result<Assertion, String> {
    let mut provider = ServiceProvider {
        entity_id: Some(question.audience.clone()),
        metadata_url: None,
        acs_url: Some(question.recipient.clone()),
        slo_url: None,
        idp_metadata: describe(question.idp.entity_id(), certificate)?,
        // Without a request there is none that the answer could name; that it names none is judged by ours.
        allow_idp_initiated: question.request.is_none(),
        allowed_signature_algorithms: Some(ALGORITHMS.to_vec()),
        ..ServiceProvider::default()
    };
    provider.max_issue_delay = provider.max_issue_delay * CLOCK_OFF;
    provider.max_clock_skew = provider.max_clock_skew * CLOCK_OFF;
    // Without a certificate it would check no signature at all.
    match provider.idp_signing_certs() {
        Ok(Some(certificates)) if certificates.len() == 1 => {}
        _ => return Err("it did not take the certificate".to_owned()),
    }
    provider
        .parse_xml_response_with_mode(
            &question.message,
            question.request.as_deref().as_ref().map(std::slice::from_ref),
            ReduceMode::PreDigest,
        )
        .map_err(|error| error.to_string())
}

/// Metadata with this one certificate.
fn describe(issuer: &str, certificate: &[u8]) -> Result<EntityDescriptor, String> {
    let mut entity_id = String::new();
    escape_attribute(issuer, &mut entity_id);
    format!(
        "<EntityDescriptor xmlns=\"{METADATA}\" entityID=\"{entity_id}\"><IDPSSODescriptor \
         protocolSupportEnumeration=\"{PROTOCOL}\"><KeyDescriptor use=\"signing\"><KeyInfo xmlns=\"{DSIG}\"><X509Data>\
         <X509Certificate>{}</X509Certificate></X509Data></KeyInfo></KeyDescriptor></IDPSSODescriptor>\
         </EntityDescriptor>",
        BASE64_STANDARD.encode(certificate)
    )
    .parse::<EntityDescriptor>()
    .map_err(|error| error.to_string())
}

/// Compares issuer, audience, subject and attributes with what ours read.
///
/// # Errors
/// `Refused` with rule `second-opinion` when they differ.
pub(super) fn compare(theirs: &Assertion, expected: &Expected<'_>, ours: &Statement) -> Result<(), Error> {
    let differs = |what: &str| Err(refused(RULE, format!("the second verifier reads another {what}")));
    if theirs.id != ours.id {
        return differs("assertion");
    }
    if theirs.issuer.value.as_deref() != Some(expected.issuer) {
        return differs("issuer");
    }
    let subject = theirs.subject.as_ref().and_then(|subject| subject.name_id.as_ref());
    if subject
        .is_none_or(|name| name.value != ours.name_id || name.format.clone().unwrap_or_default() != ours.name_id_format)
    {
        return differs("subject");
    }
    let restrictions = theirs.conditions.as_ref().and_then(|conditions| conditions.audience_restrictions.as_ref());
    let names_us = |audience: &Vec<String>| audience.iter().any(|name| name == expected.audience);
    if restrictions.is_none_or(|all| all.is_empty() || !all.iter().all(|one| names_us(&one.audience))) {
        return differs("audience");
    }
    // It trims values, which changes nothing that ours accepts as a name.
    let read = theirs.attribute_statements.iter().flatten().flat_map(|statement| &statement.attributes).map(|a| {
        let values = a.values.iter().map(|value| value.value.as_deref().unwrap_or_default().trim());
        (a.name.as_deref().unwrap_or_default(), values.collect::<Vec<_>>())
    });
    let expected_attributes =
        ours.attributes.iter().map(|a| (a.name.as_str(), a.values.iter().map(|v| v.trim()).collect::<Vec<_>>()));
    if read.ne(expected_attributes) {
        return differs("attribute");
    }
    Ok(())
}
