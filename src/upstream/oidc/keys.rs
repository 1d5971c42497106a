//! The provider's public keys (RFC 7517) and the signatures they verify (RFC 7518), on the cryptographic library that
//! the whole program uses. Keys of other kinds are skipped, private and shared ones are never used.

use aws_lc_rs::digest;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384,
    RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512,
    RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey,
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use openidconnect::core::{CoreJsonWebKeyType, CoreJsonWebKeyUse, CoreJwsSigningAlgorithm as Algorithm};
use openidconnect::{JsonWebKey, JsonWebKeyAlgorithm, JsonWebKeyId, SignatureVerificationError};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::issuers;

/// Most keys of a set that are read.
const MAX_KEYS: usize = 100;

/// The algorithms that an ID token may be signed with; never `none` or a shared secret.
pub(super) const ALLOWED: [Algorithm; 9] = [
    Algorithm::RsaSsaPkcs1V15Sha256,
    Algorithm::RsaSsaPkcs1V15Sha384,
    Algorithm::RsaSsaPkcs1V15Sha512,
    Algorithm::RsaSsaPssSha256,
    Algorithm::RsaSsaPssSha384,
    Algorithm::RsaSsaPssSha512,
    Algorithm::EcdsaP256Sha256,
    Algorithm::EcdsaP384Sha384,
    Algorithm::EdDsa,
];

/// The allowed algorithm of this name (RFC 7518 section 3.1, RFC 8037 section 3.1).
pub(super) fn allowed(name: &str) -> Option<Algorithm> {
    match name {
        "ES256" => Some(Algorithm::EcdsaP256Sha256),
        "ES384" => Some(Algorithm::EcdsaP384Sha384),
        "EdDSA" => Some(Algorithm::EdDsa),
        "PS256" => Some(Algorithm::RsaSsaPssSha256),
        "PS384" => Some(Algorithm::RsaSsaPssSha384),
        "PS512" => Some(Algorithm::RsaSsaPssSha512),
        "RS256" => Some(Algorithm::RsaSsaPkcs1V15Sha256),
        "RS384" => Some(Algorithm::RsaSsaPkcs1V15Sha384),
        "RS512" => Some(Algorithm::RsaSsaPkcs1V15Sha512),
        _ => None,
    }
}

/// The usable keys of a key set document (RFC 7517 section 5); others are skipped.
///
/// # Errors
/// When it is no key set, or has no usable key: a document that would lock everybody out.
pub(super) fn parse_set(document: &Map<String, Value>) -> Result<Vec<VerifyingKey>, String> {
    let keys = document.get("keys").and_then(Value::as_array).ok_or("it has no `keys`")?;
    if keys.len() > MAX_KEYS {
        return Err(format!("it has more than {MAX_KEYS} keys"));
    }
    let usable: Vec<_> = keys.iter().filter_map(|key| VerifyingKey::deserialize(key).ok()).collect();
    if usable.is_empty() { Err("it has no key that verifies signatures".into()) } else { Ok(usable) }
}

/// The keys that a token of this issuer with this header may be signed with.
pub(super) fn candidates<'a>(
    keys: &'a [VerifyingKey],
    kid: Option<&'a str>,
    algorithm: &'a Algorithm,
    issuer: &'a str,
) -> impl Iterator<Item = &'a VerifyingKey> {
    keys.iter().filter(move |key| key.suits(algorithm) && key.is_of(issuer) && kid.is_none_or(|kid| key.has_id(kid)))
}

/// A public key that verifies signatures.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Jwk", into = "Jwk")]
pub(super) struct VerifyingKey {
    kid: Option<JsonWebKeyId>,
    /// The only algorithm it may be used with, where the provider says so.
    algorithm: Option<Algorithm>,
    kind: CoreJsonWebKeyType,
    /// Whose tokens alone it signs, where the provider says so; may be a template.
    issuer: Option<String>,
    material: Material,
}

#[derive(Clone, Debug)]
enum Material {
    Ed25519(Vec<u8>),
    /// The uncompressed point.
    P256(Vec<u8>),
    /// The uncompressed point.
    P384(Vec<u8>),
    Rsa {
        modulus: Vec<u8>,
        exponent: Vec<u8>,
    },
    /// Verifies nothing: the place of a shared secret.
    Unusable,
}

/// The members of a JSON Web Key that are read; private ones are not.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Jwk {
    kty: String,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    kid: Option<String>,
    issuer: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
    /// The private half, and the factors that tell it (RFC 7518 section 6.3.2); only whether they are there is looked at.
    #[serde(skip_serializing)]
    d: Option<IgnoredAny>,
    #[serde(skip_serializing)]
    p: Option<IgnoredAny>,
    #[serde(skip_serializing)]
    q: Option<IgnoredAny>,
}

fn bytes(member: Option<&String>) -> Result<Vec<u8>, &'static str> {
    let text = member.ok_or("a member is missing")?;
    BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| "a member is no base64url")
}

/// The uncompressed point of a curve whose coordinates have `size` bytes (RFC 7518 section 6.2.1.2: padded).
fn point(jwk: &Jwk, size: usize) -> Result<Vec<u8>, &'static str> {
    let (x, y) = (bytes(jwk.x.as_ref())?, bytes(jwk.y.as_ref())?);
    if x.len() != size || y.len() != size {
        return Err("a coordinate has the wrong length");
    }
    Ok([&[4][..], &x, &y].concat())
}

impl TryFrom<Jwk> for VerifyingKey {
    type Error = &'static str;

    fn try_from(jwk: Jwk) -> Result<Self, &'static str> {
        if [&jwk.d, &jwk.p, &jwk.q].into_iter().any(Option::is_some) {
            return Err("it is published with its private half, so that everybody can sign");
        }
        if jwk.usage.as_deref().is_some_and(|usage| usage != "sig") {
            return Err("it is not for signatures");
        }
        if jwk.key_ops.as_ref().is_some_and(|operations| !operations.iter().any(|o| o == "verify")) {
            return Err("it is not for verification");
        }
        let algorithm = match jwk.alg.as_deref() {
            Some(name) => Some(allowed(name).ok_or("its algorithm is not allowed")?),
            None => None,
        };
        let (kind, material) = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
            ("RSA", _) => {
                let (modulus, exponent) = (bytes(jwk.n.as_ref())?, bytes(jwk.e.as_ref())?);
                (CoreJsonWebKeyType::RSA, Material::Rsa { modulus, exponent })
            }
            ("EC", Some("P-256")) => (CoreJsonWebKeyType::EllipticCurve, Material::P256(point(&jwk, 32)?)),
            ("EC", Some("P-384")) => (CoreJsonWebKeyType::EllipticCurve, Material::P384(point(&jwk, 48)?)),
            ("OKP", Some("Ed25519")) => (CoreJsonWebKeyType::OctetKeyPair, Material::Ed25519(bytes(jwk.x.as_ref())?)),
            _ => return Err("its kind is not supported"),
        };
        Ok(Self { kid: jwk.kid.map(JsonWebKeyId::new), algorithm, kind, issuer: jwk.issuer, material })
    }
}

/// Only the kind and the id: the set is never written anywhere.
impl From<VerifyingKey> for Jwk {
    fn from(key: VerifyingKey) -> Self {
        let kty = match key.material {
            Material::Ed25519(_) => "OKP",
            Material::P256(_) | Material::P384(_) => "EC",
            Material::Rsa { .. } => "RSA",
            Material::Unusable => "oct",
        };
        Self { kty: kty.into(), kid: key.kid.map(|kid| kid.to_string()), ..Self::default() }
    }
}

impl VerifyingKey {
    fn has_id(&self, kid: &str) -> bool {
        self.kid.as_ref().is_some_and(|own| own.as_str() == kid)
    }

    /// Providers of many tenants name in each key whose it is.
    fn is_of(&self, issuer: &str) -> bool {
        self.issuer.as_ref().is_none_or(|own| issuers::fits(own, issuer))
    }

    fn suits(&self, algorithm: &Algorithm) -> bool {
        let is_kind = match self.material {
            Material::Ed25519(_) => *algorithm == Algorithm::EdDsa,
            Material::P256(_) => *algorithm == Algorithm::EcdsaP256Sha256,
            Material::P384(_) => *algorithm == Algorithm::EcdsaP384Sha384,
            Material::Rsa { .. } => rsa_parameters(algorithm).is_some(),
            Material::Unusable => false,
        };
        is_kind && self.algorithm.as_ref().is_none_or(|only| only == algorithm)
    }
}

fn rsa_parameters(algorithm: &Algorithm) -> Option<&'static RsaParameters> {
    match algorithm {
        Algorithm::RsaSsaPkcs1V15Sha256 => Some(&RSA_PKCS1_2048_8192_SHA256),
        Algorithm::RsaSsaPkcs1V15Sha384 => Some(&RSA_PKCS1_2048_8192_SHA384),
        Algorithm::RsaSsaPkcs1V15Sha512 => Some(&RSA_PKCS1_2048_8192_SHA512),
        Algorithm::RsaSsaPssSha256 => Some(&RSA_PSS_2048_8192_SHA256),
        Algorithm::RsaSsaPssSha384 => Some(&RSA_PSS_2048_8192_SHA384),
        Algorithm::RsaSsaPssSha512 => Some(&RSA_PSS_2048_8192_SHA512),
        _ => None,
    }
}

impl JsonWebKey for VerifyingKey {
    type KeyUse = CoreJsonWebKeyUse;
    type SigningAlgorithm = Algorithm;

    fn key_id(&self) -> Option<&JsonWebKeyId> {
        self.kid.as_ref()
    }

    fn key_type(&self) -> &CoreJsonWebKeyType {
        &self.kind
    }

    fn key_use(&self) -> Option<&CoreJsonWebKeyUse> {
        Some(&CoreJsonWebKeyUse::Signature)
    }

    fn signing_alg(&self) -> JsonWebKeyAlgorithm<&Algorithm> {
        self.algorithm.as_ref().map_or(JsonWebKeyAlgorithm::Unspecified, JsonWebKeyAlgorithm::Algorithm)
    }

    /// A key that verifies nothing: no token is accepted on a shared secret.
    fn new_symmetric(_: Vec<u8>) -> Self {
        Self {
            kid: None,
            algorithm: None,
            kind: CoreJsonWebKeyType::Symmetric,
            issuer: None,
            material: Material::Unusable,
        }
    }

    fn verify_signature(
        &self,
        algorithm: &Algorithm,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), SignatureVerificationError> {
        if !self.suits(algorithm) {
            return Err(SignatureVerificationError::InvalidKey("the key is not for this algorithm".into()));
        }
        let outcome = match &self.material {
            Material::Ed25519(key) => UnparsedPublicKey::new(&ED25519, key).verify(message, signature),
            Material::P256(key) => UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key).verify(message, signature),
            Material::P384(key) => UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, key).verify(message, signature),
            Material::Rsa { modulus: n, exponent: e } => match rsa_parameters(algorithm) {
                Some(parameters) => RsaPublicKeyComponents { n, e }.verify(parameters, message, signature),
                None => Err(aws_lc_rs::error::Unspecified),
            },
            Material::Unusable => Err(aws_lc_rs::error::Unspecified),
        };
        outcome.map_err(|_| SignatureVerificationError::CryptoError("the signature does not verify".into()))
    }

    /// The hash of `at_hash` and `c_hash` (OpenID Connect Core section 3.1.3.6); SHA-512 for Ed25519.
    fn hash_bytes(&self, bytes: &[u8], algorithm: &Algorithm) -> Result<Vec<u8>, String> {
        let hash = match algorithm {
            Algorithm::EcdsaP256Sha256 | Algorithm::RsaSsaPkcs1V15Sha256 | Algorithm::RsaSsaPssSha256 => {
                &digest::SHA256
            }
            Algorithm::EcdsaP384Sha384 | Algorithm::RsaSsaPkcs1V15Sha384 | Algorithm::RsaSsaPssSha384 => {
                &digest::SHA384
            }
            Algorithm::EdDsa | Algorithm::RsaSsaPkcs1V15Sha512 | Algorithm::RsaSsaPssSha512 => &digest::SHA512,
            _ => return Err("the algorithm has no hash".into()),
        };
        Ok(digest::digest(hash, bytes).as_ref().to_vec())
    }
}

#[cfg(test)]
mod tests;
