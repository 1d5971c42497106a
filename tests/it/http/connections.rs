//! Connections that waste a place: slow, silent, many, endless.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use cleargate::http::ListenerLimits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Server, most, status};

const SHORT: Duration = Duration::from_millis(100);
const LONG: Duration = Duration::from_secs(60);

fn routes() -> Router {
    Router::new().route("/", get(|| async { "here" })).route("/large", get(|| async { vec![b'a'; 32 << 20] }))
}

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

#[tokio::test]
async fn a_header_that_trickles_is_cut_at_its_deadline() {
    let server = Server::with_limits(routes(), ListenerLimits { header: SHORT, ..ListenerLimits::default() });
    let began = Instant::now();
    let mut wire = server.connect().await;
    wire.write("GET / HTTP/1.1\r\nHost: a\r\n").await;
    let (mut read, mut write) = wire.0.split();
    let trickle = async {
        // Each byte comes well within the deadline; together they do not help.
        while write.write_all(b"x").await.is_ok() {
            tokio::time::sleep(SHORT / 10).await;
        }
    };
    let mut answer = Vec::new();
    tokio::select! {
        _ = read.read_to_end(&mut answer) => {}
        () = trickle => {}
    }
    assert!(answer.is_empty());
    assert!(began.elapsed() >= SHORT && began.elapsed() < LONG);
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_cut() {
    let server = Server::with_limits(routes(), ListenerLimits { header: SHORT, ..ListenerLimits::default() });
    assert_eq!(server.connect().await.read_to_end().await, "");
}

#[tokio::test]
async fn an_idle_connection_has_more_time_than_a_header() {
    let limits = ListenerLimits { header: SHORT, idle: SHORT * 5, ..ListenerLimits::default() };
    let server = Server::with_limits(routes(), limits);
    let mut wire = server.connect().await;
    wire.write(GET).await;
    assert_eq!(status(&wire.read_answer().await), 200);
    let began = Instant::now();
    assert_eq!(wire.read_to_end().await, "");
    assert!(began.elapsed() >= SHORT * 4, "cut after {:?}", began.elapsed());
}

#[tokio::test]
async fn a_later_header_that_stops_halfway_is_cut_at_the_header_deadline() {
    let limits = ListenerLimits { header: SHORT, idle: LONG, ..ListenerLimits::default() };
    let server = Server::with_limits(routes(), limits);
    let mut wire = server.connect().await;
    wire.write(GET).await;
    assert_eq!(status(&wire.read_answer().await), 200);
    wire.write("GET / HT").await;
    assert_eq!(wire.read_to_end().await, "");
}

#[tokio::test]
async fn a_peer_that_does_not_read_its_answer_is_cut() {
    let limits = ListenerLimits { request: SHORT, idle: SHORT, ..ListenerLimits::default() };
    let server = Server::with_limits(routes(), limits);
    let mut wire = server.connect().await;
    wire.write("GET /large HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let mut start = [0; 12];
    wire.0.read_exact(&mut start).await.unwrap();
    assert_eq!(&start, b"HTTP/1.1 200");
    let deadline = Instant::now() + super::PATIENCE;
    while server.tasks.count() > 1 {
        assert!(Instant::now() < deadline, "the connection is still there");
        tokio::time::sleep(SHORT / 5).await;
    }
    assert!(wire.read_to_end().await.len() < 32 << 20);
}

#[tokio::test]
async fn an_answer_that_is_made_for_longer_than_a_peer_may_stand_still_arrives() {
    let limits = ListenerLimits { request: SHORT, idle: SHORT, ..ListenerLimits::default() };
    let server = Server::with_limits(Router::new().route("/", get(made_late)), limits);
    let mut wire = server.connect().await;
    wire.write(GET).await;
    let answer = wire.read_to_end().await;
    assert!(status(&answer) == 200 && answer.ends_with("4\r\nmade\r\n0\r\n\r\n"), "{answer}");
}

/// A body that takes its time behind its head.
pub(super) async fn made_late() -> Body {
    let made = async {
        tokio::time::sleep(SHORT * 10).await;
        Ok::<_, Infallible>("made")
    };
    Body::from_stream(futures_util::stream::once(made))
}

#[tokio::test]
async fn connections_of_one_address_are_capped_and_counted() {
    let limits = ListenerLimits { connections: most(4096, 2), ..ListenerLimits::default() };
    let server = Server::with_limits(routes(), limits);
    let (mut one, mut two) = (server.connect().await, server.connect().await);
    for wire in [&mut one, &mut two] {
        wire.write(GET).await;
        assert_eq!(status(&wire.read_answer().await), 200);
    }
    assert_eq!(server.connect().await.read_to_end().await, "", "the third is closed unserved");
    assert_eq!(server.count("cleargate_connections_refused_total{reason=\"prefix\"} "), Some(1));
    one.write("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    one.read_to_end().await;
    let deadline = Instant::now() + super::PATIENCE;
    loop {
        let mut again = server.connect().await;
        // A place that is not free yet shows as a closed connection.
        again.0.write_all(GET.as_bytes()).await.ok();
        let mut start = [0; 12];
        if again.0.read_exact(&mut start).await.is_ok() && &start == b"HTTP/1.1 200" {
            break;
        }
        assert!(Instant::now() < deadline, "the place was not given back");
    }
    two.write(GET).await;
    assert_eq!(status(&two.read_answer().await), 200);
}

#[tokio::test]
async fn all_connections_are_capped_even_those_of_a_trusted_proxy() {
    let server = Server::start(routes(), |settings| {
        settings.limits.connections = most(3, 1);
        settings.trusted_proxies = vec!["127.0.0.1".parse().unwrap()];
    });
    let mut held = Vec::new();
    for _ in 0..3 {
        let mut wire = server.connect().await;
        wire.write(GET).await;
        assert_eq!(status(&wire.read_answer().await), 200);
        held.push(wire);
    }
    assert_eq!(server.connect().await.read_to_end().await, "");
    assert_eq!(server.count("cleargate_connections_refused_total{reason=\"listener\"} "), Some(1));
}

#[tokio::test]
async fn a_connection_ends_politely_after_its_last_request() {
    let limits = ListenerLimits { requests_per_connection: 3, ..ListenerLimits::default() };
    let server = Server::with_limits(routes(), limits);
    let mut wire = server.connect().await;
    for n in 1..=3 {
        wire.write(GET).await;
        let answer = wire.read_answer().await;
        assert_eq!((status(&answer), answer.contains("connection: close")), (200, n == 3), "{answer}");
    }
    assert_eq!(wire.read_to_end().await, "");
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let server = Server::start(routes(), |_| {});
    let mut wire = server.connect().await;
    let missing = GET.replace("GET / ", "GET /missing ");
    wire.write(&format!("{GET}{missing}{GET}")).await;
    for expected in [200, 404, 200] {
        assert_eq!(status(&wire.read_answer().await), expected);
    }
}
