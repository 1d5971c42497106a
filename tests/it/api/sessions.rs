//! `/sessions` and `/locks`.

use http::StatusCode;
use serde_json::json;

use super::{Ground, good, refused};

#[tokio::test]
async fn an_administrator_lists_and_ends_sessions() {
    let ground = Ground::new().await;
    let (_, browser) = ground.browser("ada", &[]).await;
    ground.browser("grace", &[]).await;
    let all = good(ground.root().get("/api/v1/sessions").await, StatusCode::OK);
    assert_eq!(all["items"].as_array().unwrap().len(), 2);
    let one = good(ground.root().get("/api/v1/sessions?user=ada").await, StatusCode::OK);
    assert_eq!(one["items"][0]["user"]["userName"], "ada");
    let cookie = browser.headers["cookie"].to_str().unwrap().split('=').nth(1).unwrap();
    assert!(!all.to_string().contains(cookie), "the secret is not shown");
    let id = one["items"][0]["id"].as_str().unwrap();
    good(ground.root().delete(&format!("/api/v1/sessions/{id}")).await, StatusCode::OK);
    refused(&browser.get("/api/v1/me").await, 401, None);
    refused(&ground.root().delete(&format!("/api/v1/sessions/{id}")).await, 404, None);
}

#[tokio::test]
async fn people_end_their_own_sessions_and_nobody_elses() {
    let ground = Ground::new().await;
    let (_, ada) = ground.browser("ada", &[]).await;
    let elsewhere = ground.sign_in("ada").await;
    let (_, grace) = ground.browser("grace", &[]).await;
    let session = |me: serde_json::Value| me["session"]["id"].as_str().unwrap().to_owned();
    let theirs = session(good(grace.get("/api/v1/me").await, StatusCode::OK));
    refused(&ada.delete(&format!("/api/v1/sessions/{theirs}")).await, 403, None);
    good(grace.get("/api/v1/me").await, StatusCode::OK);
    let other = session(good(elsewhere.get("/api/v1/me").await, StatusCode::OK));
    good(ada.delete(&format!("/api/v1/sessions/{other}")).await, StatusCode::OK);
    refused(&elsewhere.get("/api/v1/me").await, 401, None);
    good(ada.get("/api/v1/me").await, StatusCode::OK);
}

#[tokio::test]
async fn a_locked_account_is_listed_and_unlocked() {
    let ground = Ground::with("lockout.preset = \"clearvantage\"").await;
    ground.user("ada", &[]).await;
    for _ in 0..3 {
        ground.test.visitor().sign_in("ada", "wrong").await;
    }
    assert!(!ground.test.visitor().sign_in("ada", super::PASSWORD).await.status.is_redirection());
    let locks = good(ground.root().get("/api/v1/locks").await, StatusCode::OK);
    assert_eq!(locks["items"][0]["user"]["userName"], "ada");
    assert!(locks["items"][0]["locked_until"].is_string(), "{locks}");
    let cleared = good(ground.root().delete("/api/v1/locks/ada").await, StatusCode::OK);
    assert_eq!(cleared["cleared"], true);
    assert!(ground.test.visitor().sign_in("ada", super::PASSWORD).await.status.is_redirection());
    assert_eq!(good(ground.root().delete("/api/v1/locks/ada").await, StatusCode::OK)["user"]["userName"], json!("ada"));
}
