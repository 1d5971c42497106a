//! The outbound client against servers that do what they should not.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use cleargate::http::outbound::{Error, Outbound, OutboundSettings, Provenance, Response};
use http::{HeaderMap, Method};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use url::Url;

/// What a server does with each connection.
#[derive(Clone)]
enum Play {
    /// Reads the request's header and writes these bytes.
    Say(Vec<u8>),
    /// Reads the request and writes chunks for ever.
    Endless,
    /// Says nothing.
    Silent,
    /// Answers with the request itself.
    Echo,
}

struct Server {
    address: SocketAddr,
    connections: Arc<AtomicU32>,
    _tasks: JoinSet<()>,
}

impl Server {
    async fn plain(play: Play) -> Self {
        Self::open(play, None).await
    }

    async fn open(play: Play, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&connections);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut running = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                let (play, tls) = (play.clone(), tls.clone());
                running.spawn(async move {
                    match tls {
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                perform(stream, play).await;
                            }
                        }
                        None => perform(stream, play).await,
                    }
                });
            }
        });
        Self { address, connections, _tasks: tasks }
    }

    fn url(&self, path: &str) -> Url {
        format!("http://{}{path}", self.address).parse().unwrap()
    }

    fn count(&self) -> u32 {
        self.connections.load(Ordering::SeqCst)
    }
}

async fn perform(mut stream: impl AsyncRead + AsyncWrite + Unpin, play: Play) {
    let mut request = Vec::new();
    while !request.windows(4).any(|window| window == b"\r\n\r\n") {
        let mut chunk = [0; 4096];
        match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => return,
            Ok(count) => request.extend_from_slice(&chunk[..count]),
        }
    }
    // The client may hang up at any moment: that is what these tests are about.
    match play {
        Play::Say(bytes) => drop(stream.write_all(&bytes).await),
        Play::Echo => {
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", request.len());
            drop(stream.write_all(head.as_bytes()).await);
            drop(stream.write_all(&request).await);
        }
        Play::Endless => {
            drop(stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await);
            while stream.write_all(b"5\r\nxxxxx\r\n").await.is_ok() {}
        }
        Play::Silent => std::future::pending().await,
    }
    drop(stream.shutdown().await);
}

fn say(text: &str) -> Play {
    Play::Say(text.as_bytes().to_vec())
}

fn client(change: impl FnOnce(&mut OutboundSettings)) -> Outbound {
    let mut settings = OutboundSettings::default();
    change(&mut settings);
    Outbound::new(settings).unwrap()
}

async fn get(client: &Outbound, url: &Url) -> Result<Response, Error> {
    client.get(url, &Provenance::Administrator, "application/json").await
}

#[tokio::test]
async fn an_answer_is_read_to_its_end() {
    let server = Server::plain(say("HTTP/1.1 200 OK\r\ncontent-length: 5\r\nx-a: b\r\n\r\nhello")).await;
    let response = get(&client(|_| ()), &server.url("/")).await.unwrap();
    assert_eq!((response.status.as_u16(), &response.body[..]), (200, &b"hello"[..]));
    assert_eq!(response.headers["x-a"], "b");
}

#[tokio::test]
async fn an_answer_that_ends_with_the_connection_is_read() {
    let server = Server::plain(say("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nhello")).await;
    assert_eq!(get(&client(|_| ()), &server.url("/")).await.unwrap().body, "hello");
}

#[tokio::test]
async fn the_request_names_host_path_and_what_is_accepted() {
    let server = Server::plain(Play::Echo).await;
    let url = server.url("/a%20b?c=d#fragment");
    let echo = get(&client(|_| ()), &url).await.unwrap().body;
    let echo = String::from_utf8(echo.to_vec()).unwrap().to_ascii_lowercase();
    assert!(echo.starts_with("get /a%20b?c=d http/1.1\r\n"), "{echo}");
    assert!(echo.contains(&format!("host: {}\r\n", server.address)), "{echo}");
    assert!(echo.contains("accept: application/json\r\n") && echo.contains("accept-encoding: identity\r\n"), "{echo}");
    assert!(!echo.contains("fragment"), "{echo}");
}

#[tokio::test]
async fn a_form_is_posted() {
    let server = Server::plain(Play::Echo).await;
    let headers = HeaderMap::from_iter([("x-secret".parse().unwrap(), "s".parse().unwrap())]);
    let administrator = Provenance::Administrator;
    let sent = client(|_| ()).post_form(&server.url("/"), &administrator, headers, Bytes::from_static(b"a=b")).await;
    let echo = String::from_utf8(sent.unwrap().body.to_vec()).unwrap();
    assert!(echo.starts_with("POST / HTTP/1.1\r\n"), "{echo}");
    assert!(echo.contains("application/x-www-form-urlencoded") && echo.contains("content-length: 3"), "{echo}");
    assert!(echo.contains("x-secret: s"), "{echo}");
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_not_followed() {
    let target = Server::plain(say("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")).await;
    let location = target.url("/");
    for status in [301, 302, 303, 307, 308] {
        let text = format!("HTTP/1.1 {status} Elsewhere\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n");
        let server = Server::plain(say(&text)).await;
        assert_eq!(get(&client(|_| ()), &server.url("/")).await.unwrap().status, status);
    }
    assert_eq!(target.count(), 0);
}

#[tokio::test]
async fn a_body_over_the_limit_is_not_read() {
    let body = "x".repeat(101);
    for head in ["content-length: 101\r\n", "connection: close\r\n"] {
        let server = Server::plain(say(&format!("HTTP/1.1 200 OK\r\n{head}\r\n{body}"))).await;
        let limit = |max| client(move |settings| settings.max_response_bytes = max);
        assert_eq!(get(&limit(101), &server.url("/")).await.unwrap().body.len(), 101);
        let outcome = get(&limit(100), &server.url("/")).await;
        assert!(matches!(outcome, Err(Error::TooLarge { max_bytes: 100, .. })), "{outcome:?}");
    }
}

#[tokio::test]
async fn an_endless_body_ends_at_the_limit() {
    let server = Server::plain(Play::Endless).await;
    let outcome = get(&client(|settings| settings.max_response_bytes = 10_000), &server.url("/")).await;
    assert!(matches!(outcome, Err(Error::TooLarge { .. })), "{outcome:?}");
}

#[tokio::test]
async fn an_endless_header_ends_at_the_limit() {
    let header = format!("HTTP/1.1 200 OK\r\nx: {}", "y".repeat(200_000));
    let server = Server::plain(say(&header)).await;
    let outcome = get(&client(|_| ()), &server.url("/")).await;
    assert!(matches!(outcome, Err(Error::Malformed { .. })), "{outcome:?}");
}

#[tokio::test]
async fn silence_ends_at_the_deadline() {
    for play in [
        Play::Silent,
        // Ten bytes are promised, five come, and the connection closes: no deadline is needed, but no answer either.
        say("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello"),
    ] {
        let is_silent = matches!(play, Play::Silent);
        let server = Server::plain(play).await;
        let outcome = get(&client(|settings| settings.deadline = Duration::from_millis(300)), &server.url("/")).await;
        match outcome {
            Err(Error::Deadline { limit_ms: 300, .. }) => assert!(is_silent),
            Err(Error::Malformed { .. }) => assert!(!is_silent),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_compressed_body_is_refused() {
    let server = Server::plain(say("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 1\r\n\r\nx")).await;
    let outcome = get(&client(|_| ()), &server.url("/")).await;
    assert!(matches!(outcome, Err(Error::Malformed { .. })), "{outcome:?}");
    let server =
        Server::plain(say("HTTP/1.1 200 OK\r\ncontent-encoding: identity\r\ncontent-length: 1\r\n\r\nx")).await;
    assert_eq!(get(&client(|_| ()), &server.url("/")).await.unwrap().body, "x");
}

#[tokio::test]
async fn what_is_no_http_is_refused() {
    for text in ["SSH-2.0-OpenSSH_9.6\r\n", "", "HTTP/1.1 abc\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n"]
    {
        let server = Server::plain(say(text)).await;
        let outcome = get(&client(|_| ()), &server.url("/")).await;
        assert!(matches!(outcome, Err(Error::Malformed { .. })), "{text}: {outcome:?}");
    }
}

#[tokio::test]
async fn plain_http_goes_to_loopback_only() {
    for url in ["http://192.0.2.1/", "http://[2001:db8::1]/", "http://0.0.0.0/", "http://169.254.169.254/latest"] {
        let outcome = get(&client(|_| ()), &url.parse().unwrap()).await;
        assert!(matches!(outcome, Err(Error::Forbidden { .. })), "{url}: {outcome:?}");
    }
}

#[tokio::test]
async fn other_schemes_and_credentials_are_refused() {
    for url in ["ftp://127.0.0.1/", "file:///etc/passwd", "unix:/run/x", "http://user:password@127.0.0.1/"] {
        let outcome = get(&client(|_| ()), &url.parse().unwrap()).await;
        let Err(Error::Forbidden { url: printed, .. }) = outcome else { panic!("{url}: {outcome:?}") };
        assert!(!printed.contains("password@"), "{printed}");
    }
}

#[tokio::test]
async fn an_address_of_a_document_is_asked_on_its_issuers_host_only() {
    let server = Server::plain(say("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")).await;
    let url = server.url("/jwks");
    let document = |issuer: &str| Provenance::document_of(&issuer.parse().unwrap());
    let strict = client(|_| ());
    for (issuer, is_fine) in [
        ("http://127.0.0.1:1/other/port", true),
        ("https://idp.example", false),
        ("http://127.0.0.10", false),
        ("http://localhost", false),
    ] {
        let outcome = strict.get(&url, &document(issuer), "*/*").await;
        match outcome {
            Ok(_) => assert!(is_fine, "{issuer}"),
            Err(Error::Forbidden { .. }) => assert!(!is_fine, "{issuer}"),
            other => panic!("{issuer}: {other:?}"),
        }
    }
    assert_eq!(server.count(), 1, "nothing is sent to an address that is refused");
    let allowing = client(|settings| settings.allow = vec!["127.0.0.1".into()]);
    assert!(allowing.get(&url, &document("https://idp.example"), "*/*").await.is_ok());
}

#[tokio::test]
async fn nobody_there_is_unreachable() {
    let outcome = get(&client(|_| ()), &"http://127.0.0.1:1/".parse().unwrap()).await;
    assert!(matches!(outcome, Err(Error::Unreachable { .. })), "{outcome:?}");
}

#[tokio::test]
async fn a_header_value_that_would_split_the_request_is_refused() {
    let server = Server::plain(Play::Echo).await;
    let outcome = client(|_| ()).get(&server.url("/"), &Provenance::Administrator, "x\r\nevil: 1").await;
    assert!(matches!(outcome, Err(Error::Forbidden { .. })), "{outcome:?}");
    let sent = client(|_| ())
        .send(Method::DELETE, &server.url("/"), &Provenance::Administrator, HeaderMap::new(), Bytes::new())
        .await;
    assert!(sent.unwrap().body.starts_with(b"DELETE / "));
}

/// A certificate for `name`, in PEM, and a server's TLS with it.
fn certificate(name: &str) -> (String, TlsAcceptor) {
    let issued = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(issued.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![issued.cert.der().clone()], key)
        .unwrap();
    (issued.cert.pem(), TlsAcceptor::from(Arc::new(config)))
}

#[tokio::test]
async fn tls_is_checked_against_the_given_authority_and_the_name() {
    let (pem, acceptor) = certificate("localhost");
    let server = Server::open(say("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"), Some(acceptor)).await;
    let named: Url = format!("https://localhost:{}/", server.address.port()).parse().unwrap();
    let by_address: Url = format!("https://{}/", server.address).parse().unwrap();
    let trusting = client(|settings| settings.ca_pem = Some(pem.clone().into_bytes()));
    assert_eq!(get(&trusting, &named).await.unwrap().body, "ok");
    for (client, url) in [(&trusting, &by_address), (&client(|_| ()), &named)] {
        let outcome = get(client, url).await;
        assert!(matches!(outcome, Err(Error::Unreachable { .. })), "{outcome:?}");
    }
}

#[test]
fn a_bundle_without_certificates_is_no_setting() {
    for pem in ["", "garbage", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        let settings = OutboundSettings { ca_pem: Some(pem.as_bytes().to_vec()), ..OutboundSettings::default() };
        assert!(matches!(Outbound::new(settings), Err(Error::Settings { .. })), "{pem}");
    }
}
