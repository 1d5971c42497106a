//! Tokens for provisioning and automation: opaque 256-bit secrets behind a prefix and in front of a checksum.
//!
//! `cgs_…` speaks SCIM for one connection, `cgp_…` is for management, `cgc_…` is a client's secret, which only gets access
//! tokens of an hour for one connection. The store holds only a keyed hash, so that a copy of
//! it gives nobody a token. A token says who asks, never what is allowed: that is the access decision's, which also cuts
//! by the limit that the token carries. Nothing is cached: a revoked token is refused by the next request.

mod client;
mod people;
mod refusals;
mod rotate;
mod text;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use minicbor::bytes::ByteArray;
use minicbor::{Decode, Encode};

pub use client::Issued;
pub use refusals::Refusals;
pub use rotate::{MAX_OVERLAP, Rotated};

use crate::access::Permit;
use crate::audit::{Change, Event, EventKind, Housekeeping, Ledger, Outcome};
use crate::clock::{Clock, Timestamp};
use crate::model::{Actor, Circumstance, OrganisationId, SourceId, TokenId, TokenKind, UserId};
use crate::secret::{IdSource, MacKey, Secret};
use crate::store::{self, Range, Retryable, Table};

/// Most characters of a token's name.
pub const MAX_NAME_CHARACTERS: usize = 100;
/// Last use is written at most this often.
const LAST_USE_EVERY: Duration = Duration::from_secs(60);
/// Most tokens of one page.
const MAX_PAGE: usize = 1_000;

const TOKENS: Table<[u8; 32], Record> = Table::new(0x70, "tokens");
const TOKEN_HASHES: Table<TokenId, ByteArray<32>> = Table::new(0x71, "token hashes");

/// Why a token was not made, found or revoked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The name or the expiry does not do.
    #[error("the token's {field} {reason}")]
    Invalid {
        /// `name` or `expires`.
        field: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// No token has this id.
    #[error("there is no token with this id")]
    NotFound,
    /// Another one has taken its place, or its time is over.
    #[error("the token {0}; make another one")]
    Over(&'static str),
    /// The store's answer.
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl Retryable for Refused {
    fn is_lost_race(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_lost_race())
    }
}

impl Retryable for Error {
    fn is_lost_race(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_lost_race())
    }
}

/// Why a presented token is not taken. To the peer all but `Store` are the same answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It was one of ours until it expired.
    #[error("the token `{name}` has expired")]
    Expired {
        /// Its public id.
        id: TokenId,
        /// Its name.
        name: String,
    },
    /// It does not have the form, or the checksum shows that it was cut or mistyped.
    #[error("the text is no token")]
    Malformed,
    /// The store cannot answer; the request may be sent again later.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// It is for a connection that is not configured any more.
    #[error("the token `{name}` is for the connection `{connection}`, which is not configured")]
    Unconfigured {
        /// Its public id.
        id: TokenId,
        /// Its name.
        name: String,
        /// The connection.
        connection: SourceId,
    },
    /// Well formed, but nobody has it: revoked or made up.
    #[error("the token is not known")]
    Unknown,
}

/// A token without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Public id.
    pub id: TokenId,
    /// What administrators call it.
    pub name: String,
    /// What it is for.
    pub kind: TokenKind,
    /// When it was made.
    pub created: Timestamp,
    /// Who made it, as [`Actor`] prints.
    pub created_by: String,
    /// From when on it is refused; `None` is never.
    pub expires: Option<Timestamp>,
    /// When it was last used, to the minute.
    pub last_used: Option<Timestamp>,
    /// The token that has taken its place.
    pub replaced_by: Option<TokenId>,
}

impl Token {
    /// The user who was told its text when it was made; nobody where no user made it by themselves.
    pub fn told_to(&self) -> Option<UserId> {
        self.created_by.strip_prefix("user:")?.parse().ok()
    }
}

/// Makes, takes and revokes tokens. Cloning shares everything.
#[derive(Clone)]
pub struct Tokens {
    ledger: Ledger,
    key: MacKey,
    /// For access tokens, which end with the life of the store.
    access_key: MacKey,
    ids: IdSource,
    clock: Clock,
    organisation: OrganisationId,
    /// The connections whose tokens are good; all where nothing is said.
    connections: Option<Arc<BTreeSet<SourceId>>>,
}

impl Tokens {
    /// The tokens of the one organisation; `master` is the installation's key.
    pub fn new(ledger: Ledger, master: &MacKey, ids: IdSource, clock: Clock) -> Self {
        let access_key = ledger.life().key(master).derive("token");
        let (key, organisation) = (master.derive("token"), OrganisationId::DEFAULT);
        Self { ledger, key, access_key, ids, clock, organisation, connections: None }
    }

    /// The same where tokens and clients of other connections than these are refused.
    #[must_use]
    pub fn serving(self, connections: impl IntoIterator<Item = SourceId>) -> Self {
        Self { connections: Some(Arc::new(connections.into_iter().collect())), ..self }
    }

    fn check_connection(&self, record: &Record) -> Result<(), Refused> {
        let (Some(known), TokenKind::Scim(connection) | TokenKind::Client(connection)) =
            (&self.connections, &record.kind)
        else {
            return Ok(());
        };
        if known.contains(connection) {
            return Ok(());
        }
        Err(Refused::Unconfigured { id: record.id, name: record.name.clone(), connection: connection.clone() })
    }

    /// Makes a token as somebody wants it who may name its expiry, and else has the usual one, inside a change of the
    /// caller's, who commits it with the event. One that a token makes ends no later than that token: without an expiry that
    /// was named with it, where it is no connection's.
    ///
    /// # Errors
    /// As [`Tokens::create`]; `Invalid` for an expiry that is later than that of the token by which it is asked for.
    pub async fn create_in(
        &self,
        change: &mut Change,
        permit: &Permit,
        name: &str,
        kind: TokenKind,
        (named, usual): (Option<Option<Timestamp>>, Option<Timestamp>),
    ) -> Result<(Secret, Token, Event), Error> {
        let expires = self.bounded(permit.actor(), named.unwrap_or(usual), named.is_some(), &kind).await?;
        self.stage(change, permit, name, kind, expires)
    }

    /// Makes a token. Its text is told this once.
    ///
    /// # Errors
    /// `Invalid` for a blank, long or unprintable name and for an expiry that has passed; `Store`.
    pub async fn create(
        &self,
        permit: &Permit,
        name: &str,
        kind: TokenKind,
        expires: Option<Timestamp>,
    ) -> Result<(Secret, Token), Error> {
        let mut change = self.ledger.change();
        let (secret, token, event) = self.stage(&mut change, permit, name, kind, expires)?;
        change.commit(event).await?;
        Ok((secret, token))
    }

    fn stage(
        &self,
        change: &mut Change,
        permit: &Permit,
        name: &str,
        kind: TokenKind,
        expires: Option<Timestamp>,
    ) -> Result<(Secret, Token, Event), Error> {
        let now = self.clock.now();
        check_name(name)?;
        if expires.is_some_and(|expires| expires <= now) {
            return Err(Error::Invalid { field: "expires", reason: "must lie in the future" });
        }
        let token = Token {
            id: TokenId::new(now, &self.ids),
            name: name.trim().to_owned(),
            kind,
            created: now,
            created_by: permit.actor().to_string(),
            expires,
            last_used: None,
            replaced_by: None,
        };
        let secret = self.insert(change, &token)?;
        let event = told(permit.event(now, EventKind::TokenCreated), &token);
        Ok((secret, token, event))
    }

    /// Whether there is a token with this id, as part of a change that fails where it is revoked before the commit: what is
    /// done by it is done before, or not at all.
    ///
    /// # Errors
    /// `Store`.
    pub async fn holds_in(&self, change: &mut Change, id: TokenId) -> Result<bool, Error> {
        Ok(change.find(&TOKEN_HASHES, self.organisation, &id).await?.is_some())
    }

    /// Writes a token under a new text.
    fn insert(&self, change: &mut Change, token: &Token) -> Result<Secret, Error> {
        let secret = text::render(text::prefix(&token.kind), &self.ids.token());
        let hash = self.key.tag(secret.expose().as_bytes());
        change.put(&TOKENS, self.organisation, &hash, &Record::from(token.clone()))?;
        change.put(&TOKEN_HASHES, self.organisation, &token.id, &hash.into())?;
        self.index(change, token)?;
        Ok(secret)
    }

    /// Who presents this text. Checks form and checksum before it asks the store, which costs one read.
    ///
    /// # Errors
    /// See [`Refused`].
    pub async fn authenticate(&self, presented: &str) -> Result<Actor, Refused> {
        if !text::is_well_formed(presented) {
            return Err(Refused::Malformed);
        }
        let hash = self.key.tag(presented.as_bytes());
        let Some(record) = self.ledger.store().find(&TOKENS, self.organisation, &hash).await? else {
            return self.of_access(&self.access_key.tag(presented.as_bytes())).await;
        };
        let now = self.clock.now();
        if record.expires.is_some_and(|expires| expires <= now) {
            return Err(Refused::Expired { id: record.id, name: record.name });
        }
        self.check_connection(&record)?;
        // A secret that a log or a proxy has seen as a bearer token must not be one.
        let actor = actor(record.id, record.kind.clone()).ok_or(Refused::Unknown)?;
        if self.is_use_due(&record, now) {
            self.note_use(&hash, now).await;
        }
        Ok(actor)
    }

    fn is_use_due(&self, record: &Record, now: Timestamp) -> bool {
        record.last_used.is_none_or(|used| now.since(used) >= LAST_USE_EVERY)
    }

    /// The event that a refusal deserves; `None` when the store was at fault. The caller limits how often it is written.
    pub fn refusal(&self, refused: &Refused, circumstance: &Circumstance) -> Option<Event> {
        if matches!(refused, Refused::Store(_)) {
            return None;
        }
        let mut event = Event::new(self.clock.now(), EventKind::TokenRefused, &Actor::Anonymous)
            .outcome(Outcome::Denied)
            .from_address(circumstance.address)
            .detail("reason", refused);
        event.request_id = circumstance.request_id.clone();
        match refused {
            Refused::Expired { id, name } | Refused::Unconfigured { id, name, .. } => Some(event.on("token", id, name)),
            _ => Some(event),
        }
    }

    /// The token with this id.
    ///
    /// # Errors
    /// `NotFound`, `Store`.
    pub async fn load(&self, id: TokenId) -> Result<Token, Error> {
        let store = self.ledger.store();
        let hash = store.find(&TOKEN_HASHES, self.organisation, &id).await?.ok_or(Error::NotFound)?;
        let record = store.find(&TOKENS, self.organisation, &hash).await?.ok_or(Error::NotFound)?;
        Ok(record.into())
    }

    /// At most `limit` (1,000 at most) tokens created after `after`, oldest first; expired ones are among them.
    ///
    /// # Errors
    /// `Store`.
    pub async fn list(&self, after: Option<TokenId>, limit: usize) -> Result<Vec<Token>, Error> {
        let store = self.ledger.store();
        let mut range = Range::prefix(TOKEN_HASHES.prefix(self.organisation, &()), limit.min(MAX_PAGE));
        if let Some(after) = after {
            range = range.after(&TOKEN_HASHES.key(self.organisation, &after));
        }
        let rows = store.range(range).await?;
        let hashes = rows.iter().map(|(_, row)| store::decode(TOKEN_HASHES.name(), &row.value).map(hash));
        let hashes = hashes.collect::<Result<Vec<_>, _>>()?;
        let found = store.find_many(&TOKENS, self.organisation, &hashes).await?;
        Ok(found.into_iter().flatten().map(Token::from).collect())
    }

    /// Makes a token void from the next request on.
    ///
    /// # Errors
    /// `NotFound`, `Store`.
    pub async fn revoke(&self, permit: &Permit, id: TokenId) -> Result<Token, Error> {
        self.ledger
            .retry(|mut change| async move {
                let token = self.take_in(&mut change, id).await?.ok_or(Error::NotFound)?;
                change.commit(told(permit.event(self.clock.now(), EventKind::TokenRevoked), &token)).await?;
                Ok(token)
            })
            .await
    }

    /// The same inside a change of the caller's, who records the event; none when there is no such token any more.
    ///
    /// # Errors
    /// `Store`.
    pub async fn revoke_in(&self, change: &mut Change, permit: &Permit, id: TokenId) -> Result<Option<Event>, Error> {
        let token = self.take_in(change, id).await?;
        Ok(token.map(|token| told(permit.event(self.clock.now(), EventKind::TokenRevoked), &token)))
    }

    /// Makes whoever acts the one who made a token, inside a change of the caller's, who records the event; none when there
    /// is no such token any more. Its secret stays: whoever knew it knows it.
    ///
    /// # Errors
    /// `Store`.
    pub async fn hand_over_in(
        &self,
        change: &mut Change,
        permit: &Permit,
        id: TokenId,
    ) -> Result<Option<Event>, Error> {
        let Some(hash) = change.find(&TOKEN_HASHES, self.organisation, &id).await? else { return Ok(None) };
        let Some(record) = change.find(&TOKENS, self.organisation, &hash).await? else { return Ok(None) };
        let before = record.created_by.clone();
        let record = Record { created_by: permit.actor().to_string(), ..record };
        change.put(&TOKENS, self.organisation, &hash, &record)?;
        let event = permit.event(self.clock.now(), EventKind::TokenHandedOver);
        Ok(Some(told(event, &Token::from(record)).detail("before", before)))
    }

    async fn take_in(&self, change: &mut Change, id: TokenId) -> Result<Option<Token>, store::Error> {
        let Some(hash) = change.find(&TOKEN_HASHES, self.organisation, &id).await? else { return Ok(None) };
        let Some(record) = change.find(&TOKENS, self.organisation, &hash).await? else { return Ok(None) };
        change.delete(&TOKENS, self.organisation, &hash);
        change.delete(&TOKEN_HASHES, self.organisation, &id);
        let token = Token::from(record);
        self.unindex(change, &token);
        Ok(Some(token))
    }

    /// Failing to note a use does not fail the request: a lost race means that somebody else has noted it.
    async fn note_use(&self, hash: &[u8; 32], now: Timestamp) {
        if let Err(error) = self.write_use(self.ledger.change(), hash, now).await
            && !error.is_lost_race()
        {
            tracing::warn!(error = %error, "the last use of a token was not written");
        }
    }

    async fn write_use(&self, mut change: Change, hash: &[u8; 32], now: Timestamp) -> Result<(), store::Error> {
        if let Some(record) = change.find(&TOKENS, self.organisation, hash).await? {
            let record = Record { last_used: Some(now), ..record };
            change.put(&TOKENS, self.organisation, hash, &record)?;
            change.commit_quietly(Housekeeping::LastSeen).await?;
        }
        Ok(())
    }
}

fn check_name(name: &str) -> Result<(), Error> {
    let invalid = |reason| Err(Error::Invalid { field: "name", reason });
    if name.trim().is_empty() {
        return invalid("must not be blank");
    }
    if name.chars().count() > MAX_NAME_CHARACTERS {
        return invalid("must have at most 100 characters");
    }
    if name.chars().any(char::is_control) {
        return invalid("must not contain control characters");
    }
    Ok(())
}

/// Whom a token stands for, nobody for a client's secret.
fn actor(id: TokenId, kind: TokenKind) -> Option<Actor> {
    match kind {
        TokenKind::Client(_) => None,
        TokenKind::Management(limit, user, maker) => Some(Actor::Token { id, limit, user, maker }),
        TokenKind::Scim(source) => Some(Actor::Connection { source, token: id }),
    }
}

fn told(event: Event, token: &Token) -> Event {
    let event = event.on("token", token.id, &token.name);
    let event = match &token.kind {
        TokenKind::Management(limit, user, _) => {
            let limit = limit.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
            let event = event.detail("kind", "management").detail("limit", limit);
            match user {
                Some(user) => event.detail("user", user),
                None => event,
            }
        }
        TokenKind::Client(source) => event.detail("kind", "client").detail("source", source),
        TokenKind::Scim(source) => event.detail("kind", "scim").detail("source", source),
    };
    match token.expires {
        Some(expires) => event.detail("expires", expires),
        None => event,
    }
}

fn hash(bytes: ByteArray<32>) -> [u8; 32] {
    bytes.into()
}

/// A token as stored, under its keyed hash.
#[derive(Clone, Debug, Encode, Decode)]
#[cbor(map)]
struct Record {
    #[n(0)]
    id: TokenId,
    #[n(1)]
    name: String,
    #[n(2)]
    kind: TokenKind,
    #[n(3)]
    created: Timestamp,
    #[n(4)]
    created_by: String,
    #[n(5)]
    expires: Option<Timestamp>,
    #[n(6)]
    last_used: Option<Timestamp>,
    #[n(7)]
    replaced_by: Option<TokenId>,
}

impl From<Token> for Record {
    fn from(token: Token) -> Self {
        let Token { id, name, kind, created, created_by, expires, last_used, replaced_by } = token;
        Self { id, name, kind, created, created_by, expires, last_used, replaced_by }
    }
}

impl From<Record> for Token {
    fn from(record: Record) -> Self {
        let Record { id, name, kind, created, created_by, expires, last_used, replaced_by } = record;
        Self { id, name, kind, created, created_by, expires, last_used, replaced_by }
    }
}
