//! Saying "not now": 429 with `Retry-After` (RFC 9110 section 10.2.3) and the draft `RateLimit` fields.

use std::time::Duration;

use axum::response::Response;
use http::StatusCode;
use http::header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};

use super::Allowance;
use crate::http::problem;

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// The allowance is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many requests; the next is allowed in {after:?}")]
pub struct Retry {
    /// When to come again.
    pub after: Duration,
    /// Which limiter said so, a word for metrics and logs.
    pub limiter: &'static str,
    pub(super) allowance: Allowance,
    pub(super) hidden: bool,
}

impl Retry {
    /// Whole seconds to wait, at least one.
    pub fn seconds(&self) -> u64 {
        let whole = self.after.as_secs();
        if self.after.subsec_nanos() > 0 { whole.saturating_add(1) } else { whole.max(1) }
    }

    /// Sets `Retry-After`, and `RateLimit` with its policy unless an account counted: those would tell strangers about
    /// somebody else's tries.
    pub fn set_headers(&self, headers: &mut HeaderMap) {
        headers.insert(RETRY_AFTER, self.seconds().into());
        if self.hidden {
            return;
        }
        let Allowance { per, requests, .. } = self.allowance;
        let window = per.as_secs().max(1);
        let policy = format!("\"{}\";q={requests};w={window}", self.limiter);
        let state = format!("\"{}\";r=0;t={}", self.limiter, self.seconds());
        for (name, text) in [(RATE_LIMIT_POLICY, policy), (RATE_LIMIT, state)] {
            if let Ok(value) = HeaderValue::try_from(text) {
                headers.insert(name, value);
            }
        }
    }

    /// The answer as problem details; surfaces with a form of their own take the headers only.
    pub fn response(&self) -> Response {
        let mut response =
            problem(StatusCode::TOO_MANY_REQUESTS, "too many requests; wait as long as Retry-After says");
        self.set_headers(response.headers_mut());
        response
    }
}
