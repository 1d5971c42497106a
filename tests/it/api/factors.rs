//! `/users/{user}/factors`, and of whom a second factor is demanded.

use http::StatusCode;
use serde_json::json;

use super::{Ground, PASSWORD, good, refused};
use crate::support::authenticator::{App, enrol};
use crate::support::gateway::Visitor;

const DESK: &str = r#"
title = "Desk"
[[role]]
name = "Desk"
description = "Helps people who cannot sign in."
permissions = ["users:read", "users:update", "passwords:delete"]
[[role]]
name = "Chief"
description = "May do more than the desk."
permissions = ["users:*", "passwords:*", "grants:*"]
requires_factor = true
[[role]]
name = "Treasurer"
description = "Reads people, and changes them right after a second factor."
includes = ["clerk"]
permissions = ["users:update"]
factor_within = "10m"
[[role]]
name = "Clerk"
description = "Reads people."
permissions = ["users:read"]
[[role]]
name = "Above"
description = "Has what the chief has."
includes = ["chief"]
"#;

async fn ground() -> Ground {
    Ground::with_files("policy.pack = \"./desk.toml\"", &[("desk.toml", DESK)]).await
}

/// Signs in and sets up an app.
async fn with_app(ground: &Ground, name: &str) -> (Visitor, App) {
    let mut browser = ground.test.visitor();
    browser.sign_in(name, PASSWORD).await;
    let (app, _) = enrol(&ground.test, &mut browser, PASSWORD).await;
    (browser, app)
}

#[tokio::test]
async fn the_help_desk_removes_the_factor_of_somebody_below_and_the_sessions_with_it() {
    let ground = ground().await;
    ground.user("ada", &[]).await;
    let (_, desk) = ground.browser("desk", &["desk"]).await;
    let (mut ada, _) = with_app(&ground, "ada").await;
    let shown = good(desk.get("/api/v1/users/ada/factors").await, StatusCode::OK);
    assert_eq!(shown["recovery_codes"], 10);
    assert!(shown["code"].is_string(), "{shown}");
    assert_eq!(good(desk.get("/api/v1/users/ada").await, StatusCode::OK)["has_factor"], true);
    let removed = good(desk.delete("/api/v1/users/ada/factors").await, StatusCode::OK);
    assert_eq!(removed["removed"], true);
    assert_eq!(ada.get("/").await.location(), "/login", "the sessions have ended");
    assert_eq!(ada.sign_in("ada", PASSWORD).await.location(), "/");
    let again = good(desk.delete("/api/v1/users/ada/factors").await, StatusCode::OK);
    assert_eq!(again["removed"], false);
    let logs = good(ground.root().get("/api/v1/audit-logs?action=factor.*").await, StatusCode::OK);
    assert!(logs.to_string().contains("factor.remove"), "{logs}");
}

#[tokio::test]
async fn nobody_removes_the_factor_of_somebody_above_nor_their_own_without_a_code() {
    let ground = ground().await;
    ground.user("chief", &[]).await;
    with_app(&ground, "chief").await;
    let chief = ground.test.gateway.directory().find_user_by_name("chief").await.unwrap().unwrap();
    ground.grant(&chief, "chief").await;
    let (_, desk) = ground.browser("desk", &["desk"]).await;
    refused(&desk.delete("/api/v1/users/chief/factors").await, 403, None);
    refused(&desk.delete("/api/v1/users/desk/factors").await, 409, None);
    let reader = ground.service(&["users:read"]).await;
    refused(&reader.delete("/api/v1/users/chief/factors").await, 403, None);
    let shown = good(reader.get("/api/v1/users/chief/factors").await, StatusCode::OK);
    assert_eq!((shown["recovery_codes"].as_u64(), shown["role_requires_factor"].as_bool()), (Some(10), Some(true)));
    refused(&ground.nobody().get("/api/v1/users/chief/factors").await, 401, None);
}

#[tokio::test]
async fn a_factor_is_demanded_of_one_person_from_the_next_sign_in_on() {
    let ground = ground().await;
    ground.user("ada", &[]).await;
    let (_, desk) = ground.browser("desk", &["desk"]).await;
    good(desk.patch("/api/v1/users/ada", json!({"requires_factor": true})).await, StatusCode::OK);
    assert_eq!(good(desk.get("/api/v1/users/ada").await, StatusCode::OK)["requires_factor"], true);
    assert_eq!(ground.test.visitor().sign_in("ada", PASSWORD).await.location(), "/login/enrol");
    good(desk.patch("/api/v1/users/desk", json!({"requires_factor": true})).await, StatusCode::OK);
    refused(&desk.patch("/api/v1/users/desk", json!({"requires_factor": false})).await, 403, None);
    good(desk.patch("/api/v1/users/ada", json!({"requires_factor": false})).await, StatusCode::OK);
    assert_eq!(ground.test.visitor().sign_in("ada", PASSWORD).await.location(), "/");
    let logs = good(ground.root().get("/api/v1/audit-logs?action=demand.update").await, StatusCode::OK);
    assert_eq!(logs["logs"].as_array().map(Vec::len), Some(3), "{logs}");
}

#[tokio::test]
async fn a_role_demands_a_factor_of_its_holders_also_where_another_role_includes_it() {
    let ground = ground().await;
    for (name, role) in [("chief", "chief"), ("above", "above")] {
        let user = ground.user(name, &[]).await;
        assert_eq!(ground.test.visitor().sign_in(name, PASSWORD).await.location(), "/");
        ground.grant(&user, role).await;
        assert_eq!(ground.test.visitor().sign_in(name, PASSWORD).await.location(), "/login/enrol", "{name}");
    }
    ground.user("desk", &["desk"]).await;
    assert_eq!(ground.test.visitor().sign_in("desk", PASSWORD).await.location(), "/");
}

#[tokio::test]
async fn a_role_of_ones_own_demands_a_factor_and_shows_it() {
    let ground = ground().await;
    let body =
        json!({"name": "Payers", "permissions": ["users:read"], "requires_factor": true, "factor_within": "10m"});
    let made = good(ground.root().post("/api/v1/roles", body).await, StatusCode::CREATED);
    assert_eq!((&made["requires_factor"], &made["factor_within"]), (&json!(true), &json!("10m")));
    ground.user("ada", &["payers"]).await;
    assert_eq!(ground.test.visitor().sign_in("ada", PASSWORD).await.location(), "/login/enrol");
    for wrong in ["30s", "31d", "soon"] {
        let reply = ground.root().patch("/api/v1/roles/payers", json!({"factor_within": wrong})).await;
        refused(&reply, 422, Some("factor_within"));
    }
    let body = json!({"requires_factor": false, "factor_within": ""});
    let changed = good(ground.root().patch("/api/v1/roles/payers", body).await, StatusCode::OK);
    assert_eq!((&changed["requires_factor"], &changed["factor_within"]), (&json!(false), &json!(null)));
    assert_eq!(ground.test.visitor().sign_in("ada", PASSWORD).await.location(), "/");
}

/// Shows the code of now at `/login/step-up`.
async fn step_up(ground: &Ground, browser: &mut Visitor, app: &App) {
    let page = browser.get("/login/step-up?return_to=/").await;
    let (csrf, code) = (page.field("csrf"), app.code(&ground.test));
    let fields = [("csrf", csrf.as_str()), ("code", code.as_str()), ("return_to", "/")];
    let reply = browser.post("/login/step-up", &fields).await;
    assert_eq!(reply.location(), "/", "{}", reply.text);
}

#[tokio::test]
async fn a_role_may_ask_for_a_second_factor_that_was_shown_a_short_time_ago() {
    let ground = ground().await;
    ground.user("ada", &["treasurer"]).await;
    ground.user("grace", &[]).await;
    let body = || json!({"displayName": "Grace"});
    let plain = ground.sign_in("ada").await;
    let refusal = plain.patch("/api/v1/users/grace", body()).await;
    refused(&refusal, 403, None);
    let told = refusal.json();
    assert_eq!(told["error"], "insufficient_user_authentication", "{told}");
    assert_eq!((&told["max_age"], &told["step_up"]), (&json!(600), &json!("/login/step-up")));
    assert!(told["detail"].as_str().unwrap().contains("second factor"), "{told}");
    let challenge = refusal.headers["www-authenticate"].to_str().unwrap();
    assert!(challenge.contains("insufficient_user_authentication") && challenge.contains("max_age=600"), "{challenge}");
    refused(&plain.get("/api/v1/users/grace").await, 403, None);
    let (mut browser, app) = with_app(&ground, "ada").await;
    good(ground.cookies(&browser).patch("/api/v1/users/grace", body()).await, StatusCode::OK);
    ground.test.advance(std::time::Duration::from_secs(600));
    good(ground.cookies(&browser).patch("/api/v1/users/grace", body()).await, StatusCode::OK);
    ground.test.advance(std::time::Duration::from_secs(1));
    refused(&ground.cookies(&browser).patch("/api/v1/users/grace", body()).await, 403, None);
    let me = good(ground.cookies(&browser).get("/api/v1/me").await, StatusCode::OK);
    assert!(!me["permissions"].to_string().contains("users:update"), "{me}");
    step_up(&ground, &mut browser, &app).await;
    good(ground.cookies(&browser).patch("/api/v1/users/grace", body()).await, StatusCode::OK);
}

#[tokio::test]
async fn what_another_role_gives_without_a_factor_needs_none_and_a_token_shows_none() {
    let ground = ground().await;
    let ada = ground.user("ada", &["treasurer"]).await;
    ground.user("grace", &[]).await;
    let limit = vec!["users:*".parse().unwrap()];
    let kind = cleargate::model::TokenKind::Management(limit, Some(ada.id), None);
    let tokens = ground.test.gateway.tokens();
    let (secret, _) = tokens.create(&ground.test.task(), "hers", kind, None).await.unwrap();
    refused(&ground.bearer(secret.expose()).get("/api/v1/users/grace").await, 403, None);
    ground.grant(&ada, "clerk").await;
    good(ground.bearer(secret.expose()).get("/api/v1/users/grace").await, StatusCode::OK);
    let plain = ground.sign_in("ada").await;
    good(plain.get("/api/v1/users/grace").await, StatusCode::OK);
    refused(&plain.patch("/api/v1/users/grace", json!({"displayName": "Grace"})).await, 403, None);
}

#[tokio::test]
async fn who_asks_about_others_is_told_what_they_may_after_a_factor() {
    let ground = ground().await;
    ground.user("ada", &["treasurer"]).await;
    let path = "/api/v1/explain?user=ada&permission=users:update";
    let told = good(ground.root().get(path).await, StatusCode::OK);
    assert_eq!(told["allowed"], true, "{told}");
}

#[tokio::test]
async fn an_administrator_demands_single_sign_on_of_somebody_below_and_nobody_lifts_their_own() {
    let ground = ground().await;
    ground.user("ada", &[]).await;
    ground.user("chief", &["chief"]).await;
    let (_, desk) = ground.browser("desk", &["desk"]).await;
    let demand = json!({"requires_sso": true});
    refused(&desk.post("/api/v1/users/chief:demand", demand.clone()).await, 403, None);
    refused(&desk.patch("/api/v1/users/chief", demand.clone()).await, 403, None);
    refused(&desk.post("/api/v1/users/ada:demand", json!({"requires_sso": "yes"})).await, 422, Some("requires_sso"));
    let answer = good(desk.post("/api/v1/users/ada:demand", demand.clone()).await, StatusCode::OK);
    assert_eq!(
        (&answer["requires_sso"], &answer["requires_factor"], &answer["changed"]),
        (&json!(true), &json!(false), &json!(true))
    );
    assert_eq!(good(desk.get("/api/v1/users/ada").await, StatusCode::OK)["requires_sso"], true);
    let shown = good(desk.get("/api/v1/users/ada/factors").await, StatusCode::OK);
    assert_eq!(
        (&shown["requires_sso"], &shown["role_requires_sso"], &shown["break_glass"]),
        (&json!(true), &json!(false), &json!(false))
    );
    assert_ne!(ground.test.visitor().sign_in("ada", PASSWORD).await.location(), "/");
    good(desk.patch("/api/v1/users/ada", json!({"requires_sso": false})).await, StatusCode::OK);
    assert_eq!(ground.test.visitor().sign_in("ada", PASSWORD).await.location(), "/");
    good(desk.post("/api/v1/users/desk:demand", demand).await, StatusCode::OK);
    for lift in [json!({"requires_sso": false}), json!({"requires_factor": false})] {
        refused(&desk.post("/api/v1/users/desk:demand", lift.clone()).await, 403, None);
        refused(&desk.patch("/api/v1/users/desk", lift).await, 403, None);
    }
}

#[tokio::test]
async fn a_role_of_ones_own_demands_single_sign_on_and_an_export_carries_it() {
    let ground = ground().await;
    let body = json!({"name": "Vault", "permissions": ["users:read"], "requires_sso": true});
    let made = good(ground.root().post("/api/v1/roles", body).await, StatusCode::CREATED);
    assert_eq!((&made["requires_sso"], &made["requires_factor"]), (&json!(true), &json!(false)));
    let exported = ground.root().get("/api/v1/export").await;
    assert!(exported.text.contains("\"sso\":true"), "{}", exported.text);
    ground.user("ada", &["vault"]).await;
    assert_ne!(ground.test.visitor().sign_in("ada", PASSWORD).await.location(), "/");
    let changed = ground.root().patch("/api/v1/roles/vault", json!({"requires_sso": false})).await;
    assert_eq!(good(changed, StatusCode::OK)["requires_sso"], false);
    assert_eq!(ground.test.visitor().sign_in("ada", PASSWORD).await.location(), "/");
}

#[tokio::test]
async fn nobody_lifts_their_own_by_a_token_either() {
    let ground = ground().await;
    let desk = ground.user("desk", &["desk"]).await;
    with_app(&ground, "desk").await;
    good(ground.root().post("/api/v1/users/desk:demand", json!({"requires_sso": true})).await, StatusCode::OK);
    let tokens = ground.test.gateway.tokens();
    let all = vec!["*:*".parse().unwrap()];
    for (user, maker) in [(Some(desk.id), None), (None, Some(desk.id))] {
        let kind = cleargate::model::TokenKind::Management(all.clone(), user, maker);
        let (secret, _) = tokens.create(&ground.test.task(), "hers", kind, None).await.unwrap();
        let hers = ground.bearer(secret.expose());
        refused(&hers.delete("/api/v1/users/desk/factors").await, 409, None);
        for lift in [json!({"requires_sso": false}), json!({"requires_factor": false})] {
            refused(&hers.post("/api/v1/users/desk:demand", lift.clone()).await, 403, None);
            refused(&hers.patch("/api/v1/users/desk", lift).await, 403, None);
        }
    }
    let shown = good(ground.root().get("/api/v1/users/desk/factors").await, StatusCode::OK);
    assert_eq!((shown["code"].is_string(), &shown["requires_sso"]), (true, &json!(true)), "{shown}");
}
