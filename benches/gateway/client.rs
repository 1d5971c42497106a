//! A lean HTTP/1.1 client: one connection that is kept for as long as the server keeps it.

use bytes::Bytes;
use http::header::{CONNECTION, HOST, LOCATION};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Version};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

/// A request, without what is the same for all of a connection.
pub struct Call {
    pub method: Method,
    pub path: String,
    pub body: String,
    /// What the answer must be, one of these.
    pub expected: &'static [u16],
}

impl Call {
    pub fn get(path: String) -> Self {
        Self { method: Method::GET, path, body: String::new(), expected: &[200] }
    }
}

pub struct Connection {
    authority: String,
    headers: HeaderMap,
    sender: Option<SendRequest<Full<Bytes>>>,
}

impl Connection {
    /// To `http://host:port`, with headers that go with every request.
    pub fn new(base: &str, headers: &[(&str, &str)]) -> Self {
        let authority = base.strip_prefix("http://").unwrap().to_owned();
        let mut map = HeaderMap::new();
        map.insert(HOST, HeaderValue::try_from(authority.as_str()).unwrap());
        for (name, value) in headers {
            map.insert(HeaderName::try_from(*name).unwrap(), HeaderValue::try_from(*value).unwrap());
        }
        Self { authority, headers: map, sender: None }
    }

    /// The body of the answer, which must have an expected status.
    pub async fn send(&mut self, call: &Call) -> Bytes {
        self.exchange(call).await.1
    }

    /// Where the answer sends the browser.
    pub async fn location(&mut self, call: &Call) -> String {
        self.exchange(call).await.0[LOCATION].to_str().unwrap().to_owned()
    }

    async fn exchange(&mut self, call: &Call) -> (HeaderMap, Bytes) {
        let mut sender = match self.sender.take() {
            Some(sender) if !sender.is_closed() => sender,
            _ => self.connect().await,
        };
        let mut request = Request::builder()
            .method(call.method.clone())
            .uri(&call.path)
            .body(Full::new(Bytes::from(call.body.clone())))
            .unwrap();
        *request.headers_mut() = self.headers.clone();
        sender.ready().await.unwrap();
        let response = sender.send_request(request).await.unwrap();
        let closes = response.version() == Version::HTTP_10
            || response.headers().get(CONNECTION).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"close"));
        let status = response.status().as_u16();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        assert!(
            call.expected.contains(&status),
            "{} {}: {status} {}",
            call.method,
            call.path,
            String::from_utf8_lossy(&body)
        );
        if !closes {
            self.sender = Some(sender);
        }
        (parts.headers, body)
    }

    pub async fn json(&mut self, call: &Call) -> Value {
        let body = self.send(call).await;
        if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() }
    }

    async fn connect(&self) -> SendRequest<Full<Bytes>> {
        let stream = TcpStream::connect(&self.authority).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(async move {
            // How it breaks shows at the requests.
            drop(connection.await);
        });
        sender
    }
}
