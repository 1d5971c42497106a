//! `/groups`.

mod members;
mod ruled;

use std::time::Duration;

use axum::extract::{Path, State};
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use serde_json::Value;

use super::admit::Caller;
use super::fields::{Fields, Params};
use super::sight::Sight;
use super::{Api, Error, render};
use crate::access::{Overlay, Permit, Run};
use crate::directory::{self, GroupDraft, Member, MemberChange};
use crate::model::{Attributes, Grant, Group, GroupId, GroupName, Subject};
pub(super) use members::{add, list as list_members, remove};
use ruled::{RuleWish, Ruled};

/// Groups read at a time where not all of them are seen, and most that one page reads.
const CHUNK: usize = 500;
const MAX_READ: usize = 50_000;

/// `GET /groups?scope=&limit=&cursor=`. To who is limited to companies a page may hold fewer than asked although there are more.
pub(super) async fn list(State(api): State<Api>, caller: Caller, mut params: Params) -> Result<Response, Error> {
    if params.has("scope") {
        return api.groups_within(&caller, params).await;
    }
    let page = api.page::<GroupId>(&caller, "groups", &mut params)?;
    params.end()?;
    api.permit(&caller, "groups:read", None).await?;
    let sight = api.sight(&caller).await?;
    let (mut items, mut after, mut read) = (Vec::new(), page.after, 0);
    loop {
        let wanted = if sight.is_limited() { CHUNK } else { page.limit };
        let groups = api.services.directory.list_groups(after, wanted).await?;
        let is_last = groups.len() < wanted;
        read += groups.len();
        for group in &groups {
            after = Some(group.id);
            if sight.sees_group(group) {
                items.push(api.told(&sight, group).await?);
            }
            if items.len() == page.limit {
                return Ok(render::page(items, api.next(&caller, "groups", after)?));
            }
        }
        if is_last || read >= MAX_READ {
            return Ok(render::page(items, api.next(&caller, "groups", after.filter(|_| !is_last))?));
        }
    }
}

/// `GET /groups/{id, name or slug}`.
pub(super) async fn show(State(api): State<Api>, caller: Caller, Path(group): Path<String>) -> Result<Response, Error> {
    api.permit(&caller, "groups:read", None).await?;
    let group = api.group(&caller, &group).await?;
    api.shown(&caller, &group, StatusCode::OK).await
}

/// `POST /groups`: `name`, `users` and `groups` to be in it, `companies`; or a `rule` that says who is in it. With `dry_run` it
/// is only tried.
pub(super) async fn create(State(api): State<Api>, caller: Caller, mut fields: Fields) -> Result<Response, Error> {
    let name = fields.text("name")?;
    let (users, groups) = (fields.list("users")?, fields.list("groups")?);
    let companies = fields.optional_list("companies")?;
    let wish = RuleWish::take(&mut fields)?;
    fields.end()?;
    let permit = api.permit(&caller, "groups:create", None).await?;
    let rule = wish.rule();
    if rule.is_some() && !(users.is_empty() && groups.is_empty()) {
        return Err(Error::invalid("rule", "says who is in the group: `users` and `groups` cannot be given with it"));
    }
    let companies = api.sight(&caller).await?.named(companies.as_deref(), None)?;
    let name = parse_name(&name.ok_or_else(|| Error::invalid("name", "is required"))?)?;
    let mut members = MemberChange::default();
    let group = Overlay::no_group();
    let mut overlay = Overlay { named: vec![(Subject::Group(group), name.folded())], ..Overlay::default() };
    for member in api.members_named(&caller, &users, &groups).await? {
        overlay.joined.push((member.into(), group));
        members.add(member);
    }
    if let Some(rule) = rule {
        let preview = api.previewed(&caller, None, rule).await?;
        if wish.is_dry {
            return api.told_preview(&caller, rule, &preview).await;
        }
    }
    let permit = api.weigh(permit, &overlay, false).await?;
    let draft = GroupDraft { name, external_id: None, attributes: Attributes::default(), members };
    if wish.is_dry {
        let mut change = api.services.ledger.change();
        let made = api.services.directory.create_group_in(&mut change, &permit, &draft, &companies, rule).await;
        let (group, _) = made.map_err(of_name)?;
        let mut body = api.told(&api.sight(&caller).await?, &group).await?;
        if let Some(members) = body.as_object_mut() {
            members.insert("members".to_owned(), overlay.joined.len().into());
        }
        return Ok(render::answer(StatusCode::OK, &body));
    }
    let made = api.services.directory.create_group_by(&permit, &draft, &companies, rule).await;
    drop(permit);
    let group = made.map_err(of_name)?;
    let status = if rule.is_some() { api.filled(&group, StatusCode::CREATED).await? } else { StatusCode::CREATED };
    let mut response = api.shown(&caller, &group, status).await?;
    if let Ok(location) = format!("/api/v1/groups/{}", group.id).parse() {
        response.headers_mut().insert(http::header::LOCATION, location);
    }
    Ok(response)
}

/// `PATCH /groups/{group}`: `name`, `rule` (null for none), and `companies` of any group, whoever keeps it; `dry_run`.
pub(super) async fn change(
    State(api): State<Api>,
    caller: Caller,
    Path(group): Path<String>,
    headers: HeaderMap,
    mut fields: Fields,
) -> Result<Response, Error> {
    let mut revision = render::if_match(&headers)?;
    let name = fields.text("name")?.map(|name| parse_name(&name)).transpose()?;
    let companies = fields.optional_list("companies")?;
    let wish = RuleWish::take(&mut fields)?;
    fields.end()?;
    if wish.is_dry && !wish.is_named && name.is_none() && companies.is_none() {
        return Err(Error::invalid("dry_run", "tries nothing: there is no `name`, `rule` or `companies`"));
    }
    let mut permit = api.permit(&caller, "groups:update", None).await?;
    let mut group = api.group(&caller, &group).await?;
    if wish.is_named {
        check_owner(&group, &permit)?;
        match api.change_rule(&caller, &permit, group, revision, &wish).await? {
            Ruled::Told(response) => return Ok(response),
            Ruled::Changed(changed) => group = *changed,
        }
        revision = revision.map(|_| group.revision);
    }
    let companies = match companies {
        Some(companies) => Some(api.sight(&caller).await?.named(Some(&companies), Some(group.companies()))?),
        None => None,
    };
    // What was read is what is replaced: a company that somebody adds meanwhile is not taken away.
    let mut revision = revision.or(companies.is_some().then_some(group.revision));
    if let Some(name) = name.as_ref().filter(|name| **name != group.name) {
        // People are put into groups by name: a name is not moved to a group that holds more than the caller may give.
        api.check_group(&caller, &group).await?;
        let named = vec![(Subject::Group(group.id), name.folded())];
        permit = api.weigh(permit, &Overlay { named, ..Overlay::default() }, false).await?;
    }
    if wish.is_dry {
        if name.is_some() {
            let tried = api.services.directory.try_group(&permit, group.id, revision, name.as_ref()).await;
            group = tried.map_err(|error| owned(error, &group))?;
        }
        group.companies = companies.or(group.companies);
        return Ok(render::answer(StatusCode::OK, &api.told(&api.sight(&caller).await?, &group).await?));
    }
    if name.is_some() || companies.is_none() {
        let edit = |_: &Group, draft: &mut GroupDraft| {
            draft.name = name.clone().unwrap_or_else(|| draft.name.clone());
            Ok::<(), directory::Error>(())
        };
        let changed = api.services.directory.change_group(&permit, group.id, revision, edit).await;
        group = changed.map_err(|error| owned(error, &group))?;
        revision = revision.map(|_| group.revision);
    }
    if let Some(companies) = companies {
        group = api.services.directory.place_group(&permit, group.id, revision, &companies).await?;
    }
    drop(permit);
    let status = if wish.is_named { api.filled(&group, StatusCode::OK).await? } else { StatusCode::OK };
    api.shown(&caller, &group, status).await
}

/// `DELETE /groups/{group}?force=&dry_run=`: refused while the group holds roles, unless `force=true`.
pub(super) async fn delete(
    State(api): State<Api>,
    caller: Caller,
    Path(group): Path<String>,
    headers: HeaderMap,
    mut params: Params,
) -> Result<Response, Error> {
    let revision = render::if_match(&headers)?;
    let is_forced = params.parsed::<bool>("force")?.unwrap_or(false);
    let run = params.run()?;
    let permit = api.permit(&caller, "groups:delete", None).await?;
    let group = api.group(&caller, &group).await?;
    check_owner(&group, &permit)?;
    let grants = api.grants_through(&group).await?;
    for grant in &grants {
        // Who is in the group loses what the groups above it hold, too.
        let grant = Grant { subject: Subject::Group(group.id), ..grant.clone() };
        api.check_ending(&caller, &grant).await?;
    }
    api.check_own_group(&caller, &group, &grants).await?;
    let own = grants.iter().filter(|grant| grant.subject == Subject::Group(group.id)).count();
    if own > 0 && !is_forced {
        let detail = format!("`{}` holds {own} grants; end them first, or delete it with force=true", group.name);
        return Err(Error::Conflict { field: None, detail });
    }
    let body = api.told(&api.sight(&caller).await?, &group).await?;
    let overlay = Overlay { gone: vec![group.id], ..Overlay::default() };
    let permit = api.weigh(permit, &overlay, is_forced).await?;
    let directory = &api.services.directory;
    let deleted = match run {
        Run::Commit => directory.delete_group(&permit, group.id, revision).await,
        Run::DryRun => directory.try_group(&permit, group.id, revision, None).await.map(drop),
    };
    deleted.map_err(|error| owned(error, &group))?;
    Ok(render::answer(StatusCode::OK, &body))
}

impl Api {
    async fn shown(&self, caller: &Caller, group: &Group, status: StatusCode) -> Result<Response, Error> {
        let body = self.told(&self.sight(caller).await?, group).await?;
        Ok(render::versioned(status, &body, group.revision))
    }

    /// A group as it is shown to who sees this much.
    pub(super) async fn told(&self, sight: &Sight, group: &Group) -> Result<Value, Error> {
        let members = self.services.directory.count_members(group.id).await?;
        let mut body = render::group(group, members);
        if sight.is_limited()
            && let Some(shown) = body.as_object_mut()
        {
            // How many are in it whom the caller does not see is not told either.
            shown.insert("members".to_owned(), Value::Null);
        }
        if group.rule.is_some()
            && let Some(members) = body.as_object_mut()
        {
            let is_filled = self.services.directory.is_filled(group.id, Duration::ZERO).await?;
            members.insert("filling".to_owned(), (!is_filled).into());
        }
        Ok(sight.trimmed(body, group.companies()))
    }

    /// The members that a body names.
    async fn members_named(&self, caller: &Caller, users: &[String], groups: &[String]) -> Result<Vec<Member>, Error> {
        let users = self.named_users(caller, "users", users).await?;
        let groups = self.named_groups(caller, "groups", groups).await?;
        let users = users.iter().map(|user| Member::User(user.id));
        Ok(users.chain(groups.iter().map(|group| Member::Group(group.id))).collect())
    }
}

fn parse_name(text: &str) -> Result<GroupName, Error> {
    text.parse().map_err(|error| Error::invalid("name", error))
}

/// What a source owns is refused before it is told what would be lost by it.
fn check_owner(group: &Group, permit: &Permit) -> Result<(), Error> {
    match (&group.owner, permit.source()) {
        (Some(owner), None) => Err(owned(directory::Error::Owned { owner: Some(owner.clone()) }, group)),
        _ => Ok(()),
    }
}

/// Nobody puts members by hand into a group whose members follow from a rule, or takes them out.
fn check_unruled(group: &Group) -> Result<(), Error> {
    match &group.rule {
        Some(rule) => Err(owned(directory::Error::Ruled { rule: rule.clone() }, group)),
        None => Ok(()),
    }
}

/// A failure of the directory, with the group's name and in the words of this surface.
fn owned(error: directory::Error, group: &Group) -> Error {
    match error {
        directory::Error::Owned { owner } => {
            let owner = owner.as_ref().map_or("the organization itself", |owner| owner.as_str());
            let detail = format!("`{}` is kept by {owner}; change it there", group.name);
            Error::Conflict { field: None, detail }
        }
        directory::Error::Ruled { rule } => {
            let detail = format!("who is in `{}` follows from its rule: {rule}", group.name);
            Error::Conflict { field: None, detail }
        }
        other => of_name(other),
    }
}

fn of_name(error: directory::Error) -> Error {
    match error {
        directory::Error::Conflict { field, value } if field == "displayName" => {
            Error::Conflict { field: Some("name".to_owned()), detail: format!("there is a group `{value}` already") }
        }
        other => other.into(),
    }
}
