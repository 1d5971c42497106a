//! `/tokens`.

use std::time::Duration;

use http::StatusCode;
use serde_json::json;

use super::{Ground, good, refused};

#[tokio::test]
async fn a_tokens_text_is_told_once_and_works_until_it_is_revoked() {
    let ground = Ground::with("[[scim]]\nid = \"okta\"").await;
    let body = json!({"name": "ci", "scope": "admin"});
    let made = good(ground.root().post("/api/v1/tokens", body).await, StatusCode::CREATED);
    let token = made["token"].as_str().unwrap();
    assert!(token.starts_with("cgp_"));
    good(ground.bearer(token).get("/api/v1/users").await, StatusCode::OK);
    let connection =
        good(ground.root().post("/api/v1/tokens", json!({"connection": "okta"})).await, StatusCode::CREATED);
    assert_eq!((connection["name"].as_str(), connection["connection"].as_str()), (Some("okta"), Some("okta")));
    let listed = good(ground.root().get("/api/v1/tokens").await, StatusCode::OK);
    assert_eq!(listed["items"].as_array().unwrap().len(), 2);
    assert!(!listed.to_string().contains(token));
    good(ground.root().delete(&format!("/api/v1/tokens/{}", made["id"].as_str().unwrap())).await, StatusCode::OK);
    refused(&ground.bearer(token).get("/api/v1/users").await, 401, None);
}

#[tokio::test]
async fn what_a_token_asks_for_is_checked() {
    let ground = Ground::with("[[scim]]\nid = \"okta\"").await;
    for (body, field) in [
        (json!({"scope": "admin"}), "name"),
        (json!({"name": "", "scope": "admin"}), "name"),
        (json!({"name": "x"}), "scope"),
        (json!({"name": "x", "scope": []}), "scope"),
        (json!({"name": "x", "scope": "everything"}), "scope"),
        (json!({"name": "x", "scope": "unicorns:read"}), "scope"),
        (json!({"name": "x", "scope": 7}), "scope"),
        (json!({"name": "x", "scope": "read", "user": "nobody"}), "user"),
        (json!({"name": "x", "scope": "read", "expires_at": "2024-12-31T23:59:59Z"}), "expires"),
        (json!({"name": "x", "scope": "read", "expires_at": "soon"}), "expires_at"),
        (json!({"name": "x", "scope": "read", "expires": "soon"}), "expires"),
        (json!({"name": "x", "scope": "read", "expires": "1d", "expires_at": "2030-01-01T00:00:00Z"}), "expires"),
        (json!({"connection": "entra"}), "connection"),
        (json!({"connection": "okta", "scope": "admin"}), "connection"),
    ] {
        refused(&ground.root().post("/api/v1/tokens", body).await, 422, Some(field));
    }
    assert_eq!(ground.root().get("/api/v1/tokens").await.json()["items"], json!([]));
}

#[tokio::test]
async fn an_expired_token_is_refused_and_recorded() {
    let ground = Ground::new().await;
    let body = json!({"name": "short", "scope": "read", "expires": "1h"});
    let made = good(ground.root().post("/api/v1/tokens", body).await, StatusCode::CREATED);
    let client = ground.bearer(made["token"].as_str().unwrap());
    good(client.get("/api/v1/users").await, StatusCode::OK);
    ground.test.advance(Duration::from_secs(3601));
    refused(&client.get("/api/v1/users").await, 401, None);
    let logs = ground.root().get("/api/v1/audit-logs?action=token.refuse").await.json();
    assert_eq!(logs["logs"].as_array().unwrap().len(), 1, "{logs}");
}

#[tokio::test]
async fn the_words_for_usual_scopes_mean_what_they_say() {
    let ground = Ground::new().await;
    let configure = json!({"name": "builder", "scope": "configure"});
    let made = good(ground.root().post("/api/v1/tokens", configure).await, StatusCode::CREATED);
    let builder = ground.bearer(made["token"].as_str().unwrap());
    refused(&builder.get("/api/v1/users").await, 403, None);
    let read =
        good(ground.root().post("/api/v1/tokens", json!({"name": "r", "scope": "read"})).await, StatusCode::CREATED);
    let reader = ground.bearer(read["token"].as_str().unwrap());
    good(reader.get("/api/v1/users").await, StatusCode::OK);
    refused(&reader.post("/api/v1/reload", json!({})).await, 403, None);
}

#[tokio::test]
async fn a_client_of_a_connection_has_an_id_and_a_secret_instead_of_a_token() {
    let ground = Ground::with("[[scim]]\nid = \"okta\"\n[[scim]]\nid = \"entra\"").await;
    let root = ground.root();
    let body = json!({"connection": "okta", "kind": "client", "name": "okta prod"});
    let made = good(root.post("/api/v1/tokens", body).await, StatusCode::CREATED);
    ground.test.advance(Duration::from_millis(1));
    assert_eq!((&made["client_id"], &made["kind"]), (&made["id"], &json!("client")));
    let secret = made["client_secret"].as_str().unwrap();
    assert!(secret.starts_with("cgc_") && made.get("token").is_none());
    for body in [json!({"connection": "okta"}), json!({"connection": "entra"}), json!({"name": "ci", "scope": "read"})]
    {
        good(root.post("/api/v1/tokens", body).await, StatusCode::CREATED);
        ground.test.advance(Duration::from_millis(1));
    }
    let kinds = async |query: &str| {
        let listed = good(root.get(&format!("/api/v1/tokens{query}")).await, StatusCode::OK);
        assert!(!listed.to_string().contains(secret));
        let items = listed["items"].as_array().unwrap();
        items.iter().map(|token| token["kind"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(kinds("").await, ["client", "scim", "scim", "management"]);
    assert_eq!(kinds("?connection=okta").await, ["client", "scim"]);
    assert!(kinds("?connection=nobody").await.is_empty());
    for body in [
        json!({"name": "x", "scope": "read", "kind": "client"}),
        json!({"connection": "okta", "kind": "management"}),
        json!({"connection": "okta", "kind": "other"}),
    ] {
        refused(&root.post("/api/v1/tokens", body).await, 422, Some("kind"));
    }
}

#[tokio::test]
async fn refused_management_tokens_do_not_fill_the_ledger() {
    let ground = Ground::new().await;
    let recorded = async || {
        let logs = ground.root().get("/api/v1/audit-logs?action=token.refuse").await.json();
        logs["logs"].as_array().unwrap().len()
    };
    for _ in 0..20 {
        refused(&ground.bearer("cgp_made_up").get("/api/v1/users").await, 401, None);
    }
    assert_eq!(recorded().await, 1);
    ground.test.advance(Duration::from_secs(1));
    refused(&ground.bearer("cgp_made_up").get("/api/v1/users").await, 401, None);
    assert_eq!(recorded().await, 2);
}

#[tokio::test]
async fn a_token_of_a_connection_that_takes_over_accounts_is_for_who_may_everything() {
    let lines = "[[scim]]\nid = \"hr\"\n[[scim]]\nid = \"okta\"\ntakes_over = [\"by-hand\"]";
    let ground = Ground::with(lines).await;
    let some = ground.service(&["tokens:*", "users:*", "groups:*"]).await;
    good(some.post("/api/v1/tokens", json!({"connection": "hr"})).await, StatusCode::CREATED);
    refused(&some.post("/api/v1/tokens", json!({"connection": "okta"})).await, 403, None);
    let all = ground.service(&["*:*"]).await;
    good(all.post("/api/v1/tokens", json!({"connection": "okta"})).await, StatusCode::CREATED);
}
