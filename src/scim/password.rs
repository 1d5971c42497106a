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
use crate::audit::{EventKind, Ledger};
use crate::clock::Clock;
use crate::config::Passwords;
use crate::credential::{self, Credentials, Lane, Prepared};
use crate::directory;
use crate::model::{SourceId, User};
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

/// Whose password is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Account {
    /// Somebody who may be signed in: that ends.
    Known,
    /// Somebody who was just created.
    New,
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

    /// Sets a password. One commit with its event; the sessions of somebody who is known end with it.
    ///
    /// # Errors
    /// `Unavailable`.
    pub(super) async fn keep_password(
        &self,
        permit: &Permit,
        user: &User,
        prepared: Option<&Prepared>,
        account: Account,
    ) -> Result<(), Error> {
        let (Some(keeper), Some(prepared)) = (&self.keeper, prepared) else { return Ok(()) };
        keeper
            .ledger
            .retry(|mut change| async move {
                // Somebody who was deleted meanwhile gets no password.
                let user = &self.directory.user_in(&mut change, user.id).await?;
                let event = keeper.credentials.set_in(&mut change, permit, user, prepared)?;
                if account == Account::Known {
                    let ended = keeper.sessions.end_all(&mut change, user.id).await?;
                    if ended > 0 {
                        let told = permit.event(keeper.clock.now(), EventKind::SessionEnded);
                        let told = told.on("user", user.id, &user.user_name);
                        change.also(told.detail("reason", "password set").detail("sessions", ended));
                    }
                }
                change.commit(event).await?;
                Ok(())
            })
            .await
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
