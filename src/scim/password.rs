//! Passwords that a connection sends, where its section says `passwords = "set"`; everywhere else they are dropped.
//!
//! They are hashed before anything is written, as machines do it, and set whatever the policy for passwords says: who
//! sends them has a policy of its own, and sends throwaway ones to whoever signs in elsewhere. None of them reaches an
//! answer, the log or an event.

use serde_json::Value;

use super::body::Resource;
use super::call::Call;
use super::{Error, Scim};
use crate::access::Permit;
use crate::audit::{Change, EventKind, Ledger};
use crate::clock::Clock;
use crate::config::Passwords;
use crate::credential::{self, Credentials, Lane, Prepared};
use crate::directory::{self, SourceRecord, Staged};
use crate::model::{SourceId, Status, User, UserId};
use crate::secret::Secret;
use crate::session::{self, Sessions};
use crate::store;

/// What setting a password needs.
#[derive(Clone)]
pub struct Keeper {
    /// Where passwords are kept.
    pub credentials: Credentials,
    /// What a new password ends.
    pub sessions: Sessions,
    /// Where both are written.
    pub ledger: Ledger,
    /// The time of the events.
    pub clock: Clock,
}

/// Takes the password out of a canonical resource.
pub(super) fn take(resource: &mut Resource) -> Option<Secret> {
    match resource.remove("password") {
        Some(Value::String(text)) => Some(Secret::new(text)),
        _ => None,
    }
}

impl Scim {
    /// Whether passwords of this connection are set.
    pub(super) fn sets_passwords(&self, source: &SourceId) -> bool {
        self.keeper.is_some() && self.passwords(source) == Passwords::Set
    }

    /// A password that is ready to be set; `None` when there is none, or the connection sets none.
    ///
    /// # Errors
    /// `InvalidValue` for an empty or overlong one, `Unavailable` when too many wait to be hashed.
    pub(super) async fn prepare(&self, call: &Call, password: Option<Secret>) -> Result<Option<Prepared>, Error> {
        let (Some(keeper), Some(password)) = (&self.keeper, password) else { return Ok(None) };
        if !self.sets_passwords(&call.source) {
            return Ok(None);
        }
        if password.expose().is_empty() {
            return Err(Error::InvalidValue("`password` must not be empty".to_owned()));
        }
        Ok(Some(keeper.credentials.prepare(&password, Lane::Background).await?))
    }

    /// Creates a user, with this password where there is one: in one commit.
    ///
    /// # Errors
    /// As [`crate::directory::Directory::create_user`].
    pub(super) async fn write_new(
        &self,
        permit: &Permit,
        record: &SourceRecord,
        prepared: Option<&Prepared>,
    ) -> Result<User, Error> {
        let (Some(keeper), Some(prepared)) = (&self.keeper, prepared) else {
            return Ok(self.directory.create_user(permit, record).await?);
        };
        keeper
            .ledger
            .retry(|mut change| async move {
                let staged = self.directory.create_user_in(&mut change, permit, record).await?;
                keeper.commit(change, permit, staged, prepared).await
            })
            .await
    }

    /// Changes a user, who gets this password where there is one: in one commit, with which the sessions end.
    ///
    /// # Errors
    /// As [`crate::directory::Directory::change_user`].
    pub(super) async fn write_known(
        &self,
        permit: &Permit,
        (id, revision): (UserId, Option<u64>),
        edit: impl Fn(&User, &mut SourceRecord) -> Result<(), Error> + Sync,
        prepared: Option<&Prepared>,
    ) -> Result<User, Error> {
        let (Some(keeper), Some(prepared)) = (&self.keeper, prepared) else {
            return self.directory.change_user(permit, id, revision, edit).await;
        };
        let edit = &edit;
        keeper
            .ledger
            .retry(|mut change| async move {
                let staged = self.directory.change_user_in(&mut change, permit, (id, revision), edit).await?;
                // Of whom is not active, nothing is open: it ends with the account.
                if staged.user.status == Status::Active {
                    let ended = keeper.sessions.end_all(&mut change, id).await?;
                    if ended > 0 {
                        let told = permit.event(keeper.clock.now(), EventKind::SessionEnded);
                        let told = told.on("user", id, &staged.user.user_name);
                        change.also(told.detail("reason", "password set").detail("sessions", ended));
                    }
                }
                keeper.commit(change, permit, staged, prepared).await
            })
            .await
    }
}

impl Keeper {
    /// Commits what was staged of a user, and the password with it.
    async fn commit(
        &self,
        mut change: Change,
        permit: &Permit,
        staged: Staged,
        prepared: &Prepared,
    ) -> Result<User, Error> {
        let set = self.credentials.set_in(&mut change, permit, &staged.user, prepared)?;
        if let Some(event) = staged.event {
            change.also(event);
        }
        change.commit(set).await?;
        Ok(staged.user)
    }
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        Self::Directory(directory::Error::Store(error))
    }
}

impl From<session::Error> for Error {
    fn from(error: session::Error) -> Self {
        match error {
            session::Error::NotFound => Self::NotFound,
            session::Error::Store(error) => error.into(),
        }
    }
}

impl From<credential::Error> for Error {
    fn from(error: credential::Error) -> Self {
        match error {
            credential::Error::Invalid { .. } => Self::InvalidValue("`password` is too long".to_owned()),
            credential::Error::Store(error) => error.into(),
            credential::Error::Busy { .. } => Self::Unavailable,
            credential::Error::Corrupt { reason } => {
                tracing::warn!(reason, "a password that a connection sent could not be hashed");
                Self::Unavailable
            }
        }
    }
}
