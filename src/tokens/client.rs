//! Clients of a connection: an id and a secret that are exchanged for access tokens of an hour (RFC 6749 section 4.4).
//!
//! An access token is a row with an end, which the store's upkeep removes. It gives nothing that its client does not
//! have: each use reads the client, so that revoking the client ends them all at once. No event tells of a single access
//! token, as none tells of a use; the client's own `last_used` does.

use std::time::Duration;

use minicbor::bytes::ByteArray;
use minicbor::{Decode, Encode};

use super::{Record, Refused, TOKENS, Tokens, text};
use crate::audit::Housekeeping;
use crate::clock::Timestamp;
use crate::model::{Actor, TokenId, TokenKind};
use crate::secret::Secret;
use crate::store::Table;

/// How long an access token is good for; less when its client expires before.
const ACCESS_FOR: Duration = Duration::from_secs(3600);

pub(super) const ACCESS: Table<[u8; 32], Access> = Table::new(0x72, "access tokens");

/// An access token as stored, under its keyed hash.
#[derive(Clone, Debug, Encode, Decode)]
#[cbor(map)]
pub(super) struct Access {
    /// The keyed hash of its client's secret.
    #[n(0)]
    client: ByteArray<32>,
    /// From when on it is refused.
    #[n(1)]
    expires: Timestamp,
}

/// A new access token.
pub struct Issued {
    /// Its text.
    pub token: Secret,
    /// How long it is good for.
    pub lasts: Duration,
}

impl Tokens {
    /// Exchanges the id and the secret of a client for an access token.
    ///
    /// # Errors
    /// See [`Refused`]: `Unknown` for a wrong id as well as for a wrong secret, and for texts of other kinds.
    pub async fn issue(&self, client_id: &str, secret: &Secret) -> Result<Issued, Refused> {
        let secret = secret.expose();
        if !text::is_well_formed(secret) || !text::is_client(secret) {
            return Err(Refused::Malformed);
        }
        let id: TokenId = client_id.parse().map_err(|_| Refused::Unknown)?;
        let hash = self.key.tag(secret.as_bytes());
        let issued = self.ledger.retry(|mut change| async move {
            let now = self.clock.now();
            let record = change.find(&TOKENS, self.organisation, &hash).await?.ok_or(Refused::Unknown)?;
            if record.id != id || !matches!(record.kind, TokenKind::Client(_)) {
                return Err(Refused::Unknown);
            }
            if record.expires.is_some_and(|expires| expires <= now) {
                return Err(Refused::Expired { id: record.id, name: record.name });
            }
            self.check_connection(&record)?;
            let full = now.plus(ACCESS_FOR);
            let expires = record.expires.map_or(full, |expires| expires.min(full));
            let token = text::render(text::ACCESS, &self.ids.token());
            let row = Access { client: hash.into(), expires };
            let key = self.access_key.tag(token.expose().as_bytes());
            change.put_until(&ACCESS, self.organisation, &key, &row, Some(expires))?;
            if self.is_use_due(&record, now) {
                change.put(&TOKENS, self.organisation, &hash, &Record { last_used: Some(now), ..record })?;
            }
            change.commit_quietly(Housekeeping::AccessToken).await?;
            Ok(Issued { token, lasts: expires.since(now) })
        });
        issued.await
    }

    /// Who presents the access token of this hash.
    pub(super) async fn of_access(&self, hash: &[u8; 32]) -> Result<Actor, Refused> {
        let store = self.ledger.store();
        let now = self.clock.now();
        let access = store.find(&ACCESS, self.organisation, hash).await?.ok_or(Refused::Unknown)?;
        let client: [u8; 32] = access.client.into();
        let record = store.find(&TOKENS, self.organisation, &client).await?.ok_or(Refused::Unknown)?;
        if access.expires <= now || record.expires.is_some_and(|expires| expires <= now) {
            return Err(Refused::Expired { id: record.id, name: record.name });
        }
        self.check_connection(&record)?;
        if self.is_use_due(&record, now) {
            self.note_use(&client, now).await;
        }
        match record.kind {
            TokenKind::Client(source) => Ok(Actor::Connection { source, token: record.id }),
            TokenKind::Management(..) | TokenKind::Scim(_) => Err(Refused::Unknown),
        }
    }
}
