//! `/blocks`: networks that are shut out of sign-in by password, because they tried many names or one password on several.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde_json::json;

use super::admit::Caller;
use super::fields::Params;
use super::{Api, Error, render};
use crate::limit::Block;
use crate::model::Network;

/// `GET /blocks`: the one that is shut out longest first.
pub(super) async fn list(State(api): State<Api>, caller: Caller, params: Params) -> Result<Response, Error> {
    params.end()?;
    api.permit(&caller, "locks:read", None).await?;
    let show = |block: &Block| json!({"network": block.network.to_string(), "until": block.until.to_string(), "why": block.why.name()});
    Ok(render::page(api.services.limits.spray().list().iter().map(show).collect(), None))
}

/// `DELETE /blocks?network=`: lets a network sign in again. One that is not shut out is no error.
pub(super) async fn release(State(api): State<Api>, caller: Caller, mut params: Params) -> Result<Response, Error> {
    let permit = api.permit(&caller, "locks:delete", None).await?;
    let text = params.take("network")?.ok_or_else(|| Error::invalid("network", "is missing"))?;
    params.end()?;
    let network = Network::read(&text).map_err(|reason| Error::invalid("network", reason))?;
    let released = api.services.login.release_block(&permit, network).await?;
    Ok(render::answer(StatusCode::OK, &json!({"network": network.to_string(), "released": released})))
}
