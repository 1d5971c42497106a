//! Talks to a daemon: over its unix socket, or over the network with a token.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::UnixStream;
use url::Url;

use super::{Exit, Failure, Options, password, serve};
use crate::config::{self, Credentials};
use crate::http::outbound::{Outbound, OutboundSettings, Provenance};
use crate::http::read_whole;
use crate::secret::Secret;

/// Largest answer, in bytes.
const MAX_ANSWER_BYTES: usize = 64 << 20;
/// Longest wait for an answer; a sync of a large directory takes its time.
const DEADLINE: Duration = Duration::from_secs(600);
/// Longest wait for the next piece of an answer that is made meanwhile: a copy of a store of very many gigabytes.
const PIECE_DEADLINE: Duration = Duration::from_secs(6 * 3_600);

/// A daemon to talk to.
pub(super) struct Client {
    way: Way,
}

enum Way {
    Network { base: Url, outbound: Outbound, token: Secret },
    Socket(PathBuf),
}

impl Client {
    /// The daemon that the options mean. Nothing is connected yet.
    pub(super) fn open(options: &Options) -> Result<Self, Failure> {
        let way = match (&options.url, &options.token_file) {
            (Some(url), Some(file)) => network(url, file, options.ca.as_deref())?,
            _ => Way::Socket(options.socket.clone().map_or_else(|| configured_socket(options), Ok)?),
        };
        Ok(Self { way })
    }

    pub(super) async fn get(&self, path: &str) -> Result<Value, Failure> {
        self.call(Method::GET, path, None).await
    }

    pub(super) async fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        self.call(Method::POST, path, Some(body)).await
    }

    pub(super) async fn patch(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        self.call(Method::PATCH, path, Some(body)).await
    }

    pub(super) async fn put(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        self.call(Method::PUT, path, Some(body)).await
    }

    pub(super) async fn delete(&self, path: &str) -> Result<Value, Failure> {
        self.call(Method::DELETE, path, None).await
    }

    pub(super) async fn delete_with(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        self.call(Method::DELETE, path, Some(body)).await
    }

    /// Every item of a list, page by page, at most `most`.
    pub(super) async fn list(&self, path: &str, query: &[(&str, &str)], most: usize) -> Result<Vec<Value>, Failure> {
        let mut items = Vec::new();
        let mut cursor: Option<String> = None;
        while items.len() < most {
            let mut query = query.to_vec();
            let limit = most.saturating_sub(items.len()).min(500).to_string();
            query.push(("limit", &limit));
            query.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
            let page = self.get(&with_query(path, &query)).await?;
            let listed = page.get("items").or_else(|| page.get("logs")).and_then(Value::as_array);
            items.extend(listed.into_iter().flatten().cloned());
            match page.get("next").and_then(Value::as_str) {
                Some(next) => cursor = Some(next.to_owned()),
                None => break,
            }
        }
        items.truncate(most);
        Ok(items)
    }

    /// The bytes of an answer that is a document.
    pub(super) async fn document(&self, path: &str) -> Result<Bytes, Failure> {
        let (status, bytes) = self.within(self.exchange(Method::GET, path, Bytes::new())).await?;
        if status.is_success() { Ok(bytes) } else { Err(failure(status, &bytes)) }
    }

    /// Gives the answer to a request on this machine to `take`, a piece at a time, however long it is. An answer that breaks
    /// off is a failure.
    pub(super) async fn fetch(
        &self,
        path: &str,
        mut take: impl FnMut(&[u8]) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let Way::Socket(socket) = &self.way else {
            return Err(Failure::new(Exit::Usage, "this goes over the socket only: leave out --url"));
        };
        let late = |_| Failure::new(Exit::Dependency, "the daemon did not go on in time");
        let broken =
            |error| Failure::caused(Exit::Dependency, error, "the answer broke off; the daemon's log tells why");
        with_socket(socket, Method::POST, path, Bytes::new(), async |response| {
            let status = response.status();
            let mut body = response.into_body();
            if !status.is_success() {
                let body = read_whole(body, MAX_ANSWER_BYTES).await.map_err(|error| unreachable(socket, error))?;
                return Err(failure(status, &body));
            }
            while let Some(frame) = tokio::time::timeout(PIECE_DEADLINE, body.frame()).await.map_err(late)? {
                if let Ok(piece) = frame.map_err(broken)?.into_data() {
                    take(&piece)?;
                }
            }
            Ok(())
        })
        .await
    }

    /// Posts a document.
    pub(super) async fn send_document(&self, path: &str, document: Bytes) -> Result<Value, Failure> {
        let (status, bytes) = self.within(self.exchange(Method::POST, path, document)).await?;
        read(status, &bytes)
    }

    async fn within<T>(&self, answer: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        let late = |_| Failure::new(Exit::Dependency, "the daemon did not answer in time");
        tokio::time::timeout(DEADLINE, answer).await.map_err(late)?
    }

    async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Failure> {
        let bytes = body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
        let (status, bytes) = self.within(self.exchange(method, path, bytes)).await?;
        read(status, &bytes)
    }

    async fn exchange(&self, method: Method, path: &str, body: Bytes) -> Result<(StatusCode, Bytes), Failure> {
        match &self.way {
            Way::Socket(socket) => over_socket(socket, method, path, body).await,
            Way::Network { base, outbound, token } => {
                let refused = |error| Failure::caused(Exit::Usage, error, "the path cannot be used");
                let url = base.join(path).map_err(refused)?;
                let mut headers = HeaderMap::new();
                let mut bearer = HeaderValue::try_from(format!("Bearer {}", token.expose()))
                    .map_err(|_| Failure::new(Exit::Usage, "the token file holds no token"))?;
                bearer.set_sensitive(true);
                headers.insert(AUTHORIZATION, bearer);
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
                let sent = outbound.send(method, &url, &Provenance::Administrator, headers, body).await;
                let response = sent.map_err(|error| {
                    Failure::caused(Exit::Unreachable, error, format!("no daemon answers at {base}"))
                })?;
                Ok((response.status, response.body))
            }
        }
    }
}

/// The socket of the configuration, which may be unreadable to whoever asks; the usual place then.
fn configured_socket(options: &Options) -> Result<PathBuf, Failure> {
    let path = options.config_path();
    let config = match config::load(&path, &Credentials::Unchecked) {
        Ok(config) => Some(config),
        // A named file must do; the installed one may be closed to whoever only uses the socket.
        Err(_) if options.config.is_some() => Some(serve::load(&path)?),
        Err(_) => None,
    };
    Ok(config.map_or_else(|| PathBuf::from("/run/cleargate/admin.sock"), |config| config.listen.admin))
}

fn network(url: &str, token_file: &Path, ca: Option<&Path>) -> Result<Way, Failure> {
    let base: Url = url.parse().map_err(|error| Failure::caused(Exit::Usage, error, format!("--url {url}")))?;
    let read = |path: &Path| {
        std::fs::read(path)
            .map_err(|error| Failure::caused(Exit::Failure, error, format!("cannot read {}", path.display())))
    };
    let settings = OutboundSettings {
        ca_pem: ca.map(read).transpose()?,
        deadline: DEADLINE,
        max_response_bytes: MAX_ANSWER_BYTES,
        ..OutboundSettings::default()
    };
    let outbound = Outbound::new(settings).map_err(|error| Failure::caused(Exit::Usage, error, "cannot use --ca"))?;
    Ok(Way::Network { base, outbound, token: password::read_file(token_file)? })
}

async fn over_socket(socket: &Path, method: Method, path: &str, body: Bytes) -> Result<(StatusCode, Bytes), Failure> {
    with_socket(socket, method, path, body, async |response| {
        let status = response.status();
        let body = read_whole(response.into_body(), MAX_ANSWER_BYTES).await;
        Ok((status, body.map_err(|error| unreachable(socket, error))?))
    })
    .await
}

fn unreachable(socket: &Path, error: impl Into<anyhow::Error>) -> Failure {
    Failure::caused(Exit::Unreachable, error, format!("no daemon answers at {}", socket.display()))
}

/// Sends a request over the socket and lets `take` read the answer.
async fn with_socket<T>(
    socket: &Path,
    method: Method,
    path: &str,
    body: Bytes,
    take: impl AsyncFnOnce(Response<Incoming>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let stream = UnixStream::connect(socket).await.map_err(|error| match error.kind() {
        std::io::ErrorKind::PermissionDenied => {
            Failure::caused(Exit::NotPermitted, error, format!("cannot use {}", socket.display()))
        }
        _ => unreachable(socket, error),
    })?;
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(|error| unreachable(socket, error))?;
    let request = Request::builder().method(method).uri(path).header(HOST, "localhost");
    let request = request.header(CONTENT_TYPE, "application/json").body(Full::new(body));
    let request = request.map_err(|error| Failure::caused(Exit::Usage, error, "the path cannot be used"))?;
    let exchange = async {
        let response = sender.send_request(request).await.map_err(|error| unreachable(socket, error))?;
        take(response).await
    };
    // The connection is driven beside the exchange and ends with it.
    tokio::pin!(exchange, connection);
    tokio::select! {
        biased;
        answer = &mut exchange => answer,
        ended = &mut connection => match ended {
            Ok(()) => exchange.await,
            Err(error) => Err(unreachable(socket, error)),
        },
    }
}

/// The object of a good answer; problem details (RFC 9457) become a failure.
fn read(status: StatusCode, bytes: &Bytes) -> Result<Value, Failure> {
    if !status.is_success() {
        return Err(failure(status, bytes));
    }
    let object = if bytes.is_empty() { Ok(Value::Null) } else { serde_json::from_slice(bytes) };
    object.map_err(|error| Failure::caused(Exit::Failure, error, "the daemon's answer is no JSON"))
}

fn failure(status: StatusCode, bytes: &Bytes) -> Failure {
    let exit = match status.as_u16() {
        401 | 403 => Exit::NotPermitted,
        404 => Exit::NotFound,
        409 | 412 => Exit::Conflict,
        502..=504 => Exit::Dependency,
        _ => Exit::Failure,
    };
    let object = serde_json::from_slice(bytes).unwrap_or(Value::Null);
    let text = |name: &str| object.get(name).and_then(Value::as_str);
    let detail =
        text("detail").or_else(|| text("title")).unwrap_or_else(|| status.canonical_reason().unwrap_or("refused"));
    let field = text("field").map(|field| format!("{field}: ")).unwrap_or_default();
    let request = text("request_id").map(|id| format!(" (request {id})")).unwrap_or_default();
    Failure::new(exit, format!("{field}{detail}{request}"))
}

/// The address of a call that is made, or only tried.
pub(super) fn tried(path: &str, dry_run: bool) -> String {
    if dry_run { with_query(path, &[("dry_run", "true")]) } else { path.to_owned() }
}

/// The path with a query, encoded.
pub(super) fn with_query(path: &str, query: &[(&str, &str)]) -> String {
    if query.is_empty() {
        return path.to_owned();
    }
    let query: String = form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
    format!("{path}?{query}")
}

/// A path of fixed parts and one name of somebody's, encoded as one segment.
pub(super) fn path(before: &str, name: &str, after: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'~');
    // A dot alone would mean the folder itself, so that dots are encoded too.
    let name: String =
        name.bytes().map(|b| if is_plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect();
    format!("/api/v1/{before}/{name}{after}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_one_segment_of_the_path() {
        assert_eq!(path("users", "ada@example.com", ""), "/api/v1/users/ada%40example%2Ecom");
        assert_eq!(path("users", "../x?y#z", "/permissions"), "/api/v1/users/%2E%2E%2Fx%3Fy%23z/permissions");
        assert_eq!(path("locks", "jürgen", ""), "/api/v1/locks/j%C3%BCrgen");
    }

    #[test]
    fn an_answer_is_told_by_its_exit_code() {
        let answer = |status: u16, body: &'static str| read(StatusCode::from_u16(status).unwrap(), &Bytes::from(body));
        for (status, code) in
            [(400, 1), (401, 4), (403, 4), (404, 5), (409, 6), (412, 6), (429, 1), (500, 1), (503, 69)]
        {
            assert_eq!(answer(status, "<html>").unwrap_err().exit().code(), code, "{status}");
        }
        let failure = answer(409, r#"{"title":"Conflict","detail":"is taken","field":"userName","request_id":"r1"}"#)
            .unwrap_err();
        assert_eq!(failure.to_string(), "userName: is taken (request r1)");
        assert_eq!(answer(204, "").unwrap(), Value::Null);
        assert!(answer(200, "<html>").is_err());
    }
}
