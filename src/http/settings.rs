//! What a listener is told: where it listens, for whom it answers, how much it bears.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::{Certificates, Hosts, Metrics, Most};
use crate::model::Network;
use crate::secret::IdSource;

/// One listener.
#[derive(Clone, Debug)]
pub struct ListenerSettings {
    /// What it is called in logs and task names: `public`, `operations`, `admin`.
    pub name: &'static str,
    /// Where it listens.
    pub bind: Bind,
    /// Its certificate. Without one it speaks plain HTTP, which is refused beyond loopback.
    pub tls: Option<Certificates>,
    /// The names it answers for.
    pub hosts: Hosts,
    /// Proxies whose `X-Forwarded-For` and `X-Request-Id` are believed; they are not counted per address either.
    pub trusted_proxies: Vec<Network>,
    /// How much it bears.
    pub limits: ListenerLimits,
    /// Where request ids come from.
    pub ids: IdSource,
    /// Where requests are counted.
    pub metrics: Metrics,
}

impl ListenerSettings {
    /// A plain listener for any name with the default limits, trusting no proxy.
    pub fn new(name: &'static str, bind: Bind) -> Self {
        Self {
            name,
            bind,
            tls: None,
            hosts: Hosts::Any,
            trusted_proxies: Vec::new(),
            limits: ListenerLimits::default(),
            ids: IdSource::system(),
            metrics: Metrics::new(),
        }
    }
}

/// Where a listener listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bind {
    /// A TCP address; port 0 lets the system choose one.
    Tcp(SocketAddr),
    /// A unix socket, plain HTTP. The file is made anew; one that a dead process left is replaced.
    Unix {
        /// The socket's file; its folder exists.
        path: PathBuf,
        /// The file's permissions, such as `0o600` or `0o660`.
        mode: u32,
    },
}

/// How much a listener bears. Each has a default; tests make them small.
#[derive(Clone, Debug)]
pub struct ListenerLimits {
    /// How long a TLS handshake may take.
    pub handshake: Duration,
    /// How long until the first byte of the first request, and from a request's first byte to the end of its header.
    pub header: Duration,
    /// How long a request's body may take.
    pub body: Duration,
    /// How long a request may take from the end of its header to the start of the answer.
    pub request: Duration,
    /// How long a connection may lie idle between requests.
    pub idle: Duration,
    /// How long requests in flight may go on after the program was told to stop.
    pub drain: Duration,
    /// Most connections at once; trusted proxies are counted in all only.
    pub connections: Most,
    /// Most requests on one connection.
    pub requests_per_connection: u32,
    /// Most requests at once, by the client's address behind trusted proxies too; further ones are answered 503 at once.
    pub in_flight: Most,
    /// How many of them may wait for the rest of their body: who sends none takes no place from those that ask for
    /// something.
    pub uploads: Most,
    /// Most bytes of a request's header.
    pub header_bytes: usize,
    /// Most fields of a request's header.
    pub header_fields: usize,
    /// Most bytes of a request's body on any route. It is twice what the widest route takes, so that a body which is too
    /// large, also by its own word, is refused by its route: after authentication and in the form of its surface.
    pub body_bytes: usize,
    /// Most streams at once on one HTTP/2 connection.
    pub streams: u32,
    /// How often a silent HTTP/2 connection is asked whether it lives.
    pub ping: Duration,
    /// Most streams that a peer may reset before they are served; beyond, the HTTP/2 connection is closed.
    pub resets: usize,
}

impl Default for ListenerLimits {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(10),
            header: Duration::from_secs(10),
            body: Duration::from_secs(30),
            request: Duration::from_secs(60),
            idle: Duration::from_secs(60),
            drain: Duration::from_secs(20),
            connections: Most { all: 4096, per_prefix: 64, per_site: 1024 },
            requests_per_connection: 1000,
            in_flight: Most { all: 512, per_prefix: 128, per_site: 256 },
            uploads: Most { all: 256, per_prefix: 32, per_site: 64 },
            header_bytes: 16 * 1024,
            header_fields: 64,
            body_bytes: 16 * 1024 * 1024,
            streams: 100,
            ping: Duration::from_secs(20),
            resets: 20,
        }
    }
}
