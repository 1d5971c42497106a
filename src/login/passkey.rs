//! Passkeys on the way in: what a page asks the browser for, the check of what comes back, and signing in by nothing else.
//!
//! The browser's part is a script of our own, `/login/passkey.js`: it fetches what to ask for and puts the answer into the
//! form that asked, so that all answers are ordinary pages.

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{Method as HttpMethod, StatusCode, header};
use serde_json::{Value, json};

use super::finish::{Finished, Proof, Visit, built_in};
use super::return_to::ReturnTo;
use super::routes::{MAX_FORM_BYTES, form, visit};
use super::step::Step;
use super::steps::STALE;
use super::{Error, Login, PASSKEY, SignedIn, pages};
use crate::audit::Housekeeping;
use crate::credential::passkey::{self, Answer, Party, Place};
use crate::http::{Access, Rate, Route, Takes, parse_json, problem};
use crate::lockout::Subject;
use crate::model::{Circumstance, PasskeyId, User, Words, say};
use crate::secret::Secret;
use crate::session::Method;

/// Largest question of the script, in bytes.
const MAX_QUESTION_BYTES: usize = 8 * 1024;
/// What every failed sign-in by a passkey says.
const FAILED: Words = say(
    "The passkey did not sign you in. Try again, or sign in another way.",
    "Der Passkey hat Sie nicht angemeldet. Versuchen Sie es noch einmal oder auf einem anderen Weg.",
);
/// What is said of too many tries.
const TOO_MANY: Words = say(
    "There were too many tries. Please wait a little, then try again.",
    "Es gab zu viele Versuche. Bitte warten Sie ein wenig und versuchen Sie es dann noch einmal.",
);
/// What is said where something does not work.
const UNAVAILABLE: Words = say(
    "Something that the sign-in needs is not available. Please try again later.",
    "Etwas, das die Anmeldung braucht, ist nicht verfügbar. Bitte versuchen Sie es später noch einmal.",
);

/// The rows of this part.
pub(super) fn table() -> Vec<Route<Login>> {
    vec![
        Route::new(HttpMethod::POST, "/login/passkey", Access::Public, Rate::SignIn, sign_in).takes(Takes::Assertion),
        Route::new(HttpMethod::GET, "/login/passkey.js", Access::Public, Rate::Page, script),
        Route::new(HttpMethod::POST, "/login/passkey/options", Access::Public, Rate::Page, options)
            .takes(Takes::Nothing),
    ]
}

async fn script() -> Response {
    let kind = (header::CONTENT_TYPE, "text/javascript; charset=utf-8");
    ([kind, (header::CACHE_CONTROL, "public, max-age=3600")], pages::passkey::SCRIPT).into_response()
}

/// A question of the script: the fields of the form that it stands in.
pub(super) struct Question(Value);

impl Question {
    /// A field; empty when it is not there.
    pub(super) fn field(&self, name: &str) -> &str {
        self.0.get(name).and_then(Value::as_str).unwrap_or_default()
    }
}

/// The answer to a question of the script.
pub(super) fn told(status: StatusCode, value: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], value.to_string()).into_response()
}

async fn options(State(login): State<Login>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let question = match login.question(&parts, body).await {
        Ok(question) => question,
        Err(response) => return response,
    };
    let asked = match question.field("for") {
        "sign-in" => login.ask_for_any(&question, &parts),
        "factor" => login.ask_in_step(&question, Step::Factor, &parts).await,
        "enrol" => login.ask_in_step(&question, Step::Enrol, &parts).await,
        "step-up" => login.ask_again_for(&question, &parts).await,
        _ => Err(Error::refused("form", "the question does not say what it is for")),
    };
    match asked {
        Ok(asked) => told(StatusCode::OK, &json!({ "publicKey": asked })),
        Err(error) => login.told_failure(&error, STALE),
    }
}

impl Login {
    /// Reads a question of our own script. A page of another site cannot ask: neither in this form nor from there.
    pub(super) async fn question(&self, parts: &Parts, body: axum::body::Body) -> Result<Question, Response> {
        let kind = parts.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if kind.split(';').next().is_none_or(|kind| !kind.trim().eq_ignore_ascii_case("application/json")) {
            return Err(problem(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the body must be JSON"));
        }
        if !self.browser.is_same_origin(&parts.headers) {
            return Err(told(StatusCode::FORBIDDEN, &json!({ "problem": STALE.text() })));
        }
        let bytes = axum::body::to_bytes(body, MAX_QUESTION_BYTES)
            .await
            .map_err(|_| problem(StatusCode::PAYLOAD_TOO_LARGE, "the question is too large or did not arrive"))?;
        match parse_json(&bytes) {
            Ok(value @ Value::Object(_)) => Ok(Question(value)),
            _ => Err(problem(StatusCode::BAD_REQUEST, "the body must be a JSON object")),
        }
    }

    /// The answer to a question that is not answered. `text` is what is said of a refusal.
    pub(super) fn told_failure(&self, error: &Error, text: Words) -> Response {
        let (status, text) = match error {
            Error::Refused { .. } => (StatusCode::FORBIDDEN, text),
            Error::TooMany(retry) => {
                let mut response = told(StatusCode::TOO_MANY_REQUESTS, &json!({ "problem": TOO_MANY.text() }));
                retry.set_headers(response.headers_mut());
                return response;
            }
            Error::Busy { .. } | Error::Store(_) | Error::Unavailable(_) => {
                (StatusCode::SERVICE_UNAVAILABLE, UNAVAILABLE)
            }
        };
        tracing::info!("a passkey was not asked for: {error}");
        told(status, &json!({ "problem": text.text() }))
    }

    /// Whom passkeys are made for.
    pub(super) fn passkeys_for(&self) -> Result<&Party, Error> {
        self.party.as_deref().ok_or_else(|| Error::refused("passkey", "there are none at an IP address"))
    }

    fn ask_for_any(&self, question: &Question, parts: &Parts) -> Result<Value, Error> {
        let secret = self.browser.login_secret(&parts.headers);
        let secret = self.of_form(secret, question)?;
        let challenge = self.services.factors.challenge_to_show(&Place { user: None, secret: &secret });
        Ok(passkey::request(self.passkeys_for()?, None, &challenge))
    }

    async fn ask_in_step(&self, question: &Question, due: Step, parts: &Parts) -> Result<Value, Error> {
        let secret = self.of_form(self.browser.step_secret(&parts.headers), question)?;
        let (user, _, step) = self.waiting(&secret).await?;
        if step != due {
            return Err(Error::refused("step", "the sign-in waits for something else"));
        }
        if due == Step::Enrol { self.ask_for_new(&user, &secret).await } else { self.ask_of(&user, &secret).await }
    }

    async fn ask_again_for(&self, question: &Question, parts: &Parts) -> Result<Value, Error> {
        let (signed_in, secret) = self.asks_own(question, parts).await?;
        self.ask_of(&signed_in.user, &secret).await
    }

    fn of_form(&self, secret: Option<Secret>, question: &Question) -> Result<Secret, Error> {
        let is_ours = |secret: &Secret| self.is_csrf(question.field("csrf"), Some(secret.clone()));
        secret.filter(is_ours).ok_or_else(|| Error::refused("anti-forgery", "the question is of no form of ours"))
    }

    /// What to ask for one of somebody's passkeys.
    async fn ask_of(&self, user: &User, secret: &Secret) -> Result<Value, Error> {
        let factors = &self.services.factors;
        let challenge = factors.challenge_to_show(&Place { user: Some(user.id), secret });
        Ok(passkey::request(self.passkeys_for()?, Some(&factors.passkeys(user.id).await?), &challenge))
    }

    /// What to ask for a new passkey of somebody.
    pub(super) async fn ask_for_new(&self, user: &User, secret: &Secret) -> Result<Value, Error> {
        let factors = &self.services.factors;
        let challenge = factors.challenge_to_register(user.id, secret);
        Ok(passkey::creation(self.passkeys_for()?, user, &factors.passkeys(user.id).await?, &challenge))
    }

    /// Checks a passkey of somebody: counted like a code, in the same count.
    ///
    /// # Errors
    /// `Refused` when it is not taken or the factors are locked; `TooMany`, `Busy`, `Store`.
    pub(super) async fn check_passkey(
        &self,
        user: &User,
        credential: &str,
        place: &Place<'_>,
        circumstance: &Circumstance,
    ) -> Result<PasskeyId, Error> {
        self.check_own_allowance(user)?;
        let check = self.use_passkey(user, credential, place);
        self.guarded(Subject::Factor(user.id, &user.user_name), circumstance, check).await
    }

    /// Takes an answer, and its challenge this once.
    async fn use_passkey(&self, user: &User, credential: &str, place: &Place<'_>) -> Result<PasskeyId, Error> {
        let answer = &Answer::read(credential)?;
        let (party, connector) = (self.passkeys_for()?, &built_in(PASSKEY)?);
        let factors = &self.services.factors;
        self.services
            .ledger
            .retry(|mut change| async move {
                let shown = factors.show_passkey_in(&mut change, party, user.id, place, answer).await?;
                self.claim_once(&mut change, connector, &shown.challenge, shown.until).await?;
                change.commit_quietly(Housekeeping::Factor).await?;
                Ok(shown.id)
            })
            .await
    }
}

async fn sign_in(State(login): State<Login>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let form = match form(&parts, body, MAX_FORM_BYTES).await {
        Ok(form) => form,
        Err(response) => return response,
    };
    let return_to = ReturnTo::parse(form.optional("return_to").ok().flatten());
    let (Ok(credential), Ok(csrf)) = (form.single("credential"), form.single("csrf")) else {
        return problem(StatusCode::BAD_REQUEST, "the form needs `credential` and `csrf`, once each");
    };
    let secret = login.browser.login_secret(&parts.headers);
    let secret = match secret.filter(|secret| login.is_csrf(csrf, Some(secret.clone()))) {
        Some(secret) if login.browser.is_not_foreign(&parts.headers) => secret,
        _ => return login.sign_in_page(StatusCode::FORBIDDEN, &parts, &return_to, Some(STALE), None),
    };
    let outcome = login.sign_in_by_passkey(credential, &secret, &visit(&parts), &return_to).await;
    login.count(Method::Passkey, outcome.as_ref().err());
    match outcome {
        Ok(finished) => login.welcome(&finished),
        Err(error @ Error::Refused { .. }) => {
            tracing::info!(connector.id = PASSKEY, "a sign-in was refused: {error}");
            login.sign_in_page(StatusCode::UNAUTHORIZED, &parts, &return_to, Some(FAILED), None)
        }
        Err(error) => login.failure(&error, PASSKEY, &parts, &return_to),
    }
}

impl Login {
    /// Signs somebody in by a passkey that says whose it is and that verified who holds it.
    ///
    /// # Errors
    /// `Refused` with the reason for the ledger, where it stands already; `TooMany`, `Busy`, `Store`.
    async fn sign_in_by_passkey(
        &self,
        credential: &str,
        secret: &Secret,
        visit: &Visit,
        return_to: &ReturnTo,
    ) -> Result<Finished, Error> {
        let mut owner = None;
        let outcome = self.try_passkey(credential, secret, visit, return_to, &mut owner).await;
        if let Err(error) = &outcome {
            self.record_failure(error, PASSKEY, owner.as_ref(), &visit.circumstance).await?;
        }
        outcome
    }

    async fn try_passkey(
        &self,
        credential: &str,
        secret: &Secret,
        visit: &Visit,
        return_to: &ReturnTo,
        owner: &mut Option<User>,
    ) -> Result<Finished, Error> {
        let answer = Answer::read(credential)?;
        let nobody = || Error::refused("credential", "the passkey is nobody's");
        let id = self.services.factors.owner_of(&answer).await?.ok_or_else(nobody)?;
        let user = owner.insert(self.services.directory.find_user(id).await?.ok_or_else(nobody)?);
        let place = Place { user: None, secret };
        // Not counted: a signature is not guessed, and whoever knows the credential's id could lock its owner out.
        let shown = self.use_passkey(user, credential, &place).await?;
        if !self.keeps_account(user).await? {
            let reason = "the account is an identity provider's alone, which has to be asked";
            return Err(Error::refused("passkey-alone", reason));
        }
        self.finish(Proof::Passkey(user.id, shown), visit, return_to).await
    }

    /// Whether somebody else than an identity provider keeps an account: an administrator, a source, or a password here.
    /// Of others only the provider knows whether they still may come.
    async fn keeps_account(&self, user: &User) -> Result<bool, Error> {
        if user.is_by_hand() || user.owner.is_some() {
            return Ok(true);
        }
        Ok(self.services.credentials.find(user.id).await?.is_some())
    }

    /// Who is signed in and sent a question of their own page, with the secret of their session.
    pub(super) async fn asks_own(&self, question: &Question, parts: &Parts) -> Result<(SignedIn, Secret), Error> {
        let secret = self.of_form(self.browser.session_secret(&parts.headers), question)?;
        let signed_in = self.present(parts).await?;
        Ok((signed_in.ok_or_else(|| Error::refused("session", "there is no session"))?, secret))
    }
}
