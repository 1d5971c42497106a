//! Nobody gives away, or takes over, more than they have.

use http::StatusCode;
use serde_json::json;

use super::{Ground, PASSWORD, good, refused};

#[tokio::test]
async fn a_help_desk_cannot_become_an_administrator_by_a_password() {
    let ground = Ground::new().await;
    ground.user("boss", &["administrator"]).await;
    ground.user("temp", &[]).await;
    let desk = ground.service(&["users:read", "users:update", "passwords:update"]).await;
    let set = |user: &str| {
        let (client, path) = (desk.clone(), format!("/api/v1/users/{user}"));
        async move { client.patch(&path, json!({"password": "copper lanterns hum at dusk"})).await }
    };
    refused(&set("boss").await, 403, None);
    assert!(ground.test.visitor().sign_in("boss", PASSWORD).await.status.is_redirection(), "nothing was changed");
    good(set("temp").await, StatusCode::OK);
    // An address is how a person is known to connectors, a name how they sign in.
    for body in [json!({"email": "evil@example.com"}), json!({"userName": "evil"})] {
        refused(&desk.patch("/api/v1/users/boss", body).await, 403, None);
    }
    good(desk.patch("/api/v1/users/boss", json!({"displayName": "The Boss"})).await, StatusCode::OK);
}

#[tokio::test]
async fn a_password_needs_its_own_permission() {
    let ground = Ground::new().await;
    ground.user("temp", &[]).await;
    let clerk = ground.service(&["users:read", "users:update", "users:create"]).await;
    let body = json!({"password": "copper lanterns hum at dusk"});
    refused(&clerk.patch("/api/v1/users/temp", body).await, 403, None);
    let body = json!({"userName": "new", "password": PASSWORD});
    refused(&clerk.post("/api/v1/users", body).await, 403, None);
    good(clerk.post("/api/v1/users", json!({"userName": "new"})).await, StatusCode::CREATED);
}

#[tokio::test]
async fn a_role_and_a_group_are_given_only_by_who_has_what_they_hold() {
    let ground = Ground::new().await;
    let body = cleargate::directory::GroupDraft {
        name: "Admins".parse().unwrap(),
        external_id: None,
        attributes: Default::default(),
        members: Default::default(),
    };
    ground.test.gateway.directory().create_group(&ground.test.task(), &body).await.unwrap();
    good(
        ground.root().post("/api/v1/grants", json!({"group": "Admins", "role": "administrator"})).await,
        StatusCode::CREATED,
    );
    let clerk = ground
        .service(&[
            "users:create",
            "users:read",
            "groups:update",
            "grants:create",
            "pages:*",
            "favorites:*",
            "attachments:*",
        ])
        .await;
    refused(&clerk.post("/api/v1/users", json!({"userName": "a", "role": "administrator"})).await, 403, None);
    refused(&clerk.post("/api/v1/users", json!({"userName": "a", "access_groups": ["Admins"]})).await, 403, None);
    refused(&ground.root().get("/api/v1/users/a").await, 404, None);
    good(clerk.post("/api/v1/users", json!({"userName": "a", "role": "browser"})).await, StatusCode::CREATED);
    refused(&clerk.post("/api/v1/grants", json!({"user": "a", "role": "editor"})).await, 403, None);
}

#[tokio::test]
async fn a_token_never_exceeds_who_makes_it() {
    let ground = Ground::new().await;
    ground.user("boss", &["administrator"]).await;
    let maker = ground.service(&["tokens:create", "users:read", "groups:read"]).await;
    let make = |body| {
        let maker = maker.clone();
        async move { maker.post("/api/v1/tokens", body).await }
    };
    refused(&make(json!({"name": "x", "scope": "admin"})).await, 403, None);
    refused(&make(json!({"name": "x", "scope": "read"})).await, 403, None);
    refused(&make(json!({"name": "x", "scope": ["users:read", "users:update"]})).await, 403, None);
    refused(&make(json!({"name": "x", "scope": "users:read", "user": "boss"})).await, 403, None);
    good(make(json!({"name": "x", "scope": ["users:read", "groups:read"]})).await, StatusCode::CREATED);
}

#[tokio::test]
async fn a_token_of_ones_own_is_cut_by_its_scope() {
    let ground = Ground::new().await;
    let (_, browser) = ground.browser("boss", &["administrator"]).await;
    let body = json!({"name": "reader", "scope": "read", "user": "boss"});
    let token = good(browser.post("/api/v1/tokens", body).await, StatusCode::CREATED);
    let reader = ground.bearer(token["token"].as_str().unwrap());
    good(reader.get("/api/v1/users").await, StatusCode::OK);
    refused(&reader.post("/api/v1/users", json!({"userName": "x"})).await, 403, None);
    // Its user's end is its end.
    good(ground.root().patch("/api/v1/users/boss", json!({"active": false})).await, StatusCode::OK);
    refused(&reader.get("/api/v1/users").await, 403, None);
}
