//! Changes: optimistic transactions that carry their event.

use std::collections::BTreeMap;
use std::future::Future;
use std::ops::Bound;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::{Event, Life};
use crate::model::OrganisationId;
use crate::store::{
    Batch, Check, Committed, Error, Expect, Key, Range, Retryable, Row, Store, Table, Write, Writer, decode, encode,
};

/// How often a change that loses a race is run in all.
const MAX_ATTEMPTS: usize = 16;
/// How long a change that lost a race waits for its turn before it tries without.
const MAX_WAIT: Duration = Duration::from_secs(5);

/// Rows that a commit calls for because of the rows that it writes.
pub trait Follow: Send + Sync {
    /// The writes that go with a commit that writes under these keys.
    ///
    /// # Errors
    /// `Corrupt` when a row cannot be encoded.
    fn follow(&self, keys: &mut dyn Iterator<Item = &[u8]>) -> Result<Vec<Write>, Error>;
}

/// The way to write. Cloning shares the one writer.
#[derive(Clone)]
pub struct Ledger {
    store: Store,
    writer: Arc<Writer>,
    /// Changes that lost a race take turns, first come, first served: among many writers of one record each would
    /// otherwise lose to another one in every round until its attempts are used up.
    turns: Arc<Semaphore>,
    follower: Arc<OnceLock<Arc<dyn Follow>>>,
    life: Arc<OnceLock<Life>>,
}

/// Why a write leaves no event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Housekeeping {
    /// An access token of a client: short-lived, and nothing that its client could not do.
    AccessToken,
    /// Removal of what has expired.
    Expiry,
    /// The step of a one-time code that was shown: it is not taken again. What it opened has its own event.
    Factor,
    /// Rows that lead to records of releases before, and change none of them.
    Index,
    /// A moment of last use.
    LastSeen,
    /// Which run of the program writes to the store.
    Life,
    /// A pending login, a claimed assertion id: short-lived state before anything happened.
    Login,
    /// A mail is tried: whether it was sent or given up is an event.
    Mail,
    /// A password's hash made anew with other costs; the password is the same.
    Rehash,
    /// Whose seat a change of accounts or grants makes another one: the change has its event.
    Seats,
    /// A cursor or status of a source whose events tell of the changes themselves.
    SourceState,
}

impl Ledger {
    /// Takes the writing half over.
    pub fn new(store: Store, writer: Writer) -> Self {
        let (turns, follower, life) = (Arc::new(Semaphore::new(1)), Arc::default(), Arc::default());
        Self { store, writer: Arc::new(writer), turns, follower, life }
    }

    /// Says which life of the store this is, before anything is built that asks for it; the first who says so.
    pub fn live(&self, life: Life) {
        self.life.get_or_init(|| life);
    }

    /// Which life of the store this is.
    pub fn life(&self) -> Life {
        self.life.get().copied().unwrap_or_default()
    }

    /// Lets every commit from now on be followed; the first who asks.
    pub fn follow(&self, follower: Arc<dyn Follow>) {
        self.follower.get_or_init(|| follower);
    }

    /// The reading half.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Starts a change.
    pub fn change(&self) -> Change {
        Change {
            ledger: self.clone(),
            checks: BTreeMap::new(),
            writes: BTreeMap::new(),
            adds: BTreeMap::new(),
            events: Vec::new(),
            organisation: OrganisationId::DEFAULT,
        }
    }

    /// Runs `operation` until it does not lose a race, at most 16 times. The closure must have no effect besides the
    /// change that it is given.
    ///
    /// ```text
    /// ledger.retry(|mut change| async move {
    ///     let user = change.find(&USERS, organisation, &id).await?.ok_or(Error::NotFound)?;
    ///     change.put(&USERS, organisation, &id, &renamed(user))?;
    ///     change.commit(event).await?;
    ///     Ok(())
    /// }).await
    /// ```
    ///
    /// # Errors
    /// What the operation returns; a lost race only after the last attempt.
    pub async fn retry<T, E, F>(&self, operation: impl Fn(Change) -> F) -> Result<T, E>
    where
        E: Retryable,
        F: Future<Output = Result<T, E>>,
    {
        let mut attempt = 1;
        let mut turn = None;
        loop {
            match operation(self.change()).await {
                Err(error) if error.is_lost_race() && attempt < MAX_ATTEMPTS => {
                    attempt += 1;
                    match turn {
                        Some(_) => tokio::task::yield_now().await,
                        None => turn = timeout(MAX_WAIT, self.turns.acquire()).await.ok().and_then(Result::ok),
                    }
                }
                result => return result,
            }
        }
    }

    /// Records an event that changes nothing else: a refusal, a failed sign-in.
    ///
    /// # Errors
    /// As [`Change::commit`].
    pub async fn record(&self, event: Event) -> Result<Committed, Error> {
        self.change().commit(event).await
    }
}

/// Reads and writes that take effect together. What was read must be unchanged at the commit; what was written is
/// seen by later reads of the same change.
pub struct Change {
    ledger: Ledger,
    checks: BTreeMap<Vec<u8>, Expect>,
    writes: BTreeMap<Vec<u8>, Write>,
    adds: BTreeMap<Vec<u8>, i64>,
    events: Vec<Event>,
    /// In which organisation records are written: that of the events.
    organisation: OrganisationId,
}

impl Change {
    /// The record under `key`, as this change would leave it.
    ///
    /// # Errors
    /// `Corrupt`, `Unavailable`.
    pub async fn find<K: Key + ?Sized, V>(
        &mut self,
        table: &Table<K, V>,
        organisation: OrganisationId,
        key: &K,
    ) -> Result<Option<V>, Error>
    where
        V: for<'b> minicbor::Decode<'b, ()>,
    {
        let key = table.key(organisation, key);
        match self.writes.get(&key) {
            Some(Write::Put { value, .. }) => return decode(table.name(), value).map(Some),
            Some(_) => return Ok(None),
            None => {}
        }
        let stored = self.ledger.store.engine().get(&key).await?;
        let expect = stored.as_ref().map_or(Expect::Absent, |s| Expect::Version(s.version));
        // Two reads of one key in one change must have seen the same value: the first one's version is what counts.
        self.checks.entry(key).or_insert(expect);
        stored.map(|s| decode(table.name(), &s.value)).transpose()
    }

    /// Makes the commit fail when the row under `key`, a counter too, is written by anybody else from now on.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn hold<K: Key + ?Sized, V>(
        &mut self,
        table: &Table<K, V>,
        organisation: OrganisationId,
        key: &K,
    ) -> Result<(), Error> {
        let key = table.key(organisation, key);
        let stored = self.ledger.store.engine().get(&key).await?;
        self.checks.entry(key).or_insert(stored.map_or(Expect::Absent, |stored| Expect::Version(stored.version)));
        Ok(())
    }

    /// Rows of a range as stored. What is found is not checked at the commit: read again by `find` what matters.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn range(&self, range: Range) -> Result<Vec<Row>, Error> {
        self.ledger.store.range(range).await
    }

    /// What this change would do to the rows under a prefix so far: each key, and whether there would be a row.
    pub fn pending<'a>(&'a self, prefix: &'a [u8]) -> impl Iterator<Item = (&'a [u8], bool)> + 'a {
        let rows = self.writes.range::<[u8], _>((Bound::Included(prefix), Bound::Unbounded));
        let rows = rows.take_while(move |(key, _)| key.starts_with(prefix));
        rows.map(|(key, write)| (key.as_slice(), matches!(write, Write::Put { .. })))
    }

    /// Sets a record.
    ///
    /// # Errors
    /// `Corrupt` when it cannot be encoded.
    pub fn put<K: Key + ?Sized, V: minicbor::Encode<()>>(
        &mut self,
        table: &Table<K, V>,
        organisation: OrganisationId,
        key: &K,
        value: &V,
    ) -> Result<(), Error> {
        self.put_until(table, organisation, key, value, None)
    }

    /// Sets a record that counts as absent from `expires` on.
    ///
    /// # Errors
    /// `Corrupt` when it cannot be encoded.
    pub fn put_until<K: Key + ?Sized, V: minicbor::Encode<()>>(
        &mut self,
        table: &Table<K, V>,
        organisation: OrganisationId,
        key: &K,
        value: &V,
        expires: Option<crate::clock::Timestamp>,
    ) -> Result<(), Error> {
        self.settle(organisation);
        let key = table.key(organisation, key);
        let value = encode(table.name(), value)?;
        self.writes.insert(key.clone(), Write::Put { key, value, expires });
        Ok(())
    }

    /// Removes a record.
    pub fn delete<K: Key + ?Sized, V>(&mut self, table: &Table<K, V>, organisation: OrganisationId, key: &K) {
        self.settle(organisation);
        let key = table.key(organisation, key);
        self.writes.insert(key.clone(), Write::Delete { key });
    }

    /// What is the daemon's own is kept under the default organisation, beside the records of any.
    fn settle(&mut self, organisation: OrganisationId) {
        if organisation != OrganisationId::DEFAULT {
            self.organisation = organisation;
        }
    }

    /// Adds to a kept counter, whose value no commit checks.
    pub fn add<K: Key + ?Sized>(&mut self, table: &Table<K, i64>, organisation: OrganisationId, key: &K, delta: i64) {
        *self.adds.entry(table.key(organisation, key)).or_insert(0) += delta;
    }

    /// One more event of the same change, before the one that `commit` takes.
    pub fn also(&mut self, event: Event) {
        self.events.push(event);
    }

    /// Whether nothing would be written.
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty() && self.adds.is_empty() && self.events.is_empty()
    }

    /// Applies the change and records what happened, both or neither.
    ///
    /// # Errors
    /// `Conflict` when something that was read has changed since; `TooLarge`, `Unavailable`.
    pub async fn commit(mut self, event: Event) -> Result<Committed, Error> {
        self.events.push(event);
        self.send().await
    }

    /// Applies the change with the events that `also` was given, everything or nothing.
    ///
    /// # Errors
    /// As `commit`; `Unavailable` when something would be written and nothing told of it.
    pub async fn commit_told(self) -> Result<Committed, Error> {
        if self.events.is_empty() {
            return Err(Error::Unavailable { reason: "a change without an event".to_owned() });
        }
        self.send().await
    }

    /// Applies a change that leaves no event, for the named reason. Events given by `also` are recorded all the same.
    ///
    /// # Errors
    /// As `commit`.
    pub async fn commit_quietly(self, _why: Housekeeping) -> Result<Committed, Error> {
        self.send().await
    }

    async fn send(mut self) -> Result<Committed, Error> {
        if let Some(follower) = self.ledger.follower.get() {
            let follows = follower.follow(&mut self.writes.keys().map(Vec::as_slice))?;
            for write in follows {
                if let Write::Put { key, .. } = &write {
                    self.writes.insert(key.clone(), write);
                }
            }
        }
        if self.organisation != OrganisationId::DEFAULT {
            self.events.iter_mut().for_each(|event| event.organisation = Some(self.organisation));
        }
        let events = self.events.iter().map(|event| encode("log", event)).collect::<Result<Vec<_>, _>>()?;
        let adds = self.adds.into_iter().filter(|(_, delta)| *delta != 0).map(|(key, delta)| Write::Add { key, delta });
        let batch = Batch {
            checks: self.checks.into_iter().map(|(key, expect)| Check { key, expect }).collect(),
            writes: self.writes.into_values().chain(adds).collect(),
            events,
        };
        self.ledger.writer.commit(batch).await
    }
}
