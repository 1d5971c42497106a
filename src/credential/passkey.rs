//! Passkeys and security keys (Web Authentication Level 3): what a relying party must hold an answer against, and what is
//! kept.
//!
//! Refused is whatever was made for another page, another challenge, another person or another ceremony, whatever has one
//! byte too many, and a passkey that counted fewer uses than before. No attestation is trusted: who makes a passkey has
//! proved before who they are, and of which make it is, nobody knows. The challenge is ours by a keyed hash, for one
//! browser and ten minutes; that it is used once is for the caller to keep.

mod authenticator_data;
mod ceremony;
mod challenge;
mod client_data;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod key;
mod options;
#[cfg(test)]
mod tests;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use url::{Host, Url};

pub use ceremony::Answer;
pub(super) use challenge::Challenges;
pub use challenge::Place;
pub use options::{creation, request};

use super::Factors;
use super::factors::{Enrolment, What};
use crate::audit::Change;
use crate::clock::Timestamp;
use crate::model::{PasskeyId, UserId};
use crate::secret::{Secret, sha256};
use crate::store::{self, Retryable, Table};

use ceremony::{Known, Registered, authenticate, register};
use client_data::Ceremony;

/// The passkeys of a person.
const PASSKEYS: Table<UserId, Row> = Table::new(0x3a, "passkeys");
/// Whose a credential is, by the keyed hash of its id.
const OWNERS: Table<[u8; 32], UserId> = Table::new(0x3b, "passkeys by credential");

/// Most passkeys of one account.
pub const MAX_PASSKEYS: usize = 20;
/// Longest name of a passkey, in characters.
pub const MAX_NAME_CHARACTERS: usize = 64;
/// What a passkey is called whose owner gave it no name.
const NAMELESS: &str = "Passkey";
/// Longest member of an answer, in bytes.
const MAX_MEMBER_BYTES: usize = 8192;
/// The rule by which a passkey is refused of which there may be a copy.
pub const COPIED: &str = "sign-count";

/// Why an answer is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It breaks a rule.
    #[error("{rule}: {reason}")]
    Refused {
        /// A stable word for queries.
        rule: &'static str,
        /// What is wrong.
        reason: &'static str,
    },
    /// The store's answer.
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl Retryable for Error {
    fn is_lost_race(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_lost_race())
    }
}

const fn refused(rule: &'static str, reason: &'static str) -> Error {
    Error::Refused { rule, reason }
}

/// Base64url without padding, as the JSON forms have it; `None` for anything else, and for more than 8 KiB.
fn base64url(text: &str) -> Option<Vec<u8>> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
    (bytes.len() <= MAX_MEMBER_BYTES).then_some(bytes)
}

/// Whom passkeys are made for: this gateway at its address.
#[derive(Clone, Debug)]
pub struct Party {
    id: String,
    origin: String,
    hash: [u8; 32],
}

impl Party {
    /// The gateway at this address; `None` where its host is an IP address, for which browsers make no passkeys.
    pub fn of(public_url: &Url) -> Option<Self> {
        let Some(Host::Domain(domain)) = public_url.host() else { return None };
        let origin = public_url.origin().ascii_serialization();
        Some(Self { id: domain.to_owned(), origin, hash: sha256(domain.as_bytes()) })
    }

    /// The origin of our pages.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The host, which passkeys are bound to.
    pub fn id(&self) -> &str {
        &self.id
    }
}

#[derive(Clone, Debug, Default, Encode, Decode)]
#[cbor(map)]
struct Row {
    #[n(0)]
    passkeys: Vec<Record>,
}

/// A passkey as stored.
#[derive(Clone, Debug, Encode, Decode)]
#[cbor(map)]
pub(super) struct Record {
    #[n(0)]
    id: PasskeyId,
    #[n(1)]
    credential: ByteVec,
    /// The public key as it came.
    #[n(2)]
    key: ByteVec,
    #[n(3)]
    sign_count: u32,
    #[n(4)]
    is_backup_eligible: bool,
    #[n(5)]
    is_backed_up: bool,
    #[n(6)]
    transports: Vec<String>,
    #[n(7)]
    name: String,
    #[n(8)]
    created: Timestamp,
    #[n(9)]
    last_used: Option<Timestamp>,
    /// Whether it has verified its holder beside another proof; absent: no.
    #[n(10)]
    is_verified: Option<bool>,
}

/// A passkey, as its owner and administrators see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passkey {
    /// Which.
    pub id: PasskeyId,
    /// What its owner calls it.
    pub name: String,
    /// Since when.
    pub created: Timestamp,
    /// When it was shown last.
    pub last_used: Option<Timestamp>,
    /// Whether it is kept on several devices.
    pub is_backed_up: bool,
    credential: Vec<u8>,
    transports: Vec<String>,
}

impl From<Record> for Passkey {
    fn from(record: Record) -> Self {
        Self {
            id: record.id,
            name: record.name,
            created: record.created,
            last_used: record.last_used,
            is_backed_up: record.is_backed_up,
            credential: record.credential.into(),
            transports: record.transports,
        }
    }
}

/// A passkey that was shown.
#[derive(Debug, PartialEq, Eq)]
pub struct PasskeyShown {
    /// Which.
    pub id: PasskeyId,
    /// The challenge that it answered, which the caller must take once only.
    pub challenge: String,
    /// Until when the challenge could be answered.
    pub until: Timestamp,
}

impl Factors {
    /// A challenge for a new passkey of somebody.
    pub fn challenge_to_register(&self, user: UserId, secret: &Secret) -> String {
        let place = Place { user: Some(user), secret };
        self.challenges.make(&self.ids, Ceremony::Registration, &place, self.clock.now())
    }

    /// A challenge for a passkey that there is.
    pub fn challenge_to_show(&self, place: &Place<'_>) -> String {
        self.challenges.make(&self.ids, Ceremony::Authentication, place, self.clock.now())
    }

    /// The passkeys of a person, oldest first.
    ///
    /// # Errors
    /// `Corrupt`, `Unavailable`.
    pub async fn passkeys(&self, user: UserId) -> Result<Vec<Passkey>, store::Error> {
        let row = self.row_in(&mut self.ledger.change(), user).await?;
        Ok(row.passkeys.into_iter().map(Passkey::from).collect())
    }

    /// How many passkeys a person has, as part of a change that fails when there are others by then.
    pub(super) async fn count_passkeys_in(&self, change: &mut Change, user: UserId) -> Result<usize, store::Error> {
        Ok(self.row_in(change, user).await?.passkeys.len())
    }

    /// Whose the passkey of an answer is, `None` when it is nobody's.
    ///
    /// # Errors
    /// `Corrupt`, `Unavailable`.
    pub async fn owner_of(&self, answer: &Answer) -> Result<Option<UserId>, store::Error> {
        self.ledger.store().find(&OWNERS, self.organisation, &self.owner_key(answer.id())).await
    }

    /// Whether a person has this passkey, as part of a change that fails when it is gone by then.
    ///
    /// # Errors
    /// `Corrupt`, `Unavailable`.
    pub async fn has_passkey_in(&self, change: &mut Change, user: UserId, id: PasskeyId) -> Result<bool, store::Error> {
        Ok(self.row_in(change, user).await?.passkeys.iter().any(|passkey| passkey.id == id))
    }

    /// A passkey that was made for somebody in the browser that holds this secret, not kept yet, with recovery codes for
    /// who has none.
    ///
    /// # Errors
    /// `Refused`.
    pub fn passkey(
        &self,
        party: &Party,
        user: UserId,
        secret: &Secret,
        answer: &Answer,
        name: &str,
    ) -> Result<Enrolment, Error> {
        let now = self.clock.now();
        let challenge = answer.challenge(Ceremony::Registration, party)?;
        self.challenges.check(&challenge, Ceremony::Registration, &Place { user: Some(user), secret }, now)?;
        let Registered { id, key, sign_count, is_backup_eligible, is_backed_up, is_verified, transports } =
            register(party, answer)?;
        let record = Record {
            id: PasskeyId::new(now, &self.ids),
            credential: id.into(),
            key: key.into(),
            sign_count,
            is_backup_eligible,
            is_backed_up,
            transports,
            name: name_of(name),
            created: now,
            last_used: None,
            is_verified: Some(is_verified),
        };
        Ok(Enrolment { what: What::Passkey(record), recovery: self.new_codes(user) })
    }

    /// Keeps a passkey inside a change of the caller's; `false` when there are too many, or somebody has this one.
    pub(super) async fn add_in(&self, change: &mut Change, user: UserId, new: &Record) -> Result<bool, store::Error> {
        let mut row = self.row_in(change, user).await?;
        let owner_key = self.owner_key(&new.credential);
        let owner = change.find(&OWNERS, self.organisation, &owner_key).await?;
        if row.passkeys.len() >= MAX_PASSKEYS || owner.is_some() {
            return Ok(false);
        }
        row.passkeys.push(new.clone());
        change.put(&OWNERS, self.organisation, &owner_key, &user)?;
        change.put(&PASSKEYS, self.organisation, &user, &row)?;
        Ok(true)
    }

    /// Checks an answer with a passkey of somebody inside a change of the caller's, which notes the use. `place.user` is
    /// `None` where nothing else proves who it is.
    ///
    /// # Errors
    /// `Refused`, `Store`.
    pub async fn show_passkey_in(
        &self,
        change: &mut Change,
        party: &Party,
        user: UserId,
        place: &Place<'_>,
        answer: &Answer,
    ) -> Result<PasskeyShown, Error> {
        let now = self.clock.now();
        let challenge = answer.challenge(Ceremony::Authentication, party)?;
        let until = self.challenges.check(&challenge, Ceremony::Authentication, place, now)?;
        let mut row = self.row_in(change, user).await?;
        let record = row.passkeys.iter_mut().find(|record| record.credential.as_slice() == answer.id());
        let record = record.ok_or_else(|| refused("credential", "the passkey is none of this account's"))?;
        let known = Known {
            key: &record.key,
            sign_count: record.sign_count,
            is_backup_eligible: record.is_backup_eligible,
            is_verified: record.is_verified == Some(true),
            user: user.as_bytes(),
        };
        let known_to_verify = known.is_verified;
        let shown = authenticate(party, &known, answer, place.user.is_none())?;
        (record.sign_count, record.is_backed_up) = (shown.sign_count, shown.is_backed_up);
        record.is_verified = Some(known_to_verify || (shown.is_verified && place.user.is_some()));
        record.last_used = Some(now);
        let id = record.id;
        change.put(&PASSKEYS, self.organisation, &user, &row)?;
        Ok(PasskeyShown { id, challenge: BASE64_URL_SAFE_NO_PAD.encode(challenge), until })
    }

    /// Gives a passkey another name inside a change of the caller's, and tells both; `None` when there is none.
    ///
    /// # Errors
    /// `Corrupt`, `Unavailable`.
    pub async fn rename_passkey_in(
        &self,
        change: &mut Change,
        user: UserId,
        id: PasskeyId,
        name: &str,
    ) -> Result<Option<(String, String)>, store::Error> {
        let mut row = self.row_in(change, user).await?;
        let Some(record) = row.passkeys.iter_mut().find(|record| record.id == id) else { return Ok(None) };
        let now = name_of(name);
        let before = std::mem::replace(&mut record.name, now.clone());
        change.put(&PASSKEYS, self.organisation, &user, &row)?;
        Ok(Some((before, now)))
    }

    /// Removes a passkey inside a change of the caller's, and the recovery codes with the last factor; its name, or `None`
    /// when there is none.
    ///
    /// # Errors
    /// `Corrupt`, `Unavailable`.
    pub async fn remove_passkey_in(
        &self,
        change: &mut Change,
        user: UserId,
        id: PasskeyId,
    ) -> Result<Option<String>, store::Error> {
        let mut row = self.row_in(change, user).await?;
        let Some(place) = row.passkeys.iter().position(|record| record.id == id) else { return Ok(None) };
        let record = row.passkeys.remove(place);
        change.delete(&OWNERS, self.organisation, &self.owner_key(&record.credential));
        self.put_row_in(change, user, &row)?;
        self.drop_idle_codes_in(change, user).await?;
        Ok(Some(record.name))
    }

    /// Removes every passkey inside a change of the caller's, and tells how many there were.
    pub(super) async fn remove_passkeys_in(&self, change: &mut Change, user: UserId) -> Result<usize, store::Error> {
        let row = self.row_in(change, user).await?;
        for record in &row.passkeys {
            change.delete(&OWNERS, self.organisation, &self.owner_key(&record.credential));
        }
        self.put_row_in(change, user, &Row::default())?;
        Ok(row.passkeys.len())
    }

    async fn row_in(&self, change: &mut Change, user: UserId) -> Result<Row, store::Error> {
        Ok(change.find(&PASSKEYS, self.organisation, &user).await?.unwrap_or_default())
    }

    fn put_row_in(&self, change: &mut Change, user: UserId, row: &Row) -> Result<(), store::Error> {
        if row.passkeys.is_empty() {
            change.delete(&PASSKEYS, self.organisation, &user);
            return Ok(());
        }
        change.put(&PASSKEYS, self.organisation, &user, row)
    }

    fn owner_key(&self, credential: &[u8]) -> [u8; 32] {
        self.credentials.tag(credential)
    }
}

/// A name as it is kept: one line of at most 64 characters, never empty.
fn name_of(text: &str) -> String {
    let line: String = text.chars().filter(|character| !character.is_control()).collect();
    let name: String = line.trim().chars().take(MAX_NAME_CHARACTERS).collect();
    let name = name.trim_end();
    if name.is_empty() { NAMELESS.to_owned() } else { name.to_owned() }
}
