//! `/locks`: accounts with wrong passwords or wrong second factors.

use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use serde_json::json;

use super::admit::Caller;
use super::fields::Params;
use super::protect::is_oneself;
use super::{Api, Error, render};
use crate::lockout::Locks;
use crate::model::{User, UserId};

/// `GET /locks?limit=&cursor=`.
pub(super) async fn list(State(api): State<Api>, caller: Caller, mut params: Params) -> Result<Response, Error> {
    let page = api.page::<UserId>(&caller, "locks", &mut params)?;
    params.end()?;
    api.permit(&caller, "locks:read", None).await?;
    let locks = api.services.lockout.list(page.after, page.limit).await?;
    let next = locks.last().filter(|_| locks.len() == page.limit).map(|(id, _)| *id);
    let next = api.next(&caller, "locks", next)?;
    let ids: Vec<UserId> = locks.iter().map(|(id, _)| *id).collect();
    let users: Vec<User> = api.services.directory.users_by_id(&ids).await?;
    let sight = api.sight(&caller).await?;
    let is_seen = |(id, _): &&(UserId, Locks)| {
        users.iter().find(|user| user.id == *id).map_or(!sight.is_limited(), |user| sight.sees_user(user))
    };
    let show = |(id, locks): &(UserId, Locks)| {
        let user = users.iter().find(|user| user.id == *id);
        let last = locks.password.into_iter().chain(locks.factor).chain(locks.device).map(|state| state.last).max();
        json!({
            "user": user.map_or_else(|| json!({"id": id.to_string()}), render::brief),
            "failures": locks.password.map_or(0, |state| state.failures),
            "locked_until": render::time(locks.password.and_then(|state| state.locked_until)),
            "factor_failures": locks.factor.map_or(0, |state| state.failures),
            "factor_locked_until": render::time(locks.factor.and_then(|state| state.locked_until)),
            "device_failures": locks.device.map_or(0, |state| state.failures),
            "device_locked_until": render::time(locks.device.and_then(|state| state.locked_until)),
            "last": render::time(last),
        })
    };
    Ok(render::page(locks.iter().filter(is_seen).map(show).collect(), next))
}

/// `DELETE /locks/{user}`: unlocks and forgets. An account that is not locked is no error.
pub(super) async fn clear(State(api): State<Api>, caller: Caller, Path(user): Path<String>) -> Result<Response, Error> {
    let permit = api.permit(&caller, "locks:delete", None).await?;
    let user = api.user(&caller, &user).await?;
    if is_oneself(&caller, user.id) {
        let detail = "your own count of wrong passwords and codes is for somebody else to forget".to_owned();
        return Err(Error::Forbidden { detail });
    }
    // Who unlocks again and again lets somebody guess.
    api.check_rank(&caller, user.id).await?;
    let cleared = api.services.lockout.clear(&permit, user.id, &user.user_name).await?;
    Ok(render::answer(StatusCode::OK, &json!({"user": render::brief(&user), "cleared": cleared})))
}
