//! What else belongs to an account, kept by modules that the directory does not know: open sessions, a password, failed
//! attempts. It ends in the same change as the account does.

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};

use crate::access::Permit;
use crate::audit::Change;
use crate::model::{Circumstance, User, UserId};
use crate::store;

/// What ends with an account.
pub trait Belongings: Send + Sync {
    /// Ends everything that is open in the name of a user, as part of `change`, and tells how many sessions that were.
    /// Asked when an account is no longer active, is deleted, or passes to whom its source means by it.
    ///
    /// # Errors
    /// `Corrupt`, `Unavailable`.
    fn shut<'a>(&'a self, change: &'a mut Change, user: UserId) -> BoxFuture<'a, Result<usize, store::Error>>;

    /// The same, and takes away every way in that whoever had the account before may have left for themselves, second
    /// factors, known browsers and management tokens included; the password too, where no administrator keeps the account,
    /// and else its owner is told that the second factors are gone. Asked when it passes to whom its source means by it.
    ///
    /// # Errors
    /// `Corrupt`, `Unavailable`.
    fn hand_over<'a>(
        &'a self,
        change: &'a mut Change,
        permit: &'a Permit,
        user: &'a User,
    ) -> BoxFuture<'a, Result<usize, store::Error>>;

    /// Tells the owner of an account that its address was changed, at the old one, as part of `change`. Asked when its
    /// addresses or its name have changed and nobody else keeps it.
    ///
    /// # Errors
    /// `Corrupt`, `Unavailable`.
    fn moved<'a>(
        &'a self,
        change: &'a mut Change,
        before: &'a User,
        after: &'a User,
        from: &'a Circumstance,
    ) -> BoxFuture<'a, Result<(), store::Error>>;

    /// Removes what is kept of a user who is being deleted, as part of `change`.
    ///
    /// # Errors
    /// `Corrupt`, `Unavailable`.
    fn forget<'a>(&'a self, change: &'a mut Change, user: UserId) -> BoxFuture<'a, Result<(), store::Error>>;
}

/// Accounts to which nothing belongs.
pub(super) struct Nothing;

impl Belongings for Nothing {
    fn shut<'a>(&'a self, _: &'a mut Change, _: UserId) -> BoxFuture<'a, Result<usize, store::Error>> {
        ready(Ok(0)).boxed()
    }

    fn hand_over<'a>(
        &'a self,
        _: &'a mut Change,
        _: &'a Permit,
        _: &'a User,
    ) -> BoxFuture<'a, Result<usize, store::Error>> {
        ready(Ok(0)).boxed()
    }

    fn moved<'a>(
        &'a self,
        _: &'a mut Change,
        _: &'a User,
        _: &'a User,
        _: &'a Circumstance,
    ) -> BoxFuture<'a, Result<(), store::Error>> {
        ready(Ok(())).boxed()
    }

    fn forget<'a>(&'a self, _: &'a mut Change, _: UserId) -> BoxFuture<'a, Result<(), store::Error>> {
        ready(Ok(())).boxed()
    }
}
