//! Second factors: what a person has enrolled, whether a code of theirs is right, and that it is right once. Passkeys are in
//! [`passkey`].
//!
//! A seed is kept sealed under a key of its own, bound to the row that it is in; a recovery code as a keyed hash. Neither
//! is ever given back. A code is used up in a commit of its own before anything follows from it: of two browsers that send
//! one code at the same time one is refused. Whether a code may be tried at all is [`lockout`](crate::lockout)'s to say,
//! before.

use std::time::Duration;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use minicbor::bytes::{ByteArray, ByteVec};
use minicbor::{Decode, Encode};
use zeroize::Zeroizing;

use super::passkey::{self, Challenges};
use super::recovery;
use super::totp::{self, SEED_BYTES, Seed};
use crate::audit::{Change, Event, EventKind, Housekeeping, Ledger, Life};
use crate::clock::{Clock, Timestamp};
use crate::model::{Actor, Circumstance, FactorKind, OrganisationId, User, UserId};
use crate::secret::{IdSource, MacKey, SealKey, Secret};
use crate::store::{self, Table};

/// The seeds of one-time codes.
const SEEDS: Table<UserId, SeedRow> = Table::new(0x39, "one-time code seeds");
/// Recovery codes that are left.
const RECOVERY: Table<UserId, RecoveryRow> = Table::new(0x3c, "recovery codes");
/// How long a person may take to confirm a seed that was offered.
const OFFERED_FOR: Duration = Duration::from_secs(15 * 60);
/// Longest text that is looked at as a code, in bytes.
const MAX_CODE_BYTES: usize = 64;

#[derive(Clone, Debug, Encode, Decode)]
#[cbor(map)]
pub(super) struct SeedRow {
    /// The seed, sealed for this row.
    #[n(0)]
    sealed: ByteVec,
    #[n(1)]
    created: Timestamp,
    /// The last step whose code was taken.
    #[n(2)]
    last_step: u64,
}

#[derive(Clone, Debug, Encode, Decode)]
#[cbor(map)]
struct RecoveryRow {
    /// Keyed hashes of the codes that are left.
    #[n(0)]
    hashes: Vec<ByteArray<32>>,
    #[n(1)]
    created: Timestamp,
}

/// What a person has enrolled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Enrolled {
    /// Since when an authenticator app.
    pub code: Option<Timestamp>,
    /// How many passkeys.
    pub passkeys: usize,
    /// When the recovery codes were made.
    pub recovery_made: Option<Timestamp>,
    /// How many recovery codes are left.
    pub recovery_codes: usize,
}

impl Enrolled {
    /// Whether there is a second factor. Recovery codes alone are none: they stand in for one.
    pub fn is_any(&self) -> bool {
        self.code.is_some() || self.passkeys > 0
    }
}

/// A seed that is offered and nobody's yet.
pub struct Offer {
    seed: Seed,
    handle: String,
}

impl Offer {
    /// The seed in base32, for typing.
    pub fn text(&self) -> Secret {
        self.seed.text()
    }

    /// The address that apps read from a picture: `otpauth://totp/ISSUER:NAME?secret=…`.
    pub fn address(&self, issuer: &str, name: &str) -> Secret {
        let plain = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let (issuer, name) = (plain(issuer).replace('+', "%20"), plain(name).replace('+', "%20"));
        let seed = self.text();
        let rest = "algorithm=SHA1&digits=6&period=30";
        Secret::new(format!("otpauth://totp/{issuer}:{name}?secret={}&issuer={issuer}&{rest}", seed.expose()))
    }

    /// What brings the offer back with the code: sealed for the person and the place where it was made.
    pub fn handle(&self) -> &str {
        &self.handle
    }
}

/// A factor whose owner has shown that they have it, and the recovery codes that come with it.
pub struct Enrolment {
    pub(super) what: What,
    pub(super) recovery: NewCodes,
}

/// What is enrolled.
pub(super) enum What {
    App(SeedRow),
    Passkey(passkey::Record),
}

/// How an enrolment ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// Not at all: there is one already, or there are too many.
    Not,
    /// The recovery codes that the person had stay in force.
    Alone,
    /// The recovery codes of the enrolment are in force.
    WithCodes,
}

impl Enrolment {
    /// Of which kind it is.
    pub const fn kind(&self) -> FactorKind {
        match self.what {
            What::App(_) => FactorKind::Code,
            What::Passkey(_) => FactorKind::Passkey,
        }
    }

    /// The recovery codes, to be shown this once.
    pub fn codes(&self) -> &[Secret] {
        &self.recovery.shown
    }
}

/// Recovery codes that are nobody's yet.
pub struct NewCodes {
    shown: Vec<Secret>,
    hashes: Vec<ByteArray<32>>,
}

impl NewCodes {
    /// The codes, to be shown this once.
    pub fn codes(&self) -> &[Secret] {
        &self.shown
    }
}

/// The second factors of one organisation. Cloning shares the store.
#[derive(Clone)]
pub struct Factors {
    pub(super) ledger: Ledger,
    pub(super) clock: Clock,
    pub(super) ids: IdSource,
    pub(super) organisation: OrganisationId,
    seeds: SealKey,
    offers: SealKey,
    codes: MacKey,
    pub(super) challenges: Challenges,
    pub(super) credentials: MacKey,
    life: Life,
}

impl Factors {
    /// Factors under keys derived from the installation's.
    pub fn new(ledger: Ledger, master: &MacKey, clock: Clock, ids: IdSource, organisation: OrganisationId) -> Self {
        let life = ledger.life();
        Self {
            ledger,
            clock,
            ids,
            organisation,
            seeds: master.seal_key("one-time code seeds"),
            offers: life.key(master).seal_key("offers of one-time code seeds"),
            codes: master.derive("recovery codes"),
            challenges: Challenges::new(&life.key(master)),
            credentials: master.derive("passkeys by credential"),
            life,
        }
    }

    /// The recovery codes of a person, unless some of them may have been used after the copy was made that is the store now.
    async fn recovery_in(&self, change: &mut Change, user: UserId) -> Result<Option<RecoveryRow>, store::Error> {
        let row: Option<RecoveryRow> = change.find(&RECOVERY, self.organisation, &user).await?;
        Ok(row.filter(|row| !self.life.voids(row.created)))
    }

    /// What a person has enrolled.
    ///
    /// # Errors
    /// `Corrupt`, `Unavailable`.
    pub async fn enrolled(&self, user: UserId) -> Result<Enrolled, store::Error> {
        self.enrolled_in(&mut self.ledger.change(), user).await
    }

    /// What a person has enrolled, as part of a change that fails when it is another by then.
    ///
    /// # Errors
    /// `Corrupt`, `Unavailable`.
    pub async fn enrolled_in(&self, change: &mut Change, user: UserId) -> Result<Enrolled, store::Error> {
        let seed: Option<SeedRow> = change.find(&SEEDS, self.organisation, &user).await?;
        let recovery = self.recovery_in(change, user).await?;
        Ok(Enrolled {
            code: seed.map(|row| row.created),
            passkeys: self.count_passkeys_in(change, user).await?,
            recovery_made: recovery.as_ref().map(|row| row.created),
            recovery_codes: recovery.map_or(0, |row| row.hashes.len()),
        })
    }

    /// Whether a text is a code of this person, of their app or for recovery, and uses it up: a commit of its own, before
    /// anything follows from it. `None` when it is none, or no longer.
    ///
    /// # Errors
    /// `Conflict`, `Corrupt`, `Unavailable`: the code may be used up.
    pub async fn check_code(
        &self,
        user: &User,
        presented: &Secret,
        circumstance: &Circumstance,
    ) -> Result<Option<FactorKind>, store::Error> {
        if presented.expose().len() > MAX_CODE_BYTES {
            return Ok(None);
        }
        let recovery = &recovery::hash_of(&self.codes, user.id, presented.expose());
        let digits = Zeroizing::new(presented.expose().split_ascii_whitespace().collect::<String>());
        let digits = &digits;
        self.ledger
            .retry(|change| async move {
                match recovery {
                    Some(hash) => self.spend_recovery(change, user, hash, circumstance).await,
                    None => self.spend_step(change, user.id, digits).await,
                }
            })
            .await
    }

    async fn spend_step(
        &self,
        mut change: Change,
        user: UserId,
        digits: &str,
    ) -> Result<Option<FactorKind>, store::Error> {
        let Some(row) = change.find(&SEEDS, self.organisation, &user).await? else { return Ok(None) };
        let seed = self.open(user, &row)?;
        // Which steps were taken after the copy was made that is the store now, nobody knows.
        let last = row.last_step.max(self.life.since().map_or(0, totp::last_of));
        let Some(step) = seed.step_of(digits, self.clock.now(), Some(last)) else { return Ok(None) };
        change.put(&SEEDS, self.organisation, &user, &SeedRow { last_step: step, ..row })?;
        change.commit_quietly(Housekeeping::Factor).await?;
        Ok(Some(FactorKind::Code))
    }

    async fn spend_recovery(
        &self,
        mut change: Change,
        user: &User,
        hash: &ByteArray<32>,
        circumstance: &Circumstance,
    ) -> Result<Option<FactorKind>, store::Error> {
        let Some(mut row) = self.recovery_in(&mut change, user.id).await? else { return Ok(None) };
        let before = row.hashes.len();
        row.hashes.retain(|kept| kept != hash);
        if row.hashes.len() == before {
            return Ok(None);
        }
        change.put(&RECOVERY, self.organisation, &user.id, &row)?;
        let event = Event::new(self.clock.now(), EventKind::FactorUsed, &Actor::Anonymous)
            .within(circumstance)
            .on("user", user.id, &user.user_name)
            .detail("factor", FactorKind::Recovery.name())
            .detail("left", row.hashes.len());
        change.commit(event).await?;
        Ok(Some(FactorKind::Recovery))
    }

    /// Offers a new seed. It is kept nowhere: what comes back with the code carries it, sealed for this person and this
    /// `place`, which is the secret of a session or of a sign-in under way.
    ///
    /// # Errors
    /// `Unavailable` when it cannot be sealed.
    pub fn offer(&self, user: UserId, place: &Secret) -> Result<Offer, store::Error> {
        let seed = Seed::new(self.ids.bytes());
        let until = self.clock.now().plus(OFFERED_FOR).as_millis().to_be_bytes();
        let plain = Zeroizing::new([&until[..], seed.bytes()].concat());
        let sealed = self.offers.seal(&self.ids, &offer_place(user, place), &plain).ok_or_else(unsealable)?;
        Ok(Offer { seed, handle: BASE64_URL_SAFE_NO_PAD.encode(sealed) })
    }

    /// The offer that was made to this person at this place, if it is not too old.
    pub fn offered(&self, user: UserId, place: &Secret, handle: &str) -> Option<Offer> {
        let sealed = BASE64_URL_SAFE_NO_PAD.decode(handle).ok()?;
        let plain = self.offers.open(&offer_place(user, place), &sealed)?;
        let (until, seed) = plain.split_first_chunk::<8>()?;
        if self.clock.now() >= Timestamp::from_millis(i64::from_be_bytes(*until)) {
            return None;
        }
        Some(Offer { seed: Seed::from_slice(seed)?, handle: handle.to_owned() })
    }

    /// Makes an enrolment of an offer, when the code is the app's of this moment; `None` when it is not.
    ///
    /// # Errors
    /// `Unavailable` when the seed cannot be sealed.
    pub fn confirm(&self, user: UserId, offer: &Offer, code: &Secret) -> Result<Option<Enrolment>, store::Error> {
        let now = self.clock.now();
        let digits = Zeroizing::new(code.expose().split_ascii_whitespace().collect::<String>());
        let Some(last_step) = offer.seed.step_of(&digits, now, None) else { return Ok(None) };
        let place = SEEDS.key(self.organisation, &user);
        let sealed = self.seeds.seal(&self.ids, &place, offer.seed.bytes()).ok_or_else(unsealable)?;
        let row = SeedRow { sealed: sealed.into(), created: now, last_step };
        Ok(Some(Enrolment { what: What::App(row), recovery: self.new_codes(user) }))
    }

    /// Enrols a factor inside a change of the caller's. With an app come new recovery codes, with a passkey where there are
    /// none.
    ///
    /// # Errors
    /// `Corrupt`, `Unavailable`.
    pub async fn enrol_in(
        &self,
        change: &mut Change,
        user: UserId,
        enrolment: &Enrolment,
    ) -> Result<Added, store::Error> {
        match &enrolment.what {
            What::App(row) => {
                if change.find(&SEEDS, self.organisation, &user).await?.is_some() {
                    return Ok(Added::Not);
                }
                change.put(&SEEDS, self.organisation, &user, row)?;
            }
            What::Passkey(record) => {
                if !self.add_in(change, user, record).await? {
                    return Ok(Added::Not);
                }
                if self.recovery_in(change, user).await?.is_some() {
                    return Ok(Added::Alone);
                }
            }
        }
        self.put_codes_in(change, user, &enrolment.recovery)?;
        Ok(Added::WithCodes)
    }

    /// New recovery codes for a person, in force once [`put_codes_in`](Factors::put_codes_in) is committed.
    pub fn new_codes(&self, user: UserId) -> NewCodes {
        let (shown, hashes) = recovery::make(&self.ids, &self.codes, user);
        NewCodes { shown, hashes }
    }

    /// Puts recovery codes in the place of those that a person had, inside a change of the caller's.
    ///
    /// # Errors
    /// `Corrupt`.
    pub fn put_codes_in(&self, change: &mut Change, user: UserId, codes: &NewCodes) -> Result<(), store::Error> {
        let row = RecoveryRow { hashes: codes.hashes.clone(), created: self.clock.now() };
        change.put(&RECOVERY, self.organisation, &user, &row)
    }

    /// Removes the app inside a change of the caller's, and with the last factor the recovery codes, which stand in for it;
    /// `false` when there is none.
    ///
    /// # Errors
    /// `Corrupt`, `Unavailable`.
    pub async fn remove_app_in(&self, change: &mut Change, user: UserId) -> Result<bool, store::Error> {
        let had = change.find(&SEEDS, self.organisation, &user).await?.is_some();
        if had {
            change.delete(&SEEDS, self.organisation, &user);
            self.drop_idle_codes_in(change, user).await?;
        }
        Ok(had)
    }

    /// Removes the app, the passkeys and the recovery codes inside a change of the caller's; `false` when there is neither
    /// app nor passkey.
    ///
    /// # Errors
    /// `Corrupt`, `Unavailable`.
    pub async fn remove_in(&self, change: &mut Change, user: UserId) -> Result<bool, store::Error> {
        let had_passkeys = self.remove_passkeys_in(change, user).await? > 0;
        let had_app = self.remove_app_in(change, user).await?;
        self.drop_idle_codes_in(change, user).await?;
        Ok(had_app || had_passkeys)
    }

    /// Removes recovery codes that no factor is left for.
    pub(super) async fn drop_idle_codes_in(&self, change: &mut Change, user: UserId) -> Result<(), store::Error> {
        if !self.enrolled_in(change, user).await?.is_any() {
            change.delete(&RECOVERY, self.organisation, &user);
        }
        Ok(())
    }

    /// Removes whatever a person has enrolled, and what is demanded of them, inside a change of the caller's that deletes the
    /// account.
    ///
    /// # Errors
    /// `Corrupt`, `Unavailable`.
    pub async fn forget_in(&self, change: &mut Change, user: UserId) -> Result<(), store::Error> {
        self.remove_passkeys_in(change, user).await?;
        change.delete(&SEEDS, self.organisation, &user);
        change.delete(&RECOVERY, self.organisation, &user);
        self.forget_demand_in(change, user);
        Ok(())
    }

    fn open(&self, user: UserId, row: &SeedRow) -> Result<Seed, store::Error> {
        let plain = self.seeds.open(&SEEDS.key(self.organisation, &user), &row.sealed);
        plain.as_deref().and_then(|plain| Seed::from_slice(plain)).ok_or_else(|| store::Error::Corrupt {
            table: SEEDS.name(),
            reason: "a seed does not open with this installation's key".to_owned(),
        })
    }
}

fn offer_place(user: UserId, place: &Secret) -> Zeroizing<Vec<u8>> {
    Zeroizing::new([user.as_bytes().as_slice(), place.expose().as_bytes()].concat())
}

fn unsealable() -> store::Error {
    store::Error::Unavailable { reason: format!("a seed of {SEED_BYTES} bytes cannot be sealed") }
}
