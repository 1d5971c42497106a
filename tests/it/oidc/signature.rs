//! Tokens that nobody signed, that somebody else signed, or that were changed afterwards.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use aws_lc_rs::hmac;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use cleargate::sandbox::openid::{Endpoint, SigningKey};
use serde_json::{Value, json};

use super::stage::{CLIENT_SECRET, KEY, STRANGE_KEY, Spoil, Stage, is_refused, rule};

/// The three parts of a token.
fn parts(token: &str) -> [String; 3] {
    token.split('.').map(str::to_owned).collect::<Vec<_>>().try_into().unwrap()
}

fn decoded(part: &str) -> String {
    String::from_utf8(BASE64.decode(part).unwrap()).unwrap()
}

/// Signs the claims of `token` anew, by `key` under `header`.
fn signed_by(key: &SigningKey, header: &Value, token: &str) -> String {
    key.sign(&header.to_string(), &decoded(&parts(token)[1])).unwrap()
}

#[tokio::test]
async fn an_unsigned_token_is_refused() {
    for name in ["none", "None", "nOnE", ""] {
        let unsigned = move |token: String| {
            let header = BASE64.encode(json!({ "alg": name, "typ": "JWT" }).to_string());
            format!("{header}.{}.", parts(&token)[1])
        };
        is_refused(Spoil::token(unsigned), "algorithm").await;
    }
}

#[tokio::test]
async fn a_token_without_its_signature_is_refused() {
    let cut = |token: String| format!("{}.{}.", parts(&token)[0], parts(&token)[1]);
    is_refused(Spoil::token(cut), "signature").await;
}

/// A token with the claims of `token`, by HMAC-SHA-256 under `secret`.
fn hs256(secret: &[u8], token: &str) -> String {
    let header = BASE64.encode(json!({ "alg": "HS256", "kid": "first" }).to_string());
    let message = format!("{header}.{}", parts(token)[1]);
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message.as_bytes());
    format!("{message}.{}", BASE64.encode(tag))
}

#[tokio::test]
async fn a_token_under_the_client_secret_is_refused() {
    is_refused(Spoil::token(|token| hs256(CLIENT_SECRET.as_bytes(), &token)), "algorithm").await;
}

#[tokio::test]
async fn a_token_whose_shared_secret_is_the_public_key_is_refused() {
    let public = KEY.public_jwk()["n"].as_str().unwrap().to_owned();
    is_refused(Spoil::token(move |token| hs256(&BASE64.decode(&public).unwrap(), &token)), "algorithm").await;
}

#[tokio::test]
async fn a_token_by_an_unknown_key_id_is_refused() {
    is_refused(Spoil::header(|header| drop(header.insert("kid".into(), json!("../../etc/passwd")))), "key").await;
}

#[tokio::test]
async fn unknown_key_ids_do_not_make_us_fetch_keys_again_and_again() {
    let strange = Spoil::header(|header| drop(header.insert("kid".into(), json!("strange"))));
    let (spoil, fetched) = strange.counting(Endpoint::Keys);
    let stage = Stage::spoiled(spoil).await;
    for _ in 0..15 {
        assert_eq!(rule(stage.sign_in().await), "key");
    }
    assert_eq!(fetched.load(Ordering::SeqCst), 2, "once more for the first of them");
}

#[tokio::test]
async fn a_token_by_another_providers_key_is_refused() {
    let header = json!({ "alg": "RS256", "kid": "first" });
    is_refused(Spoil::token(move |token| signed_by(&STRANGE_KEY, &header, &token)), "signature").await;
}

#[tokio::test]
async fn a_key_that_the_token_brings_along_is_not_used() {
    let header = json!({
        "alg": "RS256", "kid": "first", "jwk": STRANGE_KEY.public_jwk(),
        "jku": "https://evil.example/jwks", "x5u": "https://evil.example/cert",
    });
    is_refused(Spoil::token(move |token| signed_by(&STRANGE_KEY, &header, &token)), "signature").await;
}

#[tokio::test]
async fn altered_claims_are_refused() {
    let alter = |token: String| {
        let [header, payload, signature] = parts(&token);
        let payload = decoded(&payload).replace("248289761001", "7");
        format!("{header}.{}.{signature}", BASE64.encode(payload))
    };
    is_refused(Spoil::token(alter), "signature").await;
}

#[tokio::test]
async fn an_altered_signature_is_refused() {
    let alter = |token: String| {
        let [header, payload, signature] = parts(&token);
        let mut bytes = BASE64.decode(signature).unwrap();
        bytes[100] ^= 1;
        format!("{header}.{payload}.{}", BASE64.encode(bytes))
    };
    is_refused(Spoil::token(alter), "signature").await;
}

#[tokio::test]
async fn a_key_is_not_used_for_another_algorithm_than_its_own() {
    for algorithm in ["PS256", "RS384", "RS512", "ES256", "EdDSA"] {
        let spoil = Spoil::header(move |header| drop(header.insert("alg".into(), json!(algorithm))));
        is_refused(spoil, "key").await;
    }
}

#[tokio::test]
async fn an_algorithm_that_is_not_on_the_list_is_refused() {
    for algorithm in ["RS1", "ES512", "ES256K", "HS512", "rs256", "RSA-OAEP", "dir"] {
        let spoil = Spoil::header(move |header| drop(header.insert("alg".into(), json!(algorithm))));
        is_refused(spoil, "algorithm").await;
    }
    is_refused(Spoil::header(|header| drop(header.remove("alg"))), "algorithm").await;
}

#[tokio::test]
async fn critical_extensions_are_refused() {
    is_refused(Spoil::header(|header| drop(header.insert("crit".into(), json!(["exp"])))), "header").await;
    is_refused(Spoil::header(|header| drop(header.insert("b64".into(), json!(false)))), "header").await;
}

#[tokio::test]
async fn a_token_of_another_type_is_refused() {
    for kind in [json!("at+jwt"), json!("logout+jwt"), json!(1)] {
        is_refused(Spoil::header(move |header| drop(header.insert("typ".into(), kind.clone()))), "header").await;
    }
}

#[tokio::test]
async fn a_header_member_that_appears_twice_is_refused() {
    for header in
        [r#"{"alg":"none","alg":"RS256","kid":"first"}"#, r#"{"alg":"RS256","kid":"first","later":1,"later":2}"#]
    {
        let twice = move |token: String| KEY.sign(header, &decoded(&parts(&token)[1])).unwrap();
        is_refused(Spoil::token(twice), "shape").await;
    }
}

#[tokio::test]
async fn a_token_of_another_shape_is_refused() {
    let shapes: [fn(String) -> String; 6] = [
        |token| format!("{token}.more"),
        |token| format!("{token}.a.b"),
        |token| parts(&token)[1].clone(),
        |token| token.replace('.', "=."),
        |token| format!(" {token}"),
        |_| String::new(),
    ];
    for shape in shapes {
        is_refused(Spoil::token(shape), "shape").await;
    }
}

#[tokio::test]
async fn a_retired_key_is_refused_after_the_next_fetch() {
    // The provider publishes the newest key only, but a thief of the old one goes on signing.
    let newest = |keys: &mut Value| {
        let keys = keys["keys"].as_array_mut().unwrap();
        keys.drain(..keys.len() - 1);
    };
    let spoil = Spoil::document(Endpoint::Keys, newest);
    let stolen = json!({ "alg": "RS256", "kid": "first" });
    let stage = Stage::spoiled(spoil.and_token(move |token| signed_by(&KEY, &stolen, &token))).await;
    assert!(stage.sign_in().await.is_ok());
    stage.provider.rotate(Arc::new(SigningKey::es256("second").unwrap()));
    stage.clock.advance(Duration::from_secs(3601));
    assert_eq!(rule(stage.sign_in().await), "key");
}
