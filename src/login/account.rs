//! What people do with their own account while they are signed in.

use axum::extract::{Request, State};
use axum::response::Response;
use http::request::Parts;
use http::{Method as HttpMethod, StatusCode, header};

use super::pages::words;
use super::routes::{MAX_FORM_BYTES, form, page, redirect, visit};
use super::steps::{DIFFERENT, STALE};
use super::{Error, Login, PASSWORD, ReturnTo, SignedIn, pages};
use crate::audit::{Event, EventKind};
use crate::credential::{self, Lane, Prepared, Verdict, Verified};
use crate::http::{Access, Rate, Route, Takes};
use crate::model::{User, Words, say};
use crate::notify::Notice;
use crate::secret::Secret;
use crate::upstream::Answer;

/// What is said of a present password that is not right, or of an account that is locked.
const WRONG: Words = say(
    "The present password is not right, or was tried too often.",
    "Das bisherige Passwort stimmt nicht oder wurde zu oft versucht.",
);

/// Why a form about an account is not taken.
pub(super) enum NotOwn {
    /// It is none, nobody is signed in, or who it is cannot be told: that is the answer.
    Answered(Box<Response>),
    /// Of somebody who is signed in, and not from a page of ours that this browser has: the page is shown again.
    Stale(Box<(Parts, SignedIn)>),
}

impl NotOwn {
    fn answered(response: Response) -> Self {
        Self::Answered(Box::new(response))
    }
}

/// The rows of this part.
pub(super) fn table() -> Vec<Route<Login>> {
    vec![
        Route::new(HttpMethod::GET, "/account/password", Access::Public, Rate::Page, show_password),
        Route::new(HttpMethod::POST, "/account/password", Access::Public, Rate::SignIn, change_password)
            .takes(Takes::Password),
    ]
}

impl Login {
    /// Who is signed in and may still be, as every page of an account asks first.
    pub(super) async fn present(&self, parts: &Parts) -> Result<Option<SignedIn>, Error> {
        let Some(signed_in) = self.browser.signed_in(parts).await? else { return Ok(None) };
        let access = &self.services.access;
        let unavailable = |error: crate::access::Error| Error::Unavailable(error.to_string());
        if !access.may_sign_in(signed_in.user.id).await.map_err(unavailable)? {
            return Ok(None);
        }
        let level = access.effective_in(signed_in.user.id, None).await.map_err(unavailable)?;
        access.badge(&[level]).into_iter().for_each(words::say_badge);
        Ok(Some(signed_in))
    }

    /// A form about an account: by somebody who is signed in, and from a page of ours in this very browser. Every form of
    /// that kind comes in here. `sign_in` is where to sign in so as to come back.
    pub(super) async fn own_form(
        &self,
        request: Request,
        sign_in: &'static str,
        connector: &str,
    ) -> Result<(Parts, Answer, SignedIn), NotOwn> {
        let (parts, body) = request.into_parts();
        let answer = form(&parts, body, MAX_FORM_BYTES).await.map_err(NotOwn::answered)?;
        let signed_in = self.own_asker(&parts, &answer, (sign_in, connector)).await?;
        Ok((parts, answer, signed_in))
    }

    /// The same for a form that was read already.
    pub(super) async fn own_asker(
        &self,
        parts: &Parts,
        answer: &Answer,
        (sign_in, connector): (&str, &str),
    ) -> Result<SignedIn, NotOwn> {
        match self.present(parts).await {
            Ok(Some(signed_in)) if self.is_own_form(parts, answer.single("csrf").unwrap_or_default()) => Ok(signed_in),
            Ok(Some(signed_in)) => Err(NotOwn::Stale(Box::new((parts.clone(), signed_in)))),
            Ok(None) => Err(NotOwn::answered(redirect(sign_in, []))),
            Err(error) => Err(NotOwn::answered(self.failure(&error, connector, parts, &ReturnTo::home()))),
        }
    }

    /// Whether a form of somebody who is signed in is of this browser's page.
    fn is_own_form(&self, parts: &Parts, csrf: &str) -> bool {
        self.is_csrf(csrf, self.browser.session_secret(&parts.headers)) && self.browser.is_not_foreign(&parts.headers)
    }

    /// The anti-forgery value of the forms of who is signed in.
    pub(super) fn own_csrf(&self, parts: &Parts) -> String {
        let secret = self.browser.session_secret(&parts.headers);
        secret.map(|secret| self.csrf(&secret)).unwrap_or_default()
    }

    /// Whether a user's password is kept here: not where a directory checks it.
    pub fn keeps_password(&self, user: &User) -> bool {
        !user.owner.as_ref().is_some_and(|owner| self.binds.contains_key(owner))
    }

    /// Whether somebody has a password that is kept here, so that they may change it.
    pub(super) async fn has_own_password(&self, signed_in: &SignedIn) -> Result<bool, Error> {
        Ok(self.keeps_password(&signed_in.user) && self.services.credentials.find(signed_in.user.id).await?.is_some())
    }

    /// Checks the present password of somebody who is signed in: counted like any other attempt on the account.
    pub(super) async fn check_present(
        &self,
        signed_in: &SignedIn,
        old: &Secret,
        parts: &Parts,
    ) -> Result<Verified, Error> {
        let user = &signed_in.user;
        self.check_own_allowance(user)?;
        let check = async {
            match self.services.credentials.verify(Some(user.id), old, Lane::Interactive).await? {
                Verdict::Verified(verified) => Ok(verified),
                Verdict::NoPassword => Err(Error::refused("no-password", "the account has no password")),
                Verdict::Wrong => Err(Error::refused("wrong-password", "the present password is wrong")),
            }
        };
        let visit = visit(parts);
        self.guarded(visit.attempt_on(user), &visit.circumstance, check).await
    }

    /// Puts the chosen password in force: every session of the account ends but this one, which goes on under a new
    /// secret.
    async fn replace_own_password(
        &self,
        signed_in: &SignedIn,
        verified: &Verified,
        prepared: &Prepared,
        parts: &Parts,
    ) -> Result<Secret, Error> {
        let services = &self.services;
        let circumstance = &visit(parts).circumstance;
        services
            .ledger
            .retry(|mut change| async move {
                let user = &signed_in.user;
                if services.credentials.change_in(&mut change, verified, prepared).await?.is_none() {
                    return Err(Error::refused("stale-password", "another password was set meanwhile"));
                }
                let (secret, session, ended) = services.sessions.renew_alone(&mut change, &signed_in.session).await?;
                let event = Event::new(services.clock.now(), EventKind::PasswordChanged, &signed_in.actor())
                    .within(circumstance)
                    .on("user", user.id, &user.user_name)
                    .detail("session", session.id)
                    .detail("sessions_ended", ended);
                services.outbox.tell_in(&mut change, user, Notice::PasswordChanged, circumstance).await?;
                change.commit(event).await?;
                Ok(secret)
            })
            .await
    }
}

async fn show_password(State(login): State<Login>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    match login.present(&parts).await {
        Ok(Some(signed_in)) => login.password_page(&signed_in, &parts, StatusCode::OK, &[]).await,
        Ok(None) => redirect("/login?return_to=%2Faccount%2Fpassword", []),
        Err(error) => login.failure(&error, PASSWORD, &parts, &ReturnTo::home()),
    }
}

async fn change_password(State(login): State<Login>, request: Request) -> Response {
    let (parts, form, signed_in) = match login.own_form(request, "/login", PASSWORD).await {
        Ok(own) => own,
        Err(NotOwn::Answered(response)) => return *response,
        Err(NotOwn::Stale(own)) => {
            let (parts, signed_in) = &*own;
            return login.password_page(signed_in, parts, StatusCode::FORBIDDEN, &[STALE.text().to_owned()]).await;
        }
    };
    let (Ok(old), Ok(new), Ok(again)) = (form.single("old"), form.single("new"), form.single("again")) else {
        let text = "the form needs `old`, `new`, `again` and `csrf`, once each";
        return crate::http::problem(StatusCode::BAD_REQUEST, text);
    };
    let outcome = login.try_change(&signed_in, [old, new, again], &parts).await;
    match outcome {
        Ok(Ok(secret)) => {
            let mut response = page(StatusCode::OK, pages::password_changed());
            if let Some(cookie) = login.browser.session_header(&secret) {
                response.headers_mut().append(header::SET_COOKIE, cookie);
            }
            response
        }
        Ok(Err(problems)) => login.password_page(&signed_in, &parts, StatusCode::UNPROCESSABLE_ENTITY, &problems).await,
        Err(error) => {
            let user = Some(&*signed_in.user);
            let recorded = login.record_failure(&error, PASSWORD, user, &visit(&parts).circumstance).await;
            match recorded.err().map_or(error, Error::Store) {
                Error::Refused { .. } => {
                    login.password_page(&signed_in, &parts, StatusCode::UNAUTHORIZED, &[WRONG.text().to_owned()]).await
                }
                error => login.failure(&error, PASSWORD, &parts, &ReturnTo::home()),
            }
        }
    }
}

impl Login {
    /// The new secret of the session; or what is wrong with the new password, which is told only after the present one was
    /// right.
    async fn try_change(
        &self,
        signed_in: &SignedIn,
        [old, new, again]: [&str; 3],
        parts: &Parts,
    ) -> Result<Result<Secret, Vec<String>>, Error> {
        if !self.has_own_password(signed_in).await? {
            return Err(Error::refused("no-password", "the account's password is not kept here"));
        }
        let verified = self.check_present(signed_in, &Secret::new(old.to_owned()), parts).await?;
        let new = Secret::new(new.to_owned());
        if !new.matches(again) {
            return Ok(Err(vec![DIFFERENT.text().to_owned()]));
        }
        match self.services.credentials.prepare_choice(&signed_in.user, &new).await {
            Ok(prepared) => Ok(Ok(self.replace_own_password(signed_in, &verified, &prepared, parts).await?)),
            Err(credential::Error::Invalid { unmet }) => Ok(Err(unmet.iter().map(words::lack).collect())),
            Err(error) => Err(error.into()),
        }
    }

    async fn password_page(
        &self,
        signed_in: &SignedIn,
        parts: &Parts,
        status: StatusCode,
        problems: &[String],
    ) -> Response {
        match self.has_own_password(signed_in).await {
            Ok(true) => {
                let csrf = self.own_csrf(parts);
                let rules = self.password_rules(self.has_factor(&signed_in.user).await);
                page(status, pages::own_password(&csrf, &rules, problems))
            }
            Ok(false) => page(StatusCode::NOT_FOUND, pages::no_own_password()),
            Err(error) => self.failure(&error, PASSWORD, parts, &ReturnTo::home()),
        }
    }
}
