//! Cursors (RFC 9865): where a walk over pages stands, told to the client in a text that only this installation makes.
//!
//! Nothing is kept for a walk: the text carries the place after which the next page begins, and a keyed hash over it, the
//! caller and the query. A cursor of another connection, of another query or of somebody's own making is refused. The
//! place is that of a resource in an order that never changes for it, so that it holds when the resource is gone.

use std::time::Duration;

use minicbor::bytes::{ByteArray, ByteVec};
use minicbor::{Decode, Encode};

use super::Error;
use super::list::{Mark, Place};
use super::sort::SortKey;
use crate::clock::{Clock, Timestamp};
pub(super) use crate::http::Binding;
use crate::http::{open_cursor, seal_cursor};
use crate::secret::MacKey;

/// How long a cursor holds; each page brings a new one.
pub const TIMEOUT: Duration = Duration::from_secs(3600);

/// Makes and reads cursors.
#[derive(Clone, Debug)]
pub struct Cursors {
    key: MacKey,
    clock: Clock,
}

/// Where a walk stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Position {
    /// The last resource that the walk has passed.
    pub(super) after: Mark,
    /// How many results the walk had at its first page, where that was counted.
    pub(super) total: Option<usize>,
}

#[derive(Encode, Decode)]
#[cbor(array)]
struct Payload {
    #[n(0)]
    issued: Timestamp,
    #[n(1)]
    kind: u8,
    #[n(2)]
    id: ByteArray<16>,
    #[n(3)]
    key: Option<ByteVec>,
    #[n(4)]
    total: Option<u64>,
}

impl Cursors {
    /// The cursors of an installation; `master` is its key.
    pub fn new(master: &MacKey, clock: Clock) -> Self {
        Self { key: master.derive("scim cursor 1"), clock }
    }

    /// The text for a place: letters, digits, `-` and `_`.
    ///
    /// # Errors
    /// `Unavailable` when it cannot be written, which no place brings about.
    pub(super) fn issue(&self, binding: &Binding, position: &Position) -> Result<String, Error> {
        let Mark { key, place } = &position.after;
        let payload = Payload {
            issued: self.clock.now(),
            kind: place.kind,
            id: place.id.into(),
            key: key.as_ref().map(|key| key.as_bytes().to_vec().into()),
            total: position.total.and_then(|total| u64::try_from(total).ok()),
        };
        let payload = minicbor::to_vec(payload).map_err(|_| Error::Unavailable)?;
        Ok(seal_cursor(&self.key, binding, &payload))
    }

    /// The place that a text stands for.
    ///
    /// # Errors
    /// `InvalidCursor`; `ExpiredCursor` for one of ours that is older than [`TIMEOUT`].
    pub(super) fn read(&self, binding: &Binding, text: &str) -> Result<Position, Error> {
        let foreign = || Error::InvalidCursor("the cursor was not given to this connection for this query".to_owned());
        let payload = open_cursor(&self.key, binding, text).ok_or_else(foreign)?;
        let payload: Payload = minicbor::decode(&payload).map_err(|_| foreign())?;
        if self.clock.now().since(payload.issued) > TIMEOUT {
            return Err(Error::ExpiredCursor);
        }
        let key = payload.key.map(|bytes| SortKey::from_bytes(bytes.into()));
        let place = Place { kind: payload.kind, id: payload.id.into() };
        Ok(Position {
            after: Mark { key, place },
            total: payload.total.map(|total| usize::try_from(total).unwrap_or(usize::MAX)),
        })
    }
}

#[cfg(test)]
mod tests;
