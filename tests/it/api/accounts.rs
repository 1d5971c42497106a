//! Accounts made, profiled and deleted by administrators.

use http::StatusCode;
use serde_json::{Value, json};

use super::{Ground, PASSWORD, good, refused};

async fn group(ground: &Ground, name: &str) {
    let draft = cleargate::directory::GroupDraft {
        name: name.parse().unwrap(),
        external_id: None,
        attributes: Default::default(),
        members: Default::default(),
    };
    ground.test.gateway.directory().create_group(&ground.test.task(), &draft).await.unwrap();
}

fn fields(body: &Value) -> Vec<&str> {
    body["errors"].as_array().unwrap().iter().map(|error| error["field"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn an_account_with_everything_is_one_commit_and_answers_with_roles_and_groups() {
    let ground = Ground::new().await;
    group(&ground, "Ops").await;
    group(&ground, "Data Analysts").await;
    let commits = || ground.test.gateway.ledger().store().engine().health().transactions;
    let before = commits();
    let body = json!({
        "userName": "ada", "access_groups": ["Ops", "ops", "Data Analysts"], "role": "editor", "password": PASSWORD,
    });
    let user = good(ground.root().post("/api/v1/users", body).await, StatusCode::CREATED);
    assert_eq!(commits() - before, 1, "user, memberships, grant and password together");
    assert_eq!((&user["roles"], &user["groups"]), (&json!(["editor"]), &json!(["Data Analysts", "Ops"])));
    let logs = good(ground.root().get("/api/v1/audit-logs?limit=5").await, StatusCode::OK);
    let actions: Vec<&str> =
        logs["logs"].as_array().unwrap().iter().map(|log| log["action"].as_str().unwrap()).collect();
    let expected = ["password.set", "grant.create", "membership.update", "membership.update", "user.create"];
    assert_eq!(actions, expected, "newest first");
}

#[tokio::test]
async fn a_group_of_a_source_fails_the_whole_account() {
    let ground = Ground::new().await;
    let permit = ground.test.connection("okta").await;
    let draft = cleargate::directory::GroupDraft {
        name: "Theirs".parse().unwrap(),
        external_id: None,
        attributes: Default::default(),
        members: Default::default(),
    };
    ground.test.gateway.directory().create_group(&permit, &draft).await.unwrap();
    let body = json!({"userName": "ada", "access_groups": ["Theirs"], "role": "browser"});
    let reply = ground.root().post("/api/v1/users", body).await;
    refused(&reply, 409, None);
    assert!(reply.text.contains("Theirs") && reply.text.contains("okta"), "{}", reply.text);
    refused(&ground.root().get("/api/v1/users/ada").await, 404, None);
}

#[tokio::test]
async fn a_name_that_is_nobodys_is_answered_with_the_nearest() {
    let ground = Ground::new().await;
    group(&ground, "Data Analysts").await;
    let finance = json!({"name": "Finance Team", "slug": "finance"});
    good(ground.root().post("/api/v1/departments", finance).await, StatusCode::CREATED);
    good(
        ground.root().post("/api/v1/users", json!({"userName": "eve", "department": "finance team"})).await,
        StatusCode::CREATED,
    );
    for (body, field, near) in [
        (json!({"userName": "ada", "role": "edtior"}), "role", "editor"),
        (json!({"userName": "ada", "access_groups": ["Data Analyst"]}), "access_groups", "Data Analysts"),
        (json!({"userName": "ada", "access_groups": ["data_analyst"]}), "access_groups", "Data Analysts"),
        (json!({"userName": "ada", "supervisor": "nobody"}), "supervisor", "nobody"),
        (json!({"userName": "ada", "department": "finanze"}), "department", "finance"),
    ] {
        let reply = ground.root().post("/api/v1/users", body).await;
        refused(&reply, 422, Some(field));
        assert!(reply.json()["detail"].as_str().unwrap().contains(near), "{}", reply.text);
    }
    let reply = ground.root().post("/api/v1/users", json!({"userName": "ada", "role": "zzzzzzzz"})).await;
    assert!(!reply.text.contains("did you mean"), "nothing is near: {}", reply.text);
}

#[tokio::test]
async fn every_missing_field_of_the_form_is_named() {
    let ground = Ground::new().await;
    let ask = |body| {
        let root = ground.root();
        async move { root.post("/api/v1/users", body).await }
    };
    let reply = ask(json!({"first_name": "Ada"})).await;
    refused(&reply, 422, Some("userName"));
    assert_eq!(fields(&reply.json()), ["userName", "role", "last_name", "email"]);
    let reply = ask(json!({"first_name": "", "last_name": "Lovelace", "userName": "ada"})).await;
    assert_eq!(fields(&reply.json()), ["role", "first_name", "email"]);
    let reply =
        ask(json!({"userName": "ada", "email": "x", "language": "??", "timezone": "/", "photo": "javascript:1"})).await;
    assert_eq!(fields(&reply.json()), ["email", "language", "photo", "timezone"]);
    let whole =
        json!({"first_name": "Ada", "last_name": "Lovelace", "email": "ada@example.com", "user_type": "browser"});
    let user = good(ask(whole).await, StatusCode::CREATED);
    assert_eq!((&user["displayName"], &user["roles"]), (&json!("Ada Lovelace"), &json!(["browser"])));
}

#[tokio::test]
async fn a_profile_is_kept_by_the_names_of_its_standard() {
    let ground = Ground::with("[[scim]]\nid = \"okta\"").await;
    let boss = ground.user("boss", &[]).await;
    good(ground.root().post("/api/v1/departments", json!({"name": "Analysis"})).await, StatusCode::CREATED);
    let profile = json!({
        "userName": "ada", "supervisor": "boss", "language": "en-GB", "phone": "+44 20 7946 0000",
        "photo": "https://example.com/ada.png", "timezone": "Europe/London", "department": "Analysis",
    });
    good(ground.root().post("/api/v1/users", profile.clone()).await, StatusCode::CREATED);
    let shown = good(ground.root().get("/api/v1/users/ada").await, StatusCode::OK);
    for name in ["language", "phone", "photo", "timezone"] {
        assert_eq!(shown[name], profile[name], "{name}");
    }
    assert_eq!(shown["department"], "analysis", "by its slug, whatever it was called");
    assert_eq!(shown["supervisor"], boss.id.to_string());
    let stored = ground.test.gateway.directory().find_user_by_name("ada").await.unwrap().unwrap().attributes.0;
    assert_eq!((&stored["preferredLanguage"], &stored["timezone"]), (&json!("en-GB"), &json!("Europe/London")));
    assert_eq!(stored["phoneNumbers"][0]["value"], "+44 20 7946 0000");
    assert_eq!(stored["photos"][0]["value"], "https://example.com/ada.png");
    let enterprise = &stored["urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"];
    assert_eq!(enterprise["manager"]["value"], boss.id.to_string());
    let body = json!({"timezone": "Asia/Tokyo", "photo": "https://example.com/other.png"});
    let changed = good(ground.root().patch("/api/v1/users/ada", body.clone()).await, StatusCode::OK);
    assert_eq!((&changed["timezone"], &changed["photo"]), (&body["timezone"], &body["photo"]));
    assert_eq!((&changed["phone"], &changed["language"]), (&profile["phone"], &profile["language"]));
    let body = json!({"phone": "", "supervisor": "", "language": "fr"});
    let changed = good(ground.root().patch("/api/v1/users/ada", body).await, StatusCode::OK);
    assert_eq!((&changed["phone"], &changed["supervisor"]), (&Value::Null, &Value::Null));
    assert_eq!((&changed["language"], &changed["department"]), (&json!("fr"), &json!("analysis")));
}

#[tokio::test]
async fn who_is_asked_for_scopes_and_has_none_gets_no_access() {
    let ground = Ground::new().await;
    let make = |name: &str, scopes: Value| {
        let (root, body) = (ground.root(), json!({"userName": name, "role": "updater", "scopes": scopes}));
        async move { root.post("/api/v1/users", body).await }
    };
    let user = good(make("ada", json!([])).await, StatusCode::CREATED);
    assert_eq!(user["roles"], json!(["no_access"]), "the effective type is told");
    good(ground.root().post("/api/v1/scorecards", json!({"name": "Sales"})).await, StatusCode::CREATED);
    refused(&make("bob", json!(["scorecard:sale"])).await, 422, Some("scopes"));
    good(make("bob", json!(["scorecard:sales", "scorecard:sales"])).await, StatusCode::CREATED);
    let grants = good(ground.root().get("/api/v1/grants?user=bob").await, StatusCode::OK);
    let grants = grants["items"].as_array().unwrap();
    assert_eq!((grants.len(), &grants[0]["scope"]), (1, &json!("scorecard:sales")));
    refused(&make("eve", json!(["sales"])).await, 422, Some("scopes"));
}

#[tokio::test]
async fn a_deletion_is_confirmed_and_refused_while_something_refers_to_the_account() {
    let ground = Ground::new().await;
    let boss = ground.user("Boss", &[]).await;
    let root = ground.root();
    for path in ["/api/v1/users/boss", "/api/v1/users/boss?confirm=ada", "/api/v1/users/boss?force=true"] {
        refused(&root.delete(path).await, 422, Some("confirm"));
    }
    good(root.post("/api/v1/users", json!({"userName": "ada", "supervisor": "boss"})).await, StatusCode::CREATED);
    let body = json!({"name": "t", "scope": "users:read", "user": "boss"});
    good(root.post("/api/v1/tokens", body).await, StatusCode::CREATED);
    let reply = root.delete("/api/v1/users/boss?confirm=boss").await;
    refused(&reply, 409, None);
    assert!(reply.text.contains("supervisor of 1") && reply.text.contains("1 tokens"), "{}", reply.text);
    good(root.get("/api/v1/users/boss").await, StatusCode::OK);
    let gone = good(root.delete("/api/v1/users/boss?confirm=BOSS&force=true").await, StatusCode::OK);
    assert_eq!((&gone["id"], &gone["status"]), (&json!(boss.id.to_string()), &json!("tombstone")));
    refused(&root.get("/api/v1/users/boss").await, 404, None);
    refused(&root.delete("/api/v1/users/boss?confirm=boss").await, 404, None);
    // Nobody is left under somebody who left before.
    good(root.patch("/api/v1/users/ada", json!({"supervisor": ""})).await, StatusCode::OK);
    good(root.delete("/api/v1/users/ada?confirm=ada").await, StatusCode::OK);
}

#[tokio::test]
async fn a_deletion_takes_the_rank_of_whom_it_deletes() {
    let ground = Ground::new().await;
    ground.user("boss", &["administrator"]).await;
    let clerk = ground.service(&["users:read", "users:delete"]).await;
    refused(&clerk.delete("/api/v1/users/boss?confirm=boss").await, 403, None);
    ground.user("temp", &[]).await;
    good(clerk.delete("/api/v1/users/temp?confirm=temp").await, StatusCode::OK);
    refused(&ground.service(&["users:update"]).await.delete("/api/v1/users/boss?confirm=boss").await, 403, None);
}

#[tokio::test]
async fn nobody_ends_their_own_account_or_rights_by_accident() {
    let ground = Ground::new().await;
    let (_, boss) = ground.browser("boss", &["administrator"]).await;
    refused(&boss.patch("/api/v1/users/boss", json!({"active": false})).await, 409, None);
    refused(&boss.delete("/api/v1/users/boss?confirm=boss").await, 409, None);
    let grants = good(boss.get("/api/v1/grants?user=boss").await, StatusCode::OK);
    let path = format!("/api/v1/grants/{}", grants["items"][0]["id"].as_str().unwrap());
    refused(&boss.delete(&path).await, 409, None);
    let token = good(boss.post("/api/v1/tokens", json!({"name": "ci", "scope": "admin"})).await, StatusCode::CREATED);
    let token = ground.bearer(token["token"].as_str().unwrap());
    refused(&token.patch("/api/v1/users/boss", json!({"active": false})).await, 409, None);
    refused(&token.delete(&path).await, 409, None);
    // What gives nothing to administer by is one's own to lay down.
    good(boss.post("/api/v1/grants", json!({"user": "boss", "role": "browser"})).await, StatusCode::CREATED);
    let grants = good(boss.get("/api/v1/grants?user=boss").await, StatusCode::OK);
    let grants = grants["items"].as_array().unwrap().clone();
    let small = grants.iter().find(|grant| grant["role"] == "browser").unwrap()["id"].as_str().unwrap().to_owned();
    good(boss.delete(&format!("/api/v1/grants/{small}")).await, StatusCode::OK);
    good(boss.get("/api/v1/users").await, StatusCode::OK);
}

#[tokio::test]
async fn an_edit_of_a_profile_is_one_event_with_what_was_and_what_is() {
    let ground = Ground::new().await;
    let root = ground.root();
    for name in ["Operations", "Finance"] {
        good(root.post("/api/v1/departments", json!({"name": name})).await, StatusCode::CREATED);
    }
    let made = json!({"userName": "ada", "displayName": "Ada", "department": "operations", "timezone": "UTC"});
    good(root.post("/api/v1/users", made).await, StatusCode::CREATED);
    let long = format!("Ada {}", "x".repeat(400));
    let edit = json!({"department": "Finance", "displayName": long, "timezone": ""});
    good(root.patch("/api/v1/users/ada", edit).await, StatusCode::OK);
    let logs = good(root.get("/api/v1/audit-logs?action=user.update").await, StatusCode::OK);
    let [entry] = &logs["logs"].as_array().unwrap()[..] else { panic!("one event: {logs}") };
    let details = &entry["details"];
    assert_eq!(
        (&details["department before"], &details["department after"]),
        (&json!("operations"), &json!("finance"))
    );
    assert_eq!((&details["timezone before"], &details["timezone after"]), (&json!("UTC"), &Value::Null));
    assert_eq!(details["displayName before"], "Ada");
    assert_eq!(details["displayName after"].as_str().unwrap().len(), 200, "cut, however long it is");
}

#[tokio::test]
async fn a_change_of_an_account_is_one_commit_or_nothing_at_all() {
    let ground = Ground::new().await;
    let root = ground.root();
    good(root.post("/api/v1/users", json!({"userName": "eve", "first_name": "E", "last_name": "X", "email": "e@example.com", "role": "browser"})).await, StatusCode::CREATED);
    let commits = || ground.test.gateway.ledger().store().engine().health().transactions;
    let before = commits();
    // There is no password that could have to be changed.
    let reply = root.patch("/api/v1/users/eve", json!({"first_name": "Eve", "must_change_password": true})).await;
    refused(&reply, 409, Some("must_change_password"));
    let weak = json!({"first_name": "Eve", "requires_factor": true, "password": "short"});
    refused(&root.patch("/api/v1/users/eve", weak).await, 422, Some("password"));
    assert_eq!(commits(), before, "nothing is written with a failure");
    assert_eq!(root.get("/api/v1/users/eve").await.json()["first_name"], "E");
    let all = json!({"first_name": "Eve", "requires_factor": true, "password": PASSWORD, "must_change_password": true});
    let changed = good(root.patch("/api/v1/users/eve", all).await, StatusCode::OK);
    assert_eq!((commits() - before, &changed["first_name"]), (1, &json!("Eve")));
    let logs = good(root.get("/api/v1/audit-logs?limit=4").await, StatusCode::OK);
    let actions: Vec<&str> =
        logs["logs"].as_array().unwrap().iter().map(|log| log["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["session.end", "password.set", "demand.update", "user.update"]);
    let shown = good(root.get("/api/v1/users/eve").await, StatusCode::OK);
    for flag in ["has_password", "must_change_password", "requires_factor"] {
        assert_eq!(shown[flag], true, "{flag}");
    }
}

#[tokio::test]
async fn a_user_is_shown_with_each_role_once_that_holds_now() {
    let ground = Ground::new().await;
    ground.test.place(&["scorecard:a"]).await;
    ground.user("ada", &["editor", "browser"]).await;
    let root = ground.root();
    for grant in [
        json!({"user": "ada", "role": "editor", "scope": "scorecard:a"}),
        json!({"user": "ada", "role": "administrator", "starts": "2099-01-01T00:00:00Z"}),
    ] {
        good(root.post("/api/v1/grants", grant).await, StatusCode::CREATED);
    }
    assert_eq!(root.get("/api/v1/users/ada").await.json()["roles"], json!(["browser", "editor"]));
}

#[tokio::test]
async fn the_account_of_the_manual_is_made_with_department_groups_and_role() {
    let ground = Ground::with("policy.pack = \"clearpoint-systems\"").await;
    let root = ground.root();
    let samples = cleargate::access::samples("clearpoint-systems").unwrap();
    let body = axum::body::Body::from(samples);
    let imported = root.send(http::Method::POST, "/api/v1/import", "application/x-ndjson", body).await;
    assert_eq!(imported.status, StatusCode::OK, "{}", imported.text);
    let wanted = json!({
        "email": "user@example.com", "name": "John Smith", "department": "operations",
        "access_groups": ["data_analysts"], "role": "standard_user",
    });
    let reply = root.post("/api/v1/users", wanted).await;
    let made = good(reply, StatusCode::CREATED);
    assert_eq!((&made["userName"], &made["displayName"]), (&json!("user@example.com"), &json!("John Smith")));
    assert_eq!((&made["department"], &made["groups"]), (&json!("operations"), &json!(["Data Analysts"])));
    assert_eq!(made["roles"], json!(["standard_user"]));
    good(root.get(&format!("/api/v1/users/{}", made["id"].as_str().unwrap())).await, StatusCode::OK);
}

#[tokio::test]
async fn who_is_turned_to_no_access_keeps_the_people_under_them() {
    let ground = Ground::new().await;
    let boss = ground.user("boss", &["editor"]).await;
    let root = ground.root();
    good(root.post("/api/v1/users", json!({"userName": "ada", "supervisor": "boss"})).await, StatusCode::CREATED);
    let grants = good(root.get("/api/v1/grants?user=boss").await, StatusCode::OK);
    let grant = grants["items"][0]["id"].as_str().unwrap().to_owned();
    good(root.delete(&format!("/api/v1/grants/{grant}")).await, StatusCode::OK);
    good(root.post("/api/v1/grants", json!({"user": "boss", "role": "no_access"})).await, StatusCode::CREATED);
    let held = good(root.get("/api/v1/users/boss/holdings").await, StatusCode::OK);
    assert_eq!(held["supervised"][0]["userName"], "ada");
    assert_eq!(root.get("/api/v1/users/ada").await.json()["supervisor"], boss.id.to_string());
}

#[tokio::test]
async fn a_deletion_is_refused_while_what_somebody_gave_made_or_sent_stands() {
    let ground = Ground::new().await;
    let root = ground.root();
    let (_, boss) = ground.browser("boss", &["administrator"]).await;
    ground.user("other", &["administrator"]).await;
    ground.user("ada", &[]).await;
    let nothing = json!({
        "supervised": 0, "tokens": 0, "grants_given": 0, "roles_made": 0, "invitations_sent": 0, "all_counted": true,
    });
    let path = "/api/v1/users/boss?confirm=boss";
    let tried = good(root.delete(&format!("{path}&dry_run=true")).await, StatusCode::OK);
    assert_eq!(tried["references"], nothing);
    good(boss.post("/api/v1/grants", json!({"user": "ada", "role": "browser"})).await, StatusCode::CREATED);
    good(boss.post("/api/v1/roles", json!({"name": "Own", "permissions": ["pages:read"]})).await, StatusCode::CREATED);
    let invited = json!({"email": "new@example.com", "role": "browser"});
    let invited = good(boss.post("/api/v1/invitations", invited).await, StatusCode::CREATED);
    for path in [path.to_owned(), format!("{path}&dry_run=true")] {
        let reply = root.delete(&path).await;
        refused(&reply, 409, None);
        for told in ["giver of 2 grants", "maker of 1 roles", "sender of 1 invitations that wait"] {
            assert!(reply.text.contains(told), "{told}: {}", reply.text);
        }
    }
    // An invitation that was taken back waits for nobody.
    let id = invited["id"].as_str().unwrap();
    good(root.delete(&format!("/api/v1/invitations/{id}")).await, StatusCode::OK);
    let forced = format!("{path}&force=true");
    let tried = good(root.delete(&format!("{forced}&dry_run=true")).await, StatusCode::OK);
    let references = tried["references"].clone();
    assert_eq!((&references["grants_given"], &references["roles_made"]), (&json!(1), &json!(1)), "{tried}");
    assert_eq!(references["invitations_sent"], 0);
    good(root.get("/api/v1/users/boss").await, StatusCode::OK);
    assert_eq!(good(root.delete(&forced).await, StatusCode::OK)["references"], references);
    refused(&root.get("/api/v1/users/boss").await, 404, None);
}
