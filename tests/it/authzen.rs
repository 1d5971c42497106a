//! The decision API through its router: the scenario of the standard's certification, the tables of its interoperability
//! events, and who may ask. Where a scenario decides by an attribute of a record, the record stands in a scope here.

mod batch;
mod callers;
mod certification;
mod interop;
mod search;
mod standard;
mod transport;

use std::time::Duration;

use axum::body::Body;
use cleargate::access::{NewGrant, NewScope};
use cleargate::model::{Mode, Permission, Subject, TokenKind, User};
use http::{Method, StatusCode, header};
use serde_json::{Value, json};

use crate::support::gateway::{Reply, TestGateway, Visitor};

/// What the tests' own pack allows.
const PACK: &str = r#"
title = "Decisions"
scope_kinds = ["department", "status"]

[catalogue]
record = ["delete", "delete_for_good", "edit", "read", "view", "write"]
route = ["delete", "get", "post", "put"]
todo = ["can_create_todo", "can_delete_todo", "can_read_todos", "can_update_todo"]
user = ["can_read_user"]

[[role]]
name = "Reader"
description = "Reads records"
permissions = ["record:read"]

[[role]]
name = "Writer"
description = "Reads and writes records"
includes = ["reader"]
permissions = ["record:write"]

[[role]]
name = "Remover"
description = "Removes records to the bin"
permissions = ["record:delete"]

[[role]]
name = "Archivist"
description = "Writes what is archived"
permissions = ["record:write"]

[[role]]
name = "Viewer"
description = "Reads todos"
permissions = ["user:can_read_user", "todo:can_read_todos", "route:get"]

[[role]]
name = "Todo Editor"
description = "Makes todos and changes their own"
includes = ["viewer"]
permissions = ["todo:can_create_todo", "route:post", "route:put", "route:delete"]
if_owner = ["todo:can_update_todo", "todo:can_delete_todo"]

[[role]]
name = "Todo Admin"
description = "Removes every todo"
includes = ["viewer"]
permissions = ["todo:can_create_todo", "todo:can_delete_todo", "route:post", "route:put", "route:delete"]

[[role]]
name = "Evil Genius"
description = "Changes every todo"
includes = ["viewer"]
permissions = ["todo:can_create_todo", "todo:can_update_todo", "route:post", "route:put", "route:delete"]

[[role]]
name = "Employee"
description = "What people may do with records of their own"
if_owner = ["record:view", "record:edit", "record:delete"]

[[role]]
name = "Colleague"
description = "Sees the records of the department"
permissions = ["record:view"]

[[role]]
name = "Department Manager"
description = "Edits the records of the department"
includes = ["colleague"]
permissions = ["record:edit"]

[[role]]
name = "Reviewer"
description = "Reads who may what"
permissions = ["decisions:read", "users:read"]
"#;

const EVALUATION: &str = "/access/v1/evaluation";
const EVALUATIONS: &str = "/access/v1/evaluations";

struct Ground {
    test: TestGateway,
}

impl Ground {
    async fn new() -> Self {
        Self::with("").await
    }

    async fn with(lines: &str) -> Self {
        let lines = format!("policy.pack = \"./pack.toml\"\n{lines}");
        Self { test: TestGateway::with_files(&lines, &[("pack.toml", PACK)]).await }
    }

    /// A user with these roles: `reader`, `reader+status:archived` there, `reader@status:archived`, which overrides there.
    async fn user(&self, user_name: &str, roles: &[&str]) -> User {
        // People are listed in the order in which they were made, to the millisecond.
        self.test.advance(Duration::from_millis(1));
        let user = self.test.user(user_name, None).await;
        for role in roles {
            self.grant(&user, role).await;
        }
        user
    }

    async fn grant(&self, user: &User, role: &str) {
        let (name, scope) = role.split_once(['@', '+']).map_or((role, None), |(name, scope)| (name, Some(scope)));
        let mut grant = NewGrant::new(Subject::User(user.id), name.parse().unwrap());
        if let Some(scope) = scope {
            grant = grant.within(scope.parse().unwrap());
            grant.mode = if role.contains('@') { Mode::Override } else { Mode::Add };
        }
        let access = self.test.gateway.access();
        if let Some(scope) = grant.scope.clone().filter(|scope| access.scopes().tree().find(scope).is_none()) {
            let name = scope.slug().to_owned();
            let new = NewScope { scope, name, description: String::new(), parent: None };
            access.scopes().create(&self.test.task(), new).await.unwrap();
        }
        access.grants().create(&self.test.task(), &access.roles(), grant).await.unwrap();
    }

    /// An application with a token for these permissions.
    async fn application(&self, permissions: &[&str]) -> Asker {
        let limit: Vec<Permission> = permissions.iter().map(|text| text.parse().unwrap()).collect();
        let kind = TokenKind::Management(limit, None, None);
        let (secret, _) = self.test.gateway.tokens().create(&self.test.task(), "todo", kind, None).await.unwrap();
        self.bearer(secret.expose())
    }

    fn bearer(&self, token: &str) -> Asker {
        let mut visitor = self.test.visitor();
        visitor.headers.insert(header::AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
        Asker(visitor)
    }
}

/// An application that asks.
#[derive(Clone)]
struct Asker(Visitor);

impl Asker {
    async fn post(&self, path: &str, body: &Value) -> Reply {
        self.send(Method::POST, path, Some("application/json"), body.to_string()).await
    }

    async fn send(&self, method: Method, path: &str, kind: Option<&str>, body: impl Into<Body>) -> Reply {
        self.0.clone().send(method, path, kind, body.into()).await
    }

    fn with_header(mut self, name: &'static str, value: &str) -> Self {
        self.0.headers.insert(name, value.parse().unwrap());
        self
    }

    /// Asks, and is answered.
    async fn ask(&self, path: &str, body: Value) -> Value {
        let reply = self.post(path, &body).await;
        assert_eq!(reply.status, StatusCode::OK, "{body}: {}", reply.text);
        assert_eq!(reply.headers[header::CONTENT_TYPE], "application/json");
        reply.json()
    }

    async fn decides(&self, body: Value) -> bool {
        self.ask(EVALUATION, body).await["decision"].as_bool().unwrap()
    }

    /// The decisions of a batch.
    async fn batch(&self, body: Value) -> Vec<bool> {
        let answer = self.ask(EVALUATIONS, body).await;
        assert_eq!(answer.as_object().unwrap().keys().collect::<Vec<_>>(), ["evaluations"]);
        answer["evaluations"].as_array().unwrap().iter().map(|entry| entry["decision"].as_bool().unwrap()).collect()
    }

    /// The ids or names that a search finds on one page, which is the last.
    async fn finds(&self, kind: &str, body: Value) -> Vec<String> {
        let answer = self.ask(&format!("/access/v1/search/{kind}"), body).await;
        assert_eq!(answer.as_object().unwrap().keys().next().unwrap(), "page", "the page comes first");
        assert_eq!(answer["page"]["next_token"], "");
        names(&answer)
    }
}

fn names(answer: &Value) -> Vec<String> {
    let name = |found: &Value| found.get("id").or(found.get("name")).unwrap().as_str().unwrap().to_owned();
    answer["results"].as_array().unwrap().iter().map(name).collect()
}

fn person(id: &str) -> Value {
    json!({"type": "user", "id": id})
}

fn question(user: &str, action: &str, resource: Value) -> Value {
    json!({"subject": person(user), "action": {"name": action}, "resource": resource})
}

/// Checks that a reply is a failure of this status, as an object that says why.
#[track_caller]
fn refused(reply: &Reply, status: u16) -> String {
    assert_eq!(reply.status.as_u16(), status, "{}", reply.text);
    assert_eq!(reply.headers[header::CONTENT_TYPE], "application/problem+json");
    let body = reply.json();
    assert_eq!(body["status"], status);
    body["detail"].as_str().unwrap().to_owned()
}
