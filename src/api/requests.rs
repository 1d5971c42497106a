//! `/sources/{id}/requests`: what a provisioning connection asked lately, and what it was told.

use axum::extract::{Path, State};
use axum::response::Response;

use super::admit::Caller;
use super::fields::{PageOf, Params};
use super::{Api, Error, render};
use crate::clock::Timestamp;
use crate::config::parse_duration;
use crate::model::SourceId;

/// `GET /sources/{id}/requests?status=&since=&limit=&cursor=`: newest first. `status` is one (`404`), a class (`4xx`), or
/// `failed` for all from 400 on; `since` a time, or how long ago.
pub(super) async fn list(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    mut params: Params,
) -> Result<Response, Error> {
    let statuses = statuses(params.take("status")?.as_deref())?;
    let Kept { since, page } = api.kept(params)?;
    api.permit(&caller, "sources:read", None).await?;
    api.check_sees_all(&caller).await?;
    let id: SourceId = id.parse().map_err(|_| Error::NotFound { what: "connection" })?;
    if !api.services.connections.contains(&id) {
        return Err(Error::NotFound { what: "connection" });
    }
    let keep = |status: u16, at: Timestamp| {
        (statuses.0..=statuses.1).contains(&status) && since.is_none_or(|since| at >= since)
    };
    match api.services.requests.page(&id, &keep, page.after, page.limit) {
        Some((items, next)) => Ok(render::page(items, next.map(|number| number.to_string()))),
        None => Err(Error::NotFound { what: "log: `log = false` is set for this connection" }),
    }
}

/// The lowest and the highest status that is asked for.
fn statuses(text: Option<&str>) -> Result<(u16, u16), Error> {
    let Some(text) = text else { return Ok((0, u16::MAX)) };
    let class = |text: &str| text.strip_suffix("xx")?.parse::<u16>().ok().filter(|class| (1..=5).contains(class));
    match (text, class(text), text.parse::<u16>()) {
        ("failed", ..) => Ok((400, u16::MAX)),
        (_, Some(class), _) => Ok((class * 100, class * 100 + 99)),
        (_, None, Ok(status)) if (100..600).contains(&status) => Ok((status, status)),
        _ => Err(Error::invalid("status", "must be a status such as 404, a class such as 4xx, or failed")),
    }
}

/// What is asked of a list that memory keeps, newest first.
pub(super) struct Kept {
    /// Nothing before it.
    pub(super) since: Option<Timestamp>,
    /// Before which number, and how many.
    pub(super) page: PageOf<u64>,
}

impl Api {
    /// The rest of such a question: `since=&limit=&cursor=`, where `since` is a time, or how long ago.
    pub(super) fn kept(&self, mut params: Params) -> Result<Kept, Error> {
        let since = params.take("since")?.map(|text| match parse_duration(&text) {
            Some(duration) => Ok(self.services.clock.now().minus(duration)),
            None => {
                text.parse().map_err(|_| Error::invalid("since", "must be a time such as 10m or 2027-01-01T00:00:00Z"))
            }
        });
        let page = params.page::<u64>()?;
        params.end()?;
        Ok(Kept { since: since.transpose()?, page })
    }
}
