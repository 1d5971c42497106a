//! Setting up a second factor on the way in: one is required, and there is none yet.

use axum::extract::{Request, State};
use axum::response::Response;
use http::request::Parts;
use http::{Method as HttpMethod, StatusCode, header};

use super::finish::{Evidence, Finished};
use super::routes::{MAX_FORM_BYTES, form, page, redirect, visit};
use super::step::Step;
use super::steps::STALE;
use super::{Error, Login, pages};
use crate::credential::Offer;
use crate::http::{Access, Rate, Route};
use crate::model::{User, Words, say};
use crate::secret::Secret;

/// What is said of a code that the offered seed does not give.
pub(super) const UNCONFIRMED: Words = say(
    "That is not the code of this moment. Check the clock of the phone, then try again.",
    "Das ist nicht der Code dieses Augenblicks. Prüfen Sie die Uhr des Telefons und versuchen Sie es noch einmal.",
);

/// The rows of this part.
pub(super) fn table() -> Vec<Route<Login>> {
    vec![
        Route::new(HttpMethod::GET, Step::Enrol.path(), Access::Public, Rate::Page, show),
        Route::new(HttpMethod::POST, Step::Enrol.path(), Access::Public, Rate::SignIn, confirm),
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
    let (Ok(code), Ok(handle), Ok(csrf)) = (form.single("code"), form.single("offer"), form.single("csrf")) else {
        return crate::http::problem(StatusCode::BAD_REQUEST, "the form needs `code`, `offer` and `csrf`, once each");
    };
    let secret = match login.step_secret(&parts, csrf) {
        Ok(secret) => secret,
        Err(response) => return *response,
    };
    match login.try_enrol(&secret, handle, code, &parts).await {
        Ok(Tried::Enrolled(finished, codes)) => login.welcome_enrolled(&finished, &codes),
        Ok(Tried::Unconfirmed(user, offer)) => {
            login.enrol_page(&secret, &user, &offer, StatusCode::UNPROCESSABLE_ENTITY, Some(UNCONFIRMED))
        }
        Ok(Tried::Over) => page(StatusCode::FORBIDDEN, pages::begin_again(STALE)),
        Err(error) => login.step_failure(error, &parts).await,
    }
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
    async fn try_enrol(&self, secret: &Secret, handle: &str, code: &str, parts: &Parts) -> Result<Tried, Error> {
        let (user, _, step) = self.waiting(secret).await?;
        if step != Step::Enrol {
            return Err(Error::refused("step", "the sign-in does not wait for a new second factor"));
        }
        let absent = || Error::refused("offer", "the seed was not offered to this sign-in, or too long ago");
        let offer = self.services.factors.offered(user.id, secret, handle).ok_or_else(absent)?;
        let is_last = self.count_try(secret).await?;
        let code = Secret::new(code.to_owned());
        let Some(enrolment) = self.services.factors.confirm(user.id, &offer, &code)? else {
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

    fn enrol_page(
        &self,
        secret: &Secret,
        user: &User,
        offer: &Offer,
        status: StatusCode,
        problem: Option<Words>,
    ) -> Response {
        let names = (&*self.issuer, user.user_name.as_str());
        page(status, pages::factor::enrol(&self.csrf(secret), Step::Enrol.path(), offer, names, problem))
    }

    /// The recovery codes, with the cookies of where the sign-in has come to.
    fn welcome_enrolled(&self, finished: &Finished, codes: &[Secret]) -> Response {
        let (next, cookies) = match finished {
            Finished::Opened(opened) => (
                opened.return_to.as_str(),
                [self.browser.session_header(&opened.secret), self.browser.forget_step_header()],
            ),
            Finished::Next { secret, step } => (step.path(), [self.browser.step_header(secret), None]),
        };
        let mut response = page(StatusCode::OK, pages::factor::recovery_codes(codes, next));
        for cookie in cookies.into_iter().flatten() {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
        response
    }
}
