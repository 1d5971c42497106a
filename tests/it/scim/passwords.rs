//! Passwords that connections send: dropped, or set where the connection may.

use axum::body::Body;
use cleargate::audit::Event;
use cleargate::credential::{Lane, Verdict};
use cleargate::model::{TokenKind, UserId};
use cleargate::secret::Secret;
use cleargate::store;
use http::{HeaderValue, Method};
use serde_json::{Value, json};

use super::{PATCH, USER};
use crate::support::gateway::{Reply, TestGateway, Visitor};

const CONFIG: &str = "[[scim]]\nid = \"okta\"\npasswords = \"set\"\n[[scim]]\nid = \"entra\"\n";
/// Nothing that the policy for passwords would take.
const WEAK: &str = "pw";

struct Connection(Visitor);

impl Connection {
    async fn new(gateway: &TestGateway, id: &str) -> Self {
        let kind = TokenKind::Scim(id.parse().unwrap());
        let (secret, _) = gateway.gateway.tokens().create(&gateway.task(), id, kind, None).await.unwrap();
        let mut visitor = gateway.visitor();
        let value = HeaderValue::from_str(&format!("Bearer {}", secret.expose())).unwrap();
        visitor.headers.insert("authorization", value);
        Self(visitor)
    }

    async fn send(&mut self, method: Method, path: &str, body: &Value) -> Reply {
        let path = format!("/scim/v2{path}");
        let reply = self.0.send(method, &path, Some("application/scim+json"), Body::from(body.to_string())).await;
        assert!(!reply.text.contains("password\":\""), "no answer shows a password: {}", reply.text);
        reply
    }

    async fn create(&mut self, name: &str, password: &str) -> String {
        let body = json!({"schemas": [USER], "userName": name, "password": password});
        let reply = self.send(Method::POST, "/Users", &body).await;
        assert_eq!(reply.status, 201, "{}", reply.text);
        reply.json()["id"].as_str().unwrap().to_owned()
    }

    async fn patch(&mut self, id: &str, operations: Value) -> Reply {
        let body = json!({"schemas": [PATCH], "Operations": operations});
        self.send(Method::PATCH, &format!("/Users/{id}"), &body).await
    }
}

async fn opens(gateway: &TestGateway, id: &str, password: &str) -> bool {
    let id: UserId = id.parse().unwrap();
    let secret = Secret::new(password.to_owned());
    let verdict = gateway.gateway.credentials().verify(Some(id), &secret, Lane::Interactive).await.unwrap();
    matches!(verdict, Verdict::Verified(verified) if !verified.must_change())
}

async fn has_password(gateway: &TestGateway, id: &str) -> bool {
    gateway.gateway.credentials().find(id.parse().unwrap()).await.unwrap().is_some()
}

async fn events(gateway: &TestGateway) -> Vec<Event> {
    let rows = gateway.gateway.ledger().store().engine().log(0, 1_000).await.unwrap();
    let events: Vec<Event> = rows.iter().map(|row| store::decode("log", &row.body).unwrap()).collect();
    assert!(!format!("{events:?}").contains("s3cret"), "no event shows a password");
    events
}

#[tokio::test]
async fn a_password_is_set_by_every_way_of_writing() {
    let gateway = TestGateway::with(CONFIG).await;
    let mut okta = Connection::new(&gateway, "okta").await;
    let id = okta.create("ada", WEAK).await;
    assert!(opens(&gateway, &id, WEAK).await);
    let body = json!({"schemas": [USER], "userName": "ada", "password": "s3cret-2"});
    assert_eq!(okta.send(Method::PUT, &format!("/Users/{id}"), &body).await.status, 200);
    assert!(opens(&gateway, &id, "s3cret-2").await && !opens(&gateway, &id, WEAK).await);
    for (number, operation) in [
        json!({"op": "replace", "path": "password", "value": "s3cret-a0"}),
        json!({"op": "Add", "path": "Password", "value": "s3cret-a1"}),
        json!({"op": "replace", "value": {"password": "s3cret-a2", "title": "Dr"}}),
        json!({"op": "replace", "path": "urn:ietf:params:scim:schemas:core:2.0:User:password", "value": "s3cret-a3"}),
    ]
    .into_iter()
    .enumerate()
    {
        let reply = okta.patch(&id, json!([operation])).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        assert!(opens(&gateway, &id, &format!("s3cret-a{number}")).await, "{operation}");
    }
    let twice = json!([{"op": "add", "path": "password", "value": "first"}, {"op": "add", "path": "password", "value": "last"}]);
    assert_eq!(okta.patch(&id, twice).await.status, 200);
    assert!(opens(&gateway, &id, "last").await);
    // What does not name one leaves it alone, and so does taking it away.
    let body = json!({"schemas": [USER], "userName": "ada", "title": "Prof"});
    assert_eq!(okta.send(Method::PUT, &format!("/Users/{id}"), &body).await.status, 200);
    assert_eq!(okta.patch(&id, json!([{"op": "remove", "path": "password"}])).await.status, 200);
    assert!(opens(&gateway, &id, "last").await);
    let told: Vec<Event> = events(&gateway).await.into_iter().filter(|e| e.kind.name() == "password.set").collect();
    assert_eq!(told.len(), 7);
    assert!(told.iter().all(|event| event.actor == "connection:okta" && event.target_name == "ada"));
}

#[tokio::test]
async fn the_user_signs_in_with_it_and_a_new_one_ends_the_sessions() {
    let gateway = TestGateway::with(CONFIG).await;
    let mut okta = Connection::new(&gateway, "okta").await;
    let id = okta.create("ada", "s3cret-1").await;
    let mut browser = gateway.visitor();
    assert_eq!(browser.sign_in("ada", "s3cret-1").await.status, 303);
    let user: UserId = id.parse().unwrap();
    assert_eq!(gateway.gateway.sessions().list(user).await.unwrap().len(), 1);
    // Other changes end nothing.
    assert_eq!(okta.patch(&id, json!([{"op": "add", "path": "title", "value": "Dr"}])).await.status, 200);
    assert_eq!(gateway.gateway.sessions().list(user).await.unwrap().len(), 1);
    assert_eq!(okta.patch(&id, json!([{"op": "add", "path": "password", "value": "s3cret-2"}])).await.status, 200);
    assert!(gateway.gateway.sessions().list(user).await.unwrap().is_empty());
    let events = events(&gateway).await;
    let names: Vec<&str> = events.iter().rev().take(2).map(|event| event.kind.name()).collect();
    assert_eq!(names, ["password.set", "session.end"]);
    assert_eq!(gateway.visitor().sign_in("ada", "s3cret-2").await.status, 303);
}

#[tokio::test]
async fn a_connection_that_sets_none_has_its_passwords_dropped() {
    let gateway = TestGateway::with(CONFIG).await;
    let mut entra = Connection::new(&gateway, "entra").await;
    let id = entra.create("ada", WEAK).await;
    assert_eq!(entra.patch(&id, json!([{"op": "add", "path": "password", "value": "s3cret"}])).await.status, 200);
    let body = json!({"schemas": [USER], "userName": "ada", "password": ""});
    assert_eq!(entra.send(Method::PUT, &format!("/Users/{id}"), &body).await.status, 200);
    assert!(!has_password(&gateway, &id).await);
    assert!(events(&gateway).await.iter().all(|event| event.kind.name() != "password.set"));
}

#[tokio::test]
async fn the_configuration_says_who_sets_passwords() {
    let gateway = TestGateway::with(CONFIG).await;
    for (id, expected) in [("okta", true), ("entra", false)] {
        let mut connection = Connection::new(&gateway, id).await;
        let config = connection.send(Method::GET, "/ServiceProviderConfig", &Value::Null).await.json();
        assert_eq!(config["changePassword"]["supported"], json!(expected), "{id}");
    }
}

#[tokio::test]
async fn nothing_is_set_where_the_request_is_refused() {
    let gateway = TestGateway::with(CONFIG).await;
    let mut okta = Connection::new(&gateway, "okta").await;
    let mut entra = Connection::new(&gateway, "entra").await;
    let by_hand = gateway.user("root", None).await.id.to_string();
    let of_entra = entra.create("eve", WEAK).await;
    let own = okta.create("ada", "s3cret-1").await;
    let set = |value: Value| json!([{"op": "replace", "path": "password", "value": value}]);
    for id in [&by_hand, &of_entra] {
        assert_eq!(okta.patch(id, set(json!("s3cret-2"))).await.status, 409);
        assert!(!has_password(&gateway, id).await);
    }
    for wrong in [json!(""), json!(5), json!({"value": "s3cret-2"}), json!("x".repeat(4097))] {
        let reply = okta.patch(&own, set(wrong.clone())).await;
        assert_eq!((reply.status.as_u16(), reply.json()["scimType"].as_str()), (400, Some("invalidValue")), "{wrong}");
    }
    let also_wrong =
        json!([{"op": "add", "path": "password", "value": "s3cret-2"}, {"op": "remove", "path": "userName"}]);
    assert_eq!(okta.patch(&own, also_wrong).await.status, 400);
    okta.0.headers.insert("if-match", HeaderValue::from_static("W/\"7\""));
    assert_eq!(okta.patch(&own, set(json!("s3cret-2"))).await.status, 412);
    okta.0.headers.remove("if-match");
    let body = json!({"schemas": [USER], "userName": "ADA", "password": "s3cret-2"});
    assert_eq!(okta.send(Method::POST, "/Users", &body).await.status, 409);
    assert!(opens(&gateway, &own, "s3cret-1").await);
}

#[tokio::test]
async fn bulk_requests_set_passwords_too() {
    let gateway = TestGateway::with(CONFIG).await;
    let mut okta = Connection::new(&gateway, "okta").await;
    let operation = |name: &str| {
        let data = json!({"schemas": [USER], "userName": name, "password": format!("s3cret-{name}")});
        json!({"method": "POST", "path": "/Users", "bulkId": name, "data": data})
    };
    let body = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
        "Operations": [operation("ada"), operation("bob")]});
    let results = okta.send(Method::POST, "/Bulk", &body).await.json();
    for (index, name) in ["ada", "bob"].into_iter().enumerate() {
        let id = results["Operations"][index]["location"].as_str().unwrap().rsplit('/').next().unwrap();
        assert!(opens(&gateway, id, &format!("s3cret-{name}")).await, "{results}");
    }
}

/// RFC 7644 section 3.5.2: a PATCH is done whole or not at all. What has a password takes no more commits than what has none.
#[tokio::test]
async fn a_password_is_set_in_the_commit_of_everything_else() {
    let gateway = TestGateway::with(CONFIG).await;
    let mut okta = Connection::new(&gateway, "okta").await;
    okta.create("first", "s3cret-0").await;
    let engine = gateway.gateway.ledger().store().engine().clone();
    let commits = || -> u64 {
        let changes = engine.changes();
        *changes.borrow()
    };
    let before = commits();
    let body = json!({"schemas": [USER], "userName": "bob"});
    assert_eq!(okta.send(Method::POST, "/Users", &body).await.status, 201);
    let alone = commits() - before;
    let before = commits();
    let id = okta.create("ada", "s3cret-1").await;
    assert_eq!(commits() - before, alone, "nobody is there without the password");
    assert!(opens(&gateway, &id, "s3cret-1").await);
    let before = commits();
    assert_eq!(okta.patch(&id, json!([{"op": "replace", "value": {"title": "Analyst"}}])).await.status, 200);
    let alone = commits() - before;
    let before = commits();
    let both = json!([{"op": "replace", "value": {"title": "Chief", "password": "s3cret-2"}}]);
    assert_eq!(okta.patch(&id, both).await.status, 200);
    assert_eq!(commits() - before, alone, "nor is the title new and the password old");
    assert!(opens(&gateway, &id, "s3cret-2").await);
    // Who leaves with a new password: both hold.
    let leave = json!([{"op": "replace", "value": {"active": false, "password": "s3cret-3"}}]);
    assert_eq!(okta.patch(&id, leave).await.status, 200);
    let come = json!([{"op": "replace", "value": {"active": true}}]);
    assert_eq!(okta.patch(&id, come).await.status, 200);
    assert!(opens(&gateway, &id, "s3cret-3").await);
}
