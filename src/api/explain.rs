//! `/explain` and `/users/{id}/permissions`: the decision that is enforced, told.

use std::net::IpAddr;

use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};

use super::admit::Caller;
use super::fields::Params;
use super::{Api, Error, render};
use crate::access::Question;
use crate::clock::Timestamp;
use crate::model::{Permission, Scope, User};

impl Api {
    /// The user of this id or name. People may ask about themselves; about others, who has `permission`, and nobody else
    /// learns whether there is such a user.
    async fn user_asked_about(&self, caller: &Caller, user: &str, permission: &str) -> Result<User, Error> {
        let found = self.user(user).await;
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
    // No rule of this release looks at addresses: the answer is the same from everywhere.
    let ip: Option<IpAddr> = params.parsed("ip")?;
    params.end()?;
    let user = api.user_asked_about(&caller, &user, "decisions:read").await?;
    let question = Question::new(&permission).within(scope.as_ref());
    let explanation = api.services.access.explain(user.id, &question, at).await?;
    let mut body = json!(explanation);
    if let Some(members) = body.as_object_mut() {
        members.insert("user".to_owned(), render::brief(&user));
        members.extend(ip.map(|ip| ("ip".to_owned(), Value::from(ip.to_string()))));
    }
    Ok(render::answer(StatusCode::OK, &body))
}

/// `GET /users/{id or name}/permissions`: for the organisation and each scope, with the reason of each.
pub(super) async fn permissions(
    State(api): State<Api>,
    caller: Caller,
    Path(user): Path<String>,
) -> Result<Response, Error> {
    let user = api.user_asked_about(&caller, &user, "users:read").await?;
    let levels = api.services.access.effective(user.id).await?;
    Ok(render::answer(StatusCode::OK, &json!({"user": render::brief(&user), "levels": levels})))
}
