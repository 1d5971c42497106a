//! `/sessions` and `/locks`.

use cleargate::model::TokenKind;
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

#[tokio::test]
async fn an_administrator_signs_somebody_out_everywhere() {
    let ground = Ground::new().await;
    let (_, ada) = ground.browser("ada", &[]).await;
    let elsewhere = ground.sign_in("ada").await;
    let (_, grace) = ground.browser("grace", &[]).await;
    refused(&grace.post("/api/v1/users/ada:logout", json!({})).await, 403, None);
    refused(&ground.root().post("/api/v1/users/ada:logout", json!({"x": 1})).await, 422, Some("x"));
    refused(&ground.root().post("/api/v1/users/nobody:logout", json!({})).await, 404, None);
    good(ada.get("/api/v1/me").await, StatusCode::OK);
    let answer = good(ground.root().post("/api/v1/users/ada:logout", json!({})).await, StatusCode::OK);
    assert_eq!((answer["user"]["userName"].as_str(), answer["ended"].as_u64()), (Some("ada"), Some(2)));
    refused(&ada.get("/api/v1/me").await, 401, None);
    refused(&elsewhere.get("/api/v1/me").await, 401, None);
    good(grace.get("/api/v1/me").await, StatusCode::OK);
    good(ground.sign_in("ada").await.get("/api/v1/me").await, StatusCode::OK);
    let logs = good(ground.root().get("/api/v1/audit-logs?last=1h&action=session.end").await, StatusCode::OK);
    assert_eq!(logs["logs"][0]["details"]["sessions_ended"], "2", "{logs}");
}

#[tokio::test]
async fn everybody_is_signed_out_at_once() {
    let ground = Ground::new().await;
    let (_, ada) = ground.browser("ada", &[]).await;
    let (_, admin) = ground.browser("root", &["administrator"]).await;
    let service = ground.service(&["users:read"]).await;
    refused(&ada.post("/api/v1/sessions:end-all", json!({})).await, 403, None);
    good(admin.post("/api/v1/sessions:end-all", json!({})).await, StatusCode::OK);
    refused(&ada.get("/api/v1/me").await, 401, None);
    refused(&admin.get("/api/v1/me").await, 401, None);
    good(service.get("/api/v1/users").await, StatusCode::OK);
    good(ground.sign_in("ada").await.get("/api/v1/me").await, StatusCode::OK);
    let logs = good(ground.root().get("/api/v1/audit-logs?last=1h&action=session.end-all").await, StatusCode::OK);
    assert_eq!(logs["logs"].as_array().unwrap().len(), 1, "{logs}");
}

#[tokio::test]
async fn the_list_of_users_tells_who_is_signed_in_and_by_what_to_who_may_see_sessions() {
    let ground = Ground::new().await;
    ground.browser("ada", &[]).await;
    ground.sign_in("ada").await;
    ground.user("grace", &[]).await;
    let all = good(ground.root().get("/api/v1/users").await, StatusCode::OK);
    let told = |name: &str, key: &str| {
        all["items"].as_array().unwrap().iter().find(|user| user["userName"] == name).unwrap()[key].clone()
    };
    assert_eq!((told("ada", "signed_in"), told("grace", "signed_in")), (json!(true), json!(false)));
    assert_eq!((told("ada", "sessions"), told("grace", "sessions")), (json!(2), json!(0)));
    assert_eq!((told("ada", "connectors"), told("grace", "connectors")), (json!(["password"]), json!([])));
    let one = good(ground.root().get("/api/v1/users/ada").await, StatusCode::OK);
    assert_eq!((&one["signed_in"], &one["sessions"]), (&json!(true), &json!(2)));
    let names = |page: &serde_json::Value| -> Vec<String> {
        page["items"].as_array().unwrap().iter().map(|user| user["userName"].as_str().unwrap().to_owned()).collect()
    };
    let here = good(ground.root().get("/api/v1/users?signed_in=true").await, StatusCode::OK);
    assert_eq!(names(&here), ["ada"]);
    let none = "/api/v1/users?signed_in=true&filter=userName%20eq%20%22grace%22";
    assert!(names(&good(ground.root().get(none).await, StatusCode::OK)).is_empty());
    refused(&ground.root().get("/api/v1/users?signed_in=no").await, 422, Some("signed_in"));
    refused(&ground.root().get("/api/v1/users?signed_in=true&sort=userName").await, 422, Some("sort"));
    let blind = ground.service(&["users:read"]).await;
    let shown = good(blind.get("/api/v1/users").await, StatusCode::OK);
    assert_eq!(shown["items"][0].get("signed_in"), None, "{shown}");
    refused(&blind.get("/api/v1/users?signed_in=true").await, 403, None);
}

#[tokio::test]
async fn the_list_of_who_is_signed_in_goes_on_by_its_cursor() {
    let ground = Ground::new().await;
    for name in ["ada", "grace", "alan"] {
        ground.test.advance(std::time::Duration::from_millis(1));
        ground.browser(name, &[]).await;
    }
    let mut found = Vec::new();
    let mut path = "/api/v1/users?signed_in=true&limit=2".to_owned();
    loop {
        let page = good(ground.root().get(&path).await, StatusCode::OK);
        found.extend(page["items"].as_array().unwrap().iter().map(|user| user["userName"].to_string()));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/api/v1/users?signed_in=true&limit=2&cursor={next}");
    }
    assert_eq!(found, ["\"ada\"", "\"grace\"", "\"alan\""]);
}

#[tokio::test]
async fn people_see_where_they_are_signed_in() {
    let ground = Ground::new().await;
    let (_, ada) = ground.browser("ada", &[]).await;
    ground.test.advance(std::time::Duration::from_millis(1));
    ground.sign_in("ada").await;
    ground.browser("grace", &[]).await;
    let own = good(ada.get("/api/v1/me/sessions").await, StatusCode::OK);
    let current: Vec<bool> = own["items"].as_array().unwrap().iter().map(|s| s["current"] == true).collect();
    assert_eq!(current, [true, false], "{own}");
    assert_eq!(own["items"][0]["address"], "198.51.100.7");
    refused(&ground.service(&["*:*"]).await.get("/api/v1/me/sessions").await, 404, None);
}

#[tokio::test]
async fn a_network_that_sprays_is_listed_and_let_in_again_by_who_may_unlock() {
    let ground = Ground::new().await;
    ground.user("ada", &[]).await;
    let (_, grace) = ground.browser("grace", &[]).await;
    let mut sprayer = ground.test.visitor();
    sprayer.address = "203.0.113.9".parse().unwrap();
    for number in 0..6 {
        sprayer.sign_in(&format!("user{number}"), "Spring2026!").await;
    }
    assert_eq!(sprayer.sign_in("ada", super::PASSWORD).await.status, StatusCode::TOO_MANY_REQUESTS);
    refused(&grace.get("/api/v1/blocks").await, 403, None);
    refused(&grace.delete("/api/v1/blocks?network=203.0.113.9").await, 403, None);
    let listed = good(ground.root().get("/api/v1/blocks").await, StatusCode::OK);
    assert_eq!(listed["items"][0]["network"], "203.0.113.9/32", "{listed}");
    assert_eq!(listed["items"][0]["why"], "one password for several names");
    refused(&ground.root().delete("/api/v1/blocks").await, 422, Some("network"));
    refused(&ground.root().delete("/api/v1/blocks?network=nonsense").await, 422, Some("network"));
    for released in [true, false] {
        let answer = good(ground.root().delete("/api/v1/blocks?network=203.0.113.9").await, StatusCode::OK);
        assert_eq!(answer["released"], released);
    }
    assert!(sprayer.sign_in("ada", super::PASSWORD).await.status.is_redirection());
}

#[tokio::test]
async fn an_administrator_sees_the_browsers_that_an_account_knows_and_makes_it_forget_them() {
    let ground = Ground::new().await;
    ground.browser("ada", &[]).await;
    let (_, grace) = ground.browser("grace", &[]).await;
    refused(&grace.get("/api/v1/users/ada/devices").await, 403, None);
    refused(&grace.delete("/api/v1/users/ada/devices").await, 403, None);
    let listed = good(ground.root().get("/api/v1/users/ada/devices").await, StatusCode::OK);
    assert_eq!(listed["devices"].as_array().unwrap().len(), 1, "{listed}");
    for forgotten in [1, 0] {
        let answer = good(ground.root().delete("/api/v1/users/ada/devices").await, StatusCode::OK);
        assert_eq!(answer["forgotten"], forgotten);
    }
}

#[tokio::test]
async fn a_password_that_an_administrator_sets_ends_the_lock() {
    let ground = Ground::with("lockout.preset = \"clearvantage\"").await;
    ground.user("ada", &[]).await;
    for _ in 0..3 {
        ground.test.visitor().sign_in("ada", "wrong").await;
    }
    let wish = json!({"password": "nine lanterns along a quiet harbour"});
    good(ground.root().patch("/api/v1/users/ada", wish).await, StatusCode::OK);
    let reply = ground.test.visitor().sign_in("ada", "nine lanterns along a quiet harbour").await;
    assert!(reply.status.is_redirection(), "{}", reply.text);
}

#[tokio::test]
async fn nobody_forgets_their_own_wrong_passwords_nor_those_of_somebody_above() {
    let ground = Ground::new().await;
    ground.user("boss", &["administrator"]).await;
    let ada = ground.user("ada", &[]).await;
    let desk = ground.service(&["locks:delete", "users:read"]).await;
    good(desk.delete("/api/v1/locks/ada").await, StatusCode::OK);
    refused(&desk.delete("/api/v1/locks/boss").await, 403, None);
    let kind = TokenKind::Management(vec!["*:*".parse().unwrap()], Some(ada.id), None);
    ground.grant(&ada, "administrator").await;
    let (secret, _) = ground.test.gateway.tokens().create(&ground.test.task(), "x", kind, None).await.unwrap();
    refused(&ground.bearer(secret.expose()).delete("/api/v1/locks/ada").await, 403, None);
    refused(&ground.sign_in("boss").await.delete("/api/v1/locks/boss").await, 403, None);
}
