//! `/audit-logs`.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};

use super::{Ground, good, refused};

async fn actions(ground: &Ground, query: &str) -> Vec<String> {
    let body = good(ground.root().get(&format!("/api/v1/audit-logs?{query}")).await, StatusCode::OK);
    body["logs"].as_array().unwrap().iter().map(|entry| entry["action"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn events_are_listed_newest_first_and_conditions_join() {
    let ground = Ground::new().await;
    let ada = ground.user("ada", &[]).await;
    ground.test.advance(Duration::from_secs(3600));
    let (_, boss) = ground.browser("boss", &["administrator"]).await;
    good(boss.patch("/api/v1/users/ada", json!({"active": false})).await, StatusCode::OK);
    assert_eq!(actions(&ground, "limit=1").await, ["user.deactivate"]);
    assert_eq!(actions(&ground, "action=user.*&limit=2").await, ["user.deactivate", "user.create"]);
    assert_eq!(actions(&ground, "last=30m&action=user.*").await, ["user.deactivate", "user.create"]);
    assert_eq!(actions(&ground, "user=boss&action=user.*").await, ["user.deactivate"]);
    assert_eq!(actions(&ground, &format!("resource=user:{}&action=user.create", ada.id)).await, ["user.create"]);
    assert!(actions(&ground, "user=ada").await.is_empty());
    let entry = good(ground.root().get("/api/v1/audit-logs?last=4w&limit=1").await, StatusCode::OK)["logs"][0].clone();
    assert_eq!(
        (entry["timestamp"].as_str(), entry["ip_address"].as_str()),
        (Some("2026-11-22T09:00:00.000Z"), Some("198.51.100.9"))
    );
    assert_eq!(entry["request_id"], "request-7");
}

#[tokio::test]
async fn the_ledger_comes_in_pages_and_as_a_download() {
    let ground = Ground::new().await;
    for name in ["a1", "a2", "a3"] {
        ground.user(name, &[]).await;
    }
    let mut count = 0;
    let mut path = "/api/v1/audit-logs?limit=2".to_owned();
    loop {
        let page = good(ground.root().get(&path).await, StatusCode::OK);
        count += page["logs"].as_array().unwrap().len();
        match page["next"].as_str() {
            Some(next) => path = format!("/api/v1/audit-logs?limit=2&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(count, 6, "three accounts with three passwords");
    let export = ground.root().get("/api/v1/audit-logs?format=json&export=true").await;
    assert!(export.headers["content-disposition"].to_str().unwrap().starts_with("attachment"));
    let reader = ground.service(&["audit:read"]).await;
    refused(&reader.get("/api/v1/audit-logs?export=true").await, 403, None);
}

#[tokio::test]
async fn the_ledger_is_verified_from_a_checkpoint_on() {
    let ground = Ground::new().await;
    ground.user("ada", &[]).await;
    let report = good(ground.root().post("/api/v1/audit-logs/verify", json!({})).await, StatusCode::OK);
    assert_eq!((report["intact"].as_bool(), &report["problem"]), (Some(true), &Value::Null));
    ground.user("grace", &[]).await;
    let since = json!({"since": report["checkpoint"]});
    assert_eq!(good(ground.root().post("/api/v1/audit-logs/verify", since).await, StatusCode::OK)["intact"], true);
    let other = json!({"since": format!("1:{}", "ab".repeat(32))});
    assert_eq!(good(ground.root().post("/api/v1/audit-logs/verify", other).await, StatusCode::OK)["intact"], false);
    refused(&ground.root().post("/api/v1/audit-logs/verify", json!({"since": "1"})).await, 422, Some("since"));
}

#[tokio::test]
async fn a_refusal_leaves_its_event() {
    let ground = Ground::new().await;
    let (_, browser) = ground.browser("ada", &[]).await;
    refused(&browser.get("/api/v1/users").await, 403, None);
    let body = good(ground.root().get("/api/v1/audit-logs?outcome=denied").await, StatusCode::OK);
    assert_eq!(body["logs"][0]["action"], "permission.refuse");
    assert_eq!(body["logs"][0]["resource"], "permission:users:read");
}
