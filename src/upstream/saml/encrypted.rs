//! Encrypted assertions (saml-core-2.0-os section 2.3.4, XML Encryption 1.1): one key transport, one cipher, both from
//! short lists, and our own keys.
//!
//! What is inside is as hostile as what is outside. It is put in the place where it was encrypted and passes the gate,
//! the table and the verifier as if it had come in the open; that it was encrypted proves nothing about who wrote it.
//! Nothing is followed: no reference to a cipher text or a key elsewhere. When no key opens the message, a random one
//! stands for it, so that what follows costs the same, and each failure ends in the one text that people see.

use std::sync::Arc;

use aws_lc_rs::aead::{self, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{AES_128, AES_256, DecryptingKey, DecryptionContext, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::rsa::{
    OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OAEP_SHA384_MGF1SHA384, OAEP_SHA512_MGF1SHA512, OaepAlgorithm,
};
use base64::{Engine, prelude::BASE64_STANDARD};
use roxmltree::Node;
use zeroize::Zeroizing;

use super::canonical::escape_attribute;
use super::own::OwnKeys;
use super::tree::{ASSERTION, DSIG, XENC, XENC11, attribute, child, children, is, printable, required, text};
use super::{Options, gate, refused, tree};
use crate::secret::IdSource;
use crate::upstream::Error;

/// Most keys that a message may bring, one for each of its recipients.
const MAX_ENCRYPTED_KEYS: usize = 2;
/// Longest encrypted key: RSA of 8192 bits.
const MAX_KEY_BYTES: usize = 1024;

const CBC_BLOCK: usize = 16;

/// A cipher that is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cipher {
    Gcm128,
    Gcm256,
    Cbc128,
    Cbc256,
}

impl Cipher {
    fn find(uri: &str) -> Option<Self> {
        Some(match uri {
            "http://www.w3.org/2009/xmlenc11#aes128-gcm" => Self::Gcm128,
            "http://www.w3.org/2009/xmlenc11#aes256-gcm" => Self::Gcm256,
            "http://www.w3.org/2001/04/xmlenc#aes128-cbc" => Self::Cbc128,
            "http://www.w3.org/2001/04/xmlenc#aes256-cbc" => Self::Cbc256,
            _ => return None,
        })
    }

    const fn key_bytes(self) -> usize {
        match self {
            Self::Gcm128 | Self::Cbc128 => 16,
            Self::Gcm256 | Self::Cbc256 => 32,
        }
    }

    const fn is_cbc(self) -> bool {
        matches!(self, Self::Cbc128 | Self::Cbc256)
    }

    /// The plain text of `sealed`, which begins with its initialization vector.
    fn open(self, key: &[u8], sealed: &mut [u8]) -> Option<usize> {
        match self {
            Self::Gcm128 => open_gcm(&aead::AES_128_GCM, key, sealed),
            Self::Gcm256 => open_gcm(&aead::AES_256_GCM, key, sealed),
            Self::Cbc128 => open_cbc(UnboundCipherKey::new(&AES_128, key).ok()?, sealed),
            Self::Cbc256 => open_cbc(UnboundCipherKey::new(&AES_256, key).ok()?, sealed),
        }
    }
}

/// Decrypts behind the vector and tells how long the plain text is.
fn open_gcm(algorithm: &'static aead::Algorithm, key: &[u8], sealed: &mut [u8]) -> Option<usize> {
    let key = LessSafeKey::new(UnboundKey::new(algorithm, key).ok()?);
    let (nonce, rest) = sealed.split_at_mut_checked(aead::NONCE_LEN)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    Some(key.open_in_place(nonce, Aad::empty(), rest).ok()?.len())
}

/// The same without authentication: only where the administrator allowed it for a provider that knows nothing better.
fn open_cbc(key: UnboundCipherKey, sealed: &mut [u8]) -> Option<usize> {
    let key = DecryptingKey::cbc(key).ok()?;
    let (vector, rest) = sealed.split_at_mut_checked(CBC_BLOCK)?;
    let vector: [u8; CBC_BLOCK] = (&*vector).try_into().ok()?;
    if rest.is_empty() || rest.len() % CBC_BLOCK != 0 {
        return None;
    }
    let length = rest.len();
    key.decrypt(rest, DecryptionContext::Iv128(FixedLength::from(vector))).ok()?;
    // XML Encryption section 5.2: the last byte counts the padding, the others say nothing. A count that cannot be is
    // taken for the largest, so that what follows fails for other reasons and takes as long.
    let padding = usize::from(*rest.last()?).clamp(1, CBC_BLOCK);
    length.checked_sub(padding)
}

/// What an assertion was encrypted with, as far as it can be told from outside.
struct Sealed {
    cipher: Cipher,
    content: Zeroizing<Vec<u8>>,
    keys: Vec<SealedKey>,
}

/// An encrypted key and by what it is encrypted.
type SealedKey = (&'static OaepAlgorithm, Vec<u8>);

/// The response with its encrypted assertion replaced by what was in it. `response` has passed the table.
///
/// # Errors
/// `Refused` with rule `encrypted` when there is no key of ours, the methods are not accepted, or nothing opens it; with
/// the gate's rules when what is inside does not pass it. `Busy` when nothing was tried.
pub(super) async fn open(response: Node<'_, '_>, options: &Options, ids: &IdSource) -> Result<Opened, Error> {
    if options.keys.decryption.is_empty() {
        let reason = "the assertion is encrypted, and there is no key of ours to open it; \
                      write `decryption`, or switch assertion encryption off for this service";
        return Err(refused("encrypted", reason));
    }
    let place = required(response, ASSERTION, "EncryptedAssertion")?;
    let mut sealed = Sealed::read(place, options.allow_cbc)?;
    let (own, keys, length) = (Arc::clone(&options.keys), std::mem::take(&mut sealed.keys), sealed.cipher.key_bytes());
    let random = Zeroizing::new(ids.bytes::<32>());
    let key = options.openers.run(move || transported(&own, &keys, length, &random)).await?;
    let header = if sealed.cipher.is_cbc() { CBC_BLOCK } else { aead::NONCE_LEN };
    let length = sealed.cipher.open(&key, &mut sealed.content);
    let plain = length.and_then(|length| sealed.content.get(header..header.checked_add(length)?));
    let is_malleable = sealed.cipher.is_cbc();
    let plain = plain.ok_or_else(not_opened)?;
    let plain = gate::check(plain, gate::MESSAGE).map_err(|error| if is_malleable { not_opened() } else { error })?;
    let source = response.document().input_text();
    let (before, after) = (source.get(..place.range().start), source.get(place.range().end..));
    let (Some(before), Some(after)) = (before, after) else {
        return Err(refused("encrypted", "the assertion has no place"));
    };
    let plain = in_scope_of(place, without_declaration(plain));
    Ok(Opened { text: Zeroizing::new([before, plain.as_str(), after].concat()), is_malleable })
}

/// A response whose encrypted assertion was opened.
pub(super) struct Opened {
    /// The whole response.
    pub(super) text: Zeroizing<String>,
    /// Whether its cipher lets others alter what is inside without the key: then nothing about what is inside is told apart
    /// before its signature holds, so that nobody who reads the ledger learns of a text by changing it (rule 8).
    pub(super) is_malleable: bool,
}

/// The one refusal of what does not open.
pub(super) fn not_opened() -> Error {
    refused("encrypted", "none of our keys opens the assertion, or it was altered")
}

/// The plain text with the namespaces that its place declares and it leans on: what is encrypted is read in the context
/// of the element around it (XML Encryption section 4.3.3), which goes away with it. Declarations of its own stay. In a
/// signed response they are those that were hashed; signatures within ignore what is not used.
fn in_scope_of(place: Node<'_, '_>, plain: &str) -> Zeroizing<String> {
    let Some((name, own)) = start_tag(plain) else { return Zeroizing::new(plain.to_owned()) };
    let mut declared = String::new();
    for namespace in place.namespaces() {
        let prefix = namespace.name();
        let inherited = place.parent().and_then(|parent| parent.lookup_namespace_uri(prefix));
        let attribute = prefix.map_or("xmlns".to_owned(), |prefix| format!("xmlns:{prefix}"));
        if prefix == Some("xml") || inherited == Some(namespace.uri()) || own.contains(&attribute.as_str()) {
            continue;
        }
        declared.push_str(&format!(" {attribute}=\""));
        escape_attribute(namespace.uri(), &mut declared);
        declared.push('"');
    }
    let (head, rest) = plain.split_at_checked(name).unwrap_or((plain, ""));
    Zeroizing::new([head, &declared, rest].concat())
}

/// Where the name of the first tag ends, and the names of its attributes; `None` where it does not begin with a tag. The
/// text has passed the gate; what is not well-formed is refused where it is parsed.
fn start_tag(text: &str) -> Option<(usize, Vec<&str>)> {
    let start = text.find(|c: char| !c.is_ascii_whitespace())?;
    let inside = text.get(start..)?.strip_prefix('<')?;
    let length = inside.find(|c: char| c.is_ascii_whitespace() || matches!(c, '/' | '>'))?;
    let end = start.checked_add(1)?.checked_add(length)?;
    let (mut rest, mut names) = (inside.get(length..)?, Vec::new());
    loop {
        rest = rest.trim_ascii_start();
        if rest.starts_with(['/', '>']) {
            return (length > 0).then_some((end, names));
        }
        let (name, value) = rest.split_once('=')?;
        names.push(name.trim_ascii_end());
        let value = value.trim_ascii_start();
        let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        rest = value.get(1..)?.split_once(quote)?.1;
    }
}

/// An XML declaration may stand at the start of a document only, and the plain text becomes a part of one.
fn without_declaration(text: &str) -> &str {
    match text.strip_prefix("<?xml").and_then(|rest| rest.split_once("?>")) {
        Some((_, rest)) => rest,
        None => text,
    }
}

impl Sealed {
    fn read(place: Node<'_, '_>, allow_cbc: bool) -> Result<Self, Error> {
        let data = required(place, XENC, "EncryptedData")?;
        let method = attribute(required(data, XENC, "EncryptionMethod")?, "Algorithm")?;
        let cipher = Cipher::find(method).ok_or_else(|| not_accepted("cipher", method))?;
        if cipher.is_cbc() && !allow_cbc {
            let reason = "the assertion is encrypted by AES-CBC, which is open to alteration; let the provider use \
                          AES-GCM, or write `allow_cbc = true`";
            return Err(refused("encrypted", reason));
        }
        let inner = child(data, DSIG, "KeyInfo").into_iter().flat_map(|info| children(info, XENC, "EncryptedKey"));
        let all: Vec<Node<'_, '_>> = inner.chain(children(place, XENC, "EncryptedKey")).collect();
        if all.is_empty() || all.len() > MAX_ENCRYPTED_KEYS {
            return Err(refused("encrypted", format!("it brings no key, or more than {MAX_ENCRYPTED_KEYS}")));
        }
        let keys = all.into_iter().map(read_key).collect::<Result<Vec<_>, _>>()?;
        let content = Zeroizing::new(cipher_value(data)?);
        Ok(Self { cipher, content, keys })
    }
}

/// The key that the message is encrypted with; `random` when none of ours opens one of its keys. Every one of ours is tried
/// with every one of the message's, whichever fits.
fn transported(own: &OwnKeys, keys: &[SealedKey], length: usize, random: &[u8; 32]) -> Zeroizing<Vec<u8>> {
    let mut key = Zeroizing::new(random.iter().copied().take(length).collect::<Vec<u8>>());
    for (algorithm, sealed) in keys {
        for own in &own.decryption {
            if let Some(opened) = own.open(algorithm, sealed).filter(|opened| opened.len() == length) {
                key = opened;
            }
        }
    }
    key
}

fn not_accepted(what: &str, uri: &str) -> Error {
    refused("encrypted", format!("the {what} `{}` is not accepted", printable(uri)))
}

fn read_key<'d>(node: Node<'d, '_>) -> Result<(&'static OaepAlgorithm, Vec<u8>), Error> {
    let algorithm = transport(required(node, XENC, "EncryptionMethod")?)?;
    let value = cipher_value(node)?;
    if value.is_empty() || value.len() > MAX_KEY_BYTES {
        return Err(refused("encrypted", "the encrypted key has no acceptable length"));
    }
    Ok((algorithm, value))
}

/// RSA-OAEP with one hash for both its parts: the two that are met, SHA-1 and SHA-256, and the longer ones. PKCS #1
/// version 1.5 and a hash with the mask of another are refused.
fn transport(method: Node<'_, '_>) -> Result<&'static OaepAlgorithm, Error> {
    let uri = attribute(method, "Algorithm")?;
    let digest = child(method, DSIG, "DigestMethod").map(|node| attribute(node, "Algorithm")).transpose()?;
    let digest = digest.unwrap_or("http://www.w3.org/2000/09/xmldsig#sha1");
    if child(method, XENC, "OAEPparams").map(text).transpose()?.is_some_and(|label| !label.is_empty()) {
        return Err(refused("encrypted", "a label of RSA-OAEP is not accepted"));
    }
    let mask = child(method, XENC11, "MGF").map(|node| attribute(node, "Algorithm")).transpose()?;
    let mask = match (uri, mask) {
        ("http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p", None)
        | ("http://www.w3.org/2009/xmlenc11#rsa-oaep", None) => "http://www.w3.org/2009/xmlenc11#mgf1sha1",
        ("http://www.w3.org/2009/xmlenc11#rsa-oaep", Some(mask)) => mask,
        ("http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p", Some(mask)) if mask.ends_with("#mgf1sha1") => mask,
        _ => return Err(not_accepted("key transport", uri)),
    };
    match (digest, mask) {
        ("http://www.w3.org/2000/09/xmldsig#sha1", "http://www.w3.org/2009/xmlenc11#mgf1sha1") => {
            Ok(&OAEP_SHA1_MGF1SHA1)
        }
        ("http://www.w3.org/2001/04/xmlenc#sha256", "http://www.w3.org/2009/xmlenc11#mgf1sha256") => {
            Ok(&OAEP_SHA256_MGF1SHA256)
        }
        ("http://www.w3.org/2001/04/xmldsig-more#sha384", "http://www.w3.org/2009/xmlenc11#mgf1sha384") => {
            Ok(&OAEP_SHA384_MGF1SHA384)
        }
        ("http://www.w3.org/2001/04/xmlenc#sha512", "http://www.w3.org/2009/xmlenc11#mgf1sha512") => {
            Ok(&OAEP_SHA512_MGF1SHA512)
        }
        _ => Err(refused("encrypted", "RSA-OAEP with this digest and this mask is not accepted; let both be one hash")),
    }
}

fn cipher_value(node: Node<'_, '_>) -> Result<Vec<u8>, Error> {
    let value = required(required(node, XENC, "CipherData")?, XENC, "CipherValue")?;
    let compact: String = text(value)?.chars().filter(|c| !matches!(c, ' ' | '\t' | '\n' | '\r')).collect();
    BASE64_STANDARD.decode(compact).map_err(|_| refused("encrypted", "a cipher value is not base64"))
}

/// Whether a response carries an encrypted assertion.
pub(super) fn is_encrypted(response: Node<'_, '_>) -> bool {
    response.children().any(|node| is(node, ASSERTION, "EncryptedAssertion"))
}

/// The part of the table of structure for what is encrypted. Its `KeyInfo` may hold keys and hints; hints are not read.
pub(super) fn content(namespace: &str, name: &str) -> Option<tree::Content> {
    use tree::Content::{Elements, Empty, Text};
    Some(match (namespace, name) {
        (ASSERTION, "EncryptedAssertion") => {
            Elements(&[(XENC, "EncryptedData", 1), (XENC, "EncryptedKey", MAX_ENCRYPTED_KEYS)])
        }
        (XENC, "EncryptedData") => {
            Elements(&[(XENC, "EncryptionMethod", 1), (DSIG, "KeyInfo", 1), (XENC, "CipherData", 1)])
        }
        (XENC, "EncryptedKey") => Elements(&[
            (XENC, "EncryptionMethod", 1),
            (DSIG, "KeyInfo", 1),
            (XENC, "CipherData", 1),
            (XENC, "ReferenceList", 1),
            (XENC, "CarriedKeyName", 1),
        ]),
        (XENC, "EncryptionMethod") => {
            Elements(&[(DSIG, "DigestMethod", 1), (XENC11, "MGF", 1), (XENC, "OAEPparams", 1), (XENC, "KeySize", 1)])
        }
        (XENC, "CipherData") => Elements(&[(XENC, "CipherValue", 1)]),
        (XENC, "ReferenceList") => Elements(&[(XENC, "DataReference", MAX_ENCRYPTED_KEYS)]),
        (DSIG, "KeyInfo") => Elements(&[
            (XENC, "EncryptedKey", MAX_ENCRYPTED_KEYS),
            (DSIG, "X509Data", 1),
            (DSIG, "KeyName", 1),
            (DSIG, "RetrievalMethod", MAX_ENCRYPTED_KEYS),
        ]),
        (DSIG, "KeyName") | (XENC, "CipherValue" | "OAEPparams" | "CarriedKeyName" | "KeySize") => Text,
        (DSIG, "RetrievalMethod" | "DigestMethod") | (XENC11, "MGF") | (XENC, "DataReference") => Empty,
        (DSIG, "X509Data" | "X509Certificate" | "X509IssuerSerial" | "X509SKI" | "X509SubjectName") => {
            return tree::signature_content(namespace, name);
        }
        (DSIG, "X509IssuerName" | "X509SerialNumber") => Text,
        _ => return None,
    })
}
