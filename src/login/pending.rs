//! A sign-in under way: who somebody is has been proved, and something is still to be shown before there is a session.
//!
//! It is found by the secret of a cookie of its own, which is made anew at each step: a step cannot be played twice, and
//! a cookie that somebody planted before the proof finds nothing. It lives ten minutes.

use std::time::Duration;

use minicbor::{Decode, Encode};

use super::{Error, Login};
use crate::audit::{Change, Housekeeping};
use crate::clock::Timestamp;
use crate::credential::{PasswordVersion, Verified};
use crate::model::{FactorKind, OrganisationId, PasskeyId, SourceId, UserId};
use crate::secret::Secret;
use crate::session::{AtUpstream, Method, SECRET_CHARACTERS};
use crate::store::Table;

/// How long a person may take until the last step, from the proof on.
pub(super) const LIFETIME: Duration = Duration::from_secs(10 * 60);

/// How many codes may be tried in one sign-in; the last wrong one ends it.
const MAX_TRIES: u32 = 5;

/// Sign-ins under way by the keyed hash of their secret.
const PENDING: Table<[u8; 32], Pending> = Table::new(0x53, "sign-ins under way");
/// Every tag of this module with its table's name.
pub(super) const TABLES: [(u8, &str); 1] = [(0x53, PENDING.name())];

/// What proved who somebody is. It is asked again, at each step, whether it still holds.
#[derive(Clone, Debug, Encode, Decode)]
pub(super) enum First {
    /// A one-time link, used up by then.
    #[n(0)]
    Link(#[n(0)] UserId),
    /// A password kept here.
    #[n(1)]
    Password(#[n(0)] Verified),
    /// A connector's word.
    #[n(2)]
    Upstream {
        /// Whose.
        #[n(0)]
        connector: SourceId,
        /// By which protocol.
        #[n(1)]
        method: Method,
        /// The person's id there.
        #[n(2)]
        subject: String,
        /// The session's name there.
        #[n(3)]
        session: Option<String>,
        /// The groups that it named.
        #[n(4)]
        groups: Vec<String>,
        /// By what it knows the person when they sign out.
        #[n(5)]
        at: Option<AtUpstream>,
        /// The address that it gave.
        #[n(6)]
        email: Option<String>,
    },
    /// A passkey of somebody, which verified who holds it.
    #[n(3)]
    Passkey(#[n(0)] UserId, #[n(1)] PasskeyId),
}

/// A sign-in under way.
#[derive(Clone, Debug, Encode, Decode)]
#[cbor(map)]
pub(super) struct Pending {
    /// What proved who it is.
    #[n(0)]
    pub(super) first: First,
    /// Where the sign-in leads to.
    #[n(1)]
    pub(super) return_to: String,
    /// When it ends.
    #[n(2)]
    pub(super) until: Timestamp,
    /// The second factor that was shown.
    #[n(3)]
    pub(super) factor: Option<FactorShown>,
    /// How many codes were tried.
    #[n(4)]
    pub(super) tries: Option<u32>,
    /// Set where a password is chosen by a link, and is not chosen yet.
    #[n(5)]
    pub(super) chooses_password: Option<bool>,
    /// The password that is replaced by the one that is chosen; another one since then ends the sign-in.
    #[n(6)]
    pub(super) replaces: Option<PasswordVersion>,
}

/// A second factor that was shown in a sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(super) struct FactorShown {
    /// Which.
    #[n(0)]
    pub(super) kind: FactorKind,
    /// When.
    #[n(1)]
    pub(super) at: Timestamp,
}

impl Login {
    /// A sign-in that begins now.
    pub(super) fn pending(&self, first: First, return_to: &str) -> Pending {
        let until = self.services.clock.now().plus(LIFETIME);
        Pending {
            first,
            return_to: return_to.to_owned(),
            until,
            factor: None,
            tries: None,
            chooses_password: None,
            replaces: None,
        }
    }

    /// Keeps a sign-in as part of a change, under a new secret.
    pub(super) fn keep_pending(&self, change: &mut Change, pending: &Pending) -> Result<Secret, Error> {
        let secret = self.services.ids.token();
        let key = self.pending_key.tag(secret.expose().as_bytes());
        change.put_until(&PENDING, OrganisationId::DEFAULT, &key, pending, Some(pending.until))?;
        Ok(secret)
    }

    /// Takes a sign-in out as part of a change: whatever the change does, it is not found under this secret again.
    pub(super) async fn take_pending(&self, change: &mut Change, secret: &Secret) -> Result<Pending, Error> {
        let pending = self.find_pending(change, secret).await?;
        change.delete(&PENDING, OrganisationId::DEFAULT, &self.pending_key.tag(secret.expose().as_bytes()));
        Ok(pending)
    }

    /// The sign-in under way of a secret.
    pub(super) async fn find_pending(&self, change: &mut Change, secret: &Secret) -> Result<Pending, Error> {
        let absent = || Error::refused("step", "no sign-in is under way in this browser, or it took too long");
        if secret.expose().len() != SECRET_CHARACTERS {
            return Err(absent());
        }
        let key = self.pending_key.tag(secret.expose().as_bytes());
        let pending = change.find(&PENDING, OrganisationId::DEFAULT, &key).await?.ok_or_else(absent)?;
        if pending.until <= self.services.clock.now() { Err(absent()) } else { Ok(pending) }
    }
    /// Counts a try of a code in the sign-in of a secret, in a commit of its own before the code is looked at, and tells
    /// whether it is the last one.
    ///
    /// # Errors
    /// `Refused` when there is no such sign-in, or none of its tries is left; `Store`.
    pub(super) async fn count_try(&self, secret: &Secret) -> Result<bool, Error> {
        self.services
            .ledger
            .retry(|mut change| async move {
                let mut pending = self.find_pending(&mut change, secret).await?;
                let tries = pending.tries.unwrap_or(0).saturating_add(1);
                if tries > MAX_TRIES {
                    return Err(Error::refused("step", "too many wrong codes in one sign-in"));
                }
                pending.tries = Some(tries);
                let key = self.pending_key.tag(secret.expose().as_bytes());
                change.put_until(&PENDING, OrganisationId::DEFAULT, &key, &pending, Some(pending.until))?;
                change.commit_quietly(Housekeeping::Login).await?;
                Ok(tries == MAX_TRIES)
            })
            .await
    }

    /// Ends the sign-in of a secret, if there is one.
    pub(super) async fn drop_pending(&self, secret: &Secret) -> Result<(), Error> {
        self.services
            .ledger
            .retry(|mut change| async move {
                match self.take_pending(&mut change, secret).await {
                    Ok(_) => change.commit_quietly(Housekeeping::Login).await.map(|_| ()).map_err(Error::from),
                    Err(Error::Refused { .. }) => Ok(()),
                    Err(error) => Err(error),
                }
            })
            .await
    }
}
