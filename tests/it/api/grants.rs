//! `/grants` and `/explain`.

use http::StatusCode;
use serde_json::json;

use super::{Ground, good, refused};

#[tokio::test]
async fn a_grant_is_given_listed_explained_and_taken_away() {
    let ground = Ground::new().await;
    ground.user("ada", &[]).await;
    ground.test.place(&["department:finance"]).await;
    let body = json!({"user": "ada", "role": "editor", "scope": "department:finance", "reason": "audit season"});
    let grant = good(ground.root().post("/api/v1/grants", body).await, StatusCode::CREATED);
    assert_eq!(grant["origin"], "by hand: audit season");
    let explain = "/api/v1/explain?user=ada&permission=elements:create&scope=department:finance";
    let yes = good(ground.root().get(explain).await, StatusCode::OK);
    assert_eq!((yes["allowed"].as_bool(), yes["steps"][0]["role"].as_str()), (Some(true), Some("editor")));
    let no = good(ground.root().get("/api/v1/explain?user=ada&permission=elements:create").await, StatusCode::OK);
    assert_eq!(no["allowed"], false);
    assert!(no["needed"].as_array().unwrap().contains(&"editor".into()), "{no}");
    let levels = good(ground.root().get("/api/v1/users/ada/permissions").await, StatusCode::OK);
    assert!(levels["levels"].to_string().contains("audit season"), "{levels}");
    let listed = good(ground.root().get("/api/v1/grants?user=ada").await, StatusCode::OK);
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
    good(ground.root().delete(&format!("/api/v1/grants/{}", grant["id"].as_str().unwrap())).await, StatusCode::OK);
    assert_eq!(good(ground.root().get(explain).await, StatusCode::OK)["allowed"], false);
}

#[tokio::test]
async fn a_grant_ends_by_itself() {
    let ground = Ground::new().await;
    ground.user("ada", &[]).await;
    let body = json!({"user": "ada", "role": "editor", "ends": "2026-11-23T00:00:00Z"});
    good(ground.root().post("/api/v1/grants", body).await, StatusCode::CREATED);
    for (at, allowed) in [("2026-11-22T12:00:00Z", true), ("2026-11-23T00:00:00Z", false)] {
        let path = format!("/api/v1/explain?user=ada&permission=elements:create&at={at}");
        assert_eq!(good(ground.root().get(&path).await, StatusCode::OK)["allowed"], allowed, "{at}");
    }
}

#[tokio::test]
async fn a_grant_that_cannot_be_is_told_by_its_field() {
    let ground = Ground::new().await;
    ground.user("ada", &[]).await;
    for (body, field) in [
        (json!({"user": "ada"}), "role"),
        (json!({"user": "ada", "role": "emperor"}), "role"),
        (json!({"user": "nobody", "role": "editor"}), "user"),
        (json!({"group": "none", "role": "editor"}), "group"),
        (json!({"role": "editor"}), "user"),
        (json!({"user": "ada", "group": "x", "role": "editor"}), "user"),
        (json!({"user": "ada", "role": "editor", "scope": "finance"}), "scope"),
        (json!({"user": "ada", "role": "editor", "scope": "department:nowhere"}), "scope"),
        (json!({"user": "ada", "role": "editor", "mode": "replace"}), "mode"),
        (json!({"user": "ada", "role": "editor", "ends": "tomorrow"}), "ends"),
    ] {
        refused(&ground.root().post("/api/v1/grants", body).await, 422, Some(field));
    }
    assert_eq!(ground.root().get("/api/v1/grants?user=ada").await.json()["items"], json!([]));
}

#[tokio::test]
async fn people_may_ask_about_themselves_only() {
    let ground = Ground::new().await;
    ground.user("grace", &[]).await;
    let (_, browser) = ground.browser("ada", &[]).await;
    good(browser.get("/api/v1/explain?user=ADA&permission=users:read").await, StatusCode::OK);
    good(browser.get("/api/v1/users/ada/permissions").await, StatusCode::OK);
    refused(&browser.get("/api/v1/explain?user=grace&permission=users:read").await, 403, None);
    refused(&browser.get("/api/v1/users/grace/permissions").await, 403, None);
    // Whether somebody exists is not told either.
    refused(&browser.get("/api/v1/users/nobody/permissions").await, 403, None);
}
