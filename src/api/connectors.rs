//! `/connectors/{id}`: the providers that people sign in by.

use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};

use super::admit::Caller;
use super::fields::{Fields, Params};
use super::protect::is_oneself;
use super::requests::Kept;
use super::{Api, Error, render};
use crate::access::{Permit, Question};
use crate::login::{Barring, Ended, SignInAttempt};
use crate::model::{SourceId, User};

/// Most accounts of one address that are looked at.
const MAX_OF_ADDRESS: usize = 100;

/// `GET /connectors/{id}/attempts?outcome=&since=&limit=&cursor=`: newest first. `outcome` is one of the words, or
/// `failed` for `denied` and `failure`; `since` a time, or how long ago.
pub(super) async fn attempts(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    mut params: Params,
) -> Result<Response, Error> {
    let outcomes = outcomes(params.take("outcome")?.as_deref())?;
    let Kept { since, page } = api.kept(params)?;
    api.permit(&caller, "sources:read", None).await?;
    // True causes, names and addresses are told to who may read them in the ledger.
    api.permit(&caller, "audit:read", None).await?;
    api.check_sees_all(&caller).await?;
    let missing = || Error::NotFound { what: "connector" };
    let id: SourceId = id.parse().map_err(|_| missing())?;
    let keep =
        |attempt: &SignInAttempt| outcomes.contains(&attempt.ended) && since.is_none_or(|since| attempt.at >= since);
    let (attempts, next) = api.services.login.attempts(&id, &keep, page.after, page.limit).ok_or_else(missing)?;
    Ok(render::page(attempts.iter().map(render_attempt).collect(), next.map(|number| number.to_string())))
}

/// `POST /connectors/{id}:test`: a link that leads once through a sign-in which opens no session, told this once.
/// `POST /connectors/{id}:admit`: lets somebody in again of whom the provider told that the account there is disabled.
pub(super) async fn act(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<Response, Error> {
    let permit = api.permit(&caller, "sources:update", None).await?;
    api.check_sees_all(&caller).await?;
    let (id, verb) = id.split_once(':').unwrap_or((id.as_str(), ""));
    let id: SourceId = id.parse().map_err(|_| Error::NotFound { what: "connector" })?;
    match verb {
        "admit" => admit(&api, &caller, &permit, &id, fields).await,
        "test" => test(&api, &caller, &permit, &id, fields).await,
        _ => Err(Error::NotFound { what: "address; `POST /connectors/{id}:test` and `:admit` are some" }),
    }
}

async fn test(api: &Api, caller: &Caller, permit: &Permit, id: &SourceId, fields: Fields) -> Result<Response, Error> {
    fields.end()?;
    let missing = || Error::NotFound { what: "connector" };
    // The page is seen by whoever gets the link: it tells no more than its maker may read.
    let (acting, mut shows_accounts) = (api.acting(caller).await?, true);
    for read in ["users:read", "roles:read"] {
        let read = read.parse().map_err(|_| Error::Internal("a permission that is none"))?;
        shows_accounts &= acting.may(&Question::new(&read));
    }
    let link = api.services.login.test_link(permit, id, shows_accounts).await?.ok_or_else(missing)?;
    let body = json!({
        "connector": id.to_string(),
        "link": format!("{}{}", api.services.public_url, link.path.expose()),
        "expires_at": link.until.to_string(),
    });
    Ok(render::answer(StatusCode::CREATED, &body))
}

/// One of `user`, an account; `name`, what the provider calls somebody; `email`, their address there.
async fn admit(
    api: &Api,
    caller: &Caller,
    permit: &Permit,
    id: &SourceId,
    mut fields: Fields,
) -> Result<Response, Error> {
    let named = (fields.text("user")?, fields.text("name")?, fields.text("email")?);
    fields.end()?;
    if !api.services.login.has_connector(id) {
        return Err(Error::NotFound { what: "connector" });
    }
    let whom = match named {
        (Some(user), None, None) => {
            let user = api.user(caller, &user).await?;
            api.check_lifting(caller, &user).await?;
            Barring::Account(Box::new(user))
        }
        (None, Some(name), None) => {
            if let Some(user) = api.services.directory.find_user_by_subject(id, &name).await? {
                api.check_lifting(caller, &user).await?;
            }
            Barring::Subject(name)
        }
        (None, None, Some(email)) => {
            let users: Vec<User> = api.services.directory.find_users_by_email(&email, MAX_OF_ADDRESS).await?;
            if users.len() >= MAX_OF_ADDRESS {
                let detail = format!("{MAX_OF_ADDRESS} accounts and more have this address; name one by `user`");
                return Err(Error::Conflict { field: Some("email".to_owned()), detail });
            }
            for user in &users {
                api.check_lifting(caller, user).await?;
            }
            Barring::Email(email)
        }
        _ => return Err(Error::invalid("user", "name one: `user`, `name` or `email`")),
    };
    let admitted = api.services.login.lift(permit, id, &whom).await?;
    Ok(render::answer(StatusCode::OK, &json!({"connector": id.to_string(), "admitted": admitted})))
}

impl Api {
    /// Checks that the caller may lift what a provider told of an account, by whatever name it is meant: nobody does that for
    /// themselves, nor for who is above them.
    async fn check_lifting(&self, caller: &Caller, user: &User) -> Result<(), Error> {
        if is_oneself(caller, user.id) {
            let detail = "what a provider told of you is for somebody else to lift".to_owned();
            return Err(Error::Forbidden { detail });
        }
        self.check_rank(caller, user.id).await
    }
}

/// The ends that are asked for.
fn outcomes(text: Option<&str>) -> Result<Vec<Ended>, Error> {
    let chosen: Vec<Ended> = match text {
        None => Ended::ALL.to_vec(),
        Some("failed") => Ended::ALL.into_iter().filter(|ended| ended.is_failed()).collect(),
        Some(text) => Ended::ALL.into_iter().filter(|ended| ended.name() == text).collect(),
    };
    match chosen.is_empty() {
        true => Err(Error::invalid("outcome", "must be success, step, denied, failure or failed")),
        false => Ok(chosen),
    }
}

fn render_attempt(attempt: &SignInAttempt) -> Value {
    json!({
        "number": attempt.number,
        "at": attempt.at.to_string(),
        "outcome": attempt.ended.name(),
        "rule": attempt.rule,
        "reason": attempt.reason,
        "user": attempt.user.as_ref().map(|(id, name)| json!({"id": id.to_string(), "userName": name})),
        "asserted_name": attempt.asserted,
        "ip_address": attempt.address.map(|address| address.to_string()),
        "reference": attempt.reference,
        "duration_us": u64::try_from(attempt.took.as_micros()).unwrap_or(u64::MAX),
    })
}
