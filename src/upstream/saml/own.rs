//! Our own keys at a provider: some sign what we send, others open what is encrypted to us.
//!
//! Each is a private key with the certificate that our metadata publishes. There may be several of both, so that the
//! next one is known to the provider before it is used, and the last one opens what is still under way. A certificate
//! only carries the key: its dates decide nothing here, they are watched so that somebody renews it.

use std::fmt;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{OaepAlgorithm, OaepPrivateDecryptingKey, PrivateDecryptingKey};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256,
    RsaKeyPair,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use x509_parser::prelude::{FromDer, X509Certificate};
use zeroize::Zeroizing;

use crate::clock::Timestamp;
use crate::secret::sha256;
use crate::upstream::{CertificateUse, Error};

/// Most keys of one use.
pub const MAX_KEYS: usize = 4;
/// Smallest RSA key, in bits.
const MIN_RSA_BITS: usize = 2048;
/// Largest RSA key, in bits: whoever sends us something encrypted makes us use each of ours, and the work grows with the
/// third power.
const MAX_RSA_BITS: usize = 4096;

/// Why a key of ours cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UnusableKey(String);

/// Our keys at a provider.
#[derive(Debug, Default)]
pub struct OwnKeys {
    /// The first signs; the certificates of all are published.
    pub signing: Vec<OwnKey>,
    /// Each opens what is encrypted to it; the certificate of the first is published.
    pub decryption: Vec<OwnKey>,
}

impl OwnKeys {
    /// The certificates that somebody has to renew.
    pub fn uses(&self) -> Vec<CertificateUse> {
        let uses = |usage: &'static str, keys: &[OwnKey]| {
            let told = |key: &OwnKey| CertificateUse {
                usage,
                fingerprint: fingerprint(&key.certificate),
                expires: key.expires,
            };
            keys.iter().map(told).collect::<Vec<_>>()
        };
        [uses("our signing", &self.signing), uses("our decryption", &self.decryption)].concat()
    }
}

/// SHA-256 of a certificate in hexadecimal.
pub(super) fn fingerprint(certificate: &[u8]) -> String {
    sha256(certificate).iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

enum Pair {
    P256(Box<EcdsaKeyPair>),
    P384(Box<EcdsaKeyPair>),
    Rsa(Box<RsaKeyPair>, Box<OaepPrivateDecryptingKey>),
}

/// A private key and its certificate.
pub struct OwnKey {
    pair: Pair,
    certificate: Vec<u8>,
    expires: Timestamp,
}

impl fmt::Debug for OwnKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OwnKey(until {}, …)", self.expires)
    }
}

fn unusable(reason: impl Into<String>) -> UnusableKey {
    UnusableKey(reason.into())
}

impl OwnKey {
    /// A key from PEM: the certificate, and the private key as PKCS #8. RSA of 2048 to 4096 bits, P-256 or P-384.
    ///
    /// # Errors
    /// [`UnusableKey`] when one of them is malformed or of another kind, or they do not belong together.
    pub fn from_pem(certificate: &[u8], key: &[u8]) -> Result<Self, UnusableKey> {
        let certificate =
            CertificateDer::from_pem_slice(certificate).map_err(|_| unusable("the certificate is not in PEM"))?;
        let key = PrivatePkcs8KeyDer::from_pem_slice(key).map_err(|_| {
            unusable("the private key is not PKCS #8 in PEM; `openssl pkcs8 -topk8 -nodes` makes it of another")
        })?;
        let key = Zeroizing::new(key.secret_pkcs8_der().to_vec());
        Self::from_der(&certificate, &key)
    }

    /// The same from DER.
    ///
    /// # Errors
    /// As [`OwnKey::from_pem`].
    pub fn from_der(certificate: &[u8], key: &[u8]) -> Result<Self, UnusableKey> {
        let parsed = X509Certificate::from_der(certificate);
        let (_, parsed) = parsed.map_err(|_| unusable("the certificate is no X.509 certificate"))?;
        let pair = Pair::read(key)?;
        if pair.public() != parsed.public_key().subject_public_key.data.as_ref() {
            return Err(unusable("the private key does not belong to the certificate"));
        }
        let expires = Timestamp::from_seconds(parsed.validity().not_after.timestamp());
        Ok(Self { pair, certificate: certificate.to_vec(), expires })
    }

    /// The certificate in DER.
    pub fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// When the certificate ends.
    pub fn expires(&self) -> Timestamp {
        self.expires
    }

    /// Whether it can open what is encrypted, which takes RSA.
    pub fn is_rsa(&self) -> bool {
        matches!(self.pair, Pair::Rsa(..))
    }

    /// The identifier of the method that it signs by (RFC 9231 section 2.3).
    pub(super) fn method(&self) -> &'static str {
        match self.pair {
            Pair::P256(_) => "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256",
            Pair::P384(_) => "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384",
            Pair::Rsa(..) => "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
        }
    }

    /// A signature as XML signatures carry it: PKCS #1 version 1.5, or the two ECDSA numbers side by side.
    ///
    /// # Errors
    /// `Unavailable` when the library refuses, which it does for want of randomness only.
    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let failed = |_| Error::Unavailable { reason: "our key does not sign".to_owned() };
        let random = SystemRandom::new();
        match &self.pair {
            Pair::P256(pair) | Pair::P384(pair) => Ok(pair.sign(&random, message).map_err(failed)?.as_ref().to_vec()),
            Pair::Rsa(pair, _) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).map_err(failed)?;
                Ok(signature)
            }
        }
    }

    /// What was encrypted to this key by RSA-OAEP without a label; `None` for anything else.
    pub(super) fn open(&self, algorithm: &'static OaepAlgorithm, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let Pair::Rsa(_, key) = &self.pair else { return None };
        let mut plain = Zeroizing::new(vec![0; key.min_output_size()]);
        let length = key.decrypt(algorithm, sealed, &mut plain, None).ok()?.len();
        plain.truncate(length);
        Some(plain)
    }
}

impl Pair {
    fn read(key: &[u8]) -> Result<Self, UnusableKey> {
        if let Ok(pair) = RsaKeyPair::from_pkcs8(key) {
            if pair.public_modulus_len() * 8 < MIN_RSA_BITS {
                return Err(unusable("an RSA key has at least 2048 bits"));
            }
            if pair.public_modulus_len() * 8 > MAX_RSA_BITS {
                return Err(unusable("an RSA key has at most 4096 bits: larger ones cost everybody time"));
            }
            let private = PrivateDecryptingKey::from_pkcs8(key).map_err(|_| unusable("the RSA key cannot be used"))?;
            let opens = OaepPrivateDecryptingKey::new(private).map_err(|_| unusable("the RSA key cannot be used"))?;
            return Ok(Self::Rsa(Box::new(pair), Box::new(opens)));
        }
        if let Ok(pair) = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key) {
            return Ok(Self::P256(Box::new(pair)));
        }
        match EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, key) {
            Ok(pair) => Ok(Self::P384(Box::new(pair))),
            Err(_) => Err(unusable("the private key is neither RSA of 2048 bits or more nor on P-256 or P-384")),
        }
    }

    /// The public half as certificates carry it.
    fn public(&self) -> &[u8] {
        match self {
            Self::P256(pair) | Self::P384(pair) => pair.public_key().as_ref(),
            Self::Rsa(pair, _) => pair.public_key().as_ref(),
        }
    }
}
