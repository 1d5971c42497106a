//! `cleargate scim test` through a proxy that spoils something: the first thing that fails is named, with what to look at.

use std::process::{Command, Stdio};
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::response::{IntoResponse, Response};
use http::{Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::support::daemon::Daemon;
use crate::support::http::Client;

/// What a proxy does to what passes.
#[derive(Clone, Copy, Debug)]
enum Spoils {
    /// Methods that its allow list does not have, with a page of its own.
    Methods(&'static [Method]),
    /// Request bodies of more bytes, with a page of its own.
    LargeBodies(usize),
    /// The rest of request bodies behind so many bytes.
    BodyEnds(usize),
    /// The rest of answers behind so many bytes.
    AnswerEnds(usize),
    /// The header that carries the token.
    Authorization,
    /// The query part of addresses.
    Queries,
    /// Everything, with a sign-in page that says 200.
    Everything,
}

fn page(status: StatusCode) -> Response {
    (status, [(header::CONTENT_TYPE, "text/html")], "<html><h1>Corporate proxy</h1></html>").into_response()
}

/// Passes one request on to the daemon.
async fn pass(daemon: Client, spoils: Spoils, request: Request<Body>) -> Response {
    let (parts, body) = request.into_parts();
    let mut body = body.collect().await.unwrap().to_bytes();
    let mut target = parts.uri.path_and_query().unwrap().as_str().to_owned();
    match spoils {
        Spoils::Methods(methods) if methods.contains(&parts.method) => return page(StatusCode::METHOD_NOT_ALLOWED),
        Spoils::LargeBodies(most) if body.len() > most => return page(StatusCode::PAYLOAD_TOO_LARGE),
        Spoils::BodyEnds(most) => body.truncate(most),
        Spoils::Queries => target = parts.uri.path().to_owned(),
        Spoils::Everything => return page(StatusCode::OK),
        _ => {}
    }
    let mut ask = daemon.ask(parts.method, &target);
    for name in ["authorization", "if-match", "accept"] {
        let is_dropped = name == "authorization" && matches!(spoils, Spoils::Authorization);
        if let Some(value) = parts.headers.get(name).filter(|_| !is_dropped) {
            ask = ask.header(name, value.to_str().unwrap());
        }
    }
    if let Some(media_type) = parts.headers.get("content-type") {
        ask = ask.body(media_type.to_str().unwrap(), body);
    }
    let answer = ask.send().await;
    let mut body: Bytes = answer.body;
    if let Spoils::AnswerEnds(most) = spoils {
        body.truncate(most);
    }
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap();
    for name in ["content-type", "x-request-id", "location", "etag"] {
        if let Some(value) = answer.headers.get(name) {
            response.headers_mut().insert(header::HeaderName::from_static(name), value.clone());
        }
    }
    response
}

/// Runs the test through such a proxy: the step that failed, what was printed of it, and the messages.
async fn trial(daemon: &Daemon, spoils: Spoils) -> (String, Value, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/scim/v2", listener.local_addr().unwrap());
    let client = Arc::new(daemon.client());
    let app = Router::new().fallback(move |request| {
        let client = (*client).clone();
        async move { pass(client, spoils, request).await }
    });
    let server = tokio::spawn(crate::oidc::stage::accept(listener, app));
    let mut command = Command::new(env!("CARGO_BIN_EXE_cleargate"));
    command.args(["scim", "test", "okta", "--json", "--scim-url", &address]);
    command.arg("--config").arg(daemon.config()).stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    server.abort();
    let messages = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{spoils:?}: {messages}");
    let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(printed["passed"], false, "{spoils:?}");
    (printed["failed"]["step"].as_str().unwrap().to_owned(), printed, messages)
}

#[tokio::test]
async fn what_a_proxy_spoils_is_named_at_the_first_step_that_meets_it() {
    let mut daemon = Daemon::new();
    daemon.configure("[[scim]]\nid = \"okta\"\nbrake.at_least = 1000\n");
    daemon.start().await;
    let somebody = json!({"userName": "somebody"});
    let made = daemon.admin().post("/api/v1/users").json(&somebody).send().await;
    assert_eq!(made.status, 201, "{}", made.text());
    for (spoils, step, said) in [
        // Everybody is found who is there.
        (Spoils::Queries, "Okta: looks for a user who is not there", "shows 1 instead of 0"),
        (Spoils::Methods(&[Method::PATCH]), "Okta: deactivates the user", "answered 405"),
        (Spoils::Methods(&[Method::PUT]), "Okta: changes the profile by PUT", "passes PUT, PATCH and DELETE on"),
        (Spoils::Methods(&[Method::DELETE]), "Okta: ", "answered 405"),
        (Spoils::LargeBodies(100), "Okta: creates the user", "limits of the proxy for bodies"),
        (Spoils::BodyEnds(100), "Okta: creates the user", "answered 400"),
        (Spoils::AnswerEnds(300), "Okta: creates the user", "without JSON"),
        (Spoils::Authorization, "Okta: looks for a user who is not there", "passes the header Authorization on"),
        (Spoils::Everything, "Okta: looks for a user who is not there", "nothing in front of the gateway answers"),
    ] {
        let (failed, printed, messages) = trial(&daemon, spoils).await;
        assert!(failed.starts_with(step), "{spoils:?}: {failed}: {messages}");
        assert!(messages.contains(said), "{spoils:?}: {messages}");
        let passed = printed["steps"].as_array().unwrap().iter().filter(|step| step["client"] == "Okta");
        assert_eq!(passed.filter(|step| step["passed"] == false).count(), 1, "{spoils:?}: {printed}");
    }
    let tokens = daemon.admin().get("/api/v1/tokens").send().await.json();
    assert_eq!(tokens["items"], json!([]), "no token is left");
}
