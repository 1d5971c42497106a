//! The one way out over HTTP: metadata, keys and tokens of identity providers, webhooks.
//!
//! Every request has a deadline, a limit to what is read, and one connection of its own to the address that was resolved
//! and checked. It follows no redirect (the caller sees the 3xx), accepts no compressed body, and speaks plain HTTP to
//! loopback addresses only. An address that comes out of somebody else's document is asked only on the host of that
//! document's issuer or on the administrator's allow list, so that a provider cannot send the gateway around the
//! network it stands in.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use ::http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HOST, HeaderName, HeaderValue};
use ::http::{HeaderMap, Method, Request, StatusCode};
use bytes::Bytes;
use futures_util::future::{Either, select};
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use url::{Host, Url};

use super::body::{Unread, read_whole};

/// Most bytes of a response's header.
const MAX_HEADER_BYTES: usize = 64 * 1024;

/// What the administrator decides about requests that go out.
#[derive(Clone, Debug)]
pub struct OutboundSettings {
    /// Certificate authorities to trust besides the machine's, in PEM; at least one certificate when given.
    pub ca_pem: Option<Vec<u8>>,
    /// Hosts that documents of others may point to: names or addresses, with a port where only
    /// that one is meant.
    pub allow: Vec<String>,
    /// How long one request may take from the look-up of the name to the last byte.
    pub deadline: Duration,
    /// How long look-up, connection and TLS handshake may take of that.
    pub connect: Duration,
    /// Most bytes of a response's body.
    pub max_response_bytes: usize,
}

impl Default for OutboundSettings {
    /// The machine's authorities, an empty allow list, 10 s, 5 s, 1 MiB.
    fn default() -> Self {
        Self {
            ca_pem: None,
            allow: Vec::new(),
            deadline: Duration::from_secs(10),
            connect: Duration::from_secs(5),
            max_response_bytes: 1024 * 1024,
        }
    }
}

/// Who wrote an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Provenance {
    /// The administrator, in the configuration: any host.
    Administrator,
    /// Somebody else's document: the host of its issuer, or the allow list.
    Document {
        /// The issuer's host, without scheme and port.
        issuer_host: String,
    },
}

impl Provenance {
    /// The provenance of addresses in a document that was read from `issuer`.
    pub fn document_of(issuer: &Url) -> Self {
        Self::Document { issuer_host: issuer.host_str().unwrap_or_default().to_owned() }
    }
}

/// Why there is no response.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The time was over.
    #[error("`{host}` did not answer within {limit_ms} ms")]
    Deadline {
        /// Who was asked.
        host: String,
        /// The deadline that was missed.
        limit_ms: u128,
    },
    /// The address may not be asked; nothing was sent.
    #[error("`{url}` may not be requested: {rule}")]
    Forbidden {
        /// The address without query and credentials.
        url: String,
        /// The rule that it breaks.
        rule: &'static str,
    },
    /// What came back is no HTTP response that we accept.
    #[error("`{host}` does not answer in acceptable HTTP: {reason}")]
    Malformed {
        /// Who was asked.
        host: String,
        /// What is wrong.
        reason: String,
    },
    /// The settings cannot be used.
    #[error("the outbound client cannot be built: {reason}")]
    Settings {
        /// What is wrong with them.
        reason: String,
    },
    /// More came back than may be read.
    #[error("`{host}` sent more than {max_bytes} bytes")]
    TooLarge {
        /// Who was asked.
        host: String,
        /// The limit.
        max_bytes: usize,
    },
    /// No connection: name, network or certificate.
    #[error("`{host}` cannot be reached")]
    Unreachable {
        /// Who was asked.
        host: String,
        /// What failed.
        #[source]
        source: io::Error,
    },
}

/// A response that was read to its end.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status; 3xx is not followed.
    pub status: StatusCode,
    /// The header.
    pub headers: HeaderMap,
    /// The body, within the limit.
    pub body: Bytes,
}

/// The client. Cloning shares it.
#[derive(Clone)]
pub struct Outbound(Arc<Shared>);

struct Shared {
    settings: OutboundSettings,
    tls: TlsConnector,
}

impl Outbound {
    /// Loads the authorities and makes the client. Reads the machine's certificate store, so it blocks for a moment.
    ///
    /// # Errors
    /// `Settings` when the given authorities are no PEM certificates.
    pub fn new(settings: OutboundSettings) -> Result<Self, Error> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if let Some(pem) = &settings.ca_pem {
            let refused = |reason: String| Error::Settings { reason };
            let mut found = 0usize;
            for certificate in CertificateDer::pem_slice_iter(pem) {
                let certificate = certificate.map_err(|e| refused(format!("the CA bundle is no PEM: {e}")))?;
                roots.add(certificate).map_err(|e| refused(format!("a CA certificate cannot be used: {e}")))?;
                found += 1;
            }
            if found == 0 {
                return Err(refused("the CA bundle has no certificate".into()));
            }
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|e| Error::Settings { reason: e.to_string() })?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(Arc::new(Shared { settings, tls: TlsConnector::from(Arc::new(config)) })))
    }

    /// Whether `url` may be asked at all, by its form and its provenance; where its name leads shows when it is.
    ///
    /// # Errors
    /// `Forbidden`.
    pub fn may_ask(&self, url: &Url, provenance: &Provenance) -> Result<(), Error> {
        Target::check(url, provenance, &self.0.settings.allow).map(drop)
    }

    /// Reads `url`, saying that `accept` is wanted.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub async fn get(&self, url: &Url, provenance: &Provenance, accept: &str) -> Result<Response, Error> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, header_value(url, accept)?);
        self.send(Method::GET, url, provenance, headers, Bytes::new()).await
    }

    /// Posts a form (`application/x-www-form-urlencoded`, already encoded) with `headers`.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub async fn post_form(
        &self,
        url: &Url,
        provenance: &Provenance,
        mut headers: HeaderMap,
        body: Bytes,
    ) -> Result<Response, Error> {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        self.send(Method::POST, url, provenance, headers, body).await
    }

    /// Sends one request on a connection of its own and reads the response to its end.
    ///
    /// # Errors
    /// `Forbidden` before anything is sent; `Unreachable`, `Deadline`, `TooLarge` and `Malformed` after. A status that
    /// is no success is no error here.
    pub async fn send(
        &self,
        method: Method,
        url: &Url,
        provenance: &Provenance,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Response, Error> {
        let target = Target::check(url, provenance, &self.0.settings.allow)?;
        let request = request(method, url, &target, headers, body)?;
        let limit = self.0.settings.deadline;
        match timeout(limit, self.exchange(&target, request)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(target.late(limit)),
        }
    }

    async fn exchange(&self, target: &Target, request: Request<Full<Bytes>>) -> Result<Response, Error> {
        let limit = self.0.settings.connect;
        let connection = match timeout(limit, self.connect(target)).await {
            Ok(connection) => connection?,
            Err(_) => return Err(target.late(limit)),
        };
        let max_bytes = self.0.settings.max_response_bytes;
        match connection {
            Connection::Plain(stream) => converse(target, stream, request, max_bytes).await,
            Connection::Tls(stream) => converse(target, *stream, request, max_bytes).await,
        }
    }

    /// Resolves once and connects to what was resolved; the certificate is checked against the name.
    async fn connect(&self, target: &Target) -> Result<Connection, Error> {
        let addresses = target.resolve().await?;
        let stream = TcpStream::connect(addresses.as_slice()).await.map_err(|e| target.unreachable(e))?;
        if !target.is_tls {
            return Ok(Connection::Plain(stream));
        }
        let name = ServerName::try_from(target.dial_name())
            .map_err(|_| target.forbidden("the host is no name that a certificate can carry"))?;
        let stream = self.0.tls.connect(name, stream).await.map_err(|e| target.unreachable(e))?;
        Ok(Connection::Tls(Box::new(stream)))
    }
}

impl fmt::Debug for Outbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Outbound").field(&self.0.settings).finish()
    }
}

enum Connection {
    Plain(TcpStream),
    Tls(Box<tokio_rustls::client::TlsStream<TcpStream>>),
}

/// A checked address.
struct Target {
    /// For messages: the address without query.
    printed: String,
    host: Host<String>,
    port: u16,
    is_tls: bool,
}

impl Target {
    fn check(url: &Url, provenance: &Provenance, allow: &[String]) -> Result<Self, Error> {
        let printed = printed(url);
        let forbidden = |rule| Error::Forbidden { url: printed.clone(), rule };
        let is_tls = match url.scheme() {
            "https" => true,
            "http" => false,
            _ => return Err(forbidden("only https, and http to loopback addresses")),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(forbidden("an address must not carry credentials"));
        }
        let (Some(host), Some(port)) = (url.host(), url.port_or_known_default()) else {
            return Err(forbidden("an address needs a host"));
        };
        let host = host.to_owned();
        if let Provenance::Document { issuer_host } = provenance {
            let name = host.to_string();
            let is_same = |other: &String| other.eq_ignore_ascii_case(&name);
            let with_port = format!("{name}:{port}");
            let is_allowed = |other: &String| is_same(other) || other.eq_ignore_ascii_case(&with_port);
            if !is_same(issuer_host) && !allow.iter().any(is_allowed) {
                return Err(forbidden("it is neither on the issuer's host nor on `outbound.allow`"));
            }
        }
        Ok(Self { printed, host, port, is_tls })
    }

    /// The addresses of the host, at most four, in the resolver's order.
    async fn resolve(&self) -> Result<Vec<SocketAddr>, Error> {
        let found: Vec<SocketAddr> = match &self.host {
            Host::Ipv4(ip) => vec![SocketAddr::new(IpAddr::V4(*ip), self.port)],
            Host::Ipv6(ip) => vec![SocketAddr::new(IpAddr::V6(*ip), self.port)],
            Host::Domain(name) => {
                let found = tokio::net::lookup_host((name.as_str(), self.port)).await;
                found.map_err(|e| self.unreachable(e))?.take(4).collect()
            }
        };
        if !self.is_tls && !found.iter().all(|address| address.ip().is_loopback()) {
            return Err(self.forbidden("plain http goes to loopback addresses only"));
        }
        Ok(found)
    }

    /// The host as TLS wants it: an IPv6 address without brackets.
    fn dial_name(&self) -> String {
        match &self.host {
            Host::Ipv6(ip) => ip.to_string(),
            other => other.to_string(),
        }
    }

    fn forbidden(&self, rule: &'static str) -> Error {
        Error::Forbidden { url: self.printed.clone(), rule }
    }

    fn unreachable(&self, source: io::Error) -> Error {
        Error::Unreachable { host: self.host.to_string(), source }
    }

    fn late(&self, limit: Duration) -> Error {
        Error::Deadline { host: self.host.to_string(), limit_ms: limit.as_millis() }
    }

    fn malformed(&self, reason: impl fmt::Display) -> Error {
        Error::Malformed { host: self.host.to_string(), reason: reason.to_string() }
    }
}

/// The address for people: without query, fragment and credentials.
fn printed(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    let cleaned = url.set_username("").is_ok() && url.set_password(None).is_ok();
    if cleaned || url.username().is_empty() { url.to_string() } else { url.scheme().to_owned() }
}

fn header_value(url: &Url, text: &str) -> Result<HeaderValue, Error> {
    HeaderValue::from_str(text)
        .map_err(|_| Error::Forbidden { url: printed(url), rule: "a header value has a character that HTTP refuses" })
}

fn request(
    method: Method,
    url: &Url,
    target: &Target,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Request<Full<Bytes>>, Error> {
    let path = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    let host = match url.port() {
        Some(port) => format!("{}:{port}", target.host),
        None => target.host.to_string(),
    };
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = method;
    *request.uri_mut() = path.parse().map_err(|_| target.forbidden("its path is no path of HTTP"))?;
    *request.headers_mut() = headers;
    let fixed: [(HeaderName, HeaderValue); 2] =
        [(HOST, header_value(url, &host)?), (ACCEPT_ENCODING, HeaderValue::from_static("identity"))];
    for (name, value) in fixed {
        request.headers_mut().insert(name, value);
    }
    Ok(request)
}

/// Sends the request over `stream` and reads the response within the limits.
async fn converse<S>(
    target: &Target,
    stream: S,
    request: Request<Full<Bytes>>,
    max_bytes: usize,
) -> Result<Response, Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(MAX_HEADER_BYTES)
        .handshake::<_, Full<Bytes>>(TokioIo::new(stream))
        .await
        .map_err(|e| target.malformed(e))?;
    let conversation = pin!(async move {
        let response = sender.send_request(request).await.map_err(|e| target.malformed(e))?;
        let (head, body) = response.into_parts();
        let encoded = |value: &HeaderValue| !value.as_bytes().eq_ignore_ascii_case(b"identity");
        if head.headers.get_all(CONTENT_ENCODING).iter().any(encoded) {
            return Err(target.malformed("the body is compressed although that was not accepted"));
        }
        let body = read_whole(body, max_bytes).await.map_err(|unread| match unread {
            Unread::TooLarge => Error::TooLarge { host: target.host.to_string(), max_bytes },
            Unread::Broken(error) => target.malformed(error),
        })?;
        Ok(Response { status: head.status, headers: head.headers, body })
    });
    // The connection is driven here, beside the conversation, so that nothing outlives the deadline.
    match select(conversation, pin!(connection)).await {
        Either::Left((outcome, _)) => outcome,
        Either::Right((_, conversation)) => conversation.await,
    }
}
