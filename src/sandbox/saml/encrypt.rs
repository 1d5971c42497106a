//! Encrypts an assertion as providers do (XML Encryption 1.1): a key of its own for each, encrypted to the service.

use std::sync::Arc;

use aws_lc_rs::aead::{self, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{AES_128, AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::rsa::{OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, PublicEncryptingKey};
use base64::{Engine, prelude::BASE64_STANDARD};
use roxmltree::Document;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::Error;
use crate::secret::IdSource;
use crate::upstream::saml::canonical::{self, Options};
use crate::upstream::saml::tree::{ASSERTION, DSIG, XENC, is};

/// With what the assertion is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cipher {
    /// AES-128-CBC.
    Cbc128,
    /// AES-256-CBC.
    Cbc256,
    /// AES-128-GCM.
    Gcm128,
    /// AES-256-GCM.
    Gcm256,
}

impl Cipher {
    /// Its identifier.
    pub const fn uri(self) -> &'static str {
        match self {
            Self::Cbc128 => "http://www.w3.org/2001/04/xmlenc#aes128-cbc",
            Self::Cbc256 => "http://www.w3.org/2001/04/xmlenc#aes256-cbc",
            Self::Gcm128 => "http://www.w3.org/2009/xmlenc11#aes128-gcm",
            Self::Gcm256 => "http://www.w3.org/2009/xmlenc11#aes256-gcm",
        }
    }

    fn seal(self, key: &[u8], plain: &[u8], ids: &IdSource) -> Option<Vec<u8>> {
        match self {
            Self::Gcm128 => seal_gcm(&aead::AES_128_GCM, key, plain, ids),
            Self::Gcm256 => seal_gcm(&aead::AES_256_GCM, key, plain, ids),
            Self::Cbc128 => seal_cbc(UnboundCipherKey::new(&AES_128, key).ok()?, plain, ids),
            Self::Cbc256 => seal_cbc(UnboundCipherKey::new(&AES_256, key).ok()?, plain, ids),
        }
    }
}

/// By what the key is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// RSA-OAEP with SHA-1 and its mask: the habit of nearly everybody.
    OaepSha1,
    /// RSA-OAEP with SHA-256 and its mask.
    OaepSha256,
}

/// Where the encrypted key stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyPlace {
    /// Beside the encrypted data, which points to it: the habit of Shibboleth.
    Beside,
    /// In the encrypted data: the habit of Entra ID, Okta and pysaml2.
    Within,
}

/// How assertions are encrypted, and to whom.
#[derive(Clone, Debug)]
pub struct Encryption {
    /// The service's certificate in DER.
    pub certificate: Arc<[u8]>,
    /// The cipher.
    pub cipher: Cipher,
    /// The key transport.
    pub transport: Transport,
    /// The place of the key.
    pub place: KeyPlace,
}

impl Encryption {
    /// AES-256-GCM and RSA-OAEP with SHA-1.
    pub fn to(certificate: &[u8]) -> Self {
        let certificate = certificate.into();
        Self { certificate, cipher: Cipher::Gcm256, transport: Transport::OaepSha1, place: KeyPlace::Within }
    }

    /// A response with its assertion encrypted.
    ///
    /// # Errors
    /// `Unsignable` when there is no assertion, `Key` when nothing can be encrypted to the certificate.
    pub fn apply(&self, response: &str) -> Result<String, Error> {
        let unsignable = |reason: &str| Error::Unsignable { reason: reason.to_owned() };
        let document = Document::parse(response).map_err(|error| unsignable(&error.to_string()))?;
        let assertion = document.descendants().find(|node| is(*node, ASSERTION, "Assertion"));
        let assertion = assertion.ok_or_else(|| unsignable("there is no assertion"))?;
        let sealed = self.seal(canonical::render(assertion, None, &Options::default()).as_bytes())?;
        let before = response.get(..assertion.range().start).unwrap_or_default();
        let after = response.get(assertion.range().end..).unwrap_or_default();
        Ok(format!("{before}{sealed}{after}"))
    }

    /// The encrypted assertion that holds any bytes.
    ///
    /// # Errors
    /// `Key` when nothing can be encrypted to the certificate.
    pub fn seal(&self, plain: &[u8]) -> Result<String, Error> {
        let ids = IdSource::system();
        let key = ids.bytes::<32>();
        let length = if matches!(self.cipher, Cipher::Cbc128 | Cipher::Gcm128) { 16 } else { 32 };
        let key = key.get(..length).unwrap_or_default();
        let failed = || Error::Key { reason: "nothing can be encrypted to it".to_owned() };
        let content = BASE64_STANDARD.encode(self.cipher.seal(key, plain, &ids).ok_or_else(failed)?);
        let transported = BASE64_STANDARD.encode(self.transported(key).ok_or_else(failed)?);
        let method = match self.transport {
            Transport::OaepSha1 => format!(
                "<xenc:EncryptionMethod Algorithm=\"{XENC}rsa-oaep-mgf1p\"><ds:DigestMethod Algorithm=\"{DSIG}sha1\"/>\
                 </xenc:EncryptionMethod>"
            ),
            Transport::OaepSha256 => format!(
                "<xenc:EncryptionMethod Algorithm=\"http://www.w3.org/2009/xmlenc11#rsa-oaep\">\
                 <ds:DigestMethod Algorithm=\"{XENC}sha256\"/><xenc11:MGF \
                 xmlns:xenc11=\"http://www.w3.org/2009/xmlenc11#\" \
                 Algorithm=\"http://www.w3.org/2009/xmlenc11#mgf1sha256\"/></xenc:EncryptionMethod>"
            ),
        };
        let encrypted_key = format!(
            "<xenc:EncryptedKey Id=\"_key\">{method}<xenc:CipherData><xenc:CipherValue>{transported}\
             </xenc:CipherValue></xenc:CipherData></xenc:EncryptedKey>"
        );
        let (within, beside) = match self.place {
            KeyPlace::Within => (encrypted_key, String::new()),
            KeyPlace::Beside => {
                (format!("<ds:RetrievalMethod Type=\"{XENC}EncryptedKey\" URI=\"#_key\"/>"), encrypted_key)
            }
        };
        Ok(format!(
            "<saml:EncryptedAssertion xmlns:saml=\"{ASSERTION}\" xmlns:xenc=\"{XENC}\" xmlns:ds=\"{DSIG}\">\
             <xenc:EncryptedData Type=\"{XENC}Element\"><xenc:EncryptionMethod Algorithm=\"{}\"/><ds:KeyInfo>{within}\
             </ds:KeyInfo><xenc:CipherData><xenc:CipherValue>{content}</xenc:CipherValue></xenc:CipherData>\
             </xenc:EncryptedData>{beside}</saml:EncryptedAssertion>",
            self.cipher.uri(),
        ))
    }

    fn transported(&self, key: &[u8]) -> Option<Vec<u8>> {
        let (_, certificate) = X509Certificate::from_der(&self.certificate).ok()?;
        let public = PublicEncryptingKey::from_der(certificate.public_key().raw).ok()?;
        let public = OaepPublicEncryptingKey::new(public).ok()?;
        let algorithm = match self.transport {
            Transport::OaepSha1 => &OAEP_SHA1_MGF1SHA1,
            Transport::OaepSha256 => &OAEP_SHA256_MGF1SHA256,
        };
        let mut out = vec![0; public.ciphertext_size()];
        Some(public.encrypt(algorithm, key, &mut out, None).ok()?.to_vec())
    }
}

fn seal_gcm(algorithm: &'static aead::Algorithm, key: &[u8], plain: &[u8], ids: &IdSource) -> Option<Vec<u8>> {
    let key = LessSafeKey::new(UnboundKey::new(algorithm, key).ok()?);
    let nonce = ids.bytes::<{ aead::NONCE_LEN }>();
    let mut sealed = plain.to_vec();
    key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut sealed).ok()?;
    Some([&nonce[..], &sealed].concat())
}

fn seal_cbc(key: UnboundCipherKey, plain: &[u8], ids: &IdSource) -> Option<Vec<u8>> {
    let key = EncryptingKey::cbc(key).ok()?;
    let vector = ids.bytes::<16>();
    let mut sealed = plain.to_vec();
    let padding = 16 - plain.len() % 16;
    sealed.resize(plain.len() + padding, 0);
    *sealed.last_mut()? = u8::try_from(padding).ok()?;
    key.less_safe_encrypt(&mut sealed, EncryptionContext::Iv128(FixedLength::from(vector))).ok()?;
    Some([&vector[..], &sealed].concat())
}
