//! `/explain` and `/users/{id}/permissions`: the decision that is enforced, told.

use std::collections::BTreeSet;
use std::net::IpAddr;

use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};

use super::admit::Caller;
use super::fields::Params;
use super::rank::is_at_browser;
use super::{Api, Error, render};
use crate::access::{Explanation, Question};
use crate::clock::Timestamp;
use crate::directory::Member;
use crate::model::{GroupId, Permission, Scope, User, UserId};

impl Api {
    /// The user of this id or name. People may ask about themselves; about others, who has `permission`, and nobody else
    /// learns whether there is such a user.
    async fn user_asked_about(&self, caller: &Caller, user: &str, permission: &str) -> Result<User, Error> {
        let found = self.user(caller, user).await;
        let is_self = match (&found, &caller.signed_in) {
            (Ok(found), Some(signed_in)) => found.id == signed_in.user.id,
            _ => false,
        };
        if !is_self {
            self.permit(caller, permission, None).await?;
        }
        found
    }
}

/// `GET /explain?user=&permission=&scope=&at=&ip=`.
pub(super) async fn explain(State(api): State<Api>, caller: Caller, mut params: Params) -> Result<Response, Error> {
    let user = params.take("user")?.ok_or_else(|| Error::invalid("user", "is required"))?;
    let permission: Permission =
        params.parsed("permission")?.ok_or_else(|| Error::invalid("permission", "is required"))?;
    let scope: Option<Scope> = params.parsed("scope")?;
    let at: Option<Timestamp> = params.parsed("at")?;
    let ip: Option<IpAddr> = params.parsed("ip")?;
    params.end()?;
    let user = api.user_asked_about(&caller, &user, "decisions:read").await?;
    api.check_permission(&permission)?;
    api.check_scope(&caller, scope.as_ref()).await?;
    let question = Question::new(&permission).within(scope.as_ref());
    let mut explanation = api.services.access.explain_from(user.id, &question, at, ip).await?;
    api.services.directory.name_explanation(user.id, &mut explanation).await?;
    let groups = api.groups_on_the_way(user.id, &explanation).await?;
    let mut body = json!(explanation);
    if let Some(members) = body.as_object_mut() {
        members.insert("groups".to_owned(), groups);
        members.insert("user".to_owned(), render::brief(&user));
        members.extend(ip.map(|ip| ("ip".to_owned(), Value::from(ip.to_string()))));
    }
    Ok(render::answer(StatusCode::OK, &body))
}

impl Api {
    /// The groups through which an explanation's grants came: each with its name, with who or what is in it on this way, and
    /// with the source that brought that membership and when.
    async fn groups_on_the_way(&self, user: UserId, explanation: &Explanation) -> Result<Value, Error> {
        let directory = &self.services.directory;
        let mut edges: BTreeSet<(GroupId, Member)> = BTreeSet::new();
        for step in &explanation.steps {
            let mut member = Member::User(user);
            for group in &step.held.groups {
                edges.insert((*group, member));
                member = Member::Group(*group);
            }
        }
        let ids: Vec<GroupId> = edges.iter().map(|(group, _)| *group).collect();
        let groups = directory.groups_by_id(&ids).await?;
        let mut told = Vec::with_capacity(edges.len());
        for (id, member) in edges {
            let name = groups.iter().find(|group| group.id == id).map(|group| group.name.as_str());
            let row = directory.find_membership(id, member).await?;
            told.push(json!({
                "id": id.to_string(),
                "name": name,
                "member": member.to_string(),
                "source": row.as_ref().and_then(|row| row.source.as_ref()).map(ToString::to_string),
                "since": render::time(row.map(|row| row.since)),
            }));
        }
        Ok(Value::Array(told))
    }

    /// Refuses a permission that is in no catalogue, with the nearest one.
    fn check_permission(&self, permission: &Permission) -> Result<(), Error> {
        let roles = self.services.access.roles();
        if roles.catalogue().contains(permission) {
            return Ok(());
        }
        let near = roles.catalogue().nearest(&permission.to_string());
        let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        Err(Error::invalid("permission", format!("`{permission}` does not exist{hint}")))
    }

    /// Refuses a scope that there is not and in which nothing was given either, with the nearest one. A company that the
    /// caller has not is not there.
    pub(super) async fn check_scope(&self, caller: &Caller, scope: Option<&Scope>) -> Result<(), Error> {
        let Some(scope) = scope else { return Ok(()) };
        let (access, sight) = (&self.services.access, self.sight(caller).await?);
        let tree = access.scopes().tree();
        if !sight.sees_scope(scope) {
            return Err(sight.unknown_scope("scope", scope));
        }
        let is_named = tree.find(scope).is_some() || self.services.directory.rules().names(scope);
        if is_named || !access.grants().in_scope(scope, 1).await?.is_empty() {
            return Ok(());
        }
        Err(sight.unknown_scope("scope", scope))
    }
}

/// `GET /who-can?permission=&scope=&limit=&cursor=`: users in the order of their creation, each with the grant that
/// decides.
pub(super) async fn who_can(State(api): State<Api>, caller: Caller, mut params: Params) -> Result<Response, Error> {
    let permission: Option<Permission> = params.parsed("permission")?;
    let scope: Option<Scope> = params.parsed("scope")?;
    let what = permission.as_ref().map(Permission::to_string).unwrap_or_default();
    let place = scope.as_ref().map(Scope::to_string).unwrap_or_default();
    let list = &format!("who-can {what} in {place}");
    let page = api.page::<UserId>(&caller, list, &mut params)?;
    params.end()?;
    api.permit(&caller, "decisions:read", scope.as_ref()).await?;
    api.permit(&caller, "users:read", scope.as_ref()).await?;
    let permission = permission.ok_or_else(|| Error::invalid("permission", "is required"))?;
    api.check_scope(&caller, scope.as_ref()).await?;
    let question = Question::new(&permission).within(scope.as_ref());
    let (able, next) = api.services.access.who_can(&question, page.after, page.limit).await?;
    let next = api.next(&caller, list, next)?;
    let ids: Vec<UserId> = able.iter().map(|able| able.user).collect();
    let mut users: Vec<User> = api.services.directory.users_by_id(&ids).await?;
    let sight = api.sight(&caller).await?;
    users.retain(|user| sight.sees_user(user));
    let mut items = Vec::with_capacity(able.len());
    for able in &able {
        let Some(user) = users.iter().find(|user| user.id == able.user) else { continue };
        items.push(json!({
            "user": render::brief(user),
            "role": able.role.to_string(),
            "scope": able.scope.as_ref().map(ToString::to_string),
            "grant": able.grant.to_string(),
            "groups": able.groups.iter().map(ToString::to_string).collect::<Vec<_>>(),
        }));
    }
    Ok(render::page(items, next))
}

/// `GET /users/{id or name}/permissions`: for the organisation and each scope, with the reason of each.
pub(super) async fn permissions(
    State(api): State<Api>,
    caller: Caller,
    Path(user): Path<String>,
) -> Result<Response, Error> {
    let user = api.user_asked_about(&caller, &user, "users:read").await?;
    let mut levels = api.services.access.effective(user.id).await?;
    if !is_at_browser(&caller, user.id) {
        let sight = api.sight(&caller).await?;
        levels.retain(|level| level.scope.as_ref().is_none_or(|scope| sight.sees_scope(scope)));
    }
    Ok(render::answer(StatusCode::OK, &json!({"user": render::brief(&user), "levels": levels})))
}
