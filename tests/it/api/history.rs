//! Histories of single objects.

use http::StatusCode;
use serde_json::{Value, json};

use super::{Ground, good, refused};

fn actions(answer: &Value) -> Vec<&str> {
    answer["logs"].as_array().unwrap().iter().map(|entry| entry["action"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn the_history_of_an_object_is_for_updaters_and_above() {
    let ground = Ground::new().await;
    let ada = ground.user("ada", &[]).await;
    ground.user("grace", &[]).await;
    let root = ground.root();
    good(root.patch("/api/v1/users/ada", json!({"displayName": "Ada"})).await, StatusCode::OK);
    good(root.post("/api/v1/groups", json!({"name": "Ops"})).await, StatusCode::CREATED);
    let (_, updater) = ground.browser("updater", &["updater"]).await;
    let (_, browser) = ground.browser("browser", &["browser"]).await;
    let told = good(updater.get("/api/v1/users/ada/history").await, StatusCode::OK);
    assert_eq!(actions(&told)[0], "user.update", "newest first: {told}");
    assert_eq!(*actions(&told).last().unwrap(), "user.create");
    for entry in told["logs"].as_array().unwrap() {
        assert_eq!(entry["resource"], format!("user:{}", ada.id), "of this object and of no other");
    }
    let told = good(updater.get("/api/v1/groups/Ops/history").await, StatusCode::OK);
    assert_eq!(actions(&told), ["group.create"]);
    for path in ["/api/v1/users/ada/history", "/api/v1/users/nobody/history", "/api/v1/groups/Ops/history"] {
        refused(&browser.get(path).await, 403, None);
    }
    refused(&updater.get("/api/v1/users/nobody/history").await, 404, None);
}
