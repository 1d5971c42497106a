//! `[listen]`: where the daemon is reached.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::form::Network;

/// Certificate and key of the public listener; PEM files, read again at a reload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The chain, leaf first.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// `[listen]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// The public listener, default `127.0.0.1:8080`. Without `tls` on loopback only.
    pub address: SocketAddr,
    /// TLS of the public listener; without it a proxy on the same machine ends TLS.
    pub tls: Option<Tls>,
    /// `/healthz`, `/readyz`, `/metrics`; plain HTTP without authentication, default `127.0.0.1:9440`.
    pub operations: SocketAddr,
    /// The unix socket of administration commands, default `/run/cleargate/admin.sock`.
    pub admin: PathBuf,
    /// Proxies whose `X-Forwarded-For` and `Forwarded` are believed; none by default.
    pub trusted_proxies: Vec<Network>,
}
