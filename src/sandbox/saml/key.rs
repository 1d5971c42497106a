//! The provider's key with its self-signed certificate, made anew at each start.

use aws_lc_rs::digest;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384,
    RSA_PKCS1_SHA512, RsaKeyPair,
};

use super::Error;

/// What kind of key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// ECDSA on P-256 with SHA-256.
    EcdsaP256,
    /// ECDSA on P-384 with SHA-384.
    EcdsaP384,
    /// RSA of 2048 bits.
    Rsa2048,
}

enum Pair {
    Ecdsa(Box<EcdsaKeyPair>),
    Rsa(Box<RsaKeyPair>),
}

/// A private key and its certificate.
pub struct IdpKey {
    kind: KeyKind,
    pair: Pair,
    certificate: Vec<u8>,
    private_key: Vec<u8>,
}

impl std::fmt::Debug for IdpKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "IdpKey({:?}, …)", self.kind)
    }
}

impl IdpKey {
    /// A new key with a certificate for `name`.
    ///
    /// # Errors
    /// `Key` when none can be made.
    pub fn generate(kind: KeyKind, name: &str) -> Result<Self, Error> {
        let failed = |error: rcgen::Error| Error::Key { reason: error.to_string() };
        let rejected = |error: aws_lc_rs::error::KeyRejected| Error::Key { reason: error.to_string() };
        let algorithm = match kind {
            KeyKind::EcdsaP256 => &rcgen::PKCS_ECDSA_P256_SHA256,
            KeyKind::EcdsaP384 => &rcgen::PKCS_ECDSA_P384_SHA384,
            KeyKind::Rsa2048 => &rcgen::PKCS_RSA_SHA256,
        };
        let made = rcgen::KeyPair::generate_for(algorithm).map_err(failed)?;
        let mut parameters = rcgen::CertificateParams::default();
        parameters.distinguished_name.push(rcgen::DnType::CommonName, name);
        let certificate = parameters.self_signed(&made).map_err(failed)?.der().to_vec();
        let private_key = made.serialized_der().to_vec();
        let ecdsa = |signing| EcdsaKeyPair::from_pkcs8(signing, &private_key).map_err(rejected);
        let pair = match kind {
            KeyKind::EcdsaP256 => Pair::Ecdsa(Box::new(ecdsa(&ECDSA_P256_SHA256_FIXED_SIGNING)?)),
            KeyKind::EcdsaP384 => Pair::Ecdsa(Box::new(ecdsa(&ECDSA_P384_SHA384_FIXED_SIGNING)?)),
            KeyKind::Rsa2048 => Pair::Rsa(Box::new(RsaKeyPair::from_pkcs8(&private_key).map_err(rejected)?)),
        };
        Ok(Self { kind, pair, certificate, private_key })
    }

    /// What kind of key it is.
    pub fn kind(&self) -> KeyKind {
        self.kind
    }

    /// The certificate in DER.
    pub fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// The private key in PKCS #8 DER, to hand to another program in a test.
    pub fn private_key(&self) -> &[u8] {
        &self.private_key
    }

    /// A signature as XML signatures carry it: PKCS #1 version 1.5, or the two ECDSA numbers side by side. `hash` is
    /// used by RSA keys; each curve has its own.
    ///
    /// # Errors
    /// `Key` when it cannot sign with this hash.
    pub fn sign(&self, hash: &digest::Algorithm, message: &[u8]) -> Result<Vec<u8>, Error> {
        let failed = |_| Error::Key { reason: "it does not sign".to_owned() };
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Ecdsa(pair) => Ok(pair.sign(&random, message).map_err(failed)?.as_ref().to_vec()),
            Pair::Rsa(pair) => {
                let encoding = match hash.output_len() {
                    digest::SHA384_OUTPUT_LEN => &RSA_PKCS1_SHA384,
                    digest::SHA512_OUTPUT_LEN => &RSA_PKCS1_SHA512,
                    _ => &RSA_PKCS1_SHA256,
                };
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(encoding, &random, message, &mut signature).map_err(failed)?;
                Ok(signature)
            }
        }
    }
}
