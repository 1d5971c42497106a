//! The flow's addresses: `/login…`, `/logout`, `/saml/…`, `/oidc/…` and the start page.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method as HttpMethod, StatusCode, header};
use maud::Markup;
use tokio::sync::oneshot;

use super::attempts::Seen;
use super::finish::{Finished, Proof, Visit};
use super::pages::{self, SignIn};
use super::reading::{Failed, Reading};
use super::return_to::ReturnTo;
use super::ticket::{self, Held};
use super::{Connector, Error, LINK, Login, PASSWORD};
use crate::error::Chain;
use crate::http::{Access, Admit, Attempt, BodyBound, Rate, RequestId, Route, Takes, circumstance, problem, router};
use crate::limit::Subject;
use crate::model::{SourceId, Words, say};
use crate::secret::Secret;
use crate::session::Method;
use crate::upstream::{Answer, OneTime};

/// What every failed sign-in says.
const FAILED: Words = say(
    "The sign-in did not work. Check the name and the password, or ask your administrator.",
    "Die Anmeldung hat nicht geklappt. Prüfen Sie Name und Passwort, oder fragen Sie Ihre Verwaltung.",
);
/// What a failed sign-in by a provider says.
const REFUSED: Words = say(
    "The answer of the identity provider could not be used. Try again, or ask your administrator.",
    "Die Antwort des Identitätsanbieters war nicht brauchbar. Versuchen Sie es noch einmal, oder fragen Sie Ihre Verwaltung.",
);
/// Largest form of the login page, in bytes.
pub(super) const MAX_FORM_BYTES: usize = 16 * 1024;
/// Largest form of a SAML answer, in bytes: 256 KiB of message in base64 and URL encoding.
pub(super) const MAX_ANSWER_BYTES: usize = 512 * 1024;

/// The surface's router.
pub fn routes(login: Login) -> axum::Router {
    let admit = Arc::new(LoginAdmit { login: login.clone() });
    router(table(), login, admit).layer(axum::middleware::from_fn(super::language::speak))
}

/// The surface's table.
pub fn table() -> Vec<Route<Login>> {
    let parts = [
        ways_in(),
        super::account::table(),
        super::account_factors::table(),
        super::account_passkeys::table(),
        super::discover::table(),
        super::enrol::table(),
        super::factor::table(),
        super::frontchannel::table(),
        super::language::table(),
        super::logout::table(),
        super::own_devices::table(),
        super::invitation::table(),
        super::own_sessions::table(),
        super::passkey::table(),
        super::reset::table(),
        super::signals::table(),
        super::steps::table(),
        super::trial::table(),
    ];
    parts.into_iter().flatten().collect()
}

/// The rows of the ways in, and of the way out.
fn ways_in() -> Vec<Route<Login>> {
    vec![
        Route::new(HttpMethod::GET, "/", Access::Public, Rate::Page, home),
        Route::new(HttpMethod::GET, "/login/onward.js", Access::Public, Rate::Page, onward_script),
        Route::new(HttpMethod::GET, "/login/style.css", Access::Public, Rate::Page, style),
        Route::new(HttpMethod::GET, "/login/link", Access::Public, Rate::Page, show_link),
        Route::new(HttpMethod::POST, "/login/link", Access::Public, Rate::SignIn, follow_link).takes(Takes::Random),
        Route::new(HttpMethod::POST, "/login/password", Access::Public, Rate::SignIn, password).takes(Takes::Password),
        Route::new(HttpMethod::GET, "/login/{connector}", Access::Public, Rate::SignIn, start).takes(Takes::Nothing),
        Route::new(HttpMethod::GET, "/saml/{connector}/metadata", Access::Public, Rate::Page, metadata),
        Route::new(HttpMethod::POST, "/saml/{connector}/acs", Access::Public, Rate::SignIn, saml_answer)
            .takes(Takes::Assertion)
            .with_body_bytes(MAX_ANSWER_BYTES)
            .answering_large(),
        Route::new(HttpMethod::GET, "/oidc/{connector}/callback", Access::Public, Rate::SignIn, oidc_answer)
            .takes(Takes::Assertion),
    ]
}

struct LoginAdmit {
    login: Login,
}

impl Admit for LoginAdmit {
    fn admit<'a>(&'a self, _: Access, rate: Rate, parts: &'a mut Parts) -> BoxFuture<'a, Result<(), Response>> {
        Box::pin(async move {
            let device = self.login.browser.device(&parts.headers);
            if let Some(device) = device.and_then(|value| self.login.services.lockout.device_of(value.expose())) {
                parts.extensions.insert(device);
            }
            // A request without an address comes over a socket of the machine itself.
            let Some(address) = circumstance(parts).address else { return Ok(()) };
            self.login.services.limits.check(rate, Subject::Address(address)).map_err(|retry| {
                self.login.services.metrics.ratelimited(retry.limiter);
                retry.response()
            })
        })
    }
}

pub(super) fn visit(parts: &Parts) -> Visit {
    let user_agent = parts.headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).map(str::to_owned);
    Visit { circumstance: circumstance(parts), user_agent, device: parts.extensions.get().copied() }
}

pub(super) fn reference(parts: &Parts) -> String {
    parts.extensions.get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default()
}

pub(super) fn page(status: StatusCode, markup: Markup) -> Response {
    let mut response = (status, markup.into_string()).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    let language = HeaderValue::from_static(pages::words::language().tag());
    response.headers_mut().insert(header::CONTENT_LANGUAGE, language);
    response
}

pub(super) fn redirect(location: &str, cookies: impl IntoIterator<Item = Option<HeaderValue>>) -> Response {
    let Ok(location) = HeaderValue::from_str(location) else {
        return problem(StatusCode::INTERNAL_SERVER_ERROR, "the address to go to is not one");
    };
    let mut response = StatusCode::SEE_OTHER.into_response();
    response.headers_mut().insert(header::LOCATION, location);
    for cookie in cookies.into_iter().flatten() {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

/// Sends a browser on: by a redirect, or by a page with a form where there is something to post.
pub(super) fn depart(
    location: &str,
    fields: &[(&'static str, String)],
    cookies: impl IntoIterator<Item = Option<HeaderValue>>,
) -> Response {
    if fields.is_empty() {
        return redirect(location, cookies);
    }
    let mut response = page(StatusCode::OK, pages::onward::onward(location, fields));
    for cookie in cookies.into_iter().flatten() {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

/// Reads a form. Fields stay in order, twice the same stays twice.
pub(super) async fn form(parts: &Parts, body: axum::body::Body, max: usize) -> Result<Answer, Response> {
    let is_form = parts
        .headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded"));
    if !is_form {
        return Err(problem(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the body must be a URL-encoded form"));
    }
    let bytes: Bytes = axum::body::to_bytes(body, max)
        .await
        .map_err(|_| problem(StatusCode::PAYLOAD_TOO_LARGE, "the form is too large or did not arrive"))?;
    Ok(fields(&bytes))
}

/// Whether a form, read as far as it goes, is refused for its size: what there is of it says nothing.
pub(super) fn too_large(parts: &Parts, most: usize) -> Option<Error> {
    let is_exceeded = parts.extensions.get().is_some_and(BodyBound::is_exceeded);
    is_exceeded.then(|| Error::refused("size", format!("a form of more than {most} bytes")))
}

fn fields(bytes: &[u8]) -> Answer {
    Answer {
        fields: form_urlencoded::parse(bytes).map(|(name, value)| (name.into_owned(), value.into_owned())).collect(),
    }
}

pub(super) fn query(parts: &Parts) -> Answer {
    fields(parts.uri.query().unwrap_or_default().as_bytes())
}

/// What a browser brought back from a provider.
struct Come<'a> {
    handle: &'a str,
    answer: &'a Arc<Answer>,
    headers: &'a HeaderMap,
    visit: &'a Visit,
    began: Instant,
}

/// What an answer leaves behind that was refused, and must not be good for anything later.
#[derive(Clone, Default)]
pub(super) struct Left {
    /// The assertion's id, once the assertion is known to be the provider's.
    claim: Option<OneTime>,
    /// The ticket that it answers, by its handle and its browser, where it was not taken yet.
    ticket: Option<(String, [u8; 32])>,
}

/// An answer that was refused.
pub(super) struct Refused {
    pub(super) connector: SourceId,
    pub(super) error: Error,
    pub(super) seen: Seen,
    pub(super) left: Left,
    pub(super) visit: Visit,
    pub(super) took: Duration,
}

impl Login {
    /// The anti-forgery value of forms shown to a browser with this pre-login or session secret.
    pub(super) fn csrf(&self, secret: &Secret) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(self.csrf_key.tag(secret.expose().as_bytes()))
    }

    pub(super) fn is_csrf(&self, presented: &str, secret: Option<Secret>) -> bool {
        let Some(secret) = secret else { return false };
        let Ok(tag) = BASE64_URL_SAFE_NO_PAD.decode(presented) else { return false };
        self.csrf_key.verify(secret.expose().as_bytes(), &tag)
    }

    pub(super) fn sign_in_page(
        &self,
        status: StatusCode,
        parts: &Parts,
        return_to: &ReturnTo,
        problem: Option<Words>,
        name: Option<&str>,
    ) -> Response {
        let secret = self.browser.login_secret_or_new(&parts.headers, &self.services.ids);
        let reference = reference(parts);
        let view = SignIn {
            choices: &self.choices(),
            csrf: &self.csrf(&secret),
            return_to: return_to.as_str(),
            problem,
            reference: problem.map(|_| reference.as_str()),
            contact: self.contact.as_deref(),
            name,
            has_passkeys: self.party.is_some(),
            has_mail: self.services.outbox.is_open(),
        };
        let mut response = page(status, pages::sign_in(&view));
        if let Some(cookie) = self.browser.login_header(&secret) {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
        response
    }

    /// The answer to a failed sign-in. The reason goes to the log; the page tells how to find it.
    pub(super) fn failure(&self, error: &Error, connector: &str, parts: &Parts, return_to: &ReturnTo) -> Response {
        self.log_failure("sign-in", error, connector, parts);
        self.failure_page(error, connector, parts, return_to)
    }

    /// Tells the log why a sign-in or a logout did not work.
    pub(super) fn log_failure(&self, what: &str, error: &Error, connector: &str, parts: &Parts) {
        let reference = reference(parts);
        match error {
            Error::Refused { .. } => {
                tracing::info!(connector.id = connector, request.id = reference, "a {what} was refused: {error}");
            }
            Error::Busy { .. } | Error::TooMany(_) => {
                tracing::warn!(connector.id = connector, "a {what} was put off: {error}");
            }
            Error::Store(_) | Error::Unavailable(_) => {
                tracing::error!(connector.id = connector, request.id = reference, "a {what} failed: {}", Chain(error));
            }
        }
    }

    /// The page of a failure.
    pub(super) fn failure_page(&self, error: &Error, connector: &str, parts: &Parts, return_to: &ReturnTo) -> Response {
        let reference = reference(parts);
        let contact = self.contact.as_deref();
        match error {
            Error::Refused { .. } if connector == PASSWORD => {
                self.sign_in_page(StatusCode::UNAUTHORIZED, parts, return_to, Some(FAILED), None)
            }
            Error::Refused { .. } if connector == LINK => {
                page(StatusCode::FORBIDDEN, pages::reset::gone(&reference, contact))
            }
            Error::Refused { .. } => page(StatusCode::FORBIDDEN, pages::refused(REFUSED, &reference, contact)),
            Error::TooMany(retry) => {
                self.services.metrics.ratelimited(retry.limiter);
                let text = say(
                    "There were too many tries. Please wait a little, then try again.",
                    "Es gab zu viele Versuche. Bitte warten Sie ein wenig und versuchen Sie es dann noch einmal.",
                );
                let mut response = page(StatusCode::TOO_MANY_REQUESTS, pages::refused(text, &reference, contact));
                retry.set_headers(response.headers_mut());
                response
            }
            Error::Busy { retry_after_s } => {
                let text = say(
                    "There is too much to do at the moment. Please try again in a few seconds.",
                    "Im Augenblick ist zu viel zu tun. Bitte versuchen Sie es in ein paar Sekunden noch einmal.",
                );
                let mut response = page(StatusCode::SERVICE_UNAVAILABLE, pages::refused(text, &reference, contact));
                response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(*retry_after_s));
                response
            }
            Error::Store(_) | Error::Unavailable(_) => {
                let text = say(
                    "Something that the sign-in needs is not available. Please try again later.",
                    "Etwas, das die Anmeldung braucht, ist nicht erreichbar. Bitte versuchen Sie es später noch einmal.",
                );
                let mut response = page(StatusCode::SERVICE_UNAVAILABLE, pages::refused(text, &reference, contact));
                response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(30));
                response
            }
        }
    }

    pub(super) fn count(&self, method: Method, error: Option<&Error>) {
        let (result, reason) = match error {
            None => ("success", "none"),
            Some(Error::Refused { rule, .. }) => ("failure", *rule),
            Some(Error::Busy { .. }) => ("failure", "busy"),
            Some(Error::TooMany(_)) => ("failure", "limit"),
            Some(Error::Store(_) | Error::Unavailable(_)) => ("failure", "unavailable"),
        };
        self.services.metrics.attempt(&Attempt { path: method.name(), result, reason });
    }

    /// Finishes what a provider answered, whatever its protocol.
    async fn answer(
        &self,
        connector: &SourceId,
        kind: Method,
        handle: &str,
        answer: Answer,
        parts: &Parts,
    ) -> Response {
        match self.trials.holds(handle).await {
            Ok(false) => {}
            Ok(true) => return self.answer_trial(connector, kind, handle, &answer, parts).await,
            Err(error) => return self.failure(&Error::Store(error), connector.as_str(), parts, &ReturnTo::home()),
        }
        let (visit, began, mut seen) = (visit(parts), Instant::now(), Seen::default());
        let come = Come { handle, answer: &Arc::new(answer), headers: &parts.headers, visit: &visit, began };
        let mut left = Left::default();
        let error = match self.try_answer(connector, kind, &come, &mut seen, &mut left).await {
            Ok(finished) => {
                self.count(kind, None);
                self.keep_attempt(connector, seen, Ok(&finished), &visit, began.elapsed()).await;
                return self.welcome(&finished);
            }
            Err(Failed::Recorded(error)) => {
                self.count(kind, Some(&error));
                error
            }
            Err(Failed::Now(error)) => {
                self.count(kind, Some(&error));
                let refused = Refused { connector: connector.clone(), error, seen, left, visit, took: began.elapsed() };
                self.refused_whole(refused).await
            }
        };
        self.failure(&error, connector.as_str(), parts, &ReturnTo::home())
    }

    /// The answer to what a provider is said to send and that is refused before anything in it is read.
    async fn refuse_unread(&self, connector: SourceId, kind: Method, error: Error, parts: &Parts) -> Response {
        self.count(kind, Some(&error));
        let id = connector.clone();
        let (seen, left, visit, took) = (Seen::default(), Left::default(), visit(parts), Duration::ZERO);
        let error = self.refused_whole(Refused { connector, error, seen, left, visit, took }).await;
        self.failure(&error, id.as_str(), parts, &ReturnTo::home())
    }

    /// Does what follows a refusal, also where whoever sent the answer does not wait for ours: what it leaves is used up,
    /// and the refusal is recorded. Gives back what to tell. Where very many go on at the same time, it waits with who sent it.
    async fn refused_whole(&self, refused: Refused) -> Error {
        let Ok(place) = Arc::clone(&self.refusals).try_acquire_owned() else {
            return self.clone().record_whole(refused).await;
        };
        let (login, (tell, told)) = (self.clone(), oneshot::channel());
        // Nothing is waited for between this and the refusal.
        self.services.tasks.spawn("refused sign-in", async move {
            let _place = place;
            // Nobody may be there to be told.
            drop(tell.send(login.record_whole(refused).await));
        });
        told.await.unwrap_or_else(|_| Error::Unavailable("the gateway ends".to_owned()))
    }

    pub(super) async fn record_whole(self, refused: Refused) -> Error {
        let Refused { connector, error, seen, left, visit, took } = refused;
        let outcome = self.record_refused(&connector, &error, left, &visit).await;
        self.keep_attempt(&connector, seen, Err(&error), &visit, took).await;
        outcome.err().unwrap_or(error)
    }

    async fn record_refused(
        &self,
        connector: &SourceId,
        error: &Error,
        left: Left,
        visit: &Visit,
    ) -> Result<(), Error> {
        let is_refused = matches!(error, Error::Refused { .. });
        if let Some(claim) = left.claim.filter(|_| is_refused) {
            self.spend(connector, &claim).await?;
        }
        // One answer for one ticket, also for a bad one. Where nothing was looked at, it may come again.
        if let Some((handle, browser)) = left.ticket.filter(|_| !matches!(error, Error::Busy { .. })) {
            match self.tickets.redeem(&Held { handle: &handle, connector, browser }).await {
                Ok(_) | Err(ticket::Error::Absent | ticket::Error::Foreign) => {}
                Err(error @ ticket::Error::Store(_)) => return Err(error.into()),
            }
        }
        self.record_failure(error, connector.as_str(), None, &visit.circumstance).await.map_err(Error::Store)
    }

    async fn try_answer(
        &self,
        id: &SourceId,
        kind: Method,
        come: &Come<'_>,
        seen: &mut Seen,
        left: &mut Left,
    ) -> Result<Finished, Failed> {
        let Come { handle, answer, headers, visit, began } = *come;
        let connector = self.connector(id, kind)?;
        let reading = Reading { connector: id, redirect: &connector.redirect, answer, visit, began };
        if connector.redirect.takes_unsolicited() && !self.tickets.holds(handle).await? {
            // What came with it is no handle of ours, and never an address.
            let identity = self.read_answer(reading, None, seen, left).await?;
            seen.is_of(&identity);
            left.claim = identity.claim().cloned();
            self.check_life(&identity)?;
            return Ok(self.finish(Proof::Upstream(Box::new(identity), kind), visit, &ReturnTo::home()).await?);
        }
        let cookie = self
            .browser
            .login_secret(headers)
            .ok_or_else(|| Error::refused("browser", "the browser that began the sign-in did not come back"))?;
        let held = Held { handle, connector: id, browser: self.tickets.browser(cookie.expose()) };
        if kind != Method::Saml {
            // A code is exchanged once: the ticket goes before the provider is asked.
            let ticket = self.tickets.redeem(&held).await?;
            seen.is_ours = true;
            let identity = self.read_answer(reading, Some(ticket.pending), seen, left).await?;
            seen.is_of(&identity);
            left.claim = identity.claim().cloned();
            let return_to = ReturnTo::parse(Some(&ticket.return_to));
            return Ok(self.finish(Proof::Upstream(Box::new(identity), kind), visit, &return_to).await?);
        }
        // What the message says is all there is to know, and what it opens uses the ticket up in the same commit.
        let ticket = self.tickets.read(&held).await?;
        seen.is_ours = true;
        left.ticket = Some((handle.to_owned(), held.browser));
        let identity = self.read_answer(reading, Some(ticket.pending), seen, left).await?;
        seen.is_of(&identity);
        left.claim = identity.claim().cloned();
        let return_to = ReturnTo::parse(Some(&ticket.return_to));
        let proof = Proof::Upstream(Box::new(identity), kind);
        Ok(self.finish_holding(proof, Some(&held), visit, &return_to).await?)
    }

    /// The id of a connector of this kind, if there is one of this name.
    fn way_in(&self, name: &str, kind: Method) -> Option<SourceId> {
        name.parse().ok().filter(|id| self.connector(id, kind).is_ok())
    }

    pub(super) fn connector(&self, id: &SourceId, kind: Method) -> Result<&Connector, Error> {
        self.connectors
            .get(id)
            .filter(|connector| connector.method == kind)
            .ok_or_else(|| Error::refused("connector", "there is no such connector"))
    }

    async fn begin(
        &self,
        id: &SourceId,
        return_to: &ReturnTo,
        hint: Option<&str>,
        parts: &Parts,
    ) -> Result<Response, Error> {
        let connector =
            self.connectors.get(id).ok_or_else(|| Error::refused("connector", "there is no such connector"))?;
        let begun = match hint.filter(|hint| connector.may_be_told(hint)) {
            Some(hint) => connector.redirect.start_for(hint).await,
            None => connector.redirect.start().await,
        };
        let start = match begun {
            Ok(start) => start,
            Err(error) => return Err(self.cannot_begin(error, id, &circumstance(parts)).await),
        };
        let secret = self.browser.login_secret_or_new(&parts.headers, &self.services.ids);
        let browser = self.tickets.browser(secret.expose());
        self.tickets.issue(&start.handle, id, start.pending, return_to.as_str(), browser).await?;
        Ok(depart(&start.location, &start.fields, [self.browser.login_header(&secret)]))
    }
}

impl Login {
    /// Takes a browser to a provider, or tells that it cannot.
    pub(super) async fn leave(
        &self,
        id: &SourceId,
        return_to: &ReturnTo,
        hint: Option<&str>,
        parts: &Parts,
    ) -> Response {
        let began = Instant::now();
        match self.begin(id, return_to, hint, parts).await {
            Ok(response) => response,
            Err(error) => {
                self.keep_attempt(id, Seen::default(), Err(&error), &visit(parts), began.elapsed()).await;
                self.failure(&error, id.as_str(), parts, return_to)
            }
        }
    }
}

pub(super) fn no_connector() -> Response {
    problem(StatusCode::NOT_FOUND, "there is no such connector")
}

async fn style() -> Response {
    let headers = [(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, "public, max-age=3600")];
    (headers, pages::STYLE).into_response()
}

async fn onward_script() -> Response {
    let headers =
        [(header::CONTENT_TYPE, "text/javascript; charset=utf-8"), (header::CACHE_CONTROL, "public, max-age=3600")];
    (headers, pages::onward::SCRIPT).into_response()
}

async fn home(State(login): State<Login>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let signed_in = match login.present(&parts).await {
        Ok(Some(signed_in)) => signed_in,
        Ok(None) => return redirect("/login", []),
        Err(error) => return login.failure(&error, PASSWORD, &parts, &ReturnTo::home()),
    };
    let levels = match login.services.access.effective(signed_in.user.id).await {
        Ok(levels) => levels,
        Err(error) => {
            return login.failure(&Error::Unavailable(error.to_string()), PASSWORD, &parts, &ReturnTo::home());
        }
    };
    let mut roles: Vec<String> = Vec::new();
    for level in &levels {
        for role in &level.roles {
            let place = level.scope.as_ref().map(|scope| format!(" in {scope}")).unwrap_or_default();
            roles.push(format!("{}{place}", role.role));
        }
    }
    roles.dedup();
    let csrf = login.browser.session_secret(&parts.headers).map(|secret| login.csrf(&secret)).unwrap_or_default();
    page(StatusCode::OK, pages::home(&signed_in.user.display_name(), &roles, &csrf, login.contact.as_deref()))
}

async fn password(State(login): State<Login>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let form = match form(&parts, body, MAX_FORM_BYTES).await {
        Ok(form) => form,
        Err(response) => return response,
    };
    let return_to = ReturnTo::parse(form.optional("return_to").ok().flatten());
    let (Ok(user_name), Ok(password), Ok(csrf)) =
        (form.single("username"), form.single("password"), form.single("csrf"))
    else {
        return problem(StatusCode::BAD_REQUEST, "the form needs `username`, `password` and `csrf`, once each");
    };
    let is_ours = login.is_csrf(csrf, login.browser.login_secret(&parts.headers));
    if !is_ours || !login.browser.is_not_foreign(&parts.headers) {
        return login.sign_in_page(StatusCode::FORBIDDEN, &parts, &return_to, Some(super::steps::STALE), None);
    }
    let password = Secret::new(password.to_owned());
    let outcome = login.sign_in_by_password(user_name, &password, &visit(&parts), &return_to).await;
    login.count(Method::Password, outcome.as_ref().err());
    match outcome {
        Ok(finished) => login.welcome(&finished),
        Err(error) => login.failure(&error, PASSWORD, &parts, &return_to),
    }
}

async fn show_link(State(login): State<Login>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let token = query(&parts).optional("token").ok().flatten().unwrap_or_default().to_owned();
    let secret = login.browser.login_secret_or_new(&parts.headers, &login.services.ids);
    let mut response = page(StatusCode::OK, pages::link(&token, &login.csrf(&secret)));
    if let Some(cookie) = login.browser.login_header(&secret) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

pub(super) async fn follow_link(State(login): State<Login>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let form = match form(&parts, body, MAX_FORM_BYTES).await {
        Ok(form) => form,
        Err(response) => return response,
    };
    let (Ok(token), Ok(csrf)) = (form.single("token"), form.single("csrf")) else {
        return problem(StatusCode::BAD_REQUEST, "the form needs `token` and `csrf`, once each");
    };
    let is_ours = login.is_csrf(csrf, login.browser.login_secret(&parts.headers));
    let visit = visit(&parts);
    let outcome = if is_ours && login.browser.is_not_foreign(&parts.headers) {
        login.follow_link(token, &visit).await
    } else {
        Err(Error::refused("anti-forgery", "the form was too old or came from elsewhere"))
    };
    match outcome {
        Ok(finished) => login.welcome(&finished),
        Err(error) => {
            let recorded = login.record_failure(&error, LINK, None, &visit.circumstance).await;
            let error = recorded.err().map_or(error, Error::Store);
            login.failure(&error, LINK, &parts, &ReturnTo::home())
        }
    }
}

async fn start(State(login): State<Login>, Path(connector): Path<String>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let id = match connector.parse::<SourceId>() {
        Ok(id) if login.connectors.contains_key(&id) => id,
        _ => return no_connector(),
    };
    let query = query(&parts);
    let return_to = ReturnTo::parse(query.optional("return_to").ok().flatten());
    let hint = super::discover::hint(query.optional("login_hint").ok().flatten());
    login.leave(&id, &return_to, hint, &parts).await
}

async fn metadata(State(login): State<Login>, Path(connector): Path<String>) -> Response {
    let found = connector.parse::<SourceId>().ok().and_then(|id| login.connectors.get(&id));
    match found.and_then(|connector| connector.redirect.metadata()) {
        Some((kind, body)) => ([(header::CONTENT_TYPE, kind)], body).into_response(),
        None => no_connector(),
    }
}

async fn saml_answer(State(login): State<Login>, Path(connector): Path<String>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Some(id) = login.way_in(&connector, Method::Saml) else { return no_connector() };
    let form = form(&parts, body, MAX_ANSWER_BYTES).await;
    if let Some(error) = too_large(&parts, MAX_ANSWER_BYTES) {
        return login.refuse_unread(id, Method::Saml, error, &parts).await;
    }
    let answer = match form {
        Ok(answer) => answer,
        Err(response) => return response,
    };
    let handle = answer.single("RelayState").unwrap_or_default().to_owned();
    login.answer(&id, Method::Saml, &handle, answer, &parts).await
}

async fn oidc_answer(State(login): State<Login>, Path(connector): Path<String>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let Some(id) = login.way_in(&connector, Method::OpenIdConnect) else { return no_connector() };
    let answer = query(&parts);
    let handle = answer.single("state").unwrap_or_default().to_owned();
    login.answer(&id, Method::OpenIdConnect, &handle, answer, &parts).await
}
