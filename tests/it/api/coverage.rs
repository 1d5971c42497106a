//! Every route, by its table: nobody is refused, and so is whoever holds no role.

use axum::body::Body;
use cleargate::api;
use cleargate::http::{Access, Rate};
use serde_json::json;

use super::{Ground, refused};

/// A route's path with something in the place of its parameters.
fn path(pattern: &str) -> String {
    let filled = pattern.replace("{id}", "0193a5b2-6f1c-7b3e-8d5a-2c4e6f8a0b1d").replace("{user}", "ada");
    filled.replace("{slug}", "finance").replace("{scope}", "department:finance").replace("{name}", "users")
}

#[tokio::test]
async fn every_route_refuses_nobody_and_says_how_to_be_somebody() {
    let ground = Ground::new().await;
    for route in api::table() {
        let reply =
            ground.nobody().send(route.method.clone(), &path(route.path), "application/json", Body::empty()).await;
        refused(&reply, 401, None);
        assert_eq!(reply.headers["www-authenticate"], "Bearer", "{}", route.path);
        assert_eq!(reply.headers["cache-control"], "no-store", "{}", route.path);
    }
}

#[tokio::test]
async fn every_route_but_ones_own_refuses_who_holds_no_role() {
    let ground = Ground::new().await;
    let (_, browser) = ground.browser("ada", &[]).await;
    for route in api::table().iter().filter(|route| route.access == Access::Management) {
        let body = match route.path {
            "/api/v1/grants" => json!({"user": "ada", "role": "administrator"}),
            "/api/v1/tokens" => json!({"name": "x", "scope": "read"}),
            "/api/v1/users" => json!({"userName": "x"}),
            _ => json!({}),
        };
        let path = match route.path {
            "/api/v1/explain" => "/api/v1/explain?user=grace&permission=users:read".to_owned(),
            "/api/v1/users/{user}/permissions" => "/api/v1/users/grace/permissions".to_owned(),
            other => path(other),
        };
        let reply = browser.send(route.method.clone(), &path, "application/json", Body::from(body.to_string())).await;
        refused(&reply, 403, None);
    }
}

#[tokio::test]
async fn every_route_counts_as_management_and_has_its_place_below_the_surface() {
    for route in api::table() {
        assert!(route.path.starts_with("/api/v1/"), "{}", route.path);
        assert_eq!(route.rate, Rate::Api, "{}", route.path);
        assert_ne!(route.access, Access::Public, "{}", route.path);
    }
}

#[tokio::test]
async fn a_provisioning_token_and_a_made_up_one_are_nothing_here() {
    let ground = Ground::with("[[scim]]\nid = \"okta\"").await;
    let body = json!({"connection": "okta"});
    let token = ground.root().post("/api/v1/tokens", body).await.json()["token"].as_str().unwrap().to_owned();
    assert!(token.starts_with("cgs_"));
    for token in [token.as_str(), "cgp_made_up", "x", ""] {
        refused(&ground.bearer(token).get("/api/v1/users").await, 401, None);
    }
    let twice = {
        let mut client = ground.service(&["*:*"]).await;
        client.headers.append("authorization", "Bearer other".parse().unwrap());
        client
    };
    refused(&twice.get("/api/v1/users").await, 401, None);
}

#[tokio::test]
async fn on_the_machine_only_the_superuser_and_the_daemons_user_administer() {
    let ground = Ground::new().await;
    assert!(ground.root().get("/api/v1/users").await.status.is_success());
    refused(&ground.local(54_321).get("/api/v1/users").await, 403, None);
}

#[tokio::test]
async fn too_many_calls_are_told_when_to_come_again() {
    let ground = Ground::with("limits.api = \"3/1m\"").await;
    let service = ground.service(&["*:*"]).await;
    for _ in 0..3 {
        assert!(service.get("/api/v1/groups").await.status.is_success());
    }
    let reply = service.get("/api/v1/groups").await;
    refused(&reply, 429, None);
    assert!(reply.headers["retry-after"].to_str().unwrap().parse::<u32>().unwrap() >= 1);
    // The machine's own administrators are not held up by it.
    assert!(ground.root().get("/api/v1/groups").await.status.is_success());
    // Who guesses tokens is held up by the address.
    let guesses = ground.bearer("cgp_guess");
    for _ in 0..3 {
        refused(&guesses.get("/api/v1/groups").await, 401, None);
    }
    refused(&guesses.get("/api/v1/groups").await, 429, None);
}

#[tokio::test]
async fn the_daemon_tells_how_it_is_and_reads_its_configuration_again() {
    let ground = Ground::controlled("[[scim]]\nid = \"okta\"", Ok(vec!["look at this".to_owned()])).await;
    let status = ground.root().get("/api/v1/status").await.json();
    assert_eq!((status["users"].as_u64(), status["store"].as_str()), (Some(0), Some("ready")));
    assert_eq!(status["connections"], json!(["okta"]));
    let answer = ground.root().post("/api/v1/reload", json!({})).await.json();
    assert_eq!(answer, json!({"reloaded": true, "warnings": ["look at this"]}));
    let broken = Ground::controlled("", Err(vec!["one".to_owned(), "two".to_owned()])).await;
    let reply = broken.root().post("/api/v1/reload", json!({})).await;
    refused(&reply, 422, None);
    assert_eq!(reply.json()["detail"], "one\ntwo");
}
