//! `/audit-logs`.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use http::header::{CONTENT_DISPOSITION, HeaderValue};
use serde_json::{Value, json};

use super::admit::Caller;
use super::fields::{Fields, Params};
use super::{Api, Error, render};
use crate::audit::{self, Checkpoint, Entry, Filter, Outcome};
use crate::clock::Timestamp;
use crate::config::parse_duration;

/// `GET /events`: every kind of event with its class, and whether it is recorded.
pub(super) async fn kinds(State(api): State<Api>, caller: Caller, params: Params) -> Result<Response, Error> {
    params.end()?;
    api.permit(&caller, "audit:read", None).await?;
    let show = |kind: audit::Kind| json!({"name": kind.name, "class": kind.class, "recorded": kind.recording.name(), "note": kind.note});
    Ok(render::page(audit::catalogue().into_iter().map(show).collect(), None))
}

/// `GET /audit-logs?last=7d&from=&to=&user=&action=user.*&resource=&outcome=&limit=&cursor=&format=json&export=true`:
/// newest first, conditions joined by "and". A page may hold fewer than asked although there are more.
pub(super) async fn list(State(api): State<Api>, caller: Caller, mut params: Params) -> Result<Response, Error> {
    let mut filter = Filter {
        action: params.take("action")?,
        target: params.take("resource")?,
        outcome: outcome(params.take("outcome")?.as_deref())?,
        since: params.parsed("from")?,
        until: params.parsed("to")?,
        organisation: Some(api.services.directory.organisation()),
        ..Filter::default()
    };
    if let Some(last) = params.take("last")? {
        filter.since = Some(api.ago(&last)?);
    }
    let user = params.take("user")?;
    let export = params.parsed::<bool>("export")?.unwrap_or(false);
    if params.take("format")?.is_some_and(|format| format != "json") {
        return Err(Error::invalid("format", "must be json"));
    }
    let page = params.page::<u64>()?;
    params.end()?;
    api.permit(&caller, if export { "audit:export" } else { "audit:read" }, None).await?;
    api.check_sees_all(&caller).await?;
    if let Some(user) = user {
        filter.actor = Some(api.actor(&caller, user).await?);
    }
    let found = api.services.ledger.list(&filter, page.after, page.limit).await?;
    let logs: Vec<Value> = found.entries.iter().map(Entry::to_json).collect();
    let next = found.next.map(|position| position.to_string());
    let mut response = render::answer(StatusCode::OK, &json!({"logs": logs, "next": next, "damaged": found.damaged}));
    if export {
        let name = HeaderValue::from_static("attachment; filename=\"audit-logs.json\"");
        response.headers_mut().insert(CONTENT_DISPOSITION, name);
    }
    Ok(response)
}

fn outcome(word: Option<&str>) -> Result<Option<Outcome>, Error> {
    let all = [Outcome::Denied, Outcome::Failed, Outcome::Succeeded];
    match word {
        None => Ok(None),
        Some(word) => match all.into_iter().find(|outcome| outcome.name() == word) {
            Some(outcome) => Ok(Some(outcome)),
            None => Err(Error::invalid("outcome", format!("must be one of {}", all.map(Outcome::name).join(", ")))),
        },
    }
}

impl Api {
    /// The moment `7d`, `24h`, `30m` or `4w` ago.
    fn ago(&self, text: &str) -> Result<Timestamp, Error> {
        let weeks = text.strip_suffix('w').and_then(|weeks| weeks.parse::<u64>().ok()?.checked_mul(7));
        let duration = match weeks {
            Some(days) => parse_duration(&format!("{days}d")),
            None => parse_duration(text),
        };
        let duration = duration.ok_or_else(|| Error::invalid("last", "must be a time such as 7d, 24h, 30m or 4w"))?;
        Ok(self.services.clock.now().minus(duration))
    }

    /// How the ledger names who is asked for: a user by name, or any actor as it prints.
    async fn actor(&self, caller: &Caller, text: String) -> Result<String, Error> {
        match self.user(caller, &text).await {
            Ok(user) => Ok(format!("user:{}", user.id)),
            Err(Error::NotFound { .. }) => Ok(text),
            Err(error) => Err(error),
        }
    }
}

/// `POST /audit-logs/verify` with `since`, a checkpoint: reads the whole ledger.
pub(super) async fn verify(State(api): State<Api>, caller: Caller, mut fields: Fields) -> Result<Response, Error> {
    let since: Option<Checkpoint> = fields.parsed("since")?;
    fields.end()?;
    api.permit(&caller, "audit:verify", None).await?;
    let _turn = api.verifications.lock().await;
    let report = audit::verify(api.services.ledger.store(), &api.services.sealer, since).await?;
    Ok(render::answer(StatusCode::OK, &report.to_json()))
}
