//! Passwords and second factors ([`Factors`]).
//!
//! Passwords: Argon2id on threads of its own, a policy that names what is missing, and one record per user.
//!
//! A password is never kept, printed or given back; the record holds its Argon2id hash in the PHC string form. Checking
//! one for a user that has none, or for nobody, costs the same as for one that has. Whether an attempt may be made at all
//! is [`lockout`](crate::lockout)'s to say, before.

mod base32;
mod calibrate;
mod demands;
mod factors;
mod hasher;
pub mod passkey;
mod phc;
mod policy;
mod recovery;
mod totp;

use std::time::Duration;

use minicbor::bytes::ByteArray;
use minicbor::{Decode, Encode};
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

pub use calibrate::calibrate;
pub use demands::{Demands, KeptDemand};
pub use factors::{Added, Enrolled, Enrolment, Factors, NewCodes, Offer};
pub use hasher::{Hasher, Lane};
pub use phc::Cost;
pub use policy::{PasswordPolicy, Rules, UnknownPreset, Unmet};

use crate::access::Permit;
use crate::audit::{Change, Event, EventKind, Housekeeping, Ledger};
use crate::clock::{Clock, Timestamp};
use crate::model::{OrganisationId, User, UserId, Value};
use crate::secret::{IdSource, Secret};
use crate::store::{self, Table};

/// The password of a user.
const PASSWORDS: Table<UserId, Password> = Table::new(0x38, "passwords");

/// Longest password in bytes of UTF-8; longer ones are refused before hashing.
pub const MAX_PASSWORD_BYTES: usize = 4096;

/// Why a password was not set or not checked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// More passwords wait to be hashed than a second's work; nothing was checked.
    #[error("too many passwords are being checked")]
    Busy {
        /// When to try again.
        retry_after: Duration,
    },
    /// The password does not satisfy the policy.
    #[error("the password {}", list(unmet))]
    Invalid {
        /// Every part that is not met.
        unmet: Vec<Unmet>,
    },
    /// A stored hash cannot be read, or hashing failed for want of memory.
    #[error("the password cannot be checked: {reason}")]
    Corrupt {
        /// What is wrong.
        reason: String,
    },
    /// The store does not answer.
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl store::Retryable for Error {
    fn is_lost_race(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_lost_race())
    }
}

fn list(unmet: &[Unmet]) -> String {
    unmet.iter().map(Unmet::to_string).collect::<Vec<_>>().join(", ")
}

/// A user's password as kept.
#[derive(Clone, Encode, Decode)]
#[cbor(map)]
struct Password {
    /// PHC string.
    #[n(0)]
    hash: String,
    /// When it was set.
    #[n(1)]
    set: Timestamp,
    /// It must be changed at the next sign-in.
    #[n(2)]
    must_change: bool,
    /// Random, made anew each time that a password is set; another hash of the same password keeps it.
    #[n(3)]
    mark: Option<ByteArray<16>>,
    /// It was long enough only because its user had a second factor then; absent otherwise.
    #[n(4)]
    needs_factor: Option<bool>,
}

impl Password {
    fn version(&self) -> PasswordVersion {
        PasswordVersion { set: self.set, mark: self.mark }
    }
}

/// Which of the passwords that a user had one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct PasswordVersion {
    #[n(0)]
    set: Timestamp,
    #[n(1)]
    mark: Option<ByteArray<16>>,
}

/// A password that is hashed and not anybody's yet.
#[derive(Clone)]
pub struct Prepared(Password);

impl Prepared {
    /// The same, to be changed at the next sign-in or not.
    #[must_use]
    pub fn must_change(self, must_change: bool) -> Self {
        Self(Password { must_change, ..self.0 })
    }
}

impl std::fmt::Debug for Prepared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Prepared(…)")
    }
}

/// Proof that a user's password was right. Only the check here makes one, and the change from it to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Verified {
    #[n(0)]
    user: UserId,
    #[n(1)]
    must_change: bool,
    #[n(2)]
    version: PasswordVersion,
}

impl Verified {
    /// Whose password it is.
    pub fn user(&self) -> UserId {
        self.user
    }

    /// It must be changed before anything else: by order of an administrator, or for its age.
    pub fn must_change(&self) -> bool {
        self.must_change
    }
}

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The user has no password. From outside it looks like a wrong one.
    NoPassword,
    /// It is the user's.
    Verified(Verified),
    /// It is not.
    Wrong,
}

/// The passwords of one organisation. Cloning shares the store and the threads.
#[derive(Clone)]
pub struct Credentials {
    ledger: Ledger,
    clock: Clock,
    ids: IdSource,
    organisation: OrganisationId,
    hasher: Hasher,
    policy: PasswordPolicy,
    factors: Option<Factors>,
}

impl Credentials {
    /// Passwords by this policy, hashed by these threads.
    pub fn new(
        ledger: Ledger,
        clock: Clock,
        ids: IdSource,
        organisation: OrganisationId,
        hasher: Hasher,
        policy: PasswordPolicy,
    ) -> Self {
        Self { ledger, clock, ids, organisation, hasher, policy, factors: None }
    }

    /// The same, which knows who has a second factor: a policy may ask less of their passwords.
    #[must_use]
    pub fn with_factors(self, factors: Factors) -> Self {
        Self { factors: Some(factors), ..self }
    }

    /// Whether a user has a second factor.
    ///
    /// # Errors
    /// `Corrupt`, `Unavailable`.
    pub async fn has_factor(&self, user: UserId) -> Result<bool, store::Error> {
        match &self.factors {
            Some(factors) => Ok(factors.enrolled(user).await?.is_any()),
            None => Ok(false),
        }
    }

    /// The policy in force.
    pub fn policy(&self) -> &PasswordPolicy {
        &self.policy
    }

    /// Sets a user's password, whoever asks: that the permit's actor may is what the permit proves. With `must_change`
    /// nobody signs in with it; it stands for a password that was given away and must be set anew. Twice at the same time: the later one stays.
    ///
    /// # Errors
    /// `Invalid` with every unmet part, `Busy`, `Store`.
    pub async fn set(&self, permit: &Permit, user: &User, password: &Secret, must_change: bool) -> Result<(), Error> {
        let prepared = &self.prepare_for(user, password, must_change).await?;
        self.ledger
            .retry(|mut change| async move {
                let event = self.set_in(&mut change, permit, user, prepared)?;
                change.commit(event).await?;
                Ok(())
            })
            .await
    }

    /// Hashes a password that satisfies the policy; [`set_in`] sets it, together with whatever else must happen then.
    ///
    /// # Errors
    /// `Invalid` with every unmet part, `Busy`, `Corrupt`.
    ///
    /// [`set_in`]: Credentials::set_in
    pub async fn prepare_for(&self, user: &User, password: &Secret, must_change: bool) -> Result<Prepared, Error> {
        let unmet = self.policy.check(password, &context(user), self.has_factor(user.id).await?);
        if !unmet.is_empty() {
            return Err(Error::Invalid { unmet });
        }
        let Prepared(record) = self.prepare(password, Lane::Interactive).await?;
        let needs_factor = self.policy.needs_factor(password).then_some(true);
        Ok(Prepared(Password { must_change, needs_factor, ..record }))
    }

    /// Hashes a password, whatever the policy says of it: for a source that has a policy of its own. [`set_in`] sets it.
    ///
    /// # Errors
    /// `Invalid` for more than [`MAX_PASSWORD_BYTES`], `Busy`, `Corrupt`.
    ///
    /// [`set_in`]: Credentials::set_in
    pub async fn prepare(&self, password: &Secret, lane: Lane) -> Result<Prepared, Error> {
        let Some(normal) = normalize(password) else {
            return Err(Error::Invalid { unmet: vec![Unmet::TooLong { max_chars: self.policy.max_chars() }] });
        };
        let (cost, salt) = (self.hasher.cost(), self.ids.bytes::<16>());
        let output = self.hasher.hash(lane, cost, salt, normal).await?;
        let hash = phc::render(cost, &salt, &output);
        let mark = Some(self.ids.bytes::<16>().into());
        Ok(Prepared(Password { hash, set: self.clock.now(), must_change: false, mark, needs_factor: None }))
    }

    /// Sets a hashed password inside a change of the caller's, who commits it with the event that this gives.
    ///
    /// # Errors
    /// `Store`.
    pub fn set_in(
        &self,
        change: &mut Change,
        permit: &Permit,
        user: &User,
        prepared: &Prepared,
    ) -> Result<Event, Error> {
        let Prepared(record) = prepared;
        change.put(&PASSWORDS, self.organisation, &user.id, record)?;
        let event = permit.event(record.set, EventKind::PasswordSet);
        Ok(event.on("user", user.id, &user.user_name).detail("must_change", record.must_change))
    }

    /// Has a user choose another password at the next sign-in, or no longer, inside a change of the caller's, who commits it
    /// with the event that this gives. `None` when the user has no password.
    ///
    /// # Errors
    /// `Corrupt`, `Unavailable`.
    pub async fn demand_change_in(
        &self,
        change: &mut Change,
        permit: &Permit,
        user: &User,
        must_change: bool,
    ) -> Result<Option<Event>, store::Error> {
        let record: Option<Password> = change.find(&PASSWORDS, self.organisation, &user.id).await?;
        let Some(record) = record else { return Ok(None) };
        let before = record.must_change;
        change.put(&PASSWORDS, self.organisation, &user.id, &Password { must_change, ..record })?;
        let event = permit.event(self.clock.now(), EventKind::DemandChanged).on("user", user.id, &user.user_name);
        Ok(Some(event.detail("password change before", before).detail("password change after", must_change)))
    }

    /// Puts a hashed password in the place of the one that was verified, inside a change of the caller's: who knows the
    /// old one may. `None` when the old one is no longer the user's.
    ///
    /// # Errors
    /// `Store`.
    pub async fn change_in(
        &self,
        change: &mut Change,
        verified: &Verified,
        prepared: &Prepared,
    ) -> Result<Option<Verified>, store::Error> {
        if !self.is_current(change, verified).await? {
            return Ok(None);
        }
        let Prepared(record) = prepared;
        change.put(&PASSWORDS, self.organisation, &verified.user, record)?;
        Ok(Some(Verified { user: verified.user, must_change: record.must_change, version: record.version() }))
    }

    /// Hashes a password that a user chose: it satisfies the policy and is another than the present one.
    ///
    /// # Errors
    /// `Invalid` with every unmet part, `Busy`, `Corrupt`, `Store`.
    pub async fn prepare_choice(&self, user: &User, password: &Secret) -> Result<Prepared, Error> {
        let unmet = self.policy.check(password, &context(user), self.has_factor(user.id).await?);
        if !unmet.is_empty() {
            return Err(Error::Invalid { unmet });
        }
        if let Verdict::Verified(_) = self.verify(Some(user.id), password, Lane::Interactive).await? {
            return Err(Error::Invalid { unmet: vec![Unmet::Unchanged] });
        }
        let Prepared(record) = self.prepare(password, Lane::Interactive).await?;
        let needs_factor = self.policy.needs_factor(password).then_some(true);
        Ok(Prepared(Password { needs_factor, ..record }))
    }

    /// Checks a password; `None` for a name that belongs to nobody, which takes as long as a wrong one. A right one whose
    /// hash was made with other costs than today's is hashed anew if there is time for it.
    ///
    /// # Errors
    /// `Busy`: nothing was checked; `Corrupt`, `Store`.
    pub async fn verify(&self, user: Option<UserId>, password: &Secret, lane: Lane) -> Result<Verdict, Error> {
        let Some(normal) = normalize(password) else { return Ok(Verdict::Wrong) };
        let store = self.ledger.store();
        let record = match user {
            Some(user) => store.find(&PASSWORDS, self.organisation, &user).await?,
            None => None,
        };
        let (Some(user), Some(record)) = (user, record) else {
            self.hasher.hash(lane, self.hasher.cost(), [0; 16], normal).await?;
            return Ok(if user.is_some() { Verdict::NoPassword } else { Verdict::Wrong });
        };
        let stored = phc::parse(&record.hash).map_err(|reason| Error::Corrupt { reason: reason.to_owned() })?;
        let output = self.hasher.hash(lane, stored.cost, stored.salt, normal.clone()).await?;
        if !phc::matches(&stored.output, &output) {
            return Ok(Verdict::Wrong);
        }
        if stored.cost != self.hasher.cost() {
            self.rehash(user, &record, normal).await?;
        }
        let is_old = self.policy.expires_after().is_some_and(|age| self.clock.now() >= record.set.plus(age));
        let must_change = record.must_change || self.is_outgrown(user, &record, is_old).await?;
        Ok(Verdict::Verified(Verified { user, must_change, version: record.version() }))
    }

    /// Whether a password is no longer enough: too old, or too short for somebody who has no second factor any more.
    async fn is_outgrown(&self, user: UserId, record: &Password, is_old: bool) -> Result<bool, store::Error> {
        let needs_factor = record.needs_factor == Some(true);
        if is_old && self.policy.expires_with_factor() {
            return Ok(true);
        }
        Ok((is_old || needs_factor) && !self.has_factor(user).await?)
    }

    /// Whether the password that was verified is still the user's, as part of a change that fails when it is replaced
    /// before the commit: checking takes long enough for somebody to set another one meanwhile.
    ///
    /// # Errors
    /// `Corrupt`, `Unavailable`.
    pub async fn is_current(&self, change: &mut Change, verified: &Verified) -> Result<bool, store::Error> {
        let now = change.find(&PASSWORDS, self.organisation, &verified.user).await?;
        Ok(now.is_some_and(|now: Password| now.version() == verified.version))
    }

    /// Which password a user has, as part of a change that fails when it is another by then; `None` for none.
    ///
    /// # Errors
    /// `Corrupt`, `Unavailable`.
    pub async fn version_in(&self, change: &mut Change, user: UserId) -> Result<Option<PasswordVersion>, store::Error> {
        let record = change.find(&PASSWORDS, self.organisation, &user).await?;
        Ok(record.map(|record: Password| record.version()))
    }

    /// Whether a user has a password, and whether it must be changed.
    ///
    /// # Errors
    /// `Store`.
    pub async fn find(&self, user: UserId) -> Result<Option<Standing>, Error> {
        let record = self.ledger.store().find(&PASSWORDS, self.organisation, &user).await?;
        Ok(record.map(|record: Password| Standing { set: record.set, must_change: record.must_change }))
    }

    /// Removes a user's password inside a change of the caller's that deletes the user.
    pub fn forget_in(&self, change: &mut Change, user: UserId) {
        change.delete(&PASSWORDS, self.organisation, &user);
    }

    /// The same password with today's costs. When the threads are busy it waits for another sign-in; when the record was
    /// changed meanwhile, the change stays.
    async fn rehash(&self, user: UserId, old: &Password, normal: Zeroizing<String>) -> Result<(), Error> {
        let (cost, salt) = (self.hasher.cost(), self.ids.bytes::<16>());
        let output = match self.hasher.hash(Lane::Background, cost, salt, normal).await {
            Ok(output) => output,
            Err(Error::Busy { .. }) => return Ok(()),
            Err(error) => return Err(error),
        };
        let mut change = self.ledger.change();
        match change.find(&PASSWORDS, self.organisation, &user).await? {
            Some(now) if now.hash == old.hash => {
                change.put(
                    &PASSWORDS,
                    self.organisation,
                    &user,
                    &Password { hash: phc::render(cost, &salt, &output), ..now },
                )?;
            }
            _ => return Ok(()),
        }
        match change.commit_quietly(Housekeeping::Rehash).await {
            Ok(_) | Err(store::Error::Conflict) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// What may be told about a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// When it was set.
    pub set: Timestamp,
    /// It must be changed at the next sign-in.
    pub must_change: bool,
}

/// The form that is hashed: NFC, so that two keyboards give one password. `None` when it is too long.
fn normalize(password: &Secret) -> Option<Zeroizing<String>> {
    let text = password.expose();
    // Normalising makes a text at most three times as long; the buffer never moves, so that no copy stays behind.
    let mut normal = Zeroizing::new(String::with_capacity(text.len().min(MAX_PASSWORD_BYTES) * 3));
    if text.len() > MAX_PASSWORD_BYTES {
        return None;
    }
    normal.extend(text.nfc());
    Some(normal)
}

/// Words that a user's password must not be built of: login name, names, e-mail address.
fn context(user: &User) -> Vec<&str> {
    let mut words = vec![user.user_name.as_str()];
    words.extend(user.email());
    let name = user.attributes.0.get("name");
    for part in ["givenName", "familyName"] {
        words.extend(name.and_then(|name| name.get(part)).and_then(Value::as_str));
    }
    words
}
