//! A change is in force for every decision at the next request: that of an application which asks, and that of an open
//! session. Both are asked before each change, so that there is something to be kept from before.

use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Client, Ground, good};

const LINES: &str = "limits.api = \"1000000/1s\"\nlimits.page = \"1000000/1s\"\n[[scim]]\nid = \"okta\"";
/// What ada's session asks for: to read people in payroll.
const READ: &str = "/api/v1/users?scope=department:payroll";

/// Ada, who has a role of one's own that says nothing, and an application that asks about her.
struct Asked {
    ground: Ground,
    application: Client,
    session: Client,
}

impl Asked {
    async fn new() -> Self {
        let ground = Ground::with(LINES).await;
        ground.test.place(&["department:finance", "department:payroll"]).await;
        let made = json!({"name": "Own", "permissions": ["pages:read"]});
        good(ground.root().post("/api/v1/roles", made).await, StatusCode::CREATED);
        let (_, session) = ground.browser("ada", &["own"]).await;
        let application = ground.service(&["decisions:read", "users:read"]).await;
        let router = cleargate::authzen::router(ground.test.gateway.authzen());
        Self { application: Client { router, ..application }, ground, session }
    }

    /// Whether ada may, as the application is told: by one question, by several, by both searches; and as her session does.
    async fn may(&self) -> bool {
        let (user, place) =
            (json!({"type": "user", "id": "ada"}), json!({"type": "users", "id": "department:payroll"}));
        let read = json!({"name": "read"});
        let question = json!({"subject": user, "action": read, "resource": place});
        let ask = async |path: &str, body: Value| good(self.application.post(path, body).await, StatusCode::OK);
        let one = ask("/access/v1/evaluation", question.clone()).await["decision"].as_bool().unwrap();
        let many = ask("/access/v1/evaluations", json!({"evaluations": [question.clone()]})).await;
        let subject = json!({"subject": {"type": "user"}, "action": read, "resource": place});
        let found = ask("/access/v1/search/subject", subject).await["results"].to_string().contains("\"ada\"");
        let what = ask("/access/v1/search/action", json!({"subject": user, "resource": place})).await;
        let what = what["results"].to_string().contains("\"read\"");
        let status = self.session.get(READ).await.status;
        assert!(matches!(status.as_u16(), 200 | 401 | 403), "{status}");
        let told = [one, many["evaluations"][0]["decision"].as_bool().unwrap(), found, what, status == StatusCode::OK];
        assert!(told.iter().all(|told| *told == one), "one, many, subjects, actions, session: {told:?}");
        one
    }

    /// Makes a change, and looks at the next request.
    async fn after(&self, method: Method, path: &str, body: Value, expected: bool) -> Value {
        let before = self.may().await;
        assert_ne!(before, expected, "{method} {path} {body} is to change something");
        let kind = "application/json";
        let reply = self.ground.root().send(method.clone(), path, kind, body.to_string().into()).await;
        assert!(reply.status.is_success(), "{method} {path} {body}: {}", reply.text);
        assert_eq!(self.may().await, expected, "after {method} {path} {body}");
        reply.json()
    }

    /// The same of something that is not to be seen yet.
    async fn made(&self, path: &str, body: Value) -> Value {
        let before = self.may().await;
        let made = self.ground.root().post(path, body).await;
        assert!(made.status.is_success(), "{path}: {}", made.text);
        assert_eq!(self.may().await, before, "{path}");
        made.json()
    }
}

fn id(of: &Value) -> String {
    of["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_edit_of_a_role_an_include_and_a_grant_are_in_force_at_the_next_request() {
    let asked = Asked::new().await;
    let (post, patch, delete) = (Method::POST, Method::PATCH, Method::DELETE);
    let none = || json!({});
    // What a role says.
    let (more, less) = (json!({"permissions": ["users:read"]}), json!({"permissions": ["pages:read"]}));
    asked.after(patch.clone(), "/api/v1/roles/own", more.clone(), true).await;
    asked.after(patch.clone(), "/api/v1/roles/own", json!({"denies": ["users:read"]}), false).await;
    asked.after(patch.clone(), "/api/v1/roles/own", json!({"denies": []}), true).await;
    asked.after(patch.clone(), "/api/v1/roles/own", less.clone(), false).await;
    // What it includes, and what the included one says.
    asked.made("/api/v1/roles", json!({"name": "Inner", "permissions": ["users:read"]})).await;
    asked.after(patch.clone(), "/api/v1/roles/own", json!({"includes": ["inner"]}), true).await;
    asked.after(patch.clone(), "/api/v1/roles/inner", less, false).await;
    asked.after(patch.clone(), "/api/v1/roles/inner", more, true).await;
    asked.after(patch, "/api/v1/roles/own", json!({"includes": []}), false).await;
    // What is given, in the place, above it, and what takes away.
    let here = json!({"user": "ada", "role": "inner", "scope": "department:payroll"});
    let grant = id(&asked.after(post.clone(), "/api/v1/grants", here, true).await);
    asked.after(delete.clone(), &format!("/api/v1/grants/{grant}"), none(), false).await;
    let above = json!({"user": "ada", "role": "inner"});
    let grant = id(&asked.after(post.clone(), "/api/v1/grants", above, true).await);
    let idle = json!({"department": "payroll", "role": "own", "scope": "department_only"});
    let idle = id(&asked.after(post.clone(), "/api/v1/users/ada/departments", idle, false).await);
    asked.after(delete.clone(), &format!("/api/v1/grants/{idle}"), none(), true).await;
    asked.after(delete.clone(), &format!("/api/v1/grants/{grant}"), none(), false).await;
    let grant = id(&asked.after(post.clone(), "/api/v1/grants", json!({"user": "ada", "role": "inner"}), true).await);
    let barred =
        id(&asked.after(post.clone(), "/api/v1/grants", json!({"user": "ada", "role": "no_access"}), false).await);
    asked.after(delete.clone(), &format!("/api/v1/grants/{barred}"), none(), true).await;
    asked.after(delete, &format!("/api/v1/grants/{grant}"), none(), false).await;
    // What begins and ends by itself.
    let (starts, ends) = ("2026-11-22T08:01:00Z", "2026-11-22T08:02:00Z");
    asked.made("/api/v1/grants", json!({"user": "ada", "role": "inner", "starts": starts, "ends": ends})).await;
    for (seconds, expected) in [(59, false), (1, true), (59, true), (1, false)] {
        asked.ground.test.advance(Duration::from_secs(seconds));
        assert_eq!(asked.may().await, expected, "after {seconds} s more");
    }
}

#[tokio::test]
async fn membership_nesting_rules_and_attributes_are_in_force_at_the_next_request() {
    let asked = Asked::new().await;
    let (post, patch, delete) = (Method::POST, Method::PATCH, Method::DELETE);
    let none = || json!({});
    asked.made("/api/v1/roles", json!({"name": "Reader", "permissions": ["users:read"]})).await;
    for name in ["Outer", "Middle", "Inner"] {
        asked.made("/api/v1/groups", json!({"name": name})).await;
    }
    asked.made("/api/v1/groups", json!({"name": "Ruled", "rule": "displayName eq \"Nobody\""})).await;
    let outer = id(&asked.made("/api/v1/grants", json!({"group": "Outer", "role": "reader"})).await);
    let members = |group: &str| format!("/api/v1/groups/{group}/members");
    let ada = || json!({"users": ["ada"]});
    asked.after(post.clone(), &members("outer"), ada(), true).await;
    asked.after(delete.clone(), &format!("{}?user=ada", members("outer")), none(), false).await;
    // Two steps away.
    asked.made(&members("inner"), ada()).await;
    asked.made(&members("middle"), json!({"groups": ["Inner"]})).await;
    asked.after(post.clone(), &members("outer"), json!({"groups": ["Middle"]}), true).await;
    asked.after(delete.clone(), &format!("{}?group=Inner", members("middle")), none(), false).await;
    asked.after(post.clone(), &members("middle"), json!({"groups": ["Inner"]}), true).await;
    asked.after(delete.clone(), &format!("{}?user=ada", members("inner")), none(), false).await;
    asked.after(post.clone(), &members("inner"), ada(), true).await;
    asked.after(delete.clone(), &format!("/api/v1/grants/{outer}"), none(), false).await;
    let outer = json!({"group": "Outer", "role": "reader", "scope": "department:payroll"});
    asked.after(post.clone(), "/api/v1/grants", outer, true).await;
    asked.after(delete.clone(), "/api/v1/groups/middle", none(), false).await;
    // By a rule, and by what it asks for.
    asked.made("/api/v1/grants", json!({"group": "Ruled", "role": "reader"})).await;
    asked.after(patch.clone(), "/api/v1/users/ada", json!({"displayName": "Nobody"}), true).await;
    asked.after(patch.clone(), "/api/v1/users/ada", json!({"displayName": "Ada"}), false).await;
    asked.after(patch.clone(), "/api/v1/groups/ruled", json!({"rule": "displayName eq \"Ada\""}), true).await;
    asked.after(patch.clone(), "/api/v1/groups/ruled", json!({"rule": "displayName eq \"Eve\""}), false).await;
    asked.after(patch.clone(), "/api/v1/groups/ruled", json!({"rule": "userName eq \"ada\""}), true).await;
    asked.after(delete, "/api/v1/groups/ruled?force=true", none(), false).await;
    // By what a source brings.
    let token = asked.made("/api/v1/tokens", json!({"connection": "okta"})).await;
    let router = asked.ground.test.gateway.public_router();
    let okta = Client { router, ..asked.ground.bearer(token["token"].as_str().unwrap()) };
    let scim = async |method: Method, path: &str, body: Value, status: StatusCode| {
        let reply = okta.send(method, path, "application/scim+json", body.to_string().into()).await;
        assert_eq!(reply.status, status, "{}", reply.text);
        if reply.text.is_empty() { Value::Null } else { reply.json() }
    };
    let ada = id(&good(asked.ground.root().get("/api/v1/users/ada").await, StatusCode::OK));
    let group = json!({"schemas": [crate::scim::GROUP], "displayName": "Brought"});
    let group = id(&scim(Method::POST, "/scim/v2/Groups", group, StatusCode::CREATED).await);
    asked.made("/api/v1/grants", json!({"group": group, "role": "reader"})).await;
    let path = format!("/scim/v2/Groups/{group}");
    for (op, expected) in [("add", true), ("remove", false), ("add", true)] {
        let operation = json!({"op": op, "path": "members", "value": [{"value": ada}]});
        let body = json!({"schemas": [crate::scim::PATCH], "Operations": [operation]});
        let reply = okta.send(patch.clone(), &path, "application/scim+json", body.to_string().into()).await;
        assert!(reply.status.is_success(), "{}", reply.text);
        assert_eq!(asked.may().await, expected, "after {op}");
    }
    scim(Method::DELETE, &path, Value::Null, StatusCode::NO_CONTENT).await;
    assert!(!asked.may().await, "after the group is gone");
}

#[tokio::test]
async fn a_scope_that_moves_an_account_that_ends_and_a_document_are_in_force_at_the_next_request() {
    let mut asked = Asked::new().await;
    let (patch, delete) = (Method::PATCH, Method::DELETE);
    asked.made("/api/v1/roles", json!({"name": "Reader", "permissions": ["users:read"]})).await;
    asked.made("/api/v1/grants", json!({"user": "ada", "role": "reader", "scope": "department:finance"})).await;
    let payroll = "/api/v1/departments/payroll";
    asked.after(patch.clone(), payroll, json!({"parent": "finance"}), true).await;
    asked.after(patch.clone(), payroll, json!({"parent": null}), false).await;
    asked.made("/api/v1/departments", json!({"name": "Ledgers", "parent": "finance"})).await;
    asked.after(patch.clone(), payroll, json!({"parent": "ledgers"}), true).await;
    asked.after(patch.clone(), "/api/v1/scopes/department:ledgers", json!({"parent": null}), false).await;
    asked
        .after(patch.clone(), "/api/v1/scopes/department:ledgers", json!({"parent": "department:finance"}), true)
        .await;
    // A document that has it otherwise.
    let document = asked.ground.root().get("/api/v1/export").await.text;
    let import = async |document: String| {
        let root = asked.ground.root();
        good(root.send(Method::POST, "/api/v1/import", "application/x-ndjson", document.into()).await, StatusCode::OK);
    };
    let other = document.replace("\"permissions\":[\"users:read\"]", "\"permissions\":[\"pages:read\"]");
    assert_ne!(other, document);
    import(other).await;
    assert!(!asked.may().await);
    import(document).await;
    assert!(asked.may().await);
    // The account itself.
    asked.after(patch.clone(), "/api/v1/users/ada", json!({"active": false}), false).await;
    good(asked.ground.root().patch("/api/v1/users/ada", json!({"active": true})).await, StatusCode::OK);
    asked.session = asked.ground.sign_in("ada").await;
    assert!(asked.may().await, "who is active again may again");
    asked.after(delete, "/api/v1/users/ada?confirm=ada&force=true", json!({}), false).await;
}
