//! Tokens that are forged, altered, of another kind or about somebody who is none of the provider's: each is refused by its
//! rule and the standard's word, ends nothing, and a good one works after all of them.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use cleargate::audit::EventKind;
use cleargate::sandbox::openid::SigningKey;
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::stage::{ADA, AUDIENCE, CAEP, GRACE, PUSH_TOKEN, PUSHED, RISC, SSF, Stage, header, is_in, push, signed};
use crate::oidc::stage::{CLIENT_ID, KEY, STRANGE_KEY};
use crate::support::gateway::{Reply, START};

type Object = Map<String, Value>;
type Change = fn(&mut Object, &mut Object);

const NOW: i64 = START.as_seconds();
const DAY: i64 = 24 * 60 * 60;
const REVOKED: &str = "https://schemas.openid.net/secevent/caep/event-type/session-revoked";

fn set(object: &mut Object, name: &str, value: Value) {
    object.insert(name.to_owned(), value);
}

/// Signed so long ago that its key would have been published by now.
fn aged(claims: &mut Object) {
    set(claims, "iat", json!(NOW - 11 * 60));
}

fn about(claims: &mut Object, subject: Value) {
    set(claims, "sub_id", subject);
}

/// One member of the subject, which stands in the place of the same person's.
fn subject(claims: &mut Object, name: &str, value: Value) {
    claims["sub_id"][name] = value;
}

/// What is wrong with a token, the rule that says so, and what the transmitter is told.
const WRONG: &[(&str, &str, Change)] = &[
    ("algorithm", "invalid_key", |h, _| set(h, "alg", json!("none"))),
    ("algorithm", "invalid_key", |h, _| set(h, "alg", json!("HS256"))),
    ("algorithm", "invalid_key", |h, _| set(h, "alg", json!("RS1"))),
    ("algorithm", "invalid_key", |h, _| drop(h.remove("alg"))),
    ("key", "invalid_key", |h, c| {
        set(h, "alg", json!("ES256"));
        aged(c);
    }),
    ("key", "invalid_key", |h, c| {
        set(h, "alg", json!("PS256"));
        aged(c);
    }),
    ("key", "invalid_key", |h, c| {
        set(h, "kid", json!("second"));
        aged(c);
    }),
    ("header", "invalid_request", |h, _| set(h, "kid", json!(7))),
    ("header", "invalid_request", |h, _| set(h, "crit", json!(["exp"]))),
    ("header", "invalid_request", |h, _| set(h, "b64", json!(false))),
    ("header", "invalid_request", |h, _| set(h, "zip", json!("DEF"))),
    ("header", "invalid_request", |h, _| set(h, "cty", json!("JWT"))),
    // Tokens of other kinds, all signed by the same key.
    ("header", "invalid_request", |h, _| drop(h.remove("typ"))),
    ("header", "invalid_request", |h, _| set(h, "typ", json!("JWT"))),
    ("header", "invalid_request", |h, _| set(h, "typ", json!("at+jwt"))),
    ("header", "invalid_request", |h, _| set(h, "typ", json!("logout+jwt"))),
    ("header", "invalid_request", |h, _| set(h, "typ", json!(["secevent+jwt"]))),
    ("header", "invalid_request", |h, _| set(h, "typ", json!(null))),
    ("expiry", "invalid_request", |_, c| set(c, "exp", json!(NOW + 300))),
    ("expiry", "invalid_request", |_, c| set(c, "exp", json!(null))),
    ("nonce", "invalid_request", |_, c| set(c, "nonce", json!("x"))),
    ("subject", "invalid_request", |_, c| set(c, "sub", json!("sub-ada"))),
    ("authorized_party", "invalid_request", |_, c| set(c, "azp", json!(CLIENT_ID))),
    ("audience", "invalid_audience", |_, c| drop(c.remove("aud"))),
    ("audience", "invalid_audience", |_, c| set(c, "aud", json!("http://127.0.0.1:8080/signals/other"))),
    ("audience", "invalid_audience", |_, c| set(c, "aud", json!("http://127.0.0.1:8080/signals/idp/"))),
    ("audience", "invalid_audience", |_, c| set(c, "aud", json!(CLIENT_ID))),
    ("audience", "invalid_audience", |_, c| set(c, "aud", json!([]))),
    ("audience", "invalid_audience", |_, c| set(c, "aud", json!([AUDIENCE, 1]))),
    ("audience", "invalid_audience", |_, c| set(c, "aud", json!({ AUDIENCE: true }))),
    ("issuer", "invalid_issuer", |_, c| drop(c.remove("iss"))),
    ("issuer", "invalid_issuer", |_, c| set(c, "iss", json!("https://evil.example"))),
    ("issuer", "invalid_issuer", |_, c| set(c, "iss", json!([c["iss"]]))),
    ("issuer", "invalid_issuer", |_, c| set(c, "iss", json!(format!("{}/", c["iss"].as_str().unwrap())))),
    ("issue_time", "invalid_request", |_, c| drop(c.remove("iat"))),
    ("issue_time", "invalid_request", |_, c| set(c, "iat", json!("now"))),
    ("issue_time", "invalid_request", |_, c| set(c, "iat", json!(-1))),
    ("issue_time", "invalid_request", |_, c| set(c, "iat", json!(NOW + 61))),
    ("issue_time", "invalid_request", |_, c| set(c, "iat", json!(NOW - DAY - 61))),
    ("issue_time", "invalid_request", |_, c| set(c, "iat", json!(NOW * 1000))),
    ("not_before", "invalid_request", |_, c| set(c, "nbf", json!(NOW + 61))),
    ("not_before", "invalid_request", |_, c| set(c, "nbf", json!("later"))),
    ("token_id", "invalid_request", |_, c| drop(c.remove("jti"))),
    ("token_id", "invalid_request", |_, c| set(c, "jti", json!(1))),
    ("token_id", "invalid_request", |_, c| set(c, "jti", json!(""))),
    ("token_id", "invalid_request", |_, c| set(c, "jti", json!("x".repeat(256)))),
    ("token_id", "invalid_request", |_, c| set(c, "jti", json!("a\u{0}b"))),
    ("events", "invalid_request", |_, c| drop(c.remove("events"))),
    ("events", "invalid_request", |_, c| set(c, "events", json!({}))),
    ("events", "invalid_request", |_, c| set(c, "events", json!([REVOKED]))),
    ("events", "invalid_request", |_, c| set(c, "events", json!({ REVOKED: null }))),
    ("events", "invalid_request", |_, c| set(c, "events", json!({ REVOKED: [] }))),
    ("events", "invalid_request", |_, c| set(c, "events", json!({ REVOKED: {}, "urn:other": {} }))),
    ("events", "invalid_request", |_, c| set(c, "events", json!({ format!("{SSF}/stream-updated"): {} }))),
    ("events", "invalid_request", |_, c| set(c, "events", json!({ format!("{SSF}/stream-updated"): {"status": "x"} }))),
    ("subject", "invalid_request", |_, c| drop(c.remove("sub_id"))),
    ("subject", "invalid_request", |_, c| about(c, json!("sub-ada"))),
    ("subject", "invalid_request", |_, c| about(c, json!({}))),
    ("subject", "invalid_request", |_, c| about(c, json!({"format": "opaque"}))),
    ("subject", "invalid_request", |_, c| about(c, json!({"format": "opaque", "id": 7}))),
    ("subject", "invalid_request", |_, c| about(c, json!({"format": "opaque", "id": ""}))),
    ("subject", "invalid_request", |_, c| about(c, json!({"format": "opaque", "id": "sub-ada\u{0}"}))),
    ("subject", "invalid_request", |_, c| about(c, json!({"format": "opaque", "id": "sub-ada", "sub": "x"}))),
    ("subject", "invalid_request", |_, c| subject(c, "iss", json!("https://evil.example"))),
    ("subject", "invalid_request", |_, c| subject(c, "iss", json!(null))),
    ("subject", "invalid_request", |_, c| subject(c, "sub", json!(["sub-ada"]))),
    ("subject", "invalid_request", |_, c| subject(c, "sub", json!("x".repeat(256)))),
    ("subject", "invalid_request", |_, c| subject(c, "email", json!(ADA))),
    ("subject", "invalid_request", |_, c| subject(c, "format", json!("ISS_SUB"))),
    ("subject", "invalid_request", |_, c| about(c, json!({"format": "email", "email": "ada@else.example"}))),
    ("subject", "invalid_request", |_, c| about(c, json!({"format": "email", "email": "@example.org"}))),
    ("subject", "invalid_request", |_, c| about(c, json!({"format": "email", "email": "example.org"}))),
    ("subject", "invalid_request", |_, c| {
        about(c, json!({"format": "email", "email": "ada@example.org.evil.example"}))
    }),
    ("subject", "invalid_request", |_, c| about(c, json!({"format": "phone_number", "phone_number": "+12065550100"}))),
    ("subject", "invalid_request", |_, c| about(c, json!({"format": "account", "uri": "acct:ada@example.org"}))),
    ("subject", "invalid_request", |_, c| about(c, json!({"format": "did", "url": "did:example:123"}))),
    ("subject", "invalid_request", |_, c| about(c, json!({"format": "jwt_id", "iss": c["iss"], "jti": "1"}))),
    ("subject", "invalid_request", |_, c| {
        about(c, json!({"format": "saml_assertion_id", "issuer": "x", "assertion_id": "_1"}));
    }),
    ("subject", "invalid_request", |_, c| about(c, json!({"format": "aliases", "identifiers": []}))),
    ("subject", "invalid_request", |_, c| about(c, json!({"format": "aliases", "identifiers": {"a": c["sub_id"]}}))),
    ("subject", "invalid_request", |_, c| {
        about(c, json!({"format": "aliases", "identifiers": vec![c["sub_id"].clone(); 9]}))
    }),
    ("subject", "invalid_request", |_, c| {
        let nested = json!({"format": "aliases", "identifiers": [c["sub_id"]]});
        about(c, json!({"format": "aliases", "identifiers": [nested]}));
    }),
    ("subject", "invalid_request", |_, c| about(c, json!({"format": "complex"}))),
    ("subject", "invalid_request", |_, c| about(c, json!({"format": "complex", "user": "sub-ada"}))),
    ("subject", "invalid_request", |_, c| about(c, json!({"format": "complex", "user": {"format": "complex"}}))),
    ("subject", "invalid_request", |_, c| {
        about(c, json!({"format": "complex", "tenant": {"format": "opaque", "id": "all of it"}}));
    }),
    ("subject", "invalid_request", |_, c| {
        about(c, json!({"format": "complex", "session": {"format": "opaque", "id": 1}}))
    }),
    ("subject", "invalid_request", |_, c| {
        about(c, json!({"format": "complex", "session": {"format": "saml_assertion_id", "id": "x"}}));
    }),
    // As drafts had it: two places for one thing.
    ("subject", "invalid_request", |_, c| {
        let subject = c["sub_id"].clone();
        c["events"][REVOKED]["subject"] = subject;
    }),
];

#[tokio::test]
async fn a_forged_altered_or_misdirected_signal_ends_nothing() {
    let stage = Stage::new(&format!("domains = [\"example.org\"]\n{PUSHED}")).await;
    let (mut ada, _) = stage.signed_in(ADA).await;
    let good = stage.token("good", REVOKED, &stage.person("sub-ada"));
    let claims = stage.claims("bad", REVOKED, &stage.person("sub-ada"));
    let mut cases = Vec::new();
    for (rule, code, change) in WRONG {
        let (mut header, mut claims) = (header(), claims.clone());
        change(&mut header, &mut claims);
        cases.push((*rule, *code, signed(&KEY, &header, &claims)));
    }
    cases.push(("signature", "authentication_failed", signed(&STRANGE_KEY, &header(), &claims)));
    let parts: Vec<&str> = good.split('.').collect();
    let mut others = claims.clone();
    others.insert("jti".into(), json!("other"));
    let other = BASE64.encode(Value::Object(others).to_string());
    cases.push(("signature", "authentication_failed", format!("{}.{other}.{}", parts[0], parts[2])));
    cases.push(("signature", "authentication_failed", format!("{}.{}.", parts[0], parts[1])));
    // Signed by what both know.
    let unsigned = format!(
        "{}.{other}",
        BASE64.encode(json!({"alg": "HS256", "kid": "first", "typ": "secevent+jwt"}).to_string())
    );
    let shared = hmac::Key::new(hmac::HMAC_SHA256, PUSH_TOKEN.as_bytes());
    let tag = BASE64.encode(hmac::sign(&shared, unsigned.as_bytes()));
    cases.push(("algorithm", "invalid_key", format!("{unsigned}.{tag}")));
    let twice = Value::Object(claims.clone()).to_string().replacen('{', "{\"jti\":\"first\",", 1);
    cases.push(("shape", "invalid_request", KEY.sign(&Value::Object(header()).to_string(), &twice).unwrap()));
    let twice =
        Value::Object(claims.clone()).to_string().replacen("\"events\":{", "\"events\":{\"urn:a\":{},\"urn:a\":{},", 1);
    cases.push(("shape", "invalid_request", KEY.sign(&Value::Object(header()).to_string(), &twice).unwrap()));
    for text in
        ["", "junk", "a.b", "a.b.c", &format!("{good}.{}", parts[2]), &format!("{good}="), &format!("{good},{good}")]
    {
        cases.push(("shape", "invalid_request", text.to_owned()));
    }
    assert!(cases.len() >= 100, "{}", cases.len());
    for (number, (rule, code, token)) in cases.iter().enumerate() {
        let mut sender = stage.sender();
        sender.address = format!("198.51.{number}.7").parse().unwrap();
        let reply = push(&mut sender, token).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{rule}: {token}");
        assert_eq!(stage.rule(EventKind::SignalRefused).await, *rule, "{token}: {}", reply.text);
        let told = reply.json();
        assert_eq!(told["err"], *code, "{rule}: {told}");
        assert!(!reply.text.contains(PUSH_TOKEN) && reply.text.len() < 1000, "{told}");
        assert!(is_in(&mut ada).await, "{rule}: {token}");
    }
    assert_eq!(stage.events(EventKind::SignalReceived).await.len(), 0);
    assert_eq!(stage.push(&good).await.status, StatusCode::ACCEPTED);
    assert!(!is_in(&mut ada).await);
}

#[tokio::test]
async fn a_body_of_another_form_is_refused_before_it_is_read_far() {
    let stage = Stage::pushed().await;
    let (mut ada, _) = stage.signed_in(ADA).await;
    let good = stage.token("good", REVOKED, &stage.person("sub-ada"));
    for kind in [None, Some("application/jwt"), Some("application/json"), Some("application/x-www-form-urlencoded")] {
        let body = axum::body::Body::from(good.clone());
        let reply = stage.sender().send(http::Method::POST, "/signals/idp", kind, body).await;
        assert_eq!((reply.status, reply.json()["err"].as_str()), (StatusCode::BAD_REQUEST, Some("invalid_request")));
    }
    let long = push(&mut stage.sender(), &"a".repeat(64 * 1024 + 1)).await;
    assert_eq!(long.status, StatusCode::PAYLOAD_TOO_LARGE);
    let endless = axum::body::Body::from_stream(futures_util::stream::repeat_with(|| {
        Ok::<_, std::convert::Infallible>(axum::body::Bytes::from_static(&[b'a'; 4096]))
    }));
    let kind = Some("application/secevent+jwt");
    let reply = stage.sender().send(http::Method::POST, "/signals/idp", kind, endless).await;
    assert_eq!(reply.status, StatusCode::PAYLOAD_TOO_LARGE);
    let mut coded = stage.sender();
    coded.headers.insert("content-encoding", "gzip".parse().unwrap());
    assert_eq!(push(&mut coded, &good).await.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert!(is_in(&mut ada).await);
    // In the address a secret would be in every log.
    let body = axum::body::Body::from(good.clone());
    let path = format!("/signals/idp?access_token={PUSH_TOKEN}");
    let reply = stage.gateway.visitor().send(http::Method::POST, &path, kind, body).await;
    assert_eq!(reply.json()["err"], "authentication_failed");
    let body = axum::body::Body::from(format!("{good}\n"));
    let kind = Some("application/secevent+jwt; charset=utf-8");
    let reply = stage.sender().send(http::Method::POST, "/signals/idp", kind, body).await;
    assert_eq!(reply.status, StatusCode::ACCEPTED, "{}", reply.text);
    assert!(!is_in(&mut ada).await);
}

/// One key set signs all three kinds of tokens.
#[tokio::test]
async fn a_signal_is_no_id_token_and_no_logout_token_and_neither_is_a_signal() {
    let stage = Stage::new(&format!("domains = [\"example.org\"]\n{PUSHED}audience = [\"{CLIENT_ID}\"]\n")).await;
    let (mut ada, session) = stage.signed_in(ADA).await;
    let logout = "http://schemas.openid.net/event/backchannel-logout";
    let common =
        json!({"iss": stage.base, "aud": CLIENT_ID, "iat": NOW, "jti": "1", "sub_id": stage.person("sub-ada")});
    let with = |more: Value| {
        let mut claims = common.as_object().unwrap().clone();
        claims.extend(more.as_object().unwrap().clone());
        claims
    };
    let typed = |kind: &str| {
        let mut header = KEY.header();
        header.insert("typ".into(), json!(kind));
        header
    };
    // An ID token and a logout token at the address for signals, under whatever type they could be signed.
    let id_token = with(json!({"sub": "sub-ada", "exp": NOW + 300, "nonce": "x"}));
    let logout_token = with(json!({"sub": "sub-ada", "sid": session, "exp": NOW + 120, "events": { logout: {} }}));
    for (claims, kind) in [
        (&id_token, "JWT"),
        (&id_token, "secevent+jwt"),
        (&logout_token, "logout+jwt"),
        (&logout_token, "secevent+jwt"),
    ] {
        let reply = stage.push(&signed(&KEY, &typed(kind), claims)).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{kind}: {claims:?}");
        assert!(is_in(&mut ada).await);
    }
    // A signal as a logout token: even with everything that one needs it says of itself that it is none.
    let both = with(json!({"sid": session, "exp": NOW + 120, "events": { logout: {}, REVOKED: {} }}));
    for kind in ["secevent+jwt", "application/secevent+jwt"] {
        let token = signed(&KEY, &typed(kind), &both);
        let reply = stage.gateway.visitor().post("/oidc/idp/backchannel-logout", &[("logout_token", &token)]).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST);
        assert_eq!(stage.rule(EventKind::LogoutRefused).await, "header");
    }
    let signal = stage.token("2", REVOKED, &stage.person("sub-ada"));
    let reply = stage.gateway.visitor().post("/oidc/idp/backchannel-logout", &[("logout_token", &signal)]).await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
    assert!(is_in(&mut ada).await);
    // One name for a logout token and a signal is no replay of either.
    let named = with(json!({"events": { REVOKED: {} }}));
    assert_eq!(stage.push(&signed(&KEY, &typed("secevent+jwt"), &named)).await.status, StatusCode::ACCEPTED);
    assert!(!is_in(&mut ada).await);
    let logout_token = signed(&KEY, &typed("logout+jwt"), &logout_token);
    let reply = stage.gateway.visitor().post("/oidc/idp/backchannel-logout", &[("logout_token", &logout_token)]).await;
    assert_eq!(reply.status, StatusCode::OK);
}

/// What a signed signal could still be turned against.
#[tokio::test]
async fn a_transmitter_touches_nobody_who_is_not_of_its_connector() {
    let stage = Stage::new(&format!("domains = [\"example.org\"]\n{PUSHED}")).await;
    let permit = stage.gateway.task();
    let admin = stage.gateway.user("sub-root", Some("violet anchor under seven bridges")).await;
    let mut browser = stage.gateway.visitor();
    assert_eq!(browser.sign_in("sub-root", "violet anchor under seven bridges").await.location(), "/");
    let (mut grace, _) = stage.signed_in(GRACE).await;
    let names = [
        "sub-root".to_owned(),
        admin.id.to_string(),
        "SUB-GRACE".to_owned(),
        "sub-grace ".to_owned(),
        "sub%2dgrace".to_owned(),
    ];
    for (number, name) in names.iter().enumerate() {
        for event in
            [format!("{RISC}/account-disabled"), format!("{RISC}/account-purged"), format!("{CAEP}/session-revoked")]
        {
            for (n, subject) in [stage.person(name), json!({"format": "opaque", "id": name})].iter().enumerate() {
                stage.tell(&format!("{number} {event} {n}"), &event, subject).await;
            }
        }
    }
    assert!(is_in(&mut browser).await && is_in(&mut grace).await);
    let kept = stage.gateway.gateway.directory().find_user_by_name("sub-root").await.unwrap().unwrap();
    assert_eq!(kept, admin);
    drop(permit);
    assert_eq!(stage.try_sign_in(&mut stage.gateway.visitor(), GRACE).await.location(), "/");
}

async fn push_by(stage: &Stage, key: &SigningKey, id: &str, sub: &str) -> Reply {
    stage.push(&signed(key, &header(), &stage.claims(id, REVOKED, &stage.person(sub)))).await
}

/// A key that took another's place under its name: signals by it are heard, those by the old one are not any more, and nobody
/// makes us read the keys again and again.
#[tokio::test]
async fn a_key_that_changed_under_its_name_is_read_again_once_in_a_while() {
    let mut stage = Stage::pushed().await;
    let (mut ada, _) = stage.signed_in(ADA).await;
    assert_eq!(push_by(&stage, &KEY, "1", "nobody").await.status, StatusCode::ACCEPTED);
    stage.provider.replace(Arc::clone(&STRANGE_KEY));
    assert_eq!(push_by(&stage, &STRANGE_KEY, "2", "sub-ada").await.status, StatusCode::ACCEPTED);
    assert!(!is_in(&mut ada).await);
    assert_eq!(push_by(&stage, &KEY, "3", "nobody").await.status, StatusCode::BAD_REQUEST);
    assert_eq!(stage.rule(EventKind::SignalRefused).await, "signature");
    // Back again at once: the keys were read a moment ago.
    stage.provider.replace(Arc::clone(&KEY));
    assert_eq!(push_by(&stage, &KEY, "4", "nobody").await.status, StatusCode::BAD_REQUEST);
    stage.advance(Duration::from_secs(31));
    assert_eq!(push_by(&stage, &KEY, "5", "nobody").await.status, StatusCode::ACCEPTED);
    // Where the keys cannot be read it is not known whose fault it is: such a signal comes again.
    stage.provider.replace(Arc::clone(&STRANGE_KEY));
    stage.advance(Duration::from_secs(31));
    stage.fall_silent().await;
    let claims = stage.claims("6", REVOKED, &stage.person("nobody"));
    let token = signed(&STRANGE_KEY, &header(), &claims);
    assert_eq!(stage.push(&token).await.status, StatusCode::SERVICE_UNAVAILABLE);
    stage.advance(Duration::from_secs(11 * 60));
    assert_eq!(stage.push(&token).await.status, StatusCode::BAD_REQUEST);
}
