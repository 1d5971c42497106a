//! What belongs to an account beside its record: the directory ends it without knowing the modules that keep it.

use futures_util::future::BoxFuture;

use crate::audit::Change;
use crate::credential::{Credentials, Factors};
use crate::directory;
use crate::lockout::Lockout;
use crate::model::UserId;
use crate::session::{self, Sessions};
use crate::store;

/// Sessions and the last sign-in, the password, second factors and failed attempts.
pub(super) struct Belongings {
    pub(super) credentials: Credentials,
    pub(super) factors: Factors,
    pub(super) lockout: Lockout,
    pub(super) sessions: Sessions,
}

impl directory::Belongings for Belongings {
    fn shut<'a>(&'a self, change: &'a mut Change, user: UserId) -> BoxFuture<'a, Result<usize, store::Error>> {
        Box::pin(async move {
            self.sessions.end_all(change, user).await.map_err(|error| match error {
                session::Error::Store(error) => error,
                other @ session::Error::NotFound => store::Error::Unavailable { reason: other.to_string() },
            })
        })
    }

    fn forget(&self, change: &mut Change, user: UserId) {
        self.credentials.forget_in(change, user);
        self.factors.forget_in(change, user);
        self.lockout.forget_in(change, user);
        self.sessions.forget_in(change, user);
    }
}
