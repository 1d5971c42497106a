//! `/Me` (RFC 7644 section 3.11): for personal tokens, and read only.

use cleargate::model::{Permission, TokenKind, UserId};
use http::Method;
use serde_json::json;

use super::{BASE, Client, ENTERPRISE, Ground, USER};

impl Ground {
    /// A client with a personal token of this user.
    async fn person(&self, id: &str) -> Client {
        let id: UserId = id.parse().unwrap();
        let permit = self.access.task_permit("test", None);
        let limit: Vec<Permission> = vec!["groups:read".parse().unwrap()];
        let kind = TokenKind::Management(limit, Some(id), None);
        let (secret, _) = self.tokens.create(&permit, "mine", kind, None).await.unwrap();
        Client { token: Some(secret.expose().to_owned()), ..self.client("okta").await }
    }
}

#[tokio::test]
async fn a_person_sees_the_own_resource_at_its_own_address() {
    let ground = Ground::new();
    let okta = ground.client("okta").await;
    let body = json!({"schemas": [USER], "userName": "ada", "externalId": "x-1", "password": "s3cret",
        ENTERPRISE: {"department": "R"}});
    let id = okta.post("/Users", &body).await.expect(201).id();
    let group = okta.group("ops", &[&id]).await;
    let ada = ground.person(&id).await;
    let answer = ada.get("/Me").await.expect(200);
    assert_eq!(answer.header("location"), format!("{BASE}/Users/{id}"));
    assert_eq!(answer.body, okta.get(&format!("/Users/{id}")).await.body);
    assert_eq!(answer.body["groups"][0]["value"], json!(group));
    assert_eq!(answer.body["externalId"], "x-1");
    let version = answer.header("etag").to_owned();
    assert!(version.starts_with("W/\"1-"), "of the account and its groups: {version}");
    for path in ["/Me/", "/me", "/me/", "//Me", "//Me/", "//me", "//me/", "/Me?attributes=userName"] {
        assert_eq!(ada.get(path).await.expect(200).body["userName"], "ada", "{path}");
    }
    assert!(ada.get("/Me?attributes=userName").await.body.get(ENTERPRISE).is_none());
    ada.send(Method::GET, "/Me", &[("if-none-match", &version)], "").await.expect(304);
    okta.delete(&format!("/Groups/{group}")).await.expect(204);
    let left = ada.send(Method::GET, "/Me", &[("if-none-match", &version)], "").await.expect(200);
    assert!(left.body.get("groups").is_none());
    ada.send(Method::GET, "/Me", &[("if-match", "W/\"9\"")], "").await.expect_error(412, None);
    assert!(ada.send(Method::HEAD, "/Me", &[], "").await.expect(200).body.is_null());
}

#[tokio::test]
async fn a_person_changes_nothing() {
    let ground = Ground::new();
    let okta = ground.client("okta").await;
    let id = okta.user("ada").await;
    let ada = ground.person(&id).await;
    for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
        let body = json!({"schemas": [USER], "userName": "root"}).to_string();
        let answer = ada.send(method, "/Me", &[], body).await.expect_error(403, None);
        assert!(answer.body["detail"].as_str().unwrap().contains("read only"), "{}", answer.body);
    }
    assert_eq!(okta.get(&format!("/Users/{id}")).await.header("etag"), "W/\"1\"");
}

#[tokio::test]
async fn a_personal_token_opens_nothing_else() {
    let ground = Ground::new();
    let okta = ground.client("okta").await;
    let id = okta.user("ada").await;
    let ada = ground.person(&id).await;
    let paths =
        ["/Users", "/Users/", "/Groups", "/.search", "/Bulk", "/Schemas", "/ServiceProviderConfig", "/ME", "/Me/x"];
    for path in paths.into_iter().chain([format!("/Users/{id}").as_str()]) {
        for method in [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            ada.send(method, path, &[], "{}").await.expect_error(401, None);
        }
    }
}

#[tokio::test]
async fn who_may_not_sign_in_is_nobody() {
    let ground = Ground::new();
    let okta = ground.client("okta").await;
    let id = okta.user("ada").await;
    let ada = ground.person(&id).await;
    let path = format!("/Users/{id}");
    okta.patch(&path, json!([{"op": "replace", "path": "active", "value": false}])).await.expect(200);
    ada.get("/Me").await.expect_error(401, None);
    okta.patch(&path, json!([{"op": "replace", "path": "active", "value": true}])).await.expect(200);
    ada.get("/Me").await.expect(200);
    okta.delete(&path).await.expect(204);
    ada.get("/Me").await.expect_error(401, None);
    let permit = ground.access.task_permit("test", None);
    let kind = TokenKind::Management(vec!["*:*".parse().unwrap()], None, None);
    let (secret, _) = ground.tokens.create(&permit, "service", kind, None).await.unwrap();
    let service = Client { token: Some(secret.expose().to_owned()), ..ada };
    service.get("/Me").await.expect_error(401, None);
    Client { token: None, ..service }.get("/Me").await.expect_error(401, None);
}

#[tokio::test]
async fn a_connection_is_nobody() {
    let ground = Ground::new();
    let okta = ground.client("okta").await;
    for path in ["/Me", "/Me/", "/me", "/ME"] {
        for method in [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            let answer = okta.send(method, path, &[], "{}").await.expect_error(404, None);
            assert!(answer.body["detail"].as_str().unwrap().contains("personal tokens"), "{}", answer.body);
        }
    }
    okta.get("/Me/x").await.expect_error(404, None);
}
