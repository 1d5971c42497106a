//! Secrets that do not print and randomness that tests can seed.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::{aead, constant_time, digest, hmac, rand::SecureRandom};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

/// Text that must not reach a log, an answer or the ledger. `Debug` prints a placeholder, memory is wiped on drop.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the text over.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text itself, for the one place that uses it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Compares in time that depends on the lengths only.
    pub fn matches(&self, other: &str) -> bool {
        constant_time::verify_slices_are_equal(self.0.as_bytes(), other.as_bytes()).is_ok()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A key for HMAC-SHA-256 over opaque tokens, so that a stolen store does not give usable ones.
#[derive(Clone)]
pub struct MacKey(Arc<hmac::Key>);

impl MacKey {
    /// A key from 32 secret bytes.
    pub fn new(bytes: &[u8; 32]) -> Self {
        Self(Arc::new(hmac::Key::new(hmac::HMAC_SHA256, bytes)))
    }

    /// A key for one purpose, derived from this one (HMAC as a PRF, `purpose` as its message).
    #[must_use]
    pub fn derive(&self, purpose: &str) -> Self {
        Self::new(&self.tag(purpose.as_bytes()))
    }

    /// The keyed hash of `message`.
    pub fn tag(&self, message: &[u8]) -> [u8; 32] {
        let mut out = [0; 32];
        out.copy_from_slice(hmac::sign(&self.0, message).as_ref());
        out
    }

    /// Whether `tag` is the keyed hash of `message`, in constant time.
    pub fn verify(&self, message: &[u8], tag: &[u8]) -> bool {
        hmac::verify(&self.0, message, tag).is_ok()
    }
}

impl fmt::Debug for MacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MacKey(…)")
    }
}

/// A key that seals what must be read again: AES-256-GCM (NIST SP 800-38D) with a random nonce of 96 bits before the text.
/// What is sealed names its place, so that a sealed text that is moved to another row does not open there.
#[derive(Clone)]
pub struct SealKey(Arc<aead::LessSafeKey>);

impl MacKey {
    /// A sealing key for one purpose, derived from this one.
    pub fn seal_key(&self, purpose: &str) -> SealKey {
        let bytes = Zeroizing::new(self.derive("seal").tag(purpose.as_bytes()));
        #[expect(clippy::expect_used, reason = "a key of AES-256 is 32 bytes, and these are")]
        let key = aead::UnboundKey::new(&aead::AES_256_GCM, &*bytes).expect("32 bytes are a key");
        SealKey(Arc::new(aead::LessSafeKey::new(key)))
    }
}

impl SealKey {
    /// Seals a text for a place. `None` for more than AES-GCM seals at once, 64 GiB.
    pub fn seal(&self, ids: &IdSource, place: &[u8], plain: &[u8]) -> Option<Vec<u8>> {
        let nonce = ids.bytes::<{ aead::NONCE_LEN }>();
        let mut text = Vec::with_capacity(plain.len().saturating_add(aead::MAX_TAG_LEN));
        text.extend_from_slice(plain);
        let by = aead::Nonce::assume_unique_for_key(nonce);
        self.0.seal_in_place_append_tag(by, aead::Aad::from(place), &mut text).ok()?;
        Some([&nonce[..], &text].concat())
    }

    /// The text that was sealed by this key for this place, `None` for anything else.
    pub fn open(&self, place: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, text) = sealed.split_at_checked(aead::NONCE_LEN)?;
        let nonce = aead::Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut text = Zeroizing::new(text.to_vec());
        let length = self.0.open_in_place(nonce, aead::Aad::from(place), &mut text).ok()?.len();
        text.truncate(length);
        Some(text)
    }
}

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealKey(…)")
    }
}

/// SHA-256 of `message`.
pub fn sha256(message: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, message).as_ref());
    out
}

/// SHA-256 of a message that comes in pieces.
pub struct Hash(digest::Context);

impl Hash {
    /// Nothing hashed yet.
    pub fn new() -> Self {
        Self(digest::Context::new(&digest::SHA256))
    }

    /// Takes the next piece.
    pub fn update(&mut self, piece: &[u8]) {
        self.0.update(piece);
    }

    /// The hash of all pieces.
    pub fn finish(self) -> [u8; 32] {
        let mut out = [0; 32];
        out.copy_from_slice(self.0.finish().as_ref());
        out
    }
}

impl Default for Hash {
    fn default() -> Self {
        Self::new()
    }
}

type Fill = dyn Fn(&mut [u8]) + Send + Sync;

/// Where ids and secrets come from. Cloning shares the source.
#[derive(Clone)]
pub struct IdSource(Arc<Fill>);

impl IdSource {
    /// The operating system's generator. A failure of it stops the program: nothing may go on with weak secrets.
    pub fn system() -> Self {
        let random = aws_lc_rs::rand::SystemRandom::new();
        Self(Arc::new(move |out| {
            #[expect(
                clippy::expect_used,
                reason = "without randomness no secret is safe; stopping is the only answer"
            )]
            random.fill(out).expect("the operating system gives no randomness");
        }))
    }

    /// A repeatable stream for tests: SHA-256 of the seed and a counter.
    pub fn seeded(seed: u64) -> Self {
        let counter = AtomicU64::new(0);
        Self(Arc::new(move |out| {
            for chunk in out.chunks_mut(32) {
                let mut message = [0; 16];
                message[..8].copy_from_slice(&seed.to_be_bytes());
                message[8..].copy_from_slice(&counter.fetch_add(1, Ordering::SeqCst).to_be_bytes());
                for (to, from) in chunk.iter_mut().zip(sha256(&message)) {
                    *to = from;
                }
            }
        }))
    }

    /// `N` random bytes.
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut out = [0; N];
        (self.0)(&mut out);
        out
    }

    /// 256 random bits as 43 characters of base64url.
    pub fn token(&self) -> Secret {
        Secret::new(BASE64_URL_SAFE_NO_PAD.encode(self.bytes::<32>()))
    }
}

impl fmt::Debug for IdSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdSource(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_print() {
        let secret = Secret::new("hunter2".into());
        assert!(!format!("{secret:?}").contains("hunter2"));
        assert!(secret.matches("hunter2") && !secret.matches("hunter3") && !secret.matches(""));
    }

    #[test]
    fn derived_keys_differ_by_purpose_and_verify() {
        let key = MacKey::new(&[7; 32]);
        let (a, b) = (key.derive("session"), key.derive("token"));
        assert_ne!(a.tag(b"x"), b.tag(b"x"));
        assert!(a.verify(b"x", &a.tag(b"x")) && !a.verify(b"x", &b.tag(b"x")));
    }

    #[test]
    fn what_is_sealed_opens_at_its_place_under_its_key_as_it_was_only() {
        let (ids, key) = (IdSource::system(), MacKey::new(&[7; 32]));
        let (seeds, mails) = (key.seal_key("seeds"), key.seal_key("mails"));
        let sealed = seeds.seal(&ids, b"ada", b"a seed").unwrap();
        assert_eq!(seeds.open(b"ada", &sealed).unwrap().as_slice(), b"a seed");
        assert!(seeds.open(b"grace", &sealed).is_none(), "another place");
        assert!(mails.open(b"ada", &sealed).is_none(), "another purpose");
        assert!(MacKey::new(&[8; 32]).seal_key("seeds").open(b"ada", &sealed).is_none(), "another key");
        for byte in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[byte] ^= 1;
            assert!(seeds.open(b"ada", &changed).is_none(), "byte {byte}");
            assert!(seeds.open(b"ada", &sealed[..byte]).is_none(), "cut at {byte}");
        }
        assert_ne!(sealed, seeds.seal(&ids, b"ada", b"a seed").unwrap(), "the same text twice does not look the same");
        assert_eq!(seeds.open(b"", &seeds.seal(&ids, b"", b"").unwrap()).unwrap().as_slice(), b"");
    }

    #[test]
    fn a_seeded_source_repeats_itself_and_does_not_repeat_values() {
        let (one, two) = (IdSource::seeded(1), IdSource::seeded(1));
        let first = one.bytes::<40>();
        assert_eq!(first, two.bytes::<40>());
        assert_ne!(first, one.bytes::<40>());
        assert_ne!(IdSource::system().bytes::<16>(), [0; 16]);
    }
}
