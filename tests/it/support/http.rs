//! A small browser and API client: HTTP/1.1 and HTTP/2, TLS against one given root, unix sockets, a cookie jar.
//!
//! ```ignore
//! let client = Client::new("https://127.0.0.1:8443").trusting(&ca_pem);
//! let answer = client.post("/login/password").form(&[("username", "ada")]).send().await;
//! assert_eq!((answer.status, answer.location()), (303, Some("/")));
//! ```
//! A path is taken at the client's address; an absolute URL is asked where it says, with the cookies of its host, so
//! that one client can walk a sign-in across several servers. Redirects are followed by [`Client::walk`] only.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, HOST, LOCATION, SET_COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

/// No test waits longer for one answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// A client with its own cookies. Cloning shares them.
#[derive(Clone)]
pub struct Client {
    base: String,
    unix: Option<PathBuf>,
    roots: RootCertStore,
    http2: bool,
    resolve: HashMap<String, SocketAddr>,
    headers: HeaderMap,
    cookies: Arc<Mutex<BTreeMap<(String, String), String>>>,
}

impl Client {
    /// A client of `base`, such as `http://127.0.0.1:8080`.
    pub fn new(base: &str) -> Self {
        Self {
            base: base.trim_end_matches('/').to_owned(),
            unix: None,
            roots: RootCertStore::empty(),
            http2: false,
            resolve: HashMap::new(),
            headers: HeaderMap::new(),
            cookies: Arc::default(),
        }
    }

    /// A client of a unix socket; the host it names is `localhost`.
    pub fn unix(path: &Path) -> Self {
        Self { unix: Some(path.to_owned()), ..Self::new("http://localhost") }
    }

    /// Trusts the certificates of `pem`, besides those trusted before.
    pub fn trusting(mut self, pem: &str) -> Self {
        for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            self.roots.add(certificate.unwrap()).unwrap();
        }
        self
    }

    /// Connects to `address` for `host`, whatever the port.
    pub fn resolving(mut self, host: &str, address: SocketAddr) -> Self {
        self.resolve.insert(host.to_owned(), address);
        self
    }

    /// Speaks HTTP/2: by ALPN over TLS.
    pub fn http2(mut self) -> Self {
        self.http2 = true;
        self
    }

    /// Sends this header with each request.
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.insert(HeaderName::try_from(name).unwrap(), HeaderValue::try_from(value).unwrap());
        self
    }

    /// Sends this bearer token with each request.
    pub fn with_bearer(self, token: &str) -> Self {
        self.with_header("authorization", &format!("Bearer {token}"))
    }

    pub fn get(&self, target: &str) -> Ask {
        self.ask(Method::GET, target)
    }

    pub fn post(&self, target: &str) -> Ask {
        self.ask(Method::POST, target)
    }

    pub fn put(&self, target: &str) -> Ask {
        self.ask(Method::PUT, target)
    }

    pub fn patch(&self, target: &str) -> Ask {
        self.ask(Method::PATCH, target)
    }

    pub fn delete(&self, target: &str) -> Ask {
        self.ask(Method::DELETE, target)
    }

    /// A request to a path or an absolute URL.
    pub fn ask(&self, method: Method, target: &str) -> Ask {
        let uri = if target.starts_with('/') { format!("{}{target}", self.base) } else { target.to_owned() };
        Ask {
            client: self.clone(),
            method,
            uri: uri.parse().unwrap(),
            headers: self.headers.clone(),
            body: Bytes::new(),
        }
    }

    /// Gets `target` and follows redirects, at most ten, until an answer is none.
    pub async fn walk(&self, target: &str) -> Answer {
        let mut answer = self.get(target).send().await;
        for _ in 0..10 {
            let Some(next) = answer.next() else { return answer };
            answer = self.get(&next).send().await;
        }
        panic!("more than ten redirects, last to {:?}", answer.location());
    }

    /// The value of a cookie that `host` (with its port, as in a URL) has set.
    pub fn cookie(&self, host: &str, name: &str) -> Option<String> {
        self.cookies.lock().unwrap().get(&(host.to_owned(), name.to_owned())).cloned()
    }

    /// Sets a cookie, as an attacker or another browser would.
    pub fn set_cookie(&self, host: &str, name: &str, value: &str) {
        self.cookies.lock().unwrap().insert((host.to_owned(), name.to_owned()), value.to_owned());
    }

    /// Forgets all cookies.
    pub fn forget_cookies(&self) {
        self.cookies.lock().unwrap().clear();
    }

    /// Host and port of the client's own address, the key of its cookies.
    pub fn host(&self) -> String {
        self.base.parse::<Uri>().unwrap().authority().unwrap().to_string()
    }

    fn cookie_header(&self, host: &str) -> Option<HeaderValue> {
        let cookies = self.cookies.lock().unwrap();
        let pairs: Vec<String> = cookies
            .iter()
            .filter(|((at, _), _)| at == host)
            .map(|((_, name), value)| format!("{name}={value}"))
            .collect();
        (!pairs.is_empty()).then(|| HeaderValue::try_from(pairs.join("; ")).unwrap())
    }

    fn keep_cookies(&self, host: &str, headers: &HeaderMap) {
        let mut cookies = self.cookies.lock().unwrap();
        for header in headers.get_all(SET_COOKIE) {
            let cookie = cookie::Cookie::parse(header.to_str().unwrap().to_owned()).unwrap();
            let key = (host.to_owned(), cookie.name().to_owned());
            if cookie.value().is_empty() || cookie.max_age().is_some_and(|age| age.whole_seconds() <= 0) {
                cookies.remove(&key);
            } else {
                cookies.insert(key, cookie.value().to_owned());
            }
        }
    }

    async fn connect(&self, uri: &Uri) -> std::io::Result<TcpStream> {
        let host = uri.host().unwrap().trim_start_matches('[').trim_end_matches(']');
        let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 });
        match self.resolve.get(host) {
            Some(address) => TcpStream::connect(address).await,
            None => TcpStream::connect((host, port)).await,
        }
    }

    fn tls(&self) -> TlsConnector {
        let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(self.roots.clone())
            .with_no_client_auth();
        config.alpn_protocols = vec![if self.http2 { b"h2".to_vec() } else { b"http/1.1".to_vec() }];
        TlsConnector::from(Arc::new(config))
    }

    /// One TLS connection to the client's address, for tests that write bytes themselves.
    pub async fn open_tls(&self) -> Result<tokio_rustls::client::TlsStream<TcpStream>, std::io::Error> {
        let uri: Uri = self.base.parse().unwrap();
        let name = ServerName::try_from(uri.host().unwrap().to_owned()).unwrap();
        let stream = self.connect(&uri).await?;
        self.tls().connect(name, stream).await
    }
}

/// A request being written.
#[must_use]
pub struct Ask {
    client: Client,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
}

impl Ask {
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.append(HeaderName::try_from(name).unwrap(), HeaderValue::try_from(value).unwrap());
        self
    }

    pub fn bearer(mut self, token: &str) -> Self {
        self.headers.insert(AUTHORIZATION, HeaderValue::try_from(format!("Bearer {token}")).unwrap());
        self
    }

    pub fn body(mut self, content_type: &str, body: impl Into<Bytes>) -> Self {
        self.headers.insert(CONTENT_TYPE, HeaderValue::try_from(content_type).unwrap());
        self.body = body.into();
        self
    }

    pub fn json(self, value: &serde_json::Value) -> Self {
        self.body("application/json", value.to_string())
    }

    pub fn form(self, fields: &[(&str, &str)]) -> Self {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.body("application/x-www-form-urlencoded", body)
    }

    /// Sends the request; a broken connection fails the test.
    pub async fn send(self) -> Answer {
        let what = format!("{} {}", self.method, self.uri);
        self.try_send().await.unwrap_or_else(|error| panic!("{what}: {error}"))
    }

    /// Sends the request; the error says how the connection broke.
    pub async fn try_send(self) -> Result<Answer, String> {
        tokio::time::timeout(PATIENCE, self.exchange()).await.map_err(|_| "no answer in time".to_owned())?
    }

    async fn exchange(self) -> Result<Answer, String> {
        let Self { client, uri, .. } = &self;
        let host = uri.authority().unwrap().to_string();
        let refused = |error: std::io::Error| format!("connecting: {error}");
        let answer = if let Some(path) = &client.unix {
            let stream = UnixStream::connect(path).await.map_err(refused)?;
            over(stream, false, self.request(&host)).await?
        } else if uri.scheme_str() == Some("https") {
            let name = uri.host().unwrap().trim_start_matches('[').trim_end_matches(']').to_owned();
            let name = ServerName::try_from(name).unwrap();
            let stream = client.connect(uri).await.map_err(refused)?;
            let stream = client.tls().connect(name, stream).await.map_err(|error| format!("TLS: {error}"))?;
            let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            assert_eq!(http2, client.http2, "the protocol agreed on");
            over(stream, http2, self.request(&host)).await?
        } else {
            over(client.connect(uri).await.map_err(refused)?, client.http2, self.request(&host)).await?
        };
        client.keep_cookies(&host, &answer.headers);
        Ok(Answer { url: uri.clone(), ..answer })
    }

    fn request(&self, host: &str) -> Request<Full<Bytes>> {
        let http2 = self.client.http2 && self.client.unix.is_none();
        let target = if http2 { self.uri.to_string() } else { self.uri.path_and_query().unwrap().to_string() };
        let mut request =
            Request::builder().method(self.method.clone()).uri(target).body(Full::new(self.body.clone())).unwrap();
        *request.headers_mut() = self.headers.clone();
        if !http2 && !self.headers.contains_key(HOST) {
            request.headers_mut().insert(HOST, HeaderValue::try_from(host).unwrap());
        }
        if let Some(cookies) = self.client.cookie_header(host) {
            request.headers_mut().insert(COOKIE, cookies);
        }
        request
    }
}

/// One exchange on a connection of its own.
async fn over<S>(stream: S, http2: bool, request: Request<Full<Bytes>>) -> Result<Answer, String>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let io = TokioIo::new(stream);
    let broken = |error: hyper::Error| format!("broken connection: {error:?}");
    let response = if http2 {
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.map_err(broken)?;
        let driver = drive(connection);
        let response = sender.send_request(request).await.map_err(broken)?;
        collect(response, driver).await
    } else {
        let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.map_err(broken)?;
        let driver = drive(connection);
        let response = sender.send_request(request).await.map_err(broken)?;
        collect(response, driver).await
    };
    response.map_err(broken)
}

fn drive(connection: impl Future<Output = Result<(), hyper::Error>> + Send + 'static) -> tokio::task::AbortHandle {
    tokio::spawn(async move {
        // How it broke shows at the exchange.
        drop(connection.await);
    })
    .abort_handle()
}

async fn collect(
    response: http::Response<hyper::body::Incoming>,
    driver: tokio::task::AbortHandle,
) -> Result<Answer, hyper::Error> {
    let (parts, body) = response.into_parts();
    let body = body.collect().await?.to_bytes();
    driver.abort();
    Ok(Answer { status: parts.status.as_u16(), headers: parts.headers, body, url: Uri::default() })
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// What was asked.
    pub url: Uri,
}

impl Answer {
    /// The body as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{} {error}: {}", self.status, self.text()))
    }

    /// A header's first value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The `Location` as it was sent.
    pub fn location(&self) -> Option<&str> {
        self.headers.get(LOCATION).map(|value| value.to_str().unwrap())
    }

    /// Where a redirect leads, as an absolute URL.
    pub fn next(&self) -> Option<String> {
        let location = self.location().filter(|_| (300..400).contains(&self.status))?;
        Some(url::Url::parse(&self.url.to_string()).unwrap().join(location).unwrap().to_string())
    }
}
