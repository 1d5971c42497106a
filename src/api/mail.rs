//! `/mail:test`: whether mail goes out.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde_json::json;

use super::admit::Caller;
use super::fields::Fields;
use super::{Api, Error, render};
use crate::audit::{EventKind, Outcome};
use crate::model::Language;

/// Longest text that the ledger keeps of an address.
const MAX_TOLD: usize = 320;

/// `POST /mail:test`: sends a test to `address` now, and tells each step that was taken and the one that failed.
pub(super) async fn test(State(api): State<Api>, caller: Caller, mut fields: Fields) -> Result<Response, Error> {
    let permit = api.permit(&caller, "configuration:reload", None).await?;
    let address = fields.text("address")?.ok_or_else(|| Error::invalid("address", "is required"))?;
    fields.end()?;
    let Some(trial) = api.services.outbox.try_out(&address, Language::default()).await else {
        let detail = "no mail is sent: the configuration has no [mail]".to_owned();
        return Err(Error::Conflict { field: None, detail });
    };
    let outcome = if trial.failed.is_none() { Outcome::Succeeded } else { Outcome::Failed };
    let event = permit.event(api.services.clock.now(), EventKind::MailTested).outcome(outcome);
    api.services.ledger.record(event.detail("to", cut(&address))).await?;
    let taken: Vec<&str> = trial.taken.iter().map(|step| step.name()).collect();
    let (failed, reason) = trial.failed.map_or((None, None), |(step, reason)| (Some(step.name()), Some(reason)));
    let body = json!({
        "address": address,
        "sent": failed.is_none(),
        "steps": taken,
        "failed": failed,
        "reason": reason,
    });
    Ok(render::answer(StatusCode::OK, &body))
}

fn cut(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(MAX_TOLD).collect()
}
