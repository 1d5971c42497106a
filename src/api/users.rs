//! `/users`.

mod bulk;
mod change;
mod create;
mod delete;
mod group_record;
mod leave;
mod list;
mod picture;
mod profile;
mod rows;

use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use serde_json::{Map, Value};

use super::admit::Caller;
use super::{Api, Error, render};
use crate::model::{Group, User, UserId};
pub use bulk::MAX_ROWS;
pub(super) use bulk::{MAX_BODY_BYTES, bulk};
pub(super) use change::change;
pub(super) use create::{Wanted, create};
pub(super) use delete::delete;
pub(super) use leave::{act, holdings};
pub(super) use list::list;
pub(super) use profile::is_address;
pub use rows::{Row, parse};

/// `GET /users/{id or name}`: with groups, roles, lock and password standing.
pub(super) async fn show(State(api): State<Api>, caller: Caller, Path(user): Path<String>) -> Result<Response, Error> {
    api.permit(&caller, "users:read", None).await?;
    let user = api.user(&caller, &user).await?;
    let lock = api.services.lockout.find(user.id).await?;
    let password = api.services.credentials.find(user.id).await?;
    let mut body = api.rendered(&caller, &user).await?;
    body.insert("locked_until".to_owned(), render::time(lock.and_then(|lock| lock.locked_until)));
    body.insert("has_password".to_owned(), password.is_some().into());
    body.insert("must_change_password".to_owned(), password.is_some_and(|p| p.must_change).into());
    let factors = &api.services.factors;
    let demands = factors.demands(user.id).await?;
    body.insert("has_factor".to_owned(), factors.enrolled(user.id).await?.is_any().into());
    body.insert("requires_factor".to_owned(), demands.factor.into());
    body.insert("requires_sso".to_owned(), demands.sso.into());
    let mut shown = [(user.id, Value::Object(body))];
    api.add_signed_in(&caller, &mut shown).await?;
    let [(_, body)] = shown;
    Ok(render::versioned(StatusCode::OK, &body, user.revision))
}

impl Api {
    /// A user with roles and groups by name, as answers about one user show it.
    async fn rendered(&self, caller: &Caller, user: &User) -> Result<Map<String, Value>, Error> {
        let sight = self.sight(caller).await?;
        let groups = self.groups_of(user.id).await?;
        let roles = self.direct_roles(&sight, user.id).await?;
        let mut body = sight.user(user).as_object().cloned().unwrap_or_default();
        let groups = groups.iter().filter(|group| sight.sees_group(group));
        body.insert("groups".to_owned(), groups.map(|group| group.name.as_str()).collect());
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
