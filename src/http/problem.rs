//! The answer of plumbing that no surface has put into its own words: problem details (RFC 9457).

use ::http::header::{CONTENT_TYPE, RETRY_AFTER};
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

/// In whose form the listener itself answers a request: that of the surface which the request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Problem details (RFC 9457).
    Problem,
    /// An error of RFC 7644 section 3.12.
    Scim,
}

impl Form {
    /// The form for this path.
    pub(super) fn of(path: &str) -> Self {
        match path.strip_prefix("/scim") {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => Self::Scim,
            _ => Self::Problem,
        }
    }

    /// An answer of `status`. What cannot be served now says when to come back.
    pub(super) fn problem(self, status: StatusCode, detail: &str) -> Response {
        let mut response = match self {
            Self::Problem => problem(status, detail),
            Self::Scim => {
                let body = serde_json::json!({
                    "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
                    "status": status.as_str(),
                    "detail": detail,
                });
                let kind = HeaderValue::from_static("application/scim+json");
                (status, [(CONTENT_TYPE, kind)], body.to_string()).into_response()
            }
        };
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("5"));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_listener_answers_in_the_form_of_the_surface() {
        for (path, kind) in [
            ("/scim", "application/scim+json"),
            ("/scim/v2/Users", "application/scim+json"),
            ("/scimitar", "application/problem+json"),
            ("/api/v1/users", "application/problem+json"),
        ] {
            let response = Form::of(path).problem(StatusCode::SERVICE_UNAVAILABLE, "busy");
            assert_eq!(response.headers()[CONTENT_TYPE], kind, "{path}");
            assert_eq!(response.headers()[RETRY_AFTER], "5");
            let response = Form::of(path).problem(StatusCode::REQUEST_TIMEOUT, "slow");
            assert!(!response.headers().contains_key(RETRY_AFTER));
        }
    }
}
