//! Who was given what in a scope, from the side of the scope and from that of the user.

use std::fmt;
use std::str::FromStr;

use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};

use super::access_requests::is_own;
use super::admit::Caller;
use super::fields::{Fields, Params};
use super::scopes::{Kind, named};
use super::{Api, Error, render};
use crate::access::{HeldRole, NewGrant, Overlay, Permit, Question, Run};
use crate::audit::Change;
use crate::model::{
    Circumstance, Grant, GrantId, GroupId, Mode, Permission, RoleId, Scope, Status, Subject, User, UserId,
};
use crate::notify::Notice;

/// Where a page of grants in a scope ended: `user:ID:GRANT` or `group:ID:GRANT`.
pub(super) struct Place(Subject, GrantId);

impl Place {
    fn of(grant: &Grant) -> Self {
        Self(grant.subject, grant.id)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Subject::Group(id) => write!(f, "group:{id}:{}", self.1),
            Subject::User(id) => write!(f, "user:{id}:{}", self.1),
        }
    }
}

impl FromStr for Place {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = text.split(':');
        let (Some(kind), Some(holder), Some(grant), None) = (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(());
        };
        let subject = match kind {
            "group" => Subject::Group(holder.parse::<GroupId>().map_err(|_| ())?),
            "user" => Subject::User(holder.parse::<UserId>().map_err(|_| ())?),
            _ => return Err(()),
        };
        Ok(Self(subject, grant.parse().map_err(|_| ())?))
    }
}

/// What is not acceptable, by the names that these addresses have for it.
fn as_asked(error: impl Into<Error>) -> Error {
    match error.into() {
        Error::Invalid { field, reason } if field == "ends" => {
            Error::Invalid { field: "expires_at".to_owned(), reason }
        }
        other => other,
    }
}

impl Api {
    /// A page of the grants in this very scope, with the names of who holds them.
    pub(super) async fn grants_in(
        &self,
        caller: &Caller,
        scope: &Scope,
        mut params: Params,
    ) -> Result<Response, Error> {
        let list = &format!("grants in {scope}");
        let page = self.page::<Place>(caller, list, &mut params)?;
        params.end()?;
        self.permit(caller, "grants:read", Some(scope)).await?;
        self.check_scope(caller, Some(scope)).await?;
        let sight = self.sight(caller).await?;
        let after = page.after.map(|Place(subject, grant)| (subject, grant));
        let grants = self.services.access.grants().in_scope_after(scope, after, page.limit).await?;
        let next = grants.last().filter(|_| grants.len() == page.limit).map(Place::of);
        let next = self.next(caller, list, next)?;
        let mut items = Vec::with_capacity(grants.len());
        for grant in &grants {
            if !self.sees_subject(&sight, grant.subject).await? {
                continue;
            }
            let name = match grant.subject {
                Subject::Group(id) => {
                    let group = self.services.directory.find_group(id).await?;
                    group.map(|group| group.name.as_str().to_owned())
                }
                Subject::User(id) => {
                    let user = self.services.directory.find_user(id).await?;
                    user.map(|user| user.user_name.as_str().to_owned())
                }
            };
            let mut item = render::grant(grant);
            if let Some(members) = item.as_object_mut() {
                members.insert("name".to_owned(), name.map_or(Value::Null, Value::String));
            }
            items.push(item);
        }
        Ok(render::page(items, next))
    }

    /// Gives a role, or only tries to, whatever the address by which it is asked for. Who gets it is told by mail.
    pub(super) async fn give_in(&self, caller: &Caller, new: NewGrant, run: Run) -> Result<Grant, Error> {
        let services = &self.services;
        let permit = self.permit_giving(caller, &new).await?;
        if run == Run::DryRun {
            let (grants, roles) = (services.access.grants(), services.access.roles());
            return Ok(grants.create_or_try(&permit, &roles, new, run).await?);
        }
        let told = self.to_tell(caller, new.subject).await?;
        let (permit, new, told) = (&permit, &new, told.as_ref());
        let given = services.ledger.retry(|mut change| async move {
            let (grants, roles) = (services.access.grants(), services.access.roles());
            let (grant, event) = grants.create_in(&mut change, permit, &roles, new).await?;
            self.tell_in(&mut change, told, Notice::AccessGiven).await?;
            change.commit(event).await?;
            Ok::<_, Error>(grant)
        });
        given.await
    }

    /// Ends a grant and tells who held it by mail, where it was not over already.
    pub(super) async fn end_in(&self, caller: &Caller, permit: &Permit, grant: &Grant) -> Result<Grant, Error> {
        let services = &self.services;
        let is_over = grant.ends.is_some_and(|ends| ends <= services.clock.now());
        let told = if is_over { None } else { self.to_tell(caller, grant.subject).await? };
        let (id, told) = (grant.id, told.as_ref());
        let ended = services.ledger.retry(|mut change| async move {
            let (grant, event) = services.access.grants().delete_in(&mut change, permit, id).await?;
            self.tell_in(&mut change, told, Notice::AccessEnded).await?;
            change.commit(event).await?;
            Ok::<_, Error>(grant)
        });
        ended.await
    }

    /// Who is to be told that the caller changes what they may do: one active person, who is not the caller. Groups are not:
    /// however many are in one.
    async fn to_tell(&self, caller: &Caller, subject: Subject) -> Result<Option<User>, Error> {
        match subject {
            Subject::User(id) if self.services.outbox.tells_of_access() && !is_own(&caller.actor, id) => {
                let user: Option<User> = self.services.directory.find_user(id).await?;
                Ok(user.filter(|user| user.status == Status::Active))
            }
            Subject::User(_) | Subject::Group(_) => Ok(None),
        }
    }

    /// Where the change came from is nothing to the one whom it concerns.
    async fn tell_in(&self, change: &mut Change, user: Option<&User>, notice: Notice) -> Result<(), Error> {
        match user {
            Some(user) => Ok(self.services.outbox.tell_in(change, user, notice, &Circumstance::default()).await?),
            None => Ok(()),
        }
    }

    /// Checks that the caller may give this, in a place that it sees, and weighs it.
    pub(super) async fn permit_giving(&self, caller: &Caller, new: &NewGrant) -> Result<Permit, Error> {
        let access = &self.services.access;
        let permit = access.permit_grant(&caller.actor, new, caller.circumstance.clone()).await?;
        if let Some(scope) = &new.scope {
            let sight = self.sight(caller).await?;
            if sight.is_limited() && !(sight.sees_scope(scope) && access.scopes().tree().find(scope).is_some()) {
                return Err(sight.unknown_scope("scope", scope));
            }
        }
        self.check_taking(caller, new.subject, &new.role, new.scope.as_ref(), new.mode).await?;
        let overlay = Overlay { given: vec![new.imagined()], ..Overlay::default() };
        self.weigh(permit, &overlay, false).await
    }
}

/// `GET /departments/{slug}/users?limit=&cursor=`, and the other kinds: who was given what there, groups first.
pub(super) async fn list<K: Kind>(
    State(api): State<Api>,
    caller: Caller,
    Path(slug): Path<String>,
    params: Params,
) -> Result<Response, Error> {
    match api.grants_in(&caller, &named(K::NAME, &slug)?, params).await {
        // In a path it is what is asked for, not a value of a field.
        Err(Error::Invalid { field, .. }) if field == "scope" => Err(Error::NotFound { what: "scope" }),
        other => other,
    }
}

/// `POST /departments/{slug}/users`: `user` or `group`, `role`, `mode` (override unless said), `expires_at`, `reason`.
pub(super) async fn give<K: Kind>(
    State(api): State<Api>,
    caller: Caller,
    Path(slug): Path<String>,
    mut fields: Fields,
) -> Result<Response, Error> {
    let scope = named(K::NAME, &slug)?;
    api.permit(&caller, "grants:create", Some(&scope)).await?;
    let (user, group) = (fields.text("user")?, fields.text("group")?);
    let role: RoleId = fields.parsed("role")?.ok_or_else(|| Error::invalid("role", "is required"))?;
    let mode = match fields.text("mode")?.as_deref() {
        Some("add") => Mode::Add,
        None | Some("override") => Mode::Override,
        Some(_) => return Err(Error::invalid("mode", "must be add or override")),
    };
    let ends = fields.parsed("expires_at")?;
    let reason = fields.text("reason")?.unwrap_or_default();
    fields.end()?;
    if api.services.access.scopes().tree().find(&scope).is_none() {
        return Err(Error::NotFound { what: "scope" });
    }
    api.check_scope_seen(&caller, &scope).await?;
    let subject = api.subject(&caller, user, group).await?;
    let new = NewGrant { subject, role, scope: Some(scope), mode, reason, starts: None, ends };
    let grant = api.give_in(&caller, new, Run::Commit).await.map_err(as_asked)?;
    Ok(render::answer(StatusCode::CREATED, &render::grant(&grant)))
}

/// `GET /departments/{slug}/users/{user}`, and the other kinds: the roles that count for the user there, each with where it
/// comes from, and what they come to.
pub(super) async fn show<K: Kind>(
    State(api): State<Api>,
    caller: Caller,
    Path((slug, user)): Path<(String, String)>,
) -> Result<Response, Error> {
    let scope = named(K::NAME, &slug)?;
    api.permit(&caller, "users:read", Some(&scope)).await?;
    let read: Permission = "users:read".parse().map_err(|_| Error::Internal("a permission that is none"))?;
    let everywhere = api.acting(&caller).await?.may(&Question::new(&read));
    let access = &api.services.access;
    let tree = access.scopes().tree();
    let record = tree.find(&scope).ok_or(Error::NotFound { what: "scope" })?;
    api.check_scope_seen(&caller, &scope).await?;
    let user = api.user(&caller, &user).await?;
    let level = access.effective_in(user.id, Some(&scope)).await?;
    if !everywhere && level.roles.iter().all(|held| held.scope.is_none()) {
        // Who reads one place is not told who else there is.
        return Err(Error::NotFound { what: "user" });
    }
    // Of several the one that was given closest by is the one that people mean.
    let depth = |held: &&HeldRole| held.scope.as_ref().map_or(0, |scope| tree.level(scope));
    let deepest = level.roles.iter().max_by_key(depth);
    let permissions: Vec<String> = level.permissions.iter().map(|right| right.permission.to_string()).collect();
    let body = json!({
        "user": render::brief(&user),
        "scope": scope.to_string(),
        "name": record.name,
        "role": deepest.map(|held| held.role.to_string()),
        "source": deepest.map(|held| held.origin.clone()),
        "roles": level.roles,
        "permissions": permissions,
    });
    Ok(render::answer(StatusCode::OK, &body))
}

/// `POST /users/{user}/departments`: `department`, `role`, `scope: "department_only"`, `expires_at`, `reason`. In the
/// department and below, the role replaces what the user has elsewhere.
pub(super) async fn assign(
    State(api): State<Api>,
    caller: Caller,
    Path(user): Path<String>,
    mut fields: Fields,
) -> Result<Response, Error> {
    let department = fields.text("department")?;
    let scope: Option<Scope> = match department.as_deref() {
        Some(text) if text.contains(':') => text.parse().ok(),
        Some(text) => format!("department:{text}").parse().ok(),
        None => None,
    };
    let create: Permission = "grants:create".parse().map_err(|_| Error::Internal("a permission that is none"))?;
    let access = &api.services.access;
    access.permit(&caller.actor, &create, scope.as_ref(), caller.circumstance.clone()).await?;
    let department = department.ok_or_else(|| Error::invalid("department", "is required"))?;
    let Some(scope) = scope.filter(|scope| scope.kind() == "department") else {
        return Err(Error::invalid("department", format!("`{department}` is none")));
    };
    let role: RoleId = fields.parsed("role")?.ok_or_else(|| Error::invalid("role", "is required"))?;
    match fields.text("scope")?.as_deref() {
        None | Some("department_only") => {}
        Some(_) => return Err(Error::invalid("scope", "must be department_only")),
    }
    let ends = fields.parsed("expires_at")?;
    let reason = fields.text("reason")?.unwrap_or_default();
    fields.end()?;
    let tree = access.scopes().tree();
    if tree.find(&scope).is_none() {
        return Err(api.sight(&caller).await?.unknown_scope("department", &scope));
    }
    let subject = Subject::User(api.user(&caller, &user).await?.id);
    let new = NewGrant { subject, role, scope: Some(scope), mode: Mode::Override, reason, starts: None, ends };
    let grant = api.give_in(&caller, new, Run::Commit).await.map_err(as_asked)?;
    let mut body = render::grant(&grant);
    if let Some(members) = body.as_object_mut() {
        members.insert("department".to_owned(), department.into());
        members.insert("expires_at".to_owned(), render::time(grant.ends));
    }
    Ok(render::answer(StatusCode::CREATED, &body))
}
