//! `/backup`.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use futures_util::{TryStreamExt, stream};
use http::header::{CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use tokio::fs::File;
use tokio::io::AsyncReadExt;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::admit::Caller;
use super::{Api, Error};
use crate::audit::{Event, EventKind, Ledger, Sealer};
use crate::clock::Timestamp;
use crate::error::Chain;
use crate::store::{self, Copied, Seal};

/// How long the answer waits for the copy; what takes longer is answered at once and sent when it is made.
const PATIENCE: Duration = Duration::from_secs(40);
/// Bytes of the copy that are read at a time.
const PIECE_BYTES: u64 = 256 * 1024;

/// How a copy ended.
type Made = Result<Copied, store::Error>;

/// `POST /backup`: the whole store as a file, copied from one state while writers go on. The file is the caller's to keep:
/// nothing is written here but a copy beside the store that has no name. It has what everybody's rights are made of, so that
/// it takes all of them.
pub(super) async fn make(State(api): State<Api>, caller: Caller) -> Result<Response, Error> {
    let permit = api.permit(&caller, "store:read", None).await?;
    api.permit_everything(&caller).await?;
    // Also where grants of the caller's own take something away.
    api.check_everything(&caller, &api.acting(&caller).await?).await?;
    api.check_sees_all(&caller).await?;
    let services = &api.services;
    let now = services.clock.now();
    let event = permit.event(now, EventKind::StoreBackedUp);
    let (tell, mut told) = oneshot::channel();
    let (ledger, sealer) = (services.ledger.clone(), services.sealer.clone());
    // A copy is made to its end, whoever goes away.
    services.tasks.spawn("backup", async move {
        // Whoever asked may be gone.
        drop(tell.send(copy(&ledger, &sealer, now, event).await));
    });
    let (body, size) = match timeout(PATIENCE, &mut told).await {
        Ok(made) => {
            let made = made.map_err(|_| Error::Internal("a backup was not made to its end"))?;
            let copied = made.map_err(refused)?;
            (pieces(File::from_std(copied.file)), Some(copied.size))
        }
        Err(_) => (later(told), None),
    };
    let name = HeaderValue::from_static("attachment; filename=\"cleargate-backup.redb\"");
    let mut response = ([(CONTENT_TYPE, "application/octet-stream")], body).into_response();
    response.headers_mut().insert(CONTENT_DISPOSITION, name);
    if let Some(size) = size {
        response.headers_mut().insert(CONTENT_LENGTH, size.into());
    }
    Ok(response)
}

/// Whoever may do everything is told what keeps a copy from being made: there is no room, or another one is being made.
fn refused(error: store::Error) -> Error {
    match error {
        store::Error::Unavailable { reason } => Error::Conflict { field: None, detail: reason },
        other => other.into(),
    }
}

/// Makes the copy and records that it was made, before anything of it is handed out.
async fn copy(ledger: &Ledger, sealer: &Sealer, now: Timestamp, event: Event) -> Made {
    let copied = ledger.copy(now).await?;
    let entries = sealer.size(&copied.head)?;
    ledger.record(event.detail("entries", entries).detail("bytes", copied.size)).await?;
    Ok(copied)
}

/// The file, a piece at a time.
fn pieces(file: File) -> Body {
    Body::from_stream(stream::try_unfold(file, |mut file| async move {
        let mut piece = Vec::new();
        match (&mut file).take(PIECE_BYTES).read_to_end(&mut piece).await? {
            0 => Ok::<_, std::io::Error>(None),
            _ => Ok(Some((Bytes::from(piece), file))),
        }
    }))
}

/// The file once it is there. An answer that breaks off is none: the log tells why.
fn later(told: oneshot::Receiver<Made>) -> Body {
    let file = async move {
        let reason = match told.await {
            Ok(Ok(copied)) => return Ok(pieces(File::from_std(copied.file)).into_data_stream()),
            Ok(Err(error)) => Chain(&error).to_string(),
            Err(_) => "it was not made to its end".to_owned(),
        };
        tracing::error!("a backup broke off: {reason}");
        Err(axum::Error::new(std::io::Error::other(reason)))
    };
    Body::from_stream(stream::once(file).try_flatten())
}
