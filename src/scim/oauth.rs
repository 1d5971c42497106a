//! `POST /oauth2/token`: access tokens for clients of a connection (RFC 6749 section 4.4), for those who provision and do
//! not take a token that never ends.
//!
//! The only grant is `client_credentials`; the client shows its id and secret by HTTP Basic (`client_secret_basic`) or in
//! the body (`client_secret_post`), one of them. There is no refresh token (section 4.4.3) and nothing to redirect to.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Request, State};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use futures_util::future::BoxFuture;
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, PRAGMA, RETRY_AFTER, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde_json::json;

use crate::error::Chain;
use crate::http::{Access, Admit, Rate, Route, Takes, circumstance, router};
use crate::limit::{Limits, Retry, Subject};
use crate::secret::Secret;
use crate::tokens::{Issued, Refusals, Refused, Tokens};

/// The surface. Cloning shares everything.
#[derive(Clone)]
pub struct OAuth {
    tokens: Tokens,
    refusals: Refusals,
}

/// Why there is no access token (RFC 6749 section 5.2).
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("the client is not known, or its secret is wrong, revoked or expired")]
    Client,
    #[error("the only grant_type is client_credentials")]
    Grant,
    #[error("{0}")]
    Request(&'static str),
    #[error("too many requests from this address")]
    TooMany(Retry),
    #[error("tokens cannot be made at the moment")]
    Unavailable,
}

/// Every route of the surface.
pub fn oauth_table() -> Vec<Route<OAuth>> {
    vec![Route::new(Method::POST, "/oauth2/token", Access::Public, Rate::SignIn, token).takes(Takes::Random)]
}

/// The surface's router.
pub fn oauth_routes(tokens: Tokens, limits: Limits) -> Router {
    let oauth = OAuth { refusals: Refusals::new(tokens.clone()), tokens };
    router(oauth_table(), oauth, Arc::new(Gate(limits)))
}

/// Counts by address, before anything is read.
struct Gate(Limits);

impl Admit for Gate {
    fn admit<'a>(&'a self, _: Access, rate: Rate, parts: &'a mut Parts) -> BoxFuture<'a, Result<(), Response>> {
        Box::pin(async move {
            let Some(address) = circumstance(parts).address else { return Ok(()) };
            self.0.check(rate, Subject::Address(address)).map_err(|retry| Error::TooMany(retry).into_response())
        })
    }

    fn refuse(&self, _: StatusCode, _: &str) -> Response {
        Error::Request("the body is too large, or coded").into_response()
    }
}

async fn token(State(oauth): State<OAuth>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    match exchange(&oauth, &parts, body).await {
        Ok(Answer { issued, names_scope }) => {
            let mut answer = json!({
                "access_token": issued.token.expose(),
                "token_type": "Bearer",
                "expires_in": issued.lasts.as_secs(),
            });
            // Section 5.1: what was given is told when it is not what was asked for.
            if let (true, Some(members)) = (names_scope, answer.as_object_mut()) {
                members.insert("scope".to_owned(), "scim".into());
            }
            uncached(StatusCode::OK, answer.to_string())
        }
        Err(error) => error.into_response(),
    }
}

struct Answer {
    issued: Issued,
    names_scope: bool,
}

async fn exchange(oauth: &OAuth, parts: &Parts, body: Body) -> Result<Answer, Error> {
    let form = Form::read(parts, body).await?;
    let (id, secret) = form.client(&parts.headers)?;
    match form.grant_type.as_deref() {
        None => return Err(Error::Request("grant_type is missing")),
        Some("client_credentials") => {}
        Some(_) => return Err(Error::Grant),
    }
    match oauth.tokens.issue(&id, &secret).await {
        Ok(issued) => Ok(Answer { issued, names_scope: form.names_scope }),
        Err(Refused::Store(error)) => {
            tracing::warn!(error = %Chain(&error), "an access token was not made");
            Err(Error::Unavailable)
        }
        Err(refused) => {
            oauth.refusals.record(&refused, &circumstance(parts)).await;
            Err(Error::Client)
        }
    }
}

/// The parameters that mean something; others are passed over (section 3.2).
#[derive(Default)]
struct Form {
    grant_type: Option<String>,
    client_id: Option<String>,
    client_secret: Option<Secret>,
    names_scope: bool,
}

impl Form {
    async fn read(parts: &Parts, body: Body) -> Result<Self, Error> {
        let kind = parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
        let essence = kind.split(';').next().unwrap_or("").trim();
        if !essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err(Error::Request("the body must be application/x-www-form-urlencoded"));
        }
        let bytes = Bytes::from_request(Request::new(body), &()).await;
        let bytes = bytes.map_err(|_| Error::Request("the body cannot be read"))?;
        let mut form = Self::default();
        let mut names = BTreeSet::new();
        for (name, value) in form_urlencoded::parse(&bytes) {
            // Section 3.2: a parameter stands once; one without a value counts as left out.
            if !names.insert(name.to_string()) {
                return Err(Error::Request("a parameter stands twice"));
            }
            let value = Some(value.into_owned()).filter(|value| !value.is_empty());
            match &*name {
                "grant_type" => form.grant_type = value,
                "client_id" => form.client_id = value,
                "client_secret" => form.client_secret = value.map(Secret::new),
                "scope" => form.names_scope = value.is_some(),
                _ => {}
            }
        }
        Ok(form)
    }

    /// The id and the secret, from the header or from the body (section 2.3.1).
    fn client(&self, headers: &HeaderMap) -> Result<(String, Secret), Error> {
        let mut given = headers.get_all(AUTHORIZATION).iter();
        match (given.next(), given.next(), &self.client_secret) {
            (Some(_), Some(_), _) => Err(Error::Request("there are two Authorization headers")),
            (Some(_), None, Some(_)) => Err(Error::Request("a client shows its secret in one way, not in two")),
            (Some(value), None, None) => {
                let (id, secret) = basic(value).ok_or(Error::Client)?;
                match &self.client_id {
                    Some(other) if *other != id => Err(Error::Request("client_id is not that of the header")),
                    _ => Ok((id, secret)),
                }
            }
            (None, _, Some(secret)) => match &self.client_id {
                Some(id) => Ok((id.clone(), Secret::new(secret.expose().to_owned()))),
                None => Err(Error::Client),
            },
            (None, _, None) => Err(Error::Client),
        }
    }
}

/// Id and secret of HTTP Basic, each encoded as in a form.
fn basic(value: &HeaderValue) -> Option<(String, Secret)> {
    let (scheme, encoded) = value.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(BASE64_STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    Some((form_decoded(id)?, Secret::new(form_decoded(secret)?)))
}

fn form_decoded(text: &str) -> Option<String> {
    // What would end the name or the pair is encoded in a form.
    if text.contains(['&', '=']) {
        return None;
    }
    form_urlencoded::parse(text.as_bytes()).next().map(|(name, _)| name.into_owned())
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let (status, code) = match &self {
            Self::Client => (StatusCode::UNAUTHORIZED, "invalid_client"),
            Self::Grant => (StatusCode::BAD_REQUEST, "unsupported_grant_type"),
            Self::Request(_) => (StatusCode::BAD_REQUEST, "invalid_request"),
            Self::TooMany(_) => (StatusCode::TOO_MANY_REQUESTS, "temporarily_unavailable"),
            Self::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable"),
        };
        let body = json!({"error": code, "error_description": self.to_string()});
        let mut response = uncached(status, body.to_string());
        let headers = response.headers_mut();
        match self {
            Self::Client => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"OAuth\""));
            }
            Self::TooMany(retry) => retry.set_headers(headers),
            Self::Unavailable => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("5"));
            }
            Self::Grant | Self::Request(_) => {}
        }
        response
    }
}

fn uncached(status: StatusCode, body: String) -> Response {
    let headers = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store"), (PRAGMA, "no-cache")];
    (status, headers, body).into_response()
}
