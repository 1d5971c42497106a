//! Logout that an OpenID provider sends through the browser (OpenID Connect Front-Channel Logout 1.0): a frame on its page,
//! without a signature and without our cookie, which goes into no frame of another site.
//!
//! So whoever knows the provider's name for a session can end that session here, and nothing else. Names that could be guessed
//! are refused, and where nothing ends nothing is written; whether something did, the answer does not tell.

use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, Method as HttpMethod, StatusCode, header};

use super::routes::{no_connector, query};
use super::{Error, Login};
use crate::audit::{Event, EventKind};
use crate::http::{Access, Rate, Route, Takes, circumstance};
use crate::model::{Actor, Circumstance, SourceId};
use crate::session::Vouched;
use crate::upstream::Answer;

/// Shortest name of a session that nobody guesses: 96 random bits in base64.
const MIN_NAME_BYTES: usize = 16;
/// Longest one.
const MAX_NAME_BYTES: usize = 1020;

/// The part's table.
pub(super) fn table() -> Vec<Route<Login>> {
    let path = "/oidc/{connector}/frontchannel-logout";
    vec![Route::new(HttpMethod::GET, path, Access::Public, Rate::SignIn, take).takes(Takes::Random)]
}

async fn take(State(login): State<Login>, Path(connector): Path<String>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let id = connector.parse::<SourceId>().ok();
    let found = id.and_then(|id| Some((login.connectors.get(&id)?.redirect.front_channel()?, id)));
    let Some((issuer, id)) = found else { return no_connector() };
    let Some(policy) = framed_by(issuer) else { return no_connector() };
    let fields = query(&parts);
    if let Some(session) = named(&fields, issuer)
        && let Err(error) = login.end_framed(&id, session, &circumstance(&parts)).await
    {
        // Whoever sent it does not read the answer; what is open stays open and ends by itself.
        login.log_failure("logout", &error, id.as_str(), &parts);
    }
    let headers = [
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (StatusCode::OK, headers, "").into_response()
}

/// The policy of the one page that may be shown in a frame, by the issuer's pages alone.
fn framed_by(issuer: &str) -> Option<HeaderValue> {
    let origin = url::Url::parse(issuer).ok()?.origin().ascii_serialization();
    let policy = format!("default-src 'none'; base-uri 'none'; frame-ancestors {origin}");
    HeaderValue::from_str(&policy).ok()
}

/// The session that is named (section 3): by this issuer, once, and so that nobody guesses it.
fn named<'a>(fields: &'a Answer, issuer: &str) -> Option<&'a str> {
    let (by, session) = (fields.single("iss").ok()?, fields.single("sid").ok()?);
    let is_fit = by == issuer && (MIN_NAME_BYTES..=MAX_NAME_BYTES).contains(&session.len());
    is_fit.then_some(session)
}

impl Login {
    /// Ends the sessions that the provider calls by this name.
    async fn end_framed(&self, connector: &SourceId, name: &str, circumstance: &Circumstance) -> Result<(), Error> {
        let services = &self.services;
        let names = &[name.to_owned()];
        services
            .ledger
            .retry(|mut change| async move {
                let whose = Vouched { names, ..Vouched::default() };
                let ended = services.sessions.end_at_upstream(&mut change, connector, &whose).await?;
                if ended.is_empty() {
                    return Ok(());
                }
                let event = |kind| Event::new(services.clock.now(), kind, &Actor::Anonymous).within(circumstance);
                for session in &ended {
                    let event = event(EventKind::SessionEnded).on("session", session.id, "");
                    let reason = format!("signed out at the provider `{connector}`, by a frame");
                    change.also(event.detail("user", session.user).detail("reason", reason));
                }
                let event = event(EventKind::LogoutReceived).detail("connector", connector);
                change.commit(event.detail("sessions_named", 1)).await?;
                Ok(())
            })
            .await
    }
}
