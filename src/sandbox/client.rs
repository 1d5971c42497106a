//! A program that speaks JSON with the gateway: the provisioning client and the administrator's automation of the demo.

use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method};
use serde_json::Value;
use url::Url;

use super::Failed;
use crate::http::outbound::{Outbound, Provenance};
use crate::secret::Secret;

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    /// What was asked, for messages.
    asked: String,
    /// The status.
    pub status: u16,
    /// The body; null when there is none, or a refusal that is no JSON.
    pub body: Value,
    /// `X-Request-Id`, for the log.
    pub request_id: Option<String>,
}

/// A client with a token. Cloning shares its settings.
#[derive(Clone, Debug)]
pub struct Client {
    outbound: Outbound,
    base: Url,
    token: Secret,
    content_type: &'static str,
}

impl Client {
    /// A client of the surface at `base`, which ends without a slash; `content_type` is what it sends.
    pub fn new(outbound: Outbound, base: Url, token: Secret, content_type: &'static str) -> Self {
        Self { outbound, base, token, content_type }
    }

    /// Asks for `path`, which starts with a slash and is encoded.
    ///
    /// # Errors
    /// When there is no answer, or one that promises something and is no JSON.
    pub async fn get(&self, path: &str) -> Result<Answer, Failed> {
        self.send(Method::GET, path, None).await
    }

    /// Sends `body` to `path`.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Answer, Failed> {
        let asked = format!("{method} {path}");
        let address = format!("{}{path}", self.base);
        let url = Url::parse(&address).map_err(|error| Failed::while_doing(&asked, &error))?;
        let mut headers = HeaderMap::new();
        let bearer = HeaderValue::try_from(format!("Bearer {}", self.token.expose()));
        headers.insert(AUTHORIZATION, bearer.map_err(|error| Failed::while_doing(&asked, &error))?);
        if body.is_some() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        }
        let bytes = body.map(Value::to_string).unwrap_or_default().into();
        let response = self.outbound.send(method, &url, &Provenance::Administrator, headers, bytes).await;
        let response = response.map_err(|error| Failed::while_doing(&asked, &error))?;
        let body = match serde_json::from_slice(&response.body) {
            Ok(body) => body,
            // What refuses in front of the gateway says so in a page of its own; the status tells.
            Err(_) if response.body.is_empty() || !response.status.is_success() => Value::Null,
            Err(error) => {
                let doing = format!("{asked} (answered {} without JSON)", response.status.as_u16());
                return Err(Failed::while_doing(doing, &error));
            }
        };
        let request_id = response.headers.get("x-request-id").and_then(|id| id.to_str().ok()).map(str::to_owned);
        Ok(Answer { asked, status: response.status.as_u16(), body, request_id })
    }
}

impl Answer {
    /// The body, if the status is this one.
    ///
    /// # Errors
    /// When it is another one; the text has what the gateway said.
    pub fn expect(self, status: u16) -> Result<Value, Failed> {
        if self.status == status {
            return Ok(self.body);
        }
        Err(Failed::new(format!("{} answered {} instead of {status}: {}", self.asked, self.status, self.body)))
    }
}

/// A member's text.
///
/// # Errors
/// When it is absent or no text.
pub fn text<'v>(value: &'v Value, name: &str) -> Result<&'v str, Failed> {
    let found = value.get(name).and_then(Value::as_str);
    found.ok_or_else(|| Failed::new(format!("`{name}` is missing in {value}")))
}

/// A text as part of an address.
pub fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}
