//! `/users`.

use axum::extract::{Path, State};
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value, json};

use super::admit::Caller;
use super::fields::{Fields, Params};
use super::{Api, Error, render};
use crate::access::{NewGrant, Permit};
use crate::audit::EventKind;
use crate::directory::{Member, SourceRecord, parse_user_name};
use crate::filter::{Filter, NoSchema};
use crate::model::{Attributes, Group, Subject, User, UserId};
use crate::secret::Secret;

/// Most accounts that one filtered page reads.
const MAX_READ: usize = 50_000;
/// Accounts read at a time.
const CHUNK: usize = 500;

/// `GET /users?filter=&limit=&cursor=`. A page with a filter may hold fewer than asked although there are more.
pub(super) async fn list(State(api): State<Api>, caller: Caller, mut params: Params) -> Result<Response, Error> {
    let filter: Option<Filter> = params.parsed("filter")?;
    let page = params.page::<UserId>()?;
    params.end()?;
    api.permit(&caller, "users:read", None).await?;
    let directory = &api.services.directory;
    let (mut items, mut after, mut read) = (Vec::new(), page.after, 0);
    loop {
        let wanted = if filter.is_some() { CHUNK } else { page.limit };
        let users = directory.list_users(after, wanted).await?;
        let is_last = users.len() < wanted;
        read += users.len();
        for user in users {
            after = Some(user.id);
            if filter.as_ref().is_none_or(|filter| matches(filter, &user)) {
                items.push(render::user(&user));
            }
            if items.len() == page.limit {
                return Ok(render::page(items, after.map(|id| id.to_string())));
            }
        }
        if is_last {
            return Ok(render::page(items, None));
        }
        if read >= MAX_READ {
            return Ok(render::page(items, after.map(|id| id.to_string())));
        }
    }
}

/// Filters look at attributes by their RFC 7643 names, and at `status` and `source` besides.
fn matches(filter: &Filter, user: &User) -> bool {
    let mut object = user.attributes.0.clone();
    if let Value::Object(shown) = render::user(user) {
        object.extend(shown.into_iter().filter(|(_, value)| !value.is_null()));
    }
    filter.matches(&object, &NoSchema)
}

/// `GET /users/{id or name}`: with groups, roles, lock and password standing.
pub(super) async fn show(State(api): State<Api>, caller: Caller, Path(user): Path<String>) -> Result<Response, Error> {
    api.permit(&caller, "users:read", None).await?;
    let user = api.user(&user).await?;
    let groups = api.groups_of(user.id).await?;
    let grants = api.services.access.grants().list(Subject::User(user.id)).await?;
    let lock = api.services.lockout.find(user.id).await?;
    let password = api.services.credentials.find(user.id).await?;
    let mut body = render::user(&user);
    if let Some(members) = body.as_object_mut() {
        members.insert("groups".to_owned(), groups.iter().map(|group| group.name.as_str()).collect());
        members.insert("roles".to_owned(), grants.iter().map(|grant| grant.role.to_string()).collect());
        members.insert("locked_until".to_owned(), render::time(lock.and_then(|lock| lock.locked_until)));
        members.insert("has_password".to_owned(), password.is_some().into());
        members.insert("must_change_password".to_owned(), password.is_some_and(|p| p.must_change).into());
    }
    Ok(render::versioned(StatusCode::OK, &body, user.revision))
}

/// What a body says about a user; absent members stay as they are.
#[derive(Default)]
struct Wish {
    user_name: Option<String>,
    display_name: Option<String>,
    email: Option<String>,
    department: Option<String>,
    active: Option<bool>,
    password: Option<Secret>,
    must_change_password: bool,
}

impl Wish {
    fn take(fields: &mut Fields) -> Result<Self, Error> {
        let name = fields.text("name")?;
        let display_name = fields.text("displayName")?.or(name);
        let email = fields.text("email")?;
        if email.as_deref().is_some_and(|email| !is_address(email)) {
            return Err(Error::invalid("email", "must be an e-mail address"));
        }
        let wish = Self {
            user_name: fields.text("userName")?,
            display_name,
            email,
            department: fields.text("department")?,
            active: fields.flag("active")?,
            password: fields.text("password")?.map(Secret::new),
            must_change_password: fields.flag("must_change_password")?.unwrap_or(false),
        };
        if wish.must_change_password && wish.password.is_none() {
            return Err(Error::invalid("must_change_password", "goes with a password"));
        }
        Ok(wish)
    }

    /// Whether it changes what a user is known by.
    fn renames(&self) -> bool {
        self.user_name.is_some() || self.email.is_some()
    }

    /// Whether it changes anything but the password.
    fn edits(&self) -> bool {
        self.renames() || self.display_name.is_some() || self.department.is_some() || self.active.is_some()
    }

    fn apply(&self, record: &mut SourceRecord) -> Result<(), Error> {
        if let Some(name) = &self.user_name {
            record.user_name = parse_user_name(name)?;
        }
        record.active = self.active.or(record.active);
        let attributes = &mut record.attributes.0;
        if let Some(name) = &self.display_name {
            attributes.insert("displayName".to_owned(), name.as_str().into());
        }
        if let Some(email) = &self.email {
            attributes.insert("emails".to_owned(), json!([{"value": email, "type": "work", "primary": true}]));
        }
        if let Some(department) = &self.department {
            let extension = attributes.entry(render::ENTERPRISE).or_insert_with(|| Value::Object(Map::new()));
            if let Some(extension) = extension.as_object_mut() {
                extension.insert("department".to_owned(), department.as_str().into());
            }
        }
        Ok(())
    }
}

/// One `@` with something on both sides, without blanks and control characters.
fn is_address(text: &str) -> bool {
    let parts: Vec<&str> = text.split('@').collect();
    let is_plain = !text.chars().any(|c| c.is_whitespace() || c.is_control());
    text.len() <= 254 && is_plain && matches!(parts[..], [local, domain] if !local.is_empty() && !domain.is_empty())
}

/// `POST /users`. Everything is checked before anything is written.
pub(super) async fn create(State(api): State<Api>, caller: Caller, mut fields: Fields) -> Result<Response, Error> {
    let mut wish = Wish::take(&mut fields)?;
    let role = api.role_of_new_user(fields.parsed("role")?)?;
    let groups = fields.list("access_groups")?;
    fields.end()?;
    let permit = api.permit(&caller, "users:create", None).await?;
    if wish.user_name.is_none() {
        wish.user_name.clone_from(&wish.email);
    }
    let name = wish.user_name.as_deref().ok_or_else(|| Error::invalid("userName", "is required, or an email"))?;
    let mut record = SourceRecord {
        external_id: None,
        user_name: parse_user_name(name)?,
        active: Some(true),
        attributes: Attributes::default(),
    };
    wish.apply(&mut record)?;
    if let Some(role) = &role
        && api.services.access.roles().find(role).is_none()
    {
        return Err(Error::invalid("role", format!("`{role}` does not exist")));
    }
    let groups = api.access_groups(&caller, &groups).await?;
    if let Some(password) = &wish.password {
        api.permit(&caller, "passwords:update", None).await?;
        api.check_password(name, &record, password)?;
    }
    if let Some(role) = &role {
        // Asked of somebody who does not exist yet: the answer depends on the role and the giver only.
        let grant = NewGrant::new(Subject::User(UserId::from_bytes([0; 16])), role.clone());
        api.services.access.permit_grant(&caller.actor, &grant, caller.circumstance.clone()).await?;
    }
    let user = api.services.directory.create_user(&permit, &record).await?;
    api.join(&caller, &user, &groups).await?;
    if let Some(role) = role {
        let grant = NewGrant::new(Subject::User(user.id), role);
        let permit = api.services.access.permit_grant(&caller.actor, &grant, caller.circumstance.clone()).await?;
        api.services.access.grants().create(&permit, &api.services.access.roles(), grant).await?;
    }
    if let Some(password) = &wish.password {
        api.services.credentials.set(&permit, &user, password, wish.must_change_password).await?;
    }
    let mut response = render::versioned(StatusCode::CREATED, &render::user(&user), user.revision);
    if let Ok(location) = format!("/api/v1/users/{}", user.id).parse() {
        response.headers_mut().insert(http::header::LOCATION, location);
    }
    Ok(response)
}

/// `PATCH /users/{id or name}`: members that are given replace, others stay. A password ends the user's sessions.
pub(super) async fn change(
    State(api): State<Api>,
    caller: Caller,
    Path(user): Path<String>,
    headers: HeaderMap,
    mut fields: Fields,
) -> Result<Response, Error> {
    let revision = render::if_match(&headers)?;
    let wish = Wish::take(&mut fields)?;
    fields.end()?;
    let mut permit = api.permit(&caller, "users:update", None).await?;
    let mut user = api.user(&user).await?;
    if wish.renames() || wish.active.is_some() || wish.password.is_some() {
        api.check_rank(&caller, user.id).await?;
    }
    if let Some(password) = &wish.password {
        permit = api.permit(&caller, "passwords:update", None).await?;
        let mut record = record_of(&user);
        wish.apply(&mut record)?;
        api.check_password(record.user_name.as_str(), &record, password)?;
    }
    if wish.edits() || revision.is_some() {
        let edit = |_: &User, record: &mut SourceRecord| wish.apply(record);
        user = api.services.directory.change_user(&permit, user.id, revision, edit).await?;
    }
    if let Some(password) = &wish.password {
        api.reset_password(&permit, &user, password, wish.must_change_password).await?;
    }
    Ok(render::versioned(StatusCode::OK, &render::user(&user), user.revision))
}

fn record_of(user: &User) -> SourceRecord {
    SourceRecord {
        external_id: None,
        user_name: user.user_name.clone(),
        active: None,
        attributes: user.attributes.clone(),
    }
}

impl Api {
    /// The groups of a user, nested ones included, by name.
    pub(super) async fn groups_of(&self, user: UserId) -> Result<Vec<Group>, Error> {
        let paths = self.services.directory.group_paths(user).await?;
        let ids: Vec<_> = paths.iter().filter_map(|path| path.last().copied()).collect();
        let mut groups = self.services.directory.groups_by_id(&ids).await?;
        groups.sort_by(|a, b| a.name.as_str().cmp(b.name.as_str()));
        groups.dedup_by(|a, b| a.id == b.id);
        Ok(groups)
    }

    async fn access_groups(&self, caller: &Caller, names: &[String]) -> Result<Vec<Group>, Error> {
        if !names.is_empty() {
            self.permit(caller, "groups:update", None).await?;
        }
        let mut groups = Vec::new();
        for name in names {
            let group = self.group(name).await.map_err(|error| match error {
                Error::NotFound { .. } => {
                    Error::invalid("access_groups", format!("has `{name}`, which does not exist"))
                }
                Error::Ambiguous { .. } => {
                    Error::invalid("access_groups", format!("has `{name}`, a name of several groups; use the id"))
                }
                other => other,
            })?;
            self.check_group(caller, &group).await?;
            groups.push(group);
        }
        Ok(groups)
    }

    /// Membership gives what the group holds.
    async fn check_group(&self, caller: &Caller, group: &Group) -> Result<(), Error> {
        for grant in self.services.access.grants().list(Subject::Group(group.id)).await? {
            let mut given = NewGrant::new(grant.subject, grant.role);
            given.scope = grant.scope;
            self.services.access.permit_grant(&caller.actor, &given, caller.circumstance.clone()).await?;
        }
        Ok(())
    }

    async fn join(&self, caller: &Caller, user: &User, groups: &[Group]) -> Result<(), Error> {
        if groups.is_empty() {
            return Ok(());
        }
        let permit = self.permit(caller, "groups:update", None).await?;
        for group in groups {
            let add = |_: &Group, draft: &mut crate::directory::GroupDraft| {
                draft.members.add(Member::User(user.id));
                Ok::<(), Error>(())
            };
            self.services.directory.change_group(&permit, group.id, None, add).await?;
        }
        Ok(())
    }

    fn check_password(&self, name: &str, record: &SourceRecord, password: &Secret) -> Result<(), Error> {
        let email = record.attributes.0.get("emails").and_then(|emails| emails.get(0)?.get("value")?.as_str());
        let shown = record.attributes.0.get("displayName").and_then(Value::as_str);
        let context: Vec<&str> = [Some(name), email, shown].into_iter().flatten().collect();
        let unmet = self.services.credentials.policy().check(password, &context);
        if unmet.is_empty() { Ok(()) } else { Err(crate::credential::Error::Invalid { unmet }.into()) }
    }

    /// Sets another password and ends every session of the user, in one change.
    async fn reset_password(
        &self,
        permit: &Permit,
        user: &User,
        password: &Secret,
        must_change: bool,
    ) -> Result<(), Error> {
        let services = &self.services;
        let prepared = &services.credentials.prepare_for(user, password, must_change).await?;
        services
            .ledger
            .retry(|mut change| async move {
                // Somebody who is deleted meanwhile gets no password.
                let user = &services.directory.user_in(&mut change, user.id).await?;
                let set = services.credentials.set_in(&mut change, permit, user, prepared)?;
                change.also(set);
                let ended = services.sessions.end_all(&mut change, user.id).await?;
                let event = permit.event(services.clock.now(), EventKind::SessionEnded);
                let event = event.on("user", user.id, &user.user_name).detail("reason", "password set");
                change.commit(event.detail("sessions", ended)).await?;
                Ok::<_, Error>(())
            })
            .await
    }
}
