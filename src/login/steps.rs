//! The pages of the steps between the proof of who somebody is and their session.

use axum::extract::{Request, State};
use axum::response::Response;
use http::request::Parts;
use http::{HeaderValue, Method as HttpMethod, StatusCode};

use super::finish::{Evidence, Finished, Opened};
use super::pages;
use super::pages::words;
use super::routes::{MAX_FORM_BYTES, form, page, redirect, visit};
use super::step::Step;
use super::{Error, Login};
use crate::credential;
use crate::http::{Access, Rate, Route, Takes};
use crate::model::{User, Words, say};
use crate::secret::Secret;

/// What a form says that is not of this browser, or too old.
pub(super) const STALE: Words = say(
    "The form was too old or came from elsewhere. Please try again.",
    "Das Formular war zu alt oder kam von anderswo. Bitte versuchen Sie es noch einmal.",
);
/// What is said where two fields for one new password differ.
pub(super) const DIFFERENT: Words =
    say("The two passwords are not the same.", "Die beiden Passwörter sind nicht gleich.");

/// The rows of this part.
pub(super) fn table() -> Vec<Route<Login>> {
    let path = Step::ChangePassword.path();
    vec![
        Route::new(HttpMethod::GET, path, Access::Public, Rate::Page, show_change),
        Route::new(HttpMethod::POST, path, Access::Public, Rate::SignIn, change).takes(Takes::Nothing),
    ]
}

impl Login {
    /// The answer to a sign-in that came as far as this: the session's cookie, or that of the step that is due.
    pub(super) fn welcome(&self, finished: &Finished) -> Response {
        match finished {
            Finished::Opened(opened) => redirect(opened.return_to.as_str(), self.cookies_of(opened)),
            Finished::Next { secret, step } => redirect(step.path(), [self.browser.step_header(secret)]),
        }
    }

    /// What a browser is given with the session that was opened for it; every answer to a sign-in that ended sets these.
    pub(super) fn cookies_of(&self, opened: &Opened) -> [Option<HeaderValue>; 3] {
        let device = opened.device.as_ref().and_then(|device| self.browser.device_header(device));
        [self.browser.session_header(&opened.secret), self.browser.forget_step_header(), device]
    }

    /// The secret of the sign-in under way in a browser whose form this is; the answer to any other.
    pub(super) fn step_secret(&self, parts: &Parts, csrf: &str) -> Result<Secret, Box<Response>> {
        let secret = self.browser.step_secret(&parts.headers);
        match secret {
            Some(secret) if self.is_csrf(csrf, Some(secret.clone())) && self.browser.is_not_foreign(&parts.headers) => {
                Ok(secret)
            }
            _ => Err(Box::new(page(StatusCode::FORBIDDEN, pages::begin_again(STALE)))),
        }
    }

    /// The answer where a step could not be taken. A refusal is recorded, and the sign-in begins anew.
    pub(super) async fn step_failure(&self, error: Error, parts: &Parts) -> Response {
        let connector = super::PASSWORD;
        let error = match self.record_failure(&error, connector, None, &visit(parts).circumstance).await {
            Ok(()) => error,
            Err(store) => Error::Store(store),
        };
        match error {
            Error::Refused { .. } => page(StatusCode::FORBIDDEN, pages::begin_again(STALE)),
            error => self.failure(&error, connector, parts, &super::ReturnTo::home()),
        }
    }
}

async fn show_change(State(login): State<Login>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let Some(secret) = login.browser.step_secret(&parts.headers) else { return redirect("/login", []) };
    match login.waiting(&secret).await {
        Ok((user, _, Step::ChangePassword)) => {
            let rules = login.password_rules(login.has_factor(&user).await);
            page(StatusCode::OK, pages::change_password(&login.csrf(&secret), &rules, &[]))
        }
        Ok((_, _, other)) => redirect(other.path(), []),
        Err(Error::Refused { .. }) => redirect("/login", []),
        Err(error) => login.step_failure(error, &parts).await,
    }
}

async fn change(State(login): State<Login>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let form = match form(&parts, body, MAX_FORM_BYTES).await {
        Ok(form) => form,
        Err(response) => return response,
    };
    let (Ok(new), Ok(again), Ok(csrf)) = (form.single("new"), form.single("again"), form.single("csrf")) else {
        return crate::http::problem(StatusCode::BAD_REQUEST, "the form needs `new`, `again` and `csrf`, once each");
    };
    let secret = match login.step_secret(&parts, csrf) {
        Ok(secret) => secret,
        Err(response) => return *response,
    };
    let outcome = login.choose_password(&secret, new, again, &parts).await;
    match outcome {
        Ok(Chosen::Finished(finished)) => login.welcome(&finished),
        Ok(Chosen::Unmet(unmet, has_factor)) => {
            let rules = login.password_rules(has_factor);
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            page(status, pages::change_password(&login.csrf(&secret), &rules, &unmet))
        }
        Err(error) => login.step_failure(error, &parts).await,
    }
}

/// How the choice of a password ended.
enum Chosen {
    Finished(Finished),
    /// What the password lacks, in words, and whether its user has a second factor.
    Unmet(Vec<String>, bool),
}

impl Login {
    /// Whether somebody has a second factor, for the text of a page: where it cannot be told, as if not.
    pub(super) async fn has_factor(&self, user: &User) -> bool {
        self.services.credentials.has_factor(user.id).await.unwrap_or(false)
    }

    /// What a new password must have, in words.
    pub(super) fn password_rules(&self, has_factor: bool) -> Vec<String> {
        self.services.credentials.policy().requirements(has_factor).iter().map(words::requirement).collect()
    }

    async fn choose_password(&self, secret: &Secret, new: &str, again: &str, parts: &Parts) -> Result<Chosen, Error> {
        let (user, _, step) = self.waiting(secret).await?;
        if step != Step::ChangePassword {
            return Err(Error::refused("step", "the sign-in does not wait for a new password"));
        }
        self.check_own_allowance(&user)?;
        let new = Secret::new(new.to_owned());
        if !new.matches(again) {
            return Ok(Chosen::Unmet(vec![DIFFERENT.text().to_owned()], self.has_factor(&user).await));
        }
        match self.services.credentials.prepare_choice(&user, &new).await {
            Ok(prepared) => {
                Ok(Chosen::Finished(self.resume(secret, &Evidence::NewPassword(prepared), &visit(parts)).await?))
            }
            Err(credential::Error::Invalid { unmet }) => {
                Ok(Chosen::Unmet(unmet.iter().map(words::lack).collect(), self.has_factor(&user).await))
            }
            Err(error) => Err(error.into()),
        }
    }
}
