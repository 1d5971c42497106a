//! The passkeys of who is signed in: another one, another name, one less.
//!
//! Who has a second factor has shown it within the last ten minutes; who has none gives the password that is kept here, or
//! has just signed in. The session goes on under a new secret, all others of the account end.

use axum::extract::{Request, State};
use axum::response::Response;
use http::request::Parts;
use http::{Method as HttpMethod, StatusCode, header};
use serde_json::json;

use super::account::NotOwn;
use super::account_factors::{FRESH, OLD, WRONG_PASSWORD};
use super::passkey::told;
use super::routes::{page, redirect, visit};
use super::steps::STALE;
use super::{Error, FACTOR, Login, PASSWORD, ReturnTo, SignedIn, pages};
use crate::audit::EventKind;
use crate::credential::Added;
use crate::credential::passkey::Answer;
use crate::http::{Access, Rate, Route, Takes};
use crate::model::{FactorKind, PasskeyId, Presence, Words, say};
use crate::notify::Notice;
use crate::secret::Secret;
use crate::upstream::Answer as Form;

/// Where the page is.
const PLACE: &str = "/account/factors";
/// Where to sign in so as to come back to it.
const SIGN_IN: &str = "/login?return_to=%2Faccount%2Ffactors";
/// What is said of a passkey that cannot be kept.
const NOT_KEPT: Words = say(
    "The passkey could not be kept. Remove one that you do not need, or try another device.",
    "Der Passkey konnte nicht gespeichert werden. Entfernen Sie einen, den Sie nicht brauchen, oder nehmen Sie ein anderes Gerät.",
);
/// The rule by which a second factor proves nothing any more.
const OLD_FACTOR: &str = "old-factor";
/// What is said where the second factor was shown too long ago.
const CONFIRM: Words = say(
    "Confirm first that it is you, then try again.",
    "Bestätigen Sie zuerst, dass Sie es sind, und versuchen Sie es dann noch einmal.",
);

/// The rows of this part.
pub(super) fn table() -> Vec<Route<Login>> {
    vec![
        Route::new(HttpMethod::POST, "/account/passkeys/add", Access::Public, Rate::SignIn, add)
            .takes(Takes::Assertion),
        Route::new(HttpMethod::POST, "/account/passkeys/change", Access::Public, Rate::SignIn, change)
            .takes(Takes::Nothing),
        Route::new(HttpMethod::POST, "/account/passkeys/options", Access::Public, Rate::SignIn, options)
            .takes(Takes::Password),
    ]
}

async fn options(State(login): State<Login>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let question = match login.question(&parts, body).await {
        Ok(question) => question,
        Err(response) => return response,
    };
    let (signed_in, secret) = match login.asks_own(&question, &parts).await {
        Ok(asks) => asks,
        Err(error) => return login.told_failure(&error, STALE),
    };
    let asked = async {
        login.check_is_here(&signed_in, question.field("password"), &parts).await?;
        login.ask_for_new(&signed_in.user, &secret).await
    };
    match asked.await {
        Ok(asked) => told(StatusCode::OK, &json!({ "publicKey": asked })),
        Err(error) => {
            let (user, circumstance) = (Some(&*signed_in.user), visit(&parts).circumstance);
            let recorded = login.record_failure(&error, PASSWORD, user, &circumstance).await;
            let text = proof_text(&error);
            login.told_failure(&recorded.err().map_or(error, Error::Store), text)
        }
    }
}

/// What is said where somebody did not prove that they are here.
pub(super) fn proof_text(error: &Error) -> Words {
    match error {
        Error::Refused { rule: OLD_FACTOR, .. } => CONFIRM,
        Error::Refused { rule: "old-session", .. } => OLD,
        _ => WRONG_PASSWORD,
    }
}

async fn add(State(login): State<Login>, request: Request) -> Response {
    let (parts, form, signed_in) = match login.passkey_form(request).await {
        Ok(asked) => asked,
        Err(response) => return *response,
    };
    match login.try_add_passkey(&signed_in, &form, &parts).await {
        Ok((secret, Some(codes))) => {
            let shown = pages::factor::recovery_codes(&codes, PLACE);
            login.with_session(page(StatusCode::OK, shown), &secret)
        }
        Ok((secret, None)) => login.with_session(redirect(PLACE, []), &secret),
        Err(error) => login.own_passkey_failure(error, NOT_KEPT, &signed_in, &parts).await,
    }
}

async fn change(State(login): State<Login>, request: Request) -> Response {
    let (parts, form, signed_in) = match login.passkey_form(request).await {
        Ok(asked) => asked,
        Err(response) => return *response,
    };
    let Ok(id) = form.single("id").unwrap_or_default().parse::<PasskeyId>() else { return redirect(PLACE, []) };
    let outcome = match form.single("do") {
        Ok("rename") => {
            let name = form.single("name").unwrap_or_default();
            login.try_rename_passkey(&signed_in, id, name, &parts).await.map(|()| None)
        }
        Ok("remove") => match login.try_remove_passkey(&signed_in, id, &parts).await {
            // Who must have a second factor and has none is not signed in.
            Ok(None) => return redirect(SIGN_IN, [login.browser.forget_header()]),
            removed => removed,
        },
        _ => Err(Error::refused("form", "the form does not say what to do")),
    };
    match outcome {
        Ok(Some(secret)) => login.with_session(redirect(PLACE, []), &secret),
        Ok(None) => redirect(PLACE, []),
        Err(error) => login.own_passkey_failure(error, CONFIRM, &signed_in, &parts).await,
    }
}

impl Login {
    /// A form of this part, or what to answer instead.
    async fn passkey_form(&self, request: Request) -> Result<(Parts, Form, SignedIn), Box<Response>> {
        match self.own_form(request, SIGN_IN, FACTOR).await {
            Ok(own) => Ok(own),
            Err(NotOwn::Answered(response)) => Err(response),
            Err(NotOwn::Stale(own)) => {
                Err(Box::new(self.factors_page(&own.1, &own.0, StatusCode::FORBIDDEN, Some(STALE), None).await))
            }
        }
    }

    fn with_session(&self, mut response: Response, secret: &Secret) -> Response {
        if let Some(cookie) = self.browser.session_header(secret) {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
        response
    }

    async fn own_passkey_failure(&self, error: Error, text: Words, signed_in: &SignedIn, parts: &Parts) -> Response {
        let user = Some(&*signed_in.user);
        let recorded = self.record_failure(&error, FACTOR, user, &visit(parts).circumstance).await;
        match recorded.err().map_or(error, Error::Store) {
            Error::Refused { .. } => {
                self.factors_page(signed_in, parts, StatusCode::UNAUTHORIZED, Some(text), None).await
            }
            error => self.failure(&error, FACTOR, parts, &ReturnTo::home()),
        }
    }

    /// Whether a second factor was shown a short time ago in this session.
    pub(super) fn is_fresh(&self, signed_in: &SignedIn) -> bool {
        let shown = signed_in.session.presence.factor_at;
        shown.is_some_and(|at| self.services.clock.now().since(at) <= FRESH)
    }

    /// Checks that somebody is here at this moment: by the second factor where there is one, else by the password that is
    /// kept here, else by a sign-in of the last ten minutes.
    pub(super) async fn check_is_here(&self, signed_in: &SignedIn, password: &str, parts: &Parts) -> Result<(), Error> {
        if self.services.factors.enrolled(signed_in.user.id).await?.is_any() {
            return self.check_factor_is_fresh(signed_in);
        }
        if self.has_own_password(signed_in).await? {
            return self.check_present(signed_in, &Secret::new(password.to_owned()), parts).await.map(|_| ());
        }
        if self.services.clock.now().since(signed_in.session.created) > FRESH {
            return Err(Error::refused("old-session", "the sign-in is too old to prove anything"));
        }
        Ok(())
    }

    /// Keeps the passkey that was made. That its owner has proved to be here is what its challenge shows. With the first
    /// factor come recovery codes.
    async fn try_add_passkey(
        &self,
        signed_in: &SignedIn,
        form: &Form,
        parts: &Parts,
    ) -> Result<(Secret, Option<Vec<Secret>>), Error> {
        let services = &self.services;
        let absent = || Error::refused("session", "there is no session");
        let secret = self.browser.session_secret(&parts.headers).ok_or_else(absent)?;
        let answer = Answer::read(form.single("credential").unwrap_or_default())?;
        let name = form.optional("name").ok().flatten().unwrap_or_default();
        let user = &signed_in.user;
        let enrolment = &services.factors.passkey(self.passkeys_for()?, user.id, &secret, &answer, name)?;
        services
            .ledger
            .retry(|mut change| async move {
                let added = services.factors.enrol_in(&mut change, user.id, enrolment).await?;
                if added == Added::Not {
                    return Err(Error::refused("credential", "the passkey is known already, or there are too many"));
                }
                let presence = Presence::two(services.clock.now());
                let renewed = services.sessions.renew_alone_as(&mut change, &signed_in.session, presence).await;
                let (secret, session, ended) = renewed?;
                let (kind, from) = (EventKind::FactorEnrolled, &visit(parts).circumstance);
                services.outbox.tell_in(&mut change, user, Notice::FactorEnrolled, from).await?;
                let event = self.own_event(kind, enrolment.kind(), signed_in, &session, parts);
                change.commit(event.detail("sessions_ended", ended)).await?;
                let codes = (added == Added::WithCodes).then(|| enrolment.codes().to_vec());
                Ok((secret, codes))
            })
            .await
    }

    async fn try_rename_passkey(
        &self,
        signed_in: &SignedIn,
        id: PasskeyId,
        name: &str,
        parts: &Parts,
    ) -> Result<(), Error> {
        self.check_factor_is_fresh(signed_in)?;
        let services = &self.services;
        services
            .ledger
            .retry(|mut change| async move {
                let renamed = services.factors.rename_passkey_in(&mut change, signed_in.user.id, id, name).await?;
                let Some((before, after)) = renamed else { return Ok(()) };
                let (renamed, kind) = (EventKind::PasskeyRenamed, FactorKind::Passkey);
                let event = self.own_event(renamed, kind, signed_in, &signed_in.session, parts);
                change.commit(event.detail("name before", before).detail("name after", after)).await?;
                Ok(())
            })
            .await
    }

    /// The new secret of the session; `None` where it has ended, since a second factor is demanded and none is left.
    async fn try_remove_passkey(
        &self,
        signed_in: &SignedIn,
        id: PasskeyId,
        parts: &Parts,
    ) -> Result<Option<Secret>, Error> {
        self.check_factor_is_fresh(signed_in)?;
        let services = &self.services;
        let user = signed_in.user.id;
        services
            .ledger
            .retry(|mut change| async move {
                let removed = services.factors.remove_passkey_in(&mut change, user, id).await?;
                let name = removed.ok_or_else(|| Error::refused("factor", "the passkey was removed meanwhile"))?;
                let is_left = services.factors.enrolled_in(&mut change, user).await?.is_any();
                let presence = if is_left { signed_in.session.presence } else { Presence::default() };
                let (secret, session, ended) = self.renew_or_end(&mut change, signed_in, presence, is_left).await?;
                let (kind, from) = (FactorKind::Passkey, &visit(parts).circumstance);
                services.outbox.tell_in(&mut change, &signed_in.user, Notice::FactorRemoved, from).await?;
                let event = self.own_event(EventKind::FactorRemoved, kind, signed_in, &session, parts);
                change.commit(event.detail("name", name).detail("sessions_ended", ended)).await?;
                Ok(secret)
            })
            .await
    }

    pub(super) fn check_factor_is_fresh(&self, signed_in: &SignedIn) -> Result<(), Error> {
        let old = || Error::refused(OLD_FACTOR, "the second factor was shown too long ago to prove anything");
        self.is_fresh(signed_in).then_some(()).ok_or_else(old)
    }
}
