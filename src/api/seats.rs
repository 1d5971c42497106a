//! `/seats`: what was bought, and what is used of it.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};

use super::admit::Caller;
use super::fields::{Fields, Params};
use super::{Api, Error, render};
use crate::config::Plan;
use crate::report::Sheet;

/// What one must be allowed to read to see seats and plan, and nothing else.
pub(super) const TO_READ: &str = "billing:read";

impl Api {
    /// Refuses what the plan does not have.
    pub(super) fn check_plan(&self, what: &str) -> Result<(), Error> {
        if self.services.plan == Plan::Enterprise {
            return Ok(());
        }
        let detail = format!("the plan `{}` has no {what}; `enterprise` has", self.services.plan.name());
        Err(Error::Plan { detail })
    }

    /// Seats by type, for the report.
    pub(super) async fn seat_sheet(&self) -> Result<Sheet, Error> {
        const COLUMNS: &[&str] = &["role", "name", "people", "seats", "limit"];
        let Some(report) = self.services.access.seats().await? else {
            return Ok(Sheet { columns: COLUMNS, ..Sheet::default() });
        };
        let roles = self.services.access.roles();
        let mut rows = Vec::new();
        for count in &report.types {
            let name = roles.find(&count.role).map(|entry| entry.role.name.clone());
            let cells = [json!(count.role.as_str()), json!(name), json!(count.people), json!(count.seats)];
            rows.push(cells.into_iter().chain([json!(count.limit)]).collect());
        }
        let people: u64 = report.types.iter().map(|count| count.people).sum();
        rows.push(vec![Value::Null, json!("all"), json!(people), json!(report.used), json!(report.limit)]);
        Ok(Sheet { columns: COLUMNS, rows, next: None })
    }
}

/// `GET /seats`: the plan, the seats that are taken and how many there may be, in all and by type.
pub(super) async fn show(State(api): State<Api>, caller: Caller, params: Params) -> Result<Response, Error> {
    params.end()?;
    api.permit(&caller, TO_READ, None).await?;
    let plan = api.services.plan.name();
    let Some(report) = api.services.access.seats().await? else {
        return Ok(render::answer(StatusCode::OK, &json!({"plan": plan, "counted": false})));
    };
    let roles = api.services.access.roles();
    let types: Vec<Value> = report
        .types
        .iter()
        .map(|count| {
            let name = roles.find(&count.role).map(|entry| entry.role.name.clone());
            json!({
                "role": count.role.as_str(), "name": name, "people": count.people, "seats": count.seats,
                "limit": count.limit,
            })
        })
        .collect();
    let body = json!({
        "plan": plan, "counted": true, "used": report.used, "limit": report.limit, "over": report.is_over(),
        "types": types,
    });
    Ok(render::answer(StatusCode::OK, &body))
}

/// `POST /seats:recount`: counts everybody anew; `corrected` tells how many counts were wrong.
pub(super) async fn recount(
    State(api): State<Api>,
    caller: Caller,
    params: Params,
    fields: Fields,
) -> Result<Response, Error> {
    params.end()?;
    fields.end()?;
    let permit = api.permit(&caller, "billing:update", None).await?;
    let corrected = api.services.access.recount_seats(&permit).await?;
    Ok(render::answer(StatusCode::OK, &json!({"corrected": corrected})))
}
