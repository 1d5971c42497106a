//! `/export` and `/import`.

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use http::StatusCode;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use serde_json::{Map, Value, json};

use super::admit::Caller;
use super::fields::Params;
use super::{Api, Error, render};
use crate::access::{Acting, Question};
use crate::error::Chain;
use crate::transfer::{Export, Summary, Transfer};

/// Lines of JSON.
const MEDIA_TYPE: &str = "application/x-ndjson";

/// `GET /export`: the organisation as a document, a line for each record. One that breaks off has no last line.
pub(super) async fn export(State(api): State<Api>, caller: Caller, params: Params) -> Result<Response, Error> {
    params.end()?;
    api.permit(&caller, "store:read", None).await?;
    api.check_sees_all(&caller).await?;
    let transfer = api.services.transfer.clone();
    let pages = stream::try_unfold((transfer, Export::default()), |(transfer, mut export)| async move {
        match transfer.next(&mut export).await {
            Ok(Some(lines)) => Ok(Some((Bytes::from(lines), (transfer, export)))),
            Ok(None) => Ok(None),
            Err(error) => {
                tracing::error!(error = %Chain(&error), "an export broke off");
                Err(error)
            }
        }
    });
    let name = "attachment; filename=\"cleargate-export.ndjson\"";
    Ok(([(CONTENT_TYPE, MEDIA_TYPE), (CONTENT_DISPOSITION, name)], Body::from_stream(pages)).into_response())
}

/// `POST /import?dry_run=true&force=` with a document: makes the organisation what it says, or tells what that would change. Who
/// imports may do everything, because a document gives anything to anybody.
pub(super) async fn import(
    State(api): State<Api>,
    caller: Caller,
    mut params: Params,
    body: Body,
) -> Result<Response, Error> {
    let dry_run = params.parsed::<bool>("dry_run")?.unwrap_or(false);
    let is_forced = params.parsed::<bool>("force")?.unwrap_or(false);
    params.end()?;
    let permit = api.permit(&caller, "store:update", None).await?;
    api.permit_everything(&caller).await?;
    // Also where grants of the caller's own take something away.
    let acting = api.acting(&caller).await?;
    api.check_everything(&caller, &acting).await?;
    check_lasting(&acting)?;
    api.check_sees_all(&caller).await?;
    let bytes = axum::body::to_bytes(body, crate::transfer::MAX_BYTES).await;
    let bytes = bytes.map_err(|_| Error::Malformed("the body cannot be read".to_owned()))?;
    let text = std::str::from_utf8(&bytes);
    let text = text.map_err(|_| Error::Malformed("the document must be UTF-8 text".to_owned()))?;
    let document = Transfer::read(text)?;
    let transfer = &api.services.transfer;
    let planned = transfer.plan(&document).await?;
    if let Some(lists) = planned.networks.as_ref().filter(|_| !is_forced) {
        api.check_own_address(&caller, lists).await?;
    }
    let permit = api.weigh(permit, &planned.overlay, is_forced).await?;
    let summary = if dry_run { planned.summary } else { transfer.import(&permit, &document, &planned).await? };
    Ok(render::answer(StatusCode::OK, &json!({"dry_run": dry_run, "records": told(&summary)})))
}

/// Refuses who may do everything for a time only: what a document gives, it gives for as long as it likes.
fn check_lasting(acting: &Acting) -> Result<(), Error> {
    for later in acting.later(None) {
        let mut rights = later.roles().catalogue().iter();
        if let Some(permission) = rights.find(|permission| later.lacks(&Question::new(permission)).is_some()) {
            let detail = format!("this takes {permission} without an end, and your grants of it end");
            return Err(Error::Forbidden { detail });
        }
    }
    Ok(())
}

fn told(summary: &Summary) -> Value {
    let kind = |(kind, [created, changed, same]): (&str, [usize; 3])| {
        (kind.to_owned(), json!({"created": created, "changed": changed, "same": same}))
    };
    Value::Object(summary.iter().map(kind).collect::<Map<_, _>>())
}
