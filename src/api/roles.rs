//! `/roles`: those of the policy pack, which do not change, and those that administrators made.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::{Path, State};
use axum::response::Response;
use http::header::LOCATION;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::admit::Caller;
use super::fields::{Fields, Params};
use super::{Api, Error, render};
use crate::access::{CustomRole, RoleEntry, RoleKind, Run, StoredRole};
use crate::model::{Attributes, Grant, GroupId, Permission, RoleId, Subject, UserId};

/// Most grants of one answer that tells who holds a role.
const MAX_HOLDERS: usize = 10_000;
/// Grants of a role that are read at a time, and most that one answer reads to find those that the caller sees.
const HOLDERS_AT_ONCE: usize = 500;
const MAX_HOLDERS_READ: usize = 50_000;

impl Api {
    /// The role that a new user gets: the one that is named, else the default of the policy pack, which may also want
    /// one to be named.
    pub(super) fn role_of_new_user(&self, named: Option<RoleId>) -> Result<Option<RoleId>, Error> {
        let pack = self.services.access.pack();
        if named.is_none() && pack.requires_role() {
            return Err(Error::invalid("role", "is required"));
        }
        Ok(named.or_else(|| pack.default_role().cloned()))
    }

    pub(super) fn role(&self, text: &str) -> Result<(RoleId, Option<RoleEntry>), Error> {
        let missing = || Error::NotFound { what: "role" };
        let id: RoleId = text.parse().map_err(|_| missing())?;
        let roles = self.services.access.roles();
        let found = roles.find(&id).filter(|entry| !entry.is_hidden).cloned();
        // A role that is stored and not in force can be looked at, mended and deleted.
        let is_stored = self.services.access.stored_roles().contains_key(&id);
        if found.is_none() && !is_stored { Err(missing()) } else { Ok((id, found)) }
    }

    fn render_role(&self, id: &RoleId, entry: Option<&RoleEntry>) -> (Value, u64) {
        let access = &self.services.access;
        let stored = access.stored_roles();
        let stored = stored.get(id).filter(|_| entry.is_none_or(|entry| entry.kind == RoleKind::Custom));
        let mut body = match (stored, entry) {
            (Some(stored), _) => render_stored(stored),
            (None, Some(entry)) => render_entry(entry),
            (None, None) => Value::Null,
        };
        let problem = stored.and_then(|_| access.role_problem(id));
        if let Some(members) = body.as_object_mut() {
            members.extend(problem.map(|problem| ("problem".to_owned(), problem.into())));
        }
        (body, stored.map_or(0, |stored| stored.revision))
    }
}

fn render_entry(entry: &RoleEntry) -> Value {
    let texts = |rules: &[Permission]| rules.iter().map(ToString::to_string).collect::<Vec<_>>();
    let kind = match entry.kind {
        RoleKind::Custom => "custom",
        RoleKind::Flag => "flag",
        RoleKind::Role => "role",
    };
    json!({
        "id": entry.role.id.to_string(),
        "name": entry.role.name,
        "description": entry.role.description,
        "kind": kind,
        "heading": entry.heading,
        "scoped_only": entry.is_scoped_only,
        "only_beside": entry.only_beside.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "requires_factor": entry.role.factor.is_some_and(|rule| rule.required),
        "requires_sso": entry.role.factor.is_some_and(|rule| rule.requires_sso()),
        "factor_within": entry.role.factor.and_then(|rule| rule.within()),
        "includes": entry.role.includes.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "permissions": texts(&entry.role.permissions),
        "denies": texts(&entry.role.denies),
        "if_owner": texts(&entry.role.if_owner),
        "badge": entry.badge(),
        "seat": entry.seat,
        "ui_profile": entry.ui_profile,
    })
}

fn render_stored(stored: &StoredRole) -> Value {
    let mut body = render_entry(&stored.as_entry());
    if let Some(members) = body.as_object_mut() {
        members.insert("created".to_owned(), stored.created.to_string().into());
        members.insert("changed".to_owned(), stored.changed.to_string().into());
        members.insert("created_by".to_owned(), stored.maker.as_str().into());
        members.insert("revision".to_owned(), stored.revision.into());
    }
    body
}

/// `GET /roles?kind=`: every role that is offered, on one page, and those of one's own that cannot be in force.
pub(super) async fn list(State(api): State<Api>, caller: Caller, mut params: Params) -> Result<Response, Error> {
    let kind = params.take("kind")?;
    let _all_on_one_page = params.page::<RoleId>()?;
    params.end()?;
    if kind.as_deref().is_some_and(|kind| !["custom", "flag", "role"].contains(&kind)) {
        return Err(Error::invalid("kind", "must be custom, flag or role"));
    }
    api.permit(&caller, "roles:read", None).await?;
    let roles = api.services.access.roles();
    let mut ids: BTreeSet<RoleId> = api.services.access.stored_roles().keys().cloned().collect();
    ids.extend(roles.iter().filter(|entry| !entry.is_hidden).map(|entry| entry.role.id.clone()));
    let items = ids.iter().map(|id| api.render_role(id, roles.find(id)).0);
    let is_wanted = |item: &Value| kind.as_deref().is_none_or(|kind| item.get("kind").is_some_and(|of| of == kind));
    Ok(render::page(items.filter(is_wanted).collect(), None))
}

/// `GET /roles/matrix`: what the roles of the pack may do, as its manual prints it, each cell by the decision.
pub(super) async fn matrix(State(api): State<Api>, caller: Caller, params: Params) -> Result<Response, Error> {
    params.end()?;
    api.permit(&caller, "roles:read", None).await?;
    let pack = api.services.access.pack();
    let matrix = pack.matrix();
    let columns: Vec<Value> = matrix.columns.iter().map(|(id, name)| json!({"id": id, "name": name})).collect();
    let allowed: BTreeMap<&str, usize> =
        matrix.columns.iter().map(|(id, _)| (id.as_str(), matrix.allowed(id))).collect();
    let body = json!({
        "pack": pack.name(),
        "title": pack.title(),
        "columns": columns,
        "rows": matrix.rows,
        "allowed": allowed,
    });
    Ok(render::answer(StatusCode::OK, &body))
}

/// `GET /roles/permissions`: what roles, grants and tokens can be made of, by resource.
pub(super) async fn permissions(State(api): State<Api>, caller: Caller, mut params: Params) -> Result<Response, Error> {
    let _all_on_one_page = params.page::<String>()?;
    params.end()?;
    api.permit(&caller, "roles:read", None).await?;
    let mut known: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for permission in api.services.access.roles().catalogue().iter() {
        known.entry(permission.resource().to_owned()).or_default().insert(permission.action().to_owned());
    }
    let items = known.into_iter().map(|(resource, actions)| json!({"resource": resource, "actions": actions}));
    Ok(render::page(items.collect(), None))
}

/// `GET /roles/{id}`.
pub(super) async fn show(State(api): State<Api>, caller: Caller, Path(id): Path<String>) -> Result<Response, Error> {
    api.permit(&caller, "roles:read", None).await?;
    let (id, entry) = api.role(&id)?;
    let (body, revision) = api.render_role(&id, entry.as_ref());
    Ok(render::versioned(StatusCode::OK, &body, revision))
}

/// `GET /roles/{id}/holders?limit=`: the grants that give it, with the names of who holds them, groups first.
pub(super) async fn holders(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    mut params: Params,
) -> Result<Response, Error> {
    let limit = params.parsed::<usize>("limit")?.unwrap_or(MAX_HOLDERS).clamp(1, MAX_HOLDERS);
    params.end()?;
    api.permit(&caller, "roles:read", None).await?;
    api.permit(&caller, "grants:read", None).await?;
    let (id, _) = api.role(&id)?;
    let (grants, is_cut) = api.holders_seen(&caller, &id, limit).await?;
    let names = api.names_of(grants.iter().map(|grant| grant.subject)).await?;
    let item = |grant: &Grant| {
        let mut body = render::grant(grant);
        if let Some(members) = body.as_object_mut() {
            members.insert("name".to_owned(), names.get(&key(grant.subject)).cloned().into());
        }
        body
    };
    let body = json!({"items": grants.iter().map(item).collect::<Vec<_>>(), "next": null, "more": is_cut});
    Ok(render::answer(StatusCode::OK, &body))
}

fn key(subject: Subject) -> (bool, [u8; 16]) {
    match subject {
        Subject::Group(id) => (true, *id.as_bytes()),
        Subject::User(id) => (false, *id.as_bytes()),
    }
}

impl Api {
    /// The grants of a role that the caller sees, at most `limit`, and whether there are more of them: of what is another
    /// company's nothing is told, not even that there is any.
    async fn holders_seen(&self, caller: &Caller, role: &RoleId, limit: usize) -> Result<(Vec<Grant>, bool), Error> {
        let sight = self.sight(caller).await?;
        let (mut seen, mut after, mut read) = (Vec::new(), None, 0_usize);
        loop {
            let grants = self.services.access.grants().of_role_after(role, after, HOLDERS_AT_ONCE).await?;
            let is_last = grants.len() < HOLDERS_AT_ONCE;
            read = read.saturating_add(grants.len());
            after = grants.last().map(|grant| (grant.subject, grant.id));
            for grant in grants {
                let is_place_seen = grant.scope.as_ref().is_none_or(|scope| sight.sees_scope(scope));
                if !is_place_seen || !self.sees_subject(&sight, grant.subject).await? {
                    continue;
                }
                if seen.len() == limit {
                    return Ok((seen, true));
                }
                seen.push(grant);
            }
            if is_last || read >= MAX_HOLDERS_READ {
                // That the reading stopped is said of how much there is, not of who it is.
                return Ok((seen, !is_last));
            }
        }
    }

    /// The names of users and groups; those that are gone have none.
    pub(super) async fn names_of(
        &self,
        subjects: impl Iterator<Item = Subject>,
    ) -> Result<BTreeMap<(bool, [u8; 16]), String>, Error> {
        let (mut users, mut groups): (Vec<UserId>, Vec<GroupId>) = (Vec::new(), Vec::new());
        for subject in subjects {
            match subject {
                Subject::Group(id) => groups.push(id),
                Subject::User(id) => users.push(id),
            }
        }
        let mut names = BTreeMap::new();
        for user in self.services.directory.users_by_id::<Attributes>(&users).await? {
            names.insert(key(Subject::User(user.id)), user.user_name.to_string());
        }
        for group in self.services.directory.groups_by_id(&groups).await? {
            names.insert(key(Subject::Group(group.id)), group.name.to_string());
        }
        Ok(names)
    }
}

/// What a body says of a role; what is absent stays as it is.
struct Wish {
    name: Option<String>,
    description: Option<String>,
    permissions: Option<Vec<String>>,
    denies: Option<Vec<String>>,
    includes: Option<Vec<String>>,
    if_owner: Option<Vec<String>>,
    ui_profile: Option<BTreeMap<String, String>>,
    scoped_only: Option<bool>,
    requires_factor: Option<bool>,
    requires_sso: Option<bool>,
    /// Empty for none.
    factor_within: Option<String>,
}

impl Wish {
    fn take(mut fields: Fields) -> Result<Self, Error> {
        let wish = Self {
            name: fields.text("name")?,
            description: fields.text("description")?,
            permissions: fields.texts("permissions")?,
            denies: fields.texts("denies")?,
            includes: fields.texts("includes")?,
            if_owner: fields.texts("if_owner")?,
            ui_profile: fields.words_by_key("ui_profile")?,
            scoped_only: fields.flag("scoped_only")?,
            requires_factor: fields.flag("requires_factor")?,
            requires_sso: fields.flag("requires_sso")?,
            factor_within: fields.text("factor_within")?,
        };
        fields.end()?;
        Ok(wish)
    }

    fn apply(&self, role: &mut CustomRole) {
        fn set<T: Clone>(to: &mut T, wish: &Option<T>) {
            if let Some(wish) = wish {
                to.clone_from(wish);
            }
        }
        set(&mut role.name, &self.name);
        set(&mut role.description, &self.description);
        set(&mut role.permissions, &self.permissions);
        set(&mut role.denies, &self.denies);
        set(&mut role.includes, &self.includes);
        set(&mut role.if_owner, &self.if_owner);
        set(&mut role.ui_profile, &self.ui_profile);
        set(&mut role.scoped_only, &self.scoped_only);
        set(&mut role.requires_factor, &self.requires_factor);
        set(&mut role.requires_sso, &self.requires_sso);
        if let Some(within) = &self.factor_within {
            role.factor_within = Some(within.clone()).filter(|text| !text.is_empty());
        }
    }
}

/// `POST /roles?dry_run=`: `name`, `description`, `permissions`, `denies`, `includes`, `if_owner`, `ui_profile`,
/// `scoped_only`, `requires_factor`, `requires_sso`, `factor_within`.
pub(super) async fn create(
    State(api): State<Api>,
    caller: Caller,
    params: Params,
    fields: Fields,
) -> Result<Response, Error> {
    let permit = api.permit(&caller, "roles:create", None).await?;
    let run = params.run()?;
    let wish = Wish::take(fields)?;
    if wish.name.is_none() {
        return Err(Error::invalid("name", "is required"));
    }
    if wish.permissions.is_none() && wish.denies.is_none() && wish.includes.is_none() && wish.if_owner.is_none() {
        return Err(Error::invalid("permissions", "is required: a list, which may be empty"));
    }
    let mut draft = CustomRole::default();
    wish.apply(&mut draft);
    api.check_plan("roles of one's own")?;
    let role = api.services.access.create_role(&permit, &draft, run).await?;
    Ok(made(&role, run))
}

/// The answer about a role that was made, or would be.
fn made(role: &StoredRole, run: Run) -> Response {
    let status = if run == Run::Commit { StatusCode::CREATED } else { StatusCode::OK };
    let mut response = render::versioned(status, &render_stored(role), role.revision);
    if let (Run::Commit, Ok(location)) = (run, format!("/api/v1/roles/{}", role.role.id).parse()) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

/// `POST /roles/{id}:duplicate?dry_run=`: `name`, `description`.
pub(super) async fn act(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    params: Params,
    mut fields: Fields,
) -> Result<Response, Error> {
    let permit = api.permit(&caller, "roles:create", None).await?;
    let run = params.run()?;
    let id = id.strip_suffix(":duplicate").ok_or(Error::NotFound { what: "action; `:duplicate` is one" })?;
    let name = fields.text("name")?.ok_or_else(|| Error::invalid("name", "is required"))?;
    let description = fields.text("description")?;
    fields.end()?;
    let (id, _) = api.role(id)?;
    api.check_plan("roles of one's own")?;
    let role = api.services.access.duplicate_role(&permit, &id, name, description, run).await?;
    Ok(made(&role, run))
}

/// `PATCH /roles/{id}?dry_run=`: members that are given replace, others stay.
pub(super) async fn change(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
    params: Params,
    fields: Fields,
) -> Result<Response, Error> {
    let permit = api.permit(&caller, "roles:update", None).await?;
    let revision = render::if_match(&headers)?;
    let run = params.run()?;
    let wish = Wish::take(fields)?;
    let (id, _) = api.role(&id)?;
    let edit = |role: &mut CustomRole| wish.apply(role);
    let role = api.services.access.change_role(&permit, &id, revision, edit, run).await?;
    Ok(render::versioned(StatusCode::OK, &render_stored(&role), role.revision))
}

/// `DELETE /roles/{id}?dry_run=`.
pub(super) async fn delete(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
    params: Params,
) -> Result<Response, Error> {
    let permit = api.permit(&caller, "roles:delete", None).await?;
    let revision = render::if_match(&headers)?;
    let run = params.run()?;
    let (id, _) = api.role(&id)?;
    if let Some(rule) = api.services.directory.rules().iter().find(|rule| rule.role == id) {
        let detail = format!("`{id}` is what the mapping rule at {} gives; take the rule out first", rule.position);
        return Err(Error::Conflict { field: None, detail });
    }
    let role = api.services.access.delete_role(&permit, &id, revision, run).await?;
    Ok(render::answer(StatusCode::OK, &render_stored(&role)))
}
