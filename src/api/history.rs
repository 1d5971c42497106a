//! `/users/{user}/history` and the same of groups, roles, people and scopes: what the ledger tells of one object, newest
//! first. A page looks at a bounded part of the ledger, so that it may hold fewer than asked although there are more.
//!
//! Who may read histories and not the ledger is told how the object was changed, and neither who signed in nor from where.

use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};

use super::admit::Caller;
use super::fields::Params;
use super::{Api, Error, render};
use crate::access::Question;
use crate::audit::{Entry, Filter};
use crate::model::{Permission, Scope};

/// The events that are changes of an object, its memberships and its rights.
const CHANGES: [&str; 7] = ["grant.*", "group.*", "membership.*", "person.*", "role.*", "scope.*", "user.*"];

/// How much of the ledger the caller is told.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Depth {
    /// Changes, without the addresses from which they were made.
    Changes,
    /// Everything.
    Everything,
}

impl Api {
    /// The right to read the history of single objects is enough, in the object's scope too, and so is the right to read
    /// the ledger.
    async fn permit_history(&self, caller: &Caller, scope: Option<&Scope>) -> Result<Depth, Error> {
        let permission =
            |text: &str| text.parse::<Permission>().map_err(|_| Error::Internal("a permission that is none"));
        let acting = self.acting(caller).await?;
        if acting.may(&Question::new(&permission("audit:read")?)) {
            self.permit(caller, "audit:read", None).await?;
            return Ok(Depth::Everything);
        }
        if acting.may(&Question::new(&permission("revision-history:read")?).within(scope)) {
            self.permit(caller, "revision-history:read", scope).await?;
            return Ok(Depth::Changes);
        }
        self.permit(caller, "audit:read", None).await?;
        Ok(Depth::Everything)
    }

    async fn history(
        &self,
        caller: &Caller,
        depth: Depth,
        target: String,
        mut params: Params,
    ) -> Result<Response, Error> {
        // Each entry tells whatever it is about, as the whole ledger does.
        self.check_sees_all(caller).await?;
        let page = params.page::<u64>()?;
        params.end()?;
        let kinds = if depth == Depth::Changes { CHANGES.map(str::to_owned).to_vec() } else { Vec::new() };
        let organisation = Some(self.services.directory.organisation());
        let filter = Filter { target: Some(target), kinds, organisation, ..Filter::default() };
        let found = self.services.ledger.list(&filter, page.after, page.limit).await?;
        let logs: Vec<Value> = found.entries.iter().map(|entry| told(entry, depth)).collect();
        let next = found.next.map(|position| position.to_string());
        Ok(render::answer(StatusCode::OK, &json!({"logs": logs, "next": next, "damaged": found.damaged})))
    }
}

fn told(entry: &Entry, depth: Depth) -> Value {
    let mut told = entry.to_json();
    if depth == Depth::Changes
        && let Some(members) = told.as_object_mut()
    {
        members.remove("ip_address");
        members.remove("request_id");
    }
    told
}

/// `GET /users/{user}/history?limit=&cursor=`.
pub(super) async fn of_user(
    State(api): State<Api>,
    caller: Caller,
    Path(user): Path<String>,
    params: Params,
) -> Result<Response, Error> {
    let depth = api.permit_history(&caller, None).await?;
    let user = api.user(&caller, &user).await?;
    api.history(&caller, depth, format!("user:{}", user.id), params).await
}

/// `GET /groups/{id}/history?limit=&cursor=`.
pub(super) async fn of_group(
    State(api): State<Api>,
    caller: Caller,
    Path(group): Path<String>,
    params: Params,
) -> Result<Response, Error> {
    let depth = api.permit_history(&caller, None).await?;
    let group = api.group(&caller, &group).await?;
    api.history(&caller, depth, format!("group:{}", group.id), params).await
}

/// `GET /roles/{id}/history?limit=&cursor=`.
pub(super) async fn of_role(
    State(api): State<Api>,
    caller: Caller,
    Path(role): Path<String>,
    params: Params,
) -> Result<Response, Error> {
    let depth = api.permit_history(&caller, None).await?;
    let (role, _) = api.role(&role)?;
    api.history(&caller, depth, format!("role:{role}"), params).await
}

/// `GET /people/{id}/history?limit=&cursor=`.
pub(super) async fn of_person(
    State(api): State<Api>,
    caller: Caller,
    Path(person): Path<String>,
    params: Params,
) -> Result<Response, Error> {
    let depth = api.permit_history(&caller, None).await?;
    let person = api.person(&caller, &person).await?;
    api.history(&caller, depth, format!("person:{}", person.id), params).await
}

/// `GET /scopes/{scope}/history?limit=&cursor=`: the right within the scope is enough.
pub(super) async fn of_scope(
    State(api): State<Api>,
    caller: Caller,
    Path(text): Path<String>,
    params: Params,
) -> Result<Response, Error> {
    let scope: Option<Scope> = text.parse().ok();
    let depth = api.permit_history(&caller, scope.as_ref()).await?;
    let missing = || Error::NotFound { what: "scope" };
    let scope = scope.ok_or_else(missing)?;
    api.check_scope_seen(&caller, &scope).await?;
    api.services.access.scopes().tree().find(&scope).ok_or_else(missing)?;
    api.history(&caller, depth, format!("scope:{scope}"), params).await
}
