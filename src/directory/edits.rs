//! Changing users by an edit of their record as it stands.

use super::reconcile::SourceRecord;
use super::users::{Staged, check_revision, commit, record_of};
use super::{Directory, Error};
use crate::access::Permit;
use crate::audit::Change;
use crate::model::{Companies, User, UserId};
use crate::store;

impl Directory {
    /// Changes a user: `edit` gets the record as it stands and leaves it as it should be; it may run more than once.
    /// `revision` is the one that the caller has seen, where it matters.
    ///
    /// # Errors
    /// `NotFound`, `Revision`, `Conflict`, `Owned`, `Invalid`, `Store`, and what `edit` returns.
    pub async fn change_user<E>(
        &self,
        permit: &Permit,
        id: UserId,
        revision: Option<u64>,
        edit: impl Fn(&User, &mut SourceRecord) -> Result<(), E> + Sync,
    ) -> Result<User, E>
    where
        E: From<Error> + store::Retryable,
    {
        self.change_account(permit, id, revision, None, edit).await
    }

    /// The same, which also gives these companies to the account where some are named.
    ///
    /// # Errors
    /// As [`Directory::change_user`].
    pub async fn change_account<E>(
        &self,
        permit: &Permit,
        id: UserId,
        revision: Option<u64>,
        companies: Option<&Companies>,
        edit: impl Fn(&User, &mut SourceRecord) -> Result<(), E> + Sync,
    ) -> Result<User, E>
    where
        E: From<Error> + store::Retryable,
    {
        let edit = &edit;
        self.ledger
            .retry(|mut change| async move {
                let staged = self.change_account_in(&mut change, permit, (id, revision), companies, edit).await?;
                Ok(commit(change, staged).await?)
            })
            .await
    }

    /// The same inside a change of the caller's, who records the event.
    ///
    /// # Errors
    /// As [`Directory::change_user`].
    pub(crate) async fn change_account_in<E: From<Error>>(
        &self,
        change: &mut Change,
        permit: &Permit,
        seen: (UserId, Option<u64>),
        companies: Option<&Companies>,
        edit: impl Fn(&User, &mut SourceRecord) -> Result<(), E> + Sync,
    ) -> Result<Staged, E> {
        let staged = self.change_user_in(change, permit, seen, edit).await?;
        Ok(match companies {
            Some(companies) => self.stage_companies(change, permit, staged, companies).await?,
            None => staged,
        })
    }

    /// The same as [`Directory::change_user`] inside a change of the caller's, who records the event. Of a user that stays
    /// as it is there is none.
    ///
    /// # Errors
    /// As [`Directory::change_user`].
    pub(crate) async fn change_user_in<E: From<Error>>(
        &self,
        change: &mut Change,
        permit: &Permit,
        (id, revision): (UserId, Option<u64>),
        edit: impl Fn(&User, &mut SourceRecord) -> Result<(), E> + Sync,
    ) -> Result<Staged, E> {
        self.check_running(change, permit).await?;
        let before = self.user_in(change, id).await?;
        check_revision(revision, before.revision)?;
        let mut record = record_of(&before, permit);
        edit(&before, &mut record)?;
        let staged = self.stage_user(change, permit, Some(&before), &record).await?;
        if staged.event.is_some() {
            self.stage_rules(change, permit, &staged.user).await?;
        }
        Ok(staged)
    }
}
