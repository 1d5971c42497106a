//! Certificates, protocols, reload.

use std::path::PathBuf;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::routing::{get, post};
use cleargate::clock::Timestamp;
use cleargate::http::{Bind, Certificates, Error, ListenerSettings, SelfSigned, serve};
use rustls::pki_types::pem::PemObject;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::Server;

/// The machine's time, because TLS clients look at it too.
fn now() -> Timestamp {
    cleargate::clock::Clock::system().now()
}

struct Files {
    _folder: tempfile::TempDir,
    certificate: PathBuf,
    key: PathBuf,
}

impl Files {
    fn new(pair: &SelfSigned) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = (folder.path().join("tls.pem"), folder.path().join("tls.key"));
        let files = Self { _folder: folder, certificate, key };
        files.write(pair);
        files
    }

    fn write(&self, pair: &SelfSigned) {
        std::fs::write(&self.certificate, &pair.certificate).unwrap();
        std::fs::write(&self.key, pair.key.expose()).unwrap();
    }

    fn open(&self, at: Timestamp) -> Result<Certificates, Error> {
        Certificates::open(&self.certificate, &self.key, at)
    }
}

fn pair() -> SelfSigned {
    SelfSigned::new(&["127.0.0.1", "localhost"], now(), 30).unwrap()
}

fn routes() -> Router {
    Router::new()
        .route("/", get(|request: Request| async move { format!("{:?}", request.version()) }))
        .route("/length", post(|body: axum::body::Bytes| async move { body.len().to_string() }))
}

fn start(files: &Files) -> (Server, Certificates) {
    let certificates = files.open(now()).unwrap();
    let shared = certificates.clone();
    (Server::start(routes(), |settings| settings.tls = Some(shared)), certificates)
}

#[tokio::test]
async fn both_protocols_are_offered_over_tls() {
    let pair = pair();
    let (server, _) = start(&Files::new(&pair));
    let client = server.client().trusting(&pair.certificate);
    let answer = client.get("/").send().await;
    assert_eq!((answer.text(), answer.header("strict-transport-security")), ("HTTP/1.1", Some("max-age=63072000")));
    let client = client.http2();
    assert_eq!(client.get("/").send().await.text(), "HTTP/2.0");
    assert_eq!(client.post("/length").body("a/b", vec![0; 300_000]).send().await.text(), "300000");
    let long = client.get("/").header("x-long", &"a".repeat(20_000)).try_send().await;
    assert!(long.as_ref().map_or(true, |answer| answer.status == 431), "{long:?}");
    let many = (0..70).fold(client.get("/"), |ask, n| ask.header(&format!("x-{n}"), "1"));
    assert_eq!(many.send().await.status, 431);
}

#[tokio::test]
async fn a_connection_that_does_not_shake_hands_is_cut() {
    let pair = pair();
    let files = Files::new(&pair);
    let certificates = files.open(now()).unwrap();
    let hasty = certificates.clone();
    let server = Server::start(routes(), |settings| {
        settings.tls = Some(hasty);
        settings.limits.handshake = Duration::from_millis(50);
    });
    assert_eq!(server.connect().await.read_to_end().await, "");
    let mut plain = server.connect().await;
    plain.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(!plain.read_to_end().await.contains("HTTP/"), "plain HTTP gets no answer");

    let server = Server::start(routes(), |settings| {
        settings.tls = Some(certificates);
        settings.limits.header = Duration::from_millis(100);
    });
    // After the handshake the deadline of the header holds, also for a client of HTTP/2 that sends no preface.
    for client in [server.client(), server.client().http2()] {
        let mut silent = client.trusting(&pair.certificate).open_tls().await.unwrap();
        let mut rest = Vec::new();
        let end = tokio::time::timeout(super::PATIENCE, silent.read_to_end(&mut rest)).await;
        assert!(end.is_ok(), "the silent connection is still there");
    }
}

#[tokio::test]
async fn old_protocol_versions_get_no_connection() {
    let pair = pair();
    let (server, _) = start(&Files::new(&pair));
    // A TLS 1.1 hello: record version 3.1, client version 3.2, no extensions.
    let mut hello = vec![0x16, 3, 1, 0, 47, 1, 0, 0, 43, 3, 2];
    hello.extend([7; 32]);
    hello.extend([0, 0, 4, 0xc0, 0x13, 0x00, 0x2f, 1, 0]);
    let mut wire = server.connect().await;
    wire.0.write_all(&hello).await.unwrap();
    let mut answer = Vec::new();
    wire.0.read_to_end(&mut answer).await.ok();
    assert_eq!(answer.first(), Some(&0x15), "an alert: {answer:?}");
}

/// Entra ID speaks TLS 1.2 in places: with elliptic curves and AES-GCM.
#[tokio::test]
async fn clients_of_tls_1_2_are_served() {
    let pair = pair();
    let (server, _) = start(&Files::new(&pair));
    let mut provider = rustls::crypto::aws_lc_rs::default_provider();
    provider.cipher_suites = vec![rustls::crypto::aws_lc_rs::cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256];
    let mut roots = rustls::RootCertStore::empty();
    for certificate in rustls::pki_types::CertificateDer::pem_slice_iter(pair.certificate.as_bytes()) {
        roots.add(certificate.unwrap()).unwrap();
    }
    let config = rustls::ClientConfig::builder_with_provider(provider.into())
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(config));
    let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
    let mut stream = connector.connect(name, server.connect().await.0).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.ok();
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
}

#[tokio::test]
async fn a_reload_serves_the_new_certificate_while_old_connections_go_on() {
    let (old, new) = (pair(), pair());
    let files = Files::new(&old);
    let (server, certificates) = start(&files);
    let trusting_old = server.client().trusting(&old.certificate);
    let trusting_new = server.client().trusting(&new.certificate);
    let mut open = trusting_old.open_tls().await.unwrap();

    files.write(&new);
    certificates.reload(now()).unwrap();
    assert_eq!(trusting_new.get("/").send().await.status, 200);
    assert!(trusting_old.get("/").try_send().await.unwrap_err().contains("TLS"));
    open.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    open.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn a_failed_reload_keeps_the_certificate_in_use() {
    let pair = pair();
    let files = Files::new(&pair);
    let (server, certificates) = start(&files);
    let expires = certificates.expires();
    for broken in ["", "no PEM", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        std::fs::write(&files.certificate, broken).unwrap();
        assert!(matches!(certificates.reload(now()), Err(Error::Certificate { .. })), "{broken}");
    }
    assert_eq!(certificates.expires(), expires);
    assert_eq!(server.client().trusting(&pair.certificate).get("/").send().await.status, 200);
}

#[test]
fn a_certificate_is_checked_before_it_is_used() {
    let (one, other) = (pair(), pair());
    let files = Files::new(&one);
    let reason = |at: Timestamp| files.open(at).unwrap_err().to_string();
    let day = Duration::from_secs(24 * 60 * 60);
    assert!(files.open(now()).is_ok());
    assert!(reason(now().plus(day * 31)).contains("expired at "));
    assert!(reason(now().minus(day * 3)).contains("is not valid before "));

    std::fs::write(&files.key, other.key.expose()).unwrap();
    assert!(reason(now()).contains("tls.key` does not belong to certificate"), "{}", reason(now()));
    std::fs::write(&files.key, &one.certificate).unwrap();
    assert!(reason(now()).contains("tls.key` holds no private key in PEM"));
    std::fs::remove_file(&files.key).unwrap();
    assert!(reason(now()).contains("tls.key` cannot be read"));
    std::fs::write(&files.certificate, one.key.expose()).unwrap();
    assert!(reason(now()).contains("tls.pem` holds no certificate"));
    let secret = one.key.expose().lines().nth(1).unwrap();
    assert!(!format!("{one:?}").contains(secret));
}

#[tokio::test]
async fn with_a_certificate_any_address_may_be_served() {
    let files = Files::new(&pair());
    let tasks = cleargate::tasks::Tasks::new();
    let mut settings = ListenerSettings::new("test", Bind::Tcp("0.0.0.0:0".parse().unwrap()));
    settings.tls = Some(files.open(now()).unwrap());
    let bound = serve(settings, routes(), &tasks).unwrap();
    assert!(bound.url.starts_with("https://0.0.0.0:"));
    assert!(tasks.join(super::PATIENCE).await.is_empty());
}
