//! XML signatures of the one shape that the profile needs (saml-core-2.0-os section 5.4): enveloped, one reference to
//! the parent, exclusive canonicalization, SHA-2, keys from metadata.
//!
//! What a signature says about its own key is never looked at. [`VerifiedAssertion`] holds the bytes that were hashed,
//! and only [`verify`] makes one.

use aws_lc_rs::digest;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
};
use base64::{Engine, prelude::BASE64_STANDARD};
use roxmltree::{Document, Node};

use super::tree::{ASSERTION, DSIG, EXCLUSIVE, attribute, child, optional_attribute, printable, required, text};
use super::{canonical, refused};
use crate::upstream::Error;

const ENVELOPED: &str = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";
const MAX_SIGNATURE_BYTES: usize = 1024;
/// It is hashed for each key of the provider, before anything is known to be from there. Real ones have less than 2 KiB.
const MAX_SIGNED_INFO_BYTES: usize = 8 * 1024;
/// Each prefix is looked for in each element, and the list is read before the signature is verified.
const MAX_PREFIX_LIST_BYTES: usize = 256;

/// A signature method that is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Algorithm {
    EcdsaSha256,
    EcdsaSha384,
    RsaSha256,
    RsaSha384,
    RsaSha512,
}

impl Algorithm {
    /// The method with this identifier (RFC 9231 section 2.3), if it is accepted.
    fn find(uri: &str) -> Option<Self> {
        Some(match uri {
            "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256" => Self::EcdsaSha256,
            "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384" => Self::EcdsaSha384,
            "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256" => Self::RsaSha256,
            "http://www.w3.org/2001/04/xmldsig-more#rsa-sha384" => Self::RsaSha384,
            "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512" => Self::RsaSha512,
            _ => return None,
        })
    }
}

/// The digest with this identifier (RFC 9231 section 2.1), if it is accepted.
fn find_digest(uri: &str) -> Option<&'static digest::Algorithm> {
    Some(match uri {
        "http://www.w3.org/2001/04/xmlenc#sha256" => &digest::SHA256,
        "http://www.w3.org/2001/04/xmldsig-more#sha384" => &digest::SHA384,
        "http://www.w3.org/2001/04/xmlenc#sha512" => &digest::SHA512,
        _ => return None,
    })
}

/// A public key of an identity provider, ready for each method that fits it.
#[derive(Debug)]
pub struct SigningKey {
    methods: Vec<(Algorithm, ParsedPublicKey)>,
}

impl SigningKey {
    /// An RSA key of 2048 to 8192 bits from its PKCS #1 form; `None` when it is no such key.
    pub(super) fn rsa(public_key: &[u8]) -> Option<Self> {
        let methods = [
            (Algorithm::RsaSha256, ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public_key).ok()?),
            (Algorithm::RsaSha384, ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA384, public_key).ok()?),
            (Algorithm::RsaSha512, ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA512, public_key).ok()?),
        ];
        Some(Self { methods: methods.into() })
    }

    /// A key on P-256 or P-384 from its uncompressed point; `None` when it is no such key.
    pub(super) fn ecdsa(point: &[u8]) -> Option<Self> {
        let p256 = ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).ok().filter(|_| point.len() == 65);
        let p384 = ParsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point).ok().filter(|_| point.len() == 97);
        let p256 = p256.map(|key| (Algorithm::EcdsaSha256, key));
        let method = p256.or_else(|| p384.map(|key| (Algorithm::EcdsaSha384, key)))?;
        Some(Self { methods: vec![method] })
    }

    fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        let mut keys = self.methods.iter().filter(|(method, _)| *method == algorithm);
        keys.any(|(_, key)| key.verify_sig(message, signature).is_ok())
    }
}

/// Which element a signature was made over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signed {
    /// The assertion alone.
    Assertion,
    /// The response with the assertion in it.
    Response,
}

/// The bytes that were hashed and signed by the identity provider. They hold one assertion, at the root or in a
/// response. There is no other way to make one than [`verify`].
#[derive(Debug)]
pub(super) struct VerifiedAssertion {
    bytes: String,
    signed: Signed,
}

impl VerifiedAssertion {
    /// The canonical text that was hashed.
    pub(super) fn text(&self) -> &str {
        &self.bytes
    }

    /// What it is the text of.
    pub(super) fn signed(&self) -> Signed {
        self.signed
    }
}

/// Verifies every signature of a response whose structure was checked. At least one must be there; where the response
/// is signed, what it hashed is used, else what the assertion's signature hashed.
///
/// # Errors
/// `Refused` with rule `shape`, `size`, `signature`, `algorithm`, `reference`, `transform` or `digest`.
pub(super) fn verify(document: &Document<'_>, keys: &[SigningKey]) -> Result<VerifiedAssertion, Error> {
    let response = document.root_element();
    let assertion = required(response, ASSERTION, "Assertion")?;
    let inner = verify_if_signed(assertion, keys)?;
    match (verify_if_signed(response, keys)?, inner) {
        (Some(bytes), _) => Ok(VerifiedAssertion { bytes, signed: Signed::Response }),
        (None, Some(bytes)) => Ok(VerifiedAssertion { bytes, signed: Signed::Assertion }),
        (None, None) => Err(refused("signature", "neither the response nor the assertion is signed")),
    }
}

/// A response with an encrypted assertion, as it was hashed and signed by the identity provider. Only
/// [`verify_envelope`] makes one.
#[derive(Debug)]
pub(super) struct VerifiedEnvelope(String);

impl VerifiedEnvelope {
    /// The canonical text that was hashed.
    pub(super) fn text(&self) -> &str {
        &self.0
    }
}

/// Verifies the signature of a response whose assertion is encrypted, if it has one.
///
/// # Errors
/// As [`verify`].
pub(super) fn verify_envelope(document: &Document<'_>, keys: &[SigningKey]) -> Result<Option<VerifiedEnvelope>, Error> {
    Ok(verify_if_signed(document.root_element(), keys)?.map(VerifiedEnvelope))
}

/// Verifies what was decrypted, in the place where it was encrypted. Within a signed response, whose hash covers what
/// was encrypted, the signature of the assertion may be missing; it must not be wrong.
///
/// # Errors
/// As [`verify`].
pub(super) fn verify_opened(
    envelope: Option<&VerifiedEnvelope>,
    opened: &Document<'_>,
    keys: &[SigningKey],
) -> Result<VerifiedAssertion, Error> {
    if envelope.is_none() {
        return verify(opened, keys);
    }
    let assertion = required(opened.root_element(), ASSERTION, "Assertion")?;
    verify_if_signed(assertion, keys)?;
    Ok(VerifiedAssertion { bytes: opened.input_text().to_owned(), signed: Signed::Response })
}

/// Verifies the signature of a whole message, which must be there, and gives the bytes that it covers.
///
/// # Errors
/// As [`verify`].
pub(super) fn verify_message(document: &Document<'_>, keys: &[SigningKey]) -> Result<String, Error> {
    let verified = verify_if_signed(document.root_element(), keys)?;
    verified.ok_or_else(|| refused("signature", "the message is not signed"))
}

/// Verifies a signature over the encoded parameters of the Redirect binding.
///
/// # Errors
/// `Refused` with rule `algorithm` or `signature`.
pub(super) fn verify_query(method: &str, signed: &[u8], signature: &str, keys: &[SigningKey]) -> Result<(), Error> {
    let algorithm = find_algorithm(method)?;
    let value = decode(signature)
        .ok_or_else(|| refused("signature", "the signature value is not base64 of an acceptable length"))?;
    if keys.iter().any(|key| key.verifies(algorithm, signed, &value)) {
        Ok(())
    } else {
        Err(refused("signature", "no signing key of the metadata made it"))
    }
}

fn find_algorithm(method: &str) -> Result<Algorithm, Error> {
    Algorithm::find(method)
        .ok_or_else(|| refused("algorithm", format!("signature method `{}` is not accepted", printable(method))))
}

fn verify_if_signed(element: Node<'_, '_>, keys: &[SigningKey]) -> Result<Option<String>, Error> {
    child(element, DSIG, "Signature").map(|signature| verify_element(element, signature, keys)).transpose()
}

/// Verifies the signature of `parent` and gives the bytes that it covers.
fn verify_element(parent: Node<'_, '_>, signature: Node<'_, '_>, keys: &[SigningKey]) -> Result<String, Error> {
    let info = required(signature, DSIG, "SignedInfo")?;
    if info.range().len() > MAX_SIGNED_INFO_BYTES {
        return Err(refused("size", format!("`SignedInfo` has more than {MAX_SIGNED_INFO_BYTES} bytes")));
    }
    let options = canonicalization(required(info, DSIG, "CanonicalizationMethod")?)?;
    let method = attribute(required(info, DSIG, "SignatureMethod")?, "Algorithm")?;
    let algorithm = find_algorithm(method)?;
    let reference = Reference::read(parent, required(info, DSIG, "Reference")?)?;
    let value = decode(text(required(signature, DSIG, "SignatureValue")?)?)
        .ok_or_else(|| refused("signature", "the signature value is not base64 of an acceptable length"))?;

    let signed = canonical::render(info, None, &options);
    if !keys.iter().any(|key| key.verifies(algorithm, signed.as_bytes(), &value)) {
        return Err(refused("signature", "no signing key of the metadata made it"));
    }
    let bytes = canonical::render(parent, Some(signature), &reference.options);
    if digest::digest(reference.digest, bytes.as_bytes()).as_ref() != reference.value {
        return Err(refused("digest", "the content is not what was signed"));
    }
    Ok(bytes)
}

/// The one reference of a signature.
struct Reference<'d> {
    options: canonical::Options<'d>,
    digest: &'static digest::Algorithm,
    value: Vec<u8>,
}

impl<'d> Reference<'d> {
    fn read(parent: Node<'_, '_>, reference: Node<'d, '_>) -> Result<Self, Error> {
        let id = attribute(parent, "ID")?;
        if optional_attribute(reference, "URI").and_then(|uri| uri.strip_prefix('#')) != Some(id) {
            return Err(refused("reference", "it does not refer to the element that it stands in"));
        }
        let mut transforms = required(reference, DSIG, "Transforms")?.children().filter(Node::is_element);
        let enveloped = transforms.next().ok_or_else(|| refused("transform", "there is none"))?;
        if attribute(enveloped, "Algorithm")? != ENVELOPED || enveloped.children().any(|inner| inner.is_element()) {
            return Err(refused("transform", "the first transform is not that of an enveloped signature"));
        }
        let exclusive = transforms.next().ok_or_else(|| refused("transform", "there is no canonicalization"))?;
        let options = canonicalization(exclusive)?;
        let method = attribute(required(reference, DSIG, "DigestMethod")?, "Algorithm")?;
        let digest = find_digest(method)
            .ok_or_else(|| refused("algorithm", format!("digest method `{}` is not accepted", printable(method))))?;
        let value = decode(text(required(reference, DSIG, "DigestValue")?)?)
            .ok_or_else(|| refused("digest", "the digest is not base64"))?;
        Ok(Self { options, digest, value })
    }
}

/// The options of exclusive canonicalization, which is the only one accepted.
fn canonicalization<'d>(node: Node<'d, '_>) -> Result<canonical::Options<'d>, Error> {
    let algorithm = attribute(node, "Algorithm")?;
    if algorithm != EXCLUSIVE {
        let reason = format!("`{}` is not exclusive canonicalization without comments", printable(algorithm));
        return Err(refused("transform", reason));
    }
    let Some(inclusive) = child(node, EXCLUSIVE, "InclusiveNamespaces") else {
        return Ok(canonical::Options::default());
    };
    let list = attribute(inclusive, "PrefixList")?;
    if list.len() > MAX_PREFIX_LIST_BYTES {
        return Err(refused("transform", "the list of namespace prefixes is too long"));
    }
    Ok(canonical::Options::with_prefix_list(list))
}

/// Base64 that may be wrapped, of at most the length of an RSA signature of 8192 bits.
fn decode(text: &str) -> Option<Vec<u8>> {
    let compact: String = text.chars().filter(|c| !matches!(c, ' ' | '\t' | '\n' | '\r')).collect();
    BASE64_STANDARD.decode(compact).ok().filter(|bytes| !bytes.is_empty() && bytes.len() <= MAX_SIGNATURE_BYTES)
}
