//! `/status` and `/reload`.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};

use super::admit::Caller;
use super::{Api, Error, render};
use crate::audit::EventKind;
use crate::clock::Timestamp;
use crate::model::SourceId;
use crate::upstream::{CertificateUse, Health, WARNING};

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
        "providers": services.login.redirects().iter().filter_map(|(id, redirect)| {
            Some(provider(id, &redirect.health()?, services.clock.now()))
        }).collect::<Vec<_>>(),
        "connections": services.connections.iter().map(ToString::to_string).collect::<Vec<_>>(),
    });
    Ok(render::answer(StatusCode::OK, &body))
}

/// How the provider of a connector stands.
fn provider(id: &SourceId, health: &Health, now: Timestamp) -> Value {
    let certificate = |one: &CertificateUse| {
        json!({
            "use": one.usage,
            "fingerprint": one.fingerprint,
            "ends": one.expires.to_string(),
            "ends_soon": one.expires <= now.plus(WARNING),
        })
    };
    json!({
        "id": id.to_string(),
        "certificates": health.certificates.iter().map(certificate).collect::<Vec<_>>(),
        "read": health.read.map(|at| at.to_string()),
        "valid_until": health.valid_until.map(|at| at.to_string()),
        "problem": health.problem,
    })
}

/// `POST /reload`: the new configuration is in force, or the old one stays.
pub(super) async fn reload(State(api): State<Api>, caller: Caller) -> Result<Response, Error> {
    let permit = api.permit(&caller, "configuration:reload", None).await?;
    let warnings = api.services.control.reload().await.map_err(|problems| Error::Configuration { problems })?;
    let pack = api.services.access.pack();
    let event = permit.event(api.services.clock.now(), EventKind::ConfigurationReloaded);
    let event = event.detail("policy pack", pack.name()).detail("policy digest", pack.digest());
    let event = match api.services.control.digest() {
        Some(digest) => event.detail("configuration digest", digest),
        None => event,
    };
    api.services.ledger.record(event).await?;
    Ok(render::answer(StatusCode::OK, &json!({"reloaded": true, "warnings": warnings})))
}
