//! `/me`.

use http::StatusCode;
use serde_json::{Value, json};

use super::{Ground, good, refused};

#[tokio::test]
async fn a_browser_learns_who_it_is_and_what_it_may_do() {
    let ground = Ground::new().await;
    let (user, browser) = ground.browser("ada@example.com", &["browser"]).await;
    let me = good(browser.get("/api/v1/me").await, StatusCode::OK);
    assert_eq!(me["user"]["userName"], "ada@example.com");
    assert_eq!(me["user"]["id"], user.id.to_string());
    assert_eq!(me["roles"], json!(["browser"]));
    assert_eq!(me["groups"], json!([]));
    assert!(me["permissions"].as_array().unwrap().contains(&"pages:read".into()));
    assert!(!me["permissions"].as_array().unwrap().contains(&"users:read".into()));
    assert_eq!(me["session"]["method"], "password");
    assert_eq!(me["actor"], format!("user:{}", user.id));
    assert!(!me.to_string().contains(PREFIX_OF_SECRETS), "no secret of the session is shown");
}

/// Hashes of passwords begin with this.
const PREFIX_OF_SECRETS: &str = "$argon2";

#[tokio::test]
async fn roles_that_hold_somewhere_are_told_with_their_place() {
    let ground = Ground::new().await;
    let (_, browser) = ground.browser("ada", &[]).await;
    ground.test.place(&["department:finance"]).await;
    let body = json!({"user": "ada", "role": "editor", "scope": "department:finance"});
    good(ground.root().post("/api/v1/grants", body).await, StatusCode::CREATED);
    let me = good(browser.get("/api/v1/me").await, StatusCode::OK);
    assert_eq!(me["roles"], json!(["editor"]));
    assert_eq!(me["permissions"], json!([]));
    assert_eq!(me["scopes"]["department:finance"]["roles"], json!(["editor"]));
    let held = me["scopes"]["department:finance"]["permissions"].as_array().unwrap();
    assert!(held.contains(&Value::from("elements:create")));
}

#[tokio::test]
async fn who_is_made_inactive_is_nobody_from_the_next_request_on() {
    let ground = Ground::new().await;
    let (_, browser) = ground.browser("ada", &[]).await;
    assert!(browser.get("/api/v1/me").await.status.is_success());
    good(ground.root().patch("/api/v1/users/ada", json!({"active": false})).await, StatusCode::OK);
    refused(&browser.get("/api/v1/me").await, 401, None);
}

#[tokio::test]
async fn a_cookie_that_is_none_of_ours_is_nobody() {
    let ground = Ground::new().await;
    let (_, browser) = ground.browser("ada", &[]).await;
    let cookie = browser.headers["cookie"].to_str().unwrap().to_owned();
    for forged in [cookie.replace('=', "=x"), format!("{cookie}; {cookie}"), cookie.to_uppercase(), String::new()] {
        refused(&browser.clone().with_header("cookie", &forged).get("/api/v1/me").await, 401, None);
    }
}

#[tokio::test]
async fn a_token_for_a_user_is_that_user_and_a_services_is_nobodys() {
    let ground = Ground::new().await;
    ground.user("ada", &["browser"]).await;
    let body = json!({"name": "x", "scope": "read", "user": "ada"});
    let token = good(ground.root().post("/api/v1/tokens", body).await, StatusCode::CREATED);
    let me = good(ground.bearer(token["token"].as_str().unwrap()).get("/api/v1/me").await, StatusCode::OK);
    assert_eq!((me["user"]["userName"].as_str(), &me["session"]), (Some("ada"), &Value::Null));
    let me = good(ground.service(&["*:*"]).await.get("/api/v1/me").await, StatusCode::OK);
    assert_eq!(me["user"], Value::Null);
}

#[tokio::test]
async fn a_token_shows_no_more_than_its_limit_and_nothing_once_its_user_is_inactive() {
    let ground = Ground::new().await;
    let user = ground.user("ada", &["administrator"]).await;
    let body = json!({"name": "x", "scope": "read", "user": "ada"});
    let token = good(ground.root().post("/api/v1/tokens", body).await, StatusCode::CREATED);
    let bearer = ground.bearer(token["token"].as_str().unwrap());
    let me = good(bearer.get("/api/v1/me").await, StatusCode::OK);
    let shown: Vec<&str> = me["permissions"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(shown.contains(&"users:read"), "{shown:?}");
    assert!(shown.iter().all(|permission| permission.ends_with(":read")), "{shown:?}");
    let directory = ground.test.gateway.directory();
    directory.set_active(&ground.test.task(), user.id, false).await.unwrap();
    refused(&bearer.get("/api/v1/me").await, 401, None);
    directory.set_active(&ground.test.task(), user.id, true).await.unwrap();
    assert_eq!(bearer.get("/api/v1/me").await.status, StatusCode::OK);
    ground.grant(&user, "no_access").await;
    refused(&bearer.get("/api/v1/me").await, 401, None);
    directory.delete_user(&ground.test.task(), user.id, None).await.unwrap();
    refused(&bearer.get("/api/v1/me").await, 401, None);
}

#[tokio::test]
async fn the_badge_is_that_of_the_role_that_gives_most() {
    let ground = Ground::new().await;
    let (user, browser) = ground.browser("ada", &[]).await;
    let badge = || async { good(browser.get("/api/v1/me").await, StatusCode::OK)["badge"].clone() };
    assert_eq!(badge().await, Value::Null);
    for (role, shown) in [("by_group", "Group Access"), ("browser", "Browser"), ("editor", "Editor")] {
        ground.grant(&user, role).await;
        assert_eq!(badge().await, shown);
    }
    // What holds in one place is no level of access.
    ground.test.place(&["scorecard:north"]).await;
    let body = json!({"user": "ada", "role": "administrator", "scope": "scorecard:north"});
    good(ground.root().post("/api/v1/grants", body).await, StatusCode::CREATED);
    assert_eq!(badge().await, "Editor");
}

#[tokio::test]
async fn who_has_roles_in_scorecards_stays_by_scorecard_and_every_user_type_has_its_badge() {
    let ground = Ground::new().await;
    ground.test.place(&["scorecard:north"]).await;
    let (_, browser) = ground.browser("ada", &["by_scorecard"]).await;
    let grant = json!({"user": "ada", "role": "scorecard_administrator", "scope": "scorecard:north"});
    good(ground.root().post("/api/v1/grants", grant).await, StatusCode::CREATED);
    assert_eq!(good(browser.get("/api/v1/me").await, StatusCode::OK)["badge"], "By Scorecard");
    for (role, shown) in [("updater", "Updater"), ("administrator", "Administrator")] {
        let (_, browser) = ground.browser(role, &[role]).await;
        assert_eq!(good(browser.get("/api/v1/me").await, StatusCode::OK)["badge"], shown);
    }
}

/// The parts of MerchantTrack.
const PARTS: [&str; 7] = [
    "pci-management",
    "reporting",
    "reverse-open",
    "reverse-settled",
    "terminal-management",
    "transaction-search",
    "virtual-terminal",
];

#[tokio::test]
async fn the_seven_parts_of_merchanttrack_are_told_to_who_has_them_where_the_feature_is_on() {
    for (option, flags, expected) in
        [("on", &["staff", "merchanttrack_claims"][..], 7), ("on", &["staff"], 0), ("off", &["staff"], 0)]
    {
        let lines = format!(
            "policy.pack = \"clearvantage\"\npassword.preset = \"nist-63b-4\"\n[policy.options]\nmerchanttrack = \"{option}\""
        );
        let ground = Ground::with(&lines).await;
        let (_, browser) = ground.browser("ada", flags).await;
        let me = good(browser.get("/api/v1/me").await, StatusCode::OK);
        let part =
            |permission: &'_ Value| permission.as_str().unwrap().strip_prefix("merchanttrack:").map(str::to_owned);
        let told: Vec<String> = me["permissions"].as_array().unwrap().iter().filter_map(part).collect();
        assert_eq!(told, PARTS[..expected], "{option} {flags:?}: {me}");
    }
}
