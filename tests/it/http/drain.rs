//! Stopping: what is begun is finished, nothing new is begun.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;
use cleargate::http::ListenerLimits;
use tokio::net::TcpStream;
use tokio::sync::Notify;

use super::{PATIENCE, Server, status};

/// A route that says when it was reached and answers when it may.
fn held() -> (Router, Arc<Notify>, Arc<Notify>) {
    let (arrived, leave) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (tell, wait) = (Arc::clone(&arrived), Arc::clone(&leave));
    let hold = move || async move {
        tell.notify_one();
        wait.notified().await;
        "finished"
    };
    (Router::new().route("/hold", get(hold)).route("/", get(|| async { "here" })), arrived, leave)
}

#[tokio::test]
async fn a_request_in_flight_is_finished_and_an_idle_connection_closed() {
    let (router, arrived, leave) = held();
    let server = Server::start(router, |_| {});
    let mut idle = server.connect().await;
    idle.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(status(&idle.read_answer().await), 200);
    let mut busy = server.connect().await;
    busy.write("GET /hold HTTP/1.1\r\nHost: a\r\n\r\n").await;
    tokio::time::timeout(PATIENCE, arrived.notified()).await.unwrap();

    server.tasks.stop();
    assert_eq!(idle.read_to_end().await, "", "an idle connection closes at once");
    let deadline = Instant::now() + PATIENCE;
    while TcpStream::connect(server.address()).await.is_ok() {
        assert!(Instant::now() < deadline, "still accepting");
    }
    leave.notify_one();
    let answer = busy.read_to_end().await;
    assert!(status(&answer) == 200 && answer.ends_with("finished"), "{answer}");
    assert!(answer.contains("connection: close"), "{answer}");
    assert_eq!(server.tasks.join(PATIENCE).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_request_that_does_not_end_is_cut_when_the_drain_is_over() {
    let (router, arrived, _leave) = held();
    let limits = ListenerLimits { drain: Duration::from_millis(100), ..ListenerLimits::default() };
    let server = Server::with_limits(router, limits);
    let mut busy = server.connect().await;
    busy.write("GET /hold HTTP/1.1\r\nHost: a\r\n\r\n").await;
    tokio::time::timeout(PATIENCE, arrived.notified()).await.unwrap();
    assert_eq!(server.tasks.join(PATIENCE).await, Vec::<String>::new(), "the listener ends by itself");
    assert_eq!(busy.read_to_end().await, "");
}
