//! `/status` and `/reload`.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde_json::json;

use super::admit::Caller;
use super::{Api, Error, render};
use crate::audit::EventKind;

/// `GET /status`.
pub(super) async fn status(State(api): State<Api>, caller: Caller) -> Result<Response, Error> {
    api.permit(&caller, "configuration:read", None).await?;
    let services = &api.services;
    let health = services.ledger.store().engine().health();
    let body = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "public_url": services.public_url,
        "time": services.clock.now().to_string(),
        "users": services.directory.count_users().await?,
        "groups": services.directory.count_groups().await?,
        "store": if health.writable { "ready" } else { "read-only" },
        "store_reason": health.reason,
        "tasks": services.tasks.count(),
        "sources": services.syncs.keys().map(ToString::to_string).collect::<Vec<_>>(),
        "connections": services.connections.iter().map(ToString::to_string).collect::<Vec<_>>(),
    });
    Ok(render::answer(StatusCode::OK, &body))
}

/// `POST /reload`: the new configuration is in force, or the old one stays.
pub(super) async fn reload(State(api): State<Api>, caller: Caller) -> Result<Response, Error> {
    let permit = api.permit(&caller, "configuration:reload", None).await?;
    let warnings = api.services.control.reload().await.map_err(|problems| Error::Configuration { problems })?;
    let event = permit.event(api.services.clock.now(), EventKind::ConfigurationReloaded);
    api.services.ledger.record(event).await?;
    Ok(render::answer(StatusCode::OK, &json!({"reloaded": true, "warnings": warnings})))
}
