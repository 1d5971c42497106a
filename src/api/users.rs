//! `/users`.

mod bulk;
mod change;
mod create;
mod delete;
mod profile;
mod rows;

use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use serde_json::{Map, Value};

use super::admit::Caller;
use super::fields::Params;
use super::{Api, Error, render};
use crate::filter::{Filter, NoSchema};
use crate::model::{Group, Subject, User, UserId};
pub use bulk::MAX_ROWS;
pub(super) use bulk::{MAX_BODY_BYTES, bulk};
pub(super) use change::change;
pub(super) use create::create;
pub(super) use delete::delete;
pub use rows::{Row, parse};

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
    let lock = api.services.lockout.find(user.id).await?;
    let password = api.services.credentials.find(user.id).await?;
    let mut body = api.rendered(&user).await?;
    body.insert("locked_until".to_owned(), render::time(lock.and_then(|lock| lock.locked_until)));
    body.insert("has_password".to_owned(), password.is_some().into());
    body.insert("must_change_password".to_owned(), password.is_some_and(|p| p.must_change).into());
    Ok(render::versioned(StatusCode::OK, &Value::Object(body), user.revision))
}

impl Api {
    /// A user with roles and groups by name, as answers about one user show it.
    async fn rendered(&self, user: &User) -> Result<Map<String, Value>, Error> {
        let groups = self.groups_of(user.id).await?;
        let grants = self.services.access.grants().list(Subject::User(user.id)).await?;
        let mut roles: Vec<String> = grants.iter().map(|grant| grant.role.to_string()).collect();
        roles.dedup();
        let mut body = render::user(user).as_object().cloned().unwrap_or_default();
        body.insert("groups".to_owned(), groups.iter().map(|group| group.name.as_str()).collect());
        body.insert("roles".to_owned(), roles.into());
        Ok(body)
    }

    /// The groups of a user, nested ones included, by name.
    pub(super) async fn groups_of(&self, user: UserId) -> Result<Vec<Group>, Error> {
        let paths = self.services.directory.group_paths(user).await?;
        let ids: Vec<_> = paths.iter().filter_map(|path| path.last().copied()).collect();
        let mut groups = self.services.directory.groups_by_id(&ids).await?;
        groups.sort_by(|a, b| a.name.as_str().cmp(b.name.as_str()));
        groups.dedup_by(|a, b| a.id == b.id);
        Ok(groups)
    }
}
