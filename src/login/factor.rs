//! Showing a second factor: in the middle of a sign-in, and again while signed in.

use axum::extract::{Request, State};
use axum::response::Response;
use http::request::Parts;
use http::{Method as HttpMethod, StatusCode};

use super::account::NotOwn;
use super::finish::{Evidence, Finished};
use super::pages::factor::Ways;
use super::return_to::ReturnTo;
use super::routes::{MAX_FORM_BYTES, form, page, query, redirect, visit};
use super::step::Step;
use super::steps::STALE;
use super::{Error, FACTOR, Login, SignedIn, pages};
use crate::audit::{Event, EventKind, Housekeeping};
use crate::credential::Enrolled;
use crate::credential::passkey::Place;
use crate::http::{Access, Rate, Route, Takes};
use crate::limit::Subject as Limited;
use crate::lockout::Subject;
use crate::model::{Circumstance, FactorKind, Presence, User, Words, say};
use crate::notify::Notice;
use crate::secret::Secret;
use crate::upstream::Answer as Form;

/// What is said of a code that is not right, of one that was used, and of factors that are locked.
pub(super) const WRONG: Words = say(
    "That code did not work. Wait for the next one, then try again.",
    "Dieser Code hat nicht funktioniert. Warten Sie auf den nächsten und versuchen Sie es noch einmal.",
);
/// What is said of a passkey that is not right, and of factors that are locked.
const WRONG_PASSKEY: Words = say(
    "That passkey did not work. Try again, or use another way.",
    "Dieser Passkey hat nicht funktioniert. Versuchen Sie es noch einmal oder auf einem anderen Weg.",
);
/// What is said when the last try was used.
const OVER: Words = say(
    "There were too many wrong codes. Please sign in again.",
    "Es gab zu viele falsche Codes. Bitte melden Sie sich erneut an.",
);

/// The rows of this part.
pub(super) fn table() -> Vec<Route<Login>> {
    vec![
        Route::new(HttpMethod::GET, Step::Factor.path(), Access::Public, Rate::Page, show),
        Route::new(HttpMethod::POST, Step::Factor.path(), Access::Public, Rate::SignIn, shown).takes(Takes::Factor),
        Route::new(HttpMethod::GET, "/login/step-up", Access::Public, Rate::Page, ask_again),
        Route::new(HttpMethod::POST, "/login/step-up", Access::Public, Rate::SignIn, shown_again).takes(Takes::Factor),
    ]
}

impl Login {
    /// Checks what somebody shows as their second factor where they show it, in the browser that holds `secret`.
    ///
    /// # Errors
    /// `Refused` when it is wrong or the factors are locked; `TooMany`, `Busy`, `Store`.
    async fn check_factor(
        &self,
        user: &User,
        shown: Shown<'_>,
        secret: &Secret,
        parts: &Parts,
    ) -> Result<FactorKind, Error> {
        match shown {
            Shown::Code(code) => self.check_code(user, code, parts).await,
            Shown::Passkey(credential) => {
                let place = Place { user: Some(user.id), secret };
                self.check_passkey(user, credential, &place, &visit(parts).circumstance).await?;
                Ok(FactorKind::Passkey)
            }
        }
    }

    /// The ways in which somebody may show a second factor.
    fn ways(&self, enrolled: &Enrolled) -> Ways {
        Ways { app: enrolled.code.is_some(), passkeys: enrolled.passkeys > 0 && self.party.is_some() }
    }

    /// The allowance of who has proved already that they are somebody: tries at the sign-in page do not use it up, since
    /// no folded name has a capital letter.
    ///
    /// # Errors
    /// `TooMany`.
    pub(super) fn check_own_allowance(&self, user: &User) -> Result<(), Error> {
        let own = format!("Proved:{}", user.id);
        self.services.limits.check(Rate::SignIn, Limited::Account(&own)).map_err(Error::TooMany)
    }

    /// Checks a code of somebody's second factor and uses it up: counted like a password, in a count of its own.
    ///
    /// # Errors
    /// `Refused` when it is wrong or the factors are locked; `TooMany`, `Busy`, `Store`.
    pub(super) async fn check_code(&self, user: &User, code: &str, parts: &Parts) -> Result<FactorKind, Error> {
        self.check_own_allowance(user)?;
        let code = Secret::new(code.to_owned());
        let circumstance = &visit(parts).circumstance;
        let check = async {
            let kind = self.services.factors.check_code(user, &code, circumstance).await?;
            kind.ok_or_else(|| Error::refused("wrong-code", "the code is wrong, or was used before"))
        };
        let kind = self.guarded(Subject::Factor(user.id, &user.user_name), circumstance, check).await?;
        if kind == FactorKind::Recovery {
            self.tell(user, Notice::RecoveryUsed, circumstance).await?;
        }
        Ok(kind)
    }

    /// Tells the owner of an account what has happened already.
    async fn tell(&self, user: &User, notice: Notice, from: &Circumstance) -> Result<(), Error> {
        let told = self.services.ledger.retry(|mut change| async move {
            self.services.outbox.tell_in(&mut change, user, notice, from).await?;
            if change.is_empty() { Ok(()) } else { change.commit_quietly(Housekeeping::Mail).await.map(|_| ()) }
        });
        Ok::<_, Error>(told.await?)
    }
}

/// What somebody shows as their second factor.
#[derive(Clone, Copy)]
enum Shown<'a> {
    /// A code of their app, or for recovery.
    Code(&'a str),
    /// What their browser says of a passkey.
    Passkey(&'a str),
}

impl<'a> Shown<'a> {
    /// What a form shows: one of both.
    fn of(form: &'a Form) -> Option<Self> {
        match (form.optional("code"), form.optional("credential")) {
            (Ok(Some(code)), Ok(None)) => Some(Self::Code(code)),
            (Ok(None), Ok(Some(credential))) => Some(Self::Passkey(credential)),
            _ => None,
        }
    }

    const fn wrong(self) -> Words {
        match self {
            Self::Code(_) => WRONG,
            Self::Passkey(_) => WRONG_PASSKEY,
        }
    }
}

/// What a form must have.
const FIELDS: &str = "the form needs `csrf` and either `code` or `credential`, once each";

async fn show(State(login): State<Login>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let Some(secret) = login.browser.step_secret(&parts.headers) else { return redirect("/login", []) };
    match login.waiting(&secret).await {
        Ok((user, _, Step::Factor)) => login.factor_page(&user, &secret, StatusCode::OK, None, &parts).await,
        Ok((_, _, other)) => redirect(other.path(), []),
        Err(Error::Refused { .. }) => redirect("/login", []),
        Err(error) => login.step_failure(error, &parts).await,
    }
}

async fn shown(State(login): State<Login>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let form = match form(&parts, body, MAX_FORM_BYTES).await {
        Ok(form) => form,
        Err(response) => return response,
    };
    let (Some(shown), Ok(csrf)) = (Shown::of(&form), form.single("csrf")) else {
        return crate::http::problem(StatusCode::BAD_REQUEST, FIELDS);
    };
    let secret = match login.step_secret(&parts, csrf) {
        Ok(secret) => secret,
        Err(response) => return *response,
    };
    match login.try_factor(&secret, shown, &parts).await {
        Ok(Tried::Finished(finished)) => login.welcome(&finished),
        Ok(Tried::Wrong(user)) => {
            login.factor_page(&user, &secret, StatusCode::UNAUTHORIZED, Some(shown.wrong()), &parts).await
        }
        Ok(Tried::Over) => page(StatusCode::FORBIDDEN, pages::begin_again(OVER)),
        Err(error) => login.step_failure(error, &parts).await,
    }
}

/// How a try of a code ended.
enum Tried {
    Finished(Finished),
    /// It was wrong; another may be tried.
    Wrong(Box<User>),
    /// It was wrong, and the last one.
    Over,
}

impl Login {
    async fn factor_page(
        &self,
        user: &User,
        secret: &Secret,
        status: StatusCode,
        problem: Option<Words>,
        parts: &Parts,
    ) -> Response {
        match self.services.factors.enrolled(user.id).await {
            Ok(enrolled) => page(status, pages::factor::ask(&self.csrf(secret), self.ways(&enrolled), problem)),
            Err(error) => self.step_failure(error.into(), parts).await,
        }
    }

    async fn try_factor(&self, secret: &Secret, shown: Shown<'_>, parts: &Parts) -> Result<Tried, Error> {
        let (user, _, step) = self.waiting(secret).await?;
        if step != Step::Factor {
            return Err(Error::refused("step", "the sign-in does not wait for a second factor"));
        }
        let is_last = self.count_try(secret).await?;
        match self.check_factor(&user, shown, secret, parts).await {
            Ok(kind) => Ok(Tried::Finished(self.resume(secret, &Evidence::Factor(kind), &visit(parts)).await?)),
            Err(error @ Error::Refused { .. }) => {
                self.record_failure(&error, FACTOR, Some(&user), &visit(parts).circumstance).await?;
                if is_last {
                    self.drop_pending(secret).await?;
                    return Ok(Tried::Over);
                }
                Ok(Tried::Wrong(Box::new(user)))
            }
            Err(error) => Err(error),
        }
    }
}

async fn ask_again(State(login): State<Login>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let return_to = ReturnTo::parse(query(&parts).optional("return_to").ok().flatten());
    match login.present(&parts).await {
        Ok(Some(signed_in)) => login.step_up_page(&signed_in, &return_to, &parts, StatusCode::OK, None).await,
        Ok(None) => redirect(&sign_in_address(&return_to), []),
        Err(error) => login.failure(&error, FACTOR, &parts, &return_to),
    }
}

async fn shown_again(State(login): State<Login>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let form = match form(&parts, body, MAX_FORM_BYTES).await {
        Ok(form) => form,
        Err(response) => return response,
    };
    let return_to = ReturnTo::parse(form.optional("return_to").ok().flatten());
    let (Some(shown), true) = (Shown::of(&form), form.single("csrf").is_ok()) else {
        return crate::http::problem(StatusCode::BAD_REQUEST, FIELDS);
    };
    let signed_in = match login.own_asker(&parts, &form, (&sign_in_address(&return_to), FACTOR)).await {
        Ok(signed_in) => signed_in,
        Err(NotOwn::Answered(response)) => return *response,
        Err(NotOwn::Stale(own)) => {
            return login.step_up_page(&own.1, &return_to, &parts, StatusCode::FORBIDDEN, Some(STALE)).await;
        }
    };
    match login.step_up(&signed_in, shown, &parts).await {
        Ok(secret) => redirect(return_to.as_str(), [login.browser.session_header(&secret)]),
        Err(error) => {
            let user = Some(&*signed_in.user);
            let recorded = login.record_failure(&error, FACTOR, user, &visit(&parts).circumstance).await;
            match recorded.err().map_or(error, Error::Store) {
                Error::Refused { .. } => {
                    let problem = Some(shown.wrong());
                    login.step_up_page(&signed_in, &return_to, &parts, StatusCode::UNAUTHORIZED, problem).await
                }
                error => login.failure(&error, FACTOR, &parts, &return_to),
            }
        }
    }
}

/// The page of all ways in, and on from there.
fn sign_in_address(return_to: &ReturnTo) -> String {
    let query = form_urlencoded::Serializer::new(String::new()).append_pair("return_to", return_to.as_str()).finish();
    format!("/login?{query}")
}

impl Login {
    async fn step_up_page(
        &self,
        signed_in: &SignedIn,
        return_to: &ReturnTo,
        parts: &Parts,
        status: StatusCode,
        problem: Option<Words>,
    ) -> Response {
        let enrolled = match self.services.factors.enrolled(signed_in.user.id).await {
            Ok(enrolled) => enrolled,
            Err(error) => return self.failure(&error.into(), FACTOR, parts, return_to),
        };
        if !enrolled.is_any() {
            return page(StatusCode::OK, pages::factor::nothing_to_show(&sign_in_address(return_to)));
        }
        let ways = self.ways(&enrolled);
        page(status, pages::factor::ask_again(&self.own_csrf(parts), return_to.as_str(), ways, problem))
    }

    /// Takes a second factor from somebody who is signed in: the session goes on under a new secret.
    async fn step_up(&self, signed_in: &SignedIn, shown: Shown<'_>, parts: &Parts) -> Result<Secret, Error> {
        let absent = || Error::refused("session", "there is no session");
        let secret = self.browser.session_secret(&parts.headers).ok_or_else(absent)?;
        let kind = self.check_factor(&signed_in.user, shown, &secret, parts).await?;
        let services = &self.services;
        let circumstance = &visit(parts).circumstance;
        services
            .ledger
            .retry(|mut change| async move {
                let now = services.clock.now();
                let renewed = services.sessions.renew(&mut change, &signed_in.session, Presence::two(now)).await;
                let (secret, session) = renewed?;
                let event = Event::new(now, EventKind::FactorUsed, &signed_in.actor())
                    .within(circumstance)
                    .on("user", signed_in.user.id, &signed_in.user.user_name)
                    .detail("factor", kind.name())
                    .detail("session", session.id);
                change.commit(event).await?;
                Ok(secret)
            })
            .await
    }
}
