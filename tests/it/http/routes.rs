//! Routes as data: admission, bounds by class, the surface's own form of refusals.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::response::{IntoResponse, Response};
use cleargate::http::{Access, Admit, Rate, Route, router};
use futures_util::future::BoxFuture;
use http::request::Parts;
use http::{Method, StatusCode};

use super::{Server, status};

/// Admits who says the word, notes what was asked for, and refuses in a form of its own.
#[derive(Default)]
struct Doorman(Mutex<Vec<(Access, Rate)>>);

impl Admit for Doorman {
    fn admit<'a>(&'a self, access: Access, rate: Rate, parts: &'a mut Parts) -> BoxFuture<'a, Result<(), Response>> {
        self.0.lock().unwrap().push((access, rate));
        let admitted = access == Access::Public || parts.headers.contains_key("x-word");
        Box::pin(async move { admitted.then_some(()).ok_or_else(|| StatusCode::UNAUTHORIZED.into_response()) })
    }

    fn refuse(&self, status: StatusCode, detail: &str) -> Response {
        (status, format!("our form: {detail}")).into_response()
    }
}

async fn length(body: Bytes) -> String {
    body.len().to_string()
}

/// A handler that answers in its own way when the body cannot be read.
async fn stubborn(body: Result<Bytes, axum::extract::rejection::BytesRejection>) -> (StatusCode, &'static str) {
    if body.is_ok() { (StatusCode::OK, "read") } else { (StatusCode::IM_A_TEAPOT, "not read") }
}

fn routes(doorman: Arc<Doorman>) -> Router {
    router(
        vec![
            Route::new(Method::POST, "/form", Access::Public, Rate::SignIn, length),
            Route::new(Method::POST, "/saml", Access::Public, Rate::SignIn, length).with_body_bytes(64 * 1024),
            Route::new(Method::POST, "/scim/{id}", Access::Scim, Rate::Scim, length),
            Route::new(Method::POST, "/api", Access::Management, Rate::Api, length),
            Route::new(Method::POST, "/stubborn", Access::Public, Rate::SignIn, stubborn),
        ],
        (),
        doorman,
    )
}

#[tokio::test]
async fn bodies_are_bounded_by_the_class_of_their_route() {
    let server = Server::start(routes(Arc::default()), |_| {});
    for (path, most) in [("/form", 16 << 10), ("/saml", 64 << 10), ("/scim/7", 1 << 20), ("/api", 256 << 10)] {
        let post = |length: usize| {
            server.client().post(path).header("x-word", "please").body("text/plain", vec![b'a'; length]).send()
        };
        assert_eq!(post(most).await.text(), most.to_string(), "{path}");
        assert_eq!(post(most + 1).await.status, 413, "{path}");
    }
    let answer = server.client().post("/form").body("text/plain", vec![b'a'; 20_000]).send().await;
    assert_eq!(answer.text(), "our form: the body is too large");
}

#[tokio::test]
async fn a_body_that_turns_out_too_large_is_refused_whatever_the_handler_says() {
    let server = Server::start(routes(Arc::default()), |_| {});
    let mut wire = server.connect().await;
    wire.write("POST /stubborn HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    wire.write(&format!("4e20\r\n{}\r\n0\r\n\r\n", "a".repeat(20_000))).await;
    let answer = wire.read_answer().await;
    assert_eq!(status(&answer), 413, "{answer}");
    assert!(answer.ends_with("our form: the body is too large"), "{answer}");
}

/// A handler that is told that there is more than it may read.
async fn told(request: axum::extract::Request) -> (StatusCode, String) {
    let (parts, body) = request.into_parts();
    let read = axum::body::to_bytes(body, usize::MAX).await.map(|bytes| bytes.len());
    let is_exceeded = parts.extensions.get().is_some_and(cleargate::http::BodyBound::is_exceeded);
    (StatusCode::FORBIDDEN, format!("{is_exceeded} {:?}", read.ok()))
}

#[tokio::test]
async fn a_handler_that_asks_for_it_answers_what_is_too_large_itself() {
    let route = Route::new(Method::POST, "/told", Access::Public, Rate::SignIn, told).answering_large();
    let server = Server::start(router(vec![route], (), Arc::new(Doorman::default())), |_| {});
    let post = |length: usize| server.client().post("/told").body("text/plain", vec![b'a'; length]).send();
    for (length, expected) in [(16 << 10, "false Some(16384)"), ((16 << 10) + 1, "true Some(0)")] {
        let answer = post(length).await;
        assert!(answer.status == 403 && answer.text() == expected, "{length}: {}", answer.text());
    }
    let mut wire = server.connect().await;
    wire.write("POST /told HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    wire.write(&format!("4e20\r\n{}\r\n0\r\n\r\n", "a".repeat(20_000))).await;
    let answer = wire.read_answer().await;
    assert!(status(&answer) == 403 && answer.ends_with("true None"), "{answer}");
}

#[tokio::test]
async fn coded_bodies_are_refused() {
    let server = Server::start(routes(Arc::default()), |_| {});
    let post = |coding: &'static str| {
        server.client().post("/form").header("content-encoding", coding).body("text/plain", "abc").send()
    };
    for coding in ["gzip", "br", "deflate", "identity, gzip", "aws-chunked", ""] {
        let answer = post(coding).await;
        assert_eq!(answer.status, 415, "{coding}: {}", answer.text());
        assert!(answer.text().starts_with("our form"));
    }
    assert_eq!(post("Identity").await.text(), "3");
}

#[tokio::test]
async fn nobody_reaches_a_handler_unadmitted() {
    let doorman = Arc::new(Doorman::default());
    let server = Server::start(routes(Arc::clone(&doorman)), |_| {});
    assert_eq!(server.client().post("/api").body("text/plain", "x").send().await.status, 401);
    assert_eq!(server.client().post("/scim/7").send().await.status, 401);
    assert_eq!(server.client().post("/form").send().await.status, 200);
    let asked = doorman.0.lock().unwrap().clone();
    assert_eq!(asked, [(Access::Management, Rate::Api), (Access::Scim, Rate::Scim), (Access::Public, Rate::SignIn)]);
    let line = "cleargate_http_requests_total{route=\"/scim/{id}\",method=\"POST\",code=\"401\"} ";
    assert_eq!(server.count(line), Some(1), "a refusal counts for its route");
}
