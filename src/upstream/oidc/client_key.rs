//! Our own key at a provider, in the place of a shared secret: `private_key_jwt` (OpenID Connect Core section 9, RFC 7523
//! section 3). What it signs says who we are to one token endpoint, once, for two minutes.

use std::fmt;
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair,
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::clock::Timestamp;
use crate::secret::{IdSource, sha256};
use crate::upstream::Error;

/// How long an assertion is good.
const LIFETIME: Duration = Duration::from_secs(120);
/// Smallest RSA key, in bits.
const MIN_RSA_BITS: usize = 2048;

/// Why a key cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UnusableKey(&'static str);

/// What a key signs by (RFC 7518 section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAlgorithm {
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// RSA with PSS and SHA-256.
    Ps256,
    /// RSA with PKCS #1 version 1.5 and SHA-256.
    Rs256,
}

impl ClientAlgorithm {
    const fn name(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Ps256 => "PS256",
            Self::Rs256 => "RS256",
        }
    }
}

enum Pair {
    P256(Box<EcdsaKeyPair>),
    Rsa(Box<RsaKeyPair>, &'static dyn RsaEncoding),
}

/// A private key of ours that a provider knows the public half of.
pub struct ClientKey {
    pair: Pair,
    algorithm: ClientAlgorithm,
    id: Option<String>,
    thumbprint: Option<String>,
}

impl fmt::Debug for ClientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientKey({}, {:?}, …)", self.algorithm.name(), self.id)
    }
}

impl ClientKey {
    /// A key from PEM: PKCS #8, on P-256 for ES256, RSA from 2048 bits else. `id` is what the provider calls it (`kid`);
    /// a certificate is named by its SHA-256 (`x5t#S256`), which some providers want.
    ///
    /// # Errors
    /// `UnusableKey` when one of them is malformed or of another kind, or they do not belong together.
    pub fn from_pem(
        key: &[u8],
        algorithm: ClientAlgorithm,
        id: Option<String>,
        certificate: Option<&[u8]>,
    ) -> Result<Self, UnusableKey> {
        let key = PrivatePkcs8KeyDer::from_pem_slice(key).map_err(|_| {
            UnusableKey("the private key is not PKCS #8 in PEM; `openssl pkcs8 -topk8 -nodes` makes it of another")
        })?;
        let key = key.secret_pkcs8_der();
        let pair = match algorithm {
            ClientAlgorithm::Es256 => {
                let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key);
                Pair::P256(Box::new(pair.map_err(|_| UnusableKey("ES256 takes a private key on P-256"))?))
            }
            ClientAlgorithm::Ps256 => Pair::Rsa(rsa(key)?, &RSA_PSS_SHA256),
            ClientAlgorithm::Rs256 => Pair::Rsa(rsa(key)?, &RSA_PKCS1_SHA256),
        };
        let thumbprint = certificate.map(|pem| pair.thumbprint(pem)).transpose()?;
        Ok(Self { pair, algorithm, id, thumbprint })
    }

    /// Says to `audience`, a token endpoint, that we are `client_id`.
    ///
    /// # Errors
    /// `Unavailable` when the library refuses, which it does for want of randomness only.
    pub(super) fn assertion(
        &self,
        client_id: &str,
        audience: &str,
        now: Timestamp,
        ids: &IdSource,
    ) -> Result<String, Error> {
        let mut header = json!({ "alg": self.algorithm.name(), "typ": "JWT" });
        let named = [("kid", &self.id), ("x5t#S256", &self.thumbprint)];
        for (name, value) in named {
            if let (Some(value), Some(header)) = (value, header.as_object_mut()) {
                header.insert(name.to_owned(), Value::from(value.as_str()));
            }
        }
        let claims = json!({
            "iss": client_id,
            "sub": client_id,
            "aud": audience,
            "jti": ids.token().expose(),
            "iat": now.as_seconds(),
            "exp": now.plus(LIFETIME).as_seconds(),
        });
        let encode = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", encode(&header), encode(&claims));
        let signature = self.pair.sign(message.as_bytes())?;
        Ok(format!("{message}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature)))
    }
}

fn rsa(key: &[u8]) -> Result<Box<RsaKeyPair>, UnusableKey> {
    let pair = RsaKeyPair::from_pkcs8(key).map_err(|_| UnusableKey("PS256 and RS256 take an RSA private key"))?;
    if pair.public_modulus_len() * 8 < MIN_RSA_BITS {
        return Err(UnusableKey("an RSA key has at least 2048 bits"));
    }
    Ok(Box::new(pair))
}

impl Pair {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let failed = |_| Error::Unavailable { reason: "our key does not sign".to_owned() };
        let random = SystemRandom::new();
        match self {
            Self::P256(pair) => Ok(pair.sign(&random, message).map_err(failed)?.as_ref().to_vec()),
            Self::Rsa(pair, encoding) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(*encoding, &random, message, &mut signature).map_err(failed)?;
                Ok(signature)
            }
        }
    }

    fn public(&self) -> &[u8] {
        match self {
            Self::P256(pair) => pair.public_key().as_ref(),
            Self::Rsa(pair, _) => pair.public_key().as_ref(),
        }
    }

    fn thumbprint(&self, pem: &[u8]) -> Result<String, UnusableKey> {
        let der = CertificateDer::from_pem_slice(pem).map_err(|_| UnusableKey("the certificate is not in PEM"))?;
        let (_, parsed) =
            X509Certificate::from_der(&der).map_err(|_| UnusableKey("the certificate is no X.509 certificate"))?;
        if self.public() != parsed.public_key().subject_public_key.data.as_ref() {
            return Err(UnusableKey("the private key does not belong to the certificate"));
        }
        Ok(BASE64_URL_SAFE_NO_PAD.encode(sha256(&der)))
    }
}
