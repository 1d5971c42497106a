//! An authenticator and the browser before it, written from Web Authentication Level 3 and not from the code under test.
//! What it says can be twisted before it is signed and before it is sent.

use std::cell::{Cell, RefCell};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use minicbor::Encoder;
use serde_json::{Value, json};

pub const PRESENT: u8 = 0x01;
pub const VERIFIED: u8 = 0x04;
pub const BACKUP_ELIGIBLE: u8 = 0x08;
pub const BACKED_UP: u8 = 0x10;
pub const ATTESTED: u8 = 0x40;
pub const EXTENSIONS: u8 = 0x80;

enum Signer {
    Es256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Rs256(Box<RsaKeyPair>),
}

/// One key of one authenticator.
pub struct SecurityKey {
    signer: Signer,
    pub id: Vec<u8>,
    /// Uses so far; `None` for one that does not count.
    pub count: Cell<Option<u32>>,
    /// Whose it is, as the site called them when it was made.
    user: RefCell<Option<Vec<u8>>>,
    /// What it says of who stands before it.
    pub flags: u8,
    pub origin: String,
}

/// What is said in a ceremony, before it is signed.
pub struct Said {
    /// What the browser says.
    pub client: Value,
    /// The same as text, where it is no JSON of an object.
    pub client_text: Option<String>,
    /// The site whose hash the authenticator gives.
    pub party: String,
    pub flags: u8,
    pub count: u32,
    /// A new credential's id and key.
    pub attested: Option<(Vec<u8>, Vec<u8>)>,
    /// What follows.
    pub tail: Vec<u8>,
    pub format: String,
    /// The attestation statement as CBOR.
    pub statement: Vec<u8>,
    pub user: Option<Vec<u8>>,
    /// The credential as it is sent.
    pub sent: fn(&mut Value),
}

pub fn encode(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

pub fn decode(value: &Value) -> Vec<u8> {
    BASE64_URL_SAFE_NO_PAD.decode(value.as_str().unwrap()).unwrap()
}

fn sha256(bytes: &[u8]) -> Vec<u8> {
    aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes).as_ref().to_vec()
}

impl SecurityKey {
    fn of(signer: Signer, origin: &str) -> Self {
        let mut id = vec![0; 32];
        aws_lc_rs::rand::fill(&mut id).unwrap();
        let (count, user) = (Cell::new(Some(0)), RefCell::default());
        Self { signer, id, count, user, flags: PRESENT | VERIFIED, origin: origin.to_owned() }
    }

    pub fn es256(origin: &str) -> Self {
        Self::of(Signer::Es256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap()), origin)
    }

    pub fn ed25519(origin: &str) -> Self {
        Self::of(Signer::Ed25519(Ed25519KeyPair::generate().unwrap()), origin)
    }

    pub fn rs256(origin: &str, size: KeySize) -> Self {
        Self::of(Signer::Rs256(Box::new(RsaKeyPair::generate(size).unwrap())), origin)
    }

    /// One that is kept on several devices, and counts nothing.
    pub fn synced(origin: &str) -> Self {
        let key = Self::es256(origin);
        key.count.set(None);
        Self { flags: key.flags | BACKUP_ELIGIBLE | BACKED_UP, ..key }
    }

    /// The public key as a COSE key.
    pub fn cose(&self) -> Vec<u8> {
        let mut encoder = Encoder::new(Vec::new());
        match &self.signer {
            Signer::Es256(pair) => {
                let point = pair.public_key().as_ref();
                encoder.map(5).unwrap().i8(1).unwrap().i8(2).unwrap().i8(3).unwrap().i8(-7).unwrap();
                encoder.i8(-1).unwrap().i8(1).unwrap();
                encoder.i8(-2).unwrap().bytes(&point[1..33]).unwrap().i8(-3).unwrap().bytes(&point[33..]).unwrap();
            }
            Signer::Ed25519(pair) => {
                encoder.map(4).unwrap().i8(1).unwrap().i8(1).unwrap().i8(3).unwrap().i8(-8).unwrap();
                encoder.i8(-1).unwrap().i8(6).unwrap().i8(-2).unwrap().bytes(pair.public_key().as_ref()).unwrap();
            }
            Signer::Rs256(pair) => {
                // RSAPublicKey (RFC 8017 appendix A.1.1): a sequence of two integers, the second 65537.
                let der = pair.public_key().as_ref();
                let (modulus, exponent) = der.split_at(der.len() - 5);
                assert_eq!(exponent, [2, 3, 1, 0, 1]);
                let modulus = &modulus[9..];
                encoder.map(4).unwrap().i8(1).unwrap().i8(3).unwrap().i8(3).unwrap().i16(-257).unwrap();
                encoder.i8(-1).unwrap().bytes(modulus).unwrap().i8(-2).unwrap().bytes(&exponent[2..]).unwrap();
            }
        }
        encoder.into_writer()
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        match &self.signer {
            Signer::Es256(pair) => pair.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec(),
            Signer::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
            Signer::Rs256(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature).unwrap();
                signature
            }
        }
    }

    fn said(&self, kind: &str, options: &Value, party: &Value) -> Said {
        let client = json!({
            "type": kind, "challenge": options["challenge"], "origin": self.origin, "crossOrigin": false,
            "a member of later": "means nothing",
        });
        if let Some(count) = self.count.get() {
            self.count.set(Some(count + 1));
        }
        Said {
            client,
            client_text: None,
            party: party.as_str().unwrap().to_owned(),
            flags: self.flags,
            count: self.count.get().unwrap_or(0),
            attested: None,
            tail: Vec::new(),
            format: "none".to_owned(),
            statement: vec![0xa0],
            user: self.user.borrow().clone(),
            sent: |_| {},
        }
    }

    /// Makes the key for a site that asks for one, and answers.
    pub fn create(&self, options: &Value) -> String {
        self.create_with(options, |_| {})
    }

    pub fn create_with(&self, options: &Value, twist: impl FnOnce(&mut Said)) -> String {
        self.user.borrow_mut().get_or_insert_with(|| decode(&options["user"]["id"]));
        let mut said = self.said("webauthn.create", options, &options["rp"]["id"]);
        said.flags |= ATTESTED;
        said.attested = Some((self.id.clone(), self.cose()));
        twist(&mut said);
        let mut object = Encoder::new(Vec::new());
        object.map(3).unwrap().str("fmt").unwrap().str(&said.format).unwrap().str("attStmt").unwrap();
        object.writer_mut().extend_from_slice(&said.statement);
        object.str("authData").unwrap().bytes(&said.data()).unwrap();
        let response = json!({
            "clientDataJSON": encode(said.client_text().as_bytes()),
            "attestationObject": encode(&object.into_writer()),
            "transports": ["usb", "a way of later"],
        });
        self.sent(response, &said)
    }

    /// Shows the key to a site that asks for it.
    pub fn get(&self, options: &Value) -> String {
        self.get_with(options, |_| {})
    }

    pub fn get_with(&self, options: &Value, twist: impl FnOnce(&mut Said)) -> String {
        let mut said = self.said("webauthn.get", options, &options["rpId"]);
        twist(&mut said);
        let (data, client) = (said.data(), said.client_text());
        let signature = self.sign(&[&data[..], &sha256(client.as_bytes())].concat());
        let response = json!({
            "clientDataJSON": encode(client.as_bytes()),
            "authenticatorData": encode(&data),
            "signature": encode(&signature),
            "userHandle": said.user.as_ref().map(|user| encode(user)),
        });
        self.sent(response, &said)
    }

    fn sent(&self, response: Value, said: &Said) -> String {
        let id = encode(&self.id);
        let mut credential = json!({ "id": id, "rawId": id, "type": "public-key", "response": response });
        (said.sent)(&mut credential);
        match credential {
            Value::String(text) => text,
            other => other.to_string(),
        }
    }
}

impl Said {
    fn client_text(&self) -> String {
        self.client_text.clone().unwrap_or_else(|| self.client.to_string())
    }

    fn data(&self) -> Vec<u8> {
        let mut data = [&sha256(self.party.as_bytes())[..], &[self.flags], &self.count.to_be_bytes()].concat();
        if let Some((id, key)) = &self.attested {
            data.extend([0; 16]);
            data.extend(u16::try_from(id.len()).unwrap().to_be_bytes());
            data.extend(id);
            data.extend(key);
        }
        data.extend(&self.tail);
        data
    }
}
