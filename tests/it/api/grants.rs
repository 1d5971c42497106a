//! `/grants` and `/explain`.

use axum::body::Body;
use cleargate::model::Subject;
use http::{Method, StatusCode};
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

#[tokio::test]
async fn what_is_only_tried_is_refused_as_it_would_be_and_writes_nothing() {
    let ground = Ground::new().await;
    ground.test.place(&["department:finance", "department:payroll < department:finance"]).await;
    let ada = ground.user("ada", &["editor"]).await;
    let root = ground.root();
    let grant = ground.test.gateway.access().grants().list(Subject::User(ada.id)).await.unwrap().remove(0).id;
    let transactions = || ground.test.gateway.ledger().store().engine().health().transactions;
    let before = transactions();
    let (post, patch, delete) = (Method::POST, Method::PATCH, Method::DELETE);
    let nobody = json!({});
    for (method, path, body, expected) in [
        (&post, "/api/v1/grants", json!({"user": "ada", "role": "browser"}), 200),
        (&post, "/api/v1/grants", json!({"user": "ada", "role": "brovser"}), 422),
        (&post, "/api/v1/grants", json!({"user": "ada", "role": "browser", "scope": "department:none"}), 422),
        (&delete, &format!("/api/v1/grants/{grant}"), nobody.clone(), 200),
        (&delete, "/api/v1/grants/0193a5b2-6f1c-7b3e-8d5a-2c4e6f8a0b1d", nobody.clone(), 404),
        (&post, "/api/v1/departments", json!({"name": "New"}), 200),
        (&post, "/api/v1/departments", json!({"name": "Finance"}), 409),
        (&patch, "/api/v1/departments/payroll", json!({"name": "Pay", "parent": null}), 200),
        (&patch, "/api/v1/departments/finance", json!({"parent": "payroll"}), 422),
        (&delete, "/api/v1/departments/payroll", nobody.clone(), 200),
        (&delete, "/api/v1/departments/finance", nobody.clone(), 409),
        (&post, "/api/v1/users", json!({"userName": "eve", "role": "browser"}), 200),
        (&post, "/api/v1/users", json!({"userName": "ada"}), 409),
        (&patch, "/api/v1/users/ada", json!({"department": "finance", "active": false}), 200),
        (&patch, "/api/v1/users/ada", json!({"must_change_password": true, "password": "short"}), 422),
        (&delete, "/api/v1/users/ada", nobody.clone(), 422),
    ] {
        let reply = root
            .send(method.clone(), &format!("{path}?dry_run=true"), "application/json", Body::from(body.to_string()))
            .await;
        assert_eq!(reply.status, expected, "{method} {path} {body}: {}", reply.text);
    }
    assert_eq!(root.delete("/api/v1/users/ada?dry_run=true&confirm=ada").await.status, 200);
    assert_eq!(transactions(), before, "nothing is written");
    let shown = root.get("/api/v1/users/ada").await.json();
    assert_eq!((&shown["status"], &shown["roles"]), (&json!("active"), &json!(["editor"])));
    assert_eq!(root.get("/api/v1/departments/payroll").await.json()["parent"], "department:finance");
    refused(&root.get("/api/v1/departments/new").await, 404, None);
    // Who may not do it may not try it either.
    let (_, browser) = ground.browser("browser", &["browser"]).await;
    for (path, body) in [
        ("/api/v1/grants?dry_run=true", json!({"user": "ada", "role": "browser"})),
        ("/api/v1/departments?dry_run=true", json!({"name": "New"})),
        ("/api/v1/users?dry_run=true", json!({"userName": "eve"})),
    ] {
        let before = transactions();
        refused(&browser.post(path, body).await, 403, None);
        assert_eq!(transactions(), before + 1, "that somebody tried is recorded");
    }
}

#[tokio::test]
async fn a_password_and_what_is_demanded_of_somebody_are_only_tried_too() {
    let ground = Ground::new().await;
    let (ada, browser) = ground.browser("ada", &["editor"]).await;
    let transactions = || ground.test.gateway.ledger().store().engine().health().transactions;
    let before = transactions();
    for body in [
        json!({"password": "another violet anchor drifts at dawn", "must_change_password": false}),
        json!({"password": "another violet anchor drifts at dawn"}),
        json!({"must_change_password": true}),
        json!({"requires_factor": true, "requires_sso": true}),
        json!({"name": "Ada", "email": "ada@elsewhere.example", "active": false}),
    ] {
        let reply = ground.root().patch("/api/v1/users/ada?dry_run=true", body.clone()).await;
        assert_eq!(good(reply, StatusCode::OK)["id"], ada.id.to_string(), "{body}");
    }
    assert_eq!(transactions(), before, "nothing is written");
    good(browser.get("/api/v1/me").await, StatusCode::OK);
    ground.sign_in("ada").await;
    let shown = ground.root().get("/api/v1/users/ada").await.json();
    for (member, value) in
        [("must_change_password", false), ("requires_factor", false), ("requires_sso", false), ("active", true)]
    {
        assert_eq!(shown[member], value, "{member}: {shown}");
    }
}

#[tokio::test]
async fn a_scorecard_administrator_is_of_the_type_by_scorecard() {
    let ground = Ground::new().await;
    ground.test.place(&["scorecard:a", "scorecard:b"]).await;
    let root = ground.root();
    let give = async |user: &str, role: &str, scope: Option<&str>| {
        root.post("/api/v1/grants", json!({"user": user, "role": role, "scope": scope})).await
    };
    let (boss, place) = ("scorecard_administrator", Some("scorecard:a"));
    for role in ["administrator", "browser", "by_group", "editor", "no_access", "updater"] {
        ground.user(role, &[role]).await;
        let reply = give(role, boss, place).await;
        refused(&reply, 422, Some("role"));
        assert!(reply.text.contains("of the type By Scorecard"), "{}", reply.text);
        let tried = json!({"user": role, "role": boss, "scope": "scorecard:a"});
        refused(&root.post("/api/v1/grants?dry_run=true", tried).await, 422, Some("role"));
    }
    // Who has roles in scorecards only is of that type without being given it.
    for (user, roles) in [("typed", &["by_scorecard"][..]), ("untyped", &[])] {
        ground.user(user, roles).await;
        good(give(user, boss, place).await, StatusCode::CREATED);
        refused(&give(user, "editor", None).await, 422, Some("role"));
        good(give(user, "editor", Some("scorecard:b")).await, StatusCode::CREATED);
        // What takes away and gives nothing is always taken.
        good(give(user, "no_access", None).await, StatusCode::CREATED);
    }
    let body = json!({"userName": "new", "role": boss, "scopes": ["scorecard:b"]});
    good(root.post("/api/v1/users", body).await, StatusCode::CREATED);
    // Another type that has been ended stands in nobody's way.
    let listed = good(root.get("/api/v1/grants?user=editor").await, StatusCode::OK);
    let path = format!("/api/v1/grants/{}", listed["items"][0]["id"].as_str().unwrap());
    good(root.delete(&path).await, StatusCode::OK);
    good(give("editor", boss, place).await, StatusCode::CREATED);
    let shown = good(root.get("/api/v1/roles/scorecard_administrator").await, StatusCode::OK);
    assert_eq!(shown["only_beside"], json!(["by_scorecard"]));
}
