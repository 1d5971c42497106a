//! The listener, asked through real sockets.

mod client;
mod connections;
mod desync;
mod drain;
mod edge;
mod http2;
mod operations;
mod outbound;
mod routes;
mod tls;
mod unix;

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use cleargate::http::{Bind, Bound, ListenerLimits, ListenerSettings, Metrics, Most, serve};
use cleargate::secret::IdSource;
use cleargate::tasks::Tasks;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::http::Client;

/// Long enough for a slow machine; a test that passes does not wait for it.
const PATIENCE: Duration = Duration::from_secs(20);

/// So many in all, and so many from one address.
fn most(all: usize, per_prefix: usize) -> Most {
    Most { all, per_prefix, per_site: all }
}

/// A listener on a port of its own, stopped with its test.
struct Server {
    tasks: Tasks,
    bound: Bound,
    metrics: Metrics,
}

impl Server {
    /// Serves `router` on loopback; `adjust` changes the settings before.
    fn start(router: Router, adjust: impl FnOnce(&mut ListenerSettings)) -> Self {
        let tasks = Tasks::new();
        let mut settings = ListenerSettings::new("test", Bind::Tcp("127.0.0.1:0".parse().unwrap()));
        settings.ids = IdSource::seeded(1);
        adjust(&mut settings);
        let metrics = settings.metrics.clone();
        let bound = serve(settings, router, &tasks).unwrap();
        Self { tasks, bound, metrics }
    }

    fn with_limits(router: Router, limits: ListenerLimits) -> Self {
        Self::start(router, |settings| settings.limits = limits)
    }

    fn address(&self) -> SocketAddr {
        self.bound.address.unwrap()
    }

    fn client(&self) -> Client {
        Client::new(&self.bound.url)
    }

    async fn connect(&self) -> Wire {
        Wire(TcpStream::connect(self.address()).await.unwrap())
    }

    /// The value of one line of the metrics.
    fn count(&self, line: &str) -> Option<u64> {
        let text = self.metrics.render();
        text.lines().find_map(|got| got.strip_prefix(line)?.trim().parse().ok())
    }
}

/// A connection on which the test writes and reads the bytes itself.
struct Wire(TcpStream);

impl Wire {
    async fn write(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    /// Everything until the server closes; a reset is an end too.
    async fn read_to_end(&mut self) -> String {
        let mut all = Vec::new();
        let end =
            tokio::time::timeout(PATIENCE, self.0.read_to_end(&mut all)).await.expect("the server does not close");
        if let Err(error) = end {
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        }
        String::from_utf8_lossy(&all).into_owned()
    }

    /// One answer of a known length, with its head.
    async fn read_answer(&mut self) -> String {
        let mut all = Vec::new();
        loop {
            let mut byte = [0; 1];
            let read = tokio::time::timeout(PATIENCE, self.0.read(&mut byte)).await.expect("no answer").unwrap();
            assert_eq!(read, 1, "closed after {:?}", String::from_utf8_lossy(&all));
            all.extend(byte);
            if all.ends_with(b"\r\n\r\n") {
                break;
            }
        }
        let head = String::from_utf8(all).unwrap();
        let length =
            head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |n| n.parse().unwrap());
        let mut body = vec![0; length];
        tokio::time::timeout(PATIENCE, self.0.read_exact(&mut body)).await.expect("no body").unwrap();
        head + &String::from_utf8_lossy(&body)
    }
}

/// The three digits of an answer.
fn status(answer: &str) -> u16 {
    answer.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok()).unwrap_or(0)
}
