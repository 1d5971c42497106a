//! `/groups`.

use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;

use super::admit::Caller;
use super::fields::Params;
use super::{Api, Error, render};
use crate::model::GroupId;

/// `GET /groups?limit=&cursor=`.
pub(super) async fn list(State(api): State<Api>, caller: Caller, mut params: Params) -> Result<Response, Error> {
    let page = params.page::<GroupId>()?;
    params.end()?;
    api.permit(&caller, "groups:read", None).await?;
    let groups = api.services.directory.list_groups(page.after, page.limit).await?;
    let next = groups.last().filter(|_| groups.len() == page.limit).map(|group| group.id.to_string());
    let mut items = Vec::with_capacity(groups.len());
    for group in &groups {
        items.push(render::group(group, api.services.directory.count_members(group.id).await?));
    }
    Ok(render::page(items, next))
}

/// `GET /groups/{id or name}`.
pub(super) async fn show(State(api): State<Api>, caller: Caller, Path(group): Path<String>) -> Result<Response, Error> {
    api.permit(&caller, "groups:read", None).await?;
    let group = api.group(&group).await?;
    let members = api.services.directory.count_members(group.id).await?;
    Ok(render::versioned(StatusCode::OK, &render::group(&group, members), group.revision))
}
