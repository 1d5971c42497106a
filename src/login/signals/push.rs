//! Signals that a transmitter pushes (RFC 8935).
//!
//! Whoever does not show the transmitter's secret learns nothing but that. The transmitter learns by the standard's words
//! what is wrong with a token, and that one was taken only after the commit of what it asked for.

use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderValue, Method as HttpMethod, StatusCode, header};

use super::{Heard, Login};
use crate::error::Chain;
use crate::http::{Access, Rate, Route, Takes, circumstance};
use crate::limit::Subject;
use crate::login::Error;
use crate::login::routes::{no_connector, reference};
use crate::model::SourceId;
use crate::upstream::signals::{MAX_TOKEN_BYTES, code};

/// What a pushed token is (RFC 8935 section 2.1).
const MEDIA_TYPE: &str = "application/secevent+jwt";
/// When a transmitter is to try again what could not be looked at, in seconds.
const RETRY_AFTER: u16 = 30;

/// The part's table.
pub(in crate::login) fn table() -> Vec<Route<Login>> {
    vec![
        // A provider that signs everybody out sends a token for each, all of one address: what is refused is counted as
        // sign-ins are. The secret beside it is too long to be guessed.
        Route::new(HttpMethod::POST, "/signals/{connector}", Access::Public, Rate::Page, push)
            .takes(Takes::Assertion)
            .with_body_bytes(MAX_TOKEN_BYTES),
    ]
}

async fn push(State(login): State<Login>, Path(connector): Path<String>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let id = connector.parse::<SourceId>().ok();
    let found = id.and_then(|id| Some((login.transmitter(&id).filter(|transmitter| transmitter.pushes())?, id)));
    let Some((transmitter, id)) = found else { return no_connector() };
    if !bearer(&parts).is_some_and(|bearer| transmitter.is_shown(bearer)) {
        let error = Error::refused("bearer", "whoever sent it is not the transmitter");
        return login.not_heard(&error, &id, &parts).await;
    }
    let Some(token) = token(&parts, body).await else {
        let error = Error::refused("shape", format!("the body is no text of the type `{MEDIA_TYPE}`"));
        return login.not_heard(&error, &id, &parts).await;
    };
    let outcome = async {
        let signal = transmitter.read(&token).await?;
        login.carry_out(&id, &signal, &circumstance(&parts)).await
    };
    match outcome.await {
        Ok(heard) => {
            login.services.metrics.signal(id.as_str(), heard.name());
            StatusCode::ACCEPTED.into_response()
        }
        Err(error) => login.not_heard(&error, &id, &parts).await,
    }
}

/// The one bearer token of a request (RFC 6750 section 2.1).
fn bearer(parts: &Parts) -> Option<&str> {
    let mut all = parts.headers.get_all(header::AUTHORIZATION).iter();
    let (Some(one), None) = (all.next(), all.next()) else { return None };
    let (scheme, token) = one.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

async fn token(parts: &Parts, body: axum::body::Body) -> Option<String> {
    let kind = parts.headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    if !kind.split(';').next()?.trim().eq_ignore_ascii_case(MEDIA_TYPE) {
        return None;
    }
    let bytes = axum::body::to_bytes(body, MAX_TOKEN_BYTES).await.ok()?;
    // White space around a token is none of it.
    Some(std::str::from_utf8(&bytes).ok()?.trim().to_owned())
}

impl Heard {
    /// The word in metrics.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Again => "again",
        }
    }
}

impl Login {
    /// Tells the transmitter what is wrong, and records what was refused, at most as often as sign-ins are.
    async fn not_heard(&self, error: &Error, connector: &SourceId, parts: &Parts) -> Response {
        let circumstance = circumstance(parts);
        let id = connector.as_str();
        tracing::warn!(connector.id = id, request.id = reference(parts), "a signal was not carried out: {error}");
        let Error::Refused { rule, reason } = error else {
            self.services.metrics.signal(id, "put off");
            let later = [(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER))];
            return (StatusCode::SERVICE_UNAVAILABLE, later).into_response();
        };
        self.services.metrics.signal(id, "refused");
        let limits = &self.services.limits;
        let is_within =
            circumstance.address.is_none_or(|address| limits.check(Rate::SignIn, Subject::Address(address)).is_ok());
        // Whoever has not even the secret may come from anywhere. No id of a connector has a space.
        let of_anybody = format!("{connector} to anybody");
        let is_within =
            is_within && (*rule != "bearer" || limits.check(Rate::SignIn, Subject::Transmitter(&of_anybody)).is_ok());
        if is_within && let Err(error) = self.record_signal_refused(error, connector, &circumstance).await {
            tracing::warn!(connector.id = id, "that a signal was refused is not recorded: {}", Chain(&error));
        }
        let body = serde_json::json!({"err": code(rule), "description": reason}).to_string();
        let headers = [
            (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
            (header::CONTENT_LANGUAGE, HeaderValue::from_static("en")),
            (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        ];
        (StatusCode::BAD_REQUEST, headers, body).into_response()
    }
}
