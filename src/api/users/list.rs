//! `GET /users`: by index where the filter allows it, else by a walk that has a limit.

use axum::extract::State;
use axum::response::Response;
use serde_json::{Map, Value, json};

use crate::api::admit::Caller;
use crate::api::fields::Params;
use crate::api::{Api, Error, render};
use crate::directory::{Member, UserIndex};
use crate::filter::{AttributePath, Filter, NoSchema, equalities};
use crate::model::{Group, SourceId, User, UserId};

/// Most accounts that one filtered page reads.
const MAX_READ: usize = 50_000;
/// Accounts read at a time.
const CHUNK: usize = 500;

/// What a search begins with.
struct Lookup {
    index: UserIndex,
    value: String,
    source: Option<SourceId>,
}

/// `GET /users?filter=&limit=&cursor=`. A page with a filter may hold fewer than asked although there are more.
pub(in crate::api) async fn list(
    State(api): State<Api>,
    caller: Caller,
    mut params: Params,
) -> Result<Response, Error> {
    let filter: Option<Filter> = params.parsed("filter")?;
    let page = params.page::<UserId>()?;
    params.end()?;
    api.permit(&caller, "users:read", None).await?;
    let lookup = match &filter {
        Some(filter) => api.lookup(filter).await?,
        None => None,
    };
    let with_groups = filter.as_ref().is_some_and(looks_at_groups);
    let (mut items, mut after, mut read) = (Vec::new(), page.after, 0);
    loop {
        let wanted = if filter.is_some() { CHUNK } else { page.limit };
        let users = api.found(lookup.as_ref(), after, wanted).await?;
        let is_last = users.len() < wanted;
        read += users.len();
        for user in users {
            after = Some(user.id);
            let is_shown = match &filter {
                Some(filter) => {
                    let groups = if with_groups { api.direct_groups(user.id).await? } else { Vec::new() };
                    filter.matches(&picture(&user, &groups), &NoSchema)
                }
                None => true,
            };
            if is_shown {
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

fn looks_at_groups(filter: &Filter) -> bool {
    let mut found = false;
    let looked = filter.visit(&mut |path, _| {
        found |= is_of_groups(path);
        Ok::<(), ()>(())
    });
    found && looked.is_ok()
}

fn is_of_groups(path: &AttributePath) -> bool {
    ["groups", "groups.value", "groups.display"].iter().any(|name| path.is(name))
}

/// Filters look at attributes by their RFC 7643 names, and at what this surface shows of a user besides.
fn picture(user: &User, groups: &[Group]) -> Map<String, Value> {
    let mut object = user.attributes.0.clone();
    if let Value::Object(shown) = render::user(user) {
        object.extend(shown.into_iter().filter(|(_, value)| !value.is_null()));
    }
    if let Some(id) = user.owner.as_ref().and_then(|owner| user.external_id(owner)) {
        object.insert("externalId".to_owned(), id.into());
    }
    if !groups.is_empty() {
        let shown = groups.iter().map(|group| json!({"value": group.id.to_string(), "display": group.name.as_str()}));
        object.insert("groups".to_owned(), shown.collect());
    }
    object
}

impl Api {
    /// The index with which a search by this filter begins, the most selective of those that it allows.
    async fn lookup(&self, filter: &Filter) -> Result<Option<Lookup>, Error> {
        let equalities = equalities(filter);
        let source = equalities.iter().find(|(path, _)| path.is("source")).and_then(|(_, value)| value.as_str());
        let source: Option<SourceId> = source.and_then(|source| source.parse().ok());
        let index = |path: &AttributePath| {
            const NAMES: [(&str, UserIndex); 8] = [
                ("id", UserIndex::Id),
                ("userName", UserIndex::UserName),
                ("externalId", UserIndex::ExternalId),
                ("email", UserIndex::Email),
                ("emails", UserIndex::Email),
                ("emails.value", UserIndex::Email),
                ("supervisor", UserIndex::Supervisor),
                ("groups", UserIndex::Membership),
            ];
            let named = NAMES.iter().find(|(name, _)| path.is(name)).map(|(_, index)| *index);
            named.or_else(|| is_of_groups(path).then_some(UserIndex::Membership))
        };
        let known = equalities.iter().filter_map(|(path, value)| Some((path, index(path)?, value.as_str()?)));
        // Without its source an external id is nobody's.
        let known = known.filter(|(_, index, _)| *index != UserIndex::ExternalId || source.is_some());
        let Some((path, index, value)) = known.min_by_key(|(_, index, _)| *index) else { return Ok(None) };
        let mut value = value.to_owned();
        if index == UserIndex::Membership && path.is("groups.display") {
            value = match self.group(&value).await {
                Ok(group) => group.id.to_string(),
                Err(Error::NotFound { .. }) => value,
                // Several groups of the name: the walk sees all of them.
                Err(Error::Ambiguous { .. }) => return Ok(None),
                Err(error) => return Err(error),
            };
        }
        Ok(Some(Lookup { index, value, source }))
    }

    async fn found(&self, lookup: Option<&Lookup>, after: Option<UserId>, limit: usize) -> Result<Vec<User>, Error> {
        let directory = &self.services.directory;
        Ok(match lookup {
            Some(Lookup { index, value, source }) => {
                directory.users_of(*index, value, source.as_ref(), after, limit).await?
            }
            None => directory.list_users(after, limit).await?,
        })
    }

    async fn direct_groups(&self, user: UserId) -> Result<Vec<Group>, Error> {
        let ids = self.services.directory.group_ids_of(Member::User(user)).await?;
        Ok(self.services.directory.groups_by_id(&ids).await?)
    }
}
