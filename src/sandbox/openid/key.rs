//! Keys that the sandbox provider signs with (RFC 7515, RFC 7518).

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding,
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};
use x509_parser::prelude::FromDer;
use x509_parser::public_key::RSAPublicKey;

use crate::secret::sha256;

/// The cryptographic library refused.
#[derive(Debug, thiserror::Error)]
#[error("a sandbox key cannot be made or used")]
pub struct SigningKeyError;

/// A key pair with its id.
#[derive(Debug)]
pub struct SigningKey {
    kid: String,
    material: Material,
}

#[derive(Debug)]
enum Material {
    Es256(EcdsaKeyPair),
    Ps256(RsaKeyPair),
    Rs256(RsaKeyPair),
}

impl SigningKey {
    /// A new P-256 key for `ES256`.
    ///
    /// # Errors
    /// When the library cannot make one.
    pub fn es256(kid: &str) -> Result<Self, SigningKeyError> {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(|_| SigningKeyError)?;
        Ok(Self { kid: kid.into(), material: Material::Es256(pair) })
    }

    /// A new RSA key of 2048 bits for `PS256`.
    ///
    /// # Errors
    /// When the library cannot make one.
    pub fn ps256(kid: &str) -> Result<Self, SigningKeyError> {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(|_| SigningKeyError)?;
        Ok(Self { kid: kid.into(), material: Material::Ps256(pair) })
    }

    /// A new RSA key of 2048 bits for `RS256`.
    ///
    /// # Errors
    /// When the library cannot make one.
    pub fn rs256(kid: &str) -> Result<Self, SigningKeyError> {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(|_| SigningKeyError)?;
        Ok(Self { kid: kid.into(), material: Material::Rs256(pair) })
    }

    /// The algorithm's name.
    pub fn algorithm(&self) -> &'static str {
        match self.material {
            Material::Es256(_) => "ES256",
            Material::Ps256(_) => "PS256",
            Material::Rs256(_) => "RS256",
        }
    }

    /// The header of a token that this key signs.
    pub fn header(&self) -> Map<String, Value> {
        let mut header = Map::new();
        header.insert("alg".into(), json!(self.algorithm()));
        header.insert("kid".into(), json!(self.kid));
        header.insert("typ".into(), json!("JWT"));
        header
    }

    /// The public half as a JSON Web Key.
    pub fn public_jwk(&self) -> Value {
        let encode = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        let mut jwk = match &self.material {
            Material::Es256(pair) => {
                // The uncompressed point: 4, x, y.
                let point = pair.public_key().as_ref();
                let (x, y) = point.split_at_checked(1).map_or((&[][..], &[][..]), |(_, xy)| xy.split_at(xy.len() / 2));
                json!({ "kty": "EC", "crv": "P-256", "x": encode(x), "y": encode(y) })
            }
            Material::Ps256(pair) | Material::Rs256(pair) => {
                // RFC 8017 appendix A.1.1; the leading zero of DER is no part of the number.
                let der = pair.public_key().as_ref();
                let number = |bytes: &[u8]| encode(bytes.strip_prefix(&[0]).unwrap_or(bytes));
                match RSAPublicKey::from_der(der) {
                    Ok((_, public)) => {
                        json!({ "kty": "RSA", "n": number(public.modulus), "e": number(public.exponent) })
                    }
                    Err(_) => json!({ "kty": "RSA" }),
                }
            }
        };
        if let Some(jwk) = jwk.as_object_mut() {
            jwk.insert("kid".into(), json!(self.kid));
            jwk.insert("alg".into(), json!(self.algorithm()));
            jwk.insert("use".into(), json!("sig"));
        }
        jwk
    }

    /// A compact token over the texts of header and claims, whatever they say.
    ///
    /// # Errors
    /// When the library refuses to sign.
    pub fn sign(&self, header: &str, payload: &str) -> Result<String, SigningKeyError> {
        let encode = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        let message = format!("{}.{}", encode(header.as_bytes()), encode(payload.as_bytes()));
        let random = SystemRandom::new();
        let rsa = |pair: &RsaKeyPair, encoding: &'static dyn RsaEncoding| {
            let mut signature = vec![0; pair.public_modulus_len()];
            pair.sign(encoding, &random, message.as_bytes(), &mut signature).map(|()| signature)
        };
        let signature = match &self.material {
            Material::Es256(pair) => pair.sign(&random, message.as_bytes()).map(|s| s.as_ref().to_vec()),
            Material::Ps256(pair) => rsa(pair, &RSA_PSS_SHA256),
            Material::Rs256(pair) => rsa(pair, &RSA_PKCS1_SHA256),
        };
        let signature = signature.map_err(|_| SigningKeyError)?;
        Ok(format!("{message}.{}", encode(&signature)))
    }

    /// `at_hash` of a token (Core section 3.1.3.6): all algorithms here hash with SHA-256.
    pub fn half_hash(&self, token: &str) -> String {
        let hash = sha256(token.as_bytes());
        BASE64_URL_SAFE_NO_PAD.encode(hash.split_at(16).0)
    }
}
