//! The id that ties an answer, its log lines and its ledger events together.

use ::http::{HeaderMap, HeaderName, HeaderValue};

/// Most characters of an id that a proxy gives.
const MAX_LENGTH: usize = 64;

pub(super) const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// The id of one request: 1 to 64 letters, digits, `-`, `_` and `.`. In the request's extensions, in the answer's
/// `X-Request-Id` and on every log line of the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(pub String);

impl RequestId {
    /// The `number`th id of the connection that `connection` names.
    pub(super) fn of(connection: u64, number: u32) -> Self {
        Self(format!("{connection:016x}-{number}"))
    }

    /// The id that a trusted proxy sent, if it is one.
    pub(super) fn from_proxy(headers: &HeaderMap) -> Option<Self> {
        let text = headers.get(HEADER)?.to_str().ok()?;
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        (!text.is_empty() && text.len() <= MAX_LENGTH && text.chars().all(plain)).then(|| Self(text.to_owned()))
    }

    pub(super) fn header_value(&self) -> Option<HeaderValue> {
        HeaderValue::from_str(&self.0).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_id_of_a_proxy_is_taken() {
        let id = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(HEADER, HeaderValue::from_bytes(text.as_bytes()).unwrap());
            RequestId::from_proxy(&headers).map(|id| id.0)
        };
        assert_eq!(id("b3-Trace_1.2").as_deref(), Some("b3-Trace_1.2"));
        for text in ["", "a b", "a\"b", "a;b=1", "\u{e9}", "{x}"] {
            assert_eq!(id(text), None, "{text}");
        }
        assert_eq!(RequestId::from_proxy(&HeaderMap::new()), None);
        let mut long = HeaderMap::new();
        long.insert(HEADER, HeaderValue::from_str(&"a".repeat(65)).unwrap());
        assert_eq!(RequestId::from_proxy(&long), None);
    }
}
