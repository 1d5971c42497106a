//! What is kept of a connection's requests, and what is not.

use std::time::Duration;

use axum::body::Body;
use cleargate::model::TokenKind;
use http::{HeaderValue, Method};
use serde_json::{Value, json};

use super::{GROUP, PATCH, USER};
use crate::support::gateway::{TestGateway, Visitor};

const LOG: &str = "/api/v1/sources/okta/requests";

struct Ground {
    gateway: TestGateway,
    client: Visitor,
    secret: String,
    admin: Visitor,
}

impl Ground {
    async fn with(lines: &str) -> Self {
        let gateway = TestGateway::with(lines).await;
        let bearer = async |kind: TokenKind| {
            let (secret, _) = gateway.gateway.tokens().create(&gateway.task(), "x", kind, None).await.unwrap();
            let mut visitor = gateway.visitor();
            let value = HeaderValue::try_from(format!("Bearer {}", secret.expose())).unwrap();
            visitor.headers.insert("authorization", value);
            (visitor, secret.expose().to_owned())
        };
        let (client, secret) = bearer(TokenKind::Scim("okta".parse().unwrap())).await;
        let (admin, _) = bearer(TokenKind::Management(vec!["*:*".parse().unwrap()], None, None)).await;
        Self { gateway, client, secret, admin }
    }

    async fn new() -> Self {
        Self::with("[[scim]]\nid = \"okta\"").await
    }

    /// Sends a body to a path below `/scim/v2`; the status.
    async fn send(&mut self, method: Method, path: &str, body: &Value) -> u16 {
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        let reply = self.client.send(method, &format!("/scim/v2{path}"), Some("application/scim+json"), body).await;
        reply.status.as_u16()
    }

    async fn get(&mut self, path: &str) -> u16 {
        self.send(Method::GET, path, &Value::Null).await
    }

    /// What the log shows, newest first.
    async fn log(&mut self, query: &str) -> Vec<Value> {
        let reply = self.admin.get(&format!("{LOG}{query}")).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        reply.json()["items"].as_array().unwrap().clone()
    }
}

#[tokio::test]
async fn each_request_is_kept_with_what_helps_to_understand_it() {
    let mut ground = Ground::new().await;
    let user = json!({"schemas": [USER], "userName": "ada"});
    assert_eq!(ground.send(Method::POST, "/Users", &user).await, 201);
    assert_eq!(ground.send(Method::POST, "/Users", &user).await, 409);
    assert_eq!(ground.get("/Users?filter=userName%20eq%20%22ada%22&count=1").await, 200);
    assert_eq!(ground.get("/Nothing/at/all").await, 404);
    let log = ground.log("").await;
    let shown: Vec<(&str, &str, u64)> = log
        .iter()
        .map(|e| (e["method"].as_str().unwrap(), e["path"].as_str().unwrap(), e["status"].as_u64().unwrap()))
        .collect();
    assert_eq!(
        shown,
        [
            ("GET", "/scim/v2/Nothing/at/all", 404),
            ("GET", "/scim/v2/Users?filter=userName eq \"ada\"&count=1", 200),
            ("POST", "/scim/v2/Users", 409),
            ("POST", "/scim/v2/Users", 201),
        ]
    );
    let conflict = &log[2];
    assert_eq!(
        (&conflict["request_id"], &conflict["at"]),
        (&json!("test-request"), &json!("2026-11-22T08:00:00.000Z"))
    );
    assert!(conflict["duration_us"].is_u64() && conflict["token"].is_string());
    assert_eq!(serde_json::from_str::<Value>(conflict["request"].as_str().unwrap()).unwrap(), user);
    assert!(conflict["answer"].as_str().unwrap().contains("uniqueness"), "{conflict}");
    assert!(log[3]["answer"].as_str().unwrap().contains("\"ada\""));
    assert_eq!((&log[1]["request"], &log[1]["answer"]), (&Value::Null, &Value::Null), "a good read is not copied");
}

#[tokio::test]
async fn no_password_and_no_token_is_ever_kept() {
    let mut ground = Ground::new().await;
    let secret = ground.secret.clone();
    let user = json!({"schemas": [USER], "userName": "ada", "password": "hunter2-hunter2", "title": secret});
    ground.send(Method::POST, "/Users", &user).await;
    let id = ground.client.get("/scim/v2/Users").await.json()["Resources"][0]["id"].as_str().unwrap().to_owned();
    let urn = format!("{USER}:password");
    for operations in [
        json!([{"op": "replace", "path": "password", "value": "hunter2-hunter2"}]),
        json!([{"op": "Replace", "path": urn, "value": "hunter2-hunter2"}]),
        json!([{"op": "replace", "value": {"password": "hunter2-hunter2"}}]),
        // Names that no schema knows, and JSON as a text.
        json!([{"op": "replace", "value": {"urn:x:2.0:User": {"tempPassword": "hunter2-hunter2"}}}]),
        json!([{"op": "replace", "value": {"userPassword": "hunter2-hunter2", "clientSecret": "hunter2-hunter2"}}]),
        json!([{"op": "replace", "value": "{\"password\":\"hunter2-hunter2\"}"}]),
        json!([{"op": "replace", "value": {urn.as_str(): "hunter2-hunter2"}}]),
        json!([{"op": "replace", "path": "password", "value": {"hunter2-hunter2": ["hunter2-hunter2"]}}]),
    ] {
        ground
            .send(Method::PATCH, &format!("/Users/{id}"), &json!({"schemas": [PATCH], "Operations": operations}))
            .await;
    }
    let bulk = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
        "Operations": [{"method": "POST", "bulkId": "1", "path": "/Users",
            "data": {"schemas": [USER], "userName": "grace", "password": "hunter2-hunter2"}}],
    });
    ground.send(Method::POST, "/Bulk", &bulk).await;
    ground.get("/Users?filter=password%20eq%20%22hunter2-hunter2%22").await;
    ground.send(Method::POST, "/.search", &json!({"filter": "password eq \"hunter2-hunter2\""})).await;
    ground.get(&format!("/Users/{secret}")).await;
    ground.get(&format!("/Users/{}", secret.replace('_', "%5F"))).await;
    ground.get(&format!("/Users?access_token={secret}")).await;
    ground.get(&format!("/Users?filter=userName%20eq%20%22{secret}%22")).await;
    ground.get("/Users?token=hunter2-hunter2").await;
    let log = Value::from(ground.log("?limit=500").await).to_string();
    assert!(log.len() > 2_000 && log.contains("•••"), "{log}");
    let body = &secret[4..24];
    for kept in ["hunter2", body, &secret[20..40]] {
        assert!(!log.contains(kept), "{kept} is in {log}");
    }
}

#[tokio::test]
async fn a_ring_keeps_the_last_thousand_and_not_more_than_its_bytes() {
    let mut ground = Ground::new().await;
    for number in 0..1_005 {
        ground.get(&format!("/Users?count={number}")).await;
    }
    let mut paths = Vec::new();
    let mut cursor = String::new();
    loop {
        let reply = ground.admin.get(&format!("{LOG}?limit=400{cursor}")).await.json();
        paths.extend(reply["items"].as_array().unwrap().iter().map(|e| e["path"].as_str().unwrap().to_owned()));
        // What arrives meanwhile does not move the pages.
        ground.get("/Schemas").await;
        let Some(next) = reply["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(paths.len(), 998, "two went while it was read");
    assert_eq!(paths.first().unwrap(), "/scim/v2/Users?count=1004");
    assert_eq!(paths.iter().collect::<std::collections::BTreeSet<_>>().len(), paths.len());

    // A large request is cut, and the ring with it.
    let members: Vec<Value> =
        (0..2_000).map(|n| json!({"value": format!("member-{n}"), "display": "x".repeat(40)})).collect();
    let body = json!({"schemas": [GROUP], "displayName": "ops", "members": members});
    ground.send(Method::POST, "/Groups", &body).await;
    let entry = &ground.log("?limit=1").await[0];
    let kept = entry["request"].as_str().unwrap();
    assert!(kept.len() <= 2_048 + 3 && kept.ends_with('…'), "{}", kept.len());
    let long = "x".repeat(7_000);
    for _ in 0..900 {
        ground.get(&format!("/Users?sortBy={long}")).await;
    }
    let log = ground.admin.get(&format!("{LOG}?limit=500")).await.json();
    let more = ground.admin.get(&format!("{LOG}?limit=500&cursor={}", log["next"].as_str().unwrap())).await.json();
    let count = 500 + more["items"].as_array().unwrap().len();
    assert!((400..650).contains(&count), "{count} requests of 7,000 bytes in 4 MiB");
}

#[tokio::test]
async fn the_log_is_asked_by_status_and_time_and_is_for_who_may_read_sources() {
    let mut ground = Ground::new().await;
    ground.get("/Users").await;
    ground.get("/Users/1").await;
    ground.gateway.advance(Duration::from_secs(60));
    ground.send(Method::POST, "/Users", &json!({"schemas": [USER]})).await;
    for (query, expected) in [
        ("?status=failed", vec![400, 404]),
        ("?status=4xx", vec![400, 404]),
        ("?status=2xx", vec![200]),
        ("?status=404", vec![404]),
        ("?since=30s", vec![400]),
        ("?since=2026-11-22T08:01:00Z", vec![400]),
        ("?since=2h&status=404", vec![404]),
        ("?limit=1", vec![400]),
    ] {
        let log = ground.log(query).await;
        assert_eq!(log.iter().map(|e| e["status"].as_u64().unwrap()).collect::<Vec<_>>(), expected, "{query}");
    }
    for (query, status) in
        [("?status=9xx", 422), ("?status=x", 422), ("?since=soon", 422), ("?cursor=x", 422), ("?x=1", 422)]
    {
        assert_eq!(ground.admin.get(&format!("{LOG}{query}")).await.status.as_u16(), status, "{query}");
    }
    assert_eq!(ground.admin.get("/api/v1/sources/nobody/requests").await.status, 404);
    assert_eq!(ground.client.get(LOG).await.status, 401);
    let kind = TokenKind::Management(vec!["users:read".parse().unwrap()], None, None);
    let (other, _) = ground.gateway.gateway.tokens().create(&ground.gateway.task(), "x", kind, None).await.unwrap();
    let mut visitor = ground.gateway.visitor();
    visitor.headers.insert("authorization", HeaderValue::try_from(format!("Bearer {}", other.expose())).unwrap());
    assert_eq!(visitor.get(LOG).await.status, 403);
}

#[tokio::test]
async fn nothing_is_kept_of_a_connection_that_wants_none_or_of_who_is_nobody() {
    let mut ground = Ground::with("[[scim]]\nid = \"okta\"\nlog = false\n[[scim]]\nid = \"entra\"").await;
    ground.get("/Users").await;
    let reply = ground.admin.get(LOG).await;
    assert_eq!((reply.status.as_u16(), reply.text.contains("log = false")), (404, true), "{}", reply.text);
    let mut nobody = ground.gateway.visitor();
    assert_eq!(nobody.get("/scim/v2/Users").await.status, 401);
    let reply = ground.admin.get("/api/v1/sources/entra/requests").await.json();
    assert_eq!(reply, json!({"items": [], "next": null}));
}

#[tokio::test]
async fn what_the_gate_refuses_to_a_connection_is_kept_too() {
    let mut ground = Ground::with("[[scim]]\nid = \"okta\"\nrate = \"1/1m\"").await;
    assert_eq!(ground.get("/Users").await, 200);
    assert_eq!(ground.get("/Users").await, 429);
    ground.gateway.advance(Duration::from_secs(60));
    assert_eq!(ground.send(Method::POST, "/Users", &json!({"x": "x".repeat(1 << 20)})).await, 413);
    let statuses: Vec<u64> = ground.log("").await.iter().map(|e| e["status"].as_u64().unwrap()).collect();
    assert_eq!(statuses, [413, 429, 200]);
}
