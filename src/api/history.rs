//! `/users/{user}/history` and `/groups/{id}/history`: what the ledger tells of one user or group, newest first. A page
//! looks at a bounded part of the ledger, so that it may hold fewer than asked although there are more.

use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};

use super::admit::Caller;
use super::fields::Params;
use super::{Api, Error, render};
use crate::access::Question;
use crate::audit::{Entry, Filter};
use crate::model::Permission;

impl Api {
    /// The right to read the history of single objects is enough, and so is the right to read the ledger.
    async fn permit_history(&self, caller: &Caller) -> Result<(), Error> {
        let read: Permission =
            "revision-history:read".parse().map_err(|_| Error::Internal("a permission that is none"))?;
        if self.services.access.decide(&caller.actor, &Question::new(&read)).await?.allowed {
            self.services.access.note_use(&caller.actor, &read);
            return Ok(());
        }
        self.permit(caller, "audit:read", None).await.map(|_| ())
    }

    async fn history(&self, target: String, mut params: Params) -> Result<Response, Error> {
        let page = params.page::<u64>()?;
        params.end()?;
        let filter =
            Filter { target: Some(target), action: None, actor: None, outcome: None, since: None, until: None };
        let found = self.services.ledger.list(&filter, page.after, page.limit).await?;
        let logs: Vec<Value> = found.entries.iter().map(Entry::to_json).collect();
        let next = found.next.map(|position| position.to_string());
        Ok(render::answer(StatusCode::OK, &json!({"logs": logs, "next": next, "damaged": found.damaged})))
    }
}

/// `GET /users/{user}/history?limit=&cursor=`.
pub(super) async fn of_user(
    State(api): State<Api>,
    caller: Caller,
    Path(user): Path<String>,
    params: Params,
) -> Result<Response, Error> {
    api.permit_history(&caller).await?;
    let user = api.user(&caller, &user).await?;
    // Each entry tells whatever it is about, as the whole ledger does.
    api.check_sees_all(&caller).await?;
    api.history(format!("user:{}", user.id), params).await
}

/// `GET /groups/{id}/history?limit=&cursor=`.
pub(super) async fn of_group(
    State(api): State<Api>,
    caller: Caller,
    Path(group): Path<String>,
    params: Params,
) -> Result<Response, Error> {
    api.permit_history(&caller).await?;
    let group = api.group(&caller, &group).await?;
    api.check_sees_all(&caller).await?;
    api.history(format!("group:{}", group.id), params).await
}
