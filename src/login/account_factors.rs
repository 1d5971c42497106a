//! The second factors of who is signed in: what there is, another app, new recovery codes.
//!
//! A change asks for proof of this moment: a code where there is a factor, else the password that is kept here, else a
//! sign-in of the last ten minutes. The session goes on under a new secret, all others of the account end.

use std::time::Duration;

use axum::extract::{Request, State};
use axum::response::Response;
use http::request::Parts;
use http::{Method as HttpMethod, StatusCode, header};

use super::account::NotOwn;
use super::account_passkeys::proof_text;
use super::enrol::UNCONFIRMED;
use super::factor::WRONG;
use super::routes::{page, redirect, visit};
use super::steps::STALE;
use super::{Error, FACTOR, Login, PASSWORD, ReturnTo, SignedIn, pages};
use crate::audit::{Change, Event, EventKind};
use crate::credential::{Added, Enrolment, Offer};
use crate::http::{Access, Rate, Route, Takes};
use crate::model::{FactorKind, Presence, Words, say};
use crate::notify::Notice;
use crate::secret::Secret;
use crate::session::Session;
use crate::upstream::Answer;

/// Where to sign in so as to come back to the page.
const SIGN_IN: &str = "/login?return_to=%2Faccount%2Ffactors";
/// How long ago a sign-in may be that stands for a proof of this moment, for who has neither password nor factor here.
pub(super) const FRESH: Duration = Duration::from_secs(10 * 60);
/// What is said of a present password that is not right, or of an account that is locked.
pub(super) const WRONG_PASSWORD: Words = say(
    "The present password is not right, or was tried too often.",
    "Das bisherige Passwort stimmt nicht oder wurde zu oft versucht.",
);
/// What is said where nothing but a new sign-in proves anything.
pub(super) const OLD: Words = say(
    "You signed in too long ago. Sign out, sign in again, and come back within ten minutes.",
    "Ihre Anmeldung ist zu lange her. Melden Sie sich ab und wieder an und kommen Sie innerhalb von zehn Minuten zurück.",
);

/// The rows of this part.
pub(super) fn table() -> Vec<Route<Login>> {
    let path = "/account/factors";
    vec![
        Route::new(HttpMethod::GET, path, Access::Public, Rate::Page, show),
        Route::new(HttpMethod::POST, "/account/factors/add", Access::Public, Rate::SignIn, add).takes(Takes::Password),
        Route::new(HttpMethod::POST, "/account/factors/confirm", Access::Public, Rate::SignIn, confirm)
            .takes(Takes::Nothing),
        Route::new(HttpMethod::POST, "/account/factors/change", Access::Public, Rate::SignIn, change)
            .takes(Takes::Factor),
    ]
}

/// What a change of one's own factors led to.
enum Done {
    /// A seed is offered.
    Offered(Box<Offer>, Option<Words>),
    /// The session has a new secret, and there are recovery codes to show.
    Codes(Secret, Vec<Secret>),
    /// The session has a new secret, and the factor is gone; or the session has ended, since one is demanded.
    Removed(Option<Secret>),
}

async fn show(State(login): State<Login>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    match login.present(&parts).await {
        Ok(Some(signed_in)) => login.factors_page(&signed_in, &parts, StatusCode::OK, None, None).await,
        Ok(None) => redirect(SIGN_IN, []),
        Err(error) => login.failure(&error, FACTOR, &parts, &ReturnTo::home()),
    }
}

async fn add(State(login): State<Login>, request: Request) -> Response {
    login.own_change(request, Kind::Add).await
}

async fn confirm(State(login): State<Login>, request: Request) -> Response {
    login.own_change(request, Kind::Confirm).await
}

async fn change(State(login): State<Login>, request: Request) -> Response {
    login.own_change(request, Kind::Change).await
}

/// Which form was sent.
#[derive(Clone, Copy)]
enum Kind {
    Add,
    Confirm,
    Change,
}

impl Login {
    async fn own_change(&self, request: Request, kind: Kind) -> Response {
        let (parts, form, signed_in) = match self.own_form(request, SIGN_IN, FACTOR).await {
            Ok(own) => own,
            Err(NotOwn::Answered(response)) => return *response,
            Err(NotOwn::Stale(own)) => {
                return self.factors_page(&own.1, &own.0, StatusCode::FORBIDDEN, Some(STALE), None).await;
            }
        };
        let outcome = match kind {
            Kind::Add => self.try_add(&signed_in, &form, &parts).await,
            Kind::Confirm => self.try_confirm(&signed_in, &form, &parts).await,
            Kind::Change => self.try_change_factors(&signed_in, &form, &parts).await,
        };
        match outcome {
            Ok(done) => self.done(done, &signed_in, &parts).await,
            Err(error) => self.own_failure(error, kind, &signed_in, &parts).await,
        }
    }

    async fn done(&self, done: Done, signed_in: &SignedIn, parts: &Parts) -> Response {
        let (mut response, secret) = match done {
            Done::Offered(offer, problem) => {
                let names = (&*self.issuer, signed_in.user.user_name.as_str());
                let status = if problem.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
                let csrf = self.own_csrf(parts);
                let shown = pages::factor::enrol(&csrf, "/account/factors/confirm", &offer, names, false, problem);
                return page(status, shown);
            }
            Done::Codes(secret, codes) => {
                (page(StatusCode::OK, pages::factor::recovery_codes(&codes, "/account/factors")), secret)
            }
            Done::Removed(Some(secret)) => (redirect("/account/factors", []), secret),
            // Who must have a second factor and has none is not signed in.
            Done::Removed(None) => return redirect(SIGN_IN, [self.browser.forget_header()]),
        };
        if let Some(cookie) = self.browser.session_header(&secret) {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
        response
    }

    async fn own_failure(&self, error: Error, kind: Kind, signed_in: &SignedIn, parts: &Parts) -> Response {
        let (connector, text) = match kind {
            Kind::Add => (PASSWORD, WRONG_PASSWORD),
            Kind::Confirm => (FACTOR, STALE),
            Kind::Change => (FACTOR, WRONG),
        };
        let text = if matches!(kind, Kind::Add) { proof_text(&error) } else { text };
        let recorded = self.record_failure(&error, connector, Some(&signed_in.user), &visit(parts).circumstance).await;
        match recorded.err().map_or(error, Error::Store) {
            Error::Refused { .. } => {
                self.factors_page(signed_in, parts, StatusCode::UNAUTHORIZED, Some(text), None).await
            }
            error => self.failure(&error, FACTOR, parts, &ReturnTo::home()),
        }
    }

    /// Offers a seed to who has no app yet and has proved to be here.
    async fn try_add(&self, signed_in: &SignedIn, form: &Answer, parts: &Parts) -> Result<Done, Error> {
        let user = &signed_in.user;
        if self.services.factors.enrolled(user.id).await?.code.is_some() {
            return Err(Error::refused("factor", "there is an app already"));
        }
        self.check_is_here(signed_in, form.single("password").unwrap_or_default(), parts).await?;
        let secret = self.own_secret(parts)?;
        Ok(Done::Offered(Box::new(self.services.factors.offer(user.id, &secret)?), None))
    }

    /// Enrols the app whose code was sent. That its owner has proved to be here is what the offer shows.
    async fn try_confirm(&self, signed_in: &SignedIn, form: &Answer, parts: &Parts) -> Result<Done, Error> {
        let user = &signed_in.user;
        let handle = form.single("offer").unwrap_or_default();
        let absent = || Error::refused("offer", "the seed was not offered to this session, or too long ago");
        let factors = &self.services.factors;
        let offer = factors.offered(user.id, &self.own_secret(parts)?, handle).ok_or_else(absent)?;
        let code = Secret::new(form.single("code").unwrap_or_default().to_owned());
        let Some(enrolment) = factors.confirm(user.id, &offer, &code)? else {
            return Ok(Done::Offered(Box::new(offer), Some(UNCONFIRMED)));
        };
        let secret = self.enrol_own(signed_in, &enrolment, parts).await?;
        Ok(Done::Codes(secret, enrolment.codes().to_vec()))
    }

    async fn enrol_own(&self, signed_in: &SignedIn, enrolment: &Enrolment, parts: &Parts) -> Result<Secret, Error> {
        let services = &self.services;
        services
            .ledger
            .retry(|mut change| async move {
                if services.factors.enrol_in(&mut change, signed_in.user.id, enrolment).await? == Added::Not {
                    return Err(Error::refused("factor", "a second factor was set up meanwhile"));
                }
                let presence = Presence::two(services.clock.now());
                let renewed = services.sessions.renew_alone_as(&mut change, &signed_in.session, presence).await;
                let (secret, session, ended) = renewed?;
                let event = self.own_event(EventKind::FactorEnrolled, enrolment.kind(), signed_in, &session, parts);
                let from = &visit(parts).circumstance;
                services.outbox.tell_in(&mut change, &signed_in.user, Notice::FactorEnrolled, from).await?;
                change.commit(event.detail("sessions_ended", ended)).await?;
                Ok(secret)
            })
            .await
    }

    /// Removes the app, or makes new recovery codes, with a code of this moment. Who has passkeys only shows one before.
    async fn try_change_factors(&self, signed_in: &SignedIn, form: &Answer, parts: &Parts) -> Result<Done, Error> {
        let removes = match form.single("do") {
            Ok("remove") => true,
            Ok("recovery-codes") => false,
            _ => return Err(Error::refused("form", "the form does not say what to do")),
        };
        if self.services.factors.enrolled(signed_in.user.id).await?.code.is_some() {
            self.check_code(&signed_in.user, form.single("code").unwrap_or_default(), parts).await?;
        } else {
            self.check_factor_is_fresh(signed_in)?;
        }
        let services = &self.services;
        let user = &signed_in.user;
        let codes = &services.factors.new_codes(user.id);
        let secret = services
            .ledger
            .retry(|mut change| async move {
                if !services.factors.enrolled_in(&mut change, user.id).await?.is_any() {
                    return Err(Error::refused("factor", "the second factor was removed meanwhile"));
                }
                let kind = if removes {
                    if !services.factors.remove_app_in(&mut change, user.id).await? {
                        return Err(Error::refused("factor", "there is no app"));
                    }
                    EventKind::FactorRemoved
                } else {
                    services.factors.put_codes_in(&mut change, user.id, codes)?;
                    EventKind::RecoveryCodesCreated
                };
                let is_left = services.factors.enrolled_in(&mut change, user.id).await?.is_any();
                let presence = if is_left { Presence::two(services.clock.now()) } else { Presence::default() };
                let (secret, session, ended) = self.renew_or_end(&mut change, signed_in, presence, is_left).await?;
                let event = self.own_event(kind, FactorKind::Code, signed_in, &session, parts);
                let notice = if removes { Notice::FactorRemoved } else { Notice::RecoveryMade };
                services.outbox.tell_in(&mut change, user, notice, &visit(parts).circumstance).await?;
                change.commit(event.detail("sessions_ended", ended)).await?;
                Ok(secret)
            })
            .await?;
        Ok(match secret {
            Some(secret) if !removes => Done::Codes(secret, codes.codes().to_vec()),
            secret => Done::Removed(secret),
        })
    }

    /// Goes on with the session under a new secret, all others of the account ended; without a factor that is left and where
    /// one is demanded, every session ends. Gives the secret if there is one, the session as it is or was, and how many
    /// ended.
    pub(super) async fn renew_or_end(
        &self,
        change: &mut Change,
        signed_in: &SignedIn,
        presence: Presence,
        is_left: bool,
    ) -> Result<(Option<Secret>, Session, usize), Error> {
        let (sessions, user) = (&self.services.sessions, signed_in.user.id);
        if !is_left && self.requires_factor(change, user).await? {
            let ended = sessions.end_all(change, user).await?;
            return Ok((None, Session::clone(&signed_in.session), ended));
        }
        let (secret, session, ended) = sessions.renew_alone_as(change, &signed_in.session, presence).await?;
        Ok((Some(secret), session, ended))
    }

    pub(super) fn own_event(
        &self,
        kind: EventKind,
        factor: FactorKind,
        signed_in: &SignedIn,
        session: &Session,
        parts: &Parts,
    ) -> Event {
        Event::new(self.services.clock.now(), kind, &signed_in.actor())
            .within(&visit(parts).circumstance)
            .on("user", signed_in.user.id, &signed_in.user.user_name)
            .detail("factor", factor.name())
            .detail("session", session.id)
    }

    fn own_secret(&self, parts: &Parts) -> Result<Secret, Error> {
        let absent = || Error::refused("session", "there is no session");
        self.browser.session_secret(&parts.headers).ok_or_else(absent)
    }

    pub(super) async fn factors_page(
        &self,
        signed_in: &SignedIn,
        parts: &Parts,
        status: StatusCode,
        problem: Option<Words>,
        done: Option<Words>,
    ) -> Response {
        let found = async {
            let factors = &self.services.factors;
            let (enrolled, passkeys) =
                (factors.enrolled(signed_in.user.id).await?, factors.passkeys(signed_in.user.id).await?);
            Ok::<_, Error>((enrolled, passkeys, self.has_own_password(signed_in).await?))
        };
        let (enrolled, passkeys, asks_password) = match found.await {
            Ok(found) => found,
            Err(error) => return self.failure(&error, FACTOR, parts, &ReturnTo::home()),
        };
        let (csrf, is_first) = (&self.own_csrf(parts), !enrolled.is_any());
        let (is_fresh, has_passkeys) = (self.is_fresh(signed_in), self.party.is_some());
        let passkeys = &passkeys;
        let passkeys = pages::passkey::Own { csrf, passkeys, is_fresh, is_first, asks_password, has_passkeys };
        let view = pages::factor::Own { csrf, enrolled: &enrolled, passkeys: &passkeys, problem, done };
        page(status, pages::factor::own(&view))
    }
}
