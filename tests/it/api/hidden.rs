//! Passwords that were given, by whatever way: no answer, document, event or copy of the store tells one, and none but the
//! store what is kept of it.

use std::sync::Arc;

use axum::body::Body;
use cleargate::api;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Client, Ground, Reloads, good};
use crate::scim::USER;
use crate::support::gateway::TestGateway;

const LINES: &str =
    "limits.api = \"1000000/1s\"\nlimits.page = \"1000000/1s\"\n[[scim]]\nid = \"okta\"\npasswords = \"set\"";
/// With a new account, with many, in the place of another one, by the owner, by a source.
const GIVEN: [&str; 5] = [
    "amber kettles whistle by dawn",
    "birch rafters creak in april",
    "cobalt ferries wait at noon",
    "dusty organs hum past midnight",
    "early sparrows claim the roof",
];

/// Every answer that was given, with what was asked.
#[derive(Default)]
struct Told(Vec<(String, String)>);

impl Told {
    async fn ask(&mut self, client: &Client, method: Method, path: &str, body: &Value) -> Value {
        let text = if body.is_null() { String::new() } else { body.to_string() };
        let kind = if path.starts_with("/scim") { "application/scim+json" } else { "application/json" };
        let reply = client.send(method.clone(), path, kind, Body::from(text)).await;
        let headers: Vec<&str> = reply.headers.values().filter_map(|value| value.to_str().ok()).collect();
        self.0.push((format!("{method} {path}"), format!("{} {headers:?}", reply.text)));
        serde_json::from_str(&reply.text).unwrap_or_default()
    }
}

#[tokio::test]
async fn no_answer_document_event_or_copy_tells_a_password_whatever_way_it_was_given() {
    let test = TestGateway::on_disk(LINES, &[]).await;
    let router = api::router(test.gateway.api_controlled_by(Arc::new(Reloads(Ok(Vec::new())))));
    let ground = Ground { test, router };
    let (root, mut told) = (ground.root(), Told::default());
    let [new, many, other, own, source] = GIVEN;
    let account = json!({"userName": "ada", "role": "administrator", "password": new, "must_change_password": false});
    let ada = told.ask(&root, Method::POST, "/api/v1/users", &account).await;
    let rows = json!({"rows": "Alan,Turing,alan@example.com", "role": "browser", "password": many});
    told.ask(&root, Method::POST, "/api/v1/users:bulk", &rows).await;
    told.ask(&root, Method::PATCH, "/api/v1/users/alan@example.com", &json!({"password": other})).await;
    let made = good(root.post("/api/v1/tokens", json!({"connection": "okta"})).await, StatusCode::CREATED);
    let router = ground.test.gateway.public_router();
    let okta = Client { router, ..ground.bearer(made["token"].as_str().unwrap()) };
    let provisioned = json!({"schemas": [USER], "userName": "linus", "password": source});
    let linus = told.ask(&okta, Method::POST, "/scim/v2/Users", &provisioned).await;
    let mut browser = ground.test.visitor();
    assert_eq!(browser.sign_in("ada", new).await.location(), "/");
    let csrf = browser.get("/account/password").await.field("csrf");
    let fields = [("old", new), ("new", own), ("again", own), ("csrf", csrf.as_str())];
    let page = browser.post("/account/password", &fields).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    told.0.push(("the page".to_owned(), page.text));
    for (name, password) in [("ada", own), ("alan@example.com", other), ("linus", source)] {
        assert!(ground.test.visitor().sign_in(name, password).await.status.is_redirection(), "{name}");
    }

    // Everything that can be read, by the machine and by who has every right.
    let signed_in = ground.cookies(&browser);
    for user in ["alan@example.com", ada["id"].as_str().unwrap(), linus["id"].as_str().unwrap()] {
        for route in api::table().iter().filter(|route| route.method == Method::GET) {
            // The one that does not end is the ledger, which is read below.
            if route.path == "/api/v1/events" {
                continue;
            }
            let path = match (route.path.find('{'), route.path.find('}')) {
                (Some(from), Some(to)) => format!("{}{user}{}", &route.path[..from], &route.path[to + 1..]),
                _ => route.path.to_owned(),
            };
            for client in [&root, &signed_in] {
                told.ask(client, Method::GET, &path, &Value::Null).await;
            }
        }
    }
    for report in ["access", "employees", "inactive", "posture", "seats", "sources", "tokens", "users"] {
        told.ask(&root, Method::GET, &format!("/api/v1/reports/{report}"), &Value::Null).await;
    }
    told.ask(&root, Method::GET, "/api/v1/audit-logs?limit=1000&export=true&format=ndjson", &Value::Null).await;
    for path in ["/scim/v2/Users", &format!("/scim/v2/Users/{}?attributes=password", linus["id"].as_str().unwrap())] {
        told.ask(&okta, Method::GET, path, &Value::Null).await;
    }
    let search = json!({"schemas": [crate::scim::SEARCH], "attributes": ["password", "userName"]});
    told.ask(&okta, Method::POST, "/scim/v2/Users/.search", &search).await;
    assert!(told.0.len() > 150, "{}", told.0.len());
    for seen in ["\"alan@example.com\"", "password.set", "\"kind\":\"user\"", "\"linus\""] {
        assert!(told.0.iter().any(|(_, text)| text.contains(seen)), "{seen} is told somewhere");
    }
    for (asked, text) in &told.0 {
        for secret in GIVEN.iter().chain(&["$argon2"]) {
            assert!(!text.contains(secret), "{asked} tells {secret}: {text}");
        }
    }
    let backup = std::fs::read(ground.test.back_up().await).unwrap();
    let holds = |text: &str| backup.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(holds("alan@example.com"), "it is a copy of everything");
    for password in GIVEN {
        assert!(!holds(password), "{password} is in a backup");
    }
}
