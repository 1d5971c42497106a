//! Sessions: signed-in browsers.
//!
//! A session is an opaque 256-bit secret in a cookie and a row under its keyed hash. Checking one costs one read, and none
//! while nothing was written to it since the last check. Opening one takes part in the caller's change, so that session,
//! replay claim and event are committed together. An expired session is as absent as one that never was, and so is one of
//! an older generation of the organisation. Whether its user may still act is the directory's to say, at each request.

mod ending;
mod record;
mod upstream;
mod warm;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use minicbor::bytes::ByteArray;
use minicbor::{Decode, Encode};

use crate::audit::{Change, Event, EventKind, Housekeeping, Ledger};
use crate::clock::{Clock, Timestamp};
use crate::config;
use crate::model::{Actor, OrganisationId, Presence, SessionId, SourceId, UserId};
use crate::secret::{IdSource, MacKey, Secret};
use crate::store::{self, Range, Retryable, Table};

use record::Record;
use upstream::UPSTREAM_SUBJECTS;

pub use upstream::{AtUpstream, Vouched};

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
/// Most users of one page of those who are signed in.
const MAX_USERS: usize = 500;
/// Most sessions that a user has at the same time: opening one more ends the oldest.
pub const MAX_PER_USER: usize = 100;

const SESSIONS: Table<[u8; 32], Record> = Table::new(0x60, "sessions");
const SESSION_HASHES: Table<SessionId, ByteArray<32>> = Table::new(0x61, "session hashes");
const USER_SESSIONS: Table<(UserId, SessionId), ByteArray<32>> = Table::new(0x62, "user sessions");
const UPSTREAM_SESSIONS: Table<(SourceId, String, SessionId), ByteArray<32>> = Table::new(0x63, "upstream sessions");
/// Counts the times that all sessions of a user were ended: an opening reads it, so that it loses against an end that is
/// committed first. Under [`EVERYBODY`] it counts the times that everybody's were: a session keeps the count under which it
/// was opened, and is over once that is not the present one.
const GENERATIONS: Table<UserId, u64> = Table::new(0x64, "session generations");
/// Counts the sessions that a user opened: the end of all of them holds it, so that it loses against an opening that is
/// committed first. Being a counter, it is no point of conflict between two openings.
const OPENED: Table<UserId, i64> = Table::new(0x65, "sessions opened");
/// When somebody signed in last. It stays when the session has ended.
const LAST_SIGN_IN: Table<UserId, Timestamp> = Table::new(0x66, "last sign-ins");
/// Nobody's id, for the generation of the organisation.
const EVERYBODY: UserId = UserId::from_bytes([0; 16]);

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
    /// A passkey, and nothing besides.
    #[n(6)]
    Passkey,
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
            Self::Passkey => "passkey",
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
    /// By what the upstream knows the person when they sign out, here or there.
    pub at_upstream: Option<AtUpstream>,
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
    /// By what the upstream knows the person when they sign out, here or there.
    pub at_upstream: Option<AtUpstream>,
    /// The groups that the connector named at sign-in.
    pub groups: Vec<String>,
    /// How many things its user has shown, and when a second factor last.
    pub presence: Presence,
    /// The generation of the organisation under which it was opened.
    generation: u64,
}

impl Session {
    /// The actor that acts by this session.
    pub fn actor(&self) -> Actor {
        Actor::User { id: self.user, session: self.id, presence: self.presence }
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
    warm: warm::Warm,
}

impl Sessions {
    /// The sessions of the one organisation; `master` is the installation's key.
    pub fn new(ledger: Ledger, master: &MacKey, ids: IdSource, clock: Clock, limits: config::Session) -> Self {
        let (key, organisation) = (master.derive("session"), OrganisationId::DEFAULT);
        Self { ledger, key, ids, clock, limits, organisation, warm: warm::Warm::new() }
    }

    /// Opens a session as part of `change`, whose commit the caller does with its event. The secret is told this once.
    /// Of more than [`MAX_PER_USER`] the oldest ends, with an event of its own.
    ///
    /// # Errors
    /// `Store`. The commit loses the race when all sessions of the user are ended meanwhile.
    pub async fn open(&self, change: &mut Change, user: UserId, details: Details) -> Result<(Secret, Session), Error> {
        let now = self.clock.now();
        change.find(&GENERATIONS, self.organisation, &user).await?;
        let generation = change.find(&GENERATIONS, self.organisation, &EVERYBODY).await?.unwrap_or(0);
        change.add(&OPENED, self.organisation, &user, 1);
        change.put(&LAST_SIGN_IN, self.organisation, &user, &now)?;
        self.make_room(change, user, now).await?;
        let record = Record::new(SessionId::new(now, &self.ids), user, now, details);
        self.insert(change, &record.of_generation(generation))
    }

    /// The session of a cookie's text, `None` when there is none or it is over. One read at most, none while it is kept
    /// ready; a write at most once a minute.
    ///
    /// # Errors
    /// `Store`.
    pub async fn check(&self, presented: &Secret) -> Result<Option<Arc<Session>>, Error> {
        if presented.expose().len() != SECRET_CHARACTERS {
            return Ok(None);
        }
        let hash = self.key.tag(presented.expose().as_bytes());
        let generation = self.generation().await?;
        let Some(mut session) = self.ready(&hash).await? else { return Ok(None) };
        let now = self.clock.now();
        if session.has_ended(now, generation) {
            return Ok(None);
        }
        if now.since(session.last_seen) >= LAST_SEEN_EVERY.min(self.limits.idle / 4) {
            match self.note_use(self.ledger.change(), &hash, now).await {
                Ok(Some(used)) => session = Arc::new(used),
                Ok(None) => return Ok(None),
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

    /// Whether there is a session with this id, as part of a change that fails where it ends before the commit: what is done
    /// by it is done before, or not at all.
    ///
    /// # Errors
    /// `Store`.
    pub async fn holds_in(&self, change: &mut Change, id: SessionId) -> Result<bool, Error> {
        let Some(hash) = change.find(&SESSION_HASHES, self.organisation, &id).await? else { return Ok(false) };
        // Read in the change: whoever ends everybody's sessions deletes none of them.
        let generation = change.find(&GENERATIONS, self.organisation, &EVERYBODY).await?.unwrap_or_default();
        let session = self.find_in(change, &hash.into()).await?;
        Ok(session.is_some_and(|session| !session.has_ended(self.clock.now(), generation)))
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

    /// The sessions of each of these users, in their order, oldest first.
    ///
    /// # Errors
    /// `Store`.
    pub async fn list_of(&self, users: &[UserId]) -> Result<Vec<Vec<Session>>, Error> {
        let mut hashes = Vec::new();
        for user in users {
            hashes.extend(self.rows_of(*user).await?.into_iter().map(|row| row.hash));
        }
        let mut told: Vec<Vec<Session>> = users.iter().map(|_| Vec::new()).collect();
        for session in self.resolve(hashes).await? {
            let place = users.iter().position(|user| *user == session.user).and_then(|place| told.get_mut(place));
            place.into_iter().for_each(|sessions| sessions.push(session.clone()));
        }
        Ok(told)
    }

    /// At most `limit` (500 at most) users behind `after`, by id, who are signed in, and the user to go on from when there
    /// may be more: a page can hold fewer than `limit`. What it costs grows with who is signed in, not with who there is.
    ///
    /// # Errors
    /// `Store`.
    pub async fn users_signed_in(
        &self,
        after: Option<UserId>,
        limit: usize,
    ) -> Result<(Vec<UserId>, Option<UserId>), Error> {
        let mut range = Range::prefix(USER_SESSIONS.prefix(self.organisation, &()), MAX_PAGE);
        if let Some(after) = after {
            range.start = Range::prefix(USER_SESSIONS.prefix(self.organisation, &after), 1).end;
        }
        let rows = self.ledger.store().range(range).await?;
        let user = |key: &[u8]| key.last_chunk::<32>().and_then(|ids| ids.first_chunk::<16>().copied());
        let mut users: Vec<UserId> = rows.iter().filter_map(|(key, _)| user(key)).map(UserId::from_bytes).collect();
        users.dedup();
        let is_more = rows.len() == MAX_PAGE || users.len() > limit.clamp(1, MAX_USERS);
        users.truncate(limit.clamp(1, MAX_USERS));
        let next = users.last().copied().filter(|_| is_more);
        let sessions = self.list_of(&users).await?;
        let live = users.into_iter().zip(sessions).filter(|(_, sessions)| !sessions.is_empty());
        Ok((live.map(|(user, _)| user).collect(), next))
    }

    /// How many sessions there are, those that ended by idleness counted until their rows go. Costs what there are: for
    /// somebody who waits for no answer.
    ///
    /// # Errors
    /// `Store`.
    pub async fn count(&self) -> Result<u64, Error> {
        let mut range = Range::prefix(SESSION_HASHES.prefix(self.organisation, &()), MAX_PAGE);
        let mut count = 0_u64;
        loop {
            let rows = self.ledger.store().range(range.clone()).await?;
            count = count.saturating_add(u64::try_from(rows.len()).unwrap_or(u64::MAX));
            match rows.last() {
                Some((key, _)) if rows.len() >= MAX_PAGE => range = range.after(key),
                _ => return Ok(count),
            }
            tokio::task::yield_now().await;
        }
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
        if let Some(key) = session.subject_key() {
            change.put_until(&UPSTREAM_SUBJECTS, self.organisation, &key, &hash.into(), ends)?;
        }
        Ok((secret, session))
    }

    /// Removes what has ended by idleness, and of too many sessions the oldest, where a user is about to get one more.
    async fn make_room(&self, change: &mut Change, user: UserId, now: Timestamp) -> Result<(), Error> {
        let rows = self.rows_of(user).await?;
        if rows.len() < MAX_PER_USER {
            return Ok(());
        }
        let hashes: Vec<[u8; 32]> = rows.iter().map(|row| row.hash).collect();
        let mut is_live = Vec::with_capacity(rows.len());
        let generation = self.generation().await?;
        for hashes in hashes.chunks(MAX_PAGE) {
            let records = self.ledger.store().find_many(&SESSIONS, self.organisation, hashes).await?;
            let live =
                |record: Option<Record>| record.is_some_and(|r| !r.session(&self.limits).has_ended(now, generation));
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

    /// The session of a hash, ended or not, as a change would leave it.
    async fn find_in(&self, change: &mut Change, hash: &[u8; 32]) -> Result<Option<Session>, Error> {
        let record = change.find(&SESSIONS, self.organisation, hash).await?;
        Ok(record.map(|record| record.session(&self.limits)))
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
        if let Some(key) = session.subject_key() {
            change.delete(&UPSTREAM_SUBJECTS, self.organisation, &key);
        }
        let has_ended = session.has_ended(self.clock.now(), self.generation().await?);
        Ok((!has_ended).then_some(session))
    }

    fn keep(&self, change: &mut Change, hash: &[u8; 32], record: &Record) -> Result<(), Error> {
        let session = record.session(&self.limits);
        let until = session.idle_until.min(session.ends);
        Ok(change.put_until(&SESSIONS, self.organisation, hash, record, Some(until))?)
    }

    /// Writes that a session was used, and tells it; `None` when it is not there any more.
    async fn note_use(&self, mut change: Change, hash: &[u8; 32], now: Timestamp) -> Result<Option<Session>, Error> {
        let Some(record) = change.find(&SESSIONS, self.organisation, hash).await? else { return Ok(None) };
        let record = record.seen_at(now);
        self.keep(&mut change, hash, &record)?;
        change.commit_quietly(Housekeeping::LastSeen).await?;
        Ok(Some(record.session(&self.limits)))
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
        let (now, generation) = (self.clock.now(), self.generation().await?);
        let mut sessions = Vec::new();
        for hashes in hashes.chunks(MAX_PAGE) {
            let found = self.ledger.store().find_many(&SESSIONS, self.organisation, hashes).await?;
            let found = found.into_iter().flatten().map(|record| record.session(&self.limits));
            sessions.extend(found.filter(|session| !session.has_ended(now, generation)));
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
    fn has_ended(&self, now: Timestamp, generation: u64) -> bool {
        now >= self.idle_until || now >= self.ends || self.generation < generation
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
