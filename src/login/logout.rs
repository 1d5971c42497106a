//! Signing out, here and at the provider that vouched.
//!
//! Whoever signs out here is taken on to their provider, to be signed out there. A provider that signs somebody out has
//! their sessions ended here at once, in whatever browser the message comes, or without any by the back channel. What it vouched for before and what arrives
//! later opens nothing any more: first that is written down, then the sessions are ended, so that a sign-in that is
//! committed between the two is either seen or refused.

use std::time::Duration;

use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderValue, Method as HttpMethod, StatusCode, header};
use minicbor::{Decode, Encode};

use super::return_to::ReturnTo;
use super::routes::{MAX_ANSWER_BYTES, MAX_FORM_BYTES, depart, form, no_connector, page, reference, too_large};
use super::ticket::{self, Held};
use super::{Connector, Error, Login, PASSWORD, pages, pending};
use crate::audit::{Change, Event, EventKind, Housekeeping, Outcome};
use crate::clock::Timestamp;
use crate::http::{Access, Rate, Route, Takes, circumstance, problem};
use crate::limit::Subject;
use crate::model::{Actor, Circumstance, OrganisationId, SourceId};
use crate::secret::{Secret, sha256};
use crate::session::{AtUpstream, Method, Session, Vouched};
use crate::store::Table;
use crate::upstream::{self, Answer, Delivery, LogoutAnswer, LogoutMessage, LogoutRequest};

/// Who was signed out at a provider: connector, and hash of the person's name there with the session's name, or of one of
/// the two alone.
const LOGGED_OUT: Table<(SourceId, [u8; 32]), LoggedOut> = Table::new(0x58, "logouts at providers");
/// Every tag of this module with its table's name.
pub(super) const TABLES: [(u8, &str); 1] = [(0x58, LOGGED_OUT.name())];

/// A sign-in that was begun before a logout can be under way for as long as a ticket and its steps live.
pub(super) const REMEMBERED: Duration = Duration::from_secs(ticket::LIFETIME.as_secs() + pending::LIFETIME.as_secs());

/// Answers to logout tokens are kept by nobody (OpenID Connect Back-Channel Logout 1.0 section 2.8).
const NOT_KEPT: HeaderValue = HeaderValue::from_static("no-store");
/// Largest form with a logout token, in bytes.
const MAX_LOGOUT_BYTES: usize = 64 * 1024;

#[derive(Encode, Decode)]
#[cbor(map)]
struct LoggedOut {
    /// When the provider said so.
    #[n(0)]
    at: Timestamp,
}

/// The part's table.
pub(super) fn table() -> Vec<Route<Login>> {
    vec![
        Route::new(HttpMethod::GET, "/logout", Access::Public, Rate::Page, ask_sign_out),
        Route::new(HttpMethod::POST, "/logout", Access::Public, Rate::Page, sign_out).takes(Takes::Nothing),
        Route::new(HttpMethod::GET, "/saml/{connector}/slo", Access::Public, Rate::SignIn, by_query)
            .takes(Takes::Assertion),
        Route::new(HttpMethod::POST, "/saml/{connector}/slo", Access::Public, Rate::SignIn, by_form)
            .takes(Takes::Assertion)
            .with_body_bytes(MAX_ANSWER_BYTES)
            .answering_large(),
        // A provider that signs everybody out sends a message for each, all of one address: what is refused is counted
        // as sign-ins are.
        Route::new(
            HttpMethod::POST,
            "/oidc/{connector}/backchannel-logout",
            Access::Public,
            Rate::Page,
            by_back_channel,
        )
        .takes(Takes::Assertion)
        .with_body_bytes(MAX_LOGOUT_BYTES)
        .answering_large(),
        Route::new(HttpMethod::GET, "/oidc/{connector}/logged-out", Access::Public, Rate::SignIn, came_back)
            .takes(Takes::Random),
    ]
}

/// The key of a logout: of one session of somebody, of all of theirs, or of a session whosever it is.
fn key(connector: &SourceId, subject: Option<&str>, session: Option<&str>) -> (SourceId, [u8; 32]) {
    // No name has the length that stands for nobody's.
    let length = subject.map_or(u64::MAX, |subject| u64::try_from(subject.len()).unwrap_or(u64::MAX)).to_be_bytes();
    let session = session.map(|session| [b"=", session.as_bytes()].concat()).unwrap_or_default();
    let subject = subject.unwrap_or_default();
    (connector.clone(), sha256(&[&length, subject.as_bytes(), &session].concat()))
}

/// A ticket for a logout is none for a sign-in.
fn ticket_handle(handle: &str) -> String {
    format!("logout {handle}")
}

impl Login {
    /// Refuses what a provider vouched for and took back meanwhile: the session by its name, or everything before a moment.
    pub(super) async fn check_logged_out(
        &self,
        change: &mut Change,
        connector: &SourceId,
        session: Option<&str>,
        at: Option<&AtUpstream>,
    ) -> Result<(), Error> {
        let Some(at) = at else { return Ok(()) };
        let now = self.services.clock.now();
        let refused = || Err(Error::refused("logged-out", "the provider has signed the person out meanwhile"));
        if let Some(session) = session {
            for subject in [Some(at.subject.as_str()), None] {
                let key = key(connector, subject, Some(session));
                let out = change.find(&LOGGED_OUT, OrganisationId::DEFAULT, &key).await?;
                let is_over = |out: LoggedOut| match self.gives_names_again(connector) {
                    true => out.shuts_out(at, now),
                    false => now < out.until(),
                };
                if out.is_some_and(is_over) {
                    return refused();
                }
            }
        }
        let key = key(connector, Some(&at.subject), None);
        let out = change.find(&LOGGED_OUT, OrganisationId::DEFAULT, &key).await?;
        if out.is_some_and(|out| out.shuts_out(at, now)) { refused() } else { Ok(()) }
    }

    /// Whether names of sessions come back: SAML advises providers to use few (saml-core-2.0-os section 2.7.2), and issues
    /// nothing of a session after its end. OpenID's are of one session each, for which a code may still be exchanged.
    pub(super) fn gives_names_again(&self, connector: &SourceId) -> bool {
        self.connectors.get(connector).is_some_and(|connector| connector.method == Method::Saml)
    }

    /// Carries out a logout that a provider asks for, and tells which sessions ended. First sign-ins that came before are shut
    /// out, then what is open ends; the request is used up with the second, so that it can be sent again when the browser
    /// that brought it went away in between.
    async fn log_out(
        &self,
        connector: &SourceId,
        request: &LogoutRequest,
        circumstance: &Circumstance,
    ) -> Result<Vec<Session>, Error> {
        let services = &self.services;
        let event = |kind| Event::new(services.clock.now(), kind, &Actor::Anonymous).within(circumstance);
        if services.ledger.life().voids(request.issued) {
            // Whether it was carried out by then is not known; the sessions that it could mean have ended all the same.
            return Err(Error::refused("restored", "it was issued before the store was put back"));
        }
        let shut_out = |mut change: Change| async move {
            self.check_unclaimed(&mut change, connector, &request.claim.id).await?;
            let sessions = request.sessions.iter().map(|session| Some(session.as_str()));
            let all = request.sessions.is_empty().then_some(None);
            for session in sessions.chain(all) {
                let key = key(connector, request.subject.as_deref(), session);
                let before = change.find(&LOGGED_OUT, OrganisationId::DEFAULT, &key).await?;
                let at = before.map_or(request.issued, |before| before.at.max(request.issued));
                let out = LoggedOut { at };
                let until = Some(out.until());
                change.put_until(&LOGGED_OUT, OrganisationId::DEFAULT, &key, &out, until)?;
            }
            change.commit_quietly(Housekeeping::Login).await?;
            Ok::<_, Error>(())
        };
        services.ledger.retry(shut_out).await?;
        let end = |mut change: Change| async move {
            self.claim_once(&mut change, connector, &request.claim.id, request.claim.until).await?;
            let whose =
                Vouched { subjects: request.subject.as_slice(), names: &request.sessions, ..Vouched::default() };
            let ended = services.sessions.end_at_upstream(&mut change, connector, &whose).await?;
            for session in &ended {
                let reason = format!("signed out at the provider `{connector}`");
                let event = event(EventKind::SessionEnded).on("session", session.id, "");
                change.also(event.detail("user", session.user).detail("reason", reason));
            }
            let event = event(EventKind::LogoutReceived).detail("connector", connector);
            change.commit(event.detail("sessions_named", request.sessions.len())).await?;
            Ok::<_, Error>(ended)
        };
        services.ledger.retry(end).await
    }

    /// Ends the session of a cookie; one that has ended already is no error. Tells the session.
    async fn end_session(&self, secret: &Secret, circumstance: &Circumstance) -> Result<Option<Session>, Error> {
        let Some(session) = self.services.sessions.check(secret).await? else { return Ok(None) };
        let actor = session.actor();
        let event =
            |now| Event::new(now, EventKind::SessionEnded, &actor).within(circumstance).detail("reason", "signed out");
        match self.services.sessions.end_with(session.id, event).await {
            Ok(_) | Err(crate::session::Error::NotFound) => Ok(Some(Session::clone(&session))),
            Err(error) => Err(error.into()),
        }
    }

    /// The way on to the provider of a session that has ended here; `None` where there is nothing to tell it.
    async fn log_out_there(&self, session: &Session, parts: &Parts) -> Result<Option<Response>, Error> {
        let connector = self.connectors.get(&session.connector);
        let (Some(connector), Some(at)) = (connector, &session.at_upstream) else { return Ok(None) };
        let Some(start) = connector.redirect.start_logout(at).await? else { return Ok(None) };
        let secret = self.browser.login_secret_or_new(&parts.headers, &self.services.ids);
        let browser = self.tickets.browser(secret.expose());
        let handle = ticket_handle(&start.handle);
        self.tickets.issue(&handle, &session.connector, start.pending, "/", browser).await?;
        let cookies = [self.browser.login_header(&secret), self.browser.forget_header()];
        Ok(Some(depart(&start.location, &start.fields, cookies)))
    }

    /// Whether a provider's answer is to the request that went from this browser.
    async fn is_answer(&self, id: &SourceId, answer: &LogoutAnswer, parts: &Parts) -> Result<(), Error> {
        let cookie = self.browser.login_secret(&parts.headers);
        let cookie =
            cookie.ok_or_else(|| Error::refused("browser", "the browser that began the logout did not come back"))?;
        let browser = self.tickets.browser(cookie.expose());
        let held = Held { handle: &ticket_handle(&answer.handle), connector: id, browser };
        let ticket = self.tickets.redeem(&held).await?;
        if ticket.pending == answer.request.as_bytes() {
            Ok(())
        } else {
            Err(Error::refused("in-response-to", "it answers another request"))
        }
    }

    /// The connector of this name, if it is of the protocol and has logout.
    fn with_logout(&self, name: &str, method: Method) -> Option<(&Connector, SourceId)> {
        let found = name.parse::<SourceId>().ok().and_then(|id| Some((self.connectors.get(&id)?, id)));
        found.filter(|(connector, _)| connector.method == method && connector.redirect.has_logout())
    }

    async fn take_logout(&self, name: &str, method: Method, delivery: Delivery<'_>, parts: &Parts) -> Response {
        let Some((connector, id)) = self.with_logout(name, method) else { return no_connector() };
        match self.try_logout(&id, connector, delivery, parts).await {
            Ok(response) => response,
            Err(error) => self.refuse_logout(error, &id, parts).await,
        }
    }

    /// The answer to a logout in a browser that is not carried out.
    async fn refuse_logout(&self, error: Error, id: &SourceId, parts: &Parts) -> Response {
        let recorded = self.record_logout_refused(&error, id, &circumstance(parts)).await;
        let error = recorded.err().unwrap_or(error);
        self.log_failure("logout", &error, id.as_str(), parts);
        self.failure_page(&error, id.as_str(), parts, &ReturnTo::home())
    }

    async fn try_logout(
        &self,
        id: &SourceId,
        connector: &Connector,
        delivery: Delivery<'_>,
        parts: &Parts,
    ) -> Result<Response, Error> {
        match connector.redirect.read_logout(delivery).await? {
            LogoutMessage::Answer(answer) => {
                self.is_answer(id, &answer, parts).await?;
                let incomplete = (!answer.is_complete).then_some(connector.label.as_str());
                Ok(page(StatusCode::OK, pages::logout::signed_out(incomplete)))
            }
            LogoutMessage::Request(request) => {
                self.log_out(id, &request, &circumstance(parts)).await?;
                let answer = connector.redirect.answer_logout(&request).await;
                let is_over = match self.browser.session_secret(&parts.headers) {
                    Some(secret) => self.services.sessions.check(&secret).await?.is_none(),
                    None => false,
                };
                let forget = if is_over { self.browser.forget_header() } else { None };
                match answer {
                    Ok(departure) => Ok(depart(&departure.location, &departure.fields, [forget])),
                    // It is done, whether the provider has an address to be told or not.
                    Err(upstream::Error::Unavailable { reason }) => {
                        tracing::info!(connector.id = id.as_str(), "a logout was not answered: {reason}");
                        let mut response = page(StatusCode::OK, pages::logout::signed_out(None));
                        response.headers_mut().extend(forget.map(|cookie| (header::SET_COOKIE, cookie)));
                        Ok(response)
                    }
                    Err(error) => Err(error.into()),
                }
            }
        }
    }

    /// Carries out what a provider says by the back channel; whoever sent it learns whether it was done, and no more.
    async fn take_logout_token(&self, name: &str, token: Result<&str, Error>, parts: &Parts) -> Response {
        let Some((connector, id)) = self.with_logout(name, Method::OpenIdConnect) else { return no_connector() };
        let circumstance = circumstance(parts);
        let outcome = async {
            match connector.redirect.read_logout(Delivery::BackChannel(token?)).await? {
                LogoutMessage::Request(request) => self.log_out(&id, &request, &circumstance).await,
                LogoutMessage::Answer(_) => Err(Error::refused("shape", "it answers what nobody asked")),
            }
        };
        let Err(error) = outcome.await else {
            return (StatusCode::OK, [(header::CACHE_CONTROL, NOT_KEPT)]).into_response();
        };
        let reference = reference(parts);
        tracing::warn!(
            connector.id = id.as_str(),
            reference,
            "a logout by the back channel was not carried out: {error}"
        );
        let is_within = circumstance
            .address
            .is_none_or(|address| self.services.limits.check(Rate::SignIn, Subject::Address(address)).is_ok());
        if is_within && let Err(error) = self.record_logout_refused(&error, &id, &circumstance).await {
            tracing::warn!(reference, "that a logout was refused is not recorded: {error}");
        }
        not_logged_out()
    }

    async fn record_logout_refused(
        &self,
        error: &Error,
        connector: &SourceId,
        circumstance: &Circumstance,
    ) -> Result<(), Error> {
        let Error::Refused { rule, reason } = error else { return Ok(()) };
        let event = Event::new(self.services.clock.now(), EventKind::LogoutRefused, &Actor::Anonymous)
            .outcome(Outcome::Denied)
            .within(circumstance)
            .detail("connector", connector)
            .detail("rule", rule)
            .detail("reason", reason);
        self.services.ledger.record(event).await?;
        Ok(())
    }
}

impl LoggedOut {
    /// Whether what was vouched for at that moment is over by it.
    fn shuts_out(&self, at: &AtUpstream, now: Timestamp) -> bool {
        at.issued <= self.at && now < self.until()
    }

    /// By the provider's clock, which ours may be behind or ahead of by a minute or five.
    fn until(&self) -> Timestamp {
        self.at.plus(REMEMBERED + Duration::from_secs(300))
    }
}

async fn ask_sign_out(State(login): State<Login>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    match login.browser.session_secret(&parts.headers) {
        Some(secret) => {
            // The page asks whoever is behind it; who is signed in sees their level of access as on every page.
            drop(login.present(&parts).await);
            page(StatusCode::OK, pages::logout::ask(&login.csrf(&secret)))
        }
        None => page(StatusCode::OK, pages::logout::signed_out(None)),
    }
}

async fn sign_out(State(login): State<Login>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let form = match form(&parts, body, MAX_FORM_BYTES).await {
        Ok(form) => form,
        Err(response) => return response,
    };
    let secret = login.browser.session_secret(&parts.headers);
    let is_ours = form.single("csrf").is_ok_and(|csrf| login.is_csrf(csrf, secret.clone()));
    if !is_ours || !login.browser.is_not_foreign(&parts.headers) {
        return problem(StatusCode::FORBIDDEN, "the form was too old or came from elsewhere");
    }
    let mut unsure = None;
    if let Some(secret) = secret {
        let ended = match login.end_session(&secret, &circumstance(&parts)).await {
            Ok(ended) => ended,
            Err(error) => return login.failure(&error, PASSWORD, &parts, &ReturnTo::home()),
        };
        if let Some(session) = ended {
            match login.log_out_there(&session, &parts).await {
                Ok(Some(response)) => return response,
                Ok(None) => {}
                Err(error) => {
                    let connector = session.connector.as_str();
                    tracing::warn!(connector.id = connector, "nobody was signed out at the provider: {error}");
                    unsure = login.connectors.get(&session.connector).map(|connector| connector.label.clone());
                }
            }
        }
    }
    let mut response = page(StatusCode::OK, pages::logout::signed_out(unsure.as_deref()));
    if let Some(cookie) = login.browser.forget_header() {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

async fn by_query(State(login): State<Login>, Path(connector): Path<String>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let query = parts.uri.query().unwrap_or_default().to_owned();
    login.take_logout(&connector, Method::Saml, Delivery::Query(&query), &parts).await
}

async fn by_form(State(login): State<Login>, Path(connector): Path<String>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Some((_, id)) = login.with_logout(&connector, Method::Saml) else { return no_connector() };
    let form = form(&parts, body, MAX_ANSWER_BYTES).await;
    if let Some(error) = too_large(&parts, MAX_ANSWER_BYTES) {
        return login.refuse_logout(error, &id, &parts).await;
    }
    let answer: Answer = match form {
        Ok(answer) => answer,
        Err(response) => return response,
    };
    login.take_logout(&connector, Method::Saml, Delivery::Form(&answer), &parts).await
}

/// Brings a browser back that was taken to an OpenID provider to be signed out there.
async fn came_back(State(login): State<Login>, Path(connector): Path<String>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let query = parts.uri.query().unwrap_or_default().to_owned();
    login.take_logout(&connector, Method::OpenIdConnect, Delivery::Query(&query), &parts).await
}

async fn by_back_channel(State(login): State<Login>, Path(connector): Path<String>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let form = form(&parts, body, MAX_LOGOUT_BYTES).await;
    if let Some(error) = too_large(&parts, MAX_LOGOUT_BYTES) {
        return login.take_logout_token(&connector, Err(error), &parts).await;
    }
    let Ok(form) = form else { return not_logged_out() };
    let token = Ok(form.single("logout_token").unwrap_or_default());
    login.take_logout_token(&connector, token, &parts).await
}

/// The one answer to everything that was not carried out (OpenID Connect Back-Channel Logout 1.0 section 2.8).
fn not_logged_out() -> Response {
    let body = serde_json::json!({
        "error": "invalid_request",
        "error_description": "the logout token could not be used",
    });
    let kind = HeaderValue::from_static("application/json");
    let headers = [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, NOT_KEPT)];
    (StatusCode::BAD_REQUEST, headers, body.to_string()).into_response()
}
