//! Tokens that nobody signed, that somebody else signed, by another method, or in another form.

use std::sync::LazyLock;

use aws_lc_rs::{digest, hmac};
use base64::{Engine, prelude::BASE64_STANDARD, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use serde_json::json;

use super::*;

/// A key that the provider publishes beside its first one, where a case says so.
static CURVE: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::es256("curve").unwrap());

fn parts(token: &str) -> [String; 3] {
    token.split('.').map(str::to_owned).collect::<Vec<_>>().try_into().unwrap()
}

fn decoded(part: &str) -> String {
    String::from_utf8(BASE64.decode(part).unwrap()).unwrap()
}

/// What is signed: this header, and the claims of `token`.
fn message(header: &Value, token: &str) -> String {
    format!("{}.{}", BASE64.encode(header.to_string()), parts(token)[1])
}

/// Signed anew by `key` under this header.
fn by_key(key: &'static SigningKey, header: Value) -> Spoil {
    Spoil::token(move |token| key.sign(&header.to_string(), &decoded(&parts(&token)[1])).unwrap())
}

/// Signed anew by the provider, under a header that is changed.
pub(super) fn resigned(change: fn(Value) -> Value) -> Spoil {
    by_key(&KEY, change(json!({ "alg": "RS256", "kid": "first", "typ": "JWT" })))
}

fn by_secret(algorithm: hmac::Algorithm, name: &'static str, secret: Vec<u8>) -> Spoil {
    Spoil::token(move |token| {
        let message = message(&json!({ "alg": name, "kid": "first" }), &token);
        let tag = hmac::sign(&hmac::Key::new(algorithm, &secret), message.as_bytes());
        format!("{message}.{}", BASE64.encode(tag))
    })
}

fn case(name: &str, rule: &'static str, spoil: Spoil) -> Case {
    by_provider(format!("token: {name}"), rule, spoil)
}

pub(super) fn algorithms() -> Cases {
    let mut cases = Vec::new();
    for name in ["none", "None", "nOnE", "", "RS1", "ES512", "ES256K", "rs256", "HS384", "RSA-OAEP", "dir", "RS256 "] {
        let unsigned = move |token: String| format!("{}.", message(&json!({ "alg": name, "kid": "first" }), &token));
        cases.push(case(&format!("algorithm {name:?}, no signature"), "algorithm", Spoil::token(unsigned)));
    }
    for (name, value) in [("absent", None), ("a number", Some(json!(256))), ("a list", Some(json!(["RS256"])))] {
        let change = move |header: &mut Map<String, Value>| match &value {
            Some(value) => drop(header.insert("alg".into(), value.clone())),
            None => drop(header.remove("alg")),
        };
        cases.push(case(&format!("an algorithm that is {name}"), "algorithm", Spoil::header(change)));
    }
    let modulus = BASE64.decode(KEY.public_jwk()["n"].as_str().unwrap()).unwrap();
    for (name, secret) in [
        ("the client's secret", CLIENT_SECRET.as_bytes().to_vec()),
        ("the public key", modulus),
        ("the public key as JSON", KEY.public_jwk().to_string().into_bytes()),
        ("nothing", Vec::new()),
    ] {
        let spoil = by_secret(hmac::HMAC_SHA256, "HS256", secret.clone());
        cases.push(case(&format!("HS256 under {name}"), "algorithm", spoil));
        let spoil = by_secret(hmac::HMAC_SHA512, "HS512", secret);
        cases.push(case(&format!("HS512 under {name}"), "algorithm", spoil));
    }
    for name in ["PS256", "RS384", "RS512", "ES256", "ES384", "EdDSA"] {
        let spoil = by_key(&KEY, json!({ "alg": name, "kid": "first" }));
        cases.push(case(&format!("{name} by a key for RS256"), "key", spoil));
    }
    cases
}

pub(super) fn headers() -> Cases {
    let mut cases = Vec::new();
    for (name, member, value, rule) in [
        ("critical extensions", "crit", json!(["exp"]), "header"),
        ("no critical extensions", "crit", json!([]), "header"),
        ("an unencoded payload", "b64", json!(false), "header"),
        ("an encoded payload", "b64", json!(true), "header"),
        ("a token inside", "cty", json!("JWT"), "header"),
        ("compression", "zip", json!("DEF"), "header"),
        ("the type of an access token", "typ", json!("at+jwt"), "header"),
        ("the type of a logout token", "typ", json!("logout+jwt"), "header"),
        ("the type of an event", "typ", json!("secevent+jwt"), "header"),
        ("a type that is no text", "typ", json!(["JWT"]), "header"),
        ("a key id that is a number", "kid", json!(1), "header"),
        ("a key id that is null", "kid", Value::Null, "header"),
        ("a huge key id", "kid", json!("x".repeat(300)), "header"),
        ("an unknown key id", "kid", json!("strange"), "key"),
        ("an empty key id", "kid", json!(""), "key"),
        ("a key id that is a path", "kid", json!("../../dev/null"), "key"),
        ("a key id that is a query", "kid", json!("first' OR '1'='1"), "key"),
    ] {
        let spoil = Spoil::header(move |header| drop(header.insert(member.into(), value.clone())));
        cases.push(case(name, rule, spoil));
    }
    // What the token brings along, signed by what it brings.
    let own = STRANGE_KEY.public_jwk();
    for (name, member, value) in [
        ("its own key", "jwk", own.clone()),
        ("an address of keys", "jku", json!("https://evil.example/jwks")),
        ("an address of keys on this machine", "jku", json!("http://127.0.0.1:1/jwks")),
        ("an address of a certificate", "x5u", json!("https://evil.example/cert")),
        ("a certificate", "x5c", json!(["MIIB"])),
        ("a thumbprint", "x5t#S256", json!("47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU")),
    ] {
        let mut header = json!({ "alg": "RS256", "kid": "first" });
        header[member] = value;
        cases.push(case(&format!("{name} brought along"), "signature", by_key(&STRANGE_KEY, header)));
    }
    for (name, header) in [
        ("the algorithm twice", r#"{"alg":"none","alg":"RS256","kid":"first"}"#),
        ("the algorithm in escapes", r#"{"alg":"RS256","\u0061lg":"none","kid":"first"}"#),
        ("a later member twice", r#"{"alg":"RS256","kid":"first","later":1,"later":2}"#),
        ("a header that is a list", r#"["RS256"]"#),
        ("an empty header", ""),
        ("a header and more", r#"{"alg":"RS256","kid":"first"} x"#),
    ] {
        let spoil = Spoil::token(move |token| KEY.sign(header, &decoded(&parts(&token)[1])).unwrap());
        cases.push(case(name, "shape", spoil));
    }
    cases
}

/// The provider's signature, changed.
fn altered(change: impl Fn(Vec<u8>) -> Vec<u8> + Send + Sync + 'static) -> Spoil {
    Spoil::token(move |token| {
        let [header, payload, signature] = parts(&token);
        format!("{header}.{payload}.{}", BASE64.encode(change(BASE64.decode(signature).unwrap())))
    })
}

/// Keys that the provider publishes besides.
fn publishing(keys: Vec<Value>) -> Spoil {
    Spoil::document(Endpoint::Keys, move |document| {
        document["keys"].as_array_mut().unwrap().extend(keys.iter().cloned());
    })
}

/// Signed by the provider's key on a curve, with a signature that is changed.
pub(super) fn by_curve(change: fn(Vec<u8>) -> Vec<u8>) -> Spoil {
    publishing(vec![CURVE.public_jwk()]).and_token(move |token| {
        let signed = CURVE.sign(&json!({ "alg": "ES256", "kid": "curve" }).to_string(), &decoded(&parts(&token)[1]));
        let [header, payload, signature] = parts(&signed.unwrap());
        format!("{header}.{payload}.{}", BASE64.encode(change(BASE64.decode(signature).unwrap())))
    })
}

/// An integer as DER writes it.
fn integer(bytes: &[u8]) -> Vec<u8> {
    let start = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len() - 1);
    let mut digits = bytes[start..].to_vec();
    if digits[0] & 0x80 != 0 {
        digits.insert(0, 0);
    }
    [&[2, digits.len() as u8][..], &digits].concat()
}

fn der(signature: Vec<u8>) -> Vec<u8> {
    let (r, s) = signature.split_at(32);
    let inside = [integer(r), integer(s)].concat();
    [&[0x30, inside.len() as u8][..], &inside].concat()
}

/// A key of so many bytes whose exponent is 1, so that everybody can sign for it, and a token that it "signed".
fn with_exponent_one(size: usize) -> Spoil {
    let jwk = json!({ "kty": "RSA", "kid": "one", "n": BASE64.encode(vec![0xff; size]), "e": BASE64.encode([1]) });
    publishing(vec![jwk]).and_token(move |token| {
        let message = message(&json!({ "alg": "RS256", "kid": "one" }), &token);
        let hash = digest::digest(&digest::SHA256, message.as_bytes());
        let prefix = [0x30, 0x31, 0x30, 0x0d, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1, 5, 0, 4, 0x20];
        let end = [&[0][..], &prefix, hash.as_ref()].concat();
        let mut padded = vec![0, 1];
        padded.resize(size - end.len(), 0xff);
        padded.extend(end);
        format!("{message}.{}", BASE64.encode(padded))
    })
}

/// A token under this header whose signature is so many zeros, beside a key that is published.
fn zeros(key: Value, header: Value, size: usize) -> Spoil {
    publishing(vec![key])
        .and_token(move |token| format!("{}.{}", message(&header, &token), BASE64.encode(vec![0; size])))
}

pub(super) fn signatures() -> Cases {
    let header = || json!({ "alg": "RS256", "kid": "first" });
    let mut cases = vec![
        case("no signature", "signature", altered(|_| Vec::new())),
        case(
            "a signature with one bit changed",
            "signature",
            altered(|mut bytes| {
                bytes[100] ^= 1;
                bytes
            }),
        ),
        case(
            "a signature cut by a byte",
            "signature",
            altered(|mut bytes| {
                bytes.pop();
                bytes
            }),
        ),
        case("a signature longer by a byte", "signature", altered(|bytes| [&[0][..], &bytes].concat())),
        case("a signature of zeros", "signature", altered(|bytes| vec![0; bytes.len()])),
        case("a signature twice", "signature", altered(|bytes| bytes.repeat(2))),
        case("another provider's key of the same id", "signature", by_key(&STRANGE_KEY, header())),
        case("another provider's key, no id", "signature", by_key(&STRANGE_KEY, json!({ "alg": "RS256" }))),
        case(
            "claims that were changed",
            "signature",
            Spoil::token(|token| {
                let [header, payload, signature] = parts(&token);
                let payload = decoded(&payload).replace("idp-ada", "idp-eve");
                format!("{header}.{}.{signature}", BASE64.encode(payload))
            }),
        ),
        case(
            "a header that was changed",
            "signature",
            Spoil::token(|token| {
                let [_, payload, signature] = parts(&token);
                let header = BASE64.encode(json!({ "alg": "RS256", "kid": "first", "typ": "jwt" }).to_string());
                format!("{header}.{payload}.{signature}")
            }),
        ),
    ];
    let strange = |jwk: Value| {
        publishing(vec![jwk]).and_token(|token| {
            let header = json!({ "alg": "RS256", "kid": "second" }).to_string();
            STRANGE_KEY.sign(&header, &decoded(&parts(&token)[1])).unwrap()
        })
    };
    let named = |change: fn(&mut Value)| {
        let mut jwk = STRANGE_KEY.public_jwk();
        jwk["kid"] = json!("second");
        change(&mut jwk);
        strange(jwk)
    };
    let off =
        json!({ "kty": "EC", "crv": "P-256", "kid": "off", "x": BASE64.encode([1; 32]), "y": BASE64.encode([1; 32]) });
    let newcomers = [
        ("a curve's signature in DER", "signature", by_curve(der)),
        ("a curve's signature of zeros", "signature", by_curve(|bytes| vec![0; bytes.len()])),
        (
            "a curve's signature with its halves swapped",
            "signature",
            by_curve(|bytes| [&bytes[32..], &bytes[..32]].concat()),
        ),
        ("a curve's signature cut", "signature", by_curve(|bytes| bytes[..63].to_vec())),
        (
            "a curve's signature with zeros before",
            "signature",
            by_curve(|bytes| [&[0][..], &bytes[..32], &[0], &bytes[32..]].concat()),
        ),
        ("a point off the curve", "signature", zeros(off, json!({ "alg": "ES256", "kid": "off" }), 64)),
        ("a key for RSA with exponent 1", "signature", with_exponent_one(256)),
        ("a key for RSA of 1024 bits", "signature", with_exponent_one(128)),
        ("a key for encryption", "key", named(|jwk| jwk["use"] = json!("enc"))),
        ("a key for signing only", "key", named(|jwk| jwk["key_ops"] = json!(["sign"]))),
        ("a key for another algorithm", "key", named(|jwk| jwk["alg"] = json!("PS256"))),
        ("a key of another issuer", "key", named(|jwk| jwk["issuer"] = json!("https://evil.example"))),
        ("a key whose private half is published", "key", named(|jwk| jwk["d"] = json!("AQAB"))),
        ("a key whose factor is published", "key", named(|jwk| jwk["q"] = json!("AQAB"))),
        ("a key that lacks a half", "key", named(|jwk| drop(jwk.as_object_mut().unwrap().remove("n")))),
        ("a shared key", "key", named(|jwk| *jwk = json!({ "kty": "oct", "k": "AAAA", "kid": "second" }))),
        (
            "a curve that nobody knows",
            "key",
            named(|jwk| *jwk = json!({ "kty": "EC", "crv": "P-999", "x": "AA", "y": "AA", "kid": "second" })),
        ),
    ];
    cases.extend(newcomers.into_iter().map(|(name, rule, spoil)| by_newcomer(format!("token: {name}"), rule, spoil)));
    cases
}

pub(super) fn shapes() -> Cases {
    type Shape = (&'static str, fn(String) -> String);
    let shapes: [Shape; 15] = [
        ("four parts", |token| format!("{token}.more")),
        ("five parts, as one that is encrypted", |token| format!("{token}.a.b")),
        ("two parts", |token| token.rsplit_once('.').unwrap().0.to_owned()),
        ("one part", |token| parts(&token)[1].clone()),
        ("nothing", |_| String::new()),
        ("dots", |_| "..".to_owned()),
        ("padding", |token| format!("{token}==")),
        ("padding inside", |token| token.replace('.', "=.")),
        ("a blank before", |token| format!(" {token}")),
        ("a line feed after", |token| format!("{token}\n")),
        ("a line feed inside", |token| token.replacen('.', ".\n", 1)),
        ("the other alphabet", |token| {
            let [header, payload, signature] = parts(&token);
            format!("{header}.{payload}.{}", BASE64_STANDARD.encode(BASE64.decode(signature).unwrap()))
        }),
        ("bits after the end", |token| {
            // 256 bytes end on a digit of which four bits count for nothing.
            let (start, last) = token.split_at(token.len() - 1);
            format!("{start}{}", if last == "A" { "B" } else { "_" })
        }),
        ("the form of JSON", |token| {
            let [header, payload, signature] = parts(&token);
            json!({ "payload": payload, "protected": header, "signature": signature }).to_string()
        }),
        ("a size beyond reason", |token| {
            let [header, payload, signature] = parts(&token);
            format!("{header}.{}{payload}.{signature}", "AAAA".repeat(80 * 1024))
        }),
    ];
    let shaped = shapes.map(|(name, shape)| by_provider(format!("token of {name}"), "shape", Spoil::token(shape)));
    shaped.into()
}
