//! The management surface through its router: who may call, what is refused, what is changed.

mod access_requests;
mod accounts;
mod attacks;
mod backups;
mod bulk;
mod cells;
mod companies;
mod connectors;
mod contact;
mod coverage;
mod escalation;
mod explained;
mod factors;
mod forms;
mod fresh;
mod grants;
mod groups;
mod held;
mod hidden;
mod history;
mod invitations;
mod leavers;
mod ledger;
mod lists;
mod manuals;
mod me;
mod network;
mod openapi;
mod organisations;
mod people;
mod places;
mod policy;
mod policy_diff;
mod policy_tests;
mod rank;
mod realms;
mod reports;
mod roles;
mod ruled;
mod scopes;
mod seats;
mod sessions;
mod sources;
mod tokens;
mod told;
mod transfer;
mod users;
mod uses;
mod weighed;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use cleargate::access::NewGrant;
use cleargate::api::{self, Control};
use cleargate::http::{ClientAddress, PeerUid, RequestId};
use cleargate::model::{Permission, Subject, TokenKind, User};
use futures_util::future::BoxFuture;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;

use crate::support::gateway::{Reply, TestGateway, Visitor};

/// A password that every preset takes but those that want four classes.
const PASSWORD: &str = "violet anchors drift at noon";

/// A daemon whose configuration is read again with this outcome.
struct Reloads(Result<Vec<String>, Vec<String>>);

impl Control for Reloads {
    fn reload(&self) -> BoxFuture<'_, Result<Vec<String>, Vec<String>>> {
        Box::pin(std::future::ready(self.0.clone()))
    }
}

/// A gateway and its management surface.
struct Ground {
    test: TestGateway,
    router: Router,
}

impl Ground {
    async fn new() -> Self {
        Self::with("").await
    }

    async fn with(lines: &str) -> Self {
        Self::controlled(lines, Ok(Vec::new())).await
    }

    async fn with_files(lines: &str, files: &[(&str, &str)]) -> Self {
        let test = TestGateway::with_files(lines, files).await;
        let router = api::router(test.gateway.api_controlled_by(Arc::new(Reloads(Ok(Vec::new())))));
        Self { test, router }
    }

    async fn controlled(lines: &str, reload: Result<Vec<String>, Vec<String>>) -> Self {
        let test = TestGateway::with(lines).await;
        let router = api::router(test.gateway.api_controlled_by(Arc::new(Reloads(reload))));
        Self { test, router }
    }

    /// The superuser on the machine itself.
    fn root(&self) -> Client {
        self.local(0)
    }

    fn local(&self, uid: u32) -> Client {
        Client { uid: Some(uid), ..self.nobody() }
    }

    fn nobody(&self) -> Client {
        Client { router: self.router.clone(), uid: None, headers: HeaderMap::new() }
    }

    fn bearer(&self, token: &str) -> Client {
        let mut client = self.nobody();
        client.headers.insert(header::AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
        client
    }

    /// A service's token with these permissions.
    async fn service(&self, permissions: &[&str]) -> Client {
        let limit: Vec<Permission> = permissions.iter().map(|text| text.parse().unwrap()).collect();
        let kind = TokenKind::Management(limit, None, None);
        let tokens = self.test.gateway.tokens();
        let (secret, _) = tokens.create(&self.test.task(), "service", kind, None).await.unwrap();
        self.bearer(secret.expose())
    }

    /// A signed-in browser of a new user, whose pages are the gateway's own.
    async fn browser(&self, user_name: &str, roles: &[&str]) -> (User, Client) {
        let user = self.user(user_name, roles).await;
        let client = self.sign_in(user_name).await;
        (user, client)
    }

    async fn user(&self, user_name: &str, roles: &[&str]) -> User {
        let user = self.test.user(user_name, Some(PASSWORD)).await;
        for role in roles {
            self.grant(&user, role).await;
        }
        user
    }

    async fn grant(&self, user: &User, role: &str) {
        let access = self.test.gateway.access();
        let grant = NewGrant::new(Subject::User(user.id), role.parse().unwrap());
        access.grants().create(&self.test.task(), &access.roles(), grant).await.unwrap();
    }

    async fn sign_in(&self, user_name: &str) -> Client {
        let mut visitor = self.test.visitor();
        let reply = visitor.sign_in(user_name, PASSWORD).await;
        assert!(reply.status.is_redirection(), "{reply:?}");
        self.cookies(&visitor)
    }

    fn cookies(&self, visitor: &Visitor) -> Client {
        let mut client = self.nobody();
        let line: Vec<String> = visitor.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        client.headers.insert(header::COOKIE, line.join("; ").parse().unwrap());
        client.headers.insert("sec-fetch-site", "same-origin".parse().unwrap());
        client
    }
}

/// A caller.
#[derive(Clone)]
struct Client {
    router: Router,
    uid: Option<u32>,
    headers: HeaderMap,
}

impl Client {
    fn with_header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.insert(name, value.parse().unwrap());
        self
    }

    fn without_header(mut self, name: &'static str) -> Self {
        self.headers.remove(name);
        self
    }

    async fn get(&self, path: &str) -> Reply {
        self.send(Method::GET, path, "application/json", Body::empty()).await
    }

    async fn post(&self, path: &str, body: Value) -> Reply {
        self.send(Method::POST, path, "application/json", Body::from(body.to_string())).await
    }

    async fn patch(&self, path: &str, body: Value) -> Reply {
        self.send(Method::PATCH, path, "application/json", Body::from(body.to_string())).await
    }

    async fn delete(&self, path: &str) -> Reply {
        self.send(Method::DELETE, path, "application/json", Body::empty()).await
    }

    async fn send(&self, method: Method, path: &str, kind: &str, body: Body) -> Reply {
        let mut request =
            Request::builder().method(method).uri(path).header(header::CONTENT_TYPE, kind).body(body).unwrap();
        request.headers_mut().extend(self.headers.clone());
        match self.uid {
            Some(uid) => request.extensions_mut().insert(PeerUid(uid)).is_none(),
            None => request.extensions_mut().insert(ClientAddress("198.51.100.9".parse().unwrap())).is_none(),
        };
        request.extensions_mut().insert(RequestId("request-7".to_owned()));
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Reply { status: parts.status, headers: parts.headers, text: String::from_utf8_lossy(&bytes).into_owned() }
    }
}

/// Checks that a reply is this refusal, with the field that is wrong, as problem details.
#[track_caller]
fn refused(reply: &Reply, status: u16, field: Option<&str>) {
    assert_eq!(reply.status.as_u16(), status, "{}", reply.text);
    assert_eq!(reply.headers[header::CONTENT_TYPE], "application/problem+json");
    let body = reply.json();
    assert_eq!(body["status"], status, "{body}");
    assert_eq!(body["request_id"], "request-7");
    assert_eq!(body.get("field").and_then(Value::as_str), field, "{body}");
    assert!(body["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{body}");
}

#[track_caller]
fn good(reply: Reply, status: StatusCode) -> Value {
    assert_eq!(reply.status, status, "{}", reply.text);
    reply.json()
}
