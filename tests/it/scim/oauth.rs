//! Access tokens for clients of a connection (RFC 6749 section 4.4).

use std::time::Duration;

use axum::body::Body;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use cleargate::clock::Timestamp;
use cleargate::model::{TokenId, TokenKind};
use http::{HeaderValue, Method};
use serde_json::Value;

use crate::support::gateway::{Reply, TestGateway, Visitor};

const TOKEN: &str = "/oauth2/token";
const GRANT: (&str, &str) = ("grant_type", "client_credentials");

/// A client of the connection `okta`: its id and its secret.
async fn client(gateway: &TestGateway, expires: Option<Timestamp>) -> (TokenId, String) {
    let kind = TokenKind::Client("okta".parse().unwrap());
    let (secret, token) = gateway.gateway.tokens().create(&gateway.task(), "okta", kind, expires).await.unwrap();
    (token.id, secret.expose().to_owned())
}

async fn gateway() -> TestGateway {
    TestGateway::with("[[scim]]\nid = \"okta\"").await
}

fn basic(visitor: &Visitor, id: &str, secret: &str) -> Visitor {
    let mut visitor = visitor.clone();
    let value = format!("Basic {}", BASE64_STANDARD.encode(format!("{id}:{secret}")));
    visitor.headers.insert("authorization", HeaderValue::try_from(value).unwrap());
    visitor
}

async fn users(gateway: &TestGateway, token: &str) -> u16 {
    let mut visitor = gateway.visitor();
    visitor.headers.insert("authorization", HeaderValue::try_from(format!("Bearer {token}")).unwrap());
    visitor.get("/scim/v2/Users").await.status.as_u16()
}

/// The access token of a good answer.
#[track_caller]
fn token(reply: &Reply) -> String {
    assert_eq!(reply.status, 200, "{}", reply.text);
    assert_eq!(
        (&reply.headers["cache-control"], &reply.headers["content-type"]),
        (&"no-store".parse().unwrap(), &"application/json".parse().unwrap())
    );
    let body = reply.json();
    assert_eq!(body["token_type"], "Bearer");
    body["access_token"].as_str().unwrap().to_owned()
}

#[track_caller]
fn refused(reply: &Reply, status: u16, error: &str) {
    assert_eq!((reply.status.as_u16(), reply.json()["error"].as_str()), (status, Some(error)), "{}", reply.text);
    assert_eq!(reply.headers["cache-control"], "no-store");
    assert_eq!(reply.headers.contains_key("www-authenticate"), status == 401, "{}", reply.text);
}

#[tokio::test]
async fn a_client_gets_access_tokens_by_header_and_by_body_and_they_speak_scim() {
    let gateway = gateway().await;
    let (id, secret) = client(&gateway, None).await;
    let (id, visitor) = (id.to_string(), gateway.visitor());
    let by_header = basic(&visitor, &id, &secret).post(TOKEN, &[GRANT]).await;
    let fields = [GRANT, ("client_id", &id), ("client_secret", &secret)];
    let by_body = visitor.clone().post(TOKEN, &fields).await;
    assert_eq!(by_body.json()["expires_in"], 3600);
    assert_eq!(by_body.json().as_object().unwrap().len(), 3);
    let tokens = [token(&by_header), token(&by_body)];
    assert_ne!(tokens[0], tokens[1]);
    for token in &tokens {
        assert!(token.starts_with("cgs_"));
        assert_eq!(users(&gateway, token).await, 200);
    }
    // What was granted is told when something was asked for (RFC 6749 section 5.1).
    let scoped = basic(&visitor, &id, &secret).post(TOKEN, &[GRANT, ("scope", "everything"), ("audience", "x")]).await;
    assert_eq!(scoped.json()["scope"], "scim");
}

#[tokio::test]
async fn what_is_wrong_is_told_as_the_rfc_says() {
    let gateway = gateway().await;
    let (id, secret) = client(&gateway, None).await;
    let (other, _) = client(&gateway, None).await;
    let (id, other) = (id.to_string(), other.to_string());
    let good = [GRANT, ("client_id", id.as_str()), ("client_secret", secret.as_str())];
    let mut visitor = gateway.visitor();
    for (fields, status, error) in [
        (vec![good[1], good[2]], 400, "invalid_request"),
        (vec![("grant_type", "password"), good[1], good[2]], 400, "unsupported_grant_type"),
        (vec![("grant_type", ""), good[1], good[2]], 400, "invalid_request"),
        (vec![good[0], good[0], good[1], good[2]], 400, "invalid_request"),
        (vec![good[0], good[1], good[2], good[2]], 400, "invalid_request"),
        (vec![good[0], good[1], good[2], ("x", "1"), ("x", "2")], 400, "invalid_request"),
        (vec![good[0]], 401, "invalid_client"),
        (vec![good[0], good[1]], 401, "invalid_client"),
        (vec![good[0], good[2]], 401, "invalid_client"),
        (vec![good[0], ("client_id", &other), good[2]], 401, "invalid_client"),
        (vec![good[0], ("client_id", "okta"), good[2]], 401, "invalid_client"),
        (vec![good[0], good[1], ("client_secret", &secret[..40])], 401, "invalid_client"),
        (vec![good[0], good[1], ("client_secret", "x")], 401, "invalid_client"),
    ] {
        refused(&visitor.post(TOKEN, &fields).await, status, error);
    }
    let both = [GRANT, ("client_secret", secret.as_str())];
    refused(&basic(&visitor, &id, &secret).post(TOKEN, &both).await, 400, "invalid_request");
    refused(&basic(&visitor, &id, &secret).post(TOKEN, &[GRANT, ("client_id", &other)]).await, 400, "invalid_request");
    refused(&basic(&visitor, &id, "wrong").post(TOKEN, &[GRANT]).await, 401, "invalid_client");
    let mut bearer = visitor.clone();
    bearer.headers.insert("authorization", HeaderValue::try_from(format!("Bearer {secret}")).unwrap());
    refused(&bearer.post(TOKEN, &[GRANT]).await, 401, "invalid_client");
    let json =
        format!("{{\"grant_type\":\"client_credentials\",\"client_id\":\"{id}\",\"client_secret\":\"{secret}\"}}");
    let reply = visitor.send(Method::POST, TOKEN, Some("application/json"), Body::from(json)).await;
    refused(&reply, 400, "invalid_request");
    assert_eq!(
        visitor
            .get(&format!("{TOKEN}?grant_type=client_credentials&client_id={id}&client_secret={secret}"))
            .await
            .status,
        405
    );
    token(&visitor.post(TOKEN, &good).await);
}

#[tokio::test]
async fn an_access_token_ends_with_its_hour_and_with_its_client() {
    let gateway = gateway().await;
    let (id, secret) = client(&gateway, None).await;
    let mut visitor = basic(&gateway.visitor(), &id.to_string(), &secret);
    let first = token(&visitor.post(TOKEN, &[GRANT]).await);
    gateway.advance(Duration::from_secs(3599));
    assert_eq!(users(&gateway, &first).await, 200);
    gateway.advance(Duration::from_secs(1));
    assert_eq!(users(&gateway, &first).await, 401);
    assert_eq!(gateway.gateway.ledger().tidy().await.unwrap(), 1, "it is removed from the store");

    let second = token(&visitor.post(TOKEN, &[GRANT]).await);
    assert_eq!(users(&gateway, &second).await, 200);
    let used = gateway.gateway.tokens().load(id).await.unwrap().last_used;
    assert!(used.is_some(), "the client shows when it was last used");
    gateway.gateway.tokens().revoke(&gateway.task(), id).await.unwrap();
    assert_eq!(users(&gateway, &second).await, 401);
    refused(&visitor.post(TOKEN, &[GRANT]).await, 401, "invalid_client");
}

#[tokio::test]
async fn a_client_that_ends_sooner_gives_shorter_tokens() {
    let gateway = gateway().await;
    let expires = crate::support::gateway::START.plus(Duration::from_secs(600));
    let (id, secret) = client(&gateway, Some(expires)).await;
    let mut visitor = basic(&gateway.visitor(), &id.to_string(), &secret);
    let reply = visitor.post(TOKEN, &[GRANT]).await;
    assert_eq!(reply.json()["expires_in"], 600);
    gateway.advance(Duration::from_secs(600));
    assert_eq!(users(&gateway, &token(&reply)).await, 401);
    refused(&visitor.post(TOKEN, &[GRANT]).await, 401, "invalid_client");
}

#[tokio::test]
async fn secrets_and_tokens_are_nothing_in_each_others_place() {
    let gateway = gateway().await;
    let (id, secret) = client(&gateway, None).await;
    let id = id.to_string();
    let access = token(&basic(&gateway.visitor(), &id, &secret).post(TOKEN, &[GRANT]).await);
    assert_eq!(users(&gateway, &secret).await, 401);
    let kind = TokenKind::Scim("okta".parse().unwrap());
    let (bearer, made) = gateway.gateway.tokens().create(&gateway.task(), "okta", kind, None).await.unwrap();
    for (id, secret) in [(&id, access.as_str()), (&made.id.to_string(), bearer.expose())] {
        refused(&basic(&gateway.visitor(), id, secret).post(TOKEN, &[GRANT]).await, 401, "invalid_client");
    }
    let mut visitor = gateway.visitor();
    for secret in [&secret, &access] {
        visitor.headers.insert("authorization", HeaderValue::try_from(format!("Bearer {secret}")).unwrap());
        assert_eq!(visitor.get("/api/v1/users").await.status, 401);
    }
}

#[tokio::test]
async fn guessing_is_slow_and_does_not_fill_the_ledger() {
    let gateway = TestGateway::with("limits.sign_in = \"20/1m\"\n[[scim]]\nid = \"okta\"").await;
    let (id, secret) = client(&gateway, None).await;
    let mut visitor = gateway.visitor();
    for _ in 0..20 {
        let fields = [GRANT, ("client_id", &id.to_string()), ("client_secret", "guess")];
        refused(&visitor.post(TOKEN, &fields).await, 401, "invalid_client");
    }
    let reply = basic(&visitor, &id.to_string(), &secret).post(TOKEN, &[GRANT]).await;
    assert_eq!(reply.status, 429, "{}", reply.text);
    assert!(reply.headers.contains_key("retry-after"));
    let filter = cleargate::audit::Filter { action: Some("token.refuse".to_owned()), ..Default::default() };
    let found = gateway.gateway.ledger().list(&filter, None, 100).await.unwrap();
    let events: Vec<Value> = found.entries.iter().map(|entry| entry.to_json()).collect();
    assert_eq!(events.len(), 1, "{events:?}");
    assert!(!events[0].to_string().contains("guess"));
}
