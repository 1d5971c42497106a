//! `/connectors/{id}`: the providers that people sign in by.

use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};

use super::admit::Caller;
use super::fields::{Fields, Params};
use super::{Api, Error, render};
use crate::login::{Ended, SignInAttempt};
use crate::model::SourceId;

/// `GET /connectors/{id}/attempts?outcome=&since=&limit=&cursor=`: newest first. `outcome` is one of the words, or
/// `failed` for `denied` and `failure`; `since` a time, or how long ago.
pub(super) async fn attempts(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    mut params: Params,
) -> Result<Response, Error> {
    let outcomes = outcomes(params.take("outcome")?.as_deref())?;
    let since = match params.take("since")? {
        None => None,
        Some(text) => Some(api.since(&text)?),
    };
    let page = params.page::<u64>()?;
    params.end()?;
    api.permit(&caller, "sources:read", None).await?;
    api.check_sees_all(&caller).await?;
    let missing = || Error::NotFound { what: "connector" };
    let id: SourceId = id.parse().map_err(|_| missing())?;
    let keep =
        |attempt: &SignInAttempt| outcomes.contains(&attempt.ended) && since.is_none_or(|since| attempt.at >= since);
    let (attempts, next) = api.services.login.attempts(&id, &keep, page.after, page.limit).ok_or_else(missing)?;
    Ok(render::page(attempts.iter().map(render_attempt).collect(), next.map(|number| number.to_string())))
}

/// `POST /connectors/{id}:test`: a link that leads once through a sign-in which opens no session, told this once.
pub(super) async fn act(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<Response, Error> {
    fields.end()?;
    let permit = api.permit(&caller, "sources:update", None).await?;
    api.check_sees_all(&caller).await?;
    let verb = Error::NotFound { what: "address; `POST /connectors/{id}:test` is one" };
    let missing = || Error::NotFound { what: "connector" };
    let id: SourceId = id.strip_suffix(":test").ok_or(verb)?.parse().map_err(|_| missing())?;
    let link = api.services.login.test_link(&permit, &id).await?.ok_or_else(missing)?;
    let body = json!({
        "connector": id.to_string(),
        "link": format!("{}{}", api.services.public_url, link.path.expose()),
        "expires_at": link.until.to_string(),
    });
    Ok(render::answer(StatusCode::CREATED, &body))
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
