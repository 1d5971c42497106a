//! HTTP/2, and what peers do with it that browsers do not.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use cleargate::clock::Clock;
use cleargate::http::{Certificates, Hosts, ListenerSettings, SelfSigned};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};

use super::{PATIENCE, Server};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GO_AWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

/// Of the settings: how much a stream may send before it is told that it may send more.
const INITIAL_WINDOW_SIZE: u8 = 4;
const SHORT: Duration = Duration::from_millis(200);

/// `GET /`, scheme https, authority `a`, in HPACK (RFC 7541 appendix A).
const GET: [u8; 6] = [0x82, 0x84, 0x87, 0x41, 0x01, b'a'];

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

async fn read_frame(stream: &mut (impl AsyncRead + Unpin)) -> Option<(u8, u32, Vec<u8>)> {
    let mut head = [0; 9];
    tokio::time::timeout(PATIENCE, stream.read_exact(&mut head)).await.expect("no frame").ok()?;
    let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
    stream.read_exact(&mut payload).await.ok()?;
    Some((head[3], u32::from_be_bytes([head[5], head[6], head[7], head[8]]), payload))
}

/// The kinds of frames until the server closes or says it goes, with the reason of the latter.
async fn read_until_gone(stream: &mut (impl AsyncRead + Unpin)) -> Option<u32> {
    while let Some((kind, _, payload)) = read_frame(stream).await {
        if kind == GO_AWAY {
            return Some(u32::from_be_bytes([payload[4], payload[5], payload[6], payload[7]]));
        }
    }
    None
}

struct Bench {
    server: Server,
    pair: SelfSigned,
}

impl Bench {
    fn new(router: Router, adjust: impl FnOnce(&mut ListenerSettings)) -> Self {
        let now = Clock::system().now();
        let pair = SelfSigned::new(&["127.0.0.1"], now, 2).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = (folder.path().join("tls.pem"), folder.path().join("tls.key"));
        std::fs::write(&certificate, &pair.certificate).unwrap();
        std::fs::write(&key, pair.key.expose()).unwrap();
        let certificates = Certificates::open(&certificate, &key, now).unwrap();
        let server = Server::start(router, |settings| {
            settings.tls = Some(certificates);
            adjust(settings);
        });
        Self { server, pair }
    }

    /// A connection that has said hello.
    async fn open(&self) -> tokio_rustls::client::TlsStream<tokio::net::TcpStream> {
        let mut stream = self.server.client().trusting(&self.pair.certificate).http2().open_tls().await.unwrap();
        stream.write_all(&[PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()).await.unwrap();
        stream
    }
}

#[tokio::test]
async fn a_foreign_authority_is_misdirected() {
    let router = Router::new().route("/", get(|| async { "here" }));
    let bench = Bench::new(router, |settings| settings.hosts = Hosts::only(["sso.example.com"]));
    let client = bench.server.client().trusting(&bench.pair.certificate).http2();
    assert_eq!(client.get("/").send().await.status, 421);
}

#[tokio::test]
async fn resets_without_end_close_the_connection() {
    let begun = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&begun);
    let hold = move || async move {
        count.fetch_add(1, Ordering::SeqCst);
        std::future::pending::<&'static str>().await
    };
    let bench = Bench::new(Router::new().route("/", get(hold)), |_| {});
    let mut stream = bench.open().await;
    let flood: Vec<u8> = (0..5000_u32)
        .flat_map(|n| {
            let id = 2 * n + 1;
            [frame(HEADERS, 0x5, id, &GET), frame(RST_STREAM, 0, id, &8_u32.to_be_bytes())].concat()
        })
        .collect();
    // The server may close while we are still writing.
    stream.write_all(&flood).await.ok();
    let reason = read_until_gone(&mut stream).await;
    assert!(matches!(reason, None | Some(11)), "ENHANCE_YOUR_CALM or a plain end, not {reason:?}");
    assert!(begun.load(Ordering::SeqCst) < 1000, "{} requests were begun", begun.load(Ordering::SeqCst));
}

#[tokio::test]
async fn streams_beyond_the_limit_are_refused() {
    let router = Router::new().route("/", get(std::future::pending::<&'static str>));
    let bench = Bench::new(router, |settings| settings.limits.streams = 5);
    let mut stream = bench.open().await;
    let six: Vec<u8> = (0..6_u32).flat_map(|n| frame(HEADERS, 0x5, 2 * n + 1, &GET)).collect();
    stream.write_all(&six).await.unwrap();
    loop {
        let (kind, id, payload) = read_frame(&mut stream).await.expect("the connection goes on");
        if kind == RST_STREAM {
            assert_eq!((id, payload), (11, 7_u32.to_be_bytes().to_vec()), "REFUSED_STREAM for the sixth");
            break;
        }
    }
}

#[tokio::test]
async fn answers_that_nobody_takes_are_not_kept_for_who_answers_pings() {
    let router = Router::new().route("/", get(|| async { "here" }));
    let bench = Bench::new(router, |settings| {
        let limits = &mut settings.limits;
        (limits.request, limits.idle, limits.ping) = (SHORT, SHORT, SHORT / 10);
    });
    // No stream may send anything, or a byte of four.
    for window in [0, 1] {
        let mut stream = bench.open().await;
        let settings = frame(SETTINGS, 0, 0, &[0, INITIAL_WINDOW_SIZE, 0, 0, 0, window]);
        stream.write_all(&[settings, frame(HEADERS, 0x5, 1, &GET)].concat()).await.unwrap();
        let mut asked = 0;
        let play = async {
            while let Some((kind, of, payload)) = read_frame(&mut stream).await {
                if (kind, of) == (RST_STREAM, 1) {
                    break;
                }
                if kind == PING {
                    asked += 1;
                    // It may be gone by now. Another request begins and is given up, so that there is always something new.
                    let id = 2 * asked + 1;
                    let other =
                        [frame(HEADERS, 0x5, id, &GET), frame(RST_STREAM, 0, id, &8_u32.to_be_bytes())].concat();
                    stream.write_all(&[frame(PING, 0x1, 0, &payload), other].concat()).await.ok();
                }
            }
        };
        tokio::time::timeout(PATIENCE, play).await.expect("neither the stream nor the connection has ended");
        assert!(asked > 0, "it was alive all the time");
    }
}

#[tokio::test]
async fn an_answer_that_nobody_takes_ends_none_beside_it() {
    let router = Router::new().route("/", get(|| async { "here" }));
    let bench = Bench::new(router, |settings| {
        let limits = &mut settings.limits;
        (limits.request, limits.idle, limits.ping) = (SHORT, SHORT, SHORT / 10);
    });
    let mut stream = bench.open().await;
    let settings = frame(SETTINGS, 0, 0, &[0, INITIAL_WINDOW_SIZE, 0, 0, 0, 0]);
    stream.write_all(&[settings, frame(HEADERS, 0x5, 1, &GET)].concat()).await.unwrap();
    let (mut pings, mut taken) = (0, Vec::new());
    let play = async {
        while taken != b"here" {
            let (kind, of, payload) = read_frame(&mut stream).await.expect("the connection is gone");
            let answer = match (kind, of) {
                (PING, _) => {
                    pings += 1;
                    // Halfway, so that this one still has time when that of the first is over.
                    let other = if pings == 10 { frame(HEADERS, 0x5, 3, &GET) } else { Vec::new() };
                    [frame(PING, 0x1, 0, &payload), other].concat()
                }
                (RST_STREAM, 1) => frame(WINDOW_UPDATE, 0, 3, &9_u32.to_be_bytes()),
                (DATA, 3) => {
                    taken.extend(payload);
                    continue;
                }
                _ => continue,
            };
            stream.write_all(&answer).await.unwrap();
        }
    };
    tokio::time::timeout(PATIENCE, play).await.expect("nothing more came");
}

#[tokio::test]
async fn an_answer_that_is_made_for_longer_than_a_peer_may_stand_still_arrives() {
    let bench = Bench::new(Router::new().route("/", get(super::connections::made_late)), |settings| {
        (settings.limits.request, settings.limits.idle) = (SHORT, SHORT);
    });
    let client = bench.server.client().trusting(&bench.pair.certificate).http2();
    assert_eq!(client.get("/").send().await.text(), "made");
}

#[tokio::test]
async fn a_header_that_continues_without_end_closes_the_connection() {
    let router = Router::new().route("/", get(|| async { "here" }));
    let bench = Bench::new(router, |settings| settings.limits.header = Duration::from_millis(500));
    let mut stream = bench.open().await;
    stream.write_all(&frame(HEADERS, 0x1, 1, &GET)).await.unwrap();
    // A literal field without indexing, again and again.
    let field = [&[0x00, 0x01, b'x', 0x7f, 0x80, 0x01][..], &[b'a'; 255]].concat();
    let mut written = 0;
    while written < 10_000 && stream.write_all(&frame(CONTINUATION, 0, 1, &field)).await.is_ok() {
        written += 1;
    }
    read_until_gone(&mut stream).await;
    assert!(written < 10_000, "the server read on");
}

#[tokio::test]
async fn a_drain_says_go_away_and_finishes_the_streams() {
    let (arrived, leave) = (Arc::new(tokio::sync::Notify::new()), Arc::new(tokio::sync::Notify::new()));
    let (tell, wait) = (Arc::clone(&arrived), Arc::clone(&leave));
    let hold = move || async move {
        tell.notify_one();
        wait.notified().await;
        "finished"
    };
    let bench = Bench::new(Router::new().route("/", get(hold)), |_| {});
    let client = bench.server.client().trusting(&bench.pair.certificate).http2();
    let answer = client.get("/").send();
    let stop = async {
        tokio::time::timeout(PATIENCE, arrived.notified()).await.unwrap();
        bench.server.tasks.stop();
        leave.notify_one();
    };
    let (answer, ()) = tokio::join!(answer, stop);
    assert_eq!(answer.text(), "finished");
    assert!(bench.server.tasks.join(PATIENCE).await.is_empty());
}
