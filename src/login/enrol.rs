//! Setting up a second factor on the way in: one is required, and there is none yet.

use axum::extract::{Request, State};
use axum::response::Response;
use http::request::Parts;
use http::{Method as HttpMethod, StatusCode, header};

use super::finish::{Evidence, Finished};
use super::routes::{MAX_FORM_BYTES, form, page, redirect, visit};
use super::step::Step;
use super::steps::STALE;
use super::{Error, FACTOR, Login, pages};
use crate::credential::passkey::Answer;
use crate::credential::{Enrolment, Offer};
use crate::http::{Access, Rate, Route, Takes};
use crate::model::{User, UserId, Words, say};
use crate::secret::Secret;

/// What is said of a code that the offered seed does not give.
pub(super) const UNCONFIRMED: Words = say(
    "That is not the code of this moment. Check the clock of the phone, then try again.",
    "Das ist nicht der Code dieses Augenblicks. Prüfen Sie die Uhr des Telefons und versuchen Sie es noch einmal.",
);

/// What is said of a passkey that cannot be kept.
const NOT_KEPT: Words = say(
    "The passkey could not be kept. Try again, or take an authenticator app.",
    "Der Passkey konnte nicht gespeichert werden. Versuchen Sie es noch einmal oder nehmen Sie eine Authenticator-App.",
);

/// The rows of this part.
pub(super) fn table() -> Vec<Route<Login>> {
    vec![
        Route::new(HttpMethod::GET, Step::Enrol.path(), Access::Public, Rate::Page, show),
        Route::new(HttpMethod::POST, Step::Enrol.path(), Access::Public, Rate::SignIn, confirm).takes(Takes::Nothing),
    ]
}

async fn show(State(login): State<Login>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let Some(secret) = login.browser.step_secret(&parts.headers) else { return redirect("/login", []) };
    let offer = match login.waiting(&secret).await {
        Ok((user, _, Step::Enrol)) => {
            login.services.factors.offer(user.id, &secret).map(|offer| (user, offer)).map_err(Error::from)
        }
        Ok((_, _, other)) => return redirect(other.path(), []),
        Err(Error::Refused { .. }) => return redirect("/login", []),
        Err(error) => Err(error),
    };
    match offer {
        Ok((user, offer)) => login.enrol_page(&secret, &user, &offer, StatusCode::OK, None),
        Err(error) => login.step_failure(error, &parts).await,
    }
}

async fn confirm(State(login): State<Login>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let form = match form(&parts, body, MAX_FORM_BYTES).await {
        Ok(form) => form,
        Err(response) => return response,
    };
    let new = match (form.optional("credential"), form.single("code"), form.single("offer")) {
        (Ok(Some(credential)), Err(_), Err(_)) => Some(New::Passkey(credential)),
        (Ok(None), Ok(code), Ok(handle)) => Some(New::App { handle, code }),
        _ => None,
    };
    let (Some(new), Ok(csrf)) = (new, form.single("csrf")) else {
        let text = "the form needs `csrf` and either `code` and `offer` or `credential`, once each";
        return crate::http::problem(StatusCode::BAD_REQUEST, text);
    };
    let secret = match login.step_secret(&parts, csrf) {
        Ok(secret) => secret,
        Err(response) => return *response,
    };
    match login.try_enrol(&secret, new, &parts).await {
        Ok(Tried::Enrolled(finished, codes)) => login.welcome_enrolled(&finished, &codes),
        Ok(Tried::Unconfirmed(user, offer)) => {
            let problem = if matches!(new, New::Passkey(_)) { NOT_KEPT } else { UNCONFIRMED };
            login.enrol_page(&secret, &user, &offer, StatusCode::UNPROCESSABLE_ENTITY, Some(problem))
        }
        Ok(Tried::Over) => page(StatusCode::FORBIDDEN, pages::begin_again(STALE)),
        Err(error) => login.step_failure(error, &parts).await,
    }
}

/// What is set up.
#[derive(Clone, Copy)]
enum New<'a> {
    /// An app, by the handle of its offer and a code of it.
    App { handle: &'a str, code: &'a str },
    /// A passkey, by what the browser says of it.
    Passkey(&'a str),
}

/// How a confirmation ended.
enum Tried {
    Enrolled(Finished, Vec<Secret>),
    /// The code was wrong; another may be tried.
    Unconfirmed(Box<User>, Box<Offer>),
    /// The code was wrong, and the last one.
    Over,
}

impl Login {
    async fn try_enrol(&self, secret: &Secret, new: New<'_>, parts: &Parts) -> Result<Tried, Error> {
        let (user, _, step) = self.waiting(secret).await?;
        if step != Step::Enrol {
            return Err(Error::refused("step", "the sign-in does not wait for a new second factor"));
        }
        let factors = &self.services.factors;
        let (enrolment, offer, is_last) = match new {
            New::App { handle, code } => {
                let absent = || Error::refused("offer", "the seed was not offered to this sign-in, or too long ago");
                let offer = factors.offered(user.id, secret, handle).ok_or_else(absent)?;
                let is_last = self.count_try(secret).await?;
                (factors.confirm(user.id, &offer, &Secret::new(code.to_owned()))?, offer, is_last)
            }
            New::Passkey(credential) => {
                let (is_last, offer) = (self.count_try(secret).await?, factors.offer(user.id, secret)?);
                match self.new_passkey(user.id, secret, credential) {
                    Ok(enrolment) => (Some(enrolment), offer, is_last),
                    Err(error @ Error::Refused { .. }) => {
                        self.record_failure(&error, FACTOR, Some(&user), &visit(parts).circumstance).await?;
                        (None, offer, is_last)
                    }
                    Err(error) => return Err(error),
                }
            }
        };
        let Some(enrolment) = enrolment else {
            if is_last {
                self.drop_pending(secret).await?;
                return Ok(Tried::Over);
            }
            return Ok(Tried::Unconfirmed(Box::new(user), Box::new(offer)));
        };
        let codes = enrolment.codes().to_vec();
        let evidence = Evidence::Enrolled(Box::new(enrolment));
        Ok(Tried::Enrolled(self.resume(secret, &evidence, &visit(parts)).await?, codes))
    }

    fn new_passkey(&self, user: UserId, secret: &Secret, credential: &str) -> Result<Enrolment, Error> {
        let answer = Answer::read(credential)?;
        Ok(self.services.factors.passkey(self.passkeys_for()?, user, secret, &answer, "")?)
    }

    fn enrol_page(
        &self,
        secret: &Secret,
        user: &User,
        offer: &Offer,
        status: StatusCode,
        problem: Option<Words>,
    ) -> Response {
        let names = (&*self.issuer, user.user_name.as_str());
        let (csrf, has_passkeys) = (self.csrf(secret), self.party.is_some());
        page(status, pages::factor::enrol(&csrf, Step::Enrol.path(), offer, names, has_passkeys, problem))
    }

    /// The recovery codes, with the cookies of where the sign-in has come to.
    fn welcome_enrolled(&self, finished: &Finished, codes: &[Secret]) -> Response {
        let (next, cookies) = match finished {
            Finished::Opened(opened) => (opened.return_to.as_str(), self.cookies_of(opened)),
            Finished::Next { secret, step } => (step.path(), [self.browser.step_header(secret), None, None]),
        };
        let mut response = page(StatusCode::OK, pages::factor::recovery_codes(codes, next));
        for cookie in cookies.into_iter().flatten() {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
        response
    }
}
