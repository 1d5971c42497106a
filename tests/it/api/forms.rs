//! Bodies and parameters that cannot be read, or say what nobody asked.

use axum::body::Body;
use http::Method;
use serde_json::json;

use super::{Ground, refused};

#[tokio::test]
async fn a_body_that_cannot_be_read_changes_nothing() {
    let ground = Ground::new().await;
    let root = ground.root();
    let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
    for (kind, body) in [
        ("application/json", "{"),
        ("application/json", "[]"),
        ("application/json", "null"),
        ("application/json", "\"x\""),
        ("application/json", "{\"userName\": \"x\"} {}"),
        ("application/json", deep.as_str()),
        ("application/x-www-form-urlencoded", "userName=x"),
        ("text/plain", "{\"userName\": \"x\"}"),
        ("", "{\"userName\": \"x\"}"),
    ] {
        let reply = root.send(Method::POST, "/api/v1/users", kind, Body::from(body.to_owned())).await;
        refused(&reply, 400, None);
    }
    let reply = root.send(Method::POST, "/api/v1/users", "application/json", Body::from(vec![0xff, 0xfe])).await;
    refused(&reply, 400, None);
    assert_eq!(root.get("/api/v1/users").await.json()["items"], json!([]));
}

#[tokio::test]
async fn fields_of_the_wrong_kind_and_unknown_ones_are_named() {
    let ground = Ground::new().await;
    for (body, field) in [
        (json!({"userName": 5}), "userName"),
        (json!({"userName": ["x"]}), "userName"),
        (json!({"userName": "x", "username": "y"}), "username"),
        (json!({"userName": "x", "active": "yes"}), "active"),
        (json!({"userName": "x", "access_groups": "ops"}), "access_groups"),
        (json!({"userName": "x", "access_groups": [1]}), "access_groups"),
        (json!({"userName": "x", "role": "Data Analyst"}), "role"),
        (json!({"userName": "x", "email": "x"}), "email"),
        (json!({"userName": "x", "email": "a@b@c"}), "email"),
        (json!({"userName": "x", "email": "a b@c.example"}), "email"),
        (json!({"userName": "x", "is_admin": true}), "is_admin"),
        (json!({"userName": "x", "emial": "a@b.c"}), "emial"),
        (json!({"userName": "x", "must_change_password": true}), "must_change_password"),
        (json!({}), "userName"),
        (json!({"userName": "  "}), "userName"),
        (json!({"userName": "a\u{202e}b"}), "userName"),
    ] {
        let reply = ground.root().post("/api/v1/users", body.clone()).await;
        refused(&reply, 422, Some(field));
    }
    assert_eq!(ground.root().get("/api/v1/users").await.json()["items"], json!([]));
}

#[tokio::test]
async fn parameters_are_checked() {
    let ground = Ground::new().await;
    for (path, field) in [
        ("/api/v1/users?limit=many", "limit"),
        ("/api/v1/users?cursor=here", "cursor"),
        ("/api/v1/users?filter=userName", "filter"),
        ("/api/v1/users?filter=a%20eq%20%22b%22&filter=c%20pr", "filter"),
        ("/api/v1/users?colour=blue", "colour"),
        ("/api/v1/audit-logs?last=soon", "last"),
        ("/api/v1/audit-logs?from=2026-11-22", "from"),
        ("/api/v1/audit-logs?outcome=maybe", "outcome"),
        ("/api/v1/audit-logs?format=xml", "format"),
        ("/api/v1/audit-logs?export=perhaps", "export"),
        ("/api/v1/explain?user=ada", "permission"),
        ("/api/v1/explain?permission=users:read", "user"),
        ("/api/v1/explain?user=ada&permission=read", "permission"),
        ("/api/v1/explain?user=ada&permission=users:read&scope=finance", "scope"),
        ("/api/v1/explain?user=ada&permission=users:read&at=now", "at"),
        ("/api/v1/explain?user=ada&permission=users:read&ip=home", "ip"),
        ("/api/v1/grants", "user"),
        ("/api/v1/grants?user=a&group=b", "user"),
    ] {
        refused(&ground.root().get(path).await, 422, Some(field));
    }
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let ground = Ground::new().await;
    let root = ground.root();
    let id = "0193a5b2-6f1c-7b3e-8d5a-2c4e6f8a0b1d";
    for path in [
        "users/nobody",
        &format!("users/{id}"),
        "users/nobody/permissions",
        "groups/none",
        "sources/none/sync",
        "sessions?user=nobody",
    ] {
        refused(&root.get(&format!("/api/v1/{path}")).await, 404, None);
    }
    for path in [
        "grants/x",
        &format!("grants/{id}"),
        "tokens/x",
        &format!("tokens/{id}"),
        "sessions/x",
        &format!("sessions/{id}"),
        "locks/nobody",
    ] {
        refused(&root.delete(&format!("/api/v1/{path}")).await, 404, None);
    }
    refused(&root.post("/api/v1/sources/none/sync", json!({})).await, 404, None);
    refused(&root.patch("/api/v1/users/nobody", json!({"active": false})).await, 404, None);
}

#[tokio::test]
async fn a_browser_changes_something_only_from_the_gateways_own_pages() {
    let ground = Ground::new().await;
    let (_, browser) = ground.browser("ada", &["administrator"]).await;
    let bare = browser.clone().without_header("sec-fetch-site");
    for foreign in [
        bare.clone(),
        bare.clone().with_header("origin", "https://evil.example"),
        bare.clone().with_header("origin", "null"),
        bare.clone().with_header("sec-fetch-site", "cross-site"),
        bare.clone().with_header("sec-fetch-site", "same-site"),
        browser.clone().with_header("origin", "https://evil.example"),
        bare.clone().with_header("origin", "http://127.0.0.1:8081"),
    ] {
        refused(&foreign.post("/api/v1/users", json!({"userName": "x"})).await, 403, None);
        assert!(foreign.get("/api/v1/users").await.status.is_success(), "reading is harmless");
    }
    assert_eq!(browser.post("/api/v1/users", json!({"userName": "x"})).await.status.as_u16(), 201);
    let own = bare.with_header("origin", "http://127.0.0.1:8080");
    assert_eq!(own.post("/api/v1/users", json!({"userName": "y"})).await.status.as_u16(), 201);
}

#[tokio::test]
async fn an_unknown_field_is_told_with_the_nearest_that_there_is() {
    let ground = Ground::new().await;
    let root = ground.root();
    for (path, body, told) in [
        ("/api/v1/users", json!({"userName": "x", "emial": "a@b.c"}), "is not known here; did you mean `email`?"),
        ("/api/v1/users:bulk?dry_rnu=true", json!({}), "did you mean `dry_run`?"),
        ("/api/v1/tokens", json!({"name": "x", "scope": ["users:reed"]}), "did you mean `users:read`?"),
    ] {
        let reply = root.post(path, body).await;
        assert_eq!(reply.status, 422);
        assert!(reply.text.contains(told), "{}", reply.text);
    }
    let rows = json!({"role": "browser", "rows": [{"first_name": "A", "last_nam": "B", "email": "a@b.c"}]});
    let reply = root.post("/api/v1/users:bulk?dry_run=true", rows).await;
    assert!(reply.text.contains("did you mean `last_name`?"), "{}", reply.text);
}
