//! `/groups/{group}/members`.

use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};

use super::{check_owner, check_unruled, owned};
use crate::access::Overlay;
use crate::api::admit::Caller;
use crate::api::fields::{Fields, Params};
use crate::api::{Api, Error, render};
use crate::directory::{self, GroupDraft, Member};
use crate::model::{Group, GroupId, Membership, User, UserId};

/// Most members that one request adds or removes.
const MAX_MOVED: usize = 1_000;

/// `GET /groups/{group}/members?limit=&cursor=`: direct members, groups first.
pub(in crate::api) async fn list(
    State(api): State<Api>,
    caller: Caller,
    Path(group): Path<String>,
    mut params: Params,
) -> Result<Response, Error> {
    api.permit(&caller, "groups:read", None).await?;
    let group = api.group(&caller, &group).await?;
    let list = &format!("members of {}", group.id);
    let page = api.page::<Member>(&caller, list, &mut params)?;
    params.end()?;
    let directory = &api.services.directory;
    let rows = directory.member_page(group.id, page.after, page.limit).await?;
    let next = rows.last().filter(|_| rows.len() == page.limit).map(|(member, _)| *member);
    let next = api.next(&caller, list, next)?;
    let ids: Vec<UserId> = rows.iter().filter_map(|(member, _)| user_of(*member)).collect();
    let users: Vec<User> = directory.users_by_id(&ids).await?;
    let ids: Vec<GroupId> = rows.iter().filter_map(|(member, _)| group_of(*member)).collect();
    let groups = directory.groups_by_id(&ids).await?;
    let sight = api.sight(&caller).await?;
    let users: Vec<User> = users.into_iter().filter(|user| sight.sees_user(user)).collect();
    let groups: Vec<Group> = groups.into_iter().filter(|group| sight.sees_group(group)).collect();
    let items = rows.iter().filter_map(|(member, row)| show(*member, row, &users, &groups)).collect();
    Ok(render::page(items, next))
}

fn user_of(member: Member) -> Option<UserId> {
    match member {
        Member::User(id) => Some(id),
        Member::Group(_) => None,
    }
}

fn group_of(member: Member) -> Option<GroupId> {
    match member {
        Member::Group(id) => Some(id),
        Member::User(_) => None,
    }
}

/// A member; one that is gone meanwhile is left out. `users` and `groups` are in the order of the rows.
fn show(member: Member, row: &Membership, users: &[User], groups: &[Group]) -> Option<Value> {
    let mut body = match member {
        Member::User(id) => {
            let user = users.iter().find(|user| user.id == id)?;
            let mut body = render::brief(user);
            let more = [("type", Value::from("user")), ("status", render::status(user.status).into())];
            more.into_iter().for_each(|(name, value)| set(&mut body, name, value));
            body
        }
        Member::Group(id) => {
            let group = groups.iter().find(|group| group.id == id)?;
            json!({"type": "group", "id": group.id.to_string(), "name": group.name.as_str()})
        }
    };
    set(&mut body, "since", row.since.to_string().into());
    set(&mut body, "source", row.source.as_ref().map(ToString::to_string).into());
    Some(body)
}

fn set(body: &mut Value, name: &str, value: Value) {
    if let Some(members) = body.as_object_mut() {
        members.insert(name.to_owned(), value);
    }
}

/// What a request is about.
struct Asked {
    members: Vec<Member>,
    is_dry: bool,
}

impl Asked {
    async fn take(api: &Api, caller: &Caller, mut fields: Fields) -> Result<Self, Error> {
        let (users, groups) = (fields.list("users")?, fields.list("groups")?);
        let is_dry = fields.flag("dry_run")?.unwrap_or(false);
        fields.end()?;
        if users.is_empty() && groups.is_empty() {
            return Err(Error::invalid("users", "or `groups` must name somebody"));
        }
        if users.len().saturating_add(groups.len()) > MAX_MOVED {
            return Err(Error::invalid("users", format!("and `groups` may name at most {MAX_MOVED} together")));
        }
        Ok(Self { members: api.members_named(caller, &users, &groups).await?, is_dry })
    }
}

/// `POST /groups/{group}/members`: `users`, `groups`, `dry_run`.
pub(in crate::api) async fn add(
    State(api): State<Api>,
    caller: Caller,
    Path(group): Path<String>,
    fields: Fields,
) -> Result<Response, Error> {
    let permit = api.permit(&caller, "groups:update", None).await?;
    let group = api.group(&caller, &group).await?;
    check_owner(&group, &permit)?;
    check_unruled(&group)?;
    let asked = Asked::take(&api, &caller, fields).await?;
    let absent = api.split(&group, &asked.members, false).await?;
    for member in &absent {
        api.check_entering(&caller, &group, *member).await?;
    }
    let joined = absent.iter().map(|member| ((*member).into(), group.id)).collect();
    let permit = api.weigh(permit, &Overlay { joined, ..Overlay::default() }, false).await?;
    if !asked.is_dry {
        let edit = |_: &Group, draft: &mut GroupDraft| {
            absent.iter().for_each(|member| draft.members.add(*member));
            Ok::<(), directory::Error>(())
        };
        let changed = api.services.directory.change_group(&permit, group.id, None, edit).await;
        changed.map_err(|error| owned(error, &group))?;
    }
    api.moved("added", &group, &absent, &asked).await
}

/// `DELETE /groups/{group}/members?user=` or `?group=`, or with `users` and `groups` in the body.
pub(in crate::api) async fn remove(
    State(api): State<Api>,
    caller: Caller,
    Path(group): Path<String>,
    mut params: Params,
    mut fields: Fields,
) -> Result<Response, Error> {
    for (parameter, list) in [("user", "users"), ("group", "groups")] {
        if let Some(name) = params.take(parameter)? {
            fields.push(list, name)?;
        }
    }
    if let Some(is_dry) = params.parsed::<bool>("dry_run")? {
        fields.set("dry_run", is_dry.into());
    }
    let is_forced = params.parsed::<bool>("force")?.unwrap_or(false);
    params.end()?;
    let permit = api.permit(&caller, "groups:update", None).await?;
    let group = api.group(&caller, &group).await?;
    check_owner(&group, &permit)?;
    check_unruled(&group)?;
    let asked = Asked::take(&api, &caller, fields).await?;
    let present = api.split(&group, &asked.members, true).await?;
    for member in &present {
        api.check_leaving(&caller, &group, *member).await?;
    }
    if !asked.is_dry {
        // One after the other, so that each is looked at with those before gone.
        for member in &present {
            let left = vec![((*member).into(), group.id)];
            let permit = api.weigh(permit.clone(), &Overlay { left, ..Overlay::default() }, is_forced).await?;
            let edit = |_: &Group, draft: &mut GroupDraft| {
                draft.members.remove(*member);
                Ok::<(), directory::Error>(())
            };
            let changed = api.services.directory.change_group(&permit, group.id, None, edit).await;
            changed.map_err(|error| owned(error, &group))?;
        }
    }
    api.moved("removed", &group, &present, &asked).await
}

impl Api {
    /// Those of the members who are in the group, or who are not.
    async fn split(&self, group: &Group, members: &[Member], is_in: bool) -> Result<Vec<Member>, Error> {
        let mut found = Vec::new();
        for member in members {
            if self.services.directory.find_membership(group.id, *member).await?.is_some() == is_in {
                found.push(*member);
            }
        }
        Ok(found)
    }

    async fn moved(&self, word: &str, group: &Group, moved: &[Member], asked: &Asked) -> Result<Response, Error> {
        let ids: Vec<String> = moved.iter().map(ToString::to_string).collect();
        let members = self.services.directory.count_members(group.id).await?;
        let body = json!({
            "group": {"id": group.id.to_string(), "name": group.name.as_str(), "members": members},
            word: ids,
            "unchanged": asked.members.len().saturating_sub(moved.len()),
            "dry_run": asked.is_dry,
        });
        Ok(render::answer(StatusCode::OK, &body))
    }
}
