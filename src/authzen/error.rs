//! Failures: the standard's status codes (section 10.1) with problem details (RFC 9457) as the object that it asks for.

use axum::response::{IntoResponse, Response};
use http::header::{HeaderValue, WWW_AUTHENTICATE};
use http::{HeaderMap, StatusCode};

use crate::error::Chain;
use crate::http::problem;
use crate::limit::Retry;
use crate::store::{self, Retryable};
use crate::{access, directory, login};

/// Why a question was not answered.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The caller may not ask this.
    #[error("{0}")]
    Forbidden(String),
    /// A defect of the program.
    #[error("{0}")]
    Internal(&'static str),
    /// The request is not one of the standard's, or a value in it cannot be used.
    #[error("{0}")]
    Malformed(String),
    /// There is no such address.
    #[error("there is no such address")]
    NotFound,
    /// The store does not answer, or not as it should.
    #[error("the store is not available; try again")]
    Store(#[source] store::Error),
    /// Too many calls.
    #[error("too many requests")]
    TooMany(Retry),
    /// No credentials, or none that are good.
    #[error("a session or a management token is needed")]
    Unauthorized,
}

impl Error {
    /// `path` is where in the body (`resource.properties.scope`), `reason` the rest of a sentence that starts with it.
    pub(super) fn malformed(path: &str, reason: impl std::fmt::Display) -> Self {
        Self::Malformed(format!("`{path}` {reason}"))
    }

    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        match &self {
            Self::Store(error) => tracing::warn!(error = %Chain(error), "a decision could not be answered"),
            Self::Internal(_) => tracing::error!("a decision failed: {self}"),
            _ => {}
        }
        let mut headers = HeaderMap::new();
        if let Self::TooMany(retry) = &self {
            retry.set_headers(&mut headers);
        }
        if matches!(self, Self::Unauthorized) {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"cleargate\""));
        }
        let mut response = problem(self.status(), &self.to_string());
        response.headers_mut().extend(headers);
        response
    }
}

impl Retryable for Error {
    fn is_lost_race(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_lost_race())
    }
}

impl From<access::Error> for Error {
    fn from(error: access::Error) -> Self {
        match error {
            access::Error::Anonymous => Self::Unauthorized,
            access::Error::Denied(explanation) => Self::Forbidden(explanation.reason),
            access::Error::Store(error) => Self::Store(error),
            _ => Self::Internal("a decision that could not be asked for"),
        }
    }
}

impl From<directory::Error> for Error {
    fn from(error: directory::Error) -> Self {
        match error {
            directory::Error::Store(error) => Self::Store(error),
            _ => Self::Internal("the directory could not be read"),
        }
    }
}

impl From<login::Turned> for Error {
    fn from(turned: login::Turned) -> Self {
        match turned {
            login::Turned::Foreign => Self::Forbidden(turned.to_string()),
            login::Turned::SignIn(login::Error::Store(error)) | login::Turned::Store(error) => Self::Store(error),
            login::Turned::TooMany(retry) => Self::TooMany(retry),
            login::Turned::SignIn(_) | login::Turned::Unauthorized => Self::Unauthorized,
        }
    }
}
