//! `/users/{user}/devices`: the browsers that an account knows, and to forget them.

use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};

use super::admit::Caller;
use super::{Api, Error, render};

/// `GET /users/{user}/devices`: tries from these are counted apart from strangers'.
pub(super) async fn list(State(api): State<Api>, caller: Caller, Path(user): Path<String>) -> Result<Response, Error> {
    api.permit(&caller, "sessions:read", None).await?;
    let user = api.user(&caller, &user).await?;
    let devices = api.services.lockout.devices(user.id).await?;
    let items: Vec<Value> = devices
        .iter()
        .map(|device| {
            json!({
                "id": device.id.to_string(),
                "user_agent": device.user_agent,
                "since": device.since.to_string(),
                "last_used": device.last_used.to_string(),
            })
        })
        .collect();
    Ok(render::answer(StatusCode::OK, &json!({"user": render::brief(&user), "devices": items})))
}

/// `DELETE /users/{user}/devices`: forgets all of them; tries from them count with everybody's again.
pub(super) async fn forget(
    State(api): State<Api>,
    caller: Caller,
    Path(user): Path<String>,
) -> Result<Response, Error> {
    let permit = api.permit(&caller, "sessions:delete", None).await?;
    let user = api.user(&caller, &user).await?;
    let forgotten = api.services.lockout.forget_devices_of(&permit, user.id, &user.user_name).await?;
    Ok(render::answer(StatusCode::OK, &json!({"user": render::brief(&user), "forgotten": forgotten})))
}
