//! The answer of plumbing that no surface has put into its own words: problem details (RFC 9457).

use ::http::header::CONTENT_TYPE;
use ::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

/// An answer of `status` as `application/problem+json`; `detail` is read by the peer.
pub fn problem(status: StatusCode, detail: &str) -> Response {
    let body = serde_json::json!({
        "type": "about:blank",
        "title": status.canonical_reason().unwrap_or("Error"),
        "status": status.as_u16(),
        "detail": detail,
    });
    let kind = HeaderValue::from_static("application/problem+json");
    (status, [(CONTENT_TYPE, kind)], body.to_string()).into_response()
}
