//! Test sign-ins: a link of an administrator leads once to a provider and back to a page that shows what came and what a
//! sign-in would have done. No session, no account, no link to one, no role comes of it.
//!
//! What is remembered of a test is in a table of its own, so that no test is ever found where a sign-in is looked for, nor
//! the reverse. An answer to a test is read by [`RedirectConnector::try_answer`], whose [`TriedIdentity`] no end of a
//! sign-in takes. What comes under a test's handle stays a test's after its end too: sending the page again signs nobody in. Here
//! alone the page shows the true reason of a failure: whoever sees it was given the link.
//!
//! [`RedirectConnector::try_answer`]: crate::upstream::RedirectConnector::try_answer
//! [`TriedIdentity`]: crate::upstream::TriedIdentity

use std::time::Duration;

use axum::extract::{Request, State};
use axum::response::Response;
use http::request::Parts;
use http::{Method as HttpMethod, StatusCode, header};
use minicbor::{Decode, Encode};

use super::finish::Preview;
use super::pages;
use super::routes::{MAX_FORM_BYTES, depart, form, no_connector, page, query, reference, visit};
use super::ticket::LIFETIME;
use super::{Error, Login, cut};
use crate::access::Permit;
use crate::audit::{Event, EventKind, Housekeeping, Ledger, Outcome};
use crate::clock::{Clock, Timestamp};
use crate::http::{Access, Rate, Route, Takes};
use crate::model::{Actor, Circumstance, OrganisationId, SourceId};
use crate::secret::{MacKey, Secret};
use crate::session::{Method, SECRET_CHARACTERS};
use crate::store::{self, Table};
use crate::upstream::{Answer, Checks, Start, Trial};

/// How long a link can be followed.
const LINK_LIFETIME: Duration = Duration::from_secs(10 * 60);
/// How long after its end a test's handle is known as one: longer than a provider's word is taken that was not asked for.
const REMEMBERED: Duration = Duration::from_secs(60 * 60);
/// Where links lead.
const PATH: &str = "/login/trial";

/// Links to tests, and tests under way, each by the keyed hash of its secret.
const TRIALS: Table<[u8; 32], Kept> = Table::new(0x5b, "test sign-ins");
/// Every tag of this module with its table's name.
pub(super) const TABLES: [(u8, &str); 1] = [(0x5b, TRIALS.name())];

/// What is kept of a test.
#[derive(Clone, Debug, Encode, Decode)]
#[cbor(map)]
struct Kept {
    #[n(0)]
    connector: SourceId,
    /// Who made the link, as actors print.
    #[n(1)]
    by: String,
    #[n(2)]
    until: Timestamp,
    /// What was begun; none of a link.
    #[n(3)]
    begun: Option<Begun>,
    /// Whether it came back.
    #[n(4)]
    is_over: Option<bool>,
    /// Whether who made the link may read accounts and roles, and so whoever follows it.
    #[n(5)]
    shows_accounts: Option<bool>,
}

/// A test under way.
#[derive(Clone, Debug, Encode, Decode)]
#[cbor(map)]
struct Begun {
    /// What the connector remembers.
    #[cbor(n(0), with = "minicbor::bytes")]
    pending: Vec<u8>,
    /// Keyed hash of the browser's pre-login cookie.
    #[cbor(n(1), with = "minicbor::bytes")]
    browser: [u8; 32],
}

/// Whose link it was, and how much it shows.
struct Maker {
    by: String,
    shows_accounts: bool,
}

impl Maker {
    fn of(kept: &Kept) -> Self {
        Self { by: kept.by.clone(), shows_accounts: kept.shows_accounts == Some(true) }
    }
}

/// A link that was followed just now, and is used up.
struct Followed {
    connector: SourceId,
    maker: Maker,
}

/// A test that has come back, and is used up.
struct Returned {
    maker: Maker,
    pending: Vec<u8>,
}

/// A link for a test sign-in.
#[derive(Debug)]
pub struct TestLink {
    /// Path and query, told this once.
    pub path: Secret,
    /// Until when it can be followed.
    pub until: Timestamp,
}

/// Keeps tests.
#[derive(Clone)]
pub(super) struct Trials {
    ledger: Ledger,
    clock: Clock,
    links: MacKey,
    tickets: MacKey,
    browsers: MacKey,
}

impl Trials {
    pub(super) fn new(ledger: Ledger, clock: Clock, key: &MacKey) -> Self {
        let key = key.derive("test sign-in");
        let (links, tickets, browsers) = (key.derive("link"), key.derive("ticket"), key.derive("browser"));
        Self { ledger, clock, links, tickets, browsers }
    }

    /// Whether a handle is a test's, in whatever browser, also of one that is over: what comes under it signs nobody in.
    pub(super) async fn holds(&self, handle: &str) -> Result<bool, store::Error> {
        if handle.len() != SECRET_CHARACTERS {
            return Ok(false);
        }
        let key = self.tickets.tag(handle.as_bytes());
        let kept = self.ledger.store().find(&TRIALS, OrganisationId::DEFAULT, &key).await?;
        Ok(kept.is_some_and(|kept| kept.begun.is_some()))
    }

    /// Uses a link up, with an event: a link that somebody stole is followed too.
    async fn follow(&self, token: &str, circumstance: &Circumstance) -> Result<Followed, Error> {
        let absent = || Error::refused("link", "no such link, or it was used, or it is too old");
        if token.len() != SECRET_CHARACTERS {
            return Err(absent());
        }
        let key = self.links.tag(token.as_bytes());
        self.ledger
            .retry(|mut change| async move {
                let kept = change.find(&TRIALS, OrganisationId::DEFAULT, &key).await?.ok_or_else(absent)?;
                if kept.until <= self.clock.now() || kept.begun.is_some() {
                    return Err(absent());
                }
                change.delete(&TRIALS, OrganisationId::DEFAULT, &key);
                let event = Event::new(self.clock.now(), EventKind::TestFollowed, &Actor::Anonymous)
                    .within(circumstance)
                    .on("connector", &kept.connector, "")
                    .detail("by", &kept.by);
                change.commit(event).await?;
                Ok(Followed { maker: Maker::of(&kept), connector: kept.connector })
            })
            .await
    }

    /// Remembers a test that begins in a browser.
    async fn begin(&self, followed: &Followed, start: &Start, cookie: &Secret) -> Result<(), Error> {
        let until = self.clock.now().plus(LIFETIME);
        let browser = self.browsers.tag(cookie.expose().as_bytes());
        let begun = Some(Begun { pending: start.pending.clone(), browser });
        let (connector, by) = (followed.connector.clone(), followed.maker.by.clone());
        let shows_accounts = Some(followed.maker.shows_accounts);
        let kept = Kept { connector, by, until, begun, is_over: None, shows_accounts };
        let key = self.tickets.tag(start.handle.as_bytes());
        let mut change = self.ledger.change();
        change.put_until(&TRIALS, OrganisationId::DEFAULT, &key, &kept, Some(until.plus(REMEMBERED)))?;
        change.commit_quietly(Housekeeping::Login).await?;
        Ok(())
    }

    /// Uses a test up that came back; another browser does not use it up.
    async fn redeem(&self, handle: &str, connector: &SourceId, cookie: &Secret) -> Result<Returned, Error> {
        let key = self.tickets.tag(handle.as_bytes());
        let browser = self.browsers.tag(cookie.expose().as_bytes());
        let absent = || Error::refused("ticket", "no such test is under way");
        self.ledger
            .retry(|mut change| async move {
                let kept = change.find(&TRIALS, OrganisationId::DEFAULT, &key).await?.ok_or_else(absent)?;
                let is_open = kept.until > self.clock.now() && kept.is_over != Some(true);
                let begun = kept.begun.clone().filter(|_| is_open).ok_or_else(absent)?;
                // Both sides are keyed hashes: comparing them in variable time tells nothing about the cookie.
                if begun.browser != browser || kept.connector != *connector {
                    return Err(Error::refused("ticket", "the test was started elsewhere"));
                }
                // The same answer once more is none to anything else.
                let over = Kept { is_over: Some(true), ..kept };
                change.put_until(&TRIALS, OrganisationId::DEFAULT, &key, &over, Some(over.until.plus(REMEMBERED)))?;
                change.commit_quietly(Housekeeping::Login).await?;
                Ok(Returned { maker: Maker::of(&over), pending: begun.pending })
            })
            .await
    }
}

/// The rows of this part.
pub(super) fn table() -> Vec<Route<Login>> {
    vec![
        Route::new(HttpMethod::GET, PATH, Access::Public, Rate::Page, show),
        Route::new(HttpMethod::POST, PATH, Access::Public, Rate::SignIn, follow).takes(Takes::Random),
    ]
}

impl Login {
    /// Makes a link for one test sign-in by a connector, good for ten minutes; `None` when there is no such connector. What
    /// its page tells of accounts and roles it tells where `shows_accounts`.
    ///
    /// # Errors
    /// `Store`.
    pub async fn test_link(
        &self,
        permit: &Permit,
        connector: &SourceId,
        shows_accounts: bool,
    ) -> Result<Option<TestLink>, Error> {
        if !self.connectors.contains_key(connector) {
            return Ok(None);
        }
        let (secret, now) = (self.services.ids.token(), self.services.clock.now());
        let until = now.plus(LINK_LIFETIME);
        let event = permit.event(now, EventKind::TestBegun).on("connector", connector, "");
        let by = event.actor.clone();
        let (connector, shows_accounts) = (connector.clone(), Some(shows_accounts));
        let kept = Kept { connector, by, until, begun: None, is_over: None, shows_accounts };
        let key = self.trials.links.tag(secret.expose().as_bytes());
        let mut change = self.services.ledger.change();
        change.put_until(&TRIALS, OrganisationId::DEFAULT, &key, &kept, Some(until))?;
        change.commit(event).await?;
        Ok(Some(TestLink { path: Secret::new(format!("{PATH}?token={}", secret.expose())), until }))
    }

    /// Takes a browser to the provider.
    async fn begin_trial(&self, token: &str, parts: &Parts) -> Result<Response, Error> {
        let followed = self.trials.follow(token, &visit(parts).circumstance).await?;
        let Some(connector) = self.connectors.get(&followed.connector) else { return Ok(no_connector()) };
        let start = match connector.redirect.start().await {
            Ok(start) => start,
            // Who was given the link is told what keeps everybody out.
            Err(error) => {
                let mut checks = Checks::default();
                checks.fail("begin", cut(&error.to_string()));
                let trial = Trial { checks, identity: None };
                return self.show_trial(&followed.connector, &followed.maker, &trial, None, parts).await;
            }
        };
        let cookie = self.browser.login_secret_or_new(&parts.headers, &self.services.ids);
        self.trials.begin(&followed, &start, &cookie).await?;
        Ok(depart(&start.location, &start.fields, [self.browser.login_header(&cookie)]))
    }

    /// The answer to what a provider answered to a test.
    pub(super) async fn answer_trial(
        &self,
        id: &SourceId,
        kind: Method,
        handle: &str,
        answer: &Answer,
        parts: &Parts,
    ) -> Response {
        match self.try_trial(id, kind, handle, answer, parts).await {
            Ok(response) => response,
            Err(error) => self.trial_failure(error, id.as_str(), parts).await,
        }
    }

    async fn try_trial(
        &self,
        id: &SourceId,
        kind: Method,
        handle: &str,
        answer: &Answer,
        parts: &Parts,
    ) -> Result<Response, Error> {
        let connector = self.connector(id, kind)?;
        let cookie = self
            .browser
            .login_secret(&parts.headers)
            .ok_or_else(|| Error::refused("browser", "the browser that began the test did not come back"))?;
        let returned = self.trials.redeem(handle, id, &cookie).await?;
        let trial = connector.redirect.try_answer(&returned.pending, answer).await;
        let preview = match &trial.identity {
            Some(identity) => match self.preview(identity, kind, &visit(parts)).await {
                Ok(preview) => Some(preview),
                Err(error) => {
                    let event = self.trial_event(id, &returned.maker, &trial, None, parts);
                    let event = event.outcome(Outcome::Failed).detail("reason", cut(&error.to_string()));
                    self.services.ledger.record(event).await?;
                    return Err(error);
                }
            },
            None => None,
        };
        self.show_trial(id, &returned.maker, &trial, preview, parts).await
    }

    /// How a test has ended: whose link it was, whom the answer spoke of, and where a sign-in would have led.
    fn trial_event(
        &self,
        id: &SourceId,
        maker: &Maker,
        trial: &Trial,
        preview: Option<&Preview>,
        parts: &Parts,
    ) -> Event {
        let mut event = Event::new(self.services.clock.now(), EventKind::TestEnded, &Actor::Anonymous)
            .within(&visit(parts).circumstance)
            .on("connector", id, "")
            .detail("by", &maker.by);
        if let Some(identity) = &trial.identity {
            event = event.detail("asserted", cut(identity.user_name()));
        }
        if let Some(standing) = preview.and_then(|preview| preview.standing.as_ref()) {
            event = event.detail("standing", standing.name());
            if let Some(user) = standing.user() {
                event = event.detail("user", user.id);
            }
        }
        for check in trial.checks.iter().filter(|check| check.verdict == crate::upstream::Verdict::Failed) {
            event = event.detail(check.what, cut(&check.told));
        }
        event
    }

    /// Records that a test has ended, and shows how.
    async fn show_trial(
        &self,
        id: &SourceId,
        maker: &Maker,
        trial: &Trial,
        preview: Option<Preview>,
        parts: &Parts,
    ) -> Result<Response, Error> {
        let refusal = preview.as_ref().and_then(|preview| preview.refusal.as_ref());
        let is_good = trial.checks.is_good() && preview.is_some() && refusal.is_none();
        let mut event = self.trial_event(id, maker, trial, preview.as_ref(), parts).outcome(if is_good {
            Outcome::Succeeded
        } else {
            Outcome::Failed
        });
        if let Some((rule, reason)) = refusal {
            event = event.detail("rule", rule).detail("reason", cut(reason));
        }
        self.services.ledger.record(event).await?;
        let (connector, shows_accounts) = (id.as_str(), maker.shows_accounts);
        let view = pages::trial::View { connector, trial, preview: preview.as_ref(), is_good, shows_accounts };
        let mut response = page(StatusCode::OK, pages::trial::result(&view));
        response.headers_mut().insert(header::CACHE_CONTROL, http::HeaderValue::from_static("no-store"));
        Ok(response)
    }

    /// The answer to a test that is none: like any sign-in that did not work.
    async fn trial_failure(&self, error: Error, connector: &str, parts: &Parts) -> Response {
        let recorded = self.record_failure(&error, connector, None, &visit(parts).circumstance).await;
        let error = recorded.err().map_or(error, Error::Store);
        self.failure(&error, connector, parts, &super::ReturnTo::home())
    }
}

async fn show(State(login): State<Login>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let token = query(&parts).optional("token").ok().flatten().unwrap_or_default().to_owned();
    let secret = login.browser.login_secret_or_new(&parts.headers, &login.services.ids);
    let mut response = page(StatusCode::OK, pages::trial::ask(&token, &login.csrf(&secret)));
    if let Some(cookie) = login.browser.login_header(&secret) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

async fn follow(State(login): State<Login>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let form = match form(&parts, body, MAX_FORM_BYTES).await {
        Ok(form) => form,
        Err(response) => return response,
    };
    let (Ok(token), Ok(csrf)) = (form.single("token"), form.single("csrf")) else {
        return crate::http::problem(StatusCode::BAD_REQUEST, "the form needs `token` and `csrf`, once each");
    };
    let is_ours = login.is_csrf(csrf, login.browser.login_secret(&parts.headers));
    let outcome = if is_ours && login.browser.is_not_foreign(&parts.headers) {
        login.begin_trial(token, &parts).await
    } else {
        Err(Error::refused("anti-forgery", "the form was too old or came from elsewhere"))
    };
    match outcome {
        Ok(response) => response,
        Err(error) => {
            let recorded = login.record_failure(&error, super::LINK, None, &visit(&parts).circumstance).await;
            let error = recorded.err().map_or(error, Error::Store);
            match error {
                Error::Refused { .. } => {
                    page(StatusCode::FORBIDDEN, pages::trial::gone(&reference(&parts), login.contact.as_deref()))
                }
                error => login.failure(&error, super::LINK, &parts, &super::ReturnTo::home()),
            }
        }
    }
}
