//! `/grants`.

use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;

use super::admit::Caller;
use super::fields::{Fields, Params};
use super::{Api, Error, render};
use crate::access::{NewGrant, Overlay, Question, Run};
use crate::model::{GrantId, Mode, Permission, RoleId, Scope, Subject};

impl Api {
    /// The one user or group that is named.
    pub(super) async fn subject(
        &self,
        caller: &Caller,
        user: Option<String>,
        group: Option<String>,
    ) -> Result<Subject, Error> {
        // Of a body or a query a name that is nobody's is a wrong value, not a missing page.
        match (user, group) {
            (Some(user), None) => match self.user(caller, &user).await {
                Ok(user) => Ok(Subject::User(user.id)),
                Err(Error::NotFound { .. }) => Err(Error::invalid("user", format!("`{user}` does not exist"))),
                Err(error) => Err(error),
            },
            (None, Some(group)) => match self.group(caller, &group).await {
                Ok(group) => Ok(Subject::Group(group.id)),
                Err(Error::NotFound { .. }) => Err(Error::invalid("group", format!("`{group}` does not exist"))),
                Err(error) => Err(error),
            },
            _ => Err(Error::invalid("user", "or `group` must be given, one of them")),
        }
    }
}

/// `GET /grants?user=` or `?group=`: all of them on one page, of those without `grants:read` everywhere the ones in scopes
/// where they have it. `GET /grants?scope=`: those in this very scope, page by page.
pub(super) async fn list(State(api): State<Api>, caller: Caller, mut params: Params) -> Result<Response, Error> {
    if let Some(scope) = params.parsed::<Scope>("scope")? {
        return api.grants_in(&caller, &scope, params).await;
    }
    let (user, group) = (params.take("user")?, params.take("group")?);
    let _all_on_one_page = params.page::<GrantId>()?;
    params.end()?;
    let read: Permission = "grants:read".parse().map_err(|_| Error::Internal("a permission that is none"))?;
    let acting = api.acting(&caller).await?;
    let everywhere = acting.may(&Question::new(&read));
    if !everywhere && !acting.may_somewhere(&read) {
        api.permit(&caller, "grants:read", None).await?;
    }
    api.services.access.note_use(&caller.actor, &read);
    let subject = api.subject(&caller, user, group).await?;
    let mut grants = api.services.access.grants().list(subject).await?;
    grants.retain(|grant| everywhere || acting.may(&Question::new(&read).within(grant.scope.as_ref())));
    Ok(render::page(grants.iter().map(render::grant).collect(), None))
}

/// `POST /grants?dry_run=`: `user` or `group`, `role`, `scope`, `mode`, `starts`, `ends`, `reason`.
pub(super) async fn create(
    State(api): State<Api>,
    caller: Caller,
    params: Params,
    mut fields: Fields,
) -> Result<Response, Error> {
    let run = params.run()?;
    let (user, group) = (fields.text("user")?, fields.text("group")?);
    let role: RoleId = fields.parsed("role")?.ok_or_else(|| Error::invalid("role", "is required"))?;
    let scope = fields.parsed("scope")?;
    let mode = match fields.text("mode")?.as_deref() {
        None | Some("add") => Mode::Add,
        Some("override") => Mode::Override,
        Some(_) => return Err(Error::invalid("mode", "must be add or override")),
    };
    let (starts, ends) = (fields.parsed("starts")?, fields.parsed("ends")?);
    let reason = fields.text("reason")?.unwrap_or_default();
    fields.end()?;
    let subject = api.subject(&caller, user, group).await?;
    let new = NewGrant { subject, role, scope, mode, reason, starts, ends };
    let grant = api.give_in(&caller, new, run).await?;
    let status = if run == Run::DryRun { StatusCode::OK } else { StatusCode::CREATED };
    Ok(render::answer(status, &render::grant(&grant)))
}

/// `DELETE /grants/{id}?force=&dry_run=`. The right to end grants everywhere is enough, also where a grant within the scope would
/// take it away: else that grant could not be ended by anybody.
///
/// The last one by which the organisation is administered stays, unless an administrator of the machine says `force=true`.
pub(super) async fn delete(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    mut params: Params,
) -> Result<Response, Error> {
    let is_forced = params.parsed::<bool>("force")?.unwrap_or(false);
    let run = params.run()?;
    let missing = || Error::NotFound { what: "grant" };
    let id: GrantId = id.parse().map_err(|_| missing())?;
    let access = &api.services.access;
    let found = access.grants().find(id).await?;
    let everywhere: Permission = "grants:delete".parse().map_err(|_| Error::Internal("a permission that is none"))?;
    let is_everywhere = access.decide(&caller.actor, &Question::new(&everywhere)).await?.allowed;
    let scope = found.as_ref().and_then(|grant| grant.scope.as_ref()).filter(|_| !is_everywhere);
    let permit = api.permit(&caller, "grants:delete", scope).await?;
    if let Some(found) = &found {
        if !api.sees_subject(&api.sight(&caller).await?, found.subject).await? {
            return Err(missing());
        }
        api.check_ending(&caller, found).await?;
        api.check_own_rights(&caller, found.subject, &found.role)?;
    }
    let overlay = Overlay { ended: vec![id], ..Overlay::default() };
    let permit = api.weigh(permit, &overlay, is_forced).await?;
    let grant = match &found {
        Some(found) if run == Run::Commit => api.end_in(&caller, &permit, found).await?,
        _ => access.grants().delete_or_try(&permit, id, run).await?,
    };
    Ok(render::answer(StatusCode::OK, &render::grant(&grant)))
}
