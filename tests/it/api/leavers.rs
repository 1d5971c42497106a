//! Who leaves: what they hold, and the end of it.

use http::StatusCode;
use serde_json::{Value, json};

use super::{Ground, good, refused};

fn count(held: &Value, name: &str) -> usize {
    held[name].as_array().unwrap().len()
}

#[tokio::test]
async fn a_leaver_loses_access_in_one_commit_and_keeps_what_is_owned() {
    let ground = Ground::new().await;
    let root = ground.root();
    let (_, browser) = ground.browser("ada", &["administrator"]).await;
    ground.user("other", &["administrator"]).await;
    good(root.post("/api/v1/users", json!({"userName": "alan", "supervisor": "ada"})).await, StatusCode::CREATED);
    good(root.post("/api/v1/groups", json!({"name": "Ops", "users": ["ada"]})).await, StatusCode::CREATED);
    let made = json!({"name": "made", "scope": "users:read"});
    let made = good(browser.post("/api/v1/tokens", made).await, StatusCode::CREATED);
    let held = json!({"name": "held", "scope": "users:read", "user": "ada"});
    good(root.post("/api/v1/tokens", held).await, StatusCode::CREATED);
    good(root.post("/api/v1/tokens", json!({"name": "else", "scope": "users:read"})).await, StatusCode::CREATED);

    let held = good(root.get("/api/v1/users/ada/holdings").await, StatusCode::OK);
    for (name, expected) in [("grants", 1), ("groups", 1), ("tokens", 2), ("sessions", 1), ("supervised", 1)] {
        assert_eq!(count(&held, name), expected, "{name}: {held}");
    }
    let commits = || ground.test.gateway.ledger().store().engine().health().transactions;
    let before = commits();
    let plan = good(root.post("/api/v1/users/ada:offboard", json!({"dry_run": true})).await, StatusCode::OK);
    assert_eq!((count(&plan, "tokens"), commits() - before), (2, 0), "a plan changes nothing");
    good(browser.get("/api/v1/me").await, StatusCode::OK);
    good(root.post("/api/v1/users/ada:offboard", json!({})).await, StatusCode::OK);
    assert_eq!(commits() - before, 1);
    refused(&browser.get("/api/v1/me").await, 401, None);
    refused(&ground.bearer(made["token"].as_str().unwrap()).get("/api/v1/users").await, 401, None);
    let after = good(root.get("/api/v1/users/ada/holdings").await, StatusCode::OK);
    assert_eq!(after["active"], false);
    for (name, expected) in [("grants", 1), ("groups", 1), ("tokens", 0), ("sessions", 0), ("supervised", 1)] {
        assert_eq!(count(&after, name), expected, "{name}: {after}");
    }
    assert_eq!(good(root.get("/api/v1/tokens").await, StatusCode::OK)["items"].as_array().unwrap().len(), 1);
    let before = commits();
    good(root.post("/api/v1/users/ada:offboard", json!({})).await, StatusCode::OK);
    assert_eq!(commits() - before, 0, "again there is nothing to do");
    let logs = good(root.get("/api/v1/audit-logs?action=user.deactivate").await, StatusCode::OK);
    assert!(logs["logs"][0].to_string().contains("off-boarding"), "{logs}");
}

#[tokio::test]
async fn off_boarding_takes_rank_and_spares_oneself_and_the_last_administrator() {
    let ground = Ground::new().await;
    let (_, boss) = ground.browser("boss", &["administrator"]).await;
    let desk = ground.service(&["users:read", "users:update"]).await;
    refused(&desk.post("/api/v1/users/boss:offboard", json!({})).await, 403, None);
    refused(&desk.get("/api/v1/users/boss/holdings").await, 403, None);
    refused(&boss.post("/api/v1/users/boss:offboard", json!({})).await, 409, None);
    refused(&ground.root().post("/api/v1/users/boss:offboard", json!({})).await, 409, None);
    refused(&ground.root().post("/api/v1/users/boss", json!({})).await, 404, None);
    refused(&ground.root().post("/api/v1/users/boss:promote", json!({})).await, 404, None);
    refused(&ground.root().post("/api/v1/users/nobody:offboard", json!({})).await, 404, None);
}

#[tokio::test]
async fn who_ends_an_account_sees_only_what_they_may_read() {
    let ground = Ground::new().await;
    ground.browser("boss", &["administrator"]).await;
    ground.browser("ada", &[]).await;
    let desk = ground.service(&["users:read", "users:update"]).await;
    let told = good(desk.post("/api/v1/users/ada:offboard", json!({"dry_run": true})).await, StatusCode::OK);
    let parts: Vec<&str> = ["grants", "groups", "sessions", "supervised", "tokens"]
        .into_iter()
        .filter(|part| told.get(part).is_some())
        .collect();
    assert_eq!(parts, ["supervised"], "{told}");
    let told = good(ground.root().post("/api/v1/users/ada:offboard", json!({"dry_run": true})).await, StatusCode::OK);
    assert_eq!(told["sessions"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn tokens_of_connections_that_a_leaver_made_end_or_are_handed_over() {
    let ground = Ground::with("[[scim]]\nid = \"okta\"\n[[scim]]\nid = \"entra\"").await;
    let root = ground.root();
    let (_, ada) = ground.browser("ada", &["administrator"]).await;
    let (_, boss) = ground.browser("boss", &["administrator"]).await;
    let mut ids = Vec::new();
    for body in [
        json!({"connection": "okta"}),
        json!({"connection": "entra", "kind": "client"}),
        json!({"name": "own", "scope": "users:read"}),
    ] {
        let token = good(ada.post("/api/v1/tokens", body).await, StatusCode::CREATED);
        ids.push(token["id"].as_str().unwrap().to_owned());
    }
    let shared = json!({"name": "shared", "scope": "users:read"});
    let shared = good(root.post("/api/v1/tokens", shared).await, StatusCode::CREATED);
    let held = good(root.get("/api/v1/users/ada/holdings").await, StatusCode::OK);
    assert_eq!(count(&held, "tokens"), 3, "{held}");
    for wrong in [&ids[2], &shared["id"].as_str().unwrap().to_owned(), &"nobody's".to_owned()] {
        let body = json!({"hand_over": [wrong]});
        refused(&boss.post("/api/v1/users/ada:offboard", body).await, 422, Some("hand_over"));
    }
    let desk = ground.service(&["users:read", "users:update", "tokens:delete"]).await;
    refused(&desk.post("/api/v1/users/ada:offboard", json!({"hand_over": [ids[0]]})).await, 403, None);
    let told = good(boss.post("/api/v1/users/ada:offboard", json!({"hand_over": [ids[0]]})).await, StatusCode::OK);
    assert_eq!(told["handed_over"], json!([ids[0]]));
    // What she could have seen, and did not make: to be made anew.
    let names = |tokens: &Value| {
        let name = |token: &Value| token["name"].as_str().unwrap().to_owned();
        tokens.as_array().unwrap().iter().map(name).collect::<std::collections::BTreeSet<String>>()
    };
    let expected = ["okta", "service", "shared"].map(str::to_owned).into();
    assert_eq!(names(&told["rotate"]), expected, "{told}");
    let left = good(root.get("/api/v1/tokens").await, StatusCode::OK);
    assert_eq!(names(&left["items"]), expected, "what she made is revoked: {left}");
    let held = good(root.get("/api/v1/users/boss/holdings").await, StatusCode::OK);
    assert_eq!(count(&held, "tokens"), 1, "the token is the administrator's now");
    let logs = good(root.get("/api/v1/audit-logs?action=token.hand-over").await, StatusCode::OK);
    assert_eq!(logs["logs"].as_array().unwrap().len(), 1);
    assert_eq!(good(root.get("/api/v1/users/ada/holdings").await, StatusCode::OK)["tokens"], json!([]));
}

#[tokio::test]
async fn who_puts_a_token_in_the_place_of_another_is_its_maker_and_takes_it_along() {
    let ground = Ground::new().await;
    let root = ground.root();
    ground.browser("boss", &["administrator"]).await;
    let (_, ada) = ground.browser("ada", &["administrator"]).await;
    let (user, mallory) = ground.browser("mallory", &["administrator"]).await;
    let body = json!({"name": "deploy", "scope": "admin"});
    let old = good(ada.post("/api/v1/tokens", body).await, StatusCode::CREATED);
    let path = format!("/api/v1/tokens/{}:rotate", old["id"].as_str().unwrap());
    let new = good(mallory.post(&path, json!({"overlap": "30d"})).await, StatusCode::CREATED);
    let (was, is) = (ground.bearer(old["token"].as_str().unwrap()), ground.bearer(new["token"].as_str().unwrap()));
    let grants = good(root.get("/api/v1/grants?user=mallory").await, StatusCode::OK);
    let grant = grants["items"][0]["id"].as_str().unwrap().to_owned();
    good(is.get("/api/v1/users").await, StatusCode::OK);
    good(root.delete(&format!("/api/v1/grants/{grant}")).await, StatusCode::OK);
    refused(&is.get("/api/v1/users").await, 403, None);
    good(was.get("/api/v1/users").await, StatusCode::OK);
    let told = good(root.post("/api/v1/users/mallory:offboard", json!({})).await, StatusCode::OK);
    assert_eq!(count(&told, "tokens"), 1, "{told}");
    refused(&is.get("/api/v1/users").await, 401, None);
    good(was.get("/api/v1/users").await, StatusCode::OK);
    // One that a release before let keep the maker of the old one.
    let access = ground.test.gateway.access();
    let chief = ground.user("chief", &[]).await;
    let actor = cleargate::model::Actor::User {
        id: user.id,
        session: cleargate::model::Id::from_bytes([1; 16]),
        presence: cleargate::model::Presence::default(),
    };
    ground.grant(&user, "administrator").await;
    good(root.patch("/api/v1/users/mallory", json!({"active": true})).await, StatusCode::OK);
    let permission = "tokens:create".parse().unwrap();
    let permit = access.permit(&actor, &permission, None, Default::default()).await.unwrap();
    let kind = cleargate::model::TokenKind::Management(vec!["*:*".parse().unwrap()], None, Some(chief.id));
    ground.test.gateway.tokens().create(&permit, "old", kind, None).await.unwrap();
    let held = good(root.get("/api/v1/users/mallory/holdings").await, StatusCode::OK);
    assert_eq!(count(&held, "tokens"), 1, "{held}");
    good(root.patch("/api/v1/users/mallory", json!({"active": false})).await, StatusCode::OK);
    let report = good(root.get("/api/v1/reports/tokens").await, StatusCode::OK);
    assert!(report.to_string().contains("who made it is not active"), "{report}");
}
