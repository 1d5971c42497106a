//! What every request passes.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::Request;
use axum::routing::{get, post};
use cleargate::http::{ClientAddress, Hosts, ListenerLimits, RequestId, circumstance};
use futures_util::FutureExt;
use futures_util::future::select_all;
use tokio::sync::{Notify, Semaphore};

use super::{PATIENCE, Server, most, status};
use crate::support::http::Client;

/// Answers with what the listener says about the request.
async fn whoami(request: Request) -> String {
    let (parts, _) = request.into_parts();
    let from = circumstance(&parts);
    assert_eq!(from.address, parts.extensions.get::<ClientAddress>().map(|client| client.0));
    assert_eq!(from.request_id.as_ref(), parts.extensions.get::<RequestId>().map(|id| &id.0));
    format!("{} {}", from.address.unwrap(), from.request_id.unwrap())
}

fn routes() -> Router {
    Router::new()
        .route("/whoami", get(whoami))
        .route("/length", post(|body: Bytes| async move { body.len().to_string() }))
        .route(
            "/panic",
            get(|| async {
                if true {
                    panic!("on purpose")
                }
            }),
        )
}

#[tokio::test]
async fn an_answer_carries_the_request_id_that_the_handler_saw() {
    let server = Server::start(routes(), |_| {});
    let first = server.client().get("/whoami").send().await;
    let second = server.client().get("/whoami").send().await;
    let (one, two) = (first.header("x-request-id").unwrap(), second.header("x-request-id").unwrap());
    assert_eq!(first.text(), format!("127.0.0.1 {one}"));
    assert_ne!(one, two);
    let unknown = server.client().get("/nowhere").send().await;
    assert_eq!((unknown.status, unknown.header("x-request-id").is_some()), (404, true));
}

#[tokio::test]
async fn a_request_id_and_an_address_are_believed_from_trusted_proxies_only() {
    let ask = |server: Server| async move {
        let asked = server.client().get("/whoami").header("x-request-id", "from-proxy-1");
        asked.header("x-forwarded-for", "6.6.6.6, 203.0.113.9").send().await.text().to_owned()
    };
    let stranger = ask(Server::start(routes(), |_| {})).await;
    assert!(stranger.starts_with("127.0.0.1 ") && !stranger.contains("from-proxy"), "{stranger}");
    let trusted = Server::start(routes(), |settings| settings.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()]);
    assert_eq!(ask(trusted).await, "203.0.113.9 from-proxy-1");
}

#[tokio::test]
async fn every_answer_is_hardened() {
    let server = Server::start(routes(), |_| {});
    for path in ["/whoami", "/nowhere", "/panic"] {
        let answer = server.client().get(path).send().await;
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert!(answer.header("content-security-policy").unwrap().contains("frame-ancestors 'none'"));
        assert_eq!(answer.header("strict-transport-security"), None, "not over plain HTTP");
        assert_eq!(answer.header("server"), None);
    }
}

#[tokio::test]
async fn a_panic_is_answered_and_the_next_request_served() {
    let server = Server::start(routes(), |_| {});
    let answer = server.client().get("/panic").send().await;
    assert_eq!(answer.status, 500);
    assert!(!answer.text().contains("on purpose"), "{}", answer.text());
    assert_eq!(server.client().get("/whoami").send().await.status, 200);
}

#[tokio::test]
async fn a_foreign_host_is_misdirected() {
    let server = Server::start(routes(), |settings| settings.hosts = Hosts::only(["sso.example.com", "127.0.0.1"]));
    let asked = |host: &'static str| server.client().get("/whoami").header("host", host).send();
    assert_eq!(asked("sso.example.com").await.status, 200);
    assert_eq!(asked("sso.example.com:8443").await.status, 200);
    let foreign = asked("rebound.example").await;
    assert_eq!((foreign.status, foreign.header("content-type")), (421, Some("application/problem+json")));
    assert_eq!(server.client().get("/whoami").send().await.status, 200);

    let mut wire = server.connect().await;
    wire.write("GET http://rebound.example/whoami HTTP/1.1\r\nHost: sso.example.com\r\n\r\n").await;
    assert_eq!(status(&wire.read_answer().await), 421, "the absolute form counts as well");
    let mut wire = server.connect().await;
    wire.write("GET /whoami HTTP/1.1\r\n\r\n").await;
    assert_eq!(status(&wire.read_answer().await), 400);
}

#[tokio::test]
async fn too_many_header_fields_and_too_large_headers_are_refused() {
    let server = Server::start(routes(), |_| {});
    let fields =
        |count: usize| (0..count).fold(server.client().get("/whoami"), |ask, n| ask.header(&format!("x-{n}"), "1"));
    assert_eq!(fields(63).send().await.status, 200, "with Host that makes 64");
    assert_eq!(fields(64).send().await.status, 431);
    assert_eq!(fields(300).send().await.status, 431);
    let long = |length: usize| server.client().get("/whoami").header("x-long", &"a".repeat(length));
    assert_eq!(long(15 * 1024).send().await.status, 200);
    assert_eq!(long(17 * 1024).send().await.status, 431);
    let mut wire = server.connect().await;
    wire.write(&format!("GET /whoami HTTP/1.1\r\nHost: a\r\nX: {}", "a".repeat(200_000))).await;
    let answer = wire.read_to_end().await;
    assert!(answer.is_empty() || status(&answer) == 431, "a header without end is cut off: {answer}");
}

#[tokio::test]
async fn a_body_beyond_the_listeners_limit_is_refused_before_and_while_it_is_read() {
    let limits = ListenerLimits { body_bytes: 1000, ..ListenerLimits::default() };
    let server = Server::with_limits(routes(), limits);
    let post = |length: usize| server.client().post("/length").body("text/plain", vec![b'a'; length]).send();
    assert_eq!(post(1000).await.text(), "1000");
    assert_eq!(post(1001).await.status, 413);

    let mut wire = server.connect().await;
    wire.write("POST /length HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    wire.write(&format!("3e8\r\n{}\r\n1\r\na\r\n0\r\n\r\n", "a".repeat(1000))).await;
    assert_eq!(status(&wire.read_answer().await), 413, "also when its length is not said");
}

#[tokio::test]
async fn a_body_that_trickles_is_answered_408() {
    let limits = ListenerLimits { body: std::time::Duration::from_millis(50), ..ListenerLimits::default() };
    let server = Server::with_limits(routes(), limits);
    let mut wire = server.connect().await;
    wire.write("POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc").await;
    let answer = wire.read_to_end().await;
    assert_eq!(status(&answer), 408, "{answer}");
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_given_up() {
    let limits = ListenerLimits { request: std::time::Duration::from_millis(50), ..ListenerLimits::default() };
    let router = Router::new().route("/slow", get(std::future::pending::<&'static str>));
    let server = Server::with_limits(router, limits);
    assert_eq!(server.client().get("/slow").send().await.status, 503);
}

#[tokio::test]
async fn requests_beyond_the_concurrency_are_shed_at_once() {
    let (arrived, leave) = (Arc::new(Notify::new()), Arc::new(Semaphore::new(0)));
    let (tell, wait) = (Arc::clone(&arrived), Arc::clone(&leave));
    let router = Router::new().route("/quick", get(|| async { "quick" })).route(
        "/hold",
        get(move || async move {
            tell.notify_one();
            wait.acquire().await.unwrap().forget();
            "held"
        }),
    );
    let server = Server::with_limits(router, ListenerLimits { in_flight: most(1, 1), ..ListenerLimits::default() });
    let held = server.client().get("/hold").send();
    let shed = async {
        tokio::time::timeout(PATIENCE, arrived.notified()).await.unwrap();
        let answer = server.client().get("/quick").send().await;
        leave.add_permits(1);
        answer
    };
    let (held, shed) = tokio::join!(held, shed);
    assert_eq!((shed.status, shed.header("retry-after")), (503, Some("1")));
    assert_eq!(held.text(), "held");
    assert_eq!(server.count("cleargate_load_shed_total "), Some(1));
    assert_eq!(server.client().get("/quick").send().await.status, 200, "the place is free again");
}

#[tokio::test]
async fn who_sends_no_body_takes_no_place_from_others() {
    let server = Server::start(routes(), |settings| {
        settings.trusted_proxies = vec!["127.0.0.1".parse().unwrap()];
        (settings.limits.in_flight, settings.limits.uploads) = (most(5, 4), most(3, 2));
    });
    let begin = async |address: &str| {
        let mut wire = server.connect().await;
        let head = format!("POST /length HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: {address}\r\nContent-Length: 3\r\n");
        wire.write(&format!("{head}\r\n")).await;
        wire
    };
    let post = async |address: &str| {
        let post = server.client().post("/length").header("x-forwarded-for", address);
        post.body("text/plain", b"abc".to_vec()).send().await
    };
    // Two of an address are awaited; which of three is not, is told at once.
    let mut held = vec![begin("192.0.2.1").await, begin("192.0.2.1").await, begin("192.0.2.1").await];
    let (shed, at, rest) = select_all(held.iter_mut().map(|wire| wire.read_answer().boxed_local())).await;
    drop(rest);
    assert_eq!(status(&shed), 503, "{shed}");
    assert!(shed.to_ascii_lowercase().contains("retry-after: 1"), "{shed}");
    held.remove(at);
    assert_eq!(post("192.0.2.9").await.text(), "3", "others are served");
    held.push(begin("192.0.2.2").await);
    held.push(begin("192.0.2.3").await);
    let (shed, at, rest) = select_all(held.iter_mut().map(|wire| wire.read_answer().boxed_local())).await;
    drop(rest);
    assert_eq!(status(&shed), 503, "three are awaited in all: {shed}");
    held.remove(at);
    assert_eq!(server.client().get("/whoami").send().await.status, 200, "who sends no body is served");
    for wire in &mut held {
        wire.write("abc").await;
        assert_eq!(status(&wire.read_answer().await), 200);
    }
    assert_eq!(post("192.0.2.1").await.text(), "3", "the places are free again");
}

#[tokio::test]
async fn strange_methods_are_not_served() {
    let server = Server::start(routes(), |_| {});
    for method in ["TRACE", "CONNECT"] {
        let mut wire = server.connect().await;
        let target = if method == "CONNECT" { "a:443" } else { "/whoami" };
        wire.write(&format!("{method} {target} HTTP/1.1\r\nHost: a:443\r\nConnection: close\r\n\r\n")).await;
        assert_eq!(status(&wire.read_to_end().await), 501, "{method}");
    }
    let answer = server.client().ask("BREW".parse().unwrap(), "/whoami").send().await;
    assert_eq!(answer.status, 405);
    assert_eq!(
        server.count("cleargate_http_requests_total{route=\"unknown\",method=\"other\",code=\"405\"} "),
        Some(1)
    );
}

#[tokio::test]
async fn plain_http_is_refused_beyond_loopback() {
    use cleargate::http::{Bind, Error, ListenerSettings, serve};
    let tasks = cleargate::tasks::Tasks::new();
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
        let settings = ListenerSettings::new("test", Bind::Tcp(address.parse().unwrap()));
        let error = serve(settings, Router::new(), &tasks).unwrap_err();
        assert!(matches!(error, Error::PlainBeyondLoopback { .. }), "{address}: {error}");
    }
    let server = Server::start(routes(), |_| {});
    let taken = ListenerSettings::new("test", Bind::Tcp(server.address()));
    assert!(matches!(serve(taken, Router::new(), &tasks).unwrap_err(), Error::Bind { .. }));
    assert_eq!(Client::new(&server.bound.url).get("/whoami").send().await.status, 200);
}
