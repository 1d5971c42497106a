//! Failed attempts: policy (pure) and durable counters.
//!
//! An attempt is counted before the password is looked at, in a commit of its own, under the id that never changes: a
//! crash, a rolled-back sign-in, a second spelling of the name or two hundred tries at once give no extra try. What an
//! attempt was is told afterwards; an attempt of which nothing is told counts as failed.
//!
//! Names that belong to nobody are counted and locked alike, in a bounded number of places keyed by a keyed hash, so that
//! a lock does not tell whether an account exists. A lock stops this way of proving who one is; sessions and single
//! sign-on go on.

mod binds;
mod devices;
mod policy;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, MutexGuard};

pub use binds::{Bind, BindBudget};
use devices::{COUNTS, Counts};
pub use devices::{Device, DeviceId, LIFETIME as DEVICE_LIFETIME, MAX_DEVICES, NotADevice, Recognised};
use policy::{Admission, State};
pub use policy::{Policy, UnknownPreset};

use crate::access::Permit;
use crate::audit::{Change, Event, EventKind, Housekeeping, Ledger, Outcome};
use crate::clock::{Clock, Timestamp};
use crate::model::{Actor, Circumstance, FoldedName, OrganisationId, UserId, UserName};
use crate::secret::MacKey;
use crate::store::{self, Range, Table, decode};

/// Attempts on accounts.
const ATTEMPTS: Table<UserId, State> = Table::new(0x30, "attempts");
/// Attempts on names of nobody, by place.
const PHANTOMS: Table<u64, State> = Table::new(0x31, "attempts on unknown names");
/// Attempts at the second factors of accounts: a lock of one is no lock of the password, and the other way round.
const FACTORS: Table<UserId, State> = Table::new(0x33, "attempts at factors");
/// How many places there are: at most this many rows, whatever is tried.
const PHANTOM_PLACES: u64 = 1 << 18;

/// Into how many lines attempts queue up.
const LINES: usize = 64;

/// Why no attempt was admitted or told.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// So many attempts at the same time that this one could not be counted. It must not go on.
    #[error("too many attempts at the same time")]
    Busy,
    /// Locked. To be told to nobody but administrators: from outside it looks like a wrong password.
    #[error("locked until {until}")]
    Locked {
        /// When the next attempt is admitted, if nobody tries before.
        until: Timestamp,
    },
    /// The store does not answer; the attempt must not go on.
    #[error(transparent)]
    Store(store::Error),
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::Conflict => Self::Busy,
            error => Self::Store(error),
        }
    }
}

impl store::Retryable for Error {
    fn is_lost_race(&self) -> bool {
        matches!(self, Self::Busy)
    }
}

/// On what an attempt is made.
#[derive(Clone, Copy, Debug)]
pub enum Subject<'a> {
    /// A name that belongs to nobody.
    Nobody(&'a FoldedName),
    /// An account, and its name for the ledger.
    User(UserId, &'a UserName),
    /// The second factors of an account, and its name for the ledger.
    Factor(UserId, &'a UserName),
    /// An account, its name for the ledger, and the device from which it is tried: counted apart where the account knows
    /// the device, with everybody's where it does not.
    From(UserId, &'a UserName, DeviceId),
}

#[derive(Clone, Debug)]
enum Place {
    Device(UserId, UserName, DeviceId),
    Phantom(u64),
    User(UserId, UserName),
    Factor(UserId, UserName),
}

/// An admitted and counted attempt. Dropping it without telling how it ended leaves it counted as failed.
#[derive(Debug)]
#[must_use = "an attempt that is not told counts as failed"]
pub struct Attempt {
    place: Place,
    ticket: policy::Ticket,
    circumstance: Circumstance,
}

impl Attempt {
    /// On what it is counted, a word for metrics.
    pub fn kind(&self) -> &'static str {
        match self.place {
            Place::Device(..) => "device",
            Place::Factor(..) => "factor",
            Place::Phantom(_) => "nobody",
            Place::User(..) => "password",
        }
    }
}

/// How an account stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LockState {
    /// Attempts that count as failed since the last success.
    pub failures: u32,
    /// Until when no attempt is admitted; `None` when one is.
    pub locked_until: Option<Timestamp>,
    /// When the last attempt was counted.
    pub last: Timestamp,
}

/// How the counters of an account stand; `None` where nothing has failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Locks {
    /// Its password.
    pub password: Option<LockState>,
    /// Its second factors.
    pub factor: Option<LockState>,
    /// Its password, tried from known devices: the one that failed most.
    pub device: Option<LockState>,
}

/// The counters of one organisation. Cloning shares the store.
#[derive(Clone)]
pub struct Lockout {
    ledger: Ledger,
    lines: Arc<[Mutex<()>; LINES]>,
    clock: Clock,
    organisation: OrganisationId,
    key: MacKey,
    device_key: MacKey,
    policy: Policy,
}

impl Lockout {
    /// Counters by this policy; `key` hides which unknown names were tried.
    pub fn new(ledger: Ledger, clock: Clock, organisation: OrganisationId, key: &MacKey, policy: Policy) -> Self {
        let lines = Arc::new(std::array::from_fn(|_| Mutex::default()));
        let device_key = key.derive("known devices");
        Self { ledger, lines, clock, organisation, key: key.derive("lockout"), device_key, policy }
    }

    /// The policy in force.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Counts an attempt, durably, before anything is verified. Of any number of attempts at the same time at most as
    /// many are admitted as the policy has.
    ///
    /// # Errors
    /// `Locked`, `Busy`, `Store`: in each case nothing may be verified.
    pub async fn reserve(&self, subject: Subject<'_>, circumstance: &Circumstance) -> Result<Attempt, Error> {
        let place = match subject {
            Subject::Nobody(name) => Place::Phantom(self.place(name)),
            Subject::User(id, name) => Place::User(id, name.clone()),
            Subject::Factor(id, name) => Place::Factor(id, name.clone()),
            Subject::From(id, name, device) if self.is_known(id, device).await? => {
                Place::Device(id, name.clone(), device)
            }
            Subject::From(id, name, _) => Place::User(id, name.clone()),
        };
        let place_ref = &place;
        let _turn = self.turn(&place).await;
        let outcome = self
            .ledger
            .retry(|mut change| async move {
                let now = self.clock.now();
                let state = self.load(&mut change, place_ref).await?;
                match state.reserve(&self.policy, now) {
                    Admission::Admitted(state, ticket) => {
                        self.save(&mut change, place_ref, &state).await?;
                        change.commit_quietly(Housekeeping::Login).await?;
                        Ok::<_, Error>(Ok(ticket))
                    }
                    Admission::Refused { state, until, is_changed, is_news } => {
                        if is_changed {
                            self.save(&mut change, place_ref, &state).await?;
                        }
                        if is_news {
                            self.announce(&mut change, place_ref, circumstance, now, until);
                        }
                        if !change.is_empty() {
                            change.commit_quietly(Housekeeping::Login).await?;
                        }
                        Ok(Err(until))
                    }
                }
            })
            .await?;
        match outcome {
            Ok(ticket) => Ok(Attempt { place, ticket, circumstance: circumstance.clone() }),
            Err(until) => Err(Error::Locked { until }),
        }
    }

    /// Tells that the attempt was right: what failed before it is forgotten. What was tried at the same time is not, so
    /// that one who knows the password cannot be used to get more tries.
    ///
    /// # Errors
    /// `Busy`, `Store`.
    pub async fn succeed(&self, attempt: Attempt) -> Result<(), Error> {
        self.settle(attempt, State::succeed).await
    }

    async fn settle(&self, attempt: Attempt, end: impl Fn(State) -> State) -> Result<(), Error> {
        let (attempt, end) = (&attempt, &end);
        let _turn = self.turn(&attempt.place).await;
        self.ledger
            .retry(|mut change| async move {
                let state = self.load(&mut change, &attempt.place).await?;
                if !state.knows(&attempt.ticket) {
                    return Ok(());
                }
                let state = end(state);
                if state.is_clear() {
                    self.forget(&mut change, &attempt.place).await?;
                } else {
                    self.save(&mut change, &attempt.place, &state).await?;
                }
                change.commit_quietly(Housekeeping::Login).await?;
                Ok(())
            })
            .await
    }

    /// Tells that nothing was verified, for want of time or of a directory: it was no attempt, and tells nobody anything.
    ///
    /// # Errors
    /// `Busy`, `Store`.
    pub async fn release(&self, attempt: Attempt) -> Result<(), Error> {
        self.settle(attempt, State::release).await
    }

    /// Tells that the attempt was wrong; it stays counted. Gives until when the account is locked now, if it is, and
    /// records the lock.
    ///
    /// # Errors
    /// `Busy`, `Store`.
    pub async fn fail(&self, attempt: Attempt) -> Result<Option<Timestamp>, Error> {
        let attempt = &attempt;
        let _turn = self.turn(&attempt.place).await;
        self.ledger
            .retry(|mut change| async move {
                let now = self.clock.now();
                let state = self.load(&mut change, &attempt.place).await?;
                if !state.knows(&attempt.ticket) {
                    return Ok(state.locked_until(&self.policy, now));
                }
                let (state, is_news) = state.fail(&self.policy, now);
                let until = state.locked_until(&self.policy, now);
                self.save(&mut change, &attempt.place, &state).await?;
                if let (Some(until), true) = (until, is_news) {
                    self.announce(&mut change, &attempt.place, &attempt.circumstance, now, until);
                }
                change.commit_quietly(Housekeeping::Login).await?;
                Ok(until)
            })
            .await
    }

    /// Ends the locks of an account, of its password and of its factors, and forgets failed attempts; `false` when there was nothing to forget.
    ///
    /// # Errors
    /// `Busy`, `Store`.
    pub async fn clear(&self, permit: &Permit, user: UserId, name: &UserName) -> Result<bool, Error> {
        self.ledger
            .retry(|mut change| async move {
                let password = change.find(&ATTEMPTS, self.organisation, &user).await?;
                let factor = change.find(&FACTORS, self.organisation, &user).await?;
                let device = change.find(&COUNTS, self.organisation, &user).await?;
                let has_binds = self.has_binds(&mut change, user).await?;
                if password.is_none() && factor.is_none() && device.is_none() && !has_binds {
                    return Ok(false);
                }
                self.forget_counts_in(&mut change, user);
                let event = permit.event(self.clock.now(), EventKind::LockCleared).on("user", user, name);
                change.commit(event).await?;
                Ok(true)
            })
            .await
    }

    /// Forgets an account's attempts and devices inside a change of the caller's that deletes the account.
    pub fn forget_in(&self, change: &mut Change, user: UserId) {
        self.forget_counts_in(change, user);
        self.forget_known_in(change, user);
    }

    fn forget_counts_in(&self, change: &mut Change, user: UserId) {
        self.forget_attempts_in(change, user);
        change.delete(&FACTORS, self.organisation, &user);
    }

    /// Forgets an account's attempts on its password, from wherever, inside a change of the caller's that sets another
    /// one.
    pub fn forget_attempts_in(&self, change: &mut Change, user: UserId) {
        change.delete(&ATTEMPTS, self.organisation, &user);
        change.delete(&COUNTS, self.organisation, &user);
        self.forget_binds_in(change, user);
    }

    /// How the factors of an account stand; `None` when nothing has failed.
    ///
    /// # Errors
    /// `Store`.
    pub async fn find_factor(&self, user: UserId) -> Result<Option<LockState>, Error> {
        let state = self.ledger.store().find(&FACTORS, self.organisation, &user).await?;
        Ok(state.map(|state: State| self.view(&state)))
    }

    /// How the password of an account stands; `None` when nothing has failed.
    ///
    /// # Errors
    /// `Store`.
    pub async fn find(&self, user: UserId) -> Result<Option<LockState>, Error> {
        let state = self.ledger.store().find(&ATTEMPTS, self.organisation, &user).await?;
        Ok(state.map(|state: State| self.view(&state)))
    }

    /// Accounts with failed attempts, by id, from after `after` on.
    ///
    /// # Errors
    /// `Store`.
    pub async fn list(&self, after: Option<UserId>, limit: usize) -> Result<Vec<(UserId, Locks)>, Error> {
        let mut found: BTreeMap<UserId, Locks> = BTreeMap::new();
        for (user, state) in self.rows(&ATTEMPTS, after, limit).await? {
            found.entry(user).or_default().password = Some(self.view(&state));
        }
        for (user, state) in self.rows(&FACTORS, after, limit).await? {
            found.entry(user).or_default().factor = Some(self.view(&state));
        }
        for (user, counts) in self.rows(&COUNTS, after, limit).await? {
            let worst =
                counts.states().map(|state| self.view(state)).max_by_key(|view| (view.locked_until, view.failures));
            found.entry(user).or_default().device = worst;
        }
        Ok(found.into_iter().take(limit).collect())
    }

    async fn rows<V: for<'b> minicbor::Decode<'b, ()>>(
        &self,
        table: &Table<UserId, V>,
        after: Option<UserId>,
        limit: usize,
    ) -> Result<Vec<(UserId, V)>, Error> {
        let mut range = Range::prefix(table.prefix(self.organisation, &()), limit);
        if let Some(after) = after {
            range = range.after(&table.key(self.organisation, &after));
        }
        let rows = self.ledger.store().range(range).await?;
        let read = |(key, stored): &store::Row| {
            let state: V = decode(table.name(), &stored.value)?;
            Ok((UserId::from_bytes(table.suffix(key)?), state))
        };
        rows.iter().map(read).collect()
    }

    fn view(&self, state: &State) -> LockState {
        let now = self.clock.now();
        LockState { failures: state.counted(), locked_until: state.locked_until(&self.policy, now), last: state.last() }
    }

    fn place(&self, name: &FoldedName) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.key.tag(name.as_str().as_bytes());
        u64::from_be_bytes([a, b, c, d, e, f, g, h]) % PHANTOM_PLACES
    }

    /// Waits until nobody else of this program counts at this place, first come, first served. The count is right without
    /// it; it spares two hundred attempts at once from losing two hundred races.
    async fn turn(&self, place: &Place) -> Option<MutexGuard<'_, ()>> {
        match place {
            Place::Phantom(place) => self.line(*place).await,
            Place::User(id, _) | Place::Factor(id, _) | Place::Device(id, ..) => self.turn_of(*id).await,
        }
    }

    async fn turn_of(&self, user: UserId) -> Option<MutexGuard<'_, ()>> {
        let number =
            user.as_bytes().iter().fold(0, |sum: u64, byte| sum.wrapping_mul(31).wrapping_add(u64::from(*byte)));
        self.line(number).await
    }

    async fn line(&self, number: u64) -> Option<MutexGuard<'_, ()>> {
        let line = usize::try_from(number % (1 << 16)).unwrap_or(0) % LINES;
        Some(self.lines.get(line)?.lock().await)
    }

    async fn load(&self, change: &mut Change, place: &Place) -> Result<State, store::Error> {
        let state = match place {
            Place::Phantom(place) => change.find(&PHANTOMS, self.organisation, place).await?,
            Place::User(id, _) => change.find(&ATTEMPTS, self.organisation, id).await?,
            Place::Factor(id, _) => change.find(&FACTORS, self.organisation, id).await?,
            Place::Device(id, _, device) => self.counts(change, *id).await?.of(*device),
        };
        Ok(state.unwrap_or_default())
    }

    async fn counts(&self, change: &mut Change, user: UserId) -> Result<Counts, store::Error> {
        Ok(change.find(&COUNTS, self.organisation, &user).await?.unwrap_or_default())
    }

    async fn save_device(
        &self,
        change: &mut Change,
        (user, device): (UserId, DeviceId),
        state: Option<State>,
    ) -> Result<(), store::Error> {
        let counts = self.counts(change, user).await?.with(device, state);
        match counts.states().map(|state| state.forgotten_at(&self.policy)).max() {
            Some(expires) => change.put_until(&COUNTS, self.organisation, &user, &counts, Some(expires)),
            None => {
                change.delete(&COUNTS, self.organisation, &user);
                Ok(())
            }
        }
    }

    async fn save(&self, change: &mut Change, place: &Place, state: &State) -> Result<(), store::Error> {
        let expires = Some(state.forgotten_at(&self.policy));
        match place {
            Place::Phantom(place) => change.put_until(&PHANTOMS, self.organisation, place, state, expires),
            Place::User(id, _) => change.put_until(&ATTEMPTS, self.organisation, id, state, expires),
            Place::Factor(id, _) => change.put_until(&FACTORS, self.organisation, id, state, expires),
            Place::Device(id, _, device) => self.save_device(change, (*id, *device), Some(*state)).await,
        }
    }

    async fn forget(&self, change: &mut Change, place: &Place) -> Result<(), store::Error> {
        match place {
            Place::Device(id, _, device) => return self.save_device(change, (*id, *device), None).await,
            Place::Phantom(place) => change.delete(&PHANTOMS, self.organisation, place),
            Place::User(id, _) => change.delete(&ATTEMPTS, self.organisation, id),
            Place::Factor(id, _) => change.delete(&FACTORS, self.organisation, id),
        }
        Ok(())
    }

    /// A lock of an account is an event; one of a name that belongs to nobody is none, it has nobody to tell of.
    fn announce(&self, change: &mut Change, place: &Place, from: &Circumstance, at: Timestamp, until: Timestamp) {
        let (id, name, what) = match place {
            Place::Phantom(_) => return,
            Place::User(id, name) => (id, name, "password"),
            Place::Factor(id, name) => (id, name, "factor"),
            Place::Device(id, name, _) => (id, name, "password from a known device"),
        };
        let event = Event::new(at, EventKind::LockSet, &Actor::Anonymous)
            .outcome(Outcome::Succeeded)
            .within(from)
            .on("user", id, name)
            .detail("until", until)
            .detail("of", what);
        change.also(event);
    }
}

/// How long an attempt may take until it counts as failed for want of an answer.
const LONGEST_ATTEMPT: Duration = Duration::from_secs(60);
