//! `[listen]`: where the daemon is reached.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::section::Section;
use crate::model::Network;

/// A certificate and its key, PEM files: of the public listener, where they are read again at a reload, or of ours at a
/// SAML provider.
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

impl Listen {
    pub(super) fn resolve(section: &Section<'_>) -> Self {
        // Loopback works without TLS and on every machine; whoever wants more says so.
        let address = section.or("address", SocketAddr::from(([127, 0, 0, 1], 8080)));
        let tls = Tls::resolve(&section.table("tls"));
        if tls.is_none() && !section.has("tls") && !address.ip().is_loopback() {
            let help =
                "add `tls = { certificate = \"…\", key = { file = \"…\" } }`, or listen on 127.0.0.1 behind a proxy";
            section.error("address", "must be loopback without `listen.tls`", Some(help.to_owned()));
        }
        let operations = section.or("operations", SocketAddr::from(([127, 0, 0, 1], 9440)));
        if !operations.ip().is_loopback() {
            section.warn("operations", "is reachable from other machines, without TLS or authentication");
        }
        if operations == address && address.port() != 0 {
            section.error("operations", "must not be the address of the public listener", None);
        }
        Self {
            address,
            tls,
            operations,
            admin: section.path_or("admin", "/run/cleargate/admin.sock"),
            trusted_proxies: section.list("trusted_proxies", Vec::<Network>::new()),
        }
    }
}

impl Tls {
    pub(super) fn resolve(section: &Section<'_>) -> Option<Self> {
        let certificate = section.file("certificate");
        let key = section.secret_file("key");
        if section.is_present() {
            if !section.has("certificate") {
                section.missing("certificate", "must be the path of a PEM file");
            }
            if !section.has("key") {
                section.missing("key", "must be `{ file = \"…\" }` or `{ credential = \"…\" }`");
            }
        }
        Some(Self { certificate: certificate?, key: key? })
    }
}
