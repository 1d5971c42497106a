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
    for role in ["editor", "administrator"] {
        let (_, above) = ground.browser(role, &[role]).await;
        assert_eq!(actions(&good(above.get("/api/v1/groups/Ops/history").await, StatusCode::OK)), ["group.create"]);
    }
    for path in [
        "/api/v1/users/ada/history",
        "/api/v1/users/nobody/history",
        "/api/v1/groups/Ops/history",
        "/api/v1/roles/editor/history",
        "/api/v1/people/1/history",
        "/api/v1/scopes/scorecard:a/history",
        "/api/v1/scopes/none/history",
    ] {
        refused(&browser.get(path).await, 403, None);
    }
    refused(&updater.get("/api/v1/users/nobody/history").await, 404, None);
}

#[tokio::test]
async fn a_history_tells_of_changes_and_not_of_sign_ins_to_who_may_not_read_the_ledger() {
    let ground = Ground::new().await;
    ground.user("ada", &[]).await;
    ground.sign_in("ada").await;
    let root = ground.root();
    good(root.patch("/api/v1/users/ada", json!({"displayName": "Ada"})).await, StatusCode::OK);
    good(root.post("/api/v1/grants", json!({"user": "ada", "role": "editor"})).await, StatusCode::CREATED);
    let (_, updater) = ground.browser("updater", &["updater"]).await;
    let told = good(updater.get("/api/v1/users/ada/history").await, StatusCode::OK);
    assert_eq!(actions(&told), ["grant.create", "user.update", "user.create"]);
    for entry in told["logs"].as_array().unwrap() {
        assert!(entry.get("ip_address").is_none() && entry.get("request_id").is_none(), "{entry}");
    }
    let (_, administrator) = ground.browser("administrator", &["administrator"]).await;
    let told = good(administrator.get("/api/v1/users/ada/history").await, StatusCode::OK);
    assert!(actions(&told).contains(&"session.create"), "who reads the ledger reads all of it: {told}");
    assert!(told["logs"][0].get("ip_address").is_some());
}

#[tokio::test]
async fn scorecards_roles_and_people_have_a_history_and_a_scorecards_is_read_by_who_updates_it() {
    let ground = Ground::new().await;
    let root = ground.root();
    for name in ["Sales", "Costs"] {
        good(root.post("/api/v1/scorecards", json!({"name": name})).await, StatusCode::CREATED);
    }
    good(root.patch("/api/v1/scorecards/sales", json!({"description": "What is sold"})).await, StatusCode::OK);
    let role = json!({"name": "Reader", "permissions": ["elements:create"]});
    good(root.post("/api/v1/roles", role).await, StatusCode::CREATED);
    let person = json!({"first_name": "Ada", "last_name": "Lovelace"});
    let person = good(root.post("/api/v1/people", person).await, StatusCode::CREATED);
    let number = person["employee_number"].as_str().unwrap();
    let change = json!({"email": "ada@example.com"});
    good(root.patch(&format!("/api/v1/people/{number}"), change).await, StatusCode::OK);
    let (_, updater) = ground.browser("updater", &["updater"]).await;
    let told = good(updater.get(&format!("/api/v1/people/{number}/history")).await, StatusCode::OK);
    assert_eq!(actions(&told), ["person.update", "person.create"]);
    assert_eq!(told["logs"][0]["details"]["email after"], "ada@example.com");
    let told = good(updater.get("/api/v1/roles/reader/history").await, StatusCode::OK);
    assert_eq!(actions(&told), ["role.create"]);
    let (_, scoped) = ground.browser("scoped", &[]).await;
    let grant = json!({"user": "scoped", "role": "updater", "scope": "scorecard:sales"});
    good(root.post("/api/v1/grants", grant).await, StatusCode::CREATED);
    let told = good(scoped.get("/api/v1/scopes/scorecard:sales/history").await, StatusCode::OK);
    assert_eq!(actions(&told), ["scope.update", "scope.create"]);
    assert_eq!(told["logs"][0]["details"]["description"], "What is sold");
    for path in ["/api/v1/scopes/scorecard:costs/history", "/api/v1/roles/reader/history"] {
        refused(&scoped.get(path).await, 403, None);
    }
    for path in ["/api/v1/roles/nobodys/history", "/api/v1/people/999/history", "/api/v1/scopes/scorecard:x/history"] {
        refused(&updater.get(path).await, 404, None);
    }
}
