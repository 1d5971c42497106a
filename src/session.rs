//! Sessions: signed-in browsers.
//!
//! A session is an opaque 256-bit secret in a cookie and a row under its keyed hash. Checking one costs one read. Opening
//! one takes part in the caller's change, so that session, replay claim and event are committed together. An expired
//! session is as absent as one that never was. Whether its user may still act is the directory's to say, at each request.

mod record;

use std::net::IpAddr;
use std::time::Duration;

use minicbor::bytes::ByteArray;
use minicbor::{Decode, Encode};

use crate::access::Permit;
use crate::audit::{Change, Event, EventKind, Housekeeping, Ledger};
use crate::clock::{Clock, Timestamp};
use crate::config;
use crate::model::{Actor, OrganisationId, Presence, SessionId, SourceId, UserId};
use crate::secret::{IdSource, MacKey, Secret};
use crate::store::{self, Range, Retryable, Table};

use record::Record;

/// Characters of the secret in the cookie.
pub const SECRET_CHARACTERS: usize = 43;
/// Most characters kept of a `User-Agent`.
pub const MAX_USER_AGENT_CHARACTERS: usize = 200;
/// Most groups of a sign-in that are kept.
const MAX_GROUPS: usize = 500;
/// Last use is written at most this often, and at least four times in an idle limit.
const LAST_SEEN_EVERY: Duration = Duration::from_secs(60);
/// Most sessions of one page.
const MAX_PAGE: usize = 1_000;
/// Most sessions that a user has at the same time: opening one more ends the oldest.
pub const MAX_PER_USER: usize = 100;

const SESSIONS: Table<[u8; 32], Record> = Table::new(0x60, "sessions");
const SESSION_HASHES: Table<SessionId, ByteArray<32>> = Table::new(0x61, "session hashes");
const USER_SESSIONS: Table<(UserId, SessionId), ByteArray<32>> = Table::new(0x62, "user sessions");
const UPSTREAM_SESSIONS: Table<(SourceId, String, SessionId), ByteArray<32>> = Table::new(0x63, "upstream sessions");
/// Counts the times that all sessions of a user were ended: an opening reads it, so that it loses against an end that is
/// committed first.
const GENERATIONS: Table<UserId, u64> = Table::new(0x64, "session generations");
/// Counts the sessions that a user opened: the end of all of them holds it, so that it loses against an opening that is
/// committed first. Being a counter, it is no point of conflict between two openings.
const OPENED: Table<UserId, i64> = Table::new(0x65, "sessions opened");
/// When somebody signed in last. It stays when the session has ended.
const LAST_SIGN_IN: Table<UserId, Timestamp> = Table::new(0x66, "last sign-ins");

/// Why a session was not opened, found or ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No session has this id, or it has expired.
    #[error("there is no session with this id")]
    NotFound,
    /// The store's answer.
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl Retryable for Error {
    fn is_lost_race(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_lost_race())
    }
}

/// How its user proved who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Method {
    /// A one-time link printed on the machine itself.
    #[n(4)]
    Link,
    /// A password that an LDAP directory checked.
    #[n(0)]
    LdapBind,
    /// OpenID Connect.
    #[n(1)]
    OpenIdConnect,
    /// A password that we keep.
    #[n(2)]
    Password,
    /// SAML.
    #[n(3)]
    Saml,
}

impl Method {
    /// The name in lists and events.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Link => "link",
            Self::LdapBind => "ldap",
            Self::OpenIdConnect => "oidc",
            Self::Password => "password",
            Self::Saml => "saml",
        }
    }
}

/// What is known about a sign-in when its session is opened.
#[derive(Clone, Debug)]
pub struct Details {
    /// Which connector vouched.
    pub connector: SourceId,
    /// By which protocol.
    pub method: Method,
    /// The client's address.
    pub address: Option<IpAddr>,
    /// The client's `User-Agent`; 200 characters are kept.
    pub user_agent: Option<String>,
    /// The session's name at the upstream, for logout from there: SAML `SessionIndex`, OpenID `sid`.
    pub upstream_session: Option<String>,
    /// The groups that the connector named; 500 are kept. They are for show: roles follow from rules.
    pub groups: Vec<String>,
    /// How many things were shown.
    pub presence: Presence,
}

/// A signed-in browser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Public id.
    pub id: SessionId,
    /// Who signed in.
    pub user: UserId,
    /// When.
    pub created: Timestamp,
    /// When it was last used, to the minute.
    pub last_seen: Timestamp,
    /// When it ends if it is not used.
    pub idle_until: Timestamp,
    /// When it ends in any case.
    pub ends: Timestamp,
    /// Which connector vouched.
    pub connector: SourceId,
    /// By which protocol.
    pub method: Method,
    /// From which address.
    pub address: Option<String>,
    /// With which browser, as it calls itself.
    pub user_agent: Option<String>,
    /// The session's name at the upstream.
    pub upstream_session: Option<String>,
    /// The groups that the connector named at sign-in.
    pub groups: Vec<String>,
    /// How many things its user has shown, and when a second factor last.
    pub presence: Presence,
}

impl Session {
    /// The actor that acts by this session.
    pub fn actor(&self) -> Actor {
        Actor::User { id: self.user, session: self.id }
    }
}

/// Opens, checks and ends sessions. Cloning shares everything.
#[derive(Clone)]
pub struct Sessions {
    ledger: Ledger,
    key: MacKey,
    ids: IdSource,
    clock: Clock,
    limits: config::Session,
    organisation: OrganisationId,
}

impl Sessions {
    /// The sessions of the one organisation; `master` is the installation's key.
    pub fn new(ledger: Ledger, master: &MacKey, ids: IdSource, clock: Clock, limits: config::Session) -> Self {
        Self { ledger, key: master.derive("session"), ids, clock, limits, organisation: OrganisationId::DEFAULT }
    }

    /// Opens a session as part of `change`, whose commit the caller does with its event. The secret is told this once.
    /// Of more than [`MAX_PER_USER`] the oldest ends, with an event of its own.
    ///
    /// # Errors
    /// `Store`. The commit loses the race when all sessions of the user are ended meanwhile.
    pub async fn open(&self, change: &mut Change, user: UserId, details: Details) -> Result<(Secret, Session), Error> {
        let now = self.clock.now();
        change.find(&GENERATIONS, self.organisation, &user).await?;
        change.add(&OPENED, self.organisation, &user, 1);
        change.put(&LAST_SIGN_IN, self.organisation, &user, &now)?;
        self.make_room(change, user, now).await?;
        self.insert(change, &Record::new(SessionId::new(now, &self.ids), user, now, details))
    }

    /// The session of a cookie's text, `None` when there is none or it has expired. One read; a write at most once a
    /// minute.
    ///
    /// # Errors
    /// `Store`.
    pub async fn check(&self, presented: &Secret) -> Result<Option<Session>, Error> {
        if presented.expose().len() != SECRET_CHARACTERS {
            return Ok(None);
        }
        let hash = self.key.tag(presented.expose().as_bytes());
        let Some(record) = self.ledger.store().find(&SESSIONS, self.organisation, &hash).await? else {
            return Ok(None);
        };
        let now = self.clock.now();
        let mut session = record.session(&self.limits);
        if session.has_ended(now) {
            return Ok(None);
        }
        if now.since(session.last_seen) >= LAST_SEEN_EVERY.min(self.limits.idle / 4) {
            match self.note_use(self.ledger.change(), &hash, now).await {
                Ok(()) => session = record.seen_at(now).session(&self.limits),
                // Somebody else has noted it, or is ending it, which the next check sees.
                Err(error) if error.is_lost_race() => {}
                // It then ends a little early: the safe side.
                Err(error) => tracing::warn!(error = %error, "the last use of a session was not written"),
            }
        }
        Ok(Some(session))
    }

    /// The session with this id.
    ///
    /// # Errors
    /// `NotFound`, `Store`.
    pub async fn load(&self, id: SessionId) -> Result<Session, Error> {
        let hash = self.ledger.store().find(&SESSION_HASHES, self.organisation, &id).await?.ok_or(Error::NotFound)?;
        self.resolve(vec![hash.into()]).await?.pop().ok_or(Error::NotFound)
    }

    /// The sessions of a user, oldest first.
    ///
    /// # Errors
    /// `Store`.
    pub async fn list(&self, user: UserId) -> Result<Vec<Session>, Error> {
        let rows = self.rows_of(user).await?;
        self.resolve(rows.into_iter().map(|row| row.hash).collect()).await
    }

    /// When each of these users signed in last, in their order; `None` where it was never, or before this was kept.
    ///
    /// # Errors
    /// `Store`.
    pub async fn last_sign_ins(&self, users: &[UserId]) -> Result<Vec<Option<Timestamp>>, Error> {
        Ok(self.ledger.store().find_many(&LAST_SIGN_IN, self.organisation, users).await?)
    }

    /// Forgets when a user signed in, inside a change of the caller's that deletes the user.
    pub fn forget_in(&self, change: &mut Change, user: UserId) {
        change.delete(&LAST_SIGN_IN, self.organisation, &user);
    }

    /// At most `limit` (1,000 at most) sessions opened after `after`, oldest first, and the id to go on from when there
    /// may be more: a page can hold fewer than `limit`, since sessions that ended by idleness are left out.
    ///
    /// # Errors
    /// `Store`.
    pub async fn list_all(
        &self,
        after: Option<SessionId>,
        limit: usize,
    ) -> Result<(Vec<Session>, Option<SessionId>), Error> {
        let limit = limit.clamp(1, MAX_PAGE);
        let mut range = Range::prefix(SESSION_HASHES.prefix(self.organisation, &()), limit);
        if let Some(after) = after {
            range = range.after(&SESSION_HASHES.key(self.organisation, &after));
        }
        let rows = self.ledger.store().range(range).await?;
        let next = match rows.last() {
            Some((key, _)) if rows.len() == limit => Some(SessionId::from_bytes(SESSION_HASHES.suffix(key)?)),
            _ => None,
        };
        let hashes = index_rows(&rows)?.into_iter().map(|row| row.hash).collect();
        Ok((self.resolve(hashes).await?, next))
    }

    /// Ends a session.
    ///
    /// # Errors
    /// `NotFound`, `Store`.
    pub async fn end(&self, permit: &Permit, id: SessionId) -> Result<Session, Error> {
        self.end_with(id, |now| permit.event(now, EventKind::SessionEnded)).await
    }

    /// Ends the session of somebody who signs out: the one end that needs no permit, since the cookie is the proof.
    /// `event` is given the moment and makes the event, to which session and user are added.
    ///
    /// # Errors
    /// `NotFound`, `Store`.
    pub async fn end_with(&self, id: SessionId, event: impl Fn(Timestamp) -> Event) -> Result<Session, Error> {
        self.ledger
            .retry(|mut change| {
                let event = &event;
                async move {
                    let hash = change.find(&SESSION_HASHES, self.organisation, &id).await?.ok_or(Error::NotFound)?;
                    let session = self.forget(&mut change, &hash).await?.ok_or(Error::NotFound)?;
                    let event = event(self.clock.now()).on("session", id, "").detail("user", session.user);
                    change.commit(event).await?;
                    Ok(session)
                }
            })
            .await
    }

    /// Ends all sessions of a user as part of `change` and tells how many. No session of the user can be opened between
    /// this and the commit: one of the two loses the race.
    ///
    /// # Errors
    /// `Store`.
    pub async fn end_all(&self, change: &mut Change, user: UserId) -> Result<usize, Error> {
        let generation = change.find(&GENERATIONS, self.organisation, &user).await?.unwrap_or(0);
        change.put(&GENERATIONS, self.organisation, &user, &(generation + 1))?;
        change.hold(&OPENED, self.organisation, &user).await?;
        let mut ended = 0;
        for row in self.rows_of(user).await? {
            ended += usize::from(self.forget_of(change, user, &row).await?.is_some());
        }
        Ok(ended)
    }

    /// Ends all sessions of a user but one, which goes on under a new id and a new secret, as part of `change`: what rights
    /// changed are never those of a secret that somebody else may know. Tells the secret this once, and how many ended.
    ///
    /// # Errors
    /// `NotFound` when the session has ended meanwhile; `Store`.
    pub async fn renew_alone(&self, change: &mut Change, session: &Session) -> Result<(Secret, Session, usize), Error> {
        let record = self.record_of(change, session.id).await?;
        let ended = self.end_all(change, session.user).await?;
        let (secret, session) = self.renamed(change, record)?;
        Ok((secret, session, ended.saturating_sub(1)))
    }

    /// Ends all sessions of a user but one, as [`renew_alone`](Sessions::renew_alone) does, which goes on with what its user
    /// has shown by now.
    ///
    /// # Errors
    /// `NotFound` when the session has ended meanwhile; `Store`.
    pub async fn renew_alone_as(
        &self,
        change: &mut Change,
        session: &Session,
        presence: Presence,
    ) -> Result<(Secret, Session, usize), Error> {
        let record = self.record_of(change, session.id).await?;
        let ended = self.end_all(change, session.user).await?;
        let (secret, session) = self.renamed(change, record.with(presence))?;
        Ok((secret, session, ended.saturating_sub(1)))
    }

    /// Lets a session go on under a new id and a new secret with what its user has shown by now, as part of `change`: who
    /// had the old secret has nothing of the new rights. Tells the secret this once.
    ///
    /// # Errors
    /// `NotFound` when the session has ended meanwhile; `Store`.
    pub async fn renew(
        &self,
        change: &mut Change,
        session: &Session,
        presence: Presence,
    ) -> Result<(Secret, Session), Error> {
        let record = self.record_of(change, session.id).await?;
        // Who ends all sessions of the user at this moment wins against this one.
        change.find(&GENERATIONS, self.organisation, &session.user).await?;
        change.add(&OPENED, self.organisation, &session.user, 1);
        let hash = change.find(&SESSION_HASHES, self.organisation, &session.id).await?.ok_or(Error::NotFound)?;
        self.forget(change, &hash).await?.ok_or(Error::NotFound)?;
        self.renamed(change, record.with(presence))
    }

    async fn record_of(&self, change: &mut Change, id: SessionId) -> Result<Record, Error> {
        let hash = change.find(&SESSION_HASHES, self.organisation, &id).await?.ok_or(Error::NotFound)?;
        change.find(&SESSIONS, self.organisation, &hash.into()).await?.ok_or(Error::NotFound)
    }

    fn renamed(&self, change: &mut Change, record: Record) -> Result<(Secret, Session), Error> {
        self.insert(change, &record.renamed(SessionId::new(self.clock.now(), &self.ids)))
    }

    /// Writes a session under a new secret.
    fn insert(&self, change: &mut Change, record: &Record) -> Result<(Secret, Session), Error> {
        let secret = self.ids.token();
        let hash = self.key.tag(secret.expose().as_bytes());
        let session = record.session(&self.limits);
        self.keep(change, &hash, record)?;
        let ends = Some(session.ends);
        change.put_until(&SESSION_HASHES, self.organisation, &session.id, &hash.into(), ends)?;
        change.put_until(&USER_SESSIONS, self.organisation, &(session.user, session.id), &hash.into(), ends)?;
        if let Some(name) = &session.upstream_session {
            let key = (session.connector.clone(), name.clone(), session.id);
            change.put_until(&UPSTREAM_SESSIONS, self.organisation, &key, &hash.into(), ends)?;
        }
        Ok((secret, session))
    }

    /// Ends the sessions that a connector's upstream calls by this name (SAML single logout, OpenID back-channel logout)
    /// as part of `change` and tells which.
    ///
    /// # Errors
    /// `Store`.
    pub async fn end_upstream(&self, change: &mut Change, connector: &SourceId, name: &str) -> Result<usize, Error> {
        let prefix = UPSTREAM_SESSIONS.prefix(self.organisation, &(connector.clone(), name.to_owned()));
        let mut ended = 0;
        for row in self.index(prefix).await? {
            ended += usize::from(self.forget(change, &row.hash).await?.is_some());
            change.delete(&SESSION_HASHES, self.organisation, &row.id);
            change.delete(&UPSTREAM_SESSIONS, self.organisation, &(connector.clone(), name.to_owned(), row.id));
        }
        Ok(ended)
    }

    /// Removes what has ended by idleness, and of too many sessions the oldest, where a user is about to get one more.
    async fn make_room(&self, change: &mut Change, user: UserId, now: Timestamp) -> Result<(), Error> {
        let rows = self.rows_of(user).await?;
        if rows.len() < MAX_PER_USER {
            return Ok(());
        }
        let hashes: Vec<[u8; 32]> = rows.iter().map(|row| row.hash).collect();
        let mut is_live = Vec::with_capacity(rows.len());
        for hashes in hashes.chunks(MAX_PAGE) {
            let records = self.ledger.store().find_many(&SESSIONS, self.organisation, hashes).await?;
            let live = |record: Option<Record>| record.is_some_and(|r| !r.session(&self.limits).has_ended(now));
            is_live.extend(records.into_iter().map(live));
        }
        let mut too_many = (is_live.iter().filter(|live| **live).count() + 1).saturating_sub(MAX_PER_USER);
        for (row, is_live) in rows.iter().zip(is_live) {
            if is_live {
                if too_many == 0 {
                    continue;
                }
                too_many -= 1;
            }
            if let Some(ended) = self.forget_of(change, user, row).await? {
                let actor = Actor::System { task: "sessions".to_owned() };
                let event = Event::new(now, EventKind::SessionEnded, &actor).on("session", ended.id, "");
                let reason = format!("the user has {MAX_PER_USER} newer ones");
                change.also(event.detail("user", user).detail("reason", reason));
            }
        }
        Ok(())
    }

    /// Deletes the rows of a session of a user, also those that a session leaves behind that has ended by idleness;
    /// `None` for such a one.
    async fn forget_of(&self, change: &mut Change, user: UserId, row: &IndexRow) -> Result<Option<Session>, Error> {
        let ended = self.forget(change, &row.hash).await?;
        change.delete(&SESSION_HASHES, self.organisation, &row.id);
        change.delete(&USER_SESSIONS, self.organisation, &(user, row.id));
        Ok(ended)
    }

    /// Deletes a session's rows; `None` when it had ended already.
    async fn forget(&self, change: &mut Change, hash: &[u8; 32]) -> Result<Option<Session>, Error> {
        let Some(record) = change.find(&SESSIONS, self.organisation, hash).await? else { return Ok(None) };
        let session = record.session(&self.limits);
        change.delete(&SESSIONS, self.organisation, hash);
        change.delete(&SESSION_HASHES, self.organisation, &session.id);
        change.delete(&USER_SESSIONS, self.organisation, &(session.user, session.id));
        if let Some(name) = &session.upstream_session {
            let key = (session.connector.clone(), name.clone(), session.id);
            change.delete(&UPSTREAM_SESSIONS, self.organisation, &key);
        }
        Ok((!session.has_ended(self.clock.now())).then_some(session))
    }

    fn keep(&self, change: &mut Change, hash: &[u8; 32], record: &Record) -> Result<(), Error> {
        let session = record.session(&self.limits);
        let until = session.idle_until.min(session.ends);
        Ok(change.put_until(&SESSIONS, self.organisation, hash, record, Some(until))?)
    }

    async fn note_use(&self, mut change: Change, hash: &[u8; 32], now: Timestamp) -> Result<(), Error> {
        if let Some(record) = change.find(&SESSIONS, self.organisation, hash).await? {
            self.keep(&mut change, hash, &record.seen_at(now))?;
            change.commit_quietly(Housekeeping::LastSeen).await?;
        }
        Ok(())
    }

    /// Every session of a user that has not reached its absolute limit, oldest first.
    async fn rows_of(&self, user: UserId) -> Result<Vec<IndexRow>, Error> {
        self.index(USER_SESSIONS.prefix(self.organisation, &user)).await
    }

    /// Every row of an index below `prefix`, page by page.
    async fn index(&self, prefix: Vec<u8>) -> Result<Vec<IndexRow>, Error> {
        let mut range = Range::prefix(prefix, MAX_PAGE);
        let mut found = Vec::new();
        loop {
            let rows = self.ledger.store().range(range.clone()).await?;
            found.extend(index_rows(&rows)?);
            match rows.last() {
                Some((last, _)) if rows.len() == MAX_PAGE => range = range.after(last),
                _ => return Ok(found),
            }
        }
    }

    async fn resolve(&self, hashes: Vec<[u8; 32]>) -> Result<Vec<Session>, Error> {
        let now = self.clock.now();
        let mut sessions = Vec::new();
        for hashes in hashes.chunks(MAX_PAGE) {
            let found = self.ledger.store().find_many(&SESSIONS, self.organisation, hashes).await?;
            let found = found.into_iter().flatten().map(|record| record.session(&self.limits));
            sessions.extend(found.filter(|session| !session.has_ended(now)));
        }
        Ok(sessions)
    }
}

/// A row of one of the indexes, all of which end with the session's id.
struct IndexRow {
    id: SessionId,
    hash: [u8; 32],
}

impl Session {
    fn has_ended(&self, now: Timestamp) -> bool {
        now >= self.idle_until || now >= self.ends
    }
}

fn index_rows(rows: &[store::Row]) -> Result<Vec<IndexRow>, Error> {
    let parse = |(key, row): &store::Row| {
        let id = SessionId::from_bytes(SESSION_HASHES.suffix(key)?);
        let hash: ByteArray<32> = store::decode(SESSION_HASHES.name(), &row.value)?;
        Ok(IndexRow { id, hash: hash.into() })
    };
    rows.iter().map(parse).collect()
}
