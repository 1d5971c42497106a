//! Requests whose end two servers might see in different places (RFC 9112 section 6.3). Behind a proxy each would be a
//! way to smuggle a request; here each is refused, or understood in the one safe way with the connection closed after.

use axum::Router;
use axum::body::Bytes;
use axum::routing::{get, post};

use super::{Server, status};

fn routes() -> Router {
    Router::new()
        .route("/", post(|body: Bytes| async move { format!("[{}]", String::from_utf8_lossy(&body)) }))
        .route("/smuggled", get(|| async { "smuggled" }))
}

/// Sends `head` (without its last empty line) and `rest`, and gives everything that comes back.
async fn exchange(head: &str, rest: &str) -> String {
    let server = Server::start(routes(), |_| {});
    let mut wire = server.connect().await;
    wire.write(&format!("{head}\r\n\r\n{rest}")).await;
    tokio::io::AsyncWriteExt::shutdown(&mut wire.0).await.ok();
    wire.read_to_end().await
}

#[tokio::test]
async fn ambiguous_framing_is_refused() {
    let smuggled = "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    for fields in [
        "Content-Length: 3\r\nContent-Length: 5",
        "Content-Length: 3, 5",
        "Content-Length: 3,3",
        "Content-Length: +3",
        "Content-Length: -1",
        "Content-Length: 0x3",
        "Content-Length: 3 3",
        "Content-Length: ",
        "Content-Length: 99999999999999999999",
        "Content-Length : 3",
        "Content-Length\t: 3",
        " Content-Length: 3",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding: gzip",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: \"chunked\"",
        "Transfer-Encoding:\u{b}chunked",
        "Transfer-Encoding: chunked\r\n continued: x",
        "X: a\rTransfer-Encoding: chunked",
        "X: a\0b",
        "X\r\nContent-Length: 3",
        ": 3",
    ] {
        let answer = exchange(&format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}"), smuggled).await;
        assert_eq!(status(&answer), 400, "{fields:?} gave {answer:?}");
        assert!(!answer.contains("smuggled"), "{fields:?} gave {answer:?}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{fields:?} gave {answer:?}");
    }
}

#[tokio::test]
async fn both_framings_at_once_mean_chunked_and_the_connection_ends() {
    // RFC 9112 section 6.1: Transfer-Encoding alone counts, and nothing after it on this connection does.
    for fields in [
        "Content-Length: 50\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 50",
        "transfer-encoding: Chunked\r\ncontent-length: 0",
    ] {
        let rest = "3\r\nabc\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
        let answer = exchange(&format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}"), rest).await;
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{fields:?} gave {answer:?}");
        assert!(status(&answer) == 400 || answer.ends_with("[abc]"), "{fields:?} gave {answer:?}");
        assert!(!answer.contains("smuggled"), "{answer:?}");
    }
}

#[tokio::test]
async fn old_clients_cannot_chunk() {
    let answer = exchange("POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked", "0\r\n\r\n").await;
    assert!(answer.contains(" 400 "), "{answer:?}");
}

#[tokio::test]
async fn broken_chunks_are_not_taken_for_a_body() {
    for chunks in [
        "g\r\nabc\r\n0\r\n\r\n",
        "-1\r\nabc\r\n0\r\n\r\n",
        "3\r\nabcd\r\n0\r\n\r\n",
        "ffffffffffffffffff\r\nabc\r\n0\r\n\r\n",
        "3\nabc\n0\n\n",
        "3 \r\nab",
        "3;a\nb\r\nabc\r\n0\r\n\r\n",
        "3\r\nabc",
    ] {
        let answer = exchange("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked", chunks).await;
        assert_ne!(status(&answer), 200, "{chunks:?} gave {answer:?}");
    }
}

#[tokio::test]
async fn equal_lengths_and_a_plain_chunked_body_are_fine() {
    let twice = exchange("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3", "abc").await;
    assert!(twice.ends_with("[abc]"), "{twice}");
    let chunked =
        exchange("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked", "3;x=y\r\nabc\r\n0\r\n\r\n").await;
    assert!(chunked.ends_with("[abc]"), "{chunked}");
}

#[tokio::test]
async fn request_lines_that_are_none_are_refused() {
    for line in [
        "GET  / HTTP/1.1",
        "GET / HTTP/1.1 x",
        "GET / HTTP/3.0",
        "GET / http/1.1",
        "GET /\u{1} HTTP/1.1",
        "G\u{7f}T / HTTP/1.1",
        "\u{0}",
        "GET",
    ] {
        let answer = exchange(&format!("{line}\r\nHost: a"), "").await;
        assert!(matches!(status(&answer), 0 | 400 | 505), "{line:?} gave {answer:?}");
        assert!(!answer.contains(" 200 "), "{line:?}");
    }
}
